/* SPDX-License-Identifier: Apache-2.0
 * The fields of a rule: how each is read, and which of two values is the stricter one.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/units.h"
#include "health/rule.h"

#define EVERY_MIN_MS 1000u
#define TIME_MAX_MS  (7u * 86400 * 1000)

static int parse_check(const char *text, struct rule_value *ret, char *why, size_t size)
{
	size_t length = strcspn(text, "\n");
	enum check_kind kind = kind_find(text, length);
	size_t words = 0;

	if (kind == CHECK_KINDS)
		return err_say(why, size, -EINVAL,
			       "there is no check \"%.*s\"; `multiall health codes` lists them",
			       (int)(length < 40 ? length : 40), text);
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		words++;
	const struct kind *info = &kind_table[kind];
	if (words < info->words_min || words > info->words_max)
		return err_say(why, size, -EINVAL, "write {%s%s%s}", info->name,
			       info->words[0] ? ", " : "", info->words);
	if (kind == CHECK_PLUGIN && text[length + 1] != '/')
		return err_say(why, size, -EINVAL, "the program has to begin with /");
	ret->number = kind;
	return 0;
}

static int parse_time(const char *text, struct rule_value *ret, char *why, size_t size)
{
	size_t length = strlen(text);
	uint64_t value;
	char digits[16];
	int r;

	if (length > 2 && length < sizeof(digits) && strcmp(text + length - 2, "ms") == 0) {
		memcpy(digits, text, length - 2);
		digits[length - 2] = '\0';
		r = count_parse(digits, TIME_MAX_MS, &value);
	} else {
		r = duration_parse(text, &value);
		if (r == 0 && value > TIME_MAX_MS / 1000)
			r = -ERANGE;
		value *= 1000;
	}
	if (r < 0)
		return err_say(why, size, r, "not a time up to 7d; write 500ms, 30s, 5m or 1h");
	ret->number = value;
	return 0;
}

static int parse_every(const char *text, struct rule_value *ret, char *why, size_t size)
{
	int r = parse_time(text, ret, why, size);

	if (r == 0 && ret->number < EVERY_MIN_MS)
		return err_say(why, size, -ERANGE, "must be 1s at least");
	return r;
}

/* "< 15", "> 1.5h", "off". */
static int parse_limit(const char *text, struct rule_value *ret, char *why, size_t size)
{
	static const struct {
		const char *name;
		double factor;
	} units[] = {
		{"", 1},      {"%", 1},        {"ms", 0.001},      {"s", 1},
		{"m", 60},    {"min", 60},     {"h", 3600},        {"d", 86400},
		{"K", 1024.}, {"M", 1048576.}, {"G", 1073741824.},
	};
	char *end;

	if (strcmp(text, "off") == 0) {
		ret->limit = (struct limit){0};
		return 0;
	}
	char op = text[0];
	const char *at = text + (op != '\0') + strspn(text + (op != '\0'), " ");
	double number = strtod(at, &end);
	bool plain = end > at && strspn(at, "+-.0123456789eE") >= (size_t)(end - at);
	end += strspn(end, " ");
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if ((op != '<' && op != '>') || !plain || !isfinite(number) ||
		    strcmp(end, units[i].name) != 0)
			continue;
		/* A value of days is held against days. */
		double factor = strcmp(end, "d") == 0 ? 1 : units[i].factor;
		ret->limit = (struct limit){.op = op, .number = number * factor};
		return 0;
	}
	return err_say(why, size, -EINVAL, "not a limit; write \"< 15\", \"> 500ms\" or off");
}

/* "3 of 5" */
static int parse_window(const char *text, struct rule_value *ret, char *why, size_t size)
{
	char left[4] = "";
	char right[4] = "";
	char rest;
	uint64_t m = 0;
	uint64_t n = 0;

	if (sscanf(text, "%3s of %3s%c", left, right, &rest) != 2 ||
	    count_parse(left, 99, &m) < 0 || count_parse(right, 99, &n) < 0 || m < 1 || m > n ||
	    n > VERDICT_WINDOW_MAX)
		return err_say(why, size, -EINVAL,
			       "write \"M of N\", with M from 1 to N and N up to %d",
			       VERDICT_WINDOW_MAX);
	ret->m = (uint8_t)m;
	ret->n = (uint8_t)n;
	return 0;
}

static int parse_fault(const char *text, struct rule_value *ret, char *why, size_t size)
{
	if (strcmp(text, "warn") != 0 && strcmp(text, "crit") != 0)
		return err_say(why, size, -EINVAL, "must be warn or crit");
	ret->number = text[0] == 'w' ? LEVEL_WARN : LEVEL_CRIT;
	return 0;
}

static int parse_code(const char *text, struct rule_value *ret, char *why, size_t size)
{
	if (count_parse(text, CONDITION_LAST, &ret->number) < 0 || ret->number < 100)
		return err_say(why, size, -EINVAL,
			       "must be a condition from 100 to 999; `multiall health codes` "
			       "lists them");
	return 0;
}

