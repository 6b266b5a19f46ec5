/* SPDX-License-Identifier: Apache-2.0
 * Calls of applications, as the kernel would make them: names are looked up first, -ESTALE is tried
 * again. What they do to contents is told to the oracle.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/auto.h"
#include "replication/pool.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"

#define NAMES_MAX 64
#define BYTES_MAX (96u << 10)
#define TRIES     4

struct target {
	uint64_t parent;
	char name[256];
	struct stat st; /* st_ino 0: there is no such entry */
};

struct listing {
	char names[NAMES_MAX][256];
	size_t count;
};

static int listing_add(void *arg, const char *name, uint64_t id, mode_t type)
{
	struct listing *l = arg;

	(void)id;
	(void)type;
	if (l->count < NAMES_MAX && strcmp(name, POOL_RESERVED) != 0 &&
	    strncmp(name, "count-", 6) != 0)
		(void)snprintf(l->names[l->count++], 256, "%s", name);
	return 0;
}

static int listing_order(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Directories are chosen by number: the top, some below it, some below those. */
static const char *const dirs[] = {"", "a", "b", "a/a", "a/b", "b/a", "b/b"};
static const char *const plain[] = {"a", "b", "c.txt", "d", "e.tar", "\xc3\xa9t\xc3\xa9"};

static int find_dir(struct pool *p, uint32_t which, uint64_t *ret)
{
	const char *path = dirs[which % (sizeof(dirs) / sizeof(dirs[0]))];
	uint64_t at = POOL_ROOT_ID;

	while (*path) {
		char name[2] = {path[0], '\0'};
		struct stat st;
		int r = pool_lookup(p, at, name, &st);
		if (r < 0)
			return r;
		if (!S_ISDIR(st.st_mode))
			return -ENOTDIR;
		at = st.st_ino;
		path += path[1] ? 2 : 1;
	}
	*ret = at;
	return 0;
}

/* From 16 on: an entry that is there, whatever its name. 15: a name as long as can be. */
static int choose_name(struct pool *p, uint64_t dir, uint32_t which, char ret[256])
{
	AUTO_FREE struct listing *l = NULL;
	AUTO_REF struct object_ref o = {.cache = p->cache};

	if (which == 15) {
		memset(ret, 'n', 255);
		(void)snprintf(ret + 250, 6, "o.txt");
		return 0;
	}
	if (which < 16) {
		(void)snprintf(ret, 256, "%s", plain[which % (sizeof(plain) / sizeof(plain[0]))]);
		return 0;
	}
	l = calloc(1, sizeof(*l));
	if (!l)
		abort();
	int r = object_get(p->cache, dir, &o.o);
	if (r == 0)
		r = p->store->ops->entries(p->store, &o.o->handle, listing_add, l);
	if (r == 0 && !l->count)
		r = -ENOENT;
	if (r < 0)
		return r;
	qsort(l->names, l->count, sizeof(l->names[0]), listing_order);
	(void)snprintf(ret, 256, "%s", l->names[(which - 16) % l->count]);
	return 0;
}

static int find(struct pool *p, uint32_t dir, uint32_t name, struct target *ret)
{
	memset(ret, 0, sizeof(*ret));
	int r = find_dir(p, dir, &ret->parent);
	if (r == 0)
		r = choose_name(p, ret->parent, name, ret->name);
	if (r < 0)
		return r;
	r = pool_lookup(p, ret->parent, ret->name, &ret->st);
	if (r == -ENOENT)
		ret->st.st_ino = 0;
	return r == -ENOENT ? 0 : r;
}

static int find_there(struct pool *p, uint32_t dir, uint32_t name, struct target *ret)
{
	int r = find(p, dir, name, ret);

	return r == 0 && !ret->st.st_ino ? -ENOENT : r;
}

static int find_file(struct pool *p, uint32_t dir, uint32_t name, struct target *ret)
{
	int r = find_there(p, dir, name, ret);

	return r == 0 && !S_ISREG(ret->st.st_mode) ? -EISDIR : r;
}

/* Bytes that no other call of the run writes. */
static uint8_t *unique_bytes(const struct sim_node *n, uint32_t number, size_t size)
{
	uint8_t *bytes = malloc(size);
	char mark[64];

	if (!bytes)
		abort();
	int length = snprintf(mark, sizeof(mark), "<node %u call %u>", n->number, number);
	for (size_t at = 0; at < size; at++)
		bytes[at] = (uint8_t)mark[at % (size_t)length];
	return bytes;
}

static const struct pool_caller caller = {.uid = 1000, .gid = 1000, .umask = 022};

static int op_make(struct sim_node *n, const struct step *s)
{
	struct target t;
	struct stat st;
	mode_t mode = s->verb == VERB_MKDIR     ? S_IFDIR | 0755
		      : s->verb == VERB_SYMLINK ? S_IFLNK
		      : s->c % 2                ? S_IFIFO | 0600
						: S_IFCHR | 0600;
	int r = find(n->pool, s->a, s->b, &t);

	if (r < 0)
		return r;
	return pool_make(n->pool, &caller, t.parent, t.name, mode, S_ISCHR(mode) ? 0x0105 : 0,
			 S_ISLNK(mode) ? "some/where" : NULL, &st);
}

static ssize_t write_at(struct sim_node *n, uint64_t id, int fd, const struct step *s, bool append)
{
	size_t size = s->c % 5 == 0 ? s->c % 20000 + 1 : s->c % 200 + 1;
	AUTO_FREE uint8_t *bytes = unique_bytes(n, s->number, size);

	return pool_write(n->pool, id, fd, bytes, size, (off_t)(s->d % 4 * 3000), append);
}

static int op_create(struct sim_node *n, const struct step *s)
{
	struct target t;
	struct stat st;
	int fd;
	int r = find(n->pool, s->a, s->b, &t);
	int flags = O_RDWR | O_CREAT | (s->c % 4 == 0 ? O_EXCL : 0) | (s->d % 2 ? O_TRUNC : 0);
	if (r < 0)
		return r;
	uint64_t before = t.st.st_ino ? oracle_content(n, t.st.st_ino) : 0;
	r = pool_create(n->pool, &caller, t.parent, t.name, 0644, flags, &st, &fd);
	if (r < 0)
		return r;
	if (s->c % 3) {
		ssize_t w = write_at(n, st.st_ino, fd, s, false);
		r = w < 0 ? (int)w : 0;
	}
	pool_close(n->pool, st.st_ino, fd);
	oracle_changed(n, before, oracle_content(n, st.st_ino));
	return r;
}

static int op_content(struct sim_node *n, const struct step *s)
{
	static const int modes[] = {0, FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				    FALLOC_FL_ZERO_RANGE};
	struct target t;
	int fd;
	int r = find_file(n->pool, s->a, s->b, &t);

	if (r < 0)
		return r;
	r = pool_open(n->pool, t.st.st_ino, O_RDWR, &fd);
	if (r < 0)
		return r;
	uint64_t before = oracle_content(n, t.st.st_ino);
	struct pool_attr attr = {.valid = POOL_ATTR_SIZE, .size = (off_t)(s->c % 9000)};
	struct stat st;
	ssize_t w = 0;
	if (s->verb == VERB_TRUNCATE)
		w = pool_setattr(n->pool, t.st.st_ino, fd, &attr, &st);
	else if (s->verb == VERB_FALLOCATE)
		w = pool_fallocate(n->pool, t.st.st_ino, fd, modes[s->d % 4], s->c % 9000,
				   s->c % 5000 + 1);
	else
		w = write_at(n, t.st.st_ino, fd, s, s->verb == VERB_APPEND);
	pool_close(n->pool, t.st.st_ino, fd);
	oracle_changed(n, before, oracle_content(n, t.st.st_ino));
	return w < 0 ? (int)w : 0;
}

static int op_link(struct sim_node *n, const struct step *s)
{
	struct target from, to;
	struct stat st;
	int r = find_there(n->pool, s->a, s->b, &from);

	if (r == 0)
		r = find(n->pool, s->c, s->d, &to);
	if (r == 0 && S_ISDIR(from.st.st_mode))
		r = -EPERM; /* the kernel says so itself */
	return r < 0 ? r : pool_link(n->pool, from.st.st_ino, to.parent, to.name, &st);
}

/* What goes with a name of a file; 0: nothing. */
static uint64_t content_of(struct sim_node *n, const struct target *t)
{
	return t->st.st_ino && S_ISREG(t->st.st_mode) ? oracle_content(n, t->st.st_ino) : 0;
}

static int op_remove(struct sim_node *n, const struct step *s)
{
	struct target t;
	int r = find_there(n->pool, s->a, s->b, &t);

	if (r < 0)
		return r;
	uint64_t content = content_of(n, &t);
	r = s->verb == VERB_RMDIR ? pool_rmdir(n->pool, t.parent, t.name)
				  : pool_unlink(n->pool, t.parent, t.name);
	if (r == 0)
		oracle_removed(n, content, t.st.st_nlink == 1);
	return r;
}

static int op_rename(struct sim_node *n, const struct step *s)
{
	struct target from, to;
	unsigned int flags = s->verb == VERB_EXCHANGE ? RENAME_EXCHANGE : 0;
	int r = find_there(n->pool, s->a, s->b, &from);

	if (r == 0)
		r = find(n->pool, s->c, s->d, &to);
	if (r < 0)
		return r;
	bool other = to.st.st_ino && to.st.st_ino != from.st.st_ino;
	/* The kernel's own checks. */
	if (other && !flags && S_ISDIR(from.st.st_mode) != S_ISDIR(to.st.st_mode))
		return S_ISDIR(to.st.st_mode) ? -EISDIR : -ENOTDIR;
	uint64_t content = other && !flags ? content_of(n, &to) : 0;
	r = pool_rename(n->pool, from.parent, from.name, to.parent, to.name, flags);
	if (r == 0)
		oracle_removed(n, content, to.st.st_nlink == 1);
	return r;
}

static int op_attr(struct sim_node *n, const struct step *s)
{
	struct target t;
	struct stat st;
	int r = find_there(n->pool, s->a, s->b, &t);
	struct pool_attr attr = {
		.mode = (mode_t)(s->c % 512) | (s->c % 7 == 0 ? S_ISUID : 0),
		.uid = 1000 + s->c % 3,
		.gid = 1000 + s->c % 2,
		.mtime = {.tv_sec = (time_t)(s->c % 100000), .tv_nsec = (long)(s->d % 1000000000)},
		.atime = {.tv_sec = 5}};

	if (r == 0 && S_ISLNK(t.st.st_mode) && s->verb == VERB_CHMOD)
		r = -EOPNOTSUPP;
	if (r < 0)
		return r;
	attr.valid = s->verb == VERB_CHMOD   ? POOL_ATTR_MODE
		     : s->verb == VERB_CHOWN ? POOL_ATTR_UID | POOL_ATTR_GID
		     : s->d % 3 == 0         ? POOL_ATTR_ATIME_NOW | POOL_ATTR_MTIME_NOW
					     : POOL_ATTR_ATIME | POOL_ATTR_MTIME;
	return pool_setattr(n->pool, t.st.st_ino, -1, &attr, &st);
}

static int op_xattr(struct sim_node *n, const struct step *s)
{
	static const char *const names[] = {"user.a", "user.b", "trusted.c"};
	struct target t;
	char value[64];
	int r = find_there(n->pool, s->a, s->b, &t);

	if (r == 0 && !S_ISREG(t.st.st_mode) && !S_ISDIR(t.st.st_mode))
		r = -EPERM;
	if (r < 0)
		return r;
	if (s->verb == VERB_RMXATTR)
		return pool_removexattr(n->pool, t.st.st_ino, names[s->c % 3]);
	int size = snprintf(value, sizeof(value), "%u of %u", s->number, n->number);
	return pool_setxattr(n->pool, t.st.st_ino, names[s->c % 3], value, (size_t)size, 0);
}

/* The first file before the second: who sees the second's number must see the first's. */
static int op_count(struct sim_node *n, const struct step *s)
{
	for (int i = 0; i < 2; i++) {
		char name[32];
		struct stat st;
		uint64_t value = 0;
		int fd;
		(void)snprintf(name, sizeof(name), "count-%u-%d", n->number, i);
		int r = pool_create(n->pool, &caller, POOL_ROOT_ID, name, 0644, O_RDWR, &st, &fd);
		if (r < 0)
			return r;
		ssize_t got = n->store->ops->read(n->store, NULL, fd, &value, sizeof(value), 0);
		value = got == sizeof(value) ? value + 1 : 1;
		ssize_t w = pool_write(n->pool, st.st_ino, fd, &value, sizeof(value), 0, false);
		pool_close(n->pool, st.st_ino, fd);
		if (w < 0)
			return (int)w;
	}
	(void)s;
	return 0;
}

static int op_once(struct sim_node *n, const struct step *s)
{
	switch (s->verb) {
	case VERB_CREATE:
		return op_create(n, s);
	case VERB_MKDIR:
	case VERB_SYMLINK:
	case VERB_MKNOD:
		return op_make(n, s);
	case VERB_LINK:
		return op_link(n, s);
	case VERB_UNLINK:
	case VERB_RMDIR:
		return op_remove(n, s);
	case VERB_RENAME:
	case VERB_EXCHANGE:
		return op_rename(n, s);
	case VERB_WRITE:
	case VERB_APPEND:
	case VERB_TRUNCATE:
	case VERB_FALLOCATE:
		return op_content(n, s);
	case VERB_CHMOD:
	case VERB_CHOWN:
	case VERB_UTIMENS:
		return op_attr(n, s);
	case VERB_SETXATTR:
	case VERB_RMXATTR:
		return op_xattr(n, s);
	case VERB_COUNT:
		return op_count(n, s);
	default:
		return pool_fsync(n->pool, POOL_ROOT_ID, -1, false);
	}
}

static void look_at(struct pool *p, uint64_t dir, int depth)
{
	AUTO_FREE struct listing *l = calloc(1, sizeof(*l));
	AUTO_REF struct object_ref o = {.cache = p->cache};

	if (!l)
		abort();
	if (depth > 20 || object_get(p->cache, dir, &o.o) < 0 ||
	    p->store->ops->entries(p->store, &o.o->handle, listing_add, l) < 0)
		return;
	for (size_t i = 0; i < l->count; i++) {
		struct stat st;
		if (pool_lookup(p, dir, l->names[i], &st) == 0 && S_ISDIR(st.st_mode))
			look_at(p, st.st_ino, depth + 1);
	}
}

void sim_look(struct sim_node *n)
{
	if (!n->pool)
		return;
	sim_node_enter(n);
	look_at(n->pool, POOL_ROOT_ID, 0);
}

void sim_op(struct sim_node *n, const struct step *s)
{
	int r = -ESTALE;

	if (!n->pool)
		return;
	sim_node_enter(n);
	for (int i = 0; i < TRIES && r == -ESTALE; i++)
		r = op_once(n, s);
	sim_trace(n->sim, "      node %u: %s", n->number, r < 0 ? err_text(r) : "done");
	if (r < -1000)
		sim_fail(n->sim, "an application on node %u gets the code %d (%s) for %s",
			 n->number, r, err_text(r), verb_name(s->verb));
	else if (r == -ESTALE)
		sim_fail(n->sim, "an application on node %u gets ESTALE for ever for %s", n->number,
			 verb_name(s->verb));
}
