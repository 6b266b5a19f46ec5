/* SPDX-License-Identifier: Apache-2.0
 * Batches are closed, the journal is made durable, objects are flushed into the index; and the
 * way back after a crash.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/log.h"
#include "replication/ahead.h"
#include "replication/apply.h"
#include "replication/catchup.h"
#include "replication/checkpoint.h"
#include "replication/claim.h"
#include "replication/commit.h"
#include "replication/fetch.h"
#include "replication/forget.h"
#include "replication/grave.h"
#include "replication/losers.h"
#include "replication/pool_ops.h"
#include "replication/receive.h"
#include "replication/renew.h"
#include "replication/repeat.h"
#include "replication/rewind.h"
#include "replication/session.h"
#include "replication/unsynced.h"

#define POSITION_SIZE_MAX (32 + 3 * VECTOR_WIRE_MAX + VECTOR_MAX * HASH_SIZE)

void position_get(struct pool *p, struct vector *ret)
{
	AUTO_LOCK(held, &p->position_lock);

	vector_copy(ret, &p->position.vector);
}

static size_t slot_index(const struct vector *v, uint16_t slot)
{
	for (size_t i = 0; i < v->count; i++) {
		if (v->entries[i].slot == slot)
			return i;
	}
	return VECTOR_MAX;
}

void position_chain(struct pool *p, uint16_t slot, uint8_t ret[HASH_SIZE])
{
	AUTO_LOCK(held, &p->position_lock);
	size_t i = slot_index(&p->position.vector, slot);

	if (i < VECTOR_MAX)
		memcpy(ret, p->position.chains[i], HASH_SIZE);
	else
		memset(ret, 0, HASH_SIZE);
}

int position_set(struct position *pos, uint16_t slot, uint64_t seq, const uint8_t chain[HASH_SIZE])
{
	size_t before = slot_index(&pos->vector, slot);
	int r = vector_raise(&pos->vector, slot, seq);

	if (r < 0)
		return r;
	size_t i = slot_index(&pos->vector, slot);
	if (before == VECTOR_MAX)
		memmove(&pos->chains[i + 1], &pos->chains[i],
			(size_t)(pos->vector.count - 1 - i) * HASH_SIZE);
	memcpy(pos->chains[i], chain, HASH_SIZE);
	return 0;
}

int position_advance(struct pool *p, const struct batch *batch)
{
	AUTO_LOCK(held, &p->position_lock);
	int r = vector_raise(&p->begun, batch->slot, batch->last);

	return r < 0 ? r : position_set(&p->position, batch->slot, batch->last, batch->chain);
}

int position_begin(struct pool *p, const struct batch *batch)
{
	AUTO_LOCK(held, &p->position_lock);

	return vector_raise(&p->begun, batch->slot, batch->last);
}

/* Closes one batch. 1: done, 0: nothing was open. */
static int seal_one(struct pool *p)
{
	struct batch batch = {.pool = p->id};
	AUTO_FREE uint8_t *records = NULL;
	uint8_t chain[HASH_SIZE];
	uint64_t from;

	int r = journal_seal_take(p->journal, &batch, &records);
	if (r <= 0)
		return r;
	{
		AUTO_LOCK(held, &p->position_lock);
		vector_copy(&batch.deps, &p->begun);
		batch.prev = vector_get(&p->position.vector, batch.slot);
	}
	position_chain(p, batch.slot, chain);
	batch_seal(&batch, chain, p->key);
	r = journal_seal_put(p->journal, &batch, &from);
	if (r == 0)
		r = position_advance(p, &batch);
	if (r < 0)
		return r;
	session_offer(p, &batch, from);
	return 1;
}

int commit_seal(struct pool *p)
{
	AUTO_LOCK(held, &p->seal_lock);
	int r;

	do {
		r = seal_one(p);
	} while (r == 1);
	return r;
}

/* What the journal names first, then the journal up to where it stood before. */
static int sync_all(struct pool *p)
{
	uint64_t tail = journal_tail(p->journal);
	int r = unsynced_sync(p);

	/* The kernel may have dropped the pages: never promise again. */
	if (r < 0)
		journal_fail(p->journal, r);
	return r < 0 ? r : journal_sync(p->journal, tail);
}

