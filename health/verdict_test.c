/* links: health/verdict.c
 * SPDX-License-Identifier: Apache-2.0
 * The state machine of a rule, driven by a fake clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "health/verdict.h"

#define STEP_MS 10000u
#define HOUR_MS 3600000u

static const struct verdict_terms space = {
	.warn = {'<', 15},
	.crit = {'<', 5},
	.clear = {'>', 20},
	.enter_m = 3,
	.enter_n = 3,
	.leave_m = 3,
	.leave_n = 3,
	.fault = LEVEL_CRIT,
};

static struct sample value(double v)
{
	return (struct sample){.kind = SAMPLE_VALUE, .value = v};
}

/* One letter, one sample; after each the level is compared: o w c u s. */
static void run(const struct verdict_terms *terms, const char *samples, const char *levels)
{
	struct verdict verdict;
	uint64_t now = 1000;

	verdict_init(&verdict, now);
	assert_int_equal(strlen(samples), strlen(levels));
	for (size_t i = 0; samples[i]; i++) {
		struct sample sample = {.kind = SAMPLE_LEVEL};

		sample.kind = samples[i] == '?'   ? SAMPLE_NOTHING
			      : samples[i] == 'f' ? SAMPLE_FAULT
						  : SAMPLE_LEVEL;
		sample.level = samples[i] == 'o'   ? LEVEL_OK
			       : samples[i] == 'w' ? LEVEL_WARN
						   : LEVEL_CRIT;
		now += STEP_MS;
		(void)verdict_step(terms, &verdict, &sample, now);
		if ("owcus"[verdict.level] != levels[i])
			fail_msg("%s: after sample %zu the level is %c, not %c", samples, i,
				 "owcus"[verdict.level], levels[i]);
	}
}

static void test_m_of_n(void **state)
{
	struct verdict_terms terms = space;

	(void)state;
	run(&terms, "o", "o");                 /* good at once after the start */
	run(&terms, "cccooo", "ssccco");       /* bad only after three */
	run(&terms, "wwwcccooo", "sswwwccco"); /* each change needs samples of its own */
	run(&terms, "occwoooo", "ooowwwoo");   /* three bad ones, two of them critical */
	run(&terms, "occococc", "oooooooo");   /* never three in a row */
	run(&terms, "occc?ooo", "ooocccco");   /* no data makes nothing better */
	run(&terms, "o???", "ooou");
	run(&terms, "occc????", "oooccccc"); /* critical stays, without data */
	run(&terms, "o???ooo", "ooouuuo");
	run(&terms, "o???ccc", "ooouuuc");
	run(&terms, "???", "ssu"); /* never good without data */
	run(&terms, "offf", "oooc");
	terms.fault = LEVEL_WARN;
	run(&terms, "offf", "ooow");
	terms.enter_m = 1;
	terms.enter_n = 1;
	terms.leave_m = 2;
	run(&terms, "ocowoco", "occwwcc");
}

static void test_dead_band(void **state)
{
	static const struct {
		enum level from;
		double value;
		enum level to;
	} rows[] = {
		{LEVEL_OK, 15, LEVEL_OK},      {LEVEL_OK, 14.9, LEVEL_WARN},
		{LEVEL_OK, 5, LEVEL_WARN},     {LEVEL_OK, 4.9, LEVEL_CRIT},
		{LEVEL_WARN, 15, LEVEL_WARN},  {LEVEL_WARN, 20, LEVEL_WARN},
		{LEVEL_WARN, 20.1, LEVEL_OK},  {LEVEL_CRIT, 9.9, LEVEL_CRIT},
		{LEVEL_CRIT, 10, LEVEL_WARN},  {LEVEL_CRIT, 17, LEVEL_WARN},
		{LEVEL_CRIT, 20.1, LEVEL_OK},  {LEVEL_STARTING, 17, LEVEL_OK},
		{LEVEL_UNKNOWN, 17, LEVEL_OK}, {LEVEL_OK, (double)NAN, LEVEL_UNKNOWN},
	};
	struct verdict_terms up = {
		.warn = {'>', 80}, .crit = {'>', 90}, .clear = {'<', 75}, .fault = LEVEL_CRIT};
	struct verdict_terms only = {.crit = {'>', 10}, .clear = {'<', 8}, .fault = LEVEL_CRIT};
	struct sample s;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		s = value(rows[i].value);
		assert_int_equal(verdict_sample(&space, rows[i].from, &s), rows[i].to);
	}
	s = value(85.5);
	assert_int_equal(verdict_sample(&up, LEVEL_CRIT, &s), LEVEL_CRIT);
	s = value(84);
	assert_int_equal(verdict_sample(&up, LEVEL_CRIT, &s), LEVEL_WARN);
	s = value(76);
	assert_int_equal(verdict_sample(&up, LEVEL_WARN, &s), LEVEL_WARN);
	s = value(9);
	assert_int_equal(verdict_sample(&only, LEVEL_CRIT, &s), LEVEL_CRIT);
	assert_int_equal(verdict_sample(&only, LEVEL_OK, &s), LEVEL_OK);
}

