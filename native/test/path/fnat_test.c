/* SPDX-License-Identifier: Apache-2.0 */
/* FNAT packet by packet: what goes in, what comes out, what is dropped and under which name. */
#include "fixture.h"

#define CLIENT "198.51.100.10"
#define VIP    "198.51.100.80"

static void expect_addrs(struct pkt *k, const char *src, const char *dst)
{
	CHECK_EQ(ip_of(k)->src, ip4(src));
	CHECK_EQ(ip_of(k)->dst, ip4(dst));
}

static void a_connection_is_translated_both_ways(void)
{
	struct bed b;
	struct pkt syn, synack, ack;
	unsigned lport;

	bed_open(&b, 1, 4096);
	syn = make_tcp(1, CLIENT, 40000, VIP, 80, KS_TCP_SYN, "");
	feed(&b, &syn, 0);
	CHECK_EQ(syn.p.verdict, KS_V_TX);
	CHECK_EQ(syn.p.out_port, 0);
	expect_addrs(&syn, "10.1.0.200", "10.1.0.11");
	lport = ks_ntoh16(tcp_of(&syn)->sport);
	CHECK(lport >= 1025);
	CHECK_EQ(ks_ntoh16(tcp_of(&syn)->dport), 8080);
	CHECK_EQ(ip_of(&syn)->ttl, 63);
	CHECK_EQ(ks_ntoh32(tcp_of(&syn)->seq), 1000);
	CHECK(sums_right(&syn));
	CHECK(memcmp(syn.p.data, rs_mac, 6) == 0 && syn.p.data[11] == 1);

	synack = answer_to(&syn, KS_TCP_SYN | KS_TCP_ACK, "");
	feed(&b, &synack, 0);
	CHECK_EQ(synack.p.verdict, KS_V_TX);
	CHECK_EQ(synack.p.out_port, 1);
	expect_addrs(&synack, VIP, CLIENT);
	CHECK_EQ(ks_ntoh16(tcp_of(&synack)->sport), 80);
	CHECK_EQ(ks_ntoh16(tcp_of(&synack)->dport), 40000);
	CHECK(sums_right(&synack));
	CHECK(memcmp(synack.p.data, client_mac, 6) == 0 && synack.p.data[11] == 2);

	ack = make_tcp(1, CLIENT, 40000, VIP, 80, KS_TCP_ACK, "GET / HTTP/1.0\r\n\r\n");
	feed(&b, &ack, 0);
	CHECK_EQ(ack.p.verdict, KS_V_TX);
	CHECK_EQ(ks_ntoh16(tcp_of(&ack)->sport), lport);
	CHECK(memcmp(l4_of(&ack) + 20, "GET / HTTP/1.0", 14) == 0);
	CHECK(sums_right(&ack));
	CHECK_EQ(b.c[0][KS_C_SESSIONS], 1);
	drop_pkt(&syn);
	drop_pkt(&synack);
	drop_pkt(&ack);
	bed_close(&b);
}

/* Random packets of one connection: the incremental checksum is the full one. */
static void checksums_are_those_of_a_full_recomputation(void)
{
	struct bed b;
	uint64_t seed = 7;

	bed_open(&b, 1, 1 << 16);
	for (unsigned i = 0; i < 20000; i++) {
		char src[16], data[64];
		unsigned n = below(&seed, 60);
		struct pkt in, back;

		for (unsigned k = 0; k < n; k++)
			data[k] = (char)(1 + below(&seed, 255));
		data[n] = '\0';
		snprintf(src, sizeof(src), "198.51.100.%u", 1 + below(&seed, 250));
		in = below(&seed, 2)
			? make_tcp(1, src, below(&seed, 65536), VIP, 80, KS_TCP_SYN, data)
			: make_udp(1, src, below(&seed, 65536), VIP, 80, data);
		feed(&b, &in, 0);
		if (in.p.verdict == KS_V_DROP) { /* our own address as source */
			CHECK_EQ(in.p.reason, KS_DROP_IP_SOURCE);
			drop_pkt(&in);
			continue;
		}
		CHECK(in.p.verdict == KS_V_TX || in.p.verdict == KS_V_MAIN);
		CHECK(sums_right(&in));
		in.p.out_port = 0;
		back = answer_to(&in, KS_TCP_ACK, data);
		feed(&b, &back, 0);
		CHECK(back.p.verdict == KS_V_TX || back.p.verdict == KS_V_MAIN);
		CHECK(sums_right(&back));
		drop_pkt(&in);
		drop_pkt(&back);
	}
	bed_close(&b);
}

