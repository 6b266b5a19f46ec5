/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/catchup.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/db.h"
#include "core/log.h"
#include "net/message.h"
#include "replication/apply.h"
#include "replication/checkpoint.h"
#include "replication/circle.h"
#include "replication/commit.h"
#include "replication/place.h"
#include "replication/receive.h"

#define ITEM_MAX      (3u << 20)
#define MERGE_STRETCH 256 /* items between two chances for a flush */
#define MERGE_DEPTH   4096
#define GO_WAIT_MS    3000 /* from taking an offer to its beginning */

/* --- sending --- */

struct catchup_out {
	struct index *view;
	struct vector at;  /* the position of the view */
	uint64_t begun_at; /* where the journal goes on from it */
	size_t slot;       /* index into at.entries */
	struct index_mark after;
	uint64_t ids[CATCHUP_PAGE];
	int count, next;
	uint8_t *item;
	size_t item_size; /* not 0: built, not sent yet */
	bool begun;
	uint64_t sent_bytes, sent_items, items; /* so far; in all, about */
	uint64_t started_ms;
	uint8_t *position; /* as in the index */
	size_t position_size;
};

void catchup_out_free(struct session *s)
{
	s->offered = false;
	if (!s->out)
		return;
	index_close(s->out->view);
	free(s->out->item);
	free(s->out->position);
	free(s->out);
	s->out = NULL;
}

int catchup_out_start(struct pool *p, struct session *s)
{
	if (s->state != SESSION_INDEX || s->out)
		return 0; /* an earlier offer's */
	struct catchup_out *out = calloc(1, sizeof(*out));
	if (!out)
		return -ENOMEM;
	s->out = out;
	out->started_ms = clock_boot_ms();
	int r = index_snapshot(p->ix, &out->view);
	if (r == 0)
		r = index_value_get(out->view, "position", &out->position, &out->position_size);
	if (r == 0) {
		struct rd rd = rd_init(out->position, out->position_size);
		(void)rd_u64(&rd);
		out->begun_at = rd_u64(&rd);
		vector_read(&rd, &out->at);
		r = rd.failed ? MA_ECORRUPT : 0;
	}
	for (size_t i = 0; r == 0 && i < out->at.count; i++) {
		uint16_t slot = out->at.entries[i].slot;
		r = index_change_count(out->view, slot, vector_get(&s->have, slot), &out->items);
	}
	out->item = r == 0 ? malloc(ITEM_MAX) : NULL;
	if (r == 0 && !out->item)
		r = -ENOMEM;
	if (r == 0)
		log_info("pool \"%s\": node %u gets the state: shorter than the log, or the log is "
			 "gone",
			 p->name, s->node);
	return r;
}

static void write_xattrs(struct pool *p, struct wr *w, const struct object *row,
			 const struct store_handle *handle)
{
	struct wr size = *w;
	char value[RECORD_VALUE_MAX];

	wr_u32(w, 0);
	wr_u16(w, (uint16_t)row->xattr_count);
	for (size_t i = 0; i < row->xattr_count; i++) {
		const char *name = row->xattrs[i].name;
		ssize_t n = -ENODATA;
		if (handle->size)
			n = p->store->ops->get_xattr(p->store, handle, name, value, sizeof(value));
		const void *bytes = value;
		if (!handle->size && row->xattrs[i].value) {
			bytes = row->xattrs[i].value;
			n = (ssize_t)row->xattrs[i].size;
		}
		wr_blob16(w, name, strlen(name));
		wr_u8(w, n >= 0);
		wr_u64(w, row->xattrs[i].stamp);
		wr_u32(w, n >= 0 ? (uint32_t)n : 0);
		wr_bytes(w, bytes, n >= 0 ? (size_t)n : 0);
	}
	wr_u32(&size, (uint32_t)(w->at - size.at - 4));
}

static void fill_attrs(struct object *row, const struct object *now, const struct stat *st)
{
	if (!st) {
		row->attrs.mode = now->attrs.mode;
		row->attrs.uid = now->attrs.uid;
		row->attrs.gid = now->attrs.gid;
		row->attrs.rdev = now->attrs.rdev;
		return;
	}
	row->attrs.mode = st->st_mode & 07777;
	row->attrs.uid = st->st_uid;
	row->attrs.gid = st->st_gid;
	row->attrs.rdev = st->st_rdev;
}

