/* SPDX-License-Identifier: Apache-2.0 */
#include "ks_quic.h"

#include <string.h>

#include "ks_hdr.h"

#define LONG      0x80u
#define VERSION_1 0x00000001u /* RFC 9000 */
#define VERSION_2 0x6b3343cfu /* RFC 9369 */
#define ID_MAX    20u
#define DPVS_MIN  7u

struct id {
	const uint8_t *b;
	size_t len; /* of a short header: all that follows */
};

/* The first packets of a client bear an id of its own making. */
static bool is_clients_own(uint32_t version, uint8_t first)
{
	unsigned type = first >> 4 & 3;

	if (version == VERSION_1)
		return type <= 1; /* Initial, 0-RTT */
	return version == VERSION_2 && (type == 1 || type == 2);
}

static bool find_id(const uint8_t *data, size_t len, struct id *id)
{
	uint32_t version;

	if (len < 1)
		return false;
	if (!(data[0] & LONG)) {
		*id = (struct id){ data + 1, len - 1 };
		return true;
	}
	if (len < 6 || data[5] > len - 6)
		return false;
	memcpy(&version, data + 1, sizeof(version));
	if (is_clients_own(ks_ntoh32(version), data[0]))
		return false;
	*id = (struct id){ data + 6, data[5] };
	return true;
}

/* `n` bytes from a place that may lie in the middle of one. */
static void take_bits(uint8_t *to, size_t n, const uint8_t *from, unsigned bit)
{
	for (size_t i = 0; i < n; i++, bit += 8)
		to[i] = bit % 8 == 0 ? from[bit / 8]
				     : (uint8_t)(from[bit / 8] << 4 | from[bit / 8 + 1] >> 4);
}

static const struct ks_rs *with_tail(const struct ks_svc *svc, const uint8_t *tail, size_t n,
				     const ks_be16 *port)
{
	for (uint32_t i = 0; i < svc->n_rs; i++) {
		const struct ks_rs *rs = &svc->rs[i];
		size_t size = rs->af == 4 ? 4 : 16;

		if (n <= size && memcmp(rs->addr.b + size - n, tail, n) == 0 &&
		    (port == NULL || rs->port == *port))
			return rs;
	}
	return NULL;
}

static const struct ks_rs *by_dpvs(const struct ks_svc *svc, const struct id *id)
{
	uint8_t address[8], port_bytes[2];
	ks_be16 port;
	size_t n;
	bool has_port;

	if (id->len < DPVS_MIN)
		return NULL;
	n = (size_t)(id->b[1] >> 5) + 1;
	has_port = (id->b[1] & 0x10) != 0;
	/* head, address, port and nonce end within a byte */
	if ((12 + 8 * n + (has_port ? 16 : 0) + 32 + 7) / 8 > id->len)
		return NULL;
	take_bits(address, n, id->b, 12);
	if (!has_port)
		return with_tail(svc, address, n, NULL);
	take_bits(port_bytes, sizeof(port_bytes), id->b, 12 + 8 * (unsigned)n);
	memcpy(&port, port_bytes, sizeof(port));
	return with_tail(svc, address, n, &port);
}

static const struct ks_rs *by_quic_lb(const struct ks_svc *svc, const struct id *id)
{
	/* the nonce has four bytes at least */
	if (id->len < 1 + (size_t)svc->quic_len + 4 || id->b[0] >> 5 != svc->quic_config - 1)
		return NULL;
	return with_tail(svc, id->b + 1, svc->quic_len, NULL);
}

const struct ks_rs *ks_quic_server(const struct ks_svc *svc, const uint8_t *data, size_t len)
{
	struct id id;

	if (!find_id(data, len, &id))
		return NULL;
	if (id.len > ID_MAX)
		id.len = ID_MAX;
	return svc->quic_config == 0 ? by_dpvs(svc, &id) : by_quic_lb(svc, &id);
}
