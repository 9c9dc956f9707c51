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
/* IPv6: the same numbers as last bytes. */
#define RIG_NET6     "\x20\x01\x0d\xb8\0\x01" /* VIP and router */
#define RIG_BACK6    "\x20\x01\x0d\xb8\0\x02" /* real servers and local addresses */
#define RIG_CLIENTS6 "\x20\x01\x0d\xb8\0\x03"
#define RIG_LIP      0xc6120065u /* 198.18.0.101 ... */
#define RIG_N_LIP    32u

/* How the service forwards, between which families. */
struct rig_mode {
	const char *name;
	uint8_t client_af, rs_af;
	uint8_t fwd; /* enum ks_fwd */
};

static inline bool rig_one_way(const struct rig_mode *m)
{
	return m->fwd == KS_FWD_DR || m->fwd == KS_FWD_TUN;
}

/* More services than the one that is used, each with real servers of its own, so many. */
struct rig_crowd {
	uint32_t services, servers;
	uint32_t shift; /* another one, other real servers */
};

extern const struct rig_mode rig_fnat44;

struct rig {
	struct shell *s;
	const struct rig_mode *mode;
	struct rig_crowd crowd;
	uint64_t generation;
	struct ks_desired *desired;
	struct ks_main *main;
	void *shm_mem;
	struct gen_port gen[GEN_PORTS];
	struct gen_queue *queue[GEN_PORTS];
	uint64_t events; /* the main lcore had something to say */
};

/* As keelson-dataplane would have them. generator: on the ports of the benchmark, else on those o
 * names. */
void rig_options(struct options *o, unsigned workers, bool generator);
/* The EAL runs and o holds ports and workers. sessions: of all workers. */
bool rig_open(struct rig *r, const struct options *o, const struct rig_mode *mode,
	      uint32_t sessions, bool claim_csum, struct rte_mempool *pool, char err[KS_ERR_LEN]);
/* rig_conf.c */
bool rig_first_generation(struct rig *r, char err[KS_ERR_LEN]);
/* The whole of another generation, as one transaction from empty; NULL = refused. What is built
 * must be published. */
bool rig_desire(struct rig *r, char err[KS_ERR_LEN]);
struct ks_conf *rig_build(struct rig *r, const uint8_t *rs_in_use, char err[KS_ERR_LEN]);
/* The generation before is the caller's to free when no worker is in it. */
struct ks_conf *rig_publish(struct rig *r, struct ks_conf *conf);
union ks_addr rig_addr6(const char prefix[6], uint32_t low);
/* rig.c */
void rig_close(struct rig *r);

/* One turn of each worker, on the calling lcore: set-up, and draining the rings. */
void rig_turn_all(struct rig *r, ks_ms now);
uint64_t rig_counter(const struct rig *r, enum ks_counter c);
/* Memory of the tables in use, both directions, a session. */
double rig_session_bytes(const struct rig *r, uint32_t sessions);
/* Names of what was dropped, "" = nothing. */
void rig_drops(const struct rig *r, char *out, size_t cap);

#endif
