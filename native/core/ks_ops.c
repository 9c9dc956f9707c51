/* SPDX-License-Identifier: Apache-2.0 */
/* One op of the contract: its length, its fields, what it refers to; then the change. Every refusal
 * says in one sentence what is wrong. Nothing is trusted: an op may come from a broken client. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "ks_maglev.h"
#include "ks_ops_int.h"
#include "ks_sched.h"

#define SVC_FLAGS                                                                        \
	(KS_SVC_EXPIRE_QUIESCENT | KS_SVC_ONE_PACKET | KS_SVC_QUIC | KS_SVC_SCHED_PORT | \
	 KS_SVC_SCHED_FALLBACK | KS_SVC_EXPIRE_TEMPLATE) /* what the workers heed */
#define NO_MEMORY(reason) ks_refuse(reason, KS_E_NO_MEMORY, "no memory left for this op")

/* ---- fields ---------------------------------------------------------------------------------------------------- */

/* Number of the device, or -1 with reason. */
int ks_op_device(const struct ks_desired *d, const char dev[KS_DEV_NAME], char *reason)
{
	if (dev[0] == 0 || memchr(dev, 0, KS_DEV_NAME) == NULL) {
		ks_refuse(reason, KS_E_INVALID, "a device name is empty or not terminated");
		return -1;
	}
	for (uint32_t i = 0; i < d->n_ports; i++)
		if (strcmp(d->port[i].dev, dev) == 0)
			return (int)i;
	ks_refuse(reason, KS_E_INVALID, "there is no device %s", dev);
	return -1;
}

int ks_op_af(uint8_t af, const char *what, char *reason)
{
	if (af == 4 || af == 6)
		return KS_OK;
	return ks_refuse(reason, KS_E_INVALID, "%s: the address family is 4 or 6, not %u", what,
			 af);
}

unsigned ks_op_bits(uint8_t af)
{
	return af == 4 ? 32 : 128;
}

union ks_addr ks_op_addr_of(uint8_t af, const uint8_t field[16])
{
	union ks_addr a = { .q = { 0, 0 } };

	memcpy(a.b, field, ks_op_bits(af) / 8);
	return a;
}

/* Neither this host, nor loopback, nor a group, nor IPv4 in IPv6 clothes. */
static bool is_unicast(uint8_t af, const union ks_addr *a)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

	if (af == 4)
		return a->b[0] != 0 && a->b[0] != 127 && a->b[0] < 224;
	if (a->b[0] == 0xff || memcmp(a->b, mapped, sizeof(mapped)) == 0)
		return false;
	return a->q[0] != 0 || ntohl((uint32_t)(a->q[1] >> 32)) > 1 || (uint32_t)a->q[1] != 0;
}

int ks_op_unicast(uint8_t af, const union ks_addr *addr, const char *what, char *reason)
{
	char text[KS_FMT_LEN];

	if (!is_unicast(af, addr))
		return ks_refuse(reason, KS_E_INVALID, "%s cannot be the address of a %s",
				 ks_fmt(text, af, addr), what);
	return KS_OK;
}

static bool is_served(uint8_t af, uint8_t proto, bool match)
{
	if (proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP)
		return true;
	return match && proto == (af == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static int svc_key(const struct ks_svc_key *k, struct ks_obj_key *key, char *reason)
{
	int status = ks_op_af(k->af, "service", reason);
	bool match;

	if (status != KS_OK)
		return status;
	*key = (struct ks_obj_key){
		.kind = KS_OBJ_SVC, .af = k->af, .x = k->proto, .l4port = k->port
	};
	key->addr = ks_op_addr_of(k->af, k->addr);
	match = ks_is_match_name(k->af, k->port, &key->addr);
	if (!is_served(k->af, k->proto, match))
		return ks_refuse(
			reason, KS_E_UNSUPPORTED,
			"a service of IP protocol %u cannot be served: only TCP, UDP and SCTP are, "
			"and with SNAT the ICMP of its family",
			k->proto);
	if (match)
		return KS_OK;
	if (k->port == 0)
		return ks_refuse(reason, KS_E_INVALID, "a service needs a port");
	return ks_op_unicast(k->af, &key->addr, "service", reason);
}

static const char *proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_UDP:
		return "UDP";
	case IPPROTO_SCTP:
		return "SCTP";
	case IPPROTO_ICMP:
		return "ICMP";
	case IPPROTO_ICMPV6:
		return "ICMPV6";
	default:
		return "TCP";
	}
}

