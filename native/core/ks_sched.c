/* SPDX-License-Identifier: Apache-2.0 */
/* Schedulers, one function each, under the names ipvsadm gives them. */
#include "ks_sched.h"

#include "ks_worker.h"

struct pick {
	const struct ks_svc *svc;
	struct ks_sched_state *st;
	const uint64_t *counters;
	const struct ks_tuple *client;
};

static uint64_t active(const struct pick *p, const struct ks_rs *rs)
{
	return p->counters[(size_t)rs->slot * KS_RSC_COUNT + KS_RSC_ACTIVE];
}

static uint64_t inactive(const struct pick *p, const struct ks_rs *rs)
{
	return p->counters[(size_t)rs->slot * KS_RSC_COUNT + KS_RSC_INACTIVE];
}

static const struct ks_rs *rr(const struct pick *p)
{
	for (uint32_t i = 0; i < p->svc->n_rs; i++) {
		const struct ks_rs *rs = &p->svc->rs[p->st->at % p->svc->n_rs];

		p->st->at = (p->st->at + 1) % p->svc->n_rs;
		if (rs->weight > 0)
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
		if (chosen)
			return rs;
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

		if (rs->weight == 0)
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
		if (p->svc->rs[i].weight > 0 && active(p, &p->svc->rs[i]) == 0)
			return &p->svc->rs[i];
	return sed(p);
}

static const struct ks_rs *fo(const struct pick *p)
{
	const struct ks_rs *best = NULL;

	for (uint32_t i = 0; i < p->svc->n_rs; i++)
		if (p->svc->rs[i].weight > 0 &&
		    (best == NULL || p->svc->rs[i].weight > best->weight))
			best = &p->svc->rs[i];
	return best;
}

/* By a hash over the weights: the same client (or address) comes to the same real server while the
 * set stays. */
static const struct ks_rs *by_hash(const struct pick *p, ks_be32 addr, ks_be16 port)
{
	uint64_t h = ((uint64_t)addr << 16 | port) * 0x9e3779b97f4a7c15ull;
	uint64_t at;

	if (p->svc->weight_sum == 0)
		return NULL;
	at = ((h >> 32) * p->svc->weight_sum) >> 32;
	for (uint32_t i = 0; i < p->svc->n_rs; i++) {
		if (at < p->svc->rs[i].weight)
			return &p->svc->rs[i];
		at -= p->svc->rs[i].weight;
	}
	return NULL;
}

static const struct ks_rs *sh(const struct pick *p)
{
	return by_hash(p, p->client->src, p->svc->flags & KS_SVC_SCHED_PORT ? p->client->sport : 0);
}

static const struct ks_rs *dh(const struct pick *p)
{
	return by_hash(p, p->client->dst, 0);
}

static const struct ks_rs *(*const table[])(const struct pick *) = {
	[KS_SCHED_RR] = rr, [KS_SCHED_WRR] = wrr, [KS_SCHED_WLC] = wlc,
	[KS_SCHED_LC] = lc, [KS_SCHED_SED] = sed, [KS_SCHED_NQ] = nq,
	[KS_SCHED_SH] = sh, [KS_SCHED_DH] = dh,   [KS_SCHED_FO] = fo,
};

bool ks_sched_known(uint8_t sched)
{
	return sched < sizeof(table) / sizeof(table[0]) && table[sched] != NULL;
}

const struct ks_rs *ks_sched_pick(const struct ks_svc *svc, struct ks_sched_state *st,
				  const uint64_t *rs_counters, const struct ks_tuple *client)
{
	struct pick p = { .svc = svc, .st = st, .counters = rs_counters, .client = client };

	if (svc->n_rs == 0 || !ks_sched_known(svc->sched))
		return NULL;
	if (st->serial != svc->n_rs) {
		st->serial = svc->n_rs;
		st->at %= svc->n_rs;
		st->weight = 0;
	}
	return table[svc->sched](&p);
}
