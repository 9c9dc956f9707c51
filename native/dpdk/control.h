/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane's end of the control socket (native/ipc/ks_ipc.h). Runs on the main lcore and
 * never blocks: descriptors are polled by one epoll descriptor, a commit is published at once and
 * acknowledged by a later ks_control_poll, when every worker has left the old generation. In: bytes
 * from clients. Out: changes of the desired state, a new ks_conf by `publish`, requests by the
 * other callbacks.
 *
 * Duties of the shell's main loop:
 *   1. ks_control_poll(c, now) whenever ks_control_fd is readable, when ks_control_deadline has
 * come, and each turn while ks_control_waiting is true (a commit waits for the workers).
 *   2. A generation of its own (kernel mirror changed, link changed): only while
 * !ks_control_waiting and !ks_desired_in_transaction(desired); else again later.
 */
#ifndef KS_CONTROL_H
#define KS_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ks_conf.h"
#include "ks_ipc.h"
#include "sock.h"

struct ks_control;
struct ks_control_client;

/* What the control server asks of the shell. All are called on the main lcore, from
 * ks_control_poll/feed. */
struct ks_control_cb {
	void *ctx;
	/* [n_rs_slots] 1 = some worker still counts sessions on that real server slot; valid until
	 * the next call. NULL = none. */
	const uint8_t *(*rs_in_use)(void *ctx);
	/* Swap to conf (the callee owns it from now) and return at once. */
	void (*publish)(void *ctx, struct ks_conf *conf);
	/* Has every worker left the generation before the one published last? */
	bool (*quiesced)(void *ctx);
	/* KS_MSG_LEASE: fills the state of each of the n addresses; n = 0 with ms = 0: all end. */
	void (*lease)(void *ctx, uint32_t ms, const struct ks_lease_addr *a, uint32_t n,
		      struct ks_lease_state *out);
	/* A client has said who it is: once a connection. NULL = nobody wants to know. */
	void (*greeted)(void *ctx, const char *name, uint32_t pid);
	/* Send it; KS_OK, or another status with reason filled. dev is known to be terminated. */
	int (*garp)(void *ctx, const struct ks_garp *garp, char reason[KS_REASON_LEN]);
	/* Ask the worker for a page; later (or from inside) answer by ks_control_sessions with the
	 * same token. False = cannot be asked. */
	bool (*sessions)(void *ctx, uint64_t token, const struct ks_sessions *ask);
	/* The client has got its ACK by now. */
	void (*shutdown)(void *ctx, uint32_t drain_ms);
	/* A page of a layer 3 table into rows; the number of rows, and where to go on. ask->kind is
	 * known, ask->max fits. */
	uint32_t (*list)(void *ctx, const struct ks_list *ask, struct ks_list_row *rows,
			 uint32_t *next);
};

struct ks_control_opts {
	const char *path; /* NULL = no listening socket (tests, fuzzing) */
	struct ks_desired *desired;
	struct ks_control_cb cb;
	uint64_t boot_id;
	uint32_t workers;
	uint32_t ports;
	int shm_fd; /* passed with HELLO_ACK; -1 = none */
	uint32_t shm_size;
	const char *version;
};

/* NULL = err tells why in one line ("another data plane is running ..."). */
struct ks_control *ks_control_new(const struct ks_control_opts *o, char err[KS_ERR_LEN]);
void ks_control_free(struct ks_control *c); /* closes clients, removes its socket file */

int ks_control_fd(const struct ks_control *c); /* readable = call ks_control_poll */
void ks_control_poll(struct ks_control *c, ks_ms now);
ks_ms ks_control_deadline(const struct ks_control *c); /* UINT64_MAX = none */
/* Looks whether clients can still find the socket; false = its path is gone, or another's. */
bool ks_control_reachable(const struct ks_control *c);
bool ks_control_waiting(const struct ks_control *c); /* a commit waits for quiesced() */

/* Tell every client that has said HELLO. */
void ks_control_event(struct ks_control *c, const struct ks_event *e);

/* The answer to cb.sessions. A token whose client is gone is ignored. */
void ks_control_sessions(struct ks_control *c, uint64_t token, int status,
			 const struct ks_session_row *rows, uint32_t count, uint32_t next);

uint64_t ks_control_generation(const struct ks_control *c);
unsigned ks_control_clients(const struct ks_control *c);

/* Add a connected SEQPACKET descriptor as a client (tests); takes it. fd -1 = a client without a
 * socket: what is sent to it is dropped (fuzzing). */
struct ks_control_client *ks_control_adopt(struct ks_control *c, int fd);
/* One message of a client as if it had come by its socket. The client may be gone afterwards: false
 * tells. */
bool ks_control_feed(struct ks_control_client *cl, const void *buf, size_t len, ks_ms now);

#endif
