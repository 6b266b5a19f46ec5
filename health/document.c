/* SPDX-License-Identifier: Apache-2.0 */
#include "health/document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/bytes.h"
#include "core/crypto.h"
#include "core/io.h"

#define DOCUMENT_VERSION 1
#define SUM_SIZE         16

size_t document_encode(const struct document *document, uint8_t ret[DOCUMENT_BYTES_MAX])
{
	struct wr w = wr_init(ret, DOCUMENT_BYTES_MAX - SUM_SIZE);

	wr_u16(&w, DOCUMENT_VERSION);
	wr_u64(&w, document->pool);
	wr_u64(&w, document->version);
	wr_u16(&w, document->author);
	wr_u64(&w, (uint64_t)document->time_s);
	wr_blob16(&w, document->text, document->size);
	size_t size = w.failed ? 0 : wr_used(&w);
	if (size) {
		hash_bytes(ret, size, ret + size, SUM_SIZE);
		size += SUM_SIZE;
	}
	return size;
}

int document_decode(const uint8_t *data, size_t size, struct document *ret)
{
	struct rd r = rd_init(data, size);
	struct document document = {0};
	uint8_t sum[SUM_SIZE];
	uint16_t version = rd_u16(&r);

	document.pool = rd_u64(&r);
	document.version = rd_u64(&r);
	document.author = rd_u16(&r);
	document.time_s = (int64_t)rd_u64(&r);
	const uint8_t *text = rd_blob16(&r, BLOCKS_FILE_MAX, &document.size);
	if (!r.failed && version != DOCUMENT_VERSION)
		return MA_EVERSION;
	if (r.failed || rd_left(&r) != SUM_SIZE)
		return MA_ECORRUPT;
	hash_bytes(data, size - SUM_SIZE, sum, SUM_SIZE);
	if (!crypto_equal(sum, data + size - SUM_SIZE, SUM_SIZE))
		return MA_ECORRUPT;
	document.text = malloc(document.size + 1);
	if (!document.text)
		return -ENOMEM;
	memcpy(document.text, text, document.size);
	document.text[document.size] = '\0';
	*ret = document;
	return 0;
}

void document_free(struct document *document)
{
	free(document->text);
	*document = (struct document){0};
}

bool document_newer(const struct document *a, const struct document *b)
{
	if (a->version != b->version)
		return a->version > b->version;
	if (a->author != b->author)
		return a->author > b->author;
	if (a->size != b->size)
		return a->size > b->size;
	return a->size && memcmp(a->text, b->text, a->size) > 0;
}

static void path_of(const char *dir, uint64_t pool, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s/%016llx.rules", dir, (unsigned long long)pool);
}

int document_save(const char *dir, const struct document *document)
{
	AUTO_FREE uint8_t *data = malloc(DOCUMENT_BYTES_MAX);
	char path[1024];

	if (!data)
		return -ENOMEM;
	size_t size = document_encode(document, data);
	if (!size)
		return -EMSGSIZE;
	path_of(dir, document->pool, path, sizeof(path));
	int r = dir_make(dir, 0700);
	return r < 0 ? r : file_replace(path, data, size, 0600);
}

int document_load(const char *dir, uint64_t pool, struct document *ret)
{
	AUTO_FREE uint8_t *data = NULL;
	size_t size = 0;
	char path[1024];

	path_of(dir, pool, path, sizeof(path));
	int r = file_read(path, DOCUMENT_BYTES_MAX, &data, &size);
	if (r == 0)
		r = document_decode(data, size, ret);
	if (r == 0 && ret->pool != pool) {
		document_free(ret);
		r = MA_ECORRUPT;
	}
	return r;
}
