/* links: status/http.c status/json.c status/page.c status/metrics.c status/snapshot.c
 * core/address.c core/json.c core/units.c core/clock.c core/loop.c core/log.c core/err.c
 * health/code.c topology/words.c SPDX-License-Identifier: Apache-2.0 The status page from outside:
 * a real loop on a thread, requests good and bad over TCP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/loop.h"
#include "status/http.h"
#include "status/node.h"
#include "status/snapshot.h"

struct server {
	struct node node;
	struct http *http;
	pthread_t thread;
	uint16_t port;
};

/* In the place of snapshot_take.c: an unhealthy node with one pool. */
int snapshot_take(const struct node *node, struct snapshot **ret)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	(void)node;
	snapshot->pools = calloc(1, sizeof(*snapshot->pools));
	snapshot->pool_count = 1;
	memcpy(snapshot->node, "here", 5);
	memcpy(snapshot->pools[0].status.name, "web", 4);
	memcpy(snapshot->pools[0].problem, "broken", 7);
	*ret = snapshot;
	return 0;
}

static void *run(void *arg)
{
	struct server *server = arg;

	loop_run(server->node.loop);
	return NULL;
}

/* A port that nobody has, found by asking for any and giving it back. */
static uint16_t free_port(void)
{
	struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(name);
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
	return ntohs(name.sin_port);
}

static int start(void **state)
{
	struct server *server = calloc(1, sizeof(*server));
	char listen[64];
	char error[256] = "";
	int r = -EADDRINUSE;

	assert_int_equal(loop_new(&server->node.loop), 0);
	for (int i = 0; i < 20 && r < 0; i++) {
		server->port = free_port();
		(void)snprintf(listen, sizeof(listen), "127.0.0.1:%u", (unsigned int)server->port);
		r = http_new(&server->node, listen, &server->http, error, sizeof(error));
	}
	assert_int_equal(r, 0);
	assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
	*state = server;
	return 0;
}

static int stop(void **state)
{
	struct server *server = *state;

	loop_stop(server->node.loop);
	assert_int_equal(pthread_join(server->thread, NULL), 0);
	http_free(server->http);
	loop_free(server->node.loop);
	free(server);
	return 0;
}

