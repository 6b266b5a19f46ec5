/* SPDX-License-Identifier: Apache-2.0
 * The door to jansson: reading bounded JSON, and the few accessors that all our documents need.
 * Values are reference counted; a variable marked AUTO_JSON drops its reference at scope's end.
 * One thread at a time per value.
 * Invariant: a value made here is valid UTF-8, whatever bytes it was made from.
 */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

static inline void auto_json_(json_t **value)
{
	json_decref(*value);
}

#define AUTO_JSON __attribute__((cleanup(auto_json_)))

/* One JSON object in `size` bytes and nothing behind it; `error` says what is wrong, and where. */
MUST_CHECK int json_object_parse(const char *data, size_t size, json_t **ret, char *error,
				 size_t error_size);

/* On one line; NULL when memory is short. The caller frees. */
char *json_line(const json_t *value);
/* For people: indented, members in the order in which they were set. */
char *json_pretty(const json_t *value);

/* A string from bytes of any kind; those that are not UTF-8 become U+FFFD. */
json_t *json_text(const char *text);

/* Members of an object; the fallback if it is missing or of another type. Text is borrowed. */
const char *json_get_text(const json_t *object, const char *key, const char *fallback);
int64_t json_get_int(const json_t *object, const char *key, int64_t fallback);
double json_get_real(const json_t *object, const char *key, double fallback);
bool json_get_bool(const json_t *object, const char *key, bool fallback);

#endif
