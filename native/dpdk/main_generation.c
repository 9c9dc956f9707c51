/* SPDX-License-Identifier: Apache-2.0 */
/* Generations on the main lcore: one is published when it is built, and the one before it is freed
 * when every worker has left it. */
#include "log.h"
#include "main_int.h"

#define REBUILD_AGAIN_MS 1000u

static bool shell_quiesced(const struct shell *s)
{
	uint64_t published = atomic_load_explicit(&s->published, memory_order_seq_cst);

	for (unsigned i = 0; i < s->n_workers; i++)
		if (atomic_load_explicit(&s->lcore[i].seen, memory_order_seq_cst) < published)
			return false;
	return true;
}

void free_retired(struct mainloop *m)
{
	if (m->retired == NULL || !shell_quiesced(m->s))
		return;
	ks_conf_free(m->retired);
	m->retired = NULL;
}

void publish(void *ctx, struct ks_conf *conf)
{
	struct mainloop *m = ctx;
	struct shell *s = m->s;
	struct ks_conf *old;

	while (m->retired != NULL) /* two publications in a row: the older one must be left first;
				      workers turn in microseconds */
		free_retired(m);
	ks_shm_publish(s->shm, conf);
	old = atomic_exchange_explicit(&s->conf, conf, memory_order_acq_rel);
	atomic_fetch_add_explicit(&s->published, 1, memory_order_seq_cst);
	m->retired = old;
	m->fresh = true;
}

bool quiesced(void *ctx)
{
	struct mainloop *m = ctx;

	free_retired(m);
	return m->retired == NULL;
}

const uint8_t *rs_in_use(void *ctx)
{
	struct mainloop *m = ctx;

	ks_shm_rs_in_use(m->s->shm, m->rs_in_use);
	return m->rs_in_use;
}

/* Sessions must not go on with the next hops they have. */
void note_outdated(struct mainloop *m)
{
	if (!m->s->shared.neigh.outdated)
		return;
	m->s->shared.neigh.outdated = false;
	ks_desired_new_epoch(m->desired);
	m->rebuild = true;
}

/* All leases that changed in a turn are one generation. */
void note_leases(struct mainloop *m, ks_ms now)
{
	const struct ks_holding held = { .leases = &m->s->shared.leases, .now = now };
	uint32_t changes = ks_main_lease_changes(m->core);

	if (changes == m->lease_changes)
		return;
	m->lease_changes = changes;
	if (ks_desired_follow_leases(m->desired, &held))
		m->rebuild = true;
}

void rebuild(struct mainloop *m, ks_ms now)
{
	char reason[KS_REASON_LEN];
	struct ks_conf *conf;

	if (!m->rebuild || now < m->rebuild_at || ks_control_waiting(m->control) ||
	    ks_desired_in_transaction(m->desired))
		return;
	conf = ks_conf_build(m->desired, rs_in_use(m), reason);
	if (conf == NULL) {
		if (m->rebuild_at == 0)
			ks_log(KS_LOG_WARN,
			       "changed addresses and routes are not in force, trying again: %s",
			       reason);
		m->rebuild_at = now + REBUILD_AGAIN_MS;
		return;
	}
	m->rebuild = false;
	m->rebuild_at = 0;
	publish(m, conf);
}
