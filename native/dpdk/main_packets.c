/* SPDX-License-Identifier: Apache-2.0 */
/* Packets of the main lcore: what the core sends, what workers hand to it, what the kernel's
 * interfaces have to send. */
#include <string.h>

#include "main_int.h"

#define KNI_BURST 32u

static bool io_alloc(void *ctx, struct ks_pkt *out)
{
	return pkt_alloc(((struct mainloop *)ctx)->s, out);
}

static void io_send(void *ctx, struct ks_pkt *p)
{
	struct mainloop *m = ctx;

	transfer_tx(m->self, p->out_port, mbuf_from_pkt(p));
}

static void io_release(void *ctx, struct ks_pkt *p)
{
	(void)ctx;
	rte_pktmbuf_free(p->cookie);
}

static void kni_write(struct mainloop *m, struct port *port, struct rte_mbuf *mbuf, ks_ms now)
{
	enum ks_kni_result r = KS_KNI_FULL;

	if (port->kni != NULL)
		r = ks_kni_write(port->kni, rte_pktmbuf_mtod(mbuf, void *),
				 rte_pktmbuf_data_len(mbuf), now);
	switch (r) {
	case KS_KNI_OK:
		port->kni_in++;
		break;
	case KS_KNI_FULL:
		port->kni_full++;
		m->self->c[KS_C_DROP_FIRST + KS_DROP_KNI_FULL]++;
		break;
	case KS_KNI_POLICED:
		port->kni_policed++;
		m->self->c[KS_C_DROP_FIRST + KS_DROP_KNI_POLICED]++;
		break;
	}
	rte_pktmbuf_free(mbuf);
}

static void io_kni(void *ctx, struct ks_pkt *p)
{
	struct mainloop *m = ctx;

	kni_write(m, &m->s->port[p->in_port], p->cookie, shell_now(m->s));
}

static void io_event(void *ctx, const struct ks_event *e)
{
	ks_control_event(((struct mainloop *)ctx)->control, e);
}

const struct ks_main_io main_io = {
	.alloc = io_alloc, .send = io_send, .release = io_release, .kni = io_kni, .event = io_event
};

unsigned from_workers(struct mainloop *m, ks_ms now)
{
	struct shell *s = m->s;
	unsigned total = 0;

	for (unsigned from = 0; from < s->n_workers; from++) {
		struct rte_mbuf *mbuf[BURST];
		unsigned n = rte_ring_sc_dequeue_burst(s->ring[from][s->n_workers], (void **)mbuf,
						       BURST, NULL);

		for (unsigned i = 0; i < n; i++) {
			struct ks_pkt p;

			if (mbuf[i]->hash.usr == MARK_KNI) {
				kni_write(m, &s->port[mbuf[i]->port], mbuf[i], now);
				continue;
			}
			memcpy(&p, rte_mbuf_to_priv(mbuf[i]), sizeof(p));
			ks_main_packet(m->core, current(m), &p, now);
		}
		total += n;
	}
	return total;
}

struct kni_source {
	struct mainloop *m;
	unsigned port;
	bool no_buffer;
};

static uint8_t *kni_get(void *ctx, void **cookie, size_t *room)
{
	struct kni_source *k = ctx;
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(k->m->s->pool);

	k->no_buffer = mbuf == NULL;
	if (mbuf == NULL)
		return NULL;
	*cookie = mbuf;
	*room = rte_pktmbuf_tailroom(mbuf);
	return rte_pktmbuf_mtod(mbuf, uint8_t *);
}

static void kni_done(void *ctx, void *cookie, size_t len)
{
	struct kni_source *k = ctx;
	struct rte_mbuf *mbuf = cookie;

	if (len == 0) {
		rte_pktmbuf_free(mbuf);
		return;
	}
	mbuf->data_len = (uint16_t)len;
	mbuf->pkt_len = (uint32_t)len;
	k->m->s->port[k->port].kni_out++;
	transfer_tx(k->m->self, k->port, mbuf);
}

void from_kernel(struct mainloop *m, unsigned port)
{
	struct kni_source src = { .m = m, .port = port };
	struct ks_kni_reader r = { .ctx = &src, .get = kni_get, .done = kni_done };

	(void)ks_kni_read(m->s->port[port].kni, &r, KNI_BURST);
	/* Left where they are they would keep the main lcore awake. */
	if (src.no_buffer)
		m->self->c[KS_C_DROP_FIRST + KS_DROP_NO_BUFFER] +=
			ks_kni_drain(m->s->port[port].kni);
}

void drop_stale_frames(struct mainloop *m)
{
	struct shell *s = m->s;
	uint64_t *stale = &m->self->c[KS_C_DROP_FIRST + KS_DROP_STALE];

	for (unsigned i = 0; i < s->n_ports; i++)
		if (s->port[i].kni != NULL)
			*stale += ks_kni_drain(s->port[i].kni);
	for (unsigned from = 0; from < s->n_workers; from++) {
		struct rte_mbuf *mbuf[BURST];
		unsigned left = rte_ring_count(s->ring[from][s->n_workers]), n;

		while (left > 0 &&
		       (n = rte_ring_sc_dequeue_burst(s->ring[from][s->n_workers], (void **)mbuf,
						      BURST, NULL)) > 0) {
			rte_pktmbuf_free_bulk(mbuf, n);
			*stale += n;
			left -= n < left ? n : left;
		}
	}
}
