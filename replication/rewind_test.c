/* links: tests/lib/pool_rig.c tests/lib/pool_rig_calls.c tests/sim/store_*.c replication/[a-z]*.c
 *        !replication/pools.c core/[a-z]*.c !core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * A node is killed when tree and journal know of changes and the index does not: the writer, or the
 * peer that had just heard of them. Nothing is missing, nothing is left, and both are equal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "core/auto.h"
#include "replication/commit.h"
#include "tests/lib/pool_rig.h"

#define OK(call) assert_int_equal(call, 0)

struct story {
	const char *name;
	void (*change)(struct pool_rig *rig); /* by node 1 */
	void (*after)(struct pool_rig *rig);
};

/* Each change in a batch of its own, which the peer has at once. */
static void tell(struct pool_rig *rig)
{
	OK(commit_seal(rig->nodes[1].p));
	while (rig_deliver(rig))
		;
}

static void put(struct pool_rig *rig, const char *path, const char *text)
{
	rig_put(rig, 1, path, text);
	tell(rig);
}

static void move(struct pool_rig *rig, const char *from, const char *to)
{
	OK(rig_rename(rig, 1, from, to, 0));
	tell(rig);
}

static void drop(struct pool_rig *rig, const char *path)
{
	OK(rig_unlink(rig, 1, path));
	tell(rig);
}

static void make(struct pool_rig *rig, const char *path)
{
	rig_mkdir(rig, 1, path);
	tell(rig);
}

static void drop_dir(struct pool_rig *rig, const char *path)
{
	OK(rig_rmdir(rig, 1, path));
	tell(rig);
}

static void expect(struct pool_rig *rig, const char *path, const char *text)
{
	rig_expect(rig, 1, path, text);
	rig_expect(rig, 2, path, text);
}

static void expect_gone(struct pool_rig *rig, const char *path)
{
	assert_false(rig_there(rig, 1, path));
	assert_false(rig_there(rig, 2, path));
}

/* What is there before: /d/f "f", /d/g "g", /e, and /h another name of /d/g. */
static void before(struct pool_rig *rig)
{
	rig_mkdir(rig, 1, "/d");
	rig_mkdir(rig, 1, "/e");
	rig_put(rig, 1, "/d/f", "f");
	rig_put(rig, 1, "/d/g", "g");
	OK(rig_hard_link(rig, 1, "/d/g", "/h"));
}

static void anew(struct pool_rig *rig)
{
	put(rig, "/d/new", "new");
	rig_append_text(rig, 1, "/d/new", "er");
	tell(rig);
	drop(rig, "/d/new");
	drop(rig, "/d/f");
	drop(rig, "/d/g");
	drop_dir(rig, "/d");
	make(rig, "/d");
	put(rig, "/d/f", "second");
}
static void anew_after(struct pool_rig *rig)
{
	expect(rig, "/d/f", "second");
	expect(rig, "/h", "g");
	expect_gone(rig, "/d/new");
	expect_gone(rig, "/d/g");
}

static void out_of_gone(struct pool_rig *rig)
{
	make(rig, "/e/in");
	put(rig, "/e/in/x", "x");
	move(rig, "/d/f", "/e/in/f");
	rig_append_text(rig, 1, "/e/in/f", "+");
	tell(rig);
	move(rig, "/e/in/f", "/f");
	move(rig, "/e/in/x", "/x");
	drop_dir(rig, "/e/in");
	move(rig, "/e", "/d/e");
	rig_append_text(rig, 1, "/x", "+");
	tell(rig);
}
static void out_of_gone_after(struct pool_rig *rig)
{
	expect(rig, "/f", "f+");
	expect(rig, "/x", "x+");
	assert_true(rig_there(rig, 1, "/d/e"));
	expect_gone(rig, "/e");
}

static void replaced(struct pool_rig *rig)
{
	put(rig, "/d/f~", "second");
	move(rig, "/d/f~", "/d/f");
	put(rig, "/d/f~", "third");
	move(rig, "/d/f~", "/d/f");
	drop(rig, "/d/f");
	move(rig, "/d/g", "/d/f");
}
static void replaced_after(struct pool_rig *rig)
{
	expect(rig, "/d/f", "g");
	expect(rig, "/h", "g");
	assert_int_equal(rig_id(rig, 2, "/d/f"), rig_id(rig, 2, "/h"));
	expect_gone(rig, "/d/f~");
}

static void linked(struct pool_rig *rig)
{
	OK(rig_hard_link(rig, 1, "/d/f", "/e/f"));
	tell(rig);
	drop(rig, "/d/f");
	drop(rig, "/h");
	move(rig, "/d/g", "/h");
	move(rig, "/e/f", "/d/g");
	OK(rig_hard_link(rig, 1, "/d/g", "/d/f"));
	tell(rig);
}
static void linked_after(struct pool_rig *rig)
{
	expect(rig, "/d/f", "f");
	expect(rig, "/d/g", "f");
	expect(rig, "/h", "g");
	expect_gone(rig, "/e/f");
}

static void exchanged(struct pool_rig *rig)
{
	OK(rig_rename(rig, 1, "/d", "/e", RENAME_EXCHANGE));
	tell(rig);
	move(rig, "/d", "/e/d");
	OK(rig_rename(rig, 1, "/e/f", "/h", RENAME_EXCHANGE));
	tell(rig);
	move(rig, "/h", "/f");
}
static void exchanged_after(struct pool_rig *rig)
{
	expect(rig, "/f", "f");
	expect(rig, "/e/f", "g");
	assert_true(rig_there(rig, 2, "/e/d"));
	expect_gone(rig, "/d");
	expect_gone(rig, "/h");
}

static const struct story stories[] = {
	{"a directory removed and made anew", anew, anew_after},
	{"out of a directory that went", out_of_gone, out_of_gone_after},
	{"replaced twice, removed, taken", replaced, replaced_after},
	{"names come and go", linked, linked_after},
	{"exchanged and moved on", exchanged, exchanged_after},
};

static void run(const struct story *s, uint16_t killed)
{
	struct pool_rig rig;

	print_message("%s, node %u is killed\n", s->name, killed);
	pool_rig_init(&rig, 2);
	rig_link_all(&rig);
	before(&rig);
	rig_settle(&rig);
	s->change(&rig);
	rig_kill(&rig, killed);
	rig_start(&rig, killed);
	rig_check(&rig, killed);
	rig_link_all(&rig);
	rig_settle(&rig);
	s->after(&rig);
	pool_rig_done(&rig);
}

static void test_killed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		for (uint16_t killed = 1; killed <= 2; killed++)
			run(&stories[i], killed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
