/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SNAT: what hosts behind us send to others leaves with an address of ours. A match service says
 * which packets; its "real servers" are the addresses to leave with, chosen by its scheduler. The
 * port (of an echo the identifier) is one of the worker's own, so that the answer finds it, and no
 * two hosts ever share one towards the same peer.
 */
#include "ks_rss.h"
#include "ks_worker_int.h"

/* As for local addresses of FNAT: the next packet goes on where this one stopped. */
#define PORT_TRIES 512u
/* Before these, so many for one whose answers the NIC brings to this worker; with 8 workers all of
 * them miss once in 5,000 sessions. */
#define AIMED_TRIES 64u

static void set_out(struct ks_key *out, const struct ks_key *in, const union ks_addr *own)
{
	*out = (struct ks_key){ .af = in->af };
	if (in->af == 4) {
		out->t.src = in->t.dst;
		out->t.dst = own->v4;
	} else {
		out->a[KS_SRC] = in->a[KS_DST];
		out->a[KS_DST] = *own;
	}
	out->t.sport = in->t.dport;
}

static bool is_served(const struct ks_conf *c, const struct ks_key *out, uint8_t proto)
{
	if (!c->pool_serves)
		return false;
	return (out->af == 4 ? ks_conf_svc4(c, proto, out->t.dst, out->t.dport)
			     : ks_conf_svc6(c, proto, &out->a[KS_DST], out->t.dport)) != NULL;
}

/* The spreading of the port answers come by, if it brings this worker anything. */
static const struct ks_rss *spreading(const struct ks_worker *w, const struct ks_conf *c,
				      const struct ks_route *way, uint8_t proto)
{
	const struct ks_rss *rss = c->rss == NULL ? NULL : c->port[way->port].rss;

	if (rss == NULL || (rss->workers >> w->index & 1) == 0 ||
	    (proto != KS_PROTO_TCP && proto != KS_PROTO_UDP))
		return NULL;
	return rss;
}

/* The worker's port of that number, and so on from the first behind the last. */
static void set_port(struct ks_key *out, const struct ks_conf *c, const struct ks_port_class *pc,
		     uint32_t number)
{
	out->t.dport = ks_hton16((uint16_t)(pc->first + number % pc->count * c->n_workers));
}

static bool takes_port(struct ks_worker *w, const struct ks_conf *c, uint8_t proto,
		       const struct ks_key *out, uint32_t *hash)
{
	unsigned dir;

	if (is_served(c, out, proto))
		return false;
	*hash = ks_key_hash(&w->table, out, proto);
	return ks_table_find_key(&w->table, out, proto, *hash, &dir) == NULL;
}

static bool choose_port(struct ks_worker *w, const struct ks_conf *c, const struct ks_route *way,
			uint8_t proto, struct ks_key *out, uint32_t *hash)
{
	const struct ks_rss *rss = spreading(w, c, way, proto);
	struct ks_port_class pc = ks_own_ports(w, c);

	if (pc.count == 0)
		return false;
	for (unsigned i = 1; rss != NULL && i <= AIMED_TRIES; i++) {
		set_port(out, c, &pc, w->lport_cursor + i * KS_AIMED_STEP);
		if (ks_rss_worker(rss, out, proto) == w->index &&
		    takes_port(w, c, proto, out, hash)) {
			w->lport_cursor = (w->lport_cursor + 1) % pc.count;
			return true;
		}
	}
	for (unsigned i = 0; i < PORT_TRIES; i++) {
		w->lport_cursor = (w->lport_cursor + 1) % pc.count;
		set_port(out, c, &pc, w->lport_cursor);
		if (takes_port(w, c, proto, out, hash))
			return true;
	}
	return false;
}

/* Why that address cannot be left with now; KS_DROP_NONE = it can. */
static enum ks_drop unusable(const struct ks_worker *w, const struct ks_conf *c,
			     const struct ks_rs *rs)
{
	const struct ks_local *l = ks_conf_local(c, rs->af, &rs->addr);

	if (l == NULL)
		return KS_DROP_NO_LIP;
	if (!ks_is_held(&w->shared->leases, l, w->now))
		return KS_DROP_LEASE;
	return KS_DROP_NONE;
}

