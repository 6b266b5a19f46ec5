/* links: replication/store_dir.c replication/store_dir_attr.c replication/store_dir_make.c
 *        replication/store_dir_names.c replication/store_dir_object.c replication/store_fds.c
 *        core/io.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * The store over a real directory below TMPDIR: each step on each type, handles, descriptors.
 * What it shares with the simulator's store is in tests/sim/store_conformance_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "replication/store.h"

/* A constant makedev(3) for small numbers. */
#define DEV(major, minor) ((dev_t)(major) << 8 | (dev_t)(minor))

struct place {
	char path[256];
	struct store *store;
	const struct store_ops *ops;
	struct store_handle root;
	uint64_t next_id;
};

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

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");
	char error[300] = "";

	assert_non_null(p);
	assert_true((size_t)snprintf(p->path, sizeof(p->path), "%s/store_dir_test.XXXXXX",
				     tmp ? tmp : "/tmp") < sizeof(p->path));
	assert_non_null(mkdtemp(p->path));
	int r = store_dir_open(p->path, &p->store, error, sizeof(error));
	if (r == -ENOTSUP || r == -EPERM || r == -EOVERFLOW)
		print_message("skipped: %s\n", error);
	else
		assert_int_equal(r, 0);
	if (r == 0) {
		p->ops = p->store->ops;
		assert_int_equal(p->ops->root(p->store, &p->root), 0);
	}
	p->next_id = 1000;
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	if (p->store)
		p->ops->free(p->store);
	remove_tree(p->path);
	free(p);
	return 0;
}

static struct place *place_of(void **state)
{
	struct place *p = *state;

	if (!p->store)
		skip();
	return p;
}

static struct store_handle make_in(struct place *p, const struct store_handle *dir,
				   const char *name, mode_t mode)
{
	struct store_node node = {.id = ++p->next_id, .mode = mode, .target = "target"};
	struct store_handle h = {0};

	assert_int_equal(p->ops->make(p->store, dir, name, &node, &h), 0);
	return h;
}

static struct store_handle make_one(struct place *p, const char *name, mode_t mode)
{
	return make_in(p, &p->root, name, mode);
}

