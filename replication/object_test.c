/* links: replication/object.c replication/stamp.c tests/lib/hex_file.c core/crypto.c core/io.c
 *        core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * One object: its arrays, its bytes, what its hash covers, and conflict names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "replication/object_state.h"
#include "tests/lib/hex_file.h"

#define S (UINT64_C(0x01c1) << 48 | 0x00a1b2c3d4e5)
#define F (UINT64_C(0x01c0) << 48 | 0x00a100000010)
#define D (UINT64_C(0x00c0) << 48 | 0x00a100000020)
#define C (UINT64_C(0x0085) << 48 | 0x00a100000030)
#define T INT64_C(1767323045006007008)

static void link_add(struct object *o, uint64_t lid, uint64_t parent, const char *name,
		     stamp_t stamp)
{
	assert_int_equal(object_link_set(o, lid, parent, name, strlen(name), stamp, NULL), 0);
}

static void xattr_add(struct object *o, const char *name, stamp_t stamp)
{
	assert_int_equal(object_xattr_set(o, name, strlen(name), stamp), 0);
}

static void test_links(void **state)
{
	struct object o = {.id = F};
	struct dentry *l;

	(void)state;
	link_add(&o, 30, 1, "c", 30);
	link_add(&o, 10, 1, "a", 10);
	link_add(&o, UINT64_MAX, 1, "z", 40);
	link_add(&o, 20, 1, "b", 20);
	assert_int_equal(o.link_count, 4);
	for (size_t i = 1; i < o.link_count; i++)
		assert_true(o.links[i - 1].lid < o.links[i].lid);
	assert_string_equal(object_link(&o, 20)->name, "b");
	assert_null(object_link(&o, 21));
	assert_null(object_link(&o, 5));
	/* Set again it is moved, and neither dead nor a loser any more. */
	object_link(&o, 20)->dead = true;
	object_link(&o, 20)->conflict = true;
	assert_int_equal(object_link_set(&o, 20, 7, "new name", 3, 50, &l), 0);
	assert_ptr_equal(l, object_link(&o, 20));
	assert_string_equal(l->name, "new");
	assert_true(l->parent == 7 && l->stamp == 50 && !l->dead && !l->conflict);
	assert_int_equal(o.link_count, 4);
	object_link_remove(&o, 10);
	object_link_remove(&o, 11);
	object_link_remove(&o, UINT64_MAX);
	assert_int_equal(o.link_count, 2);
	assert_true(o.links[0].lid == 20 && o.links[1].lid == 30);
	object_clear(&o);
	assert_int_equal(o.link_count, 0);
}

static void test_links_bound(void **state)
{
	struct object o = {.id = F, .type = S_IFREG};

	(void)state;
	for (uint64_t i = 0; i < OBJECT_LINKS_MAX; i++)
		link_add(&o, i + 1, 1, "n", i + 1);
	assert_int_equal(object_link_set(&o, OBJECT_LINKS_MAX + 1, 1, "n", 1, 1, NULL), -EMLINK);
	assert_int_equal(object_link_set(&o, 0, 1, "n", 1, 1, NULL), -EMLINK);
	/* Those that are there can still be moved, and all of them stored. */
	link_add(&o, 5, 2, "moved", 9);
	uint8_t *bytes;
	size_t size;
	struct object back = {0};
	assert_int_equal(object_encode(&o, &bytes, &size), 0);
	assert_int_equal(object_decode(bytes, size, &back), 0);
	assert_int_equal(back.link_count, OBJECT_LINKS_MAX);
	free(bytes);
	object_clear(&back);
	object_clear(&o);
}

