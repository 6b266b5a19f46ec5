/* links: tests/lib/net_rig.c tests/lib/fake_peer.c net/[a-z]*.c core/address.c core/units.c
 *        core/crypto.c core/err.c core/io.c core/log.c core/clock.c core/loop.c
 * SPDX-License-Identifier: Apache-2.0
 * What a hostile or broken other side may do: each time the connection is refused and counted, and
 * the links of the others live on. */
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
#include "net/fleet_sync.h"
#include "net/message.h"
#include "tests/lib/fake_peer.h"
#include "tests/lib/net_rig.h"

/* Two nodes that are connected all the while, and the key of a third that has joined but whose net
 * does not run: the fake speaks in its name. */
struct scene {
	struct rig *one;
	struct rig *two;
	struct rig *mole;
	const struct keypair *key;
	uint16_t number; /* of the mole: 3 */
	struct fake fake;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->one = rig_new("one");
	s->two = rig_new("two");
	s->mole = rig_new("mole");
	rig_found(s->one);
	rig_join(s->two, s->one);
	/* An address where nobody is, so that the others do not disturb the fake by dialing it. */
	(void)strcpy(s->mole->public_address, "127.0.0.1:1");
	rig_join(s->mole, s->one);
	rig_stop(s->mole);
	s->key = fleet_key(s->mole->fleet);
	s->number = rig_number(s->mole);
	assert_true(rig_wait_up(s->one, 2) && rig_wait_up(s->two, 1));
	s->fake.fd = -1;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	fake_close(&s->fake);
	rig_free(s->mole);
	rig_free(s->two);
	rig_free(s->one);
	free(s);
	return 0;
}

/* The two have been connected without a break, and still pass messages. */
static bool has_more(struct rig *rig, const void *arg)
{
	return rig->messages > *(const uint64_t *)arg;
}

static void assert_unharmed(struct scene *s)
{
	uint64_t before;

	assert_int_equal(s->one->ups[2], 1);
	assert_int_equal(s->one->downs[2], 0);
	{
		AUTO_LOCK(held, &s->two->lock);
		before = s->two->messages;
	}
	assert_int_equal(net_send(s->one->net, 2, NET_LIVE, MESSAGE_BATCH, NULL, 0), 0);
	assert_true(rig_wait(s->two, has_more, &before));
}

static void counters(struct scene *s, struct net_counters *ret)
{
	rig_counters(s->one, ret);
}

static void connect_as_mole(struct scene *s)
{
	fake_connect(&s->fake, s->one->port);
	assert_int_equal(fake_tls(&s->fake, s->key, TLS_LINK), 0);
}

static void greet_as_mole(struct scene *s)
{
	connect_as_mole(s);
	assert_true(fake_greet(&s->fake, s->number));
	assert_true(rig_wait_up(s->one, s->number));
}

static void test_garbage_before_tls(void **state)
{
	static const char *const lines[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01",
					    "SSH-2.0-OpenSSH_9.2\r\n"};
	struct scene *s = *state;
	struct net_counters c;
	uint8_t noise[4096];

	random_bytes(noise, sizeof(noise));
	for (size_t i = 0; i < 4; i++) {
		fake_connect(&s->fake, s->one->port);
		if (i < 3)
			fake_raw(&s->fake, lines[i], strlen(lines[i]));
		else
			fake_raw(&s->fake, noise, sizeof(noise));
		/* The start of a TLS record asks for its rest; that it does not come is the end. */
		if (i == 1)
			(void)shutdown(s->fake.fd, SHUT_WR);
		fake_await_end(&s->fake);
		fake_close(&s->fake);
	}
	counters(s, &c);
	assert_int_equal(c.refused_handshake, 4);
	assert_unharmed(s);
}

