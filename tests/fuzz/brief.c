/* links: replication/brief.c replication/batch.c replication/record.c replication/stamp.c
 *        core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as a batch in brief: refused, or in bounds, and the same when it is written and read
 * again. */
#include <stdint.h>
#include <stdlib.h>

#include "core/auto.h"
#include "replication/brief.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_again(struct brief_packer *k, const struct batch *b)
{
	AUTO_BRIEF struct brief brief = {0};
	AUTO_FREE uint8_t *unpacked = NULL;
	struct batch again = {0};

	check(brief_write(k, b, &brief) == 0);
	AUTO_FREE uint8_t *body = malloc(brief.head_size + brief.records_size);
	check(body != NULL);
	memcpy(body, brief.head, brief.head_size);
	if (brief.records_size)
		memcpy(body + brief.head_size, brief.records, brief.records_size);
	size_t size = brief.head_size + brief.records_size;
	check(brief_read(k, body, size, &again, &unpacked) == 0);
	check(again.slot == b->slot && again.prev == b->prev && again.first == b->first &&
	      again.last == b->last && again.count == b->count);
	check(vector_equal(&again.deps, &b->deps) && again.records_size == b->records_size);
	check(!b->records_size || memcmp(again.records, b->records, b->records_size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct brief_packer *k;
	struct batch batch = {0};
	AUTO_FREE uint8_t *unpacked = NULL;

	check(brief_packer_new(&k) == 0);
	if (brief_read(k, data, size, &batch, &unpacked) == 0) {
		check(batch.prev < batch.first && batch.first <= batch.last && batch.count);
		check(batch.last <= STAMP_SEQ_MAX);
		check(batch.records_size <= (unpacked ? BATCH_SIZE_MAX : size));
		check_again(k, &batch);
	}
	brief_packer_free(k);
	return 0;
}
