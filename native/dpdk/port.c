/* SPDX-License-Identifier: Apache-2.0 */
/* Ports: any ethdev, named by dpvs.conf; each step that can fail says which port and why. */
#include <net/if.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shell.h"

static uint16_t ethdev_rx(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	return rte_eth_rx_burst(((const struct port *)ctx)->id, queue, m, n);
}

static uint16_t ethdev_tx(void *ctx, uint16_t queue, struct rte_mbuf **m, uint16_t n)
{
	return rte_eth_tx_burst(((const struct port *)ctx)->id, queue, m, n);
}

struct rte_mempool *port_pool(const struct options *o, char err[KS_ERR_LEN])
{
	unsigned priv = (unsigned)RTE_ALIGN(sizeof(struct mark), RTE_MBUF_PRIV_ALIGN);
	struct rte_mempool *pool =
		rte_pktmbuf_pool_create("ks_pool", o->pool_size, 256, (uint16_t)priv, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

	if (pool == NULL)
		snprintf(err, KS_ERR_LEN,
			 "no memory for %u packet buffers (%s): give the EAL more (-m, or huge pages) or lower pktpool_size",
			 o->pool_size, rte_strerror(rte_errno));
	return pool;
}

/* The value of `key=` in devargs, copied; false = there is none. */
static bool devarg(const char *devargs, const char *key, char *out, size_t size)
{
	const char *at = strchr(devargs, ',');
	size_t n = strlen(key);

	for (; at != NULL; at = strchr(at, ',')) {
		at++;
		if (strncmp(at, key, n) == 0 && at[n] == '=') {
			snprintf(out, size, "%.*s", (int)strcspn(at + n + 1, ","), at + n + 1);
			return true;
		}
	}
	return false;
}

static bool find_probed(struct shell *s, struct port *p, char err[KS_ERR_LEN])
{
	uint16_t id;

	RTE_ETH_FOREACH_DEV(id)
	{
		bool taken = false;

		for (unsigned i = 0; i < s->n_ports; i++)
			taken = taken || (s->port[i].started && s->port[i].id == id);
		if (!taken) {
			p->id = id;
			return true;
		}
	}
	snprintf(err, KS_ERR_LEN,
		 "port %s: no device is left for it; bind a NIC to vfio-pci, or name one by devargs in dpvs.conf", p->o->name);
	return false;
}

static bool attach(struct shell *s, struct port *p, char err[KS_ERR_LEN])
{
	char ifname[IFNAMSIZ], name[RTE_DEV_NAME_MAX_LEN];
	int rc;

	if (p->o->devargs == NULL)
		return find_probed(s, p, err);
	if (devarg(p->o->devargs, "iface", ifname, sizeof(ifname)) && strncmp(p->o->devargs, "net_tap", 7) != 0) {
		p->watched_ifindex = if_nametoindex(ifname);
		if (p->watched_ifindex == 0) {
			snprintf(err, KS_ERR_LEN, "port %s: there is no interface %s", p->o->name, ifname);
			return false;
		}
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(p->o->devargs, ","), p->o->devargs);
	if (rte_eth_dev_get_port_by_name(name, &p->id) == 0) {
		for (unsigned i = 0; i < s->n_ports; i++) {
			if (&s->port[i] == p || !s->port[i].started || s->port[i].id != p->id)
				continue;
			snprintf(err, KS_ERR_LEN, "port %s: device %s is port %s already", p->o->name, name, s->port[i].o->name);
			return false;
		}
		return true;
	}
	rc = rte_dev_probe(p->o->devargs);
	if (rc != 0 || rte_eth_dev_get_port_by_name(name, &p->id) != 0) {
		snprintf(err, KS_ERR_LEN, "port %s: no device %s%s%s", p->o->name, p->o->devargs, rc != 0 ? ": " : "",
			 rc != 0 ? strerror(rc < 0 ? -rc : rc) : "");
		return false;
	}
	return true;
}

static bool configure(struct shell *s, struct port *p, char err[KS_ERR_LEN])
{
	struct rte_eth_conf conf = { 0 };
	struct rte_eth_dev_info info;
	uint16_t rxd = p->o->rxd, txd = p->o->txd;
	const uint64_t rx_csum = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	int rc;

	rc = rte_eth_dev_info_get(p->id, &info);
	if (rc != 0)
		goto failed;
	if (p->o->rxq > info.max_rx_queues || p->o->txq > info.max_tx_queues) {
		snprintf(err, KS_ERR_LEN, "port %s: %u receive and %u transmit queues wanted, the device has %u and %u", p->o->name,
			 p->o->rxq, p->o->txq, info.max_rx_queues, info.max_tx_queues);
		return false;
	}
	p->rx_csum = (info.rx_offload_capa & rx_csum) == rx_csum;
	if (p->rx_csum)
		conf.rxmode.offloads |= rx_csum;
	if (p->o->rxq > 1 && (info.flow_type_rss_offloads & RTE_ETH_RSS_IP)) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	}
	rc = rte_eth_dev_configure(p->id, p->o->rxq, p->o->txq, &conf);
	if (rc != 0)
		goto failed;
	rc = rte_eth_dev_set_mtu(p->id, p->o->mtu);
	if (rc != 0 && rc != -ENOTSUP && p->o->mtu != 1500) {
		snprintf(err, KS_ERR_LEN, "port %s: the device refuses an MTU of %u: %s", p->o->name, p->o->mtu, rte_strerror(-rc));
		return false;
	}
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &rxd, &txd);
	if (rc != 0 && rc != -ENOTSUP)
		goto failed;
	for (uint16_t q = 0; q < p->o->rxq; q++) {
		rc = rte_eth_rx_queue_setup(p->id, q, rxd, (unsigned)rte_eth_dev_socket_id(p->id), NULL, s->pool);
		if (rc != 0)
			goto failed;
	}
	for (uint16_t q = 0; q < p->o->txq; q++) {
		rc = rte_eth_tx_queue_setup(p->id, q, txd, (unsigned)rte_eth_dev_socket_id(p->id), NULL);
		if (rc != 0)
			goto failed;
	}
	p->n_txq = p->o->txq;
	rc = rte_eth_dev_start(p->id);
	if (rc != 0)
		goto failed;
	p->started = true;
	/* Frames to our MAC and to all groups come up; a driver that cannot filter passes everything anyway. */
	(void)rte_eth_allmulticast_enable(p->id);
	if (p->o->promisc)
		(void)rte_eth_promiscuous_enable(p->id);
	return true;
