/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions over time: states and timeouts, owners, local ports, growth, schedulers, and generations
 * that change beneath them. */
#include "fixture.h"
#include "ks_worker_int.h"

#define CLIENT "198.51.100.10"
#define VIP    "198.51.100.80"

static unsigned send_client(struct bed *b, unsigned sport, uint8_t flags)
{
	struct pkt k = make_tcp(1, CLIENT, sport, VIP, 80, flags, "");
	unsigned verdict;

	feed(b, &k, 0);
	verdict = k.p.verdict;
	drop_pkt(&k);
	return verdict;
}

/* Session of a client's port, straight from the table. */
static struct ks_session *find(struct bed *b, unsigned sport)
{
	struct ks_tuple k = { ip4(CLIENT), ip4(VIP), ks_hton16((uint16_t)sport), ks_hton16(80) };

	for (unsigned i = 0; i < b->n; i++) {
		unsigned dir;
		struct ks_table *t = &b->w[i]->table;
		struct ks_session *s = ks_table_find(t, &k, KS_PROTO_TCP,
						     ks_tuple_hash(t, &k, KS_PROTO_TCP), &dir);

		if (s != NULL)
			return s;
	}
	return NULL;
}

static void send_server(struct bed *b, unsigned sport, uint8_t flags)
{
	struct ks_session *s = find(b, sport);
	char src[16], dst[16];
	struct pkt k;

	CHECK(s != NULL);
	inet_ntop(AF_INET, &s->key[KS_OUT].src, src, sizeof(src));
	inet_ntop(AF_INET, &s->key[KS_OUT].dst, dst, sizeof(dst));
	k = make_tcp(0, src, ks_ntoh16(s->key[KS_OUT].sport), dst, ks_ntoh16(s->key[KS_OUT].dport),
		     flags, "");
	feed(b, &k, 0);
	CHECK_EQ(k.p.verdict, KS_V_TX);
	drop_pkt(&k);
}

static void tick_all(struct bed *b)
{
	struct ks_pkt out[4];

	for (unsigned i = 0; i < b->n; i++)
		for (unsigned turn = 0; turn < 2000; turn++)
			(void)ks_worker_tick(b->w[i], b->conf, out, 4, 1024, b->now);
}

/* How long a session that is left alone lives, to the grain of the wheel. */
static ks_ms lifetime(struct bed *b)
{
	ks_ms start = b->now;

	while (counted(b, KS_C_SESSIONS) > 0) {
		b->now += 64;
		tick_all(b);
		CHECK(b->now - start < 1000000);
	}
	return b->now - start;
}

struct step {
	bool server;
	uint8_t flags;
	uint8_t state;
};

