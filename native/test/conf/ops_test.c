/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Laws of the desired state: whatever transactions led to a state, its generation is the one built
 * from an empty state with the same objects in any order; a transaction that is refused, aborted or
 * rolled back changes nothing; slots stay with their owners.
 */
#include "check.h"

/* A model: the ops whose objects are there. Small ranges make sets, replacements and deletions
 * meet. */
#define SVCS   6u
#define RSS    5u
#define LIPS   3u
#define ADDRS  8u
#define ROUTES 10u
#define NEIGHS 4u

struct model {
	bool svc[SVCS], rs[SVCS][RSS], lip[SVCS][LIPS], addr[ADDRS], route[ROUTES], neigh[NEIGHS];
	unsigned est[SVCS], weight[SVCS][RSS], lip_dev[LIPS], flags[ADDRS], mtu[ROUTES],
		mac[NEIGHS], ttl;
};

static const char *dev_name[] = { "dpdk0", "dpdk1" };

static struct ks_op_svc make_svc(const struct model *m, unsigned i)
{
	char a[40];
	struct ks_op_svc o;

	snprintf(a, sizeof(a), "192.0.2.%u", 1 + i / 2);
	o = op_svc(a, 80 + i % 2);
	o.est_timeout_ms = m->est[i];
	return o;
}

static struct ks_op_rs make_rs(const struct model *m, unsigned i, unsigned k)
{
	char a[40];

	snprintf(a, sizeof(a), "10.0.0.%u", 10 + k / 2);
	return op_rs(make_svc(m, i).key, a, 8000 + k % 2, m->weight[i][k]);
}

static struct ks_op_lip make_lip(const struct model *m, unsigned i, unsigned k)
{
	char a[40];

	snprintf(a, sizeof(a), "10.0.1.%u", 1 + k);
	return op_lip(make_svc(m, i).key, dev_name[m->lip_dev[k]], a);
}

static struct ks_op_addr make_addr(const struct model *m, unsigned i)
{
	char a[40];

	snprintf(a, sizeof(a), "172.16.%u.%u", i / 2, 1 + i % 2);
	return op_addr(dev_name[i % 2], a, i < 4 ? 24 : 32, m->flags[i]);
}

static struct ks_op_route make_route(const struct model *m, unsigned i)
{
	static const char *dst[] = { "0.0.0.0", "10.0.0.0", "10.0.0.0", "10.128.0.0", "10.0.0.0" };
	static const unsigned plen[] = { 0, 8, 24, 9, 30 };
	struct ks_op_route o = op_route(dev_name[i % 2], dst[i / 2], plen[i / 2],
					i % 3 ? "172.16.0.9" : "0.0.0.0");

	o.metric = i;
	o.mtu = m->mtu[i];
	return o;
}

static struct ks_op_neigh make_neigh(const struct model *m, unsigned i)
{
	char a[40];

	snprintf(a, sizeof(a), "172.16.0.%u", 100 + i);
	return op_neigh("dpdk0", a, (uint8_t[6]){ 2, 0, 0, 0, 9, (uint8_t)m->mac[i] });
}

/* Apply SET or DEL of one op to d; what the model says must be what is answered. */
static void expect(struct ks_desired *d, struct ks_op *op, bool del, bool there)
{
	char reason[KS_REASON_LEN] = "";
	int status;

	op->type = (uint16_t)(op->type + del);
	status = ks_desired_apply(d, op, op->len, reason);
	CHECK_EQ(status, del && !there ? KS_E_NOT_FOUND : KS_OK);
	CHECK((status == KS_OK) == (reason[0] == 0));
}

