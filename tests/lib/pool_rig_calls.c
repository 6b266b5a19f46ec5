/* SPDX-License-Identifier: Apache-2.0
 * The calls of an application for pools in a rig.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/auto.h"
#include "tests/lib/pool_rig.h"

static const struct pool_caller caller = {.uid = 0, .gid = 0, .umask = 022};

/* The directory of the last part of the path, and that part. 0: there is no such directory. */
static uint64_t parent_of(struct pool *p, const char *path, char name[256])
{
	uint64_t id = POOL_ROOT_ID;

	assert_true(path[0] == '/');
	for (;;) {
		const char *end = strchrnul(path + 1, '/');
		struct stat st;

		(void)snprintf(name, 256, "%.*s", (int)(end - path - 1), path + 1);
		if (!*end)
			return id;
		if (pool_lookup(p, id, name, &st) < 0)
			return 0;
		id = st.st_ino;
		path = end;
	}
}

uint64_t rig_id(struct pool_rig *rig, uint16_t node, const char *path)
{
	struct pool *p = rig->nodes[node].p;
	char name[256];
	struct stat st;

	if (!path[1])
		return POOL_ROOT_ID;
	uint64_t parent = parent_of(p, path, name);
	if (!parent || pool_lookup(p, parent, name, &st) < 0)
		return 0;
	return st.st_ino;
}

bool rig_there(struct pool_rig *rig, uint16_t node, const char *path)
{
	return rig_id(rig, node, path) != 0;
}

static uint64_t id_of(struct pool_rig *rig, uint16_t node, const char *path)
{
	uint64_t id = rig_id(rig, node, path);

	if (!id)
		fail_msg("node %u has no %s", node, path);
	return id;
}

static void make(struct pool_rig *rig, uint16_t node, const char *path, mode_t mode,
		 const char *target)
{
	struct pool *p = rig->nodes[node].p;
	char name[256];
	struct stat st;
	uint64_t parent = parent_of(p, path, name);

	assert_true(parent != 0);
	assert_int_equal(pool_make(p, &caller, parent, name, mode, 0, target, &st), 0);
}

void rig_mkdir(struct pool_rig *rig, uint16_t node, const char *path)
{
	make(rig, node, path, S_IFDIR | 0755, NULL);
}

void rig_symlink(struct pool_rig *rig, uint16_t node, const char *path, const char *target)
{
	make(rig, node, path, S_IFLNK | 0777, target);
}

static void write_at(struct pool_rig *rig, uint16_t node, const char *path, const void *data,
		     size_t size, bool append)
{
	struct pool *p = rig->nodes[node].p;
	char name[256];
	struct stat st;
	int fd;
	uint64_t parent = parent_of(p, path, name);

	assert_true(parent != 0);
	int flags = O_RDWR | O_CREAT | (append ? O_APPEND : O_TRUNC);
	assert_int_equal(pool_create(p, &caller, parent, name, 0644, flags, &st, &fd), 0);
	if (size)
		assert_int_equal(pool_write(p, st.st_ino, fd, data, size, 0, append), size);
	pool_close(p, st.st_ino, fd);
}

void rig_put_bytes(struct pool_rig *rig, uint16_t node, const char *path, const void *data,
		   size_t size)
{
	write_at(rig, node, path, data, size, false);
}

void rig_put(struct pool_rig *rig, uint16_t node, const char *path, const char *text)
{
	write_at(rig, node, path, text, strlen(text), false);
}

void rig_append_text(struct pool_rig *rig, uint16_t node, const char *path, const char *text)
{
	write_at(rig, node, path, text, strlen(text), true);
}

