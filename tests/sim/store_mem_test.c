/* links: tests/sim/store_mem.c tests/sim/store_mem_attr.c tests/sim/store_mem_data.c
 *        tests/sim/store_mem_names.c tests/sim/store_mem_undo.c tests/sim/store_dump.c
 *        core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * What only the store in memory has: faults, a limit, objects of others, power cuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/store_dump.h"
#include "tests/sim/store_mem.h"

#define PAGE STORE_MEM_PAGE

struct place {
	struct store *store;
	const struct store_ops *ops;
	struct store_handle root;
	uint64_t next_id;
};

static struct place begin(void)
{
	struct place p = {0};

	assert_int_equal(store_mem_new(&p.store), 0);
	p.ops = p.store->ops;
	assert_int_equal(p.ops->root(p.store, &p.root), 0);
	return p;
}

static void end(struct place *p)
{
	p->ops->free(p->store);
}

static struct store_handle make(struct place *p, const char *name, mode_t mode)
{
	struct store_node node = {.id = ++p->next_id, .mode = mode, .uid = 5, .target = "t"};
	struct store_handle h = {0};

	assert_int_equal(p->ops->make(p->store, &p->root, name, &node, &h), 0);
	return h;
}

static void fill(struct place *p, const struct store_handle *h, char letter, size_t pages,
		 off_t offset)
{
	size_t size = pages * PAGE;
	char *data = malloc(size);

	assert_non_null(data);
	memset(data, letter, size);
	assert_int_equal(p->ops->write(p->store, h, -1, data, size, offset), 0);
	free(data);
}

/* The first letter of each page, '.' for zero. */
static void letters(struct place *p, const struct store_handle *h, char ret[33])
{
	char page[PAGE];
	size_t count = 0;
	ssize_t n = 0;

	while ((n = p->ops->read(p->store, h, -1, page, PAGE, (off_t)count * PAGE)) > 0) {
		for (ssize_t i = 1; i < n; i++)
			assert_int_equal(page[i], page[0]);
		assert_true(count < 32);
		ret[count++] = page[0] ? page[0] : '.';
	}
	assert_true(n == 0);
	ret[count] = '\0';
}

static char *dump(struct place *p)
{
	char *text = NULL;

	assert_int_equal(store_dump(p->store, STORE_DUMP_ALL, &text), 0);
	return text;
}

static bool exists(struct place *p, const char *name)
{
	return p->ops->lookup(p->store, &p->root, name, NULL, NULL, NULL) == 0;
}

static void test_faults(void **state)
{
	struct place p = begin();
	struct store_handle f = make(&p, "f", S_IFREG | 0600);
	struct store_node node = {.id = 99, .mode = S_IFREG | 0600};
	char text[33];
	struct stat st;

	(void)state;
	uint64_t before = store_mem_steps(p.store);
	store_mem_fail(p.store, 2, -EIO);
	assert_int_equal(p.ops->truncate(p.store, &f, -1, 10), 0);
	assert_int_equal(p.ops->stat(p.store, &f, -1, &st), 0); /* not a change: does not count */
	assert_int_equal(p.ops->make(p.store, &p.root, "g", &node, NULL), -EIO);
	assert_false(exists(&p, "g"));
	assert_int_equal(p.ops->make(p.store, &p.root, "g", &node, NULL), 0);
	assert_true(store_mem_steps(p.store) - before == 3);
	store_mem_fail(p.store, 1, -ENOSPC);
	char *data = calloc(4, PAGE);
	assert_non_null(data);
	memset(data, 'w', 4 * (size_t)PAGE);
	assert_int_equal(p.ops->write(p.store, &f, -1, data, 4 * (size_t)PAGE, 0), -ENOSPC);
	letters(&p, &f, text);
	assert_string_equal(text, "ww");
	free(data);
	store_mem_fail(p.store, 1, -EIO);
	store_mem_fail(p.store, 0, 0);
	assert_int_equal(p.ops->sync(p.store), 0);
	end(&p);
}

