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

#include "core/err.h"
#include "core/location.h"

struct fleet;
struct loop;
struct net;
struct net_message;
struct tns;

#define TNS_NODES_MAX    256 /* members that are looked after; of further ones nothing is said */
#define TNS_LOCATION_MAX LOCATION_MAX

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

struct tns_events {
	void *arg;
	/* A member is in another state than it was; tns_view() has all. Also of this node. */
	void (*changed)(void *arg, uint16_t node, enum tns_state before, enum tns_state now);
	/* Has this node given away what it holds? Asked once a second while it is being drained. */
	bool (*drained)(void *arg);
};

struct tns_config {
	struct loop *loop;
	struct net *net; /* borrowed, as the others; ends after the tns */
	struct fleet *fleet;
	const char *dir;      /* where it keeps its count of starts and the downtimes */
	const char *location; /* "site/room/rack/host", or less of it, or "" */
	struct tns_events events;
};

/* Starts at once. Without a socket for datagrams it works by the connections alone. */
MUST_CHECK int tns_new(const struct tns_config *config, struct tns **ret, char *error, size_t size);
void tns_free(struct tns *tns);
/* A witness holds no data; it is there to tell a crash from a cut. Kept in `dir`. */
bool tns_witness(const char *dir);
MUST_CHECK int tns_witness_set(const char *dir, bool witness);
/* Tells all that this node stops in order; before connections end. */
void tns_stop(struct tns *tns);

/* What the net tells, handed on by the main file. tns_message() takes no ownership; false: it is
 * not for us. */
void tns_link(struct tns *tns, uint16_t node, bool up);
void tns_refused(struct tns *tns, uint16_t node);
bool tns_message(struct tns *tns, uint16_t node, const struct net_message *message);
void tns_fleet_changed(struct tns *tns);

struct tns_view {
	uint16_t node;
	enum tns_state state;
	enum tns_cause cause;
	bool together; /* it is within reach, perhaps by way of others */
	bool witness;
	uint8_t health;    /* 0 fit, to 8: its own clock runs late */
	uint32_t rtt_us;   /* 0: not measured */
	double since_s;    /* in this state */
	double ready_in_s; /* until it may be relied on again; 0: now; -1: it is not there */
	char location[TNS_LOCATION_MAX + 1];
	uint8_t planned; /* enum downtime_kind; 0: none */
	double planned_left_s;
	uint16_t planned_by;
	char reason[121];
};
/* MA_EUNKNOWN: no member. */
MUST_CHECK int tns_look(struct tns *tns, uint16_t node, struct tns_view *ret);
struct downtime;
/* Sets node, kind, for_s and reason for all to know; topology/downtime.h. MA_EUNKNOWN, -EINVAL. */
MUST_CHECK int tns_plan(struct tns *tns, const struct downtime *downtime);
/* The hash of the topology, and whether who is together with us are the majority. */
uint64_t tns_hash(struct tns *tns, bool *ret_majority);
/* What changed lately, the latest first; returns how many it gave. */
struct tns_change {
	uint64_t wall_s; /* for people */
	uint16_t node;
	uint8_t before, now; /* enum tns_state; 0: it was not known */
	uint8_t cause;
};
size_t tns_history(struct tns *tns, struct tns_change *ret, size_t max);
/* What `from` says of `to`. */
enum tns_edge tns_edge_of(struct tns *tns, uint16_t from, uint16_t to);

#endif
