/* SPDX-License-Identifier: Apache-2.0
 * pool.h: calls that change names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/auto.h"
#include "replication/circle.h"
#include "replication/losers.h"
#include "replication/nameless.h"
#include "replication/pool_ops.h"

/* POSIX ACL in an extended attribute: see acl(5) and linux/posix_acl_xattr.h. An entry begins with
 * its tag (2 bytes) and what it allows (2 bytes). */
enum { ACL_HEAD = 4, ACL_ENTRY = 8 };
enum { ACL_USER_OBJ = 1, ACL_GROUP_OBJ = 4, ACL_MASK = 16, ACL_OTHER = 32 };

/* An entry that moves so often between two looks is none that the pool knows where to find: tree
 * and objects disagree about it. */
#define ENTRY_TRIES 1000

int64_t ops_now_ns(void)
{
	return clock_wall_ns();
}

int name_allowed(uint64_t parent, const char *name)
{
	if (strlen(name) > RECORD_NAME_MAX)
		return -ENAMETOOLONG;
	return parent == POOL_ROOT_ID && strcmp(name, POOL_RESERVED) == 0 ? -EPERM : 0;
}

void entry_end(struct entry *e)
{
	object_ref_end(&e->dir);
	object_ref_end(&e->o);
}

static int dir_get(struct pool *p, uint64_t id, struct object_ref *ret)
{
	ret->cache = p->cache;
	int r = object_get(p->cache, id, &ret->o);
	if (r < 0)
		return r == MA_EUNKNOWN ? -ESTALE : r;
	if (!S_ISDIR(ret->o->type))
		return -ENOTDIR;
	return ret->o->dead ? -ENOENT : 0;
}

int entry_find(struct pool *p, uint64_t parent, const char *name, struct entry *ret)
{
	uint64_t id;

	*ret = (struct entry){.p = p, .o = {.cache = p->cache}};
	int r = dir_get(p, parent, &ret->dir);
	if (r == 0)
		r = name_allowed(ret->dir.o->id, name);
	if (r < 0)
		return r;
	r = p->store->ops->lookup(p->store, &ret->dir.o->handle, name, &id, NULL, NULL);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!id) {
		r = adopt_entry(p, ret->dir.o->id, name);
		if (r == 0)
			r = p->store->ops->lookup(p->store, &ret->dir.o->handle, name, &id, NULL,
						  NULL);
	}
	if (r == 0)
		r = object_get(p->cache, id, &ret->o.o);
	return r;
}

int entry_check(struct entry *e, const char *name)
{
	if (e->dir.o->dead)
		return -ENOENT;
	if (!e->o.o)
		return 0;
	e->link = object_link_at(e->p->cache, e->o.o, e->dir.o->id, name, strlen(name));
	return e->link ? 0 : -EAGAIN;
}

/* What the default list of a directory hands down: to a new directory itself, to each new object
 * what the wanted mode leaves of it. */
struct handed_down {
	uint8_t *list;
	uint8_t *access;
	size_t size;
	bool extended; /* `access` says more than the mode */
};
static void handed_down_free(struct handed_down *h)
{
	free(h->list);
	free(h->access);
}
#define AUTO_HANDED __attribute__((cleanup(handed_down_free)))

/* One entry and the bits of the mode that it stands for limit each other. */
static void limit(uint8_t *entry, unsigned int shift, mode_t *mode)
{
	mode_t perm = (entry[2] & 7u) & (*mode >> shift);

	entry[2] = (uint8_t)perm;
	*mode = (*mode & ~((mode_t)7 << shift)) | perm << shift;
}

