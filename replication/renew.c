/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/renew.h"

#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/log.h"

struct renewed {
	struct {
		uint64_t seq, pos; /* of the record, in the journal */
	} * open;
	size_t first, count, capacity;
};

static int open_add(struct renewed *n, stamp_t stamp, uint64_t pos)
{
	if (n->count == n->capacity) {
		size_t capacity = n->capacity ? 2 * n->capacity : 256;
		void *grown = realloc(n->open, capacity * sizeof(n->open[0]));
		if (!grown)
			return -ENOMEM;
		n->open = grown;
		n->capacity = capacity;
	}
	n->open[n->count].seq = stamp_seq(stamp);
	n->open[n->count++].pos = pos;
	return 0;
}

static int find_open(struct pool *p, uint64_t pos, uint64_t sealed)
{
	struct journal_reader reader = {0};
	struct renewed *n = p->renewed;
	struct journal_frame f;
	int r;

	while ((r = journal_read(p->journal, &reader, pos, &f)) == 1) {
		struct rd rd = rd_init(f.payload, f.size);
		pos = f.next;
		if (f.kind == JOURNAL_OWN) {
			(void)rd_u16(&rd); /* kind and flags */
			r = open_add(n, rd_u64(&rd), f.pos);
		} else if (f.kind == JOURNAL_SEAL && f.pos >= sealed) {
			n->first += rd_u32(&rd);
		}
		if (r < 0 || rd.failed || n->first > n->count) {
			r = r < 0 ? r : MA_ECORRUPT;
			break;
		}
	}
	journal_reader_done(&reader);
	return r;
}

uint64_t renew_stamp(const struct pool *p, uint64_t stamp)
{
	const struct renewed *n = p->renewed;

	if (!n || slot_node(stamp_slot(stamp)) != p->node)
		return stamp;
	size_t low = n->first;
	size_t high = n->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (n->open[mid].seq < stamp_seq(stamp))
			low = mid + 1;
		else
			high = mid;
	}
	return low < n->count && n->open[low].seq == stamp_seq(stamp)
		       ? stamp_make(p->slot, stamp_seq(stamp))
		       : stamp;
}

static void renew_link(const struct pool *p, struct record_link *l)
{
	l->lid = renew_stamp(p, l->lid);
	l->id = renew_stamp(p, l->id);
	l->seen_place = renew_stamp(p, l->seen_place);
	l->seen_content = renew_stamp(p, l->seen_content);
}

/* All that it names may be of those records, too. Its size stays. */
static int renew_one(struct pool *p, struct journal_reader *reader, uint64_t pos)
{
	struct journal_frame f;
	struct record rec;
	int r = journal_read(p->journal, reader, pos, &f);

	if (r == 1)
		r = record_read(f.payload, f.size, &rec);
	if (r < 0)
		return r;
	rec.stamp = renew_stamp(p, rec.stamp);
	rec.id = renew_stamp(p, rec.id);
	rec.base = renew_stamp(p, rec.base);
	rec.parent = renew_stamp(p, rec.parent);
	rec.new_parent = renew_stamp(p, rec.new_parent);
	renew_link(p, &rec.link);
	renew_link(p, &rec.other);
	return journal_rewrite(p->journal, pos, &rec);
}

int renew_open_records(struct pool *p, uint64_t pos, uint64_t sealed)
{
	struct journal_reader reader = {0};

	p->renewed = calloc(1, sizeof(*p->renewed));
	int r = p->renewed ? find_open(p, pos, sealed) : -ENOMEM;
	const struct renewed *n = p->renewed;
	for (size_t i = r == 0 ? n->first : 0; r == 0 && i < n->count; i++)
		r = renew_one(p, &reader, n->open[i].pos);
	journal_reader_done(&reader);
	if (r == 0 && n->first < n->count)
		log_info("pool \"%s\": %zu changes of before the power cut go under a new name of "
			 "this node",
			 p->name, n->count - n->first);
	return r;
}

void renew_end(struct pool *p)
{
	if (p->renewed)
		free(p->renewed->open);
	free(p->renewed);
	p->renewed = NULL;
}
