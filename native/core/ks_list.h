/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in force on layer 3 as rows for a person: a page of a table, from ask->cursor on, at most
 * ask->max rows. *next is where the next page begins, UINT32_MAX after the last. Main lcore.
 */
#ifndef KS_LIST_H
#define KS_LIST_H

#include "ks_conf.h"
#include "ks_main.h"

uint32_t ks_list_addrs(struct ks_desired *d, const struct ks_conf *c, const struct ks_holding *h,
		       const struct ks_list *ask, struct ks_list_row *rows, uint32_t *next);
uint32_t ks_list_routes(const struct ks_desired *d, const struct ks_list *ask,
			struct ks_list_row *rows, uint32_t *next);
uint32_t ks_list_neighs(const struct ks_main *m, const struct ks_conf *c, const struct ks_list *ask,
			struct ks_list_row *rows, uint32_t *next, ks_ms now);

#endif
