/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel interface and the mirror against the real kernel, in a network namespace of the test's
 * own (and a user namespace where it does not run as root). Nothing leaves it, and it goes with the
 * process.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "kni.h"
#include "mirror.h"
#include "shield.h"

static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

static ks_ms clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (ks_ms)t.tv_sec * 1000 + (ks_ms)t.tv_nsec / 1000000;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	CHECK(f != NULL);
	fputs(text, f);
	fclose(f);
}

static void own_namespace(void)
{
	unsigned uid = geteuid(), gid = getegid();
	char map[64];

	if (unshare(uid == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		perror("the test needs a network namespace (root, or user namespaces allowed)");
		exit(1);
	}
	if (uid == 0)
		return;
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof(map), "0 %u 1", uid);
	write_file("/proc/self/uid_map", map);
	snprintf(map, sizeof(map), "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
}

static void ip(const char *args)
{
	char line[256];

	snprintf(line, sizeof(line), "ip %s", args);
	if (system(line) != 0) {
		fprintf(stderr, "failed: %s\n", line);
		exit(1);
	}
}

static struct ks_kni *open_kni(const char *dev, uint32_t pps)
{
	struct ks_kni_opts o = { .dev = dev, .mtu = 1400, .pps = pps, .control_pps = pps };
	char err[KS_ERR_LEN] = "";
	struct ks_kni *k;

	memcpy(o.mac, mac, 6);
	o.mac[5] = (uint8_t)(o.mac[5] + (dev[4] - '0'));
	k = ks_kni_open(&o, err);
	CHECK_STR(err, "");
	CHECK(k != NULL);
	return k;
}

/* Every test starts with nothing but a loopback interface that is down. */
static void fresh_namespace(void)
{
	CHECK(unshare(CLONE_NEWNET) == 0);
	/* link-local addresses come when they like: only the test about IPv6 has them */
	write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
}

#define RUN_FRESH(test)            \
	do {                       \
		fresh_namespace(); \
		RUN(test);         \
	} while (0)

/* ---- the kernel interface -------------------------------------------------------------------------------------- */

static void it_has_the_ports_name_mac_and_mtu(void)
{
	struct ks_kni *k = open_kni("dpdk0", 0);
	struct ks_kni_opts o = { .dev = "dpdk0", .mac = { 2 }, .mtu = 1500 };
	char err[KS_ERR_LEN];
	struct ifreq ifr = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	strcpy(ifr.ifr_name, "dpdk0.kni");
	CHECK_STR(ks_kni_name(k), "dpdk0.kni");
	CHECK(ioctl(fd, SIOCGIFHWADDR, &ifr) == 0 && memcmp(ifr.ifr_hwaddr.sa_data, mac, 6) == 0);
	CHECK(ioctl(fd, SIOCGIFMTU, &ifr) == 0);
	CHECK_EQ(ifr.ifr_mtu, 1400);
	CHECK(ioctl(fd, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP) != 0);
	CHECK_EQ(ks_kni_ifindex(k), if_nametoindex("dpdk0.kni"));
	CHECK(ks_kni_set_mtu(k, 1300) && ioctl(fd, SIOCGIFMTU, &ifr) == 0);
	CHECK_EQ(ifr.ifr_mtu, 1300);
	CHECK(ks_kni_set_link(k, false));
	for (ks_ms end = clock_ms() + 3000; clock_ms() < end;
	     poll(NULL, 0, 5)) /* the kernel does it when it finds time */
		if (ioctl(fd, SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_RUNNING) == 0)
			break;
	CHECK((ifr.ifr_flags & IFF_RUNNING) == 0);

	CHECK(ks_kni_open(&o, err) == NULL);
	CHECK_STR(err,
		  "cannot make the interface dpdk0.kni: one of that name exists already and is in "
		  "use");
	o.dev = "a-very-long-name";
	CHECK(ks_kni_open(&o, err) == NULL);
	CHECK(strstr(err, "too long for an interface") != NULL);
	close(fd);
	ks_kni_close(k, true);
	CHECK_EQ(if_nametoindex("dpdk0.kni"), 0); /* it goes with its owner */
}

/* The next data plane finds it with its addresses and its index; frames of before do not leave by
 * it. */
static void it_outlives_a_data_plane_that_dies(void)
{
	struct ks_kni *k = open_kni("dpdk0", 0);
	unsigned ifindex = ks_kni_ifindex(k);
	static const char *const others[] = { "dpdk1" };
	char err[KS_ERR_LEN];

	CHECK(!ks_kni_was_there(k));
	ip("address add 192.0.2.7/24 dev dpdk0.kni");
	ks_kni_close(k, false); /* as the kernel does for a process that died */
	CHECK_EQ(if_nametoindex("dpdk0.kni"), ifindex);
	k = open_kni("dpdk0", 0);
	CHECK(ks_kni_was_there(k));
	CHECK_EQ(ks_kni_ifindex(k), ifindex);
	ip("address del 192.0.2.7/24 dev dpdk0.kni"); /* it had kept it */
	CHECK_EQ(ks_kni_sweep(NULL, others, 1), 0); /* in use */
	ks_kni_close(k, false);
	CHECK_EQ(ks_kni_sweep("another", others, 1), 0); /* another data plane's */
	CHECK_EQ(ks_kni_sweep(NULL, (const char *const[]){ "dpdk0" }, 1), 0);
	CHECK_EQ(if_nametoindex("dpdk0.kni"), ifindex);
	CHECK_EQ(ks_kni_sweep(NULL, others, 1), 1);
	CHECK_EQ(if_nametoindex("dpdk0.kni"), 0);

	ip("tuntap add dev dpdk0.kni mode tap"); /* somebody else's */
	CHECK(ks_kni_open(&(struct ks_kni_opts){ .dev = "dpdk0", .mac = { 2 }, .mtu = 1500 },
			  err) == NULL);
	CHECK(strstr(err, "is not a data plane's") != NULL);
	CHECK(if_nametoindex("dpdk0.kni") != 0);
}

static void what_was_queued_can_be_thrown_away(void)
{
	struct ks_kni *k = open_kni("dpdk0", 0);
	uint8_t byte;

	ip("address add 192.0.2.7/24 dev dpdk0.kni");
	for (unsigned i = 0; i < 3; i++)
		(void)!system("timeout 1 ping -c1 -W1 192.0.2.9 >/dev/null 2>&1");
	CHECK(ks_kni_drain(k) >= 3); /* its ARP requests */
	CHECK(read(ks_kni_fd(k), &byte, 1) < 0 && errno == EAGAIN);
	ks_kni_close(k, true);
}

/* Replies of `to` to an ARP request that comes by `from`: what the kernel does with what it gets.
 */
static unsigned received(const char *from, const char *to)
{
	static const uint8_t ask[42] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,   0, 0, 0, 0,
					 9,    8,    6,    0,    1,    8,    0,   6, 4, 0, 1,
					 2,    0,    0,    0,    0,    9,    192, 0, 2, 9, 0,
					 0,    0,    0,    0,    0,    192,  0,   2, 1 };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ARP));
	struct sockaddr_ll sa = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ARP),
				  .sll_ifindex = (int)if_nametoindex(from) };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t frame[128];
	unsigned n = 0;
	char args[64];

	snprintf(args, sizeof(args), "address replace 192.0.2.1/24 dev %s", to);
	ip(args);
	CHECK(bind(fd, (const void *)&sa, sizeof(sa)) == 0);
	CHECK(send(fd, ask, sizeof(ask), 0) == (ssize_t)sizeof(ask));
	while (poll(&p, 1, 300) > 0 && recv(fd, frame, sizeof(frame), 0) > 0)
		n += frame[21] == 2;
	close(fd);
	return n;
}

