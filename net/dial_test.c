/* links: net/dial.c
 * SPDX-License-Identifier: Apache-2.0
 * Back-off: from 0.2 s to 10 s, never beyond 1 s for who was here lately, 10 s while held. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "net/dial.h"

static void test_delays(void **state)
{
	static const struct {
		struct dial_state state;
		uint32_t least, most;
	} rows[] = {
		{{0, false, false}, 150, 250},    {{1, false, false}, 150, 250},
		{{2, false, false}, 300, 500},    {{5, false, false}, 2400, 4000},
		{{7, false, false}, 7500, 12500}, {{1u << 31, false, false}, 7500, 12500},
		{{1, true, false}, 150, 250},     {{2, true, false}, 300, 500},
		{{100, true, false}, 525, 875},   {{1, true, true}, 7500, 12500},
		{{1, false, true}, 7500, 12500},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t lowest = UINT32_MAX;
		uint32_t highest = 0;

		for (uint32_t dice = 0; dice < 20000; dice++) {
			uint32_t delay = dial_delay_ms(&rows[i].state, dice);

			lowest = delay < lowest ? delay : lowest;
			highest = delay > highest ? delay : highest;
		}
		/* The whole range is used: two nodes do not stay in step. */
		assert_int_equal(lowest, rows[i].least);
		assert_int_equal(highest, rows[i].most);
	}
}

static void test_timeouts(void **state)
{
	struct dial_state far = {.attempts = 3};
	uint32_t slow = 0;

	(void)state;
	assert_int_equal(dial_timeout_ms(&far), 5000);
	for (uint32_t i = 0; i < 80; i++) {
		struct dial_state recent = {.attempts = i, .recent = true};
		uint32_t timeout = dial_timeout_ms(&recent);

		assert_true(timeout <= 800 || timeout == 5000);
		slow += timeout == 5000;
	}
	/* Now and then there is time for a slow network. */
	assert_int_equal(slow, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delays),
		cmocka_unit_test(test_timeouts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
