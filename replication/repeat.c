/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/repeat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/log.h"
#include "replication/content.h"

#define ZERO_CHUNK (64u << 10)
#define SHIFTS     (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)
#define CLEARS     (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)

/* A change of bytes in the part of the journal that is repeated. */
struct change {
	uint64_t id;
	uint64_t pos; /* of its frame */
	stamp_t stamp;
	uint64_t from, to;
	uint32_t sum; /* EXTENT: number of its hash, from 1; 0: of another kind */
	bool own;     /* a record, not part of another node's batch */
};

struct repeat {
	uint64_t now;
	uint64_t last_foreign; /* position */
	stamp_t *absent;       /* in order */
	size_t absent_count;
	struct change *changes; /* by id, then as in the journal */
	size_t count, capacity;
	uint8_t (*sums)[HASH_SIZE];
	uint32_t sum_count, sum_capacity;
};

void repeat_free(struct pool *p)
{
	if (!p->repeat)
		return;
	free(p->repeat->changes);
	free(p->repeat->sums);
	free(p->repeat->absent);
	free(p->repeat);
	p->repeat = NULL;
}

/* --- what stands in the journal --- */

static int grow(void *array, size_t element, size_t *capacity)
{
	void **at = array;
	size_t wanted = *capacity ? 2 * *capacity : 256;
	void *grown = realloc(*at, wanted * element);

	if (!grown)
		return -ENOMEM;
	*at = grown;
	*capacity = wanted;
	return 0;
}

static int note_sum(struct repeat *a, const struct record *rec, uint32_t *ret)
{
	if (a->sum_count == a->sum_capacity) {
		size_t capacity = a->sum_capacity;
		int r = grow(&a->sums, HASH_SIZE, &capacity);
		if (r < 0)
			return r;
		a->sum_capacity = (uint32_t)capacity;
	}
	memcpy(a->sums[a->sum_count++], rec->sum, HASH_SIZE);
	*ret = a->sum_count;
	return 0;
}

/* Which bytes the record gives another meaning. False: none. */
static bool range_of(const struct record *rec, uint64_t *ret_from, uint64_t *ret_to)
{
	*ret_from = rec->offset;
	*ret_to = UINT64_MAX;
	if (record_writes(rec))
		*ret_to = rec->offset + rec->data_size;
	else if (rec->kind == REC_FALLOCATE && !(rec->mode & SHIFTS))
		*ret_to = rec->mode & CLEARS ? rec->offset + rec->length : rec->offset;
	return record_is_content(rec) && *ret_from < *ret_to;
}

static int note(struct repeat *a, const struct record *rec, uint64_t pos, bool own)
{
	struct change c = {.id = rec->id, .pos = pos, .stamp = rec->stamp, .own = own};
	int r = 0;

	if (!range_of(rec, &c.from, &c.to))
		return 0;
	if (rec->kind == REC_EXTENT)
		r = note_sum(a, rec, &c.sum);
	if (r == 0 && a->count == a->capacity)
		r = grow(&a->changes, sizeof(*a->changes), &a->capacity);
	if (r == 0)
		a->changes[a->count++] = c;
	return r;
}

static int note_absent(struct repeat *a, const struct journal_frame *f)
{
	struct rd r = rd_init(f->payload, f->size);
	size_t count = f->size / 8;
	stamp_t *grown = realloc(a->absent, sizeof(*grown) * (a->absent_count + count + 1));

	if (!grown)
		return -ENOMEM;
	a->absent = grown;
	while (count--)
		grown[a->absent_count++] = rd_u64(&r);
	return 0;
}

