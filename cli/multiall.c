/* SPDX-License-Identifier: Apache-2.0
 * multiall: the command line. Finds the verb, checks its arguments, runs it.
 */
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "core/version.h"

#define WORDS_MAX 3

/* The first words that are no options: enough to know the verb. --root takes the next one. */
static size_t first_words(int argc, char **argv, const char **ret)
{
	size_t count = 0;

	for (int i = 1; i < argc && count < WORDS_MAX; i++) {
		if (strcmp(argv[i], "--") == 0)
			break;
		if (argv[i][0] != '-')
			ret[count++] = argv[i];
		else if (strcmp(argv[i], "--root") == 0)
			i++;
	}
	return count;
}

static int help(const char *const *words, size_t count)
{
	size_t used;
	const struct verb *verb = verb_find(words, count, &used);

	if (count == 0)
		verbs_help(stdout);
	else if (verb)
		verb_help(stdout, verb);
	else if (!verbs_help_group(stdout, words[0])) {
		(void)fprintf(stderr, "multiall: there is no verb \"%s\"\n", words[0]);
		return CLI_ERROR;
	}
	return CLI_DONE;
}

/* For completion: the verbs, one per line. */
static int print_names(void)
{
	for (size_t i = 0; i < verbs_count; i++)
		(void)puts(verbs[i].name);
	(void)puts("help\nversion");
	return CLI_DONE;
}

static int version(bool json)
{
	if (json)
		(void)puts("{\"version\":\"" MULTIALL_VERSION "\"}");
	else
		(void)puts("multiall " MULTIALL_VERSION);
	return CLI_DONE;
}

static int unknown(const char *const *words, size_t count)
{
	if (count == 0) {
		verbs_help(stderr);
		return CLI_ERROR;
	}
	if (verbs_help_group(stderr, words[0]))
		return CLI_ERROR;
	(void)fprintf(stderr,
		      "multiall: there is no verb \"%s\"; multiall help lists what there is\n",
		      words[0]);
	return CLI_ERROR;
}

/* Without the words that name the verb. */
static void drop_words(struct args *args, size_t count)
{
	args->word_count -= count;
	memmove(args->words, args->words + count, args->word_count * sizeof(args->words[0]));
}

static int run(const struct verb *verb, size_t name_words, struct args *args)
{
	struct cli cli;
	int r = cli_init(&cli, "multiall", args);

	if (r < 0) {
		(void)fprintf(stderr, "multiall: --root: %s\n", err_text(r));
		return CLI_ERROR;
	}
	drop_words(args, name_words);
	int result = verb_run(&cli, verb, args);
	cli_done(&cli);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)fputs("multiall: the output could not be written\n", stderr);
		return CLI_ERROR;
	}
	return result;
}

int main(int argc, char **argv)
{
	static const struct arg_option help_options[] = {
		{"names", NULL, "only the names", false},
		{0},
	};
	const char *words[WORDS_MAX] = {0};
	size_t count = first_words(argc, argv, words);
	size_t name_words = 0;
	const struct verb *verb = verb_find(words, count, &name_words);
	bool asks_help = count > 0 && strcmp(words[0], "help") == 0;
	struct args args;
	char error[256];

	if (args_parse(argc - 1, argv + 1,
		       verb        ? verb->options
		       : asks_help ? help_options
				   : NULL,
		       cli_common, &args, error, sizeof(error)) < 0) {
		(void)fprintf(stderr, "multiall: %s; see: multiall help%s%s\n", error,
			      verb ? " " : "", verb ? verb->name : "");
		return CLI_ERROR;
	}
	if (args_has(&args, "names"))
		return print_names();
	if (args_has(&args, "version") || (count == 1 && strcmp(words[0], "version") == 0))
		return version(args_has(&args, "json"));
	if (asks_help)
		return help(words + 1, count - 1);
	if (args_has(&args, "help"))
		return help(words, count);
	return verb ? run(verb, name_words, &args) : unknown(words, count);
}
