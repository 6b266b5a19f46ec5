/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/journal.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/auto.h"
#include "core/io.h"
#include "core/clock.h"
#include "replication/open_records.h"
#include "replication/segment.h"

struct journal {
	char *dir;
	uint64_t pool;
	uint64_t max_bytes;
	size_t segment_size;
	pthread_mutex_t lock;     /* guards all below; held while a frame is written */
	pthread_cond_t room;      /* a call in flight has ended */
	pthread_cond_t taken;     /* a batch was taken */
	bool full;                /* JOURNAL_OPEN_MAX is open; atomic */
	struct segment *segments; /* in order of index; the last is being written */
	size_t count;
	char *spare; /* path of a file to recycle; NULL: none */
	uint64_t tail;
	uint64_t durable;
	int sync_error;
	uint16_t slot;
	uint64_t last_seq;
	uint64_t vouched_seq, vouched_ms; /* see journal_clock_vouched() */
	bool clock_bound;
	stamp_t last_own; /* of the own record appended last */
	uint64_t records;
	struct vector vector;
	struct open_records open; /* own records without a batch */
	struct {
		bool used;
		size_t open_offset;  /* of its record among them */
		size_t apart_offset; /* of its bytes apart */
		uint64_t pos;
	} inflight[JOURNAL_INFLIGHT_MAX];
};

static struct segment *segment_of(struct journal *j, uint64_t pos)
{
	uint64_t index = pos / j->segment_size;

	if (!j->count || index < j->segments[0].index || index > j->segments[j->count - 1].index)
		return NULL;
	return &j->segments[index - j->segments[0].index];
}

static int add_segment(struct journal *j, const struct segment *s)
{
	struct segment *grown = realloc(j->segments, sizeof(*grown) * (j->count + 1));

	if (!grown)
		return -ENOMEM;
	j->segments = grown;
	j->segments[j->count++] = *s;
	return 0;
}

/* Begins the next segment; called with the lock held (or before there are threads). */
static int next_segment(struct journal *j)
{
	struct segment s;
	uint64_t index = j->count ? j->segments[j->count - 1].index + 1 : 1;
	AUTO_FREE char *recycled = take_ptr(j->spare);

	int r = segment_create(j->dir, j->pool, index, j->segment_size, recycled, &s);
	if (r < 0)
		return r;
	uint64_t start = index * j->segment_size + JOURNAL_SEGMENT_HEAD;
	s.open_from = j->open.count ? j->open.pos[0] : start;
	s.open_last = j->open.count ? j->last_own : 0;
	vector_copy(&s.start, &j->vector);
	r = segment_write_head(&s, j->pool, j->segment_size);
	if (r == 0)
		r = add_segment(j, &s);
	if (r < 0) {
		(void)close(s.fd);
		return r;
	}
	j->tail = start;
	return 0;
}

/* Of the tail in the segment that is being written; its size if that is full to the last byte. */
static size_t tail_offset(const struct journal *j)
{
	return (size_t)(j->tail - j->segments[j->count - 1].index * j->segment_size);
}

/* Makes sure that `size` bytes of payload fit behind the tail. Lock held. */
static int make_room(struct journal *j, size_t size)
{
	size_t offset = tail_offset(j);
	size_t need = JOURNAL_FRAME_HEAD + size;

	assert(need <= j->segment_size - JOURNAL_SEGMENT_HEAD);
	if (offset + need <= j->segment_size)
		return 0;
	if (offset + JOURNAL_FRAME_HEAD <= j->segment_size) {
		struct iovec none = {.iov_base = "", .iov_len = 0};
		int r = segment_put(&j->segments[j->count - 1], (off_t)offset, j->tail, JOURNAL_PAD,
				    &none, 1);
		if (r < 0)
			return r;
	}
	/* The segment that ends is synced here, so that journal_sync() need only look at the last:
	 * rare (once per segment), and the bytes are mostly on their way already. */
	if (fdatasync(j->segments[j->count - 1].fd) < 0) {
		j->sync_error = -errno;
		return -errno;
	}
	return next_segment(j);
}

