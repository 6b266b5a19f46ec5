/* links: replication/delta.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Signature, delta, patch: contents of all shapes in pieces of all sizes, what goes over the wire,
 * and that nothing another node sends gives wrong content under the right hash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "replication/delta.h"

struct blob {
	uint8_t *data;
	size_t size;
	size_t room;    /* of data, where blob_write() made it */
	size_t fail_at; /* 0: never; a read or write up to here fails */
	int error;
};

static int blob_write(void *arg, const void *data, size_t size)
{
	struct blob *b = arg;

	assert_true(size > 0 && size <= 65536);
	if (b->fail_at && b->size + size >= b->fail_at)
		return b->error;
	if (b->size + size > b->room) {
		b->room = 2 * (b->size + size);
		b->data = realloc(b->data, b->room);
		assert_non_null(b->data);
	}
	memcpy(b->data + b->size, data, size);
	b->size += size;
	return 0;
}

static ssize_t blob_read(void *arg, void *data, size_t size, uint64_t offset)
{
	struct blob *b = arg;

	if (b->fail_at && offset + size >= b->fail_at)
		return b->error;
	if (offset >= b->size)
		return 0;
	if (size > b->size - offset)
		size = (size_t)(b->size - offset);
	memcpy(data, b->data + offset, size);
	return (ssize_t)size;
}

static struct blob blob_random(size_t size, uint64_t seed)
{
	struct blob b = {.data = malloc(size + 1), .size = size};

	assert_non_null(b.data);
	for (size_t i = 0; i < size; i += sizeof(seed)) {
		seed = seed * 6364136223846793005 + 1442695040888963407;
		uint64_t word = (seed ^ seed >> 29) * 0x9e3779b97f4a7c15;
		memcpy(b.data + i, &word, size - i < sizeof(word) ? size - i : sizeof(word));
	}
	return b;
}

/* Parts of `from`, one after the other: pairs of offset and size up to size 0. */
static struct blob blob_parts(const struct blob *from, const size_t *parts)
{
	struct blob b = {.data = malloc(1)};

	assert_non_null(b.data);
	for (; parts[1]; parts += 2) {
		b.data = realloc(b.data, b.size + parts[1]);
		assert_non_null(b.data);
		memcpy(b.data + b.size, from->data + parts[0], parts[1]);
		b.size += parts[1];
	}
	return b;
}

static int feed_all(struct delta_job *job, const struct blob *in, size_t piece)
{
	size_t done = 0;

	do {
		size_t part = in->size - done < piece ? in->size - done : piece;
		int r = delta_feed(job, in->data + done, part, done + part == in->size);
		if (r < 0)
			return r;
		done += part;
	} while (done < in->size);
	return 0;
}

static struct blob signature_of(struct blob *basis)
{
	struct blob signature = {0};
	struct delta_job *job = NULL;
	uint8_t hash[HASH_SIZE];
	uint8_t expected[HASH_SIZE];
	uint64_t size = 0;

	assert_int_equal(delta_signature_begin(basis->size, blob_write, &signature, &job), 0);
	assert_int_equal(delta_run(job, blob_read, basis, basis->size), 0);
	delta_result(job, &size, hash);
	hash_bytes(basis->data, basis->size, expected, HASH_SIZE);
	assert_true(size == basis->size);
	assert_memory_equal(hash, expected, HASH_SIZE);
	delta_free(job);
	return signature;
}

static struct blob delta_of(const struct blob *signature, const struct blob *content, size_t piece)
{
	struct blob delta = {0};
	struct delta_job *job = NULL;
	uint8_t hash[HASH_SIZE];
	uint8_t expected[HASH_SIZE];
	uint64_t size = 0;

	assert_int_equal(
		delta_make_begin(signature->data, signature->size, blob_write, &delta, &job), 0);
	assert_int_equal(feed_all(job, content, piece), 0);
	delta_result(job, &size, hash);
	hash_bytes(content->data, content->size, expected, HASH_SIZE);
	assert_true(size == content->size);
	assert_memory_equal(hash, expected, HASH_SIZE);
	delta_free(job);
	return delta;
}

