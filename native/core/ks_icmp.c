/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ICMP: echo to our addresses, errors about packets of sessions (translated to the side that sent
 * the packet, RFC 5508 §4), and what we say ourselves: time exceeded, fragmentation needed, and TCP
 * resets, all made in the buffer of the packet they answer.
 */
#include "ks_worker_int.h"

#define OWN_TTL 64u
#define QUOTED  8u /* bytes of the transport header an error carries at least (RFC 792) */

bool ks_may_tell(struct ks_worker *w, enum ks_tell kind, ks_ms now)
{
	static const uint32_t a_second[KS_TELL_KINDS] = {
		[KS_TELL_ERROR] = 1000,
		[KS_TELL_RESET] = 10000,
		[KS_TELL_EXPIRY] = 10000,
	};
	struct ks_budget *b = &w->budget[kind];

	if (b->second != now / 1000)
		*b = (struct ks_budget){ .second = now / 1000, .left = a_second[kind] };
	if (b->left == 0)
		return false;
	b->left--;
	return true;
}

void ks_fill_ip4(struct ks_ip4 *ip, uint16_t len, uint8_t proto, ks_be32 src, ks_be32 dst)
{
	*ip = (struct ks_ip4){
		.ver_ihl = 0x45,
		.len = ks_hton16(len),
		.frag = ks_hton16(KS_IP4_DF),
		.ttl = OWN_TTL,
		.proto = proto,
		.src = src,
		.dst = dst,
	};
	ip->csum = ks_csum_finish(ks_csum_add(0, (const uint8_t *)ip, sizeof(*ip)));
}

/* Who says it: the address that was asked for, and where that is not ours (SNAT) the one the sender
 * knows us by, so that a traceroute shows us. */
static ks_be32 own_address(const struct ks_worker *w, const struct ks_conf *c,
			   const struct ks_pkt *p)
{
	const struct ks_ip4 *ip = ks_ip(p);
	const struct ks_holding held = ks_holding_of(w);
	const union ks_addr dst = ks_addr4(ip->dst);
	ks_be32 own;

	if (c->n_match == 0 || ks_local_now(w, c, 4, &dst) != NULL)
		return ip->dst;
	own = ks_conf_source4(c, &held, p->in_port, ip->src);
	return own != 0 ? own : ip->dst;
}

static void icmp_error(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, uint8_t type,
		       uint8_t code, uint16_t mtu, enum ks_drop otherwise, ks_ms now)
{
	uint8_t quote[60 + QUOTED];
	const struct ks_ip4 *ip = ks_ip(p);
	unsigned n = (unsigned)(p->l4 - p->l3) + QUOTED;
	unsigned total = KS_ETH_LEN + sizeof(struct ks_ip4) + sizeof(struct ks_icmp) + n;
	ks_be32 src = own_address(w, c, p), dst = ip->src;
	struct ks_icmp *icmp = (void *)(p->data + KS_ETH_LEN + sizeof(struct ks_ip4));

	ks_drop(w, p, otherwise);
	if (total > (unsigned)p->len + p->tailroom || !ks_may_tell(w, KS_TELL_ERROR, now))
		return;
	memcpy(quote, p->data + p->l3, n);
	ks_fill_ip4((void *)(p->data + KS_ETH_LEN), (uint16_t)(total - KS_ETH_LEN), KS_PROTO_ICMP,
		    src, dst);
	*icmp = (struct ks_icmp){ .type = type,
				  .code = code,
				  .rest = { 0, 0, (uint8_t)(mtu >> 8), (uint8_t)mtu } };
	memcpy(icmp + 1, quote, n);
	icmp->csum = ks_csum_finish(ks_csum_add(0, (const uint8_t *)icmp, sizeof(*icmp) + n));
	p->len = (uint16_t)total;
	w->c[KS_C_ICMP_SENT]++;
	ks_return(w, c, p);
}

void ks_time_exceeded(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, ks_ms now)
{
	if (p->af == 6)
		ks_icmp6_error(w, c, p, KS_ICMP6_TIME, 0, 0, KS_DROP_TTL, now);
	else
		icmp_error(w, c, p, KS_ICMP_TIME_EXCEEDED, 0, 0, KS_DROP_TTL, now);
}

void ks_too_big(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, uint16_t mtu,
		ks_ms now)
{
	if (p->af == 6)
		ks_icmp6_error(w, c, p, KS_ICMP6_TOO_BIG, 0, mtu, KS_DROP_TOO_BIG, now);
	else
		icmp_error(w, c, p, KS_ICMP_UNREACHABLE, KS_ICMP_FRAG_NEEDED, mtu, KS_DROP_TOO_BIG,
			   now);
}

