/* SPDX-License-Identifier: Apache-2.0 */
#include "core/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Digits, then one of the units; strtoull alone would take signs and spaces. */
static int number_parse(const char *text, const struct unit *units, size_t count, uint64_t *ret)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	for (size_t i = 0; i < count; i++) {
		uint64_t product;

		if (strcasecmp(end, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &product))
			return -ERANGE;
		*ret = product;
		return 0;
	}
	return -EINVAL;
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{"", 1},
		{"B", 1},
		{"K", 1ull << 10},
		{"KB", 1ull << 10},
		{"KiB", 1ull << 10},
		{"M", 1ull << 20},
		{"MB", 1ull << 20},
		{"MiB", 1ull << 20},
		{"G", 1ull << 30},
		{"GB", 1ull << 30},
		{"GiB", 1ull << 30},
		{"T", 1ull << 40},
		{"TB", 1ull << 40},
		{"TiB", 1ull << 40},
	};

	return number_parse(text, units, sizeof(units) / sizeof(units[0]), ret_bytes);
}

int duration_parse(const char *text, uint64_t *ret_s)
{
	static const struct unit units[] = {
		{"", 1}, {"s", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400},
	};

	return number_parse(text, units, sizeof(units) / sizeof(units[0]), ret_s);
}

int count_parse(const char *text, uint64_t max, uint64_t *ret)
{
	static const struct unit units[] = {{"", 1}};
	uint64_t value;
	int r = number_parse(text, units, 1, &value);

	if (r < 0)
		return r;
	if (value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

void size_text(uint64_t bytes, char *ret, size_t size)
{
	static const char *const names[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		(void)snprintf(ret, size, "%u B", (unsigned int)bytes);
		return;
	}
	while (value >= 1023.95 && i + 1 < sizeof(names) / sizeof(names[0])) {
		value /= 1024;
		i++;
	}
	(void)snprintf(ret, size, "%.1f %s", value, names[i]);
}

void duration_text(double seconds, char *ret, size_t size)
{
	if (seconds < 0)
		seconds = 0;
	if (seconds < 9.95) {
		(void)snprintf(ret, size, "%.1f s", seconds);
		return;
	}
	/* A million years is far enough, and keeps the conversion defined. */
	uint64_t s = seconds < 3e13 ? (uint64_t)(seconds + 0.5) : (uint64_t)3e13;
	if (s < 60)
		(void)snprintf(ret, size, "%u s", (unsigned int)s);
	else if (s < 3600)
		(void)snprintf(ret, size, "%u min %u s", (unsigned int)(s / 60),
			       (unsigned int)(s % 60));
	else if (s < 86400)
		(void)snprintf(ret, size, "%u h %u min", (unsigned int)(s / 3600),
			       (unsigned int)(s / 60 % 60));
	else
		(void)snprintf(ret, size, "%llu d %u h", (unsigned long long)(s / 86400),
			       (unsigned int)(s / 3600 % 24));
}

void count_text(uint64_t count, char *ret, size_t size)
{
	char digits[UNITS_TEXT_MAX];
	int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
	size_t at = 0;

	for (int i = 0; i < length && at + 2 < size; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			ret[at++] = ',';
		ret[at++] = digits[i];
	}
	if (size)
		ret[at] = '\0';
}
