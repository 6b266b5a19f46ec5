/* SPDX-License-Identifier: Apache-2.0
 * The rules that are in force on a node: which layers apply, instances by pool, checks of the
 * whole.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "health/rule_merge.h"

#define INSTANCES_MAX 2048

static bool words_have(const char *words, const char *prefix, const char *name)
{
	size_t skip = strlen(prefix);

	while (words && *words) {
		size_t length = strcspn(words, "\n");

		if (length == skip + strlen(name) && memcmp(words, prefix, skip) == 0 &&
		    memcmp(words + skip, name, length - skip) == 0)
			return true;
		words += length + (words[length] == '\n');
	}
	return false;
}

static bool holds_pool(const struct rule_node *node, const char *name)
{
	for (size_t i = 0; i < node->pool_count; i++) {
		if (strcmp(node->pools[i].name, name) == 0)
			return true;
	}
	return false;
}

/* A selector of `not`. */
static bool is_without(const struct rule_layer *layer, const struct rule_set *set,
		       const struct rule_node *node)
{
	const char *words = layer->without;

	if (words_have(words, "server:", node->name))
		return true;
	for (size_t i = 0; i < node->pool_count; i++) {
		if (words_have(words, "pool:", node->pools[i].name))
			return true;
	}
	for (const char *tag = set->tags; *tag;) {
		char one[RULE_NAME_MAX + 1] = "";
		size_t length = strcspn(tag, "\n");

		if (length < sizeof(one))
			memcpy(one, tag, length);
		if (words_have(words, "tag:", one))
			return true;
		tag += length + (tag[length] == '\n');
	}
	return false;
}

static bool applies(const struct rule_layer *layer, const struct rule_set *set,
		    const struct rule_node *node, const struct rule_notes *notes)
{
	if (layer->pool[0] && !holds_pool(node, layer->pool))
		return false;
	if (layer->scope == SCOPE_TAG && !words_have(set->tags, "", layer->subject))
		return false;
	if (layer->scope == SCOPE_SERVER && strcmp(layer->subject, node->name) != 0)
		return false;
	if (is_without(layer, set, node))
		return false;
	if (layer->exception && layer->until_s <= node->now_s) {
		rule_note(notes, "%s: the exception at %s:%d has expired; take it out", layer->name,
			  layer->source, layer->line);
		return false;
	}
	return true;
}

static int name_compare(const void *left, const void *right)
{
	const struct rule_layer *a = *(const struct rule_layer *const *)left;
	const struct rule_layer *b = *(const struct rule_layer *const *)right;

	return strcmp(a->name, b->name);
}

/* What is in force where no layer says anything. */
static void fallback_of(size_t field, enum check_kind kind, struct rule_value *ret)
{
	const char *text = rule_fields[field].value;
	char unused[256];

	*ret = (struct rule_value){0};
	if (kind < CHECK_KINDS && field == RULE_WARN)
		text = kind_table[kind].warn;
	if (kind < CHECK_KINDS && field == RULE_CRIT)
		text = kind_table[kind].crit;
	if (kind < CHECK_KINDS && field == RULE_CODE)
		ret->number = kind_table[kind].condition;
	if (text && rule_fields[field].parse(text, ret, unused, sizeof(unused)) == 0)
		ret->text = text;
}

static const char *place_find(const struct rule_node *node, const char *pool, const char *word,
			      size_t length)
{
	for (size_t i = 0; i < node->pool_count; i++) {
		if (strcmp(node->pools[i].name, pool) != 0)
			continue;
		if (length == 6 && memcmp(word, "{pool}", 6) == 0)
			return node->pools[i].name;
		if (length == 7 && memcmp(word, "{mount}", 7) == 0)
			return node->pools[i].mount;
		if (length == 9 && memcmp(word, "{backing}", 9) == 0)
			return node->pools[i].backing;
	}
	return length == 7 && memcmp(word, "{state}", 7) == 0 ? node->state : NULL;
}

