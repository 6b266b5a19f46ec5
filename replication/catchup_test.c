/* links: tests/lib/pool_rig.c tests/lib/pool_rig_calls.c tests/sim/store_*.c replication/[a-z]*.c
 *        !replication/pools.c core/[a-z]*.c !core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * Two nodes that were apart meet again, by log and by state: both give the same tree, the same
 * proof of it, and lose nothing that was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/auto.h"
#include "net/message.h"
#include "tests/lib/pool_rig.h"

/* How the two meet: each case runs with all of these. */
enum meeting { BY_LOG, FIRST_STATE, SECOND_STATE, BOTH_STATE, MEETINGS };

struct story {
	const char *name;
	void (*before)(struct pool_rig *rig); /* together */
	void (*first)(struct pool_rig *rig);  /* node 1, apart */
	void (*second)(struct pool_rig *rig); /* node 2, apart */
	void (*after)(struct pool_rig *rig);  /* together again: what must be there */
};

#define OK(call) assert_int_equal(call, 0)

static void one_file(struct pool_rig *rig)
{
	rig_put(rig, 1, "/f", "old");
}

static void expect_both(struct pool_rig *rig, const char *path, const char *text)
{
	rig_expect(rig, 1, path, text);
	rig_expect(rig, 2, path, text);
}

static void expect_gone(struct pool_rig *rig, const char *path)
{
	assert_false(rig_there(rig, 1, path));
	assert_false(rig_there(rig, 2, path));
}

/* Exactly one entry of the directory is a conflict, and holds this. */
static void expect_conflict(struct pool_rig *rig, const char *dir, const char *text)
{
	for (uint16_t n = 1; n <= 2; n++) {
		AUTO_FREE char *path = rig_find(rig, n, dir, ".conflict-");
		rig_expect(rig, n, path, text);
	}
}

static void expect_no_conflict(struct pool_rig *rig, const char *dir)
{
	assert_int_equal(rig_count(rig, 1, dir, ".conflict-"), 0);
	assert_int_equal(rig_count(rig, 2, dir, ".conflict-"), 0);
}

/* --- new things --- */
static void new_1(struct pool_rig *rig)
{
	rig_mkdir(rig, 1, "/d");
	rig_put(rig, 1, "/d/f", "one");
	rig_symlink(rig, 1, "/d/s", "f");
	OK(rig_hard_link(rig, 1, "/d/f", "/d/g"));
	OK(rig_set_xattr(rig, 1, "/d/f", "user.a", "value"));
	OK(rig_chmod(rig, 1, "/d/f", 04711));
}
static void new_2(struct pool_rig *rig)
{
	rig_mkdir(rig, 2, "/e");
	rig_put(rig, 2, "/e/f", "two");
}
static void new_after(struct pool_rig *rig)
{
	expect_both(rig, "/d/g", "one");
	expect_both(rig, "/e/f", "two");
}

/* --- content --- */
static void put_a_1(struct pool_rig *rig)
{
	rig_put(rig, 1, "/f", "A");
}
static void put_b_2(struct pool_rig *rig)
{
	rig_put(rig, 2, "/f", "B");
}
static void put_a_2(struct pool_rig *rig)
{
	rig_put(rig, 2, "/f", "A");
}
static void later_shown(struct pool_rig *rig)
{
	expect_both(rig, "/f", "B");
	expect_conflict(rig, "/", "A");
}
static void same_bytes(struct pool_rig *rig)
{
	expect_both(rig, "/f", "A");
	expect_no_conflict(rig, "/");
}
static void append_2(struct pool_rig *rig)
{
	rig_append_text(rig, 2, "/f", "+more");
}
static void append_1(struct pool_rig *rig)
{
	rig_append_text(rig, 1, "/f", "+more");
}
static void append_stays(struct pool_rig *rig)
{
	expect_both(rig, "/f", "old+more");
	expect_no_conflict(rig, "/");
}
static void unlink_1(struct pool_rig *rig)
{
	OK(rig_unlink(rig, 1, "/f"));
}
static void with_xattrs(struct pool_rig *rig)
{
	one_file(rig);
	assert_int_equal(rig_set_xattr(rig, 1, "/f", "user.a", "value"), 0);
	assert_int_equal(rig_set_xattr(rig, 1, "/f", "user.gone", "value"), 0);
	assert_int_equal(rig_remove_xattr(rig, 1, "/f", "user.gone"), 0);
}

