/* SPDX-License-Identifier: Apache-2.0 */
/* What a match service takes: the two ends of the packets it lets out with another source. */
#include <netinet/in.h>
#include <string.h>

#include "ks_desired.h"

bool ks_is_match_name(uint8_t af, ks_be16 port, const union ks_addr *name)
{
	static const uint8_t discard[8] = { 1 }; /* RFC 6666 */

	if (port != 0)
		return false;
	return af == 4 ? name->b[0] == 0 : memcmp(name->b, discard, sizeof(discard)) == 0;
}

static int get_range(const struct ks_op_match *op, struct ks_obj_body *body, const char *name,
		     char *reason)
{
	size_t n = op->svc.af == 4 ? 4 : 16;

	memcpy(body->src.b, op->first, n);
	memcpy(body->last.b, op->last, n);
	body->first_port = ntohs(op->first_port);
	body->last_port = ntohs(op->last_port);
	if (memcmp(body->src.b, body->last.b, 16) > 0 || body->first_port > body->last_port)
		return ks_refuse(reason, KS_E_INVALID, "%s: a range ends before it begins", name);
	if (body->last_port == 0)
		body->last_port = UINT16_MAX;
	if ((body->last.q[0] | body->last.q[1]) == 0)
		memset(body->last.b, 0xff, n);
	return KS_OK;
}

int ks_op_match_set(struct ks_desired *d, const struct ks_op *raw, char *reason)
{
	const struct ks_op_match *op = (const void *)raw;
	struct ks_obj_body body = { .live = true, .port = KS_ANY_PORT, .weight = op->order };
	struct ks_obj_key key;
	struct ks_obj *svc;
	int status = ks_op_service(d, &op->svc, &svc, reason);
	char name[KS_NAME_TEXT];
	int port;

	if (status != KS_OK)
		return status;
	ks_op_service_name(name, &op->svc);
	if (svc->key.l4port != 0)
		return ks_refuse(reason, KS_E_INVALID, "%s is no match service", name);
	if (op->end > KS_MATCH_DESTINATION)
		return ks_refuse(reason, KS_E_INVALID, "%s: a match has no end %u", name, op->end);
	status = get_range(op, &body, name, reason);
	if (status != KS_OK)
		return status;
	if (op->dev[0] != 0) {
		port = ks_op_device(d, op->dev, reason);
		if (port < 0)
			return KS_E_INVALID;
		body.port = (uint8_t)port;
	}
	key = (struct ks_obj_key){
		.kind = KS_OBJ_MATCH, .af = op->svc.af, .x = op->end, .owner = svc->id
	};
	return ks_obj_set(d, &key, svc, &body) != NULL
		? KS_OK
		: ks_refuse(reason, KS_E_NO_MEMORY, "no memory left for this op");
}
