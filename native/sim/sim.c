/* SPDX-License-Identifier: Apache-2.0 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "ks_csum.h"
#include "ks_hdr.h"
#include "ks_main.h"
#include "ks_neigh.h"
#include "ks_tables.h"

/* Before and behind the frame there is what the core may grow into and nothing more: a sanitizer
 * sees the rest. */
#define HEADROOM   64u
#define TAILROOM   64u
#define FRESH_ROOM 2048u
#define TIMER_OUT  64u
#define TIMER_WORK 1024u
#define RS_SLOTS   4096u
#define SVC_SLOTS  1024u

struct sim {
	struct sim_opts o;
	struct ks_mem mem;
	struct ks_shared shared;
	struct ks_desired *desired;
	struct ks_conf *conf;
	struct ks_main *main;
	struct ks_worker *worker[KS_MAX_WORKERS];
	uint64_t c[KS_MAX_WORKERS + 1][KS_C_COUNT];
	uint64_t (*rs)[RS_SLOTS][KS_RSC_COUNT];
	uint8_t in_use[RS_SLOTS];
	uint64_t generation, frames;
	ks_ms now;
};

/* calloc, because large tables that are hardly used must not be touched; the pointer to free lies
 * before what the caller gets. */
static void *mem_alloc(void *ctx, size_t size, size_t align)
{
	uint8_t *start = calloc(1, size + 2 * align + sizeof(void *)), *p;

	(void)ctx;
	if (start == NULL)
		return NULL;
	p = start + sizeof(void *);
	p += (align - (uintptr_t)p % align) % align;
	memcpy(p - sizeof(void *), &start, sizeof(start));
	return p;
}

static void mem_free(void *ctx, void *p)
{
	uint8_t *start;

	(void)ctx;
	if (p == NULL)
		return;
	memcpy(&start, (uint8_t *)p - sizeof(void *), sizeof(start));
	free(start);
}

/* ---- where frames go ---------------------------------------------------------------------------------------------- */

static void tell(struct sim *s, enum sim_fate fate, uint8_t port, unsigned worker,
		 const struct ks_pkt *p)
{
	struct sim_out o = { .fate = fate,
			     .port = port,
			     .worker = (uint8_t)worker,
			     .reason = (enum ks_drop)p->reason,
			     .frame = p->data,
			     .len = p->len,
			     .at = s->now };

	s->o.out(s->o.ctx, &o);
}

static bool io_alloc(void *ctx, struct ks_pkt *out)
{
	uint8_t *buf = malloc(FRESH_ROOM);

	(void)ctx;
	*out = (struct ks_pkt){ .data = buf, .cookie = buf, .tailroom = FRESH_ROOM };
	return buf != NULL;
}

static void io_send(void *ctx, struct ks_pkt *p)
{
	struct sim *s = ctx;

	tell(s, SIM_TX, p->out_port, s->o.n_workers, p);
	free(p->cookie);
}

static void io_kni(void *ctx, struct ks_pkt *p)
{
	struct sim *s = ctx;

	tell(s, SIM_KNI, p->in_port, s->o.n_workers, p);
	free(p->cookie);
}

/* Given back: dropped (the reason is in the packet), or used up. */
static void io_release(void *ctx, struct ks_pkt *p)
{
	struct sim *s = ctx;

	if (p->verdict == KS_V_DROP)
		tell(s, SIM_DROP, p->in_port, s->o.n_workers, p);
	free(p->cookie);
}

static void io_event(void *ctx, const struct ks_event *e)
{
	struct sim *s = ctx;

	if (s->o.event != NULL)
		s->o.event(s->o.ctx, e);
}

static bool build(struct sim *s, char reason[KS_REASON_LEN]);

/* As the shell's main lcore does: sessions look their ways up again. */
static void follow_outdated(struct sim *s)
{
	char reason[KS_REASON_LEN];

	if (!s->shared.neigh.outdated)
		return;
	s->shared.neigh.outdated = false;
	ks_desired_new_epoch(s->desired);
	(void)build(s, reason);
}

