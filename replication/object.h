/* SPDX-License-Identifier: Apache-2.0
 * What a pool knows of one object: names, heads of its facets, where it lies; and a bounded cache.
 * The cache owns the objects; users hold references between object_get() and object_put().
 * The cache itself: any thread. An object's fields: under its lock of struct locks (locks.h).
 * Invariant: a dirty or referenced object is never evicted; clean ones equal their index row.
 */
#ifndef REPLICATION_OBJECT_H
#define REPLICATION_OBJECT_H

#include <pthread.h>
#include <sys/stat.h>

#include "replication/index.h"

#define OBJECT_CACHE_MAX  32768 /* clean objects kept in memory */
#define OBJECT_LINKS_MAX  65000 /* as ext4 */
#define OBJECT_LEAVES_MAX 256
#define OBJECT_XATTRS_MAX 4096 /* heads, of those removed too; local calls stop at the half */
#define STATE_BUCKETS     256
#define STATE_HASH_SIZE   16

/* One name of an object. */
struct dentry {
	uint64_t lid;    /* stamp of the record that made the name */
	uint64_t parent; /* directory id as in the record: resolve aliases before use */
	stamp_t stamp;   /* of its last move: the later wins */
	bool conflict;   /* shown under its conflict name, since another holds the plain one */
	bool dead;       /* not shown; kept so that what came concurrently can be judged */
	bool removed;    /* somebody removed it where it is now: see alive.h */
	stamp_t seen;    /* ... when this was its content */
	char *name;
	struct link_home *from, *want; /* of a directory's latest move, see circle.h; or NULL */
};

/* A content that was written without knowledge of the one that is shown. */
struct leaf {
	stamp_t stamp;
	bool have; /* we hold its bytes, in the branch file of this stamp */
};

struct xattr_head {
	char *name;
	stamp_t stamp;
	uint8_t *value; /* of the dead, as attrs; NULL: none */
	size_t size;
};

/* Kept for the dead, so that a concurrent change can bring them back, and for peers. */
struct object_attrs {
	uint32_t mode, uid, gid;
	uint64_t rdev;
	int64_t mtime_ns;
	char *target;
};

struct object {
	uint64_t id;
	mode_t type;          /* S_IFMT bits */
	bool nameless;        /* has had no name yet: see nameless.h */
	bool dead;            /* all its links are dead; kept until all members know */
	bool obsolete;        /* the bytes here are of no content that counts: the leaves do */
	uint64_t alias_of;    /* directory: it is one with that other, smaller id; 0: no */
	uint64_t branch_of;   /* the file that holds a losing content of that object; 0: no */
	uint64_t bytes;       /* used on disk, as of the last flush; here only */
	stamp_t content;      /* what the bytes in the backing file are */
	stamp_t owner;        /* head of mode, uid, gid */
	stamp_t times;        /* head of mtime */
	stamp_t removed;      /* directory: its latest rmdir; file: content that went knowingly */
	stamp_t removed_seen; /* the place stamp which that rmdir knew */
	struct dentry *links;
	struct leaf *leaves;
	struct xattr_head *xattrs;
	stamp_t *marks; /* the last change of each slot that left no stamp elsewhere: removals */
	size_t link_count, leaf_count, xattr_count, mark_count;
	struct object_attrs attrs;  /* as of the records; mtime_ns is what belongs to `times` */
	struct store_handle handle; /* size 0: not in the backing directory */

	unsigned int refs; /* this and all below: of the cache */
	bool dirty;
	bool known, listed;            /* has a row in the index; as one with conflicts */
	bool gone;                     /* dropped; its row goes with the next flush */
	uint8_t hash[STATE_HASH_SIZE]; /* as counted in the buckets */
	uint64_t conflicts;            /* as counted */
	stamp_t *saved, waits;         /* in the index's tables: of changes; of removed objects */
	size_t saved_count;
	struct object_node *node;
};

