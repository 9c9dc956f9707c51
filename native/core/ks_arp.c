/* SPDX-License-Identifier: Apache-2.0 */
/*
 *  0                   1                   2                   3
 * +-------------------------------+-------------------------------+
 * |  hardware type = 1            |  protocol type = 0x0800       |
 * |  hw length = 6 | pr length = 4|  operation                    |
 * |  sender hardware address (6)                                  :
 * :                               |  sender protocol address (4)  :
 * :                               |  target hardware address (6)  :
 * :                                                               |
 * |  target protocol address (4)                                  |
 * +---------------------------------------------------------------+
 */
#include "ks_arp.h"

#include <string.h>

const uint8_t ks_mac_broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static const uint8_t head[] = { 0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4 };

bool ks_arp_parse(const uint8_t *frame, size_t len, struct ks_arp *arp)
{
	const uint8_t *b = frame + KS_ETH_LEN;

	if (len < KS_ARP_FRAME || memcmp(frame + 12, head, sizeof(head)) != 0)
		return false;
	arp->op = (uint16_t)(b[6] << 8 | b[7]);
	memcpy(arp->sha, b + 8, 6);
	memcpy(&arp->spa, b + 14, 4);
	memcpy(arp->tha, b + 18, 6);
	memcpy(&arp->tpa, b + 24, 4);
	return arp->op == KS_ARP_REQUEST || arp->op == KS_ARP_REPLY;
}

void ks_arp_write(uint8_t frame[KS_ETH_MIN], const uint8_t dst[6], const uint8_t src[6],
		  const struct ks_arp *arp)
{
	uint8_t *b = frame + KS_ETH_LEN;

	memset(frame, 0, KS_ETH_MIN);
	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
	memcpy(frame + 12, head, sizeof(head));
	b[6] = (uint8_t)(arp->op >> 8);
	b[7] = (uint8_t)arp->op;
	memcpy(b + 8, arp->sha, 6);
	memcpy(b + 14, &arp->spa, 4);
	memcpy(b + 18, arp->tha, 6);
	memcpy(b + 24, &arp->tpa, 4);
}
