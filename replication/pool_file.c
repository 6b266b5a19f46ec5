/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/pool_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/io.h"

#define POOL_FILE_MAX 4096
static const char magic[8] = "MAPOOL01";

static char *file_path(const char *dir)
{
	return path_join(dir, "pool");
}

static void read_text(struct rd *r, char *ret, size_t room)
{
	size_t size;
	const uint8_t *text = rd_blob16(r, room - 1, &size);

	if (!text || memchr(text, 0, size))
		r->failed = true;
	else
		memcpy(ret, text, size);
}

static int read_from(const char *path, struct pool_file *ret)
{
	AUTO_FREE uint8_t *data = NULL;
	size_t size;

	int code = file_read(path, POOL_FILE_MAX, &data, &size);
	if (code < 0)
		return code;
	struct rd r = rd_init(data, size);
	const uint8_t *head = rd_bytes(&r, sizeof(magic));
	if (!head || memcmp(head, magic, sizeof(magic)) != 0)
		return MA_ECORRUPT;
	memset(ret, 0, sizeof(*ret));
	ret->id = rd_u64(&r);
	ret->incarnation = rd_u16(&r);
	rd_copy(&r, ret->store, sizeof(ret->store));
	read_text(&r, ret->name, sizeof(ret->name));
	read_text(&r, ret->backing, sizeof(ret->backing));
	return r.failed ? MA_ECORRUPT : 0;
}

int pool_file_read(const char *dir, struct pool_file *ret)
{
	AUTO_FREE char *path = file_path(dir);

	return path ? read_from(path, ret) : -ENOMEM;
}

int pool_file_write(const char *dir, const struct pool_file *file)
{
	AUTO_FREE char *path = file_path(dir);
	uint8_t bytes[512];
	struct wr w = wr_init(bytes, sizeof(bytes));

	wr_bytes(&w, magic, sizeof(magic));
	wr_u64(&w, file->id);
	wr_u16(&w, file->incarnation);
	wr_bytes(&w, file->store, sizeof(file->store));
	wr_blob16(&w, file->name, strlen(file->name));
	wr_blob16(&w, file->backing, strlen(file->backing));
	return !path || w.failed ? -ENOMEM : file_replace(path, bytes, wr_used(&w), 0600);
}

static int remove_all(const char *dir, const char *name)
{
	AUTO_FREE char *path = path_join(dir, name);

	if (!path)
		return -ENOMEM;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_journal(const char *dir)
{
	AUTO_FREE char *path = path_join(dir, "journal");
	DIR *d = path ? opendir(path) : NULL;
	struct dirent *e;
	int r = 0;

	if (!d)
		return path && errno == ENOENT ? 0 : -errno;
	while (r == 0 && (e = readdir(d))) {
		if (e->d_name[0] != '.')
			r = remove_all(path, e->d_name);
	}
	(void)closedir(d);
	return r;
}

static int remove_state(const char *dir)
{
	static const char *const names[] = {"index.db",   "index.db-wal",   "index.db-shm",
					    "staging.db", "staging.db-wal", "staging.db-shm",
					    "running"};
	int r = remove_journal(dir);

	for (size_t i = 0; r == 0 && i < sizeof(names) / sizeof(names[0]); i++)
		r = remove_all(dir, names[i]);
	return r;
}

int pool_file_forget(const char *dir)
{
	AUTO_FREE char *path = file_path(dir);
	AUTO_FREE char *left = path_join(dir, "left");

	if (!path || !left)
		return -ENOMEM;
	if (rename(path, left) < 0 && errno != ENOENT)
		return -errno;
	return remove_state(dir);
}

int pool_file_renew(const char *dir, struct pool_file *file)
{
	AUTO_FREE char *left = path_join(dir, "left");
	struct pool_file old;

	if (!left)
		return -ENOMEM;
	int r = read_from(left, &old);
	if (r == 0 && old.id == file->id)
		file->incarnation = (uint16_t)(old.incarnation + 1);
	if (r < 0 && r != -ENOENT)
		return r;
	return remove_state(dir);
}

static char *mark_path(const struct pool_file *file)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s/store", file->backing, POOL_RESERVED) < 0 ? NULL : path;
}

int pool_store_mark(const struct pool_file *file)
{
	AUTO_FREE char *dir = path_join(file->backing, POOL_RESERVED);
	AUTO_FREE char *path = mark_path(file);
	uint8_t bytes[24];
	struct wr w = wr_init(bytes, sizeof(bytes));

	wr_u64(&w, file->id);
	wr_bytes(&w, file->store, sizeof(file->store));
	if (!dir || !path)
		return -ENOMEM;
	int r = dir_make(dir, 0700);
	return r < 0 ? r : file_replace(path, bytes, sizeof(bytes), 0600);
}

void pool_store_unmark(const struct pool_file *file)
{
	AUTO_FREE char *dir = path_join(file->backing, POOL_RESERVED);
	AUTO_FREE char *path = mark_path(file);

	/* What is left there (a content that was being fetched) may stay; it harms nobody. */
	if (path)
		(void)unlink(path);
	if (dir)
		(void)rmdir(dir);
}

bool pool_store_marked(const char *backing)
{
	struct pool_file file = {0};
	struct stat st;

	(void)snprintf(file.backing, sizeof(file.backing), "%s", backing);
	AUTO_FREE char *path = mark_path(&file);
	return path && stat(path, &st) == 0;
}

int pool_store_check(const struct pool_file *file, char *error, size_t size)
{
	AUTO_FREE char *path = mark_path(file);
	AUTO_FREE uint8_t *data = NULL;
	size_t length = 0;
	int r = path ? file_read(path, 64, &data, &length) : -ENOMEM;

	if (r < 0) {
		(void)snprintf(
			error, size,
			"the backing directory %s of pool \"%s\" is empty or not mounted (no %s): "
			"%s. Nothing is taken for deleted; mount it and start again",
			file->backing, file->name, path ? path : "store mark", err_text(r));
		return MA_ESTORE;
	}
	struct rd rd = rd_init(data, length);
	uint64_t id = rd_u64(&rd);
	const uint8_t *store = rd_bytes(&rd, sizeof(file->store));
	if (id == file->id && store && memcmp(store, file->store, sizeof(file->store)) == 0)
		return 0;
	(void)snprintf(
		error, size,
		"the backing directory %s belongs to another pool or another copy of \"%s\"; "
		"put the right one in place, or leave the pool and join again",
		file->backing, file->name);
	return MA_ESTORE;
}
