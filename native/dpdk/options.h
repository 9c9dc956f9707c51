/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of keelson-dataplane, made by the controller from dpvs.conf:
 *
 *   keelson-dataplane --socket PATH [--main-lcore N] [--max-sessions N] [--max-services N]
 * [--max-real-servers N]
 *       [--idle-spin-us N] [--idle-sleep-max-us N] [--huge auto|yes|no] [--file-prefix NAME]
 * [--pool-size N]
 *       [--log-json] [--verbose] [--check]
 *       --port NAME [--devargs STRING] [--rxq N] [--txq N] [--rxd N] [--txd N] [--mtu N]
 * [--promisc] [--no-kni] ...
 *       --worker NAME [--lcore N] [--poll PORT:QUEUE]... [--tx PORT:QUEUE]... ...
 *       [-- EAL ARGUMENTS]
 *
 * Options after --port or --worker belong to that port or worker; global ones may stand anywhere. A
 * value is a word of its own and never split, so devargs may hold commas. A port without --devargs
 * is the next one the EAL has probed. When no worker has a --poll, receive queues are dealt out in
 * turn. A worker without a --tx on a port takes a free queue; when there is none it hands its
 * frames to a worker that has one. Relative paths are relative to where the command was typed.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "ks_conf.h"
#include "sock.h"

#define MAX_POLLS    64
#define MAX_EAL_ARGS 64

struct port_opts {
	char name[KS_DEV_NAME];
	const char *devargs; /* NULL = next probed */
	uint16_t rxq, txq, rxd, txd, mtu;
	bool promisc;
	bool kni;
};

struct poll_opts {
	unsigned port;
	uint16_t queue;
};

struct worker_opts {
	const char *name;
	unsigned lcore;
	unsigned n_polls;
	struct poll_opts poll[MAX_POLLS];
	unsigned n_txs;
	struct poll_opts tx[KS_MAX_PORTS];
};

/* auto: huge pages if enough are free; else without, unless a port is hardware. */
enum huge { HUGE_AUTO, HUGE_YES, HUGE_NO };

struct options {
	const char *socket;
	const char *file_prefix;
	unsigned main_lcore;
	uint32_t max_sessions; /* of each worker */
	uint32_t max_services;
	uint32_t max_real_servers;
	uint32_t idle_spin_us;
	uint32_t idle_sleep_max_us;
	enum huge huge;
	uint32_t pool_size;
	bool verbose;
	bool log_json;
	bool check; /* set everything up, say what was found, end */
	unsigned n_ports;
	struct port_opts port[KS_MAX_PORTS];
	unsigned n_workers;
	struct worker_opts worker[KS_MAX_WORKERS];
	int n_eal;
	char *eal[MAX_EAL_ARGS];
};

enum parsed {
	PARSED_RUN,
	PARSED_EXIT, /* --help or --version was printed */
	PARSED_ERROR,
};

enum parsed options_parse(struct options *o, int argc, char **argv, char err[KS_ERR_LEN]);

#endif