/* 0: it has become the content; 1: something else, which the hash shows; or an error. */
static int patch(struct blob *basis, const struct blob *delta, const struct blob *content,
		 size_t piece)
{
	struct blob out = {0};
	struct delta_job *job = NULL;
	uint8_t hash[HASH_SIZE];
	uint8_t expected[HASH_SIZE];
	uint64_t size = 0;

	assert_int_equal(delta_patch_begin(content->size, blob_read, basis, blob_write, &out, &job),
			 0);
	int r = feed_all(job, delta, piece);
	if (r == 0) {
		delta_result(job, &size, hash);
		hash_bytes(content->data, content->size, expected, HASH_SIZE);
		assert_true(size == out.size);
		bool equal = out.size == content->size &&
			     memcmp(out.data ? out.data : hash, content->data, out.size) == 0;
		assert_int_equal(memcmp(hash, expected, HASH_SIZE) == 0, equal || out.size == 0);
		r = equal || (out.size == 0 && content->size == 0) ? 0 : 1;
	}
	assert_true(out.size <= content->size);
	delta_free(job);
	free(out.data);
	return r;
}

enum { K = 1024, M = K * K };

struct row {
	const char *what;
	size_t basis;     /* the first bytes of the source */
	size_t parts[10]; /* of the source: the new content */
	size_t delta_max;
};

/* The block length is about the root of the size: 512 for 256 KiB, 2,048 for 4 MiB. */
static const struct row rows[] = {
	{"both empty", 0, {0}, 16},
	{"from nothing", 0, {0, 100 * K}, 100 * K + 100},
	{"to nothing", 100 * K, {0}, 16},
	{"equal", 4 * M, {0, 4 * M}, 32},
	{"one byte, equal", 1, {0, 1}, 32},
	{"grown", 4 * M, {0, 5 * M}, M + 3 * K},
	{"cut", 4 * M, {0, 3 * M}, 3 * K},
	{"100 bytes in front", 4 * M, {5 * M, 100, 0, 4 * M}, 400},
	{"without the first byte", 4 * M, {1, 4 * M - 1}, 3 * K},
	{"one byte in the middle", 4 * M, {0, 2 * M, 5 * M, 1, 2 * M + 1, 2 * M - 1}, 3 * K},
	{"halves exchanged", 4 * M, {2 * M, 2 * M, 0, 2 * M}, 64},
	{"twice", 256 * K, {0, 256 * K, 0, 256 * K}, 64},
	{"all different", 256 * K, {M, 256 * K}, 257 * K},
	{"short", 700, {0, 350, 400, 300}, 700},
};

static void test_shapes(void **state)
{
	static const size_t pieces[] = {1, 7, 4096, 256 * K};
	struct blob source = blob_random(6 * M, 1);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct blob basis = {.data = source.data, .size = rows[i].basis};
		struct blob content = blob_parts(&source, rows[i].parts);
		struct blob signature = signature_of(&basis);
		for (size_t k = content.size > 128 * K ? 2 : 0; k < 4; k++) {
			struct blob delta = delta_of(&signature, &content, pieces[k]);
			/* New content fed in crumbs is written in crumbs, each with a head. */
			bool crumbs = pieces[k] < 4096;
			if (!crumbs && delta.size > rows[i].delta_max)
				print_message("%s: %zu\n", rows[i].what, delta.size);
			assert_true(crumbs || delta.size <= rows[i].delta_max);
			assert_int_equal(patch(&basis, &delta, &content, pieces[k]), 0);
			free(delta.data);
		}
		free(signature.data);
		free(content.data);
	}
	free(source.data);
}

