/* links: replication/batch.c replication/record.c replication/stamp.c tests/lib/hex_file.c
 *        core/crypto.c core/io.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Batches: golden vectors, the chain, the signature, order; a change of any field is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/auto.h"
#include "replication/batch.h"
#include "tests/lib/hex_file.h"

#define SLOT (7 * SLOT_INCARNATIONS + 1)

static const uint8_t zeros[HASH_SIZE];

static void key_of(uint8_t first, struct keypair *ret)
{
	uint8_t seed[KEY_SEED_SIZE];

	for (size_t i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)(first + i);
	keypair_from_seed(seed, ret);
}

/* A batch of records that truncate one object, with these sequence numbers. */
struct made {
	struct batch batch;
	uint8_t records[1024];
	uint8_t bytes[4096];
	size_t size;
	struct keypair key;
};

static size_t add_record(uint8_t *records, size_t used, size_t room, stamp_t stamp)
{
	struct record rec = {.kind = REC_TRUNCATE, .stamp = stamp, .id = 77, .base = 78};
	uint8_t bytes[128];
	struct wr body = wr_init(bytes, sizeof(bytes));
	struct wr w = wr_init(records + used, room - used);

	record_write_head(&body, &rec);
	wr_u32(&w, (uint32_t)wr_used(&body));
	wr_bytes(&w, bytes, wr_used(&body));
	assert_false(body.failed || w.failed);
	return used + wr_used(&w);
}

static void encode(struct made *m)
{
	struct wr w = wr_init(m->bytes, sizeof(m->bytes));

	batch_write_head(&w, &m->batch);
	assert_true(wr_used(&w) <= BATCH_HEAD_MAX);
	wr_bytes(&w, m->batch.records, m->batch.records_size);
	assert_false(w.failed);
	m->size = wr_used(&w);
}

static void make(struct made *m, const uint64_t *seqs, size_t count)
{
	key_of(0, &m->key);
	m->batch = (struct batch){.pool = 5,
				  .slot = SLOT,
				  .prev = 9,
				  .first = seqs[0],
				  .last = seqs[count - 1],
				  .count = (uint32_t)count,
				  .records = m->records};
	vector_init(&m->batch.deps);
	assert_int_equal(vector_raise(&m->batch.deps, 64, 3), 0);
	assert_int_equal(vector_raise(&m->batch.deps, SLOT, 9), 0);
	for (size_t i = 0; i < count; i++)
		m->batch.records_size = add_record(m->records, m->batch.records_size,
						   sizeof(m->records), stamp_make(SLOT, seqs[i]));
	batch_seal(&m->batch, zeros, &m->key);
	encode(m);
}

static const uint64_t three[] = {10, 12, 13};

static int walk(const struct batch *batch, uint32_t *ret_seen)
{
	struct batch_walk walk;
	struct record rec;
	int r;

	*ret_seen = 0;
	batch_walk_init(&walk, batch);
	while ((r = batch_walk_next(&walk, &rec)) == 1)
		++*ret_seen;
	return r;
}

static void test_round_trip(void **state)
{
	struct made m;
	struct batch got;
	uint32_t seen;

	(void)state;
	make(&m, three, 3);
	assert_int_equal(batch_read(m.bytes, m.size, &got), 0);
	assert_true(got.pool == 5 && got.slot == SLOT && got.prev == 9);
	assert_true(got.first == 10 && got.last == 13 && got.count == 3);
	assert_true(vector_equal(&got.deps, &m.batch.deps));
	assert_memory_equal(got.chain, m.batch.chain, HASH_SIZE);
	assert_memory_equal(got.signature, m.batch.signature, SIGNATURE_SIZE);
	assert_int_equal(got.records_size, m.batch.records_size);
	assert_memory_equal(got.records, m.records, got.records_size);
	assert_int_equal(batch_check(&got, zeros, m.key.public), 0);
	assert_int_equal(walk(&got, &seen), 0);
	assert_int_equal(seen, 3);
}

