/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fleet_sync.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/auto.h"
#include "core/clock.h"
#include "net/fleet_state.h"
#include "net/member.h"

/* Numbers up to here are given out in order by the lowest active member, above it at random by the
 * others: so two that are cut off from each other do not give the same one. */
#define NUMBER_IN_ORDER_LAST 511

static const char proof_context[] = "multiall join proof 1";

enum fleet_standing fleet_standing(struct fleet *fleet, const uint8_t key[KEY_PUBLIC_SIZE],
				   uint16_t *ret_number)
{
	enum fleet_standing standing = FLEET_STRANGER;
	AUTO_LOCK(held, &fleet->lock);

	for (uint16_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		const struct fleet_entry *entry = fleet->entries[i];

		if (!entry || memcmp(entry->member.key, key, KEY_PUBLIC_SIZE) != 0)
			continue;
		if (entry->member.state != MEMBER_ACTIVE)
			return FLEET_GONE;
		standing = FLEET_ACTIVE;
		*ret_number = i;
	}
	return standing;
}

uint64_t fleet_change(struct fleet *fleet)
{
	AUTO_LOCK(held, &fleet->lock);
	return fleet->change;
}

int fleet_records(struct fleet *fleet, uint64_t since, uint8_t **ret, size_t *ret_size,
		  uint64_t *ret_change)
{
	AUTO_LOCK(held, &fleet->lock);
	int r = fleet_state_records(fleet, since, ret, ret_size);

	if (r == 0)
		*ret_change = fleet->change;
	return r;
}

static bool take_offered(struct fleet *fleet, const struct fleet_entry *offered)
{
	uint16_t number = offered->member.number;
	const struct fleet_entry *held = fleet->entries[number];

	if (!held)
		return true;
	struct member_sealed a = {&held->member, held->record, held->size};
	struct member_sealed b = {&offered->member, offered->record, offered->size};
	enum member_choice choice = member_choose(&a, &b);
	if (choice == MEMBER_CLASH_KEEP || choice == MEMBER_CLASH_TAKE)
		log_limited(&fleet->limit_clash, LOG_LEVEL_ERROR,
			    "fleet: two nodes have the number %u: \"%s\" and \"%s\"; one of them "
			    "must leave and join again",
			    number, held->member.name, offered->member.name);
	/* We stay who we are; if the number is the other's, the fleet refuses our key. */
	if (number == fleet->number && choice == MEMBER_CLASH_TAKE)
		return false;
	return choice == MEMBER_TAKE || choice == MEMBER_CLASH_TAKE;
}

/* 1 if the record was news. */
static int merge_one(struct fleet *fleet, const uint8_t *record, size_t size)
{
	AUTO_FREE struct fleet_entry *entry = NULL;
	int r = fleet_entry_new(record, size, &entry);

	if (r < 0)
		return r;
	const struct fleet_entry *held = fleet->entries[entry->member.number];
	if (held && held->size == size && memcmp(held->record, record, size) == 0)
		return 0;
	r = member_verify(record, size, fleet->fleet_key.public);
	if (r < 0)
		return r;
	uint16_t number = entry->member.number;
	if (!take_offered(fleet, entry))
		return 0;
	free(fleet->entries[number]);
	entry->change = ++fleet->change;
	fleet->entries[number] = take_ptr(entry);
	return 1;
}

int fleet_merge(struct fleet *fleet, const void *data, size_t size, size_t *ret_changed)
{
	struct rd r = rd_init(data, size);
	size_t changed = 0;
	int result = 0;
	AUTO_LOCK(held, &fleet->lock);

	if (!fleet->number)
		return MA_EUNKNOWN;
	while (result >= 0 && rd_left(&r)) {
		size_t record_size;
		const uint8_t *record = rd_blob16(&r, MEMBER_RECORD_MAX, &record_size);

		result = record ? merge_one(fleet, record, record_size) : MA_ECORRUPT;
		changed += result == 1;
	}
	if (r.failed)
		result = MA_ECORRUPT;
	int saved = changed ? fleet_state_save_members(fleet) : 0;
	if (saved < 0)
		log_error("fleet: cannot write %s/members: %s", fleet->dir, err_text(saved));
	*ret_changed = changed;
	return result < 0 ? result : 0;
}

static size_t proof_text(const uint8_t fleet_public[KEY_PUBLIC_SIZE],
			 const uint8_t binding[FLEET_BINDING_SIZE],
			 uint8_t ret[sizeof(proof_context) + KEY_PUBLIC_SIZE + FLEET_BINDING_SIZE])
{
	memcpy(ret, proof_context, sizeof(proof_context));
	memcpy(ret + sizeof(proof_context), fleet_public, KEY_PUBLIC_SIZE);
	memcpy(ret + sizeof(proof_context) + KEY_PUBLIC_SIZE, binding, FLEET_BINDING_SIZE);
	return sizeof(proof_context) + KEY_PUBLIC_SIZE + FLEET_BINDING_SIZE;
}

