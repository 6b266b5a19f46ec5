/* links: core/io.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Files of our own: whole reads and writes, replacement that is all or nothing, directories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/io.h"

static int setup(void **state)
{
	const char *temp = getenv("TMPDIR");
	char *dir = NULL;

	if (asprintf(&dir, "%s/io-test-XXXXXX", temp ? temp : "/tmp") < 0 || !mkdtemp(dir))
		return -1;
	*state = dir;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return 0;
}

static void assert_content(const char *path, const char *text)
{
	AUTO_FREE uint8_t *data = NULL;
	size_t size;

	assert_int_equal(file_read(path, 100, &data, &size), 0);
	assert_int_equal(size, strlen(text));
	assert_string_equal((char *)data, text); /* with the zero behind it */
}

static void test_replace(void **state)
{
	AUTO_FREE char *path = path_join(*state, "file");
	AUTO_FREE char *temp = path_join(*state, "file.new");
	AUTO_FREE char *nowhere = path_join(*state, "missing/file");
	struct stat st;

	assert_int_equal(file_replace(path, "first", 5, 0600), 0);
	assert_content(path, "first");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(file_replace(path, "", 0, 0600), 0);
	assert_content(path, "");
	assert_int_equal(file_replace(path, "second", 6, 0600), 0);
	/* What an interrupted one has left over does not disturb. */
	assert_int_equal(file_replace(temp, "rubbish that is longer", 22, 0600), 0);
	assert_int_equal(file_replace(path, "third", 5, 0600), 0);
	assert_content(path, "third");
	assert_int_equal(access(temp, F_OK), -1);
	assert_int_equal(file_replace(nowhere, "x", 1, 0600), -ENOENT);
	/* Not through a link that someone has put there. */
	assert_int_equal(symlink("elsewhere", temp), 0);
	assert_int_equal(file_replace(path, "fourth", 6, 0600), -ELOOP);
	assert_content(path, "third");
}

static void test_failed_replace_keeps_the_old(void **state)
{
	AUTO_FREE char *dir = path_join(*state, "dir");
	AUTO_FREE char *temp = path_join(*state, "dir.new");

	/* A file does not take the place of a directory: the last step fails. */
	assert_int_equal(dir_make(dir, 0700), 0);
	assert_int_equal(file_replace(dir, "x", 1, 0600), -EISDIR);
	assert_int_equal(access(temp, F_OK), -1);
	assert_int_equal(access(dir, F_OK), 0);
}

static void test_read(void **state)
{
	AUTO_FREE char *path = path_join(*state, "file");
	AUTO_FREE uint8_t *data = NULL;
	size_t size;

	assert_int_equal(file_read(path, 10, &data, &size), -ENOENT);
	assert_int_equal(file_replace(path, "0123456789", 10, 0600), 0);
	assert_int_equal(file_read(path, 9, &data, &size), -EFBIG);
	assert_int_equal(file_read(*state, 1 << 20, &data, &size), -EISDIR);
	assert_null(data);
	assert_int_equal(file_read(path, 10, &data, &size), 0);
	assert_int_equal(size, 10);
}

static void test_positions(void **state)
{
	AUTO_FREE char *path = path_join(*state, "file");
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct iovec parts[8];
	char back[32];

	assert_true(fd >= 0);
	for (size_t i = 0; i < 8; i++)
		parts[i] = (struct iovec){.iov_base = &"abcdefgh"[i], .iov_len = i == 3 ? 0 : 1};
	assert_int_equal(io_pwritev(fd, parts, 8, 5), 0);
	assert_int_equal(io_pwrite(fd, "01234", 5, 0), 0);
	assert_int_equal(io_pread(fd, back, sizeof(back), 0), 12);
	assert_memory_equal(back, "01234abcefgh", 12);
	assert_int_equal(io_pread(fd, back, 4, 3), 4);
	assert_memory_equal(back, "34ab", 4);
	assert_int_equal(io_pread(fd, back, 4, 100), 0);
	assert_int_equal(io_pread(-1, back, 4, 0), -EBADF);
	assert_int_equal(io_pwrite(-1, back, 4, 0), -EBADF);
}

/* A write that the system takes in pieces, and one that it ends half way. */
static void test_short_writes(void **state)
{
	AUTO_FREE char *path = path_join(*state, "file");
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	AUTO_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct iovec parts[3] = {{"abc", 3}, {"defg", 4}, {"hi", 2}};
	struct stat st;

	assert_true(fd >= 0 && full >= 0);
	assert_int_equal(io_pwritev(full, parts, 3, 0), -ENOSPC);
	assert_int_equal(io_pwritev(fd, parts, 3, 0), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 9);
}

static void test_directories(void **state)
{
	AUTO_FREE char *deep = path_join(*state, "a/b/c");
	AUTO_FREE char *file = path_join(*state, "a/file");
	AUTO_FREE char *below = path_join(file, "x");
	struct stat st;

	assert_int_equal(dir_make(deep, 0700), 0);
	assert_int_equal(dir_make(deep, 0700), 0);
	assert_int_equal(stat(deep, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(file_replace(file, "x", 1, 0600), 0);
	assert_int_equal(dir_make(file, 0700), -ENOTDIR);
	assert_int_equal(dir_make(below, 0700), -ENOTDIR);
	assert_int_equal(dir_sync_parent(deep), 0);
	assert_int_equal(dir_sync_parent("name"), 0);
	assert_int_equal(dir_sync_parent("/name"), 0);
	assert_int_equal(dir_sync_parent(below), -ENOTDIR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed_replace_keeps_the_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_positions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directories, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
