/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/store_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <xxhash.h>

#include "core/auto.h"

#define PAGE        4096
#define VALUE_MAX   65536
#define OWN_XATTR   "trusted.multiall."
#define SHOWN_VALUE 32

struct dump {
	struct store *store;
	unsigned int flags;
	FILE *out;
};

struct names {
	char **list;
	size_t count;
};

static void names_free(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i]);
	free(names->list);
}

#define AUTO_NAMES __attribute__((cleanup(names_free)))

static int names_add(struct names *names, const char *name)
{
	char **list = realloc(names->list, (names->count + 1) * sizeof(*list));

	if (!list)
		return -ENOMEM;
	names->list = list;
	list[names->count] = strdup(name);
	return list[names->count++] ? 0 : -ENOMEM;
}

static int name_seen(void *arg, const char *name, uint64_t id, mode_t type)
{
	(void)id;
	(void)type;
	return names_add(arg, name);
}

static int name_order(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_sort(struct names *names)
{
	if (names->count)
		qsort(names->list, names->count, sizeof(*names->list), name_order);
}

static void put_text(FILE *out, const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c > ' ' && *c <= '~' && *c != '\\')
			(void)fputc(*c, out);
		else
			(void)fprintf(out, "\\%02x", (unsigned int)(unsigned char)*c);
	}
}

