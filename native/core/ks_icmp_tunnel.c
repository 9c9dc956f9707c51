/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors from within a tunnel of ours concern the client: it hears them from its VIP, about the
 * packet it sent, in its own family, and with the room the tunnel leaves (RFC 2003 §4, RFC 2473
 * §8). They are believed when the quoted packet is one we send to that session's real server.
 */
#include "ks_worker_int.h"

#define QUOTED    8u
#define MTU_LEAST 68u /* every link takes it (RFC 791) */
#define QUOTE_MAX 512u

/* The client's packet, as far as it is quoted. */
struct carried {
	uint8_t *ip;
	unsigned len;
	uint8_t proto;
	struct ks_key key;
};

/* Where the packet within begins, behind the outer IP header; 0 = it is no tunnel's. */
static unsigned within(uint8_t proto, const uint8_t *l4, unsigned left)
{
	switch (proto) {
	case KS_PROTO_IPIP:
	case KS_PROTO_IPV6:
		return 1;
	case KS_PROTO_GRE:
		return left < 4 ? 0 : 1u + (l4[0] & 0x80 ? 8 : 4);
	case KS_PROTO_UDP:
		return 1u + 12; /* GUE */
	default:
		return 0;
	}
}

static bool read_inner4(struct carried *in)
{
	const struct ks_ip4 *ip = (const void *)in->ip;
	unsigned header;

	if (in->len < sizeof(*ip))
		return false;
	header = (unsigned)(ip->ver_ihl & 15) * 4;
	if (header < sizeof(*ip) || in->len < header + QUOTED || ks_ntoh16(ip->frag) & 0x1fff)
		return false;
	in->proto = ip->proto;
	in->key.af = 4;
	in->key.t.src = ip->src;
	in->key.t.dst = ip->dst;
	memcpy(&in->key.t.sport, in->ip + header, 4);
	return true;
}

static bool read_inner6(struct carried *in)
{
	const struct ks_ip6 *ip = (const void *)in->ip;

	if (in->len < sizeof(*ip) + QUOTED)
		return false;
	in->proto = ip->next;
	in->key.af = 6;
	memcpy(in->key.a[KS_SRC].b, ip->src, 16);
	memcpy(in->key.a[KS_DST].b, ip->dst, 16);
	memcpy(&in->key.t.sport, in->ip + sizeof(*ip), 4);
	return true;
}

static bool read_carried(const struct ks_quote *q, struct carried *in)
{
	unsigned at = within(q->proto, q->l4, q->l4_len);

	if (at == 0 || q->l4_len < at)
		return false;
	*in = (struct carried){ .ip = q->l4 + at - 1, .len = q->l4_len - at + 1 };
	return in->ip[0] >> 4 == 4 ? read_inner4(in) : in->ip[0] >> 4 == 6 && read_inner6(in);
}

static bool is_ours(const struct ks_session *s, const struct ks_quote *q)
{
	const struct ks_wide *wide = (const void *)s;

	if (s->fwd != KS_FWD_TUN || ks_session_af(s, KS_OUT) != q->af)
		return false;
	return q->af == 4 ? memcmp(q->dst, &s->key[KS_OUT].src, 4) == 0
			  : memcmp(q->dst, wide->addr[KS_OUT][KS_SRC].b, 16) == 0;
}

/* Of what the error says in the family of the client: its head without the checksum. */
static struct ks_icmp head_for(const struct ks_pkt *p, struct ks_session *s, uint8_t af)
{
	struct ks_icmp old, head = { 0 };
	unsigned header = p->af == 4 ? sizeof(struct ks_ip4) : sizeof(struct ks_ip6);
	unsigned least = af == 4 ? MTU_LEAST : KS_IP6_MTU_MIN;
	bool too_big;
	uint32_t mtu;

