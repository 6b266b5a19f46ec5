/* SPDX-License-Identifier: Apache-2.0
 * The simulator: N nodes of one pool in one process and thread, with a clock, a network and disks
 * that do what the steps of a plan say.
 * The world owns its nodes, links and oracles; a plan is the caller's.
 * One thread. A failure is noted in the world, and ends the run at the next step.
 * Invariant: the same plan gives the same run, bit by bit.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "replication/commit.h"
#include "replication/session.h"
#include "tests/sim/plan.h"

#define SIM_POOL     77
#define SIM_DIR_SIZE 64

struct sim;
struct sim_net;
struct oracle;

struct sim_node {
	struct sim *sim;
	uint16_t number; /* 1.. */
	char dir[SIM_DIR_SIZE];
	struct keypair key;
	struct store *store; /* outlives the pool: the disk */
	struct store_ops store_ops;
	const struct store_ops *mem_ops;
	struct pool *pool;      /* NULL: down */
	bool changed, unsealed; /* worker_wake() was called since the last flush, seal */
	uint64_t ticked_ms;
	int64_t skew_ns;
	unsigned int lose_writes; /* fault for the self-test: so many writes are lost */
	bool power_cut;           /* since it was open */
};

struct sim {
	const struct plan *plan;
	struct sim_node nodes[PLAN_NODES_MAX];
	size_t count;
	struct sim_net *net;
	struct oracle *oracle;
	bool verbose;
	size_t step; /* the one being run */
	bool healing, quiet;
	char failure[512]; /* empty: none so far */
	char *detail;      /* lines that belong to it */
};

/* --- sim.c */
/* Runs the plan to its end; the failure, if any, is in sim->failure. */
void sim_run(struct sim *sim, const struct plan *plan);
void sim_free(struct sim *sim);
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- sim_clock.c: in place of core/clock.c */
void sim_clock_reset(void);
void sim_clock_advance(uint64_t ms);
uint64_t sim_clock_now(void);
/* From now on the wall clock shows this much more. */
void sim_clock_skew(int64_t ns);

/* --- sim_node.c */
void sim_node_begin(struct sim *sim, uint16_t number);
void sim_node_open(struct sim_node *n);
/* The process ends as by kill -9. `power`: what was not synced is lost, in part. */
void sim_node_crash(struct sim_node *n, bool power, uint64_t seed);
void sim_node_end(struct sim_node *n);
/* The pool's threads: what is due is done. */
void sim_node_seal(struct sim_node *n);
void sim_node_flush(struct sim_node *n);
void sim_node_tick(struct sim_node *n);
void sim_node_acknowledge(struct sim_node *n);
/* Makes the node's clock the one that is shown. */
void sim_node_enter(const struct sim_node *n);

/* --- sim_ops.c: calls of applications */
void sim_op(struct sim_node *n, const struct step *s);
/* Looks at everything, which takes in what a power cut left in the tree and not in the journal. */
void sim_look(struct sim_node *n);

#endif
