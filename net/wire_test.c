/* links: net/wire.c net/tls.c net/frame.c net/message.c net/member.c net/fleet.c net/fleet_state.c
 *        net/token.c core/crypto.c core/err.c core/io.c core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * TLS and frames without sockets: who is let in, what both ends see, damage on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "net/message.h"
#include "net/wire.h"

struct end {
	struct keypair key;
	struct tls_context *context;
	struct wire *wire;
	enum tls_verdict verdict; /* on the other end */
	enum tls_purpose seen_purpose;
	uint8_t seen_key[KEY_PUBLIC_SIZE];
	unsigned int asked;
};

struct pair {
	struct end client;
	struct end server;
};

static enum tls_verdict check(void *arg, enum tls_purpose purpose,
			      const uint8_t key[KEY_PUBLIC_SIZE])
{
	struct end *end = arg;

	end->asked++;
	end->seen_purpose = purpose;
	memcpy(end->seen_key, key, KEY_PUBLIC_SIZE);
	return end->verdict;
}

static void end_make(struct end *end, bool server, enum tls_purpose purpose)
{
	keypair_make(&end->key);
	assert_int_equal(tls_context_new(&end->key, &end->context), 0);
	struct tls_config config = {.context = end->context,
				    .server = server,
				    .purpose = purpose,
				    .check = check,
				    .arg = end};
	assert_int_equal(wire_new(&config, &end->wire), 0);
	end->wire->in.total_max = NET_BODY_MAX;
	for (size_t c = 0; c < NET_CLASSES; c++)
		end->wire->in.window[c] = UINT32_MAX;
}

static void end_free(struct end *end)
{
	/* In this order: a context lives as long as what was made of it. */
	tls_context_free(end->context);
	wire_free(end->wire);
}

/* What `from` has to say, to `to`, at most `step` bytes at a time; flips a bit of byte `damage`.
 * As wire_next(). */
static int carry(struct end *from, struct end *to, size_t step, size_t damage,
		 struct net_message **ret)
{
	struct tls_buffer out = {0};
	bool skippable;
	int r = 0;

	tls_swap_output(from->wire->tls, &out);
	if (damage < out.size)
		out.data[damage] ^= 1;
	for (size_t at = 0; r == 0 && at < out.size; at += step) {
		wire_feed(to->wire, out.data + at, at + step < out.size ? step : out.size - at);
		r = wire_next(to->wire, ret, &skippable);
	}
	free(out.data);
	return r;
}

/* Until both are done, or one refuses; that one's result. */
static int shake(struct pair *p, size_t step)
{
	struct net_message *none = NULL;
	bool skippable;
	int r = wire_next(p->client.wire, &none, &skippable);

	for (int i = 0; r == 0 && i < 4; i++) {
		r = carry(&p->client, &p->server, step, SIZE_MAX, &none);
		if (r == 0)
			r = carry(&p->server, &p->client, step, SIZE_MAX, &none);
	}
	return r;
}

static void test_both_see_each_other(void **state)
{
	static const size_t steps[] = {1, 7, 100000};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct pair p = {0};
		uint8_t binding[2][32];

		end_make(&p.client, false, i % 2 ? TLS_JOIN : TLS_LINK);
		end_make(&p.server, true, TLS_LINK);
		assert_int_equal(shake(&p, steps[i / 2]), 0);
		assert_true(p.client.wire->shaken && p.server.wire->shaken);
		assert_memory_equal(p.client.seen_key, p.server.key.public, KEY_PUBLIC_SIZE);
		assert_memory_equal(p.server.seen_key, p.client.key.public, KEY_PUBLIC_SIZE);
		assert_int_equal(p.server.seen_purpose, i % 2 ? TLS_JOIN : TLS_LINK);
		assert_int_equal(tls_purpose(p.server.wire->tls), p.server.seen_purpose);
		assert_int_equal(p.client.asked, 1);
		assert_int_equal(p.server.asked, 1);
		assert_int_equal(tls_binding(p.client.wire->tls, binding[0]), 0);
		assert_int_equal(tls_binding(p.server.wire->tls, binding[1]), 0);
		assert_memory_equal(binding[0], binding[1], 32);
		end_free(&p.client);
		end_free(&p.server);
	}
}

