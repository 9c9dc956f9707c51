/* SPDX-License-Identifier: Apache-2.0 */
/* The TAP device of a port, and the policer in front of the kernel. */
#include "kni.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_PPS 20000u
#define BURST_MIN   256u

/* Tokens in thousandths of a packet, so that a millisecond adds `pps` of them. */
struct bucket {
	uint32_t pps;
	uint64_t tokens, max;
	ks_ms at;
};

struct ks_kni {
	int fd; /* the queue */
	int sock; /* for requests about the interface */
	unsigned ifindex;
	char name[IFNAMSIZ];
	struct bucket ordinary, control;
};

/* ---- policer --------------------------------------------------------------------------------------------------- */

static void bucket_init(struct bucket *b, uint32_t pps)
{
	uint64_t burst;

	b->pps = pps != 0 ? pps : DEFAULT_PPS;
	burst = b->pps / 10 > BURST_MIN ? b->pps / 10 : BURST_MIN;
	b->max = b->tokens = burst * 1000;
}

static bool bucket_take(struct bucket *b, ks_ms now)
{
	if (now > b->at) {
		ks_ms passed = now - b->at < 60000 ? now - b->at : 60000;

		b->tokens += passed * b->pps;
		if (b->tokens > b->max)
			b->tokens = b->max;
		b->at = now;
	}
	if (b->tokens < 1000)
		return false;
	b->tokens -= 1000;
	return true;
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

enum { PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58, PROTO_OSPF = 89, PROTO_VRRP = 112 };
enum { PORT_BGP = 179, PORT_BFD = 3784, PORT_BFD_ECHO = 3785, PORT_BFD_MULTIHOP = 4784 };

static bool l4_is_control(uint8_t proto, const uint8_t *l4, size_t len)
{
	uint16_t sport, dport;

	if (proto == PROTO_VRRP || proto == PROTO_OSPF)
		return true;
	if (len < 4)
		return false;
	if (proto == PROTO_ICMP6) /* neighbour discovery, RFC 4861 §4 */
		return l4[0] >= 133 && l4[0] <= 137;
	sport = get16(l4);
	dport = get16(l4 + 2);
	if (proto == PROTO_TCP)
		return sport == PORT_BGP || dport == PORT_BGP;
	return proto == PROTO_UDP &&
		(dport == PORT_BFD || dport == PORT_BFD_ECHO || dport == PORT_BFD_MULTIHOP);
}

bool ks_kni_is_control(const uint8_t *frame, size_t len)
{
	const uint8_t *ip = frame + 14;
	size_t head;

	if (len < 14)
		return false;
	if (get16(frame + 12) == 0x0806)
		return true;
	if (get16(frame + 12) == 0x86dd && len >= 14 + 40)
		return l4_is_control(ip[6], ip + 40, len - 54);
	if (get16(frame + 12) != 0x0800 || len < 14 + 20)
		return false;
	head = (size_t)(ip[0] & 0xf) * 4;
	if (head < 20 || len < 14 + head || (get16(ip + 6) & 0x1fff) != 0)
		return false;
	return l4_is_control(ip[9], ip + head, len - 14 - head);
}

/* ---- the interface --------------------------------------------------------------------------------------------- */

static bool request(struct ks_kni *k, unsigned long what, struct ifreq *ifr)
{
	memcpy(ifr->ifr_name, k->name, IFNAMSIZ);
	return ioctl(k->sock, what, ifr) == 0;
}

static int open_tap(struct ks_kni *k, char err[KS_ERR_LEN])
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0) {
		snprintf(err, KS_ERR_LEN,
			 "cannot open /dev/net/tun, which the interface %s needs: %s", k->name,
			 strerror(errno));
		return -1;
	}
	memcpy(ifr.ifr_name, k->name, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		snprintf(err, KS_ERR_LEN, "cannot make the interface %s: %s", k->name,
			 errno == EBUSY || errno == EINVAL ? "one of that name exists already"
							   : strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static bool set_up(struct ks_kni *k, const struct ks_kni_opts *o, char err[KS_ERR_LEN])
{
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };
	const char *what = "hardware address";
	bool ok;

	memcpy(ifr.ifr_hwaddr.sa_data, o->mac, 6);
	ok = request(k, SIOCSIFHWADDR, &ifr);
	if (ok) {
		what = "MTU";
		ok = ks_kni_set_mtu(k, o->mtu);
	}
	if (ok) {
		what = "flags";
		ok = request(k, SIOCGIFFLAGS, &ifr);
		ifr.ifr_flags = (short)(ifr.ifr_flags | IFF_UP);
		ok = ok && request(k, SIOCSIFFLAGS, &ifr);
	}
	if (ok) {
		what = "index";
		ok = request(k, SIOCGIFINDEX, &ifr);
		k->ifindex = (unsigned)ifr.ifr_ifindex;
	}
	if (!ok)
		snprintf(err, KS_ERR_LEN, "cannot set the %s of %s: %s", what, k->name,
			 strerror(errno));
	return ok;
}

struct ks_kni *ks_kni_open(const struct ks_kni_opts *o, char err[KS_ERR_LEN])
{
	struct ks_kni *k;

	if (o->dev[0] == 0 || strlen(o->dev) + strlen(KS_KNI_SUFFIX) >= IFNAMSIZ) {
		snprintf(
			err, KS_ERR_LEN,
			"the name of device '%.32s' is empty, or too long for an interface %.32s%s",
			o->dev, o->dev, KS_KNI_SUFFIX);
		return NULL;
	}
	k = calloc(1, sizeof(*k));
	if (k == NULL) {
		snprintf(err, KS_ERR_LEN, "no memory for the interface %s%s", o->dev,
			 KS_KNI_SUFFIX);
		return NULL;
	}
	snprintf(k->name, sizeof(k->name), "%.11s%s", o->dev, KS_KNI_SUFFIX);
	bucket_init(&k->ordinary, o->pps);
	bucket_init(&k->control, o->control_pps);
	k->fd = -1;
	k->sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (k->sock < 0)
		snprintf(err, KS_ERR_LEN, "cannot make a socket: %s", strerror(errno));
	else
		k->fd = open_tap(k, err);
	if (k->fd < 0 || !set_up(k, o, err)) {
		ks_kni_close(k);
		return NULL;
	}
	return k;
}

void ks_kni_close(struct ks_kni *k)
{
	if (k == NULL)
		return;
	if (k->fd >= 0)
		close(k->fd);
	if (k->sock >= 0)
		close(k->sock);
	free(k);
}

int ks_kni_fd(const struct ks_kni *k)
{
	return k->fd;
}
unsigned ks_kni_ifindex(const struct ks_kni *k)
{
	return k->ifindex;
}
const char *ks_kni_name(const struct ks_kni *k)
{
	return k->name;
}

bool ks_kni_set_mtu(struct ks_kni *k, uint16_t mtu)
{
	struct ifreq ifr = { .ifr_mtu = mtu };

	return request(k, SIOCSIFMTU, &ifr);
}

bool ks_kni_set_link(struct ks_kni *k, bool up)
{
	int carrier = up;

	return ioctl(k->fd, TUNSETCARRIER, &carrier) == 0;
}

/* ---- frames ---------------------------------------------------------------------------------------------------- */

enum ks_kni_result ks_kni_write(struct ks_kni *k, const void *frame, size_t len, ks_ms now)
{
	struct bucket *b = ks_kni_is_control(frame, len) ? &k->control : &k->ordinary;

	if (!bucket_take(b, now))
		return KS_KNI_POLICED;
	return write(k->fd, frame, len) == (ssize_t)len ? KS_KNI_OK : KS_KNI_FULL;
}

unsigned ks_kni_read(struct ks_kni *k, const struct ks_kni_reader *r, unsigned max)
{
	unsigned n = 0;

	while (n < max) {
		void *cookie;
		size_t room;
		uint8_t *buf = r->get(r->ctx, &cookie, &room);
		ssize_t len;

		if (buf == NULL)
			break;
		len = read(k->fd, buf, room);
		r->done(r->ctx, cookie, len > 0 ? (size_t)len : 0);
		if (len <= 0)
			break;
		n++;
	}
	return n;
}
