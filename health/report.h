/* SPDX-License-Identifier: Apache-2.0
 * What a node tells the others about itself: its worst code, its effects, and what is not good.
 * A report owns its entries; report_free().
 * Any thread; pure.
 * Invariant: decoding takes bytes from a stranger: it bounds everything and ignores what a newer
 * version has added at the end. Bytes: multiall-wire(5), HEALTH_REPORT.
 */
#ifndef HEALTH_REPORT_H
#define HEALTH_REPORT_H

#include "core/bytes.h"
#include "health/code.h"
#include "health/perfdata.h"
#include "health/rule.h"

#define REPORT_ENTRIES_MAX 128 /* the worst ones; counts are of all */
#define REPORT_BYTES_MAX   (64u << 10)
#define REPORT_EVERY_MS    10000u
#define REPORT_STALE_MS    (3 * REPORT_EVERY_MS)

struct report_entry {
	char rule[RULE_NAME_MAX + 1], pool[RULE_NAME_MAX + 1];
	uint16_t code;
	struct effect effect;
	bool flapping;
	uint32_t age_s; /* for how long it has been so */
	char text[PERFDATA_TEXT_MAX];
};

struct report {
	uint64_t revision; /* grows with each change of the entries */
	uint16_t code;     /* the worst */
	uint16_t counts[SEVERITIES];
	bool whole; /* entries are with it; else only the rest, and the entries are as before */
	uint16_t entry_count;
	struct report_entry *entries;
};

void report_encode(const struct report *report, struct wr *w);
/* MA_ECORRUPT, -ENOMEM. */
MUST_CHECK int report_decode(const uint8_t *data, size_t size, struct report *ret);
void report_free(struct report *report);

/* Worst first; the same on all nodes. For qsort. */
int report_entry_compare(const void *a, const void *b);

/* All effects on one pool, or (NULL) on any. */
struct effect report_effect(const struct report *report, const char *pool);

#endif
