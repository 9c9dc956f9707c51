/* SPDX-License-Identifier: Apache-2.0 */
/* Between IPv4 and IPv6: headers of a session's packets, and ICMP errors about them (RFC 7915).
 * Addresses come from the session, not from a prefix. */
#include "ks_worker_int.h"
#include "ks_write.h"

#define QUOTE_MAX 64u /* bytes of the transport header and data that are passed on */

/* The Ethernet header stands before `l3`, whose bytes are the caller's to write. */
static void move_start(struct ks_pkt *p, int l3, uint16_t type)
{
	int by = l3 - (int)KS_ETH_LEN; /* bytes the start moves forward */
	ks_be16 be = ks_hton16(type);

	p->data += by;
	p->headroom = (uint16_t)(p->headroom + by);
	p->len = (uint16_t)(p->len - by);
	p->l3 = KS_ETH_LEN;
	memcpy(p->data + 12, &be, 2);
}

void ks_xlat_6to4(struct ks_pkt *p, ks_be32 src, ks_be32 dst)
{
	const struct ks_ip6 *from = ks_ip6(p);
	uint16_t l4_len = ks_l4_len(p);
	struct ks_ip_fields to = { .tos = (uint8_t)(ks_ntoh32(from->vtf) >> 20),
				   .ttl = (uint8_t)(from->hop - 1),
				   .proto = p->proto,
				   .len = (uint16_t)(l4_len + sizeof(struct ks_ip4)),
				   .frag = ks_hton16(KS_IP4_DF) };

	move_start(p, (int)p->l4 - (int)sizeof(struct ks_ip4), KS_ETHERTYPE_IPV4);
	ks_write_ip4(p->data + KS_ETH_LEN, &to, src, dst);
	p->l4 = (uint16_t)(KS_ETH_LEN + sizeof(struct ks_ip4));
	p->l3_len = to.len;
	p->af = 4;
}

void ks_xlat_4to6(struct ks_pkt *p, const union ks_addr *src, const union ks_addr *dst)
{
	const struct ks_ip4 *from = ks_ip(p);
	struct ks_ip_fields to = { .tos = from->tos,
				   .ttl = (uint8_t)(from->ttl - 1),
				   .proto = p->proto,
				   .len = ks_l4_len(p) };

	move_start(p, (int)p->l4 - (int)sizeof(struct ks_ip6), KS_ETHERTYPE_IPV6);
	ks_write_ip6(p->data + KS_ETH_LEN, &to, src->b, dst->b);
	p->l4 = (uint16_t)(KS_ETH_LEN + sizeof(struct ks_ip6));
	p->l3_len = (uint16_t)(to.len + sizeof(struct ks_ip6));
	p->af = 6;
}

/* ---- fragments (§4.1, §5.1.1) ------------------------------------------------------------------------------------- */

/* RFC 8200 §4.5 */
struct frag6 {
	uint8_t next, reserved;
	ks_be16 word; /* offset in bytes, of which the last bit says that more follow */
	ks_be32 id;
};
static_assert(sizeof(struct frag6) == KS_FRAGMENT_LEN, "wire size");

#define MORE4 0x2000u

void ks_xlat_fragment_6to4(struct ks_pkt *p, ks_be32 src, ks_be32 dst)
{
	const struct ks_ip6 *from = ks_ip6(p);
	uint16_t l4_len = ks_l4_len(p), word;
	struct ks_ip_fields to = { .tos = (uint8_t)(ks_ntoh32(from->vtf) >> 20),
				   .ttl = (uint8_t)(from->hop - 1),
				   .proto = p->proto,
				   .len = (uint16_t)(l4_len + sizeof(struct ks_ip4)) };
	struct frag6 frag;

	memcpy(&frag, p->data + p->l4 - sizeof(frag), sizeof(frag));
	word = ks_ntoh16(frag.word);
	to.id = ks_hton16((uint16_t)ks_ntoh32(frag.id));
	to.frag = ks_hton16((uint16_t)(word >> 3 | (word & 1 ? MORE4 : 0)));
	move_start(p, (int)p->l4 - (int)sizeof(struct ks_ip4), KS_ETHERTYPE_IPV4);
	ks_write_ip4(p->data + KS_ETH_LEN, &to, src, dst);
	p->l4 = (uint16_t)(KS_ETH_LEN + sizeof(struct ks_ip4));
	p->l3_len = to.len;
	p->af = 4;
}