static void test_stranger(void **state)
{
	struct scene *s = *state;
	struct net_counters c;
	struct keypair stranger;

	keypair_make(&stranger);
	fake_connect(&s->fake, s->one->port);
	/* A TLS 1.3 client is done before the server has seen its certificate. */
	assert_int_equal(fake_tls(&s->fake, &stranger, TLS_LINK), 0);
	struct hello hello = fake_good_hello(s->number);
	fake_hello(&s->fake, &hello);
	assert_null(fake_next(&s->fake));
	counters(s, &c);
	assert_int_equal(c.refused_certificate, 1);
	assert_int_equal(s->one->ups[s->number], 0);
	assert_unharmed(s);
}

static void remove_mole(struct rig *rig, void *arg)
{
	struct scene *s = arg;

	assert_int_equal(fleet_remove(rig->fleet, s->number, MEMBER_REMOVED), 0);
	net_announce(rig->net);
}

static void test_removed_for_ever(void **state)
{
	struct scene *s = *state;
	struct net_counters c;
	struct member member;

	greet_as_mole(s);
	rig_run(s->one, remove_mole, s);
	/* At once: the live link is told why, and ends. */
	AUTO_FREE struct net_message *bye = fake_await(&s->fake, MESSAGE_GOODBYE);
	struct goodbye goodbye;
	assert_non_null(bye);
	assert_int_equal(goodbye_decode(bye->body, bye->size, &goodbye), 0);
	assert_int_equal(goodbye.code, GOODBYE_REMOVED);
	fake_await_end(&s->fake);
	fake_close(&s->fake);
	assert_true(rig_wait_down(s->one, s->number));
	/* For ever: at the one who removed it, at the other, as a link and as a join. */
	for (int i = 0; i < 3; i++) {
		struct rig *at = i == 1 ? s->two : s->one;

		fake_connect(&s->fake, at->port);
		assert_int_equal(fake_tls(&s->fake, s->key, i == 2 ? TLS_JOIN : TLS_LINK), 0);
		assert_null(fake_next(&s->fake));
		assert_non_null(strstr(tls_reason(s->fake.wire->tls), "left or was removed"));
		fake_close(&s->fake);
	}
	counters(s, &c);
	assert_int_equal(c.refused_certificate, 2);
	/* Its own old record, or a newer one that says active, changes nothing: it is signed all
	 * right, for a removed node still has the fleet's key. */
	assert_int_equal(fleet_pool_add(s->mole->fleet, 7, "web"), 0);
	assert_int_equal(fleet_pool_add(s->mole->fleet, 8, "mail"), 0);
	AUTO_FREE uint8_t *records = NULL;
	size_t size, changed;
	uint64_t change;
	assert_int_equal(fleet_records(s->mole->fleet, 0, &records, &size, &change), 0);
	assert_int_equal(fleet_merge(s->one->fleet, records, size, &changed), 0);
	assert_int_equal(changed, 0);
	assert_int_equal(fleet_member(s->one->fleet, s->number, &member), 0);
	assert_int_equal(member.state, MEMBER_REMOVED);
	assert_unharmed(s);
}

static void test_garbage_inside_tls(void **state)
{
	struct scene *s = *state;
	struct net_counters c;
	uint8_t noise[512];

	for (int up = 0; up < 2; up++) {
		connect_as_mole(s);
		if (up)
			assert_true(fake_greet(&s->fake, s->number));
		memset(noise, 0xff, sizeof(noise));
		fake_inside(&s->fake, noise, sizeof(noise));
		while (true) {
			AUTO_FREE struct net_message *m = fake_next(&s->fake);
			if (!m)
				break;
		}
		fake_close(&s->fake);
	}
	counters(s, &c);
	assert_int_equal(c.refused_frame, 2);
	assert_unharmed(s);
}

