/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keelson-sim: the packet path with pcap files or a stream of records in the place of ports.
 *
 *   keelson-sim --port DEV=MAC ... [--address DEV=ADDR/LEN ...] [--workers N] [--seed N]
 *               [--max-sessions N] [--rss KEY] [--ops FILE] --in DEV=FILE.pcap ... [--out DIR]
 *   keelson-sim --port ... --stream
 *
 * With --in, the files are merged by their times, every frame gets a line that says what became of
 * it, and --out DIR gets DEV.pcap with what left by each port. With --stream, records come in on
 * standard input and go out on standard output; each has a head of 16 bytes, little-endian, and a
 * body. What an input record leads to goes before its DONE.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ks_rss.h"
#include "pcap.h"
#include "sim.h"

#define OPS_MAX (64u << 20)

enum rec_type {
	REC_OPS = 1, /* body: ops on what is there; ACK or REFUSED */
	REC_OPS_ANEW = 2, /* likewise, from an empty state */
	REC_FRAME = 3, /* body: a frame that arrives on `port` and is taken by `worker` */
	REC_ADVANCE = 4, /* to `at` */
	REC_COUNTERS = 5, /* a COUNTER for each that is not zero */
	REC_TX = 16,
	REC_KNI = 17,
	REC_DROP = 18, /* body: the frame; `reason` by its number */
	REC_ACK = 19,
	REC_REFUSED = 20, /* `reason` = status; body: why */
	REC_COUNTER = 21, /* `at` = value; body: name */
	REC_DONE = 22,
};

struct rec {
	uint32_t len; /* of the body */
	uint8_t type;
	uint8_t port;
	uint8_t worker;
	uint8_t reason;
	uint64_t at; /* virtual milliseconds since the start */
};
_Static_assert(sizeof(struct rec) == 16, "wire size");

struct input {
	unsigned port;
	const char *path;
	struct pcap_in pcap;
	bool some; /* `frame` holds one */
	uint8_t frame[SIM_FRAME_MAX];
	uint32_t len;
	uint64_t us;
};

struct program {
	struct sim_opts o;
	struct sim *sim;
	struct ks_rss rss;
	bool stream;
	const char *ops_path, *out_dir;
	struct input in[KS_MAX_PORTS];
	unsigned n_in;
	FILE *out[KS_MAX_PORTS];
	uint64_t frames, base_us;
	ks_ms start;
};

static const char *const drop_names[] = {
#define X(sym, name, help) name,
	KS_DROPS(X)
#undef X
};

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("keelson-sim: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

/* ---- options ------------------------------------------------------------------------------------------------------ */

/* DEV=VALUE: the device's number, and VALUE. */
static unsigned device_of(const struct program *g, const char *arg, const char **value)
{
	const char *eq = strchr(arg, '=');

	for (unsigned i = 0; eq != NULL && i < g->o.n_ports; i++)
		if (strlen(g->o.port[i].dev) == (size_t)(eq - arg) &&
		    strncmp(g->o.port[i].dev, arg, (size_t)(eq - arg)) == 0) {
			*value = eq + 1;
			return i;
		}
	die("'%s': DEV=VALUE is wanted, with a DEV that --port has named before", arg);
}

static void add_port(struct program *g, const char *arg)
{
	const char *eq = strchr(arg, '=');
	struct ks_port_info *p = &g->o.port[g->o.n_ports];
	unsigned mac[6];
	int end = 0;

	if (g->o.n_ports == KS_MAX_PORTS)
		die("more than %u ports", KS_MAX_PORTS);
	if (eq == NULL || eq == arg || (size_t)(eq - arg) >= sizeof(p->dev) ||
	    sscanf(eq + 1, "%2x:%2x:%2x:%2x:%2x:%2x%n", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4],
		   &mac[5], &end) != 6 ||
	    eq[1 + end] != '\0')
		die("--port '%s': DEV=MAC is wanted, as dpdk0=02:00:00:00:00:01", arg);
	*p = (struct ks_port_info){ .mtu = 1500, .up = true };
	memcpy(p->dev, arg, (size_t)(eq - arg));
	for (unsigned i = 0; i < 6; i++)
		p->mac[i] = (uint8_t)mac[i];
	g->o.n_ports++;
}