static bool same_handle(const struct store_handle *a, const struct store_handle *b)
{
	return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

static size_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
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
		node.id++;
		assert_int_equal(p->ops->make(p->store, &p->root, name, &node, &again), -EEXIST);
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
	struct store_handle d = make_one(p, "d", S_IFDIR | 0700);
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

static void test_names(void **state)
{
	struct place *p = place_of(state);
	char name[300];
	static const char *const bad[] = {"", ".", "..", "a/b", "/", "../x"};
	uint64_t id = 0;

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	struct store_handle h = make_one(p, name, S_IFREG | 0600);
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
	struct store_handle a = make_one(p, "a", S_IFDIR | 0700);
	struct store_handle b = make_one(p, "b", S_IFDIR | 0700);
	struct store_handle f = make_in(p, &a, "f", S_IFREG | 0600);
	char text[8] = "";

	assert_int_equal(p->ops->rename(p->store, &a, "f", &b, "g", 0), 0);
	assert_int_equal(p->ops->rename(p->store, &a, "f", &b, "g", 0), -ENOENT);
	assert_int_equal(p->ops->rename(p->store, &p->root, "b", &a, "c", 0), 0);
	assert_int_equal(p->ops->write(p->store, &f, -1, "moved", 5, 0), 0);
	assert_int_equal(p->ops->read(p->store, &f, -1, text, sizeof(text), 0), 5);
	assert_string_equal(text, "moved");
	(void)make_in(p, &b, "new", S_IFREG | 0600);
	char path[300];
	(void)snprintf(path, sizeof(path), "%s/a/c/new", p->path);
	assert_int_equal(access(path, F_OK), 0);
}

static void test_unlinked_but_open(void **state)
{
	struct place *p = place_of(state);
	struct store_handle f = make_one(p, "f", S_IFREG | 0600);
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
	struct store_handle a = make_one(p, "a", S_IFDIR | 0700);
	struct store_handle b = make_one(p, "b", S_IFDIR | 0700);
	struct store_node node = {.id = 9, .mode = S_IFREG | 0600};
	struct stat st;

	assert_int_equal(p->ops->rename(p->store, &p->root, "a", &p->root, "b", 0), 0);
	assert_int_equal(p->ops->stat(p->store, &b, -1, &st), -ESTALE);
	assert_int_equal(p->ops->make(p->store, &b, "f", &node, NULL), -ESTALE);
	(void)make_in(p, &a, "f", S_IFREG | 0600);
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
	struct store_handle d = make_one(p, "d", S_IFDIR | 0700);
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
			(void)make_one(p, "else", S_IFREG | 0600);
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
	struct store_handle h = make_one(p, "f", S_IFREG | 0600);

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
	struct store_handle f = make_one(p, "f", S_IFREG | 0600);
	struct store_handle d = make_one(p, "d", S_IFDIR | 0700);
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

	(void)make_one(p, "dir", S_IFDIR | 0700);
	sum += p->next_id;
	struct store_handle f = make_one(p, "f", S_IFREG | 0700);
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

/* 5,000 files in 5,000 directories with at most 300 descriptors, of which the test takes some. */
static void test_descriptors_stay_few(void **state)
{
	enum { COUNT = 5000 };
	struct place *p = place_of(state);
	struct store_handle *dirs = calloc(COUNT, sizeof(*dirs));
	struct store_handle *files = calloc(COUNT, sizeof(*files));
	struct rlimit old;
	int held[100];
	char name[16];
	struct stat st;

	assert_non_null(dirs);
	assert_non_null(files);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	struct rlimit few = {.rlim_cur = 300, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (size_t i = 0; i < COUNT; i++) {
		(void)snprintf(name, sizeof(name), "d%zu", i);
		dirs[i] = make_one(p, name, S_IFDIR | 0700);
		files[i] = make_in(p, &dirs[i], "f", S_IFREG | 0600);
	}
	size_t most = count_fds();
	assert_true(most <= STORE_DIR_CACHE + 20);
	/* The cache gives way to those who need descriptors now. */
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(p->ops->open(p->store, &files[i], O_RDONLY, &held[i]), 0);
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(p->ops->lookup(p->store, &dirs[i], "f", NULL, NULL, &st), 0);
		assert_int_equal(p->ops->stat(p->store, &files[i], -1, &st), 0);
	}
	for (size_t i = 0; i < 100; i++)
		p->ops->close(p->store, held[i]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	free(dirs);
	free(files);
}

enum { THREADS = 4, SHARED_DIRS = 300, ROUNDS = 3000 };

struct worker {
	struct place *place;
	const struct store_handle *dirs;
	unsigned int number;
	atomic_bool stop;
	int failure;
};

/* More directories than the cache holds, each used by all: a descriptor closed under another
 * thread's hands gives EBADF or another directory's names. */
static void *work(void *arg)
{
	struct worker *w = arg;
	struct store *store = w->place->store;
	const struct store_ops *ops = w->place->ops;
	unsigned int random = w->number * 7919 + 1;
	char name[16];

	(void)snprintf(name, sizeof(name), "w%u", w->number);
	for (int i = 0; i < ROUNDS && w->failure == 0; i++) {
		random = random * 1103515245 + 12345;
		size_t d = random / 65536 % SHARED_DIRS;
		struct store_node node = {.id = d + 1, .mode = S_IFDIR | 0700};
		uint64_t id = 0;
		int r = ops->make(store, &w->dirs[d], name, &node, NULL);
		if (r == 0)
			r = ops->lookup(store, &w->dirs[d], name, &id, NULL, NULL);
		if (r == 0 && id != d + 1)
			r = MA_ECORRUPT;
		if (r == 0)
			r = ops->unlink(store, &w->dirs[d], name, true);
		w->failure = r;
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct place *p = place_of(state);
	struct store_handle dirs[SHARED_DIRS];
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	char name[16];

	for (unsigned int i = 0; i < SHARED_DIRS; i++) {
		(void)snprintf(name, sizeof(name), "d%u", i);
		dirs[i] = make_one(p, name, S_IFDIR | 0700);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.place = p, .dirs = dirs, .number = i};
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(workers[i].failure, 0);
	}
	assert_true(count_fds() <= STORE_DIR_CACHE + 20);
}

enum { GIVEN = 64 };

static int each_given(struct place *p, bool make, struct store_handle handles[GIVEN])
{
	struct store_node node = {.id = 1, .mode = S_IFREG | 0600};
	char name[16];
	int r = 0;

	for (unsigned int i = 0; i < GIVEN && r == 0; i++) {
		(void)snprintf(name, sizeof(name), "g%u", i);
		r = make ? p->ops->make(p->store, &p->root, name, &node, &handles[i])
			 : p->ops->unlink(p->store, &p->root, name, false);
	}
	return r;
}

static void *make_and_unlink(void *arg)
{
	struct worker *w = arg;
	struct store_handle handles[GIVEN];

	while (!w->stop && w->failure == 0) {
		w->failure = each_given(w->place, true, handles);
		if (w->failure == 0)
			w->failure = each_given(w->place, false, handles);
	}
	return NULL;
}

/* A file system gives the numbers of removed objects to new ones. Meanwhile an old handle finds
 * nothing; ext4 says that it has no memory if it meets the new one half made. */
static void test_gone_while_number_is_given_again(void **state)
{
	struct place *p = place_of(state);
	struct worker w = {.place = p};
	struct store_handle gone[GIVEN];
	pthread_t thread;
	struct stat st;

	assert_int_equal(each_given(p, true, gone), 0);
	assert_int_equal(each_given(p, false, gone), 0);
	assert_int_equal(pthread_create(&thread, NULL, make_and_unlink, &w), 0);
	int r = -ESTALE;
	for (int i = 0; i < 400000 && r == -ESTALE; i++)
		r = p->ops->stat(p->store, &gone[i % GIVEN], -1, &st);
	w.stop = true;
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(r, -ESTALE);
	assert_int_equal(w.failure, 0);
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
	(void)make_one(p, "file", S_IFREG | 0600);
	(void)snprintf(path, sizeof(path), "%s/file", p->path);
	assert_int_equal(store_dir_open(path, &store, error, sizeof(error)), -ENOTDIR);
	assert_true(store_dir_open("/proc/self", &store, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "ext4"));
	assert_null(store);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_types),
		CASE(test_parent_influence),
		CASE(test_takes_over_leftovers),
		CASE(test_leaves_foreign_alone),
		CASE(test_failed_make_leaves_nothing),
		CASE(test_names),
		CASE(test_handles_survive_renames),
		CASE(test_unlinked_but_open),
		CASE(test_removed_directories_are_gone),
		CASE(test_links),
		CASE(test_attributes),
		CASE(test_id_of_wrong_size),
		CASE(test_content),
		CASE(test_entries),
		CASE(test_descriptors_stay_few),
		CASE(test_threads),
		CASE(test_gone_while_number_is_given_again),
		CASE(test_refused_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
