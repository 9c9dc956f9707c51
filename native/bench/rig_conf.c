/* SPDX-License-Identifier: Apache-2.0 */
/* The rig's generations: one service in the rig's mode, and a crowd of others, by ops as they come
 * over the socket. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "rig.h"

static union ks_addr v4(uint32_t host)
{
	union ks_addr a = { .b = { 0 } };

	a.v4 = htonl(host);
	return a;
}

static bool apply(struct rig *r, void *op, enum ks_op_type type, size_t len, char err[KS_ERR_LEN])
{
	struct ks_op *o = op;
	char reason[KS_REASON_LEN] = "";

	o->type = (uint16_t)type;
	o->len = (uint16_t)len;
	if (ks_desired_apply(r->desired, o, len, reason) == KS_OK)
		return true;
	snprintf(err, KS_ERR_LEN, "op %d refused: %s", (int)type, reason);
	return false;
}

union ks_addr rig_addr6(const char prefix[6], uint32_t low)
{
	union ks_addr a = { .b = { 0 } };

	memcpy(a.b, prefix, 6);
	low = htonl(low);
	memcpy(a.b + 12, &low, 4);
	return a;
}

/* An address of the network in front or of the one behind. */
static union ks_addr front(uint8_t af, uint32_t host)
{
	return af == 4 ? v4(host) : rig_addr6(RIG_NET6, host & 0xff);
}

static union ks_addr back(uint8_t af, uint32_t host)
{
	return af == 4 ? v4(host) : rig_addr6(RIG_BACK6, host & 0xff);
}

static bool add_addr(struct rig *r, const char *dev, uint8_t af, union ks_addr addr, uint8_t plen,
		     uint16_t flags, char err[KS_ERR_LEN])
{
	struct ks_op_addr a = { .af = af, .plen = plen, .flags = flags };

	snprintf(a.dev, sizeof(a.dev), "%s", dev);
	memcpy(a.addr, addr.b, 16);
	return apply(r, &a, KS_OP_ADDR_SET, sizeof(a), err);
}

static bool add_neigh(struct rig *r, const char *dev, uint8_t af, union ks_addr addr,
		      const uint8_t mac[6], char err[KS_ERR_LEN])
{
	struct ks_op_neigh n = { .af = af };

	snprintf(n.dev, sizeof(n.dev), "%s", dev);
	memcpy(n.mac, mac, 6);
	memcpy(n.addr, addr.b, 16);
	return apply(r, &n, KS_OP_NEIGH_SET, sizeof(n), err);
}

static struct ks_svc_key key(const struct rig *r, uint8_t proto)
{
	struct ks_svc_key k = { .af = r->mode->client_af,
				.proto = proto,
				.port = htons(RIG_VPORT) };

	memcpy(k.addr, front(k.af, RIG_VIP).b, 16);
	return k;
}

static bool add_server(struct rig *r, const struct ks_svc_key *svc, uint8_t af, union ks_addr addr,
		       uint8_t fwd, char err[KS_ERR_LEN])
{
	struct ks_op_rs rs = {
		.svc = *svc, .af = af, .fwd = fwd, .port = htons(RIG_VPORT), .weight = 1
	};

	memcpy(rs.addr, addr.b, 16);
	return apply(r, &rs, KS_OP_RS_SET, sizeof(rs), err);
}

static bool add_lip(struct rig *r, const struct ks_svc_key *svc, const char *dev, uint8_t af,
		    union ks_addr addr, char err[KS_ERR_LEN])
{
	struct ks_op_lip lip = { .svc = *svc, .af = af };

	snprintf(lip.dev, sizeof(lip.dev), "%s", dev);
	memcpy(lip.addr, addr.b, 16);
	return apply(r, &lip, KS_OP_LIP_SET, sizeof(lip), err);
}

static bool add_service(struct rig *r, uint8_t proto, const char *dev, char err[KS_ERR_LEN])
{
	const struct rig_mode *m = r->mode;
	struct ks_op_svc svc = { .key = key(r, proto), .sched = KS_SCHED_RR };
	bool ok = apply(r, &svc, KS_OP_SVC_SET, sizeof(svc), err);

	for (unsigned i = 0; ok && i < RIG_N_RS; i++)
		ok = add_server(r, &svc.key, m->rs_af, back(m->rs_af, RIG_RS + i), m->fwd, err);
	for (unsigned i = 0; ok && m->fwd == KS_FWD_FNAT && i < RIG_N_LIP; i++)
		ok = add_lip(r, &svc.key, dev, m->rs_af, back(m->rs_af, RIG_LIP + i), err);
	return ok;
}

