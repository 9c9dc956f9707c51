/* SPDX-License-Identifier: Apache-2.0 */
#include "bare.h"

#include <string.h>

#include "ks_csum.h"
#include "ks_hdr.h"

#define BURST 32u
#define L3    KS_ETH_LEN
#define L4    (L3 + 20u)

static inline uint64_t slot_of(const struct bare *b, const void *tuple)
{
	uint64_t addrs;
	uint32_t ports;
	unsigned __int128 m;

	memcpy(&addrs, tuple, 8);
	memcpy(&ports, (const uint8_t *)tuple + 8, 4);
	m = (unsigned __int128)(addrs ^ 0x9e3779b97f4a7c15ull) * (ports ^ 0xc2b2ae3d27d4eb4full);
	return ((uint64_t)m ^ (uint64_t)(m >> 64)) & b->mask;
}

bool bare_open(struct bare *b, const struct ks_mem *mem, uint32_t sessions, uint8_t proto)
{
	uint64_t slots = 64;

	while (slots < 4ull * sessions) /* two entries a session, half full */
		slots <<= 1;
	*b = (struct bare){ .mask = slots - 1, .mem = mem, .proto = proto };
	b->e = mem->alloc(mem->ctx, slots * sizeof(*b->e), 64);
	return b->e != NULL;
}

void bare_close(struct bare *b)
{
	b->mem->free(b->mem->ctx, b->e);
	b->e = NULL;
}

static uint16_t delta(const struct gen_tuple *a, const struct gen_tuple *b, bool ports)
{
	uint64_t minus = (uint64_t)a->src + a->dst, plus = (uint64_t)b->src + b->dst;

	if (ports) {
		minus += (uint64_t)a->sport + a->dport;
		plus += (uint64_t)b->sport + b->dport;
	}
	return ks_csum_fold((uint64_t)(uint16_t)~ks_csum_fold(minus) + ks_csum_fold(plus));
}

void bare_add(struct bare *b, const struct gen_tuple *in, const struct gen_tuple *out)
{
	uint64_t i = slot_of(b, in);

	while (b->e[i].used)
		i = (i + 1) & b->mask;
	b->e[i] = (struct bare_entry){
		in->src,
		in->dst,
		in->sport,
		in->dport,
		out->src,
		out->dst,
		out->sport,
		out->dport,
		delta(in, out, false),
		delta(in, out, true),
		1,
	};
}

static inline const struct bare_entry *find(const struct bare *b, uint64_t i, const uint8_t *tuple)
{
	while (b->e[i].used) {
		if (memcmp(&b->e[i], tuple, 12) == 0)
			return &b->e[i];
		i = (i + 1) & b->mask;
	}
	return NULL;
}

static inline void rewrite(uint8_t *f, const struct bare_entry *e, const struct gen_port *out)
{
	uint16_t *ip_csum = (uint16_t *)(void *)(f + L3 + 10);
	uint16_t *l4_csum = (uint16_t *)(void *)(f + L4 + (f[L3 + 9] == KS_PROTO_TCP ? 16 : 6));

	memcpy(f, out->peer_mac, 6);
	memcpy(f + 6, out->mac, 6);
	f[L3 + 8]--;
	*ip_csum = ks_csum_update(*ip_csum, ks_csum_fold((uint64_t)e->ip_delta + 0xfffe));
	*l4_csum = ks_csum_update(*l4_csum, e->l4_delta);
	memcpy(f + L3 + 12, &e->new_src, 12);
}

static unsigned one_way(struct bare *b, struct gen_port *in, struct gen_port *out, uint16_t queue)
{
	struct rte_mbuf *m[BURST], *send[BURST];
	uint64_t slot[BURST];
	unsigned n = gen_rx(in, queue, m, BURST), k = 0;

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *f = rte_pktmbuf_mtod(m[i], const uint8_t *);

		/* parse: what a loop must know to find the tuple */
		if (f[12] != 0x08 || f[13] != 0 || f[L3] != 0x45 || f[L3 + 9] != b->proto ||
		    m[i]->data_len < L4 + 8) {
			slot[i] = 0;
			continue;
		}
		slot[i] = slot_of(b, f + L3 + 12);
		__builtin_prefetch(&b->e[slot[i]]);
	}
	for (unsigned i = 0; i < n; i++) {
		uint8_t *f = rte_pktmbuf_mtod(m[i], uint8_t *);
		const struct bare_entry *e = find(b, slot[i], f + L3 + 12);

		if (e == NULL) {
			b->missed++;
			rte_pktmbuf_free(m[i]);
			continue;
		}
		rewrite(f, e, out);
		send[k++] = m[i];
	}
	if (k > 0)
		gen_tx(out, queue, send, (uint16_t)k);
	return n;
}

unsigned bare_turn(struct bare *b, struct gen_port *gen, uint16_t queue)
{
	return one_way(b, &gen[0], &gen[1], queue) + one_way(b, &gen[1], &gen[0], queue);
}