struct object_cache;
MUST_CHECK int object_cache_new(struct index *ix, struct object_cache **ret);
void object_cache_free(struct object_cache *c);

/* A reference to the object; MA_EUNKNOWN if there is none of this id. Follows aliases. */
MUST_CHECK int object_get(struct object_cache *c, uint64_t id, struct object **ret);
/* As object_get, but the very object, alias or not. */
MUST_CHECK int object_get_raw(struct object_cache *c, uint64_t id, struct object **ret);
/* A new object, referenced and dirty; -EEXIST if the id is known. */
MUST_CHECK int object_add(struct object_cache *c, uint64_t id, mode_t type, struct object **ret);
void object_put(struct object_cache *c, struct object *o);
/* Forgets an object altogether; the caller's reference is the only one left to be put. */
void object_drop(struct object_cache *c, struct object *o);

/* A reference that ends with its scope. */
struct object_ref {
	struct object_cache *cache;
	struct object *o;
};
void object_ref_end(struct object_ref *r);
#define AUTO_REF __attribute__((cleanup(object_ref_end)))
void object_dirty(struct object_cache *c, struct object *o);

/* Names, leaves, attributes: arrays of the object, in order of lid, stamp, name. */
struct dentry *object_link(struct object *o, uint64_t lid);
/* The link shown under `name` in `parent` (an id after aliases). NULL: none. */
struct dentry *object_link_at(struct object_cache *c, struct object *o, uint64_t parent,
			      const char *name, size_t name_size);
MUST_CHECK int object_link_set(struct object *o, uint64_t lid, uint64_t parent, const char *name,
			       size_t name_size, stamp_t stamp, struct dentry **ret);
void object_link_remove(struct object *o, uint64_t lid);
struct leaf *object_leaf(struct object *o, stamp_t stamp);
MUST_CHECK int object_leaf_add(struct object *o, stamp_t stamp, bool have);
void object_leaf_remove(struct object *o, stamp_t stamp);
/* So that "what changed since" finds the object by this stamp. */
MUST_CHECK int object_mark(struct object *o, stamp_t stamp);
stamp_t object_xattr(const struct object *o, const char *name, size_t name_size);
MUST_CHECK int object_xattr_set(struct object *o, const char *name, size_t name_size,
				stamp_t stamp);
/* Keeps the value of an attribute that is there already; NULL: none. */
MUST_CHECK int object_xattr_keep(struct object *o, const char *name, const void *value, size_t n);

/* Flush, with all changes held off: takes, encodes and counts the dirty objects. Then write. */
struct object_flush;
MUST_CHECK int object_flush_take(struct object_cache *c, struct object_flush **ret);
typedef uint64_t object_bytes_fn(void *arg, const struct store_handle *handle);
MUST_CHECK int object_flush_write(struct object_cache *c, struct object_flush *f,
				  object_bytes_fn *bytes, void *arg);
/* In any case the end. Unless it was committed, the objects are dirty again. */
void object_flush_done(struct object_cache *c, struct object_flush *f, bool committed);
size_t object_flush_count(const struct object_flush *f);
size_t object_dirty_count(struct object_cache *c);
/* Hash of the whole state as of the last object_flush_take(). */
void object_state_hash(struct object_cache *c, uint8_t ret[STATE_HASH_SIZE]);
/* Buckets, live files and conflicts, to be stored with the index and given back at start. */
#define OBJECT_SUMMARY_SIZE (STATE_BUCKETS * STATE_HASH_SIZE + 24)
void object_summary(struct object_cache *c, uint8_t ret[OBJECT_SUMMARY_SIZE]);
void object_summary_set(struct object_cache *c, const uint8_t summary[OBJECT_SUMMARY_SIZE]);
void object_counts(struct object_cache *c, uint64_t *ret_files, uint64_t *ret_conflicts,
		   uint64_t *ret_bytes);

#endif
