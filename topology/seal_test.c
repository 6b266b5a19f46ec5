/* links: topology/seal.c core/crypto.c core/err.c tests/lib/hex_file.c core/io.c
 * SPDX-License-Identifier: Apache-2.0
 * Datagrams: what was sealed comes out once, in any order; all else is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/hex_file.h"
#include "topology/seal.h"

struct ends {
	struct seal_out out[2];
	struct seal_in in[2];
};

static void ends_init(struct ends *e)
{
	const struct seal_pair pair[2] = {{3, 7, 0x1111, 0x2222}, {7, 3, 0x2222, 0x1111}};
	uint8_t secret[SEAL_SECRET_SIZE];

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)i;
	for (size_t i = 0; i < 2; i++)
		seal_init(secret, &pair[i], &e->out[i], &e->in[i]);
}

static void test_both_ways(void **state)
{
	uint8_t datagram[SEAL_DATAGRAM_MAX], text[SEAL_TEXT_MAX];
	static const uint8_t most[SEAL_TEXT_MAX] = {1, 2, 3};
	struct ends e;

	(void)state;
	ends_init(&e);
	assert_memory_not_equal(e.out[0].key, e.out[1].key, AEAD_KEY_SIZE);
	for (size_t i = 0; i < 2; i++) {
		size_t size = seal_close(&e.out[i], "hello", 5, datagram);
		assert_int_equal(size, 5 + SEAL_OVERHEAD);
		assert_int_equal(seal_sender(datagram, size, i ? 3 : 7), i ? 7 : 3);
		assert_int_equal(seal_open(&e.in[1 - i], datagram, size, text), 5);
		assert_memory_equal(text, "hello", 5);
		/* Back to its sender, it is nothing. */
		assert_int_equal(seal_open(&e.in[i], datagram, size, text), MA_ECORRUPT);
		size = seal_close(&e.out[i], most, sizeof(most), datagram);
		assert_int_equal(size, SEAL_DATAGRAM_MAX);
		assert_int_equal(seal_open(&e.in[1 - i], datagram, size, text), SEAL_TEXT_MAX);
	}
}

/* Every bit counts, and so does the boot of who sends. */
static void test_forged(void **state)
{
	uint8_t datagram[SEAL_DATAGRAM_MAX], text[SEAL_TEXT_MAX];
	struct ends e;

	(void)state;
	ends_init(&e);
	size_t size = seal_close(&e.out[0], "hello", 5, datagram);
	for (size_t bit = 0; bit < size * 8; bit++) {
		datagram[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(seal_open(&e.in[1], datagram, size, text) < 0);
		datagram[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t cut = 0; cut < size; cut++)
		assert_true(seal_open(&e.in[1], datagram, cut, text) < 0);
	/* None of that was noted as seen. */
	e.in[1].boot++;
	assert_int_equal(seal_open(&e.in[1], datagram, size, text), MA_ESIG);
	e.in[1].boot--;
	assert_int_equal(seal_open(&e.in[1], datagram, size, text), 5);
}

/* Each counter once, in whatever order, within the window. */
static void test_replay(void **state)
{
	enum { COUNT = 3 * SEAL_WINDOW_BITS };
	static uint8_t sent[COUNT][SEAL_OVERHEAD + 4];
	uint8_t datagram[SEAL_DATAGRAM_MAX], text[SEAL_TEXT_MAX];
	struct ends e;

	(void)state;
	ends_init(&e);
	for (uint32_t i = 0; i < COUNT; i++) {
		assert_int_equal(seal_close(&e.out[0], &i, 4, datagram), sizeof(sent[0]));
		memcpy(sent[i], datagram, sizeof(sent[0]));
	}
	/* The newest of each 500 first, then those before it, backwards. */
	for (size_t block = 0; block + 500 <= COUNT; block += 500) {
		for (size_t i = 500; i-- > 0;)
			assert_int_equal(
				seal_open(&e.in[1], sent[block + i], sizeof(sent[0]), text), 4);
		for (size_t i = 0; i < block + 500; i++)
			assert_int_equal(seal_open(&e.in[1], sent[i], sizeof(sent[0]), text),
					 -EALREADY);
	}
	/* One that was left out is taken as long as the window reaches back to it. */
	ends_init(&e);
	assert_int_equal(seal_open(&e.in[1], sent[SEAL_WINDOW_BITS + 5], sizeof(sent[0]), text), 4);
	assert_int_equal(seal_open(&e.in[1], sent[4], sizeof(sent[0]), text), -EALREADY);
	assert_int_equal(seal_open(&e.in[1], sent[6], sizeof(sent[0]), text), 4);
	/* A leap empties it, and no more: what lies in between is still new. */
	assert_int_equal(seal_open(&e.in[1], sent[COUNT - 1], sizeof(sent[0]), text), 4);
	assert_int_equal(seal_open(&e.in[1], sent[COUNT - 2], sizeof(sent[0]), text), 4);
	assert_int_equal(seal_open(&e.in[1], sent[COUNT - 1], sizeof(sent[0]), text), -EALREADY);
}

/* docs/vectors, made from multiall-tns(5). */
static void test_golden(void **state)
{
	uint8_t golden[HEX_FILE_MAX], datagram[SEAL_DATAGRAM_MAX];
	struct ends e;

	(void)state;
	size_t size = hex_file_read("tns-datagram", golden);
	ends_init(&e);
	assert_int_equal(seal_close(&e.out[0], "beat", 4, datagram), size);
	assert_memory_equal(datagram, golden, size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_golden),
	};

	return crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
