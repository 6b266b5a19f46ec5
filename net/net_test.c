/* links: tests/lib/net_rig.c tests/lib/cable.c net/[a-z]*.c core/address.c core/units.c
 * core/crypto.c core/err.c core/io.c core/log.c core/clock.c core/loop.c SPDX-License-Identifier:
 * Apache-2.0 Whole nets over loopback: founding, joining, messages of all classes, credit, removal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/auto.h"
#include "net/message.h"
#include "tests/lib/cable.h"
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
		rig_keep(rigs[i], true);
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

static void test_members_spread(void **state)
{
	struct rig *rigs[3];
	struct member member;
	uint64_t id = 0;

	(void)state;
	found(rigs, 3);
	assert_int_equal(fleet_pool_add(rigs[1]->fleet, 42, "web"), 0);
	rig_announce(rigs[1]);
	/* The third hears of it, also without being told by the second itself. */
	while (fleet_pool_find(rigs[2]->fleet, "web", &id) != 0)
		rig_announce(rigs[2]);
	assert_int_equal(id, 42);
	/* A node that joins through the second is known to all, by a number of the upper range. */
	struct rig *four = rig_new("one"); /* the name is taken */
	rig_join(four, rigs[1]);
	uint16_t number = rig_number(four);
	assert_in_range(number, 512, FLEET_MEMBERS_MAX);
	assert_true(rig_wait_up(rigs[0], number) && rig_wait_up(rigs[2], number));
	assert_true(rig_wait_up(four, 1) && rig_wait_up(four, 2) && rig_wait_up(four, 3));
	assert_int_equal(fleet_member(rigs[2]->fleet, number, &member), 0);
	assert_true(strncmp(member.name, "one-", 4) == 0);
	rig_free(four);
	end(rigs, 3);
}

struct removal {
	uint16_t number;
	enum member_state state;
};

static void do_remove(struct rig *rig, void *arg)
{
	const struct removal *removal = arg;

	assert_int_equal(fleet_remove(rig->fleet, removal->number, removal->state), 0);
	net_announce(rig->net);
}

static void do_leave(struct rig *rig, void *arg)
{
	do_remove(rig, arg);
	assert_int_equal(fleet_forget(rig->fleet), 0);
}

static void test_leave_and_come_back(void **state)
{
	struct removal leave = {2, MEMBER_LEFT};
	struct rig *rigs[3];
	struct member member;

	(void)state;
	found(rigs, 3);
	struct keypair before = *fleet_key(rigs[1]->fleet);
	/* Forgotten in the same turn of the loop: the news must be out by then. */
	rig_run(rigs[1], do_leave, &leave);
	assert_true(rig_wait_down(rigs[0], 2) && rig_wait_down(rigs[2], 2));
	assert_true(rig_wait_down(rigs[1], 1) && rig_wait_down(rigs[1], 3));
	do {
		assert_int_equal(fleet_member(rigs[2]->fleet, 2, &member), 0);
	} while (member.state == MEMBER_ACTIVE);
	assert_int_equal(member.state, MEMBER_LEFT);
	assert_false(fleet_exists(rigs[1]->fleet));
	/* Back under a new key and number, without a new process. */
	rig_join(rigs[1], rigs[0]);
	assert_int_equal(rig_number(rigs[1]), 4);
	assert_memory_not_equal(before.public, fleet_key(rigs[1]->fleet)->public, KEY_PUBLIC_SIZE);
	rig_all_up(rigs, 3);
	end(rigs, 3);
}

static void test_removed(void **state)
{
	struct removal removal = {3, MEMBER_REMOVED};
	struct rig *rigs[3];
	struct member self;

	(void)state;
	found(rigs, 3);
	rig_run(rigs[0], do_remove, &removal);
	assert_true(rig_wait_down(rigs[0], 3) && rig_wait_down(rigs[1], 3));
	assert_true(rig_wait_down(rigs[2], 1) && rig_wait_down(rigs[2], 2));
	/* It was told, and knocks no more. */
	fleet_self(rigs[2]->fleet, &self);
	assert_int_equal(self.state, MEMBER_REMOVED);
	assert_true(rig_wait_held(rigs[2], 1, "left or was removed"));
	assert_int_equal(fleet_remove(rigs[2]->fleet, 1, MEMBER_REMOVED), MA_EREFUSED);
	/* For ever: also after all have started anew. */
	for (size_t i = 0; i < 3; i++)
		rig_restart(rigs[i]);
	assert_true(rig_wait_up(rigs[0], 2));
	assert_int_equal(rigs[0]->ups[3], 1);
	end(rigs, 3);
}

