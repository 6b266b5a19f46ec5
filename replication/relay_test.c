/* links: tests/lib/pool_rig.c tests/lib/pool_rig_calls.c tests/lib/hex_file.c tests/sim/store_*.c
 *        replication/[a-z]*.c !replication/pools.c core/[a-z]*.c !core/clock.c
 * SPDX-License-Identifier:
 * Apache-2.0 Three and four nodes: what is handed on and when, gaps, queues that are full, nodes
 * that end in the middle of a catch-up, and states that were themselves got as states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/auto.h"
#include "net/message.h"
#include "replication/commit.h"
#include "replication/session.h"
#include "tests/lib/hex_file.h"
#include "tests/lib/pool_rig.h"

static void files(struct pool_rig *rig, uint16_t node, const char *dir, int count)
{
	rig_mkdir(rig, node, dir);
	for (int i = 0; i < count; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "%s/%d", dir, i);
		rig_put(rig, node, path, dir);
	}
}

/* 1 - 2 - 3, no cable between 1 and 3: node 2 hands on, in both directions. */
static void test_chain(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 3);
	rig_link(&rig, 1, 2);
	rig_link(&rig, 2, 3);
	files(&rig, 1, "/a", 20);
	files(&rig, 3, "/c", 20);
	rig_settle(&rig);
	rig_expect(&rig, 3, "/a/19", "/a");
	rig_expect(&rig, 1, "/c/19", "/c");
	/* Live, too. */
	rig_put(&rig, 1, "/late", "1");
	rig_settle(&rig);
	rig_expect(&rig, 3, "/late", "1");
	pool_rig_done(&rig);
}

/* All hear each other: nobody hands on, so each batch goes once to each. */
static void test_no_relay(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 3);
	rig_link_all(&rig);
	rig_settle(&rig);
	uint64_t before = rig.sent[MESSAGE_BATCH_BRIEF];
	rig_put(&rig, 1, "/f", "x");
	assert_int_equal(commit_seal(rig.nodes[1].p), 0);
	rig_settle(&rig);
	assert_int_equal(rig.sent[MESSAGE_BATCH_BRIEF] - before, 2);
	/* Node 3 comes back: node 2 waits for node 1 to serve what node 1 wrote. */
	rig_cut(&rig, 1, 3);
	rig_cut(&rig, 2, 3);
	rig_put(&rig, 1, "/g", "x");
	rig_run(&rig);
	before = rig.sent[MESSAGE_BATCH_BRIEF];
	rig_link(&rig, 2, 3);
	rig_link(&rig, 1, 3);
	rig_settle(&rig);
	assert_int_equal(rig.sent[MESSAGE_BATCH_BRIEF] - before, 1);
	rig_expect(&rig, 3, "/g", "x");
	pool_rig_done(&rig);
}

/* A node of the first release, whose greeting ends before it says what it reads, gets whole
 * batches, also of what others had in brief. */
static void test_first_release(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 3);
	rig_link_all(&rig);
	do {
		if (rig.first->from == 2 && rig.first->type == MESSAGE_POOL_HELLO)
			rig.first->size -= 4;
	} while (rig_deliver(&rig) && rig.first);
	rig_put(&rig, 1, "/f", "x");
	rig_put(&rig, 3, "/g", "y");
	rig_settle(&rig);
	assert_int_equal(rig.sent[MESSAGE_BATCH], 2);
	assert_int_equal(rig.sent[MESSAGE_BATCH_BRIEF], 2);
	rig_expect(&rig, 2, "/f", "x");
	rig_expect(&rig, 2, "/g", "y");
	pool_rig_done(&rig);
}

/* The first message of one to another, out of the queue. */
static struct rig_message *take_message(struct pool_rig *rig, uint16_t from, uint16_t to)
{
	struct rig_message **at = &rig->first;

	while (*at && ((*at)->from != from || (*at)->to != to))
		at = &(*at)->next;
	struct rig_message *m = *at;
	assert_non_null(m);
	*at = m->next;
	return m;
}

