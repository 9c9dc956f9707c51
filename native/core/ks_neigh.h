/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Next hops: one table for all lcores, written by the main lcore alone, read by the workers without
 * a lock. An entry never moves, so a session keeps its index; its MAC, port and state are one
 * atomic 64-bit word, so a changed MAC is seen by the next packet of every session. Workers never
 * wait for a neighbour: a frame whose next hop is not resolved goes to the main lcore (KS_V_MAIN).
 */
#ifndef KS_NEIGH_H
#define KS_NEIGH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ks_conf.h"
#include "ks_mem.h"
#include "ks_pkt.h"

#define KS_NEIGH_MAX 65535u /* indices 0 .. KS_NEIGH_MAX-1; KS_NH_NONE is none */

/* word: bits 0-47 MAC (byte 0 of the MAC in bits 0-7), 48-53 port, 54 usable (MAC valid), 55 failed
 * (asked in vain, and not heard of since) */
#define KS_NH_USABLE (1ull << 54)
#define KS_NH_FAILED (1ull << 55)
static inline bool ks_nh_usable(uint64_t word)
{
	return (word & KS_NH_USABLE) != 0;
}
static inline uint8_t ks_nh_port(uint64_t word)
{
	return (uint8_t)((word >> 48) & 0x3f);
}

struct ks_neigh_hot {
	_Atomic uint64_t word;
	_Atomic uint32_t
		used_at; /* seconds; a worker that uses the entry notes it, when it differs */
};

struct ks_neigh_table {
	struct ks_neigh_hot *hot; /* [KS_NEIGH_MAX] */
	void *impl;
	bool outdated; /* main lcore: cached next hops must be looked up anew (a new epoch): an
			  index was given to another one, when all had been in use once; or one of
			  several equal ways has failed, or is back */
};

/* Worker side. find returns the index or KS_NH_NONE (then send the packet to the main lcore with
 * ks_pkt.nh = KS_NH_NONE and its next hop is looked up there by ks_main). */
uint16_t ks_neigh_find(const struct ks_neigh_table *t, uint8_t port, uint8_t af,
		       const union ks_addr *addr);
static inline uint16_t ks_neigh_find4(const struct ks_neigh_table *t, uint8_t port, ks_be32 addr)
{
	union ks_addr a = ks_addr4(addr);

	return ks_neigh_find(t, port, 4, &a);
}

/* Main lcore side. add returns the entry there is already or a new one, not usable; KS_NH_NONE =
 * table full. */
bool ks_neigh_table_init(struct ks_neigh_table *t, const struct ks_mem *mem);
void ks_neigh_table_free(struct ks_neigh_table *t, const struct ks_mem *mem);
uint16_t ks_neigh_add(struct ks_neigh_table *t, uint8_t port, uint8_t af,
		      const union ks_addr *addr);
static inline uint16_t ks_neigh_add4(struct ks_neigh_table *t, uint8_t port, ks_be32 addr)
{
	union ks_addr a = ks_addr4(addr);

	return ks_neigh_add(t, port, 4, &a);
}
void ks_neigh_del(struct ks_neigh_table *t, uint16_t index);
void ks_neigh_set_mac(struct ks_neigh_table *t, uint16_t index,
		      const uint8_t mac[6]); /* usable from now */
void ks_neigh_set_failed(struct ks_neigh_table *t, uint16_t index);
uint8_t ks_neigh_port(const struct ks_neigh_table *t, uint16_t index);

#endif
