/* SPDX-License-Identifier: Apache-2.0
 * Golden vectors: the bytes in docs/vectors/NAME.hex, where lines with '#' are comments.
 * The caller owns the buffer.
 * Test thread, in the top directory; a file that is missing or too long fails the test.
 * Invariant: the vectors are written by hand from the manual pages, never by the code under test.
 */
#ifndef TESTS_LIB_HEX_FILE_H
#define TESTS_LIB_HEX_FILE_H

#include <stddef.h>
#include <stdint.h>

#define HEX_FILE_MAX 16384

size_t hex_file_read(const char *name, uint8_t ret[HEX_FILE_MAX]);

#endif
