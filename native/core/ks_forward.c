/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of a session: state, rewriting of addresses and ports with their checksums, next hop. */
#include "ks_tcp.h"
#include "ks_worker_int.h"

/* Ethernet header and way out by a next hop that is known. */
static inline bool fill_ethernet(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
				 uint16_t nh, ks_ms now)
{
	struct ks_neigh_hot *hot = &w->shared->neigh.hot[nh];
	uint64_t word = atomic_load_explicit(&hot->word, memory_order_acquire);
	uint32_t second = (uint32_t)(now / 1000);
	uint8_t port = ks_nh_port(word);

	if (!ks_nh_usable(word) || port >= c->n_ports)
		return false;
	if (atomic_load_explicit(&hot->used_at, memory_order_relaxed) != second)
		atomic_store_explicit(&hot->used_at, second, memory_order_relaxed);
	memcpy(p->data, &word, 6); /* bits 0-47 are the MAC in its order */
	memcpy(p->data + 6, c->port[port].mac, 6);
	p->out_port = port;
	p->verdict = KS_V_TX;
	return true;
}

static void to_main(struct ks_worker *w, struct ks_pkt *p, uint16_t nh)
{
	p->verdict = KS_V_MAIN;
	p->nh = nh;
	p->via = 0;
	w->c[KS_C_MAIN_PACKETS]++;
}

static uint16_t find_next_hop(struct ks_worker *w, const struct ks_route *r, ks_be32 dst)
{
	return ks_neigh_find4(&w->shared->neigh, r->port, r->gw.v4 != 0 ? r->gw.v4 : dst);
}

void ks_route_out(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, ks_be32 dst,
		  ks_ms now)
{
	const struct ks_route *r = ks_conf_route4(c, dst);
	uint16_t nh;

	if (r == NULL) {
		ks_drop(w, p, KS_DROP_NO_ROUTE);
		return;
	}
	nh = find_next_hop(w, r, dst);
	if (nh == KS_NH_NONE || !fill_ethernet(w, c, p, nh, now))
		to_main(w, p, nh);
}

void ks_return(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p)
{
	(void)w;
	memcpy(p->data, p->data + 6, 6);
	memcpy(p->data + 6, c->port[p->in_port].mac, 6);
	p->out_port = p->in_port;
	p->verdict = KS_V_TX;
}

/* The real server answers past us: only the way to it matters. Direct routing leaves the packet's
 * destination as it is, so the real server itself must be the next hop; a tunnel takes some of the
 * room. */
static bool refresh_one_way(struct ks_worker *w, const struct ks_conf *c, struct ks_session *s)
{
	ks_be32 rs = s->key[KS_OUT].src;
	const struct ks_route *r = ks_conf_route4(c, rs);

	if (r == NULL || (s->fwd == KS_FWD_DR && r->gw.v4 != 0))
		return false;
	s->nh[KS_IN] = find_next_hop(w, r, rs);
	s->mtu = r->mtu;
	if (s->fwd == KS_FWD_TUN) {
		if (r->mtu <= sizeof(struct ks_ip4))
			return false;
		s->mtu = (uint16_t)(r->mtu - sizeof(struct ks_ip4));
		s->key[KS_OUT].dst = r->src.v4 != 0 ? r->src.v4 : ks_conf_source4(c, r->port, rs);
	}
	s->epoch = (uint16_t)c->epoch;
	return true;
}

/* Look both ways up again: a route, an address or a port has changed, or the session is new. */
static bool refresh_ways(struct ks_worker *w, const struct ks_conf *c, struct ks_session *s)
{
	const struct ks_route *to_rs = ks_conf_route4(c, s->key[KS_OUT].src);
	const struct ks_route *to_client = ks_conf_route4(c, s->key[KS_IN].src);

	if (s->flags & KS_SF_ONE_WAY)
		return refresh_one_way(w, c, s);
	if (to_rs == NULL || to_client == NULL)
		return false;
	s->nh[KS_IN] = find_next_hop(w, to_rs, s->key[KS_OUT].src);
	s->nh[KS_OUT] = find_next_hop(w, to_client, s->key[KS_IN].src);
	s->mtu = to_rs->mtu < to_client->mtu ? to_rs->mtu : to_client->mtu;
	s->epoch = (uint16_t)c->epoch;
	return true;
}

