/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A full table: sessions that have not come to be (a SYN without an answer, a datagram without one)
 * make room for new ones, never the established. A hand goes round the table; of the sessions it
 * passes the one longest without a packet goes, so that a flood ends its own and a handshake under
 * way has the time the hand needs for a round.
 */
#include "ks_worker_int.h"

/* Lines a new session may cost here; and of how many that may go the oldest does. What is looked at
 * pushes something else out of the caches, and the hand comes by in the order of age anyway. */
#define LOOKED_AT 32u /* in each of two places */
#define CHOICE    4u

static bool is_embryonic(const struct ks_session *s)
{
	switch (s->state) {
	case KS_ST_SYN_RECV:
	case KS_ST_SCTP_INIT1:
	case KS_ST_SCTP_INIT:
		return true;
	case KS_ST_UDP_ONEWAY: /* past us nobody sees answers */
		return !(s->flags & KS_SF_ONE_WAY);
	default:
		return false;
	}
}

static struct ks_session *look_round(struct ks_table *t, uint32_t *hand, uint32_t from, uint32_t to,
				     uint32_t step, ks_ms now)
{
	struct ks_session *oldest = NULL;
	uint32_t longest = 0;
	unsigned found = 0;

	for (unsigned i = 0; i < LOOKED_AT && found < CHOICE; i++) {
		struct ks_session *s;
		uint32_t idle;

		if (*hand < from || *hand >= to)
			*hand = from;
		s = &t->session[*hand];
		*hand += step;
		if ((s->flags & (KS_SF_USED | KS_SF_TEMPLATE)) != KS_SF_USED || !is_embryonic(s))
			continue;
		found++;
		idle = (uint32_t)now - s->last_seen;
		if (oldest == NULL || idle > longest) {
			oldest = s;
			longest = idle;
		}
	}
	return oldest;
}

/* Established sessions may stand in a row: a second look is taken somewhere else. */
static struct ks_session *look_twice(struct ks_table *t, uint32_t *hand, uint32_t from, uint32_t to,
				     uint32_t step, ks_ms now)
{
	struct ks_session *s = look_round(t, hand, from, to, step, now);
	uint32_t places = (to - from) / step;

	if (s != NULL || places == 0)
		return s;
	*hand = from + (uint32_t)((*hand + now) * 0x9e3779b97f4a7c15ull >> 33) % places * step;
	return look_round(t, hand, from, to, step, now);
}

static void evict(struct ks_worker *w, struct ks_session *s)
{
	ks_close(w, s);
	w->c[KS_C_SESSIONS_EVICTED]++;
}

/* Of its own kind there is none to end: the other kind's at the border, where the room is that can
 * change hands. */
static bool end_at_border(struct ks_worker *w, bool wide)
{
	struct ks_table *t = &w->table;
	uint32_t at[2] = { wide ? t->fresh - 1 : t->fresh_wide, t->fresh - 2 };
	unsigned n = wide ? 2 : 1;

	if (wide ? t->fresh < 2 : t->fresh_wide >= t->max)
		return false;
	for (unsigned i = 0; i < n; i++) {
		struct ks_session *s = &t->session[at[i]];

		if (s->flags & KS_SF_USED && (s->flags & KS_SF_TEMPLATE || !is_embryonic(s)))
			return false;
	}
	for (unsigned i = 0; i < n; i++)
		if (t->session[at[i]].flags & KS_SF_USED)
			evict(w, &t->session[at[i]]);
	return true;
}

bool ks_make_room(struct ks_worker *w, bool wide, ks_ms now)
{
	struct ks_table *t = &w->table;
	struct ks_session *s;

	if (wide ? t->fresh_wide >= t->max : t->fresh == 0)
		return end_at_border(w, wide);
	s = wide ? look_twice(t, &w->hand[1], t->fresh_wide, t->max, 2, now)
		 : look_twice(t, &w->hand[0], 0, t->fresh, 1, now);
	if (s == NULL)
		return end_at_border(w, wide);
	evict(w, s);
	return true;
}
