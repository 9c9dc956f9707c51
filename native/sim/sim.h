/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell 2: the core without ports, threads or clocks. Frames and virtual time come in, what becomes
 * of each frame comes out, always the same for the same input and seed. All workers and the main
 * lcore run in the caller's thread; a frame that belongs to another worker is handed over at once.
 */
#ifndef SIM_H
#define SIM_H

#include "ks_conf.h"
#include "ks_drop.h"
#include "ks_ipc.h"
#include "ks_pkt.h"
#include "ks_worker.h"

#define SIM_ADDRS_MAX 64u
#define SIM_FRAME_MAX 9216u

struct sim;

enum sim_fate {
	SIM_TX, /* leaves by `port` */
	SIM_KNI, /* goes to the kernel interface of `port` */
	SIM_DROP, /* ends here: `reason` */
};

struct sim_out {
	enum sim_fate fate;
	uint8_t port;
	uint8_t worker; /* that had the last word; n_workers = the main lcore */
	enum ks_drop reason;
	const uint8_t *frame;
	uint16_t len;
	ks_ms at;
};

struct sim_opts {
	unsigned n_ports;
	struct ks_port_info port[KS_MAX_PORTS];
	unsigned n_addrs; /* of the kernel's interfaces, mirrored */
	struct ks_mirror_addr addr[SIM_ADDRS_MAX];
	unsigned n_workers;
	uint32_t max_sessions; /* of each worker */
	uint64_t seed;
	const struct ks_rss *rss; /* how every port spreads packets; NULL = not known */
	void *ctx;
	void (*out)(void *ctx, const struct sim_out *o);
	void (*event)(void *ctx, const struct ks_event *e);
};

struct sim *sim_new(const struct sim_opts *o); /* NULL = no memory */
void sim_free(struct sim *s);

/* Ops as in a KS_MSG_OPS: one transaction on what is there, and the generation after the last.
 * KS_OK or why not, with nothing changed. */
int sim_ops(struct sim *s, bool from_empty, const uint8_t *ops, size_t len,
	    char reason[KS_REASON_LEN]);

/* Virtual milliseconds; every timer that is due up to it fires at its own time. Time never goes
 * back: an earlier `to` changes nothing. */
void sim_advance(struct sim *s, ks_ms to);
ks_ms sim_now(const struct sim *s);

/* A frame arrives on a port and is taken by a worker. */
void sim_frame(struct sim *s, unsigned port, unsigned worker, const uint8_t *frame, uint16_t len);

/* Sum over workers and main lcore of counter i (ks_drop.h). */
uint64_t sim_counter(const struct sim *s, unsigned i);

#endif
