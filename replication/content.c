/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/content.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/log.h"
#include "replication/alive.h"
#include "replication/apply.h"
#include "replication/claim.h"
#include "replication/equal.h"
#include "replication/fetch.h"
#include "replication/mapped.h"
#include "replication/place.h"
#include "replication/repeat.h"
#include "replication/shadow.h"
#include "replication/unsynced.h"

#define COPY_CHUNK (1u << 20)

void caps_keep(struct pool *p, const struct object *o, const struct store_handle *handle,
	       struct caps *ret)
{
	ret->size = -ENODATA;
	if (object_xattr(o, CAPS_XATTR, strlen(CAPS_XATTR)))
		ret->size = p->store->ops->get_xattr(p->store, handle, CAPS_XATTR, ret->value,
						     sizeof(ret->value));
}

int caps_restore(struct pool *p, const struct store_handle *handle, const struct caps *caps)
{
	return caps->size < 0 ? 0
			      : p->store->ops->set_xattr(p->store, handle, CAPS_XATTR, caps->value,
							 (size_t)caps->size, 0);
}

/* Before a peer's change: what the kernel may hold of it. */
static void keep_pages(struct pool *p, const struct object *o, const struct store_handle *handle,
		       const struct record *rec)
{
	if (record_writes(rec))
		shadow_keep(p, o, handle, (off_t)rec->offset, (off_t)rec->data_size);
	else if (rec->kind == REC_TRUNCATE)
		shadow_keep(p, o, handle, (off_t)rec->offset, -1);
	else if (rec->mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		shadow_keep(p, o, handle, (off_t)rec->offset, (off_t)rec->length);
}

/* The time is that of the latest record, whichever content is shown. */
static void note_time(struct object *o, const struct record *rec)
{
	if (!stamp_after(rec->stamp, o->times))
		return;
	o->times = rec->stamp;
	o->attrs.mtime_ns = rec->time_ns;
}

/* Where the record changes bytes, for those who map the file. */
static void map_step(struct pool *p, const struct object *o, const struct store_handle *handle,
		     const struct record *rec, struct mapped_step *ret)
{
	off_t size = -1;

	if (record_writes(rec))
		size = (off_t)rec->data_size;
	else if (rec->kind == REC_FALLOCATE &&
		 !(rec->mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)))
		size = (off_t)rec->length;
	mapped_begin(p, o, handle, (off_t)rec->offset, size, ret);
}

static int change_bytes(struct pool *p, const struct store_handle *handle, struct object *times_of,
			const struct record *rec, struct apply *ctx)
{
	const struct store_ops *ops = p->store->ops;
	int fd = ctx->fd;
	struct caps caps;
	int r;

	caps_keep(p, times_of, handle, &caps);
	if (!ctx->local)
		keep_pages(p, times_of, handle, rec);
	if (ctx->redo && repeat_spares(p, rec))
		r = repeat_bytes(p, handle, rec);
	else if (record_writes(rec))
		r = ops->write(p->store, handle, fd, rec->data, rec->data_size, (off_t)rec->offset);
	else if (rec->kind == REC_TRUNCATE)
		r = ops->truncate(p->store, handle, fd, (off_t)rec->offset);
	else
		r = ops->fallocate(p->store, handle, fd, (int)rec->mode, (off_t)rec->offset,
				   (off_t)rec->length);
	if (rec->kind == REC_EXTENT)
		unsynced_note(p, handle);
	if (r == 0)
		r = caps_restore(p, handle, &caps);
	if (r < 0)
		return r;
	note_time(times_of, rec);
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
				    place_timespec(times_of->attrs.mtime_ns)};
	return ops->set_times(p->store, handle, fd, times);
}

/* The physical step of a content record, and the time it leaves. */
static int write_bytes(struct pool *p, const struct store_handle *handle, struct object *times_of,
		       const struct record *rec, struct apply *ctx)
{
	struct mapped_step step;

	if (ctx->there) {
		note_time(times_of, rec);
		return 0;
	}
	map_step(p, times_of, handle, rec, &step);
	int r = change_bytes(p, handle, times_of, rec, ctx);
	mapped_end(p, handle, &step);
	return r;
}

