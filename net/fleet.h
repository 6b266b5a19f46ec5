/* SPDX-License-Identifier: Apache-2.0
 * Who belongs together: this node's identity, the fleet's key, the signed member records, tokens.
 * The fleet owns its tables and its directory on disk; callers get copies.
 * Any thread (one lock inside; calls that change anything write to disk and block).
 * Invariant: a member record counts only with a valid signature by the fleet's key; the highest
 * version wins; a removed node stays removed for ever.
 */
#ifndef NET_FLEET_H
#define NET_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/crypto.h"
#include "core/err.h"

#define FLEET_MEMBERS_MAX   1023 /* node numbers are 1..1023, never used twice */
#define FLEET_NAME_MAX      63
#define FLEET_ADDRESSES_MAX 4
#define FLEET_POOLS_MAX     32
#define FLEET_TOKENS_MAX    64

enum member_state { MEMBER_ACTIVE = 1, MEMBER_LEFT = 2, MEMBER_REMOVED = 3 };

struct member_pool {
	uint64_t id; /* random, made by pool create */
	char name[FLEET_NAME_MAX + 1];
};

struct member {
	uint16_t number;
	uint8_t state;
	uint64_t version; /* of this record; higher replaces lower */
	uint64_t added_s; /* when the number was given out, seconds since 1970 */
	uint8_t key[KEY_PUBLIC_SIZE];
	char name[FLEET_NAME_MAX + 1];
	char addresses[FLEET_ADDRESSES_MAX][64]; /* "10.0.0.1:7447"; empty: unused */
	struct member_pool pools[FLEET_POOLS_MAX];
	uint16_t pool_count;
};

struct fleet;

/* Opens DIR (made if missing): node key and, if this node belongs to one, the fleet. */
MUST_CHECK int fleet_open(const char *dir, struct fleet **ret, char *error, size_t size);
void fleet_free(struct fleet *fleet);

/* True once init or join has been done. */
bool fleet_exists(struct fleet *fleet);

/* A new fleet with this node as its first member. -EEXIST if there is one. */
MUST_CHECK int fleet_init(struct fleet *fleet, const char *name, const char *address, char *error,
			  size_t size);

/* Our own record; number 0 if there is no fleet. */
void fleet_self(struct fleet *fleet, struct member *ret);
/* MA_EUNKNOWN if there is no such member. */
MUST_CHECK int fleet_member(struct fleet *fleet, uint16_t number, struct member *ret);
MUST_CHECK int fleet_member_by_name(struct fleet *fleet, const char *name, struct member *ret);
/* Copies up to `max` members of every state, in order of number; returns how many there are. */
size_t fleet_members(struct fleet *fleet, struct member *ret, size_t max);

/* Others will reach this node at `address` from now on; nothing happens if it is the old one. */
MUST_CHECK int fleet_address_set(struct fleet *fleet, const char *address);

/* This node enters or leaves a pool: changes, signs and stores our own record. */
MUST_CHECK int fleet_pool_add(struct fleet *fleet, uint64_t id, const char *name);
MUST_CHECK int fleet_pool_remove(struct fleet *fleet, uint64_t id);
/* The id of a pool that any active member holds. MA_EUNKNOWN if none does. */
MUST_CHECK int fleet_pool_find(struct fleet *fleet, const char *name, uint64_t *ret_id);

/* Marks a member (or ourselves) as removed or left; signed, final. */
MUST_CHECK int fleet_remove(struct fleet *fleet, uint16_t number, enum member_state state);
/* After leaving: forget fleet, members and tokens, so that init or join work again. */
MUST_CHECK int fleet_forget(struct fleet *fleet);

#define TOKEN_TEXT_SIZE 84 /* with the final zero */

/* A single-use token, valid for `ttl_s` seconds, as one printable word. -ENOSPC if `size` is
 * below TOKEN_TEXT_SIZE, MA_ELIMIT if FLEET_TOKENS_MAX are open. */
MUST_CHECK int fleet_token_make(struct fleet *fleet, uint32_t ttl_s, char *ret, size_t size);

/* The node's key, for TLS and for signing batches. Borrowed. */
const struct keypair *fleet_key(struct fleet *fleet);
/* The printable node id: hash of the public key. `ret` takes 33 bytes. */
void node_id_text(const uint8_t key[KEY_PUBLIC_SIZE], char ret[33]);

#endif
