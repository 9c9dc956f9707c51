/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet path against arbitrary bytes, with sessions present. The input is a list of records:
 * one byte where from and how (bit 0 port, bit 1 repair the checksums, bit 2 let time pass, bit 3
 * shorten what lies in one piece, bit 5 claim that the port has verified it), two bytes length, the
 * frame. Repaired checksums let mutations get past the first checks; what comes out must carry
 * right checksums.
 */
#include "../test/path/fixture.h"

static struct bed bed;
static bool ready;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void open_some_sessions(void)
{
	bed_open(&bed, 2, 4096);
	for (unsigned i = 0; i < 8; i++) {
		struct pkt t = make_tcp(1, "198.51.100.10", 40000 + i, "198.51.100.80", 80,
					KS_TCP_SYN, "");
		struct pkt u = make_udp(1, "198.51.100.10", 40000 + i, "198.51.100.80", 80, "x");

		feed(&bed, &t, 0);
		feed(&bed, &u, 0);
		drop_pkt(&t);
		drop_pkt(&u);
	}
}

/* As far as the frame is a packet at all: lengths as they are, checksums made right. */
static void repair(struct pkt *k)
{
	struct ks_ip4 *ip = ip_of(k);
	unsigned header, len;

	if (k->p.len < KS_ETH_LEN + 20 || (ip->ver_ihl & 15) < 5)
		return;
	header = (unsigned)(ip->ver_ihl & 15) * 4;
	len = ks_ntoh16(ip->len);
	if (len < header + 8 || len > (unsigned)k->p.len - KS_ETH_LEN)
		return;
	if (ip->proto == KS_PROTO_TCP && len < header + 20)
		return;
	if (ip->proto == KS_PROTO_TCP || ip->proto == KS_PROTO_UDP || ip->proto == KS_PROTO_ICMP)
		fill_sums(k);
}

static void one_frame(uint8_t how, const uint8_t *frame, size_t len)
{
	/* exactly as long as it is, plus the room the shell promises: the sanitizer sees the rest
	 */
	struct pkt k = { .buf = malloc(len + 64) };

	if (k.buf == NULL)
		abort();
	memcpy(k.buf, frame, len);
	k.p = (struct ks_pkt){
		.data = k.buf,
		.len = (uint16_t)len,
		.tailroom = 64,
		.in_port = how & 1,
		/* the port claims to have verified it, whether that is true or not */
		.flags = how & 32 ? KS_RX_IP_CSUM_GOOD | KS_RX_L4_CSUM_GOOD : 0,
	};
	if (len >= 12)
		memcpy(k.buf, (uint8_t[6]){ 2, 0, 0, 0, 0, (uint8_t)((how & 1) + 1) },
		       how & 16 ? 0 : 6);
	if (how & 2)
		repair(&k);
	feed(&bed, &k, how >> 7);
	/* a fragment has no checksum of its own */
	if (k.p.frag == KS_FRAG_NONE && k.p.verdict == KS_V_TX && k.p.len > KS_ETH_LEN + 20 &&
	    !sums_right(&k) && (how & 2))
		abort();
	drop_pkt(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!ready) {
		open_some_sessions();
		ready = true;
	}
	while (size >= 3) {
		uint8_t how = data[0];
		size_t len = (size_t)data[1] << 8 | data[2];

		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		if (len > 2000)
			len = 2000;
		if (how & 4) {
			struct ks_pkt out[4];

			bed.now += 500;
			for (unsigned i = 0; i < 2; i++)
				(void)ks_worker_tick(bed.w[i], bed.conf, out, 4, 256, bed.now);
		}
		one_frame(how, data, len);
		data += len;
		size -= len;
	}
	return 0;
}
