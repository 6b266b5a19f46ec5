/* SPDX-License-Identifier: Apache-2.0
 * The metrics in Prometheus' text format 0.0.4.
 * The caller owns the text (free()).
 * Any thread.
 * Invariant: base units (bytes, seconds); what was not measured has no sample.
 */
#ifndef STATUS_METRICS_H
#define STATUS_METRICS_H

#include <stddef.h>

struct snapshot;

/* NULL when memory is short. */
char *metrics_text(const struct snapshot *snapshot, size_t *ret_size);

#endif
