/* SPDX-License-Identifier: Apache-2.0 */
/* Starts the EAL. What it logs is kept and shown only on request or when it explains a failure, in one line. */
#include <rte_eal.h>
#include <rte_log.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shell.h"

static bool has_arg(const struct options *o, const char *name)
{
	size_t n = strlen(name);

	for (int i = 0; i < o->n_eal; i++)
		if (strncmp(o->eal[i], name, n) == 0 && (o->eal[i][n] == '\0' || o->eal[i][n] == '='))
			return true;
	return false;
}

/* Without a word from the user the lcores float over the CPUs this process may use: right for machines that are shared. */
static char *floating_lcores(const struct options *o)
{
	char *text = malloc(4096);
	size_t n;
	cpu_set_t set;
	const char *comma = "";

	if (text == NULL || sched_getaffinity(0, sizeof(set), &set) != 0) {
		free(text);
		return NULL;
	}
	n = (size_t)snprintf(text, 4096, "--lcores=(%u", o->main_lcore);
	for (unsigned i = 0; i < o->n_workers; i++)
		n += (size_t)snprintf(text + n, 4096 - n, ",%u", o->worker[i].lcore);
	n += (size_t)snprintf(text + n, 4096 - n, ")@(");
	for (int cpu = 0; cpu < CPU_SETSIZE && n < 4000; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		n += (size_t)snprintf(text + n, 4096 - n, "%s%d", comma, cpu);
		comma = ",";
	}
	snprintf(text + n, 4096 - n, ")");
	return text;
}

static bool uses_pci(const struct options *o)
{
	for (unsigned i = 0; i < o->n_ports; i++)
		if (o->port[i].devargs == NULL || strncmp(o->port[i].devargs, "net_", 4) != 0)
			return true;
	return false;
}

/* The line of the EAL's log that tells most: the last one that speaks of a failure. */
static void last_complaint(char *log, char *out, size_t size)
{
	static const char *const words[] = { "annot", "ailed", "rror", "nvalid", "No free", "not " };
	const char *best = NULL;
	char *save = NULL;

	for (char *line = strtok_r(log, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strstr(line, words[i]) != NULL)
				best = line;
	snprintf(out, size, "%s", best != NULL ? best : "it does not say why");
}

static const char *advice(const char *complaint)
{
	if (strstr(complaint, "hugepage") != NULL || strstr(complaint, "huge page") != NULL)
		return "; reserve huge pages, or add --no-huge -m 512 to eal_args";
	if (strstr(complaint, "ermission") != NULL)
		return "; run as root";
	return "";
}

bool eal_start(struct options *o, char err[KS_ERR_LEN])
{
	char *argv[MAX_EAL_ARGS + 1];
	char main_arg[32], prefix[128], complaint[120];
	char *log = NULL, *lcores = NULL;
	size_t log_size = 0;
	int argc = 0, got;
	FILE *stream = NULL;

	argv[argc++] = (char *)(uintptr_t)"keelson-dataplane";
	if (!has_arg(o, "-l") && !has_arg(o, "--lcores") && !has_arg(o, "-c")) {
		lcores = floating_lcores(o);
		if (lcores != NULL)
			argv[argc++] = lcores;
	}
	if (!has_arg(o, "--main-lcore")) {
		snprintf(main_arg, sizeof(main_arg), "--main-lcore=%u", o->main_lcore);
		argv[argc++] = main_arg;
	}
	if (o->file_prefix != NULL && !has_arg(o, "--file-prefix")) {
		snprintf(prefix, sizeof(prefix), "--file-prefix=%s", o->file_prefix);
		argv[argc++] = prefix;
	}
	if (!uses_pci(o) && !has_arg(o, "--no-pci"))
		argv[argc++] = (char *)(uintptr_t)"--no-pci";
	if (has_arg(o, "--no-huge") && !has_arg(o, "--in-memory"))
		argv[argc++] = (char *)(uintptr_t)"--in-memory";
	if (!has_arg(o, "--no-telemetry"))
		argv[argc++] = (char *)(uintptr_t)"--no-telemetry";
	for (int i = 0; i < o->n_eal; i++)
		argv[argc++] = o->eal[i];
	argv[argc] = NULL;

	if (!o->verbose) {
		stream = open_memstream(&log, &log_size);
		if (stream != NULL)
			rte_openlog_stream(stream);
	}
	got = rte_eal_init(argc, argv);
	if (got < 0) {
		if (stream != NULL)
			fflush(stream);
		last_complaint(log != NULL ? log : (char[]){ "" }, complaint, sizeof(complaint));
		snprintf(err, KS_ERR_LEN, "EAL does not start: %s%s", complaint, advice(complaint));
		return false;
	}
	if (!o->verbose)
		rte_openlog_stream(fopen("/dev/null", "w"));
	if (stream != NULL)
		fclose(stream);
	free(log);
	return true;
}
