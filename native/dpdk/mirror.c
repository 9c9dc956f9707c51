/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversation with rtnetlink. Notifications and the answers to our dumps come on one socket
 * and so in the order in which the kernel made them; a set is cleared when its dump is asked for,
 * whatever arrives is applied, and the sets are handed over when no dump is under way.
 *
 * The kernel drops routes without a word when an interface goes down or a preferred source address
 * goes: those cases ask for a new dump. When notifications were lost (ENOBUFS) the socket is thrown
 * away and everything starts over.
 */
#include "mirror.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mirror_msg.h"
#include "mirror_set.h"

#define DEBOUNCE_MS  20u
#define RETRY_MS     1000u
#define ROUTES_A_MS  1000u /* a big table is handed over less often: building from it costs */
#define READS_A_TURN 16
#define RECV_BUFFER  (4 << 20)

enum dump { DUMP_ADDRS, DUMP_ROUTES, DUMP_ROUTES6, DUMP_NEIGHS, DUMP_NEIGHS6, DUMP_NONE };

struct ks_mirror {
	struct ks_mirror_opts o;
	struct ks_mirror_ports ports;
	int epoll_fd;
	int fd; /* -1 = to be opened again */
	ks_ms retry_at;
	uint32_t seq;
	enum dump dump; /* under way */
	bool interrupted; /* it must be repeated */
	bool again; /* a new dump is wanted when this one is done */
	ks_ms again_at; /* and not before */
	bool synced;
	bool dirty; /* changes to hand over */
	ks_ms due;
	bool link_up[KS_MAX_PORTS];
	struct ks_addr_set addrs;
	struct ks_route_set routes;
	_Alignas(NLMSG_ALIGNTO) char buf[32768];
};

/* ---- socket and dumps ------------------------------------------------------------------------------------------ */

