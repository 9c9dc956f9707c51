/* SPDX-License-Identifier: Apache-2.0 */
/* Ops of layer 3: addresses, routes, static neighbours. */
#include <netinet/in.h>
#include <string.h>

#include "ks_ops_int.h"

static int addr_key(struct ks_desired *d, const struct ks_op_addr *op, struct ks_obj_key *key,
		    char *reason)
{
	int status = ks_op_af(op->af, "address", reason);
	int port;

	if (status != KS_OK)
		return status;
	port = ks_op_device(d, op->dev, reason);
	if (port < 0)
		return KS_E_INVALID;
	*key = (struct ks_obj_key){ .kind = KS_OBJ_ADDR, .af = op->af, .port = (uint8_t)port };
	key->addr = ks_op_addr_of(op->af, op->addr);
	return KS_OK;
}

int ks_op_addr_set(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	const struct ks_op_addr *op = (const void *)raw;
	struct ks_obj_body body = { .plen = op->plen, .flags = op->flags };
	struct ks_obj_key key;
	int status = addr_key(d, op, &key, reason);

	if (status == KS_OK)
		status = ks_op_unicast(key.af, &key.addr, "device", reason);
	if (status != KS_OK)
		return status;
	if (op->plen == 0 || op->plen > ks_op_bits(op->af))
		return ks_refuse(reason, KS_E_INVALID,
				 "an address has a prefix length of 1 to %u, not %u",
				 ks_op_bits(op->af), op->plen);
	if ((op->flags & ~(KS_ADDR_LEASED | KS_ADDR_LIP)) != 0)
		return ks_refuse(reason, KS_E_UNSUPPORTED, "address flags 0x%x are not known",
				 op->flags);
	return ks_op_set(d, &key, NULL, &body, 0, "addresses", reason);
}

int ks_op_addr_del(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	struct ks_obj_key key;
	int status = addr_key(d, (const void *)raw, &key, reason);

	return status == KS_OK ? ks_op_del(d, &key, "address", reason) : status;
}

static bool has_bits_beyond(const union ks_addr *a, unsigned plen)
{
	for (unsigned i = plen; i < 128; i++)
		if (a->b[i / 8] & (0x80u >> i % 8))
			return true;
	return false;
}

static int route_key(struct ks_desired *d, const struct ks_op_route *op, struct ks_obj_key *key,
		     char *reason)
{
	int status = ks_op_af(op->af, "route", reason);
	union ks_addr dst = ks_op_addr_of(op->af, op->dst);
	char a[KS_FMT_LEN];
	int port;

	if (status != KS_OK)
		return status;
	port = ks_op_device(d, op->dev, reason);
	if (port < 0)
		return KS_E_INVALID;
	if (op->plen > ks_op_bits(op->af))
		return ks_refuse(reason, KS_E_INVALID,
				 "a route has a prefix length of 0 to %u, not %u",
				 ks_op_bits(op->af), op->plen);
	if (has_bits_beyond(&dst, op->plen))
		return ks_refuse(reason, KS_E_INVALID,
				 "%s/%u has bits set beyond its prefix length",
				 ks_fmt(a, op->af, &dst), op->plen);
	*key = (struct ks_obj_key){ .kind = KS_OBJ_ROUTE,
				    .af = op->af,
				    .port = (uint8_t)port,
				    .x = op->plen,
				    .metric = op->metric };
	key->addr = dst;
	key->gw = ks_op_addr_of(op->af, op->gw);
	return KS_OK;
}

int ks_op_route_set(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	const struct ks_op_route *op = (const void *)raw;
	struct ks_obj_body body = { .mtu = op->mtu, .weight = op->weight };
	struct ks_obj_key key;
	int status = route_key(d, op, &key, reason);

	if (status == KS_OK && !ks_addr_unset(&key.gw))
		status = ks_op_unicast(key.af, &key.gw, "gateway", reason);
	body.src = ks_op_addr_of(op->af, op->src);
	if (status == KS_OK && !ks_addr_unset(&body.src))
		status = ks_op_unicast(key.af, &body.src, "source", reason);
	if (status != KS_OK)
		return status;
	if (op->mtu != 0 && (op->mtu < 68 || op->mtu > 65535)) /* RFC 791: every host takes 68 */
		return ks_refuse(reason, KS_E_INVALID, "an MTU is 68 to 65535 bytes, not %u",
				 op->mtu);
	return ks_op_set(d, &key, NULL, &body, d->limits.max_routes, "routes", reason);
}

int ks_op_route_del(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	struct ks_obj_key key;
	int status = route_key(d, (const void *)raw, &key, reason);

	return status == KS_OK ? ks_op_del(d, &key, "route to", reason) : status;
}

static int neigh_key(struct ks_desired *d, const struct ks_op_neigh *op, struct ks_obj_key *key,
		     char *reason)
{
	int status = ks_op_af(op->af, "neighbour", reason);
	int port;

	if (status != KS_OK)
		return status;
	port = ks_op_device(d, op->dev, reason);
	if (port < 0)
		return KS_E_INVALID;
	*key = (struct ks_obj_key){ .kind = KS_OBJ_NEIGH, .af = op->af, .port = (uint8_t)port };
	key->addr = ks_op_addr_of(op->af, op->addr);
	return ks_op_unicast(op->af, &key->addr, "neighbour", reason);
}

int ks_op_neigh_set(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	static const uint8_t zero[6];
	const struct ks_op_neigh *op = (const void *)raw;
	struct ks_obj_body body = { 0 };
	struct ks_obj_key key;
	int status = neigh_key(d, op, &key, reason);
	char a[KS_FMT_LEN];

	if (status != KS_OK)
		return status;
	if ((op->mac[0] & 1) != 0 || memcmp(op->mac, zero, 6) == 0)
		return ks_refuse(reason, KS_E_INVALID,
				 "the neighbour %s needs a unicast hardware address",
				 ks_fmt(a, key.af, &key.addr));
	memcpy(body.mac, op->mac, 6);
	return ks_op_set(d, &key, NULL, &body, KS_NEIGH_STATIC_MAX, "static neighbours", reason);
}

int ks_op_neigh_del(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	struct ks_obj_key key;
	int status = neigh_key(d, (const void *)raw, &key, reason);

	return status == KS_OK ? ks_op_del(d, &key, "neighbour", reason) : status;
}
