/* links: status/control.c core/address.c core/units.c core/json.c core/clock.c core/loop.c
 * core/log.c core/err.c SPDX-License-Identifier: Apache-2.0 The control socket from outside: a real
 * loop on a thread, clients that behave and clients that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/address.h"
#include "core/auto.h"
#include "status/control.h"

#define HELD_MAX 256

struct server {
	struct loop *loop;
	struct control *control;
	pthread_t thread;
	char dir[64];
	char path[96];
	struct control_request *held[HELD_MAX];
	size_t held_count;
	size_t asked;
};

/* "echo" answers at once; "hold" keeps the request; "free" answers all that are kept; "flood" says
 * more than a client may leave unread; "no" fails. */
static void handle(void *arg, struct control_request *request)
{
	struct server *server = arg;
	const char *verb = json_get_text(control_body(request), "verb", "");
	static char long_text[64 << 10];

	server->asked++;
	if (strcmp(verb, "hold") == 0 && server->held_count < HELD_MAX) {
		server->held[server->held_count++] = request;
	} else if (strcmp(verb, "free") == 0) {
		for (size_t i = 0; i < server->held_count; i++)
			control_done(server->held[i], NULL);
		control_done(request, json_pack("{s:i}", "freed", (int)server->held_count));
		server->held_count = 0;
	} else if (strcmp(verb, "flood") == 0) {
		memset(long_text, 'x', sizeof(long_text) - 1);
		size_t sent = 0;
		while (control_progress(request, long_text))
			sent += sizeof(long_text);
		/* What a client leaves unread is bounded: ours, and what the kernel buffers. */
		assert_in_range(sent, CONTROL_UNREAD_MAX / 2, 2 * CONTROL_UNREAD_MAX);
		control_fail(request, 2, "gone");
	} else if (strcmp(verb, "no") == 0) {
		control_fail(request, 1, "no: %s", "because");
	} else {
		control_done(request,
			     json_pack("{s:O?}", "n", json_object_get(control_body(request), "n")));
	}
}

static void *run(void *arg)
{
	struct server *server = arg;

	loop_run(server->loop);
	return NULL;
}

static int start(void **state)
{
	struct server *server = calloc(1, sizeof(*server));
	char error[256] = "";

	(void)strcpy(server->dir, "/tmp/control_test.XXXXXX");
	assert_non_null(mkdtemp(server->dir));
	(void)snprintf(server->path, sizeof(server->path), "%s/sock", server->dir);
	assert_int_equal(loop_new(&server->loop), 0);
	assert_int_equal(control_new(server->loop, server->path, handle, server, &server->control,
				     error, sizeof(error)),
			 0);
	assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
	*state = server;
	return 0;
}

static int stop(void **state)
{
	struct server *server = *state;

	loop_stop(server->loop);
	assert_int_equal(pthread_join(server->thread, NULL), 0);
	control_free(server->control);
	for (size_t i = 0; i < server->held_count; i++)
		control_done(server->held[i], NULL);
	loop_free(server->loop);
	assert_int_equal(access(server->path, F_OK), -1);
	assert_int_equal(rmdir(server->dir), 0);
	free(server);
	return 0;
}

static int client(const struct server *server)
{
	struct sockaddr_un name;
	int dir;

	assert_int_equal(address_unix(server->path, &name, &dir), 0);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	return fd;
}

static void put(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		assert_true(n > 0);
		data += n;
		size -= (size_t)n;
	}
}

static void say(int fd, const char *text)
{
	put(fd, text, strlen(text));
}

/* The next line without its end; false at the end of the connection. */
static bool get(int fd, char *ret, size_t size)
{
	size_t used = 0;

	for (;;) {
		ssize_t n = recv(fd, ret + used, 1, 0);

		if (n <= 0)
			return false;
		if (ret[used] == '\n') {
			ret[used] = '\0';
			return true;
		}
		assert_true(++used < size);
	}
}

static void expect(int fd, const char *line)
{
	char got[1024];

	assert_true(get(fd, got, sizeof(got)));
	assert_string_equal(got, line);
}

