/* SPDX-License-Identifier: Apache-2.0 */
/* What a port says of how it spreads packets over its queues. Whatever it says, packets are right
 * wherever they arrive; that it holds good only spares the ring. */
#include "ks_rss.h"

#include <rte_ethdev.h>

#include "shell.h"

#define GROUP RTE_ETH_RETA_GROUP_SIZE

static uint32_t hashes_of(uint64_t hf)
{
	uint32_t h = 0;

	h |= hf & (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER) ? KS_RSS_IP4 : 0;
	h |= hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP ? KS_RSS_TCP4 : 0;
	h |= hf & RTE_ETH_RSS_NONFRAG_IPV4_UDP ? KS_RSS_UDP4 : 0;
	h |= hf & (RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER) ? KS_RSS_IP6 : 0;
	h |= hf & RTE_ETH_RSS_NONFRAG_IPV6_TCP ? KS_RSS_TCP6 : 0;
	h |= hf & RTE_ETH_RSS_NONFRAG_IPV6_UDP ? KS_RSS_UDP6 : 0;
	return h;
}

/* Whose receive queue that is. */
static uint8_t worker_of(const struct shell *s, unsigned port, uint16_t queue)
{
	for (unsigned w = 0; w < s->o.n_workers; w++)
		for (unsigned k = 0; k < s->o.worker[w].n_polls; k++)
			if (s->o.worker[w].poll[k].port == port &&
			    s->o.worker[w].poll[k].queue == queue)
				return (uint8_t)w;
	return KS_RSS_NOBODY;
}

static void deal_out(struct rte_eth_rss_reta_entry64 *reta, uint16_t size, uint16_t queues)
{
	for (uint16_t i = 0; i < size; i++) {
		reta[i / GROUP].mask = UINT64_MAX;
		reta[i / GROUP].reta[i % GROUP] = (uint16_t)(i % queues);
	}
}

/* Do all queues get something? */
static bool is_dealt_out(const struct rte_eth_rss_reta_entry64 *reta, uint16_t size,
			 uint16_t queues)
{
	uint64_t seen[16] = { 0 };
	unsigned n = 0;

	for (uint16_t i = 0; i < size; i++) {
		uint16_t q = reta[i / GROUP].reta[i % GROUP];

		if (q < 1024 && !(seen[q / 64] >> q % 64 & 1)) {
			seen[q / 64] |= 1ull << q % 64;
			n++;
		}
	}
	return n == queues;
}

/* The table from hash to queue, as workers; 0 = it is not told, or leaves queues out. */
static size_t read_table(const struct shell *s, unsigned index, uint16_t size,
			 uint8_t worker[KS_RSS_RETA_MAX])
{
	struct rte_eth_rss_reta_entry64 reta[KS_RSS_RETA_MAX / GROUP] = { 0 };
	const struct port *p = &s->port[index];

	if (size == 0 || size > KS_RSS_RETA_MAX)
		return 0;
	for (unsigned i = 0; i < RTE_DIM(reta); i++)
		reta[i].mask = UINT64_MAX;
	if (rte_eth_dev_rss_reta_query(p->id, reta, size) != 0)
		return 0;
	if (!is_dealt_out(reta, size, p->o->rxq)) {
		deal_out(reta, size, p->o->rxq);
		if (rte_eth_dev_rss_reta_update(p->id, reta, size) != 0 ||
		    rte_eth_dev_rss_reta_query(p->id, reta, size) != 0 ||
		    !is_dealt_out(reta, size, p->o->rxq))
			return 0;
	}
	for (uint16_t i = 0; i < size; i++)
		worker[i] = worker_of(s, index, reta[i / GROUP].reta[i % GROUP]);
	return size;
}

void rss_learn(struct shell *s, unsigned index)
{
	struct port *p = &s->port[index];
	uint8_t key[KS_RSS_KEY_MAX] = { 0 }, worker[KS_RSS_RETA_MAX];
	struct rte_eth_rss_conf conf = { .rss_key = key, .rss_key_len = sizeof(key) };
	struct rte_eth_dev_info info;
	struct ks_rss *rss;
	size_t n, key_len;

	if (p->o->rxq < 2 || s->o.n_workers < 2 || rte_eth_dev_info_get(p->id, &info) != 0)
		return;
	key_len = info.hash_key_size != 0 ? info.hash_key_size : KS_RSS_KEY_MIN;
	if (key_len > sizeof(key) || rte_eth_dev_rss_hash_conf_get(p->id, &conf) != 0)
		return;
	n = read_table(s, index, info.reta_size, worker);
	rss = s->mem.alloc(s->mem.ctx, sizeof(*rss), 64);
	if (rss == NULL || !ks_rss_init(rss, key, key_len, worker, n, hashes_of(conf.rss_hf))) {
		if (rss != NULL)
			s->mem.free(s->mem.ctx, rss);
		return;
	}
	p->rss = rss;
	p->info.rss = rss;
}
