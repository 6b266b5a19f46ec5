/* SPDX-License-Identifier: Apache-2.0
 * The kinds of checks as rules name them: words, limits and codes that they have by themselves.
 * A constant table.
 * Any thread.
 * Invariant: what a kind measures has one unit, so that limits mean the same everywhere.
 */
#ifndef HEALTH_KIND_H
#define HEALTH_KIND_H

#include <stddef.h>
#include <stdint.h>

enum check_kind {
	CHECK_LOAD,
	CHECK_PRESSURE,
	CHECK_MEMORY,
	CHECK_SPACE,
	CHECK_INODES,
	CHECK_MOUNT,
	CHECK_WRITABLE,
	CHECK_FILE,
	CHECK_PROCESS,
	CHECK_TCP,
	CHECK_HTTP,
	CHECK_CERTIFICATE,
	CHECK_CLOCK,
	CHECK_UNIT,
	CHECK_LINK,
	CHECK_POOL_LAG,
	CHECK_POOL_CONFLICTS,
	CHECK_POOL_SYNC,
	CHECK_PLUGIN,
	CHECK_KINDS,
};

struct kind {
	const char *name;
	const char *words; /* what follows the name, for people */
	size_t words_min, words_max;
	uint16_t condition;
	const char *unit;        /* of its value; "": it has none, only good or bad */
	const char *warn, *crit; /* its own limits; NULL: none */
	const char *help;
};

extern const struct kind kind_table[CHECK_KINDS];

/* CHECK_KINDS if there is none of that name (`length` bytes). */
enum check_kind kind_find(const char *name, size_t length);

#endif