/* As the kernel does it for its own file systems (posix_acl_create()). */
static void acl_limit(struct handed_down *h, mode_t *mode)
{
	uint8_t *group = NULL;
	uint8_t *mask = NULL;

	for (size_t at = ACL_HEAD; at + ACL_ENTRY <= h->size; at += ACL_ENTRY) {
		uint8_t *entry = h->access + at;
		unsigned int tag = entry[0];
		if (tag == ACL_USER_OBJ)
			limit(entry, 6, mode);
		else if (tag == ACL_OTHER)
			limit(entry, 0, mode);
		else if (tag == ACL_GROUP_OBJ)
			group = entry;
		else
			h->extended = true;
		if (tag == ACL_MASK)
			mask = entry;
	}
	if (mask || group)
		limit(mask ? mask : group, 3, mode);
}

/* Mode and owner of a new object, by the rules of the directory that it comes into. */
static int inherit(struct pool *p, const struct object *dir, const struct pool_caller *caller,
		   struct record *rec, struct handed_down *ret)
{
	const struct store_ops *ops = p->store->ops;
	struct stat st;
	mode_t mode = rec->mode;
	int r = ops->stat(p->store, &dir->handle, -1, &st);

	if (r < 0)
		return r;
	rec->uid = caller->uid;
	rec->gid = caller->gid;
	if (st.st_mode & S_ISGID) {
		rec->gid = st.st_gid;
		if (S_ISDIR(mode))
			rec->mode |= S_ISGID;
	}
	if (S_ISLNK(mode))
		return 0;
	ssize_t n = ops->get_xattr(p->store, &dir->handle, STORE_ACL_DEFAULT, NULL, 0);
	if (n <= 0) {
		rec->mode &= ~(caller->umask & 0777);
		return 0;
	}
	ret->list = malloc((size_t)n);
	ret->access = malloc((size_t)n);
	if (!ret->list || !ret->access)
		return -ENOMEM;
	n = ops->get_xattr(p->store, &dir->handle, STORE_ACL_DEFAULT, ret->list, (size_t)n);
	if (n < 0)
		return (int)n;
	ret->size = (size_t)n;
	memcpy(ret->access, ret->list, ret->size);
	mode = rec->mode;
	acl_limit(ret, &mode);
	rec->mode = mode;
	return 0;
}

/* `fd`: of the object, -1: none is open. */
static int stat_as(struct pool *p, const struct object *o, int fd, struct stat *ret)
{
	int r = p->store->ops->stat(p->store, &o->handle, fd, ret);

	ret->st_ino = o->id;
	return r;
}

static int submit_list(struct pool *p, uint64_t id, const char *name, const uint8_t *list,
		       size_t size)
{
	struct apply ctx = {.fd = -1};
	struct record rec = {.kind = REC_XATTR,
			     .id = id,
			     .name = name,
			     .name_size = strlen(name),
			     .data = list,
			     .data_size = size,
			     .time_ns = ops_now_ns()};

	return pool_submit(p, &rec, &ctx);
}

int pool_unmake(struct pool *p, const struct record *made, int code)
{
	struct apply ctx = {.fd = -1};
	struct record rec = {.kind = REC_UNLINK,
			     .flags = S_ISDIR(made->mode) ? REC_F_DIR : 0,
			     .id = made->id,
			     .parent = made->parent,
			     .link = {.lid = made->stamp,
				      .id = made->id,
				      .seen_place = made->stamp,
				      .seen_content = S_ISREG(made->mode) ? made->stamp : 0},
			     .time_ns = made->time_ns};

	int r = pool_submit(p, &rec, &ctx);
	return r < 0 ? r : code;
}

/* The directory is locked and has no such name. Access lists have records of their own; until they
 * are there, the mode keeps the group out, whose bits a list gives another meaning. */
static int submit_make(struct pool *p, const struct object *dir, const char *name,
		       struct record *rec, const struct handed_down *lists, int *ret_fd)
{
	struct apply ctx = {.fd = -1, .made_fd = ret_fd};

