/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waking a sleeping lcore. Who sleeps announces it first and looks for work once more; who brings
 * work looks at the announcement after putting the work where it belongs. Both sides have a full
 * fence between, so one of them sees the other. While nobody sleeps, waking costs a fence and a
 * read.
 */
#ifndef WAKE_H
#define WAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct wake {
	_Alignas(64) _Atomic uint32_t asleep;
	int fd; /* eventfd */
};

bool wake_init(struct wake *w);
void wake_fini(struct wake *w);
void wake_ring(struct wake *w); /* the slow half of wake_up */
void wake_drain(struct wake *w);

static inline void wake_announce(struct wake *w)
{
	atomic_store_explicit(&w->asleep, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
}

static inline void wake_done(struct wake *w)
{
	atomic_store_explicit(&w->asleep, 0, memory_order_relaxed);
}

static inline void wake_up(struct wake *w)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (__builtin_expect(atomic_load_explicit(&w->asleep, memory_order_relaxed), 0))
		wake_ring(w);
}

#endif
