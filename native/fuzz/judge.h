/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums of frames a fuzzer makes, and a look at those that come out. */
#ifndef FUZZ_JUDGE_H
#define FUZZ_JUDGE_H

#include <stdlib.h>
#include <string.h>

#include "ks_crc32c.h"
#include "ks_csum.h"
#include "ks_hdr.h"
#include "ks_sctp.h"
#include "sim.h"

struct layers {
	uint8_t af, proto;
	const uint8_t *ip;
	uint8_t *l4;
	unsigned l4_len;
};

/* The transport part of a whole packet without extension headers or fragments. */
static inline bool layers_of(uint8_t *frame, unsigned len, struct layers *l)
{
	unsigned header, total;

	if (len < KS_ETH_LEN + 20)
		return false;
	l->ip = frame + KS_ETH_LEN;
	if (frame[12] == 0x08 && frame[13] == 0 && l->ip[0] >> 4 == 4) {
		const struct ks_ip4 *ip = (const void *)l->ip;

		header = (unsigned)(ip->ver_ihl & 15) * 4;
		total = ks_ntoh16(ip->len);
		l->af = 4;
		l->proto = ip->proto;
		if (ks_ntoh16(ip->frag) & KS_IP4_FRAG)
			return false;
	} else if (frame[12] == 0x86 && frame[13] == 0xdd && len >= KS_ETH_LEN + 40) {
		const struct ks_ip6 *ip = (const void *)l->ip;

		header = 40;
		total = 40u + ks_ntoh16(ip->plen);
		l->af = 6;
		l->proto = ip->next;
	} else {
		return false;
	}
	if (header < 20 || total < header || total > len - KS_ETH_LEN)
		return false;
	l->l4 = frame + KS_ETH_LEN + header;
	l->l4_len = total - header;
	return true;
}

static inline uint64_t l4_sum(const struct layers *l)
{
	const struct ks_ip4 *ip = (const void *)l->ip;
	const struct ks_ip6 *ip6 = (const void *)l->ip;
	uint64_t sum = 0;

	if (l->af == 6)
		sum = ks_csum_pseudo6(ip6->src, ip6->dst, l->proto, (uint16_t)l->l4_len);
	else if (l->proto != KS_PROTO_ICMP)
		sum = ks_csum_pseudo4(ip->src, ip->dst, l->proto, (uint16_t)l->l4_len);
	return ks_csum_add(sum, l->l4, l->l4_len);
}

/* Where the checksum lies; 0 = a protocol of no interest. */
static inline unsigned csum_at(const struct layers *l)
{
	unsigned at = l->proto == KS_PROTO_TCP                             ? 16
		: l->proto == KS_PROTO_UDP                                 ? 6
		: l->proto == KS_PROTO_ICMP || l->proto == KS_PROTO_ICMPV6 ? 2
									   : 0;

	return l->l4_len >= at + 2 ? at : 0;
}

static inline void repair_sctp(const struct layers *l)
{
	uint32_t crc;

	if (l->l4_len < KS_SCTP_LEAST)
		return;
	memset(l->l4 + KS_SCTP_CSUM, 0, sizeof(crc));
	crc = ks_crc32c(0, l->l4, l->l4_len);
	memcpy(l->l4 + KS_SCTP_CSUM, &crc, sizeof(crc));
}

/* False: it has none that judge could hold against what comes out. */
static inline bool repair(uint8_t *frame, unsigned len)
{
	struct layers l;
	unsigned at;
	uint16_t sum;

	if (!layers_of(frame, len, &l))
		return false;
	if (l.af == 4) {
		struct ks_ip4 *ip = (void *)(frame + KS_ETH_LEN);

		ip->csum = 0;
		ip->csum = ks_csum_finish(
			ks_csum_add(0, (const uint8_t *)ip, (size_t)(ip->ver_ihl & 15) * 4));
	}
	if (l.proto == KS_PROTO_SCTP)
		repair_sctp(&l);
	at = csum_at(&l);
	if (at == 0)
		return l.proto == KS_PROTO_SCTP;
	memset(l.l4 + at, 0, 2);
	sum = ks_csum_finish(l4_sum(&l));
	if (l.proto == KS_PROTO_UDP && sum == 0)
		sum = 0xffff;
	memcpy(l.l4 + at, &sum, 2);
	return true;
}

/* Aborts when a frame that leaves has a wrong checksum. */
static inline void judge(const struct sim_out *o)
{
	uint8_t frame[SIM_FRAME_MAX];
	struct layers l;
	unsigned at;

	memcpy(frame, o->frame, o->len);
	if (!layers_of(frame, o->len, &l))
		return;
	if (l.af == 4 && ks_csum_fold(ks_csum_add(0, l.ip, (size_t)(l.ip[0] & 15) * 4)) != 0xffff)
		abort();
	if (l.proto == KS_PROTO_SCTP && l.l4_len >= KS_SCTP_LEAST &&
	    !ks_sctp_csum_ok(l.l4, l.l4_len))
		abort();
	at = csum_at(&l);
	if (at == 0 || (l.proto == KS_PROTO_UDP && l.af == 4 && l.l4[6] == 0 && l.l4[7] == 0))
		return;
	if (ks_csum_fold(l4_sum(&l)) != 0xffff)
		abort();
}

#endif
