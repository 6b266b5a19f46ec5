/* SPDX-License-Identifier: Apache-2.0
 * Codes of the System Baseline Monitor, "SBM-3301", and the effects that stand beside them.
 * Plain values.
 * Any thread; pure.
 * Invariant: a code is SDCC: S severity, D domain, CC condition; a condition means the same at
 * every severity, and a number is never given another meaning. Table: multiall-health(5).
 */
#ifndef HEALTH_CODE_H
#define HEALTH_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum severity {
	SEVERITY_OK,
	SEVERITY_NOTICE,
	SEVERITY_DEGRADED,
	SEVERITY_CRITICAL,
	SEVERITY_UNKNOWN, /* no data, or too old: never good */
	SEVERITY_ADMIN,   /* somebody wanted it so */
	SEVERITIES,
};

/* Conditions (DCC) that the agent itself sets. */
enum condition {
	CONDITION_NONE = 0,
	CONDITION_STALE = 1,
	CONDITION_TIMEOUT = 2,
	CONDITION_CANNOT_RUN = 3,
	CONDITION_FLAPPING = 4,
	CONDITION_RULES_INVALID = 5,
	CONDITION_EXCEPTION_ENDS = 6,
	CONDITION_LATE = 7,
	CONDITION_STARTING = 8,
	CONDITION_SWITCHED_OFF = 9,
	CONDITION_PLUGIN = 504, /* a plugin whose rule gives no code of its own */
};

#define CONDITION_LAST 999

struct code_entry {
	uint16_t condition;
	const char *text;
};
extern const struct code_entry code_table[];
extern const size_t code_table_count;

uint16_t code_make(enum severity severity, uint16_t condition);
enum severity code_severity(uint16_t code);
uint16_t code_condition(uint16_t code);
/* What the condition is called; "plugin" for 80 to 99 of each domain, "unknown condition" else. */
const char *code_text(uint16_t code);
/* "ok", "notice", "degraded", "critical", "unknown", "administrative". */
const char *severity_text(enum severity severity);
/* Exit status of a Nagios plugin: 0 ok, 1 warning, 2 critical, 3 unknown. */
int severity_exit(enum severity severity);
/* True if `a` is the one to show first: critical, unknown, degraded, administrative, notice, ok. */
bool severity_worse(enum severity a, enum severity b);

/* What is to happen to a node, apart from how bad it is. */
enum effect_bit {
	EFFECT_NO_NEW = 1,    /* takes on nothing new */
	EFFECT_RELEASE = 2,   /* gives up leases and roles */
	EFFECT_WITHDRAW = 4,  /* out of DNS and load balancers */
	EFFECT_READ_ONLY = 8, /* its pools are not to be written */
	EFFECT_ALL = 15,
};

struct effect {
	uint8_t bits;
	uint8_t weight; /* 0 to 100; 100: all of its share */
};

#define EFFECT_NONE     ((struct effect){0, 100})
#define EFFECT_TEXT_MAX 64

/* "none", or words parted by line feeds or spaces: weight:50, no-new, release, withdraw, read-only.
 */
MUST_CHECK int effect_parse(const char *text, struct effect *ret);
void effect_text(struct effect effect, char ret[EFFECT_TEXT_MAX]);
/* Both together. */
struct effect effect_join(struct effect a, struct effect b);
/* True if `a` asks for all that `b` asks for. */
bool effect_covers(struct effect a, struct effect b);

#endif
