/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main lcore's part of leases: it renews, ends and reports them. Input: requests of the control
 * socket, generations, time. Output: the ends of leases that everybody reads (ks_lease.h), one
 * event when leases run out together, and one for each address that somebody put on the kernel
 * interface while another node may hold it.
 */
#include "ks_lease.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "ks_resolve.h"
#include "ks_tables.h"

#define NEVER UINT64_MAX
/* A VIP that this node gives up stays on the kernel interface until whoever put it there takes it
 * off: only one that is there longer than that is reported. */
#define BY_HAND_MS 3000u

bool ks_lease_init(struct ks_main *m)
{
	m->lease.row = m->mem.alloc(m->mem.ctx, KS_LEASES_MAX * sizeof(m->lease.row[0]), 64);
	m->lease.next_due = m->lease.look_at = NEVER;
	return m->lease.row != NULL;
}

void ks_lease_fini(struct ks_main *m)
{
	if (m->lease.row != NULL)
		m->mem.free(m->mem.ctx, m->lease.row);
}

static bool holds(const struct ks_main *m, uint32_t slot, ks_ms now)
{
	return ks_lease_until(&m->shared->leases, slot) > now;
}

/* Report the address when it is on the kernel interface for long enough without being held. */
static void look_later(struct ks_main *m, struct ks_lease_row *r, ks_ms now)
{
	r->told = false;
	r->not_held_since = now;
	if (r->by_hand && now + BY_HAND_MS < m->lease.look_at)
		m->lease.look_at = now + BY_HAND_MS;
}

static void put(struct ks_main *m, uint32_t slot, ks_ms until, ks_ms now)
{
	struct ks_lease_table *t = &m->lease;
	bool before = holds(m, slot, now), after = until > now;

	atomic_store_explicit(&m->shared->leases.until[slot], until, memory_order_relaxed);
	if (after && until < t->next_due)
		t->next_due = until;
	t->unsettled = true;
	if (before == after)
		return;
	t->moved = true;
	t->changes++;
	look_later(m, &t->row[slot], now);
}

void ks_main_lease(struct ks_main *m, const struct ks_conf *c, uint8_t port, uint8_t af,
		   const union ks_addr *addr, uint32_t ms, ks_ms now, struct ks_lease_state *out)
{
	const struct ks_local *l = ks_conf_local(c, af, addr);
	struct ks_lease_row *r;
	ks_ms until, before;

	*out = (struct ks_lease_state){ .status = KS_E_NOT_FOUND, .renewed_ms_ago = UINT32_MAX };
	if (l == NULL || l->port != port || (l->flags & KS_LOCAL_VIP) == 0)
		return;
	ks_resolve_conf(m, c, now);
	r = &m->lease.row[l->lease];
	before = r->renewed_at;
	if (ms == 0) {
		put(m, l->lease, 0, now);
		r->renewed_at = 0;
	} else if (ms != KS_LEASE_QUERY) {
		put(m, l->lease, now + ms, now);
		r->renewed_at = now;
	}
	until = ks_lease_until(&m->shared->leases, l->lease);
	out->status = KS_OK;
	if (until > now)
		out->left_ms = until - now < UINT32_MAX ? (uint32_t)(until - now) : UINT32_MAX;
	if (before != 0 && now - before < UINT32_MAX)
		out->renewed_ms_ago = (uint32_t)(now - before);
}

void ks_main_release_all(struct ks_main *m, const struct ks_conf *c, ks_ms now)
{
	ks_resolve_conf(m, c, now);
	for (uint32_t i = 0; i < m->lease.high; i++) {
		if (!m->lease.row[i].used)
			continue;
		put(m, i, 0, now);
		m->lease.row[i].renewed_at = 0;
	}
}

uint32_t ks_main_lease_changes(const struct ks_main *m)
{
	return m->lease.changes;
}

uint64_t ks_main_lease_left(struct ks_main *m, ks_ms now)
{
	struct ks_lease_table *t = &m->lease;

	if (t->unsettled || (t->soonest != 0 && t->soonest <= now)) {
		t->soonest = 0;
		for (uint32_t i = 0; i < t->high; i++) {
			ks_ms until = ks_lease_until(&m->shared->leases, i);

			if (until > now && (t->soonest == 0 || until < t->soonest))
				t->soonest = until;
		}
		t->unsettled = false;
	}
	return t->soonest > now ? t->soonest - now : 0;
}

/* ---- generations ------------------------------------------------------------------------------------------------ */

