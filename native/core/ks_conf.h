/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration in two forms. `ks_desired` is the main lcore's editable state: ops of the control
 * contract and what is mirrored from the kernel change it, all or nothing. `ks_conf` is one
 * immutable generation built from it, read by the workers without a lock; the shell publishes the
 * pointer and frees the old one when every worker has left it (QSBR).
 *
 * Slots: each service and each real server keeps its slot number from generation to generation, so
 * that per-worker counters, scheduler state and sessions can hold plain indices. A slot of a
 * deleted real server is not given away again while a worker still counts sessions on it.
 */
#ifndef KS_CONF_H
#define KS_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ks_ipc.h"
#include "ks_mem.h"
#include "ks_pkt.h"

#define KS_MAX_PORTS   32
#define KS_MAX_WORKERS 64
#define KS_SLOT_NONE   UINT32_MAX
#define KS_LEASES_MAX  32768u /* leased addresses */

/* An IPv4 address stands in the first four bytes, the others are zero: make one by ks_addr4. */
union ks_addr {
	uint8_t b[16];
	ks_be32 v4;
	uint64_t q[2];
};

/* All of it but the first plen bits set to zero. */
static inline void ks_addr_mask(union ks_addr *a, unsigned plen)
{
	for (unsigned i = 0; i<16; i++, plen = plen> 8 ? plen - 8 : 0)
		if (plen < 8)
			a->b[i] = (uint8_t)(a->b[i] & (0xff00u >> plen));
}

static inline union ks_addr ks_addr4(ks_be32 v4)
{
	union ks_addr a = { .q = { 0, 0 } };

	a.v4 = v4;
	return a;
}

/* One real server as the workers see it. */
struct ks_rs {
	uint32_t slot;
	uint32_t weight;
	uint8_t af;
	uint8_t fwd; /* enum ks_fwd */
	ks_be16 port;
	uint32_t flags;
	uint32_t upper; /* sessions from which on it takes no new ones; 0 = no limit */
	uint32_t lower; /* below which it takes them again; not 0 where upper is not */
	union ks_addr addr;
};

struct ks_lip {
	union ks_addr addr;
	uint8_t af;
	uint8_t port; /* device */
	uint16_t index; /* stable number of this LIP, for counters */
};

struct ks_maglev;

#define KS_ANY_PORT 0xffu

/* What a match service lets out with another source (SNAT). Ranges hold their ends; addresses are
 * compared as bytes, ports are in host order. */
struct ks_match {
	const struct ks_svc *svc;
	uint32_t order;
	uint8_t af, proto;
	uint8_t iif, oif; /* device, or KS_ANY_PORT */
	uint16_t sport[2], dport[2];
	union ks_addr src[2], dst[2];
};

struct ks_svc {
	struct ks_svc_key key;
	uint32_t slot;
	uint8_t sched;
	uint8_t persist_plen;
	uint8_t owner_bits; /* persistence: owners are found by so many bits of the client's
			       address, so that a session meets its template; 0 = by address and
			       port */
	bool nat; /* some real server is in NAT: its answers tell nothing of the service */
	uint8_t quic_config, quic_len; /* as in ks_op_svc */
	uint16_t n_lip; /* IPv4 ones first */
	uint16_t n_lip4;
	uint32_t flags;
	uint32_t est_timeout_ms;
	uint32_t persist_ms;
	uint32_t n_rs; /* all, weight 0 as well */
	uint32_t weight_sum;
	uint32_t weight_gcd;
	uint32_t weight_max;
	const struct ks_rs *rs;
	const struct ks_lip *lip;
	struct ks_maglev *maglev; /* with KS_SCHED_MH; NULL = no real server has weight */
};

#define KS_LOCAL_VIP        0x1u /* leased */
#define KS_LOCAL_LIP        0x2u
#define KS_LOCAL_KERNEL     0x4u /* mirrored: the kernel has it on the KNI interface too */
#define KS_LOCAL_PLAIN      0x8u /* set by ops without a flag */
#define KS_LOCAL_SNAT       0x10u /* match services let packets out with it */
#define KS_LOCAL_DEPRECATED 0x20u /* the kernel's, not for new conversations */

struct ks_local {
	union ks_addr addr;
	uint8_t af;
	uint8_t port;
	uint16_t flags;
	uint32_t lease; /* with KS_LOCAL_VIP: its slot (ks_lease.h) */
};