/* Batches that wait for others do not break the chain of those behind them. */
static void test_brief_behind_one_that_waits(void **state)
{
	static const char *const texts[] = {"one", "two", "last"};
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 3);
	rig_link_all(&rig);
	rig_settle(&rig);
	/* Node 3 gets what node 2 wrote on top of node 1's file before that file itself. */
	rig_put(&rig, 1, "/f", "x");
	assert_int_equal(commit_seal(rig.nodes[1].p), 0);
	struct rig_message *late = take_message(&rig, 1, 3);
	for (int i = 0; i < 3; i++) {
		while (rig_deliver(&rig))
			;
		rig_put(&rig, 2, "/f", texts[i]);
		assert_int_equal(commit_seal(rig.nodes[2].p), 0);
	}
	while (rig_deliver(&rig))
		;
	assert_false(rig_there(&rig, 3, "/f"));
	late->next = rig.first;
	rig.first = late;
	while (rig_deliver(&rig))
		;
	rig_expect(&rig, 3, "/f", "last");
	rig_settle(&rig);
	pool_rig_done(&rig);
}

/* The writer is gone for good: who has its batches hands them on. */
static void test_writer_gone(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 3);
	rig_link(&rig, 1, 2);
	files(&rig, 1, "/a", 5);
	rig_run(&rig);
	rig_kill(&rig, 1);
	rig_link(&rig, 2, 3);
	rig_settle(&rig);
	rig_expect(&rig, 3, "/a/4", "/a");
	/* It comes back, and nothing was invented in its name. */
	rig_put(&rig, 3, "/a/4", "changed");
	rig_start(&rig, 1);
	rig_link_all(&rig);
	rig_settle(&rig);
	rig_expect(&rig, 1, "/a/4", "changed");
	pool_rig_done(&rig);
}

/* The cable between 1 and 3 goes while both have one to 2: what 3 lacks comes by 2. */
static void test_cable_lost(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 3);
	rig_link_all(&rig);
	rig_settle(&rig);
	rig_put(&rig, 1, "/f", "x");
	assert_int_equal(commit_seal(rig.nodes[1].p), 0);
	rig_cut(&rig, 1, 3); /* the batch for node 3 is lost with it */
	rig_put(&rig, 1, "/g", "x");
	rig_settle(&rig);
	rig_expect(&rig, 3, "/f", "x");
	rig_expect(&rig, 3, "/g", "x");
	pool_rig_done(&rig);
}

/* A queue of two messages: sending stops and goes on, by log and by state. */
static void test_full_queue(void **state)
{
	(void)state;
	for (int by_state = 0; by_state < 2; by_state++) {
		struct pool_rig rig;

		pool_rig_init(&rig, 2);
		rig.queue_max = 2;
		for (int i = 0; i < 12; i++) {
			char dir[16];
			(void)snprintf(dir, sizeof(dir), "/%d", i);
			files(&rig, 1, dir, 5);
			assert_int_equal(commit_seal(rig.nodes[1].p), 0);
		}
		static uint8_t large[1000000];
		rig_put_bytes(&rig, 1, "/large", large, sizeof(large));
		if (by_state)
			rig_forget_log(&rig, 1);
		rig_link_all(&rig);
		rig_settle(&rig);
		assert_int_equal(rig.sent[MESSAGE_CATCHUP_END], by_state);
		/* And live. */
		for (int i = 0; i < 8; i++) {
			rig_append_text(&rig, 1, "/3/3", "+");
			assert_int_equal(commit_seal(rig.nodes[1].p), 0);
		}
		rig_settle(&rig);
		rig_expect(&rig, 2, "/3/3", "/3++++++++");
		pool_rig_done(&rig);
	}
}

/* The journal lets go of what a slow peer was to get next: it is served from elsewhere, not held.
 */
static void test_log_lost_meanwhile(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 2);
	rig_link_all(&rig);
	rig_settle(&rig);
	rig_cut_all(&rig);
	for (int i = 0; i < 10; i++) {
		rig_append_text(&rig, 1, "/f", "x");
		assert_int_equal(commit_seal(rig.nodes[1].p), 0);
	}
	rig.queue_max = 1;
	rig_link_all(&rig);
	struct session *s = rig.nodes[1].p->sessions[0];
	for (int i = 0; i < 100 && s->state != SESSION_LOG; i++)
		assert_true(rig_deliver(&rig));
	s->cursor = 1; /* as far behind as can be */
	while (s->cursor == 1 && rig_deliver(&rig))
		assert_int_not_equal(s->state, SESSION_HELD);
	assert_int_not_equal(s->cursor, 1);
	assert_int_not_equal(s->state, SESSION_HELD);
	rig_settle(&rig);
	rig_expect(&rig, 2, "/f", "xxxxxxxxxx");
	pool_rig_done(&rig);
}

