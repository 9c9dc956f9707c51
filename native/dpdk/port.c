/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: any ethdev, named by dpvs.conf; each step that can fail says which port and why. */
#include <dirent.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devargs.h"
#include "log.h"
#include "shell.h"

static uint16_t ethdev_rx(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	return rte_eth_rx_burst(((const struct port *)ctx)->id, queue, m, n);
}

static uint16_t ethdev_tx(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	return rte_eth_tx_burst(((const struct port *)ctx)->id, queue, m, n);
}

/* Frames are in one piece: the buffers have room for the largest MTU. */
struct rte_mempool *port_pool(const struct options *o, char err[KS_ERR_LEN])
{
	unsigned priv = (unsigned)RTE_ALIGN(sizeof(struct ks_pkt), RTE_MBUF_PRIV_ALIGN);
	unsigned room = RTE_MBUF_DEFAULT_BUF_SIZE;
	struct rte_mempool *pool;

	for (unsigned i = 0; i < o->n_ports; i++)
		room = RTE_MAX(room, RTE_PKTMBUF_HEADROOM + o->port[i].mtu + 32u);
	pool = rte_pktmbuf_pool_create("ks_pool", o->pool_size, 256, (uint16_t)priv, (uint16_t)room,
				       SOCKET_ID_ANY);
	if (pool == NULL)
		snprintf(
			err, KS_ERR_LEN,
			"not enough memory for %u packet buffers of %u bytes (%s): lower --pool-size, or give DPDK more (-m)",
			o->pool_size, room, rte_strerror(rte_errno));
	return pool;
}

/* ---- finding the device ---------------------------------------------------------------------------------------- */

static bool find_probed(struct shell *s, struct port *p, char err[KS_ERR_LEN])
{
	/* RTE_ETH_FOREACH_DEV, without its conversions */
	for (uint64_t at = rte_eth_find_next_owned_by(0, RTE_ETH_DEV_NO_OWNER);
	     at < RTE_MAX_ETHPORTS;
	     at = rte_eth_find_next_owned_by((uint16_t)(at + 1), RTE_ETH_DEV_NO_OWNER)) {
		uint16_t id = (uint16_t)at;
		bool taken = false;

		for (unsigned i = 0; i < s->n_ports; i++)
			taken = taken || (s->port[i].attached && s->port[i].id == id);
		if (!taken) {
			p->id = id;
			p->attached = true;
			return true;
		}
	}
	snprintf(
		err, KS_ERR_LEN,
		"port %s: no device is left for it; bind a NIC to vfio-pci, or name one by devargs in dpvs.conf",
		p->o->name);
	return false;
}

static bool find_named(const char *devargs, uint16_t *id)
{
	struct rte_dev_iterator it;
	uint16_t found;

	RTE_ETH_FOREACH_MATCHING_DEV(found, devargs, &it) {
		*id = found;
		rte_eth_iterator_cleanup(&it);
		return true;
	}
	return false;
}

static void put_shield(struct port *p, const char *iface)
{
	char why[KS_REASON_LEN];

	p->shield = shield_open(iface, why);
	if (p->shield == NULL)
		ks_log(KS_LOG_WARN,
		       "port %s: the kernel sees the frames of %s too and may answer them: %s",
		       p->o->name, iface, why);
}

static bool attach(struct shell *s, struct port *p, char err[KS_ERR_LEN])
{
	const char *devargs = p->o->devargs, *reason;
	char iface[IFNAMSIZ];
	int rc = 0;

	if (devargs == NULL)
		return find_probed(s, p, err);
	p->reserve_fd = devargs_reserve(p->o->name, devargs, err);
	if (p->reserve_fd < 0)
		return false;
	if (strncmp(devargs, "net_af_", 7) == 0 &&
	    devargs_get(devargs, "iface", iface, sizeof(iface)))
		p->watched_ifindex = if_nametoindex(iface);
	if (strncmp(devargs, "net_af_packet", 13) == 0 && p->watched_ifindex != 0)
		put_shield(p, iface);
	eal_log_clear();
	if (!find_named(devargs, &p->id)) {
		rc = rte_dev_probe(devargs);
		if (rc != 0 || !find_named(devargs, &p->id)) {
			reason = eal_log_reason();
			snprintf(err, KS_ERR_LEN, "port %s: no such device: %s: %s", p->o->name,
				 devargs,
				 reason[0] != '\0' ? reason : rte_strerror(rc < 0 ? -rc : ENODEV));
			return false;
		}
	}
	for (unsigned i = 0; i < s->n_ports; i++) {
		if (!s->port[i].attached || s->port[i].id != p->id)
			continue;
		snprintf(err, KS_ERR_LEN, "port %s: port in use: device %s is port %s already",
			 p->o->name, devargs, s->port[i].o->name);
		return false;
	}
	p->attached = true;
	return true;
}

