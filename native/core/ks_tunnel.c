/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is put in front of a packet for a real server in TUN: another IP header (RFC 2003, RFC 2473,
 * RFC 4213), with GRE (RFC 2784) or UDP and GUE (variant 0 of its draft, as Linux's fou) between
 * the two. Which it is stands where a one-way session's other key would have ports.
 */
#include "ks_worker_int.h"
#include "ks_write.h"

#define GRE_LEN      4u
#define GRE_CSUM     4u /* more bytes with a checksum */
#define GRE_HAS_CSUM 0x8000u
#define GUE_LEN      4u
#define UDP_LEN      8u
/* Ports from which datagrams seem to come; so ECMP and RSS behind us can tell flows apart. */
#define FLOW_PORT 0xc000u

static unsigned kind_of(const struct ks_session *s)
{
	return s->key[KS_OUT].dport & KS_RS_TUN_KIND;
}

static bool with_csum(const struct ks_session *s)
{
	return (s->key[KS_OUT].dport & KS_RS_TUN_CSUM) != 0;
}

unsigned ks_tunnel_extra(const struct ks_session *s)
{
	switch (kind_of(s)) {
	case KS_RS_TUN_GRE:
		return GRE_LEN + (with_csum(s) ? GRE_CSUM : 0);
	case KS_RS_TUN_GUE:
		return UDP_LEN + GUE_LEN;
	default:
		return 0;
	}
}

/* The fields of a header that go over into the one around it. */
static struct ks_ip_fields carried_of(const struct ks_pkt *p)
{
	const struct ks_ip4 *ip = ks_ip(p);
	const struct ks_ip6 *ip6 = ks_ip6(p);

	if (p->af == 4)
		return (struct ks_ip_fields){ .tos = ip->tos,
					      .ttl = ip->ttl,
					      .proto = KS_PROTO_IPIP,
					      .id = ip->id,
					      .frag = (ks_be16)(ip->frag & ks_hton16(KS_IP4_DF)) };
	return (struct ks_ip_fields){ .tos = (uint8_t)(ks_ntoh32(ip6->vtf) >> 20),
				      .ttl = ip6->hop,
				      .proto = KS_PROTO_IPV6,
				      .frag = ks_hton16(KS_IP4_DF) };
}

static void put_gre(uint8_t *at, const struct ks_session *s, uint8_t inner_af, unsigned inner_len)
{
	uint16_t head[4] = { ks_hton16(with_csum(s) ? GRE_HAS_CSUM : 0),
			     ks_hton16(inner_af == 4 ? KS_ETHERTYPE_IPV4 : KS_ETHERTYPE_IPV6) };

	memcpy(at, head, ks_tunnel_extra(s));
	if (!with_csum(s))
		return;
	head[2] = ks_csum_finish(ks_csum_add(0, at, GRE_LEN + GRE_CSUM + inner_len));
	memcpy(at + GRE_LEN, &head[2], sizeof(head[2]));
}

/* IPv6 must have a checksum (RFC 8200 §8.1); IPv4 has one where it is wished for. */
static void put_gue(uint8_t *at, struct ks_session *s, uint32_t hash, uint8_t inner_proto,
		    unsigned inner_len)
{
	uint8_t af = ks_session_af(s, KS_OUT);
	uint16_t len = (uint16_t)(UDP_LEN + GUE_LEN + inner_len);
	struct ks_udp udp = { .sport = ks_hton16((uint16_t)(FLOW_PORT | (hash & 0x3fffu))),
			      .dport = s->key[KS_OUT].sport,
			      .len = ks_hton16(len) };
	const uint8_t gue[GUE_LEN] = { 0, inner_proto };
	uint64_t pseudo;

	memcpy(at, &udp, UDP_LEN);
	memcpy(at + UDP_LEN, gue, GUE_LEN);
	if (af == 4 && !with_csum(s))
		return;
	pseudo = af == 4
		? ks_csum_pseudo4(s->key[KS_OUT].dst, s->key[KS_OUT].src, KS_PROTO_UDP, len)
		: ks_csum_pseudo6(ks_wide(s)->addr[KS_OUT][KS_DST].b,
				  ks_wide(s)->addr[KS_OUT][KS_SRC].b, KS_PROTO_UDP, len);
	udp.csum = ks_csum_finish(ks_csum_add(pseudo, at, len));
	udp.csum = udp.csum == 0 ? 0xffff : udp.csum;
	memcpy(at + 6, &udp.csum, sizeof(udp.csum));
}

bool ks_encapsulate(struct ks_pkt *p, struct ks_session *s)
{
	struct ks_ip_fields outer = carried_of(p);
	uint8_t af = ks_session_af(s, KS_OUT), inner_af = p->af, inner_proto = outer.proto;
	unsigned header = af == 4 ? sizeof(struct ks_ip4) : sizeof(struct ks_ip6);
	unsigned extra = ks_tunnel_extra(s), inner_len = p->l3_len;
	uint16_t n = (uint16_t)(header + extra);
	ks_be16 type = ks_hton16(af == 4 ? KS_ETHERTYPE_IPV4 : KS_ETHERTYPE_IPV6);
	uint8_t *l3;

	if (p->headroom < n)
		return false;
	p->data -= n;
	p->headroom = (uint16_t)(p->headroom - n);
	p->len = (uint16_t)(p->len + n);
	p->l4 = (uint16_t)(p->l4 + n);
	p->l3_len = (uint16_t)(inner_len + n);
	p->af = af;
	l3 = p->data + KS_ETH_LEN;
	memset(p->data, 0, 12);
	memcpy(p->data + 12, &type, 2);
	if (kind_of(s) == KS_RS_TUN_GRE) {
		outer.proto = KS_PROTO_GRE;
		put_gre(l3 + header, s, inner_af, inner_len);
	} else if (kind_of(s) == KS_RS_TUN_GUE) {
		outer.proto = KS_PROTO_UDP;
		put_gue(l3 + header, s, p->hash, inner_proto, inner_len);
	}
	if (af == 4) {
		outer.len = p->l3_len;
		ks_write_ip4(l3, &outer, s->key[KS_OUT].dst, s->key[KS_OUT].src);
	} else {
		outer.len = (uint16_t)(inner_len + extra);
		ks_write_ip6(l3, &outer, ks_wide(s)->addr[KS_OUT][KS_DST].b,
			     ks_wide(s)->addr[KS_OUT][KS_SRC].b);
	}
	return true;
}
