/* SPDX-License-Identifier: Apache-2.0 */
/* ARP for IPv4 over Ethernet (RFC 826): the frame, read and made. */
#ifndef KS_ARP_H
#define KS_ARP_H

#include <stdbool.h>
#include <stddef.h>

#include "ks_pkt.h"

#define KS_ETH_LEN   14u
#define KS_ARP_FRAME 42u
#define KS_ETH_MIN   60u /* without the frame check sequence */

enum { KS_ARP_REQUEST = 1, KS_ARP_REPLY = 2 };

struct ks_arp {
	uint16_t op;
	uint8_t sha[6];
	uint8_t tha[6];
	ks_be32 spa;
	ks_be32 tpa;
};

extern const uint8_t ks_mac_broadcast[6];

/* False = cut off, or not IPv4 over Ethernet, or an operation that is neither request nor reply. */
bool ks_arp_parse(const uint8_t *frame, size_t len, struct ks_arp *arp);
/* Writes KS_ETH_MIN bytes. */
void ks_arp_write(uint8_t frame[KS_ETH_MIN], const uint8_t dst[6], const uint8_t src[6],
		  const struct ks_arp *arp);

#endif
