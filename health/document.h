/* SPDX-License-Identifier: Apache-2.0
 * The rules of a pool as one document that its nodes pass on, and which of two counts.
 * A document owns its text.
 * Any thread; load and save block on the disk.
 * Invariant: the order of documents of one pool is total, so that all nodes end with the same one.
 * Bytes: multiall-wire(5), HEALTH_RULES; the file holds the same.
 */
#ifndef HEALTH_DOCUMENT_H
#define HEALTH_DOCUMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/blocks.h"
#include "core/err.h"

#define DOCUMENT_BYTES_MAX (BLOCKS_FILE_MAX + 64)

struct document {
	uint64_t pool;
	uint64_t version; /* one more than the one it replaced */
	uint16_t author;  /* node number */
	int64_t time_s;   /* for people */
	char *text;
	size_t size;
};

/* Returns the bytes written, at most DOCUMENT_BYTES_MAX. */
size_t document_encode(const struct document *document, uint8_t ret[DOCUMENT_BYTES_MAX]);
/* MA_ECORRUPT, MA_EVERSION, -ENOMEM. */
MUST_CHECK int document_decode(const uint8_t *data, size_t size, struct document *ret);
void document_free(struct document *document);

/* True if `a` takes the place of `b`. */
bool document_newer(const struct document *a, const struct document *b);

/* In the directory, by the pool's id. */
MUST_CHECK int document_save(const char *dir, const struct document *document);
MUST_CHECK int document_load(const char *dir, uint64_t pool, struct document *ret);

#endif