/* One random change to model and d; false = it was refused, so the transaction cannot go on. */
static bool random_op(struct model *m, struct ks_desired *d, uint64_t *s)
{
	bool del = below(s, 3) == 0, there;
	unsigned i = below(s, SVCS), k;

	switch (below(s, 8)) {
	case 0:
		there = m->svc[i];
		m->est[i] = del ? m->est[i] : below(s, 3);
		expect(d, &((struct ks_op_svc[]){ make_svc(m, i) })->op, del, there);
		m->svc[i] = !del;
		if (del) {
			memset(m->rs[i], 0, sizeof(m->rs[i]));
			memset(m->lip[i], 0, sizeof(m->lip[i]));
		}
		break;
	case 1:
	case 2:
	case 3:
		if (!m->svc[i])
			return true;
		k = below(s, RSS);
		there = m->rs[i][k];
		m->weight[i][k] = del ? m->weight[i][k] : below(s, 4) * 3;
		expect(d, &((struct ks_op_rs[]){ make_rs(m, i, k) })->op, del, there);
		m->rs[i][k] = !del;
		break;
	case 4:
		if (!m->svc[i])
			return true;
		k = below(s, LIPS);
		there = m->lip[i][k];
		expect(d, &((struct ks_op_lip[]){ make_lip(m, i, k) })->op, del, there);
		m->lip[i][k] = !del;
		break;
	case 5:
		k = below(s, ADDRS);
		there = m->addr[k];
		m->flags[k] = del ? m->flags[k] : below(s, 4);
		expect(d, &((struct ks_op_addr[]){ make_addr(m, k) })->op, del, there);
		m->addr[k] = !del;
		break;
	case 6:
		k = below(s, ROUTES);
		there = m->route[k];
		m->mtu[k] = del ? m->mtu[k] : below(s, 2) * 1400;
		expect(d, &((struct ks_op_route[]){ make_route(m, k) })->op, del, there);
		m->route[k] = !del;
		break;
	default:
		k = below(s, NEIGHS);
		there = m->neigh[k];
		m->mac[k] = del ? m->mac[k] : below(s, 3);
		expect(d, &((struct ks_op_neigh[]){ make_neigh(m, k) })->op, del, there);
		m->neigh[k] = !del;
		if (!del && below(s, 4) == 0) {
			m->ttl = 1 + below(s, 255);
			expect(d,
			       &((struct ks_op_param[]){ op_param(KS_PARAM_DEFAULT_TTL, m->ttl) })
					->op,
			       false, true);
		}
		return del ? there : true;
	}
	return !del || there;
}

/* All of the model, services before what hangs on them, otherwise from either end. */
static void apply_all(struct ks_desired *d, const struct model *m, bool backwards)
{
	for (unsigned n = 0; n < SVCS; n++) {
		unsigned i = backwards ? SVCS - 1 - n : n;

		if (!m->svc[i])
			continue;
		expect(d, &((struct ks_op_svc[]){ make_svc(m, i) })->op, false, true);
		for (unsigned q = 0; q < RSS; q++) {
			unsigned k = backwards ? RSS - 1 - q : q;

			if (m->rs[i][k])
				expect(d, &((struct ks_op_rs[]){ make_rs(m, i, k) })->op, false,
				       true);
		}
		for (unsigned k = 0; k < LIPS; k++)
			if (m->lip[i][k])
				expect(d, &((struct ks_op_lip[]){ make_lip(m, i, k) })->op, false,
				       true);
	}
	for (unsigned n = 0; n < ADDRS; n++)
		if (m->addr[backwards ? ADDRS - 1 - n : n])
			expect(d,
			       &((struct ks_op_addr[]){
					 make_addr(m, backwards ? ADDRS - 1 - n : n) })
					->op,
			       false, true);
	for (unsigned n = 0; n < ROUTES; n++)
		if (m->route[backwards ? ROUTES - 1 - n : n])
			expect(d,
			       &((struct ks_op_route[]){
					 make_route(m, backwards ? ROUTES - 1 - n : n) })
					->op,
			       false, true);
	for (unsigned n = 0; n < NEIGHS; n++)
		if (m->neigh[n])
			expect(d, &((struct ks_op_neigh[]){ make_neigh(m, n) })->op, false, true);
	if (m->ttl != 64)
		expect(d, &((struct ks_op_param[]){ op_param(KS_PARAM_DEFAULT_TTL, m->ttl) })->op,
		       false, true);
}

