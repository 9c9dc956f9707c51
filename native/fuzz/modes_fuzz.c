/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every forwarding mode in both families against arbitrary frames, with sessions present, by way of
 * the sim: so the main lcore's ARP and neighbour discovery are in it too. The input is a list of
 * records: one byte where from and how (bit 0 port, bit 1 repair the checksums, bit 2 let time
 * pass, bit 3 keep the destination MAC, bit 7 worker), two bytes length, the frame. What is sent
 * must be whole and carry right checksums when what came in did.
 */
#include <stdlib.h>
#include <string.h>

#include "../test/conf/check.h"
#include "judge.h"

static struct sim *sim;
static bool judged; /* the frame that goes in had right checksums */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_out(void *ctx, const struct sim_out *o)
{
	(void)ctx;
	if (o->fate == SIM_TX && judged)
		judge(o);
}

/* ---- what is served ------------------------------------------------------------------------------------------------ */

static uint8_t ops[65536];
static size_t n_ops;

#define ADD(op_)                                          \
	do {                                              \
		memcpy(ops + n_ops, &(op_), sizeof(op_)); \
		n_ops += sizeof(op_);                     \
	} while (0)

static void service(uint8_t proto, const char *vip, unsigned port, uint8_t fwd, const char *rs,
		    uint32_t flags)
{
	struct ks_op_svc svc = op_svc(vip, port);
	struct ks_op_rs r;
	struct ks_op_lip lip;

	svc.key.proto = proto;
	svc.sched = fwd == KS_FWD_NAT ? KS_SCHED_MH : KS_SCHED_RR;
	ADD(svc);
	r = op_rs(svc.key, rs, 8080, 1);
	r.fwd = fwd;
	r.flags = flags;
	ADD(r);
	lip = op_lip(svc.key, "dpdk0", r.af == 4 ? "10.1.0.200" : "fd00:1::200");
	ADD(lip);
}

static const uint8_t beginnings[] = { KS_PROTO_TCP, KS_PROTO_UDP, KS_PROTO_SCTP };

static const struct {
	uint8_t fwd;
	const char *vip, *rs;
	uint32_t flags;
} modes[] = {
	{ KS_FWD_FNAT, "198.51.100.80", "10.1.0.11", 0 },
	{ KS_FWD_FNAT, "198.51.100.81", "fd00:1::11", 0 },
	{ KS_FWD_FNAT, "2001:db8:1::80", "fd00:1::11", 0 },
	{ KS_FWD_FNAT, "2001:db8:1::81", "10.1.0.11", 0 },
	{ KS_FWD_NAT, "198.51.100.82", "10.1.0.11", 0 },
	{ KS_FWD_NAT, "2001:db8:1::82", "fd00:1::11", 0 },
	{ KS_FWD_DR, "198.51.100.83", "10.1.0.11", 0 },
	{ KS_FWD_DR, "2001:db8:1::83", "fd00:1::11", 0 },
	{ KS_FWD_TUN, "198.51.100.84", "10.1.0.11", 0 },
	{ KS_FWD_TUN, "2001:db8:1::84", "fd00:1::11", 0 },
	{ KS_FWD_TUN, "2001:db8:1::85", "10.1.0.11", 0 },
	{ KS_FWD_TUN, "198.51.100.85", "10.1.0.11", KS_RS_TUN_GRE | KS_RS_TUN_CSUM },
	{ KS_FWD_TUN, "198.51.100.86", "10.1.0.11", KS_RS_TUN_GUE | 6080u << KS_RS_TUN_PORT_SHIFT },
	{ KS_FWD_TUN, "2001:db8:1::86", "fd00:1::11",
	  KS_RS_TUN_GUE | KS_RS_TUN_CSUM | 6080u << KS_RS_TUN_PORT_SHIFT },
	{ KS_FWD_TUN, "2001:db8:1::87", "10.1.0.11", KS_RS_TUN_GRE },
};

/* What the hosts inside send out, of one family. */
static void egress(uint8_t af, uint8_t proto)
{
	struct ks_op_svc svc = op_svc("192.0.2.1", 80);
	struct ks_op_match m = { .op = { KS_OP_MATCH_SET, sizeof(m) }, .dev = "dpdk0" };
	struct ks_op_rs r;

	svc.key = (struct ks_svc_key){ .af = af, .proto = proto };
	if (af == 4)
		svc.key.addr[3] = 1;
	else
		svc.key.addr[0] = 1;
	ADD(svc);
	m.svc = svc.key;
	ADD(m);
	r = op_rs(svc.key, af == 4 ? "198.51.100.80" : "2001:db8:1::80", 0, 1);
	r.fwd = KS_FWD_SNAT;
	ADD(r);
}

/* Few local ports, so that mutations find those in use. */
static void local_ports(void)
{
	struct ks_op_param max = op_param(KS_PARAM_LPORT_MAX, 1040);

	ADD(max);
}

static void address(const char *vip)
{
	struct ks_op_addr a = op_addr("dpdk1", vip, strchr(vip, ':') != NULL ? 128 : 32, 0);

	ADD(a);
}

static void neighbour(const char *dev, const char *addr)
{
	struct ks_op_neigh n = op_neigh(dev, addr, (const uint8_t[6]){ 2, 0xc, 0, 0, 0, 1 });

	ADD(n);
}

