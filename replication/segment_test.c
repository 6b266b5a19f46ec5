/* links: replication/segment.c replication/stamp.c tests/lib/hex_file.c core/crypto.c core/io.c
 *        core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Segments: heads and frames against golden vectors; nothing reads as a frame but what was written
 * as that frame, at that place, in that life of the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "core/auto.h"
#include "core/io.h"
#include "replication/segment.h"
#include "tests/lib/hex_file.h"

#define POOL UINT64_C(0x1122334455667788)
#define SIZE ((size_t)JOURNAL_SEGMENT_MIN)
#define POS  (3 * (uint64_t)SIZE + JOURNAL_SEGMENT_HEAD)

struct rig {
	char dir[64];
	struct segment s;
	struct journal_reader reader;
};

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	(void)snprintf(rig->dir, sizeof(rig->dir), "%s/segment-XXXXXX",
		       getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(rig->dir));
	assert_int_equal(segment_create(rig->dir, POOL, 3, SIZE, NULL, &rig->s), 0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	char path[128];

	(void)close(rig->s.fd);
	journal_reader_done(&rig->reader);
	for (uint64_t i = 0; i < 16; i++) {
		segment_path(rig->dir, i, path, sizeof(path));
		(void)unlink(path);
	}
	assert_int_equal(rmdir(rig->dir), 0);
	free(rig);
	return 0;
}

/* Of journal.c, which this test does without. */
void journal_reader_done(struct journal_reader *reader)
{
	free(reader->buffer);
	*reader = (struct journal_reader){0};
}

static int put(struct rig *rig, uint64_t pos, enum journal_kind kind, const void *data, size_t size)
{
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};

	return segment_put(&rig->s, (off_t)(pos % SIZE), pos, kind, &part, 1);
}

static int get(struct rig *rig, uint64_t pos, struct journal_frame *ret)
{
	return segment_get(&rig->s, (off_t)(pos % SIZE), pos, SIZE, &rig->reader, ret);
}

static void test_create(void **state)
{
	struct rig *rig = *state;
	struct segment back;
	struct stat st;

	assert_int_equal(fstat(rig->s.fd, &st), 0);
	assert_true(st.st_size == (off_t)SIZE);
	assert_int_equal(st.st_mode & 0777, 0600);
	rig->s.open_from = POS - 5;
	rig->s.open_last = 77;
	assert_int_equal(vector_raise(&rig->s.start, 64, 9), 0);
	assert_int_equal(segment_write_head(&rig->s, POOL, SIZE), 0);
	assert_int_equal(segment_open(rig->dir, POOL, 3, SIZE, &back), 0);
	(void)close(back.fd);
	assert_true(back.index == 3 && back.salt == rig->s.salt);
	assert_true(back.open_from == POS - 5 && back.open_last == 77);
	assert_true(vector_equal(&back.start, &rig->s.start));
	assert_int_equal(segment_open(rig->dir, POOL + 1, 3, SIZE, &back), MA_ECORRUPT);
	assert_int_equal(segment_open(rig->dir, POOL, 3, SIZE * 2, &back), MA_ECORRUPT);
	assert_int_equal(segment_open(rig->dir, POOL, 4, SIZE, &back), -ENOENT);
	assert_int_equal(segment_create("/nowhere", POOL, 1, SIZE, NULL, &back), -ENOENT);
}

/* The room is there when it is needed: not promised, but given by the file system. */
static void test_reserved(void **state)
{
	struct rig *rig = *state;
	struct stat st;

	assert_int_equal(fstat(rig->s.fd, &st), 0);
	if (fallocate(rig->s.fd, 0, 0, 1) < 0 && errno == EOPNOTSUPP)
		skip();
	assert_true((size_t)st.st_blocks * 512 >= SIZE);
}

static void test_no_room(void **state)
{
	struct rig *rig = *state;
	struct segment s;
	char path[128];

	/* More than any file system takes: the file must not stay. */
	int r = segment_create(rig->dir, POOL, 4, (size_t)INT64_MAX, NULL, &s);
	assert_true(r == -EFBIG || r == -ENOSPC);
	segment_path(rig->dir, 4, path, sizeof(path));
	assert_int_equal(access(path, F_OK), -1);
}

