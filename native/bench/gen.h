/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generator: a port that makes frames out of lists and swallows what is sent to it, all in this
 * process. Two of them face the data plane: on port 0 are the clients, on port 1 the real servers.
 * Each has a queue for every worker. What a queue costs is measured by itself, to be taken off the
 * worker's time.
 *
 * A list holds what differs from frame to frame; the rest is in its template. Frames are whole and
 * right, checksums included.
 */
#ifndef GEN_H
#define GEN_H

#include <rte_mbuf.h>
#include <stdbool.h>
#include <stdint.h>
#include <x86intrin.h>

#include "ks_conf.h"
#include "ks_pkt.h"

#define GEN_FRAME  60u /* and 4 of checksum: 64 bytes on the wire */
#define GEN_FRAME6 74u /* of TCP without data: the smallest there is */
#define GEN_PORTS  2u

enum gen_kind { GEN_SYN, GEN_SYN_ACK, GEN_ACK, GEN_DATA, GEN_FIN, GEN_UDP, GEN_KINDS };

struct gen_tuple {
	ks_be32 src, dst;
	ks_be16 sport, dport;
	uint16_t ip_csum, l4_csum; /* with these fields, of the list's kind */
};

struct gen_tuple6 {
	uint8_t src[16], dst[16];
	ks_be16 sport, dport;
	uint16_t l4_csum, spare;
};

/* Both ends of either family, as a frame names them. */
struct gen_ends {
	union ks_addr src, dst;
	ks_be16 sport, dport;
	uint8_t af;
};

struct gen_list {
	struct gen_tuple *t;
	struct gen_tuple6 *t6; /* not NULL: instead of t */
	uint32_t n, at;
	bool cycle; /* begin again at the end */
	enum gen_kind kind;
	uint32_t first_index; /* what capture is told about t[0] */
};

/* Told of every frame sent to a queue while it is set. index = of the list it came from, though it
 * left on another port. */
typedef void (*gen_capture)(void *ctx, unsigned port, uint32_t index, const uint8_t *frame,
			    uint16_t len);

/* Frames arrive at times of their own, whether they are fetched or not; how long each has been here
 * when it leaves is told. */
struct gen_pace {
	uint64_t next; /* TSC of the next arrival, 0 = begin now */
	const uint32_t *gap; /* [gaps] TSC between two arrivals, for ever again */
	uint32_t gaps, at;
	void (*left)(void *ctx, uint64_t tsc); /* a frame has left so long after it came */
	void *ctx;
};

/* Time between the calls of the ports of one worker, by the queue that was fetched from last: what
 * its packets cost. */
struct gen_spent {
	uint64_t cycles, intervals;
};

struct gen_clock {
	uint64_t last;
	struct gen_spent *into; /* NULL = not yet */
};

struct gen_queue {
	_Alignas(64) struct gen_list list;
	uint64_t rx_cycles, tx_cycles, calls;
	uint64_t rx, tx;
	gen_capture capture;
	void *capture_ctx;
	struct gen_pace *pace;
	struct gen_clock *clock;
	struct gen_spent spent; /* with clock */
};

struct gen_port {
	unsigned index;
	uint8_t mac[6]; /* the data plane's, of this port */
	uint8_t peer_mac[6]; /* of who sends here */
	struct rte_mempool *pool;
	uint64_t rx_ol; /* ol_flags of what is received: the checksums it claims to have verified */
	struct gen_queue *q; /* [workers + 1]: the last is nobody's by itself */
	uint8_t tmpl[GEN_KINDS][64];
	uint8_t tmpl6[GEN_KINDS][128];
};

void gen_port_init(struct gen_port *g, unsigned index, struct rte_mempool *pool,
		   struct gen_queue *q, bool claim_csum);
uint16_t gen_rx(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n);
uint16_t gen_tx(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n);

/* Fill in the checksums of a tuple for frames of that kind. */
void gen_csum(const struct gen_port *g, enum gen_kind kind, struct gen_tuple *t);

void gen_csum6(const struct gen_port *g, enum gen_kind kind, struct gen_tuple6 *t);

/* Is the frame sound (lengths, checksums, one hop less), and between whom? tunnelled: the outer
 * header's ends, without ports, are in `outer`. */
bool gen_frame_read(const uint8_t *frame, uint16_t len, struct gen_ends *ends,
		    struct gen_ends *outer);

/* Nothing of before may finish after it. */
static inline uint64_t gen_stamp(void)
{
	_mm_lfence();
	return __rdtsc();
}

/* Cycles that a pair of stamps costs outside of what it measures. */
double gen_stamp_cost(void);

#endif
