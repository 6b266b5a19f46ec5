/* links: tests/lib/store_place.c replication/store_dir.c replication/store_dir_attr.c
 *        replication/store_dir_make.c replication/store_dir_names.c replication/store_dir_object.c
 *        replication/store_fds.c core/io.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * The store over a real directory below TMPDIR: each step on each type, handles, refusals.
 * What it shares with the simulator's store is in tests/sim/store_conformance_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/lib/store_place.h"

/* A constant makedev(3) for small numbers. */
#define DEV(major, minor) ((dev_t)(major) << 8 | (dev_t)(minor))

static const struct store_node types[] = {
	{.mode = S_IFREG | 0640, .uid = 0, .gid = 0},
	{.mode = S_IFREG | 06755, .uid = 1001, .gid = 1002},
	{.mode = S_IFDIR | 03771, .uid = 1001, .gid = 1002},
	{.mode = S_IFLNK | 0777, .uid = 1001, .gid = 1002, .target = "no/such"},
	{.mode = S_IFIFO | 0604, .uid = 1001, .gid = 0},
	{.mode = S_IFSOCK | 0755, .uid = 0, .gid = 1002},
	{.mode = S_IFCHR | 0666, .uid = 7, .gid = 8, .rdev = DEV(1, 3)},
	{.mode = S_IFBLK | 0660, .uid = 7, .gid = 8, .rdev = DEV(7, 200)},
};
#define TYPES (sizeof(types) / sizeof(types[0]))

static bool same_handle(const struct store_handle *a, const struct store_handle *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static void check_made(struct place *p, const char *name, const struct store_node *node,
		       const struct store_handle *made)
{
	struct store_handle h = {0};
	struct stat by_name;
	struct stat by_handle;
	uint64_t id = 0;

	assert_int_equal(p->ops->lookup(p->store, &p->root, name, &id, &h, &by_name), 0);
	assert_true(id == node->id);
	assert_true(same_handle(&h, made));
	assert_int_equal(p->ops->stat(p->store, made, -1, &by_handle), 0);
	assert_true(by_name.st_ino == by_handle.st_ino);
	assert_int_equal(by_handle.st_mode, node->mode);
	assert_int_equal(by_handle.st_uid, node->uid);
	assert_int_equal(by_handle.st_gid, node->gid);
	assert_true(by_handle.st_rdev == node->rdev);
	/* The parent's default list is not handed down. */
	assert_true(p->ops->get_xattr(p->store, made, STORE_ACL_ACCESS, NULL, 0) < 0);
	assert_true(p->ops->get_xattr(p->store, made, STORE_ACL_DEFAULT, NULL, 0) < 0);
}

static void make_each_type(struct place *p)
{
	char name[16];

	for (size_t i = 0; i < TYPES; i++) {
		struct store_node node = types[i];
		struct store_handle made = {0};
		struct store_handle again = {0};

		node.id = 100 + i;
		(void)snprintf(name, sizeof(name), "t%zu", i);
		assert_int_equal(p->ops->make(p->store, &p->root, name, &node, &made), 0);
		check_made(p, name, &node, &made);
		assert_int_equal(p->ops->make(p->store, &p->root, name, &node, &again), 0);
		assert_true(same_handle(&made, &again));
		struct store_node other = node;
		other.id++;
		other.uid++;
		assert_int_equal(p->ops->make(p->store, &p->root, name, &other, &again), -EEXIST);
		check_made(p, name, &node, &made);
		assert_int_equal(p->ops->unlink(p->store, &p->root, name, S_ISDIR(node.mode)), 0);
		assert_int_equal(p->ops->unlink(p->store, &p->root, name, S_ISDIR(node.mode)),
				 -ENOENT);
		assert_int_equal(p->ops->stat(p->store, &made, -1, &(struct stat){0}), -ESTALE);
	}
}

static void test_types(void **state)
{
	struct place *p = place_of(state);
	mode_t before = umask(0);

	make_each_type(p);
	(void)umask(077);
	make_each_type(p);
	(void)umask(before);
}

/* What is made with a time has it, whatever comes after: owner, mode, id. */
static void test_made_with_time(void **state)
{
	struct place *p = place_of(state);
	const struct timespec then = {.tv_sec = 86400, .tv_nsec = 5};

	for (size_t i = 0; i < TYPES; i++) {
		struct store_node node = types[i];
		struct store_handle made;
		struct stat st;

		node.id = 100 + i;
		node.uid = 7;
		node.timed = true;
		node.mtime = then;
		assert_int_equal(p->ops->make(p->store, &p->root, "n", &node, &made), 0);
		assert_int_equal(p->ops->stat(p->store, &made, -1, &st), 0);
		assert_int_equal(st.st_mtim.tv_sec, then.tv_sec);
		assert_int_equal(st.st_mtim.tv_nsec, then.tv_nsec);
		assert_int_equal(p->ops->unlink(p->store, &p->root, "n", S_ISDIR(node.mode)), 0);
	}
}

/* A file is made and open; if it was there already, too. Nothing else is. */
static void test_made_open(void **state)
{
	struct place *p = place_of(state);
	struct store_node node = {.id = 9, .mode = S_IFREG | 0400};
	struct store_handle made;
	char back[4] = "";
	int fd;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(p->ops->make_open(p->store, &p->root, "f", &node, &made, &fd), 0);
		assert_int_equal(p->ops->write(p->store, &made, fd, "abc", 3, 0), 0);
		assert_int_equal(p->ops->read(p->store, &made, fd, back, 3, 0), 3);
		assert_string_equal(back, "abc");
		p->ops->close(p->store, fd);
	}
	node.id++;
	assert_int_equal(p->ops->make_open(p->store, &p->root, "f", &node, &made, &fd), -EEXIST);
	node.mode = S_IFDIR | 0700;
	assert_int_equal(p->ops->make_open(p->store, &p->root, "d", &node, &made, &fd), -EINVAL);
}

