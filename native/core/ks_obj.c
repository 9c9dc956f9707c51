/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of the desired state: one hash table, sibling lists, the journal that can take changes
 * back, slot numbers. */
#include <string.h>

#include "ks_desired.h"
#include "ks_maglev.h"

#define CHUNK_OBJS 256u

struct ks_chunk {
	struct ks_chunk *next;
	struct ks_obj obj[CHUNK_OBJS];
};

static uint32_t key_hash(const struct ks_obj_key *key)
{
	uint64_t w[sizeof(*key) / 8], h = 0;

	memcpy(w, key, sizeof(w));
	for (unsigned i = 0; i < sizeof(w) / sizeof(w[0]); i++)
		h = ks_mix(h + w[i] + 0x9e3779b97f4a7c15ull);
	return (uint32_t)h;
}

bool ks_obj_init(struct ks_desired *d)
{
	d->n_buckets = 1024;
	d->bucket = ks_new(&d->mem, d->n_buckets, sizeof(d->bucket[0]));
	return d->bucket != NULL;
}

void ks_obj_fini(struct ks_desired *d)
{
	for (struct ks_obj *s = d->list[KS_OBJ_SVC]; s != NULL; s = s->next)
		ks_maglev_unref(&d->mem, s->maglev);
	while (d->chunks != NULL) {
		struct ks_chunk *next = d->chunks->next;

		ks_del(&d->mem, d->chunks);
		d->chunks = next;
	}
	ks_del(&d->mem, d->bucket);
	ks_del(&d->mem, d->journal);
	ks_del(&d->mem, d->rs_slots.stack);
	ks_del(&d->mem, d->svc_slots.stack);
	ks_del(&d->mem, d->lease_slots.stack);
}

bool ks_slots_init(struct ks_desired *d, struct ks_slots *s, uint32_t max)
{
	s->max = s->n_free = max;
	s->stack = ks_new(&d->mem, max > 0 ? max : 1, sizeof(s->stack[0]));
	if (s->stack == NULL)
		return false;
	for (uint32_t i = 0; i < max; i++)
		s->stack[i] = max - 1 - i;
	return true;
}

uint32_t ks_slots_take(struct ks_slots *s)
{
	uint32_t slot;

	if (s->n_free == 0)
		return KS_SLOT_NONE;
	slot = s->stack[--s->n_free];
	if (slot >= s->high)
		s->high = slot + 1;
	return slot;
}

void ks_slots_give(struct ks_slots *s, uint32_t slot)
{
	s->stack[s->n_free++] = slot;
}

/* ---- table and lists ------------------------------------------------------------------------------------------- */

struct ks_obj *ks_obj_find(struct ks_desired *d, const struct ks_obj_key *key)
{
	uint32_t h = key_hash(key);
	struct ks_obj *o = d->bucket[h & (d->n_buckets - 1)];

	while (o != NULL && (o->hash != h || memcmp(&o->key, key, sizeof(*key)) != 0))
		o = o->chain;
	return o;
}

/* Twice as many buckets; without memory the chains just become longer. */
static void grow(struct ks_desired *d)
{
	uint32_t n = d->n_buckets * 2;
	struct ks_obj **b = ks_new(&d->mem, n, sizeof(b[0]));

	if (b == NULL)
		return;
	for (uint32_t i = 0; i < d->n_buckets; i++) {
		for (struct ks_obj *o = d->bucket[i], *next; o != NULL; o = next) {
			next = o->chain;
			o->chain = b[o->hash & (n - 1)];
			b[o->hash & (n - 1)] = o;
		}
	}
	ks_del(&d->mem, d->bucket);
	d->bucket = b;
	d->n_buckets = n;
}

static struct ks_obj *take_obj(struct ks_desired *d)
{
	struct ks_obj *o;

	if (d->free_objs == NULL) {
		struct ks_chunk *c = ks_new(&d->mem, 1, sizeof(*c));

		if (c == NULL)
			return NULL;
		c->next = d->chunks;
		d->chunks = c;
		for (unsigned i = 0; i < CHUNK_OBJS; i++) {
			c->obj[i].chain = d->free_objs;
			d->free_objs = &c->obj[i];
		}
	}
	o = d->free_objs;
	d->free_objs = o->chain;
	memset(o, 0, sizeof(*o));
	return o;
}

static struct ks_obj **head_of(struct ks_desired *d, uint8_t kind, struct ks_obj *owner)
{
	switch (kind) {
	case KS_OBJ_RS:
		return &owner->rs;
	case KS_OBJ_LIP:
		return &owner->lip;
	case KS_OBJ_MATCH:
		return &owner->match;
	default:
		return &d->list[kind];
	}
}

static struct ks_obj *create(struct ks_desired *d, const struct ks_obj_key *key,
			     struct ks_obj *owner)
{
	struct ks_obj *o = take_obj(d);

	if (o == NULL)
		return NULL;
	if (d->n_objs >= d->n_buckets)
		grow(d);
	o->key = *key;
	o->hash = key_hash(key);
	o->id = ++d->next_id;
	o->slot = KS_SLOT_NONE;
	o->owner = owner;
	o->chain = d->bucket[o->hash & (d->n_buckets - 1)];
	d->bucket[o->hash & (d->n_buckets - 1)] = o;
	o->head = head_of(d, key->kind, owner);
	o->next = *o->head;
	if (o->next != NULL)
		o->next->prev = o;
	*o->head = o;
	d->n_objs++;
	return o;
}

