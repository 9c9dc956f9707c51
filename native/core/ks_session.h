/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of one worker. A session is one 64-byte line that holds both directions; the index holds
 * each direction's hash and a reference, seven to a 64-byte bucket. So a packet of a known session
 * touches two lines of memory that may be far away: its bucket and its session. A session with an
 * IPv6 side is wide: a second line behind the first holds the IPv6 addresses. Narrow ones fill the
 * table from below, wide ones from above.
 *
 * The index grows by linear hashing: one bucket is split at a time, in place, which never stalls.
 * Memory for the largest table is taken at the start but not touched before it is needed.
 */
#ifndef KS_SESSION_H
#define KS_SESSION_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "ks_ahead.h"
#include "ks_conf.h"
#include "ks_mem.h"
#include "ks_pkt.h"

#define KS_NONE UINT32_MAX

/* Directions. */
#define KS_IN  0u /* from the client */
#define KS_OUT 1u /* from the real server */

/* A packet's addresses and ports in the order of the wire. */
struct ks_tuple {
	ks_be32 src, dst;
	ks_be16 sport, dport;
};
static_assert(sizeof(struct ks_tuple) == 12, "compared as 12 bytes");

struct ks_session {
	/* What a packet of each direction looks like when it arrives. One way: key[KS_OUT] has the
	 * real server as its source, and as destination what an outer header gets for its own. */
	struct ks_tuple key[2];
	uint32_t last_seen; /* low 32 bits of ks_ms */
	uint32_t timeout; /* ms, of the present state */
	uint32_t rs_slot;
	uint32_t svc_slot;
	uint32_t timer_next; /* session, KS_NONE = last */
	uint32_t timer_prev; /* session, or KS_TIMER_HEAD | slot of the wheel */
	uint16_t nh[2]; /* next hop of a packet that came from each direction, KS_NH_NONE = look it
			   up */
	uint8_t proto;
	uint8_t state; /* enum ks_state */
	uint8_t flags; /* KS_SF_* */
	uint8_t fwd; /* enum ks_fwd */
	uint16_t ip_delta; /* checksum deltas of KS_IN; KS_OUT takes the negative */
	uint16_t l4_delta;
	uint16_t mtu; /* the smaller of both ways' */
	uint16_t epoch; /* of the generation nh and mtu were looked up in */
};
static_assert(sizeof(struct ks_session) == 64, "one cache line");

#define KS_SF_USED    0x01u
#define KS_SF_ACTIVE  0x02u /* counted as active at its real server, not as inactive */
#define KS_SF_ONE_WAY 0x04u /* the real server answers past us: only KS_IN is in the index */
#define KS_SF_WIDE    0x08u
#define KS_SF_V6      0x10u /* << direction: packets that arrive from there are IPv6 */
/* Persistence: which real server the clients of a prefix have. Found by the prefix, source port 0
 * and KS_PROTO_TEMPLATE beside the protocol, which no packet has. */
#define KS_SF_TEMPLATE    0x40u
#define KS_PROTO_TEMPLATE 0x80u
/* One-packet scheduling: only KS_OUT is in the index, the client's next packet makes another. */
#define KS_SF_ONE_PACKET 0x80u
#define KS_TIMER_HEAD    0x80000000u

static inline struct ks_wide *ks_wide(struct ks_session *s)
{
	return (struct ks_wide *)(void *)s;
}

static inline uint8_t ks_session_af(const struct ks_session *s, unsigned dir)
{
	return s->flags & (KS_SF_V6 << dir) ? 6 : 4;
}

/* Second line of a wide session: source and destination of a packet that arrives from each
 * direction, where that is IPv6 (then key[].src and .dst are 0). */
struct ks_wide {
	struct ks_session s;
	union ks_addr addr[2][2];
};
static_assert(sizeof(struct ks_wide) == 128, "two cache lines");
#define KS_SRC 0u
#define KS_DST 1u

/* What a packet is looked up by. */
struct ks_key {
	struct ks_tuple t; /* ports; addresses with IPv4, else 0 */
	uint8_t af;
	union ks_addr a[2]; /* IPv6 only: KS_SRC, KS_DST */
};

struct ks_bucket {
	uint32_t tag[7]; /* hash, 0 = free */
	uint32_t next; /* overflow bucket + 1 */
	uint32_t ref[7]; /* session << 1 | direction */
	uint32_t spare;
};
static_assert(sizeof(struct ks_bucket) == 64, "one cache line");