static void unlink_2(struct pool_rig *rig)
{
	OK(rig_unlink(rig, 2, "/f"));
}
static void f_gone(struct pool_rig *rig)
{
	expect_gone(rig, "/f");
}
static void chmod_1(struct pool_rig *rig)
{
	OK(rig_chmod(rig, 1, "/f", 0600));
}
static void chmod_2(struct pool_rig *rig)
{
	OK(rig_chmod(rig, 2, "/f", 0660));
}
static void move_1(struct pool_rig *rig)
{
	OK(rig_rename(rig, 1, "/f", "/first", 0));
}
static void move_2(struct pool_rig *rig)
{
	OK(rig_rename(rig, 2, "/f", "/second", 0));
}
static void moved_and_written(struct pool_rig *rig)
{
	expect_both(rig, "/first", "old+more");
	expect_gone(rig, "/f");
	expect_no_conflict(rig, "/");
}
static void moved_later(struct pool_rig *rig)
{
	expect_both(rig, "/second", "old");
	expect_gone(rig, "/first");
	expect_gone(rig, "/f");
}
static void moved_not_removed(struct pool_rig *rig)
{
	expect_both(rig, "/second", "old");
	expect_gone(rig, "/f");
}
static void again_1(struct pool_rig *rig)
{
	OK(rig_unlink(rig, 1, "/f"));
	rig_put(rig, 1, "/f", "anew");
}
static void again_after(struct pool_rig *rig)
{
	/* The old file was written meanwhile; the new one came later under that name. */
	expect_both(rig, "/f", "anew");
	expect_conflict(rig, "/", "old+more");
}

/* --- names --- */
static void both_new_1(struct pool_rig *rig)
{
	rig_put(rig, 1, "/n", "A");
}
static void both_new_2(struct pool_rig *rig)
{
	rig_put(rig, 2, "/n", "B");
}
static void both_new_after(struct pool_rig *rig)
{
	expect_both(rig, "/n", "B");
	expect_conflict(rig, "/", "A");
}
static void both_same_2(struct pool_rig *rig)
{
	rig_put(rig, 2, "/n", "A");
}
static void both_same_after(struct pool_rig *rig)
{
	expect_both(rig, "/n", "A");
	expect_no_conflict(rig, "/");
}
static void dirs_1(struct pool_rig *rig)
{
	rig_mkdir(rig, 1, "/m");
	rig_mkdir(rig, 1, "/m/deep");
	rig_put(rig, 1, "/m/deep/a", "A");
	rig_put(rig, 1, "/m/same", "A");
	OK(rig_chmod(rig, 1, "/m", 0700));
	OK(rig_set_xattr(rig, 1, "/m", "user.one", "1"));
}
static void dirs_2(struct pool_rig *rig)
{
	rig_mkdir(rig, 2, "/m");
	rig_mkdir(rig, 2, "/m/deep");
	rig_put(rig, 2, "/m/deep/b", "B");
	rig_put(rig, 2, "/m/same", "B");
	OK(rig_chmod(rig, 2, "/m", 0750));
	OK(rig_set_xattr(rig, 2, "/m", "user.two", "2"));
}
static void dirs_after(struct pool_rig *rig)
{
	expect_both(rig, "/m/deep/a", "A");
	expect_both(rig, "/m/deep/b", "B");
	expect_both(rig, "/m/same", "B");
	expect_conflict(rig, "/m", "A");
	expect_no_conflict(rig, "/");
	assert_int_equal(rig_id(rig, 1, "/m"), rig_id(rig, 2, "/m"));
}
static void dir_n_1(struct pool_rig *rig)
{
	rig_mkdir(rig, 1, "/n");
	rig_put(rig, 1, "/n/x", "X");
}
static void dir_over_file(struct pool_rig *rig)
{
	expect_both(rig, "/n/x", "X");
	expect_conflict(rig, "/", "B");
}
static void links_n_1(struct pool_rig *rig)
{
	rig_symlink(rig, 1, "/n", "one");
}
static void links_n_2(struct pool_rig *rig)
{
	rig_symlink(rig, 2, "/n", "two");
}

