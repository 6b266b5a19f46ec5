/* SPDX-License-Identifier: Apache-2.0
 * Verbs about what other nodes removed: list, restore, empty.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/show.h"
#include "core/auto.h"
#include "core/units.h"

static json_t *request_for(const struct args *args, const char *verb)
{
	const char *pool = args_get(args, "pool");
	json_t *request = json_pack("{s:s}", "verb", verb);

	if (pool && request)
		(void)json_object_set_new(request, "pool", json_text(pool));
	return request;
}

static void print_list(const struct cli *cli, const json_t *answer)
{
	static const char *const heads[] = {"FILE", "#SIZE", "#REMOVED", "", NULL};
	const json_t *list = json_object_get(answer, "trash");
	const json_t *file;
	struct table table;
	size_t i;

	if (json_array_size(list) == 0) {
		(void)puts("There is nothing in the trash of this node.");
		return;
	}
	table_init(&table, heads);
	json_array_foreach (list, i, file) {
		char text[UNITS_TEXT_MAX];

		table_add(&table, SHOW_PLAIN, "%s", json_get_text(file, "path", "?"));
		size_text((uint64_t)json_get_int(file, "bytes", 0), text, sizeof(text));
		table_add(&table, SHOW_PLAIN, "%s", text);
		duration_text((double)time(NULL) - json_get_real(file, "removed", 0), text,
			      sizeof(text));
		table_add(&table, SHOW_PLAIN, "%s ago", text);
		table_add(&table, SHOW_WAIT, "%s",
			  json_get_bool(file, "brake", false) ? "kept by the brake" : "");
	}
	table_print(&table, stdout, cli->color, "");
	table_free(&table);
	(void)puts(json_get_bool(answer, "more", false)
			   ? "\nThere are more; these are the first."
			   : "\nTo bring one back: multiall trash restore FILE");
}

int cmd_trash_list(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *answer = NULL;
	int result = cli_ask(cli, false, request_for(args, "trash"), &answer);

	if (result != CLI_DONE)
		return result;
	if (cli->json)
		cli_print_json(answer);
	else
		print_list(cli, answer);
	return CLI_DONE;
}

/* Absolute, without a slash at the end. The directory may be gone, so nothing is looked up. */
static char *full_path(const char *path)
{
	AUTO_FREE char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
	char *full = NULL;

	if ((path[0] != '/' && !here) ||
	    asprintf(&full, "%s%s%s", here ? here : "", here ? "/" : "", path) < 0)
		return NULL;
	for (size_t n = strlen(full); n > 1 && full[n - 1] == '/'; n--)
		full[n - 1] = '\0';
	return full;
}

static void print_restored(const struct cli *cli, const json_t *answer)
{
	const json_t *file;
	size_t i;

	json_array_foreach (json_object_get(answer, "files"), i, file) {
		const char *error = json_get_text(file, "error", "");

		if (error[0])
			(void)cli_error(cli, "%s: %s; it stays in the trash",
					json_get_text(file, "path", "?"), error);
		else
			(void)printf("restored %s\n", json_get_text(file, "path", "?"));
	}
	if (json_get_bool(answer, "more", false))
		(void)printf("... %lld in all\n", (long long)json_get_int(answer, "restored", 0));
}

static int restore(struct cli *cli, const struct args *args, const char *path)
{
	AUTO_FREE char *full = path ? full_path(path) : NULL;
	AUTO_JSON json_t *answer = NULL;
	json_t *request = request_for(args, "trash-restore");

	if (full)
		(void)json_object_set_new(request, "path", json_text(full));
	int result = cli_ask(cli, false, request, &answer);
	if (result != CLI_DONE)
		return result;
	if (cli->json)
		cli_print_json(answer);
	else
		print_restored(cli, answer);
	if (path && json_array_size(json_object_get(answer, "files")) == 0) {
		(void)cli_error(cli,
				"%s is not in the trash of this node; multiall trash lists what "
				"is",
				path);
		return CLI_NO;
	}
	return json_get_int(answer, "left", 0) ? CLI_NO : CLI_DONE;
}

int cmd_trash_restore(struct cli *cli, const struct args *args)
{
	int worst = CLI_DONE;

	if (args_has(args, "all") == (args->word_count > 0))
		return cli_error(cli, "name what is to come back, or say --all");
	if (args->word_count == 0)
		return restore(cli, args, NULL);
	for (size_t i = 0; i < args->word_count; i++) {
		int result = restore(cli, args, args->words[i]);

		worst = result > worst ? result : worst;
	}
	return worst;
}

int cmd_trash_empty(struct cli *cli, const struct args *args)
{
	return cli_ask_and_print(cli, request_for(args, "trash-empty"));
}
