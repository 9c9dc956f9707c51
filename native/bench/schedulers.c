/* SPDX-License-Identifier: Apache-2.0 */
/* schedulers: what the choice of a real server costs a new session, by the number of real servers.
 * The code the workers run, on one core, everything in its caches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "ks_maglev.h"
#include "ks_sched.h"
#include "ks_worker.h"

#define WINDOWS      15u
#define MOST_SERVERS 1000u
#define MAGLEV_SIZE  65537u

static const struct {
	const char *name;
	uint8_t sched;
} scheds[] = {
	{ "rr", KS_SCHED_RR },   { "wrr", KS_SCHED_WRR }, { "wlc", KS_SCHED_WLC },
	{ "lc", KS_SCHED_LC },   { "sed", KS_SCHED_SED }, { "nq", KS_SCHED_NQ },
	{ "sh", KS_SCHED_SH },   { "dh", KS_SCHED_DH },   { "fo", KS_SCHED_FO },
	{ "ovf", KS_SCHED_OVF }, { "mh", KS_SCHED_MH },   { "conhash", KS_SCHED_CONHASH },
};
static const unsigned sizes[] = { 10, 100, 1000 };
static const unsigned workers[] = { 1, 4 };

struct bed {
	struct ks_rs rs[MOST_SERVERS];
	struct ks_seen seen[MOST_SERVERS];
	uint64_t rows[4][MOST_SERVERS][KS_RSC_COUNT];
};

static void *get(void *ctx, size_t size, size_t align)
{
	size_t whole = (size + align - 1) / align * align;
	void *p = aligned_alloc(align, whole);

	(void)ctx;
	return p == NULL ? NULL : memset(p, 0, whole);
}

static void give(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct ks_svc fill(struct bed *b, uint8_t sched, unsigned n, bool limited)
{
	struct ks_svc svc = { .sched = sched, .rs = b->rs, .n_rs = n, .weight_gcd = 1 };

	memset(b, 0, sizeof(*b));
	for (unsigned i = 0; i < n; i++) {
		uint32_t weight = sched == KS_SCHED_OVF ? 1000000 : 1 + i % 3;

		b->rs[i] = (struct ks_rs){ .slot = i,
					   .weight = weight,
					   .af = 4,
					   .port = 80,
					   .upper = limited ? 1u << 30 : 0,
					   .lower = limited ? 1u << 29 : 0,
					   .addr = ks_addr4(0x0a000000u + i * 7919) };
		b->rows[0][i][KS_RSC_ACTIVE] = i * 31 % 50;
		svc.weight_sum += weight;
		svc.weight_max = weight > svc.weight_max ? weight : svc.weight_max;
	}
	return svc;
}

/* Nanoseconds a choice, median of the windows; each choice is a session more. */
static double cost(struct bed *b, uint8_t sched, unsigned n, unsigned n_workers, bool limited,
		   unsigned picks)
{
	struct ks_mem mem = { NULL, get, give };
	struct ks_svc svc = fill(b, sched, n, limited);
	struct ks_counts counts = { .own = &b->rows[0][0][0],
				    .first = n_workers > 1 ? &b->rows[0][0][0] : NULL,
				    .stride = sizeof(b->rows[0]) / sizeof(uint64_t),
				    .n_workers = n_workers,
				    .n_slots = MOST_SERVERS,
				    .seen = b->seen };
	struct ks_sched_state st = { 0 };
	struct ks_key client = { .af = 4 };
	double window[WINDOWS];

	if (sched == KS_SCHED_MH)
		svc.maglev = ks_maglev_get(&mem, &svc, MAGLEV_SIZE, NULL);
	for (unsigned w = 0; w < WINDOWS; w++) {
		double start = now_ns();

		for (unsigned i = 0; i < picks; i++) {
			const struct ks_rs *rs;

			client.t.src = (w * picks + i) * 2654435761u;
			rs = ks_sched_pick(&svc, &st, &counts, &client);
			if (rs == NULL) {
				fprintf(stderr, "schedulers: nobody was chosen\n");
				exit(1);
			}
			b->rows[0][rs->slot][KS_RSC_ACTIVE]++;
		}
		window[w] = (now_ns() - start) / picks;
	}
	if (svc.maglev != NULL)
		ks_maglev_unref(&mem, svc.maglev);
	qsort(window, WINDOWS, sizeof(window[0]), by_value);
	return window[WINDOWS / 2];
}

static void begin(bool json, bool quick)
{
	struct utsname u;

	uname(&u);
	if (json)
		printf("{\"benchmark\":\"schedulers\",\"conditions\":{\"machine\":\"%s\",\"kernel\":\"%s\",\"windows\":%u,"
		       "\"quick\":%s},\"picks\":[",
		       u.machine, u.release, WINDOWS, quick ? "true" : "false");
	else
		printf("nanoseconds a new session, median of %u windows\n%-9s %8s %10s %8s %8s %8s\n",
		       WINDOWS, "scheduler", "workers", "thresholds", "10", "100", "1000");
}

int main(int argc, char **argv)
{
	struct bed *b = malloc(sizeof(*b));
	bool json = false, quick = false, first = true;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--quick") == 0)
			quick = true;
		else {
			fprintf(stderr, "schedulers [--json] [--quick]; found '%s'\n", argv[i]);
			return 2;
		}
	}
	if (b == NULL)
		return 1;
	begin(json, quick);
	for (unsigned k = 0; k < sizeof(scheds) / sizeof(scheds[0]); k++)
		for (unsigned v = 0; v < 4; v++) {
			unsigned w = workers[v & 1];
			bool limited = v >> 1;

			if (!json)
				printf("%-9s %8u %10s", scheds[k].name, w, limited ? "yes" : "no");
			for (unsigned n = 0; n < 3; n++) {
				unsigned picks = (quick ? 20000 : 1000000) / sizes[n];
				double ns = cost(b, scheds[k].sched, sizes[n], w, limited, picks);

				if (json)
					printf("%s{\"scheduler\":\"%s\",\"workers\":%u,\"thresholds\":%s,\"real_servers\":%u,\"ns\":%.1f}",
					       first ? "" : ",", scheds[k].name, w,
					       limited ? "true" : "false", sizes[n], ns);
				else
					printf(" %8.1f", ns);
				first = false;
			}
			if (!json)
				putchar('\n');
		}
	if (json)
		puts("]}");
	free(b);
	return 0;
}
