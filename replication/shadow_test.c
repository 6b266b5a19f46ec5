/* links: replication/shadow.c tests/sim/store_mem.c tests/sim/store_mem_attr.c
 *        tests/sim/store_mem_data.c tests/sim/store_mem_names.c tests/sim/store_mem_undo.c
 *        core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * A page that comes back from a mapping changes what the program stored, and nothing that a peer
 * wrote since the kernel read it, in whichever of its states that was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "replication/shadow.h"
#include "tests/sim/store_mem.h"

#define FILE_ID 100u
#define SIZE    8192u

struct rig {
	struct pool pool;
	struct object object;
	bool mapped;
	char runs[256]; /* what was written, as "offset+size " */
};

static bool is_mapped(void *arg, uint64_t id)
{
	return ((struct rig *)arg)->mapped && id == FILE_ID;
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct store_node node = {.id = FILE_ID, .mode = S_IFREG | 0600};
	struct store_handle root;

	assert_non_null(rig);
	assert_int_equal(store_mem_new(&rig->pool.store), 0);
	assert_int_equal(shadows_new(&rig->pool.shadows), 0);
	struct store *store = rig->pool.store;
	assert_int_equal(store->ops->root(store, &root), 0);
	assert_int_equal(store->ops->make(store, &root, "f", &node, &rig->object.handle), 0);
	assert_int_equal(store->ops->truncate(store, &rig->object.handle, -1, SIZE), 0);
	rig->object.id = FILE_ID;
	rig->pool.watch = (struct pool_watch){.arg = rig, .mapped = is_mapped};
	rig->mapped = true;
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	shadows_free(rig->pool.shadows);
	rig->pool.store->ops->free(rig->pool.store);
	free(rig);
	return 0;
}

static void store_put(struct rig *rig, const void *data, size_t size, off_t offset)
{
	struct store *store = rig->pool.store;

	assert_int_equal(store->ops->write(store, &rig->object.handle, -1, data, size, offset), 0);
}

static void peer_writes(struct rig *rig, const char *text, off_t offset)
{
	off_t size = (off_t)strlen(text);

	shadow_keep(&rig->pool, &rig->object, &rig->object.handle, offset, size);
	store_put(rig, text, (size_t)size, offset);
	shadow_done(&rig->pool, FILE_ID);
}

static int write_run(void *arg, const uint8_t *data, size_t size, off_t offset)
{
	struct rig *rig = arg;
	size_t used = strlen(rig->runs);

	(void)snprintf(rig->runs + used, sizeof(rig->runs) - used, "%lld+%zu ", (long long)offset,
		       size);
	store_put(rig, data, size, offset);
	shadow_patch(&rig->pool, FILE_ID, data, size, offset);
	return 0;
}

/* The kernel writes its pages, as they are here. */
static void pages_come(struct rig *rig, const uint8_t *pages, const char *runs)
{
	rig->runs[0] = '\0';
	assert_int_equal(shadow_write(&rig->pool, &rig->object, pages, SIZE, 0, write_run, rig), 0);
	assert_string_equal(rig->runs, runs);
}

static void read_pages(struct rig *rig, uint8_t pages[SIZE])
{
	struct store *store = rig->pool.store;

	assert_int_equal(store->ops->read(store, &rig->object.handle, -1, pages, SIZE, 0), SIZE);
}

static void test_both_survive(void **state)
{
	struct rig *rig = *state;
	uint8_t pages[SIZE] = {0};
	uint8_t now[SIZE];

	pages[0] = 'A';
	pages[4100] = 'A';
	peer_writes(rig, "BB", 4095); /* over the edge of two pages */
	pages_come(rig, pages, "0+1 4100+1 ");
	read_pages(rig, now);
	assert_int_equal(now[0], 'A');
	assert_int_equal(now[4100], 'A');
	assert_memory_equal(now + 4095, "BB", 2);
}

/* The kernel may have read the page between two changes. */
static void test_each_state_counts(void **state)
{
	struct rig *rig = *state;
	uint8_t first[SIZE], second[SIZE], now[SIZE];

	read_pages(rig, first);
	peer_writes(rig, "one", 10);
	read_pages(rig, second);
	peer_writes(rig, "two", 10);
	pages_come(rig, first, "4096+4096 ");
	pages_come(rig, second, "4096+4096 ");
	second[11] = 'N';
	pages_come(rig, second, "11+1 4096+4096 ");
	read_pages(rig, now);
	assert_memory_equal(now + 10, "tNo", 3);
	/* What the program stored is its own: it may store what was there once. */
	second[11] = 0;
	pages_come(rig, second, "11+1 4096+4096 ");
}

static void test_dropped(void **state)
{
	struct rig *rig = *state;
	uint8_t pages[SIZE] = {0};

	peer_writes(rig, "one", 10);
	uint64_t since = pool_pages_now(&rig->pool);
	peer_writes(rig, "two", 5000);
	pool_pages_dropped(&rig->pool, 999, since);
	pool_pages_dropped(&rig->pool, FILE_ID, since);
	/* Of the first page no old state can come back, of the second one it still can. */
	pages_come(rig, pages, "0+4096 ");
	pool_pages_dropped(&rig->pool, FILE_ID, pool_pages_now(&rig->pool));
	pages_come(rig, pages, "0+8192 ");
}

static void test_change_under_way_stays(void **state)
{
	struct rig *rig = *state;
	uint8_t pages[SIZE] = {0};

	shadow_keep(&rig->pool, &rig->object, &rig->object.handle, 0, 3);
	pool_pages_dropped(&rig->pool, FILE_ID, pool_pages_now(&rig->pool));
	store_put(rig, "one", 3, 0);
	shadow_done(&rig->pool, FILE_ID);
	pages[9] = 'A';
	pages_come(rig, pages, "9+1 4096+4096 ");
}

static void test_not_mapped(void **state)
{
	struct rig *rig = *state;
	uint8_t pages[SIZE] = {0};

	rig->mapped = false;
	peer_writes(rig, "one", 10);
	pages_come(rig, pages, "0+8192 ");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_both_survive), TEST(test_each_state_counts),      TEST(test_dropped),
		TEST(test_not_mapped),   TEST(test_change_under_way_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