void rig_expect(struct pool_rig *rig, uint16_t node, const char *path, const char *text)
{
	struct pool *p = rig->nodes[node].p;
	char got[4096];
	int fd;
	uint64_t id = id_of(rig, node, path);

	assert_int_equal(pool_open(p, id, O_RDONLY, &fd), 0);
	ssize_t n = p->store->ops->read(p->store, NULL, fd, got, sizeof(got) - 1, 0);
	pool_close(p, id, fd);
	assert_true(n >= 0);
	got[n] = '\0';
	if (strcmp(got, text) != 0)
		fail_msg("node %u: %s holds \"%s\", not \"%s\"", node, path, got, text);
}

static int remove_path(struct pool_rig *rig, uint16_t node, const char *path, bool is_dir)
{
	struct pool *p = rig->nodes[node].p;
	char name[256];
	uint64_t parent = parent_of(p, path, name);

	if (!parent)
		return -ENOENT;
	return is_dir ? pool_rmdir(p, parent, name) : pool_unlink(p, parent, name);
}

int rig_unlink(struct pool_rig *rig, uint16_t node, const char *path)
{
	return remove_path(rig, node, path, false);
}

int rig_rmdir(struct pool_rig *rig, uint16_t node, const char *path)
{
	return remove_path(rig, node, path, true);
}

int rig_rename(struct pool_rig *rig, uint16_t node, const char *path, const char *to,
	       unsigned int flags)
{
	struct pool *p = rig->nodes[node].p;
	char name[256], new_name[256];
	uint64_t parent = parent_of(p, path, name);
	uint64_t new_parent = parent_of(p, to, new_name);

	return parent && new_parent ? pool_rename(p, parent, name, new_parent, new_name, flags)
				    : -ENOENT;
}

int rig_hard_link(struct pool_rig *rig, uint16_t node, const char *path, const char *to)
{
	struct pool *p = rig->nodes[node].p;
	char name[256];
	struct stat st;
	uint64_t parent = parent_of(p, to, name);

	return parent ? pool_link(p, id_of(rig, node, path), parent, name, &st) : -ENOENT;
}

int rig_chmod(struct pool_rig *rig, uint16_t node, const char *path, mode_t mode)
{
	struct pool_attr attr = {.valid = POOL_ATTR_MODE, .mode = mode};
	struct stat st;

	return pool_setattr(rig->nodes[node].p, id_of(rig, node, path), -1, &attr, &st);
}

int rig_set_xattr(struct pool_rig *rig, uint16_t node, const char *path, const char *name,
		  const char *value)
{
	return pool_setxattr(rig->nodes[node].p, id_of(rig, node, path), name, value, strlen(value),
			     0);
}

int rig_remove_xattr(struct pool_rig *rig, uint16_t node, const char *path, const char *name)
{
	return pool_removexattr(rig->nodes[node].p, id_of(rig, node, path), name);
}

struct search {
	const char *part;
	size_t count;
	char name[256];
};

static int search_entry(void *arg, const char *name, uint64_t id, mode_t type)
{
	struct search *s = arg;

	(void)id;
	(void)type;
	if (strcmp(name, POOL_RESERVED) == 0 || !strstr(name, s->part))
		return 0;
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	s->count++;
	return 0;
}

static void search(struct pool_rig *rig, uint16_t node, const char *dir, struct search *s)
{
	struct pool *p = rig->nodes[node].p;
	AUTO_REF struct object_ref o = {.cache = p->cache};

	assert_int_equal(object_get(p->cache, id_of(rig, node, dir), &o.o), 0);
	assert_int_equal(p->store->ops->entries(p->store, &o.o->handle, search_entry, s), 0);
}

size_t rig_count(struct pool_rig *rig, uint16_t node, const char *dir, const char *part)
{
	struct search s = {.part = part};

	search(rig, node, dir, &s);
	return s.count;
}

char *rig_find(struct pool_rig *rig, uint16_t node, const char *dir, const char *part)
{
	struct search s = {.part = part};
	char *path;

	search(rig, node, dir, &s);
	assert_int_equal(s.count, 1);
	assert_true(asprintf(&path, "%s/%s", dir[1] ? dir : "", s.name) > 0);
	return path;
}
