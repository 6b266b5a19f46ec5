/* SPDX-License-Identifier: Apache-2.0
 * The place in the name space: made, cleaned of what a killed daemon left, mounted, unmounted.
 * Owns nothing; the descriptor of the device is the caller's.
 * The thread that mounts. `error` gets a sentence for a person.
 * Invariant: only a mount of ours, or one that answers ENOTCONN, is ever unmounted.
 */
#ifndef FUSE_MOUNTPOINT_H
#define FUSE_MOUNTPOINT_H

#include <stddef.h>

#include "core/err.h"

/* An empty directory with nothing mounted on it, whatever stood there before. */
MUST_CHECK int mountpoint_prepare(const char *path, char *error, size_t size);

/* Opens /dev/fuse and mounts it at `path` as pool `name`. */
MUST_CHECK int mountpoint_mount(const char *path, const char *name, int *ret_fd, char *error,
				size_t size);

/* Ends all calls that wait in mounts of pools below `dir`, whose daemon was killed: while one of
 * its threads waits for such a call the daemon does not end, and without it the call does not. */
void mountpoint_abort_below(const char *dir);

/* At once if nobody uses it, else as soon as nobody does. */
void mountpoint_unmount(const char *path);

#endif