static int fill_target(struct pool *p, struct object *row, const struct store_handle *handle)
{
	char target[4096];

	if (!S_ISLNK(row->type) || row->attrs.target)
		return 0;
	ssize_t n = p->store->ops->readlink(p->store, handle, target, sizeof(target));
	if (n < 0)
		return (int)n;
	row->attrs.target = strndup(target, (size_t)n);
	return row->attrs.target ? 0 : -ENOMEM;
}

/* Row of the view, attributes and bytes as they are now: bytes only if they still are of the
 * content that the row names. The object's lock is held. */
static int item_write(struct pool *p, struct object *row, const struct object *now, struct wr *w)
{
	struct stat st;
	bool there = now->handle.size && !now->dead &&
		     p->store->ops->stat(p->store, &now->handle, -1, &st) == 0;
	fill_attrs(row, now, there ? &st : NULL);
	int r = there ? fill_target(p, row, &now->handle) : 0;
	if (r < 0)
		return r;
	AUTO_FREE uint8_t *state = NULL;
	size_t state_size;
	r = object_encode(row, &state, &state_size);
	if (r < 0)
		return r;
	wr_u32(w, (uint32_t)state_size);
	wr_bytes(w, state, state_size);
	write_xattrs(p, w, row, there ? &now->handle : &(struct store_handle){0});
	bool whole = there && S_ISREG(row->type) && !row->obsolete && !now->obsolete &&
		     now->content == row->content && st.st_size <= ITEM_INLINE_MAX;
	wr_u8(w, whole);
	wr_u64(w, there && S_ISREG(row->type) ? (uint64_t)st.st_size : 0);
	if (whole && st.st_size > 0) {
		uint8_t *data = w->at;
		if ((size_t)(w->end - w->at) < (size_t)st.st_size)
			return MA_ELIMIT;
		ssize_t n = p->store->ops->read(p->store, &now->handle, -1, data,
						(size_t)st.st_size, 0);
		if (n < 0)
			return (int)n;
		w->at += n;
	}
	return w->failed ? MA_ELIMIT : 0;
}

static int item_build(struct pool *p, struct catchup_out *out, uint64_t id)
{
	AUTO_REF struct object_ref now = {.cache = p->cache};
	AUTO_FREE uint8_t *state = NULL;
	struct store_handle handle;
	struct object row = {0};
	size_t size;

	int r = index_get(out->view, id, &state, &size, &handle);
	if (r == 0)
		r = object_decode(state, size, &row);
	if (r == 0)
		r = object_get_raw(p->cache, id, &now.o);
	if (r == 0 && now.o->alias_of && !row.alias_of) {
		/* Made one with another since the view was taken: its attributes are there. */
		object_ref_end(&now);
		r = object_get(p->cache, id, &now.o);
	}
	if (r == 0) {
		AUTO_LOCKS struct locks_held held;
		struct wr w = wr_init(out->item, ITEM_MAX);
		locks_take(&p->locks, &now.o->id, 1, &held);
		r = item_write(p, &row, now.o, &w);
		out->item_size = r == 0 ? wr_used(&w) : 0;
	}
	object_clear(&row);
	/* Forgotten since the view was taken: it was dead, and all who matter know. */
	return r == MA_EUNKNOWN ? 0 : r;
}

/* The next id that changed since what the peer has. 0: end. */
static int next_id(struct session *s, uint64_t *ret)
{
	struct catchup_out *out = s->out;

	while (out->next == out->count) {
		if (out->slot == out->at.count)
			return 0;
		uint16_t slot = out->at.entries[out->slot].slot;
		uint64_t have = vector_get(&s->have, slot);
		if (out->after.seq < have)
			out->after = (struct index_mark){.seq = have, .whole = true};
		out->count = index_changes(out->view, slot, &out->after, out->ids, CATCHUP_PAGE);
		out->next = 0;
		if (out->count < 0)
			return out->count;
		if (out->count == 0) {
			out->slot++;
			out->after = (struct index_mark){0};
		}
	}
	*ret = out->ids[out->next++];
	return 1;
}

