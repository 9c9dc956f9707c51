/* SPDX-License-Identifier: Apache-2.0 */
#include "ahead.h"

#include <errno.h>
#include <pthread.h>
#include <rte_lcore.h>
#include <sys/mman.h>
#include <time.h>

#define SESSIONS 131072u /* room kept ahead of each table: 8 MB of sessions, 4 MB of index */
#define LOOK_MS  20u /* as many sessions as come in that time must fit into it some times over */
#define AT_ONCE  ((uintptr_t)2 << 20) /* between two looks whether to stop */
#define PAGE     ((uintptr_t)4096)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* What is present of a growing piece: [from, to). */
struct done {
	uintptr_t from, to;
};

struct ahead {
	struct shell *s;
	struct done done[KS_MAX_WORKERS][KS_AHEAD_KINDS];
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;
	bool unable; /* a kernel that does not know it */
};

static bool stopping(struct ahead *a)
{
	bool stop;

	pthread_mutex_lock(&a->lock);
	stop = a->stop;
	pthread_mutex_unlock(&a->lock);
	return stop;
}

static void populate(struct ahead *a, uintptr_t from, uintptr_t to)
{
	while (from < to && !a->unable && !stopping(a)) {
		uintptr_t n = to - from < AT_ONCE ? to - from : AT_ONCE;

		if (madvise((void *)from, n, MADV_POPULATE_WRITE) != 0 && errno == EINVAL)
			a->unable = true;
		from += n;
	}
}

/* A page that holds a byte of the piece is within its mapping, whatever else it holds. False: there
 * was nothing to do. */
static bool keep_up(struct ahead *a, struct done *d, const struct ks_span *span)
{
	uintptr_t from = (uintptr_t)span->at & ~(PAGE - 1);
	uintptr_t to = ((uintptr_t)span->at + span->len + PAGE - 1) & ~(PAGE - 1);

	struct done before = *d;

	if (span->len == 0)
		return false;
	if (d->to == 0)
		before.to = d->from = d->to = from;
	if (to > d->to) {
		populate(a, d->to, to);
		d->to = to;
	}
	if (from < d->from) {
		populate(a, from, d->from);
		d->from = from;
	}
	return d->to != before.to || d->from != before.from;
}

static void wait(struct ahead *a)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOOK_MS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&a->lock);
	if (!a->stop)
		(void)pthread_cond_timedwait(&a->wake, &a->lock, &until);
	pthread_mutex_unlock(&a->lock);
}

static void *run(void *arg)
{
	struct ahead *a = arg;

	while (!stopping(a) && !a->unable) {
		bool busy = false;

		for (unsigned w = 0; w < a->s->n_workers; w++) {
			struct ks_span span[KS_AHEAD_KINDS];

			ks_worker_ahead(a->s->lcore[w].core, SESSIONS, span);
			for (unsigned k = 0; k < KS_AHEAD_KINDS; k++)
				busy = keep_up(a, &a->done[w][k], &span[k]) || busy;
		}
		if (!busy) /* a table that grows as fast as memory comes is looked at again */
			wait(a);
	}
	return NULL;
}

struct ahead *ahead_start(struct shell *s)
{
	struct ahead *a = s->mem.alloc(s->mem.ctx, sizeof(*a), 64);
	pthread_condattr_t clock;

	if (a == NULL)
		return NULL;
	a->s = s;
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&a->wake, &clock);
	pthread_condattr_destroy(&clock);
	if (rte_ctrl_thread_create(&a->thread, "ks-ahead", NULL, run, a) == 0)
		return a;
	s->mem.free(s->mem.ctx, a);
	return NULL;
}

void ahead_stop(struct ahead *a)
{
	if (a == NULL)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	a->s->mem.free(a->s->mem.ctx, a);
}
