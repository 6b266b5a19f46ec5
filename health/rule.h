/* SPDX-License-Identifier: Apache-2.0
 * Rules: what a text of settings says (layers), and what comes of all of them on one node.
 * A rule_set owns its layers; a compiled rule borrows from its set.
 * Any thread; pure, the time is given.
 * Invariant: what comes of a set depends on what it says, never on the order in which it was read;
 * a locked field is never loosened by a narrower scope or an exception.
 */
#ifndef HEALTH_RULE_H
#define HEALTH_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "health/code.h"
#include "health/kind.h"
#include "health/verdict.h"

#define RULE_NAME_MAX   63
#define RULE_LAYERS_MAX 4096
#define RULE_SOURCE_MAX 128

enum rule_field {
	RULE_CHECK,
	RULE_EVERY,
	RULE_TIMEOUT,
	RULE_WARN,
	RULE_CRIT,
	RULE_CLEAR,
	RULE_ENTER,
	RULE_LEAVE,
	RULE_HOLD,
	RULE_FAULT,
	RULE_CODE,
	RULE_WARN_EFFECT,
	RULE_CRIT_EFFECT,
	RULE_ENABLED,
	RULE_USER,
	RULE_FIELDS,
};

struct rule_value {
	const char *text; /* as written; NULL: not set */
	int line;
	uint64_t number; /* milliseconds, condition, 0 or 1 */
	struct limit limit;
	uint8_t m, n;
	struct effect effect;
};

/* How two values of a field compare. */
enum rule_order { RULE_LOOSER, RULE_SAME, RULE_STRICTER, RULE_UNLIKE };

struct rule_field_info {
	const char *name;
	const char *value; /* where nothing says otherwise; NULL: the kind of check, or none */
	const char *help;
	int (*parse)(const char *text, struct rule_value *ret, char *why, size_t size);
	enum rule_order (*compare)(const struct rule_value *a, const struct rule_value *b);
};
extern const struct rule_field_info rule_fields[RULE_FIELDS];

/* Narrower ones further down. */
enum rule_scope { SCOPE_BASE, SCOPE_ALL, SCOPE_POOL, SCOPE_TAG, SCOPE_SERVER };

struct rule_layer {
	char name[RULE_NAME_MAX + 1];
	char source[RULE_SOURCE_MAX];
	int line;
	enum rule_scope scope;
	char subject[RULE_NAME_MAX + 1]; /* tag or server */
	char pool[RULE_NAME_MAX + 1];    /* only for nodes of this pool; "": any */
	char *without;                   /* selectors that it is not for, by line; or NULL */
	uint32_t priority;               /* among tags */
	uint32_t locked;                 /* bits of fields */
	bool exception, from_pool;
	int64_t until_s; /* of an exception, since 1970 */
	char reason[128], by[64];
	char *texts; /* the values' texts point in here */
	struct rule_value values[RULE_FIELDS];
};

struct rule_set {
	struct rule_layer *layers;
	size_t count, room;
	char tags[512]; /* of this node, by line */
};

void rule_set_free(struct rule_set *set);

/* Where a text comes from decides what it may say. */
enum rule_origin {
	RULE_FROM_BASE, /* built in */
	RULE_FROM_NODE, /* a file of this node; without `on` its rules are for this node */
	RULE_FROM_POOL, /* a pool's; its rules are for the nodes of that pool alone */
};

struct rule_source {
	enum rule_origin origin;
	const char *name; /* a file, for people */
	const char *pool; /* RULE_FROM_POOL */
	const char *node; /* this node's name */
};

/* Adds what the text says, or nothing: then `error` names file, line and reason. */
MUST_CHECK int rule_set_add(struct rule_set *set, const struct rule_source *source,
			    const char *data, size_t data_size, char *error, size_t size);

/* The rules that hold with no settings at all. */
extern const char rule_base_text[];

struct rule_pool {
	const char *name, *mount, *backing;
};

struct rule_node {
	const char *name;
	const char *state; /* directory of our own state */
	const struct rule_pool *pools;
	size_t pool_count;
	int64_t now_s;
};

/* One rule as it is in force here; for each pool that it is about an instance of its own. */
struct rule {
	char name[RULE_NAME_MAX + 1];
	char pool[RULE_NAME_MAX + 1]; /* "": about the node */
	struct rule_value values[RULE_FIELDS];
	const struct rule_layer *from[RULE_FIELDS]; /* NULL: default */
	const struct rule_layer *locked[RULE_FIELDS];
	const struct rule_layer *exception; /* in force here, the one that ends first; or NULL */
	char *check;                        /* words by line, with {pool} and so on filled in */
	enum check_kind kind;
	bool trusted; /* from a file of this node, not from a pool */
	struct verdict_terms terms;
	uint64_t every_ms, timeout_ms;
};

/* Called with each thing that a person should know: contradictions, locked fields, waves. */
struct rule_notes {
	void (*note)(void *arg, const char *text);
	void *arg;
};

/* All rules that are in force on the node, by name and pool. */
MUST_CHECK int rule_compile(const struct rule_set *set, const struct rule_node *node,
			    const struct rule_notes *notes, struct rule **ret, size_t *ret_count);
void rule_compiled_free(struct rule *rules, size_t count);

#endif
