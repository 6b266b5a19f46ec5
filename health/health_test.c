/* links: health/[a-z]*.c net/probe.c core/blocks.c core/conf.c core/child.c core/loop.c
 * core/clock.c core/units.c core/crypto.c core/address.c core/io.c core/json.c core/log.c
 * core/err.c SPDX-License-Identifier: Apache-2.0 Two monitors side by side, with messages carried
 * by hand: who hears what, whose rules are taken, what becomes of wrong ones, and what is said of a
 * node that is not heard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/crypto.h"
#include "core/io.h"
#include "core/log.h"
#include "health/health.h"

#define POOL_ID 77u

struct side {
	struct rig *rig;
	uint16_t number;
	bool alone; /* no member of the pool */
	char settings[128], state[128];
	struct health *health;
};

struct rig {
	struct loop *loop;
	char dir[40];
	struct side sides[2];
	bool cut;
	unsigned int sent[3][HEALTH_MESSAGES]; /* to which node, of what type */
};

static uint16_t on_self(void *arg, char ret_name[64])
{
	const struct side *side = arg;

	(void)snprintf(ret_name, 64, "n%u", side->number);
	return side->number;
}

static size_t on_pools(void *arg, struct health_pool *ret, size_t max)
{
	const struct side *side = arg;

	if (side->alone || max == 0)
		return 0;
	ret[0].id = POOL_ID;
	(void)snprintf(ret[0].name, sizeof(ret[0].name), "web");
	(void)snprintf(ret[0].mount, sizeof(ret[0].mount), "/proc");
	(void)snprintf(ret[0].backing, sizeof(ret[0].backing), "/tmp");
	return 1;
}

static void on_pool(void *arg, const char *name, struct check_pool *ret)
{
	(void)arg;
	(void)name;
	*ret = (struct check_pool){.known = true, .open = true, .in_sync = true};
}

static bool on_in_pool(void *arg, uint16_t node, uint64_t pool)
{
	const struct side *side = arg;

	return pool == POOL_ID && !side->rig->sides[node - 1].alone;
}

static void on_send(void *arg, uint16_t node, enum health_message type, const void *data,
		    size_t size)
{
	const struct side *side = arg;

	assert_in_range(node, 1, 2);
	side->rig->sent[node][type]++;
	if (!side->rig->cut && side->rig->sides[node - 1].health)
		health_message(side->rig->sides[node - 1].health, side->number, type, data, size);
}

static void on_name(void *arg, uint16_t node, char ret_name[64])
{
	(void)arg;
	(void)snprintf(ret_name, 64, "n%u", node);
}

static void side_start(struct rig *rig, size_t i)
{
	struct side *side = &rig->sides[i];
	struct health_config config = {.loop = rig->loop,
				       .settings_dir = side->settings,
				       .state_dir = side->state,
				       .arg = side,
				       .self = on_self,
				       .pools = on_pools,
				       .pool = on_pool,
				       .in_pool = on_in_pool,
				       .send = on_send,
				       .name = on_name};

	side->rig = rig;
	side->number = (uint16_t)(i + 1);
	(void)snprintf(side->settings, sizeof(side->settings), "%s/conf%zu", rig->dir, i);
	(void)snprintf(side->state, sizeof(side->state), "%s/state%zu", rig->dir, i);
	assert_int_equal(dir_make(side->settings, 0755), 0);
	assert_int_equal(health_new(&config, &side->health), 0);
}

static void side_stop(struct rig *rig, size_t i)
{
	health_free(take_ptr(rig->sides[i].health));
}

static void meet(struct rig *rig)
{
	health_node_up(rig->sides[0].health, 2);
	health_node_up(rig->sides[1].health, 1);
	health_node_up(rig->sides[0].health, 2); /* as each side comes up in its own time */
}

static void rig_start(struct rig *rig, bool alone)
{
	memset(rig, 0, sizeof(*rig));
	memcpy(rig->dir, "/tmp/health_test.XXXXXX", 24);
	assert_non_null(mkdtemp(rig->dir));
	assert_int_equal(loop_new(&rig->loop), 0);
	rig->sides[1].alone = alone;
	side_start(rig, 0);
	side_start(rig, 1);
	meet(rig);
}

static void rig_end(struct rig *rig)
{
	char command[64];

	side_stop(rig, 0);
	side_stop(rig, 1);
	loop_free(rig->loop);
	(void)snprintf(command, sizeof(command), "rm -r %s", rig->dir);
	assert_int_equal(system(command), 0);
}

static void conf(struct rig *rig, size_t i, const char *text)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/a.conf", rig->sides[i].settings);
	assert_int_equal(file_replace(path, text, strlen(text), 0644), 0);
}