	memcpy(&old, p->data + p->l4, sizeof(old));
	too_big = p->af == 4 ? old.type == KS_ICMP_UNREACHABLE && old.code == KS_ICMP_FRAG_NEEDED
			     : old.type == KS_ICMP6_TOO_BIG;
	if (!too_big) {
		if (af == p->af)
			return (struct ks_icmp){ .type = old.type, .code = old.code };
		head.type = KS_ICMP6_UNREACHABLE; /* of the address: what it came to is not the */
		head.code = 3; /* client's to know */
		return head;
	}
	memcpy(&mtu, old.rest, sizeof(mtu));
	mtu = p->af == 4 ? ks_ntoh32(mtu) & 0xffffu : ks_ntoh32(mtu);
	header += ks_tunnel_extra(s);
	mtu = mtu >= least + header ? mtu - header : least;
	s->mtu = mtu < s->mtu ? (uint16_t)mtu : s->mtu;
	head.type = af == 4 ? KS_ICMP_UNREACHABLE : KS_ICMP6_TOO_BIG;
	head.code = af == 4 ? KS_ICMP_FRAG_NEEDED : 0;
	mtu = ks_hton32(mtu);
	memcpy(head.rest, &mtu, sizeof(mtu));
	return head;
}

/* The message is made anew in the buffer; what it quotes lies behind where it goes, or at it. */
static void write_answer(struct ks_pkt *p, const struct carried *in, const struct ks_icmp *head)
{
	const union ks_addr *client = &in->key.a[KS_SRC], *vip = &in->key.a[KS_DST];
	unsigned header = in->key.af == 4 ? sizeof(struct ks_ip4) : sizeof(struct ks_ip6);
	unsigned n = in->len < QUOTE_MAX ? in->len : QUOTE_MAX;
	uint8_t *l3 = p->data + KS_ETH_LEN;
	struct ks_icmp *icmp = (void *)(l3 + header);
	ks_be16 type = ks_hton16(in->key.af == 4 ? KS_ETHERTYPE_IPV4 : KS_ETHERTYPE_IPV6);
	unsigned len = (unsigned)sizeof(*icmp) + n;
	uint64_t pseudo = 0;

	memmove(icmp + 1, in->ip, n);
	*icmp = *head;
	if (in->key.af == 4) {
		ks_fill_ip4((void *)l3, (uint16_t)(header + len), KS_PROTO_ICMP, in->key.t.dst,
			    in->key.t.src);
	} else {
		ks_fill_ip6((void *)l3, (uint16_t)len, KS_PROTO_ICMPV6, vip->b, client->b);
		pseudo = ks_csum_pseudo6(vip->b, client->b, KS_PROTO_ICMPV6, (uint16_t)len);
	}
	icmp->csum = ks_csum_finish(ks_csum_add(pseudo, (const uint8_t *)icmp, len));
	memcpy(p->data + 12, &type, sizeof(type));
	p->len = (uint16_t)(KS_ETH_LEN + header + len);
	p->af = in->key.af;
}

/* GUE looks like any UDP, but comes from an address of our own that no session has. */
bool ks_may_be_gue(const struct ks_conf *c, uint8_t af, uint8_t proto, const uint8_t *src)
{
	union ks_addr a = { .q = { 0, 0 } };
	const struct ks_local *l;

	if (proto != KS_PROTO_UDP)
		return false;
	memcpy(a.b, src, af == 4 ? 4 : 16);
	l = ks_conf_local(c, af, &a);
	return l != NULL && l->flags & (KS_LOCAL_KERNEL | KS_LOCAL_PLAIN) &&
		!(l->flags & (KS_LOCAL_LIP | KS_LOCAL_SNAT));
}

bool ks_icmp_about_tunnel(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			  const struct ks_quote *q, bool handed, ks_ms now)
{
	struct carried in;
	struct ks_session *s;
	struct ks_icmp head;
	union ks_addr to;
	unsigned dir;

	if (!read_carried(q, &in))
		return false;
	s = ks_table_find_key(&w->table, &in.key, in.proto,
			      ks_key_hash(&w->table, &in.key, in.proto), &dir);
	if (s == NULL)
		return ks_hand_to_owner(w, c, p, &in.key, in.proto, handed);
	if (!is_ours(s, q))
		return false;
	to = in.key.af == 4 ? ks_addr4(in.key.t.src) : in.key.a[KS_SRC];
	head = head_for(p, s, in.key.af);
	write_answer(p, &in, &head);
	w->c[KS_C_ICMP_SENT]++;
	ks_route_out(w, c, p, in.key.af, &to, now);
	return true;
}
