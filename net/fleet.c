/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fleet.h"

#include <errno.h>
#include <string.h>

#include "core/auto.h"
#include "core/io.h"
#include "core/clock.h"
#include "net/fleet_state.h"
#include "net/member.h"

void node_id_text(const uint8_t key[KEY_PUBLIC_SIZE], char ret[33])
{
	uint8_t hash[16];

	hash_bytes(key, KEY_PUBLIC_SIZE, hash, sizeof(hash));
	hex_encode(hash, sizeof(hash), ret);
}

int fleet_open(const char *dir, struct fleet **ret, char *error, size_t size)
{
	int r = crypto_init();

	if (r < 0)
		return err_say(error, size, r, "cannot start libsodium");
	r = dir_make(dir, 0700);
	if (r < 0)
		return err_say(error, size, r, "cannot make %s: %s", dir, err_text(r));
	struct fleet *fleet = calloc(1, sizeof(*fleet));
	if (!fleet)
		return err_say(error, size, -ENOMEM, "out of memory");
	(void)pthread_mutex_init(&fleet->lock, NULL);
	fleet->dir = strdup(dir);
	fleet->key = calloc(1, sizeof(*fleet->key));
	if (!fleet->dir || !fleet->key)
		r = err_say(error, size, -ENOMEM, "out of memory");
	if (r == 0)
		r = fleet_state_load(fleet, error, size);
	if (r < 0) {
		fleet_free(fleet);
		return r;
	}
	*ret = fleet;
	return 0;
}

static void forget_members(struct fleet *fleet)
{
	for (size_t i = 0; i <= FLEET_MEMBERS_MAX; i++) {
		free(fleet->entries[i]);
		fleet->entries[i] = NULL;
	}
}

void fleet_free(struct fleet *fleet)
{
	if (!fleet)
		return;
	forget_members(fleet);
	while (fleet->key) {
		struct fleet_node_key *former = fleet->key->former;

		crypto_wipe(fleet->key, sizeof(*fleet->key));
		free(fleet->key);
		fleet->key = former;
	}
	(void)pthread_mutex_destroy(&fleet->lock);
	free(fleet->dir);
	crypto_wipe(fleet, sizeof(*fleet));
	free(fleet);
}

bool fleet_exists(struct fleet *fleet)
{
	AUTO_LOCK(held, &fleet->lock);
	return fleet->number != 0;
}

int fleet_init(struct fleet *fleet, const char *name, const char *address, char *error, size_t size)
{
	struct member own = {.number = 1, .state = MEMBER_ACTIVE};
	AUTO_LOCK(held, &fleet->lock);

	if (fleet->number)
		return err_say(error, size, -EEXIST,
			       "this node belongs to a fleet already; leave that first");
	if (!member_name_valid(name))
		return err_say(error, size, -EINVAL, "\"%s\" cannot be the name of a node", name);
	if (address && address[0] && !member_address_valid(address))
		return err_say(error, size, -EINVAL, "\"%s\" is not an address", address);
	(void)strcpy(own.name, name);
	if (address)
		(void)strcpy(own.addresses[0], address);
	memcpy(own.key, fleet->key->pair.public, KEY_PUBLIC_SIZE);
	own.added_s = (uint64_t)(clock_wall_ns() / 1000000000);
	keypair_make(&fleet->fleet_key);
	fleet->number = 1;
	memset(&fleet->tokens, 0, sizeof(fleet->tokens));
	/* The file "fleet" comes last: it makes the others count. */
	int r = fleet_state_put(fleet, &own);
	if (r == 0)
		r = fleet_state_save_tokens(fleet);
	if (r == 0)
		r = fleet_state_save_fleet(fleet);
	if (r < 0) {
		fleet->number = 0;
		forget_members(fleet);
		return err_say(error, size, r, "cannot write below %s: %s", fleet->dir,
			       err_text(r));
	}
	return 0;
}

const struct keypair *fleet_key(struct fleet *fleet)
{
	AUTO_LOCK(held, &fleet->lock);
	return &fleet->key->pair;
}

void fleet_self(struct fleet *fleet, struct member *ret)
{
	AUTO_LOCK(held, &fleet->lock);

	if (fleet->number)
		*ret = fleet->entries[fleet->number]->member;
	else
		memset(ret, 0, sizeof(*ret));
}

int fleet_member(struct fleet *fleet, uint16_t number, struct member *ret)
{
	AUTO_LOCK(held, &fleet->lock);

	if (number > FLEET_MEMBERS_MAX || !fleet->entries[number])
		return MA_EUNKNOWN;
	*ret = fleet->entries[number]->member;
	return 0;
}

int fleet_member_by_name(struct fleet *fleet, const char *name, struct member *ret)
{
	const struct member *found = NULL;
	AUTO_LOCK(held, &fleet->lock);

	/* A name may be given to a new node once its holder is gone; the active one is meant. */
	for (size_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		const struct fleet_entry *entry = fleet->entries[i];

		if (!entry || strcmp(entry->member.name, name) != 0)
			continue;
		if (!found || entry->member.state == MEMBER_ACTIVE)
			found = &entry->member;
	}
	if (!found)
		return MA_EUNKNOWN;
	*ret = *found;
	return 0;
}

size_t fleet_members(struct fleet *fleet, struct member *ret, size_t max)
{
	size_t count = 0;
	AUTO_LOCK(held, &fleet->lock);

	for (size_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		if (!fleet->entries[i])
			continue;
		if (count < max)
			ret[count] = fleet->entries[i]->member;
		count++;
	}
	return count;
}

