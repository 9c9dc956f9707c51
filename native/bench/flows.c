/* SPDX-License-Identifier: Apache-2.0 */
#include "flows.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ks_hdr.h"

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

bool flows_open(struct flows *f, struct rig *r, uint8_t proto, uint32_t n, char err[KS_ERR_LEN])
{
	*f = (struct flows){ .r = r, .proto = proto, .n = n, .rng = 42 };
	f->client = calloc(n, sizeof(*f->client));
	f->server = calloc(n, sizeof(*f->server));
	f->shuffled[0] = calloc(n, sizeof(*f->client));
	f->shuffled[1] = calloc(n, sizeof(*f->client));
	if (f->client != NULL && f->server != NULL && f->shuffled[0] != NULL &&
	    f->shuffled[1] != NULL)
		return true;
	snprintf(err, KS_ERR_LEN, "not enough memory for %u flows", n);
	return false;
}

void flows_close(struct flows *f)
{
	free(f->client);
	free(f->server);
	free(f->shuffled[0]);
	free(f->shuffled[1]);
}

/* Eight connections a client, from ports that tell nothing. */
void flows_name(struct flows *f, uint32_t from)
{
	for (uint32_t i = 0; i < f->n; i++) {
		uint32_t id = from + i;

		f->client[i] = (struct gen_tuple){
			.src = htonl(RIG_CLIENTS + 256 + id / 8),
			.dst = htonl(RIG_VIP),
			.sport = htons(
				(uint16_t)(2048 + (id % 8) * 7919 + (id / 8 * 40503u) % 7919)),
			.dport = htons(RIG_VPORT),
		};
	}
}

/* ---- what leaves --------------------------------------------------------------------------------------------------- */

static void read_tuple(const uint8_t *frame, struct gen_tuple *t)
{
	memcpy(t, frame + KS_ETH_LEN + 12, 12);
}

/* Towards a real server: its answers go to where this came from. */
static void learn(void *ctx, unsigned port, uint32_t index, const uint8_t *frame, uint16_t len)
{
	struct flows *f = ctx;
	struct gen_tuple t;

	if (port != 1 || index >= f->n || !gen_frame_ok(frame, len)) {
		f->bad++;
		return;
	}
	read_tuple(frame, &t);
	f->server[index] = (struct gen_tuple){
		.src = t.dst, .dst = t.src, .sport = t.dport, .dport = t.sport
	};
	f->learnt++;
}

/* Every frame must leave as the tuple of the other side, turned round, with right checksums and the
 * next hop's MAC. */
