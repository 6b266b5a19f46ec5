/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/auto.h"

const struct arg_option cli_common[] = {
	{"root", "DIR", "the node whose settings, state and mounts lie below DIR", false},
	{"json", NULL, "print the answer as JSON", false},
	{"help", NULL, "explain this and do nothing", false},
	{"version", NULL, "print the version and do nothing", false},
	{0},
};

int cli_init(struct cli *cli, const char *program, const struct args *args)
{
	const char *term = getenv("TERM");
	const char *no_color = getenv("NO_COLOR"); /* no-color.org */

	*cli = (struct cli){.program = program, .json = args_has(args, "json")};
	cli->color = isatty(STDOUT_FILENO) && (!no_color || !no_color[0]) && term &&
		     strcmp(term, "dumb") != 0;
	return places_init(args_get(args, "root"), &cli->places);
}

void cli_done(struct cli *cli)
{
	places_done(&cli->places);
}

int cli_error(const struct cli *cli, const char *format, ...)
{
	va_list args;

	(void)fprintf(stderr, "%s: ", cli->program);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	return CLI_ERROR;
}

void cli_print_json(const json_t *value)
{
	AUTO_FREE char *text = isatty(STDOUT_FILENO) ? json_pretty(value) : json_line(value);

	(void)puts(text ? text : "null");
	(void)fflush(stdout);
}