/* What a change costs: signature and delta together, as a share of the content. */
static void test_wire_share(void **state)
{
	struct blob basis = blob_random(16 * M, 2);
	struct blob content = blob_parts(&basis, (size_t[]){0, 16 * M, 0, 0});
	struct blob signature = signature_of(&basis);

	(void)state;
	content.data[9 * M + 5] ^= 1;
	struct blob delta = delta_of(&signature, &content, 256 * K);
	assert_true(signature.size <= content.size / 100);
	assert_true(delta.size <= 2 * 4096 + 100);
	assert_int_equal(patch(&basis, &delta, &content, 1000), 0);
	free(delta.data);
	/* The same byte in front of all: blocks are found at any offset. */
	struct blob shifted = blob_parts(&basis, (size_t[]){77, 1, 0, 16 * M, 0, 0});
	delta = delta_of(&signature, &shifted, 256 * K);
	assert_true(delta.size <= 100);
	assert_int_equal(patch(&basis, &delta, &shifted, 1000), 0);
	free(delta.data);
	free(shifted.data);
	free(signature.data);
	free(content.data);
	free(basis.data);
}

static void test_damaged_delta(void **state)
{
	struct blob basis = blob_random(64 * K, 3);
	struct blob content = blob_parts(
		&basis, (size_t[]){20 * K, 500, 3000, 9000, 100, 50, 30 * K, 7777, 0, 0});
	struct blob signature = signature_of(&basis);
	struct blob delta = delta_of(&signature, &content, 4096);
	struct blob damaged = {.data = malloc(delta.size + 1), .size = delta.size};
	size_t refused = 0;
	size_t unmasked = 0;

	(void)state;
	assert_non_null(damaged.data);
	for (size_t bit = 0; bit < delta.size * 8; bit += bit < 400 ? 1 : 37) {
		memcpy(damaged.data, delta.data, delta.size);
		damaged.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		int r = patch(&basis, &damaged, &content, 100);
		refused += r < 0;
		unmasked += r == 1;
		assert_true(r != 0);
	}
	assert_true(refused > 0 && unmasked > 0);
	for (damaged.size = 0; damaged.size < delta.size; damaged.size++) {
		memcpy(damaged.data, delta.data, damaged.size);
		assert_int_equal(patch(&basis, &damaged, &content, 4096), MA_ECORRUPT);
	}
	memcpy(damaged.data, delta.data, delta.size);
	damaged.data[delta.size] = 0;
	damaged.size = delta.size + 1;
	assert_int_equal(patch(&basis, &damaged, &content, 4096), MA_ECORRUPT);
	assert_int_equal(patch(&basis, &damaged, &content, 1), MA_ECORRUPT);
	free(damaged.data);
	free(delta.data);
	free(signature.data);
	free(content.data);
	free(basis.data);
}

static void test_other_basis(void **state)
{
	struct blob basis = blob_random(64 * K, 4);
	struct blob other = blob_random(64 * K, 5);
	struct blob signature = signature_of(&basis);
	struct blob delta = delta_of(&signature, &basis, 4096);

	(void)state;
	assert_int_equal(patch(&other, &delta, &basis, 4096), 1);
	other.size = 60 * K; /* shorter than the delta thinks */
	assert_int_equal(patch(&other, &delta, &basis, 4096), MA_ECORRUPT);
	free(delta.data);
	free(signature.data);
	free(other.data);
	free(basis.data);
}

static int make_result(const uint8_t *signature, size_t size)
{
	struct blob delta = {0};
	struct delta_job *job = NULL;
	int r = delta_make_begin(signature, size, blob_write, &delta, &job);

	delta_free(job);
	return r;
}