struct ks_obj *ks_obj_permanent(struct ks_desired *d, const struct ks_obj_key *key)
{
	struct ks_obj *o = ks_obj_find(d, key);

	return o != NULL ? o : create(d, key, NULL);
}

static struct ks_slots *slots_of(struct ks_desired *d, uint8_t kind)
{
	switch (kind) {
	case KS_OBJ_ADDR:
		return &d->lease_slots;
	case KS_OBJ_SVC:
		return &d->svc_slots;
	default:
		return &d->rs_slots;
	}
}

/* Forget it altogether; its slot, if any, is free at once. */
void ks_obj_free(struct ks_desired *d, struct ks_obj *o)
{
	struct ks_obj **p = &d->bucket[o->hash & (d->n_buckets - 1)];

	while (*p != o)
		p = &(*p)->chain;
	*p = o->chain;
	if (o->prev != NULL)
		o->prev->next = o->next;
	else
		*o->head = o->next;
	if (o->next != NULL)
		o->next->prev = o->prev;
	if (o->slot != KS_SLOT_NONE)
		ks_slots_give(slots_of(d, o->key.kind), o->slot);
	if (o->body.live)
		d->n_live[o->key.kind]--;
	ks_maglev_unref(&d->mem, o->maglev);
	o->chain = d->free_objs;
	d->free_objs = o;
	d->n_objs--;
}

/* ---- journal --------------------------------------------------------------------------------------------------- */

static void mark_dirty(struct ks_desired *d, const struct ks_obj *o)
{
	switch (o->key.kind) {
	case KS_OBJ_ADDR:
	case KS_OBJ_ROUTE:
		d->fib_dirty = true;
		d->l3_dirty = true;
		break;
	case KS_OBJ_NEIGH:
	case KS_OBJ_LIP:
		d->l3_dirty = true;
		break;
	default:
		break;
	}
}

static void put_body(struct ks_desired *d, struct ks_obj *o, const struct ks_obj_body *body)
{
	d->n_live[o->key.kind] -= o->body.live;
	d->n_live[o->key.kind] += body->live;
	o->body = *body;
	mark_dirty(d, o);
}

static bool note(struct ks_desired *d, struct ks_obj *o, bool created)
{
	if (d->n_journal == d->cap_journal) {
		size_t cap = d->cap_journal > 0 ? d->cap_journal * 2 : 256;
		struct ks_journal_entry *j = ks_new(&d->mem, cap, sizeof(j[0]));

		if (j == NULL)
			return false;
		if (d->n_journal > 0)
			memcpy(j, d->journal, d->n_journal * sizeof(j[0]));
		ks_del(&d->mem, d->journal);
		d->journal = j;
		d->cap_journal = cap;
	}
	d->journal[d->n_journal++] =
		(struct ks_journal_entry){ .obj = o, .created = created, .saved = o->body };
	return true;
}

struct ks_obj *ks_obj_set(struct ks_desired *d, const struct ks_obj_key *key, struct ks_obj *owner,
			  const struct ks_obj_body *body)
{
	struct ks_obj *o = ks_obj_find(d, key);
	bool created = o == NULL;

	if (created)
		o = create(d, key, owner);
	if (o == NULL)
		return NULL;
	if (!note(d, o, created)) {
		if (created)
			ks_obj_free(d, o);
		return NULL;
	}
	put_body(d, o, body);
	return o;
}

static bool bury(struct ks_desired *d, struct ks_obj *o)
{
	struct ks_obj_body body = o->body;

	if (!body.live)
		return true;
	if (!note(d, o, false))
		return false;
	body.live = false;
	put_body(d, o, &body);
	return true;
}

bool ks_obj_delete(struct ks_desired *d, struct ks_obj *o)
{
	for (struct ks_obj *r = o->rs; r != NULL; r = r->next)
		if (!bury(d, r))
			return false;
	for (struct ks_obj *l = o->lip; l != NULL; l = l->next)
		if (!bury(d, l))
			return false;
	for (struct ks_obj *m = o->match; m != NULL; m = m->next)
		if (!bury(d, m))
			return false;
	return bury(d, o);
}

void ks_journal_undo(struct ks_desired *d)
{
	while (d->n_journal > 0) {
		struct ks_journal_entry *e = &d->journal[--d->n_journal];

		put_body(d, e->obj, &e->saved);
		if (e->created)
			ks_obj_free(d, e->obj);
	}
	d->undoable = false;
}

/* What has a slot and is no more waits for the build, which knows about slots. */
static bool waits_for_build(const struct ks_obj *o)
{
	return o->key.kind == KS_OBJ_SVC || o->key.kind == KS_OBJ_RS ||
		(o->key.kind == KS_OBJ_ADDR && o->slot != KS_SLOT_NONE);
}

void ks_journal_settle(struct ks_desired *d)
{
	struct ks_obj *doomed = NULL;

	for (size_t i = 0; i < d->n_journal; i++) {
		struct ks_obj *o = d->journal[i].obj;

		if (o->body.live || o->doomed || waits_for_build(o))
			continue;
		o->doomed = true;
		o->doom_next = doomed;
		doomed = o;
	}
	while (doomed != NULL) {
		struct ks_obj *next = doomed->doom_next;

		ks_obj_free(d, doomed);
		doomed = next;
	}
	d->n_journal = 0;
	d->undoable = false;
}