static void test_restarts(void **state)
{
	struct rig *rigs[3];

	(void)state;
	found(rigs, 3);
	for (int round = 0; round < 4; round++) {
		/* One alone, then all at once, so that each pair dials from both sides. */
		rig_restart(rigs[round % 3]);
		rig_all_up(rigs, 3);
		for (size_t i = 0; i < 3; i++)
			rig_stop(rigs[i]);
		for (size_t i = 0; i < 3; i++)
			rig_start(rigs[i]);
		rig_all_up(rigs, 3);
	}
	/* One link per pair: what is sent once arrives once. */
	for (uint16_t to = 2; to <= 3; to++)
		assert_int_equal(send_text(rigs[0], to, NET_LIVE, MESSAGE_BATCH, "once"), 0);
	for (size_t i = 1; i < 3; i++) {
		rig_keep(rigs[i], true);
		assert_int_equal(
			send_text(rigs[0], (uint16_t)(i + 1), NET_LIVE, MESSAGE_BATCH, "last"), 0);
		AUTO_LOCK(held, &rigs[i]->lock);
		assert_true(rigs[i]->messages <= 2);
	}
	end(rigs, 3);
}

static void test_pulled_cable(void **state)
{
	struct cable *cables[2] = {cable_new(), cable_new()};
	struct rig *rigs[2] = {rig_new("one"), rig_new("two")};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		(void)snprintf(rigs[i]->public_address, sizeof(rigs[i]->public_address),
			       "127.0.0.1:%u", cable_port(cables[i]));
		rig_start(rigs[i]);
		cable_to(cables[i], rigs[i]->port);
	}
	rig_found(rigs[0]);
	rig_join(rigs[1], rigs[0]);
	for (int round = 0; round < 2; round++) {
		rig_all_up(rigs, 2);
		cable_pull(cables[0]);
		cable_pull(cables[1]);
		/* Nobody closes anything: only silence tells. */
		assert_true(rig_wait_down(rigs[0], 2) && rig_wait_down(rigs[1], 1));
		assert_true(rig_wait_held(rigs[0], 2, "n"));
		assert_int_equal(send_text(rigs[0], 2, NET_LIVE, MESSAGE_BATCH, "x"), -ENOTCONN);
		cable_plug(cables[0]);
		cable_plug(cables[1]);
	}
	rig_all_up(rigs, 2);
	for (size_t i = 0; i < 2; i++) {
		rig_free(rigs[i]);
		cable_free(cables[i]);
	}
}

static void test_wrong_certificate(void **state)
{
	struct rig *rigs[3];
	char address[64];

	(void)state;
	found(rigs, 3);
	/* Where the second says it is, the third listens. The first node keeps its old link until
	 * the second starts anew, and then finds the third there. */
	rig_address(rigs[2], address);
	assert_int_equal(fleet_address_set(rigs[1]->fleet, address), 0);
	rig_announce(rigs[1]);
	struct member member;
	do {
		assert_int_equal(fleet_member(rigs[0]->fleet, 2, &member), 0);
	} while (strcmp(member.addresses[0], address) != 0);
	rig_stop(rigs[1]);
	assert_true(rig_wait_held(rigs[0], 2, "wrong certificate"));
	/* The other way round it still comes about. */
	rig_start(rigs[1]);
	rig_all_up(rigs, 3);
	end(rigs, 3);
}

struct flow {
	struct rig *from;
	uint16_t to;
	enum net_class class;
	uint16_t type;
	uint32_t count;
	uint32_t size;
};

struct room {
	enum net_class class;
	unsigned int seen;
};

static bool has_room(struct rig *rig, const void *arg)
{
	const struct room *room = arg;

	return rig->writables[room->class] != room->seen;
}