static void see(struct ks_main *m, const struct ks_local *l, ks_ms now)
{
	struct ks_lease_row *r = &m->lease.row[l->lease];
	bool by_hand = (l->flags & KS_LOCAL_KERNEL) != 0;

	if (!r->used || r->af != l->af || r->port != l->port ||
	    memcmp(&r->addr, &l->addr, sizeof(r->addr)) != 0) {
		*r = (struct ks_lease_row){
			.addr = l->addr, .af = l->af, .port = l->port, .used = true
		};
		put(m, l->lease, 0, now);
		if (l->lease >= m->lease.high)
			m->lease.high = l->lease + 1;
	}
	if (by_hand != r->by_hand) {
		r->by_hand = by_hand;
		look_later(m, r, now);
	}
	r->seen = true;
}

void ks_lease_conf(struct ks_main *m, const struct ks_conf *c, ks_ms now)
{
	const struct ks_tables *t = c->impl;

	for (uint32_t i = 0; i < m->lease.high; i++)
		m->lease.row[i].seen = false;
	for (uint32_t i = 0; i < t->n_local; i++)
		if ((t->local[i].flags & KS_LOCAL_VIP) != 0)
			see(m, &t->local[i], now);
	for (uint32_t i = 0; i < m->lease.high; i++) {
		if (m->lease.row[i].seen || !m->lease.row[i].used)
			continue;
		put(m, i, 0, now);
		m->lease.row[i] = (struct ks_lease_row){ .used = false };
	}
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

static void name(struct ks_event *e, const struct ks_conf *c, const struct ks_lease_row *r)
{
	memcpy(e->dev, c->port[r->port].dev, sizeof(e->dev));
	memcpy(e->addr, r->addr.b, sizeof(e->addr));
	e->af = r->af;
}

static void report_expired(struct ks_main *m, const struct ks_conf *c, uint32_t first, uint32_t n)
{
	struct ks_event e = { .type = KS_EV_LEASE_EXPIRED, .a = n };
	char a[KS_FMT_LEN];

	name(&e, c, &m->lease.row[first]);
	ks_fmt(a, e.af, &m->lease.row[first].addr);
	if (n == 1)
		snprintf(e.text, sizeof(e.text),
			 "the lease of %s was not renewed: it is no longer answered for", a);
	else
		snprintf(e.text, sizeof(e.text),
			 "the leases of %s and %u more VIPs were not renewed: they are no longer "
			 "answered for",
			 a, n - 1);
	m->io.event(m->io.ctx, &e);
}

static void expire(struct ks_main *m, const struct ks_conf *c, ks_ms now)
{
	struct ks_lease_table *t = &m->lease;
	uint32_t first = 0, n = 0;

	t->next_due = NEVER;
	for (uint32_t i = 0; i < t->high; i++) {
		ks_ms until = ks_lease_until(&m->shared->leases, i);

		if (until == 0)
			continue;
		if (until > now) {
			t->next_due = until < t->next_due ? until : t->next_due;
			continue;
		}
		if (n++ == 0)
			first = i;
		put(m, i, 0, now);
		t->moved = true;
		t->changes++;
		look_later(m, &t->row[i], now);
	}
	if (n > 0)
		report_expired(m, c, first, n);
}

/* One event for each such address, until it is held or taken off the interface. */
static void look(struct ks_main *m, const struct ks_conf *c, ks_ms now)
{
	m->lease.look_at = NEVER;
	for (uint32_t i = 0; i < m->lease.high; i++) {
		struct ks_lease_row *r = &m->lease.row[i];
		struct ks_event e = { .type = KS_EV_ADDR_BY_HAND };
		ks_ms at = r->not_held_since + BY_HAND_MS;
		char a[KS_FMT_LEN];

		if (!r->used || !r->by_hand || r->told || holds(m, i, now))
			continue;
		if (at > now) {
			m->lease.look_at = at < m->lease.look_at ? at : m->lease.look_at;
			continue;
		}
		r->told = true;
		name(&e, c, r);
		snprintf(e.text, sizeof(e.text),
			 "%s is a virtual address of an instance that is not active and is "
			 "configured on %s.kni: it is not answered for",
			 ks_fmt(a, r->af, &r->addr), c->port[r->port].dev);
		m->io.event(m->io.ctx, &e);
	}
}

void ks_lease_tick(struct ks_main *m, const struct ks_conf *c, ks_ms now)
{
	if (now >= m->lease.next_due)
		expire(m, c, now);
	if (now >= m->lease.look_at)
		look(m, c, now);
}

ks_ms ks_lease_deadline(const struct ks_main *m)
{
	if (m->lease.moved)
		return 0;
	return m->lease.next_due < m->lease.look_at ? m->lease.next_due : m->lease.look_at;
}