/* The kernel sees nothing of an interface that is shielded, and everything once its owner is gone.
 */
static void a_shield_keeps_the_kernel_off(void)
{
	char err[KS_REASON_LEN] = "";
	struct shield *s;

	ip("link add v0 type veth peer name v1");
	ip("link set v0 up");
	ip("link set v1 up");
	s = shield_open("v0", err);
	CHECK_STR(err, "");
	CHECK(s != NULL);
	CHECK(shield_open("v0", err) == NULL); /* owned: nobody else changes it */
	CHECK(strstr(err, "nf_tables refuses a chain on v0") != NULL);
	CHECK_EQ(received("v1", "v0"), 0);
	shield_close(s);
	CHECK(received("v1", "v0") > 0);
	CHECK(shield_open("nowhere", err) == NULL);
	CHECK_STR(err, "nf_tables refuses a chain on nowhere: No such device");
}

struct reader {
	uint8_t buf[2048];
	size_t len;
	unsigned got, given_back;
};

static uint8_t *reader_get(void *ctx, void **cookie, size_t *room)
{
	struct reader *r = ctx;

	*cookie = r;
	*room = sizeof(r->buf);
	return r->buf;
}

static void reader_done(void *ctx, void *cookie, size_t len)
{
	struct reader *r = ctx;

	CHECK(cookie == r);
	if (len == 0) {
		r->given_back++;
		return;
	}
	r->len = len;
	r->got++;
}

