/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The place that trusts nothing, behind ks_quick.h, which knows what most packets look like: every
 * length is checked before the read behind it. Later code relies on l3, l4 and l3_len. Receive
 * order of spec: not for our MAC, ARP, other protocols to the kernel, IP header, extension headers,
 * fragments, transport header.
 */
#include "ks_sctp.h"
#include "ks_worker_int.h"

#define EXTENSIONS_MAX 8u

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
	const struct ks_ip6 *ip6 = ks_ip6(p);
	uint16_t l4_len = ks_l4_len(p);
	uint64_t sum;

	if (p->af == 4 && p->proto == KS_PROTO_UDP &&
	    ((const struct ks_udp *)(const void *)(p->data + p->l4))->csum == 0)
		return true; /* RFC 768: none was made; IPv6 must have one (RFC 8200 §8.1) */
	sum = p->af == 4 ? ks_csum_pseudo4(ip->src, ip->dst, p->proto, l4_len)
			 : ks_csum_pseudo6(ip6->src, ip6->dst, p->proto, l4_len);
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

/* Only what may begin a session is summed up: the sum of all others is carried along unchanged, and
 * a damaged packet is found by its receiver. */
static enum ks_drop check_sctp(struct ks_pkt *p, unsigned l4_len)
{
	const uint8_t *l4 = p->data + p->l4;

	if (l4_len < KS_SCTP_LEAST)
		return KS_DROP_L4_HEADER;
	p->tcp_flags = l4[KS_SCTP_HEADER];
	if (p->tcp_flags != KS_SCTP_INIT || p->flags & KS_RX_L4_CSUM_GOOD)
		return KS_DROP_NONE;
	return ks_sctp_csum_ok(l4, l4_len) ? KS_DROP_NONE : KS_DROP_L4_CSUM;
}

static const struct ks_local *local_target(const struct ks_conf *c, const struct ks_pkt *p)
{
	union ks_addr dst;

	if (p->af == 4)
		return ks_conf_local4(c, ks_ip(p)->dst);
	memcpy(dst.b, ks_ip6(p)->dst, sizeof(dst.b));
	return ks_conf_local6(c, &dst);
}

static enum ks_class kernel_or(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			       enum ks_drop reason)
{
	const struct ks_local *l = local_target(c, p);

	if (l == NULL || (l->flags & KS_LOCAL_KERNEL) == 0)
		return drop(w, p, reason);
	if (!ks_is_held(&w->shared->leases, l, w->now))
		return drop(w, p, KS_DROP_LEASE);
	return to_kni(w, p);
}

/* Neighbour discovery is the main lcore's, as ARP is. */
static enum ks_class to_main(struct ks_worker *w, struct ks_pkt *p)
{
	p->verdict = KS_V_MAIN;
	p->nh = KS_NH_NONE;
	p->via = 0;
	w->c[KS_C_MAIN_PACKETS]++;
	return KS_CLASS_DONE;
}

static bool is_discovery(const struct ks_pkt *p)
{
	uint8_t type = p->data[p->l4];

	return p->proto == KS_PROTO_ICMPV6 && (type == KS_ICMP6_NS || type == KS_ICMP6_NA);
}

/* A whole packet whose IP header is sound; proto and l4 are set: what is above it? */
static enum ks_class parse_l4(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p)
{
	unsigned l4_len = ks_l4_len(p);
	enum ks_drop wrong;

	switch (p->proto) {
	case KS_PROTO_TCP:
		if (!tcp_header_ok(p, l4_len))
			return drop(w, p, KS_DROP_L4_HEADER);
		break;
	case KS_PROTO_UDP:
		if (!udp_header_ok(p, l4_len))
			return drop(w, p, KS_DROP_L4_HEADER);
		break;
	case KS_PROTO_SCTP:
		wrong = check_sctp(p, l4_len);
		return wrong == KS_DROP_NONE ? KS_CLASS_FLOW : drop(w, p, wrong);
	case KS_PROTO_ICMP:
	case KS_PROTO_ICMPV6:
		if ((p->proto == KS_PROTO_ICMP) != (p->af == 4))
			return kernel_or(w, c, p, KS_DROP_UNSUPPORTED);
		if (l4_len < sizeof(struct ks_icmp))
			return drop(w, p, KS_DROP_ICMP_HEADER);
		return is_discovery(p) ? to_main(w, p) : KS_CLASS_ICMP;
	default:
		return local_target(c, p) == NULL ? drop(w, p, KS_DROP_NOT_LOCAL)
						  : kernel_or(w, c, p, KS_DROP_UNSUPPORTED);
	}
	if (p->flags & KS_RX_L4_CSUM_BAD)
		return drop(w, p, KS_DROP_L4_CSUM);
	if (!(p->flags & KS_RX_L4_CSUM_GOOD) && !ks_l4_csum_ok(p))
		return drop(w, p, KS_DROP_L4_CSUM);
	return KS_CLASS_FLOW;
}