static void test_vectors(void **state)
{
	static const char *const names[] = {"batch-first", "batch-second"};
	uint8_t before[HASH_SIZE] = {0};
	struct keypair key;

	(void)state;
	key_of(0, &key);
	for (size_t i = 0; i < 2; i++) {
		uint8_t golden[HEX_FILE_MAX];
		uint8_t bytes[BATCH_HEAD_MAX];
		struct batch batch;
		uint32_t seen;
		size_t size = hex_file_read(names[i], golden);

		assert_int_equal(batch_read(golden, size, &batch), 0);
		assert_int_equal(batch_check(&batch, before, key.public), 0);
		assert_int_equal(walk(&batch, &seen), 0);
		assert_int_equal(seen, i == 0 ? 2 : 1);
		assert_true(batch.pool == 0x1122334455667788);
		assert_int_equal(batch.slot, SLOT);
		assert_int_equal(batch.deps.count, i == 0 ? 0 : 3);
		/* Sealed here, the same comes out: signatures of Ed25519 leave no choice. */
		batch_seal(&batch, before, &key);
		struct wr w = wr_init(bytes, sizeof(bytes));
		batch_write_head(&w, &batch);
		assert_int_equal(wr_used(&w) + batch.records_size, size);
		assert_memory_equal(bytes, golden, wr_used(&w));
		memcpy(before, batch.chain, HASH_SIZE);
	}
}

/* One flipped bit anywhere: either it no longer reads, or the chain no longer fits, or (in chain
 * and signature themselves) one of the two does not. */
static void test_every_bit(void **state)
{
	struct made m;

	(void)state;
	make(&m, three, 3);
	for (size_t i = 0; i < m.size * 8; i++) {
		struct batch got;

		m.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		int r = batch_read(m.bytes, m.size, &got);
		if (r == 0)
			r = batch_check(&got, zeros, m.key.public);
		assert_true(r == MA_ECORRUPT || r == MA_EFORK || r == MA_ESIG);
		m.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
	}
}

/* Fields that somebody with a key of their own changed, and made the chain right again. */
static void test_other_signer(void **state)
{
	struct made m;
	struct keypair other;

	(void)state;
	make(&m, three, 3);
	key_of(100, &other);
	struct batch forged = m.batch;
	forged.records_size = add_record(m.records, 0, sizeof(m.records), stamp_make(SLOT, 10));
	forged.count = 1;
	forged.last = 10;
	batch_seal(&forged, zeros, &other);
	assert_int_equal(batch_check(&forged, zeros, m.key.public), MA_ESIG);
	assert_int_equal(batch_check(&forged, zeros, other.public), 0);
}

static void test_chain(void **state)
{
	static const uint64_t next[] = {14};
	struct made a, b;
	uint8_t other[HASH_SIZE] = {1};

	(void)state;
	make(&a, three, 3);
	make(&b, next, 1);
	b.batch.prev = 13;
	batch_seal(&b.batch, a.batch.chain, &b.key);
	assert_int_equal(batch_check(&b.batch, a.batch.chain, b.key.public), 0);
	/* Behind another batch, or at the beginning: another history. */
	assert_int_equal(batch_check(&b.batch, zeros, b.key.public), MA_EFORK);
	assert_int_equal(batch_check(&b.batch, other, b.key.public), MA_EFORK);
	assert_int_equal(batch_check(&a.batch, a.batch.chain, a.key.public), MA_EFORK);
}

/* Each signed field counts in the chain on its own. */
static void test_each_field(void **state)
{
	struct made m;

	(void)state;
	make(&m, three, 3);
	for (int field = 0; field < 9; field++) {
		struct batch b = m.batch;
		uint8_t records[1024];

		memcpy(records, m.records, sizeof(records));
		b.records = records;
		switch (field) {
		case 0:
			b.pool++;
			break;
		case 1:
			b.slot++;
			break;
		case 2:
			b.prev--;
			break;
		case 3:
			b.first--;
			break;
		case 4:
			b.last++;
			break;
		case 5:
			b.count++;
			break;
		case 6:
			b.deps.entries[1].seq++;
			break;
		case 7:
			b.deps.count--;
			break;
		default:
			records[20]++;
			break;
		}
		assert_int_equal(batch_check(&b, zeros, m.key.public), MA_EFORK);
	}
}