/* The next frame of that type the kernel sends; others (IPv6 settling in) are passed over. */
static void read_frame(struct ks_kni *k, struct reader *r, uint16_t ethertype)
{
	struct ks_kni_reader how = { .ctx = r, .get = reader_get, .done = reader_done };

	for (ks_ms end = clock_ms() + 3000; clock_ms() < end;) {
		poll(&(struct pollfd){ .fd = ks_kni_fd(k), .events = POLLIN }, 1, 100);
		if (ks_kni_read(k, &how, 1) == 1 && r->len >= 14 &&
		    (r->buf[12] << 8 | r->buf[13]) == ethertype)
			return;
	}
	CHECK(!"a frame of that type came from the kernel");
}

static uint16_t sum16(const uint8_t *p, size_t len)
{
	uint32_t s = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		s += (uint32_t)(p[i] << 8 | p[i + 1]);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static void frames_pass_both_ways(void)
{
	static const uint8_t peer[6] = { 2, 0xaa, 0, 0, 0, 9 };
	struct ks_kni *k = open_kni("dpdk0", 0);
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(7),
				  .sin_addr.s_addr = ip4("10.9.0.2") };
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(4000) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint8_t reply[42], frame[46];
	struct reader r = { 0 };
	char heard[16];

	ip("addr add 10.9.0.1/24 dev dpdk0.kni");
	CHECK(bind(fd, (void *)&any, sizeof(any)) == 0);
	CHECK(sendto(fd, "ping", 4, 0, (void *)&to, sizeof(to)) == 4);
	read_frame(k, &r, 0x0806); /* the kernel asks for 10.9.0.2 by its own interface */
	memcpy(reply, r.buf, sizeof(reply));
	memcpy(reply, mac, 6);
	memcpy(reply + 6, peer, 6);
	reply[21] = 2;
	memcpy(reply + 22, peer, 6);
	memcpy(reply + 28, &to.sin_addr, 4);
	memcpy(reply + 32, mac, 6);
	memcpy(reply + 38, &(ks_be32){ ip4("10.9.0.1") }, 4);
	CHECK_EQ(ks_kni_write(k, reply, sizeof(reply), clock_ms()), KS_KNI_OK);
	read_frame(k, &r, 0x0800);
	CHECK(memcmp(r.buf, peer, 6) == 0);
	CHECK(memcmp(r.buf + 42, "ping", 4) == 0);
	CHECK_EQ(sum16(r.buf + 14, 20),
		 0); /* checksums are complete: no offload is promised to the kernel */

	memcpy(frame, r.buf, sizeof(frame)); /* send it back, ends exchanged */
	memcpy(frame, mac, 6);
	memcpy(frame + 6, peer, 6);
	memcpy(frame + 26, r.buf + 30, 4);
	memcpy(frame + 30, r.buf + 26, 4);
	memcpy(frame + 34, r.buf + 36, 2);
	memcpy(frame + 36, r.buf + 34, 2);
	memcpy(frame + 42, "pong", 4);
	frame[40] = frame[41] = 0; /* no UDP checksum, RFC 768 */
	CHECK_EQ(ks_kni_write(k, frame, sizeof(frame), clock_ms()), KS_KNI_OK);
	poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 3000);
	CHECK_EQ(recv(fd, heard, sizeof(heard), MSG_DONTWAIT), 4);
	CHECK(memcmp(heard, "pong", 4) == 0);
	close(fd);
	ks_kni_close(k, true);
}

static void multicast_the_kernel_has_joined_arrives(void)
{
	static const uint8_t vrrp[46] = { 0x01, 0x00, 0x5e, 0,    0,    18,  2,   0xaa, 0, 0,
					  0,    9,    0x08, 0x00, 0x45, 0,   0,   32,   0, 0,
					  0,    0,    255,  112,  0,    0,   10,  9,    0, 2,
					  224,  0,    0,    18,   'v',  'r', 'r', 'p' };
	struct ks_kni *k = open_kni("dpdk0", 0);
	struct ip_mreqn join = { .imr_multiaddr.s_addr = ip4("224.0.0.18"),
				 .imr_ifindex = (int)ks_kni_ifindex(k) };
	int fd = socket(AF_INET, SOCK_RAW, 112);
	uint8_t frame[46], heard[128];
	uint16_t sum;

	ip("addr add 10.9.0.1/24 dev dpdk0.kni");
	CHECK(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join, sizeof(join)) == 0);
	memcpy(frame, vrrp, sizeof(frame));
	sum = sum16(frame + 14, 20);
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	CHECK_EQ(ks_kni_write(k, frame, sizeof(frame), clock_ms()), KS_KNI_OK);
	poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 3000);
	CHECK_EQ(recv(fd, heard, sizeof(heard), MSG_DONTWAIT), 32);
	CHECK(memcmp(heard + 20, "vrrp", 4) == 0);
	close(fd);
	ks_kni_close(k, true);
}

