/* SPDX-License-Identifier: Apache-2.0 */
/* The server side of the control socket: descriptors, clients, what waits to be sent. What messages
 * mean is in control_msg.c. */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "control_client.h"
#include "log.h"

#define MESSAGES_A_TURN 2 /* of one client: the main lcore has packets to see to */
#define EVENTS_A_TURN   16
#define ACCEPT_AGAIN_MS 1000u
#define LAST_MESSAGES   4096u /* more than a socket holds */

static bool watch(struct ks_control *c, int fd, void *who)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = who };

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

struct ks_control *ks_control_new(const struct ks_control_opts *o, char err[KS_ERR_LEN])
{
	struct ks_control *c = aligned_alloc(64, (sizeof(*c) + 63) & ~(size_t)63);

	if (c == NULL) {
		snprintf(err, KS_ERR_LEN, "no memory for the control server");
		return NULL;
	}
	memset(c, 0, sizeof(*c));
	c->o = *o;
	c->listen_fd = -1;
	c->generation = ks_desired_generation(o->desired);
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0) {
		snprintf(err, KS_ERR_LEN, "cannot make an epoll descriptor: %s", strerror(errno));
		ks_control_free(c);
		return NULL;
	}
	if (o->path == NULL)
		return c;
	c->listen_fd = ks_sock_listen(o->path, err);
	if (c->listen_fd >= 0)
		c->path = strdup(o->path);
	if (c->path != NULL && c->listen_fd >= 0)
		(void)ks_sock_identify(c->path, &c->socket);
	if (c->listen_fd < 0 || c->path == NULL || !watch(c, c->listen_fd, NULL)) {
		if (c->listen_fd >= 0)
			snprintf(err, KS_ERR_LEN, "no memory for the control server");
		ks_control_free(c);
		return NULL;
	}
	return c;
}

int ks_control_fd(const struct ks_control *c)
{
	return c->epoll_fd;
}
bool ks_control_reachable(const struct ks_control *c)
{
	struct ks_sock_id now;
	int failed;

	if (c->path == NULL)
		return true;
	failed = ks_sock_identify(c->path, &now);
	if (failed != 0)
		return failed != -ENOENT && failed != -ENOTDIR;
	return now.dev == c->socket.dev && now.ino == c->socket.ino;
}
bool ks_control_waiting(const struct ks_control *c)
{
	return c->waiting;
}
uint64_t ks_control_generation(const struct ks_control *c)
{
	return c->generation;
}
unsigned ks_control_clients(const struct ks_control *c)
{
	return c->n_clients;
}

/* ---- sending --------------------------------------------------------------------------------------------------- */

static void want_out(struct ks_control_client *cl, bool on)
{
	struct epoll_event ev = { .events = on ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = cl };

	if (cl->fd < 0 || cl->want_out == on)
		return;
	cl->want_out = on;
	if (epoll_ctl(cl->control->epoll_fd, EPOLL_CTL_MOD, cl->fd, &ev) < 0)
		cl->closing = true;
}

static void flush(struct ks_control_client *cl)
{
	while (cl->out != NULL && !cl->closing) {
		struct ks_out *o = cl->out;
		int status = cl->fd < 0 ? 0 : ks_sock_send(cl->fd, o->bytes, o->len, o->pass_fd);

		if (status == -EAGAIN || status == -ENOBUFS)
			break;
		if (status < 0)
			cl->closing = true;
		cl->out = o->next;
		if (cl->out == NULL)
			cl->out_end = &cl->out;
		cl->out_bytes -= o->len;
		free(o);
	}
	want_out(cl, cl->out != NULL);
}

/* A client that does not read its answers is cut off rather than waited for. */
void ks_client_send(struct ks_control_client *cl, enum ks_msg_type type, uint32_t seq,
		    const void *body, size_t len, const void *more, size_t more_len, int pass_fd)
{
	struct ks_msg head = { .magic = KS_IPC_MAGIC,
			       .version = KS_IPC_VERSION,
			       .type = (uint8_t)type,
			       .seq = seq,
			       .len = (uint32_t)(len + more_len) };
	size_t size = sizeof(head) + len + more_len;
	struct ks_out *o;

	if (cl->closing)
		return;
	o = cl->out_bytes + size <= KS_OUT_BYTES_MAX ? malloc(sizeof(*o) + size) : NULL;
	if (o == NULL) {
		cl->closing = true;
		return;
	}
	o->next = NULL;
	o->len = (uint32_t)size;
	o->pass_fd = pass_fd;
	memcpy(o->bytes, &head, sizeof(head));
	memcpy(o->bytes + sizeof(head), body, len);
	if (more_len > 0)
		memcpy(o->bytes + sizeof(head) + len, more, more_len);
	*cl->out_end = o;
	cl->out_end = &o->next;
	cl->out_bytes += o->len;
	flush(cl);
}

