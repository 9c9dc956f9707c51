/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the main lcore does to packets: ARP both ways, next hops and the frames that wait for them,
 * gratuitous ARP, the leases of VIPs. Pure as the workers are: packets and time come in, packets
 * leave through the two callbacks.
 */
#ifndef KS_MAIN_H
#define KS_MAIN_H

#include "ks_conf.h"
#include "ks_neigh.h"
#include "ks_pkt.h"
#include "ks_worker.h"

struct ks_main;

struct ks_main_io {
	void *ctx;
	bool (*alloc)(void *ctx, struct ks_pkt *out); /* a fresh buffer */
	void (*send)(void *ctx,
		     struct ks_pkt *p); /* whole frame, out_port set; the callee takes the buffer */
	void (*release)(void *ctx, struct ks_pkt *p); /* give a buffer back */
	void (*kni)(void *ctx,
		    struct ks_pkt *p); /* to the kernel interface of in_port: takes the buffer */
	void (*event)(void *ctx, const struct ks_event *e);
};

struct ks_main *ks_main_new(const struct ks_mem *mem, struct ks_shared *shared,
			    const struct ks_main_io *io,
			    uint64_t *counters /* [KS_C_COUNT] of the main lcore */);
void ks_main_free(struct ks_main *m);

/* A KS_V_MAIN packet from a worker: ARP (answered, learnt, copied to the KNI when it is a reply),
 * or a frame that needs a next hop: its route is looked up by its destination address, the
 * neighbour resolved, the frame kept (bounded) and sent when the answer comes. Takes the buffer. */
void ks_main_packet(struct ks_main *m, const struct ks_conf *c, struct ks_pkt *p, ks_ms now);

/* Neighbours as the kernel knows them on the KNI interfaces, or static ones: usable at once. The
 * static ones of the generation (KS_OP_NEIGH_SET) are taken over by packet and tick themselves when
 * they see another generation. */
void ks_main_neigh_set(struct ks_main *m, const struct ks_conf *c, uint8_t port, uint8_t af,
		       const union ks_addr *addr, const uint8_t mac[6], bool is_static, ks_ms now);

/* Gratuitous ARP `repeat` times back to back. Not sent, and told by the status: KS_E_NOT_FOUND for
 * an address that is not ours on that port, KS_E_STATE for a leased VIP that is not held. */
int ks_main_garp(struct ks_main *m, const struct ks_conf *c, uint8_t port, uint8_t af,
		 const union ks_addr *addr, unsigned repeat, ks_ms now);

/* The lease of one leased address: ms = 0 ends it, UINT32_MAX asks only, another makes it end so
 * long from now. Fills the state afterwards. Leases survive generations that keep the address. */
void ks_main_lease(struct ks_main *m, const struct ks_conf *c, uint8_t port, uint8_t af,
		   const union ks_addr *addr, uint32_t ms, ks_ms now, struct ks_lease_state *out);
/* End the leases of all addresses. */
void ks_main_release_all(struct ks_main *m, const struct ks_conf *c, ks_ms now);
/* Another number whenever an address has become held, or is held no longer. */
uint32_t ks_main_lease_changes(const struct ks_main *m);
/* Until the first lease of those held ends, 0 = none is held. */
uint64_t ks_main_lease_left(struct ks_main *m, ks_ms now);

/* Timers: retries, probes of stale neighbours, lease expiry. */
void ks_main_tick(struct ks_main *m, const struct ks_conf *c, ks_ms now);
ks_ms ks_main_deadline(const struct ks_main *m);

#endif
