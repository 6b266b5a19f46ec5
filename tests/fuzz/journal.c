/* links: replication/journal.c replication/open_records.c replication/segment.c replication/batch.c
 * replication/record.c replication/stamp.c core/crypto.c core/io.c core/clock.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * A directory of segments that something has damaged: the journal opens or says that it does not,
 * gives out frames in order and within their segments, and goes on from where they end. The input:
 * a byte that says how many segments there are, then changes to them, each as segment (1), offset
 * (2), length (1), bytes. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/io.h"
#include "core/clock.h"
#include "replication/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define POOL     7
#define SLOT     65
#define SEGMENTS 3
#define SIZE     ((size_t)JOURNAL_SEGMENT_MIN)
#define KEPT     16384 /* of each segment; zeros follow */

static void check(bool good)
{
	if (!good)
		abort();
}

static size_t write_record(uint8_t *to, size_t room, uint64_t seq)
{
	struct record rec = {.kind = REC_TRUNCATE,
			     .stamp = stamp_make(SLOT, seq),
			     .id = 99,
			     .base = 98,
			     .offset = seq};
	struct wr w = wr_init(to, room);

	record_write_head(&w, &rec);
	check(!w.failed);
	return wr_used(&w);
}

static size_t write_batch(uint8_t *to, size_t room, bool sealed, uint64_t prev, uint64_t seq)
{
	static const uint8_t zeros[HASH_SIZE];
	struct keypair key = {0};
	uint8_t records[128];
	struct batch b = {.pool = POOL,
			  .slot = sealed ? SLOT : SLOT + 64,
			  .prev = prev,
			  .first = seq,
			  .last = seq,
			  .count = 1,
			  .records = records};
	struct wr r = wr_init(records, sizeof(records));
	struct wr w = wr_init(to, room);
	uint8_t body[128];

	size_t size = write_record(body, sizeof(body), seq);
	wr_u32(&r, (uint32_t)size);
	wr_bytes(&r, body, size);
	b.records_size = wr_used(&r);
	batch_seal(&b, zeros, &key);
	if (sealed)
		wr_u32(&w, 1);
	batch_write_head(&w, &b);
	if (!sealed)
		wr_bytes(&w, records, b.records_size);
	check(!w.failed && !r.failed);
	return wr_used(&w);
}

static void put(const struct segment *s, uint64_t *pos, enum journal_kind kind, const void *data,
		size_t size)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};

	check(segment_put(s, (off_t)(*pos % SIZE), *pos, kind, &part, 1) == 0);
	*pos += JOURNAL_FRAME_HEAD + size;
}

/* Each segment: three own records, the seal of the first, a batch of another node. */
static void segment_make(const char *dir, uint64_t index, uint8_t *kept)
{
	struct segment s;
	uint8_t bytes[BATCH_HEAD_MAX + 256];
	uint64_t pos = index * SIZE + JOURNAL_SEGMENT_HEAD;
	uint64_t seq = index * 100;

	check(segment_create(dir, POOL, index, SIZE, NULL, &s) == 0);
	s.open_from = pos;
	vector_init(&s.start);
	check(vector_raise(&s.start, SLOT, seq) == 0);
	check(segment_write_head(&s, POOL, SIZE) == 0);
	for (uint64_t i = 1; i <= 3; i++)
		put(&s, &pos, JOURNAL_OWN, bytes, write_record(bytes, sizeof(bytes), seq + i));
	put(&s, &pos, JOURNAL_SEAL, bytes,
	    write_batch(bytes, sizeof(bytes), true, index > 1 ? seq - 99 : 0, seq + 1));
	put(&s, &pos, JOURNAL_FOREIGN, bytes,
	    write_batch(bytes, sizeof(bytes), false, index > 1 ? seq - 99 : 0, seq + 1));
	put(&s, &pos, JOURNAL_PAD, bytes, 0);
	check(io_pread(s.fd, kept, KEPT, 0) == KEPT);
	(void)close(s.fd);
}

