/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Neighbour discovery (RFC 4861) as ks_main does ARP: solicitations for our addresses are answered,
 * advertisements teach and go to the kernel as well, which resolves for itself.
 *
 *  0                   1                   2                   3
 * |  type (135, 136)  |  code 0  |        checksum               |
 * |R|S|O|                     reserved                           |
 * |                     target address (16)                      |
 * |  option 1 or 2    |  length 1 (of 8 bytes)  |  MAC (6)       |
 */
#include <string.h>

#include "ks_csum.h"
#include "ks_hdr.h"
#include "ks_resolve.h"

#define ND_LEN       (sizeof(struct ks_icmp) + 16u)
#define ND_HOP       255u /* whoever is not on the link cannot send it (§7.1) */
#define OPT_SOURCE   1u
#define OPT_TARGET   2u
#define NA_SOLICITED 0x40u
#define NA_OVERRIDE  0x20u
#define FRAME_LEN    (KS_ETH_LEN + sizeof(struct ks_ip6) + ND_LEN + 8u)

struct nd {
	uint8_t type, flags;
	union ks_addr src, dst, target;
	bool has_mac;
	uint8_t mac[6];
};

static const union ks_addr all_nodes = { .b = { 0xff, 2, [15] = 1 } };

static union ks_addr solicited_node(const union ks_addr *a)
{
	union ks_addr g = { .b = { 0xff, 2, [11] = 1, [12] = 0xff } };

	memcpy(g.b + 13, a->b + 13, 3);
	return g;
}

/* ---- out ---------------------------------------------------------------------------------------------------------- */

static void send(struct ks_main *m, const struct ks_conf *c, uint8_t port, const struct nd *nd,
		 const uint8_t *to_mac)
{
	struct ks_pkt p = { 0 };
	struct ks_ip6 ip = { .vtf = ks_hton32(6u << 28),
			     .plen = ks_hton16((uint16_t)(ND_LEN + 8)),
			     .next = KS_PROTO_ICMPV6,
			     .hop = ND_HOP };
	uint8_t body[ND_LEN + 8] = { nd->type };
	uint16_t csum;

	if (!m->io.alloc(m->io.ctx, &p)) {
		m->counters[KS_C_DROP_FIRST + KS_DROP_NO_BUFFER]++;
		return;
	}
	if (p.tailroom < FRAME_LEN) {
		ks_main_drop(m, &p, KS_DROP_NO_BUFFER);
		return;
	}
	memcpy(ip.src, nd->src.b, 16);
	memcpy(ip.dst, nd->dst.b, 16);
	body[4] = nd->flags;
	memcpy(body + 8, nd->target.b, 16);
	body[ND_LEN] = nd->type == KS_ICMP6_NS ? OPT_SOURCE : OPT_TARGET;
	body[ND_LEN + 1] = 1;
	memcpy(body + ND_LEN + 2, c->port[port].mac, 6);
	csum = ks_csum_finish(
		ks_csum_add(ks_csum_pseudo6(ip.src, ip.dst, KS_PROTO_ICMPV6, sizeof(body)), body,
			    sizeof(body)));
	memcpy(body + 2, &csum, 2);
	if (to_mac != NULL) {
		memcpy(p.data, to_mac, 6);
	} else { /* RFC 2464 §7 */
		p.data[0] = p.data[1] = 0x33;
		memcpy(p.data + 2, nd->dst.b + 12, 4);
	}
	memcpy(p.data + 6, c->port[port].mac, 6);
	p.data[12] = 0x86;
	p.data[13] = 0xdd;
	memcpy(p.data + KS_ETH_LEN, &ip, sizeof(ip));
	memcpy(p.data + KS_ETH_LEN + sizeof(ip), body, sizeof(body));
	p.len = FRAME_LEN;
	p.tailroom = (uint16_t)(p.tailroom - FRAME_LEN);
	p.in_port = port;
	ks_main_tx(m, &p, port);
}

void ks_nd_solicit(struct ks_main *m, const struct ks_conf *c, uint8_t port,
		   const union ks_addr *target, const uint8_t *mac, ks_ms now)
{
	const struct ks_holding held = ks_main_holding(m, now);
	struct nd nd = { .type = KS_ICMP6_NS,
			 .src = ks_conf_source6(c, &held, port, target),
			 .dst = mac != NULL ? *target : solicited_node(target),
			 .target = *target };

	if (ks_addr_unset(&nd.src)) /* that would be a duplicate address detection */
		return;
	send(m, c, port, &nd, mac);
}

void ks_nd_announce(struct ks_main *m, const struct ks_conf *c, uint8_t port,
		    const union ks_addr *target)
{
	struct nd nd = { .type = KS_ICMP6_NA,
			 .flags = NA_OVERRIDE,
			 .src = *target,
			 .dst = all_nodes,
			 .target = *target };

	send(m, c, port, &nd, NULL);
}