static void test_damaged_signature(void **state)
{
	/* magic, block length, length of a strong sum: each at and beyond its limit */
	static const struct {
		uint8_t head[12];
		int expected;
	} heads[] = {
		{{0x72, 0x73, 1, 0x47, 0, 0, 1, 0, 0, 0, 0, 32}, 0},
		{{0x72, 0x73, 1, 0x47, 0, 0x10, 0, 0, 0, 0, 0, 32}, 0},
		{{0x72, 0x73, 1, 0x47, 0, 0, 0, 255, 0, 0, 0, 32}, MA_ECORRUPT},
		{{0x72, 0x73, 1, 0x47, 0, 0, 0, 0, 0, 0, 0, 32}, MA_ECORRUPT},
		{{0x72, 0x73, 1, 0x47, 0, 0x10, 0, 1, 0, 0, 0, 32}, MA_ECORRUPT},
		{{0x72, 0x73, 1, 0x47, 255, 255, 255, 255, 0, 0, 0, 32}, MA_ECORRUPT},
		{{0x72, 0x73, 1, 0x47, 0, 0, 1, 0, 0, 0, 0, 8}, MA_ECORRUPT},
		{{0x72, 0x73, 1, 0x47, 0, 0, 1, 0, 255, 0, 0, 32}, MA_ECORRUPT},
		{{0x72, 0x73, 1, 0x36, 0, 0, 1, 0, 0, 0, 0, 32}, MA_ECORRUPT},
		{{0x72, 0x73, 1, 0x37, 0, 0, 1, 0, 0, 0, 0, 32}, MA_ECORRUPT},
		{{0x72, 0x73, 2, 0x36, 0, 0, 1, 0, 0, 0, 0, 32}, MA_ECORRUPT},
	};
	struct blob basis = blob_random(10 * K, 6);
	struct blob signature = signature_of(&basis);

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		assert_int_equal(make_result(heads[i].head, 12), heads[i].expected);
	assert_int_equal(signature.size, 12 + 40 * 36);
	for (size_t size = 0; size < signature.size; size++)
		assert_int_equal(make_result(signature.data, size),
				 size >= 12 && (size - 12) % 36 == 0 ? 0 : MA_ECORRUPT);
	uint8_t *large = calloc(1, DELTA_SIGNATURE_MAX + 36);
	assert_non_null(large);
	memcpy(large, heads[0].head, 12);
	assert_int_equal(make_result(large, DELTA_SIGNATURE_MAX + 36), MA_ECORRUPT);
	free(large);
	free(signature.data);
	free(basis.data);
}

static void test_block_lengths(void **state)
{
	static const uint64_t sizes[] = {
		0, 1, 65536, 1 << 20, 1ULL << 30, 1ULL << 36, (1ULL << 38) - 1, 1ULL << 38};
	struct delta_job *job = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct blob signature = {0};
		assert_int_equal(delta_signature_begin(sizes[i], blob_write, &signature, &job), 0);
		assert_int_equal(delta_feed(job, NULL, 0, true), 0);
		delta_free(job);
		struct rd r = rd_init(signature.data + 4, 4);
		uint64_t block = 0;
		for (int k = 0; k < 4; k++)
			block = block << 8 | rd_u8(&r);
		assert_true(block >= DELTA_BLOCK_MIN && block <= DELTA_BLOCK_MAX);
		assert_true((sizes[i] + block - 1) / block <= DELTA_BLOCKS_MAX);
		assert_int_equal(make_result(signature.data, signature.size), 0);
		free(signature.data);
	}
	assert_int_equal(delta_signature_begin((1ULL << 38) + 1, blob_write, NULL, &job), -EFBIG);
	assert_int_equal(delta_signature_begin(UINT64_MAX, blob_write, NULL, &job), -EFBIG);
}

/* A basis that grew meanwhile, callbacks that fail, content beyond what was agreed. */
static void test_errors_end_the_job(void **state)
{
	struct blob basis = blob_random(300 * K, 7);
	struct blob out = {.fail_at = 5000, .error = -ENOSPC};
	struct delta_job *job = NULL;

	(void)state;
	assert_int_equal(delta_signature_begin(100, blob_write, &out, &job), 0);
	assert_int_equal(delta_feed(job, basis.data, 100, false), 0);
	assert_int_equal(delta_feed(job, basis.data, 1, false), -EFBIG);
	assert_int_equal(delta_feed(job, basis.data, 0, true), -EFBIG);
	delta_free(job);

	struct blob signature = signature_of(&basis);
	struct blob empty = {0};
	struct blob none = signature_of(&empty);
	assert_int_equal(delta_make_begin(none.data, none.size, blob_write, &out, &job), 0);
	assert_int_equal(feed_all(job, &basis, 1000), -ENOSPC);
	delta_free(job);

	struct blob delta = delta_of(&signature, &basis, 4096);
	out.fail_at = 0;
	out.size = 0;
	assert_int_equal(delta_patch_begin(200 * K, blob_read, &basis, blob_write, &out, &job), 0);
	assert_int_equal(feed_all(job, &delta, 4096), MA_ELIMIT);
	assert_int_equal(delta_feed(job, NULL, 0, true), MA_ELIMIT);
	assert_true(out.size <= 200 * K);
	delta_free(job);

	basis.fail_at = 100 * K;
	basis.error = -ESTALE;
	assert_int_equal(delta_patch_begin(300 * K, blob_read, &basis, blob_write, &out, &job), 0);
	assert_int_equal(feed_all(job, &delta, 4096), -ESTALE);
	delta_free(job);
	assert_int_equal(delta_signature_begin(basis.size, blob_write, &out, &job), 0);
	assert_int_equal(delta_run(job, blob_read, &basis, basis.size), -ESTALE);
	delta_free(job);
	delta_free(NULL);
	free(delta.data);
	free(none.data);
	free(signature.data);
	free(out.data);
	free(basis.data);
}