static int pump_one(struct pool *p, struct session *s)
{
	struct catchup_out *out = s->out;
	struct net_part part = {.data = out->position, .size = out->position_size};
	uint64_t id;
	int r;

	if (!out->begun) {
		r = session_send(p, s, NET_CATCHUP, MESSAGE_CATCHUP_BEGIN, &part, 1);
		out->begun = r == 0;
		return r < 0 ? r : 1;
	}
	while (!out->item_size) {
		r = next_id(s, &id);
		if (r == 0)
			return session_send(p, s, NET_CATCHUP, MESSAGE_CATCHUP_END, &part, 0);
		if (r == 1)
			r = item_build(p, out, id);
		if (r < 0)
			return r;
	}
	part = (struct net_part){.data = out->item, .size = out->item_size};
	r = session_send(p, s, NET_CATCHUP, MESSAGE_CATCHUP_ITEM, &part, 1);
	if (r < 0)
		return r;
	out->sent_bytes += out->item_size;
	out->sent_items++;
	out->item_size = 0;
	return 1;
}

static int offer(struct pool *p, struct session *s)
{
	struct net_part none = {.size = 0};

	if (s->offered)
		return -EAGAIN; /* until the peer takes it */
	int r = session_send(p, s, NET_CATCHUP, MESSAGE_CATCHUP_OFFER, &none, 0);
	s->offered = r == 0;
	return r;
}

void catchup_pump(struct pool *p, struct session *s)
{
	int r = s->out ? 0 : offer(p, s);

	if (!s->out) {
		if (r < 0 && r != -EAGAIN && r != -ENOTCONN)
			session_hold(p, s, r, "offering the state");
		return;
	}
	do {
		r = pump_one(p, s);
	} while (r == 1);
	if (r == -EAGAIN || r == -ENOTCONN)
		return;
	if (r < 0) {
		session_hold(p, s, r, "sending the state");
		return;
	}
	/* From the view on the log goes on. */
	struct vector at;
	vector_copy(&at, &s->out->at);
	catchup_out_free(s);
	s->backlog_bytes = s->backlog_apart = s->backlog_ops = 0;
	r = vector_merge(&s->have, &at);
	if (r < 0)
		session_hold(p, s, r, "going on after the state");
	else
		session_serve(p, s);
}

uint64_t catchup_needed(const struct session *s, uint64_t tail)
{
	return s->out && s->out->begun_at < tail ? s->out->begun_at : tail;
}

void catchup_progress(const struct session *s, struct pool_peer_status *ret)
{
	if (!s->out)
		return;
	uint64_t took_ms = clock_boot_ms() - s->out->started_ms;
	ret->catchup_done_bytes = s->out->sent_bytes;
	/* How many is known, how large only for those sent: the rest will be about as large. */
	ret->catchup_total_bytes = s->out->sent_bytes;
	if (s->out->sent_items && s->out->items > s->out->sent_items)
		ret->catchup_total_bytes =
			(uint64_t)((double)s->out->sent_bytes * (double)s->out->items /
				   (double)s->out->sent_items);
	if (took_ms)
		ret->catchup_rate = (double)s->out->sent_bytes * 1000.0 / (double)took_ms;
}

/* --- receiving --- */

struct catchup_in {
	uint16_t node;
	uint64_t taken_ms;
	char *path;
	struct db *db;
	struct db_stmt *put, *get, *mark, *unmark, *ids;
	struct position at;
	const struct vector *mine; /* while it is merged: what was here before */
	uint64_t count;
	uint64_t *full; /* directories to be removed that were not empty yet */
	size_t full_count;
};

static const char staging_schema[] =
	"PRAGMA synchronous=OFF;"
	"CREATE TABLE staged(id INTEGER PRIMARY KEY, item BLOB, done INTEGER); BEGIN";