static void test_leaves(void **state)
{
	struct object o = {.id = F};

	(void)state;
	assert_int_equal(object_leaf_add(&o, 20, true), 0);
	assert_int_equal(object_leaf_add(&o, 10, false), 0);
	assert_int_equal(object_leaf_add(&o, UINT64_MAX, false), 0);
	/* A leaf that is known stays what it is. */
	assert_int_equal(object_leaf_add(&o, 20, false), 0);
	assert_int_equal(o.leaf_count, 3);
	assert_true(o.leaves[0].stamp == 10 && o.leaves[1].stamp == 20);
	assert_true(object_leaf(&o, 20)->have);
	assert_null(object_leaf(&o, 15));
	object_leaf_remove(&o, 15);
	object_leaf_remove(&o, 10);
	assert_int_equal(o.leaf_count, 2);
	for (uint64_t i = 0; o.leaf_count < OBJECT_LEAVES_MAX; i++)
		assert_int_equal(object_leaf_add(&o, 100 + i, false), 0);
	assert_int_equal(object_leaf_add(&o, 5, false), MA_ELIMIT);
	assert_int_equal(object_leaf_add(&o, 20, false), 0);
	object_clear(&o);
}

static void test_xattrs(void **state)
{
	/* Names that begin alike, and in order of bytes. */
	static const char *const names[] = {"user.",  "user.a",        "user.aa", "user.ab",
					    "user.b", "user.\xc3\xbc", "zz"};
	struct object o = {.id = F};

	(void)state;
	for (size_t i = 0; i < 7; i++)
		xattr_add(&o, names[(i * 3 + 1) % 7], (i * 3 + 1) % 7 + 1);
	assert_int_equal(o.xattr_count, 7);
	for (size_t i = 0; i < 7; i++) {
		assert_string_equal(o.xattrs[i].name, names[i]);
		assert_true(object_xattr(&o, names[i], strlen(names[i])) == i + 1);
	}
	assert_true(object_xattr(&o, "user", 4) == 0);
	assert_true(object_xattr(&o, "user.aaa", 8) == 0);
	/* The length counts, not the end of the string. */
	assert_true(object_xattr(&o, "user.aaXXX", 7) == 3);
	xattr_add(&o, "user.a", 99);
	assert_int_equal(o.xattr_count, 7);
	assert_true(object_xattr(&o, "user.a", 6) == 99);
	for (unsigned int i = 0; o.xattr_count < OBJECT_XATTRS_MAX; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "user.n%u", i * 7919 % 100000);
		xattr_add(&o, name, i + 1);
	}
	assert_int_equal(object_xattr_set(&o, "user.one more", 13, 1), MA_ELIMIT);
	xattr_add(&o, "user.aa", 98);
	object_clear(&o);
}

/* Of each slot the latest, and no more slots than a vector holds. */
static void test_marks(void **state)
{
	struct object o = {.id = F};

	(void)state;
	assert_int_equal(object_mark(&o, stamp_make(64, 5)), 0);
	assert_int_equal(object_mark(&o, stamp_make(65, 4)), 0);
	assert_int_equal(object_mark(&o, stamp_make(64, 9)), 0);
	assert_int_equal(object_mark(&o, stamp_make(64, 7)), 0);
	assert_int_equal(o.mark_count, 2);
	assert_true(o.marks[0] == stamp_make(64, 9) && o.marks[1] == stamp_make(65, 4));
	for (uint16_t slot = 66; o.mark_count < VECTOR_MAX; slot++)
		assert_int_equal(object_mark(&o, stamp_make(slot, 1)), 0);
	assert_int_equal(object_mark(&o, stamp_make(63, 1)), MA_ELIMIT);
	assert_int_equal(object_mark(&o, stamp_make(65, 6)), 0);
	object_clear(&o);
}

/* Values of attributes are kept for those that have a head, and let go again. */
static void test_kept_values(void **state)
{
	struct object o = {.id = F};

	(void)state;
	xattr_add(&o, "user.a", S);
	assert_int_equal(object_xattr_keep(&o, "user.b", "x", 1), MA_EUNKNOWN);
	assert_int_equal(object_xattr_keep(&o, "user.a", "value", 5), 0);
	assert_int_equal(object_xattr_keep(&o, "user.a", "", 0), 0);
	assert_true(o.xattrs[0].value && o.xattrs[0].size == 0);
	assert_int_equal(object_xattr_keep(&o, "user.a", NULL, 3), 0);
	assert_true(!o.xattrs[0].value && o.xattrs[0].size == 0);
	object_clear(&o);
}

