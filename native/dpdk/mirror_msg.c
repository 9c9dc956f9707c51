/* SPDX-License-Identifier: Apache-2.0 */
/* rtnetlink messages -> records. */
#include "mirror_msg.h"

#include <linux/if.h>
#include <linux/neighbour.h>
#include <string.h>
#include <sys/socket.h>

#define ATTRS 32

int ks_mirror_port(const struct ks_mirror_ports *p, unsigned ifindex)
{
	for (unsigned i = 0; i < p->n; i++)
		if (ifindex != 0 && p->ifindex[i] == ifindex)
			return (int)i;
	return -1;
}

static void index_attrs(const struct rtattr *a, size_t len, const struct rtattr *at[ATTRS])
{
	memset(at, 0, ATTRS * sizeof(at[0]));
	while (len >= sizeof(*a) && a->rta_len >= sizeof(*a) && a->rta_len <= len) {
		size_t step = RTA_ALIGN(a->rta_len);
		unsigned type = a->rta_type & 0x3fffu; /* without the flags NLA_F_* */

		if (type < ATTRS)
			at[type] = a;
		if (step >= len)
			break;
		len -= step;
		a = (const void *)((const char *)a + step);
	}
}

/* Behind the fixed part of the message; false = the message is too short for it. */
static bool attrs_of(const struct nlmsghdr *h, size_t fixed, const struct rtattr *at[ATTRS])
{
	size_t head = NLMSG_LENGTH(NLMSG_ALIGN(fixed));

	if (h->nlmsg_len < NLMSG_LENGTH(fixed))
		return false;
	index_attrs((const void *)((const char *)h + head),
		    h->nlmsg_len > head ? h->nlmsg_len - head : 0, at);
	return true;
}

static bool get(const struct rtattr *a, void *to, size_t size)
{
	if (a == NULL || a->rta_len < RTA_LENGTH(size))
		return false;
	memcpy(to, (const char *)a + RTA_LENGTH(0), size);
	return true;
}

/* 4 or 6 of an address family the mirror follows, else 0. */
static uint8_t family(unsigned char af)
{
	return af == AF_INET ? 4 : af == AF_INET6 ? 6 : 0;
}

static size_t addr_size(uint8_t af)
{
	return af == 4 ? 4 : 16;
}

bool ks_mirror_parse_addr(const struct ks_mirror_ports *p, const struct nlmsghdr *h,
			  struct ks_mirror_addr *a, bool *ours)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	const struct rtattr *at[ATTRS];
	uint32_t flags;
	int port;

	memset(a, 0, sizeof(*a));
	if (!attrs_of(h, sizeof(*m), at) || family(m->ifa_family) == 0)
		return false;
	port = ks_mirror_port(p, m->ifa_index);
	if (port < 0)
		return false;
	a->af = family(m->ifa_family);
	a->plen = m->ifa_prefixlen;
	a->port = (uint8_t)port;
	flags = m->ifa_flags;
	get(at[IFA_FLAGS], &flags, sizeof(flags));
	/* Not ours yet while duplicate address detection runs, and never when it fails (RFC 4862
	 * §5.4); when it is done a message follows. */
	*ours = h->nlmsg_type == RTM_NEWADDR && (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0;
	a->deprecated = (flags & IFA_F_DEPRECATED) != 0;
	/* IFA_ADDRESS is the peer's on a point-to-point interface, IFA_LOCAL is always ours. */
	return a->plen <= addr_size(a->af) * 8 &&
		(get(at[IFA_LOCAL], a->addr.b, addr_size(a->af)) ||
		 get(at[IFA_ADDRESS], a->addr.b, addr_size(a->af)));
}

/* The next hops that leave by our interfaces, each a route with its share. */
static unsigned next_hops(const struct ks_mirror_ports *p, const struct rtattr *a,
			  const struct ks_mirror_route *base, struct ks_mirror_route *r)
{
	const struct rtnexthop *nh = (const void *)((const char *)a + RTA_LENGTH(0));
	size_t len = a->rta_len - RTA_LENGTH(0);
	unsigned n = 0;

	while (n < KS_MIRROR_HOPS && len >= sizeof(*nh) && nh->rtnh_len >= sizeof(*nh) &&
	       nh->rtnh_len <= len) {
		size_t step = RTNH_ALIGN(nh->rtnh_len);
		int port = ks_mirror_port(p, (unsigned)nh->rtnh_ifindex);
		const struct rtattr *at[ATTRS];

		index_attrs((const void *)(nh + 1), nh->rtnh_len - sizeof(*nh), at);
		if (port >= 0 && (nh->rtnh_flags & RTNH_F_DEAD) == 0 && at[RTA_VIA] == NULL) {
			r[n] = *base;
			r[n].port = (uint8_t)port;
			r[n].weight = nh->rtnh_hops < 255 ? (uint8_t)(nh->rtnh_hops + 1) : 255;
			get(at[RTA_GATEWAY], r[n].gw.b, addr_size(base->af));
			n++;
		}
		if (step >= len)
			break;
		len -= step;
		nh = (const void *)((const char *)nh + step);
	}
	return n;
}

