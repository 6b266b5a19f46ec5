/* SPDX-License-Identifier: Apache-2.0
 * One mount of one pool: session, its threads, and the thread that tells the kernel of changes.
 * The mount owns the session and the mount point's mount, never the pool.
 * mount_start() and mount_stop() from the loop thread; requests run on libfuse's threads.
 * Invariant: when mount_stop() has returned, nothing of ours is mounted there.
 */
#ifndef FUSE_MOUNT_H
#define FUSE_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

struct pool;
struct mount;

struct mount_config {
	struct pool *pool; /* borrowed; outlives the mount */
	const char *name;  /* pool name; source "multiall:NAME", subtype multiall in /proc/mounts */
	const char *path; /* mount point, made if missing; a dead mount there is cleaned up first */
	bool ring;        /* take requests over io_uring, where the kernel offers it */
	bool passthrough; /* let the kernel read open files by itself, where it can */
};

/* Mounts and serves. `error` says what was tried and what to do. */
MUST_CHECK int mount_start(const struct mount_config *config, struct mount **ret, char *error,
			   size_t size);
/* Unmounts (lazily if files are open), ends the threads, frees. */
void mount_stop(struct mount *mount);
/* How open files are read: "passthrough" or "page cache". Static. */
const char *mount_mode(const struct mount *mount);
/* How requests come: "uring" or "dev". Static. */
const char *mount_transport(const struct mount *mount);
/* False once it was unmounted from outside. */
bool mount_alive(struct mount *mount);

#endif
