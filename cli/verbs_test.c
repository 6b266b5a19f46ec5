/* links: cli/verbs.c cli/args.c cli/show.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Arguments, the table of verbs, and tables for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/show.h"
#include "cli/verbs.h"
#include "core/auto.h"

/* In the place of cli.c and the cmd files: which one ran. */
const struct arg_option cli_common[] = {
	{"root", "DIR", "elsewhere", false},
	{"json", NULL, "JSON", false},
	{"help", NULL, "help", false},
	{0},
};

int cli_error(const struct cli *cli, const char *format, ...)
{
	(void)cli;
	(void)format;
	return CLI_ERROR;
}

#define STUB(name)                                                                                 \
	int name(struct cli *cli, const struct args *args)                                         \
	{                                                                                          \
		cli->program = #name;                                                              \
		return (int)args->word_count + 10;                                                 \
	}
STUB(cmd_init)
STUB(cmd_invite)
STUB(cmd_join)
STUB(cmd_leave)
STUB(cmd_remove)
STUB(cmd_why)
STUB(cmd_cordon)
STUB(cmd_drain)
STUB(cmd_maintenance)
STUB(cmd_resume)
STUB(cmd_pool_create)
STUB(cmd_pool_join)
STUB(cmd_pool_leave)
STUB(cmd_pool_list)
STUB(cmd_status)
STUB(cmd_wait)
STUB(cmd_health)
STUB(cmd_health_explain)
STUB(cmd_health_check)
STUB(cmd_health_codes)
STUB(cmd_health_lint)
STUB(cmd_health_set)
STUB(cmd_health_rules)
STUB(cmd_pool_set)
STUB(cmd_pool_settings)
STUB(cmd_trash_list)
STUB(cmd_trash_restore)
STUB(cmd_trash_empty)
STUB(cmd_conflicts_list)
STUB(cmd_conflicts_show)
STUB(cmd_conflicts_diff)
STUB(cmd_conflicts_resolve)
STUB(cmd_settings)

static int count(const char *const *words)
{
	int n = 0;

	while (words[n])
		n++;
	return n;
}