static void test_capacity(void **state)
{
	struct place p = begin();
	struct store_node node = {.id = 99, .mode = S_IFREG | 0600};
	struct statvfs vfs;
	char text[33];

	(void)state;
	struct store_handle f = make(&p, "f", S_IFREG | 0600);
	store_mem_set_capacity(p.store, 2 * STORE_MEM_OBJECT + 3 * PAGE);
	char *data = calloc(5, PAGE);
	assert_non_null(data);
	memset(data, 'w', 5 * (size_t)PAGE);
	assert_int_equal(p.ops->write(p.store, &f, -1, data, 5 * (size_t)PAGE, 0), -ENOSPC);
	letters(&p, &f, text);
	assert_string_equal(text, "www");
	assert_int_equal(p.ops->make(p.store, &p.root, "g", &node, NULL), -ENOSPC);
	assert_int_equal(p.ops->write(p.store, &f, -1, data, PAGE, 0), 0); /* over what is there */
	assert_int_equal(p.ops->statfs(p.store, &vfs), 0);
	assert_true(vfs.f_bavail == 0);
	assert_int_equal(p.ops->truncate(p.store, &f, -1, PAGE), 0);
	assert_int_equal(p.ops->make(p.store, &p.root, "g", &node, NULL), 0);
	assert_int_equal(p.ops->write(p.store, &f, -1, data, PAGE, PAGE), 0);
	assert_int_equal(p.ops->unlink(p.store, &p.root, "g", false), 0);
	free(data);
	end(&p);
}

static void test_objects_of_others(void **state)
{
	struct place p = begin();
	struct store_node node = {.mode = S_IFREG | 0640, .uid = 3, .gid = 4};
	struct store_handle h;
	struct store_handle made;
	struct stat st;
	uint64_t id = 1;

	(void)state;
	assert_int_equal(store_mem_plant(p.store, &p.root, "empty", &node, &h), 0);
	assert_int_equal(p.ops->lookup(p.store, &p.root, "empty", &id, NULL, &st), 0);
	assert_true(id == 0 && st.st_uid == 3 && st.st_gid == 4);
	assert_int_equal(store_mem_plant(p.store, &p.root, "empty", &node, &h), -EEXIST);
	node.id = 7;
	assert_int_equal(store_mem_plant(p.store, &p.root, "other", &node, &h), -EINVAL);
	assert_int_equal(p.ops->make(p.store, &p.root, "empty", &node, &made), 0);
	assert_memory_equal(&made, &h, sizeof(h.size) + h.size);
	node.id = 0;
	assert_int_equal(store_mem_plant(p.store, &p.root, "full", &node, &h), 0);
	fill(&p, &h, 'x', 1, 0);
	node.id = 8;
	assert_int_equal(p.ops->make(p.store, &p.root, "full", &node, NULL), -EEXIST);
	assert_int_equal(p.ops->set_id(p.store, &h, 8), 0);
	assert_int_equal(p.ops->make(p.store, &p.root, "full", &node, NULL), 0);
	end(&p);
}

/* One file is synced: its bytes stay, and all names; of the others any bytes may go. */
static void test_synced_file_survives(void **state)
{
	struct place p = begin();
	struct store_handle f = make(&p, "f", S_IFREG | 0600);
	struct store_handle g = make(&p, "g", S_IFREG | 0600);
	char text[33];
	bool lost = false;

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		assert_int_equal(p.ops->truncate(p.store, &f, -1, 0), 0);
		assert_int_equal(p.ops->truncate(p.store, &g, -1, 0), 0);
		fill(&p, &f, 'a', 5, 0);
		fill(&p, &g, 'b', 5, 0);
		assert_int_equal(p.ops->sync_data(p.store, &f), 0);
		store_mem_power_cut(p.store, seed);
		letters(&p, &f, text);
		assert_string_equal(text, "aaaaa");
		letters(&p, &g, text);
		lost = lost || strcmp(text, "bbbbb") != 0;
		assert_true(exists(&p, "g"));
	}
	assert_true(lost);
	assert_int_equal(p.ops->unlink(p.store, &p.root, "f", false), 0);
	assert_int_equal(p.ops->sync(p.store), 0);
	assert_int_equal(p.ops->sync_data(p.store, &f), -ESTALE);
	end(&p);
}