static void a_flood_does_not_take_the_control_protocols_share(void)
{
	uint8_t junk[60] = { 2, 0, 0, 0, 0, 1, [12] = 0x08, [14] = 0x45, [23] = 6, [36] = 0x1f },
		arp[42] = { [12] = 0x08, [13] = 6 };
	struct ks_kni *k = open_kni("dpdk0", 1000);
	unsigned passed = 0, policed = 0;
	ks_ms now = 1000;

	for (unsigned i = 0; i < 5000; i++) {
		enum ks_kni_result r = ks_kni_write(k, junk, sizeof(junk), now);

		passed += r == KS_KNI_OK;
		policed += r == KS_KNI_POLICED;
	}
	CHECK_EQ(passed, 256);
	CHECK_EQ(policed, 5000 - 256);
	CHECK_EQ(ks_kni_write(k, arp, sizeof(arp), now), KS_KNI_OK);
	now += 10; /* 1000 a second */
	for (passed = 0; ks_kni_write(k, junk, sizeof(junk), now) == KS_KNI_OK;)
		passed++;
	CHECK_EQ(passed, 10);
	ks_kni_close(k, true);
}

/* ---- the mirror ------------------------------------------------------------------------------------------------ */

static struct mirror_lab {
	struct test_mem tm;
	struct ks_mem mem;
	struct ks_desired *d;
	struct ks_mirror *m;
	struct ks_kni *kni[2];
	struct ks_conf *conf;
	unsigned changes;
	struct {
		union ks_addr addr;
		uint8_t af;
		uint8_t port, mac[6];
		bool known;
	} neigh;
} lab;

static void on_changed(void *ctx)
{
	char reason[KS_REASON_LEN];

	(void)ctx;
	lab.changes++;
	if (lab.conf != NULL)
		ks_conf_free(lab.conf);
	lab.conf = ks_conf_build(lab.d, NULL, reason);
	CHECK(lab.conf != NULL);
}

static void on_neigh(void *ctx, uint8_t port, uint8_t af, const union ks_addr *addr,
		     const uint8_t *hw)
{
	(void)ctx;
	lab.neigh.af = af;
	lab.neigh.addr = *addr;
	lab.neigh.port = port;
	lab.neigh.known = hw != NULL;
	if (hw != NULL)
		memcpy(lab.neigh.mac, hw, 6);
}

static void mirror_up(void)
{
	struct ks_mirror_opts o = { .n_ports = 2, .changed = on_changed, .neigh = on_neigh };
	char err[KS_ERR_LEN] = "";

	lab.mem = test_mem_of(&lab.tm);
	lab.d = test_desired(&lab.mem, 8, 8);
	lab.conf = NULL;
	lab.changes = 0;
	for (unsigned i = 0; i < 2; i++) {
		lab.kni[i] = open_kni(i ? "dpdk1" : "dpdk0", 0);
		o.ifindex[i] = ks_kni_ifindex(lab.kni[i]);
	}
	o.desired = lab.d;
	lab.m = ks_mirror_new(&o, err);
	CHECK_STR(err, "");
	CHECK(lab.m != NULL);
}

static void mirror_down(void)
{
	ks_mirror_free(lab.m);
	ks_kni_close(lab.kni[0], true);
	ks_kni_close(lab.kni[1], true);
	ks_conf_free(lab.conf);
	ks_desired_free(lab.d);
	CHECK_EQ(lab.tm.live, 0);
}

/* Turns of the main loop until it is so. */
#define EVENTUALLY(cond)                                                                         \
	do {                                                                                     \
		ks_ms end_ = clock_ms() + 3000;                                                  \
		while (!(cond) && clock_ms() < end_) {                                           \
			poll(&(struct pollfd){ .fd = ks_mirror_fd(lab.m), .events = POLLIN }, 1, \
			     5);                                                                 \
			ks_mirror_poll(lab.m, clock_ms());                                       \
		}                                                                                \
		CHECK(cond);                                                                     \
	} while (0)

