/* SPDX-License-Identifier: Apache-2.0 */
#include "policer.h"

/* Bursts at a worker: their sum leaves room in a ring of 2048 for other ports' frames. */
static const uint32_t burst_of[KS_POLICE_CLASSES] = {
	[KS_POLICE_ORDINARY] = 512, [KS_POLICE_ROUTING] = 256, [KS_POLICE_NEIGHBOUR] = 256,
	[KS_POLICE_CONTROL] = 256,  [KS_POLICE_WAITING] = 256,
};

void ks_tokens_init(struct ks_tokens *b, uint32_t pps, uint32_t burst)
{
	b->pps = pps;
	b->max = b->tokens = (uint64_t)burst * 1000;
	b->at = 0;
}

bool ks_tokens_take(struct ks_tokens *b, ks_ms now)
{
	if (now > b->at) {
		ks_ms passed = now - b->at < 60000 ? now - b->at : 60000;

		b->tokens += passed * b->pps;
		if (b->tokens > b->max)
			b->tokens = b->max;
		b->at = now;
	}
	if (b->tokens < 1000)
		return false;
	b->tokens -= 1000;
	return true;
}

void ks_policer_init(struct ks_policer *p)
{
	for (unsigned i = 0; i < KS_POLICE_CLASSES; i++)
		ks_tokens_init(&p->bucket[i], KS_POLICE_PPS, burst_of[i]);
}

/* ---- classes ------------------------------------------------------------------------------------------------------ */

enum {
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_AH = 51,
	PROTO_ICMP6 = 58,
	PROTO_OSPF = 89,
	PROTO_VRRP = 112
};
enum {
	PORT_SSH = 22,
	PORT_BGP = 179,
	PORT_BFD = 3784,
	PORT_BFD_ECHO = 3785,
	PORT_BFD_MULTIHOP = 4784
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool is_either(uint16_t sport, uint16_t dport, uint16_t port)
{
	return sport == port || dport == port;
}

/* VRRP and neighbour discovery come from the link or not at all (RFC 9568 §5.1.1.3, RFC 4861
 * §11.2): what a router has forwarded cannot use their share. */
static enum ks_police class_of_l4(uint8_t proto, uint8_t ttl, const uint8_t *l4, size_t len)
{
	uint16_t sport, dport;

	if (proto == PROTO_OSPF)
		return KS_POLICE_ROUTING;
	if (proto == PROTO_VRRP || (proto == PROTO_AH && len > 0 && l4[0] == PROTO_VRRP))
		return ttl == 255 ? KS_POLICE_ROUTING : KS_POLICE_ORDINARY;
	if (len < 4)
		return KS_POLICE_ORDINARY;
	if (proto == PROTO_ICMP6)
		return l4[0] >= 133 && l4[0] <= 137 && ttl == 255 ? KS_POLICE_NEIGHBOUR
								  : KS_POLICE_ORDINARY;
	sport = get16(l4);
	dport = get16(l4 + 2);
	if (proto == PROTO_TCP &&
	    (is_either(sport, dport, PORT_BGP) || is_either(sport, dport, PORT_SSH)))
		return KS_POLICE_CONTROL;
	if (proto == PROTO_UDP &&
	    (dport == PORT_BFD || dport == PORT_BFD_ECHO || dport == PORT_BFD_MULTIHOP))
		return KS_POLICE_CONTROL;
	return KS_POLICE_ORDINARY;
}

enum ks_police ks_police_class(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + 14;
	size_t head;

	if (len < 14)
		return KS_POLICE_ORDINARY;
	if (get16(frame + 12) == 0x0806)
		return KS_POLICE_NEIGHBOUR;
	if (get16(frame + 12) == 0x86dd && len >= 14 + 40)
		return class_of_l4(ip[6], ip[7], ip + 40, len - 54);
	if (get16(frame + 12) != 0x0800 || len < 14 + 20)
		return KS_POLICE_ORDINARY;
	head = (size_t)(ip[0] & 0xf) * 4;
	if (head < 20 || len < 14 + head || (get16(ip + 6) & 0x1fff) != 0)
		return KS_POLICE_ORDINARY;
	return class_of_l4(ip[9], ip[8], ip + head, len - 14 - head);
}
