/* SPDX-License-Identifier: Apache-2.0 */
/* New sessions: real server by the scheduler, local address and port of this worker's own,
 * counters, timer. And their end. */
#include "ks_quic.h"
#include "ks_rss.h"
#include "ks_tcp.h"
#include "ks_worker_int.h"

/* Ports tried for one packet before it is dropped; the next packet goes on where this one stopped,
 * so every free port is found. */
#define LPORT_TRIES 512u

struct ks_port_class ks_own_ports(const struct ks_worker *w, const struct ks_conf *c)
{
	uint32_t n = c->n_workers > 0 ? c->n_workers : 1;
	uint32_t min = c->param[KS_PARAM_LPORT_MIN];
	uint32_t max = c->param[KS_PARAM_LPORT_MAX];
	uint32_t first = min + (w->index + n - min % n) % n;
	struct ks_port_class pc = { first, 0 };

	if (first <= max)
		pc.count = (max - first) / n + 1;
	return pc;
}

static uint16_t delta_of(const uint64_t minus, const uint64_t plus)
{
	return ks_csum_fold((uint64_t)(uint16_t)~ks_csum_fold(minus) + ks_csum_fold(plus));
}

/* Sum of both addresses as they stand in a pseudo header. ICMP has none, ICMPv6 does. */
static uint64_t addr_sum(const struct ks_key *k)
{
	return k->af == 4 ? (uint64_t)k->t.src + k->t.dst
			  : ks_csum_add(0, (const uint8_t *)k->a, sizeof(k->a));
}

static void fill_deltas(struct ks_session *s, const struct ks_key *in, const struct ks_key *out)
{
	uint64_t old_addrs = addr_sum(in), new_addrs = addr_sum(out);
	bool pseudo = s->proto != KS_PROTO_ICMP;

	s->ip_delta = s->l4_delta = 0;
	if (s->flags & KS_SF_ONE_WAY) /* nothing inside is changed */
		return;
	if (in->af == 4 && out->af == 4) /* else there is a new header */
		s->ip_delta = delta_of(old_addrs, new_addrs);
	s->l4_delta = delta_of((pseudo ? old_addrs : 0) + in->t.sport + in->t.dport,
			       (pseudo ? new_addrs : 0) + out->t.sport + out->t.dport);
}

static void set_addr(struct ks_key *k, unsigned side, const union ks_addr *a)
{
	if (k->af == 6)
		k->a[side] = *a;
	else if (side == KS_SRC)
		k->t.src = a->v4;
	else
		k->t.dst = a->v4;
}

/* The spreading of the port by which that real server answers, if it is worth choosing local ports
 * by it: the worker gets packets there, and not nearly all of its pairs that come back to it are in
 * use by this real server already. */
static const struct ks_rss *spreading(const struct ks_worker *w, const struct ks_conf *c,
				      const struct ks_rs *rs, uint64_t used, uint64_t pairs)
{
	const struct ks_route *r = c->rss == NULL ? NULL : ks_conf_route(c, rs->af, &rs->addr);
	const struct ks_rss *rss = r == NULL ? NULL : c->port[r->port].rss;

	if (rss == NULL || (rss->workers >> w->index & 1) == 0 ||
	    used >= pairs / c->n_workers / 8 * 7)
		return NULL;
	return rss;
}

/* A pair of local address and port whose way back is nobody's yet, preferably one that the NIC
 * brings to this worker; false = exhausted. */
static bool choose_local(struct ks_worker *w, const struct ks_conf *c, const struct ks_svc *svc,
			 const struct ks_rs *rs, uint8_t proto, struct ks_key *out,
			 uint32_t *hash_out)
{
	struct ks_sched_state *st = &w->sched[svc->slot];
	struct ks_port_class pc = ks_own_ports(w, c);
	const uint64_t *row = ks_rs_row(w, rs->slot);
	const struct ks_lip *lips = svc->lip + (rs->af == 4 ? 0 : svc->n_lip4);
	uint32_t n_lips = rs->af == 4 ? svc->n_lip4 : (uint32_t)(svc->n_lip - svc->n_lip4);
	uint64_t used = row[KS_RSC_ACTIVE] + row[KS_RSC_INACTIVE];
	uint64_t pairs = (uint64_t)pc.count * n_lips;
	const struct ks_rss *rss;
	unsigned dir;

	if (used >= pairs)
		return false;
	rss = spreading(w, c, rs, used, pairs);
	for (unsigned i = 0; i < 2 * LPORT_TRIES; i++) {
		/* local addresses in turn; a port after all of them had it */
		const struct ks_lip *lip = &lips[st->lip % n_lips];
		bool aimed = rss != NULL && i < LPORT_TRIES;

		if (++st->lip >= n_lips) {
			st->lip = 0;
			w->lport_cursor =
				(w->lport_cursor + (aimed ? KS_AIMED_STEP : 1)) % pc.count;
		}
		set_addr(out, KS_DST, &lip->addr);
		out->t.dport = ks_hton16(
			(uint16_t)(pc.first + (w->lport_cursor % pc.count) * c->n_workers));
		if (aimed && ks_rss_worker(rss, out, proto) != w->index)
			continue;
		*hash_out = ks_key_hash(&w->table, out, proto);
		if (ks_table_find_key(&w->table, out, proto, *hash_out, &dir) == NULL)
			return true;
	}
	return false;
}

