/* SPDX-License-Identifier: Apache-2.0 */
/* CRC32c, SCTP's checksum (RFC 9260 §6.8, Castagnoli's polynomial), and its update when the first
 * word of a packet changes, which needs the packet's length but not its contents. */
#ifndef KS_CRC32C_H
#define KS_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of n bytes behind those whose CRC is crc; 0 = from the start. */
uint32_t ks_crc32c(uint32_t crc, const uint8_t *p, size_t n);

/* What is to be xored onto the CRC of a packet of `len` bytes when its first four change by `diff`
 * (old xor new, as loaded). */
uint32_t ks_crc32c_shift(uint32_t diff, uint16_t len);

#endif