/* An echo that SNAT lets out, or its answer; what is the kernel's own stays so. */
static bool is_echo_of_snat(const struct ks_worker *w, const struct ks_conf *c,
			    const struct ks_pkt *p)
{
	const struct ks_local *l;

	if (c->n_match == 0 || p->proto != (p->af == 4 ? KS_PROTO_ICMP : KS_PROTO_ICMPV6))
		return false;
	l = ks_held(&w->shared->leases, local_target(c, p), w->now);
	return l == NULL || (l->flags & KS_LOCAL_SNAT) != 0;
}

/* Of SCTP none can be followed: its sum is over the whole packet, so that other ports need all of
 * it. */
static enum ks_class fragment(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p)
{
	if (p->proto == KS_PROTO_TCP || p->proto == KS_PROTO_UDP || is_echo_of_snat(w, c, p))
		return KS_CLASS_FRAGMENT;
	return kernel_or(w, c, p, KS_DROP_FRAGMENT);
}

static enum ks_class parse_ip4(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p)
{
	const struct ks_ip4 *ip = ks_ip(p);
	unsigned header;

	if (p->len < KS_ETH_LEN + sizeof(*ip))
		return drop(w, p, KS_DROP_TRUNCATED);
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
	p->proto = ip->proto;
	if (ks_ntoh16(ip->frag) & KS_IP4_FRAG)
		return fragment(w, c, p);
	return parse_l4(w, c, p);
}

/* Extension headers up to the transport header; KS_DROP_NONE, or what is wrong with them. */
static enum ks_drop skip_extensions(struct ks_pkt *p)
{
	uint8_t next = ks_ip6(p)->next;
	unsigned at = p->l3 + (unsigned)sizeof(struct ks_ip6), end = p->l3 + (unsigned)p->l3_len;

	for (unsigned n = 0; n < EXTENSIONS_MAX; n++) {
		if (next == KS_PROTO_FRAGMENT) {
			if (at + 8 > end)
				return KS_DROP_TRUNCATED;
			p->proto = p->data[at];
			p->l4 = (uint16_t)(at + 8);
			return KS_DROP_FRAGMENT;
		}
		if (next != KS_PROTO_HOP && next != KS_PROTO_ROUTING &&
		    next != KS_PROTO_DEST_OPTS) {
			p->proto = next;
			p->l4 = (uint16_t)at;
			return KS_DROP_NONE;
		}
		if (at + 8 > end)
			return KS_DROP_TRUNCATED;
		/* somebody on the list is still to be visited, and it is not us (RFC 5095) */
		if (next == KS_PROTO_ROUTING && p->data[at + 3] != 0)
			return KS_DROP_IP_HEADER;
		next = p->data[at];
		at += ((unsigned)p->data[at + 1] + 1) * 8;
		if (at > end)
			return KS_DROP_TRUNCATED;
	}
	return KS_DROP_IP_HEADER;
}

static enum ks_class parse_ip6(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p)
{
	const struct ks_ip6 *ip = ks_ip6(p);
	bool group = (p->data[0] & 1) != 0;
	enum ks_drop wrong;

	if (p->len < KS_ETH_LEN + sizeof(*ip))
		return drop(w, p, KS_DROP_TRUNCATED);
	p->l3_len = (uint16_t)(ks_ntoh16(ip->plen) + sizeof(*ip));
	if (p->data[p->l3] >> 4 != 6 || p->l3_len < sizeof(*ip))
		return drop(w, p, KS_DROP_IP_HEADER);
	if (p->l3_len > p->len - KS_ETH_LEN)
		return drop(w, p, KS_DROP_TRUNCATED);
	wrong = skip_extensions(p);
	if (group) /* discovery is ours, what else goes to groups the kernel's */
		return wrong == KS_DROP_NONE && p->proto == KS_PROTO_ICMPV6 &&
				ks_l4_len(p) >= sizeof(struct ks_icmp) && is_discovery(p)
			? to_main(w, p)
			: to_kni(w, p);
	if (wrong == KS_DROP_FRAGMENT)
		return fragment(w, c, p);
	if (wrong != KS_DROP_NONE)
		return drop(w, p, wrong);
	return parse_l4(w, c, p);
}

enum ks_class ks_parse(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p)
{
	const struct ks_eth *eth = (const void *)p->data;
	uint16_t type;

	if (p->len < KS_ETH_LEN)
		return drop(w, p, KS_DROP_TRUNCATED);
	type = ks_ntoh16(eth->type);
	if (!(eth->dst[0] & 1)) {
		if (!to_our_mac(c, p))
			return drop(w, p, KS_DROP_NOT_FOR_US);
	} else if (type != KS_ETHERTYPE_ARP && type != KS_ETHERTYPE_IPV6) {
		return to_kni(w, p); /* a group */
	}
	p->l3 = KS_ETH_LEN;
	p->frag = KS_FRAG_NONE;
	switch (type) {
	case KS_ETHERTYPE_IPV4:
		p->af = 4;
		return parse_ip4(w, c, p);
	case KS_ETHERTYPE_IPV6:
		p->af = 6;
		return parse_ip6(w, c, p);
	case KS_ETHERTYPE_ARP:
		return to_main(w, p);
	default:
		return to_kni(w, p);
	}
}
