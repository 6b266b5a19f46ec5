/* SPDX-License-Identifier: Apache-2.0
 * SBM, the baseline monitor of this node: rules from all sources, their checks, and what the nodes
 * tell each other about it.
 * Owns rules, runner, documents and the reports of peers; answers are copies.
 * Loop thread.
 * Invariant: what is not known, or too old, is never shown as good; rules that can't be read leave
 * the last good ones in force, and are named.
 */
#ifndef HEALTH_HEALTH_H
#define HEALTH_HEALTH_H

#include "core/json.h"
#include "core/loop.h"
#include "health/check.h"
#include "health/code.h"

#define HEALTH_POOLS_MAX 32

struct health_pool {
	uint64_t id;
	char name[64], mount[320], backing[256];
};

enum health_message {
	HEALTH_MESSAGE_REPORT,
	HEALTH_MESSAGE_RULES,
	HEALTH_MESSAGE_ASK,
	HEALTH_MESSAGE_ANSWER,
	HEALTH_MESSAGES,
};

/* What the main file connects. */
struct health_config {
	struct loop *loop;
	const char *settings_dir; /* *.conf in it are rules of this node */
	const char *state_dir;    /* ours; made if it is missing */
	void *arg;
	uint16_t (*self)(void *arg, char ret_name[64]); /* number, 0: no fleet */
	size_t (*pools)(void *arg, struct health_pool *ret, size_t max);
	void (*pool)(void *arg, const char *name, struct check_pool *ret);
	bool (*in_pool)(void *arg, uint16_t node, uint64_t pool);
	/* To one node; dropped if it is not connected or its queue is full. */
	void (*send)(void *arg, uint16_t node, enum health_message type, const void *data,
		     size_t size);
	void (*name)(void *arg, uint16_t node, char ret_name[64]);
};

struct health;

MUST_CHECK int health_new(const struct health_config *config, struct health **ret);
void health_free(struct health *health);

void health_node_up(struct health *health, uint16_t node);
void health_node_down(struct health *health, uint16_t node);
void health_message(struct health *health, uint16_t node, enum health_message type,
		    const uint8_t *data, size_t size);

/* What others decide on. */
struct health_view {
	bool known;     /* it has reported, not too long ago */
	uint16_t code;  /* the worst of its rules; 4001 if not known */
	char text[160]; /* the code in words, and the rule */
	char effect[EFFECT_TEXT_MAX];
	uint16_t counts[SEVERITIES];
	uint64_t revision;
};
void health_look(const struct health *health, uint16_t node, struct health_view *ret);
/* On one pool (NULL: on any). Of a node that is not known: no-new. */
struct effect health_effect(const struct health *health, uint16_t node, const char *pool);

/* Documents for people and programs. `node` 0: this one. NULL: memory is short, or (explain) there
 * is no such rule here. */
json_t *health_json(const struct health *health, uint16_t node);
json_t *health_explain_json(const struct health *health, const char *rule);
json_t *health_codes_json(void);

/* Asks another node to explain a rule; the number to ask for the answer with. 0: too many are asked
 * already. */
uint32_t health_ask(struct health *health, uint16_t node, const char *rule);
/* The answer, once: what health_explain_json() gave there, null if there is no such rule; NULL: not
 * here yet. */
json_t *health_answer_take(struct health *health, uint32_t number);
void health_answer_forget(struct health *health, uint32_t number);

/* Problems of the rules in force here, or of a text that may become a node's or a pool's. */
json_t *health_lint_json(const struct health *health, const char *text, const char *pool);

/* The rules of a pool, for all its nodes. `error` says what is wrong with the text. */
MUST_CHECK int health_rules_set(struct health *health, const char *pool, const char *text,
				char *error, size_t size);
/* Borrowed; NULL: it has none. */
const char *health_rules_get(const struct health *health, const char *pool);

#endif
