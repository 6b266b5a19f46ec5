/* links: replication/record.c replication/stamp.c tests/lib/hex_file.c core/crypto.c core/io.c
 *        core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Records: golden vectors, every kind there and back, every bound from both sides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/auto.h"
#include "core/crypto.h"
#include "replication/record.h"
#include "tests/lib/hex_file.h"

#define STAMP (UINT64_C(0x01c1) << 48 | 0x00a1b2c3d4e5)
#define FILE_ (UINT64_C(0x01c0) << 48 | 0x00a100000010)
#define DIR_  (UINT64_C(0x00c0) << 48 | 0x00a100000020)
#define SEEN  (UINT64_C(0x0085) << 48 | 0x00a100000030)
#define TIME  INT64_C(1767323045006007008)

#define NAME(text)     .name = (text), .name_size = sizeof(text) - 1
#define OLD_NAME(text) .old_name = (text), .old_name_size = sizeof(text) - 1
#define TARGET(text)   .target = (text), .target_size = sizeof(text) - 1
#define DATA(text)     .data = (const uint8_t *)(text), .data_size = sizeof(text) - 1
#define LINK(a, b, c, d)                                                                           \
	{                                                                                          \
		.lid = (a), .id = (b), .seen_place = (c), .seen_content = (d)                      \
	}

static const uint8_t sum[HASH_SIZE] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
				       11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
				       22, 23, 24, 25, 26, 27, 28, 29, 30, 31};

/* What docs/vectors/record-NAME.hex says, in words. Stamp and time are the same in all but one. */
static const struct {
	const char *name;
	struct record rec;
} vectors[] = {
	{"void", {.kind = REC_VOID}}, /* its bytes are compared apart */
	{"make-file",
	 {.kind = REC_MAKE,
	  .id = STAMP,
	  .parent = 1,
	  .mode = 0104755,
	  .uid = 1000,
	  .gid = 100,
	  NAME("report.txt")}},
	{"make-fetch",
	 {.kind = REC_MAKE,
	  .flags = REC_F_FETCH,
	  .id = STAMP,
	  .parent = DIR_,
	  .mode = 0100644,
	  NAME("\xc3\xbc"
	       "bung")}},
	{"make-named",
	 {.kind = REC_MAKE,
	  .flags = REC_F_ID,
	  .id = FILE_,
	  .parent = DIR_,
	  .mode = 0100600,
	  NAME("named")}},
	{"make-dir", {.kind = REC_MAKE, .id = STAMP, .parent = DIR_, .mode = 041777, NAME("tmp")}},
	{"make-symlink",
	 {.kind = REC_MAKE,
	  .id = STAMP,
	  .parent = 1,
	  .mode = 0120777,
	  .uid = 1000,
	  .gid = 1000,
	  NAME("here"),
	  TARGET("../there/and back")}},
	{"make-device",
	 {.kind = REC_MAKE, .id = STAMP, .parent = 1, .mode = 020666, .rdev = 0x103, NAME("null")}},
	{"link", {.kind = REC_LINK, .id = FILE_, .parent = DIR_, NAME("again")}},
	{"unlink",
	 {.kind = REC_UNLINK, .id = FILE_, .parent = 1, .link = LINK(FILE_, FILE_, FILE_, SEEN)}},
	{"rmdir",
	 {.kind = REC_UNLINK,
	  .flags = REC_F_DIR,
	  .id = DIR_,
	  .parent = 1,
	  .link = LINK(DIR_, DIR_, DIR_, 0)}},
	{"rename",
	 {.kind = REC_RENAME,
	  .id = FILE_,
	  .parent = 1,
	  .new_parent = DIR_,
	  .link = LINK(FILE_, FILE_, FILE_, SEEN),
	  OLD_NAME("report.txt"),
	  NAME("report.old")}},
	{"rename-over",
	 {.kind = REC_RENAME,
	  .id = FILE_,
	  .parent = DIR_,
	  .new_parent = DIR_,
	  .link = LINK(FILE_, FILE_, SEEN, SEEN),
	  .other = LINK(FILE_ + 1, FILE_ + 1, FILE_ + 2, FILE_ + 3),
	  OLD_NAME(".x.swp"),
	  NAME("x")}},
	{"rename-exchange",
	 {.kind = REC_RENAME,
	  .flags = REC_F_EXCHANGE,
	  .id = FILE_,
	  .parent = 1,
	  .new_parent = DIR_,
	  .link = LINK(FILE_, FILE_, FILE_, SEEN),
	  .other = LINK(DIR_ + 1, DIR_ + 1, DIR_ + 1, 0),
	  OLD_NAME("a"),
	  NAME("b")}},
	{"write", {.kind = REC_WRITE, .id = FILE_, .base = SEEN, .offset = 4096, DATA("hello")}},
	{"extent",
	 {.kind = REC_EXTENT,
	  .id = FILE_,
	  .base = SEEN,
	  .offset = 4096,
	  .data_size = 128u << 10,
	  .sum = sum}},
	{"truncate",
	 {.kind = REC_TRUNCATE, .id = FILE_, .base = SEEN, .offset = UINT64_C(10) << 30}},
	{"fallocate",
	 {.kind = REC_FALLOCATE,
	  .id = FILE_,
	  .base = SEEN,
	  .offset = 4096,
	  .length = 65536,
	  .mode = 3}},
	{"owner", {.kind = REC_OWNER, .id = FILE_, .mode = 04755, .uid = 1000, .gid = 65534}},
	{"times",
	 {.kind = REC_TIMES,
	  .flags = REC_F_ATIME | REC_F_MTIME,
	  .id = FILE_,
	  .time_ns = -1,
	  .atime_ns = -2}},
	{"xattr", {.kind = REC_XATTR, .id = FILE_, NAME("user.color"), DATA("green")}},
	{"xattr-remove",
	 {.kind = REC_XATTR, .flags = REC_F_REMOVE, .id = FILE_, NAME("user.color")}},
	{"alias", {.kind = REC_ALIAS, .id = DIR_ + 1, .base = DIR_}},
	{"resolve", {.kind = REC_RESOLVE, .id = FILE_, .base = SEEN}},
};
#define VECTORS (sizeof(vectors) / sizeof(vectors[0]))

