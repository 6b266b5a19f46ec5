/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/item.h"
#include "replication/record.h"

void item_xattrs_init(struct item_xattrs *walk, const struct item *item)
{
	walk->rd = rd_init(item->xattrs, item->xattrs_size);
	walk->left = rd_u16(&walk->rd);
}

int item_xattrs_next(struct item_xattrs *walk, struct item_xattr *ret)
{
	struct rd *r = &walk->rd;

	if (!walk->left)
		return r->failed || rd_left(r) ? MA_ECORRUPT : 0;
	const uint8_t *name = rd_blob16(r, sizeof(ret->name) - 1, &ret->name_size);
	ret->present = rd_u8(r);
	ret->stamp = rd_u64(r);
	ret->size = rd_u32(r);
	ret->value = rd_bytes(r, ret->size);
	if (r->failed || !ret->name_size || memchr(name, 0, ret->name_size) ||
	    record_xattr_is_own((const char *)name, ret->name_size))
		return MA_ECORRUPT;
	memcpy(ret->name, name, ret->name_size);
	ret->name[ret->name_size] = '\0';
	walk->left--;
	return 1;
}

static int check_xattrs(const struct item *item)
{
	struct item_xattrs walk;
	struct item_xattr xattr;
	int r;

	item_xattrs_init(&walk, item);
	do {
		r = item_xattrs_next(&walk, &xattr);
	} while (r == 1);
	return r;
}

int item_read(const void *bytes, size_t size, struct item *ret)
{
	struct rd r = rd_init(bytes, size);
	uint32_t state_size = rd_u32(&r);
	const uint8_t *state = rd_bytes(&r, state_size);

	memset(ret, 0, sizeof(*ret));
	uint32_t xattrs_size = rd_u32(&r);
	ret->xattrs = rd_bytes(&r, xattrs_size);
	ret->xattrs_size = xattrs_size;
	ret->has_data = rd_u8(&r);
	ret->size = rd_u64(&r);
	ret->data_size = rd_left(&r);
	ret->data = rd_bytes(&r, ret->data_size);
	if (r.failed || ret->data_size > ITEM_INLINE_MAX || ret->size > INT64_MAX ||
	    check_xattrs(ret) < 0)
		return MA_ECORRUPT;
	return object_decode(state, state_size, &ret->state);
}
