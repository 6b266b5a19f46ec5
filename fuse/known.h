/* SPDX-License-Identifier: Apache-2.0
 * The set of object ids that the kernel may know: one bit each, in pages of neighbouring ids.
 * Its owner embeds it and calls known_done(). Ids only come in: a few bytes per thousand files.
 * One thread at a time; the owner locks.
 * Invariant: an id that was added is in the set, or the set says that it holds all.
 */
#ifndef FUSE_KNOWN_H
#define FUSE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KNOWN_PAGE_IDS  2048u
#define KNOWN_PAGES_MAX 65536u /* 17 MiB; beyond, all ids count as known */

struct known_page {
	uint64_t first;
	uint64_t bits[KNOWN_PAGE_IDS / 64];
};

struct known {
	struct known_page **slots; /* open addressing, half full at most */
	size_t slot_count;
	size_t page_count;
	bool all;
};

void known_init(struct known *known);
void known_done(struct known *known);

void known_add(struct known *known, uint64_t id);
bool known_has(const struct known *known, uint64_t id);

/* Walks the set: the ids of one page into `ret`, how many into `ret_count`; `*at` starts at 0.
 * False at the end. Ids added meanwhile may be missed or come twice. */
bool known_walk(const struct known *known, size_t *at, uint64_t ret[KNOWN_PAGE_IDS],
		size_t *ret_count);

#endif