/* What packets of the real server will look like, by the forwarding mode: `out` has its source.
 * KS_DROP_NONE, or why it cannot be. */
static enum ks_drop choose_way_back(struct ks_worker *w, const struct ks_conf *c,
				    const struct ks_svc *svc, const struct ks_rs *rs,
				    const struct ks_key *in, uint8_t proto, struct ks_key *out,
				    uint32_t *hash_out)
{
	unsigned dir;

	switch ((enum ks_fwd)rs->fwd) {
	case KS_FWD_FNAT:
		if (rs->af == 4 ? svc->n_lip4 == 0 : svc->n_lip == svc->n_lip4)
			return KS_DROP_NO_LIP;
		return choose_local(w, c, svc, rs, proto, out, hash_out) ? KS_DROP_NONE
									 : KS_DROP_LPORT_EXHAUSTED;
	case KS_FWD_NAT:
		out->t.dst = in->t.src;
		out->a[KS_DST] = in->a[KS_SRC];
		out->t.dport = in->t.sport;
		*hash_out = ks_key_hash(&w->table, out, proto);
		return ks_table_find_key(&w->table, out, proto, *hash_out, &dir) == NULL
			? KS_DROP_NONE
			: KS_DROP_NAT_CLASH;
	case KS_FWD_DR:
	case KS_FWD_TUN: /* not in the index: of a tunnel it says what kind (ks_tunnel.c) */
		out->t.sport = ks_hton16((uint16_t)(rs->flags >> KS_RS_TUN_PORT_SHIFT));
		out->t.dport = (uint16_t)(rs->flags & 0xffffu);
		return KS_DROP_NONE;
	case KS_FWD_SNAT:
		break;
	}
	return KS_DROP_UNSUPPORTED;
}

static bool is_active(uint8_t state)
{
	return state == KS_ST_ESTABLISHED || state == KS_ST_UDP_ONEWAY ||
		state == KS_ST_UDP_NORMAL || state == KS_ST_ICMP_NORMAL ||
		state == KS_ST_SCTP_ESTABLISHED;
}

static void count_session(struct ks_worker *w, struct ks_session *s, int by)
{
	uint64_t *row = ks_rs_row(w, s->rs_slot);

	if (by > 0)
		s->flags = (uint8_t)(is_active(s->state) ? s->flags | KS_SF_ACTIVE
							 : s->flags & ~KS_SF_ACTIVE);
	row[s->flags & KS_SF_ACTIVE ? KS_RSC_ACTIVE : KS_RSC_INACTIVE] += (uint64_t)(int64_t)by;
}

void ks_set_state(struct ks_worker *w, const struct ks_conf *c, struct ks_session *s, uint8_t state,
		  ks_ms now)
{
	const struct ks_svc *svc = ks_session_svc(c, s);
	uint32_t timeout = ks_state_timeout(c, svc, state);
	bool sooner = timeout < s->timeout;

	count_session(w, s, -1);
	s->state = state;
	count_session(w, s, 1);
	s->timeout = timeout;
	if (sooner) {
		ks_wheel_remove(&w->wheel, &w->table, s);
		ks_wheel_add(&w->wheel, &w->table, s, now);
	}
}

void ks_close(struct ks_worker *w, struct ks_session *s)
{
	ks_wheel_remove(&w->wheel, &w->table, s);
	ks_forget(w, s);
}

void ks_forget(struct ks_worker *w, struct ks_session *s)
{
	ks_table_remove(&w->table, s);
	if (s->flags & KS_SF_TEMPLATE) {
		ks_table_release(&w->table, s);
		return;
	}
	count_session(w, s, -1);
	ks_table_release(&w->table, s);
	w->c[KS_C_SESSIONS]--;
}

