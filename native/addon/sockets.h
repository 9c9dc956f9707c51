// SPDX-License-Identifier: Apache-2.0
// Linux calls without any Node in them. Failures are negative errno.
#ifndef KEELSON_SOCKETS_H
#define KEELSON_SOCKETS_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace keelson
{

constexpr size_t kLargestMessage = 65536;

int ConnectSeqpacket(const std::string &path);

// One message into buffer, which must be large enough (else -EMSGSIZE); *passed is a descriptor
// that came along, or -1.
ssize_t ReceiveMessage(int fd, std::vector<uint8_t> *buffer, int *passed);

struct RawOptions {
	int protocol;
	std::string device;
	std::string group; // empty: none
	std::string source; // empty: any
	int ttl;
	int tos;
};

// *failed says which step did.
int OpenRaw(const RawOptions &o, std::string *failed);
int SendRaw(int fd, const std::string &to, const void *data, size_t size);

} // namespace keelson

#endif