/* ---- what a generation says, as one text ----------------------------------------------------------------------- */

#define TEXT 32768

static char *tell_services(char *t, const struct ks_conf *c)
{
	static const char *vip[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3" };

	for (unsigned i = 0; i < SVCS; i++) {
		const struct ks_svc *v =
			ks_conf_svc4(c, 6, ip4(vip[i / 2]), htons((uint16_t)(80 + i % 2)));

		if (v == NULL)
			continue;
		CHECK(ks_conf_svc(c, &v->key) == v);
		t += sprintf(t, "svc %u est %u sum %u gcd %u max %u:", i, v->est_timeout_ms,
			     v->weight_sum, v->weight_gcd, v->weight_max);
		for (unsigned k = 0; k < v->n_rs; k++) {
			CHECK(c->rs_by_slot[v->rs[k].slot] == &v->rs[k]);
			t += sprintf(t, " %08x.%u/%u", ntohl(v->rs[k].addr.v4),
				     ntohs(v->rs[k].port), v->rs[k].weight);
		}
		for (unsigned k = 0; k < v->n_lip; k++)
			t += sprintf(t, " lip %08x on %u", ntohl(v->lip[k].addr.v4),
				     v->lip[k].port);
		t += sprintf(t, "\n");
	}
	return t;
}

static char *tell_local(char *t, const struct ks_conf *c, ks_be32 a)
{
	const struct ks_local *l = ks_conf_local4(c, a);

	CHECK((l != NULL && (l->flags & KS_LOCAL_LIP) != 0) == ks_conf_is_lip4(c, a));
	if (l != NULL)
		t += sprintf(t, "local %08x on %u flags %x\n", ntohl(a), l->port, l->flags);
	return t;
}

static void tell(char text[TEXT], const struct ks_conf *c)
{
	uint32_t n;
	const struct ks_static_neigh *neigh = ks_conf_neighs(c, &n);
	uint32_t order[256] = { 0 };
	char *t = tell_services(text, c);

	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t k = 0; k < 4; k++) {
			t = tell_local(t, c, htonl(0xac100000 | i << 8 | k));
			t = tell_local(t, c, htonl(0x0a000100 | i << 8 | k));
			t = tell_local(t, c, htonl(0xc6336400 | i << 8 | k));
		}
	for (uint32_t i = 0; i < n; i++) /* their order says nothing */
		order[ntohl(neigh[i].addr.v4) & 0xff] = 1 + neigh[i].mac[5];
	for (uint32_t i = 0; i < 256; i++)
		if (order[i] != 0)
			t += sprintf(t, "neigh %u %u\n", i, order[i]);
	for (uint64_t i = 0, s = 77; i < 60; i++) {
		static const uint32_t base[] = { 0,          0x0a000000, 0x0a000000,
						 0x0a800000, 0xac100000, 0xc6336400 };
		uint32_t dst = base[i % 6] | (rnd(&s) & (i % 12 < 6 ? 0x3ff : 0x7fffff));
		const struct ks_route *r = ks_conf_route4(c, htonl(dst));

		if (r != NULL)
			t += sprintf(t, "%08x -> %08x src %08x port %u plen %u mtu %u metric %u\n",
				     dst, ntohl(r->gw.v4), ntohl(r->src.v4), r->port, r->plen,
				     r->mtu, r->metric);
	}
	sprintf(t, "ttl %u est %u svcs %u\n", c->param[KS_PARAM_DEFAULT_TTL],
		c->param[KS_PARAM_TCP_ESTABLISHED], c->n_svc);
	CHECK(strlen(text) < TEXT - 1);
}

static struct ks_conf *build(struct ks_desired *d, const uint8_t *in_use)
{
	char reason[KS_REASON_LEN] = "";
	struct ks_conf *c = ks_conf_build(d, in_use, reason);

