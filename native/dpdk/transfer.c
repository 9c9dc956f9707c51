/* SPDX-License-Identifier: Apache-2.0 */
/* Moving mbufs: between lcores by rings, out of ports by the lcore that has the queue, and into the
 * core's form of a packet and back. */
#include <rte_errno.h>
#include <stdio.h>
#include <string.h>

#include "shell.h"

#define TX_TRIES 3u

bool rings_make(struct shell *s, char err[KS_ERR_LEN])
{
	for (unsigned from = 0; from <= s->n_workers; from++) {
		for (unsigned to = 0; to <= s->n_workers; to++) {
			char name[RTE_RING_NAMESIZE];

			if (from == to)
				continue;
			/* a benchmark has more than one shell */
			snprintf(name, sizeof(name), "ks_%x_%u_%u", (unsigned)((uintptr_t)s >> 6),
				 from, to);
			s->ring[from][to] = rte_ring_create(name, RING_SIZE, SOCKET_ID_ANY,
							    RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (s->ring[from][to] == NULL) {
				snprintf(err, KS_ERR_LEN,
					 "not enough memory for the rings between lcores: %s",
					 rte_strerror(rte_errno));
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
			struct rte_mbuf *m[BURST];
			unsigned n;

			if (s->ring[from][to] == NULL)
				continue;
			while ((n = rte_ring_sc_dequeue_burst(s->ring[from][to], (void **)m, BURST,
							      NULL)) > 0)
				rte_pktmbuf_free_bulk(m, n);
			rte_ring_free(s->ring[from][to]);
			s->ring[from][to] = NULL;
		}
	}
}

/* ---- who sends ------------------------------------------------------------------------------------------------- */

static bool polls(const struct lcore *l, unsigned port)
{
	for (unsigned k = 0; k < l->o->n_polls; k++)
		if (l->o->poll[k].port == port)
			return true;
	return false;
}

/* First what was said; then the workers that poll the port, as they turn packets round; then the
 * others while there are queues. */
static void assign_port(struct shell *s, unsigned port)
{
	uint64_t taken = 0;
	unsigned owners[KS_MAX_WORKERS], n_owners = 0;

	for (unsigned w = 0; w < s->n_workers; w++) {
		s->lcore[w].txq[port] = QUEUE_NONE;
		for (unsigned k = 0; k < s->lcore[w].o->n_txs; k++)
			if (s->lcore[w].o->tx[k].port == port) {
				s->lcore[w].txq[port] = s->lcore[w].o->tx[k].queue;
				taken |= 1ull << s->lcore[w].txq[port];
			}
	}
	for (unsigned round = 0; round < 2; round++)
		for (unsigned w = 0; w < s->n_workers; w++) {
			struct lcore *l = &s->lcore[w];
			unsigned q = (unsigned)__builtin_ctzll(~taken);

			if (l->txq[port] != QUEUE_NONE || q >= s->port[port].n_txq ||
			    (round == 0 && !polls(l, port)))
				continue;
			l->txq[port] = (uint16_t)q;
			taken |= 1ull << q;
		}
	for (unsigned w = 0; w < s->n_workers; w++)
		if (s->lcore[w].txq[port] != QUEUE_NONE)
			owners[n_owners++] = w;
	for (unsigned w = 0; w <= s->n_workers; w++) /* the main lcore has no queue */
		s->lcore[w].tx_peer[port] = (uint8_t)owners[w % n_owners];
	s->lcore[s->n_workers].txq[port] = QUEUE_NONE;
}

void queues_assign(struct shell *s)
{
	for (unsigned p = 0; p < s->n_ports; p++)
		assign_port(s, p);
}

/* ---- sending --------------------------------------------------------------------------------------------------- */

static void drop_rest(struct lcore *l, struct batch *b, unsigned done, enum ks_drop reason)
{
	if (__builtin_expect(done < b->n, 0)) {
		l->c[KS_C_DROP_FIRST + reason] += b->n - done;
		rte_pktmbuf_free_bulk(b->m + done, b->n - done);
	}
	b->n = 0;
}

static void flush_port(struct lcore *l, unsigned port)
{
	const struct port_io *io = &l->shell->port[port].io;
	struct batch *b = &l->tx[port];
	unsigned sent = 0;

	for (unsigned i = 0; i < TX_TRIES && sent < b->n;
	     i++) /* a kernel interface often has room a moment later */
		sent += io->tx(io->ctx, l->txq[port], b->m + sent, (uint16_t)(b->n - sent));
	drop_rest(l, b, sent, KS_DROP_TX_FULL);
	l->tx_pending &= ~(1ull << port);
}

static void flush_to(struct lcore *l, unsigned to)
{
	struct shell *s = l->shell;
	struct batch *b = &l->to[to];
	unsigned sent = rte_ring_sp_enqueue_burst(s->ring[l->index][to], (void **)b->m, b->n, NULL);

	drop_rest(l, b, sent, KS_DROP_RING_FULL);
	l->to_pending[to / 64] &= ~(1ull << to % 64);
	wake_up(&s->lcore[to].wake);
}

void transfer_flush(struct lcore *l)
{
	while (l->tx_pending != 0)
		flush_port(l, (unsigned)__builtin_ctzll(l->tx_pending));
	for (unsigned i = 0; i < 2; i++)
		while (l->to_pending[i] != 0)
			flush_to(l, i * 64 + (unsigned)__builtin_ctzll(l->to_pending[i]));
}

void transfer_to(struct lcore *l, unsigned to, struct rte_mbuf *m, enum mark mark)
{
	struct batch *b = &l->to[to];

	m->hash.usr = (uint32_t)mark;
	b->m[b->n++] = m;
	l->to_pending[to / 64] |= 1ull << to % 64;
	if (b->n == BURST)
		flush_to(l, to);
}

void transfer_tx(struct lcore *l, unsigned port, struct rte_mbuf *m)
{
	struct batch *b = &l->tx[port];

	if (l->txq[port] == QUEUE_NONE) {
		m->port = (uint16_t)port;
		transfer_to(l, l->tx_peer[port], m, MARK_TX);
		return;
	}
	b->m[b->n++] = m;
	l->tx_pending |= 1ull << port;
	if (b->n == BURST)
		flush_port(l, port);
}

/* ---- packets --------------------------------------------------------------------------------------------------- */

bool pkt_alloc(void *ctx_shell, struct ks_pkt *out)
{
	struct shell *s = ctx_shell;
	struct rte_mbuf *m = rte_pktmbuf_alloc(s->pool);

	if (m == NULL)
		return false;
	memset(out, 0, sizeof(*out));
	pkt_from_mbuf(m, out, 0, false);
	return true;
}
