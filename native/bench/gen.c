/* SPDX-License-Identifier: Apache-2.0 */
#include "gen.h"

#include <string.h>

#include "ks_csum.h"
#include "ks_hdr.h"

#define L3 KS_ETH_LEN
#define L4 (L3 + 20u)

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

static void make_template(struct gen_port *g, enum gen_kind k)
{
	uint8_t *f = g->tmpl[k];
	struct ks_eth *eth = (void *)f;
	struct ks_ip4 *ip = (void *)(f + L3);

	memset(f, 0, 64);
	memcpy(eth->dst, g->mac, 6);
	memcpy(eth->src, g->peer_mac, 6);
	eth->type = ks_hton16(KS_ETHERTYPE_IPV4);
	ip->ver_ihl = 0x45;
	ip->len = ks_hton16((uint16_t)(20 + l4_len(k)));
	ip->frag = ks_hton16(KS_IP4_DF);
	ip->ttl = 64;
	ip->proto = kinds[k].proto;
	if (kinds[k].proto == KS_PROTO_TCP) {
		struct ks_tcp *tcp = (void *)(f + L4);

		tcp->seq = ks_hton32(0x10203040);
		tcp->ack = kinds[k].tcp_flags & KS_TCP_ACK ? ks_hton32(0x50607080) : 0;
		tcp->off = 5 << 4;
		tcp->flags = kinds[k].tcp_flags;
		tcp->window = ks_hton16(0x2000);
	} else {
		((struct ks_udp *)(void *)(f + L4))->len = ks_hton16(l4_len(k));
	}
	for (unsigned i = 0; i < kinds[k].payload; i++)
		f[L4 + l4_len(k) - kinds[k].payload + i] = (uint8_t)('a' + i);
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
	for (unsigned k = 0; k < GEN_KINDS; k++)
		make_template(g, (enum gen_kind)k);
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

bool gen_frame_ok(const uint8_t *f, uint16_t len)
{
	const struct ks_ip4 *ip = (const void *)(f + L3);
	uint16_t total = ks_ntoh16(ip->len), l4 = (uint16_t)(total - 20);

	if (len < GEN_FRAME || total + L3 > len || total < 28 || ip->ver_ihl != 0x45 ||
	    ip->ttl != 63)
		return false;
	return ks_csum_fold(ks_csum_add(0, f + L3, 20)) == 0xffff &&
		ks_csum_fold(ks_csum_add(ks_csum_pseudo4(ip->src, ip->dst, ip->proto, l4), f + L4,
					 l4)) == 0xffff;
}

uint16_t gen_rx(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	struct gen_port *g = ctx;
	struct gen_queue *q = &g->q[queue];
	struct gen_list *l = &q->list;
	uint64_t start = gen_stamp();
	const uint8_t *tmpl = g->tmpl[l->kind];
	uint8_t proto = kinds[l->kind].proto;

	if (!l->cycle && l->n - l->at < n)
		n = (uint16_t)(l->n - l->at);
	if (l->n == 0 || n == 0 || rte_pktmbuf_alloc_bulk(g->pool, m, n) != 0)
		n = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct gen_tuple *t = &l->t[l->at];
		uint8_t *f = rte_pktmbuf_mtod(m[i], uint8_t *);

		memcpy(f, tmpl, 64);
		put_tuple(f, t, proto);
		m[i]->data_len = GEN_FRAME;
		m[i]->pkt_len = GEN_FRAME;
		m[i]->ol_flags = g->rx_ol;
		m[i]->port = (uint16_t)g->index;
		if (q->capture != NULL)
			m[i]->dynfield1[0] = l->first_index + l->at;
		if (++l->at == l->n && l->cycle)
			l->at = 0;
	}
	q->rx += n;
	q->calls++;
	q->rx_cycles += gen_stamp() - start;
	return n;
}

uint16_t gen_tx(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	struct gen_port *g = ctx;
	struct gen_queue *q = &g->q[queue];
	uint64_t start = gen_stamp();

	if (q->capture != NULL)
		for (unsigned i = 0; i < n; i++)
			q->capture(q->capture_ctx, g->index, m[i]->dynfield1[0],
				   rte_pktmbuf_mtod(m[i], uint8_t *), m[i]->data_len);
	rte_pktmbuf_free_bulk(m, n);
	q->tx += n;
	q->calls++;
	q->tx_cycles += gen_stamp() - start;
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
