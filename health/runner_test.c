/* links: health/runner.c health/watch.c health/checker.c health/check.c health/check_host.c
 * health/check_file.c health/check_service.c health/kind.c health/code.c health/verdict.c
 * health/perfdata.c health/rule_field.c net/probe.c core/child.c core/loop.c core/clock.c
 * core/units.c core/crypto.c core/address.c core/err.c SPDX-License-Identifier: Apache-2.0 The
 * runner with plugins that are scripts of this test, and what a watch says to others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/clock.h"
#include "health/runner.h"

#define RULES_MAX 500

struct rig {
	struct loop *loop;
	struct runner *runner;
	struct rule rules[RULES_MAX];
	unsigned int changes, wanted;
	char dir[32];
	struct check_pool pool;
};

static void on_pool(void *arg, const char *name, struct check_pool *ret)
{
	struct rig *rig = arg;

	assert_string_equal(name, "web");
	*ret = rig->pool;
}

static void on_changed(void *arg, const struct watch *watch)
{
	struct rig *rig = arg;

	(void)watch;
	if (++rig->changes == rig->wanted)
		loop_stop(rig->loop);
}

static void value(struct rule *rule, enum rule_field field, const char *text)
{
	char why[256];

	assert_int_equal(rule_fields[field].parse(text, &rule->values[field], why, sizeof(why)), 0);
	rule->values[field].text = text;
}

static void rule_make(struct rule *rule, const char *name, const char *check, uint64_t every_ms)
{
	memset(rule, 0, sizeof(*rule));
	(void)snprintf(rule->name, sizeof(rule->name), "%s", name);
	for (size_t f = 0; f < RULE_FIELDS; f++) {
		if (rule_fields[f].value)
			value(rule, f, rule_fields[f].value);
	}
	value(rule, RULE_USER, "root");
	rule->check = (char *)check;
	rule->kind = kind_find(check, strcspn(check, "\n"));
	rule->trusted = true;
	rule->every_ms = every_ms;
	rule->timeout_ms = 60000;
	rule->values[RULE_CODE].number = kind_table[rule->kind].condition;
	rule->terms = (struct verdict_terms){
		.enter_m = 1, .enter_n = 1, .leave_m = 1, .leave_n = 1, .fault = LEVEL_CRIT};
}

static struct rig *rig_new(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	memcpy(rig->dir, "/tmp/runner_test.XXXXXX", 24);
	assert_non_null(mkdtemp(rig->dir));
	assert_int_equal(loop_new(&rig->loop), 0);
	const struct runner_config config = {
		.loop = rig->loop, .arg = rig, .pool = on_pool, .changed = on_changed};
	assert_int_equal(runner_new(&config, &rig->runner), 0);
	return rig;
}

static void rig_free(struct rig *rig)
{
	runner_free(rig->runner);
	loop_free(rig->loop);
	(void)rmdir(rig->dir);
	free(rig);
}

static void script(const struct rig *rig, const char *name, const char *text, char ret[256])
{
	(void)snprintf(ret, 256, "nagios\n%s/%s", rig->dir, name);
	FILE *file = fopen(strchr(ret, '/'), "w");
	assert_non_null(file);
	(void)fprintf(file, "#!/bin/sh\n%s\n", text);
	assert_int_equal(fchmod(fileno(file), 0755), 0);
	assert_int_equal(fclose(file), 0);
}

static const struct watch *watch_of(const struct rig *rig, size_t i)
{
	size_t count;
	const struct watch *watches = runner_watches(rig->runner, &count);

	assert_true(i < count);
	return &watches[i];
}

static uint16_t code_of(const struct rig *rig, size_t i)
{
	return runner_code(watch_of(rig, i), clock_boot_ms(), 0);
}

/* One of each way in which a plugin can end, beside a built-in check and one of a pool. */
static void test_results(void **state)
{
	static const struct {
		const char *text;
		uint16_t code;
		const char *says;
	} rows[] = {
		{"echo 'OK fine | a=1;2;3'", 0, "OK fine"},
		{"echo W; exit 1", 2504, "W"},
		{"echo C; exit 2", 3504, "C"},
		{"echo U; exit 3", 4504, "U"},
		{"exit 127", 4003, "ended with status 127"},
		{"exit 1", 2504, "exit status 1, no text"},
		{"kill -9 $$", 4003, "ended by signal 9"},
		{"sleep 1000", 4002, "ended after 0.1 s without an answer"},
		{"while :; do echo 12345678901234567890; done", 4003,
		 "printed more than 65536 bytes"},
	};
	enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
	struct rig *rig = rig_new();
	char checks[ROWS][256];

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "s%zu", i);
		script(rig, name, rows[i].text, checks[i]);
		rule_make(&rig->rules[i], name, checks[i], 100);
		if (rows[i].code == 4002)
			rig->rules[i].timeout_ms = 100;
	}
	rule_make(&rig->rules[ROWS], "none", "nagios\n/no/such/plugin", 100);
	rule_make(&rig->rules[ROWS + 1], "foreign", checks[0], 100);
	rig->rules[ROWS + 1].trusted = false; /* outside of the plugins' directories */
	rule_make(&rig->rules[ROWS + 2], "pool", "pool-conflicts\nweb", 100);
	rig->rules[ROWS + 2].terms.warn = (struct limit){'>', 0};
	rig->pool = (struct check_pool){.known = true, .open = true, .conflicts = 2};
	rule_make(&rig->rules[ROWS + 3], "file", "file\n/no/such/file", 100);
	rig->wanted = ROWS + 4; /* each gets to its state once */
	assert_int_equal(runner_set(rig->runner, rig->rules, ROWS + 4, 0), 0);
	loop_run(rig->loop);
	for (size_t i = 0; i < ROWS; i++) {
		if (code_of(rig, i) != rows[i].code)
			fail_msg("%s: %u, %s", rows[i].text, code_of(rig, i),
				 watch_of(rig, i)->last.text);
		assert_string_equal(runner_text(watch_of(rig, i), clock_boot_ms()), rows[i].says);
		(void)unlink(strchr(checks[i], '/'));
	}
	assert_string_equal(watch_of(rig, 0)->last.perfdata, "a=1;2;3");
	assert_int_equal(watch_of(rig, 1)->exit_status, 1);
	assert_int_equal(code_of(rig, ROWS), 4003);
	assert_int_equal(code_of(rig, ROWS + 1), 4003);
	assert_non_null(strstr(watch_of(rig, ROWS + 1)->last.text, "plugins' directories"));
	assert_int_equal(code_of(rig, ROWS + 2), 2603);
	assert_int_equal(code_of(rig, ROWS + 3), 3803);
	rig_free(rig);
}

