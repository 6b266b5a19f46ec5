/* SPDX-License-Identifier: Apache-2.0
 * The topology: what follows from members, rows and downtimes, as seen from one node's component.
 * Everything is the caller's; rows are borrowed during the call.
 * Any thread; pure: no clock, no memory of earlier calls.
 * Invariant: two nodes of one component with equal input get equal states and an equal hash.
 *
 * A component is a largest set of nodes that are joined by pairs which hear each other. What is in
 * ours is alive. What is not is judged by the rows of ours alone.
 */
#ifndef TOPOLOGY_TOPOLOGY_H
#define TOPOLOGY_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "topology/downtime.h"
#include "topology/row.h"
#include "topology/tns.h"

enum topology_membership { TOPOLOGY_ACTIVE, TOPOLOGY_LEFT, TOPOLOGY_REMOVED };

struct topology_member {
	uint16_t node;
	uint8_t membership;
	const struct row *row;           /* NULL: none yet; then it hears whoever hears it */
	const struct downtime *downtime; /* NULL: none, or over */
};

struct topology_place {
	uint16_t node;
	uint8_t state;            /* enum tns_state */
	uint8_t cause;            /* enum tns_cause */
	bool together;            /* in our component */
	uint8_t edges[TNS_EDGES]; /* how many of our component say what of it; 255 for more */
};

struct topology {
	uint64_t hash;
	bool majority; /* our component may judge those that it does not hear */
	size_t count;
	struct topology_place places[TNS_NODES_MAX]; /* in the order of the members */
};

/* `members` in order of node, `self` among them or 0 (then nobody is together with us). */
void topology_make(const struct topology_member *members, size_t count, uint16_t self,
		   struct topology *ret);

/* NULL if the node is no member. */
const struct topology_place *topology_find(const struct topology *topology, uint16_t node);

#endif
