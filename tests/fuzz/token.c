/* links: net/token.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any text as a token, and any bytes as a list of tokens: refused, or it is exactly what we would
 * write. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "net/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void text_check(const uint8_t *data, size_t size)
{
	AUTO_FREE char *text = malloc(size + 1);
	char again[TOKEN_TEXT_SIZE];
	struct token token;

	if (!text)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	if (token_parse(text, &token) < 0)
		return;
	token_format(&token, again);
	if (strcmp(text, again) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[TOKEN_LIST_MAX_BYTES];
	struct token_list list;

	text_check(data, size);
	struct rd r = rd_init(data, size);
	if (token_list_decode(&r, &list) < 0)
		return 0;
	struct wr w = wr_init(again, sizeof(again));
	token_list_encode(&list, &w);
	if (w.failed || wr_used(&w) != size || memcmp(again, data, size) != 0)
		abort();
	return 0;
}
