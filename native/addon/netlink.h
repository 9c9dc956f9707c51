// SPDX-License-Identifier: Apache-2.0
// rtnetlink (RFC 3549) as far as interfaces, addresses and IPv4 routes go. Failures are negative
// errno, the kernel's own where it answered.
#ifndef KEELSON_NETLINK_H
#define KEELSON_NETLINK_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace keelson
{

struct LinkChange {
	bool gone;
	int index;
	std::string name;
	bool up; // by the administrator
	bool running; // and the carrier is there
	std::string mac;
	int mtu;
};

struct AddressChange {
	bool gone;
	int index;
	int family; // 4 or 6
	std::string address;
	int prefix_length;
};

struct NetlinkChanges {
	std::vector<LinkChange> links;
	std::vector<AddressChange> addresses;
};

// Follows links and addresses of both families.
int OpenMonitor();
// What one datagram of the kernel says; unknown messages are left out, broken ones end it.
void ParseChanges(const uint8_t *data, size_t size, NetlinkChanges *out);

int DumpLinks(NetlinkChanges *out);
int DumpAddresses(NetlinkChanges *out);

int ChangeAddress(bool add, const std::string &device, const std::string &address,
		  int prefix_length);

struct Route {
	std::string device;
	std::string destination;
	int prefix_length;
	std::string gateway; // empty: on-link
	std::string source; // empty: none preferred
	int metric;
};
int ChangeRoute(bool add, const Route &r);

int SetLinkUp(const std::string &device);

} // namespace keelson

#endif
