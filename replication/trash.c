/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/trash.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/log.h"
#include "replication/pathname.h"
#include "replication/pool_ops.h"
#include "replication/pool_settings.h"
#include "replication/room.h"

#define TRASH_DIR     "trash"
#define TRASH_ID      3 /* of no object: those begin with a slot */
#define TICK_MS       1000
#define EXPIRE_MS     3600000 /* how often the brake's are looked through */
#define BRAKE_AT_ONCE 1000    /* renamed in one tick */

/* Name of an entry: 's' (some minutes) or 'b' (the brake's), when it was removed, which object. */
struct kept {
	uint64_t removed_ms; /* of clock_wall_ns() */
	uint64_t id;
};

struct trash {
	pthread_mutex_t lock;
	struct store_handle dir;
	struct kept *list; /* a ring of `room`: those without the brake, the oldest at `first` */
	size_t room, first, count;
	uint64_t braked;
	struct brake brake;
	uint64_t tick_ms, expire_ms; /* of the last */
};

bool brake_note(struct brake *b, const struct brake_rule *rule, uint64_t now_ms, uint64_t files)
{
	/* A mistake that goes on goes on being one: only a pause of the whole window ends it. */
	bool over = now_ms - (b->on ? b->last_ms : b->since_ms) > rule->window_ms;

	if (b->removed == 0 || over)
		*b = (struct brake){.since_ms = now_ms, .files = files};
	b->removed++;
	b->last_ms = now_ms;
	if (b->on || rule->files == 0 || b->removed <= rule->files ||
	    b->removed * 100 <= b->files * rule->share)
		return false;
	b->on = true;
	return true;
}

static uint64_t window_ms(struct pool *p)
{
	return pool_setting_number(p, POOL_SETTING_BRAKE_WINDOW) * 1000;
}

static uint64_t wall_ms(void)
{
	return (uint64_t)clock_wall_ns() / 1000000;
}

static void name_of(const struct kept *e, char kind, char ret[40])
{
	(void)snprintf(ret, 40, "%c%012" PRIx64 "-%016" PRIx64, kind, e->removed_ms, e->id);
}

/* False: none of ours. */
static bool read_name(const char *name, struct kept *ret, bool *ret_braked)
{
	char kind, more;

	*ret_braked = name[0] == 'b';
	return sscanf(name, "%c%12" SCNx64 "-%16" SCNx64 "%c", &kind, &ret->removed_ms, &ret->id,
		      &more) == 3 &&
	       (kind == 's' || kind == 'b');
}

static void drop(struct pool *p, const struct kept *e)
{
	char name[40];

	name_of(e, 's', name);
	/* If it does not go now, it goes after the next start. */
	(void)p->store->ops->unlink(p->store, &p->trash->dir, name, false);
}