/* A parent with a default ACL and setgid changes what the file system makes of mode and group. */
static void test_parent_influence(void **state)
{
	struct place *p = place_of(state);
	/* version 2; user:rwx, group:---, mask:---, other:--- */
	static const uint8_t acl[] = {2,    0,    0,    0, 1, 0,    7,    0,    0xff,
				      0xff, 0xff, 0xff, 4, 0, 0,    0,    0xff, 0xff,
				      0xff, 0xff, 0x10, 0, 0, 0,    0xff, 0xff, 0xff,
				      0xff, 0x20, 0,    0, 0, 0xff, 0xff, 0xff, 0xff};
	char inside[300];

	assert_int_equal(p->ops->set_owner(p->store, &p->root, 02755, 0, 5000), 0);
	if (p->ops->set_xattr(p->store, &p->root, "system.posix_acl_default", acl, sizeof(acl), 0) <
	    0)
		print_message("no ACLs here: only setgid is tried\n");
	(void)snprintf(inside, sizeof(inside), "%s/probe", p->path);
	assert_int_equal(mkdir(inside, 0755), 0);
	struct stat st;
	assert_int_equal(stat(inside, &st), 0);
	assert_int_equal(st.st_gid, 5000); /* the influence is there */
	make_each_type(p);
}

static void test_takes_over_leftovers(void **state)
{
	struct place *p = place_of(state);
	int dir = open(p->path, O_RDONLY | O_DIRECTORY);
	char name[16];

	assert_true(dir >= 0);
	for (size_t i = 0; i < TYPES; i++) {
		struct store_node node = types[i];
		struct store_handle made = {0};

		node.id = 200 + i;
		(void)snprintf(name, sizeof(name), "t%zu", i);
		if (S_ISDIR(node.mode))
			assert_int_equal(mkdirat(dir, name, 0700), 0);
		else if (S_ISLNK(node.mode))
			assert_int_equal(symlinkat(node.target, dir, name), 0);
		else
			assert_int_equal(mknodat(dir, name, (node.mode & S_IFMT) | 0600, node.rdev),
					 0);
		assert_int_equal(p->ops->make(p->store, &p->root, name, &node, &made), 0);
		check_made(p, name, &node, &made);
	}
	(void)close(dir);
}

