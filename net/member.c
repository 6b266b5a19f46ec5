/* SPDX-License-Identifier: Apache-2.0 */
#include "net/member.h"

#include <assert.h>
#include <string.h>

#define FORMAT 1

/* Keeps a signature on a record from being valid for anything else that the fleet signs. */
static const char context[] = "multiall member record 1";

bool member_name_valid(const char *name)
{
	size_t length = strnlen(name, FLEET_NAME_MAX + 1);

	if (length == 0 || length > FLEET_NAME_MAX || name[0] == '.' || name[0] == '-')
		return false;
	for (size_t i = 0; i < length; i++) {
		if ((uint8_t)name[i] <= ' ' || name[i] == '/' || name[i] == 0x7f)
			return false;
	}
	return true;
}

bool member_address_valid(const char *address)
{
	size_t length = strnlen(address, 64);

	if (length == 0 || length > 63)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (address[i] <= ' ' || address[i] > '~')
			return false;
	}
	return true;
}

static void encode(const struct member *m, struct wr *w)
{
	uint8_t addresses = 0;

	for (size_t i = 0; i < FLEET_ADDRESSES_MAX; i++)
		addresses = (uint8_t)(addresses + (m->addresses[i][0] != '\0'));
	wr_u8(w, FORMAT);
	wr_u16(w, m->number);
	wr_u8(w, m->state);
	wr_u64(w, m->version);
	wr_u64(w, m->added_s);
	wr_bytes(w, m->key, sizeof(m->key));
	wr_blob16(w, m->name, strlen(m->name));
	wr_u8(w, addresses);
	for (size_t i = 0; i < FLEET_ADDRESSES_MAX; i++) {
		if (m->addresses[i][0])
			wr_blob16(w, m->addresses[i], strlen(m->addresses[i]));
	}
	wr_u16(w, m->pool_count);
	for (size_t i = 0; i < m->pool_count; i++) {
		wr_u64(w, m->pools[i].id);
		wr_blob16(w, m->pools[i].name, strlen(m->pools[i].name));
	}
}

/* What is signed: the context, then the record's bytes. */
static size_t signed_bytes(const uint8_t *record, size_t size,
			   uint8_t ret[sizeof(context) + MEMBER_RECORD_MAX])
{
	memcpy(ret, context, sizeof(context));
	memcpy(ret + sizeof(context), record, size);
	return sizeof(context) + size;
}

int member_seal(const struct member *member, const struct keypair *fleet_key,
		uint8_t ret[MEMBER_RECORD_MAX])
{
	uint8_t text[sizeof(context) + MEMBER_RECORD_MAX];
	struct wr w = wr_init(ret, MEMBER_RECORD_MAX - SIGNATURE_SIZE);

	assert(member->pool_count <= FLEET_POOLS_MAX);
	encode(member, &w);
	if (w.failed)
		return MA_ELIMIT;
	size_t size = signed_bytes(ret, wr_used(&w), text);
	signature_make(fleet_key, text, size, ret + wr_used(&w));
	return (int)(wr_used(&w) + SIGNATURE_SIZE);
}

int member_verify(const uint8_t *record, size_t size, const uint8_t fleet_public[KEY_PUBLIC_SIZE])
{
	uint8_t text[sizeof(context) + MEMBER_RECORD_MAX];

	if (size <= SIGNATURE_SIZE || size > MEMBER_RECORD_MAX)
		return MA_ECORRUPT;
	size_t body = size - SIGNATURE_SIZE;
	size_t text_size = signed_bytes(record, body, text);
	return signature_valid(fleet_public, text, text_size, record + body) ? 0 : MA_ESIG;
}

/* Text of at most `max` bytes into `ret` (max + 1 bytes); fails on a zero byte within. */
static void read_text(struct rd *r, size_t max, char *ret)
{
	size_t size;
	const uint8_t *text = rd_blob16(r, max, &size);

	if (text && memchr(text, 0, size))
		r->failed = true;
	if (text && !r->failed)
		memcpy(ret, text, size);
}

static bool decode_lists(struct rd *r, struct member *ret)
{
	uint8_t addresses = rd_u8(r);

	if (addresses > FLEET_ADDRESSES_MAX)
		return false;
	for (size_t i = 0; i < addresses && !r->failed; i++) {
		read_text(r, sizeof(ret->addresses[i]) - 1, ret->addresses[i]);
		if (!r->failed && !member_address_valid(ret->addresses[i]))
			return false;
	}
	ret->pool_count = rd_u16(r);
	if (ret->pool_count > FLEET_POOLS_MAX)
		return false;
	for (size_t i = 0; i < ret->pool_count && !r->failed; i++) {
		ret->pools[i].id = rd_u64(r);
		read_text(r, FLEET_NAME_MAX, ret->pools[i].name);
		if (!r->failed && !member_name_valid(ret->pools[i].name))
			return false;
	}
	return !r->failed;
}

int member_decode(const uint8_t *record, size_t size, struct member *ret)
{
	if (size <= SIGNATURE_SIZE || size > MEMBER_RECORD_MAX)
		return MA_ECORRUPT;
	struct rd r = rd_init(record, size - SIGNATURE_SIZE);
	memset(ret, 0, sizeof(*ret));
	/* Newer versions add fields at the end; a format that can't be read so has another number.
	 */
	if (rd_u8(&r) != FORMAT)
		return MA_ECORRUPT;
	ret->number = rd_u16(&r);
	ret->state = rd_u8(&r);
	ret->version = rd_u64(&r);
	ret->added_s = rd_u64(&r);
	rd_copy(&r, ret->key, sizeof(ret->key));
	read_text(&r, FLEET_NAME_MAX, ret->name);
	if (r.failed || !decode_lists(&r, ret))
		return MA_ECORRUPT;
	if (ret->number == 0 || ret->number > FLEET_MEMBERS_MAX || !member_name_valid(ret->name))
		return MA_ECORRUPT;
	if (ret->state < MEMBER_ACTIVE || ret->state > MEMBER_REMOVED)
		return MA_ECORRUPT;
	return 0;
}

static enum member_choice clash(const struct member *held, const struct member *offered)
{
	if (held->added_s != offered->added_s)
		return offered->added_s < held->added_s ? MEMBER_CLASH_TAKE : MEMBER_CLASH_KEEP;
	return memcmp(offered->key, held->key, KEY_PUBLIC_SIZE) < 0 ? MEMBER_CLASH_TAKE
								    : MEMBER_CLASH_KEEP;
}

enum member_choice member_choose(const struct member_sealed *held,
				 const struct member_sealed *offered)
{
	const struct member *a = held->member;
	const struct member *b = offered->member;

	assert(a->number == b->number);
	if (memcmp(a->key, b->key, KEY_PUBLIC_SIZE) != 0)
		return clash(a, b);
	if (a->state != b->state)
		return b->state > a->state ? MEMBER_TAKE : MEMBER_KEEP;
	if (a->version != b->version)
		return b->version > a->version ? MEMBER_TAKE : MEMBER_KEEP;
	if (held->size != offered->size)
		return offered->size > held->size ? MEMBER_TAKE : MEMBER_KEEP;
	return memcmp(offered->record, held->record, held->size) > 0 ? MEMBER_TAKE : MEMBER_KEEP;
}
