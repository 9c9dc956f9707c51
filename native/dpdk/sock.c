/* SPDX-License-Identifier: Apache-2.0 */
/* AF_UNIX SOCK_SEQPACKET and shared memory, non-blocking throughout. */
#include "sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static bool fill_path(struct sockaddr_un *sa, const char *path)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	if (path[0] == 0 || strlen(path) >= sizeof(sa->sun_path))
		return false;
	memcpy(sa->sun_path, path, strlen(path));
	return true;
}

/* Nobody listens: connecting is refused. */
static bool is_dead(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool dead;

	if (fd < 0)
		return false;
	dead = connect(fd, (const void *)sa, sizeof(*sa)) < 0 && errno == ECONNREFUSED;
	close(fd);
	return dead;
}

/* Make way: true = nothing in the way any more. */
static bool clear_path(const struct sockaddr_un *sa, char err[KS_ERR_LEN])
{
	struct stat st;

	if (lstat(sa->sun_path, &st) < 0)
		return true;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(err, KS_ERR_LEN, "%s exists and is not a socket", sa->sun_path);
		return false;
	}
	if (!is_dead(sa)) {
		snprintf(err, KS_ERR_LEN, "another data plane is running: it listens on %s",
			 sa->sun_path);
		return false;
	}
	if (unlink(sa->sun_path) < 0 && errno != ENOENT) {
		snprintf(err, KS_ERR_LEN, "cannot remove the old socket %s: %s", sa->sun_path,
			 strerror(errno));
		return false;
	}
	return true;
}

int ks_sock_listen(const char *path, char err[KS_ERR_LEN])
{
	struct sockaddr_un sa;
	mode_t old;
	int fd, failed;

	if (!fill_path(&sa, path)) {
		snprintf(err, KS_ERR_LEN,
			 "the socket path '%.100s' is empty or longer than %zu bytes", path,
			 sizeof(sa.sun_path) - 1);
		return -1;
	}
	if (!clear_path(&sa, err))
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		snprintf(err, KS_ERR_LEN, "cannot make a unix socket: %s", strerror(errno));
		return -1;
	}
	old = umask(0177);
	failed = bind(fd, (const void *)&sa, sizeof(sa)) < 0 || listen(fd, 16) < 0;
	umask(old);
	if (failed) {
		snprintf(err, KS_ERR_LEN, "cannot listen on %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

int ks_sock_identify(const char *path, struct ks_sock_id *id)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	*id = (struct ks_sock_id){ .dev = st.st_dev, .ino = st.st_ino };
	return 0;
}

int ks_sock_accept(int listen_fd)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int on = 1;

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    (peer.uid != 0 && peer.uid != geteuid())) {
		close(fd);
		return -EPERM;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	return fd;
}

int ks_sock_send(int fd, const void *buf, size_t len, int pass_fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (pass_fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.space);
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &pass_fd, sizeof(int));
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return 0;
}

static void close_passed(struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			close(fd);
		}
	}
}

/* The kernel notes the time of day when a message is sent. A clock that is set between then and now
 * makes the age of this one message wrong, and of none after it. */
static uint32_t age_of(struct msghdr *msg)
{
	struct timespec sent, now;
	int64_t ms;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&sent, CMSG_DATA(c), sizeof(sent));
		clock_gettime(CLOCK_REALTIME, &now);
		ms = (now.tv_sec - sent.tv_sec) * 1000 + (now.tv_nsec - sent.tv_nsec) / 1000000;
		return ms <= 0 ? 0 : ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
	}
	return 0;
}

ssize_t ks_sock_recv(int fd, void *buf, size_t cap, uint32_t *age_ms)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(8 * sizeof(int)) + CMSG_SPACE(sizeof(struct timespec))];
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = cap };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	close_passed(&msg);
	*age_ms = age_of(&msg);
	return (msg.msg_flags & MSG_TRUNC) != 0 ? -EMSGSIZE : n;
}

void *ks_sock_shared_memory(const char *name, size_t size, int *fd, char err[KS_ERR_LEN])
{
	void *mem = MAP_FAILED;

	*fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd >= 0 && ftruncate(*fd, (off_t)size) == 0)
		mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (mem == MAP_FAILED) {
		snprintf(err, KS_ERR_LEN, "cannot make %zu bytes of shared memory for counters: %s",
			 size, strerror(errno));
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		return NULL;
	}
	/* Kernels before 5.1 have no FUTURE_WRITE; then a client, which is root as we are, must
	 * behave. */
	if (fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) < 0)
		(void)fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
	return mem;
}
