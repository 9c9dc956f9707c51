/* SPDX-License-Identifier: Apache-2.0 */
/* The main lcore on a hand-moved clock: ARP answered, learnt from, asked; frames that wait;
 * conflicts; gratuitous ARP; the lease. */
#include "check.h"
#include "ks_arp.h"
#include "ks_drop.h"
#include "ks_main.h"
#include "ks_resolve.h"

#define SENT 256

static const uint8_t peer_mac[6] = { 2, 0xaa, 0, 0, 0, 1 }, other_mac[6] = { 2, 0xaa, 0, 0, 0, 2 };
static const uint8_t own_mac[6] = { 2, 0, 0, 0, 0, 1 };

struct out {
	char how; /* t sent, k to the kernel */
	uint8_t port;
	uint16_t len;
	uint8_t bytes[128];
};

static struct lab {
	struct test_mem tm;
	struct ks_mem mem;
	struct ks_desired *d;
	struct ks_conf *c;
	struct ks_shared shared;
	struct ks_main *m;
	uint64_t counters[KS_C_COUNT];
	uint64_t generation;
	ks_ms now;
	long buffers; /* out of the pool */
	struct out out[SENT];
	unsigned n_out;
	struct ks_event event[32];
	unsigned n_events;
} lab;

/* ---- the shell ------------------------------------------------------------------------------------------------- */

static bool lab_alloc(void *ctx, struct ks_pkt *p)
{
	uint8_t *b = malloc(256);

	(void)ctx;
	CHECK(b != NULL);
	*p = (struct ks_pkt){ .data = b + 64, .cookie = b, .headroom = 64, .tailroom = 192 };
	lab.buffers++;
	return true;
}

static void lab_release(void *ctx, struct ks_pkt *p)
{
	(void)ctx;
	free(p->cookie);
	lab.buffers--;
}

static void keep(struct ks_pkt *p, char how, uint8_t port)
{
	struct out *o = &lab.out[lab.n_out++];

	CHECK(lab.n_out < SENT && p->len <= sizeof(o->bytes));
	*o = (struct out){ .how = how, .port = port, .len = p->len };
	memcpy(o->bytes, p->data, p->len);
	lab_release(NULL, p);
}

static void lab_send(void *ctx, struct ks_pkt *p)
{
	(void)ctx;
	CHECK_EQ(p->verdict, KS_V_TX);
	keep(p, 't', p->out_port);
}

static void lab_kni(void *ctx, struct ks_pkt *p)
{
	(void)ctx;
	keep(p, 'k', p->in_port);
}

static void lab_event(void *ctx, const struct ks_event *e)
{
	(void)ctx;
	lab.event[lab.n_events++ % 32] = *e;
}

static void commit(const void *op)
{
	char reason[KS_REASON_LEN] = "";

	CHECK_EQ(ks_desired_begin(lab.d, false), KS_OK);
	if (op != NULL)
		CHECK_EQ(ks_desired_apply(lab.d, op, ((const struct ks_op *)op)->len, reason),
			 KS_OK);
	CHECK_EQ(ks_desired_commit(lab.d, ++lab.generation, reason), KS_OK);
	if (lab.c != NULL)
		ks_conf_free(lab.c);
	lab.c = ks_conf_build(lab.d, NULL, reason);
	CHECK(lab.c != NULL);
}

/* dpdk0 has 10.0.0.5/24 and the leased VIP 10.0.0.100; dpdk1 has the local address 10.1.0.5/24; the
 * default gateway is 10.0.0.1. */
static void set_up(void)
{
	static const struct ks_main_io io = { .alloc = lab_alloc,
					      .send = lab_send,
					      .release = lab_release,
					      .kni = lab_kni,
					      .event = lab_event };
	struct ks_op_addr plain = op_addr("dpdk0", "10.0.0.5", 24, 0);
	struct ks_op_addr vip = op_addr("dpdk0", "10.0.0.100", 32, KS_ADDR_LEASED);
	struct ks_op_addr lip = op_addr("dpdk1", "10.1.0.5", 24, KS_ADDR_LIP);
	struct ks_op_route def = op_route("dpdk0", "0.0.0.0", 0, "10.0.0.1");

	memset(&lab, 0, sizeof(lab));
	lab.now = 1000000;
	lab.mem = test_mem_of(&lab.tm);
	lab.d = test_desired(&lab.mem, 8, 8);
	commit(&plain);
	commit(&vip);
	commit(&lip);
	commit(&def);
	lab.m = ks_main_new(&lab.mem, &lab.shared, &io, lab.counters);
	CHECK(lab.m != NULL);
}

static void tear_down(void)
{
	ks_main_free(lab.m);
	ks_conf_free(lab.c);
	ks_desired_free(lab.d);
	CHECK_EQ(lab.buffers, 0);
	CHECK_EQ(lab.tm.live, 0);
}

/* ---- words of the tests ---------------------------------------------------------------------------------------- */

static uint64_t drops(enum ks_drop reason)
{
	return lab.counters[KS_C_DROP_FIRST + reason];
}

static void pass(ks_ms ms)
{
	for (ks_ms end = lab.now + ms; lab.now < end; lab.now++)
		if (ks_main_deadline(lab.m) <= lab.now)
			ks_main_tick(lab.m, lab.c, lab.now);
	ks_main_tick(lab.m, lab.c, lab.now);
}

static void receive(uint8_t port, const uint8_t *frame, uint16_t len)
{
	struct ks_pkt p;

	lab_alloc(NULL, &p);
	memcpy(p.data, frame, len);
	p.len = len;
	p.tailroom = (uint16_t)(p.tailroom - len);
	p.in_port = port;
	p.nh = KS_NH_NONE;
	ks_main_packet(lab.m, lab.c, &p, lab.now);
}

