/* SPDX-License-Identifier: Apache-2.0 */
#include "health/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_VERSION 1
#define FLAG_WHOLE     1
#define FLAG_FLAPPING  1

static void text_encode(const char *text, struct wr *w)
{
	wr_blob16(w, text, strlen(text));
}

static void text_decode(struct rd *r, char *ret, size_t size)
{
	size_t length = 0;
	const uint8_t *text = rd_blob16(r, size - 1, &length);

	if (text && memchr(text, '\0', length))
		r->failed = true;
	if (r->failed)
		length = 0;
	if (length)
		memcpy(ret, text, length);
	ret[length] = '\0';
}

void report_encode(const struct report *report, struct wr *w)
{
	wr_u16(w, REPORT_VERSION);
	wr_u8(w, report->whole ? FLAG_WHOLE : 0);
	wr_u64(w, report->revision);
	wr_u16(w, report->code);
	wr_u8(w, SEVERITIES);
	for (size_t i = 0; i < SEVERITIES; i++)
		wr_u16(w, report->counts[i]);
	wr_u16(w, report->whole ? report->entry_count : 0);
	for (size_t i = 0; report->whole && i < report->entry_count; i++) {
		const struct report_entry *entry = &report->entries[i];

		text_encode(entry->rule, w);
		text_encode(entry->pool, w);
		wr_u16(w, entry->code);
		wr_u8(w, entry->effect.bits);
		wr_u8(w, entry->effect.weight);
		wr_u8(w, entry->flapping ? FLAG_FLAPPING : 0);
		wr_u32(w, entry->age_s);
		text_encode(entry->text, w);
	}
}

static void entry_decode(struct rd *r, struct report_entry *entry)
{
	text_decode(r, entry->rule, sizeof(entry->rule));
	text_decode(r, entry->pool, sizeof(entry->pool));
	entry->code = rd_u16(r);
	entry->effect.bits = rd_u8(r) & EFFECT_ALL;
	entry->effect.weight = rd_u8(r);
	entry->flapping = rd_u8(r) & FLAG_FLAPPING;
	entry->age_s = rd_u32(r);
	text_decode(r, entry->text, sizeof(entry->text));
	if (entry->effect.weight > 100)
		entry->effect.weight = 100;
}

int report_decode(const uint8_t *data, size_t size, struct report *ret)
{
	struct rd r = rd_init(data, size);
	struct report report = {0};
	uint16_t version = rd_u16(&r);

	report.whole = rd_u8(&r) & FLAG_WHOLE;
	report.revision = rd_u64(&r);
	report.code = rd_u16(&r);
	uint8_t severities = rd_u8(&r);
	for (size_t i = 0; i < severities; i++) {
		uint16_t count = rd_u16(&r);
		if (i < SEVERITIES)
			report.counts[i] = count;
	}
	report.entry_count = rd_u16(&r);
	if (r.failed || version < REPORT_VERSION || report.entry_count > REPORT_ENTRIES_MAX)
		return MA_ECORRUPT;
	if (report.entry_count) {
		report.entries = calloc(report.entry_count, sizeof(*report.entries));
		if (!report.entries)
			return -ENOMEM;
	}
	for (size_t i = 0; i < report.entry_count; i++)
		entry_decode(&r, &report.entries[i]);
	if (r.failed) {
		report_free(&report);
		return MA_ECORRUPT;
	}
	*ret = report;
	return 0;
}

void report_free(struct report *report)
{
	free(report->entries);
	*report = (struct report){0};
}

int report_entry_compare(const void *left, const void *right)
{
	const struct report_entry *a = left;
	const struct report_entry *b = right;
	enum severity severity_a = code_severity(a->code);
	enum severity severity_b = code_severity(b->code);

	if (severity_a != severity_b)
		return severity_worse(severity_a, severity_b) ? -1 : 1;
	int r = strcmp(a->rule, b->rule);
	return r ? r : strcmp(a->pool, b->pool);
}

struct effect report_effect(const struct report *report, const char *pool)
{
	struct effect effect = EFFECT_NONE;

	for (size_t i = 0; i < report->entry_count; i++) {
		const struct report_entry *entry = &report->entries[i];

		if (!pool || !entry->pool[0] || strcmp(entry->pool, pool) == 0)
			effect = effect_join(effect, entry->effect);
	}
	return effect;
}