static void in_close(struct catchup_in *in)
{
	db_close(in->db);
	if (in->path)
		(void)unlink(in->path);
	free(in->path);
	free(in->full);
	free(in);
}

void catchup_in_free(struct pool *p)
{
	if (p->in)
		in_close(p->in);
	p->in = NULL;
}

/* The place is free again: who offered meanwhile may offer anew. */
static void in_over(struct pool *p)
{
	catchup_in_free(p);
	p->in_refused = false;
	session_greet_all(p);
}

void catchup_tick(struct pool *p)
{
	/* Who was taken may have changed its mind: then the others have their turn. */
	bool silent = p->in && !p->in->db && clock_boot_ms() - p->in->taken_ms > GO_WAIT_MS;

	if (silent || (!p->in && p->in_refused))
		in_over(p);
}

void catchup_in_void(struct pool *p, uint16_t node)
{
	if (!p->in || p->in->node != node)
		return;
	catchup_in_free(p);
	p->in_refused = true;
}

void catchup_in_gone(struct pool *p, uint16_t node)
{
	if (p->in && p->in->node == node)
		in_over(p);
}

static int read_begin(struct rd *r, struct position *ret)
{
	(void)rd_u64(r);
	(void)rd_u64(r);
	vector_read(r, &ret->vector);
	rd_copy(r, ret->chains, (size_t)ret->vector.count * HASH_SIZE);
	return r->failed ? MA_ECORRUPT : 0;
}

/* The first to offer is taken; the others wait to be greeted. */
static int in_offered(struct pool *p, uint16_t node)
{
	struct net_part none = {.size = 0};

	if (p->in && p->in->node != node) {
		p->in_refused = true;
		return 0;
	}
	catchup_in_free(p);
	p->in = calloc(1, sizeof(*p->in));
	if (!p->in)
		return -ENOMEM;
	p->in->node = node;
	p->in->taken_ms = clock_boot_ms();
	AUTO_LOCK(held, &p->session_lock);
	struct session *s = session_find(p, node);
	return s ? session_send(p, s, NET_CONTROL, MESSAGE_CATCHUP_GO, &none, 0) : 0;
}

static int in_begin(struct pool *p, struct rd *r)
{
	char error[256];
	struct catchup_in *in = p->in;

	if (in->db)
		return MA_ECORRUPT;
	int code = checkpoint_filled(p);
	if (code == 0)
		code = read_begin(r, &in->at);
	if (code == 0 && asprintf(&in->path, "%s/staging.db", p->dir) < 0) {
		in->path = NULL;
		code = -ENOMEM;
	}
	if (code == 0) {
		(void)unlink(in->path);
		code = db_open(in->path, staging_schema, &in->db, error, sizeof(error));
	}
	const struct {
		const char *sql;
		struct db_stmt **stmt;
	} all[] = {
		{"INSERT OR REPLACE INTO staged VALUES(?1,?2,0)", &in->put},
		{"SELECT item, done FROM staged WHERE id=?1", &in->get},
		{"UPDATE staged SET done=1 WHERE id=?1", &in->mark},
		{"UPDATE staged SET done=0 WHERE id=?1", &in->unmark},
		{"SELECT id FROM staged WHERE id>?1 ORDER BY id LIMIT ?2", &in->ids},
	};
	for (size_t i = 0; code == 0 && i < sizeof(all) / sizeof(all[0]); i++)
		code = db_prepare(in->db, all[i].sql, all[i].stmt);
	return code;
}

static int in_item(struct pool *p, struct rd *r)
{
	struct item item;
	size_t size = rd_left(r);
	const uint8_t *bytes = rd_bytes(r, size);

	if (!p->in->db)
		return MA_ECORRUPT;
	int code = item_read(bytes, size, &item);

	if (code == 0) {
		db_bind_int(p->in->put, 1, (int64_t)item.state.id);
		db_bind_blob(p->in->put, 2, bytes, size);
		code = db_step(p->in->put);
		p->in->count++;
	}
	object_clear(&item.state);
	return code;
}