	CHECK_STR(reason, "");
	CHECK(c != NULL);
	return c;
}

/* ---- laws ------------------------------------------------------------------------------------------------------ */

static const char *scratch(const struct model *m, bool backwards)
{
	static char text[TEXT];
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	struct ks_desired *d = test_desired(&mem, 64, 256);
	char reason[KS_REASON_LEN];
	struct ks_conf *c;

	CHECK_EQ(ks_desired_begin(d, true), KS_OK);
	apply_all(d, m, backwards);
	CHECK_EQ(ks_desired_commit(d, 1, reason), KS_OK);
	c = build(d, NULL);
	tell(text, c);
	ks_conf_free(c);
	ks_desired_free(d);
	CHECK_EQ(tm.live, 0);
	return text;
}

/* Slots: one owner each; an owner that was there in the generation before keeps its own. */
static void check_slots(const struct ks_conf *before, const struct ks_conf *now)
{
	uint32_t n;
	const struct ks_svc *svc = ks_conf_services(now, &n);
	uint8_t seen_svc[64] = { 0 }, seen_rs[256] = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		const struct ks_svc *old = before != NULL ? ks_conf_svc(before, &svc[i].key) : NULL;

		CHECK(svc[i].slot < now->n_svc_slots && seen_svc[svc[i].slot]++ == 0);
		CHECK(old == NULL || old->slot == svc[i].slot);
		for (uint32_t k = 0; k < svc[i].n_rs; k++) {
			const struct ks_rs *r = &svc[i].rs[k];

			CHECK(r->slot < now->n_rs_slots && seen_rs[r->slot]++ == 0);
			for (uint32_t q = 0; old != NULL && q < old->n_rs; q++)
				if (old->rs[q].addr.v4 == r->addr.v4 && old->rs[q].port == r->port)
					CHECK_EQ(old->rs[q].slot, r->slot);
		}
	}
}

static void any_history_gives_the_generation_of_its_end(void)
{
	static char text[TEXT], again[TEXT];
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	struct ks_desired *d = test_desired(&mem, 64, 256);
	struct model m = { .ttl = 64 };
	struct ks_conf *last = NULL;
	uint64_t s = 0xc0ffee, generation = 0;
	char reason[KS_REASON_LEN];
	unsigned committed = 0, aborted = 0;

	for (unsigned round = 0; round < 3000; round++) {
		struct model next = m;
		bool from_empty = below(&s, 20) == 0, good = true;
		struct ks_conf *c;

		CHECK_EQ(ks_desired_begin(d, from_empty), KS_OK);
		if (from_empty)
			apply_all(d, &next, below(&s, 2) != 0);
		for (unsigned k = below(&s, 12); k > 0 && good; k--)
			good = random_op(&next, d, &s);
		if (!good || below(&s, 6) == 0) {
			ks_desired_abort(d);
			aborted++;
		} else {
			CHECK_EQ(ks_desired_commit(d, ++generation, reason), KS_OK);
			m = next;
			committed++;
		}
		CHECK(!ks_desired_in_transaction(d));
		CHECK_EQ(ks_desired_generation(d), generation);
		c = build(d, NULL);
		CHECK_EQ(c->generation, generation);
		check_slots(last, c);
		if (last != NULL)
			ks_conf_free(last);
		last = c;
		if (round % 8 == 0) {
			tell(text, c);
			CHECK_STR(text, scratch(&m, false));
			strcpy(again, scratch(&m, true));
			CHECK_STR(text, again);
		}
	}
	CHECK(committed > 1000 && aborted > 200);
	ks_conf_free(last);
	ks_desired_free(d);
	CHECK_EQ(tm.live, 0);
}

/* From an empty state to many objects; NULL = refused for want of memory, and taken back. */
static struct ks_conf *try_many(struct ks_desired *d)
{
	char reason[KS_REASON_LEN];
	struct ks_conf *c = NULL;
	int status = ks_desired_begin(d, true);