/* What docs/vectors/object-NAME.hex says. */
static void fill(struct object *o, int which)
{
	*o = (struct object){0};
	if (which == 0) {
		o->type = S_IFREG;
		o->id = F;
		o->content = C + 7;
		o->owner = o->times = S;
		link_add(o, F, 1, "report.txt", F);
		link_add(o, S, D,
			 "\xc3\xbc"
			 "bung",
			 S);
		object_link(o, S)->conflict = true;
		assert_int_equal(object_leaf_add(o, C, false), 0);
		assert_int_equal(object_leaf_add(o, C + 9, true), 0);
		xattr_add(o, "user.color", F);
		xattr_add(o, "security.selinux", S);
		o->bytes = 4096;
	} else if (which == 1) {
		o->dead = true;
		o->type = S_IFLNK;
		o->id = o->owner = o->times = S;
		o->attrs = (struct object_attrs){.mode = 0777,
						 .uid = 1000,
						 .gid = 100,
						 .mtime_ns = T,
						 .target = strdup("../there")};
		link_add(o, S, 1, "here", S);
		object_link(o, S)->dead = true;
		xattr_add(o, "trusted.gone", S);
		xattr_add(o, "user.kept", F);
		assert_int_equal(object_xattr_keep(o, "user.kept", "red", 3), 0);
		object_link(o, S)->removed = true;
		object_link(o, S)->seen = UINT64_C(0x0201) << 48 | ((S + 1) & STAMP_SEQ_MAX);
		assert_int_equal(object_mark(o, C + 1), 0);
		assert_int_equal(object_mark(o, S + 5), 0);
		assert_int_equal(object_mark(o, S + 3), 0); /* an earlier one of the same slot */
	} else {
		o->obsolete = true;
		o->type = S_IFDIR;
		o->id = D + 1;
		o->alias_of = D;
		o->owner = o->times = S;
		o->removed = S + 1;
		o->removed_seen = D + 1;
		o->attrs.mtime_ns = -1;
		link_add(o, D + 1, 1, "tmp", D + 1);
	}
}

static const char *const vectors[] = {"object-file", "object-dead", "object-alias"};

static void assert_objects(const struct object *a, const struct object *b)
{
	assert_true(a->id == b->id && a->type == b->type && a->dead == b->dead);
	assert_true(a->obsolete == b->obsolete && a->alias_of == b->alias_of);
	assert_true(a->branch_of == b->branch_of && a->content == b->content);
	assert_true(a->owner == b->owner && a->times == b->times && a->removed == b->removed);
	assert_true(a->removed_seen == b->removed_seen && a->bytes == b->bytes);
	assert_true(a->attrs.mode == b->attrs.mode && a->attrs.uid == b->attrs.uid);
	assert_true(a->attrs.gid == b->attrs.gid && a->attrs.rdev == b->attrs.rdev);
	assert_true(a->attrs.mtime_ns == b->attrs.mtime_ns);
	assert_string_equal(a->attrs.target ? a->attrs.target : "",
			    b->attrs.target ? b->attrs.target : "");
	assert_int_equal(a->link_count, b->link_count);
	for (size_t i = 0; i < a->link_count; i++) {
		const struct dentry *x = &a->links[i], *y = &b->links[i];
		assert_true(x->lid == y->lid && x->parent == y->parent && x->stamp == y->stamp);
		assert_true(x->conflict == y->conflict && x->dead == y->dead);
		assert_true(x->removed == y->removed && x->seen == y->seen);
		assert_string_equal(x->name, y->name);
	}
	assert_int_equal(a->leaf_count, b->leaf_count);
	for (size_t i = 0; i < a->leaf_count; i++)
		assert_true(a->leaves[i].stamp == b->leaves[i].stamp &&
			    a->leaves[i].have == b->leaves[i].have);
	assert_int_equal(a->xattr_count, b->xattr_count);
	for (size_t i = 0; i < a->xattr_count; i++) {
		assert_string_equal(a->xattrs[i].name, b->xattrs[i].name);
		assert_true(a->xattrs[i].stamp == b->xattrs[i].stamp);
		assert_int_equal(a->xattrs[i].size, b->xattrs[i].size);
		assert_true(!a->xattrs[i].value == !b->xattrs[i].value);
		if (a->xattrs[i].value)
			assert_memory_equal(a->xattrs[i].value, b->xattrs[i].value,
					    a->xattrs[i].size);
	}
	assert_int_equal(a->mark_count, b->mark_count);
	for (size_t i = 0; i < a->mark_count; i++)
		assert_true(a->marks[i] == b->marks[i]);
}

