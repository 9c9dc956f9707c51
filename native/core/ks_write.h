/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New IP headers, put together in registers and stored in a few wide words. A header made field by
 * field in memory and copied or summed up from there makes the processor wait: a wide load cannot
 * be served from narrow stores that are still on their way.
 */
#ifndef KS_WRITE_H
#define KS_WRITE_H

#include "ks_conf.h"
#include "ks_csum.h"
#include "ks_hdr.h"

/* What differs from one packet to the next; lengths in host order. */
struct ks_ip_fields {
	uint8_t tos, ttl, proto;
	uint16_t len; /* IPv4: total; IPv6: payload */
	ks_be16 id, frag; /* IPv4 only */
};

/* Little-endian, as every supported machine is. */
static inline void ks_write_ip4(uint8_t *at, const struct ks_ip_fields *f, ks_be32 src, ks_be32 dst)
{
	uint64_t first = 0x45u | (uint32_t)f->tos << 8 | (uint64_t)ks_hton16(f->len) << 16 |
		(uint64_t)f->id << 32 | (uint64_t)f->frag << 48;
	uint64_t second = f->ttl | (uint32_t)f->proto << 8 | (uint64_t)src << 32;
	uint64_t sum = (first & 0xffffffffu) + (first >> 32) + (second & 0xffffu) + src + dst;

	second |= (uint64_t)ks_csum_finish(sum) << 16;
	memcpy(at, &first, 8);
	memcpy(at + 8, &second, 8);
	memcpy(at + 16, &dst, 4);
}

static inline void ks_write_ip6(uint8_t *at, const struct ks_ip_fields *f, const uint8_t src[16],
				const uint8_t dst[16])
{
	uint64_t first = ks_hton32(6u << 28 | (uint32_t)f->tos << 20) |
		(uint64_t)ks_hton16(f->len) << 32 | (uint64_t)f->proto << 48 |
		(uint64_t)f->ttl << 56;

	memcpy(at, &first, 8);
	memcpy(at + 8, src, 16);
	memcpy(at + 24, dst, 16);
}

#endif