static void test_head_damage(void **state)
{
	struct rig *rig = *state;
	struct segment back;
	uint8_t head[JOURNAL_SEGMENT_HEAD];

	assert_int_equal(io_pread(rig->s.fd, head, sizeof(head), 0), sizeof(head));
	for (size_t i = 0; i < sizeof(head); i += i < 100 ? 1 : 97) {
		uint8_t bad = head[i] ^ 0x10;

		assert_int_equal(io_pwrite(rig->s.fd, &bad, 1, (off_t)i), 0);
		assert_int_equal(segment_open(rig->dir, POOL, 3, SIZE, &back), MA_ECORRUPT);
		assert_int_equal(io_pwrite(rig->s.fd, &head[i], 1, (off_t)i), 0);
	}
	assert_int_equal(segment_open(rig->dir, POOL, 3, SIZE, &back), 0);
	(void)close(back.fd);
	/* A crash while the file was being made. */
	assert_int_equal(ftruncate(rig->s.fd, sizeof(head) - 1), 0);
	assert_int_equal(segment_open(rig->dir, POOL, 3, SIZE, &back), MA_ECORRUPT);
	assert_int_equal(ftruncate(rig->s.fd, 0), 0);
	assert_int_equal(segment_open(rig->dir, POOL, 3, SIZE, &back), MA_ECORRUPT);
}

/* A head with a right checksum over wrong fields: moved from another place, or another pool. */
static void test_head_of_another(void **state)
{
	struct rig *rig = *state;
	struct segment back;

	rig->s.index = 5;
	assert_int_equal(segment_write_head(&rig->s, POOL, SIZE), 0);
	assert_int_equal(segment_open(rig->dir, POOL, 3, SIZE, &back), MA_ECORRUPT);
}

static void test_sizes(void **state)
{
	struct rig *rig = *state;
	static const size_t sizes[] = {0,     1,     15,    16,     17,      4096,
				       16367, 16368, 16369, 100000, 1000000, RECORD_SIZE_MAX};
	AUTO_FREE uint8_t *data = malloc(RECORD_SIZE_MAX + 16);
	uint64_t pos = POS;
	struct journal_frame f;

	assert_non_null(data);
	for (size_t i = 0; i < RECORD_SIZE_MAX + 16; i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(put(rig, pos, JOURNAL_OWN, data + i, sizes[i]), 0);
		pos += JOURNAL_FRAME_HEAD + sizes[i];
	}
	uint64_t at = POS;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(get(rig, at, &f), 1);
		assert_true(f.pos == at && f.next == at + JOURNAL_FRAME_HEAD + sizes[i]);
		assert_int_equal(f.kind, JOURNAL_OWN);
		assert_int_equal(f.size, sizes[i]);
		assert_memory_equal(f.payload, data + i, sizes[i]);
		at = f.next;
	}
	assert_int_equal(get(rig, at, &f), 0);
}

/* In how many pieces a payload is given makes no difference to what is on disk. */
static void test_parts(void **state)
{
	struct rig *rig = *state;
	uint8_t data[3000], whole[3016], split[3016];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i >> 2);
	assert_int_equal(put(rig, POS, JOURNAL_FOREIGN, data, sizeof(data)), 0);
	assert_int_equal(io_pread(rig->s.fd, whole, sizeof(whole), (off_t)(POS % SIZE)), 3016);
	for (size_t a = 0; a <= sizeof(data); a += 250) {
		for (size_t b = a; b <= sizeof(data); b += 250) {
			struct iovec parts[3] = {
				{data, a}, {data + a, b - a}, {data + b, 3000 - b}};

			memset(split, 0, sizeof(split));
			assert_int_equal(
				io_pwrite(rig->s.fd, split, sizeof(split), (off_t)(POS % SIZE)), 0);
			assert_int_equal(segment_put(&rig->s, (off_t)(POS % SIZE), POS,
						     JOURNAL_FOREIGN, parts, 3),
					 0);
			assert_int_equal(
				io_pread(rig->s.fd, split, sizeof(split), (off_t)(POS % SIZE)),
				3016);
			assert_memory_equal(split, whole, sizeof(whole));
		}
	}
}

