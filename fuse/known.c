/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/known.h"

#include <stdlib.h>

#define SLOTS_FIRST 64u

void known_init(struct known *known)
{
	*known = (struct known){0};
}

void known_done(struct known *known)
{
	for (size_t i = 0; i < known->slot_count; i++)
		free(known->slots[i]);
	free(known->slots);
	known_init(known);
}

/* The slot that holds the page, or the free one where it would go. */
static size_t slot_of(struct known_page *const *slots, size_t count, uint64_t first)
{
	/* Fibonacci hashing: neighbouring pages spread over the table. */
	size_t at = (size_t)(((first / KNOWN_PAGE_IDS) * 0x9E3779B97F4A7C15u) >> 20) & (count - 1);

	while (slots[at] && slots[at]->first != first)
		at = (at + 1) & (count - 1);
	return at;
}

static bool known_grow(struct known *known)
{
	size_t count = known->slot_count ? 2 * known->slot_count : SLOTS_FIRST;
	struct known_page **slots = calloc(count, sizeof(*slots));

	if (!slots)
		return false;
	for (size_t i = 0; i < known->slot_count; i++) {
		struct known_page *page = known->slots[i];

		if (page)
			slots[slot_of(slots, count, page->first)] = page;
	}
	free(known->slots);
	known->slots = slots;
	known->slot_count = count;
	return true;
}

static struct known_page *page_find(const struct known *known, uint64_t id)
{
	if (!known->slot_count)
		return NULL;
	uint64_t first = id - id % KNOWN_PAGE_IDS;

	return known->slots[slot_of(known->slots, known->slot_count, first)];
}

static struct known_page *page_make(struct known *known, uint64_t id)
{
	if (known->page_count >= KNOWN_PAGES_MAX)
		return NULL;
	if (2 * (known->page_count + 1) > known->slot_count && !known_grow(known))
		return NULL;
	struct known_page *page = calloc(1, sizeof(*page));

	if (!page)
		return NULL;
	page->first = id - id % KNOWN_PAGE_IDS;
	known->slots[slot_of(known->slots, known->slot_count, page->first)] = page;
	known->page_count++;
	return page;
}

void known_add(struct known *known, uint64_t id)
{
	struct known_page *page = page_find(known, id);
	size_t bit = (size_t)(id % KNOWN_PAGE_IDS);

	if (!page && !known->all)
		page = page_make(known, id);
	if (page)
		page->bits[bit / 64] |= 1ull << (bit % 64);
	else
		known->all = true;
}

bool known_has(const struct known *known, uint64_t id)
{
	const struct known_page *page = page_find(known, id);
	size_t bit = (size_t)(id % KNOWN_PAGE_IDS);

	return known->all || (page && (page->bits[bit / 64] >> (bit % 64) & 1));
}

bool known_walk(const struct known *known, size_t *at, uint64_t ret[KNOWN_PAGE_IDS],
		size_t *ret_count)
{
	*ret_count = 0;
	while (*at < known->slot_count && !known->slots[*at])
		(*at)++;
	if (*at >= known->slot_count)
		return false;
	const struct known_page *page = known->slots[(*at)++];

	for (size_t bit = 0; bit < KNOWN_PAGE_IDS; bit++) {
		if (page->bits[bit / 64] >> (bit % 64) & 1)
			ret[(*ret_count)++] = page->first + bit;
	}
	return true;
}
