/* SPDX-License-Identifier: Apache-2.0 */
#include "core/conf.h"

#include <stdbool.h>
#include <string.h>

int conf_blank_comments(char *data, size_t size)
{
	bool start = true; /* a token may start here: "//" inside a bare word is no comment */
	int line = 1;

	for (size_t i = 0; i < size; i++) {
		char c = data[i];

		if (c == '"' || c == '\'') {
			while (++i < size && data[i] != c) {
				line += data[i] == '\n';
				i += data[i] == '\\' && i + 1 < size && data[i + 1] != '\n';
			}
			start = true;
		} else if (c == '#' || (start && c == '/' && i + 1 < size && data[i + 1] == '/')) {
			while (i < size && data[i] != '\n')
				data[i++] = ' ';
			i--;
			start = true;
		} else if (start && c == '/' && i + 1 < size && data[i + 1] == '*') {
			const char *end = memmem(data + i + 2, size - i - 2, "*/", 2);
			if (!end)
				return line;
			for (; data + i < end + 2; i++) {
				line += data[i] == '\n';
				data[i] = data[i] == '\n' ? '\n' : ' ';
			}
			i--;
		} else {
			line += c == '\n';
			start = strchr(" \t\r\n={}()+,", c) != NULL;
		}
	}
	return 0;
}