/* {pool}, {mount}, {backing} and {state} get their values. NULL when memory is short. */
static char *check_fill(const char *text, const char *pool, const struct rule_node *node)
{
	char *filled = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&filled, &size);

	if (!out)
		return NULL;
	while (*text) {
		const char *end = text[0] == '{' ? strchr(text, '}') : NULL;
		const char *place =
			end ? place_find(node, pool, text, (size_t)(end - text) + 1) : NULL;

		(void)(place ? fputs(place, out) : fputc(*text, out));
		text = place ? end + 1 : text + 1;
	}
	if (fclose(out) != 0) {
		free(filled);
		return NULL;
	}
	return filled;
}

static bool about_each_pool(const char *check)
{
	return strstr(check, "{pool}") || strstr(check, "{mount}") || strstr(check, "{backing}");
}

/* A field whose narrower values fit together no more. */
static void rule_mend(struct rule *rule, const struct rule_notes *notes)
{
	const struct verdict_terms *terms = &rule->terms;
	const struct limit *first = terms->warn.op ? &terms->warn : &terms->crit;

	if (rule->timeout_ms >= rule->every_ms) {
		rule_note(notes, "%s: timeout is not below every; %llu ms are used", rule->name,
			  (unsigned long long)rule->every_ms / 2);
		rule->timeout_ms = rule->every_ms / 2;
	}
	if (terms->warn.op && terms->crit.op && terms->warn.op != terms->crit.op)
		rule_note(notes, "%s: warn and crit point in different directions", rule->name);
	bool beyond = first->op == '<' ? terms->clear.number >= first->number
				       : terms->clear.number <= first->number;
	if (terms->clear.op && (!first->op || terms->clear.op == first->op || !beyond)) {
		rule_note(notes, "%s: clear is no band beside the limits; it is ignored",
			  rule->name);
		rule->terms.clear.op = 0;
	}
	if (verdict_wave_passes(terms->enter_m, terms->enter_n))
		rule_note(notes,
			  "%s: enter %u of %u can be reached by a value that is good half of the "
			  "time; take more than two thirds",
			  rule->name, terms->enter_m, terms->enter_n);
	if (rule->kind == CHECK_PLUGIN && (terms->warn.op || terms->crit.op))
		rule_note(notes, "%s: a plugin judges by itself; warn and crit do nothing",
			  rule->name);
	if (!rule->trusted && rule->from[RULE_USER])
		rule_note(notes, "%s: the check comes from a pool, so it runs as nobody",
			  rule->name);
}

static void rule_settle(struct rule *rule, const struct rule_notes *notes)
{
	const struct rule_value *v = rule->values;

	rule->terms = (struct verdict_terms){
		.warn = v[RULE_WARN].limit,
		.crit = v[RULE_CRIT].limit,
		.clear = v[RULE_CLEAR].limit,
		.enter_m = v[RULE_ENTER].m,
		.enter_n = v[RULE_ENTER].n,
		.leave_m = v[RULE_LEAVE].m,
		.leave_n = v[RULE_LEAVE].n,
		.hold_ms = v[RULE_HOLD].number,
		.fault = (enum level)v[RULE_FAULT].number,
	};
	rule->every_ms = v[RULE_EVERY].number;
	rule->timeout_ms = v[RULE_TIMEOUT].number;
	rule->trusted = !rule->from[RULE_CHECK] || !rule->from[RULE_CHECK]->from_pool;
	rule_mend(rule, notes);
}

/* One instance, from those of the layers that are for this pool or for any. */
static int instance_make(const struct rule_layer **layers, size_t count, const char *pool,
			 const struct rule_node *node, const struct rule_notes *notes,
			 struct rule *ret)
{
	AUTO_FREE const struct rule_layer **own = calloc(count + 1, sizeof(*own));
	struct rule rule = {0};
	struct rule_value fallback;
	size_t own_count = 0;

