/* SPDX-License-Identifier: Apache-2.0 */
/* The control server over real SEQPACKET sockets: generations, single requests, several clients,
 * and every kind of malformed message. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"
#include "control.h"
#include "ks_worker.h"

static struct lab {
	struct test_mem tm;
	struct ks_mem mem;
	struct ks_desired *d;
	struct ks_control *c;
	struct ks_conf *conf;
	bool busy; /* workers are still in the old generation */
	unsigned published, shutdowns;
	uint32_t drain_ms, lease_ms, lease_n;
	struct ks_lease_addr lease[2];
	char greeted[33];
	struct ks_garp garp;
	uint64_t token;
	struct ks_sessions ask;
	struct ks_list list;
	int shm_fd;
	void *shm;
	ks_ms now;
} lab;

static void on_publish(void *ctx, struct ks_conf *c)
{
	(void)ctx;
	if (lab.conf != NULL)
		ks_conf_free(lab.conf);
	lab.conf = c;
	lab.published++;
}

static bool on_quiesced(void *ctx)
{
	(void)ctx;
	return !lab.busy;
}

static void on_lease(void *ctx, uint32_t ms, const struct ks_lease_addr *a, uint32_t n,
		     struct ks_lease_state *out)
{
	(void)ctx;
	lab.lease_ms = ms;
	lab.lease_n = n;
	for (uint32_t i = 0; i < n; i++) {
		if (i < 2)
			lab.lease[i] = a[i];
		out[i] = (struct ks_lease_state){ .left_ms = ms, .renewed_ms_ago = i };
	}
}

static void on_greeted(void *ctx, const char *name, uint32_t pid)
{
	(void)ctx;
	(void)pid;
	snprintf(lab.greeted, sizeof(lab.greeted), "%s", name);
}

static int on_garp(void *ctx, const struct ks_garp *g, char reason[KS_REASON_LEN])
{
	(void)ctx;
	lab.garp = *g;
	if (strcmp(g->dev, "dpdk0") == 0)
		return KS_OK;
	snprintf(reason, KS_REASON_LEN, "there is no device %s", g->dev);
	return KS_E_NOT_FOUND;
}

static bool on_sessions(void *ctx, uint64_t token, const struct ks_sessions *ask)
{
	(void)ctx;
	lab.token = token;
	lab.ask = *ask;
	return true;
}

static void on_shutdown(void *ctx, uint32_t drain_ms)
{
	(void)ctx;
	lab.shutdowns++;
	lab.drain_ms = drain_ms;
}

static uint32_t on_list(void *ctx, const struct ks_list *ask, struct ks_list_row *rows,
			uint32_t *next)
{
	(void)ctx;
	lab.list = *ask;
	rows[0] = (struct ks_list_row){ .dev = "dpdk1", .metric = ask->cursor };
	*next = ask->cursor + 1;
	return 1;
}

static struct ks_control *control_new(const char *path, char err[KS_ERR_LEN])
{
	struct ks_control_opts o = { .path = path,
				     .desired = lab.d,
				     .cb = { .publish = on_publish,
					     .quiesced = on_quiesced,
					     .lease = on_lease,
					     .greeted = on_greeted,
					     .garp = on_garp,
					     .sessions = on_sessions,
					     .shutdown = on_shutdown,
					     .list = on_list },
				     .boot_id = 0x1122334455667788,
				     .workers = 2,
				     .ports = 2,
				     .shm_fd = lab.shm_fd,
				     .shm_size = 4096,
				     .version = "1.2.3" };

	return ks_control_new(&o, err);
}

static void set_up(void)
{
	char err[KS_ERR_LEN];

	memset(&lab, 0, sizeof(lab));
	lab.mem = test_mem_of(&lab.tm);
	lab.d = test_desired(&lab.mem, 64, 64);
	lab.shm = ks_sock_shared_memory("test", 4096, &lab.shm_fd, err);
	CHECK(lab.shm != NULL);
	strcpy(lab.shm, "counted here");
	lab.c = control_new(NULL, err);
	CHECK(lab.c != NULL);
}

static void tear_down(void)
{
	ks_control_free(lab.c);
	if (lab.conf != NULL)
		ks_conf_free(lab.conf);
	ks_desired_free(lab.d);
	munmap(lab.shm, 4096);
	close(lab.shm_fd);
	CHECK_EQ(lab.tm.live, 0);
}

/* ---- the client's side ----------------------------------------------------------------------------------------- */

static int client(void)
{
	int fd[2];

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fd) == 0);
	CHECK(ks_control_adopt(lab.c, fd[1]) != NULL);
	return fd[0];
}

static void turn(void)
{
	for (unsigned i = 0; i < 8; i++)
		ks_control_poll(lab.c, lab.now);
}

/* Sent, and not read yet. */
static void post(int fd, unsigned type, uint32_t seq, const void *body, size_t len)
{
	static uint8_t buf[KS_IPC_MAX_MSG];
	struct ks_msg m = { .magic = KS_IPC_MAGIC,
			    .version = KS_IPC_VERSION,
			    .type = (uint8_t)type,
			    .seq = seq,
			    .len = (uint32_t)len };

	memcpy(buf, &m, sizeof(m));
	if (len > 0)
		memcpy(buf + sizeof(m), body, len);
	CHECK(send(fd, buf, sizeof(m) + len, 0) == (ssize_t)(sizeof(m) + len));
}

static void tell(int fd, unsigned type, uint32_t seq, const void *body, size_t len)
{
	post(fd, type, seq, body, len);
	turn();
}

