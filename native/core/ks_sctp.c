/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SCTP (RFC 9260): states by the first chunk of each packet, and its checksum. Timeouts and names
 * are DPVS's.
 *
 *   INIT1        the client's INIT was passed on        -> INIT by the server's INIT ACK
 *   INIT         a cookie is on its way                 -> ESTABLISHED by COOKIE ACK
 *   SHUTDOWN     one side has begun to close            -> CLOSED by SHUTDOWN COMPLETE
 *   REJECTED     ABORT before it was established; later ABORT is CLOSED
 *
 * An INIT on an established association changes nothing: it may be a restart, which the cookie
 * will tell, or an attack (§5.2).
 */
#include "ks_sctp.h"

#include <string.h>

#include "ks_crc32c.h"
#include "ks_ipc.h"

static bool is_beginning(uint8_t state)
{
	return state == KS_ST_SCTP_INIT1 || state == KS_ST_SCTP_INIT;
}

uint8_t ks_sctp_next(uint8_t state, bool one_way, uint8_t chunk)
{
	if (state == KS_ST_SCTP_CLOSED || state == KS_ST_SCTP_REJECTED)
		return state;
	switch (chunk) {
	case KS_SCTP_INIT_ACK:
		return is_beginning(state) ? KS_ST_SCTP_INIT : state;
	case KS_SCTP_COOKIE_ECHO: /* the answer is not seen where it goes past us */
		if (one_way)
			return KS_ST_SCTP_ESTABLISHED;
		return is_beginning(state) ? KS_ST_SCTP_INIT : state;
	case KS_SCTP_COOKIE_ACK:
		return is_beginning(state) ? KS_ST_SCTP_ESTABLISHED : state;
	case KS_SCTP_SHUTDOWN:
	case KS_SCTP_SHUTDOWN_ACK:
		return KS_ST_SCTP_SHUTDOWN;
	case KS_SCTP_SHUTDOWN_COMPLETE:
		return KS_ST_SCTP_CLOSED;
	case KS_SCTP_ABORT:
		return is_beginning(state) ? KS_ST_SCTP_REJECTED : KS_ST_SCTP_CLOSED;
	default:
		return state;
	}
}

bool ks_sctp_csum_ok(const uint8_t *l4, unsigned len)
{
	static const uint8_t none[4];
	uint32_t there, crc;

	memcpy(&there, l4 + KS_SCTP_CSUM, sizeof(there));
	crc = ks_crc32c(0, l4, KS_SCTP_CSUM);
	crc = ks_crc32c(crc, none, sizeof(none));
	crc = ks_crc32c(crc, l4 + KS_SCTP_CSUM + 4, len - KS_SCTP_CSUM - 4);
	return there == crc; /* the CRC stands in the packet low byte first */
}

void ks_sctp_set_ports(uint8_t *l4, uint16_t len, const ks_be16 port[2])
{
	uint32_t before, after, crc;

	memcpy(&before, l4, sizeof(before));
	memcpy(&after, port, sizeof(after));
	memcpy(&crc, l4 + KS_SCTP_CSUM, sizeof(crc));
	crc ^= ks_crc32c_shift(before ^ after, len);
	memcpy(l4, &after, sizeof(after));
	memcpy(l4 + KS_SCTP_CSUM, &crc, sizeof(crc));
}