/* Leaves on the stack what the library's state for hashing in pieces would take for its own. */
static __attribute__((noinline)) void poison_stack(uint64_t seed)
{
	_Alignas(64) uint64_t words[2048];

	for (size_t i = 0; i < 2048; i++)
		words[i] = UINT64_C(0x5a5a5a5a5a5a5a5a);
	for (size_t i = 0; i < 2048; i += 8) {
		words[i + offsetof(XXH3_state_t, seed) / 8 % 8] = seed;
		words[i + offsetof(XXH3_state_t, extSecret) / 8 % 8] = 0;
	}
	__asm__ volatile("" ::"r"(words) : "memory"); /* they are used, compiler */
}

/* What lay on the stack before must not enter a checksum. */
static void test_parts_after_anything(void **state)
{
	struct rig *rig = *state;
	char data[1000] = "in two pieces, and long enough for the secret to matter";
	struct iovec parts[2] = {{data, 10}, {data + 10, sizeof(data) - 10}};
	struct journal_frame f;
	uint64_t seed = rig->s.salt ^ POS * UINT64_C(0x9E3779B97F4A7C15) ^
			(uint64_t)JOURNAL_OWN << 56 ^ sizeof(data);

	poison_stack(seed);
	assert_int_equal(segment_put(&rig->s, (off_t)(POS % SIZE), POS, JOURNAL_OWN, parts, 2), 0);
	assert_int_equal(get(rig, POS, &f), 1);
}

static void test_frame_damage(void **state)
{
	struct rig *rig = *state;
	static const char data[] = "a payload of some thirty bytes";
	uint8_t frame[JOURNAL_FRAME_HEAD + sizeof(data)];
	off_t offset = (off_t)(POS % SIZE);
	struct journal_frame f;

	assert_int_equal(put(rig, POS, JOURNAL_OWN, data, sizeof(data)), 0);
	assert_int_equal(io_pread(rig->s.fd, frame, sizeof(frame), offset), sizeof(frame));
	for (size_t i = 0; i < sizeof(frame) * 8; i++) {
		uint8_t bad = (uint8_t)(frame[i / 8] ^ 1u << i % 8);

		assert_int_equal(io_pwrite(rig->s.fd, &bad, 1, offset + (off_t)(i / 8)), 0);
		assert_int_equal(get(rig, POS, &f), 0);
		assert_int_equal(io_pwrite(rig->s.fd, &frame[i / 8], 1, offset + (off_t)(i / 8)),
				 0);
	}
	assert_int_equal(get(rig, POS, &f), 1);
}

/* The same bytes at another place, in another segment, in another life of this one. */
static void test_frame_elsewhere(void **state)
{
	struct rig *rig = *state;
	uint8_t frame[JOURNAL_FRAME_HEAD + 5];
	struct journal_frame f;

	assert_int_equal(put(rig, POS, JOURNAL_OWN, "hello", 5), 0);
	assert_int_equal(io_pread(rig->s.fd, frame, sizeof(frame), (off_t)(POS % SIZE)), 21);
	assert_int_equal(io_pwrite(rig->s.fd, frame, sizeof(frame), (off_t)(POS % SIZE) + 64), 0);
	assert_int_equal(get(rig, POS + 64, &f), 0);
	assert_int_equal(
		segment_get(&rig->s, (off_t)(POS % SIZE), POS + SIZE, SIZE, &rig->reader, &f), 0);
	assert_int_equal(get(rig, POS, &f), 1);
	rig->s.salt++;
	assert_int_equal(get(rig, POS, &f), 0);
}

/* A valid frame of each kind, and kinds that do not exist under a checksum that would fit. */
static void test_kinds(void **state)
{
	struct rig *rig = *state;
	struct journal_frame f;

	for (unsigned int kind = 0; kind < 10; kind++) {
		bool good = kind >= JOURNAL_OWN && kind <= JOURNAL_PAD;

		assert_int_equal(put(rig, POS, (enum journal_kind)kind, "x", 1), 0);
		assert_int_equal(get(rig, POS, &f), good);
		if (good)
			assert_int_equal(f.kind, kind);
	}
}

