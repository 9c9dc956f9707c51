/* SPDX-License-Identifier: Apache-2.0 */
/* Resolution of next hops: states, waiting frames, retries. */
#include "ks_resolve.h"

#include <string.h>

#include "ks_arp.h"
#include "ks_hops.h"

#define NO_ROW UINT16_MAX
#define NEVER  UINT64_MAX
#define TICK_MS \
	100u /* due times are rounded up to it, so that many entries are looked at together */
#define STALE_LOOK_MS 1000u
#define FORGET_MIN_MS 600000u

static const uint8_t mac_none[6];

bool ks_resolve_init(struct ks_main *m)
{
	m->nud = m->mem.alloc(m->mem.ctx, KS_NEIGH_MAX * sizeof(m->nud[0]), 64);
	m->wait = m->mem.alloc(m->mem.ctx, KS_WAIT_MAX * sizeof(m->wait[0]), 64);
	m->next_due = NEVER;
	if (m->nud == NULL || m->wait == NULL)
		return false;
	for (uint32_t i = 0; i < KS_WAIT_MAX; i++)
		m->wait[i].next = i + 1 < KS_WAIT_MAX ? (uint16_t)(i + 1) : NO_ROW;
	m->wait_free = 0;
	return true;
}

/* ---- waiting frames -------------------------------------------------------------------------------------------- */

static bool wait_push(struct ks_main *m, struct ks_nud_entry *e, const struct ks_pkt *p)
{
	uint16_t row = m->wait_free;

	if (row == NO_ROW || e->n_wait >= KS_WAIT_ENTRY_MAX)
		return false;
	m->wait_free = m->wait[row].next;
	m->wait[row].pkt = *p;
	m->wait[row].next = NO_ROW;
	if (e->n_wait == 0)
		e->wait_first = row;
	else
		m->wait[e->wait_last].next = row;
	e->wait_last = row;
	e->n_wait++;
	m->n_wait++;
	return true;
}

static bool wait_pop(struct ks_main *m, struct ks_nud_entry *e, struct ks_pkt *p)
{
	uint16_t row = e->wait_first;

	if (e->n_wait == 0)
		return false;
	*p = m->wait[row].pkt;
	e->wait_first = m->wait[row].next;
	e->n_wait--;
	m->n_wait--;
	m->wait[row].next = m->wait_free;
	m->wait_free = row;
	return true;
}

static void wait_drop(struct ks_main *m, struct ks_nud_entry *e)
{
	struct ks_pkt p;

	while (wait_pop(m, e, &p))
		ks_main_drop(m, &p, KS_DROP_NEIGH_FAILED);
}

void ks_resolve_fini(struct ks_main *m)
{
	struct ks_pkt p;

	for (uint32_t i = 0; m->nud != NULL && m->wait != NULL && i < m->high; i++)
		while (wait_pop(m, &m->nud[i], &p))
			m->io.release(m->io.ctx, &p);
	if (m->nud != NULL)
		m->mem.free(m->mem.ctx, m->nud);
	if (m->wait != NULL)
		m->mem.free(m->mem.ctx, m->wait);
}

/* ---- entries --------------------------------------------------------------------------------------------------- */

static void set_due(struct ks_main *m, struct ks_nud_entry *e, ks_ms due)
{
	e->due = due == NEVER ? NEVER : (due + TICK_MS - 1) / TICK_MS * TICK_MS;
	if (e->due < m->next_due)
		m->next_due = e->due;
}

static uint32_t used_at(const struct ks_main *m, uint16_t index)
{
	return atomic_load_explicit(&m->shared->neigh.hot[index].used_at, memory_order_relaxed);
}

/* The entry of that next hop; KS_NH_NONE = table full. */
static uint16_t get_entry(struct ks_main *m, uint8_t port, uint8_t af, const union ks_addr *addr)
{
	uint16_t i = ks_neigh_find(&m->shared->neigh, port, af, addr);

	if (i != KS_NH_NONE)
		return i;
	i = ks_neigh_add(&m->shared->neigh, port, af, addr);
	if (i == KS_NH_NONE)
		return i;
	m->nud[i] = (struct ks_nud_entry){ .af = af, .addr = *addr, .due = NEVER };
	if (i >= m->high)
		m->high = i + 1u;
	return i;
}

static void forget(struct ks_main *m, uint16_t i)
{
	wait_drop(m, &m->nud[i]);
	ks_neigh_del(&m->shared->neigh, i);
	m->nud[i] = (struct ks_nud_entry){ .due = NEVER };
}

static void frame_to(struct ks_main *m, const struct ks_conf *c, uint16_t i, struct ks_pkt *p)
{
	uint64_t word = atomic_load_explicit(&m->shared->neigh.hot[i].word, memory_order_relaxed);
	uint8_t port = ks_nh_port(word);

	for (unsigned k = 0; k < 6; k++)
		p->data[k] = (uint8_t)(word >> (8 * k));
	memcpy(p->data + 6, c->port[port].mac, 6);
	ks_main_tx(m, p, port);
}

