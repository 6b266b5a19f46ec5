/* SPDX-License-Identifier: Apache-2.0
 * The contract of TNS: states of members, their causes, and what the other agents are told.
 * The tns owns timer, socket and tables; views are copies, texts are static.
 * Loop thread.
 * Invariant: nodes of one component with the same members, rows and downtimes show the same states
 * and publish the same hash; a number or word here is never given another meaning.
 */
#ifndef TOPOLOGY_TNS_H
#define TOPOLOGY_TNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TNS_NODES_MAX    256 /* members that are looked after; of further ones nothing is said */
#define TNS_LOCATION_MAX 63

enum tns_state {
	TNS_ALIVE = 1,       /* hears and is heard */
	TNS_SUSPECT = 2,     /* not heard for a moment, or nobody may judge: expect anything */
	TNS_DOWN = 3,        /* agreed: it does not run, or nobody reaches it */
	TNS_LEFT = 4,        /* has left the fleet */
	TNS_CORDONED = 5,    /* alive, and gets no new tasks */
	TNS_DRAINING = 6,    /* alive, and gives away what it has */
	TNS_DRAINED = 7,     /* may be stopped */
	TNS_MAINTENANCE = 8, /* announced, running or not: nothing to be alarmed about */
	TNS_ISOLATED = 9,    /* is cut off with at most half of the members, and accuses nobody */
	TNS_REMOVED = 10,    /* was taken out of the fleet, for ever */
};

/* Why it is in that state; with the state, all that other agents may decide on. */
enum tns_cause {
	TNS_CAUSE_NONE = 0,
	TNS_CAUSE_HEARD = 1,     /* alive: hears and is heard, perhaps by way of others */
	TNS_CAUSE_QUIET = 2,     /* suspect: its connection broke, or it is silent for a moment */
	TNS_CAUSE_SILENT = 3,    /* down: two or more that hold the majority hear nothing */
	TNS_CAUSE_REFUSED = 4,   /* down: its host answers, its daemon does not run */
	TNS_CAUSE_STOPPED = 5,   /* down: it said that it stops */
	TNS_CAUSE_UNDECIDED = 6, /* suspect: silent, but who is left is no majority */
	TNS_CAUSE_DEAF = 7,      /* isolated: it is heard, and says itself that it hears nobody */
	TNS_CAUSE_MINORITY = 8,  /* isolated: on the smaller side of a cut */
	TNS_CAUSE_PLANNED = 9,   /* a downtime is set: see it */
	TNS_CAUSE_FLEET = 10,    /* left, removed */
};

/* The word of the contract, as in `multiall status --json`; and the cause in a few words. */
const char *tns_state_word(enum tns_state state);
const char *tns_cause_text(enum tns_cause cause);

/* How one node hears another, as its row says. */
enum tns_edge {
	TNS_EDGE_NONE = 0, /* no opinion: never met, or itself not fit to judge */
	TNS_EDGE_HEARS = 1,
	TNS_EDGE_QUIET = 2,   /* the connection broke, or silent for half of the time below */
	TNS_EDGE_SILENT = 3,  /* for 4 s, longer where round trips are long */
	TNS_EDGE_REFUSED = 4, /* silent, and its host refuses connections: no daemon */
};

#define TNS_EDGES 5

const char *tns_edge_text(enum tns_edge edge);

#endif
