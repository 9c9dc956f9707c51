/* SPDX-License-Identifier: Apache-2.0 */
/* What a load balancer must know of SCTP (RFC 9260). The other addresses an end may name in its
 * INIT are not followed, as in DPVS: an association goes by the address it was begun with. */
#ifndef KS_SCTP_H
#define KS_SCTP_H

#include <stdbool.h>
#include <stdint.h>

#include "ks_pkt.h"

#define KS_SCTP_HEADER            12u
#define KS_SCTP_CSUM              8u /* where the checksum lies */
#define KS_SCTP_LEAST             16u /* header and the head of one chunk */

#define KS_SCTP_INIT              1u
#define KS_SCTP_INIT_ACK          2u
#define KS_SCTP_ABORT             6u
#define KS_SCTP_SHUTDOWN          7u
#define KS_SCTP_SHUTDOWN_ACK      8u
#define KS_SCTP_COOKIE_ECHO       10u
#define KS_SCTP_COOKIE_ACK        11u
#define KS_SCTP_SHUTDOWN_COMPLETE 14u

/* New state after a packet whose first chunk is of that type; one_way: only the client's are seen.
 */
uint8_t ks_sctp_next(uint8_t state, bool one_way, uint8_t chunk);

/* len >= KS_SCTP_LEAST; looks at every byte. */
bool ks_sctp_csum_ok(const uint8_t *l4, unsigned len);

/* Other ports, and the checksum changed with them: right after as it was right before. */
void ks_sctp_set_ports(uint8_t *l4, uint16_t len, const ks_be16 port[2]);

#endif
