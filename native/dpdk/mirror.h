/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Law 9: addresses are written once. Addresses, routes (table main) and neighbours which the kernel
 * has on the KNI interfaces are followed by rtnetlink: one dump at the start, notifications from
 * then on, a new dump when notifications were lost. Addresses and routes go into ks_desired as a
 * whole set; neighbours are handed over one by one.
 */
#ifndef KS_MIRROR_H
#define KS_MIRROR_H

#include <stdbool.h>
#include <stdint.h>

#include "ks_conf.h"
#include "sock.h"

struct ks_mirror;

struct ks_mirror_opts {
	struct ks_desired *desired;
	unsigned n_ports;
	unsigned ifindex[KS_MAX_PORTS]; /* of each port's KNI interface; 0 = it has none */
	void *ctx;
	/* The mirrored addresses or routes have changed and stand in `desired`: build and publish a
	 * generation when convenient. Called by ks_mirror_poll, changes of 20 ms taken together. */
	void (*changed)(void *ctx);
	/* mac NULL = the kernel has forgotten it: no reason for us to do so (ignored by the usual
	 * shell). */
	void (*neigh)(void *ctx, uint8_t port, uint8_t af, const union ks_addr *addr,
		      const uint8_t *mac);
};

/* Opens the socket and asks for the dump; the answers arrive by ks_mirror_poll. NULL = err tells.
 */
struct ks_mirror *ks_mirror_new(const struct ks_mirror_opts *o, char err[KS_ERR_LEN]);
void ks_mirror_free(struct ks_mirror *m);

int ks_mirror_fd(const struct ks_mirror *m); /* readable = call ks_mirror_poll */
void ks_mirror_poll(struct ks_mirror *m, ks_ms now);
ks_ms ks_mirror_deadline(const struct ks_mirror *m); /* end of the debounce; UINT64_MAX = none */
bool ks_mirror_synced(const struct ks_mirror *m); /* the first dump is complete and handed over */

#endif
