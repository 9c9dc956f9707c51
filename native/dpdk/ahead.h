/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread beside the workers that touches memory before they do. Where a table grows into pages
 * nobody has used, a worker would wait for the kernel to find and clear them, on a virtual machine
 * for the hypervisor as well: milliseconds for 2 MB. It keeps some room ahead of each worker's
 * table, so that memory is still only taken as sessions come.
 */
#ifndef AHEAD_H
#define AHEAD_H

#include "shell.h"

struct ahead;

/* NULL = it could not be started, which costs no more than the waiting. The workers must live until
 * ahead_stop. */
struct ahead *ahead_start(struct shell *s);
void ahead_stop(struct ahead *a);

#endif
