// SPDX-License-Identifier: Apache-2.0
// Linux calls without any Node in them. Failures are negative errno.
#ifndef KEELSON_SOCKETS_H
#define KEELSON_SOCKETS_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <sys/types.h>
#include <vector>

namespace keelson {

const char *ErrnoName(int code);

int ConnectSeqpacket(const std::string &path);
// Waits while the peer's buffer is full, at most two seconds (then -ETIMEDOUT).
int SendAll(int fd, const void *data, size_t size);
// One message into bytes; *passed is a descriptor that came along, or -1.
ssize_t Receive(int fd, std::vector<uint8_t> *bytes, int *passed);

struct RawOptions {
	int protocol;
	std::string device;
	std::string group;  // empty: none
	std::string source; // empty: any
	int ttl;
	int tos;
};
int OpenRaw(const RawOptions &o, std::string *failed);
int SendRaw(int fd, const std::string &to, const void *data, size_t size);

} // namespace keelson

#endif
