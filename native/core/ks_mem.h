/* SPDX-License-Identifier: Apache-2.0 */
/* Where the core gets memory from: never on the packet path, only when a worker, a table or a
 * generation is made. */
#ifndef KS_MEM_H
#define KS_MEM_H

#include <stddef.h>

struct ks_mem {
	void *ctx;
	void *(*alloc)(void *ctx, size_t size, size_t align); /* zeroed; NULL = none left */
	void (*free)(void *ctx, void *p);
};

#endif
