/* SPDX-License-Identifier: Apache-2.0
 * Verbs about the baseline: health, health explain, check, codes, lint, set, rules.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/show.h"
#include "core/auto.h"
#include "core/io.h"
#include "core/units.h"

#define TEXT_MAX (48u << 10) /* of rules; fits a request */

enum nagios { NAGIOS_OK = 0, NAGIOS_WARNING = 1, NAGIOS_CRITICAL = 2, NAGIOS_UNKNOWN = 3 };

static enum show_color color_of(const char *severity)
{
	if (strcmp(severity, "ok") == 0)
		return SHOW_GOOD;
	if (strcmp(severity, "critical") == 0)
		return SHOW_BAD;
	if (strcmp(severity, "degraded") == 0 || strcmp(severity, "unknown") == 0)
		return SHOW_WAIT;
	return SHOW_DIM;
}

/* How bad, as a plugin says it. */
static enum nagios exit_of(const char *severity)
{
	if (strcmp(severity, "critical") == 0)
		return NAGIOS_CRITICAL;
	if (strcmp(severity, "degraded") == 0)
		return NAGIOS_WARNING;
	if (strcmp(severity, "unknown") == 0)
		return NAGIOS_UNKNOWN;
	return NAGIOS_OK;
}

static void add_rule(struct table *table, const json_t *rule)
{
	const char *severity = json_get_text(rule, "severity", "?");
	int64_t code = json_get_int(rule, "code", 0);
	const char *pool = json_get_text(rule, "pool", "");
	const char *effect = json_get_text(rule, "effect", "none");
	char since[UNITS_TEXT_MAX];

	duration_text((double)json_get_int(rule, "since_s", 0), since, sizeof(since));
	if (code)
		table_add(table, color_of(severity), "SBM-%04d", (int)code);
	else
		table_add(table, SHOW_GOOD, "ok");
	table_add(table, SHOW_BOLD, "%s", json_get_text(rule, "rule", "?"));
	table_add(table, SHOW_PLAIN, "%s", pool);
	table_add(table, SHOW_PLAIN, "%s", since);
	table_add(table, SHOW_WAIT, "%s%s", strcmp(effect, "none") == 0 ? "" : effect,
		  json_get_bool(rule, "flapping", false) ? " flapping" : "");
	table_add(table, SHOW_PLAIN, "%s", json_get_text(rule, "text", ""));
}

static void print_list(const json_t *list, const char *key)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const char *text = key ? json_get_text(item, key, "") : json_string_value(item);

		if (text && text[0])
			(void)printf("  %s%s\n", text,
				     key && json_get_bool(item, "last_good_used", false)
					     ? " (its last good text is in force)"
					     : "");
	}
}

static void print_health(const struct cli *cli, const json_t *health)
{
	static const char *const heads[] = {"CODE", "RULE", "POOL", "FOR", "EFFECT", "", NULL};
	const char *severity = json_get_text(health, "severity", "?");
	const json_t *rules = json_object_get(health, "rules");
	const char *effect = json_get_text(health, "effect", "none");
	struct table table;
	const json_t *rule;
	size_t i;

	(void)printf("%s: ", json_get_text(health, "node", "?"));
	show_text(stdout, cli->color, color_of(severity), severity);
	if (json_get_int(health, "code", 0))
		(void)printf(", SBM-%04d %s", (int)json_get_int(health, "code", 0),
			     json_get_text(health, "text", ""));
	if (strcmp(effect, "none") != 0)
		(void)printf("; effect: %s", effect);
	(void)puts(json_get_bool(health, "known", false) || json_array_size(rules) ? "\n" : "");
	table_init(&table, heads);
	json_array_foreach (rules, i, rule)
		add_rule(&table, rule);
	table_print(&table, stdout, cli->color, "  ");
	table_free(&table);
	if (json_array_size(json_object_get(health, "notes")))
		(void)puts("\nWorth a look (multiall health lint):");
	print_list(json_object_get(health, "notes"), NULL);
	print_list(json_object_get(health, "sources"), "error");
}

int cmd_health(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *answer = NULL;
	AUTO_JSON json_t *request = json_pack("{s:s}", "verb", "health");

	if (args->word_count && json_object_set_new(request, "node", json_text(args->words[0])) < 0)
		return cli_error(cli, "no memory");
	int result = cli_ask(cli, false, json_incref(request), &answer);
	if (result != CLI_DONE)
		return result;
	const json_t *health = json_object_get(answer, "health");
	if (cli->json)
		cli_print_json(health);
	else
		print_health(cli, health);
	return exit_of(json_get_text(health, "severity", "unknown")) == NAGIOS_OK ? CLI_DONE
										  : CLI_NO;
}

