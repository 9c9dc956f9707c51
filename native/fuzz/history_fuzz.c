/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any history of wishes and packets: what is served changes in every way the control contract has,
 * while sessions come, talk and expire. An input is a list of steps of four bytes, which choose
 * from small sets, so that things meet. Every generation is accepted or refused with a reason;
 * frames that leave carry right checksums; and when nothing is served any more and time has passed,
 * no session is left.
 */
#include "../test/conf/check.h"
#include "judge.h"

#define N(a)       (sizeof(a) / sizeof((a)[0]))
#define PICK(a, i) ((a)[(i) % N(a)])
#define HEARD      16u
#define STEPS      400u
#define WORKERS    3u
#define RUNS                                                                                     \
	64u /* histories that one sim lives, one after the other: making one takes a millisecond \
	     */

static const char *const vips[] = { "198.51.100.80", "198.51.100.81", "2001:db8:1::80",
				    "2001:db8:1::81" };
static const char *const servers[] = { "10.1.0.11",     "10.1.0.12",     "fd00:1::11",
				       "fd00:1::12",    "198.51.100.80", "2001:db8:1::80",
				       "198.51.100.40", "10.1.0.201" };
static const char *const locals[] = { "10.1.0.200", "10.1.0.201", "fd00:1::200", "fd00:1::201",
				      "198.51.100.80" };
static const char *const gateways[] = { "10.1.0.99", "198.51.100.99", "fd00:1::99",
					"2001:db8:1::99", "198.51.100.98" };
static const char *const prefixes[] = { "0.0.0.0", "203.0.113.0", "::", "2001:db8:9::" };
static const char *const neighbours[] = { "10.1.0.11",     "fd00:1::11",     "10.1.0.12",
					  "fd00:1::12",    "198.51.100.10",  "2001:db8:1::10",
					  "198.51.100.99", "2001:db8:1::99", "10.1.0.99",
					  "198.51.100.98" };
static const char *const devices[] = { "dpdk0", "dpdk1" };
static const char *const clients[2][3] = {
	{ "198.51.100.10", "203.0.113.7", "10.1.0.50" },
	{ "2001:db8:1::10", "2001:db8:9::7", "fd00:1::50" },
};
static const uint8_t protos[] = { KS_PROTO_TCP, KS_PROTO_UDP, KS_PROTO_SCTP, KS_PROTO_ICMP,
				  KS_PROTO_ICMPV6 };
static const unsigned ports[] = { 80, 53, 36 };
static const uint8_t tcp_flags[] = { KS_TCP_SYN, KS_TCP_ACK, KS_TCP_FIN | KS_TCP_ACK, KS_TCP_RST,
				     KS_TCP_SYN | KS_TCP_ACK };

struct heard {
	uint8_t frame[256];
	uint16_t len;
	uint8_t port;
};

static struct world {
	struct sim *sim;
	uint8_t ops[65536];
	size_t n_ops;
	struct heard heard[HEARD]; /* what left, for answers */
	unsigned at;
} w;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_out(void *ctx, const struct sim_out *o)
{
	struct heard *h = &w.heard[w.at % HEARD];

	(void)ctx;
	if (o->fate != SIM_TX)
		return;
	judge(o);
	if (o->len > sizeof(h->frame))
		return;
	memcpy(h->frame, o->frame, o->len);
	h->len = o->len;
	h->port = o->port;
	w.at++;
}

static struct sim *new_sim(void)
{
	static const char *const addrs[] = { "10.1.0.2", "198.51.100.2", "fd00:1::2",
					     "2001:db8:1::2" };
	struct sim_opts o = { .n_ports = 2,
			      .n_addrs = 4,
			      .n_workers = WORKERS,
			      .max_sessions = 64,
			      .seed = 42,
			      .out = on_out };

	for (unsigned i = 0; i < 2; i++) {
		o.port[i] = (struct ks_port_info){ .mac = { 2, 0, 0, 0, 0, (uint8_t)(i + 1) },
						   .mtu = 1500,
						   .up = true };
		snprintf(o.port[i].dev, sizeof(o.port[i].dev), "dpdk%u", i);
	}
	for (unsigned i = 0; i < 4; i++) {
		o.addr[i] = (struct ks_mirror_addr){ .plen = i < 2 ? 24 : 64, .port = i & 1 };
		o.addr[i].af = put_addr(o.addr[i].addr.b, addrs[i]);
	}
	return sim_new(&o);
}