	for (unsigned i = 0; i < 300 && status == KS_OK; i++) {
		struct ks_op_svc o = op_svc("198.51.100.1", 1 + i % 60);
		struct ks_op_rs r = op_rs(o.key, "10.9.9.9", 1 + i, 1);

		status = APPLY(d, o, reason);
		if (status == KS_OK && i < 200)
			status = APPLY(d, r, reason);
	}
	if (status == KS_OK)
		status = ks_desired_commit(d, 2, reason);
	if (status == KS_OK) {
		c = ks_conf_build(d, NULL, reason);
		if (c == NULL)
			ks_desired_rollback(d);
	} else {
		CHECK_EQ(status, KS_E_NO_MEMORY);
		ks_desired_abort(d);
	}
	return c;
}

/* Every allocation of a transaction and its build fails once: the state before is the state after.
 */
static void short_of_memory_changes_nothing(void)
{
	static char before[TEXT], after[TEXT];
	struct model m = { .ttl = 64,
			   .svc = { 1, 1 },
			   .rs = { { 1, 1 }, { 1 } },
			   .weight = { { 1, 2 }, { 3 } },
			   .lip = { { 1 } },
			   .addr = { 1 } };
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	char reason[KS_REASON_LEN];
	unsigned refused = 0;
	bool failed = true;

	strcpy(before, scratch(&m, false));
	for (long fail = 1; failed; fail++) {
		struct ks_desired *d = test_desired(&mem, 64, 256);
		struct ks_conf *c;

		CHECK_EQ(ks_desired_begin(d, true), KS_OK);
		apply_all(d, &m, false);
		CHECK_EQ(ks_desired_commit(d, 1, reason), KS_OK);
		ks_conf_free(build(d, NULL));
		tm.fail_in = fail;
		c = try_many(d);
		failed = tm.failed;
		tm.fail_in = 0;
		tm.failed = false;
		if (c == NULL) {
			refused++;
			CHECK_EQ(ks_desired_generation(d), 1);
			c = build(d, NULL);
			tell(after, c);
			CHECK_STR(after, before);
		}
		ks_conf_free(c);
		ks_desired_free(d);
		CHECK_EQ(tm.live, 0);
	}
	CHECK(refused >= 5);
}

/* ---- slots ----------------------------------------------------------------------------------------------------- */

static uint32_t commit_one(struct ks_desired *d, uint64_t g, bool there, const uint8_t *in_use)
{
	struct ks_op_svc v = op_svc("192.0.2.1", 80);
	struct ks_op_rs r = op_rs(v.key, "10.0.0.1", 80, 1);
	char reason[KS_REASON_LEN];
	uint32_t slot = KS_SLOT_NONE;
	struct ks_conf *c;

	CHECK_EQ(ks_desired_begin(d, false), KS_OK);
	CHECK_EQ(APPLY(d, v, reason), KS_OK);
	r.op.type = there ? KS_OP_RS_SET : KS_OP_RS_DEL;
	CHECK_EQ(APPLY(d, r, reason), KS_OK);
	CHECK_EQ(ks_desired_commit(d, g, reason), KS_OK);
	c = build(d, in_use);
	if (there)
		slot = ks_conf_svc(c, &v.key)->rs[0].slot;
	ks_conf_free(c);
	return slot;
}

static uint32_t commit_other(struct ks_desired *d, uint64_t g, unsigned n, const uint8_t *in_use)
{
	struct ks_op_svc v = op_svc("192.0.2.2", 80);
	struct ks_op_rs r = op_rs(v.key, "10.0.0.2", n, 1);
	char reason[KS_REASON_LEN];
	uint32_t slot;
	struct ks_conf *c;

	CHECK_EQ(ks_desired_begin(d, false), KS_OK);
	CHECK_EQ(APPLY(d, v, reason), KS_OK);
	CHECK_EQ(APPLY(d, r, reason), KS_OK);
	CHECK_EQ(ks_desired_commit(d, g, reason), KS_OK);
	c = build(d, in_use);
	slot = ks_conf_svc(c, &v.key)->rs[n - 1].slot;
	ks_conf_free(c);
	return slot;
}

