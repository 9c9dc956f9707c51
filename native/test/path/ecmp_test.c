/* SPDX-License-Identifier: Apache-2.0 */
/* Live sessions and their ways: several routers, one that fails, goes or comes back; another
 * gateway, another MAC. */
#include "fixture.h"

#define CLIENTS 400u

/* Clients are 203.0.113.0/24, behind routers 198.51.100.21 and on. */
static void routers(struct bed *b, const unsigned *last, const unsigned *weight, unsigned n)
{
	char reason[KS_REASON_LEN] = "", gw[32];
	static const char *const rs[] = { "10.1.0.11", "10.1.0.12", NULL };
	static const unsigned ones[] = { 1, 1 };
	struct ks_op_addr vip = op_addr("dpdk1", "198.51.100.80", 32, KS_ADDR_LEASED);

	CHECK_EQ(ks_desired_begin(b->desired, true), KS_OK);
	CHECK_EQ(APPLY(b->desired, vip, reason), KS_OK);
	bed_service(b, KS_PROTO_TCP, KS_SCHED_RR, rs, ones);
	for (unsigned i = 0; i < n; i++) {
		struct ks_op_route r;

		snprintf(gw, sizeof(gw), "198.51.100.%u", last[i]);
		r = op_route("dpdk1", "203.0.113.0", 24, gw);
		r.weight = (uint16_t)weight[i];
		CHECK_EQ(APPLY(b->desired, r, reason), KS_OK);
		bed_neigh(b, 1, gw, (const uint8_t[6]){ 2, 0xb, 0, 0, 0, (uint8_t)last[i] });
	}
	bed_build(b);
}

static struct pkt answer[CLIENTS];

static void open_all(struct bed *b)
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct pkt syn;
		char src[32];

		snprintf(src, sizeof(src), "203.0.113.%u", 1 + i % 250);
		syn = make_tcp(1, src, 10000 + i, "198.51.100.80", 80, KS_TCP_SYN, "");
		feed(b, &syn, 0);
		CHECK_EQ(syn.p.verdict, KS_V_TX);
		answer[i] = answer_to(&syn, KS_TCP_SYN | KS_TCP_ACK, "");
		drop_pkt(&syn);
	}
}

/* By which router the real server's answer leaves now. */
static void ways_of(struct bed *b, unsigned to[CLIENTS])
{
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct pkt k = { .buf = malloc(answer[i].p.len) };

		memcpy(k.buf, answer[i].buf, answer[i].p.len);
		k.p = answer[i].p;
		k.p.data = k.buf;
		feed(b, &k, 0);
		CHECK_EQ(k.p.verdict, KS_V_TX);
		CHECK_EQ(k.p.out_port, 1);
		to[i] = k.p.data[5];
		drop_pkt(&k);
	}
}

static void close_all(struct bed *b)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		drop_pkt(&answer[i]);
	bed_close(b);
}

static void new_epoch(struct bed *b)
{
	CHECK_EQ(ks_desired_begin(b->desired, false), KS_OK);
	ks_desired_new_epoch(b->desired);
	bed_build(b);
}

static void sessions_stay_with_their_router_and_move_only_if_it_fails(void)
{
	static const unsigned three[] = { 21, 22, 23 }, weight[] = { 1, 2, 0 };
	unsigned before[CLIENTS], now[CLIENTS], count[256] = { 0 };
	uint16_t nh;
	struct bed b;

	bed_open(&b, 1, 1024);
	routers(&b, three, weight, 3);
	open_all(&b);
	ways_of(&b, before);
	for (unsigned i = 0; i < CLIENTS; i++)
		count[before[i]]++;
	CHECK(count[21] > 60 && count[22] > 140 && count[23] > 60);
	CHECK_EQ(count[21] + count[22] + count[23], CLIENTS);
	nh = ks_neigh_find4(&b.shared.neigh, 1, ip4("198.51.100.22"));
	ks_neigh_set_failed(&b.shared.neigh, nh);
	new_epoch(&b);
	ways_of(&b, now);
	for (unsigned i = 0; i < CLIENTS; i++)
		CHECK(now[i] != 22 && (before[i] == 22 || now[i] == before[i]));
	ks_neigh_set_mac(&b.shared.neigh, nh, (const uint8_t[6]){ 2, 0xb, 0, 0, 0, 22 });
	new_epoch(&b);
	ways_of(&b, now);
	for (unsigned i = 0; i < CLIENTS; i++)
		CHECK_EQ(now[i], before[i]);
	routers(&b, (const unsigned[]){ 21, 22, 23, 24 }, (const unsigned[]){ 1, 2, 1, 1 }, 4);
	ways_of(&b, now); /* a new one takes its share and moves nothing else */
	memset(count, 0, sizeof(count));
	for (unsigned i = 0; i < CLIENTS; i++) {
		CHECK(now[i] == 24 || now[i] == before[i]);
		count[now[i]]++;
	}
	CHECK(count[24] > 40 && count[24] < 130);
	routers(&b, (const unsigned[]){ 21, 23 }, (const unsigned[]){ 1, 1 }, 2);
	ways_of(&b, now); /* and one that is taken away takes only its own with it */
	for (unsigned i = 0; i < CLIENTS; i++)
		CHECK(now[i] != 22 && now[i] != 24 && (before[i] == 22 || now[i] == before[i]));
	close_all(&b);
}

static void live_sessions_follow_another_gateway_and_another_mac(void)
{
	unsigned now[CLIENTS];
	struct bed b;

	bed_open(&b, 1, 1024);
	routers(&b, (const unsigned[]){ 21 }, (const unsigned[]){ 1 }, 1);
	open_all(&b);
	ways_of(&b, now);
	for (unsigned i = 0; i < CLIENTS; i++)
		CHECK_EQ(now[i], 21);
	bed_neigh(&b, 1, "198.51.100.21", (const uint8_t[6]){ 2, 0xb, 0, 0, 0, 99 });
	ways_of(&b, now); /* the same router with another card: no new generation needed */
	for (unsigned i = 0; i < CLIENTS; i++)
		CHECK_EQ(now[i], 99);
	routers(&b, (const unsigned[]){ 22 }, (const unsigned[]){ 1 }, 1);
	ways_of(&b, now);
	for (unsigned i = 0; i < CLIENTS; i++)
		CHECK_EQ(now[i], 22);
	close_all(&b);
}

int main(void)
{
	RUN(sessions_stay_with_their_router_and_move_only_if_it_fails);
	RUN(live_sessions_follow_another_gateway_and_another_mac);
	return 0;
}
