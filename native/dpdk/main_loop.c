/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main lcore: control socket, kernel interfaces, netlink mirror, ARP and what waits for it,
 * generations, link state, counters. It sleeps in epoll until a descriptor, a deadline or a worker
 * (wake_fd) wants it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "log.h"
#include "main_int.h"

#define SLOW_MS     200u /* link state, port counters */
#define REACH_MS    1000u
#define REACH_LOOKS 2u

enum source { SRC_WAKE, SRC_SIGNAL, SRC_CONTROL, SRC_MIRROR, SRC_KNI };

/* ---- mirror, links, counters -------------------------------------------------------------------------------------- */

static void mirror_changed(void *ctx)
{
	((struct mainloop *)ctx)->rebuild = true;
}

static void mirror_neigh(void *ctx, uint8_t port, uint8_t af, const union ks_addr *addr,
			 const uint8_t *mac)
{
	struct mainloop *m = ctx;

	if (mac != NULL)
		ks_main_neigh_set(m->core, current(m), port, af, addr, mac, false, shell_now(m->s));
}

/* Written by the workers, one each; a sum of a moment ago is good enough. */
static uint64_t policed(const struct shell *s, unsigned port)
{
	uint64_t sum = s->port[port].kni_policed;

	for (unsigned w = 0; w < s->n_workers; w++)
		sum += __atomic_load_n(&s->lcore[w].kni_policed[port], __ATOMIC_RELAXED);
	return sum;
}

static void slow_work(struct mainloop *m, ks_ms now)
{
	struct ks_event e;

	if (now < m->slow_at)
		return;
	m->slow_at = now + SLOW_MS;
	pause_refresh(m);
	while (pressure_next(&m->pressure, m->s, &e, now))
		ks_control_event(m->control, &e);
	for (unsigned i = 0; i < m->s->n_ports; i++) {
		struct port *p = &m->s->port[i];
		bool up = port_link(p);

		if (up != p->info.up) {
			e = (struct ks_event){ .type = KS_EV_LINK, .a = up };
			memcpy(e.dev, p->info.dev, sizeof(e.dev));
			p->info.up = up;
			ks_desired_port(m->desired, i, &p->info);
			if (p->kni != NULL)
				(void)ks_kni_set_link(p->kni, up);
			m->rebuild = true;
			ks_control_event(m->control, &e);
		}
		port_count(p);
		if (p->counters != NULL)
			p->counters[KS_PC_KNI_POLICED] = policed(m->s, i);
	}
}

/* Without its socket a data plane can be neither renewed nor stopped by anybody: it ends, and with
 * it the addresses that another one may serve by now. */
static void check_reachable(struct mainloop *m, ks_ms now)
{
	if (m->stopping || now < m->reach_at)
		return;
	m->reach_at = now + REACH_MS;
	m->unreachable = ks_control_reachable(m->control) ? 0 : m->unreachable + 1;
	if (m->unreachable < REACH_LOOKS)
		return;
	ks_log(KS_LOG_ERROR, "the control socket %s is gone or another's: ending", m->s->o.socket);
	on_shutdown(m, 0);
}

/* ---- the loop ------------------------------------------------------------------------------------------------------ */

static bool watch(struct mainloop *m, int fd, enum source source, unsigned index)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = (uint64_t)source << 32 | index };

	return fd < 0 || epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

static int wait_ms(struct mainloop *m, bool busy, ks_ms now)
{
	ks_ms at = m->slow_at;
	ks_ms other[] = { ks_main_deadline(m->core), ks_control_deadline(m->control),
			  ks_mirror_deadline(m->mirror), m->stopping ? m->stop_at : UINT64_MAX };

	if (busy)
		return 0;
	if (m->retired != NULL || ks_control_waiting(m->control) ||
	    (m->rebuild && now >= m->rebuild_at))
		return 1;
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		if (other[i] < at)
			at = other[i];
	return at <= now ? 0 : (int)(at - now);
}