/* ---- wishes -------------------------------------------------------------------------------------------------------- */

static void add(const void *op, size_t size)
{
	if (w.n_ops + size > sizeof(w.ops))
		return;
	memcpy(w.ops + w.n_ops, op, size);
	w.n_ops += size;
}

#define ADD(op_) add(&(op_), sizeof(op_))

static struct ks_svc_key key_of(uint8_t a)
{
	struct ks_svc_key k = svc_key_of(PICK(vips, a), PICK(ports, a >> 2 & 3));

	k.proto = PICK(protos, a >> 4 & 7);
	if (a >> 7) { /* a match service */
		memset(k.addr, 0, sizeof(k.addr));
		k.addr[k.af == 4 ? 3 : 0] = 1;
		k.port = 0;
	}
	return k;
}

static unsigned whole_length(const char *addr)
{
	return strchr(addr, ':') != NULL ? 128 : 32;
}

static void wish_service(uint8_t a, uint8_t b, uint8_t c)
{
	struct ks_op_svc svc = op_svc(vips[0], 80);

	svc.key = key_of(a);
	svc.sched = b & 15;
	svc.flags = c & 0x7f & ~KS_SVC_SYNPROXY;
	svc.persist_ms = b & 0x10 ? 5000 : 0;
	svc.persist_plen = (uint8_t)(c % 129);
	svc.est_timeout_ms = b & 0x20 ? 9000 : 0;
	svc.quic_config = b >> 6;
	svc.quic_len = c & 7;
	if (c & 0x80)
		svc.op.type = KS_OP_SVC_DEL;
	ADD(svc);
}

static void wish_server(uint8_t a, uint8_t b, uint8_t c)
{
	static const uint32_t tunnels[] = { 0, KS_RS_TUN_GRE, KS_RS_TUN_GRE | KS_RS_TUN_CSUM,
					    KS_RS_TUN_GUE | 6080u << KS_RS_TUN_PORT_SHIFT };
	struct ks_op_rs rs = op_rs(key_of(a), PICK(servers, b), b & 8 ? 8080 : 80, c & 3);

	rs.fwd = (b >> 4) % 7;
	if (rs.fwd == KS_FWD_SNAT)
		rs.port = 0;
	if (rs.fwd == KS_FWD_TUN)
		rs.flags = PICK(tunnels, c >> 2);
	rs.upper = c & 0x10 ? 3 : 0;
	rs.lower = c & 0x20 ? 2 : 0;
	if ((c & 0xc0) == 0xc0)
		rs.op.type = KS_OP_RS_DEL;
	ADD(rs);
}

static void wish_local(uint8_t a, uint8_t b, uint8_t c)
{
	struct ks_op_lip lip = op_lip(key_of(a), PICK(devices, b >> 4), PICK(locals, b));

	if (c & 1)
		lip.op.type = KS_OP_LIP_DEL;
	ADD(lip);
}

static void wish_address(uint8_t a, uint8_t b, uint8_t c)
{
	const char *addr = b & 1 ? PICK(vips, a) : PICK(servers, a);
	unsigned whole = whole_length(addr);
	struct ks_op_addr o =
		op_addr(PICK(devices, b >> 1), addr, b & 4 ? whole : whole - c % 9, b >> 3 & 3);

	if (b & 0x80)
		o.op.type = KS_OP_ADDR_DEL;
	ADD(o);
}

static void wish_route(uint8_t a, uint8_t b, uint8_t c)
{
	const char *prefix = PICK(prefixes, a), *gw = PICK(gateways, b);
	bool six = strchr(prefix, ':') != NULL;
	struct ks_op_route r;

	if (six != (strchr(gw, ':') != NULL))
		gw = six ? "::" : "0.0.0.0";
	r = op_route(PICK(devices, c), prefix, a % 2 == 0 ? 0 : six ? 48 : 24, gw);
	r.metric = c >> 1 & 1;
	r.weight = c >> 2 & 3;
	r.mtu = c & 0x10 ? 600 + 100u * (c >> 5) : 0;
	if (b & 0x80)
		r.op.type = KS_OP_ROUTE_DEL;
	ADD(r);
}