static void test_mode_of_socket(void **state)
{
	const struct server *server = *state;
	struct stat st;

	assert_int_equal(stat(server->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_answers(void **state)
{
	AUTO_CLOSE int fd = client(*state);

	say(fd, "{\"verb\":\"echo\",\"n\":1}\n");
	expect(fd, "{\"ok\":true,\"n\":1}");
	say(fd, "{\"verb\":\"no\"}\n\n\n{\"verb\":\"echo\",\"n\":2}\n");
	expect(fd, "{\"ok\":false,\"exit\":1,\"error\":\"no: because\"}");
	expect(fd, "{\"ok\":true,\"n\":2}");
}

/* A client that ends its side after the question still gets the answer. */
static void test_half_closed(void **state)
{
	AUTO_CLOSE int fd = client(*state);
	char line[64];

	say(fd, "{\"verb\":\"echo\",\"n\":1}\n");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	expect(fd, "{\"ok\":true,\"n\":1}");
	assert_false(get(fd, line, sizeof(line)));
}

static void test_bad_lines(void **state)
{
	static const struct {
		const char *data;
		size_t size;
	} rows[] = {
		{"\x16\x03\x01\x02\n", 5},     {"[]\n", 3},
		{"{\"verb\":\"echo\"\n", 15},  {"{\"a\":1,\"a\":2}\n", 14},
		{"{\"a\":\"\xff\"}\n", 10},    {"\0\0\0\n", 4},
		{"{\"a\":\"\\u0000\"}\n", 15},
	};
	AUTO_CLOSE int fd = client(*state);
	char line[1024];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		put(fd, rows[i].data, rows[i].size);
		assert_true(get(fd, line, sizeof(line)));
		assert_non_null(
			strstr(line, "{\"ok\":false,\"exit\":2,\"error\":\"the request is "));
	}
	assert_int_equal(((struct server *)*state)->asked, 0);
	say(fd, "{\"verb\":\"echo\",\"n\":3}\n");
	expect(fd, "{\"ok\":true,\"n\":3}");
}

/* The longest line that is allowed, and one byte more. */
static void test_long_line(void **state)
{
	AUTO_FREE char *line = malloc(CONTROL_LINE_MAX + 1);
	AUTO_CLOSE int good = client(*state);
	AUTO_CLOSE int bad = client(*state);
	char got[256];

	memset(line, ' ', CONTROL_LINE_MAX + 1);
	memcpy(line, "{\"n\":4}", 7);
	line[CONTROL_LINE_MAX - 1] = '\n';
	put(good, line, CONTROL_LINE_MAX);
	expect(good, "{\"ok\":true,\"n\":4}");
	line[CONTROL_LINE_MAX - 1] = ' ';
	line[CONTROL_LINE_MAX] = '\n';
	(void)send(bad, line, CONTROL_LINE_MAX + 1, MSG_NOSIGNAL);
	expect(bad, "{\"ok\":false,\"exit\":2,\"error\":\"the request is longer than 64 KiB\"}");
	assert_false(get(bad, got, sizeof(got)));
}

static void test_deep_nesting(void **state)
{
	AUTO_FREE char *line = malloc(60000);
	AUTO_CLOSE int fd = client(*state);
	char got[512];

	memset(line, '[', 60000);
	memcpy(line, "{\"a\":", 5);
	line[59999] = '\n';
	put(fd, line, 60000);
	assert_true(get(fd, got, sizeof(got)));
	assert_non_null(strstr(got, "\"ok\":false"));
}

/* Thousands of questions in one packet: answered in turn, without one call inside another. */
static void test_many_lines_at_once(void **state)
{
	static char lines[60000];
	AUTO_CLOSE int fd = client(*state);
	size_t count = sizeof(lines) / 3;

	for (size_t i = 0; i < count; i++)
		memcpy(lines + 3 * i, "{}\n", 3);
	for (int round = 0; round < 3; round++) {
		put(fd, lines, 3 * count);
		for (size_t i = 0; i < count; i++)
			expect(fd, "{\"ok\":true,\"n\":null}");
	}
}

/* The second question of one client waits for the answer to the first; others do not wait. */
static void test_order_and_independence(void **state)
{
	AUTO_CLOSE int slow = client(*state);
	AUTO_CLOSE int quick = client(*state);

	say(slow, "{\"verb\":\"hold\"}\n{\"verb\":\"echo\",\"n\":6}\n");
	say(quick, "{\"verb\":\"echo\",\"n\":5}\n");
	expect(quick, "{\"ok\":true,\"n\":5}");
	for (size_t held = 0; held == 0;) {
		char got[64];

		say(quick, "{\"verb\":\"free\"}\n");
		assert_true(get(quick, got, sizeof(got)));
		held = strstr(got, "\"freed\":1") != NULL;
	}
	expect(slow, "{\"ok\":true}");
	expect(slow, "{\"ok\":true,\"n\":6}");
}

/* More questions than a line may be long, while the first is being worked on: they wait outside. */
static void test_questions_wait_outside(void **state)
{
	static char lines[90000];
	AUTO_CLOSE int slow = client(*state);
	AUTO_CLOSE int quick = client(*state);
	char got[64];

	for (size_t i = 0; i < sizeof(lines) / 3; i++)
		memcpy(lines + 3 * i, "{}\n", 3);
	say(slow, "{\"verb\":\"hold\"}\n");
	put(slow, lines, sizeof(lines));
	for (size_t held = 0; held == 0;) {
		say(quick, "{\"verb\":\"free\"}\n");
		assert_true(get(quick, got, sizeof(got)));
		held = strstr(got, "\"freed\":1") != NULL;
	}
	expect(slow, "{\"ok\":true}");
	for (size_t i = 0; i < sizeof(lines) / 3; i++)
		expect(slow, "{\"ok\":true,\"n\":null}");
}

/* Whoever goes before the answer leaves nothing behind. */
static void test_gone_before_the_answer(void **state)
{
	AUTO_CLOSE int fd = client(*state);

	for (int i = 0; i < 20; i++) {
		int gone = client(*state);

		say(gone, "{\"verb\":\"hold\"}\n");
		(void)close(gone);
	}
	say(fd, "{\"verb\":\"free\"}\n");
	char got[64];
	assert_true(get(fd, got, sizeof(got)));
	say(fd, "{\"verb\":\"echo\",\"n\":7}\n");
	expect(fd, "{\"ok\":true,\"n\":7}");
}

/* A client that reads nothing is cut off at a bound, and nobody else notices. */
static void test_unread_answers(void **state)
{
	AUTO_CLOSE int deaf = client(*state);
	AUTO_CLOSE int fd = client(*state);

	say(deaf, "{\"verb\":\"flood\"}\n");
	say(fd, "{\"verb\":\"echo\",\"n\":8}\n");
	expect(fd, "{\"ok\":true,\"n\":8}");
}

static void test_too_many_clients(void **state)
{
	int fds[CONTROL_CLIENTS_MAX];
	char got[256];

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		fds[i] = client(*state);
		say(fds[i], "{\"verb\":\"echo\",\"n\":9}\n");
		expect(fds[i], "{\"ok\":true,\"n\":9}");
	}
	AUTO_CLOSE int more = client(*state);
	expect(more, "{\"ok\":false,\"exit\":2,\"error\":\"too many clients at once; try again\"}");
	assert_false(get(more, got, sizeof(got)));
	(void)close(fds[0]);
	/* The place is free once the loop has seen that the client went. */
	bool in = false;
	while (!in) {
		AUTO_CLOSE int fd = client(*state);

		(void)send(fd, "{\"n\":10}\n", 9, MSG_NOSIGNAL);
		in = get(fd, got, sizeof(got)) && strcmp(got, "{\"ok\":true,\"n\":10}") == 0;
	}
	for (size_t i = 1; i < CONTROL_CLIENTS_MAX; i++)
		(void)close(fds[i]);
}

/* A root whose path is longer than a socket's address. */
static void test_long_path(void **state)
{
	struct server *server = *state;
	struct control *control = NULL;
	char dir[300];
	char path[320];
	char error[256] = "";
	struct stat st;

	(void)snprintf(dir, sizeof(dir), "%s/%0200d", server->dir, 1);
	(void)snprintf(path, sizeof(path), "%s/sock", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	struct loop *loop;
	assert_int_equal(loop_new(&loop), 0);
	assert_int_equal(control_new(loop, path, handle, server, &control, error, sizeof(error)),
			 0);
	assert_int_equal(stat(path, &st), 0);
	struct sockaddr_un name;
	AUTO_CLOSE int held = -1;
	assert_int_equal(address_unix(path, &name, &held), 0);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	control_free(control);
	loop_free(loop);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mode_of_socket, start, stop),
		cmocka_unit_test_setup_teardown(test_answers, start, stop),
		cmocka_unit_test_setup_teardown(test_half_closed, start, stop),
		cmocka_unit_test_setup_teardown(test_bad_lines, start, stop),
		cmocka_unit_test_setup_teardown(test_long_line, start, stop),
		cmocka_unit_test_setup_teardown(test_deep_nesting, start, stop),
		cmocka_unit_test_setup_teardown(test_many_lines_at_once, start, stop),
		cmocka_unit_test_setup_teardown(test_order_and_independence, start, stop),
		cmocka_unit_test_setup_teardown(test_questions_wait_outside, start, stop),
		cmocka_unit_test_setup_teardown(test_gone_before_the_answer, start, stop),
		cmocka_unit_test_setup_teardown(test_unread_answers, start, stop),
		cmocka_unit_test_setup_teardown(test_too_many_clients, start, stop),
		cmocka_unit_test_setup_teardown(test_long_path, start, stop),
	};

	/* As the daemon does: a client that is gone is an error of write(2), not a signal. */
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