const char *ks_op_service_name(char buf[KS_NAME_TEXT], const struct ks_svc_key *k)
{
	union ks_addr addr = ks_op_addr_of(k->af, k->addr);
	char a[KS_FMT_LEN];

	snprintf(buf, KS_NAME_TEXT, k->af == 4 ? "%s %s:%u" : "%s [%s]:%u", proto_name(k->proto),
		 ks_fmt(a, k->af, &addr), ntohs(k->port));
	return buf;
}

/* The live service an op refers to. */
int ks_op_service(struct ks_desired *d, const struct ks_svc_key *k, struct ks_obj **svc,
		  char *reason)
{
	struct ks_obj_key key;
	int status = svc_key(k, &key, reason);
	char name[KS_NAME_TEXT];

	if (status != KS_OK)
		return status;
	*svc = ks_obj_find(d, &key);
	if (!ks_obj_live(*svc))
		return ks_refuse(reason, KS_E_INVALID, "there is no service %s",
				 ks_op_service_name(name, k));
	return KS_OK;
}

int ks_op_set(struct ks_desired *d, const struct ks_obj_key *key, struct ks_obj *owner,
	      struct ks_obj_body *body, uint32_t max, const char *what, char *reason)
{
	if (max != 0 && d->n_live[key->kind] >= max && !ks_obj_live(ks_obj_find(d, key)))
		return ks_refuse(reason, KS_E_NO_MEMORY, "no room for more than %u %s", max, what);
	body->live = true;
	return ks_obj_set(d, key, owner, body) != NULL ? KS_OK : NO_MEMORY(reason);
}

int ks_op_del(struct ks_desired *d, const struct ks_obj_key *key, const char *what, char *reason)
{
	struct ks_obj *o = ks_obj_find(d, key);
	char a[KS_FMT_LEN];

	if (!ks_obj_live(o))
		return ks_refuse(reason, KS_E_NOT_FOUND, "there is no %s %s to delete", what,
				 ks_fmt(a, key->af, &key->addr));
	return ks_obj_delete(d, o) ? KS_OK : NO_MEMORY(reason);
}

/* ---- ops ------------------------------------------------------------------------------------------------------- */

