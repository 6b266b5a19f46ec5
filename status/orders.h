/* SPDX-License-Identifier: Apache-2.0
 * What the control socket can be asked to do: one table of orders, over the parts of this node.
 * Owns what is still being waited for; the node is borrowed.
 * Loop thread; a join runs on a worker thread and touches only the fleet there.
 * Invariant: each request is answered once; an order that fails leaves what it found, or says what
 * it has changed.
 */
#ifndef STATUS_ORDERS_H
#define STATUS_ORDERS_H

#include "core/err.h"

struct control_request;
struct node;
struct orders;

MUST_CHECK int orders_new(struct node *node, struct orders **ret);
/* Answers all who wait that the daemon ends. No job may be running. */
void orders_free(struct orders *orders);

/* A control_handler; `arg` is the struct orders. */
void orders_handle(void *arg, struct control_request *request);

#endif