/* The next message of that type; its body. */
static void hear(int fd, unsigned type, uint32_t seq, void *body, size_t len)
{
	uint8_t buf[KS_IPC_MAX_MSG];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);
	struct ks_msg m;

	CHECK(n >= (ssize_t)sizeof(m));
	memcpy(&m, buf, sizeof(m));
	CHECK_EQ(m.type, type);
	CHECK_EQ(m.seq, seq);
	CHECK_EQ(m.len, n - (ssize_t)sizeof(m));
	CHECK_EQ(m.len, len);
	memcpy(body, buf + sizeof(m), len);
}

static bool silent(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

static struct ks_ack ack(int fd, uint32_t seq)
{
	struct ks_ack a;

	hear(fd, KS_MSG_ACK, seq, &a, sizeof(a));
	CHECK(memchr(a.reason, 0, sizeof(a.reason)) != NULL);
	return a;
}

static void expect_ack(int fd, uint32_t seq, uint32_t status, uint32_t op_index, const char *reason)
{
	struct ks_ack a = ack(fd, seq);

	CHECK_STR(a.reason, reason);
	CHECK_EQ(a.status, status);
	CHECK_EQ(a.op_index, op_index);
}

static void greet(int fd)
{
	struct ks_hello h = { .endian = KS_IPC_ENDIAN, .name = "test" };
	struct ks_hello_ack a;

	tell(fd, KS_MSG_HELLO, 1, &h, sizeof(h));
	hear(fd, KS_MSG_HELLO_ACK, 1, &a, sizeof(a));
	CHECK_EQ(a.endian, KS_IPC_ENDIAN);
}

static void begin(int fd, uint64_t base)
{
	tell(fd, KS_MSG_BEGIN, 2, &(struct ks_begin){ base }, sizeof(struct ks_begin));
}

static void commit(int fd, uint32_t seq, uint64_t generation, uint32_t n_ops)
{
	tell(fd, KS_MSG_COMMIT, seq,
	     &(struct ks_commit){
		     .generation = generation, .digest = generation * 7, .ops = n_ops },
	     sizeof(struct ks_commit));
}

static void service(int fd, unsigned port)
{
	struct ks_op_svc v = op_svc("192.0.2.1", port);

	tell(fd, KS_MSG_OPS, 3, &v, sizeof(v));
}

static bool serves(unsigned port)
{
	return lab.conf != NULL &&
		ks_conf_svc4(lab.conf, 6, ip4("192.0.2.1"), htons((uint16_t)port)) != NULL;
}

/* ---- tests ----------------------------------------------------------------------------------------------------- */

static void hello_passes_the_counters_read_only(void)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct ks_hello h = { .endian = KS_IPC_ENDIAN, .name = "test" };
	struct ks_hello_ack a;
	char buf[256], *shm;
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fd, passed;

	set_up();
	fd = client();
	tell(fd, KS_MSG_HELLO, 9, &h, sizeof(h));
	CHECK_EQ(recvmsg(fd, &msg, 0), sizeof(struct ks_msg) + sizeof(a));
	memcpy(&a, buf + sizeof(struct ks_msg), sizeof(a));
	CHECK_EQ(a.boot_id, 0x1122334455667788);
	CHECK_EQ(a.generation, 0);
	CHECK_EQ(a.workers, 2);
	CHECK_EQ(a.ports, 2);
	CHECK_EQ(a.shm_size, 4096);
	CHECK_EQ(a.pid, (uint32_t)getpid());
	CHECK_STR(a.version, "1.2.3");
	CHECK_EQ(control.head.cmsg_type, SCM_RIGHTS);
	memcpy(&passed, CMSG_DATA(&control.head), sizeof(int));
	shm = mmap(NULL, 4096, PROT_READ, MAP_SHARED, passed, 0);
	CHECK(shm != MAP_FAILED);
	CHECK_STR(shm, "counted here");
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, passed, 0) == MAP_FAILED);
	CHECK(ftruncate(passed, 0) < 0);
	munmap(shm, 4096);
	close(passed);
	close(fd);
	tear_down();
}

static void a_generation_is_acknowledged_when_the_workers_have_left_the_old_one(void)
{
	struct ks_hello h = { .endian = KS_IPC_ENDIAN };
	struct ks_hello_ack hello;
	int fd, later;
	struct ks_ack a;

	set_up();
	fd = client();
	greet(fd);
	begin(fd, 0);
	service(fd, 80);
	CHECK_EQ(lab.published, 0);
	lab.busy = true;
	commit(fd, 4, 10, 1);
	CHECK_EQ(lab.published, 1);
	CHECK(serves(80));
	CHECK(ks_control_waiting(lab.c));
	CHECK(silent(fd));
	later = client(); /* the main loop goes on meanwhile */
	greet(later);
	begin(later, 10);
	expect_ack(later, 2, KS_E_BUSY, UINT32_MAX, "another generation is being made");
	lab.busy = false;
	turn();
	a = ack(fd, 4);
	CHECK_EQ(a.status, KS_OK);
	CHECK_EQ(a.generation, 10);
	CHECK(!ks_control_waiting(lab.c));

	tell(later, KS_MSG_HELLO, 5, &h, sizeof(h)); /* what a controller that comes back finds */
	hear(later, KS_MSG_HELLO_ACK, 5, &hello, sizeof(hello));
	CHECK_EQ(hello.generation, 10);
	CHECK_EQ(hello.digest, 70);
	close(fd);
	close(later);
	tear_down();
}