static bool routed(const char *dst, const char *gw)
{
	const struct ks_route *r = lab.conf != NULL ? ks_conf_route4(lab.conf, ip4(dst)) : NULL;

	return gw == NULL ? r == NULL : r != NULL && r->gw.v4 == ip4(gw);
}

static bool local(const char *addr)
{
	return lab.conf != NULL && ks_conf_local4(lab.conf, ip4(addr)) != NULL;
}

static void what_is_there_is_dumped(void)
{
	mirror_up();
	EVENTUALLY(ks_mirror_synced(lab.m)); /* also in a namespace without a routing table */
	CHECK_EQ(lab.changes, 1);
	CHECK(routed("10.9.0.2", NULL));
	ip("addr add 10.9.0.1/24 dev dpdk0.kni");
	ip("route add 192.0.2.0/24 via 10.9.0.254 dev dpdk0.kni metric 20 mtu 1280");
	EVENTUALLY(local("10.9.0.1") && routed("192.0.2.7", "10.9.0.254"));
	ks_mirror_free(lab.m); /* a data plane that starts late finds all of it */
	{
		struct ks_mirror_opts o = {
			.desired = lab.d, .n_ports = 1, .changed = on_changed, .neigh = on_neigh
		};
		char err[KS_ERR_LEN];

		o.ifindex[0] = ks_kni_ifindex(lab.kni[0]);
		ks_desired_mirror_addrs(lab.d, NULL, 0);
		ks_desired_mirror_routes(lab.d, NULL, 0);
		lab.m = ks_mirror_new(&o, err);
		lab.changes = 0;
	}
	EVENTUALLY(ks_mirror_synced(lab.m));
	CHECK_EQ(lab.changes, 1);
	CHECK(local("10.9.0.1") && routed("10.9.0.2", "0.0.0.0") &&
	      routed("192.0.2.7", "10.9.0.254"));
	CHECK_EQ(ks_conf_route4(lab.conf, ip4("192.0.2.7"))->mtu, 1280);
	CHECK_EQ(ks_conf_route4(lab.conf, ip4("192.0.2.7"))->metric, 20);
	CHECK_EQ(ks_conf_route4(lab.conf, ip4("10.9.0.2"))->src.v4, ip4("10.9.0.1"));
	mirror_down();
}

static void changes_are_followed(void)
{
	unsigned changes;

	mirror_up();
	EVENTUALLY(ks_mirror_synced(lab.m));
	ip("addr add 10.9.0.1/24 dev dpdk0.kni");
	EVENTUALLY(local("10.9.0.1"));
	ip("route add default via 10.9.0.254");
	EVENTUALLY(routed("8.8.8.8", "10.9.0.254"));
	ip("route replace default via 10.9.0.253");
	EVENTUALLY(routed("8.8.8.8", "10.9.0.253"));
	ip("route add default via 10.9.0.252 metric 50"); /* worse */
	ip("route del default via 10.9.0.253");
	EVENTUALLY(routed("8.8.8.8", "10.9.0.252"));
	ip("route add 203.0.113.0/24 nexthop via 10.9.0.7 nexthop via 10.9.0.8");
	EVENTUALLY(routed("203.0.113.1", "10.9.0.7"));
	ip("route del 203.0.113.0/24");
	EVENTUALLY(routed("203.0.113.1", "10.9.0.252"));
	ip("route add blackhole 198.51.100.0/24"); /* none of ours: neither are other tables, nor lo
						    */
	ip("route add 198.51.100.0/25 via 10.9.0.9 table 77");
	ip("addr add 10.77.0.1/24 dev lo");
	changes = lab.changes;
	ip("addr add 10.8.0.1/24 dev dpdk1.kni");
	EVENTUALLY(local("10.8.0.1"));
	CHECK(routed("198.51.100.1", "10.9.0.252"));
	CHECK(!local("10.77.0.1"));
	CHECK_EQ(lab.changes, changes + 1); /* address and its route: taken together */
	ip("addr del 10.9.0.1/24 dev dpdk0.kni");
	EVENTUALLY(!local("10.9.0.1") && routed("8.8.8.8", NULL) && routed("10.8.0.9", "0.0.0.0"));
	mirror_down();
}

