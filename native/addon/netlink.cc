// SPDX-License-Identifier: Apache-2.0
#include "netlink.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

namespace keelson
{

namespace
{

constexpr size_t kAnswer = 65536;
constexpr int kMonitorBuffer = 1 << 20;

int OpenSocket(uint32_t groups)
{
	sockaddr_nl addr = {};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	addr.nl_family = AF_NETLINK;
	addr.nl_groups = groups;
	if (bind(fd, reinterpret_cast<sockaddr *>(&addr), sizeof(addr)) != 0) {
		int code = errno;

		close(fd);
		return -code;
	}
	return fd;
}

/* ---- requests ------------------------------------------------------------------------------------------------- */

// One message: header, the kind's own struct, attributes.
class Request
{
public:
	template <typename T>
	Request(uint16_t type, uint16_t flags, const T &body) : bytes_(NLMSG_SPACE(sizeof(T)))
	{
		nlmsghdr *h = reinterpret_cast<nlmsghdr *>(bytes_.data());

		h->nlmsg_type = type;
		h->nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
		h->nlmsg_seq = 1;
		memcpy(NLMSG_DATA(h), &body, sizeof(T));
	}

	void Attribute(uint16_t type, const void *data, size_t size)
	{
		size_t at = bytes_.size();

		bytes_.resize(at + RTA_SPACE(size));
		rtattr *a = reinterpret_cast<rtattr *>(bytes_.data() + at);

		a->rta_type = type;
		a->rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
		memcpy(RTA_DATA(a), data, size);
	}

	// False: not an IPv4 address.
	bool Address(uint16_t type, const std::string &text)
	{
		in_addr a;

		if (inet_pton(AF_INET, text.c_str(), &a) != 1)
			return false;
		Attribute(type, &a, sizeof(a));
		return true;
	}

	// Hands each datagram of the answer to use(data, size) until it ends; 0 or what the kernel
	// refused.
	template <typename Use> int Ask(Use use)
	{
		int fd = OpenSocket(0);
		int status;

		if (fd < 0)
			return fd;
		reinterpret_cast<nlmsghdr *>(bytes_.data())->nlmsg_len =
			static_cast<uint32_t>(bytes_.size());
		status = send(fd, bytes_.data(), bytes_.size(), 0) < 0 ? -errno : Answer(fd, use);
		close(fd);
		return status;
	}

	int Ask()
	{
		return Ask([](const uint8_t *, size_t) {});
	}

private:
	template <typename Use> static int Answer(int fd, Use use)
	{
		std::vector<uint8_t> buffer(kAnswer);

		for (;;) {
			ssize_t n = recv(fd, buffer.data(), buffer.size(), 0);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return -errno;
			size_t left = static_cast<size_t>(n);

			for (nlmsghdr *h = reinterpret_cast<nlmsghdr *>(buffer.data());
			     NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
				if (h->nlmsg_type == NLMSG_DONE)
					return 0;
				if (h->nlmsg_type == NLMSG_ERROR)
					return static_cast<nlmsgerr *>(NLMSG_DATA(h))->error;
			}
			use(buffer.data(), static_cast<size_t>(n));
		}
	}

	std::vector<uint8_t> bytes_;
};

/* ---- what the kernel says ------------------------------------------------------------------------------------- */

// The attributes from `first` by type, up to `most`; those that do not fit their message are left
// out.
struct Attributes {
	const rtattr *by[IFLA_MAX + 1] = {};

	Attributes(const rtattr *first, int length, unsigned most)
	{
		for (const rtattr *a = first; RTA_OK(a, length); a = RTA_NEXT(a, length))
			if (a->rta_type <= most)
				by[a->rta_type] = a;
	}

	bool Has(unsigned type, size_t size) const
	{
		return by[type] != nullptr && RTA_PAYLOAD(by[type]) >= size;
	}
};

void ParseLink(const nlmsghdr *h, std::vector<LinkChange> *out)
{
	const ifinfomsg *i = static_cast<const ifinfomsg *>(NLMSG_DATA(h));

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*i)) || i->ifi_family == AF_BRIDGE)
		return;
	Attributes a(IFLA_RTA(i), static_cast<int>(IFLA_PAYLOAD(h)), IFLA_MAX);
	LinkChange c = {};

	if (!a.Has(IFLA_IFNAME, 1))
		return;
	c.gone = h->nlmsg_type == RTM_DELLINK;
	c.index = i->ifi_index;
	c.name.assign(static_cast<const char *>(RTA_DATA(a.by[IFLA_IFNAME])),
		      strnlen(static_cast<const char *>(RTA_DATA(a.by[IFLA_IFNAME])),
			      RTA_PAYLOAD(a.by[IFLA_IFNAME])));
	c.up = !c.gone && (i->ifi_flags & IFF_UP) != 0;
	c.running = c.up && (i->ifi_flags & IFF_RUNNING) != 0;
	if (a.Has(IFLA_ADDRESS, 6)) {
		const uint8_t *m = static_cast<const uint8_t *>(RTA_DATA(a.by[IFLA_ADDRESS]));
		char text[18];

		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
			 m[3], m[4], m[5]);
		c.mac = text;
	}
	if (a.Has(IFLA_MTU, sizeof(uint32_t)))
		memcpy(&c.mtu, RTA_DATA(a.by[IFLA_MTU]), sizeof(c.mtu));
	out->push_back(c);
}