static void a_refused_op_rejects_the_whole_and_names_it(void)
{
	struct ks_op_svc v[3] = { op_svc("192.0.2.1", 81), op_svc("192.0.2.1", 82),
				  op_svc("192.0.2.1", 83) };
	int fd;

	set_up();
	fd = client();
	greet(fd);
	begin(fd, 0);
	service(fd, 80);
	commit(fd, 4, 1, 1);
	CHECK_EQ(ack(fd, 4).status, KS_OK);

	begin(fd, 1);
	v[1].sched = 99;
	tell(fd, KS_MSG_OPS, 5, v, sizeof(v));
	service(fd, 84); /* swallowed */
	CHECK(silent(fd));
	commit(fd, 6, 2, 4);
	expect_ack(fd, 6, KS_E_INVALID, 1, "service TCP 192.0.2.1:82: there is no scheduler 99");
	CHECK_EQ(lab.published, 1);
	CHECK(serves(80) && !serves(81) && !serves(83));

	begin(fd, 1); /* and the next one may come */
	service(fd, 85);
	commit(fd, 7, 2, 1);
	CHECK_EQ(ack(fd, 7).status, KS_OK);
	CHECK(serves(80) && serves(85) && !serves(81));
	close(fd);
	tear_down();
}

static void a_generation_there_is_no_memory_for_is_taken_back(void)
{
	int fd;

	set_up();
	fd = client();
	greet(fd);
	begin(fd, 0);
	service(fd, 80);
	commit(fd, 4, 1, 1);
	CHECK_EQ(ack(fd, 4).status, KS_OK);
	for (long fail = 1; fail <= 2; fail++) { /* the check of the whole, then the build */
		begin(fd, 1);
		service(fd, 81);
		lab.tm.fail_in = fail;
		commit(fd, 5, 2, 1);
		lab.tm.fail_in = 0;
		CHECK_EQ(ack(fd, 5).status, KS_E_NO_MEMORY);
		CHECK_EQ(ks_desired_generation(lab.d), 1);
	}
	begin(fd, 1);
	service(fd, 82);
	commit(fd, 6, 2, 1);
	CHECK_EQ(ack(fd, 6).status, KS_OK);
	CHECK(serves(80) && !serves(81) && serves(82));
	close(fd);
	tear_down();
}

static void generations_have_an_order(void)
{
	int fd;

	set_up();
	fd = client();
	greet(fd);
	service(fd, 80);
	expect_ack(fd, 3, KS_E_STATE, UINT32_MAX, "ops without a BEGIN");
	commit(fd, 4, 1, 0);
	expect_ack(fd, 4, KS_E_STATE, UINT32_MAX, "a COMMIT without a BEGIN");
	begin(fd, 7);
	expect_ack(fd, 2, KS_E_BASE, UINT32_MAX, "the base 7 is not the current generation, 0");
	service(fd, 80);
	commit(fd, 4, 1, 1);
	expect_ack(fd, 4, KS_E_BASE, UINT32_MAX, "the base 7 is not the current generation, 0");
	begin(fd, 7); /* one answer to one seq */
	service(fd, 80);
	commit(fd, 2, 1, 1);
	expect_ack(fd, 2, KS_E_BASE, UINT32_MAX, "the base 7 is not the current generation, 0");
	CHECK(silent(fd));
	begin(fd, 0);
	service(fd, 80);
	commit(fd, 4, 1, 2);
	expect_ack(fd, 4, KS_E_MALFORMED, UINT32_MAX, "COMMIT speaks of 2 ops, 1 came");
	begin(fd, 0);
	service(fd, 80);
	tell(fd, KS_MSG_ABORT, 6, NULL, 0);
	expect_ack(fd, 6, KS_OK, UINT32_MAX, "");
	CHECK_EQ(lab.published, 0);
	begin(fd, 0);
	commit(fd, 4, 5, 0);
	CHECK_EQ(ack(fd, 4).generation, 5);
	begin(fd, 5);
	commit(fd, 4, 5, 0);
	expect_ack(fd, 4, KS_E_INVALID, UINT32_MAX, "generation 5 is not above the current one, 5");
	close(fd);
	tear_down();
}

static void an_open_generation_goes_with_its_client(void)
{
	int a, b;

	set_up();
	a = client();
	b = client();
	greet(a);
	greet(b);
	begin(a, 0);
	service(a, 80);
	begin(b, 0);
	expect_ack(b, 2, KS_E_BUSY, UINT32_MAX, "another generation is being made");
	for (unsigned i = 81; i < 99; i++) { /* left unread */
		struct ks_op_svc v = op_svc("192.0.2.1", i);
		struct {
			struct ks_msg m;
			struct ks_op_svc v;
		} ops = { { .magic = KS_IPC_MAGIC,
			    .version = KS_IPC_VERSION,
			    .type = KS_MSG_OPS,
			    .len = sizeof(v) },
			  v };

		CHECK(send(a, &ops, sizeof(ops), 0) == sizeof(ops));
	}
	close(a);
	ks_control_poll(lab.c, lab.now);
	CHECK_EQ(ks_control_clients(lab.c), 1);
	CHECK(!ks_desired_in_transaction(lab.d));
	begin(b, 0);
	commit(b, 4, 1, 0);
	CHECK_EQ(ack(b, 4).status, KS_OK);
	CHECK(!serves(80));

	begin(b, 1); /* or with its silence */
	service(b, 81);
	CHECK_EQ(ks_control_deadline(lab.c), lab.now + 10000);
	lab.now += 10000;
	turn();
	CHECK(!ks_desired_in_transaction(lab.d));
	commit(b, 5, 2, 1);
	expect_ack(b, 5, KS_E_STATE, UINT32_MAX,
		   "the generation was open too long without a message");
	close(b);
	tear_down();
}

