/* SPDX-License-Identifier: Apache-2.0
 * Conflicts that are none: two contents or two files of one name with the same bytes.
 * The pool owns the list of those still to be looked at; it is made anew at start from the losers.
 * equal_note(): any thread. equal_check(): the worker thread, no lock held.
 * Invariant: only the node that wrote the losing side takes it away, by a record of its own.
 */
#ifndef REPLICATION_EQUAL_H
#define REPLICATION_EQUAL_H

#include "replication/engine.h"

/* The object lost a name (b: its link id) or has a losing content (b: its stamp). */
void equal_note(struct pool *p, uint64_t id, uint64_t b);
/* Looks at those whose contents are all here. */
MUST_CHECK int equal_check(struct pool *p);

#endif
