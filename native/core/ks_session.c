/* SPDX-License-Identifier: Apache-2.0 */
/* The session table: allocation, insertion, removal, and growth one bucket at a time. See
 * ks_session.h. */
#include "ks_session.h"

#define BUCKET_SLOTS 7u
/* Split when there are more entries than this for each bucket: few chains, and about 30 bytes of
 * index a session. */
#define FILL_NUM 17u
#define FILL_DEN 4u

static uint32_t pow2_at_least(uint64_t n)
{
	uint32_t p = 64;

	while (p < n && p < (1u << 30))
		p <<= 1;
	return p;
}

bool ks_table_init(struct ks_table *t, const struct ks_mem *mem, uint32_t max, uint32_t expected,
		   uint64_t seed)
{
	uint64_t entries = 2ull * max;

	memset(t, 0, sizeof(*t));
	if (max == 0 || max >= 1u << 30)
		return false;
	t->mem = mem;
	t->max = max;
	t->min_buckets = t->low = pow2_at_least(2ull * expected * FILL_DEN / FILL_NUM);
	t->max_buckets = (uint32_t)(entries * FILL_DEN / FILL_NUM) + 1;
	if (t->max_buckets < t->low)
		t->max_buckets = t->low;
	t->n_overflow = t->max_buckets / 4 + 64;
	t->free_head = t->free_wide = KS_NONE;
	t->fresh_wide = max;
	/* odd and far apart, so that no seed makes a weak multiplier */
	t->k0 = (seed ^ 0x9e3779b97f4a7c15ull) * 0xd6e8feb86659fd93ull;
	t->k1 = ((seed << 32 | seed >> 32) ^ 0xc2b2ae3d27d4eb4full) * 0xa0761d6478bd642full;
	t->session = mem->alloc(mem->ctx, (size_t)max * sizeof(*t->session), 64);
	t->bucket = mem->alloc(mem->ctx,
			       ((size_t)t->max_buckets + t->n_overflow) * sizeof(*t->bucket), 64);
	if (t->session != NULL && t->bucket != NULL)
		return true;
	ks_table_fini(t);
	return false;
}

void ks_table_fini(struct ks_table *t)
{
	if (t->session != NULL)
		t->mem->free(t->mem->ctx, t->session);
	if (t->bucket != NULL)
		t->mem->free(t->mem->ctx, t->bucket);
	t->session = NULL;
	t->bucket = NULL;
}

static void unlink_free(struct ks_table *t, uint32_t *head, struct ks_session *s)
{
	if (s->timer_prev != KS_NONE)
		t->session[s->timer_prev].timer_next = s->timer_next;
	else
		*head = s->timer_next;
	if (s->timer_next != KS_NONE)
		t->session[s->timer_next].timer_prev = s->timer_prev;
}

/* Lines one kind has given back at the border become the other's, some at a time: else a table that
 * was full of one family would have no room for the other ever after. */
#define MOVED_AT_ONCE 64u

static void move_border(struct ks_table *t, bool for_wide)
{
	for (unsigned i = 0; i < MOVED_AT_ONCE; i++) {
		struct ks_session *s;

		if (for_wide ? t->fresh == 0 : t->fresh_wide >= t->max)
			return;
		s = &t->session[for_wide ? t->fresh - 1 : t->fresh_wide];
		if (s->flags & KS_SF_USED)
			return;
		unlink_free(t, for_wide ? &t->free_head : &t->free_wide, s);
		if (for_wide)
			t->fresh--;
		else
			t->fresh_wide += 2;
	}
}

struct ks_session *ks_table_alloc(struct ks_table *t, bool wide)
{
	uint32_t *free = wide ? &t->free_wide : &t->free_head;
	struct ks_session *s;

	if (*free == KS_NONE && t->fresh_wide - t->fresh < (wide ? 2u : 1u))
		move_border(t, wide);
	if (*free != KS_NONE) {
		s = &t->session[*free];
		unlink_free(t, free, s);
	} else if (t->fresh_wide - t->fresh < (wide ? 2u : 1u)) {
		return NULL;
	} else if (wide) {
		t->fresh_wide -= 2;
		s = &t->session[t->fresh_wide];
	} else {
		s = &t->session[t->fresh++];
	}
	t->used++;
	s->flags = wide ? KS_SF_USED | KS_SF_WIDE : KS_SF_USED;
	return s;
}

