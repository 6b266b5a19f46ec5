/* links: core/child.c core/loop.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Child processes: output, ends of all kinds, and that nothing of a group is left. Each script
 * waits for what ends it; no test waits for a guessed time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/child.h"

struct run {
	struct loop *loop;
	struct child_end end;
	char output[256];
	unsigned int ends, wanted;
};

static void on_done(void *arg, const struct child_end *end)
{
	struct run *run = arg;
	size_t size = end->size < sizeof(run->output) - 1 ? end->size : sizeof(run->output) - 1;

	run->end = *end;
	memcpy(run->output, end->output, size);
	run->output[size] = '\0';
	if (++run->ends == run->wanted)
		loop_stop(run->loop);
}

static int start(struct run *run, const char *script, uint64_t timeout_ms, size_t output_max)
{
	char *const argv[] = {"/bin/sh", "-c", (char *)script, NULL};
	char *const env[] = {"A=b", "PATH=/bin:/usr/bin", NULL};
	const struct child_spec spec = {
		.argv = argv, .env = env, .timeout_ms = timeout_ms, .output_max = output_max};
	struct child *child;

	return child_start(run->loop, &spec, on_done, run, &child);
}

static void one(struct run *run, const char *script, uint64_t timeout_ms, size_t output_max)
{
	memset(run, 0, sizeof(*run));
	run->wanted = 1;
	assert_int_equal(loop_new(&run->loop), 0);
	assert_int_equal(start(run, script, timeout_ms, output_max), 0);
	loop_run(run->loop);
	loop_free(run->loop);
	assert_int_equal(run->ends, 1);
}

static void test_ends(void **state)
{
	struct run run;

	(void)state;
	one(&run, "echo out; echo err >&2; exit 3", 60000, 1000);
	assert_string_equal(run.output, "out\n");
	assert_int_equal(run.end.status, 3);
	assert_int_equal(run.end.signal, 0);
	assert_false(run.end.timed_out || run.end.flooded);
	one(&run, "kill -9 $$", 60000, 1000);
	assert_int_equal(run.end.status, -1);
	assert_int_equal(run.end.signal, SIGKILL);
	one(&run, "echo $A $HOME; pwd; read x && echo input", 60000, 1000);
	assert_string_equal(run.output, "b\n/\n");
	one(&run, "echo 12345", 60000, 6);
	assert_false(run.end.flooded);
	one(&run, "while :; do echo much; done", 60000, 100000);
	assert_true(run.end.flooded);
	assert_int_equal(run.end.size, 100000);
	assert_int_equal(run.end.signal, SIGKILL);
}

static void test_not_started(void **state)
{
	struct run run = {0};
	char *const argv[] = {"/no/such/program", NULL};
	char *const env[] = {NULL};
	const struct child_spec spec = {
		.argv = argv, .env = env, .timeout_ms = 1000, .output_max = 10};
	struct child *child;

	(void)state;
	assert_int_equal(loop_new(&run.loop), 0);
	assert_int_equal(child_start(run.loop, &spec, on_done, &run, &child), -ENOENT);
	loop_free(run.loop);
	assert_int_equal(run.ends, 0);
}

/* Whether some process still holds a writing end of the fifo: the script and all that it started
 * do. Blocks until none does. */
static void all_gone(int fd)
{
	char byte;

	while (read(fd, &byte, 1) > 0)
		;
}

/* Ignores SIGTERM, has forked one that does so too, and one that let go of its output. */
static void test_stubborn_group(void **state)
{
	char dir[] = "/tmp/child_test.XXXXXX";
	char path[64], script[512];
	struct run run;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/held", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	int fd = open(path, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	(void)snprintf(script, sizeof(script),
		       "exec 3>%s; trap '' TERM; (sleep 1000; sleep 1000) & "
		       "(exec >/dev/null; sleep 1000) & echo ready; wait; sleep 1000",
		       path);
	one(&run, script, 100, 1000);
	assert_true(run.end.timed_out);
	assert_int_equal(run.end.signal, SIGKILL);
	assert_string_equal(run.output, "ready\n");
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	all_gone(fd);
	/* A leader that ends in time leaves nobody behind either. */
	(void)snprintf(script, sizeof(script), "exec 3>%s; sleep 1000 & echo done", path);
	one(&run, script, 60000, 1000);
	assert_int_equal(run.end.status, 0);
	assert_string_equal(run.output, "done\n");
	all_gone(fd);
	(void)close(fd);
	(void)unlink(path);
	(void)rmdir(dir);
}

/* One that leaves the group and keeps the pipe is not waited for. */
static void test_escaped(void **state)
{
	struct run run;
	int pid = 0;

	(void)state;
	one(&run, "setsid sleep 1000 & echo $!", 60000, 1000);
	assert_int_equal(run.end.status, 0);
	assert_int_equal(sscanf(run.output, "%d", &pid), 1);
	(void)kill(pid, SIGKILL); /* ours: the test has started it */
}

static void test_killed(void **state)
{
	struct run run = {.wanted = 1};
	char *const argv[] = {"/bin/sleep", "1000", NULL};
	char *const env[] = {NULL};
	const struct child_spec spec = {
		.argv = argv, .env = env, .timeout_ms = 60000, .output_max = 10};
	struct child *child;

	(void)state;
	assert_int_equal(loop_new(&run.loop), 0);
	assert_int_equal(child_start(run.loop, &spec, on_done, &run, &child), 0);
	child_kill(child);
	loop_free(run.loop);
	assert_int_equal(run.ends, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),           cmocka_unit_test(test_not_started),
		cmocka_unit_test(test_stubborn_group), cmocka_unit_test(test_escaped),
		cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
