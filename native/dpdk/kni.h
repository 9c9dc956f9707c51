/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel interface of a port: a TAP device `<dev>.kni` with the port's MAC. Frames the workers
 * do not handle go in here, as far as the policer lets them, frames the kernel sends come out and
 * leave by the port unchanged.
 */
#ifndef KS_KNI_H
#define KS_KNI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ks_pkt.h"
#include "policer.h"
#include "sock.h"

#define KS_KNI_SUFFIX ".kni"

struct ks_kni;

struct ks_kni_opts {
	const char *dev; /* the port's name; the interface is `<dev>.kni` */
	uint8_t mac[6];
	uint16_t mtu;
	uint32_t pps; /* ordinary packets a second towards the kernel; 0 = 20,000 */
	uint32_t control_pps; /* each class of control protocols; 0 = 20,000 */
};

/* Create and bring up. NULL = err tells why ("no /dev/net/tun", "dpdk0.kni exists already" ...). */
struct ks_kni *ks_kni_open(const struct ks_kni_opts *o, char err[KS_ERR_LEN]);
void ks_kni_close(struct ks_kni *k); /* the interface goes with it */

int ks_kni_fd(const struct ks_kni *k); /* readable = frames from the kernel */
unsigned ks_kni_ifindex(const struct ks_kni *k);
const char *ks_kni_name(const struct ks_kni *k);
bool ks_kni_set_mtu(struct ks_kni *k, uint16_t mtu);
bool ks_kni_set_link(struct ks_kni *k, bool up); /* carrier follows the port's link */

enum ks_kni_result {
	KS_KNI_OK = 0,
	KS_KNI_FULL, /* the kernel did not take it: drop as kni-full */
	KS_KNI_POLICED, /* over its rate: drop as kni-policed */
};

/* Give one frame (in one piece) to the kernel. Copies: the buffer stays the caller's. */
enum ks_kni_result ks_kni_write(struct ks_kni *k, const void *frame, size_t len, ks_ms now);

/* Take up to max frames from the kernel. get gives room for one frame (NULL = no buffer: stop),
 * done hands over the filled buffer with its length; a buffer got but not filled is given back by
 * done with length 0. Returns frames read. */
struct ks_kni_reader {
	void *ctx;
	uint8_t *(*get)(void *ctx, void **cookie, size_t *room);
	void (*done)(void *ctx, void *cookie, size_t len);
};
unsigned ks_kni_read(struct ks_kni *k, const struct ks_kni_reader *r, unsigned max);

#endif
