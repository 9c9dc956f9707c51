/* SPDX-License-Identifier: Apache-2.0 */
/* The shared counters as a client reads them: by the offsets of the head alone. */
#include "check.h"
#include "ks_drop.h"
#include "ks_shm.h"
#include "ks_worker.h"

static const struct ks_shm_opts opts = { .workers = 2, .ports = 2, .rs_slots = 8 };

static const char *name_at(const struct ks_shm *s, uint32_t off, uint32_t i)
{
	return (const char *)s + off + (size_t)i * KS_NAME_LEN;
}

static void every_part_lies_inside_and_apart(void)
{
	size_t size = ks_shm_size(&opts);
	uint8_t *mem = aligned_alloc(64, size), *map = calloc(1, size);
	struct ks_shm *s;
	unsigned drops = 0;

	CHECK(mem != NULL && map != NULL);
	memset(mem, 0, size);
	s = ks_shm_init(mem, &opts);
	CHECK_EQ(s->magic, KS_SHM_MAGIC);
	CHECK_EQ(s->size, size);
	struct {
		uint32_t off;
		size_t len;
	} part[] = {
		{ 0, sizeof(*s) },
		{ s->worker_names_off, (size_t)s->worker_counters * KS_NAME_LEN },
		{ s->worker_off, 3ul * s->worker_stride },
		{ s->port_names_off, (size_t)s->port_counters * KS_NAME_LEN },
		{ s->port_dev_off, (size_t)s->ports * KS_NAME_LEN },
		{ s->port_off, (size_t)s->ports * s->port_stride },
		{ s->rs_dir_off, s->rs_slots * sizeof(struct ks_shm_rs) },
		{ s->rs_names_off, (size_t)s->rs_counters * KS_NAME_LEN },
		{ s->rs_off, (size_t)s->workers * s->rs_worker_stride },
	};
	for (unsigned i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		CHECK_EQ(part[i].off % 64, 0);
		CHECK(part[i].off + part[i].len <= size);
		for (size_t k = 0; k < part[i].len; k++)
			CHECK_EQ(map[part[i].off + k]++, 0);
	}
	CHECK(s->worker_stride >= s->worker_counters * 8 && s->worker_stride % 64 == 0);
	CHECK_STR(name_at(s, s->worker_names_off, KS_C_RX_PACKETS), "rx_packets");
	CHECK_STR(name_at(s, s->worker_names_off, KS_C_DROP_FIRST + KS_DROP_TTL), "drop.ttl");
	for (uint32_t i = 0; i < s->worker_counters; i++) {
		const char *n = name_at(s, s->worker_names_off, i);

		CHECK(n[0] != 0 && memchr(n, 0, KS_NAME_LEN) != NULL);
		drops += strncmp(n, "drop.", 5) == 0;
		for (uint32_t k = 0; k < i; k++)
			CHECK(strcmp(n, name_at(s, s->worker_names_off, k)) != 0);
	}
	CHECK_EQ(drops, KS_DROP_COUNT);
	CHECK_STR(name_at(s, s->rs_names_off, KS_RSC_CONNS), "conns");
	CHECK_STR(name_at(s, s->port_names_off, KS_PC_KNI_POLICED), "kni_policed");
	ks_shm_dev(s, 1, "dpdk1");
	CHECK_STR(name_at(s, s->port_dev_off, 1), "dpdk1");
	CHECK((uint8_t *)ks_shm_worker(s, 2) == mem + s->worker_off + 2 * s->worker_stride);
	CHECK((uint8_t *)ks_shm_rs(s, 1) == mem + s->rs_off + s->rs_worker_stride);
	free(mem);
	free(map);
}

static void a_size_the_contract_cannot_express_is_refused(void)
{
	CHECK_EQ(ks_shm_size(
			 &(struct ks_shm_opts){ .workers = 64, .ports = 2, .rs_slots = 1 << 21 }),
		 0);
	CHECK_EQ(ks_shm_size(
			 &(struct ks_shm_opts){ .workers = 1, .ports = 2, .rs_slots = UINT32_MAX }),
		 0);
}