static void carry_out(struct sim *s, struct ks_pkt *p, unsigned worker);

static void worker_send(void *ctx, struct ks_pkt *p)
{
	carry_out(ctx, p, 0);
}

static void carry_out(struct sim *s, struct ks_pkt *p, unsigned worker)
{
	while (p->verdict == KS_V_WORKER) {
		worker = p->worker;
		p->flags |= KS_RX_IP_CSUM_GOOD | KS_RX_L4_CSUM_GOOD; /* the first has verified it */
		ks_worker_burst(s->worker[worker], s->conf, p, 1, true, s->now);
	}
	switch ((enum ks_verdict)p->verdict) {
	case KS_V_TX:
		tell(s, SIM_TX, p->out_port, worker, p);
		break;
	case KS_V_KNI:
		tell(s, SIM_KNI, p->in_port, worker, p);
		break;
	case KS_V_MAIN:
		ks_main_packet(s->main, s->conf, p, s->now); /* takes the buffer */
		return;
	case KS_V_DROP:
		tell(s, SIM_DROP, p->in_port, worker, p);
		break;
	case KS_V_WORKER: /* an owner does not hand on */
	case KS_V_CONSUMED:
		break;
	}
	free(p->cookie);
}

/* What a port that verifies TCP and UDP would claim: only of whole packets without options,
 * extensions or fragments, and only what is true. */
static uint8_t claims(const uint8_t *f, unsigned len)
{
	const struct ks_ip4 *ip4 = (const void *)(f + KS_ETH_LEN);
	const struct ks_ip6 *ip6 = (const void *)(f + KS_ETH_LEN);
	unsigned type = len < KS_ETH_LEN ? 0 : (unsigned)f[12] << 8 | f[13], header, total;
	uint64_t pseudo;
	uint8_t proto;

	if (type == KS_ETHERTYPE_IPV4 && len >= KS_ETH_LEN + sizeof(*ip4)) {
		header = sizeof(*ip4);
		total = ks_ntoh16(ip4->len);
		proto = ip4->proto;
		if (ip4->ver_ihl != 0x45 || ks_ntoh16(ip4->frag) & KS_IP4_FRAG || total < header ||
		    ks_csum_fold(ks_csum_add(0, f + KS_ETH_LEN, header)) != 0xffff)
			return 0;
		pseudo = ks_csum_pseudo4(ip4->src, ip4->dst, proto, (uint16_t)(total - header));
	} else if (type == KS_ETHERTYPE_IPV6 && len >= KS_ETH_LEN + sizeof(*ip6)) {
		header = sizeof(*ip6);
		total = header + ks_ntoh16(ip6->plen);
		proto = ip6->next;
		if (f[KS_ETH_LEN] >> 4 != 6)
			return 0;
		pseudo = ks_csum_pseudo6(ip6->src, ip6->dst, proto, (uint16_t)(total - header));
	} else {
		return 0;
	}
	if (total > len - KS_ETH_LEN || (proto != KS_PROTO_TCP && proto != KS_PROTO_UDP))
		return 0;
	f += KS_ETH_LEN + header;
	if (proto == KS_PROTO_UDP && (total < header + 8 || (f[6] | f[7]) == 0))
		return 0; /* no checksum was made */
	if (ks_csum_fold(ks_csum_add(pseudo, f, total - header)) != 0xffff)
		return 0;
	return KS_RX_IP_CSUM_GOOD | KS_RX_L4_CSUM_GOOD;
}

void sim_frame(struct sim *s, unsigned port, unsigned worker, const uint8_t *frame, uint16_t len)
{
	uint8_t *buf = malloc(HEADROOM + (size_t)len + TAILROOM);
	struct ks_pkt p = { .data = buf + HEADROOM,
			    .cookie = buf,
			    .len = len,
			    .headroom = HEADROOM,
			    .tailroom = TAILROOM,
			    .in_port = (uint8_t)port };

	if (buf == NULL)
		return;
	memcpy(p.data, frame, len);
	if (s->frames++ % 2 == 0) /* the other half is verified by the core */
		p.flags = claims(p.data, len);
	ks_worker_burst(s->worker[worker], s->conf, &p, 1, false, s->now);
	carry_out(s, &p, worker);
	follow_outdated(s);
}

