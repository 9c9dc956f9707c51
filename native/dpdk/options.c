/* SPDX-License-Identifier: Apache-2.0 */
/* See options.h. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
	"keelson-dataplane: the packet half of Keelson; usually started by `keelson start`.\n"
	"\n"
	"  --socket PATH            control socket (required)\n"
	"  --main-lcore N           lcore of the main loop (0)\n"
	"  --max-sessions N         sessions of each worker (1048576)\n"
	"  --max-services N         (16384)\n"
	"  --max-real-servers N     (131072)\n"
	"  --idle-spin-us N         poll so long without a packet before sleeping (20)\n"
	"  --idle-sleep-max-us N    longest sleep of a worker whose ports cannot wake it; 0 = never sleep (500)\n"
	"  --huge auto|yes|no       huge pages; auto: if enough are free, else without, unless a port is hardware (auto)\n"
	"  --file-prefix NAME       keep the EAL's run-time files under this name (none are kept)\n"
	"  --pool-size N            packet buffers (16384)\n"
	"  --log-json               log lines as JSON\n"
	"  --verbose                show what the EAL says\n"
	"  --check                  set everything up, say what was found, end\n"
	"  --port NAME              a port; the options that follow are its own:\n"
	"    --devargs STRING       PCI address or vdev, e.g. net_af_packet0,iface=eth1\n"
	"    --rxq N --txq N        queues (1)   --rxd N --txd N  descriptors   --mtu N (1500)\n"
	"    --promisc              receive everything   --no-kni  no kernel interface NAME.kni\n"
	"  --worker NAME            a worker; the options that follow are its own:\n"
	"    --lcore N              its lcore (1, 2, ...)\n"
	"    --poll PORT:QUEUE      a receive queue it reads; a worker without one gets its packets from the others\n"
	"                           (when nobody has one: dealt out in turn)\n"
	"    --tx PORT:QUEUE        its transmit queue (a free one; if none is left another worker sends for it)\n"
	"  -- ARGUMENTS             the rest goes to the EAL\n";

static bool number(const char *s, uint32_t min, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long v;

	if (*s < '0' || *s > '9')
		return false;
	v = strtoul(s, &end, 10);
	if (*end != '\0' || v < min || v > max)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool number16(const char *s, uint32_t min, uint32_t max, uint16_t *out)
{
	uint32_t v;

	if (!number(s, min, max, &v))
		return false;
	*out = (uint16_t)v;
	return true;
}

static struct port_opts *add_port(struct options *o, const char *name)
{
	struct port_opts *p;

	if (o->n_ports == KS_MAX_PORTS || *name == '\0' ||
	    strlen(name) >= sizeof(o->port[0].name) - 4)
		return NULL;
	for (unsigned i = 0; i < o->n_ports; i++)
		if (strcmp(o->port[i].name, name) == 0)
			return NULL;
	p = &o->port[o->n_ports++];
	*p = (struct port_opts){
		.rxq = 1, .txq = 1, .rxd = 512, .txd = 512, .mtu = 1500, .kni = true
	};
	snprintf(p->name, sizeof(p->name), "%s", name);
	return p;
}

static bool add_queue(const struct options *o, struct poll_opts *list, unsigned *n_list,
		      unsigned max, bool tx, const char *spec)
{
	const char *colon = strrchr(spec, ':');
	uint32_t queue;

	if (colon == NULL || *n_list == max || !number(colon + 1, 0, 63, &queue))
		return false;
	for (unsigned i = 0; i < o->n_ports; i++) {
		size_t n = strlen(o->port[i].name);

		if (n != (size_t)(colon - spec) || memcmp(o->port[i].name, spec, n) != 0)
			continue;
		if (queue >= (tx ? o->port[i].txq : o->port[i].rxq))
			return false;
		list[(*n_list)++] = (struct poll_opts){ .port = i, .queue = (uint16_t)queue };
		return true;
	}
	return false;
}

/* Nobody said who reads what: queues are dealt out in turn. */
static void deal_out(struct options *o)
{
	unsigned next = 0;

	for (unsigned w = 0; w < o->n_workers; w++)
		if (o->worker[w].n_polls > 0)
			return;
	for (unsigned p = 0; p < o->n_ports && o->n_workers > 0; p++)
		for (uint16_t q = 0; q < o->port[p].rxq; q++) {
			struct worker_opts *w = &o->worker[next++ % o->n_workers];

			if (w->n_polls < MAX_POLLS)
				w->poll[w->n_polls++] = (struct poll_opts){ .port = p, .queue = q };
		}
}

