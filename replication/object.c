/* SPDX-License-Identifier: Apache-2.0
 * Fields of one object, their encoding and hash. The cache is in object_cache.c.
 */
#include "replication/object_state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <xxhash.h>

#include "core/auto.h"

#define STATE_VERSION 1

enum { STATE_DEAD = 1, STATE_OBSOLETE = 2 };
enum { LINK_CONFLICT = 1, LINK_DEAD = 2, LINK_REMOVED = 4, LINK_FROM = 8, LINK_WANT = 16 };

/*
 * Opens a gap at `at`. Room grows to the next power of two, which the count tells: no field for it,
 * and one link costs the room of one.
 */
static void *array_insert(void *array, size_t *count, size_t at, size_t element)
{
	char *grown = array;

	if ((*count & (*count - 1)) == 0)
		grown = realloc(array, (*count ? *count * 2 : 1) * element);
	if (!grown)
		return NULL;
	memmove(grown + (at + 1) * element, grown + at * element, (*count - at) * element);
	(*count)++;
	return grown;
}

static void array_remove(void *array, size_t *count, size_t at, size_t element)
{
	char *base = array;

	assert(at < *count);
	(*count)--;
	memmove(base + at * element, base + (at + 1) * element, (*count - at) * element);
}

/* Index of the link, or of its place. */
static size_t link_find(const struct object *o, uint64_t lid)
{
	size_t low = 0;
	size_t high = o->link_count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		if (o->links[mid].lid < lid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct dentry *object_link(struct object *o, uint64_t lid)
{
	size_t i = link_find(o, lid);

	return i < o->link_count && o->links[i].lid == lid ? &o->links[i] : NULL;
}

static void homes_free(struct dentry *l)
{
	free(l->from);
	free(l->want);
	l->from = l->want = NULL;
}

int object_link_set(struct object *o, uint64_t lid, uint64_t parent, const char *name,
		    size_t name_size, stamp_t stamp, struct dentry **ret)
{
	struct dentry *l = object_link(o, lid);
	AUTO_FREE char *copy = strndup(name, name_size);

	if (!copy)
		return -ENOMEM;
	if (!l) {
		if (o->link_count >= OBJECT_LINKS_MAX)
			return -EMLINK;
		size_t at = link_find(o, lid);
		struct dentry *grown = array_insert(o->links, &o->link_count, at, sizeof(*l));
		if (!grown)
			return -ENOMEM;
		o->links = grown;
		l = &o->links[at];
		*l = (struct dentry){.lid = lid};
	}
	free(l->name);
	l->name = take_ptr(copy);
	l->parent = parent;
	l->stamp = stamp;
	l->conflict = false;
	l->dead = false;
	l->removed = false;
	l->seen = 0;
	homes_free(l);
	if (ret)
		*ret = l;
	return 0;
}

void object_link_remove(struct object *o, uint64_t lid)
{
	struct dentry *l = object_link(o, lid);

	if (!l)
		return;
	free(l->name);
	homes_free(l);
	array_remove(o->links, &o->link_count, (size_t)(l - o->links), sizeof(*l));
}

struct leaf *object_leaf(struct object *o, stamp_t stamp)
{
	for (size_t i = 0; i < o->leaf_count; i++) {
		if (o->leaves[i].stamp == stamp)
			return &o->leaves[i];
	}
	return NULL;
}

int object_leaf_add(struct object *o, stamp_t stamp, bool have)
{
	size_t at = 0;

	if (object_leaf(o, stamp))
		return 0;
	if (o->leaf_count >= OBJECT_LEAVES_MAX)
		return MA_ELIMIT;
	while (at < o->leaf_count && o->leaves[at].stamp < stamp)
		at++;
	struct leaf *grown = array_insert(o->leaves, &o->leaf_count, at, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	o->leaves = grown;
	o->leaves[at] = (struct leaf){.stamp = stamp, .have = have};
	return 0;
}

void object_leaf_remove(struct object *o, stamp_t stamp)
{
	struct leaf *l = object_leaf(o, stamp);

	if (l)
		array_remove(o->leaves, &o->leaf_count, (size_t)(l - o->leaves), sizeof(*l));
}

int object_mark(struct object *o, stamp_t stamp)
{
	for (size_t i = 0; i < o->mark_count; i++) {
		if (stamp_slot(o->marks[i]) != stamp_slot(stamp))
			continue;
		if (stamp_after(stamp, o->marks[i]))
			o->marks[i] = stamp;
		return 0;
	}
	if (o->mark_count >= VECTOR_MAX)
		return MA_ELIMIT;
	stamp_t *grown = array_insert(o->marks, &o->mark_count, o->mark_count, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	o->marks = grown;
	o->marks[o->mark_count - 1] = stamp;
	return 0;
}

/* Index of the head of this name, or of its place. */
static size_t xattr_find(const struct object *o, const char *name, size_t size, bool *ret_found)
{
	size_t low = 0;
	size_t high = o->xattr_count;

	*ret_found = false;
	while (low < high) {
		size_t mid = (low + high) / 2;
		const char *have = o->xattrs[mid].name;
		int c = strncmp(have, name, size);
		if (c == 0 && have[size] != '\0')
			c = 1;
		*ret_found = *ret_found || c == 0;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

stamp_t object_xattr(const struct object *o, const char *name, size_t name_size)
{
	bool found;
	size_t i = xattr_find(o, name, name_size, &found);

	return found ? o->xattrs[i].stamp : 0;
}

int object_xattr_set(struct object *o, const char *name, size_t name_size, stamp_t stamp)
{
	bool found;
	size_t i = xattr_find(o, name, name_size, &found);

	if (!found) {
		if (o->xattr_count >= OBJECT_XATTRS_MAX)
			return MA_ELIMIT;
		AUTO_FREE char *copy = strndup(name, name_size);
		if (!copy)
			return -ENOMEM;
		struct xattr_head *grown =
			array_insert(o->xattrs, &o->xattr_count, i, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		o->xattrs = grown;
		o->xattrs[i] = (struct xattr_head){.name = take_ptr(copy)};
	}
	o->xattrs[i].stamp = stamp;
	return 0;
}

int object_xattr_keep(struct object *o, const char *name, const void *value, size_t size)
{
	bool found;
	size_t i = xattr_find(o, name, strlen(name), &found);
	AUTO_FREE uint8_t *copy = value ? malloc(size + 1) : NULL;

	if (!found)
		return MA_EUNKNOWN;
	if (value && !copy)
		return -ENOMEM;
	if (value && size)
		memcpy(copy, value, size);
	free(o->xattrs[i].value);
	o->xattrs[i].value = take_ptr(copy);
	o->xattrs[i].size = value ? size : 0;
	return 0;
}

void conflict_name(const char *name, stamp_t stamp, char ret[256])
{
	char mark[48];
	size_t length = strlen(name);
	const char *dot = strrchr(name, '.');
	size_t suffix = dot && dot != name && strlen(dot) <= 16 ? strlen(dot) : 0;

	int mark_size =
		snprintf(mark, sizeof(mark), CONFLICT_MARK "%u-%llx", slot_node(stamp_slot(stamp)),
			 (unsigned long long)stamp_seq(stamp));
	size_t room = 255 - (size_t)mark_size - suffix;
	size_t stem = length - suffix;
	if (stem > room) {
		stem = room;
		/* Do not cut a UTF-8 character in two. */
		while (stem > 0 && ((unsigned char)name[stem] & 0xC0) == 0x80)
			stem--;
	}
	memcpy(ret, name, stem);
	memcpy(ret + stem, mark, (size_t)mark_size);
	memcpy(ret + stem + mark_size, name + length - suffix, suffix);
	ret[stem + (size_t)mark_size + suffix] = '\0';
}

void dentry_shown(const struct dentry *l, char ret[256])
{
	if (l->conflict) {
		conflict_name(l->name, l->lid, ret);
		return;
	}
	(void)snprintf(ret, 256, "%s", l->name);
}

void object_clear(struct object *o)
{
	for (size_t i = 0; i < o->link_count; i++) {
		free(o->links[i].name);
		homes_free(&o->links[i]);
	}
	for (size_t i = 0; i < o->xattr_count; i++) {
		free(o->xattrs[i].name);
		free(o->xattrs[i].value);
	}
	free(o->links);
	free(o->leaves);
	free(o->xattrs);
	free(o->marks);
	free(o->attrs.target);
	free(o->saved);
	memset(o, 0, sizeof(*o));
}

static size_t encoded_bound(const struct object *o)
{
	size_t size = 256 + (o->attrs.target ? strlen(o->attrs.target) : 0);

	for (size_t i = 0; i < o->link_count; i++)
		size += 40 + strlen(o->links[i].name) + (o->links[i].from ? 266 : 0) +
			(o->links[i].want ? 266 : 0);
	for (size_t i = 0; i < o->xattr_count; i++)
		size += 16 + strlen(o->xattrs[i].name) + o->xattrs[i].size;
	return size + o->leaf_count * 9 + o->mark_count * 8;
}

static void encode_home(struct wr *w, const struct link_home *home)
{
	if (!home)
		return;
	wr_u64(w, home->parent);
	wr_blob16(w, home->name, strlen(home->name));
}

static void encode_arrays(struct wr *w, const struct object *o)
{
	wr_u16(w, (uint16_t)o->link_count);
	for (size_t i = 0; i < o->link_count; i++) {
		const struct dentry *l = &o->links[i];
		wr_u64(w, l->lid);
		wr_u64(w, l->parent);
		wr_u64(w, l->stamp);
		wr_u64(w, l->seen);
		wr_u8(w, (uint8_t)((l->conflict ? LINK_CONFLICT : 0) | (l->dead ? LINK_DEAD : 0) |
				   (l->removed ? LINK_REMOVED : 0) | (l->from ? LINK_FROM : 0) |
				   (l->want ? LINK_WANT : 0)));
		wr_blob16(w, l->name, strlen(l->name));
		encode_home(w, l->from);
		encode_home(w, l->want);
	}
	wr_u16(w, (uint16_t)o->leaf_count);
	for (size_t i = 0; i < o->leaf_count; i++) {
		wr_u64(w, o->leaves[i].stamp);
		wr_u8(w, o->leaves[i].have);
	}
	wr_u16(w, (uint16_t)o->xattr_count);
	for (size_t i = 0; i < o->xattr_count; i++) {
		wr_u64(w, o->xattrs[i].stamp);
		wr_blob16(w, o->xattrs[i].name, strlen(o->xattrs[i].name));
		wr_u8(w, o->xattrs[i].value != NULL);
		if (o->xattrs[i].value) {
			wr_u32(w, (uint32_t)o->xattrs[i].size);
			wr_bytes(w, o->xattrs[i].value, o->xattrs[i].size);
		}
	}
	wr_u16(w, (uint16_t)o->mark_count);
	for (size_t i = 0; i < o->mark_count; i++)
		wr_u64(w, o->marks[i]);
}

int object_encode(const struct object *o, uint8_t **ret, size_t *ret_size)
{
	size_t bound = encoded_bound(o);
	AUTO_FREE uint8_t *bytes = malloc(bound);

	if (!bytes)
		return -ENOMEM;
	struct wr w = wr_init(bytes, bound);
	wr_u8(&w, STATE_VERSION);
	wr_u8(&w, (uint8_t)((o->dead ? STATE_DEAD : 0) | (o->obsolete ? STATE_OBSOLETE : 0)));
	wr_u32(&w, o->type);
	wr_u64(&w, o->id);
	wr_u64(&w, o->alias_of);
	wr_u64(&w, o->branch_of);
	wr_u64(&w, o->content);
	wr_u64(&w, o->owner);
	wr_u64(&w, o->times);
	wr_u64(&w, o->removed);
	wr_u64(&w, o->removed_seen);
	wr_u32(&w, o->attrs.mode);
	wr_u32(&w, o->attrs.uid);
	wr_u32(&w, o->attrs.gid);
	wr_u64(&w, o->attrs.rdev);
	wr_u64(&w, (uint64_t)o->attrs.mtime_ns);
	wr_blob16(&w, o->attrs.target, o->attrs.target ? strlen(o->attrs.target) : 0);
	encode_arrays(&w, o);
	wr_u64(&w, o->bytes); /* the last field: the flush puts it in late */
	if (w.failed)
		return MA_ELIMIT;
	*ret_size = wr_used(&w);
	*ret = take_ptr(bytes);
	return 0;
}

static bool name_fits(const char *name, size_t size)
{
	return size && !memchr(name, 0, size) && !memchr(name, '/', size) &&
	       !(name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.')));
}

static int decode_home(struct rd *r, bool there, struct link_home **ret)
{
	size_t size;

	if (!there)
		return 0;
	uint64_t parent = rd_u64(r);
	const char *name = (const char *)rd_blob16(r, 255, &size);
	if (r->failed || !parent || !name_fits(name, size))
		return MA_ECORRUPT;
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->parent = parent;
	memcpy((*ret)->name, name, size);
	return 0;
}

static int decode_links(struct rd *r, struct object *o)
{
	uint16_t count = rd_u16(r);

	for (uint16_t i = 0; i < count && !r->failed; i++) {
		uint64_t lid = rd_u64(r);
		uint64_t parent = rd_u64(r);
		stamp_t stamp = rd_u64(r);
		stamp_t seen = rd_u64(r);
		uint8_t flags = rd_u8(r);
		size_t size;
		const char *name = (const char *)rd_blob16(r, 255, &size);
		if (r->failed || !lid || !name_fits(name, size))
			return MA_ECORRUPT;
		struct dentry *l;
		int code = object_link_set(o, lid, parent, name, size, stamp, &l);
		if (code < 0)
			return code;
		l->conflict = flags & LINK_CONFLICT;
		l->dead = flags & LINK_DEAD;
		l->removed = flags & LINK_REMOVED;
		l->seen = seen;
		code = decode_home(r, flags & LINK_FROM, &l->from);
		if (code == 0)
			code = decode_home(r, flags & LINK_WANT, &l->want);
		if (code < 0)
			return code;
	}
	return 0;
}

static int decode_xattr(struct rd *r, struct object *o)
{
	stamp_t stamp = rd_u64(r);
	char name[256];
	size_t size;
	const uint8_t *bytes = rd_blob16(r, sizeof(name) - 1, &size);
	bool kept = rd_u8(r);

	if (r->failed || !size || memchr(bytes, 0, size))
		return MA_ECORRUPT;
	memcpy(name, bytes, size);
	name[size] = '\0';
	int code = object_xattr_set(o, name, size, stamp);
	if (code < 0 || !kept)
		return code;
	size = rd_u32(r);
	bytes = rd_bytes(r, size);
	return r->failed ? MA_ECORRUPT : object_xattr_keep(o, name, bytes, size);
}

static int decode_rest(struct rd *r, struct object *o)
{
	uint16_t leaves = rd_u16(r);

	for (uint16_t i = 0; i < leaves && !r->failed; i++) {
		stamp_t stamp = rd_u64(r);
		int code = object_leaf_add(o, stamp, rd_u8(r));
		if (code < 0)
			return code;
	}
	uint16_t xattrs = rd_u16(r);
	for (uint16_t i = 0; i < xattrs && !r->failed; i++) {
		int code = decode_xattr(r, o);
		if (code < 0)
			return code;
	}
	uint16_t marks = rd_u16(r);
	for (uint16_t i = 0; i < marks && !r->failed; i++) {
		int code = object_mark(o, rd_u64(r));
		if (code < 0)
			return code;
	}
	o->bytes = rd_u64(r);
	return r->failed || rd_left(r) ? MA_ECORRUPT : 0;
}

static bool type_known(mode_t type)
{
	return type == S_IFREG || type == S_IFDIR || type == S_IFLNK || type == S_IFIFO ||
	       type == S_IFSOCK || type == S_IFCHR || type == S_IFBLK;
}

int object_decode(const void *state, size_t size, struct object *ret)
{
	struct rd r = rd_init(state, size);

	if (rd_u8(&r) != STATE_VERSION)
		return MA_ECORRUPT;
	uint8_t flags = rd_u8(&r);
	ret->dead = flags & STATE_DEAD;
	ret->obsolete = flags & STATE_OBSOLETE;
	ret->type = rd_u32(&r);
	ret->id = rd_u64(&r);
	ret->alias_of = rd_u64(&r);
	ret->branch_of = rd_u64(&r);
	ret->content = rd_u64(&r);
	ret->owner = rd_u64(&r);
	ret->times = rd_u64(&r);
	ret->removed = rd_u64(&r);
	ret->removed_seen = rd_u64(&r);
	ret->attrs.mode = rd_u32(&r);
	ret->attrs.uid = rd_u32(&r);
	ret->attrs.gid = rd_u32(&r);
	ret->attrs.rdev = rd_u64(&r);
	ret->attrs.mtime_ns = (int64_t)rd_u64(&r);
	size_t target_size;
	const char *target = (const char *)rd_blob16(&r, 4095, &target_size);
	if (r.failed || !ret->id || !type_known(ret->type))
		return MA_ECORRUPT;
	if (target_size) {
		ret->attrs.target = strndup(target, target_size);
		if (!ret->attrs.target)
			return -ENOMEM;
	}
	int code = decode_links(&r, ret);
	return code < 0 ? code : decode_rest(&r, ret);
}

static void hash_u64(XXH3_state_t *h, uint64_t v)
{
	uint8_t b[8];
	struct wr w = wr_init(b, sizeof(b));

	wr_u64(&w, v);
	(void)XXH3_128bits_update(h, b, sizeof(b));
}

/* All contents in order, the one shown among them: which of them a node shows while it waits for
 * another's bytes is its own affair. */
static void hash_contents(XXH3_state_t *h, const struct object *o)
{
	bool shown_done = o->obsolete;

	for (size_t i = 0; i < o->leaf_count; i++) {
		if (!shown_done && o->content < o->leaves[i].stamp) {
			hash_u64(h, o->content);
			shown_done = true;
		}
		hash_u64(h, o->leaves[i].stamp);
	}
	if (!shown_done)
		hash_u64(h, o->content);
}

void object_hash(const struct object *o, uint8_t ret[STATE_HASH_SIZE])
{
	memset(ret, 0, STATE_HASH_SIZE);
	if (o->dead || o->alias_of || o->branch_of)
		return;
	XXH3_state_t *h = XXH3_createState();
	if (!h)
		abort();
	(void)XXH3_128bits_reset(h);
	hash_u64(h, o->id);
	hash_u64(h, o->type);
	hash_contents(h, o);
	hash_u64(h, o->owner);
	hash_u64(h, o->times);
	hash_u64(h, o->removed);
	for (size_t i = 0; i < o->link_count; i++) {
		const struct dentry *l = &o->links[i];
		if (l->dead)
			continue;
		const char *name = l->want ? l->want->name : l->name;
		hash_u64(h, l->lid);
		hash_u64(h, l->want ? l->want->parent : l->parent);
		hash_u64(h, l->stamp);
		(void)XXH3_128bits_update(h, name, strlen(name) + 1);
	}
	for (size_t i = 0; i < o->xattr_count; i++) {
		hash_u64(h, o->xattrs[i].stamp);
		(void)XXH3_128bits_update(h, o->xattrs[i].name, strlen(o->xattrs[i].name) + 1);
	}
	XXH128_canonical_t canonical;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(h));
	memcpy(ret, canonical.digest, STATE_HASH_SIZE);
	(void)XXH3_freeState(h);
}
