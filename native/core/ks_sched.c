/* SPDX-License-Identifier: Apache-2.0 */
/* Schedulers, one function each, under the names ipvsadm gives them. */
#include "ks_sched.h"

#include "ks_maglev.h"
#include "ks_worker.h"

struct pick {
	const struct ks_svc *svc;
	struct ks_sched_state *st;
	const struct ks_counts *counts;
	const struct ks_key *client;
};

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

static uint64_t active(const struct pick *p, const struct ks_rs *rs)
{
	return ks_counts_active(p->counts, rs->slot);
}

static uint64_t inactive(const struct pick *p, const struct ks_rs *rs)
{
	return ks_counts_inactive(p->counts, rs->slot);
}

/* May it have a new session? */
static inline bool takes(const struct pick *p, const struct ks_rs *rs)
{
	return rs->weight > 0 &&
		(__builtin_expect(rs->upper == 0, 1) || !ks_counts_full(p->counts, rs));
}

static const struct ks_rs *rr(const struct pick *p)
{
	for (uint32_t i = 0; i < p->svc->n_rs; i++) {
		const struct ks_rs *rs = &p->svc->rs[p->st->at % p->svc->n_rs];

		p->st->at = (p->st->at + 1) % p->svc->n_rs;
		if (takes(p, rs))
			return rs;
	}
	return NULL;
}

/* Interleaved by the greatest common divisor: in each pass those whose weight is not yet served up.
 */
static const struct ks_rs *wrr(const struct pick *p)
{
	const struct ks_svc *svc = p->svc;
	struct ks_sched_state *st = p->st;
	uint32_t full = 0;

	if (svc->weight_max == 0 || svc->weight_gcd == 0)
		return NULL;
	if (st->weight == 0 || st->weight > svc->weight_max)
		st->weight = svc->weight_max;
	for (;;) {
		const struct ks_rs *rs = &svc->rs[st->at % svc->n_rs];
		bool chosen = rs->weight >= st->weight && rs->weight > 0;

		st->at++;
		if (st->at >= svc->n_rs) {
			st->at = 0;
			st->weight = st->weight > svc->weight_gcd ? st->weight - svc->weight_gcd
								  : svc->weight_max;
		}
		if (!chosen)
			continue;
		if (takes(p, rs))
			return rs;
		if (++full >= svc->n_rs) /* the few that are left have little weight */
			return rr(p);
	}
}

/* The real server with the least cost/weight, compared without division. */
static const struct ks_rs *least(const struct pick *p,
				 uint64_t (*cost)(const struct pick *, const struct ks_rs *),
				 bool weighted)
{
	const struct ks_rs *best = NULL;
	uint64_t best_cost = 0;

	for (uint32_t i = 0; i < p->svc->n_rs; i++) {
		const struct ks_rs *rs = &p->svc->rs[i];
		uint64_t c;

		if (!takes(p, rs))
			continue;
		c = cost(p, rs);
		if (best == NULL ||
		    (weighted ? c * best->weight < best_cost * rs->weight : c < best_cost)) {
			best = rs;
			best_cost = c;
		}
	}
	return best;
}

static uint64_t overhead(const struct pick *p, const struct ks_rs *rs)
{
	return active(p, rs) * 256 + inactive(p, rs);
}

static uint64_t expected_delay(const struct pick *p, const struct ks_rs *rs)
{
	return active(p, rs) + 1;
}

static const struct ks_rs *wlc(const struct pick *p)
{
	return least(p, overhead, true);
}

static const struct ks_rs *lc(const struct pick *p)
{
	return least(p, overhead, false);
}

static const struct ks_rs *sed(const struct pick *p)
{
	return least(p, expected_delay, true);
}

static const struct ks_rs *nq(const struct pick *p)
{
	for (uint32_t i = 0; i < p->svc->n_rs; i++)
		if (active(p, &p->svc->rs[i]) == 0 && takes(p, &p->svc->rs[i]))
			return &p->svc->rs[i];
	return sed(p);
}

