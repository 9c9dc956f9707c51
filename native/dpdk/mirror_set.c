/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing; a hole left by a deletion is closed by moving later entries
 * back, so no tombstones pile up. */
#include "mirror_set.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash(const struct ks_mirror_route *r)
{
	uint64_t h = r->dst.q[0] ^ (r->dst.q[1] * 31) ^
		((uint64_t)r->metric << 32 | (uint64_t)r->plen << 24 | r->af);

	h = (h ^ h >> 31) * 0x9e3779b97f4a7c15ull;
	return (uint32_t)(h >> 32);
}

static bool rivals(const struct ks_mirror_route *a, const struct ks_mirror_route *b)
{
	return memcmp(&a->dst, &b->dst, sizeof(a->dst)) == 0 && a->af == b->af &&
		a->plen == b->plen && a->metric == b->metric;
}

static bool same(const struct ks_mirror_route *a, const struct ks_mirror_route *b)
{
	return rivals(a, b) && memcmp(&a->gw, &b->gw, sizeof(a->gw)) == 0 && a->port == b->port;
}

static void put_index(struct ks_route_set *s, uint32_t number)
{
	uint32_t i = hash(&s->route[number]) & s->mask;

	while (s->index[i] != 0)
		i = (i + 1) & s->mask;
	s->index[i] = number + 1;
}

static bool grow(struct ks_route_set *s)
{
	uint32_t cap = s->cap > 0 ? s->cap * 2 : 64;
	struct ks_mirror_route *route = realloc(s->route, cap * sizeof(*route));
	uint32_t *index = calloc(2ull * cap, sizeof(*index));

	if (route != NULL)
		s->route = route;
	if (route == NULL || index == NULL) {
		free(index);
		return false;
	}
	free(s->index);
	s->index = index;
	s->cap = cap;
	s->mask = 2 * cap - 1;
	for (uint32_t i = 0; i < s->n; i++)
		put_index(s, i);
	return true;
}

/* Place in the index of the first route that match says is it; UINT32_MAX = none. */
static uint32_t find(const struct ks_route_set *s, const struct ks_mirror_route *r,
		     bool (*match)(const struct ks_mirror_route *a,
				   const struct ks_mirror_route *b))
{
	if (s->n == 0)
		return UINT32_MAX;
	for (uint32_t i = hash(r) & s->mask; s->index[i] != 0; i = (i + 1) & s->mask)
		if (match(&s->route[s->index[i] - 1], r))
			return i;
	return UINT32_MAX;
}

static void close_hole(struct ks_route_set *s, uint32_t hole)
{
	for (uint32_t i = (hole + 1) & s->mask; s->index[i] != 0; i = (i + 1) & s->mask) {
		uint32_t home = hash(&s->route[s->index[i] - 1]) & s->mask;

		if (((i - home) & s->mask) >= ((i - hole) & s->mask)) {
			s->index[hole] = s->index[i];
			hole = i;
		}
	}
	s->index[hole] = 0;
}

static void remove_at(struct ks_route_set *s, uint32_t place)
{
	uint32_t number = s->index[place] - 1, last = s->n - 1;
	uint32_t i;

	close_hole(s, place);
	s->n--;
	if (number == last)
		return;
	/* The last route moves into the gap of the array. */
	i = hash(&s->route[last]) & s->mask;
	while (s->index[i] != last + 1)
		i = (i + 1) & s->mask;
	s->index[i] = number + 1;
	s->route[number] = s->route[last];
}

bool ks_route_set_add(struct ks_route_set *s, const struct ks_mirror_route *r, bool *failed)
{
	uint32_t at = find(s, r, same);

	if (at != UINT32_MAX) {
		struct ks_mirror_route *have = &s->route[s->index[at] - 1];
		bool changed = memcmp(have, r, sizeof(*r)) != 0;

		*have = *r;
		return changed;
	}
	if (s->n == s->cap && !grow(s)) {
		*failed = true;
		return false;
	}
	s->route[s->n] = *r;
	put_index(s, s->n++);
	return true;
}

bool ks_route_set_del(struct ks_route_set *s, const struct ks_mirror_route *r)
{
	uint32_t at = find(s, r, same);

	if (at == UINT32_MAX)
		return false;
	remove_at(s, at);
	return true;
}

bool ks_route_set_replace(struct ks_route_set *s, const struct ks_mirror_route *r, bool *failed)
{
	uint32_t at;

	while ((at = find(s, r, rivals)) != UINT32_MAX)
		remove_at(s, at);
	ks_route_set_add(s, r, failed);
	return true;
}

void ks_route_set_clear(struct ks_route_set *s)
{
	s->n = 0;
	if (s->index != NULL)
		memset(s->index, 0, (s->mask + 1ull) * sizeof(*s->index));
}

void ks_route_set_free(struct ks_route_set *s)
{
	free(s->route);
	free(s->index);
	memset(s, 0, sizeof(*s));
}

/* ---- addresses ------------------------------------------------------------------------------------------------- */

static bool same_addr(const struct ks_mirror_addr *a, const struct ks_mirror_addr *b)
{
	return memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0 && a->af == b->af &&
		a->plen == b->plen && a->port == b->port;
}

static uint32_t find_addr(const struct ks_addr_set *s, const struct ks_mirror_addr *a)
{
	uint32_t i = 0;

	while (i < s->n && !same_addr(&s->addr[i], a))
		i++;
	return i;
}

bool ks_addr_set_add(struct ks_addr_set *s, const struct ks_mirror_addr *a, bool *failed)
{
	uint32_t i = find_addr(s, a);
	bool changed;

	if (i < s->n) {
		changed = s->addr[i].deprecated != a->deprecated;
		s->addr[i] = *a;
		return changed;
	}
	if (s->n == s->cap) {
		uint32_t cap = s->cap > 0 ? s->cap * 2 : 16;
		struct ks_mirror_addr *more = realloc(s->addr, cap * sizeof(*more));

		if (more == NULL) {
			*failed = true;
			return false;
		}
		s->addr = more;
		s->cap = cap;
	}
	s->addr[s->n++] = *a;
	return true;
}

bool ks_addr_set_del(struct ks_addr_set *s, const struct ks_mirror_addr *a)
{
	uint32_t i = find_addr(s, a);

	if (i == s->n)
		return false;
	s->n--;
	memmove(&s->addr[i], &s->addr[i + 1], (s->n - i) * sizeof(s->addr[0]));
	return true;
}

void ks_addr_set_free(struct ks_addr_set *s)
{
	free(s->addr);
	memset(s, 0, sizeof(*s));
}
