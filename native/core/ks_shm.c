/* SPDX-License-Identifier: Apache-2.0 */
/* The shared counters: one head, tables behind it, each on its own cache lines. */
#include "ks_shm.h"

#include <stdatomic.h>
#include <string.h>

#include "ks_drop.h"
#include "ks_worker.h"

static const char worker_names[KS_C_COUNT][KS_NAME_LEN] = {
#define X(sym, name) [KS_C_##sym] = name,
	KS_COUNTERS(X)
#undef X
#define X(sym, name, help) [KS_C_DROP_FIRST + KS_DROP_##sym] = "drop." name,
		KS_DROPS(X)
#undef X
};

static const char port_names[KS_PC_COUNT][KS_NAME_LEN] = {
#define X(sym, name) [KS_PC_##sym] = name,
	KS_PORT_COUNTERS(X)
#undef X
};

static const char rs_names[KS_RSC_COUNT][KS_NAME_LEN] = {
#define X(sym, name) [KS_RSC_##sym] = name,
	KS_RS_COUNTERS(X)
#undef X
};

static uint64_t lines(uint64_t bytes)
{
	return (bytes + 63) & ~63ull;
}

static uint32_t take(uint64_t *at, uint64_t bytes)
{
	uint64_t off = *at;

	*at = lines(off + bytes);
	return (uint32_t)off;
}

/* Fills the head; returns the whole size. */
static uint64_t lay_out(struct ks_shm *s, const struct ks_shm_opts *o)
{
	uint64_t at = lines(sizeof(*s));

	s->magic = KS_SHM_MAGIC;
	s->workers = o->workers;
	s->worker_counters = KS_C_COUNT;
	s->ports = o->ports;
	s->port_counters = KS_PC_COUNT;
	s->rs_slots = o->rs_slots;
	s->rs_counters = KS_RSC_COUNT;
	s->worker_stride = (uint32_t)lines(KS_C_COUNT * sizeof(uint64_t));
	s->port_stride = (uint32_t)lines(KS_PC_COUNT * sizeof(uint64_t));
	s->rs_worker_stride =
		(uint32_t)lines((uint64_t)o->rs_slots * KS_RSC_COUNT * sizeof(uint64_t));
	s->worker_names_off = take(&at, sizeof(worker_names));
	s->worker_off =
		take(&at,
		     (o->workers + 1ull) * s->worker_stride); /* the last row is the main lcore's */
	s->port_names_off = take(&at, sizeof(port_names));
	s->port_dev_off = take(&at, (uint64_t)o->ports * KS_NAME_LEN);
	s->port_off = take(&at, (uint64_t)o->ports * s->port_stride);
	s->rs_dir_off = take(&at, (uint64_t)o->rs_slots * sizeof(struct ks_shm_rs));
	s->rs_names_off = take(&at, sizeof(rs_names));
	s->rs_off = take(&at, (uint64_t)o->workers * s->rs_worker_stride);
	s->size = (uint32_t)at;
	return at;
}

size_t ks_shm_size(const struct ks_shm_opts *o)
{
	struct ks_shm s = { 0 };
	uint64_t row = lines((uint64_t)o->rs_slots * KS_RSC_COUNT * sizeof(uint64_t));
	uint64_t size = row <= UINT32_MAX ? lay_out(&s, o) : UINT64_MAX;

	return size <= UINT32_MAX ? (size_t)size : 0;
}

struct ks_shm *ks_shm_init(void *mem, const struct ks_shm_opts *o)
{
	struct ks_shm *s = mem;
	uint8_t *base = mem;

	lay_out(s, o);
	memcpy(base + s->worker_names_off, worker_names, sizeof(worker_names));
	memcpy(base + s->port_names_off, port_names, sizeof(port_names));
	memcpy(base + s->rs_names_off, rs_names, sizeof(rs_names));
	return s;
}

void ks_shm_dev(struct ks_shm *s, unsigned port, const char *dev)
{
	size_t n = strlen(dev);

	if (port < s->ports)
		memcpy((char *)s + s->port_dev_off + port * KS_NAME_LEN, dev,
		       n < KS_NAME_LEN ? n : KS_NAME_LEN - 1);
}

