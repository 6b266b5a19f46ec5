/* links: health/rule_field.c health/rule_parse.c health/rule_merge.c health/rule_compile.c
 * health/rule_base.c health/kind.c health/code.c health/verdict.c core/blocks.c core/conf.c
 * core/units.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as the rules of a pool beside the baseline: taken or refused with a text; what comes of
 * them has a check and times that can be used. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "health/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rule_pool pool = {"web", "/pool/web", "/b"};
	const struct rule_node node = {
		.name = "n1", .state = "/s", .pools = &pool, .pool_count = 1, .now_s = 1800000000};
	const struct rule_source base = {.origin = RULE_FROM_BASE, .name = "base"};
	const struct rule_source source = {
		.origin = RULE_FROM_POOL, .name = "pool web", .pool = "web", .node = "n1"};
	struct rule_set set = {0};
	struct rule *rules = NULL;
	size_t count = 0;
	char error[512] = "";

	if (rule_set_add(&set, &base, rule_base_text, strlen(rule_base_text), error,
			 sizeof(error)) < 0)
		abort();
	if (rule_set_add(&set, &source, (const char *)data, size, error, sizeof(error)) < 0 &&
	    !error[0])
		abort();
	if (rule_compile(&set, &node, NULL, &rules, &count) < 0)
		count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct rule *rule = &rules[i];

		if (!rule->check || rule->kind >= CHECK_KINDS || rule->every_ms < 1000 ||
		    rule->timeout_ms >= rule->every_ms || rule->terms.enter_m < 1 ||
		    rule->terms.enter_n > VERDICT_WINDOW_MAX)
			abort();
		if (!rule->trusted && rule->values[RULE_USER].text != rule_fields[RULE_USER].value)
			abort();
	}
	rule_compiled_free(rules, count);
	rule_set_free(&set);
	return 0;
}