static void udp_without_a_checksum_stays_without(void)
{
	struct bed b;
	struct pkt k;

	bed_open(&b, 1, 4096);
	k = make_udp(1, CLIENT, 5000, VIP, 80, "hello");
	udp_of(&k)->csum = 0;
	feed(&b, &k, 0);
	CHECK_EQ(k.p.verdict, KS_V_TX);
	CHECK_EQ(udp_of(&k)->csum, 0);
	drop_pkt(&k);
	bed_close(&b);
}

static void options_are_kept(void)
{
	static const uint8_t timestamps[12] = { 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8 };
	struct bed b;
	struct pkt k;

	bed_open(&b, 1, 4096);
	k = make_tcp(1, CLIENT, 40001, VIP, 80, KS_TCP_SYN, "123456789012");
	tcp_of(&k)->off = 8 << 4;
	memcpy(l4_of(&k) + 20, timestamps, sizeof(timestamps));
	fill_sums(&k);
	feed(&b, &k, 0);
	CHECK_EQ(k.p.verdict, KS_V_TX);
	CHECK(memcmp(l4_of(&k) + 20, timestamps, sizeof(timestamps)) == 0);
	CHECK(sums_right(&k));
	drop_pkt(&k);
	bed_close(&b);
}

struct drop_case {
	const char *what;
	enum ks_drop reason;
	void (*spoil)(struct pkt *k);
};

static void cut_ip(struct pkt *k)
{
	k->p.len = 30;
}
static void cut_eth(struct pkt *k)
{
	k->p.len = 13;
}
static void cut_body(struct pkt *k)
{
	k->p.len = (uint16_t)(k->p.len - 1);
}
static void wrong_mac(struct pkt *k)
{
	k->p.data[5] = 9;
}
static void wrong_version(struct pkt *k)
{
	ip_of(k)->ver_ihl = 0x65;
}
static void short_header(struct pkt *k)
{
	ip_of(k)->ver_ihl = 0x44;
}
static void wrong_ip_sum(struct pkt *k)
{
	ip_of(k)->csum ^= 1;
}
static void wrong_l4_sum(struct pkt *k)
{
	tcp_of(k)->csum ^= 1;
}
static void fragment(struct pkt *k)
{
	ip_of(k)->frag = ks_hton16(0x2000 | 100); /* not the first */
	fill_sums(k);
}
static void tcp_offset(struct pkt *k)
{
	tcp_of(k)->off = 4 << 4;
	fill_sums(k);
}
static void tcp_offset_far(struct pkt *k)
{
	tcp_of(k)->off = 15 << 4;
	fill_sums(k);
}
static void last_hop(struct pkt *k)
{
	ip_of(k)->ttl = 1;
	fill_sums(k);
}
static void other_port(struct pkt *k)
{
	tcp_of(k)->dport = ks_hton16(81);
	fill_sums(k);
}
static void other_host(struct pkt *k)
{
	ip_of(k)->dst = ip4("203.0.113.1");
	fill_sums(k);
}
static void multicast_source(struct pkt *k)
{
	ip_of(k)->src = ip4("224.0.0.1");
	fill_sums(k);
}
static void not_syn(struct pkt *k)
{
	tcp_of(k)->flags = KS_TCP_ACK;
	fill_sums(k);
}
static void other_protocol(struct pkt *k)
{
	ip_of(k)->proto = 47;
	ip_of(k)->csum = 0;
	ip_of(k)->csum = ks_csum_finish(ks_csum_add(0, (const uint8_t *)ip_of(k), 20));
}

