/* SPDX-License-Identifier: Apache-2.0
 * Inside of the compiler of rules: one field of one rule.
 * Borrows layers and fallback; the rule keeps pointers to them.
 * Any thread; pure.
 * Invariant: the result is a function of the layers as a set.
 */
#ifndef HEALTH_RULE_MERGE_H
#define HEALTH_RULE_MERGE_H

#include "health/rule.h"

/* Sorts `layers` as it needs them. `fallback` has no text where the field has no default. */
void rule_merge_field(const struct rule_layer **layers, size_t count, size_t field,
		      const struct rule_value *fallback, const struct rule_notes *notes,
		      struct rule *rule);

void rule_note(const struct rule_notes *notes, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
