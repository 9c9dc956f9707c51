/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of ops share: fields and their checks, and the change itself. Everything that
 * returns int returns enum ks_status, and a sentence in reason where that is not KS_OK. */
#ifndef KS_OPS_INT_H
#define KS_OPS_INT_H

#include "ks_desired.h"

int ks_op_af(uint8_t af, const char *what, char *reason);
unsigned ks_op_bits(uint8_t af);
union ks_addr ks_op_addr_of(uint8_t af, const uint8_t field[16]);
int ks_op_unicast(uint8_t af, const union ks_addr *addr, const char *what, char *reason);
/* Make or change an object; max 0 = as many as there is memory for. */
int ks_op_set(struct ks_desired *d, const struct ks_obj_key *key, struct ks_obj *owner,
	      struct ks_obj_body *body, uint32_t max, const char *what, char *reason);
int ks_op_del(struct ks_desired *d, const struct ks_obj_key *key, const char *what, char *reason);

int ks_op_addr_set(struct ks_desired *d, const struct ks_op *op, char *reason);
int ks_op_addr_del(struct ks_desired *d, const struct ks_op *op, char *reason);
int ks_op_route_set(struct ks_desired *d, const struct ks_op *op, char *reason);
int ks_op_route_del(struct ks_desired *d, const struct ks_op *op, char *reason);
int ks_op_neigh_set(struct ks_desired *d, const struct ks_op *op, char *reason);
int ks_op_neigh_del(struct ks_desired *d, const struct ks_op *op, char *reason);

#endif
