/* SPDX-License-Identifier: Apache-2.0 */
/* What these tests share: checks that say where they failed, memory that is counted and can be made
 * to fail, a random number generator with a seed that is printed, and makers of ops. */
#ifndef KS_TEST_CHECK_H
#define KS_TEST_CHECK_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ks_conf.h"
#include "ks_lease.h"

#define CHECK(cond)                                                                        \
	do {                                                                               \
		if (!(cond)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); \
			exit(1);                                                           \
		}                                                                          \
	} while (0)

#define CHECK_EQ(a, b)                                                                             \
	do {                                                                                       \
		unsigned long long va_ = (unsigned long long)(a), vb_ = (unsigned long long)(b);   \
		if (va_ != vb_) {                                                                  \
			fprintf(stderr, "%s:%d: %s is %llu, %s is %llu\n", __FILE__, __LINE__, #a, \
				va_, #b, vb_);                                                     \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

#define CHECK_STR(got, want)                                                                     \
	do {                                                                                     \
		if (strcmp(got, want) != 0) {                                                    \
			fprintf(stderr, "%s:%d: \"%s\" instead of \"%s\"\n", __FILE__, __LINE__, \
				got, want);                                                      \
			exit(1);                                                                 \
		}                                                                                \
	} while (0)

#define RUN(test)                         \
	do {                              \
		test();                   \
		printf("ok %s\n", #test); \
	} while (0)

struct test_mem {
	long live; /* blocks not freed yet */
	long fail_in; /* > 0: so many allocations succeed, then none does; 0 = all do */
	bool failed;
};

static inline void *test_alloc(void *ctx, size_t size, size_t align)
{
	struct test_mem *m = ctx;
	void *p;

	if (m->fail_in > 0 && --m->fail_in == 0) {
		m->fail_in = 1;
		m->failed = true;
		return NULL;
	}
	p = aligned_alloc(align, (size + align - 1) / align * align);
	CHECK(p != NULL);
	memset(p, 0, (size + align - 1) / align * align);
	m->live++;
	return p;
}

static inline void test_free(void *ctx, void *p)
{
	struct test_mem *m = ctx;

	CHECK(p != NULL);
	m->live--;
	free(p);
}

static inline struct ks_mem test_mem_of(struct test_mem *m)
{
	return (struct ks_mem){ .ctx = m, .alloc = test_alloc, .free = test_free };
}

/* xorshift64*: repeatable everywhere. */
static inline uint32_t rnd(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return (uint32_t)(*s * 0x2545f4914f6cdd1dull >> 32);
}

static inline uint32_t below(uint64_t *s, uint32_t n)
{
	return (uint32_t)((uint64_t)rnd(s) * n >> 32);
}

static inline ks_be32 ip4(const char *text)
{
	ks_be32 a;

	CHECK(inet_pton(AF_INET, text, &a) == 1);
	return a;
}

/* Fills the field of an address of either family; returns 4 or 6. */
static inline uint8_t put_addr(uint8_t field[16], const char *text)
{
	uint8_t af = strchr(text, ':') != NULL ? 6 : 4;

	CHECK(inet_pton(af == 4 ? AF_INET : AF_INET6, text, field) == 1);
	return af;
}

static inline struct ks_op_addr op_addr(const char *dev, const char *addr, unsigned plen,
					unsigned flags)
{
	struct ks_op_addr o = { .op = { KS_OP_ADDR_SET, sizeof(o) },
				.af = 4,
				.plen = (uint8_t)plen,
				.flags = (uint16_t)flags };

	snprintf(o.dev, sizeof(o.dev), "%s", dev);
	o.af = put_addr(o.addr, addr);
	return o;
}

static inline struct ks_op_route op_route(const char *dev, const char *dst, unsigned plen,
					  const char *gw)
{
	struct ks_op_route o = { .op = { KS_OP_ROUTE_SET, sizeof(o) },
				 .af = 4,
				 .plen = (uint8_t)plen };

	snprintf(o.dev, sizeof(o.dev), "%s", dev);
	o.af = put_addr(o.dst, dst);
	(void)put_addr(o.gw, gw);
	return o;
}

static inline struct ks_op_neigh op_neigh(const char *dev, const char *addr, const uint8_t mac[6])
{
	struct ks_op_neigh o = { .op = { KS_OP_NEIGH_SET, sizeof(o) }, .af = 4 };

	snprintf(o.dev, sizeof(o.dev), "%s", dev);
	o.af = put_addr(o.addr, addr);
	memcpy(o.mac, mac, 6);
	return o;
}

static inline struct ks_svc_key svc_key_of(const char *addr, unsigned port)
{
	struct ks_svc_key k = { .af = 4, .proto = 6, .port = htons((uint16_t)port) };

	k.af = put_addr(k.addr, addr);
	return k;
}

static inline struct ks_op_svc op_svc(const char *addr, unsigned port)
{
	return (struct ks_op_svc){ .op = { KS_OP_SVC_SET, sizeof(struct ks_op_svc) },
				   .key = svc_key_of(addr, port),
				   .sched = KS_SCHED_RR };
}

static inline struct ks_op_rs op_rs(struct ks_svc_key svc, const char *addr, unsigned port,
				    unsigned weight)
{
	struct ks_op_rs o = { .op = { KS_OP_RS_SET, sizeof(o) },
			      .svc = svc,
			      .af = 4,
			      .fwd = KS_FWD_FNAT,
			      .port = htons((uint16_t)port),
			      .weight = weight };

	o.af = put_addr(o.addr, addr);
	return o;
}

static inline struct ks_op_lip op_lip(struct ks_svc_key svc, const char *dev, const char *addr)
{
	struct ks_op_lip o = { .op = { KS_OP_LIP_SET, sizeof(o) }, .svc = svc, .af = 4 };

	snprintf(o.dev, sizeof(o.dev), "%s", dev);
	o.af = put_addr(o.addr, addr);
	return o;
}

static inline struct ks_op_param op_param(unsigned param, unsigned value)
{
	return (struct ks_op_param){ .op = { KS_OP_PARAM_SET, sizeof(struct ks_op_param) },
				     .param = param,
				     .value = value };
}

/* Every leased address is held. */
static inline const struct ks_holding *test_holding(void)
{
	static _Atomic uint64_t until[64];
	static const struct ks_leases leases = { .until = until };
	static const struct ks_holding holding = { .leases = &leases };

	for (unsigned i = 0; i < 64; i++)
		atomic_store(&until[i], KS_LEASE_FOREVER);
	return &holding;
}

/* Two ports, dpdk0 and dpdk1. */
static inline struct ks_desired *test_desired(const struct ks_mem *mem, uint32_t max_services,
					      uint32_t max_rs)
{
	struct ks_limits limits = { .max_services = max_services,
				    .max_rs_slots = max_rs,
				    .max_routes = 1 << 20,
				    .n_workers = 2 };
	struct ks_desired *d = ks_desired_new(mem, &limits);

	CHECK(d != NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct ks_port_info info = { .mac = { 2, 0, 0, 0, 0, (uint8_t)(i + 1) },
					     .mtu = 1500,
					     .up = true };

		snprintf(info.dev, sizeof(info.dev), "dpdk%u", i);
		ks_desired_port(d, i, &info);
	}
	return d;
}

#define APPLY(d, o, reason) ks_desired_apply(d, &(o).op, sizeof(o), reason)

#endif
