/* SPDX-License-Identifier: Apache-2.0 */
/* The control contract against arbitrary messages: records of two bytes length and a message; a
 * correct hello comes first, unless the input begins with 0xff. */
#include "../test/conf/check.h"
#include "control.h"
#include "ks_list.h"

static struct {
	struct test_mem tm;
	struct ks_mem mem;
	struct ks_desired *desired;
	struct ks_control *control;
	struct ks_conf *conf;
} f;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void publish(void *ctx, struct ks_conf *conf)
{
	(void)ctx;
	ks_conf_free(f.conf);
	f.conf = conf;
}
static bool quiesced(void *ctx)
{
	(void)ctx;
	return true;
}
static const uint8_t *in_use(void *ctx)
{
	(void)ctx;
	return NULL;
}
static void lease(void *ctx, uint32_t ms, const struct ks_lease_addr *a, uint32_t n,
		  struct ks_lease_state *out)
{
	(void)ctx;
	(void)ms;
	for (uint32_t i = 0; i < n; i++)
		out[i] = (struct ks_lease_state){ .status = a[i].af == 4 ? KS_OK : KS_E_NOT_FOUND };
}
static int garp(void *ctx, const struct ks_garp *g, char reason[KS_REASON_LEN])
{
	(void)ctx;
	reason[0] = '\0';
	return strnlen(g->dev, sizeof(g->dev)) < sizeof(g->dev) ? KS_OK : KS_E_NOT_FOUND;
}
static bool sessions(void *ctx, uint64_t token, const struct ks_sessions *ask)
{
	(void)ctx;
	(void)token;
	return ask->worker == 0;
}
static void shut_down(void *ctx, uint32_t drain_ms)
{
	(void)ctx;
	(void)drain_ms;
}

static uint32_t table(void *ctx, const struct ks_list *ask, struct ks_list_row *rows,
		      uint32_t *next)
{
	(void)ctx;
	if (ask->kind == KS_LIST_ROUTES)
		return ks_list_routes(f.desired, ask, rows, next);
	*next = UINT32_MAX;
	return f.conf != NULL ? ks_list_addrs(f.desired, f.conf, test_holding(), ask, rows, next)
			      : 0;
}

static void start(void)
{
	struct ks_control_opts o = {
		.cb = { NULL, in_use, publish, quiesced, lease, NULL, garp, sessions, shut_down,
			table },
		.workers = 1,
		.ports = 2,
		.shm_fd = -1,
		.version = "fuzz",
	};
	char err[KS_ERR_LEN];

	f.mem = test_mem_of(&f.tm);
	f.desired = test_desired(&f.mem, 64, 256);
	o.desired = f.desired;
	f.control = ks_control_new(&o, err);
	CHECK(f.control != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ks_control_client *cl;
	ks_ms now = 1000;
	bool alive = true;

	if (f.control == NULL)
		start();
	cl = ks_control_adopt(f.control, -1);
	if (cl == NULL)
		return 0;
	if (size > 0 && data[0] != 0xff) {
		struct {
			struct ks_msg m;
			struct ks_hello h;
		} hi = { { KS_IPC_MAGIC, KS_IPC_VERSION, KS_MSG_HELLO, 1, sizeof(struct ks_hello),
			   0 },
			 { KS_IPC_ENDIAN, 1, "fuzz" } };

		alive = ks_control_feed(cl, &hi, sizeof(hi), now);
	}
	while (alive && size >= 2) {
		size_t len = (size_t)data[0] << 8 | data[1];
		uint8_t *copy;

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		copy = malloc(len + 1);
		if (copy == NULL)
			abort();
		memcpy(copy, data, len);
		alive = ks_control_feed(cl, copy, len, now++);
		free(copy);
		data += len;
		size -= len;
		ks_control_poll(f.control, now);
	}
	/* the client goes away with whatever it had open */
	if (alive) {
		uint8_t nothing = 0;

		(void)ks_control_feed(cl, &nothing, 0, now);
	}
	ks_control_poll(f.control, now + 60000);
	return 0;
}
