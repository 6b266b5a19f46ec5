/* SPDX-License-Identifier: Apache-2.0
 * The verb settings: what the settings file says, what it leaves to the defaults, what can be set.
 */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/show.h"
#include "core/auto.h"
#include "core/settings.h"

static json_t *settings_json(const struct cli *cli, const struct settings *settings)
{
	json_t *keys = json_array();

	for (size_t i = 0; i < SETTINGS_KEYS; i++) {
		const struct setting *setting = &settings_table[i];

		(void)json_array_append_new(
			keys, json_pack("{s:s, s:o, s:b, s:i, s:s, s:s, s:s}", "key", setting->name,
					"value", json_text(settings->text[i]), "default",
					settings->line[i] == 0, "line", settings->line[i], "type",
					setting->type, "default_value", setting->value, "help",
					setting->help));
	}
	return json_pack("{s:o, s:o}", "file", json_text(cli->places.settings), "settings", keys);
}

int cmd_settings(struct cli *cli, const struct args *args)
{
	struct settings settings;
	char error[512];

	(void)args;
	if (settings_read(cli->places.settings, &settings, error, sizeof(error)) < 0)
		return cli_error(cli, "%s", error);
	if (cli->json) {
		AUTO_JSON json_t *value = settings_json(cli, &settings);
		cli_print_json(value);
		return CLI_DONE;
	}
	bool there = access(cli->places.settings, F_OK) == 0;
	(void)printf("%s %s The daemon reads it when it starts.\n", cli->places.settings,
		     there ? "is in order." : "is not there: all defaults.");
	for (size_t i = 0; i < SETTINGS_KEYS; i++) {
		(void)fputc('\n', stdout);
		show_text(stdout, cli->color, SHOW_BOLD, settings_table[i].name);
		(void)fputs(" = ", stdout);
		show_text(stdout, cli->color, SHOW_PLAIN, settings.text[i]);
		if (settings.line[i])
			(void)printf("   (line %d)\n", settings.line[i]);
		else
			(void)fputs("   (default)\n", stdout);
		(void)printf("    %s\n    Takes: %s.\n", settings_table[i].help,
			     settings_table[i].type);
	}
	return CLI_DONE;
}