/* The segment that answers, without its checksum. */
static struct ks_tcp reset_for(const struct ks_pkt *p)
{
	const struct ks_tcp *in = (const void *)(p->data + p->l4);
	struct ks_tcp out = { .sport = in->dport, .dport = in->sport, .off = 5 << 4 };
	uint32_t data = ks_l4_len(p) - (uint32_t)(in->off >> 4) * 4;

	if (in->flags & KS_TCP_ACK) {
		out.seq = in->ack;
		out.flags = KS_TCP_RST;
		return out;
	}
	data += (in->flags & KS_TCP_SYN ? 1u : 0u) + (in->flags & KS_TCP_FIN ? 1u : 0u);
	out.ack = ks_hton32(ks_ntoh32(in->seq) + data);
	out.flags = KS_TCP_RST | KS_TCP_ACK;
	return out;
}

void ks_tcp_reset(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
		  enum ks_drop otherwise, ks_ms now)
{
	struct ks_tcp out = reset_for(p);
	uint8_t flags = ((const struct ks_tcp *)(const void *)(p->data + p->l4))->flags;
	unsigned header = p->af == 4 ? sizeof(struct ks_ip4) : sizeof(struct ks_ip6);
	ks_be32 src = ks_ip(p)->dst, dst = ks_ip(p)->src;
	union ks_addr src6, dst6;
	uint64_t pseudo;

	ks_drop(w, p, otherwise);
	if (flags & KS_TCP_RST || !ks_may_tell(w, KS_TELL_RESET, now))
		return;
	if (p->af == 4) {
		pseudo = ks_csum_pseudo4(src, dst, KS_PROTO_TCP, sizeof(out));
		ks_fill_ip4((void *)(p->data + KS_ETH_LEN), sizeof(struct ks_ip4) + sizeof(out),
			    KS_PROTO_TCP, src, dst);
	} else {
		memcpy(src6.b, ks_ip6(p)->dst, 16);
		memcpy(dst6.b, ks_ip6(p)->src, 16);
		pseudo = ks_csum_pseudo6(src6.b, dst6.b, KS_PROTO_TCP, sizeof(out));
		ks_fill_ip6((void *)(p->data + KS_ETH_LEN), sizeof(out), KS_PROTO_TCP, src6.b,
			    dst6.b);
	}
	out.csum = ks_csum_finish(ks_csum_add(pseudo, (const uint8_t *)&out, sizeof(out)));
	memcpy(p->data + KS_ETH_LEN + header, &out, sizeof(out));
	p->len = (uint16_t)(KS_ETH_LEN + header + sizeof(out));
	w->c[KS_C_RST_SENT]++;
	ks_return(w, c, p);
}

/* The checksum is made anew: a message of zeros alone has a sum that an incremental update cannot
 * tell from its negative. */
static void echo(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p)
{
	struct ks_ip4 *ip = ks_ip(p);
	struct ks_icmp *icmp = (void *)(p->data + p->l4);
	ks_be32 src = ip->src;

	icmp->type = KS_ICMP_ECHO_REPLY;
	icmp->csum = 0;
	icmp->csum = ks_csum_finish(
		ks_csum_add(0, (const uint8_t *)icmp, p->l3_len - (size_t)(p->l4 - p->l3)));
	ip->src = ip->dst;
	ip->dst = src;
	ip->ttl = OWN_TTL;
	ip->csum = 0;
	ip->csum = ks_csum_finish(ks_csum_add(0, (const uint8_t *)ip, (size_t)(p->l4 - p->l3)));
	w->c[KS_C_ECHO_ANSWERED]++;
	ks_return(w, c, p);
}

void ks_leave_to_kernel(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			enum ks_drop otherwise)
{
	const struct ks_local *l;
	union ks_addr dst;

	if (p->af == 6)
		memcpy(dst.b, ks_ip6(p)->dst, sizeof(dst.b));
	else
		dst = ks_addr4(ks_ip(p)->dst);
	l = ks_conf_local(c, p->af, &dst);

	if (l == NULL) {
		ks_drop(w, p, KS_DROP_NOT_LOCAL);
	} else if (!ks_is_held(&w->shared->leases, l, w->now)) {
		ks_drop(w, p, KS_DROP_LEASE);
	} else if (l->flags & KS_LOCAL_KERNEL) {
		p->verdict = KS_V_KNI;
		w->c[KS_C_KNI_PACKETS]++;
	} else {
		ks_drop(w, p, otherwise);
	}
}