void ks_client_ack(struct ks_control_client *cl, uint32_t seq, int status, uint32_t op_index,
		   const char *reason)
{
	struct ks_ack ack = { .generation = cl->control->generation,
			      .status = (uint32_t)status,
			      .op_index = op_index };

	if (reason != NULL)
		memcpy(ack.reason, reason, strnlen(reason, sizeof(ack.reason) - 1));
	ks_client_send(cl, KS_MSG_ACK, seq, &ack, sizeof(ack), NULL, 0, -1);
}

void ks_control_event(struct ks_control *c, const struct ks_event *e)
{
	for (struct ks_control_client *cl = c->clients; cl != NULL; cl = cl->next)
		if (cl->greeted)
			ks_client_send(cl, KS_MSG_EVENT, 0, e, sizeof(*e), NULL, 0, -1);
}

/* ---- clients --------------------------------------------------------------------------------------------------- */

struct ks_control_client *ks_control_find(struct ks_control *c, uint32_t id)
{
	struct ks_control_client *cl = c->clients;

	while (cl != NULL && (cl->id != id || cl->closing))
		cl = cl->next;
	return cl;
}

struct ks_control_client *ks_control_adopt(struct ks_control *c, int fd)
{
	struct ks_control_client *cl =
		c->n_clients < KS_CLIENTS_MAX ? calloc(1, sizeof(*cl)) : NULL;

	if (cl == NULL || (fd >= 0 && !watch(c, fd, cl))) {
		free(cl);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	cl->control = c;
	cl->fd = fd;
	cl->id = ++c->next_id;
	cl->out_end = &cl->out;
	cl->next = c->clients;
	c->clients = cl;
	c->n_clients++;
	return cl;
}

static void client_free(struct ks_control_client *cl)
{
	ks_client_txn_drop(cl);
	if (cl->fd >= 0)
		close(cl->fd);
	while (cl->out != NULL) {
		struct ks_out *next = cl->out->next;

		free(cl->out);
		cl->out = next;
	}
	free(cl);
}

/* Clients are freed here alone, when nobody holds a pointer to one. */
static void reap(struct ks_control *c)
{
	for (struct ks_control_client **p = &c->clients; *p != NULL;) {
		struct ks_control_client *cl = *p;

		if (!cl->closing) {
			p = &cl->next;
			continue;
		}
		*p = cl->next;
		c->n_clients--;
		client_free(cl);
	}
}

void ks_control_free(struct ks_control *c)
{
	bool ours;

	if (c == NULL)
		return;
	for (struct ks_control_client *cl = c->clients; cl != NULL; cl = cl->next)
		cl->closing = true;
	reap(c);
	ours = ks_control_reachable(c);
	if (c->listen_fd >= 0)
		close(c->listen_fd);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	if (c->path != NULL && ours)
		unlink(c->path);
	free(c->path);
	free(c);
}

/* ---- turns ----------------------------------------------------------------------------------------------------- */

/* The client is gone. Of what it has left behind unread only the releases count: another node may
 * rely on them. Nobody waits for the answers. */
static void last_releases(struct ks_control_client *cl, ks_ms now)
{
	struct ks_control *c = cl->control;

	cl->closing = true;
	for (unsigned i = 0; i < LAST_MESSAGES; i++) {
		ssize_t n = ks_sock_recv(cl->fd, c->rx, sizeof(c->rx), &c->age_ms);

		if (n > 0 && ks_client_releases(cl, c->rx, (size_t)n))
			ks_client_message(cl, c->rx, (size_t)n, now);
		else if (n == 0 || (n < 0 && n != -EMSGSIZE && n != -ECONNRESET))
			return;
	}
}

static void client_ready(struct ks_control_client *cl, uint32_t events, ks_ms now)
{
	struct ks_control *c = cl->control;

	if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
		last_releases(cl, now);
		return;
	}
	if ((events & EPOLLOUT) != 0)
		flush(cl);
	for (unsigned i = 0; i < MESSAGES_A_TURN && !cl->closing; i++) {
		ssize_t n = ks_sock_recv(cl->fd, c->rx, sizeof(c->rx), &c->age_ms);

		if (n == -EAGAIN)
			return;
		if (n == -EMSGSIZE)
			ks_client_message(cl, NULL, 0, now);
		else if (n <= 0)
			cl->closing = true;
		else
			ks_client_message(cl, c->rx, (size_t)n, now);
	}
}