	rec->kind = REC_MAKE;
	rec->parent = dir->id;
	rec->name = name;
	rec->name_size = strlen(name);
	rec->time_ns = ops_now_ns();
	if (lists->extended)
		rec->mode &= ~(uint32_t)S_IRWXG;
	int r = pool_submit(p, rec, &ctx);
	if (r < 0 || !lists->list)
		return r;
	if (lists->extended)
		r = submit_list(p, rec->id, STORE_ACL_ACCESS, lists->access, lists->size);
	if (r == 0 && S_ISDIR(rec->mode))
		r = submit_list(p, rec->id, STORE_ACL_DEFAULT, lists->list, lists->size);
	if (r == 0)
		return 0;
	if (ret_fd) {
		p->store->ops->close(p->store, *ret_fd);
		*ret_fd = -1;
	}
	return pool_unmake(p, rec, r);
}

/* Makes the object; `ret` is referenced. `ret_fd` not NULL: it is a regular file, and open. */
static int make(struct pool *p, const struct pool_caller *caller, uint64_t parent, const char *name,
		struct record *rec, struct object_ref *ret, int *ret_fd)
{
	AUTO_ENTRY struct entry e = {0};
	AUTO_LOCKS struct locks_held held = {0};
	AUTO_HANDED struct handed_down lists = {0};
	int r = entry_find(p, parent, name, &e);

	if (r < 0)
		return r;
	if (e.o.o)
		return -EEXIST;
	locks_take(&p->locks, &e.dir.o->id, 1, &held);
	r = entry_check(&e, name);
	if (r == 0)
		r = inherit(p, e.dir.o, caller, rec, &lists);
	if (r == 0)
		r = submit_make(p, e.dir.o, name, rec, &lists, ret_fd);
	if (r < 0)
		return r;
	ret->cache = p->cache;
	return object_get(p->cache, rec->id, &ret->o);
}

int pool_make(struct pool *p, const struct pool_caller *caller, uint64_t parent, const char *name,
	      mode_t mode, dev_t rdev, const char *target, struct stat *ret)
{
	AUTO_ENTERED pool_entered(p);
	AUTO_REF struct object_ref o = {.cache = p->cache};
	struct record rec = {.mode = mode,
			     .rdev = rdev,
			     .target = target,
			     .target_size = target ? strlen(target) : 0};

	if (rec.target_size > RECORD_TARGET_MAX)
		return -ENAMETOOLONG;
	if (S_ISLNK(mode))
		rec.mode |= 0777;
	int r = make(p, caller, parent, name, &rec, &o, NULL);
	return r < 0 ? r : stat_as(p, o.o, -1, ret);
}

int pool_create(struct pool *p, const struct pool_caller *caller, uint64_t parent, const char *name,
		mode_t mode, int flags, struct stat *ret, int *ret_fd)
{
	struct record rec = {.mode = S_IFREG | (mode & 07777)};
	int r;

	for (;;) {
		AUTO_REF struct object_ref o = {.cache = p->cache};
		int fd = -1;
		{
			AUTO_ENTERED pool_entered(p);
			r = make(p, caller, parent, name, &rec, &o, &fd);
			if (r == 0)
				r = stat_as(p, o.o, fd, ret);
		}
		if (r == 0) {
			object_pin(p->cache, o.o);
			*ret_fd = fd;
			return 0;
		}
		p->store->ops->close(p->store, fd);
		if (r != -EEXIST || (flags & O_EXCL))
			return r;
		r = pool_lookup(p, parent, name, ret);
		if (r == 0)
			return S_ISREG(ret->st_mode) ? pool_open(p, ret->st_ino, flags, ret_fd)
						     : -EEXIST;
		if (r != -ENOENT)
			return r;
	}
}

