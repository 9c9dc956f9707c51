/* SPDX-License-Identifier: Apache-2.0 */
#include "pressure.h"

#include <stdio.h>
#include <string.h>

#include "shell.h"

#define LINE_MS 1000u

static uint64_t sum(const struct shell *s, unsigned counter)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < s->n_workers; i++)
		total += __atomic_load_n(&s->lcore[i].c[counter], __ATOMIC_RELAXED);
	return total;
}

static uint64_t drops(const struct shell *s, enum ks_drop reason)
{
	return sum(s, KS_C_DROP_FIRST + (unsigned)reason);
}

static bool is_due(struct pressure *p, unsigned kind, uint64_t count, ks_ms now)
{
	return count != p->told[kind] && now >= p->next_at[kind];
}

bool pressure_next(struct pressure *p, const struct shell *s, struct ks_event *e, ks_ms now)
{
	uint64_t refused = drops(s, KS_DROP_SESSION_FULL), evicted = sum(s, KS_C_SESSIONS_EVICTED);
	uint64_t count[2] = { refused + evicted, drops(s, KS_DROP_LPORT_EXHAUSTED) };

	for (unsigned kind = 0; kind < 2; kind++) {
		uint64_t news = count[kind] - p->told[kind];

		if (!is_due(p, kind, count[kind], now))
			continue;
		memset(e, 0, sizeof(*e));
		e->type = kind == 0 ? KS_EV_TABLE_FULL : KS_EV_LPORT_EXHAUSTED;
		e->a = news < UINT32_MAX ? (uint32_t)news : UINT32_MAX;
		if (kind == 0)
			snprintf(e->text, sizeof(e->text),
				 "%llu times since the last line: in all %llu half-open sessions "
				 "have made room, %llu packets found none",
				 (unsigned long long)news, (unsigned long long)evicted,
				 (unsigned long long)refused);
		else
			snprintf(e->text, sizeof(e->text),
				 "%llu packets since the last line: their service needs more local "
				 "addresses, or more real servers",
				 (unsigned long long)news);
		p->told[kind] = count[kind];
		p->next_at[kind] = now + LINE_MS;
		return true;
	}
	return false;
}
