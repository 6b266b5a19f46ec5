/* links: health/rule_field.c health/rule_parse.c health/rule_merge.c health/rule_compile.c
 * health/rule_base.c health/kind.c health/code.c health/verdict.c core/blocks.c core/conf.c
 * core/units.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Rules from text to what is in force: scopes, locks, exceptions, contradictions, and that the
 * order of reading does not matter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "health/rule.h"

#define TEXTS_MAX 8

static const struct rule_pool pools[] = {{"web", "/pool/web", "/b/web"},
					 {"mail", "/pool/mail", "/b/mail"}};

struct text {
	enum rule_origin origin;
	const char *pool, *text;
};

struct world {
	struct rule_set set;
	struct rule *rules;
	size_t count;
	char notes[8192];
};

static void note(void *arg, const char *text)
{
	struct world *world = arg;
	size_t used = strlen(world->notes);

	(void)snprintf(world->notes + used, sizeof(world->notes) - used, "%s\n", text);
}

static int add(struct world *world, const struct text *text, char *error, size_t size)
{
	const struct rule_source source = {
		.origin = text->origin,
		.name = text->origin == RULE_FROM_BASE   ? "base"
			: text->origin == RULE_FROM_POOL ? "pool"
							 : "node",
		.pool = text->pool,
		.node = "db1",
	};

	return rule_set_add(&world->set, &source, text->text, strlen(text->text), error, size);
}

static void compile(struct world *world, size_t pool_count)
{
	const struct rule_node node = {.name = "db1",
				       .state = "/state",
				       .pools = pools,
				       .pool_count = pool_count,
				       .now_s = 1800000000}; /* 2027-01-15 */
	const struct rule_notes notes = {note, world};

	assert_int_equal(rule_compile(&world->set, &node, &notes, &world->rules, &world->count), 0);
}

static void clean(struct world *world)
{
	rule_compiled_free(world->rules, world->count);
	rule_set_free(&world->set);
	memset(world, 0, sizeof(*world));
}

static struct rule *find(struct world *world, const char *name, const char *pool)
{
	for (size_t i = 0; i < world->count; i++) {
		if (strcmp(world->rules[i].name, name) == 0 &&
		    strcmp(world->rules[i].pool, pool) == 0)
			return &world->rules[i];
	}
	return NULL;
}

static const char *text_of(struct world *world, const char *name, const char *pool,
			   enum rule_field field)
{
	struct rule *rule = find(world, name, pool);

	return !rule ? "(no rule)" : rule->values[field].text ? rule->values[field].text : "(none)";
}

#define N RULE_FROM_NODE
#define P RULE_FROM_POOL
#define B RULE_FROM_BASE

