/* SPDX-License-Identifier: Apache-2.0
 * Tables for people: columns as wide as what is in them, colours only where they show.
 * The table owns its cells; table_free() frees them.
 * One thread.
 * Invariant: no byte that a terminal would obey gets out of a cell.
 */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12

enum show_color { SHOW_PLAIN, SHOW_GOOD, SHOW_WAIT, SHOW_BAD, SHOW_DIM, SHOW_BOLD };

struct table {
	const char *const *heads; /* '#' in front: right-aligned; ended by NULL */
	size_t columns;
	char **cells; /* row after row */
	enum show_color *colors;
	size_t used, room;
	bool failed; /* memory was short: prints nothing */
};

void table_init(struct table *table, const char *const *heads);
/* The next cell, left to right, row by row. */
void table_add(struct table *table, enum show_color color, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Each line with `indent` in front; a head line if there is a row. */
void table_print(const struct table *table, FILE *out, bool color, const char *indent);
void table_free(struct table *table);

/* One text, made harmless, in a colour. */
void show_text(FILE *out, bool color, enum show_color which, const char *text);

#endif
