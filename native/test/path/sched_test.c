/* SPDX-License-Identifier: Apache-2.0 */
/* Schedulers that choose by the client, and persistence: shares by weight, the same choice on every
 * node, and few clients that move when a server comes or goes. */
#include "fixture.h"
#include "ks_worker_int.h"

#define CLIENT  "198.51.100.10"
#define CLIENTS 4000u
#define SERVERS 5u

static const char *const servers[SERVERS + 1] = { "10.1.0.11", "10.1.0.12", "10.1.0.13",
						  "10.1.0.14", "10.1.0.15", NULL };

static void tick_all(struct bed *b)
{
	struct ks_pkt out[4];

	for (unsigned i = 0; i < b->n; i++)
		(void)ks_worker_tick(b->w[i], b->conf, out, 4, 1u << 20, b->now);
}

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

/* Clients are everywhere, behind one gateway. */
static void open_with_route(struct bed *b, unsigned workers)
{
	struct ks_mirror_route r = { .af = 4, .plen = 0, .port = 1 };

	bed_open(b, workers, 65536);
	r.gw.v4 = ip4("198.51.100.1");
	ks_desired_mirror_routes(b->desired, &r, 1);
	bed_neigh(b, 1, "198.51.100.1", client_mac);
}

static void open_with(struct bed *b, uint8_t sched, const unsigned weight[SERVERS])
{
	open_with_route(b, 1);
	begin(b, sched, weight);
}

