/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CRC is linear: the CRC of two packets that differ in one word differs by the CRC of that
 * difference with zeros behind it, and zeros behind are a multiplication by a power of x. So a
 * rewritten port costs about a hundred steps whatever the size of the packet, and a packet that was
 * damaged stays damaged.
 *
 * Bits are reflected, as everywhere with this CRC: bit 31 is x^0.
 */
#include "ks_crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78u

static const uint32_t nibble[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
	0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

/* x^(8 * 2^k): 2^k bytes of zeros. */
static const uint32_t zeros[16] = {
	0x00800000, 0x00008000, 0x82f63b78, 0x6ea2d55c, 0x18b8ea18, 0x510ac59a,
	0xb82be955, 0xb8fdb1e7, 0x88e56f72, 0x74c360a4, 0xe4172b16, 0x0d65762a,
	0x35d73a62, 0x28461564, 0xbf455269, 0xe2ea32dc,
};

static uint32_t feed(uint32_t crc, const uint8_t *p, size_t n)
{
	for (; n > 0; n--, p++) {
		crc ^= *p;
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return crc;
}

uint32_t ks_crc32c(uint32_t crc, const uint8_t *p, size_t n)
{
	return ~feed(~crc, p, n);
}

static uint32_t multiply(uint32_t a, uint32_t b)
{
	uint32_t product = 0;

	for (; a != 0; a <<= 1) {
		product ^= a & 0x80000000u ? b : 0;
		b = b >> 1 ^ (b & 1 ? POLYNOMIAL : 0);
	}
	return product;
}

uint32_t ks_crc32c_shift(uint32_t diff, uint16_t len)
{
	uint8_t word[4];
	uint32_t crc;

	memcpy(word, &diff, sizeof(word));
	crc = feed(0, word, sizeof(word));
	len = (uint16_t)(len - sizeof(word));
	for (unsigned k = 0; len >> k != 0; k++)
		if (len >> k & 1)
			crc = multiply(zeros[k], crc);
	return crc;
}
