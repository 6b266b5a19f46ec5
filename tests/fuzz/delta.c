/* links: replication/delta.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as a signature (first byte even) or as a delta (odd) of another node: refused or used
 * within the limits, never a crash. */
#include <stdlib.h>
#include <string.h>

#include "replication/delta.h"

#define CONTENT_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int count(void *arg, const void *data, size_t size)
{
	size_t *sum = arg;

	(void)data;
	*sum += size;
	if (*sum > CONTENT_MAX)
		abort();
	return 0;
}

static ssize_t basis(void *arg, void *data, size_t size, uint64_t offset)
{
	(void)arg;
	if (offset >= CONTENT_MAX)
		return 0;
	if (size > CONTENT_MAX - offset)
		size = (size_t)(CONTENT_MAX - offset);
	for (size_t i = 0; i < size; i++)
		((uint8_t *)data)[i] = (uint8_t)((offset + i) / 3);
	return (ssize_t)size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct delta_job *job = NULL;
	size_t sum = 0;
	int r = 0;

	if (size == 0 || crypto_init() < 0)
		return 0;
	if (data[0] % 2 == 0) {
		r = delta_make_begin(data + 1, size - 1, count, &sum, &job);
		if (r == 0)
			r = delta_run(job, basis, NULL, CONTENT_MAX / 2);
	} else {
		r = delta_patch_begin(CONTENT_MAX, basis, NULL, count, &sum, &job);
		/* In two pieces, cut where the input says. */
		size_t first = size > 1 ? data[0] % size : 0;
		if (r == 0)
			r = delta_feed(job, data + 1, first < size - 1 ? first : size - 1, false);
		if (r == 0)
			r = delta_feed(job, data + 1 + (first < size - 1 ? first : size - 1),
				       size - 1 - (first < size - 1 ? first : size - 1), true);
	}
	delta_free(job);
	return 0;
}