/* The source and destination a packet leaves with are those the other direction arrives with,
 * swapped. */
static inline void rewrite(struct ks_pkt *p, const struct ks_session *s, unsigned dir)
{
	struct ks_ip4 *ip = ks_ip(p);
	const struct ks_tuple *back = &s->key[!dir];
	uint16_t ip_delta = dir == KS_IN ? s->ip_delta : ks_csum_negate(s->ip_delta);
	uint16_t l4_delta = dir == KS_IN ? s->l4_delta : ks_csum_negate(s->l4_delta);
	uint32_t sum =
		(uint32_t)ip_delta + 0xfffe; /* TTL, the low byte of its word as loaded, minus 1 */
	uint8_t *l4 = p->data + p->l4;
	uint16_t *csum = (uint16_t *)(void *)(l4 + (p->proto == KS_PROTO_TCP ? 16 : 6));
	uint32_t addr[2] = { back->dst, back->src };
	uint16_t port[2] = { back->dport, back->sport };

	ip->ttl--;
	ip->csum = ks_csum_update(ip->csum, ks_csum_fold(sum));
	memcpy((uint8_t *)ip + 12, addr, 8);
	memcpy(l4, port, 4);
	if (p->proto == KS_PROTO_TCP) {
		*csum = ks_csum_update(*csum, l4_delta);
	} else if (*csum != 0) {
		uint16_t v = ks_csum_update(*csum, l4_delta);

		*csum = v == 0 ? 0xffff : v; /* RFC 768: 0 would mean none */
	}
}

static inline void decrement_ttl(struct ks_ip4 *ip)
{
	ip->ttl--;
	ip->csum = ks_csum_update(ip->csum, 0xfffe); /* the low byte of its word as loaded */
}

/* IPv4 in IPv4 (RFC 2003): an outer header from us to the real server; false = no room for it. */
static bool encapsulate(struct ks_pkt *p, const struct ks_session *s)
{
	const struct ks_ip4 *inner = ks_ip(p);
	struct ks_ip4 outer = {
		.ver_ihl = 0x45,
		.tos = inner->tos,
		.len = ks_hton16((uint16_t)(p->l3_len + sizeof(outer))),
		.id = inner->id,
		.frag = inner->frag & ks_hton16(KS_IP4_DF),
		.ttl = inner->ttl,
		.proto = KS_PROTO_IPIP,
		.src = s->key[KS_OUT].dst,
		.dst = s->key[KS_OUT].src,
	};

	if (p->headroom < sizeof(outer))
		return false;
	outer.csum = ks_csum_finish(ks_csum_add(0, (const uint8_t *)&outer, sizeof(outer)));
	p->data -= sizeof(outer);
	p->headroom = (uint16_t)(p->headroom - sizeof(outer));
	p->len = (uint16_t)(p->len + sizeof(outer));
	p->l3_len = (uint16_t)(p->l3_len + sizeof(outer));
	p->l4 = (uint16_t)(p->l4 + sizeof(outer));
	memset(p->data, 0, 12);
	memcpy(p->data + 12, &(ks_be16){ ks_hton16(KS_ETHERTYPE_IPV4) }, 2);
	memcpy(p->data + KS_ETH_LEN, &outer, sizeof(outer));
	return true;
}

/* The packet as the other side must see it; false = it cannot be made. */
static inline bool transform(struct ks_pkt *p, const struct ks_session *s, unsigned dir)
{
	if (__builtin_expect(s->flags & KS_SF_ONE_WAY, 0)) {
		decrement_ttl(ks_ip(p));
		return s->fwd == KS_FWD_DR || encapsulate(p, s);
	}
	rewrite(p, s, dir);
	return true;
}