/* Numbered messages, as fast as the queue takes them. */
static void *flow_run(void *arg)
{
	const struct flow *flow = arg;
	AUTO_FREE uint8_t *body = calloc(1, flow->size);
	uint32_t i = 0;

	if (!body)
		abort();
	while (i < flow->count) {
		struct net_part parts[2] = {{&i, sizeof(i)}, {body, flow->size - sizeof(i)}};
		struct room room = {.class = flow->class};
		{
			AUTO_LOCK(held, &flow->from->lock);
			room.seen = flow->from->writables[flow->class];
		}
		int r = net_send(flow->from->net, flow->to, flow->class, flow->type, parts, 2);
		if (r == 0)
			i++;
		else if (r != -EAGAIN || !rig_wait(flow->from, has_room, &room))
			abort();
	}
	return NULL;
}

static void test_flood_in_order(void **state)
{
	struct rig *rigs[2];
	struct flow flows[] = {
		{.class = NET_CONTROL, .type = MESSAGE_ACK, .count = 5000, .size = 40},
		{.class = NET_LIVE, .type = MESSAGE_BATCH, .count = 3000, .size = 5000},
		{.class = NET_CATCHUP,
		 .type = MESSAGE_CATCHUP_OFFER,
		 .count = 20,
		 .size = 4u << 20},
		{.class = NET_VERIFY, .type = MESSAGE_VERIFY, .count = 300, .size = 100000},
	};
	uint32_t next[NET_CLASSES] = {0};
	pthread_t threads[NET_CLASSES];

	(void)state;
	found(rigs, 2);
	rig_keep(rigs[1], true);
	for (size_t c = 0; c < NET_CLASSES; c++) {
		flows[c].from = rigs[0];
		flows[c].to = 2;
		assert_int_equal(pthread_create(&threads[c], NULL, flow_run, &flows[c]), 0);
	}
	for (size_t i = 0; i < 5000 + 3000 + 20 + 300; i++) {
		uint16_t from;
		AUTO_FREE struct net_message *m = rig_take(rigs[1], &from);
		uint32_t number;

		assert_non_null(m);
		assert_int_equal(m->size, flows[m->class].size);
		memcpy(&number, m->body, sizeof(number));
		assert_int_equal(number, next[m->class]);
		next[m->class]++;
	}
	for (size_t c = 0; c < NET_CLASSES; c++)
		(void)pthread_join(threads[c], NULL);
	end(rigs, 2);
}

static bool nothing_left(struct rig *rig, const void *arg)
{
	return rig->messages >= *(const uint64_t *)arg;
}

static void test_credit_and_queue(void **state)
{
	AUTO_FREE uint8_t *body = calloc(1, NET_BODY_MAX + 1);
	struct net_part part = {body, 1u << 20};
	struct net_part all = {body, NET_BODY_MAX};
	struct net_part more[] = {{body, NET_BODY_MAX}, {body, 1}};
	struct rig *rigs[2];
	uint64_t sent = 0;
	uint16_t from;
	int r;

	(void)state;
	assert_non_null(body);
	found(rigs, 2);
	rig_keep(rigs[1], true);
	/* The receiver consumes nothing: what it has granted fills up, then the queue, then it is
	 * the sender's turn to wait. */
	while ((r = net_send(rigs[0]->net, 2, NET_CATCHUP, MESSAGE_CATCHUP_OFFER, &part, 1)) == 0)
		sent++;
	assert_int_equal(r, -EAGAIN);
	/* Granted and queued, both less than 8 MiB with what each message's being there costs; how
	 * much had gone out when the queue was full depends on the race. */
	assert_in_range(sent, 7, 14);
	/* Other classes pass it by. */
	assert_int_equal(send_text(rigs[0], 2, NET_CONTROL, MESSAGE_ACK, "first"), 0);
	assert_int_equal(net_send(rigs[0]->net, 2, NET_LIVE, MESSAGE_BATCH, &all, 1), 0);
	assert_int_equal(net_send(rigs[0]->net, 2, NET_LIVE, MESSAGE_BATCH, more, 2), -EMSGSIZE);
	assert_int_equal(net_send(rigs[0]->net, 2, NET_LIVE, MESSAGE_ACK, &part, 1), -EINVAL);
	assert_int_equal(net_send(rigs[0]->net, 2, NET_CONTROL, MESSAGE_PING, &part, 1), -EINVAL);
	assert_int_equal(net_send(rigs[0]->net, 9, NET_LIVE, MESSAGE_BATCH, &part, 1), -ENOTCONN);
	/* 7 of catch-up, the text, the large one. */
	uint64_t expected = 9;
	assert_true(rig_wait(rigs[1], nothing_left, &expected));
	{
		AUTO_LOCK(held, &rigs[1]->lock);
		assert_int_equal(rigs[1]->messages, 9);
	}
	/* Consumed: the rest comes, and the sender hears that there is room. */
	struct room room = {.class = NET_CATCHUP};
	for (uint64_t i = 0; i < sent + 2; i++) {
		AUTO_FREE struct net_message *m = rig_take(rigs[1], &from);
		assert_non_null(m);
	}
	assert_true(rig_wait(rigs[0], has_room, &room));
	end(rigs, 2);
}

