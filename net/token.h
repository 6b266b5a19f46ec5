/* SPDX-License-Identifier: Apache-2.0
 * An invitation as text: which token, its secret, and the fleet's public key that the new node
 * must find at the other end; and the list of tokens that a member still honours.
 * The caller owns the structs. The list holds no secrets, only their hashes.
 * Any thread; pure, `now` comes in.
 * Invariant: a token is honoured once, before its time is over, or never.
 */
#ifndef NET_TOKEN_H
#define NET_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/crypto.h"
#include "core/err.h"
#include "net/fleet.h"
#include "net/message.h"

struct token {
	uint8_t id[TOKEN_ID_SIZE];
	uint8_t secret[TOKEN_SECRET_SIZE];
	uint8_t fleet_key[KEY_PUBLIC_SIZE];
};

void token_format(const struct token *token, char ret[TOKEN_TEXT_SIZE]);
/* -EINVAL for anything that token_format() did not make; a mistyped letter is found. */
MUST_CHECK int token_parse(const char *text, struct token *ret);

struct token_list {
	size_t count;
	struct {
		uint8_t id[TOKEN_ID_SIZE];
		uint8_t hash[HASH_SIZE];
		uint64_t expires_s;
	} entries[FLEET_TOKENS_MAX];
};

/* Makes a token for this fleet and puts its hash on the list. MA_ELIMIT: too many are open. */
MUST_CHECK int token_issue(struct token_list *list, const uint8_t fleet_key[KEY_PUBLIC_SIZE],
			   uint64_t now_s, uint32_t ttl_s, struct token *ret);

/* The place on the list of the token with this secret; -ENOKEY if there is none (any more),
 * -EKEYEXPIRED if its time is over. */
MUST_CHECK int token_find(const struct token_list *list, const uint8_t id[TOKEN_ID_SIZE],
			  const uint8_t secret[TOKEN_SECRET_SIZE], uint64_t now_s);

/* Takes the token at that place off the list. */
void token_spend(struct token_list *list, size_t place);

#define TOKEN_LIST_MAX_BYTES (FLEET_TOKENS_MAX * (TOKEN_ID_SIZE + HASH_SIZE + 8))

void token_list_encode(const struct token_list *list, struct wr *w);
MUST_CHECK int token_list_decode(struct rd *r, struct token_list *ret);

#endif