/* void * between: the offsets are multiples of 64. */
uint64_t *ks_shm_worker(struct ks_shm *s, unsigned worker)
{
	return (void *)((uint8_t *)s + s->worker_off + (size_t)worker * s->worker_stride);
}

uint64_t *ks_shm_port(struct ks_shm *s, unsigned port)
{
	return (void *)((uint8_t *)s + s->port_off + (size_t)port * s->port_stride);
}

uint64_t *ks_shm_rs(struct ks_shm *s, unsigned worker)
{
	return (void *)((uint8_t *)s + s->rs_off + (size_t)worker * s->rs_worker_stride);
}

/* ---- directory of real servers --------------------------------------------------------------------------------- */

static bool same_row(const struct ks_shm_rs *a, const struct ks_shm_rs *b)
{
	return a->used == b->used &&
		memcmp(&a->svc, &b->svc, sizeof(*a) - offsetof(struct ks_shm_rs, svc)) == 0;
}

/* Whether in use or not: a real server that comes back while its old sessions still run finds its
 * counters as they are. */
static bool same_server(const struct ks_shm_rs *a, const struct ks_shm_rs *b)
{
	return memcmp(&a->svc, &b->svc, sizeof(a->svc)) == 0 && a->af == b->af &&
		a->port == b->port && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

/* A reader that sees seq odd, or another seq after it has read the row, reads again. */
static void put_row(struct ks_shm_rs *row, const struct ks_shm_rs *to)
{
	uint32_t seq = row->seq;

	__atomic_store_n(&row->seq, seq + 1, __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_release);
	memcpy(&row->used, &to->used, sizeof(*row) - offsetof(struct ks_shm_rs, used));
	__atomic_store_n(&row->seq, seq + 2, __ATOMIC_RELEASE);
}

static void zero_counters(struct ks_shm *s, uint32_t slot)
{
	for (uint32_t w = 0; w < s->workers; w++)
		memset(ks_shm_rs(s, w) + (size_t)slot * KS_RSC_COUNT, 0,
		       KS_RSC_COUNT * sizeof(uint64_t));
}

static struct ks_shm_rs *directory(struct ks_shm *s)
{
	return (void *)((uint8_t *)s + s->rs_dir_off);
}

static void put_rs(struct ks_shm *s, const struct ks_svc *svc, const struct ks_rs *rs)
{
	struct ks_shm_rs *row = &directory(s)[rs->slot];
	struct ks_shm_rs to = { .used = 1,
				.svc = svc->key,
				.af = rs->af,
				.fwd = rs->fwd,
				.port = rs->port,
				.weight = rs->weight };

	memcpy(to.addr, rs->addr.b, sizeof(to.addr));
	if (same_row(row, &to))
		return;
	if (!same_server(row, &to))
		zero_counters(s, rs->slot);
	put_row(row, &to);
}

void ks_shm_publish(struct ks_shm *s, const struct ks_conf *c)
{
	uint32_t n_svc;
	const struct ks_svc *svc = ks_conf_services(c, &n_svc);
	struct ks_shm_rs *dir = directory(s);

	for (uint32_t i = 0; i < s->rs_slots; i++) {
		struct ks_shm_rs gone = dir[i];

		gone.used = 0;
		if (dir[i].used != 0 && (i >= c->n_rs_slots || c->rs_by_slot[i] == NULL))
			put_row(&dir[i], &gone);
	}
	for (uint32_t i = 0; i < n_svc; i++)
		for (uint32_t k = 0; k < svc[i].n_rs; k++)
			if (svc[i].rs[k].slot < s->rs_slots)
				put_rs(s, &svc[i], &svc[i].rs[k]);
	__atomic_store_n(&s->generation, c->generation, __ATOMIC_RELEASE);
}

void ks_shm_rs_in_use(struct ks_shm *s, uint8_t *in_use)
{
	memset(in_use, 0, s->rs_slots);
	for (uint32_t w = 0; w < s->workers; w++) {
		const uint64_t *row = ks_shm_rs(s, w);

		for (uint32_t i = 0; i < s->rs_slots; i++, row += KS_RSC_COUNT)
			in_use[i] |=
				(__atomic_load_n(&row[KS_RSC_ACTIVE], __ATOMIC_RELAXED) |
				 __atomic_load_n(&row[KS_RSC_INACTIVE], __ATOMIC_RELAXED)) != 0;
	}
}