static int svc_set(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	const struct ks_op_svc *op = (const void *)raw;
	struct ks_obj_body body = { .sched = op->sched,
				    .flags = op->flags,
				    .est_timeout_ms = op->est_timeout_ms,
				    .persist_ms = op->persist_ms,
				    .plen = op->persist_plen,
				    .quic_config = op->quic_config,
				    .quic_len = op->quic_len };
	struct ks_obj_key key;
	int status = svc_key(&op->key, &key, reason);
	char name[KS_NAME_TEXT];

	if (status != KS_OK)
		return status;
	if (!ks_sched_known(op->sched))
		return ks_refuse(reason, KS_E_INVALID, "service %s: there is no scheduler %u",
				 ks_op_service_name(name, &op->key), op->sched);
	if ((op->flags & ~SVC_FLAGS) != 0)
		return ks_refuse(reason, KS_E_UNSUPPORTED,
				 "service %s: flags 0x%x are not supported",
				 ks_op_service_name(name, &op->key), op->flags & ~SVC_FLAGS);
	if (op->persist_ms > INT32_MAX)
		return ks_refuse(reason, KS_E_INVALID,
				 "service %s: persistence is at most %d ms, not %u",
				 ks_op_service_name(name, &op->key), INT32_MAX, op->persist_ms);
	if (op->flags & KS_SVC_QUIC && (key.x != IPPROTO_UDP || key.l4port == 0))
		return ks_refuse(reason, KS_E_INVALID, "service %s: QUIC goes over UDP",
				 ks_op_service_name(name, &op->key));
	if (op->quic_config > 7 ||
	    (op->quic_config != 0 && (op->quic_len == 0 || op->quic_len > 15)))
		return ks_refuse(reason, KS_E_INVALID,
				 "service %s: QUIC-LB has config ids 0 to 6 and server ids of 1 to "
				 "15 bytes",
				 ks_op_service_name(name, &op->key));
	if (op->flags & KS_SVC_ONE_PACKET && key.x != IPPROTO_UDP)
		return ks_refuse(reason, KS_E_INVALID,
				 "service %s: one-packet scheduling is for UDP",
				 ks_op_service_name(name, &op->key));
	if (op->persist_ms != 0 && key.l4port == 0)
		return ks_refuse(reason, KS_E_UNSUPPORTED, "service %s: SNAT knows no persistence",
				 ks_op_service_name(name, &op->key));
	if (op->persist_ms != 0 &&
	    (op->persist_plen == 0 || op->persist_plen > ks_op_bits(op->key.af)))
		return ks_refuse(reason, KS_E_INVALID,
				 "service %s: a persistence prefix has 1 to %u bits, not %u",
				 ks_op_service_name(name, &op->key), ks_op_bits(op->key.af),
				 op->persist_plen);
	return ks_op_set(d, &key, NULL, &body, d->limits.max_services, "services", reason);
}

static int svc_del(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	struct ks_obj *svc;
	int status =
		ks_op_service(d, &((const struct ks_op_svc *)(const void *)raw)->key, &svc, reason);

	if (status != KS_OK)
		return status == KS_E_INVALID ? KS_E_NOT_FOUND : status;
	return ks_obj_delete(d, svc) ? KS_OK : NO_MEMORY(reason);
}

static int rs_key(struct ks_desired *d, const struct ks_op_rs *op, struct ks_obj **svc,
		  struct ks_obj_key *key, char *reason)
{
	int status = ks_op_service(d, &op->svc, svc, reason);

	if (status == KS_OK)
		status = ks_op_af(op->af, "real server", reason);
	if (status != KS_OK)
		return status;
	*key = (struct ks_obj_key){
		.kind = KS_OBJ_RS, .af = op->af, .l4port = op->port, .owner = (*svc)->id
	};
	key->addr = ks_op_addr_of(op->af, op->addr);
	return ks_op_unicast(op->af, &key->addr, "real server", reason);
}

/* Which real servers a service can have: FNAT translates between the families, a tunnel carries
 * IPv6 over IPv4, everything else stays in its own. */
static bool families_fit(uint8_t fwd, uint8_t svc_af, uint8_t rs_af)
{
	return svc_af == rs_af || fwd == KS_FWD_FNAT ||
		(fwd == KS_FWD_TUN && svc_af == 6 && rs_af == 4);
}

/* Kind, checksum and port of a tunnel; nothing else has flags. */
static bool tunnel_fits(const struct ks_op_rs *op)
{
	uint32_t kind = op->flags & KS_RS_TUN_KIND, port = op->flags >> KS_RS_TUN_PORT_SHIFT;

	if (op->flags == 0)
		return true;
	if (op->fwd != KS_FWD_TUN ||
	    (op->flags & 0xffffu & ~(KS_RS_TUN_KIND | KS_RS_TUN_CSUM)) != 0)
		return false;
	return kind == KS_RS_TUN_GRE ? port == 0 : kind == KS_RS_TUN_GUE && port != 0;
}

