/* links: tests/lib/pool_rig.c tests/lib/pool_rig_calls.c tests/sim/store_*.c replication/[a-z]*.c
 *        !replication/pools.c core/[a-z]*.c !core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * The rules by which all nodes reach the same verdict, one row each; no tree, no journal, no peer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "replication/alive.h"
#include "replication/apply.h"
#include "replication/claim.h"
#include "replication/content.h"
#include "replication/equal.h"
#include "replication/losers.h"
#include "replication/place.h"
#include "replication/session.h"
#include "replication/worker.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* Stamps of the nodes 1, 2, 3. */
#define A(seq) (UINT64_C(64) << STAMP_SEQ_BITS | (seq))
#define B(seq) (UINT64_C(128) << STAMP_SEQ_BITS | (seq))
#define C(seq) (UINT64_C(192) << STAMP_SEQ_BITS | (seq))

/* Rename against rmdir: the directory stays. */
static void test_unlink_holds(void **state)
{
	static const struct {
		const char *rule;
		bool dead;
		stamp_t place;
		bool holds;
	} rows[] = {
		{"a directory", false, A(5), true},
		{"moved since", false, B(7), false},
		{"moved before, in its eyes too", false, B(4), true},
		{"removed already", true, A(5), false},
	};
	struct record_link seen = {.seen_place = A(5)};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct dentry l = {.stamp = rows[i].place, .dead = rows[i].dead};

		if (unlink_holds(&l, &seen) != rows[i].holds)
			fail_msg("%s", rows[i].rule);
	}
}

/* Of several names: which are shown, given what was removed and which contents count. */
static void test_alive(void **state)
{
	static const struct {
		const char *rule;
		bool removed[2];
		bool obsolete;
		stamp_t leaf;
		bool shown[2];
	} rows[] = {
		{"both are there", {false, false}, false, 0, {true, true}},
		{"one went", {true, false}, false, 0, {false, true}},
		{"both went, and the content with them", {true, true}, true, 0, {false, false}},
		{"both went, the content stays: the later", {true, true}, false, 0, {false, true}},
		{"both went, another content is there", {true, true}, true, B(7), {false, true}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct leaf leaf = {.stamp = rows[i].leaf};
		struct dentry l[2] = {{.lid = A(1), .stamp = A(4), .removed = rows[i].removed[0]},
				      {.lid = A(2), .stamp = A(5), .removed = rows[i].removed[1]}};
		struct object o = {.type = S_IFREG,
				   .obsolete = rows[i].obsolete,
				   .content = A(6),
				   .leaves = &leaf,
				   .leaf_count = leaf.stamp != 0,
				   .links = l,
				   .link_count = 2};

		for (size_t k = 0; k < 2; k++) {
			if (alive_wants(&o, &l[k]) != rows[i].shown[k])
				fail_msg("%s: name %zu", rows[i].rule, k);
		}
	}
}

/* Which names of an object are shown: two of them, the second moved later. A content that went
 * knowingly counts no more when this is asked. */
static const struct {
	const char *rule;
	mode_t type;
	bool removed[2];
	bool obsolete;
	stamp_t leaf;
	bool wants[2];
} alive_rows[] = {
	{"nothing was removed", S_IFREG, {0, 0}, 0, 0, {true, true}},
	{"the earlier of two", S_IFREG, {1, 0}, 0, 0, {false, true}},
	{"the later of two", S_IFREG, {0, 1}, 0, 0, {true, false}},
	{"both, a content counts: the latest stays", S_IFREG, {1, 1}, 0, 0, {false, true}},
	{"both, one beside it counts", S_IFREG, {1, 1}, 1, B(3), {false, true}},
	{"both, nothing counts", S_IFREG, {1, 1}, 1, 0, {false, false}},
	{"a name that was not removed needs none", S_IFREG, {1, 0}, 1, 0, {false, true}},
	{"a symlink has no content", S_IFLNK, {1, 1}, 0, 0, {false, false}},
	{"one name of a symlink", S_IFLNK, {0, 1}, 0, 0, {true, false}},
};

static void test_alive_wants(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(alive_rows); i++) {
		struct dentry links[2] = {{.stamp = A(4)}, {.stamp = B(5)}};
		struct leaf leaf = {.stamp = alive_rows[i].leaf};
		struct object o = {.type = alive_rows[i].type,
				   .obsolete = alive_rows[i].obsolete,
				   .content = A(6),
				   .links = links,
				   .link_count = 2,
				   .leaves = &leaf,
				   .leaf_count = leaf.stamp != 0};

		links[0].removed = alive_rows[i].removed[0];
		links[1].removed = alive_rows[i].removed[1];
		if (alive_wants(&o, &links[0]) != alive_rows[i].wants[0] ||
		    alive_wants(&o, &links[1]) != alive_rows[i].wants[1])
			fail_msg("%s", alive_rows[i].rule);
		/* One shown or not: whether another is does not ask for this one. */
		links[0].dead = true;
		assert_true(alive_elsewhere(&o, &links[0]) && !alive_elsewhere(&o, &links[1]));
	}
}

