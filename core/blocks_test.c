/* links: core/blocks.c core/conf.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Titled blocks: what is given to the taker, and the file and line of each error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/blocks.h"

static const char *const rule_keys[] = {"check", "on", "warn", NULL};
static const char *const outer_keys[] = {"tags", NULL};
static const struct block_kind kinds[] = {
	{"rule", rule_keys}, {"except", rule_keys}, {"", outer_keys}, {0}};

struct seen {
	char text[4096];
	const char *refuse; /* a title that the taker refuses */
};

static int take(void *arg, const struct block *block, int *ret_line, char *why, size_t size)
{
	struct seen *seen = arg;
	size_t used = strlen(seen->text);

	if (seen->refuse && strcmp(block->title, seen->refuse) == 0) {
		*ret_line = block->values[0].line;
		return err_say(why, size, -EINVAL, "not this one");
	}
	used += (size_t)snprintf(seen->text + used, sizeof(seen->text) - used,
				 "%s %s@%d:", block->kind, block->title, block->line);
	for (size_t i = 0; i < block->value_count; i++) {
		const struct block_value *value = &block->values[i];

		used += (size_t)snprintf(seen->text + used, sizeof(seen->text) - used,
					 " %s@%d=[%s]", value->key, value->line, value->text);
	}
	(void)snprintf(seen->text + used, sizeof(seen->text) - used, ";");
	return 0;
}

static void expect(const char *text, const char *seen_text, const char *error_text)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	const struct blocks_taker taker = {take, seen};
	char error[512] = "";

	assert_non_null(seen);
	seen->refuse = "bad";
	int r = blocks_parse("f", text, strlen(text), kinds, &taker, error, sizeof(error));
	assert_string_equal(error, error_text);
	assert_int_equal(r == 0, error_text[0] == '\0');
	if (r == 0)
		assert_string_equal(seen->text, seen_text);
	free(seen);
}

static void test_what_is_read(void **state)
{
	(void)state;
	expect("", "", "");
	expect("# nothing\n", "", "");
	expect("rule a {\n check = load\n}\n", "rule a@2: check@2=[load];", "");
	expect("rule \"a b\" {\n check = {x, '< 5'}\n warn = \"\"\n}",
	       "rule a b@2: check@2=[x\n< 5] warn@3=[];", "");
	expect("rule a { check = {x,\n\n y} }\nexcept a { warn = z }\nrule a { check = z }",
	       "rule a@1: check@1=[x\ny];except a@4: warn@4=[z];rule a@5: check@5=[z];", "");
	expect("rule a{check=1} rule b{check=2} rule a{check=3}",
	       "rule a@1: check@1=[1];rule b@1: check@1=[2];rule a@1: check@1=[3];", "");
	expect("\ntags = {a, b}\nrule c { on = x }", "rule c@3: on@3=[x]; @2: tags@2=[a\nb];", "");
	expect("/* x\n*/ rule a { // y\n check = z }", "rule a@3: check@3=[z];", "");
}

static void test_errors(void **state)
{
	(void)state;
	expect("rule a {\n chekc = load\n}", "", "f:2: no such option 'chekc'");
	expect("rule a { check = x\n check = y }", "",
	       "f:2: check is set a second time, first in line 1");
	expect("rule a {\n}", "", "f:2: a block with nothing in it");
	expect("rule \"\" { check = x }", "", "f:1: a block needs a title of 1 to 63 bytes");
	expect("rule a { check = 'x\ny' }", "", "f:2: a value may not hold a line feed");
	expect("/* a", "", "f:1: the comment that starts here has no end");
	expect("\nrule bad {\n\n warn = 1 }", "", "f:4: not this one");
	expect("tags = a\ntags = b\n", "", "f:2: tags is set a second time, first in line 1");
}

static void test_bounds(void **state)
{
	static char data[BLOCKS_FILE_MAX + 2];
	struct seen seen = {.text = ""};
	const struct blocks_taker taker = {take, &seen};
	char error[512];

	(void)state;
	memset(data, ' ', sizeof(data));
	assert_int_equal(
		blocks_parse("f", data, BLOCKS_FILE_MAX, kinds, &taker, error, sizeof(error)), 0);
	assert_int_equal(
		blocks_parse("f", data, BLOCKS_FILE_MAX + 1, kinds, &taker, error, sizeof(error)),
		-EFBIG);
	assert_int_equal(blocks_parse("f", "a\0b", 3, kinds, &taker, error, sizeof(error)),
			 -EINVAL);
	memset(data, 'x', BLOCK_TEXT_MAX + 7);
	memcpy(data, "tags = x", 8);
	assert_int_equal(
		blocks_parse("f", data, BLOCK_TEXT_MAX + 7, kinds, &taker, error, sizeof(error)),
		-EINVAL);
	assert_string_equal(error, "f:1: the value is longer than 1022 bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_read),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
