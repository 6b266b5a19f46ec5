/* SPDX-License-Identifier: Apache-2.0
 * Which names of an object are shown. A name that was removed is not; but if all are removed and
 * there is a content that nobody removed knowingly (with the last name as far as he knew, or all of
 * them one name each), the latest name stays.
 * Owns nothing. Directories follow other rules (0008-names.md).
 * Callers hold the barrier and all object locks.
 * Invariant: what is shown follows from the object's names and contents, not from the order in
 * which they came.
 */
#ifndef REPLICATION_ALIVE_H
#define REPLICATION_ALIVE_H

#include "replication/engine.h"

/* Pure: is this name to be shown? */
bool alive_wants(const struct object *o, const struct dentry *l);
/* Notes that the name was removed by somebody who saw this much; `last`: and with it, as far as he
 * knew, the content. True if it counts, that is, unless the name has moved meanwhile. Pure. */
bool alive_removed(struct object *o, struct dentry *l, const struct record_link *seen, bool last);
/* The same for the content: it counts no more if there are others, or no name is left. */
MUST_CHECK int alive_gone(struct pool *p, struct object *o, stamp_t content, bool last);
/* Makes it so. */
MUST_CHECK int alive_settle(struct pool *p, struct object *o);
/* All names were removed: what is shown of it, if anything, is for the sake of a content. Pure. */
bool alive_unnamed(const struct object *o);
/* True if a name is to be shown that is not: when the last one went, another stays. Pure. */
bool alive_returns(const struct object *o);
/* True if a name of the object but this one is shown. */
bool alive_elsewhere(const struct object *o, const struct dentry *l);

#endif
