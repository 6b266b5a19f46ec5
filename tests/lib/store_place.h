/* SPDX-License-Identifier: Apache-2.0
 * A new directory below TMPDIR with a store over it, for one test.
 * cmocka's set-up makes it, its tear-down removes it with all that is in it.
 * One thread.
 * Invariant: a test that asks for a place where none can be is skipped, and the reason is printed.
 */
#ifndef TESTS_LIB_STORE_PLACE_H
#define TESTS_LIB_STORE_PLACE_H

#include "replication/store.h"

struct place {
	char path[256];
	struct store *store; /* NULL: not possible here */
	const struct store_ops *ops;
	struct store_handle root;
	uint64_t next_id;
};

int place_set_up(void **state);
int place_tear_down(void **state);

/* The place of this test; skips the test if there is none. */
struct place *place_of(void **state);

/* Makes an object with the next id; asserts that it works. */
struct store_handle place_make(struct place *p, const struct store_handle *dir, const char *name,
			       mode_t mode);

#endif
