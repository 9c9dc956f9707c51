/* SPDX-License-Identifier: Apache-2.0 */
/* The transaction on the desired state, the checks that need the whole of it, and what comes
 * without a transaction: ports and the state mirrored from the kernel. */
#include "ks_desired.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECONDS(s) ((s)*1000u)

/* DPVS's timeouts; Linux's default TTL; ports from 1025 as in DPVS. */
const uint32_t ks_param_default[KS_PARAM_COUNT] = {
	[KS_PARAM_TCP_NONE] = SECONDS(2),
	[KS_PARAM_TCP_ESTABLISHED] = SECONDS(90),
	[KS_PARAM_TCP_SYN_SENT] = SECONDS(3),
	[KS_PARAM_TCP_SYN_RECV] = SECONDS(30),
	[KS_PARAM_TCP_FIN_WAIT] = SECONDS(7),
	[KS_PARAM_TCP_TIME_WAIT] = SECONDS(7),
	[KS_PARAM_TCP_CLOSE] = SECONDS(3),
	[KS_PARAM_TCP_CLOSE_WAIT] = SECONDS(7),
	[KS_PARAM_TCP_LAST_ACK] = SECONDS(7),
	[KS_PARAM_TCP_LISTEN] = SECONDS(120),
	[KS_PARAM_TCP_SYNACK] = SECONDS(30),
	[KS_PARAM_TCP_LAST] = SECONDS(2),
	[KS_PARAM_UDP_ONEWAY] = SECONDS(300),
	[KS_PARAM_UDP_NORMAL] = SECONDS(300),
	[KS_PARAM_UDP_LAST] = SECONDS(2),
	[KS_PARAM_CONN_INIT] = SECONDS(3),
	[KS_PARAM_DEFAULT_TTL] = 64,
	[KS_PARAM_LPORT_MIN] = 1025,
	[KS_PARAM_LPORT_MAX] = 65535,
	[KS_PARAM_NEIGH_TIMEOUT] = SECONDS(60),
	[KS_PARAM_MAGLEV_SIZE] = 4093,
	[KS_PARAM_ICMP_NORMAL] = SECONDS(300),
	[KS_PARAM_SCTP_INIT1] = SECONDS(4),
	[KS_PARAM_SCTP_INIT] = SECONDS(61),
	[KS_PARAM_SCTP_ESTABLISHED] = SECONDS(900),
	[KS_PARAM_SCTP_SHUTDOWN] = SECONDS(61),
	[KS_PARAM_REUSE_STATES] = 1u << KS_ST_CLOSE | 1u << KS_ST_TIME_WAIT,
	[KS_PARAM_RESET_EXPIRED] = 1,
	[KS_PARAM_SCTP_REJECTED] = SECONDS(4),
	[KS_PARAM_SCTP_CLOSED] = SECONDS(61),
};

int ks_refuse(char *reason, int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, KS_REASON_LEN, fmt, ap);
	va_end(ap);
	return status;
}

const char *ks_fmt(char buf[KS_FMT_LEN], uint8_t af, const union ks_addr *addr)
{
	if (inet_ntop(af == 4 ? AF_INET : AF_INET6, addr->b, buf, KS_FMT_LEN) == NULL)
		buf[0] = '\0';
	return buf;
}