static void test_end_of_segment(void **state)
{
	struct rig *rig = *state;
	struct journal_frame f;
	uint8_t data[100] = {1, 2, 3};
	uint64_t end = 4 * (uint64_t)SIZE;

	/* To the last byte. */
	assert_int_equal(put(rig, end - 116, JOURNAL_OWN, data, sizeof(data)), 0);
	assert_int_equal(get(rig, end - 116, &f), 1);
	assert_true(f.next == end);
	/* A frame with a right checksum that would reach beyond the end. */
	assert_int_equal(put(rig, end - 115, JOURNAL_OWN, data, sizeof(data)), 0);
	assert_int_equal(get(rig, end - 115, &f), 0);
	for (uint64_t room = 1; room < JOURNAL_FRAME_HEAD; room++)
		assert_int_equal(get(rig, end - room, &f), 0);
	assert_int_equal(put(rig, end - 16, JOURNAL_PAD, data, 0), 0);
	assert_int_equal(get(rig, end - 16, &f), 1);
	/* A file that was cut short under us. */
	assert_int_equal(put(rig, end - 116, JOURNAL_OWN, data, sizeof(data)), 0);
	assert_int_equal(ftruncate(rig->s.fd, (off_t)SIZE - 1), 0);
	assert_int_equal(get(rig, end - 116, &f), 0);
	assert_int_equal(ftruncate(rig->s.fd, (off_t)SIZE - 110), 0);
	assert_int_equal(get(rig, end - 116, &f), 0);
}

/* Only files that are named exactly as we name them, in order of their number. */
static void test_list(void **state)
{
	static const char *const others[] = {"spare",          "0000000009.seg.kept",
					     "9.seg",          "0000000009.se",
					     "000000000A.seg", "0000000009.seg~"};
	struct rig *rig = *state;
	struct segment s;
	uint64_t *found;
	size_t count;
	char path[128];

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", rig->dir, others[i]);
		(void)close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	}
	assert_int_equal(segment_create(rig->dir, POOL, 1, SIZE, NULL, &s), 0);
	(void)close(s.fd);
	assert_int_equal(segment_list(rig->dir, &found, &count), 0);
	assert_true(count == 2 && found[0] == 1 && found[1] == 3);
	free(found);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", rig->dir, others[i]);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(segment_list("/nowhere", &found, &count), -ENOENT);
}

/* A file that is used again is full of frames that were valid; none is any longer. */
static void test_recycle(void **state)
{
	struct rig *rig = *state;
	struct segment again;
	struct journal_frame f;
	char old[128];

	for (uint64_t at = POS; at < POS + 100 * 21; at += 21)
		assert_int_equal(put(rig, at, JOURNAL_OWN, "hello", 5), 0);
	segment_path(rig->dir, 3, old, sizeof(old));
	/* The same index even, so that the positions are the same as well. */
	assert_int_equal(segment_create(rig->dir, POOL, 3, SIZE, old, &again), 0);
	assert_true(again.salt != rig->s.salt);
	(void)close(rig->s.fd);
	rig->s = again;
	for (uint64_t at = POS; at < POS + 100 * 21; at += 21)
		assert_int_equal(get(rig, at, &f), 0);
	char path[128];
	segment_path(rig->dir, 7, path, sizeof(path));
	assert_int_equal(segment_create(rig->dir, POOL, 7, SIZE, old, &again), 0);
	(void)close(again.fd);
	assert_int_equal(access(old, F_OK), -1);
	assert_int_equal(access(path, F_OK), 0);
}

/* Zeros go ahead of the frames: never over one, never behind the end, and not where blocks were
 * written before. */
