/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/record.h"

#include <assert.h>
#include <sys/stat.h>

#include "core/crypto.h"

static void write_link(struct wr *w, const struct record_link *l)
{
	wr_u64(w, l->lid);
	if (!l->lid)
		return;
	wr_u64(w, l->id);
	wr_u64(w, l->seen_place);
	wr_u64(w, l->seen_content);
}

static void read_link(struct rd *r, struct record_link *ret)
{
	*ret = (struct record_link){.lid = rd_u64(r)};
	if (!ret->lid)
		return;
	ret->id = rd_u64(r);
	ret->seen_place = rd_u64(r);
	ret->seen_content = rd_u64(r);
	if (!ret->id)
		r->failed = true;
}

/* A file name: not empty, no slash, no zero byte, not "." or "..". */
static void read_name(struct rd *r, const char **ret, size_t *ret_size)
{
	const char *name = (const char *)rd_blob16(r, RECORD_NAME_MAX, ret_size);
	size_t size = *ret_size;

	*ret = name;
	if (r->failed || size == 0 || memchr(name, '/', size) || memchr(name, 0, size) ||
	    (name[0] == '.' && (size == 1 || (size == 2 && name[1] == '.'))))
		r->failed = true;
}

static void write_make(struct wr *w, const struct record *rec)
{
	wr_u64(w, rec->parent);
	wr_u32(w, rec->mode);
	wr_u32(w, rec->uid);
	wr_u32(w, rec->gid);
	wr_u64(w, rec->rdev);
	wr_blob16(w, rec->name, rec->name_size);
	wr_blob16(w, rec->target, rec->target_size);
	if (rec->flags & REC_F_ID)
		wr_u64(w, rec->id);
}

static void read_make(struct rd *r, struct record *rec)
{
	rec->id = rec->stamp;
	rec->parent = rd_u64(r);
	rec->mode = rd_u32(r);
	rec->uid = rd_u32(r);
	rec->gid = rd_u32(r);
	rec->rdev = rd_u64(r);
	read_name(r, &rec->name, &rec->name_size);
	rec->target = (const char *)rd_blob16(r, RECORD_TARGET_MAX, &rec->target_size);
	if (rec->flags & REC_F_ID)
		rec->id = rd_u64(r);
	if (r->failed)
		return;
	bool symlink = S_ISLNK(rec->mode);
	bool known = symlink || S_ISREG(rec->mode) || S_ISDIR(rec->mode) || S_ISFIFO(rec->mode) ||
		     S_ISSOCK(rec->mode) || S_ISCHR(rec->mode) || S_ISBLK(rec->mode);
	/* Ids are stamps of a node, but for the few that are there from the beginning. */
	if (!stamp_slot(rec->id) || !stamp_seq(rec->id))
		r->failed = true;
	if (!known || symlink != (rec->target_size > 0) ||
	    (symlink && memchr(rec->target, 0, rec->target_size)))
		r->failed = true;
}

static void write_rename(struct wr *w, const struct record *rec)
{
	wr_u64(w, rec->parent);
	wr_u64(w, rec->new_parent);
	write_link(w, &rec->link);
	write_link(w, &rec->other);
	wr_blob16(w, rec->old_name, rec->old_name_size);
	wr_blob16(w, rec->name, rec->name_size);
}

static void read_rename(struct rd *r, struct record *rec)
{
	rec->parent = rd_u64(r);
	rec->new_parent = rd_u64(r);
	read_link(r, &rec->link);
	read_link(r, &rec->other);
	read_name(r, &rec->old_name, &rec->old_name_size);
	read_name(r, &rec->name, &rec->name_size);
	rec->id = rec->link.id;
	if (!rec->link.lid || ((rec->flags & REC_F_EXCHANGE) && !rec->other.lid))
		r->failed = true;
}

/* The fields of each kind, once for writing and once, in the same order, for reading. */
static void write_fields(struct wr *w, const struct record *rec)
{
	switch (rec->kind) {
	case REC_VOID:
		break;
	case REC_MAKE:
		write_make(w, rec);
		break;
	case REC_LINK:
		wr_u64(w, rec->id);
		wr_u64(w, rec->parent);
		wr_blob16(w, rec->name, rec->name_size);
		break;
	case REC_UNLINK:
		wr_u64(w, rec->parent);
		write_link(w, &rec->link);
		break;
	case REC_RENAME:
		write_rename(w, rec);
		break;
	case REC_WRITE:
	case REC_TRUNCATE:
	case REC_FALLOCATE:
		wr_u64(w, rec->id);
		wr_u64(w, rec->base);
		wr_u64(w, rec->offset);
		if (rec->kind == REC_FALLOCATE) {
			wr_u64(w, rec->length);
			wr_u32(w, rec->mode);
		}
		break;
	case REC_EXTENT:
		wr_u64(w, rec->id);
		wr_u64(w, rec->base);
		wr_u64(w, rec->offset);
		wr_u32(w, (uint32_t)rec->data_size);
		wr_bytes(w, rec->sum, HASH_SIZE);
		break;
	case REC_OWNER:
		wr_u64(w, rec->id);
		wr_u32(w, rec->mode);
		wr_u32(w, rec->uid);
		wr_u32(w, rec->gid);
		break;
	case REC_TIMES:
		wr_u64(w, rec->id);
		wr_u64(w, (uint64_t)rec->atime_ns);
		break;
	case REC_XATTR:
		wr_u64(w, rec->id);
		wr_blob16(w, rec->name, rec->name_size);
		break;
	case REC_ALIAS:
	case REC_RESOLVE:
		wr_u64(w, rec->id);
		wr_u64(w, rec->base);
		break;
	default:
		w->failed = true;
	}
}

