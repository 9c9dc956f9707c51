/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the mirror: one rtnetlink message read into the record it speaks of. Attributes are
 * taken only when they are as long as they must be. */
#ifndef KS_MIRROR_MSG_H
#define KS_MIRROR_MSG_H

#include <linux/rtnetlink.h>
#include <stdbool.h>

#include "ks_conf.h"

/* Number of the port whose KNI interface that is; -1 = none of ours. */
struct ks_mirror_ports {
	unsigned n;
	unsigned ifindex[KS_MAX_PORTS];
};
int ks_mirror_port(const struct ks_mirror_ports *p, unsigned ifindex);

/* `ours`: the address may be used, rather than that it is gone, or not wholly there yet.
 * False = not about one of our interfaces, or of no interest to forwarding. */
bool ks_mirror_parse_addr(const struct ks_mirror_ports *p, const struct nlmsghdr *h,
			  struct ks_mirror_addr *a, bool *ours);
/* One record for each next hop, as many as it returns; 0 = not about us. */
#define KS_MIRROR_HOPS 128u
unsigned ks_mirror_parse_route(const struct ks_mirror_ports *p, const struct nlmsghdr *h,
			       struct ks_mirror_route r[KS_MIRROR_HOPS]);

struct ks_mirror_neigh {
	union ks_addr addr;
	uint8_t af, port;
	bool known; /* mac is what the kernel holds for confirmed */
	uint8_t mac[6];
};
bool ks_mirror_parse_neigh(const struct ks_mirror_ports *p, const struct nlmsghdr *h,
			   struct ks_mirror_neigh *n);
bool ks_mirror_parse_link(const struct ks_mirror_ports *p, const struct nlmsghdr *h, int *port,
			  bool *up);

#endif
