/* SPDX-License-Identifier: Apache-2.0 */
#include "health/code.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct code_entry code_table[] = {
	{0, "ok"},
	{1, "result is stale"},
	{2, "check timed out"},
	{3, "check cannot run"},
	{4, "flapping"},
	{5, "rules are invalid, the last good ones are used"},
	{6, "an exception ends soon"},
	{7, "agent late or overloaded"},
	{8, "starting"},
	{9, "switched off"},
	{101, "load"},
	{102, "CPU pressure"},
	{103, "stolen CPU time"},
	{104, "CPU throttled"},
	{201, "little memory available"},
	{202, "swapping"},
	{203, "memory pressure"},
	{204, "OOM kill"},
	{301, "disk space"},
	{302, "inodes"},
	{303, "file system is read-only"},
	{304, "disk latency"},
	{305, "I/O errors or I/O pressure"},
	{306, "mount is missing"},
	{307, "RAID degraded"},
	{308, "disk reports defects"},
	{401, "network link"},
	{402, "network errors"},
	{403, "peer or service unreachable"},
	{404, "round-trip time"},
	{405, "isolated"},
	{406, "reached one way only"},
	{407, "packet size"},
	{408, "anchor unreachable"},
	{501, "process or service not running"},
	{502, "restarts again and again"},
	{503, "nothing listens"},
	{504, "application check"},
	{505, "file descriptors"},
	{506, "process is stuck"},
	{601, "pool lags behind"},
	{602, "pool backlog"},
	{603, "pool has conflicts"},
	{604, "pool has too few copies"},
	{605, "pool is not in sync"},
	{606, "journal almost full"},
	{607, "pool is read-only"},
	{608, "no lease or quorum"},
	{611, "DNS: two modes at once"},
	{612, "DNS: write conflict"},
	{613, "DNS: a name server lags"},
	{614, "DNS: the answer would be empty"},
	{615, "DNS: owner conflict"},
	{616, "DNS: server unreachable or refuses"},
	{701, "clock offset"},
	{702, "clock is not synchronised"},
	{703, "clock stepped or suspended"},
	{801, "certificate expires"},
	{802, "permissions of a key"},
	{803, "file differs from the baseline"},
	{804, "unexpected listener"},
	{805, "failed log-ins"},
	{806, "journal integrity"},
	{901, "on battery"},
	{902, "temperature"},
	{903, "power supply or fan"},
	{904, "memory errors corrected"},
};
const size_t code_table_count = sizeof(code_table) / sizeof(code_table[0]);

uint16_t code_make(enum severity severity, uint16_t condition)
{
	return severity == SEVERITY_OK ? 0 : (uint16_t)(severity * 1000 + condition % 1000);
}

enum severity code_severity(uint16_t code)
{
	return code / 1000 < SEVERITIES ? (enum severity)(code / 1000) : SEVERITY_UNKNOWN;
}

uint16_t code_condition(uint16_t code)
{
	return code % 1000;
}

const char *code_text(uint16_t code)
{
	for (size_t i = 0; i < code_table_count; i++) {
		if (code_table[i].condition == code % 1000)
			return code_table[i].text;
	}
	return code % 100 >= 80 ? "plugin" : "unknown condition";
}

const char *severity_text(enum severity severity)
{
	static const char *const words[SEVERITIES] = {"ok",       "notice",  "degraded",
						      "critical", "unknown", "administrative"};

	return severity < SEVERITIES ? words[severity] : "unknown";
}

int severity_exit(enum severity severity)
{
	static const int exits[SEVERITIES] = {0, 0, 1, 2, 3, 0};

	return severity < SEVERITIES ? exits[severity] : 3;
}

bool severity_worse(enum severity a, enum severity b)
{
	static const int order[SEVERITIES] = {0, 1, 3, 5, 4, 2};

	return order[a] > order[b];
}

static const struct {
	const char *word;
	uint8_t bit;
} effect_words[] = {
	{"no-new", EFFECT_NO_NEW},
	{"release", EFFECT_RELEASE},
	{"withdraw", EFFECT_WITHDRAW},
	{"read-only", EFFECT_READ_ONLY},
};
#define EFFECT_WORDS (sizeof(effect_words) / sizeof(effect_words[0]))

static int word_parse(const char *word, size_t length, struct effect *effect)
{
	unsigned int weight = 0;

	if (length == 4 && memcmp(word, "none", 4) == 0)
		return 0;
	for (size_t i = 0; i < EFFECT_WORDS; i++) {
		if (strlen(effect_words[i].word) == length &&
		    memcmp(effect_words[i].word, word, length) == 0) {
			effect->bits |= effect_words[i].bit;
			return 0;
		}
	}
	if (length < 8 || length > 10 || memcmp(word, "weight:", 7) != 0)
		return -EINVAL;
	for (size_t i = 7; i < length; i++) {
		if (word[i] < '0' || word[i] > '9')
			return -EINVAL;
		weight = weight * 10 + (unsigned int)(word[i] - '0');
	}
	if (weight > 100)
		return -ERANGE;
	effect->weight = (uint8_t)weight;
	return 0;
}

int effect_parse(const char *text, struct effect *ret)
{
	struct effect effect = EFFECT_NONE;
	bool any = false;

	for (;;) {
		text += strspn(text, " \n");
		size_t length = strcspn(text, " \n");
		if (length == 0)
			break;
		int r = word_parse(text, length, &effect);
		if (r < 0)
			return r;
		any = true;
		text += length;
	}
	if (!any)
		return -EINVAL;
	*ret = effect;
	return 0;
}

void effect_text(struct effect effect, char ret[EFFECT_TEXT_MAX])
{
	int used = 0;

	if (effect.weight < 100)
		used = snprintf(ret, EFFECT_TEXT_MAX, "weight:%u", effect.weight);
	for (size_t i = 0; i < EFFECT_WORDS; i++) {
		if (effect.bits & effect_words[i].bit)
			used += snprintf(ret + used, (size_t)(EFFECT_TEXT_MAX - used), "%s%s",
					 used ? " " : "", effect_words[i].word);
	}
	if (used == 0)
		(void)snprintf(ret, EFFECT_TEXT_MAX, "none");
}

struct effect effect_join(struct effect a, struct effect b)
{
	return (struct effect){.bits = a.bits | b.bits,
			       .weight = a.weight < b.weight ? a.weight : b.weight};
}

bool effect_covers(struct effect a, struct effect b)
{
	return (a.bits & b.bits) == b.bits && a.weight <= b.weight;
}
