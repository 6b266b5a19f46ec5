/* SPDX-License-Identifier: Apache-2.0
 * What the nodes of a pool have agreed on for it. Each setting is an extended attribute of the top
 * directory, hidden from applications: so it travels, merges (the later counts, key by key) and is
 * caught up as any attribute is. Owns nothing. Any thread; reads the disk's cache.
 * Invariant: a word that this version does not know is taken as the strictest there is.
 */
#ifndef REPLICATION_POOL_SETTINGS_H
#define REPLICATION_POOL_SETTINGS_H

#include "replication/pool.h"

#define POOL_SETTING_MAX 32 /* bytes of a value */

enum pool_setting_key {
	POOL_SETTING_DURABILITY,
	POOL_SETTING_DURABILITY_WAIT,
	POOL_SETTING_DURABILITY_ELSE,
	POOL_SETTING_BRAKE_FILES,
	POOL_SETTING_BRAKE_SHARE,
	POOL_SETTING_BRAKE_WINDOW,
	POOL_SETTING_TRASH_KEEP,
	POOL_SETTINGS,
};

struct pool_setting {
	const char *name;
	const char *type;         /* for people */
	const char *value;        /* if nobody has set it */
	const char *const *words; /* those allowed, the strictest last, ended by NULL */
	bool time;                /* else, without words, a whole number */
	uint64_t max;             /* of a number, or seconds */
	const char *help;
};

extern const struct pool_setting pool_settings_table[POOL_SETTINGS];

/* The value as it was set, or the default. */
void pool_setting_get(struct pool *pool, enum pool_setting_key key, char ret[POOL_SETTING_MAX + 1]);
/* The same as a number: place of the word, seconds, or what it says. */
uint64_t pool_setting_number(struct pool *pool, enum pool_setting_key key);
/* For all nodes. `error` says what may stand there. */
MUST_CHECK int pool_setting_set(struct pool *pool, const char *name, const char *value, char *error,
				size_t size);

#endif