static void segment_store(const char *dir, uint64_t index, const uint8_t *kept)
{
	char path[192];

	segment_path(dir, index, path, sizeof(path));
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	check(fd >= 0 && ftruncate(fd, (off_t)SIZE) == 0);
	check(io_pwrite(fd, kept, KEPT, 0) == 0);
	(void)close(fd);
}

static void damage(uint8_t segments[SEGMENTS][KEPT], const uint8_t *data, size_t size)
{
	struct rd r = rd_init(data, size);

	while (rd_left(&r) > 0) {
		size_t which = rd_u8(&r) % SEGMENTS;
		size_t at = rd_u16(&r) % KEPT;
		size_t length = rd_u8(&r);
		const uint8_t *bytes;

		length = length < rd_left(&r) ? length : rd_left(&r);
		length = length < KEPT - at ? length : KEPT - at;
		bytes = rd_bytes(&r, length);
		if (bytes && length)
			memcpy(segments[which] + at, bytes, length);
	}
}

/* All frames, given back to the journal as recovery does it. */
static int read_all(struct journal *j)
{
	struct journal_reader reader = {0};
	struct journal_frame f;
	uint64_t pos = journal_first(j);
	int r;

	while ((r = journal_read(j, &reader, pos, &f)) == 1) {
		struct record rec;
		struct batch batch;
		int code = 0;

		check(f.pos >= pos && f.next == f.pos + JOURNAL_FRAME_HEAD + f.size);
		check(f.pos % SIZE >= JOURNAL_SEGMENT_HEAD && f.pos / SIZE == (f.next - 1) / SIZE);
		check(f.next <= journal_tail(j));
		pos = f.next;
		if (f.kind == JOURNAL_OWN)
			code = record_read(f.payload, f.size, &rec);
		else if (f.kind == JOURNAL_FOREIGN)
			code = batch_read(f.payload, f.size, &batch);
		if (code == 0 && (f.kind == JOURNAL_OWN || f.kind == JOURNAL_SEAL))
			code = journal_reopen(j, f.kind, f.pos, f.payload, f.size);
		check(code <= 0);
	}
	journal_reader_done(&reader);
	return r;
}

static void go_on(struct journal *j)
{
	struct record rec = {.kind = REC_TRUNCATE, .id = 5, .base = 6};
	struct journal_ticket ticket;
	struct journal_reader reader = {0};
	struct journal_frame f;

	journal_set_slot(j, SLOT);
	check(journal_append(j, &rec, &ticket) == 0);
	journal_done(j, &ticket);
	check(journal_read(j, &reader, ticket.pos, &f) == 1 && f.kind == JOURNAL_OWN);
	check(f.next == journal_tail(j));
	journal_reader_done(&reader);
}

static void remove_dir(const char *dir)
{
	for (uint64_t i = 1; i <= SEGMENTS + 1; i++) {
		char path[192];

		segment_path(dir, i, path, sizeof(path));
		(void)unlink(path);
	}
	(void)rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t good[SEGMENTS][KEPT];
	static uint8_t bad[SEGMENTS][KEPT];
	const char *tmp = getenv("TMPDIR");
	char dir[128];
	char error[256];
	struct journal_config config = {.dir = dir, .pool = POOL, .max_bytes = 8 * SIZE};
	struct journal *j;

	if (size < 1 || crypto_init() < 0)
		return 0;
	(void)snprintf(dir, sizeof(dir), "%s/fuzz-journal-XXXXXX", tmp ? tmp : "/tmp");
	check(mkdtemp(dir) != NULL);
	for (uint64_t i = 1; i <= SEGMENTS && !good[SEGMENTS - 1][0]; i++)
		segment_make(dir, i, good[i - 1]);
	memcpy(bad, good, sizeof(bad));
	damage(bad, data + 1, size - 1);
	remove_dir(dir);
	check(dir_make(dir, 0700) == 0);
	for (uint64_t i = 0; i <= data[0] % SEGMENTS; i++)
		segment_store(dir, i + 1, bad[i]);
	if (journal_open(&config, &j, error, sizeof(error)) == 0) {
		if (read_all(j) == 0)
			go_on(j);
		journal_close(j);
	} else {
		check(error[0]);
	}
	remove_dir(dir);
	return 0;
}