static void test_arguments(void **state)
{
	static const struct arg_option own[] = {{"pool", "NAME", "", true},
						{"ttl", "TIME", "", false},
						{"force", NULL, "", false},
						{0}};
	static const struct {
		const char *argv[6];
		const char *error; /* NULL: taken */
		size_t words;
	} rows[] = {
		{{"a", "b"}, NULL, 2},
		{{"--pool", "x", "a", "--pool=y"}, NULL, 1},
		{{"--ttl", "1h"}, NULL, 0},
		{{"--force", "a"}, NULL, 1},
		{{"--", "--force", "-x"}, NULL, 2},
		{{"-"}, NULL, 1},
		{{"--ttl=", "a"}, NULL, 1},
		{{"-h"}, NULL, 0},
		{{"--ttl"}, "--ttl needs a value: --ttl TIME", 0},
		{{"--ttl", "1h", "--ttl", "2h"}, "--ttl is given twice", 0},
		{{"--force=1"}, "--force takes no value", 0},
		{{"--forc"}, "there is no option --forc here", 0},
		{{"--"
		  "pool-x=1"},
		 "there is no option --pool-x=1 here",
		 0},
		{{"-f"}, "there is no option -f here; options are written out, like --help", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct args args;
		char error[256] = "";
		int argc = count(rows[i].argv);
		int r = args_parse(argc, (char **)(uintptr_t)rows[i].argv, own, cli_common, &args,
				   error, sizeof(error));

		assert_string_equal(error, rows[i].error ? rows[i].error : "");
		assert_int_equal(r, rows[i].error ? MA_EUSAGE : 0);
		if (!rows[i].error)
			assert_int_equal(args.word_count, rows[i].words);
	}
}

static void test_repeated_option(void **state)
{
	static const struct arg_option own[] = {{"pool", "NAME", "", true}, {0}};
	const char *const argv[] = {"--pool", "x", "--pool=y", NULL};
	struct args args;
	char error[256];

	(void)state;
	assert_int_equal(
		args_parse(3, (char **)(uintptr_t)argv, own, NULL, &args, error, sizeof(error)), 0);
	assert_string_equal(args_get_nth(&args, "pool", 0), "x");
	assert_string_equal(args_get_nth(&args, "pool", 1), "y");
	assert_null(args_get_nth(&args, "pool", 2));
	assert_false(args_has(&args, "root"));
}

static void test_too_many(void **state)
{
	static const struct arg_option own[] = {{"pool", "NAME", "", true}, {0}};
	char option[] = "--pool=x";
	char word[] = "word";
	char *argv[ARGS_OPTIONS_MAX + 1];
	struct args args;
	char error[256];

	(void)state;
	for (size_t i = 0; i <= ARGS_OPTIONS_MAX; i++)
		argv[i] = option;
	assert_int_equal(args_parse(ARGS_OPTIONS_MAX, argv, own, NULL, &args, error, sizeof(error)),
			 0);
	assert_int_equal(
		args_parse(ARGS_OPTIONS_MAX + 1, argv, own, NULL, &args, error, sizeof(error)),
		MA_EUSAGE);
	for (size_t i = 0; i <= ARGS_WORDS_MAX; i++)
		argv[i] = word;
	assert_int_equal(args_parse(ARGS_WORDS_MAX, argv, own, NULL, &args, error, sizeof(error)),
			 0);
	assert_int_equal(
		args_parse(ARGS_WORDS_MAX + 1, argv, own, NULL, &args, error, sizeof(error)),
		MA_EUSAGE);
}

/* Each verb is found by its own name, takes the number of words that it says, and has a help. */
static void test_verbs(void **state)
{
	static const struct {
		const char *words[5];
		const char *runs; /* NULL: no such verb */
		int result;
	} rows[] = {
		{{"init"}, "cmd_init", 10},
		{{"init", "x"}, "", CLI_ERROR},
		{{"invite"}, "cmd_invite", 10},
		{{"join", "a", "t"}, "cmd_join", 12},
		{{"join", "a"}, "", CLI_ERROR},
		{{"leave"}, "cmd_leave", 10},
		{{"remove", "n2"}, "cmd_remove", 11},
		{{"remove"}, "", CLI_ERROR},
		{{"why", "n2"}, "cmd_why", 11},
		{{"why"}, "", CLI_ERROR},
		{{"drain", "n2"}, "cmd_drain", 11},
		{{"maintenance", "n2"}, "cmd_maintenance", 11},
		{{"resume", "n2"}, "cmd_resume", 11},
		{{"pool", "create", "web"}, "cmd_pool_create", 11},
		{{"pool", "create"}, "", CLI_ERROR},
		{{"pool", "join", "web"}, "cmd_pool_join", 11},
		{{"pool", "leave", "web"}, "cmd_pool_leave", 11},
		{{"pool", "list"}, "cmd_pool_list", 10},
		{{"pool", "settings", "web"}, "cmd_pool_settings", 11},
		{{"pool", "set", "web"}, "", CLI_ERROR},
		{{"pool", "set", "web", "a=b"}, "cmd_pool_set", 12},
		{{"status"}, "cmd_status", 10},
		{{"wait"}, "cmd_wait", 10},
		{{"health"}, "cmd_health", 10},
		{{"health", "n2"}, "cmd_health", 11},
		{{"health", "explain", "r"}, "cmd_health_explain", 11},
		{{"health", "explain", "n2", "r"}, "cmd_health_explain", 12},
		{{"health", "check"}, "", CLI_ERROR},
		{{"health", "codes"}, "cmd_health_codes", 10},
		{{"health", "lint"}, "cmd_health_lint", 10},
		{{"health", "set", "web", "f"}, "cmd_health_set", 12},
		{{"wait", "web@64:1"}, "cmd_wait", 11},
		{{"trash"}, "cmd_trash_list", 10},
		{{"trash", "restore", "a", "b"}, "cmd_trash_restore", 12},
		{{"trash", "empty"}, "cmd_trash_empty", 10},
		{{"conflicts"}, "cmd_conflicts_list", 10},
		{{"conflicts", "list"}, "cmd_conflicts_list", 10},
		{{"conflicts", "show", "f"}, "cmd_conflicts_show", 11},
		{{"conflicts", "diff"}, "", CLI_ERROR},
		{{"conflicts", "resolve"}, "cmd_conflicts_resolve", 10},
		{{"conflicts", "nonsense"}, "", CLI_ERROR},
		{{"settings"}, "cmd_settings", 10},
		{{"pool"}, NULL, 0},
		{{"pool", "x"}, NULL, 0},
		{{"stat"}, NULL, 0},
		{{""}, NULL, 0},
	};
	struct args args;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cli cli = {.program = ""};
		size_t used = 0;
		size_t words = (size_t)count(rows[i].words);
		const struct verb *verb = verb_find(rows[i].words, words, &used);

		assert_int_equal(verb != NULL, rows[i].runs != NULL);
		if (!verb)
			continue;
		args = (struct args){.word_count = words - used};
		assert_int_equal(verb_run(&cli, verb, &args), rows[i].result);
		assert_string_equal(cli.program, rows[i].runs);
	}
}

static void test_help_names_everything(void **state)
{
	(void)state;
	for (size_t i = 0; i < verbs_count; i++) {
		AUTO_FREE char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);

		verb_help(out, &verbs[i]);
		verbs_help(out);
		(void)fclose(out);
		assert_non_null(strstr(text, verbs[i].name));
		assert_non_null(strstr(text, verbs[i].line));
		for (const struct arg_option *o = verbs[i].options; o && o->name; o++)
			assert_non_null(strstr(text, o->help));
		for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
			assert_in_range(strlen(line), 0, 100);
	}
}

static void test_table(void **state)
{
	static const char *const heads[] = {"NODE", "#SIZE", "", NULL};
	AUTO_FREE char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct table table;

	(void)state;
	table_init(&table, heads);
	table_print(&table, out, false, "");
	table_add(&table, SHOW_GOOD, "n%d", 1);
	table_add(&table, SHOW_PLAIN, "1.5 MiB");
	table_add(&table, SHOW_PLAIN, "%s", "");
	table_add(&table, SHOW_PLAIN, "\xc3\xa4\xc3\xb6.example");
	table_add(&table, SHOW_PLAIN, "7 B");
	table_add(&table, SHOW_BAD, "\033[2J evil\ntext");
	table_print(&table, out, false, "  ");
	table_print(&table, out, true, "");
	table_free(&table);
	(void)fclose(out);
	assert_string_equal(text,
			    "  NODE           SIZE\n"
			    "  n1          1.5 MiB\n"
			    "  \xc3\xa4\xc3\xb6.example      7 B  ?[2J evil text\n"
			    "\033[2mNODE\033[0m           \033[2mSIZE\033[0m\n"
			    "\033[32mn1\033[0m          1.5 MiB\n"
			    "\xc3\xa4\xc3\xb6.example      7 B  \033[31m?[2J evil text\033[0m\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_repeated_option),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_help_names_everything),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