static void shares_follow_weights(uint8_t sched)
{
	static const unsigned weight[SERVERS] = { 1, 2, 3, 4, 0 };
	static uint8_t got[CLIENTS];
	unsigned n[SERVERS] = { 0 };
	struct bed b;

	open_with(&b, sched, weight);
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

	open_with(&b, sched, weight);
	choices(&b, 1000, one);
	bed_close(&b);
	open_with(&b, sched, (const unsigned[SERVERS]){ 1, 1, 1, 1, 1 });
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

	open_with(&b, sched, (const unsigned[SERVERS]){ 1, 1, 1, 1, 1 });
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

static unsigned held_by(const struct bed *b, unsigned server)
{
	const struct ks_svc *svc =
		ks_conf_svc4(b->conf, KS_PROTO_UDP, ip4("198.51.100.80"), htons(80));
	unsigned sum = 0;

	for (unsigned i = 0; i < b->n; i++) {
		const uint64_t *row = b->rs[i][svc->rs[server].slot];

		sum += (unsigned)(row[KS_RSC_ACTIVE] + row[KS_RSC_INACTIVE]);
	}
	return sum;
}

static void spread_is_at_most(const struct bed *b, const unsigned weight[SERVERS], unsigned most)
{
	unsigned least = UINT32_MAX, greatest = 0;

	for (unsigned s = 0; s < SERVERS; s++) {
		unsigned n = held_by(b, s) / weight[s];

		least = n < least ? n : least;
		greatest = n > greatest ? n : greatest;
	}
	CHECK(greatest - least <= most);
}

/* However the clients are dealt out to the workers, the servers have as many sessions as if there
 * were one: no two differ by more than three, for any number of workers (counted by each worker for
 * itself they differ by more than the workers are), and what was far apart has come together. */
static void least_connections_are_counted_over_all_workers(void)
{
	static const uint8_t scheds[] = { KS_SCHED_WLC, KS_SCHED_LC, KS_SCHED_SED, KS_SCHED_NQ };
	static const unsigned even[SERVERS] = { 1, 1, 1, 1, 1 };
	static const unsigned uneven[SERVERS] = { 1, 2, 1, 3, 1 };
	static uint8_t got[CLIENTS];

	for (unsigned n = 1; n <= 8; n++)
		for (unsigned i = 0; i < sizeof(scheds); i++) {
			bool weighs = scheds[i] != KS_SCHED_LC;
			struct bed b;

			open_with_route(&b, n);
			begin(&b, scheds[i], weighs ? uneven : even);
			choices(&b, 1000, got);
			spread_is_at_most(&b, weighs ? uneven : even, 3);
			/* all but the first were away, and come back to it having everything */
			begin(&b, scheds[i], (const unsigned[SERVERS]){ 1, 0, 0, 0, 0 });
			choices(&b, 1001, got);
			begin(&b, scheds[i], even);
			for (unsigned k = 0; k < 4; k++)
				choices(&b, 1002 + k, got);
			spread_is_at_most(&b, even, 3);
			bed_close(&b);
		}
}

/* ---- QUIC --------------------------------------------------------------------------------------------------------- */

static void begin_quic(struct bed *b, uint8_t config, uint8_t id_len)
{
	struct ks_op_svc svc = op_svc("198.51.100.80", 80);
	char reason[KS_REASON_LEN] = "";

	CHECK_EQ(ks_desired_begin(b->desired, true), KS_OK);
	bed_service(b, KS_PROTO_UDP, KS_SCHED_RR, servers, (const unsigned[]){ 1, 1, 1, 1, 0 });
	svc.key.proto = KS_PROTO_UDP;
	svc.sched = KS_SCHED_RR;
	svc.flags = KS_SVC_QUIC;
	svc.quic_config = config;
	svc.quic_len = id_len;
	CHECK_EQ(APPLY(b->desired, svc, reason), KS_OK);
	bed_build(b);
}

/* Who gets a datagram from a port nobody knows yet. */
static ks_be32 moved_client(struct bed *b, unsigned sport, const uint8_t *data, unsigned len)
{
	char text[64] = "";
	struct pkt k;
	ks_be32 to;

	memset(text, 'x', len);
	k = make_udp(1, CLIENT, sport, "198.51.100.80", 80, text);
	memcpy(l4_of(&k) + 8, data, len);
	fill_sums(&k);
	feed(b, &k, sport % b->n);
	CHECK(k.p.verdict == KS_V_TX || k.p.verdict == KS_V_MAIN);
	to = ip_of(&k)->dst;
	drop_pkt(&k);
	return to;
}

/* All of 16 datagrams from 16 ports come to the same server, or they are spread. */
static bool follows(struct bed *b, const uint8_t *data, unsigned len, const char *server)
{
	static unsigned sport = 20000;
	unsigned there = 0;

	for (unsigned i = 0; i < 16; i++)
		there += moved_client(b, ++sport, data, len) == ip4(server);
	CHECK(there == 16 || there <= 8);
	return there == 16;
}

static void quic_ids_name_their_server(void)
{
	/* short headers; behind the first byte the id: 10.1.0.15 has weight 0, its clients stay */
	static const uint8_t four[] = { 0x40, 0xaa, 0x60, 0xa0, 0x10, 0x00, 0xf9, 9, 9, 9, 9, 9 };
	static const uint8_t port[] = { 0x40, 0xaa, 0x30, 0x00, 0xd1, 0xf9, 0x09, 9, 9, 9, 9, 9 };
	static const uint8_t nobody[] = { 0x40, 0xaa, 0x60, 0xa0, 0x10, 0x09, 0x99, 9, 9, 9, 9, 9 };
	static const uint8_t other_port[] = { 0x40, 0xaa, 0x30, 0x00, 0xd0, 0x50,
					      0x09, 9,    9,    9,    9,    9 };
	/* long headers: Handshake of version 1 with that id, Initial with it, an unknown version */
	static const uint8_t handshake[] = { 0xe0, 0, 0,    0, 1, 11, 0xaa, 0x60, 0xa0,
					     0x10, 0, 0xf9, 9, 9, 9,  9,    9,    0 };
	static const uint8_t initial[] = { 0xc0, 0, 0,    0, 1, 11, 0xaa, 0x60, 0xa0,
					   0x10, 0, 0xf9, 9, 9, 9,  9,    9,    0 };
	static const uint8_t later[] = { 0xc0, 1, 2,    3, 4, 11, 0xaa, 0x60, 0xa0,
					 0x10, 0, 0xf9, 9, 9, 9,  9,    9,    0 };
	static const uint8_t lb[] = { 0x40, 0x4a, 10, 1, 0, 13, 1, 2, 3, 4 };
	static const uint8_t lb_other[] = { 0x40, 0x6a, 10, 1, 0, 13, 1, 2, 3, 4 };

	for (unsigned n = 1; n <= 5; n += 2) {
		struct bed b;

		open_with_route(&b, n);
		begin_quic(&b, 0, 0);
		CHECK(follows(&b, four, sizeof(four), "10.1.0.15"));
		CHECK(follows(&b, port, sizeof(port), "10.1.0.13"));
		CHECK(!follows(&b, nobody, sizeof(nobody), "10.1.0.13"));
		CHECK(!follows(&b, other_port, sizeof(other_port), "10.1.0.13"));
		CHECK(follows(&b, handshake, sizeof(handshake), "10.1.0.15"));
		CHECK(!follows(&b, initial, sizeof(initial), "10.1.0.15"));
		CHECK(follows(&b, later, sizeof(later), "10.1.0.15"));
		for (unsigned len = 0; len < sizeof(handshake); len++) /* cut off anywhere */
			follows(&b, handshake, len, "10.1.0.15");
		begin_quic(&b, 1 + 2, 4);
		CHECK(follows(&b, lb, sizeof(lb), "10.1.0.13"));
		CHECK(!follows(&b, lb_other, sizeof(lb_other), "10.1.0.13"));
		for (unsigned len = 0; len < sizeof(lb); len++)
			CHECK(!follows(&b, lb, len, "10.1.0.13"));
		bed_close(&b);
	}
}

static void maglev_tables_have_a_prime_size(void)
{
	static uint8_t got[CLIENTS];
	char reason[KS_REASON_LEN];
	struct ks_op_param size = { .op = { KS_OP_PARAM_SET, sizeof(size) },
				    .param = KS_PARAM_MAGLEV_SIZE };
	struct bed b;

	open_with(&b, KS_SCHED_MH, (const unsigned[SERVERS]){ 1, 1, 1, 1, 1 });
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

	open_with(&b, KS_SCHED_OVF, weight);
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

/* ---- persistence --------------------------------------------------------------------------------------------------- */

static void persistent(struct bed *b, unsigned plen, uint32_t flags, const unsigned weight[3])
{
	static const char *const rs[] = { "10.1.0.11", "10.1.0.12", "10.1.0.13", NULL };
	char reason[KS_REASON_LEN];
	struct ks_op_svc svc = op_svc("198.51.100.80", 80);

	CHECK_EQ(ks_desired_begin(b->desired, true), KS_OK);
	bed_service(b, KS_PROTO_TCP, KS_SCHED_RR, rs, weight);
	svc.persist_ms = 60000;
	svc.persist_plen = (uint8_t)plen;
	svc.flags = flags;
	CHECK_EQ(APPLY(b->desired, svc, reason), KS_OK);
	bed_build(b);
}

/* The real server a new connection gets, by its last octet; 0 = none. Given to any worker. */
static unsigned served_by(struct bed *b, const char *client, unsigned sport)
{
	struct pkt k = make_tcp(1, client, sport, "198.51.100.80", 80, KS_TCP_SYN, "");
	unsigned rs;

	feed(b, &k, sport % b->n);
	rs = k.p.verdict == KS_V_DROP ? 0 : (unsigned)(ip_of(&k)->dst >> 24);
	drop_pkt(&k);
	return rs;
}

static void clients_of_a_prefix_stay_together(void)
{
	static const unsigned weight[] = { 1, 1, 1 };
	unsigned seen = 0;

	for (unsigned workers = 1; workers <= 4; workers += 3) {
		struct bed b;

		open_with_route(&b, workers);
		persistent(&b, 24, 0, weight);
		for (unsigned net = 0; net < 30; net++) {
			char client[20];
			unsigned first = 0;

			for (unsigned i = 0; i < 12; i++) {
				unsigned rs;

				snprintf(client, sizeof(client), "203.0.%u.%u", net, 1 + i);
				rs = served_by(&b, client, 2000 + 7 * i);
				CHECK(rs >= 11 && rs <= 13);
				first = first == 0 ? rs : first;
				CHECK_EQ(rs, first);
			}
			seen |= 1u << first;
		}
		CHECK_EQ(seen, 1u << 11 | 1u << 12 | 1u << 13);
		bed_close(&b);
	}
}

static void a_template_lasts_its_time_after_the_last_connection(void)
{
	static const unsigned weight[] = { 1, 1, 1 };
	unsigned first;
	struct bed b;

	bed_open(&b, 1, 4096);
	persistent(&b, 32, 0, weight);
	first = served_by(&b, CLIENT, 2000);
	for (unsigned i = 1; i <= 5; i++) { /* each connection begins it anew */
		b.now += 50000;
		tick_all(&b);
		CHECK_EQ(served_by(&b, CLIENT, 2000 + i), first);
	}
	b.now += 61000;
	tick_all(&b);
	CHECK_EQ(b.w[0]->table.used, 0);
	CHECK(served_by(&b, CLIENT, 3000) != first);
	bed_close(&b);
}

static void weight_zero_keeps_its_clients_unless_told_not_to(void)
{
	static const unsigned all[] = { 1, 1, 1 }, none[] = { 0, 0, 1 };
	unsigned first, i = 0;
	struct bed b;

	bed_open(&b, 1, 4096);
	persistent(&b, 32, 0, all);
	do
		first = served_by(&b, CLIENT, 2000 + i++);
	while (first == 0);
	while (first == 13) { /* one whose weight goes */
		b.now += 61000;
		tick_all(&b);
		first = served_by(&b, CLIENT, 2000 + i++);
	}
	persistent(&b, 32, 0, none);
	CHECK_EQ(served_by(&b, CLIENT, 3000), first);
	persistent(&b, 32, KS_SVC_EXPIRE_TEMPLATE, none);
	CHECK_EQ(served_by(&b, CLIENT, 3001), 13);
	CHECK_EQ(served_by(&b, CLIENT, 3002), 13);
	bed_close(&b);
}

static void a_server_that_is_gone_lets_go(void)
{
	static const char *const two[] = { "10.1.0.12", "10.1.0.13", NULL };
	static const unsigned weight[] = { 1, 1, 1 };
	struct bed b;
	unsigned first, i = 0;

	bed_open(&b, 1, 4096);
	persistent(&b, 32, 0, weight);
	while ((first = served_by(&b, CLIENT, 2000 + i++)) != 11) {
		b.now += 61000;
		tick_all(&b);
	}
	CHECK_EQ(ks_desired_begin(b.desired, true), KS_OK);
	bed_service(&b, KS_PROTO_TCP, KS_SCHED_RR, two, weight);
	bed_build(&b);
	CHECK(served_by(&b, CLIENT, 3000) > 11);
	bed_close(&b);
}

int main(void)
{
	RUN(maglev);
	RUN(consistent_hash);
	RUN(least_connections_are_counted_over_all_workers);
	RUN(quic_ids_name_their_server);
	RUN(maglev_tables_have_a_prime_size);
	RUN(overflow_fills_one_after_the_other);
	RUN(clients_of_a_prefix_stay_together);
	RUN(a_template_lasts_its_time_after_the_last_connection);
	RUN(weight_zero_keeps_its_clients_unless_told_not_to);
	RUN(a_server_that_is_gone_lets_go);
	return 0;
}