/* Content that is made while it is read: the same byte every 4,096, numbers between. */
struct source {
	uint64_t skip;
	size_t memory_max;
};

static ssize_t source_read(void *arg, void *data, size_t size, uint64_t offset)
{
	const struct source *s = arg;

	for (size_t i = 0; i < size; i++) {
		uint64_t at = offset + i + s->skip;
		((uint8_t *)data)[i] = (uint8_t)((at / 64 * 0x9e3779b97f4a7c15) >> (at % 8 * 8));
	}
	return (ssize_t)size;
}

static int measure(void *arg, const void *data, size_t size)
{
	struct source *s = arg;
	struct mallinfo2 info = mallinfo2();
	size_t used = info.uordblks + info.hblkhd;

	(void)data;
	(void)size;
	if (used > s->memory_max)
		s->memory_max = used;
	return 0;
}

struct keep {
	struct blob blob;
	struct source *source;
};

static int keep_and_measure(void *arg, const void *data, size_t size)
{
	struct keep *k = arg;

	(void)measure(k->source, data, size);
	return blob_write(&k->blob, data, size);
}

/* 32 MiB pass; signature, delta and all jobs together stay far below that. The sanitizers have
 * allocators of their own, which do not tell. */
static void test_memory(void **state)
{
	const uint64_t size = 32 * M;
	struct source old = {0};
	struct source new = {.skip = 999};
	struct keep signature = {.source = &old};
	struct keep delta = {.source = &old};
	struct delta_job *job = NULL;
	uint8_t made[HASH_SIZE];
	uint8_t patched[HASH_SIZE];
	uint64_t got = 0;

	(void)state;
	assert_int_equal(delta_signature_begin(size, keep_and_measure, &signature, &job), 0);
	assert_int_equal(delta_run(job, source_read, &old, size), 0);
	delta_free(job);
	assert_int_equal(delta_make_begin(signature.blob.data, signature.blob.size,
					  keep_and_measure, &delta, &job),
			 0);
	assert_int_equal(delta_run(job, source_read, &new, size), 0);
	delta_result(job, &got, made);
	delta_free(job);
	assert_true(delta.blob.size < 64 * K);
	assert_int_equal(delta_patch_begin(size, source_read, &old, measure, &old, &job), 0);
	assert_int_equal(feed_all(job, &delta.blob, 256 * K), 0);
	delta_result(job, &got, patched);
	delta_free(job);
	assert_memory_equal(made, patched, HASH_SIZE);
	print_message("signature %zu, delta %zu, memory %zu\n", signature.blob.size,
		      delta.blob.size, old.memory_max);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(old.memory_max > 0 && old.memory_max < 4 * M);
#endif
	free(signature.blob.data);
	free(delta.blob.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_wire_share),
		cmocka_unit_test(test_damaged_delta),
		cmocka_unit_test(test_other_basis),
		cmocka_unit_test(test_damaged_signature),
		cmocka_unit_test(test_block_lengths),
		cmocka_unit_test(test_errors_end_the_job),
		cmocka_unit_test(test_memory),
	};

	if (crypto_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