void ks_table_release(struct ks_table *t, struct ks_session *s)
{
	uint32_t *free = s->flags & KS_SF_WIDE ? &t->free_wide : &t->free_head;

	s->flags = 0;
	s->timer_next = *free;
	s->timer_prev = KS_NONE;
	if (*free != KS_NONE)
		t->session[*free].timer_prev = ks_table_index(t, s);
	*free = ks_table_index(t, s);
	t->used--;
}

/* An overflow bucket, as index + 1 into bucket[]; 0 = none left. */
static uint32_t overflow_take(struct ks_table *t)
{
	uint32_t at;

	if (t->free_overflow != 0) {
		at = t->free_overflow;
		t->free_overflow = t->bucket[at - 1].next;
	} else if (t->fresh_overflow < t->n_overflow) {
		at = t->max_buckets + t->fresh_overflow++ + 1;
	} else {
		return 0;
	}
	memset(&t->bucket[at - 1], 0, sizeof(struct ks_bucket));
	return at;
}

static void overflow_give(struct ks_table *t, uint32_t at)
{
	t->bucket[at - 1].next = t->free_overflow;
	t->free_overflow = at;
}

static bool entry_add(struct ks_table *t, struct ks_bucket *b, uint32_t hash, uint32_t ref)
{
	for (;;) {
		for (unsigned i = 0; i < BUCKET_SLOTS; i++) {
			if (b->tag[i] == 0) {
				b->ref[i] = ref;
				b->tag[i] = hash;
				return true;
			}
		}
		if (b->next == 0) {
			b->next = overflow_take(t);
			if (b->next == 0)
				return false;
		}
		b = &t->bucket[b->next - 1];
	}
}

/* The chain's last entry fills the hole, so that only its last bucket has room: else chains would
 * stay as long as they ever were, and a table that is full and in use would run out of buckets. */
static void entry_remove(struct ks_table *t, uint32_t hash, uint32_t ref)
{
	struct ks_bucket *prev = NULL, *hole = NULL;
	struct ks_bucket *b = ks_table_bucket(t, hash);
	unsigned at = 0, last = BUCKET_SLOTS;

	for (;;) {
		for (unsigned i = 0; hole == NULL && i < BUCKET_SLOTS; i++) {
			if (b->tag[i] == hash && b->ref[i] == ref) {
				hole = b;
				at = i;
			}
		}
		if (b->next == 0)
			break;
		prev = b;
		b = &t->bucket[b->next - 1];
	}
	if (hole == NULL)
		return;
	while (last > 0 && b->tag[last - 1] == 0)
		last--;
	if (last == 0) /* never: a bucket of a chain has an entry */
		return;
	hole->tag[at] = b->tag[last - 1];
	hole->ref[at] = b->ref[last - 1];
	b->tag[last - 1] = 0;
	if (last == 1 && prev != NULL) {
		uint32_t mine = prev->next;

		prev->next = 0;
		overflow_give(t, mine);
	}
}

/* Split one bucket: what has the next bit of its hash set moves. The tags are whole hashes, so no
 * session is touched. */
static void split_one(struct ks_table *t)
{
	uint32_t bit = t->low;
	struct ks_bucket *from = &t->bucket[t->split];
	struct ks_bucket *to = &t->bucket[t->split + t->low];
	struct ks_bucket old[1 + 8];
	uint32_t chain[8];
	unsigned n = 0;

	old[0] = *from;
	for (uint32_t next = from->next; next != 0; next = t->bucket[next - 1].next) {
		if (n == 8)
			return; /* a chain so long is an attack or a very full index: leave it */
		chain[n] = next;
		old[++n] = t->bucket[next - 1];
	}
	for (unsigned i = 0; i < n; i++)
		overflow_give(t, chain[i]);
	memset(from, 0, sizeof(*from));
	memset(to, 0, sizeof(*to));
	t->split++;
	if (t->split == t->low) {
		t->low *= 2;
		t->split = 0;
	}
	for (unsigned k = 0; k <= n; k++)
		for (unsigned i = 0; i < BUCKET_SLOTS; i++)
			if (old[k].tag[i] !=
			    0) /* cannot fail: the chain given back is there again */
				(void)entry_add(t, old[k].tag[i] & bit ? to : from, old[k].tag[i],
						old[k].ref[i]);
}

