/* SPDX-License-Identifier: Apache-2.0
 * Who has a name of a directory. A computed name (of a loser, of a losing content) belongs to whom
 * it is computed for; any other to the best of the links that were given it; the rest are losers of
 * it. Owns nothing; losers are listed in losers.h. Callers hold the barrier and all object locks.
 * Invariant: who has which name follows from the links alone, not from the order in which they
 * came.
 */
#ifndef REPLICATION_CLAIM_H
#define REPLICATION_CLAIM_H

#include "replication/engine.h"

/* Pure: the first of two that want one name gets it: a directory, since paths lead through it,
 * otherwise the later move. */
bool claim_wins(const struct object *a, const struct dentry *al, const struct object *b,
		const struct dentry *bl);

enum claim {
	CLAIM_FREE = 0,   /* the plain name is free for the link, or the link is a loser now */
	CLAIM_MERGED = 1, /* the object and the directory that stands there are one now */
	CLAIM_THERE = 2,  /* it is the object itself that stands there, by this link */
};

/* The link, which is shown nowhere yet, claims its plain name. */
MUST_CHECK int claim_plain(struct pool *p, struct object *o, struct dentry *l, struct object *dir);
/* Frees a name that was computed for the object `id`. */
MUST_CHECK int claim_computed(struct pool *p, struct object *dir, const char *name, uint64_t id);
/* After a name became free: the best of those that wait for it gets it. */
MUST_CHECK int claim_vacated(struct pool *p, struct object *dir, const char *name);
/* Losers that have become the best for their names in this directory get them. */
MUST_CHECK int claim_contest(struct pool *p, struct object *dir);
/* The same in all directories where there are losers: after the journal was repeated. */
MUST_CHECK int claim_all(struct pool *p);

#endif
