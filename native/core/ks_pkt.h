/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packet as the core sees it: bytes, where it came from, what shall become of it. The shell
 * (dpdk, sim, bench) fills the upper part from its own buffer and carries out the verdict; the core
 * never learns what `cookie` is.
 */
#ifndef KS_PKT_H
#define KS_PKT_H

#include <stdint.h>

typedef uint16_t ks_be16; /* network order, as on the wire */
typedef uint32_t ks_be32;
typedef uint64_t ks_ms; /* monotonic milliseconds */

enum ks_verdict {
	KS_V_DROP = 0, /* reason tells why; already counted by the core */
	KS_V_TX, /* whole frame ready: send on out_port */
	KS_V_KNI, /* give unchanged to the kernel interface of in_port */
	KS_V_MAIN, /* for the main lcore: ARP, or a frame that waits for its next hop (nh) */
	KS_V_WORKER, /* another worker owns its session: hand it to `worker` */
	KS_V_CONSUMED, /* the core used the buffer up by other means; the shell only frees it */
};

enum ks_frag { KS_FRAG_NONE = 0, KS_FRAG_FIRST, KS_FRAG_LATER };

#define KS_RX_IP_CSUM_GOOD 0x01u /* the port has verified it */
#define KS_RX_IP_CSUM_BAD  0x02u
#define KS_RX_L4_CSUM_GOOD 0x04u
#define KS_RX_L4_CSUM_BAD  0x08u
#define KS_TX_IP_CSUM                                                                             \
	0x10u /* core asks the port to fill it (only where the port offers it); pseudo-header sum \
		 is in place */
#define KS_TX_L4_CSUM 0x20u

#define KS_NH_NONE    0xffffu

struct ks_pkt {
	uint8_t *data; /* first byte of the Ethernet header */
	void *cookie; /* the shell's buffer */
	uint16_t len; /* bytes in one piece at data */
	uint16_t headroom; /* bytes free before data, after len: what in-place growth may use */
	uint16_t tailroom;
	uint8_t in_port;
	uint8_t flags; /* KS_RX_* in, KS_TX_* out */

	uint8_t verdict; /* enum ks_verdict */
	uint8_t reason; /* enum ks_drop, with KS_V_DROP */
	uint8_t out_port;
	uint8_t worker;
	uint16_t nh; /* index of the next hop a KS_V_MAIN frame waits for, KS_NH_NONE = not a
			waiting frame */
	uint16_t l3; /* offset of the IP header */
	uint16_t l4; /* offset of the transport header */
	uint16_t l3_len; /* IP total length as the header says, checked */
	uint8_t proto;
	uint8_t tcp_flags; /* of SCTP the type of the first chunk */
	uint8_t af; /* 4 or 6, once parsed */
	uint8_t frag; /* enum ks_frag */
	uint32_t ports; /* of a fragment that is handed on: source and destination, as on the wire;
			   the shell keeps them with a KS_V_WORKER packet, 0 = none */
	uint32_t hash; /* of the tuple, once known */
	uint32_t via; /* KS_V_MAIN: 1 + slot of the real server that is the next hop; 0 = the route
			 of the destination says it */
};

#endif