static bool open_socket(struct ks_mirror *m)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK,
				  .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
					  RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR |
					  RTMGRP_IPV6_ROUTE | RTMGRP_NEIGH |
					  1u << (RTNLGRP_NEXTHOP - 1) };
	struct epoll_event ev = { .events = EPOLLIN };
	int size = RECV_BUFFER, on = 1;

	m->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (m->fd < 0)
		return false;
	if (setsockopt(m->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(m->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	/* Lets the kernel dump the one routing table; without it (before 4.20) we sort out the
	 * others. */
	(void)setsockopt(m->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (bind(m->fd, (const void *)&sa, sizeof(sa)) == 0 &&
	    epoll_ctl(m->epoll_fd, EPOLL_CTL_ADD, m->fd, &ev) == 0)
		return true;
	close(m->fd);
	m->fd = -1;
	return false;
}

static bool ask(struct ks_mirror *m, enum dump what)
{
	struct {
		struct nlmsghdr h;
		union {
			struct ifaddrmsg addr;
			struct rtmsg route;
			struct ndmsg neigh;
		};
	} req = { 0 };

	req.h.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	req.h.nlmsg_seq = ++m->seq;
	switch (what) {
	case DUMP_ADDRS:
		m->addrs.n = 0;
		req.h.nlmsg_type = RTM_GETADDR;
		req.h.nlmsg_len = NLMSG_LENGTH(sizeof(req.addr));
		req.addr.ifa_family = AF_UNSPEC;
		break;
	case DUMP_ROUTES:
		ks_route_set_clear(&m->routes);
		/* fall through */
	case DUMP_ROUTES6:
		req.h.nlmsg_type = RTM_GETROUTE;
		req.h.nlmsg_len = NLMSG_LENGTH(sizeof(req.route));
		req.route.rtm_family = what == DUMP_ROUTES ? AF_INET : AF_INET6;
		req.route.rtm_table = RT_TABLE_MAIN;
		break;
	default:
		req.h.nlmsg_type = RTM_GETNEIGH;
		req.h.nlmsg_len = NLMSG_LENGTH(sizeof(req.neigh));
		req.neigh.ndm_family = what == DUMP_NEIGHS ? AF_INET : AF_INET6;
		break;
	}
	m->dump = what;
	m->interrupted = false;
	return send(m->fd, &req, req.h.nlmsg_len, 0) == (ssize_t)req.h.nlmsg_len;
}

/* Without a socket; the next poll after retry_at opens another. What was handed over stays
 * meanwhile. */
static void hang_up(struct ks_mirror *m, ks_ms retry_at)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	m->again = false;
	m->dump = DUMP_NONE;
	m->retry_at = retry_at;
}

static void start_over(struct ks_mirror *m, ks_ms now)
{
	hang_up(m, now + RETRY_MS);
	m->dirty = m->synced; /* something may be gone, of which no message will come */
	m->due = now;
	if (!open_socket(m) || !ask(m, DUMP_ADDRS))
		hang_up(m, now + RETRY_MS);
}

struct ks_mirror *ks_mirror_new(const struct ks_mirror_opts *o, char err[KS_ERR_LEN])
{
	struct ks_mirror *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		snprintf(err, KS_ERR_LEN, "no memory to follow the kernel's addresses");
		return NULL;
	}
	m->o = *o;
	m->ports.n = o->n_ports < KS_MAX_PORTS ? o->n_ports : KS_MAX_PORTS;
	memcpy(m->ports.ifindex, o->ifindex, sizeof(m->ports.ifindex));
	m->fd = -1;
	m->dump = DUMP_NONE;
	for (unsigned i = 0; i < KS_MAX_PORTS; i++)
		m->link_up[i] = true;
	m->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (m->epoll_fd >= 0)
		start_over(m, 0);
	if (m->fd < 0) {
		snprintf(err, KS_ERR_LEN, "cannot ask the kernel for its addresses and routes: %s",
			 strerror(errno));
		ks_mirror_free(m);
		return NULL;
	}
	return m;
}

void ks_mirror_free(struct ks_mirror *m)
{
	if (m == NULL)
		return;
	if (m->fd >= 0)
		close(m->fd);
	if (m->epoll_fd >= 0)
		close(m->epoll_fd);
	ks_addr_set_free(&m->addrs);
	ks_route_set_free(&m->routes);
	free(m);
}

int ks_mirror_fd(const struct ks_mirror *m)
{
	return m->epoll_fd;
}
bool ks_mirror_synced(const struct ks_mirror *m)
{
	return m->synced;
}

/* ---- messages -------------------------------------------------------------------------------------------------- */

static void note_change(struct ks_mirror *m, bool changed, ks_ms now)
{
	if (!changed || m->dirty)
		return;
	m->dirty = true;
	m->due = now + DEBOUNCE_MS + m->routes.n / ROUTES_A_MS;
}

static void route_message(struct ks_mirror *m, const struct nlmsghdr *h, bool *failed, ks_ms now)
{
	struct ks_mirror_route r[KS_MIRROR_HOPS];
	unsigned n = ks_mirror_parse_route(&m->ports, h, r);
	bool changed = false;

	for (unsigned i = 0; i < n; i++) {
		if (h->nlmsg_type == RTM_DELROUTE)
			changed |= ks_route_set_del(&m->routes, &r[i]);
		else if (i == 0 && (h->nlmsg_flags & NLM_F_REPLACE) != 0)
			changed |= ks_route_set_replace(&m->routes, &r[i], failed);
		else
			changed |= ks_route_set_add(&m->routes, &r[i], failed);
	}
	note_change(m, changed, now);
}

static void addr_message(struct ks_mirror *m, const struct nlmsghdr *h, bool *failed, ks_ms now)
{
	struct ks_mirror_addr a;
	bool ours;

	if (!ks_mirror_parse_addr(&m->ports, h, &a, &ours))
		return;
	if (ours) {
		note_change(m, ks_addr_set_add(&m->addrs, &a, failed), now);
	} else {
		note_change(m, ks_addr_set_del(&m->addrs, &a), now);
		m->again = h->nlmsg_type == RTM_DELADDR ||
			m->again; /* routes with that source have gone silently */
	}
}

static void neigh_message(struct ks_mirror *m, const struct nlmsghdr *h)
{
	struct ks_mirror_neigh n;

	if (ks_mirror_parse_neigh(&m->ports, h, &n))
		m->o.neigh(m->o.ctx, n.port, n.af, &n.addr, n.known ? n.mac : NULL);
}

static void link_message(struct ks_mirror *m, const struct nlmsghdr *h)
{
	bool up;
	int port;

	if (!ks_mirror_parse_link(&m->ports, h, &port, &up) || m->link_up[port] == up)
		return;
	m->link_up[port] = up;
	m->again = true; /* its routes have gone silently */
}

/* The next one, or this one again when the tables changed under it. */
static bool dump_done(struct ks_mirror *m)
{
	enum dump next = (enum dump)(m->dump + 1);

	if (m->interrupted) /* the routes' set is cleared where their dumps begin */
		next = m->dump == DUMP_ROUTES6 ? DUMP_ROUTES : m->dump;

	if (m->dump != DUMP_NONE && next != DUMP_NONE)
		return ask(m, next);
	m->dump = DUMP_NONE;
	return true;
}

/* A new network namespace has no table main before its first route. */
static bool is_empty_table(const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = NLMSG_DATA(h);

	return h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) && (e->error == 0 || e->error == -ENOENT);
}