static void usable(struct ks_main *m, const struct ks_conf *c, uint16_t i, const uint8_t mac[6])
{
	struct ks_pkt p;

	if (m->nud[i].shared &&
	    atomic_load_explicit(&m->shared->neigh.hot[i].word, memory_order_relaxed) &
		    KS_NH_FAILED)
		m->shared->neigh.outdated = true;
	ks_neigh_set_mac(&m->shared->neigh, i, mac);
	while (wait_pop(m, &m->nud[i], &p))
		frame_to(m, c, i, &p);
}

/* Solicits the address: by broadcast or multicast, or unicast to its last known owner. */
static void ask(struct ks_main *m, const struct ks_conf *c, uint16_t i, bool unicast, ks_ms now)
{
	const struct ks_holding held = ks_main_holding(m, now);
	uint64_t word = atomic_load_explicit(&m->shared->neigh.hot[i].word, memory_order_relaxed);
	uint8_t port = ks_neigh_port(&m->shared->neigh, i);
	const struct ks_nud_entry *e = &m->nud[i];
	uint8_t mac[6];

	for (unsigned k = 0; k < 6; k++)
		mac[k] = (uint8_t)(word >> (8 * k));
	if (e->af == 6)
		ks_nd_solicit(m, c, port, &e->addr, unicast ? mac : NULL, now);
	else
		ks_main_arp(m, c, port, unicast ? mac : ks_mac_broadcast,
			    ks_conf_source4(c, &held, port, e->addr.v4), mac_none, e->addr.v4);
}

static ks_ms answer_by(const struct ks_nud_entry *e, ks_ms now)
{
	ks_ms wait = (ks_ms)KS_ARP_FIRST_MS << (e->tries - 1);

	return now + (wait < KS_ARP_LAST_MS ? wait : KS_ARP_LAST_MS);
}

static void start(struct ks_main *m, const struct ks_conf *c, uint16_t i, enum ks_nud state,
		  ks_ms now)
{
	struct ks_nud_entry *e = &m->nud[i];

	e->state = (uint8_t)state;
	e->tries = 1;
	ask(m, c, i, state == KS_NUD_PROBE, now);
	set_due(m, e, answer_by(e, now));
}

void ks_resolve_send(struct ks_main *m, const struct ks_conf *c, uint8_t port, uint8_t af,
		     const union ks_addr *next_hop, struct ks_pkt *p, ks_ms now)
{
	uint16_t i = get_entry(m, port, af, next_hop);

	if (i == KS_NH_NONE) {
		ks_main_drop(m, p, KS_DROP_NEIGH_FULL);
		return;
	}
	atomic_store_explicit(&m->shared->neigh.hot[i].used_at, (uint32_t)(now / 1000),
			      memory_order_relaxed);
	if (ks_nh_usable(
		    atomic_load_explicit(&m->shared->neigh.hot[i].word, memory_order_relaxed))) {
		frame_to(m, c, i, p);
		return;
	}
	if (!wait_push(m, &m->nud[i], p))
		ks_main_drop(m, p, KS_DROP_NEIGH_FULL);
	if (m->nud[i].state != KS_NUD_INCOMPLETE)
		start(m, c, i, KS_NUD_INCOMPLETE, now);
}

void ks_resolve_learn(struct ks_main *m, const struct ks_conf *c, uint8_t port, uint8_t af,
		      const union ks_addr *addr, const uint8_t mac[6], bool create, ks_ms now)
{
	uint16_t i = create ? get_entry(m, port, af, addr)
			    : ks_neigh_find(&m->shared->neigh, port, af, addr);
	struct ks_nud_entry *e;

	if (i == KS_NH_NONE || m->nud[i].state == KS_NUD_STATIC)
		return;
	e = &m->nud[i];
	e->state = KS_NUD_REACHABLE;
	e->since = now;
	e->used_seen = used_at(m, i);
	set_due(m, e, now + c->param[KS_PARAM_NEIGH_TIMEOUT]);
	usable(m, c, i, mac);
}

void ks_resolve_static(struct ks_main *m, const struct ks_conf *c, uint8_t port, uint8_t af,
		       const union ks_addr *addr, const uint8_t mac[6], bool by_conf, ks_ms now)
{
	uint16_t i = get_entry(m, port, af, addr);

	if (i == KS_NH_NONE)
		return;
	m->nud[i].state = KS_NUD_STATIC;
	m->nud[i].since = now;
	m->nud[i].by_conf |= by_conf;
	m->nud[i].seen = true;
	m->nud[i].due = NEVER;
	usable(m, c, i, mac);
}

