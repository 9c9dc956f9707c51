/* SPDX-License-Identifier: Apache-2.0 */
/* The TAP device of a port: the interface by netlink and ioctl, its frames by read and write. */
#include "kni.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

#define BURST_MIN 256u
/* More than a queue holds: the kernel may send on while it is emptied. */
#define DRAIN_MAX 4096u
#define MARK      "keelson-dataplane "
#define MARK_LEN  96u
#define SWEEP_MAX 64u

struct ks_kni {
	int fd; /* the queue */
	int sock; /* for requests about the interface */
	unsigned ifindex;
	bool was_there;
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

/* What a link says of itself. */
struct link {
	unsigned ifindex; /* 0 = there is none of that name */
	char name[IFNAMSIZ];
	char alias[MARK_LEN];
};

static void copy_text(char *to, size_t cap, const struct rtattr *a)
{
	size_t n = strnlen(RTA_DATA(a), RTA_PAYLOAD(a));

	n = n < cap - 1 ? n : cap - 1;
	memcpy(to, RTA_DATA(a), n);
	to[n] = 0;
}

static bool read_link(const struct nlmsghdr *h, struct link *l)
{
	const struct ifinfomsg *info = NLMSG_DATA(h);
	size_t len = IFLA_PAYLOAD(h);

	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return false;
	*l = (struct link){ .ifindex = (unsigned)info->ifi_index };
	for (const struct rtattr *a = IFLA_RTA(info); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFLA_IFNAME)
			copy_text(l->name, sizeof(l->name), a);
		if (a->rta_type == IFLA_IFALIAS)
			copy_text(l->alias, sizeof(l->alias), a);
	}
	return true;
}

static void take_link(void *ctx, const struct nlmsghdr *h)
{
	(void)read_link(h, ctx);
}

static struct link find_link(const char *name)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct link l = { .ifindex = 0 };
	struct ks_nl m = { .len = 0 };
	int fd = ks_nl_open(NETLINK_ROUTE);

	if (fd < 0)
		return l;
	ks_nl_begin(&m, RTM_GETLINK, 0, &head, sizeof(head));
	ks_nl_string(&m, IFLA_IFNAME, name);
	(void)ks_nl_talk(fd, &m, take_link, &l);
	close(fd);
	return l;
}

static void mark_of(char mark[MARK_LEN], const char *owner)
{
	snprintf(mark, MARK_LEN, MARK "%.64s", owner != NULL ? owner : "");
}

static int set_alias(unsigned ifindex, const char *alias)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_index = (int)ifindex };
	struct ks_nl m = { .len = 0 };
	int fd = ks_nl_open(NETLINK_ROUTE), failed;

	if (fd < 0)
		return errno;
	ks_nl_begin(&m, RTM_SETLINK, NLM_F_ACK, &head, sizeof(head));
	ks_nl_attr(&m, IFLA_IFALIAS, alias, strlen(alias));
	failed = ks_nl_talk(fd, &m, NULL, NULL);
	close(fd);
	return failed;
}

/* An interface of that name is taken over when a data plane left it, never when it is somebody
 * else's. */
