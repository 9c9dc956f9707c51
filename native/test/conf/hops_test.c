/* SPDX-License-Identifier: Apache-2.0 */
/* Several ways to one prefix, in both families: which are side by side, how flows are shared among
 * them, and who moves when one fails. And which address speaks to whom (RFC 6724). */
#include "check.h"
#include "ks_fib.h"
#include "ks_fib6.h"
#include "ks_hops.h"
#include "ks_neigh.h"
#include "ks_tables.h"

#define FLOWS 20000u

static struct test_mem tm;
static struct ks_mem mem;
static struct ks_neigh_table neigh;

static void set_up(void)
{
	memset(&tm, 0, sizeof(tm));
	memset(&neigh, 0, sizeof(neigh));
	mem = test_mem_of(&tm);
	CHECK(ks_neigh_table_init(&neigh, &mem));
}

static union ks_addr router(uint8_t af, unsigned i)
{
	union ks_addr a = { .q = { 0, 0 } };

	if (af == 4)
		return ks_addr4(htonl(0x0a000001 + i));
	a.b[0] = 0xfe;
	a.b[1] = 0x80;
	a.b[15] = (uint8_t)(i + 1);
	return a;
}

/* The default route of either family, with these weights. */
struct trie {
	struct ks_fib *f4;
	struct ks_fib6 *f6;
	const struct ks_route *r;
	const struct ks_hops *hops;
};

static struct trie build(uint8_t af, const struct ks_route *r, const bool *down, uint32_t n)
{
	struct ks_fib_in in4[16] = { 0 };
	struct ks_fib6_in in6[16] = { 0 };
	union ks_addr any = { .q = { 0, 0 } };
	struct trie t = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		in4[i] = (struct ks_fib_in){ .route = r[i], .down = down != NULL && down[i] };
		in6[i] = (struct ks_fib6_in){ .route = r[i], .down = down != NULL && down[i] };
	}
	if (af == 4) {
		t.f4 = ks_fib_build(&mem, in4, n);
		CHECK(t.f4 != NULL);
		t.r = ks_fib_find(t.f4, 0x08080808);
		t.hops = &t.f4->hops;
	} else {
		t.f6 = ks_fib6_build(&mem, in6, n);
		CHECK(t.f6 != NULL);
		t.r = ks_fib6_find(t.f6, &any);
		t.hops = &t.f6->hops;
	}
	CHECK(t.r != NULL);
	return t;
}

static void drop_trie(struct trie *t)
{
	ks_fib_unref(&mem, t->f4);
	ks_fib6_unref(&mem, t->f6);
}

static unsigned way(uint8_t af, const struct trie *t, uint64_t flow)
{
	const struct ks_route *r = ks_route_pick(&neigh, t->r, af, ks_hops_mix(flow));

	return r->gw.b[af == 4 ? 3 : 15] - 1u;
}

static void flows_are_shared_by_weight_and_only_those_of_a_failed_way_move(uint8_t af)
{
	struct ks_route r[4] = { { .port = 0 } };
	unsigned before[FLOWS], count[4] = { 0 }, moved = 0;
	uint16_t nh;
	union ks_addr gone = router(af, 2);
	struct trie t;

	set_up();
	for (unsigned i = 0; i < 4; i++) {
		r[i].gw = router(af, i);
		r[i].weight = i == 2 ? 3 : 1; /* 1 1 3 1 */
	}
	t = build(af, r, NULL, 4);
	CHECK_EQ(t.r->n_hops, 4);
	CHECK_EQ(t.hops->n, 4);
	for (unsigned i = 0; i < FLOWS; i++)
		count[before[i] = way(af, &t, i)]++;
	for (unsigned i = 0; i < 4; i++) {
		unsigned share = FLOWS * r[i].weight / 6;

		CHECK(count[i] > share * 94 / 100 && count[i] < share * 106 / 100);
	}
	nh = ks_neigh_add(&neigh, 0, af, &gone);
	ks_neigh_set_failed(&neigh, nh);
	for (unsigned i = 0; i < FLOWS; i++) {
		unsigned now = way(af, &t, i);

		CHECK(now != 2);
		CHECK(before[i] == 2 || now == before[i]);
		moved += now != before[i];
	}
	CHECK_EQ(moved, count[2]);
	ks_neigh_set_mac(&neigh, nh, (const uint8_t[6]){ 2 });
	for (unsigned i = 0; i < FLOWS; i++)
		CHECK_EQ(way(af, &t, i), before[i]);
	for (unsigned i = 0; i < 4;
	     i++) { /* none is left: better a way that may be dead than none */
		gone = router(af, i);
		ks_neigh_set_failed(&neigh, ks_neigh_add(&neigh, 0, af, &gone));
	}
	for (unsigned i = 0; i < 100; i++)
		CHECK_EQ(way(af, &t, i), before[i]);
	drop_trie(&t);
	ks_neigh_table_free(&neigh, &mem);
	CHECK_EQ(tm.live, 0);
}