static void test_ahead(void **state)
{
	struct rig *rig = *state;
	struct journal_frame f;
	const size_t frame = JOURNAL_FRAME_HEAD + 5;

	assert_int_equal(rig->s.written, JOURNAL_SEGMENT_HEAD);
	for (uint64_t at = POS; at + frame <= POS + 3 * SEGMENT_AHEAD; at += frame) {
		size_t end = (size_t)(at % SIZE) + frame;
		assert_int_equal(segment_prepare(&rig->s, end, SIZE), 0);
		assert_in_range(rig->s.written, end, end + SEGMENT_AHEAD);
		assert_int_equal(put(rig, at, JOURNAL_OWN, "hello", 5), 0);
	}
	for (uint64_t at = POS; at + frame <= POS + 3 * SEGMENT_AHEAD; at += frame)
		assert_int_equal(get(rig, at, &f), 1);
	assert_int_equal(segment_prepare(&rig->s, SIZE - 1, SIZE), 0);
	assert_int_equal(rig->s.written, SIZE);
	struct stat st;
	assert_int_equal(fstat(rig->s.fd, &st), 0);
	assert_int_equal(st.st_size, SIZE);
	/* What is cleared is only reserved again. */
	assert_int_equal(segment_clear_from(&rig->s, (off_t)(POS % SIZE), SIZE), 0);
	assert_int_equal(rig->s.written, POS % SIZE);
	assert_int_equal(get(rig, POS, &f), 0);
	/* A recycled one is written already. */
	struct segment again;
	char old[128];
	segment_path(rig->dir, 3, old, sizeof(old));
	assert_int_equal(segment_create(rig->dir, POOL, 9, SIZE, old, &again), 0);
	assert_int_equal(again.written, SIZE);
	(void)close(again.fd);
}

static void test_vectors(void **state)
{
	struct rig *rig = *state;
	uint8_t golden[HEX_FILE_MAX], head[JOURNAL_SEGMENT_HEAD];
	struct journal_frame f;
	struct segment back;
	size_t size = hex_file_read("journal-head", golden);

	/* What the vector says, written here... */
	rig->s.salt = UINT64_C(0x0f1e2d3c4b5a6978);
	rig->s.open_from = 2 * (uint64_t)SIZE + JOURNAL_SEGMENT_HEAD + 1000;
	rig->s.open_last = stamp_make(449, 0xa1b2c3d4e4);
	assert_int_equal(vector_raise(&rig->s.start, 64, 5), 0);
	assert_int_equal(vector_raise(&rig->s.start, 449, 0xa1b2c3d4e5), 0);
	assert_int_equal(segment_write_head(&rig->s, POOL, SIZE), 0);
	assert_int_equal(io_pread(rig->s.fd, head, sizeof(head), 0), sizeof(head));
	assert_memory_equal(head, golden, size);
	/* ...and the vector itself, read. */
	memset(head, 0, sizeof(head));
	memcpy(head, golden, size);
	assert_int_equal(io_pwrite(rig->s.fd, head, sizeof(head), 0), 0);
	assert_int_equal(segment_open(rig->dir, POOL, 3, SIZE, &back), 0);
	(void)close(back.fd);
	assert_true(back.salt == rig->s.salt && back.open_from == rig->s.open_from);
	assert_true(back.open_last == rig->s.open_last);
	assert_true(vector_equal(&back.start, &rig->s.start));
	size = hex_file_read("journal-frame", golden);
	assert_int_equal(io_pwrite(rig->s.fd, golden, size, (off_t)(POS % SIZE)), 0);
	assert_int_equal(get(rig, POS, &f), 1);
	assert_int_equal(f.kind, JOURNAL_OWN);
	uint8_t record[HEX_FILE_MAX];
	assert_int_equal(f.size, hex_file_read("record-write", record));
	assert_memory_equal(f.payload, record, f.size);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_create),          TEST(test_reserved),
		TEST(test_no_room),         TEST(test_head_damage),
		TEST(test_head_of_another), TEST(test_sizes),
		TEST(test_parts),           TEST(test_parts_after_anything),
		TEST(test_frame_damage),    TEST(test_frame_elsewhere),
		TEST(test_kinds),           TEST(test_end_of_segment),
		TEST(test_recycle),         TEST(test_list),
		TEST(test_ahead),           TEST(test_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