int pool_create_nameless(struct pool *p, const struct pool_caller *caller, uint64_t parent,
			 mode_t mode, struct stat *ret, int *ret_fd)
{
	AUTO_ENTERED pool_entered(p);
	AUTO_REF struct object_ref dir = {0};
	AUTO_REF struct object_ref o = {.cache = p->cache};
	AUTO_HANDED struct handed_down lists = {0};
	struct apply ctx = {.fd = -1};
	/* A record of nothing, for the id. */
	struct record rec = {.kind = REC_VOID, .mode = S_IFREG | (mode & 07777)};
	int fd = -1;
	int r = dir_get(p, parent, &dir);

	if (r == 0)
		r = inherit(p, dir.o, caller, &rec, &lists);
	if (r == 0)
		r = pool_submit(p, &rec, &ctx);
	if (r == 0)
		r = object_add_nameless(p->cache, rec.stamp, S_IFREG, &o.o);
	if (r < 0)
		return r;
	const struct store_node node = {
		.id = rec.stamp, .mode = rec.mode, .uid = rec.uid, .gid = rec.gid};
	r = p->store->ops->make_nameless(p->store, &dir.o->handle, &node, &o.o->handle, &fd);
	if (r < 0)
		return r;
	if (lists.extended)
		r = p->store->ops->set_xattr(p->store, &o.o->handle, STORE_ACL_ACCESS, lists.access,
					     lists.size, 0);
	if (r == 0)
		r = stat_as(p, o.o, -1, ret);
	if (r < 0) {
		p->store->ops->close(p->store, fd);
		return r;
	}
	object_pin(p->cache, o.o);
	*ret_fd = fd;
	return 0;
}

/* A name that is shown only because a content was to be saved (alive.h) would go as soon as there
 * is another: as if it were moved to where it is, it stays. */
static struct dentry *rescued(struct object *o)
{
	for (size_t i = 0; i < o->link_count; i++) {
		if (!o->links[i].dead && o->links[i].removed)
			return &o->links[i];
	}
	return NULL;
}

static int keep_shown(struct pool *p, struct object *o)
{
	struct dentry *l = rescued(o);
	struct apply ctx = {.fd = -1};
	char shown[256], old_name[256];

	dentry_shown(l, shown);
	(void)snprintf(old_name, sizeof(old_name), "%s", l->name);
	struct record rec = {.kind = REC_RENAME,
			     .id = o->id,
			     .parent = l->parent,
			     .new_parent = l->parent,
			     .link = {.lid = l->lid,
				      .id = o->id,
				      .seen_place = l->stamp,
				      .seen_content = o->content},
			     .old_name = old_name,
			     .old_name_size = strlen(old_name),
			     .name = shown,
			     .name_size = strlen(shown),
			     .time_ns = ops_now_ns()};
	return pool_submit(p, &rec, &ctx);
}

static int link_once(struct pool *p, uint64_t id, uint64_t parent, const char *name,
		     struct stat *ret)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};
	AUTO_ENTRY struct entry e = {0};
	AUTO_LOCKS struct locks_held held = {0};
	struct apply ctx = {.fd = -1};
	int r = object_get(p->cache, id, &o.o);

	if (r == 0 && o.o->branch_of)
		return branch_promote(p, id);
	if (r == 0)
		r = entry_find(p, parent, name, &e);
	if (r < 0)
		return r;
	if (e.o.o)
		return -EEXIST;
	uint64_t ids[] = {e.dir.o->id, o.o->id};
	bool keeps = rescued(o.o);
	if (keeps || o.o->leaf_count)
		locks_take_all(&p->locks, &held);
	else
		locks_take(&p->locks, ids, 2, &held);
	r = entry_check(&e, name);
	if (r == 0 && o.o->nameless) {
		r = adopt_nameless(p, o.o, e.dir.o, name);
		return r < 0 ? r : stat_as(p, o.o, -1, ret);
	}
	if (r == 0 && o.o->dead)
		r = -ENOENT;
	if (r < 0)
		return r;
	if ((rescued(o.o) != NULL) != keeps)
		return -EAGAIN;
	r = keeps ? keep_shown(p, o.o) : 0;
	if (r < 0)
		return r;
	struct record rec = {.kind = REC_LINK,
			     .id = o.o->id,
			     .parent = e.dir.o->id,
			     .name = name,
			     .name_size = strlen(name),
			     .time_ns = ops_now_ns()};
	r = pool_submit(p, &rec, &ctx);
	return r < 0 ? r : stat_as(p, o.o, -1, ret);
}

