/* SPDX-License-Identifier: Apache-2.0 */
/* Internet checksum (RFC 1071) and its incremental update (RFC 1624). Sums are of 16-bit words in
 * network order as loaded, which one's complement arithmetic allows (RFC 1071 §2 B). */
#ifndef KS_CSUM_H
#define KS_CSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ks_pkt.h"

static inline uint16_t ks_csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffffu) + (sum >> 16);
	sum = (sum & 0xffffu) + (sum >> 16);
	return (uint16_t)sum;
}

/* Unfolded sum of len bytes, an odd last byte padded with zero. */
static inline uint64_t ks_csum_add(uint64_t sum, const uint8_t *p, size_t len)
{
	uint64_t carry = 0;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t w;

		memcpy(&w, p, 8);
		sum += w;
		carry += sum < w;
	}
	if (len >= 4) {
		uint32_t w;

		memcpy(&w, p, 4);
		sum += w;
		carry += sum < w;
		p += 4;
		len -= 4;
	}
	if (len > 0) {
		uint32_t w = 0;

		memcpy(&w, p, len);
		sum += w;
		carry += sum < w;
	}
	/* 2^64 = 1 in this arithmetic; fold now so that the caller may add on. */
	sum = (sum & 0xffffffffu) + (sum >> 32) + carry;
	return sum;
}

/* The field's value for a sum over everything else. */
static inline uint16_t ks_csum_finish(uint64_t sum)
{
	return (uint16_t)~ks_csum_fold(sum);
}

static inline uint64_t ks_csum_pseudo4(ks_be32 src, ks_be32 dst, uint8_t proto, uint16_t l4_len)
{
	/* proto and length as the 16-bit words they would be in network order */
	return (uint64_t)src + dst + ((uint32_t)proto << 8) +
		(uint16_t)((l4_len << 8) | (l4_len >> 8));
}

static inline uint64_t ks_csum_pseudo6(const uint8_t src[16], const uint8_t dst[16], uint8_t proto,
				       uint16_t l4_len)
{
	return ks_csum_add(ks_csum_add(0, src, 16), dst, 16) + ((uint32_t)proto << 8) +
		(uint16_t)((l4_len << 8) | (l4_len >> 8));
}

/* RFC 1624 eqn. 3: HC' = ~(~HC + ~m + m'), with delta = fold(~m + m'). */
static inline uint16_t ks_csum_update(uint16_t old, uint16_t delta)
{
	uint32_t sum = (uint32_t)(uint16_t)~old + delta;

	sum = (sum & 0xffffu) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The delta for the way back: minus in one's complement. */
static inline uint16_t ks_csum_negate(uint16_t delta)
{
	return (uint16_t)~delta;
}

#endif
