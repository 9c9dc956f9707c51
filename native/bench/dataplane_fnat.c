/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dataplane-fnat: what a packet costs in the data plane, from the receive burst to the transmit
 * burst. The workers' loop and the core are the objects keelson-dataplane is made of; the ports are
 * a generator in this process. Beside each figure stands that of a bare loop, measured in turns
 * with it.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connections.h"
#include "ethdev_run.h"
#include "flows.h"
#include "ks_worker_int.h"
#include "measure.h"
#include "report.h"

#define MAX_SIZES 16u

struct wanted {
	bool json, quick, connections, claim_csum;
	uint32_t size[MAX_SIZES];
	unsigned n_sizes;
	bool tcp, udp;
	unsigned workers;
	bool steer_owner, steer_any;
	unsigned windows;
	double warm_ms, run_ms;
	uint32_t total; /* connections a round */
	unsigned rounds;
	struct options o;
};

static const char help[] =
	"dataplane-fnat [--json] [--quick] [--sessions 1,1k,10k,100k,1m] [--proto tcp,udp] [--workers N] [--steer owner|any|both]\n"
	"               [--csum offload|sw] [--no-connections] [--windows N] [--huge auto|yes|no] [-- EAL ARGS]\n"
	"dataplane-fnat --ethdev DEVARGS [--ethdev DEVARGS] ...   the same loop on DPDK devices: net_null0, net_pcap0,rx_pcap=F,infinite_rx=1\n"
	"\n"
	"  --steer owner   every packet arrives at the worker that owns its session (a NIC that steers)\n"
	"  --steer any     packets arrive at any worker (a NIC that cannot)\n";

static bool sizes(struct wanted *w, const char *s)
{
	w->n_sizes = 0;
	while (*s != '\0' && w->n_sizes < MAX_SIZES) {
		char *end;
		unsigned long v = strtoul(s, &end, 10);

		if (end == s)
			return false;
		if (*end == 'k' || *end == 'K') {
			v *= 1000;
			end++;
		} else if (*end == 'm' || *end == 'M') {
			v *= 1000000;
			end++;
		}
		if (v == 0 || v > 16000000 || (*end != '\0' && *end != ','))
			return false;
		w->size[w->n_sizes++] = (uint32_t)v;
		s = *end == ',' ? end + 1 : end;
	}
	return w->n_sizes > 0;
}

static bool option(struct wanted *w, const char *name, const char *value)
{
	if (strcmp(name, "--sessions") == 0)
		return sizes(w, value);
	if (strcmp(name, "--proto") == 0) {
		w->tcp = strstr(value, "tcp") != NULL;
		w->udp = strstr(value, "udp") != NULL;
		return w->tcp || w->udp;
	}
	if (strcmp(name, "--workers") == 0) {
		w->workers = (unsigned)atoi(value);
		return w->workers >= 1 && w->workers <= 32;
	}
	if (strcmp(name, "--steer") == 0) {
		w->steer_owner = strcmp(value, "any") != 0;
		w->steer_any = strcmp(value, "owner") != 0;
		return strcmp(value, "owner") == 0 || strcmp(value, "any") == 0 ||
			strcmp(value, "both") == 0;
	}
	if (strcmp(name, "--csum") == 0) {
		w->claim_csum = strcmp(value, "offload") == 0;
		return w->claim_csum || strcmp(value, "sw") == 0;
	}
	if (strcmp(name, "--windows") == 0) {
		w->windows = (unsigned)atoi(value);
		return w->windows >= 1 && w->windows <= MAX_WINDOWS;
	}
	if (strcmp(name, "--huge") == 0) {
		w->o.huge = strcmp(value, "yes") == 0 ? HUGE_YES
			: strcmp(value, "no") == 0    ? HUGE_NO
						      : HUGE_AUTO;
		return true;
	}
	if (strcmp(name, "--ethdev") == 0 && w->o.n_ports < KS_MAX_PORTS) {
		w->o.port[w->o.n_ports++].devargs = value;
		return true;
	}
	return false;
}

static bool parse(struct wanted *w, int argc, char **argv)
{
	bool windows_said = false;

	*w = (struct wanted){ .connections = true,
			      .claim_csum = true,
			      .tcp = true,
			      .udp = true,
			      .workers = 1,
			      .windows = 9 };
	w->steer_owner = w->steer_any = true;
	(void)sizes(w, "1,1k,10k,100k,1m");
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
			w->json = true;
		} else if (strcmp(argv[i], "--quick") == 0) {
			w->quick = true;
		} else if (strcmp(argv[i], "--no-connections") == 0) {
			w->connections = false;
		} else if (i + 1 < argc && option(w, argv[i], argv[i + 1])) {
			windows_said = windows_said || strcmp(argv[i], "--windows") == 0;
			i++;
		} else {
			fprintf(stderr, "dataplane-fnat: %s: unknown option or wrong value\n%s",
				argv[i], help);
			return false;
		}
	}
	w->warm_ms = w->quick ? 10 : 40;
	w->run_ms = w->quick ? 30 : 120;
	if (w->quick && !windows_said)
		w->windows = 3;
	w->total = w->quick ? 1u << 17 : 1u << 20;
	w->rounds = w->quick ? 2 : 5;
	return true;
}

/* Workers that are handed more than they can take lose packets, as they should; any other drop is a
 * fault of the run. */
