/* SPDX-License-Identifier: Apache-2.0
 * N nodes with the machine of TNS, and a world around them: one event per step, a fake clock,
 * datagrams that are lost, late or doubled, connections that break, processes that freeze or die.
 * The caller owns the world.
 * One thread.
 * Invariant: the same seed and calls give the same run.
 */
#ifndef TESTS_TNS_TNS_WORLD_H
#define TESTS_TNS_TNS_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "topology/neighbours.h"
#include "topology/seal.h"

#define WORLD_NODES_MAX 10

struct world_node {
	struct neighbours *n; /* NULL: does not run */
	struct keypair key;
	uint32_t incarnation; /* on its disk */
	uint64_t boot;
	uint64_t frozen_until; /* 0: runs */
	uint64_t dead_since;   /* died or was stopped; 0: runs */
	bool host_gone;        /* not even its host answers */
	bool stopped;          /* in order */
	bool forgets;          /* its disk lost the incarnation */
	char location[16];
	uint64_t known_down[WORLD_NODES_MAX + 1]; /* when it was told that j is down */
};

struct world_event {
	uint64_t at;
	uint64_t order;
	uint8_t kind;
	uint16_t from, to;
	uint64_t boot; /* of `to`, when it was sent */
	uint8_t news;
	size_t size;
	uint8_t *data;
};

struct world {
	uint64_t seed, dice;
	uint64_t now; /* microseconds */
	uint64_t events;
	uint16_t nodes;
	unsigned int loss;    /* of 1,000 datagrams */
	bool mute;            /* connections carry nothing, but do not break */
	unsigned int late_ms; /* every look comes late by up to so much */
	int64_t wall_step;    /* seconds by which the wall clocks are off */
	bool cut[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1]; /* from, to */
	bool linked[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1];
	struct seal_out out[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1]; /* from, to */
	struct seal_in in[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1];   /* at, from */
	uint64_t refused; /* datagrams that came twice, or of an earlier session */
	uint64_t fine_ms[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1]; /* last both ways open */
	struct world_node node[WORLD_NODES_MAX + 1];
	struct world_event *heap;
	size_t heap_count, heap_room;
	uint64_t order;
	uint64_t changed_at; /* when some node last saw a change */
	/* Called at each change of state that a node sees. */
	void (*changed)(struct world *w, uint16_t at, uint16_t of, enum tns_state before,
			const struct topology_place *now);
	void *arg;   /* of who asks for changes */
	void *slots; /* of callbacks */
};

void world_init(struct world *w, uint64_t seed, uint16_t nodes);
void world_done(struct world *w);
/* Runs all events until then. */
void world_run(struct world *w, uint64_t ms);
uint64_t world_dice(struct world *w, uint64_t below);

void world_start(struct world *w, uint16_t k);
void world_kill(struct world *w, uint16_t k, bool host);
void world_stop(struct world *w, uint16_t k);
void world_freeze(struct world *w, uint16_t k, uint64_t ms);
void world_cut(struct world *w, uint16_t from, uint16_t to, bool cut);
bool world_runs(const struct world *w, uint16_t k);
/* What `at` sees of `of`; TNS_DOWN if `at` does not run. */
const struct topology_place *world_place(const struct world *w, uint16_t at, uint16_t of);

#endif