static void a_slot_waits_for_its_sessions_and_for_the_workers(void)
{
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	struct ks_desired *d = test_desired(&mem, 8, 8);
	uint8_t in_use[8] = { 0 };

	CHECK_EQ(commit_one(d, 1, true, in_use), 0);
	in_use[0] = 1;
	commit_one(d, 2, false, in_use);
	for (unsigned i = 1; i <= 3; i++)
		CHECK_EQ(commit_other(d, 2 + i, i, in_use), i); /* sessions still on slot 0 */
	CHECK_EQ(commit_one(d, 6, true, in_use),
		 0); /* it is back before they are gone: as if it had never left */
	commit_one(d, 7, false, in_use);
	in_use[0] = 0;
	CHECK_EQ(commit_other(d, 8, 4, in_use), 4); /* 7 is perhaps just being taken over: a worker
						       in 6 may start a session on it */
	CHECK_EQ(commit_other(d, 9, 5, in_use), 0); /* gone since 7, no session */
	CHECK_EQ(commit_one(d, 10, true, in_use), 5);
	ks_desired_free(d);
	CHECK_EQ(tm.live, 0);
}

static void no_slot_left_is_said_and_changes_nothing(void)
{
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	struct ks_desired *d = test_desired(&mem, 8, 1);
	struct ks_op_svc v = op_svc("192.0.2.1", 80);
	struct ks_op_rs a = op_rs(v.key, "10.0.0.1", 80, 1), b = op_rs(v.key, "10.0.0.2", 80, 1);
	uint8_t in_use[1] = { 1 };
	char reason[KS_REASON_LEN];
	struct ks_conf *c;

	commit_one(d, 1, true, in_use);
	CHECK_EQ(ks_desired_begin(d, false), KS_OK);
	CHECK_EQ(APPLY(d, b, reason), KS_E_NO_MEMORY);
	CHECK_STR(reason, "no room for more than 1 real servers");
	ks_desired_abort(d);

	CHECK_EQ(ks_desired_begin(d, false), KS_OK);
	a.op.type = KS_OP_RS_DEL;
	CHECK_EQ(APPLY(d, a, reason), KS_OK);
	CHECK_EQ(APPLY(d, b, reason), KS_OK);
	CHECK_EQ(ks_desired_commit(d, 2, reason), KS_OK);
	CHECK(ks_conf_build(d, in_use, reason) == NULL);
	ks_desired_rollback(d);
	CHECK_EQ(ks_desired_generation(d), 1);
	c = build(d, in_use);
	CHECK_EQ(ks_conf_svc(c, &v.key)->rs[0].addr.v4, ip4("10.0.0.1"));
	CHECK_EQ(ks_conf_svc(c, &v.key)->rs[0].slot, 0);
	ks_conf_free(c);
	ks_desired_free(d);
	CHECK_EQ(tm.live, 0);
}

/* ---- mirrored state -------------------------------------------------------------------------------------------- */

