/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the main lcore, shared by its files. All of it runs on that one lcore. */
#ifndef KS_MAIN_INT_H
#define KS_MAIN_INT_H

#include "control.h"
#include "mirror.h"
#include "pressure.h"
#include "shell.h"

struct mainloop {
	struct shell *s;
	struct lcore *self; /* row n_workers */
	struct ks_main *core;
	struct ks_desired *desired;
	struct ks_control *control;
	struct ks_mirror *mirror;
	uint8_t *rs_in_use;
	struct ks_conf *retired; /* the generation before the current one, freed when every worker
				    has left it */
	uint64_t retired_at; /* its publication's number */
	struct sessions_ask asks[KS_MAX_WORKERS];
	struct pressure pressure;
	int epoll_fd, signal_fd;
	bool fresh; /* a generation whose neighbours are to be known before the first packet for
		       them */
	bool rebuild; /* mirror or link has changed: a generation of our own is due */
	bool stopping;
	ks_ms stop_at;
	ks_ms slow_at;
	ks_ms ran_at; /* when the last wait was over; 0 = not yet */
	uint64_t ran_cpu; /* ms of processor time until then */
	uint32_t planned_ms; /* of waiting since */
};

static inline const struct ks_conf *current(const struct mainloop *m)
{
	return atomic_load_explicit(&m->s->conf, memory_order_relaxed);
}

/* main_generation.c: callbacks of the control socket, and generations of our own. */
void publish(void *ctx, struct ks_conf *conf);
bool quiesced(void *ctx);
const uint8_t *rs_in_use(void *ctx);
void free_retired(struct mainloop *m);
void note_outdated(struct mainloop *m);
void rebuild(struct mainloop *m);

/* main_packets.c */
extern const struct ks_main_io main_io; /* without its ctx */
unsigned from_workers(struct mainloop *m, ks_ms now);
void from_kernel(struct mainloop *m, unsigned port);
void drop_stale_frames(struct mainloop *m); /* whatever waits for the main lcore */

/* main_ask.c: callbacks of the control socket. */
void on_lease(void *ctx, uint32_t ms, const struct ks_lease_addr *a, uint32_t n,
	      struct ks_lease_state *out);
void on_greeted(void *ctx, const char *name, uint32_t pid);
int on_garp(void *ctx, const struct ks_garp *g, char reason[KS_REASON_LEN]);
bool on_sessions(void *ctx, uint64_t token, const struct ks_sessions *ask);
uint32_t on_table(void *ctx, const struct ks_list *ask, struct ks_list_row *rows, uint32_t *next);
void on_shutdown(void *ctx, uint32_t drain_ms);
/* Gives the workers' answers on; true = some are still waited for. */
bool answer_sessions(struct mainloop *m);

#endif