/* --- directories --- */
static void tree(struct pool_rig *rig)
{
	rig_mkdir(rig, 1, "/a");
	rig_mkdir(rig, 1, "/b");
	rig_put(rig, 1, "/a/x", "x");
	rig_put(rig, 1, "/b/y", "y");
}
static void rm_r_1(struct pool_rig *rig)
{
	OK(rig_unlink(rig, 1, "/a/x"));
	OK(rig_rmdir(rig, 1, "/a"));
}
static void inside_2(struct pool_rig *rig)
{
	rig_put(rig, 2, "/a/new", "new");
}
static void path_stays(struct pool_rig *rig)
{
	expect_both(rig, "/a/new", "new");
	expect_gone(rig, "/a/x");
}
static void path_goes(struct pool_rig *rig)
{
	path_stays(rig);
	OK(rig_unlink(rig, 1, "/a/new"));
	rig_settle(rig);
	expect_gone(rig, "/a");
}
static void mv_dir_1(struct pool_rig *rig)
{
	OK(rig_rename(rig, 1, "/a", "/moved", 0));
}
static void mv_dir_2(struct pool_rig *rig)
{
	OK(rig_rename(rig, 2, "/a", "/b/moved", 0));
}
static void inside_moved(struct pool_rig *rig)
{
	expect_both(rig, "/moved/new", "new");
	expect_both(rig, "/moved/x", "x");
	expect_gone(rig, "/a");
}
static void dir_later(struct pool_rig *rig)
{
	expect_both(rig, "/b/moved/x", "x");
	expect_gone(rig, "/moved");
}
static void chmod_dir_2(struct pool_rig *rig)
{
	OK(rig_chmod(rig, 2, "/a", 0711));
}
static void a_gone(struct pool_rig *rig)
{
	expect_gone(rig, "/a");
}
static void rm_moved_2(struct pool_rig *rig)
{
	OK(rig_rename(rig, 2, "/a/x", "/b/x", 0));
}
static void moved_out(struct pool_rig *rig)
{
	expect_both(rig, "/b/x", "x");
	expect_gone(rig, "/a");
}

/* --- replacing --- */
static void two_files(struct pool_rig *rig)
{
	rig_put(rig, 1, "/f", "old");
	rig_put(rig, 1, "/g", "other");
}
static void replace_1(struct pool_rig *rig)
{
	OK(rig_rename(rig, 1, "/g", "/f", 0));
}
static void replaced(struct pool_rig *rig)
{
	expect_both(rig, "/f", "other");
	expect_gone(rig, "/g");
	expect_no_conflict(rig, "/");
}
static void replaced_written(struct pool_rig *rig)
{
	expect_both(rig, "/f", "other");
	expect_gone(rig, "/g");
	expect_conflict(rig, "/", "old+more");
}
static void replaced_moved(struct pool_rig *rig)
{
	expect_both(rig, "/f", "other");
	expect_both(rig, "/second", "old");
}
static void link_and_file(struct pool_rig *rig)
{
	rig_symlink(rig, 1, "/f", "target");
	rig_put(rig, 1, "/g", "other");
}
static void exchange_1(struct pool_rig *rig)
{
	OK(rig_rename(rig, 1, "/f", "/g", RENAME_EXCHANGE));
}
static void exchange_2(struct pool_rig *rig)
{
	OK(rig_rename(rig, 2, "/f", "/g", RENAME_EXCHANGE));
}
static void exchanged(struct pool_rig *rig)
{
	expect_both(rig, "/f", "other");
	expect_both(rig, "/g", "old");
}
static void conflict_of_f(struct pool_rig *rig)
{
	two_files(rig);
	rig_settle(rig);
	rig_cut_all(rig);
	rig_put(rig, 1, "/f", "A");
	rig_wait(5);
	rig_put(rig, 2, "/f", "B");
	rig_link_all(rig);
	rig_settle(rig);
	expect_conflict(rig, "/", "A");
}
static void conflict_follows(struct pool_rig *rig)
{
	expect_both(rig, "/first", "B");
	expect_conflict(rig, "/", "A");
	assert_int_equal(rig_count(rig, 1, "/", "first.conflict-"), 1);
}
static void conflict_follows_exchange(struct pool_rig *rig)
{
	expect_both(rig, "/g", "B");
	expect_both(rig, "/f", "other");
	expect_conflict(rig, "/", "A");
	assert_int_equal(rig_count(rig, 1, "/", "g.conflict-"), 1);
}
static void drop_conflict_1(struct pool_rig *rig)
{
	AUTO_FREE char *path = rig_find(rig, 1, "/", ".conflict-");

	OK(rig_unlink(rig, 1, path));
}
static void drop_conflict_2(struct pool_rig *rig)
{
	AUTO_FREE char *path = rig_find(rig, 2, "/", ".conflict-");

	OK(rig_unlink(rig, 2, path));
}
static void conflict_dropped(struct pool_rig *rig)
{
	expect_both(rig, "/f", "B");
	expect_no_conflict(rig, "/");
}
static void take_conflict_1(struct pool_rig *rig)
{
	AUTO_FREE char *path = rig_find(rig, 1, "/", ".conflict-");

	OK(rig_rename(rig, 1, path, "/kept", 0));
}
static void conflict_taken(struct pool_rig *rig)
{
	expect_both(rig, "/f", "B");
	expect_both(rig, "/kept", "A");
	expect_no_conflict(rig, "/");
}
static void unlink_shown(struct pool_rig *rig)
{
	expect_gone(rig, "/f");
	expect_conflict(rig, "/", "A");
}
static void write_conflict_after(struct pool_rig *rig)
{
	expect_both(rig, "/f", "B+more");
	expect_conflict(rig, "/", "A");
}

