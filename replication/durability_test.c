/* links: tests/lib/pool_rig.c tests/lib/pool_rig_calls.c tests/sim/store_*.c replication/[a-z]*.c
 *        !replication/pools.c core/[a-z]*.c !core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * Settings of a pool, levels of durability, and what fsync says when a level cannot be had. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "net/message.h"
#include "replication/durability.h"
#include "replication/pool_settings.h"
#include "replication/session.h"
#include "tests/lib/pool_rig.h"

static void test_levels(void **state)
{
	static const struct {
		size_t members, local, one, quorum, all;
	} rows[] = {{1, 1, 1, 1, 1},
		    {2, 1, 2, 2, 2},
		    {3, 1, 2, 2, 3},
		    {4, 1, 2, 3, 4},
		    {5, 1, 2, 3, 5}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t members = rows[i].members;

		assert_int_equal(durability_copies(DURABILITY_LOCAL, members), rows[i].local);
		assert_int_equal(durability_copies(DURABILITY_ONE, members), rows[i].one);
		assert_int_equal(durability_copies(DURABILITY_QUORUM, members), rows[i].quorum);
		assert_int_equal(durability_copies(DURABILITY_ALL, members), rows[i].all);
	}
}

static void test_words(void **state)
{
	static const struct {
		size_t copies, members;
		const char *word;
	} rows[] = {{0, 3, "none"}, {1, 1, "all"}, {1, 3, "local"},  {2, 3, "quorum"},
		    {3, 3, "all"},  {2, 5, "one"}, {3, 5, "quorum"}, {4, 5, "quorum"},
		    {0, 1, "none"}, {2, 4, "one"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(durability_word(rows[i].copies, rows[i].members), rows[i].word);
}

static void set(struct pool_rig *rig, uint16_t node, const char *name, const char *value)
{
	char error[256];

	assert_int_equal(pool_setting_set(rig->nodes[node].p, name, value, error, sizeof(error)),
			 0);
}

static void expect(struct pool_rig *rig, uint16_t node, enum pool_setting_key key,
		   const char *value)
{
	char text[POOL_SETTING_MAX + 1];

	pool_setting_get(rig->nodes[node].p, key, text);
	assert_string_equal(text, value);
}

/* Settings travel, the later counts, and applications neither see nor change them. */
static void test_settings(void **state)
{
	static const char *const bad[][2] = {
		{"durability", "most"},       {"durability", ""},
		{"durability_wait", "soon"},  {"durability_wait", "2d"},
		{"durability_else", "local"}, {"colour", "green"}};
	struct pool_rig rig;
	struct pool *p;
	char error[256];

	(void)state;
	pool_rig_init(&rig, 2);
	p = rig.nodes[1].p;
	expect(&rig, 2, POOL_SETTING_DURABILITY, "local");
	expect(&rig, 2, POOL_SETTING_DURABILITY_WAIT, "10s");
	assert_int_equal(pool_setting_number(p, POOL_SETTING_DURABILITY_WAIT), 10);
	rig_link_all(&rig);
	set(&rig, 1, "durability", "quorum");
	rig_settle(&rig);
	expect(&rig, 2, POOL_SETTING_DURABILITY, "quorum");
	rig_cut_all(&rig);
	set(&rig, 1, "durability", "one");
	rig_wait(10);
	set(&rig, 2, "durability", "all");
	set(&rig, 1, "durability_wait", "3m");
	rig_link_all(&rig);
	rig_settle(&rig);
	for (uint16_t node = 1; node <= 2; node++) {
		expect(&rig, node, POOL_SETTING_DURABILITY, "all");
		expect(&rig, node, POOL_SETTING_DURABILITY_WAIT, "3m");
		assert_int_equal(pool_listxattr(rig.nodes[node].p, POOL_ROOT_ID, NULL, 0), 0);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(pool_setting_set(p, bad[i][0], bad[i][1], error, sizeof(error)),
				 -EINVAL);
	assert_int_equal(rig_set_xattr(&rig, 1, "/", "trusted.multiall.set.durability", "local"),
			 -EPERM);
	assert_int_equal(rig_remove_xattr(&rig, 1, "/", "trusted.multiall.set.durability"), -EPERM);
	assert_int_equal(rig_set_xattr(&rig, 1, "/", "user.multiall.position", "x"), -EPERM);
	expect(&rig, 1, POOL_SETTING_DURABILITY, "all");
	pool_rig_done(&rig);
}

/* A newer version knows a level that we do not: better too much than too little. */
static void test_unknown_value(void **state)
{
	struct object_ref root = {0};
	struct pool_rig rig;
	struct pool *p;

	(void)state;
	pool_rig_init(&rig, 1);
	p = rig.nodes[1].p;
	root.cache = p->cache;
	assert_int_equal(object_get(p->cache, POOL_ROOT_ID, &root.o), 0);
	assert_int_equal(p->store->ops->set_xattr(p->store, &root.o->handle,
						  "trusted.multiall.set.durability", "twice", 5, 0),
			 0);
	assert_int_equal(pool_setting_number(p, POOL_SETTING_DURABILITY), DURABILITY_ALL);
	object_ref_end(&root);
	pool_rig_done(&rig);
}

static int write_and_sync(struct pool_rig *rig, const char *text)
{
	rig_put(rig, 1, "/f", text);
	return pool_fsync(rig->nodes[1].p, rig_id(rig, 1, "/f"), -1, false);
}

/* With no time to wait, fsync says at once what it knows: nothing that was not acknowledged counts.
 */
static void test_sync(void **state)
{
	struct pool_rig rig;
	struct pool *p;

	(void)state;
	pool_rig_init(&rig, 3);
	p = rig.nodes[1].p;
	rig_link_all(&rig);
	set(&rig, 1, "durability", "quorum");
	set(&rig, 1, "durability_wait", "0s");
	set(&rig, 1, "durability_else", "eio");
	rig_settle(&rig);
	assert_int_equal(write_and_sync(&rig, "sent, and nobody has read it"), -EIO);
	assert_true(p->degraded);
	rig_run(&rig);
	assert_false(p->degraded);
	assert_int_equal(pool_fsync(p, POOL_ROOT_ID, -1, false), 0);
	/* One of two is enough for most of three, not for all. */
	rig_cut(&rig, 1, 3);
	rig_cut(&rig, 2, 3);
	(void)write_and_sync(&rig, "two have it");
	rig_run(&rig);
	assert_int_equal(pool_fsync(p, POOL_ROOT_ID, -1, false), 0);
	set(&rig, 1, "durability", "all");
	rig_run(&rig);
	assert_int_equal(pool_fsync(p, POOL_ROOT_ID, -1, false), -EIO);
	/* Another level is another promise. */
	set(&rig, 1, "durability", "one");
	rig_run(&rig);
	assert_int_equal(pool_fsync(p, POOL_ROOT_ID, -1, false), 0);
	assert_false(p->degraded);
	set(&rig, 1, "durability", "local");
	rig_cut_all(&rig);
	assert_int_equal(write_and_sync(&rig, "here"), 0);
	pool_rig_done(&rig);
}

static void test_otherwise(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 2);
	rig_link_all(&rig);
	set(&rig, 1, "durability", "one");
	set(&rig, 1, "durability_wait", "0s");
	rig_put(&rig, 1, "/f", "");
	rig_settle(&rig);
	rig_cut_all(&rig);
	assert_int_equal(write_and_sync(&rig, "degraded"), 0);
	assert_true(rig.nodes[1].p->degraded);
	set(&rig, 1, "durability_else", "readonly");
	assert_int_equal(rig_chmod(&rig, 1, "/f", 0600), 0);
	assert_int_equal(pool_fsync(rig.nodes[1].p, POOL_ROOT_ID, -1, false), -EIO);
	assert_int_equal(rig_chmod(&rig, 1, "/f", 0640), -EROFS);
	assert_int_equal(rig_unlink(&rig, 1, "/f"), -EROFS);
	/* Whoever made it so can make it otherwise; and peers' changes come in. */
	set(&rig, 1, "durability_wait", "1s");
	rig_put(&rig, 2, "/g", "from the other side");
	rig_link_all(&rig);
	rig_settle(&rig);
	rig_expect(&rig, 1, "/g", "from the other side");
	assert_int_equal(rig_unlink(&rig, 1, "/f"), 0);
	pool_rig_done(&rig);
}

