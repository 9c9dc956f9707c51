/* SPDX-License-Identifier: Apache-2.0 */
/* The mirror's set of routes does what a plain list does, through any sequence of additions,
 * replacements and deletions. */
#include "check.h"
#include "mirror_set.h"

#define MAX 4096u

struct list {
	struct ks_mirror_route r[MAX];
	unsigned n;
};

static bool rivals(const struct ks_mirror_route *a, const struct ks_mirror_route *b)
{
	return a->dst.v4 == b->dst.v4 && a->plen == b->plen && a->metric == b->metric;
}

static bool same(const struct ks_mirror_route *a, const struct ks_mirror_route *b)
{
	return rivals(a, b) && a->gw.v4 == b->gw.v4 && a->port == b->port;
}

static void list_del(struct list *l, const struct ks_mirror_route *r,
		     bool (*match)(const struct ks_mirror_route *, const struct ks_mirror_route *))
{
	unsigned n = 0;

	for (unsigned i = 0; i < l->n; i++)
		if (!match(&l->r[i], r))
			l->r[n++] = l->r[i];
	l->n = n;
}

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ks_mirror_route));
}

static void check_same(struct list *l, const struct ks_route_set *s)
{
	static struct ks_mirror_route copy[MAX];

	CHECK_EQ(s->n, l->n);
	if (l->n == 0)
		return;
	memcpy(copy, s->route, s->n * sizeof(copy[0]));
	qsort(copy, s->n, sizeof(copy[0]), by_bytes);
	qsort(l->r, l->n, sizeof(l->r[0]), by_bytes);
	CHECK(memcmp(copy, l->r, l->n * sizeof(copy[0])) == 0);
}

static void routes_are_a_set(void)
{
	static struct list l;
	struct ks_route_set set = { 0 };
	bool failed = false;
	uint64_t s = 99;

	for (unsigned round = 0; round < 60000; round++) {
		unsigned wide = round % 20000 < 10000 ? 700 : 40; /* fills, then empties */
		struct ks_mirror_route r;

		memset(&r, 0, sizeof(r));
		r.dst.v4 = below(&s, wide) << 8;
		r.af = 4;
		r.plen = 24;
		r.metric = below(&s, 2);
		r.gw.v4 = 1 + below(&s, 2);
		r.mtu = below(&s, 2);
		switch (below(&s, wide > 100 ? 4 : 8)) {
		case 0:
			ks_route_set_replace(&set, &r, &failed);
			list_del(&l, &r, rivals);
			l.r[l.n++] = r;
			break;
		case 1:
		case 2:
			ks_route_set_add(&set, &r, &failed);
			list_del(&l, &r, same);
			l.r[l.n++] = r;
			break;
		default:
			ks_route_set_del(&set, &r);
			list_del(&l, &r, same);
			break;
		}
		if (round % 64 == 0)
			check_same(&l, &set);
	}
	CHECK(!failed);
	ks_route_set_clear(&set);
	CHECK_EQ(set.n, 0);
	CHECK(!ks_route_set_del(&set, &l.r[0]));
	ks_route_set_free(&set);
}

static void addresses_are_a_set(void)
{
	struct ks_addr_set set = { 0 };
	struct ks_mirror_addr a[40];
	bool failed = false;

	memset(a, 0, sizeof(a));
	for (unsigned i = 0; i < 40; i++) {
		a[i].addr.v4 = i;
		CHECK(ks_addr_set_add(&set, &a[i], &failed));
		CHECK(!ks_addr_set_add(&set, &a[i], &failed));
	}
	for (unsigned i = 0; i < 40; i += 2) {
		CHECK(ks_addr_set_del(&set, &a[i]));
		CHECK(!ks_addr_set_del(&set, &a[i]));
	}
	CHECK_EQ(set.n, 20);
	for (unsigned i = 0; i < 20; i++)
		CHECK_EQ(set.addr[i].addr.v4, 2 * i + 1);
	ks_addr_set_free(&set);
}

int main(void)
{
	RUN(routes_are_a_set);
	RUN(addresses_are_a_set);
	return 0;
}
