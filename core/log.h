/* SPDX-License-Identifier: Apache-2.0
 * The only place that prints. Lines go to standard error, which systemd or the lab collects.
 * The level is the process's only global.
 * Any thread. Invariant: one call, one line, one write(2); a rate-limited line counts what it hid.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Lines below `level` are not printed. Call once, before threads exist. */
void log_set_level(enum log_level level);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...)  log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)

/* For one kind of line: static or embedded, zeroed at first. */
struct log_limit {
	uint64_t last_ms;
	uint64_t hidden;
};

/* As log_line, but at most one line per 10 s for this limit; the next one says how many it hid. */
void log_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
