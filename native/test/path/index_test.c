/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a full table whose sessions come and go: there is always room for one more that
 * takes another's place, and everything is found. */
#include "fixture.h"
#include "ks_worker_int.h"

static uint32_t random32(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(*seed >> 32);
}

static uint32_t hash_of(const struct ks_table *t, const struct ks_session *s, unsigned dir)
{
	return ks_tuple_hash(t, &s->key[dir], s->proto);
}

static bool put(struct ks_table *t, struct ks_session *s, uint64_t *seed)
{
	s->proto = KS_PROTO_TCP;
	for (unsigned d = 0; d < 2; d++)
		s->key[d] = (struct ks_tuple){ random32(seed), random32(seed),
					       (uint16_t)random32(seed), (uint16_t)random32(seed) };
	return ks_table_insert(t, s, hash_of(t, s, KS_IN), hash_of(t, s, KS_OUT));
}

static bool found(const struct ks_table *t, const struct ks_session *s)
{
	for (unsigned d = 0; d < 2; d++) {
		unsigned dir = 2;

		if (ks_table_find(t, &s->key[d], s->proto, hash_of(t, s, d), &dir) != s || dir != d)
			return false;
	}
	return true;
}

/* Buckets of all chains behind the first; only the last of a chain may have room, and some entry.
 */
static uint32_t chained(const struct ks_table *t, uint32_t *entries)
{
	uint32_t n = 0;

	*entries = 0;
	for (uint32_t i = 0; i < t->low + t->split; i++) {
		const struct ks_bucket *b = &t->bucket[i];

		for (;;) {
			unsigned used = 0;

			for (unsigned k = 0; k < 7; k++)
				used += b->tag[k] != 0;
			*entries += used;
			CHECK(b->next == 0 || used == 7);
			CHECK(b == &t->bucket[i] || used > 0);
			if (b->next == 0)
				break;
			b = &t->bucket[b->next - 1];
			n++;
		}
	}
	return n;
}

/* The worst size: a third of the buckets are split, so that the others hold most. */
static void a_full_index_has_room_for_ever_new_sessions(void)
{
	enum { MAX = 23900, ROUNDS = 30 };
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	struct ks_table t;
	uint64_t seed = 3;
	uint32_t entries, first;

	CHECK(ks_table_init(&t, &mem, MAX, 64, 1));
	for (unsigned i = 0; i < MAX; i++) {
		struct ks_session *s = ks_table_alloc(&t, false);

		CHECK(s != NULL && put(&t, s, &seed));
	}
	CHECK_EQ(t.split > 0, true);
	first = chained(&t, &entries);
	CHECK_EQ(entries, 2 * MAX);
	for (unsigned i = 0; i < ROUNDS * MAX; i++) {
		struct ks_session *s = &t.session[i % MAX]; /* the oldest */

		ks_table_remove(&t, s);
		CHECK(put(&t, s, &seed));
	}
	for (unsigned i = 0; i < MAX; i++)
		CHECK(found(&t, &t.session[i]));
	CHECK(chained(&t, &entries) < first + first / 4);
	CHECK_EQ(entries, 2 * MAX);
	for (unsigned i = 0; i < MAX; i++) {
		ks_table_remove(&t, &t.session[i]);
		ks_table_release(&t, &t.session[i]);
	}
	CHECK_EQ(chained(&t, &entries), 0);
	CHECK_EQ(entries, 0);
	CHECK_EQ(t.used, 0);
	ks_table_fini(&t);
	CHECK_EQ(tm.live, 0);
}

int main(void)
{
	RUN(a_full_index_has_room_for_ever_new_sessions);
	return 0;
}
