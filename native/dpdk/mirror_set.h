/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's routes as we know them: a dense array, ready to be handed over as a whole, with an
 * index by what makes the kernel regard two routes as rivals (destination, length, metric).
 * Addresses, which are few, live in a plain array. */
#ifndef KS_MIRROR_SET_H
#define KS_MIRROR_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ks_conf.h"

struct ks_route_set {
	struct ks_mirror_route *route;
	uint32_t n, cap;
	uint32_t *index; /* number of the route + 1, 0 = empty */
	uint32_t mask;
};

struct ks_addr_set {
	struct ks_mirror_addr *addr;
	uint32_t n, cap;
};

/* All records must have been zeroed before they were filled: they are compared as bytes. The
 * functions return false when nothing changed (or when memory is short, which *failed tells). */
bool ks_route_set_add(struct ks_route_set *s, const struct ks_mirror_route *r, bool *failed);
bool ks_route_set_del(struct ks_route_set *s, const struct ks_mirror_route *r);
bool ks_route_set_replace(struct ks_route_set *s, const struct ks_mirror_route *r,
			  bool *failed); /* its rivals go */
void ks_route_set_clear(struct ks_route_set *s);
void ks_route_set_free(struct ks_route_set *s);

bool ks_addr_set_add(struct ks_addr_set *s, const struct ks_mirror_addr *a, bool *failed);
bool ks_addr_set_del(struct ks_addr_set *s, const struct ks_mirror_addr *a);
void ks_addr_set_free(struct ks_addr_set *s);

#endif
