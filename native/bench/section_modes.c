/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a packet costs in each forwarding mode. A mode's windows alternate with windows of FNAT44
 * over as many sessions, and its ratio is to those; FNAT44's own alternate with the bare loop's.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "sections.h"

static const struct {
	struct rig_mode mode;
	double budget; /* of the ratio to FNAT44 */
} modes[] = {
	{ { "fnat66", 6, 6, KS_FWD_FNAT }, 1.2 }, { { "nat64", 6, 4, KS_FWD_FNAT }, 1.3 },
	{ { "nat46", 4, 6, KS_FWD_FNAT }, 1.3 },  { { "nat44", 4, 4, KS_FWD_NAT }, 1.2 },
	{ { "dr4", 4, 4, KS_FWD_DR }, 1.0 },      { { "tun4", 4, 4, KS_FWD_TUN }, 1.0 },
};

/* Budgets of FNAT44 in cycles, by sessions up to which they hold. */
static double fnat_budget(uint32_t sessions)
{
	return sessions <= 1 ? 110 : sessions <= 1000 ? 130 : sessions <= 100000 ? 260 : 320;
}

static void put(struct bench *b, const struct rig_mode *mode, uint32_t sessions,
		const struct summary *s, const struct summary *beside, double bytes)
{
	double ratio = beside->cycles > 0 ? s->cycles / beside->cycles : 0;

	out_text(&b->out, "mode", mode->name);
	out_num(&b->out, "sessions", sessions, 0);
	out_num(&b->out, "cycles", s->cycles, 1);
	out_num(&b->out, "cycles_min", s->min, 1);
	out_num(&b->out, "cycles_max", s->max, 1);
	out_num(&b->out, "mpps", s->mpps_cpu, 2);
	out_num(&b->out, "generator_cycles", s->gen_rx + s->gen_tx, 1);
	out_num(&b->out, "session_bytes", bytes, 0);
	out_num(&b->out, "windows", s->windows, 0);
	out_num(&b->out, "windows_thrown_away", s->thrown_away, 0);
	out_num(&b->out, "beside_cycles", beside->cycles, 1);
	out_num(&b->out, "ratio", ratio, 3);
}

static bool two_in_turn(struct bench *b, struct stage *s, struct stage *other, struct bare *bare,
			struct summary *sum, struct summary *beside, char err[KS_ERR_LEN])
{
	struct series a = { .n = 0 }, z = { .n = 0 };
	struct window w;
	double lost;

	for (unsigned i = 0; i < b->windows; i++) {
		if (!measure_window(&b->m, &s->r, NULL, &w))
			return false;
		series_add(&a, &w);
		if (!measure_window(&b->m, &other->r, bare, &w))
			return false;
		series_add(&z, &w);
	}
	*sum = series_summary(&b->m, &a);
	*beside = series_summary(&b->m, &z);
	return stage_clean(s, 0, &lost, err) && stage_clean(other, 0, &lost, err);
}

static bool fnat44(struct bench *b, struct stage *s, uint32_t n, char err[KS_ERR_LEN])
{
	struct summary sum, beside;
	struct bare bare = { 0 };
	bool ok = bare_open(&bare, &s->r.s->mem, n, IPPROTO_TCP);

	if (ok) {
		flows_to_bare(&s->f, &bare);
		ok = two_in_turn(b, s, s, &bare, &sum, &beside, err) && bare.missed == 0;
	}
	if (ok) {
		out_row(&b->out);
		put(b, &rig_fnat44, n, &sum, &beside, rig_session_bytes(&s->r, n));
		out_text(&b->out, "beside", "bare");
		out_num(&b->out, "budget", fnat_budget(n), 2);
		out_flag(&b->out, "met", sum.cycles <= fnat_budget(n));
		out_row_end(&b->out);
	}
	if (bare.e != NULL)
		bare_close(&bare);
	return ok;
}

static bool other_mode(struct bench *b, struct stage *fnat, unsigned i, uint32_t n,
		       char err[KS_ERR_LEN])
{
	struct options o = { .n_ports = 0 };
	struct summary sum, beside;
	struct stage s = { .r = { 0 } };
	bool ok;

	rig_options(&o, 1, true);
	ok = stage_open(&s, b, &o, &modes[i].mode, n, 0, err) &&
		two_in_turn(b, &s, fnat, NULL, &sum, &beside, err);
	if (ok) {
		out_row(&b->out);
		put(b, &modes[i].mode, n, &sum, &beside, rig_session_bytes(&s.r, n));
		out_text(&b->out, "beside", "fnat44");
		out_num(&b->out, "budget", modes[i].budget, 2);
		out_flag(&b->out, "met", sum.cycles <= modes[i].budget * beside.cycles);
		out_row_end(&b->out);
	}
	stage_close(&s);
	return ok;
}

static bool wanted(const struct bench *b, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = b->modes; at != NULL; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	}
	return b->modes == NULL;
}

bool section_modes(struct bench *b, char err[KS_ERR_LEN])
{
	struct options o = { .n_ports = 0 };
	bool ok = true;

	rig_options(&o, 1, true);
	out_section(
		&b->out, "modes",
		"Established TCP, smallest packets, one worker; cycles a packet. fnat44: ratio to the bare loop; others: to fnat44 in the same windows");
	for (unsigned k = 0; ok && k < b->n_sizes; k++) {
		struct stage fnat = { .r = { 0 } };
		uint32_t n = b->size[k];

		ok = stage_open(&fnat, b, &o, &rig_fnat44, n, 0, err) && fnat44(b, &fnat, n, err);
		for (unsigned i = 0; ok && i < sizeof(modes) / sizeof(modes[0]); i++)
			ok = !wanted(b, modes[i].mode.name) || other_mode(b, &fnat, i, n, err);
		stage_close(&fnat);
	}
	out_section_end(&b->out);
	return ok;
}