/* A descriptor that reports an error for ever would keep the main lcore awake. */
static void unwatch(struct mainloop *m, int fd, const char *what)
{
	ks_log(KS_LOG_ERROR, "%s is gone; it is not watched any more", what);
	(void)epoll_ctl(m->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void on_event(struct mainloop *m, uint64_t tag, uint32_t events, ks_ms now)
{
	const struct ks_kni *kni;

	struct signalfd_siginfo si;

	switch ((enum source)(tag >> 32)) {
	case SRC_WAKE:
		wake_drain(&m->self->wake);
		break;
	case SRC_SIGNAL:
		if (read(m->signal_fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
			on_shutdown(m, 0);
		break;
	case SRC_CONTROL:
		ks_control_poll(m->control, now);
		break;
	case SRC_MIRROR:
		ks_mirror_poll(m->mirror, now);
		break;
	case SRC_KNI:
		kni = m->s->port[tag & 0xffffffffu].kni;
		if ((events & (EPOLLERR | EPOLLHUP)) != 0)
			unwatch(m, ks_kni_fd(kni), ks_kni_name(kni));
		else
			from_kernel(m, (unsigned)(tag & 0xffffffffu));
		break;
	}
}

static void turn(struct mainloop *m)
{
	struct shell *s = m->s;
	struct epoll_event e[16];
	ks_ms now = shell_now(s);
	uint64_t start = rte_rdtsc();
	bool busy = from_workers(m, now) > 0;
	int n;

	transfer_flush(m->self);
	busy = answer_sessions(m) || busy;
	if (m->fresh || now >= ks_main_deadline(m->core)) {
		m->fresh = false;
		ks_main_tick(m->core, current(m), now);
	}
	note_outdated(m);
	note_leases(m, now);
	if (ks_control_waiting(m->control) || now >= ks_control_deadline(m->control))
		ks_control_poll(m->control, now);
	if (now >= ks_mirror_deadline(m->mirror))
		ks_mirror_poll(m->mirror, now);
	free_retired(m);
	slow_work(m, now);
	check_reachable(m, now);
	rebuild(m, now);
	transfer_flush(m->self);
	s->shm->heartbeat++;
	m->ran.lease_ms = ks_main_lease_left(m->core, now);
	s->shm->lease_left_ms = m->ran.lease_ms;
	m->self->c[KS_C_CYCLES_BUSY] += rte_rdtsc() - start;

	wake_announce(&m->self->wake);
	for (unsigned from = 0; from < s->n_workers; from++)
		busy = busy || rte_ring_count(s->ring[from][s->n_workers]) > 0;
	m->ran.planned_ms = (uint32_t)wait_ms(m, busy, now);
	n = epoll_wait(m->epoll_fd, e, 16, (int)m->ran.planned_ms);
	wake_done(&m->self->wake);
	now = shell_now(s);
	note_pause(m, now);
	for (int i = 0; i < n; i++)
		on_event(m, e[i].data.u64, e[i].events, now);
}

static bool open_signals(struct mainloop *m)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	m->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return m->signal_fd >= 0;
}

static bool start(struct mainloop *m, char err[KS_ERR_LEN])
{
	struct shell *s = m->s;
	struct ks_limits limits = {
		.max_services = s->o.max_services,
		.max_rs_slots = s->o.max_real_servers,
		.max_routes = 1u << 20,
		.n_workers = s->n_workers,
	};
	struct ks_main_io io = main_io;
	struct ks_control_opts co = {
		.path = s->o.socket,
		.cb = { m, rs_in_use, publish, quiesced, on_lease, on_greeted, on_garp, on_sessions,
			on_shutdown, on_table },
		.boot_id = s->seed,
		.workers = s->n_workers,
		.ports = s->n_ports,
		.shm_fd = s->shm_fd,
		.shm_size = s->shm->size,
		.version = KS_VERSION,
	};
	struct ks_mirror_opts mo = {
		.n_ports = s->n_ports, .ctx = m, .changed = mirror_changed, .neigh = mirror_neigh
	};
	char reason[KS_REASON_LEN];
	struct ks_conf *conf;

	io.ctx = m;
	m->core = ks_main_new(&s->mem, &s->shared, &io, m->self->c);
	m->desired = ks_desired_new(&s->mem, &limits);
	m->rs_in_use = s->mem.alloc(s->mem.ctx, s->o.max_real_servers, 64);
	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (m->core == NULL || m->desired == NULL || m->rs_in_use == NULL || m->epoll_fd < 0) {
		snprintf(err, KS_ERR_LEN, "no memory for %u services and %u real servers",
			 s->o.max_services, s->o.max_real_servers);
		return false;
	}
	for (unsigned i = 0; i < s->n_ports; i++) {
		ks_desired_port(m->desired, i, &s->port[i].info);
		mo.ifindex[i] = s->port[i].kni != NULL ? ks_kni_ifindex(s->port[i].kni) : 0;
	}
	conf = ks_conf_build(m->desired, NULL, reason);
	if (conf == NULL) {
		snprintf(err, KS_ERR_LEN, "%s", reason);
		return false;
	}
	publish(m, conf);
	co.desired = m->desired;
	mo.desired = m->desired;
	m->control = ks_control_new(&co, err);
	if (m->control == NULL)
		return false;
	m->mirror = ks_mirror_new(&mo, err);
	if (m->mirror == NULL)
		return false;
	if (!open_signals(m) || !watch(m, m->signal_fd, SRC_SIGNAL, 0) ||
	    !watch(m, m->self->wake.fd, SRC_WAKE, 0) ||
	    !watch(m, ks_control_fd(m->control), SRC_CONTROL, 0) ||
	    !watch(m, ks_mirror_fd(m->mirror), SRC_MIRROR, 0)) {
		snprintf(err, KS_ERR_LEN, "epoll: %s", strerror(errno));
		return false;
	}
	for (unsigned i = 0; i < s->n_ports; i++)
		if (s->port[i].kni != NULL)
			(void)watch(m, ks_kni_fd(s->port[i].kni), SRC_KNI, i);
	for (unsigned i = 0; i < s->n_workers; i++)
		s->lcore[i].ask = &m->asks[i];
	return true;
}

static void finish(struct mainloop *m)
{
	struct ks_conf *last = atomic_load_explicit(&m->s->conf, memory_order_relaxed);

	if (m->mirror != NULL)
		ks_mirror_free(m->mirror);
	if (m->control != NULL)
		ks_control_free(m->control);
	if (m->core != NULL)
		ks_main_free(m->core);
	if (m->retired != NULL)
		ks_conf_free(m->retired);
	if (last != NULL)
		ks_conf_free(last);
	if (m->desired != NULL)
		ks_desired_free(m->desired);
	if (m->rs_in_use != NULL)
		m->s->mem.free(m->s->mem.ctx, m->rs_in_use);
	if (m->signal_fd >= 0)
		close(m->signal_fd);
	pause_close(m);
	if (m->epoll_fd >= 0)
		close(m->epoll_fd);
}

int main_loop(struct shell *s, char err[KS_ERR_LEN])
{
	struct mainloop *m = s->mem.alloc(s->mem.ctx, sizeof(*m), 64);
	unsigned launched = 0;
	int rc = 1;

	if (m == NULL) {
		snprintf(err, KS_ERR_LEN, "no memory");
		return 1;
	}
	m->s = s;
	m->self = &s->lcore[s->n_workers];
	m->epoll_fd = m->signal_fd = -1;
	pause_open(m);
	if (start(m, err)) {
		for (; launched < s->n_workers; launched++) {
			if (rte_eal_remote_launch(worker_loop, &s->lcore[launched],
						  s->lcore[launched].lcore_id) == 0)
				continue;
			snprintf(
				err, KS_ERR_LEN,
				"worker %s: lcore %u is not one of the EAL's; see its -l or --lcores",
				s->lcore[launched].o->name, s->lcore[launched].lcore_id);
			break;
		}
		if (launched == s->n_workers) {
			rc = 0;
			while (!m->stopping || shell_now(s) < m->stop_at)
				turn(m);
			ks_main_release_all(m->core, current(m), shell_now(s));
		}
	}
	atomic_store(&s->stop, 1);
	for (unsigned i = 0; i < launched; i++)
		wake_up(&s->lcore[i].wake);
	for (unsigned i = 0; i < launched; i++)
		(void)rte_eal_wait_lcore(s->lcore[i].lcore_id);
	finish(m);
	s->mem.free(s->mem.ctx, m);
	return rc;
}