static int put_frame(struct journal *j, enum journal_kind kind, const struct iovec *parts,
		     int count, uint64_t *ret_pos)
{
	size_t size = 0;

	for (int i = 0; i < count; i++)
		size += parts[i].iov_len;
	if (j->sync_error)
		return j->sync_error;
	int r = make_room(j, size);
	if (r < 0)
		return r;
	struct segment *last = &j->segments[j->count - 1];
	r = segment_prepare(last, tail_offset(j) + JOURNAL_FRAME_HEAD + size, j->segment_size);
	if (r == 0)
		r = segment_put(last, (off_t)tail_offset(j), j->tail, kind, parts, count);
	if (r < 0)
		return r;
	*ret_pos = j->tail;
	j->tail += JOURNAL_FRAME_HEAD + size;
	return 0;
}

static int free_inflight(struct journal *j)
{
	for (int i = 0; i < JOURNAL_INFLIGHT_MAX; i++) {
		if (!j->inflight[i].used)
			return i;
	}
	return -1;
}

static stamp_t next_stamp(struct journal *j)
{
	uint64_t now = seq_from_clocks(clock_wall_ns(), j->clock_bound ? j->vouched_seq : 0,
				       clock_boot_ms() - j->vouched_ms);

	j->last_seq = now > j->last_seq ? now : j->last_seq + 1;
	return stamp_make(j->slot, j->last_seq);
}

/* Lock held. */
static void note_full(struct journal *j)
{
	__atomic_store_n(&j->full, j->open.size + j->open.apart_size > JOURNAL_OPEN_MAX,
			 __ATOMIC_RELAXED);
}

void journal_wait_room(struct journal *j)
{
	if (!__atomic_load_n(&j->full, __ATOMIC_RELAXED))
		return;
	AUTO_LOCK(held, &j->lock);
	while (j->full)
		(void)pthread_cond_wait(&j->taken, &j->lock);
}

int journal_append(struct journal *j, struct record *record, struct journal_ticket *ret)
{
	uint8_t head[RECORD_HEAD_MAX];
	AUTO_LOCK(held, &j->lock);
	int index;

	while ((index = free_inflight(j)) < 0)
		(void)pthread_cond_wait(&j->room, &j->lock);
	stamp_t stamp = next_stamp(j);
	record->stamp = stamp;
	if (record->kind == REC_MAKE && !(record->flags & REC_F_ID))
		record->id = stamp;
	struct wr w = wr_init(head, sizeof(head));
	record_write_head(&w, record);
	assert(!w.failed);
	struct iovec parts[2] = {
		{.iov_base = head, .iov_len = wr_used(&w)},
		{.iov_base = (void *)(uintptr_t)record->data, .iov_len = record_inline(record)},
	};
	int count = parts[1].iov_len ? 2 : 1;
	size_t size = parts[0].iov_len + parts[1].iov_len;
	int r = open_records_reserve(&j->open, size, record->data_size);
	if (r < 0)
		return r;
	uint64_t pos;
	r = put_frame(j, JOURNAL_OWN, parts, count, &pos);
	if (r < 0)
		return r;
	*ret = (struct journal_ticket){
		.stamp = stamp, .pos = pos, .size = size, .index = (unsigned int)index};
	j->inflight[index].used = true;
	j->inflight[index].pos = pos;
	j->inflight[index].open_offset = j->open.size;
	j->inflight[index].apart_offset = j->open.apart_size;
	open_records_add(&j->open, pos, parts, count, record->data);
	note_full(j);
	j->last_own = stamp;
	j->records++;
	return 0;
}

void journal_done(struct journal *j, const struct journal_ticket *ticket)
{
	AUTO_LOCK(held, &j->lock);

	assert(j->inflight[ticket->index].used);
	j->inflight[ticket->index].used = false;
	(void)pthread_cond_signal(&j->room);
}

/* Lock held. */
static void void_open(struct journal *j, unsigned int index)
{
	size_t apart = j->inflight[index].apart_offset;
	size_t gone = open_records_void(&j->open, j->inflight[index].open_offset, apart);

	for (int i = 0; i < JOURNAL_INFLIGHT_MAX; i++) {
		if (j->inflight[i].used && j->inflight[i].apart_offset > apart)
			j->inflight[i].apart_offset -= gone;
	}
}