static void routes_the_kernel_drops_silently_go(void)
{
	mirror_up();
	EVENTUALLY(ks_mirror_synced(lab.m));
	ip("addr add 10.9.0.1/24 dev dpdk0.kni");
	ip("addr add 10.9.5.1/32 dev dpdk0.kni");
	ip("route add 192.0.2.0/24 via 10.9.0.254");
	ip("route add 198.51.100.0/24 via 10.9.0.254 src 10.9.5.1");
	EVENTUALLY(routed("192.0.2.1", "10.9.0.254") && routed("198.51.100.1", "10.9.0.254"));
	ip("addr del 10.9.5.1/32 dev dpdk0.kni");
	EVENTUALLY(routed("198.51.100.1", NULL) && routed("192.0.2.1", "10.9.0.254"));
	ip("link set dpdk0.kni down");
	EVENTUALLY(routed("192.0.2.1", NULL));
	mirror_down();
}

static void neighbours_are_handed_over(void)
{
	static const uint8_t hw[6] = { 2, 0xaa, 0, 0, 0, 5 };

	mirror_up();
	EVENTUALLY(ks_mirror_synced(lab.m));
	ip("addr add 10.8.0.1/24 dev dpdk1.kni");
	ip("neigh add 10.8.0.5 lladdr 02:aa:00:00:00:05 dev dpdk1.kni nud permanent");
	EVENTUALLY(lab.neigh.known && lab.neigh.addr.v4 == ip4("10.8.0.5"));
	CHECK_EQ(lab.neigh.port, 1);
	CHECK(memcmp(lab.neigh.mac, hw, 6) == 0);
	ip("neigh del 10.8.0.5 dev dpdk1.kni");
	EVENTUALLY(!lab.neigh.known);
	mirror_down();
}

static unsigned ways4(const char *dst)
{
	const struct ks_route *r = lab.conf != NULL ? ks_conf_route4(lab.conf, ip4(dst)) : NULL;

	return r != NULL ? r->n_hops : 0;
}

static union ks_addr ip6(const char *text);
static unsigned ways6(const char *dst)
{
	union ks_addr d = ip6(dst);
	const struct ks_route *r = lab.conf != NULL ? ks_conf_route6(lab.conf, &d) : NULL;

	return r != NULL ? r->n_hops : 0;
}

static void several_next_hops_are_followed(void)
{
	const struct ks_route *r;

	mirror_up();
	write_file("/proc/sys/net/ipv6/conf/dpdk0.kni/disable_ipv6", "0");
	EVENTUALLY(ks_mirror_synced(lab.m));
	ip("addr add 10.9.0.1/24 dev dpdk0.kni");
	ip("route add 192.0.2.0/24 nexthop via 10.9.0.2 weight 1 nexthop via 10.9.0.3 weight 4");
	EVENTUALLY(ways4("192.0.2.7") == 2);
	r = ks_conf_route4(lab.conf, ip4("192.0.2.7"));
	CHECK(r[0].gw.v4 == ip4("10.9.0.2") && r[0].weight == 1);
	CHECK(r[1].gw.v4 == ip4("10.9.0.3") && r[1].weight == 4);
	ip("route replace 192.0.2.0/24 nexthop via 10.9.0.3 nexthop via 10.9.0.4 nexthop via 10.9.0.5");
	EVENTUALLY(ways4("192.0.2.7") == 3);
	CHECK_EQ(ks_conf_route4(lab.conf, ip4("192.0.2.7"))[0].gw.v4, ip4("10.9.0.3"));
	ip("route replace 192.0.2.0/24 via 10.9.0.9");
	EVENTUALLY(ways4("192.0.2.7") == 1 && routed("192.0.2.7", "10.9.0.9"));
	ip("route replace 192.0.2.0/24 nexthop via 10.9.0.3 nexthop via 10.9.0.4");
	EVENTUALLY(ways4("192.0.2.7") == 2);
	ip("route del 192.0.2.0/24");
	EVENTUALLY(ways4("192.0.2.7") == 0);
	ip("nexthop add id 1 via 10.9.0.2 dev dpdk0.kni"); /* nexthop objects */
	ip("nexthop add id 2 via 10.9.0.3 dev dpdk0.kni");
	ip("nexthop add id 10 group 1/2,3");
	ip("route add 192.0.2.0/24 nhid 10");
	EVENTUALLY(ways4("192.0.2.7") == 2);
	CHECK_EQ(ks_conf_route4(lab.conf, ip4("192.0.2.7"))[1].weight, 3);
	ip("nexthop replace id 2 via 10.9.0.7 dev dpdk0.kni");
	EVENTUALLY(ways4("192.0.2.7") == 2 &&
		   ks_conf_route4(lab.conf, ip4("192.0.2.7"))[1].gw.v4 == ip4("10.9.0.7"));
	ip("nexthop del id 10"); /* the route goes with it, without a word */
	EVENTUALLY(ways4("192.0.2.7") == 0);
	ip("-6 addr add fd00:9::1/64 dev dpdk0.kni nodad");
	ip("-6 route add 2001:db8::/32 nexthop via fd00:9::2 nexthop via fd00:9::3 weight 2");
	EVENTUALLY(ways6("2001:db8::1") == 2);
	ip("-6 route append 2001:db8::/32 via fd00:9::4"); /* a sibling */
	EVENTUALLY(ways6("2001:db8::1") == 3);
	ip("-6 route del 2001:db8::/32 via fd00:9::3");
	EVENTUALLY(ways6("2001:db8::1") == 2);
	mirror_down();
}

