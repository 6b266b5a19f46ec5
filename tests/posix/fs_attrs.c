/* SPDX-License-Identifier: Apache-2.0
 * Attributes: times, modes, owners, extended ones, access lists, the whole file system. */
#include "tests/posix/fs_calls.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- attributes */

static void test_times(void **state)
{
	const struct timespec set[2] = {{.tv_sec = 1, .tv_nsec = 123456789},
					{.tv_sec = 4102444800, .tv_nsec = 987654321}};
	const struct timespec part[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_NOW}};
	const struct timespec early[2] = {{.tv_sec = -1000, .tv_nsec = 5}, {.tv_sec = -2}};

	(void)state;
	put("f", "f");
	assert_int_equal(utimensat(AT_FDCWD, "f", set, 0), 0);
	struct stat st = stat_of("f");
	assert_memory_equal(&st.st_atim, &set[0], sizeof(set[0]));
	assert_memory_equal(&st.st_mtim, &set[1], sizeof(set[1]));
	assert_int_equal(utimensat(AT_FDCWD, "f", part, 0), 0);
	st = stat_of("f");
	assert_memory_equal(&st.st_atim, &set[0], sizeof(set[0]));
	assert_true(st.st_mtim.tv_sec < 4102444800);
	assert_int_equal(utimensat(AT_FDCWD, "f", early, 0), 0);
	st = stat_of("f");
	assert_int_equal(st.st_atim.tv_sec, -1000);
	assert_int_equal(st.st_atim.tv_nsec, 5);
	/* A write moves mtime, a chmod only ctime, a new name those of the directory. */
	int fd = open("f", O_WRONLY);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(close(fd), 0);
	assert_true(stat_of("f").st_mtim.tv_sec > 0);
	assert_int_equal(utimensat(AT_FDCWD, "f", set, 0), 0);
	assert_int_equal(chmod("f", 0600), 0);
	st = stat_of("f");
	assert_memory_equal(&st.st_mtim, &set[1], sizeof(set[1]));
	assert_int_equal(utimensat(AT_FDCWD, ".", early, 0), 0);
	put("g", "");
	assert_true(stat_of(".").st_mtim.tv_sec > 0);
	assert_int_equal(utimensat(AT_FDCWD, ".", early, 0), 0);
	assert_int_equal(unlink("g"), 0);
	assert_true(stat_of(".").st_mtim.tv_sec > 0);
}

static void test_modes(void **state)
{
	mode_t before = umask(027);

	(void)state;
	int fd = open("f", O_WRONLY | O_CREAT, 0666);
	assert_int_equal(close(fd), 0);
	assert_int_equal(stat_of("f").st_mode & 07777, 0640);
	assert_int_equal(mkdir("d", 0777), 0);
	assert_int_equal(stat_of("d").st_mode & 07777, 0750);
	assert_int_equal(mkfifo("p", 0666), 0);
	assert_int_equal(stat_of("p").st_mode & 07777, 0640);
	(void)umask(before);
	for (mode_t mode = 0; mode <= 07777; mode += 0111) {
		assert_int_equal(chmod("f", mode), 0);
		assert_int_equal(stat_of("f").st_mode & 07777, mode);
	}
	assert_fails(chmod("none", 0644), ENOENT);
}

static int nobody_tries(void)
{
	if (open("secret", O_RDONLY) != -1 || errno != EACCES)
		return 1;
	if (chmod("secret", 0777) != -1 || errno != EPERM)
		return 2;
	if (unlink("sticky/f") != -1 || errno != EPERM)
		return 3;
	int fd = open("open", O_WRONLY);
	if (fd < 0 || write(fd, "x", 1) != 1)
		return 4;
	struct stat st;
	if (fstat(fd, &st) != 0 || (st.st_mode & 07777) != 0777)
		return 5;
	if (mkdir("shared/own", 0755) != 0 || stat("shared/own", &st) != 0)
		return 6;
	if (st.st_uid != NOBODY || st.st_gid != 7 || !(st.st_mode & S_ISGID))
		return 7;
	if (open("ours", O_WRONLY | O_CREAT, 0644) < 0 || stat("ours", &st) != 0)
		return 8;
	if (st.st_uid != NOBODY || st.st_gid != NOBODY)
		return 9;
	return chown("ours", 0, 0) != -1 || errno != EPERM ? 10 : 0;
}

static void test_owners(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	put("secret", "s");
	assert_int_equal(chmod("secret", 0600), 0);
	assert_int_equal(mkdir("sticky", 0777), 0);
	assert_int_equal(chmod("sticky", 01777), 0);
	put("sticky/f", "f");
	put("open", "o");
	assert_int_equal(chmod("open", 06777), 0); /* a write by another clears setuid, setgid */
	assert_int_equal(mkdir("shared", 0777), 0);
	assert_int_equal(chown("shared", 0, 7), 0);
	assert_int_equal(chmod("shared", 02777), 0);
	assert_int_equal(as_nobody(nobody_tries), 0);
	assert_int_equal(stat_of("open").st_mode & 07777, 0777);
	/* So does a change of owner, by anyone. */
	assert_int_equal(chmod("open", 06755), 0);
	assert_int_equal(chown("open", 12345, 54321), 0);
	assert_int_equal(stat_of("open").st_mode & 07777, 0755);
	assert_int_equal(stat_of("open").st_uid, 12345);
	assert_int_equal(stat_of("open").st_gid, 54321);
	assert_int_equal(chown("open", (uid_t)-1, 1), 0);
	assert_int_equal(stat_of("open").st_uid, 12345);
	/* Root keeps them when it writes. */
	assert_int_equal(chmod("secret", 06755), 0);
	int fd = open("secret", O_WRONLY);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(stat_of("secret").st_mode & 07777, 06755);
}