/* A plugin that takes longer than its interval: no second one beside it. Each run takes the
 * directory and gives it back; one that finds it taken says so. */
static void test_never_overlaps(void **state)
{
	struct rig *rig = rig_new();
	char check[256], text[512];

	(void)state;
	(void)snprintf(text, sizeof(text),
		       "mkdir %s/held || exit 2\nwhile [ $((n += 1)) -lt 2000 ]; do :; done\n"
		       "rmdir %s/held; echo x >>%s/count\n[ $(wc -l <%s/count) -lt 5 ] || exit 1",
		       rig->dir, rig->dir, rig->dir, rig->dir);
	script(rig, "slow", text, check);
	rule_make(&rig->rules[0], "slow", check, 1);
	rig->wanted = 2; /* good first, then a warning after the fifth */
	assert_int_equal(runner_set(rig->runner, rig->rules, 1, 0), 0);
	loop_run(rig->loop);
	assert_int_equal(code_of(rig, 0), 2504);
	(void)unlink(strchr(check, '/'));
	(void)snprintf(text, sizeof(text), "%s/count", rig->dir);
	(void)unlink(text);
	(void)snprintf(text, sizeof(text), "%s/held", rig->dir);
	runner_free(rig->runner);
	loop_free(rig->loop);
	(void)rmdir(text);
	(void)rmdir(rig->dir);
	free(rig);
}