bool ks_table_insert(struct ks_table *t, struct ks_session *s, uint32_t hash_in, uint32_t hash_out)
{
	uint32_t ref = ks_table_index(t, s) << 1;
	bool in = !(s->flags & KS_SF_ONE_PACKET), out = !(s->flags & KS_SF_ONE_WAY);

	if (in && !entry_add(t, ks_table_bucket(t, hash_in), hash_in, ref | KS_IN))
		return false;
	if (out && !entry_add(t, ks_table_bucket(t, hash_out), hash_out, ref | KS_OUT)) {
		if (in)
			entry_remove(t, hash_in, ref | KS_IN);
		return false;
	}
	t->entries += (uint32_t)in + (uint32_t)out;
	if ((uint64_t)t->entries * FILL_DEN > (uint64_t)(t->low + t->split) * FILL_NUM &&
	    t->low + t->split < t->max_buckets)
		split_one(t);
	return true;
}

static uint32_t hash_of(const struct ks_table *t, const struct ks_session *s, unsigned dir)
{
	struct ks_key k = ks_session_key(s, dir);

	return ks_key_hash(t, &k, s->proto);
}

struct ks_session *ks_table_find6(const struct ks_table *t, const struct ks_key *k, uint8_t proto,
				  uint32_t hash, unsigned *dir)
{
	const struct ks_bucket *b = ks_table_bucket(t, hash);

	for (;;) {
		for (unsigned bits = ks_bucket_match(b, hash); bits != 0; bits &= bits - 1) {
			unsigned i = (unsigned)__builtin_ctz(bits), d = b->ref[i] & 1;
			struct ks_session *s = &t->session[b->ref[i] >> 1];

			if (s->proto == proto && ks_session_af(s, d) == 6 &&
			    s->key[d].sport == k->t.sport && s->key[d].dport == k->t.dport &&
			    memcmp(ks_wide(s)->addr[d], k->a, sizeof(k->a)) == 0) {
				*dir = d;
				return s;
			}
		}
		if (b->next == 0)
			return NULL;
		b = &t->bucket[b->next - 1];
	}
}

void ks_table_remove(struct ks_table *t, struct ks_session *s)
{
	uint32_t ref = ks_table_index(t, s) << 1;

	t->removals++;
	if (!(s->flags & KS_SF_ONE_PACKET)) {
		entry_remove(t, hash_of(t, s, KS_IN), ref | KS_IN);
		t->entries--;
	}
	if (!(s->flags & KS_SF_ONE_WAY)) {
		entry_remove(t, hash_of(t, s, KS_OUT), ref | KS_OUT);
		t->entries--;
	}
}

uint64_t ks_table_bytes(const struct ks_table *t)
{
	return ((uint64_t)t->fresh + t->max - t->fresh_wide) * sizeof(struct ks_session) +
		((uint64_t)t->low + t->split + t->fresh_overflow) * sizeof(struct ks_bucket);
}

/* ---- memory ahead --------------------------------------------------------------------------------------------------- */

static uint32_t now(const uint32_t *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

static struct ks_span span_of(const void *first, size_t size, uint64_t from, uint64_t n,
			      uint64_t end)
{
	uint64_t to = from + n < end ? from + n : end;
	uintptr_t base = (uintptr_t)first;

	return (struct ks_span){ .at = (uint8_t *)(base + from * size),
				 .len = to > from ? (size_t)(to - from) * size : 0 };
}

void ks_table_ahead(const struct ks_table *t, uint32_t sessions,
		    struct ks_span span[KS_AHEAD_KINDS])
{
	uint32_t fresh = now(&t->fresh), wide = now(&t->fresh_wide);
	uint32_t buckets = now(&t->low) + now(&t->split);
	uint32_t overflow = now(&t->fresh_overflow);
	/* who has no IPv6 need not pay for it; who has begun is worth it */
	uint32_t want = wide == t->max ? sessions / 4 : 2 * sessions;
	uint32_t lines = want < wide - fresh ? want : wide - fresh;
	/* two entries a session */
	uint64_t more = 2ull * sessions * FILL_DEN / FILL_NUM;

	span[KS_AHEAD_NARROW] = span_of(t->session, sizeof(*t->session), fresh, sessions, wide);
	span[KS_AHEAD_WIDE] = span_of(t->session, sizeof(*t->session), wide - lines, lines, wide);
	span[KS_AHEAD_INDEX] =
		span_of(t->bucket, sizeof(*t->bucket), buckets, more, t->max_buckets);
	span[KS_AHEAD_OVERFLOW] =
		span_of(t->bucket, sizeof(*t->bucket), (uint64_t)t->max_buckets + overflow,
			more / 16, (uint64_t)t->max_buckets + t->n_overflow);
}
