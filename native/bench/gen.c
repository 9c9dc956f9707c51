/* SPDX-License-Identifier: Apache-2.0 */
#include "gen.h"

#include <string.h>

#include "ks_csum.h"
#include "ks_hdr.h"

#define L3   KS_ETH_LEN
#define L4   (L3 + 20u)
#define L4_6 (L3 + 40u)

static const struct {
	uint8_t proto, tcp_flags;
	uint16_t payload;
} kinds[GEN_KINDS] = {
	[GEN_SYN] = { KS_PROTO_TCP, KS_TCP_SYN, 0 },
	[GEN_SYN_ACK] = { KS_PROTO_TCP, KS_TCP_SYN | KS_TCP_ACK, 0 },
	[GEN_ACK] = { KS_PROTO_TCP, KS_TCP_ACK, 0 },
	[GEN_DATA] = { KS_PROTO_TCP, KS_TCP_ACK | KS_TCP_PSH, 6 },
	[GEN_FIN] = { KS_PROTO_TCP, KS_TCP_ACK | KS_TCP_FIN, 0 },
	[GEN_UDP] = { KS_PROTO_UDP, 0, 18 },
};

static uint16_t l4_len(enum gen_kind k)
{
	return (uint16_t)((kinds[k].proto == KS_PROTO_TCP ? 20 : 8) + kinds[k].payload);
}

static void make_l4(uint8_t *l4, enum gen_kind k)
{
	if (kinds[k].proto == KS_PROTO_TCP) {
		struct ks_tcp *tcp = (void *)l4;

		tcp->seq = ks_hton32(0x10203040);
		tcp->ack = kinds[k].tcp_flags & KS_TCP_ACK ? ks_hton32(0x50607080) : 0;
		tcp->off = 5 << 4;
		tcp->flags = kinds[k].tcp_flags;
		tcp->window = ks_hton16(0x2000);
	} else {
		((struct ks_udp *)(void *)l4)->len = ks_hton16(l4_len(k));
	}
	for (unsigned i = 0; i < kinds[k].payload; i++)
		l4[l4_len(k) - kinds[k].payload + i] = (uint8_t)('a' + i);
}

static void make_ethernet(uint8_t *f, const struct gen_port *g, uint16_t type)
{
	struct ks_eth *eth = (void *)f;

	memcpy(eth->dst, g->mac, 6);
	memcpy(eth->src, g->peer_mac, 6);
	eth->type = ks_hton16(type);
}

static void make_template(struct gen_port *g, enum gen_kind k)
{
	uint8_t *f = g->tmpl[k];
	struct ks_ip4 *ip = (void *)(f + L3);

	memset(f, 0, sizeof(g->tmpl[k]));
	make_ethernet(f, g, KS_ETHERTYPE_IPV4);
	ip->ver_ihl = 0x45;
	ip->len = ks_hton16((uint16_t)(20 + l4_len(k)));
	ip->frag = ks_hton16(KS_IP4_DF);
	ip->ttl = 64;
	ip->proto = kinds[k].proto;
	make_l4(f + L4, k);
}

static void make_template6(struct gen_port *g, enum gen_kind k)
{
	uint8_t *f = g->tmpl6[k];
	struct ks_ip6 *ip = (void *)(f + L3);

	memset(f, 0, sizeof(g->tmpl6[k]));
	make_ethernet(f, g, KS_ETHERTYPE_IPV6);
	ip->vtf = ks_hton32(6u << 28);
	ip->plen = ks_hton16(l4_len(k));
	ip->next = kinds[k].proto;
	ip->hop = 64;
	make_l4(f + L4_6, k);
}

void gen_port_init(struct gen_port *g, unsigned index, struct rte_mempool *pool,
		   struct gen_queue *q, bool claim_csum)
{
	const uint8_t mac[6] = { 0x02, 0x4b, 0x53, 0, 0, (uint8_t)index },
		      peer[6] = { 0x02, 0x4b, 0x53, 1, 0, (uint8_t)index };

	g->index = index;
	g->pool = pool;
	g->q = q;
	g->rx_ol = claim_csum ? RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD : 0;
	memcpy(g->mac, mac, 6);
	memcpy(g->peer_mac, peer, 6);
	for (unsigned k = 0; k < GEN_KINDS; k++) {
		make_template(g, (enum gen_kind)k);
		make_template6(g, (enum gen_kind)k);
	}
}

static inline void put_tuple(uint8_t *f, const struct gen_tuple *t, uint8_t proto)
{
	memcpy(f + L3 + 10, &t->ip_csum, 2);
	memcpy(f + L3 + 12, t, 12); /* addresses and ports lie side by side: no IP options */
	memcpy(f + L4 + (proto == KS_PROTO_TCP ? 16 : 6), &t->l4_csum, 2);
}

