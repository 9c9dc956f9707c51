/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the main lcore, shared by its files. All of it runs on that one lcore. */
#ifndef KS_MAIN_INT_H
#define KS_MAIN_INT_H

#include "control.h"
#include "mirror.h"
#include "pause.h"
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
	bool rebuild; /* mirror, links or leases have changed: a generation of our own is due */
	ks_ms rebuild_at; /* not before then, because the last attempt failed; 0 = at once */
	uint32_t lease_changes; /* of ks_main_lease_changes, those the routes follow */
	bool stopping;
	ks_ms stop_at;
	ks_ms slow_at;
	ks_ms reach_at; /* when the socket's path is looked at next */
	unsigned unreachable; /* looks in a row that did not find it */
	struct pause_watch ran;
	int run_delay_fd; /* how long the thread has waited for a processor; -1 = not known */
	uint64_t run_delay_ms; /* a moment ago */
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
void note_leases(struct mainloop *m, ks_ms now);
void rebuild(struct mainloop *m, ks_ms now);

/* main_pause.c */
void pause_open(struct mainloop *m);
void pause_close(struct mainloop *m);
void pause_refresh(struct mainloop *m); /* now and then */
void note_pause(struct mainloop *m, ks_ms now); /* after each wait */

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