static void wish_neighbour(uint8_t a, uint8_t b, uint8_t c)
{
	const uint8_t mac[6] = { 2, 0xc, 0, 0, 0, c };
	struct ks_op_neigh n = op_neigh(PICK(devices, b), PICK(neighbours, a), mac);

	if (b & 2)
		n.op.type = KS_OP_NEIGH_DEL;
	ADD(n);
}

static void wish_match(uint8_t a, uint8_t b, uint8_t c)
{
	struct ks_op_match m = { .op = { KS_OP_MATCH_SET, sizeof(m) },
				 .svc = key_of(a | 0x80),
				 .end = b & 1,
				 .order = b >> 1 & 3 };

	if (b & 8)
		memcpy(m.dev, PICK(devices, c), sizeof("dpdk0"));
	if (b & 0x10) {
		m.first_port = ks_hton16(c);
		m.last_port = ks_hton16((uint16_t)(c * 200u));
	}
	ADD(m);
}

/* Times stay short enough for the end of the history. */
static void wish_param(uint8_t a, uint8_t b, uint8_t c)
{
	struct ks_op_param p = op_param(a % 32, (uint32_t)b << 8 | c);

	ADD(p);
}

static void wish_all(bool from_empty)
{
	char reason[KS_REASON_LEN] = "";
	int status = sim_ops(w.sim, from_empty, w.ops, w.n_ops, reason);

	if (status != KS_OK && reason[0] == '\0')
		abort();
	w.n_ops = 0;
}

/* ---- packets ------------------------------------------------------------------------------------------------------- */

static unsigned fill_l4(uint8_t *l4, uint8_t proto, unsigned sport, unsigned dport, uint8_t c)
{
	struct ks_tcp *tcp = (void *)l4;
	struct ks_udp *udp = (void *)l4;

	tcp->sport = ks_hton16((uint16_t)sport);
	tcp->dport = ks_hton16((uint16_t)dport);
	switch (proto) {
	case KS_PROTO_TCP:
		tcp->off = 5 << 4;
		tcp->flags = PICK(tcp_flags, c);
		return sizeof(*tcp);
	case KS_PROTO_UDP:
		udp->len = ks_hton16(sizeof(*udp) + 8);
		return sizeof(*udp) + 8;
	case KS_PROTO_SCTP:
		l4[KS_SCTP_HEADER] = c & 1 ? KS_SCTP_INIT : c % 16;
		l4[KS_SCTP_HEADER + 3] = 20;
		return 32;
	default:
		l4[0] = proto == KS_PROTO_ICMP ? (c & 1 ? KS_ICMP_ECHO : 0)
					       : (uint8_t)(KS_ICMP6_ECHO + (c & 1 ? 0 : 1));
		l4[1] = 0;
		memcpy(l4 + 4, (uint8_t[2]){ (uint8_t)(sport >> 8), (uint8_t)sport }, 2);
		return 16;
	}
}

static unsigned fill_ip(uint8_t *frame, const char *from, const char *to, uint8_t proto,
			unsigned l4_len)
{
	uint8_t *ip = frame + KS_ETH_LEN;

	if (whole_length(to) == 32) {
		frame[12] = 0x08;
		*(struct ks_ip4 *)(void *)ip =
			(struct ks_ip4){ .ver_ihl = 0x45,
					 .len = ks_hton16((uint16_t)(20 + l4_len)),
					 .ttl = 64,
					 .proto = proto,
					 .src = ip4(from),
					 .dst = ip4(to) };
		return KS_ETH_LEN + 20 + l4_len;
	}
	frame[12] = 0x86;
	frame[13] = 0xdd;
	*(struct ks_ip6 *)(void *)ip = (struct ks_ip6){ .vtf = ks_hton32(6u << 28),
							.plen = ks_hton16((uint16_t)l4_len),
							.next = proto,
							.hop = 64 };
	(void)put_addr(ip + 8, from);
	(void)put_addr(ip + 24, to);
	return KS_ETH_LEN + 40 + l4_len;
}

