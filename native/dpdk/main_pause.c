/* SPDX-License-Identifier: Apache-2.0 */
/* The main lcore notices that the node was paused: what was queued before is stale. */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "main_int.h"

void pause_open(struct mainloop *m)
{
	m->run_delay_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

void pause_close(struct mainloop *m)
{
	if (m->run_delay_fd >= 0)
		close(m->run_delay_fd);
}

static uint64_t processor_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The second number of the file, in nanoseconds. */
static uint64_t run_delay_ms(const struct mainloop *m)
{
	unsigned long long ran, delayed;
	char text[96];
	ssize_t n = -1;

	if (m->run_delay_fd >= 0)
		n = pread(m->run_delay_fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = 0;
	return sscanf(text, "%llu %llu", &ran, &delayed) == 2 ? delayed / 1000000 : 0;
}

void pause_refresh(struct mainloop *m)
{
	m->run_delay_ms = run_delay_ms(m);
}

void note_pause(struct mainloop *m, ks_ms now)
{
	uint64_t cpu = processor_ms();
	ks_ms length = pause_length(&m->ran, now, cpu, 0);

	if (length > 0) {
		uint64_t delay = run_delay_ms(m);

		length = pause_length(&m->ran, now, cpu,
				      delay > m->run_delay_ms ? delay - m->run_delay_ms : 0);
		m->run_delay_ms = delay;
	}
	if (length > 0) {
		atomic_fetch_add_explicit(&m->s->pauses, 1, memory_order_release);
		drop_stale_frames(m);
		ks_log(KS_LOG_WARN,
		       "did not run for %llu ms: what was queued before is thrown away",
		       (unsigned long long)length);
	}
	m->ran.at = now;
	m->ran.cpu_ms = cpu;
	atomic_store_explicit(&m->s->main_at, now, memory_order_release);
}