/* A field of a rule here, as it is in force; "" if there is no such rule. */
static void field(struct health *health, const char *rule, const char *name, char ret[128])
{
	AUTO_JSON json_t *list = health_explain_json(health, rule);
	const json_t *fields = json_object_get(json_array_get(list, 0), "fields");
	const json_t *at;
	size_t i;

	ret[0] = '\0';
	json_array_foreach (fields, i, at) {
		if (strcmp(json_get_text(at, "field", ""), name) == 0)
			(void)snprintf(ret, 128, "%s from %s", json_get_text(at, "value", ""),
				       json_get_text(at, "source", ""));
	}
}

static void expect_field(struct health *health, const char *rule, const char *name,
			 const char *value)
{
	char text[128];

	field(health, rule, name, text);
	assert_string_equal(text, value);
}

static void test_reports(void **state)
{
	struct rig rig;
	struct health_view view;

	(void)state;
	rig_start(&rig, false);
	health_look(rig.sides[0].health, 2, &view);
	assert_true(view.known);
	assert_int_equal(code_condition(view.code), CONDITION_STARTING);
	health_look(rig.sides[0].health, 9, &view); /* nobody has heard of it */
	assert_false(view.known);
	assert_int_equal(view.code, 4001);
	assert_int_equal(health_effect(rig.sides[0].health, 9, "web").bits, EFFECT_NO_NEW);
	assert_int_equal(health_effect(rig.sides[0].health, 2, "web").bits, 0);
	/* Rubbish changes nothing. */
	health_message(rig.sides[0].health, 2, HEALTH_MESSAGE_REPORT, (const uint8_t *)"x", 1);
	health_message(rig.sides[0].health, 2, HEALTH_MESSAGE_RULES, (const uint8_t *)"x", 1);
	health_message(rig.sides[0].health, 2, HEALTH_MESSAGE_ANSWER, (const uint8_t *)"x", 1);
	health_look(rig.sides[0].health, 2, &view);
	assert_true(view.known);
	rig_end(&rig);
}

static void test_rules_of_a_pool(void **state)
{
	struct rig rig;
	char error[512];

	(void)state;
	rig_start(&rig, false);
	struct health *a = rig.sides[0].health;
	struct health *b = rig.sides[1].health;
	assert_int_equal(health_rules_set(a, "web", "rule cpu.load { warn = \"> 7\" }", error,
					  sizeof(error)),
			 0);
	expect_field(a, "cpu.load", "warn", "> 7 from pool web:1");
	expect_field(b, "cpu.load", "warn", "> 7 from pool web:1");
	assert_true(health_rules_set(a, "web", "rule cpu.load { wran = 1 }", error, sizeof(error)) <
		    0);
	assert_non_null(strstr(error, "wran"));
	assert_int_equal(health_rules_set(a, "mail", "", error, sizeof(error)), MA_EUNKNOWN);
	expect_field(a, "cpu.load", "warn", "> 7 from pool web:1");
	/* Both sides of a cut change them: the same one counts everywhere afterwards. */
	rig.cut = true;
	assert_int_equal(health_rules_set(a, "web", "rule cpu.load { warn = \"> 8\" }", error,
					  sizeof(error)),
			 0);
	assert_int_equal(health_rules_set(b, "web", "rule cpu.load { warn = \"> 9\" }", error,
					  sizeof(error)),
			 0);
	rig.cut = false;
	meet(&rig);
	expect_field(a, "cpu.load", "warn", "> 9 from pool web:1");
	expect_field(b, "cpu.load", "warn", "> 9 from pool web:1");
	/* A daemon that starts anew has them too. */
	side_stop(&rig, 0);
	side_start(&rig, 0);
	expect_field(rig.sides[0].health, "cpu.load", "warn", "> 9 from pool web:1");
	rig_end(&rig);
}