static uint32_t route_mtu(const struct rtattr *metrics)
{
	const struct rtattr *at[ATTRS];
	uint32_t mtu = 0;

	if (metrics == NULL)
		return 0;
	index_attrs((const void *)((const char *)metrics + RTA_LENGTH(0)),
		    metrics->rta_len - RTA_LENGTH(0), at);
	get(at[RTAX_MTU], &mtu, sizeof(mtu));
	return mtu;
}

unsigned ks_mirror_parse_route(const struct ks_mirror_ports *p, const struct nlmsghdr *h,
			       struct ks_mirror_route r[KS_MIRROR_HOPS])
{
	const struct rtmsg *m = NLMSG_DATA(h);
	const struct rtattr *at[ATTRS];
	struct ks_mirror_route base;
	uint32_t table, oif = 0;
	int port;

	memset(&base, 0, sizeof(base));
	if (!attrs_of(h, sizeof(*m), at) || family(m->rtm_family) == 0 ||
	    m->rtm_type != RTN_UNICAST || m->rtm_dst_len > addr_size(family(m->rtm_family)) * 8 ||
	    (m->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)) != 0)
		return 0;
	table = m->rtm_table;
	get(at[RTA_TABLE], &table, sizeof(table));
	if (table != RT_TABLE_MAIN || at[RTA_VIA] != NULL)
		return 0;
	base.af = family(m->rtm_family);
	get(at[RTA_DST], base.dst.b, addr_size(base.af));
	get(at[RTA_GATEWAY], base.gw.b, addr_size(base.af));
	get(at[RTA_PREFSRC], base.src.b, addr_size(base.af));
	get(at[RTA_PRIORITY], &base.metric, sizeof(base.metric));
	base.mtu = route_mtu(at[RTA_METRICS]);
	base.plen = m->rtm_dst_len;
	if (at[RTA_MULTIPATH] != NULL)
		return next_hops(p, at[RTA_MULTIPATH], &base, r);
	port = get(at[RTA_OIF], &oif, sizeof(oif)) ? ks_mirror_port(p, oif) : -1;
	r[0] = base;
	r[0].port = (uint8_t)port;
	return port >= 0;
}

bool ks_mirror_parse_neigh(const struct ks_mirror_ports *p, const struct nlmsghdr *h,
			   struct ks_mirror_neigh *n)
{
	const struct ndmsg *m = NLMSG_DATA(h);
	const struct rtattr *at[ATTRS];
	int port;

	memset(n, 0, sizeof(*n));
	if (!attrs_of(h, sizeof(*m), at) || family(m->ndm_family) == 0)
		return false;
	n->af = family(m->ndm_family);
	if (!get(at[NDA_DST], n->addr.b, addr_size(n->af)) ||
	    (n->af == 6 && n->addr.b[0] == 0xff)) /* groups stand in that table as well */
		return false;
	port = ks_mirror_port(p, (unsigned)m->ndm_ifindex);
	if (port < 0)
		return false;
	n->port = (uint8_t)port;
	n->known = h->nlmsg_type == RTM_NEWNEIGH &&
		(m->ndm_state & (NUD_REACHABLE | NUD_PERMANENT)) != 0 &&
		get(at[NDA_LLADDR], n->mac, 6);
	return true;
}

bool ks_mirror_parse_link(const struct ks_mirror_ports *p, const struct nlmsghdr *h, int *port,
			  bool *up)
{
	const struct ifinfomsg *m = NLMSG_DATA(h);

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return false;
	*port = ks_mirror_port(p, (unsigned)m->ifi_index);
	*up = h->nlmsg_type == RTM_NEWLINK && (m->ifi_flags & IFF_UP) != 0;
	return *port >= 0;
}