/* Where the branch of a leaf belongs: beside the first live name. False: there is none. */
static bool branch_place(const struct object *o, stamp_t leaf, uint64_t *ret_parent, char name[256])
{
	for (size_t i = 0; i < o->link_count; i++) {
		if (o->links[i].dead)
			continue;
		*ret_parent = o->links[i].parent;
		conflict_name(o->links[i].name, leaf, name);
		return true;
	}
	return false;
}

/* Makes the file that stands in the private directory under `staged` the branch of this leaf. */
static int branch_make(struct pool *p, struct object *o, stamp_t leaf, const char *staged)
{
	AUTO_REF struct object_ref b = {.cache = p->cache};
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	char name[256];
	uint64_t parent;

	if (!branch_place(o, leaf, &parent, name))
		return MA_EUNKNOWN;
	int r = object_get_raw(p->cache, leaf, &b.o);
	if (r == MA_EUNKNOWN)
		r = object_add(p->cache, leaf, S_IFREG, &b.o);
	if (r == 0)
		r = object_get(p->cache, parent, &dir.o);
	if (r == 0)
		r = p->store->ops->lookup(p->store, &p->private_dir, staged, NULL, &b.o->handle,
					  NULL);
	if (r == 0)
		r = place_rename_id(p, &b.o->handle, leaf);
	/* The same on all nodes, whichever way the bytes have come. */
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT},
				    place_timespec(seq_to_wall(stamp_seq(leaf)))};
	if (r == 0)
		r = p->store->ops->set_times(p->store, &b.o->handle, -1, times);
	if (r == 0)
		r = object_link_set(b.o, leaf, parent, name, strlen(name), leaf, NULL);
	if (r < 0)
		return r;
	b.o->branch_of = o->id;
	b.o->content = leaf;
	b.o->dead = false;
	object_dirty(p->cache, b.o);
	r = claim_computed(p, dir.o, name, leaf);
	if (r == 0)
		r = p->store->ops->rename(p->store, &p->private_dir, staged, &dir.o->handle, name,
					  0);
	watch_entry(p, dir.o->id, name);
	place_disturbed(p, dir.o);
	return r;
}

/* Takes the branch away from the tree and from the index. */
static int branch_drop(struct pool *p, stamp_t leaf)
{
	AUTO_REF struct object_ref b = {.cache = p->cache};
	int r = object_get_raw(p->cache, leaf, &b.o);

	if (r < 0)
		return r == MA_EUNKNOWN ? 0 : r;
	for (size_t i = 0; r == 0 && i < b.o->link_count; i++) {
		AUTO_REF struct object_ref dir = {.cache = p->cache};
		if (object_get(p->cache, b.o->links[i].parent, &dir.o) == 0)
			r = place_remove(p, b.o, dir.o, b.o->links[i].name);
	}
	if (r == 0)
		object_drop(p->cache, b.o);
	return r;
}

int content_bury(struct pool *p, struct object *o)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->leaf_count; i++) {
		if (o->leaves[i].have)
			r = branch_drop(p, o->leaves[i].stamp);
		if (r == 0)
			o->leaves[i].have = false;
	}
	return r;
}

int content_owner(struct pool *p, struct object *o, mode_t mode, uid_t uid, gid_t gid)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->leaf_count; i++) {
		AUTO_REF struct object_ref b = {.cache = p->cache};
		if (o->leaves[i].have && object_get_raw(p->cache, o->leaves[i].stamp, &b.o) == 0)
			r = p->store->ops->set_owner(p->store, &b.o->handle, mode, uid, gid);
		r = r == -ESTALE ? 0 : r;
	}
	return r;
}

