/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/store_mem_ops.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "tests/sim/store_mem_in.h"

static int name_check(const char *name)
{
	size_t size = strlen(name);

	if (size > NAME_MAX)
		return -ENAMETOOLONG;
	if (size == 0 || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	return 0;
}

static int dir_with_name(struct store_mem *m, const struct store_handle *dir, const char *name,
			 struct mem_object **ret)
{
	int r = name_check(name);

	return r < 0 ? r : mem_dir(m, dir, ret);
}

struct mem_entry *mem_entry_find(struct mem_object *dir, const char *name)
{
	struct mem_entry *e = NULL;

	HASH_FIND(hh, dir->entries, name, strlen(name), e);
	return e;
}

static struct mem_object *child_find(struct store_mem *m, struct mem_object *dir, const char *name)
{
	struct mem_entry *e = mem_entry_find(dir, name);

	return e ? mem_by_ino(m, e->ino) : NULL;
}

void mem_entry_set(struct store_mem *m, struct mem_object *dir, const char *name, uint64_t ino)
{
	struct mem_entry *e = mem_entry_find(dir, name);
	struct mem_object *o = ino ? mem_by_ino(m, ino) : NULL;

	if (e) {
		mem_by_ino(m, e->ino)->names--;
		HASH_DEL(dir->entries, e);
		free(e);
	}
	if (!ino)
		return;
	size_t size = strlen(name);
	e = mem_alloc(sizeof(*e) + size + 1);
	memcpy(e->name, name, size);
	e->ino = ino;
	HASH_ADD(hh, dir->entries, name, size, e);
	assert(o);
	o->names++;
	if (S_ISDIR(o->attr.mode))
		o->parent = dir->ino;
}

/* Removed, but open: nothing can be put into it. */
static bool is_dead(const struct mem_object *dir)
{
	return dir->names == 0 && dir->ino != MEM_ROOT;
}

static void entry_change(struct store_mem *m, struct mem_object *dir, const char *name,
			 uint64_t ino)
{
	mem_log_entry(m, dir, name);
	mem_entry_set(m, dir, name, ino);
	mem_stamp(m, dir, true);
}

int mem_lookup(struct store *store, const struct store_handle *dir, const char *name,
	       uint64_t *ret_id, struct store_handle *ret_handle, struct stat *ret_stat)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *d = NULL;
	int r = dir_with_name(m, dir, name, &d);

	if (r < 0)
		return r;
	struct mem_object *o = child_find(m, d, name);
	if (!o)
		return -ENOENT;
	struct store_handle handle = mem_handle(o);
	if (ret_id)
		*ret_id = mem_id(o);
	if (ret_handle)
		*ret_handle = handle;
	return ret_stat ? mem_stat(store, &handle, -1, ret_stat) : 0;
}

static bool is_leftover(const struct mem_object *o, const struct store_node *node)
{
	if ((o->attr.mode & S_IFMT) != (node->mode & S_IFMT))
		return false;
	if (S_ISDIR(o->attr.mode))
		return !o->entries;
	if (o->names != 1)
		return false;
	if (S_ISREG(o->attr.mode))
		return o->size == 0;
	if (S_ISCHR(o->attr.mode) || S_ISBLK(o->attr.mode))
		return o->rdev == node->rdev;
	return !S_ISLNK(o->attr.mode) || strcmp(o->target, node->target) == 0;
}

static int make_again(struct mem_object *o, const struct store_node *node)
{
	uint64_t found = mem_id(o);

	if (found == node->id)
		return 0;
	if (found != 0 || !is_leftover(o, node))
		return -EEXIST;
	return 0;
}

/* In the order of the directory store: what a power cut leaves may be without owner or id. */
static int dress(struct store_mem *m, struct mem_object *o, const struct store_node *node)
{
	mem_next_group(m);
	mem_stamp(m, o, false);
	if (!S_ISLNK(o->attr.mode))
		o->attr.mode = node->mode & (S_IFMT | 07777);
	o->attr.uid = node->uid;
	o->attr.gid = node->gid;
	if (node->timed)
		o->attr.mtime = node->mtime;
	if (!node->id)
		return 0;
	mem_next_group(m);
	return mem_set_id_of(m, o, node->id);
}

