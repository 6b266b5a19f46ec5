/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json.h"

#include <stdlib.h>
#include <string.h>

#include "core/auto.h"

#define REAL_DIGITS 15 /* what a double holds for certain: 0.1 stays 0.1 */

int json_object_parse(const char *data, size_t size, json_t **ret, char *error, size_t error_size)
{
	json_error_t why;
	json_t *value = json_loadb(data, size, JSON_REJECT_DUPLICATES, &why);

	if (!value)
		return err_say(error, error_size, MA_ECORRUPT, "not JSON at byte %d: %s",
			       why.position, why.text);
	if (!json_is_object(value)) {
		json_decref(value);
		return err_say(error, error_size, MA_ECORRUPT, "JSON, but not an object {...}");
	}
	*ret = value;
	return 0;
}

char *json_line(const json_t *value)
{
	return json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
}

char *json_pretty(const json_t *value)
{
	return json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(REAL_DIGITS));
}

/* Length of the UTF-8 sequence at `p`, 0 if it is none (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *p)
{
	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		return (p[1] & 0xc0) == 0x80 ? 2 : 0;
	if (p[0] >= 0xe0 && p[0] <= 0xef) {
		unsigned char low = p[0] == 0xe0 ? 0xa0 : 0x80;
		unsigned char high = p[0] == 0xed ? 0x9f : 0xbf;
		return p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 ? 3 : 0;
	}
	if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		unsigned char low = p[0] == 0xf0 ? 0x90 : 0x80;
		unsigned char high = p[0] == 0xf4 ? 0x8f : 0xbf;
		return p[1] >= low && p[1] <= high && (p[2] & 0xc0) == 0x80 && (p[3] & 0xc0) == 0x80
			       ? 4
			       : 0;
	}
	return 0;
}

json_t *json_text(const char *text)
{
	AUTO_FREE char *clean = malloc(strlen(text) * 3 + 1);
	const unsigned char *from = (const unsigned char *)text;
	size_t at = 0;

	if (!clean)
		return NULL;
	while (*from) {
		size_t length = utf8_length(from);

		memcpy(clean + at, length ? (const char *)from : "\xef\xbf\xbd",
		       length ? length : 3);
		at += length ? length : 3;
		from += length ? length : 1;
	}
	return json_stringn(clean, at);
}

const char *json_get_text(const json_t *object, const char *key, const char *fallback)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : fallback;
}

int64_t json_get_int(const json_t *object, const char *key, int64_t fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? json_integer_value(value) : fallback;
}

double json_get_real(const json_t *object, const char *key, double fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : fallback;
}

bool json_get_bool(const json_t *object, const char *key, bool fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_boolean(value) ? json_is_true(value) : fallback;
}
