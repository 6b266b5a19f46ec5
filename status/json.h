/* SPDX-License-Identifier: Apache-2.0
 * The status document: `multiall status --json` and /api/v1/status.
 * The caller owns the value.
 * Any thread.
 * Invariant: names and meanings are those of the contract; what was not measured is null.
 */
#ifndef STATUS_JSON_H
#define STATUS_JSON_H

#include "core/json.h"

struct snapshot;

/* NULL when memory is short. */
json_t *status_json(const struct snapshot *snapshot);

#endif
