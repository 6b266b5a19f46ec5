/* SPDX-License-Identifier: Apache-2.0 */
#include "health/verdict.h"

#include <math.h>
#include <string.h>

#define FLAP_CHANGE  1000.0
#define FLAP_BEGIN   4000.0
#define FLAP_END     1500.0
#define FLAP_HALF_MS 600000.0

void verdict_init(struct verdict *verdict, uint64_t now_ms)
{
	*verdict =
		(struct verdict){.level = LEVEL_STARTING, .since_ms = now_ms, .penalty_ms = now_ms};
}

bool limit_hit(const struct limit *limit, double value)
{
	return (limit->op == '<' && value < limit->number) ||
	       (limit->op == '>' && value > limit->number);
}

/* The dead band is as wide at the critical limit as it is at the first one. */
static bool still_critical(const struct verdict_terms *terms, double value)
{
	const struct limit *first = terms->warn.op ? &terms->warn : &terms->crit;
	double band = fabs(terms->clear.number - first->number);
	struct limit end = terms->crit;

	end.number += end.op == '<' ? band : -band;
	return limit_hit(&end, value);
}

static enum level level_of_value(const struct verdict_terms *terms, enum level level, double value)
{
	bool band = terms->clear.op && (level == LEVEL_WARN || level == LEVEL_CRIT);

	if (limit_hit(&terms->crit, value))
		return LEVEL_CRIT;
	if (band && level == LEVEL_CRIT && still_critical(terms, value))
		return LEVEL_CRIT;
	if (limit_hit(&terms->warn, value))
		return LEVEL_WARN;
	if (band && !limit_hit(&terms->clear, value))
		return terms->warn.op ? LEVEL_WARN : LEVEL_CRIT;
	return LEVEL_OK;
}

enum level verdict_sample(const struct verdict_terms *terms, enum level level,
			  const struct sample *sample)
{
	switch (sample->kind) {
	case SAMPLE_VALUE:
		return isnan(sample->value) ? LEVEL_UNKNOWN
					    : level_of_value(terms, level, sample->value);
	case SAMPLE_FAULT:
		return terms->fault;
	case SAMPLE_LEVEL:
		return sample->level <= LEVEL_CRIT ? sample->level : LEVEL_UNKNOWN;
	case SAMPLE_NOTHING:
		break;
	}
	return LEVEL_UNKNOWN;
}

static void history_push(struct verdict *verdict, enum level level)
{
	memmove(verdict->history + 1, verdict->history, VERDICT_WINDOW_MAX - 1);
	verdict->history[0] = (uint8_t)level;
	if (verdict->history_count < VERDICT_WINDOW_MAX)
		verdict->history_count++;
}

/* How many of the last n samples lie from `low` to `high`. */
static unsigned int count(const struct verdict *verdict, uint8_t n, enum level low, enum level high)
{
	unsigned int found = 0;

	for (size_t i = 0; i < n && i < verdict->history_count; i++)
		found += verdict->history[i] >= low && verdict->history[i] <= high;
	return found;
}

static bool entered(const struct verdict_terms *terms, const struct verdict *verdict,
		    enum level low, enum level high)
{
	return count(verdict, terms->enter_n, low, high) >= terms->enter_m;
}

static bool left(const struct verdict_terms *terms, const struct verdict *verdict, enum level to)
{
	return count(verdict, terms->leave_n, LEVEL_OK, to) >= terms->leave_m;
}

/* Where the samples point to; the present level if nowhere else. */
static enum level level_next(const struct verdict_terms *terms, const struct verdict *verdict,
			     uint64_t now_ms)
{
	enum level level = verdict->level;
	bool known = level <= LEVEL_CRIT;
	bool held = now_ms - verdict->since_ms < terms->hold_ms;

	if ((!known || level < LEVEL_CRIT) && entered(terms, verdict, LEVEL_CRIT, LEVEL_CRIT))
		return LEVEL_CRIT;
	if ((!known || level < LEVEL_WARN) && entered(terms, verdict, LEVEL_WARN, LEVEL_CRIT))
		return LEVEL_WARN;
	/* What is critical stays so until it is known to be better. */
	if (level != LEVEL_CRIT && level != LEVEL_UNKNOWN &&
	    entered(terms, verdict, LEVEL_UNKNOWN, LEVEL_UNKNOWN))
		return LEVEL_UNKNOWN;
	if (level == LEVEL_STARTING)
		return verdict->history[0] == LEVEL_OK ? LEVEL_OK : level;
	if (level == LEVEL_UNKNOWN)
		return left(terms, verdict, LEVEL_OK) ? LEVEL_OK : level;
	if (held || verdict->flapping)
		return level;
	for (enum level to = LEVEL_OK; to < level; to++) {
		if (left(terms, verdict, to))
			return to;
	}
	return level;
}

static void flap_decay(struct verdict *verdict, uint64_t now_ms)
{
	double passed = (double)(now_ms - verdict->penalty_ms);

	verdict->penalty *= exp2(-passed / FLAP_HALF_MS);
	verdict->penalty_ms = now_ms;
	if (verdict->penalty < FLAP_END)
		verdict->flapping = false;
}

bool verdict_step(const struct verdict_terms *terms, struct verdict *verdict,
		  const struct sample *sample, uint64_t now_ms)
{
	history_push(verdict, verdict_sample(terms, verdict->level, sample));
	flap_decay(verdict, now_ms);
	enum level next = level_next(terms, verdict, now_ms);
	if (next == verdict->level)
		return false;
	if (verdict->level != LEVEL_STARTING)
		verdict->penalty += FLAP_CHANGE;
	if (verdict->penalty > FLAP_BEGIN)
		verdict->flapping = true;
	verdict->level = next;
	verdict->since_ms = now_ms;
	verdict->history_count = 0; /* each change has to be earned by samples of its own */
	return true;
}

bool verdict_wave_passes(uint8_t m, uint8_t n)
{
	return n > 1 && 3u * m <= 2u * n;
}
