/* SPDX-License-Identifier: Apache-2.0
 * What the files of the store in memory share; nobody else includes it.
 * The store owns all objects; an object owns its entries, attributes and pages.
 * Under the store's mutex only.
 * Invariant: each change since the last sync can be taken back: by a step of the log, pages by
 * their saved content.
 */
#ifndef TESTS_SIM_STORE_MEM_IN_H
#define TESTS_SIM_STORE_MEM_IN_H

#include <pthread.h>
#include <uthash.h>

#include "tests/sim/store_mem.h"

struct mem_entry {
	UT_hash_handle hh;
	uint64_t ino;
	char name[];
};

struct mem_xattr {
	struct mem_xattr *next;
	char *name;
	uint8_t *value;
	size_t size;
};

struct mem_page {
	UT_hash_handle hh;
	uint64_t index;
	uint8_t *data;  /* NULL: a hole */
	bool dirty;     /* changed since the last sync, which saw this: */
	uint8_t *saved; /* NULL: a hole */
};

struct mem_attr {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct timespec atime;
	struct timespec mtime;
	struct timespec ctime;
};

struct mem_object {
	UT_hash_handle hh;
	uint64_t ino; /* is the handle; never used again */
	struct mem_attr attr;
	dev_t rdev;
	char *target;
	size_t names; /* entries that lead here */
	size_t opens;
	bool linkable;   /* made without a name, and has not had one yet */
	uint64_t parent; /* directories */
	off_t size;
	struct mem_entry *entries;
	struct mem_xattr *xattrs;
	struct mem_page *pages;
};

struct mem_fd {
	uint64_t ino; /* 0: free */
	int flags;
};

struct mem_step;

struct store_mem {
	struct store store;
	pthread_mutex_t mutex; /* recursive: entries() calls back */
	struct mem_object *objects;
	uint64_t last_ino;
	struct mem_step *newest; /* changes since the last sync */
	uint64_t calls;          /* that change something */
	uint64_t group;          /* as a file system would journal them */
	uint64_t group_at_sync;
	int64_t now_ns;
	uint64_t used;
	uint64_t capacity;
	unsigned int fail_countdown;
	int fail_error;
	struct mem_fd *fds;
	size_t fds_size;
};

#define MEM_ROOT 1

static inline struct store_mem *mem_of(struct store *store)
{
	return (struct store_mem *)store;
}

/* Memory that a test can't do without; zeroed. */
void *mem_alloc(size_t size);
void *mem_copy(const void *data, size_t size);

/* ---- objects */
struct mem_object *mem_object_new(struct store_mem *m, const struct store_node *node);
/* -ESTALE */
MUST_CHECK int mem_object(struct store_mem *m, const struct store_handle *handle,
			  struct mem_object **ret);
/* -ESTALE, -ENOTDIR */
MUST_CHECK int mem_dir(struct store_mem *m, const struct store_handle *handle,
		       struct mem_object **ret);
/* As mem_object(), or that of the descriptor if fd is not -1: -EBADF. `flags` get its open flags,
 * O_RDWR without one. */
MUST_CHECK int mem_object_fd(struct store_mem *m, const struct store_handle *handle, int fd,
			     struct mem_object **ret, int *ret_flags);
struct mem_object *mem_by_ino(struct store_mem *m, uint64_t ino);
/* Frees those without names and users, after the log is gone. */
void mem_sweep(struct store_mem *m);
struct store_handle mem_handle(const struct mem_object *o);
struct mem_entry *mem_entry_find(struct mem_object *dir, const char *name);
/* Sets where a name leads, 0: nowhere. Logs nothing. */
void mem_entry_set(struct store_mem *m, struct mem_object *dir, const char *name, uint64_t ino);

/* ---- steps (store_mem_undo.c) */
/* Begins a changing call: 0, or the error of the fault that was asked for. */
MUST_CHECK int mem_change(struct store_mem *m);
/* A power cut may fall between what was logged before and what comes now. */
void mem_next_group(struct store_mem *m);
MUST_CHECK int mem_room(struct store_mem *m, uint64_t more);
void mem_log_entry(struct store_mem *m, struct mem_object *dir, const char *name);
void mem_log_attr(struct store_mem *m, struct mem_object *o);
void mem_log_xattr(struct store_mem *m, struct mem_object *o, const char *name);
/* The result takes the pages that are cut off, as the last sync saw them. */
struct mem_page **mem_log_size(struct store_mem *m, struct mem_object *o);
/* All that is there is durable now. */
void mem_settle(struct store_mem *m);
int mem_sync(struct store *store);

/* ---- attributes and pages */
struct timespec mem_now(struct store_mem *m);
/* Content changed: mtime and ctime; otherwise ctime alone. Logged. */
void mem_stamp(struct store_mem *m, struct mem_object *o, bool content);
struct mem_xattr *mem_xattr_find(struct mem_object *o, const char *name);
/* NULL removes it. Logs nothing. */
void mem_xattr_set(struct mem_object *o, const char *name, const void *value, size_t size);
uint64_t mem_id(struct mem_object *o);
MUST_CHECK int mem_set_id_of(struct store_mem *m, struct mem_object *o, uint64_t id);
struct mem_page *mem_page_find(struct mem_page *pages, uint64_t index);
struct mem_page *mem_page_add(struct mem_page **pages, uint64_t index);
/* Gives the page this content, which it takes over; NULL: a hole. */
void mem_page_set(struct store_mem *m, struct mem_page *page, uint8_t *data);
void mem_pages_free(struct store_mem *m, struct mem_page **pages);
/* Nothing remains behind the end of the file. */
void mem_pages_trim(struct store_mem *m, struct mem_object *o);

#endif