void journal_void(struct journal *j, const struct journal_ticket *ticket,
		  const struct record *record)
{
	uint8_t head[RECORD_HEAD_MAX];
	struct record dead = *record;
	struct wr w = wr_init(head, sizeof(head));

	record_write_head(&w, &dead);
	assert(!w.failed);
	head[0] = REC_VOID; /* same bytes otherwise, so the size stays */
	struct iovec parts[2] = {
		{.iov_base = head, .iov_len = wr_used(&w)},
		{.iov_base = (void *)(uintptr_t)record->data, .iov_len = record_inline(record)},
	};
	{
		AUTO_LOCK(held, &j->lock);
		struct segment *s = segment_of(j, ticket->pos);
		assert(s &&
		       j->open.records[j->inflight[ticket->index].open_offset + 4] == record->kind);
		void_open(j, ticket->index);
		int r = segment_put(s, (off_t)(ticket->pos % j->segment_size), ticket->pos,
				    JOURNAL_OWN, parts, parts[1].iov_len ? 2 : 1);
		/* The journal on disk says something else now than the batch will: an end of it. */
		if (r < 0)
			j->sync_error = r;
	}
	journal_done(j, ticket);
}

int journal_rewrite(struct journal *j, uint64_t pos, const struct record *record)
{
	uint8_t head[RECORD_HEAD_MAX];
	struct wr w = wr_init(head, sizeof(head));

	record_write_head(&w, record);
	assert(!w.failed);
	struct iovec parts[2] = {
		{.iov_base = head, .iov_len = wr_used(&w)},
		{.iov_base = (void *)(uintptr_t)record->data, .iov_len = record_inline(record)},
	};
	AUTO_LOCK(held, &j->lock);
	const struct segment *s = segment_of(j, pos);
	return s ? segment_put(s, (off_t)(pos % j->segment_size), pos, JOURNAL_OWN, parts,
			       parts[1].iov_len ? 2 : 1)
		 : MA_EGAP;
}

int journal_append_frame(struct journal *j, enum journal_kind kind, const void *data, size_t size,
			 uint64_t *ret_pos)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
	struct batch batch;
	int r = kind == JOURNAL_FOREIGN ? batch_read(data, size, &batch) : 0;
	AUTO_LOCK(held, &j->lock);

	if (r == 0 && kind == JOURNAL_FOREIGN)
		r = vector_raise(&j->vector, batch.slot, batch.last);
	return r < 0 ? r : put_frame(j, kind, &part, 1, ret_pos);
}

bool journal_open_records(struct journal *j)
{
	AUTO_LOCK(held, &j->lock);

	return j->open.size > 0;
}

/* Bytes of the open buffer before the first record that is still in flight. Lock held. */
static size_t open_finished(struct journal *j)
{
	size_t end = j->open.size;

	for (int i = 0; i < JOURNAL_INFLIGHT_MAX; i++) {
		if (j->inflight[i].used && j->inflight[i].open_offset < end)
			end = j->inflight[i].open_offset;
	}
	return end;
}

/* Removes what makes a batch now. Lock held. */
static void open_drop(struct journal *j, const struct batch *batch)
{
	open_records_drop(&j->open, batch);
	for (int i = 0; i < JOURNAL_INFLIGHT_MAX; i++) {
		if (!j->inflight[i].used)
			continue;
		j->inflight[i].open_offset -= batch->records_size;
		j->inflight[i].apart_offset -= batch->apart_size;
	}
	note_full(j);
	(void)pthread_cond_broadcast(&j->taken);
}

int journal_seal_take(struct journal *j, struct batch *batch, uint8_t **ret_records)
{
	AUTO_LOCK(held, &j->lock);

	open_records_measure(&j->open, open_finished(j), batch);
	if (!batch->count)
		return 0;
	uint8_t *bytes = malloc(batch->records_size + batch->apart_size);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, j->open.records, batch->records_size);
	memcpy(bytes + batch->records_size, j->open.apart, batch->apart_size);
	batch->records = bytes;
	batch->apart = bytes + batch->records_size;
	*ret_records = bytes;
	return 1;
}

int journal_seal_put(struct journal *j, const struct batch *batch, uint64_t *ret_from)
{
	uint8_t head[4 + BATCH_HEAD_MAX];
	uint64_t pos;
	struct wr w = wr_init(head, sizeof(head));

	wr_u32(&w, batch->count);
	batch_write_head(&w, batch);
	assert(!w.failed);
	struct iovec part = {.iov_base = head, .iov_len = wr_used(&w)};
	AUTO_LOCK(held, &j->lock);
	int r = vector_raise(&j->vector, batch->slot, batch->last);
	if (r == 0)
		r = put_frame(j, JOURNAL_SEAL, &part, 1, &pos);
	if (r < 0)
		return r;
	*ret_from = j->open.pos[0];
	open_drop(j, batch);
	return 0;
}