static void test_xattrs(void **state)
{
	char buf[256];
	ssize_t n;

	(void)state;
	put("f", "f");
	assert_int_equal(setxattr("f", "user.one", "1", 1, XATTR_CREATE), 0);
	assert_fails(setxattr("f", "user.one", "2", 1, XATTR_CREATE), EEXIST);
	assert_fails(setxattr("f", "user.two", "2", 1, XATTR_REPLACE), ENODATA);
	assert_int_equal(setxattr("f", "user.one", "12345", 5, 0), 0);
	assert_int_equal(setxattr("f", "user.empty", "", 0, 0), 0);
	assert_int_equal(getxattr("f", "user.one", NULL, 0), 5);
	assert_fails(getxattr("f", "user.one", buf, 4), ERANGE);
	assert_int_equal(getxattr("f", "user.one", buf, sizeof(buf)), 5);
	assert_memory_equal(buf, "12345", 5);
	assert_int_equal(getxattr("f", "user.empty", buf, sizeof(buf)), 0);
	assert_fails(getxattr("f", "user.none", buf, sizeof(buf)), ENODATA);
	n = listxattr("f", buf, sizeof(buf));
	assert_int_equal(n, sizeof("user.one") + sizeof("user.empty"));
	assert_int_equal(listxattr("f", NULL, 0), n);
	assert_fails(listxattr("f", buf, (size_t)n - 1), ERANGE);
	assert_int_equal(removexattr("f", "user.one"), 0);
	assert_fails(removexattr("f", "user.one"), ENODATA);
	assert_int_equal(symlink("f", "s"), 0);
	assert_fails(lsetxattr("s", "user.x", "1", 1, 0), EPERM);
	assert_fails(setxattr("f", "nosuch.x", "1", 1, 0), EOPNOTSUPP);
	if (geteuid() != 0)
		return;
	assert_int_equal(setxattr("f", "trusted.x", "t", 1, 0), 0);
	assert_int_equal(getxattr("f", "trusted.x", buf, sizeof(buf)), 1);
	assert_int_equal(lsetxattr("s", "trusted.x", "l", 1, 0), 0);
	assert_int_equal(lgetxattr("s", "trusted.x", buf, sizeof(buf)), 1);
	assert_int_equal(buf[0], 'l');
}

static void test_capability_goes(void **state)
{
	/* VFS_CAP_REVISION_2, cap_net_raw permitted and effective. */
	static const unsigned char cap[20] = {1, 0, 0, 2, 0, 0x20};

	(void)state;
	if (geteuid() != 0)
		skip();
	put("f", "f");
	assert_int_equal(setxattr("f", "security.capability", cap, sizeof(cap), 0), 0);
	assert_int_equal(getxattr("f", "security.capability", NULL, 0), sizeof(cap));
	int fd = open("f", O_WRONLY);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(close(fd), 0);
	assert_fails(getxattr("f", "security.capability", NULL, 0), ENODATA);
}

/* Version 2; tag, permission, id: user::rwx user:1:rwx group::r-x mask::rwx other::--- */
static const unsigned char acl[44] = {
	2, 0, 0,    0,    1,    0,    7,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,    7,
	0, 1, 0,    0,    0,    4,    0,    5, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
	7, 0, 0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff};

static void test_acl(void **state)
{
	unsigned char back[128];
	mode_t before = umask(077);

	(void)state;
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(setxattr("d", "system.posix_acl_default", acl, sizeof(acl), 0), 0);
	/* The default list takes the place of the umask and is handed down. */
	put("d/f", "f");
	assert_int_equal(stat_of("d/f").st_mode & 07777, 0640);
	assert_int_equal(getxattr("d/f", "system.posix_acl_access", back, sizeof(back)), 44);
	assert_fails(getxattr("d/f", "system.posix_acl_default", back, sizeof(back)), ENODATA);
	assert_int_equal(mkdir("d/sub", 0777), 0);
	assert_int_equal(getxattr("d/sub", "system.posix_acl_default", back, sizeof(back)), 44);
	assert_memory_equal(back, acl, sizeof(acl));
	/* An access list is a mode; a mode changes its mask. */
	put("g", "g");
	assert_int_equal(setxattr("g", "system.posix_acl_access", acl, sizeof(acl), 0), 0);
	assert_int_equal(stat_of("g").st_mode & 07777, 0770);
	assert_int_equal(chmod("g", 0640), 0);
	assert_int_equal(getxattr("g", "system.posix_acl_access", back, sizeof(back)), 44);
	assert_int_equal(back[30], 4);
	assert_int_equal(removexattr("g", "system.posix_acl_access"), 0);
	assert_fails(getxattr("g", "system.posix_acl_access", back, sizeof(back)), ENODATA);
	(void)umask(before);
}

static void test_statvfs(void **state)
{
	struct statvfs st;

	(void)state;
	assert_int_equal(statvfs(".", &st), 0);
	assert_true(st.f_blocks > 0 && st.f_bfree <= st.f_blocks && st.f_bavail <= st.f_bfree);
	assert_true(st.f_bsize > 0);
	assert_int_equal(st.f_namemax, 255);
}

int fs_attrs(void)
{
	const struct CMUnitTest tests[] = {
		CASE(times),           CASE(modes), CASE(owners),  CASE(xattrs),
		CASE(capability_goes), CASE(acl),   CASE(statvfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
