/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's burst: check all packets and start the loads of their index buckets, then start the
 * loads of the sessions the buckets name, then process; so the misses of a burst overlap instead of
 * following one another.
 */
#include "ks_quick.h"
#include "ks_sctp.h"
#include "ks_tcp.h"
#include "ks_worker_int.h"

/* Packets a turn of the timers looks at when the shell does not say. */
#define SESSIONS_SCANNED 8192u

struct flow {
	struct ks_pkt *p;
	const struct ks_bucket *bucket;
	uint32_t ref; /* what the index says, KS_NONE = nothing */
	struct ks_key key;
};

struct ks_worker *ks_worker_new(const struct ks_worker_opts *o)
{
	struct ks_worker *w = o->mem->alloc(o->mem->ctx, sizeof(*w), 64);

	if (w == NULL)
		return NULL;
	w->opts = *o;
	w->mem = o->mem;
	w->c = o->counters;
	w->rs = o->rs_counters;
	w->shared = o->shared;
	w->index = o->index;
	w->n_workers = o->n_workers;
	w->max_rs_slots = o->max_rs_slots;
	w->max_svc_slots = o->max_svc_slots;
	w->sched = o->mem->alloc(o->mem->ctx, (size_t)o->max_svc_slots * sizeof(*w->sched), 64);
	w->counts = (struct ks_counts){ .own = w->rs,
					.first = o->n_workers > 1 ? o->rs_first : NULL,
					.stride = o->rs_stride,
					.n_workers = o->n_workers,
					.index = o->index,
					.n_slots = o->max_rs_slots };
	w->counts.seen =
		o->mem->alloc(o->mem->ctx, (size_t)o->max_rs_slots * sizeof(*w->counts.seen), 64);
	if (w->sched == NULL || w->counts.seen == NULL || !ks_frags_init(w) ||
	    !ks_table_init(&w->table, o->mem, o->max_sessions, o->init_sessions,
			   o->seed + o->index)) {
		ks_worker_free(w);
		return NULL;
	}
	/* workers begin at different real servers, so that the first ones are not all the same
	 * (DPVS does so too) */
	for (uint32_t i = 0; i < o->max_svc_slots; i++)
		w->sched[i].at = o->index;
	w->lport_cursor = (uint32_t)(o->seed >> 16) &
		0xffff; /* not where the process before us began: real servers remember its ports */
	ks_wheel_init(&w->wheel, 0);
	return w;
}

void ks_worker_free(struct ks_worker *w)
{
	if (w == NULL)
		return;
	ks_table_fini(&w->table);
	ks_frags_fini(w);
	if (w->sched != NULL)
		w->mem->free(w->mem->ctx, w->sched);
	if (w->counts.seen != NULL)
		w->mem->free(w->mem->ctx, w->counts.seen);
	w->mem->free(w->mem->ctx, w);
}

/* Does it begin a connection? */
bool ks_begins(const struct ks_pkt *p)
{
	if (p->proto == KS_PROTO_SCTP)
		return p->tcp_flags == KS_SCTP_INIT;
	return p->proto != KS_PROTO_TCP ||
		(p->tcp_flags & (KS_TCP_SYN | KS_TCP_ACK | KS_TCP_RST | KS_TCP_FIN)) == KS_TCP_SYN;
}

/* A SYN that may begin anew where an old connection is over (DPVS's conn_reuse_state), or an INIT
 * likewise. */
static bool is_reusable(const struct ks_conf *c, const struct ks_pkt *p, const struct ks_session *s,
			unsigned dir)
{
	if (p->proto == KS_PROTO_SCTP)
		return dir == KS_IN && p->tcp_flags == KS_SCTP_INIT &&
			(s->state == KS_ST_SCTP_CLOSED || s->state == KS_ST_SCTP_REJECTED);
	return p->proto == KS_PROTO_TCP && dir == KS_IN &&
		(p->tcp_flags & (KS_TCP_SYN | KS_TCP_ACK | KS_TCP_RST | KS_TCP_FIN)) ==
		KS_TCP_SYN &&
		(c->param[KS_PARAM_REUSE_STATES] >> s->state & 1 ||
		 (s->state == KS_ST_FIN_WAIT && s->flags & KS_SF_ONE_WAY));
}

