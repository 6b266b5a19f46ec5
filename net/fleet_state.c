/* SPDX-License-Identifier: Apache-2.0 */
#include "net/fleet_state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/auto.h"
#include "core/bytes.h"
#include "core/io.h"
#include "net/member.h"

/* Each file: four letters, format, the body, a hash of all that. */
#define FORMAT     1
#define HEAD_SIZE  5
#define CHECK_SIZE 16

#define MEMBERS_MAX_BYTES (FLEET_MEMBERS_MAX * (2 + MEMBER_RECORD_MAX))

static int file_save(const struct fleet *fleet, const char *name, const char magic[4],
		     const void *body, size_t size)
{
	AUTO_FREE char *path = path_join(fleet->dir, name);
	AUTO_FREE uint8_t *data = malloc(HEAD_SIZE + size + CHECK_SIZE);
	uint8_t check[CHECK_SIZE];

	if (!path || !data)
		return -ENOMEM;
	struct wr w = wr_init(data, HEAD_SIZE + size + CHECK_SIZE);
	wr_bytes(&w, magic, 4);
	wr_u8(&w, FORMAT);
	wr_bytes(&w, body, size);
	hash_bytes(data, wr_used(&w), check, sizeof(check));
	wr_bytes(&w, check, sizeof(check));
	assert(!w.failed);
	int r = file_replace(path, data, wr_used(&w), 0600);
	crypto_wipe(data, wr_used(&w));
	return r;
}

/* The body lies at ret_data + HEAD_SIZE; the caller frees ret_data. */
static int file_load(const struct fleet *fleet, const char *name, const char magic[4], size_t max,
		     uint8_t **ret_data, struct rd *ret_body)
{
	AUTO_FREE char *path = path_join(fleet->dir, name);
	AUTO_FREE uint8_t *data = NULL;
	uint8_t check[CHECK_SIZE];
	size_t size;

	if (!path)
		return -ENOMEM;
	int r = file_read(path, HEAD_SIZE + max + CHECK_SIZE, &data, &size);
	if (r < 0)
		return r;
	if (size < HEAD_SIZE + CHECK_SIZE || memcmp(data, magic, 4) != 0)
		return MA_ECORRUPT;
	if (data[4] != FORMAT)
		return MA_EVERSION;
	hash_bytes(data, size - CHECK_SIZE, check, sizeof(check));
	if (memcmp(check, data + size - CHECK_SIZE, CHECK_SIZE) != 0)
		return MA_ECORRUPT;
	*ret_body = rd_init(data + HEAD_SIZE, size - HEAD_SIZE - CHECK_SIZE);
	*ret_data = take_ptr(data);
	return 0;
}

int fleet_state_save_identity(struct fleet *fleet, const struct keypair *pair)
{
	return file_save(fleet, "identity", "MAID", pair->seed, sizeof(pair->seed));
}

int fleet_state_save_fleet(struct fleet *fleet)
{
	uint8_t body[KEY_SEED_SIZE + 2];
	struct wr w = wr_init(body, sizeof(body));

	wr_u16(&w, fleet->number);
	wr_bytes(&w, fleet->fleet_key.seed, KEY_SEED_SIZE);
	int r = file_save(fleet, "fleet", "MAFL", body, sizeof(body));
	crypto_wipe(body, sizeof(body));
	return r;
}

int fleet_state_save_members(struct fleet *fleet)
{
	AUTO_FREE uint8_t *body = NULL;
	size_t size;
	int r = fleet_state_records(fleet, 0, &body, &size);

	return r < 0 ? r : file_save(fleet, "members", "MAMB", body, size);
}

int fleet_state_save_tokens(struct fleet *fleet)
{
	uint8_t body[TOKEN_LIST_MAX_BYTES];
	struct wr w = wr_init(body, sizeof(body));

	token_list_encode(&fleet->tokens, &w);
	assert(!w.failed);
	return file_save(fleet, "tokens", "MATK", body, wr_used(&w));
}

int fleet_state_unlink(struct fleet *fleet)
{
	static const char *const names[] = {"fleet", "members", "tokens"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		AUTO_FREE char *path = path_join(fleet->dir, names[i]);

		if (!path)
			return -ENOMEM;
		if (unlink(path) < 0 && errno != ENOENT)
			return -errno;
		int r = dir_sync_parent(path);
		if (r < 0)
			return r;
	}
	return 0;
}

int fleet_state_records(const struct fleet *fleet, uint64_t since, uint8_t **ret, size_t *ret_size)
{
	size_t size = 0;

	for (size_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		const struct fleet_entry *entry = fleet->entries[i];

		if (entry && entry->change > since)
			size += 2 + entry->size;
	}
	uint8_t *data = malloc(size ? size : 1);
	if (!data)
		return -ENOMEM;
	struct wr w = wr_init(data, size);
	for (size_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		const struct fleet_entry *entry = fleet->entries[i];

		if (entry && entry->change > since)
			wr_blob16(&w, entry->record, entry->size);
	}
	assert(!w.failed && wr_used(&w) == size);
	*ret = data;
	*ret_size = size;
	return 0;
}