static void test_refusals(void **state)
{
	static const struct {
		enum tls_verdict client, server;
		int at_first;
		int at_other;
		const char *told;
	} rows[] = {
		{TLS_REFUSE_STRANGER, TLS_ALLOW, MA_EREFUSED, MA_EUNKNOWN,
		 "does not know this node"},
		{TLS_REFUSE_GONE, TLS_ALLOW, MA_EREFUSED, MA_EREFUSED, "left or was removed"},
		{TLS_ALLOW, TLS_REFUSE_STRANGER, MA_EREFUSED, MA_EUNKNOWN,
		 "does not know this node"},
		{TLS_ALLOW, TLS_REFUSE_GONE, MA_EREFUSED, MA_EREFUSED, "left or was removed"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_message *none = NULL;
		struct pair p = {0};

		end_make(&p.client, false, TLS_LINK);
		end_make(&p.server, true, TLS_LINK);
		p.client.verdict = rows[i].client;
		p.server.verdict = rows[i].server;
		bool by_client = rows[i].client != TLS_ALLOW;
		struct end *refusing = by_client ? &p.client : &p.server;
		struct end *other = by_client ? &p.server : &p.client;
		assert_int_equal(shake(&p, 1000), rows[i].at_first);
		assert_false(refusing->wire->shaken);
		/* The alert tells the other one why. */
		assert_int_equal(carry(refusing, other, 1000, SIZE_MAX, &none), rows[i].at_other);
		assert_non_null(strstr(tls_reason(other->wire->tls), rows[i].told));
		end_free(&p.client);
		end_free(&p.server);
	}
}

static void test_messages(void **state)
{
	static const uint32_t sizes[] = {0,     1,     16372,   16384,       65535,
					 65536, 65537, 1000000, NET_BODY_MAX};
	struct pair p = {0};

	(void)state;
	end_make(&p.client, false, TLS_LINK);
	end_make(&p.server, true, TLS_LINK);
	assert_int_equal(shake(&p, 100000), 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		AUTO_FREE uint8_t *body = malloc(sizes[i] + 1);
		AUTO_FREE struct net_message *got = NULL;
		struct wire_frame frame = {
			.type = MESSAGE_BATCH, .class = NET_LIVE, .body = body, .total = sizes[i]};

		assert_non_null(body);
		random_bytes(body, sizes[i]);
		do {
			int n = wire_put(p.client.wire, &frame);

			assert_true(n >= 0);
			frame.offset += (uint32_t)n;
		} while (frame.offset < frame.total);
		assert_int_equal(wire_flush(p.client.wire), 0);
		assert_int_equal(carry(&p.client, &p.server, 8 << 20, SIZE_MAX, &got), 1);
		assert_int_equal(got->size, sizes[i]);
		assert_memory_equal(got->body, body, sizes[i]);
	}
	end_free(&p.client);
	end_free(&p.server);
}

/* Each flipped bit on the way is found, wherever it is. */
static void test_damage(void **state)
{
	size_t size = 1;

	(void)state;
	for (size_t at = 0; at < size; at++) {
		struct net_message *none = NULL;
		struct pair p = {0};

		end_make(&p.client, false, TLS_LINK);
		end_make(&p.server, true, TLS_LINK);
		assert_int_equal(shake(&p, 100000), 0);
		assert_int_equal(wire_send(p.client.wire, MESSAGE_PING, "12345678", 8), 0);
		size = tls_output_size(p.client.wire->tls);
		/* A damaged length asks for bytes that do not come: the link's clock ends that. */
		int r = carry(&p.client, &p.server, 1000, at, &none);
		assert_true(r == MA_ECORRUPT || r == 0);
		assert_true(at < 5 || r == MA_ECORRUPT);
		assert_null(none);
		end_free(&p.client);
		end_free(&p.server);
	}
	assert_true(size > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_see_each_other),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_damage),
	};

	return crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