static void patch(uint8_t *field, uint16_t delta)
{
	uint16_t v;

	memcpy(&v, field, 2);
	v = ks_csum_update(v, delta);
	memcpy(field, &v, 2);
}

bool ks_quoted_ports(uint8_t proto, const uint8_t *l4, struct ks_tuple *back)
{
	bool request = l4[0] == KS_ICMP_ECHO || l4[0] == KS_ICMP6_ECHO;

	switch (proto) {
	case KS_PROTO_TCP:
	case KS_PROTO_UDP:
	case KS_PROTO_SCTP:
		memcpy(&back->dport, l4, 2);
		memcpy(&back->sport, l4 + 2, 2);
		return true;
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6: /* the identifier stands where its sender has its port */
		back->sport = back->dport = 0;
		memcpy(request ? &back->dport : &back->sport, l4 + 4, 2);
		return request || l4[0] == KS_ICMP_ECHO_REPLY || l4[0] == KS_ICMP6_ECHO_REPLY;
	default:
		return false;
	}
}

void ks_restore_ports(uint8_t proto, uint8_t *l4, unsigned l4_len, const struct ks_tuple *sent,
		      uint16_t delta)
{
	unsigned csum_at = proto == KS_PROTO_TCP ? 16 : 6;
	uint16_t id = sent->sport | sent->dport;

	if (ks_is_icmp(proto)) {
		memcpy(l4 + 4, &id, 2);
		patch(l4 + 2, delta);
		return;
	}
	memcpy(l4, &sent->sport, 2);
	memcpy(l4 + 2, &sent->dport, 2);
	if (proto == KS_PROTO_SCTP) /* known by its verification tag (RFC 9260 §10.3) */
		return;
	if (l4_len >= csum_at + 2 && (proto == KS_PROTO_TCP || (l4[6] | l4[7]) != 0))
		patch(l4 + csum_at, delta);
}

/* The packet an error quotes: where it lies and who a packet of the other direction would be. */
struct quoted {
	struct ks_ip4 *ip;
	uint8_t *l4;
	unsigned l4_len; /* bytes that are there */
	struct ks_key back;
};

static bool read_quoted(struct ks_pkt *p, struct quoted *q)
{
	unsigned left = p->l3_len - (unsigned)(p->l4 - p->l3) - (unsigned)sizeof(struct ks_icmp);
	unsigned header;

	q->ip = (void *)(p->data + p->l4 + sizeof(struct ks_icmp));
	if (left < sizeof(*q->ip))
		return false;
	header = (unsigned)(q->ip->ver_ihl & 0x0f) * 4;
	if (q->ip->ver_ihl >> 4 != 4 || header < sizeof(*q->ip) || left < header + QUOTED)
		return false;
	if (ks_ntoh16(q->ip->frag) & 0x1fff) /* a later fragment: no ports in it */
		return false;
	q->l4 = (uint8_t *)q->ip + header;
	q->l4_len = left - header;
	q->back.af = 4;
	q->back.t.src = q->ip->dst;
	q->back.t.dst = q->ip->src;
	return ks_quoted_ports(q->ip->proto, q->l4, &q->back.t);
}

static bool about_tunnel(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			 const struct quoted *q, bool handed, ks_ms now)
{
	struct ks_quote quote = { .af = 4,
				  .proto = q->ip->proto,
				  .dst = (const uint8_t *)&q->ip->dst,
				  .l4 = q->l4,
				  .l4_len = q->l4_len };

	return q->l4 != NULL && ks_icmp_about_tunnel(w, c, p, &quote, handed, now);
}

/* Make the quoted packet what the other end sent: it knows nothing of our addresses. */
static void restore_quoted(struct quoted *q, const struct ks_session *s, unsigned dir)
{
	const struct ks_tuple *sent = &s->key[!dir];
	uint16_t ip_delta = dir == KS_IN ? s->ip_delta : ks_csum_negate(s->ip_delta);
	uint16_t l4_delta = dir == KS_IN ? s->l4_delta : ks_csum_negate(s->l4_delta);

	patch((uint8_t *)&q->ip->csum, ip_delta);
	q->ip->src = sent->src;
	q->ip->dst = sent->dst;
	ks_restore_ports(q->ip->proto, q->l4, q->l4_len, sent, l4_delta);
}