static void arp_in(uint8_t port, uint16_t op, const uint8_t sha[6], const char *spa,
		   const char *tpa)
{
	struct ks_arp a = { .op = op, .spa = ip4(spa), .tpa = ip4(tpa) };
	uint8_t frame[KS_ETH_MIN];

	memcpy(a.sha, sha, 6);
	ks_arp_write(frame, ks_mac_broadcast, sha, &a);
	receive(port, frame, sizeof(frame));
}

static void ip_frame(const char *dst)
{
	uint8_t f[60] = { [12] = 0x08, [14] = 0x45, [22] = 64, [23] = 17 };
	ks_be32 a = ip4(dst);

	memcpy(f + 30, &a, 4);
	receive(0, f, sizeof(f));
}

/* The next thing that came out; fails when there is none. */
static const struct out *next_out(void)
{
	static struct out first;

	CHECK(lab.n_out > 0);
	first = lab.out[0];
	memmove(&lab.out[0], &lab.out[1], --lab.n_out * sizeof(lab.out[0]));
	return &first;
}

static void expect_arp(uint8_t port, uint16_t op, const uint8_t dst[6], const char *spa,
		       const char *tpa)
{
	const struct out *o = next_out();
	struct ks_arp a;

	CHECK_EQ(o->how, 't');
	CHECK_EQ(o->port, port);
	CHECK_EQ(o->len, KS_ETH_MIN);
	CHECK(ks_arp_parse(o->bytes, o->len, &a));
	CHECK_EQ(a.op, op);
	CHECK(memcmp(o->bytes, dst, 6) == 0);
	CHECK_EQ(a.spa, ip4(spa));
	CHECK_EQ(a.tpa, ip4(tpa));
	CHECK(memcmp(a.sha, lab.c->port[port].mac, 6) == 0);
}

static void expect_frame_to(const uint8_t mac[6])
{
	const struct out *o = next_out();

	CHECK_EQ(o->how, 't');
	CHECK(memcmp(o->bytes, mac, 6) == 0);
	CHECK(memcmp(o->bytes + 6, own_mac, 6) == 0);
}

static void expect_to_kernel(void)
{
	CHECK_EQ(next_out()->how, 'k');
}

static bool usable(const char *addr)
{
	uint16_t i = ks_neigh_find4(&lab.shared.neigh, 0, ip4(addr));

	return i != KS_NH_NONE && ks_nh_usable(atomic_load(&lab.shared.neigh.hot[i].word));
}

/* What a worker does that sends to it. */
static void use(const char *addr)
{
	uint16_t i = ks_neigh_find4(&lab.shared.neigh, 0, ip4(addr));

	CHECK(i != KS_NH_NONE);
	atomic_store(&lab.shared.neigh.hot[i].used_at, (uint32_t)(lab.now / 1000));
}

/* ---- tests ----------------------------------------------------------------------------------------------------- */

/* A request and its answer as arping and Linux put them on the wire. */
static void a_request_for_our_address_is_answered(void)
{
	static const uint8_t request[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0xaa, 0x00,
					     0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00,
					     0x06, 0x04, 0x00, 0x01, 0x02, 0xaa, 0x00, 0x00, 0x00,
					     0x01, 10,   0,    0,    9,    0x00, 0x00, 0x00, 0x00,
					     0x00, 0x00, 10,   0,    0,    5 };
	static const uint8_t reply[42] = { 0x02, 0xaa, 0x00, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00,
					   0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00,
					   0x06, 0x04, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00,
					   0x01, 10,   0,    0,    5,    0x02, 0xaa, 0x00, 0x00,
					   0x00, 0x01, 10,   0,    0,    9 };
	const struct out *o;

	set_up();
	receive(0, request, sizeof(request));
	o = next_out();
	CHECK_EQ(o->how, 't');
	CHECK_EQ(o->len, KS_ETH_MIN);
	CHECK(memcmp(o->bytes, reply, sizeof(reply)) == 0);
	CHECK(usable("10.0.0.9")); /* and learnt, RFC 826 */
	CHECK_EQ(lab.n_out, 0);
	tear_down();
}

static void a_request_for_another_address_is_not(void)
{
	set_up();
	arp_in(0, KS_ARP_REQUEST, peer_mac, "10.0.0.9", "10.0.0.7");
	CHECK_EQ(drops(KS_DROP_ARP_NOT_OURS), 1);
	CHECK(!usable("10.0.0.9")); /* no entry for everybody who talks */
	arp_in(0, KS_ARP_REQUEST, peer_mac, "10.0.0.9", "10.1.0.5"); /* ours, but not here */
	CHECK_EQ(drops(KS_DROP_ARP_NOT_OURS), 2);
	CHECK_EQ(lab.n_out, 0);
	tear_down();
}

static void a_probe_is_answered_and_teaches_nothing(void)
{
	set_up();
	arp_in(0, KS_ARP_REQUEST, peer_mac, "0.0.0.0", "10.0.0.5"); /* RFC 5227 §2.1.1 */
	expect_arp(0, KS_ARP_REPLY, peer_mac, "10.0.0.5", "0.0.0.0");
	CHECK(!usable("0.0.0.0"));
	tear_down();
}