static void shared_by_weight(void)
{
	flows_are_shared_by_weight_and_only_those_of_a_failed_way_move(4);
	flows_are_shared_by_weight_and_only_those_of_a_failed_way_move(6);
}

static void only_equals_stand_side_by_side(void)
{
	set_up();
	for (uint8_t af = 4; af <= 6; af = (uint8_t)(af + 2)) {
		struct ks_route r[5] = {
			{ .gw = router(af, 0), .weight = 1, .metric = 5 },
			{ .gw = router(af, 1), .weight = 1, .metric = 10 },
			{ .gw = router(af, 2), .weight = 1, .metric = 5, .port = 1 },
			{ .gw = router(af, 0), .weight = 1, .metric = 5 }, /* twice the same */
			{ .metric = 20 },
		};
		bool down[5] = { 0 };
		struct trie t = build(af, r, down, 5);

		CHECK_EQ(t.r->n_hops, 2);
		CHECK_EQ(t.hops->n, 2);
		CHECK_EQ(ks_route_by_port(t.r, 1)->gw.q[1], router(af, 2).q[1]);
		CHECK(ks_route_by_port(t.r, 2) == NULL);
		drop_trie(&t);
		down[2] = true; /* its device is down */
		t = build(af, r, down, 5);
		CHECK_EQ(t.r->n_hops, 1);
		CHECK_EQ(t.r->port, 0);
		drop_trie(&t);
		down[0] = down[3] = true; /* and the others' too: the next best metric */
		t = build(af, r, down, 5);
		CHECK_EQ(t.r->metric, 10);
		drop_trie(&t);
		down[1] = down[4] = true;
		t = build(af, r, down, 5); /* all are down: as if none were */
		CHECK_EQ(t.r->n_hops, 2);
		drop_trie(&t);
		r[1] = (struct ks_route){ .metric = 5 }; /* on the link: no way beside a router */
		t = build(af, r, NULL, 5);
		CHECK_EQ(t.r->n_hops, 1);
		CHECK(ks_addr_unset(&t.r->gw));
		drop_trie(&t);
	}
	ks_neigh_table_free(&neigh, &mem);
	CHECK_EQ(tm.live, 0);
}

/* ---- sources ------------------------------------------------------------------------------------------------------ */

static union ks_addr ip6(const char *text)
{
	union ks_addr a;

	CHECK(inet_pton(AF_INET6, text, a.b) == 1);
	return a;
}

struct choice {
	const char *dst, *want;
	const char *from[4];
	unsigned deprecated, moves; /* bits */
};

