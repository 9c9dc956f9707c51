/* SPDX-License-Identifier: Apache-2.0 */
/* QUIC connection ids that name their server, so that a client which changes its address stays with
 * it, on any worker and any node. */
#ifndef KS_QUIC_H
#define KS_QUIC_H

#include <stddef.h>

#include "ks_conf.h"

/*
 * The real server that made the destination connection id of a datagram; NULL = none is named. Of
 * QUIC only what every version keeps is read (RFC 8999). Two formats:
 *
 *   DPVS       8 bits of anything, 3 bits length of the address - 1, 1 bit whether there is a port,
 *              the last bytes of the real server's address, its port, at least 32 bits nonce
 *   QUIC-LB    plaintext (draft-ietf-quic-load-balancers §5.3): 3 bits config id, 5 bits, the
 * server id, the nonce; the server id is the last bytes of the real server's address
 */
const struct ks_rs *ks_quic_server(const struct ks_svc *svc, const uint8_t *data, size_t len);

#endif