static void states_follow_the_connection_and_give_its_timeout(void)
{
	static const struct {
		struct step step[8];
		unsigned n;
		unsigned ms;
	} cases[] = {
		{ { { 0, KS_TCP_SYN, KS_ST_SYN_RECV } }, 1, 30000 },
		{ { { 0, KS_TCP_SYN, KS_ST_SYN_RECV },
		    { 1, KS_TCP_SYN | KS_TCP_ACK, KS_ST_SYN_RECV },
		    { 0, KS_TCP_ACK, KS_ST_ESTABLISHED } },
		  3,
		  90000 },
		{ { { 0, KS_TCP_SYN, KS_ST_SYN_RECV },
		    { 1, KS_TCP_SYN | KS_TCP_ACK, KS_ST_SYN_RECV },
		    { 0, KS_TCP_ACK, KS_ST_ESTABLISHED },
		    { 0, KS_TCP_FIN | KS_TCP_ACK, KS_ST_CLOSE_WAIT },
		    { 1, KS_TCP_ACK, KS_ST_CLOSE_WAIT },
		    { 1, KS_TCP_FIN | KS_TCP_ACK, KS_ST_TIME_WAIT },
		    { 0, KS_TCP_ACK, KS_ST_TIME_WAIT } },
		  7,
		  7000 },
		{ { { 0, KS_TCP_SYN, KS_ST_SYN_RECV },
		    { 1, KS_TCP_SYN | KS_TCP_ACK, KS_ST_SYN_RECV },
		    { 0, KS_TCP_ACK, KS_ST_ESTABLISHED },
		    { 1, KS_TCP_FIN | KS_TCP_ACK, KS_ST_FIN_WAIT },
		    { 0, KS_TCP_FIN | KS_TCP_ACK, KS_ST_TIME_WAIT } },
		  5,
		  7000 },
		{ { { 0, KS_TCP_SYN, KS_ST_SYN_RECV },
		    { 1, KS_TCP_RST | KS_TCP_ACK, KS_ST_CLOSE } },
		  2,
		  3000 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bed b;
		ks_ms lived;

		bed_open(&b, 1, 4096);
		for (unsigned k = 0; k < cases[i].n; k++) {
			const struct step *s = &cases[i].step[k];

			if (s->server)
				send_server(&b, 40000, s->flags);
			else
				CHECK_EQ(send_client(&b, 40000, s->flags), KS_V_TX);
			CHECK_EQ(find(&b, 40000)->state, s->state);
			b.now += 10;
		}
		b.now -= 10;
		lived = lifetime(&b);
		CHECK(lived >= cases[i].ms && lived <= cases[i].ms + 400);
		CHECK_EQ(b.c[0][KS_C_SESSIONS_EXPIRED], 1);
		CHECK_EQ(b.rs[0][0][KS_RSC_ACTIVE] + b.rs[0][0][KS_RSC_INACTIVE], 0);
		bed_close(&b);
	}
}

static void traffic_keeps_a_session_alive(void)
{
	struct bed b;

	bed_open(&b, 1, 4096);
	send_client(&b, 40000, KS_TCP_SYN);
	send_client(&b, 40000, KS_TCP_ACK);
	for (unsigned i = 0; i < 20; i++) {
		b.now += 60000;
		tick_all(&b);
		CHECK_EQ(send_client(&b, 40000, KS_TCP_ACK), KS_V_TX);
	}
	CHECK_EQ(counted(&b, KS_C_SESSIONS), 1);
	CHECK_EQ(counted(&b, KS_C_SESSIONS_CREATED), 1);
	bed_close(&b);
}

static void a_syn_begins_anew_where_a_connection_is_over(void)
{
	struct bed b;

	bed_open(&b, 1, 4096);
	send_client(&b, 40000, KS_TCP_SYN);
	send_server(&b, 40000, KS_TCP_RST | KS_TCP_ACK);
	CHECK_EQ(find(&b, 40000)->state, KS_ST_CLOSE);
	CHECK_EQ(send_client(&b, 40000, KS_TCP_SYN), KS_V_TX);
	CHECK_EQ(find(&b, 40000)->state, KS_ST_SYN_RECV);
	CHECK_EQ(b.c[0][KS_C_SESSIONS_REUSED], 1);
	CHECK_EQ(b.c[0][KS_C_SESSIONS], 1);
	/* but a SYN sent again while the connection lives is the same connection's */
	CHECK_EQ(send_client(&b, 40000, KS_TCP_SYN), KS_V_TX);
	CHECK_EQ(b.c[0][KS_C_SESSIONS_CREATED], 2);
	bed_close(&b);
}

/* Law 5: whoever takes the packet from the port, both directions end at the same worker, for any
 * number of workers. */
static void both_directions_belong_to_one_worker(void)
{
	static const unsigned counts[] = { 1, 2, 3, 4, 5, 8 };

	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		struct bed b;
		uint64_t seed = 99;
		unsigned per[MAX_WORKERS] = { 0 };

		bed_open(&b, counts[c], 1 << 14);
		for (unsigned i = 0; i < 3000; i++) {
			unsigned taker = below(&seed, counts[c]), owner, back_owner;
			struct pkt in = make_tcp(1, CLIENT, 1024 + i, VIP, 80, KS_TCP_SYN, ""),
				   back;

			owner = feed(&b, &in, taker);
			CHECK_EQ(in.p.verdict, KS_V_TX);
			back = answer_to(&in, KS_TCP_SYN | KS_TCP_ACK, "");
			back_owner = feed(&b, &back, below(&seed, counts[c]));
			CHECK_EQ(back.p.verdict, KS_V_TX);
			CHECK_EQ(owner, back_owner);
			per[owner]++;
			drop_pkt(&in);
			drop_pkt(&back);
		}
		for (unsigned i = 0; i < counts[c];
		     i++) /* no worker is left out, none has it all */
			CHECK(per[i] > 3000 / counts[c] * 7 / 10 &&
			      per[i] < 3000 / counts[c] * 13 / 10 + 1);
		CHECK_EQ(counted(&b, KS_C_HANDED_OUT) == 0, counts[c] == 1);
		bed_close(&b);
	}
}

