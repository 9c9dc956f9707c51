/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of ks_conf: the tables of one generation, all in one piece of memory (the trie apart,
 * which generations share). Hash tables are open, at most half full, and their empty rows are zero.
 */
#ifndef KS_TABLES_H
#define KS_TABLES_H

#include "ks_conf.h"
#include "ks_desired.h"
#include "ks_fib.h"

struct ks_svc_row {
	uint64_t key; /* ks_svc_key4 */
	const struct ks_svc *svc; /* NULL = empty */
};

struct ks_nat_row {
	union ks_addr addr;
	uint8_t af, proto; /* af 0 = empty */
	ks_be16 port;
};

/* What may be a port's own IPv6 source, those that stay before those that move. */
#define KS_SOURCES6 16u
struct ks_sources6 {
	uint32_t n;
	struct ks_source6 {
		union ks_addr addr;
		bool deprecated, moves;
		uint32_t lease; /* of one that moves: its slot */
	} a[KS_SOURCES6];
};

struct ks_tables {
	struct ks_mem mem;
	struct ks_fib *fib;
	struct ks_fib6 *fib6;
	const struct ks_svc *svc; /* [ks_conf.n_svc] */
	struct ks_svc_row *svc_row;
	const struct ks_svc **svc6_row; /* NULL = empty */
	const struct ks_local **local_row;
	const struct ks_local **local6_row;
	ks_be32 *lip_row; /* 0 = empty */
	struct ks_nat_row *nat_row; /* real servers in NAT */
	struct ks_match *match;
	uint32_t svc_mask, local_mask, lip_mask, nat_mask;
	struct ks_local *local;
	uint32_t n_local;
	struct ks_static_neigh *neigh;
	uint32_t n_neigh;
	ks_be32 port_src[KS_MAX_PORTS]; /* an address on that port that stays, 0 = none */
	struct ks_sources6 sources6[KS_MAX_PORTS];
};

static inline uint64_t ks_svc_key4(uint8_t proto, ks_be32 addr, ks_be16 port)
{
	return (uint64_t)proto << 48 | (uint64_t)port << 32 | addr;
}

static inline uint32_t ks_hash6(const union ks_addr *a)
{
	return (uint32_t)ks_mix(ks_mix(a->q[0]) + a->q[1]);
}

static inline uint32_t ks_svc_hash6(uint8_t proto, const union ks_addr *addr, ks_be16 port)
{
	return (uint32_t)ks_mix(ks_hash6(addr) + ((uint64_t)proto << 48 | (uint64_t)port << 32));
}

/* ks_build_l3.c: fill local, local_row, lip_row and port_src; make the trie anew if it must be
 * (false = no memory). */
void ks_build_locals(const struct ks_desired *d, struct ks_tables *t);
bool ks_build_fib(struct ks_desired *d);
/* Another flag for an address of ours; nothing where it is not ours. */
void ks_build_flag_local(struct ks_tables *t, uint8_t af, const union ks_addr *addr,
			 uint16_t flags);

/* ks_build_match.c: match services, and what they need to know of the others. */
void ks_build_count_matches(const struct ks_desired *d, uint32_t *n_match, uint32_t *n_nat);
void ks_build_matches(const struct ks_desired *d, struct ks_tables *t, struct ks_conf *c);

static inline uint32_t ks_nat_hash(uint8_t proto, const union ks_addr *addr, ks_be16 port)
{
	return (uint32_t)ks_mix(ks_mix(addr->q[0] + ((uint64_t)proto << 16 | port)) + addr->q[1]);
}

/* ks_source6.c: the best of them that is held to speak to dst with (RFC 6724 §5); zero = there is
 * none. */
union ks_addr ks_source6_choose(const struct ks_sources6 *s, const struct ks_holding *h,
				const union ks_addr *dst);

void ks_unref_maglevs(const struct ks_mem *mem, const struct ks_svc *svc, uint32_t n);

static inline uint32_t ks_hash4(ks_be32 addr)
{
	return (uint32_t)(addr * 0x9e3779b97f4a7c15ull >> 32);
}

#endif