static struct record vector_record(size_t i)
{
	struct record rec = vectors[i].rec;

	rec.stamp = STAMP;
	if (!rec.time_ns)
		rec.time_ns = TIME;
	return rec;
}

static void assert_text(const char *a, size_t a_size, const char *b, size_t b_size)
{
	assert_int_equal(a_size, b_size);
	if (a_size)
		assert_memory_equal(a, b, a_size);
}

static void assert_link(const struct record_link *a, const struct record_link *b)
{
	assert_true(a->lid == b->lid && a->id == b->id && a->seen_place == b->seen_place &&
		    a->seen_content == b->seen_content);
}

static void assert_record(const struct record *a, const struct record *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->flags, b->flags);
	assert_true(a->stamp == b->stamp && a->id == b->id && a->base == b->base);
	assert_true(a->parent == b->parent && a->new_parent == b->new_parent);
	assert_link(&a->link, &b->link);
	assert_link(&a->other, &b->other);
	assert_text(a->name, a->name_size, b->name, b->name_size);
	assert_text(a->old_name, a->old_name_size, b->old_name, b->old_name_size);
	assert_text(a->target, a->target_size, b->target, b->target_size);
	assert_true(a->mode == b->mode && a->uid == b->uid && a->gid == b->gid);
	assert_true(a->rdev == b->rdev && a->time_ns == b->time_ns && a->atime_ns == b->atime_ns);
	assert_true(a->offset == b->offset && a->length == b->length);
	assert_int_equal(a->data_size, b->data_size);
	if (record_inline(a))
		assert_memory_equal(a->data, b->data, a->data_size);
	if (a->kind == REC_EXTENT)
		assert_memory_equal(a->sum, b->sum, HASH_SIZE);
}