/* Two that want one name. */
static void test_claim_wins(void **state)
{
	static const struct {
		const char *rule;
		mode_t a, b;
		stamp_t al, bl;
		bool wins;
	} rows[] = {
		{"the later move", S_IFREG, S_IFREG, A(9), B(5), true},
		{"not the earlier", S_IFREG, S_IFREG, A(5), B(9), false},
		{"the higher slot breaks a tie", S_IFREG, S_IFREG, B(5), A(5), true},
		{"and not the lower", S_IFREG, S_IFREG, A(5), B(5), false},
		{"a directory keeps its path", S_IFDIR, S_IFREG, A(1), B(9), true},
		{"against all that are none", S_IFLNK, S_IFDIR, B(9), A(1), false},
		{"a FIFO is like a file", S_IFIFO, S_IFREG, A(9), B(5), true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct object a = {.type = rows[i].a}, b = {.type = rows[i].b};
		struct dentry al = {.stamp = rows[i].al}, bl = {.stamp = rows[i].bl};

		if (claim_wins(&a, &al, &b, &bl) != rows[i].wins)
			fail_msg("%s", rows[i].rule);
		/* One of the two always, and not both. */
		assert_true(claim_wins(&b, &bl, &a, &al) != rows[i].wins);
	}
	/* Two names of one exchange: one of them, on all nodes the same. */
	struct object o = {.type = S_IFREG};
	struct dentry x = {.lid = 1, .stamp = A(5)}, y = {.lid = 2, .stamp = A(5)};
	assert_true(claim_wins(&o, &y, &o, &x) && !claim_wins(&o, &x, &o, &y));
}

/* Which content is to be shown, and which is fetched next. */
static void test_content_wanted(void **state)
{
	static const struct {
		const char *rule;
		bool obsolete;
		stamp_t content;
		struct leaf leaves[3];
		size_t count;
		stamp_t wanted;
	} rows[] = {
		{"all is here", false, A(5), {{0}}, 0, 0},
		{"a loser is here", false, A(5), {{B(3), true}}, 1, 0},
		{"a loser is missing", false, A(5), {{B(3), false}}, 1, B(3)},
		{"the winner is missing", false, A(5), {{B(7), false}}, 1, B(7)},
		{"the winner first", false, A(5), {{A(2), false}, {B(7), false}}, 2, B(7)},
		{"the winner lies in a branch", false, A(5), {{B(7), true}}, 1, B(7)},
		{"what is here does not count", true, A(9), {{B(7), false}}, 1, B(7)},
		{"the latest that does", true, A(9), {{A(3), true}, {B(7), false}}, 2, B(7)},
		{"nothing counts", true, A(9), {{0}}, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct leaf leaves[3] = {rows[i].leaves[0], rows[i].leaves[1], rows[i].leaves[2]};
		struct object o = {.type = S_IFREG,
				   .obsolete = rows[i].obsolete,
				   .content = rows[i].content,
				   .leaves = leaves,
				   .leaf_count = rows[i].count};

		if (content_wanted(&o) != rows[i].wanted)
			fail_msg("%s", rows[i].rule);
	}
}

/* Who hands on what: node 1 to node 2, which lives under its second slot. */
static void test_send_eligible(void **state)
{
	static const struct {
		const char *rule;
		uint16_t slot;
		bool relays, hears_3, eligible;
	} rows[] = {
		{"our own, at once", 1 * 64, false, false, true},
		{"our own of an earlier life", 1 * 64 + 1, false, true, true},
		{"of others not at once", 3 * 64, false, false, false},
		{"of others that it does not hear", 3 * 64, true, false, true},
		{"not of those that it hears", 3 * 64, true, true, false},
		{"not what it wrote itself", 2 * 64 + 1, true, false, false},
		{"but what it lost of its earlier life", 2 * 64, true, false, true},
		{"not at once, either", 2 * 64, false, false, false},
	};
	static struct session s = {.node = 2, .their_slot = 2 * 64 + 1};
	struct pool *p = calloc(1, sizeof(*p));

	(void)state;
	assert_non_null(p);
	p->node = 1;
	for (size_t i = 0; i < COUNT(rows); i++) {
		s.relays = rows[i].relays;
		s.connected[0] = rows[i].hears_3 ? 1u << 3 : 0;
		if (send_eligible(p, &s, rows[i].slot) != rows[i].eligible)
			fail_msg("%s", rows[i].rule);
	}
	free(p);
}

static void test_by_state(void **state)
{
	static const struct {
		const char *rule;
		bool reaches, lacks;
		uint64_t missed;
		bool by_state;
	} rows[] = {
		{"nothing is missing", true, false, 0, false},
		{"nothing is missing, and the log is long gone", false, false, 0, false},
		{"nothing is missing, though it seemed much", true, false, 101, false},
		{"a little, and the log has it", true, true, 10, false},
		{"as much as may be", true, true, 100, false},
		{"more: many changes of one object go as one", true, true, 101, true},
		{"the log does not reach back", false, true, 10, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (session_by_state(rows[i].reaches, rows[i].lacks, rows[i].missed, 100) !=
		    rows[i].by_state)
			fail_msg("%s", rows[i].rule);
	}
}

/* What is on the way is remembered batch by batch up to a number; beyond it the last entry stands
 * for all that follow, and the sums stay right. */
static void test_unacked_bound(void **state)
{
	static struct session s;

	(void)state;
	for (uint64_t i = 1; i <= SESSION_UNACKED_MAX + 5; i++) {
		struct batch b = {.slot = 64, .last = i, .count = 2};

		send_note(&s, &b, 10);
	}
	assert_int_equal(s.unacked_count, SESSION_UNACKED_MAX);
	const struct unacked *last = &s.unacked[SESSION_UNACKED_MAX - 1];
	assert_true(last->last == A(SESSION_UNACKED_MAX + 5) && last->bytes == 60 &&
		    last->ops == 12);
	assert_true(s.unacked[0].last == A(1) && s.unacked[0].bytes == 10);
	assert_int_equal(s.unacked_bytes, 10 * (SESSION_UNACKED_MAX + 5));
	assert_int_equal(s.unacked_ops, 2 * (SESSION_UNACKED_MAX + 5));
}

static struct pool *lists_new(void)
{
	struct pool *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->node = 1;
	(void)pthread_mutex_init(&p->losers_lock, NULL);
	return p;
}

static void lists_free(struct pool *p)
{
	free(p->losers.pairs);
	free(p->doubts.pairs);
	free(p->merges.pairs);
	(void)pthread_mutex_destroy(&p->losers_lock);
	free(p);
}

static void test_losers(void **state)
{
	struct pool *p = lists_new();
	struct pool *q = lists_new();
	uint8_t *bytes;
	size_t size;
	uint64_t a, b;

	(void)state;
	assert_int_equal(losers_add(p, 10, A(1)), 0);
	assert_int_equal(losers_add(p, 10, A(1)), 0); /* once */
	assert_int_equal(losers_add(p, 10, B(2)), 0);
	assert_int_equal(losers_add(p, 11, C(3)), 0);
	assert_int_equal(p->losers.count, 3);
	/* Only who wrote the losing side looks whether it is one. */
	assert_true(losers_doubt_at(p, 0, &a, &b) && a == 10 && b == A(1));
	assert_false(losers_doubt_at(p, 1, &a, &b));
	losers_doubt_done(p, 10, A(1));
	assert_false(losers_doubt_at(p, 0, &a, &b));
	/* Stored and given back, with what is to be looked at. */
	assert_int_equal(losers_save(p, &bytes, &size), 0);
	assert_int_equal(size, 48);
	assert_int_equal(losers_load(q, bytes, size), 0);
	free(bytes);
	assert_int_equal(q->losers.count, 3);
	assert_true(losers_doubt_at(q, 0, &a, &b) && b == A(1));
	losers_remove(p, 10, A(1));
	losers_remove(p, 10, A(1));
	for (size_t i = 0; losers_at(p, i, &a, &b); i++)
		assert_true((a == 10 && b == B(2)) || (a == 11 && b == C(3)));
	assert_int_equal(p->losers.count, 2);
	lists_free(p);
	lists_free(q);
}

static void test_merges(void **state)
{
	struct pool *p = lists_new();
	uint64_t goes, stays;

	(void)state;
	assert_int_equal(losers_note_merge(p, 5, 4), 0);
	assert_int_equal(losers_note_merge(p, 7, 6), 0);
	assert_int_equal(losers_note_merge(p, 9, 8), 0);
	losers_merge_told(p, 7, 6); /* that one alone */
	losers_merge_told(p, 1, 2);
	assert_true(losers_take_merge(p, &goes, &stays) && goes == 9 && stays == 8);
	assert_true(losers_take_merge(p, &goes, &stays) && goes == 5 && stays == 4);
	assert_false(losers_take_merge(p, &goes, &stays));
	lists_free(p);
}

static void test_losers_bound(void **state)
{
	struct pool *p = lists_new();

	(void)state;
	p->losers.pairs = calloc(LOSERS_MAX, sizeof(p->losers.pairs[0]));
	assert_non_null(p->losers.pairs);
	p->losers.count = LOSERS_MAX;
	assert_int_equal(losers_add(p, 1, A(1)), MA_ELIMIT);
	assert_int_equal(p->losers.count, LOSERS_MAX);
	p->losers.count--;
	assert_int_equal(losers_add(p, 1, A(1)), 0);
	lists_free(p);
}

static void test_pause(void **state)
{
	uint64_t us = SEAL_INTERVAL_US;

	(void)state;
	for (int i = 0; i < 10; i++) {
		uint64_t next = worker_pause(us, true);
		assert_true(next > us || next == SEAL_INTERVAL_MAX_US);
		us = next;
	}
	assert_int_equal(us, SEAL_INTERVAL_MAX_US);
	assert_int_equal(worker_pause(us, false), SEAL_INTERVAL_US);
}

/* While changes go on, acknowledgements become rarer; after a rest the first comes soon. */
static void test_pace(void **state)
{
	uint64_t ms = session_pace(0, 1);
	struct session s = {.acked_ms = 1000, .ack_pace_ms = 400};

	(void)state;
	assert_int_equal(ms, SESSION_ACK_MS);
	for (int i = 0; i < 10; i++) {
		uint64_t next = session_pace(ms, ms);
		assert_true(next > ms || next == SESSION_ACK_MAX_MS);
		ms = next;
	}
	assert_int_equal(ms, SESSION_ACK_MAX_MS);
	assert_int_equal(session_pace(ms, ms + SESSION_CALM_MS), SESSION_ACK_MS);
	s.acked_ms = clock_boot_ms();
	session_owe_within(&s, 0, 10);
	assert_int_equal(s.ack_due_ms, s.acked_ms + SESSION_REST_MS);
	s.acked_ms -= 50;
	s.ack_due_ms--; /* as if it had been owed earlier: a new change puts it off, ... */
	session_owe_within(&s, 0, 10);
	assert_int_equal(s.ack_due_ms, s.acked_ms + 50 + SESSION_REST_MS);
	s.acked_ms -= 150; /* ... but not beyond the pace */
	session_owe_within(&s, 0, 10);
	assert_int_equal(s.ack_due_ms, s.acked_ms + 400);
	s.acked_ms += 200;
	session_owe_within(&s, 0, SESSION_ACK_BYTES); /* much came: the journal waits for it */
	assert_int_equal(s.ack_due_ms, s.acked_ms);
	s.ack_due_ms = 0;
	s.ack_bytes = 0;
	session_owe(&s);
	assert_int_equal(s.ack_due_ms, s.acked_ms);
}

/* Of two moves of one directory. */
static void test_place_later(void **state)
{
	char a[] = "a";
	char b[] = "b";
	const struct {
		const char *rule;
		struct dentry x, y;
	} rows[] = {
		{"the later move", {.stamp = A(9), .name = b}, {.stamp = B(5), .name = a}},
		{"an exchange: the earlier directory",
		 {.stamp = A(5), .parent = 1, .name = b},
		 {.stamp = A(5), .parent = 2, .name = a}},
		{"an exchange in one directory: the lesser name",
		 {.stamp = A(5), .parent = 1, .name = a},
		 {.stamp = A(5), .parent = 1, .name = b}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!place_later(&rows[i].x, &rows[i].y) || place_later(&rows[i].y, &rows[i].x))
			fail_msg("%s", rows[i].rule);
	}
	assert_false(place_later(&rows[0].x, &rows[0].x));
}

/* Removals of a directory, in whichever order they come. */
static void test_removed_dir(void **state)
{
	struct object o = {.type = S_IFDIR};

	(void)state;
	apply_removed_dir(&o, A(9), A(2));
	apply_removed_dir(&o, B(5), B(4));
	assert_true(o.removed == A(9) && o.removed_seen == B(4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alive),          cmocka_unit_test(test_unlink_holds),
		cmocka_unit_test(test_alive_wants),    cmocka_unit_test(test_claim_wins),
		cmocka_unit_test(test_content_wanted), cmocka_unit_test(test_send_eligible),
		cmocka_unit_test(test_by_state),       cmocka_unit_test(test_unacked_bound),
		cmocka_unit_test(test_losers),         cmocka_unit_test(test_merges),
		cmocka_unit_test(test_losers_bound),   cmocka_unit_test(test_pause),
		cmocka_unit_test(test_pace),           cmocka_unit_test(test_place_later),
		cmocka_unit_test(test_removed_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
