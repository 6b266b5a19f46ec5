/* SPDX-License-Identifier: Apache-2.0
 * What a Nagios plugin prints: text, performance data, long text; its exit status and its ranges.
 * The caller owns all.
 * Any thread; pure. The input is whatever a program printed.
 * Invariant: nothing is taken that was not wholly understood, and the counts are bounded.
 */
#ifndef HEALTH_PERFDATA_H
#define HEALTH_PERFDATA_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "health/verdict.h"

#define PERFDATA_TEXT_MAX  240 /* of the first line, with the zero */
#define PERFDATA_LABEL_MAX 64
#define PERFDATA_RANGE_MAX 32
#define PERFDATA_ITEMS_MAX 32
#define PERFDATA_LINE_MAX  1024 /* of the performance data as they were printed */

struct perfdata_item {
	char label[PERFDATA_LABEL_MAX];
	double value; /* NAN: "U", the plugin could not tell */
	char unit[8];
	char warn[PERFDATA_RANGE_MAX], crit[PERFDATA_RANGE_MAX];
	double low, high; /* NAN: not given */
};

struct plugin_output {
	char text[PERFDATA_TEXT_MAX];
	char perfdata[PERFDATA_LINE_MAX]; /* of all lines, on one */
	struct perfdata_item items[PERFDATA_ITEMS_MAX];
	size_t item_count;
	bool cut; /* something did not fit, or was no performance data */
};

/* The first line up to '|' is the text; what follows it, and what follows a '|' in a later line, up
 * to the end of all lines, is performance data. */
void plugin_output_parse(const char *data, size_t size, struct plugin_output *ret);

/* One item, 'label'=value[UOM];[warn];[crit];[min];[max]. Returns the bytes taken, 0 if it is none.
 */
size_t perfdata_item_parse(const char *text, struct perfdata_item *ret);

/* 0 ok, 1 warning, 2 critical; all else, and death by a signal, is unknown. */
enum level plugin_level(int exit_status, int signal);

/* [@][start:][end], "~" for no lower end. */
struct perfdata_range {
	double start, end; /* -INFINITY, INFINITY */
	bool inside;       /* alarm inside, not outside */
};
MUST_CHECK int perfdata_range_parse(const char *text, struct perfdata_range *ret);

#endif
