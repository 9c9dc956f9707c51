/* SPDX-License-Identifier: Apache-2.0 */
/* What the control socket asks of the main lcore. */
#include <stdio.h>
#include <string.h>

#include "ks_list.h"
#include "log.h"
#include "main_int.h"

static int port_named(const struct mainloop *m, const char dev[KS_DEV_NAME])
{
	for (unsigned i = 0; i < m->s->n_ports; i++)
		if (strncmp(m->s->port[i].info.dev, dev, KS_DEV_NAME) == 0)
			return (int)i;
	return -1;
}

void on_lease(void *ctx, uint32_t ms, const struct ks_lease_addr *a, uint32_t n,
	      struct ks_lease_state *out)
{
	struct mainloop *m = ctx;
	ks_ms now = shell_now(m->s);

	for (uint32_t i = 0; i < n; i++) {
		int port = port_named(m, a[i].dev);
		union ks_addr addr;

		memcpy(addr.b, a[i].addr, sizeof(addr.b));
		ks_main_lease(m->core, current(m), port < 0 ? KS_ANY_PORT : (uint8_t)port, a[i].af,
			      &addr, ms, now, &out[i]);
	}
	if (n == 0 && ms == 0)
		ks_main_release_all(m->core, current(m), now);
}

void on_greeted(void *ctx, const char *name, uint32_t pid)
{
	(void)ctx;
	ks_log(KS_LOG_INFO, "client %s (pid %u) connected", name[0] != '\0' ? name : "unnamed",
	       pid);
}

int on_garp(void *ctx, const struct ks_garp *g, char reason[KS_REASON_LEN])
{
	struct mainloop *m = ctx;
	int port = port_named(m, g->dev);
	union ks_addr addr;
	int status;

	if (port < 0) {
		snprintf(reason, KS_REASON_LEN, "there is no device %s", g->dev);
		return KS_E_NOT_FOUND;
	}
	memcpy(addr.b, g->addr, sizeof(addr.b));
	status = ks_main_garp(m->core, current(m), (uint8_t)port, g->af, &addr, g->repeat,
			      shell_now(m->s));
	snprintf(reason, KS_REASON_LEN, "%s",
		 status == KS_OK                ? ""
			 : status == KS_E_STATE ? "the address is leased and not held"
						: "the address is not on that device");
	return status;
}

bool on_sessions(void *ctx, uint64_t token, const struct ks_sessions *ask)
{
	struct mainloop *m = ctx;
	struct sessions_ask *a;

	if (ask->worker >= m->s->n_workers)
		return false;
	a = &m->asks[ask->worker];
	if (atomic_load_explicit(&a->state, memory_order_acquire) != 0)
		return false;
	a->token = token;
	a->cursor = ask->cursor;
	a->max = ask->max < 512 ? ask->max : 512;
	atomic_store_explicit(&a->state, 1, memory_order_release);
	wake_up(&m->s->lcore[ask->worker].wake);
	return true;
}

bool answer_sessions(struct mainloop *m)
{
	bool waiting = false;

	for (unsigned i = 0; i < m->s->n_workers; i++) {
		struct sessions_ask *a = &m->asks[i];
		uint32_t state = atomic_load_explicit(&a->state, memory_order_acquire);

		if (state == 2) {
			ks_control_sessions(m->control, a->token, KS_OK, a->rows, a->count,
					    a->next);
			atomic_store_explicit(&a->state, 0, memory_order_release);
		}
		waiting = waiting || state == 1;
	}
	return waiting;
}

uint32_t on_table(void *ctx, const struct ks_list *ask, struct ks_list_row *rows, uint32_t *next)
{
	struct mainloop *m = ctx;
	struct ks_holding held = { .leases = &m->s->shared.leases, .now = shell_now(m->s) };

	if (ask->kind == KS_LIST_NEIGHS) {
		/* The static ones of a generation just made are taken over by a tick. */
		ks_main_tick(m->core, current(m), shell_now(m->s));
		return ks_list_neighs(m->core, current(m), ask, rows, next, shell_now(m->s));
	}
	return ask->kind == KS_LIST_ADDRS
		? ks_list_addrs(m->desired, current(m), &held, ask, rows, next)
		: ks_list_routes(m->desired, ask, rows, next);
}

void on_shutdown(void *ctx, uint32_t drain_ms)
{
	struct mainloop *m = ctx;
	struct ks_event e = { .type = KS_EV_STOPPING, .a = drain_ms };

	if (!m->stopping)
		ks_control_event(m->control, &e);
	m->stopping = true;
	m->stop_at = shell_now(m->s) + drain_ms;
}