struct ks_table {
	struct ks_session *session; /* [max] */
	struct ks_bucket *bucket; /* [max_buckets], then [n_overflow] */
	uint32_t max;
	uint32_t fresh; /* sessions from here on were never used */
	uint32_t fresh_wide; /* first line of the lowest wide session */
	uint32_t free_head, free_wide; /* chained by timer_next and timer_prev */
	uint32_t used;
	uint32_t entries; /* in the index */
	uint32_t low; /* buckets at this level: a power of two */
	uint32_t split; /* buckets below are split already */
	uint32_t min_buckets;
	uint32_t max_buckets;
	uint32_t n_overflow;
	uint32_t fresh_overflow;
	uint32_t free_overflow;
	uint32_t removals; /* from the index: what was found before one may be another by now */
	uint64_t k0, k1; /* of the hash */
	const struct ks_mem *mem;
};

/* For another thread than the table's own: it may be out of date by what happens meanwhile. */
void ks_table_ahead(const struct ks_table *t, uint32_t sessions,
		    struct ks_span span[KS_AHEAD_KINDS]);

bool ks_table_init(struct ks_table *t, const struct ks_mem *mem, uint32_t max, uint32_t expected,
		   uint64_t seed);
void ks_table_fini(struct ks_table *t);

/* A session that is not in the index yet; NULL = table full. A wide one counts for two. */
struct ks_session *ks_table_alloc(struct ks_table *t, bool wide);
/* Give back one that is not in the index. */
void ks_table_release(struct ks_table *t, struct ks_session *s);
/* Both directions, or the one of a one-way or one-packet session (the other hash is not read then);
 * false = no room in the index, nothing was changed. */
bool ks_table_insert(struct ks_table *t, struct ks_session *s, uint32_t hash_in, uint32_t hash_out);
void ks_table_remove(struct ks_table *t, struct ks_session *s);
/* Bytes of memory in use for sessions and index. */
uint64_t ks_table_bytes(const struct ks_table *t);

static inline uint32_t ks_table_index(const struct ks_table *t, const struct ks_session *s)
{
	return (uint32_t)(s - t->session);
}

/* 64 x 64 -> 128 bit multiplication, both halves xored; never 0. */
static inline uint32_t ks_tuple_hash(const struct ks_table *t, const struct ks_tuple *k,
				     uint8_t proto)
{
	uint64_t addrs;
	uint32_t ports;
	unsigned __int128 m;

	memcpy(&addrs, &k->src, 8);
	memcpy(&ports, &k->sport, 4);
	m = (unsigned __int128)(addrs ^ t->k0) * (((uint64_t)ports << 8 | proto) ^ t->k1);
	uint64_t h = (uint64_t)m ^ (uint64_t)(m >> 64);
	return (uint32_t)(h ^ (h >> 32)) | 0x80000000u;
}

static inline uint32_t ks_key_hash6(const struct ks_table *t, const struct ks_tuple *ports,
				    const union ks_addr a[2], uint8_t proto)
{
	uint32_t p;
	unsigned __int128 m, n;

	memcpy(&p, &ports->sport, 4);
	m = (unsigned __int128)(a[KS_SRC].q[0] ^ t->k0) * (a[KS_SRC].q[1] ^ t->k1);
	n = (unsigned __int128)(a[KS_DST].q[0] ^ t->k1) * (a[KS_DST].q[1] ^ (t->k0 + p));
	uint64_t h = (uint64_t)m ^ (uint64_t)(m >> 64) ^
		((uint64_t)n + (uint64_t)(n >> 64)) * 0x9e3779b97f4a7c15ull;
	m = (unsigned __int128)(h ^ t->k0) * (((uint64_t)p << 8 | proto) ^ t->k1);
	h = (uint64_t)m ^ (uint64_t)(m >> 64);
	return (uint32_t)(h ^ (h >> 32)) | 0x80000000u;
}

static inline uint32_t ks_key_hash(const struct ks_table *t, const struct ks_key *k, uint8_t proto)
{
	return k->af == 4 ? ks_tuple_hash(t, &k->t, proto) : ks_key_hash6(t, &k->t, k->a, proto);
}

static inline struct ks_bucket *ks_table_bucket(const struct ks_table *t, uint32_t hash)
{
	uint32_t b = hash & (t->low - 1);

	/* no branch: which it is depends on the hash alone, so nothing could foretell it */
	b |= hash & t->low & (0u - (uint32_t)(b < t->split));
	return &t->bucket[b];
}

