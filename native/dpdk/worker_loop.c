/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's turn: take packets from its receive queues and from the other lcores, let the core
 * decide, carry the verdicts out, send. No system call but the wake-up of an lcore that sleeps; its
 * own sleep is in worker_sleep.c.
 */
#include <string.h>
#include <sys/prctl.h>

#include "pause.h"
#include "shell.h"

/* Bursts taken from a ring in a turn: rings go before ports, as what lies there has had work done
 * on it already. */
#define RING_BURSTS 8u
#define TIMER_WORK  1024u /* sessions looked at in one go: a pause of some tens of microseconds */

/* May it go to the main lcore? Counted as a drop if not. */
__attribute__((noinline, cold)) static bool admit(struct lcore *l, const struct ks_pkt *p)
{
	struct ks_policer *police = &l->policer[p->in_port];
	enum ks_police class = ks_police_class(p->data, p->len);
	enum ks_drop reason = KS_DROP_KNI_POLICED;

	if (police->bucket[class].max == 0)
		ks_policer_init(police);
	if (p->verdict == KS_V_MAIN && class != KS_POLICE_NEIGHBOUR) {
		class = KS_POLICE_WAITING;
		reason = KS_DROP_NEIGH_FULL;
	}
	if (ks_tokens_take(&police->bucket[class], l->now))
		return true;
	l->c[KS_C_DROP_FIRST + reason]++;
	l->kni_policed[p->in_port] += reason == KS_DROP_KNI_POLICED;
	return false;
}

static void carry_out(struct lcore *l, struct ks_pkt *pkts, unsigned n)
{
	struct rte_mbuf *dead[KS_BURST];
	unsigned n_dead = 0, main_lcore = l->shell->n_workers;
	uint64_t tx_packets = 0, tx_bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		struct ks_pkt *p = &pkts[i];
		struct rte_mbuf *m = p->cookie;

		switch ((enum ks_verdict)p->verdict) {
		case KS_V_TX:
			tx_packets++;
			tx_bytes += p->len;
			transfer_tx(l, p->out_port, mbuf_from_pkt(p));
			break;
		case KS_V_KNI:
			if (!admit(l, p)) {
				dead[n_dead++] = m;
				break;
			}
			m->port = p->in_port;
			transfer_to(l, main_lcore, m, MARK_KNI);
			break;
		case KS_V_MAIN:
			if (!admit(l, p)) {
				dead[n_dead++] = m;
				break;
			}
			mbuf_from_pkt(p);
			memcpy(rte_mbuf_to_priv(m), p, sizeof(*p));
			transfer_to(l, main_lcore, m, MARK_MAIN);
			break;
		case KS_V_WORKER:
			/* this one has verified it: the owner need not */
			m->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
			m->port = p->in_port;
			m->hash.fdir.hi = p->ports; /* beside hash.usr, the mark */
			transfer_to(l, p->worker, m, MARK_WORK);
			break;
		case KS_V_DROP:
		case KS_V_CONSUMED:
			dead[n_dead++] = m;
			break;
		}
	}
	if (n_dead > 0)
		rte_pktmbuf_free_bulk(dead, n_dead);
	l->c[KS_C_TX_PACKETS] += tx_packets;
	l->c[KS_C_TX_BYTES] += tx_bytes;
}

void worker_send(void *lcore, struct ks_pkt *p)
{
	carry_out(lcore, p, 1);
}

static unsigned from_queue(struct lcore *l, const struct poll_opts *poll,
			   const struct ks_conf *conf, ks_ms now)
{
	const struct port *port = &l->shell->port[poll->port];
	struct rte_mbuf *m[BURST];
	struct ks_pkt pkts[BURST];
	unsigned n = port->io.rx(port->io.ctx, poll->queue, m, BURST), kept = 0;
	uint64_t bytes = 0;

	if (n == 0)
		return 0;
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (unsigned i = 0; i < n; i++) {
		bytes += m[i]->pkt_len;
		if (__builtin_expect(m[i]->nb_segs > 1, 0) && rte_pktmbuf_linearize(m[i]) != 0) {
			l->c[KS_C_DROP_FIRST + KS_DROP_TOO_BIG]++;
			rte_pktmbuf_free(m[i]);
			continue;
		}
		pkt_from_mbuf(m[i], &pkts[kept++], poll->port, port->rx_csum);
	}
	l->c[KS_C_RX_PACKETS] += n;
	l->c[KS_C_RX_BYTES] += bytes;
	ks_worker_burst(l->core, conf, pkts, kept, false, now);
	carry_out(l, pkts, kept);
	return n;
}

static void handed_pkt(struct rte_mbuf *m, struct ks_pkt *p)
{
	pkt_from_mbuf(m, p, m->port, true);
	p->ports = m->hash.fdir.hi;
}