void gen_csum(const struct gen_port *g, enum gen_kind kind, struct gen_tuple *t)
{
	uint8_t f[64];
	uint16_t len = l4_len(kind);

	memcpy(f, g->tmpl[kind], 64);
	t->ip_csum = t->l4_csum = 0;
	put_tuple(f, t, kinds[kind].proto);
	t->ip_csum = ks_csum_finish(ks_csum_add(0, f + L3, 20));
	t->l4_csum = ks_csum_finish(
		ks_csum_add(ks_csum_pseudo4(t->src, t->dst, kinds[kind].proto, len), f + L4, len));
	if (t->l4_csum == 0 && kinds[kind].proto == KS_PROTO_UDP)
		t->l4_csum = 0xffff;
}

static inline void put_tuple6(uint8_t *f, const struct gen_tuple6 *t, uint8_t proto)
{
	memcpy(f + L3 + 8, t, 36); /* no extension headers */
	memcpy(f + L4_6 + (proto == KS_PROTO_TCP ? 16 : 6), &t->l4_csum, 2);
}

void gen_csum6(const struct gen_port *g, enum gen_kind kind, struct gen_tuple6 *t)
{
	uint8_t f[128];
	uint16_t len = l4_len(kind);

	memcpy(f, g->tmpl6[kind], sizeof(f));
	t->l4_csum = 0;
	put_tuple6(f, t, kinds[kind].proto);
	t->l4_csum =
		ks_csum_finish(ks_csum_add(ks_csum_pseudo6(t->src, t->dst, kinds[kind].proto, len),
					   f + L4_6, len));
	if (t->l4_csum == 0 && kinds[kind].proto == KS_PROTO_UDP)
		t->l4_csum = 0xffff;
}

/* ---- frames that left --------------------------------------------------------------------------------------------- */

static bool read_l4(const uint8_t *l4, uint16_t len, uint64_t pseudo, struct gen_ends *e)
{
	memcpy(&e->sport, l4, 2);
	memcpy(&e->dport, l4 + 2, 2);
	return ks_csum_fold(ks_csum_add(pseudo, l4, len)) == 0xffff;
}

/* The IPv4 packet at p, up to len bytes of frame. */
static bool read4(const uint8_t *p, uint16_t len, struct gen_ends *e, struct gen_ends *outer)
{
	const struct ks_ip4 *ip = (const void *)p;
	uint16_t total = ks_ntoh16(ip->len), l4 = (uint16_t)(total - 20);

	if (len < 40 || total > len || total < 28 || ip->ver_ihl != 0x45 || ip->ttl != 63 ||
	    ks_csum_fold(ks_csum_add(0, p, 20)) != 0xffff)
		return false;
	*e = (struct gen_ends){ .src = ks_addr4(ip->src), .dst = ks_addr4(ip->dst), .af = 4 };
	if (ip->proto == KS_PROTO_IPIP && outer != NULL) {
		*outer = *e;
		return read4(p + 20, l4, e, NULL);
	}
	return read_l4(p + 20, l4, ks_csum_pseudo4(ip->src, ip->dst, ip->proto, l4), e);
}

static bool read6(const uint8_t *p, uint16_t len, struct gen_ends *e)
{
	const struct ks_ip6 *ip = (const void *)p;
	uint16_t l4 = ks_ntoh16(ip->plen);

	if (len < 60 || l4 + 40u > len || l4 < 8 || p[0] >> 4 != 6 || ip->hop != 63)
		return false;
	*e = (struct gen_ends){ .af = 6 };
	memcpy(e->src.b, ip->src, 16);
	memcpy(e->dst.b, ip->dst, 16);
	return read_l4(p + 40, l4, ks_csum_pseudo6(ip->src, ip->dst, ip->next, l4), e);
}

bool gen_frame_read(const uint8_t *f, uint16_t len, struct gen_ends *ends, struct gen_ends *outer)
{
	uint16_t type = (uint16_t)(f[12] << 8 | f[13]);

	if (len <= L3)
		return false;
	if (type == KS_ETHERTYPE_IPV6)
		return read6(f + L3, (uint16_t)(len - L3), ends);
	return type == KS_ETHERTYPE_IPV4 && read4(f + L3, (uint16_t)(len - L3), ends, outer);
}

/* ---- ports -------------------------------------------------------------------------------------------------------- */

static inline void next_tuple(struct gen_list *l)
{
	if (++l->at == l->n && l->cycle)
		l->at = 0;
}

