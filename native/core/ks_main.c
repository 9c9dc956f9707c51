/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main lcore's packets. Received ARP is answered
 * when the target is an address of this node, is used to learn neighbours, and is checked for
 * address conflicts. ARP that concerns the kernel goes on to its interface. Frames whose next hop
 * is not resolved go to ks_resolve. A leased VIP that is not held is treated as an address that is
 * not ours (ks_lease.c).
 */
#include "ks_main.h"

#include <stdio.h>
#include <string.h>

#include "ks_arp.h"
#include "ks_hdr.h"
#include "ks_hops.h"
#include "ks_resolve.h"

#define CONFLICT_TELL_MS   1000u
#define DEFEND_INTERVAL_MS 10000u /* RFC 5227 §1.1 */

struct ks_main *ks_main_new(const struct ks_mem *mem, struct ks_shared *shared,
			    const struct ks_main_io *io, uint64_t *counters)
{
	struct ks_main *m = mem->alloc(mem->ctx, sizeof(*m), 64);

	if (m == NULL)
		return NULL;
	m->mem = *mem;
	m->shared = shared;
	m->io = *io;
	m->counters = counters;
	if (!ks_neigh_table_init(&shared->neigh, mem) || !ks_leases_init(&shared->leases, mem) ||
	    !ks_resolve_init(m) || !ks_lease_init(m)) {
		ks_main_free(m);
		return NULL;
	}
	return m;
}

void ks_main_free(struct ks_main *m)
{
	if (m == NULL)
		return;
	ks_lease_fini(m);
	ks_resolve_fini(m);
	ks_leases_free(&m->shared->leases, &m->mem);
	ks_neigh_table_free(&m->shared->neigh, &m->mem);
	m->mem.free(m->mem.ctx, m);
}

void ks_main_drop(struct ks_main *m, struct ks_pkt *p, enum ks_drop reason)
{
	m->counters[KS_C_DROP_FIRST + reason]++;
	p->verdict = KS_V_DROP;
	p->reason = (uint8_t)reason;
	m->io.release(m->io.ctx, p);
}

void ks_main_tx(struct ks_main *m, struct ks_pkt *p, uint8_t port)
{
	p->verdict = KS_V_TX;
	p->out_port = port;
	m->counters[KS_C_TX_PACKETS]++;
	m->counters[KS_C_TX_BYTES] += p->len;
	m->io.send(m->io.ctx, p);
}

/* Sends an ARP request. False: there is no buffer. */
bool ks_main_arp(struct ks_main *m, const struct ks_conf *c, uint8_t port, const uint8_t dst[6],
		 ks_be32 spa, const uint8_t tha[6], ks_be32 tpa)
{
	struct ks_arp arp = { .op = KS_ARP_REQUEST, .spa = spa, .tpa = tpa };
	struct ks_pkt p = { 0 };

	if (!m->io.alloc(m->io.ctx, &p)) {
		m->counters[KS_C_DROP_FIRST + KS_DROP_NO_BUFFER]++;
		return false;
	}
	if (p.tailroom < KS_ETH_MIN) {
		ks_main_drop(m, &p, KS_DROP_NO_BUFFER);
		return false;
	}
	memcpy(arp.sha, c->port[port].mac, 6);
	memcpy(arp.tha, tha, 6);
	ks_arp_write(p.data, dst, c->port[port].mac, &arp);
	p.len = KS_ETH_MIN;
	p.tailroom = (uint16_t)(p.tailroom - KS_ETH_MIN);
	p.flags = 0;
	p.in_port = port;
	ks_main_tx(m, &p, port);
	return true;
}

/* ---- announcements --------------------------------------------------------------------------------------------- */

int ks_main_garp(struct ks_main *m, const struct ks_conf *c, uint8_t port, uint8_t af,
		 const union ks_addr *addr, unsigned repeat, ks_ms now)
{
	const struct ks_local *l;

	l = ks_conf_local(c, af, addr);
	if (l == NULL || l->port != port)
		return KS_E_NOT_FOUND;
	if (!ks_is_held(&m->shared->leases, l, now)) {
		m->counters[KS_C_DROP_FIRST + KS_DROP_LEASE]++;
		return KS_E_STATE;
	}
	for (unsigned i = 0; i < (repeat > 0 ? repeat : 1); i++) {
		if (af == 6)
			ks_nd_announce(m, c, port, addr);
		else
			ks_main_arp(m, c, port, ks_mac_broadcast, addr->v4, ks_mac_broadcast,
				    addr->v4);
	}
	return KS_OK;
}

/* ---- ARP in ---------------------------------------------------------------------------------------------------- */

bool ks_main_own_mac(const struct ks_conf *c, const uint8_t mac[6])
{
	for (uint32_t i = 0; i < c->n_ports; i++)
		if (memcmp(c->port[i].mac, mac, 6) == 0)
			return true;
	return false;
}

