/* SPDX-License-Identifier: Apache-2.0 */
#include "devargs.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* [pci:][domain:]bus:device.function */
bool devargs_is_pci(const char *devargs)
{
	unsigned a, b, c, d;
	int n = 0;

	if (strncmp(devargs, "pci:", 4) == 0)
		devargs += 4;
	if (sscanf(devargs, "%x:%x:%x.%u%n", &a, &b, &c, &d, &n) == 4 &&
	    (devargs[n] == 0 || devargs[n] == ','))
		return true;
	n = 0;
	return sscanf(devargs, "%x:%x.%u%n", &a, &b, &c, &n) == 3 &&
		(devargs[n] == 0 || devargs[n] == ',');
}

void devargs_name(const char *devargs, char *out, size_t cap)
{
	snprintf(out, cap, "%.*s", (int)strcspn(devargs, ","), devargs);
}

bool devargs_get(const char *devargs, const char *key, char *out, size_t cap)
{
	size_t n = strlen(key);
	const char *s;

	for (s = strchr(devargs, ','); s != NULL; s = strchr(s + 1, ','))
		if (strncmp(s + 1, key, n) == 0 && s[1 + n] == '=') {
			s += n + 2;
			snprintf(out, cap, "%.*s", (int)strcspn(s, ","), s);
			return true;
		}
	return false;
}

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static bool check_iface(const char *port, const char *devargs, char err[KS_ERR_LEN])
{
	char iface[64];
	int fd;

	if (!devargs_get(devargs, "iface", iface, sizeof(iface))) {
		snprintf(err, KS_ERR_LEN, "port %s: '%s' names no interface (iface=NAME is needed)",
			 port, devargs);
		return false;
	}
	if (if_nametoindex(iface) == 0) {
		snprintf(err, KS_ERR_LEN, "port %s: no such device: there is no interface %s here",
			 port, iface);
		return false;
	}
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		snprintf(
			err, KS_ERR_LEN,
			"port %s: no permission to open interface %s: %s (run as root, or with CAP_NET_RAW)",
			port, iface, strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

static bool check_file(const char *port, const char *devargs, const char *key, char err[KS_ERR_LEN])
{
	char path[512];

	if (!devargs_get(devargs, key, path, sizeof(path)) || access(path, R_OK) == 0)
		return true;
	snprintf(err, KS_ERR_LEN, "port %s: cannot read %.150s: %s", port, path, strerror(errno));
	return false;
}

/* A NIC must have been given to a driver DPDK can use; Mellanox's work beside the kernel's. */
static bool check_pci(const char *port, const char *devargs, char err[KS_ERR_LEN])
{
	static const char *const usable[] = { "vfio-pci",  "uio_pci_generic", "igb_uio",
					      "mlx4_core", "mlx5_core",       "mana" };
	char name[64], path[256], link[256];
	const char *addr = name, *driver;
	ssize_t n;

	devargs_name(devargs, name, sizeof(name));
	if (starts(addr, "pci:"))
		addr += 4;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s%s",
		 strchr(addr, ':') == strrchr(addr, ':') ? "0000:" : "", addr);
	if (access(path, F_OK) < 0) {
		snprintf(err, KS_ERR_LEN, "port %s: no such device: there is no PCI device %s",
			 port, addr);
		return false;
	}
	strncat(path, "/driver", sizeof(path) - strlen(path) - 1);
	n = readlink(path, link, sizeof(link) - 1);
	link[n > 0 ? n : 0] = 0;
	driver = strrchr(link, '/') != NULL ? strrchr(link, '/') + 1 : "";
	for (size_t i = 0; i < sizeof(usable) / sizeof(usable[0]); i++)
		if (strcmp(driver, usable[i]) == 0)
			return true;
	if (driver[0] == 0)
		snprintf(err, KS_ERR_LEN,
			 "port %s: PCI device %s is bound to no driver: bind it to vfio-pci", port,
			 addr);
	else
		snprintf(
			err, KS_ERR_LEN,
			"port %s: PCI device %s is in use by the kernel's driver %s: bind it to vfio-pci, or use "
			"net_af_xdp0,iface=NAME",
			port, addr, driver);
	return false;
}

bool devargs_check(const char *port, const char *devargs, char err[KS_ERR_LEN])
{
	const char *s = starts(devargs, "vdev:") ? devargs + 5 : devargs;

	if (devargs_is_pci(devargs))
		return check_pci(port, devargs, err);
	if (starts(s, "net_af_packet") || starts(s, "net_af_xdp"))
		return check_iface(port, devargs, err);
	if (starts(s, "net_pcap"))
		return check_file(port, devargs, "rx_pcap", err);
	if (starts(s, "net_tap") && access("/dev/net/tun", R_OK | W_OK) < 0) {
		snprintf(err, KS_ERR_LEN, "port %s: no permission for a TAP: /dev/net/tun: %s",
			 port, strerror(errno));
		return false;
	}
	return true;
}

/* An abstract socket address is of its network namespace and goes with its owner: a lock that is
 * never left behind. */
int devargs_reserve(const char *port, const char *devargs, char err[KS_ERR_LEN])
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char what[64];
	int n, fd;

	if (!devargs_get(devargs, "iface", what, sizeof(what))) {
		if (!devargs_is_pci(devargs))
			return open("/dev/null",
				    O_RDONLY | O_CLOEXEC); /* nothing of the machine's is used */
		devargs_name(devargs, what, sizeof(what));
	}
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	n = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1, "keelson/port/%s", what);
	if (fd < 0 ||
	    bind(fd, (const void *)&sa,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) < 0) {
		if (errno == EADDRINUSE)
			snprintf(err, KS_ERR_LEN,
				 "port %s: port in use: another port or data plane has %s", port,
				 what);
		else
			snprintf(err, KS_ERR_LEN, "port %s: cannot reserve %s: %s", port, what,
				 strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}
