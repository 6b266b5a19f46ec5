/* SPDX-License-Identifier: Apache-2.0 */
#include "core/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int code;
	const char *text;
} own[] = {
	{MA_ECORRUPT, "the bytes contradict their checksum or format"},
	{MA_EGAP, "a part of the stream in between is missing"},
	{MA_EFORK, "two different histories under one identity"},
	{MA_ESIG, "the signature does not verify"},
	{MA_EREFUSED, "not allowed"},
	{MA_EVERSION, "needs a newer version of MultiAll"},
	{MA_EUNKNOWN, "unknown"},
	{MA_ELIMIT, "a limit would be exceeded"},
	{MA_ECLOCK, "the clocks are too far apart"},
	{MA_ESTORE, "the backing directory does not belong to this pool"},
	{MA_EBACK,
	 "the node went back behind what it had acknowledged, and cannot be caught up: it has to "
	 "leave the pool and join again"},
	{MA_EUSAGE, "the request makes no sense"},
};

const char *err_text(int code)
{
	if (code >= 0)
		return "success";
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (own[i].code == code)
			return own[i].text;
	}
	/* glibc's strerrordesc_np is thread safe and has no locale; NULL for unknown numbers. */
	const char *text = strerrordesc_np(-code);
	return text ? text : "unknown error";
}

int err_errno(int code)
{
	if (code >= 0)
		return 0;
	return code > -1000 ? -code : EIO;
}

int err_say(char *error, size_t size, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, size, format, args);
	va_end(args);
	return code;
}