static void test_synced_survives(void **state)
{
	struct place p = begin();

	(void)state;
	struct store_handle f = make(&p, "f", S_IFREG | 0600);
	(void)make(&p, "d", S_IFDIR | 0700);
	(void)make(&p, "l", S_IFLNK | 0777);
	fill(&p, &f, 'a', 5, 0);
	assert_int_equal(p.ops->set_xattr(p.store, &f, "user.x", "1", 1, 0), 0);
	assert_int_equal(p.ops->sync(p.store), 0);
	char *before = dump(&p);
	for (uint64_t seed = 0; seed < 50; seed++) {
		store_mem_power_cut(p.store, seed);
		char *after = dump(&p);
		assert_string_equal(before, after);
		free(after);
	}
	free(before);
	end(&p);
}

/* Directories d0 to d9: a first part of them is left, with owners and ids of a first part. */
static void test_names_keep_a_first_part(void **state)
{
	bool seen[11] = {false};
	bool seen_without_id = false;
	bool seen_without_owner = false;

	(void)state;
	for (uint64_t seed = 0; seed < 400; seed++) {
		struct place p = begin();
		char name[16];
		size_t left = 0;
		for (int i = 0; i < 10; i++) {
			(void)snprintf(name, sizeof(name), "d%d", i);
			(void)make(&p, name, S_IFDIR | 0700);
		}
		store_mem_power_cut(p.store, seed);
		for (int i = 0; i < 10; i++) {
			struct stat st;
			uint64_t id = 0;
			(void)snprintf(name, sizeof(name), "d%d", i);
			if (p.ops->lookup(p.store, &p.root, name, &id, NULL, &st) < 0)
				continue;
			assert_int_equal(left, i);
			left++;
			seen_without_id |= id == 0;
			seen_without_owner |= st.st_uid == 0;
			assert_true(id == 0 || st.st_uid == 5);
		}
		seen[left] = true;
		/* What was half made is completed. */
		p.next_id = 0;
		for (int i = 0; i < 10; i++) {
			(void)snprintf(name, sizeof(name), "d%d", i);
			struct store_handle h = make(&p, name, S_IFDIR | 0700);
			struct stat st;
			assert_int_equal(p.ops->stat(p.store, &h, -1, &st), 0);
			assert_int_equal(st.st_uid, 5);
		}
		end(&p);
	}
	for (size_t i = 0; i <= 10; i++)
		assert_true(seen[i]);
	assert_true(seen_without_id);
	assert_true(seen_without_owner);
}

static void test_pages_are_lost_one_by_one(void **state)
{
	bool mixed = false;
	bool all = false;
	bool none = false;

	(void)state;
	for (uint64_t seed = 0; seed < 100; seed++) {
		struct place p = begin();
		char text[33];
		struct store_handle f = make(&p, "f", S_IFREG | 0600);
		fill(&p, &f, 'a', 8, 0);
		assert_int_equal(p.ops->sync(p.store), 0);
		fill(&p, &f, 'b', 4, 2 * PAGE);
		store_mem_power_cut(p.store, seed);
		letters(&p, &f, text);
		assert_int_equal(strlen(text), 8);
		assert_int_equal(strspn(text, "ab"), 8);
		assert_true(text[0] == 'a' && text[1] == 'a' && text[6] == 'a');
		all |= strcmp(text, "aabbbbaa") == 0;
		none |= strcmp(text, "aaaaaaaa") == 0;
		mixed |= strchr(text, 'b') && strcmp(text, "aabbbbaa") != 0;
		end(&p);
	}
	assert_true(mixed && all && none);
}

/* Cut to one page, then written anew behind it: the old content comes back only if the cut itself
 * is lost. */
static void test_cut_content_stays_cut(void **state)
{
	bool undone = false;
	bool done = false;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct place p = begin();
		char text[33];
		struct store_handle f = make(&p, "f", S_IFREG | 0600);
		fill(&p, &f, 'a', 6, 0);
		assert_int_equal(p.ops->sync(p.store), 0);
		assert_int_equal(p.ops->truncate(p.store, &f, -1, PAGE), 0);
		fill(&p, &f, 'b', 2, 3 * PAGE);
		store_mem_power_cut(p.store, seed);
		letters(&p, &f, text);
		assert_int_equal(text[0], 'a');
		if (strlen(text) == 6) {
			undone = true;
			assert_string_equal(text, "aaaaaa");
		} else {
			done = true;
			assert_int_equal(strspn(text + 1, ".b"), strlen(text + 1));
			assert_true(strlen(text) == 1 || strlen(text) == 5);
		}
		end(&p);
	}
	assert_true(undone && done);
}