static void add_address(struct program *g, const char *arg)
{
	const char *value;
	unsigned port = device_of(g, arg, &value);
	struct ks_mirror_addr *a = &g->o.addr[g->o.n_addrs];
	char text[64], *slash, *end = NULL;
	unsigned long plen;

	snprintf(text, sizeof(text), "%s", value);
	slash = strchr(text, '/');
	if (g->o.n_addrs == SIM_ADDRS_MAX)
		die("more than %u addresses", SIM_ADDRS_MAX);
	if (slash == NULL)
		die("--address '%s': DEV=ADDRESS/LENGTH is wanted", arg);
	*slash = '\0';
	plen = strtoul(slash + 1, &end, 10);
	*a = (struct ks_mirror_addr){ .af = strchr(text, ':') != NULL ? 6 : 4,
				      .plen = (uint8_t)plen,
				      .port = (uint8_t)port };
	if (inet_pton(a->af == 4 ? AF_INET : AF_INET6, text, a->addr.b) != 1 || *end != '\0' ||
	    plen > (a->af == 4 ? 32u : 128u))
		die("--address '%s': DEV=ADDRESS/LENGTH is wanted", arg);
	g->o.n_addrs++;
}

static void add_input(struct program *g, const char *arg)
{
	const char *path;
	unsigned port = device_of(g, arg, &path);
	char err[PCAP_ERR];
	struct input *in;

	if (g->n_in == KS_MAX_PORTS)
		die("more than %u files", KS_MAX_PORTS);
	in = &g->in[g->n_in++];
	in->port = port;
	in->path = path;
	if (!pcap_open(&in->pcap, path, err))
		die("%s", err);
}

static uint64_t number(const char *option, const char *arg, uint64_t min, uint64_t max)
{
	char *end = NULL;
	unsigned long long v;

	errno = 0;
	v = strtoull(arg, &end, 10);
	if (errno != 0 || end == arg || *end != '\0' || v < min || v > max)
		die("--%s '%s': a number from %llu to %llu is wanted", option, arg,
		    (unsigned long long)min, (unsigned long long)max);
	return v;
}

/* Every port spreads packets as a NIC with that key does: 128 entries, the workers in turn. */
static void set_rss(struct program *g, const char *hex)
{
	uint8_t key[KS_RSS_KEY_MIN], worker[128];

	for (unsigned i = 0; i < sizeof(key); i++) {
		unsigned byte;

		if (sscanf(hex + (size_t)2 * i, "%2x", &byte) != 1)
			die("--rss '%s': 40 bytes in hexadecimal digits are wanted", hex);
		key[i] = (uint8_t)byte;
		if (hex[2 * i + 1] == '\0' && i + 1 < sizeof(key))
			die("--rss '%s': 40 bytes in hexadecimal digits are wanted", hex);
	}
	for (unsigned i = 0; i < sizeof(worker); i++)
		worker[i] = (uint8_t)(i % g->o.n_workers);
	if (!ks_rss_init(&g->rss, key, sizeof(key), worker, sizeof(worker),
			 KS_RSS_IP4 | KS_RSS_TCP4 | KS_RSS_UDP4 | KS_RSS_IP6 | KS_RSS_TCP6 |
				 KS_RSS_UDP6))
		die("--rss '%s': no key", hex);
	g->o.rss = &g->rss;
}