/* Sets both keys, with what of them is IPv6 in the second line. */
static void set_keys(struct ks_session *s, const struct ks_key *in, const struct ks_key *out)
{
	const struct ks_key *k[2] = { in, out };

	for (unsigned dir = KS_IN; dir <= KS_OUT; dir++) {
		s->key[dir] = k[dir]->t;
		if (k[dir]->af != 6)
			continue;
		s->flags = (uint8_t)(s->flags | (KS_SF_V6 << dir));
		memcpy(ks_wide(s)->addr[dir], k[dir]->a, sizeof(k[dir]->a));
	}
}

/* ---- persistence --------------------------------------------------------------------------------------------------- */

static struct ks_key template_key(const struct ks_svc *svc, const struct ks_key *in)
{
	struct ks_key k = *in;
	union ks_addr four;

	k.t.sport = 0;
	if (k.af == 6) {
		ks_addr_mask(&k.a[KS_SRC], svc->persist_plen);
	} else {
		four = ks_addr4(k.t.src);
		ks_addr_mask(&four, svc->persist_plen);
		k.t.src = four.v4;
	}
	return k;
}

/* The service's real server in that slot, NULL = it has none there, or none that may be held to. */
static const struct ks_rs *held(const struct ks_conf *c, const struct ks_svc *svc, uint32_t slot)
{
	const struct ks_rs *rs = slot < c->n_rs_slots ? c->rs_by_slot[slot] : NULL;

	if (rs == NULL || rs < svc->rs || rs >= svc->rs + svc->n_rs)
		return NULL;
	return rs->weight == 0 && svc->flags & KS_SVC_EXPIRE_TEMPLATE ? NULL : rs;
}

/* Without a template the next session of the prefix is scheduled as this one was: nothing is lost.
 */
static void hold(struct ks_worker *w, const struct ks_svc *svc, const struct ks_key *k,
		 uint8_t proto, uint32_t hash, uint32_t slot, ks_ms now)
{
	struct ks_session *s = ks_table_alloc(&w->table, k->af == 6);

	if (s == NULL)
		return;
	s->flags |= KS_SF_ONE_WAY | KS_SF_TEMPLATE;
	s->proto = proto;
	s->state = KS_ST_NONE;
	s->fwd = KS_FWD_FNAT;
	set_keys(s, k, &(struct ks_key){ .af = 4 });
	if (!ks_table_insert(&w->table, s, hash, 0)) {
		ks_table_release(&w->table, s);
		return;
	}
	s->rs_slot = slot;
	s->svc_slot = svc->slot;
	s->last_seen = (uint32_t)now;
	s->timeout = svc->persist_ms;
	ks_wheel_add(&w->wheel, &w->table, s, now);
}

/* The scheduler's choice, or the one the client's prefix has already. */
static const struct ks_rs *choose_server(struct ks_worker *w, const struct ks_conf *c,
					 const struct ks_svc *svc, const struct ks_key *in,
					 uint8_t proto, ks_ms now)
{
	struct ks_sched_state *st = &w->sched[svc->slot];
	const struct ks_rs *rs;
	struct ks_session *s;
	struct ks_key k;
	uint32_t hash;
	unsigned dir;

	if (svc->persist_ms == 0)
		return ks_sched_pick(svc, st, &w->counts, in);
	k = template_key(svc, in);
	proto |= KS_PROTO_TEMPLATE;
	hash = ks_key_hash(&w->table, &k, proto);
	s = ks_table_find_key(&w->table, &k, proto, hash, &dir);
	rs = s != NULL ? held(c, svc, s->rs_slot) : NULL;
	if (rs != NULL) {
		s->last_seen = (uint32_t)now;
		s->timeout = svc->persist_ms;
		return rs;
	}
	rs = ks_sched_pick(svc, st, &w->counts, in);
	if (rs == NULL || rs->slot >= w->max_rs_slots)
		return rs;
	if (s != NULL) {
		s->rs_slot = rs->slot;
		s->last_seen = (uint32_t)now;
	} else {
		hold(w, svc, &k, proto, hash, rs->slot, now);
	}
	return rs;
}

static uint8_t first_state(uint8_t proto)
{
	switch (proto) {
	case KS_PROTO_TCP:
		return KS_ST_SYN_RECV;
	case KS_PROTO_SCTP:
		return KS_ST_SCTP_INIT1;
	case KS_PROTO_UDP:
		return KS_ST_UDP_ONEWAY;
	default:
		return KS_ST_ICMP_NORMAL;
	}
}

