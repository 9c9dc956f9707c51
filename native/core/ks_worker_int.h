/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a worker, shared by the files of the packet path: ks_worker.c (burst), ks_open.c (new
 * sessions), ks_forward.c (rewrite and next hop), ks_icmp.c. */
#ifndef KS_WORKER_INT_H
#define KS_WORKER_INT_H

#include "ks_csum.h"
#include "ks_hdr.h"
#include "ks_hops.h"
#include "ks_sched.h"
#include "ks_session.h"
#include "ks_timer.h"
#include "ks_worker.h"

/* What a worker says of itself, each kind so often a second (RFC 1812 §4.3.2.8), so that a flood of
 * one does not silence another. */
enum ks_tell {
	KS_TELL_ERROR, /* ICMP errors */
	KS_TELL_RESET, /* RSTs to segments no session knows */
	KS_TELL_EXPIRY, /* questions to the ends of expired sessions (ks_expire.c) */
	KS_TELL_KINDS
};

struct ks_budget {
	uint64_t second;
	uint32_t left;
};

struct ks_worker {
	struct ks_table table;
	uint64_t *c; /* counters */
	uint64_t *rs; /* [slot][KS_RSC_COUNT] */
	struct ks_counts counts; /* of all workers' sessions, for the schedulers */
	struct ks_shared *shared;
	struct ks_sched_state *sched; /* [max_svc_slots] */
	uint32_t max_rs_slots;
	uint32_t max_svc_slots;
	uint32_t index;
	uint32_t n_workers;
	uint32_t lport_cursor;
	ks_ms now; /* of the burst */
	struct ks_budget budget[KS_TELL_KINDS];
	uint32_t hand[2]; /* ks_pressure.c: where to look next, narrow and wide */
	const struct ks_mem *mem;
	struct ks_frags *frags;
	struct ks_worker_opts opts;
	struct ks_wheel wheel;
};

static inline struct ks_ip4 *ks_ip(const struct ks_pkt *p)
{
	return (struct ks_ip4 *)(void *)(p->data + p->l3);
}

static inline struct ks_ip6 *ks_ip6(const struct ks_pkt *p)
{
	return (struct ks_ip6 *)(void *)(p->data + p->l3);
}

static inline uint8_t ks_ttl(const struct ks_pkt *p)
{
	return p->af == 4 ? ks_ip(p)->ttl : ks_ip6(p)->hop;
}

static inline bool ks_is_icmp(uint8_t proto)
{
	return proto == KS_PROTO_ICMP || proto == KS_PROTO_ICMPV6;
}

static inline uint16_t ks_l4_len(const struct ks_pkt *p)
{
	return (uint16_t)(p->l3_len - (p->l4 - p->l3));
}

/* The address of ours, NULL when it is none or a leased one that is not held. */
static inline const struct ks_local *ks_local_now(const struct ks_worker *w,
						  const struct ks_conf *c, uint8_t af,
						  const union ks_addr *addr)
{
	return ks_held(&w->shared->leases, ks_conf_local(c, af, addr), w->now);
}

static inline struct ks_holding ks_holding_of(const struct ks_worker *w)
{
	return (struct ks_holding){ .leases = &w->shared->leases, .now = w->now };
}

static inline void ks_drop(struct ks_worker *w, struct ks_pkt *p, enum ks_drop reason)
{
	p->verdict = KS_V_DROP;
	p->reason = (uint8_t)reason;
	w->c[KS_C_DROP_FIRST + reason]++;
}

/* What the packets of one client's connection choose among equal ways by (ks_hops.h). */
static inline uint64_t ks_key_flow(const struct ks_key *k)
{
	uint64_t ports = (uint64_t)k->t.sport << 16 | k->t.dport;

	if (k->af == 4)
		return ks_hops_mix(ks_hops_mix((uint64_t)k->t.src << 32 | k->t.dst) + ports);
	return ks_hops_mix(ks_hops_mix(ks_hops_mix(k->a[KS_SRC].q[0] + ports) + k->a[KS_SRC].q[1]) +
			   ks_hops_mix(k->a[KS_DST].q[0] ^ k->a[KS_DST].q[1]));
}

static inline uint64_t *ks_rs_row(struct ks_worker *w, uint32_t slot)
{
	return &w->rs[(size_t)slot * KS_RSC_COUNT];
}

