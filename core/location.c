/* SPDX-License-Identifier: Apache-2.0 */
#include "core/location.h"

#include <ctype.h>
#include <string.h>

bool location_valid(const char *text)
{
	size_t length = strlen(text);
	size_t parts = 1;

	if (length > LOCATION_MAX)
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		bool edge = i == 0 || text[i - 1] == '/' || i + 1 == length;

		if (c == '/' && (edge || ++parts > LOCATION_PARTS))
			return false;
		if (c != '/' && !(c < 0x80 && isalnum(c)) && c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}
