/* SPDX-License-Identifier: Apache-2.0
 * Verbs about who is here: why, cordon, drain, maintenance, resume.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/show.h"
#include "core/auto.h"
#include "core/units.h"

static void print_observers(const struct cli *cli, const json_t *list)
{
	static const char *const heads[] = {"NODE", "SAYS", "", NULL};
	struct table table;
	const json_t *one;
	size_t i;

	table_init(&table, heads);
	json_array_foreach (list, i, one) {
		bool counts = json_get_bool(one, "counts", false);

		table_add(&table, SHOW_BOLD, "%s", json_get_text(one, "node", "?"));
		table_add(&table, counts ? SHOW_PLAIN : SHOW_DIM, "%s",
			  json_get_text(one, "says", "?"));
		table_add(&table, SHOW_DIM, "%s", counts ? "" : "out of reach: does not count");
	}
	if (table.used)
		(void)fputc('\n', stdout);
	table_print(&table, stdout, cli->color, "  ");
	table_free(&table);
}

static void print_history(const struct cli *cli, const json_t *list)
{
	static const char *const heads[] = {"WHEN", "WAS", "BECAME", "SINCE", NULL};
	struct table table;
	const json_t *one;
	size_t i;

	table_init(&table, heads);
	json_array_foreach (list, i, one) {
		table_add(&table, SHOW_PLAIN, "%s", json_get_text(one, "time", ""));
		table_add(&table, SHOW_DIM, "%s", json_get_text(one, "before", ""));
		table_add(&table, SHOW_PLAIN, "%s", json_get_text(one, "state", ""));
		table_add(&table, SHOW_DIM, "%s", json_get_text(one, "cause", ""));
	}
	if (table.used)
		(void)fputc('\n', stdout);
	table_print(&table, stdout, cli->color, "  ");
	table_free(&table);
}

static void print_why(const struct cli *cli, const json_t *answer)
{
	const json_t *downtime = json_object_get(answer, "downtime");
	double ready = json_get_real(answer, "ready_in_s", 0);
	char since[UNITS_TEXT_MAX];
	char text[256];

	duration_text(json_get_real(answer, "since_s", 0), since, sizeof(since));
	(void)snprintf(text, sizeof(text), "%s is %s, for %s: ", json_get_text(answer, "node", "?"),
		       json_get_text(answer, "state", "?"), since);
	show_text(stdout, cli->color, SHOW_BOLD, text);
	show_text(stdout, cli->color, SHOW_PLAIN, json_get_text(answer, "cause", "?"));
	(void)fputc('\n', stdout);
	if (json_get_int(answer, "health", 0))
		(void)puts("It is not fit to judge others at the moment: its own clock runs late.");
	if (ready > 0) {
		duration_text(ready, since, sizeof(since));
		(void)printf("It came back lately, and may be relied on again in %s.\n", since);
	}
	if (downtime) {
		duration_text(json_get_real(downtime, "left_s", 0), since, sizeof(since));
		(void)snprintf(text, sizeof(text), "Planned, for %s more, on %s: ", since,
			       json_get_text(downtime, "by", "?"));
		show_text(stdout, cli->color, SHOW_PLAIN, text);
		show_text(stdout, cli->color, SHOW_PLAIN, json_get_text(downtime, "reason", ""));
		(void)fputc('\n', stdout);
	}
	print_observers(cli, json_object_get(answer, "observers"));
	print_history(cli, json_object_get(answer, "history"));
}

int cmd_why(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *answer = NULL;
	int result = cli_ask(
		cli, false,
		json_pack("{s:s, s:o}", "verb", "why", "node", json_text(args->words[0])), &answer);

	if (result != CLI_DONE)
		return result;
	if (cli->json)
		cli_print_json(answer);
	else
		print_why(cli, answer);
	return CLI_DONE;
}

static int plan(struct cli *cli, const struct args *args, const char *kind)
{
	const char *length = args_get(args, "for");
	const char *reason = args_get(args, "reason");
	uint64_t for_s = 0;

	if (!length || !reason)
		return cli_error(cli,
				 "%s needs an end and a reason: multiall %s %s --for 2h --reason "
				 "\"new disk\"",
				 kind, kind, args->words[0]);
	if (duration_parse(length, &for_s) < 0 || for_s > INT32_MAX)
		return cli_error(cli, "--for %s: not a duration; write 90s, 30m, 2h or 7d", length);
	return cli_ask_and_print(
		cli, json_pack("{s:s, s:s, s:o, s:I, s:o, s:b, s:b}", "verb", "plan", "kind", kind,
			       "node", json_text(args->words[0]), "for_s", (json_int_t)for_s,
			       "reason", json_text(reason), "wait", args_has(args, "wait"), "force",
			       args_has(args, "force")));
}

int cmd_cordon(struct cli *cli, const struct args *args)
{
	return plan(cli, args, "cordon");
}

int cmd_drain(struct cli *cli, const struct args *args)
{
	return plan(cli, args, "drain");
}

int cmd_maintenance(struct cli *cli, const struct args *args)
{
	return plan(cli, args, "maintenance");
}

int cmd_resume(struct cli *cli, const struct args *args)
{
	return cli_ask_and_print(cli,
				 json_pack("{s:s, s:s, s:o, s:s}", "verb", "plan", "kind", "resume",
					   "node", json_text(args->words[0]), "reason", "resumed"));
}