static void test_vectors(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		uint8_t golden[HEX_FILE_MAX];
		AUTO_FREE uint8_t *bytes = NULL;
		struct object want, got = {0};
		size_t size;

		fill(&want, i);
		assert_int_equal(object_encode(&want, &bytes, &size), 0);
		assert_int_equal(size, hex_file_read(vectors[i], golden));
		assert_memory_equal(bytes, golden, size);
		assert_int_equal(object_decode(golden, size, &got), 0);
		assert_objects(&got, &want);
		object_clear(&got);
		object_clear(&want);
	}
}

static int decode(const uint8_t *bytes, size_t size)
{
	AUTO_FREE uint8_t *fit = malloc(size ? size : 1);
	struct object o = {0};

	assert_non_null(fit);
	memcpy(fit, bytes, size);
	int r = object_decode(fit, size, &o);
	object_clear(&o);
	return r;
}

static void test_damage(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		uint8_t bytes[HEX_FILE_MAX];
		size_t size = hex_file_read(vectors[i], bytes);

		for (size_t cut = 0; cut < size; cut++)
			assert_int_equal(decode(bytes, cut), MA_ECORRUPT);
		bytes[size] = 0;
		assert_int_equal(decode(bytes, size + 1), MA_ECORRUPT);
		/* Whatever a byte becomes: refused or taken, never worse. */
		for (size_t at = 0; at < size; at++) {
			for (unsigned int bit = 0; bit < 8; bit++) {
				bytes[at] ^= (uint8_t)(1u << bit);
				int r = decode(bytes, size);
				assert_true(r == 0 || r == MA_ECORRUPT || r == MA_ELIMIT ||
					    r == -EMLINK);
				bytes[at] ^= (uint8_t)(1u << bit);
			}
		}
	}
}

