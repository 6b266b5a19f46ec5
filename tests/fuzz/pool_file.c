/* links: replication/pool_file.c core/io.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as a pool file: refused, or writing it again and reading that gives the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/io.h"
#include "replication/pool_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void put(const char *path, const uint8_t *data, size_t size)
{
	FILE *file = fopen(path, "wb");

	check(file != NULL);
	check(fwrite(data, 1, size, file) == size);
	check(fclose(file) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *tmp = getenv("TMPDIR");
	char dir[128];
	char path[160];
	struct pool_file first, second;

	(void)snprintf(dir, sizeof(dir), "%s/pool-file-XXXXXX", tmp ? tmp : "/tmp");
	check(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/pool", dir);
	put(path, data, size);
	if (pool_file_read(dir, &first) == 0) {
		check(memchr(first.name, 0, sizeof(first.name)) != NULL);
		check(memchr(first.backing, 0, sizeof(first.backing)) != NULL);
		check(pool_file_write(dir, &first) == 0);
		check(pool_file_read(dir, &second) == 0);
		check(memcmp(&first, &second, sizeof(first)) == 0);
	}
	(void)unlink(path);
	(void)rmdir(dir);
	return 0;
}
