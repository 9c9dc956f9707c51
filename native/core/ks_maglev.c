/* SPDX-License-Identifier: Apache-2.0 */
#include "ks_maglev.h"

#include <string.h>

#include "ks_desired.h"

#define NO_ROW UINT16_MAX

bool ks_maglev_size_ok(uint32_t size)
{
	if (size < KS_MAGLEV_MIN || size > KS_MAGLEV_MAX || size % 2 == 0)
		return false;
	for (uint32_t d = 3; d * d <= size; d += 2)
		if (size % d == 0)
			return false;
	return true;
}

static uint64_t mix_server(uint64_t h, const struct ks_rs *rs)
{
	h = ks_mix(h ^ rs->addr.q[0]);
	h = ks_mix(h ^ rs->addr.q[1]);
	return ks_mix(h ^ ((uint64_t)rs->af << 16 | rs->port));
}

static uint64_t digest_of(const struct ks_svc *svc, uint32_t size)
{
	uint64_t h = size;

	for (uint32_t i = 0; i < svc->n_rs; i++)
		h = ks_mix(mix_server(h, &svc->rs[i]) + svc->rs[i].weight);
	return h;
}

/* Where a real server's permutation stands. */
struct turn {
	uint32_t offset, skip;
};

static void fill(struct ks_maglev *m, const struct ks_svc *svc, struct turn *turn)
{
	uint32_t filled = 0;

	for (uint32_t i = 0; i < svc->n_rs; i++) {
		turn[i].offset = (uint32_t)(mix_server(0x6d61676c6576, &svc->rs[i]) % m->size);
		turn[i].skip = (uint32_t)(mix_server(0x736b6970, &svc->rs[i]) % (m->size - 1)) + 1;
	}
	memset(m->row, 0xff, m->size * sizeof(m->row[0]));
	while (filled < m->size) {
		for (uint32_t i = 0; i < svc->n_rs; i++) {
			uint32_t rows = svc->rs[i].weight / svc->weight_gcd;

			for (uint32_t k = 0; k < rows && filled < m->size; k++) {
				while (m->row[turn[i].offset] != NO_ROW)
					turn[i].offset = (turn[i].offset + turn[i].skip) % m->size;
				m->row[turn[i].offset] = (uint16_t)i;
				filled++;
			}
		}
	}
}

struct ks_maglev *ks_maglev_get(const struct ks_mem *mem, const struct ks_svc *svc, uint32_t size,
				struct ks_maglev *old)
{
	uint64_t digest = digest_of(svc, size);
	struct ks_maglev *m;
	struct turn *turn;

	if (old != NULL && old->digest == digest) {
		old->refs++;
		return old;
	}
	if (svc->weight_gcd == 0 || svc->n_rs >= NO_ROW)
		return NULL;
	m = mem->alloc(mem->ctx, sizeof(*m) + size * sizeof(m->row[0]), 64);
	turn = ks_new(mem, svc->n_rs, sizeof(*turn));
	if (m != NULL && turn != NULL) {
		*m = (struct ks_maglev){ .refs = 1, .size = size, .digest = digest };
		fill(m, svc, turn);
	} else {
		ks_del(mem, m);
		m = NULL;
	}
	ks_del(mem, turn);
	return m;
}

void ks_maglev_unref(const struct ks_mem *mem, struct ks_maglev *m)
{
	if (m != NULL && --m->refs == 0)
		ks_del(mem, m);
}