static void test_leaves_foreign_alone(void **state)
{
	struct place *p = place_of(state);
	int dir = open(p->path, O_RDONLY | O_DIRECTORY);
	static const struct {
		const char *name;
		struct store_node node;
	} rows[] = {
		{"full", {.id = 1, .mode = S_IFREG | 0600}},
		{"linked", {.id = 2, .mode = S_IFREG | 0600}},
		{"dir", {.id = 3, .mode = S_IFDIR | 0700}},
		{"link", {.id = 4, .mode = S_IFLNK | 0777, .target = "tob"}},
		{"link", {.id = 5, .mode = S_IFLNK | 0777, .target = "to and more"}},
		{"null", {.id = 6, .mode = S_IFCHR | 0600, .rdev = DEV(1, 5)}},
		{"null", {.id = 7, .mode = S_IFREG | 0600}},
		{"fifo", {.id = 8, .mode = S_IFSOCK | 0600}},
	};

	assert_true(dir >= 0);
	int fd = openat(dir, "full", O_CREAT | O_WRONLY, 0600);
	assert_int_equal(write(fd, "x", 1), 1);
	(void)close(fd);
	assert_int_equal(mknodat(dir, "linked", S_IFREG | 0600, 0), 0);
	assert_int_equal(linkat(dir, "linked", dir, "other", 0), 0);
	assert_int_equal(mkdirat(dir, "dir", 0700), 0);
	assert_int_equal(mknodat(dir, "dir/inside", S_IFREG | 0600, 0), 0);
	assert_int_equal(symlinkat("toa", dir, "link"), 0);
	assert_int_equal(mknodat(dir, "null", S_IFCHR | 0600, DEV(1, 3)), 0);
	assert_int_equal(mknodat(dir, "fifo", S_IFIFO | 0600, 0), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t id = 1;
		assert_int_equal(
			p->ops->make(p->store, &p->root, rows[i].name, &rows[i].node, NULL),
			-EEXIST);
		assert_int_equal(p->ops->lookup(p->store, &p->root, rows[i].name, &id, NULL, NULL),
				 0);
		assert_true(id == 0);
		assert_int_equal(store_entry_id(dir, rows[i].name, &id), 0);
		assert_true(id == 0);
	}
	(void)close(dir);
}

static void test_failed_make_leaves_nothing(void **state)
{
	struct place *p = place_of(state);
	struct store_node bad[] = {
		{.id = 1, .mode = S_IFLNK | 0777, .target = NULL},
		{.id = 0, .mode = S_IFREG | 0600},
		{.id = 1, .mode = 0600},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(p->ops->make(p->store, &p->root, "n", &bad[i], NULL), -EINVAL);
	/* No descriptor is left for the second half of each of these. */
	struct rlimit old;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	struct store_handle d = place_make(p, &p->root, "d", S_IFDIR | 0700);
	int spare = open("/dev/null", O_RDONLY);
	(void)close(spare);
	struct rlimit none = {.rlim_cur = (rlim_t)spare, .rlim_max = old.rlim_max};
	for (size_t i = 0; i < TYPES; i++) {
		struct store_node node = types[i];
		node.id = 1;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		int r = p->ops->make(p->store, &d, "n", &node, NULL);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		assert_int_equal(r, -EMFILE);
		assert_int_equal(p->ops->lookup(p->store, &d, "n", NULL, NULL, NULL), -ENOENT);
	}
}

/* Of this thread alone. */
static void set_capability(unsigned int number, bool on)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	uint32_t bit = 1U << number % 32;

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	data[number / 32].effective &= ~bit;
	data[number / 32].effective |= on ? bit : 0;
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

/* The object is made, then its id cannot be written. */
static void test_make_without_id_is_taken_back(void **state)
{
	struct place *p = place_of(state);

	for (size_t i = 0; i < TYPES; i++) {
		struct store_node node = types[i];
		node.id = 1;
		set_capability(CAP_SYS_ADMIN, false);
		int r = p->ops->make(p->store, &p->root, "n", &node, NULL);
		set_capability(CAP_SYS_ADMIN, true);
		assert_int_equal(r, -EPERM);
		assert_int_equal(p->ops->lookup(p->store, &p->root, "n", NULL, NULL, NULL),
				 -ENOENT);
	}
}

static void test_names(void **state)
{
	struct place *p = place_of(state);
	char name[300];
	static const char *const bad[] = {"", ".", "..", "a/b", "/", "../x"};
	uint64_t id = 0;

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	struct store_handle h = place_make(p, &p->root, name, S_IFREG | 0600);
	assert_int_equal(p->ops->lookup(p->store, &p->root, name, &id, NULL, NULL), 0);
	assert_true(id == p->next_id);
	assert_int_equal(p->ops->link(p->store, &h, &p->root, "short"), 0);
	name[0] = 'm';
	assert_int_equal(p->ops->rename(p->store, &p->root, "short", &p->root, name, 0), 0);
	name[255] = 'n';
	name[256] = '\0';
	assert_int_equal(p->ops->lookup(p->store, &p->root, name, &id, NULL, NULL), -ENAMETOOLONG);
	assert_int_equal(store_entry_id(0, name, &id), -ENAMETOOLONG);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct store_node node = {.id = 1, .mode = S_IFREG | 0600};
		assert_int_equal(p->ops->make(p->store, &p->root, bad[i], &node, NULL), -EINVAL);
		assert_int_equal(p->ops->lookup(p->store, &p->root, bad[i], &id, NULL, NULL),
				 -EINVAL);
		assert_int_equal(p->ops->unlink(p->store, &p->root, bad[i], true), -EINVAL);
		assert_int_equal(p->ops->link(p->store, &h, &p->root, bad[i]), -EINVAL);
		assert_int_equal(p->ops->rename(p->store, &p->root, "x", &p->root, bad[i], 0),
				 -EINVAL);
	}
}

