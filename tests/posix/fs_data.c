/* SPDX-License-Identifier: Apache-2.0
 * Reading, writing, mapping; files that have lost their name; locks; programs. */
#include "tests/posix/fs_calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- opening, reading, writing */

static void test_open(void **state)
{
	(void)state;
	put("f", "text");
	assert_fails(open("f", O_WRONLY | O_CREAT | O_EXCL, 0644), EEXIST);
	assert_int_equal(symlink("nowhere", "dangling"), 0);
	assert_fails(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0644), EEXIST);
	assert_fails(open("dangling", O_RDONLY), ENOENT);
	assert_fails(open("dangling", O_RDONLY | O_NOFOLLOW), ELOOP);
	assert_fails(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	assert_fails(open("f/x", O_RDONLY), ENOTDIR);
	assert_fails(open("none", O_RDONLY), ENOENT);
	assert_fails(open("none/f", O_WRONLY | O_CREAT, 0644), ENOENT);
	assert_int_equal(mkdir("d", 0755), 0);
	assert_fails(open("d", O_WRONLY), EISDIR);
	int fd = open("f", O_WRONLY);
	char c;
	assert_fails(read(fd, &c, 1), EBADF);
	assert_int_equal(close(fd), 0);
	fd = open("f", O_RDONLY);
	assert_fails(write(fd, &c, 1), EBADF);
	assert_fails(ftruncate(fd, 0), EINVAL);
	assert_int_equal(close(fd), 0);
	fd = open("d", O_RDONLY);
	assert_fails(read(fd, &c, 1), EISDIR);
	assert_int_equal(close(fd), 0);
	/* A created file can be written by who created it, whatever its mode. */
	fd = open("readonly", O_RDWR | O_CREAT | O_EXCL, 0);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(close(fd), 0);
}

static void test_append(void **state)
{
	int a = open("f", O_RDWR | O_CREAT | O_APPEND, 0644);
	int b = open("f", O_WRONLY | O_APPEND);
	struct iovec parts[] = {{.iov_base = (char[]){"5"}, .iov_len = 1},
				{.iov_base = (char[]){"6"}, .iov_len = 1}};

	(void)state;
	assert_int_equal(write(a, "1", 1), 1);
	assert_int_equal(write(b, "2", 1), 1);
	assert_int_equal(write(a, "3", 1), 1);
	/* As open(2) says of Linux: with O_APPEND even pwrite appends. */
	assert_int_equal(pwrite(b, "4", 1, 0), 1);
	assert_int_equal(writev(a, parts, 2), 2);
	expect("f", "123456");
	assert_int_equal(ftruncate(a, 2), 0);
	assert_int_equal(write(b, "x", 1), 1);
	expect("f", "12x");
	/* The flag can come and go while the file is open. */
	assert_int_equal(fcntl(b, F_SETFL, 0), 0);
	assert_int_equal(pwrite(b, "y", 1, 0), 1);
	expect("f", "y2x");
	assert_int_equal(close(a), 0);
	assert_int_equal(close(b), 0);
}

static void test_truncate(void **state)
{
	char buf[8192];
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	(void)state;
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(pwrite(fd, buf, sizeof(buf), 0), sizeof(buf));
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(stat_of("f").st_size, 100);
	assert_int_equal(truncate("f", 5000), 0);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), 5000);
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(buf[i], i < 100 ? 'x' : 0);
	int again = open("f", O_WRONLY | O_TRUNC);
	assert_int_equal(stat_of("f").st_size, 0);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), 0);
	assert_fails(ftruncate(fd, -1), EINVAL);
	assert_fails(truncate("none", 0), ENOENT);
	assert_fails(truncate(".", 0), EISDIR);
	assert_int_equal(close(again), 0);
	assert_int_equal(close(fd), 0);
}

static void test_vectors_and_direct(void **state)
{
	char back[2][4];
	struct iovec out[] = {{.iov_base = (char[]){"abcd"}, .iov_len = 4},
			      {.iov_base = (char[]){"efgh"}, .iov_len = 4}};
	struct iovec in[] = {{back[0], 4}, {back[1], 4}};
	char *block = aligned_alloc(4096, 4096);
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	(void)state;
	assert_non_null(block);
	assert_int_equal(pwritev(fd, out, 2, 10), 8);
	assert_int_equal(preadv(fd, in, 2, 10), 8);
	assert_memory_equal(back[1], "efgh", 4);
	assert_int_equal(pread(fd, back[0], 4, 18), 0);
	assert_int_equal(close(fd), 0);
	memset(block, 'd', 4096);
	fd = open("direct", O_RDWR | O_CREAT | O_DIRECT, 0644);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, block, 4096, 4096), 4096);
	memset(block, 0, 4096);
	assert_int_equal(pread(fd, block, 4096, 4096), 4096);
	assert_int_equal(block[4095], 'd');
	int cached = open("direct", O_RDONLY);
	assert_int_equal(pread(cached, back[0], 1, 8191), 1);
	assert_int_equal(back[0][0], 'd');
	free(block);
	assert_int_equal(close(cached), 0);
	assert_int_equal(close(fd), 0);
}

