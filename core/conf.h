/* SPDX-License-Identifier: Apache-2.0
 * What all settings files have in common before libconfuse reads them.
 * The caller owns the text, which is changed in place.
 * Any thread; pure.
 * Invariant: line breaks stay where they are, so that libconfuse counts lines right.
 */
#ifndef CORE_CONF_H
#define CORE_CONF_H

#include <stddef.h>

/* Turns comments into blanks. libconfuse 3.3 counts the line that a comment ends more than once,
 * so that an error behind one would name a wrong line. Returns the line of a comment that does
 * not end, else 0. */
int conf_blank_comments(char *data, size_t size);

#endif
