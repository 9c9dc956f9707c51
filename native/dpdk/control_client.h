/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the control server: its state, a client's state, and what its two files ask of each
 * other. */
#ifndef KS_CONTROL_CLIENT_H
#define KS_CONTROL_CLIENT_H

#include "control.h"

#define KS_CLIENTS_MAX   32u
#define KS_OUT_BYTES_MAX (4u * KS_IPC_MAX_MSG)
#define KS_SESSIONS_MAX  512u
#define KS_LIST_MAX      512u
#define KS_ASKED_MAX     16u
#define KS_LEASE_ADDRS_MAX                                                    \
	((KS_IPC_MAX_MSG - sizeof(struct ks_msg) - sizeof(struct ks_lease)) / \
	 sizeof(struct ks_lease_addr))
#define KS_TXN_IDLE_MS 10000u /* until the open generation of a silent client is dropped */

struct ks_out {
	struct ks_out *next;
	uint32_t len;
	int pass_fd;
	uint8_t bytes[];
};

/* A generation as its client sees it. FAILED: something was refused; what follows is swallowed
 * until COMMIT or ABORT is answered. */
enum ks_txn { KS_TXN_NONE, KS_TXN_OPEN, KS_TXN_FAILED };

struct ks_control_client {
	struct ks_control *control;
	struct ks_control_client *next;
	int fd; /* -1 = none, answers are dropped */
	uint32_t id;
	char name[sizeof(((struct ks_hello *)0)->name)]; /* as its HELLO says */
	bool greeted;
	bool closing;
	bool want_out; /* EPOLLOUT is asked for */
	struct ks_out *out, **out_end;
	uint32_t out_bytes;

	struct {
		uint32_t seq, worker;
	} asked[KS_ASKED_MAX]; /* the last requests for sessions */
	uint32_t n_asked;

	enum ks_txn txn;
	uint32_t ops; /* taken since BEGIN */
	ks_ms heard_at;
	bool told; /* the refusal has been answered with told_seq: a COMMIT of that seq gets no
		      second answer */
	uint32_t told_seq;
	uint32_t status, op_index; /* of the refusal */
	char reason[KS_REASON_LEN];
};

struct ks_control {
	struct ks_control_opts o;
	char *path;
	struct ks_sock_id socket; /* what is at that path while it is ours */
	int listen_fd, epoll_fd;
	ks_ms listen_at; /* when the listening socket is watched again; 0 = it is */
	bool told_full; /* that no more clients are taken */
	struct ks_control_client *clients;
	unsigned n_clients;
	uint32_t next_id;
	struct ks_control_client *owner; /* whose generation is open */
	uint64_t generation, digest;

	bool waiting; /* for quiesced() */
	uint32_t wait_client, wait_seq;

	bool shutdown;
	uint32_t drain_ms;
	struct ks_list_row rows[KS_LIST_MAX];
	struct ks_lease_state leases[KS_LEASE_ADDRS_MAX];
	uint32_t age_ms; /* of the message in rx: how long ago it was sent */
	_Alignas(8) uint8_t rx[KS_IPC_MAX_MSG];
};

/* control.c */
void ks_client_send(struct ks_control_client *cl, enum ks_msg_type type, uint32_t seq,
		    const void *body, size_t len, const void *more, size_t more_len, int pass_fd);
void ks_client_ack(struct ks_control_client *cl, uint32_t seq, int status, uint32_t op_index,
		   const char *reason);
void ks_control_finish(struct ks_control *c); /* acknowledge what the workers have taken over */
struct ks_control_client *ks_control_find(struct ks_control *c, uint32_t id);

/* control_msg.c: one message, 8-byte aligned. */
void ks_client_message(struct ks_control_client *cl, const uint8_t *buf, size_t len, ks_ms now);
bool ks_client_releases(const struct ks_control_client *cl, const uint8_t *buf, size_t len);
void ks_client_txn_drop(struct ks_control_client *cl); /* it has gone */
void ks_control_txn_tick(struct ks_control *c, ks_ms now);

#endif