/* From another lcore: frames to send on a queue of ours, packets whose session is ours. */
static unsigned from_ring(struct lcore *l, struct rte_ring *ring, const struct ks_conf *conf,
			  ks_ms now)
{
	struct rte_mbuf *m[BURST];
	struct ks_pkt pkts[BURST];
	unsigned n = rte_ring_sc_dequeue_burst(ring, (void **)m, BURST, NULL);
	unsigned work = 0;

	for (unsigned i = 0; i < n; i++) {
		if (m[i]->hash.usr == MARK_TX)
			transfer_tx(l, m[i]->port, m[i]);
		else
			handed_pkt(m[i], &pkts[work++]);
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
	wake_up(&l->shell->lcore[l->shell->n_workers].wake);
}

/* What a queue holds may be seconds old: to send it on now would be to speak for a past that others
 * have answered meanwhile. */
static void drop_stale(struct lcore *l)
{
	for (unsigned k = 0; k < l->o->n_polls; k++) {
		const struct poll_opts *poll = &l->o->poll[k];
		struct port *port = &l->shell->port[poll->port];
		struct rte_mbuf *m[BURST];
		unsigned left = 2u * port->o->rxd, n;

		do {
			n = port->io.rx(port->io.ctx, poll->queue, m, BURST);
			rte_pktmbuf_free_bulk(m, n);
			l->c[KS_C_DROP_FIRST + KS_DROP_STALE] += n;
			left -= n < left ? n : left;
		} while (n > 0 && left > 0);
	}
}

/* After a long gap between two turns it is the main lcore, which never sleeps that long, that knows
 * whether nobody ran or only this worker slept. Until it has had its turn the queues are left
 * alone, though not for ever. */
static bool may_receive(struct lcore *l, ks_ms now)
{
	struct shell *s = l->shell;
	uint64_t main_at = atomic_load_explicit(&s->main_at, memory_order_acquire);
	uint32_t pauses = atomic_load_explicit(&s->pauses, memory_order_relaxed);
	bool found = pauses != l->pauses;
	bool undecided = !found && now > main_at + PAUSE_MS;

	l->pauses = pauses;
	if (main_at != 0 && undecided && now <= l->doubt_at + PAUSE_MS)
		return false;
	l->doubt_at = 0;
	if (main_at != 0 && (found || undecided))
		drop_stale(l);
	return true;
}

unsigned worker_turn(struct lcore *l, ks_ms now)
{
	struct shell *s = l->shell;
	uint64_t published = atomic_load_explicit(&s->published, memory_order_acquire);
	const struct ks_conf *conf;
	unsigned work = 0;

	l->now = now;
	if (__builtin_expect(now > l->polled_at + PAUSE_MS, 0) && l->polled_at != 0)
		l->doubt_at = now;
	l->polled_at = now;
	/* Read before the pointer: what was published up to here is what this turn sees at least;
	 * the earlier generation is left. */
	atomic_store_explicit(&l->seen, published, memory_order_release);
	conf = atomic_load_explicit(&s->conf, memory_order_acquire);
	for (unsigned from = 0; from <= s->n_workers; from++)
		for (unsigned i = 0; i < RING_BURSTS && s->ring[from][l->index] != NULL; i++) {
			unsigned n = rte_ring_empty(s->ring[from][l->index])
				? 0
				: from_ring(l, s->ring[from][l->index], conf, now);

			work += n;
			if (n < BURST)
				break;
		}
	if (__builtin_expect(l->doubt_at == 0, 1) || may_receive(l, now))
		for (unsigned k = 0; k < l->o->n_polls; k++)
			work += from_queue(l, &l->o->poll[k], conf, now);
	answer_sessions(l, conf, now);
	transfer_flush(l);
	l->c[KS_C_POLLS]++;
	if (work == 0)
		l->c[KS_C_POLLS_EMPTY]++;
	return work;
}

void worker_timers(struct lcore *l, ks_ms now)
{
	const struct ks_conf *conf = atomic_load_explicit(&l->shell->conf, memory_order_acquire);
	struct ks_pkt out[BURST];
	unsigned n;

	l->now = now;
	l->timers_at = now + 1;
	if (now < ks_worker_deadline(l->core))
		return;
	n = ks_worker_tick(l->core, conf, out, BURST, TIMER_WORK, now);
	if (n == 0)
		return;
	carry_out(l, out, n);
	transfer_flush(l);
}

/* Nothing new comes in; what other lcores have handed over still goes out. */
static void last_turns(struct lcore *l, ks_ms now)
{
	static const struct worker_opts nothing;
	const struct worker_opts *o = l->o;

	l->o = &nothing;
	for (unsigned i = 0; i < 100; i++)
		worker_turn(l, now);
	l->o = o;
}

int worker_loop(void *arg)
{
	struct lcore *l = arg;
	struct shell *s = l->shell;
	uint64_t spin = s->o.idle_spin_us * (l->clock.per_ms / 1000);
	uint64_t before = rte_rdtsc(), busy_at = before;
	unsigned work = 0;

	prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0); /* ns: sleeps as short as asked for */
	while (atomic_load_explicit(&s->stop, memory_order_relaxed) == 0) {
		uint64_t tsc = rte_rdtsc();
		ks_ms now = clock_at(&l->clock, tsc);

		l->c[work > 0 ? KS_C_CYCLES_BUSY : KS_C_CYCLES_IDLE] += tsc - before;
		before = tsc;
		work = worker_turn(l, now);
		if (now >= l->timers_at)
			worker_timers(l, now);
		if (work > 0) {
			busy_at = tsc;
			l->sleep_us = 0;
		} else if (s->o.idle_sleep_max_us != 0 && tsc - busy_at >= spin) {
			worker_sleep(l);
		} else {
			rte_pause();
		}
	}
	last_turns(l, clock_at(&l->clock, rte_rdtsc()));
	atomic_store_explicit(&l->seen, SEEN_OFFLINE, memory_order_release);
	return 0;
}