static void what_the_kernel_has_is_merged_below_what_ops_say(void)
{
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	struct ks_desired *d = test_desired(&mem, 8, 8);
	struct ks_mirror_addr a = { .af = 4, .plen = 24, .port = 0 };
	struct ks_mirror_route r = { .af = 4, .plen = 0, .port = 0 };
	struct ks_op_route op = op_route("dpdk1", "0.0.0.0", 0, "10.1.1.1");
	char reason[KS_REASON_LEN];
	struct ks_conf *c;
	uint32_t epoch;

	a.addr.v4 = ip4("10.0.0.5");
	r.gw.v4 = ip4("10.0.0.1");
	ks_desired_mirror_addrs(d, &a, 1);
	ks_desired_mirror_routes(d, &r, 1);
	c = build(d, NULL);
	epoch = c->epoch;
	CHECK_EQ(ks_conf_local4(c, a.addr.v4)->flags, KS_LOCAL_KERNEL);
	CHECK_EQ(ks_conf_route4(c, ip4("8.8.8.8"))->gw.v4, r.gw.v4);
	CHECK_EQ(ks_conf_route4(c, ip4("10.0.0.77"))->gw.v4, 0);
	CHECK_EQ(ks_conf_route4(c, ip4("10.0.0.77"))->src.v4, a.addr.v4);
	CHECK_EQ(ks_conf_route4(c, ip4("10.0.0.77"))->mtu, 1500);
	CHECK_EQ(ks_conf_source4(c, test_holding(), 0, ip4("10.0.0.1")), a.addr.v4);
	ks_conf_free(c);

	c = build(d, NULL); /* nothing changed */
	CHECK_EQ(c->epoch, epoch);
	ks_conf_free(c);

	CHECK_EQ(ks_desired_begin(d, true), KS_OK); /* leaves the mirror alone */
	CHECK_EQ(APPLY(d, op, reason), KS_OK);
	ks_desired_mirror_addrs(d, NULL, 0); /* and the mirror a transaction */
	CHECK_EQ(ks_desired_commit(d, 1, reason), KS_OK);
	c = build(d, NULL);
	CHECK(c->epoch != epoch);
	CHECK_EQ(ks_conf_route4(c, ip4("8.8.8.8"))->gw.v4, ip4("10.1.1.1"));
	CHECK(ks_conf_local4(c, a.addr.v4) == NULL);
	ks_conf_free(c);
	ks_desired_free(d);
	CHECK_EQ(tm.live, 0);
}

/* ---- size ------------------------------------------------------------------------------------------------------ */

static void ten_thousand_services_are_quick(void)
{
	struct test_mem tm = { 0 };
	struct ks_mem mem = test_mem_of(&tm);
	struct ks_desired *d = test_desired(&mem, 10000, 100000);
	char reason[KS_REASON_LEN];
	struct timespec t0, t1;
	struct ks_conf *c;
	long ms;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	CHECK_EQ(ks_desired_begin(d, true), KS_OK);
	for (uint32_t i = 0; i < 10000; i++) {
		struct ks_op_svc v = op_svc("192.0.2.1", 1 + i % 50000);
		struct ks_op_lip l;

		v.key.addr[1] = (uint8_t)(i >> 8);
		v.key.addr[2] = (uint8_t)i;
		CHECK_EQ(APPLY(d, v, reason), KS_OK);
		l = op_lip(v.key, "dpdk0", "10.200.0.1");
		CHECK_EQ(APPLY(d, l, reason), KS_OK);
		for (uint32_t k = 0; k < 10; k++) {
			struct ks_op_rs r = op_rs(v.key, "10.0.0.1", 80, 1 + k);

			r.addr[2] = (uint8_t)i;
			r.addr[3] = (uint8_t)(1 + k);
			CHECK_EQ(APPLY(d, r, reason), KS_OK);
		}
	}
	CHECK_EQ(ks_desired_commit(d, 1, reason), KS_OK);
	c = build(d, NULL);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	ms = (t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000;
	printf("10,000 services x 10 real servers: %ld ms\n", ms);
	CHECK(ms < 1000);
	CHECK_EQ(c->n_svc, 10000);
	CHECK_EQ(c->n_rs_slots, 100000);
	ks_conf_free(c);
	ks_desired_free(d);
	CHECK_EQ(tm.live, 0);
}

int main(void)
{
	RUN(any_history_gives_the_generation_of_its_end);
	RUN(short_of_memory_changes_nothing);
	RUN(a_slot_waits_for_its_sessions_and_for_the_workers);
	RUN(no_slot_left_is_said_and_changes_nothing);
	RUN(what_the_kernel_has_is_merged_below_what_ops_say);
	RUN(ten_thousand_services_are_quick);
	return 0;
}