/* --- several names of one object --- */
static void hard(struct pool_rig *rig)
{
	rig_put(rig, 1, "/f", "old");
	OK(rig_hard_link(rig, 1, "/f", "/h"));
}
static void hard_after(struct pool_rig *rig)
{
	expect_both(rig, "/h", "old+more");
	expect_both(rig, "/f", "old+more");
}
static void hard_unlinked(struct pool_rig *rig)
{
	expect_gone(rig, "/f");
	expect_both(rig, "/h", "old");
}
static void unlink_h_2(struct pool_rig *rig)
{
	OK(rig_unlink(rig, 2, "/h"));
}
static void all_gone(struct pool_rig *rig)
{
	expect_gone(rig, "/f");
	expect_gone(rig, "/h");
}
static void link_again_2(struct pool_rig *rig)
{
	OK(rig_hard_link(rig, 2, "/f", "/third"));
}
static void third_stays(struct pool_rig *rig)
{
	expect_gone(rig, "/f");
	expect_both(rig, "/third", "old");
}
static void unlink_all_1(struct pool_rig *rig)
{
	OK(rig_unlink(rig, 1, "/f"));
	OK(rig_unlink(rig, 1, "/h"));
}
static void third_after_all(struct pool_rig *rig)
{
	expect_gone(rig, "/f");
	expect_gone(rig, "/h");
	expect_both(rig, "/third", "old");
}

/* --- attributes --- */
static void xattrs(struct pool_rig *rig)
{
	rig_put(rig, 1, "/f", "old");
	OK(rig_set_xattr(rig, 1, "/f", "user.a", "1"));
	OK(rig_set_xattr(rig, 1, "/f", "user.b", "1"));
	OK(rig_set_xattr(rig, 1, "/f", "user.c", "1"));
}
static void xattrs_1(struct pool_rig *rig)
{
	OK(rig_set_xattr(rig, 1, "/f", "user.a", "first"));
	OK(rig_remove_xattr(rig, 1, "/f", "user.b"));
	OK(rig_set_xattr(rig, 1, "/f", "user.c", "first"));
	OK(rig_set_xattr(rig, 1, "/f", "user.d", "first"));
}
static void xattrs_2(struct pool_rig *rig)
{
	OK(rig_set_xattr(rig, 2, "/f", "user.a", "second"));
	OK(rig_remove_xattr(rig, 2, "/f", "user.c"));
	OK(rig_set_xattr(rig, 2, "/f", "user.e", "second"));
}
static void expect_xattr(struct pool_rig *rig, const char *path, const char *name,
			 const char *value)
{
	for (uint16_t n = 1; n <= 2; n++) {
		char got[64] = "";
		ssize_t size = pool_getxattr(rig->nodes[n].p, rig_id(rig, n, path), name, got,
					     sizeof(got) - 1);
		if (!value)
			assert_int_equal(size, -ENODATA);
		else
			assert_string_equal(got, value);
	}
}
static void xattrs_after(struct pool_rig *rig)
{
	expect_xattr(rig, "/f", "user.a", "second");
	expect_xattr(rig, "/f", "user.b", NULL);
	expect_xattr(rig, "/f", "user.c", NULL);
	expect_xattr(rig, "/f", "user.d", "first");
	expect_xattr(rig, "/f", "user.e", "second");
}
static void xattrs_stay(struct pool_rig *rig)
{
	expect_xattr(rig, "/f", "user.a", "value");
	expect_xattr(rig, "/f", "user.gone", NULL);
}