static int client(const struct server *server)
{
	struct sockaddr_in name = {.sin_family = AF_INET,
				   .sin_addr = {htonl(INADDR_LOOPBACK)},
				   .sin_port = htons(server->port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	return fd;
}

/* Everything up to the end of the connection. The caller frees. */
static char *ask(const struct server *server, const char *request)
{
	AUTO_CLOSE int fd = client(server);
	char *answer = calloc(1, 1 << 20);
	size_t used = 0;
	ssize_t n;

	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
	while ((n = recv(fd, answer + used, (1 << 20) - 1 - used, 0)) > 0)
		used += (size_t)n;
	return answer;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

static void test_pages(void **state)
{
	static const struct {
		const char *request;
		const char *start;
		const char *within;
	} rows[] = {
		{GET("/"), "HTTP/1.1 200 ", "<h1>here</h1>"},
		{GET("/"), "HTTP/1.1 200 ",
		 "Content-Security-Policy: default-src 'none'; style-src 'self'"},
		{GET("/"), "HTTP/1.1 200 ", "X-Content-Type-Options: nosniff"},
		{GET("/style.css"), "HTTP/1.1 200 ", "text/css"},
		{GET("/api/v1/status"), "HTTP/1.1 200 ", "\"node\": \"here\""},
		{GET("/metrics"), "HTTP/1.1 200 ", "multiall_healthy 0\n"},
		{GET("/healthz"), "HTTP/1.1 503 ", "pool web: broken\n"},
		{GET("/nothing"), "HTTP/1.1 404 ", ""},
		{GET("/../etc/passwd"), "HTTP/1.1 404 ", ""},
		{"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nConnection: "
		 "close\r\n\r\nabc",
		 "HTTP/1.1 405 ", "Allow: GET, HEAD"},
		{"DELETE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		 "HTTP/1.1 405 ", ""},
		/* A body on a GET is not waited for. */
		{"GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
		 "HTTP/1.1 200 ", ""},
		{"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
		 "HTTP/1.1 421 ", ""},
		{"GET / HTTP/1.1\r\nHost: localhost.evil.example\r\nConnection: close\r\n\r\n",
		 "HTTP/1.1 421 ", ""},
		{"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 400 ", ""},
		{"nonsense\r\n\r\n", "", ""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		AUTO_FREE char *answer = ask(*state, rows[i].request);

		assert_memory_equal(answer, rows[i].start, strlen(rows[i].start));
		assert_non_null(strstr(answer, rows[i].within));
	}
}

static void test_hosts(void **state)
{
	static const struct {
		const char *host;
		bool allowed;
	} rows[] = {
		{"localhost", true},
		{"LocalHost:7448", true},
		{"127.0.0.1", true},
		{"127.3.4.5:80", true},
		{"[::1]:7448", true},
		{"10.0.0.1:7448", true}, /* what it listens on */
		{"10.0.0.2:7448", false},
		{"10.0.0.1.evil.example", false},
		{"evil.example", false},
		{"127.0.0.1.evil.example", false},
		{"localhost.evil.example", false},
		{"localhost@evil.example", false},
		{"", false},
		{"[::1", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(http_host_allowed(rows[i].host, "10.0.0.1"), rows[i].allowed);
}

/* A head that does not end is refused at its bound. */
static void test_long_head(void **state)
{
	static char junk[2 * HTTP_MEMORY_MAX];
	AUTO_CLOSE int fd = client(*state);
	char answer[64] = "";

	memset(junk, 'x', sizeof(junk));
	memcpy(junk, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", 36);
	(void)send(fd, junk, sizeof(junk), MSG_NOSIGNAL);
	assert_true(recv(fd, answer, sizeof(answer) - 1, 0) > 0);
	assert_memory_equal(answer, "HTTP/1.1 4", 10);
}

/* Clients that send half a request hold up nobody; beyond the limit they are turned away. */
static void test_slow_clients(void **state)
{
	int fds[HTTP_CLIENTS_MAX - 1];

	for (size_t i = 0; i < HTTP_CLIENTS_MAX - 1; i++) {
		fds[i] = client(*state);
		assert_int_equal(send(fds[i], "GET / HT", 8, MSG_NOSIGNAL), 8);
	}
	AUTO_FREE char *answer = ask(*state, GET("/metrics"));
	assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
	for (size_t i = 0; i < HTTP_CLIENTS_MAX - 1; i++)
		(void)close(fds[i]);
}

/* Many requests on one connection. */
static void test_keep_alive(void **state)
{
	static const char request[] = "GET /healthz HTTP/1.1\r\nHost: [::1]\r\n\r\n";
	AUTO_CLOSE int fd = client(*state);
	char answer[4096];

	for (int i = 0; i < 50; i++) {
		size_t used = 0;

		assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL),
				 sizeof(request) - 1);
		do {
			ssize_t n = recv(fd, answer + used, sizeof(answer) - 1 - used, 0);
			assert_true(n > 0);
			used += (size_t)n;
			answer[used] = '\0';
		} while (!strstr(answer, "\r\n\r\npool web: broken\n"));
	}
}

static void test_bad_addresses(void **state)
{
	const struct server *server = *state;
	struct node other = {0}; /* the loop of the other one runs */
	struct http *http = NULL;
	char taken[64];
	char error[256];

	assert_int_equal(loop_new(&other.loop), 0);
	assert_true(http_new(&other, "some.name:80", &http, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "status_listen = some.name:80"));
	(void)snprintf(taken, sizeof(taken), "127.0.0.1:%u", (unsigned int)server->port);
	assert_int_equal(http_new(&other, taken, &http, error, sizeof(error)), -EADDRINUSE);
	assert_non_null(strstr(error, "no status page"));
	loop_free(other.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pages, start, stop),
		cmocka_unit_test(test_hosts),
		cmocka_unit_test_setup_teardown(test_long_head, start, stop),
		cmocka_unit_test_setup_teardown(test_slow_clients, start, stop),
		cmocka_unit_test_setup_teardown(test_keep_alive, start, stop),
		cmocka_unit_test_setup_teardown(test_bad_addresses, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
