/* SPDX-License-Identifier: Apache-2.0
 * The door to libconfuse: the settings file of one node, checked as a whole, and its table of keys.
 * The caller owns the struct, which points nowhere.
 * One thread (libconfuse's parser is not reentrant); constant once read.
 * Invariant: a struct that was filled holds only values that its table allows.
 */
#ifndef CORE_SETTINGS_H
#define CORE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/log.h"

#define SETTINGS_FILE_MAX  (64u << 10) /* bytes of the file */
#define SETTINGS_VALUE_MAX 128         /* bytes of one value, with the zero behind it */

enum settings_key {
	SETTING_LISTEN,
	SETTING_ADVERTISE,
	SETTING_STATUS_LISTEN,
	SETTING_JOURNAL_MAX,
	SETTING_PASSTHROUGH,
	SETTING_TRANSPORT,
	SETTING_CATCHUP_RATE,
	SETTING_LOCATION,
	SETTING_LOG_LEVEL,
	SETTINGS_KEYS,
};

/* What may stand behind a key, and what it is for. */
struct setting {
	const char *name;
	const char *type;  /* for people: "address", "size", "on or off", "one of ..." */
	const char *value; /* if the file does not say */
	int (*check)(const struct setting *setting, const char *text, char *error, size_t size);
	uint64_t min, max;        /* of a size */
	const char *const *words; /* allowed words, ended by NULL */
	const char *help;
};

extern const struct setting settings_table[SETTINGS_KEYS];

struct settings {
	char text[SETTINGS_KEYS][SETTINGS_VALUE_MAX]; /* as written, or the default */
	int line[SETTINGS_KEYS];                      /* where in the file; 0: default */
	uint64_t journal_max;                         /* bytes */
	uint64_t catchup_rate;                        /* bytes per second, 0: no limit */
	bool passthrough;
	bool ring; /* transport = auto or uring */
	enum log_level log_level;
};

/* Reads `path`. A file that is not there means all defaults. `error` gets "PATH:LINE: what". */
MUST_CHECK int settings_read(const char *path, struct settings *ret, char *error, size_t size);

/* The same from memory; `path` is only for the error text. */
MUST_CHECK int settings_parse(const char *path, const char *data, size_t data_size,
			      struct settings *ret, char *error, size_t size);

#endif