/* ---- waking ---------------------------------------------------------------------------------------------------- */

struct fd_set_list {
	unsigned n;
	int fd[256];
};

/* The sockets of this process that deliver frames of an interface. */
static void list_frame_sockets(struct fd_set_list *l)
{
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;

	l->n = 0;
	while (d != NULL && (e = readdir(d)) != NULL && l->n < 256) {
		int fd = atoi(e->d_name), domain = 0;
		socklen_t len = sizeof(domain);

		if (e->d_name[0] == '.' || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0)
			continue;
		if (domain == AF_PACKET || domain == AF_XDP)
			l->fd[l->n++] = fd;
	}
	if (d != NULL)
		closedir(d);
}

/*
 * AF_PACKET and AF_XDP drivers keep their sockets to themselves, but a socket that can be polled is
 * what a sleeping worker needs. With one queue the socket that came with the port is its; with more
 * it is not known which is which, and the worker polls.
 */
static void find_wake_fds(struct port *p, const struct fd_set_list *before)
{
	struct fd_set_list now;
	int found = -1, one = 1;
	unsigned n = 0;

	for (unsigned q = 0; q < MAX_WAKE_QUEUES; q++)
		p->wake_fd[q] = -1;
	if (p->watched_ifindex == 0)
		return;
	list_frame_sockets(&now);
	for (unsigned i = 0; i < now.n; i++) {
		bool old = false;

		for (unsigned k = 0; k < before->n; k++)
			old = old || before->fd[k] == now.fd[i];
		if (old)
			continue;
		/* What the kernel itself sends on the interface is not for us. */
		(void)setsockopt(now.fd[i], SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
		found = now.fd[i];
		n++;
	}
	if (n == 1 && p->o->rxq == 1)
		p->wake_fd[0] = found;
}

/* ---- configuring ----------------------------------------------------------------------------------------------- */

static bool configure(struct shell *s, struct port *p, char err[KS_ERR_LEN])
{
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;
	uint16_t rxd = p->o->rxd, txd = p->o->txd;
	const uint64_t rx_csum = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM |
		RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	const char *reason;
	int rc;

	eal_log_clear();
	rc = rte_eth_dev_info_get(p->id, &info);
	if (rc != 0)
		goto failed;
	if (p->o->rxq > info.max_rx_queues || p->o->txq > info.max_tx_queues) {
		snprintf(
			err, KS_ERR_LEN,
			"port %s: %u receive and %u transmit queues wanted, the device has %u and %u",
			p->o->name, p->o->rxq, p->o->txq, info.max_rx_queues, info.max_tx_queues);
		return false;
	}
	p->rx_csum = (info.rx_offload_capa & rx_csum) == rx_csum;
	if (p->rx_csum)
		conf.rxmode.offloads |= rx_csum;
	/* one pool, no shared buffers: the driver may give them back in bulk */
	conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	snprintf(p->driver, sizeof(p->driver), "%s", info.driver_name);
	if (p->o->rxq > 1 && (info.flow_type_rss_offloads & RTE_ETH_RSS_IP)) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
		if (info.hash_key_size >= KS_RSS_KEY_MIN && info.hash_key_size <= KS_RSS_KEY_MAX) {
			conf.rx_adv_conf.rss_conf.rss_key = s->rss_key;
			conf.rx_adv_conf.rss_conf.rss_key_len = info.hash_key_size;
		}
	}
	rc = rte_eth_dev_configure(p->id, p->o->rxq, p->o->txq, &conf);
	if (rc != 0)
		goto failed;
	rc = rte_eth_dev_set_mtu(p->id, p->o->mtu);
	if (rc != 0 && rc != -ENOTSUP && p->o->mtu != 1500) {
		snprintf(err, KS_ERR_LEN, "port %s: the device refuses an MTU of %u: %s",
			 p->o->name, p->o->mtu, rte_strerror(-rc));
		return false;
	}
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &rxd, &txd);
	if (rc != 0 && rc != -ENOTSUP)
		goto failed;
	for (uint16_t q = 0; q < p->o->rxq; q++) {
		struct rte_eth_rxconf rx = info.default_rxconf;

		rx.offloads = conf.rxmode.offloads;
		rc = rte_eth_rx_queue_setup(p->id, q, rxd, (unsigned)rte_eth_dev_socket_id(p->id),
					    &rx, s->pool);
		if (rc != 0)
			goto failed;
	}
	for (uint16_t q = 0; q < p->o->txq; q++) {
		struct rte_eth_txconf tx = info.default_txconf;

		tx.offloads = conf.txmode.offloads;
		rc = rte_eth_tx_queue_setup(p->id, q, txd, (unsigned)rte_eth_dev_socket_id(p->id),
					    &tx);
		if (rc != 0)
			goto failed;
	}
	p->n_txq = p->o->txq;
	rc = rte_eth_dev_start(p->id);
	if (rc != 0)
		goto failed;
	p->started = true;
	/* Frames to our MAC and to all groups come up (VRRP and OSPF on the KNI); where groups
	 * cannot be asked for, everything is. */
	if (p->o->promisc || (rte_eth_allmulticast_enable(p->id) != 0 && p->o->kni))
		p->promisc = rte_eth_promiscuous_enable(p->id) == 0;
	return true;