static int rs_set(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	const struct ks_op_rs *op = (const void *)raw;
	struct ks_obj_body body = { .sched = op->fwd,
				    .weight = op->weight,
				    .flags = op->flags,
				    .upper = op->upper,
				    .lower = op->lower };
	struct ks_obj_key key;
	struct ks_obj *svc;
	int status = rs_key(d, op, &svc, &key, reason);
	char a[KS_FMT_LEN];

	if (status != KS_OK)
		return status;
	if (op->fwd < KS_FWD_FNAT || op->fwd > KS_FWD_SNAT)
		return ks_refuse(reason, KS_E_INVALID,
				 "real server %s: there is no forwarding mode %u",
				 ks_fmt(a, key.af, &key.addr), op->fwd);
	if ((op->fwd == KS_FWD_SNAT) != (svc->key.l4port == 0))
		return ks_refuse(
			reason, KS_E_INVALID,
			"real server %s: SNAT and match services go together, and only together",
			ks_fmt(a, key.af, &key.addr));
	if ((op->port == 0) != (op->fwd == KS_FWD_SNAT))
		return ks_refuse(reason, KS_E_INVALID, "real server %s %s a port",
				 ks_fmt(a, key.af, &key.addr),
				 op->port == 0 ? "needs" : "is an address to leave with, without");
	if (!families_fit(op->fwd, op->svc.af, op->af))
		return ks_refuse(
			reason, KS_E_INVALID,
			"real server %s: its forwarding mode does not lead from IPv%u to IPv%u",
			ks_fmt(a, key.af, &key.addr), op->svc.af, op->af);
	if (op->weight > KS_WEIGHT_MAX)
		return ks_refuse(reason, KS_E_INVALID,
				 "real server %s: a weight is at most %u, not %u",
				 ks_fmt(a, key.af, &key.addr), KS_WEIGHT_MAX, op->weight);
	if (op->lower > op->upper)
		return ks_refuse(reason, KS_E_INVALID,
				 "real server %s: the lower threshold, %u, is above the upper, %u",
				 ks_fmt(a, key.af, &key.addr), op->lower, op->upper);
	if (!tunnel_fits(op))
		return ks_refuse(reason, KS_E_UNSUPPORTED,
				 "real server %s: flags 0x%x are not supported",
				 ks_fmt(a, key.af, &key.addr), op->flags);
	return ks_op_set(d, &key, svc, &body, d->limits.max_rs_slots, "real servers", reason);
}

static int rs_del(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	struct ks_obj_key key;
	struct ks_obj *svc;
	int status = rs_key(d, (const void *)raw, &svc, &key, reason);

	return status == KS_OK ? ks_op_del(d, &key, "real server", reason) : status;
}

static int lip_key(struct ks_desired *d, const struct ks_op_lip *op, struct ks_obj **svc,
		   struct ks_obj_key *key, char *reason)
{
	int status = ks_op_service(d, &op->svc, svc, reason);

	if (status == KS_OK)
		status = ks_op_af(op->af, "local address", reason);
	if (status != KS_OK)
		return status;
	*key = (struct ks_obj_key){ .kind = KS_OBJ_LIP, .af = op->af, .owner = (*svc)->id };
	key->addr = ks_op_addr_of(op->af, op->addr);
	return ks_op_unicast(op->af, &key->addr, "local address", reason);
}

static int lip_set(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	const struct ks_op_lip *op = (const void *)raw;
	struct ks_obj_body body = { 0 };
	struct ks_obj_key key;
	struct ks_obj *svc;
	int status = lip_key(d, op, &svc, &key, reason);
	int port;

	if (status != KS_OK)
		return status;
	port = ks_op_device(d, op->dev, reason);
	if (port < 0)
		return KS_E_INVALID;
	body.port = (uint8_t)port;
	return ks_op_set(d, &key, svc, &body, 0, "local addresses", reason);
}

static int lip_del(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	struct ks_obj_key key;
	struct ks_obj *svc;
	int status = lip_key(d, (const void *)raw, &svc, &key, reason);

	return status == KS_OK ? ks_op_del(d, &key, "local address", reason) : status;
}