static int note_frame(struct repeat *a, const struct journal_frame *f)
{
	struct batch_walk walk;
	struct record rec;
	int r;

	if (f->kind == JOURNAL_OWN) {
		r = record_read(f->payload, f->size, &rec);
		return r < 0 ? r : note(a, &rec, f->pos, true);
	}
	if (f->kind == JOURNAL_ABSENT)
		return note_absent(a, f);
	if (f->kind != JOURNAL_FOREIGN)
		return 0;
	a->last_foreign = f->pos;
	AUTO_FREE struct batch *batch = malloc(sizeof(*batch));
	r = batch ? batch_read(f->payload, f->size, batch) : -ENOMEM;
	if (r < 0)
		return r;
	batch_walk_init(&walk, batch);
	while ((r = batch_walk_next(&walk, &rec)) == 1) {
		r = note(a, &rec, f->pos, false);
		if (r < 0)
			break;
	}
	return r;
}

static int compare_changes(const void *a, const void *b)
{
	const struct change *x = a;
	const struct change *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	if (x->pos != y->pos)
		return x->pos < y->pos ? -1 : 1;
	return stamp_after(y->stamp, x->stamp) ? -1 : stamp_after(x->stamp, y->stamp);
}

static int compare_stamps(const void *a, const void *b)
{
	stamp_t x = *(const stamp_t *)a;
	stamp_t y = *(const stamp_t *)b;

	return x < y ? -1 : x > y;
}

bool repeat_lacks(const struct pool *p, stamp_t stamp)
{
	const struct repeat *a = p->repeat;

	return a->absent_count &&
	       bsearch(&stamp, a->absent, a->absent_count, sizeof(stamp), compare_stamps);
}

int repeat_begin(struct pool *p, uint64_t from)
{
	struct journal_reader reader = {0};
	struct journal_frame f;
	struct repeat *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	p->repeat = a;
	while ((r = journal_read(p->journal, &reader, from, &f)) == 1) {
		r = note_frame(a, &f);
		if (r < 0)
			break;
		from = f.next;
	}
	journal_reader_done(&reader);
	if (r < 0 || !a->sum_count)
		repeat_free(p);
	if (!p->repeat)
		return r;
	qsort(a->changes, a->count, sizeof(*a->changes), compare_changes);
	if (a->absent_count)
		qsort(a->absent, a->absent_count, sizeof(*a->absent), compare_stamps);
	return 0;
}

void repeat_at(struct pool *p, uint64_t pos)
{
	if (p->repeat)
		p->repeat->now = pos;
}