static inline bool ks_tuple_equal(const struct ks_tuple *a, const struct ks_tuple *b)
{
	uint64_t x, y;
	uint32_t p, q;

	memcpy(&x, &a->src, 8);
	memcpy(&y, &b->src, 8);
	memcpy(&p, &a->sport, 4);
	memcpy(&q, &b->sport, 4);
	return ((x ^ y) | (p ^ q)) == 0;
}

/* Bit i is set where tag[i] is the hash. All seven are compared at once: a loop that ends at the
 * one that fits is a branch nobody can foretell. */
static inline unsigned ks_bucket_match(const struct ks_bucket *b, uint32_t hash)
{
	unsigned bits = 0;

#ifdef __SSE2__
	__m128i h = _mm_set1_epi32((int)hash);
	__m128i low = _mm_loadu_si128((const __m128i *)(const void *)&b->tag[0]);
	__m128i high = _mm_loadu_si128((const __m128i *)(const void *)&b->tag[4]); /* and next */

	bits = (unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(low, h))) |
		(unsigned)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(high, h))) << 4;
#else
	for (unsigned i = 0; i < 7; i++)
		bits |= (unsigned)(b->tag[i] == hash) << i;
#endif
	return bits & 0x7f;
}

/* First reference in the bucket chain whose tag fits, KS_NONE = none. Only the index is read: the
 * session may be prefetched before it is compared. */
static inline uint32_t ks_table_candidate(const struct ks_table *t, const struct ks_bucket *b,
					  uint32_t hash)
{
	for (;;) {
		unsigned bits = ks_bucket_match(b, hash);

		if (__builtin_expect(bits != 0, 1))
			return b->ref[__builtin_ctz(bits)];
		if (b->next == 0)
			return KS_NONE;
		b = &t->bucket[b->next - 1];
	}
}

/* The whole lookup; *dir tells which direction the packet is of. */
static inline struct ks_session *ks_table_find(const struct ks_table *t, const struct ks_tuple *k,
					       uint8_t proto, uint32_t hash, unsigned *dir)
{
	const struct ks_bucket *b = ks_table_bucket(t, hash);

	for (;;) {
		for (unsigned bits = ks_bucket_match(b, hash); bits != 0; bits &= bits - 1) {
			unsigned i = (unsigned)__builtin_ctz(bits);
			struct ks_session *s = &t->session[b->ref[i] >> 1];

			if (s->proto == proto && ks_tuple_equal(&s->key[b->ref[i] & 1], k) &&
			    ks_session_af(s, b->ref[i] & 1) == 4) {
				*dir = b->ref[i] & 1;
				return s;
			}
		}
		if (b->next == 0)
			return NULL;
		b = &t->bucket[b->next - 1];
	}
}

struct ks_session *ks_table_find6(const struct ks_table *t, const struct ks_key *k, uint8_t proto,
				  uint32_t hash, unsigned *dir);

static inline struct ks_session *ks_table_find_key(const struct ks_table *t, const struct ks_key *k,
						   uint8_t proto, uint32_t hash, unsigned *dir)
{
	return k->af == 4 ? ks_table_find(t, &k->t, proto, hash, dir)
			  : ks_table_find6(t, k, proto, hash, dir);
}

static inline bool ks_addrs_equal(const union ks_addr a[2], const union ks_addr b[2])
{
	return ((a[0].q[0] ^ b[0].q[0]) | (a[0].q[1] ^ b[0].q[1]) | (a[1].q[0] ^ b[1].q[0]) |
		(a[1].q[1] ^ b[1].q[1])) == 0;
}

/* Is what ks_table_candidate answered really the packet's? Only while nothing has been removed from
 * the index since. */
static inline struct ks_session *ks_table_confirm(const struct ks_table *t, uint32_t ref,
						  const struct ks_key *k, uint8_t proto)
{
	struct ks_session *s = &t->session[ref >> 1];
	unsigned dir = ref & 1;

	if (s->proto != proto || ks_session_af(s, dir) != k->af)
		return NULL;
	if (__builtin_expect(k->af == 4, 1))
		return ks_tuple_equal(&s->key[dir], &k->t) ? s : NULL;
	return ks_tuple_equal(&s->key[dir], &k->t) && ks_addrs_equal(ks_wide(s)->addr[dir], k->a)
		? s
		: NULL;
}

/* What a packet that arrives from that direction is looked up by. */
static inline struct ks_key ks_session_key(const struct ks_session *s, unsigned dir)
{
	struct ks_key k = { .t = s->key[dir], .af = ks_session_af(s, dir) };

	if (k.af == 6)
		memcpy(k.a, ((const struct ks_wide *)(const void *)s)->addr[dir], sizeof(k.a));
	return k;
}

#endif
