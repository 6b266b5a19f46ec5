/* SPDX-License-Identifier: Apache-2.0
 * mountall: mounts every pool that this node holds, starting the daemon if it does not run.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "core/auto.h"
#include "core/version.h"

static const char help[] = "mountall - mount every pool that this node holds\n"
			   "\n"
			   "usage: mountall [--root DIR] [--json]\n"
			   "\n"
			   "Starts takeconnector if it does not run. What is mounted stays so; run "
			   "it as often as you\n"
			   "like. Exit status: 0 all are mounted, 1 some are not, 2 error.\n";

int main(int argc, char **argv)
{
	struct args args;
	struct cli cli;
	char error[256];
	AUTO_JSON json_t *answer = NULL;

	if (args_parse(argc - 1, argv + 1, NULL, cli_common, &args, error, sizeof(error)) < 0 ||
	    args.word_count) {
		(void)fprintf(stderr, "mountall: %s\n%s",
			      args.word_count ? "takes no words" : error, help);
		return CLI_ERROR;
	}
	if (args_has(&args, "help") || args_has(&args, "version")) {
		(void)fputs(args_has(&args, "help") ? help : "mountall " MULTIALL_VERSION "\n",
			    stdout);
		return CLI_DONE;
	}
	int r = cli_init(&cli, "mountall", &args);
	if (r < 0) {
		(void)fprintf(stderr, "mountall: --root: %s\n", err_text(r));
		return CLI_ERROR;
	}
	int result = cli_ask(&cli, true, json_pack("{s:s}", "verb", "mount"), &answer);
	if (result == CLI_DONE && cli.json)
		cli_print_json(answer);
	cli_done(&cli);
	return result;
}
