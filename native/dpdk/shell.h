/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the DPDK shell: what the main lcore and the workers share.
 *
 * Rings: one single-producer single-consumer ring for every ordered pair of lcores (workers 0 ..
 * n-1, main = n). What travels is an mbuf: what is to be done with it stands in hash.usr (enum
 * mark), the port in `port`, and for the main lcore the whole ks_pkt in the private area. A port's
 * transmit queue has one lcore; others send their frames to it by ring, so ports with a single
 * queue work with any number of workers.
 *
 * Generations: `conf` is published by the main lcore; a worker notes in `seen` which publication it
 * works under, at the top of each turn, and SEEN_OFFLINE while it sleeps.
 */
#ifndef SHELL_H
#define SHELL_H

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <stdatomic.h>

#include "clock.h"
#include "kni.h"
#include "ks_conf.h"
#include "ks_main.h"
#include "ks_rss.h"
#include "ks_shm.h"
#include "ks_worker.h"
#include "options.h"
#include "policer.h"
#include "shield.h"
#include "wake.h"

#define RING_SIZE       2048u
#define BURST           32u
#define SEEN_OFFLINE    UINT64_MAX
#define QUEUE_NONE      UINT16_MAX
#define MAX_WAKE_QUEUES 64u

enum mark {
	MARK_WORK, /* the receiver owns the session: process it */
	MARK_TX, /* send on the port */
	MARK_KNI, /* to the kernel interface of the port */
	MARK_MAIN, /* ks_main_packet */
};

/* A port as the worker loop sees it: an ethdev, or the benchmark's generator. */
struct port_io {
	uint16_t (*rx)(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n);
	uint16_t (*tx)(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n);
	void *ctx;
};

struct port {
	const struct port_opts *o;
	struct port_io io;
	uint16_t id; /* ethdev */
	uint16_t n_txq;
	bool attached;
	bool started;
	bool promisc; /* we have put it there */
	bool rx_csum; /* the port verifies */
	unsigned watched_ifindex; /* kernel interface behind an AF_PACKET or AF_XDP port; 0 = ask
				     the driver */
	int reserve_fd; /* keeps others away from the device; -1 = none */
	int wake_fd[MAX_WAKE_QUEUES]; /* readable when the receive queue has packets; -1 = it must
					 be polled */
	char driver[32];
	struct ks_port_info info;
	struct ks_rss *rss; /* what info.rss points to */
	struct ks_kni *kni;
	struct shield *shield; /* an AF_PACKET port's */
	uint64_t *counters;
	uint64_t kni_in, kni_out, kni_full, kni_policed;
};

struct batch {
	unsigned n;
	struct rte_mbuf *m[BURST];
};

/* A page of sessions asked of a worker by the main lcore: `state` goes 0 (free) -> 1 (asked) -> 2
 * (answered) -> 0. */
struct sessions_ask {
	_Atomic uint32_t state;
	uint64_t token;
	uint32_t cursor, max;
	uint32_t count, next;
	struct ks_session_row rows[512];
};

struct lcore {
	struct shell *shell;
	unsigned index; /* worker number; n_workers = main */
	unsigned lcore_id;
	const struct worker_opts *o;
	struct ks_worker *core;
	uint64_t *c;
	struct clock clock;
	ks_ms now; /* of this turn */
	ks_ms timers_at;
	ks_ms polled_at; /* 0 = not yet */
	ks_ms doubt_at; /* since when its queues may hold stale frames; 0 = they do not */
	uint32_t pauses; /* of shell.pauses, those seen */
	struct ks_policer policer[KS_MAX_PORTS]; /* of what leaves for the main lcore */
	uint64_t kni_policed[KS_MAX_PORTS];
	uint32_t sleep_us;
	uint16_t txq[KS_MAX_PORTS]; /* QUEUE_NONE = tx_peer sends for us */
	uint8_t tx_peer[KS_MAX_PORTS]; /* worker */
	uint64_t tx_pending; /* bit a port */
	uint64_t to_pending[2]; /* bit an lcore */
	struct batch tx[KS_MAX_PORTS];
	struct batch to[KS_MAX_WORKERS + 1];
	struct sessions_ask *ask;
	struct wake wake;
	_Alignas(64) _Atomic uint64_t seen;
};

struct shell {
	struct options o;
	unsigned n_ports;
	unsigned n_workers;
	struct port port[KS_MAX_PORTS];
	struct lcore lcore[KS_MAX_WORKERS + 1];
	/* ring[from][to]; NULL where from == to */
	struct rte_ring *ring[KS_MAX_WORKERS + 1][KS_MAX_WORKERS + 1];
	struct rte_mempool *pool;
	struct ks_mem mem;
	struct ks_shared shared;
	struct ks_shm *shm;
	int shm_fd;
	struct clock clock; /* the main lcore's; workers have copies */
	uint64_t seed;
	uint8_t rss_key[KS_RSS_KEY_MAX]; /* of all ports that take one: nobody outside can tell
					    which flows go to one queue */
	_Alignas(64) _Atomic(struct ks_conf *) conf;
	_Atomic uint64_t published; /* counts publications */
	_Atomic uint64_t main_at; /* when the main lcore last had its turn; 0 = there is none */
	_Atomic uint32_t pauses; /* how often it found that nobody ran for a while */
	_Atomic uint32_t stop;
};

