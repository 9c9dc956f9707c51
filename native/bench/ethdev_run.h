/* SPDX-License-Identifier: Apache-2.0 */
/* The workers' loop on DPDK devices instead of the generator: what comes from them is what they
 * have (net_null's zeros, a pcap's frames). */
#ifndef ETHDEV_RUN_H
#define ETHDEV_RUN_H

#include "rig.h"

bool ethdev_run(struct options *o, struct rte_mempool *pool, unsigned seconds, bool json,
		char err[KS_ERR_LEN]);

#endif