static void setxattr_and_write_2(struct pool_rig *rig)
{
	assert_int_equal(rig_set_xattr(rig, 2, "/f", "user.b", "new"), 0);
	append_2(rig);
}

static void both_xattrs_stay(struct pool_rig *rig)
{
	expect_xattr(rig, "/f", "user.a", "value");
	expect_xattr(rig, "/f", "user.b", "new");
}

static void chmod_after(struct pool_rig *rig)
{
	for (uint16_t n = 1; n <= 2; n++) {
		struct stat st;
		OK(pool_getattr(rig->nodes[n].p, rig_id(rig, n, "/f"), &st));
		assert_int_equal(st.st_mode & 07777, 0660);
	}
}
static void xattr_2(struct pool_rig *rig)
{
	OK(rig_set_xattr(rig, 2, "/f", "user.new", "x"));
}

/* --- large ones --- */
static uint8_t large[400000];
static void large_file(struct pool_rig *rig)
{
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)(i * 7 + i / 251);
	rig_put_bytes(rig, 1, "/f", large, sizeof(large));
}
static void large_1(struct pool_rig *rig)
{
	rig_append_text(rig, 1, "/f", "A");
}
static void large_2(struct pool_rig *rig)
{
	rig_append_text(rig, 2, "/f", "B");
}
static void large_after(struct pool_rig *rig)
{
	assert_int_equal(rig_count(rig, 1, "/", "f.conflict-"), 1);
}

/* --- a directory that is removed and made anew --- */
static void full_dir(struct pool_rig *rig)
{
	rig_mkdir(rig, 1, "/d");
	rig_put(rig, 1, "/d/f", "old");
	rig_put(rig, 1, "/d/g", "old too");
}
static void anew_1(struct pool_rig *rig)
{
	OK(rig_unlink(rig, 1, "/d/f"));
	OK(rig_unlink(rig, 1, "/d/g"));
	OK(rig_rmdir(rig, 1, "/d"));
	rig_mkdir(rig, 1, "/d");
	rig_put(rig, 1, "/d/f", "new");
}
static void anew_after(struct pool_rig *rig)
{
	expect_both(rig, "/d/f", "new");
	expect_gone(rig, "/d/g");
}
/* Files go round, one over the other. */
static void round_1(struct pool_rig *rig)
{
	rig_put(rig, 1, "/d/h", "third");
	OK(rig_rename(rig, 1, "/d/f", "/d/g", 0));
	OK(rig_rename(rig, 1, "/d/h", "/d/f", 0));
	OK(rig_unlink(rig, 1, "/d/g"));
	OK(rig_rename(rig, 1, "/d/f", "/d/g", 0));
	rig_put(rig, 1, "/d/f", "fourth");
}
static void round_after(struct pool_rig *rig)
{
	expect_both(rig, "/d/f", "fourth");
	expect_both(rig, "/d/g", "third");
}

