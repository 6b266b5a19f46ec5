/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/losers.h"

#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"

static int pair_add(struct pair_list *list, uint64_t a, uint64_t b)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->pairs[i].a == a && list->pairs[i].b == b)
			return 0;
	}
	if (list->count >= LOSERS_MAX)
		return MA_ELIMIT;
	void *grown = realloc(list->pairs, sizeof(list->pairs[0]) * (list->count + 1));
	if (!grown)
		return -ENOMEM;
	list->pairs = grown;
	list->pairs[list->count].a = a;
	list->pairs[list->count++].b = b;
	return 0;
}

int losers_add(struct pool *p, uint64_t id, uint64_t lid)
{
	AUTO_LOCK(held, &p->losers_lock);

	return pair_add(&p->losers, id, lid);
}

void losers_remove(struct pool *p, uint64_t id, uint64_t lid)
{
	AUTO_LOCK(held, &p->losers_lock);

	for (size_t i = 0; i < p->losers.count; i++) {
		if (p->losers.pairs[i].a == id && p->losers.pairs[i].b == lid) {
			p->losers.pairs[i] = p->losers.pairs[--p->losers.count];
			return;
		}
	}
}

bool losers_at(struct pool *p, size_t i, uint64_t *ret_id, uint64_t *ret_lid)
{
	AUTO_LOCK(held, &p->losers_lock);

	if (i >= p->losers.count)
		return false;
	*ret_id = p->losers.pairs[i].a;
	*ret_lid = p->losers.pairs[i].b;
	return true;
}

int losers_note_merge(struct pool *p, uint64_t goes, uint64_t stays)
{
	AUTO_LOCK(held, &p->losers_lock);

	return pair_add(&p->merges, goes, stays);
}

bool losers_take_merge(struct pool *p, uint64_t *ret_goes, uint64_t *ret_stays)
{
	AUTO_LOCK(held, &p->losers_lock);

	if (!p->merges.count)
		return false;
	p->merges.count--;
	*ret_goes = p->merges.pairs[p->merges.count].a;
	*ret_stays = p->merges.pairs[p->merges.count].b;
	return true;
}

int losers_save(struct pool *p, uint8_t **ret, size_t *ret_size)
{
	AUTO_LOCK(held, &p->losers_lock);
	size_t size = 16 * p->losers.count;
	uint8_t *bytes = malloc(size + 1);

	if (!bytes)
		return -ENOMEM;
	struct wr w = wr_init(bytes, size);
	for (size_t i = 0; i < p->losers.count; i++) {
		wr_u64(&w, p->losers.pairs[i].a);
		wr_u64(&w, p->losers.pairs[i].b);
	}
	*ret = bytes;
	*ret_size = size;
	return 0;
}

int losers_load(struct pool *p, const void *data, size_t size)
{
	struct rd r = rd_init(data, size);
	int code = 0;

	while (code == 0 && rd_left(&r) >= 16) {
		uint64_t id = rd_u64(&r);
		code = losers_add(p, id, rd_u64(&r));
	}
	return code;
}