/* Another host sends with an address of this node (RFC 5227 §2.4): reported at most once a second
 * for each address. An address that belongs to this node alone is defended with one announcement
 * every DEFEND_INTERVAL_MS. A leased VIP is not defended: VRRP decides who owns it. */
bool ks_main_conflict(struct ks_main *m, const struct ks_conf *c, const struct ks_local *l,
		      const uint8_t mac[6], ks_ms now)
{
	uint64_t h = (l->addr.q[0] ^ l->addr.q[1]) * 0x9e3779b97f4a7c15ull;
	struct ks_conflict *slot = &m->conflict[h >> 58];
	struct ks_event e = { .type = KS_EV_ADDR_CONFLICT, .af = l->af };

	if (memcmp(&slot->addr, &l->addr, sizeof(slot->addr)) != 0)
		*slot = (struct ks_conflict){ .addr = l->addr };
	else if (slot->told_at != 0 && now - slot->told_at < CONFLICT_TELL_MS)
		return false;
	slot->told_at = now;
	memcpy(e.dev, c->port[l->port].dev, sizeof(e.dev));
	memcpy(e.addr, l->addr.b, sizeof(e.addr));
	snprintf(e.text, sizeof(e.text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	m->io.event(m->io.ctx, &e);
	if ((l->flags & KS_LOCAL_VIP) != 0 ||
	    (slot->defended_at != 0 && now - slot->defended_at < DEFEND_INTERVAL_MS))
		return false;
	slot->defended_at = now;
	return true;
}

static void defend(struct ks_main *m, const struct ks_conf *c, const struct ks_local *l,
		   const uint8_t mac[6], ks_ms now)
{
	if (ks_main_conflict(m, c, l, mac, now))
		ks_main_arp(m, c, l->port, ks_mac_broadcast, l->addr.v4, ks_mac_broadcast,
			    l->addr.v4);
}

static void answer(struct ks_main *m, const struct ks_conf *c, struct ks_pkt *p,
		   const struct ks_arp *ask)
{
	const uint8_t *mac = c->port[p->in_port].mac;
	struct ks_arp arp = { .op = KS_ARP_REPLY, .spa = ask->tpa, .tpa = ask->spa };
	uint8_t frame[KS_ETH_MIN];
	uint16_t room = (uint16_t)(p->len + p->tailroom);

	memcpy(arp.sha, mac, 6);
	memcpy(arp.tha, ask->sha, 6);
	ks_arp_write(frame, ask->sha, mac, &arp);
	p->len = room < KS_ETH_MIN ? KS_ARP_FRAME : KS_ETH_MIN;
	p->tailroom = (uint16_t)(room - p->len);
	p->flags = 0;
	memcpy(p->data, frame, p->len);
	ks_main_tx(m, p, p->in_port);
}

/* Can a neighbour with that address be on that port? Only a next hop that routes lead to gets an
 * entry. */
static bool belongs(const struct ks_conf *c, uint8_t port, ks_be32 addr)
{
	return ks_route_by_port(ks_conf_route4(c, addr), port) != NULL;
}

static void arp_input(struct ks_main *m, const struct ks_conf *c, struct ks_pkt *p, ks_ms now)
{
	const struct ks_local *sender, *target;
	union ks_addr spa;
	struct ks_arp arp;
	bool ours, gratuitous;

	if (!ks_arp_parse(p->data, p->len, &arp) || (arp.sha[0] & 1) != 0 ||
	    p->in_port >= c->n_ports) {
		ks_main_drop(m, p, KS_DROP_ARP_HEADER);
		return;
	}
	if (ks_main_own_mac(c, arp.sha)) {
		ks_main_drop(m, p, KS_DROP_LOOP);
		return;
	}
	spa = ks_addr4(arp.spa);
	sender = arp.spa != 0 ? ks_main_local(m, c, 4, &spa, now) : NULL;
	target = ks_conf_local4(c, arp.tpa);
	ours = target != NULL && target->port == p->in_port &&
		ks_is_held(&m->shared->leases, target, now);
	gratuitous = arp.spa == arp.tpa;

	/* RFC 826: merge first, whatever the operation; a new entry only when we are the target. */
	if (sender != NULL && sender->port == p->in_port)
		defend(m, c, sender, arp.sha, now);
	else if (sender == NULL && arp.spa != 0)
		ks_resolve_learn(m, c, p->in_port, 4, &spa, arp.sha,
				 ours && belongs(c, p->in_port, arp.spa), now);

	if (arp.op == KS_ARP_REPLY || gratuitous)
		m->io.kni(m->io.ctx, p);
	else if (ours)
		answer(m, c, p, &arp);
	else
		ks_main_drop(m, p,
			     target != NULL && target->port == p->in_port ? KS_DROP_LEASE
									  : KS_DROP_ARP_NOT_OURS);
}

/* ---- frames without a next hop --------------------------------------------------------------------------------- */

/* The address to resolve: the frame's destination, or the real server it is forwarded to (p->via).
 * False: the frame is truncated, or that real server no longer exists. */
static bool destination(const struct ks_conf *c, const struct ks_pkt *p, uint8_t *af,
			union ks_addr *dst)
{
	const uint8_t *ip = p->data + KS_ETH_LEN;
	const struct ks_rs *rs;

	*af = p->data[12] == 0x08 ? 4 : 6;
	*dst = ks_addr4(0);
	if (p->len < KS_ETH_LEN + (*af == 4 ? 20u : 40u))
		return false;
	memcpy(dst->b, ip + (*af == 4 ? 16 : 24), *af == 4 ? 4 : 16);
	if (p->via == 0)
		return true;
	rs = p->via <= c->n_rs_slots ? c->rs_by_slot[p->via - 1] : NULL;
	if (rs == NULL)
		return false;
	*dst = rs->addr;
	*af = rs->af;
	return true;
}

static bool is_group(uint8_t af, const union ks_addr *a)
{
	return af == 4 ? (a->b[0] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}

static void ip_output(struct ks_main *m, const struct ks_conf *c, struct ks_pkt *p, ks_ms now)
{
	const struct ks_route *r;
	union ks_addr dst, next;
	uint8_t af;

	if (!destination(c, p, &af, &dst)) {
		ks_main_drop(m, p, p->via != 0 ? KS_DROP_NO_ROUTE : KS_DROP_TRUNCATED);
		return;
	}
	if (ks_main_local(m, c, af, &dst, now) != NULL) {
		ks_main_drop(m, p, KS_DROP_LOOP);
		return;
	}
	r = ks_conf_route(c, af, &dst);
	if (r == NULL || ks_addr_unset(&dst) || is_group(af, &dst)) {
		ks_main_drop(m, p, KS_DROP_NO_ROUTE);
		return;
	}
	r = ks_route_pick(&m->shared->neigh, r, af, ks_hops_mix(dst.q[0] ^ dst.q[1]));
	next = ks_addr_unset(&r->gw) ? dst : r->gw;
	if (ks_main_local(m, c, af, &next, now) != NULL)
		ks_main_drop(m, p, KS_DROP_LOOP);
	else
		ks_resolve_send(m, c, r->port, af, &next, p, now);
}

/* A neighbour solicitation or advertisement. Workers pass on other IPv6 frames to be sent. */
static bool is_discovery(const struct ks_pkt *p)
{
	const struct ks_ip6 *ip = (const void *)(p->data + KS_ETH_LEN);
	uint8_t type;

	if (p->len < KS_ETH_LEN + sizeof(*ip) + sizeof(struct ks_icmp) ||
	    ip->next != KS_PROTO_ICMPV6)
		return false;
	type = p->data[KS_ETH_LEN + sizeof(*ip)];
	return type == KS_ICMP6_NS || type == KS_ICMP6_NA;
}

void ks_main_packet(struct ks_main *m, const struct ks_conf *c, struct ks_pkt *p, ks_ms now)
{
	ks_resolve_conf(m, c, now);
	if (p->len < KS_ETH_LEN)
		ks_main_drop(m, p, KS_DROP_TRUNCATED);
	else if (p->data[12] == 0x08 && p->data[13] == 0x06)
		arp_input(m, c, p, now);
	else if (p->data[12] == 0x86 && p->data[13] == 0xdd && is_discovery(p))
		ks_nd_input(m, c, p, now);
	else if ((p->data[12] == 0x08 && p->data[13] == 0x00) ||
		 (p->data[12] == 0x86 && p->data[13] == 0xdd))
		ip_output(m, c, p, now);
	else
		ks_main_drop(m, p, KS_DROP_ETHERTYPE);
}

void ks_main_neigh_set(struct ks_main *m, const struct ks_conf *c, uint8_t port, uint8_t af,
		       const union ks_addr *addr, const uint8_t mac[6], bool is_static, ks_ms now)
{
	if (port >= c->n_ports || ks_main_local(m, c, af, addr, now) != NULL)
		return;
	if (is_static)
		ks_resolve_static(m, c, port, af, addr, mac, false, now);
	else
		ks_resolve_learn(m, c, port, af, addr, mac, true, now);
}

void ks_main_tick(struct ks_main *m, const struct ks_conf *c, ks_ms now)
{
	ks_resolve_conf(m, c, now);
	ks_lease_tick(m, c, now);
	ks_resolve_tick(m, c, now);
}

ks_ms ks_main_deadline(const struct ks_main *m)
{
	ks_ms lease = ks_lease_deadline(m);

	return lease < m->next_due ? lease : m->next_due;
}
