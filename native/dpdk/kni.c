/* SPDX-License-Identifier: Apache-2.0 */
/* The TAP device of a port. */
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

#define BURST_MIN 256u

struct ks_kni {
	int fd; /* the queue */
	int sock; /* for requests about the interface */
	unsigned ifindex;
	char name[IFNAMSIZ];
	struct ks_policer policer;
};

/* ---- the interface --------------------------------------------------------------------------------------------- */

static bool request(struct ks_kni *k, unsigned long what, struct ifreq *ifr)
{
	memcpy(ifr->ifr_name, k->name, IFNAMSIZ);
	return ioctl(k->sock, what, ifr) == 0;
}

static void bucket_init(struct ks_tokens *b, uint32_t pps)
{
	pps = pps != 0 ? pps : KS_POLICE_PPS;
	ks_tokens_init(b, pps, pps / 10 > BURST_MIN ? pps / 10 : BURST_MIN);
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
	for (unsigned i = 0; i < KS_POLICE_CLASSES; i++)
		bucket_init(&k->policer.bucket[i],
			    i == KS_POLICE_ORDINARY ? o->pps : o->control_pps);
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
	if (!ks_tokens_take(&k->policer.bucket[ks_police_class(frame, len)], now))
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