int journal_reopen(struct journal *j, enum journal_kind kind, uint64_t pos, const void *payload,
		   size_t size)
{
	if (kind == JOURNAL_OWN) {
		struct iovec part = {.iov_base = (void *)(uintptr_t)payload, .iov_len = size};
		struct rd head = rd_init(payload, size);
		int r = open_records_reserve(&j->open, size, 0);
		if (r < 0)
			return r;
		(void)rd_u16(&head); /* kind and flags */
		j->last_own = rd_u64(&head);
		open_records_add(&j->open, pos, &part, 1, NULL);
		return 0;
	}
	struct rd r = rd_init(payload, size);
	struct batch batch;
	if (!open_records_count(&j->open, rd_u32(&r), &batch) || r.failed)
		return MA_ECORRUPT;
	open_drop(j, &batch);
	return 0;
}

void journal_set_slot(struct journal *j, uint16_t slot)
{
	AUTO_LOCK(held, &j->lock);

	j->slot = slot;
}

void journal_see_seq(struct journal *j, uint64_t seq)
{
	AUTO_LOCK(held, &j->lock);

	if (seq > j->last_seq)
		j->last_seq = seq;
}

void journal_clock_vouched(struct journal *j, bool by_others)
{
	AUTO_LOCK(held, &j->lock);

	j->vouched_seq = by_others ? seq_from_wall(clock_wall_ns()) : j->last_seq;
	j->vouched_ms = clock_boot_ms();
}

void journal_clock_alone(struct journal *j, bool alone)
{
	AUTO_LOCK(held, &j->lock);

	j->clock_bound = !alone;
}

void journal_set_vector(struct journal *j, const struct vector *v)
{
	AUTO_LOCK(held, &j->lock);

	/* Never lower: batches may have come in since the caller looked. */
	int r = vector_merge(&j->vector, v);
	assert(r == 0); /* all its slots are in the pool's position, which is as large */
	(void)r;
}

uint64_t journal_settled(struct journal *j)
{
	AUTO_LOCK(held, &j->lock);
	uint64_t pos = j->tail;

	for (int i = 0; i < JOURNAL_INFLIGHT_MAX; i++) {
		if (j->inflight[i].used && j->inflight[i].pos < pos)
			pos = j->inflight[i].pos;
	}
	return pos;
}

uint64_t journal_tail(struct journal *j)
{
	AUTO_LOCK(held, &j->lock);

	return j->tail;
}

uint64_t journal_open_from(struct journal *j)
{
	AUTO_LOCK(held, &j->lock);

	return j->open.count ? j->open.pos[0] : j->tail;
}

uint64_t journal_durable(struct journal *j)
{
	AUTO_LOCK(held, &j->lock);

	return j->durable;
}

uint64_t journal_bytes(struct journal *j)
{
	AUTO_LOCK(held, &j->lock);

	return j->tail - j->segments[0].index * j->segment_size;
}

uint64_t journal_records(struct journal *j)
{
	AUTO_LOCK(held, &j->lock);

	return j->records;
}

uint64_t journal_first(struct journal *j)
{
	AUTO_LOCK(held, &j->lock);

	return j->segments[0].index * j->segment_size + JOURNAL_SEGMENT_HEAD;
}

bool journal_whole(struct journal *j)
{
	AUTO_LOCK(held, &j->lock);

	return j->segments[0].index == 1;
}

int journal_amend(struct journal *j, uint64_t pos, const struct record *record)
{
	uint8_t bytes[RECORD_EXTENT_SIZE];
	struct wr w = wr_init(bytes, sizeof(bytes));
	struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	AUTO_LOCK(held, &j->lock);
	struct segment *s = segment_of(j, pos);
	size_t size = 0;
	uint8_t *open = open_records_find(&j->open, pos, &size);

	record_write_head(&w, record);
	if (!s || !open || size != wr_used(&w) || w.failed)
		return MA_EUNKNOWN;
	memcpy(open, bytes, size);
	return segment_put(s, (off_t)(pos % j->segment_size), pos, JOURNAL_OWN, &part, 1);
}

void journal_fail(struct journal *j, int code)
{
	AUTO_LOCK(held, &j->lock);

	j->sync_error = code;
}

