/* SPDX-License-Identifier: Apache-2.0
 * Settings in titled blocks (`rule "disk" { key = value ... }`), read by libconfuse.
 * A block is borrowed by the callback; the caller owns the text.
 * Any thread; parses do not nest.
 * Invariant: each value comes with the line that it stands in, a key stands once in a block, and
 * every error names file and line.
 */
#ifndef CORE_BLOCKS_H
#define CORE_BLOCKS_H

#include <stddef.h>

#include "core/err.h"

#define BLOCKS_FILE_MAX  (48u << 10) /* bytes of one text; fits a request of the control socket */
#define BLOCK_TITLE_MAX  63
#define BLOCK_VALUES_MAX 24
#define BLOCK_TEXT_MAX   1024 /* bytes of one value with the zero behind it */
#define BLOCKS_KINDS_MAX 8

struct block_value {
	const char *key; /* one of the kind's */
	int line;
	char text[BLOCK_TEXT_MAX]; /* words of a list are parted by line feeds */
};

struct block {
	const char *kind;
	char title[BLOCK_TITLE_MAX + 1];
	int line; /* of its first value */
	struct block_value values[BLOCK_VALUES_MAX];
	size_t value_count;
};

/* Which blocks there may be. Name "" stands for the keys outside of blocks, given last. Both lists
 * end with NULL. */
struct block_kind {
	const char *name;
	const char *const *keys;
};

/* Gives each block to `take`, in the order of the text. What `take` puts into `why` (at most
 * `size` bytes) when it fails becomes the error, with file and line in front. */
struct blocks_taker {
	int (*take)(void *arg, const struct block *block, int *ret_line, char *why, size_t size);
	void *arg;
};

/* `path` is only for the error text. */
MUST_CHECK int blocks_parse(const char *path, const char *data, size_t data_size,
			    const struct block_kind *kinds, const struct blocks_taker *taker,
			    char *error, size_t size);

/* NULL if the key is not set. */
const struct block_value *block_get(const struct block *block, const char *key);

#endif
