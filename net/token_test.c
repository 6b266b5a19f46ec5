/* links: net/token.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Tokens: text and back, each mistyped letter, once and in time only, no secret on the list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "net/token.h"

static void test_text(void **state)
{
	char text[TOKEN_TEXT_SIZE];
	struct token token, back;

	(void)state;
	random_bytes(&token, sizeof(token));
	token_format(&token, text);
	assert_int_equal(strlen(text), TOKEN_TEXT_SIZE - 1);
	assert_int_equal(strspn(text,
				"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				"-_"),
			 TOKEN_TEXT_SIZE - 1);
	assert_int_equal(token_parse(text, &back), 0);
	assert_memory_equal(&token, &back, sizeof(token));
	for (size_t i = 0; i < TOKEN_TEXT_SIZE - 1; i++) {
		char right = text[i];

		text[i] = right == 'A' ? 'B' : 'A';
		assert_int_equal(token_parse(text, &back), -EINVAL);
		text[i] = '\0'; /* cut off there */
		assert_int_equal(token_parse(text, &back), -EINVAL);
		text[i] = right;
	}
	assert_int_equal(token_parse("", &back), -EINVAL);
	assert_int_equal(token_parse("ma1", &back), -EINVAL);
}

static bool contains(const void *in, size_t in_size, const void *what, size_t size)
{
	return memmem(in, in_size, what, size) != NULL;
}

static void test_once_and_in_time(void **state)
{
	static const uint8_t key[KEY_PUBLIC_SIZE] = {1, 2, 3};
	struct token_list list = {0};
	struct token a, b;

	(void)state;
	assert_int_equal(token_issue(&list, key, 1000, 60, &a), 0);
	assert_int_equal(token_issue(&list, key, 1000, 600, &b), 0);
	assert_memory_equal(a.fleet_key, key, sizeof(key));
	assert_memory_not_equal(a.secret, b.secret, sizeof(a.secret));
	assert_false(contains(&list, sizeof(list), a.secret, sizeof(a.secret)));
	int place = token_find(&list, a.id, a.secret, 1059);
	assert_true(place >= 0);
	/* The time is over; the secret is another's; the id is another's. */
	assert_int_equal(token_find(&list, a.id, a.secret, 1060), -EKEYEXPIRED);
	assert_int_equal(token_find(&list, a.id, b.secret, 1000), -ENOKEY);
	assert_int_equal(token_find(&list, b.id, a.secret, 1000), -ENOKEY);
	token_spend(&list, (size_t)place);
	assert_int_equal(token_find(&list, a.id, a.secret, 1001), -ENOKEY);
	assert_true(token_find(&list, b.id, b.secret, 1001) >= 0);
}

static void test_limit(void **state)
{
	static const uint8_t key[KEY_PUBLIC_SIZE];
	struct token_list list = {0};
	struct token token;

	(void)state;
	for (int i = 0; i < FLEET_TOKENS_MAX; i++)
		assert_int_equal(token_issue(&list, key, 1000, 60, &token), 0);
	assert_int_equal(token_issue(&list, key, 1059, 60, &token), MA_ELIMIT);
	/* Those whose time is over make room. */
	assert_int_equal(token_issue(&list, key, 1060, 60, &token), 0);
	assert_int_equal(list.count, 1);
}

static void test_list_bytes(void **state)
{
	static const uint8_t key[KEY_PUBLIC_SIZE];
	uint8_t bytes[TOKEN_LIST_MAX_BYTES];
	struct token_list list = {0}, back;
	struct token token;

	(void)state;
	for (int i = 0; i < FLEET_TOKENS_MAX; i++)
		assert_int_equal(token_issue(&list, key, 1000, 60, &token), 0);
	struct wr w = wr_init(bytes, sizeof(bytes));
	token_list_encode(&list, &w);
	assert_false(w.failed);
	struct rd r = rd_init(bytes, wr_used(&w));
	assert_int_equal(token_list_decode(&r, &back), 0);
	assert_memory_equal(&list, &back, sizeof(list));
	r = rd_init(bytes, wr_used(&w) - 1);
	assert_int_equal(token_list_decode(&r, &back), MA_ECORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_once_and_in_time),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_list_bytes),
	};

	return crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
