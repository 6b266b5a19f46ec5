/* SPDX-License-Identifier: Apache-2.0
 * The table of verbs of `multiall`, and the help written from it.
 * Constant.
 * Any thread.
 * Invariant: every verb has a line, an explanation and its options in the table; help, checks and
 * completion know nothing else.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include <stdio.h>

#include "cli/cli.h"

extern const struct verb verbs[];
extern const size_t verbs_count;

/* The verb that the words begin with ("pool create" before "pool"); NULL if there is none. */
const struct verb *verb_find(const char *const *words, size_t count, size_t *ret_words);

/* All verbs, a line each. */
void verbs_help(FILE *out);
/* Only those that begin with this word ("pool"); false if there are none. */
bool verbs_help_group(FILE *out, const char *word);
/* Everything about one. */
void verb_help(FILE *out, const struct verb *verb);

/* Checks the number of words and runs it. */
int verb_run(struct cli *cli, const struct verb *verb, struct args *args);

#endif
