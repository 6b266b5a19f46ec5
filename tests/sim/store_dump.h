/* SPDX-License-Identifier: Apache-2.0
 * A store's tree as text, the same for the same tree: for comparing replicas of any kind of store.
 * The caller owns the text (free()).
 * One thread, while nobody changes the store.
 * Invariant: zeros and holes, and the order in which a store lists things, make no difference.
 */
#ifndef TESTS_SIM_STORE_DUMP_H
#define TESTS_SIM_STORE_DUMP_H

#include "replication/store.h"

enum {
	STORE_DUMP_IDS = 1,       /* of all objects; those with several names show it always */
	STORE_DUMP_TIMES = 2,     /* modification times, except those of directories */
	STORE_DUMP_DIR_TIMES = 4, /* and those */
	STORE_DUMP_ALL = 7,
};

/* A line per name, by path: path, type and mode, owner, and what the type has: size and hash,
 * target, device; then extended attributes except our own (trusted.multiall.*). */
MUST_CHECK int store_dump(struct store *store, unsigned int flags, char **ret_text);

/* 64 bits of the same. */
MUST_CHECK int store_dump_hash(struct store *store, unsigned int flags, uint64_t *ret);

/* Prints to standard error the lines that only one of two texts has. */
void store_dump_diff(const char *a, const char *b);

#endif
