/* SPDX-License-Identifier: Apache-2.0
 * What this node says about itself: its rules that are not good, worst first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "health/parts.h"

static void entry_fill(struct report_entry *entry, const struct watch *watch, uint16_t code,
		       uint64_t now_ms)
{
	memcpy(entry->rule, watch->rule->name, sizeof(entry->rule));
	memcpy(entry->pool, watch->rule->pool, sizeof(entry->pool));
	entry->code = code;
	entry->effect = runner_effect(watch, now_ms);
	entry->flapping = watch->verdict.flapping;
	entry->age_s = (uint32_t)((now_ms - watch->verdict.since_ms) / 1000);
	(void)snprintf(entry->text, sizeof(entry->text), "%s", runner_text(watch, now_ms));
}

/* Sources whose rules can't be read: the agent's own complaint. */
static void source_fill(struct report_entry *entry, const struct health_source *source)
{
	(void)snprintf(entry->rule, sizeof(entry->rule), "health.rules");
	entry->code = code_make(SEVERITY_DEGRADED, CONDITION_RULES_INVALID);
	entry->effect = EFFECT_NONE;
	(void)snprintf(entry->text, sizeof(entry->text), "%.200s%s", source->error,
		       source->good_used ? " (its last good text is in force)" : "");
}

/* The agent itself was not given time: what it says is older than it seems. */
static void late_fill(struct report_entry *entry, uint64_t late_ms)
{
	(void)snprintf(entry->rule, sizeof(entry->rule), "health.agent");
	entry->code = code_make(SEVERITY_DEGRADED, CONDITION_LATE);
	entry->effect = EFFECT_NONE;
	(void)snprintf(entry->text, sizeof(entry->text),
		       "checks started %.1f s late: this node is overloaded, or was stopped",
		       (double)late_ms / 1000);
}

int health_report_make(const struct health *health, struct report *ret)
{
	size_t count;
	const struct watch *watches = runner_watches(health->runner, &count);
	uint64_t now_ms = clock_boot_ms();
	int64_t now_s = clock_wall_ns() / 1000000000;
	struct report report = {.whole = true};
	size_t used = 0;
	size_t room = count + health->rules->source_count + 2;
	struct report_entry *entries = calloc(room, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < health->rules->source_count; i++) {
		if (health->rules->sources[i].error[0])
			source_fill(&entries[used++], &health->rules->sources[i]);
	}
	if (runner_late_ms(health->runner, now_ms))
		late_fill(&entries[used++], runner_late_ms(health->runner, now_ms));
	for (size_t i = 0; i < count; i++) {
		uint16_t code = runner_code(&watches[i], now_ms, now_s);

		if (code)
			entry_fill(&entries[used++], &watches[i], code, now_ms);
		else
			report.counts[SEVERITY_OK]++;
	}
	if (used)
		qsort(entries, used, sizeof(*entries), report_entry_compare);
	for (size_t i = 0; i < used; i++)
		report.counts[code_severity(entries[i].code)]++;
	report.code = used ? entries[0].code : 0;
	report.entry_count = (uint16_t)(used < REPORT_ENTRIES_MAX ? used : REPORT_ENTRIES_MAX);
	report.entries = entries;
	*ret = report;
	return 0;
}
