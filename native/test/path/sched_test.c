/* SPDX-License-Identifier: Apache-2.0 */
/* Schedulers that choose by the client: shares by weight, the same choice on every node, and few
 * clients that move when a server comes or goes. */
#include "fixture.h"

#define CLIENTS 4000u
#define SERVERS 5u

static const char *const servers[SERVERS + 1] = { "10.1.0.11", "10.1.0.12", "10.1.0.13",
						  "10.1.0.14", "10.1.0.15", NULL };

static void begin(struct bed *b, uint8_t sched, const unsigned weight[SERVERS])
{
	CHECK_EQ(ks_desired_begin(b->desired, true), KS_OK);
	bed_service(b, KS_PROTO_UDP, sched, servers, weight);
	bed_build(b);
}

/* The server each client gets, by its index. Sessions of before are in the way: a new port. */
static void choices(struct bed *b, unsigned sport, uint8_t got[CLIENTS])
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		char client[16];
		struct pkt k;

		snprintf(client, sizeof(client), "203.0.%u.%u", i / 250, 1 + i % 250);
		k = make_udp(1, client, sport, "198.51.100.80", 80, "x");
		feed(b, &k, 0);
		got[i] = 0xff;
		for (unsigned s = 0; s < SERVERS; s++)
			if (ip_of(&k)->dst == ip4(servers[s]))
				got[i] = (uint8_t)s;
		CHECK(got[i] != 0xff);
		drop_pkt(&k);
	}
}

static void open_with_route(struct bed *b, uint8_t sched, const unsigned weight[SERVERS])
{
	struct ks_mirror_route r = { .af = 4, .plen = 0, .port = 1 };

	bed_open(b, 1, 65536);
	r.gw.v4 = ip4("198.51.100.1");
	ks_desired_mirror_routes(b->desired, &r, 1);
	begin(b, sched, weight);
	bed_neigh(b, 1, "198.51.100.1", client_mac);
}

static void shares_follow_weights(uint8_t sched)
{
	static const unsigned weight[SERVERS] = { 1, 2, 3, 4, 0 };
	static uint8_t got[CLIENTS];
	unsigned n[SERVERS] = { 0 };
	struct bed b;

	open_with_route(&b, sched, weight);
	choices(&b, 1000, got);
	for (unsigned i = 0; i < CLIENTS; i++)
		n[got[i]]++;
	CHECK_EQ(n[4], 0);
	for (unsigned s = 0; s < 4; s++) {
		unsigned want = CLIENTS * weight[s] / 10;

		CHECK(n[s] > want - want / 5 && n[s] < want + want / 5);
	}
	bed_close(&b);
}

static void every_node_chooses_alike(uint8_t sched)
{
	static const unsigned weight[SERVERS] = { 1, 1, 2, 1, 1 };
	static uint8_t one[CLIENTS], other[CLIENTS];
	struct bed b;

	open_with_route(&b, sched, weight);
	choices(&b, 1000, one);
	bed_close(&b);
	open_with_route(&b, sched, (const unsigned[SERVERS]){ 1, 1, 1, 1, 1 });
	begin(&b, sched, weight); /* another history, the same state */
	choices(&b, 1000, other);
	bed_close(&b);
	CHECK(memcmp(one, other, sizeof(one)) == 0);
}

/* A server goes: its clients must go elsewhere; how many of the others move too, in 1/1000? */
static unsigned moved(uint8_t sched)
{
	static uint8_t before[CLIENTS], after[CLIENTS];
	unsigned n = 0, of = 0;
	struct bed b;

	open_with_route(&b, sched, (const unsigned[SERVERS]){ 1, 1, 1, 1, 1 });
	choices(&b, 1000, before);
	begin(&b, sched, (const unsigned[SERVERS]){ 1, 1, 0, 1, 1 });
	choices(&b, 1001, after);
	for (unsigned i = 0; i < CLIENTS; i++) {
		CHECK(after[i] != 2);
		of += before[i] != 2;
		n += before[i] != 2 && before[i] != after[i];
	}
	begin(&b, sched, (const unsigned[SERVERS]){ 1, 1, 1, 1, 1 });
	choices(&b, 1002, after);
	CHECK(memcmp(before, after, sizeof(before)) == 0); /* it comes back, and so do they */
	bed_close(&b);
	return n * 1000 / of;
}

static void maglev(void)
{
	shares_follow_weights(KS_SCHED_MH);
	every_node_chooses_alike(KS_SCHED_MH);
	CHECK(moved(KS_SCHED_MH) < 60);
}

static void consistent_hash(void)
{
	shares_follow_weights(KS_SCHED_CONHASH);
	every_node_chooses_alike(KS_SCHED_CONHASH);
	CHECK_EQ(moved(KS_SCHED_CONHASH), 0);
}

static void maglev_tables_have_a_prime_size(void)
{
	static uint8_t got[CLIENTS];
	char reason[KS_REASON_LEN];
	struct ks_op_param size = { .op = { KS_OP_PARAM_SET, sizeof(size) },
				    .param = KS_PARAM_MAGLEV_SIZE };
	struct bed b;

	open_with_route(&b, KS_SCHED_MH, (const unsigned[SERVERS]){ 1, 1, 1, 1, 1 });
	for (uint32_t v = 0; v < 3; v++) {
		size.value = (const uint32_t[]){ 4096, 65537, 249 }[v];
		CHECK_EQ(ks_desired_begin(b.desired, false), KS_OK);
		CHECK_EQ(APPLY(b.desired, size, reason), KS_E_INVALID);
		ks_desired_abort(b.desired);
	}
	size.value = 65521;
	CHECK_EQ(ks_desired_begin(b.desired, false), KS_OK);
	CHECK_EQ(APPLY(b.desired, size, reason), KS_OK);
	bed_build(&b);
	choices(&b, 1000, got);
	bed_close(&b);
}

static void overflow_fills_one_after_the_other(void)
{
	static const unsigned weight[SERVERS] = { 10, 30, 20, 0, 0 };
	unsigned n[SERVERS] = { 0 };
	struct bed b;

	open_with_route(&b, KS_SCHED_OVF, weight);
	for (unsigned i = 0; i < 60; i++) {
		struct pkt k = make_udp(1, "198.51.100.10", 1000 + i, "198.51.100.80", 80, "x");

		feed(&b, &k, 0);
		for (unsigned s = 0; s < SERVERS; s++)
			n[s] += ip_of(&k)->dst == ip4(servers[s]);
		CHECK_EQ(n[2] > 0, n[1] == 30 && i >= 30);
		CHECK_EQ(n[0] > 0, n[2] == 20 && i >= 50);
		drop_pkt(&k);
	}
	CHECK_EQ(dropped(&b, KS_DROP_NO_REAL_SERVER), 0);
	bed_close(&b);
}

int main(void)
{
	RUN(maglev);
	RUN(consistent_hash);
	RUN(maglev_tables_have_a_prime_size);
	RUN(overflow_fills_one_after_the_other);
	return 0;
}
