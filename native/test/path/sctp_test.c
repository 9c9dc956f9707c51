/* SPDX-License-Identifier: Apache-2.0 */
/* SCTP: the checksum against known values and against itself, and the states of an association. */
#include "fixture.h"
#include "ks_crc32c.h"
#include "ks_sctp.h"

/* RFC 3720 B.4 and the check value of the CRC catalogue. */
static void known_values(void)
{
	uint8_t b[32];

	CHECK_EQ(ks_crc32c(0, (const uint8_t *)"123456789", 9), 0xe3069283u);
	memset(b, 0, sizeof(b));
	CHECK_EQ(ks_crc32c(0, b, sizeof(b)), 0x8a9136aau);
	memset(b, 0xff, sizeof(b));
	CHECK_EQ(ks_crc32c(0, b, sizeof(b)), 0x62a8ab43u);
	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)i;
	CHECK_EQ(ks_crc32c(0, b, sizeof(b)), 0x46dd794eu);
	CHECK_EQ(ks_crc32c(ks_crc32c(0, b, 5), b + 5, sizeof(b) - 5), 0x46dd794eu);
}

static uint64_t seed = 1;

static void fill(uint8_t *l4, uint16_t len)
{
	uint32_t crc;

	for (unsigned i = 0; i < len; i++)
		l4[i] = (uint8_t)rnd(&seed);
	memset(l4 + KS_SCTP_CSUM, 0, 4);
	crc = ks_crc32c(0, l4, len);
	memcpy(l4 + KS_SCTP_CSUM, &crc, 4);
}

static void rewritten_ports(void)
{
	static uint8_t l4[65000];

	for (unsigned i = 0; i < 2000; i++) {
		uint16_t len = (uint16_t)(KS_SCTP_LEAST + rnd(&seed) % (i < 1900 ? 1500 : 64900));
		ks_be16 port[2] = { (ks_be16)rnd(&seed), (ks_be16)rnd(&seed) };

		fill(l4, len);
		CHECK(ks_sctp_csum_ok(l4, len));
		ks_sctp_set_ports(l4, len, port);
		CHECK(memcmp(l4, port, 4) == 0);
		CHECK(ks_sctp_csum_ok(l4, len));
		/* damaged on the way: damaged when it arrives */
		l4[12 + rnd(&seed) % (len - 12)] ^= 1;
		ks_sctp_set_ports(l4, len, (ks_be16[2]){ 1, 2 });
		CHECK(!ks_sctp_csum_ok(l4, len));
	}
}

static uint8_t after(bool one_way, const uint8_t *chunks, size_t n)
{
	uint8_t state = KS_ST_SCTP_INIT1;

	for (size_t i = 0; i < n; i++)
		state = ks_sctp_next(state, one_way, chunks[i]);
	return state;
}

#define AFTER(one_way, ...) \
	after(one_way, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

static void states(void)
{
	CHECK_EQ(AFTER(false, 1), KS_ST_SCTP_INIT1);
	CHECK_EQ(AFTER(false, 2, 10), KS_ST_SCTP_INIT);
	CHECK_EQ(AFTER(false, 2, 10, 11, 0, 3, 4), KS_ST_SCTP_ESTABLISHED);
	CHECK_EQ(AFTER(false, 2, 10, 11, 1, 2), KS_ST_SCTP_ESTABLISHED);
	CHECK_EQ(AFTER(false, 2, 10, 11, 7), KS_ST_SCTP_SHUTDOWN);
	CHECK_EQ(AFTER(false, 2, 10, 11, 7, 8), KS_ST_SCTP_SHUTDOWN);
	CHECK_EQ(AFTER(false, 2, 10, 11, 7, 8, 14, 0), KS_ST_SCTP_CLOSED);
	CHECK_EQ(AFTER(false, 6), KS_ST_SCTP_REJECTED);
	CHECK_EQ(AFTER(false, 2, 10, 11, 6), KS_ST_SCTP_CLOSED);
	CHECK_EQ(AFTER(true, 10), KS_ST_SCTP_ESTABLISHED);
	CHECK_EQ(AFTER(true, 10, 0, 7, 14), KS_ST_SCTP_CLOSED);
}

int main(void)
{
	RUN(known_values);
	RUN(rewritten_ports);
	RUN(states);
	return 0;
}
