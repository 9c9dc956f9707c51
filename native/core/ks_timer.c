/* SPDX-License-Identifier: Apache-2.0 */
/* The wheel of ks_timer.h: one level of 4096 slots, about nine minutes; what is due later is looked
 * at once on the way. */
#include "ks_timer.h"

void ks_wheel_init(struct ks_wheel *w, ks_ms now)
{
	for (unsigned i = 0; i < KS_WHEEL_SLOTS; i++)
		w->head[i] = KS_NONE;
	w->turn = now >> KS_WHEEL_SHIFT;
}

void ks_wheel_add(struct ks_wheel *w, struct ks_table *t, struct ks_session *s, ks_ms now)
{
	int32_t left = ks_session_left(s, now);
	uint64_t at = ((now + (left > 0 ? (uint64_t)left : 0)) >> KS_WHEEL_SHIFT) + 1;
	uint32_t self = ks_table_index(t, s);
	uint32_t slot;

	if (at < w->turn)
		at = w->turn;
	if (at >= w->turn + KS_WHEEL_SLOTS)
		at = w->turn + KS_WHEEL_SLOTS - 1;
	slot = (uint32_t)at & KS_WHEEL_MASK;
	s->timer_prev = KS_TIMER_HEAD | slot;
	s->timer_next = w->head[slot];
	if (s->timer_next != KS_NONE)
		t->session[s->timer_next].timer_prev = self;
	w->head[slot] = self;
}

void ks_wheel_remove(struct ks_wheel *w, struct ks_table *t, struct ks_session *s)
{
	if (s->timer_prev & KS_TIMER_HEAD)
		w->head[s->timer_prev & KS_WHEEL_MASK] = s->timer_next;
	else
		t->session[s->timer_prev].timer_next = s->timer_next;
	if (s->timer_next != KS_NONE)
		t->session[s->timer_next].timer_prev = s->timer_prev;
}

struct ks_session *ks_wheel_expired(struct ks_wheel *w, struct ks_table *t, unsigned *work,
				    ks_ms now)
{
	uint64_t today = now >> KS_WHEEL_SHIFT;

	/* After a long sleep one round of the wheel is enough to see every session. */
	if (today > w->turn + KS_WHEEL_SLOTS)
		w->turn = today - KS_WHEEL_SLOTS;
	while (*work > 0 && w->turn <= today) {
		uint32_t at = w->head[w->turn & KS_WHEEL_MASK];
		struct ks_session *s;

		--*work;
		if (at == KS_NONE) {
			w->turn++;
			continue;
		}
		s = &t->session[at];
		ks_wheel_remove(w, t, s);
		if (ks_session_left(s, now) <= 0)
			return s;
		ks_wheel_add(w, t, s, now);
	}
	return NULL;
}