struct ks_desired *ks_desired_new(const struct ks_mem *mem, const struct ks_limits *limits)
{
	struct ks_desired *d = ks_new(mem, 1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->mem = *mem;
	d->limits = *limits;
	d->fib_dirty = true;
	memcpy(d->param, ks_param_default, sizeof(d->param));
	if (!ks_obj_init(d) || !ks_slots_init(d, &d->rs_slots, limits->max_rs_slots) ||
	    !ks_slots_init(d, &d->svc_slots, limits->max_services) ||
	    !ks_slots_init(d, &d->lease_slots, KS_LEASES_MAX)) {
		ks_desired_free(d);
		return NULL;
	}
	return d;
}

void ks_desired_free(struct ks_desired *d)
{
	struct ks_mem mem;

	if (d == NULL)
		return;
	mem = d->mem;
	ks_obj_fini(d);
	ks_del(&mem, d->m_addr);
	ks_del(&mem, d->m_route);
	ks_fib_unref(&mem, d->fib);
	ks_fib6_unref(&mem, d->fib6);
	ks_del(&mem, d);
}

/* ---- ports and mirrored state ---------------------------------------------------------------------------------- */

void ks_desired_port(struct ks_desired *d, unsigned port, const struct ks_port_info *info)
{
	if (port >= KS_MAX_PORTS)
		return;
	if (port >= d->n_ports)
		d->n_ports = port + 1;
	d->port[port] = *info;
	d->l3_dirty = d->fib_dirty = true;
}

/* Replaces *have by n records; false = nothing changed (or no memory for the change: the old set
 * stays). */
static bool replace(struct ks_desired *d, void **have, size_t *n_have, const void *now, size_t n,
		    size_t size)
{
	void *copy;

	if (n == *n_have && (n == 0 || memcmp(*have, now, n * size) == 0))
		return false;
	copy = ks_new(&d->mem, n > 0 ? n : 1, size);
	if (copy == NULL)
		return false;
	if (n > 0)
		memcpy(copy, now, n * size);
	ks_del(&d->mem, *have);
	*have = copy;
	*n_have = n;
	d->l3_dirty = d->fib_dirty = true;
	return true;
}

void ks_desired_new_epoch(struct ks_desired *d)
{
	d->l3_dirty = true;
}

void ks_desired_mirror_addrs(struct ks_desired *d, const struct ks_mirror_addr *a, size_t n)
{
	void *p = d->m_addr;

	replace(d, &p, &d->n_m_addr, a, n, sizeof(*a));
	d->m_addr = p;
}

void ks_desired_mirror_routes(struct ks_desired *d, const struct ks_mirror_route *r, size_t n)
{
	void *p = d->m_route;

	replace(d, &p, &d->n_m_route, r, n, sizeof(*r));
	d->m_route = p;
}

/* ---- checks of the whole --------------------------------------------------------------------------------------- */

struct host {
	union ks_addr addr;
	uint8_t af; /* 0 = free row */
	uint8_t port;
	bool local, lip;
};

struct hosts {
	struct host *row;
	uint32_t mask;
};

static struct host *host_of(struct hosts *h, uint8_t af, const union ks_addr *addr)
{
	uint32_t i = (uint32_t)ks_mix(ks_mix(addr->q[0] + af) + addr->q[1]);
	struct host *row = &h->row[i & h->mask];