static void test_head_bounds(void **state)
{
	static const struct {
		uint64_t prev, first, last;
		uint32_t count;
		bool good;
	} rows[] = {
		{0, 1, 1, 1, true},     {9, 10, 13, 3, true},  {0, 1, STAMP_SEQ_MAX, 2, true},
		{0, 0, 1, 1, false},    /* 0 is no sequence number */
		{10, 10, 13, 3, false}, /* overlaps what was before */
		{11, 10, 13, 3, false}, {9, 13, 10, 3, false}, {9, 10, STAMP_SEQ_MAX + 1, 3, false},
		{9, 10, 13, 0, false},
	};
	struct made m;
	struct batch got;

	(void)state;
	make(&m, three, 3);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		m.batch.prev = rows[i].prev;
		m.batch.first = rows[i].first;
		m.batch.last = rows[i].last;
		m.batch.count = rows[i].count;
		encode(&m);
		assert_int_equal(batch_read(m.bytes, m.size, &got), rows[i].good ? 0 : MA_ECORRUPT);
	}
	make(&m, three, 3);
	size_t head = m.size - m.batch.records_size;
	for (size_t cut = 0; cut < head; cut++) {
		AUTO_FREE uint8_t *part = malloc(cut ? cut : 1);
		assert_non_null(part);
		memcpy(part, m.bytes, cut);
		assert_int_equal(batch_read(part, cut, &got), MA_ECORRUPT);
	}
	AUTO_FREE uint8_t *large = calloc(1, BATCH_SIZE_MAX + 1);
	assert_non_null(large);
	memcpy(large, m.bytes, m.size);
	assert_int_equal(batch_read(large, BATCH_SIZE_MAX, &got), 0);
	assert_int_equal(batch_read(large, BATCH_SIZE_MAX + 1, &got), MA_ECORRUPT);
}

struct step {
	uint16_t slot;
	uint64_t seq;
};

/* The records of a batch whose head says: slot SLOT, 10 to 13, `count`. */
static int walk_steps(const struct step *steps, size_t n, uint32_t count, size_t cut,
		      uint32_t *ret_seen)
{
	uint8_t records[1024];
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		used = add_record(records, used, sizeof(records),
				  stamp_make(steps[i].slot, steps[i].seq));
	struct batch b = {.slot = SLOT,
			  .first = 10,
			  .last = 13,
			  .count = count,
			  .records = records,
			  .records_size = used - cut};
	return walk(&b, ret_seen);
}