static void read_fields(struct rd *r, struct record *rec)
{
	switch (rec->kind) {
	case REC_VOID:
		break;
	case REC_MAKE:
		read_make(r, rec);
		break;
	case REC_LINK:
		rec->id = rd_u64(r);
		rec->parent = rd_u64(r);
		read_name(r, &rec->name, &rec->name_size);
		break;
	case REC_UNLINK:
		rec->parent = rd_u64(r);
		read_link(r, &rec->link);
		rec->id = rec->link.id;
		r->failed = r->failed || !rec->link.lid;
		break;
	case REC_RENAME:
		read_rename(r, rec);
		break;
	case REC_WRITE:
	case REC_TRUNCATE:
	case REC_FALLOCATE:
		rec->id = rd_u64(r);
		rec->base = rd_u64(r);
		rec->offset = rd_u64(r);
		if (rec->kind == REC_FALLOCATE) {
			rec->length = rd_u64(r);
			rec->mode = rd_u32(r);
		}
		break;
	case REC_EXTENT:
		rec->id = rd_u64(r);
		rec->base = rd_u64(r);
		rec->offset = rd_u64(r);
		rec->data_size = rd_u32(r);
		rec->sum = rd_bytes(r, HASH_SIZE);
		r->failed = r->failed || rec->data_size > RECORD_DATA_MAX;
		break;
	case REC_OWNER:
		rec->id = rd_u64(r);
		rec->mode = rd_u32(r);
		rec->uid = rd_u32(r);
		rec->gid = rd_u32(r);
		break;
	case REC_TIMES:
		rec->id = rd_u64(r);
		rec->atime_ns = (int64_t)rd_u64(r);
		break;
	case REC_XATTR:
		rec->id = rd_u64(r);
		rec->name = (const char *)rd_blob16(r, RECORD_NAME_MAX, &rec->name_size);
		r->failed = r->failed || rec->name_size == 0 ||
			    memchr(rec->name, 0, rec->name_size) ||
			    record_xattr_is_own(rec->name, rec->name_size);
		break;
	case REC_ALIAS:
	case REC_RESOLVE:
		rec->id = rd_u64(r);
		rec->base = rd_u64(r);
		r->failed = r->failed || !rec->base;
		break;
	default:
		r->failed = true;
	}
}

void record_write_head(struct wr *w, const struct record *rec)
{
	assert(rec->kind > 0 && rec->kind < REC_KINDS);
	assert(rec->data_size <= RECORD_DATA_MAX);
	wr_u8(w, rec->kind);
	wr_u8(w, rec->flags);
	wr_u64(w, rec->stamp);
	wr_u64(w, (uint64_t)rec->time_ns);
	write_fields(w, rec);
}

int record_read(const void *bytes, size_t size, struct record *ret)
{
	struct rd r = rd_init(bytes, size);
	struct record rec = {0};

	if (size > RECORD_SIZE_MAX)
		return MA_ECORRUPT;
	rec.kind = rd_u8(&r);
	rec.flags = rd_u8(&r);
	rec.stamp = rd_u64(&r);
	rec.time_ns = (int64_t)rd_u64(&r);
	read_fields(&r, &rec);
	if (r.failed || !stamp_seq(rec.stamp))
		return MA_ECORRUPT;
	size_t behind = rd_left(&r);
	rec.data = rd_bytes(&r, behind);
	size_t max = rec.kind == REC_WRITE                                  ? RECORD_DATA_MAX
		     : rec.kind == REC_XATTR && !(rec.flags & REC_F_REMOVE) ? RECORD_VALUE_MAX
		     : rec.kind == REC_VOID ? RECORD_SIZE_MAX /* what it once was */
					    : 0;
	if (behind > max || (rec.kind != REC_VOID && !rec.id))
		return MA_ECORRUPT;
	if (record_is_content(&rec) &&
	    (rec.offset > INT64_MAX - RECORD_DATA_MAX || rec.length > INT64_MAX - rec.offset))
		return MA_ECORRUPT;
	if (rec.kind == REC_EXTENT)
		rec.data = NULL;
	else
		rec.data_size = behind;
	*ret = rec;
	return 0;
}

bool record_is_apart(const void *bytes, size_t size, uint32_t *ret_size)
{
	const uint8_t *at = bytes;

	if (size != RECORD_EXTENT_SIZE || *at != REC_EXTENT)
		return false;
	struct rd r = rd_init(at + RECORD_EXTENT_SIZE - HASH_SIZE - 4, 4);
	*ret_size = rd_u32(&r);
	return true;
}
