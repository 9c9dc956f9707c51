/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: take packets from its receive queues and from the other lcores, let the core decide, carry the verdicts out, send. Polls while there
 * is work; after a while without any it sleeps, longer each time up to idle_sleep_max_us, so that an idle node costs next to nothing.
 */
#include <rte_cycles.h>
#include <sys/prctl.h>
#include <time.h>

#include "shell.h"

#define SPIN_US 20u
#define FIRST_SLEEP_US 10u
#define TIMER_WORK 1024u /* sessions looked at in one go: a pause of some tens of microseconds */
#define TIMER_EVERY_MS 1u

static void to_main(struct lcore *l, struct ks_pkt *p, struct rte_mbuf *m, enum mark_kind kind)
{
	*mark_of(m) = (struct mark){
		.kind = (uint8_t)kind,
		.port = p->in_port,
		.flags = p->flags,
		.nh = p->nh,
		.l3 = p->l3,
		.l4 = p->l4,
		.l3_len = p->l3_len,
		.proto = p->proto,
	};
	transfer_to(l, l->shell->n_workers, m, kind == MARK_KNI ? KS_DROP_KNI_FULL : KS_DROP_RING_FULL);
}

static void carry_out(struct lcore *l, struct ks_pkt *pkts, unsigned n)
{
	struct rte_mbuf *dead[KS_BURST];
	unsigned n_dead = 0;

	for (unsigned i = 0; i < n; i++) {
		struct ks_pkt *p = &pkts[i];
		struct rte_mbuf *m = p->cookie;

		if (p->len != rte_pktmbuf_data_len(m)) {
			m->data_len = p->len;
			m->pkt_len = p->len;
		}
		switch (p->verdict) {
		case KS_V_TX:
			transfer_tx(l, p->out_port, m);
			break;
		case KS_V_KNI:
			to_main(l, p, m, MARK_KNI);
			break;
		case KS_V_MAIN:
			to_main(l, p, m, MARK_MAIN);
			break;
		case KS_V_WORKER:
			*mark_of(m) = (struct mark){ .kind = MARK_WORK, .port = p->in_port, .flags = p->flags };
			transfer_to(l, p->worker, m, KS_DROP_RING_FULL);
			break;
		default:
			dead[n_dead++] = m;
		}
	}
	if (n_dead > 0)
		rte_pktmbuf_free_bulk(dead, n_dead);
}

static unsigned from_ports(struct lcore *l, const struct ks_conf *conf, ks_ms now)
{
	struct shell *s = l->shell;
	unsigned total = 0;

	for (unsigned k = 0; k < l->o->n_polls; k++) {
		const struct poll_opts *poll = &l->o->poll[k];
		struct port *port = &s->port[poll->port];
		struct rte_mbuf *m[RX_BURST];
		struct ks_pkt pkts[RX_BURST];
		unsigned n = port->io.rx(port->io.ctx, poll->queue, m, RX_BURST);
		unsigned kept = 0;
		uint64_t bytes = 0;

		for (unsigned i = 0; i < n; i++)
			rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
		for (unsigned i = 0; i < n; i++) {
			if (m[i]->nb_segs > 1 && rte_pktmbuf_linearize(m[i]) != 0) {
				l->c[KS_C_DROP_FIRST + KS_DROP_TOO_BIG]++;
				rte_pktmbuf_free(m[i]);
				continue;
			}
			bytes += m[i]->pkt_len;
			pkt_from_mbuf(port, poll->port, m[i], &pkts[kept++]);
		}
		if (kept == 0)
			continue;
		l->c[KS_C_RX_PACKETS] += kept;
		l->c[KS_C_RX_BYTES] += bytes;
		ks_worker_burst(l->core, conf, pkts, kept, false, now);
		carry_out(l, pkts, kept);
		total += kept;
	}
	return total;
}