/* The staged item of this id into new memory. 0: none, or done already. */
static int staged_get(struct catchup_in *in, uint64_t id, uint8_t **ret, size_t *ret_size)
{
	db_bind_int(in->get, 1, (int64_t)id);
	int r = db_step(in->get);
	if (r != 1)
		return r;
	const void *bytes = db_blob(in->get, 0, ret_size);
	bool done = db_int(in->get, 1);
	uint8_t *copy = done ? NULL : malloc(*ret_size + 1);
	if (copy)
		memcpy(copy, bytes, *ret_size);
	db_reset(in->get);
	if (done)
		return 0;
	*ret = copy;
	return copy ? 1 : -ENOMEM;
}

static int note_full(struct catchup_in *in, uint64_t id)
{
	uint64_t *grown = realloc(in->full, (in->full_count + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	in->full = grown;
	grown[in->full_count++] = id;
	return 0;
}

static int merge_staged(struct pool *p, uint64_t id, const struct vector *mine, int depth)
{
	AUTO_FREE uint8_t *bytes = NULL;
	struct item item;
	size_t size;
	int r = staged_get(p->in, id, &bytes, &size);

	if (r != 1)
		return r;
	if (depth > MERGE_DEPTH)
		return MA_ELIMIT;
	db_bind_int(p->in->mark, 1, (int64_t)id);
	r = db_step(p->in->mark);
	if (r == 0)
		r = item_read(bytes, size, &item);
	if (r < 0)
		return r;
	/* Directories first: names have to have somewhere to be. */
	if (item.state.alias_of)
		r = merge_staged(p, item.state.alias_of, mine, depth + 1);
	for (size_t i = 0; r == 0 && i < item.state.link_count; i++)
		r = merge_staged(p, item.state.links[i].parent, mine, depth + 1);
	for (size_t i = 0; r == 0 && i < item.state.link_count; i++) {
		const struct link_home *want = item.state.links[i].want;
		r = want ? merge_staged(p, want->parent, mine, depth + 1) : 0;
	}
	if (r == 0)
		r = merge_item(p, &item, &p->in->at.vector, mine);
	if (r < 0 && r != -ENOTEMPTY)
		log_error("pool \"%s\": the state of object %llx (%s): %s", p->name,
			  (unsigned long long)id,
			  item.state.link_count ? item.state.links[0].name : "no name",
			  err_text(r));
	object_clear(&item.state);
	return r == -ENOTEMPTY ? note_full(p->in, id) : r;
}

static int merge_top(struct pool *p, uint64_t id, const struct vector *mine)
{
	AUTO_LOCKS struct locks_held held;

	locks_take_all(&p->locks, &held);
	int r = merge_staged(p, id, mine, 0);
	return r < 0 ? r : apply_calm(p, false);
}

int catchup_first(struct pool *p, uint64_t id)
{
	AUTO_FREE uint8_t *bytes = NULL;
	size_t size;
	int r = p->merging ? staged_get(p->in, id, &bytes, &size) : 0;

	if (r == 1)
		r = merge_staged(p, id, p->in->mine, 1);
	return r < 0 ? r : bytes != NULL;
}

/* Directories whose entries were still to come go now, the inner ones first. What has got something
 * new inside meanwhile stays. */
static int remove_full(struct pool *p, const struct vector *mine)
{
	struct catchup_in *in = p->in;
	size_t before;
	int r = 0;

	do {
		before = in->full_count;
		AUTO_FREE uint64_t *ids = in->full;
		in->full = NULL;
		in->full_count = 0;
		pool_enter(p);
		for (size_t i = before; r == 0 && i-- > 0;) {
			db_bind_int(in->unmark, 1, (int64_t)ids[i]);
			r = db_step(in->unmark);
			if (r == 0)
				r = merge_top(p, ids[i], mine);
		}
		pool_leave(p);
	} while (r == 0 && in->full_count && in->full_count < before);
	return r;
}

typedef int staged_fn(struct pool *p, uint64_t id, const struct vector *mine);

/* Directories got new entries after their times were set. */
static int touch_again(struct pool *p, uint64_t id, const struct vector *mine)
{
	AUTO_REF struct object_ref o = {.cache = p->cache};

	(void)mine;
	if (object_get(p->cache, id, &o.o) < 0 || !S_ISDIR(o.o->type) || o.o->dead ||
	    !o.o->handle.size)
		return 0;
	AUTO_LOCKS struct locks_held held;
	locks_take(&p->locks, &o.o->id, 1, &held);
	return place_settle(p, o.o);
}

static int each_staged(struct pool *p, staged_fn *fn, const struct vector *mine)
{
	int64_t after = INT64_MIN;
	uint64_t ids[MERGE_STRETCH];
	int r = 0;

	for (;;) {
		int count = 0;
		db_bind_int(p->in->ids, 1, after);
		db_bind_int(p->in->ids, 2, MERGE_STRETCH);
		while ((r = db_step(p->in->ids)) == 1)
			ids[count++] = (uint64_t)db_int(p->in->ids, 0);
		if (r < 0 || count == 0)
			return r;
		after = (int64_t)ids[count - 1];
		pool_enter(p);
		for (int i = 0; r == 0 && i < count; i++)
			r = fn(p, ids[i], mine);
		pool_leave(p);
		worker_wake(p);
		if (r < 0)
			return r;
	}
}

static int settle_circles(struct pool *p)
{
	AUTO_LOCKS struct locks_held held;

	pool_enter(p);
	locks_take_all(&p->locks, &held);
	int r = circle_settle(p);
	if (r == 0)
		r = apply_calm(p, false);
	pool_leave(p);
	return r;
}

static int jump(struct pool *p)
{
	const struct position *at = &p->in->at;
	AUTO_LOCK(held, &p->position_lock);
	int r = 0;

	for (size_t i = 0; r == 0 && i < at->vector.count; i++) {
		uint16_t slot = at->vector.entries[i].slot;
		uint64_t seq = at->vector.entries[i].seq;
		journal_see_seq(p->journal, seq);
		if (seq > vector_get(&p->position.vector, slot))
			r = position_set(&p->position, slot, seq, at->chains[i]);
	}
	if (r == 0)
		r = vector_merge(&p->begun, &at->vector);
	return r == 0 ? vector_merge(&p->log_floor, &at->vector) : r;
}

static int in_end(struct pool *p)
{
	struct vector mine;

	if (!p->in->db)
		return MA_ECORRUPT;
	position_get(p, &mine);
	p->in->mine = &mine;
	p->merging = true;
	int r = each_staged(p, merge_top, &mine);
	if (r == 0)
		r = remove_full(p, &mine);
	if (r == 0)
		r = settle_circles(p);
	if (r == 0)
		r = each_staged(p, touch_again, &mine);
	if (r == 0)
		r = jump(p);
	if (r == 0) {
		pool_enter(p);
		r = receive_tell_merges(p);
		pool_leave(p);
	}
	p->merging = false;
	if (r == 0)
		r = commit_flush(p);
	/* From an older one the journal does not lead here; without any, the index has to do. */
	if (r == 0 && checkpoint_make(p, true) < 0)
		log_warn("pool \"%s\": no checkpoint after the state; the next one is tried soon",
			 p->name);
	log_info("pool \"%s\": state of %llu objects from node %u: %s", p->name,
		 (unsigned long long)p->in->count, p->in->node, err_text(r));
	in_over(p);
	return r;
}

static int in_message(struct pool *p, uint16_t type, struct rd *body)
{
	switch (type) {
	case MESSAGE_CATCHUP_BEGIN:
		return in_begin(p, body);
	case MESSAGE_CATCHUP_ITEM:
		return in_item(p, body);
	case MESSAGE_CATCHUP_END:
		return in_end(p);
	default:
		return MA_EVERSION;
	}
}

int catchup_receive(struct pool *p, uint16_t node, uint16_t type, struct rd *body)
{
	if (type == MESSAGE_CATCHUP_OFFER)
		return in_offered(p, node);
	if (!p->in || p->in->node != node)
		return 0; /* of a transfer that was given up */
	int r = in_message(p, type, body);
	/* The session is held, and greeted again after a while. */
	if (r < 0)
		catchup_in_free(p);
	return r;
}
