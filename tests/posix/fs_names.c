/* SPDX-License-Identifier: Apache-2.0
 * Names: renaming, linking, odd ones, special files, directories. */
#include "tests/posix/fs_calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- names */

static void test_rename(void **state)
{
	(void)state;
	put("a", "a");
	put("b", "b");
	ino_t ino = stat_of("a").st_ino;
	assert_int_equal(rename("a", "b"), 0);
	assert_int_equal(stat_of("b").st_ino, ino);
	expect("b", "a");
	assert_fails(access("a", F_OK), ENOENT);
	assert_fails(rename("a", "b"), ENOENT);

	put("c", "c");
	assert_fails(renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_NOREPLACE), EEXIST);
	assert_int_equal(renameat2(AT_FDCWD, "b", AT_FDCWD, "d", RENAME_NOREPLACE), 0);
	assert_int_equal(renameat2(AT_FDCWD, "c", AT_FDCWD, "d", RENAME_EXCHANGE), 0);
	expect("c", "a");
	expect("d", "c");
	assert_fails(renameat2(AT_FDCWD, "c", AT_FDCWD, "none", RENAME_EXCHANGE), ENOENT);
	assert_fails(renameat2(AT_FDCWD, "c", AT_FDCWD, "d", RENAME_EXCHANGE | RENAME_NOREPLACE),
		     EINVAL);

	/* Two names of one file: nothing happens. */
	assert_int_equal(link("c", "e"), 0);
	assert_int_equal(rename("c", "e"), 0);
	assert_int_equal(access("c", F_OK), 0);
	assert_int_equal(stat_of("e").st_nlink, 2);
}

static void test_rename_dirs(void **state)
{
	(void)state;
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(mkdir("d/sub", 0755), 0);
	assert_int_equal(mkdir("empty", 0755), 0);
	put("f", "f");
	put("d/sub/g", "g");
	assert_fails(rename("f", "d"), EISDIR);
	assert_fails(rename("d", "f"), ENOTDIR);
	assert_fails(rename("empty", "d"), ENOTEMPTY);
	assert_fails(rename("d", "d/sub/x"), EINVAL);
	assert_fails(rename("d/sub", "."), EBUSY);
	int fd = open("d/sub/g", O_RDONLY);
	int dir = open("d/sub", O_RDONLY | O_DIRECTORY);
	assert_int_equal(rename("d", "empty"), 0);
	expect("empty/sub/g", "g");
	struct stat st;
	assert_int_equal(fstatat(dir, "../../f", &st, 0), 0);
	assert_int_equal(fstatat(dir, "..", &st, 0), 0);
	assert_int_equal(st.st_ino, stat_of("empty").st_ino);
	assert_int_equal(renameat2(AT_FDCWD, "f", AT_FDCWD, "empty", RENAME_EXCHANGE), 0);
	expect("f/sub/g", "g");
	expect("empty", "f");
	assert_int_equal(close(fd), 0);
	assert_int_equal(close(dir), 0);
}

static void test_links(void **state)
{
	(void)state;
	put("a", "text");
	assert_int_equal(link("a", "b"), 0);
	assert_int_equal(stat_of("a").st_ino, stat_of("b").st_ino);
	assert_int_equal(stat_of("a").st_nlink, 2);
	put("b", "changed");
	expect("a", "changed");
	assert_int_equal(unlink("a"), 0);
	assert_int_equal(stat_of("b").st_nlink, 1);
	expect("b", "changed");
	assert_fails(link("none", "x"), ENOENT);
	assert_fails(link("b", "b"), EEXIST);
	assert_int_equal(mkdir("d", 0755), 0);
	assert_fails(link("d", "x"), EPERM);
	assert_int_equal(symlink("b", "s"), 0);
	assert_int_equal(linkat(AT_FDCWD, "s", AT_FDCWD, "s2", 0), 0);
	assert_true(S_ISLNK(stat_of("s2").st_mode));
	assert_int_equal(stat_of("s").st_nlink, 2);
	assert_int_equal(linkat(AT_FDCWD, "s", AT_FDCWD, "b2", AT_SYMLINK_FOLLOW), 0);
	assert_int_equal(stat_of("b2").st_ino, stat_of("b").st_ino);
}

