/* SPDX-License-Identifier: Apache-2.0 */
/* keelson-dataplane: brings the parts up in order, and says in one line which of them did not come up and why. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "shell.h"

/* Signals are taken by the main lcore's signalfd; every thread must have them blocked, so this comes before the EAL. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

static void start_clock(struct shell *s)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	s->tsc_hz = rte_get_tsc_hz();
	s->tsc_start = rte_rdtsc();
	s->ms_start = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool make_workers(struct shell *s, char err[KS_ERR_LEN])
{
	for (unsigned i = 0; i <= s->n_workers; i++) {
		struct lcore *l = &s->lcore[i];
		struct ks_worker_opts wo = {
			.index = i,
			.n_workers = s->n_workers,
			.max_sessions = s->o.max_sessions,
			.init_sessions = 64,
			.seed = s->seed,
			.max_rs_slots = s->o.max_real_servers,
			.max_svc_slots = s->o.max_services,
			.mem = &s->mem,
			.shared = &s->shared,
			.alloc_ctx = s,
			.alloc = pkt_alloc,
		};

		l->shell = s;
		l->index = i;
		l->c = ks_shm_worker(s->shm, i);
		if (i == s->n_workers)
			break;
		l->o = &s->o.worker[i];
		l->lcore_id = l->o->lcore;
		wo.counters = l->c;
		wo.rs_counters = ks_shm_rs(s->shm, i);
		l->core = ks_worker_new(&wo);
		if (l->core == NULL) {
			snprintf(err, KS_ERR_LEN, "no memory for %u sessions of worker %s; lower --max-sessions (conn_pool_size)",
				 s->o.max_sessions, l->o->name);
			return false;
		}
	}
	return true;
}

static bool make_counters(struct shell *s, char err[KS_ERR_LEN])
{
	struct ks_shm_opts so = { .workers = s->n_workers, .ports = s->n_ports, .rs_slots = s->o.max_real_servers };
	size_t size = ks_shm_size(&so);
	void *mem;

	if (size == 0) {
		snprintf(err, KS_ERR_LEN, "too many real servers for that many workers; lower --max-real-servers");
		return false;
	}
	mem = ks_sock_shared_memory("keelson-counters", size, &s->shm_fd, err);
	if (mem == NULL)
		return false;
	s->shm = ks_shm_init(mem, &so);
	return true;
}

static bool bring_up(struct shell *s, char err[KS_ERR_LEN])
{
	s->mem = memory_ops();
	s->n_ports = s->o.n_ports;
	s->n_workers = s->o.n_workers;
	if (!eal_start(&s->o, err))
		return false;
	start_clock(s);
	for (unsigned i = 0; i < s->n_workers; i++) {
		if (rte_lcore_is_enabled(s->o.worker[i].lcore) && s->o.worker[i].lcore != rte_get_main_lcore())
			continue;
		snprintf(err, KS_ERR_LEN, "worker %s: lcore %u is not one of the EAL's; see -l or --lcores in eal_args",
			 s->o.worker[i].name, s->o.worker[i].lcore);
		return false;
	}
	if (getrandom(&s->seed, sizeof(s->seed), 0) != (ssize_t)sizeof(s->seed)) {
		snprintf(err, KS_ERR_LEN, "the kernel gives no random numbers");
		return false;
	}
	s->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	s->pool = port_pool(&s->o, err);
	if (s->pool == NULL || !make_counters(s, err))
		return false;
	if (!ks_neigh_table_init(&s->shared.neigh, &s->mem)) {
		snprintf(err, KS_ERR_LEN, "no memory for the neighbour table");
		return false;
	}
	if (!make_workers(s, err) || !rings_make(s, err))
		return false;
	for (unsigned i = 0; i < s->n_ports; i++) {
		if (!port_open(s, i, err) || !port_open_kni(s, i, err))
			return false;
		s->port[i].counters = ks_shm_port(s->shm, i);
		ks_shm_dev(s->shm, i, s->port[i].info.dev);
	}
	return true;
}

/* What another data plane would find in its way is checked before the EAL, which takes a while. */
static bool socket_dir_ok(const char *path, char err[KS_ERR_LEN])
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');

	snprintf(dir, sizeof(dir), "%.*s", slash == NULL ? 1 : (int)(slash - path), slash == NULL ? "." : path);
	if (slash == path || access(dir, W_OK | X_OK) == 0)
		return true;
	snprintf(err, KS_ERR_LEN, "--socket: %.200s: %s", dir, strerror(errno));
	return false;
}

int main(int argc, char **argv)
{
	static struct shell shell;
	char err[KS_ERR_LEN] = "";
	struct shell *s = &shell;
	int rc = 1;

	switch (options_parse(&s->o, argc, argv, err)) {
	case PARSED_EXIT:
		return 0;
	case PARSED_ERROR:
		fprintf(stderr, "keelson-dataplane: %s\n", err);
		return 2;
	case PARSED_RUN:
		break;
	}
	block_signals();
	if (socket_dir_ok(s->o.socket, err) && bring_up(s, err))
		rc = main_loop(s, err);
	if (rc != 0)
		fprintf(stderr, "keelson-dataplane: %s\n", err);
	for (unsigned i = 0; i < s->n_ports; i++)
		port_close(&s->port[i]);
	rings_drain(s);
	for (unsigned i = 0; i < s->n_workers; i++)
		ks_worker_free(s->lcore[i].core);
	(void)rte_eal_cleanup();
	return rc;
}