struct ks_session *ks_make_session(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
				   const struct ks_pair *pair, ks_ms now)
{
	bool wide = pair->in->af == 6 || pair->out->af == 6;
	struct ks_session *s = ks_table_alloc(&w->table, wide);

	if (s == NULL && ks_make_room(w, wide, now))
		s = ks_table_alloc(&w->table, wide);
	if (s == NULL) {
		ks_drop(w, p, KS_DROP_SESSION_FULL);
		return NULL;
	}
	s->proto = p->proto;
	s->fwd = pair->rs->fwd;
	if (s->fwd == KS_FWD_DR || s->fwd == KS_FWD_TUN)
		s->flags |= KS_SF_ONE_WAY;
	if (pair->svc->flags & KS_SVC_ONE_PACKET && !(s->flags & KS_SF_ONE_WAY))
		s->flags |= KS_SF_ONE_PACKET;
	set_keys(s, pair->in, pair->out);
	if (!ks_table_insert(&w->table, s, pair->hash_in, pair->hash_out)) {
		ks_table_release(&w->table, s);
		ks_drop(w, p, KS_DROP_SESSION_FULL);
		return NULL;
	}
	s->rs_slot = pair->rs->slot;
	s->svc_slot = pair->svc->slot;
	s->state = first_state(p->proto);
	s->timeout = s->flags & KS_SF_ONE_PACKET ? c->param[KS_PARAM_CONN_INIT]
						 : ks_state_timeout(c, pair->svc, s->state);
	s->last_seen = (uint32_t)now;
	s->epoch = (uint16_t)(c->epoch - 1);
	s->nh[KS_IN] = s->nh[KS_OUT] = KS_NH_NONE;
	fill_deltas(s, pair->in, pair->out);
	ks_wheel_add(&w->wheel, &w->table, s, now);
	count_session(w, s, 1);
	ks_rs_row(w, s->rs_slot)[KS_RSC_CONNS]++;
	w->c[KS_C_SESSIONS]++;
	w->c[KS_C_SESSIONS_CREATED]++;
	return s;
}

/* Whom the connection id names, a client that has moved for one; its weight does not matter. */
static const struct ks_rs *quic_server(const struct ks_svc *svc, const struct ks_pkt *p)
{
	unsigned head = p->l4 + (unsigned)sizeof(struct ks_udp);

	if (p->frag == KS_FRAG_LATER || ks_l4_len(p) < sizeof(struct ks_udp))
		return NULL;
	return ks_quic_server(svc, p->data + head, ks_l4_len(p) - sizeof(struct ks_udp));
}

/* With NAT the way back of one-packet sessions is the same for all a client sends to a real server:
 * the session that is there already, NULL = it is another service's. */
static struct ks_session *same_packet(struct ks_worker *w, uint8_t proto,
				      const struct ks_pair *pair)
{
	unsigned dir;
	struct ks_session *s = ks_table_find_key(&w->table, pair->out, proto, pair->hash_out, &dir);

	return s != NULL && s->flags & KS_SF_ONE_PACKET && s->svc_slot == pair->svc->slot ? s
											  : NULL;
}

struct ks_session *ks_open(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			   const struct ks_key *in, const struct ks_svc *svc, ks_ms now)
{
	struct ks_key out = { .af = 4 };
	struct ks_pair pair = { .svc = svc, .in = in, .out = &out, .hash_in = p->hash };
	enum ks_drop refused;

	if (svc->slot >= w->max_svc_slots) {
		ks_drop(w, p, KS_DROP_SESSION_FULL);
		return NULL;
	}
	pair.rs = svc->flags & KS_SVC_QUIC ? quic_server(svc, p) : NULL;
	if (pair.rs == NULL)
		pair.rs = choose_server(w, c, svc, in, p->proto, now);
	if (pair.rs == NULL || pair.rs->slot >= w->max_rs_slots) {
		ks_drop(w, p, ks_sched_any(svc) ? KS_DROP_SERVERS_FULL : KS_DROP_NO_REAL_SERVER);
		return NULL;
	}
	out.af = pair.rs->af;
	out.t.sport = pair.rs->port;
	set_addr(&out, KS_SRC, &pair.rs->addr);
	refused = choose_way_back(w, c, svc, pair.rs, in, p->proto, &out, &pair.hash_out);
	if (refused == KS_DROP_NAT_CLASH && svc->flags & KS_SVC_ONE_PACKET) {
		struct ks_session *s = same_packet(w, p->proto, &pair);

		if (s != NULL)
			return s;
	}
	if (refused != KS_DROP_NONE) {
		ks_drop(w, p, refused);
		return NULL;
	}
	return ks_make_session(w, c, p, &pair, now);
}