/* Before a crash it may have been moved already. */
static int branch_move(struct pool *p, const struct object *b, const struct object *from,
		       const char *name, struct object *to, const char *new_name)
{
	const struct store_ops *ops = p->store->ops;
	uint64_t id;
	int r = claim_computed(p, to, new_name, b->id);

	if (r == 0)
		r = ops->rename(p->store, &from->handle, name, &to->handle, new_name, 0);
	if (r == -ENOENT && ops->lookup(p->store, &to->handle, new_name, &id, NULL, NULL) == 0 &&
	    id == b->id)
		return 0;
	return r;
}

int content_follow(struct pool *p, struct object *o)
{
	for (size_t i = 0; i < o->leaf_count; i++) {
		AUTO_REF struct object_ref b = {.cache = p->cache};
		AUTO_REF struct object_ref from = {.cache = p->cache};
		AUTO_REF struct object_ref to = {.cache = p->cache};
		char name[256];
		uint64_t parent;
		if (!o->leaves[i].have || !branch_place(o, o->leaves[i].stamp, &parent, name) ||
		    object_get_raw(p->cache, o->leaves[i].stamp, &b.o) < 0 || !b.o->link_count)
			continue;
		struct dentry *l = &b.o->links[0];
		int r = object_get(p->cache, l->parent, &from.o);
		if (r == 0)
			r = object_get(p->cache, parent, &to.o);
		if (r < 0 || (from.o == to.o && strcmp(l->name, name) == 0))
			continue;
		r = branch_move(p, b.o, from.o, l->name, to.o, name);
		if (r == -ENOENT) { /* gone before a crash: it is fetched */
			object_drop(p->cache, b.o);
			o->leaves[i].have = false;
			content_note(p, o);
			continue;
		}
		watch_entry(p, from.o->id, l->name);
		watch_entry(p, to.o->id, name);
		place_disturbed(p, from.o);
		place_disturbed(p, to.o);
		if (r == 0)
			r = object_link_set(b.o, l->lid, parent, name, strlen(name), l->stamp,
					    NULL);
		if (r < 0)
			return r;
		object_dirty(p->cache, b.o);
	}
	return 0;
}

/* The record says what was done, and the bytes are not here: they were replaced before they could
 * be sent, or only their author has them. */
static bool lacks_bytes(const struct pool *p, const struct record *rec, const struct apply *ctx)
{
	if (rec->kind == REC_EXTENT)
		return !rec->data && !(ctx->redo && p->repeat && !repeat_lacks(p, rec->stamp));
	return rec->kind == REC_TRUNCATE && (rec->flags & REC_F_FETCH) && ctx->deps;
}

/* The branch, changed by the record, into the private directory. -ENOENT: it is gone, by a step
 * that was made before a crash and is made again now. */
static int branch_take(struct pool *p, stamp_t old, const struct record *rec, const char *staged)
{
	AUTO_REF struct object_ref b = {.cache = p->cache};
	struct apply remote = {.fd = -1};
	int r = object_get_raw(p->cache, old, &b.o);

	if (r == 0)
		r = write_bytes(p, &b.o->handle, b.o, rec, &remote);
	for (size_t i = 0; r == 0 && i < b.o->link_count; i++) {
		AUTO_REF struct object_ref dir = {.cache = p->cache};
		r = object_get(p->cache, b.o->links[i].parent, &dir.o);
		if (r == 0)
			r = p->store->ops->rename(p->store, &dir.o->handle, b.o->links[i].name,
						  &p->private_dir, staged, 0);
		if (r == 0)
			watch_entry(p, dir.o->id, b.o->links[i].name);
	}
	r = r == -ESTALE || r == MA_EUNKNOWN ? -ENOENT : r;
	if (b.o && (r == 0 || r == -ENOENT))
		object_drop(p->cache, b.o);
	return r;
}