static void test_removed_may_come_back(void **state)
{
	bool back = false;
	bool gone = false;

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct place p = begin();
		char text[33];
		int fd = -1;
		struct store_handle f = make(&p, "f", S_IFREG | 0600);
		fill(&p, &f, 'a', 2, 0);
		assert_int_equal(p.ops->sync(p.store), 0);
		assert_int_equal(p.ops->open(p.store, &f, O_RDWR, &fd), 0);
		assert_int_equal(p.ops->rename(p.store, &p.root, "f", &p.root, "g", 0), 0);
		assert_int_equal(p.ops->unlink(p.store, &p.root, "g", false), 0);
		store_mem_power_cut(p.store, seed);
		assert_int_equal(store_mem_open_count(p.store), 0);
		assert_int_equal(p.ops->read(p.store, &f, fd, text, 1, 0), -EBADF);
		struct stat st;
		int r = p.ops->stat(p.store, &f, -1, &st);
		assert_int_equal(r, exists(&p, "f") || exists(&p, "g") ? 0 : -ESTALE);
		assert_false(exists(&p, "f") && exists(&p, "g"));
		if (r == 0) {
			letters(&p, &f, text);
			assert_string_equal(text, "aa");
		}
		back |= r == 0;
		gone |= r < 0;
		end(&p);
	}
	assert_true(back && gone);
}

static uint64_t step_random(uint64_t *random)
{
	*random = *random * 6364136223846793005 + 1442695040888963407;
	return *random >> 33;
}

static void random_change(struct place *p, uint64_t *random)
{
	static const char *const names[] = {"a", "b", "c", "d"};
	struct store_node node = {.id = ++p->next_id, .mode = S_IFREG | 0600};
	const char *name = names[step_random(random) % 4];
	const char *other = names[step_random(random) % 4];
	struct store_handle h = {0};
	off_t at = (off_t)(step_random(random) % 8) * PAGE / 2;
	char data[PAGE];
	int r = p->ops->lookup(p->store, &p->root, name, NULL, &h, NULL);

	memset(data, (int)(step_random(random) % 255 + 1), sizeof(data));
	switch (step_random(random) % 8) {
	case 0:
		r = p->ops->make(p->store, &p->root, name, &node, NULL);
		break;
	case 1:
		r = p->ops->unlink(p->store, &p->root, name, false);
		break;
	case 2:
		r = p->ops->rename(p->store, &p->root, name, &p->root, other, 0);
		break;
	case 3:
		r = p->ops->truncate(p->store, &h, -1, at);
		break;
	case 4:
		r = p->ops->set_xattr(p->store, &h, "user.x", data, step_random(random) % 9, 0);
		break;
	case 5:
		r = p->ops->link(p->store, &h, &p->root, other);
		break;
	default:
		r = p->ops->write(p->store, &h, -1, data, sizeof(data), at);
	}
	assert_true(r == 0 || r == -ENOENT || r == -ESTALE || r == -EEXIST);
}

/* The same calls and seeds give the same tree; a cut leaves nothing for a second one to lose. */
static void test_same_seed_same_tree(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		char *texts[2];
		for (size_t k = 0; k < 2; k++) {
			struct place p = begin();
			uint64_t random = seed;
			for (int i = 0; i < 200; i++) {
				random_change(&p, &random);
				if (i % 41 == 40)
					assert_int_equal(p.ops->sync(p.store), 0);
				if (i % 67 == 66)
					store_mem_power_cut(p.store, random);
			}
			store_mem_power_cut(p.store, seed);
			texts[k] = dump(&p);
			store_mem_power_cut(p.store, seed + 1);
			char *again = dump(&p);
			assert_string_equal(texts[k], again);
			free(again);
			end(&p);
		}
		assert_string_equal(texts[0], texts[1]);
		free(texts[0]);
		free(texts[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_objects_of_others),
		cmocka_unit_test(test_synced_file_survives),
		cmocka_unit_test(test_synced_survives),
		cmocka_unit_test(test_names_keep_a_first_part),
		cmocka_unit_test(test_pages_are_lost_one_by_one),
		cmocka_unit_test(test_cut_content_stays_cut),
		cmocka_unit_test(test_removed_may_come_back),
		cmocka_unit_test(test_same_seed_same_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