static void read_options(struct program *g, int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", 1, NULL, 'p' },
		{ "address", 1, NULL, 'a' },
		{ "workers", 1, NULL, 'w' },
		{ "seed", 1, NULL, 's' },
		{ "max-sessions", 1, NULL, 'm' },
		{ "ops", 1, NULL, 'o' },
		{ "in", 1, NULL, 'i' },
		{ "out", 1, NULL, 'd' },
		{ "rss", 1, NULL, 'r' },
		{ "stream", 0, NULL, 'S' },
		{ NULL, 0, NULL, 0 },
	};
	const char *rss_key = NULL;
	int c;

	g->o.n_workers = 1;
	g->o.max_sessions = 1u << 20;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'p':
			add_port(g, optarg);
			break;
		case 'a':
			add_address(g, optarg);
			break;
		case 'w':
			g->o.n_workers = (unsigned)number("workers", optarg, 1, KS_MAX_WORKERS);
			break;
		case 's':
			g->o.seed = number("seed", optarg, 0, UINT64_MAX);
			break;
		case 'm':
			g->o.max_sessions = (uint32_t)number("max-sessions", optarg, 64, 1u << 27);
			break;
		case 'o':
			g->ops_path = optarg;
			break;
		case 'i':
			add_input(g, optarg);
			break;
		case 'd':
			g->out_dir = optarg;
			break;
		case 'r':
			rss_key = optarg;
			break;
		case 'S':
			g->stream = true;
			break;
		default:
			die("see the head of native/sim/main.c for the options");
		}
	if (optind < argc)
		die("'%s' is no option", argv[optind]);
	if (rss_key != NULL)
		set_rss(g, rss_key);
	if (g->o.n_ports == 0)
		die("there is no port: name each by --port DEV=MAC");
	if (g->stream == (g->n_in > 0))
		die("either --in DEV=FILE.pcap or --stream");
}

/* ---- stream ------------------------------------------------------------------------------------------------------- */

static void put(const struct program *g, struct rec r, const void *body)
{
	r.at = r.type == REC_COUNTER ? r.at : sim_now(g->sim) - g->start;
	if (fwrite(&r, sizeof(r), 1, stdout) != 1 || fwrite(body, 1, r.len, stdout) != r.len)
		die("standard output: %s", strerror(errno));
}

static void stream_out(void *ctx, const struct sim_out *o)
{
	static const uint8_t type[] = {
		[SIM_TX] = REC_TX, [SIM_KNI] = REC_KNI, [SIM_DROP] = REC_DROP
	};
	const struct program *g = ctx;

	if (g->sim == NULL)
		return;
	put(g,
	    (struct rec){ .len = o->len,
			  .type = type[o->fate],
			  .port = o->port,
			  .worker = o->worker,
			  .reason = o->fate == SIM_DROP ? (uint8_t)o->reason : 0 },
	    o->frame);
}

static void take_ops(const struct program *g, bool anew, const uint8_t *ops, size_t len)
{
	char reason[KS_REASON_LEN];
	int status = sim_ops(g->sim, anew, ops, len, reason);

	if (status == KS_OK)
		put(g, (struct rec){ .type = REC_ACK }, "");
	else
		put(g,
		    (struct rec){ .type = REC_REFUSED,
				  .reason = (uint8_t)status,
				  .len = (uint32_t)strlen(reason) },
		    reason);
}

static void put_counters(const struct program *g)
{
	for (unsigned i = 0; i < KS_DROP_COUNT; i++) {
		uint64_t v = sim_counter(g->sim, KS_C_DROP_FIRST + i);

		if (v != 0)
			put(g,
			    (struct rec){ .type = REC_COUNTER,
					  .at = v,
					  .len = (uint32_t)strlen(drop_names[i]) },
			    drop_names[i]);
	}
}

static void take_record(const struct program *g, const struct rec *r, const uint8_t *body)
{
	switch (r->type) {
	case REC_OPS:
	case REC_OPS_ANEW:
		take_ops(g, r->type == REC_OPS_ANEW, body, r->len);
		break;
	case REC_FRAME:
		if (r->port >= g->o.n_ports || r->worker >= g->o.n_workers ||
		    r->len > SIM_FRAME_MAX)
			die("a frame of %u bytes on port %u for worker %u", r->len, r->port,
			    r->worker);
		sim_frame(g->sim, r->port, r->worker, body, (uint16_t)r->len);
		break;
	case REC_ADVANCE:
		sim_advance(g->sim, g->start + r->at);
		break;
	case REC_COUNTERS:
		put_counters(g);
		break;
	default:
		die("a record of type %u", r->type);
	}
	put(g, (struct rec){ .type = REC_DONE }, "");
	fflush(stdout);
}

static void run_stream(const struct program *g)
{
	struct rec r;

	while (fread(&r, sizeof(r), 1, stdin) == 1) {
		uint8_t *body;

		if (r.len > OPS_MAX)
			die("a record of %u bytes", r.len);
		body = malloc(r.len + 1u);
		if (body == NULL || fread(body, 1, r.len, stdin) != r.len)
			die("a record is cut off");
		take_record(g, &r, body);
		free(body);
	}
}

