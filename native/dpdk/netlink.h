/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests over netlink, for what has no ioctl: messages are put together in one buffer, sent, and
 * their acknowledgements waited for. Used while the data plane starts, never by a worker.
 */
#ifndef KS_NETLINK_H
#define KS_NETLINK_H

#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

struct ks_nl {
	_Alignas(NLMSG_ALIGNTO) uint8_t buf[2048];
	size_t len;
	size_t at; /* of the last message */
	uint32_t seq;
	unsigned acks; /* messages that ask for one */
};

int ks_nl_open(int protocol); /* -1 with errno */
void ks_nl_begin(struct ks_nl *m, uint16_t type, uint16_t flags, const void *head, size_t len);
void ks_nl_attr(struct ks_nl *m, uint16_t type, const void *data, size_t len);
void ks_nl_string(struct ks_nl *m, uint16_t type, const char *s);
void ks_nl_be32(struct ks_nl *m, uint16_t type, uint32_t v);
size_t ks_nl_nest(struct ks_nl *m, uint16_t type);
void ks_nl_end(struct ks_nl *m, size_t nest);

/* Sends, and hands every message that is no acknowledgement to `each`. 0, or the errno of the
 * message that failed. */
int ks_nl_talk(int fd, struct ks_nl *m, void (*each)(void *ctx, const struct nlmsghdr *h),
	       void *ctx);

#endif
