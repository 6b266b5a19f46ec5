/* SPDX-License-Identifier: Apache-2.0
 * The steps of the store in memory, as replication/store.h describes them.
 * Nobody owns anything here; store_mem.c makes them a table.
 * Any thread: each takes the store's mutex.
 * Invariant: the same answers as replication/store_dir*.c; store_conformance_test.c compares.
 */
#ifndef TESTS_SIM_STORE_MEM_OPS_H
#define TESTS_SIM_STORE_MEM_OPS_H

#include "replication/store.h"

/* store_mem_names.c */
int mem_lookup(struct store *store, const struct store_handle *dir, const char *name,
	       uint64_t *ret_id, struct store_handle *ret_handle, struct stat *ret_stat);
int mem_make(struct store *store, const struct store_handle *dir, const char *name,
	     const struct store_node *node, struct store_handle *ret);
int mem_make_open(struct store *store, const struct store_handle *dir, const char *name,
		  const struct store_node *node, struct store_handle *ret, int *ret_fd);
int mem_make_nameless(struct store *store, const struct store_handle *dir,
		      const struct store_node *node, struct store_handle *ret, int *ret_fd);
int mem_link(struct store *store, const struct store_handle *object, const struct store_handle *dir,
	     const char *name);
int mem_unlink(struct store *store, const struct store_handle *dir, const char *name, bool is_dir);
int mem_rename(struct store *store, const struct store_handle *dir, const char *name,
	       const struct store_handle *new_dir, const char *new_name, unsigned int flags);
int mem_entries(struct store *store, const struct store_handle *dir, store_entry_fn *fn, void *arg);
int mem_entries_like(struct store *store, const struct store_handle *dir, const char *part,
		     store_entry_fn *fn, void *arg);
/* store_mem_data.c */
int mem_open(struct store *store, const struct store_handle *object, int flags, int *ret_fd);
void mem_close(struct store *store, int fd);
ssize_t mem_read(struct store *store, const struct store_handle *object, int fd, void *data,
		 size_t size, off_t offset);
int mem_write(struct store *store, const struct store_handle *object, int fd, const void *data,
	      size_t size, off_t offset);
int mem_truncate(struct store *store, const struct store_handle *object, int fd, off_t size);
int mem_fallocate(struct store *store, const struct store_handle *object, int fd, int mode,
		  off_t offset, off_t size);
int mem_next_data(struct store *store, const struct store_handle *object, int fd, off_t offset,
		  off_t *ret_start, off_t *ret_end);
/* store_mem_attr.c */
int mem_set_id(struct store *store, const struct store_handle *object, uint64_t id);
int mem_stat(struct store *store, const struct store_handle *object, int fd, struct stat *ret);
int mem_set_owner(struct store *store, const struct store_handle *object, mode_t mode, uid_t uid,
		  gid_t gid);
int mem_set_times(struct store *store, const struct store_handle *object, int fd,
		  const struct timespec times[2]);
int mem_set_xattr(struct store *store, const struct store_handle *object, const char *name,
		  const void *value, size_t size, int flags);
int mem_remove_xattr(struct store *store, const struct store_handle *object, const char *name);
ssize_t mem_get_xattr(struct store *store, const struct store_handle *object, const char *name,
		      void *value, size_t size);
ssize_t mem_list_xattr(struct store *store, const struct store_handle *object, char *list,
		       size_t size);
ssize_t mem_readlink(struct store *store, const struct store_handle *object, char *buf,
		     size_t size);
/* store_mem_undo.c */
int mem_sync_data(struct store *store, const struct store_handle *object);

#endif
