/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client's messages do. Every message is answered or, inside a generation that was refused,
 * swallowed until its COMMIT; none is believed: lengths first, then the order, then the contents. A
 * refused op leaves nothing behind.
 *
 *   BEGIN  -> ACK only when refused
 *   OPS    -> nothing
 *   COMMIT -> ACK, when the workers have left the old generation
 *
 * A client that gives the messages of one generation one seq gets exactly one ACK with it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control_client.h"

__attribute__((format(printf, 4, 5))) static void refuse(struct ks_control_client *cl, uint32_t seq,
							 int status, const char *fmt, ...)
{
	char reason[KS_REASON_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	ks_client_ack(cl, seq, status, UINT32_MAX, reason);
}

/* ---- one generation -------------------------------------------------------------------------------------------- */

/* The open generation comes to nothing; its COMMIT will be told why. */
static void txn_fail(struct ks_control_client *cl, int status, uint32_t op_index,
		     const char *reason)
{
	struct ks_control *c = cl->control;

	if (c->owner == cl) {
		ks_desired_abort(c->o.desired);
		c->owner = NULL;
	}
	cl->txn = KS_TXN_FAILED;
	cl->told = false;
	cl->status = (uint32_t)status;
	cl->op_index = op_index;
	snprintf(cl->reason, sizeof(cl->reason), "%s", reason);
}

static void tell_refusal(struct ks_control_client *cl, uint32_t seq)
{
	cl->told = true;
	cl->told_seq = seq;
	ks_client_ack(cl, seq, (int)cl->status, cl->op_index, cl->reason);
}

void ks_client_txn_drop(struct ks_control_client *cl)
{
	struct ks_control *c = cl->control;

	if (c->owner != cl)
		return;
	ks_desired_abort(c->o.desired);
	c->owner = NULL;
}

void ks_control_txn_tick(struct ks_control *c, ks_ms now)
{
	if (c->owner != NULL && now >= c->owner->heard_at + KS_TXN_IDLE_MS)
		txn_fail(c->owner, KS_E_STATE, UINT32_MAX,
			 "the generation was open too long without a message");
}

static void begin(struct ks_control_client *cl, uint32_t seq, const void *body)
{
	struct ks_control *c = cl->control;
	const struct ks_begin *b = body;
	char reason[KS_REASON_LEN] = "";
	int status = KS_OK;

	if (c->owner == cl)
		ks_client_txn_drop(cl);
	ks_control_finish(c);
	if (c->owner != NULL || c->waiting) {
		status = KS_E_BUSY;
		snprintf(reason, sizeof(reason), "another generation is being made");
	} else if (b->base != 0 && b->base != c->generation) {
		status = KS_E_BASE;
		snprintf(reason, sizeof(reason),
			 "the base %llu is not the current generation, %llu",
			 (unsigned long long)b->base, (unsigned long long)c->generation);
	} else if (ks_desired_begin(c->o.desired, b->base == 0) != KS_OK) {
		status = KS_E_NO_MEMORY;
		snprintf(reason, sizeof(reason), "no memory left to begin a generation");
	}
	cl->ops = 0;
	if (status != KS_OK) {
		txn_fail(cl, status, UINT32_MAX, reason);
		tell_refusal(cl, seq);
		return;
	}
	cl->txn = KS_TXN_OPEN;
	c->owner = cl;
}

static void ops(struct ks_control_client *cl, uint32_t seq, const uint8_t *body, size_t len)
{
	size_t at = 0;

	if (cl->txn == KS_TXN_NONE)
		refuse(cl, seq, KS_E_STATE, "ops without a BEGIN");
	while (cl->txn == KS_TXN_OPEN && at < len) {
		const struct ks_op *op = (const void *)(body + at);
		char reason[KS_REASON_LEN] = "";
		int status;

		if (len - at < sizeof(*op) || op->len < sizeof(*op) || op->len > len - at ||
		    op->len % 4 != 0) {
			txn_fail(cl, KS_E_MALFORMED, cl->ops,
				 "an op is cut off or has an impossible length");
			return;
		}
		status = ks_desired_apply(cl->control->o.desired, op, op->len, reason);
		if (status != KS_OK) {
			txn_fail(cl, status, cl->ops, reason);
			return;
		}
		cl->ops++;
		at += op->len;
	}
}

static bool build_and_publish(struct ks_control *c, char *reason)
{
	const uint8_t *in_use = c->o.cb.rs_in_use != NULL ? c->o.cb.rs_in_use(c->o.cb.ctx) : NULL;
	struct ks_conf *conf = ks_conf_build(c->o.desired, in_use, reason);

	if (conf == NULL) {
		ks_desired_rollback(c->o.desired);
		return false;
	}
	c->o.cb.publish(c->o.cb.ctx, conf);
	return true;
}

static void commit(struct ks_control_client *cl, uint32_t seq, const void *body)
{
	struct ks_control *c = cl->control;
	const struct ks_commit *k = body;
	char reason[KS_REASON_LEN] = "";
	int status = KS_OK;

	if (cl->txn == KS_TXN_NONE) {
		refuse(cl, seq, KS_E_STATE, "a COMMIT without a BEGIN");
		return;
	}
	if (cl->txn == KS_TXN_OPEN && k->ops != cl->ops) {
		snprintf(reason, sizeof(reason), "COMMIT speaks of %u ops, %u came", k->ops,
			 cl->ops);
		txn_fail(cl, KS_E_MALFORMED, UINT32_MAX, reason);
	}
	if (cl->txn == KS_TXN_OPEN)
		status = ks_desired_commit(c->o.desired, k->generation, reason);
	if (cl->txn == KS_TXN_OPEN && status == KS_OK && !build_and_publish(c, reason))
		status = KS_E_NO_MEMORY;
	if (status != KS_OK)
		txn_fail(cl, status, UINT32_MAX, reason);
	if (cl->txn == KS_TXN_FAILED) {
		cl->txn = KS_TXN_NONE;
		if (!cl->told || cl->told_seq != seq)
			tell_refusal(cl, seq);
		return;
	}
	cl->txn = KS_TXN_NONE;
	c->owner = NULL;
	c->generation = k->generation;
	c->digest = k->digest;
	c->waiting = true;
	c->wait_client = cl->id;
	c->wait_seq = seq;
}

static void abort_txn(struct ks_control_client *cl, uint32_t seq)
{
	ks_client_txn_drop(cl);
	cl->txn = KS_TXN_NONE;
	ks_client_ack(cl, seq, KS_OK, UINT32_MAX, NULL);
}

/* ---- single requests ------------------------------------------------------------------------------------------- */

static void hello(struct ks_control_client *cl, uint32_t seq, const void *body)
{
	struct ks_control *c = cl->control;
	const struct ks_hello *h = body;
	struct ks_hello_ack ack = { .endian = KS_IPC_ENDIAN,
				    .boot_id = c->o.boot_id,
				    .generation = c->generation,
				    .digest = c->digest,
				    .workers = c->o.workers,
				    .ports = c->o.ports,
				    .shm_size = c->o.shm_size };

	if (h->endian != KS_IPC_ENDIAN) {
		refuse(cl, seq, KS_E_MALFORMED, "the client's byte order is not the data plane's");
		return;
	}
	memcpy(cl->name, h->name, sizeof(cl->name) - 1);
	if (!cl->greeted && c->o.cb.greeted != NULL)
		c->o.cb.greeted(c->o.cb.ctx, cl->name, h->pid);
	cl->greeted = true;
	ack.pid = (uint32_t)getpid();
	snprintf(ack.version, sizeof(ack.version), "%s", c->o.version != NULL ? c->o.version : "");
	ks_client_send(cl, KS_MSG_HELLO_ACK, seq, &ack, sizeof(ack), NULL, 0, c->o.shm_fd);
}

static void garp(struct ks_control_client *cl, uint32_t seq, const void *body)
{
	struct ks_control *c = cl->control;
	const struct ks_garp *g = body;
	char reason[KS_REASON_LEN] = "";
	int status;

	if (memchr(g->dev, 0, sizeof(g->dev)) == NULL || (g->af != 4 && g->af != 6)) {
		refuse(cl, seq, KS_E_INVALID,
		       "the device or the address family of the announcement is wrong");
		return;
	}
	status = c->o.cb.garp(c->o.cb.ctx, g, reason);
	ks_client_ack(cl, seq, status, UINT32_MAX, reason);
}

static void sessions(struct ks_control_client *cl, uint32_t seq, const void *body)
{
	struct ks_control *c = cl->control;
	struct ks_sessions ask = *(const struct ks_sessions *)body;
	uint64_t token = (uint64_t)cl->id << 32 |
		seq; /* also says whom to answer, should he still be there */

	cl->asked[cl->n_asked % KS_ASKED_MAX].seq = seq;
	cl->asked[cl->n_asked++ % KS_ASKED_MAX].worker = ask.worker;
	if (ask.max == 0 || ask.max > KS_SESSIONS_MAX)
		ask.max = KS_SESSIONS_MAX;
	if (ask.worker >= c->o.workers)
		ks_control_sessions(c, token, KS_E_NOT_FOUND, NULL, 0, UINT32_MAX);
	else if (!c->o.cb.sessions(c->o.cb.ctx, token, &ask))
		ks_control_sessions(c, token, KS_E_BUSY, NULL, 0, ask.cursor);
}

void ks_control_sessions(struct ks_control *c, uint64_t token, int status,
			 const struct ks_session_row *rows, uint32_t count, uint32_t next)
{
	struct ks_control_client *cl = ks_control_find(c, (uint32_t)(token >> 32));
	struct ks_sessions_ack ack = { .next = next, .count = count, .status = (uint32_t)status };

	if (cl == NULL || count > KS_SESSIONS_MAX)
		return;
	for (uint32_t i = 0; i < KS_ASKED_MAX && i < cl->n_asked; i++)
		if (cl->asked[i].seq == (uint32_t)token)
			ack.worker = cl->asked[i].worker;
	ks_client_send(cl, KS_MSG_SESSIONS_ACK, (uint32_t)token, &ack, sizeof(ack), rows,
		       count * sizeof(rows[0]), -1);
}

static void table(struct ks_control_client *cl, uint32_t seq, const void *body)
{
	struct ks_control *c = cl->control;
	struct ks_list ask = *(const struct ks_list *)body;
	struct ks_list_ack ack = { .kind = ask.kind, .next = UINT32_MAX };

	if (ask.max == 0 || ask.max > KS_LIST_MAX)
		ask.max = KS_LIST_MAX;
	if (ask.kind < KS_LIST_ADDRS || ask.kind > KS_LIST_NEIGHS || c->o.cb.list == NULL)
		ack.status = KS_E_NOT_FOUND;
	else
		ack.count = c->o.cb.list(c->o.cb.ctx, &ask, c->rows, &ack.next);
	ks_client_send(cl, KS_MSG_LIST_ACK, seq, &ack, sizeof(ack), c->rows,
		       ack.count * sizeof(c->rows[0]), -1);
}

/* A lease runs from the moment it was sent: a request that waited while nobody read it must not
 * revive what has ended meanwhile. */
static uint32_t lease_left(uint32_t ms, uint32_t age_ms)
{
	if (ms == 0 || ms == KS_LEASE_QUERY)
		return ms;
	return ms > age_ms ? ms - age_ms : KS_LEASE_QUERY;
}

static void lease(struct ks_control_client *cl, uint32_t seq, const uint8_t *body, size_t len)
{
	struct ks_control *c = cl->control;
	const struct ks_lease *l = (const void *)body;
	const struct ks_lease_addr *a = (const void *)(body + sizeof(*l));
	struct ks_lease_ack ack = { .status = KS_E_MALFORMED };

	if (len >= sizeof(*l) && l->count <= KS_LEASE_ADDRS_MAX && (l->count > 0 || l->ms == 0) &&
	    len == sizeof(*l) + l->count * sizeof(*a)) {
		ack = (struct ks_lease_ack){ .count = l->count, .status = KS_OK };
		c->o.cb.lease(c->o.cb.ctx, lease_left(l->ms, c->age_ms), a, l->count, c->leases);
	}
	ks_client_send(cl, KS_MSG_LEASE_ACK, seq, &ack, sizeof(ack), c->leases,
		       ack.count * sizeof(c->leases[0]), -1);
}

static void shutdown_request(struct ks_control_client *cl, uint32_t seq, const void *body)
{
	struct ks_control *c = cl->control;

	c->shutdown = true;
	c->drain_ms = ((const struct ks_shutdown *)body)->drain_ms;
	ks_client_ack(cl, seq, KS_OK, UINT32_MAX, NULL);
}

/* ---- dispatch -------------------------------------------------------------------------------------------------- */

#define ANY_LENGTH SIZE_MAX

static size_t body_size(uint8_t type)
{
	switch (type) {
	case KS_MSG_HELLO:
		return sizeof(struct ks_hello);
	case KS_MSG_BEGIN:
		return sizeof(struct ks_begin);
	case KS_MSG_COMMIT:
		return sizeof(struct ks_commit);
	case KS_MSG_GARP:
		return sizeof(struct ks_garp);
	case KS_MSG_SESSIONS:
		return sizeof(struct ks_sessions);
	case KS_MSG_LIST:
		return sizeof(struct ks_list);
	case KS_MSG_SHUTDOWN:
		return sizeof(struct ks_shutdown);
	case KS_MSG_ABORT:
	case KS_MSG_PING:
		return 0;
	default:
		return ANY_LENGTH;
	}
}

static void dispatch(struct ks_control_client *cl, const struct ks_msg *m, const uint8_t *body)
{
	switch (m->type) {
	case KS_MSG_HELLO:
		hello(cl, m->seq, body);
		break;
	case KS_MSG_BEGIN:
		begin(cl, m->seq, body);
		break;
	case KS_MSG_OPS:
		ops(cl, m->seq, body, m->len);
		break;
	case KS_MSG_COMMIT:
		commit(cl, m->seq, body);
		break;
	case KS_MSG_ABORT:
		abort_txn(cl, m->seq);
		break;
	case KS_MSG_LEASE:
		lease(cl, m->seq, body, m->len);
		break;
	case KS_MSG_GARP:
		garp(cl, m->seq, body);
		break;
	case KS_MSG_SESSIONS:
		sessions(cl, m->seq, body);
		break;
	case KS_MSG_LIST:
		table(cl, m->seq, body);
		break;
	case KS_MSG_PING:
		ks_client_ack(cl, m->seq, KS_OK, UINT32_MAX, NULL);
		break;
	case KS_MSG_SHUTDOWN:
		shutdown_request(cl, m->seq, body);
		break;
	default:
		refuse(cl, m->seq, KS_E_UNSUPPORTED, "message type %u is not known", m->type);
		break;
	}
}

/* A message that does not parse may have been a part of the open generation, which therefore comes
 * to nothing. */
static void malformed(struct ks_control_client *cl, uint32_t seq, int status, const char *reason)
{
	if (cl->txn == KS_TXN_OPEN)
		txn_fail(cl, status, UINT32_MAX, reason);
	if (cl->txn == KS_TXN_FAILED)
		tell_refusal(cl, seq);
	else
		refuse(cl, seq, status, "%s", reason);
}

/* Is that message a release of leases? */
bool ks_client_releases(const struct ks_control_client *cl, const uint8_t *buf, size_t len)
{
	const struct ks_msg *m = (const void *)buf;
	const struct ks_lease *l = (const void *)(buf + sizeof(*m));

	return cl->greeted && len >= sizeof(*m) + sizeof(*l) && m->type == KS_MSG_LEASE &&
		l->ms == 0;
}

void ks_client_message(struct ks_control_client *cl, const uint8_t *buf, size_t len, ks_ms now)
{
	const struct ks_msg *m = (const void *)buf;
	size_t want;

	cl->heard_at = now;
	if (len < sizeof(*m)) {
		malformed(cl, 0, KS_E_MALFORMED, "a message is cut off or too long");
		return;
	}
	if (m->magic != KS_IPC_MAGIC || m->len != len - sizeof(*m)) {
		malformed(cl, m->seq, KS_E_MALFORMED,
			  "a message has a wrong magic number or length");
		return;
	}
	if (m->version != KS_IPC_VERSION) {
		malformed(cl, m->seq, KS_E_UNSUPPORTED,
			  "client and data plane are of different versions");
		return;
	}
	want = body_size(m->type);
	if (want != ANY_LENGTH && want != m->len) {
		malformed(cl, m->seq, KS_E_MALFORMED, "a message has not the length of its type");
		return;
	}
	if (!cl->greeted && m->type != KS_MSG_HELLO) {
		refuse(cl, m->seq, KS_E_STATE, "the first message must be HELLO");
		return;
	}
	dispatch(cl, m, buf + sizeof(*m));
}
