/* SPDX-License-Identifier: Apache-2.0
 * The unit of change: one record is one effect of one file-system call, local or of a peer.
 * A decoded record borrows names, targets and data from the buffer that it was read from.
 * Any thread; pure. Bytes are described in man/multiall-journal.5.
 * Invariant: a record names objects by id and what its author saw (base, seen) by stamp, so that
 * every node reaches the same verdict about concurrency.
 */
#ifndef REPLICATION_RECORD_H
#define REPLICATION_RECORD_H

#include <sys/types.h>

#include "replication/stamp.h"

/* Attributes that begin so are the node's own: no record may name one. */
#define RECORD_OWN_XATTRS     "trusted.multiall."
#define RECORD_SETTING_XATTRS RECORD_OWN_XATTRS "set." /* pool_settings.h */
#define RECORD_NAME_MAX       255
#define RECORD_TARGET_MAX     4095
#define RECORD_DATA_MAX       (1u << 20)
#define RECORD_VALUE_MAX      65536 /* extended attribute */
#define RECORD_SIZE_MAX       (RECORD_DATA_MAX + 8192)
#define RECORD_INLINE_MAX     (64u << 10) /* larger writes go by reference */
#define RECORD_EXTENT_SIZE    78          /* encoded */

enum record_kind {
	REC_VOID = 1,   /* was begun and failed at its origin: no effect */
	REC_MAKE = 2,   /* new object (its id is the stamp) under a name */
	REC_LINK = 3,   /* a further name (its link id is the stamp) */
	REC_UNLINK = 4, /* a name goes; rmdir too */
	REC_RENAME = 5, /* a name moves, perhaps over another, perhaps in exchange */
	REC_WRITE = 6,
	REC_TRUNCATE = 7,
	REC_FALLOCATE = 8,
	REC_OWNER = 9, /* mode, uid, gid */
	REC_TIMES = 10,
	REC_XATTR = 11,
	REC_ALIAS = 12,   /* two directories of one name are one */
	REC_RESOLVE = 13, /* a losing content is no longer wanted */
	REC_EXTENT = 14,  /* a WRITE by reference: the bytes are in the file, here is their hash */
	REC_KINDS
};

enum record_flags {
	REC_F_DIR = 1,      /* UNLINK: rmdir */
	REC_F_EXCHANGE = 2, /* RENAME: the other name comes here */
	REC_F_REMOVE = 4,   /* XATTR: removed */
	REC_F_ATIME = 8,    /* TIMES: sets atime */
	REC_F_MTIME = 16,   /* TIMES: sets mtime */
	REC_F_FETCH = 32,   /* MAKE, TRUNCATE: the content is what its author has: peers fetch it */
	REC_F_ID = 64,      /* MAKE: it was there before it had a name, with an id of its own */
	REC_F_LAST = 128,   /* UNLINK, RENAME: what goes, or is replaced, had no other name */
};

/* A link (a name of an object) as the author saw it. lid 0: none. */
struct record_link {
	uint64_t lid;
	uint64_t id;
	stamp_t seen_place;   /* stamp of its last move */
	stamp_t seen_content; /* content head, for what is removed */
};

struct record {
	uint8_t kind;
	uint8_t flags;
	stamp_t stamp;
	uint64_t id;         /* the object; MAKE: equal to stamp unless REC_F_ID */
	stamp_t base;        /* WRITE, EXTENT, TRUNCATE, FALLOCATE: content head it was made on */
	uint64_t parent;     /* MAKE, LINK, UNLINK; RENAME: old parent */
	uint64_t new_parent; /* RENAME */
	struct record_link link;  /* UNLINK, RENAME: the name that goes or moves */
	struct record_link other; /* RENAME: the name that is replaced or exchanged */
	const char *name;         /* MAKE, LINK, RENAME (new name); XATTR; not terminated */
	size_t name_size;
	const char *old_name; /* RENAME: where it was */
	size_t old_name_size;
	uint32_t mode, uid, gid; /* MAKE, OWNER; FALLOCATE: mode */
	uint64_t rdev;
	const char *target; /* MAKE of a symlink; not terminated */
	size_t target_size;
	int64_t time_ns;     /* mtime for what the record touches; TIMES: mtime */
	int64_t atime_ns;    /* TIMES */
	uint64_t offset;     /* WRITE, EXTENT, FALLOCATE; TRUNCATE: size */
	uint64_t length;     /* FALLOCATE */
	const uint8_t *data; /* WRITE, XATTR value; EXTENT: NULL if not at hand */
	size_t data_size;    /* EXTENT: also of what is not at hand */
	const uint8_t *sum;  /* EXTENT: BLAKE2b-256 of the bytes */
};

/* Bytes that record_write() puts before the data of a WRITE; an upper bound for other kinds
 * without their data. */
#define RECORD_HEAD_MAX 4600

/* Writes all but `data`, which belongs right behind (so that it needs no copy), unless it is that
 * of an EXTENT, which travels apart. */
void record_write_head(struct wr *w, const struct record *record);
/* Decodes one whole record. MA_ECORRUPT if any field is out of bounds or bytes are left. */
MUST_CHECK int record_read(const void *bytes, size_t size, struct record *ret);

/* Ours, but for the settings of the pool, which travel like the attributes of applications. */
static inline bool record_xattr_is_own(const char *name, size_t size)
{
	const size_t own = sizeof(RECORD_OWN_XATTRS) - 1;

	const size_t set = sizeof(RECORD_SETTING_XATTRS) - 1;

	return size >= own && memcmp(name, RECORD_OWN_XATTRS, own) == 0 &&
	       (size < set || memcmp(name, RECORD_SETTING_XATTRS, set) != 0);
}

/* Bytes that stand behind the head. */
static inline size_t record_inline(const struct record *r)
{
	return r->kind == REC_EXTENT ? 0 : r->data_size;
}

/* True if the encoded record names bytes that travel apart, and how many. */
bool record_is_apart(const void *bytes, size_t size, uint32_t *ret_size);

static inline bool record_writes(const struct record *r)
{
	return r->kind == REC_WRITE || r->kind == REC_EXTENT;
}

/* True for kinds that change content. */
static inline bool record_is_content(const struct record *r)
{
	return record_writes(r) || r->kind == REC_TRUNCATE || r->kind == REC_FALLOCATE;
}

#endif
