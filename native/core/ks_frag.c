/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fragments of balanced traffic follow their session without being put together. Only the first has
 * the ports; it is noted who they are, and what follows is told by that. All fragments of a packet
 * meet at one worker, found by addresses and identification; that worker finds the ports, and the
 * owner of the session gets the fragment with them (ks_pkt.ports). The first must come first:
 * nothing is held back, and one that overtakes it is dropped.
 */
#include "ks_worker_int.h"

#define ENTRIES  4096u
#define ENTRY_MS 15000u /* RFC 791 §3.2 */
#define TINY_OFFSET \
	8u /* a TCP fragment from there could change the flags of the first (RFC 1858) */

struct ks_frag_entry {
	union ks_addr src, dst;
	uint32_t id;
	uint32_t ports; /* 0 = free */
	uint32_t seen; /* low 32 bits of ks_ms */
	uint8_t af, proto;
};

struct ks_frags {
	struct ks_frag_entry entry[ENTRIES];
};

struct fragment {
	union ks_addr src, dst;
	uint32_t id;
	uint32_t offset; /* bytes */
};

bool ks_frags_init(struct ks_worker *w)
{
	w->frags = w->mem->alloc(w->mem->ctx, sizeof(*w->frags), 64);
	return w->frags != NULL;
}

void ks_frags_fini(struct ks_worker *w)
{
	if (w->frags != NULL)
		w->mem->free(w->mem->ctx, w->frags);
}

static struct fragment read_fragment(const struct ks_pkt *p)
{
	struct fragment f = { 0 };
	uint16_t word;

	if (p->af == 4) {
		f.src = ks_addr4(ks_ip(p)->src);
		f.dst = ks_addr4(ks_ip(p)->dst);
		f.id = ks_ip(p)->id;
		f.offset = (ks_ntoh16(ks_ip(p)->frag) & 0x1fffu) * 8;
		return f;
	}
	memcpy(f.src.b, ks_ip6(p)->src, 16);
	memcpy(f.dst.b, ks_ip6(p)->dst, 16);
	memcpy(&word, p->data + p->l4 - 6, 2); /* the fragment header stands before */
	memcpy(&f.id, p->data + p->l4 - 4, 4);
	f.offset = ks_ntoh16(word) & 0xfff8u;
	return f;
}

static uint64_t hash_of(const struct fragment *f, uint8_t proto)
{
	uint64_t h = (f->src.q[0] ^ f->dst.q[0]) * 0x9e3779b97f4a7c15ull + f->id;

	h = (h ^ h >> 29) * 0xc4ceb9fe1a85ec53ull + (f->src.q[1] ^ f->dst.q[1]) + proto;
	h *= 0xff51afd7ed558ccdull;
	return h ^ h >> 32;
}

static bool same(const struct ks_frag_entry *e, const struct fragment *f, const struct ks_pkt *p)
{
	return e->id == f->id && e->proto == p->proto && e->af == p->af &&
		memcmp(&e->src, &f->src, sizeof(e->src)) == 0 &&
		memcmp(&e->dst, &f->dst, sizeof(e->dst)) == 0;
}

/* Where ports would be, an echo has its identifier at the end that asked (ks_snat.c). 0 = no echo,
 * or one without. */
static uint32_t echo_ports(const struct ks_pkt *p)
{
	const struct ks_icmp *icmp = (const void *)(p->data + p->l4);
	bool request = icmp->type == (p->af == 4 ? KS_ICMP_ECHO : KS_ICMP6_ECHO);
	bool reply = icmp->type == (p->af == 4 ? KS_ICMP_ECHO_REPLY : KS_ICMP6_ECHO_REPLY);
	uint16_t pair[2] = { 0, 0 };
	uint32_t ports;

	if (request || reply)
		memcpy(&pair[request ? 0 : 1], icmp->rest, sizeof(pair[0]));
	memcpy(&ports, pair, sizeof(ports));
	return ports;
}

/* Ports of the packet this is a fragment of; 0 = they are not known, and the packet is dropped. */
static uint32_t ports_of(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			 const struct fragment *f, ks_ms now)
{
	struct ks_frag_entry *e = &w->frags->entry[hash_of(f, p->proto) % ENTRIES];
	unsigned least = p->proto == KS_PROTO_TCP ? sizeof(struct ks_tcp) : sizeof(struct ks_udp);
	uint32_t ports;

	if (f->offset != 0) {
		if (same(e, f, p) && e->ports != 0 && (uint32_t)now - e->seen < ENTRY_MS &&
		    (p->proto != KS_PROTO_TCP || f->offset > TINY_OFFSET))
			return e->ports;
		ks_drop(w, p, KS_DROP_FRAGMENT);
		return 0;
	}
	if (ks_l4_len(p) < least) {
		ks_drop(w, p, KS_DROP_L4_HEADER);
		return 0;
	}
	memcpy(&ports, p->data + p->l4, sizeof(ports));
	if (ks_is_icmp(p->proto))
		ports = echo_ports(p);
	*e = (struct ks_frag_entry){ .src = f->src,
				     .dst = f->dst,
				     .id = f->id,
				     .ports = ports,
				     .seen = (uint32_t)now,
				     .af = p->af,
				     .proto = p->proto };
	if (ports == 0 && ks_is_icmp(p->proto))
		ks_leave_to_kernel(w, c, p, KS_DROP_FRAGMENT);
	else if (ports == 0)
		ks_drop(w, p, KS_DROP_L4_HEADER);
	return ports;
}

static void hand_to(struct ks_worker *w, struct ks_pkt *p, unsigned worker)
{
	p->flags |= KS_RX_IP_CSUM_GOOD | KS_RX_L4_CSUM_GOOD; /* of a part there is none to check */
	p->verdict = KS_V_WORKER;
	p->worker = (uint8_t)worker;
	w->c[KS_C_HANDED_OUT]++;
}

bool ks_fragment(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, struct ks_key *k,
		 bool handed, ks_ms now)
{
	struct fragment f = read_fragment(p);
	unsigned worker;

	if (!handed)
		p->ports = 0;
	worker = c->n_workers > 1 ? (unsigned)(hash_of(&f, 0) >> 40) % c->n_workers : w->index;
	if (p->ports == 0 && !handed && worker != w->index) {
		hand_to(w, p, worker);
		return false;
	}
	if (p->ports == 0) {
		p->ports = ports_of(w, c, p, &f, now);
		if (p->ports == 0)
			return false;
	}
	p->frag = f.offset == 0 ? KS_FRAG_FIRST : KS_FRAG_LATER;
	k->af = p->af;
	memcpy(&k->t.sport, &p->ports, sizeof(p->ports));
	k->t.src = p->af == 4 ? f.src.v4 : 0;
	k->t.dst = p->af == 4 ? f.dst.v4 : 0;
	k->a[KS_SRC] = f.src;
	k->a[KS_DST] = f.dst;
	p->tcp_flags = 0;
	if (p->proto == KS_PROTO_TCP && p->frag == KS_FRAG_FIRST)
		p->tcp_flags = ((const struct ks_tcp *)(const void *)(p->data + p->l4))->flags;
	worker = ks_owner(c, k, p->proto);
	if (worker == w->index)
		return true;
	hand_to(w, p, worker);
	return false;
}