void ParseAddress(const nlmsghdr *h, std::vector<AddressChange> *out)
{
	const ifaddrmsg *i = static_cast<const ifaddrmsg *>(NLMSG_DATA(h));

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*i)) ||
	    (i->ifa_family != AF_INET && i->ifa_family != AF_INET6))
		return;
	Attributes a(IFA_RTA(i), static_cast<int>(IFA_PAYLOAD(h)), IFA_MAX);
	// IFA_LOCAL is the own address also where IFA_ADDRESS is the other end's.
	size_t size = i->ifa_family == AF_INET ? 4 : 16;
	unsigned own = a.Has(IFA_LOCAL, size) ? IFA_LOCAL : IFA_ADDRESS;
	char text[INET6_ADDRSTRLEN];

	if (!a.Has(own, size))
		return;
	out->push_back({ h->nlmsg_type == RTM_DELADDR, static_cast<int>(i->ifa_index),
			 i->ifa_family == AF_INET ? 4 : 6,
			 inet_ntop(i->ifa_family, RTA_DATA(a.by[own]), text, sizeof(text)),
			 i->ifa_prefixlen });
}

int Dump(uint16_t type, NetlinkChanges *out)
{
	rtgenmsg all = {};

	return Request(type, NLM_F_DUMP, all).Ask([out](const uint8_t *data, size_t size) {
		ParseChanges(data, size, out);
	});
}

} // namespace

void ParseChanges(const uint8_t *data, size_t size, NetlinkChanges *out)
{
	for (const nlmsghdr *h = reinterpret_cast<const nlmsghdr *>(data); NLMSG_OK(h, size);
	     h = NLMSG_NEXT(h, size)) {
		if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK)
			ParseLink(h, &out->links);
		else if (h->nlmsg_type == RTM_NEWADDR || h->nlmsg_type == RTM_DELADDR)
			ParseAddress(h, &out->addresses);
	}
}

int OpenMonitor()
{
	int fd = OpenSocket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kMonitorBuffer, sizeof(kMonitorBuffer));
	return fd;
}

int DumpLinks(NetlinkChanges *out)
{
	return Dump(RTM_GETLINK, out);
}

int DumpAddresses(NetlinkChanges *out)
{
	return Dump(RTM_GETADDR, out);
}

int ChangeAddress(bool add, const std::string &device, const std::string &address,
		  int prefix_length)
{
	ifaddrmsg body = {};

	body.ifa_family = AF_INET;
	body.ifa_prefixlen = static_cast<uint8_t>(prefix_length);
	body.ifa_index = if_nametoindex(device.c_str());
	if (body.ifa_index == 0)
		return -ENODEV;
	if (prefix_length < 0 || prefix_length > 32)
		return -EINVAL;
	Request r(add ? RTM_NEWADDR : RTM_DELADDR,
		  static_cast<uint16_t>(NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0)), body);

	return r.Address(IFA_LOCAL, address) && r.Address(IFA_ADDRESS, address) ? r.Ask() : -EINVAL;
}

int ChangeRoute(bool add, const Route &route)
{
	uint32_t index = if_nametoindex(route.device.c_str());
	uint32_t metric = static_cast<uint32_t>(route.metric);
	rtmsg body = {};

	if (index == 0)
		return -ENODEV;
	if (route.prefix_length < 0 || route.prefix_length > 32)
		return -EINVAL;
	body.rtm_family = AF_INET;
	body.rtm_dst_len = static_cast<uint8_t>(route.prefix_length);
	body.rtm_table = RT_TABLE_MAIN;
	body.rtm_protocol = RTPROT_STATIC;
	body.rtm_scope = route.gateway.empty() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	body.rtm_type = RTN_UNICAST;
	Request r(add ? RTM_NEWROUTE : RTM_DELROUTE,
		  static_cast<uint16_t>(NLM_F_ACK | (add ? NLM_F_CREATE | NLM_F_EXCL : 0)), body);

	if (!r.Address(RTA_DST, route.destination))
		return -EINVAL;
	if (!route.gateway.empty() && !r.Address(RTA_GATEWAY, route.gateway))
		return -EINVAL;
	if (!route.source.empty() && !r.Address(RTA_PREFSRC, route.source))
		return -EINVAL;
	r.Attribute(RTA_OIF, &index, sizeof(index));
	if (metric != 0)
		r.Attribute(RTA_PRIORITY, &metric, sizeof(metric));
	return r.Ask();
}

int SetLinkUp(const std::string &device)
{
	ifinfomsg body = {};

	body.ifi_family = AF_UNSPEC;
	body.ifi_index = static_cast<int>(if_nametoindex(device.c_str()));
	if (body.ifi_index == 0)
		return -ENODEV;
	body.ifi_flags = IFF_UP;
	body.ifi_change = IFF_UP;
	return Request(RTM_NEWLINK, NLM_F_ACK, body).Ask();
}

} // namespace keelson