/* What `warn` of rule r comes to, and a part of what is noted ("": nothing). */
static const struct {
	struct text texts[4];
	const char *pool, *warn, *noted;
} scope_rows[] = {
	{{{B, "", "rule r { check = load warn = \"> 1\" }"}}, "", "> 1", ""},
	{{{B, "", "rule r { check = load }"}}, "", "> 4", ""}, /* the kind's own */
	{{{B, "", "rule r { check = load warn = \"> 1\" }"},
	  {N, "", "rule r { on = all warn = \"> 2\" }"}},
	 "",
	 "> 2",
	 ""},
	{{{N, "", "rule r { on = all check = load warn = \"> 2\" }"},
	  {P, "web", "rule r { warn = \"> 3\" }"}},
	 "web",
	 "> 3",
	 ""},
	{{{P, "web", "rule r { check = load warn = \"> 3\" }"},
	  {N, "", "tags = {x, ssd}\nrule r { on = \"tag:ssd\" warn = \"> 5\" }"}},
	 "web",
	 "> 5",
	 ""},
	{{{N, "", "tags = ssd rule r { check = load on = \"tag:ssd\" warn = \"> 5\" }"},
	  {N, "", "rule r { warn = \"> 6\" }"}},
	 "",
	 "> 6",
	 ""},
	{{{N, "",
	   "rule r { check = load on = {\"server:db2\", \"server:db1\"} "
	   "warn = \"> 7\" }"}},
	 "",
	 "> 7",
	 ""},
	{{{N, "", "rule r { check = load warn = \"> 1\" on = all }"},
	  {N, "", "rule r { on = \"server:db2\" warn = \"> 2\" }"},
	  {N, "", "rule r { on = \"tag:no\" warn = \"> 3\" }"},
	  {N, "", "rule r { on = \"pool:none\" warn = \"> 4\" }"}},
	 "",
	 "> 1",
	 ""},
	{{{N, "", "rule r { check = load warn = \"> 1\" on = all }"},
	  {N, "", "rule r { on = all not = {\"tag:x\", \"server:db1\"} warn = \"> 2\" }"}},
	 "",
	 "> 1",
	 ""},
	{{{N, "",
	   "tags = {a, b} rule r { check = load on = \"tag:a\" priority = 9 warn = "
	   "\"> 9\" }"},
	  {N, "", "rule r { on = \"tag:b\" priority = 10 warn = \"> 10\" }"}},
	 "",
	 "> 10",
	 ""},
	{{{N, "", "tags = {a, b} rule r { check = load on = \"tag:a\" warn = \"> 9\" }"},
	  {N, "", "rule r { on = \"tag:b\" warn = \"> 10\" }"}},
	 "",
	 "> 9",
	 "two values of the same rank"},
	/* Locked: tighter yes, looser no. */
	{{{P, "web", "rule r { check = load warn = \"> 3\" locked = warn }"},
	  {N, "", "rule r { warn = \"> 5\" }"}},
	 "web",
	 "> 3",
	 "would loosen warn, which pool:1 has locked"},
	{{{P, "web", "rule r { check = load warn = \"> 3\" locked = warn }"},
	  {N, "", "rule r { warn = \"> 2\" }"}},
	 "web",
	 "> 2",
	 ""},
	{{{P, "web", "rule r { check = load warn = \"> 3\" locked = warn }"},
	  {N, "", "rule r { warn = \"< 1\" }"}},
	 "web",
	 "> 3",
	 "would loosen"},
	{{{P, "web", "rule r { check = load warn = \"> 3\" locked = warn }"},
	  {N, "", "except r { warn = off until = 2027-02-01 reason = x by = y }"}},
	 "web",
	 "> 3",
	 "would loosen"},
	{{{B, "", "rule r { check = load }"}, /* the kind's own limit can be locked too */
	  {N, "", "rule r { on = all locked = warn }"},
	  {N, "", "rule r { warn = \"> 9\" }"}},
	 "",
	 "> 4",
	 "would loosen"},
	/* Exceptions. */
	{{{B, "", "rule r { check = load warn = \"> 1\" }"},
	  {N, "", "except r { warn = \"> 9\" until = 2027-02-01 reason = x by = y }"}},
	 "",
	 "> 9",
	 ""},
	{{{B, "", "rule r { check = load warn = \"> 1\" }"},
	  {N, "", "except r { warn = \"> 9\" until = 2027-01-14 reason = x by = y }"}},
	 "",
	 "> 1",
	 "has expired"},
	{{{B, "", "rule r { check = load warn = \"> 1\" }"},
	  {N, "", "rule r { warn = \"> 2\" }"},
	  {N, "", "except r { on = all warn = \"> 9\" until = 2027-02-01 reason = x by = y }"}},
	 "",
	 "> 9",
	 ""},
	/* What does not fit together. */
	{{{N, "", "rule r { warn = \"> 1\" }"}}, "", "(no rule)", "nothing says what to check"},
	{{{N, "", "rule r { check = load enter = \"3 of 5\" }"}}, "", "> 4", "good half of"},
	{{{N, "", "rule r { check = load every = 5s timeout = 5s }"}}, "", "> 4", "2500 ms"},
	{{{N, "", "rule r { check = load clear = \"< 5\" }"}}, "", "> 4", "no band"},
	{{{P, "web", "rule r { check = {nagios, /x} }"}, {N, "", "rule r { user = root }"}},
	 "web",
	 "(none)",
	 "runs as nobody"},
};

static void test_scopes(void **state)
{
	static struct world world;
	char error[512];

	(void)state;
	for (size_t i = 0; i < sizeof(scope_rows) / sizeof(scope_rows[0]); i++) {
		for (size_t t = 0; t < 4 && scope_rows[i].texts[t].text; t++) {
			if (add(&world, &scope_rows[i].texts[t], error, sizeof(error)) < 0)
				fail_msg("row %zu: %s", i, error);
		}
		compile(&world, 2);
		const char *warn = text_of(&world, "r", scope_rows[i].pool, RULE_WARN);
		if (strcmp(warn, scope_rows[i].warn) != 0 ||
		    !strstr(world.notes, scope_rows[i].noted) ||
		    (!scope_rows[i].noted[0] && world.notes[0]))
			fail_msg("row %zu: warn is %s; noted: %s", i, warn, world.notes);
		clean(&world);
	}
}