static void verify(void *ctx, unsigned port, uint32_t index, const uint8_t *frame, uint16_t len)
{
	struct flows *f = ctx;
	const struct gen_tuple *other = port == 1 ? &f->server[index] : &f->client[index];
	struct gen_tuple t;

	read_tuple(frame, &t);
	if (!gen_frame_ok(frame, len) || memcmp(frame, f->r->gen[port].peer_mac, 6) != 0 ||
	    t.src != other->dst || t.dst != other->src || t.sport != other->dport ||
	    t.dport != other->sport)
		f->bad++;
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

void flows_stage(struct flows *f, unsigned port, enum gen_kind kind, uint32_t at, uint32_t n,
		 bool learn_server, ks_ms now)
{
	struct gen_list *l = &f->r->queue[port][0].list;
	struct gen_tuple *t = port == 0 ? f->client : f->server;

	for (uint32_t i = at; i < at + n; i++)
		gen_csum(&f->r->gen[port], kind, &t[i]);
	if (learn_server)
		set_capture(f, learn);
	*l = (struct gen_list){ .t = t + at, .n = n, .kind = kind, .first_index = at };
	run_dry(f, l, now);
	l->n = l->at = 0;
	if (learn_server)
		set_capture(f, NULL);
}

static void stage_checked(struct flows *f, unsigned port, uint32_t at, uint32_t n, ks_ms now)
{
	set_capture(f, verify);
	flows_stage(f, port, steady_kind(f), at, n, false, now);
	set_capture(f, NULL);
}

bool flows_establish(struct flows *f, ks_ms now, char err[KS_ERR_LEN])
{
	char drops[100];

	f->bad = f->learnt = 0;
	flows_name(f, 0);
	for (uint32_t at = 0; at < f->n; at += BLOCK) {
		uint32_t n = f->n - at < BLOCK ? f->n - at : BLOCK;

		flows_stage(f, 0, f->proto == IPPROTO_TCP ? GEN_SYN : GEN_UDP, at, n, true, now);
		if (f->proto == IPPROTO_TCP)
			flows_stage(f, 1, GEN_SYN_ACK, at, n, false, now);
		stage_checked(f, 0, at, n, now);
		stage_checked(f, 1, at, n, now);
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

static void shuffle(struct flows *f, struct gen_tuple *t)
{
	for (uint32_t i = f->n - 1; i > 0; i--) {
		uint32_t k = (uint32_t)(next_random(f) % (i + 1));
		struct gen_tuple tmp = t[i];

		t[i] = t[k];
		t[k] = tmp;
	}
}

static unsigned queue_of(struct flows *f, const struct gen_tuple *t, enum steer steer, uint32_t i)
{
	if (steer == STEER_OWNER)
		return ks_owner4(atomic_load(&f->r->s->conf), KS_PROTO_TCP, t->src, t->sport,
				 t->dst, t->dport);
	return i % f->r->s->n_workers;
}

/* Cut into the workers' queues: a counting sort that keeps the random order. */
static void deal(struct flows *f, unsigned port, enum steer steer)
{
	struct gen_tuple *from = f->shuffled[port], *to = calloc(f->n, sizeof(*to));
	uint32_t count[KS_MAX_WORKERS] = { 0 }, at[KS_MAX_WORKERS], sum = 0;

	if (to == NULL)
		return;
	for (uint32_t i = 0; i < f->n; i++)
		count[queue_of(f, &from[i], steer, i)]++;
	for (unsigned w = 0; w < f->r->s->n_workers; w++) {
		at[w] = sum;
		sum += count[w];
	}
	for (uint32_t i = 0; i < f->n; i++)
		to[at[queue_of(f, &from[i], steer, i)]++] = from[i];
	for (unsigned w = 0; w < f->r->s->n_workers; w++)
		f->r->queue[port][w].list = (struct gen_list){ .t = to + at[w] - count[w],
							       .n = count[w],
							       .cycle = true,
							       .kind = steady_kind(f) };
	free(from);
	f->shuffled[port] = to;
}

void flows_play(struct flows *f, enum steer steer)
{
	for (unsigned p = 0; p < GEN_PORTS; p++) {
		memcpy(f->shuffled[p], p == 0 ? f->client : f->server, f->n * sizeof(*f->client));
		shuffle(f, f->shuffled[p]);
		for (uint32_t i = 0; i < f->n; i++)
			gen_csum(&f->r->gen[p], steady_kind(f), &f->shuffled[p][i]);
		deal(f, p, steer);
	}
}

void flows_stop(struct flows *f)
{
	for (unsigned p = 0; p < GEN_PORTS; p++)
		for (unsigned w = 0; w < f->r->s->n_workers; w++)
			f->r->queue[p][w].list = (struct gen_list){ .n = 0 };
}

static struct gen_tuple turned(const struct gen_tuple *t)
{
	return (struct gen_tuple){
		.src = t->dst, .dst = t->src, .sport = t->dport, .dport = t->sport
	};
}

void flows_to_bare(const struct flows *f, struct bare *b)
{
	for (uint32_t i = 0; i < f->n; i++) {
		struct gen_tuple to_server = turned(&f->server[i]),
				 to_client = turned(&f->client[i]);

		bare_add(b, &f->client[i], &to_server);
		bare_add(b, &f->server[i], &to_client);
	}
}
