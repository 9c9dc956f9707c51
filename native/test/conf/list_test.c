/* SPDX-License-Identifier: Apache-2.0 */
/* What is in force as rows: addresses, routes, neighbours, by pages of every size. */
#include "check.h"
#include "ks_list.h"

static const uint8_t mac[6] = { 2, 0xaa, 0, 0, 0, 9 };

static struct lab {
	struct test_mem tm;
	struct ks_mem mem;
	struct ks_desired *d;
	struct ks_conf *c;
	struct ks_shared shared;
	struct ks_main *m;
	uint64_t counters[KS_C_COUNT];
	struct ks_list_row rows[64];
	uint32_t n;
} lab;

static bool no_alloc(void *ctx, struct ks_pkt *p)
{
	(void)ctx;
	(void)p;
	return false;
}
static void ignore_pkt(void *ctx, struct ks_pkt *p)
{
	(void)ctx;
	(void)p;
}
static void ignore_event(void *ctx, const struct ks_event *e)
{
	(void)ctx;
	(void)e;
}

/* dpdk0: 10.0.0.5/24 by op and by the kernel, 192.0.2.9/32 leased, a local address of a service;
 * dpdk1: 2001:db8::5/64 of the kernel. */
static void set_up(void)
{
	static const struct ks_main_io io = { .alloc = no_alloc,
					      .send = ignore_pkt,
					      .release = ignore_pkt,
					      .kni = ignore_pkt,
					      .event = ignore_event };
	struct ks_op_addr a = op_addr("dpdk0", "10.0.0.5", 24, 0);
	struct ks_op_addr v = op_addr("dpdk0", "192.0.2.9", 32, KS_ADDR_LEASED);
	struct ks_op_svc s = op_svc("192.0.2.9", 80);
	struct ks_op_lip l = op_lip(svc_key_of("192.0.2.9", 80), "dpdk0", "10.0.0.7");
	struct ks_op_route r = op_route("dpdk0", "0.0.0.0", 0, "10.0.0.1");
	struct ks_op_neigh g = op_neigh("dpdk0", "10.0.0.1", mac);
	struct ks_mirror_addr k[2] = { { .af = 4, .plen = 24, .port = 0 },
				       { .af = 6, .plen = 64, .port = 1 } };
	char reason[KS_REASON_LEN] = "";

	memset(&lab, 0, sizeof(lab));
	lab.mem = test_mem_of(&lab.tm);
	lab.d = test_desired(&lab.mem, 8, 8);
	r.metric = 7;
	r.mtu = 1400;
	put_addr(r.src, "10.0.0.5");
	put_addr(k[0].addr.b, "10.0.0.5");
	put_addr(k[1].addr.b, "2001:db8::5");
	ks_desired_mirror_addrs(lab.d, k, 2);
	CHECK_EQ(ks_desired_begin(lab.d, false), KS_OK);
	CHECK_EQ(APPLY(lab.d, a, reason), KS_OK);
	CHECK_EQ(APPLY(lab.d, v, reason), KS_OK);
	CHECK_EQ(APPLY(lab.d, s, reason), KS_OK);
	CHECK_EQ(APPLY(lab.d, l, reason), KS_OK);
	CHECK_EQ(APPLY(lab.d, r, reason), KS_OK);
	CHECK_EQ(APPLY(lab.d, g, reason), KS_OK);
	CHECK_EQ(ks_desired_commit(lab.d, 1, reason), KS_OK);
	lab.c = ks_conf_build(lab.d, NULL, reason);
	CHECK(lab.c != NULL);
	lab.m = ks_main_new(&lab.mem, &lab.shared, &io, lab.counters);
	CHECK(lab.m != NULL);
	ks_main_tick(lab.m, lab.c, 1000);
}

static void tear_down(void)
{
	ks_main_free(lab.m);
	ks_conf_free(lab.c);
	ks_desired_free(lab.d);
	CHECK_EQ(lab.tm.live, 0);
}

/* The whole table, read by pages of that size. */
static void read_all(uint32_t kind, uint32_t page)
{
	struct ks_holding held = { .leases = &lab.shared.leases, .now = 3500 };
	uint32_t next = 0;

	lab.n = 0;
	while (next != UINT32_MAX) {
		struct ks_list ask = { .kind = kind, .cursor = next, .max = page };
		struct ks_list_row *to = &lab.rows[lab.n];
		uint32_t n;

		CHECK(lab.n + page <= 64);
		n = kind == KS_LIST_ADDRS ? ks_list_addrs(lab.d, lab.c, &held, &ask, to, &next)
			: kind == KS_LIST_ROUTES
			? ks_list_routes(lab.d, &ask, to, &next)
			: ks_list_neighs(lab.m, lab.c, &ask, to, &next, 3500);
		CHECK(n <= page);
		CHECK(next == UINT32_MAX || n == page);
		lab.n += n;
	}
}