/* One head, and nothing of what it promises: refused by the head alone, so nothing was taken. */
static void test_lengths(void **state)
{
	static const struct {
		bool up;
		struct frame_head head;
	} rows[] = {
		{true,
		 {.payload = FRAME_PAYLOAD_MAX + 1,
		  .type = 33,
		  .class = 1,
		  .flags = 1,
		  .total = NET_BODY_MAX}},
		{true, {.payload = UINT32_MAX - 8, .type = 33, .class = 1, .flags = 3, .total = 1}},
		{true,
		 {.payload = 10, .type = 33, .class = 1, .flags = 1, .total = NET_BODY_MAX + 1}},
		{true, {.payload = 10, .type = 33, .class = 1, .flags = 1, .total = UINT32_MAX}},
		{true, {.payload = 10, .type = 33, .class = 1, .flags = 1, .total = 9}},
		{true, {.payload = 0, .type = 33, .class = 1, .flags = 1, .total = 9}},
		{true, {.payload = 9, .type = 33, .class = NET_CLASSES, .flags = 3, .total = 9}},
		{true, {.payload = 9, .type = 33, .class = 255, .flags = 3, .total = 9}},
		{true, {.payload = 9, .type = 0, .class = 1, .flags = 3, .total = 9}},
		{true, {.payload = 9, .type = 33, .class = 1, .flags = 0x43, .total = 9}},
		{true, {.payload = 9, .type = 33, .class = 1, .flags = 2, .total = 9}},
		{true, {.payload = 8, .type = 33, .class = 1, .flags = 3, .total = 9}},
		{true, {.payload = 9, .type = 33, .class = 1, .flags = 1, .total = 9}},
		{false,
		 {.payload = 10, .type = 1, .class = 0, .flags = 1, .total = WIRE_EARLY_MAX + 1}},
		{false, {.payload = 10, .type = 33, .class = 1, .flags = 1, .total = 100}},
	};
	const size_t count = sizeof(rows) / sizeof(rows[0]);
	struct scene *s = *state;
	struct net_counters c;

	for (size_t i = 0; i < count; i++) {
		uint8_t bytes[FRAME_HEAD_SIZE];

		connect_as_mole(s);
		if (rows[i].up)
			assert_true(fake_greet(&s->fake, s->number));
		frame_head_write(&rows[i].head, bytes);
		fake_inside(&s->fake, bytes, sizeof(bytes));
		while (true) {
			AUTO_FREE struct net_message *m = fake_next(&s->fake);
			if (!m)
				break;
		}
		fake_close(&s->fake);
		counters(s, &c);
		assert_int_equal(c.refused_frame, i + 1);
	}
	assert_unharmed(s);
}

static void test_more_than_granted(void **state)
{
	AUTO_FREE uint8_t *body = calloc(1, 1u << 20);
	struct scene *s = *state;
	struct net_counters c;

	assert_non_null(body);
	rig_keep(s->one, true);
	greet_as_mole(s);
	/* What was never received is not given back. */
	net_consumed(s->one->net, s->number, NET_LIVE, 100u << 20);
	for (int i = 0; i < 9; i++)
		fake_message(&s->fake, MESSAGE_BATCH, NET_LIVE, false, body, 1u << 20);
	AUTO_FREE struct net_message *bye = fake_await(&s->fake, MESSAGE_GOODBYE);
	assert_non_null(bye);
	counters(s, &c);
	assert_int_equal(c.refused_frame, 1);
	/* Empty messages cost something, too. */
	{
		AUTO_LOCK(held, &s->one->lock);
		assert_int_equal(s->one->messages, 7); /* 8 MiB less what being there costs */
		s->one->keep = false;
	}
	assert_unharmed(s);
}

/* It takes what it is granted for, and reads nothing. */
static void test_slow_reader(void **state)
{
	AUTO_FREE uint8_t *body = calloc(1, 1u << 20);
	struct net_part part = {body, 1u << 20};
	struct credit credit = {.bytes = {[NET_LIVE] = NET_CREDIT_BYTES}};
	struct scene *s = *state;
	uint8_t bytes[MESSAGE_SMALL_MAX];
	int r;

	assert_non_null(body);
	greet_as_mole(s);
	struct wr w = wr_init(bytes, sizeof(bytes));
	credit_encode(&credit, &w);
	fake_message(&s->fake, MESSAGE_CREDIT, NET_CONTROL, false, bytes, (uint32_t)wr_used(&w));
	while ((r = net_send(s->one->net, s->number, NET_LIVE, MESSAGE_BATCH, &part, 1)) == 0)
		;
	assert_int_equal(r, -EAGAIN);
	/* The others have their own queues, and the loop does not wait for anyone. */
	assert_unharmed(s);
	/* Nor does it answer pings: then it is dead, and what waited for it is dropped. */
	assert_true(rig_wait_down(s->one, s->number));
	assert_int_equal(net_send(s->one->net, s->number, NET_LIVE, MESSAGE_BATCH, &part, 1),
			 -ENOTCONN);
	assert_unharmed(s);
}