/* A node outside of the pool is given none of its rules, and what it sends is not taken. */
static void test_rules_stay_in_the_pool(void **state)
{
	struct rig rig;
	char error[512];

	(void)state;
	rig_start(&rig, true);
	struct health *a = rig.sides[0].health;
	assert_int_equal(health_rules_set(a, "web", "rule cpu.load { warn = \"> 7\" }", error,
					  sizeof(error)),
			 0);
	assert_null(health_rules_get(rig.sides[1].health, "web"));
	meet(&rig);
	assert_int_equal(rig.sent[2][HEALTH_MESSAGE_RULES], 0);
	assert_true(rig.sent[2][HEALTH_MESSAGE_REPORT] > 0);
	static const char text[] = "rule cpu.load { warn = \"> 1\" }";
	uint8_t forged[256];
	/* As HEALTH_RULES of multiall-wire(5), with a higher version. */
	static const uint8_t head[] = {1, 0, POOL_ID, 0, 0, 0, 0, 0, 0, 0, 99, 0, 0, 0,
				       0, 0, 0,       0, 2, 0, 0, 0, 0, 0, 0,  0, 0, 0};
	memcpy(forged, head, sizeof(head));
	size_t size = sizeof(head);
	forged[size++] = sizeof(text) - 1;
	forged[size++] = 0;
	memcpy(forged + size, text, sizeof(text) - 1);
	size += sizeof(text) - 1;
	hash_bytes(forged, size, forged + size, 16);
	health_message(a, 2, HEALTH_MESSAGE_RULES, forged, size + 16);
	expect_field(a, "cpu.load", "warn", "> 7 from pool web:1");
	rig.sides[1].alone = false; /* the same from a member is taken: the message was right */
	health_message(a, 2, HEALTH_MESSAGE_RULES, forged, size + 16);
	expect_field(a, "cpu.load", "warn", "> 1 from pool web:1");
	rig_end(&rig);
}

static void test_files(void **state)
{
	struct rig rig;

	(void)state;
	rig_start(&rig, false);
	conf(&rig, 0, "rule cpu.load { warn = \"> 3.5\" }");
	side_stop(&rig, 0);
	side_start(&rig, 0);
	expect_field(rig.sides[0].health, "cpu.load", "warn", "> 3.5 from a.conf:1");
	/* Wrong, and the daemon starts anew: the last good text is in force, and it is said. */
	conf(&rig, 0, "rule cpu.load { warn = \"> 3.4\" } rule cpu.load {");
	side_stop(&rig, 0);
	side_start(&rig, 0);
	expect_field(rig.sides[0].health, "cpu.load", "warn", "> 3.5 from a.conf:1");
	AUTO_JSON json_t *own = health_json(rig.sides[0].health, 0);
	const json_t *source = json_array_get(json_object_get(own, "sources"), 0);
	assert_true(json_get_bool(source, "last_good_used", false));
	assert_true(json_get_text(source, "error", "")[0] != '\0');
	rig_end(&rig);
}

static void test_questions(void **state)
{
	struct rig rig;

	(void)state;
	rig_start(&rig, false);
	struct health *a = rig.sides[0].health;
	uint32_t number = health_ask(a, 2, "pool.space");
	assert_true(number > 0);
	AUTO_JSON json_t *answer = health_answer_take(a, number);
	assert_true(json_is_array(answer));
	assert_null(health_answer_take(a, number)); /* once */
	AUTO_JSON json_t *none = health_answer_take(a, health_ask(a, 2, "no.such"));
	assert_true(json_is_null(none));
	/* An answer from somebody who was not asked is none. */
	rig.cut = true;
	number = health_ask(a, 2, "pool.space");
	uint8_t forged[64] = {(uint8_t)number};
	memcpy(forged + 4, "{\"rules\":[]}", 12);
	health_message(a, 1, HEALTH_MESSAGE_ANSWER, forged, 16);
	assert_null(health_answer_take(a, number));
	health_message(a, 2, HEALTH_MESSAGE_ANSWER, forged, 16);
	AUTO_JSON json_t *given = health_answer_take(a, number);
	assert_true(json_is_array(given));
	/* Questions without answers are bounded, and can be forgotten. */
	uint32_t last = 0;
	for (int i = 0; i < 8; i++)
		assert_true((last = health_ask(a, 2, "x")) > 0);
	assert_int_equal(health_ask(a, 2, "x"), 0);
	health_answer_forget(a, last);
	assert_true(health_ask(a, 2, "x") > 0);
	rig_end(&rig);
}

static void test_lint(void **state)
{
	struct rig rig;

	(void)state;
	rig_start(&rig, false);
	AUTO_JSON json_t *bad =
		health_lint_json(rig.sides[0].health, "rule a { user = root }", "web");
	const json_t *source = json_array_get(json_object_get(bad, "sources"), 0);
	assert_non_null(strstr(json_get_text(source, "error", ""), "user can be set only"));
	AUTO_JSON json_t *noted = health_lint_json(
		rig.sides[0].health, "rule a { check = load enter = \"1 of 3\" }", "");
	assert_int_equal(json_array_size(json_object_get(noted, "notes")), 1);
	char text[128];
	field(rig.sides[0].health, "a", "check", text); /* tried, not taken */
	assert_string_equal(text, "");
	rig_end(&rig);
}

static int set_up(void **state)
{
	(void)state;
	log_set_level(LOG_LEVEL_ERROR);
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reports),
		cmocka_unit_test(test_rules_of_a_pool),
		cmocka_unit_test(test_rules_stay_in_the_pool),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_questions),
		cmocka_unit_test(test_lint),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