static void garbled_arp_is_counted(void)
{
	static const uint8_t group[6] = { 1, 0, 0, 0, 0, 1 };
	uint8_t f[KS_ETH_MIN];
	struct ks_arp a = { .op = KS_ARP_REQUEST, .spa = ip4("10.0.0.9"), .tpa = ip4("10.0.0.5") };

	set_up();
	ks_arp_write(f, ks_mac_broadcast, peer_mac, &a);
	for (uint16_t len = 0; len < KS_ARP_FRAME; len++)
		receive(0, f, len);
	CHECK_EQ(drops(KS_DROP_TRUNCATED), 14);
	CHECK_EQ(drops(KS_DROP_ARP_HEADER), KS_ARP_FRAME - 14);
	f[14] = 9; /* hardware type */
	receive(0, f, sizeof(f));
	CHECK_EQ(drops(KS_DROP_ARP_HEADER), KS_ARP_FRAME - 13);
	arp_in(0, 3, peer_mac, "10.0.0.9", "10.0.0.5");
	arp_in(0, KS_ARP_REQUEST, group, "10.0.0.9", "10.0.0.5");
	CHECK_EQ(drops(KS_DROP_ARP_HEADER), KS_ARP_FRAME - 11);
	arp_in(0, KS_ARP_REQUEST, own_mac, "10.0.0.9", "10.0.0.5");
	CHECK_EQ(drops(KS_DROP_LOOP), 1);
	CHECK_EQ(lab.n_out, 0);
	tear_down();
}

static void replies_teach_and_go_to_the_kernel(void)
{
	set_up();
	arp_in(0, KS_ARP_REPLY, peer_mac, "10.0.0.9", "10.0.0.5");
	expect_to_kernel();
	CHECK(usable("10.0.0.9"));
	ip_frame("10.0.0.9");
	expect_frame_to(peer_mac);
	arp_in(0, KS_ARP_REQUEST, other_mac, "10.0.0.9",
	       "10.0.0.9"); /* it has moved, and says so */
	expect_to_kernel();
	ip_frame("10.0.0.9");
	expect_frame_to(other_mac);
	arp_in(0, KS_ARP_REPLY, peer_mac, "192.0.2.9",
	       "10.0.0.5"); /* by the default route it would be on this port */
	expect_to_kernel();
	arp_in(1, KS_ARP_REPLY, peer_mac, "192.0.2.8", "10.1.0.5"); /* but not on that one */
	expect_to_kernel();
	CHECK_EQ(ks_neigh_find4(&lab.shared.neigh, 1, ip4("192.0.2.8")), KS_NH_NONE);
	tear_down();
}

static void frames_wait_for_their_next_hop(void)
{
	set_up();
	ip_frame("8.8.8.8");
	ip_frame("9.9.9.9");
	expect_arp(0, KS_ARP_REQUEST, ks_mac_broadcast, "10.0.0.5",
		   "10.0.0.1"); /* once: both have the same gateway */
	CHECK_EQ(lab.n_out, 0);
	pass(50);
	arp_in(0, KS_ARP_REPLY, peer_mac, "10.0.0.1", "10.0.0.5");
	expect_frame_to(peer_mac);
	expect_frame_to(peer_mac);
	expect_to_kernel();
	pass(5000);
	CHECK_EQ(lab.n_out, 0);
	tear_down();
}

static void five_tries_then_the_frames_are_dropped(void)
{
	static const ks_ms wait[KS_ARP_TRIES] = { 100, 200, 400, 800, 1000 };

	set_up();
	ip_frame("10.0.0.9");
	for (unsigned i = 0; i < KS_ARP_TRIES; i++) {
		expect_arp(0, KS_ARP_REQUEST, ks_mac_broadcast, "10.0.0.5", "10.0.0.9");
		CHECK_EQ(lab.n_out, 0);
		CHECK_EQ(drops(KS_DROP_NEIGH_FAILED), 0);
		pass(wait[i] - 1);
		CHECK_EQ(lab.n_out, 0);
		pass(1);
	}
	CHECK_EQ(drops(KS_DROP_NEIGH_FAILED), 1);
	CHECK_EQ(lab.buffers, 0);
	ip_frame("10.0.0.9"); /* the next frame starts over */
	expect_arp(0, KS_ARP_REQUEST, ks_mac_broadcast, "10.0.0.5", "10.0.0.9");
	CHECK_EQ(lab.n_out, 0);
	tear_down();
}

static void the_queues_are_bounded(void)
{
	char a[40];

	set_up();
	for (unsigned i = 0; i < KS_WAIT_ENTRY_MAX + 5; i++)
		ip_frame("10.0.0.9");
	CHECK_EQ(drops(KS_DROP_NEIGH_FULL), 5);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(a, sizeof(a), "10.0.0.%u", 110 + i);
		for (unsigned k = 0; k < 50; k++)
			ip_frame(a);
	}
	CHECK_EQ(drops(KS_DROP_NEIGH_FULL), 5 + 5000 + KS_WAIT_ENTRY_MAX - KS_WAIT_MAX);
	CHECK_EQ(lab.buffers, KS_WAIT_MAX);
	lab.n_out = 0;
	tear_down();
}

static void a_used_neighbour_is_probed_and_kept(void)
{
	set_up();
	arp_in(0, KS_ARP_REPLY, peer_mac, "10.0.0.9", "10.0.0.5");
	expect_to_kernel();
	pass(59000);
	use("10.0.0.9");
	pass(1050);
	expect_arp(0, KS_ARP_REQUEST, peer_mac, "10.0.0.5", "10.0.0.9"); /* unicast */
	CHECK(usable("10.0.0.9"));
	arp_in(0, KS_ARP_REPLY, peer_mac, "10.0.0.9", "10.0.0.5");
	expect_to_kernel();
	pass(60100); /* nobody used it since: no probe, and it stays */
	CHECK_EQ(lab.n_out, 0);
	CHECK(usable("10.0.0.9"));
	use("10.0.0.9");
	pass(3500); /* seen within a second, then silent to the last try */
	for (unsigned i = 0; i < KS_ARP_TRIES; i++)
		expect_arp(0, KS_ARP_REQUEST, peer_mac, "10.0.0.5", "10.0.0.9");
	pass(1100);
	CHECK_EQ(lab.n_out, 0);
	CHECK(!usable("10.0.0.9"));
	ip_frame("10.0.0.9");
	expect_arp(0, KS_ARP_REQUEST, ks_mac_broadcast, "10.0.0.5", "10.0.0.9");
	tear_down();
}