/* What no row of ours holds, but one of a peer may. */
static void test_refused(void **state)
{
	static const struct {
		uint64_t id;
		mode_t type;
		uint64_t lid;
		const char *name;
		size_t name_size;
		const char *xattr;
		bool good;
	} rows[] = {
		{F, S_IFREG, F, "a", 1, "user.a", true},
		{F, S_IFSOCK, F, "...", 3, "user./", true},
		{0, S_IFREG, F, "a", 1, "user.a", false},
		{F, 0, F, "a", 1, "user.a", false},
		{F, S_IFREG | 0644, F, "a", 1, "user.a", false},
		{F, S_IFMT, F, "a", 1, "user.a", false},
		{F, S_IFREG, 0, "a", 1, "user.a", false},
		{F, S_IFREG, F, "", 0, "user.a", false},
		{F, S_IFREG, F, ".", 1, "user.a", false},
		{F, S_IFREG, F, "..", 2, "user.a", false},
		{F, S_IFREG, F, "a/b", 3, "user.a", false},
		{F, S_IFREG, F, "a", 1, "", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct object o = {.id = rows[i].id, .type = rows[i].type};
		AUTO_FREE uint8_t *bytes = NULL;
		size_t size;

		assert_int_equal(object_link_set(&o, rows[i].lid, 1, rows[i].name,
						 rows[i].name_size, F, NULL),
				 0);
		xattr_add(&o, rows[i].xattr, S);
		assert_int_equal(object_encode(&o, &bytes, &size), 0);
		assert_int_equal(decode(bytes, size), rows[i].good ? 0 : MA_ECORRUPT);
		object_clear(&o);
	}
	/* A zero byte inside names: put in by hand. */
	uint8_t bytes[HEX_FILE_MAX];
	size_t size = hex_file_read("object-file", bytes);
	bytes[0]++; /* a version of tomorrow */
	assert_int_equal(decode(bytes, size), MA_ECORRUPT);
	bytes[0]--;
	for (size_t at = 0; at + 4 < size; at++) {
		if (memcmp(bytes + at, "port", 4) != 0 && memcmp(bytes + at, "colo", 4) != 0)
			continue;
		uint8_t was = bytes[at];
		bytes[at] = 0;
		assert_int_equal(decode(bytes, size), MA_ECORRUPT);
		bytes[at] = was;
	}
}

static void assert_hash(const struct object *a, const struct object *b, bool equal)
{
	uint8_t x[STATE_HASH_SIZE], y[STATE_HASH_SIZE];

	object_hash(a, x);
	object_hash(b, y);
	assert_int_equal(memcmp(x, y, sizeof(x)) == 0, equal);
}

/* Each fact that all nodes agree on changes the hash. */
static void test_hash_covers(void **state)
{
	struct object a, b;

	(void)state;
	for (int what = 0; what < 16; what++) {
		fill(&a, 0);
		fill(&b, 0);
		assert_hash(&a, &b, true);
		switch (what) {
		case 0:
			b.id++;
			break;
		case 1:
			b.type = S_IFDIR;
			break;
		case 2:
			b.content++;
			break;
		case 3:
			b.owner++;
			break;
		case 4:
			b.times++;
			break;
		case 5:
			b.removed++;
			break;
		case 6:
			b.links[0].lid++;
			break;
		case 7:
			b.links[0].parent++;
			break;
		case 8:
			b.links[0].stamp++;
			break;
		case 9:
			b.links[0].name[3] = 'P';
			break;
		case 10:
			b.links[0].dead = true;
			break;
		case 11:
			b.leaves[0].stamp++;
			break;
		case 12:
			object_leaf_remove(&b, C);
			break;
		case 13:
			b.xattrs[0].stamp++;
			break;
		case 14:
			b.xattrs[0].name[3] = 'X';
			break;
		default:
			b.obsolete = true;
			break;
		}
		assert_hash(&a, &b, false);
		object_clear(&a);
		object_clear(&b);
	}
}

/* What is a node's own affair does not. */
static void test_hash_leaves_out(void **state)
{
	struct object a, b;

	(void)state;
	fill(&a, 0);
	fill(&b, 0);
	b.links[0].conflict = !b.links[0].conflict;
	b.leaves[0].have = !b.leaves[0].have;
	b.handle.size = 7;
	b.attrs = (struct object_attrs){.mode = 1, .uid = 2, .gid = 3, .rdev = 4, .mtime_ns = 5};
	b.bytes = 5;
	b.refs = 3;
	b.dirty = b.known = true;
	b.conflicts = 9;
	b.removed_seen = 77;
	assert_hash(&a, &b, true);
	/* A name that is dead and forgotten here is dead and remembered there. */
	link_add(&b, 1, 1, "gone", 5);
	object_link(&b, 1)->dead = true;
	assert_hash(&a, &b, true);
	object_clear(&b);
	/* The same contents, but the other side shows another of them. */
	fill(&b, 0);
	b.content = C + 9;
	object_leaf_remove(&b, C + 9);
	assert_int_equal(object_leaf_add(&b, C + 7, true), 0);
	assert_hash(&a, &b, true);
	b.content = C;
	object_leaf_remove(&b, C);
	assert_int_equal(object_leaf_add(&b, C + 9, false), 0);
	assert_hash(&a, &b, true);
	object_clear(&b);
	/* It shows none of them yet: the bytes there are of something that counts no more. */
	fill(&b, 0);
	b.obsolete = true;
	b.content = 12345;
	assert_int_equal(object_leaf_add(&b, C + 7, false), 0);
	assert_hash(&a, &b, true);
	object_clear(&b);
	object_clear(&a);
}

static void test_hash_zero(void **state)
{
	static const uint8_t zeros[STATE_HASH_SIZE];
	uint8_t hash[STATE_HASH_SIZE];
	struct object o;

	(void)state;
	for (int what = 0; what < 4; what++) {
		fill(&o, 0);
		o.dead = what == 0;
		o.alias_of = what == 1 ? D : 0;
		o.branch_of = what == 2 ? F : 0;
		object_hash(&o, hash);
		assert_int_equal(memcmp(hash, zeros, sizeof(hash)) == 0, what < 3);
		object_clear(&o);
	}
}

#define X60  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X240 X60 X60 X60 X60
#define MARK ".conflict-7-a1b2c3d4e5" /* 22 bytes */

static void test_conflict_names(void **state)
{
	static const struct {
		const char *name, *shown;
	} rows[] = {
		{"report.txt", "report" MARK ".txt"},
		{"report", "report" MARK},
		{"a", "a" MARK},
		{".bashrc", ".bashrc" MARK}, /* that dot begins no suffix */
		{".config.json", ".config" MARK ".json"},
		{"a.tar.gz", "a.tar" MARK ".gz"},
		{"a.", "a" MARK "."},
		{"a..", "a." MARK "."},
		{"...", ".." MARK "."},
		{"..a", "." MARK ".a"},
		{"x.123456789012345", "x" MARK ".123456789012345"}, /* 16 with the dot */
		{"x.1234567890123456", "x.1234567890123456" MARK},  /* 17: no suffix */
		{"\xc3\xbc.\xc3\xbc", "\xc3\xbc" MARK ".\xc3\xbc"},
		/* 255 bytes: cut so that 255 remain. */
		{X240 "xxxxxxxxxxx.txt",
		 X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" MARK ".txt"},
		{X240 "xxxxxxxxxxxxxxx",
		 X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" MARK},
		/* 233 bytes just fit, 234 do not. */
		{X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		 X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" MARK},
		{X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxY",
		 X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" MARK},
		/* A character of two, three, four bytes across the cut goes as a whole. */
		{X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xbc",
		 X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" MARK},
		{X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xe2\x82\xac",
		 X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" MARK},
		{X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xf0\x9f\x98\x80",
		 X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" MARK},
		/* But one that ends at the cut stays. */
		{X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xbcYYYY",
		 X60 X60 X60 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xbc" MARK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char got[256];

		memset(got, '#', sizeof(got));
		conflict_name(rows[i].name, S, got);
		assert_string_equal(got, rows[i].shown);
		assert_true(strlen(got) <= 255);
	}
	/* Bytes that are no UTF-8 at all, and the longest mark there is. */
	char name[256], got[256];
	memset(name, 0x80, 255);
	name[255] = '\0';
	conflict_name(name, UINT64_MAX, got);
	assert_string_equal(got, ".conflict-1023-ffffffffffff");
	for (size_t length = 1; length <= 255; length++) {
		memset(name, 'x', length);
		name[length] = '\0';
		for (size_t dot = 0; dot < length; dot++) {
			name[dot] = '.';
			conflict_name(name, UINT64_MAX, got);
			assert_true(strlen(got) <= 255);
			name[dot] = 'x';
		}
	}
}

static void test_shown(void **state)
{
	char got[256], name[256];
	struct dentry l = {.lid = S, .stamp = F, .name = name};

	(void)state;
	memset(name, 'n', 255);
	name[255] = '\0';
	dentry_shown(&l, got);
	assert_string_equal(got, name);
	(void)snprintf(name, sizeof(name), "report.txt");
	l.conflict = true;
	/* Of the link's id, which no later move changes. */
	dentry_shown(&l, got);
	assert_string_equal(got, "report" MARK ".txt");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),           cmocka_unit_test(test_links_bound),
		cmocka_unit_test(test_leaves),          cmocka_unit_test(test_xattrs),
		cmocka_unit_test(test_vectors),         cmocka_unit_test(test_marks),
		cmocka_unit_test(test_kept_values),     cmocka_unit_test(test_damage),
		cmocka_unit_test(test_refused),         cmocka_unit_test(test_hash_covers),
		cmocka_unit_test(test_hash_leaves_out), cmocka_unit_test(test_hash_zero),
		cmocka_unit_test(test_conflict_names),  cmocka_unit_test(test_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