static void test_sync(void **state)
{
	int fd = open("f", O_RDWR | O_CREAT | O_SYNC, 0644);
	int dir = open(".", O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(fdatasync(fd), 0);
	assert_int_equal(fsync(dir), 0);
	assert_int_equal(syncfs(dir), 0);
	assert_int_equal(close(dir), 0);
	assert_int_equal(close(fd), 0);
}

static void test_copies(void **state)
{
	char big[300000];
	char back[sizeof(big)];
	int from = open("from", O_RDWR | O_CREAT, 0644);
	int to = open("to", O_RDWR | O_CREAT, 0644);
	off_t in = 1000;
	off_t out = 7;
	size_t done = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 256);
	assert_int_equal(write(from, big, sizeof(big)), sizeof(big));
	while (done < 200000) {
		ssize_t n = copy_file_range(from, &in, to, &out, 200000 - done, 0);

		assert_true(n > 0);
		done += (size_t)n;
	}
	assert_int_equal(pread(to, back, sizeof(back), 7), 200000);
	assert_memory_equal(back, big + 1000, 200000);
	assert_int_equal(copy_file_range(from, &(off_t){sizeof(big)}, to, NULL, 10, 0), 0);
	in = 0;
	assert_int_equal(lseek(to, 0, SEEK_SET), 0);
	assert_int_equal(sendfile(to, from, &in, 5000), 5000);
	assert_int_equal(pread(to, back, 5000, 0), 5000);
	assert_memory_equal(back, big, 5000);
	assert_int_equal(close(from), 0);
	assert_int_equal(close(to), 0);
}

/* ---- sparse files */

static void test_sparse(void **state)
{
	const off_t far = (off_t)1 << 40;
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	char c = 1;

	(void)state;
	assert_int_equal(pwrite(fd, "x", 1, far), 1);
	assert_int_equal(stat_of("f").st_size, far + 1);
	assert_true(stat_of("f").st_blocks < 100);
	assert_int_equal(pread(fd, &c, 1, far / 2), 1);
	assert_int_equal(c, 0);
	assert_int_equal(lseek(fd, 0, SEEK_DATA), far);
	assert_int_equal(lseek(fd, 0, SEEK_HOLE), 0);
	assert_int_equal(lseek(fd, far, SEEK_HOLE), far + 1);
	assert_fails(lseek(fd, far + 1, SEEK_DATA), ENXIO);
	assert_int_equal(lseek(fd, -1, SEEK_END), far);
	assert_int_equal(close(fd), 0);
}

/* ext4 with blocks of 4 KiB; other file systems end elsewhere. */
static void test_largest(void **state)
{
	const off_t largest = ((off_t)1 << 44) - 4096;
	char buf[100] = "end";
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	(void)state;
	if (ftruncate(fd, largest + 1) == 0) {
		assert_int_equal(close(fd), 0);
		skip();
	}
	assert_int_equal(errno, EFBIG);
	assert_int_equal(ftruncate(fd, largest), 0);
	/* What there is room for is written. */
	assert_int_equal(pwrite(fd, buf, sizeof(buf), largest - 10), 10);
	assert_fails(pwrite(fd, buf, sizeof(buf), largest), EFBIG);
	assert_int_equal(pread(fd, buf, sizeof(buf), largest - 11), 11);
	assert_memory_equal(buf, "\0end\0", 5);
	assert_int_equal(stat_of("f").st_size, largest);
	assert_int_equal(close(fd), 0);
}