static unsigned from_ring(struct lcore *l, struct rte_ring *ring, const struct ks_conf *conf, ks_ms now)
{
	struct shell *s = l->shell;
	struct rte_mbuf *m[RX_BURST];
	struct ks_pkt pkts[RX_BURST];
	unsigned n = rte_ring_sc_dequeue_burst(ring, (void **)m, RX_BURST, NULL);
	unsigned work = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct mark *mark = mark_of(m[i]);

		if (mark->kind == MARK_TX) {
			transfer_tx(l, mark->port, m[i]);
			continue;
		}
		pkt_from_mbuf(&s->port[mark->port], mark->port, m[i], &pkts[work]);
		pkts[work++].flags = mark->flags;
	}
	if (work > 0) {
		l->c[KS_C_HANDED_IN] += work;
		ks_worker_burst(l->core, conf, pkts, work, true, now);
		carry_out(l, pkts, work);
	}
	return n;
}

static void answer_sessions(struct lcore *l, const struct ks_conf *conf, ks_ms now)
{
	struct sessions_ask *a = l->ask;

	if (a == NULL || atomic_load_explicit(&a->state, memory_order_acquire) != 1)
		return;
	a->count = ks_worker_sessions(l->core, conf, a->cursor, a->rows, a->max, &a->next, now);
	atomic_store_explicit(&a->state, 2, memory_order_release);
}

bool worker_turn(struct lcore *l, ks_ms now)
{
	struct shell *s = l->shell;
	uint64_t published = atomic_load_explicit(&s->published, memory_order_acquire);
	const struct ks_conf *conf;
	unsigned work;

	/* What was published up to here is what this turn sees at least: the earlier generation is left. */
	atomic_store_explicit(&l->seen, published, memory_order_seq_cst);
	conf = atomic_load_explicit(&s->conf, memory_order_acquire);
	work = from_ports(l, conf, now);
	for (unsigned from = 0; from <= s->n_workers; from++)
		if (s->ring[from][l->index] != NULL)
			work += from_ring(l, s->ring[from][l->index], conf, now);
	answer_sessions(l, conf, now);
	if (l->tx_pending != 0)
		transfer_flush(l);
	l->c[KS_C_POLLS]++;
	if (work == 0)
		l->c[KS_C_POLLS_EMPTY]++;
	return work > 0;
}

static void expire(struct lcore *l, ks_ms now)
{
	const struct ks_conf *conf = atomic_load_explicit(&l->shell->conf, memory_order_acquire);
	struct ks_pkt out[RX_BURST];
	unsigned n = ks_worker_tick(l->core, conf, out, RX_BURST, TIMER_WORK, now);

	carry_out(l, out, n);
	transfer_flush(l);
}

static void sleep_us(uint32_t us)
{
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };

	nanosleep(&t, NULL);
}

int worker_loop(void *arg)
{
	struct lcore *l = arg;
	struct shell *s = l->shell;
	uint32_t max_us = s->o.idle_sleep_max_us;
	uint64_t spin = s->tsc_hz / 1000000 * SPIN_US;
	uint64_t idle_since = rte_rdtsc();
	uint64_t before = idle_since;
	ks_ms timers_at = 0;
	uint32_t sleep = FIRST_SLEEP_US;

	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
	while (atomic_load_explicit(&s->stop, memory_order_relaxed) == 0) {
		ks_ms now = shell_now(s);
		bool work = worker_turn(l, now);
		uint64_t after;

		if (now >= timers_at) {
			expire(l, now);
			timers_at = now + TIMER_EVERY_MS;
		}
		after = rte_rdtsc();
		l->c[work ? KS_C_CYCLES_BUSY : KS_C_CYCLES_IDLE] += after - before;
		before = after;
		if (work) {
			idle_since = after;
			sleep = FIRST_SLEEP_US;
		} else if (max_us != 0 && after - idle_since > spin) {
			l->c[KS_C_SLEEPS]++;
			sleep_us(sleep < max_us ? sleep : max_us);
			sleep = sleep * 2 < max_us ? sleep * 2 : max_us;
			before = rte_rdtsc();
		} else {
			rte_pause();
		}
	}
	atomic_store_explicit(&l->seen, UINT64_MAX, memory_order_release);
	return 0;
}
