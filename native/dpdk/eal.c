/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DPDK logs a lot where all is well, and prints its usage where it is not. What it writes goes into
 * a buffer; --verbose shows it, a failure is searched in it for the line that says why.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devargs.h"
#include "log.h"
#include "shell.h"

/* What is asked of the environment. */
struct eal_plan {
	const struct options *o;
	size_t memory; /* bytes of packet buffers and rings */
	bool huge;
};

#define LOG_CAP  65536u
#define MAX_ARGS (MAX_EAL_ARGS + KS_MAX_PORTS + 24)

static char log_text[LOG_CAP];
static size_t log_len;
static bool log_show;
static bool is_up;

static ssize_t log_write(void *cookie, const char *buf, size_t n)
{
	(void)cookie;
	if (n >= LOG_CAP / 2)
		return (ssize_t)n;
	if (log_len + n >= LOG_CAP) {
		memmove(log_text, log_text + LOG_CAP / 2, log_len - LOG_CAP / 2);
		log_len -= LOG_CAP / 2;
	}
	memcpy(log_text + log_len, buf, n);
	log_len += n;
	log_text[log_len] = 0;
	if (log_show && write(STDERR_FILENO, buf, n) < 0)
		return (ssize_t)n;
	return (ssize_t)n;
}

void eal_log_clear(void)
{
	log_len = 0;
	log_text[0] = 0;
}

/* Lines that say nothing of the cause. */
static bool is_noise(const char *line)
{
	static const char *const noise[] = { "Detected CPU lcores",
					     "Detected NUMA",
					     "Detected static",
					     "Detected shared",
					     "Multi-process socket",
					     "Selected IOVA",
					     "VFIO support",
					     "No free",
					     "No available",
					     "Probe PCI driver",
					     "probe device",
					     "Static memory layout",
					     "TELEMETRY" };

	for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
		if (strstr(line, noise[i]) != NULL)
			return true;
	return line[0] == 0;
}

/* What getopt says is clearer than what the EAL makes of it. */
static const char *option_complaint(void)
{
	static char line[200];
	const char *at = strstr(log_text, "unrecognized option");

	if (at == NULL)
		at = strstr(log_text, "invalid option");
	if (at == NULL)
		at = strstr(log_text, "option requires");
	if (at == NULL)
		return NULL;
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	return line;
}

/* The first line after the noise is nearest to the cause; those behind it follow from it. */
const char *eal_log_reason(void)
{
	static char reason[200];
	char *copy = strdup(log_text), *save = NULL, *line;

	reason[0] = 0;
	for (line = copy == NULL ? NULL : strtok_r(copy, "\n", &save); line != NULL;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *colon = strstr(line, ": ");

		if (colon != NULL && colon - line < 24 &&
		    strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") > 2)
			line = line + (colon - line) + 2; /* "EAL: " */
		while (isspace((unsigned char)*line))
			line++;
		if (is_noise(line))
			continue;
		snprintf(reason, sizeof(reason), "%s", line);
		break;
	}
	free(copy);
	return reason;
}

/* Has the user given the EAL this option (without its dashes)? */
static bool has_arg(const struct options *o, const char *name)
{
	size_t n = strlen(name);

	for (int i = 0; i < o->n_eal; i++) {
		const char *a = o->eal[i];

		if (n == 1 && a[0] == '-' && a[1] == name[0])
			return true;
		if (a[0] == '-' && a[1] == '-' && strncmp(a + 2, name, n) == 0 &&
		    (a[2 + n] == '\0' || a[2 + n] == '='))
			return true;
	}
	return false;
}

/* ---- huge pages ------------------------------------------------------------------------------------------------ */

static size_t read_number(const char *path)
{
	unsigned long v = 0;
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu", &v) != 1)
		v = 0;
	fclose(f);
	return v;
}

static size_t free_huge_bytes(void)
{
	static const char base[] = "/sys/kernel/mm/hugepages";
	DIR *d = opendir(base);
	const struct dirent *e;
	size_t total = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char path[400];
		unsigned long kb;

		if (sscanf(e->d_name, "hugepages-%lukB", &kb) != 1)
			continue;
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", base, e->d_name);
		total += read_number(path) * kb * 1024;
	}
	if (d != NULL)
		closedir(d);
	return total;
}

