/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arbitrary rtnetlink messages into the mirror's records and sets, and from them into a generation
 * that is then asked for ways and sources. The input is a list of messages as the kernel sends
 * them; their lengths are made to fit what is there.
 */
#include <stdlib.h>
#include <string.h>

#include "../test/conf/check.h"
#include "ks_hops.h"
#include "ks_neigh.h"
#include "mirror_msg.h"
#include "mirror_set.h"

#define MESSAGES 64u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ks_mirror_ports ports = { .n = 2, .ifindex = { 1, 2 } };

static void apply(const struct nlmsghdr *h, struct ks_addr_set *addrs, struct ks_route_set *routes)
{
	struct ks_mirror_route r[KS_MIRROR_HOPS];
	struct ks_mirror_neigh neigh;
	struct ks_mirror_addr a;
	bool failed = false, ours, up;
	unsigned n;
	int port;

	switch (h->nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR:
		if (!ks_mirror_parse_addr(&ports, h, &a, &ours))
			break;
		if (ours)
			ks_addr_set_add(addrs, &a, &failed);
		else
			ks_addr_set_del(addrs, &a);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		n = ks_mirror_parse_route(&ports, h, r);
		if (n > KS_MIRROR_HOPS)
			abort();
		for (unsigned i = 0; i < n; i++) {
			if (r[i].port >= ports.n)
				abort();
			if (h->nlmsg_type == RTM_DELROUTE)
				ks_route_set_del(routes, &r[i]);
			else if (i == 0 && h->nlmsg_flags & NLM_F_REPLACE)
				ks_route_set_replace(routes, &r[i], &failed);
			else
				ks_route_set_add(routes, &r[i], &failed);
		}
		break;
	case RTM_NEWNEIGH:
		(void)ks_mirror_parse_neigh(&ports, h, &neigh);
		break;
	default:
		(void)ks_mirror_parse_link(&ports, h, &port, &up);
		break;
	}
}

/* Every way leads somewhere, and is one of those that were said. */
static void ask(const struct ks_conf *c, const struct ks_neigh_table *neigh,
		const struct ks_route_set *routes)
{
	for (uint32_t i = 0; i < routes->n; i++) {
		const struct ks_mirror_route *m = &routes->route[i];
		const struct ks_route *r = ks_conf_route(c, m->af, &m->dst), *way;

		if (r == NULL || r->mtu == 0 || r->n_hops == 0)
			abort();
		for (uint64_t flow = 0; flow < 8; flow++) {
			way = ks_route_pick(neigh, r, m->af, ks_hops_mix(flow));
			if (way < r || way >= r + r->n_hops || way->port >= ports.n)
				abort();
		}
		(void)ks_conf_source(c, test_holding(), m->port, m->af, &m->dst);
	}
}

static void build(const struct ks_addr_set *addrs, const struct ks_route_set *routes)
{
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	struct ks_desired *d = test_desired(&mem, 4, 4);
	static struct ks_neigh_table neigh; /* nobody is known: it is only read, made once */
	static struct test_mem once;
	struct ks_mem lasting = test_mem_of(&once);
	char reason[KS_REASON_LEN];
	struct ks_conf *c;

	ks_desired_mirror_addrs(d, addrs->addr, addrs->n);
	ks_desired_mirror_routes(d, routes->route, routes->n);
	c = ks_conf_build(d, NULL, reason);
	if (c == NULL || (neigh.hot == NULL && !ks_neigh_table_init(&neigh, &lasting)))
		abort();
	ask(c, &neigh, routes);
	ks_conf_free(c);
	ks_desired_free(d);
	if (tm.live != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ks_addr_set addrs = { 0 };
	struct ks_route_set routes = { 0 };
	struct nlmsghdr head;

	for (unsigned i = 0; i < MESSAGES && size >= sizeof(head); i++) {
		struct nlmsghdr *h;
		size_t len;

		memcpy(&head, data, sizeof(head));
		len = head.nlmsg_len < sizeof(head) ? sizeof(head)
			: head.nlmsg_len > size     ? size
						    : head.nlmsg_len;
		h = malloc(len); /* so that the sanitizer sees every read behind its end */
		if (h == NULL)
			break;
		memcpy(h, data, len);
		h->nlmsg_len = (uint32_t)len;
		apply(h, &addrs, &routes);
		free(h);
		data += len;
		size -= len;
	}
	build(&addrs, &routes);
	ks_addr_set_free(&addrs);
	ks_route_set_free(&routes);
	return 0;
}
