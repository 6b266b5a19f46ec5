/* SPDX-License-Identifier: Apache-2.0
 * What pages held before peers changed them, while the kernel may still have them so.
 * A page of a mapping comes back whole, with the bytes that the program stored and all others as
 * they were when the kernel read it: without this, those others would overwrite what a peer wrote.
 * The pool owns the table. Any thread; shadow_keep() to shadow_done() and shadow_write() with the
 * object's lock.
 * Invariant: for each page that the kernel may hold in an older state, that state is kept here, as
 * far as SHADOW_MAX goes.
 */
#ifndef REPLICATION_SHADOW_H
#define REPLICATION_SHADOW_H

#include "replication/engine.h"

#define SHADOW_PAGE 4096u
#define SHADOW_MAX  8192u /* pages kept in all, 32 MiB; further ones are not */

MUST_CHECK int shadows_new(struct shadows **ret);
void shadows_free(struct shadows *s);

/* A peer is about to change these bytes of the file, to its end if `size` is negative. */
void shadow_keep(struct pool *p, const struct object *o, const struct store_handle *handle,
		 off_t offset, off_t size);
/* The change is made. */
void shadow_done(struct pool *p, uint64_t id);

/* Writes what the program stored: calls `fn` for each run of bytes that none of the states of its
 * page has. Ends with the first error. */
typedef int shadow_fn(void *arg, const uint8_t *data, size_t size, off_t offset);
MUST_CHECK int shadow_write(struct pool *p, const struct object *o, const uint8_t *data,
			    size_t size, off_t offset, shadow_fn *fn, void *arg);
/* This node wrote the bytes: all states of the pages have them, so that they stay its own. */
void shadow_patch(struct pool *p, uint64_t id, const uint8_t *data, size_t size, off_t offset);

#endif