static int node_check(const struct store_node *node)
{
	switch (node->mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFCHR:
	case S_IFBLK:
		return 0;
	case S_IFLNK:
		if (!node->target)
			return -EINVAL;
		if (!node->target[0])
			return -ENOENT;
		return strlen(node->target) >= PATH_MAX ? -ENAMETOOLONG : 0;
	default:
		return -EINVAL;
	}
}

/* With id 0: without an id, for store_mem_plant(). */
static int make_any(struct store_mem *m, const struct store_handle *dir, const char *name,
		    const struct store_node *node, struct store_handle *ret)
{
	struct mem_object *d = NULL;
	int r = dir_with_name(m, dir, name, &d);

	if (r == 0)
		r = node_check(node);
	if (r == 0)
		r = mem_change(m);
	if (r < 0)
		return r;
	struct mem_object *o = child_find(m, d, name);
	if (o) {
		r = node->id ? make_again(o, node) : -EEXIST;
	} else {
		r = is_dead(d) ? -ENOENT : mem_room(m, STORE_MEM_OBJECT);
		if (r == 0) {
			struct store_node bare = *node;
			bare.uid = 0;
			bare.gid = 0;
			o = mem_object_new(m, &bare);
			entry_change(m, d, name, o->ino);
		}
	}
	if (r == 0 && (!node->id || mem_id(o) != node->id))
		r = dress(m, o, node);
	if (r == 0 && ret)
		*ret = mem_handle(o);
	return r;
}

int mem_make(struct store *store, const struct store_handle *dir, const char *name,
	     const struct store_node *node, struct store_handle *ret)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);

	return node->id ? make_any(m, dir, name, node, ret) : -EINVAL;
}

int mem_make_open(struct store *store, const struct store_handle *dir, const char *name,
		  const struct store_node *node, struct store_handle *ret, int *ret_fd)
{
	int r = S_ISREG(node->mode) ? mem_make(store, dir, name, node, ret) : -EINVAL;

	return r < 0 ? r : mem_open(store, ret, O_RDWR, ret_fd);
}

int mem_make_nameless(struct store *store, const struct store_handle *dir,
		      const struct store_node *node, struct store_handle *ret, int *ret_fd)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *d = NULL;
	int r = node->id == 0 || !S_ISREG(node->mode) ? -EINVAL : mem_dir(m, dir, &d);

	if (r == 0)
		r = mem_change(m);
	if (r == 0)
		r = is_dead(d) ? -ENOENT : mem_room(m, STORE_MEM_OBJECT);
	if (r < 0)
		return r;
	struct mem_object *o = mem_object_new(m, node);
	o->linkable = true;
	*ret = mem_handle(o);
	o->opens++; /* until it is open, it is as good as gone */
	r = mem_open(store, ret, O_RDWR, ret_fd);
	o->opens--;
	return r < 0 ? r : dress(m, o, node);
}

int store_mem_plant(struct store *store, const struct store_handle *dir, const char *name,
		    const struct store_node *node, struct store_handle *ret)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);

	return node->id ? -EINVAL : make_any(m, dir, name, node, ret);
}

int mem_link(struct store *store, const struct store_handle *object, const struct store_handle *dir,
	     const char *name)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *d = NULL;
	struct mem_object *o = NULL;
	int r = dir_with_name(m, dir, name, &d);

	if (r == 0)
		r = mem_object(m, object, &o);
	if (r == 0)
		r = mem_change(m);
	if (r < 0)
		return r;
	struct mem_object *there = child_find(m, d, name);
	if (there)
		return there == o ? 0 : -EEXIST;
	if (is_dead(d))
		return -ENOENT;
	if (S_ISDIR(o->attr.mode))
		return -EPERM;
	if (o->names == 0 && !o->linkable)
		return -ENOENT;
	o->linkable = false;
	mem_stamp(m, o, false);
	entry_change(m, d, name, o->ino);
	return 0;
}