/* Into the ring; what had to go for it is in `ret_oldest`. -ENOMEM. Lock held. */
static int list_add(struct trash *t, const struct kept *e, struct kept *ret_oldest)
{
	*ret_oldest = (struct kept){0};
	if (t->count == t->room && t->room < TRASH_MAX) {
		size_t room = t->room ? 2 * t->room : 256;
		struct kept *grown = malloc(room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		for (size_t i = 0; i < t->count; i++)
			grown[i] = t->list[(t->first + i) % t->room];
		free(t->list);
		t->list = grown;
		t->room = room;
		t->first = 0;
	}
	if (t->count == t->room) {
		*ret_oldest = t->list[t->first];
		t->first = (t->first + 1) % t->room;
		t->count--;
	}
	t->list[(t->first + t->count++) % t->room] = *e;
	return 0;
}

/* The oldest, if it was removed before this. Lock held. */
static bool list_take(struct trash *t, uint64_t before_ms, struct kept *ret)
{
	if (!t->count || t->list[t->first].removed_ms >= before_ms)
		return false;
	*ret = t->list[t->first];
	t->first = (t->first + 1) % t->room;
	t->count--;
	return true;
}

/* What is made and removed within the window is nobody's mistake, and common. */
static bool worth(struct pool *p, const struct object *o, const struct object *dir,
		  const char *shown, struct store_handle *ret)
{
	uint64_t made_ms = (uint64_t)seq_to_wall(stamp_seq(o->id)) / 1000000;
	struct stat st;

	return p->trash && S_ISREG(o->type) && !o->branch_of &&
	       made_ms + window_ms(p) < wall_ms() &&
	       p->store->ops->lookup(p->store, &dir->handle, shown, NULL, ret, &st) == 0 &&
	       st.st_size > 0;
}

/* Counts it; true: the brake is on. */
static bool count_removal(struct pool *p)
{
	const struct brake_rule rule = {
		.files = pool_setting_number(p, POOL_SETTING_BRAKE_FILES),
		.share = pool_setting_number(p, POOL_SETTING_BRAKE_SHARE),
		.window_ms = window_ms(p),
	};
	uint64_t files, conflicts, bytes;

	object_counts(p->cache, &files, &conflicts, &bytes);
	AUTO_LOCK(held, &p->trash->lock);
	struct brake *b = &p->trash->brake;
	if (brake_note(b, &rule, wall_ms(), files))
		log_warn("pool \"%s\": other nodes have removed %" PRIu64 " of %" PRIu64
			 " files within %" PRIu64
			 " s. In case that was a mistake, they are kept here: "
			 "multiall trash",
			 p->name, b->removed, b->files, rule.window_ms / 1000);
	return b->on;
}

void trash_keep(struct pool *p, const struct object *o, const struct object *dir, const char *shown)
{
	struct kept e = {.removed_ms = wall_ms(), .id = o->id}, oldest;
	struct store_handle handle;
	struct pathname path;
	char name[40];

	if (!worth(p, o, dir, shown, &handle))
		return;
	bool braked = count_removal(p);
	name_of(&e, braked ? 'b' : 's', name);
	pathname_begin(&path, shown);
	/* Whose path is too long comes back under its number. */
	if (pathname_climb(p, dir->id, &path) < 0)
		pathname_begin(&path, name + 1);
	const char *text = pathname_text(&path);
	int r = p->store->ops->set_xattr(p->store, &handle, TRASH_PATH_XATTR, text, strlen(text),
					 0);
	if (r < 0 && r != -ENOSPC && r != -E2BIG)
		return;
	if (p->store->ops->link(p->store, &handle, &p->trash->dir, name) < 0)
		return;
	{
		AUTO_LOCK(held, &p->trash->lock);
		p->trash->braked += braked;
		if (braked || list_add(p->trash, &e, &oldest) < 0)
			return;
	}
	if (oldest.id)
		drop(p, &oldest);
}

/* --- what has lain long enough --- */

/* The brake has come on: those from before belong to it. */
static void brake_some(struct pool *p)
{
	struct trash *t = p->trash;
	struct kept e;
	char from[40], to[40];

	for (size_t i = 0; i < BRAKE_AT_ONCE; i++) {
		{
			AUTO_LOCK(held, &t->lock);
			if (!t->brake.on || !list_take(t, UINT64_MAX, &e))
				return;
			t->braked++;
		}
		name_of(&e, 's', from);
		name_of(&e, 'b', to);
		if (p->store->ops->rename(p->store, &t->dir, from, &t->dir, to, 0) < 0) {
			AUTO_LOCK(held, &t->lock);
			t->braked--;
		}
	}
}

static bool disk_tight(struct pool *p)
{
	struct statvfs st;

	return p->store->ops->statfs(p->store, &st) == 0 &&
	       (uint64_t)st.f_bavail * st.f_frsize <
		       2 * room_reserve((uint64_t)st.f_blocks * st.f_frsize);
}

static int expire(void *arg, const char *name, uint64_t id, mode_t type)
{
	struct pool *p = arg;
	uint64_t keep_ms = pool_setting_number(p, POOL_SETTING_TRASH_KEEP) * 1000;
	struct kept e;
	bool braked;

	(void)id;
	(void)type;
	if (!read_name(name, &e, &braked) || !braked || e.removed_ms + keep_ms > wall_ms())
		return 0;
	if (p->store->ops->unlink(p->store, &p->trash->dir, name, false) == 0) {
		AUTO_LOCK(held, &p->trash->lock);
		p->trash->braked -= p->trash->braked > 0;
	}
	return 0;
}

void trash_tick(struct pool *p, uint64_t now_ms)
{
	struct trash *t = p->trash;
	struct kept e;

	if (!t || now_ms - t->tick_ms < TICK_MS)
		return;
	t->tick_ms = now_ms;
	brake_some(p);
	uint64_t before = wall_ms() - window_ms(p);
	if (t->count && disk_tight(p))
		before = UINT64_MAX;
	for (;;) {
		{
			AUTO_LOCK(held, &t->lock);
			if (t->brake.on || !list_take(t, before, &e))
				break;
		}
		drop(p, &e);
	}
	if (!t->braked || now_ms - t->expire_ms < EXPIRE_MS)
		return;
	t->expire_ms = now_ms;
	if (p->store->ops->entries(p->store, &t->dir, expire, p) < 0)
		log_debug("pool \"%s\": the trash could not be looked through", p->name);
}

/* --- beginning and end --- */

static int count_left(void *arg, const char *name, uint64_t id, mode_t type)
{
	struct pool *p = arg;
	struct kept e, oldest;
	bool braked;

	(void)id;
	(void)type;
	if (!read_name(name, &e, &braked))
		return 0;
	p->trash->braked += braked;
	return braked ? 0 : list_add(p->trash, &e, &oldest);
}

static int by_time(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;

	return (x->removed_ms > y->removed_ms) - (x->removed_ms < y->removed_ms);
}

int trash_begin(struct pool *p)
{
	const struct store_node node = {.id = TRASH_ID, .mode = S_IFDIR | 0700};
	struct trash *t = p->trash = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	(void)pthread_mutex_init(&t->lock, NULL);
	int r = p->store->ops->lookup(p->store, &p->private_dir, TRASH_DIR, NULL, &t->dir, NULL);
	if (r == -ENOENT)
		r = p->store->ops->make(p->store, &p->private_dir, TRASH_DIR, &node, &t->dir);
	if (r == 0)
		r = p->store->ops->entries(p->store, &t->dir, count_left, p);
	if (t->count)
		qsort(t->list, t->count, sizeof(t->list[0]), by_time);
	return r;
}

void trash_end(struct pool *p)
{
	if (!p->trash)
		return;
	(void)pthread_mutex_destroy(&p->trash->lock);
	free(p->trash->list);
	free(p->trash);
	p->trash = NULL;
}

/* --- for people --- */

struct names {
	char (*list)[40];
	size_t count, room;
};

static int add_name(void *arg, const char *name, uint64_t id, mode_t type)
{
	struct names *names = arg;
	struct kept e;
	bool braked;

	(void)id;
	(void)type;
	if (!read_name(name, &e, &braked))
		return 0;
	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 256;
		void *grown = realloc(names->list, room * sizeof(names->list[0]));

		if (!grown)
			return -ENOMEM;
		names->list = grown;
		names->room = room;
	}
	(void)snprintf(names->list[names->count++], sizeof(names->list[0]), "%s", name);
	return 0;
}

