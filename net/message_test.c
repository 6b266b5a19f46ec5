/* links: net/message.c net/member.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * The catalogue, the codecs' limits, and what two hellos say about each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "net/message.h"

static void test_catalogue(void **state)
{
	static const uint16_t numbers[] = {
#define MESSAGE(number, name, class, unknown, since) number,
#include "net/messages.def"
#undef MESSAGE
	};
	const size_t count = sizeof(numbers) / sizeof(numbers[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		const struct message_info *info = message_info(numbers[i]);

		/* Ascending: so that no number is given out twice. */
		assert_true(i == 0 || numbers[i] > numbers[i - 1]);
		assert_non_null(info);
		assert_int_equal(info->type, numbers[i]);
		assert_in_range(info->since, 1, WIRE_VERSION_MAX);
		if (numbers[i] <= MESSAGE_NET_LAST)
			assert_int_equal(info->class, NET_CONTROL);
	}
	assert_null(message_info(0));
	assert_null(message_info(4711));
	assert_int_equal(message_info(MESSAGE_BATCH)->class, NET_LIVE);
	assert_false(message_info(MESSAGE_BATCH)->skippable);
	assert_true(message_info(MESSAGE_PEERS)->skippable);
}

static void test_hellos(void **state)
{
	static const int64_t minute = 60ll * 1000000000;
	static const struct {
		struct hello ours, theirs;
		int code;
		const char *text;
	} rows[] = {
		{{1, 1, 0, 0, 1, 0, 0}, {1, 1, 0, 0, 2, 0, 0}, 0, ""},
		{{1, 3, 0, 0, 1, 0, 0}, {3, 9, 0, 0, 2, 0, 0}, 0, ""},
		{{3, 9, 0, 0, 1, 0, 0}, {1, 3, 0, 0, 2, 0, 0}, 0, ""},
		{{1, 3, 0, 0, 1, 0, 0},
		 {4, 9, 0, 0, 2, 0, 0},
		 GOODBYE_VERSION,
		 "upgrade this node"},
		{{4, 9, 0, 0, 1, 0, 0}, {1, 3, 0, 0, 2, 0, 0}, GOODBYE_VERSION, "upgrade it"},
		{{1, 1, 6, 2, 1, 0, 0}, {1, 1, 3, 2, 2, 0, 0}, 0, ""},
		{{1, 1, 6, 0, 1, 0, 0},
		 {1, 1, 3, 1, 2, 0, 0},
		 GOODBYE_VERSION,
		 "upgrade this node"},
		{{1, 1, 6, 4, 1, 0, 0}, {1, 1, 3, 0, 2, 0, 0}, GOODBYE_VERSION, "upgrade it"},
		{{1, 1, 0, 0, 1, 0, 0}, {1, 1, 0, 0, 2, 5 * minute, 0}, 0, ""},
		{{1, 1, 0, 0, 1, 5 * minute, 0}, {1, 1, 0, 0, 2, 0, 0}, 0, ""},
		{{1, 1, 0, 0, 1, 0, 0}, {1, 1, 0, 0, 2, 5 * minute + 1, 0}, GOODBYE_CLOCK, "ahead"},
		{{1, 1, 0, 0, 1, 5 * minute + 1, 0},
		 {1, 1, 0, 0, 2, 0, 0},
		 GOODBYE_CLOCK,
		 "behind"},
		{{1, 1, 0, 0, 1, INT64_MAX, 0},
		 {1, 1, 0, 0, 2, INT64_MIN, 0},
		 GOODBYE_CLOCK,
		 "behind"},
		{{1, 1, 0, 0, 1, INT64_MIN, 0},
		 {1, 1, 0, 0, 2, INT64_MAX, 0},
		 GOODBYE_CLOCK,
		 "ahead"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[MESSAGE_TEXT_MAX + 1];

		assert_int_equal(hello_judge(&rows[i].ours, &rows[i].theirs, text, sizeof(text)),
				 rows[i].code);
		assert_non_null(strstr(text, rows[i].text));
	}
}

static void test_short_bodies(void **state)
{
	uint8_t body[MESSAGE_SMALL_MAX] = {0};
	struct hello hello = {.version_min = 1, .version_max = 1, .node = 1};
	struct goodbye goodbye = {.code = 1, .text = "x"};
	struct join_request request = {.name = "n", .address = ""};
	struct join_proof proof = {0};
	struct join_answer answer = {.number = 3};

	(void)state;
	for (int i = 0; i < 5; i++) {
		struct wr w = wr_init(body, sizeof(body));

		if (i == 0)
			hello_encode(&hello, &w);
		else if (i == 1)
			goodbye_encode(&goodbye, &w);
		else if (i == 2)
			join_request_encode(&request, &w);
		else if (i == 3)
			join_proof_encode(&proof, &w);
		else
			join_answer_encode(&answer, &w);
		assert_false(w.failed);
		/* A field that a newer version has added is ignored; one that is missing is not. */
		for (size_t size = 0; size <= wr_used(&w) + 9; size++) {
			int r = i == 0   ? hello_decode(body, size, &hello)
				: i == 1 ? goodbye_decode(body, size, &goodbye)
				: i == 2 ? join_request_decode(body, size, &request)
				: i == 3 ? join_proof_decode(body, size, &proof)
					 : join_answer_decode(body, size, &answer);

			assert_int_equal(r, size < wr_used(&w) ? MA_ECORRUPT : 0);
		}
	}
}

static void test_limits(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		int r;
	} credits[] = {
		{"", 0, 0},
		{"\0\1\0\0\0", 5, 0},
		{"\4\1\0\0\0", 5, MA_ECORRUPT},            /* no such class */
		{"\0\1\0\0", 4, MA_ECORRUPT},              /* cut off */
		{"\0\1\0\x80\0", 5, MA_ECORRUPT},          /* more than there is */
		{"\0\1\0\0\0\0\1\0\0\0", 10, MA_ECORRUPT}, /* twice */
	};
	struct credit credit;
	struct goodbye goodbye;
	struct hello hello;
	uint8_t body[MESSAGE_SMALL_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(credits) / sizeof(credits[0]); i++)
		assert_int_equal(credit_decode(credits[i].bytes, credits[i].size, &credit),
				 credits[i].r);
	/* Text of a stranger is safe on a terminal. */
	assert_int_equal(goodbye_decode("\1\0\5\0a\033[2\xff", 9, &goodbye), 0);
	assert_string_equal(goodbye.text, "a?[2?");
	memset(body, 'x', sizeof(body));
	assert_int_equal(goodbye_decode(body, sizeof(body), &goodbye), MA_ECORRUPT);
	/* A node number that cannot be, a range that is none. */
	for (int i = 0; i < 3; i++) {
		struct hello bad = {.version_min = i == 2 ? 2 : 1,
				    .version_max = 1,
				    .node = i == 0   ? 0
					    : i == 1 ? FLEET_MEMBERS_MAX + 1
						     : 1};
		struct wr w = wr_init(body, sizeof(body));

		hello_encode(&bad, &w);
		assert_int_equal(hello_decode(body, wr_used(&w), &hello), MA_ECORRUPT);
	}
}

static void test_goodbye_codes(void **state)
{
	(void)state;
	assert_int_equal(goodbye_error(GOODBYE_SHUTDOWN), -ECONNRESET);
	assert_int_equal(goodbye_error(GOODBYE_DUPLICATE), -EALREADY);
	assert_int_equal(goodbye_error(GOODBYE_VERSION), MA_EVERSION);
	assert_int_equal(goodbye_error(GOODBYE_CLOCK), MA_ECLOCK);
	assert_int_equal(goodbye_error(GOODBYE_PROTOCOL), MA_ECORRUPT);
	assert_int_equal(goodbye_error(GOODBYE_REMOVED), MA_EREFUSED);
	assert_int_equal(goodbye_error(9999), MA_EREFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_catalogue),     cmocka_unit_test(test_hellos),
		cmocka_unit_test(test_short_bodies),  cmocka_unit_test(test_limits),
		cmocka_unit_test(test_goodbye_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