/* Our own record for a change; MA_EUNKNOWN without a fleet, MA_EREFUSED once we are out of it. */
static int own_record(struct fleet *fleet, struct member *ret)
{
	if (!fleet->number)
		return MA_EUNKNOWN;
	*ret = fleet->entries[fleet->number]->member;
	return ret->state == MEMBER_ACTIVE ? 0 : MA_EREFUSED;
}

int fleet_address_set(struct fleet *fleet, const char *address)
{
	struct member own;
	AUTO_LOCK(held, &fleet->lock);
	int r = own_record(fleet, &own);

	if (r < 0)
		return r;
	if (!member_address_valid(address))
		return -EINVAL;
	if (strcmp(own.addresses[0], address) == 0)
		return 0;
	(void)strcpy(own.addresses[0], address);
	return fleet_state_put(fleet, &own);
}

int fleet_pool_add(struct fleet *fleet, uint64_t id, const char *name)
{
	struct member own;
	AUTO_LOCK(held, &fleet->lock);
	int r = own_record(fleet, &own);

	if (r < 0)
		return r;
	if (!member_name_valid(name))
		return -EINVAL;
	for (size_t i = 0; i < own.pool_count; i++) {
		bool same_name = strcmp(own.pools[i].name, name) == 0;

		if (own.pools[i].id == id && same_name)
			return 0;
		if (own.pools[i].id == id || same_name)
			return -EEXIST;
	}
	if (own.pool_count == FLEET_POOLS_MAX)
		return MA_ELIMIT;
	own.pools[own.pool_count].id = id;
	(void)strcpy(own.pools[own.pool_count++].name, name);
	return fleet_state_put(fleet, &own);
}

int fleet_pool_remove(struct fleet *fleet, uint64_t id)
{
	struct member own;
	AUTO_LOCK(held, &fleet->lock);
	int r = own_record(fleet, &own);

	if (r < 0)
		return r;
	for (size_t i = 0; i < own.pool_count; i++) {
		if (own.pools[i].id != id)
			continue;
		own.pool_count--;
		memmove(&own.pools[i], &own.pools[i + 1],
			(own.pool_count - i) * sizeof(own.pools[0]));
		return fleet_state_put(fleet, &own);
	}
	return 0;
}

int fleet_pool_find(struct fleet *fleet, const char *name, uint64_t *ret_id)
{
	AUTO_LOCK(held, &fleet->lock);

	for (size_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		const struct fleet_entry *entry = fleet->entries[i];

		if (!entry || entry->member.state != MEMBER_ACTIVE)
			continue;
		for (size_t k = 0; k < entry->member.pool_count; k++) {
			if (strcmp(entry->member.pools[k].name, name) != 0)
				continue;
			*ret_id = entry->member.pools[k].id;
			return 0;
		}
	}
	return MA_EUNKNOWN;
}

int fleet_remove(struct fleet *fleet, uint16_t number, enum member_state state)
{
	AUTO_LOCK(held, &fleet->lock);

	if (state != MEMBER_LEFT && state != MEMBER_REMOVED)
		return -EINVAL;
	if (!fleet->number || number > FLEET_MEMBERS_MAX || !fleet->entries[number])
		return MA_EUNKNOWN;
	if (fleet->entries[fleet->number]->member.state != MEMBER_ACTIVE)
		return MA_EREFUSED;
	struct member member = fleet->entries[number]->member;
	if (member.state >= state)
		return 0;
	member.state = (uint8_t)state;
	return fleet_state_put(fleet, &member);
}

int fleet_forget(struct fleet *fleet)
{
	struct fleet_node_key *key = calloc(1, sizeof(*key));
	AUTO_LOCK(held, &fleet->lock);

	if (!key)
		return -ENOMEM;
	int r = fleet_state_unlink(fleet);
	if (r == 0) {
		/* The old key stands in a record that says it left, for ever: a new start, a new
		 * key. */
		keypair_make(&key->pair);
		r = fleet_state_save_identity(fleet, &key->pair);
	}
	if (r < 0) {
		free(key);
		return r;
	}
	key->former = fleet->key;
	fleet->key = key;
	fleet->number = 0;
	crypto_wipe(&fleet->fleet_key, sizeof(fleet->fleet_key));
	memset(&fleet->tokens, 0, sizeof(fleet->tokens));
	forget_members(fleet);
	fleet->change++;
	return 0;
}

int fleet_token_make(struct fleet *fleet, uint32_t ttl_s, char *ret, size_t size)
{
	struct token_list before;
	struct token token;
	AUTO_LOCK(held, &fleet->lock);

	if (size < TOKEN_TEXT_SIZE)
		return -ENOSPC;
	if (!fleet->number)
		return MA_EUNKNOWN;
	if (fleet->entries[fleet->number]->member.state != MEMBER_ACTIVE)
		return MA_EREFUSED;
	before = fleet->tokens;
	int r = token_issue(&fleet->tokens, fleet->fleet_key.public,
			    (uint64_t)(clock_wall_ns() / 1000000000), ttl_s, &token);
	if (r == 0)
		r = fleet_state_save_tokens(fleet);
	if (r < 0) {
		fleet->tokens = before;
		return r;
	}
	token_format(&token, ret);
	crypto_wipe(&token, sizeof(token));
	return 0;
}