static void an_unused_neighbour_is_forgotten(void)
{
	set_up();
	arp_in(0, KS_ARP_REPLY, peer_mac, "10.0.0.9", "10.0.0.5");
	expect_to_kernel();
	for (unsigned i = 0; i < 670; i++) {
		lab.now += 1000;
		ks_main_tick(lab.m, lab.c, lab.now);
	}
	CHECK_EQ(ks_neigh_find4(&lab.shared.neigh, 0, ip4("10.0.0.9")), KS_NH_NONE);
	CHECK_EQ(lab.n_out, 0);
	CHECK_EQ(ks_main_deadline(lab.m), UINT64_MAX); /* nothing left to wake up for */
	tear_down();
}

static void static_and_kernel_neighbours(void)
{
	struct ks_op_neigh n = op_neigh("dpdk0", "10.0.0.9", peer_mac);
	union ks_addr a = ks_addr4(ip4("10.0.0.8"));

	set_up();
	ks_main_neigh_set(lab.m, lab.c, 0, 4, &a, other_mac, false, lab.now);
	ip_frame("10.0.0.8");
	expect_frame_to(other_mac);
	commit(&n);
	ip_frame("10.0.0.9"); /* the generation is seen by itself */
	expect_frame_to(peer_mac);
	arp_in(0, KS_ARP_REPLY, other_mac, "10.0.0.9", "10.0.0.5");
	expect_to_kernel();
	ip_frame("10.0.0.9");
	expect_frame_to(peer_mac); /* static: not to be talked out of */
	n.op.type = KS_OP_NEIGH_DEL;
	commit(&n);
	ks_main_tick(lab.m, lab.c, lab.now);
	CHECK(!usable("10.0.0.9"));
	CHECK(usable("10.0.0.8"));
	tear_down();
}

/* The lease of a VIP on dpdk0. */
static struct ks_lease_state lease(const char *vip, uint32_t ms)
{
	union ks_addr a = ks_addr4(ip4(vip));
	struct ks_lease_state s;

	ks_main_lease(lab.m, lab.c, 0, 4, &a, ms, lab.now, &s);
	return s;
}

static void ask_for(const char *vip)
{
	arp_in(0, KS_ARP_REQUEST, peer_mac, "10.0.0.9", vip);
}

static bool is_answered(const char *vip)
{
	uint64_t before = drops(KS_DROP_LEASE);
	bool answered;

	ask_for(vip);
	answered = lab.n_out == 1;
	CHECK_EQ(drops(KS_DROP_LEASE), before + (answered ? 0u : 1u));
	lab.n_out = 0;
	return answered;
}

static void the_lease_decides_about_the_vip(void)
{
	union ks_addr vip = ks_addr4(ip4("10.0.0.100"));

	set_up();
	CHECK(!is_answered("10.0.0.100"));
	CHECK_EQ(ks_main_garp(lab.m, lab.c, 0, 4, &vip, 5, lab.now), KS_E_STATE);
	CHECK_EQ(lab.n_out, 0);

	CHECK_EQ(lease("10.0.0.100", 3000).left_ms, 3000);
	CHECK_EQ(ks_main_lease_left(lab.m, lab.now), 3000);
	ask_for("10.0.0.100");
	expect_arp(0, KS_ARP_REPLY, peer_mac, "10.0.0.100", "10.0.0.9");
	pass(2900);
	CHECK_EQ(lease("10.0.0.100", 3000).renewed_ms_ago, 2900);
	pass(2999);
	CHECK_EQ(lab.n_events, 0);
	CHECK_EQ(ks_main_deadline(lab.m), lab.now + 1);
	lab.now++; /* over, though no tick has come yet */
	CHECK(!is_answered("10.0.0.100"));
	CHECK_EQ(ks_main_lease_left(lab.m, lab.now), 0);
	pass(1);
	CHECK_EQ(lab.n_events, 1);
	CHECK_EQ(lab.event[0].type, KS_EV_LEASE_EXPIRED);
	CHECK_EQ(lab.event[0].a, 1);
	CHECK_STR(lab.event[0].text,
		  "the lease of 10.0.0.100 was not renewed: it is no longer answered for");
	pass(10000);
	CHECK_EQ(lab.n_events, 1);

	lease("10.0.0.100", 3000);
	CHECK_EQ(lease("10.0.0.100", 0).left_ms, 0); /* given up on request: no event */
	CHECK(!is_answered("10.0.0.100"));
	CHECK_EQ(lease("10.0.0.100", KS_LEASE_QUERY).renewed_ms_ago, UINT32_MAX);
	pass(5000);
	CHECK_EQ(lab.n_events, 1);
	tear_down();
}

static void each_address_has_its_own_lease(void)
{
	struct ks_op_addr other = op_addr("dpdk0", "10.0.0.101", 32, KS_ADDR_LEASED);
	struct ks_lease_state s;

	set_up();
	commit(&other);
	lease("10.0.0.100", 3000);
	CHECK(is_answered("10.0.0.100"));
	CHECK(!is_answered("10.0.0.101"));
	lease("10.0.0.101", 5000);
	CHECK_EQ(ks_main_lease_left(lab.m, lab.now), 3000);
	pass(1000);
	s = lease("10.0.0.101", KS_LEASE_QUERY);
	CHECK_EQ(s.status, KS_OK);
	CHECK_EQ(s.left_ms, 4000);
	CHECK_EQ(s.renewed_ms_ago, 1000);
	lease("10.0.0.100", 0);
	CHECK(!is_answered("10.0.0.100"));
	CHECK(is_answered("10.0.0.101"));
	CHECK_EQ(ks_main_lease_left(lab.m, lab.now), 4000);
	CHECK_EQ(lease("10.0.0.5", 3000).status, KS_E_NOT_FOUND); /* not a leased one */
	CHECK_EQ(lease("10.0.0.77", 3000).status, KS_E_NOT_FOUND);
	CHECK_EQ(lease("10.1.0.5", KS_LEASE_QUERY).status, KS_E_NOT_FOUND); /* on another device */
	CHECK_EQ(lab.n_events, 0);
	tear_down();
}

