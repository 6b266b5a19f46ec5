/* SPDX-License-Identifier: Apache-2.0 */
#include "net/token.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define PREFIX      "ma1"
#define PREFIX_SIZE (sizeof(PREFIX) - 1)
#define CHECK_SIZE  4
#define BODY_SIZE   (TOKEN_ID_SIZE + TOKEN_SECRET_SIZE + KEY_PUBLIC_SIZE)
#define RAW_SIZE    (BODY_SIZE + CHECK_SIZE)

_Static_assert(PREFIX_SIZE + BASE64_SIZE(RAW_SIZE) == TOKEN_TEXT_SIZE, "size of a token's text");

void token_format(const struct token *token, char ret[TOKEN_TEXT_SIZE])
{
	uint8_t raw[RAW_SIZE];
	uint8_t check[HASH_SIZE];
	struct wr w = wr_init(raw, sizeof(raw));

	wr_bytes(&w, token->id, sizeof(token->id));
	wr_bytes(&w, token->secret, sizeof(token->secret));
	wr_bytes(&w, token->fleet_key, sizeof(token->fleet_key));
	hash_bytes(raw, BODY_SIZE, check, sizeof(check));
	wr_bytes(&w, check, CHECK_SIZE);
	assert(!w.failed);
	memcpy(ret, PREFIX, PREFIX_SIZE);
	base64_encode(raw, sizeof(raw), ret + PREFIX_SIZE);
	crypto_wipe(raw, sizeof(raw));
}

int token_parse(const char *text, struct token *ret)
{
	uint8_t raw[RAW_SIZE];
	uint8_t check[HASH_SIZE];

	if (strncmp(text, PREFIX, PREFIX_SIZE) != 0)
		return -EINVAL;
	if (base64_decode(text + PREFIX_SIZE, raw, sizeof(raw)) < 0)
		return -EINVAL;
	hash_bytes(raw, BODY_SIZE, check, sizeof(check));
	if (memcmp(raw + BODY_SIZE, check, CHECK_SIZE) != 0)
		return -EINVAL;
	struct rd r = rd_init(raw, sizeof(raw));
	rd_copy(&r, ret->id, sizeof(ret->id));
	rd_copy(&r, ret->secret, sizeof(ret->secret));
	rd_copy(&r, ret->fleet_key, sizeof(ret->fleet_key));
	crypto_wipe(raw, sizeof(raw));
	return 0;
}

static void secret_hash(const uint8_t id[TOKEN_ID_SIZE], const uint8_t secret[TOKEN_SECRET_SIZE],
			uint8_t ret[HASH_SIZE])
{
	/* The id salts it; the secret has 128 random bits, so a slow hash would protect nothing. */
	uint8_t both[TOKEN_ID_SIZE + TOKEN_SECRET_SIZE];

	memcpy(both, id, TOKEN_ID_SIZE);
	memcpy(both + TOKEN_ID_SIZE, secret, TOKEN_SECRET_SIZE);
	hash_bytes(both, sizeof(both), ret, HASH_SIZE);
	crypto_wipe(both, sizeof(both));
}

static void drop_expired(struct token_list *list, uint64_t now_s)
{
	for (size_t i = list->count; i-- > 0;) {
		if (list->entries[i].expires_s <= now_s)
			token_spend(list, i);
	}
}

int token_issue(struct token_list *list, const uint8_t fleet_key[KEY_PUBLIC_SIZE], uint64_t now_s,
		uint32_t ttl_s, struct token *ret)
{
	drop_expired(list, now_s);
	if (list->count == FLEET_TOKENS_MAX)
		return MA_ELIMIT;
	random_bytes(ret->id, sizeof(ret->id));
	random_bytes(ret->secret, sizeof(ret->secret));
	memcpy(ret->fleet_key, fleet_key, KEY_PUBLIC_SIZE);
	size_t i = list->count++;
	memcpy(list->entries[i].id, ret->id, TOKEN_ID_SIZE);
	secret_hash(ret->id, ret->secret, list->entries[i].hash);
	list->entries[i].expires_s = now_s + ttl_s;
	return 0;
}

int token_find(const struct token_list *list, const uint8_t id[TOKEN_ID_SIZE],
	       const uint8_t secret[TOKEN_SECRET_SIZE], uint64_t now_s)
{
	uint8_t hash[HASH_SIZE];

	secret_hash(id, secret, hash);
	for (size_t i = 0; i < list->count; i++) {
		if (memcmp(list->entries[i].id, id, TOKEN_ID_SIZE) != 0 ||
		    !crypto_equal(list->entries[i].hash, hash, sizeof(hash)))
			continue;
		return list->entries[i].expires_s <= now_s ? -EKEYEXPIRED : (int)i;
	}
	return -ENOKEY;
}

void token_spend(struct token_list *list, size_t place)
{
	assert(place < list->count);
	list->count--;
	memmove(&list->entries[place], &list->entries[place + 1],
		(list->count - place) * sizeof(list->entries[0]));
}

void token_list_encode(const struct token_list *list, struct wr *w)
{
	for (size_t i = 0; i < list->count; i++) {
		wr_bytes(w, list->entries[i].id, TOKEN_ID_SIZE);
		wr_bytes(w, list->entries[i].hash, HASH_SIZE);
		wr_u64(w, list->entries[i].expires_s);
	}
}

int token_list_decode(struct rd *r, struct token_list *ret)
{
	memset(ret, 0, sizeof(*ret));
	while (rd_left(r)) {
		if (ret->count == FLEET_TOKENS_MAX)
			return MA_ECORRUPT;
		size_t i = ret->count++;
		rd_copy(r, ret->entries[i].id, TOKEN_ID_SIZE);
		rd_copy(r, ret->entries[i].hash, HASH_SIZE);
		ret->entries[i].expires_s = rd_u64(r);
	}
	return r->failed ? MA_ECORRUPT : 0;
}
