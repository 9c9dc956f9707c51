/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A data plane without a shell: real configuration, real workers, packets made and judged here.
 * dpdk0 is the LAN (10.1.0.0/24), dpdk1 the WAN (198.51.100.0/24); the service is 198.51.100.80:80,
 * its local addresses 10.1.0.200 and .201, its real servers 10.1.0.11 and .12.
 */
#ifndef KS_PATH_FIXTURE_H
#define KS_PATH_FIXTURE_H

#include "../conf/check.h"
#include "ks_csum.h"
#include "ks_hdr.h"
#include "ks_neigh.h"
#include "ks_session.h"
#include "ks_worker.h"

#define ROOM        2048
#define MAX_WORKERS 8
#define RS_SLOTS    64

static const uint8_t client_mac[6] = { 2, 0xc, 0, 0, 0, 1 };
static const uint8_t rs_mac[6] = { 2, 0xe, 0, 0, 0, 1 };

struct bed {
	struct test_mem tm;
	struct ks_mem mem;
	struct ks_desired *desired;
	struct ks_conf *conf;
	struct ks_shared shared;
	unsigned n;
	struct ks_worker *w[MAX_WORKERS];
	uint64_t c[MAX_WORKERS][KS_C_COUNT];
	uint64_t rs[MAX_WORKERS][RS_SLOTS][KS_RSC_COUNT];
	uint64_t generation;
	ks_ms now;
};

/* A packet in a buffer of its exact size, so that the sanitizer sees every read behind its end. */
struct pkt {
	struct ks_pkt p;
	uint8_t *buf;
};

static inline void bed_build(struct bed *b)
{
	char reason[KS_REASON_LEN];
	struct ks_conf *conf;
	uint8_t in_use[RS_SLOTS] = { 0 };

	for (unsigned i = 0; i < b->n; i++)
		for (unsigned s = 0; s < RS_SLOTS; s++)
			in_use[s] |= b->rs[i][s][KS_RSC_ACTIVE] + b->rs[i][s][KS_RSC_INACTIVE] != 0;
	CHECK(ks_desired_commit(b->desired, ++b->generation, reason) == KS_OK);
	conf = ks_conf_build(b->desired, in_use, reason);
	CHECK(conf != NULL);
	ks_conf_free(b->conf);
	b->conf = conf;
}

static inline void bed_neigh(struct bed *b, unsigned port, const char *addr, const uint8_t mac[6])
{
	uint16_t nh = ks_neigh_add4(&b->shared.neigh, (uint8_t)port, ip4(addr));

	CHECK(nh != KS_NH_NONE);
	ks_neigh_set_mac(&b->shared.neigh, nh, mac);
}

static inline struct ks_svc_key key_of(uint8_t proto, const char *addr, unsigned port)
{
	struct ks_svc_key k = svc_key_of(addr, port);

	k.proto = proto;
	return k;
}

/* The service of the head comment for one protocol, inside an open transaction. */
static inline void bed_service(struct bed *b, uint8_t proto, uint8_t sched, const char *const *rs,
			       const unsigned *weight)
{
	char reason[KS_REASON_LEN] = "";
	struct ks_svc_key key = key_of(proto, "198.51.100.80", 80);
	struct ks_op_svc svc = op_svc("198.51.100.80", 80);
	struct ks_op_lip lip0 = op_lip(key, "dpdk0", "10.1.0.200"),
			 lip1 = op_lip(key, "dpdk0", "10.1.0.201");

	svc.key = key;
	svc.sched = sched;
	CHECK_EQ(APPLY(b->desired, svc, reason), KS_OK);
	CHECK_EQ(APPLY(b->desired, lip0, reason), KS_OK);
	CHECK_EQ(APPLY(b->desired, lip1, reason), KS_OK);
	for (unsigned i = 0; rs[i] != NULL; i++) {
		struct ks_op_rs r = op_rs(key, rs[i], 8080, weight[i]);

		CHECK_EQ(APPLY(b->desired, r, reason), KS_OK);
	}
}

/* The leases of all VIPs end then; 0 = none is held. */
static inline void bed_hold(struct bed *b, ks_ms until)
{
	for (unsigned i = 0; i < 16; i++)
		atomic_store(&b->shared.leases.until[i], until);
}

