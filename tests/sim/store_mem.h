/* SPDX-License-Identifier: Apache-2.0
 * The backing store of the simulator: replication/store.h in memory, with its own clock, faults
 * and power cuts. Answers and error codes are those of the directory store.
 * Whoever calls store_mem_new() owns it and frees it by ops->free.
 * Any thread. Descriptors are numbers of its own, from STORE_MEM_FD on.
 * Invariant: the same calls with the same seeds give the same state; nothing else enters.
 */
#ifndef TESTS_SIM_STORE_MEM_H
#define TESTS_SIM_STORE_MEM_H

#include "replication/store.h"

#define STORE_MEM_FD     (1 << 20) /* no descriptor of the process: mixing them up is noticed */
#define STORE_MEM_PAGE   4096
#define STORE_MEM_OBJECT 256 /* what an object counts beside its pages */

MUST_CHECK int store_mem_new(struct store **ret);

/* Steps that would need more fail with -ENOSPC; a write up to there happens. 0: no limit. */
void store_mem_set_capacity(struct store *store, uint64_t capacity_bytes);

/* The `countdown`th changing step from now (1: the next) fails with `error` (-errno), once, and
 * changes nothing, except that half of a write happens. 0 switches it off. */
void store_mem_fail(struct store *store, unsigned int countdown, int error);

/* How many changing steps were asked for so far. */
uint64_t store_mem_steps(struct store *store);

/* An object as somebody else would put it into the directory: without an id (node->id is 0). */
MUST_CHECK int store_mem_plant(struct store *store, const struct store_handle *dir,
			       const char *name, const struct store_node *node,
			       struct store_handle *ret);

/* What is left after the power fails now: everything of the last sync(); of the later steps on
 * names, attributes and sizes some first part; of the pages written later any. All descriptors
 * are closed. Then all of it is durable. */
void store_mem_power_cut(struct store *store, uint64_t seed);

/* Descriptors that are open: for finding leaks. */
size_t store_mem_open_count(struct store *store);

#endif
