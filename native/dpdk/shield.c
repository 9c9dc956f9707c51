/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The chain of shield.h, by nf_tables messages of our own. A batch is all or nothing:
 *
 *   BATCH_BEGIN, NEWTABLE keelson-port-<index> (owner), NEWCHAIN ingress (policy drop), BATCH_END
 */
#include "shield.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netlink.h"

#ifndef NFT_TABLE_F_OWNER
#define NFT_TABLE_F_OWNER 0x2
#endif

struct shield {
	int fd; /* its socket is the owner of the table */
};

static void begin(struct ks_nl *m, uint16_t type, uint16_t flags, uint8_t family, uint16_t res_id)
{
	struct nfgenmsg head = { .nfgen_family = family,
				 .version = NFNETLINK_V0,
				 .res_id = htons(res_id) };

	ks_nl_begin(m, type, flags, &head, sizeof(head));
}

static uint16_t nft(uint16_t type)
{
	return (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
}

/* A table's name is a word, an interface's may be nearly anything: its index serves. */
static int install(int fd, const char *iface)
{
	struct ks_nl m = { .len = 0 };
	char table[32];
	size_t hook;

	snprintf(table, sizeof(table), "keelson-port-%u", if_nametoindex(iface));
	begin(&m, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	begin(&m, nft(NFT_MSG_NEWTABLE), NLM_F_CREATE | NLM_F_ACK, NFPROTO_NETDEV, 0);
	ks_nl_string(&m, NFTA_TABLE_NAME, table);
	ks_nl_be32(&m, NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
	begin(&m, nft(NFT_MSG_NEWCHAIN), NLM_F_CREATE | NLM_F_ACK, NFPROTO_NETDEV, 0);
	ks_nl_string(&m, NFTA_CHAIN_TABLE, table);
	ks_nl_string(&m, NFTA_CHAIN_NAME, "ingress");
	hook = ks_nl_nest(&m, NFTA_CHAIN_HOOK);
	ks_nl_be32(&m, NFTA_HOOK_HOOKNUM, NF_NETDEV_INGRESS);
	ks_nl_be32(&m, NFTA_HOOK_PRIORITY, 0);
	ks_nl_string(&m, NFTA_HOOK_DEV, iface);
	ks_nl_end(&m, hook);
	ks_nl_be32(&m, NFTA_CHAIN_POLICY, NF_DROP);
	ks_nl_string(&m, NFTA_CHAIN_TYPE, "filter");
	begin(&m, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	return ks_nl_talk(fd, &m, NULL, NULL);
}

struct shield *shield_open(const char *iface, char err[KS_REASON_LEN])
{
	struct shield *s = calloc(1, sizeof(*s));
	int failed;

	if (s == NULL || (s->fd = ks_nl_open(NETLINK_NETFILTER)) < 0) {
		snprintf(err, KS_REASON_LEN, "cannot open nf_tables: %s", strerror(errno));
		free(s);
		return NULL;
	}
	failed = if_nametoindex(iface) == 0 ? ENODEV : install(s->fd, iface);
	if (failed == 0)
		return s;
	snprintf(err, KS_REASON_LEN, "nf_tables refuses a chain on %.15s: %s", iface,
		 strerror(failed));
	shield_close(s);
	return NULL;
}

void shield_close(struct shield *s)
{
	if (s == NULL)
		return;
	close(s->fd);
	free(s);
}
