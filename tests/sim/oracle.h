/* SPDX-License-Identifier: Apache-2.0
 * What has to be true of a simulation: after each step, and at its end.
 * The world owns it. It looks at nodes from outside: stores, positions, what they send.
 * One thread.
 * Invariant: it changes no node.
 */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include "tests/sim/sim.h"

struct oracle *oracle_new(void);
void oracle_free(struct oracle *o);

/* --- told by others */
/* The node said that it has this on its disk. */
void oracle_acknowledged(struct sim_node *n, const struct vector *have);
/* Content of the object as it is on this node; 0: none, or without bytes. */
uint64_t oracle_content(struct sim_node *n, uint64_t id);
/* An application on the node made `after` of `before`, which it saw. Either may be 0. */
void oracle_changed(struct sim_node *n, uint64_t before, uint64_t after);
/* An application on the node removed this content, which it saw, or (not `last`) one of its names.
 */
void oracle_removed(struct sim_node *n, uint64_t content, bool last);
void oracle_crashed(struct sim_node *n, uint64_t durable);

/* All that the node has is looked at anew in the next step. */
void oracle_look_again(struct sim_node *n);

/* --- asked */
/* After each step: positions grow, histories are one, counters are in order. */
void oracle_step(struct sim *sim);
/* Forgets how far the node was: it has crashed, and is open again. */
void oracle_reopened(struct sim_node *n);
/* All nodes are quiet: equal trees, nothing lost, nothing left over. */
void oracle_end(struct sim *sim);
/* Every node proves that it is in sync. */
bool oracle_in_sync(struct sim *sim, char *why, size_t size);

/* Prints in what the nodes differ. */
void oracle_explain(struct sim *sim);

#endif
