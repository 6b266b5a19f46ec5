/* SPDX-License-Identifier: Apache-2.0 */
#include "health/perfdata.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A plain decimal number; strtod alone would take spaces, hexadecimal, "inf" and "nan". Returns the
 * bytes taken, 0 if there is none. */
static size_t number_parse(const char *text, double *ret)
{
	char copy[40];
	size_t length = strspn(text, "+-0123456789.,eE");
	char *end;

	if (length == 0 || length >= sizeof(copy))
		return 0;
	for (size_t i = 0; i <= length; i++)
		copy[i] = i == length ? '\0' : text[i] == ',' ? '.' : text[i];
	double value = strtod(copy, &end);
	if (end == copy || !isfinite(value))
		return 0;
	*ret = value;
	return (size_t)(end - copy);
}

static size_t label_parse(const char *text, char ret[PERFDATA_LABEL_MAX])
{
	size_t at = 0;
	size_t used = 0;
	bool quoted = text[0] == '\'';

	if (quoted)
		at++;
	for (; text[at]; at++) {
		if (quoted && text[at] == '\'' && text[at + 1] == '\'')
			at++; /* a quote inside is doubled */
		else if (quoted ? text[at] == '\''
				: text[at] == '=' || isspace((unsigned char)text[at]))
			break;
		if (used + 1 >= PERFDATA_LABEL_MAX)
			return 0;
		ret[used++] = text[at];
	}
	ret[used] = '\0';
	if (quoted && text[at++] != '\'')
		return 0;
	return used && text[at] == '=' ? at + 1 : 0;
}

static bool range_is_valid(const char *text)
{
	struct perfdata_range range;

	return !text[0] || perfdata_range_parse(text, &range) == 0;
}

/* A part of an item that ends at ';' or a space. */
static size_t part_parse(const char *text, char ret[PERFDATA_RANGE_MAX])
{
	size_t length = strcspn(text, "; \t\n");

	if (length >= PERFDATA_RANGE_MAX)
		return SIZE_MAX;
	memcpy(ret, text, length);
	ret[length] = '\0';
	return length;
}

static bool end_parse(const char *text, double *ret)
{
	size_t length = strlen(text);

	*ret = (double)NAN;
	return length == 0 || number_parse(text, ret) == length;
}

size_t perfdata_item_parse(const char *text, struct perfdata_item *ret)
{
	struct perfdata_item item = {.value = (double)NAN};
	char parts[4][PERFDATA_RANGE_MAX] = {"", "", "", ""};
	size_t at = label_parse(text, item.label);
	size_t used = 0;

	if (at == 0)
		return 0;
	size_t taken = text[at] == 'U' ? 1 : number_parse(text + at, &item.value);
	at += taken;
	while (text[at] && !strchr("; \t\n", text[at])) {
		if (used + 1 >= sizeof(item.unit) || strchr("'\"0123456789", text[at]))
			return 0;
		item.unit[used++] = text[at++];
	}
	for (size_t i = 0; taken && i < 4 && text[at] == ';'; i++) {
		size_t length = part_parse(text + at + 1, parts[i]);

		if (length == SIZE_MAX)
			return 0;
		at += 1 + length;
	}
	if (text[at] == ';') /* plugins end with one too many */
		at++;
	if (taken == 0 || (text[at] && !isspace((unsigned char)text[at])) ||
	    !range_is_valid(parts[0]) || !range_is_valid(parts[1]) ||
	    !end_parse(parts[2], &item.low) || !end_parse(parts[3], &item.high))
		return 0;
	memcpy(item.warn, parts[0], sizeof(item.warn));
	memcpy(item.crit, parts[1], sizeof(item.crit));
	*ret = item;
	return at;
}

static void text_take(const char *line, size_t size, struct plugin_output *out)
{
	size_t length = size < PERFDATA_TEXT_MAX - 1 ? size : PERFDATA_TEXT_MAX - 1;

	out->cut |= length < size;
	memcpy(out->text, line, length);
	while (length && isspace((unsigned char)out->text[length - 1]))
		length--;
	out->text[length] = '\0';
}

static void perfdata_append(const char *data, size_t size, struct plugin_output *out)
{
	size_t used = strlen(out->perfdata);

	while (size && isspace((unsigned char)data[0])) {
		data++;
		size--;
	}
	while (size && isspace((unsigned char)data[size - 1]))
		size--;
	if (used + size + 2 > PERFDATA_LINE_MAX) {
		out->cut |= size > 0;
		return;
	}
	if (used && size)
		out->perfdata[used++] = ' ';
	memcpy(out->perfdata + used, data, size);
	out->perfdata[used + size] = '\0';
}

static void items_take(struct plugin_output *out)
{
	const char *at = out->perfdata;

	for (;;) {
		at += strspn(at, " \t\r");
		if (!*at)
			return;
		size_t taken = out->item_count == PERFDATA_ITEMS_MAX
				       ? 0
				       : perfdata_item_parse(at, &out->items[out->item_count]);
		out->item_count += taken > 0;
		out->cut |= taken == 0;
		at += taken ? taken : strcspn(at, " \t\r");
	}
}

void plugin_output_parse(const char *data, size_t size, struct plugin_output *ret)
{
	bool first = true;
	bool in_perfdata = false;

	memset(ret, 0, sizeof(*ret));
	while (size) {
		const char *end = memchr(data, '\n', size);
		size_t length = end ? (size_t)(end - data) : size;
		const char *bar = in_perfdata ? NULL : memchr(data, '|', length);
		const char *zero = memchr(data, '\0', length);
		size_t shown = bar ? (size_t)(bar - data) : length;

		if (zero) { /* no text holds one */
			ret->cut = true;
			break;
		}
		if (first)
			text_take(data, shown, ret);
		if (in_perfdata)
			perfdata_append(data, length, ret);
		if (bar)
			perfdata_append(bar + 1, length - shown - 1, ret);
		in_perfdata = in_perfdata || (bar && !first);
		first = false;
		data += length + (end != NULL);
		size -= length + (end != NULL);
	}
	items_take(ret);
}

enum level plugin_level(int exit_status, int signal)
{
	return signal || exit_status < 0 || exit_status > 2 ? LEVEL_UNKNOWN
							    : (enum level)exit_status;
}

int perfdata_range_parse(const char *text, struct perfdata_range *ret)
{
	struct perfdata_range range = {.start = 0, .end = (double)INFINITY};
	const char *colon;

	if (text[0] == '@') {
		range.inside = true;
		text++;
	}
	if (!text[0])
		return -EINVAL;
	colon = strchr(text, ':');
	if (colon) {
		size_t length = (size_t)(colon - text);

		if (length == 1 && text[0] == '~')
			range.start = -(double)INFINITY;
		else if (length && number_parse(text, &range.start) != length)
			return -EINVAL;
		text = colon + 1;
	}
	if (text[0] && number_parse(text, &range.end) != strlen(text))
		return -EINVAL;
	if (range.start > range.end)
		return -EINVAL;
	*ret = range;
	return 0;
}
