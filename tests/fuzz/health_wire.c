/* links: health/report.c health/document.c health/code.c core/crypto.c core/io.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as a peer's report or as its rules of a pool: what is taken is within its bounds, and
 * comes out again as it went in. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/crypto.h"
#include "health/document.h"
#include "health/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_report(const uint8_t *data, size_t size)
{
	static uint8_t again[REPORT_BYTES_MAX];
	struct wr w = wr_init(again, sizeof(again));
	struct report report, back;

	if (report_decode(data, size, &report) < 0)
		return;
	report_encode(&report, &w);
	if (report.entry_count > REPORT_ENTRIES_MAX || w.failed ||
	    report_decode(again, wr_used(&w), &back) < 0 ||
	    (report.whole && back.entry_count != report.entry_count) ||
	    report_effect(&report, NULL).weight > 100)
		abort();
	report_free(&report);
	report_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct document document;

	if (crypto_init() < 0)
		abort();
	try_report(data, size);
	if (document_decode(data, size, &document) == 0) {
		if (document.size > BLOCKS_FILE_MAX || document.text[document.size] != '\0')
			abort();
		document_free(&document);
	}
	return 0;
}
