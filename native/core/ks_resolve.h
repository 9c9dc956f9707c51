/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the main lcore: what is known about each next hop beyond its MAC, the frames that wait
 * for it, and when to ask again.
 *
 *   INCOMPLETE  asked by broadcast, KS_ARP_TRIES times; frames wait
 *   REACHABLE   heard of within the reachable time (KS_PARAM_NEIGH_TIMEOUT)
 *   STALE       not heard of since, and nobody uses it; forgotten after a long disuse
 *   PROBE       not heard of since, and used: asked by unicast as often, and used meanwhile
 *   FAILED      did not answer; the next frame starts over, as does time for one of several ways
 *   STATIC      told by an op: never asked
 */
#ifndef KS_RESOLVE_H
#define KS_RESOLVE_H

#include "ks_main.h"

#define KS_WAIT_MAX       4096u /* frames that wait, all together */
#define KS_WAIT_ENTRY_MAX 128u /* and for one next hop */
/* A first answer that is lost costs a tenth of a second, not one: the wait doubles from the first
 * up to RFC 4861's RETRANS_TIMER. */
#define KS_ARP_TRIES    5u
#define KS_ARP_FIRST_MS 100u
#define KS_ARP_LAST_MS  1000u
/* A router beside others is asked again so long after it failed: without an answer nobody uses it.
 */
#define KS_SHARED_RETRY_MS 3000u
#define KS_CONFLICT_SLOTS  64u

enum ks_nud {
	KS_NUD_NONE,
	KS_NUD_INCOMPLETE,
	KS_NUD_REACHABLE,
	KS_NUD_STALE,
	KS_NUD_PROBE,
	KS_NUD_FAILED,
	KS_NUD_STATIC
};

struct ks_nud_entry {
	uint8_t state;
	uint8_t tries;
	bool by_conf; /* static one of the generation */
	bool seen; /* while the generation's static ones are compared */
	bool shared; /* next hop of a multipath route: it is probed whether it is used or not */
	uint16_t n_wait;
	uint16_t wait_first, wait_last; /* rows of ks_main.wait */
	uint8_t af;
	uint32_t used_seen;
	union ks_addr addr;
	ks_ms due; /* UINT64_MAX = nothing to do */
	ks_ms since;
};

struct ks_wait_row {
	struct ks_pkt pkt;
	uint16_t next;
};

struct ks_conflict {
	union ks_addr addr;
	ks_ms told_at, defended_at;
};

/* What the main lcore knows of a leased address beyond the end of its lease. */
struct ks_lease_row {
	union ks_addr addr;
	uint8_t af, port;
	bool used; /* some address of the generation has this slot */
	bool seen; /* while a generation is compared */
	bool by_hand; /* the kernel has the address on its interface as well */
	bool told; /* that was reported while the address is not held */
	ks_ms not_held_since; /* with by_hand */
	ks_ms renewed_at; /* 0 = never since it is leased, or given up since */
};

struct ks_lease_table {
	struct ks_lease_row *row; /* [KS_LEASES_MAX] */
	uint32_t high; /* rows from here were never used */
	ks_ms next_due; /* not later than the first end */
	ks_ms look_at; /* when an address put on by hand is due to be told; UINT64_MAX = never */
	bool moved; /* one is held or not as it was not before: see ks_resolve_conf */
	uint32_t changes; /* how often an address became held, or ceased to be */
	bool unsettled; /* `left` is not known */
	ks_ms soonest; /* the first end of those held, 0 = none is held */
};

struct ks_main {
	struct ks_mem mem;
	struct ks_shared *shared;
	struct ks_main_io io;
	uint64_t *counters;
	struct ks_lease_table lease;
	uint64_t generation; /* whose static neighbours are in the table */
	uint32_t epoch;
	bool seen_conf;