int journal_sync(struct journal *j, uint64_t upto)
{
	AUTO_CLOSE int fd = -1;

	{
		AUTO_LOCK(held, &j->lock);
		if (j->sync_error)
			return j->sync_error;
		if (j->durable >= upto)
			return 0;
		fd = dup(j->segments[j->count - 1].fd);
		if (fd < 0)
			return -errno;
	}
	int r = fdatasync(fd) < 0 ? -errno : 0;
	AUTO_LOCK(held, &j->lock);
	/* After a failed fsync the kernel may have dropped the pages: never promise again. */
	if (r < 0)
		j->sync_error = r;
	else if (upto > j->durable)
		j->durable = upto;
	return r;
}

void journal_reader_done(struct journal_reader *reader)
{
	free(reader->buffer);
	*reader = (struct journal_reader){0};
}

/* What did not check may have been rewritten as VOID, or let go of, while it was read: now with the
 * lock held. */
static int read_again(struct journal *j, struct journal_reader *reader, uint64_t pos, uint64_t salt,
		      struct journal_frame *ret)
{
	AUTO_LOCK(held, &j->lock);
	const struct segment *s = segment_of(j, pos);

	if (!s || s->salt != salt)
		return MA_EGAP;
	int r = segment_get(s, (off_t)(pos % j->segment_size), pos, j->segment_size, reader, ret);
	return r == 0 ? MA_ECORRUPT : r;
}

int journal_read(struct journal *j, struct journal_reader *reader, uint64_t pos,
		 struct journal_frame *ret)
{
	for (;;) {
		struct segment s;
		AUTO_CLOSE int fd = -1;
		/* The end of a full segment is the beginning of the next one. */
		if (pos % j->segment_size < JOURNAL_SEGMENT_HEAD)
			pos += JOURNAL_SEGMENT_HEAD - pos % j->segment_size;
		{
			AUTO_LOCK(held, &j->lock);
			struct segment *found = segment_of(j, pos);
			if (pos >= j->tail)
				return 0;
			if (!found)
				return MA_EGAP;
			s.salt = found->salt;
			fd = dup(found->fd); /* a trim may close the segment meanwhile */
		}
		if (fd < 0)
			return -errno;
		s.fd = fd;
		uint64_t next = (pos / j->segment_size + 1) * j->segment_size;
		if (next - pos >= JOURNAL_FRAME_HEAD) {
			int r = segment_get(&s, (off_t)(pos % j->segment_size), pos,
					    j->segment_size, reader, ret);
			if (r == 0)
				r = read_again(j, reader, pos, s.salt, ret);
			if (r < 0 || ret->kind != JOURNAL_PAD)
				return r;
		}
		pos = next;
	}
}

int journal_start(struct journal *j, const struct vector *have, uint64_t *ret_pos)
{
	AUTO_LOCK(held, &j->lock);
	uint64_t first = j->segments[0].index * j->segment_size + JOURNAL_SEGMENT_HEAD;

	for (size_t i = j->count; i-- > 0;) {
		const struct segment *s = &j->segments[i];
		if (!vector_contains(have, &s->start))
			continue;
		/* Own records from before its beginning matter only to who does not have them. */
		bool whole = !s->open_last || vector_covers(have, s->open_last);
		if (whole || s->open_from >= first) {
			*ret_pos = whole ? s->index * j->segment_size + JOURNAL_SEGMENT_HEAD
					 : s->open_from;
			return 0;
		}
	}
	return MA_EGAP;
}

void journal_trim(struct journal *j, uint64_t keep, uint64_t need)
{
	AUTO_LOCK(held, &j->lock);

	if (j->open.count && need > j->open.pos[0])
		need = j->open.pos[0];
	while (j->count > 1) {
		uint64_t end = (j->segments[0].index + 1) * j->segment_size;
		bool too_much = (uint64_t)j->count * j->segment_size > j->max_bytes;
		if (end > need || (end > keep && !too_much))
			break;
		char path[4096];
		segment_path(j->dir, j->segments[0].index, path, sizeof(path));
		(void)close(j->segments[0].fd);
		memmove(j->segments, j->segments + 1, sizeof(*j->segments) * (j->count - 1));
		j->count--;
		/* One file waits to be the next segment: its blocks are written already, which
		 * makes fdatasync cheaper, and they are a reserve when the disk is full. */
		char spare[4096];
		(void)snprintf(spare, sizeof(spare), "%s/spare", j->dir);
		if (!j->spare && rename(path, spare) == 0)
			j->spare = strdup(spare);
		else
			(void)unlink(path);
	}
}

