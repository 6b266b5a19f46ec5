/* SPDX-License-Identifier: Apache-2.0
 * What the files of SBM share: the state behind health.h.
 * Owned by health.c.
 * Loop thread.
 * Invariant: `rules` borrow from `set`, and the runner from `rules`; the three change together.
 */
#ifndef HEALTH_PARTS_H
#define HEALTH_PARTS_H

#include "health/document.h"
#include "health/health.h"
#include "health/report.h"
#include "health/rule.h"
#include "health/runner.h"

#define HEALTH_SOURCES_MAX 64
#define HEALTH_NOTES_MAX   (16u << 10)
#define HEALTH_NODES       1024

/* One text of rules. */
struct health_source {
	char name[RULE_SOURCE_MAX];
	char error[512]; /* "": it is in force */
	bool good_used;  /* an earlier text of it is in force instead */
};

struct health_rules {
	struct rule_set set;
	struct rule *rules;
	size_t count;
	struct health_source sources[HEALTH_SOURCES_MAX];
	size_t source_count;
	char notes[HEALTH_NOTES_MAX]; /* by line */
};

struct health_peer {
	struct report report;
	uint64_t received_ms;
};

#define HEALTH_ASKED_MAX 8

/* A question to another node that is open. */
struct health_asked {
	uint32_t number; /* 0: free */
	uint16_t node;
	json_t *answer;
};

struct health {
	struct health_config config;
	struct runner *runner;
	uv_timer_t poll, publish;
	unsigned int open_handles;
	struct health_rules *rules;
	char settings_dir[1024], state_dir[1024];
	uint64_t signature; /* of all that the rules come from */
	struct health_pool pools[HEALTH_POOLS_MAX];
	size_t pool_count;
	struct document documents[HEALTH_POOLS_MAX]; /* beside `pools` */
	char name[64];
	struct report sent;
	struct health_peer *peers[HEALTH_NODES];
	struct health_asked asked[HEALTH_ASKED_MAX];
	uint32_t asked_last;
};

/* health_load.c: reads all sources; the documents are those of `pools`. */
MUST_CHECK int health_rules_load(const struct health *health, struct health_rules **ret);
void health_rules_free(struct health_rules *rules);
/* A number that changes when a file does. */
uint64_t health_signature(const struct health *health);
/* What is wrong with a text, and what would be noted about it; `pool` "": a node's. */
MUST_CHECK int health_rules_try(const struct health *health, const char *text, const char *pool,
				struct health_rules **ret, char *error, size_t size);

/* health_ask.c */
void health_question_hear(struct health *health, uint16_t node, const uint8_t *data, size_t size);
void health_answer_hear(struct health *health, uint16_t node, const uint8_t *data, size_t size);

/* health_report.c: what we say about ourselves at this moment. */
MUST_CHECK int health_report_make(const struct health *health, struct report *ret);

#endif
