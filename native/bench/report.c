/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <rte_version.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif
#ifndef BENCH_CFLAGS
#define BENCH_CFLAGS "?"
#endif

static void cpu_model(char *out, size_t cap)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "re");

	snprintf(out, cap, "unknown");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		const char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || colon == NULL)
			continue;
		snprintf(out, cap, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
		break;
	}
	if (f != NULL)
		fclose(f);
}

void report_conditions(const char *benchmark, bool json, const struct measure *m, unsigned workers,
		       bool claim_csum, bool quick)
{
	const char *pages = rte_eal_has_hugepages()
		? "huge pages"
		: "4 KB pages for packets, transparent huge pages for tables";
	char cpu[128];
	struct utsname u;

	cpu_model(cpu, sizeof(cpu));
	uname(&u);
	if (json)
		printf("{\"benchmark\":\"%s\",\"conditions\":{\"cpu\":\"%s\",\"cpus\":%ld,\"tsc_mhz\":%.0f,\"kernel\":\"%s\","
		       "\"dpdk\":\"%s\",\"compiler\":\"%s\",\"flags\":\"%s\",\"memory\":\"%s\",\"frame_bytes\":64,\"checksums\":\"%s\","
		       "\"workers\":%u,\"window_ms\":%.0f,\"quick\":%s}",
		       benchmark, cpu, sysconf(_SC_NPROCESSORS_ONLN), m->tsc_hz / 1e6, u.release,
		       rte_version(), COMPILER, BENCH_CFLAGS, pages,
		       claim_csum ? "verified by the port" : "verified in software", workers,
		       m->run_ms, quick ? "true" : "false");
	else
		printf("%s, %ld CPUs, TSC %.0f MHz, Linux %s\n%s, %s, %s\n%s; receive checksums %s\n\n",
		       cpu, sysconf(_SC_NPROCESSORS_ONLN), m->tsc_hz / 1e6, u.release,
		       rte_version(), COMPILER, BENCH_CFLAGS, pages,
		       claim_csum ? "verified by the port" : "verified in software");
}

void report_begin(struct report *r, bool json, const struct measure *m, unsigned workers,
		  bool claim_csum, bool quick)
{
	*r = (struct report){ .json = json };
	report_conditions("dataplane-fnat", json, m, workers, claim_csum, quick);
	if (json) {
		printf(",\"established\":[");
		return;
	}
	printf("Established sessions, 64-byte packets both ways in random order; cycles a packet, median (least-most) of the windows\n");
	printf("%-5s %9s %3s %-6s %8s %15s %7s %7s %9s %8s %9s %7s\n", "", "sessions", "wrk",
	       "steer", "keelson", "", "bare", "ratio", "gen rx+tx", "Mpps/wrk", "Mpps seen",
	       "B/sess");
}

void report_cell(struct report *r, const struct cell *c)
{
	double ratio = c->bare.cycles > 0 ? c->ks.cycles / c->bare.cycles : 0;

	if (r->json) {
		printf("%s\n{\"proto\":\"%s\",\"sessions\":%u,\"workers\":%u,\"steer\":\"%s\",\"cycles\":%.1f,\"cycles_min\":%.1f,"
		       "\"cycles_max\":%.1f,\"bare_cycles\":%.1f,\"ratio\":%.2f,\"generator_rx_cycles\":%.1f,\"generator_tx_cycles\":%.1f,"
		       "\"mpps_per_worker\":%.3f,\"mpps_seen\":%.3f,\"session_bytes\":%.0f,\"handed_over\":%.3f,\"ring_full\":%.4f,\"windows\":%u,"
		       "\"windows_thrown_away\":%u}",
		       r->items++ > 0 ? "," : "", c->proto, c->sessions, c->workers, c->steer,
		       c->ks.cycles, c->ks.min, c->ks.max, c->bare.cycles, ratio, c->ks.gen_rx,
		       c->ks.gen_tx, c->ks.mpps_cpu, c->ks.mpps_all, c->session_bytes, c->handed,
		       c->lost, c->ks.windows, c->ks.thrown_away);
		return;
	}
	printf("%-5s %9u %3u %-6s %8.1f (%5.0f -%6.0f) %7.1f %7.2f %4.0f+%-4.0f %8.2f %9.2f %7.0f",
	       c->proto, c->sessions, c->workers, c->steer, c->ks.cycles, c->ks.min, c->ks.max,
	       c->bare.cycles, ratio, c->ks.gen_rx, c->ks.gen_tx, c->ks.mpps_cpu, c->ks.mpps_all,
	       c->session_bytes);
	if (c->handed > 0)
		printf("  %.0f %% handed over, %.2f %% lost to full rings", c->handed * 100,
		       c->lost * 100);
	if (c->ks.thrown_away > 0)
		printf("  [%u of %u windows without the CPU]", c->ks.thrown_away, c->ks.windows);
	printf("\n");
	fflush(stdout);
}

void report_connections(struct report *r, const struct connections *c)
{
	if (!r->connections) {
		r->connections = true;
		r->items = 0;
		if (r->json)
			printf("],\"connections\":[");
		else
			printf("\nWhole TCP connections, 8 packets each (SYN, SYN-ACK, ACK, data, answer, FIN, FIN, ACK), one worker\n"
			       "%9s %12s %14s %20s %14s %14s\n",
			       "block", "cycles/conn", "expiry/conn", "(least - most)", "generator",
			       "connections/s");
	}
	if (r->json)
		printf("%s\n{\"block\":%u,\"cycles\":%.0f,\"expire_cycles\":%.0f,\"cycles_min\":%.0f,\"cycles_max\":%.0f,"
		       "\"generator_cycles\":%.0f,\"connections_per_second\":%.0f}",
		       r->items++ > 0 ? "," : "", c->block, c->cycles, c->expire_cycles, c->min,
		       c->max, c->generator, c->per_second);
	else
		printf("%9u %12.0f %14.0f (%7.0f -%8.0f) %14.0f %14.0f\n", c->block, c->cycles,
		       c->expire_cycles, c->min, c->max, c->generator, c->per_second);
	fflush(stdout);
}

void report_end(struct report *r)
{
	if (r->json)
		printf("]}\n");
}