static bool check_tx(const struct options *o, char err[KS_ERR_LEN])
{
	for (unsigned p = 0; p < o->n_ports; p++)
		for (unsigned q = 0; q < o->port[p].txq; q++) {
			unsigned owners = 0;

			for (unsigned w = 0; w < o->n_workers; w++)
				for (unsigned k = 0; k < o->worker[w].n_txs; k++)
					owners += o->worker[w].tx[k].port == p &&
						o->worker[w].tx[k].queue == q;
			if (owners > 1) {
				snprintf(
					err, KS_ERR_LEN,
					"transmit queue %u of port %s is given to %u workers; it has room for one",
					q, o->port[p].name, owners);
				return false;
			}
		}
	return true;
}

/* One option with its value; 1 = done, 0 = not known here, -1 = value is wrong. */
static int global_option(struct options *o, const char *name, const char *value)
{
	if (strcmp(name, "--socket") == 0) {
		o->socket = value;
		return *value != '\0' ? 1 : -1;
	}
	if (strcmp(name, "--file-prefix") == 0) {
		o->file_prefix = value;
		return *value != '\0' && strchr(value, '/') == NULL ? 1 : -1;
	}
	if (strcmp(name, "--main-lcore") == 0)
		return number(value, 0, 127, &o->main_lcore) ? 1 : -1;
	if (strcmp(name, "--max-sessions") == 0)
		return number(value, 1024, 1u << 26, &o->max_sessions) ? 1 : -1;
	if (strcmp(name, "--max-services") == 0)
		return number(value, 1, 1u << 20, &o->max_services) ? 1 : -1;
	if (strcmp(name, "--max-real-servers") == 0)
		return number(value, 1, 1u << 22, &o->max_real_servers) ? 1 : -1;
	if (strcmp(name, "--idle-sleep-max-us") == 0)
		return number(value, 0, 100000, &o->idle_sleep_max_us) ? 1 : -1;
	if (strcmp(name, "--idle-spin-us") == 0)
		return number(value, 0, 1000000, &o->idle_spin_us) ? 1 : -1;
	if (strcmp(name, "--huge") == 0) {
		static const char *const words[] = { "auto", "yes", "no" };

		for (unsigned i = 0; i < 3; i++)
			if (strcmp(value, words[i]) == 0) {
				o->huge = (enum huge)i;
				return 1;
			}
		return -1;
	}
	if (strcmp(name, "--pool-size") == 0)
		return number(value, 1023, 1u << 24, &o->pool_size) ? 1 : -1;
	return 0;
}

static int port_option(struct port_opts *p, const char *name, const char *value)
{
	if (strcmp(name, "--devargs") == 0) {
		p->devargs = value;
		return *value != '\0' ? 1 : -1;
	}
	if (strcmp(name, "--rxq") == 0)
		return number16(value, 1, 64, &p->rxq) ? 1 : -1;
	if (strcmp(name, "--txq") == 0)
		return number16(value, 1, 64, &p->txq) ? 1 : -1;
	if (strcmp(name, "--rxd") == 0)
		return number16(value, 16, 32768, &p->rxd) ? 1 : -1;
	if (strcmp(name, "--txd") == 0)
		return number16(value, 16, 32768, &p->txd) ? 1 : -1;
	if (strcmp(name, "--mtu") == 0)
		return number16(value, 576, 9000, &p->mtu) ? 1 : -1;
	return 0;
}

static int worker_option(struct options *o, struct worker_opts *w, const char *name,
			 const char *value)
{
	if (strcmp(name, "--lcore") == 0) {
		uint32_t v;

		if (!number(value, 0, 127, &v))
			return -1;
		w->lcore = v;
		return 1;
	}
	if (strcmp(name, "--poll") == 0)
		return add_queue(o, w->poll, &w->n_polls, MAX_POLLS, false, value) ? 1 : -1;
	if (strcmp(name, "--tx") == 0)
		return add_queue(o, w->tx, &w->n_txs, KS_MAX_PORTS, true, value) ? 1 : -1;
	return 0;
}

