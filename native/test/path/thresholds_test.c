/* SPDX-License-Identifier: Apache-2.0 */
/* Thresholds of real servers: limits on their sessions, over all workers. */
#include "fixture.h"
#include "ks_sched.h"

#define SERVERS 4
#define VIP     "198.51.100.80"
#define CLIENT  "198.51.100.10"

static const char *const servers[] = { "10.1.0.11", "10.1.0.12", "10.1.0.13", "10.1.0.14", NULL };

struct limit {
	unsigned upper, lower;
};

static void begin(struct bed *b, uint8_t sched, const unsigned weight[SERVERS],
		  const struct limit limit[SERVERS])
{
	struct ks_svc_key key = key_of(KS_PROTO_UDP, VIP, 80);
	char reason[KS_REASON_LEN];

	CHECK_EQ(ks_desired_begin(b->desired, true), KS_OK);
	bed_service(b, KS_PROTO_UDP, sched, servers, weight);
	for (unsigned i = 0; i < SERVERS; i++) {
		struct ks_op_rs rs = op_rs(key, servers[i], 8080, weight[i]);

		rs.upper = limit[i].upper;
		rs.lower = limit[i].lower;
		CHECK_EQ(APPLY(b->desired, rs, reason), KS_OK);
	}
	bed_build(b);
}

static void open_with(struct bed *b, unsigned n, uint8_t sched, const unsigned weight[SERVERS],
		      const struct limit limit[SERVERS])
{
	bed_open(b, n, 4096);
	bed_neigh(b, 0, "10.1.0.13", rs_mac);
	bed_neigh(b, 0, "10.1.0.14", rs_mac);
	begin(b, sched, weight, limit);
}

/* A new client, whose packet the worker `at` takes. */
static void knock(struct bed *b, unsigned sport, unsigned at)
{
	struct pkt k = make_udp(1, CLIENT, sport, VIP, 80, "x");

	feed(b, &k, at);
	drop_pkt(&k);
}

static uint64_t held_by(const struct bed *b, unsigned server)
{
	ks_be32 addr = ip4(servers[server]);
	uint64_t n = 0;

	for (unsigned slot = 0; slot < b->conf->n_rs_slots; slot++) {
		const struct ks_rs *rs = b->conf->rs_by_slot[slot];

		for (unsigned w = 0; rs != NULL && rs->addr.v4 == addr && w < b->n; w++)
			n += b->rs[w][slot][KS_RSC_ACTIVE] + b->rs[w][slot][KS_RSC_INACTIVE];
	}
	return n;
}

static void expire(struct bed *b, ks_ms ms)
{
	struct ks_pkt out[4];

	b->now += ms;
	for (unsigned i = 0; i < b->n; i++)
		for (unsigned turn = 0; turn < 2000; turn++)
			(void)ks_worker_tick(b->w[i], b->conf, out, 4, 1024, b->now);
}

/* Every scheduler, any number of workers: each server has exactly as many as it is to have, those
 * that come then are refused by name, and a server without weight gets none. */
static void no_server_has_more_than_its_limit(void)
{
	static const struct limit limit[SERVERS] = { { 5, 0 }, { 17, 0 }, { 1, 0 }, { 9, 0 } };
	static const unsigned weight[SERVERS] = { 100, 300, 200, 0 };

	for (uint8_t sched = 0; sched < 32; sched++)
		for (unsigned n = 1; n <= 8; n++) {
			struct bed b;

			if (!ks_sched_known(sched))
				continue;
			open_with(&b, n, sched, weight, limit);
			for (unsigned i = 0; i < 100; i++)
				knock(&b, 1000 + i, i % n);
			for (unsigned s = 0; s < SERVERS; s++)
				CHECK_EQ(held_by(&b, s), weight[s] == 0 ? 0 : limit[s].upper);
			CHECK_EQ(dropped(&b, KS_DROP_SERVERS_FULL), 100 - 5 - 17 - 1);
			CHECK_EQ(dropped(&b, KS_DROP_NO_REAL_SERVER), 0);
			for (unsigned i = 0; i < 100; i++) /* those that are there go on */
				knock(&b, 1000 + i, i % n);
			CHECK_EQ(counted(&b, KS_C_SESSIONS), 23);
			bed_close(&b);
		}
}

/* Full until fewer than the lower threshold are left, whichever worker asks. */
static void a_full_server_waits_for_the_lower_threshold(void)
{
	static const unsigned weight[SERVERS] = { 1, 0, 0, 0 };
	static const struct {
		struct limit limit;
		unsigned takes_at; /* the greatest number left at which it takes new ones */
	} cases[] = { { { 8, 3 }, 2 }, { { 8, 8 }, 7 }, { { 8, 1 }, 0 }, { { 8, 0 }, 5 } };

	for (unsigned n = 1; n <= 7; n += 3)
		for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++)
			for (unsigned left = 0; left < 8; left++) {
				struct limit limit[SERVERS] = { cases[c].limit };
				uint64_t before;
				struct bed b;

				open_with(&b, n, KS_SCHED_RR, weight, limit);
				for (unsigned i = 0; i < 8 - left; i++)
					knock(&b, 1000 + i, i % n);
				expire(&b, 200000);
				for (unsigned i = 8 - left; i < 9; i++)
					knock(&b, 1000 + i, i % n);
				CHECK_EQ(dropped(&b, KS_DROP_SERVERS_FULL), 1);
				expire(&b, 150000);
				CHECK_EQ(held_by(&b, 0), left);
				before = dropped(&b, KS_DROP_SERVERS_FULL);
				for (unsigned w = 0; w < n; w++)
					knock(&b, 2000 + w, w);
				if (left <= cases[c].takes_at) /* until it is full again */
					CHECK_EQ(held_by(&b, 0), left + n < 8 ? left + n : 8);
				else
					CHECK_EQ(dropped(&b, KS_DROP_SERVERS_FULL), before + n);
				bed_close(&b);
			}
}

static void a_lower_threshold_above_the_upper_is_refused(void)
{
	struct ks_op_rs rs = op_rs(key_of(KS_PROTO_UDP, VIP, 80), "10.1.0.11", 8080, 1);
	char reason[KS_REASON_LEN];
	struct bed b;

	bed_open(&b, 1, 64);
	rs.upper = 4;
	rs.lower = 5;
	CHECK_EQ(ks_desired_begin(b.desired, false), KS_OK);
	CHECK_EQ(APPLY(b.desired, rs, reason), KS_E_INVALID);
	CHECK(strstr(reason, "lower threshold, 5, is above the upper, 4") != NULL);
	ks_desired_abort(b.desired);
	bed_close(&b);
}

int main(void)
{
	RUN(no_server_has_more_than_its_limit);
	RUN(a_full_server_waits_for_the_lower_threshold);
	RUN(a_lower_threshold_above_the_upper_is_refused);
	return 0;
}
