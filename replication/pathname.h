/* SPDX-License-Identifier: Apache-2.0
 * The path of something in a pool, for people: links know only the directory above them.
 * The caller owns the struct.
 * Any thread; the barrier and all object locks are held.
 * Invariant: a path that does not fit a system call is an error, never cut.
 */
#ifndef REPLICATION_PATHNAME_H
#define REPLICATION_PATHNAME_H

#include <limits.h>

#include "replication/engine.h"

/* Written from its end. */
struct pathname {
	char bytes[PATH_MAX];
	size_t start;
};

/* Just a name. */
void pathname_begin(struct pathname *path, const char *name);
/* Puts this directory and those above it in front, up to the top. -ENAMETOOLONG; -ENOENT: one of
 * them has no name. */
MUST_CHECK int pathname_climb(struct pool *p, uint64_t dir, struct pathname *path);
static inline const char *pathname_text(const struct pathname *path)
{
	return path->bytes + path->start;
}
/* The first name of an object that is shown; NULL: none. */
const struct dentry *pathname_link(const struct object *o);

#endif
