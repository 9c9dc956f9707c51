/* SPDX-License-Identifier: Apache-2.0 */
/* What can be known of a device from its devargs before DPDK is asked: so that a start that must
 * fail can say why. */
#ifndef DEVARGS_H
#define DEVARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "sock.h"

bool devargs_is_pci(const char *devargs);
/* The value of a key ("iface"), false = not there. */
bool devargs_get(const char *devargs, const char *key, char *out, size_t cap);
/* The name before the first comma. */
void devargs_name(const char *devargs, char *out, size_t cap);

/* False = err says what is wrong: no such interface, no such file, no permission, bound to a kernel
 * driver ... */
bool devargs_check(const char *port, const char *devargs, char err[KS_ERR_LEN]);

/* Reserve the device for this process, as long as the descriptor returned is open; the reservation
 * ends with the process however it ends. -1 = err says who has it. */
int devargs_reserve(const char *port, const char *devargs, char err[KS_ERR_LEN]);

#endif
