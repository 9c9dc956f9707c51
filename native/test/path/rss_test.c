/* SPDX-License-Identifier: Apache-2.0 */
/* A NIC that spreads packets by a known hash: its values, and that what it brings to a worker is
 * that worker's; all ports of a worker are found nevertheless. */
#include "fixture.h"
#include "ks_rss.h"

/* The key of the verification suite which Microsoft publishes for NDIS. */
static const uint8_t ms_key[40] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
				    0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
				    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
				    0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa };

struct vector {
	const char *dst;
	unsigned dport;
	const char *src;
	unsigned sport;
	uint32_t addresses, ports;
};

static const struct vector vectors[] = {
	{ "161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178 },
	{ "65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea },
	{ "12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de, 0x5c2b394a },
	{ "209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xafc7327f },
	{ "202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5, 0x10e828a2 },
	{ "3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d },
	{ "ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf },
	{ "fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251,
	  0x4b61e985, 0x02d1feef },
};

enum { ALL = KS_RSS_IP4 | KS_RSS_TCP4 | KS_RSS_UDP4 | KS_RSS_IP6 | KS_RSS_TCP6 | KS_RSS_UDP6 };

static struct ks_rss rss_of(const uint8_t key[40], unsigned n_workers, uint32_t hashes)
{
	uint8_t worker[128];
	struct ks_rss r;

	for (unsigned i = 0; i < sizeof(worker); i++)
		worker[i] = (uint8_t)(i % n_workers);
	CHECK(ks_rss_init(&r, key, 40, worker, sizeof(worker), hashes));
	return r;
}

static struct ks_key key_of_vector(const struct vector *v, uint8_t *bytes, size_t *n)
{
	int af = strchr(v->src, ':') != NULL ? AF_INET6 : AF_INET;
	size_t size = af == AF_INET6 ? 16 : 4;
	ks_be16 ports[2] = { ks_hton16((uint16_t)v->sport), ks_hton16((uint16_t)v->dport) };
	struct ks_key k = { .af = af == AF_INET6 ? 6 : 4 };

	CHECK(inet_pton(af, v->src, bytes) == 1 && inet_pton(af, v->dst, bytes + size) == 1);
	memcpy(bytes + 2 * size, ports, 4);
	*n = 2 * size + 4;
	k.t.sport = ports[0];
	k.t.dport = ports[1];
	if (af == AF_INET) {
		memcpy(&k.t.src, bytes, 4);
		memcpy(&k.t.dst, bytes + 4, 4);
	} else {
		memcpy(k.a, bytes, 32);
	}
	return k;
}

static void the_hash_is_that_of_the_verification_suite(void)
{
	struct ks_rss all = rss_of(ms_key, 7, ALL),
		      some = rss_of(ms_key, 7, KS_RSS_IP4 | KS_RSS_IP6);

	for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		uint8_t bytes[36];
		size_t n;
		struct ks_key k = key_of_vector(v, bytes, &n);

		CHECK_EQ(ks_rss_hash(&all, bytes, n - 4), v->addresses);
		CHECK_EQ(ks_rss_hash(&all, bytes, n), v->ports);
		CHECK_EQ(ks_rss_worker(&all, &k, KS_PROTO_TCP), v->ports % 128 % 7);
		CHECK_EQ(ks_rss_worker(&all, &k, KS_PROTO_UDP), v->ports % 128 % 7);
		CHECK_EQ(ks_rss_worker(&all, &k, KS_PROTO_SCTP), v->addresses % 128 % 7);
		CHECK_EQ(ks_rss_worker(&some, &k, KS_PROTO_TCP), v->addresses % 128 % 7);
	}
}

static void what_cannot_be_followed_is_not(void)
{
	uint8_t worker[1024] = { 0 };
	struct ks_key k = { .af = 4 };
	struct ks_rss r;

	CHECK(!ks_rss_init(&r, ms_key, 39, worker, 128, ALL));
	CHECK(!ks_rss_init(&r, ms_key, 40, worker, 0, ALL));
	CHECK(!ks_rss_init(&r, ms_key, 40, worker, 100, ALL));
	CHECK(!ks_rss_init(&r, ms_key, 40, worker, 1024, ALL));
	CHECK(!ks_rss_init(&r, ms_key, 40, worker, 128, 0));
	memset(worker, KS_RSS_NOBODY, sizeof(worker));
	CHECK(!ks_rss_init(&r, ms_key, 40, worker, 128, ALL));
	worker[0] = 3;
	CHECK(ks_rss_init(&r, ms_key, 40, worker, 128, KS_RSS_IP6));
	CHECK_EQ(ks_rss_worker(&r, &k, KS_PROTO_TCP), KS_RSS_NOBODY);
}

/* ---- a data plane with such ports ----------------------------------------------------------------------------------- */

/* Bit by bit, as the suite describes it. */
static uint32_t slow_hash(const uint8_t key[40], const uint8_t *in, size_t n)
{
	uint32_t h = 0, w = 0;

	for (size_t i = 0; i < 4; i++)
		w = w << 8 | key[i];
	for (size_t i = 0; i < n * 8; i++) {
		if (in[i / 8] & (0x80u >> i % 8))
			h ^= w;
		w = w << 1 | (key[i / 8 + 4] >> (7 - i % 8) & 1u);
	}
	return h;
}

/* The worker the NIC gives the frame to. */
static unsigned delivered(const struct bed *b, const uint8_t key[40], struct pkt *k)
{
	uint8_t in[12];

	memcpy(in, &ip_of(k)->src, 8);
	memcpy(in + 8, l4_of(k), 4);
	return slow_hash(key, in, 12) % 128 % b->n;
}

static void use_rss(struct bed *b, const struct ks_rss *r)
{
	CHECK_EQ(ks_desired_begin(b->desired, false), KS_OK);
	for (unsigned i = 0; i < 2; i++) {
		struct ks_port_info info = b->conf->port[i];

		info.rss = r;
		ks_desired_port(b->desired, i, &info);
	}
	bed_build(b);
}

static void no_packet_changes_worker_for(unsigned workers, uint64_t *seed)
{
	uint8_t key[40];
	struct ks_rss r;
	struct bed b;

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)rnd(seed);
	bed_open(&b, workers, 4096);
	r = rss_of(key, workers, ALL);
	use_rss(&b, &r);
	for (unsigned i = 0; i < 600; i++) {
		unsigned sport = 1024 + below(seed, 60000);
		struct pkt syn = i % 2 == 0
			? make_tcp(1, "198.51.100.10", sport, "198.51.100.80", 80, KS_TCP_SYN, "")
			: make_udp(1, "198.51.100.10", sport, "198.51.100.80", 80, "x");
		unsigned at = delivered(&b, key, &syn);
		struct pkt back;

		CHECK_EQ(feed(&b, &syn, at), at);
		CHECK_EQ(syn.p.verdict, KS_V_TX);
		back = answer_to(&syn, KS_TCP_SYN | KS_TCP_ACK, "");
		CHECK_EQ(delivered(&b, key, &back), at);
		CHECK_EQ(feed(&b, &back, at), at);
		CHECK_EQ(back.p.verdict, KS_V_TX);
		drop_pkt(&syn);
		drop_pkt(&back);
	}
	CHECK_EQ(counted(&b, KS_C_HANDED_OUT), 0);
	bed_close(&b);
}

static void no_packet_changes_worker(void)
{
	uint64_t seed = 0x5eed;

	for (unsigned round = 0; round < 4; round++)
		for (unsigned workers = 1; workers <= MAX_WORKERS; workers++)
			no_packet_changes_worker_for(workers, &seed);
}

/* A NIC that lies, or delivers as it likes: everything is as it was, but by the ring. */
static void wherever_a_packet_arrives_its_owner_gets_it(void)
{
	uint64_t seed = 7;
	struct ks_rss r = rss_of(ms_key, 5, ALL);
	struct bed b;

	bed_open(&b, 5, 4096);
	use_rss(&b, &r);
	for (unsigned i = 0; i < 500; i++) {
		unsigned sport = 1024 + i;
		struct pkt syn =
			make_tcp(1, "198.51.100.10", sport, "198.51.100.80", 80, KS_TCP_SYN, "");
		struct pkt back, again;
		unsigned owner = feed(&b, &syn, below(&seed, 5));

		CHECK_EQ(syn.p.verdict, KS_V_TX);
		back = answer_to(&syn, KS_TCP_SYN | KS_TCP_ACK, "");
		CHECK_EQ(feed(&b, &back, below(&seed, 5)), owner);
		CHECK_EQ(back.p.verdict, KS_V_TX);
		again = make_tcp(1, "198.51.100.10", sport, "198.51.100.80", 80, KS_TCP_ACK, "");
		CHECK_EQ(feed(&b, &again, below(&seed, 5)), owner);
		CHECK_EQ(again.p.verdict, KS_V_TX);
		drop_pkt(&syn);
		drop_pkt(&back);
		drop_pkt(&again);
	}
	CHECK(counted(&b, KS_C_HANDED_OUT) > 0);
	bed_close(&b);
}

/* Sessions to one real server until there is no port left: each of the range was used, at each of
 * the two addresses, once. */
static void every_port_is_used(unsigned workers, const struct ks_rss *r, unsigned min, unsigned max)
{
	static const char *const rs[] = { "10.1.0.11", NULL };
	static const unsigned one[] = { 1 };
	static uint8_t used[2][65536];
	struct ks_op_addr vip = op_addr("dpdk1", "198.51.100.80", 32, KS_ADDR_LEASED);
	struct ks_op_route way = op_route("dpdk1", "0.0.0.0", 0, "198.51.100.10");
	struct ks_op_param lo = op_param(KS_PARAM_LPORT_MIN, min),
			   hi = op_param(KS_PARAM_LPORT_MAX, max);
	unsigned want = 2 * (max - min + 1), opened = 0, refused = 0;
	char reason[KS_REASON_LEN];
	struct bed b;

	memset(used, 0, sizeof(used));
	bed_open(&b, workers, 1u << 18);
	CHECK_EQ(ks_desired_begin(b.desired, true), KS_OK);
	CHECK_EQ(APPLY(b.desired, vip, reason), KS_OK);
	CHECK_EQ(APPLY(b.desired, way, reason), KS_OK);
	CHECK_EQ(APPLY(b.desired, lo, reason), KS_OK);
	CHECK_EQ(APPLY(b.desired, hi, reason), KS_OK);
	bed_service(&b, KS_PROTO_UDP, KS_SCHED_RR, rs, one);
	bed_build(&b);
	if (r != NULL)
		use_rss(&b, r);
	/* some workers are full before others: go on until all are */
	for (unsigned i = 0; opened < want && i < 8 * want; i++) {
		char src[32];
		struct pkt k;

		snprintf(src, sizeof(src), "198.51.%u.%u", 101 + i / 50000, 10 + i % 200);
		k = make_udp(1, src, 10000 + i / 200 % 50000, "198.51.100.80", 80, "");
		feed(&b, &k, i % workers);
		if (k.p.verdict == KS_V_DROP) {
			CHECK_EQ(k.p.reason, KS_DROP_LPORT_EXHAUSTED);
			refused++;
		} else {
			unsigned lip = ks_ntoh32(ip_of(&k)->src) & 255;
			unsigned port = ks_ntoh16(udp_of(&k)->sport);

			CHECK(lip == 200 || lip == 201);
			CHECK(port >= min && port <= max);
			CHECK_EQ(used[lip - 200][port]++, 0);
			opened++;
		}
		drop_pkt(&k);
	}
	CHECK_EQ(opened, want);
	CHECK_EQ(dropped(&b, KS_DROP_LPORT_EXHAUSTED), refused);
	bed_close(&b);
}

static void every_port_of_every_address_is_used(void)
{
	static const unsigned workers[] = { 1, 2, 3, 5, 7, 8 };

	for (unsigned i = 0; i < 6; i++)
		every_port_is_used(workers[i], NULL, 1025, 65535);
}

static void a_spread_port_leaves_none_unused_either(void)
{
	static const unsigned workers[] = { 2, 3, 5, 8 };

	for (unsigned i = 0; i < 4; i++) {
		struct ks_rss r = rss_of(ms_key, workers[i], ALL);

		every_port_is_used(workers[i], &r, 2000, 8999);
	}
}

int main(void)
{
	RUN(the_hash_is_that_of_the_verification_suite);
	RUN(what_cannot_be_followed_is_not);
	RUN(no_packet_changes_worker);
	RUN(wherever_a_packet_arrives_its_owner_gets_it);
	RUN(every_port_of_every_address_is_used);
	RUN(a_spread_port_leaves_none_unused_either);
	return 0;
}
