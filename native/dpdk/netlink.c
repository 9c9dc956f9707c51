/* SPDX-License-Identifier: Apache-2.0 */
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_BYTES 32768u
#define ANSWER_SEC   5

int ks_nl_open(int protocol)
{
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	struct timeval limit = { .tv_sec = ANSWER_SEC };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -1;
	if (bind(fd, (const void *)&self, sizeof(self)) == 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void put(struct ks_nl *m, const void *data, size_t len)
{
	size_t whole = NLMSG_ALIGN(len);

	if (m->len + whole > sizeof(m->buf)) { /* noticed when it is sent */
		m->len = sizeof(m->buf) + 1;
		return;
	}
	memset(m->buf + m->len, 0, whole);
	if (len > 0)
		memcpy(m->buf + m->len, data, len);
	m->len += whole;
}

static void set_length(struct ks_nl *m)
{
	uint32_t len = (uint32_t)(m->len - m->at);

	if (m->len <= sizeof(m->buf))
		memcpy(m->buf + m->at, &len, sizeof(len)); /* nlmsg_len stands first */
}

void ks_nl_begin(struct ks_nl *m, uint16_t type, uint16_t flags, const void *head, size_t len)
{
	struct nlmsghdr h = { .nlmsg_type = type,
			      .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
			      .nlmsg_seq = ++m->seq };

	m->acks += (flags & NLM_F_ACK) != 0;
	m->at = m->len;
	put(m, &h, sizeof(h));
	put(m, head, len);
	set_length(m);
}

void ks_nl_attr(struct ks_nl *m, uint16_t type, const void *data, size_t len)
{
	struct nlattr a = { .nla_len = (uint16_t)(sizeof(a) + len), .nla_type = type };

	put(m, &a, sizeof(a));
	put(m, data, len);
	set_length(m);
}

void ks_nl_string(struct ks_nl *m, uint16_t type, const char *s)
{
	ks_nl_attr(m, type, s, strlen(s) + 1);
}

void ks_nl_be32(struct ks_nl *m, uint16_t type, uint32_t v)
{
	v = htonl(v);
	ks_nl_attr(m, type, &v, sizeof(v));
}

size_t ks_nl_nest(struct ks_nl *m, uint16_t type)
{
	size_t at = m->len;

	ks_nl_attr(m, (uint16_t)(type | NLA_F_NESTED), NULL, 0);
	return at;
}

void ks_nl_end(struct ks_nl *m, size_t nest)
{
	uint16_t len = (uint16_t)(m->len - nest);

	if (m->len <= sizeof(m->buf))
		memcpy(m->buf + nest, &len, sizeof(len)); /* nla_len stands first */
}

/* One datagram of answers: true = that was the last. */
static bool read_answers(struct ks_nl *m, const uint8_t *buf, size_t n, int *failed,
			 void (*each)(void *ctx, const struct nlmsghdr *h), void *ctx)
{
	for (const struct nlmsghdr *h = (const void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
		const struct nlmsgerr *e = NLMSG_DATA(h);

		if (h->nlmsg_type == NLMSG_DONE)
			return true;
		if (h->nlmsg_type != NLMSG_ERROR) {
			if (each != NULL)
				each(ctx, h);
			if ((h->nlmsg_flags & NLM_F_MULTI) == 0 && m->acks == 0)
				return true;
			continue;
		}
		if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) && e->error != 0)
			*failed = -e->error;
		if (*failed != 0 || m->acks <= 1)
			return true;
		m->acks--;
	}
	return false;
}

int ks_nl_talk(int fd, struct ks_nl *m, void (*each)(void *ctx, const struct nlmsghdr *h),
	       void *ctx)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[ANSWER_BYTES];
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int failed = 0;

	if (m->len > sizeof(m->buf))
		return EMSGSIZE;
	if (sendto(fd, m->buf, m->len, 0, (const void *)&kernel, sizeof(kernel)) < 0)
		return errno;
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno;
		if (read_answers(m, buf, (size_t)n, &failed, each, ctx))
			return failed;
	}
}