static bool message(struct ks_mirror *m, const struct nlmsghdr *h, ks_ms now)
{
	bool failed = false;

	if ((h->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
		m->interrupted = true;
	switch (h->nlmsg_type) {
	case NLMSG_ERROR:
		return h->nlmsg_seq != m->seq || (is_empty_table(h) && dump_done(m));
	case NLMSG_DONE:
		return h->nlmsg_seq != m->seq || dump_done(m);
	case RTM_NEWADDR:
	case RTM_DELADDR:
		addr_message(m, h, &failed, now);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		route_message(m, h, &failed, now);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		neigh_message(m, h);
		break;
	case RTM_NEWLINK:
	case RTM_DELLINK:
		link_message(m, h);
		break;
	case RTM_NEWNEXTHOP: /* routes that name it change, or go, not always with a message */
	case RTM_DELNEXTHOP:
		m->again = true;
		m->again_at = now + DEBOUNCE_MS; /* the message comes before the change */
		break;
	default:
		break;
	}
	return !failed;
}

static bool messages(struct ks_mirror *m, size_t len, ks_ms now)
{
	const struct nlmsghdr *h = (const void *)m->buf;

	while (len >= sizeof(*h) && h->nlmsg_len >= sizeof(*h) && h->nlmsg_len <= len) {
		size_t step = NLMSG_ALIGN(h->nlmsg_len);

		if (!message(m, h, now))
			return false;
		if (step >= len)
			break;
		len -= step;
		h = (const void *)((const char *)h + step);
	}
	return true;
}

static void read_all(struct ks_mirror *m, ks_ms now)
{
	for (unsigned i = 0; i < READS_A_TURN && m->fd >= 0; i++) {
		struct sockaddr_nl from = { 0 };
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(m->fd, m->buf, sizeof(m->buf), MSG_TRUNC, (void *)&from,
				     &from_len);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0 || (size_t)n > sizeof(m->buf)) {
			start_over(m, now);
			return;
		}
		if (from.nl_pid == 0 &&
		    !messages(m, (size_t)n, now)) /* 0 = the kernel, nobody else */
			hang_up(m, now + RETRY_MS);
	}
}

static void hand_over(struct ks_mirror *m)
{
	m->dirty = false;
	m->synced = true;
	ks_desired_mirror_addrs(m->o.desired, m->addrs.addr, m->addrs.n);
	ks_desired_mirror_routes(m->o.desired, m->routes.route, m->routes.n);
	m->o.changed(m->o.ctx);
}

void ks_mirror_poll(struct ks_mirror *m, ks_ms now)
{
	if (m->fd < 0 && now >= m->retry_at)
		start_over(m, now);
	read_all(m, now);
	if (m->fd < 0 || m->dump != DUMP_NONE)
		return;
	if (m->again && now >= m->again_at) {
		m->again = false;
		if (!ask(m, DUMP_ADDRS))
			start_over(m, now);
		note_change(m, true, now);
		return;
	}
	if (!m->synced || (m->dirty && now >= m->due))
		hand_over(m);
}

ks_ms ks_mirror_deadline(const struct ks_mirror *m)
{
	if (m->fd < 0)
		return m->retry_at;
	if (m->dump != DUMP_NONE)
		return UINT64_MAX;
	if (m->again && (!m->dirty || m->again_at < m->due))
		return m->again_at;
	return m->dirty ? m->due : UINT64_MAX;
}