/* One service with that one real server, or with none. */
static struct ks_conf *commit(struct ks_desired *d, uint64_t g, const char *del, const char *add,
			      const uint8_t *in_use)
{
	struct ks_op_svc v = op_svc("192.0.2.1", 80);
	char reason[KS_REASON_LEN] = "";
	struct ks_op_rs r;
	struct ks_conf *c;

	CHECK_EQ(ks_desired_begin(d, false), KS_OK);
	CHECK_EQ(APPLY(d, v, reason), KS_OK);
	if (del != NULL) {
		r = op_rs(v.key, del, 80, 0);
		r.op.type = KS_OP_RS_DEL;
		CHECK_EQ(APPLY(d, r, reason), KS_OK);
	}
	if (add != NULL) {
		r = op_rs(v.key, add, 80, 5);
		CHECK_EQ(APPLY(d, r, reason), KS_OK);
	}
	CHECK_EQ(ks_desired_commit(d, g, reason), KS_OK);
	c = ks_conf_build(d, in_use, reason);
	CHECK(c != NULL);
	return c;
}

static void the_directory_follows_the_generations(void)
{
	struct test_mem tm = { 0 };
	struct ks_mem m = test_mem_of(&tm);
	struct ks_desired *d = test_desired(&m, 8, 8);
	uint8_t *mem = test_alloc(&tm, ks_shm_size(&opts), 64), in_use[8];
	struct ks_shm *s = ks_shm_init(mem, &opts);
	const struct ks_shm_rs *row = (const void *)(mem + s->rs_dir_off);
	ks_be32 addr;
	struct ks_conf *c;

	c = commit(d, 1, NULL, "10.0.0.1", NULL);
	ks_shm_publish(s, c);
	ks_conf_free(c);
	CHECK_EQ(s->generation, 1);
	CHECK_EQ(row[0].used, 1);
	CHECK_EQ(row[0].seq % 2, 0);
	CHECK_EQ(row[0].weight, 5);
	CHECK_EQ(row[0].svc.port, htons(80));
	memcpy(&addr, row[0].addr, 4);
	CHECK_EQ(addr, ip4("10.0.0.1"));
	ks_shm_rs(s, 1)[KS_RSC_CONNS] = 7;
	ks_shm_rs(s, 1)[KS_RSC_ACTIVE] = 1;

	ks_shm_rs_in_use(s, in_use);
	CHECK_EQ(in_use[0], 1);
	c = commit(d, 2, "10.0.0.1", NULL, in_use);
	ks_shm_publish(s, c);
	ks_conf_free(c);
	CHECK_EQ(row[0].used, 0);

	c = commit(d, 3, NULL, "10.0.0.1", in_use); /* back, and its session is still there */
	ks_shm_publish(s, c);
	ks_conf_free(c);
	CHECK_EQ(row[0].used, 1);
	CHECK_EQ(ks_shm_rs(s, 1)[KS_RSC_CONNS], 7);
	CHECK_EQ(ks_shm_rs(s, 1)[KS_RSC_ACTIVE], 1);

	ks_shm_rs(s, 1)[KS_RSC_ACTIVE] = 0;
	ks_shm_rs_in_use(s, in_use);
	CHECK_EQ(in_use[0], 0);
	c = commit(d, 4, "10.0.0.1", NULL, in_use);
	ks_shm_publish(s, c);
	ks_conf_free(c);
	ks_conf_free(commit(d, 5, NULL, NULL, in_use));
	c = commit(d, 6, NULL, "10.0.0.2", in_use); /* somebody else's slot now: from zero */
	ks_shm_publish(s, c);
	ks_conf_free(c);
	memcpy(&addr, row[0].addr, 4);
	CHECK_EQ(addr, ip4("10.0.0.2"));
	CHECK_EQ(ks_shm_rs(s, 1)[KS_RSC_CONNS], 0);
	test_free(&tm, mem);
	ks_desired_free(d);
	CHECK_EQ(tm.live, 0);
}

int main(void)
{
	RUN(every_part_lies_inside_and_apart);
	RUN(a_size_the_contract_cannot_express_is_refused);
	RUN(the_directory_follows_the_generations);
	return 0;
}
