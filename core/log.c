/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES    1024
#define LIMIT_INTERVAL_MS 10000

static enum log_level threshold = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	threshold = level;
}

static void put_line(enum log_level level, const char *format, va_list args)
{
	/* The number in front is the syslog priority: systemd reads and removes it. */
	static const char *const mark[] = {"<7>", "<6>", "<4>", "<3>"};
	char line[LINE_MAX_BYTES];
	int head = snprintf(line, sizeof(line), "%s", mark[level]);
	int body = vsnprintf(line + head, sizeof(line) - (size_t)head, format, args);
	size_t used = (size_t)head + (body > 0 ? (size_t)body : 0);

	if (used > sizeof(line) - 1)
		used = sizeof(line) - 1;
	line[used++] = '\n';
	/* Nothing sensible can be done when standard error is gone. */
	ssize_t ignored = write(STDERR_FILENO, line, used);
	(void)ignored;
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level < threshold)
		return;
	va_start(args, format);
	put_line(level, format, args);
	va_end(args);
}

void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
	struct timespec now;
	va_list args;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + 1;
	uint64_t last_ms = __atomic_load_n(&limit->last_ms, __ATOMIC_RELAXED);

	if (last_ms && now_ms - last_ms < LIMIT_INTERVAL_MS) {
		(void)__atomic_add_fetch(&limit->hidden, 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_store_n(&limit->last_ms, now_ms, __ATOMIC_RELAXED);
	uint64_t hidden = __atomic_exchange_n(&limit->hidden, 0, __ATOMIC_RELAXED);
	if (hidden)
		log_line(level, "(the next line stands for %llu more like it)",
			 (unsigned long long)hidden);
	if (level < threshold)
		return;
	va_start(args, format);
	put_line(level, format, args);
	va_end(args);
}