/* One real server and two local addresses: exactly as many connections as there are ports, each
 * port once, then exhaustion by name. */
static void every_port_of_every_local_address_is_used(void)
{
	static const unsigned counts[] = { 1, 3, 4 };

	for (unsigned c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		static const char *const rs[] = { "10.1.0.11", NULL };
		static const unsigned weight[] = { 1 };
		static uint8_t used[2][65536];
		struct ks_op_param lo = op_param(KS_PARAM_LPORT_MIN, 1025),
				   hi = op_param(KS_PARAM_LPORT_MAX, 5000);
		struct bed b;
		char reason[KS_REASON_LEN];
		unsigned opened = 0, wanted = 2 * (5000 - 1025 + 1);

		memset(used, 0, sizeof(used));
		bed_open(&b, counts[c], 1 << 16);
		CHECK_EQ(ks_desired_begin(b.desired, true), KS_OK);
		bed_service(&b, KS_PROTO_TCP, KS_SCHED_RR, rs, weight);
		CHECK_EQ(APPLY(b.desired, lo, reason), KS_OK);
		CHECK_EQ(APPLY(b.desired, hi, reason), KS_OK);
		bed_build(&b);
		for (unsigned i = 0; i < wanted * 4 && opened < wanted; i++) {
			char src[16];
			struct pkt k;

			snprintf(src, sizeof(src), "198.51.%u.%u", 100 + i / 50000,
				 10 + i / 1000 % 50);
			k = make_tcp(1, src, 1024 + i % 1000, VIP, 80, KS_TCP_SYN, "");
			feed(&b, &k, 0);
			if (k.p.verdict == KS_V_TX) {
				unsigned lip = ip_of(&k)->src == ip4("10.1.0.201"),
					 port = ks_ntoh16(tcp_of(&k)->sport);

				CHECK(port >= 1025 && port <= 5000);
				CHECK_EQ(used[lip][port]++, 0);
				opened++;
			} else {
				CHECK_EQ(k.p.reason, KS_DROP_LPORT_EXHAUSTED);
			}
			drop_pkt(&k);
		}
		CHECK_EQ(opened, wanted);
		CHECK_EQ(counted(&b, KS_C_SESSIONS), wanted);
		CHECK_EQ(send_client(&b, 65000, KS_TCP_SYN), KS_V_DROP);
		CHECK(dropped(&b, KS_DROP_LPORT_EXHAUSTED) > 0);
		bed_close(&b);
	}
}

static struct pkt many(unsigned i, uint8_t proto)
{
	char src[16];

	snprintf(src, sizeof(src), "198.51.%u.%u", 100 + i / 6000000, 10 + i / 60000 % 100);
	return proto == KS_PROTO_TCP ? make_tcp(1, src, 1024 + i % 60000, VIP, 80, KS_TCP_SYN, "")
				     : make_udp(1, src, 1024 + i % 60000, VIP, 80, "x");
}

