/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of a session: state, rewriting of addresses and ports with their checksums, next hop. */
#include "ks_hops.h"
#include "ks_sctp.h"
#include "ks_tcp.h"
#include "ks_worker_int.h"
#include "ks_write.h"

#define XLAT_GROWTH 20u /* bytes a packet is longer as IPv6 */

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

static uint16_t find_next_hop(struct ks_worker *w, const struct ks_route *r, uint8_t af,
			      const union ks_addr *dst)
{
	return ks_neigh_find(&w->shared->neigh, r->port, af, ks_addr_unset(&r->gw) ? dst : &r->gw);
}

/* The route, and of several equal ways the flow's. */
static const struct ks_route *way_to(struct ks_worker *w, const struct ks_conf *c, uint8_t af,
				     const union ks_addr *dst, uint64_t flow)
{
	const struct ks_route *r = ks_conf_route(c, af, dst);

	return r == NULL ? NULL : ks_route_pick(&w->shared->neigh, r, af, flow);
}

void ks_route_out(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, uint8_t af,
		  const union ks_addr *dst, ks_ms now)
{
	const struct ks_route *r = way_to(w, c, af, dst, ks_hops_mix(dst->q[0] ^ dst->q[1]));
	uint16_t nh;

	if (r == NULL) {
		ks_drop(w, p, KS_DROP_NO_ROUTE);
		return;
	}
	nh = find_next_hop(w, r, af, dst);
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

/* The other end of a side: whom a packet that arrives from `dir` comes from. */
static union ks_addr far_end(const struct ks_session *s, unsigned dir)
{
	return ks_session_af(s, dir) == 4
		? ks_addr4(s->key[dir].src)
		: ((const struct ks_wide *)(const void *)s)->addr[dir][KS_SRC];
}

/* What a session chooses its ways by, for as long as it lives. */
static uint64_t flow_of(const struct ks_session *s)
{
	const struct ks_key k = ks_session_key(s, KS_IN);

	return ks_key_flow(&k);
}

static unsigned ip_header(uint8_t af)
{
	return af == 4 ? sizeof(struct ks_ip4) : sizeof(struct ks_ip6);
}

/* The real server answers past us: only the way to it matters. Direct routing leaves the packet's
 * destination as it is, so the real server itself must be the next hop; a tunnel takes some of the
 * room. */
__attribute__((noinline, cold)) static bool refresh_one_way(struct ks_worker *w,
							    const struct ks_conf *c,
							    struct ks_session *s)
{
	union ks_addr rs = far_end(s, KS_OUT), src;
	const struct ks_holding held = ks_holding_of(w);
	uint8_t af = ks_session_af(s, KS_OUT);
	const struct ks_route *r = way_to(w, c, af, &rs, flow_of(s));

	if (r == NULL || (s->fwd == KS_FWD_DR && !ks_addr_unset(&r->gw)))
		return false;
	s->nh[KS_IN] = find_next_hop(w, r, af, &rs);
	s->mtu = r->mtu;
	if (s->fwd == KS_FWD_TUN) {
		unsigned taken_up = ip_header(af) + ks_tunnel_extra(s);

		if (r->mtu <= taken_up)
			return false;
		s->mtu = (uint16_t)(r->mtu - taken_up);
		src = ks_addr_unset(&r->src) || !ks_conf_may_speak(c, &held, af, &r->src)
			? ks_conf_source(c, &held, r->port, af, &rs)
			: r->src;
		if (af == 4)
			s->key[KS_OUT].dst = src.v4;
		else
			ks_wide(s)->addr[KS_OUT][KS_DST] = src;
	}
	s->epoch = (uint16_t)c->epoch;
	return true;
}

/* Room on a side in bytes as the client's side counts them: between the families a packet is 20
 * bytes longer as IPv6. */
static uint32_t room(const struct ks_session *s, unsigned dir, uint16_t mtu)
{
	bool crosses = ks_session_af(s, KS_IN) != ks_session_af(s, KS_OUT);

	return mtu + (crosses && ks_session_af(s, dir) == 4 ? XLAT_GROWTH : 0u);
}

/* Look both ways up again: a route, an address or a port has changed, or the session is new. */
__attribute__((noinline, cold)) static bool refresh_ways(struct ks_worker *w,
							 const struct ks_conf *c,
							 struct ks_session *s)
{
	union ks_addr rs = far_end(s, KS_OUT), client = far_end(s, KS_IN);
	const struct ks_route *to_rs, *to_client;
	uint64_t flow = flow_of(s);
	uint32_t a, b;

	if (s->flags & KS_SF_ONE_WAY)
		return refresh_one_way(w, c, s);
	to_rs = way_to(w, c, ks_session_af(s, KS_OUT), &rs, flow);
	to_client = way_to(w, c, ks_session_af(s, KS_IN), &client, flow);
	if (to_rs == NULL || to_client == NULL)
		return false;
	s->nh[KS_IN] = find_next_hop(w, to_rs, ks_session_af(s, KS_OUT), &rs);
	s->nh[KS_OUT] = find_next_hop(w, to_client, ks_session_af(s, KS_IN), &client);
	a = room(s, KS_OUT, to_rs->mtu);
	b = room(s, KS_IN, to_client->mtu);
	a = a < b ? a : b;
	s->mtu = (uint16_t)(a < UINT16_MAX ? a : UINT16_MAX);
	s->epoch = (uint16_t)c->epoch;
	return true;
}

/* What a packet takes of s->mtu. */
static inline uint32_t taken(const struct ks_pkt *p, const struct ks_session *s)
{
	if (__builtin_expect(s->flags & KS_SF_WIDE, 0) && !(s->flags & KS_SF_ONE_WAY) &&
	    ks_session_af(s, KS_IN) != ks_session_af(s, KS_OUT) && p->af == 4)
		return p->l3_len + XLAT_GROWTH + (p->frag != KS_FRAG_NONE ? KS_FRAGMENT_LEN : 0);
	return p->l3_len;
}

/* The room to name to the sender of a packet that is too big. */
static uint16_t told_mtu(const struct ks_pkt *p, const struct ks_session *s)
{
	return (uint16_t)(s->mtu - (taken(p, s) - p->l3_len));
}

/* An echo has no ports but one identifier, which stands in both keys where a port would. */
__attribute__((noinline, cold)) static void update_echo(struct ks_pkt *p,
							const struct ks_tuple *back,
							uint16_t l4_delta)
{
	struct ks_icmp *icmp = (void *)(p->data + p->l4);
	uint16_t id = back->sport | back->dport;

	memcpy(icmp->rest, &id, sizeof(id));
	icmp->csum = ks_csum_update(icmp->csum, l4_delta);
	if (icmp->csum == 0) /* right but for a message all of zeros, where 0xffff alone is */
		icmp->csum = 0xffff;
}

static inline void update_transport(struct ks_pkt *p, const struct ks_session *s, unsigned dir)
{
	uint16_t l4_delta = dir == KS_IN ? s->l4_delta : ks_csum_negate(s->l4_delta);
	const struct ks_tuple *back = &s->key[!dir];
	uint8_t *l4 = p->data + p->l4;
	uint16_t *csum = (uint16_t *)(void *)(l4 + (p->proto == KS_PROTO_TCP ? 16 : 6));
	uint32_t ports; /* both, turned round in a register */

	if (__builtin_expect(p->frag == KS_FRAG_LATER, 0))
		return; /* it has neither ports nor checksum */
	if (__builtin_expect(ks_is_icmp(p->proto), 0)) {
		update_echo(p, back, l4_delta);
		return;
	}
	if (__builtin_expect(p->proto == KS_PROTO_SCTP, 0)) {
		ks_sctp_set_ports(l4, ks_l4_len(p), (uint16_t[2]){ back->dport, back->sport });
		return;
	}
	memcpy(&ports, &back->sport, 4);
	ports = ports << 16 | ports >> 16;
	memcpy(l4, &ports, 4);
	if (p->proto == KS_PROTO_TCP) {
		*csum = ks_csum_update(*csum, l4_delta);
	} else if (*csum != 0) {
		uint16_t v = ks_csum_update(*csum, l4_delta);

		*csum = v == 0 ? 0xffff : v; /* RFC 768: 0 would mean none */
	}
}

/* The source and destination a packet leaves with are those the other direction arrives with,
 * swapped. */
static inline void rewrite4(struct ks_pkt *p, const struct ks_session *s, unsigned dir)
{
	struct ks_ip4 *ip = ks_ip(p);
	const struct ks_tuple *back = &s->key[!dir];
	uint16_t ip_delta = dir == KS_IN ? s->ip_delta : ks_csum_negate(s->ip_delta);
	uint32_t sum =
		(uint32_t)ip_delta + 0xfffe; /* TTL, the low byte of its word as loaded, minus 1 */
	uint32_t addr[2] = { back->dst, back->src };

	ip->ttl--;
	ip->csum = ks_csum_update(ip->csum, ks_csum_fold(sum));
	memcpy((uint8_t *)ip + 12, addr, 8);
	update_transport(p, s, dir);
}

/* UDP without a checksum is no IPv6 packet: it gets one. */
static void complete_udp(struct ks_pkt *p, const union ks_addr *src, const union ks_addr *dst)
{
	struct ks_udp *udp = (void *)(p->data + p->l4);
	uint16_t len = ks_l4_len(p);

	if (p->proto != KS_PROTO_UDP || udp->csum != 0)
		return;
	udp->csum = ks_csum_finish(ks_csum_add(ks_csum_pseudo6(src->b, dst->b, p->proto, len),
					       (const uint8_t *)udp, len));
	if (udp->csum == 0)
		udp->csum = 0xffff;
}

static inline void rewrite6(struct ks_pkt *p, struct ks_session *s, unsigned dir)
{
	const union ks_addr *back = ks_wide(s)->addr[!dir];
	struct ks_ip6 *ip = ks_ip6(p);

	ip->hop--;
	memcpy(ip->src, back[KS_DST].b, 16);
	memcpy(ip->dst, back[KS_SRC].b, 16);
	update_transport(p, s, dir);
}

/* Into the other family. false = no room in front for the longer header. */
/* A first fragment of UDP without a checksum cannot get one, as the rest is not here: it goes no
 * further (RFC 7915 §4.5). */
__attribute__((noinline, cold)) static bool translate_fragment(struct ks_pkt *p,
							       struct ks_session *s, unsigned dir)
{
	const union ks_addr *back = ks_wide(s)->addr[!dir];
	const struct ks_udp *udp = (const void *)(p->data + p->l4);

	if (p->af == 4 && p->frag == KS_FRAG_FIRST && p->proto == KS_PROTO_UDP && udp->csum == 0)
		return false;
	if (p->af == 4 && p->headroom < XLAT_GROWTH + KS_FRAGMENT_LEN)
		return false;
	update_transport(p, s, dir);
	if (p->af == 6)
		ks_xlat_fragment_6to4(p, s->key[!dir].dst, s->key[!dir].src);
	else
		ks_xlat_fragment_4to6(p, &back[KS_DST], &back[KS_SRC]);
	return true;
}

__attribute__((noinline)) static bool translate(struct ks_pkt *p, struct ks_session *s,
						unsigned dir)
{
	const union ks_addr *back = ks_wide(s)->addr[!dir];

	if (p->frag != KS_FRAG_NONE)
		return translate_fragment(p, s, dir);
	update_transport(p, s, dir);
	if (p->af == 6) {
		ks_xlat_6to4(p, s->key[!dir].dst, s->key[!dir].src);
		return true;
	}
	if (p->headroom < XLAT_GROWTH)
		return false;
	ks_xlat_4to6(p, &back[KS_DST], &back[KS_SRC]);
	complete_udp(p, &back[KS_DST], &back[KS_SRC]);
	return true;
}

static inline void decrement_ttl(struct ks_pkt *p)
{
	struct ks_ip4 *ip = ks_ip(p);

	if (p->af == 6) {
		ks_ip6(p)->hop--;
		return;
	}
	ip->ttl--;
	ip->csum = ks_csum_update(ip->csum, 0xfffe); /* the low byte of its word as loaded */
}

/* ks_encapsulate for plain IPv4 in IPv4, which is most tunnels: the outer header is the inner one's
 * first word with another length, and a second word. */
static inline bool encapsulate_4in4(struct ks_pkt *p, const struct ks_session *s)
{
	const uint16_t n = sizeof(struct ks_ip4);
	const ks_be16 type = ks_hton16(KS_ETHERTYPE_IPV4);
	const struct ks_ip4 *inner = ks_ip(p);
	struct ks_ip_fields outer = { .tos = inner->tos,
				      .ttl = inner->ttl,
				      .proto = KS_PROTO_IPIP,
				      .len = (uint16_t)(p->l3_len + n),
				      .id = inner->id,
				      .frag = (ks_be16)(inner->frag & ks_hton16(KS_IP4_DF)) };
	uint8_t *data = p->data - n;

	if (p->headroom < n)
		return false;
	p->data = data;
	p->headroom = (uint16_t)(p->headroom - n);
	p->len = (uint16_t)(p->len + n);
	p->l4 = (uint16_t)(p->l4 + n);
	p->l3_len = outer.len;
	memcpy(data + 12, &type, 2);
	ks_write_ip4(data + KS_ETH_LEN, &outer, s->key[KS_OUT].dst, s->key[KS_OUT].src);
	return true;
}

/* The packet as the other side must see it; false = it cannot be made. */
static inline bool transform(struct ks_pkt *p, struct ks_session *s, unsigned dir)
{
	const unsigned six = KS_SF_V6 << KS_IN | KS_SF_V6 << KS_OUT;

	if (__builtin_expect(!(s->flags & (KS_SF_ONE_WAY | KS_SF_WIDE)), 1)) {
		rewrite4(p, s, dir);
		return true;
	}
	if (s->flags & KS_SF_ONE_WAY) {
		decrement_ttl(p);
		if (s->fwd == KS_FWD_DR)
			return true;
		return s->flags & six || s->key[KS_OUT].dport != 0 ? ks_encapsulate(p, s)
								   : encapsulate_4in4(p, s);
	}
	if ((s->flags & six) != six)
		return translate(p, s, dir);
	rewrite6(p, s, dir);
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
	} else if (p->proto == KS_PROTO_SCTP) {
		state = ks_sctp_next(state, (s->flags & KS_SF_ONE_WAY) != 0, p->tcp_flags);
	} else if (dir == KS_OUT && p->proto == KS_PROTO_UDP && !(s->flags & KS_SF_ONE_PACKET)) {
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
	svc = ks_session_svc(c, s);
	return svc != NULL && svc->flags & KS_SVC_EXPIRE_QUIESCENT;
}

/* Its sender is told at once, so that a client begins anew elsewhere without a wait. */
__attribute__((noinline, cold)) static void end_quiescent(struct ks_worker *w,
							  const struct ks_conf *c, struct ks_pkt *p,
							  struct ks_session *s, ks_ms now)
{
	ks_close(w, s);
	if (p->proto == KS_PROTO_TCP && p->frag != KS_FRAG_LATER)
		ks_tcp_reset(w, c, p, KS_DROP_QUIESCENT, now);
	else
		ks_drop(w, p, KS_DROP_QUIESCENT);
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

/* Its sender is told, but for fragments other than the first (RFC 1122 §3.2.2). */
__attribute__((noinline, cold)) static void cannot_go_on(struct ks_worker *w,
							 const struct ks_conf *c, struct ks_pkt *p,
							 const struct ks_session *s, ks_ms now)
{
	bool late = ks_ttl(p) <= 1;

	if (p->frag == KS_FRAG_LATER)
		ks_drop(w, p, late ? KS_DROP_TTL : KS_DROP_TOO_BIG);
	else if (late)
		ks_time_exceeded(w, c, p, now);
	else
		ks_too_big(w, c, p, told_mtu(p, s), now);
}

void ks_forward(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
		struct ks_session *s, unsigned dir, ks_ms now)
{
	unsigned parts = 0; /* MTU to fragment for; 0 = it fits */
	uint64_t *rs;

	if (is_quiescent(c, s)) {
		end_quiescent(w, c, p, s, now);
		return;
	}
	if (s->epoch != (uint16_t)c->epoch && !refresh_ways(w, c, s)) {
		ks_drop(w, p, KS_DROP_NO_ROUTE);
		return;
	}
	if (__builtin_expect(ks_ttl(p) <= 1 || taken(p, s) > s->mtu, 0)) {
		if (ks_ttl(p) <= 1 || !ks_can_split(w, p, s, dir)) {
			cannot_go_on(w, c, p, s, now);
			return;
		}
		parts = s->mtu + (s->fwd == KS_FWD_TUN ? ip_header(4) + ks_tunnel_extra(s) : 0);
	}
	s->last_seen = (uint32_t)now;
	if (__builtin_expect(p->frag != KS_FRAG_LATER, 1))
		follow_state(w, c, p, s, dir, now);
	rs = ks_rs_row(w, s->rs_slot);
	rs[dir == KS_IN ? KS_RSC_IN_PACKETS : KS_RSC_OUT_PACKETS]++;
	rs[dir == KS_IN ? KS_RSC_IN_BYTES : KS_RSC_OUT_BYTES] += p->l3_len;
	if (!transform(p, s, dir)) {
		ks_drop(w, p, p->frag != KS_FRAG_NONE ? KS_DROP_FRAGMENT : KS_DROP_TOO_BIG);
		return;
	}
	send_on(w, c, p, s, dir, now);
	if (__builtin_expect(parts != 0, 0))
		ks_split(w, p, parts);
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