static void test_half_open(void **state)
{
	struct scene *s = *state;
	struct fake more;
	struct net_counters c;

	/* A node with a shorter patience, as a new member. */
	struct rig *four = rig_new("four");
	four->handshake_ms = 200;
	rig_join(four, s->one);
	fake_connect(&s->fake, four->port); /* says nothing at all */
	fake_connect(&more, four->port);
	assert_int_equal(fake_tls(&more, s->key, TLS_LINK), 0); /* no hello */
	fake_await_end(&s->fake);
	fake_await_end(&more);
	fake_close(&more);
	rig_counters(four, &c);
	assert_int_equal(c.handshake_timeouts, 2);
	rig_free(four);
	assert_unharmed(s);
}

static void test_too_many(void **state)
{
	enum { EXTRA = 16 };
	struct fake fakes[NET_UNAGREED_MAX + EXTRA];
	struct scene *s = *state;
	struct net_counters c;

	for (size_t i = 0; i < NET_UNAGREED_MAX + EXTRA; i++)
		fake_connect(&fakes[i], s->one->port);
	/* The oldest had to go. */
	for (size_t i = 0; i < EXTRA; i++)
		fake_await_end(&fakes[i]);
	/* A member is let in all the same. */
	greet_as_mole(s);
	counters(s, &c);
	assert_true(c.refused_busy >= EXTRA);
	for (size_t i = 0; i < NET_UNAGREED_MAX + EXTRA; i++)
		fake_close(&fakes[i]);
	assert_unharmed(s);
}

static void test_hello(void **state)
{
	static const struct {
		uint16_t version_min, version_max;
		uint64_t needed;
		int64_t clock_s;
		uint16_t number; /* 0: its own */
		enum goodbye_code code;
		const char *reason;
	} rows[] = {
		{2, 9, 0, 0, 0, GOODBYE_VERSION, "upgrade this node"},
		{0, 0, 0, 0, 0, GOODBYE_VERSION, "upgrade it"},
		{1, 1, 1ull << 63, 0, 0, GOODBYE_VERSION, "upgrade this node"},
		{1, 1, 0, 301, 0, GOODBYE_CLOCK, "ahead of ours"},
		{1, 1, 0, -301, 0, GOODBYE_CLOCK, "behind ours"},
		{1, 1, 0, INT64_MAX / 1000000000, 0, GOODBYE_CLOCK, "set the clocks"},
		{1, 1, 0, 0, 2, GOODBYE_WRONG_NODE, "not that of its key"},
	};
	struct scene *s = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hello hello = fake_good_hello(rows[i].number ? rows[i].number : s->number);
		struct goodbye goodbye;

		hello.version_min = rows[i].version_min;
		hello.version_max = rows[i].version_max;
		hello.features_needed = rows[i].needed;
		hello.wall_ns = rows[i].clock_s == INT64_MAX / 1000000000
					? INT64_MAX
					: hello.wall_ns + rows[i].clock_s * 1000000000;
		connect_as_mole(s);
		fake_hello(&s->fake, &hello);
		AUTO_FREE struct net_message *bye = fake_await(&s->fake, MESSAGE_GOODBYE);
		assert_non_null(bye);
		assert_int_equal(goodbye_decode(bye->body, bye->size, &goodbye), 0);
		assert_int_equal(goodbye.code, rows[i].code);
		fake_await_end(&s->fake);
		fake_close(&s->fake);
		assert_true(rig_wait_held(s->one, s->number, rows[i].reason));
	}
	assert_int_equal(s->one->ups[s->number], 0);
	/* And the same node with nothing wrong is let in: held means "not now". */
	greet_as_mole(s);
	assert_unharmed(s);
}