static void the_table_grows_and_loses_nobody(void)
{
	enum { N = 150000 };
	struct bed b;
	uint64_t created;

	bed_open(&b, 1, N);
	for (unsigned i = 0; i < N; i++) {
		struct pkt k = many(i, KS_PROTO_UDP);

		feed(&b, &k, 0);
		CHECK_EQ(k.p.verdict, KS_V_TX);
		drop_pkt(&k);
	}
	created = b.c[0][KS_C_SESSIONS_CREATED];
	CHECK_EQ(created, N);
	for (unsigned i = 0; i < N; i++) { /* every one is found again: none is made twice */
		struct pkt k = many(i, KS_PROTO_UDP);

		feed(&b, &k, 0);
		drop_pkt(&k);
	}
	CHECK_EQ(b.c[0][KS_C_SESSIONS_CREATED], created);
	CHECK(ks_table_bytes(&b.w[0]->table) / N <= 192);
	struct pkt k = many(N + 1, KS_PROTO_UDP);
	feed(&b, &k, 0);
	CHECK_EQ(k.p.verdict, KS_V_TX); /* one that was never answered has made room */
	CHECK_EQ(b.c[0][KS_C_SESSIONS_EVICTED], 1);
	CHECK_EQ(counted(&b, KS_C_SESSIONS), N);
	drop_pkt(&k);
	b.now += 301000;
	tick_all(&b);
	CHECK_EQ(counted(&b, KS_C_SESSIONS), 0);
	CHECK_EQ(b.w[0]->table.entries, 0);
	bed_close(&b);
}

/* A connection the client has acknowledged. */
static void establish(struct bed *b, unsigned i)
{
	static const uint8_t flags[] = { KS_TCP_SYN, KS_TCP_ACK };

	for (unsigned n = 0; n < sizeof(flags); n++) {
		struct pkt k = many(i, KS_PROTO_TCP);

		tcp_of(&k)->flags = flags[n];
		fill_sums(&k);
		feed(b, &k, 0);
		CHECK_EQ(k.p.verdict, KS_V_TX);
		drop_pkt(&k);
	}
}

static void the_established_stay_when_the_table_is_full(void)
{
	enum { MAX = 1000, HELD = 600 };
	struct bed b;
	struct pkt k;

	bed_open(&b, 1, MAX);
	for (unsigned i = 0; i < HELD; i++)
		establish(&b, i);
	for (unsigned i = HELD; i < 20000; i++) { /* a flood: each ends the one before it */
		b.now += i % 16 == 0;
		k = many(i, KS_PROTO_TCP);
		feed(&b, &k, 0);
		CHECK_EQ(k.p.verdict, i < MAX ? KS_V_TX : k.p.verdict);
		drop_pkt(&k);
	}
	CHECK_EQ(counted(&b, KS_C_SESSIONS), MAX);
	/* where the hand passes only established ones for a while a packet is lost, and told */
	CHECK_EQ(b.c[0][KS_C_SESSIONS_EVICTED] + dropped(&b, KS_DROP_SESSION_FULL), 20000 - MAX);
	CHECK(b.c[0][KS_C_SESSIONS_EVICTED] > 5000);
	for (unsigned i = 0; i < HELD; i++) {
		k = many(i, KS_PROTO_TCP);
		tcp_of(&k)->flags = KS_TCP_ACK;
		fill_sums(&k);
		feed(&b, &k, 0);
		CHECK_EQ(k.p.verdict, KS_V_TX);
		drop_pkt(&k);
	}
	bed_close(&b);
}

/* Every line once, of both kinds in any order; what one family filled the other can have. */
static void no_family_keeps_the_table_to_itself(void)
{
	enum { MAX = 1024 };
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	struct ks_session *held[MAX] = { NULL };
	static uint8_t lines[MAX];
	uint64_t seed = 5;
	struct ks_table t;
	unsigned n = 0;

	CHECK(ks_table_init(&t, &mem, MAX, 64, 1));
	for (unsigned round = 0; round < 6; round++) {
		bool wide = round & 1;

		for (n = 0; n < MAX / (wide ? 2 : 1); n++) {
			held[n] = ks_table_alloc(&t, wide);
			CHECK(held[n] != NULL);
		}
		CHECK(ks_table_alloc(&t, wide) == NULL);
		for (unsigned i = n; i > 0; i--) { /* given back in any order */
			unsigned k = below(&seed, i);

			ks_table_release(&t, held[k]);
			held[k] = held[i - 1];
		}
		CHECK_EQ(t.used, 0);
	}
	memset(held, 0, sizeof(held));
	for (unsigned i = 0; i < 200000; i++) {
		struct ks_session **h = &held[below(&seed, MAX)];

		if (*h != NULL) {
			unsigned at = ks_table_index(&t, *h);

			lines[at] = 0;
			if ((*h)->flags & KS_SF_WIDE)
				lines[at + 1] = 0;
			ks_table_release(&t, *h);
			*h = NULL;
			continue;
		}
		*h = ks_table_alloc(&t, below(&seed, 2) == 0);
		if (*h == NULL)
			continue;
		for (unsigned k = 0; k < ((*h)->flags & KS_SF_WIDE ? 2u : 1u); k++) {
			CHECK_EQ(lines[ks_table_index(&t, *h) + k], 0);
			lines[ks_table_index(&t, *h) + k] = 1;
		}
	}
	ks_table_fini(&t);
	CHECK_EQ(tm.live, 0);
}

