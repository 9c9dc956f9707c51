/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMPv6 (RFC 4443): echo to our addresses, errors about packets of sessions, and what we say
 * ourselves. As ks_icmp.c; neighbour discovery is the main lcore's (ks_nd.c).
 */
#include "ks_worker_int.h"

#define OWN_HOP 64u
#define QUOTED  8u
/* As much of the packet as fits the smallest MTU is allowed; as much as the buffer has at hand is
 * enough for its sender to know it by. */
#define QUOTE_MAX 256u

void ks_fill_ip6(struct ks_ip6 *ip, uint16_t l4_len, uint8_t proto, const uint8_t src[16],
		 const uint8_t dst[16])
{
	*ip = (struct ks_ip6){
		.vtf = ks_hton32(6u << 28), .plen = ks_hton16(l4_len), .next = proto, .hop = OWN_HOP
	};
	memcpy(ip->src, src, 16);
	memcpy(ip->dst, dst, 16);
}

static void finish(struct ks_icmp *icmp, unsigned n, const uint8_t src[16], const uint8_t dst[16])
{
	icmp->csum = 0;
	icmp->csum =
		ks_csum_finish(ks_csum_add(ks_csum_pseudo6(src, dst, KS_PROTO_ICMPV6, (uint16_t)n),
					   (const uint8_t *)icmp, n));
}

/* As in ks_icmp.c. */
static union ks_addr own_address(const struct ks_worker *w, const struct ks_conf *c,
				 const struct ks_pkt *p)
{
	const struct ks_holding held = ks_holding_of(w);
	union ks_addr asked, sender, own;

	memcpy(asked.b, ks_ip6(p)->dst, 16);
	if (c->n_match == 0 || ks_local_now(w, c, 6, &asked) != NULL)
		return asked;
	memcpy(sender.b, ks_ip6(p)->src, 16);
	own = ks_conf_source6(c, &held, p->in_port, &sender);
	return ks_addr_unset(&own) ? asked : own;
}

void ks_icmp6_error(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, uint8_t type,
		    uint8_t code, uint32_t rest, enum ks_drop otherwise, ks_ms now)
{
	uint8_t quote[QUOTE_MAX];
	union ks_addr src, dst;
	struct ks_icmp *icmp = (void *)(p->data + KS_ETH_LEN + sizeof(struct ks_ip6));
	unsigned room = (unsigned)p->len + p->tailroom, n = p->l3_len;

	ks_drop(w, p, otherwise);
	n = n < QUOTE_MAX ? n : QUOTE_MAX;
	if (KS_ETH_LEN + sizeof(struct ks_ip6) + sizeof(*icmp) + n > room)
		n = room - (unsigned)(KS_ETH_LEN + sizeof(struct ks_ip6) + sizeof(*icmp));
	if (room < KS_ETH_LEN + sizeof(struct ks_ip6) + sizeof(*icmp) + sizeof(struct ks_ip6) +
			    QUOTED ||
	    !ks_may_tell(w, KS_TELL_ERROR, now))
		return;
	memcpy(dst.b, ks_ip6(p)->src, 16);
	src = own_address(w, c, p);
	memcpy(quote, p->data + p->l3, n);
	ks_fill_ip6((void *)(p->data + KS_ETH_LEN), (uint16_t)(sizeof(*icmp) + n), KS_PROTO_ICMPV6,
		    src.b, dst.b);
	*icmp = (struct ks_icmp){ .type = type, .code = code };
	rest = ks_hton32(rest);
	memcpy(icmp->rest, &rest, 4);
	memcpy(icmp + 1, quote, n);
	finish(icmp, (unsigned)sizeof(*icmp) + n, src.b, dst.b);
	p->len = (uint16_t)(KS_ETH_LEN + sizeof(struct ks_ip6) + sizeof(*icmp) + n);
	w->c[KS_C_ICMP_SENT]++;
	ks_return(w, c, p);
}

static void echo(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p)
{
	struct ks_ip6 *ip = ks_ip6(p);
	struct ks_icmp *icmp = (void *)(p->data + p->l4);
	uint8_t src[16];

	memcpy(src, ip->src, 16);
	memcpy(ip->src, ip->dst, 16);
	memcpy(ip->dst, src, 16);
	ip->hop = OWN_HOP;
	icmp->type = KS_ICMP6_ECHO_REPLY;
	finish(icmp, ks_l4_len(p), ip->src, ip->dst);
	w->c[KS_C_ECHO_ANSWERED]++;
	ks_return(w, c, p);
}

/* The packet an error quotes: where it lies and who a packet of the other direction would be. */
struct quoted {
	struct ks_ip6 *ip;
	uint8_t *l4;
	unsigned l4_len;
	uint8_t proto;
	struct ks_key back;
};

/* Without extension headers: what we send on has none but those the sender made, and errors about
 * these are rare enough to be the kernel's. */
