/* links: replication/brief.c replication/batch.c replication/record.c replication/stamp.c
 *        tests/lib/hex_file.c core/crypto.c core/io.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Batches in brief: golden vectors, what is read is what was written, packing where it pays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "core/auto.h"
#include "replication/brief.h"
#include "tests/lib/hex_file.h"

#define SLOT (7 * SLOT_INCARNATIONS + 1)

struct rig {
	struct brief_packer *k;
	struct brief brief;
	uint8_t *body;
	size_t size;
	struct batch got;
	uint8_t *unpacked;
};

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	assert_int_equal(brief_packer_new(&rig->k), 0);
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;

	brief_packer_free(rig->k);
	brief_done(&rig->brief);
	free(rig->body);
	free(rig->unpacked);
	free(rig);
	return 0;
}

static void put(struct rig *rig, const struct batch *b)
{
	brief_done(&rig->brief);
	assert_int_equal(brief_write(rig->k, b, &rig->brief), 0);
	assert_true(rig->brief.head_size <= BRIEF_HEAD_MAX);
	rig->size = rig->brief.head_size + rig->brief.records_size;
	free(rig->body);
	rig->body = malloc(rig->size);
	assert_non_null(rig->body);
	memcpy(rig->body, rig->brief.head, rig->brief.head_size);
	memcpy(rig->body + rig->brief.head_size, rig->brief.records, rig->brief.records_size);
}

static int get(struct rig *rig, const void *body, size_t size)
{
	free(rig->unpacked);
	rig->unpacked = NULL;
	rig->got = (struct batch){0};
	return brief_read(rig->k, body, size, &rig->got, &rig->unpacked);
}

static void check_same(const struct batch *a, const struct batch *b)
{
	assert_int_equal(a->slot, b->slot);
	assert_int_equal(a->prev, b->prev);
	assert_int_equal(a->first, b->first);
	assert_int_equal(a->last, b->last);
	assert_int_equal(a->count, b->count);
	assert_true(a->deps.count == b->deps.count && vector_equal(&a->deps, &b->deps));
	assert_memory_equal(a->signature, b->signature, SIGNATURE_SIZE);
	assert_int_equal(a->records_size, b->records_size);
	assert_memory_equal(a->records, b->records, b->records_size);
}

/* The chain that the reader computes is the one that was signed. */
static void test_vectors(void **state)
{
	static const char *const names[][2] = {{"batch-first", "brief-packed"},
					       {"batch-second", "brief"}};
	struct rig *rig = *state;
	uint8_t before[HASH_SIZE] = {0};

	for (size_t i = 0; i < 2; i++) {
		uint8_t whole[HEX_FILE_MAX], brief[HEX_FILE_MAX];
		uint8_t chain[HASH_SIZE];
		struct batch batch;

		assert_int_equal(batch_read(whole, hex_file_read(names[i][0], whole), &batch), 0);
		size_t size = hex_file_read(names[i][1], brief);
		assert_int_equal(get(rig, brief, size), 0);
		check_same(&rig->got, &batch);
		rig->got.pool = batch.pool;
		batch_chain(&rig->got, before, chain);
		assert_memory_equal(chain, batch.chain, HASH_SIZE);
		memcpy(before, chain, HASH_SIZE);
		if (i == 0)
			continue; /* there is more than one way to pack */
		put(rig, &batch);
		assert_int_equal(rig->size, size);
		assert_memory_equal(rig->body, brief, size);
	}
}

static struct batch batch_of(const uint8_t *records, size_t size)
{
	struct batch b = {.slot = SLOT,
			  .prev = 5,
			  .first = 100,
			  .last = 101,
			  .count = 2,
			  .records = records,
			  .records_size = size};

	assert_int_equal(vector_raise(&b.deps, 1, STAMP_SEQ_MAX), 0);
	assert_int_equal(vector_raise(&b.deps, 64, 1), 0);
	assert_int_equal(vector_raise(&b.deps, UINT16_MAX, 101), 0);
	return b;
}

static void test_packs_where_it_pays(void **state)
{
	struct rig *rig = *state;
	AUTO_FREE uint8_t *same = calloc(1, BRIEF_PACK_MAX + 1);
	static const struct {
		size_t size;
		bool packed;
	} rows[] = {
		{0, false},
		{BRIEF_PACK_MIN - 1, false},
		{BRIEF_PACK_MIN, true},
		{BRIEF_PACK_MAX, true},
		{BRIEF_PACK_MAX + 1, false},
	};

	assert_non_null(same);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct batch b = batch_of(same, rows[i].size);
		put(rig, &b);
		assert_int_equal(rig->brief.packed != NULL, rows[i].packed);
		assert_true(!rows[i].packed || rig->brief.records_size < rows[i].size / 2);
		assert_int_equal(get(rig, rig->body, rig->size), 0);
		check_same(&rig->got, &b);
	}
}

/* What does not become smaller goes as it is, and is tried more and more rarely. */
static void test_noise(void **state)
{
	struct rig *rig = *state;
	uint8_t noise[4096] = {0}, same[4096] = {0};
	struct batch hard = batch_of(noise, sizeof(noise));
	struct batch easy = batch_of(same, sizeof(same));
	unsigned int waits = 0;

	random_bytes(noise, sizeof(noise));
	for (int i = 0; i < 1000; i++) {
		put(rig, &hard);
		assert_ptr_equal(rig->brief.records, noise);
		assert_int_equal(get(rig, rig->body, rig->size), 0);
		check_same(&rig->got, &hard);
	}
	do {
		put(rig, &easy);
		waits++;
	} while (rig->brief.records == same);
	assert_in_range(waits, 2, BRIEF_SKIP_MAX + 1);
	put(rig, &easy);
	assert_ptr_not_equal(rig->brief.records, same);
}

static void test_refused(void **state)
{
	struct rig *rig = *state;
	uint8_t same[200] = {0};
	struct batch b = batch_of(same, sizeof(same));

	put(rig, &b);
	assert_non_null(rig->brief.packed);
	for (size_t cut = 0; cut < rig->size; cut++)
		assert_int_equal(get(rig, rig->body, cut), MA_ECORRUPT);
	rig->body[2] |= 2; /* a flag that nobody knows */
	assert_int_equal(get(rig, rig->body, rig->size), MA_ECORRUPT);
	rig->body[2] = 1;
	rig->body[rig->brief.head_size - 2] ^= 1; /* the size of the records */
	assert_int_equal(get(rig, rig->body, rig->size), MA_ECORRUPT);
	static const struct {
		uint64_t prev, first, last;
		uint32_t count;
	} bad[] = {{9, 9, 10, 1}, {0, 0, 5, 1}, {1, 2, STAMP_SEQ_MAX + 1, 1}, {1, 2, 3, 0}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		b.prev = bad[i].prev;
		b.first = bad[i].first;
		b.last = bad[i].last;
		b.count = bad[i].count;
		put(rig, &b);
		assert_int_equal(get(rig, rig->body, rig->size), MA_ECORRUPT);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_vectors),
		CASE(test_packs_where_it_pays),
		CASE(test_noise),
		CASE(test_refused),
	};

	if (crypto_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
