/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next-hop table. Readers follow a bucket's chain while the writer may unlink an entry: they
 * then see either the entry, or a miss, or at worst another chain. All are harmless: the key is
 * compared, the walk is bounded, and a miss goes to the main lcore, which knows better. Freed
 * indices are given out again last of all, the longest free first.
 */
#include "ks_neigh.h"

#include <string.h>

#define BUCKETS  65536u
#define WALK_MAX 64u

struct entry {
	_Atomic uint64_t key[2]; /* the address; all three are written before the entry is linked */
	_Atomic uint16_t whose; /* port << 8 | address family */
	_Atomic uint16_t next;
};

struct impl {
	_Atomic uint16_t bucket[BUCKETS];
	struct entry entry[KS_NEIGH_MAX];
	uint16_t freed[KS_NEIGH_MAX]; /* ring of indices that were in use once */
	uint32_t freed_head, n_freed;
	uint32_t high; /* indices from here were never given out */
};

static _Atomic uint16_t *bucket_of(struct impl *t, uint16_t whose, const uint64_t key[2])
{
	uint64_t h = (key[0] ^ whose) * 0x9e3779b97f4a7c15ull;

	h = ((h ^ h >> 32) + key[1]) * 0x9e3779b97f4a7c15ull;
	return &t->bucket[h >> 48];
}

static uint16_t whose_of(uint8_t port, uint8_t af)
{
	return (uint16_t)(port << 8 | af);
}

static uint64_t load(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

bool ks_neigh_table_init(struct ks_neigh_table *t, const struct ks_mem *mem)
{
	struct impl *impl = mem->alloc(mem->ctx, sizeof(*impl), 64);

	t->hot = mem->alloc(mem->ctx, KS_NEIGH_MAX * sizeof(t->hot[0]), 64);
	t->impl = impl;
	if (t->hot == NULL || impl == NULL) {
		ks_neigh_table_free(t, mem);
		return false;
	}
	for (uint32_t i = 0; i < BUCKETS; i++)
		atomic_init(&impl->bucket[i], KS_NH_NONE);
	return true;
}

void ks_neigh_table_free(struct ks_neigh_table *t, const struct ks_mem *mem)
{
	if (t->hot != NULL)
		mem->free(mem->ctx, t->hot);
	if (t->impl != NULL)
		mem->free(mem->ctx, t->impl);
	t->hot = NULL;
	t->impl = NULL;
}

uint16_t ks_neigh_find(const struct ks_neigh_table *t, uint8_t port, uint8_t af,
		       const union ks_addr *addr)
{
	struct impl *impl = t->impl;
	uint16_t whose = whose_of(port, af);
	uint16_t i = atomic_load_explicit(bucket_of(impl, whose, addr->q), memory_order_acquire);

	for (unsigned steps = 0; i != KS_NH_NONE && steps < WALK_MAX; steps++) {
		const struct entry *e = &impl->entry[i];

		if (load(&e->key[0]) == addr->q[0] && load(&e->key[1]) == addr->q[1] &&
		    atomic_load_explicit(&e->whose, memory_order_relaxed) == whose)
			return i;
		i = atomic_load_explicit(&e->next, memory_order_acquire);
	}
	return KS_NH_NONE;
}

/* ---- main lcore ------------------------------------------------------------------------------------------------ */

static uint16_t take_index(struct ks_neigh_table *t)
{
	struct impl *impl = t->impl;
	uint16_t i;

	if (impl->high < KS_NEIGH_MAX)
		return (uint16_t)impl->high++;
	if (impl->n_freed == 0)
		return KS_NH_NONE;
	i = impl->freed[impl->freed_head];
	impl->freed_head = (impl->freed_head + 1) % KS_NEIGH_MAX;
	impl->n_freed--;
	t->outdated = true;
	return i;
}

uint16_t ks_neigh_add(struct ks_neigh_table *t, uint8_t port, uint8_t af, const union ks_addr *addr)
{
	struct impl *impl = t->impl;
	uint16_t whose = whose_of(port, af);
	_Atomic uint16_t *bucket = bucket_of(impl, whose, addr->q);
	uint16_t i = ks_neigh_find(t, port, af, addr);
	struct entry *e;

	if (i != KS_NH_NONE)
		return i;
	i = take_index(t);
	if (i == KS_NH_NONE)
		return i;
	e = &impl->entry[i];
	atomic_store_explicit(&t->hot[i].word, (uint64_t)(port & 0x3f) << 48, memory_order_relaxed);
	atomic_store_explicit(&t->hot[i].used_at, 0, memory_order_relaxed);
	atomic_store_explicit(&e->key[0], addr->q[0], memory_order_relaxed);
	atomic_store_explicit(&e->key[1], addr->q[1], memory_order_relaxed);
	atomic_store_explicit(&e->whose, whose, memory_order_relaxed);
	atomic_store_explicit(&e->next, atomic_load_explicit(bucket, memory_order_relaxed),
			      memory_order_relaxed);
	atomic_store_explicit(bucket, i, memory_order_release);
	return i;
}

void ks_neigh_del(struct ks_neigh_table *t, uint16_t index)
{
	struct impl *impl = t->impl;
	struct entry *e = &impl->entry[index];
	uint64_t key[2] = { load(&e->key[0]), load(&e->key[1]) };
	_Atomic uint16_t *p =
		bucket_of(impl, atomic_load_explicit(&e->whose, memory_order_relaxed), key);
	uint16_t i;

	while ((i = atomic_load_explicit(p, memory_order_relaxed)) != index) {
		if (i == KS_NH_NONE)
			return; /* not in the table */
		p = &impl->entry[i].next;
	}
	atomic_store_explicit(&t->hot[index].word, 0, memory_order_release);
	atomic_store_explicit(p, atomic_load_explicit(&e->next, memory_order_relaxed),
			      memory_order_release);
	impl->freed[(impl->freed_head + impl->n_freed++) % KS_NEIGH_MAX] = index;
}

uint8_t ks_neigh_port(const struct ks_neigh_table *t, uint16_t index)
{
	const struct impl *impl = t->impl;

	return (uint8_t)(atomic_load_explicit(&impl->entry[index].whose, memory_order_relaxed) >>
			 8);
}

void ks_neigh_set_mac(struct ks_neigh_table *t, uint16_t index, const uint8_t mac[6])
{
	uint64_t word = KS_NH_USABLE | (uint64_t)(ks_neigh_port(t, index) & 0x3f) << 48;

	for (unsigned i = 0; i < 6; i++)
		word |= (uint64_t)mac[i] << (8 * i);
	atomic_store_explicit(&t->hot[index].word, word, memory_order_release);
}

void ks_neigh_set_failed(struct ks_neigh_table *t, uint16_t index)
{
	uint64_t port = (uint64_t)(ks_neigh_port(t, index) & 0x3f) << 48;

	atomic_store_explicit(&t->hot[index].word, port | KS_NH_FAILED, memory_order_release);
}
