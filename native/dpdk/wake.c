/* SPDX-License-Identifier: Apache-2.0 */
#include "wake.h"

#include <sys/eventfd.h>
#include <unistd.h>

bool wake_init(struct wake *w)
{
	atomic_init(&w->asleep, 0);
	w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return w->fd >= 0;
}

void wake_fini(struct wake *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

/* Of several who bring work at the same time one writes. */
void wake_ring(struct wake *w)
{
	uint64_t one = 1;

	if (atomic_exchange_explicit(&w->asleep, 0, memory_order_relaxed) != 0 &&
	    write(w->fd, &one, sizeof(one)) != sizeof(one))
		return; /* its counter is full: it is readable already */
}

void wake_drain(struct wake *w)
{
	uint64_t n;

	if (read(w->fd, &n, sizeof(n)) != sizeof(n))
		return; /* woken by something else */
}