static const struct ks_rs *fo(const struct pick *p)
{
	const struct ks_rs *best = NULL;

	for (uint32_t i = 0; i < p->svc->n_rs; i++)
		if ((best == NULL || p->svc->rs[i].weight > best->weight) &&
		    takes(p, &p->svc->rs[i]))
			best = &p->svc->rs[i];
	return best;
}

/* A client whose real server is full goes to another one by another hash, so that not all of them
 * go to the same. */
#define TRIES 8u

static const struct ks_rs *by_weight(const struct pick *p, uint64_t h)
{
	uint64_t at = ((h >> 32) * p->svc->weight_sum) >> 32;

	for (uint32_t i = 0; i < p->svc->n_rs; i++) {
		if (at < p->svc->rs[i].weight)
			return &p->svc->rs[i];
		at -= p->svc->rs[i].weight;
	}
	return NULL;
}

static const struct ks_rs *past_full(const struct pick *p, uint64_t h)
{
	for (unsigned i = 0; i < TRIES; i++) {
		const struct ks_rs *rs = by_weight(p, mix(h + i));

		if (rs != NULL && takes(p, rs))
			return rs;
	}
	return rr(p);
}

/* By a hash over the weights: the same client (or address) comes to the same real server while the
 * set stays. */
static const struct ks_rs *by_hash(const struct pick *p, ks_be32 addr, ks_be16 port)
{
	uint64_t h = ((uint64_t)addr << 16 | port) * 0x9e3779b97f4a7c15ull;
	const struct ks_rs *rs;

	if (p->svc->weight_sum == 0)
		return NULL;
	rs = by_weight(p, h);
	return rs != NULL && takes(p, rs) ? rs : past_full(p, h);
}

/* An address as 32 bits: IPv4 as it is. */
static uint32_t word_of(const struct pick *p, unsigned side)
{
	const struct ks_key *k = p->client;

	if (k->af == 4)
		return side == KS_SRC ? k->t.src : k->t.dst;
	return (uint32_t)mix(mix(k->a[side].q[0]) + k->a[side].q[1]);
}

static const struct ks_rs *sh(const struct pick *p)
{
	return by_hash(p, word_of(p, KS_SRC),
		       p->svc->flags & KS_SVC_SCHED_PORT ? p->client->t.sport : 0);
}

static const struct ks_rs *dh(const struct pick *p)
{
	return by_hash(p, word_of(p, KS_DST), 0);
}

/* Where the client's row of the Maglev table points. A real server without weight has no row, and
 * from a full one the client goes to another: mh-fallback is how it always is. */
static const struct ks_rs *mh(const struct pick *p)
{
	const struct ks_maglev *m = p->svc->maglev;
	uint64_t h = (uint64_t)word_of(p, KS_SRC) << 16;
	const struct ks_rs *rs;

	if (m == NULL)
		return NULL;
	if (p->svc->flags & KS_SVC_SCHED_PORT)
		h |= p->client->t.sport;
	rs = &p->svc->rs[m->row[mix(h) % m->size]];
	return takes(p, rs) ? rs : past_full(p, h);
}

/* 65536 * log2(1 + i / 64) */
static const uint32_t log2_table[65] = {
	0,     1466,  2909,  4331,  5732,  7112,  8473,  9814,  11136, 12440, 13727, 14996, 16248,
	17484, 18704, 19909, 21098, 22272, 23433, 24579, 25711, 26830, 27936, 29029, 30109, 31178,
	32234, 33279, 34312, 35334, 36346, 37346, 38336, 39316, 40286, 41246, 42196, 43137, 44068,
	44990, 45904, 46809, 47705, 48593, 49472, 50344, 51207, 52063, 52911, 53751, 54584, 55410,
	56229, 57040, 57845, 58643, 59434, 60219, 60997, 61769, 62534, 63294, 64047, 64794, 65536,
};

/* 65536 * log2(1 + x / 65536), straight between the rows of the table. */
static uint32_t log2_of(uint32_t x)
{
	uint32_t i = x >> 10, rest = x & 1023;

	return log2_table[i] + (((log2_table[i + 1] - log2_table[i]) * rest) >> 10);
}