/* The end of what is whole: the first frame in the last segment that does not check. What stands
 * behind it goes: after a power cut later frames may have reached the disk and earlier ones not,
 * and a new frame of the same size in the gap would bring them back. */
static int find_tail(struct journal *j)
{
	struct journal_reader reader = {0};
	struct segment *last = &j->segments[j->count - 1];
	uint64_t base = last->index * j->segment_size;
	uint64_t pos = base + JOURNAL_SEGMENT_HEAD;
	struct journal_frame f;
	int r;

	while ((r = segment_get(last, (off_t)(pos - base), pos, j->segment_size, &reader, &f)) == 1)
		pos = f.kind == JOURNAL_PAD ? base + j->segment_size : f.next;
	journal_reader_done(&reader);
	if (r == 0)
		r = segment_clear_from(last, (off_t)(pos - base), j->segment_size);
	if (r == 0 && fdatasync(last->fd) < 0)
		r = -errno;
	if (r < 0)
		return r;
	j->tail = j->durable = pos;
	return 0;
}

/* Opens what is there. A gap or a bad head ends the chain that can be used: what lies before it
 * is let go of, since recovery needs an unbroken journal up to the tail. */
static int open_segments(struct journal *j)
{
	AUTO_FREE uint64_t *found = NULL;
	size_t count = 0;
	int r = segment_list(j->dir, &found, &count);

	/* The crash came while the very first one was being begun. */
	if (r == 0 && count == 1 && found[0] == 1 && segment_is_blank(j->dir, 1))
		count = 0;
	if (r == 0 && count) {
		/* The size was chosen when the journal began; a new setting must not orphan it. */
		char path[4096];
		struct stat st;
		segment_path(j->dir, found[0], path, sizeof(path));
		if (stat(path, &st) < 0)
			return -errno;
		if ((st.st_size < JOURNAL_SEGMENT_MIN || st.st_size > JOURNAL_SEGMENT_MAX) &&
		    (size_t)st.st_size != j->segment_size)
			return MA_ECORRUPT;
		j->segment_size = (size_t)st.st_size;
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		struct segment s;
		r = segment_open(j->dir, j->pool, found[i], j->segment_size, &s);
		if (r == MA_ECORRUPT && i + 1 == count && i > 0) {
			/* The crash came while the newest segment was being begun. */
			r = 0;
			break;
		}
		if (r < 0)
			return r;
		if (j->count && j->segments[j->count - 1].index + 1 != s.index) {
			(void)close(s.fd);
			return MA_EGAP;
		}
		r = add_segment(j, &s);
	}
	if (r < 0)
		return r;
	return j->count ? find_tail(j) : next_segment(j);
}

static size_t segment_size_for(uint64_t max_bytes)
{
	uint64_t size = max_bytes / 8;

	if (size < JOURNAL_SEGMENT_MIN)
		size = JOURNAL_SEGMENT_MIN;
	if (size > JOURNAL_SEGMENT_MAX)
		size = JOURNAL_SEGMENT_MAX;
	return (size_t)(size & ~UINT64_C(0xFFFFF));
}

int journal_open(const struct journal_config *config, struct journal **ret, char *error,
		 size_t size)
{
	struct journal *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->dir = strdup(config->dir);
	j->pool = config->pool;
	j->max_bytes = config->max_bytes;
	j->segment_size =
		config->segment_bytes ? config->segment_bytes : segment_size_for(config->max_bytes);
	(void)pthread_mutex_init(&j->lock, NULL);
	(void)pthread_cond_init(&j->room, NULL);
	(void)pthread_cond_init(&j->taken, NULL);
	int r = j->dir ? dir_make(j->dir, 0700) : -ENOMEM;
	if (r == 0)
		r = open_segments(j);
	if (r < 0) {
		(void)snprintf(error, size, "cannot open the journal in %s: %s", config->dir,
			       err_text(r));
		journal_close(j);
		return r;
	}
	*ret = j;
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->count; i++)
		(void)close(j->segments[i].fd);
	free(j->segments);
	open_records_free(&j->open);
	free(j->spare);
	free(j->dir);
	(void)pthread_cond_destroy(&j->room);
	(void)pthread_cond_destroy(&j->taken);
	(void)pthread_mutex_destroy(&j->lock);
	free(j);
}
