/* SPDX-License-Identifier: Apache-2.0 */
/* When the main lcore takes a gap for a pause of the node, and when it does not. */
#include "check.h"
#include "pause.h"

#define START 1000000u

static struct pause_watch watch_of(uint32_t planned_ms)
{
	return (struct pause_watch){ .at = START, .cpu_ms = 40, .planned_ms = planned_ms };
}

static void the_first_turn_is_none(void)
{
	struct pause_watch w = { .at = 0 };

	CHECK_EQ(pause_length(&w, START, 40, 0), 0);
}

static void a_stopped_process_was_paused(void)
{
	struct pause_watch w = watch_of(0);

	CHECK_EQ(pause_length(&w, START + PAUSE_MS, 40, 0), 0);
	CHECK_EQ(pause_length(&w, START + PAUSE_MS + 1, 40, 0), PAUSE_MS + 1);
	CHECK_EQ(pause_length(&w, START + 30000, 40, 0), 30000);
	CHECK_EQ(pause_length(&w, START + 30000, 40, 3), 29997);
}

static void waiting_and_work_are_none(void)
{
	struct pause_watch w = watch_of(200);

	CHECK_EQ(pause_length(&w, START + 200, 40, 0), 0);
	CHECK_EQ(pause_length(&w, START + 200 + PAUSE_MS, 40, 0), 0);
	CHECK_EQ(pause_length(&w, START + 5200, 5040, 0), 0); /* a long turn */
}

static void a_busy_machine_is_none_until_frames_are_stale(void)
{
	struct pause_watch w = watch_of(0);

	CHECK_EQ(pause_length(&w, START + 1800, 40, 1790), 0);
	CHECK_EQ(pause_length(&w, START + STARVED_MAX_MS + PAUSE_MS, 40, 2400), 0);
	CHECK(pause_length(&w, START + 10000, 40, 9990) > 0);
}

/* With advert intervals of a tenth of a second others take over within 300 ms. */
static void a_lease_that_ended_makes_a_shorter_one_count(void)
{
	struct pause_watch w = watch_of(0);

	w.lease_ms = 290;
	CHECK_EQ(pause_length(&w, START + 290, 40, 0), 0);
	CHECK_EQ(pause_length(&w, START + 291, 40, 0), 291);
	CHECK_EQ(pause_length(&w, START + 291, 40, 200), 0);
	w.lease_ms = 1; /* was about to end: that alone is no pause */
	CHECK_EQ(pause_length(&w, START + PAUSE_MIN_MS, 40, 0), 0);
	w.lease_ms = 3000;
	CHECK_EQ(pause_length(&w, START + PAUSE_MS, 40, 0), 0);
	CHECK_EQ(pause_length(&w, START + PAUSE_MS + 1, 40, 0), PAUSE_MS + 1);
}

/* Law: a gap is a pause exactly when more than PAUSE_MS of it is accounted for by nothing. */
static void only_what_nothing_accounts_for_counts(void)
{
	uint64_t s = 0xabcd;

	for (unsigned i = 0; i < 100000; i++) {
		struct pause_watch w = watch_of(below(&s, 300));
		uint64_t work = below(&s, 1500), starved = below(&s, 5000), lost = below(&s, 1000);
		uint64_t stale = starved > STARVED_MAX_MS ? starved - STARVED_MAX_MS : 0;
		ks_ms now = START + w.planned_ms + work + starved + lost;
		ks_ms want = stale + lost > PAUSE_MS ? stale + lost : 0;

		CHECK_EQ(pause_length(&w, now, 40 + work, starved), want);
	}
}

int main(void)
{
	RUN(the_first_turn_is_none);
	RUN(a_stopped_process_was_paused);
	RUN(waiting_and_work_are_none);
	RUN(a_busy_machine_is_none_until_frames_are_stale);
	RUN(a_lease_that_ended_makes_a_shorter_one_count);
	RUN(only_what_nothing_accounts_for_counts);
	return 0;
}