/* The leaf grew by one record: its branch, if we have it, takes the new stamp as its id. */
static int branch_advance(struct pool *p, struct object *o, struct leaf *leaf,
			  const struct record *rec, const struct apply *ctx)
{
	stamp_t old = leaf->stamp;
	bool have = leaf->have;
	char staged[64];

	if (have && (lacks_bytes(p, rec, ctx) || (rec->kind == REC_EXTENT && !rec->data))) {
		int r = branch_drop(p, old);
		if (r < 0)
			return r;
		have = false;
	}
	if (have) {
		(void)snprintf(staged, sizeof(staged), "advance-%016llx", (unsigned long long)old);
		int r = branch_take(p, old, rec, staged);
		if (r == 0)
			r = branch_make(p, o, rec->stamp, staged);
		have = r != -ENOENT;
		if (have && r < 0)
			return r;
	}
	object_leaf_remove(o, old);
	int r = object_leaf_add(o, rec->stamp, have);
	content_note(p, o);
	return r;
}

void content_note(struct pool *p, struct object *o)
{
	object_dirty(p->cache, o);
	if (content_wanted(o))
		fetch_note(p, o->id);
}

/* What a node wrote to one object comes in its order: a later stamp of it among the heads means
 * that this one was dealt with (before a crash, or by a catch-up). */
static bool known_already(const struct object *o, stamp_t stamp)
{
	if (stamp_slot(o->content) == stamp_slot(stamp) && !stamp_after(stamp, o->content))
		return true;
	for (size_t i = 0; i < o->leaf_count; i++) {
		if (stamp_slot(o->leaves[i].stamp) == stamp_slot(stamp) &&
		    !stamp_after(stamp, o->leaves[i].stamp))
			return true;
	}
	return false;
}

static int fetched_before(struct object *o, stamp_t content)
{
	int r = o->obsolete ? 0 : object_leaf_add(o, o->content, false);

	object_leaf_remove(o, content);
	o->content = content;
	o->obsolete = false;
	return r;
}

/* What the object is to show is this content, and its bytes have to be fetched. */
static int show_missing(struct pool *p, struct object *o, stamp_t content)
{
	object_leaf_remove(o, o->content);
	o->content = content;
	o->obsolete = true;
	int r = object_leaf_add(o, content, false);
	content_note(p, o);
	return r;
}

int content_doubt(struct pool *p, struct object *o)
{
	return show_missing(p, o, o->content);
}

/* The content that the record continues is missing, though it is the one to be shown. */
static bool continues_missing(struct object *o, const struct record *rec, const struct apply *ctx)
{
	const struct leaf *leaf = o->obsolete ? object_leaf(o, o->content) : NULL;

	return !ctx->deps && leaf && !leaf->have && rec->base == o->content;
}

bool content_in_doubt(const struct pool *p, const struct object *o, stamp_t leaf)
{
	return o->obsolete && !o->dead && o->content == leaf && o->handle.size &&
	       content_wanted(o) == leaf && slot_node(stamp_slot(leaf)) == p->node;
}

int content_restate(struct pool *p, struct object *o, stamp_t leaf)
{
	struct apply ctx = {.fd = -1, .internal = true};
	struct stat st;

	if (!content_in_doubt(p, o, leaf))
		return 0;
	int r = p->store->ops->stat(p->store, &o->handle, -1, &st);
	if (r < 0)
		return r;
	o->obsolete = false;
	object_leaf_remove(o, leaf);
	object_dirty(p->cache, o);
	struct record rec = {.kind = REC_TRUNCATE,
			     .flags = REC_F_FETCH,
			     .id = o->id,
			     .base = leaf,
			     .offset = (uint64_t)st.st_size,
			     .time_ns = o->attrs.mtime_ns};
	log_warn(
		"pool \"%s\": no peer has what a power cut took from file %llx: what is left of it "
		"counts",
		p->name, (unsigned long long)o->id);
	return pool_submit(p, &rec, &ctx);
}

