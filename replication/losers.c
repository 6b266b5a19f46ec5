/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/losers.h"

#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/log.h"
#include "replication/equal.h"

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

static void pair_remove(struct pair_list *list, uint64_t a, uint64_t b)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->pairs[i].a == a && list->pairs[i].b == b) {
			list->pairs[i] = list->pairs[--list->count];
			return;
		}
	}
}

static bool pair_at(const struct pair_list *list, size_t i, uint64_t *ret_a, uint64_t *ret_b)
{
	if (i >= list->count)
		return false;
	*ret_a = list->pairs[i].a;
	*ret_b = list->pairs[i].b;
	return true;
}

int losers_add(struct pool *p, uint64_t id, uint64_t lid)
{
	int r;

	{
		AUTO_LOCK(held, &p->losers_lock);
		r = pair_add(&p->losers, id, lid);
	}
	equal_note(p, id, lid);
	return r;
}

void losers_remove(struct pool *p, uint64_t id, uint64_t lid)
{
	AUTO_LOCK(held, &p->losers_lock);

	pair_remove(&p->losers, id, lid);
}

bool losers_at(struct pool *p, size_t i, uint64_t *ret_id, uint64_t *ret_lid)
{
	AUTO_LOCK(held, &p->losers_lock);

	return pair_at(&p->losers, i, ret_id, ret_lid);
}

int losers_doubt(struct pool *p, uint64_t id, uint64_t b)
{
	AUTO_LOCK(held, &p->losers_lock);

	return pair_add(&p->doubts, id, b);
}

bool losers_doubt_at(struct pool *p, size_t i, uint64_t *ret_id, uint64_t *ret_b)
{
	AUTO_LOCK(held, &p->losers_lock);

	return pair_at(&p->doubts, i, ret_id, ret_b);
}

void losers_doubt_done(struct pool *p, uint64_t id, uint64_t b)
{
	AUTO_LOCK(held, &p->losers_lock);

	pair_remove(&p->doubts, id, b);
}

int losers_note_merge(struct pool *p, uint64_t goes, uint64_t stays)
{
	AUTO_LOCK(held, &p->losers_lock);

	return pair_add(&p->merges, goes, stays);
}

void losers_merge_told(struct pool *p, uint64_t goes, uint64_t stays)
{
	AUTO_LOCK(held, &p->losers_lock);

	pair_remove(&p->merges, goes, stays);
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

int losers_disturb(struct pool *p, uint64_t dir)
{
	AUTO_LOCK(held, &p->losers_lock);

	return pair_add(&p->disturbed, dir, 0);
}

bool losers_take_disturbed(struct pool *p, uint64_t *ret_dir)
{
	AUTO_LOCK(held, &p->losers_lock);

	if (!p->disturbed.count)
		return false;
	*ret_dir = p->disturbed.pairs[--p->disturbed.count].a;
	return true;
}

void losers_circle(struct pool *p, uint64_t id, bool is)
{
	AUTO_LOCK(held, &p->losers_lock);

	if (!is)
		pair_remove(&p->circles, id, 0);
	else if (pair_add(&p->circles, id, 0) < 0)
		log_error("pool \"%s\": out of memory for a directory in a circle", p->name);
}

size_t losers_circles(struct pool *p)
{
	AUTO_LOCK(held, &p->losers_lock);

	return p->circles.count;
}

bool losers_circle_at(struct pool *p, size_t i, uint64_t *ret_id)
{
	AUTO_LOCK(held, &p->losers_lock);
	uint64_t none;

	return pair_at(&p->circles, i, ret_id, &none);
}

static int list_save(const struct pair_list *list, uint8_t **ret, size_t *ret_size)
{
	size_t size = 16 * list->count;
	uint8_t *bytes = malloc(size + 1);

	if (!bytes)
		return -ENOMEM;
	struct wr w = wr_init(bytes, size);
	for (size_t i = 0; i < list->count; i++) {
		wr_u64(&w, list->pairs[i].a);
		wr_u64(&w, list->pairs[i].b);
	}
	*ret = bytes;
	*ret_size = size;
	return 0;
}

int losers_save(struct pool *p, uint8_t **ret, size_t *ret_size)
{
	AUTO_LOCK(held, &p->losers_lock);

	return list_save(&p->losers, ret, ret_size);
}

int losers_save_circles(struct pool *p, uint8_t **ret, size_t *ret_size)
{
	AUTO_LOCK(held, &p->losers_lock);

	return list_save(&p->circles, ret, ret_size);
}

int losers_load_circles(struct pool *p, const void *data, size_t size)
{
	struct rd r = rd_init(data, size);

	while (rd_left(&r) >= 16) {
		losers_circle(p, rd_u64(&r), true);
		(void)rd_u64(&r);
	}
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