/* -log2(u / 2^32) in 1/65536, for u > 0; whole numbers, so that every machine has the same. */
uint64_t ks_neg_log2(uint32_t u)
{
	unsigned top = 31u - (unsigned)__builtin_clz(u);
	uint32_t rest = (uint32_t)(((uint64_t)u << (31 - top)) >> 15) & 0xffff;

	/* u = 2^top * (1 + rest / 65536) */
	return ((uint64_t)(32 - top) << 16) - log2_of(rest);
}

/* Weighted rendezvous (highest random weight): of all real servers the one that scores best with
 * this client. Only the clients of a server that leaves, or of one that comes, move; DPVS's ring of
 * 160 points a server does the same by approximation. */
static const struct ks_rs *conhash(const struct pick *p)
{
	const struct ks_rs *best = NULL;
	uint64_t best_score = 0, client = word_of(p, KS_SRC);

	for (uint32_t i = 0; i < p->svc->n_rs; i++) {
		const struct ks_rs *rs = &p->svc->rs[i];
		uint64_t h = mix(mix(mix(rs->addr.q[0]) + rs->addr.q[1] + rs->port) + client);
		uint64_t score;

		if (!takes(p, rs))
			continue;
		score = ks_neg_log2((uint32_t)(h >> 32) | 1);
		if (best == NULL || score * best->weight < best_score * rs->weight) {
			best = rs;
			best_score = score;
		}
	}
	return best;
}

/* All to the one with the highest weight until it has as many connections as its weight, then to
 * the next (Linux's ovf). */
static const struct ks_rs *ovf(const struct pick *p)
{
	const struct ks_rs *best = NULL;

	for (uint32_t i = 0; i < p->svc->n_rs; i++) {
		const struct ks_rs *rs = &p->svc->rs[i];

		if (rs->weight > active(p, rs) + inactive(p, rs) &&
		    (best == NULL || rs->weight > best->weight) && takes(p, rs))
			best = rs;
	}
	return best;
}

static const struct ks_rs *(*const table[])(const struct pick *) = {
	[KS_SCHED_RR] = rr,   [KS_SCHED_WRR] = wrr,         [KS_SCHED_WLC] = wlc,
	[KS_SCHED_LC] = lc,   [KS_SCHED_SED] = sed,         [KS_SCHED_NQ] = nq,
	[KS_SCHED_SH] = sh,   [KS_SCHED_DH] = dh,           [KS_SCHED_FO] = fo,
	[KS_SCHED_OVF] = ovf, [KS_SCHED_CONHASH] = conhash, [KS_SCHED_MH] = mh,
};

/* Real servers looked up with every pick: a line a worker for each. */
#define LOOK_AT 4u

static bool counts_sessions(uint8_t sched)
{
	return sched == KS_SCHED_WLC || sched == KS_SCHED_LC || sched == KS_SCHED_SED ||
		sched == KS_SCHED_NQ || sched == KS_SCHED_OVF;
}

static void look(const struct ks_svc *svc, struct ks_sched_state *st, const struct ks_counts *c)
{
	for (uint32_t i = 0; i < LOOK_AT && i < svc->n_rs; i++) {
		st->looked = (st->looked + 1) % svc->n_rs;
		if (svc->rs[st->looked].slot < c->n_slots)
			ks_counts_look(c, svc->rs[st->looked].slot);
	}
}

bool ks_sched_any(const struct ks_svc *svc)
{
	return svc->weight_sum != 0;
}

bool ks_sched_known(uint8_t sched)
{
	return sched < sizeof(table) / sizeof(table[0]) && table[sched] != NULL;
}

const struct ks_rs *ks_sched_pick(const struct ks_svc *svc, struct ks_sched_state *st,
				  const struct ks_counts *counts, const struct ks_key *client)
{
	struct pick p = { .svc = svc, .st = st, .counts = counts, .client = client };

	if (svc->n_rs == 0 || !ks_sched_known(svc->sched))
		return NULL;
	if (st->serial != svc->n_rs) {
		st->serial = svc->n_rs;
		st->at %= svc->n_rs;
		st->weight = 0;
	}
	if (counts->first != NULL && counts_sessions(svc->sched))
		look(svc, st, counts);
	return table[svc->sched](&p);
}