static void a_lease_survives_a_generation_that_keeps_its_address(void)
{
	struct ks_op_addr vip = op_addr("dpdk0", "10.0.0.100", 32, KS_ADDR_LEASED);
	struct ks_op_addr other = op_addr("dpdk0", "10.0.0.102", 32, KS_ADDR_LEASED);
	char reason[KS_REASON_LEN];

	set_up();
	lease("10.0.0.100", 60000);
	commit(&other);
	CHECK(is_answered("10.0.0.100"));
	CHECK_EQ(ks_desired_begin(lab.d, true), KS_OK); /* all named anew */
	CHECK_EQ(APPLY(lab.d, vip, reason), KS_OK);
	CHECK_EQ(ks_desired_commit(lab.d, ++lab.generation, reason), KS_OK);
	commit(NULL);
	CHECK(is_answered("10.0.0.100"));
	CHECK_EQ(lease("10.0.0.102", 1000).status, KS_E_NOT_FOUND);

	vip.op.type = KS_OP_ADDR_DEL;
	commit(&vip);
	CHECK_EQ(lease("10.0.0.100", KS_LEASE_QUERY).status, KS_E_NOT_FOUND);
	ks_main_tick(lab.m, lab.c, lab.now);
	vip.op.type = KS_OP_ADDR_SET;
	commit(&vip); /* back before its slot was given away: without a lease all the same */
	CHECK(!is_answered("10.0.0.100"));
	CHECK_EQ(lease("10.0.0.100", KS_LEASE_QUERY).renewed_ms_ago, UINT32_MAX);
	lease("10.0.0.100", 60000);
	vip.flags = 0;
	commit(&vip); /* an ordinary address now */
	CHECK_EQ(lease("10.0.0.100", KS_LEASE_QUERY).status, KS_E_NOT_FOUND);
	ask_for("10.0.0.100");
	CHECK_EQ(lab.n_out, 1);
	lab.n_out = 0;
	tear_down();
}

/* Whatever comes and goes: an address is answered for exactly while a lease was given to it, in the
 * generation that has it, and no other's lease ever becomes its own. */
static void leases_follow_their_addresses(void)
{
	enum { N = 12 };
	bool there[N] = { false };
	ks_ms until[N] = { 0 };
	uint64_t s = 0xbeef;

	set_up();
	for (unsigned round = 0; round < 4000; round++) {
		unsigned k = below(&s, N);
		char vip[16];

		snprintf(vip, sizeof(vip), "10.0.0.%u", 110 + k);
		switch (below(&s, 5)) {
		case 0:
		case 1: {
			struct ks_op_addr a = op_addr("dpdk0", vip, 32, KS_ADDR_LEASED);

			a.op.type = there[k] ? KS_OP_ADDR_DEL : KS_OP_ADDR_SET;
			commit(&a);
			there[k] = !there[k];
			until[k] = 0;
			if (below(&s, 2) == 0) /* or the next request is the first to see it */
				ks_main_tick(lab.m, lab.c, lab.now);
			break;
		}
		case 2:
		case 3: {
			uint32_t ms = below(&s, 3) == 0 ? 0 : 1 + below(&s, 300);

			CHECK_EQ(lease(vip, ms).status, there[k] ? KS_OK : KS_E_NOT_FOUND);
			if (there[k])
				until[k] = ms > 0 ? lab.now + ms : 0;
			break;
		}
		default:
			lab.now += below(&s, 100);
			if (below(&s, 2) == 0)
				ks_main_tick(lab.m, lab.c, lab.now);
			break;
		}
		for (unsigned i = 0; i < N; i++) {
			snprintf(vip, sizeof(vip), "10.0.0.%u", 110 + i);
			ask_for(vip);
			CHECK_EQ(lab.n_out, until[i] > lab.now ? 1 : 0);
			lab.n_out = 0;
			if (lab.n_events > 0)
				lab.n_events = 0;
		}
	}
	tear_down();
}

/* The shell's part: the generations made because leases have changed. */
static unsigned follow_leases(void)
{
	const struct ks_holding held = { .leases = &lab.shared.leases, .now = lab.now };
	char reason[KS_REASON_LEN];

	ks_main_tick(lab.m, lab.c, lab.now);
	if (!ks_desired_follow_leases(lab.d, &held))
		return 0;
	ks_conf_free(lab.c);
	lab.c = ks_conf_build(lab.d, NULL, reason);
	CHECK(lab.c != NULL);
	return 1;
}

static bool on_link(const char *addr)
{
	union ks_addr a = { 0 };
	uint8_t af = put_addr(a.b, addr);
	const struct ks_route *r = ks_conf_route(lab.c, af, &a);

	return r != NULL && ks_addr_unset(&r->gw);
}