/* ---- files -------------------------------------------------------------------------------------------------------- */

static void file_out(void *ctx, const struct sim_out *o)
{
	const struct program *g = ctx;
	char worker[16] = "main";

	if (g->sim == NULL)
		return;
	if (o->worker < g->o.n_workers)
		snprintf(worker, sizeof(worker), "worker %u", o->worker);
	printf("    %s",
	       o->fate == SIM_TX            ? "sent on "
		       : o->fate == SIM_KNI ? "to the kernel interface of "
					    : "dropped: ");
	printf("%s, %u bytes, %s\n",
	       o->fate == SIM_DROP ? drop_names[o->reason] : g->o.port[o->port].dev, o->len,
	       worker);
	if (o->fate == SIM_TX && g->out[o->port] != NULL &&
	    !pcap_write(g->out[o->port], g->base_us + (o->at - g->start) * 1000, o->frame, o->len))
		die("%s: %s", g->out_dir, strerror(errno));
}

static void fetch(struct input *in)
{
	char err[PCAP_ERR];
	int got = pcap_next(&in->pcap, in->frame, sizeof(in->frame), &in->len, &in->us, err);

	if (got < 0)
		die("%s: %s", in->path, err);
	in->some = got == 1;
}

static struct input *earliest(struct program *g)
{
	struct input *first = NULL;

	for (unsigned i = 0; i < g->n_in; i++)
		if (g->in[i].some && (first == NULL || g->in[i].us < first->us))
			first = &g->in[i];
	return first;
}

static void run_files(struct program *g)
{
	struct input *in;

	for (unsigned i = 0; i < g->n_in; i++)
		fetch(&g->in[i]);
	in = earliest(g);
	g->base_us = in != NULL ? in->us : 0;
	for (; in != NULL; in = earliest(g)) {
		unsigned worker = (unsigned)(g->frames % g->o.n_workers);

		sim_advance(g->sim, g->start + (in->us - g->base_us) / 1000);
		printf("%llu: %.6f s, %s, %u bytes\n", (unsigned long long)++g->frames,
		       (double)(in->us - g->base_us) / 1e6, g->o.port[in->port].dev, in->len);
		sim_frame(g->sim, in->port, worker, in->frame, (uint16_t)in->len);
		fetch(in);
	}
}

static void load_ops(const struct program *g)
{
	FILE *f = fopen(g->ops_path, "rb");
	uint8_t *ops = malloc(OPS_MAX);
	char reason[KS_REASON_LEN];
	size_t len;

	if (f == NULL || ops == NULL)
		die("%s: %s", g->ops_path, strerror(errno));
	len = fread(ops, 1, OPS_MAX, f);
	if (sim_ops(g->sim, true, ops, len, reason) != KS_OK)
		die("%s: %s", g->ops_path, reason);
	free(ops);
	fclose(f);
}

int main(int argc, char **argv)
{
	static struct program g;
	char path[4096], err[PCAP_ERR];

	read_options(&g, argc, argv);
	g.o.ctx = &g;
	g.o.out = g.stream ? stream_out : file_out;
	g.sim = sim_new(&g.o);
	if (g.sim == NULL)
		die("not enough memory");
	g.start = sim_now(g.sim);
	if (g.ops_path != NULL)
		load_ops(&g);
	for (unsigned i = 0; g.out_dir != NULL && i < g.o.n_ports; i++) {
		snprintf(path, sizeof(path), "%s/%s.pcap", g.out_dir, g.o.port[i].dev);
		g.out[i] = pcap_create(path, err);
		if (g.out[i] == NULL)
			die("%s", err);
	}
	if (g.stream)
		run_stream(&g);
	else
		run_files(&g);
	for (unsigned i = 0; i < g.n_in; i++)
		pcap_close(&g.in[i].pcap);
	for (unsigned i = 0; i < g.o.n_ports; i++)
		if (g.out[i] != NULL && fclose(g.out[i]) != 0)
			die("%s: %s", g.out_dir, strerror(errno));
	sim_free(g.sim);
	return 0;
}