void ks_xlat_fragment_4to6(struct ks_pkt *p, const union ks_addr *src, const union ks_addr *dst)
{
	const struct ks_ip4 *from = ks_ip(p);
	uint16_t word = ks_ntoh16(from->frag);
	unsigned header = sizeof(struct ks_ip6) + sizeof(struct frag6);
	struct ks_ip_fields to = { .tos = from->tos,
				   .ttl = (uint8_t)(from->ttl - 1),
				   .proto = KS_PROTO_FRAGMENT,
				   .len = (uint16_t)(ks_l4_len(p) + sizeof(struct frag6)) };
	struct frag6 frag = {
		.next = p->proto,
		.word = ks_hton16((uint16_t)(word << 3 | (word & MORE4 ? 1 : 0))),
		.id = ks_hton32(ks_ntoh16(from->id)),
	};

	move_start(p, (int)p->l4 - (int)header, KS_ETHERTYPE_IPV6);
	ks_write_ip6(p->data + KS_ETH_LEN, &to, src->b, dst->b);
	memcpy(p->data + KS_ETH_LEN + sizeof(struct ks_ip6), &frag, sizeof(frag));
	p->l4 = (uint16_t)(KS_ETH_LEN + header);
	p->l3_len = (uint16_t)(to.len + sizeof(struct ks_ip6));
	p->af = 6;
}

/* ---- ICMP errors --------------------------------------------------------------------------------------------------- */

struct icmp_kind {
	uint8_t type, code;
	uint32_t rest; /* host order: MTU or pointer */
};

/* RFC 7915 §4.2 */
static bool kind_4to6(const struct ks_icmp *in, struct icmp_kind *out)
{
	uint32_t mtu = (uint32_t)in->rest[2] << 8 | in->rest[3];

	*out = (struct icmp_kind){ .type = KS_ICMP6_UNREACHABLE };
	if (in->type == KS_ICMP_TIME_EXCEEDED) {
		*out = (struct icmp_kind){ .type = KS_ICMP6_TIME, .code = in->code };
		return true;
	}
	if (in->type != KS_ICMP_UNREACHABLE)
		return false;
	switch (in->code) {
	case 2: /* protocol */
		*out = (struct icmp_kind){ .type = KS_ICMP6_PARAMETER, .code = 1, .rest = 6 };
		return true;
	case 3: /* port */
		out->code = 4;
		return true;
	case KS_ICMP_FRAG_NEEDED:
		mtu += 20;
		*out = (struct icmp_kind){ .type = KS_ICMP6_TOO_BIG,
					   .rest = mtu < KS_IP6_MTU_MIN ? KS_IP6_MTU_MIN : mtu };
		return true;
	case 9:
	case 10:
	case 13:
	case 15:
		out->code = 1; /* administratively prohibited */
		return true;
	default:
		return in->code <= 12;
	}
}

/* RFC 7915 §5.2 */
static bool kind_6to4(const struct ks_icmp *in, struct icmp_kind *out)
{
	uint32_t mtu = (uint32_t)in->rest[0] << 24 | (uint32_t)in->rest[1] << 16 |
		(uint32_t)in->rest[2] << 8 | in->rest[3];

	*out = (struct icmp_kind){ .type = KS_ICMP_UNREACHABLE };
	switch (in->type) {
	case KS_ICMP6_UNREACHABLE:
		out->code = in->code == 1 ? 10 : in->code == 4 ? 3 : 1;
		return in->code <= 4;
	case KS_ICMP6_TOO_BIG:
		out->code = KS_ICMP_FRAG_NEEDED;
		out->rest = mtu > 20 + 68 ? mtu - 20 : 68;
		return true;
	case KS_ICMP6_TIME:
		*out = (struct icmp_kind){ .type = KS_ICMP_TIME_EXCEEDED, .code = in->code };
		return true;
	case KS_ICMP6_PARAMETER:
		out->code = 2; /* unknown next header: protocol unreachable */
		return in->code == 1;
	default:
		return false;
	}
}

