/* links: core/settings.c core/conf.c core/address.c core/units.c core/location.c core/io.c
 * core/err.c SPDX-License-Identifier: Apache-2.0 Any bytes as a settings file: taken or refused
 * with a text, never a crash. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings settings;
	char error[512] = "";
	int r = settings_parse("fuzz", (const char *)data, size, &settings, error, sizeof(error));

	if (r < 0 && !error[0])
		abort();
	for (size_t i = 0; r == 0 && i < SETTINGS_KEYS; i++) {
		const struct setting *setting = &settings_table[i];

		if (setting->check(setting, settings.text[i], error, sizeof(error)) < 0)
			abort();
	}
	return 0;
}