/* Services nobody asks for, with real servers of their own. */
static bool add_crowd(struct rig *r, const char *dev, char err[KS_ERR_LEN])
{
	bool ok = true;

	for (uint32_t i = 0; ok && i < r->crowd.services; i++) {
		struct ks_op_svc svc = { .key = key(r, IPPROTO_TCP), .sched = KS_SCHED_WRR };

		svc.key.port = htons((uint16_t)(1024 + i));
		ok = apply(r, &svc, KS_OP_SVC_SET, sizeof(svc), err);
		for (uint32_t k = 0; ok && k < r->crowd.servers; k++)
			ok = add_server(r, &svc.key, 4,
					v4(0xac100000u + r->crowd.shift * 0x80000u +
					   i * r->crowd.servers + k),
					KS_FWD_FNAT, err);
		ok = ok && add_lip(r, &svc.key, dev, 4, v4(RIG_LIP + i % RIG_N_LIP), err);
	}
	return ok;
}

static bool add_network(struct rig *r, uint8_t af, const char *front_dev, const char *back_dev,
			char err[KS_ERR_LEN])
{
	uint8_t host = af == 4 ? 32 : 128, net = af == 4 ? 24 : 64;
	struct ks_op_route def = { .af = af };
	bool ok = add_addr(r, front_dev, af, front(af, RIG_VIP), host, 0, err) &&
		add_addr(r, front_dev, af, front(af, RIG_VIP + 1), net, 0, err) &&
		add_addr(r, back_dev, af, back(af, RIG_RS - 10), net, 0, err) &&
		add_neigh(r, front_dev, af, front(af, RIG_VIP + 253), r->gen[0].peer_mac, err);

	for (unsigned i = 0; ok && i < RIG_N_LIP; i++)
		ok = add_addr(r, back_dev, af, back(af, RIG_LIP + i), host, KS_ADDR_LIP, err);
	for (unsigned i = 0; ok && i < RIG_N_RS; i++)
		ok = add_neigh(r, back_dev, af, back(af, RIG_RS + i), r->gen[1].peer_mac, err);
	snprintf(def.dev, sizeof(def.dev), "%s", front_dev);
	memcpy(def.gw, front(af, RIG_VIP + 253).b, 16);
	return ok && apply(r, &def, KS_OP_ROUTE_SET, sizeof(def), err);
}

static bool fill(struct rig *r, char err[KS_ERR_LEN])
{
	const char *front_dev = r->s->port[0].info.dev,
		   *back_dev = r->s->port[r->s->n_ports - 1].info.dev;
	uint8_t a = r->mode->client_af, b = r->mode->rs_af;

	return add_network(r, a, front_dev, back_dev, err) &&
		(a == b || add_network(r, b, front_dev, back_dev, err)) &&
		add_service(r, IPPROTO_TCP, back_dev, err) &&
		add_service(r, IPPROTO_UDP, back_dev, err) && add_crowd(r, back_dev, err);
}

bool rig_desire(struct rig *r, char err[KS_ERR_LEN])
{
	char reason[KS_REASON_LEN] = "";

	if (ks_desired_begin(r->desired, true) != KS_OK || !fill(r, err))
		return false;
	if (ks_desired_commit(r->desired, ++r->generation, reason) == KS_OK)
		return true;
	snprintf(err, KS_ERR_LEN, "the generation is refused: %s", reason);
	return false;
}

struct ks_conf *rig_build(struct rig *r, const uint8_t *rs_in_use, char err[KS_ERR_LEN])
{
	char reason[KS_REASON_LEN] = "";
	struct ks_conf *conf = ks_conf_build(r->desired, rs_in_use, reason);

	if (conf == NULL)
		snprintf(err, KS_ERR_LEN, "the generation cannot be built: %s", reason);
	return conf;
}

struct ks_conf *rig_publish(struct rig *r, struct ks_conf *conf)
{
	struct ks_conf *old;

	ks_shm_publish(r->s->shm, conf);
	old = atomic_exchange(&r->s->conf, conf);
	atomic_fetch_add(&r->s->published, 1);
	return old;
}

bool rig_first_generation(struct rig *r, char err[KS_ERR_LEN])
{
	struct ks_conf *conf;

	for (unsigned i = 0; i < r->s->n_ports; i++)
		ks_desired_port(r->desired, i, &r->s->port[i].info);
	conf = rig_desire(r, err) ? rig_build(r, NULL, err) : NULL;
	if (conf == NULL)
		return false;
	rig_publish(r, conf);
	ks_main_tick(r->main, conf, shell_now(r->s)); /* takes over the static neighbours */
	return true;
}
