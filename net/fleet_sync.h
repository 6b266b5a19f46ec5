/* SPDX-License-Identifier: Apache-2.0
 * What only the net does with the fleet: whose key is this, records to and from peers, joining.
 * The fleet owns everything; records given out are copies that the caller frees.
 * Any thread; fleet_merge(), fleet_admit(), fleet_adopt() write to disk and block.
 * Invariant: a record comes in only with the fleet's signature, a node only with a live token.
 */
#ifndef NET_FLEET_SYNC_H
#define NET_FLEET_SYNC_H

#include "net/fleet.h"
#include "net/message.h"

enum fleet_standing { FLEET_STRANGER, FLEET_ACTIVE, FLEET_GONE };

/* Whose key it is. `ret_number` is set for FLEET_ACTIVE. */
enum fleet_standing fleet_standing(struct fleet *fleet, const uint8_t key[KEY_PUBLIC_SIZE],
				   uint16_t *ret_number);

/* Grows with each change of the member table; never falls while the process runs. */
uint64_t fleet_change(struct fleet *fleet);

/* Records that changed after `since` (0: all) as a sequence of u16 length and record, and the
 * value of fleet_change() that they bring a peer to. The caller frees. */
MUST_CHECK int fleet_records(struct fleet *fleet, uint64_t since, uint8_t **ret, size_t *ret_size,
			     uint64_t *ret_change);

/* Takes in such a sequence from a peer. MA_ESIG or MA_ECORRUPT at the first bad record; those in
 * front of it count. `ret_changed`: how many were news. */
MUST_CHECK int fleet_merge(struct fleet *fleet, const void *data, size_t size, size_t *ret_changed);

#define FLEET_BINDING_SIZE 32

/* Proof to a new node that we hold the fleet's key, bound to this one TLS connection. */
MUST_CHECK int fleet_prove(struct fleet *fleet, const uint8_t binding[FLEET_BINDING_SIZE],
			   struct join_proof *ret);
bool fleet_proof_valid(const struct join_proof *proof, const uint8_t pinned[KEY_PUBLIC_SIZE],
		       const uint8_t binding[FLEET_BINDING_SIZE]);

/* The member's side of a join: spends the token, gives a number, signs and stores the record.
 * `address` is where the new node will be reached. On failure ret->code and ret->text say why; on
 * success ret->records lies in ret_records, which the caller frees. */
MUST_CHECK int fleet_admit(struct fleet *fleet, const uint8_t key[KEY_PUBLIC_SIZE],
			   const struct join_request *request, const char *address,
			   struct join_answer *ret, uint8_t **ret_records);

/* The new node's side: checks the answer against the pinned key and becomes that member. */
MUST_CHECK int fleet_adopt(struct fleet *fleet, const uint8_t pinned[KEY_PUBLIC_SIZE],
			   const struct join_answer *answer, char *error, size_t size);

#endif