/* Only an acknowledgement since the link came up, from who lacks no content, is one. */
static void test_what_counts(void **state)
{
	uint8_t body[VECTOR_WIRE_MAX + 2 + STATE_HASH_SIZE] = {0};
	static const struct {
		uint8_t missing;
		bool counts;
	} rows[] = {{1, false}, {0, true}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct pool_rig rig;
		struct pool *p;

		pool_rig_init(&rig, 2);
		p = rig.nodes[1].p;
		rig_link_all(&rig);
		set(&rig, 1, "durability", "one");
		set(&rig, 1, "durability_wait", "0s");
		set(&rig, 1, "durability_else", "eio");
		rig_settle(&rig);
		assert_true(session_find(p, 2)->durable > 0);
		rig_cut_all(&rig);
		rig_link_all(&rig);
		while (session_find(p, 2)->durable && rig_deliver(&rig))
			;
		assert_int_equal(session_find(p, 2)->durable, 0);
		rig_put(&rig, 1, "/f", "x");
		assert_int_equal(pool_fsync(p, POOL_ROOT_ID, -1, false), -EIO);

		struct wr w = wr_init(body, sizeof(body));
		vector_write(&w, &p->position.vector);
		wr_u8(&w, 0);
		wr_bytes(&w, p->flushed_hash, STATE_HASH_SIZE);
		wr_u8(&w, rows[i].missing);
		session_message(p, 2, MESSAGE_ACK, body, wr_used(&w));
		assert_int_equal(pool_fsync(p, POOL_ROOT_ID, -1, false), rows[i].counts ? 0 : -EIO);
		rig_settle(&rig);
		pool_rig_done(&rig);
	}
}

/* Who is asked acknowledges at once, not when it is due anyway. */
static void test_asked(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 2);
	rig_link_all(&rig);
	set(&rig, 1, "durability", "one");
	set(&rig, 1, "durability_wait", "0s");
	rig_settle(&rig);
	uint64_t before = rig.sent[MESSAGE_ACK_WANTED];
	session_acknowledge(rig.nodes[2].p, UINT64_MAX);
	assert_true(session_owed_in(rig.nodes[2].p, clock_boot_ms()) == UINT64_MAX);
	assert_int_equal(write_and_sync(&rig, "x"), 0);
	assert_int_equal(pool_fsync(rig.nodes[1].p, POOL_ROOT_ID, -1, false), 0);
	assert_int_equal(rig.sent[MESSAGE_ACK_WANTED], before + 1); /* once for one change */
	while (rig_deliver(&rig))
		;
	assert_int_equal(session_owed_in(rig.nodes[2].p, clock_boot_ms()), 0);
	pool_rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),      cmocka_unit_test(test_words),
		cmocka_unit_test(test_settings),    cmocka_unit_test(test_unknown_value),
		cmocka_unit_test(test_sync),        cmocka_unit_test(test_otherwise),
		cmocka_unit_test(test_what_counts), cmocka_unit_test(test_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