bool ks_hand_to_owner(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
		      const struct ks_key *k, uint8_t proto, bool handed)
{
	unsigned owner = ks_owner(c, k, proto);

	if (owner == w->index || handed)
		return false;
	p->verdict = KS_V_WORKER;
	p->worker = (uint8_t)owner;
	w->c[KS_C_HANDED_OUT]++;
	return true;
}

static void about_session(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			  bool handed, ks_ms now)
{
	struct ks_ip4 *ip = ks_ip(p);
	struct ks_icmp *icmp = (void *)(p->data + p->l4);
	unsigned len = p->l3_len - (unsigned)(p->l4 - p->l3);
	struct ks_session *s;
	struct quoted q = { 0 };
	union ks_addr to;
	unsigned dir;

	if (!read_quoted(p, &q)) {
		if (!about_tunnel(w, c, p, &q, handed, now))
			ks_leave_to_kernel(w, c, p, KS_DROP_ICMP_HEADER);
		return;
	}
	if (ks_may_be_gue(c, 4, q.ip->proto, (const uint8_t *)&q.ip->src) &&
	    about_tunnel(w, c, p, &q, handed, now))
		return;
	if (ks_hand_to_owner(w, c, p, &q.back, q.ip->proto, handed))
		return;
	s = ks_table_find_key(&w->table, &q.back, q.ip->proto,
			      ks_key_hash(&w->table, &q.back, q.ip->proto), &dir);
	if (s == NULL) {
		ks_leave_to_kernel(w, c, p, KS_DROP_ICMP_NO_SESSION);
		return;
	}
	if (ip->ttl <= 1) { /* no error about an error (RFC 1122 §3.2.2) */
		ks_drop(w, p, KS_DROP_TTL);
		return;
	}
	if (s->flags & KS_SF_ONE_WAY) {
		ks_forward_icmp(w, c, p, s, now);
		return;
	}
	if (ks_session_af(s, !dir) == 6) {
		union ks_addr to6 = ks_wide(s)->addr[!dir][KS_SRC];

		if (ks_xlat_error(p, s, dir, q.l4, q.l4_len, q.ip->proto))
			ks_route_out(w, c, p, 6, &to6, now);
		else
			ks_drop(w, p, KS_DROP_UNSUPPORTED);
		return;
	}
	restore_quoted(&q, s, dir);
	icmp->csum = 0;
	icmp->csum = ks_csum_finish(ks_csum_add(0, (const uint8_t *)icmp, len));
	if (s->fwd != KS_FWD_SNAT || dir == KS_IN)
		ip->src = s->key[!dir].dst; /* else a router on the way speaks for itself */
	ip->dst = s->key[!dir].src;
	ip->ttl--;
	ip->csum = 0;
	ip->csum = ks_csum_finish(ks_csum_add(0, (const uint8_t *)ip, (size_t)(p->l4 - p->l3)));
	to = ks_addr4(ip->dst);
	ks_route_out(w, c, p, 4, &to, now);
}

void ks_icmp(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, bool handed, ks_ms now)
{
	const struct ks_icmp *icmp = (const void *)(p->data + p->l4);
	unsigned len = p->l3_len - (unsigned)(p->l4 - p->l3);
	const struct ks_local *l;
	bool held;

	if (ks_csum_fold(ks_csum_add(0, (const uint8_t *)icmp, len)) != 0xffff) {
		ks_drop(w, p, KS_DROP_L4_CSUM);
		return;
	}
	switch (icmp->type) {
	case KS_ICMP_ECHO:
		l = ks_conf_local4(c, ks_ip(p)->dst);
		held = ks_held(&w->shared->leases, l, now) != NULL;
		if (!held && ks_snat_echo(w, c, p, handed, now))
			return;
		if (l == NULL)
			ks_drop(w, p, KS_DROP_NOT_LOCAL);
		else if (!held)
			ks_drop(w, p, KS_DROP_LEASE);
		else
			echo(w, c, p);
		return;
	case KS_ICMP_UNREACHABLE:
	case KS_ICMP_SOURCE_QUENCH:
	case KS_ICMP_TIME_EXCEEDED:
		about_session(w, c, p, handed, now);
		return;
	case KS_ICMP_ECHO_REPLY:
		if (ks_snat_echo(w, c, p, handed, now))
			return;
		/* fall through */
	default:
		ks_leave_to_kernel(w, c, p, KS_DROP_UNSUPPORTED);
	}
}
