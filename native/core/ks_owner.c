/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Law 5: which worker owns a packet. Towards a local address the port says it: ports are dealt out
 * to the workers in turn, so every port has exactly one owner for any number of workers. Otherwise
 * the client's address and port are hashed: the source of what comes to an address of ours, and of
 * what only passes through (a real server's answer in NAT) the destination.
 */
#include "ks_hdr.h"
#include "ks_worker.h"

unsigned ks_owner4(const struct ks_conf *c, ks_be32 src, ks_be16 sport, ks_be32 dst, ks_be16 dport)
{
	uint64_t h;

	if (c->n_workers <= 1)
		return 0;
	if (ks_conf_is_lip4(c, dst)) {
		uint16_t port = ks_ntoh16(dport);

		if (port >= c->param[KS_PARAM_LPORT_MIN] && port <= c->param[KS_PARAM_LPORT_MAX])
			return port % c->n_workers;
	}
	if (c->passes && ks_conf_local4(c, dst) == NULL) {
		src = dst;
		sport = dport;
	}
	h = ((uint64_t)src << 16 | sport) * 0xff51afd7ed558ccdull;
	h ^= h >> 29;
	h *= 0xc4ceb9fe1a85ec53ull;
	return (unsigned)(((h >> 32) * c->n_workers) >> 32);
}