bool ks_source_is_sane(const struct ks_key *k)
{
	const union ks_addr *a = &k->a[KS_SRC];
	uint8_t first = (uint8_t)(k->t.src & 0xff);

	if (k->af == 4)
		return first != 0 && first != 127 && first < 224;
	return a->b[0] != 0xff && (a->q[0] != 0 || ks_ntoh32((uint32_t)(a->q[1] >> 32)) > 1);
}

static const struct ks_svc *service_of(const struct ks_conf *c, const struct ks_key *k,
				       uint8_t proto)
{
	return k->af == 4 ? ks_conf_svc4(c, proto, k->t.dst, k->t.dport)
			  : ks_conf_svc6(c, proto, &k->a[KS_DST], k->t.dport);
}

void ks_not_begun(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, ks_ms now)
{
	if (p->proto == KS_PROTO_TCP)
		ks_tcp_reset(w, c, p, KS_DROP_NOT_SYN, now);
	else
		ks_drop(w, p, KS_DROP_NOT_SYN);
}

/* Neither ours nor of a session: SNAT lets it out, or it is a real server in NAT that still speaks
 * of a session which is over. */
static void passing_by(struct ks_worker *w, const struct ks_conf *c, struct flow *f, ks_ms now)
{
	const struct ks_key *k = &f->key;
	union ks_addr src = k->af == 4 ? ks_addr4(k->t.src) : k->a[KS_SRC];

	if (c->n_match != 0 && ks_snat(w, c, f->p, k, now))
		return;
	if (c->passes && f->p->proto == KS_PROTO_TCP &&
	    ks_conf_is_nat_rs(c, k->af, KS_PROTO_TCP, &src, k->t.sport))
		ks_tcp_reset(w, c, f->p, KS_DROP_NOT_SYN, now);
	else
		ks_drop(w, f->p, KS_DROP_NOT_LOCAL);
}

/* No session: a service opens one, the kernel gets what is its own, the rest ends here. */
static void unknown_flow(struct ks_worker *w, const struct ks_conf *c, struct flow *f, ks_ms now)
{
	struct ks_pkt *p = f->p;
	const struct ks_svc *svc = service_of(c, &f->key, p->proto);
	const struct ks_local *l;
	struct ks_session *s;

	if (svc != NULL) {
		if (!ks_source_is_sane(&f->key)) {
			ks_drop(w, p, KS_DROP_IP_SOURCE);
			return;
		}
		if (!ks_begins(p)) {
			ks_not_begun(w, c, p, now);
			return;
		}
		s = ks_open(w, c, p, &f->key, svc, now);
		if (s == NULL)
			return;
		ks_forward(w, c, p, s, KS_IN, now);
		if (svc->flags & KS_SVC_ONE_PACKET && s->flags & KS_SF_ONE_WAY &&
		    p->frag == KS_FRAG_NONE)
			ks_close(w, s); /* nothing will come back, and no other packet meets it */
		return;
	}
	l = f->key.af == 4 ? ks_conf_local4(c, f->key.t.dst) : ks_conf_local6(c, &f->key.a[KS_DST]);
	if (ks_held(&w->shared->leases, l, now) == NULL) {
		passing_by(w, c, f, now);
	} else if (l->flags & KS_LOCAL_KERNEL) {
		p->verdict = KS_V_KNI;
		w->c[KS_C_KNI_PACKETS]++;
	} else if (l->flags & (KS_LOCAL_LIP | KS_LOCAL_SNAT) && p->proto == KS_PROTO_TCP) {
		/* a real server that still speaks of a session which is over */
		ks_tcp_reset(w, c, p, KS_DROP_NOT_SYN, now);
	} else {
		ks_drop(w, p, KS_DROP_NO_SERVICE);
	}
}

__attribute__((noinline)) static void known_or_not(struct ks_worker *w, const struct ks_conf *c,
						   struct flow *f, ks_ms now)
{
	unsigned dir;
	struct ks_session *s = ks_table_find_key(&w->table, &f->key, f->p->proto, f->p->hash, &dir);

