/* links: replication/object.c replication/stamp.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as an object's row: refused, or writing and reading it again gives the same object and
 * the same hash, and each of its names can be shown. */
#include <stdint.h>
#include <stdlib.h>

#include "core/auto.h"
#include "replication/object_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_names(const struct object *o)
{
	for (size_t i = 0; i < o->link_count; i++) {
		char shown[256];

		dentry_shown(&o->links[i], shown);
		check(shown[0] && !strchr(shown, '/'));
		check(i == 0 || o->links[i - 1].lid < o->links[i].lid);
		check(object_link((struct object *)(uintptr_t)o, o->links[i].lid) == &o->links[i]);
	}
	for (size_t i = 0; i < o->xattr_count; i++)
		check(object_xattr(o, o->xattrs[i].name, strlen(o->xattrs[i].name)) ==
		      o->xattrs[i].stamp);
}

/* The arrays may have come in any order, so only from here on the bytes are the same. */
static void check_again(const struct object *o)
{
	AUTO_FREE uint8_t *once = NULL;
	AUTO_FREE uint8_t *twice = NULL;
	uint8_t hash[STATE_HASH_SIZE], again[STATE_HASH_SIZE];
	struct object back = {0};
	size_t size, size_again;

	if (object_encode(o, &once, &size) < 0)
		return;
	check(object_decode(once, size, &back) == 0);
	check(object_encode(&back, &twice, &size_again) == 0);
	check(size == size_again && memcmp(once, twice, size) == 0);
	object_hash(o, hash);
	object_hash(&back, again);
	check(memcmp(hash, again, sizeof(hash)) == 0);
	object_clear(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct object o = {0};

	if (object_decode(data, size, &o) == 0) {
		check_names(&o);
		check_again(&o);
	}
	object_clear(&o);
	return 0;
}