/* Head and data in new memory of exactly that size. */
static uint8_t *encode(const struct record *rec, size_t *ret_size)
{
	size_t max = RECORD_HEAD_MAX + record_inline(rec);
	uint8_t *bytes = malloc(max);
	struct wr w = wr_init(bytes, max);

	assert_non_null(bytes);
	record_write_head(&w, rec);
	assert_false(w.failed);
	assert_true(wr_used(&w) <= RECORD_HEAD_MAX);
	wr_bytes(&w, rec->data, record_inline(rec));
	*ret_size = wr_used(&w);
	uint8_t *fit = realloc(bytes, *ret_size);
	assert_non_null(fit);
	return fit;
}

static void test_vectors(void **state)
{
	uint8_t golden[HEX_FILE_MAX];
	uint64_t kinds = 0;

	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		char name[64];
		struct record want = vector_record(i);
		struct record got;

		(void)snprintf(name, sizeof(name), "record-%s", vectors[i].name);
		size_t size = hex_file_read(name, golden);
		if (want.kind == REC_VOID) {
			want.data = golden + 18;
			want.data_size = size - 18;
		}
		AUTO_FREE uint8_t *bytes = encode(&want, &size);
		assert_int_equal(size, hex_file_read(name, golden));
		assert_memory_equal(bytes, golden, size);
		assert_int_equal(record_read(golden, size, &got), 0);
		assert_record(&got, &want);
		kinds |= UINT64_C(1) << want.kind;
	}
	/* A new kind needs a vector. */
	assert_true(kinds == (UINT64_C(1) << REC_KINDS) - 2);
}

/* Cut anywhere, no record is left whose fields reach beyond the end. Where data may follow, a cut
 * inside the data is a shorter record. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		struct record rec = vector_record(i);
		size_t size;
		AUTO_FREE uint8_t *bytes = encode(&rec, &size);

		for (size_t cut = 0; cut < size; cut++) {
			AUTO_FREE uint8_t *part = malloc(cut ? cut : 1);
			struct record got;

			assert_non_null(part);
			memcpy(part, bytes, cut);
			int r = record_read(part, cut, &got);
			assert_int_equal(r, cut < size - record_inline(&rec) ? MA_ECORRUPT : 0);
		}
	}
}

static void test_bytes_behind(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		struct record rec = vector_record(i);
		struct record got;
		size_t size;
		AUTO_FREE uint8_t *bytes = encode(&rec, &size);
		uint8_t longer[512];

		memcpy(longer, bytes, size);
		longer[size] = 0;
		bool may = rec.kind == REC_VOID || rec.kind == REC_WRITE ||
			   (rec.kind == REC_XATTR && !(rec.flags & REC_F_REMOVE));
		assert_int_equal(record_read(longer, size + 1, &got), may ? 0 : MA_ECORRUPT);
	}
}

/* How long the bytes are that an EXTENT names is found without reading all of it. */
static void test_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		struct record rec = vector_record(i);
		size_t size;
		uint32_t apart = 0;
		AUTO_FREE uint8_t *bytes = encode(&rec, &size);

		assert_int_equal(record_is_apart(bytes, size, &apart), rec.kind == REC_EXTENT);
		assert_int_equal(apart, rec.kind == REC_EXTENT ? rec.data_size : 0);
	}
	struct record rec = {.kind = REC_EXTENT, .stamp = STAMP, .id = FILE_, .sum = sum};
	struct record got;
	size_t size;
	rec.data_size = RECORD_DATA_MAX;
	AUTO_FREE uint8_t *most = encode(&rec, &size);
	assert_int_equal(record_read(most, size, &got), 0);
	assert_int_equal(size, RECORD_EXTENT_SIZE);
	most[RECORD_EXTENT_SIZE - HASH_SIZE - 4]++; /* one byte more */
	assert_int_equal(record_read(most, size, &got), MA_ECORRUPT);
}

static int there_and_back(const struct record *rec)
{
	struct record got;
	size_t size;
	AUTO_FREE uint8_t *bytes = encode(rec, &size);
	int r = record_read(bytes, size, &got);

	if (r == 0)
		assert_record(&got, rec);
	return r;
}