/* Which data plane on this machine: what tells its kernel interfaces from those of another. */
static inline const char *shell_owner(const struct shell *s)
{
	return s->o.file_prefix != NULL ? s->o.file_prefix : s->o.socket;
}

/* memory.c: large pieces in huge pages where there are any, untouched until used. */
struct ks_mem memory_ops(void);

/* eal.c. The log's reason is the line of DPDK's log since eal_log_clear that tells most, "" = none.
 */
bool eal_start(const struct options *o, char err[KS_ERR_LEN]);
void eal_stop(void);
bool eal_quietly(bool (*call)(void *ctx),
		 void *ctx); /* what it and its libraries print goes into the log */
const char *eal_log_reason(void);
void eal_log_clear(void);

/* port.c */
bool port_open(struct shell *s, unsigned index, char err[KS_ERR_LEN]);
bool port_open_kni(struct shell *s, unsigned index, char err[KS_ERR_LEN]);
void port_close(struct port *p, bool orderly); /* orderly: its kernel interface goes as well */
bool port_link(const struct port *p);
void port_count(struct port *p);
struct rte_mempool *port_pool(const struct options *o, char err[KS_ERR_LEN]);

/* rss.c: how the port spreads packets, if it says so; after it has started. */
void rss_learn(struct shell *s, unsigned index);

/* transfer.c */
bool rings_make(struct shell *s, char err[KS_ERR_LEN]);
void rings_drain(struct shell *s);
/* Which lcore sends for which; after the ports are open. */
void queues_assign(struct shell *s);
/* Send, from whichever lcore this is: into the buffer of its own queue, or by ring to the queue's
 * lcore. Takes the mbuf. */
void transfer_tx(struct lcore *l, unsigned port, struct rte_mbuf *m);
/* To another lcore; takes the mbuf, counts a drop when the ring is full. */
void transfer_to(struct lcore *l, unsigned to, struct rte_mbuf *m, enum mark mark);
void transfer_flush(struct lcore *l);
bool pkt_alloc(void *ctx_shell, struct ks_pkt *out);

/* worker_loop.c, worker_sleep.c */
int worker_loop(void *lcore);
unsigned worker_turn(struct lcore *l,
		     ks_ms now); /* one turn without sleeping; returns the packets taken in */
void worker_timers(struct lcore *l, ks_ms now);
void worker_send(void *lcore, struct ks_pkt *p); /* a packet the core has made, during its burst */
void worker_sleep(struct lcore *l);

/* main_loop.c */
int main_loop(struct shell *s, char err[KS_ERR_LEN]);

/* ---- packets between mbufs and the core ------------------------------------------------------------------------ */

static inline uint8_t rx_flags(uint64_t ol)
{
	uint64_t ip = ol & RTE_MBUF_F_RX_IP_CKSUM_MASK, l4 = ol & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	unsigned flags = 0;

	flags |= ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD ? KS_RX_IP_CSUM_GOOD : 0;
	flags |= ip == RTE_MBUF_F_RX_IP_CKSUM_BAD ? KS_RX_IP_CSUM_BAD : 0;
	flags |= l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD ? KS_RX_L4_CSUM_GOOD : 0;
	flags |= l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD ? KS_RX_L4_CSUM_BAD : 0;
	return (uint8_t)flags;
}

/* What is not set here the core sets before it reads it. */
static inline void pkt_from_mbuf(struct rte_mbuf *m, struct ks_pkt *p, unsigned in_port,
				 bool rx_csum)
{
	p->data = rte_pktmbuf_mtod(m, uint8_t *);
	p->cookie = m;
	p->len = m->data_len;
	p->headroom = m->data_off;
	p->tailroom = (uint16_t)(m->buf_len - m->data_off - m->data_len);
	p->in_port = (uint8_t)in_port;
	p->flags = rx_csum ? rx_flags(m->ol_flags) : 0;
	p->verdict = KS_V_DROP;
	p->nh = KS_NH_NONE;
	p->ports = 0;
}

/* The frame may have grown or shrunk at either end. */
static inline struct rte_mbuf *mbuf_from_pkt(const struct ks_pkt *p)
{
	struct rte_mbuf *m = p->cookie;

	m->data_off = (uint16_t)(p->data - (uint8_t *)m->buf_addr);
	m->data_len = p->len;
	m->pkt_len = p->len;
	m->ol_flags = 0;
	if (__builtin_expect(p->flags & (KS_TX_IP_CSUM | KS_TX_L4_CSUM), 0)) {
		m->ol_flags = RTE_MBUF_F_TX_IPV4;
		if (p->flags & KS_TX_IP_CSUM)
			m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
		if (p->flags & KS_TX_L4_CSUM)
			m->ol_flags |=
				p->proto == 6 ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
		m->l2_len = (uint8_t)p->l3 & 0x7fu;
		m->l3_len = (uint16_t)(p->l4 - p->l3) & 0x1ffu;
	}
	return m;
}

/* The main lcore's time. */
static inline ks_ms shell_now(struct shell *s)
{
	return clock_at(&s->clock, rte_rdtsc());
}

#endif