int commit_sync(struct pool *p, uint64_t pos)
{
	uint64_t files = unsynced_now(p);
	AUTO_LOCK(held, &p->sync_lock);

	while (journal_durable(p->journal) < pos || !unsynced_done(p, files)) {
		if (p->syncing) {
			(void)pthread_cond_wait(&p->sync_done, &p->sync_lock);
			continue;
		}
		/* The first that comes syncs for all that wait meanwhile. */
		p->syncing = true;
		(void)pthread_mutex_unlock(&p->sync_lock);
		int r = sync_all(p);
		(void)pthread_mutex_lock(&p->sync_lock);
		p->syncing = false;
		(void)pthread_cond_broadcast(&p->sync_done);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What goes into the index beside the objects. */
struct flush {
	struct object_flush *objects;
	uint8_t *losers, *circles, *missing;
	size_t losers_size, circles_size, missing_size;
	size_t values; /* see grave.h */
	uint8_t forgotten[VECTOR_WIRE_MAX];
	size_t forgotten_size;
	uint8_t summary[OBJECT_SUMMARY_SIZE];
	uint8_t position[POSITION_SIZE_MAX];
	size_t position_size;
	uint64_t pos;
	bool whole;
	struct vector vector;
	uint8_t hash[STATE_HASH_SIZE];
};

static void write_position(struct pool *p, struct flush *f)
{
	AUTO_LOCK(held, &p->position_lock);
	struct wr w = wr_init(f->position, sizeof(f->position));

	wr_u64(&w, f->pos);
	wr_u64(&w, journal_open_from(p->journal));
	vector_write(&w, &p->position.vector);
	wr_bytes(&w, p->position.chains, (size_t)p->position.vector.count * HASH_SIZE);
	vector_write(&w, &p->log_floor);
	assert(!w.failed);
	f->position_size = wr_used(&w);
	vector_copy(&f->vector, &p->position.vector);
}

/* With everything held off: a picture of one moment. */
static int flush_take(struct pool *p, struct flush *f)
{
	AUTO_LOCK(sealing, &p->seal_lock);
	(void)pthread_rwlock_wrlock(&p->barrier);
	int r = object_flush_take(p->cache, &f->objects);
	if (r == 0)
		r = losers_save(p, &f->losers, &f->losers_size);
	if (r == 0)
		r = losers_save_circles(p, &f->circles, &f->circles_size);
	if (r == 0)
		r = fetch_save(p, &f->missing, &f->missing_size);
	f->pos = journal_tail(p->journal);
	f->values = grave_values(p);
	f->whole = !journal_open_records(p->journal) && f->missing_size == 0 && !p->merging;
	f->forgotten_size = forget_save(p, f->forgotten);
	write_position(p, f);
	object_summary(p->cache, f->summary);
	object_state_hash(p->cache, f->hash);
	(void)pthread_rwlock_unlock(&p->barrier);
	return r;
}

static uint64_t disk_bytes(void *arg, const struct store_handle *handle)
{
	struct pool *p = arg;
	struct stat st;

	return p->store->ops->stat(p->store, handle, -1, &st) < 0 ? 0
								  : (uint64_t)st.st_blocks * 512;
}

static int flush_write(struct pool *p, struct flush *f)
{
	const struct {
		const char *name;
		const void *data;
		size_t size;
	} values[] = {
		{"position", f->position, f->position_size},
		{"summary", f->summary, sizeof(f->summary)},
		{"losers", f->losers, f->losers_size},
		{"circles", f->circles, f->circles_size},
		{"missing", f->missing, f->missing_size},
		{FORGET_VALUE, f->forgotten, f->forgotten_size},
	};
	int r = index_begin(p->ix);

	if (r == 0)
		r = object_flush_write(p->cache, f->objects, disk_bytes, p);
	for (size_t i = 0; r == 0 && i < sizeof(values) / sizeof(values[0]); i++)
		r = index_value_put(p->ix, values[i].name, values[i].data, values[i].size);
	if (r == 0)
		r = index_commit(p->ix);
	if (r < 0)
		index_rollback(p->ix);
	return r;
}

int commit_flush(struct pool *p)
{
	AUTO_LOCK(held, &p->flush_lock);
	AUTO_FREE struct flush *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	int r = commit_seal(p);
	if (r == 0)
		r = forget_step(p);
	if (r == 0)
		r = flush_take(p, f);
	if (r == 0)
		r = flush_write(p, f);
	if (f->objects)
		object_flush_done(p->cache, f->objects, r == 0);
	free(f->losers);
	free(f->circles);
	free(f->missing);
	if (r < 0) {
		log_error("pool \"%s\": cannot write the index: %s", p->name, err_text(r));
		if (r == MA_ECORRUPT)
			checkpoint_index_damaged(p);
		return r;
	}
	grave_values_flushed(p, f->values);
	bool news;
	{
		AUTO_LOCK(position, &p->position_lock);
		news = f->whole != p->flushed_whole ||
		       !vector_equal(&p->flushed_vector, &f->vector) ||
		       memcmp(p->flushed_hash, f->hash, STATE_HASH_SIZE) != 0;
		vector_copy(&p->flushed_vector, &f->vector);
		memcpy(p->flushed_hash, f->hash, STATE_HASH_SIZE);
		p->flushed_pos = f->pos;
		p->flushed_whole = f->whole;
	}
	journal_set_vector(p->journal, &f->vector);
	uint64_t kept = __atomic_load_n(&p->checkpoint_pos, __ATOMIC_ACQUIRE);
	journal_trim(p->journal, session_needed(p), kept < f->pos ? kept : f->pos);
	/* Rows that are forgotten change nothing for anybody. */
	if (news)
		session_state_changed(p);
	return 0;
}

/* --- recovery --- */

struct recovery {
	uint64_t pos;       /* the index holds what stands before */
	uint64_t open_from; /* reading begins here, to find own records without a batch */
};

static int read_position(struct pool *p, struct recovery *rec)
{
	AUTO_FREE uint8_t *data = NULL;
	size_t size;
	int r = index_value_get(p->ix, "position", &data, &size);

	if (r == MA_EUNKNOWN) {
		struct vector nothing;
		vector_init(&nothing);
		r = journal_start(p->journal, &nothing, &rec->pos);
		if (r < 0) {
			log_error("pool \"%s\": the index is gone, and the journal does not reach "
				  "back "
				  "to the beginning: the pool has to be left and joined again",
				  p->name);
			return r;
		}
		rec->pos = rec->open_from = journal_first(p->journal);
		return 0;
	}
	if (r < 0)
		return r;
	struct rd rd = rd_init(data, size);
	rec->pos = rd_u64(&rd);
	rec->open_from = rd_u64(&rd);
	vector_read(&rd, &p->position.vector);
	rd_copy(&rd, p->position.chains, (size_t)p->position.vector.count * HASH_SIZE);
	vector_read(&rd, &p->log_floor);
	if (rd.failed)
		return MA_ECORRUPT;
	vector_copy(&p->begun, &p->position.vector);
	return 0;
}

static int read_values(struct pool *p)
{
	AUTO_FREE uint8_t *summary = NULL;
	AUTO_FREE uint8_t *losers = NULL;
	AUTO_FREE uint8_t *missing = NULL;
	AUTO_FREE uint8_t *circles = NULL;
	size_t size;
	int r = index_value_get(p->ix, "summary", &summary, &size);

	if (r == MA_EUNKNOWN)
		return 0;
	if (r == 0 && size != OBJECT_SUMMARY_SIZE)
		r = MA_ECORRUPT;
	if (r < 0)
		return r;
	object_summary_set(p->cache, summary);
	r = forget_load(p);
	if (r == 0)
		r = index_value_get(p->ix, "losers", &losers, &size);
	if (r == 0)
		r = losers_load(p, losers, size);
	if (r == 0)
		r = index_value_get(p->ix, "circles", &circles, &size);
	if (r == 0)
		r = losers_load_circles(p, circles, size);
	r = r == MA_EUNKNOWN ? 0 : r; /* written before there were any */
	if (r == 0)
		r = index_value_get(p->ix, "missing", &missing, &size);
	return r == 0 ? fetch_load(p, missing, size) : r;
}

static int redo_own(struct pool *p, const struct recovery *state, const struct journal_frame *f)
{
	struct record rec;
	struct apply ctx = {.redo = true, .fd = -1};
	int r = record_read(f->payload, f->size, &rec);

	if (r < 0)
		return r;
	journal_see_seq(p->journal, stamp_seq(rec.stamp));
	repeat_at(p, f->pos);
	if (f->pos >= state->pos)
		r = apply_one(p, &rec, &ctx);
	if (ctx.fd >= 0)
		p->store->ops->close(p->store, ctx.fd);
	/* What failed then (a full disk, say) may fail again: its caller was told so. */
	if (r < 0 && r > -1000)
		log_warn("pool \"%s\": a change of before the crash cannot be repeated: %s",
			 p->name, err_text(r));
	else if (r < 0)
		return r;
	return journal_reopen(p->journal, JOURNAL_OWN, f->pos, f->payload, f->size);
}

static int redo_seal(struct pool *p, const struct recovery *state, const struct journal_frame *f)
{
	struct batch head;

	int r = journal_reopen(p->journal, JOURNAL_SEAL, f->pos, f->payload, f->size);
	if (r < 0 || f->pos < state->pos)
		return r;
	r = batch_read(f->payload + 4, f->size - 4, &head);
	return r < 0 ? r : position_advance(p, &head);
}

static int redo_foreign(struct pool *p, const struct journal_frame *f)
{
	AUTO_FREE struct batch *batch = malloc(sizeof(*batch));

	if (!batch)
		return -ENOMEM;
	int r = batch_read(f->payload, f->size, batch);
	if (r < 0)
		return r;
	journal_see_seq(p->journal, batch->last);
	repeat_at(p, f->pos);
	r = apply_batch(p, batch, true);
	if (r < 0 && r > -1000) {
		/* The pool has to open: it is tried again, and shown, like one that came just now.
		 */
		log_error("pool \"%s\": a change of node %u of before the crash: %s; tried again",
			  p->name, slot_node(batch->slot), err_text(r));
		return receive_keep(p, slot_node(batch->slot), f->payload, f->size);
	}
	return r < 0 ? r : position_advance(p, batch);
}

static int redo_frame(struct pool *p, const struct recovery *state, const struct journal_frame *f)
{
	switch (f->kind) {
	case JOURNAL_OWN:
		return redo_own(p, state, f);
	case JOURNAL_SEAL:
		return redo_seal(p, state, f);
	case JOURNAL_FOREIGN:
		return f->pos >= state->pos ? redo_foreign(p, f) : 0;
	default:
		return 0;
	}
}

int commit_recover(struct pool *p)
{
	struct recovery state;
	struct journal_reader reader = {0};
	struct journal_frame f;
	int r = read_position(p, &state);

	if (r == 0)
		r = read_values(p);
	if (r < 0)
		return r;
	for (size_t i = 0; i < p->position.vector.count; i++)
		journal_see_seq(p->journal, p->position.vector.entries[i].seq);
	uint64_t pos = state.open_from < state.pos ? state.open_from : state.pos;
	pool_enter(p);
	p->recovering = true;
	if (p->power_cut)
		r = renew_open_records(p, pos, state.pos);
	if (r == 0)
		r = rewind_tree(p, state.pos);
	if (r == 0)
		r = repeat_begin(p, state.pos);
	while (r == 0) {
		r = journal_read(p->journal, &reader, pos, &f);
		if (r <= 0)
			break;
		/* A seal before the flush may be of records that stand before open_from. */
		r = f.kind == JOURNAL_SEAL && f.pos < state.pos ? 0 : redo_frame(p, &state, &f);
		pos = f.next;
	}
	if (r == 0)
		r = ahead_end(p);
	if (r == 0)
		r = repeat_end(p);
	p->recovering = false;
	renew_end(p);
	/* What reached the tree and not the journal is this node's alone. */
	if (r == 0 && p->power_cut)
		r = adopt_strays(p);
	if (r == 0 && claim_all(p) < 0)
		log_warn("pool \"%s\": names are put right later", p->name);
	pool_leave(p);
	journal_reader_done(&reader);
	journal_set_vector(p->journal, &p->position.vector);
	return r;
}
