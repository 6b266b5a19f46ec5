/* links: tests/sim/store_mem.c tests/sim/store_mem_attr.c tests/sim/store_mem_data.c
 *        tests/sim/store_mem_names.c tests/sim/store_mem_undo.c tests/sim/store_dump.c
 *        replication/store_dir.c replication/store_dir_attr.c replication/store_dir_make.c
 *        replication/store_dir_names.c replication/store_dir_object.c replication/store_fds.c
 *        core/io.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * The store in memory answers as the store over a directory: the same table of steps and the same
 * random steps on both, with equal results and equal trees at the end. */
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
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/sim/store_dump.h"
#include "tests/sim/store_mem.h"

#define SLOTS 40
#define NOFD  (-1)

/* One store with numbered handles (0: the root) and descriptors, so that steps can name them. */
struct side {
	struct store *store;
	struct store_handle handles[SLOTS];
	int fds[SLOTS];
	uint64_t seen; /* what the last step read, in a form to compare */
};

struct step;
typedef long step_fn(struct side *s, const struct step *step);

struct step {
	step_fn *fn;
	int slot;         /* directory or object */
	const char *name; /* entry, attribute or content */
	int other;        /* second slot, or the descriptor's */
	const char *text; /* second name, target or value */
	long n;
	long m;
	long expect;
};

static uint64_t mix(uint64_t a, uint64_t b)
{
	return (a ^ b) * 0x9e3779b97f4a7c15 + (a >> 29);
}

static uint64_t mix_bytes(uint64_t seen, const void *data, size_t size)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < size; i++)
		seen = mix(seen, p[i]);
	return seen;
}

static int fd_of(struct side *s, int slot)
{
	return slot < 0 ? -1 : s->fds[slot];
}

/* n: mode with type, m: id; the handle goes to `other`. */
static long do_make(struct side *s, const struct step *t)
{
	struct store_node node = {.id = (uint64_t)t->m,
				  .mode = (mode_t)t->n,
				  .uid = (uid_t)t->m % 3,
				  .gid = (gid_t)t->m % 5,
				  .rdev = 0x105,
				  .target = t->text};

	return s->store->ops->make(s->store, &s->handles[t->slot], t->name, &node,
				   &s->handles[t->other]);
}