failed:
	reason = eal_log_reason();
	snprintf(err, KS_ERR_LEN, "port %s: the device does not start: %s%s%s%s", p->o->name,
		 rte_strerror(-rc), reason[0] ? " (" : "", reason, reason[0] ? ")" : "");
	return false;
}

bool port_link(const struct port *p)
{
	struct rte_eth_link link;
	struct ifreq ifr = { 0 };
	bool up = true;
	int fd;

	if (p->watched_ifindex == 0)
		return rte_eth_link_get_nowait(p->id, &link) != 0 ||
			link.link_status == RTE_ETH_LINK_UP;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	up = if_indextoname(p->watched_ifindex, ifr.ifr_name) != NULL &&
		ioctl(fd, SIOCGIFFLAGS, &ifr) == 0 &&
		(ifr.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
	close(fd);
	return up;
}

bool port_open(struct shell *s, unsigned index, char err[KS_ERR_LEN])
{
	struct port *p = &s->port[index];
	struct rte_ether_addr mac;
	struct fd_set_list before;

	p->o = &s->o.port[index];
	p->reserve_fd = -1;
	list_frame_sockets(&before);
	if (!attach(s, p, err) || !configure(s, p, err))
		return false;
	find_wake_fds(p, &before);
	p->io = (struct port_io){ .rx = ethdev_rx, .tx = ethdev_tx, .ctx = p };
	if (rte_eth_macaddr_get(p->id, &mac) != 0) {
		snprintf(err, KS_ERR_LEN, "port %s: the device has no MAC address", p->o->name);
		return false;
	}
	snprintf(p->info.dev, sizeof(p->info.dev), "%s", p->o->name);
	memcpy(p->info.mac, mac.addr_bytes, 6);
	p->info.mtu = p->o->mtu;
	p->info.up = port_link(p);
	rss_learn(s, index);
	return true;
}

bool port_open_kni(struct shell *s, unsigned index, char err[KS_ERR_LEN])
{
	struct port *p = &s->port[index];
	struct ks_kni_opts o = { .dev = p->info.dev, .mtu = p->info.mtu, .owner = shell_owner(s) };

	if (!p->o->kni)
		return true;
	memcpy(o.mac, p->info.mac, 6);
	p->kni = ks_kni_open(&o, err);
	return p->kni != NULL;
}

void port_close(struct port *p, bool orderly)
{
	/* After a start that failed the interface stays if it was there before. */
	if (p->kni != NULL)
		ks_kni_close(p->kni, orderly || !ks_kni_was_there(p->kni));
	p->kni = NULL;
	if (p->promisc) /* a kernel interface would stay so */
		(void)rte_eth_promiscuous_disable(p->id);
	if (p->started)
		(void)rte_eth_dev_stop(p->id);
	if (p->attached)
		(void)rte_eth_dev_close(p->id);
	shield_close(p->shield);
	p->shield = NULL;
	if (p->reserve_fd > 0)
		close(p->reserve_fd);
	p->started = p->attached = false;
}

void port_count(struct port *p)
{
	struct rte_eth_stats st;
	uint64_t *c = p->counters;

	if (c == NULL || rte_eth_stats_get(p->id, &st) != 0)
		return;
	c[KS_PC_RX_PACKETS] = st.ipackets;
	c[KS_PC_RX_BYTES] = st.ibytes;
	c[KS_PC_RX_MISSED] = st.imissed;
	c[KS_PC_RX_ERRORS] = st.ierrors;
	c[KS_PC_RX_NO_BUFFER] = st.rx_nombuf;
	c[KS_PC_TX_PACKETS] = st.opackets;
	c[KS_PC_TX_BYTES] = st.obytes;
	c[KS_PC_TX_ERRORS] = st.oerrors;
	c[KS_PC_KNI_IN_PACKETS] = p->kni_in;
	c[KS_PC_KNI_OUT_PACKETS] = p->kni_out;
	c[KS_PC_KNI_FULL] = p->kni_full;
	c[KS_PC_LINK_UP] = p->info.up;
}