static void what_is_wrong_ends_under_its_name(void)
{
	static const struct drop_case cases[] = {
		{ "Ethernet cut", KS_DROP_TRUNCATED, cut_eth },
		{ "IP header cut", KS_DROP_TRUNCATED, cut_ip },
		{ "shorter than its length says", KS_DROP_TRUNCATED, cut_body },
		{ "other MAC", KS_DROP_NOT_FOR_US, wrong_mac },
		{ "version 6", KS_DROP_IP_HEADER, wrong_version },
		{ "header of 16 bytes", KS_DROP_IP_HEADER, short_header },
		{ "IP checksum", KS_DROP_IP_CSUM, wrong_ip_sum },
		{ "TCP checksum", KS_DROP_L4_CSUM, wrong_l4_sum },
		{ "fragment without its first", KS_DROP_FRAGMENT, fragment },
		{ "TCP header of 16 bytes", KS_DROP_L4_HEADER, tcp_offset },
		{ "TCP header longer than the packet", KS_DROP_L4_HEADER, tcp_offset_far },
		{ "TTL 1", KS_DROP_TTL, last_hop },
		{ "no service on the port", KS_DROP_NO_SERVICE, other_port },
		{ "not ours", KS_DROP_NOT_LOCAL, other_host },
		{ "multicast source", KS_DROP_IP_SOURCE, multicast_source },
		{ "no SYN", KS_DROP_NOT_SYN, not_syn },
		{ "GRE to the VIP", KS_DROP_UNSUPPORTED, other_protocol },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bed b;
		struct pkt k;

		bed_open(&b, 1, 4096);
		k = make_tcp(1, CLIENT, 40000, VIP, 80, KS_TCP_SYN, "data");
		cases[i].spoil(&k);
		feed(&b, &k, 0);
		if (dropped(&b, cases[i].reason) != 1)
			fprintf(stderr, "%s: verdict %u reason %u\n", cases[i].what, k.p.verdict,
				k.p.reason);
		CHECK_EQ(dropped(&b, cases[i].reason), 1);
		drop_pkt(&k);
		bed_close(&b);
	}
}

static void what_is_the_kernels_goes_to_the_kernel(void)
{
	struct bed b;
	struct pkt k;

	bed_open(&b, 1, 4096);
	k = make_tcp(1, CLIENT, 40000, "198.51.100.2", 22, KS_TCP_SYN, "");
	feed(&b, &k, 0);
	CHECK_EQ(k.p.verdict, KS_V_KNI);
	drop_pkt(&k);
	k = make_ip(1, 112, CLIENT, "224.0.0.18", 20); /* VRRP */
	memcpy(k.p.data, (uint8_t[6]){ 1, 0, 0x5e, 0, 0, 0x12 }, 6);
	feed(&b, &k, 0);
	CHECK_EQ(k.p.verdict, KS_V_KNI);
	drop_pkt(&k);
	k = make_ip(1, 0, CLIENT, VIP, 20);
	memset(k.p.data, 0xff, 6);
	k.p.data[12] = 8;
	k.p.data[13] = 6; /* ARP */
	feed(&b, &k, 0);
	CHECK_EQ(k.p.verdict, KS_V_MAIN);
	drop_pkt(&k);
	bed_close(&b);
}

static void a_stray_segment_is_reset_at_most_so_often(void)
{
	struct bed b;
	unsigned resets = 0;

	bed_open(&b, 1, 4096);
	for (unsigned i = 0; i < 15000; i++) {
		struct pkt k =
			make_tcp(1, CLIENT, 1000 + i, VIP, 80, KS_TCP_ACK | KS_TCP_PSH, "late");

		feed(&b, &k, 0);
		if (k.p.verdict == KS_V_TX) {
			resets++;
			CHECK(sums_right(&k));
			CHECK_EQ(tcp_of(&k)->flags, KS_TCP_RST);
			CHECK_EQ(ks_ntoh32(tcp_of(&k)->seq), 2000); /* RFC 9293: SEG.ACK */
			expect_addrs(&k, VIP, CLIENT);
			CHECK(memcmp(k.p.data, client_mac, 6) == 0);
		}
		drop_pkt(&k);
	}
	CHECK_EQ(resets, 10000);
	CHECK_EQ(b.c[0][KS_C_RST_SENT], 10000);
	CHECK_EQ(dropped(&b, KS_DROP_NOT_SYN), 15000);
	bed_close(&b);
}

static struct pkt make_echo(const char *dst)
{
	struct pkt k = make_ip(1, KS_PROTO_ICMP, CLIENT, dst, 16);

	*(struct ks_icmp *)(void *)l4_of(&k) =
		(struct ks_icmp){ .type = KS_ICMP_ECHO, .rest = { 1, 2, 3, 4 } };
	memcpy(l4_of(&k) + 8, "payload!", 8);
	fill_sums(&k);
	return k;
}

