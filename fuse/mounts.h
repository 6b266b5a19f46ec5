/* SPDX-License-Identifier: Apache-2.0
 * The mounts of this node, one for each open pool, at DIR/NAME.
 * Owns the mounts; the pools are borrowed and must outlive them.
 * Loop thread.
 * Invariant: at most one mount for each pool; after mounts_free() none of ours is left.
 */
#ifndef FUSE_MOUNTS_H
#define FUSE_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct pool;
struct mounts;

/* `dir`: where the mount points stand, "/pool" below the root. `passthrough`, `ring`: as in
 * struct mount_config. */
MUST_CHECK int mounts_new(const char *dir, bool passthrough, bool ring, struct mounts **ret);
void mounts_free(struct mounts *mounts);

/* Mounts the pool unless it is mounted; one that was unmounted from outside is mounted again. */
MUST_CHECK int mounts_start(struct mounts *mounts, const char *name, struct pool *pool, char *error,
			    size_t size);
/* Nothing happens if there is no such mount. */
void mounts_stop(struct mounts *mounts, const char *name);

/* False also for a mount that was unmounted from outside. */
bool mounts_alive(struct mounts *mounts, const char *name);
/* mount_mode(); "" if it is not mounted. */
const char *mounts_mode(struct mounts *mounts, const char *name);
/* mount_transport(), as well. */
const char *mounts_transport(struct mounts *mounts, const char *name);
/* Why the last attempt failed; "" if it did not or there was none. Borrowed. */
const char *mounts_problem(struct mounts *mounts, const char *name);
/* DIR/NAME. */
void mounts_path(struct mounts *mounts, const char *name, char *ret, size_t size);

#endif
