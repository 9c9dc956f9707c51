/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of an established TCP session that expires are told, as DPVS does by two RSTs. A RST
 * must carry the very sequence number its receiver waits for (RFC 5961 §3.2), which we would have
 * to note with every packet. Instead each end is asked: a bare ACK in its peer's name that
 * acknowledges nothing is answered with the numbers as they are (RFC 9293 §3.10.7.4), and that
 * answer, which no session knows any more, is met by a RST that fits. It costs the packets of
 * established sessions nothing, and an end that is gone already is not disturbed.
 */
#include "ks_worker_int.h"

#define TCP_LEN sizeof(struct ks_tcp)

static void fill_tcp(struct ks_tcp *tcp, const struct ks_key *back)
{
	*tcp = (struct ks_tcp){
		.sport = back->t.dport, .dport = back->t.sport, .off = 5 << 4, .flags = KS_TCP_ACK
	};
}

static uint64_t fill_ip(uint8_t *at, const struct ks_key *back, union ks_addr *to)
{
	if (back->af == 4) {
		*to = ks_addr4(back->t.src);
		ks_fill_ip4((void *)at, sizeof(struct ks_ip4) + TCP_LEN, KS_PROTO_TCP, back->t.dst,
			    back->t.src);
		return ks_csum_pseudo4(back->t.dst, back->t.src, KS_PROTO_TCP, TCP_LEN);
	}
	*to = back->a[KS_SRC];
	ks_fill_ip6((void *)at, TCP_LEN, KS_PROTO_TCP, back->a[KS_DST].b, to->b);
	return ks_csum_pseudo6(back->a[KS_DST].b, to->b, KS_PROTO_TCP, TCP_LEN);
}

/* To the end whose packets arrive from dir. */
static bool ask(struct ks_worker *w, const struct ks_conf *c, const struct ks_session *s,
		unsigned dir, struct ks_pkt *p, ks_ms now)
{
	struct ks_key back = ks_session_key(s, dir);
	unsigned header = back.af == 4 ? sizeof(struct ks_ip4) : sizeof(struct ks_ip6);
	ks_be16 type = ks_hton16(back.af == 4 ? KS_ETHERTYPE_IPV4 : KS_ETHERTYPE_IPV6);
	struct ks_tcp *tcp;
	union ks_addr to;
	uint64_t pseudo;

	if (w->opts.alloc == NULL || !w->opts.alloc(w->opts.alloc_ctx, p))
		return false;
	tcp = (void *)(p->data + KS_ETH_LEN + header);
	memset(p->data, 0, 12);
	memcpy(p->data + 12, &type, sizeof(type));
	pseudo = fill_ip(p->data + KS_ETH_LEN, &back, &to);
	fill_tcp(tcp, &back);
	tcp->csum = ks_csum_finish(ks_csum_add(pseudo, (const uint8_t *)tcp, TCP_LEN));
	p->len = (uint16_t)(KS_ETH_LEN + header + TCP_LEN);
	p->l3 = KS_ETH_LEN;
	p->l4 = (uint16_t)(KS_ETH_LEN + header);
	p->l3_len = (uint16_t)(header + TCP_LEN);
	p->af = back.af;
	p->proto = KS_PROTO_TCP;
	ks_route_out(w, c, p, back.af, &to, now);
	w->c[KS_C_PROBES_SENT]++;
	return true;
}

unsigned ks_tell_expired(struct ks_worker *w, const struct ks_conf *c, const struct ks_session *s,
			 struct ks_pkt *out, ks_ms now)
{
	unsigned n = 0;

	if (s->proto != KS_PROTO_TCP || s->state != KS_ST_ESTABLISHED ||
	    s->flags & (KS_SF_ONE_WAY | KS_SF_TEMPLATE) || c->param[KS_PARAM_RESET_EXPIRED] == 0)
		return 0;
	for (unsigned dir = KS_IN; dir <= KS_OUT; dir++)
		if (ks_may_tell(w, KS_TELL_EXPIRY, now) && ask(w, c, s, dir, &out[n], now))
			n++;
	return n;
}
