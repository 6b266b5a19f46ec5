/* links: tests/lib/net_rig.c net/[a-z]*.c core/address.c core/units.c core/crypto.c core/err.c
 * core/io.c core/log.c core/loop.c SPDX-License-Identifier: Apache-2.0 Whole nets over loopback:
 * founding, joining, messages of all classes, credit, removal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/log.h"
#include "net/message.h"
#include "tests/lib/net_rig.h"

static void found(struct rig **rigs, size_t count)
{
	static const char *const names[] = {"one", "two", "three", "four"};

	for (size_t i = 0; i < count; i++)
		rigs[i] = rig_new(names[i]);
	rig_found(rigs[0]);
	for (size_t i = 1; i < count; i++)
		rig_join(rigs[i], rigs[0]);
	rig_all_up(rigs, count);
}

static void end(struct rig **rigs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		rig_free(rigs[i]);
}

static int send_text(struct rig *from, uint16_t to, enum net_class class, uint16_t type,
		     const char *text)
{
	struct net_part parts[] = {{text, strlen(text)}, {"!", 1}};

	return net_send(from->net, to, class, type, parts, 2);
}

static void test_three_nodes(void **state)
{
	struct rig *rigs[3];
	uint16_t from;

	(void)state;
	found(rigs, 3);
	for (uint16_t i = 0; i < 3; i++) {
		assert_int_equal(rig_number(rigs[i]), i + 1);
		rigs[i]->keep = true;
	}
	assert_int_equal(send_text(rigs[0], 2, NET_LIVE, MESSAGE_BATCH, "hello"), 0);
	assert_int_equal(send_text(rigs[2], 2, NET_CONTROL, MESSAGE_ACK, "ack"), 0);
	for (int i = 0; i < 2; i++) {
		AUTO_FREE struct net_message *m = rig_take(rigs[1], &from);

		assert_non_null(m);
		assert_int_equal(m->flags, 0);
		if (from == 1) {
			assert_int_equal(m->type, MESSAGE_BATCH);
			assert_int_equal(m->class, NET_LIVE);
			assert_int_equal(m->size, 6);
			assert_memory_equal(m->body, "hello!", 6);
		} else {
			assert_int_equal(from, 3);
			assert_memory_equal(m->body, "ack!", 4);
		}
	}
	end(rigs, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_nodes),
	};

	log_set_level(LOG_LEVEL_DEBUG);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
