/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/store_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_tree(const char *path)
{
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int place_set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");
	char error[300] = "";

	assert_non_null(p);
	assert_true((size_t)snprintf(p->path, sizeof(p->path), "%s/store_test.XXXXXX",
				     tmp ? tmp : "/tmp") < sizeof(p->path));
	assert_non_null(mkdtemp(p->path));
	int r = store_dir_open(p->path, &p->store, error, sizeof(error));
	if (r == -ENOTSUP || r == -EPERM || r == -EOVERFLOW)
		print_message("skipped: %s\n", error);
	else
		assert_int_equal(r, 0);
	if (r == 0) {
		p->ops = p->store->ops;
		assert_int_equal(p->ops->root(p->store, &p->root), 0);
	}
	p->next_id = 1000;
	*state = p;
	return 0;
}

int place_tear_down(void **state)
{
	struct place *p = *state;

	if (p->store)
		p->ops->free(p->store);
	remove_tree(p->path);
	free(p);
	return 0;
}

struct place *place_of(void **state)
{
	struct place *p = *state;

	if (!p->store)
		skip();
	return p;
}

struct store_handle place_make(struct place *p, const struct store_handle *dir, const char *name,
			       mode_t mode)
{
	struct store_node node = {.id = ++p->next_id, .mode = mode, .target = "target"};
	struct store_handle h = {0};

	assert_int_equal(p->ops->make(p->store, dir, name, &node, &h), 0);
	return h;
}