/* The path that the entry had; empty if it is gone. */
static int read_entry(struct pool *p, const char *name, struct store_handle *ret_handle,
		      struct stat *ret_stat, char ret_path[PATH_MAX])
{
	int r = p->store->ops->lookup(p->store, &p->trash->dir, name, NULL, ret_handle, ret_stat);
	ssize_t n = r < 0 ? 0
			  : p->store->ops->get_xattr(p->store, ret_handle, TRASH_PATH_XATTR,
						     ret_path, PATH_MAX - 1);

	if (r < 0)
		return r;
	if (n > 0)
		ret_path[n] = '\0';
	else
		(void)snprintf(ret_path, PATH_MAX, "%s", name + 1);
	return 0;
}

int trash_each(struct pool *p, int (*fn)(void *arg, const struct trash_entry *entry), void *arg)
{
	struct names names = {0};
	AUTO_FREE char *path = malloc(PATH_MAX);
	int r = !path ? -ENOMEM : 0;

	if (r == 0 && p->trash)
		r = p->store->ops->entries(p->store, &p->trash->dir, add_name, &names);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		struct store_handle handle;
		struct kept e = {0};
		struct stat st;
		bool braked = false;

		if (read_entry(p, names.list[i], &handle, &st, path) < 0)
			continue;
		(void)read_name(names.list[i], &e, &braked);
		r = fn(arg, &(struct trash_entry){.path = path,
						  .removed_ns = (int64_t)e.removed_ms * 1000000,
						  .bytes = (uint64_t)st.st_size,
						  .braked = braked});
	}
	free(names.list);
	return r;
}

