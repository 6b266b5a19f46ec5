/* SPDX-License-Identifier: Apache-2.0
 * What is known about a node: the answers that other parts and people get.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "health/parts.h"

/* The report that counts for the node; NULL if there is none, or it is too old. */
static const struct report *report_of(const struct health *health, uint16_t node)
{
	char name[64];

	if (node == 0 || node == health->config.self(health->config.arg, name))
		return &health->sent;
	const struct health_peer *peer = node < HEALTH_NODES ? health->peers[node] : NULL;
	if (!peer || !peer->received_ms || clock_boot_ms() - peer->received_ms > REPORT_STALE_MS)
		return NULL;
	return &peer->report;
}

void health_look(const struct health *health, uint16_t node, struct health_view *ret)
{
	const struct report *report = report_of(health, node);
	struct health_view view = {.known = report != NULL};

	if (!report) {
		view.code = code_make(SEVERITY_UNKNOWN, CONDITION_STALE);
		(void)snprintf(view.text, sizeof(view.text), "no report for %u s or more",
			       REPORT_STALE_MS / 1000);
	} else {
		view.code = report->code;
		view.revision = report->revision;
		memcpy(view.counts, report->counts, sizeof(view.counts));
		if (report->code)
			(void)snprintf(view.text, sizeof(view.text), "%s: %s",
				       code_text(report->code), report->entries[0].rule);
		else
			(void)snprintf(view.text, sizeof(view.text), "ok");
	}
	effect_text(health_effect(health, node, NULL), view.effect);
	*ret = view;
}

struct effect health_effect(const struct health *health, uint16_t node, const char *pool)
{
	const struct report *report = report_of(health, node);

	return report ? report_effect(report, pool) : (struct effect){EFFECT_NO_NEW, 100};
}

static json_t *effect_json(struct effect effect)
{
	char text[EFFECT_TEXT_MAX];

	effect_text(effect, text);
	return json_string(text);
}

static json_t *entry_json(const char *rule, const char *pool, uint16_t code, struct effect effect)
{
	return json_pack("{s:o, s:o, s:i, s:s, s:s, s:o}", "rule", json_text(rule), "pool",
			 json_text(pool), "code", code, "severity",
			 severity_text(code_severity(code)), "condition", code_text(code), "effect",
			 effect_json(effect));
}

/* Those entries of a report whose rule begins with `prefix`. */
static void add_entries(json_t *rules, const struct report *report, const char *prefix)
{
	for (size_t i = 0; i < report->entry_count; i++) {
		const struct report_entry *entry = &report->entries[i];

		if (strncmp(entry->rule, prefix, strlen(prefix)) != 0)
			continue;
		json_t *o = entry_json(entry->rule, entry->pool, entry->code, entry->effect);
		(void)json_object_set_new(o, "text", json_text(entry->text));
		(void)json_object_set_new(o, "flapping", json_boolean(entry->flapping));
		(void)json_object_set_new(o, "since_s", json_integer(entry->age_s));
		(void)json_array_append_new(rules, o);
	}
}

static json_t *watch_json(const struct watch *watch)
{
	uint64_t now_ms = clock_boot_ms();
	uint16_t code = runner_code(watch, now_ms, clock_wall_ns() / 1000000000);
	json_t *o = entry_json(watch->rule->name, watch->rule->pool, code,
			       runner_effect(watch, now_ms));

	(void)json_object_set_new(o, "text", json_text(runner_text(watch, now_ms)));
	(void)json_object_set_new(o, "flapping", json_boolean(watch->verdict.flapping));
	(void)json_object_set_new(
		o, "since_s",
		json_integer((json_int_t)((now_ms - watch->verdict.since_ms) / 1000)));
	(void)json_object_set_new(o, "perfdata", json_text(watch->any ? watch->last.perfdata : ""));
	(void)json_object_set_new(
		o, "exit", watch->exit_status < 0 ? json_null() : json_integer(watch->exit_status));
	(void)json_object_set_new(o, "checked_s_ago",
				  watch->any ? json_real((double)(now_ms - watch->ended_ms) / 1000)
					     : json_null());
	return o;
}

static json_t *sources_json(const struct health_rules *rules)
{
	json_t *list = json_array();

	for (size_t i = 0; i < rules->source_count; i++) {
		const struct health_source *source = &rules->sources[i];

		(void)json_array_append_new(list, json_pack("{s:o, s:o, s:b}", "name",
							    json_text(source->name), "error",
							    json_text(source->error),
							    "last_good_used", source->good_used));
	}
	return list;
}

static json_t *lines_json(const char *text)
{
	json_t *list = json_array();

	while (*text) {
		char line[512];
		size_t length = strcspn(text, "\n");

		(void)snprintf(line, sizeof(line), "%.*s", (int)(length & 0xffff), text);
		(void)json_array_append_new(list, json_text(line));
		text += length + (text[length] == '\n');
	}
	return list;
}

static json_t *own_rules(const struct health *health)
{
	size_t count;
	const struct watch *watches = runner_watches(health->runner, &count);
	json_t *rules = json_array();

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(rules, watch_json(&watches[i]));
	add_entries(rules, &health->sent, "health."); /* what the monitor says of itself */
	return rules;
}

