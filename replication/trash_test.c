/* links: tests/lib/pool_rig.c tests/lib/pool_rig_calls.c tests/sim/store_*.c replication/[a-z]*.c
 *        !replication/pools.c core/[a-z]*.c !core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * What peers removed: what is kept, for how long, what comes back, over a crash too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "replication/pool_settings.h"
#include "replication/session.h"
#include "replication/trash.h"
#include "tests/lib/pool_rig.h"

#define MINUTE_MS 60000u
#define DAY_MS    (UINT64_C(24) * 60 * MINUTE_MS)

/* When it comes on: at which of so many removals, `step` ms apart, of `files` files. 0: never. */
static void test_brake(void **state)
{
	static const struct {
		uint64_t least, share, files, step, removals, on_at;
	} rows[] = {
		{10, 20, 40, 1, 40, 11}, /* 11 of 40: more than 10, more than 20 % */
		{10, 50, 40, 1, 40, 21}, /* the share decides */
		{10, 20, 1000, 1, 1000, 201},   {10, 0, 1000, 1, 100, 11},
		{10, 20, 40, 1, 10, 0},         /* not more than the least */
		{0, 0, 40, 1, 40, 0},           /* off */
		{10, 100, 40, 1, 40, 0},        /* never more than all of them */
		{10, 20, 40, MINUTE_MS, 40, 0}, /* ten in ten minutes: slow enough */
		{9, 20, 40, MINUTE_MS, 40, 10},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct brake_rule rule = {rows[i].least, rows[i].share, 10 * MINUTE_MS - 1};
		struct brake b = {0};
		uint64_t on_at = 0;

		for (uint64_t n = 1; n <= rows[i].removals; n++) {
			bool on = brake_note(&b, &rule, 1000 + n * rows[i].step,
					     rows[i].files + 1 - n);
			assert_false(on && on_at);
			if (on)
				on_at = n;
		}
		assert_int_equal(on_at, rows[i].on_at);
	}
}

/* It stays on while files go; a pause as long as the window ends it. */
static void test_brake_ends(void **state)
{
	const struct brake_rule rule = {2, 0, 10 * MINUTE_MS};
	struct brake b = {0};
	uint64_t now = 1000;

	(void)state;
	for (int i = 0; i < 3; i++)
		(void)brake_note(&b, &rule, now, 100);
	assert_true(b.on);
	for (int i = 0; i < 5; i++) {
		assert_false(brake_note(&b, &rule, now += 9 * MINUTE_MS, 90));
		assert_true(b.on);
	}
	assert_false(brake_note(&b, &rule, now += 11 * MINUTE_MS, 80));
	assert_false(b.on);
	assert_int_equal(b.removed, 1);
}

static void set(struct pool_rig *rig, const char *name, const char *value)
{
	char error[256];

	assert_int_equal(pool_setting_set(rig->nodes[1].p, name, value, error, sizeof(error)), 0);
}

/* Two nodes; node 2 keeps what node 1 removes. Twenty files, old enough to count. */
static void begin(struct pool_rig *rig, const char *files)
{
	char name[32];

	pool_rig_init(rig, 2);
	assert_int_equal(trash_begin(rig->nodes[2].p), 0);
	rig_link_all(rig);
	set(rig, "brake_files", files);
	set(rig, "brake_share", "0");
	rig_mkdir(rig, 1, "/d");
	rig_mkdir(rig, 1, "/d/e");
	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "/d/e/%d", i);
		rig_put(rig, 1, name, name);
	}
	assert_int_equal(rig_set_xattr(rig, 1, "/d/e/3", "user.note", "kept"), 0);
	assert_int_equal(rig_chmod(rig, 1, "/d/e/3", 0640), 0);
	rig_settle(rig);
	rig_wait(11 * MINUTE_MS);
}

static void remove_all(struct pool_rig *rig)
{
	char name[32];

	for (int i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "/d/e/%d", i);
		assert_int_equal(rig_unlink(rig, 1, name), 0);
	}
	assert_int_equal(rig_rmdir(rig, 1, "/d/e"), 0);
	assert_int_equal(rig_rmdir(rig, 1, "/d"), 0);
	rig_settle(rig);
}

struct seen {
	size_t count, braked, failed;
	bool three;
};

static int see(void *arg, const struct trash_entry *entry)
{
	struct seen *seen = arg;

	seen->count++;
	seen->braked += entry->braked;
	seen->three = seen->three || strcmp(entry->path, "d/e/3") == 0;
	assert_int_equal(entry->bytes, strlen(entry->path) + 1); /* each holds its own path */
	return 0;
}

static struct seen look(struct pool_rig *rig)
{
	struct seen seen = {0};

	assert_int_equal(trash_each(rig->nodes[2].p, see, &seen), 0);
	return seen;
}

static void back(void *arg, const char *path, int code)
{
	struct seen *seen = arg;

	(void)path;
	seen->count += code == 0;
	seen->failed += code < 0;
}

static void tick(struct pool_rig *rig)
{
	rig_wait(2000);
	trash_tick(rig->nodes[2].p, clock_boot_ms());
}