static void answer(struct ks_main *m, const struct ks_conf *c, uint8_t port, const struct nd *ask,
		   const uint8_t *from)
{
	bool probe = ks_addr_unset(&ask->src); /* duplicate address detection: everybody hears it */
	struct nd nd = { .type = KS_ICMP6_NA,
			 .flags = (uint8_t)(NA_OVERRIDE | (probe ? 0 : NA_SOLICITED)),
			 .src = ask->target,
			 .dst = probe ? all_nodes : ask->src,
			 .target = ask->target };

	send(m, c, port, &nd, probe ? NULL : ask->has_mac ? ask->mac : from);
}

/* ---- in ----------------------------------------------------------------------------------------------------------- */

/* The link-layer address option of that message, if it is there. false = options that are none. */
static bool read_options(const uint8_t *opt, unsigned len, struct nd *nd)
{
	uint8_t wanted = nd->type == KS_ICMP6_NS ? OPT_SOURCE : OPT_TARGET;

	while (len >= 8) {
		unsigned n = opt[1] * 8u;

		if (n == 0 || n > len)
			return false;
		if (opt[0] == wanted && n == 8) {
			memcpy(nd->mac, opt + 2, 6);
			nd->has_mac = (nd->mac[0] & 1) == 0;
		}
		opt += n;
		len -= n;
	}
	return len == 0;
}

static bool parse(const struct ks_pkt *p, struct nd *nd)
{
	const struct ks_ip6 *ip = (const void *)(p->data + KS_ETH_LEN);
	const uint8_t *body = p->data + KS_ETH_LEN + sizeof(*ip);
	unsigned len = ks_ntoh16(ip->plen);

	if (len < ND_LEN || KS_ETH_LEN + sizeof(*ip) + len > p->len || ip->hop != ND_HOP ||
	    body[1] != 0)
		return false;
	if (ks_csum_fold(
		    ks_csum_add(ks_csum_pseudo6(ip->src, ip->dst, KS_PROTO_ICMPV6, (uint16_t)len),
				body, len)) != 0xffff)
		return false;
	*nd = (struct nd){ .type = body[0], .flags = body[4] };
	memcpy(nd->src.b, ip->src, 16);
	memcpy(nd->dst.b, ip->dst, 16);
	memcpy(nd->target.b, body + 8, 16);
	return nd->target.b[0] != 0xff && read_options(body + ND_LEN, len - (unsigned)ND_LEN, nd);
}

/* Only what we would send to on that port is worth an entry. */
static bool belongs(const struct ks_conf *c, uint8_t port, const union ks_addr *addr)
{
	return ks_route_by_port(ks_conf_route6(c, addr), port) != NULL;
}

static void solicited(struct ks_main *m, const struct ks_conf *c, struct ks_pkt *p,
		      const struct nd *nd, ks_ms now)
{
	const struct ks_local *l = ks_conf_local6(c, &nd->target);
	bool ours = l != NULL && l->port == p->in_port;

	if (!ours || !ks_is_held(&m->shared->leases, l, now)) {
		/* an address the kernel is about to take is not ours yet, and must hear of others
		 */
		if (!ours && ks_addr_unset(&nd->src))
			m->io.kni(m->io.ctx, p);
		else
			ks_main_drop(m, p, ours ? KS_DROP_LEASE : KS_DROP_ARP_NOT_OURS);
		return;
	}
	if (nd->has_mac && !ks_addr_unset(&nd->src))
		ks_resolve_learn(m, c, p->in_port, 6, &nd->src, nd->mac,
				 belongs(c, p->in_port, &nd->src), now);
	answer(m, c, p->in_port, nd, p->data + 6);
	m->io.release(m->io.ctx, p);
}

static void advertised(struct ks_main *m, const struct ks_conf *c, struct ks_pkt *p,
		       const struct nd *nd, ks_ms now)
{
	const struct ks_local *l = ks_main_local(m, c, 6, &nd->target, now);
	const uint8_t *mac = nd->has_mac ? nd->mac : p->data + 6;

	if (l != NULL && l->port == p->in_port) {
		if (ks_main_conflict(m, c, l, mac, now))
			ks_nd_announce(m, c, p->in_port, &l->addr);
	} else if (l == NULL) {
		ks_resolve_learn(m, c, p->in_port, 6, &nd->target, mac, false, now);
	}
	m->io.kni(m->io.ctx, p);
}

void ks_nd_input(struct ks_main *m, const struct ks_conf *c, struct ks_pkt *p, ks_ms now)
{
	struct nd nd;

	if (p->in_port >= c->n_ports || !parse(p, &nd))
		ks_main_drop(m, p, KS_DROP_ARP_HEADER);
	else if (ks_main_own_mac(c, p->data + 6))
		ks_main_drop(m, p, KS_DROP_LOOP);
	else if (nd.type == KS_ICMP6_NS)
		solicited(m, c, p, &nd, now);
	else
		advertised(m, c, p, &nd, now);
}