/* The receiver of a state ends after each message of it, comes back and is filled all the same. */
static void test_state_interrupted(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 2);
	files(&rig, 1, "/a", 3);
	files(&rig, 2, "/a", 4);
	rig_put(&rig, 1, "/a/0", "of node 1");
	rig_run(&rig);
	for (int messages = 0; messages < 16; messages++) {
		rig_forget_log(&rig, 1);
		rig_link_all(&rig);
		for (int i = 0; i < messages; i++)
			(void)rig_deliver(&rig);
		rig_kill(&rig, 1 + (uint16_t)(messages % 2));
		rig_start(&rig, 1 + (uint16_t)(messages % 2));
	}
	rig_link_all(&rig);
	rig_settle(&rig);
	rig_expect(&rig, 2, "/a/3", "/a");
	pool_rig_done(&rig);
}

/* A state that was got as a state tells all of it: also what was removed, by whom nobody asks. */
static void test_state_of_state(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 4);
	rig_link_all(&rig);
	files(&rig, 1, "/a", 4);
	rig_put(&rig, 1, "/f", "old");
	assert_int_equal(rig_hard_link(&rig, 1, "/f", "/h"), 0);
	rig_settle(&rig);
	rig_cut_all(&rig);
	assert_int_equal(rig_unlink(&rig, 1, "/a/1"), 0);
	assert_int_equal(rig_unlink(&rig, 1, "/f"), 0);
	assert_int_equal(rig_rename(&rig, 1, "/a/2", "/a/3", 0), 0);
	assert_int_equal(rig_rename(&rig, 1, "/a", "/b", 0), 0);
	rig_put(&rig, 1, "/b/0", "new");
	/* From 1 to 2, from 2 to 3, from 3 to 4, each time by state. */
	for (uint16_t i = 1; i < 4; i++) {
		rig_forget_log(&rig, i);
		rig_link(&rig, i, i + 1);
		rig_run(&rig);
		rig_cut(&rig, i, i + 1);
	}
	for (uint16_t i = 1; i <= 4; i++) {
		rig_check(&rig, i);
		rig_expect(&rig, i, "/b/0", "new");
		assert_false(rig_there(&rig, i, "/b/1"));
		assert_false(rig_there(&rig, i, "/b/2"));
		assert_false(rig_there(&rig, i, "/f"));
		rig_expect(&rig, i, "/h", "old");
	}
	rig_link_all(&rig);
	rig_settle(&rig);
	pool_rig_done(&rig);
}

/* Conflicts of three writers, met in each order. */
static void test_three_writers(void **state)
{
	static const uint16_t orders[][2] = {{1, 2}, {2, 3}, {1, 3}};

	(void)state;
	for (size_t o = 0; o < 3; o++) {
		for (int by_state = 0; by_state < 2; by_state++) {
			struct pool_rig rig;

			pool_rig_init(&rig, 3);
			rig_link_all(&rig);
			rig_put(&rig, 1, "/f", "old");
			rig_settle(&rig);
			rig_cut_all(&rig);
			rig_put(&rig, 1, "/f", "A");
			rig_put(&rig, 2, "/f", "B");
			rig_put(&rig, 3, "/f", "C");
			rig_mkdir(&rig, 1, "/d");
			rig_put(&rig, 2, "/d", "file");
			rig_mkdir(&rig, 3, "/d");
			for (uint16_t n = 1; by_state && n <= 3; n++)
				rig_forget_log(&rig, n);
			rig_link(&rig, orders[o][0], orders[o][1]);
			rig_run(&rig);
			rig_link_all(&rig);
			rig_settle(&rig);
			rig_expect(&rig, 1, "/f", "C");
			assert_int_equal(rig_count(&rig, 2, "/", "f.conflict-"), 2);
			assert_int_equal(rig_count(&rig, 3, "/", "d.conflict-"), 1);
			pool_rig_done(&rig);
		}
	}
}

