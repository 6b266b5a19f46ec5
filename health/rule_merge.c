/* SPDX-License-Identifier: Apache-2.0
 * What comes of all layers of one rule: field by field, from the widest scope to the narrowest.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "health/rule_merge.h"

__attribute__((format(printf, 2, 3))) void rule_note(const struct rule_notes *notes,
						     const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (notes && notes->note)
		notes->note(notes->arg, text);
}

/* Exceptions come last; among both, wider scopes first. */
static int rank_compare(const struct rule_layer *a, const struct rule_layer *b)
{
	if (a->exception != b->exception)
		return a->exception - b->exception;
	if (a->scope != b->scope)
		return a->scope < b->scope ? -1 : 1;
	if (a->scope == SCOPE_TAG && a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	return 0;
}

/* For qsort_r: by rank, then by what the field says, so that the order of reading is forgotten. */
static int layer_compare(const void *left, const void *right, void *arg)
{
	const struct rule_layer *a = *(const struct rule_layer *const *)left;
	const struct rule_layer *b = *(const struct rule_layer *const *)right;
	const size_t *field = arg;
	const char *text_a = a->values[*field].text;
	const char *text_b = b->values[*field].text;
	int r = rank_compare(a, b);

	if (r == 0)
		r = strcmp(text_a ? text_a : "", text_b ? text_b : "");
	if (r == 0)
		r = strcmp(a->source, b->source);
	if (r == 0)
		r = a->line - b->line;
	return r;
}

/* Of one rank: the stricter one; of those that can't be compared the one that sorts last. */
static const struct rule_layer *rank_choose(const struct rule_layer *const *layers, size_t count,
					    size_t field, const struct rule_notes *notes)
{
	const struct rule_layer *best = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct rule_layer *layer = layers[i];

		if (!layer->values[field].text)
			continue;
		if (!best) {
			best = layer;
			continue;
		}
		enum rule_order order =
			rule_fields[field].compare(&layer->values[field], &best->values[field]);
		if (order == RULE_SAME)
			continue;
		rule_note(notes,
			  "%s: %s is set to two values of the same rank (%s:%d and %s:%d); the %s "
			  "one counts",
			  layer->name, rule_fields[field].name, best->source,
			  best->values[field].line, layer->source, layer->values[field].line,
			  order == RULE_UNLIKE ? "last" : "stricter");
		if (order != RULE_LOOSER)
			best = layer;
	}
	return best;
}

struct field_merge {
	const struct rule_layer *from;
	const struct rule_layer *locked;
	const struct rule_layer *exception;
};

static void rank_apply(struct field_merge *merge, size_t field,
		       const struct rule_layer *const *layers, size_t count,
		       const struct rule_value *fallback, const struct rule_notes *notes)
{
	const struct rule_layer *best = rank_choose(layers, count, field, notes);
	const struct rule_value *held = merge->from ? &merge->from->values[field] : fallback;
	enum rule_order order = RULE_STRICTER;

	if (best && merge->locked && held->text)
		order = rule_fields[field].compare(&best->values[field], held);
	if (best && (order == RULE_STRICTER || order == RULE_SAME)) {
		merge->from = best;
		if (best->exception &&
		    (!merge->exception || best->until_s < merge->exception->until_s))
			merge->exception = best;
	} else if (best) {
		rule_note(notes, "%s: %s:%d would loosen %s, which %s:%d has locked; it is ignored",
			  best->name, best->source, best->values[field].line,
			  rule_fields[field].name, merge->locked->source, merge->locked->line);
	}
	for (size_t i = 0; i < count; i++) {
		if (!merge->locked && layers[i]->locked & (1u << field))
			merge->locked = layers[i];
	}
}

void rule_merge_field(const struct rule_layer **layers, size_t count, size_t field,
		      const struct rule_value *fallback, const struct rule_notes *notes,
		      struct rule *rule)
{
	struct field_merge merge = {0};

	qsort_r(layers, count, sizeof(*layers), layer_compare, &field);
	for (size_t i = 0; i < count;) {
		size_t end = i + 1;

		while (end < count && rank_compare(layers[i], layers[end]) == 0)
			end++;
		rank_apply(&merge, field, layers + i, end - i, fallback, notes);
		i = end;
	}
	rule->from[field] = merge.from;
	rule->locked[field] = merge.locked;
	rule->values[field] = merge.from ? merge.from->values[field] : *fallback;
	if (merge.exception &&
	    (!rule->exception || merge.exception->until_s < rule->exception->until_s))
		rule->exception = merge.exception;
}
