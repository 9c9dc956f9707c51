/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Law 5: which worker owns a packet. Towards a local address the port says it: ports are dealt out
 * to the workers in turn, so every port has exactly one owner for any number of workers. Otherwise
 * the client's address and port are hashed: the source of what comes to an address of ours or is
 * let out by SNAT, and the destination of a real server's answer in NAT.
 *
 * Where a port spreads packets by a hash that is known (ks_rss), the owner of what a client sends
 * is the worker that gets it from that port. All ports of a generation follow the same one, so that
 * a client which comes by another port keeps its owner. Not where owners are found by less than the
 * client's and the service's addresses and ports: NAT, persistence, SNAT.
 */
#include "ks_hdr.h"
#include "ks_rss.h"
#include "ks_session.h"
#include "ks_worker.h"

static unsigned by_hash(const struct ks_conf *c, uint64_t h)
{
	h *= 0xff51afd7ed558ccdull;
	h ^= h >> 29;
	h *= 0xc4ceb9fe1a85ec53ull;
	return (unsigned)(((h >> 32) * c->n_workers) >> 32);
}

static bool is_pool_port(const struct ks_conf *c, ks_be16 port)
{
	return ks_ntoh16(port) >= c->param[KS_PARAM_LPORT_MIN] &&
		ks_ntoh16(port) <= c->param[KS_PARAM_LPORT_MAX];
}

static uint32_t first_bits(ks_be32 addr, unsigned bits)
{
	return addr & ks_hton32((uint32_t)(~0ull << (32 - bits)));
}

/* Of what only passes through: a real server's answer in NAT has its client as destination; what
 * SNAT lets out has it as source. */
static bool is_answer(const struct ks_conf *c, uint8_t af, uint8_t proto, const union ks_addr *src,
		      ks_be16 sport)
{
	return c->passes && (c->n_match == 0 || ks_conf_is_nat_rs(c, af, proto, src, sport));
}

/* A port SNAT has given away, not one a service has at the same address. */
static bool is_snat_port(const struct ks_conf *c, const struct ks_local *l, uint8_t proto,
			 ks_be16 port)
{
	if ((l->flags & KS_LOCAL_SNAT) == 0 || !is_pool_port(c, port))
		return false;
	if (!c->pool_serves)
		return true;
	return (l->af == 4 ? ks_conf_svc4(c, proto, l->addr.v4, port)
			   : ks_conf_svc6(c, proto, &l->addr, port)) == NULL;
}

/* The worker the NIC gives it to; n_workers or more = its owner does not follow that. */
__attribute__((noinline)) static unsigned by_rss(const struct ks_conf *c, const struct ks_key *k,
						 uint8_t proto)
{
	const struct ks_svc *svc;

	if (proto != KS_PROTO_TCP && proto != KS_PROTO_UDP)
		return KS_RSS_NOBODY;
	if (c->passes || c->n_match != 0) {
		svc = k->af == 4 ? ks_conf_svc4(c, proto, k->t.dst, k->t.dport)
				 : ks_conf_svc6(c, proto, &k->a[KS_DST], k->t.dport);
		if (svc == NULL || svc->nat)
			return KS_RSS_NOBODY;
	}
	return ks_rss_worker(c->rss, k, proto);
}

unsigned ks_owner4(const struct ks_conf *c, uint8_t proto, ks_be32 src, ks_be16 sport, ks_be32 dst,
		   ks_be16 dport)
{
	const struct ks_local *l;
	union ks_addr from;
	unsigned bits = 0;
	bool answer = false;

	if (c->n_workers <= 1)
		return 0;
	if (ks_conf_is_lip4(c, dst) && is_pool_port(c, dport))
		return ks_ntoh16(dport) % c->n_workers;
	if (c->passes || c->n_match != 0) {
		from = ks_addr4(src);
		l = ks_conf_local4(c, dst);
		if (l != NULL && is_snat_port(c, l, proto, dport))
			return ks_ntoh16(dport) % c->n_workers;
		if (l == NULL && is_answer(c, 4, proto, &from, sport)) {
			src = dst;
			sport = dport;
			bits = c->pass_bits4;
			answer = true;
		}
	}
	if (c->grouped && bits == 0) {
		const struct ks_svc *svc = ks_conf_svc4(c, proto, dst, dport);

		bits = svc != NULL ? svc->owner_bits : 0;
	}
	if (c->rss != NULL && bits == 0 && !answer) {
		struct ks_key k = {
			.af = 4, .t = { .src = src, .dst = dst, .sport = sport, .dport = dport }
		};
		unsigned worker = by_rss(c, &k, proto);

		if (worker < c->n_workers)
			return worker;
	}
	return by_hash(c,
		       bits == 0 ? (uint64_t)src << 16 | sport
				 : (uint64_t)first_bits(src, bits) << 16);
}

unsigned ks_owner(const struct ks_conf *c, const struct ks_key *k, uint8_t proto)
{
	union ks_addr a = k->a[KS_SRC];
	const struct ks_local *l;
	ks_be16 port = k->t.sport;
	unsigned bits = 0, worker;
	bool answer = false;

	if (k->af == 4)
		return ks_owner4(c, proto, k->t.src, k->t.sport, k->t.dst, k->t.dport);
	if (c->n_workers <= 1)
		return 0;
	l = ks_conf_local6(c, &k->a[KS_DST]);
	if (l != NULL &&
	    ((l->flags & KS_LOCAL_LIP && is_pool_port(c, k->t.dport)) ||
	     is_snat_port(c, l, proto, k->t.dport)))
		return ks_ntoh16(k->t.dport) % c->n_workers;
	if (l == NULL && is_answer(c, 6, proto, &k->a[KS_SRC], k->t.sport)) {
		a = k->a[KS_DST];
		port = k->t.dport;
		bits = c->pass_bits6;
		answer = true;
	} else if (c->grouped) {
		const struct ks_svc *svc = ks_conf_svc6(c, proto, &k->a[KS_DST], k->t.dport);

		bits = svc != NULL ? svc->owner_bits : 0;
	}
	if (c->rss != NULL && bits == 0 && !answer) {
		worker = by_rss(c, k, proto);
		if (worker < c->n_workers)
			return worker;
	}
	if (bits != 0) {
		ks_addr_mask(&a, bits);
		port = 0;
	}
	return by_hash(c, a.q[0] * 0x9e3779b97f4a7c15ull + a.q[1] + port);
}