static void print_explained(const struct cli *cli, const json_t *rule)
{
	static const char *const heads[] = {"FIELD", "VALUE", "FROM", "SCOPE", "", NULL};
	const json_t *fields = json_object_get(rule, "fields");
	struct table table;
	const json_t *field;
	size_t i;

	(void)printf("%s%s%s: SBM-%04d, %s: %s\n", json_get_text(rule, "rule", "?"),
		     json_get_text(rule, "pool", "")[0] ? " of pool " : "",
		     json_get_text(rule, "pool", ""), (int)json_get_int(rule, "code", 0),
		     json_get_text(rule, "severity", "?"), json_get_text(rule, "text", ""));
	table_init(&table, heads);
	json_array_foreach (fields, i, field) {
		AUTO_FREE char *value = strdup(json_get_text(field, "value", ""));

		for (char *at = value; at && *at; at++)
			*at = *at == '\n' ? ' ' : *at;
		table_add(&table, SHOW_BOLD, "%s", json_get_text(field, "field", "?"));
		table_add(&table, SHOW_PLAIN, "%s", value ? value : "?");
		table_add(&table, SHOW_PLAIN, "%s", json_get_text(field, "source", ""));
		table_add(&table, SHOW_DIM, "%s", json_get_text(field, "scope", ""));
		if (json_get_text(field, "reason", NULL))
			table_add(&table, SHOW_WAIT, "%s (%s)", json_get_text(field, "reason", ""),
				  json_get_text(field, "by", ""));
		else
			table_add(&table, SHOW_WAIT, "%s",
				  json_get_bool(field, "locked", false) ? "locked" : "");
	}
	table_print(&table, stdout, cli->color, "  ");
	table_free(&table);
}

int cmd_health_explain(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *answer = NULL;
	const char *node = args->word_count > 1 ? args->words[0] : "";
	int result = cli_ask(cli, false,
			     json_pack("{s:s, s:o, s:o}", "verb", "health-explain", "node",
				       json_text(node), "rule",
				       json_text(args->words[args->word_count - 1])),
			     &answer);
	const json_t *rule;
	size_t i;

	if (result != CLI_DONE)
		return result;
	if (cli->json) {
		cli_print_json(json_object_get(answer, "rules"));
		return CLI_DONE;
	}
	json_array_foreach (json_object_get(answer, "rules"), i, rule)
		print_explained(cli, rule);
	return CLI_DONE;
}

/* The worst of the list, by what a plugin would say: critical, unknown, warning, ok. */
static const json_t *worst_of(const json_t *rules)
{
	static const int order[] = {0, 1, 3, 2};
	const json_t *worst = NULL;
	const json_t *rule;
	size_t i;

	json_array_foreach (rules, i, rule) {
		if (!worst || order[exit_of(json_get_text(rule, "severity", ""))] >
				      order[exit_of(json_get_text(worst, "severity", ""))])
			worst = rule;
	}
	return worst;
}

/* A Nagios plugin itself: one line, performance data, exit status 0 to 3. */
int cmd_health_check(struct cli *cli, const struct args *args)
{
	static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
	AUTO_JSON json_t *answer = NULL;
	int result = cli_ask(
		cli, false,
		json_pack("{s:s, s:o}", "verb", "health-check", "rule", json_text(args->words[0])),
		&answer);

	if (result != CLI_DONE) {
		(void)printf("UNKNOWN: %s cannot be looked up\n", args->words[0]);
		return NAGIOS_UNKNOWN;
	}
	const json_t *rule = worst_of(json_object_get(answer, "rules"));
	enum nagios status = exit_of(json_get_text(rule, "severity", "unknown"));
	const char *perfdata = json_get_text(rule, "perfdata", "");
	const char *pool = json_get_text(rule, "pool", "");
	if (cli->json) {
		cli_print_json(rule);
		return (int)status;
	}
	(void)printf("%s - SBM-%04d %s%s%s: ", words[status], (int)json_get_int(rule, "code", 0),
		     json_get_text(rule, "rule", "?"), pool[0] ? "@" : "", pool);
	show_text(stdout, false, SHOW_PLAIN, json_get_text(rule, "text", ""));
	(void)printf("%s%s\n", perfdata[0] ? " | " : "", perfdata);
	return (int)status;
}

