/* SPDX-License-Identifier: Apache-2.0
 * Descriptors of a store's objects: a bounded cache for directories, short-lived ones for others.
 * The store owns the cache; whoever got a store_fd owns one reference and puts it back.
 * Any thread.
 * Invariant: a descriptor handed out stays open until it is put back, evicted or not.
 */
#ifndef REPLICATION_STORE_FDS_H
#define REPLICATION_STORE_FDS_H

#include <stdbool.h>

#include "core/err.h"
#include "replication/store.h"

struct store_fds;
struct store_fds_entry;

struct store_fd {
	struct store_fds *fds;
	int fd;                        /* -1: nothing to put back */
	struct store_fds_entry *entry; /* NULL: not cached, closed when put back */
};

/* Puts back at the end of the scope. */
#define AUTO_STORE_FD __attribute__((cleanup(store_fd_put)))
#define STORE_FD_NONE ((struct store_fd){.fd = -1})

/* `root_fd` names the mount for open_by_handle_at(2) and is borrowed; `no_devices`: the mount does
 * not open any. */
MUST_CHECK int store_fds_new(int root_fd, bool no_devices, size_t capacity, struct store_fds **ret);
/* All must have been put back. */
void store_fds_free(struct store_fds *fds);

/* A directory for reading, from the cache if it is there. */
MUST_CHECK int store_fds_dir(struct store_fds *fds, const struct store_handle *dir,
			     struct store_fd *ret);
/* Any object: a cached directory's descriptor, otherwise an O_PATH one. */
MUST_CHECK int store_fds_object(struct store_fds *fds, const struct store_handle *object,
				struct store_fd *ret);
/* The same, but a descriptor for reading where that does no harm: f-calls are faster than paths. */
MUST_CHECK int store_fds_readable(struct store_fds *fds, const struct store_handle *object,
				  struct store_fd *ret);
/* A new descriptor that the caller closes. Makes room if the process has too many. */
MUST_CHECK int store_fds_open(struct store_fds *fds, const struct store_handle *object, int flags,
			      int *ret);
void store_fd_put(struct store_fd *fd);

/* Gives an open directory to the cache; closes it if it is there already. */
void store_fds_add(struct store_fds *fds, const struct store_handle *dir, int fd);
/* Forgets a directory that was removed, so that it is really gone. */
void store_fds_drop(struct store_fds *fds, const struct store_handle *dir);

/* How many the cache holds. */
size_t store_fds_count(struct store_fds *fds);

/* The handle of a name of a directory, or of the descriptor itself if the name is "". */
MUST_CHECK int store_handle_at(int dir_fd, const char *name, struct store_handle *ret);

#endif