/* Uses up one of the kind's; false = none left in this second. */
bool ks_may_tell(struct ks_worker *w, enum ks_tell kind, ks_ms now);

/* ks_parse.c: checks everything up to the ports. */
enum ks_class {
	KS_CLASS_DONE, /* verdict is set */
	KS_CLASS_FLOW, /* TCP or UDP, whole; af, l3, l4, l3_len, proto, tcp_flags are set */
	KS_CLASS_ICMP, /* ICMP or ICMPv6, whole */
	KS_CLASS_FRAGMENT, /* of TCP or UDP: af, l3, l4, l3_len, proto are set */
};
enum ks_class ks_parse(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p);
bool ks_l4_csum_ok(const struct ks_pkt *p);

/* The service a session came by, if there still is one. */
static inline const struct ks_svc *ks_session_svc(const struct ks_conf *c,
						  const struct ks_session *s)
{
	return s->svc_slot < c->n_svc_slots ? c->svc_by_slot[s->svc_slot] : NULL;
}

/* ks_frag.c */
bool ks_frags_init(struct ks_worker *w);
void ks_frags_fini(struct ks_worker *w);
/* Finds out what a fragment is of; false = it has a verdict (handed on, dropped). */
bool ks_fragment(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, struct ks_key *k,
		 bool handed, ks_ms now);

/* ks_open.c */
struct ks_session *ks_open(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			   const struct ks_key *k, const struct ks_svc *svc, ks_ms now);
/* What a session consists of beside the packet that begins it. */
struct ks_pair {
	const struct ks_svc *svc;
	const struct ks_rs *rs;
	const struct ks_key *in, *out;
	uint32_t hash_in, hash_out;
};
struct ks_session *ks_make_session(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
				   const struct ks_pair *pair, ks_ms now);
/* Between ports tried for their hash: neighbouring ones differ in few bits, and so do their hashes;
 * steps of a prime change many. */
#define KS_AIMED_STEP 1021u

/* Ports of [min, max] that this worker owns: first + k * n_workers, k < count. */
struct ks_port_class {
	uint32_t first;
	uint32_t count;
};
struct ks_port_class ks_own_ports(const struct ks_worker *w, const struct ks_conf *c);
/* Does it begin a connection? And what becomes of one that does not, without a session. */
bool ks_begins(const struct ks_pkt *p);
void ks_not_begun(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, ks_ms now);
bool ks_source_is_sane(const struct ks_key *k);
void ks_close(struct ks_worker *w, struct ks_session *s);
void ks_forget(struct ks_worker *w,
	       struct ks_session *s); /* close one that lies in no slot of the wheel */
void ks_set_state(struct ks_worker *w, const struct ks_conf *c, struct ks_session *s, uint8_t state,
		  ks_ms now);

/* ks_snat.c */
/* A packet that only passes through and begins a session of a match service: true = it has a
 * verdict. */
bool ks_snat(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, const struct ks_key *k,
	     ks_ms now);
/* An echo request that passes through, or an echo reply to one: true = it has a verdict. */
bool ks_snat_echo(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, bool handed,
		  ks_ms now);

/* ks_pressure.c: the table is full. Ends a session that has not come to be, the one longest without
 * a packet of those looked at; false = there is none to end. */
bool ks_make_room(struct ks_worker *w, bool wide, ks_ms now);

/* ks_expire.c: both ends of an established TCP session that has expired shall know. Up to two
 * packets are put into out; returns how many. */
unsigned ks_tell_expired(struct ks_worker *w, const struct ks_conf *c, const struct ks_session *s,
			 struct ks_pkt *out, ks_ms now);

/* ks_split.c: may that packet, which is too large for its way out, go in parts? And the frame that
 * is ready in parts of so many bytes: all but the last are sent, that one stays in p. */
bool ks_can_split(const struct ks_worker *w, const struct ks_pkt *p, const struct ks_session *s,
		  unsigned dir);
void ks_split(struct ks_worker *w, struct ks_pkt *p, unsigned mtu);

/* ks_tunnel.c: an outer header from us to the real server; false = no room for it. And the bytes
 * there are beside the IP header. */
bool ks_encapsulate(struct ks_pkt *p, struct ks_session *s);
unsigned ks_tunnel_extra(const struct ks_session *s);

