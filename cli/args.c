/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"

#include <string.h>

static const struct arg_option *find(const struct arg_option *table, const char *name, size_t size)
{
	for (; table && table->name; table++) {
		if (strlen(table->name) == size && memcmp(table->name, name, size) == 0)
			return table;
	}
	return NULL;
}

/* One option at *at; moves *at on if its value is the next argument. */
static int take_option(int argc, char **argv, int *at, const struct arg_option *own,
		       const struct arg_option *common, struct args *args, char *error, size_t size)
{
	const char *name = strcmp(argv[*at], "-h") == 0 ? "help" : argv[*at] + 2;
	const char *equal = strchr(name, '=');
	size_t length = equal ? (size_t)(equal - name) : strlen(name);
	const struct arg_option *option = find(own, name, length);
	const char *value = equal ? equal + 1 : "";

	if (!option)
		option = find(common, name, length);
	if (!option)
		return err_say(error, size, MA_EUSAGE, "there is no option %s here", argv[*at]);
	if (equal && !option->value)
		return err_say(error, size, MA_EUSAGE, "--%s takes no value", option->name);
	if (!option->many && args_has(args, option->name))
		return err_say(error, size, MA_EUSAGE, "--%s is given twice", option->name);
	if (option->value && !equal) {
		if (*at + 1 >= argc)
			return err_say(error, size, MA_EUSAGE, "--%s needs a value: --%s %s",
				       option->name, option->name, option->value);
		value = argv[++*at];
	}
	if (args->option_count == ARGS_OPTIONS_MAX)
		return err_say(error, size, MA_EUSAGE, "more than %d options", ARGS_OPTIONS_MAX);
	args->options[args->option_count].option = option;
	args->options[args->option_count++].value = value;
	return 0;
}

int args_parse(int argc, char **argv, const struct arg_option *own, const struct arg_option *common,
	       struct args *ret, char *error, size_t size)
{
	bool options = true;

	*ret = (struct args){0};
	for (int i = 0; i < argc; i++) {
		const char *text = argv[i];

		if (options && strcmp(text, "--") == 0) {
			options = false;
			continue;
		}
		if (options && ((text[0] == '-' && text[1] == '-') || strcmp(text, "-h") == 0)) {
			int r = take_option(argc, argv, &i, own, common, ret, error, size);
			if (r < 0)
				return r;
			continue;
		}
		if (options && text[0] == '-' && text[1])
			return err_say(error, size, MA_EUSAGE,
				       "there is no option %s here; options are written out, like "
				       "--help",
				       text);
		if (ret->word_count == ARGS_WORDS_MAX)
			return err_say(error, size, MA_EUSAGE, "more than %d words",
				       ARGS_WORDS_MAX);
		ret->words[ret->word_count++] = text;
	}
	return 0;
}

const char *args_get_nth(const struct args *args, const char *name, size_t n)
{
	for (size_t i = 0; i < args->option_count; i++) {
		if (strcmp(args->options[i].option->name, name) == 0 && n-- == 0)
			return args->options[i].value;
	}
	return NULL;
}

const char *args_get(const struct args *args, const char *name)
{
	return args_get_nth(args, name, 0);
}

bool args_has(const struct args *args, const char *name)
{
	return args_get(args, name) != NULL;
}