static void test_fallocate(void **state)
{
	char buf[16384];
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	(void)state;
	assert_int_equal(posix_fallocate(fd, 0, 16384), 0);
	assert_int_equal(stat_of("f").st_size, 16384);
	assert_true(stat_of("f").st_blocks >= 32);
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(pwrite(fd, buf, sizeof(buf), 0), sizeof(buf));
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
	assert_int_equal(fallocate(fd, FALLOC_FL_ZERO_RANGE, 10000, 10), 0);
	assert_int_equal(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
	for (size_t i = 0; i < sizeof(buf); i++) {
		bool zero = (i >= 4096 && i < 8192) || (i >= 10000 && i < 10010);

		assert_int_equal(buf[i], zero ? 0 : 'x');
	}
	assert_int_equal(lseek(fd, 0, SEEK_HOLE), 4096);
	assert_int_equal(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 1 << 20), 0);
	assert_int_equal(stat_of("f").st_size, 16384);
	assert_fails(fallocate(fd, 0, 0, 0), EINVAL);
	assert_int_equal(close(fd), 0);
}

/* ---- mapping */

static void test_mmap(void **state)
{
	char buf[4];
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	(void)state;
	assert_int_equal(ftruncate(fd, 8192), 0);
	char *a = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *b = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
	char *own = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	assert_true(a != MAP_FAILED && b != MAP_FAILED && own != MAP_FAILED);
	memcpy(a + 4094, "map!", 4); /* over the edge of two pages */
	assert_memory_equal(b + 4094, "map!", 4);
	assert_int_equal(pread(fd, buf, 4, 4094), 4);
	assert_memory_equal(buf, "map!", 4);
	assert_int_equal(pwrite(fd, "file", 4, 100), 4);
	assert_memory_equal(b + 100, "file", 4);
	memcpy(own + 200, "mine", 4);
	assert_int_equal(pread(fd, buf, 4, 200), 4);
	assert_memory_equal(buf, "\0\0\0\0", 4);
	assert_int_equal(msync(a, 8192, MS_SYNC), 0);
	assert_int_equal(close(fd), 0);
	/* The mapping outlives the descriptor, and another process shares it. */
	pid_t pid = fork();
	if (pid == 0) {
		a[300] = 'c';
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(b[300], 'c');
	assert_int_equal(munmap(a, 8192), 0);
	assert_int_equal(munmap(b, 8192), 0);
	assert_int_equal(munmap(own, 8192), 0);
	fd = open("f", O_RDONLY);
	assert_int_equal(pread(fd, buf, 1, 300), 1);
	assert_int_equal(buf[0], 'c');
	assert_int_equal(close(fd), 0);
}

/* What was stored to a hole is no hole any more, written or not. */
static void test_mmap_in_hole(void **state)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	int other = open("f", O_RDONLY);

	(void)state;
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	char *a = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(a != MAP_FAILED);
	assert_fails(lseek(fd, 0, SEEK_DATA), ENXIO);
	a[500000] = 'x';
	assert_int_equal(lseek(other, 0, SEEK_DATA), 500000 / 4096 * 4096);
	assert_int_equal(lseek(fd, 0, SEEK_HOLE), 0);
	a[700000] = 'y';
	assert_int_equal(lseek(fd, 600000, SEEK_DATA), 700000 / 4096 * 4096);
	assert_int_equal(a[500000], 'x');
	assert_int_equal(munmap(a, 1 << 20), 0);
	assert_int_equal(close(other), 0);
	assert_int_equal(close(fd), 0);
}

static void test_mmap_moves_mtime(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	int fd = open("f", O_RDWR | O_CREAT, 0644);

	(void)state;
	assert_int_equal(ftruncate(fd, 4096), 0);
	assert_int_equal(futimens(fd, old), 0);
	char *a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(a != MAP_FAILED);
	a[0] = 'x';
	assert_int_equal(msync(a, 4096, MS_SYNC), 0);
	assert_int_equal(munmap(a, 4096), 0);
	assert_int_equal(close(fd), 0);
	assert_true(stat_of("f").st_mtim.tv_sec > 1000);
}

/* ---- files without a name */

static void test_unlinked_open(void **state)
{
	char buf[8] = "";
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	struct stat st;

	(void)state;
	assert_int_equal(write(fd, "text", 4), 4);
	assert_int_equal(unlink("f"), 0);
	assert_fails(access("f", F_OK), ENOENT);
	put("f", "another");
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(st.st_size, 4);
	assert_true(st.st_ino != stat_of("f").st_ino);
	assert_int_equal(pread(fd, buf, 8, 0), 4);
	assert_memory_equal(buf, "text", 4);
	assert_int_equal(pwrite(fd, "more", 4, 4), 4);
	assert_int_equal(ftruncate(fd, 6), 0);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(fsync(fd), 0);
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	assert_memory_equal(map, "textmo", 6);
	map[0] = 'T';
	assert_int_equal(munmap(map, 4096), 0);
	assert_int_equal(pread(fd, buf, 8, 0), 6);
	assert_memory_equal(buf, "Textmo", 6);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(close(fd), 0);
	expect("f", "another");
}