static void test_walk(void **state)
{
	static const struct {
		struct step steps[4];
		size_t n;
		uint32_t count;
		bool good;
		uint32_t seen; /* so many may be handed out before the fault shows */
	} rows[] = {
		{{{SLOT, 10}, {SLOT, 13}}, 2, 2, true, 2},
		{{{SLOT, 10}, {SLOT, 11}, {SLOT, 12}, {SLOT, 13}}, 4, 4, true, 4},
		{{{SLOT, 10}, {SLOT, 13}}, 2, 3, false, 2},                 /* fewer than it says */
		{{{SLOT, 10}, {SLOT, 12}, {SLOT, 13}}, 3, 2, false, 3},     /* more */
		{{{SLOT, 10}, {SLOT, 12}}, 2, 2, false, 2},                 /* another last one */
		{{{SLOT, 9}, {SLOT, 13}}, 2, 2, false, 0},                  /* before the first */
		{{{SLOT, 10}, {SLOT, 14}}, 2, 2, false, 1},                 /* behind the last */
		{{{SLOT, 10}, {SLOT, 10}, {SLOT, 13}}, 3, 3, false, 1},     /* twice */
		{{{SLOT, 12}, {SLOT, 11}, {SLOT, 13}}, 3, 3, false, 1},     /* back */
		{{{SLOT, 10}, {SLOT + 1, 11}, {SLOT, 13}}, 3, 3, false, 1}, /* of somebody else */
		{{{0, 0}}, 0, 0, false, 0},
		{{{0, 0}}, 0, 1, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t seen;
		int r = walk_steps(rows[i].steps, rows[i].n, rows[i].count, 0, &seen);

		assert_int_equal(r, rows[i].good ? 0 : MA_ECORRUPT);
		assert_int_equal(seen, rows[i].seen);
	}
	/* Cut inside the last record, or inside its length. */
	size_t one = add_record((uint8_t[128]){0}, 0, 128, stamp_make(SLOT, 10));
	for (size_t cut = 1; cut < one; cut++) {
		uint32_t seen;

		assert_int_equal(walk_steps(rows[0].steps, 2, 2, cut, &seen), MA_ECORRUPT);
		assert_int_equal(seen, 1);
	}
}

/* A batch of two extents of 5 and 3 bytes, and what may stand beside it. */
static void test_apart(void **state)
{
	static const uint8_t data[] = {1, 'h', 'e', 'l', 'l', 'o', 1, 'y', 'o', 'u'};
	static const struct {
		size_t size;   /* of data */
		int which, to; /* this byte is another one; -1: none */
		bool good;
		bool first, second; /* are at hand */
	} rows[] = {
		{10, -1, 0, true, true, true},
		{6, -1, 0, true, true, false}, /* of the second nothing is said */
		{0, -1, 0, true, false, false},
		{7, 6, 0, true, true, false},
		{10, 6, 0, false, true, false}, /* more than is named */
		{10, 3, 'x', false, true, true},
		{5, -1, 0, false, false, false}, /* cut in the middle of the first */
	};
	uint8_t sums[2][HASH_SIZE];
	uint8_t records[512];
	struct wr w = wr_init(records, sizeof(records));

	(void)state;
	hash_bytes(data + 1, 5, sums[0], HASH_SIZE);
	hash_bytes(data + 7, 3, sums[1], HASH_SIZE);
	for (uint64_t i = 0; i < 2; i++) {
		struct record rec = {.kind = REC_EXTENT,
				     .stamp = stamp_make(SLOT, 10 + i),
				     .id = 77,
				     .data_size = i ? 3 : 5,
				     .sum = sums[i]};
		wr_u32(&w, RECORD_EXTENT_SIZE);
		record_write_head(&w, &rec);
	}
	struct batch b = {.slot = SLOT,
			  .first = 10,
			  .last = 11,
			  .count = 2,
			  .records = records,
			  .records_size = wr_used(&w)};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t beside[sizeof(data)];
		struct batch_walk walk_;
		struct record rec;

		memcpy(beside, data, sizeof(data));
		if (rows[i].which >= 0)
			beside[rows[i].which] = (uint8_t)rows[i].to;
		b.apart = beside;
		b.apart_size = rows[i].size;
		assert_int_equal(batch_apart_check(&b), rows[i].good ? 0 : MA_ECORRUPT);
		batch_walk_init(&walk_, &b);
		int r = batch_walk_next(&walk_, &rec);
		assert_int_equal(r == 1 && rec.data, rows[i].first);
		if (r == 1)
			r = batch_walk_next(&walk_, &rec);
		assert_int_equal(r == 1 && rec.data, rows[i].second);
	}
}

/* What a batch may name is bounded, so that what has to be taken in with it is. */
static void test_apart_bound(void **state)
{
	uint8_t records[4 * (4 + RECORD_EXTENT_SIZE)];
	static const uint8_t sum[HASH_SIZE];
	struct wr w = wr_init(records, sizeof(records));
	uint32_t seen;

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		struct record rec = {.kind = REC_EXTENT,
				     .stamp = stamp_make(SLOT, 10 + i),
				     .id = 77,
				     .data_size = RECORD_DATA_MAX,
				     .sum = sum};
		wr_u32(&w, RECORD_EXTENT_SIZE);
		record_write_head(&w, &rec);
	}
	struct batch b = {.slot = SLOT, .first = 10, .last = 11, .count = 2, .records = records};
	b.records_size = wr_used(&w) / 3 * 2;
	assert_int_equal(walk(&b, &seen), 0);
	b.records_size = wr_used(&w);
	b.count = 3;
	b.last = 12;
	assert_int_equal(walk(&b, &seen), MA_ECORRUPT);
	assert_int_equal(seen, BATCH_APART_MAX / RECORD_DATA_MAX);
}

static int setup(void **state)
{
	(void)state;
	return crypto_init();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),  cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_bit),   cmocka_unit_test(test_other_signer),
		cmocka_unit_test(test_chain),       cmocka_unit_test(test_each_field),
		cmocka_unit_test(test_head_bounds), cmocka_unit_test(test_walk),
		cmocka_unit_test(test_apart),       cmocka_unit_test(test_apart_bound),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
