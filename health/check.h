/* SPDX-License-Identifier: Apache-2.0
 * The checks that are built in: one call, one answer.
 * The caller owns call and answer.
 * Any thread but the loop's; a check of a file may block for as long as its disk does.
 * Invariant: what could not be looked at is SAMPLE_NOTHING with a text that says why, never good.
 */
#ifndef HEALTH_CHECK_H
#define HEALTH_CHECK_H

#include "health/kind.h"
#include "health/perfdata.h"
#include "health/verdict.h"

#define CHECK_WORDS_MAX 64

struct check_call {
	enum check_kind kind;
	const char *words[CHECK_WORDS_MAX]; /* behind the name of the kind */
	size_t word_count;
	uint32_t timeout_ms;
	const char *base; /* stands before /proc and /sys; "" but in tests */
};

struct check_answer {
	struct sample sample;
	uint16_t condition; /* 0: that of the rule */
	char text[PERFDATA_TEXT_MAX];
	char perfdata[PERFDATA_LINE_MAX];
};

/* All kinds but those of pools and plugins. */
void check_run(const struct check_call *call, struct check_answer *ret);

/* For those of pools: what this node knows about one. */
struct check_pool {
	bool known, open, in_sync;
	double lag_s; /* 0: nobody who is connected owes an answer */
	uint64_t conflicts;
	char why[160]; /* why it is not open, or not in sync */
};
void check_pool_run(enum check_kind kind, const char *name, const struct check_pool *pool,
		    struct check_answer *ret);

/* What the kinds are made of; each writes sample and text. */
void check_load(const struct check_call *call, struct check_answer *ret);
void check_pressure(const struct check_call *call, struct check_answer *ret);
void check_memory(const struct check_call *call, struct check_answer *ret);
void check_process(const struct check_call *call, struct check_answer *ret);
void check_clock(const struct check_call *call, struct check_answer *ret);
void check_link(const struct check_call *call, struct check_answer *ret);
void check_unit(const struct check_call *call, struct check_answer *ret);
void check_space(const struct check_call *call, struct check_answer *ret);
void check_inodes(const struct check_call *call, struct check_answer *ret);
void check_mount(const struct check_call *call, struct check_answer *ret);
void check_writable(const struct check_call *call, struct check_answer *ret);
void check_file(const struct check_call *call, struct check_answer *ret);
void check_tcp(const struct check_call *call, struct check_answer *ret);
void check_http(const struct check_call *call, struct check_answer *ret);
void check_certificate(const struct check_call *call, struct check_answer *ret);

/* How they say it. A value gets performance data under the name of the kind. */
void check_say_value(struct check_answer *ret, const struct check_call *call, double value,
		     const char *format, ...) __attribute__((format(printf, 4, 5)));
void check_say_fault(struct check_answer *ret, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void check_say_good(struct check_answer *ret, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void check_say_nothing(struct check_answer *ret, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A small file of /proc or /sys, with a zero behind it; false if it can't be read. */
bool check_read(const struct check_call *call, const char *path, char *ret, size_t size);

#endif