static bool within(const struct ks_span *s, const void *first, size_t size)
{
	const uint8_t *from = first;

	return s->len == 0 || (s->at >= from && s->at + s->len <= from + size);
}

/* What is said to be touched next is what is touched next, and never beyond the table. */
static void memory_ahead_is_that_of_the_next_sessions(void)
{
	enum { MAX = 4096, AHEAD = 256 };
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	struct ks_span span[KS_AHEAD_KINDS];
	struct ks_table t;
	uint64_t seed = 9;
	size_t index;

	CHECK(ks_table_init(&t, &mem, MAX, 64, 1));
	index = ((size_t)t.max_buckets + t.n_overflow) * sizeof(*t.bucket);
	ks_table_ahead(&t, AHEAD, span);
	CHECK(span[KS_AHEAD_NARROW].at == (uint8_t *)t.session);
	CHECK_EQ(span[KS_AHEAD_NARROW].len, AHEAD * 64);
	CHECK(span[KS_AHEAD_WIDE].at + span[KS_AHEAD_WIDE].len == (uint8_t *)(t.session + MAX));
	CHECK_EQ(span[KS_AHEAD_WIDE].len, AHEAD / 4 * 64);
	CHECK(span[KS_AHEAD_INDEX].at == (uint8_t *)(t.bucket + t.low));
	CHECK(span[KS_AHEAD_INDEX].len >= AHEAD * 2 / 7 * 64);
	for (;;) {
		struct ks_session *s = ks_table_alloc(&t, below(&seed, 3) == 0);
		unsigned kind;

		if (s == NULL)
			break;
		kind = s->flags & KS_SF_WIDE ? KS_AHEAD_WIDE : KS_AHEAD_NARROW;
		CHECK((uint8_t *)s >= span[kind].at &&
		      (uint8_t *)s < span[kind].at + span[kind].len);
		ks_table_ahead(&t, AHEAD, span);
		CHECK(within(&span[KS_AHEAD_NARROW], t.session, MAX * sizeof(*t.session)));
		CHECK(within(&span[KS_AHEAD_WIDE], t.session, MAX * sizeof(*t.session)));
		CHECK(within(&span[KS_AHEAD_INDEX], t.bucket, index));
		CHECK(within(&span[KS_AHEAD_OVERFLOW], t.bucket, index));
	}
	CHECK(t.used > MAX / 2);
	CHECK(span[KS_AHEAD_NARROW].len <= 64);
	ks_table_fini(&t);
	CHECK_EQ(tm.live, 0);
}

static void a_table_of_established_ones_refuses(void)
{
	enum { MAX = 256 };
	struct bed b;
	struct pkt k;

	bed_open(&b, 1, MAX);
	for (unsigned i = 0; i < MAX; i++)
		establish(&b, i);
	for (unsigned i = MAX; i < 2 * MAX; i++) {
		k = many(i, KS_PROTO_TCP);
		feed(&b, &k, 0);
		CHECK_EQ(k.p.reason, KS_DROP_SESSION_FULL);
		drop_pkt(&k);
	}
	CHECK_EQ(b.c[0][KS_C_SESSIONS_EVICTED], 0);
	bed_close(&b);
}