static void a_commit_whose_client_has_gone_still_stands(void)
{
	int fd;

	set_up();
	fd = client();
	greet(fd);
	begin(fd, 0);
	service(fd, 80);
	lab.busy = true;
	commit(fd, 4, 1, 1);
	close(fd);
	turn();
	lab.busy = false;
	turn();
	CHECK(!ks_control_waiting(lab.c));
	CHECK_EQ(ks_control_generation(lab.c), 1);
	CHECK(serves(80));
	tear_down();
}

/* A request that names addresses gets one state for each, in their order; one that cannot be read
 * changes nothing. */
static void leases_by_address(void)
{
	struct {
		struct ks_lease l;
		struct ks_lease_addr a[2];
	} ask = { { 3000, 2 },
		  { { .dev = "dpdk0", .af = 4, .addr = { 10, 0, 0, 1 } },
		    { .dev = "dpdk1", .af = 6, .addr = { 0x20, 1 } } } };
	struct {
		struct ks_lease_ack ack;
		struct ks_lease_state state[2];
	} got;
	struct ks_lease_ack none;
	static uint8_t most[KS_IPC_MAX_MSG];
	static uint8_t states[KS_IPC_MAX_MSG];
	uint32_t n = (sizeof(most) - sizeof(struct ks_msg) - sizeof(ask.l)) / sizeof(ask.a[0]);
	int fd;

	set_up();
	fd = client();
	greet(fd);
	CHECK_STR(lab.greeted, "test");
	tell(fd, KS_MSG_LEASE, 3, &ask, sizeof(ask));
	hear(fd, KS_MSG_LEASE_ACK, 3, &got, sizeof(got));
	CHECK_EQ(got.ack.status, KS_OK);
	CHECK_EQ(got.ack.count, 2);
	CHECK_EQ(got.state[0].left_ms, 3000);
	CHECK_EQ(got.state[1].renewed_ms_ago, 1);
	CHECK_EQ(lab.lease_n, 2);
	CHECK_STR(lab.lease[1].dev, "dpdk1");
	CHECK_EQ(lab.lease[1].addr[0], 0x20);
	tell(fd, KS_MSG_LEASE, 4, &(struct ks_lease){ .ms = 0 }, sizeof(struct ks_lease));
	hear(fd, KS_MSG_LEASE_ACK, 4, &none, sizeof(none));
	CHECK_EQ(none.status, KS_OK);
	CHECK_EQ(lab.lease_n, 0);
	CHECK_EQ(lab.lease_ms, 0);

	lab.lease_ms = 77;
	tell(fd, KS_MSG_LEASE, 5, NULL, 0);
	hear(fd, KS_MSG_LEASE_ACK, 5, &none, sizeof(none));
	CHECK_EQ(none.status, KS_E_MALFORMED);
	tell(fd, KS_MSG_LEASE, 6, &ask, sizeof(ask) - 4);
	hear(fd, KS_MSG_LEASE_ACK, 6, &none, sizeof(none));
	CHECK_EQ(none.status, KS_E_MALFORMED);
	ask.l.count = UINT32_MAX;
	tell(fd, KS_MSG_LEASE, 7, &ask, sizeof(ask));
	hear(fd, KS_MSG_LEASE_ACK, 7, &none, sizeof(none));
	CHECK_EQ(none.status, KS_E_MALFORMED);
	CHECK_EQ(none.count, 0);
	tell(fd, KS_MSG_LEASE, 7, &(struct ks_lease){ .ms = 9 }, sizeof(struct ks_lease));
	hear(fd, KS_MSG_LEASE_ACK, 7, &none, sizeof(none)); /* renewals name their addresses */
	CHECK_EQ(none.status, KS_E_MALFORMED);
	CHECK_EQ(lab.lease_ms, 77);

	memcpy(most, &(struct ks_lease){ .ms = 9, .count = n }, sizeof(ask.l));
	tell(fd, KS_MSG_LEASE, 8, most, sizeof(ask.l) + n * sizeof(ask.a[0]));
	hear(fd, KS_MSG_LEASE_ACK, 8, states,
	     sizeof(none) + n * sizeof(struct ks_lease_state)); /* all that fits one message */
	CHECK_EQ(lab.lease_n, n);
	close(fd);
	tear_down();
}

/* The control server of the test listens on a socket file from now. */
static struct sockaddr_un listen_on_file(void)
{
	char dir[] = "/tmp/ks-control-XXXXXX", err[KS_ERR_LEN] = "";
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	CHECK(mkdtemp(dir) != NULL);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/ctl", dir);
	ks_control_free(lab.c);
	lab.c = control_new(sa.sun_path, err);
	CHECK(lab.c != NULL);
	return sa;
}

static int connect_to(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	CHECK(connect(fd, (const void *)sa, sizeof(*sa)) == 0);
	return fd;
}

static void remove_file(struct sockaddr_un *sa)
{
	ks_control_free(lab.c);
	lab.c = NULL;
	*strrchr(sa->sun_path, '/') = 0;
	CHECK(rmdir(sa->sun_path) == 0);
}

struct one_lease {
	struct ks_lease l;
	struct ks_lease_addr a;
};

static struct one_lease one_lease(uint32_t ms)
{
	return (struct one_lease){ { ms, 1 },
				   { .dev = "dpdk0", .af = 4, .addr = { 10, 0, 0, 1 } } };
}

