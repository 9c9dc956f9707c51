/* SPDX-License-Identifier: Apache-2.0 */
/* Source address selection (RFC 6724 §5), of the addresses of one port. One of ours that stays goes
 * before a VIP, which is elsewhere the moment VRRP says so. */
#include <string.h>

#include "ks_lease.h"
#include "ks_tables.h"

enum { SCOPE_LINK = 2, SCOPE_SITE = 5, SCOPE_GLOBAL = 14 };

/* §3.1 */
static unsigned scope_of(const union ks_addr *a)
{
	if (a->b[0] == 0xff)
		return a->b[1] & 15u;
	if (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80)
		return SCOPE_LINK;
	if (a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0xc0)
		return SCOPE_SITE;
	return SCOPE_GLOBAL;
}

/* The table of §2.1, as far as addresses of a network card can be of it. */
static unsigned label_of(const union ks_addr *a)
{
	if (a->b[0] == 0x20 && a->b[1] == 0x02)
		return 2; /* 6to4 */
	if (a->b[0] == 0x20 && a->b[1] == 0x01 && a->b[2] == 0 && a->b[3] == 0)
		return 5; /* Teredo */
	return (a->b[0] & 0xfe) == 0xfc ? 13 : 1;
}

static unsigned common_bits(const union ks_addr *a, const union ks_addr *b)
{
	for (unsigned i = 0; i < 16; i++)
		if (a->b[i] != b->b[i])
			return 8 * i + (unsigned)__builtin_clz((unsigned)(a->b[i] ^ b->b[i])) - 24;
	return 128;
}

/* Is x better than y? Where no rule tells, the one that came first stays. */
static bool is_better(const struct ks_source6 *x, const struct ks_source6 *y,
		      const union ks_addr *dst)
{
	unsigned sx = scope_of(&x->addr), sy = scope_of(&y->addr), sd = scope_of(dst);
	bool lx, ly;

	if (sx != sy) /* rule 2 */
		return sx < sy ? sx >= sd : sy < sd;
	if (x->moves != y->moves)
		return y->moves;
	if (x->deprecated != y->deprecated) /* rule 3 */
		return y->deprecated;
	lx = label_of(&x->addr) == label_of(dst);
	ly = label_of(&y->addr) == label_of(dst);
	if (lx != ly) /* rule 6 */
		return lx;
	return common_bits(&x->addr, dst) > common_bits(&y->addr, dst); /* rule 8 */
}

union ks_addr ks_source6_choose(const struct ks_sources6 *s, const struct ks_holding *h,
				const union ks_addr *dst)
{
	static const union ks_addr none = { .q = { 0, 0 } };
	const struct ks_source6 *best = NULL;

	for (uint32_t i = 0; i < s->n; i++) {
		if (s->a[i].moves && ks_lease_until(h->leases, s->a[i].lease) <= h->now)
			continue;
		if (memcmp(&s->a[i].addr, dst, sizeof(*dst)) == 0) /* rule 1 */
			return *dst;
		if (best == NULL || is_better(&s->a[i], best, dst))
			best = &s->a[i];
	}
	return best != NULL ? best->addr : none;
}
