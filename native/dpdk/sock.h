/* SPDX-License-Identifier: Apache-2.0 */
/* The few Linux socket and memory calls the control server needs, each with its failure told in one
 * line. */
#ifndef KS_SOCK_H
#define KS_SOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KS_ERR_LEN 256

/* Listen on an AF_UNIX SOCK_SEQPACKET path, mode 0600. A file left behind by a dead data plane is
 * replaced; a living one is an error. Returns the descriptor (non-blocking, close-on-exec) or -1
 * with err filled. */
int ks_sock_listen(const char *path, char err[KS_ERR_LEN]);

/* Which file is at that path: another one has another identity, for as long as a socket bound to
 * the first is open. Returns 0 or -errno. */
struct ks_sock_id {
	dev_t dev;
	ino_t ino;
};
int ks_sock_identify(const char *path, struct ks_sock_id *id);

/* Accept one client; -1 = none waiting, or one that is not allowed (uid neither root nor our own):
 * it is closed. */
int ks_sock_accept(int listen_fd);

/* One whole message, with a descriptor when pass_fd >= 0. Returns 0, -EAGAIN when the peer's buffer
 * is full, or another -errno. */
int ks_sock_send(int fd, const void *buf, size_t len, int pass_fd);

/* One whole message of at most cap bytes. Returns its length, 0 at end of file, -EAGAIN, -EMSGSIZE
 * (longer than cap: dropped) or another -errno. age_ms: how long ago it was sent, 0 when the kernel
 * does not say so. Descriptors a peer passes are closed. */
ssize_t ks_sock_recv(int fd, void *buf, size_t cap, uint32_t *age_ms);

/* Anonymous shared memory, mapped for us to write; whoever gets *fd can only read it and cannot
 * change its size. NULL = err tells. */
void *ks_sock_shared_memory(const char *name, size_t size, int *fd, char err[KS_ERR_LEN]);

#endif