/* Shares over whole rounds; weight 0 gets nothing. */
static void shares(uint8_t sched, const unsigned weight[3], const unsigned want[3], unsigned n)
{
	static const char *const rs[] = { "10.1.0.11", "10.1.0.12", "10.1.0.13", NULL };
	unsigned got[3] = { 0 };
	struct bed b;

	bed_open(&b, 1, 4096);
	CHECK_EQ(ks_desired_begin(b.desired, true), KS_OK);
	bed_service(&b, KS_PROTO_TCP, sched, rs, weight);
	bed_build(&b);
	for (unsigned i = 0; i < n; i++) {
		struct pkt k = make_tcp(1, CLIENT, 2000 + i, VIP, 80, KS_TCP_SYN, "");

		feed(&b, &k, 0);
		for (unsigned s = 0; s < 3; s++)
			got[s] += ip_of(&k)->dst == ip4(rs[s]);
		drop_pkt(&k);
	}
	for (unsigned s = 0; s < 3; s++)
		CHECK_EQ(got[s], want[s]);
	bed_close(&b);
}

static void schedulers_share_as_they_should(void)
{
	shares(KS_SCHED_RR, (unsigned[]){ 1, 5, 9 }, (unsigned[]){ 100, 100, 100 }, 300);
	shares(KS_SCHED_RR, (unsigned[]){ 1, 0, 1 }, (unsigned[]){ 150, 0, 150 }, 300);
	shares(KS_SCHED_WRR, (unsigned[]){ 1, 2, 3 }, (unsigned[]){ 50, 100, 150 }, 300);
	shares(KS_SCHED_WRR, (unsigned[]){ 0, 10, 30 }, (unsigned[]){ 0, 75, 225 }, 300);
	shares(KS_SCHED_WLC, (unsigned[]){ 1, 1, 2 }, (unsigned[]){ 75, 75, 150 }, 300);
	shares(KS_SCHED_LC, (unsigned[]){ 1, 7, 2 }, (unsigned[]){ 100, 100, 100 }, 300);
	shares(KS_SCHED_FO, (unsigned[]){ 1, 7, 2 }, (unsigned[]){ 0, 300, 0 }, 300);
}

static void weight_zero_everywhere_is_no_server(void)
{
	static const char *const rs[] = { "10.1.0.11", NULL };
	static const unsigned none[] = { 0 };
	struct bed b;

	bed_open(&b, 1, 4096);
	CHECK_EQ(ks_desired_begin(b.desired, true), KS_OK);
	bed_service(&b, KS_PROTO_TCP, KS_SCHED_WRR, rs, none);
	bed_build(&b);
	CHECK_EQ(send_client(&b, 1, KS_TCP_SYN), KS_V_DROP);
	CHECK_EQ(dropped(&b, KS_DROP_NO_REAL_SERVER), 1);
	bed_close(&b);
}

/* A removed real server: its sessions go on, new ones go elsewhere; with expire-quiescent they end
 * with their next packet. */
static void sessions_outlive_their_server_unless_told_not_to(void)
{
	for (unsigned quiescent = 0; quiescent < 2; quiescent++) {
		struct ks_svc_key key = key_of(KS_PROTO_TCP, VIP, 80);
		struct ks_op_svc svc = op_svc(VIP, 80);
		struct ks_op_rs gone = op_rs(key, "10.1.0.11", 8080, 1);
		struct bed b;
		char reason[KS_REASON_LEN];

		bed_open(&b, 1, 4096);
		if (quiescent) {
			svc.flags = KS_SVC_EXPIRE_QUIESCENT;
			CHECK_EQ(ks_desired_begin(b.desired, false), KS_OK);
			CHECK_EQ(APPLY(b.desired, svc, reason), KS_OK);
			bed_build(&b);
		}
		send_client(&b, 40000, KS_TCP_SYN); /* to 10.1.0.11 */
		CHECK_EQ(find(&b, 40000)->key[KS_OUT].src, ip4("10.1.0.11"));
		gone.op.type = KS_OP_RS_DEL;
		CHECK_EQ(ks_desired_begin(b.desired, false), KS_OK);
		CHECK_EQ(APPLY(b.desired, gone, reason), KS_OK);
		bed_build(&b);
		if (quiescent) {
			/* answered with a RST, so that the client begins anew at once */
			CHECK_EQ(send_client(&b, 40000, KS_TCP_ACK), KS_V_TX);
			CHECK_EQ(dropped(&b, KS_DROP_QUIESCENT), 1);
			CHECK_EQ(b.c[0][KS_C_RST_SENT], 1);
			CHECK_EQ(counted(&b, KS_C_SESSIONS), 0);
		} else {
			CHECK_EQ(send_client(&b, 40000, KS_TCP_ACK), KS_V_TX);
			CHECK_EQ(find(&b, 40000)->state, KS_ST_ESTABLISHED);
		}
		for (unsigned i = 0; i < 10; i++) {
			send_client(&b, 41000 + i, KS_TCP_SYN);
			CHECK_EQ(find(&b, 41000 + i)->key[KS_OUT].src, ip4("10.1.0.12"));
		}
		bed_close(&b);
	}
}

