/* SPDX-License-Identifier: Apache-2.0 */
/* Every op that cannot be applied is refused with a status and one clear sentence, and leaves
 * nothing behind. */
#include "check.h"

struct fixture {
	struct test_mem tm;
	struct ks_mem mem;
	struct ks_desired *d;
};

static void set_up(struct fixture *f)
{
	struct ks_op_svc v = op_svc("192.0.2.1", 80);
	char reason[KS_REASON_LEN];

	memset(f, 0, sizeof(*f));
	f->mem = test_mem_of(&f->tm);
	f->d = test_desired(&f->mem, 4, 8);
	CHECK_EQ(ks_desired_begin(f->d, true), KS_OK);
	CHECK_EQ(APPLY(f->d, v, reason), KS_OK);
}

static void tear_down(struct fixture *f)
{
	ks_desired_free(f->d);
	CHECK_EQ(f->tm.live, 0);
}

#define REFUSED(o, status, why)                           \
	do {                                              \
		char reason_[KS_REASON_LEN] = "";         \
		CHECK_EQ(APPLY(f.d, o, reason_), status); \
		CHECK_STR(reason_, why);                  \
	} while (0)

static void addresses(void)
{
	struct fixture f;
	struct ks_op_addr o;

	set_up(&f);
	o = op_addr("dpdk9", "10.0.0.1", 24, 0);
	REFUSED(o, KS_E_INVALID, "there is no device dpdk9");
	memset(o.dev, 'x', sizeof(o.dev));
	REFUSED(o, KS_E_INVALID, "a device name is empty or not terminated");
	o = op_addr("dpdk0", "10.0.0.1", 33, 0);
	REFUSED(o, KS_E_INVALID, "an address has a prefix length of 1 to 32, not 33");
	o = op_addr("dpdk0", "224.0.0.18", 32, 0);
	REFUSED(o, KS_E_INVALID, "224.0.0.18 cannot be the address of a device");
	o = op_addr("dpdk0", "10.0.0.1", 24, 0x80);
	REFUSED(o, KS_E_UNSUPPORTED, "address flags 0x80 are not known");
	o = op_addr("dpdk0", "10.0.0.1", 24, 0);
	o.af = 6;
	memset(o.addr, 0, sizeof(o.addr));
	o.addr[0] = 0xff;
	o.addr[15] = 2;
	REFUSED(o, KS_E_INVALID, "ff00::2 cannot be the address of a device");
	memset(o.addr, 0, sizeof(o.addr));
	REFUSED(o, KS_E_INVALID, ":: cannot be the address of a device");
	o.addr[15] = 1;
	REFUSED(o, KS_E_INVALID, "::1 cannot be the address of a device");
	o.af = 5;
	REFUSED(o, KS_E_INVALID, "address: the address family is 4 or 6, not 5");
	o = op_addr("dpdk0", "10.0.0.1", 24, 0);
	o.op.type = KS_OP_ADDR_DEL;
	REFUSED(o, KS_E_NOT_FOUND, "there is no address 10.0.0.1 to delete");
	tear_down(&f);
}

static void routes_and_neighbours(void)
{
	static const uint8_t multicast[6] = { 1, 0, 0x5e, 0, 0, 1 };
	struct fixture f;
	struct ks_op_route r;
	struct ks_op_neigh n;

	set_up(&f);
	r = op_route("dpdk0", "10.0.0.1", 24, "0.0.0.0");
	REFUSED(r, KS_E_INVALID, "10.0.0.1/24 has bits set beyond its prefix length");
	r = op_route("dpdk0", "10.0.0.0", 33, "0.0.0.0");
	REFUSED(r, KS_E_INVALID, "a route has a prefix length of 0 to 32, not 33");
	r = op_route("dpdk0", "0.0.0.0", 0, "127.0.0.1");
	REFUSED(r, KS_E_INVALID, "127.0.0.1 cannot be the address of a gateway");
	r = op_route("dpdk0", "0.0.0.0", 0, "10.0.0.1");
	r.mtu = 20;
	REFUSED(r, KS_E_INVALID, "an MTU is 68 to 65535 bytes, not 20");
	n = op_neigh("dpdk0", "10.0.0.1", multicast);
	REFUSED(n, KS_E_INVALID, "the neighbour 10.0.0.1 needs a unicast hardware address");
	tear_down(&f);
}

