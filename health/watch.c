/* SPDX-License-Identifier: Apache-2.0
 * What the state of one watch means for others: code, effect, text.
 */
#include "health/runner.h"

#define EXCEPTION_SOON_S (7 * 86400)

static bool is_stale(const struct watch *watch, uint64_t now_ms)
{
	uint64_t limit = watch->rule->every_ms * RUNNER_STALE + watch->rule->timeout_ms;

	return watch->any && now_ms - watch->ended_ms > limit;
}

static bool is_off(const struct watch *watch)
{
	return watch->rule->values[RULE_ENABLED].number == 0;
}

uint16_t runner_code(const struct watch *watch, uint64_t now_ms, int64_t now_s)
{
	const struct rule *rule = watch->rule;
	uint16_t condition = (uint16_t)rule->values[RULE_CODE].number;

	if (is_off(watch))
		return code_make(SEVERITY_ADMIN, CONDITION_SWITCHED_OFF);
	if (is_stale(watch, now_ms))
		return code_make(SEVERITY_UNKNOWN, CONDITION_STALE);
	/* A rule that names its code means it; a check that knows better is heard otherwise. */
	if (watch->last.condition && !rule->from[RULE_CODE])
		condition = watch->last.condition;
	switch (watch->verdict.level) {
	case LEVEL_STARTING:
		return code_make(SEVERITY_UNKNOWN, CONDITION_STARTING);
	case LEVEL_WARN:
		return code_make(SEVERITY_DEGRADED, condition);
	case LEVEL_CRIT:
		return code_make(SEVERITY_CRITICAL, condition);
	case LEVEL_UNKNOWN:
		/* A plugin may say "unknown" of what it looks at; else there is no looking. */
		if (watch->last.sample.kind != SAMPLE_LEVEL && condition >= 100)
			condition = CONDITION_CANNOT_RUN;
		return code_make(SEVERITY_UNKNOWN, condition);
	case LEVEL_OK:
		break;
	}
	if (rule->exception && rule->exception->until_s - now_s < EXCEPTION_SOON_S)
		return code_make(SEVERITY_ADMIN, CONDITION_EXCEPTION_ENDS);
	return 0;
}

struct effect runner_effect(const struct watch *watch, uint64_t now_ms)
{
	if (is_off(watch) || is_stale(watch, now_ms))
		return EFFECT_NONE;
	if (watch->verdict.level == LEVEL_WARN)
		return watch->rule->values[RULE_WARN_EFFECT].effect;
	if (watch->verdict.level == LEVEL_CRIT)
		return watch->rule->values[RULE_CRIT_EFFECT].effect;
	return EFFECT_NONE;
}

const char *runner_text(const struct watch *watch, uint64_t now_ms)
{
	if (is_off(watch))
		return "switched off by a rule or an exception";
	if (!watch->any)
		return "not checked yet";
	if (is_stale(watch, now_ms))
		return "no result for more than three intervals";
	return watch->last.text;
}