/* The directory that this path lies in; those that are missing are made. */
static int parent_of(struct pool *p, char *path, uint64_t *ret_parent, const char **ret_name)
{
	const struct pool_caller root = {.umask = 022};
	struct stat st = {.st_ino = POOL_ROOT_ID};
	char *name = path;

	for (char *slash; (slash = strchr(name, '/')); name = slash + 1) {
		uint64_t parent = st.st_ino;

		*slash = '\0';
		int r = pool_lookup(p, parent, name, &st);
		if (r == -ENOENT)
			r = pool_make(p, &root, parent, name, S_IFDIR | 0755, 0, NULL, &st);
		*slash = '/';
		if (r < 0)
			return r;
		if (!S_ISDIR(st.st_mode))
			return -ENOTDIR;
	}
	*ret_parent = st.st_ino;
	*ret_name = name;
	return 0;
}

/* Moves the file to its place and makes it a new object of the pool, bytes and all. */
static int restore_one(struct pool *p, const char *entry, const struct store_handle *handle,
		       char *path)
{
	const struct store_ops *ops = p->store->ops;
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	const char *name;
	uint64_t parent;
	int r = parent_of(p, path, &parent, &name);

	if (r < 0)
		return r;
	AUTO_ENTERED pool_entered(p);
	r = object_get(p->cache, parent, &dir.o);
	if (r == 0)
		r = ops->rename(p->store, &p->trash->dir, entry, &dir.o->handle, name,
				RENAME_NOREPLACE);
	if (r < 0)
		return r;
	/* It is not the object that was removed: that stays so, on all nodes. */
	(void)ops->remove_xattr(p->store, handle, TRASH_PATH_XATTR);
	r = ops->remove_xattr(p->store, handle, STORE_ID_XATTR);
	if (r == 0)
		r = adopt_entry(p, parent, name);
	watch_entry(p, parent, name);
	return r;
}

/* Whether a path is this one or below it. */
static bool below(const char *path, const char *top)
{
	size_t length = strlen(top);

	return strncmp(path, top, length) == 0 &&
	       (length == 0 || path[length] == '\0' || path[length] == '/');
}

int trash_restore(struct pool *p, const char *path,
		  void (*fn)(void *arg, const char *path, int code), void *arg)
{
	struct names names = {0};
	AUTO_FREE char *at = malloc(PATH_MAX);
	int r = !at ? -ENOMEM : 0;

	if (r == 0 && p->trash)
		r = p->store->ops->entries(p->store, &p->trash->dir, add_name, &names);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		const char *name = names.list[i];
		struct store_handle handle;
		struct stat st;

		if (read_entry(p, name, &handle, &st, at) < 0 ||
		    (path ? !below(at, path) : name[0] != 'b'))
			continue;
		int code = restore_one(p, name, &handle, at);
		if (code == 0 && name[0] == 'b') {
			AUTO_LOCK(held, &p->trash->lock);
			p->trash->braked -= p->trash->braked > 0;
		}
		fn(arg, at, code);
	}
	free(names.list);
	return r;
}

int trash_empty(struct pool *p)
{
	struct names names = {0};
	int r = p->trash ? p->store->ops->entries(p->store, &p->trash->dir, add_name, &names) : 0;

	for (size_t i = 0; r == 0 && i < names.count; i++) {
		r = p->store->ops->unlink(p->store, &p->trash->dir, names.list[i], false);
		r = r == -ENOENT ? 0 : r;
	}
	free(names.list);
	if (r == 0 && p->trash) {
		AUTO_LOCK(held, &p->trash->lock);
		p->trash->count = p->trash->first = 0;
		p->trash->braked = 0;
		p->trash->brake = (struct brake){0};
	}
	return r;
}

uint64_t trash_braked(struct pool *p)
{
	if (!p->trash)
		return 0;
	AUTO_LOCK(held, &p->trash->lock);
	return p->trash->braked;
}