/* The index's value "position", as the manual page has it. */
static void test_position_golden(void **state)
{
	uint8_t golden[HEX_FILE_MAX], chain[HASH_SIZE];
	AUTO_FREE uint8_t *bytes = NULL;
	struct pool_rig rig;
	size_t size, length = hex_file_read("index-position", golden);

	(void)state;
	pool_rig_init(&rig, 1);
	struct pool *p = rig.nodes[1].p;
	memset(chain, 0x11, sizeof(chain));
	assert_int_equal(position_set(&p->position, 64, 5, chain), 0);
	memset(chain, 0x22, sizeof(chain));
	assert_int_equal(position_set(&p->position, 449, 0xa1b2c3d4e5, chain), 0);
	assert_int_equal(vector_raise(&p->log_floor, 449, 0xa1b2c3d4e4), 0);
	assert_int_equal(commit_flush(p), 0);
	assert_int_equal(index_value_get(p->ix, "position", &bytes, &size), 0);
	assert_int_equal(size, length);
	assert_memory_equal(bytes, golden, size);
	/* And back. */
	rig_kill(&rig, 1);
	rig_start(&rig, 1);
	p = rig.nodes[1].p;
	assert_true(p->position.vector.count == 2 && vector_get(&p->position.vector, 64) == 5);
	assert_memory_equal(p->position.chains[1], chain, HASH_SIZE);
	assert_true(vector_get(&p->log_floor, 449) == 0xa1b2c3d4e4);
	pool_rig_done(&rig);
}

/* What a node writes while its clock is a year ahead carries no stamps of next year: the others
 * take it when the clock is right again, and it wins over nothing that comes later. */
static void test_clock_ahead(void **state)
{
	const int64_t year_ms = INT64_C(365) * 86400000;
	struct pool_rig rig;

	(void)state;
	for (int restart = 0; restart < 2; restart++) {
		pool_rig_init(&rig, 2);
		rig_link_all(&rig);
		rig_put(&rig, 1, "/f", "before");
		rig_put(&rig, 2, "/h", "of node 2");
		rig_settle(&rig);
		rig_cut_all(&rig);
		if (restart) {
			rig_stop(&rig, 1);
			rig_start(&rig, 1);
			session_expect(rig.nodes[1].p, 2);
		}
		rig_set_clock(year_ms);
		rig_put(&rig, 1, "/f", "in another year");
		rig_wait(1000);
		rig_put(&rig, 1, "/g", "in another year");
		rig_set_clock(-year_ms);
		rig_wait(5000);
		rig_put(&rig, 2, "/f", "later");
		rig_link_all(&rig);
		rig_settle(&rig);
		rig_expect(&rig, 2, "/g", "in another year");
		rig_expect(&rig, 1, "/f", "later"); /* the other one is beside it */
		assert_int_equal(rig_count(&rig, 1, "/", "conflict"), 1);
		pool_rig_done(&rig);
	}
}

/* Nobody else has a say in a pool of one node: its own clock counts, whatever it did before. */
static void test_clock_alone(void **state)
{
	struct pool_rig rig;

	(void)state;
	pool_rig_init(&rig, 1);
	rig_put(&rig, 1, "/f", "x");
	rig_settle(&rig);
	rig_stop(&rig, 1);
	rig_wait(1000);
	rig_start(&rig, 1);
	rig_set_clock(86400000);
	rig_put(&rig, 1, "/g", "x");
	assert_int_equal(commit_seal(rig.nodes[1].p), 0);
	assert_true(
		seq_to_wall(vector_get(&rig.nodes[1].p->position.vector, rig.nodes[1].p->slot)) >
		clock_wall_ns() - INT64_C(60000000000));
	pool_rig_done(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_clock_ahead),
		cmocka_unit_test(test_clock_alone),
		cmocka_unit_test(test_position_golden),
		cmocka_unit_test(test_no_relay),
		cmocka_unit_test(test_first_release),
		cmocka_unit_test(test_brief_behind_one_that_waits),
		cmocka_unit_test(test_writer_gone),
		cmocka_unit_test(test_cable_lost),
		cmocka_unit_test(test_full_queue),
		cmocka_unit_test(test_log_lost_meanwhile),
		cmocka_unit_test(test_state_interrupted),
		cmocka_unit_test(test_state_of_state),
		cmocka_unit_test(test_three_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