/* A request that waited unread gives so much less, and nothing once its lease would be over. */
static void a_lease_runs_from_when_it_was_sent(void)
{
	struct one_lease longer = one_lease(600000), over = one_lease(20), no = one_lease(0);
	struct sockaddr_un sa;
	int fd;

	set_up();
	sa = listen_on_file();
	fd = connect_to(&sa);
	turn();
	greet(fd);
	post(fd, KS_MSG_LEASE, 3, &longer, sizeof(longer));
	usleep(60000);
	turn();
	CHECK(lab.lease_ms <= 600000 - 60);
	CHECK(lab.lease_ms > 0);
	post(fd, KS_MSG_LEASE, 4, &over, sizeof(over));
	usleep(60000);
	turn();
	CHECK_EQ(lab.lease_ms, KS_LEASE_QUERY);
	post(fd, KS_MSG_LEASE, 5, &no, sizeof(no));
	usleep(60000);
	turn();
	CHECK_EQ(lab.lease_ms, 0);
	close(fd);
	turn();
	remove_file(&sa);
	tear_down();
}

/* What a client sent before it died: its renewals are void, its releases are not. */
static void the_last_releases_of_a_client_count(void)
{
	struct one_lease renewal = one_lease(600000), no = one_lease(0);

	set_up();
	for (unsigned unread = 0; unread < 2; unread++) { /* an answer it has not read either */
		int fd = client();

		greet(fd);
		if (unread == 1)
			tell(fd, KS_MSG_PING, 2, NULL, 0);
		lab.lease_ms = 77;
		post(fd, KS_MSG_LEASE, 3, &renewal, sizeof(renewal));
		close(fd);
		turn();
		CHECK_EQ(lab.lease_ms, 77);
		CHECK_EQ(ks_control_clients(lab.c), 0);

		fd = client();
		greet(fd);
		if (unread == 1)
			tell(fd, KS_MSG_PING, 2, NULL, 0);
		for (unsigned i = 0; i < 20; i++)
			post(fd, KS_MSG_LEASE, 3, &renewal, sizeof(renewal));
		post(fd, KS_MSG_LEASE, 4, &no, sizeof(no));
		close(fd);
		turn();
		CHECK_EQ(lab.lease_ms, 0);
		CHECK_EQ(ks_control_clients(lab.c), 0);
	}
	tear_down();
}

/* The file is removed, or another data plane's is in its place: nobody finds this one any more. The
 * other's file stays. */
static void a_lost_socket_is_noticed(void)
{
	char err[KS_ERR_LEN] = "", moved[sizeof(((struct sockaddr_un *)0)->sun_path) + 4];
	struct ks_control *other;
	struct sockaddr_un sa;

	set_up();
	CHECK(ks_control_reachable(lab.c)); /* without a path there is nothing to lose */
	sa = listen_on_file();
	CHECK(ks_control_reachable(lab.c));
	snprintf(moved, sizeof(moved), "%s.old", sa.sun_path);
	CHECK(rename(sa.sun_path, moved) == 0);
	CHECK(!ks_control_reachable(lab.c));
	CHECK(rename(moved, sa.sun_path) == 0);
	CHECK(ks_control_reachable(lab.c));

	CHECK(unlink(sa.sun_path) == 0);
	CHECK(!ks_control_reachable(lab.c));
	other = control_new(sa.sun_path, err);
	CHECK(other != NULL);
	CHECK(!ks_control_reachable(lab.c));
	CHECK(ks_control_reachable(other));
	ks_control_free(lab.c);
	lab.c = other;
	CHECK(ks_control_reachable(other));
	remove_file(&sa);
	tear_down();
}

/* A connection that cannot be accepted for want of descriptors stays readable: the listening socket
 * rests instead of waking the main lcore for ever, and is watched again later. */
static void without_descriptors_the_listener_rests(void)
{
	struct rlimit had, none;
	struct sockaddr_un sa;
	struct pollfd p;
	int fd, waiting;

	set_up();
	sa = listen_on_file();
	fd = client();
	waiting = connect_to(&sa);
	CHECK(getrlimit(RLIMIT_NOFILE, &had) == 0);
	none = had;
	none.rlim_cur = 3;
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	ks_control_poll(lab.c, lab.now);
	CHECK(setrlimit(RLIMIT_NOFILE, &had) == 0);
	CHECK_EQ(ks_control_clients(lab.c), 1);
	p = (struct pollfd){ .fd = ks_control_fd(lab.c), .events = POLLIN };
	CHECK_EQ(poll(&p, 1, 0), 0); /* nothing wakes it */
	CHECK_EQ(ks_control_deadline(lab.c), lab.now + 1000);
	tell(fd, KS_MSG_HELLO, 1, &(struct ks_hello){ .endian = KS_IPC_ENDIAN },
	     sizeof(struct ks_hello)); /* who is connected is served meanwhile */
	CHECK(!silent(fd));
	lab.now += 1000;
	ks_control_poll(lab.c, lab.now);
	ks_control_poll(lab.c, lab.now);
	CHECK_EQ(ks_control_clients(lab.c), 2);
	CHECK_EQ(ks_control_deadline(lab.c), UINT64_MAX);
	close(waiting);
	close(fd);
	remove_file(&sa);
	tear_down();
}