static const struct ks_list_row *row_of(const char *addr, unsigned plen, unsigned flags)
{
	uint8_t want[16] = { 0 };

	put_addr(want, addr);
	for (uint32_t i = 0; i < lab.n; i++)
		if (memcmp(lab.rows[i].addr, want, 16) == 0 && lab.rows[i].plen == plen &&
		    lab.rows[i].flags == flags)
			return &lab.rows[i];
	return NULL;
}

static void addresses_by_whom_they_came(void)
{
	set_up();
	for (uint32_t page = 1; page <= 8; page++) {
		read_all(KS_LIST_ADDRS, page);
		CHECK_EQ(lab.n, 4);
		CHECK(row_of("10.0.0.5", 24, KS_LIST_OP | KS_LIST_KERNEL) != NULL);
		CHECK(row_of("192.0.2.9", 32, KS_LIST_OP | KS_LIST_LEASED) != NULL);
		CHECK(row_of("10.0.0.7", 32, KS_LIST_OP | KS_LIST_LIP) != NULL);
		CHECK_STR(row_of("2001:db8::5", 64, KS_LIST_KERNEL)->dev, "dpdk1");
	}
	tear_down();
}

static void routes_with_all_they_have(void)
{
	const struct ks_list_row *r;
	uint8_t gw[16] = { 10, 0, 0, 1 }, src[16] = { 10, 0, 0, 5 };

	set_up();
	for (uint32_t page = 1; page <= 8; page++) {
		read_all(KS_LIST_ROUTES, page);
		CHECK_EQ(lab.n, 4);
		r = row_of("0.0.0.0", 0, KS_LIST_OP);
		CHECK(r != NULL);
		CHECK_EQ(r->metric, 7);
		CHECK_EQ(r->mtu, 1400);
		CHECK(memcmp(r->gw, gw, 16) == 0 && memcmp(r->src, src, 16) == 0);
		CHECK(row_of("10.0.0.0", 24, KS_LIST_OP | KS_LIST_CONNECTED) != NULL);
		CHECK(row_of("10.0.0.0", 24, KS_LIST_KERNEL | KS_LIST_CONNECTED) != NULL);
		r = row_of("2001:db8::", 64, KS_LIST_KERNEL | KS_LIST_CONNECTED);
		CHECK(r != NULL);
		CHECK_EQ(r->af, 6);
		CHECK_EQ(r->mtu, 1500);
	}
	tear_down();
}

static void neighbours_with_state_and_age(void)
{
	union ks_addr heard = { .q = { 0, 0 } };
	const struct ks_list_row *r;

	set_up();
	put_addr(heard.b, "10.0.0.77");
	ks_main_neigh_set(lab.m, lab.c, 0, 4, &heard, mac, false, 2000);
	for (uint32_t page = 1; page <= 4; page++) {
		read_all(KS_LIST_NEIGHS, page);
		CHECK_EQ(lab.n, 2);
		r = row_of("10.0.0.1", 0, KS_LIST_STATIC);
		CHECK(r != NULL && memcmp(r->mac, mac, 6) == 0);
		CHECK_EQ(r->state, KS_NS_STATIC);
		r = row_of("10.0.0.77", 0, 0);
		CHECK(r != NULL && memcmp(r->mac, mac, 6) == 0);
		CHECK_EQ(r->state, KS_NS_REACHABLE);
		CHECK_EQ(r->age_ms, 1500);
		CHECK_STR(r->dev, "dpdk0");
	}
	tear_down();
}

static void a_cursor_beyond_the_end_is_the_end(void)
{
	struct ks_list ask = { .kind = KS_LIST_ROUTES, .cursor = UINT32_MAX - 1, .max = 64 };
	uint32_t next = 0;

	set_up();
	CHECK_EQ(ks_list_routes(lab.d, &ask, lab.rows, &next), 0);
	CHECK_EQ(next, UINT32_MAX);
	CHECK_EQ(ks_list_addrs(lab.d, lab.c, test_holding(), &ask, lab.rows, &next), 0);
	CHECK_EQ(next, UINT32_MAX);
	CHECK_EQ(ks_list_neighs(lab.m, lab.c, &ask, lab.rows, &next, 0), 0);
	CHECK_EQ(next, UINT32_MAX);
	tear_down();
}

int main(void)
{
	RUN(addresses_by_whom_they_came);
	RUN(routes_with_all_they_have);
	RUN(neighbours_with_state_and_age);
	RUN(a_cursor_beyond_the_end_is_the_end);
	return 0;
}