/* The quoted packet as its sender made it: a header of its family, and its own ports; the rest as
 * it was, but for a transport checksum that is there to be mended. */
static unsigned write_quote(uint8_t *at, const struct ks_session *s, unsigned dir,
			    const uint8_t *l4, unsigned len, uint8_t proto)
{
	const struct ks_key sent = ks_session_key(s, !dir);
	uint16_t delta = dir == KS_IN ? s->l4_delta : ks_csum_negate(s->l4_delta);
	unsigned n = sent.af == 4 ? sizeof(struct ks_ip4) : sizeof(struct ks_ip6);
	unsigned csum_at = proto == KS_PROTO_TCP ? 16 : 6;
	uint16_t csum;

	if (sent.af == 4)
		ks_fill_ip4((void *)at, (uint16_t)(n + len), proto, sent.t.src, sent.t.dst);
	else
		ks_fill_ip6((void *)at, (uint16_t)len, proto, sent.a[KS_SRC].b, sent.a[KS_DST].b);
	memcpy(at + n, l4, len);
	memcpy(at + n, &sent.t.sport, 2);
	memcpy(at + n + 2, &sent.t.dport, 2);
	if (len >= csum_at + 2 && proto != KS_PROTO_SCTP) {
		memcpy(&csum, at + n + csum_at, 2);
		if (proto == KS_PROTO_TCP || csum != 0)
			csum = ks_csum_update(csum, delta);
		memcpy(at + n + csum_at, &csum, 2);
	}
	return n + len;
}

bool ks_xlat_error(struct ks_pkt *p, const struct ks_session *s, unsigned dir,
		   const uint8_t *quoted_l4, unsigned quoted_len, uint8_t quoted_proto)
{
	uint8_t frame[KS_ETH_LEN + sizeof(struct ks_ip6) + sizeof(struct ks_icmp) +
		      sizeof(struct ks_ip6) + QUOTE_MAX];
	const struct ks_key to = ks_session_key(s, !dir); /* its packets we sent on */
	uint8_t af = to.af;
	unsigned header = af == 4 ? sizeof(struct ks_ip4) : sizeof(struct ks_ip6), n;
	struct ks_icmp in, *icmp = (void *)(frame + KS_ETH_LEN + header);
	ks_be16 type = ks_hton16(af == 4 ? KS_ETHERTYPE_IPV4 : KS_ETHERTYPE_IPV6);
	struct icmp_kind kind;

	memcpy(&in, p->data + p->l4, sizeof(in));
	if (af == 6 ? !kind_4to6(&in, &kind) : !kind_6to4(&in, &kind))
		return false;
	if (quoted_len > QUOTE_MAX)
		quoted_len = QUOTE_MAX;
	memset(frame, 0, KS_ETH_LEN);
	memcpy(frame + 12, &type, 2);
	n = (unsigned)sizeof(in) +
		write_quote((uint8_t *)(icmp + 1), s, dir, quoted_l4, quoted_len, quoted_proto);
	*icmp = (struct ks_icmp){ .type = kind.type, .code = kind.code };
	kind.rest = ks_hton32(kind.rest);
	memcpy(icmp->rest, &kind.rest, 4);
	if (af == 4) {
		ks_fill_ip4((void *)(frame + KS_ETH_LEN), (uint16_t)(header + n), KS_PROTO_ICMP,
			    to.t.dst, to.t.src);
		icmp->csum = ks_csum_finish(ks_csum_add(0, (const uint8_t *)icmp, n));
	} else {
		ks_fill_ip6((void *)(frame + KS_ETH_LEN), (uint16_t)n, KS_PROTO_ICMPV6,
			    to.a[KS_DST].b, to.a[KS_SRC].b);
		icmp->csum =
			ks_csum_finish(ks_csum_add(ks_csum_pseudo6(to.a[KS_DST].b, to.a[KS_SRC].b,
								   KS_PROTO_ICMPV6, (uint16_t)n),
						   (const uint8_t *)icmp, n));
	}
	n += KS_ETH_LEN + header;
	if (n > (unsigned)p->len + p->tailroom)
		return false;
	memcpy(p->data, frame, n);
	p->tailroom = (uint16_t)(p->tailroom + p->len - n);
	p->len = (uint16_t)n;
	p->af = af;
	return true;
}