static void fill4(struct gen_port *g, struct gen_list *l, struct rte_mbuf **m, uint16_t n)
{
	const uint8_t *tmpl = g->tmpl[l->kind];
	uint8_t proto = kinds[l->kind].proto;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *f = rte_pktmbuf_mtod(m[i], uint8_t *);

		memcpy(f, tmpl, 64);
		put_tuple(f, &l->t[l->at], proto);
		m[i]->data_len = GEN_FRAME;
		m[i]->pkt_len = GEN_FRAME;
		m[i]->ol_flags = g->rx_ol;
		m[i]->port = (uint16_t)g->index;
		next_tuple(l);
	}
}

static void fill6(struct gen_port *g, struct gen_list *l, struct rte_mbuf **m, uint16_t n)
{
	const uint8_t *tmpl = g->tmpl6[l->kind];
	uint8_t proto = kinds[l->kind].proto;
	uint16_t len = (uint16_t)(L4_6 + l4_len(l->kind));

	for (unsigned i = 0; i < n; i++) {
		uint8_t *f = rte_pktmbuf_mtod(m[i], uint8_t *);

		memcpy(f, tmpl, 80);
		put_tuple6(f, &l->t6[l->at], proto);
		m[i]->data_len = len;
		m[i]->pkt_len = len;
		m[i]->ol_flags = g->rx_ol;
		m[i]->port = (uint16_t)g->index;
		next_tuple(l);
	}
}

/* How many have arrived by now, at most n; when is noted in the frames. */
static uint16_t arrived(struct gen_pace *p, uint64_t now, uint64_t *when, uint16_t n)
{
	uint16_t k = 0;

	if (p->next == 0)
		p->next = now;
	while (k < n && p->next <= now) {
		when[k++] = p->next;
		p->next += p->gap[p->at];
		p->at = p->at + 1 == p->gaps ? 0 : p->at + 1;
	}
	return k;
}

static void charge(const struct gen_clock *c, uint64_t now)
{
	if (c->into == NULL)
		return;
	c->into->cycles += now - c->last;
	c->into->intervals++;
}

uint16_t gen_rx(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	struct gen_port *g = ctx;
	struct gen_queue *q = &g->q[queue];
	struct gen_list *l = &q->list;
	uint64_t start = gen_stamp(), end, when[64];
	uint32_t at = l->at;

	if (q->clock != NULL)
		charge(q->clock, start);
	if (!l->cycle && l->n - l->at < n)
		n = (uint16_t)(l->n - l->at);
	if (l->n == 0)
		n = 0;
	if (q->pace != NULL)
		n = arrived(q->pace, start, when, n < 64 ? n : 64);
	if (n == 0 || rte_pktmbuf_alloc_bulk(g->pool, m, n) != 0)
		n = 0;
	if (l->t6 != NULL)
		fill6(g, l, m, n);
	else
		fill4(g, l, m, n);
	for (unsigned i = 0; q->capture != NULL && i < n; i++)
		m[i]->dynfield1[0] = l->first_index + (at + i) % l->n;
	for (unsigned i = 0; q->pace != NULL && i < n; i++)
		memcpy(&m[i]->dynfield1[2], &when[i], 8);
	q->rx += n;
	q->calls++;
	end = gen_stamp();
	q->rx_cycles += end - start;
	if (q->clock != NULL) {
		q->clock->into = &q->spent;
		q->clock->last = end;
	}
	return n;
}

uint16_t gen_tx(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	struct gen_port *g = ctx;
	struct gen_queue *q = &g->q[queue];
	uint64_t start = gen_stamp(), end, when;

	if (q->clock != NULL)
		charge(q->clock, start);
	if (q->capture != NULL)
		for (unsigned i = 0; i < n; i++)
			q->capture(q->capture_ctx, g->index, m[i]->dynfield1[0],
				   rte_pktmbuf_mtod(m[i], uint8_t *), m[i]->data_len);
	for (unsigned i = 0; q->pace != NULL && i < n; i++) {
		memcpy(&when, &m[i]->dynfield1[2], 8);
		q->pace->left(q->pace->ctx, start - when);
	}
	rte_pktmbuf_free_bulk(m, n);
	q->tx += n;
	q->calls++;
	end = gen_stamp();
	q->tx_cycles += end - start;
	if (q->clock != NULL)
		q->clock->last = end;
	return n;
}

double gen_stamp_cost(void)
{
	double best = 1e9;

	for (unsigned round = 0; round < 20; round++) {
		uint64_t inside = 0, start = gen_stamp(), all;

		for (unsigned i = 0; i < 1000; i++) {
			uint64_t a = gen_stamp();

			inside += gen_stamp() - a;
		}
		all = gen_stamp() - start;
		if ((double)(all - inside) / 1000 < best)
			best = (double)(all - inside) / 1000;
	}
	return best;
}