failed:
	snprintf(err, KS_ERR_LEN, "port %s: the device does not start: %s", p->o->name, rte_strerror(-rc));
	return false;
}

bool port_link(const struct port *p)
{
	struct rte_eth_link link;
	struct ifreq ifr = { 0 };
	bool up = true;
	int fd;

	if (p->watched_ifindex == 0)
		return rte_eth_link_get_nowait(p->id, &link) != 0 || link.link_status == RTE_ETH_LINK_UP;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	up = if_indextoname(p->watched_ifindex, ifr.ifr_name) != NULL && ioctl(fd, SIOCGIFFLAGS, &ifr) == 0 &&
	     (ifr.ifr_flags & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING);
	close(fd);
	return up;
}

bool port_open(struct shell *s, unsigned index, char err[KS_ERR_LEN])
{
	struct port *p = &s->port[index];
	struct rte_ether_addr mac;

	p->o = &s->o.port[index];
	if (!attach(s, p, err) || !configure(s, p, err))
		return false;
	p->io = (struct port_io){ .rx = ethdev_rx, .tx = ethdev_tx, .ctx = p };
	if (rte_eth_macaddr_get(p->id, &mac) != 0) {
		snprintf(err, KS_ERR_LEN, "port %s: the device has no MAC address", p->o->name);
		return false;
	}
	snprintf(p->info.dev, sizeof(p->info.dev), "%s", p->o->name);
	memcpy(p->info.mac, mac.addr_bytes, 6);
	p->info.mtu = p->o->mtu;
	p->info.up = port_link(p);
	return true;
}

bool port_open_kni(struct shell *s, unsigned index, char err[KS_ERR_LEN])
{
	struct port *p = &s->port[index];
	struct ks_kni_opts o = { .dev = p->info.dev, .mtu = p->info.mtu };

	if (!p->o->kni)
		return true;
	memcpy(o.mac, p->info.mac, 6);
	p->kni = ks_kni_open(&o, err);
	return p->kni != NULL;
}

void port_close(struct port *p)
{
	if (p->kni != NULL)
		ks_kni_close(p->kni);
	p->kni = NULL;
	if (!p->started)
		return;
	p->started = false;
	(void)rte_eth_dev_stop(p->id);
	(void)rte_eth_dev_close(p->id);
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
	c[KS_PC_KNI_POLICED] = p->kni_policed;
	c[KS_PC_LINK_UP] = p->info.up;
}
