/* SPDX-License-Identifier: Apache-2.0
 * The door to SQLite: one connection, prepared statements, errors as codes.
 * The db owns its statements; blobs read are borrowed until the statement's next step or reset.
 * One thread at a time (the caller locks). Errors are -errno or MA_ECORRUPT.
 * Invariant: a failed statement leaves no transaction half done: the caller sees the code.
 */
#ifndef CORE_DB_H
#define CORE_DB_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct db;
struct db_stmt;

/* Opens or creates; WAL, synchronous=NORMAL. `schema`: statements to run each time. */
MUST_CHECK int db_open(const char *path, const char *schema, struct db **ret, char *error,
		       size_t size);
void db_close(struct db *db);
/* Copies the database at `from` as it is at this moment, into a file that is made anew. Not synced.
 * Other connections go on meanwhile. */
MUST_CHECK int db_copy(const char *from, const char *to);
MUST_CHECK int db_run(struct db *db, const char *sql);
MUST_CHECK int db_prepare(struct db *db, const char *sql, struct db_stmt **ret);

/* Parameters count from 1; blobs must live until the step. */
void db_bind_int(struct db_stmt *s, int index, int64_t value);
void db_bind_blob(struct db_stmt *s, int index, const void *data, size_t size);
/* 1: a row, 0: done (the statement is reset), negative: error (reset as well). */
MUST_CHECK int db_step(struct db_stmt *s);
int64_t db_int(struct db_stmt *s, int column);
const void *db_blob(struct db_stmt *s, int column, size_t *ret_size);
void db_reset(struct db_stmt *s);

#endif