static void the_network_of_a_vip_is_on_link_while_it_is_held(void)
{
	struct ks_op_addr vip = op_addr("dpdk0", "192.0.2.10", 24, KS_ADDR_LEASED);
	struct ks_op_addr six = op_addr("dpdk0", "2001:db8::10", 64, KS_ADDR_LEASED);
	struct ks_op_addr second = op_addr("dpdk0", "192.0.2.11", 24, KS_ADDR_LEASED);
	struct ks_op_addr near = op_addr("dpdk0", "10.0.0.200", 24, KS_ADDR_LEASED);
	struct ks_lease_state state;
	uint32_t changes;

	set_up();
	commit(&vip);
	commit(&six);
	commit(&second);
	commit(&near);
	CHECK_EQ(follow_leases(), 0);
	CHECK(!on_link("192.0.2.77"));
	CHECK(!on_link("2001:db8::77"));

	changes = ks_main_lease_changes(lab.m);
	lease("192.0.2.10", 3000);
	ks_main_lease(lab.m, lab.c, 0, 6, (const void *)six.addr, 3000, lab.now, &state);
	CHECK_EQ(state.status, KS_OK);
	CHECK_EQ(ks_main_lease_changes(lab.m), changes + 2);
	CHECK_EQ(follow_leases(), 1); /* one for both */
	CHECK(on_link("192.0.2.77"));
	CHECK(on_link("2001:db8::77"));
	lease("192.0.2.10", 3000);
	CHECK_EQ(ks_main_lease_changes(lab.m), changes + 2); /* a renewal changes nothing */

	lease("192.0.2.11", 60000); /* the network is there already */
	CHECK_EQ(follow_leases(), 0);
	lease("10.0.0.200", 3000); /* so is that of the port's own address */
	CHECK_EQ(follow_leases(), 0);
	lease("10.0.0.200", 0);
	CHECK_EQ(follow_leases(), 0);
	CHECK(on_link("10.0.0.77"));

	pass(3001); /* the first two run out */
	CHECK_EQ(follow_leases(), 1);
	CHECK(on_link("192.0.2.77"));
	CHECK(!on_link("2001:db8::77"));
	lease("192.0.2.11", 0);
	CHECK_EQ(follow_leases(), 1);
	CHECK(!on_link("192.0.2.77"));
	tear_down();
}

/* Whatever is committed, leased and lost: after the shell has followed the leases, a network is
 * on-link exactly while one of its addresses is there and, if it is a leased one, held. */
static void networks_follow_leases(void)
{
	enum { NETS = 3, N = 6 };
	bool there[NETS][N] = { { false } };
	uint64_t s = 0xfeed;

	set_up();
	for (unsigned round = 0; round < 4000; round++) {
		unsigned net = below(&s, NETS), k = below(&s, N);
		bool leased = k < N - 1; /* the last one is the port's own */
		char text[24];

		snprintf(text, sizeof(text), "172.16.%u.%u", net, 10 + k);
		if (below(&s, 3) == 0) {
			struct ks_op_addr a =
				op_addr("dpdk0", text, 24, leased ? KS_ADDR_LEASED : 0);

			a.op.type = there[net][k] ? KS_OP_ADDR_DEL : KS_OP_ADDR_SET;
			commit(&a);
			there[net][k] = !there[net][k];
		} else if (leased && there[net][k]) {
			lease(text, below(&s, 3) == 0 ? 0 : 1 + below(&s, 300));
		}
		lab.now += below(&s, 30);
		if (below(&s, 2) == 0)
			continue; /* several changes in one turn */
		(void)follow_leases();
		for (net = 0; net < NETS; net++) {
			bool want = there[net][N - 1];

			for (k = 0; k < N - 1; k++) {
				snprintf(text, sizeof(text), "172.16.%u.%u", net, 10 + k);
				want |= there[net][k] && lease(text, KS_LEASE_QUERY).left_ms > 0;
			}
			snprintf(text, sizeof(text), "172.16.%u.200", net);
			CHECK_EQ(on_link(text), want);
		}
		lab.n_events = 0;
	}
	tear_down();
}

static void what_runs_out_together_is_reported_once(void)
{
	union ks_addr vip;
	struct ks_lease_state s;

	set_up();
	for (unsigned i = 0; i < 255; i++) {
		char a[16];
		struct ks_op_addr op;

		snprintf(a, sizeof(a), "10.0.1.%u", i);
		op = op_addr("dpdk0", a, 32, KS_ADDR_LEASED);
		commit(&op);
	}
	for (unsigned i = 0; i < 255; i++) {
		vip = ks_addr4(ip4("10.0.1.0"));
		vip.b[3] = (uint8_t)i;
		ks_main_lease(lab.m, lab.c, 0, 4, &vip, 1000, lab.now, &s);
		CHECK_EQ(s.status, KS_OK);
	}
	lab.now += 1500;
	ks_main_tick(lab.m, lab.c, lab.now);
	CHECK_EQ(lab.n_events, 1);
	CHECK_EQ(lab.event[0].a, 255);
	CHECK(strstr(lab.event[0].text, "and 254 more VIPs were not renewed") != NULL);
	tear_down();
}

