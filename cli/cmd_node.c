/* SPDX-License-Identifier: Apache-2.0
 * Verbs about nodes: init, invite, join, leave, remove.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "core/auto.h"
#include "core/units.h"

/* Sets a text member if the option is there. */
static int set_option(json_t *request, const char *key, const char *value)
{
	return value ? json_object_set_new(request, key, json_text(value)) : 0;
}

int cmd_init(struct cli *cli, const struct args *args)
{
	json_t *request = json_pack("{s:s}", "verb", "init");

	if (set_option(request, "name", args_get(args, "name")) < 0 ||
	    set_option(request, "address", args_get(args, "address")) < 0) {
		json_decref(request);
		request = NULL;
	}
	return cli_ask_and_print(cli, request);
}

int cmd_invite(struct cli *cli, const struct args *args)
{
	const char *ttl = args_get(args, "ttl");
	uint64_t ttl_s = 3600;
	AUTO_JSON json_t *answer = NULL;
	AUTO_FREE char *line = NULL;

	if (ttl && duration_parse(ttl, &ttl_s) < 0)
		return cli_error(cli, "--ttl %s: not a duration; write 90s, 30m, 1h or 7d", ttl);
	if (ttl_s > INT64_MAX)
		ttl_s = INT64_MAX; /* refused there, with its bounds */
	int result = cli_ask(cli, true,
			     json_pack("{s:s, s:I}", "verb", "invite", "ttl_s", (json_int_t)ttl_s),
			     &answer);
	if (result != CLI_DONE)
		return result;
	if (asprintf(&line, "multiall join %s %s", json_get_text(answer, "address", ""),
		     json_get_text(answer, "token", "")) < 0)
		return cli_error(cli, "no memory");
	if (!cli->json) {
		(void)puts(line);
		return CLI_DONE;
	}
	(void)json_object_set_new(answer, "line", json_text(line));
	cli_print_json(answer);
	return CLI_DONE;
}

int cmd_join(struct cli *cli, const struct args *args)
{
	json_t *request =
		json_pack("{s:s, s:o, s:o, s:[]}", "verb", "join", "address",
			  json_text(args->words[0]), "token", json_text(args->words[1]), "pools");
	json_t *pools = json_object_get(request, "pools");
	bool good = set_option(request, "name", args_get(args, "name")) == 0 &&
		    set_option(request, "own_address", args_get(args, "address")) == 0 &&
		    set_option(request, "role", args_get(args, "role")) == 0;
	const char *pool;

	for (size_t i = 0; good && (pool = args_get_nth(args, "pool", i)); i++)
		good = json_array_append_new(pools, json_text(pool)) == 0;
	if (!good) {
		json_decref(request);
		request = NULL;
	}
	return cli_ask_and_print(cli, request);
}

int cmd_leave(struct cli *cli, const struct args *args)
{
	return cli_ask_and_print(
		cli, json_pack("{s:s, s:b}", "verb", "leave", "force", args_has(args, "force")));
}

int cmd_remove(struct cli *cli, const struct args *args)
{
	return cli_ask_and_print(
		cli, json_pack("{s:s, s:o}", "verb", "remove", "node", json_text(args->words[0])));
}