/* The same with a time that is given; open as number `other`. */
static long do_make_open(struct side *s, const struct step *t)
{
	struct store_node node = {.id = (uint64_t)t->m,
				  .mode = (mode_t)t->n,
				  .uid = 1,
				  .timed = true,
				  .mtime = {.tv_sec = 1000, .tv_nsec = 7}};
	const struct store_ops *ops = s->store->ops;
	struct stat st;
	int r = ops->make_open(s->store, &s->handles[t->slot], t->name, &node,
			       &s->handles[t->other], &s->fds[t->other]);

	if (r == 0)
		r = ops->stat(s->store, &s->handles[t->other], -1, &st);
	if (r == 0 && st.st_size == 0) /* later it has the time of the write */
		s->seen = mix((uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec);
	return r;
}

/* n: mode with type, m: id; the handle goes to slot `other`, the descriptor to the same number. */
static long do_make_nameless(struct side *s, const struct step *t)
{
	struct store_node node = {.id = (uint64_t)t->m, .mode = (mode_t)t->n, .uid = 1, .gid = 2};

	return s->store->ops->make_nameless(s->store, &s->handles[t->slot], &node,
					    &s->handles[t->other], &s->fds[t->other]);
}

static long do_lookup(struct side *s, const struct step *t)
{
	struct stat st = {0};
	uint64_t id = 0;
	int r = s->store->ops->lookup(s->store, &s->handles[t->slot], t->name, &id,
				      &s->handles[t->other], &st);

	s->seen = mix(mix(mix(id, st.st_mode), st.st_uid), st.st_gid);
	return r;
}

static long do_stat(struct side *s, const struct step *t)
{
	struct stat st = {0};
	int r = s->store->ops->stat(s->store, &s->handles[t->slot], fd_of(s, t->other), &st);

	s->seen = mix(mix(mix(st.st_mode, st.st_uid), st.st_gid), st.st_rdev);
	if (!S_ISDIR(st.st_mode))
		s->seen = mix(mix(s->seen, st.st_nlink), (uint64_t)st.st_size);
	return r;
}

static long do_set_id(struct side *s, const struct step *t)
{
	return s->store->ops->set_id(s->store, &s->handles[t->slot], (uint64_t)t->n);
}

static long do_link(struct side *s, const struct step *t)
{
	return s->store->ops->link(s->store, &s->handles[t->slot], &s->handles[t->other], t->name);
}

static long do_unlink(struct side *s, const struct step *t)
{
	return s->store->ops->unlink(s->store, &s->handles[t->slot], t->name, t->n != 0);
}

static long do_rename(struct side *s, const struct step *t)
{
	return s->store->ops->rename(s->store, &s->handles[t->slot], t->name, &s->handles[t->other],
				     t->text, (unsigned int)t->n);
}

/* n: flags; the descriptor goes to `other`. */
static long do_open(struct side *s, const struct step *t)
{
	return s->store->ops->open(s->store, &s->handles[t->slot], (int)t->n, &s->fds[t->other]);
}

static long do_close(struct side *s, const struct step *t)
{
	s->store->ops->close(s->store, s->fds[t->other]);
	s->fds[t->other] = -1;
	return 0;
}

/* n: size, m: offset */
static long do_read(struct side *s, const struct step *t)
{
	uint8_t *data = calloc(1, (size_t)t->n + 1);

	assert_non_null(data);
	ssize_t r = s->store->ops->read(s->store, &s->handles[t->slot], fd_of(s, t->other), data,
					(size_t)t->n, t->m);
	s->seen = mix_bytes(0, data, r > 0 ? (size_t)r : 0);
	free(data);
	return r;
}

/* n: size, of which `name` is the beginning again and again; m: offset */
static long do_write(struct side *s, const struct step *t)
{
	uint8_t *data = malloc((size_t)t->n + 1);
	size_t length = strlen(t->name);

	assert_non_null(data);
	for (size_t i = 0; i < (size_t)t->n; i++)
		data[i] = (uint8_t)t->name[i % length];
	long r = s->store->ops->write(s->store, &s->handles[t->slot], fd_of(s, t->other), data,
				      (size_t)t->n, t->m);
	free(data);
	return r;
}

static long do_truncate(struct side *s, const struct step *t)
{
	return s->store->ops->truncate(s->store, &s->handles[t->slot], fd_of(s, t->other), t->n);
}

/* text: "k" keep size, "p" punch, "z" zero, "" plain */
static long do_fallocate(struct side *s, const struct step *t)
{
	int mode = t->text[0] == 'k'   ? FALLOC_FL_KEEP_SIZE
		   : t->text[0] == 'p' ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
		   : t->text[0] == 'z' ? FALLOC_FL_ZERO_RANGE
				       : 0;

	int r = s->store->ops->fallocate(s->store, &s->handles[t->slot], fd_of(s, t->other), mode,
					 t->n, t->m);
	/* Not all file systems have it; inside a file a hole reads the same. */
	if (r == -EOPNOTSUPP && mode == FALLOC_FL_ZERO_RANGE)
		r = s->store->ops->fallocate(s->store, &s->handles[t->slot], fd_of(s, t->other),
					     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, t->n,
					     t->m);
	return r;
}

/* n: offset. File systems may show zeros as data, so only whether there is any counts. */
static long do_next_data(struct side *s, const struct step *t)
{
	off_t start = 0;
	off_t end = 0;
	int r = s->store->ops->next_data(s->store, &s->handles[t->slot], fd_of(s, t->other), t->n,
					 &start, &end);

	if (r == 0)
		assert_true(start >= t->n && end > start);
	return r;
}

static long do_set_owner(struct side *s, const struct step *t)
{
	return s->store->ops->set_owner(s->store, &s->handles[t->slot], (mode_t)t->n, (uid_t)t->m,
					(gid_t)t->m + 1);
}

static long do_set_times(struct side *s, const struct step *t)
{
	const struct timespec times[2] = {{t->n, t->m}, {t->n + 1, t->m}};

	return s->store->ops->set_times(s->store, &s->handles[t->slot], fd_of(s, t->other), times);
}

static long do_set_xattr(struct side *s, const struct step *t)
{
	return s->store->ops->set_xattr(s->store, &s->handles[t->slot], t->name, t->text,
					strlen(t->text), (int)t->n);
}

static long do_remove_xattr(struct side *s, const struct step *t)
{
	return s->store->ops->remove_xattr(s->store, &s->handles[t->slot], t->name);
}

static long do_get_xattr(struct side *s, const struct step *t)
{
	char value[64];
	ssize_t r = s->store->ops->get_xattr(s->store, &s->handles[t->slot], t->name, value,
					     (size_t)t->n);

	s->seen = mix_bytes(0, value, r > 0 && t->n > 0 ? (size_t)r : 0);
	return r;
}

static long do_readlink(struct side *s, const struct step *t)
{
	char target[64];
	ssize_t r = s->store->ops->readlink(s->store, &s->handles[t->slot], target, (size_t)t->n);

	s->seen = mix_bytes(0, target, r > 0 ? (size_t)r : 0);
	return r;
}

/* In whatever order: a sum. */
static int see_entry(void *arg, const char *name, uint64_t id, mode_t type)
{
	uint64_t *sum = arg;

	*sum += mix(mix_bytes(id, name, strlen(name)), type);
	return 0;
}

static long do_entries(struct side *s, const struct step *t)
{
	uint64_t sum = 0;
	uint64_t some = 0;
	int r = s->store->ops->entries(s->store, &s->handles[t->slot], see_entry, &sum);

	if (r == 0)
		r = s->store->ops->entries_like(s->store, &s->handles[t->slot],
						t->name ? t->name : "a", see_entry, &some);
	s->seen = mix(sum, some);
	return r;
}

#define R S_IFREG
#define D S_IFDIR
#define L S_IFLNK

/* clang-format off */
static const struct step table[] = {
	/* fn, slot, name, other, text, n, m, expect */
	{do_make, 0, "d", 1, NULL, D | 0755, 10, 0},
	{do_make, 0, "d", 1, NULL, D | 0755, 10, 0},
	{do_make, 0, "d", 2, NULL, D | 0755, 11, -EEXIST},
	{do_make, 1, "f", 2, NULL, R | 06640, 12, 0},
	{do_make, 1, "f", 3, NULL, D | 0640, 13, -EEXIST},
	{do_make, 1, "f/", 3, NULL, R | 0640, 13, -EINVAL},
	{do_make, 2, "f", 3, NULL, R | 0640, 13, -ENOTDIR},
	{do_make, 1, "n", 3, NULL, R | 0640, 0, -EINVAL},
	{do_make, 1, "n", 3, NULL, 0640, 13, -EINVAL},
	{do_make, 1, "l", 3, NULL, L | 0777, 13, -EINVAL},
	{do_make, 1, "l", 3, "", L | 0777, 13, -ENOENT},
	{do_make, 1, "l", 3, "some/where", L | 0777, 13, 0},
	{do_make, 1, "p", 4, NULL, S_IFIFO | 0600, 14, 0},
	{do_make, 1, "s", 5, NULL, S_IFSOCK | 0601, 15, 0},
	{do_make, 1, "c", 6, NULL, S_IFCHR | 0602, 16, 0},
	{do_make, 1, "b", 7, NULL, S_IFBLK | 0603, 17, 0},
	{do_make, 1, "e", 8, NULL, D | 01777, 18, 0},
	{do_make, 30, "e", 8, NULL, D | 01777, 18, -ESTALE},
	{do_lookup, 1, "f", 2, NULL, 0, 0, 0},
	{do_lookup, 1, "l", 3, NULL, 0, 0, 0},
	{do_lookup, 1, "b", 7, NULL, 0, 0, 0},
	{do_lookup, 1, "none", 9, NULL, 0, 0, -ENOENT},
	{do_lookup, 1, "..", 9, NULL, 0, 0, -EINVAL},
	{do_lookup, 2, "f", 9, NULL, 0, 0, -ENOTDIR},
	{do_lookup, 30, "f", 9, NULL, 0, 0, -ESTALE},
	{do_entries, 1, NULL, 0, NULL, 0, 0, 0},
	{do_entries, 8, NULL, 0, NULL, 0, 0, 0},
	{do_entries, 2, NULL, 0, NULL, 0, 0, -ENOTDIR},
	{do_set_id, 2, NULL, 0, NULL, 12, 0, 0},
	{do_set_id, 2, NULL, 0, NULL, 99, 0, -EEXIST},
	{do_set_id, 0, NULL, 0, NULL, 1, 0, 0},
	/* links */
	{do_link, 2, "g", 8, NULL, 0, 0, 0},
	{do_link, 2, "g", 8, NULL, 0, 0, 0},
	{do_link, 2, "l", 1, NULL, 0, 0, -EEXIST},
	{do_link, 8, "x", 1, NULL, 0, 0, -EPERM},
	{do_link, 3, "l2", 8, NULL, 0, 0, 0},
	{do_link, 4, "p2", 8, NULL, 0, 0, 0},
	{do_link, 2, "x", 3, NULL, 0, 0, -ENOTDIR},
	{do_link, 30, "x", 8, NULL, 0, 0, -ESTALE},
	{do_stat, 2, NULL, NOFD, NULL, 0, 0, 0},
	{do_rename, 1, "f", 8, "g", 0, 0, 0}, /* the same file: both names stay */
	{do_lookup, 1, "f", 2, NULL, 0, 0, 0},
	/* content */
	{do_open, 2, NULL, 0, NULL, O_RDWR, 0, 0},
	{do_open, 2, NULL, 1, NULL, O_RDONLY, 0, 0},
	{do_open, 2, NULL, 2, NULL, O_WRONLY, 0, 0},
	{do_open, 2, NULL, 3, NULL, O_DIRECTORY, 0, -ENOTDIR},
	{do_open, 1, NULL, 3, NULL, O_RDWR, 0, -EISDIR},
	{do_open, 1, NULL, 3, NULL, O_RDONLY | O_DIRECTORY, 0, 0},
	{do_open, 3, NULL, 4, NULL, O_RDONLY, 0, -EINVAL},
	{do_open, 4, NULL, 4, NULL, O_RDONLY, 0, -EINVAL},
	{do_open, 4, NULL, 4, NULL, O_WRONLY, 0, -EINVAL},
	{do_open, 5, NULL, 4, NULL, O_RDWR, 0, -EINVAL},
	{do_open, 6, NULL, 4, NULL, O_RDONLY, 0, -EINVAL},
	{do_open, 7, NULL, 4, NULL, O_RDWR, 0, -EINVAL},
	{do_open, 30, NULL, 4, NULL, O_RDONLY, 0, -ESTALE},
	{do_write, 2, "abc", 0, NULL, 10000, 5, 0},
	{do_write, 2, "abc", 1, NULL, 10, 5, -EBADF},
	{do_write, 2, "abc", 3, NULL, 10, 5, -EBADF},
	{do_write, 2, "abc", 0, NULL, 10, -5, -EINVAL},
	{do_write, 2, "abc", 0, NULL, 0, 1000000, 0},
	{do_write, 2, "xy", NOFD, NULL, 3, 20000, 0},
	{do_write, 1, "xy", NOFD, NULL, 3, 0, -EISDIR},
	{do_write, 3, "xy", NOFD, NULL, 3, 0, -EINVAL},
	{do_write, 4, "xy", NOFD, NULL, 3, 0, -EINVAL},
	{do_read, 2, NULL, 0, NULL, 30000, 0, 20003},
	{do_read, 2, NULL, 1, NULL, 10, 20000, 3},
	{do_read, 2, NULL, 1, NULL, 10, 20003, 0},
	{do_read, 2, NULL, 1, NULL, 10, 70000, 0},
	{do_read, 2, NULL, 1, NULL, 10, -1, -EINVAL},
	{do_read, 2, NULL, 2, NULL, 10, 0, -EBADF},
	{do_read, 2, NULL, 3, NULL, 10, 0, -EISDIR},
	{do_read, 2, NULL, NOFD, NULL, 0, 0, 0},
	{do_next_data, 2, NULL, 0, NULL, 0, 0, 0},
	{do_next_data, 2, NULL, 0, NULL, 20003, 0, -ENXIO},
	{do_next_data, 2, NULL, 0, NULL, -1, 0, -ENXIO},
	{do_truncate, 2, NULL, 0, NULL, 6000, 0, 0},
	{do_truncate, 2, NULL, 1, NULL, 6000, 0, -EINVAL},
	{do_truncate, 2, NULL, 0, NULL, -6000, 0, -EINVAL},
	{do_truncate, 2, NULL, NOFD, NULL, 12000, 0, 0},
	{do_truncate, 1, NULL, NOFD, NULL, 0, 0, -EISDIR},
	{do_read, 2, NULL, NOFD, NULL, 30000, 0, 12000},
	{do_fallocate, 2, NULL, 0, "p", 4000, 300, 0},
	{do_read, 2, NULL, NOFD, NULL, 30000, 0, 12000},
	{do_fallocate, 2, NULL, 0, "p", 100, 9000, 0},
	{do_fallocate, 2, NULL, 0, "k", 100, 90000, 0},
	{do_fallocate, 2, NULL, 1, "k", 100, 90000, -EBADF},
	{do_fallocate, 2, NULL, 0, "k", 100, 0, -EINVAL},
	{do_fallocate, 2, NULL, 0, "k", -100, 10, -EINVAL},
	{do_stat, 2, NULL, 0, NULL, 0, 0, 0},
	{do_fallocate, 2, NULL, 0, "", 100, 14000, 0},
	{do_fallocate, 2, NULL, 0, "z", 10, 20, 0},
	{do_stat, 2, NULL, 0, NULL, 0, 0, 0},
	{do_read, 2, NULL, NOFD, NULL, 30000, 0, 14100},
	{do_close, 0, NULL, 1, NULL, 0, 0, 0},
	{do_close, 0, NULL, 2, NULL, 0, 0, 0},
	{do_close, 0, NULL, 3, NULL, 0, 0, 0},
	/* attributes */
	{do_set_owner, 2, NULL, 0, NULL, 04711, 77, 0},
	{do_stat, 2, NULL, NOFD, NULL, 0, 0, 0},
	{do_set_owner, 3, NULL, 0, NULL, 0600, 77, 0},
	{do_stat, 3, NULL, NOFD, NULL, 0, 0, 0},
	{do_set_owner, 7, NULL, 0, NULL, 0600, 78, 0},
	{do_stat, 7, NULL, NOFD, NULL, 0, 0, 0},
	{do_set_owner, 8, NULL, 0, NULL, 02700, 78, 0},
	{do_stat, 8, NULL, NOFD, NULL, 0, 0, 0},
	{do_set_owner, 30, NULL, 0, NULL, 0700, 78, -ESTALE},
	{do_set_times, 2, NULL, NOFD, NULL, 1000, 999999999, 0},
	{do_set_times, 2, NULL, 0, NULL, 1000, 1000000000, -EINVAL},
	{do_set_times, 3, NULL, NOFD, NULL, 2000, UTIME_OMIT, 0},
	{do_set_times, 6, NULL, NOFD, NULL, 2000, 7, 0},
	{do_set_xattr, 2, "user.a", 0, "value", XATTR_REPLACE, 0, -ENODATA},
	{do_set_xattr, 2, "user.a", 0, "value", XATTR_CREATE, 0, 0},
	{do_set_xattr, 2, "user.a", 0, "value", XATTR_CREATE, 0, -EEXIST},
	{do_set_xattr, 2, "user.a", 0, "other", 4, 0, -EINVAL},
	{do_set_xattr, 2, "user.a", 0, "longer value", XATTR_REPLACE, 0, 0},
	{do_set_xattr, 2, "user.empty", 0, "", 0, 0, 0},
	{do_set_xattr, 2, "nospace", 0, "", 0, 0, -EOPNOTSUPP},
	{do_set_xattr, 2, "", 0, "", 0, 0, -ERANGE},
	{do_set_xattr, 2, "user.", 0, "", 0, 0, -EINVAL},
	{do_set_xattr, 3, "user.a", 0, "", 0, 0, -EPERM},
	{do_set_xattr, 3, "trusted.a", 0, "on a symlink", 0, 0, 0},
	{do_set_xattr, 4, "trusted.a", 0, "on a fifo", 0, 0, 0},
	{do_set_xattr, 7, "security.a", 0, "on a device", 0, 0, 0},
	{do_get_xattr, 2, "user.a", 0, NULL, 64, 0, 12},
	{do_get_xattr, 2, "user.a", 0, NULL, 0, 0, 12},
	{do_get_xattr, 2, "user.a", 0, NULL, 11, 0, -ERANGE},
	{do_get_xattr, 2, "user.empty", 0, NULL, 64, 0, 0},
	{do_get_xattr, 2, "user.none", 0, NULL, 64, 0, -ENODATA},
	{do_get_xattr, 2, "nospace", 0, NULL, 64, 0, -EOPNOTSUPP},
	{do_get_xattr, 3, "user.a", 0, NULL, 64, 0, -ENODATA},
	{do_get_xattr, 3, "trusted.a", 0, NULL, 64, 0, 12},
	{do_get_xattr, 2, STORE_ID_XATTR, 0, NULL, 64, 0, 8},
	{do_remove_xattr, 2, "user.empty", 0, NULL, 0, 0, 0},
	{do_remove_xattr, 2, "user.empty", 0, NULL, 0, 0, -ENODATA},
	{do_remove_xattr, 3, "user.a", 0, NULL, 0, 0, -EPERM},
	{do_readlink, 3, NULL, 0, NULL, 64, 0, 10},
	{do_readlink, 3, NULL, 0, NULL, 4, 0, 4},
	{do_readlink, 2, NULL, 0, NULL, 64, 0, -EINVAL},
	{do_readlink, 1, NULL, 0, NULL, 64, 0, -EINVAL},
	/* rename */
	{do_make, 0, "top", 10, NULL, D | 0700, 20, 0},
	{do_make, 10, "mid", 11, NULL, D | 0700, 21, 0},
	{do_make, 11, "low", 12, NULL, D | 0700, 22, 0},
	{do_rename, 0, "none", 0, "x", 0, 0, -ENOENT},
	{do_rename, 0, "top", 12, "x", 0, 0, -EINVAL},
	{do_rename, 12, "none", 0, "top", 0, 0, -ENOENT},
	{do_rename, 11, "low", 0, "top", 0, 0, -ENOTEMPTY},
	{do_rename, 11, "low", 0, "top", RENAME_EXCHANGE, 0, -EINVAL},
	{do_rename, 0, "top", 12, "x", RENAME_NOREPLACE | RENAME_EXCHANGE, 0, -EINVAL},
	{do_rename, 0, "top", 12, "x", 1 << 10, 0, -EINVAL},
	{do_rename, 0, "top", 0, "top", RENAME_NOREPLACE, 0, -EEXIST},
	{do_rename, 0, "top", 0, "top", 0, 0, 0},
	{do_rename, 0, "top", 1, "f", 0, 0, -ENOTDIR},
	{do_rename, 1, "f", 0, "top", 0, 0, -EISDIR},
	{do_rename, 1, "f", 0, "none", RENAME_EXCHANGE, 0, -ENOENT},
	{do_rename, 0, "top", 1, "f", RENAME_EXCHANGE, 0, 0},
	{do_rename, 1, "f", 8, "moved", RENAME_NOREPLACE, 0, 0}, /* the directory */
	{do_lookup, 8, "moved", 13, NULL, 0, 0, 0},
	{do_lookup, 0, "top", 14, NULL, 0, 0, 0},
	{do_rename, 11, "low", 0, "out", 0, 0, 0},
	{do_make, 0, "empty", 15, NULL, D | 0700, 23, 0},
	{do_rename, 0, "out", 0, "empty", 0, 0, 0},
	{do_stat, 15, NULL, NOFD, NULL, 0, 0, -ESTALE},
	{do_make, 15, "x", 16, NULL, R | 0600, 24, -ESTALE},
	{do_make, 12, "x", 16, NULL, R | 0600, 24, 0},
	{do_make, 12, "y", 17, NULL, R | 0600, 25, 0},
	{do_rename, 12, "x", 12, "y", 0, 0, 0},
	{do_stat, 17, NULL, NOFD, NULL, 0, 0, -ESTALE},
	{do_rename, 2, "x", 12, "y", 0, 0, -ENOTDIR},
	{do_rename, 12, "y", 12, "y/z", 0, 0, -EINVAL},
	/* unlink */
	{do_unlink, 0, "empty", 0, NULL, 1, 0, -ENOTEMPTY},
	{do_unlink, 0, "empty", 0, NULL, 0, 0, -EISDIR},
	{do_unlink, 12, "y", 0, NULL, 1, 0, -ENOTDIR},
	{do_unlink, 12, "y", 0, NULL, 0, 0, 0},
	{do_unlink, 12, "y", 0, NULL, 0, 0, -ENOENT},
	{do_unlink, 12, "y", 0, NULL, 1, 0, -ENOENT},
	{do_unlink, 0, "empty", 0, NULL, 1, 0, 0},
	{do_unlink, 0, "empty", 0, NULL, 1, 0, -ENOENT},
	{do_entries, 12, NULL, 0, NULL, 0, 0, -ESTALE},
	/* unlinked, but open */
	{do_unlink, 8, "g", 0, NULL, 0, 0, 0},
	{do_unlink, 0, "top", 0, NULL, 0, 0, 0},
	{do_stat, 2, NULL, NOFD, NULL, 0, 0, 0},
	{do_write, 2, "after", NOFD, NULL, 5, 0, 0},
	{do_read, 2, NULL, 0, NULL, 50, 0, 50},
	{do_link, 2, "again", 0, NULL, 0, 0, -ENOENT},
	{do_set_xattr, 2, "user.b", 0, "orphan", 0, 0, 0},
	{do_close, 0, NULL, 0, NULL, 0, 0, 0},
	{do_stat, 2, NULL, NOFD, NULL, 0, 0, -ESTALE},
	{do_write, 2, "after", NOFD, NULL, 5, 0, -ESTALE},
	/* without a name */
	{do_make_nameless, 0, NULL, 31, NULL, D | 0755, 90, -EINVAL},
	{do_make_nameless, 0, NULL, 31, NULL, R | 0640, 0, -EINVAL},
	{do_make_nameless, 12, NULL, 31, NULL, R | 0640, 90, -ESTALE},
	{do_make_nameless, 0, NULL, 31, NULL, R | 0640, 90, 0},
	{do_make_nameless, 31, NULL, 32, NULL, R | 0640, 91, -ENOTDIR},
	{do_entries, 0, NULL, 0, NULL, 0, 0, 0},
	{do_stat, 31, NULL, NOFD, NULL, 0, 0, 0},
	{do_set_id, 31, NULL, 0, NULL, 90, 0, 0},
	{do_write, 31, "abc", 31, NULL, 100, 5, 0},
	{do_set_owner, 31, NULL, 0, NULL, 0600, 3, 0},
	{do_link, 31, "named", 0, NULL, 0, 0, 0},
	{do_lookup, 0, "named", 32, NULL, 0, 0, 0},
	{do_link, 31, "named too", 0, NULL, 0, 0, 0},
	{do_unlink, 0, "named", 0, NULL, 0, 0, 0},
	{do_unlink, 0, "named too", 0, NULL, 0, 0, 0},
	{do_link, 31, "late", 0, NULL, 0, 0, -ENOENT},
	{do_close, 0, NULL, 31, NULL, 0, 0, 0},
	{do_stat, 31, NULL, NOFD, NULL, 0, 0, -ESTALE},
	{do_make_nameless, 0, NULL, 31, NULL, R | 0640, 92, 0},
	{do_read, 31, NULL, NOFD, NULL, 10, 0, 0},
	{do_close, 0, NULL, 31, NULL, 0, 0, 0},
	{do_stat, 31, NULL, NOFD, NULL, 0, 0, -ESTALE},
	/* open from the beginning */
	{do_make_open, 0, "o", 33, NULL, D | 0755, 93, -EINVAL},
	{do_make_open, 0, "o", 33, NULL, R | 0640, 0, -EINVAL},
	{do_make_open, 0, "o", 33, NULL, R | 0640, 93, 0},
	{do_write, 33, "abc", 33, NULL, 3, 0, 0},
	{do_read, 33, NULL, 33, NULL, 3, 0, 3},
	{do_close, 0, NULL, 33, NULL, 0, 0, 0},
	{do_make_open, 0, "o", 33, NULL, R | 0640, 93, 0},
	{do_read, 33, NULL, 33, NULL, 3, 0, 3},
	{do_close, 0, NULL, 33, NULL, 0, 0, 0},
	{do_make_open, 0, "o", 34, NULL, R | 0640, 94, -EEXIST},
	{do_unlink, 0, "o", 0, NULL, 0, 0, 0},
};
/* clang-format on */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

struct pair {
	char path[256];
	struct side mem;
	struct side dir; /* store NULL: this place has no trusted attributes */
};

static void side_begin(struct side *s)
{
	for (size_t i = 0; i < SLOTS; i++)
		s->fds[i] = -1;
	assert_int_equal(s->store->ops->root(s->store, &s->handles[0]), 0);
	assert_int_equal(s->store->ops->set_owner(s->store, &s->handles[0], 0755, 0, 0), 0);
}

static int set_up(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");
	char error[300] = "";

	assert_non_null(p);
	assert_int_equal(store_mem_new(&p->mem.store), 0);
	side_begin(&p->mem);
	(void)snprintf(p->path, sizeof(p->path), "%s/store_conf.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(p->path));
	int r = store_dir_open(p->path, &p->dir.store, error, sizeof(error));
	if (r < 0)
		print_message("only the store in memory is tried: %s\n", error);
	else
		side_begin(&p->dir);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *p = *state;

	p->mem.store->ops->free(p->mem.store);
	if (p->dir.store)
		p->dir.store->ops->free(p->dir.store);
	(void)nftw(p->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(p);
	return 0;
}

static void compare_trees(struct pair *p, unsigned int flags)
{
	char *a = NULL;
	char *b = NULL;

	assert_int_equal(store_dump(p->mem.store, flags, &a), 0);
	if (p->dir.store) {
		assert_int_equal(store_dump(p->dir.store, flags, &b), 0);
		store_dump_diff(a, b);
		assert_string_equal(a, b);
	}
	free(a);
	free(b);
}

static void test_table(void **state)
{
	struct pair *p = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct step *t = &table[i];
		struct side *sides[] = {&p->mem, &p->dir};
		for (size_t k = 0; k < 2 && sides[k]->store; k++) {
			sides[k]->seen = 0;
			long r = t->fn(sides[k], t);
			if (r != t->expect)
				print_message("step %zu (%s, %s) of %s: %ld, expected %ld\n", i,
					      t->name ? t->name : "", t->text ? t->text : "",
					      k ? "store_dir" : "store_mem", r, t->expect);
			assert_int_equal(r, t->expect);
		}
		if (p->dir.store && p->mem.seen != p->dir.seen)
			print_message("step %zu saw something else\n", i);
		assert_true(!p->dir.store || p->mem.seen == p->dir.seen);
	}
	compare_trees(p, STORE_DUMP_IDS);
}

struct chance {
	uint64_t state;
};

static long pick(struct chance *c, long below)
{
	c->state = c->state * 6364136223846793005 + 1442695040888963407;
	return (long)((c->state >> 33) % (uint64_t)below);
}

static const char *fn_name(step_fn *fn)
{
	static const struct {
		step_fn *fn;
		const char *name;
	} names[] = {
		{do_make_nameless, "make_nameless"},
		{do_make, "make"},
		{do_make_open, "make_open"},
		{do_lookup, "lookup"},
		{do_stat, "stat"},
		{do_set_id, "set_id"},
		{do_link, "link"},
		{do_unlink, "unlink"},
		{do_rename, "rename"},
		{do_read, "read"},
		{do_write, "write"},
		{do_truncate, "truncate"},
		{do_set_owner, "set_owner"},
		{do_set_times, "set_times"},
		{do_set_xattr, "set_xattr"},
		{do_remove_xattr, "remove_xattr"},
		{do_get_xattr, "get_xattr"},
		{do_readlink, "readlink"},
		{do_entries, "entries"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].fn == fn)
			return names[i].name;
	}
	return "?";
}

static struct step random_step(struct chance *c, uint64_t *ids)
{
	static const char *const names[] = {"a", "b", "c", "d", "e"};
	static const char *const xattrs[] = {"user.x", "trusted.y", "user.z"};
	static const long modes[] = {R | 0644,  R | 04755, D | 0755,      D | 0700,
				     D | 02770, L | 0777,  S_IFIFO | 0600};
	static const unsigned int flags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
	struct step t = {.slot = (int)pick(c, 12),
			 .name = names[pick(c, 5)],
			 .other = (int)pick(c, 12),
			 .text = names[pick(c, 5)]};
	static step_fn *const fns[] = {
		do_make,         do_make,      do_make,      do_make,      do_make,
		do_lookup,       do_lookup,    do_stat,      do_link,      do_unlink,
		do_unlink,       do_rename,    do_rename,    do_write,     do_write,
		do_read,         do_truncate,  do_set_owner, do_set_times, do_set_xattr,
		do_remove_xattr, do_get_xattr, do_readlink,  do_entries,   do_set_id,
	};

	t.fn = fns[pick(c, (long)(sizeof(fns) / sizeof(fns[0])))];
	t.n = pick(c, 9000);
	t.m = pick(c, 30000);
	if (t.fn == do_make) {
		t.n = modes[pick(c, 7)];
		t.m = (long)++*ids;
		t.other = (int)pick(c, 11) + 1;
	} else if (t.fn == do_lookup) {
		t.other = (int)pick(c, 11) + 1;
	} else if (t.fn == do_rename) {
		t.n = (long)flags[pick(c, 4)];
	} else if (t.fn == do_unlink) {
		t.n = pick(c, 2);
	} else if (t.fn == do_read || t.fn == do_write || t.fn == do_truncate ||
		   t.fn == do_set_times || t.fn == do_stat) {
		t.other = NOFD;
	} else if (t.fn == do_set_xattr || t.fn == do_remove_xattr || t.fn == do_get_xattr) {
		t.name = xattrs[pick(c, 3)];
		t.n = t.fn == do_get_xattr ? pick(c, 3) : 0;
	} else if (t.fn == do_set_owner) {
		t.n &= 07777;
	} else if (t.fn == do_readlink) {
		t.n = 10;
	}
	return t;
}

static void test_random(void **state)
{
	struct pair *p = *state;
	const char *given = getenv("SEED");
	struct chance c = {.state = given ? strtoull(given, NULL, 10) : 20240601};
	uint64_t ids = 1000;
	long done = 0;

	if (!p->dir.store)
		skip();
	print_message("SEED=%llu\n", (unsigned long long)c.state);
	for (int i = 0; i < 20000; i++) {
		struct step t = random_step(&c, &ids);
		p->mem.seen = 0;
		p->dir.seen = 0;
		long a = t.fn(&p->mem, &t);
		long b = t.fn(&p->dir, &t);
		if (a != b || p->mem.seen != p->dir.seen)
			print_message("step %d (%s slot %d, %s, other %d, %s, %ld, %ld): mem %ld, "
				      "dir %ld\n",
				      i, fn_name(t.fn), t.slot, t.name, t.other, t.text, t.n, t.m,
				      a, b);
		assert_int_equal(a, b);
		assert_true(p->mem.seen == p->dir.seen);
		done += a >= 0;
		if (i % 1000 == 999)
			compare_trees(p, STORE_DUMP_IDS);
	}
	assert_true(done > 5000); /* not all of it was refused */
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_table),
		CASE(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