static bool may_take(struct ks_kni *k, char err[KS_ERR_LEN])
{
	struct link l = find_link(k->name);

	k->was_there = l.ifindex != 0;
	if (!k->was_there || strncmp(l.alias, MARK, strlen(MARK)) == 0)
		return true;
	snprintf(err, KS_ERR_LEN,
		 "cannot make the interface %s: one of that name exists already and is not a data "
		 "plane's; remove it, or name the port otherwise",
		 k->name);
	return false;
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
			 errno == EBUSY || errno == EINVAL
				 ? "one of that name exists already and is in use"
				 : strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* What is as it should be stays untouched: an interface that goes on keeps its addresses. */
static bool has_mac(struct ks_kni *k, const uint8_t mac[6])
{
	struct ifreq ifr = { 0 };

	return request(k, SIOCGIFHWADDR, &ifr) && memcmp(ifr.ifr_hwaddr.sa_data, mac, 6) == 0;
}

static bool has_mtu(struct ks_kni *k, uint16_t mtu)
{
	struct ifreq ifr = { 0 };

	return request(k, SIOCGIFMTU, &ifr) && ifr.ifr_mtu == mtu;
}

static bool set_up(struct ks_kni *k, const struct ks_kni_opts *o, char err[KS_ERR_LEN])
{
	char mark[MARK_LEN];
	struct ifreq ifr = { .ifr_hwaddr.sa_family = ARPHRD_ETHER };
	const char *what = "hardware address";
	bool ok = has_mac(k, o->mac);

	if (!ok) {
		memcpy(ifr.ifr_hwaddr.sa_data, o->mac, 6);
		ok = request(k, SIOCSIFHWADDR, &ifr);
	}
	if (ok) {
		what = "MTU";
		ok = has_mtu(k, o->mtu) || ks_kni_set_mtu(k, o->mtu);
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
	if (ok) {
		what = "owner";
		mark_of(mark, o->owner);
		errno = set_alias(k->ifindex, mark);
		ok = errno == 0 && ioctl(k->fd, TUNSETPERSIST, 1ul) == 0;
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
	else if (may_take(k, err))
		k->fd = open_tap(k, err);
	if (k->fd < 0 || !set_up(k, o, err)) {
		ks_kni_close(k, !k->was_there);
		return NULL;
	}
	(void)ks_kni_drain(k);
	return k;
}

bool ks_kni_was_there(const struct ks_kni *k)
{
	return k->was_there;
}

void ks_kni_close(struct ks_kni *k, bool remove)
{
	if (k == NULL)
		return;
	if (k->fd >= 0 && remove)
		(void)ioctl(k->fd, TUNSETPERSIST, 0ul);
	if (k->fd >= 0)
		close(k->fd);
	if (k->sock >= 0)
		close(k->sock);
	free(k);
}

struct sweep {
	char mark[MARK_LEN];
	const char *const *devs;
	unsigned n_devs;
	unsigned n;
	char name[SWEEP_MAX][IFNAMSIZ];
};

static void note_left(void *ctx, const struct nlmsghdr *h)
{
	struct sweep *s = ctx;
	struct link l;

	if (!read_link(h, &l) || strcmp(l.alias, s->mark) != 0 || s->n >= SWEEP_MAX)
		return;
	for (unsigned i = 0; i < s->n_devs; i++) {
		char name[IFNAMSIZ];

		snprintf(name, sizeof(name), "%.11s%s", s->devs[i], KS_KNI_SUFFIX);
		if (strcmp(name, l.name) == 0)
			return;
	}
	memcpy(s->name[s->n++], l.name, IFNAMSIZ);
}

/* Nobody else has it attached: then it goes with our descriptor. */
static bool remove_left(const char *name)
{
	struct ks_kni k = { .fd = -1, .sock = -1 };
	char err[KS_ERR_LEN];

	memcpy(k.name, name, IFNAMSIZ);
	k.fd = open_tap(&k, err);
	if (k.fd < 0)
		return false;
	(void)ioctl(k.fd, TUNSETPERSIST, 0ul);
	close(k.fd);
	return true;
}

unsigned ks_kni_sweep(const char *owner, const char *const *devs, unsigned n)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct sweep s = { .devs = devs, .n_devs = n };
	struct ks_nl m = { .len = 0 };
	int fd = ks_nl_open(NETLINK_ROUTE);
	unsigned removed = 0;

	if (fd < 0)
		return 0;
	mark_of(s.mark, owner);
	ks_nl_begin(&m, RTM_GETLINK, NLM_F_DUMP, &head, sizeof(head));
	(void)ks_nl_talk(fd, &m, note_left, &s);
	close(fd);
	for (unsigned i = 0; i < s.n; i++)
		removed += remove_left(s.name[i]);
	return removed;
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

unsigned ks_kni_drain(struct ks_kni *k)
{
	uint8_t frame[64]; /* the rest of a longer one is thrown away with it */
	unsigned n = 0;

	while (n < DRAIN_MAX && read(k->fd, frame, sizeof(frame)) > 0)
		n++;
	return n;
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
