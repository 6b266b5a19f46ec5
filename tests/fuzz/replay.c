/* SPDX-License-Identifier: Apache-2.0
 * Gives each file named on the command line to a fuzz target, with any compiler: so the seeds
 * are run by `make check`. Ends badly only where the target crashes.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEED_MAX (16u << 20)

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(SEED_MAX);

	if (!file || !data) {
		perror(path);
		free(data);
		if (file)
			(void)fclose(file);
		return 1;
	}
	size_t size = fread(data, 1, SEED_MAX, file);
	(void)fclose(file);
	/* Exactly as large as the input, so that the sanitizer sees a read behind its end. */
	uint8_t *fit = realloc(data, size ? size : 1);
	if (!fit) {
		free(data);
		return 1;
	}
	(void)LLVMFuzzerTestOneInput(fit, size);
	free(fit);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= replay_file(argv[i]);
	return failed;
}
