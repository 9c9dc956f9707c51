/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place that trusts nothing: every length is checked before the read behind it. Later code
 * relies on l3, l4 and l3_len. Receive order of spec: not for our MAC, ARP, other protocols to the
 * kernel, IPv4 header, fragments, transport header.
 */
#include "ks_worker_int.h"

static bool to_our_mac(const struct ks_conf *c, const struct ks_pkt *p)
{
	return memcmp(p->data, c->port[p->in_port].mac, 6) == 0;
}

static enum ks_class to_kni(struct ks_worker *w, struct ks_pkt *p)
{
	p->verdict = KS_V_KNI;
	w->c[KS_C_KNI_PACKETS]++;
	return KS_CLASS_DONE;
}

static enum ks_class drop(struct ks_worker *w, struct ks_pkt *p, enum ks_drop reason)
{
	ks_drop(w, p, reason);
	return KS_CLASS_DONE;
}

bool ks_l4_csum_ok(const struct ks_pkt *p)
{
	const struct ks_ip4 *ip = ks_ip(p);
	uint16_t l4_len = (uint16_t)(p->l3_len - (p->l4 - p->l3));
	uint64_t sum;

	if (p->proto == KS_PROTO_UDP &&
	    ((const struct ks_udp *)(const void *)(p->data + p->l4))->csum == 0)
		return true; /* RFC 768: none was made */
	sum = ks_csum_pseudo4(ip->src, ip->dst, p->proto, l4_len);
	return ks_csum_fold(ks_csum_add(sum, p->data + p->l4, l4_len)) == 0xffff;
}

static bool tcp_header_ok(struct ks_pkt *p, unsigned l4_len)
{
	const struct ks_tcp *tcp = (const void *)(p->data + p->l4);
	unsigned header;

	if (l4_len < sizeof(*tcp))
		return false;
	header = (unsigned)(tcp->off >> 4) * 4;
	p->tcp_flags = tcp->flags;
	return header >= sizeof(*tcp) && header <= l4_len;
}

static bool udp_header_ok(struct ks_pkt *p, unsigned l4_len)
{
	const struct ks_udp *udp = (const void *)(p->data + p->l4);

	p->tcp_flags = 0;
	return l4_len >= sizeof(*udp) && ks_ntoh16(udp->len) >= sizeof(*udp) &&
		ks_ntoh16(udp->len) == l4_len;
}

/* A whole IPv4 packet whose header is sound: what is above it? */
static enum ks_class parse_l4(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p)
{
	const struct ks_ip4 *ip = ks_ip(p);
	unsigned l4_len = p->l3_len - (unsigned)(p->l4 - p->l3);

	if (ks_ntoh16(ip->frag) & KS_IP4_FRAG) {
		const struct ks_local *l = ks_conf_local4(c, ip->dst);

		if (l != NULL && l->flags & KS_LOCAL_KERNEL)
			return to_kni(w, p);
		return drop(w, p, KS_DROP_FRAGMENT);
	}
	p->proto = ip->proto;
	switch (ip->proto) {
	case KS_PROTO_TCP:
		if (!tcp_header_ok(p, l4_len))
			return drop(w, p, KS_DROP_L4_HEADER);
		break;
	case KS_PROTO_UDP:
		if (!udp_header_ok(p, l4_len))
			return drop(w, p, KS_DROP_L4_HEADER);
		break;
	case KS_PROTO_ICMP:
		return l4_len >= sizeof(struct ks_icmp) ? KS_CLASS_ICMP
							: drop(w, p, KS_DROP_ICMP_HEADER);
	default: {
		const struct ks_local *l = ks_conf_local4(c, ip->dst);

		if (l == NULL)
			return drop(w, p, KS_DROP_NOT_LOCAL);
		return l->flags & KS_LOCAL_KERNEL ? to_kni(w, p) : drop(w, p, KS_DROP_UNSUPPORTED);
	}
	}
	if (p->flags & KS_RX_L4_CSUM_BAD)
		return drop(w, p, KS_DROP_L4_CSUM);
	if (!(p->flags & KS_RX_L4_CSUM_GOOD) && !ks_l4_csum_ok(p))
		return drop(w, p, KS_DROP_L4_CSUM);
	return KS_CLASS_FLOW;
}

enum ks_class ks_parse(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p)
{
	const struct ks_eth *eth = (const void *)p->data;
	const struct ks_ip4 *ip;
	unsigned header;
	uint16_t type;

	if (p->len < KS_ETH_LEN)
		return drop(w, p, KS_DROP_TRUNCATED);
	type = ks_ntoh16(eth->type);
	if (eth->dst[0] & 1) { /* group address */
		if (type != KS_ETHERTYPE_ARP)
			return to_kni(w, p);
	} else if (!to_our_mac(c, p)) {
		return drop(w, p, KS_DROP_NOT_FOR_US);
	}
	if (type == KS_ETHERTYPE_ARP) {
		p->verdict = KS_V_MAIN;
		p->nh = KS_NH_NONE;
		p->via = 0;
		w->c[KS_C_MAIN_PACKETS]++;
		return KS_CLASS_DONE;
	}
	if (type != KS_ETHERTYPE_IPV4)
		return to_kni(w, p);
	if (p->len < KS_ETH_LEN + sizeof(*ip))
		return drop(w, p, KS_DROP_TRUNCATED);
	p->l3 = KS_ETH_LEN;
	ip = ks_ip(p);
	header = (unsigned)(ip->ver_ihl & 0x0f) * 4;
	p->l3_len = ks_ntoh16(ip->len);
	if (ip->ver_ihl >> 4 != 4 || header < sizeof(*ip) || p->l3_len < header)
		return drop(w, p, KS_DROP_IP_HEADER);
	if (p->l3_len > p->len - KS_ETH_LEN)
		return drop(w, p, KS_DROP_TRUNCATED);
	if (p->flags & KS_RX_IP_CSUM_BAD)
		return drop(w, p, KS_DROP_IP_CSUM);
	if (!(p->flags & KS_RX_IP_CSUM_GOOD) &&
	    ks_csum_fold(ks_csum_add(0, p->data + p->l3, header)) != 0xffff)
		return drop(w, p, KS_DROP_IP_CSUM);
	p->l4 = (uint16_t)(KS_ETH_LEN + header);
	return parse_l4(w, c, p);
}
