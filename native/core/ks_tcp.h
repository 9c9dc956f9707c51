/* SPDX-License-Identifier: Apache-2.0 */
/* What a load balancer that sees both directions knows of a TCP connection: enough to choose a
 * timeout, no more. */
#ifndef KS_TCP_H
#define KS_TCP_H

#include <stdint.h>

#include "ks_conf.h"
#include "ks_ipc.h"

/* New state after a segment with these flags in this direction (KS_IN, KS_OUT). */
uint8_t ks_tcp_next(uint8_t state, unsigned dir, uint8_t tcp_flags);
/* Likewise where only the client's segments are seen: its FIN is all that tells of the end. */
uint8_t ks_tcp_next_one_way(uint8_t state, uint8_t tcp_flags);

/* Timeout of a state in ms under c; a service's own timeout replaces that of an established
 * session. */
uint32_t ks_state_timeout(const struct ks_conf *c, const struct ks_svc *svc, uint8_t state);

#endif
