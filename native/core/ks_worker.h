/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One worker of the data plane: its sessions, local ports, scheduler state, timers and counters are
 * its own and nobody else writes them. The shell owns the loop: it reads packets, calls
 * ks_worker_burst, carries out the verdicts, calls ks_worker_tick now and then, and reports a
 * quiescent state between two calls. No function here allocates, locks, logs or makes a system
 * call, except ks_worker_new/free.
 */
#ifndef KS_WORKER_H
#define KS_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "ks_ahead.h"
#include "ks_conf.h"
#include "ks_drop.h"
#include "ks_ipc.h"
#include "ks_lease.h"
#include "ks_mem.h"
#include "ks_neigh.h"
#include "ks_pkt.h"

#define KS_BURST 64

struct ks_worker;

/* Shared words the main lcore writes and the workers read. */
struct ks_shared {
	_Alignas(64) struct ks_leases leases;
	struct ks_neigh_table neigh;
};

struct ks_worker_opts {
	uint32_t index; /* 0 .. n_workers-1 */
	uint32_t n_workers;
	uint32_t max_sessions; /* hard limit of this worker */
	uint32_t init_sessions; /* table starts for so many and grows without a stall */
	uint64_t seed; /* of the hash and of the port choice; from the shell, so that a run can be
			  repeated */
	uint32_t max_rs_slots;
	uint32_t max_svc_slots;
	const struct ks_mem *mem;
	struct ks_shared *shared;
	uint64_t *counters; /* [KS_C_COUNT], this worker's own cache lines, in shared memory */
	uint64_t *rs_counters; /* [max_rs_slots][KS_RSC_COUNT], ditto */
	const uint64_t *rs_first; /* worker 0's; NULL = the others' are not to be seen */
	size_t rs_stride; /* words from one worker's to the next */
	/* A fresh buffer for a packet the core makes itself (RST at expiry); false = none left. The
	 * core fills it and puts it into `out`. */
	void *alloc_ctx;
	bool (*alloc)(void *ctx, struct ks_pkt *out);
	/* Carries out the verdict of such a packet at once, before those of the burst: the first
	 * parts of one that must be fragmented. NULL = packets are not fragmented. */
	void *send_ctx;
	void (*send)(void *ctx, struct ks_pkt *p);
};

/* Counters a real server slot has in each worker. */
#define KS_RS_COUNTERS(X)             \
	X(CONNS, "conns")             \
	X(IN_PACKETS, "in_packets")   \
	X(IN_BYTES, "in_bytes")       \
	X(OUT_PACKETS, "out_packets") \
	X(OUT_BYTES, "out_bytes")     \
	X(ACTIVE, "active")           \
	X(INACTIVE, "inactive")       \
	X(OVERLOAD, "overload") /* see ks_counts.h */
enum ks_rs_counter {
#define X(sym, name) KS_RSC_##sym,
	KS_RS_COUNTERS(X)
#undef X
		KS_RSC_COUNT
};

struct ks_worker *ks_worker_new(const struct ks_worker_opts *o);
void ks_worker_free(struct ks_worker *w);

/*
 * Process up to KS_BURST packets under generation c. Each packet leaves with a verdict. `handed`:
 * they come from another worker's ring, so this worker owns them (asserted in debug builds) and the
 * owner function is not asked again.
 */
void ks_worker_burst(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *pkts, unsigned n,
		     bool handed, ks_ms now);

/*
 * Expire what is due, a bounded amount (max_work) a call; packets the core makes (RST on expiry)
 * are put into out (at most max_out) with verdict KS_V_TX or KS_V_MAIN; returns how many.
 */
unsigned ks_worker_tick(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *out,
			unsigned max_out, unsigned max_work, ks_ms now);

/* What so many sessions more will touch for the first time (ks_table_ahead); from any thread. */
void ks_worker_ahead(const struct ks_worker *w, uint32_t sessions,
		     struct ks_span span[KS_AHEAD_KINDS]);

/* When the next timer is due, UINT64_MAX = never: how long an idle worker may sleep. */
ks_ms ks_worker_deadline(const struct ks_worker *w);

/* A page of sessions for KS_MSG_SESSIONS; called by the worker itself between bursts. Returns rows
 * written, sets *next. */
unsigned ks_worker_sessions(const struct ks_worker *w, const struct ks_conf *c, uint32_t cursor,
			    struct ks_session_row *rows, unsigned max, uint32_t *next, ks_ms now);

/* Which worker owns this parsed packet (law 5): a pure function of the packet and the generation,
 * the same on every lcore. FNAT: client side by hash of the client's address and port, real
 * server's side by the local port. */
struct ks_key;
unsigned ks_owner(const struct ks_conf *c, const struct ks_key *k, uint8_t proto);
unsigned ks_owner4(const struct ks_conf *c, uint8_t proto, ks_be32 src, ks_be16 sport, ks_be32 dst,
		   ks_be16 dport);

#endif