/* ks_forward.c */
void ks_forward(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
		struct ks_session *s, unsigned dir, ks_ms now);
/* An ICMP message about a one-way session, from the client's side: to the real server as its
 * packets go. */
void ks_forward_icmp(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
		     struct ks_session *s, ks_ms now);
/* Next hop for a frame that is ready above the Ethernet header: fills it in, or sends it to the
 * main lcore. */
void ks_route_out(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, uint8_t af,
		  const union ks_addr *dst, ks_ms now);
/* Same, when the way is back to where the packet came from: the Ethernet addresses are swapped. */
void ks_return(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p);

/* ks_icmp.c */
void ks_icmp(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, bool handed,
	     ks_ms now);
/* Time exceeded, or too big with the room there is, to whoever sent it, in its own family. */
void ks_time_exceeded(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, ks_ms now);
void ks_too_big(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, uint16_t mtu,
		ks_ms now);

/* Who answers a packet that an error quotes, by its transport header (8 bytes of it are there);
 * false = nothing we send on. */
bool ks_quoted_ports(uint8_t proto, const uint8_t *l4, struct ks_tuple *back);
/* Make a quoted transport header what its sender sent. */
void ks_restore_ports(uint8_t proto, uint8_t *l4, unsigned l4_len, const struct ks_tuple *sent,
		      uint16_t delta);

/* ks_icmp_tunnel.c: a packet an error quotes, by its outer IP header. true = it was one of a tunnel
 * of ours, and the error has a verdict. */
struct ks_quote {
	uint8_t af, proto;
	const uint8_t *dst; /* 4 or 16 bytes */
	uint8_t *l4;
	unsigned l4_len;
};
bool ks_may_be_gue(const struct ks_conf *c, uint8_t af, uint8_t proto, const uint8_t *src);
bool ks_icmp_about_tunnel(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			  const struct ks_quote *q, bool handed, ks_ms now);

/* ks_icmp6.c */
void ks_icmp6(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, bool handed,
	      ks_ms now);
void ks_icmp6_error(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p, uint8_t type,
		    uint8_t code, uint32_t rest, enum ks_drop otherwise, ks_ms now);
/* Header of a packet of ours in front of l4_len bytes. */
void ks_fill_ip6(struct ks_ip6 *ip, uint16_t l4_len, uint8_t proto, const uint8_t src[16],
		 const uint8_t dst[16]);
void ks_fill_ip4(struct ks_ip4 *ip, uint16_t len, uint8_t proto, ks_be32 src, ks_be32 dst);
/* What is neither echo nor about a session: the kernel's, if the address is. */
void ks_leave_to_kernel(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
			enum ks_drop otherwise);
/* The owner of the session a message is about is another worker: it goes there. */
bool ks_hand_to_owner(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
		      const struct ks_key *k, uint8_t proto, bool handed);

/* ks_xlat.c: between the families (RFC 7915) */
/* A packet of a session; the transport checksum is already the other family's. Room in front is the
 * caller's to have checked. */
void ks_xlat_6to4(struct ks_pkt *p, ks_be32 src, ks_be32 dst);
void ks_xlat_4to6(struct ks_pkt *p, const union ks_addr *src, const union ks_addr *dst);
/* The same for a fragment; as IPv6 it is KS_FRAGMENT_LEN bytes longer still. */
#define KS_FRAGMENT_LEN 8u
void ks_xlat_fragment_6to4(struct ks_pkt *p, ks_be32 src, ks_be32 dst);
void ks_xlat_fragment_4to6(struct ks_pkt *p, const union ks_addr *src, const union ks_addr *dst);
/* An ICMP error about a packet we sent in s's other direction, to the sender of that in its own
 * family: the whole message is made anew. false = its type means nothing there. */
bool ks_xlat_error(struct ks_pkt *p, const struct ks_session *s, unsigned dir,
		   const uint8_t *quoted_l4, unsigned quoted_len, uint8_t quoted_proto);

/* ks_icmp.c: answer a segment that belongs to no connection with a RST (RFC 9293 §3.10.7.1). */
void ks_tcp_reset(struct ks_worker *w, const struct ks_conf *c, struct ks_pkt *p,
		  enum ks_drop otherwise, ks_ms now);

#endif