int pool_link(struct pool *p, uint64_t id, uint64_t parent, const char *name, struct stat *ret)
{
	AUTO_ENTERED pool_entered(p);
	int tries = 0;
	int r;

	do {
		r = link_once(p, id, parent, name, ret);
	} while (r == -EAGAIN && ++tries < ENTRY_TRIES);
	return r == -EAGAIN ? -EIO : r;
}

static void link_seen(const struct entry *e, struct record_link *ret)
{
	*ret = (struct record_link){.lid = e->link->lid,
				    .id = e->o.o->id,
				    .seen_place = e->link->stamp,
				    .seen_content = e->o.o->content};
}

static bool last_name(const struct object *o)
{
	size_t live = 0;

	for (size_t i = 0; i < o->link_count; i++)
		live += !o->links[i].dead;
	return live == 1;
}

/* A file with losing contents beside it: they become files of their own before it goes. */
static int free_of_branches(struct pool *p, struct object *o)
{
	return o->leaf_count && !o->dead ? branch_promote_all(p, o->id) : 0;
}

static int remove_once(struct pool *p, uint64_t parent, const char *name, bool is_dir)
{
	AUTO_ENTRY struct entry e = {0};
	AUTO_LOCKS struct locks_held held = {0};
	struct apply ctx = {.fd = -1};
	int r = entry_find(p, parent, name, &e);

	if (r == 0 && !e.o.o)
		r = -ENOENT;
	if (r < 0)
		return r;
	if (S_ISDIR(e.o.o->type) != is_dir)
		return is_dir ? -ENOTDIR : -EISDIR;
	r = free_of_branches(p, e.o.o);
	if (r < 0)
		return r;
	uint64_t ids[] = {e.dir.o->id, e.o.o->id, e.o.o->branch_of};
	if (e.o.o->branch_of || e.o.o->leaf_count || e.dir.o->removed || p->losers.count)
		locks_take_all(&p->locks, &held);
	else
		locks_take(&p->locks, ids, 3, &held);
	r = entry_check(&e, name);
	if (r < 0)
		return r;
	struct record rec = {.kind = REC_UNLINK,
			     .flags =
				     (is_dir ? REC_F_DIR : 0) | (last_name(e.o.o) ? REC_F_LAST : 0),
			     .id = e.o.o->id,
			     .parent = e.dir.o->id,
			     .time_ns = ops_now_ns()};
	link_seen(&e, &rec.link);
	if (e.o.o->branch_of) {
		rec = (struct record){.kind = REC_RESOLVE,
				      .id = e.o.o->branch_of,
				      .base = e.o.o->id,
				      .time_ns = ops_now_ns()};
	}
	return pool_submit(p, &rec, &ctx);
}

static int remove_name(struct pool *p, uint64_t parent, const char *name, bool is_dir)
{
	AUTO_ENTERED pool_entered(p);
	int tries = 0;
	int r;

	do {
		r = remove_once(p, parent, name, is_dir);
	} while (r == -EAGAIN && ++tries < ENTRY_TRIES);
	return r == -EAGAIN ? -EIO : r;
}

int pool_unlink(struct pool *p, uint64_t parent, const char *name)
{
	return remove_name(p, parent, name, false);
}

int pool_rmdir(struct pool *p, uint64_t parent, const char *name)
{
	return remove_name(p, parent, name, true);
}

/* What has to be out of the way before a rename: branches become objects of their own. */
static int rename_prepare(struct pool *p, const struct entry *from, const struct entry *to,
			  unsigned int flags)
{
	int r = 0;

	if (!from->o.o)
		return -ENOENT;
	if ((flags & RENAME_EXCHANGE) && !to->o.o)
		return -ENOENT;
	if ((flags & RENAME_NOREPLACE) && to->o.o)
		return -EEXIST;
	if (from->o.o->branch_of)
		r = branch_promote(p, from->o.o->id);
	else if (to->o.o && to->o.o->branch_of)
		r = branch_promote(p, to->o.o->id);
	else if (to->o.o && !(flags & RENAME_EXCHANGE) && to->o.o->leaf_count)
		return free_of_branches(p, to->o.o);
	return r == -ESTALE ? -EAGAIN : r;
}

