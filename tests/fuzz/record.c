/* links: replication/record.c replication/stamp.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as a record: refused, or its fields are within their bounds and writing them gives the
 * same bytes. */
#include <stdint.h>
#include <stdlib.h>

#include "replication/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_name(const char *name, size_t size)
{
	check(size <= RECORD_NAME_MAX);
	check(size == 0 || (name && !memchr(name, 0, size)));
}

static void check_again(const struct record *rec, const uint8_t *data, size_t size)
{
	uint8_t head[RECORD_HEAD_MAX];
	struct wr w = wr_init(head, sizeof(head));

	if (rec->data_size > RECORD_DATA_MAX)
		return; /* a VOID keeps whatever the record was; nobody writes one of this size */
	record_write_head(&w, rec);
	check(!w.failed && wr_used(&w) + record_inline(rec) == size);
	check(memcmp(head, data, wr_used(&w)) == 0);
	check(rec->kind == REC_EXTENT ? !rec->data : rec->data == data + wr_used(&w));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record rec;

	if (record_read(data, size, &rec) < 0)
		return 0;
	check(rec.kind > 0 && rec.kind < REC_KINDS && stamp_seq(rec.stamp));
	check(rec.id || rec.kind == REC_VOID);
	check_name(rec.name, rec.name_size);
	check_name(rec.old_name, rec.old_name_size);
	check(rec.target_size <= RECORD_TARGET_MAX);
	if (rec.kind == REC_MAKE)
		check((rec.id == rec.stamp || (rec.flags & REC_F_ID)) && rec.name_size);
	if (record_is_content(&rec))
		check(rec.offset + rec.length + rec.data_size <= INT64_MAX);
	uint32_t apart = 0;
	check(record_is_apart(data, size, &apart) == (rec.kind == REC_EXTENT));
	check(rec.kind != REC_EXTENT || apart == rec.data_size);
	check_again(&rec, data, size);
	return 0;
}
