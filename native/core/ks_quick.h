/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Most packets are of one shape: to our MAC, IPv4 without options or IPv6 without extensions, TCP
 * or UDP, whole, checksums verified by the port. Those are recognised here by a few comparisons of
 * wide words, as strictly as ks_parse does it; everything else is left to that. Little-endian, as
 * every supported machine is.
 */
#ifndef KS_QUICK_H
#define KS_QUICK_H

#include "ks_worker_int.h"

#define KS_QUICK_IP4 (KS_ETH_LEN + (unsigned)sizeof(struct ks_ip4))
#define KS_QUICK_IP6 (KS_ETH_LEN + (unsigned)sizeof(struct ks_ip6))

static inline bool ks_quick_mac(const struct ks_conf *c, const struct ks_pkt *p)
{
	const uint8_t *port = (const uint8_t *)&c->port[p->in_port];
	uint64_t to, ours;

	static_assert(offsetof(struct ks_port_info, mac) + 8 <= sizeof(struct ks_port_info),
		      "eight bytes to load");
	memcpy(&to, p->data, 8);
	memcpy(&ours, port + offsetof(struct ks_port_info, mac), 8);
	return (to ^ ours) << 16 == 0; /* bytes 6 and 7 are something else */
}

/* A TCP or UDP header at l4 that is within the packet, all of which is there. */
static inline bool ks_quick_l4(struct ks_pkt *p, uint8_t proto, unsigned l4)
{
	const struct ks_tcp *tcp = (const void *)(p->data + l4);
	const struct ks_udp *udp = (const void *)(p->data + l4);
	unsigned end = p->l3_len + KS_ETH_LEN;

	p->l4 = (uint16_t)l4;
	p->l3 = KS_ETH_LEN;
	p->proto = proto;
	p->frag = KS_FRAG_NONE;
	if (end > p->len)
		return false;
	if (proto == KS_PROTO_UDP) {
		p->tcp_flags = 0;
		return end >= l4 + sizeof(*udp) && ks_ntoh16(udp->len) == end - l4;
	}
	if (proto != KS_PROTO_TCP || end < l4 + sizeof(*tcp))
		return false;
	p->tcp_flags = tcp->flags;
	return tcp->off >= 5u << 4 && end >= l4 + (unsigned)(tcp->off >> 4) * 4;
}

/* false: nothing is said about the packet. */
static inline bool ks_quick(const struct ks_conf *c, struct ks_pkt *p)
{
	const struct ks_ip4 *ip4 = (const void *)(p->data + KS_ETH_LEN);
	const struct ks_ip6 *ip6 = (const void *)(p->data + KS_ETH_LEN);
	uint32_t type_and_version; /* the IP header's first byte is its third */

	if ((p->flags & (KS_RX_L4_CSUM_GOOD | KS_RX_L4_CSUM_BAD | KS_RX_IP_CSUM_BAD)) !=
		    KS_RX_L4_CSUM_GOOD ||
	    p->len < KS_QUICK_IP6 || !ks_quick_mac(c, p))
		return false;
	memcpy(&type_and_version, p->data + 12, 4);
	if ((type_and_version & 0xffffffu) == (0x450000u | ks_hton16(KS_ETHERTYPE_IPV4))) {
		if (!(p->flags & KS_RX_IP_CSUM_GOOD) || ip4->frag & ks_hton16(KS_IP4_FRAG))
			return false;
		p->af = 4;
		p->l3_len = ks_ntoh16(ip4->len);
		return ks_quick_l4(p, ip4->proto, KS_QUICK_IP4);
	}
	if ((type_and_version & 0xf0ffffu) != (0x600000u | ks_hton16(KS_ETHERTYPE_IPV6)) ||
	    ks_ntoh16(ip6->plen) > p->len)
		return false;
	p->af = 6;
	p->l3_len = (uint16_t)(ks_ntoh16(ip6->plen) + sizeof(*ip6));
	return ks_quick_l4(p, ip6->next, KS_QUICK_IP6);
}

#endif
