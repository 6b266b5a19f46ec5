/* SPDX-License-Identifier: Apache-2.0
 * Every file-system call that an application makes, with the results and errors of a local disk.
 * fs_calls DIR (or FS_CALLS_DIR in the environment) works in a new directory below DIR and removes
 * it. It must pass on a native directory as well: what it asks for is what Linux does on ext4.
 * Run as root; the parts that need it are skipped otherwise. */
#include "tests/posix/fs_calls.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct stat stat_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(name, &st), 0);
	return st;
}

void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

void expect(const char *name, const char *text)
{
	char buf[4096];
	int fd = open(name, O_RDONLY);

	assert_true(fd >= 0);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);
	assert_true(n >= 0);
	buf[n] = 0;
	assert_string_equal(buf, text);
	assert_int_equal(close(fd), 0);
}

int as_nobody(int (*fn)(void))
{
	int status = -1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
			_exit(99);
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* An empty working directory, beside which nothing lies. */
int in_own_dir(void **state)
{
	(void)state;
	if (mkdir("t", 0777) != 0 || chmod("t", 0777) != 0)
		return -1;
	return chdir("t");
}

int out_of_own_dir(void **state)
{
	(void)state;
	return chdir("..") != 0 || system("rm -rf t") != 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	const char *dir = argc > 1 ? argv[1] : getenv("FS_CALLS_DIR");
	char home[PATH_MAX];

	if (!dir) {
		(void)fprintf(stderr, "usage: fs_calls DIR\n");
		return 2;
	}
	(void)umask(022);
	(void)snprintf(home, sizeof(home), "%s/fs_calls.XXXXXX", dir);
	if (!mkdtemp(home) || chmod(home, 0755) != 0 || chdir(home) != 0) {
		perror(home);
		return 2;
	}
	int failed = fs_data() + fs_names() + fs_attrs();
	if (chdir("/") != 0 || rmdir(home) != 0)
		perror(home);
	return failed ? 1 : 0;
}