static void sessions_are_listed_once_each(void)
{
	enum { N = 1300 };
	static uint8_t seen[65536];
	struct ks_session_row rows[64];
	struct bed b;
	uint32_t cursor = 0;
	unsigned total = 0;

	memset(seen, 0, sizeof(seen));
	bed_open(&b, 1, 4096);
	for (unsigned i = 0; i < N; i++)
		send_client(&b, 2000 + i, KS_TCP_SYN);
	while (cursor != UINT32_MAX) {
		unsigned n = ks_worker_sessions(b.w[0], b.conf, cursor, rows, 64, &cursor, b.now);

		for (unsigned i = 0; i < n; i++) {
			CHECK_EQ(seen[ks_ntoh16(rows[i].cport)]++, 0);
			CHECK_EQ(rows[i].state, KS_ST_SYN_RECV);
			CHECK_EQ(rows[i].expires_ms, 30000);
		}
		total += n;
	}
	CHECK_EQ(total, N);
	bed_close(&b);
}

/* Random histories: counters of real servers always agree with the sessions that are there. */
static void counters_agree_with_the_table(void)
{
	struct bed b;
	uint64_t seed = 5;

	bed_open(&b, 2, 512);
	for (unsigned i = 0; i < 40000; i++) {
		unsigned port = 1024 + below(&seed, 600);
		static const uint8_t flags[] = { KS_TCP_SYN, KS_TCP_ACK, KS_TCP_FIN | KS_TCP_ACK,
						 KS_TCP_RST };

		send_client(&b, port, flags[below(&seed, 4)]);
		if (find(&b, port) != NULL && below(&seed, 2))
			send_server(&b, port, flags[below(&seed, 4)]);
		if (below(&seed, 50) == 0) {
			b.now += below(&seed, 5000);
			tick_all(&b);
		}
		if (i % 1000 == 0) {
			uint64_t rs = 0;

			for (unsigned w = 0; w < 2; w++)
				for (unsigned s = 0; s < RS_SLOTS; s++)
					rs += b.rs[w][s][KS_RSC_ACTIVE] +
						b.rs[w][s][KS_RSC_INACTIVE];
			CHECK_EQ(rs, counted(&b, KS_C_SESSIONS));
			CHECK_EQ(rs, b.w[0]->table.used + b.w[1]->table.used);
			CHECK_EQ(2 * rs, b.w[0]->table.entries + b.w[1]->table.entries);
		}
	}
	b.now += 100000;
	tick_all(&b);
	CHECK_EQ(counted(&b, KS_C_SESSIONS), 0);
	bed_close(&b);
}

int main(void)
{
	RUN(states_follow_the_connection_and_give_its_timeout);
	RUN(traffic_keeps_a_session_alive);
	RUN(a_syn_begins_anew_where_a_connection_is_over);
	RUN(both_directions_belong_to_one_worker);
	RUN(every_port_of_every_local_address_is_used);
	RUN(the_table_grows_and_loses_nobody);
	RUN(the_established_stay_when_the_table_is_full);
	RUN(no_family_keeps_the_table_to_itself);
	RUN(memory_ahead_is_that_of_the_next_sessions);
	RUN(a_table_of_established_ones_refuses);
	RUN(schedulers_share_as_they_should);
	RUN(weight_zero_everywhere_is_no_server);
	RUN(sessions_outlive_their_server_unless_told_not_to);
	RUN(sessions_are_listed_once_each);
	RUN(counters_agree_with_the_table);
	return 0;
}