static void one_client_too_many_is_told(void)
{
	struct sockaddr_un sa;
	struct ks_ack a;
	int fd[33];

	set_up();
	sa = listen_on_file();
	for (unsigned i = 0; i < 33; i++) {
		fd[i] = connect_to(&sa);
		ks_control_poll(lab.c, lab.now);
	}
	CHECK_EQ(ks_control_clients(lab.c), 32);
	hear(fd[32], KS_MSG_ACK, 0, &a, sizeof(a));
	CHECK_EQ(a.status, KS_E_BUSY);
	CHECK_STR(a.reason, "32 clients are connected to the data plane: no more are taken");
	close(fd[0]);
	ks_control_poll(lab.c, lab.now);
	CHECK_EQ(ks_control_clients(lab.c), 31);
	for (unsigned i = 1; i < 33; i++)
		close(fd[i]);
	remove_file(&sa);
	tear_down();
}

/* However fast one client sends, a turn takes two of its messages and another client's as well. */
static void a_flood_of_one_client_starves_nobody(void)
{
	struct ks_msg ping = { .magic = KS_IPC_MAGIC,
			       .version = KS_IPC_VERSION,
			       .type = KS_MSG_PING };
	unsigned answered = 0;
	struct ks_ack a;
	int loud, quiet;

	set_up();
	loud = client();
	quiet = client();
	greet(loud);
	greet(quiet);
	while (send(loud, &ping, sizeof(ping), MSG_DONTWAIT) > 0)
		;
	ping.seq = 7;
	CHECK(send(quiet, &ping, sizeof(ping), 0) > 0);
	ks_control_poll(lab.c, lab.now);
	hear(quiet, KS_MSG_ACK, 7, &a, sizeof(a));
	while (!silent(loud)) {
		hear(loud, KS_MSG_ACK, 0, &a, sizeof(a));
		answered++;
	}
	CHECK(answered <= 2);
	close(loud);
	close(quiet);
	tear_down();
}

static void single_requests(void)
{
	struct ks_garp g = { .dev = "dpdk0", .af = 4, .repeat = 5 };
	struct ks_event e = { .type = KS_EV_LINK, .a = 1, .dev = "dpdk1" }, heard;
	int fd, mute;

	set_up();
	fd = client();
	mute = client(); /* has not said HELLO: gets no events */
	greet(fd);
	tell(fd, KS_MSG_PING, 2, NULL, 0);
	expect_ack(fd, 2, KS_OK, UINT32_MAX, "");
	tell(fd, KS_MSG_GARP, 4, &g, sizeof(g));
	expect_ack(fd, 4, KS_OK, UINT32_MAX, "");
	CHECK_EQ(lab.garp.repeat, 5);
	strcpy(g.dev, "eth9");
	tell(fd, KS_MSG_GARP, 5, &g, sizeof(g));
	expect_ack(fd, 5, KS_E_NOT_FOUND, UINT32_MAX, "there is no device eth9");
	memset(g.dev, 'x', sizeof(g.dev));
	tell(fd, KS_MSG_GARP, 6, &g, sizeof(g));
	expect_ack(fd, 6, KS_E_INVALID, UINT32_MAX,
		   "the device or the address family of the announcement is wrong");
	ks_control_event(lab.c, &e);
	hear(fd, KS_MSG_EVENT, 0, &heard, sizeof(heard));
	CHECK_STR(heard.dev, "dpdk1");
	CHECK(silent(mute));
	tell(fd, KS_MSG_SHUTDOWN, 7, &(struct ks_shutdown){ .drain_ms = 500 },
	     sizeof(struct ks_shutdown));
	expect_ack(fd, 7, KS_OK, UINT32_MAX, "");
	CHECK_EQ(lab.shutdowns, 1);
	CHECK_EQ(lab.drain_ms, 500);
	close(fd);
	close(mute);
	tear_down();
}

static void sessions_are_answered_later(void)
{
	struct {
		struct ks_sessions_ack head;
		struct ks_session_row row[2];
	} got;
	struct ks_session_row rows[2] = { { .worker = 1, .cport = 7 },
					  { .worker = 1, .cport = 8 } };
	int fd;

	set_up();
	fd = client();
	greet(fd);
	tell(fd, KS_MSG_SESSIONS, 5, &(struct ks_sessions){ .worker = 1, .cursor = 3, .max = 9999 },
	     sizeof(struct ks_sessions));
	CHECK(silent(fd));
	CHECK_EQ(lab.ask.max, 512);
	CHECK_EQ(lab.ask.cursor, 3);
	ks_control_sessions(lab.c, lab.token, KS_OK, rows, 2, 44);
	hear(fd, KS_MSG_SESSIONS_ACK, 5, &got, sizeof(got));
	CHECK_EQ(got.head.worker, 1);
	CHECK_EQ(got.head.count, 2);
	CHECK_EQ(got.head.next, 44);
	CHECK_EQ(got.row[1].cport, 8);
	tell(fd, KS_MSG_SESSIONS, 6, &(struct ks_sessions){ .worker = 2 },
	     sizeof(struct ks_sessions));
	hear(fd, KS_MSG_SESSIONS_ACK, 6, &got.head, sizeof(got.head));
	CHECK_EQ(got.head.status, KS_E_NOT_FOUND);
	tell(fd, KS_MSG_SESSIONS, 7, &(struct ks_sessions){ .worker = 0 },
	     sizeof(struct ks_sessions));
	close(fd);
	turn();
	ks_control_sessions(lab.c, lab.token, KS_OK, rows, 2,
			    44); /* the client is gone: nobody to tell */
	CHECK_EQ(ks_control_clients(lab.c), 0);
	tear_down();
}