static void the_source_is_the_one_of_rfc6724(void)
{
	static const struct choice c[] = {
		/* §10.1, those of one interface */
		{ "2001:db8:1::1", "2001:db8:3::1", { "2001:db8:3::1", "fe80::1" }, 0, 0 },
		{ "ff05::1", "2001:db8:3::1", { "2001:db8:3::1", "fe80::1" }, 0, 0 },
		{ "2001:db8:1::1", "2001:db8:1::1", { "2001:db8:1::1", "2001:db8:2::1" }, 1, 0 },
		{ "fe80::1", "fe80::2", { "fe80::2", "2001:db8:1::1" }, 1, 0 },
		{ "2001:db8:1::1", "2001:db8:1::2", { "2001:db8:3::2", "2001:db8:1::2" }, 0, 0 },
		{ "2002:c633:6401::1",
		  "2002:c633:6401:2::2",
		  { "2001:db8:1::2", "2002:c633:6401:2::2" },
		  0,
		  0 },
		/* the others of its rules */
		{ "2001:db8:1::1", "2001:db8:3::2", { "2001:db8:1::2", "2001:db8:3::2" }, 1, 0 },
		{ "fd00:2::1", "fd00:1::2", { "2001:db8:3::2", "fd00:1::2" }, 0, 0 },
		{ "2001:db8:9::1", "2001:db8:3::2", { "fd00:1::2", "2001:db8:3::2" }, 0, 0 },
		{ "2001:db8:1::1", "2001:db8:1::2", { "2001:db8:1::2", "2001:db8:1::3" }, 0, 0 },
		/* a VIP only where nothing that stays has the scope */
		{ "2001:db8:1::1", "2001:db8:3::2", { "2001:db8:1::80", "2001:db8:3::2" }, 0, 1 },
		{ "2001:db8:1::1", "2001:db8:1::80", { "2001:db8:1::80", "fe80::2" }, 0, 1 },
		{ "2001:db8:1::1", "::", { NULL }, 0, 0 },
	};

	for (unsigned i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		union ks_addr dst = ip6(c[i].dst), want = ip6(c[i].want), got;
		struct ks_sources6 s = { 0 };

		for (unsigned k = 0; k < 4 && c[i].from[k] != NULL; k++)
			s.a[s.n++] = (struct ks_source6){ .addr = ip6(c[i].from[k]),
							  .deprecated = c[i].deprecated >> k & 1,
							  .moves = c[i].moves >> k & 1 };
		got = ks_source6_choose(&s, test_holding(), &dst);
		CHECK(memcmp(&got, &want, sizeof(got)) == 0);
	}
}

static void a_generation_chooses_among_its_addresses(void)
{
	struct ks_mirror_addr a[] = {
		{ .addr = ip6("fe80::1"), .af = 6, .plen = 64 },
		{ .addr = ip6("2001:db8:1::9"), .af = 6, .plen = 64, .deprecated = true },
		{ .addr = ip6("2001:db8:1::1"), .af = 6, .plen = 64 },
		{ .addr = ip6("fd00:1::1"), .af = 6, .plen = 64 },
	};
	struct ks_mirror_route r = { .af = 6, .gw = ip6("fe80::fe") };
	static const char *const pair[][2] = { { "fe80::fe", "fe80::1" },
					       { "2001:db8:1::7", "2001:db8:1::1" },
					       { "2001:db8:ffff::7", "2001:db8:1::1" },
					       { "fd00:1::7", "fd00:1::1" },
					       { "fd00:2::7", "fd00:1::1" } };
	char reason[KS_REASON_LEN];
	struct ks_desired *d;
	struct ks_conf *c;

	set_up();
	d = test_desired(&mem, 4, 4);
	ks_desired_mirror_addrs(d, a, 4);
	ks_desired_mirror_routes(d, &r, 1);
	c = ks_conf_build(d, NULL, reason);
	CHECK(c != NULL);
	for (unsigned i = 0; i < 5; i++) {
		union ks_addr dst = ip6(pair[i][0]), want = ip6(pair[i][1]);
		union ks_addr got = ks_conf_source6(c, test_holding(), 0, &dst);

		CHECK(memcmp(&got, &want, sizeof(got)) == 0);
	}
	ks_conf_free(c);
	r.src = ip6("2001:db8:1::9"); /* named: it is used whatever the rules say */
	ks_desired_mirror_routes(d, &r, 1);
	c = ks_conf_build(d, NULL, reason);
	{
		union ks_addr dst = ip6("2001:db8:ffff::7");
		union ks_addr got = ks_conf_source6(c, test_holding(), 0, &dst);

		CHECK(memcmp(&got, &r.src, sizeof(got)) == 0);
	}
	ks_conf_free(c);
	ks_desired_free(d);
	ks_neigh_table_free(&neigh, &mem);
	CHECK_EQ(tm.live, 0);
}

int main(void)
{
	RUN(shared_by_weight);
	RUN(only_equals_stand_side_by_side);
	RUN(the_source_is_the_one_of_rfc6724);
	RUN(a_generation_chooses_among_its_addresses);
	return 0;
}