static int param_set(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	const struct ks_op_param *op = (const void *)raw;
	uint32_t min = 1, max = UINT32_MAX;

	switch (op->param) {
	case KS_PARAM_DEFAULT_TTL:
		max = 255;
		break;
	case KS_PARAM_LPORT_MIN:
	case KS_PARAM_LPORT_MAX:
		max = 65535;
		break;
	case KS_PARAM_NEIGH_TIMEOUT:
		min = 1000;
		break;
	case KS_PARAM_REUSE_STATES:
		min = 0;
		max = (1u << KS_ST_COUNT) - 1;
		break;
	case KS_PARAM_RESET_EXPIRED:
		min = 0;
		max = 1;
		break;
	default:
		break;
	}
	if (op->param >= KS_PARAM_COUNT)
		return ks_refuse(reason, KS_E_UNSUPPORTED, "there is no parameter %u", op->param);
	if (op->param == KS_PARAM_MAGLEV_SIZE && !ks_maglev_size_ok(op->value))
		return ks_refuse(reason, KS_E_INVALID,
				 "a Maglev table has a prime number of rows from %u to %u, not %u",
				 KS_MAGLEV_MIN, KS_MAGLEV_MAX, op->value);
	if (op->value < min || op->value > max)
		return ks_refuse(reason, KS_E_INVALID, "parameter %u is %u to %u, not %u",
				 op->param, min, max, op->value);
	d->param[op->param] = op->value;
	return KS_OK;
}

/* ---- dispatch -------------------------------------------------------------------------------------------------- */

static const struct op_kind {
	size_t size;
	int (*apply)(struct ks_desired *d, const struct ks_op *op, char *reason);
} kinds[] = {
	[KS_OP_ADDR_SET] = { sizeof(struct ks_op_addr), ks_op_addr_set },
	[KS_OP_ADDR_DEL] = { sizeof(struct ks_op_addr), ks_op_addr_del },
	[KS_OP_ROUTE_SET] = { sizeof(struct ks_op_route), ks_op_route_set },
	[KS_OP_ROUTE_DEL] = { sizeof(struct ks_op_route), ks_op_route_del },
	[KS_OP_NEIGH_SET] = { sizeof(struct ks_op_neigh), ks_op_neigh_set },
	[KS_OP_NEIGH_DEL] = { sizeof(struct ks_op_neigh), ks_op_neigh_del },
	[KS_OP_SVC_SET] = { sizeof(struct ks_op_svc), svc_set },
	[KS_OP_SVC_DEL] = { sizeof(struct ks_op_svc), svc_del },
	[KS_OP_RS_SET] = { sizeof(struct ks_op_rs), rs_set },
	[KS_OP_RS_DEL] = { sizeof(struct ks_op_rs), rs_del },
	[KS_OP_LIP_SET] = { sizeof(struct ks_op_lip), lip_set },
	[KS_OP_LIP_DEL] = { sizeof(struct ks_op_lip), lip_del },
	[KS_OP_PARAM_SET] = { sizeof(struct ks_op_param), param_set },
	[KS_OP_MATCH_SET] = { sizeof(struct ks_op_match), ks_op_match_set },
};

int ks_op_check_and_apply(struct ks_desired *d, const struct ks_op *op, size_t len, char *reason)
{
	if (len < sizeof(*op))
		return ks_refuse(reason, KS_E_MALFORMED, "an op is cut off");
	if (op->type >= sizeof(kinds) / sizeof(kinds[0]) || kinds[op->type].apply == NULL)
		return ks_refuse(reason, KS_E_UNSUPPORTED, "op type %u is not known", op->type);
	if (op->len != len || len != kinds[op->type].size)
		return ks_refuse(reason, KS_E_MALFORMED, "an op of type %u has %zu bytes, not %zu",
				 op->type, kinds[op->type].size, len);
	return kinds[op->type].apply(d, op, reason);
}