/* The first change of the object that stands behind this place; the others follow it. */
static const struct change *later(const struct repeat *a, uint64_t id, uint64_t pos, stamp_t stamp)
{
	struct change key = {.id = id, .pos = pos, .stamp = stamp};
	size_t low = 0;
	size_t high = a->count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (compare_changes(&a->changes[middle], &key) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return a->changes + low;
}

static bool is_of(const struct repeat *a, const struct change *c, uint64_t id)
{
	return c < a->changes + a->count && c->id == id;
}

/* --- making a record again --- */

bool repeat_spares(const struct pool *p, const struct record *rec)
{
	const struct repeat *a = p->repeat;

	if (!a || rec->kind == REC_EXTENT)
		return a != NULL;
	for (const struct change *c = later(a, rec->id, a->now, rec->stamp); is_of(a, c, rec->id);
	     c++) {
		if (c->sum)
			return true;
	}
	return false;
}

/* The next stretch of [*from, to) that no later extent covers; false: there is none. */
static bool next_gap(const struct repeat *a, const struct record *rec, uint64_t *from, uint64_t to,
		     uint64_t *ret_end)
{
	const struct change *first = later(a, rec->id, a->now, rec->stamp);
	bool moved = true;

	while (moved && *from < to) {
		moved = false;
		*ret_end = to;
		for (const struct change *c = first; is_of(a, c, rec->id); c++) {
			if (!c->sum)
				continue;
			if (c->from <= *from && c->to > *from) {
				*from = c->to;
				moved = true;
			} else if (c->from > *from && c->from < *ret_end) {
				*ret_end = c->from;
			}
		}
	}
	return *from < to;
}

static int make_zero(struct pool *p, const struct store_handle *handle, uint64_t from, uint64_t to)
{
	static const uint8_t zeros[ZERO_CHUNK];
	int r = p->store->ops->fallocate(p->store, handle, -1,
					 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
					 (off_t)(to - from));

	if (r != -EOPNOTSUPP)
		return r;
	for (r = 0; r == 0 && from < to; from += ZERO_CHUNK) {
		size_t size = to - from < ZERO_CHUNK ? (size_t)(to - from) : ZERO_CHUNK;
		r = p->store->ops->write(p->store, handle, -1, zeros, size, (off_t)from);
	}
	return r;
}

/* A file is cut no further than to the end of what came later. */
static int cut(struct pool *p, const struct store_handle *handle, const struct record *rec)
{
	const struct repeat *a = p->repeat;
	uint64_t from = rec->offset;
	uint64_t reach = from;
	uint64_t end;
	struct stat st;
	int r = p->store->ops->stat(p->store, handle, -1, &st);

	for (const struct change *c = later(a, rec->id, a->now, rec->stamp); is_of(a, c, rec->id);
	     c++) {
		if (c->sum && c->to > reach)
			reach = c->to;
	}
	if (r == 0 && reach > (uint64_t)st.st_size)
		reach = (uint64_t)st.st_size > rec->offset ? (uint64_t)st.st_size : rec->offset;
	while (r == 0 && next_gap(a, rec, &from, reach, &end)) {
		r = make_zero(p, handle, from, end);
		from = end;
	}
	return r == 0 ? p->store->ops->truncate(p->store, handle, -1, (off_t)reach) : r;
}

static int clear_range(struct pool *p, const struct store_handle *handle, const struct record *rec)
{
	uint64_t from = rec->offset;
	uint64_t end;
	int r = 0;

	if (!(rec->mode & CLEARS))
		return p->store->ops->fallocate(p->store, handle, -1, (int)rec->mode,
						(off_t)rec->offset, (off_t)rec->length);
	while (r == 0 && next_gap(p->repeat, rec, &from, rec->offset + rec->length, &end)) {
		r = p->store->ops->fallocate(p->store, handle, -1, (int)rec->mode, (off_t)from,
					     (off_t)(end - from));
		from = end;
	}
	return r;
}

static int write_gaps(struct pool *p, const struct store_handle *handle, const struct record *rec)
{
	uint64_t from = rec->offset;
	uint64_t end;
	int r = 0;

	while (r == 0 && next_gap(p->repeat, rec, &from, rec->offset + rec->data_size, &end)) {
		r = p->store->ops->write(p->store, handle, -1, rec->data + (from - rec->offset),
					 (size_t)(end - from), (off_t)from);
		from = end;
	}
	return r;
}

/* After a power cut the file may be shorter than it was; after a kill it is as it was. */
static int reach_end(struct pool *p, const struct store_handle *handle, const struct record *rec)
{
	uint64_t end = rec->offset + rec->data_size;
	struct stat st;
	int r = p->store->ops->stat(p->store, handle, -1, &st);

	if (r == 0 && p->power_cut && (uint64_t)st.st_size < end)
		r = p->store->ops->truncate(p->store, handle, -1, (off_t)end);
	return r;
}

int repeat_bytes(struct pool *p, const struct store_handle *handle, const struct record *rec)
{
	switch (rec->kind) {
	case REC_EXTENT:
		return reach_end(p, handle, rec);
	case REC_TRUNCATE:
		return cut(p, handle, rec);
	case REC_FALLOCATE:
		return clear_range(p, handle, rec);
	default:
		return write_gaps(p, handle, rec);
	}
}

/* --- comparing at the end --- */

enum left { LEFT_ALL, LEFT_PART, LEFT_NONE };

/* How much of the extent is still to be seen. */
static enum left left_of(const struct repeat *a, const struct change *extent)
{
	enum left left = LEFT_ALL;

	for (const struct change *c = extent + 1; is_of(a, c, extent->id); c++) {
		if (c->from <= extent->from && c->to >= extent->to)
			return LEFT_NONE;
		if (c->from < extent->to && c->to > extent->from)
			left = LEFT_PART;
	}
	return left;
}

/* The hash of what stands there now, up to the end of the file. */
static int hash_there(struct pool *p, const struct object *o, const struct change *c,
		      uint8_t ret[HASH_SIZE], size_t *ret_size)
{
	AUTO_FREE uint8_t *bytes = malloc((size_t)(c->to - c->from));
	ssize_t n = bytes ? p->store->ops->read(p->store, &o->handle, -1, bytes,
						(size_t)(c->to - c->from), (off_t)c->from)
			  : -ENOMEM;

	if (n < 0)
		return (int)n;
	hash_bytes(bytes, (size_t)n, ret, HASH_SIZE);
	*ret_size = (size_t)n;
	return 0;
}

/* A record that has no batch yet, so that no peer knows it, says what is there. MA_EUNKNOWN: it
 * has. */
static int amend(struct pool *p, const struct change *c, const uint8_t sum[HASH_SIZE], size_t size)
{
	struct journal_reader reader = {0};
	struct journal_frame f;
	struct record rec;
	int r = journal_read(p->journal, &reader, c->pos, &f);

	r = r == 1 ? record_read(f.payload, f.size, &rec) : MA_ECORRUPT;
	if (r == 0) {
		rec.sum = sum;
		rec.data_size = size;
		r = journal_amend(p->journal, c->pos, &rec);
	}
	journal_reader_done(&reader);
	return r;
}

/* A kill loses nothing but what was being done then: the last change of a file of this node's own,
 * or what stands in the last batch of another. */
static bool cut_short(const struct repeat *a, const struct change *c)
{
	const struct change *next = c + 1;

	if (!c->own && c->pos != a->last_foreign)
		return false;
	while (is_of(a, next, c->id) && next->pos == c->pos)
		next++;
	return !is_of(a, next, c->id);
}

static int check(struct pool *p, struct object *o, const struct change *c)
{
	const struct repeat *a = p->repeat;
	enum left left = left_of(a, c);
	uint8_t sum[HASH_SIZE];
	size_t size = 0;

	if (left == LEFT_NONE || (!p->power_cut && !cut_short(a, c)))
		return 0;
	int r = hash_there(p, o, c, sum, &size);
	if (r < 0)
		return r == -ESTALE || r == -ENOENT ? 0 : r;
	if (left == LEFT_ALL && memcmp(sum, a->sums[c->sum - 1], HASH_SIZE) == 0)
		return 0;
	if (c->own)
		r = amend(p, c, sum, size);
	if (c->own && (r != MA_EUNKNOWN || !p->power_cut))
		return r == MA_EUNKNOWN ? 0 : r; /* it has a batch: an application came later */
	log_info("pool \"%s\": file %llx is not what the journal says at %llu: asked from peers",
		 p->name, (unsigned long long)o->id, (unsigned long long)c->from);
	return content_doubt(p, o);
}

static int check_all(struct pool *p)
{
	const struct repeat *a = p->repeat;
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->count; i++) {
		AUTO_REF struct object_ref o = {.cache = p->cache};
		if (!a->changes[i].sum || object_get(p->cache, a->changes[i].id, &o.o) < 0)
			continue;
		AUTO_LOCKS struct locks_held held;
		locks_take(&p->locks, &o.o->id, 1, &held);
		if (S_ISREG(o.o->type) && !o.o->dead && !o.o->obsolete && o.o->handle.size)
			r = check(p, o.o, &a->changes[i]);
	}
	return r;
}

int repeat_end(struct pool *p)
{
	int r = p->repeat ? check_all(p) : 0;

	repeat_free(p);
	return r;
}