/* ---- time --------------------------------------------------------------------------------------------------------- */

ks_ms sim_now(const struct sim *s)
{
	return s->now;
}

static ks_ms next_deadline(const struct sim *s)
{
	ks_ms next = ks_main_deadline(s->main);

	for (unsigned i = 0; i < s->o.n_workers; i++) {
		ks_ms d = ks_worker_deadline(s->worker[i]);

		next = d < next ? d : next;
	}
	return next;
}

static void fire(struct sim *s)
{
	struct ks_pkt out[TIMER_OUT];

	for (unsigned i = 0; i < s->o.n_workers; i++) {
		unsigned n =
			ks_worker_tick(s->worker[i], s->conf, out, TIMER_OUT, TIMER_WORK, s->now);

		for (unsigned k = 0; k < n; k++)
			carry_out(s, &out[k], i);
	}
	ks_main_tick(s->main, s->conf, s->now);
	follow_outdated(s);
}

void sim_advance(struct sim *s, ks_ms to)
{
	for (ks_ms next = next_deadline(s); next <= to; next = next_deadline(s)) {
		s->now = next > s->now ? next : s->now;
		fire(s);
		if (next_deadline(s) <= s->now)
			s->now++; /* more than one turn's work is due: the shell's next turn */
	}
	s->now = to > s->now ? to : s->now;
}

/* ---- generations -------------------------------------------------------------------------------------------------- */

static bool build_once(struct sim *s, char reason[KS_REASON_LEN])
{
	struct ks_conf *conf;

	memset(s->in_use, 0, sizeof(s->in_use));
	for (unsigned i = 0; i < s->o.n_workers; i++)
		for (unsigned k = 0; k < RS_SLOTS; k++)
			s->in_use[k] |=
				(s->rs[i][k][KS_RSC_ACTIVE] + s->rs[i][k][KS_RSC_INACTIVE]) != 0;
	conf = ks_conf_build(s->desired, s->in_use, reason);
	if (conf == NULL)
		return false;
	ks_conf_free(s->conf);
	s->conf = conf;
	ks_main_tick(s->main, conf, s->now); /* as the shell does with a new generation */
	return true;
}

/* The simulated node holds every leased address. */
static bool build(struct sim *s, char reason[KS_REASON_LEN])
{
	const struct ks_holding held = { .leases = &s->shared.leases, .now = s->now };
	const struct ks_tables *t;

	if (!build_once(s, reason))
		return false;
	t = s->conf->impl;
	for (uint32_t i = 0; i < t->n_local; i++) {
		const struct ks_local *l = &t->local[i];
		struct ks_lease_state state;

		ks_main_lease(s->main, s->conf, l->port, l->af, &l->addr, KS_LEASE_QUERY - 1,
			      s->now, &state);
	}
	return !ks_desired_follow_leases(s->desired, &held) || build_once(s, reason);
}

static int apply_all(struct sim *s, const uint8_t *ops, size_t len, char reason[KS_REASON_LEN])
{
	while (len > 0) {
		struct ks_op head;
		union {
			struct ks_op op;
			uint8_t bytes[256];
		} one;
		int status;

		if (len < sizeof(head))
			goto short_of;
		memcpy(&head, ops, sizeof(head));
		if (head.len < sizeof(head) || head.len > len || head.len > sizeof(one))
			goto short_of;
		memcpy(one.bytes, ops, head.len);
		status = ks_desired_apply(s->desired, &one.op, head.len, reason);
		if (status != KS_OK)
			return status;
		ops += head.len;
		len -= head.len;
	}
	return KS_OK;
short_of:
	memcpy(reason, "an op is cut off", sizeof("an op is cut off"));
	return KS_E_MALFORMED;
}

