/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <string.h>

#include "sections.h"

bool stage_open(struct stage *s, struct bench *b, const struct options *o,
		const struct rig_mode *mode, uint32_t n, uint32_t room, char err[KS_ERR_LEN])
{
	bool wide = mode->client_af == 6 || mode->rs_af == 6;
	uint32_t lines = (wide ? 2 : 1) * (n + n / 4 + 1024 + room);

	if (!rig_open(&s->r, o, mode, lines, true, b->pool, err) ||
	    !flows_open(&s->f, &s->r, IPPROTO_TCP, n, err) ||
	    !flows_establish(&s->f, shell_now(s->r.s), err))
		return false;
	flows_play(&s->f, STEER_OWNER);
	return true;
}

void stage_close(struct stage *s)
{
	if (s->r.s != NULL && s->f.r != NULL)
		flows_stop(&s->f);
	flows_close(&s->f);
	rig_close(&s->r);
	memset(s, 0, sizeof(*s));
}

bool stage_clean(const struct stage *s, uint64_t rx_before, double *lost, char err[KS_ERR_LEN])
{
	const enum ks_counter full = (enum ks_counter)(KS_C_DROP_FIRST + KS_DROP_RING_FULL);
	uint64_t others = 0;

	for (unsigned i = 0; i < KS_DROP_COUNT; i++)
		if (i != KS_DROP_RING_FULL)
			others += rig_counter(&s->r, (enum ks_counter)(KS_C_DROP_FIRST + i));
	*lost = (double)rig_counter(&s->r, full) /
		(double)(rig_counter(&s->r, KS_C_RX_PACKETS) - rx_before);
	if (others > 0)
		rig_drops(&s->r, err, KS_ERR_LEN);
	return others == 0;
}
