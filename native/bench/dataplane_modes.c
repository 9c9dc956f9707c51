/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dataplane-modes: every forwarding mode, several workers, latency, swapping of generations, a SYN
 * flood, by the same loop and generator as dataplane-fnat.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "sections.h"

#define WORKERS 4u

static const struct {
	const char *name;
	bool (*run)(struct bench *b, char err[KS_ERR_LEN]);
} sections[] = {
	{ "modes", section_modes }, { "workers", section_workers }, { "latency", section_latency },
	{ "swap", section_swap },   { "flood", section_flood },
};
#define SECTIONS (sizeof(sections) / sizeof(sections[0]))

static const char help[] =
	"dataplane-modes [--json] [--quick] [--only modes,workers,latency,swap,flood] [--sessions 1,1k,100k,1m] [--windows N]\n"
	"                [--modes fnat66,nat64,nat46,nat44,dr4,tun4] [--huge auto|yes|no] [-- EAL ARGS]\n";

struct wanted {
	struct bench b;
	struct options o;
	bool wants[SECTIONS];
	char lcores[256];
};

static bool sizes(struct bench *b, const char *s)
{
	for (b->n_sizes = 0; *s != '\0' && b->n_sizes < MAX_SIZES;) {
		char *end;
		unsigned long v = strtoul(s, &end, 10);

		if (*end == 'k' || *end == 'm')
			v *= *end++ == 'k' ? 1000 : 1000000;
		if (v == 0 || v > 4000000 || (*end != '\0' && *end != ','))
			return false;
		b->size[b->n_sizes++] = (uint32_t)v;
		s = *end == ',' ? end + 1 : end;
	}
	return b->n_sizes > 0;
}

static bool only(struct wanted *w, const char *s)
{
	memset(w->wants, 0, sizeof(w->wants));
	while (*s != '\0') {
		size_t n = strcspn(s, ","), i = 0;

		while (i < SECTIONS &&
		       (strlen(sections[i].name) != n || strncmp(sections[i].name, s, n) != 0))
			i++;
		if (i == SECTIONS)
			return false;
		w->wants[i] = true;
		s += n + (s[n] == ',');
	}
	return true;
}

static bool option(struct wanted *w, const char *name, const char *value)
{
	if (strcmp(name, "--sessions") == 0)
		return sizes(&w->b, value);
	if (strcmp(name, "--only") == 0)
		return only(w, value);
	if (strcmp(name, "--modes") == 0) {
		w->b.modes = value;
		return true;
	}
	if (strcmp(name, "--windows") == 0) {
		w->b.windows = (unsigned)atoi(value);
		return w->b.windows >= 1 && w->b.windows <= MAX_WINDOWS;
	}
	if (strcmp(name, "--huge") == 0) {
		w->o.huge = strcmp(value, "yes") == 0 ? HUGE_YES
			: strcmp(value, "no") == 0    ? HUGE_NO
						      : HUGE_AUTO;
		return true;
	}
	return false;
}

static bool parse(struct wanted *w, int argc, char **argv)
{
	bool sizes_said = false;

	for (unsigned i = 0; i < SECTIONS; i++)
		w->wants[i] = true;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			for (i++; i < argc && w->o.n_eal < MAX_EAL_ARGS - 16; i++)
				w->o.eal[w->o.n_eal++] = argv[i];
			break;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(help, stdout);
			exit(0);
		} else if (strcmp(argv[i], "--json") == 0) {
			w->b.out.json = true;
		} else if (strcmp(argv[i], "--quick") == 0) {
			w->b.quick = true;
		} else if (i + 1 < argc && option(w, argv[i], argv[i + 1])) {
			sizes_said = sizes_said || strcmp(argv[i], "--sessions") == 0;
			i++;
		} else {
			fprintf(stderr, "dataplane-modes: %s: unknown option or wrong value\n%s",
				argv[i], help);
			return false;
		}
	}
	if (!sizes_said)
		(void)sizes(&w->b, w->b.quick ? "1,1k" : "1,1k,100k,1m");
	if (w->b.windows == 0)
		w->b.windows = w->b.quick ? 2 : 5;
	return true;
}

/* The first workers have CPUs of their own; what is more than there are CPUs begins again at the
 * main lcore's, which sleeps while they run. */
static void place(struct wanted *w)
{
	int cpu[CPU_SETSIZE];
	unsigned n_cpus = 0;
	size_t n = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			cpu[n_cpus++] = (int)i;
	for (unsigned i = 0; i <= WORKERS; i++)
		n += (size_t)snprintf(w->lcores + n, sizeof(w->lcores) - n, "%s%u@%d",
				      i > 0 ? "," : "--lcores=", i, cpu[i % n_cpus]);
	w->o.eal[w->o.n_eal++] = w->lcores;
}

static bool run(struct wanted *w, char err[KS_ERR_LEN])
{
	struct bench *b = &w->b;
	bool ok = true;

	measure_init(&b->m, b->quick ? 5 : 40, b->quick ? 15 : 120);
	report_conditions("dataplane-modes", b->out.json, &b->m, WORKERS, true, b->quick);
	for (unsigned i = 0; ok && i < SECTIONS; i++)
		if (w->wants[i])
			ok = sections[i].run(b, err);
	out_end(&b->out);
	return ok;
}

int main(int argc, char **argv)
{
	static struct wanted w;
	char err[KS_ERR_LEN] = "";
	struct options for_eal;
	bool ok;

	if (!parse(&w, argc, argv))
		return 2;
	rig_options(&w.o, WORKERS, true);
	place(&w);
	w.b.eal = &w.o;
	for_eal = w.o;
	for_eal.n_ports = 0; /* the generator is nothing it knows of */
	ok = eal_start(&for_eal, err) && (w.b.pool = port_pool(&w.o, err)) != NULL && run(&w, err);
	if (!ok)
		fprintf(stderr, "dataplane-modes: %s\n", err);
	eal_stop();
	return ok ? 0 : 1;
}
