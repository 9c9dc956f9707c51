/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of ks_desired: objects of seven kinds in one hash table, each with a body that a journal
 * can restore. A deleted object stays where it is, not live, until nobody can need it again: until
 * the transaction can no longer be undone and, for services and real servers, until their slot may
 * be given away. Setting it again meanwhile revives it, which is how a service named anew from an
 * empty state keeps its slot.
 *
 *   ks_obj.c      objects, hash, journal, slots
 *   ks_ops.c      one op: check, then change objects; ks_ops_l3.c those of layer 3, ks_ops_match.c
 *                 what a match service takes
 *   ks_desired.c  the transaction, ports, mirrored state, checks of the whole
 *   ks_build.c    objects -> ks_conf (ks_tables.h); ks_build_l3.c its addresses and routes
 */
#ifndef KS_DESIRED_H
#define KS_DESIRED_H

#include "ks_conf.h"
#include "ks_fib.h"
#include "ks_fib6.h"

#define KS_FMT_LEN          46
#define KS_WEIGHT_MAX       65535u
#define KS_NEIGH_STATIC_MAX 4096u
/* Builds through which an owner must have been gone before the next one gives its slot away. The
 * first may be made and published while workers are still in the generation that has it; when the
 * third is made they have left, and a slot without sessions stays without. */
#define KS_RETIRED 2u

enum ks_kind {
	KS_OBJ_ADDR,
	KS_OBJ_ROUTE,
	KS_OBJ_NEIGH,
	KS_OBJ_SVC,
	KS_OBJ_RS,
	KS_OBJ_LIP,
	KS_OBJ_MATCH, /* one end of what a match service takes */
	KS_OBJ_LIP_NUMBER, /* never live, never freed: slot is the stable number of a local address
			    */
	KS_OBJ_KINDS,
};

/* Identity; all bytes count, so make it with = {0}. */
struct ks_obj_key {
	uint8_t kind;
	uint8_t af;
	uint8_t port; /* device */
	uint8_t x; /* route: prefix length; service: protocol; match: which end */
	ks_be16 l4port;
	uint16_t zero;
	uint32_t owner; /* id of the service of a real server or local address */
	uint32_t metric; /* route */
	union ks_addr addr;
	union ks_addr gw; /* route */
};
static_assert(sizeof(struct ks_obj_key) == 48, "no padding");

/* What an op may change and an abort restores. */
struct ks_obj_body {
	bool live;
	uint8_t port; /* local address: device; match: device or KS_ANY_PORT */
	uint8_t plen; /* address; service: persistence mask */
	uint8_t sched; /* service; real server: forwarding mode */
	uint8_t quic_config, quic_len; /* service */
	uint8_t mac[6];
	uint32_t flags;
	uint32_t weight; /* match: its order; route: its share */
	uint32_t mtu;
	uint32_t upper, lower; /* real server: thresholds */
	uint32_t est_timeout_ms;
	uint32_t persist_ms;
	union ks_addr src; /* match: first address of its range */
	union ks_addr last; /* match */
	uint16_t first_port, last_port; /* match, host order */
};

struct ks_obj {
	struct ks_obj_key key;
	struct ks_obj_body body;
	uint32_t hash;
	uint32_t id;
	uint32_t slot; /* service, real server, leased address: KS_SLOT_NONE until built */
	uint8_t retired; /* builds since it is no more, up to KS_RETIRED */
	bool doomed;
	bool held; /* leased address: its lease ran when ks_desired_follow_leases looked */
	struct ks_obj *chain;
	struct ks_obj *prev, *next; /* siblings: of the kind, or of the service */
	struct ks_obj **head;
	struct ks_obj *owner;
	struct ks_obj *rs, *lip, *match; /* heads, service */
	struct ks_maglev *maglev; /* service: of its last generation */
	struct ks_obj *doom_next;
};

struct ks_journal_entry {
	struct ks_obj *obj;
	bool created;
	struct ks_obj_body saved;
};

struct ks_slots {
	uint32_t *stack; /* free ones, the next on top */
	uint32_t n_free;
	uint32_t max;
	uint32_t high; /* 1 + highest ever given */
};

struct ks_chunk;

