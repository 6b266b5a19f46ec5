/* links: net/sendq.c
 * SPDX-License-Identifier: Apache-2.0
 * The queue of a link: its bound, order, and when `writable` is due. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "net/frame.h"
#include "net/sendq.h"

static int put(struct sendq *q, uint8_t class, uint16_t type, uint32_t size)
{
	/* The body is never looked at. */
	struct outgoing *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	m->class = class;
	m->type = type;
	m->size = size;
	int r = sendq_put(q, m);
	if (r < 0)
		free(m);
	return r;
}

static void test_bound(void **state)
{
	struct outgoing_list lists[NET_CLASSES];
	struct sendq q;
	uint64_t bytes = 0;

	(void)state;
	sendq_init(&q);
	for (size_t c = 0; c < NET_CLASSES; c++)
		outgoing_list_init(&lists[c]);
	while (put(&q, NET_LIVE, 33, 1u << 20) == 0)
		bytes += FRAME_COST(1u << 20);
	assert_true(bytes <= NET_QUEUE_BYTES && bytes + FRAME_COST(1u << 20) > NET_QUEUE_BYTES);
	/* Others have room of their own; a small one still fits; empty ones cost, too. */
	assert_int_equal(sendq_room(&q, NET_CATCHUP, 1u << 20), 0);
	assert_int_equal(sendq_room(&q, NET_LIVE, 1u << 20), -EAGAIN);
	while (put(&q, NET_LIVE, 33, 0) == 0)
		bytes += FRAME_COST(0);
	assert_true(NET_QUEUE_BYTES - bytes < FRAME_COST(0));
	/* Taken is not sent. */
	sendq_take(&q, lists);
	assert_int_equal(put(&q, NET_LIVE, 33, 0), -EAGAIN);
	/* Due once, at half. */
	assert_false(sendq_sent(&q, NET_LIVE, bytes - NET_QUEUE_BYTES / 2 - 1));
	assert_int_equal(put(&q, NET_LIVE, 33, NET_BODY_MAX), -EAGAIN);
	assert_true(sendq_sent(&q, NET_LIVE, 1));
	assert_false(sendq_sent(&q, NET_LIVE, 1));
	for (size_t c = 0; c < NET_CLASSES; c++)
		outgoing_list_done(&lists[c]);
	sendq_done(&q);
}

static void test_order(void **state)
{
	struct outgoing_list lists[NET_CLASSES];
	struct sendq q;
	uint16_t expected = 1;

	(void)state;
	sendq_init(&q);
	for (size_t c = 0; c < NET_CLASSES; c++)
		outgoing_list_init(&lists[c]);
	for (uint16_t i = 1; i <= 9; i++) {
		assert_int_equal(put(&q, NET_CONTROL, i, i), 0);
		if (i % 3 == 0)
			sendq_take(&q, lists);
	}
	for (const struct outgoing *m = lists[NET_CONTROL].first; m; m = m->next)
		assert_int_equal(m->type, expected++);
	assert_int_equal(expected, 10);
	assert_null(lists[NET_LIVE].first);
	outgoing_list_done(&lists[NET_CONTROL]);
	/* What was never taken goes with the queue. */
	assert_int_equal(put(&q, NET_VERIFY, 41, 5), 0);
	sendq_done(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