/* What the FIB answers. */
struct ks_route {
	union ks_addr gw; /* zero = on-link: the destination itself is the next hop */
	union ks_addr src;
	uint8_t port;
	uint8_t plen;
	uint16_t mtu; /* never 0 */
	uint32_t metric;
	uint16_t weight; /* 0 = never one of several ways */
	bool told_src; /* src was named for it, rather than following from an address */
	uint16_t n_hops; /* of the first of several equal ways: how many they are, one behind
			    another */
};

struct ks_rss;

struct ks_port_info {
	char dev[KS_DEV_NAME];
	uint8_t mac[6];
	uint16_t mtu;
	bool up;
	bool ip_csum_tx; /* the port fills IPv4 header checksums */
	bool l4_csum_tx; /* the port fills TCP and UDP checksums */
	const struct ks_rss *rss; /* how it spreads packets over the workers, for as long as the
				     shell lives; NULL = not known */
};

struct ks_conf {
	uint64_t generation;
	uint32_t epoch; /* changes with every route, address or port change: cached next hops are
			   looked up anew */
	uint32_t n_workers;
	uint32_t n_ports;
	const struct ks_rss *rss; /* owners of what clients send follow it; NULL = none to follow */
	uint32_t n_svc;
	uint32_t n_svc_slots; /* 1 + highest slot ever used */
	uint32_t n_rs_slots;
	bool grouped; /* some service has owner_bits */
	uint8_t pass_bits4, pass_bits6; /* ks_svc.owner_bits of all services in NAT */
	bool passes; /* packets to addresses that are not ours may be of sessions (NAT) */
	bool pool_serves; /* some address of SNAT is a service's too */
	uint32_t param[KS_PARAM_COUNT];
	struct ks_port_info port[KS_MAX_PORTS];
	const struct ks_rs *const *rs_by_slot; /* [n_rs_slots]; NULL = real server is gone */
	const struct ks_svc *const *svc_by_slot; /* [n_svc_slots]; NULL = service is gone */
	const struct ks_match *match; /* [n_match], the first that fits decides */
	uint32_t n_match;
	void *impl; /* tables of ks_conf.c and ks_fib.c */
};

/* Lookups: pure reads, safe on any lcore that is online for the generation. NULL = none. */
const struct ks_svc *ks_conf_svc(const struct ks_conf *c, const struct ks_svc_key *key);
const struct ks_svc *ks_conf_svc4(const struct ks_conf *c, uint8_t proto, ks_be32 vip,
				  ks_be16 port);
const struct ks_svc *ks_conf_svc6(const struct ks_conf *c, uint8_t proto, const union ks_addr *vip,
				  ks_be16 port);
const struct ks_local *ks_conf_local4(const struct ks_conf *c, ks_be32 addr);
const struct ks_local *ks_conf_local6(const struct ks_conf *c, const union ks_addr *addr);
bool ks_conf_is_lip4(const struct ks_conf *c,
		     ks_be32 addr); /* the one the owner function asks: must be cheap */
const struct ks_route *ks_conf_route4(const struct ks_conf *c, ks_be32 dst);
const struct ks_route *ks_conf_route6(const struct ks_conf *c, const union ks_addr *dst);
/* What lets a packet to an address that is not ours out, by what it is looked up by; oif may be
 * KS_ANY_PORT when there is no route. */
struct ks_key;
const struct ks_match *ks_conf_match(const struct ks_conf *c, const struct ks_key *k, uint8_t proto,
				     uint8_t iif, uint8_t oif);
/* Is that a real server in NAT? */
bool ks_conf_is_nat_rs(const struct ks_conf *c, uint8_t af, uint8_t proto,
		       const union ks_addr *addr, ks_be16 port);
/* Of either family. */
static inline const struct ks_local *ks_conf_local(const struct ks_conf *c, uint8_t af,
						   const union ks_addr *addr)
{
	return af == 4 ? ks_conf_local4(c, addr->v4) : ks_conf_local6(c, addr);
}
static inline const struct ks_route *ks_conf_route(const struct ks_conf *c, uint8_t af,
						   const union ks_addr *dst)
{
	return af == 4 ? ks_conf_route4(c, dst->v4) : ks_conf_route6(c, dst);
}
/* Of several equal ways the one that leaves by that device; NULL = none does. */
static inline const struct ks_route *ks_route_by_port(const struct ks_route *r, uint8_t port)
{
	for (uint16_t i = 0; r != NULL && i < (r->n_hops > 1 ? r->n_hops : 1); i++)
		if (r[i].port == port)
			return &r[i];
	return NULL;
}
static inline bool ks_addr_unset(const union ks_addr *a)
{
	return (a->q[0] | a->q[1]) == 0;
}