static void test_symlinks(void **state)
{
	char target[4096];
	char back[4096];

	(void)state;
	assert_int_equal(symlink("loop", "loop"), 0);
	assert_fails(open("loop", O_RDONLY), ELOOP);
	memset(target, 'x', sizeof(target));
	target[1023] = 0;
	assert_int_equal(symlink(target, "long"), 0);
	assert_int_equal(readlink("long", back, sizeof(back)), 1023);
	assert_memory_equal(back, target, 1023);
	assert_int_equal(readlink("long", back, 10), 10);
	assert_int_equal(stat_of("long").st_size, 1023);
	assert_fails(symlink("", "empty"), ENOENT);
	assert_fails(symlink("x", "long"), EEXIST);
	put("f", "text");
	assert_fails(readlink("f", back, sizeof(back)), EINVAL);
	const struct timespec times[2] = {{.tv_sec = 5}, {.tv_sec = 6, .tv_nsec = 7}};
	assert_int_equal(utimensat(AT_FDCWD, "long", times, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(stat_of("long").st_mtim.tv_sec, 6);
	assert_int_equal(stat_of("long").st_mtim.tv_nsec, 7);
}

static void test_names(void **state)
{
	char name[257];
	const char odd[] = "\xff\xfe\n\t\x01'\"* \\";

	(void)state;
	memset(name, 'n', 256);
	name[256] = 0;
	assert_fails(mkdir(name, 0755), ENAMETOOLONG);
	assert_fails(open(name, O_RDONLY), ENAMETOOLONG);
	put("f", "f");
	assert_fails(rename("f", name), ENAMETOOLONG);
	name[255] = 0;
	assert_int_equal(rename("f", name), 0);
	expect(name, "f");
	assert_int_equal(rename(name, odd), 0);
	expect(odd, "f");
	/* Bytes are bytes: no case folding, no normal forms. */
	put("\xc3\xa9", "composed");
	put("e\xcc\x81", "decomposed");
	put("A", "A");
	put("a", "a");
	expect("\xc3\xa9", "composed");
	expect("A", "A");
	assert_fails(mkdir(".", 0755), EEXIST);
	assert_fails(rmdir("."), EINVAL);
	assert_fails(unlink("."), EISDIR);
	assert_fails(mkdir("", 0755), ENOENT);
	assert_int_equal(pathconf(".", _PC_NAME_MAX), 255);
}

static void test_special(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
	char c = 0;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0640), 0);
	assert_true(S_ISFIFO(stat_of("fifo").st_mode));
	int fd = open("fifo", O_RDWR);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(fd, &c, 1), 1);
	assert_int_equal(c, 'x');
	assert_int_equal(close(fd), 0);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(s, 1), 0);
	int client = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(S_ISSOCK(stat_of("socket").st_mode));
	assert_int_equal(close(client), 0);
	assert_int_equal(close(s), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(mknod("null", S_IFCHR | 0666, makedev(1, 3)), 0);
	assert_int_equal(stat_of("null").st_rdev, makedev(1, 3));
	fd = open("null", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(read(fd, &c, 1), 0);
	assert_int_equal(close(fd), 0);
}

/* ---- directories */

static void test_dirs(void **state)
{
	(void)state;
	nlink_t links = stat_of(".").st_nlink;
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(stat_of(".").st_nlink, links + 1);
	assert_int_equal(stat_of("d").st_nlink, 2);
	assert_fails(mkdir("d", 0755), EEXIST);
	put("d/f", "f");
	assert_fails(rmdir("d"), ENOTEMPTY);
	assert_fails(rmdir("d/f"), ENOTDIR);
	assert_fails(unlink("d"), EISDIR);
	assert_int_equal(unlink("d/f"), 0);
	assert_int_equal(rmdir("d"), 0);
	assert_fails(rmdir("d"), ENOENT);
	assert_int_equal(stat_of(".").st_nlink, links);
}

#define ENTRIES 3000u

static void test_readdir(void **state)
{
	static unsigned char seen[ENTRIES];
	char name[16];
	unsigned int count = 0;
	struct dirent *e;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (unsigned int i = 0; i < ENTRIES; i++) {
		(void)snprintf(name, sizeof(name), "n%u", i);
		int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
		assert_true(fd >= 0);
		assert_int_equal(close(fd), 0);
	}
	/* Each name once, its inode number and type as stat says, while half of them go. */
	DIR *d = opendir(".");
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		unsigned int i = (unsigned int)atoi(e->d_name + 1);
		assert_int_equal(e->d_ino, stat_of(e->d_name).st_ino);
		assert_int_equal(e->d_type, DT_REG);
		assert_int_equal(seen[i]++, 0);
		count++;
		if (i % 2)
			assert_int_equal(unlink(e->d_name), 0);
	}
	assert_int_equal(count, ENTRIES);
	rewinddir(d);
	for (count = 0; (e = readdir(d));)
		count++;
	assert_int_equal(count, ENTRIES / 2 + 2);
	rewinddir(d);
	for (unsigned int i = 0; i < 1000; i++)
		e = readdir(d);
	long place = telldir(d);
	char next[256];
	(void)snprintf(next, sizeof(next), "%s", readdir(d)->d_name);
	rewinddir(d);
	(void)readdir(d);
	seekdir(d, place);
	assert_string_equal(readdir(d)->d_name, next);
	assert_int_equal(closedir(d), 0);
}

static void test_dir_changes_seen(void **state)
{
	struct dirent *e;
	unsigned int count = 0;

	(void)state;
	put("a", "");
	DIR *d = opendir(".");
	while (readdir(d))
		;
	put("b", "");
	assert_int_equal(unlink("a"), 0);
	assert_int_equal(rename("b", "c"), 0);
	rewinddir(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] != '.') {
			assert_string_equal(e->d_name, "c");
			count++;
		}
	}
	assert_int_equal(count, 1);
	assert_int_equal(closedir(d), 0);
}

int fs_names(void)
{
	const struct CMUnitTest tests[] = {
		CASE(rename),   CASE(rename_dirs), CASE(links),
		CASE(symlinks), CASE(names),       CASE(special),
		CASE(dirs),     CASE(readdir),     CASE(dir_changes_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