static void test_starts_are_spread(void **state)
{
	struct rig *rig = rig_new();
	unsigned int seconds[30] = {0};

	(void)state;
	for (size_t i = 0; i < RULES_MAX; i++)
		rule_make(&rig->rules[i], "r", "load", 30000);
	uint64_t before = clock_boot_ms();
	assert_int_equal(runner_set(rig->runner, rig->rules, RULES_MAX, 7), 0);
	for (size_t i = 0; i < RULES_MAX; i++) {
		seconds[watch_of(rig, i)->phase_ms / 1000]++;
		assert_true(watch_of(rig, i)->due_ms <= before + RUNNER_FIRST_MS + 60000);
		assert_true(watch_of(rig, i)->due_ms - before < RUNNER_FIRST_MS + 60000);
	}
	for (size_t i = 0; i < 30; i++)
		assert_true(seconds[i] <= RULES_MAX / 20); /* 5 % */
	rig_free(rig);
}

/* Rules that stay keep what is known of them; others begin anew; what ran for a rule that has gone
 * is heard by nobody. */
static void test_other_rules(void **state)
{
	struct rig *rig = rig_new();
	static struct rule again[3];

	(void)state;
	rule_make(&rig->rules[0], "a", "file\n/no/such/file", 100);
	rule_make(&rig->rules[1], "b", "file\n/no/such/other", 100);
	rule_make(&rig->rules[2], "c", "nagios\n/bin/sleep\n1000", 100);
	rig->wanted = 2;
	assert_int_equal(runner_set(rig->runner, rig->rules, 3, 0), 0);
	loop_run(rig->loop);
	rule_make(&again[0], "b", "file\n/no/such/third", 100000);
	rule_make(&again[1], "a", "file\n/no/such/file", 100000);
	assert_int_equal(runner_set(rig->runner, again, 2, 0), 0);
	assert_int_equal(code_of(rig, 0), 4008);
	assert_int_equal(code_of(rig, 1), 3803);
	rig_free(rig);
}

static void test_codes(void **state)
{
	static struct rule rule;
	struct rule_layer layer = {.until_s = 1000000};
	struct watch watch = {.rule = &rule, .any = true, .ended_ms = 1000000};
	uint64_t now = 1000000;

	(void)state;
	rule_make(&rule, "r", "space\n/", 30000);
	value(&rule, RULE_CRIT_EFFECT, "withdraw");
	rule.timeout_ms = 5000;
	watch.verdict.level = LEVEL_STARTING;
	assert_int_equal(runner_code(&watch, now, 0), 4008);
	watch.verdict.level = LEVEL_OK;
	assert_int_equal(runner_code(&watch, now, 0), 0);
	watch.verdict.level = LEVEL_CRIT;
	assert_int_equal(runner_code(&watch, now, 0), 3301);
	assert_int_equal(runner_effect(&watch, now).bits, EFFECT_WITHDRAW);
	watch.last.condition = 702;
	assert_int_equal(runner_code(&watch, now, 0), 3702);
	rule.from[RULE_CODE] = &layer;
	assert_int_equal(runner_code(&watch, now, 0), 3301);
	/* Stale: not critical any more, and not good. */
	assert_int_equal(runner_code(&watch, now + 95000, 0), 3301);
	assert_int_equal(runner_code(&watch, now + 95001, 0), 4001);
	assert_int_equal(runner_effect(&watch, now + 95001).bits, 0);
	watch.verdict.level = LEVEL_OK;
	assert_int_equal(runner_code(&watch, now + 95001, 0), 4001);
	rule.exception = &layer;
	assert_int_equal(runner_code(&watch, now, 1000000 - 7 * 86400), 0);
	assert_int_equal(runner_code(&watch, now, 1000001 - 7 * 86400), 5006);
	value(&rule, RULE_ENABLED, "off");
	assert_int_equal(runner_code(&watch, now, 0), 5009);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),     cmocka_unit_test(test_never_overlaps),
		cmocka_unit_test(test_codes),       cmocka_unit_test(test_starts_are_spread),
		cmocka_unit_test(test_other_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
