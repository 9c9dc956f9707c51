/* SPDX-License-Identifier: Apache-2.0 */
/* keelson-dataplane: brings the parts up in order, and says in one line which of them did not come
 * up and why. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "ahead.h"
#include "devargs.h"
#include "log.h"
#include "shell.h"

/* Signals are taken by the main lcore's signalfd; every thread must have them blocked, so this
 * comes before the EAL. */
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

/* Starts at CLOCK_MONOTONIC, so that times can be compared with those of other processes. */
static void start_clock(struct shell *s)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	clock_init(&s->clock, (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000);
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
			.send_ctx = &s->lcore[i],
			.send = worker_send,
		};

		l->shell = s;
		l->index = i;
		l->c = ks_shm_worker(s->shm, i);
		l->clock = s->clock;
		if (!wake_init(&l->wake)) {
			snprintf(err, KS_ERR_LEN, "cannot make an eventfd: %s", strerror(errno));
			return false;
		}
		if (i == s->n_workers)
			break;
		l->o = &s->o.worker[i];
		l->lcore_id = l->o->lcore;
		wo.counters = l->c;
		wo.rs_counters = ks_shm_rs(s->shm, i);
		wo.rs_first = ks_shm_rs(s->shm, 0);
		wo.rs_stride = s->shm->rs_worker_stride / sizeof(uint64_t);
		l->core = ks_worker_new(&wo);
		if (l->core == NULL) {
			snprintf(
				err, KS_ERR_LEN,
				"no memory for %u sessions of worker %s; lower --max-sessions (conn_pool_size)",
				s->o.max_sessions, l->o->name);
			return false;
		}
	}
	return true;
}

static bool make_counters(struct shell *s, char err[KS_ERR_LEN])
{
	struct ks_shm_opts so = { .workers = s->n_workers,
				  .ports = s->n_ports,
				  .rs_slots = s->o.max_real_servers };
	size_t size = ks_shm_size(&so);
	void *mem;

	if (size == 0) {
		snprintf(err, KS_ERR_LEN,
			 "too many real servers for that many workers; lower --max-real-servers");
		return false;
	}
	mem = ks_sock_shared_memory("keelson-counters", size, &s->shm_fd, err);
	if (mem == NULL)
		return false;
	s->shm = ks_shm_init(mem, &so);
	return true;
}

struct opening {
	struct shell *s;
	unsigned index;
	char *err;
};

static bool open_port(void *ctx)
{
	struct opening *o = ctx;

	return port_open(o->s, o->index, o->err);
}

/* Those an earlier data plane left behind, of ports that are no more. */
static void sweep_interfaces(const struct shell *s)
{
	const char *dev[KS_MAX_PORTS];
	unsigned n = 0;

	if (shell_owner(s) == NULL || s->o.check)
		return;
	for (unsigned i = 0; i < s->n_ports; i++)
		if (s->port[i].kni != NULL)
			dev[n++] = s->port[i].info.dev;
	n = ks_kni_sweep(shell_owner(s), dev, n);
	if (n > 0)
		ks_log(KS_LOG_INFO, "%u kernel interfaces of ports that are no more are removed",
		       n);
}

static bool bring_up(struct shell *s, char err[KS_ERR_LEN])
{
	s->mem = memory_ops();
	s->n_ports = s->o.n_ports;
	s->n_workers = s->o.n_workers;
	for (unsigned i = 0; i < s->n_ports; i++)
		if (s->o.port[i].devargs != NULL &&
		    !devargs_check(s->o.port[i].name, s->o.port[i].devargs, err))
			return false;
	if (!eal_start(&s->o, err))
		return false;
	start_clock(s);
	if (getrandom(&s->seed, sizeof(s->seed), 0) != (ssize_t)sizeof(s->seed) ||
	    getrandom(s->rss_key, sizeof(s->rss_key), 0) != (ssize_t)sizeof(s->rss_key)) {
		snprintf(err, KS_ERR_LEN, "the kernel gives no random numbers");
		return false;
	}
	s->pool = port_pool(&s->o, err);
	if (s->pool == NULL || !make_counters(s, err))
		return false;
	if (!make_workers(s, err) || !rings_make(s, err))
		return false;
	for (unsigned i = 0; i < s->n_ports; i++) {
		struct opening opening = { s, i, err };

		if (!eal_quietly(open_port, &opening) || !port_open_kni(s, i, err))
			return false;
		s->port[i].counters = ks_shm_port(s->shm, i);
		ks_shm_dev(s->shm, i, s->port[i].info.dev);
	}
	sweep_interfaces(s);
	queues_assign(s);
	return true;
}

/* What another data plane would find in its way is checked before the EAL, which takes a while. */
static bool socket_dir_ok(const char *path, char err[KS_ERR_LEN])
{
	char dir[PATH_MAX];
	const char *slash = path == NULL ? NULL : strrchr(path, '/');

	if (path == NULL)
		return true;
	snprintf(dir, sizeof(dir), "%.*s", slash == NULL ? 1 : (int)(slash - path),
		 slash == NULL ? "." : path);
	if (slash == path || access(dir, W_OK | X_OK) == 0)
		return true;
	snprintf(err, KS_ERR_LEN, "--socket: directory %.200s: %s", dir, strerror(errno));
	return false;
}

static void tell(const struct shell *s)
{
	for (unsigned i = 0; i < s->n_ports; i++) {
		const struct port *p = &s->port[i];
		const uint8_t *a = p->info.mac;

		ks_log(KS_LOG_INFO,
		       "port %s: %s, %02x:%02x:%02x:%02x:%02x:%02x, mtu %u, queues %u/%u, link %s%s%s%s",
		       p->o->name, p->driver, a[0], a[1], a[2], a[3], a[4], a[5], p->info.mtu,
		       p->o->rxq, p->o->txq, p->info.up ? "up" : "down",
		       p->rx_csum ? ", verifies checksums" : "",
		       p->wake_fd[0] >= 0 ? ", wakes its worker" : "",
		       p->rss != NULL ? ", its hash of addresses and ports is followed" : "");
	}
	ks_log(KS_LOG_INFO, "%u workers, %u sessions each, %u packet buffers, %s", s->n_workers,
	       s->o.max_sessions, s->o.pool_size,
	       rte_eal_has_hugepages() ? "huge pages" : "no huge pages");
}

int main(int argc, char **argv)
{
	static struct shell shell;
	char err[KS_ERR_LEN] = "";
	struct shell *s = &shell;
	struct ahead *ahead = NULL;
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
	ks_log_json(s->o.log_json);
	block_signals();
	if (socket_dir_ok(s->o.socket, err) && bring_up(s, err)) {
		tell(s);
		if (!s->o.check)
			ahead = ahead_start(s);
		rc = s->o.check ? 0 : main_loop(s, err);
		ahead_stop(ahead);
	}
	if (rc != 0)
		ks_log(KS_LOG_ERROR, "cannot start: %s", err);
	for (unsigned i = 0; i < s->n_ports; i++)
		port_close(&s->port[i], rc == 0 && !s->o.check);
	for (unsigned i = 0; i < s->n_ports; i++)
		if (s->port[i].rss != NULL)
			s->mem.free(s->mem.ctx, s->port[i].rss);
	rings_drain(s);
	for (unsigned i = 0; i < s->n_workers; i++)
		ks_worker_free(s->lcore[i].core);
	for (unsigned i = 0; i <= s->n_workers; i++)
		wake_fini(&s->lcore[i].wake);
	eal_stop();
	return rc;
}