int sim_ops(struct sim *s, bool from_empty, const uint8_t *ops, size_t len,
	    char reason[KS_REASON_LEN])
{
	int status = ks_desired_begin(s->desired, from_empty);

	reason[0] = '\0';
	if (status != KS_OK)
		return status;
	status = apply_all(s, ops, len, reason);
	if (status == KS_OK)
		status = ks_desired_commit(s->desired, s->generation + 1, reason);
	if (status != KS_OK) {
		ks_desired_abort(s->desired);
		return status;
	}
	if (!build(s, reason)) {
		ks_desired_rollback(s->desired);
		return KS_E_NO_MEMORY;
	}
	s->generation++;
	return KS_OK;
}

/* ---- making it ---------------------------------------------------------------------------------------------------- */

static bool make_workers(struct sim *s)
{
	for (unsigned i = 0; i < s->o.n_workers; i++) {
		struct ks_worker_opts o = {
			.index = i,
			.n_workers = s->o.n_workers,
			.max_sessions = s->o.max_sessions,
			.init_sessions = 64,
			.seed = s->o.seed,
			.max_rs_slots = RS_SLOTS,
			.max_svc_slots = SVC_SLOTS,
			.mem = &s->mem,
			.shared = &s->shared,
			.counters = s->c[i],
			.rs_counters = &s->rs[i][0][0],
			.rs_first = &s->rs[0][0][0],
			.rs_stride = sizeof(s->rs[0]) / sizeof(uint64_t),
			.alloc = io_alloc,
			.send_ctx = s,
			.send = worker_send,
		};

		s->worker[i] = ks_worker_new(&o);
		if (s->worker[i] == NULL)
			return false;
	}
	return true;
}

static bool make(struct sim *s)
{
	struct ks_limits limits = { .max_services = SVC_SLOTS,
				    .max_rs_slots = RS_SLOTS,
				    .max_routes = 65536,
				    .n_workers = s->o.n_workers };
	struct ks_main_io io = { .ctx = s,
				 .alloc = io_alloc,
				 .send = io_send,
				 .release = io_release,
				 .kni = io_kni,
				 .event = io_event };
	char reason[KS_REASON_LEN];

	s->mem = (struct ks_mem){ .alloc = mem_alloc, .free = mem_free };
	s->now = 1000000;
	s->rs = calloc(s->o.n_workers, sizeof(*s->rs));
	s->desired = ks_desired_new(&s->mem, &limits);
	if (s->rs == NULL || s->desired == NULL)
		return false;
	for (unsigned i = 0; i < s->o.n_ports; i++) {
		s->o.port[i].rss = s->o.rss;
		ks_desired_port(s->desired, i, &s->o.port[i]);
	}
	ks_desired_mirror_addrs(s->desired, s->o.addr, s->o.n_addrs);
	s->main = ks_main_new(&s->mem, &s->shared, &io, s->c[s->o.n_workers]);
	if (s->main == NULL || !make_workers(s) || !build(s, reason))
		return false;
	return true;
}

struct sim *sim_new(const struct sim_opts *o)
{
	struct sim *s = aligned_alloc(64, (sizeof(*s) + 63) & ~(size_t)63);

	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof(*s));
	s->o = *o;
	if (make(s))
		return s;
	sim_free(s);
	return NULL;
}

void sim_free(struct sim *s)
{
	for (unsigned i = 0; i < s->o.n_workers; i++)
		if (s->worker[i] != NULL)
			ks_worker_free(s->worker[i]);
	if (s->main != NULL)
		ks_main_free(s->main);
	if (s->conf != NULL)
		ks_conf_free(s->conf);
	if (s->desired != NULL)
		ks_desired_free(s->desired);
	free(s->rs);
	free(s);
}

uint64_t sim_counter(const struct sim *s, unsigned i)
{
	uint64_t sum = 0;

	for (unsigned w = 0; w <= s->o.n_workers; w++)
		sum += s->c[w][i];
	return sum;
}