static const struct record *vector_named(const char *name)
{
	for (size_t i = 0; i < VECTORS; i++) {
		if (strcmp(vectors[i].name, name) == 0)
			return &vectors[i].rec;
	}
	fail_msg("no vector %s", name);
	return NULL;
}

static struct record record_named(const char *name)
{
	struct record rec = *vector_named(name);

	rec.stamp = STAMP;
	return rec;
}

static void test_names(void **state)
{
	char longest[RECORD_NAME_MAX + 2];
	const struct {
		const char *name;
		size_t size;
		bool good;
	} rows[] = {
		{"a", 1, true},
		{" ", 1, true},
		{"...", 3, true},
		{".a", 2, true},
		{"..a", 3, true},
		{"\xff\xfe\n\t\x01", 5, true}, /* a name is bytes, not text */
		{longest, RECORD_NAME_MAX, true},
		{longest, RECORD_NAME_MAX + 1, false},
		{"", 0, false},
		{".", 1, false},
		{"..", 2, false},
		{"/", 1, false},
		{"a/b", 3, false},
		{"../a", 4, false},
		{"a\0b", 3, false},
		{"\0", 1, false},
	};

	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int want = rows[i].good ? 0 : MA_ECORRUPT;
		struct record rec = record_named("make-file");

		rec.name = rows[i].name;
		rec.name_size = rows[i].size;
		assert_int_equal(there_and_back(&rec), want);
		rec = record_named("link");
		rec.name = rows[i].name;
		rec.name_size = rows[i].size;
		assert_int_equal(there_and_back(&rec), want);
		rec = record_named("rename");
		rec.name = rows[i].name;
		rec.name_size = rows[i].size;
		assert_int_equal(there_and_back(&rec), want);
		rec = record_named("rename");
		rec.old_name = rows[i].name;
		rec.old_name_size = rows[i].size;
		assert_int_equal(there_and_back(&rec), want);
	}
}

static void test_xattr_names(void **state)
{
	char longest[RECORD_NAME_MAX + 2];
	const struct {
		const char *name;
		size_t size;
		bool good;
	} rows[] = {
		{"user./", 6, true}, /* slashes are allowed here */
		{longest, RECORD_NAME_MAX, true},
		{longest, RECORD_NAME_MAX + 1, false},
		{"", 0, false},
		{"user.\0", 6, false},
		{"trusted.multiall.id", 19, false}, /* a peer must not give out ids */
		{"trusted.multiall", 16, true},
	};

	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record rec = record_named("xattr");

		rec.name = rows[i].name;
		rec.name_size = rows[i].size;
		assert_int_equal(there_and_back(&rec), rows[i].good ? 0 : MA_ECORRUPT);
	}
}