/* What a node that does not hold the address did when the address was not in its generation. */
static void a_vip_that_is_not_held_is_a_neighbour(void)
{
	struct ks_op_addr plain = op_addr("dpdk0", "10.0.0.5", 24, 0);

	set_up();
	ip_frame("10.0.0.100"); /* to the peer that holds it */
	expect_arp(0, KS_ARP_REQUEST, ks_mac_broadcast, "10.0.0.5", "10.0.0.100");
	arp_in(0, KS_ARP_REPLY, peer_mac, "10.0.0.100", "10.0.0.5");
	expect_frame_to(peer_mac);
	expect_to_kernel();
	arp_in(0, KS_ARP_REQUEST, other_mac, "10.0.0.100", "10.0.0.100"); /* it moved */
	expect_to_kernel();
	ip_frame("10.0.0.100");
	expect_frame_to(other_mac);
	CHECK_EQ(lab.n_events, 0);

	lease("10.0.0.100", 3000); /* it came here */
	ip_frame("10.0.0.100");
	CHECK_EQ(drops(KS_DROP_LOOP), 1);
	CHECK_EQ(lab.n_out, 0);

	lease("10.0.0.100", 0);
	plain.op.type = KS_OP_ADDR_DEL;
	commit(&plain); /* nothing else is left to ask with: it is not used for that */
	ip_frame("10.0.0.9");
	expect_arp(0, KS_ARP_REQUEST, ks_mac_broadcast, "0.0.0.0", "10.0.0.1");
	lease("10.0.0.100", 3000);
	pass(100);
	expect_arp(0, KS_ARP_REQUEST, ks_mac_broadcast, "10.0.0.100", "10.0.0.1");
	tear_down();
}

static void a_vip_put_on_by_hand_is_reported_and_not_answered_for(void)
{
	struct ks_mirror_addr hand = { .af = 4, .plen = 32, .port = 0 };

	set_up();
	hand.addr = ks_addr4(ip4("10.0.0.100"));
	ks_desired_mirror_addrs(lab.d, &hand, 1);
	commit(NULL);
	CHECK(!is_answered("10.0.0.100"));
	pass(2000);
	CHECK_EQ(lab.n_events, 0); /* it may just have been given up */
	pass(1500);
	CHECK_EQ(lab.n_events, 1);
	CHECK_EQ(lab.event[0].type, KS_EV_ADDR_BY_HAND);
	CHECK_STR(lab.event[0].text,
		  "10.0.0.100 is a virtual address of an instance that is not active and is "
		  "configured on dpdk0.kni: it is not answered for");
	commit(NULL);
	pass(20000);
	CHECK_EQ(lab.n_events, 1); /* once */
	lease("10.0.0.100", 60000);
	CHECK(is_answered("10.0.0.100"));
	pass(5000);
	CHECK_EQ(lab.n_events, 1);
	lease("10.0.0.100", 0); /* given up, and left there */
	pass(4000);
	CHECK_EQ(lab.n_events, 2);
	CHECK(!is_answered("10.0.0.100"));
	tear_down();
}

/* The frame keepalived 2.2.7 sends, but for the hardware addresses. */
static void gratuitous_arp_looks_as_keepalived_sends_it(void)
{
	static const uint8_t want[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00,
					  0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x01, 0x08, 0x00,
					  0x06, 0x04, 0x00, 0x01, 0x02, 0x00, 0x00, 0x00, 0x00,
					  0x01, 10,   0,    0,    100,  0xff, 0xff, 0xff, 0xff,
					  0xff, 0xff, 10,   0,    0,    100 };
	union ks_addr vip = ks_addr4(ip4("10.0.0.100"));

	set_up();
	lease("10.0.0.100", 3000);
	CHECK_EQ(ks_main_garp(lab.m, lab.c, 0, 4, &vip, 3, lab.now), KS_OK);
	CHECK_EQ(lab.n_out, 3);
	for (unsigned i = 0; i < 3; i++)
		CHECK(memcmp(lab.out[i].bytes, want, sizeof(want)) == 0);
	lab.n_out = 0;
	CHECK_EQ(ks_main_garp(lab.m, lab.c, 1, 4, &vip, 3, lab.now),
		 KS_E_NOT_FOUND); /* not on that port */
	CHECK_EQ(lab.n_out, 0);
	tear_down();
}

static void somebody_else_with_our_address_is_told(void)
{
	set_up();
	arp_in(0, KS_ARP_REQUEST, peer_mac, "10.0.0.5", "10.0.0.5");
	CHECK_EQ(lab.n_events, 1);
	CHECK_EQ(lab.event[0].type, KS_EV_ADDR_CONFLICT);
	CHECK_STR(lab.event[0].dev, "dpdk0");
	CHECK_STR(lab.event[0].text, "02:aa:00:00:00:01");
	CHECK(memcmp(lab.event[0].addr, (uint8_t[4]){ 10, 0, 0, 5 }, 4) == 0);
	expect_arp(0, KS_ARP_REQUEST, ks_mac_broadcast, "10.0.0.5",
		   "10.0.0.5"); /* defended, RFC 5227 §2.4 (b) */
	expect_to_kernel();
	CHECK(!usable("10.0.0.5"));
	arp_in(0, KS_ARP_REPLY, peer_mac, "10.0.0.5", "10.0.0.9");
	expect_to_kernel();
	CHECK_EQ(lab.n_events, 1); /* at most once a second */
	pass(1500);
	arp_in(0, KS_ARP_REPLY, peer_mac, "10.0.0.5", "10.0.0.9");
	expect_to_kernel(); /* told, but not defended again before 10 s */
	CHECK_EQ(lab.n_events, 2);
	CHECK_EQ(lab.n_out, 0);
	pass(10000);
	arp_in(0, KS_ARP_REPLY, peer_mac, "10.0.0.5", "10.0.0.9");
	expect_arp(0, KS_ARP_REQUEST, ks_mac_broadcast, "10.0.0.5", "10.0.0.5");
	tear_down();
}

static void a_vip_is_left_to_vrrp(void)
{
	set_up();
	arp_in(0, KS_ARP_REQUEST, peer_mac, "10.0.0.100",
	       "10.0.0.100"); /* we are standby: the peer's announcement */
	CHECK_EQ(lab.n_events, 0);
	expect_to_kernel();
	lease("10.0.0.100", 3000);
	arp_in(0, KS_ARP_REQUEST, peer_mac, "10.0.0.100",
	       "10.0.0.100"); /* two owners: told, not fought over */
	CHECK_EQ(lab.n_events, 1);
	expect_to_kernel();
	CHECK_EQ(lab.n_out, 0);
	tear_down();
}

