/* SPDX-License-Identifier: Apache-2.0 */
#include "ks_rss.h"

#include <string.h>

#include "ks_hdr.h"

/* The 32 bits of the key that begin at that bit. */
static uint32_t window(const uint8_t *key, size_t bit)
{
	uint64_t w = 0;

	for (size_t i = 0; i < 5; i++)
		w = w << 8 | key[bit / 8 + i];
	return (uint32_t)(w >> (8 - bit % 8));
}

bool ks_rss_init(struct ks_rss *r, const uint8_t *key, size_t key_len,
		 const uint8_t *worker_of_entry, size_t n_entries, uint32_t hashes)
{
	memset(r, 0, sizeof(*r));
	if (key_len < KS_RSS_KEY_MIN || n_entries == 0 || n_entries > KS_RSS_RETA_MAX ||
	    (n_entries & (n_entries - 1)) != 0 || hashes == 0)
		return false;
	for (size_t half = 0; half < 2 * (size_t)KS_RSS_INPUT; half++)
		for (unsigned value = 0; value < 16; value++)
			for (unsigned bit = 0; bit < 4; bit++)
				if (value & (8u >> bit))
					r->row[half][value] ^= window(key, half * 4 + bit);
	r->mask = (uint32_t)n_entries - 1;
	r->hashes = hashes;
	for (size_t i = 0; i < n_entries; i++) {
		r->worker[i] = worker_of_entry[i];
		if (worker_of_entry[i] < KS_MAX_WORKERS)
			r->workers |= 1ull << worker_of_entry[i];
	}
	return r->workers != 0;
}

static inline uint32_t hash_part(const struct ks_rss *r, unsigned at, const void *bytes, size_t n)
{
	const uint8_t *b = bytes;
	uint32_t h = 0;

	for (size_t i = 0; i < n; i++)
		h ^= r->row[2 * (at + i)][b[i] >> 4] ^ r->row[2 * (at + i) + 1][b[i] & 15];
	return h;
}

uint32_t ks_rss_hash(const struct ks_rss *r, const uint8_t *bytes, size_t n)
{
	return hash_part(r, 0, bytes, n < KS_RSS_INPUT ? n : KS_RSS_INPUT);
}

static uint32_t by_ports(uint8_t af, uint8_t proto)
{
	if (proto == KS_PROTO_TCP)
		return af == 4 ? KS_RSS_TCP4 : KS_RSS_TCP6;
	if (proto == KS_PROTO_UDP)
		return af == 4 ? KS_RSS_UDP4 : KS_RSS_UDP6;
	return 0;
}

unsigned ks_rss_worker(const struct ks_rss *r, const struct ks_key *k, uint8_t proto)
{
	bool ports = (r->hashes & by_ports(k->af, proto)) != 0;
	uint32_t h;

	if (!ports && !(r->hashes & (k->af == 4 ? KS_RSS_IP4 : KS_RSS_IP6)))
		return KS_RSS_NOBODY;
	if (k->af == 4)
		h = hash_part(r, 0, &k->t.src, 4) ^ hash_part(r, 4, &k->t.dst, 4);
	else
		h = hash_part(r, 0, k->a[KS_SRC].b, 16) ^ hash_part(r, 16, k->a[KS_DST].b, 16);
	if (ports) {
		unsigned at = k->af == 4 ? 8 : 32;

		h ^= hash_part(r, at, &k->t.sport, 2) ^ hash_part(r, at + 2, &k->t.dport, 2);
	}
	return r->worker[h & r->mask];
}