/* A file goes into a directory that is removed with it, and made anew under the same name. */
static void into_removed_1(struct pool_rig *rig)
{
	rig_mkdir(rig, 1, "/e");
	OK(rig_rename(rig, 1, "/d/f", "/e/f", 0));
	OK(rig_unlink(rig, 1, "/e/f"));
	OK(rig_rmdir(rig, 1, "/e"));
	rig_put(rig, 1, "/between", "");
	rig_mkdir(rig, 1, "/e");
	rig_put(rig, 1, "/e/f", "new");
}
static void into_removed_after(struct pool_rig *rig)
{
	expect_both(rig, "/e/f", "new");
	expect_gone(rig, "/d/f");
	/* It is the new one, not one with the old. */
	assert_true(rig_id(rig, 2, "/e") > rig_id(rig, 2, "/between"));
}
/* What is in the new one is older than what went with the old. */
static void into_both_1(struct pool_rig *rig)
{
	rig_mkdir(rig, 1, "/e");
	OK(rig_rename(rig, 1, "/d/g", "/e/g", 0));
	OK(rig_unlink(rig, 1, "/e/g"));
	OK(rig_rmdir(rig, 1, "/e"));
	rig_put(rig, 1, "/between", "");
	rig_mkdir(rig, 1, "/e");
	OK(rig_rename(rig, 1, "/d/f", "/e/f", 0));
}
static void into_both_after(struct pool_rig *rig)
{
	expect_both(rig, "/e/f", "old");
	expect_gone(rig, "/e/g");
	assert_true(rig_id(rig, 2, "/e") > rig_id(rig, 2, "/between"));
}
/* There was one of that name before, which is removed when its entries are. */
static void two_dirs(struct pool_rig *rig)
{
	full_dir(rig);
	rig_mkdir(rig, 1, "/e");
	rig_put(rig, 1, "/e/g", "in the first");
}
static void into_second_1(struct pool_rig *rig)
{
	OK(rig_unlink(rig, 1, "/e/g"));
	OK(rig_rmdir(rig, 1, "/e"));
	into_removed_1(rig);
}
/* The same, while the other side writes to it: file and path stay, beside the new directory's. */
static void append_d_2(struct pool_rig *rig)
{
	rig_append_text(rig, 2, "/d/f", "+more");
}
static void into_removed_written(struct pool_rig *rig)
{
	expect_gone(rig, "/d/f");
	assert_int_equal(rig_count(rig, 1, "/e", "f"), 2);
	assert_int_equal(rig_count(rig, 2, "/e", "f"), 2);
}