static void test_replaced_open(void **state)
{
	char buf[8];
	put("f", "old");
	put("new", "newer");
	int fd = open("f", O_RDONLY);

	(void)state;
	assert_int_equal(rename("new", "f"), 0);
	expect("f", "newer");
	assert_int_equal(pread(fd, buf, 8, 0), 3);
	assert_memory_equal(buf, "old", 3);
	assert_int_equal(close(fd), 0);
}

static void test_removed_dir_open(void **state)
{
	assert_int_equal(mkdir("d", 0755), 0);
	int dir = open("d", O_RDONLY | O_DIRECTORY);
	struct stat st;

	(void)state;
	assert_int_equal(rmdir("d"), 0);
	assert_int_equal(fstat(dir, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_fails(openat(dir, "f", O_WRONLY | O_CREAT, 0644), ENOENT);
	assert_fails(mkdirat(dir, "sub", 0755), ENOENT);
	DIR *d = fdopendir(dir);
	assert_non_null(d);
	assert_null(readdir(d));
	assert_int_equal(closedir(d), 0);
	/* The same for who only works in it. */
	assert_int_equal(mkdir("w", 0755), 0);
	assert_int_equal(chdir("w"), 0);
	assert_int_equal(rmdir("../w"), 0);
	assert_int_equal(stat(".", &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_fails(open("f", O_WRONLY | O_CREAT, 0644), ENOENT);
	assert_int_equal(chdir(".."), 0);
	assert_int_equal(access("w", F_OK), -1);
}

/* ---- locks and programs */

static void test_flock(void **state)
{
	int a = open("f", O_RDWR | O_CREAT, 0644);
	int b = open("f", O_RDWR);

	(void)state;
	assert_int_equal(flock(a, LOCK_SH | LOCK_NB), 0);
	assert_int_equal(flock(b, LOCK_SH | LOCK_NB), 0);
	assert_fails(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	assert_int_equal(flock(a, LOCK_UN), 0);
	assert_int_equal(flock(b, LOCK_EX | LOCK_NB), 0);
	assert_fails(flock(a, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	assert_int_equal(close(b), 0);
	assert_int_equal(flock(a, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(close(a), 0);
}

static void test_record_locks(void **state)
{
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	struct flock lock = {.l_type = F_WRLCK, .l_start = 10, .l_len = 5};
	int status = -1;

	(void)state;
	assert_int_equal(fcntl(fd, F_SETLK, &lock), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct flock other = {.l_type = F_WRLCK, .l_start = 14, .l_len = 1};

		if (fcntl(fd, F_SETLK, &other) != -1 || (errno != EAGAIN && errno != EACCES))
			_exit(1);
		if (fcntl(fd, F_GETLK, &other) != 0 || other.l_pid != getppid())
			_exit(2);
		other = (struct flock){.l_type = F_WRLCK, .l_start = 15, .l_len = 1};
		_exit(fcntl(fd, F_SETLK, &other) == 0 ? 0 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	int other = open("f", O_RDWR);
	struct flock ofd = {.l_type = F_WRLCK};
	assert_fails(fcntl(other, F_OFD_SETLK, &ofd), EAGAIN);
	lock.l_type = F_UNLCK;
	assert_int_equal(fcntl(fd, F_SETLK, &lock), 0);
	assert_int_equal(fcntl(other, F_OFD_SETLK, &ofd), 0);
	assert_int_equal(close(other), 0);
	assert_int_equal(close(fd), 0);
}

static void test_exec(void **state)
{
	(void)state;
	assert_int_equal(system("cp /bin/true program"), 0);
	assert_int_equal(system("./program"), 0);
	put("script", "#!/bin/sh\nexit 7\n");
	assert_int_equal(chmod("script", 0755), 0);
	assert_int_equal(WEXITSTATUS(system("./script")), 7);
	assert_int_equal(chmod("script", 0644), 0);
	assert_fails(execl("./script", "script", NULL), EACCES);
}

int fs_data(void)
{
	const struct CMUnitTest tests[] = {
		CASE(open),
		CASE(append),
		CASE(truncate),
		CASE(vectors_and_direct),
		CASE(sync),
		CASE(copies),
		CASE(sparse),
		CASE(largest),
		CASE(fallocate),
		CASE(mmap),
		CASE(mmap_in_hole),
		CASE(mmap_moves_mtime),
		CASE(unlinked_open),
		CASE(replaced_open),
		CASE(removed_dir_open),
		CASE(flock),
		CASE(record_locks),
		CASE(exec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
