/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel interface of a port: a TAP device `<dev>.kni` with the port's MAC. Frames the workers
 * do not handle go in here, as far as the policer lets them, frames the kernel sends come out and
 * leave by the port unchanged.
 *
 * The interface outlives a data plane that dies, with its addresses and routes: it is persistent,
 * and its alias says whose it is, so that the next data plane attaches to it again. An orderly stop
 * removes it, and so does a data plane that starts without its port.
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
	const char *owner; /* which data plane on this machine: its file prefix; NULL = "" */
	uint32_t pps; /* ordinary packets a second towards the kernel; 0 = 20,000 */
	uint32_t control_pps; /* each class of control protocols; 0 = 20,000 */
};

/* Create, or attach to the one an earlier data plane left behind, and bring up. What was queued in
 * it is thrown away. NULL = err tells why ("no /dev/net/tun", "dpdk0.kni exists already" ...). */
struct ks_kni *ks_kni_open(const struct ks_kni_opts *o, char err[KS_ERR_LEN]);
void ks_kni_close(struct ks_kni *k, bool remove); /* the interface goes with it, or stays */
bool ks_kni_was_there(const struct ks_kni *k); /* attached rather than created */
/* Remove the interfaces that `owner` left behind and whose port is none of these. Returns how many.
 */
unsigned ks_kni_sweep(const char *owner, const char *const *devs, unsigned n);
/* Throw away what the kernel has queued; returns frames. */
unsigned ks_kni_drain(struct ks_kni *k);

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