/* From a client to a VIP, or of a host inside to one outside. */
static void packet(uint8_t a, uint8_t b, uint8_t c)
{
	bool inside = a >> 7;
	const char *to = inside ? clients[a & 1][a >> 1 & 1] : PICK(vips, a);
	unsigned six = whole_length(to) == 128;
	uint8_t proto = PICK(protos, b & 7);
	const char *from = inside ? servers[2 * six + (b >> 6 & 1)] : clients[six][b >> 6 & 1];
	uint8_t frame[128] = { 2, 0, 0, 0, 0, inside ? 1 : 2, 2, 0xc, 0, 0, 0, 1 };
	uint8_t *l4 = frame + KS_ETH_LEN + (six ? 40 : 20);
	unsigned len;

	if ((proto == KS_PROTO_ICMP && six) || (proto == KS_PROTO_ICMPV6 && !six))
		return;
	len = fill_l4(l4, proto, 40000u + (b >> 3 & 7), PICK(ports, a >> 2 & 3), c);
	len = fill_ip(frame, from, to, proto, len);
	(void)repair(frame, len);
	sim_frame(w.sim, inside ? 0 : 1, (c >> 4) % WORKERS, frame, (uint16_t)len);
}

/* The other end of something that left speaks, with addresses and ports turned round. */
static void answer(uint8_t a, uint8_t b, uint8_t c)
{
	struct heard h = PICK(w.heard, a);
	bool six = h.frame[12] == 0x86;
	uint8_t *src = h.frame + KS_ETH_LEN + (six ? 8 : 12), *l4;
	unsigned n = six ? 16 : 4;
	uint8_t tmp[16];
	struct layers l;

	if (h.len == 0 || !layers_of(h.frame, h.len, &l))
		return;
	memcpy(h.frame, (uint8_t[6]){ 2, 0, 0, 0, 0, (uint8_t)(h.port + 1) }, 6);
	memcpy(tmp, src, n);
	memcpy(src, src + n, n);
	memcpy(src + n, tmp, n);
	l4 = l.l4;
	if (l.l4_len >= 8 && (l.proto == KS_PROTO_ICMP || l.proto == KS_PROTO_ICMPV6)) {
		l4[0] = l.proto == KS_PROTO_ICMP ? 0 : KS_ICMP6_ECHO + 1;
	} else if (l.l4_len >= 8) {
		memcpy(tmp, l4, 2);
		memcpy(l4, l4 + 2, 2);
		memcpy(l4 + 2, tmp, 2);
		if (l.proto == KS_PROTO_TCP && l.l4_len >= sizeof(struct ks_tcp))
			((struct ks_tcp *)(void *)l4)->flags = PICK(tcp_flags, b);
	}
	(void)repair(h.frame, h.len);
	sim_frame(w.sim, h.port, c % WORKERS, h.frame, h.len);
}

static void step(const uint8_t s[4])
{
	static void (*const wishes[])(uint8_t, uint8_t, uint8_t) = {
		wish_service, wish_server,    wish_local, wish_address,
		wish_route,   wish_neighbour, wish_match, wish_param,
	};
	unsigned what = s[0] & 15;

	if (what < N(wishes))
		wishes[what](s[1], s[2], s[3]);
	else if (what < 10)
		wish_all((s[1] & 15) == 0);
	else if (what < 13)
		packet(s[1], s[2], s[3]);
	else if (what < 15)
		answer(s[1], s[2], s[3]);
	else
		sim_advance(w.sim, sim_now(w.sim) + (uint64_t)s[1] * s[2]);
}

/* Every wish is taken back, and the longest timeout passes. */
static void end(void)
{
	static const struct ks_op_param off = { .op = { KS_OP_PARAM_SET, sizeof(off) },
						.param = KS_PARAM_RESET_EXPIRED };

	w.n_ops = 0;
	ADD(off);
	wish_all(true);
	for (unsigned i = 0; i < 4; i++)
		sim_advance(w.sim, sim_now(w.sim) + 1000000);
	if (sim_counter(w.sim, KS_C_SESSIONS) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned runs;

	if (runs++ % RUNS == 0) {
		if (w.sim != NULL)
			sim_free(w.sim);
		w.sim = new_sim();
		if (w.sim == NULL)
			abort();
	}
	w.n_ops = 0;
	memset(w.heard, 0, sizeof(w.heard));
	for (unsigned i = 0; i < STEPS && size >= 4; i++, data += 4, size -= 4)
		step(data);
	end();
	return 0;
}