static void test_handles_survive_renames(void **state)
{
	struct place *p = place_of(state);
	struct store_handle a = place_make(p, &p->root, "a", S_IFDIR | 0700);
	struct store_handle b = place_make(p, &p->root, "b", S_IFDIR | 0700);
	struct store_handle f = place_make(p, &a, "f", S_IFREG | 0600);
	char text[8] = "";

	assert_int_equal(p->ops->rename(p->store, &a, "f", &b, "g", 0), 0);
	assert_int_equal(p->ops->rename(p->store, &a, "f", &b, "g", 0), -ENOENT);
	assert_int_equal(p->ops->rename(p->store, &p->root, "b", &a, "c", 0), 0);
	assert_int_equal(p->ops->write(p->store, &f, -1, "moved", 5, 0), 0);
	assert_int_equal(p->ops->read(p->store, &f, -1, text, sizeof(text), 0), 5);
	assert_string_equal(text, "moved");
	(void)place_make(p, &b, "new", S_IFREG | 0600);
	char path[300];
	(void)snprintf(path, sizeof(path), "%s/a/c/new", p->path);
	assert_int_equal(access(path, F_OK), 0);
}

static void test_unlinked_but_open(void **state)
{
	struct place *p = place_of(state);
	struct store_handle f = place_make(p, &p->root, "f", S_IFREG | 0600);
	struct stat st;
	int fd = -1;
	char text[4];

	assert_int_equal(p->ops->open(p->store, &f, O_RDWR, &fd), 0);
	assert_int_equal(p->ops->unlink(p->store, &p->root, "f", false), 0);
	assert_int_equal(p->ops->write(p->store, &f, -1, "abc", 3, 0), 0);
	assert_int_equal(p->ops->read(p->store, &f, fd, text, sizeof(text), 0), 3);
	assert_int_equal(p->ops->stat(p->store, &f, -1, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(p->ops->link(p->store, &f, &p->root, "again"), -ENOENT);
	p->ops->close(p->store, fd);
	assert_int_equal(p->ops->stat(p->store, &f, -1, &st), -ESTALE);
	assert_int_equal(p->ops->write(p->store, &f, -1, "abc", 3, 0), -ESTALE);
}

static void test_removed_directories_are_gone(void **state)
{
	struct place *p = place_of(state);
	struct store_handle a = place_make(p, &p->root, "a", S_IFDIR | 0700);
	struct store_handle b = place_make(p, &p->root, "b", S_IFDIR | 0700);
	struct store_node node = {.id = 9, .mode = S_IFREG | 0600};
	struct stat st;

	assert_int_equal(p->ops->rename(p->store, &p->root, "a", &p->root, "b", 0), 0);
	assert_int_equal(p->ops->stat(p->store, &b, -1, &st), -ESTALE);
	assert_int_equal(p->ops->make(p->store, &b, "f", &node, NULL), -ESTALE);
	(void)place_make(p, &a, "f", S_IFREG | 0600);
	assert_int_equal(p->ops->unlink(p->store, &p->root, "b", true), -ENOTEMPTY);
	assert_int_equal(p->ops->unlink(p->store, &p->root, "b", false), -EISDIR);
	assert_int_equal(p->ops->unlink(p->store, &a, "f", true), -ENOTDIR);
	assert_int_equal(p->ops->unlink(p->store, &a, "f", false), 0);
	assert_int_equal(p->ops->unlink(p->store, &p->root, "b", true), 0);
	assert_int_equal(p->ops->make(p->store, &a, "f", &node, NULL), -ESTALE);
	assert_int_equal(p->ops->entries(p->store, &a, NULL, NULL), -ESTALE);
}

static void test_links(void **state)
{
	struct place *p = place_of(state);
	struct store_handle d = place_make(p, &p->root, "d", S_IFDIR | 0700);
	struct stat st;

	for (size_t i = 0; i < TYPES; i++) {
		struct store_node node = types[i];
		struct store_handle h;

		node.id = 300 + i;
		assert_int_equal(p->ops->make(p->store, &p->root, "n", &node, &h), 0);
		int expected = S_ISDIR(node.mode) ? -EPERM : 0;
		assert_int_equal(p->ops->link(p->store, &h, &d, "m"), expected);
		assert_int_equal(p->ops->link(p->store, &h, &d, "m"), expected);
		assert_int_equal(p->ops->stat(p->store, &h, -1, &st), 0);
		if (expected == 0) {
			assert_int_equal(st.st_nlink, 2);
			(void)place_make(p, &p->root, "else", S_IFREG | 0600);
			assert_int_equal(p->ops->link(p->store, &h, &p->root, "else"), -EEXIST);
			assert_int_equal(p->ops->unlink(p->store, &p->root, "else", false), 0);
			assert_int_equal(p->ops->unlink(p->store, &d, "m", false), 0);
		}
		assert_int_equal(p->ops->unlink(p->store, &p->root, "n", S_ISDIR(node.mode)), 0);
	}
}

static bool in_list(const char *list, ssize_t size, const char *name)
{
	for (const char *at = list; at < list + size; at += strlen(at) + 1) {
		if (strcmp(at, name) == 0)
			return true;
	}
	return false;
}

static void check_xattrs(struct place *p, const struct store_handle *h, const char *name)
{
	char list[256];
	char value[8];

	assert_int_equal(p->ops->get_xattr(p->store, h, name, value, sizeof(value)), -ENODATA);
	assert_int_equal(p->ops->remove_xattr(p->store, h, name), -ENODATA);
	assert_int_equal(p->ops->set_xattr(p->store, h, name, "v", 1, XATTR_REPLACE), -ENODATA);
	assert_int_equal(p->ops->set_xattr(p->store, h, name, "value", 5, XATTR_CREATE), 0);
	assert_int_equal(p->ops->set_xattr(p->store, h, name, "value", 5, XATTR_CREATE), -EEXIST);
	assert_int_equal(p->ops->get_xattr(p->store, h, name, value, 0), 5);
	assert_int_equal(p->ops->get_xattr(p->store, h, name, value, 4), -ERANGE);
	assert_int_equal(p->ops->get_xattr(p->store, h, name, value, sizeof(value)), 5);
	assert_memory_equal(value, "value", 5);
	ssize_t size = p->ops->list_xattr(p->store, h, list, sizeof(list));
	assert_true(size > 0);
	assert_true(p->ops->list_xattr(p->store, h, NULL, 0) == size);
	assert_true(in_list(list, size, name));
	assert_true(in_list(list, size, STORE_ID_XATTR));
	assert_int_equal(p->ops->set_xattr(p->store, h, name, "", 0, 0), 0);
	assert_int_equal(p->ops->get_xattr(p->store, h, name, value, sizeof(value)), 0);
	assert_int_equal(p->ops->remove_xattr(p->store, h, name), 0);
	size = p->ops->list_xattr(p->store, h, list, sizeof(list));
	assert_false(in_list(list, size, name));
}

static void test_attributes(void **state)
{
	struct place *p = place_of(state);
	const struct timespec times[2] = {{11, 12}, {13, 14}};
	const struct timespec omit[2] = {{0, UTIME_OMIT}, {15, 16}};

	for (size_t i = 0; i < TYPES; i++) {
		struct store_node node = types[i];
		struct store_handle h;
		struct stat st;
		char name[8];

		(void)snprintf(name, sizeof(name), "t%zu", i);
		node.id = 400 + i;
		assert_int_equal(p->ops->make(p->store, &p->root, name, &node, &h), 0);
		bool plain = S_ISREG(node.mode) || S_ISDIR(node.mode);
		check_xattrs(p, &h, "trusted.some");
		if (plain)
			check_xattrs(p, &h, "user.some");
		else
			assert_int_equal(p->ops->set_xattr(p->store, &h, "user.some", "v", 1, 0),
					 -EPERM);
		assert_int_equal(p->ops->set_id(p->store, &h, node.id), 0);
		assert_int_equal(p->ops->set_id(p->store, &h, node.id + 1), -EEXIST);
		assert_int_equal(p->ops->set_times(p->store, &h, -1, times), 0);
		assert_int_equal(p->ops->set_times(p->store, &h, -1, omit), 0);
		assert_int_equal(p->ops->set_owner(p->store, &h, 06751, 33, 44), 0);
		assert_int_equal(p->ops->stat(p->store, &h, -1, &st), 0);
		assert_true(st.st_atim.tv_sec == 11 && st.st_atim.tv_nsec == 12);
		assert_true(st.st_mtim.tv_sec == 15 && st.st_mtim.tv_nsec == 16);
		assert_int_equal(st.st_uid, 33);
		assert_int_equal(st.st_gid, 44);
		assert_int_equal(st.st_mode & 07777, S_ISLNK(node.mode) ? 0777 : 06751);
		char target[8];
		ssize_t n = p->ops->readlink(p->store, &h, target, sizeof(target));
		assert_int_equal(n, S_ISLNK(node.mode) ? 7 : -EINVAL);
		int fd = -1;
		assert_int_equal(p->ops->open(p->store, &h, O_RDONLY, &fd), plain ? 0 : -EINVAL);
		p->ops->close(p->store, fd);
		if (!plain)
			assert_int_equal(p->ops->open(p->store, &h, O_WRONLY, &fd), -EINVAL);
	}
}

static void test_id_of_wrong_size(void **state)
{
	struct place *p = place_of(state);
	uint64_t id = 0;
	static const char *const wrong[] = {"1234567", "123456789", "\0\0\0\0\0\0\0\0"};
	static const size_t sizes[] = {7, 9, 8};
	struct store_handle h = place_make(p, &p->root, "f", S_IFREG | 0600);

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(
			p->ops->set_xattr(p->store, &h, STORE_ID_XATTR, wrong[i], sizes[i], 0), 0);
		assert_int_equal(p->ops->lookup(p->store, &p->root, "f", &id, NULL, NULL),
				 MA_ECORRUPT);
		assert_int_equal(p->ops->set_id(p->store, &h, 5), MA_ECORRUPT);
	}
}

static void test_content(void **state)
{
	struct place *p = place_of(state);
	struct store_handle f = place_make(p, &p->root, "f", S_IFREG | 0600);
	struct store_handle d = place_make(p, &p->root, "d", S_IFDIR | 0700);
	const off_t far = (off_t)3 << 30;
	struct stat st;
	off_t start = 0;
	off_t end = 0;
	char text[8] = "";
	int fd = -1;

	assert_int_equal(p->ops->next_data(p->store, &f, -1, 0, &start, &end), -ENXIO);
	assert_int_equal(p->ops->write(p->store, &f, -1, "far", 3, far), 0);
	assert_int_equal(p->ops->open(p->store, &f, O_RDWR | O_APPEND, &fd), 0);
	assert_int_equal(p->ops->next_data(p->store, &f, fd, 0, &start, &end), 0);
	assert_true(start > 0 && start <= far && far - start < 1 << 21);
	assert_true(end == far + 3);
	assert_int_equal(p->ops->next_data(p->store, &f, fd, end, &start, &end), -ENXIO);
	assert_int_equal(p->ops->write(p->store, &f, fd, "at 0", 4, 0), 0); /* not appended */
	assert_int_equal(p->ops->read(p->store, &f, fd, text, 4, 0), 4);
	assert_memory_equal(text, "at 0", 4);
	assert_int_equal(p->ops->read(p->store, &f, -1, text, sizeof(text), far), 3);
	assert_int_equal(p->ops->truncate(p->store, &f, -1, 2), 0);
	int r = p->ops->fallocate(p->store, &f, -1, FALLOC_FL_KEEP_SIZE, 0, 8192);
	assert_true(r == 0 || r == -EOPNOTSUPP);
	assert_int_equal(p->ops->stat(p->store, &f, fd, &st), 0);
	assert_true(st.st_size == 2);
	p->ops->close(p->store, fd);
	assert_int_equal(p->ops->write(p->store, &d, -1, "x", 1, 0), -EISDIR);
	assert_int_equal(p->ops->truncate(p->store, &d, -1, 0), -EISDIR);
	assert_int_equal(p->ops->sync(p->store), 0);
	assert_int_equal(p->ops->sync_data(p->store, &f), 0);
	assert_int_equal(p->ops->sync_data(p->store, &(struct store_handle){0}), -ESTALE);
	struct statvfs vfs;
	assert_int_equal(p->ops->statfs(p->store, &vfs), 0);
	assert_true(vfs.f_blocks > 0);
}

struct seen {
	size_t count;
	uint64_t ids;
	size_t stop_at;
};

static int see(void *arg, const char *name, uint64_t id, mode_t type)
{
	struct seen *seen = arg;

	seen->count++;
	seen->ids += id;
	assert_int_equal(type, strcmp(name, "dir") == 0 ? S_IFDIR : S_IFREG);
	return seen->count == seen->stop_at ? 77 : 0;
}

static void test_entries(void **state)
{
	struct place *p = place_of(state);
	struct seen all = {0};
	struct seen some = {.stop_at = 2};
	char path[300];
	uint64_t sum = 0;

	(void)place_make(p, &p->root, "dir", S_IFDIR | 0700);
	sum += p->next_id;
	struct store_handle f = place_make(p, &p->root, "f", S_IFREG | 0700);
	sum += p->next_id;
	(void)snprintf(path, sizeof(path), "%s/foreign", p->path);
	assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
	assert_int_equal(p->ops->entries(p->store, &p->root, see, &all), 0);
	assert_int_equal(all.count, 3);
	assert_true(all.ids == sum);
	assert_int_equal(p->ops->entries(p->store, &p->root, see, &some), 77);
	assert_int_equal(some.count, 2);
	assert_int_equal(p->ops->entries(p->store, &f, see, &some), -ENOTDIR);
}

static void test_refused_places(void **state)
{
	struct store *store = NULL;
	char error[300] = "";
	char path[300];
	struct place *p = place_of(state);

	(void)snprintf(path, sizeof(path), "%s/missing", p->path);
	assert_int_equal(store_dir_open(path, &store, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, path));
	assert_non_null(strstr(error, "No such file"));
	(void)place_make(p, &p->root, "file", S_IFREG | 0600);
	(void)snprintf(path, sizeof(path), "%s/file", p->path);
	assert_int_equal(store_dir_open(path, &store, error, sizeof(error)), -ENOTDIR);
	assert_true(store_dir_open("/proc/self", &store, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "ext4"));
	assert_null(store);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, place_set_up, place_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_types),
		CASE(test_made_with_time),
		CASE(test_made_open),
		CASE(test_parent_influence),
		CASE(test_takes_over_leftovers),
		CASE(test_leaves_foreign_alone),
		CASE(test_failed_make_leaves_nothing),
		CASE(test_make_without_id_is_taken_back),
		CASE(test_names),
		CASE(test_handles_survive_renames),
		CASE(test_unlinked_but_open),
		CASE(test_removed_directories_are_gone),
		CASE(test_links),
		CASE(test_attributes),
		CASE(test_id_of_wrong_size),
		CASE(test_content),
		CASE(test_entries),
		CASE(test_refused_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