static bool has_hardware(const struct options *o)
{
	for (unsigned i = 0; i < o->n_ports; i++)
		if (o->port[i].devargs == NULL || devargs_is_pci(o->port[i].devargs))
			return true;
	return false;
}

static size_t available_bytes(void)
{
	char line[128];
	unsigned long kb = 0;
	FILE *f = fopen("/proc/meminfo", "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "MemAvailable: %lu", &kb) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kb * 1024;
}

static bool choose_memory(struct eal_plan *e, char err[KS_ERR_LEN])
{
	const struct options *o = e->o;
	size_t have = free_huge_bytes();

	e->huge = !has_arg(o, "no-huge") &&
		(o->huge == HUGE_YES ||
		 (o->huge == HUGE_AUTO && (have >= e->memory || has_hardware(o))));
	if (!e->huge && available_bytes() < e->memory) {
		snprintf(
			err, KS_ERR_LEN,
			"not enough memory: %zu MB are needed for packet buffers, %zu MB are free: lower --pool-size",
			e->memory >> 20, available_bytes() >> 20);
		return false;
	}
	if (!e->huge || have >= e->memory)
		return true;
	if (have == 0)
		snprintf(
			err, KS_ERR_LEN,
			"no hugepages: reserve some (sysctl vm.nr_hugepages=%zu), or run without (--huge no)",
			e->memory / ((size_t)2 << 20) + 1);
	else
		snprintf(
			err, KS_ERR_LEN,
			"not enough memory: %zu MB of hugepages are free, %zu MB are needed for packet buffers: reserve more, "
			"lower --pool-size, or run without (--huge no)",
			have >> 20, e->memory >> 20);
	return false;
}

/* ---- arguments ------------------------------------------------------------------------------------------------- */

struct args {
	char *v[MAX_ARGS];
	int n;
};

__attribute__((format(printf, 2, 3))) static void add(struct args *a, const char *fmt, ...)
{
	va_list ap;

	if (a->n == MAX_ARGS - 1)
		return;
	va_start(ap, fmt);
	if (vasprintf(&a->v[a->n], fmt, ap) < 0)
		a->v[a->n] = NULL;
	va_end(ap);
	if (a->v[a->n] != NULL)
		a->n++;
}

/*
 * Each lcore gets the CPU of its rank among those we may use. When there are more lcores than CPUs
 * they all float over all of them, so that the kernel balances them.
 */
static void add_lcores(struct args *a, const struct options *o)
{
	char map[1024] = "", cpus[512] = "";
	size_t n = 0, k = 0;
	int cpu[CPU_SETSIZE], n_cpus = 0;
	cpu_set_t set;
	bool float_all;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (unsigned i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			cpu[n_cpus++] = (int)i;
	float_all = (int)o->n_workers + 1 > n_cpus;
	for (int i = 0; i < n_cpus && k < sizeof(cpus) - 8; i++)
		k += (size_t)snprintf(cpus + k, sizeof(cpus) - k, "%s%d", i > 0 ? "," : "", cpu[i]);
	for (unsigned i = 0; i <= o->n_workers && n < sizeof(map) - 32; i++) {
		unsigned lcore = i == 0 ? o->main_lcore : o->worker[i - 1].lcore;

		if (float_all)
			n += (size_t)snprintf(map + n, sizeof(map) - n, "%s%u", i > 0 ? "," : "",
					      lcore);
		else
			n += (size_t)snprintf(map + n, sizeof(map) - n, "%s%u@%d", i > 0 ? "," : "",
					      lcore,
					      lcore < (unsigned)n_cpus ? cpu[lcore] : cpu[i]);
	}
	if (float_all)
		add(a, "--lcores=(%s)@(%s)", map, cpus);
	else
		add(a, "--lcores=%s", map);
}

static void make_args(struct args *a, const struct eal_plan *e)
{
	const struct options *o = e->o;
	bool all_named = true, any_pci = false;

	add(a, "keelson-dataplane");
	if (!has_arg(o, "lcores") && !has_arg(o, "l") && !has_arg(o, "c"))
		add_lcores(a, o);
	if (!has_arg(o, "main-lcore"))
		add(a, "--main-lcore=%u", o->main_lcore);
	if (o->file_prefix != NULL)
		add(a, "--file-prefix=%s", o->file_prefix);
	/* No files to be left behind; --no-huge and --in-memory exclude each other. */
	if (!has_arg(o, "in-memory") && !has_arg(o, "no-shconf") &&
	    !(e->huge && (o->file_prefix != NULL || has_arg(o, "file-prefix"))))
		add(a, e->huge ? "--in-memory" : "--no-shconf");
	if (!has_arg(o, "telemetry") && !has_arg(o, "no-telemetry"))
		add(a, "--no-telemetry");
	if (!e->huge && !has_arg(o, "no-huge"))
		add(a, "--no-huge");
	if (!e->huge && !has_arg(o, "m"))
		add(a, "-m%zu", (e->memory >> 20) + 1);
	for (unsigned i = 0; i < o->n_ports; i++) {
		all_named = all_named && o->port[i].devargs != NULL;
		any_pci = any_pci ||
			(o->port[i].devargs != NULL && devargs_is_pci(o->port[i].devargs));
	}
	/* Only the NICs named are touched; the others stay with whom they belong to. */
	if (all_named && !has_arg(o, "a") && !has_arg(o, "allow") && !has_arg(o, "b") &&
	    !has_arg(o, "block") && !has_arg(o, "no-pci")) {
		if (!any_pci)
			add(a, "--no-pci");
		for (unsigned i = 0; i < o->n_ports; i++)
			if (devargs_is_pci(o->port[i].devargs))
				add(a, "-a%s", o->port[i].devargs);
	}
	for (int i = 0; i < o->n_eal; i++)
		add(a, "%s", o->eal[i]);
	a->v[a->n] = NULL;
}

/* Some libraries write to stdout and stderr directly: both are turned away meanwhile, what comes
 * goes into the log. */
struct quiet {
	int out, error, fd;
};

static struct quiet quiet_begin(void)
{
	struct quiet q = { .out = dup(STDOUT_FILENO),
			   .error = dup(STDERR_FILENO),
			   .fd = memfd_create("quiet", MFD_CLOEXEC) };

	fflush(stdout);
	if (q.fd >= 0 && q.out >= 0 && q.error >= 0) {
		dup2(q.fd, STDOUT_FILENO);
		dup2(q.fd, STDERR_FILENO);
	}
	return q;
}

static void quiet_end(struct quiet q)
{
	char buf[8192];
	ssize_t n;

	fflush(stdout);
	if (q.out >= 0)
		dup2(q.out, STDOUT_FILENO);
	if (q.error >= 0)
		dup2(q.error, STDERR_FILENO);
	if (q.fd >= 0 && lseek(q.fd, 0, SEEK_SET) == 0 && (n = read(q.fd, buf, sizeof(buf))) > 0)
		log_write(NULL, buf, (size_t)n);
	for (int *fd = (int[]){ q.out, q.error, q.fd, -1 }; *fd >= 0; fd++)
		close(*fd);
}

bool eal_quietly(bool (*call)(void *ctx), void *ctx)
{
	struct quiet q = quiet_begin();
	bool ok = call(ctx);

	quiet_end(q);
	return ok;
}

struct init {
	int argc, rc, why;
	char *argv[MAX_ARGS];
};

static bool init(void *ctx)
{
	struct init *i = ctx;

	i->rc = rte_eal_init(i->argc, i->argv);
	i->why = rte_errno;
	return i->rc >= 0;
}

static bool check_lcores(const struct options *o, char err[KS_ERR_LEN])
{
	for (unsigned i = 0; i < o->n_workers; i++) {
		unsigned lcore = o->worker[i].lcore;

		if (rte_lcore_is_enabled(lcore) && lcore != rte_get_main_lcore())
			continue;
		snprintf(err, KS_ERR_LEN, "bad lcore: worker %s wants lcore %u, %s",
			 o->worker[i].name, lcore,
			 lcore == rte_get_main_lcore()
				 ? "which is the main lcore"
				 : "which the EAL arguments (-l, --lcores) do not enable");
		return false;
	}
	return true;
}

static size_t memory_needed(const struct options *o)
{
	size_t lcores = o->n_workers + 1, buffer = RTE_MBUF_DEFAULT_BUF_SIZE;

	for (unsigned i = 0; i < o->n_ports; i++)
		buffer = RTE_MAX(buffer, (size_t)RTE_PKTMBUF_HEADROOM + o->port[i].mtu + 32);
	return (size_t)o->pool_size * (buffer + 768) +
		lcores * lcores * RING_SIZE * sizeof(void *) * 2 + ((size_t)o->n_ports * 8 << 20) +
		((size_t)64 << 20);
}

/* Messages of the EAL that deserve a better word. */
static void explain(const char *reason, int why, char err[KS_ERR_LEN])
{
	const char *option = option_complaint();

	if (option != NULL)
		snprintf(err, KS_ERR_LEN, "EAL arguments: %s", option);
	else if (strstr(reason, "core") != NULL)
		snprintf(err, KS_ERR_LEN, "bad lcore: DPDK does not start: %s", reason);
	else if (strstr(log_text, "ermission denied") != NULL || why == EACCES || why == EPERM)
		snprintf(err, KS_ERR_LEN, "no permission: DPDK does not start: %s (run as root)",
			 reason);
	else if (reason[0] != '\0')
		snprintf(err, KS_ERR_LEN, "DPDK does not start: %s", reason);
	else
		snprintf(err, KS_ERR_LEN, "DPDK does not start: %s", rte_strerror(why));
}

bool eal_start(const struct options *o, char err[KS_ERR_LEN])
{
	static const cookie_io_functions_t io = { .write = log_write };
	struct eal_plan plan = { .o = o, .memory = memory_needed(o) };
	struct args a = { .n = 0 };
	FILE *stream;
	struct init in;

	for (unsigned i = 0; i < o->n_workers; i++)
		if (o->worker[i].lcore >= RTE_MAX_LCORE) {
			snprintf(err, KS_ERR_LEN,
				 "bad lcore: worker %s wants lcore %u, DPDK has lcores 0 to %d",
				 o->worker[i].name, o->worker[i].lcore, RTE_MAX_LCORE - 1);
			return false;
		}
	if (!choose_memory(&plan, err))
		return false;
	log_show = o->verbose;
	stream = fopencookie(NULL, "w", io);
	if (stream != NULL) {
		setvbuf(stream, NULL, _IOLBF, BUFSIZ);
		rte_openlog_stream(stream);
	}
	make_args(&a, &plan);
	in.argc = a.n;
	memcpy(in.argv, a.v, sizeof(in.argv)); /* the EAL reorders them */
	(void)eal_quietly(init, &in);
	for (int i = 0; i < a.n; i++) {
		if (o->verbose)
			ks_log(KS_LOG_DEBUG, "EAL argument: %s", a.v[i]);
		free(a.v[i]);
	}
	if (in.rc < 0) {
		explain(eal_log_reason(), in.why, err);
		return false;
	}
	is_up = true;
	return check_lcores(o, err);
}

void eal_stop(void)
{
	if (is_up)
		rte_eal_cleanup();
	is_up = false;
}
