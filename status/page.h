/* SPDX-License-Identifier: Apache-2.0
 * The status page as HTML, and its style sheet.
 * The caller owns the text (free()).
 * Any thread.
 * Invariant: whatever comes from outside is escaped; the page needs no script and loads nothing
 * but its own style.
 */
#ifndef STATUS_PAGE_H
#define STATUS_PAGE_H

#include <stddef.h>

struct snapshot;

/* NULL when memory is short. */
char *page_html(const struct snapshot *snapshot, size_t *ret_size);

extern const char page_style[];

#endif
