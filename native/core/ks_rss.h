/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a port will deliver a packet: the Toeplitz hash of its addresses and ports under the port's
 * key, and the table from hash to queue, here already to the worker that polls the queue. Nothing
 * is right or wrong by it: a packet delivered elsewhere goes to its owner by the ring. But a local
 * port chosen by it, and an owner that follows it, spare the ring.
 *
 * The hash is linear over bits, so it is put together from one table row for each half byte.
 */
#ifndef KS_RSS_H
#define KS_RSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ks_conf.h"
#include "ks_session.h"

#define KS_RSS_KEY_MAX  52u
#define KS_RSS_KEY_MIN  40u
#define KS_RSS_RETA_MAX 512u
#define KS_RSS_NOBODY   0xffu
#define KS_RSS_INPUT    36u /* bytes: two IPv6 addresses and two ports */

/* What the port hashes; where the ports are not hashed, the addresses are. */
enum {
	KS_RSS_IP4 = 0x1,
	KS_RSS_TCP4 = 0x2,
	KS_RSS_UDP4 = 0x4,
	KS_RSS_IP6 = 0x8,
	KS_RSS_TCP6 = 0x10,
	KS_RSS_UDP6 = 0x20,
};

struct ks_rss {
	uint32_t row[2 * KS_RSS_INPUT][16];
	uint32_t mask; /* entries of the table, a power of two, less one */
	uint32_t hashes; /* KS_RSS_* */
	uint64_t workers; /* those that get anything */
	uint8_t worker[KS_RSS_RETA_MAX]; /* KS_RSS_NOBODY = the queue is polled by no worker */
};

/* worker_of_entry[n_entries] names the worker of each entry of the port's table. false = nothing
 * that can be followed: key too short, table too large or not a power of two, nobody polls. */
bool ks_rss_init(struct ks_rss *r, const uint8_t *key, size_t key_len,
		 const uint8_t *worker_of_entry, size_t n_entries, uint32_t hashes);

/* Over n bytes as they stand in the packet. */
uint32_t ks_rss_hash(const struct ks_rss *r, const uint8_t *bytes, size_t n);
/* The worker that gets such a packet, KS_RSS_NOBODY = not known. */
unsigned ks_rss_worker(const struct ks_rss *r, const struct ks_key *k, uint8_t proto);

#endif