static double lost_share(const struct rig *r, uint64_t rx_before, char err[KS_ERR_LEN])
{
	double full =
		(double)rig_counter(r, (enum ks_counter)(KS_C_DROP_FIRST + KS_DROP_RING_FULL));

	for (unsigned i = 0; i < KS_DROP_COUNT; i++)
		if (i != KS_DROP_RING_FULL &&
		    rig_counter(r, (enum ks_counter)(KS_C_DROP_FIRST + i)) > 0)
			rig_drops(r, err, KS_ERR_LEN);
	return full / (double)(rig_counter(r, KS_C_RX_PACKETS) - rx_before);
}

static bool cell(struct wanted *w, const struct measure *m, struct report *rep,
		 struct rte_mempool *pool, uint8_t proto, uint32_t n, char err[KS_ERR_LEN])
{
	struct cell c = { .proto = proto == IPPROTO_TCP ? "tcp" : "udp",
			  .sessions = n,
			  .workers = w->workers };
	struct bare bare[KS_MAX_WORKERS] = { 0 };
	struct flows f = { 0 };
	struct rig r = { 0 };
	bool ok = rig_open(&r, &w->o, &rig_fnat44, n + n / 4 + 1024, w->claim_csum, pool, err) &&
		flows_open(&f, &r, proto, n, err) && flows_establish(&f, shell_now(r.s), err) &&
		bare_open(&bare[0], &r.s->mem, n, proto);

	if (ok) {
		flows_to_bare(&f, &bare[0]);
		c.session_bytes = rig_session_bytes(&r, n);
	}
	for (unsigned steer = STEER_OWNER; ok && steer <= STEER_ANY; steer++) {
		struct series ks = { .n = 0 }, floor = { .n = 0 };
		uint64_t handed, rx;
		struct window win;

		if ((steer == STEER_OWNER && !w->steer_owner) ||
		    (steer == STEER_ANY && (!w->steer_any || w->workers == 1)))
			continue;
		for (unsigned i = 1; i < w->workers; i++)
			bare[i] = bare[0]; /* read only, but for `missed` */
		flows_play(&f, (enum steer)steer);
		handed = rig_counter(&r, KS_C_HANDED_OUT);
		rx = rig_counter(&r, KS_C_RX_PACKETS);
		for (unsigned i = 0; ok && i < w->windows; i++) {
			ok = measure_window(m, &r, NULL, &win);
			series_add(&ks, &win);
			ok = ok && measure_window(m, &r, bare, &win);
			series_add(&floor, &win);
		}
		c.steer = steer == STEER_OWNER ? "owner" : "any";
		c.ks = series_summary(m, &ks);
		c.bare = series_summary(m, &floor);
		c.handed = (double)(rig_counter(&r, KS_C_HANDED_OUT) - handed) /
			(double)(rig_counter(&r, KS_C_RX_PACKETS) - rx);
		c.lost = lost_share(&r, rx, err);
		ok = ok && err[0] == '\0' && bare[0].missed == 0;
		if (ok)
			report_cell(rep, &c);
	}
	flows_stop(&f);
	flows_close(&f);
	if (bare[0].e != NULL)
		bare_close(&bare[0]);
	rig_close(&r);
	return ok;
}

static bool connections(struct wanted *w, const struct measure *m, struct report *rep,
			struct rte_mempool *pool, char err[KS_ERR_LEN])
{
	static const uint32_t blocks[] = { 32, 1024, 32768 };

	for (unsigned i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		struct connections c;
		struct rig r = { 0 };
		bool ok = rig_open(&r, &w->o, &rig_fnat44, w->total + 1024, w->claim_csum, pool,
				   err) &&
			connections_run(&r, m, blocks[i], w->total, w->rounds, &c, err);

		if (ok)
			report_connections(rep, &c);
		rig_close(&r);
		if (!ok)
			return false;
	}
	return true;
}

static bool bench(struct wanted *w, struct rte_mempool *pool, char err[KS_ERR_LEN])
{
	struct measure m;
	struct report rep;

	measure_init(&m, w->warm_ms, w->run_ms);
	report_begin(&rep, w->json, &m, w->workers, w->claim_csum, w->quick);
	for (unsigned i = 0; i < w->n_sizes; i++) {
		if (w->tcp && !cell(w, &m, &rep, pool, IPPROTO_TCP, w->size[i], err))
			return false;
		if (w->udp && !cell(w, &m, &rep, pool, IPPROTO_UDP, w->size[i], err))
			return false;
	}
	if (w->connections && w->workers == 1 && !connections(w, &m, &rep, pool, err))
		return false;
	report_end(&rep);
	return true;
}

int main(int argc, char **argv)
{
	static struct wanted w;
	char err[KS_ERR_LEN] = "";
	struct rte_mempool *pool = NULL;
	struct options for_eal;
	bool ok, ethdev;

	if (!parse(&w, argc, argv))
		return 2;
	ethdev = w.o.n_ports > 0;
	rig_options(&w.o, w.workers, w.o.n_ports == 0);
	for_eal = w.o;
	if (!ethdev)
		for_eal.n_ports = 0; /* the generator is nothing it knows of */
	ok = eal_start(&for_eal, err) && (pool = port_pool(&w.o, err)) != NULL;
	if (ok)
		ok = ethdev ? ethdev_run(&w.o, pool, w.quick ? 1 : 3, w.json, err)
			    : bench(&w, pool, err);
	if (!ok)
		fprintf(stderr, "dataplane-fnat: %s\n", err);
	eal_stop();
	return ok ? 0 : 1;
}
