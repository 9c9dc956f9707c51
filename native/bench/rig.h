/* SPDX-License-Identifier: Apache-2.0 */
/* The data plane without its main loop: workers, rings, tables and one generation, made as
 * main_loop.c makes them, on ports of the benchmark. */
#ifndef RIG_H
#define RIG_H

#include "gen.h"
#include "shell.h"

#define RIG_VIP     0xc0000201u /* 192.0.2.1 */
#define RIG_VPORT   80u
#define RIG_CLIENTS 0x0a000000u /* 10.0.0.0/8, behind a router */
#define RIG_RS      0xc612000bu /* 198.18.0.11 ... */
#define RIG_N_RS    8u
#define RIG_LIP     0xc6120065u /* 198.18.0.101 ... */
#define RIG_N_LIP   32u

struct rig {
	struct shell *s;
	struct ks_desired *desired;
	struct ks_main *main;
	void *shm_mem;
	struct gen_port gen[GEN_PORTS];
	struct gen_queue *queue[GEN_PORTS];
};

/* The EAL runs and o holds ports and workers. sessions: of all workers. */
bool rig_open(struct rig *r, struct options *o, uint32_t sessions, bool claim_csum,
	      struct rte_mempool *pool, char err[KS_ERR_LEN]);
void rig_close(struct rig *r);

/* One turn of each worker, on the calling lcore: set-up, and draining the rings. */
void rig_turn_all(struct rig *r, ks_ms now);
uint64_t rig_counter(const struct rig *r, enum ks_counter c);
/* Names of what was dropped, "" = nothing. */
void rig_drops(const struct rig *r, char *out, size_t cap);

#endif