int fleet_prove(struct fleet *fleet, const uint8_t binding[FLEET_BINDING_SIZE],
		struct join_proof *ret)
{
	uint8_t text[sizeof(proof_context) + KEY_PUBLIC_SIZE + FLEET_BINDING_SIZE];
	AUTO_LOCK(held, &fleet->lock);

	if (!fleet->number)
		return MA_EUNKNOWN;
	ret->version_min = WIRE_VERSION_MIN;
	ret->version_max = WIRE_VERSION_MAX;
	memcpy(ret->fleet_key, fleet->fleet_key.public, KEY_PUBLIC_SIZE);
	size_t size = proof_text(ret->fleet_key, binding, text);
	signature_make(&fleet->fleet_key, text, size, ret->signature);
	return 0;
}

bool fleet_proof_valid(const struct join_proof *proof, const uint8_t pinned[KEY_PUBLIC_SIZE],
		       const uint8_t binding[FLEET_BINDING_SIZE])
{
	uint8_t text[sizeof(proof_context) + KEY_PUBLIC_SIZE + FLEET_BINDING_SIZE];

	if (!crypto_equal(proof->fleet_key, pinned, KEY_PUBLIC_SIZE))
		return false;
	size_t size = proof_text(pinned, binding, text);
	return signature_valid(pinned, text, size, proof->signature);
}

static uint16_t number_in_order(const struct fleet *fleet)
{
	uint16_t last = 0;

	for (uint16_t i = 1; i <= NUMBER_IN_ORDER_LAST; i++) {
		if (fleet->entries[i])
			last = i;
	}
	return last < NUMBER_IN_ORDER_LAST ? (uint16_t)(last + 1) : 0;
}

/* A number that no record has; 0 if all are used up. */
static uint16_t number_choose(const struct fleet *fleet)
{
	uint16_t lowest = 1;
	uint16_t number = 0;
	uint16_t random;

	while (!fleet->entries[lowest] || fleet->entries[lowest]->member.state != MEMBER_ACTIVE)
		lowest++;
	if (lowest == fleet->number)
		number = number_in_order(fleet);
	random_bytes(&random, sizeof(random));
	for (uint16_t i = 0; !number && i < FLEET_MEMBERS_MAX - NUMBER_IN_ORDER_LAST; i++) {
		uint16_t n = (uint16_t)(NUMBER_IN_ORDER_LAST + 1 +
					(random % 512u + i) %
						(FLEET_MEMBERS_MAX - NUMBER_IN_ORDER_LAST));

		if (!fleet->entries[n])
			number = n;
	}
	return number;
}

static bool name_taken(const struct fleet *fleet, const char *name, uint16_t but)
{
	for (uint16_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		const struct fleet_entry *entry = fleet->entries[i];

		if (entry && i != but && entry->member.state == MEMBER_ACTIVE &&
		    strcmp(entry->member.name, name) == 0)
			return true;
	}
	return false;
}

static int refuse(struct join_answer *ret, int code, const char *text)
{
	ret->code = 1;
	(void)snprintf(ret->text, sizeof(ret->text), "%s", text);
	return code;
}

/* The record of the new node; of the one that has this key already if its answer got lost. */
static int draft(const struct fleet *fleet, const uint8_t key[KEY_PUBLIC_SIZE],
		 const struct join_request *request, const char *address, struct member *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		const struct fleet_entry *entry = fleet->entries[i];

		if (!entry || memcmp(entry->member.key, key, KEY_PUBLIC_SIZE) != 0)
			continue;
		if (entry->member.state != MEMBER_ACTIVE || i == fleet->number)
			return MA_EREFUSED;
		*ret = entry->member;
	}
	if (!ret->number) {
		ret->number = number_choose(fleet);
		ret->state = MEMBER_ACTIVE;
		ret->added_s = (uint64_t)(clock_wall_ns() / 1000000000);
		memcpy(ret->key, key, KEY_PUBLIC_SIZE);
	}
	if (!ret->number)
		return MA_ELIMIT;
	(void)snprintf(ret->name, sizeof(ret->name), "%s", request->name);
	if (name_taken(fleet, ret->name, ret->number))
		(void)snprintf(ret->name, sizeof(ret->name), "%.57s-%u", request->name,
			       ret->number);
	memset(ret->addresses, 0, sizeof(ret->addresses));
	(void)snprintf(ret->addresses[0], sizeof(ret->addresses[0]), "%s", address);
	return 0;
}

static int admit(struct fleet *fleet, const struct join_request *request, struct member *member,
		 struct join_answer *ret)
{
	struct token_list before = fleet->tokens;
	int place = token_find(&fleet->tokens, request->token_id, request->token_secret,
			       (uint64_t)(clock_wall_ns() / 1000000000));