static void raw(int fd, const void *buf, size_t len)
{
	CHECK(send(fd, buf, len, 0) == (ssize_t)len);
	turn();
}

static void tables_are_answered_at_once(void)
{
	struct {
		struct ks_list_ack head;
		struct ks_list_row row;
	} got;
	int fd;

	set_up();
	fd = client();
	greet(fd);
	tell(fd, KS_MSG_LIST, 5,
	     &(struct ks_list){ .kind = KS_LIST_ROUTES, .cursor = 3, .max = 9999 },
	     sizeof(struct ks_list));
	hear(fd, KS_MSG_LIST_ACK, 5, &got, sizeof(got));
	CHECK_EQ(lab.list.max, 512);
	CHECK_EQ(got.head.status, KS_OK);
	CHECK_EQ(got.head.kind, KS_LIST_ROUTES);
	CHECK_EQ(got.head.next, 4);
	CHECK_EQ(got.head.count, 1);
	CHECK_EQ(got.row.metric, 3);
	for (uint32_t kind = 0; kind < 6; kind += 4) {
		tell(fd, KS_MSG_LIST, 6, &(struct ks_list){ .kind = kind }, sizeof(struct ks_list));
		hear(fd, KS_MSG_LIST_ACK, 6, &got.head, sizeof(got.head));
		CHECK_EQ(got.head.status, KS_E_NOT_FOUND);
		CHECK_EQ(got.head.count, 0);
		CHECK_EQ(got.head.next, UINT32_MAX);
	}
	close(fd);
	tear_down();
}

static void malformed_messages_are_answered(void)
{
	struct ks_msg m = {
		.magic = KS_IPC_MAGIC, .version = KS_IPC_VERSION, .type = KS_MSG_PING, .seq = 8
	};
	struct ks_op bad = { .type = KS_OP_SVC_SET, .len = 2 };
	static uint8_t big[KS_IPC_MAX_MSG + 8];
	int fd;

	set_up();
	fd = client();
	tell(fd, KS_MSG_PING, 2, NULL, 0);
	expect_ack(fd, 2, KS_E_STATE, UINT32_MAX, "the first message must be HELLO");
	tell(fd, KS_MSG_HELLO, 3, &(struct ks_hello){ .endian = 0x04030201 },
	     sizeof(struct ks_hello));
	expect_ack(fd, 3, KS_E_MALFORMED, UINT32_MAX,
		   "the client's byte order is not the data plane's");
	greet(fd);
	raw(fd, &m, 7);
	expect_ack(fd, 0, KS_E_MALFORMED, UINT32_MAX, "a message is cut off or too long");
	raw(fd, big, sizeof(big));
	expect_ack(fd, 0, KS_E_MALFORMED, UINT32_MAX, "a message is cut off or too long");
	m.len = 4;
	raw(fd, &m, sizeof(m));
	expect_ack(fd, 8, KS_E_MALFORMED, UINT32_MAX,
		   "a message has a wrong magic number or length");
	m.len = 0;
	m.version = 9;
	raw(fd, &m, sizeof(m));
	expect_ack(fd, 8, KS_E_UNSUPPORTED, UINT32_MAX,
		   "client and data plane are of different versions");
	tell(fd, KS_MSG_GARP, 4, NULL, 0);
	expect_ack(fd, 4, KS_E_MALFORMED, UINT32_MAX, "a message has not the length of its type");
	tell(fd, 77, 5, NULL, 0);
	expect_ack(fd, 5, KS_E_UNSUPPORTED, UINT32_MAX, "message type 77 is not known");
	begin(fd, 0);
	tell(fd, KS_MSG_OPS, 6, &bad, sizeof(bad));
	commit(fd, 7, 1, 1);
	expect_ack(fd, 7, KS_E_MALFORMED, 0, "an op is cut off or has an impossible length");
	CHECK_EQ(lab.published, 0);
	close(fd);
	tear_down();
}

/* Random bytes, and messages that are right but for one random byte, never crash and never leave a
 * generation open behind their client. */
static void random_messages_never_crash(void)
{
	struct ks_op_rs r = op_rs(svc_key_of("192.0.2.1", 80), "10.0.0.1", 80, 1);
	struct ks_op_svc v = op_svc("192.0.2.1", 80);
	uint64_t s = 0xf00d;

	set_up();
	for (unsigned round = 0; round < 400; round++) {
		struct ks_control_client *cl = ks_control_adopt(lab.c, -1);
		bool alive = cl != NULL;

		for (unsigned k = 0; k < 40 && alive; k++) {
			static const uint8_t types[] = { KS_MSG_HELLO,    KS_MSG_BEGIN,
							 KS_MSG_OPS,      KS_MSG_COMMIT,
							 KS_MSG_SESSIONS, KS_MSG_GARP,
							 KS_MSG_LEASE };
			static const uint32_t sizes[] = {
				sizeof(struct ks_hello),    sizeof(struct ks_begin),
				sizeof(v) + sizeof(r),      sizeof(struct ks_commit),
				sizeof(struct ks_sessions), sizeof(struct ks_garp),
				sizeof(struct ks_lease)
			};
			unsigned t = k < 3 ? k : below(&s, 7);
			uint8_t buf[256] = { 0 };
			struct ks_msg m = { .magic = KS_IPC_MAGIC,
					    .version = KS_IPC_VERSION,
					    .type = types[t],
					    .len = sizes[t] };
			size_t len = sizeof(m) + sizes[t];

			memcpy(buf, &m, sizeof(m));
			if (types[t] == KS_MSG_HELLO)
				memcpy(buf + sizeof(m), &(uint32_t){ KS_IPC_ENDIAN }, 4);
			if (types[t] == KS_MSG_OPS) {
				memcpy(buf + sizeof(m), &v, sizeof(v));
				memcpy(buf + sizeof(m) + sizeof(v), &r, sizeof(r));
			}
			if (types[t] == KS_MSG_COMMIT)
				memcpy(buf + sizeof(m),
				       &(struct ks_commit){
					       .generation = ks_control_generation(lab.c) + 1,
					       .ops = 2 },
				       sizeof(struct ks_commit));
			if (below(&s, k < 3 ? 4 : 2) == 0)
				buf[below(&s, (uint32_t)len)] = (uint8_t)rnd(&s);
			if (below(&s, 8) == 0)
				len = below(&s, (uint32_t)len);
			alive = ks_control_feed(cl, buf, len, lab.now);
		}
		lab.now += 1;
		ks_control_free(lab.c);
		CHECK(!ks_desired_in_transaction(lab.d));
		lab.c = control_new(NULL, (char[KS_ERR_LEN]){ 0 });
	}
	CHECK(lab.published > 20);
	tear_down();
}