static void print_codes(const struct cli *cli, const json_t *codes)
{
	static const char *const code_heads[] = {"#CODE", "CONDITION", NULL};
	static const char *const check_heads[] = {"CHECK", "WORDS", "#CODE", "UNIT",
						  "WARN",  "CRIT",  "",      NULL};
	struct table table;
	const json_t *row;
	size_t i;

	(void)puts("SBM-SDCC: S 0 ok, 1 notice, 2 degraded, 3 critical, 4 unknown or stale,\n"
		   "5 administrative; D and CC as follows.\n");
	table_init(&table, code_heads);
	json_array_foreach (json_object_get(codes, "conditions"), i, row) {
		table_add(&table, SHOW_BOLD, "x%03d", (int)json_get_int(row, "condition", 0));
		table_add(&table, SHOW_PLAIN, "%s", json_get_text(row, "text", ""));
	}
	table_print(&table, stdout, cli->color, "  ");
	table_free(&table);
	(void)fputc('\n', stdout);
	table_init(&table, check_heads);
	json_array_foreach (json_object_get(codes, "checks"), i, row) {
		table_add(&table, SHOW_BOLD, "%s", json_get_text(row, "check", ""));
		table_add(&table, SHOW_PLAIN, "%s", json_get_text(row, "words", ""));
		table_add(&table, SHOW_PLAIN, "x%03d", (int)json_get_int(row, "condition", 0));
		table_add(&table, SHOW_PLAIN, "%s", json_get_text(row, "unit", ""));
		table_add(&table, SHOW_PLAIN, "%s", json_get_text(row, "warn", ""));
		table_add(&table, SHOW_PLAIN, "%s", json_get_text(row, "crit", ""));
		table_add(&table, SHOW_DIM, "%s", json_get_text(row, "help", ""));
	}
	table_print(&table, stdout, cli->color, "  ");
	table_free(&table);
}

int cmd_health_codes(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *answer = NULL;
	int result = cli_ask(cli, false, json_pack("{s:s}", "verb", "health-codes"), &answer);

	(void)args;
	if (result != CLI_DONE)
		return result;
	if (cli->json)
		cli_print_json(json_object_get(answer, "codes"));
	else
		print_codes(cli, json_object_get(answer, "codes"));
	return CLI_DONE;
}

/* The text of a file ("-": standard input) as a JSON text; NULL: said why. */
static json_t *file_text(const struct cli *cli, const char *path)
{
	AUTO_FREE uint8_t *data = NULL;
	size_t size = 0;
	int r = file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, TEXT_MAX, &data, &size);

	if (r < 0) {
		(void)cli_error(cli, "cannot read %s: %s", path, err_text(r));
		return NULL;
	}
	json_t *text = json_stringn((const char *)data, size);
	if (!text)
		(void)cli_error(cli, "%s is not UTF-8", path);
	return text;
}

/* 1 if something is wrong; notes alone are no reason for that. */
static int print_lint(const struct cli *cli, const json_t *lint)
{
	const json_t *sources = json_object_get(lint, "sources");
	const json_t *notes = json_object_get(lint, "notes");
	const json_t *source;
	bool bad = false;
	size_t i;

	json_array_foreach (sources, i, source)
		bad = bad || json_get_text(source, "error", "")[0];
	if (cli->json) {
		cli_print_json(lint);
		return bad ? CLI_NO : CLI_DONE;
	}
	if (bad)
		(void)puts("Wrong, and not in force:");
	print_list(sources, "error");
	if (json_array_size(notes))
		(void)puts("Worth a look:");
	print_list(notes, NULL);
	if (!bad)
		(void)printf("%d rules, nothing wrong.\n", (int)json_get_int(lint, "rules", 0));
	return bad ? CLI_NO : CLI_DONE;
}

int cmd_health_lint(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *answer = NULL;
	const char *pool = args_get(args, "pool");
	AUTO_JSON json_t *request =
		json_pack("{s:s, s:o}", "verb", "health-lint", "pool", json_text(pool ? pool : ""));
	json_t *text = args->word_count ? file_text(cli, args->words[0]) : NULL;

	if (args->word_count && !text)
		return CLI_ERROR;
	if (text && json_object_set_new(request, "text", text) < 0)
		return cli_error(cli, "no memory");
	int result = cli_ask(cli, false, json_incref(request), &answer);
	if (result != CLI_DONE)
		return result;
	return print_lint(cli, json_object_get(answer, "lint"));
}

int cmd_health_set(struct cli *cli, const struct args *args)
{
	json_t *text = file_text(cli, args->words[1]);

	if (!text)
		return CLI_ERROR;
	return cli_ask_and_print(cli, json_pack("{s:s, s:o, s:o}", "verb", "health-set", "pool",
						json_text(args->words[0]), "text", text));
}

int cmd_health_rules(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *answer = NULL;
	int result = cli_ask(
		cli, false,
		json_pack("{s:s, s:o}", "verb", "health-rules", "pool", json_text(args->words[0])),
		&answer);

	if (result != CLI_DONE)
		return result;
	if (cli->json)
		cli_print_json(answer);
	else
		(void)fputs(json_get_text(answer, "text", ""), stdout);
	return CLI_DONE;
}