static inline void bed_open(struct bed *b, unsigned n_workers, uint32_t max_sessions)
{
	static const char *const rs[] = { "10.1.0.11", "10.1.0.12", NULL };
	static const unsigned weight[] = { 1, 1 };
	struct ks_limits limits = { .max_services = 16,
				    .max_rs_slots = RS_SLOTS,
				    .max_routes = 1024,
				    .n_workers = n_workers };
	struct ks_mirror_addr own[2] = { { .af = 4, .plen = 24, .port = 0 },
					 { .af = 4, .plen = 24, .port = 1 } };
	struct ks_op_addr vip = op_addr("dpdk1", "198.51.100.80", 32, KS_ADDR_LEASED);
	char reason[KS_REASON_LEN];

	memset(b, 0, sizeof(*b));
	b->mem = test_mem_of(&b->tm);
	b->n = n_workers;
	b->now = 1000000;
	b->desired = ks_desired_new(&b->mem, &limits);
	CHECK(b->desired != NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct ks_port_info info = { .mac = { 2, 0, 0, 0, 0, (uint8_t)(i + 1) },
					     .mtu = 1500,
					     .up = true };

		snprintf(info.dev, sizeof(info.dev), "dpdk%u", i);
		ks_desired_port(b->desired, i, &info);
	}
	own[0].addr.v4 = ip4("10.1.0.2");
	own[1].addr.v4 = ip4("198.51.100.2");
	ks_desired_mirror_addrs(b->desired, own, 2);
	CHECK(ks_neigh_table_init(&b->shared.neigh, &b->mem));
	CHECK(ks_leases_init(&b->shared.leases, &b->mem));
	bed_hold(b, KS_LEASE_FOREVER);
	CHECK_EQ(ks_desired_begin(b->desired, true), KS_OK);
	CHECK_EQ(APPLY(b->desired, vip, reason), KS_OK);
	bed_service(b, KS_PROTO_TCP, KS_SCHED_RR, rs, weight);
	bed_service(b, KS_PROTO_UDP, KS_SCHED_RR, rs, weight);
	bed_build(b);
	for (unsigned i = 0; i < n_workers; i++) {
		struct ks_worker_opts o = {
			.index = i,
			.n_workers = n_workers,
			.max_sessions = max_sessions,
			.init_sessions = 64,
			.seed = 42,
			.max_rs_slots = RS_SLOTS,
			.max_svc_slots = 16,
			.mem = &b->mem,
			.shared = &b->shared,
			.counters = b->c[i],
			.rs_counters = &b->rs[i][0][0],
			.rs_first = &b->rs[0][0][0],
			.rs_stride = sizeof(b->rs[0]) / sizeof(uint64_t),
		};

		b->w[i] = ks_worker_new(&o);
		CHECK(b->w[i] != NULL);
	}
	bed_neigh(b, 1, "198.51.100.10", client_mac);
	bed_neigh(b, 0, "10.1.0.11", rs_mac);
	bed_neigh(b, 0, "10.1.0.12", rs_mac);
}

static inline void bed_close(struct bed *b)
{
	for (unsigned i = 0; i < b->n; i++)
		ks_worker_free(b->w[i]);
	ks_conf_free(b->conf);
	ks_desired_free(b->desired);
	ks_leases_free(&b->shared.leases, &b->mem);
	ks_neigh_table_free(&b->shared.neigh, &b->mem);
	CHECK_EQ(b->tm.live, 0);
}

/* ---- packets ------------------------------------------------------------------------------------------------------ */

static inline struct ks_ip4 *ip_of(struct pkt *k)
{
	return (struct ks_ip4 *)(void *)(k->p.data + KS_ETH_LEN);
}
static inline uint8_t *l4_of(struct pkt *k)
{
	return k->p.data + KS_ETH_LEN + (unsigned)(ip_of(k)->ver_ihl & 15) * 4;
}
static inline struct ks_tcp *tcp_of(struct pkt *k)
{
	return (struct ks_tcp *)(void *)l4_of(k);
}
static inline struct ks_udp *udp_of(struct pkt *k)
{
	return (struct ks_udp *)(void *)l4_of(k);
}

/* Both checksums over everything, as a receiver does. UDP without a checksum is right. */
static inline bool sums_right(struct pkt *k)
{
	struct ks_ip4 *ip = ip_of(k);
	unsigned header = (unsigned)(ip->ver_ihl & 15) * 4, len = ks_ntoh16(ip->len);
	uint16_t l4_len = (uint16_t)(len - header);
	uint64_t sum = ks_csum_add(0, (const uint8_t *)ip, header);

	if (ks_csum_fold(sum) != 0xffff)
		return false;
	if (ip->proto == KS_PROTO_ICMP)
		return ks_csum_fold(ks_csum_add(0, l4_of(k), l4_len)) == 0xffff;
	if (ip->proto == KS_PROTO_UDP && udp_of(k)->csum == 0)
		return true;
	sum = ks_csum_add(ks_csum_pseudo4(ip->src, ip->dst, ip->proto, l4_len), l4_of(k), l4_len);
	return ks_csum_fold(sum) == 0xffff;
}

static inline void fill_sums(struct pkt *k)
{
	struct ks_ip4 *ip = ip_of(k);
	unsigned header = (unsigned)(ip->ver_ihl & 15) * 4;
	uint16_t l4_len = (uint16_t)(ks_ntoh16(ip->len) - header);
	uint64_t sum;

	ip->csum = 0;
	ip->csum = ks_csum_finish(ks_csum_add(0, (const uint8_t *)ip, header));
	if (ip->proto == KS_PROTO_ICMP) {
		struct ks_icmp *icmp = (struct ks_icmp *)(void *)l4_of(k);

		icmp->csum = 0;
		icmp->csum = ks_csum_finish(ks_csum_add(0, l4_of(k), l4_len));
		return;
	}
	if (ip->proto == KS_PROTO_TCP)
		tcp_of(k)->csum = 0;
	else
		udp_of(k)->csum = 0;
	sum = ks_csum_add(ks_csum_pseudo4(ip->src, ip->dst, ip->proto, l4_len), l4_of(k), l4_len);
	if (ip->proto == KS_PROTO_TCP)
		tcp_of(k)->csum = ks_csum_finish(sum);
	else
		udp_of(k)->csum = ks_csum_finish(sum) == 0 ? 0xffff : ks_csum_finish(sum);
}

