/* SPDX-License-Identifier: Apache-2.0
 * The door to libsodium: keys, signatures (Ed25519, RFC 8032), hashes (BLAKE2b, RFC 7693), random.
 * Callers own all buffers. Secret keys are wiped by crypto_wipe().
 * Any thread, after crypto_init().
 * Invariant: a check that cannot be made counts as failed.
 */
#ifndef CORE_CRYPTO_H
#define CORE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define KEY_PUBLIC_SIZE 32
#define KEY_SEED_SIZE   32
#define SIGNATURE_SIZE  64
#define HASH_SIZE       32

struct keypair {
	uint8_t public[KEY_PUBLIC_SIZE];
	uint8_t seed[KEY_SEED_SIZE];
	uint8_t secret[64]; /* libsodium's form: seed and public key */
};

/* Call once before anything else here. */
MUST_CHECK int crypto_init(void);

void keypair_make(struct keypair *ret);
void keypair_from_seed(const uint8_t seed[KEY_SEED_SIZE], struct keypair *ret);

void signature_make(const struct keypair *key, const void *data, size_t size,
		    uint8_t ret[SIGNATURE_SIZE]);
bool signature_valid(const uint8_t public[KEY_PUBLIC_SIZE], const void *data, size_t size,
		     const uint8_t signature[SIGNATURE_SIZE]);

/* BLAKE2b of `data`; size_out is 16 to 32. */
void hash_bytes(const void *data, size_t size, uint8_t *ret, size_t size_out);

/* The same in pieces: hasher_init, any number of hasher_add, hasher_done once. 64-byte aligned. */
struct hasher {
	_Alignas(64) uint8_t state[384];
};

void hasher_init(struct hasher *h);
void hasher_add(struct hasher *h, const void *data, size_t size);
void hasher_done(struct hasher *h, uint8_t ret[HASH_SIZE]);

#define AEAD_KEY_SIZE   32
#define AEAD_NONCE_SIZE 24
#define AEAD_TAG_SIZE   16

/* XChaCha20-Poly1305: encrypts `size` bytes into `ret` (AEAD_TAG_SIZE more) and authenticates
 * `head` with them. A nonce must never be used twice under one key. */
void aead_seal(const uint8_t key[AEAD_KEY_SIZE], const uint8_t nonce[AEAD_NONCE_SIZE],
	       const void *head, size_t head_size, const void *text, size_t size, uint8_t *ret);
/* The reverse; `size` is that of what aead_seal() gave. False: forged, changed or too short. */
bool aead_open(const uint8_t key[AEAD_KEY_SIZE], const uint8_t nonce[AEAD_NONCE_SIZE],
	       const void *head, size_t head_size, const void *sealed, size_t size, uint8_t *ret);

void random_bytes(void *ret, size_t size);
void crypto_wipe(void *data, size_t size);

/* Compares without telling by its duration where the first difference is. */
bool crypto_equal(const void *a, const void *b, size_t size);

/* Lower-case hexadecimal; `ret` takes 2 * size + 1 bytes. */
void hex_encode(const void *data, size_t size, char *ret);
/* Exactly `size` bytes from a string of 2 * size digits. */
MUST_CHECK int hex_decode(const char *text, void *ret, size_t size);

/* Base64 with the alphabet of URLs, without padding: for words that people copy. */
#define BASE64_SIZE(bytes) (((bytes)*4 + 2) / 3 + 1) /* of the text with its final zero */
void base64_encode(const void *data, size_t size, char *ret);
/* Exactly `size` bytes, from text that holds no more. */
MUST_CHECK int base64_decode(const char *text, void *ret, size_t size);

#endif