/* What an overlay finds where a name was. The kernel asks for CAP_MKNOD, so root is the owner. */
static int leave_whiteout(struct pool *p, const struct object *dir, const char *name)
{
	const struct pool_caller root = {0};
	AUTO_HANDED struct handed_down lists = {0};
	struct record rec = {.mode = S_IFCHR};
	int r = inherit(p, dir, &root, &rec, &lists);

	return r < 0 ? r : submit_make(p, dir, name, &rec, &lists, NULL);
}

static int rename_once(struct pool *p, uint64_t parent, const char *name, uint64_t new_parent,
		       const char *new_name, unsigned int flags)
{
	AUTO_ENTRY struct entry from = {0};
	AUTO_ENTRY struct entry to = {0};
	AUTO_LOCKS struct locks_held held = {0};
	struct apply ctx = {.fd = -1};
	int r = entry_find(p, parent, name, &from);

	if (r == 0)
		r = entry_find(p, new_parent, new_name, &to);
	if (r == 0)
		r = rename_prepare(p, &from, &to, flags);
	if (r < 0)
		return r;
	uint64_t ids[] = {from.dir.o->id, to.dir.o->id, from.o.o->id, to.o.o ? to.o.o->id : 0};
	bool circles = losers_circles(p) && (S_ISDIR(from.o.o->type) || (flags & RENAME_EXCHANGE));
	if (circles || p->losers.count || from.o.o->leaf_count || (to.o.o && to.o.o->leaf_count) ||
	    from.dir.o->removed)
		locks_take_all(&p->locks, &held);
	else
		locks_take(&p->locks, ids, 4, &held);
	r = entry_check(&from, name);
	if (r == 0)
		r = entry_check(&to, new_name);
	if (r < 0)
		return r;
	r = circles ? circle_confirm(p) : 0;
	if (r < 0)
		return r;
	if (from.o.o == to.o.o)
		return 0; /* two names of one object: POSIX wants nothing to happen */
	char old_name[256];
	/* What comes here in exchange takes the name as it is shown. */
	(void)snprintf(old_name, sizeof(old_name), "%s",
		       flags & RENAME_EXCHANGE ? name : from.link->name);
	struct record rec = {.kind = REC_RENAME,
			     .flags = flags & RENAME_EXCHANGE       ? REC_F_EXCHANGE
				      : to.o.o && last_name(to.o.o) ? REC_F_LAST
								    : 0,
			     .id = from.o.o->id,
			     .parent = from.dir.o->id,
			     .new_parent = to.dir.o->id,
			     .old_name = old_name,
			     .old_name_size = strlen(old_name),
			     .name = new_name,
			     .name_size = strlen(new_name),
			     .time_ns = ops_now_ns()};
	link_seen(&from, &rec.link);
	if (to.o.o)
		link_seen(&to, &rec.other);
	r = pool_submit(p, &rec, &ctx);
	return r == 0 && (flags & RENAME_WHITEOUT) ? leave_whiteout(p, from.dir.o, old_name) : r;
}

int pool_rename(struct pool *p, uint64_t parent, const char *name, uint64_t new_parent,
		const char *new_name, unsigned int flags)
{
	AUTO_ENTERED pool_entered(p);
	int tries = 0;
	int r;

	if ((flags & ~(unsigned int)(RENAME_EXCHANGE | RENAME_NOREPLACE | RENAME_WHITEOUT)) ||
	    ((flags & RENAME_EXCHANGE) && (flags & RENAME_WHITEOUT)))
		return -EINVAL;
	do {
		r = rename_once(p, parent, name, new_parent, new_name, flags);
	} while (r == -EAGAIN && ++tries < ENTRY_TRIES);
	return r == -EAGAIN ? -EIO : r;
}