static const struct story stories[] = {
	{"nothing at all", one_file, NULL, NULL, NULL},
	{"new things on both sides", NULL, new_1, new_2, new_after},
	{"write, write", one_file, put_a_1, put_b_2, later_shown},
	{"write, write the same", one_file, put_a_1, put_a_2, same_bytes},
	{"unlink, write", one_file, unlink_1, append_2, append_stays},
	{"write, unlink", one_file, append_1, unlink_2, append_stays},
	{"unlink, unlink", one_file, unlink_1, unlink_2, f_gone},
	{"unlink, chmod", one_file, unlink_1, chmod_2, f_gone},
	{"unlink, setxattr", one_file, unlink_1, xattr_2, f_gone},
	{"chmod, chmod", one_file, chmod_1, chmod_2, chmod_after},
	{"chmod, write", one_file, chmod_1, append_2, append_stays},
	{"rename, write", one_file, move_1, append_2, moved_and_written},
	{"rename, rename", one_file, move_1, move_2, moved_later},
	{"unlink, rename", one_file, unlink_1, move_2, moved_not_removed},
	{"unlink and make again, write", one_file, again_1, append_2, again_after},
	{"make, make", NULL, both_new_1, both_new_2, both_new_after},
	{"make, make the same", NULL, both_new_1, both_same_2, both_same_after},
	{"make, make, of symlinks", NULL, links_n_1, links_n_2, NULL},
	{"make, rename to it", one_file, both_new_1, NULL, NULL},
	{"mkdir, mkdir", NULL, dirs_1, dirs_2, dirs_after},
	{"mkdir, make", NULL, dir_n_1, both_new_2, dir_over_file},
	{"rm -r, make inside", tree, rm_r_1, inside_2, path_stays},
	{"rm -r, make inside, unlink that", tree, rm_r_1, inside_2, path_goes},
	{"rm -r, chmod", tree, rm_r_1, chmod_dir_2, a_gone},
	{"rm -r, move out", tree, rm_r_1, rm_moved_2, moved_out},
	{"rm -r, move the directory", tree, rm_r_1, mv_dir_2, NULL},
	{"move a directory, make inside", tree, mv_dir_1, inside_2, inside_moved},
	{"move a directory, move it", tree, mv_dir_1, mv_dir_2, dir_later},
	{"replace", two_files, replace_1, NULL, replaced},
	{"replace, write what is replaced", two_files, replace_1, append_2, replaced_written},
	{"replace, move what is replaced", two_files, replace_1, move_2, replaced_moved},
	{"replace, unlink what is replaced", two_files, replace_1, unlink_2, replaced},
	{"replace a symlink, move it", link_and_file, replace_1, move_2, NULL},
	{"exchange", two_files, exchange_1, NULL, exchanged},
	{"exchange, exchange", two_files, exchange_1, exchange_2, exchanged},
	{"exchange, rename", two_files, exchange_1, move_2, NULL},
	{"rename, exchange", two_files, move_1, exchange_2, NULL},
	{"exchange, unlink", two_files, exchange_1, unlink_2, NULL},
	{"a conflict, rename", conflict_of_f, move_1, NULL, conflict_follows},
	{"a conflict, exchange", conflict_of_f, exchange_1, NULL, conflict_follows_exchange},
	{"a conflict, unlink the loser", conflict_of_f, drop_conflict_1, NULL, conflict_dropped},
	{"a conflict, unlink the loser twice", conflict_of_f, drop_conflict_1, drop_conflict_2,
	 conflict_dropped},
	{"a conflict, take the loser", conflict_of_f, take_conflict_1, NULL, conflict_taken},
	{"a conflict, unlink the winner", conflict_of_f, unlink_1, NULL, unlink_shown},
	{"a conflict, write the winner", conflict_of_f, NULL, append_2, write_conflict_after},
	{"a conflict, take the loser, unlink it", conflict_of_f, take_conflict_1, drop_conflict_2,
	 NULL},
	{"a conflict, unlink both, rename", conflict_of_f, unlink_1, move_2, NULL},
	{"hard links, write", hard, append_1, NULL, hard_after},
	{"hard links, unlink one", hard, unlink_1, NULL, hard_unlinked},
	{"hard links, unlink each", hard, unlink_1, unlink_h_2, all_gone},
	{"hard links, unlink one, link", hard, unlink_1, link_again_2, NULL},
	{"unlink, link", one_file, unlink_1, link_again_2, third_stays},
	{"unlink all, link", hard, unlink_all_1, link_again_2, third_after_all},
	{"unlink, write: attributes stay", with_xattrs, unlink_1, append_2, xattrs_stay},
	{"unlink, set and write: attributes stay", with_xattrs, unlink_1, setxattr_and_write_2,
	 both_xattrs_stay},
	{"attributes", xattrs, xattrs_1, xattrs_2, xattrs_after},
	{"large, write, write", large_file, large_1, large_2, large_after},
	{"large, write", large_file, large_1, NULL, NULL},
	{"rm -r, the same made anew", full_dir, anew_1, NULL, anew_after},
	{"names go round", full_dir, round_1, NULL, round_after},
	{"into a directory, rm -r, made anew", full_dir, into_removed_1, NULL, into_removed_after},
	{"into a second directory, rm -r, made anew", two_dirs, into_second_1, NULL,
	 into_removed_after},
	{"into a second directory, rm -r, made anew, write", two_dirs, into_second_1, append_d_2,
	 into_removed_written},
	{"into a directory, rm -r, into one made anew", full_dir, into_both_1, NULL,
	 into_both_after},
	{"into a directory, rm -r, made anew, write", full_dir, into_removed_1, append_d_2,
	 into_removed_written},
};

static void tell(struct pool_rig *rig, const struct story *s, enum meeting how)
{
	pool_rig_init(rig, 2);
	rig_link_all(rig);
	if (s->before)
		s->before(rig);
	rig_settle(rig);
	rig_cut_all(rig);
	if (s->first)
		s->first(rig);
	rig_wait(10);
	if (s->second)
		s->second(rig);
	rig_run(rig);
	rig_check(rig, 1);
	rig_check(rig, 2);
	if (how == FIRST_STATE || how == BOTH_STATE)
		rig_forget_log(rig, 1);
	if (how == SECOND_STATE || how == BOTH_STATE)
		rig_forget_log(rig, 2);
	rig_link_all(rig);
	rig_settle(rig);
	if (s->after)
		s->after(rig);
	pool_rig_done(rig);
}

static void test_stories(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		for (enum meeting how = BY_LOG; how < MEETINGS; how++) {
			struct pool_rig rig;

			print_message("%s, meeting %d\n", stories[i].name, how);
			tell(&rig, &stories[i], how);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
