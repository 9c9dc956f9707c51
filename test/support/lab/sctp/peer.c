/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Either end of SCTP associations, over raw sockets: this kernel's SCTP is a module that need not be
 * there, usrsctp is the same protocol in user space.
 *
 *   peer serve PORT NAME            says NAME to whoever sends it something, and closes
 *   peer ask ADDRESS PORT N BYTES   N associations one after another, BYTES sent on each; prints
 *                                   each answer on a line, "-" where there is none
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <usrsctp.h>

#define PATIENCE_MS 3000u

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static struct socket *open_socket(int af)
{
	struct socket *s =
		usrsctp_socket(af, SOCK_STREAM, IPPROTO_SCTP, NULL, NULL, 0, NULL);
	struct sctp_rtoinfo rto = { .srto_initial = 300, .srto_min = 100, .srto_max = 1000 };

	if (s == NULL)
		fail("usrsctp_socket");
	if (usrsctp_setsockopt(s, IPPROTO_SCTP, SCTP_RTOINFO, &rto, sizeof(rto)) != 0)
		fail("SCTP_RTOINFO");
	return s;
}

/* One message at most, at whose end the peer closes. */
static size_t receive(struct socket *s, char *buf, size_t size)
{
	struct timeval patience = { PATIENCE_MS / 1000, 0 };
	struct sctp_recvv_rn info;
	socklen_t info_len = sizeof(info), from_len = 0;
	unsigned type = 0;
	int flags = 0;
	ssize_t n;

	usrsctp_setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	n = usrsctp_recvv(s, buf, size - 1, NULL, &from_len, &info, &info_len, &type, &flags);
	n = n > 0 ? n : 0;
	buf[n] = '\0';
	return (size_t)n;
}

static void say(struct socket *s, const void *data, size_t n)
{
	if (usrsctp_sendv(s, data, n, NULL, 0, NULL, 0, SCTP_SENDV_NOINFO, 0) < 0)
		perror("usrsctp_sendv");
}

static void serve(uint16_t port, const char *name)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct socket *listener = open_socket(AF_INET), *s;
	static char buf[65536];

	if (usrsctp_bind(listener, (struct sockaddr *)&here, sizeof(here)) != 0)
		fail("usrsctp_bind");
	if (usrsctp_listen(listener, 64) != 0)
		fail("usrsctp_listen");
	printf("ready\n");
	fflush(stdout);
	while ((s = usrsctp_accept(listener, NULL, NULL)) != NULL) {
		if (receive(s, buf, sizeof(buf)) > 0)
			say(s, name, strlen(name));
		usrsctp_close(s);
	}
}

static void ask(const char *address, uint16_t port, unsigned n, size_t bytes)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	static char data[65536];
	char answer[64];

	memset(data, 'x', sizeof(data));
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 || bytes > sizeof(data))
		fail(address);
	for (; n > 0; n--) {
		struct socket *s = open_socket(AF_INET);

		answer[0] = '\0';
		if (usrsctp_connect(s, (struct sockaddr *)&to, sizeof(to)) == 0) {
			say(s, data, bytes);
			receive(s, answer, sizeof(answer));
		} else {
			perror("usrsctp_connect");
		}
		printf("%s\n", answer[0] != '\0' ? answer : "-");
		fflush(stdout);
		usrsctp_close(s);
	}
	usleep(300000); /* the last one still says that it closes */
}

int main(int argc, char **argv)
{
	usrsctp_init(0, NULL, NULL);
	usrsctp_sysctl_set_sctp_ecn_enable(0);
	if (argc == 4 && strcmp(argv[1], "serve") == 0)
		serve((uint16_t)atoi(argv[2]), argv[3]);
	else if (argc == 6 && strcmp(argv[1], "ask") == 0)
		ask(argv[2], (uint16_t)atoi(argv[3]), (unsigned)atoi(argv[4]), (size_t)atoi(argv[5]));
	else
		return 2;
	return 0;
}
