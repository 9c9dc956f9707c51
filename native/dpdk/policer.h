/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may go from a port towards the main lcore and the kernel. Each class of frames has a token
 * bucket of its own, so that none of them takes the place of another: a flood of packets nobody
 * knows leaves VRRP alone, and so does one of BGP. There is one at each worker for each port,
 * before the ring, whose bursts together are less than the ring holds; and one at the kernel
 * interface.
 */
#ifndef KS_POLICER_H
#define KS_POLICER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ks_pkt.h"

#define KS_POLICE_PPS 20000u

enum ks_police {
	KS_POLICE_ORDINARY, /* what nobody has asked for, and what the node itself serves */
	KS_POLICE_ROUTING, /* VRRP, OSPF */
	KS_POLICE_NEIGHBOUR, /* ARP, neighbour discovery */
	KS_POLICE_CONTROL, /* BGP, BFD, ssh */
	KS_POLICE_WAITING, /* frames without a next hop, for the main lcore */
	KS_POLICE_CLASSES,
};

/* Tokens in thousandths of a packet, so that a millisecond adds `pps` of them. */
struct ks_tokens {
	uint32_t pps;
	uint64_t tokens, max;
	ks_ms at;
};

struct ks_policer {
	struct ks_tokens bucket[KS_POLICE_CLASSES];
};

void ks_tokens_init(struct ks_tokens *b, uint32_t pps, uint32_t burst);
bool ks_tokens_take(struct ks_tokens *b, ks_ms now);

/* At a worker. */
void ks_policer_init(struct ks_policer *p);

/* Reads no further than len. Never KS_POLICE_WAITING. */
enum ks_police ks_police_class(const uint8_t *frame, size_t len);

#endif
