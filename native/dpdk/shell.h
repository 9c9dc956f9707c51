/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the DPDK shell: what the main lcore and the workers share.
 *
 * Rings: one single-producer single-consumer ring for every ordered pair of lcores (workers 0 .. n-1, main = n). What travels is an mbuf; what is to
 * be done with it stands in its private area (struct mark). A port's transmit queue has one lcore; others send their frames to it by
 * ring, so ports with a single queue work with any number of workers.
 *
 * Generations: `conf` is published by the main lcore; a worker notes in `seen` which publication it works under, at the top of each turn.
 */
#ifndef SHELL_H
#define SHELL_H

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <stdatomic.h>

#include "kni.h"
#include "ks_conf.h"
#include "ks_main.h"
#include "ks_shm.h"
#include "ks_worker.h"
#include "options.h"

#define RING_SIZE 1024u
#define TX_BURST 32u
#define RX_BURST 32u

enum mark_kind {
	MARK_WORK, /* the receiver owns the session: process it */
	MARK_TX,   /* send on `port` */
	MARK_KNI,  /* to the kernel interface of `port` */
	MARK_MAIN, /* ks_main_packet */
};

struct mark {
	uint8_t kind;
	uint8_t port;  /* in_port, or out_port with MARK_TX */
	uint8_t flags; /* of ks_pkt */
	uint8_t pad;
	uint16_t nh;
	uint16_t l3;
	uint16_t l3_len;
	uint16_t l4;
	uint8_t proto;
	uint8_t pad2[3];
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
	bool started;
	bool rx_csum; /* the port verifies */
	unsigned watched_ifindex; /* kernel interface behind an AF_PACKET or AF_XDP port; 0 = ask the driver */
	struct ks_port_info info;
	struct ks_kni *kni;
	uint64_t *counters;
	uint64_t kni_in, kni_out, kni_full, kni_policed;
};

struct tx_buffer {
	unsigned n;
	struct rte_mbuf *m[TX_BURST];
};

/* A page of sessions asked of a worker by the main lcore: `state` goes 0 (free) -> 1 (asked) -> 2 (answered) -> 0. */
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
	struct tx_buffer tx[KS_MAX_PORTS];
	uint64_t tx_pending; /* bit a port */
	struct sessions_ask *ask;
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
	uint64_t tsc_hz;
	uint64_t tsc_start;
	uint64_t ms_start; /* CLOCK_MONOTONIC at tsc_start */
	uint64_t seed;
	_Alignas(64) _Atomic(struct ks_conf *) conf;
	_Atomic uint64_t published; /* counts publications */
	_Alignas(64) _Atomic uint32_t stop;
	_Alignas(64) _Atomic uint32_t main_sleeps; /* a worker that has something for it writes wake_fd */
	int wake_fd;
};

/* memory.c: large pieces in huge pages where there are any, untouched until used. */
struct ks_mem memory_ops(void);

/* eal.c */
bool eal_start(struct options *o, char err[KS_ERR_LEN]);

/* port.c */
bool port_open(struct shell *s, unsigned index, char err[KS_ERR_LEN]);
bool port_open_kni(struct shell *s, unsigned index, char err[KS_ERR_LEN]);
void port_close(struct port *p);
bool port_link(const struct port *p);
void port_count(struct port *p);
struct rte_mempool *port_pool(const struct options *o, char err[KS_ERR_LEN]);

/* transfer.c */
struct mark *mark_of(struct rte_mbuf *m);
bool rings_make(struct shell *s, char err[KS_ERR_LEN]);
void rings_drain(struct shell *s);
/* Send, from whichever lcore this is: into the buffer of its own queue, or by ring to the queue's lcore. Takes the mbuf. */
void transfer_tx(struct lcore *l, unsigned port, struct rte_mbuf *m);
/* To another lcore; takes the mbuf, counts a drop when the ring is full. */
void transfer_to(struct lcore *l, unsigned to, struct rte_mbuf *m, enum ks_drop when_full);
void transfer_flush(struct lcore *l);
void pkt_from_mbuf(const struct port *port, unsigned index, struct rte_mbuf *m, struct ks_pkt *p);
bool pkt_alloc(void *ctx_shell, struct ks_pkt *out);

/* worker_loop.c */
int worker_loop(void *lcore);
bool worker_turn(struct lcore *l, ks_ms now); /* one turn without sleeping: true = there was work */

/* main_loop.c */
int main_loop(struct shell *s, char err[KS_ERR_LEN]);
void shell_publish(struct shell *s, struct ks_conf *conf);
bool shell_quiesced(const struct shell *s);

static inline ks_ms shell_now(const struct shell *s)
{
	return s->ms_start + (rte_rdtsc() - s->tsc_start) * 1000 / s->tsc_hz;
}

#endif