static void test_make(void **state)
{
	static const struct {
		mode_t mode;
		const char *target;
		size_t target_size;
		bool good;
	} rows[] = {
		{S_IFREG, "", 0, true},   {S_IFDIR, "", 0, true},      {S_IFIFO, "", 0, true},
		{S_IFSOCK, "", 0, true},  {S_IFCHR, "", 0, true},      {S_IFBLK, "", 0, true},
		{S_IFLNK, "t", 1, true},  {S_IFLNK, "", 0, false}, /* no link leads nowhere */
		{S_IFREG, "t", 1, false}, /* and nothing else has a target */
		{S_IFDIR, "t", 1, false}, {S_IFLNK, "a\0b", 3, false}, {0, "", 0, false},
		{0777, "", 0, false},     {S_IFMT, "", 0, false},      {0030000, "", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record rec = record_named("make-file");

		rec.mode = rows[i].mode | 0644;
		rec.target = rows[i].target;
		rec.target_size = rows[i].target_size;
		assert_int_equal(there_and_back(&rec), rows[i].good ? 0 : MA_ECORRUPT);
	}
}

/* An object has the id that a node gave it: with a slot and a number, unlike the few that are there
 * from the beginning. */
static void test_make_id(void **state)
{
	static const struct {
		uint64_t id;
		int code;
	} rows[] = {
		{UINT64_C(64) << 48 | 1, 0},
		{UINT64_MAX, 0},
		{UINT64_C(64) << 48, MA_ECORRUPT},
		{1, MA_ECORRUPT},
		{0, MA_ECORRUPT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record rec = {.kind = REC_MAKE,
				     .flags = REC_F_ID,
				     .stamp = UINT64_C(65) << 48 | 9,
				     .id = rows[i].id,
				     .parent = 1,
				     .mode = 0100644,
				     .name = "n",
				     .name_size = 1};
		uint8_t bytes[RECORD_HEAD_MAX];
		struct wr w = wr_init(bytes, sizeof(bytes));
		struct record got;

		record_write_head(&w, &rec);
		assert_int_equal(record_read(bytes, wr_used(&w), &got), rows[i].code);
	}
}

static void test_longest(void **state)
{
	struct record rec = record_named("make-symlink");
	char name[RECORD_NAME_MAX];
	char target[RECORD_TARGET_MAX + 1];

	(void)state;
	memset(name, 'n', sizeof(name));
	memset(target, 't', sizeof(target));
	rec.name = name;
	rec.name_size = sizeof(name);
	rec.target = target;
	rec.target_size = RECORD_TARGET_MAX;
	assert_int_equal(there_and_back(&rec), 0);
	rec.target_size = RECORD_TARGET_MAX + 1;
	assert_int_equal(there_and_back(&rec), MA_ECORRUPT);
	rec = record_named("rename-exchange");
	rec.name = rec.old_name = name;
	rec.name_size = rec.old_name_size = sizeof(name);
	assert_int_equal(there_and_back(&rec), 0);
}

static void test_data_bounds(void **state)
{
	static const struct {
		const char *kind;
		size_t size;
		bool good;
	} rows[] = {
		{"write", 0, true},
		{"write", RECORD_DATA_MAX, true},
		{"write", RECORD_DATA_MAX + 1, false},
		{"xattr", 0, true},
		{"xattr", RECORD_VALUE_MAX, true},
		{"xattr", RECORD_VALUE_MAX + 1, false},
		{"xattr-remove", 1, false},
		/* VOID has the size of the greatest record there is, and no more. */
		{"void", RECORD_SIZE_MAX - 18, true},
		{"void", RECORD_SIZE_MAX - 17, false},
	};
	AUTO_FREE uint8_t *bytes = calloc(1, RECORD_SIZE_MAX + 1);

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record rec = record_named(rows[i].kind);
		struct record got;
		struct wr w = wr_init(bytes, RECORD_SIZE_MAX + 1);

		rec.data = NULL;
		rec.data_size = 0;
		record_write_head(&w, &rec);
		int r = record_read(bytes, wr_used(&w) + rows[i].size, &got);
		assert_int_equal(r, rows[i].good ? 0 : MA_ECORRUPT);
		if (r == 0)
			assert_int_equal(got.data_size, rows[i].size);
	}
}

static void test_offsets(void **state)
{
	static const struct {
		const char *kind;
		uint64_t offset, length;
		bool good;
	} rows[] = {
		{"write", 0, 0, true},
		{"write", INT64_MAX - RECORD_DATA_MAX, 0, true},
		{"write", INT64_MAX - RECORD_DATA_MAX + 1, 0, false},
		{"write", UINT64_MAX, 0, false},
		{"extent", INT64_MAX - RECORD_DATA_MAX, 0, true},
		{"extent", INT64_MAX - RECORD_DATA_MAX + 1, 0, false},
		{"truncate", INT64_MAX - RECORD_DATA_MAX, 0, true},
		{"truncate", INT64_MAX, 0, false},
		{"truncate", UINT64_MAX, 0, false},
		{"fallocate", 1, INT64_MAX - 1, true},
		{"fallocate", 1, INT64_MAX, false},
		{"fallocate", 0, UINT64_MAX, false},
		{"fallocate", UINT64_MAX, 1, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct record rec = record_named(rows[i].kind);

		rec.offset = rows[i].offset;
		rec.length = rows[i].length;
		assert_int_equal(there_and_back(&rec), rows[i].good ? 0 : MA_ECORRUPT);
	}
}

/* Nothing may be named 0, and nobody writes under sequence number 0. */
static void test_zero(void **state)
{
	struct record rec;
	struct record got;

	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		rec = vector_record(i);
		rec.stamp = UINT64_C(0x01c1) << 48;
		rec.id = rec.kind == REC_MAKE ? rec.stamp : rec.id;
		assert_int_equal(there_and_back(&rec), MA_ECORRUPT);
		rec = vector_record(i);
		if (rec.kind == REC_VOID || rec.kind == REC_MAKE)
			continue;
		rec.id = 0;
		rec.link.id = 0;
		assert_int_equal(there_and_back(&rec), MA_ECORRUPT);
	}
	static const char *const named[] = {"unlink", "rename", "rename-exchange"};
	for (size_t i = 0; i < 3; i++) {
		rec = record_named(named[i]);
		rec.link = (struct record_link){0};
		assert_int_equal(there_and_back(&rec), MA_ECORRUPT);
	}
	rec = record_named("rename-exchange");
	rec.other = (struct record_link){0};
	assert_int_equal(there_and_back(&rec), MA_ECORRUPT);
	rec = record_named("rename-over");
	rec.other.id = 0;
	assert_int_equal(there_and_back(&rec), MA_ECORRUPT);
	rec = record_named("alias");
	rec.base = 0;
	assert_int_equal(there_and_back(&rec), MA_ECORRUPT);
	rec = record_named("resolve");
	rec.base = 0;
	assert_int_equal(there_and_back(&rec), MA_ECORRUPT);
	uint8_t zeros[64] = {0};
	assert_int_equal(record_read(zeros, sizeof(zeros), &got), MA_ECORRUPT);
	assert_int_equal(record_read(zeros, 0, &got), MA_ECORRUPT);
}

static void test_kinds(void **state)
{
	struct record rec = record_named("truncate");
	struct record got;
	size_t size;
	AUTO_FREE uint8_t *bytes = encode(&rec, &size);

	(void)state;
	for (unsigned int kind = 0; kind < 256; kind++) {
		bytes[0] = (uint8_t)kind;
		if (kind == 0 || kind >= REC_KINDS)
			assert_int_equal(record_read(bytes, size, &got), MA_ECORRUPT);
	}
	for (uint8_t kind = 1; kind < REC_KINDS; kind++) {
		rec.kind = kind;
		assert_int_equal(record_is_content(&rec), kind == REC_WRITE || kind == REC_EXTENT ||
								  kind == REC_TRUNCATE ||
								  kind == REC_FALLOCATE);
	}
}

/* The writer says so when its room is too small, and never writes behind it. */
static void test_small_room(void **state)
{
	uint8_t bytes[512];

	(void)state;
	for (size_t i = 0; i < VECTORS; i++) {
		struct record rec = vector_record(i);
		size_t size;
		AUTO_FREE uint8_t *whole = encode(&rec, &size);

		size -= record_inline(&rec);
		for (size_t room = 0; room <= size; room++) {
			struct wr w = wr_init(bytes, room);

			memset(bytes, 0xa5, sizeof(bytes));
			record_write_head(&w, &rec);
			assert_int_equal(w.failed, room < size);
			assert_int_equal(bytes[room], 0xa5);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apart),   cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_cut),     cmocka_unit_test(test_bytes_behind),
		cmocka_unit_test(test_names),   cmocka_unit_test(test_xattr_names),
		cmocka_unit_test(test_make),    cmocka_unit_test(test_longest),
		cmocka_unit_test(test_make_id), cmocka_unit_test(test_data_bounds),
		cmocka_unit_test(test_offsets), cmocka_unit_test(test_zero),
		cmocka_unit_test(test_kinds),   cmocka_unit_test(test_small_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
