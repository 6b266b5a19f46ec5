/* links: health/perfdata.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as the output of a Nagios plugin: each item has a label, finite numbers, valid ranges.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "health/perfdata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_range(const char *text)
{
	struct perfdata_range range;

	if (text[0] && perfdata_range_parse(text, &range) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plugin_output out;

	plugin_output_parse((const char *)data, size, &out);
	if (out.item_count > PERFDATA_ITEMS_MAX || strchr(out.text, '\n'))
		abort();
	for (size_t i = 0; i < out.item_count; i++) {
		const struct perfdata_item *item = &out.items[i];

		if (!item->label[0] || isinf(item->value))
			abort();
		check_range(item->warn);
		check_range(item->crit);
	}
	return 0;
}