static void test_out_of_place(void **state)
{
	static const struct {
		bool up;
		uint16_t type;
		uint8_t class;
	} rows[] = {
		{false, MESSAGE_ACCEPT, NET_CONTROL}, {false, MESSAGE_BATCH, NET_LIVE},
		{false, MESSAGE_PING, NET_CONTROL},   {false, MESSAGE_JOIN_REQUEST, NET_CONTROL},
		{false, MESSAGE_HELLO, NET_CONTROL},  {true, MESSAGE_HELLO, NET_CONTROL},
		{true, MESSAGE_ACCEPT, NET_CONTROL},  {true, MESSAGE_JOIN_ANSWER, NET_CONTROL},
		{true, MESSAGE_BATCH, NET_CATCHUP},   {true, MESSAGE_CREDIT, NET_CONTROL},
		{true, MESSAGE_MEMBERS, NET_CONTROL}, {true, MESSAGE_GOODBYE, NET_CONTROL},
	};
	struct scene *s = *state;
	struct net_counters c;
	uint64_t before = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		connect_as_mole(s);
		if (rows[i].up)
			assert_true(fake_greet(&s->fake, s->number));
		/* One byte: no body of these types. */
		fake_message(&s->fake, rows[i].type, rows[i].class, false, "\xee", 1);
		while (true) {
			AUTO_FREE struct net_message *m = fake_next(&s->fake);
			if (!m)
				break;
		}
		fake_close(&s->fake);
		counters(s, &c);
		if (c.refused_frame == before)
			print_message("row %zu was not refused\n", i);
		assert_true(c.refused_frame > before);
		before = c.refused_frame;
	}
	assert_unharmed(s);
}

/* `second` offers itself while `first` is alive and has just shown it. */
static void refuse_duplicate(struct fake *first, struct fake *second, uint16_t number)
{
	struct hello hello = fake_good_hello(number);
	struct goodbye goodbye;

	hello.instance = first->instance;
	fake_hello(second, &hello);
	fake_message(first, MESSAGE_PING, NET_CONTROL, false, "12345678", 8);
	AUTO_FREE struct net_message *pong = fake_await(first, MESSAGE_PONG);
	assert_non_null(pong);
	fake_message(second, MESSAGE_ACCEPT, NET_CONTROL, false, NULL, 0);
	AUTO_FREE struct net_message *bye = fake_await(second, MESSAGE_GOODBYE);
	assert_non_null(bye);
	assert_int_equal(goodbye_decode(bye->body, bye->size, &goodbye), 0);
	assert_int_equal(goodbye.code, GOODBYE_DUPLICATE);
}

/* Two connections of one pair: the first lives, unless the peer has begun anew. */
static void test_duplicates(void **state)
{
	struct scene *s = *state;
	struct fake second;

	greet_as_mole(s);
	fake_connect(&second, s->one->port);
	assert_int_equal(fake_tls(&second, s->key, TLS_LINK), 0);
	refuse_duplicate(&s->fake, &second, s->number);
	fake_close(&second);
	fake_connect(&second, s->one->port);
	assert_int_equal(fake_tls(&second, s->key, TLS_LINK), 0);
	struct hello hello = fake_good_hello(s->number);
	hello.instance++;
	fake_hello(&second, &hello);
	fake_message(&second, MESSAGE_ACCEPT, NET_CONTROL, false, NULL, 0);
	AUTO_FREE struct net_message *accept = fake_await(&second, MESSAGE_ACCEPT);
	assert_non_null(accept);
	assert_null(fake_await(&s->fake, MESSAGE_GOODBYE)); /* to a dead process nothing is said */
	assert_true(rig_wait_up(s->one, s->number));
	{
		AUTO_LOCK(held, &s->one->lock);
		assert_int_equal(s->one->ups[s->number], 2);
		assert_int_equal(s->one->downs[s->number], 1);
	}
	/* A third, of the same process again. */
	fake_close(&s->fake);
	connect_as_mole(s);
	refuse_duplicate(&second, &s->fake, s->number);
	fake_close(&second);
	assert_unharmed(s);
}

