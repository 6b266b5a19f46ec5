/* SPDX-License-Identifier: Apache-2.0
 * Runs the checks of all rules in their time, and keeps the state of each.
 * Owns the watches (one for each rule), the threads, and the plugins that run.
 * Loop thread.
 * Invariant: a check never runs twice at a time, and none delays another; starts are spread evenly
 * over the interval; what did not come back in time counts as "nothing known".
 */
#ifndef HEALTH_RUNNER_H
#define HEALTH_RUNNER_H

#include "core/loop.h"
#include "health/check.h"
#include "health/rule.h"

#define RUNNER_FIRST_MS    10000u /* each check has run once by then */
#define RUNNER_AGAIN_MS    2000u  /* between the first runs */
#define RUNNER_OUTPUT_MAX  (64u << 10)
#define RUNNER_LATE_MS     5000u  /* behind its time by that much: overloaded, or it was stopped */
#define RUNNER_LATE_FOR_MS 60000u /* and for how long that is said */
#define RUNNER_STALE       3      /* intervals without a result, then it is stale */

struct run;

/* One rule and what is known of it. */
struct watch {
	const struct rule *rule; /* borrowed from who set the rules */
	struct verdict verdict;
	struct check_answer last;
	bool any;          /* `last` is one */
	int exit_status;   /* of a plugin; -1: none, or ended by a signal */
	uint64_t ended_ms; /* the last result, also of a check that timed out */
	uint64_t due_ms;
	uint64_t phase_ms;
	struct run *run; /* under way, or hanging */
	bool overdue;    /* its time is up: what it still says is not listened to */
	uint64_t starts;
};

struct runner_config {
	struct loop *loop;
	void *arg;
	/* What is known about a pool. */
	void (*pool)(void *arg, const char *name, struct check_pool *ret);
	/* The state of some rule has changed. */
	void (*changed)(void *arg, const struct watch *watch);
};

struct runner;

MUST_CHECK int runner_new(const struct runner_config *config, struct runner **ret);
void runner_free(struct runner *runner);

/* Other rules from now on (borrowed until the next call). A rule that is still there and checks the
 * same thing keeps its state. `seed`: so that nodes do not all start together. */
MUST_CHECK int runner_set(struct runner *runner, const struct rule *rules, size_t count,
			  uint64_t seed);

const struct watch *runner_watches(const struct runner *runner, size_t *ret_count);

/* By how much the runner was late of late; 0: it was not. */
uint64_t runner_late_ms(const struct runner *runner, uint64_t now_ms);

/* SBM code of the watch at this moment, and the effect that it asks for. */
uint16_t runner_code(const struct watch *watch, uint64_t now_ms, int64_t now_s);
struct effect runner_effect(const struct watch *watch, uint64_t now_ms);
/* One sentence. */
const char *runner_text(const struct watch *watch, uint64_t now_ms);

#endif
