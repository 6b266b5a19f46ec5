/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/journal_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/io.h"
#include "replication/segment.h"

struct rig_disk rig_disk;

/* These stand before the C library's own. */
int fdatasync(int fd)
{
	if (__atomic_load_n(&rig_disk.sync_error, __ATOMIC_RELAXED)) {
		errno = rig_disk.sync_error;
		return -1;
	}
	__atomic_fetch_add(&rig_disk.syncs, 1, __ATOMIC_RELAXED);
	return (int)syscall(SYS_fdatasync, fd);
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	if (rig_disk.reserve_error) {
		errno = rig_disk.reserve_error;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	if (rig_disk.write_error) {
		errno = rig_disk.write_error;
		return -1;
	}
	void (*hook)(void *) = __atomic_exchange_n(&rig_disk.in_write, NULL, __ATOMIC_ACQ_REL);
	if (!hook || count == 1)
		return syscall(SYS_pwritev, fd, parts, (long)count, offset, 0L);
	ssize_t first = syscall(SYS_pwritev, fd, parts, 1L, offset, 0L);
	hook(rig_disk.arg);
	ssize_t rest = syscall(SYS_pwritev, fd, parts + 1, (long)count - 1, offset + first, 0L);
	return rest < 0 ? rest : first + rest;
}

ssize_t pread(int fd, void *buf, size_t size, off_t offset)
{
	void (*hook)(void *) = __atomic_exchange_n(&rig_disk.before_read, NULL, __ATOMIC_ACQ_REL);

	if (hook)
		hook(rig_disk.arg);
	return syscall(SYS_pread64, fd, buf, size, offset);
}

void rig_init(struct journal_rig *rig, uint64_t max_bytes)
{
	memset(rig, 0, sizeof(*rig));
	memset(&rig_disk, 0, sizeof(rig_disk));
	assert_int_equal(crypto_init(), 0);
	keypair_make(&rig->key);
	(void)snprintf(rig->dir, sizeof(rig->dir), "%s/journal-XXXXXX",
		       getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(rig->dir));
	rig->max_bytes = max_bytes;
}

void rig_done(struct journal_rig *rig)
{
	DIR *dir = opendir(rig->dir);
	struct dirent *d;

	memset(&rig_disk, 0, sizeof(rig_disk));
	rig_close(rig);
	assert_non_null(dir);
	while ((d = readdir(dir)))
		(void)unlinkat(dirfd(dir), d->d_name, 0);
	(void)closedir(dir);
	assert_int_equal(rmdir(rig->dir), 0);
}

int rig_try_open(struct journal_rig *rig, char *error, size_t size)
{
	struct journal_config config = {
		.dir = rig->dir, .pool = RIG_POOL, .max_bytes = rig->max_bytes};
	int r = journal_open(&config, &rig->j, error, size);

	if (r < 0)
		return r;
	journal_set_slot(rig->j, RIG_SLOT);
	return 0;
}

void rig_open(struct journal_rig *rig)
{
	char error[256] = "";

	if (rig_try_open(rig, error, sizeof(error)) < 0)
		fail_msg("%s", error);
}

void rig_close(struct journal_rig *rig)
{
	if (rig->j)
		rig->open_from = journal_open_from(rig->j);
	journal_close(rig->j);
	rig->j = NULL;
}

void rig_reopen(struct journal_rig *rig)
{
	struct journal_reader reader = {0};
	struct journal_frame f;
	struct vector complete;
	int r;

	rig_close(rig);
	rig_open(rig);
	uint64_t pos = journal_first(rig->j);
	vector_init(&complete);
	while ((r = journal_read(rig->j, &reader, pos, &f)) == 1) {
		struct batch batch;
		struct record rec;
		pos = f.next;
		if (f.kind == JOURNAL_OWN) {
			assert_int_equal(record_read(f.payload, f.size, &rec), 0);
			journal_see_seq(rig->j, stamp_seq(rec.stamp));
		} else if (f.kind == JOURNAL_SEAL || f.kind == JOURNAL_FOREIGN) {
			size_t skip = f.kind == JOURNAL_SEAL ? 4 : 0;
			assert_int_equal(batch_read(f.payload + skip, f.size - skip, &batch), 0);
			assert_int_equal(vector_raise(&complete, batch.slot, batch.last), 0);
		}
		if (f.pos >= rig->open_from && (f.kind == JOURNAL_OWN || f.kind == JOURNAL_SEAL))
			assert_int_equal(journal_reopen(rig->j, f.kind, f.pos, f.payload, f.size),
					 0);
	}
	assert_int_equal(r, 0);
	journal_reader_done(&reader);
	journal_set_vector(rig->j, &complete);
}

static struct record write_record(uint8_t fill, size_t size, uint8_t **ret_data)
{
	*ret_data = malloc(size + 1);
	assert_non_null(*ret_data);
	memset(*ret_data, fill, size);
	return (struct record){.kind = REC_WRITE,
			       .id = 5,
			       .base = 6,
			       .time_ns = fill,
			       .data = *ret_data,
			       .data_size = size};
}

int rig_append(struct journal_rig *rig, uint8_t fill, size_t size, struct journal_ticket *ret)
{
	AUTO_FREE uint8_t *data = NULL;
	struct record rec = write_record(fill, size, &data);

	return journal_append(rig->j, &rec, ret);
}

stamp_t rig_own(struct journal_rig *rig, uint8_t fill, size_t size)
{
	struct journal_ticket ticket;

	assert_int_equal(rig_append(rig, fill, size, &ticket), 0);
	journal_done(rig->j, &ticket);
	return ticket.stamp;
}

void rig_void(struct journal_rig *rig, uint8_t fill, size_t size,
	      const struct journal_ticket *ticket)
{
	AUTO_FREE uint8_t *data = NULL;
	struct record rec = write_record(fill, size, &data);

	rec.stamp = ticket->stamp;
	journal_void(rig->j, ticket, &rec);
}

void rig_fill(struct journal_rig *rig, uint64_t room)
{
	const uint64_t head = JOURNAL_FRAME_HEAD + RIG_WRITE_HEAD;
	uint64_t left;

	while ((left = RIG_SEGMENT - journal_tail(rig->j) % RIG_SEGMENT) > room + 1000000) {
		(void)rig_own(rig, 0xf1, 500000);
		(void)rig_seal(rig);
	}
	assert_true(left >= room + head);
	(void)rig_own(rig, 0xf2, left - room - head);
}

uint32_t rig_seal(struct journal_rig *rig)
{
	struct batch batch = {.pool = RIG_POOL, .prev = rig->prev};
	AUTO_FREE uint8_t *records = NULL;
	uint64_t from;
	int r = journal_seal_take(rig->j, &batch, &records);

	assert_in_range(r, 0, 1);
	if (r == 0)
		return 0;
	batch_seal(&batch, rig->chain, &rig->key);
	assert_int_equal(journal_seal_put(rig->j, &batch, &from), 0);
	memcpy(rig->chain, batch.chain, HASH_SIZE);
	rig->prev = batch.last;
	return batch.count;
}

uint16_t rig_foreign_slot(size_t i)
{
	return (uint16_t)((i + 10) * SLOT_INCARNATIONS);
}

uint64_t rig_foreign(struct journal_rig *rig, size_t i, size_t size)
{
	uint16_t slot = rig_foreign_slot(i);
	AUTO_FREE uint8_t *data = NULL;
	struct record rec = write_record(0x77, size, &data);
	AUTO_FREE uint8_t *bytes = malloc(size + BATCH_HEAD_MAX + 256);
	uint8_t head[256];
	uint64_t pos;
	struct wr h = wr_init(head, sizeof(head));

	assert_non_null(bytes);
	rec.stamp = stamp_make(slot, rig->foreign[i] + 1);
	record_write_head(&h, &rec);
	AUTO_FREE uint8_t *records = malloc(size + 256);
	struct wr r = wr_init(records, size + 256);
	wr_u32(&r, (uint32_t)(wr_used(&h) + size));
	wr_bytes(&r, head, wr_used(&h));
	wr_bytes(&r, data, size);
	struct batch batch = {.pool = RIG_POOL,
			      .slot = slot,
			      .prev = rig->foreign[i],
			      .first = rig->foreign[i] + 1,
			      .last = rig->foreign[i] + 1,
			      .count = 1,
			      .records = records,
			      .records_size = wr_used(&r)};
	batch_seal(&batch, rig->chain, &rig->key);
	struct wr w = wr_init(bytes, size + BATCH_HEAD_MAX + 256);
	batch_write_head(&w, &batch);
	wr_bytes(&w, records, batch.records_size);
	assert_false(h.failed || r.failed || w.failed);
	assert_int_equal(journal_append_frame(rig->j, JOURNAL_FOREIGN, bytes, wr_used(&w), &pos),
			 0);
	return ++rig->foreign[i];
}

struct rig_frame *rig_frames(struct journal_rig *rig, uint64_t from, size_t *ret_count)
{
	struct journal_reader reader = {0};
	struct journal_frame f;
	struct rig_frame *frames = NULL;
	size_t count = 0;
	int r;

	while ((r = journal_read(rig->j, &reader, from, &f)) == 1) {
		struct record rec = {0};
		struct batch batch;
		struct rig_frame *more = realloc(frames, sizeof(*frames) * (count + 1));
		assert_non_null(more);
		frames = more;
		struct rig_frame *to = &frames[count++];
		*to = (struct rig_frame){.kind = f.kind, .pos = f.pos, .size = f.size};
		if (f.kind == JOURNAL_OWN) {
			assert_int_equal(record_read(f.payload, f.size, &rec), 0);
			to->stamp = rec.stamp;
			to->record_kind = rec.kind;
		} else if (f.kind == JOURNAL_SEAL || f.kind == JOURNAL_FOREIGN) {
			size_t skip = f.kind == JOURNAL_SEAL ? 4 : 0;
			assert_int_equal(batch_read(f.payload + skip, f.size - skip, &batch), 0);
			to->stamp = stamp_make(batch.slot, batch.last);
		}
		from = f.next;
	}
	assert_int_equal(r, 0);
	journal_reader_done(&reader);
	*ret_count = count;
	return frames;
}

void rig_segment(struct journal_rig *rig, uint64_t pos, char ret[160])
{
	segment_path(rig->dir, pos / RIG_SEGMENT, ret, 160);
}

void rig_file_read(const char *path, uint64_t offset, void *ret, size_t size)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(io_pread(fd, ret, size, (off_t)offset) == (ssize_t)size);
}

void rig_file_write(const char *path, uint64_t offset, const void *data, size_t size)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(pwrite(fd, data, size, (off_t)offset) == (ssize_t)size);
}
