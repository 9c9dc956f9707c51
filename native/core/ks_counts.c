/* SPDX-License-Identifier: Apache-2.0 */
#include "ks_counts.h"

#include "ks_worker.h"

static uint32_t read_one(const uint64_t *row, enum ks_rs_counter counter)
{
	return (uint32_t)__atomic_load_n(&row[counter], __ATOMIC_RELAXED);
}

void ks_counts_look(const struct ks_counts *c, uint32_t slot)
{
	const uint64_t *own = c->own + (size_t)slot * KS_RSC_COUNT;
	struct ks_seen now = { .own_active = read_one(own, KS_RSC_ACTIVE),
			       .own_inactive = read_one(own, KS_RSC_INACTIVE) };

	for (uint32_t i = 0; i < c->n_workers; i++) {
		const uint64_t *row = c->first + i * c->stride + (size_t)slot * KS_RSC_COUNT;

		if (i == c->index)
			continue;
		now.active += read_one(row, KS_RSC_ACTIVE);
		now.inactive += read_one(row, KS_RSC_INACTIVE);
	}
	c->seen[slot] = now;
}

/* Own sessions, the others' when they were looked at, and what they will have opened and closed
 * since: as many as this worker, each. */
static uint64_t over_all(const struct ks_counts *c, uint32_t own, uint32_t own_then,
			 uint32_t others)
{
	int64_t since = (int64_t)(int32_t)(own - own_then) * (int64_t)(c->n_workers - 1);
	int64_t estimate = (int64_t)others + since;

	return own + (uint64_t)(estimate > 0 ? estimate : 0);
}

uint64_t ks_counts_active(const struct ks_counts *c, uint32_t slot)
{
	uint32_t own = read_one(c->own + (size_t)slot * KS_RSC_COUNT, KS_RSC_ACTIVE);

	if (c->first == NULL || slot >= c->n_slots)
		return own;
	return over_all(c, own, c->seen[slot].own_active, c->seen[slot].active);
}

uint64_t ks_counts_inactive(const struct ks_counts *c, uint32_t slot)
{
	uint32_t own = read_one(c->own + (size_t)slot * KS_RSC_COUNT, KS_RSC_INACTIVE);

	if (c->first == NULL || slot >= c->n_slots)
		return own;
	return over_all(c, own, c->seen[slot].own_inactive, c->seen[slot].inactive);
}

/* Read from all workers at once, not estimated: a limit is a promise. */
bool ks_counts_full(const struct ks_counts *c, const struct ks_rs *rs)
{
	size_t at = (size_t)rs->slot * KS_RSC_COUNT;
	const uint64_t *first = c->first != NULL ? c->first : c->own;
	uint32_t workers = c->first != NULL ? c->n_workers : 1, change = 0;
	uint64_t sessions = 0;
	bool was, is;

	if (rs->slot >= c->n_slots)
		return false;
	for (uint32_t i = 0; i < workers; i++) {
		const uint64_t *row = first + i * c->stride + at;
		uint32_t told = read_one(row, KS_RSC_OVERLOAD);

		sessions += (uint64_t)read_one(row, KS_RSC_ACTIVE) + read_one(row, KS_RSC_INACTIVE);
		change = told > change ? told : change;
	}
	was = change & 1;
	is = sessions >= (was ? rs->lower : rs->upper);
	if (is != was)
		__atomic_store_n(&c->own[at + KS_RSC_OVERLOAD], change + 1, __ATOMIC_RELAXED);
	return is;
}