static bool has_verify(struct rig *rig, const void *arg)
{
	(void)arg;
	return rig->of_class[NET_VERIFY] > 0;
}

/* What the receiver still holds of an older link counts against the new one. */
static void test_credit_over_links(void **state)
{
	AUTO_FREE uint8_t *body = calloc(1, 1u << 20);
	struct net_part part = {body, 1u << 20};
	struct rig *rigs[2];
	uint64_t expected = 5;
	uint16_t from;

	(void)state;
	assert_non_null(body);
	found(rigs, 2);
	rig_keep(rigs[1], true);
	for (int i = 0; i < 5; i++)
		assert_int_equal(net_send(rigs[0]->net, 2, NET_LIVE, MESSAGE_BATCH, &part, 1), 0);
	assert_true(rig_wait(rigs[1], nothing_left, &expected));
	rig_restart(rigs[0]);
	rig_all_up(rigs, 2);
	for (int i = 0; i < 5; i++)
		assert_int_equal(net_send(rigs[0]->net, 2, NET_LIVE, MESSAGE_BATCH, &part, 1), 0);
	assert_int_equal(send_text(rigs[0], 2, NET_VERIFY, MESSAGE_VERIFY, "behind"), 0);
	/* The lower class has its turn when no more of the higher may come. */
	assert_true(rig_wait(rigs[1], has_verify, NULL));
	{
		AUTO_LOCK(held, &rigs[1]->lock);
		assert_int_equal(rigs[1]->of_class[NET_LIVE], 7); /* 5 held, 2 more */
	}
	for (int i = 0; i < 11; i++) {
		AUTO_FREE struct net_message *m = rig_take(rigs[1], &from);
		assert_non_null(m);
	}
	end(rigs, 2);
}

static int try_join(struct rig *joining, struct rig *member, const char *token, char *error,
		    size_t size)
{
	char address[64];

	rig_address(member, address);
	return net_join_as(joining->fleet, address, token, joining->name, ":7447", error, size);
}