	if (place == -EKEYEXPIRED)
		return refuse(ret, place, "the token has run out; make a new one: multiall invite");
	if (place < 0)
		return refuse(ret, place,
			      "the token is not known here or was used; make a new one: multiall "
			      "invite");
	/* Spent on disk before anything else: a crash now costs a token, never a second use. */
	token_spend(&fleet->tokens, (size_t)place);
	int r = fleet_state_save_tokens(fleet);
	if (r == 0)
		r = fleet_state_put(fleet, member);
	if (r < 0) {
		fleet->tokens = before;
		if (fleet_state_save_tokens(fleet) < 0)
			log_error("fleet: cannot write %s/tokens", fleet->dir);
		return refuse(ret, r, "the member cannot write its records; look at its log");
	}
	return 0;
}

int fleet_admit(struct fleet *fleet, const uint8_t key[KEY_PUBLIC_SIZE],
		const struct join_request *request, const char *address, struct join_answer *ret,
		uint8_t **ret_records)
{
	struct member member;
	AUTO_LOCK(held, &fleet->lock);

	memset(ret, 0, sizeof(*ret));
	if (!fleet->number || fleet->entries[fleet->number]->member.state != MEMBER_ACTIVE)
		return refuse(ret, MA_EUNKNOWN, "that node belongs to no fleet");
	if (!member_address_valid(address))
		return refuse(ret, -EINVAL, "the new node's address is not valid");
	int r = draft(fleet, key, request, address, &member);
	if (r == MA_EREFUSED)
		return refuse(ret, r, "a node with this key has left or was removed");
	if (r < 0)
		return refuse(ret, r, "all node numbers are used up");
	r = admit(fleet, request, &member, ret);
	if (r < 0)
		return r;
	ret->number = member.number;
	memcpy(ret->fleet_seed, fleet->fleet_key.seed, KEY_SEED_SIZE);
	r = fleet_state_records(fleet, 0, ret_records, &ret->records_size);
	if (r < 0)
		return refuse(ret, r, "out of memory");
	ret->records = *ret_records;
	return 0;
}

/* Checks all records before the first counts. */
static int adopt_records(struct fleet *fleet, const uint8_t pinned[KEY_PUBLIC_SIZE],
			 const struct join_answer *answer)
{
	struct rd r = rd_init(answer->records, answer->records_size);

	while (rd_left(&r)) {
		AUTO_FREE struct fleet_entry *entry = NULL;
		size_t size;
		const uint8_t *record = rd_blob16(&r, MEMBER_RECORD_MAX, &size);
		int result = record ? fleet_entry_new(record, size, &entry) : MA_ECORRUPT;

		if (result == 0)
			result = member_verify(record, size, pinned);
		if (result < 0)
			return result;
		uint16_t number = entry->member.number;
		if (fleet->entries[number])
			return MA_ECORRUPT;
		entry->change = ++fleet->change;
		fleet->entries[number] = take_ptr(entry);
	}
	if (r.failed || answer->number > FLEET_MEMBERS_MAX)
		return MA_ECORRUPT;
	const struct fleet_entry *own = fleet->entries[answer->number];
	if (!own || own->member.state != MEMBER_ACTIVE ||
	    memcmp(own->member.key, fleet->key->pair.public, KEY_PUBLIC_SIZE) != 0)
		return MA_ECORRUPT;
	return 0;
}

int fleet_adopt(struct fleet *fleet, const uint8_t pinned[KEY_PUBLIC_SIZE],
		const struct join_answer *answer, char *error, size_t size)
{
	AUTO_LOCK(held, &fleet->lock);

	if (fleet->number)
		return err_say(error, size, -EEXIST,
			       "this node belongs to a fleet already; leave that first");
	keypair_from_seed(answer->fleet_seed, &fleet->fleet_key);
	int r = crypto_equal(fleet->fleet_key.public, pinned, KEY_PUBLIC_SIZE) ? 0 : MA_ESIG;
	if (r == 0)
		r = adopt_records(fleet, pinned, answer);
	if (r == 0) {
		fleet->number = answer->number;
		memset(&fleet->tokens, 0, sizeof(fleet->tokens));
		r = fleet_state_save_members(fleet);
	}
	if (r == 0)
		r = fleet_state_save_tokens(fleet);
	if (r == 0)
		r = fleet_state_save_fleet(fleet);
	if (r < 0) {
		fleet->number = 0;
		for (size_t i = 0; i <= FLEET_MEMBERS_MAX; i++) {
			free(fleet->entries[i]);
			fleet->entries[i] = NULL;
		}
		return err_say(error, size, r, "cannot take in the fleet's records: %s",
			       err_text(r));
	}
	return 0;
}