	struct ks_nud_entry *nud; /* [KS_NEIGH_MAX] */
	uint32_t high; /* entries from here were never used */
	ks_ms next_due; /* not later than the first entry's */
	struct ks_wait_row *wait;
	uint16_t wait_free;
	uint32_t n_wait;
	struct ks_conflict conflict[KS_CONFLICT_SLOTS];
};

bool ks_resolve_init(struct ks_main *m);
void ks_resolve_fini(struct ks_main *m);

/* Send the frame to that next hop, now or when it is resolved. Takes the buffer. */
void ks_resolve_send(struct ks_main *m, const struct ks_conf *c, uint8_t port, uint8_t af,
		     const union ks_addr *next_hop, struct ks_pkt *p, ks_ms now);
/* Learns a hardware address: updates the entry, creates one only if `create`, and sends the frames
 * that waited for it. */
void ks_resolve_learn(struct ks_main *m, const struct ks_conf *c, uint8_t port, uint8_t af,
		      const union ks_addr *addr, const uint8_t mac[6], bool create, ks_ms now);
void ks_resolve_static(struct ks_main *m, const struct ks_conf *c, uint8_t port, uint8_t af,
		       const union ks_addr *addr, const uint8_t mac[6], bool by_conf, ks_ms now);
/* Take over the static neighbours and leases of a generation not seen before. */
void ks_resolve_conf(struct ks_main *m, const struct ks_conf *c, ks_ms now);
void ks_resolve_tick(struct ks_main *m, const struct ks_conf *c, ks_ms now);

/* ks_lease.c */
bool ks_lease_init(struct ks_main *m);
void ks_lease_fini(struct ks_main *m);
/* Leases of addresses that are no longer leased end; those that stay are kept. */
void ks_lease_conf(struct ks_main *m, const struct ks_conf *c, ks_ms now);
void ks_lease_tick(struct ks_main *m, const struct ks_conf *c, ks_ms now);
ks_ms ks_lease_deadline(const struct ks_main *m);

/* ks_main.c */
static inline struct ks_holding ks_main_holding(const struct ks_main *m, ks_ms now)
{
	return (struct ks_holding){ .leases = &m->shared->leases, .now = now };
}
/* The address of ours, NULL when it is none or a leased one that is not held. Judged by the clock,
 * so that between the end of a lease and the next tick nothing is answered. */
static inline const struct ks_local *ks_main_local(const struct ks_main *m, const struct ks_conf *c,
						   uint8_t af, const union ks_addr *addr, ks_ms now)
{
	return ks_held(&m->shared->leases, ks_conf_local(c, af, addr), now);
}
void ks_main_drop(struct ks_main *m, struct ks_pkt *p, enum ks_drop reason);
void ks_main_tx(struct ks_main *m, struct ks_pkt *p, uint8_t port);
bool ks_main_arp(struct ks_main *m, const struct ks_conf *c, uint8_t port, const uint8_t dst[6],
		 ks_be32 spa, const uint8_t tha[6], ks_be32 tpa);
bool ks_main_own_mac(const struct ks_conf *c, const uint8_t mac[6]);
/* Somebody else (mac) sends with an address of ours; true = it should be defended now. */
bool ks_main_conflict(struct ks_main *m, const struct ks_conf *c, const struct ks_local *l,
		      const uint8_t mac[6], ks_ms now);

/* ks_nd.c: neighbour discovery (RFC 4861) */
void ks_nd_input(struct ks_main *m, const struct ks_conf *c, struct ks_pkt *p, ks_ms now);
/* Solicit, by group or to the one that had it last (mac). */
void ks_nd_solicit(struct ks_main *m, const struct ks_conf *c, uint8_t port,
		   const union ks_addr *target, const uint8_t *mac, ks_ms now);
/* Unsolicited advertisement to all nodes (§7.2.6): IPv6's gratuitous ARP. */
void ks_nd_announce(struct ks_main *m, const struct ks_conf *c, uint8_t port,
		    const union ks_addr *target);

#endif
