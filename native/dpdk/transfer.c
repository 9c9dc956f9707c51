/* SPDX-License-Identifier: Apache-2.0 */
/* Moving mbufs: between lcores by rings, out of ports by the lcore that has the queue, and into the core's form of a packet. */
#include <rte_errno.h>
#include <stdio.h>
#include <unistd.h>

#include "shell.h"

struct mark *mark_of(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

bool rings_make(struct shell *s, char err[KS_ERR_LEN])
{
	for (unsigned from = 0; from <= s->n_workers; from++) {
		for (unsigned to = 0; to <= s->n_workers; to++) {
			char name[32];

			if (from == to)
				continue;
			snprintf(name, sizeof(name), "ks_ring_%u_%u", from, to);
			s->ring[from][to] = rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (s->ring[from][to] == NULL) {
				snprintf(err, KS_ERR_LEN, "no memory for rings between lcores: %s", rte_strerror(rte_errno));
				return false;
			}
		}
	}
	return true;
}

void rings_drain(struct shell *s)
{
	for (unsigned from = 0; from <= s->n_workers; from++) {
		for (unsigned to = 0; to <= s->n_workers; to++) {
			struct rte_mbuf *m[RX_BURST];
			unsigned n;

			if (s->ring[from][to] == NULL)
				continue;
			while ((n = rte_ring_sc_dequeue_burst(s->ring[from][to], (void **)m, RX_BURST, NULL)) > 0)
				rte_pktmbuf_free_bulk(m, n);
			rte_ring_free(s->ring[from][to]);
			s->ring[from][to] = NULL;
		}
	}
}

/* Which lcore has the queue that `l` would like to send by: its own where there are enough, else the owner of queue 0. */
static unsigned tx_lcore(const struct shell *s, const struct lcore *l, unsigned port, uint16_t *queue)
{
	const struct port *p = &s->port[port];

	if (l->index < p->n_txq) {
		*queue = (uint16_t)l->index;
		return l->index;
	}
	*queue = 0;
	return 0;
}

static void drop_mbuf(struct lcore *l, struct rte_mbuf *m, enum ks_drop reason)
{
	l->c[KS_C_DROP_FIRST + reason]++;
	rte_pktmbuf_free(m);
}

static void flush_port(struct lcore *l, unsigned port)
{
	struct shell *s = l->shell;
	struct tx_buffer *b = &l->tx[port];
	uint16_t queue;
	unsigned sent;

	(void)tx_lcore(s, l, port, &queue);
	sent = s->port[port].io.tx(s->port[port].io.ctx, queue, b->m, (uint16_t)b->n);
	if (sent < b->n) /* once more: a kernel interface often has room a moment later */
		sent += s->port[port].io.tx(s->port[port].io.ctx, queue, b->m + sent, (uint16_t)(b->n - sent));
	for (unsigned i = sent; i < b->n; i++)
		drop_mbuf(l, b->m[i], KS_DROP_TX_FULL);
	l->c[KS_C_TX_PACKETS] += sent;
	b->n = 0;
	l->tx_pending &= ~(1ull << port);
}

void transfer_flush(struct lcore *l)
{
	while (l->tx_pending != 0)
		flush_port(l, (unsigned)__builtin_ctzll(l->tx_pending));
}

static void wake_main(struct shell *s)
{
	uint64_t one = 1;

	/* The fence orders the ring's write before the read of the flag; the main lcore does the reverse before it sleeps. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&s->main_sleeps, memory_order_relaxed) != 0 &&
	    atomic_exchange_explicit(&s->main_sleeps, 0, memory_order_relaxed) != 0)
		(void)!write(s->wake_fd, &one, sizeof(one));
}

void transfer_to(struct lcore *l, unsigned to, struct rte_mbuf *m, enum ks_drop when_full)
{
	struct shell *s = l->shell;

	if (rte_ring_sp_enqueue(s->ring[l->index][to], m) != 0) {
		drop_mbuf(l, m, when_full);
		return;
	}
	if (to == s->n_workers)
		wake_main(s);
}

void transfer_tx(struct lcore *l, unsigned port, struct rte_mbuf *m)
{
	struct shell *s = l->shell;
	struct tx_buffer *b = &l->tx[port];
	uint16_t queue;
	unsigned owner = tx_lcore(s, l, port, &queue);

	if (owner != l->index) {
		struct mark *mark = mark_of(m);

		mark->kind = MARK_TX;
		mark->port = (uint8_t)port;
		transfer_to(l, owner, m, KS_DROP_RING_FULL);
		return;
	}
	l->c[KS_C_TX_BYTES] += m->pkt_len;
	b->m[b->n++] = m;
	l->tx_pending |= 1ull << port;
	if (b->n == TX_BURST)
		flush_port(l, port);
}

void pkt_from_mbuf(const struct port *port, unsigned index, struct rte_mbuf *m, struct ks_pkt *p)
{
	uint8_t flags = 0;

	if (port->rx_csum) {
		uint64_t ip = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK, l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

		flags |= ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD ? KS_RX_IP_CSUM_GOOD : 0;
		flags |= ip == RTE_MBUF_F_RX_IP_CKSUM_BAD ? KS_RX_IP_CSUM_BAD : 0;
		flags |= l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD ? KS_RX_L4_CSUM_GOOD : 0;
		flags |= l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD ? KS_RX_L4_CSUM_BAD : 0;
	}
	p->data = rte_pktmbuf_mtod(m, uint8_t *);
	p->cookie = m;
	p->len = rte_pktmbuf_data_len(m);
	p->headroom = rte_pktmbuf_headroom(m);
	p->tailroom = rte_pktmbuf_tailroom(m);
	p->in_port = (uint8_t)index;
	p->flags = flags;
	p->verdict = KS_V_DROP;
	p->nh = KS_NH_NONE;
}

bool pkt_alloc(void *ctx_shell, struct ks_pkt *out)
{
	struct shell *s = ctx_shell;
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->pool);

	if (m == NULL)
		return false;
	memset(out, 0, sizeof(*out));
	out->data = rte_pktmbuf_mtod(m, uint8_t *);
	out->cookie = m;
	out->headroom = rte_pktmbuf_headroom(m);
	out->tailroom = rte_pktmbuf_tailroom(m);
	out->nh = KS_NH_NONE;
	return true;
}