static void test_tokens(void **state)
{
	char token[TOKEN_TEXT_SIZE], late[TOKEN_TEXT_SIZE], foreign[TOKEN_TEXT_SIZE];
	struct rig *rigs[2];
	struct rig *other = rig_new("other");
	struct rig *late_node = rig_new("late");
	struct net_counters c;
	struct member member;
	char error[256];

	(void)state;
	found(rigs, 2);
	rig_found(other);
	assert_int_equal(fleet_token_make(rigs[0]->fleet, 60, token, sizeof(token) - 1), -ENOSPC);
	assert_int_equal(fleet_token_make(rigs[0]->fleet, 60, token, sizeof(token)), 0);
	assert_int_equal(fleet_token_make(rigs[0]->fleet, 0, late, sizeof(late)), 0);
	assert_int_equal(fleet_token_make(other->fleet, 60, foreign, sizeof(foreign)), 0);
	/* Run out; another fleet's; not known at this member; mistyped. */
	assert_int_equal(try_join(late_node, rigs[0], late, error, sizeof(error)), MA_EREFUSED);
	assert_non_null(strstr(error, "run out"));
	assert_int_equal(try_join(late_node, rigs[0], foreign, error, sizeof(error)), MA_EREFUSED);
	assert_non_null(strstr(error, "not of the fleet"));
	assert_int_equal(try_join(late_node, rigs[1], token, error, sizeof(error)), MA_EREFUSED);
	assert_non_null(strstr(error, "not known"));
	token[20] = token[20] == 'A' ? 'B' : 'A';
	assert_int_equal(try_join(late_node, rigs[0], token, error, sizeof(error)), -EINVAL);
	assert_false(fleet_exists(late_node->fleet));
	rig_counters(rigs[0], &c);
	assert_int_equal(c.refused_token, 1);
	/* None of that has used up a good one; it survives a restart; it works once. */
	assert_int_equal(fleet_token_make(rigs[0]->fleet, 60, token, sizeof(token)), 0);
	rig_restart(rigs[0]);
	assert_int_equal(try_join(late_node, rigs[0], token, error, sizeof(error)), 0);
	assert_int_equal(rig_number(late_node), 3);
	/* Only the port was given: the member writes down the host that it saw. */
	assert_int_equal(fleet_member(rigs[0]->fleet, 3, &member), 0);
	assert_string_equal(member.addresses[0], "127.0.0.1:7447");
	struct rig *thief = rig_new("thief");
	assert_int_equal(try_join(thief, rigs[0], token, error, sizeof(error)), MA_EREFUSED);
	assert_non_null(strstr(error, "was used"));
	rig_restart(rigs[0]);
	assert_int_equal(try_join(thief, rigs[0], token, error, sizeof(error)), MA_EREFUSED);
	rig_counters(rigs[0], &c);
	assert_int_equal(c.refused_token, 1);
	assert_int_equal(try_join(late_node, rigs[0], token, error, sizeof(error)), -EEXIST);
	rig_free(thief);
	rig_free(late_node);
	rig_free(other);
	end(rigs, 2);
}

/* The answer of a join got lost: the same node, with a new token, is the same member. */
static void test_join_again(void **state)
{
	struct rig *rigs[1];
	struct rig *two = rig_new("two");
	char token[TOKEN_TEXT_SIZE];
	char error[256];
	char path[256];

	(void)state;
	found(rigs, 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fleet_token_make(rigs[0]->fleet, 60, token, sizeof(token)), 0);
		assert_int_equal(try_join(two, rigs[0], token, error, sizeof(error)), 0);
		assert_int_equal(rig_number(two), 2);
		/* As if it had never been written. */
		(void)snprintf(path, sizeof(path), "%s/fleet", two->dir);
		assert_int_equal(unlink(path), 0);
		fleet_free(two->fleet);
		assert_int_equal(fleet_open(two->dir, &two->fleet, error, sizeof(error)), 0);
		assert_false(fleet_exists(two->fleet));
	}
	assert_int_equal(fleet_members(rigs[0]->fleet, NULL, 0), 2);
	rig_free(two);
	end(rigs, 1);
}

static void test_bad_addresses(void **state)
{
	static const char *const listens[] = {"", "nonsense:port", "10.0.0.1:99999", "[::1", "a b"};
	struct rig *rig = rig_new("one");
	struct loop *loop;
	char error[256];
	char address[64];
	struct net *net;

	(void)state;
	rig_start(rig);
	assert_int_equal(loop_new(&loop), 0);
	for (size_t i = 0; i < sizeof(listens) / sizeof(listens[0]); i++) {
		struct net_config config = {
			.loop = loop, .fleet = rig->fleet, .listen = listens[i]};

		assert_true(net_new(&config, &net, error, sizeof(error)) < 0);
		assert_non_null(strstr(error, "listen on"));
	}
	/* Taken. */
	rig_address(rig, address);
	struct net_config config = {.loop = loop, .fleet = rig->fleet, .listen = address};
	assert_int_equal(net_new(&config, &net, error, sizeof(error)), -EADDRINUSE);
	loop_free(loop);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_nodes),
		cmocka_unit_test(test_members_spread),
		cmocka_unit_test(test_leave_and_come_back),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_restarts),
		cmocka_unit_test(test_pulled_cable),
		cmocka_unit_test(test_wrong_certificate),
		cmocka_unit_test(test_flood_in_order),
		cmocka_unit_test(test_credit_and_queue),
		cmocka_unit_test(test_credit_over_links),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_join_again),
		cmocka_unit_test(test_bad_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
