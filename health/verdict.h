/* SPDX-License-Identifier: Apache-2.0
 * From samples to the state of one rule: limits, dead band, m of n, minimum hold, flap damping.
 * Plain values; the caller keeps the struct verdict.
 * Any thread; pure, the time is given.
 * Invariant: a sample without data never makes a state better; a value that swings around a limit
 * within the dead band, or faster than the window, changes nothing.
 */
#ifndef HEALTH_VERDICT_H
#define HEALTH_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERDICT_WINDOW_MAX 16

/* The first three are in order. */
enum level { LEVEL_OK, LEVEL_WARN, LEVEL_CRIT, LEVEL_UNKNOWN, LEVEL_STARTING };

struct limit {
	char op; /* '<', '>', or 0: none */
	double number;
};

struct verdict_terms {
	struct limit warn, crit;
	struct limit clear;       /* where it is good again; the band between is dead */
	uint8_t enter_m, enter_n; /* worse after m of the last n samples */
	uint8_t leave_m, leave_n; /* better after m of n */
	uint64_t hold_ms;         /* no better before that */
	enum level fault;         /* what a sample that says only "fault" counts as */
};

enum sample_kind {
	SAMPLE_NOTHING, /* the check could not tell */
	SAMPLE_VALUE,   /* to be held against the limits */
	SAMPLE_FAULT,   /* bad, whatever the limits are */
	SAMPLE_LEVEL,   /* a plugin has judged by itself */
};

struct sample {
	enum sample_kind kind;
	enum level level; /* of SAMPLE_LEVEL */
	double value;     /* of SAMPLE_VALUE */
};

struct verdict {
	enum level level;
	uint8_t history[VERDICT_WINDOW_MAX]; /* levels of samples, newest first */
	uint8_t history_count;
	uint64_t since_ms; /* when `level` began */
	double penalty;    /* grows with each change, halves every ten minutes */
	uint64_t penalty_ms;
	bool flapping; /* changed too often: gets no better until it has been quiet */
};

void verdict_init(struct verdict *verdict, uint64_t now_ms);

/* What one sample says, seen from the present level. */
enum level verdict_sample(const struct verdict_terms *terms, enum level level,
			  const struct sample *sample);

/* Takes a sample; true if the level has changed. */
bool verdict_step(const struct verdict_terms *terms, struct verdict *verdict,
		  const struct sample *sample, uint64_t now_ms);

/* Whether a wave of half good, half bad samples, faster than the window, could pass m of n. */
bool verdict_wave_passes(uint8_t m, uint8_t n);

bool limit_hit(const struct limit *limit, double value);

#endif
