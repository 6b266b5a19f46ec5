/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/hex_file.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/crypto.h"
#include "core/io.h"

size_t hex_file_read(const char *name, uint8_t ret[HEX_FILE_MAX])
{
	char path[256];
	AUTO_FREE uint8_t *text = NULL;
	size_t size;
	size_t count = 0;

	(void)snprintf(path, sizeof(path), "docs/vectors/%s.hex", name);
	if (file_read(path, 1 << 20, &text, &size) < 0)
		fail_msg("no vector %s (the tests run in the top directory)", path);
	for (const char *p = (const char *)text; *p;) {
		if (*p == '#') {
			p += strcspn(p, "\n");
		} else if (isxdigit((unsigned char)*p)) {
			char pair[3] = {p[0], p[1], 0};

			if (count == HEX_FILE_MAX || hex_decode(pair, &ret[count++], 1) < 0)
				fail_msg("%s: not pairs of digits, or too many", path);
			p += 2;
		} else {
			p++;
		}
	}
	return count;
}
