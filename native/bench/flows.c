/* SPDX-License-Identifier: Apache-2.0 */
#include "flows.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ks_hdr.h"
#include "ks_session.h"

#define BLOCK 1024u /* opened at a time: well within a ring */

static uint64_t next_random(struct flows *f)
{
	uint64_t z = (f->rng += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static enum gen_kind steady_kind(const struct flows *f)
{
	return f->proto == IPPROTO_TCP ? GEN_ACK : GEN_UDP;
}

/* ---- sides --------------------------------------------------------------------------------------------------------- */

static size_t width(uint8_t af)
{
	return af == 4 ? sizeof(struct gen_tuple) : sizeof(struct gen_tuple6);
}

static void *at(const struct flow_side *s, uint32_t i)
{
	return (uint8_t *)s->t + i * width(s->af);
}

static bool make_side(struct flow_side *s, uint8_t af, uint32_t n)
{
	s->af = af;
	s->t = calloc(n, width(af));
	return s->t != NULL;
}

static void put(const struct flow_side *s, uint32_t i, const struct gen_ends *e)
{
	struct gen_tuple6 six = { .sport = e->sport, .dport = e->dport };
	struct gen_tuple four = {
		.src = e->src.v4, .dst = e->dst.v4, .sport = e->sport, .dport = e->dport
	};

	memcpy(six.src, e->src.b, 16);
	memcpy(six.dst, e->dst.b, 16);
	memcpy(at(s, i), s->af == 4 ? (void *)&four : (void *)&six, width(s->af));
}

static struct gen_ends get(const struct flow_side *s, uint32_t i)
{
	struct gen_ends e = { .af = s->af };

	if (s->af == 4) {
		const struct gen_tuple *t = at(s, i);

		e.src = ks_addr4(t->src);
		e.dst = ks_addr4(t->dst);
		e.sport = t->sport;
		e.dport = t->dport;
	} else {
		const struct gen_tuple6 *t = at(s, i);

		memcpy(e.src.b, t->src, 16);
		memcpy(e.dst.b, t->dst, 16);
		e.sport = t->sport;
		e.dport = t->dport;
	}
	return e;
}

static void checksum(const struct gen_port *g, enum gen_kind kind, const struct flow_side *s,
		     uint32_t i)
{
	if (s->af == 4)
		gen_csum(g, kind, at(s, i));
	else
		gen_csum6(g, kind, at(s, i));
}

static struct gen_list list_of(const struct flow_side *s, uint32_t from, uint32_t n,
			       enum gen_kind kind)
{
	struct gen_list l = { .n = n, .kind = kind };

	if (s->af == 4)
		l.t = at(s, from);
	else
		l.t6 = at(s, from);
	return l;
}

static struct gen_ends turned(struct gen_ends e)
{
	return (struct gen_ends){
		.src = e.dst, .dst = e.src, .sport = e.dport, .dport = e.sport, .af = e.af
	};
}

static bool same(const struct gen_ends *a, const struct gen_ends *b)
{
	return a->af == b->af && memcmp(&a->src, &b->src, 16) == 0 &&
		memcmp(&a->dst, &b->dst, 16) == 0 && a->sport == b->sport && a->dport == b->dport;
}

bool flows_open(struct flows *f, struct rig *r, uint8_t proto, uint32_t n, char err[KS_ERR_LEN])
{
	const struct rig_mode *m = r->mode;

	*f = (struct flows){ .r = r, .proto = proto, .one_way = rig_one_way(m), .n = n, .rng = 42 };
	if (make_side(&f->side[0], m->client_af, n) && make_side(&f->side[1], m->rs_af, n) &&
	    make_side(&f->shuffled[0], m->client_af, n) && make_side(&f->shuffled[1], m->rs_af, n))
		return true;
	snprintf(err, KS_ERR_LEN, "not enough memory for %u flows", n);
	return false;
}

void flows_close(struct flows *f)
{
	for (unsigned p = 0; p < GEN_PORTS; p++) {
		free(f->side[p].t);
		free(f->shuffled[p].t);
	}
}

/* Eight connections a client, from ports that tell nothing. */
void flows_name(struct flows *f, uint32_t from)
{
	uint8_t af = f->side[0].af;
	struct gen_ends e = {
		.af = af,
		.dst = af == 4 ? ks_addr4(htonl(RIG_VIP)) : rig_addr6(RIG_NET6, RIG_VIP & 0xff),
		.dport = htons(RIG_VPORT),
	};

	for (uint32_t i = 0; i < f->n; i++) {
		uint32_t id = from + i;

		e.src = af == 4 ? ks_addr4(htonl(RIG_CLIENTS + 256 + id / 8))
				: rig_addr6(RIG_CLIENTS6, 256 + id / 8);
		e.sport = htons((uint16_t)(2048 + (id % 8) * 7919 + (id / 8 * 40503u) % 7919));
		put(&f->side[0], i, &e);
	}
}

/* ---- what leaves --------------------------------------------------------------------------------------------------- */

static bool to_peer(const struct flows *f, unsigned port, const uint8_t *frame)
{
	return memcmp(frame, f->r->gen[port].peer_mac, 6) == 0;
}

/* One way: what the client sent, as it was; in a tunnel to a real server, if that is the mode. */
static bool is_one_way(const struct flows *f, uint32_t index, const uint8_t *frame, uint16_t len)
{
	struct gen_ends ends, outer = { .af = 0 }, want = get(&f->side[0], index);
	bool tunnel = f->r->mode->fwd == KS_FWD_TUN;

	if (!gen_frame_read(frame, len, &ends, tunnel ? &outer : NULL) || !same(&ends, &want))
		return false;
	return !tunnel ||
		(outer.af == 4 && ntohl(outer.dst.v4) - RIG_RS < RIG_N_RS &&
		 outer.src.v4 == htonl(RIG_RS - 10));
}

/* Towards a real server: its answers go to where this came from. */
static void learn(void *ctx, unsigned port, uint32_t index, const uint8_t *frame, uint16_t len)
{
	struct flows *f = ctx;
	struct gen_ends ends;

	if (port != 1 || index >= f->n ||
	    (f->one_way ? !is_one_way(f, index, frame, len)
			: !gen_frame_read(frame, len, &ends, NULL) || ends.af != f->side[1].af)) {
		f->bad++;
		return;
	}
	if (!f->one_way) {
		ends = turned(ends);
		put(&f->side[1], index, &ends);
	}
	f->learnt++;
}

/* Every frame must leave as the tuple of the other side, turned round, with right checksums and the
 * next hop's MAC. */
static void verify(void *ctx, unsigned port, uint32_t index, const uint8_t *frame, uint16_t len)
{
	struct flows *f = ctx;
	struct gen_ends ends, want;

	if (f->one_way) {
		f->bad +=
			port != 1 || !to_peer(f, port, frame) || !is_one_way(f, index, frame, len);
		return;
	}
	want = turned(get(&f->side[port], index));
	f->bad += !to_peer(f, port, frame) || !gen_frame_read(frame, len, &ends, NULL) ||
		!same(&ends, &want);
}

static void set_capture(struct flows *f, gen_capture capture)
{
	for (unsigned p = 0; p < GEN_PORTS; p++)
		for (unsigned w = 0; w < f->r->s->n_workers; w++) {
			f->r->queue[p][w].capture = capture;
			f->r->queue[p][w].capture_ctx = f;
		}
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static void run_dry(struct flows *f, const struct gen_list *l, ks_ms now)
{
	struct rig *r = f->r;
	uint64_t start = gen_stamp();

	while (l->at < l->n)
		rig_turn_all(r, now);
	/* to the owner, to the lcore of the transmit queue, out */
	for (unsigned i = 0; r->s->n_workers > 1 && i < 64; i++)
		rig_turn_all(r, now);
	for (unsigned i = 0; i < r->s->n_workers; i++)
		if (now >= r->s->lcore[i].timers_at)
			worker_timers(&r->s->lcore[i], now);
	f->turn_cycles += gen_stamp() - start;
}

void flows_stage(struct flows *f, unsigned port, enum gen_kind kind, uint32_t from, uint32_t n,
		 bool learn_server, ks_ms now)
{
	struct gen_list *l = &f->r->queue[port][0].list;

	for (uint32_t i = from; i < from + n; i++)
		checksum(&f->r->gen[port], kind, &f->side[port], i);
	if (learn_server)
		set_capture(f, learn);
	*l = list_of(&f->side[port], from, n, kind);
	l->first_index = from;
	run_dry(f, l, now);
	l->n = l->at = 0;
	if (learn_server)
		set_capture(f, NULL);
}

static void stage_checked(struct flows *f, unsigned port, uint32_t from, uint32_t n, ks_ms now)
{
	set_capture(f, verify);
	flows_stage(f, port, steady_kind(f), from, n, false, now);
	set_capture(f, NULL);
}

bool flows_establish(struct flows *f, ks_ms now, char err[KS_ERR_LEN])
{
	char drops[100];

	f->bad = f->learnt = 0;
	flows_name(f, 0);
	for (uint32_t i = 0; i < f->n; i += BLOCK) {
		uint32_t n = f->n - i < BLOCK ? f->n - i : BLOCK;

		flows_stage(f, 0, f->proto == IPPROTO_TCP ? GEN_SYN : GEN_UDP, i, n, true, now);
		if (f->proto == IPPROTO_TCP && !f->one_way)
			flows_stage(f, 1, GEN_SYN_ACK, i, n, false, now);
		stage_checked(f, 0, i, n, now);
		if (!f->one_way)
			stage_checked(f, 1, i, n, now);
	}
	rig_drops(f->r, drops, sizeof(drops));
	if (f->learnt == f->n && f->bad == 0 && drops[0] == '\0' &&
	    rig_counter(f->r, KS_C_SESSIONS) == f->n)
		return true;
	snprintf(err, KS_ERR_LEN,
		 "of %u sessions %u were opened, %llu are there, %u frames left wrong; dropped: %s",
		 f->n, f->learnt, (unsigned long long)rig_counter(f->r, KS_C_SESSIONS), f->bad,
		 drops[0] != '\0' ? drops : "none");
	return false;
}

/* ---- playing ------------------------------------------------------------------------------------------------------- */

static void shuffle(struct flows *f, struct flow_side *s)
{
	size_t size = width(s->af);
	uint8_t tmp[sizeof(struct gen_tuple6)];

	for (uint32_t i = f->n - 1; i > 0; i--) {
		uint32_t k = (uint32_t)(next_random(f) % (i + 1));

		memcpy(tmp, at(s, i), size);
		memcpy(at(s, i), at(s, k), size);
		memcpy(at(s, k), tmp, size);
	}
}

static unsigned queue_of(struct flows *f, const struct flow_side *s, enum steer steer, uint32_t i)
{
	struct gen_ends e;
	struct ks_key k;

	if (steer != STEER_OWNER)
		return i % f->r->s->n_workers;
	e = get(s, i);
	k = (struct ks_key){ .t = { .sport = e.sport, .dport = e.dport },
			     .af = e.af,
			     .a = { e.src, e.dst } };
	if (e.af == 4) {
		k.t.src = e.src.v4;
		k.t.dst = e.dst.v4;
	}
	return ks_owner(atomic_load(&f->r->s->conf), &k, f->proto);
}

/* Cut into the workers' queues: a counting sort that keeps the random order. */
static void deal(struct flows *f, unsigned port, enum steer steer)
{
	struct flow_side from = f->shuffled[port], to;
	uint32_t count[KS_MAX_WORKERS] = { 0 }, next[KS_MAX_WORKERS], sum = 0;

	if (!make_side(&to, from.af, f->n))
		return;
	for (uint32_t i = 0; i < f->n; i++)
		count[queue_of(f, &from, steer, i)]++;
	for (unsigned w = 0; w < f->r->s->n_workers; w++) {
		next[w] = sum;
		sum += count[w];
	}
	for (uint32_t i = 0; i < f->n; i++)
		memcpy(at(&to, next[queue_of(f, &from, steer, i)]++), at(&from, i), width(to.af));
	for (unsigned w = 0; w < f->r->s->n_workers; w++) {
		struct gen_list *l = &f->r->queue[port][w].list;

		*l = list_of(&to, next[w] - count[w], count[w], steady_kind(f));
		l->cycle = true;
	}
	free(from.t);
	f->shuffled[port] = to;
}

void flows_play(struct flows *f, enum steer steer)
{
	for (unsigned p = 0; p < (f->one_way ? 1u : GEN_PORTS); p++) {
		memcpy(f->shuffled[p].t, f->side[p].t, f->n * width(f->side[p].af));
		shuffle(f, &f->shuffled[p]);
		for (uint32_t i = 0; i < f->n; i++)
			checksum(&f->r->gen[p], steady_kind(f), &f->shuffled[p], i);
		deal(f, p, steer);
	}
}

void flows_stop(struct flows *f)
{
	for (unsigned p = 0; p < GEN_PORTS; p++)
		for (unsigned w = 0; w < f->r->s->n_workers; w++)
			f->r->queue[p][w].list = (struct gen_list){ .n = 0 };
}

void flows_to_bare(const struct flows *f, struct bare *b)
{
	for (uint32_t i = 0; i < f->n; i++) {
		const struct gen_tuple *c = at(&f->side[0], i), *s = at(&f->side[1], i);
		struct gen_tuple to_server = { s->dst, s->src, s->dport, s->sport, 0, 0 },
				 to_client = { c->dst, c->src, c->dport, c->sport, 0, 0 };

		bare_add(b, c, &to_server);
		bare_add(b, s, &to_client);
	}
}
