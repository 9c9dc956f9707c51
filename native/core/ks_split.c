/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 packets that are larger than the way out and may be fragmented (RFC 791 §3.2): the header of
 * a tunnel makes a full packet too large, and ports that put fragments together (AF_PACKET) hand in
 * what never was on a link in one piece. IPv6 is only fragmented by its source: there the answer is
 * packet too big.
 */
#include "ks_worker_int.h"

#define HEADER    20u
#define MORE      0x2000u
#define OFFSET    0x1fffu
#define PARTS_MAX 64u

bool ks_can_split(const struct ks_worker *w, const struct ks_pkt *p, const struct ks_session *s,
		  unsigned dir)
{
	uint8_t out = ks_session_af(s, !dir);

	if (s->fwd == KS_FWD_DR)
		out = p->af;
	return w->opts.alloc != NULL && w->opts.send != NULL && p->af == 4 && out == 4 &&
		p->l4 - p->l3 == HEADER && (ks_ntoh16(ks_ip(p)->frag) & KS_IP4_DF) == 0;
}

static void set_header(struct ks_ip4 *ip, unsigned len, unsigned at, bool more)
{
	unsigned offset = (ks_ntoh16(ip->frag) & OFFSET) + at / 8;
	bool last_of_all = !more && (ks_ntoh16(ip->frag) & MORE) == 0;

	ip->len = ks_hton16((uint16_t)(HEADER + len));
	ip->frag = ks_hton16((uint16_t)(offset | (last_of_all ? 0 : MORE)));
	ip->csum = 0;
	ip->csum = ks_csum_finish(ks_csum_add(0, (const uint8_t *)ip, HEADER));
}

/* A packet of its own for the bytes from `at`. */
static bool send_part(struct ks_worker *w, const struct ks_pkt *whole, unsigned at, unsigned len)
{
	const uint8_t *from = whole->data + KS_ETH_LEN + HEADER + at;
	struct ks_pkt p;

	if (!w->opts.alloc(w->opts.alloc_ctx, &p))
		return false;
	if (p.tailroom < KS_ETH_LEN + HEADER + len) {
		ks_drop(w, &p, KS_DROP_NO_BUFFER);
		w->opts.send(w->opts.send_ctx, &p);
		return false;
	}
	memcpy(p.data, whole->data, KS_ETH_LEN + HEADER);
	memcpy(p.data + KS_ETH_LEN + HEADER, from, len);
	set_header((void *)(p.data + KS_ETH_LEN), len, at, true);
	p.len = (uint16_t)(KS_ETH_LEN + HEADER + len);
	p.in_port = whole->in_port;
	p.out_port = whole->out_port;
	p.verdict = whole->verdict;
	p.nh = whole->nh;
	p.via = whole->via;
	p.l3 = KS_ETH_LEN;
	p.l4 = KS_ETH_LEN + HEADER;
	p.l3_len = (uint16_t)(HEADER + len);
	p.af = 4;
	p.proto = whole->proto;
	w->opts.send(w->opts.send_ctx, &p);
	return true;
}

void ks_split(struct ks_worker *w, struct ks_pkt *p, unsigned mtu)
{
	unsigned payload = p->l3_len - HEADER, room = mtu > HEADER ? (mtu - HEADER) & ~7u : 0;
	uint8_t *body = p->data + KS_ETH_LEN + HEADER;
	unsigned at = 0;

	if (p->verdict == KS_V_DROP || payload <= room)
		return;
	if (room == 0 || payload > room * PARTS_MAX) {
		ks_drop(w, p, KS_DROP_TOO_BIG);
		return;
	}
	for (; payload - at > room; at += room) {
		if (!send_part(w, p, at, room)) {
			ks_drop(w, p, KS_DROP_NO_BUFFER);
			return;
		}
		w->c[KS_C_FRAGMENTS_MADE]++;
	}
	memmove(body, body + at, payload - at);
	set_header((void *)(p->data + KS_ETH_LEN), payload - at, at, false);
	p->len = (uint16_t)(KS_ETH_LEN + HEADER + payload - at);
	p->l3_len = (uint16_t)(HEADER + payload - at);
	w->c[KS_C_FRAGMENTS_MADE]++;
}