static bool local6(const char *addr);
static union ks_addr source6(const char *dst)
{
	union ks_addr d = ip6(dst);

	return ks_conf_source6(lab.conf, test_holding(), 0, &d);
}

static bool source_is(const char *dst, const char *src)
{
	union ks_addr want = ip6(src), got = source6(dst);

	return memcmp(&got, &want, sizeof(got)) == 0;
}

static void addresses_not_to_be_used_are_not(void)
{
	mirror_up();
	write_file("/proc/sys/net/ipv6/conf/dpdk0.kni/disable_ipv6", "0");
	EVENTUALLY(ks_mirror_synced(lab.m));
	write_file("/proc/sys/net/ipv6/conf/dpdk0.kni/dad_transmits", "8");
	ip("-6 addr add fd00:9::1/64 dev dpdk0.kni nodad");
	ip("-6 addr add fd00:9::2/64 dev dpdk0.kni"); /* detection runs for 8 seconds */
	EVENTUALLY(local6("fd00:9::1"));
	for (unsigned i = 0; i < 50; i++) {
		poll(&(struct pollfd){ .fd = ks_mirror_fd(lab.m), .events = POLLIN }, 1, 5);
		ks_mirror_poll(lab.m, clock_ms());
	}
	CHECK(!local6("fd00:9::2"));
	CHECK(source_is("fd00:9::7", "fd00:9::1"));
	ip("-6 addr add fd00:9::3/64 dev dpdk0.kni nodad");
	EVENTUALLY(local6("fd00:9::3"));
	ip("-6 addr change fd00:9::1/64 dev dpdk0.kni preferred_lft 0"); /* deprecated */
	EVENTUALLY(source_is("fd00:9::7", "fd00:9::3"));
	CHECK(local6("fd00:9::1")); /* but still ours */
	mirror_down();
}

/* Far more notifications than the socket holds while nobody reads: the mirror notices and ends with
 * the kernel's state all the same. */
static union ks_addr ip6(const char *text)
{
	union ks_addr a;

	CHECK(inet_pton(AF_INET6, text, a.b) == 1);
	return a;
}

static bool local6(const char *addr)
{
	union ks_addr a = ip6(addr);

	return lab.conf != NULL && ks_conf_local6(lab.conf, &a) != NULL;
}

static bool routed6(const char *dst, const char *gw)
{
	union ks_addr d = ip6(dst), g = ip6(gw);
	const struct ks_route *r = lab.conf != NULL ? ks_conf_route6(lab.conf, &d) : NULL;

	return r != NULL && memcmp(&r->gw, &g, sizeof(g)) == 0;
}