static inline void follow_state(struct ks_worker *w, const struct ks_conf *c,
				const struct ks_pkt *p, struct ks_session *s, unsigned dir,
				ks_ms now)
{
	uint8_t state = s->state;

	if (p->proto == KS_PROTO_TCP) {
		if (state == KS_ST_ESTABLISHED &&
		    !(p->tcp_flags & (KS_TCP_SYN | KS_TCP_FIN | KS_TCP_RST)))
			return;
		state = s->flags & KS_SF_ONE_WAY ? ks_tcp_next_one_way(state, p->tcp_flags)
						 : ks_tcp_next(state, dir, p->tcp_flags);
	} else if (dir == KS_OUT) {
		state = KS_ST_UDP_NORMAL;
	}
	if (state != s->state)
		ks_set_state(w, c, s, state, now);
}

/* A session whose real server is gone or has weight 0, of a service that wants such sessions to end
 * at once. */
static bool is_quiescent(const struct ks_conf *c, const struct ks_session *s)
{
	const struct ks_rs *rs = s->rs_slot < c->n_rs_slots ? c->rs_by_slot[s->rs_slot] : NULL;
	const struct ks_svc *svc;

	if (rs != NULL && rs->weight != 0)
		return false;
	svc = ks_conf_svc4(c, s->proto, s->key[KS_IN].dst, s->key[KS_IN].dport);
	return svc != NULL && svc->flags & KS_SVC_EXPIRE_QUIESCENT;
}

static inline void send_on(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			   struct ks_session *s, unsigned dir, ks_ms now)
{
	if (s->nh[dir] == KS_NH_NONE) /* the neighbour was not known when the way was looked up */
		refresh_ways(w, c, s);
	if (s->nh[dir] != KS_NH_NONE && fill_ethernet(w, c, p, s->nh[dir], now))
		return;
	to_main(w, p, s->nh[dir]);
	if (s->fwd == KS_FWD_DR)
		p->via = s->rs_slot + 1;
}

void ks_forward(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
		struct ks_session *s, unsigned dir, ks_ms now)
{
	const struct ks_ip4 *ip = ks_ip(p);
	uint64_t *rs;

	if (is_quiescent(c, s)) {
		ks_close(w, s);
		ks_drop(w, p, KS_DROP_QUIESCENT);
		return;
	}
	if (s->epoch != (uint16_t)c->epoch && !refresh_ways(w, c, s)) {
		ks_drop(w, p, KS_DROP_NO_ROUTE);
		return;
	}
	if (ip->ttl <= 1) {
		ks_icmp_error(w, c, p, KS_ICMP_TIME_EXCEEDED, 0, 0, KS_DROP_TTL, now);
		return;
	}
	if (p->l3_len > s->mtu) {
		ks_icmp_error(w, c, p, KS_ICMP_UNREACHABLE, KS_ICMP_FRAG_NEEDED, s->mtu,
			      KS_DROP_TOO_BIG, now);
		return;
	}
	s->last_seen = (uint32_t)now;
	follow_state(w, c, p, s, dir, now);
	rs = ks_rs_row(w, s->rs_slot);
	rs[dir == KS_IN ? KS_RSC_IN_PACKETS : KS_RSC_OUT_PACKETS]++;
	rs[dir == KS_IN ? KS_RSC_IN_BYTES : KS_RSC_OUT_BYTES] += p->l3_len;
	if (!transform(p, s, dir)) {
		ks_drop(w, p, KS_DROP_TOO_BIG);
		return;
	}
	send_on(w, c, p, s, dir, now);
}

void ks_forward_icmp(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
		     struct ks_session *s, ks_ms now)
{
	if (s->epoch != (uint16_t)c->epoch && !refresh_ways(w, c, s))
		ks_drop(w, p, KS_DROP_NO_ROUTE);
	else if (p->l3_len > s->mtu || !transform(p, s, KS_IN))
		ks_drop(w, p, KS_DROP_TOO_BIG);
	else
		send_on(w, c, p, s, KS_IN, now);
}