/* Continues the content that is shown. */
static int continue_shown(struct pool *p, struct object *o, const struct record *rec,
			  struct apply *ctx)
{
	if (lacks_bytes(p, rec, ctx)) {
		note_time(o, rec);
		return show_missing(p, o, rec->stamp);
	}
	int r = apply_gone_ok(ctx, write_bytes(p, &o->handle, o, rec, ctx));
	if (r < 0)
		return r;
	note_time(o, rec);
	o->content = rec->stamp;
	object_dirty(p->cache, o);
	if (!ctx->local)
		watch_inode(p, o->id, false);
	return 0;
}

int content_apply(struct pool *p, struct object *o, const struct record *rec, struct apply *ctx)
{
	int r = 0;

	if (ctx->local && (o->dead || o->branch_of)) {
		/* Removed but still open, as scratch files are: no peer needs these bytes. */
		return write_bytes(p, &o->handle, o, rec, ctx);
	}
	/* The bytes are in doubt, and peers may have them: they continue those, and so do we. */
	if (continues_missing(o, rec, ctx)) {
		r = apply_gone_ok(ctx, write_bytes(p, &o->handle, o, rec, ctx));
		return r < 0 ? r : show_missing(p, o, rec->stamp);
	}
	bool own = ctx->local || (ctx->redo && !ctx->deps);
	/* The content that it was made on was fetched before the crash; the index does not know. */
	const struct leaf *base = own && !ctx->local ? object_leaf(o, rec->base) : NULL;
	if (base && !base->have && !o->dead)
		r = fetched_before(o, rec->base);
	/* A local write to bytes that are about to be replaced saves them: they become a content of
	 * their own beside the one that is being fetched. */
	if (r == 0 && own && o->obsolete && rec->base == o->content) {
		const struct leaf *gone = object_leaf(o, o->removed);
		if (gone && !gone->have) /* as alive_settle() does it on peers */
			object_leaf_remove(o, o->removed);
		o->obsolete = false;
	}
	if (r < 0)
		return r;
	if (!o->obsolete && !o->dead && rec->base == o->content)
		return continue_shown(p, o, rec, ctx);
	if (known_already(o, rec->stamp))
		return 0;
	bool later = stamp_after(rec->stamp, o->times);
	note_time(o, rec);
	if (later && !o->dead && o->handle.size) {
		struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, place_timespec(rec->time_ns)};
		r = apply_gone_ok(ctx, p->store->ops->set_times(p->store, &o->handle, -1, times));
		if (r < 0)
			return r;
	}
	struct leaf *leaf = object_leaf(o, rec->base);
	if (leaf) {
		r = branch_advance(p, o, leaf, rec, ctx);
		return r < 0 ? r : alive_settle(p, o);
	}
	/* Written without knowledge of what is here. The file stays, should it have been removed,
	 * and the other content is fetched whole. */
	r = object_leaf_add(o, rec->stamp, false);
	if (r < 0)
		return r;
	if (o->dead && rec->base == o->content)
		o->obsolete = true; /* replaced knowingly; its bytes went with the names */
	return alive_settle(p, o);
}

stamp_t content_wanted(const struct object *o)
{
	stamp_t best = o->obsolete ? 0 : o->content;
	stamp_t missing = 0;

	/* What is to be shown and kept, before what beats it: else it would never have been here.
	 */
	for (size_t i = 0; i < o->leaf_count && o->obsolete; i++) {
		if (o->leaves[i].stamp == o->content && !o->leaves[i].have)
			return o->content;
	}
	for (size_t i = 0; i < o->leaf_count; i++) {
		if (!best || stamp_after(o->leaves[i].stamp, best))
			best = o->leaves[i].stamp;
		if (!o->leaves[i].have)
			missing = o->leaves[i].stamp;
	}
	return o->obsolete || best != o->content ? best : missing;
}

int content_source(struct pool *p, struct object *o, stamp_t leaf, struct object **ret)
{
	if (o->content == leaf && !o->obsolete && !o->dead)
		return object_get_raw(p->cache, o->id, ret);
	if (content_in_doubt(p, o, leaf))
		return -EAGAIN;
	struct leaf *l = object_leaf(o, leaf);
	return l && l->have ? object_get_raw(p->cache, leaf, ret) : MA_EUNKNOWN;
}