struct ks_desired {
	struct ks_mem mem;
	struct ks_limits limits;
	uint64_t generation;
	uint32_t epoch;
	uint32_t serial;
	uint32_t next_id;
	uint32_t n_lip_numbers;
	uint32_t n_ports;
	struct ks_port_info port[KS_MAX_PORTS];
	uint32_t param[KS_PARAM_COUNT];

	struct ks_obj **bucket;
	uint32_t n_buckets; /* power of two */
	uint32_t n_objs;
	uint32_t n_live[KS_OBJ_KINDS];
	struct ks_obj *list[KS_OBJ_KINDS]; /* of addresses, routes, neighbours, services */
	struct ks_obj *free_objs;
	struct ks_chunk *chunks;

	struct ks_slots rs_slots, svc_slots, lease_slots;

	bool open; /* a transaction is */
	bool undoable; /* the journal is of the open or of the last committed one */
	struct ks_journal_entry *journal;
	size_t n_journal, cap_journal;
	uint32_t saved_param[KS_PARAM_COUNT];
	uint64_t saved_generation;

	struct ks_mirror_addr *m_addr;
	size_t n_m_addr;
	struct ks_mirror_route *m_route;
	size_t n_m_route;

	bool l3_dirty; /* epoch must change with the next build */
	bool fib_dirty; /* and the trie must be built anew */
	struct ks_fib *fib;
	struct ks_fib6 *fib6;
};

/* ks_obj.c */
struct ks_obj *ks_obj_find(struct ks_desired *d, const struct ks_obj_key *key); /* live or not */
static inline bool ks_obj_live(const struct ks_obj *o)
{
	return o != NULL && o->body.live;
}
/* The same object for ever, outside of any transaction; NULL = no memory. */
struct ks_obj *ks_obj_permanent(struct ks_desired *d, const struct ks_obj_key *key);
/* Make or change: journals what was. NULL = no memory. */
struct ks_obj *ks_obj_set(struct ks_desired *d, const struct ks_obj_key *key, struct ks_obj *owner,
			  const struct ks_obj_body *body);
bool ks_obj_delete(struct ks_desired *d,
		   struct ks_obj *o); /* a service with all it has; false = no memory */
void ks_obj_free(struct ks_desired *d, struct ks_obj *o);
void ks_journal_undo(struct ks_desired *d);
void ks_journal_settle(struct ks_desired *d); /* it stays: free what is needed no more */
bool ks_slots_init(struct ks_desired *d, struct ks_slots *s, uint32_t max);
uint32_t ks_slots_take(struct ks_slots *s);
void ks_slots_give(struct ks_slots *s, uint32_t slot);
bool ks_obj_init(struct ks_desired *d);
void ks_obj_fini(struct ks_desired *d);

/* ks_build_l3.c: is a network on-link because of that address? */
bool ks_obj_brings_network(const struct ks_obj *o);

/* ks_ops.c */
#define KS_NAME_TEXT (KS_FMT_LEN + 16)
/* The live service an op refers to, and its name for a refusal. */
int ks_op_service(struct ks_desired *d, const struct ks_svc_key *k, struct ks_obj **svc,
		  char *reason);
const char *ks_op_service_name(char buf[KS_NAME_TEXT], const struct ks_svc_key *k);
/* Number of the device, or -1 with a reason. */
int ks_op_device(const struct ks_desired *d, const char dev[KS_DEV_NAME], char *reason);
/* ks_ops_match.c */
bool ks_is_match_name(uint8_t af, ks_be16 port, const union ks_addr *name);
int ks_op_match_set(struct ks_desired *d, const struct ks_op *op, char *reason);
int ks_op_check_and_apply(struct ks_desired *d, const struct ks_op *op, size_t len, char *reason);

/* ks_desired.c */
extern const uint32_t ks_param_default[KS_PARAM_COUNT];
__attribute__((format(printf, 3, 4))) int ks_refuse(char *reason, int status, const char *fmt, ...);
const char *ks_fmt(char buf[KS_FMT_LEN], uint8_t af, const union ks_addr *addr);

static inline void *ks_new(const struct ks_mem *m, size_t n, size_t size)
{
	return m->alloc(m->ctx, n * size, 16);
}

static inline void ks_del(const struct ks_mem *m, void *p)
{
	if (p != NULL)
		m->free(m->ctx, p);
}

static inline uint64_t ks_mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	return x ^ x >> 32;
}

#endif