json_t *health_json(const struct health *health, uint16_t node)
{
	const struct report *report = report_of(health, node);
	struct health_view view;
	json_t *counts = json_object();
	json_t *o = json_object();
	char name[64] = "";

	if (report == &health->sent)
		memcpy(name, health->name, sizeof(name));
	else
		health->config.name(health->config.arg, node, name);
	health_look(health, node, &view);
	for (size_t i = 0; i < SEVERITIES; i++)
		(void)json_object_set_new(counts, severity_text((enum severity)i),
					  json_integer(view.counts[i]));
	(void)json_object_set_new(o, "node", json_text(name));
	(void)json_object_set_new(o, "known", json_boolean(view.known));
	(void)json_object_set_new(o, "code", json_integer(view.code));
	(void)json_object_set_new(o, "severity",
				  json_string(severity_text(code_severity(view.code))));
	(void)json_object_set_new(o, "text", json_text(view.text));
	(void)json_object_set_new(o, "effect", json_string(view.effect));
	(void)json_object_set_new(o, "revision", json_integer((json_int_t)view.revision));
	(void)json_object_set_new(o, "counts", counts);
	if (report == &health->sent) {
		(void)json_object_set_new(o, "rules", own_rules(health));
		(void)json_object_set_new(o, "sources", sources_json(health->rules));
		(void)json_object_set_new(o, "notes", lines_json(health->rules->notes));
	} else {
		json_t *rules = json_array();

		if (report)
			add_entries(rules, report, "");
		(void)json_object_set_new(o, "rules", rules);
	}
	return o;
}

static json_t *field_json(const struct rule *rule, size_t field)
{
	static const char *const scopes[] = {"built in", "all", "pool", "tag", "server"};
	const struct rule_layer *from = rule->from[field];
	const struct rule_value *value = &rule->values[field];
	char source[RULE_SOURCE_MAX + 16] = "default";

	if (from)
		(void)snprintf(source, sizeof(source), "%s:%d", from->source, value->line);
	json_t *o =
		json_pack("{s:s, s:o, s:o, s:s, s:b}", "field", rule_fields[field].name, "value",
			  field == RULE_CODE && !value->text
				  ? json_sprintf("%llu", (unsigned long long)value->number)
				  : json_text(value->text ? value->text : "off"),
			  "source", json_text(source), "scope",
			  !from             ? "default"
			  : from->exception ? "exception"
					    : scopes[from->scope],
			  "locked", rule->locked[field] != NULL);
	if (from && from->exception) {
		(void)json_object_set_new(o, "reason", json_text(from->reason));
		(void)json_object_set_new(o, "by", json_text(from->by));
		(void)json_object_set_new(o, "until", json_integer(from->until_s));
	}
	return o;
}

json_t *health_explain_json(const struct health *health, const char *rule)
{
	size_t count;
	const struct watch *watches = runner_watches(health->runner, &count);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		const struct rule *of = watches[i].rule;

		if (strcmp(of->name, rule) != 0)
			continue;
		json_t *o = watch_json(&watches[i]);
		json_t *fields = json_array();
		for (size_t f = 0; f < RULE_FIELDS; f++)
			(void)json_array_append_new(fields, field_json(of, f));
		(void)json_object_set_new(o, "runs", json_text(of->check));
		(void)json_object_set_new(o, "fields", fields);
		(void)json_array_append_new(list, o);
	}
	if (json_array_size(list) == 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

json_t *health_codes_json(void)
{
	json_t *codes = json_array();
	json_t *checks = json_array();
	json_t *fields = json_array();
	json_t *severities = json_array();

	for (size_t i = 0; i < code_table_count; i++)
		(void)json_array_append_new(codes, json_pack("{s:i, s:s}", "condition",
							     code_table[i].condition, "text",
							     code_table[i].text));
	for (int i = 0; i < SEVERITIES; i++)
		(void)json_array_append_new(severities,
					    json_pack("{s:i, s:s, s:i}", "digit", i, "text",
						      severity_text((enum severity)i), "exit",
						      severity_exit((enum severity)i)));
	for (size_t i = 0; i < CHECK_KINDS; i++) {
		const struct kind *kind = &kind_table[i];

		(void)json_array_append_new(
			checks,
			json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s}", "check", kind->name,
				  "words", kind->words, "condition", kind->condition, "unit",
				  kind->unit, "warn", kind->warn ? kind->warn : "", "crit",
				  kind->crit ? kind->crit : "", "help", kind->help));
	}
	for (size_t i = 0; i < RULE_FIELDS; i++)
		(void)json_array_append_new(
			fields,
			json_pack("{s:s, s:s, s:s}", "field", rule_fields[i].name, "default",
				  rule_fields[i].value ? rule_fields[i].value : "", "help",
				  rule_fields[i].help));
	return json_pack("{s:o, s:o, s:o, s:o}", "severities", severities, "conditions", codes,
			 "checks", checks, "fields", fields);
}

json_t *health_lint_json(const struct health *health, const char *text, const char *pool)
{
	struct health_rules *tried = NULL;
	char error[512] = "";

	if (!text)
		return json_pack("{s:o, s:o, s:i}", "sources", sources_json(health->rules), "notes",
				 lines_json(health->rules->notes), "rules",
				 (int)health->rules->count);
	int r = health_rules_try(health, text, pool, &tried, error, sizeof(error));
	json_t *o = json_pack("{s:[{s:o, s:o, s:b}], s:o, s:i}", "sources", "name",
			      json_text("text"), "error", json_text(error), "last_good_used", 0,
			      "notes", lines_json(r < 0 ? "" : tried->notes), "rules",
			      r < 0 ? 0 : (int)tried->count);
	health_rules_free(tried);
	return o;
}
