/* SPDX-License-Identifier: Apache-2.0
 * Checks of services: a port, a page, a certificate.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/units.h"
#include "health/check.h"
#include "net/probe.h"

void check_tcp(const struct check_call *call, struct check_answer *ret)
{
	struct probe_result result;

	if (probe_tcp(call->words[0], call->timeout_ms, &result) < 0)
		check_say_fault(ret, "%.60s: %s", call->words[0], result.why);
	else
		check_say_value(ret, call, result.seconds, "%.80s connects in %.3f s",
				call->words[0], result.seconds);
}

struct http_wanted {
	uint64_t status; /* 0: 200 to 399 */
	uint64_t days;
	const char *text;
};

static bool wanted_parse(const struct check_call *call, struct http_wanted *ret)
{
	for (size_t i = 1; i < call->word_count; i++) {
		const char *word = call->words[i];

		if (strncmp(word, "text=", 5) == 0)
			ret->text = word + 5;
		else if (strncmp(word, "status=", 7) == 0) {
			if (count_parse(word + 7, 599, &ret->status) < 0)
				return false;
		} else if (strncmp(word, "certificate-days=", 17) != 0 ||
			   count_parse(word + 17, 3650, &ret->days) < 0) {
			return false;
		}
	}
	return true;
}

static void http_judge(const struct check_call *call, const struct http_wanted *wanted,
		       const struct probe_result *result, struct check_answer *ret)
{
	const char *url = call->words[0];
	bool right = wanted->status ? (uint64_t)result->status == wanted->status
				    : result->status >= 200 && result->status < 400;

	if (!right) {
		check_say_fault(ret, "%.120s answers with status %d", url, result->status);
	} else if (wanted->text &&
		   !memmem(result->body, result->body_size, wanted->text, strlen(wanted->text))) {
		check_say_fault(ret, "%.100s does not say \"%.60s\"", url, wanted->text);
	} else if (wanted->days && !(result->certificate_days >= (double)wanted->days)) {
		if (isnan(result->certificate_days))
			check_say_fault(ret, "%.100s has no certificate", url);
		else
			check_say_fault(ret, "the certificate of %.100s is valid for %.0f days",
					url, result->certificate_days);
		ret->condition = 801;
	} else {
		check_say_value(ret, call, result->seconds, "%.100s: status %d in %.3f s", url,
				result->status, result->seconds);
	}
}

void check_http(const struct check_call *call, struct check_answer *ret)
{
	struct http_wanted wanted = {0};
	struct probe_result result;

	if (!wanted_parse(call, &wanted)) {
		check_say_nothing(ret, "http: write status=200, text=WORDS, certificate-days=14");
		return;
	}
	if (probe_http(call->words[0], call->timeout_ms, &result) < 0)
		check_say_fault(ret, "%.70s: %s", call->words[0], result.why);
	else
		http_judge(call, &wanted, &result, ret);
	free(result.body);
}

void check_certificate(const struct check_call *call, struct check_answer *ret)
{
	char why[PERFDATA_TEXT_MAX];
	double days;

	if (probe_certificate(call->words[0], &days, why, sizeof(why)) < 0)
		check_say_nothing(ret, "%s", why);
	else
		check_say_value(ret, call, days, "%.150s is valid for %.1f days", call->words[0],
				days);
}