/* Copies content, length and holes; `to` is empty. */
static int copy_content(struct pool *p, const struct store_handle *from,
			const struct store_handle *to)
{
	const struct store_ops *ops = p->store->ops;
	AUTO_FREE uint8_t *buffer = malloc(COPY_CHUNK);
	struct stat st;
	off_t start, end, at = 0;
	int r = buffer ? ops->stat(p->store, from, -1, &st) : -ENOMEM;

	if (r == 0)
		r = ops->truncate(p->store, to, -1, st.st_size);
	while (r == 0) {
		r = ops->next_data(p->store, from, -1, at, &start, &end);
		for (at = start; r == 0 && at < end;) {
			size_t size = end - at > COPY_CHUNK ? COPY_CHUNK : (size_t)(end - at);
			ssize_t n = ops->read(p->store, from, -1, buffer, size, at);
			if (n <= 0)
				return n < 0 ? (int)n : 0;
			r = ops->write(p->store, to, -1, buffer, (size_t)n, at);
			at += n;
		}
	}
	return r == -ENXIO ? 0 : r;
}

static int copy_shown(struct pool *p, struct object *o, const char *staged)
{
	struct store_handle copy;
	struct stat st;
	int r = p->store->ops->stat(p->store, &o->handle, -1, &st);
	struct store_node node = {
		.id = o->content, .mode = st.st_mode, .uid = st.st_uid, .gid = st.st_gid};

	if (r == 0)
		r = p->store->ops->make(p->store, &p->private_dir, staged, &node, &copy);
	return r < 0 ? r : copy_content(p, &o->handle, &copy);
}

/* A crash may have come when the copy stood in its place, and others' bytes here: 1. */
static int copied_before(struct pool *p, struct object *o, const char *staged)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	const struct store_ops *ops = p->store->ops;
	uint64_t parent, id;
	char name[256];

	if (!branch_place(o, o->content, &parent, name) ||
	    object_get(p->cache, parent, &dir.o) < 0 ||
	    ops->lookup(p->store, &dir.o->handle, name, &id, NULL, NULL) < 0 || id != o->content)
		return 0;
	int r = ops->rename(p->store, &dir.o->handle, name, &p->private_dir, staged, 0);
	return r < 0 ? r : 1;
}

/* The content shown, which is about to be replaced by a concurrent one, goes into a branch. */
static int branch_shown(struct pool *p, struct object *o)
{
	char staged[64];
	struct leaf *have = object_leaf(o, o->content);

	if (have && have->have)
		return 0;
	(void)snprintf(staged, sizeof(staged), "branch-%016llx", (unsigned long long)o->content);
	int r = copied_before(p, o, staged);
	if (r == 0)
		r = copy_shown(p, o, staged);
	if (r >= 0)
		r = branch_make(p, o, o->content, staged);
	if (r < 0)
		return r;
	object_leaf_remove(o, o->content);
	equal_note(p, o->id, o->content);
	return object_leaf_add(o, o->content, true);
}

/* The staged content becomes what the object shows; the object keeps its identity, so that open
 * files, hard links and handles stay valid. */
static int install_shown(struct pool *p, struct object *o, stamp_t leaf,
			 const struct store_handle *staged)
{
	const struct store_ops *ops = p->store->ops;
	struct caps caps;
	struct mapped_step step;
	int r = o->obsolete ? 0 : branch_shown(p, o);

	caps_keep(p, o, &o->handle, &caps);
	shadow_keep(p, o, &o->handle, 0, -1);
	mapped_begin(p, o, &o->handle, 0, -1, &step);
	if (r == 0)
		r = ops->truncate(p->store, &o->handle, -1, 0);
	if (r == 0)
		r = copy_content(p, staged, &o->handle);
	if (r == 0)
		r = caps_restore(p, &o->handle, &caps);
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, place_timespec(o->attrs.mtime_ns)};
	if (r == 0) {
		o->content = leaf;
		o->obsolete = false;
		object_leaf_remove(o, leaf);
		object_dirty(p->cache, o);
		unsynced_note(p, &o->handle);
		watch_inode(p, o->id, false);
		r = ops->set_times(p->store, &o->handle, -1, times);
	}
	mapped_end(p, &o->handle, &step);
	return r;
}

