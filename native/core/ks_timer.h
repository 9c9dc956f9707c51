/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lazy timers: a packet only notes when it came. A session lies in the slot of the moment at which
 * it would have expired when it was put there; when the wheel comes to that slot, a session that
 * was seen since is put further on. So a packet costs no relinking; only a shortened timeout (a
 * closed connection) moves its session.
 */
#ifndef KS_TIMER_H
#define KS_TIMER_H

#include <stdbool.h>

#include "ks_session.h"

#define KS_WHEEL_SHIFT 7u /* a slot is 128 ms */
#define KS_WHEEL_SLOTS 4096u
#define KS_WHEEL_MASK  (KS_WHEEL_SLOTS - 1)

struct ks_wheel {
	uint32_t head[KS_WHEEL_SLOTS]; /* first session, KS_NONE = empty */
	uint64_t turn; /* slots before this one are done (absolute number) */
};

void ks_wheel_init(struct ks_wheel *w, ks_ms now);
/* Put s, which is in no slot, where it would expire. */
void ks_wheel_add(struct ks_wheel *w, struct ks_table *t, struct ks_session *s, ks_ms now);
void ks_wheel_remove(struct ks_wheel *w, struct ks_table *t, struct ks_session *s);

/* The next session which has expired, taken out of the wheel; NULL = none is due or *work is used
 * up. */
struct ks_session *ks_wheel_expired(struct ks_wheel *w, struct ks_table *t, unsigned *work,
				    ks_ms now);

/* Milliseconds until s expires; negative = overdue. The 32-bit clock wraps: differences are taken.
 */
static inline int32_t ks_session_left(const struct ks_session *s, ks_ms now)
{
	return (int32_t)(s->timeout - ((uint32_t)now - s->last_seen));
}

#endif
