/* SPDX-License-Identifier: Apache-2.0
 * Which check is which function, and how they all say what they found.
 */
#include "health/check.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/auto.h"

static void (*const functions[CHECK_KINDS])(const struct check_call *call,
					    struct check_answer *ret) = {
	[CHECK_LOAD] = check_load,         [CHECK_PRESSURE] = check_pressure,
	[CHECK_MEMORY] = check_memory,     [CHECK_SPACE] = check_space,
	[CHECK_INODES] = check_inodes,     [CHECK_MOUNT] = check_mount,
	[CHECK_WRITABLE] = check_writable, [CHECK_FILE] = check_file,
	[CHECK_PROCESS] = check_process,   [CHECK_TCP] = check_tcp,
	[CHECK_HTTP] = check_http,         [CHECK_CERTIFICATE] = check_certificate,
	[CHECK_CLOCK] = check_clock,       [CHECK_UNIT] = check_unit,
	[CHECK_LINK] = check_link,
};

void check_run(const struct check_call *call, struct check_answer *ret)
{
	*ret = (struct check_answer){.sample.kind = SAMPLE_NOTHING};
	if (call->kind < CHECK_KINDS && functions[call->kind])
		functions[call->kind](call, ret);
	else
		check_say_nothing(ret, "this kind of check is not known here");
}

#define SAY(ret, format)                                                                           \
	do {                                                                                       \
		va_list args;                                                                      \
		va_start(args, format);                                                            \
		(void)vsnprintf((ret)->text, sizeof((ret)->text), format, args);                   \
		va_end(args);                                                                      \
	} while (0)

void check_say_value(struct check_answer *ret, const struct check_call *call, double value,
		     const char *format, ...)
{
	const struct kind *kind = &kind_table[call->kind];
	/* Nagios knows seconds, percent, bytes and counts; nothing else has a unit there. */
	const char *unit =
		strcmp(kind->unit, "s") == 0 || strcmp(kind->unit, "%") == 0 ? kind->unit : "";

	SAY(ret, format);
	ret->sample = (struct sample){.kind = SAMPLE_VALUE, .value = value};
	(void)snprintf(ret->perfdata, sizeof(ret->perfdata), "%s=%.6g%s", kind->name, value, unit);
}

void check_say_fault(struct check_answer *ret, const char *format, ...)
{
	SAY(ret, format);
	ret->sample = (struct sample){.kind = SAMPLE_FAULT};
}

void check_say_good(struct check_answer *ret, const char *format, ...)
{
	SAY(ret, format);
	ret->sample = (struct sample){.kind = SAMPLE_LEVEL, .level = LEVEL_OK};
}

void check_say_nothing(struct check_answer *ret, const char *format, ...)
{
	SAY(ret, format);
	ret->sample = (struct sample){.kind = SAMPLE_NOTHING};
}

bool check_read(const struct check_call *call, const char *path, char *ret, size_t size)
{
	char full[512];

	(void)snprintf(full, sizeof(full), "%s%s", call->base, path);
	AUTO_CLOSE int fd = open(full, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, size - 1);
	if (n < 0)
		return false;
	ret[n] = '\0';
	return true;
}

void check_pool_run(enum check_kind kind, const char *name, const struct check_pool *pool,
		    struct check_answer *ret)
{
	const struct check_call call = {.kind = kind};

	*ret = (struct check_answer){.sample.kind = SAMPLE_NOTHING};
	if (!pool->known)
		check_say_nothing(ret, "this node does not hold the pool %s", name);
	else if (!pool->open)
		check_say_fault(ret, "pool %s is not open: %s", name, pool->why);
	else if (kind == CHECK_POOL_LAG)
		check_say_value(ret, &call, pool->lag_s,
				pool->lag_s > 0 ? "pool %s: unconfirmed for %.0f s"
						: "pool %s: all is confirmed, or on its way",
				name, pool->lag_s);
	else if (kind == CHECK_POOL_CONFLICTS)
		check_say_value(ret, &call, (double)pool->conflicts, "pool %s: %llu conflicts",
				name, (unsigned long long)pool->conflicts);
	else if (pool->in_sync)
		check_say_good(ret, "pool %s is in sync", name);
	else
		check_say_fault(ret, "pool %s is not in sync: %s", name, pool->why);
}