/* Too many are connected: the next one is told so rather than left to wonder. */
static void turn_away(struct ks_control *c, int fd)
{
	struct {
		struct ks_msg head;
		struct ks_ack ack;
	} no = { { .magic = KS_IPC_MAGIC,
		   .version = KS_IPC_VERSION,
		   .type = KS_MSG_ACK,
		   .len = sizeof(no.ack) },
		 { .generation = c->generation, .status = KS_E_BUSY, .op_index = UINT32_MAX } };

	snprintf(no.ack.reason, sizeof(no.ack.reason),
		 "%u clients are connected to the data plane: no more are taken", KS_CLIENTS_MAX);
	(void)ks_sock_send(fd, &no, sizeof(no), -1);
	if (!c->told_full)
		ks_log(KS_LOG_WARN, "%s", no.ack.reason);
	c->told_full = true;
	close(fd);
}

/* A connection that cannot be accepted stays readable: without descriptors or memory the socket is
 * left alone for a while. */
static void rest(struct ks_control *c, int why, ks_ms now)
{
	struct epoll_event ev = { .events = 0, .data.ptr = NULL };

	(void)epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, c->listen_fd, &ev);
	c->listen_at = now + ACCEPT_AGAIN_MS;
	ks_log(KS_LOG_ERROR, "cannot accept a client: %s; trying again in %u ms", strerror(why),
	       ACCEPT_AGAIN_MS);
}

static void listen_again(struct ks_control *c, ks_ms now)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = NULL };

	if (c->listen_at == 0 || now < c->listen_at)
		return;
	c->listen_at = 0;
	(void)epoll_ctl(c->epoll_fd, EPOLL_CTL_MOD, c->listen_fd, &ev);
}

static void accept_clients(struct ks_control *c, ks_ms now)
{
	for (unsigned i = 0; i < EVENTS_A_TURN; i++) {
		int fd = ks_sock_accept(c->listen_fd);

		if (fd == -EAGAIN)
			return;
		if (fd == -EPERM || fd == -ECONNABORTED || fd == -EINTR)
			continue;
		if (fd < 0) {
			rest(c, -fd, now);
			return;
		}
		if (c->n_clients >= KS_CLIENTS_MAX) {
			turn_away(c, fd);
			continue;
		}
		c->told_full = false;
		ks_control_adopt(c, fd);
	}
}

void ks_control_finish(struct ks_control *c)
{
	struct ks_control_client *cl;

	if (!c->waiting || !c->o.cb.quiesced(c->o.cb.ctx))
		return;
	c->waiting = false;
	cl = ks_control_find(c, c->wait_client);
	if (cl != NULL)
		ks_client_ack(cl, c->wait_seq, KS_OK, UINT32_MAX, NULL);
}

static void finish_turn(struct ks_control *c, ks_ms now)
{
	ks_control_txn_tick(c, now);
	ks_control_finish(c);
	reap(c);
	if (c->shutdown) {
		c->shutdown = false;
		c->o.cb.shutdown(c->o.cb.ctx, c->drain_ms);
	}
}

void ks_control_poll(struct ks_control *c, ks_ms now)
{
	struct epoll_event ev[EVENTS_A_TURN];
	int n;

	listen_again(c, now);
	n = epoll_wait(c->epoll_fd, ev, EVENTS_A_TURN, 0);

	for (int i = 0; i < n; i++) {
		if (ev[i].data.ptr == NULL)
			accept_clients(c, now);
		else
			client_ready(ev[i].data.ptr, ev[i].events, now);
	}
	finish_turn(c, now);
}

ks_ms ks_control_deadline(const struct ks_control *c)
{
	ks_ms idle = c->owner != NULL ? c->owner->heard_at + KS_TXN_IDLE_MS : UINT64_MAX;

	return c->listen_at != 0 && c->listen_at < idle ? c->listen_at : idle;
}

bool ks_control_feed(struct ks_control_client *cl, const void *buf, size_t len, ks_ms now)
{
	struct ks_control *c = cl->control;
	uint32_t id = cl->id;

	c->age_ms = 0;
	if (len <= sizeof(c->rx)) {
		memcpy(c->rx, buf, len);
		ks_client_message(cl, c->rx, len, now);
	} else {
		ks_client_message(cl, NULL, 0, now);
	}
	finish_turn(c, now);
	return ks_control_find(c, id) != NULL;
}