static void test_hold(void **state)
{
	struct verdict_terms terms = space;
	struct verdict verdict;
	const struct sample good = value(50);
	const struct sample bad = value(1);
	uint64_t now = 0;

	(void)state;
	terms.enter_m = terms.enter_n = terms.leave_m = terms.leave_n = 1;
	terms.hold_ms = 60000;
	verdict_init(&verdict, now);
	assert_true(verdict_step(&terms, &verdict, &bad, now += STEP_MS));
	for (int i = 0; i < 5; i++)
		assert_false(verdict_step(&terms, &verdict, &good, now += STEP_MS));
	assert_true(verdict_step(&terms, &verdict, &good, now += STEP_MS));
	assert_int_equal(verdict.level, LEVEL_OK);
	/* It holds nothing up on the way down. */
	assert_true(verdict_step(&terms, &verdict, &bad, now += 1));
}

/* Changes of the level in an hour of a wave with `high` bad and `low` good samples. */
static unsigned int wave(const struct verdict_terms *terms, unsigned int high, unsigned int low,
			 unsigned int phase, bool *ret_flapping)
{
	struct verdict verdict;
	const struct sample good = value(50);
	const struct sample bad = value(1);
	unsigned int changes = 0;
	uint64_t now = 0;

	verdict_init(&verdict, now);
	(void)verdict_step(terms, &verdict, &good, now);
	for (unsigned int i = 0; i < HOUR_MS / STEP_MS; i++) {
		bool is_bad = (i + phase) % (high + low) < high;

		now += STEP_MS;
		changes += verdict_step(terms, &verdict, is_bad ? &bad : &good, now);
	}
	*ret_flapping = verdict.flapping;
	return changes;
}

/* Every window of m of m, every wave that is shorter than it, whatever its shape; and every m of n
 * that the linter lets pass, every wave that is as long good as bad. */
static void test_wave_faster_than_the_window(void **state)
{
	struct verdict_terms terms = space;
	bool flapping;

	(void)state;
	for (uint8_t n = 2; n <= VERDICT_WINDOW_MAX; n++) {
		for (uint8_t m = 1; m <= n; m++) {
			terms.enter_m = terms.leave_m = m;
			terms.enter_n = terms.leave_n = n;
			for (unsigned int high = 1; high < n; high++) {
				for (unsigned int low = 1; high + low <= n; low++) {
					for (unsigned int p = 0; p < high + low; p++) {
						if (m < n && (high != low || high + low == n ||
							      verdict_wave_passes(m, n)))
							continue;
						if (wave(&terms, high, low, p, &flapping))
							fail_msg("%u of %u: %u bad, %u good", m, n,
								 high, low);
					}
				}
			}
		}
	}
	/* The measure is not blind: a slower wave does change the level. */
	terms.enter_m = terms.enter_n = terms.leave_m = terms.leave_n = 3;
	assert_true(wave(&terms, 4, 4, 0, &flapping) > 0);
}

/* What the linter warns of is bounded by damping. */
static void test_flapping_is_damped(void **state)
{
	struct verdict_terms terms = space;
	struct verdict verdict;
	const struct sample good = value(50);
	const struct sample bad = value(1);
	bool flapping;
	uint64_t now = 0;

	(void)state;
	terms.enter_m = terms.enter_n = terms.leave_m = terms.leave_n = 1;
	assert_true(wave(&terms, 1, 1, 0, &flapping) < 30); /* of 360 */
	assert_true(flapping);
	verdict_init(&verdict, now);
	for (int i = 0; i < 20; i++)
		(void)verdict_step(&terms, &verdict, i % 2 ? &good : &bad, now += STEP_MS);
	assert_true(verdict.flapping);
	assert_int_equal(verdict.level, LEVEL_CRIT);
	now += HOUR_MS / 2;
	assert_true(verdict_step(&terms, &verdict, &good, now));
	assert_false(verdict.flapping);
	assert_int_equal(verdict.level, LEVEL_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_m_of_n),
		cmocka_unit_test(test_dead_band),
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_wave_faster_than_the_window),
		cmocka_unit_test(test_flapping_is_damped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