/* Few: they stay for the window, and no longer; those that are there come back one by one. */
static void test_few(void **state)
{
	struct pool_rig rig;
	struct seen seen;
	char value[8];

	(void)state;
	begin(&rig, "100");
	remove_all(&rig);
	seen = look(&rig);
	assert_int_equal(seen.count, 20);
	assert_int_equal(seen.braked, 0);
	assert_true(seen.three);
	seen = (struct seen){0};
	assert_int_equal(trash_restore(rig.nodes[2].p, "d/e/3", back, &seen), 0);
	assert_int_equal(seen.count, 1);
	rig_settle(&rig);
	for (uint16_t n = 1; n <= 2; n++) {
		rig_expect(&rig, n, "/d/e/3", "/d/e/3");
		assert_int_equal(pool_getxattr(rig.nodes[n].p, rig_id(&rig, n, "/d/e/3"),
					       "user.note", value, sizeof(value)),
				 4);
	}
	/* Not while there is something else under the name. */
	rig_put(&rig, 1, "/d/e/4", "new");
	rig_settle(&rig);
	seen = (struct seen){0};
	assert_int_equal(trash_restore(rig.nodes[2].p, "d/e/4", back, &seen), 0);
	assert_int_equal(seen.count, 0);
	assert_int_equal(seen.failed, 1);
	rig_expect(&rig, 2, "/d/e/4", "new");
	seen = (struct seen){0};
	assert_int_equal(trash_restore(rig.nodes[2].p, "d/e/3", back, &seen), 0);
	assert_int_equal(seen.count + seen.failed, 0); /* it is not there any more */
	tick(&rig);
	assert_int_equal(look(&rig).count, 19);
	rig_wait(10 * MINUTE_MS);
	tick(&rig);
	assert_int_equal(look(&rig).count, 0);
	pool_rig_done(&rig);
}

/* Many: also those removed before the brake came on stay for days; a crash between changes nothing.
 */
static void test_many(void **state)
{
	struct pool_rig rig;
	struct seen seen = {0};

	(void)state;
	begin(&rig, "10");
	remove_all(&rig);
	tick(&rig);
	assert_int_equal(look(&rig).braked, 20);
	assert_int_equal(trash_braked(rig.nodes[2].p), 20);
	rig_wait(3 * DAY_MS);
	tick(&rig);
	rig_kill(&rig, 2);
	rig_start(&rig, 2);
	assert_int_equal(trash_begin(rig.nodes[2].p), 0);
	assert_int_equal(trash_braked(rig.nodes[2].p), 20);
	assert_int_equal(trash_restore(rig.nodes[2].p, NULL, back, &seen), 0);
	assert_int_equal(seen.count, 20);
	assert_int_equal(trash_braked(rig.nodes[2].p), 0);
	rig_link_all(&rig);
	rig_settle(&rig);
	rig_expect(&rig, 1, "/d/e/0", "/d/e/0");
	rig_expect(&rig, 1, "/d/e/19", "/d/e/19");
	pool_rig_done(&rig);
}

static void test_end_of_days(void **state)
{
	struct pool_rig rig;

	(void)state;
	begin(&rig, "10");
	remove_all(&rig);
	tick(&rig);
	rig_wait(7 * DAY_MS - 2 * MINUTE_MS);
	tick(&rig);
	assert_int_equal(look(&rig).count, 20);
	rig_wait(2 * 60 * MINUTE_MS);
	tick(&rig);
	assert_int_equal(look(&rig).count, 0);
	assert_int_equal(trash_braked(rig.nodes[2].p), 0);
	pool_rig_done(&rig);
}

/* What was not yet braked at a crash is known as that again, and goes when its time is over. */
static void test_crash_without_brake(void **state)
{
	struct pool_rig rig;

	(void)state;
	begin(&rig, "100");
	remove_all(&rig);
	rig_kill(&rig, 2);
	rig_start(&rig, 2);
	assert_int_equal(trash_begin(rig.nodes[2].p), 0);
	tick(&rig);
	assert_int_equal(look(&rig).count, 20);
	rig_wait(11 * MINUTE_MS);
	tick(&rig);
	assert_int_equal(look(&rig).count, 0);
	pool_rig_done(&rig);
}

/* Young files, empty files, names that are not the last, and what this node removes itself. */
static void test_not_kept(void **state)
{
	struct pool_rig rig;

	(void)state;
	begin(&rig, "100");
	rig_put(&rig, 1, "/empty", "");
	rig_put(&rig, 1, "/linked", "/linked");
	assert_int_equal(rig_hard_link(&rig, 1, "/linked", "/d/link"), 0);
	rig_settle(&rig);
	rig_wait(11 * MINUTE_MS);
	rig_put(&rig, 1, "/young", "/young");
	rig_settle(&rig);
	assert_int_equal(rig_unlink(&rig, 1, "/young"), 0);
	assert_int_equal(rig_unlink(&rig, 1, "/empty"), 0);
	assert_int_equal(rig_unlink(&rig, 1, "/d/link"), 0);
	assert_int_equal(rig_unlink(&rig, 2, "/d/e/7"), 0);
	rig_settle(&rig);
	assert_int_equal(look(&rig).count, 0);
	assert_int_equal(rig_unlink(&rig, 1, "/linked"), 0);
	rig_settle(&rig);
	assert_int_equal(look(&rig).count, 1);
	assert_int_equal(trash_empty(rig.nodes[2].p), 0);
	assert_int_equal(look(&rig).count, 0);
	pool_rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_brake),       cmocka_unit_test(test_brake_ends),
		cmocka_unit_test(test_few),         cmocka_unit_test(test_many),
		cmocka_unit_test(test_end_of_days), cmocka_unit_test(test_crash_without_brake),
		cmocka_unit_test(test_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
