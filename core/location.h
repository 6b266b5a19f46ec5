/* SPDX-License-Identifier: Apache-2.0
 * Where a server stands, as a path from the large to the small: "site/room/rack/host", or less.
 * Nobody owns anything here.
 * Any thread; pure.
 * Invariant: a valid location needs no escaping anywhere.
 */
#ifndef CORE_LOCATION_H
#define CORE_LOCATION_H

#include <stdbool.h>

#define LOCATION_MAX   63
#define LOCATION_PARTS 4

/* Letters, digits and "._-", in up to LOCATION_PARTS parts with "/" between them; or "". */
bool location_valid(const char *text);

#endif