static void test_instances(void **state)
{
	static struct world world;
	static const struct text texts[] = {
		{B, "",
		 "rule a { check = {space, \"{backing}\"} } rule b { check = load }\n"
		 "rule c { check = {file, \"{state}/x/{mount}{no}\"} on = \"pool:web\" }"},
		{P, "mail", "rule b { warn = \"> 3\" }"},
		{P, "web", "rule d { check = {nagios, /p} on = \"server:db1\" }"},
	};
	char error[512];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(add(&world, &texts[i], error, sizeof(error)), 0);
	compile(&world, 2);
	assert_int_equal(world.count, 5);
	assert_string_equal(find(&world, "a", "web")->check, "space\n/b/web");
	assert_string_equal(find(&world, "a", "mail")->check, "space\n/b/mail");
	assert_string_equal(text_of(&world, "b", "mail", RULE_WARN), "> 3");
	assert_string_equal(find(&world, "c", "web")->check, "file\n/state/x//pool/web{no}");
	assert_non_null(find(&world, "d", "web"));
	assert_false(find(&world, "d", "web")->trusted);
	assert_true(find(&world, "b", "mail")->trusted);
	clean(&world);
	/* Without that pool there is nothing of it. */
	assert_int_equal(add(&world, &texts[2], error, sizeof(error)), 0);
	compile(&world, 0);
	assert_int_equal(world.count, 0);
	clean(&world);
}

static void test_baseline(void **state)
{
	static struct world world;
	char error[512] = "";
	const struct text base = {B, "", rule_base_text};

	(void)state;
	if (add(&world, &base, error, sizeof(error)) < 0)
		fail_msg("%s", error);
	compile(&world, 1);
	assert_string_equal(world.notes, "");
	assert_true(world.count > 15);
	assert_int_equal(find(&world, "disk.root", "")->values[RULE_CODE].number, 301);
	assert_int_equal(find(&world, "pool.mount", "web")->values[RULE_CRIT_EFFECT].effect.bits,
			 EFFECT_WITHDRAW);
	clean(&world);
	assert_int_equal(add(&world, &base, error, sizeof(error)), 0);
	compile(&world, 0);
	assert_null(find(&world, "pool.mount", ""));
	clean(&world);
}

static void test_refused(void **state)
{
	static const struct {
		struct text text;
		const char *error;
	} rows[] = {
		{{N, "", "rule r { check = laod }"}, "node:1: check: there is no check \"laod\""},
		{{N, "", "rule r { check = {space} }"}, "node:1: check: write {space, PATH}"},
		{{N, "", "rule r { check = {nagios, check_x} }"},
		 "node:1: check: the program has to"},
		{{N, "", "rule r {\n every = 0s }"}, "node:2: every: must be 1s"},
		{{N, "", "rule r { every = 8d }"}, "node:1: every: not a time up to 7d"},
		{{N, "", "rule r { warn = 15 }"}, "node:1: warn: not a limit"},
		{{N, "", "rule r { warn = \"< nan\" }"}, "node:1: warn: not a limit"},
		{{N, "", "rule r { enter = \"4 of 3\" }"}, "node:1: enter: write \"M of N\""},
		{{N, "", "rule r { enter = \"1 of 17\" }"}, "node:1: enter: write"},
		{{N, "", "rule r { crit-effect = bad }"}, "node:1: crit-effect: must be none"},
		{{N, "", "rule r { code = 99 }"}, "node:1: code: must be a condition"},
		{{N, "", "rule r { user = \"a b\" }"}, "node:1: user: not the name"},
		{{N, "", "rule r { locked = warm }"}, "node:1: locked: there is no field \"warm\""},
		{{N, "", "rule \"r s\" { check = load }"}, "node:1: the name of a rule"},
		{{N, "", "rule r { on = everywhere }"}, "node:1: \"everywhere\" is not all"},
		{{N, "", "except r { warn = off }"}, "node:1: an exception needs until"},
		{{N, "", "except r { until = soon reason = x by = y }"},
		 "node:1: until: write 2027"},
		{{N, "", "except r { until = 2027-01-31 reason = '' by = y }"},
		 "node:1: an exception needs"},
		{{N, "", "except r { check = load }"}, "node:1: no such option 'check'"},
		{{P, "web", "rule r { on = all check = load }"},
		 "pool:1: a pool's rules are for its"},
		{{P, "web", "rule r { on = \"pool:mail\" check = load }"},
		 "pool:1: the rules of pool"},
		{{P, "web", "rule r { user = root }"}, "pool:1: user can be set only"},
		{{P, "web", "tags = x"}, "pool:1: tags stand in"},
	};
	static struct world world;
	char error[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		error[0] = '\0';
		assert_true(add(&world, &rows[i].text, error, sizeof(error)) < 0);
		if (strncmp(error, rows[i].error, strlen(rows[i].error)) != 0)
			fail_msg("%s\n%s", rows[i].text.text, error);
		assert_int_equal(world.set.count, 0); /* nothing of it is taken */
	}
	clean(&world);
}

