/* SPDX-License-Identifier: Apache-2.0
 * What the control socket can be asked to do: one table of verbs over the parts of this node.
 * Owns what is still being waited for; the node is borrowed.
 * Loop thread; a join runs on a worker thread and touches only the fleet there.
 * Invariant: each request is answered once; a verb that fails leaves what it found, or says what
 * it has changed.
 */
#ifndef STATUS_VERBS_H
#define STATUS_VERBS_H

#include "core/err.h"

struct control_request;
struct node;
struct verbs;

MUST_CHECK int verbs_new(struct node *node, struct verbs **ret);
/* Answers all who wait that the daemon ends. No job may be running. */
void verbs_free(struct verbs *verbs);

/* A control_handler; `arg` is the struct verbs. */
void verbs_handle(void *arg, struct control_request *request);

#endif