	while (row->af != 0 && (row->af != af || memcmp(&row->addr, addr, sizeof(row->addr)) != 0))
		row = &h->row[++i & h->mask];
	return row;
}

static int add_local(struct ks_desired *d, struct hosts *h, const struct ks_obj *o, uint8_t port,
		     bool lip, char *reason)
{
	struct host *row = host_of(h, o->key.af, &o->key.addr);
	char a[KS_FMT_LEN];

	if (row->af != 0 && row->port != port)
		return ks_refuse(reason, KS_E_INVALID, "address %s is wanted on %s and on %s",
				 ks_fmt(a, o->key.af, &o->key.addr), d->port[row->port].dev,
				 d->port[port].dev);
	row->addr = o->key.addr;
	row->af = o->key.af;
	row->port = port;
	row->local = true;
	row->lip |= lip;
	return KS_OK;
}

/* An address has one device. A local address is no service's address: a packet to it belongs to the
 * worker its port says, not to the one its client says. */
static int check_hosts(struct ks_desired *d, struct hosts *h, char *reason)
{
	int status = KS_OK;
	char a[KS_FMT_LEN];

	for (struct ks_obj *o = d->list[KS_OBJ_ADDR]; o != NULL && status == KS_OK; o = o->next)
		if (o->body.live)
			status = add_local(d, h, o, o->key.port, (o->body.flags & KS_ADDR_LIP) != 0,
					   reason);
	for (struct ks_obj *s = d->list[KS_OBJ_SVC]; s != NULL && status == KS_OK; s = s->next)
		for (struct ks_obj *o = s->lip; o != NULL && status == KS_OK; o = o->next)
			if (o->body.live)
				status = add_local(d, h, o, o->body.port, true, reason);
	for (struct ks_obj *s = d->list[KS_OBJ_SVC]; s != NULL && status == KS_OK; s = s->next)
		if (s->body.live && host_of(h, s->key.af, &s->key.addr)->lip)
			status = ks_refuse(
				reason, KS_E_INVALID,
				"%s is the address of a service and a local address as well",
				ks_fmt(a, s->key.af, &s->key.addr));
	return status;
}

static int check_whole(struct ks_desired *d, char *reason)
{
	struct hosts h;
	uint64_t n = (uint64_t)d->n_live[KS_OBJ_ADDR] + d->n_live[KS_OBJ_LIP];
	uint32_t size = 16;
	int status;

	if (d->param[KS_PARAM_LPORT_MIN] > d->param[KS_PARAM_LPORT_MAX])
		return ks_refuse(reason, KS_E_INVALID,
				 "the lowest local port %u is above the highest, %u",
				 d->param[KS_PARAM_LPORT_MIN], d->param[KS_PARAM_LPORT_MAX]);
	while (size < 2 * n)
		size *= 2;
	h.mask = size - 1;
	h.row = ks_new(&d->mem, size, sizeof(h.row[0]));
	if (h.row == NULL)
		return ks_refuse(reason, KS_E_NO_MEMORY, "no memory left to check the new state");
	status = check_hosts(d, &h, reason);
	ks_del(&d->mem, h.row);
	return status;
}

/* ---- transaction ----------------------------------------------------------------------------------------------- */

bool ks_desired_in_transaction(const struct ks_desired *d)
{
	return d->open;
}

uint64_t ks_desired_generation(const struct ks_desired *d)
{
	return d->generation;
}

static bool bury_all(struct ks_desired *d)
{
	for (unsigned kind = 0; kind < KS_OBJ_KINDS; kind++)
		for (struct ks_obj *o = d->list[kind]; o != NULL; o = o->next)
			if (!ks_obj_delete(d, o))
				return false;
	return true;
}

int ks_desired_begin(struct ks_desired *d, bool from_empty)
{
	if (d->open)
		return KS_E_BUSY;
	ks_journal_settle(d);
	d->open = d->undoable = true;
	memcpy(d->saved_param, d->param, sizeof(d->param));
	d->saved_generation = d->generation;
	if (!from_empty)
		return KS_OK;
	memcpy(d->param, ks_param_default, sizeof(d->param));
	if (!bury_all(d)) {
		ks_desired_abort(d);
		return KS_E_NO_MEMORY;
	}
	return KS_OK;
}

int ks_desired_apply(struct ks_desired *d, const struct ks_op *op, size_t len, char *reason)
{
	if (!d->open)
		return ks_refuse(reason, KS_E_STATE, "no generation is open");
	return ks_op_check_and_apply(d, op, len, reason);
}

int ks_desired_commit(struct ks_desired *d, uint64_t generation, char *reason)
{
	int status;

	if (!d->open)
		return ks_refuse(reason, KS_E_STATE, "no generation is open");
	if (generation <= d->generation)
		return ks_refuse(reason, KS_E_INVALID,
				 "generation %llu is not above the current one, %llu",
				 (unsigned long long)generation, (unsigned long long)d->generation);
	status = check_whole(d, reason);
	if (status != KS_OK)
		return status;
	d->generation = generation;
	d->open = false;
	return KS_OK;
}

void ks_desired_rollback(struct ks_desired *d)
{
	if (!d->undoable)
		return;
	ks_journal_undo(d);
	memcpy(d->param, d->saved_param, sizeof(d->param));
	d->generation = d->saved_generation;
	d->open = false;
}

void ks_desired_abort(struct ks_desired *d)
{
	if (d->open)
		ks_desired_rollback(d);
}