static bool check(const struct options *o, char err[KS_ERR_LEN])
{
	if (o->socket == NULL && !o->check) {
		snprintf(err, KS_ERR_LEN, "--socket PATH is missing");
		return false;
	}
	if (o->n_workers == 0) {
		snprintf(err, KS_ERR_LEN, "no --worker: name at least one");
		return false;
	}
	for (unsigned i = 0; i < o->n_workers; i++) {
		if (o->worker[i].lcore == o->main_lcore) {
			snprintf(err, KS_ERR_LEN,
				 "worker %s is on lcore %u, which is the main lcore",
				 o->worker[i].name, o->main_lcore);
			return false;
		}
		for (unsigned j = 0; j < i; j++) {
			if (o->worker[i].lcore == o->worker[j].lcore) {
				snprintf(err, KS_ERR_LEN, "workers %s and %s are both on lcore %u",
					 o->worker[j].name, o->worker[i].name, o->worker[i].lcore);
				return false;
			}
		}
	}
	for (unsigned p = 0; p < o->n_ports; p++) {
		for (unsigned q = 0; q < o->port[p].rxq; q++) {
			unsigned readers = 0;

			for (unsigned w = 0; w < o->n_workers; w++)
				for (unsigned k = 0; k < o->worker[w].n_polls; k++)
					readers += o->worker[w].poll[k].port == p &&
						o->worker[w].poll[k].queue == q;
			if (readers == 1)
				continue;
			snprintf(
				err, KS_ERR_LEN,
				"receive queue %u of port %s is read by %u workers; it needs one --poll %s:%u",
				q, o->port[p].name, readers, o->port[p].name, q);
			return false;
		}
	}
	return check_tx(o, err);
}

/* Options without a value. */
static bool flag_option(struct options *o, struct port_opts *port, const char *name)
{
	if (strcmp(name, "--verbose") == 0)
		o->verbose = true;
	else if (strcmp(name, "--log-json") == 0)
		o->log_json = true;
	else if (strcmp(name, "--check") == 0)
		o->check = true;
	else if (port != NULL && strcmp(name, "--promisc") == 0)
		port->promisc = true;
	else if (port != NULL && strcmp(name, "--no-kni") == 0)
		port->kni = false;
	else
		return false;
	return true;
}

enum parsed options_parse(struct options *o, int argc, char **argv, char err[KS_ERR_LEN])
{
	struct port_opts *port = NULL;
	struct worker_opts *worker = NULL;

	memset(o, 0, sizeof(*o));
	o->max_sessions = 1u << 20;
	o->max_services = 16384;
	o->max_real_servers = 131072;
	o->idle_spin_us = 20;
	o->idle_sleep_max_us = 500;
	o->pool_size = 16384;
	for (int i = 1; i < argc; i++) {
		const char *name = argv[i];
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		int done;

		if (strcmp(name, "--") == 0) {
			for (i++; i < argc; i++) {
				if (o->n_eal == MAX_EAL_ARGS - 16) {
					snprintf(err, KS_ERR_LEN, "too many EAL arguments");
					return PARSED_ERROR;
				}
				o->eal[o->n_eal++] = argv[i];
			}
			break;
		}
		if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
			fputs(help, stdout);
			return PARSED_EXIT;
		}
		if (strcmp(name, "--version") == 0) {
			printf("keelson-dataplane %s\n", KS_VERSION);
			return PARSED_EXIT;
		}
		if (flag_option(o, port, name))
			continue;
		if (value == NULL) {
			snprintf(err, KS_ERR_LEN,
				 "%s: unknown option, or its value is missing; see --help", name);
			return PARSED_ERROR;
		}
		i++;
		if (strcmp(name, "--port") == 0) {
			port = add_port(o, value);
			worker = NULL;
			if (port != NULL)
				continue;
			snprintf(err, KS_ERR_LEN,
				 "--port %s: name is empty, too long (11 characters) or used twice",
				 value);
			return PARSED_ERROR;
		}
		if (strcmp(name, "--worker") == 0) {
			port = NULL;
			if (o->n_workers == KS_MAX_WORKERS) {
				snprintf(err, KS_ERR_LEN, "more than %d workers", KS_MAX_WORKERS);
				return PARSED_ERROR;
			}
			worker = &o->worker[o->n_workers++];
			*worker = (struct worker_opts){ .name = value, .lcore = o->n_workers };
			continue;
		}
		done = worker != NULL ? worker_option(o, worker, name, value) : 0;
		if (done == 0 && port != NULL)
			done = port_option(port, name, value);
		if (done == 0)
			done = global_option(o, name, value);
		if (done <= 0) {
			snprintf(err, KS_ERR_LEN,
				 done == 0 ? "unknown option %s; see --help"
					   : "%s: '%s' is not a value for it",
				 name, value);
			return PARSED_ERROR;
		}
	}
	deal_out(o);
	return check(o, err) ? PARSED_RUN : PARSED_ERROR;
}
