/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Idle is cheap (law 8): a worker that has polled for idle_spin_us without a packet sleeps. Ports
 * that are kernel sockets wake it by their descriptors, other lcores by its eventfd, its timers by
 * the timeout. A port that can do neither is looked at again after a sleep that grows to
 * idle_sleep_max_us. Asleep a worker reads no generation, so none waits for it.
 */
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "shell.h"

#define FIRST_SLEEP_US   10u
#define LONGEST_SLEEP_US 1000000u

/* Work that came while we went to bed. */
static bool has_work(const struct lcore *l)
{
	const struct shell *s = l->shell;

	for (unsigned from = 0; from <= s->n_workers; from++)
		if (s->ring[from][l->index] != NULL && !rte_ring_empty(s->ring[from][l->index]))
			return true;
	return atomic_load_explicit(&s->stop, memory_order_relaxed) != 0 ||
		(l->ask != NULL && atomic_load_explicit(&l->ask->state, memory_order_relaxed) == 1);
}

static uint64_t timeout_us(struct lcore *l, bool must_poll)
{
	ks_ms now = clock_at(&l->clock, rte_rdtsc()), due = ks_worker_deadline(l->core);
	uint64_t us = LONGEST_SLEEP_US;
	uint32_t max = l->shell->o.idle_sleep_max_us;

	if (due <= now)
		us = 1000; /* timers come with the next millisecond */
	else if (due - now < LONGEST_SLEEP_US / 1000)
		us = (due - now) * 1000;
	if (!must_poll)
		return us;
	l->sleep_us = l->sleep_us == 0 ? FIRST_SLEEP_US : l->sleep_us * 2;
	if (l->sleep_us > max)
		l->sleep_us = max;
	return us < l->sleep_us ? us : l->sleep_us;
}

/* A socket whose device went down shows an error until it is asked for; one that keeps showing it
 * is polled like any other. */
static void clear_error(int *fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (getsockopt(*fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 || err == 0)
		*fd = -1;
}

void worker_sleep(struct lcore *l)
{
	struct shell *s = l->shell;
	struct pollfd fds[MAX_POLLS + 1];
	int *from[MAX_POLLS];
	struct timespec ts;
	bool must_poll = false;
	unsigned n = 0;
	uint64_t us;

	for (unsigned k = 0; k < l->o->n_polls; k++) {
		const struct poll_opts *p = &l->o->poll[k];
		int *fd = p->queue < MAX_WAKE_QUEUES ? &s->port[p->port].wake_fd[p->queue] : NULL;

		if (fd == NULL || *fd < 0) {
			must_poll = true;
			continue;
		}
		from[n] = fd;
		fds[n++] = (struct pollfd){ .fd = *fd, .events = POLLIN };
	}
	fds[n] = (struct pollfd){ .fd = l->wake.fd, .events = POLLIN };
	us = timeout_us(l, must_poll);
	ts = (struct timespec){ .tv_sec = (time_t)(us / 1000000),
				.tv_nsec = (long)(us % 1000000) * 1000 };

	atomic_store_explicit(&l->seen, SEEN_OFFLINE, memory_order_release);
	wake_announce(&l->wake);
	if (!has_work(l)) {
		l->c[KS_C_SLEEPS]++;
		if (ppoll(fds, n + 1, &ts, NULL) > 0) {
			l->sleep_us = 0;
			if (fds[n].revents & POLLIN)
				wake_drain(&l->wake);
			for (unsigned i = 0; i < n; i++)
				if ((fds[i].revents & (POLLERR | POLLHUP | POLLNVAL)) &&
				    !(fds[i].revents & POLLIN))
					clear_error(from[i]);
		}
	}
	wake_done(&l->wake);
	/* Online again, nothing seen yet; the fence pairs with that of publish(): it waits for us,
	 * or we read the new generation. */
	atomic_store_explicit(&l->seen, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}
