/* SPDX-License-Identifier: Apache-2.0
 * Inside of the fleet: its tables, and their files identity, fleet, members, tokens.
 * Private to net/fleet*.c. Callers hold `lock`; fleet_state_x() use the disk and block.
 * Invariant: a change of our own that could not be written is taken back; news from peers count at
 * once, for a removed node must be refused even while the disk is full.
 */
#ifndef NET_FLEET_STATE_H
#define NET_FLEET_STATE_H

#include <pthread.h>

#include "core/crypto.h"
#include "core/err.h"
#include "core/log.h"
#include "net/fleet.h"
#include "net/token.h"

struct fleet_entry {
	struct member member;
	uint64_t change; /* fleet->change when this record came to stand here */
	size_t size;
	uint8_t record[]; /* as signed */
};

/* A key stays in memory after fleet_forget(): fleet_key() has lent it out. */
struct fleet_node_key {
	struct keypair pair;
	struct fleet_node_key *former;
};

struct fleet {
	pthread_mutex_t lock; /* guards everything below */
	char *dir;
	struct fleet_node_key *key;
	uint16_t number; /* ours; 0: no fleet */
	struct keypair fleet_key;
	struct fleet_entry *entries[FLEET_MEMBERS_MAX + 1]; /* by number; [0] unused */
	struct token_list tokens;
	uint64_t change; /* counts changes of the table */
	struct log_limit limit_clash;
};

/* Reads all that is there; makes the node's key if it is missing. `error` says which file. */
MUST_CHECK int fleet_state_load(struct fleet *fleet, char *error, size_t size);
MUST_CHECK int fleet_state_save_identity(struct fleet *fleet, const struct keypair *pair);
MUST_CHECK int fleet_state_save_fleet(struct fleet *fleet);
MUST_CHECK int fleet_state_save_members(struct fleet *fleet);
MUST_CHECK int fleet_state_save_tokens(struct fleet *fleet);
/* Removes fleet, members and tokens; the file "fleet" goes first: without it the others mean
 * nothing. */
MUST_CHECK int fleet_state_unlink(struct fleet *fleet);

/* A new entry for these bytes, decoded; the caller owns it. */
MUST_CHECK int fleet_entry_new(const uint8_t *record, size_t size, struct fleet_entry **ret);

/* Seals `member` (with the next version of its number), puts it into the table and on disk. */
MUST_CHECK int fleet_state_put(struct fleet *fleet, struct member *member);

/* The table as a sequence of u16 length and record: those with change > since, all for 0. The
 * caller frees. */
MUST_CHECK int fleet_state_records(const struct fleet *fleet, uint64_t since, uint8_t **ret,
				   size_t *ret_size);

#endif
