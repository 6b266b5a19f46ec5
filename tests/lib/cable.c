/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/cable.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS_MAX 128

struct pair {
	int fd[2]; /* caller, listener; -1: closed */
};

struct cable {
	pthread_t thread;
	int listener;
	int wake[2];
	uint16_t port;
	_Atomic uint16_t to;
	atomic_bool pulled;
	atomic_bool ended;
	struct pair pairs[PAIRS_MAX];
	size_t count;
};

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
				    .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void take_call(struct cable *cable)
{
	struct sockaddr_in to = loopback(atomic_load(&cable->to));
	int caller = accept4(cable->listener, NULL, NULL, SOCK_CLOEXEC);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (caller < 0 || fd < 0 || cable->count == PAIRS_MAX ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		if (caller >= 0)
			(void)close(caller);
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	cable->pairs[cable->count++] = (struct pair){{caller, fd}};
}

/* Blocking writes: what one end does not read, the cable does not take from the other. */
static bool pass(int from, int to)
{
	char buffer[65536];
	ssize_t n = recv(from, buffer, sizeof(buffer), 0);
	ssize_t done = 0;

	while (n > 0 && done < n) {
		ssize_t sent = send(to, buffer + done, (size_t)(n - done), MSG_NOSIGNAL);

		if (sent < 0)
			return false;
		done += sent;
	}
	return n > 0;
}

static void pair_close(struct cable *cable, size_t i)
{
	(void)close(cable->pairs[i].fd[0]);
	(void)close(cable->pairs[i].fd[1]);
	cable->pairs[i] = cable->pairs[--cable->count];
}

static void *run(void *arg)
{
	struct cable *cable = arg;
	struct pollfd fds[2 + 2 * PAIRS_MAX];
	char byte;

	while (!atomic_load(&cable->ended)) {
		bool pulled = atomic_load(&cable->pulled);
		nfds_t n = 1;

		fds[0] = (struct pollfd){.fd = cable->wake[0], .events = POLLIN};
		/* Pulled: callers are left in the listener's queue, as lost packets would leave
		 * them. */
		if (!pulled)
			fds[n++] = (struct pollfd){.fd = cable->listener, .events = POLLIN};
		for (size_t i = 0; !pulled && i < cable->count; i++) {
			fds[n++] = (struct pollfd){.fd = cable->pairs[i].fd[0], .events = POLLIN};
			fds[n++] = (struct pollfd){.fd = cable->pairs[i].fd[1], .events = POLLIN};
		}
		if (poll(fds, n, -1) < 0)
			continue;
		if (fds[0].revents) {
			(void)!read(cable->wake[0], &byte, 1);
			continue;
		}
		for (size_t i = (n - 2) / 2; i-- > 0;) {
			int *fd = cable->pairs[i].fd;

			if ((fds[2 + 2 * i].revents && !pass(fd[0], fd[1])) ||
			    (fds[3 + 2 * i].revents && !pass(fd[1], fd[0])))
				pair_close(cable, i);
		}
		if (fds[1].revents)
			take_call(cable);
	}
	return NULL;
}

struct cable *cable_new(void)
{
	struct cable *cable = calloc(1, sizeof(*cable));
	struct sockaddr_in at = loopback(0);
	socklen_t size = sizeof(at);

	if (!cable || pipe2(cable->wake, O_CLOEXEC) < 0)
		abort();
	cable->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (cable->listener < 0 || bind(cable->listener, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(cable->listener, 64) < 0 ||
	    getsockname(cable->listener, (struct sockaddr *)&at, &size) < 0)
		abort();
	cable->port = ntohs(at.sin_port);
	if (pthread_create(&cable->thread, NULL, run, cable) != 0)
		abort();
	return cable;
}

static void wake(struct cable *cable)
{
	if (write(cable->wake[1], "", 1) < 0)
		abort();
}

void cable_free(struct cable *cable)
{
	atomic_store(&cable->ended, true);
	wake(cable);
	(void)pthread_join(cable->thread, NULL);
	while (cable->count)
		pair_close(cable, 0);
	(void)close(cable->listener);
	(void)close(cable->wake[0]);
	(void)close(cable->wake[1]);
	free(cable);
}

uint16_t cable_port(const struct cable *cable)
{
	return cable->port;
}

void cable_to(struct cable *cable, uint16_t port)
{
	atomic_store(&cable->to, port);
}

void cable_pull(struct cable *cable)
{
	atomic_store(&cable->pulled, true);
	wake(cable);
}

void cable_plug(struct cable *cable)
{
	atomic_store(&cable->pulled, false);
	wake(cable);
}