	if (s != NULL && !is_reusable(c, f->p, s, dir)) {
		ks_forward(w, c, f->p, s, dir, now);
		return;
	}
	if (s != NULL) {
		ks_close(w, s);
		w->c[KS_C_SESSIONS_REUSED]++;
	}
	unknown_flow(w, c, f, now);
}

/* An answer makes no session, as little as a fragment other than the first does. */
static bool may_begin(const struct flow *f)
{
	return f->p->frag == KS_FRAG_FIRST && (!ks_is_icmp(f->p->proto) || f->key.t.sport != 0);
}

/* Rare enough to be taken one by one. */
__attribute__((noinline, cold)) static void one_fragment(struct ks_worker *w,
							 const struct ks_conf *c, struct flow *f,
							 struct ks_pkt *p, ks_ms now)
{
	unsigned dir;

	f->p = p;
	p->hash = ks_key_hash(&w->table, &f->key, p->proto);
	if (may_begin(f) || ks_table_find_key(&w->table, &f->key, p->proto, p->hash, &dir) != NULL)
		known_or_not(w, c, f, now);
	else if (service_of(c, &f->key, p->proto) != NULL)
		ks_drop(w, p, KS_DROP_FRAGMENT);
	else
		ks_leave_to_kernel(w, c, p, KS_DROP_FRAGMENT);
}

/* Checked by the worker that took it from the port: the owner need not check again. */
static void hand_over(struct ks_worker *w, struct ks_pkt *p, unsigned owner)
{
	p->flags |= KS_RX_IP_CSUM_GOOD | KS_RX_L4_CSUM_GOOD;
	p->verdict = KS_V_WORKER;
	p->worker = (uint8_t)owner;
	w->c[KS_C_HANDED_OUT]++;
}

static inline void fill_key(struct ks_key *k, const struct ks_pkt *p)
{
	k->af = p->af;
	memcpy(&k->t.sport, p->data + p->l4, 4);
	if (__builtin_expect(p->af == 4, 1)) {
		memcpy(&k->t.src, p->data + p->l3 + 12, 8);
		return;
	}
	k->t.src = k->t.dst = 0;
	memcpy(k->a, p->data + p->l3 + 8, 32);
}

/* true: of a flow. What is not has its verdict. */
__attribute__((noinline)) static bool parse_fully(struct ks_worker *w, const struct ks_conf *c,
						  struct ks_pkt *p, bool handed, ks_ms now)
{
	struct flow f;

	switch (ks_parse(w, c, p)) {
	case KS_CLASS_DONE:
		break;
	case KS_CLASS_ICMP:
		if (p->af == 4)
			ks_icmp(w, c, p, handed, now);
		else
			ks_icmp6(w, c, p, handed, now);
		break;
	case KS_CLASS_FRAGMENT:
		if (ks_fragment(w, c, p, &f.key, handed, now))
			one_fragment(w, c, &f, p, now);
		break;
	case KS_CLASS_FLOW:
		return true;
	}
	return false;
}

void ks_worker_burst(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *pkts, unsigned n,
		     bool handed, ks_ms now)
{
	struct flow flow[KS_BURST];
	unsigned n_flows = 0;
	uint32_t removals;

	w->now = now;
	if (n > KS_BURST)
		n = KS_BURST;
	for (unsigned i = 0; i < n; i++) {
		struct ks_pkt *p = &pkts[i];
		struct flow *f = &flow[n_flows];

		if (!ks_quick(c, p) && !parse_fully(w, c, p, handed, now))
			continue;
		fill_key(&f->key, p);
		if (!handed && c->n_workers > 1) {
			unsigned owner = ks_owner(c, &f->key, p->proto);

			if (owner != w->index) {
				hand_over(w, p, owner);
				continue;
			}
		}
		p->hash = ks_key_hash(&w->table, &f->key, p->proto);
		f->p = p;
		f->bucket = ks_table_bucket(&w->table, p->hash);
		__builtin_prefetch(f->bucket);
		n_flows++;
	}
	for (unsigned i = 0; i < n_flows; i++) {
		flow[i].ref = ks_table_candidate(&w->table, flow[i].bucket, flow[i].p->hash);
		if (flow[i].ref == KS_NONE)
			continue;
		__builtin_prefetch(&w->table.session[flow[i].ref >> 1], 1);
		if (flow[i].ref >> 1 >= w->table.fresh_wide) /* addresses are in its second line */
			__builtin_prefetch(&w->table.session[(flow[i].ref >> 1) + 1]);
	}
	removals = w->table.removals;
	for (unsigned i = 0; i < n_flows; i++) {
		struct flow *f = &flow[i];
		struct ks_session *s = NULL;

		if (f->ref != KS_NONE && removals == w->table.removals)
			s = ks_table_confirm(&w->table, f->ref, &f->key, f->p->proto);
		if (__builtin_expect(s != NULL && !is_reusable(c, f->p, s, f->ref & 1), 1))
			ks_forward(w, c, f->p, s, f->ref & 1, now);
		else
			known_or_not(w, c, f, now);
	}
}

