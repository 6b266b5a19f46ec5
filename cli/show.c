/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"

static const char *const codes[] = {
	[SHOW_PLAIN] = "",       [SHOW_GOOD] = "\033[32m", [SHOW_WAIT] = "\033[33m",
	[SHOW_BAD] = "\033[31m", [SHOW_DIM] = "\033[2m",   [SHOW_BOLD] = "\033[1m",
};

/* Characters, not bytes: the continuation bytes of UTF-8 take no column. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void show_text(FILE *out, bool color, enum show_color which, const char *text)
{
	if (color)
		(void)fputs(codes[which], out);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		(void)fputc((c < ' ' && c != '\n') || c == 0x7f ? '?' : c, out);
	}
	if (color && which != SHOW_PLAIN)
		(void)fputs("\033[0m", out);
}

void table_init(struct table *table, const char *const *heads)
{
	*table = (struct table){.heads = heads};
	while (heads[table->columns])
		table->columns++;
}

void table_add(struct table *table, enum show_color color, const char *format, ...)
{
	va_list args;
	char *text = NULL;

	if (table->used == table->room) {
		size_t room = table->room ? table->room * 2 : 64;
		char **cells = realloc(table->cells, room * sizeof(*cells));
		enum show_color *colors =
			cells ? realloc(table->colors, room * sizeof(*colors)) : NULL;

		table->cells = cells ? cells : table->cells;
		table->colors = colors ? colors : table->colors;
		if (!colors) {
			table->failed = true;
			return;
		}
		table->room = room;
	}
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (!text) {
		table->failed = true;
		return;
	}
	for (char *p = text; *p; p++)
		*p = *p == '\n' ? ' ' : *p; /* a cell is one line */
	table->cells[table->used] = text;
	table->colors[table->used++] = color;
}

static void print_cell(FILE *out, bool color, enum show_color which, const char *text, bool right,
		       size_t room, bool last)
{
	size_t pad = room - width(text);

	for (size_t i = 0; right && i < pad; i++)
		(void)fputc(' ', out);
	show_text(out, color, which, text);
	for (size_t i = 0; !right && !last && i < pad; i++)
		(void)fputc(' ', out);
	if (!last)
		(void)fputs("  ", out);
}

/* Columns behind the last one that holds anything in this row are not filled with blanks. */
static size_t filled(const struct table *table, size_t row)
{
	size_t n = table->columns;

	while (n > 0 && !table->cells[row * table->columns + n - 1][0])
		n--;
	return n;
}

void table_print(const struct table *table, FILE *out, bool color, const char *indent)
{
	size_t rooms[TABLE_COLUMNS_MAX] = {0};
	size_t rows = table->columns ? table->used / table->columns : 0;

	if (table->failed || rows == 0 || table->columns > TABLE_COLUMNS_MAX)
		return;
	for (size_t c = 0; c < table->columns; c++) {
		rooms[c] = width(table->heads[c]) - (table->heads[c][0] == '#');
		for (size_t r = 0; r < rows; r++) {
			size_t w = width(table->cells[r * table->columns + c]);
			rooms[c] = w > rooms[c] ? w : rooms[c];
		}
	}
	(void)fputs(indent, out);
	size_t named = table->columns;
	while (named > 0 && !table->heads[named - 1][0])
		named--;
	for (size_t c = 0; c < named; c++) {
		bool right = table->heads[c][0] == '#';

		print_cell(out, color, SHOW_DIM, table->heads[c] + right, right, rooms[c],
			   c + 1 == named);
	}
	for (size_t r = 0; r < rows; r++) {
		size_t count = filled(table, r);

		(void)fprintf(out, "\n%s", indent);
		for (size_t c = 0; c < count; c++) {
			size_t at = r * table->columns + c;

			print_cell(out, color, table->colors[at], table->cells[at],
				   table->heads[c][0] == '#', rooms[c], c + 1 == count);
		}
	}
	(void)fputc('\n', out);
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < table->used; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table->colors);
	*table = (struct table){0};
}