static bool is_zero(const uint8_t *data, size_t size)
{
	return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* Pages that are not all zeros, each with its number. */
static int hash_stretch(struct dump *d, const struct store_handle *h, int fd, off_t start,
			off_t end, XXH3_state_t *state)
{
	uint8_t page[PAGE];

	for (off_t at = start - start % PAGE; at < end; at += PAGE) {
		uint64_t index = (uint64_t)at / PAGE;
		memset(page, 0, sizeof(page));
		ssize_t n = d->store->ops->read(d->store, h, fd, page, sizeof(page), at);
		if (n < 0)
			return (int)n;
		if (is_zero(page, sizeof(page)))
			continue;
		(void)XXH3_64bits_update(state, &index, sizeof(index));
		(void)XXH3_64bits_update(state, page, sizeof(page));
	}
	return 0;
}

static int hash_content(struct dump *d, const struct store_handle *h, uint64_t *ret)
{
	XXH3_state_t *state = XXH3_createState();
	int fd = -1;
	off_t start = 0;
	off_t end = 0;

	if (!state)
		return -ENOMEM;
	(void)XXH3_64bits_reset(state);
	int r = d->store->ops->open(d->store, h, O_RDONLY, &fd);
	while (r == 0) {
		/* The next stretch begins behind the last page read. */
		r = d->store->ops->next_data(d->store, h, fd, (end + PAGE - 1) / PAGE * PAGE,
					     &start, &end);
		if (r == 0)
			r = hash_stretch(d, h, fd, start, end, state);
	}
	d->store->ops->close(d->store, fd);
	*ret = XXH3_64bits_digest(state);
	(void)XXH3_freeState(state);
	return r == -ENXIO ? 0 : r;
}

static int put_xattr(struct dump *d, const struct store_handle *h, const char *name)
{
	AUTO_FREE uint8_t *value = malloc(VALUE_MAX);

	if (!value)
		return -ENOMEM;
	ssize_t size = d->store->ops->get_xattr(d->store, h, name, value, VALUE_MAX);
	if (size < 0)
		return (int)size;
	(void)fputc(' ', d->out);
	put_text(d->out, name);
	(void)fprintf(d->out, "=%zd:", size);
	for (ssize_t i = 0; size <= SHOWN_VALUE && i < size; i++)
		(void)fprintf(d->out, "%02x", value[i]);
	if (size > SHOWN_VALUE)
		(void)fprintf(d->out, "#%016llx",
			      (unsigned long long)XXH3_64bits(value, (size_t)size));
	return 0;
}

static int put_xattrs(struct dump *d, const struct store_handle *h)
{
	AUTO_FREE char *list = malloc(VALUE_MAX);
	AUTO_NAMES struct names names = {0};

	if (!list)
		return -ENOMEM;
	ssize_t size = d->store->ops->list_xattr(d->store, h, list, VALUE_MAX);
	if (size < 0)
		return (int)size;
	for (const char *at = list; at < list + size; at += strlen(at) + 1) {
		if (strncmp(at, OWN_XATTR, strlen(OWN_XATTR)) == 0)
			continue;
		int r = names_add(&names, at);
		if (r < 0)
			return r;
	}
	names_sort(&names);
	for (size_t i = 0; i < names.count; i++) {
		int r = put_xattr(d, h, names.list[i]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_kind(struct dump *d, const struct store_handle *h, const struct stat *st)
{
	char target[PAGE];
	uint64_t hash = 0;

	if (S_ISREG(st->st_mode)) {
		int r = hash_content(d, h, &hash);
		if (r == 0)
			(void)fprintf(d->out, " %lld %016llx", (long long)st->st_size,
				      (unsigned long long)hash);
		return r;
	}
	if (S_ISLNK(st->st_mode)) {
		ssize_t n = d->store->ops->readlink(d->store, h, target, sizeof(target) - 1);
		if (n < 0)
			return (int)n;
		target[n] = '\0';
		(void)fputs(" -> ", d->out);
		put_text(d->out, target);
	}
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		(void)fprintf(d->out, " %u:%u", major(st->st_rdev), minor(st->st_rdev));
	return 0;
}

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return 'f';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	case S_IFCHR:
		return 'c';
	default:
		return 'b';
	}
}

static int put_object(struct dump *d, const char *path, uint64_t id, const struct store_handle *h,
		      const struct stat *st)
{
	bool is_dir = S_ISDIR(st->st_mode);

	put_text(d->out, path);
	(void)fprintf(d->out, " %c%04o %u:%u", type_letter(st->st_mode), st->st_mode & 07777,
		      st->st_uid, st->st_gid);
	int r = put_kind(d, h, st);
	if (d->flags & (is_dir ? STORE_DUMP_DIR_TIMES : STORE_DUMP_TIMES))
		(void)fprintf(d->out, " @%lld.%09ld", (long long)st->st_mtim.tv_sec,
			      st->st_mtim.tv_nsec);
	if (d->flags & STORE_DUMP_IDS || (!is_dir && st->st_nlink > 1))
		(void)fprintf(d->out, " id=%016llx", (unsigned long long)id);
	if (r == 0)
		r = put_xattrs(d, h);
	(void)fputc('\n', d->out);
	return r;
}

static int put_dir(struct dump *d, const char *path, const struct store_handle *dir)
{
	AUTO_NAMES struct names names = {0};
	int r = d->store->ops->entries(d->store, dir, name_seen, &names);

	names_sort(&names);
	for (size_t i = 0; i < names.count && r == 0; i++) {
		AUTO_FREE char *child = NULL;
		struct store_handle h = {0};
		struct stat st;
		uint64_t id = 0;
		if (asprintf(&child, "%s/%s", path, names.list[i]) < 0)
			return -ENOMEM;
		r = d->store->ops->lookup(d->store, dir, names.list[i], &id, &h, &st);
		if (r == 0)
			r = put_object(d, child, id, &h, &st);
		if (r == 0 && S_ISDIR(st.st_mode))
			r = put_dir(d, child, &h);
	}
	return r;
}

int store_dump(struct store *store, unsigned int flags, char **ret_text)
{
	AUTO_FREE char *text = NULL;
	size_t size = 0;
	struct dump d = {.store = store, .flags = flags, .out = open_memstream(&text, &size)};
	struct store_handle root;
	struct stat st;

	if (!d.out)
		return -ENOMEM;
	int r = store->ops->root(store, &root);
	if (r == 0)
		r = store->ops->stat(store, &root, -1, &st);
	if (r == 0)
		r = put_object(&d, "/", 0, &root, &st);
	if (r == 0)
		r = put_dir(&d, "", &root);
	if (fclose(d.out) != 0 && r == 0)
		r = -ENOMEM;
	if (r == 0)
		*ret_text = take_ptr(text);
	return r;
}

int store_dump_hash(struct store *store, unsigned int flags, uint64_t *ret)
{
	AUTO_FREE char *text = NULL;
	int r = store_dump(store, flags, &text);

	if (r == 0)
		*ret = XXH3_64bits(text, strlen(text));
	return r;
}

/* Both are in the same order, by path. */
void store_dump_diff(const char *a, const char *b)
{
	while (*a || *b) {
		size_t a_size = strcspn(a, "\n");
		size_t b_size = strcspn(b, "\n");
		int order = a_size == b_size ? memcmp(a, b, a_size) : strcmp(a, b);
		if (order == 0) {
			a += a_size + (a[a_size] != '\0');
			b += b_size + (b[b_size] != '\0');
		} else if (*a && (order < 0 || !*b)) {
			(void)fprintf(stderr, "< %.*s\n", (int)a_size, a);
			a += a_size + (a[a_size] != '\0');
		} else {
			(void)fprintf(stderr, "> %.*s\n", (int)b_size, b);
			b += b_size + (b[b_size] != '\0');
		}
	}
}