static void a_client_that_does_not_read_is_cut_off(void)
{
	struct ks_event e = { .type = KS_EV_LOG };
	int fd;

	set_up();
	fd = client();
	greet(fd);
	for (unsigned i = 0; i < 20000 && ks_control_clients(lab.c) > 0; i++) {
		ks_control_event(lab.c, &e);
		ks_control_poll(lab.c, lab.now);
	}
	CHECK_EQ(ks_control_clients(lab.c), 0);
	close(fd);
	tear_down();
}

static void what_waits_is_sent_in_order_when_there_is_room(void)
{
	struct ks_event e = { .type = KS_EV_LOG }, got;
	int fd;

	set_up();
	fd = client();
	greet(fd);
	for (e.a = 0; e.a < 1000; e.a++)
		ks_control_event(lab.c, &e);
	for (uint32_t i = 0; i < 1000; i++) {
		turn();
		hear(fd, KS_MSG_EVENT, 0, &got, sizeof(got));
		CHECK_EQ(got.a, i);
	}
	CHECK(silent(fd));
	close(fd);
	tear_down();
}

static void the_socket_file(void)
{
	char dir[] = "/tmp/ks-control-XXXXXX", path[64], err[KS_ERR_LEN] = "", want[KS_ERR_LEN],
	     deep[200];
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct ks_control *c;
	struct stat st;
	int fd;

	set_up();
	CHECK(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/ctl", dir);
	c = control_new(path, err);
	CHECK(c != NULL);
	CHECK(stat(path, &st) == 0);
	CHECK_EQ(st.st_mode & 07777, 0600);
	CHECK(control_new(path, err) == NULL);
	snprintf(want, sizeof(want), "another data plane is running: it listens on %s", path);
	CHECK_STR(err, want);

	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	memcpy(sa.sun_path, path, strlen(path));
	CHECK(connect(fd, (const void *)&sa, sizeof(sa)) == 0);
	CHECK(poll(&(struct pollfd){ .fd = ks_control_fd(c), .events = POLLIN }, 1, 1000) == 1);
	for (unsigned i = 0; i < 3; i++) /* one of them was the attempt of the second data plane */
		ks_control_poll(c, 0);
	CHECK_EQ(ks_control_clients(c), 1);
	close(fd);

	ks_control_free(c);
	CHECK(stat(path, &st) < 0); /* it takes its file away */

	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0); /* a file left behind by a crash */
	CHECK(bind(fd, (const void *)&sa, sizeof(sa)) == 0);
	close(fd);
	c = control_new(path, err);
	CHECK(c != NULL);
	ks_control_free(c);

	fd = open(path, O_CREAT | O_WRONLY, 0600); /* something else there is left alone */
	close(fd);
	CHECK(control_new(path, err) == NULL);
	snprintf(want, sizeof(want), "%s exists and is not a socket", path);
	CHECK_STR(err, want);
	unlink(path);

	memset(deep, 'd', sizeof(deep));
	deep[sizeof(deep) - 1] = 0;
	CHECK(control_new(deep, err) == NULL);
	CHECK(strstr(err, "is empty or longer than 107 bytes") != NULL);
	rmdir(dir);
	tear_down();
}

int main(void)
{
	RUN(hello_passes_the_counters_read_only);
	RUN(a_generation_is_acknowledged_when_the_workers_have_left_the_old_one);
	RUN(a_refused_op_rejects_the_whole_and_names_it);
	RUN(a_generation_there_is_no_memory_for_is_taken_back);
	RUN(generations_have_an_order);
	RUN(an_open_generation_goes_with_its_client);
	RUN(a_commit_whose_client_has_gone_still_stands);
	RUN(a_lease_runs_from_when_it_was_sent);
	RUN(the_last_releases_of_a_client_count);
	RUN(a_lost_socket_is_noticed);
	RUN(without_descriptors_the_listener_rests);
	RUN(one_client_too_many_is_told);
	RUN(a_flood_of_one_client_starves_nobody);
	RUN(leases_by_address);
	RUN(single_requests);
	RUN(sessions_are_answered_later);
	RUN(tables_are_answered_at_once);
	RUN(malformed_messages_are_answered);
	RUN(random_messages_never_crash);
	RUN(a_client_that_does_not_read_is_cut_off);
	RUN(what_waits_is_sent_in_order_when_there_is_room);
	RUN(the_socket_file);
	return 0;
}