static void frames_that_cannot_be_sent_have_named_drops(void)
{
	set_up();
	ip_frame("10.0.0.5");
	CHECK_EQ(drops(KS_DROP_LOOP), 1);
	ip_frame("224.0.0.18");
	ip_frame("0.0.0.0");
	CHECK_EQ(drops(KS_DROP_NO_ROUTE), 2);
	receive(0, (uint8_t[20]){ [12] = 0x08 }, 20);
	CHECK_EQ(drops(KS_DROP_TRUNCATED), 1);
	receive(0, (uint8_t[60]){ [12] = 0x88, [13] = 0xcc }, 60);
	CHECK_EQ(drops(KS_DROP_ETHERTYPE), 1);
	CHECK_EQ(lab.n_out, 0);
	tear_down();
}

static void the_table_fills_and_empties(void)
{
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	struct ks_neigh_table t;
	uint16_t first, i;

	CHECK(ks_neigh_table_init(&t, &mem));
	first = ks_neigh_add4(&t, 0, 1);
	for (uint32_t k = 2; k <= KS_NEIGH_MAX; k++)
		CHECK(ks_neigh_add4(&t, (uint8_t)(k & 3), k) != KS_NH_NONE);
	CHECK_EQ(ks_neigh_add4(&t, 0, 70000), KS_NH_NONE);
	CHECK_EQ(ks_neigh_add4(&t, 0, 1), first);
	for (uint32_t k = 2; k <= KS_NEIGH_MAX; k++) {
		i = ks_neigh_find4(&t, (uint8_t)(k & 3), k);
		CHECK(i != KS_NH_NONE && ks_neigh_port(&t, i) == (k & 3));
		ks_neigh_set_mac(&t, i, peer_mac);
		CHECK(ks_nh_usable(atomic_load(&t.hot[i].word)));
		CHECK_EQ(ks_nh_port(atomic_load(&t.hot[i].word)), k & 3);
		if (k % 2)
			ks_neigh_del(&t, i);
	}
	CHECK_EQ(ks_neigh_find4(&t, 3, 3), KS_NH_NONE);
	CHECK(ks_neigh_find4(&t, 0, 4) != KS_NH_NONE);
	i = ks_neigh_add4(&t, 0, 70000);
	CHECK(i != KS_NH_NONE && !ks_nh_usable(atomic_load(&t.hot[i].word)));
	ks_neigh_table_free(&t, &mem);
	CHECK_EQ(tm.live, 0);
}

static void routers_side_by_side_are_watched(void)
{
	struct ks_op_route second = op_route("dpdk0", "0.0.0.0", 0, "10.0.0.2");

	set_up();
	commit(&second);
	ks_main_tick(lab.m, lab.c, lab.now); /* both are asked for before anybody needs them */
	expect_arp(0, KS_ARP_REQUEST, ks_mac_broadcast, "10.0.0.5", "10.0.0.1");
	expect_arp(0, KS_ARP_REQUEST, ks_mac_broadcast, "10.0.0.5", "10.0.0.2");
	arp_in(0, KS_ARP_REPLY, peer_mac, "10.0.0.1", "10.0.0.5");
	expect_to_kernel();
	CHECK(usable("10.0.0.1") && !lab.shared.neigh.outdated);
	pass(4000); /* the other does not answer: sessions are to look for another way */
	CHECK(lab.shared.neigh.outdated);
	lab.shared.neigh.outdated = false;
	lab.n_out = 0;
	for (unsigned i = 0; i < 50; i++) {
		char dst[32];

		snprintf(dst, sizeof(dst), "8.8.8.%u", i);
		ip_frame(dst);
		expect_frame_to(peer_mac);
	}
	pass(3000); /* nobody uses it now, but it is asked for still */
	expect_arp(0, KS_ARP_REQUEST, ks_mac_broadcast, "10.0.0.5", "10.0.0.2");
	CHECK(!lab.shared.neigh.outdated);
	arp_in(0, KS_ARP_REPLY, other_mac, "10.0.0.2", "10.0.0.5");
	CHECK(lab.shared.neigh.outdated);
	tear_down();
}

int main(void)
{
	RUN(a_request_for_our_address_is_answered);
	RUN(a_request_for_another_address_is_not);
	RUN(a_probe_is_answered_and_teaches_nothing);
	RUN(garbled_arp_is_counted);
	RUN(replies_teach_and_go_to_the_kernel);
	RUN(frames_wait_for_their_next_hop);
	RUN(five_tries_then_the_frames_are_dropped);
	RUN(the_queues_are_bounded);
	RUN(a_used_neighbour_is_probed_and_kept);
	RUN(an_unused_neighbour_is_forgotten);
	RUN(static_and_kernel_neighbours);
	RUN(the_lease_decides_about_the_vip);
	RUN(each_address_has_its_own_lease);
	RUN(a_lease_survives_a_generation_that_keeps_its_address);
	RUN(leases_follow_their_addresses);
	RUN(the_network_of_a_vip_is_on_link_while_it_is_held);
	RUN(networks_follow_leases);
	RUN(what_runs_out_together_is_reported_once);
	RUN(a_vip_that_is_not_held_is_a_neighbour);
	RUN(a_vip_put_on_by_hand_is_reported_and_not_answered_for);
	RUN(gratuitous_arp_looks_as_keepalived_sends_it);
	RUN(somebody_else_with_our_address_is_told);
	RUN(a_vip_is_left_to_vrrp);
	RUN(frames_that_cannot_be_sent_have_named_drops);
	RUN(routers_side_by_side_are_watched);
	RUN(the_table_fills_and_empties);
	return 0;
}
