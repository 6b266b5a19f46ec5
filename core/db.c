/* SPDX-License-Identifier: Apache-2.0 */
#include "core/db.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

#define STATEMENTS_MAX 32
#define CACHE_PRAGMA   "PRAGMA cache_size=-4096" /* KiB: bounds the memory of a connection */

/* A statement is SQLite's own; the type only hides it. */
struct db_stmt;

struct db {
	sqlite3 *handle;
	sqlite3_stmt *statements[STATEMENTS_MAX];
	int count;
};

static sqlite3_stmt *raw(struct db_stmt *s)
{
	return (sqlite3_stmt *)(void *)s;
}

static int code_of(int sqlite_code)
{
	switch (sqlite_code & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return MA_ECORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CANTOPEN:
		return -ENOENT;
	default:
		return -EIO;
	}
}

int db_run(struct db *db, const char *sql)
{
	return code_of(sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

int db_open(const char *path, const char *schema, struct db **ret, char *error, size_t size)
{
	struct db *db = calloc(1, sizeof(*db));

	if (!db)
		return -ENOMEM;
	int r = code_of(sqlite3_open_v2(
		path, &db->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
		NULL));
	if (r == 0)
		r = db_run(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
			       "PRAGMA temp_store=MEMORY; " CACHE_PRAGMA);
	if (r == 0)
		r = db_run(db, schema);
	if (r < 0) {
		(void)snprintf(error, size, "cannot open the database %s: %s", path,
			       db->handle ? sqlite3_errmsg(db->handle) : err_text(r));
		db_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

static int copy_pages(sqlite3 *from, sqlite3 *to)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");

	if (!backup)
		return code_of(sqlite3_errcode(to));
	/* All in one step: nobody else's change makes it begin again. */
	int step = sqlite3_backup_step(backup, -1);
	int end = sqlite3_backup_finish(backup);
	return code_of(step == SQLITE_DONE ? end : step);
}

int db_copy(const char *from, const char *to)
{
	sqlite3 *source = NULL;
	sqlite3 *target = NULL;

	if (unlink(to) < 0 && errno != ENOENT)
		return -errno;
	int r = code_of(
		sqlite3_open_v2(from, &source, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL));
	if (r == 0)
		r = code_of(sqlite3_open_v2(
			to, &target,
			SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL));
	if (r == 0)
		r = code_of(sqlite3_exec(target, "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF",
					 NULL, NULL, NULL));
	if (r == 0)
		r = copy_pages(source, target);
	(void)sqlite3_close(target);
	(void)sqlite3_close(source);
	return r;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (int i = 0; i < db->count; i++)
		(void)sqlite3_finalize(db->statements[i]);
	(void)sqlite3_close(db->handle);
	free(db);
}

int db_prepare(struct db *db, const char *sql, struct db_stmt **ret)
{
	sqlite3_stmt *s;

	if (db->count == STATEMENTS_MAX)
		return MA_ELIMIT;
	int r = code_of(
		sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL));
	if (r < 0)
		return r;
	db->statements[db->count++] = s;
	*ret = (struct db_stmt *)(void *)s;
	return 0;
}

void db_bind_int(struct db_stmt *s, int index, int64_t value)
{
	(void)sqlite3_bind_int64(raw(s), index, value);
}

void db_bind_blob(struct db_stmt *s, int index, const void *data, size_t size)
{
	(void)sqlite3_bind_blob64(raw(s), index, size ? data : "", size, SQLITE_STATIC);
}

int db_step(struct db_stmt *s)
{
	int code = sqlite3_step(raw(s));

	if (code == SQLITE_ROW)
		return 1;
	int r = code_of(code);
	(void)sqlite3_reset(raw(s));
	return r;
}

int64_t db_int(struct db_stmt *s, int column)
{
	return sqlite3_column_int64(raw(s), column);
}

const void *db_blob(struct db_stmt *s, int column, size_t *ret_size)
{
	const void *data = sqlite3_column_blob(raw(s), column);

	*ret_size = (size_t)sqlite3_column_bytes(raw(s), column);
	return data;
}

void db_reset(struct db_stmt *s)
{
	(void)sqlite3_reset(raw(s));
}