static void set_up(void)
{
	struct sim_opts o = { .n_ports = 2,
			      .n_addrs = 4,
			      .n_workers = 2,
			      .max_sessions = 4096,
			      .seed = 42,
			      .out = on_out };
	static const char *const addrs[] = { "10.1.0.2", "198.51.100.2", "fd00:1::2",
					     "2001:db8:1::2" };
	char reason[KS_REASON_LEN];

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
	sim = sim_new(&o);
	local_ports();
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		address(modes[i].vip);
		service(KS_PROTO_TCP, modes[i].vip, 80, modes[i].fwd, modes[i].rs, modes[i].flags);
		service(KS_PROTO_UDP, modes[i].vip, 53, modes[i].fwd, modes[i].rs, modes[i].flags);
		service(KS_PROTO_SCTP, modes[i].vip, 36, modes[i].fwd, modes[i].rs, modes[i].flags);
	}
	for (unsigned i = 0; i < sizeof(beginnings); i++) {
		egress(4, beginnings[i]);
		egress(6, beginnings[i]);
	}
	egress(4, KS_PROTO_ICMP);
	egress(6, KS_PROTO_ICMPV6);
	neighbour("dpdk0", "10.1.0.11");
	neighbour("dpdk0", "fd00:1::11");
	neighbour("dpdk1", "198.51.100.10");
	neighbour("dpdk1", "2001:db8:1::10");
	if (sim == NULL || sim_ops(sim, true, ops, n_ops, reason) != KS_OK) {
		fprintf(stderr, "%s\n", reason);
		abort();
	}
}

/* The transport part that begins a session; its length. */
static unsigned beginning(uint8_t *l4, uint8_t proto)
{
	l4[0] = 0x9c; /* port 40000 */
	l4[1] = 0x40;
	switch (proto) {
	case KS_PROTO_TCP:
		l4[3] = 80;
		l4[12] = 5 << 4;
		l4[13] = KS_TCP_SYN;
		return 20;
	case KS_PROTO_SCTP:
		l4[3] = 36;
		l4[KS_SCTP_HEADER] = KS_SCTP_INIT;
		l4[KS_SCTP_HEADER + 3] = 20;
		return 32;
	case KS_PROTO_UDP:
		l4[3] = 53;
		l4[5] = 12;
		return 12;
	default:
		l4[0] = proto == KS_PROTO_ICMP ? KS_ICMP_ECHO : KS_ICMP6_ECHO;
		l4[1] = 0;
		l4[5] = 77;
		return 12;
	}
}

/* A first packet, so that there are sessions to talk about. */
static void knock(unsigned port, const char *from, const char *to, uint8_t proto)
{
	uint8_t frame[100] = { 2, 0, 0, 0, 0, (uint8_t)(port + 1), 2, 0xc, 0, 0, 0, 1 };
	uint8_t af, addr[16], *ip = frame + KS_ETH_LEN, *l4;
	unsigned l4_len;

	af = put_addr(addr, to);
	l4 = ip + (af == 4 ? 20 : 40);
	l4_len = beginning(l4, proto);
	frame[12] = af == 4 ? 0x08 : 0x86;
	frame[13] = af == 4 ? 0x00 : 0xdd;
	if (af == 4) {
		*(struct ks_ip4 *)(void *)ip =
			(struct ks_ip4){ .ver_ihl = 0x45,
					 .len = ks_hton16((uint16_t)(20 + l4_len)),
					 .ttl = 64,
					 .proto = proto,
					 .src = ip4(from) };
		memcpy(ip + 16, addr, 4);
	} else {
		*(struct ks_ip6 *)(void *)ip = (struct ks_ip6){ .vtf = ks_hton32(6u << 28),
								.plen = ks_hton16((uint16_t)l4_len),
								.next = proto,
								.hop = 64 };
		(void)put_addr(ip + 8, from);
		memcpy(ip + 24, addr, 16);
	}
	judged = repair(frame, (unsigned)(l4 - frame) + l4_len);
	sim_frame(sim, port, 0, frame, (uint16_t)((l4 - frame) + (int)l4_len));
}

static const char *client(uint8_t af)
{
	return af == 4 ? "198.51.100.10" : "2001:db8:1::10";
}

/* One session of every kind. */
static void knock_everywhere(void)
{
	uint64_t sessions = 0;

	for (unsigned k = 0; k < sizeof(beginnings); k++) {
		for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++, sessions++)
			knock(1, client(strchr(modes[i].vip, ':') != NULL ? 6 : 4), modes[i].vip,
			      beginnings[k]);
		knock(0, "10.1.0.11", client(4), beginnings[k]);
		knock(0, "fd00:1::11", client(6), beginnings[k]);
		sessions += 2;
	}
	knock(0, "10.1.0.11", client(4), KS_PROTO_ICMP);
	knock(0, "fd00:1::11", client(6), KS_PROTO_ICMPV6);
	if (sim_counter(sim, KS_C_SESSIONS_CREATED) != sessions + 2)
		abort();
}

static void one_frame(uint8_t how, const uint8_t *bytes, size_t len)
{
	uint8_t frame[2048];

	memcpy(frame, bytes, len);
	if (len >= 6 && !(how & 8))
		memcpy(frame, (uint8_t[6]){ 2, 0, 0, 0, 0, (uint8_t)((how & 1) + 1) }, 6);
	judged = how & 2 && repair(frame, (unsigned)len);
	sim_frame(sim, how & 1, how >> 7, frame, (uint16_t)len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (sim == NULL) {
		set_up();
		knock_everywhere();
	}
	while (size >= 3) {
		uint8_t how = data[0];
		size_t len = (size_t)data[1] << 8 | data[2];

		data += 3;
		size -= 3;
		len = len > size ? size : len;
		len = len > 2000 ? 2000 : len;
		if (how & 4)
			sim_advance(sim, sim_now(sim) + 500);
		one_frame(how, data, len);
		data += len;
		size -= len;
	}
	return 0;
}
