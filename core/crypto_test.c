/* links: core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Known answers (RFC 8032, RFC 7693), forgeries, hashing in pieces, text forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/crypto.h"

/* RFC 8032, 7.1, test 3. */
static void test_known_signature(void **state)
{
	uint8_t seed[KEY_SEED_SIZE], public[KEY_PUBLIC_SIZE], expected[SIGNATURE_SIZE];
	uint8_t signature[SIGNATURE_SIZE];
	struct keypair key;

	(void)state;
	assert_int_equal(
		hex_decode("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", seed,
			   sizeof(seed)),
		0);
	assert_int_equal(
		hex_decode("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
			   public, sizeof(public)),
		0);
	assert_int_equal(
		hex_decode("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
			   "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
			   expected, sizeof(expected)),
		0);
	keypair_from_seed(seed, &key);
	assert_memory_equal(key.public, public, sizeof(public));
	signature_make(&key, "\xaf\x82", 2, signature);
	assert_memory_equal(signature, expected, sizeof(expected));
	assert_true(signature_valid(public, "\xaf\x82", 2, signature));
}

static void test_forgeries(void **state)
{
	uint8_t signature[SIGNATURE_SIZE];
	struct keypair key, other;

	(void)state;
	keypair_make(&key);
	keypair_make(&other);
	assert_memory_not_equal(key.public, other.public, KEY_PUBLIC_SIZE);
	signature_make(&key, "text", 4, signature);
	assert_true(signature_valid(key.public, "text", 4, signature));
	assert_false(signature_valid(other.public, "text", 4, signature));
	assert_false(signature_valid(key.public, "test", 4, signature));
	assert_false(signature_valid(key.public, "text", 3, signature));
	for (size_t bit = 0; bit < SIGNATURE_SIZE * 8; bit++) {
		signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(signature_valid(key.public, "text", 4, signature));
		signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* The key of all zeros, for which anyone can make signatures. */
	memset(key.public, 0, sizeof(key.public));
	memset(signature, 0, sizeof(signature));
	assert_false(signature_valid(key.public, "text", 4, signature));
}

static void test_hashes(void **state)
{
	static const uint8_t zeros[1000];
	uint8_t whole[HASH_SIZE], pieces[HASH_SIZE], expected[HASH_SIZE];
	struct hasher h;

	(void)state;
	/* BLAKE2b-256 of "abc". */
	assert_int_equal(
		hex_decode("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
			   expected, sizeof(expected)),
		0);
	hash_bytes("abc", 3, whole, HASH_SIZE);
	assert_memory_equal(whole, expected, HASH_SIZE);
	for (size_t step = 1; step < sizeof(zeros); step += 37) {
		hasher_init(&h);
		for (size_t at = 0; at < sizeof(zeros); at += step)
			hasher_add(&h, zeros + at,
				   at + step < sizeof(zeros) ? step : sizeof(zeros) - at);
		hasher_done(&h, pieces);
		hash_bytes(zeros, sizeof(zeros), whole, HASH_SIZE);
		assert_memory_equal(whole, pieces, HASH_SIZE);
	}
	/* A shorter one is no prefix of the longer. */
	hash_bytes("abc", 3, whole, 16);
	assert_memory_not_equal(whole, expected, 16);
}

static void test_text(void **state)
{
	uint8_t bytes[40], back[40];
	char text[BASE64_SIZE(40)];
	char hex[81];

	(void)state;
	random_bytes(bytes, sizeof(bytes));
	for (size_t size = 0; size <= sizeof(bytes); size++) {
		base64_encode(bytes, size, text);
		assert_int_equal(strlen(text) + 1, BASE64_SIZE(size));
		assert_int_equal(base64_decode(text, back, size), 0);
		assert_memory_equal(bytes, back, size);
		if (size)
			assert_int_equal(base64_decode(text, back, size - 1), -EINVAL);
		hex_encode(bytes, size, hex);
		assert_int_equal(strlen(hex), 2 * size);
		assert_int_equal(hex_decode(hex, back, size), 0);
		assert_memory_equal(bytes, back, size);
	}
	assert_int_equal(hex_decode("0g", back, 1), -EINVAL);
	assert_int_equal(hex_decode("0", back, 1), -EINVAL);
	assert_int_equal(hex_decode("000", back, 1), -EINVAL);
	assert_int_equal(base64_decode("AA==", back, 1), -EINVAL);
	assert_int_equal(base64_decode("A+", back, 1), -EINVAL);
	assert_int_equal(base64_decode("AB", back, 1), -EINVAL); /* bits that mean nothing */
}

static void test_small_things(void **state)
{
	uint8_t a[32], b[32];

	(void)state;
	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_false(crypto_equal(a, b, sizeof(a)));
	memcpy(b, a, sizeof(b));
	assert_true(crypto_equal(a, b, sizeof(a)));
	b[31] ^= 0x80;
	assert_false(crypto_equal(a, b, sizeof(a)));
	crypto_wipe(a, sizeof(a));
	memset(b, 0, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
}

/* draft-irtf-cfrg-xchacha-03, A.3.1; and each bit of what was sealed counts. */
static void test_aead(void **state)
{
	static const char text[] = "Ladies and Gentlemen of the class of '99: If I could offer you "
				   "only one tip for the future, sunscreen would be it.";
	uint8_t key[AEAD_KEY_SIZE], nonce[AEAD_NONCE_SIZE], head[12], tag[AEAD_TAG_SIZE];
	uint8_t sealed[sizeof(text) - 1 + AEAD_TAG_SIZE], open[sizeof(text)];
	size_t size = sizeof(text) - 1;

	(void)state;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(0x80 + i);
	for (size_t i = 0; i < sizeof(nonce); i++)
		nonce[i] = (uint8_t)(0x40 + i);
	assert_int_equal(hex_decode("50515253c0c1c2c3c4c5c6c7", head, sizeof(head)), 0);
	assert_int_equal(hex_decode("c0875924c1c7987947deafd8780acf49", tag, sizeof(tag)), 0);
	aead_seal(key, nonce, head, sizeof(head), text, size, sealed);
	assert_memory_equal(sealed, "\xbd\x6d\x17\x9d\x3e\x83\xd4\x3b", 8);
	assert_memory_equal(sealed + size, tag, sizeof(tag));
	assert_true(aead_open(key, nonce, head, sizeof(head), sealed, sizeof(sealed), open));
	assert_memory_equal(open, text, size);
	for (size_t bit = 0; bit < sizeof(sealed) * 8; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(
			aead_open(key, nonce, head, sizeof(head), sealed, sizeof(sealed), open));
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_false(aead_open(key, nonce, head, sizeof(head) - 1, sealed, sizeof(sealed), open));
	assert_false(aead_open(key, nonce, head, sizeof(head), sealed, AEAD_TAG_SIZE - 1, open));
	nonce[23] ^= 1;
	assert_false(aead_open(key, nonce, head, sizeof(head), sealed, sizeof(sealed), open));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_signature), cmocka_unit_test(test_forgeries),
		cmocka_unit_test(test_hashes),          cmocka_unit_test(test_text),
		cmocka_unit_test(test_small_things),    cmocka_unit_test(test_aead),
	};

	return crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
