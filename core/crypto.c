/* SPDX-License-Identifier: Apache-2.0 */
#include "core/crypto.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <sodium.h>

_Static_assert(sizeof(struct hasher) >= sizeof(crypto_generichash_state), "hasher too small");
_Static_assert(AEAD_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key size");
_Static_assert(AEAD_NONCE_SIZE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce size");
_Static_assert(AEAD_TAG_SIZE == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag size");
_Static_assert(SIGNATURE_SIZE == crypto_sign_BYTES, "Ed25519 signature size");

int crypto_init(void)
{
	return sodium_init() < 0 ? -ENOSYS : 0;
}

void keypair_make(struct keypair *ret)
{
	randombytes_buf(ret->seed, sizeof(ret->seed));
	keypair_from_seed(ret->seed, ret);
}

void keypair_from_seed(const uint8_t seed[KEY_SEED_SIZE], struct keypair *ret)
{
	memmove(ret->seed, seed, KEY_SEED_SIZE);
	(void)crypto_sign_seed_keypair(ret->public, ret->secret, ret->seed);
}

void signature_make(const struct keypair *key, const void *data, size_t size,
		    uint8_t ret[SIGNATURE_SIZE])
{
	(void)crypto_sign_detached(ret, NULL, data, size, key->secret);
}

bool signature_valid(const uint8_t public[KEY_PUBLIC_SIZE], const void *data, size_t size,
		     const uint8_t signature[SIGNATURE_SIZE])
{
	return crypto_sign_verify_detached(signature, data, size, public) == 0;
}

void hash_bytes(const void *data, size_t size, uint8_t *ret, size_t size_out)
{
	assert(size_out >= 16 && size_out <= HASH_SIZE);
	(void)crypto_generichash(ret, size_out, data, size, NULL, 0);
}

void hasher_init(struct hasher *h)
{
	(void)crypto_generichash_init((void *)h->state, NULL, 0, HASH_SIZE);
}

void hasher_add(struct hasher *h, const void *data, size_t size)
{
	(void)crypto_generichash_update((void *)h->state, data, size);
}

void hasher_done(struct hasher *h, uint8_t ret[HASH_SIZE])
{
	(void)crypto_generichash_final((void *)h->state, ret, HASH_SIZE);
}

void aead_seal(const uint8_t key[AEAD_KEY_SIZE], const uint8_t nonce[AEAD_NONCE_SIZE],
	       const void *head, size_t head_size, const void *text, size_t size, uint8_t *ret)
{
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(ret, NULL, text, size, head, head_size,
							 NULL, nonce, key);
}

bool aead_open(const uint8_t key[AEAD_KEY_SIZE], const uint8_t nonce[AEAD_NONCE_SIZE],
	       const void *head, size_t head_size, const void *sealed, size_t size, uint8_t *ret)
{
	return size >= AEAD_TAG_SIZE &&
	       crypto_aead_xchacha20poly1305_ietf_decrypt(ret, NULL, NULL, sealed, size, head,
							  head_size, nonce, key) == 0;
}

void random_bytes(void *ret, size_t size)
{
	randombytes_buf(ret, size);
}

void crypto_wipe(void *data, size_t size)
{
	sodium_memzero(data, size);
}

bool crypto_equal(const void *a, const void *b, size_t size)
{
	return sodium_memcmp(a, b, size) == 0;
}

void hex_encode(const void *data, size_t size, char *ret)
{
	(void)sodium_bin2hex(ret, 2 * size + 1, data, size);
}

int hex_decode(const char *text, void *ret, size_t size)
{
	size_t got = 0;
	size_t length = strlen(text);

	if (length != 2 * size)
		return -EINVAL;
	if (sodium_hex2bin(ret, size, text, length, NULL, &got, NULL) != 0 || got != size)
		return -EINVAL;
	return 0;
}

void base64_encode(const void *data, size_t size, char *ret)
{
	(void)sodium_bin2base64(ret, BASE64_SIZE(size), data, size,
				sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int base64_decode(const char *text, void *ret, size_t size)
{
	size_t got = 0;
	size_t length = strlen(text);

	if (length + 1 != BASE64_SIZE(size))
		return -EINVAL;
	if (sodium_base642bin(ret, size, text, length, NULL, &got, NULL,
			      sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
	    got != size)
		return -EINVAL;
	return 0;
}