/* A text of one random layer; the same numbers give the same text. Its rank. */
static unsigned int random_layer(unsigned int *seed, char *ret, size_t size)
{
	static const struct {
		const char *text;
		unsigned int rank;
	} on[] = {{"all", 1},   {"pool:web", 2}, {"pool:mail", 2},
		  {"tag:a", 3}, {"tag:b", 3},    {"server:db1", 4}};
	static const char *const effects[] = {"none", "withdraw", "{withdraw, no-new}", "no-new",
					      "\"weight:50\""};
	unsigned int n = (unsigned int)rand_r(seed);
	bool exception = n % 5 == 0;

	(void)snprintf(ret, size,
		       "tags = {a, b}\n%s r { %son = \"%s\" warn = \"%c %u\" enter = \"%u of %u\" "
		       "crit-effect = %s every = %us %s }",
		       exception ? "except" : "rule", exception ? "" : "check = load ",
		       on[(n >> 3) % 6].text, n % 7 ? '>' : '<', (n >> 6) % 4, 1 + (n >> 8) % 3,
		       3 + (n >> 10) % 3, effects[(n >> 12) % 5], 10 + (n >> 15) % 3,
		       exception ? "until = 2027-02-01 reason = x by = y"
		       : n % 3   ? ""
				 : "locked = {warn, crit-effect, every}");
	return exception ? 5 : on[(n >> 3) % 6].rank;
}

static void show(struct world *world, char *ret, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < world->count; i++) {
		for (size_t f = 0; f < RULE_FIELDS; f++) {
			const char *text = world->rules[i].values[f].text;

			used += (size_t)snprintf(ret + used, size - used, "%s|", text ? text : "-");
		}
	}
}

static void check_tighter(const struct rule *wide, const struct rule *narrow)
{
	for (size_t f = 0; f < RULE_FIELDS; f++) {
		if (!wide->locked[f])
			continue;
		enum rule_order order =
			rule_fields[f].compare(&narrow->values[f], &wide->values[f]);
		if (order != RULE_SAME && order != RULE_STRICTER)
			fail_msg("%s is %s, locked was %s", rule_fields[f].name,
				 narrow->values[f].text, wide->values[f].text);
	}
}

/* What the layers of one rank and wider ones have locked, narrower ones do not loosen. */
static void check_locks(struct world *world, char texts[6][512], const unsigned int ranks[6])
{
	static struct world wide;
	char error[512];

	for (unsigned int rank = 1; rank < 5; rank++) {
		for (size_t i = 0; i < 6; i++) {
			const struct text text = {N, "", texts[i]};

			if (ranks[i] <= rank)
				assert_int_equal(add(&wide, &text, error, sizeof(error)), 0);
		}
		compile(&wide, 2);
		for (size_t i = 0; i < world->count; i++) {
			const struct rule *of = find(&wide, "r", world->rules[i].pool);

			of = of ? of : find(&wide, "r", "");
			if (of)
				check_tighter(of, &world->rules[i]);
		}
		clean(&wide);
	}
}

static void test_order_does_not_matter(void **state)
{
	static struct world world;
	static char first[8192];
	static char again[8192];
	char texts[6][512];
	unsigned int ranks[6];
	char error[512];

	(void)state;
	const char *rounds = getenv("ROUNDS"); /* more: ROUNDS=100000 */
	unsigned int wanted = rounds ? (unsigned int)atoi(rounds) : 1000;
	for (unsigned int round = 0; round < wanted; round++) {
		unsigned int seed = round;

		for (size_t i = 0; i < 6; i++)
			ranks[i] = random_layer(&seed, texts[i], sizeof(texts[i]));
		for (size_t turn = 0; turn < 3; turn++) {
			for (size_t i = 0; i < 6; i++) {
				size_t at = turn == 0 ? i : turn == 1 ? 5 - i : (i * 5 + 2) % 6;
				const struct text text = {N, "", texts[at]};

				if (add(&world, &text, error, sizeof(error)) < 0)
					fail_msg("%s: %s", texts[at], error);
			}
			compile(&world, 2);
			if (turn == 0)
				check_locks(&world, texts, ranks);
			show(&world, turn ? again : first, sizeof(first));
			clean(&world);
			if (turn && strcmp(first, again) != 0)
				fail_msg("round %u:\n%s\n%s", round, first, again);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_instances),
		cmocka_unit_test(test_baseline),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_order_does_not_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