unsigned ks_worker_tick(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *out,
			unsigned max_out, unsigned max_work, ks_ms now)
{
	struct ks_session *s;
	unsigned n = 0;

	w->now = now;
	while (n + 2 <= max_out &&
	       (s = ks_wheel_expired(&w->wheel, &w->table, &max_work, now)) != NULL) {
		w->c[KS_C_SESSIONS_EXPIRED] += s->flags & KS_SF_TEMPLATE ? 0 : 1;
		n += ks_tell_expired(w, c, s, out + n, now);
		ks_forget(w, s);
	}
	return n;
}

void ks_worker_ahead(const struct ks_worker *w, uint32_t sessions,
		     struct ks_span span[KS_AHEAD_KINDS])
{
	ks_table_ahead(&w->table, sessions, span);
}

ks_ms ks_worker_deadline(const struct ks_worker *w)
{
	return w->table.used == 0 ? UINT64_MAX : w->wheel.turn << KS_WHEEL_SHIFT;
}

static void put_addr(uint8_t field[16], const struct ks_key *k, unsigned side)
{
	if (k->af == 4)
		memcpy(field, side == KS_SRC ? &k->t.src : &k->t.dst, 4);
	else
		memcpy(field, k->a[side].b, 16);
}

static void fill_row(const struct ks_worker *w, const struct ks_session *s,
		     struct ks_session_row *row, ks_ms now)
{
	struct ks_key in = ks_session_key(s, KS_IN), out = ks_session_key(s, KS_OUT);
	int32_t left = ks_session_left(s, now);

	*row = (struct ks_session_row){
		.af_in = in.af,
		.af_out = out.af,
		.proto = s->proto,
		.state = s->state,
		.worker = (uint16_t)w->index,
		.fwd = s->fwd,
		.expires_ms = left > 0 ? (uint32_t)left : 0,
		.cport = in.t.sport,
		.vport = in.t.dport,
		.lport = s->fwd == KS_FWD_FNAT || s->fwd == KS_FWD_SNAT ? out.t.dport : 0,
		.rport = s->flags & KS_SF_ONE_WAY ? in.t.dport : out.t.sport,
	};
	put_addr(row->client, &in, KS_SRC);
	put_addr(row->vip, &in, KS_DST);
	put_addr(row->rs, &out, KS_SRC);
	if (s->fwd == KS_FWD_FNAT || s->fwd == KS_FWD_SNAT)
		put_addr(row->lip, &out, KS_DST);
}

/* The line of the next session to look at: narrow ones from below, then the wide ones. */
static uint32_t next_line(const struct ks_table *t, uint32_t i)
{
	return i < t->fresh || i >= t->fresh_wide ? i : t->fresh_wide;
}

unsigned ks_worker_sessions(const struct ks_worker *w, const struct ks_conf *c, uint32_t cursor,
			    struct ks_session_row *rows, unsigned max, uint32_t *next, ks_ms now)
{
	const struct ks_table *t = &w->table;
	uint32_t i = next_line(t, cursor);
	unsigned n = 0;

	(void)c;
	for (unsigned scanned = 0; i < t->max && n < max && scanned < SESSIONS_SCANNED; scanned++) {
		if ((t->session[i].flags & (KS_SF_USED | KS_SF_TEMPLATE)) == KS_SF_USED)
			fill_row(w, &t->session[i], &rows[n++], now);
		i = next_line(t, i + (i >= t->fresh_wide ? 2 : 1));
	}
	*next = i < t->max ? i : UINT32_MAX;
	return n;
}
