/* SPDX-License-Identifier: Apache-2.0 */
/* Headers as they stand on the wire, and the numbers in them. */
#ifndef KS_HDR_H
#define KS_HDR_H

#include <assert.h>
#include <stdint.h>

#include "ks_pkt.h"

#define KS_ETH_LEN        14u
#define KS_ETHERTYPE_IPV4 0x0800u
#define KS_ETHERTYPE_ARP  0x0806u
#define KS_ETHERTYPE_IPV6 0x86ddu

struct ks_eth {
	uint8_t dst[6];
	uint8_t src[6];
	ks_be16 type;
};
static_assert(sizeof(struct ks_eth) == KS_ETH_LEN, "wire size");

struct ks_ip4 { /* RFC 791 */
	uint8_t ver_ihl;
	uint8_t tos;
	ks_be16 len;
	ks_be16 id;
	ks_be16 frag;
	uint8_t ttl;
	uint8_t proto;
	uint16_t csum;
	ks_be32 src;
	ks_be32 dst;
} __attribute__((packed, aligned(2)));
static_assert(sizeof(struct ks_ip4) == 20, "wire size");

struct ks_ip6 { /* RFC 8200 */
	ks_be32 vtf; /* version, traffic class, flow label */
	ks_be16 plen;
	uint8_t next;
	uint8_t hop;
	uint8_t src[16];
	uint8_t dst[16];
} __attribute__((packed, aligned(2)));
static_assert(sizeof(struct ks_ip6) == 40, "wire size");

#define KS_IP6_MTU_MIN 1280u /* RFC 8200 §5 */

#define KS_IP4_DF      0x4000u
#define KS_IP4_FRAG    0x3fffu /* more fragments, or an offset */

struct ks_tcp { /* RFC 9293 */
	ks_be16 sport, dport;
	ks_be32 seq, ack;
	uint8_t off;
	uint8_t flags;
	ks_be16 window;
	uint16_t csum;
	ks_be16 urgent;
} __attribute__((packed, aligned(2)));
static_assert(sizeof(struct ks_tcp) == 20, "wire size");

#define KS_TCP_FIN 0x01u
#define KS_TCP_SYN 0x02u
#define KS_TCP_RST 0x04u
#define KS_TCP_PSH 0x08u
#define KS_TCP_ACK 0x10u

struct ks_udp { /* RFC 768 */
	ks_be16 sport, dport;
	ks_be16 len;
	uint16_t csum;
};
static_assert(sizeof(struct ks_udp) == 8, "wire size");

struct ks_icmp { /* RFC 792 */
	uint8_t type, code;
	uint16_t csum;
	uint8_t rest[4];
} __attribute__((packed, aligned(2)));
static_assert(sizeof(struct ks_icmp) == 8, "wire size");

#define KS_ICMP_ECHO_REPLY    0u
#define KS_ICMP_UNREACHABLE   3u
#define KS_ICMP_FRAG_NEEDED   4u /* code */
#define KS_ICMP_SOURCE_QUENCH 4u
#define KS_ICMP_ECHO          8u
#define KS_ICMP_TIME_EXCEEDED 11u

#define KS_ICMP6_UNREACHABLE  1u
#define KS_ICMP6_TOO_BIG      2u
#define KS_ICMP6_TIME         3u
#define KS_ICMP6_PARAMETER    4u
#define KS_ICMP6_ECHO         128u
#define KS_ICMP6_ECHO_REPLY   129u
#define KS_ICMP6_NS           135u
#define KS_ICMP6_NA           136u

#define KS_PROTO_HOP          0u
#define KS_PROTO_ICMP         1u
#define KS_PROTO_IPIP         4u
#define KS_PROTO_IPV6         41u
#define KS_PROTO_GRE          47u
#define KS_PROTO_ROUTING      43u
#define KS_PROTO_FRAGMENT     44u
#define KS_PROTO_ICMPV6       58u
#define KS_PROTO_DEST_OPTS    60u
#define KS_PROTO_TCP          6u
#define KS_PROTO_UDP          17u
#define KS_PROTO_SCTP         132u

static inline uint16_t ks_ntoh16(ks_be16 v)
{
	return __builtin_bswap16(v);
}
static inline uint16_t ks_hton16(uint16_t v)
{
	return __builtin_bswap16(v);
}
static inline uint32_t ks_ntoh32(ks_be32 v)
{
	return __builtin_bswap32(v);
}
static inline uint32_t ks_hton32(uint32_t v)
{
	return __builtin_bswap32(v);
}

#endif
