/* SPDX-License-Identifier: Apache-2.0
 * Arguments of one verb: its words and options, checked against the verb's own table.
 * Texts are borrowed from argv.
 * One thread.
 * Invariant: every option taken is in the table, has a value exactly if the table says so, and
 * stands only once unless the table allows more.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

#define ARGS_WORDS_MAX   64
#define ARGS_OPTIONS_MAX 64

struct arg_option {
	const char *name;  /* without the dashes; NULL ends the table */
	const char *value; /* what the help calls its value; NULL: a switch */
	const char *help;
	bool many; /* may stand more than once */
};

struct args {
	const char *words[ARGS_WORDS_MAX];
	size_t word_count;
	struct {
		const struct arg_option *option;
		const char *value;
	} options[ARGS_OPTIONS_MAX];
	size_t option_count;
};

/* Takes all of argv. `common` options are allowed beside `own` (each may be NULL). "--x=y" and
 * "--x y" are the same, "--" ends the options. MA_EUSAGE with a text in `error`. */
MUST_CHECK int args_parse(int argc, char **argv, const struct arg_option *own,
			  const struct arg_option *common, struct args *ret, char *error,
			  size_t size);

/* Value of the n-th option of that name ("" of a switch); NULL if there are not so many. */
const char *args_get_nth(const struct args *args, const char *name, size_t n);
const char *args_get(const struct args *args, const char *name);
bool args_has(const struct args *args, const char *name);

#endif
