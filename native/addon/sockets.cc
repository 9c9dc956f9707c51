// SPDX-License-Identifier: Apache-2.0
#include "sockets.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace keelson
{

namespace
{

constexpr int kBuffer = 4 << 20;
constexpr size_t kDescriptors = 4;

int CloseWith(int fd, int code)
{
	close(fd);
	return -code;
}

} // namespace

int ConnectSeqpacket(const std::string &path)
{
	sockaddr_un addr = {};
	int fd;

	if (path.size() >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kBuffer, sizeof(kBuffer));
	addr.sun_family = AF_UNIX;
	memcpy(addr.sun_path, path.c_str(), path.size() + 1);
	if (connect(fd, reinterpret_cast<sockaddr *>(&addr), sizeof(addr)) != 0)
		return CloseWith(fd, errno);
	return fd;
}

ssize_t ReceiveMessage(int fd, std::vector<uint8_t> *buffer, int *passed)
{
	alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kDescriptors)];
	iovec iov = { buffer->data(), buffer->size() };
	msghdr msg = {};
	ssize_t n;

	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = control;
	msg.msg_controllen = sizeof(control);
	*passed = -1;
	n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	for (cmsghdr *c = CMSG_FIRSTHDR(&msg); c != nullptr; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		int fds[kDescriptors];
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		memcpy(fds, CMSG_DATA(c), count * sizeof(int));
		for (size_t i = 0; i < count; i++) {
			if (*passed < 0)
				*passed = fds[i];
			else
				close(fds[i]);
		}
	}
	if ((msg.msg_flags & MSG_TRUNC) != 0) {
		if (*passed >= 0)
			close(*passed);
		*passed = -1;
		return -EMSGSIZE;
	}
	return n;
}

int OpenRaw(const RawOptions &o, std::string *failed)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, o.protocol);
	int off = 0;
	ip_mreqn group = {};

	*failed = "raw socket";
	if (fd < 0)
		return -errno;
	*failed = "bind to device " + o.device;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, o.device.c_str(),
		       static_cast<socklen_t>(o.device.size() + 1)) != 0)
		return CloseWith(fd, errno);
	*failed = "ttl and tos";
	if (setsockopt(fd, IPPROTO_IP, IP_TTL, &o.ttl, sizeof(o.ttl)) != 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_TTL, &o.ttl, sizeof(o.ttl)) != 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_TOS, &o.tos, sizeof(o.tos)) != 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off)) != 0)
		return CloseWith(fd, errno);
	group.imr_ifindex = static_cast<int>(if_nametoindex(o.device.c_str()));
	*failed = "multicast by " + o.device;
	if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof(group)) != 0)
		return CloseWith(fd, errno);
	if (!o.group.empty()) {
		*failed = "join " + o.group;
		if (inet_pton(AF_INET, o.group.c_str(), &group.imr_multiaddr) != 1)
			return CloseWith(fd, EINVAL);
		if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) != 0)
			return CloseWith(fd, errno);
	}
	if (!o.source.empty()) {
		sockaddr_in from = {};

		*failed = "source " + o.source;
		from.sin_family = AF_INET;
		if (inet_pton(AF_INET, o.source.c_str(), &from.sin_addr) != 1)
			return CloseWith(fd, EINVAL);
		if (bind(fd, reinterpret_cast<sockaddr *>(&from), sizeof(from)) != 0)
			return CloseWith(fd, errno);
	}
	return fd;
}

int SendRaw(int fd, const std::string &to, const void *data, size_t size)
{
	sockaddr_in addr = {};

	addr.sin_family = AF_INET;
	if (inet_pton(AF_INET, to.c_str(), &addr.sin_addr) != 1)
		return -EINVAL;
	if (sendto(fd, data, size, MSG_NOSIGNAL, reinterpret_cast<sockaddr *>(&addr),
		   sizeof(addr)) < 0)
		return -errno;
	return 0;
}

} // namespace keelson