/* What only the main lcore asks. */
const struct ks_svc *ks_conf_services(const struct ks_conf *c, uint32_t *n); /* all, in one array */
struct ks_static_neigh {
	union ks_addr addr;
	uint8_t af;
	uint8_t port;
	uint8_t mac[6];
};
struct ks_hops;
const struct ks_hops *ks_conf_hops(const struct ks_conf *c, uint8_t af);
const struct ks_static_neigh *ks_conf_neighs(const struct ks_conf *c, uint32_t *n);
/* Which leased addresses are held when something is looked up. */
struct ks_leases;
struct ks_holding {
	const struct ks_leases *leases;
	ks_ms now;
};
/* Our address to ask for dst with on that port: the preferred source of its route, else one of the
 * port's own; 0 = none. A leased address that is not held is never chosen. */
ks_be32 ks_conf_source4(const struct ks_conf *c, const struct ks_holding *h, uint8_t port,
			ks_be32 dst);
union ks_addr ks_conf_source6(const struct ks_conf *c, const struct ks_holding *h, uint8_t port,
			      const union ks_addr *dst);
static inline union ks_addr ks_conf_source(const struct ks_conf *c, const struct ks_holding *h,
					   uint8_t port, uint8_t af, const union ks_addr *dst)
{
	if (af == 6)
		return ks_conf_source6(c, h, port, dst);
	return ks_addr4(ks_conf_source4(c, h, port, dst->v4));
}
/* May that address be a source now? Not when it is a leased one that is not held. */
bool ks_conf_may_speak(const struct ks_conf *c, const struct ks_holding *h, uint8_t af,
		       const union ks_addr *addr);

/* ---- main lcore ------------------------------------------------------------------------------------------------ */

struct ks_desired;

struct ks_limits {
	uint32_t max_services;
	uint32_t max_rs_slots;
	uint32_t max_routes;
	uint32_t n_workers;
};

struct ks_desired *ks_desired_new(const struct ks_mem *mem, const struct ks_limits *limits);
void ks_desired_free(struct ks_desired *d);
void ks_desired_port(struct ks_desired *d, unsigned port,
		     const struct ks_port_info *info); /* add or change */

/* A transaction: begin opens a journal; apply changes the state; commit or abort ends it.
 * from_empty drops everything that came by ops (not what is mirrored) first. apply and commit
 * return KS_OK or an error with a reason of at most KS_REASON_LEN; after an error of either only
 * abort makes sense. When no generation can be built after a commit, rollback takes that commit
 * back (until the next begin). Mirrored state may change during a transaction. */
int ks_desired_begin(struct ks_desired *d, bool from_empty);
int ks_desired_apply(struct ks_desired *d, const struct ks_op *op, size_t len, char *reason);
int ks_desired_commit(struct ks_desired *d, uint64_t generation, char *reason);
void ks_desired_abort(struct ks_desired *d);
void ks_desired_rollback(struct ks_desired *d);
bool ks_desired_in_transaction(const struct ks_desired *d);
uint64_t ks_desired_generation(const struct ks_desired *d);

/* What the kernel has on the KNI interfaces (law 9); replaces the whole mirrored set of its kind.
 * Not part of a transaction. */
struct ks_mirror_addr {
	union ks_addr addr;
	uint8_t af, plen, port;
	bool deprecated; /* not for new conversations (RFC 4862 §5.5.4) */
};
struct ks_mirror_route {
	union ks_addr dst, gw, src;
	uint8_t af, plen, port;
	uint8_t weight; /* of one next hop of several; 0 = the only one */
	uint32_t metric, mtu;
};
/* The next generation gets a new epoch, so that cached next hops are looked up anew. */
void ks_desired_new_epoch(struct ks_desired *d);
void ks_desired_mirror_addrs(struct ks_desired *d, const struct ks_mirror_addr *a, size_t n);
void ks_desired_mirror_routes(struct ks_desired *d, const struct ks_mirror_route *r, size_t n);
/* A leased address with a prefix shorter than a host's makes its network on-link only while it is
 * held. To be called when leases have changed; true = a route comes or goes, so a generation must
 * be built. Not part of a transaction. */
bool ks_desired_follow_leases(struct ks_desired *d, const struct ks_holding *h);

/* Build the generation of the present state, not during a transaction; NULL and a reason when
 * memory or slots are short. rs_in_use [max_rs_slots] tells for each real server slot whether any
 * worker still counts sessions on it (slots in use are not given away; NULL = none is). What is
 * built must be published, and before one is published the workers must have left the one before
 * the last: on that rests when a slot is given away. */
struct ks_conf *ks_conf_build(struct ks_desired *d, const uint8_t *rs_in_use, char *reason);
void ks_conf_free(struct ks_conf *c);

#endif
