/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that a worker's table has and has not touched yet, in the order in which it will. The
 * first touch of a page makes the worker wait for the kernel; somebody else may touch it before. */
#ifndef KS_AHEAD_H
#define KS_AHEAD_H

#include <stddef.h>
#include <stdint.h>

enum ks_ahead {
	KS_AHEAD_NARROW,
	KS_AHEAD_WIDE, /* used from its end */
	KS_AHEAD_INDEX,
	KS_AHEAD_OVERFLOW,
	KS_AHEAD_KINDS
};

struct ks_span {
	uint8_t *at;
	size_t len;
};

#endif
