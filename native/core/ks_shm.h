/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lays out the shared counters (struct ks_shm of the contract) in memory the shell gives, and finds
 * the parts again. The workers write their rows directly; the main lcore writes the directory of
 * real servers and the head.
 */
#ifndef KS_SHM_H
#define KS_SHM_H

#include <stddef.h>
#include <stdint.h>

#include "ks_conf.h"
#include "ks_ipc.h"

/* Counters of a port, written by the main lcore (from the driver's statistics and the KNI). */
#define KS_PORT_COUNTERS(X)                                         \
	X(RX_PACKETS, "rx_packets")                                 \
	X(RX_BYTES, "rx_bytes")                                     \
	X(RX_MISSED, "rx_missed")                                   \
	X(RX_ERRORS, "rx_errors")                                   \
	X(RX_NO_BUFFER, "rx_no_buffer")                             \
	X(TX_PACKETS, "tx_packets")                                 \
	X(TX_BYTES, "tx_bytes")                                     \
	X(TX_ERRORS, "tx_errors")                                   \
	X(KNI_IN_PACKETS, "kni_in_packets") /* to the kernel */     \
	X(KNI_OUT_PACKETS, "kni_out_packets") /* from the kernel */ \
	X(KNI_FULL, "kni_full")                                     \
	X(KNI_POLICED, "kni_policed")                               \
	X(LINK_UP, "link_up")                                       \
	X(LINK_MBPS, "link_mbps")

enum ks_port_counter {
#define X(sym, name) KS_PC_##sym,
	KS_PORT_COUNTERS(X)
#undef X
		KS_PC_COUNT
};

struct ks_shm_opts {
	uint32_t workers;
	uint32_t ports;
	uint32_t rs_slots; /* of each worker: ks_limits.max_rs_slots */
};

size_t ks_shm_size(const struct ks_shm_opts *o); /* 0 = more than the contract can express */
/* mem: zeroed, 64-byte aligned, ks_shm_size bytes. */
struct ks_shm *ks_shm_init(void *mem, const struct ks_shm_opts *o);
void ks_shm_dev(struct ks_shm *s, unsigned port, const char *dev);

uint64_t *ks_shm_worker(struct ks_shm *s,
			unsigned worker); /* [KS_C_COUNT]; worker == workers: the main lcore's */
uint64_t *ks_shm_port(struct ks_shm *s, unsigned port); /* [KS_PC_COUNT] */
uint64_t *ks_shm_rs(struct ks_shm *s, unsigned worker); /* [rs_slots][KS_RSC_COUNT] */

/* Bring the directory and the generation number up to c; call it just before publishing c: counters
 * of a slot which is given to another real server are set to zero here, while no worker counts on
 * it. */
void ks_shm_publish(struct ks_shm *s, const struct ks_conf *c);

/* Sum of ACTIVE and INACTIVE over the workers is not zero? Fills in_use[rs_slots]: what
 * ks_conf_build asks. */
void ks_shm_rs_in_use(struct ks_shm *s, uint8_t *in_use);

#endif