static int parse_effect(const char *text, struct rule_value *ret, char *why, size_t size)
{
	if (effect_parse(text, &ret->effect) < 0)
		return err_say(why, size, -EINVAL,
			       "must be none, or some of weight:0 to weight:100, no-new, release, "
			       "withdraw, read-only");
	return 0;
}

static int parse_switch(const char *text, struct rule_value *ret, char *why, size_t size)
{
	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
		return err_say(why, size, -EINVAL, "must be on or off");
	ret->number = text[1] == 'n';
	return 0;
}

static int parse_user(const char *text, struct rule_value *ret, char *why, size_t size)
{
	(void)ret;
	if (!text[0] || strlen(text) > 32 ||
	    strspn(text, "-_.abcdefghijklmnopqrstuvwxyz"
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") < strlen(text))
		return err_say(why, size, -EINVAL, "not the name of a user");
	return 0;
}

static enum rule_order order_of(double a, double b)
{
	return a > b ? RULE_STRICTER : a < b ? RULE_LOOSER : RULE_SAME;
}

static enum rule_order compare_text(const struct rule_value *a, const struct rule_value *b)
{
	return strcmp(a->text, b->text) == 0 ? RULE_SAME : RULE_UNLIKE;
}

static enum rule_order compare_more(const struct rule_value *a, const struct rule_value *b)
{
	return order_of((double)a->number, (double)b->number);
}

static enum rule_order compare_less(const struct rule_value *a, const struct rule_value *b)
{
	return order_of((double)b->number, (double)a->number);
}

/* The limit that is reached first; for `clear` the one that is reached last. */
static enum rule_order compare_limit(const struct rule_value *a, const struct rule_value *b)
{
	if (!a->limit.op || !b->limit.op)
		return order_of(a->limit.op != 0, b->limit.op != 0);
	if (a->limit.op != b->limit.op)
		return RULE_UNLIKE;
	return a->limit.op == '<' ? order_of(a->limit.number, b->limit.number)
				  : order_of(b->limit.number, a->limit.number);
}

static enum rule_order compare_clear(const struct rule_value *a, const struct rule_value *b)
{
	if (!a->limit.op || !b->limit.op || a->limit.op != b->limit.op)
		return compare_limit(a, b);
	return compare_limit(b, a);
}

/* Entered sooner: fewer of more. */
static enum rule_order compare_enter(const struct rule_value *a, const struct rule_value *b)
{
	if (a->m == b->m)
		return order_of(a->n, b->n);
	if (a->n == b->n)
		return order_of(b->m, a->m);
	return (a->m < b->m) == (a->n > b->n) ? order_of(b->m, a->m) : RULE_UNLIKE;
}

static enum rule_order compare_leave(const struct rule_value *a, const struct rule_value *b)
{
	return compare_enter(b, a);
}

static enum rule_order compare_effect(const struct rule_value *a, const struct rule_value *b)
{
	bool more = effect_covers(a->effect, b->effect);
	bool less = effect_covers(b->effect, a->effect);

	return more && less ? RULE_SAME : more ? RULE_STRICTER : less ? RULE_LOOSER : RULE_UNLIKE;
}

const struct rule_field_info rule_fields[RULE_FIELDS] = {
	[RULE_CHECK] = {"check", NULL, "what is looked at", parse_check, compare_text},
	[RULE_EVERY] = {"every", "30s", "time from one start to the next", parse_every,
			compare_less},
	[RULE_TIMEOUT] = {"timeout", "5s", "after that long a check is ended", parse_time,
			  compare_less},
	[RULE_WARN] = {"warn", NULL, "limit from which on it is degraded", parse_limit,
		       compare_limit},
	[RULE_CRIT] = {"crit", NULL, "limit from which on it is critical", parse_limit,
		       compare_limit},
	[RULE_CLEAR] = {"clear", "off", "limit from which on it is good again", parse_limit,
			compare_clear},
	[RULE_ENTER] = {"enter", "3 of 3", "worse after so many of the last samples", parse_window,
			compare_enter},
	[RULE_LEAVE] = {"leave", "3 of 3", "better after so many of the last samples", parse_window,
			compare_leave},
	[RULE_HOLD] = {"hold", "0s", "no better before that time", parse_time, compare_more},
	[RULE_FAULT] = {"fault", "crit", "what a failed check counts as", parse_fault,
			compare_more},
	[RULE_CODE] = {"code", NULL, "condition in its code", parse_code, compare_text},
	[RULE_WARN_EFFECT] = {"warn-effect", "none", "what follows while it is degraded",
			      parse_effect, compare_effect},
	[RULE_CRIT_EFFECT] = {"crit-effect", "none", "what follows while it is critical",
			      parse_effect, compare_effect},
	[RULE_ENABLED] = {"enabled", "on", "whether it is checked at all", parse_switch,
			  compare_more},
	[RULE_USER] = {"user", "nobody", "whom a plugin runs as", parse_user, compare_text},
};
