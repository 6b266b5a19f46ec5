/* SPDX-License-Identifier: Apache-2.0
 * Verbs about pools: create, join, leave, list.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/show.h"
#include "core/auto.h"

int cmd_pool_create(struct cli *cli, const struct args *args)
{
	const char *adopt = args_get(args, "adopt");
	AUTO_FREE char *full = adopt ? realpath(adopt, NULL) : NULL;
	json_t *request =
		json_pack("{s:s, s:o}", "verb", "pool-create", "name", json_text(args->words[0]));

	if (adopt && !full) {
		json_decref(request);
		return cli_error(cli, "--adopt %s: %s", adopt, err_text(-errno));
	}
	if (full && request)
		(void)json_object_set_new(request, "adopt", json_string(full));
	if (full && request && !json_object_get(request, "adopt")) {
		json_decref(request);
		return cli_error(cli, "--adopt %s: the path is not UTF-8; rename it first", adopt);
	}
	return cli_ask_and_print(cli, request);
}

int cmd_pool_join(struct cli *cli, const struct args *args)
{
	return cli_ask_and_print(cli, json_pack("{s:s, s:o}", "verb", "pool-join", "name",
						json_text(args->words[0])));
}

int cmd_pool_leave(struct cli *cli, const struct args *args)
{
	return cli_ask_and_print(cli, json_pack("{s:s, s:o, s:b}", "verb", "pool-leave", "name",
						json_text(args->words[0]), "force",
						args_has(args, "force")));
}

static bool holds_name(const json_t *names, const json_t *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (names, i, entry) {
		if (json_equal(json_is_object(entry) ? json_object_get(entry, "name") : entry,
			       name))
			return true;
	}
	return false;
}

/* Pools that other members hold and this node does not. */
static json_t *pools_elsewhere(const json_t *status)
{
	const json_t *here = json_object_get(status, "pools");
	json_t *names = json_array();
	const json_t *member;
	json_t *name;
	size_t i, k;

	json_array_foreach (json_object_get(status, "members"), i, member) {
		const char *state = json_get_text(member, "state", "");

		if (strcmp(state, "left") == 0 || strcmp(state, "removed") == 0)
			continue;
		json_array_foreach (json_object_get(member, "pools"), k, name) {
			if (!holds_name(here, name) && !holds_name(names, name))
				(void)json_array_append(names, name);
		}
	}
	return names;
}

static void print_pools(const struct cli *cli, const json_t *pools, const json_t *elsewhere)
{
	static const char *const heads[] = {"POOL", "STATE", "MOUNT", "FILES IN", NULL};
	struct table table;
	const json_t *pool;
	size_t i;

	table_init(&table, heads);
	json_array_foreach (pools, i, pool) {
		bool mounted = json_get_bool(pool, "mounted", false);
		bool open = json_get_bool(pool, "open", false);

		table_add(&table, SHOW_BOLD, "%s", json_get_text(pool, "name", "?"));
		table_add(&table, mounted ? SHOW_GOOD : SHOW_BAD, "%s",
			  mounted ? "mounted"
			  : open  ? "not mounted"
				  : "not open");
		table_add(&table, SHOW_PLAIN, "%s", json_get_text(pool, "path", ""));
		table_add(&table, SHOW_PLAIN, "%s", json_get_text(pool, "backing", ""));
	}
	json_array_foreach (elsewhere, i, pool) {
		table_add(&table, SHOW_BOLD, "%s", json_string_value(pool));
		table_add(&table, SHOW_DIM, "on other nodes");
		table_add(&table, SHOW_DIM, "multiall pool join %s", json_string_value(pool));
		table_add(&table, SHOW_PLAIN, "%s", "");
	}
	if (table.used == 0)
		(void)puts(
			"There is no pool in this fleet yet. Make one with: multiall pool create "
			"NAME");
	table_print(&table, stdout, cli->color, "");
	table_free(&table);
}

int cmd_pool_list(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *answer = NULL;
	int result = cli_ask(cli, false, json_pack("{s:s}", "verb", "status"), &answer);

	(void)args;
	if (result != CLI_DONE)
		return result;
	const json_t *status = json_object_get(answer, "status");
	AUTO_JSON json_t *elsewhere = pools_elsewhere(status);
	if (!cli->json) {
		print_pools(cli, json_object_get(status, "pools"), elsewhere);
		return CLI_DONE;
	}
	AUTO_JSON json_t *value = json_pack("{s:O, s:O}", "pools", json_object_get(status, "pools"),
					    "elsewhere", elsewhere);
	cli_print_json(value);
	return CLI_DONE;
}

static void print_settings(const struct cli *cli, const json_t *settings)
{
	static const char *const heads[] = {"SETTING", "VALUE", "MAY BE", "", NULL};
	struct table table;
	const json_t *setting;
	size_t i;

	table_init(&table, heads);
	json_array_foreach (settings, i, setting) {
		table_add(&table, SHOW_BOLD, "%s", json_get_text(setting, "name", "?"));
		table_add(&table, SHOW_PLAIN, "%s", json_get_text(setting, "value", "?"));
		table_add(&table, SHOW_DIM, "%s", json_get_text(setting, "type", ""));
		table_add(&table, SHOW_DIM, "%s", json_get_text(setting, "help", ""));
	}
	table_print(&table, stdout, cli->color, "");
	table_free(&table);
}

int cmd_pool_settings(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *answer = NULL;
	int result = cli_ask(
		cli, false,
		json_pack("{s:s, s:o}", "verb", "pool-settings", "name", json_text(args->words[0])),
		&answer);

	if (result != CLI_DONE)
		return result;
	if (cli->json)
		cli_print_json(answer);
	else
		print_settings(cli, json_object_get(answer, "settings"));
	return CLI_DONE;
}

int cmd_pool_set(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *values = json_object();

	for (size_t i = 1; i < args->word_count; i++) {
		const char *equals = strchr(args->words[i], '=');
		AUTO_FREE char *key =
			equals ? strndup(args->words[i], (size_t)(equals - args->words[i])) : NULL;

		if (!key)
			return cli_error(cli,
					 "%s: write KEY=VALUE; multiall pool settings %s lists "
					 "the keys",
					 args->words[i], args->words[0]);
		if (json_object_set_new(values, key, json_text(equals + 1)) < 0)
			return cli_error(cli, "%s is not UTF-8", args->words[i]);
	}
	return cli_ask_and_print(cli, json_pack("{s:s, s:o, s:O}", "verb", "pool-set", "name",
						json_text(args->words[0]), "settings", values));
}