int content_install(struct pool *p, struct object *o, stamp_t leaf, const char *staged)
{
	struct store_handle handle;
	struct leaf *l = object_leaf(o, leaf);
	bool shown = content_wanted(o) == leaf && (o->obsolete || stamp_after(leaf, o->content));
	int r = p->store->ops->lookup(p->store, &p->private_dir, staged, NULL, &handle, NULL);

	if (r < 0)
		return r;
	if (!l)
		return p->store->ops->unlink(p->store, &p->private_dir, staged, false);
	if (shown) {
		r = l->have ? branch_drop(p, leaf) : 0;
		l->have = false;
		if (r == 0)
			r = install_shown(p, o, leaf, &handle);
		if (r == 0)
			r = p->store->ops->unlink(p->store, &p->private_dir, staged, false);
	} else {
		r = branch_make(p, o, leaf, staged);
		if (r == 0)
			l->have = true;
		equal_note(p, o->id, leaf);
	}
	content_note(p, o);
	return r;
}

int content_settle(struct pool *p, struct object *o)
{
	stamp_t leaf = o->dead ? 0 : content_wanted(o);
	struct leaf *l = leaf ? object_leaf(o, leaf) : NULL;
	AUTO_REF struct object_ref b = {.cache = p->cache};
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	char staged[64];

	if (!l || !l->have || !o->handle.size)
		return 0;
	(void)snprintf(staged, sizeof(staged), "install-%016llx", (unsigned long long)leaf);
	int r = object_get_raw(p->cache, leaf, &b.o);
	if (r == 0 && !b.o->link_count)
		r = MA_EUNKNOWN;
	if (r == 0)
		r = object_get(p->cache, b.o->links[0].parent, &dir.o);
	if (r == 0)
		r = p->store->ops->rename(p->store, &dir.o->handle, b.o->links[0].name,
					  &p->private_dir, staged, 0);
	if (r == -ENOENT || r == MA_EUNKNOWN) { /* gone before a crash: it is fetched */
		if (b.o)
			object_drop(p->cache, b.o);
		l->have = false;
		content_note(p, o);
		return 0;
	}
	if (r < 0)
		return r;
	watch_entry(p, dir.o->id, b.o->links[0].name);
	place_disturbed(p, dir.o);
	object_drop(p->cache, b.o);
	l->have = false;
	return content_install(p, o, leaf, staged);
}

int content_resolve(struct pool *p, struct object *o, stamp_t leaf)
{
	struct leaf *l = object_leaf(o, leaf);

	/* To others it is a loser already; here it is shown until the winner's bytes have come. */
	if (!l && o->content == leaf && o->leaf_count && !o->obsolete) {
		o->obsolete = true;
		content_note(p, o);
		return content_settle(p, o);
	}
	if (!l)
		return 0;
	int r = l->have ? branch_drop(p, leaf) : 0;
	object_leaf_remove(o, leaf);
	if (r == 0)
		r = content_settle(p, o);
	content_note(p, o);
	return r;
}

int content_forsake(struct pool *p, struct object *o)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, place_timespec(o->attrs.mtime_ns)};
	if (o->dead || !o->obsolete || o->leaf_count)
		return 0;
	int r = p->store->ops->truncate(p->store, &o->handle, -1, 0);

	if (r == 0)
		r = p->store->ops->set_times(p->store, &o->handle, -1, times);
	if (r < 0)
		return r;
	o->content = o->id;
	o->obsolete = false;
	watch_inode(p, o->id, false);
	return 0;
}