int mem_unlink(struct store *store, const struct store_handle *dir, const char *name, bool is_dir)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *d = NULL;
	int r = dir_with_name(m, dir, name, &d);

	if (r == 0)
		r = mem_change(m);
	if (r < 0)
		return r;
	struct mem_object *o = child_find(m, d, name);
	if (!o)
		return -ENOENT;
	if (is_dir && !S_ISDIR(o->attr.mode))
		return -ENOTDIR;
	if (!is_dir && S_ISDIR(o->attr.mode))
		return -EISDIR;
	if (is_dir && o->entries)
		return -ENOTEMPTY;
	mem_stamp(m, o, false);
	entry_change(m, d, name, 0);
	return 0;
}

static bool is_inside(struct store_mem *m, const struct mem_object *dir,
		      const struct mem_object *above)
{
	while (dir != above && dir->ino != MEM_ROOT)
		dir = mem_by_ino(m, dir->parent);
	return dir == above;
}

/* In the kernel's order. */
static int rename_check(struct store_mem *m, struct mem_object *d, struct mem_object *o,
			struct mem_object *new_d, struct mem_object *target, unsigned int flags)
{
	bool is_dir = o && S_ISDIR(o->attr.mode);
	bool onto_dir = target && S_ISDIR(target->attr.mode);

	if (!o)
		return -ENOENT;
	if ((flags & RENAME_NOREPLACE) && target)
		return -EEXIST;
	if ((flags & RENAME_EXCHANGE) && !target)
		return -ENOENT;
	if (is_dir && is_inside(m, new_d, o))
		return -EINVAL;
	if (onto_dir && is_inside(m, d, target))
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	if (!target || (flags & RENAME_EXCHANGE))
		return 0;
	if (is_dir != onto_dir)
		return is_dir ? -ENOTDIR : -EISDIR;
	return target != o && target->entries ? -ENOTEMPTY : 0;
}

int mem_rename(struct store *store, const struct store_handle *dir, const char *name,
	       const struct store_handle *new_dir, const char *new_name, unsigned int flags)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *d = NULL;
	struct mem_object *new_d = NULL;
	int r = dir_with_name(m, dir, name, &d);

	if (r == 0)
		r = dir_with_name(m, new_dir, new_name, &new_d);
	if (r == 0 && (flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
		       flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)))
		r = -EINVAL;
	if (r == 0)
		r = mem_change(m);
	if (r < 0)
		return r;
	struct mem_object *o = child_find(m, d, name);
	struct mem_object *target = child_find(m, new_d, new_name);
	r = is_dead(new_d) ? -ENOENT : rename_check(m, d, o, new_d, target, flags);
	if (r < 0 || o == target) /* two links to one file: nothing happens */
		return r;
	mem_stamp(m, o, false);
	if (target)
		mem_stamp(m, target, false);
	/* First the old place, so that a directory's parent is the new one at the end; the log
	 * keeps both entries until a sync, so nothing is freed in between. */
	entry_change(m, d, name, flags & RENAME_EXCHANGE ? target->ino : 0);
	entry_change(m, new_d, new_name, o->ino);
	return 0;
}

/* The names are taken down first: the callback may change the directory. */
int mem_entries(struct store *store, const struct store_handle *dir, store_entry_fn *fn, void *arg)
{
	return mem_entries_like(store, dir, "", fn, arg);
}

int mem_entries_like(struct store *store, const struct store_handle *dir, const char *part,
		     store_entry_fn *fn, void *arg)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *d = NULL;
	int r = mem_dir(m, dir, &d);

	if (r < 0)
		return r;
	size_t count = 0;
	AUTO_FREE char(*names)[NAME_MAX + 1] = mem_alloc(HASH_COUNT(d->entries) * sizeof(*names));
	for (const struct mem_entry *e = d->entries; e; e = e->hh.next)
		(void)snprintf(names[count++], sizeof(*names), "%s", e->name);
	for (size_t i = 0; i < count && r == 0; i++) {
		struct mem_object *o = child_find(m, d, names[i]);
		if (o && strstr(names[i], part))
			r = fn(arg, names[i], mem_id(o), o->attr.mode & S_IFMT);
	}
	return r;
}