static struct ks_session *open_session(struct ks_worker *w, const struct ks_conf *c,
				       struct ks_pkt *p, const struct ks_key *in,
				       const struct ks_svc *svc, const struct ks_route *way,
				       ks_ms now)
{
	struct ks_key out;
	struct ks_pair pair = { .svc = svc, .in = in, .out = &out, .hash_in = p->hash };
	enum ks_drop refused;

	if (svc->slot >= w->max_svc_slots) {
		ks_drop(w, p, KS_DROP_SESSION_FULL);
		return NULL;
	}
	pair.rs = ks_sched_pick(svc, &w->sched[svc->slot], &w->counts, in);
	if (pair.rs == NULL || pair.rs->slot >= w->max_rs_slots) {
		ks_drop(w, p, ks_sched_any(svc) ? KS_DROP_SERVERS_FULL : KS_DROP_NO_REAL_SERVER);
		return NULL;
	}
	refused = unusable(w, c, pair.rs);
	if (refused != KS_DROP_NONE) {
		ks_drop(w, p, refused);
		return NULL;
	}
	set_out(&out, in, &pair.rs->addr);
	if (!choose_port(w, c, way, p->proto, &out, &pair.hash_out)) {
		ks_drop(w, p, KS_DROP_LPORT_EXHAUSTED);
		return NULL;
	}
	return ks_make_session(w, c, p, &pair, now);
}

bool ks_snat(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, const struct ks_key *k,
	     ks_ms now)
{
	union ks_addr dst = k->af == 4 ? ks_addr4(k->t.dst) : k->a[KS_DST];
	const struct ks_route *r = ks_conf_route(c, k->af, &dst);
	const struct ks_match *m;
	struct ks_session *s;

	if (r != NULL) /* the way its session will take */
		r = ks_route_pick(&w->shared->neigh, r, k->af, ks_key_flow(k));
	m = ks_conf_match(c, k, p->proto, p->in_port, r != NULL ? r->port : KS_ANY_PORT);
	if (m == NULL)
		return false;
	if (r == NULL) {
		ks_drop(w, p, KS_DROP_NO_ROUTE);
	} else if (!ks_source_is_sane(k)) {
		ks_drop(w, p, KS_DROP_IP_SOURCE);
	} else if (!ks_begins(p)) {
		ks_not_begun(w, c, p, now);
	} else {
		s = open_session(w, c, p, k, m->svc, r, now);
		if (s != NULL)
			ks_forward(w, c, p, s, KS_IN, now);
	}
	return true;
}

static struct ks_key echo_key(const struct ks_pkt *p, bool request)
{
	struct ks_key k = { .af = p->af };
	const struct ks_icmp *icmp = (const void *)(p->data + p->l4);

	if (p->af == 4) {
		k.t.src = ks_ip(p)->src;
		k.t.dst = ks_ip(p)->dst;
	} else {
		memcpy(k.a[KS_SRC].b, ks_ip6(p)->src, 16);
		memcpy(k.a[KS_DST].b, ks_ip6(p)->dst, 16);
	}
	memcpy(request ? &k.t.sport : &k.t.dport, icmp->rest, 2);
	return k;
}

bool ks_snat_echo(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, bool handed,
		  ks_ms now)
{
	uint8_t type = p->data[p->l4];
	bool request = type == KS_ICMP_ECHO || type == KS_ICMP6_ECHO;
	struct ks_key k;
	struct ks_session *s;
	unsigned dir;

	if (c->n_match == 0)
		return false;
	k = echo_key(p, request);
	if (ks_hand_to_owner(w, c, p, &k, p->proto, handed))
		return true;
	p->hash = ks_key_hash(&w->table, &k, p->proto);
	s = ks_table_find_key(&w->table, &k, p->proto, p->hash, &dir);
	if (s == NULL)
		return request && ks_snat(w, c, p, &k, now);
	ks_forward(w, c, p, s, dir, now);
	return true;
}