/* Next hops of multipath routes: each is resolved before its first use, so that one which does not
 * answer is left out. */
static void follow_shared(struct ks_main *m, const struct ks_conf *c, uint8_t af,
			  const struct ks_hops *hops, ks_ms now)
{
	for (uint32_t k = 0; k < hops->n; k++) {
		uint16_t i = get_entry(m, hops->hop[k].port, af, &hops->hop[k].gw);

		if (i == KS_NH_NONE || ks_main_local(m, c, af, &hops->hop[k].gw, now) != NULL)
			continue;
		m->nud[i].shared = true;
		if (m->nud[i].state == KS_NUD_NONE)
			start(m, c, i, KS_NUD_INCOMPLETE, now);
	}
}

void ks_resolve_conf(struct ks_main *m, const struct ks_conf *c, ks_ms now)
{
	ks_ms timeout = c->param[KS_PARAM_NEIGH_TIMEOUT];
	const struct ks_static_neigh *n;
	uint32_t count;

	if (m->seen_conf && m->generation == c->generation && m->epoch == c->epoch &&
	    !m->lease.moved)
		return;
	ks_lease_conf(m, c, now);
	m->lease.moved = false;
	m->seen_conf = true;
	m->generation = c->generation;
	m->epoch = c->epoch;
	for (uint32_t i = 0; i < m->high; i++) {
		struct ks_nud_entry *e = &m->nud[i];

		e->seen = e->shared = false;
		/* the timeout may be a shorter one now */
		if (e->state == KS_NUD_REACHABLE && e->due > now + timeout)
			set_due(m, e, now + timeout);
	}
	n = ks_conf_neighs(c, &count);
	for (uint32_t i = 0; i < count; i++)
		ks_resolve_static(m, c, n[i].port, n[i].af, &n[i].addr, n[i].mac, true, now);
	for (uint32_t i = 0; i < m->high; i++)
		if (m->nud[i].by_conf && !m->nud[i].seen)
			forget(m, (uint16_t)i);
	follow_shared(m, c, 4, ks_conf_hops(c, 4), now);
	follow_shared(m, c, 6, ks_conf_hops(c, 6), now);
}

/* ---- timers ---------------------------------------------------------------------------------------------------- */

static void asked_in_vain(struct ks_main *m, const struct ks_conf *c, uint16_t i, ks_ms now)
{
	struct ks_nud_entry *e = &m->nud[i];

	if (e->tries < KS_ARP_TRIES) {
		e->tries++;
		ask(m, c, i, e->state == KS_NUD_PROBE, now);
		set_due(m, e, answer_by(e, now));
		return;
	}
	if (e->shared &&
	    !(atomic_load_explicit(&m->shared->neigh.hot[i].word, memory_order_relaxed) &
	      KS_NH_FAILED))
		m->shared->neigh.outdated = true;
	ks_neigh_set_failed(&m->shared->neigh, i);
	wait_drop(m, e);
	e->state = KS_NUD_FAILED;
	e->since = now;
	set_due(m, e, now + (e->shared ? KS_SHARED_RETRY_MS : FORGET_MIN_MS));
}

static void due(struct ks_main *m, const struct ks_conf *c, uint16_t i, ks_ms now)
{
	struct ks_nud_entry *e = &m->nud[i];
	ks_ms forget_after = 10ull * c->param[KS_PARAM_NEIGH_TIMEOUT];
	uint32_t used = used_at(m, i);

	if (forget_after < FORGET_MIN_MS)
		forget_after = FORGET_MIN_MS;
	switch (e->state) {
	case KS_NUD_INCOMPLETE:
	case KS_NUD_PROBE:
		asked_in_vain(m, c, i, now);
		break;
	case KS_NUD_REACHABLE:
	case KS_NUD_STALE:
		if (used != e->used_seen || e->shared) {
			e->used_seen = used;
			start(m, c, i, KS_NUD_PROBE, now);
		} else if (e->state == KS_NUD_STALE && now - e->since >= forget_after) {
			forget(m, i);
		} else {
			e->state = KS_NUD_STALE;
			set_due(m, e, now + STALE_LOOK_MS);
		}
		break;
	case KS_NUD_FAILED:
		if (e->shared)
			start(m, c, i, KS_NUD_INCOMPLETE, now);
		else
			forget(m, i);
		break;
	default:
		e->due = NEVER;
		break;
	}
}

void ks_resolve_tick(struct ks_main *m, const struct ks_conf *c, ks_ms now)
{
	if (now < m->next_due)
		return;
	m->next_due = NEVER;
	for (uint32_t i = 0; i < m->high; i++) {
		if (m->nud[i].due <= now)
			due(m, c, (uint16_t)i, now);
		if (m->nud[i].due < m->next_due)
			m->next_due = m->nud[i].due;
	}
}
