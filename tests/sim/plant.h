/* SPDX-License-Identifier: Apache-2.0
 * Faults that the oracles have to see, planted behind the pools' backs: a simulator whose oracles
 * cannot fail is worth nothing.
 * Owns nothing.
 * One thread.
 * Invariant: each of them is noticed; plant_test.c shows by what.
 */
#ifndef TESTS_SIM_PLANT_H
#define TESTS_SIM_PLANT_H

#include "tests/sim/sim.h"

enum plant {
	PLANT_FLIP,       /* a byte of /a on this node */
	PLANT_LOSE,       /* /a on all nodes */
	PLANT_CONFLICT,   /* /a gets the name of a loser on all nodes */
	PLANT_LEFT_OVER,  /* a file in the private directory */
	PLANT_DESCRIPTOR, /* one that nobody closes */
	PLANT_WRITE,      /* the next write to the disk of this node is lost */
	PLANT_BATCH,      /* the next batch to node 1 is lost without the connection being so */
	PLANT_LIE,        /* syncs of the journal do nothing from now on */
	PLANT_BACK,       /* the position goes back */
	PLANT_HISTORY,    /* the chain of what the node has is another */
	PLANT_TIME,       /* the time of /a on this node */
	PLANT_HASH,       /* the state hash of this node */
};

void plant_fault(struct sim *sim, struct sim_node *n, uint32_t which);

#endif