	if (!own)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (!layers[i]->pool[0] || strcmp(layers[i]->pool, pool) == 0)
			own[own_count++] = layers[i];
	}
	memcpy(rule.name, layers[0]->name, sizeof(rule.name));
	(void)snprintf(rule.pool, sizeof(rule.pool), "%s", pool);
	rule.kind = CHECK_KINDS;
	for (size_t f = 0; f < RULE_FIELDS; f++) {
		fallback_of(f, rule.kind, &fallback);
		rule_merge_field(own, own_count, f, &fallback, notes, &rule);
		if (f == RULE_CHECK && rule.values[f].text)
			rule.kind = (enum check_kind)rule.values[f].number;
	}
	if (rule.kind == CHECK_KINDS) {
		rule_note(notes, "%s: nothing says what to check; it is left out", rule.name);
		return 0;
	}
	rule.check = check_fill(rule.values[RULE_CHECK].text, pool, node);
	if (!rule.check)
		return -ENOMEM;
	rule_settle(&rule, notes);
	*ret = rule;
	return 1;
}

struct compiled {
	struct rule *rules;
	size_t count, room;
};

static int instance_add(struct compiled *all, const struct rule_layer **layers, size_t count,
			const char *pool, const struct rule_node *node,
			const struct rule_notes *notes)
{
	if (all->count == INSTANCES_MAX)
		return MA_ELIMIT;
	if (all->count == all->room) {
		size_t room = all->room ? all->room * 2 : 32;
		struct rule *rules = realloc(all->rules, room * sizeof(*rules));

		if (!rules)
			return -ENOMEM;
		all->rules = rules;
		all->room = room;
	}
	int r = instance_make(layers, count, pool, node, notes, &all->rules[all->count]);
	all->count += r > 0;
	return r < 0 ? r : 0;
}

/* All instances of one name: for each pool, if the check names it or a pool has the rule. */
static int name_compile(struct compiled *all, const struct rule_layer **layers, size_t count,
			const struct rule_node *node, const struct rule_notes *notes)
{
	bool any = false;
	bool each = false;
	int r = 0;

	for (size_t i = 0; i < count; i++)
		each = each || (layers[i]->values[RULE_CHECK].text &&
				about_each_pool(layers[i]->values[RULE_CHECK].text));
	for (size_t p = 0; r == 0 && p < node->pool_count; p++) {
		bool named = each;

		for (size_t i = 0; i < count; i++)
			named = named || strcmp(layers[i]->pool, node->pools[p].name) == 0;
		any = any || named;
		if (named)
			r = instance_add(all, layers, count, node->pools[p].name, node, notes);
	}
	if (r == 0 && !any && !each)
		r = instance_add(all, layers, count, "", node, notes);
	return r;
}

int rule_compile(const struct rule_set *set, const struct rule_node *node,
		 const struct rule_notes *notes, struct rule **ret, size_t *ret_count)
{
	AUTO_FREE const struct rule_layer **layers = calloc(set->count + 1, sizeof(*layers));
	struct compiled all = {0};
	size_t count = 0;
	int r = layers ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < set->count; i++) {
		if (applies(&set->layers[i], set, node, notes))
			layers[count++] = &set->layers[i];
	}
	if (r == 0 && count)
		qsort(layers, count, sizeof(*layers), name_compare);
	for (size_t i = 0; r == 0 && i < count;) {
		size_t end = i + 1;

		while (end < count && strcmp(layers[i]->name, layers[end]->name) == 0)
			end++;
		r = name_compile(&all, layers + i, end - i, node, notes);
		i = end;
	}
	if (r < 0) {
		rule_compiled_free(all.rules, all.count);
		return r;
	}
	*ret = all.rules;
	*ret_count = all.count;
	return 0;
}

void rule_compiled_free(struct rule *rules, size_t count)
{
	for (size_t i = 0; rules && i < count; i++)
		free(rules[i].check);
	free(rules);
}