/* An IPv4 packet on a port, to our MAC, with a transport part of l4_len bytes (zeroed). tail bytes
 * may grow behind it. */
static inline struct pkt make_ip(unsigned port, uint8_t proto, const char *src, const char *dst,
				 unsigned l4_len)
{
	unsigned len = KS_ETH_LEN + 20 + l4_len, tail = 64;
	struct pkt k = { .buf = calloc(1, len + tail) };
	struct ks_eth *eth = (struct ks_eth *)(void *)k.buf;

	CHECK(k.buf != NULL);
	k.p = (struct ks_pkt){ .data = k.buf,
			       .len = (uint16_t)len,
			       .tailroom = (uint16_t)tail,
			       .in_port = (uint8_t)port };
	memcpy(eth->dst, (uint8_t[6]){ 2, 0, 0, 0, 0, (uint8_t)(port + 1) }, 6);
	memcpy(eth->src, port == 1 ? client_mac : rs_mac, 6);
	eth->type = ks_hton16(KS_ETHERTYPE_IPV4);
	*ip_of(&k) = (struct ks_ip4){ .ver_ihl = 0x45,
				      .len = ks_hton16((uint16_t)(20 + l4_len)),
				      .id = 7,
				      .frag = ks_hton16(KS_IP4_DF),
				      .ttl = 64,
				      .proto = proto,
				      .src = ip4(src),
				      .dst = ip4(dst) };
	return k;
}

static inline struct pkt make_tcp(unsigned port, const char *src, unsigned sport, const char *dst,
				  unsigned dport, uint8_t flags, const char *data)
{
	unsigned n = (unsigned)strlen(data);
	struct pkt k = make_ip(port, KS_PROTO_TCP, src, dst, 20 + n);

	*tcp_of(&k) = (struct ks_tcp){ .sport = ks_hton16((uint16_t)sport),
				       .dport = ks_hton16((uint16_t)dport),
				       .seq = ks_hton32(1000),
				       .ack = ks_hton32(2000),
				       .off = 5 << 4,
				       .flags = flags,
				       .window = ks_hton16(500) };
	memcpy(l4_of(&k) + 20, data, n);
	fill_sums(&k);
	return k;
}

static inline struct pkt make_udp(unsigned port, const char *src, unsigned sport, const char *dst,
				  unsigned dport, const char *data)
{
	unsigned n = (unsigned)strlen(data);
	struct pkt k = make_ip(port, KS_PROTO_UDP, src, dst, 8 + n);

	*udp_of(&k) = (struct ks_udp){ .sport = ks_hton16((uint16_t)sport),
				       .dport = ks_hton16((uint16_t)dport),
				       .len = ks_hton16((uint16_t)(8 + n)) };
	memcpy(l4_of(&k) + 8, data, n);
	fill_sums(&k);
	return k;
}

static inline void drop_pkt(struct pkt *k)
{
	free(k->buf);
	k->buf = NULL;
}

/* Give it to the worker that takes it from the port; handed over as the shell would. Returns the
 * worker that had the last word. */
static inline unsigned feed(struct bed *b, struct pkt *k, unsigned at)
{
	ks_worker_burst(b->w[at], b->conf, &k->p, 1, false, b->now);
	/* a fragment may go by way of the worker that knows its ports */
	for (unsigned hops = 0; k->p.verdict == KS_V_WORKER; hops++) {
		CHECK(hops < (k->p.ports != 0 ? 2 : 1));
		at = k->p.worker;
		CHECK(at < b->n);
		ks_worker_burst(b->w[at], b->conf, &k->p, 1, true, b->now);
	}
	return at;
}

static inline uint64_t counted(const struct bed *b, unsigned counter)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < b->n; i++)
		sum += b->c[i][counter];
	return sum;
}

static inline uint64_t dropped(const struct bed *b, enum ks_drop reason)
{
	return counted(b, KS_C_DROP_FIRST + reason);
}

/* The answer of whoever got `k`: addresses and ports turned round, coming in by the port it left
 * by. */
static inline struct pkt answer_to(struct pkt *k, uint8_t flags, const char *data)
{
	char src[16], dst[16];
	struct ks_ip4 *ip = ip_of(k);
	unsigned sport, dport;

	inet_ntop(AF_INET, &ip->dst, src, sizeof(src));
	inet_ntop(AF_INET, &ip->src, dst, sizeof(dst));
	sport = ks_ntoh16(tcp_of(k)->dport);
	dport = ks_ntoh16(tcp_of(k)->sport);
	return ip->proto == KS_PROTO_TCP
		? make_tcp(k->p.out_port, src, sport, dst, dport, flags, data)
		: make_udp(k->p.out_port, src, sport, dst, dport, data);
}

#endif