static void echo_is_answered_while_the_lease_runs(void)
{
	struct bed b;
	struct pkt k;

	bed_open(&b, 1, 4096);
	k = make_echo(VIP);
	feed(&b, &k, 0);
	CHECK_EQ(k.p.verdict, KS_V_TX);
	CHECK_EQ(k.p.out_port, 1);
	CHECK_EQ(l4_of(&k)[0], KS_ICMP_ECHO_REPLY);
	CHECK(memcmp(l4_of(&k) + 8, "payload!", 8) == 0);
	expect_addrs(&k, VIP, CLIENT);
	CHECK(sums_right(&k));
	drop_pkt(&k);
	bed_hold(&b, b.now);
	k = make_echo(VIP);
	feed(&b, &k, 0);
	CHECK_EQ(k.p.verdict, KS_V_DROP);
	CHECK_EQ(dropped(&b, KS_DROP_LEASE), 1);
	drop_pkt(&k);
	bed_close(&b);
}

/* Sum 0 after the type became 0: found by the fuzzer. */
static void an_echo_of_zeros_has_a_right_checksum(void)
{
	struct bed b;
	struct pkt k;

	bed_open(&b, 1, 4096);
	k = make_ip(1, KS_PROTO_ICMP, CLIENT, VIP, 16);
	l4_of(&k)[0] = KS_ICMP_ECHO;
	fill_sums(&k);
	feed(&b, &k, 0);
	CHECK_EQ(k.p.verdict, KS_V_TX);
	CHECK(sums_right(&k));
	drop_pkt(&k);
	bed_close(&b);
}

/* An ICMP error that quotes `about`, from a host, coming in by a port. */
static struct pkt make_error(unsigned port, const char *from, struct pkt *about, uint8_t type,
			     uint8_t code)
{
	char to[16];
	struct pkt k;

	inet_ntop(AF_INET, &ip_of(about)->src, to, sizeof(to));
	k = make_ip(port, KS_PROTO_ICMP, from, to, 8 + 28);
	*(struct ks_icmp *)(void *)l4_of(&k) =
		(struct ks_icmp){ .type = type, .code = code, .rest = { 0, 0, 0x05, 0x00 } };
	memcpy(l4_of(&k) + 8, ip_of(about), 28);
	fill_sums(&k);
	return k;
}

static void errors_about_a_session_reach_who_sent_the_packet(void)
{
	struct bed b;
	struct pkt syn, back, e;
	struct ks_ip4 *quoted;

	bed_open(&b, 1, 4096);
	syn = make_tcp(1, CLIENT, 40000, VIP, 80, KS_TCP_SYN, "");
	feed(&b, &syn, 0);
	/* the real server's side: a router says that its link is too small */
	e = make_error(0, "10.1.0.99", &syn, KS_ICMP_UNREACHABLE, KS_ICMP_FRAG_NEEDED);
	feed(&b, &e, 0);
	CHECK_EQ(e.p.verdict, KS_V_TX);
	CHECK_EQ(e.p.out_port, 1);
	expect_addrs(&e, VIP, CLIENT);
	CHECK(sums_right(&e));
	CHECK_EQ(l4_of(&e)[6], 5); /* the MTU it tells is kept */
	quoted = (struct ks_ip4 *)(void *)(l4_of(&e) + 8);
	CHECK_EQ(quoted->src, ip4(CLIENT));
	CHECK_EQ(quoted->dst, ip4(VIP));
	CHECK_EQ(ks_csum_fold(ks_csum_add(0, (const uint8_t *)quoted, 20)), 0xffff);
	CHECK_EQ(ks_ntoh16(((struct ks_tcp *)(void *)(quoted + 1))->sport), 40000);
	CHECK_EQ(ks_ntoh16(((struct ks_tcp *)(void *)(quoted + 1))->dport), 80);
	drop_pkt(&e);

	/* the client's side, about the answer */
	back = answer_to(&syn, KS_TCP_SYN | KS_TCP_ACK, "");
	feed(&b, &back, 0);
	e = make_error(1, CLIENT, &back, KS_ICMP_UNREACHABLE, 3);
	feed(&b, &e, 0);
	CHECK_EQ(e.p.verdict, KS_V_TX);
	CHECK_EQ(e.p.out_port, 0);
	expect_addrs(&e, "10.1.0.200", "10.1.0.11");
	CHECK(sums_right(&e));
	quoted = (struct ks_ip4 *)(void *)(l4_of(&e) + 8);
	CHECK_EQ(quoted->src, ip4("10.1.0.11"));
	CHECK_EQ(quoted->dst, ip4("10.1.0.200"));
	drop_pkt(&e);

	/* about nothing we know */
	tcp_of(&back)->dport = ks_hton16(1);
	e = make_error(1, CLIENT, &back, KS_ICMP_UNREACHABLE, 3);
	feed(&b, &e, 0);
	CHECK_EQ(dropped(&b, KS_DROP_ICMP_NO_SESSION), 1);
	drop_pkt(&e);
	drop_pkt(&syn);
	drop_pkt(&back);
	bed_close(&b);
}

