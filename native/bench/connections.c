/* SPDX-License-Identifier: Apache-2.0 */
#include "connections.h"

#include <netinet/in.h>
#include <stdio.h>

#define MAX_ROUNDS   16u
#define FORGOTTEN_MS 30000u /* longer than any state a closed connection may be in */

static const struct {
	unsigned port; /* 0 = client, 1 = real server */
	enum gen_kind kind;
} script[] = {
	{ 0, GEN_SYN },  { 1, GEN_SYN_ACK }, { 0, GEN_ACK }, { 0, GEN_DATA },
	{ 1, GEN_DATA }, { 0, GEN_FIN },     { 1, GEN_FIN }, { 0, GEN_ACK },
};
#define STAGES (sizeof(script) / sizeof(script[0]))

struct totals {
	double cycles, expire, generator;
};

static uint64_t generator_cycles(const struct rig *r, uint64_t *calls)
{
	uint64_t sum = 0;

	*calls = 0;
	for (unsigned p = 0; p < GEN_PORTS; p++) {
		sum += r->queue[p][0].rx_cycles + r->queue[p][0].tx_cycles;
		*calls += r->queue[p][0].calls;
	}
	return sum;
}

/* Time jumps; the timers take all that is over. */
static double expire_all(struct rig *r, ks_ms now)
{
	struct lcore *l = &r->s->lcore[0];
	uint64_t start = gen_stamp();

	for (unsigned i = 0; i < 100000000u && rig_counter(r, KS_C_SESSIONS) > 0; i++)
		worker_timers(l, now);
	return (double)(gen_stamp() - start);
}

static bool one_round(struct flows *f, const struct measure *m, uint32_t total, ks_ms *now,
		      struct totals *out, char err[KS_ERR_LEN])
{
	uint64_t calls, calls_before, gen = generator_cycles(f->r, &calls_before), stages = 0;
	ks_ms start = *now;
	char drops[100];

	f->turn_cycles = 0;
	f->learnt = f->bad = 0;
	for (uint32_t from = 0; from < total; from += f->n) {
		/* as much time as these connections would take at a million a second */
		*now = start + from / 1000;
		flows_name(f, from);
		for (unsigned i = 0; i < STAGES; i++, stages++)
			flows_stage(f, script[i].port, script[i].kind, 0, f->n, i == 0, *now);
	}
	gen = generator_cycles(f->r, &calls) - gen;
	out->generator = (double)gen;
	out->cycles = (double)f->turn_cycles - (double)gen -
		m->stamp_cost * (double)(calls - calls_before + stages);
	*now += FORGOTTEN_MS;
	out->expire = expire_all(f->r, *now);
	rig_drops(f->r, drops, sizeof(drops));
	if (f->bad == 0 && f->learnt == total && drops[0] == '\0')
		return true;
	snprintf(err, KS_ERR_LEN,
		 "of %u connections %u were opened, %u frames left wrong; dropped: %s", total,
		 f->learnt, f->bad, drops[0] != '\0' ? drops : "none");
	return false;
}

bool connections_run(struct rig *r, const struct measure *m, uint32_t block, uint32_t total,
		     unsigned rounds, struct connections *out, char err[KS_ERR_LEN])
{
	double cycles[MAX_ROUNDS], expire[MAX_ROUNDS], gen[MAX_ROUNDS], both[MAX_ROUNDS];
	ks_ms now = shell_now(r->s);
	struct flows f;
	bool ok = true;

	total -= total % block;
	if (rounds > MAX_ROUNDS)
		rounds = MAX_ROUNDS;
	if (!flows_open(&f, r, IPPROTO_TCP, block, err))
		return false;
	for (unsigned i = 0; ok && i <= rounds; i++) {
		struct totals t;

		ok = one_round(&f, m, total, &now, &t, err);
		if (!ok || i == 0)
			continue;
		cycles[i - 1] = t.cycles / total;
		expire[i - 1] = t.expire / total;
		gen[i - 1] = t.generator / total;
		both[i - 1] = cycles[i - 1] + expire[i - 1];
	}
	flows_close(&f);
	if (!ok)
		return false;
	*out = (struct connections){
		.block = block,
		.cycles = median(cycles, rounds),
		.expire_cycles = median(expire, rounds),
		.generator = median(gen, rounds),
		.per_second = m->tsc_hz / median(both, rounds),
	};
	out->min = both[0];
	out->max = both[rounds - 1];
	return true;
}