static void test_unknown_types(void **state)
{
	struct scene *s = *state;
	uint16_t from;

	rig_keep(s->one, true);
	greet_as_mole(s);
	fake_message(&s->fake, 4711, NET_LIVE, true, "later", 5);
	AUTO_FREE struct net_message *m = rig_take(s->one, &from);
	assert_non_null(m);
	assert_int_equal(from, s->number);
	assert_int_equal(m->type, 4711);
	assert_int_equal(m->class, NET_LIVE);
	assert_int_equal(m->flags, NET_MESSAGE_UNKNOWN);
	assert_memory_equal(m->body, "later", 5);
	/* Handed on as it is, it is still marked as skippable. */
	rig_keep(s->two, true);
	struct net_part part = {m->body, m->size};
	assert_int_equal(net_send(s->one->net, 2, NET_LIVE, m->type, &part, 1), 0);
	AUTO_FREE struct net_message *relayed = rig_take(s->two, &from);
	assert_non_null(relayed);
	assert_int_equal(relayed->type, 4711);
	assert_int_equal(relayed->flags, NET_MESSAGE_UNKNOWN);
	rig_keep(s->two, false);
	fake_message(&s->fake, 4712, NET_LIVE, false, "must", 4);
	AUTO_FREE struct net_message *bye = fake_await(&s->fake, MESSAGE_GOODBYE);
	struct goodbye goodbye;
	assert_non_null(bye);
	assert_int_equal(goodbye_decode(bye->body, bye->size, &goodbye), 0);
	assert_int_equal(goodbye.code, GOODBYE_VERSION);
	assert_true(rig_wait_held(s->one, s->number, "upgrade"));
	{
		AUTO_LOCK(held, &s->one->lock);
		assert_null(s->one->first);
	}
	assert_unharmed(s);
}

/* Members sign for the fleet; what is not signed, or by another fleet, does not count. */
static void test_forged_record(void **state)
{
	struct scene *s = *state;
	struct rig *other = rig_new("other");
	struct net_counters c;
	struct member member;

	rig_found(other);
	greet_as_mole(s);
	/* The other fleet's records, as it sends them to a member of its own. */
	struct rig *spy_node = rig_new("spy");
	struct fake spy;
	(void)strcpy(spy_node->public_address, "127.0.0.1:1");
	rig_join(spy_node, other);
	rig_stop(spy_node);
	fake_connect(&spy, other->port);
	assert_int_equal(fake_tls(&spy, fleet_key(spy_node->fleet), TLS_LINK), 0);
	assert_true(fake_greet(&spy, rig_number(spy_node)));
	AUTO_FREE struct net_message *records = fake_await(&spy, MESSAGE_MEMBERS);
	assert_non_null(records);
	fake_close(&spy);
	fake_message(&s->fake, MESSAGE_MEMBERS, NET_CONTROL, false, records->body, records->size);
	AUTO_FREE struct net_message *bye = fake_await(&s->fake, MESSAGE_GOODBYE);
	assert_non_null(bye);
	counters(s, &c);
	assert_int_equal(c.refused_frame, 1);
	assert_int_equal(fleet_member(s->one->fleet, 1, &member), 0);
	assert_string_equal(member.name, "one");
	rig_free(spy_node);
	rig_free(other);
	assert_unharmed(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_garbage_before_tls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stranger, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage_inside_tls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_more_than_granted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hello, setup, teardown),
		cmocka_unit_test_setup_teardown(test_out_of_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_duplicates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forged_record, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