static bool read_quoted(struct ks_pkt *p, struct quoted *q)
{
	unsigned left = ks_l4_len(p) - (unsigned)sizeof(struct ks_icmp);

	q->ip = (void *)(p->data + p->l4 + sizeof(struct ks_icmp));
	if (left < sizeof(*q->ip) + QUOTED || p->data[p->l4 + sizeof(struct ks_icmp)] >> 4 != 6)
		return false;
	q->l4 = (uint8_t *)(q->ip + 1);
	q->l4_len = left - (unsigned)sizeof(*q->ip);
	q->proto = q->ip->next;
	q->back.af = 6;
	memcpy(q->back.a[KS_SRC].b, q->ip->dst, 16);
	memcpy(q->back.a[KS_DST].b, q->ip->src, 16);
	return ks_quoted_ports(q->proto, q->l4, &q->back.t);
}

/* Make the quoted packet what the other end sent. */
static void restore_quoted(struct quoted *q, const struct ks_key *sent, const struct ks_session *s,
			   unsigned dir)
{
	uint16_t delta = dir == KS_IN ? s->l4_delta : ks_csum_negate(s->l4_delta);

	memcpy(q->ip->src, sent->a[KS_SRC].b, 16);
	memcpy(q->ip->dst, sent->a[KS_DST].b, 16);
	ks_restore_ports(q->proto, q->l4, q->l4_len, &sent->t, delta);
}

static bool about_tunnel(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			 const struct quoted *q, bool handed, ks_ms now)
{
	struct ks_quote quote = {
		.af = 6, .proto = q->proto, .dst = q->ip->dst, .l4 = q->l4, .l4_len = q->l4_len
	};

	return q->l4 != NULL && ks_icmp_about_tunnel(w, c, p, &quote, handed, now);
}

static void about_session(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			  bool handed, ks_ms now)
{
	struct ks_ip6 *ip = ks_ip6(p);
	struct ks_icmp *icmp = (void *)(p->data + p->l4);
	struct quoted q = { 0 };
	struct ks_session *s;
	struct ks_key sent;
	union ks_addr to;
	unsigned dir;

	if (!read_quoted(p, &q)) {
		if (!about_tunnel(w, c, p, &q, handed, now))
			ks_leave_to_kernel(w, c, p, KS_DROP_ICMP_HEADER);
		return;
	}
	if (ks_may_be_gue(c, 6, q.proto, q.ip->src) && about_tunnel(w, c, p, &q, handed, now))
		return;
	if (ks_hand_to_owner(w, c, p, &q.back, q.proto, handed))
		return;
	s = ks_table_find6(&w->table, &q.back, q.proto, ks_key_hash(&w->table, &q.back, q.proto),
			   &dir);
	if (s == NULL) {
		ks_leave_to_kernel(w, c, p, KS_DROP_ICMP_NO_SESSION);
		return;
	}
	if (ip->hop <= 1) {
		ks_drop(w, p, KS_DROP_TTL);
		return;
	}
	if (s->flags & KS_SF_ONE_WAY) {
		ks_forward_icmp(w, c, p, s, now);
		return;
	}
	sent = ks_session_key(s, !dir);
	if (sent.af == 4) {
		to = ks_addr4(sent.t.src);
		if (ks_xlat_error(p, s, dir, q.l4, q.l4_len, q.proto))
			ks_route_out(w, c, p, 4, &to, now);
		else
			ks_drop(w, p, KS_DROP_UNSUPPORTED);
		return;
	}
	restore_quoted(&q, &sent, s, dir);
	to = sent.a[KS_SRC];
	if (s->fwd != KS_FWD_SNAT || dir == KS_IN)
		memcpy(ip->src, sent.a[KS_DST].b, 16);
	memcpy(ip->dst, to.b, 16);
	ip->hop--;
	finish(icmp, ks_l4_len(p), ip->src, ip->dst);
	ks_route_out(w, c, p, 6, &to, now);
}

static void answer_echo(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, bool handed,
			ks_ms now)
{
	const struct ks_local *l;
	union ks_addr dst;
	bool held;

	memcpy(dst.b, ks_ip6(p)->dst, sizeof(dst.b));
	l = ks_conf_local6(c, &dst);
	held = ks_held(&w->shared->leases, l, now) != NULL;
	if (!held && ks_snat_echo(w, c, p, handed, now))
		return;
	if (l == NULL)
		ks_drop(w, p, KS_DROP_NOT_LOCAL);
	else if (!held)
		ks_drop(w, p, KS_DROP_LEASE);
	else
		echo(w, c, p);
}

void ks_icmp6(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, bool handed,
	      ks_ms now)
{
	const struct ks_icmp *icmp = (const void *)(p->data + p->l4);

	if (!ks_l4_csum_ok(p)) {
		ks_drop(w, p, KS_DROP_L4_CSUM);
		return;
	}
	switch (icmp->type) {
	case KS_ICMP6_ECHO:
		answer_echo(w, c, p, handed, now);
		return;
	case KS_ICMP6_UNREACHABLE:
	case KS_ICMP6_TOO_BIG:
	case KS_ICMP6_TIME:
	case KS_ICMP6_PARAMETER:
		about_session(w, c, p, handed, now);
		return;
	case KS_ICMP6_ECHO_REPLY:
		if (ks_snat_echo(w, c, p, handed, now))
			return;
		/* fall through */
	default:
		ks_leave_to_kernel(w, c, p, KS_DROP_UNSUPPORTED);
	}
}