static void errors_of_our_own_are_whole(void)
{
	struct bed b;
	struct pkt k;
	char big[1600];

	bed_open(&b, 1, 4096);
	k = make_tcp(1, CLIENT, 40000, VIP, 80, KS_TCP_SYN, "");
	ip_of(&k)->ttl = 1;
	fill_sums(&k);
	feed(&b, &k, 0);
	CHECK_EQ(k.p.verdict, KS_V_TX);
	CHECK_EQ(l4_of(&k)[0], KS_ICMP_TIME_EXCEEDED);
	expect_addrs(&k, VIP, CLIENT);
	CHECK_EQ(k.p.len, KS_ETH_LEN + 20 + 8 + 28);
	CHECK(sums_right(&k));
	drop_pkt(&k);

	memset(big, 'x', sizeof(big));
	big[1590] = '\0';
	k = make_tcp(1, CLIENT, 40000, VIP, 80, KS_TCP_SYN, big);
	feed(&b, &k, 0);
	CHECK_EQ(dropped(&b, KS_DROP_TOO_BIG), 1);
	CHECK_EQ(l4_of(&k)[0], KS_ICMP_UNREACHABLE);
	CHECK_EQ(l4_of(&k)[1], KS_ICMP_FRAG_NEEDED);
	CHECK_EQ(l4_of(&k)[6] << 8 | l4_of(&k)[7], 1500);
	CHECK(sums_right(&k));
	drop_pkt(&k);
	bed_close(&b);
}

static void an_unknown_next_hop_goes_to_the_main_lcore(void)
{
	struct bed b;
	struct pkt k;

	bed_open(&b, 1, 4096);
	k = make_tcp(1, "198.51.100.77", 40000, VIP, 80, KS_TCP_SYN, "");
	feed(&b, &k, 0);
	CHECK_EQ(k.p.verdict, KS_V_TX); /* the real server is known */
	struct pkt back = answer_to(&k, KS_TCP_SYN | KS_TCP_ACK, "");
	feed(&b, &back, 0);
	CHECK_EQ(back.p.verdict, KS_V_MAIN);
	expect_addrs(&back, VIP,
		     "198.51.100.77"); /* rewritten already: only the Ethernet header is missing */
	CHECK(sums_right(&back));
	bed_neigh(&b, 1, "198.51.100.77", client_mac);
	drop_pkt(&back);
	back = answer_to(&k, KS_TCP_SYN | KS_TCP_ACK, "");
	feed(&b, &back, 0);
	CHECK_EQ(back.p.verdict, KS_V_TX);
	drop_pkt(&k);
	drop_pkt(&back);
	bed_close(&b);
}

int main(void)
{
	RUN(a_connection_is_translated_both_ways);
	RUN(checksums_are_those_of_a_full_recomputation);
	RUN(udp_without_a_checksum_stays_without);
	RUN(options_are_kept);
	RUN(what_is_wrong_ends_under_its_name);
	RUN(what_is_the_kernels_goes_to_the_kernel);
	RUN(a_stray_segment_is_reset_at_most_so_often);
	RUN(echo_is_answered_while_the_lease_runs);
	RUN(an_echo_of_zeros_has_a_right_checksum);
	RUN(errors_about_a_session_reach_who_sent_the_packet);
	RUN(errors_of_our_own_are_whole);
	RUN(an_unknown_next_hop_goes_to_the_main_lcore);
	return 0;
}