static void ipv6_is_followed_too(void)
{
	mirror_up();
	write_file("/proc/sys/net/ipv6/conf/dpdk0.kni/disable_ipv6", "0");
	EVENTUALLY(ks_mirror_synced(lab.m));
	ip("-6 addr add fd00:9::1/64 dev dpdk0.kni nodad");
	EVENTUALLY(local6("fd00:9::1") && routed6("fd00:9::7", "::"));
	ip("-6 route add default via fd00:9::fe mtu 1400");
	EVENTUALLY(routed6("2001:db8::1", "fd00:9::fe"));
	{
		union ks_addr far = ip6("2001:db8::1");

		CHECK_EQ(ks_conf_route6(lab.conf, &far)->mtu, 1400);
	}
	ip("-6 route add 2001:db8::/32 via fd00:9::fb metric 50"); /* the lower metric wins */
	EVENTUALLY(routed6("2001:db8::1", "fd00:9::fb"));
	ip("-6 route add 2001:db8::/32 via fd00:9::fc metric 40");
	EVENTUALLY(routed6("2001:db8::1", "fd00:9::fc"));
	ip("-6 route del 2001:db8::/32 metric 40");
	EVENTUALLY(routed6("2001:db8::1", "fd00:9::fb"));
	ip("-6 route add 2001:db8:1::/48 via fd00:9::fd");
	EVENTUALLY(routed6("2001:db8:1:2::1", "fd00:9::fd"));
	ip("-6 neigh add fd00:9::5 lladdr 02:aa:00:00:00:05 dev dpdk0.kni nud permanent");
	EVENTUALLY(lab.neigh.af == 6 && lab.neigh.known && lab.neigh.addr.b[15] == 5);
	ks_mirror_free(lab.m); /* and all of it is dumped */
	{
		struct ks_mirror_opts o = {
			.desired = lab.d, .n_ports = 1, .changed = on_changed, .neigh = on_neigh
		};
		char err[KS_ERR_LEN];

		o.ifindex[0] = ks_kni_ifindex(lab.kni[0]);
		ks_desired_mirror_addrs(lab.d, NULL, 0);
		ks_desired_mirror_routes(lab.d, NULL, 0);
		lab.m = ks_mirror_new(&o, err);
	}
	EVENTUALLY(ks_mirror_synced(lab.m) && local6("fd00:9::1") &&
		   routed6("2001:db8:1:2::1", "fd00:9::fd"));
	ip("-6 addr del fd00:9::1/64 dev dpdk0.kni");
	EVENTUALLY(!local6("fd00:9::1"));
	mirror_down();
}

static void lost_notifications_are_made_good(void)
{
	FILE *batch;

	mirror_up();
	EVENTUALLY(ks_mirror_synced(lab.m));
	ip("addr add 10.9.0.1/16 dev dpdk0.kni");
	EVENTUALLY(local("10.9.0.1"));
	batch = popen("ip -batch -", "w");
	CHECK(batch != NULL);
	for (unsigned i = 0; i < 40000; i++)
		fprintf(batch, "route %s 100.%u.%u.0/24 via 10.9.0.2\n",
			i < 20000 ? "add" : "replace", i % 20000 / 250, i % 250);
	fprintf(batch, "route add 200.0.0.0/8 via 10.9.0.3\n");
	CHECK_EQ(pclose(batch), 0);
	EVENTUALLY(routed("200.1.2.3", "10.9.0.3"));
	for (unsigned i = 0; i < 20000; i += 777) {
		char a[40];

		snprintf(a, sizeof(a), "100.%u.%u.9", i / 250, i % 250);
		CHECK(routed(a, "10.9.0.2"));
	}
	batch = popen("ip -batch -",
		      "w"); /* and when nothing is left of which a message could tell */
	CHECK(batch != NULL);
	for (unsigned i = 0; i < 40000; i++)
		fprintf(batch, "route replace 100.1.%u.0/24 via 10.9.0.%u\n", i % 250, 2 + i % 2);
	fprintf(batch, "addr del 10.9.0.1/16 dev dpdk0.kni\n");
	CHECK_EQ(pclose(batch), 0);
	EVENTUALLY(routed("100.1.1.1", NULL) && routed("200.1.2.3", NULL) && !local("10.9.0.1"));
	mirror_down();
}

int main(void)
{
	own_namespace();
	RUN_FRESH(it_has_the_ports_name_mac_and_mtu);
	RUN_FRESH(it_outlives_a_data_plane_that_dies);
	RUN_FRESH(what_was_queued_can_be_thrown_away);
	RUN_FRESH(a_shield_keeps_the_kernel_off);
	RUN_FRESH(frames_pass_both_ways);
	RUN_FRESH(multicast_the_kernel_has_joined_arrives);
	RUN_FRESH(a_flood_does_not_take_the_control_protocols_share);
	RUN_FRESH(what_is_there_is_dumped);
	RUN_FRESH(changes_are_followed);
	RUN_FRESH(routes_the_kernel_drops_silently_go);
	RUN_FRESH(neighbours_are_handed_over);
	RUN_FRESH(ipv6_is_followed_too);
	RUN_FRESH(several_next_hops_are_followed);
	RUN_FRESH(addresses_not_to_be_used_are_not);
	RUN_FRESH(lost_notifications_are_made_good);
	return 0;
}