int fleet_entry_new(const uint8_t *record, size_t size, struct fleet_entry **ret)
{
	AUTO_FREE struct fleet_entry *entry = malloc(sizeof(*entry) + size);

	if (!entry)
		return -ENOMEM;
	int r = member_decode(record, size, &entry->member);
	if (r < 0)
		return r;
	entry->change = 0;
	entry->size = size;
	memcpy(entry->record, record, size);
	*ret = take_ptr(entry);
	return 0;
}

int fleet_state_put(struct fleet *fleet, struct member *member)
{
	uint8_t record[MEMBER_RECORD_MAX];
	AUTO_FREE struct fleet_entry *entry = NULL;
	struct fleet_entry *held = fleet->entries[member->number];

	member->version = held ? held->member.version + 1 : 1;
	int size = member_seal(member, &fleet->fleet_key, record);
	if (size < 0)
		return size;
	int r = fleet_entry_new(record, (size_t)size, &entry);
	if (r < 0)
		return r;
	entry->change = fleet->change + 1;
	fleet->entries[member->number] = entry;
	r = fleet_state_save_members(fleet);
	if (r < 0) {
		fleet->entries[member->number] = held;
		return r;
	}
	fleet->change++;
	(void)take_ptr(entry);
	free(held);
	return 0;
}

static int load_identity(struct fleet *fleet)
{
	AUTO_FREE uint8_t *data = NULL;
	struct rd body;
	int r = file_load(fleet, "identity", "MAID", KEY_SEED_SIZE, &data, &body);

	if (r == -ENOENT) {
		keypair_make(&fleet->key->pair);
		return fleet_state_save_identity(fleet, &fleet->key->pair);
	}
	if (r < 0)
		return r;
	const uint8_t *seed = rd_bytes(&body, KEY_SEED_SIZE);
	if (!seed)
		return MA_ECORRUPT;
	keypair_from_seed(seed, &fleet->key->pair);
	crypto_wipe(data, HEAD_SIZE + KEY_SEED_SIZE);
	return 0;
}

static int load_fleet(struct fleet *fleet)
{
	AUTO_FREE uint8_t *data = NULL;
	struct rd body;
	int r = file_load(fleet, "fleet", "MAFL", KEY_SEED_SIZE + 2, &data, &body);

	if (r < 0)
		return r;
	uint16_t number = rd_u16(&body);
	const uint8_t *seed = rd_bytes(&body, KEY_SEED_SIZE);
	if (!seed || number == 0 || number > FLEET_MEMBERS_MAX)
		return MA_ECORRUPT;
	fleet->number = number;
	keypair_from_seed(seed, &fleet->fleet_key);
	crypto_wipe(data, HEAD_SIZE + KEY_SEED_SIZE + 2);
	return 0;
}

static int load_members(struct fleet *fleet)
{
	AUTO_FREE uint8_t *data = NULL;
	struct rd body;
	int r = file_load(fleet, "members", "MAMB", MEMBERS_MAX_BYTES, &data, &body);

	while (r == 0 && rd_left(&body)) {
		size_t size;
		const uint8_t *record = rd_blob16(&body, MEMBER_RECORD_MAX, &size);
		AUTO_FREE struct fleet_entry *entry = NULL;

		if (!record)
			return MA_ECORRUPT;
		r = fleet_entry_new(record, size, &entry);
		if (r == 0)
			r = member_verify(record, size, fleet->fleet_key.public);
		if (r < 0)
			return r;
		uint16_t number = entry->member.number;
		if (fleet->entries[number])
			return MA_ECORRUPT;
		entry->change = ++fleet->change;
		fleet->entries[number] = take_ptr(entry);
	}
	if (r < 0)
		return r;
	const struct fleet_entry *own = fleet->entries[fleet->number];
	if (!own || memcmp(own->member.key, fleet->key->pair.public, KEY_PUBLIC_SIZE) != 0)
		return MA_ECORRUPT;
	return 0;
}

static int load_tokens(struct fleet *fleet)
{
	AUTO_FREE uint8_t *data = NULL;
	struct rd body;
	int r = file_load(fleet, "tokens", "MATK", TOKEN_LIST_MAX_BYTES, &data, &body);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : token_list_decode(&body, &fleet->tokens);
}

int fleet_state_load(struct fleet *fleet, char *error, size_t size)
{
	static const struct {
		const char *name;
		int (*load)(struct fleet *fleet);
	} files[] = {
		{"identity", load_identity},
		{"fleet", load_fleet},
		{"members", load_members},
		{"tokens", load_tokens},
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		int r = files[i].load(fleet);

		if (r == -ENOENT && files[i].load == load_fleet)
			return 0; /* no fleet yet */
		if (r < 0)
			return err_say(
				error, size, r,
				"cannot read %s/%s: %s; restore the folder from a backup, or "
				"remove it and join again with a new token",
				fleet->dir, files[i].name, err_text(r));
	}
	return 0;
}