static void services(void)
{
	struct fixture f;
	struct ks_op_svc v;

	set_up(&f);
	v = op_svc("192.0.2.2", 80);
	v.key.af = 6;
	memset(v.key.addr, 0xff, sizeof(v.key.addr));
	REFUSED(v, KS_E_INVALID,
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff cannot be the address of a service");
	v = op_svc("192.0.2.2", 80);
	v.key.proto = 47;
	REFUSED(v, KS_E_UNSUPPORTED,
		"a service of IP protocol 47 cannot be served: only TCP, UDP and SCTP are, and with "
		"SNAT the ICMP of its family");
	v = op_svc("192.0.2.2", 0);
	REFUSED(v, KS_E_INVALID, "a service needs a port");
	v = op_svc("192.0.2.2", 80);
	v.sched = 99;
	REFUSED(v, KS_E_INVALID, "service TCP 192.0.2.2:80: there is no scheduler 99");
	v = op_svc("192.0.2.2", 80);
	v.flags = KS_SVC_SYNPROXY | KS_SVC_EXPIRE_QUIESCENT;
	REFUSED(v, KS_E_UNSUPPORTED, "service TCP 192.0.2.2:80: flags 0x2 are not supported");
	v.flags = KS_SVC_QUIC;
	REFUSED(v, KS_E_INVALID, "service TCP 192.0.2.2:80: QUIC goes over UDP");
	v.flags = KS_SVC_ONE_PACKET;
	REFUSED(v, KS_E_INVALID, "service TCP 192.0.2.2:80: one-packet scheduling is for UDP");
	v.key.proto = IPPROTO_UDP;
	v.flags = KS_SVC_QUIC;
	v.quic_config = 8;
	v.quic_len = 4;
	REFUSED(v, KS_E_INVALID,
		"service UDP 192.0.2.2:80: QUIC-LB has config ids 0 to 6 and server ids of 1 to 15 "
		"bytes");
	v = op_svc("192.0.2.2", 80);
	v.persist_ms = 1;
	v.persist_plen = 33;
	REFUSED(v, KS_E_INVALID,
		"service TCP 192.0.2.2:80: a persistence prefix has 1 to 32 bits, not 33");
	v.persist_ms = 0x80000000u;
	REFUSED(v, KS_E_INVALID,
		"service TCP 192.0.2.2:80: persistence is at most 2147483647 ms, not 2147483648");
	v = op_svc("192.0.2.2", 80);
	v.op.type = KS_OP_SVC_DEL;
	REFUSED(v, KS_E_NOT_FOUND, "there is no service TCP 192.0.2.2:80");
	for (unsigned i = 2; i <= 4; i++) {
		char reason[KS_REASON_LEN];

		v = op_svc("192.0.2.1", 80 + i);
		CHECK_EQ(APPLY(f.d, v, reason), KS_OK);
	}
	v = op_svc("192.0.2.1", 90);
	REFUSED(v, KS_E_NO_MEMORY, "no room for more than 4 services");
	tear_down(&f);
}

static void what_hangs_on_services(void)
{
	struct ks_svc_key there = svc_key_of("192.0.2.1", 80), gone = svc_key_of("192.0.2.1", 81);
	struct fixture f;
	struct ks_op_rs r;
	struct ks_op_lip l;

	set_up(&f);
	r = op_rs(gone, "10.0.0.1", 80, 1);
	REFUSED(r, KS_E_INVALID, "there is no service TCP 192.0.2.1:81");
	r = op_rs(there, "10.0.0.1", 0, 1);
	REFUSED(r, KS_E_INVALID, "real server 10.0.0.1 needs a port");
	r = op_rs(there, "10.0.0.1", 80, 1);
	r.fwd = 9;
	REFUSED(r, KS_E_INVALID, "real server 10.0.0.1: there is no forwarding mode 9");
	r.fwd = KS_FWD_DR;
	r.af = 6;
	r.addr[0] = 0xfd;
	REFUSED(r, KS_E_INVALID,
		"real server fd00:1::: its forwarding mode does not lead from IPv4 to IPv6");
	r = op_rs(there, "10.0.0.1", 80, 1);
	r.fwd = KS_FWD_SNAT;
	REFUSED(r, KS_E_INVALID,
		"real server 10.0.0.1: SNAT and match services go together, and only together");
	r = op_rs(there, "10.0.0.1", 80, 70000);
	REFUSED(r, KS_E_INVALID, "real server 10.0.0.1: a weight is at most 65535, not 70000");
	r = op_rs(there, "10.0.0.1", 80, 1);
	r.flags = 4;
	REFUSED(r, KS_E_UNSUPPORTED, "real server 10.0.0.1: flags 0x4 are not supported");
	r = op_rs(there, "10.0.0.1", 80, 1);
	r.op.type = KS_OP_RS_DEL;
	REFUSED(r, KS_E_NOT_FOUND, "there is no real server 10.0.0.1 to delete");
	l = op_lip(there, "dpdk7", "10.0.1.1");
	REFUSED(l, KS_E_INVALID, "there is no device dpdk7");
	l = op_lip(gone, "dpdk0", "10.0.1.1");
	REFUSED(l, KS_E_INVALID, "there is no service TCP 192.0.2.1:81");
	tear_down(&f);
}

static void parameters_lengths_and_types(void)
{
	struct fixture f;
	struct ks_op_param p;

	set_up(&f);
	p = op_param(KS_PARAM_COUNT, 1);
	REFUSED(p, KS_E_UNSUPPORTED, "there is no parameter 30");
	p = op_param(KS_PARAM_DEFAULT_TTL, 256);
	REFUSED(p, KS_E_INVALID, "parameter 16 is 1 to 255, not 256");
	p.op.type = 99;
	REFUSED(p, KS_E_UNSUPPORTED, "op type 99 is not known");
	p.op.type = KS_OP_SVC_SET;
	REFUSED(p, KS_E_MALFORMED, "an op of type 7 has 44 bytes, not 16");
	tear_down(&f);
}

static void refused_at_commit(const char *why, const void *ops[], size_t n)
{
	struct fixture f;
	char reason[KS_REASON_LEN];

	set_up(&f);
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(ks_desired_apply(f.d, ops[i], ((const struct ks_op *)ops[i])->len, reason),
			 KS_OK);
	CHECK_EQ(ks_desired_commit(f.d, 1, reason), KS_E_INVALID);
	CHECK_STR(reason, why);
	CHECK(ks_desired_in_transaction(f.d));
	ks_desired_abort(f.d);
	tear_down(&f);
}

static void contradictions_of_the_whole(void)
{
	struct ks_op_addr a = op_addr("dpdk0", "10.0.0.1", 24, 0),
			  b = op_addr("dpdk1", "10.0.0.1", 24, 0);
	struct ks_op_lip l = op_lip(svc_key_of("192.0.2.1", 80), "dpdk1", "192.0.2.1");
	struct ks_op_param lo = op_param(KS_PARAM_LPORT_MIN, 5000),
			   hi = op_param(KS_PARAM_LPORT_MAX, 4000);

	refused_at_commit("address 10.0.0.1 is wanted on dpdk1 and on dpdk0",
			  (const void *[]){ &a, &b }, 2);
	refused_at_commit("192.0.2.1 is the address of a service and a local address as well",
			  (const void *[]){ &l }, 1);
	refused_at_commit("the lowest local port 5000 is above the highest, 4000",
			  (const void *[]){ &lo, &hi }, 2);
}

static void the_order_of_calls(void)
{
	struct fixture f;
	char reason[KS_REASON_LEN];
	struct ks_op_svc v = op_svc("192.0.2.1", 80);

	set_up(&f);
	CHECK_EQ(ks_desired_begin(f.d, false), KS_E_BUSY);
	CHECK(ks_conf_build(f.d, NULL, reason) == NULL);
	CHECK_STR(reason, "a transaction is open");
	CHECK_EQ(ks_desired_commit(f.d, 0, reason), KS_E_INVALID);
	CHECK_STR(reason, "generation 0 is not above the current one, 0");
	ks_desired_abort(f.d);
	CHECK_EQ(APPLY(f.d, v, reason), KS_E_STATE);
	CHECK_EQ(ks_desired_commit(f.d, 1, reason), KS_E_STATE);
	CHECK_STR(reason, "no generation is open");
	tear_down(&f);
}

static struct ks_op_svc op_match_svc(uint8_t last)
{
	struct ks_op_svc v = op_svc("192.0.2.2", 80);

	v.key.port = 0;
	memset(v.key.addr, 0, sizeof(v.key.addr));
	v.key.addr[3] = last;
	return v;
}

static void match_services(void)
{
	char reason[KS_REASON_LEN] = "";
	struct fixture f;
	struct ks_op_svc v = op_match_svc(7);
	struct ks_op_match m = { .op = { KS_OP_MATCH_SET, sizeof(m) } };
	struct ks_op_rs r;

	set_up(&f);
	v.persist_ms = 1000;
	v.persist_plen = 32;
	REFUSED(v, KS_E_UNSUPPORTED, "service TCP 0.0.0.7:0: SNAT knows no persistence");
	v = op_match_svc(7);
	v.key.proto = IPPROTO_ICMPV6;
	REFUSED(v, KS_E_UNSUPPORTED,
		"a service of IP protocol 58 cannot be served: only TCP, UDP and SCTP are, and with "
		"SNAT the ICMP of its family");
	v = op_match_svc(7);
	m.svc = v.key;
	REFUSED(m, KS_E_INVALID, "there is no service TCP 0.0.0.7:0");
	CHECK_EQ(APPLY(f.d, v, reason), KS_OK);
	m.end = 2;
	REFUSED(m, KS_E_INVALID, "TCP 0.0.0.7:0: a match has no end 2");
	m.end = KS_MATCH_SOURCE;
	memcpy(m.first, "\x0a\0\0\2", 4);
	memcpy(m.last, "\x0a\0\0\1", 4);
	REFUSED(m, KS_E_INVALID, "TCP 0.0.0.7:0: a range ends before it begins");
	memcpy(m.last, "\x0a\0\1\0", 4);
	m.first_port = htons(2);
	m.last_port = htons(1);
	REFUSED(m, KS_E_INVALID, "TCP 0.0.0.7:0: a range ends before it begins");
	m.last_port = htons(256);
	strcpy(m.dev, "dpdk7");
	REFUSED(m, KS_E_INVALID, "there is no device dpdk7");
	strcpy(m.dev, "dpdk0");
	CHECK_EQ(APPLY(f.d, m, reason), KS_OK);
	r = op_rs(v.key, "203.0.113.4", 0, 1);
	REFUSED(r, KS_E_INVALID,
		"real server 203.0.113.4: SNAT and match services go together, and only together");
	r.fwd = KS_FWD_SNAT;
	CHECK_EQ(APPLY(f.d, r, reason), KS_OK);
	r.port = htons(80);
	REFUSED(r, KS_E_INVALID,
		"real server 203.0.113.4 is an address to leave with, without a port");
	tear_down(&f);
}

int main(void)
{
	RUN(addresses);
	RUN(routes_and_neighbours);
	RUN(services);
	RUN(match_services);
	RUN(what_hangs_on_services);
	RUN(parameters_lengths_and_types);
	RUN(contradictions_of_the_whole);
	RUN(the_order_of_calls);
	return 0;
}
