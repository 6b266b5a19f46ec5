/* links: net/frame.c net/message.c net/member.c core/crypto.c core/err.c core/io.c
 * SPDX-License-Identifier: Apache-2.0
 * Frames against the golden vectors in docs/vectors, in pieces of every size, and every limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/io.h"
#include "net/frame.h"
#include "net/message.h"

#define VECTOR_MAX 4096

/* Bytes of docs/vectors/frame-NAME.hex; lines with '#' are comments. */
static size_t vector_read(const char *name, uint8_t ret[VECTOR_MAX])
{
	char path[128];
	AUTO_FREE uint8_t *text = NULL;
	size_t size;
	size_t count = 0;

	(void)snprintf(path, sizeof(path), "docs/vectors/frame-%s.hex", name);
	assert_int_equal(file_read(path, 1 << 20, &text, &size), 0);
	for (char *p = (char *)text; *p;) {
		if (*p == '#') {
			p += strcspn(p, "\n");
		} else if (isxdigit((unsigned char)*p)) {
			char pair[3] = {p[0], p[1], 0};

			assert_true(count < VECTOR_MAX);
			assert_int_equal(hex_decode(pair, &ret[count++], 1), 0);
			p += 2;
		} else {
			p++;
		}
	}
	return count;
}

static void in_open(struct frame_in *in)
{
	frame_in_init(in, NET_BODY_MAX);
	for (size_t c = 0; c < NET_CLASSES; c++)
		in->window[c] = NET_CREDIT_BYTES;
}

/* Feeds bytes, at most `step` at a time. As frame_in_got(); *ret_used says how far it came. */
static int feed(struct frame_in *in, const uint8_t *data, size_t size, size_t step,
		struct net_message **ret, bool *ret_skippable, size_t *ret_used)
{
	size_t used = 0;
	int r = 0;

	while (r == 0 && used < size) {
		uint8_t *at;
		size_t n;

		frame_in_want(in, &at, &n);
		assert_true(n > 0);
		if (n > step)
			n = step;
		if (n > size - used)
			n = size - used;
		memcpy(at, data + used, n);
		used += n;
		r = frame_in_got(in, n, ret, ret_skippable);
	}
	*ret_used = used;
	return r;
}

struct expected {
	uint16_t type;
	uint8_t class;
	bool skippable;
	uint32_t size;
	const char *body; /* NULL: not compared */
};

static void test_vectors_decode(void **state)
{
	static const struct {
		const char *name;
		struct expected messages[4];
	} rows[] = {
		{"hello", {{MESSAGE_HELLO, NET_CONTROL, false, 38, NULL}}},
		{"accept", {{MESSAGE_ACCEPT, NET_CONTROL, false, 0, ""}}},
		{"goodbye", {{MESSAGE_GOODBYE, NET_CONTROL, false, 12, "\4\0\10\0set them"}}},
		{"credit", {{MESSAGE_CREDIT, NET_CONTROL, false, 10, NULL}}},
		{"batch", {{MESSAGE_BATCH, NET_LIVE, false, 5, "hello"}}},
		{"unknown", {{4711, NET_LIVE, true, 5, "later"}}},
		{"parts",
		 {{MESSAGE_BATCH, NET_LIVE, false, 1, "x"},
		  {MESSAGE_PING, NET_CONTROL, false, 8, "\x63\0\0\0\0\0\0\0"},
		  {MESSAGE_CATCHUP_OFFER, NET_CATCHUP, false, 5, "abcde"}}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[VECTOR_MAX];
		size_t size = vector_read(rows[i].name, bytes);

		for (size_t step = 1; step < 40; step++) {
			struct frame_in in;
			size_t at = 0;

			in_open(&in);
			for (const struct expected *e = rows[i].messages; e->type; e++) {
				AUTO_FREE struct net_message *m = NULL;
				bool skippable;
				size_t used;

				assert_int_equal(feed(&in, bytes + at, size - at, step, &m,
						      &skippable, &used),
						 1);
				at += used;
				assert_int_equal(m->type, e->type);
				assert_int_equal(m->class, e->class);
				assert_int_equal(m->size, e->size);
				assert_int_equal(skippable, e->skippable);
				if (e->body)
					assert_memory_equal(m->body, e->body, e->size);
			}
			assert_int_equal(at, size);
			frame_in_done(&in);
		}
	}
}

/* The frame that we write for a body is the vector. */
static void assert_vector(const char *name, uint16_t type, const void *body, size_t size)
{
	const struct message_info *info = message_info(type);
	struct frame_head head = {
		.payload = (uint32_t)size,
		.type = type,
		.class = info->class,
		.flags = FRAME_FIRST | FRAME_LAST,
		.total = (uint32_t)size,
	};
	uint8_t expected[VECTOR_MAX];
	uint8_t bytes[VECTOR_MAX];

	frame_head_write(&head, bytes);
	memcpy(bytes + FRAME_HEAD_SIZE, body, size);
	assert_int_equal(vector_read(name, expected), FRAME_HEAD_SIZE + size);
	assert_memory_equal(bytes, expected, FRAME_HEAD_SIZE + size);
}

static void test_vectors_encode(void **state)
{
	uint8_t body[MESSAGE_SMALL_MAX];
	struct hello hello = {.version_min = 1,
			      .version_max = 1,
			      .node = 7,
			      .wall_ns = 1767323045ll * 1000000000,
			      .instance = 0x1122334455667788};
	struct goodbye goodbye = {.code = GOODBYE_CLOCK, .text = "set them"};
	struct credit credit = {.bytes = {[NET_LIVE] = 1 << 20, [NET_VERIFY] = 64}};
	struct join_proof proof = {.version_min = 1, .version_max = 1};
	struct join_request request = {
		.version_min = 1, .version_max = 1, .name = "n2", .address = ":7447"};
	struct join_answer answer = {
		.number = 2, .records = (const uint8_t *)"\3\0rec", .records_size = 5};

	(void)state;
	for (uint8_t i = 0; i < 64; i++) {
		proof.fleet_key[i % 32] = i % 32;
		proof.signature[i] = (uint8_t)(64 + i);
		request.token_id[i % 8] = i % 8;
		request.token_secret[i % 16] = (uint8_t)(16 + i % 16);
		answer.fleet_seed[i % 32] = i % 32;
	}
	struct wr w = wr_init(body, sizeof(body));
	hello_encode(&hello, &w);
	assert_vector("hello", MESSAGE_HELLO, body, wr_used(&w));
	assert_vector("accept", MESSAGE_ACCEPT, "", 0);
	w = wr_init(body, sizeof(body));
	goodbye_encode(&goodbye, &w);
	assert_vector("goodbye", MESSAGE_GOODBYE, body, wr_used(&w));
	w = wr_init(body, sizeof(body));
	credit_encode(&credit, &w);
	assert_vector("credit", MESSAGE_CREDIT, body, wr_used(&w));
	assert_vector("batch", MESSAGE_BATCH, "hello", 5);
	w = wr_init(body, sizeof(body));
	join_proof_encode(&proof, &w);
	assert_vector("join-proof", MESSAGE_JOIN_PROOF, body, wr_used(&w));
	w = wr_init(body, sizeof(body));
	join_request_encode(&request, &w);
	assert_vector("join-request", MESSAGE_JOIN_REQUEST, body, wr_used(&w));
	w = wr_init(body, sizeof(body));
	join_answer_encode(&answer, &w);
	assert_vector("join-answer", MESSAGE_JOIN_ANSWER, body, wr_used(&w));
}

static void test_heads(void **state)
{
	static const struct {
		struct frame_head head;
		int r;
	} rows[] = {
		{{5, 33, 1, 3, 5}, 0},
		{{0, 33, 1, 3, 0}, 0},
		{{FRAME_PAYLOAD_MAX, 33, 1, 1, NET_BODY_MAX}, 0},
		{{5, UINT16_MAX, 3, 7, 5}, 0},
		{{FRAME_PAYLOAD_MAX + 1, 33, 1, 1, NET_BODY_MAX}, MA_ECORRUPT},
		{{UINT32_MAX - 8, 33, 1, 1, NET_BODY_MAX}, MA_ECORRUPT},
		{{UINT32_MAX, 33, 1, 1, NET_BODY_MAX},
		 MA_ECORRUPT}, /* length 7: less than a head */
		{{5, 33, 1, 1, NET_BODY_MAX + 1}, MA_ECORRUPT},
		{{5, 33, NET_CLASSES, 3, 5}, MA_ECORRUPT},
		{{5, 0, 1, 3, 5}, MA_ECORRUPT},
		{{5, 33, 1, 8, 5}, MA_ECORRUPT},
		{{6, 33, 1, 3, 5}, MA_ECORRUPT},
		{{0, 33, 1, 1, 5}, MA_ECORRUPT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t bytes[FRAME_HEAD_SIZE];
		struct frame_head back;

		frame_head_write(&rows[i].head, bytes);
		assert_int_equal(frame_head_read(bytes, &back), rows[i].r);
		if (rows[i].r == 0)
			assert_memory_equal(&back, &rows[i].head, sizeof(back));
	}
}

/* One head after the other, with its payload of zeros; the result of the last one. */
static int run_heads(const struct frame_head *heads, size_t count, uint32_t total_max,
		     uint64_t window)
{
	static const uint8_t zeros[64];
	struct frame_in in;
	int r = 0;

	frame_in_init(&in, total_max);
	for (size_t c = 0; c < NET_CLASSES; c++)
		in.window[c] = window;
	for (size_t i = 0; i < count; i++) {
		AUTO_FREE struct net_message *m = NULL;
		uint8_t bytes[FRAME_HEAD_SIZE];
		bool skippable;
		size_t used;

		frame_head_write(&heads[i], bytes);
		r = feed(&in, bytes, sizeof(bytes), sizeof(bytes), &m, &skippable, &used);
		if (r == 0 && heads[i].payload)
			r = feed(&in, zeros, heads[i].payload, 64, &m, &skippable, &used);
		if (r < 0)
			break;
	}
	frame_in_done(&in);
	return r;
}

static void test_sequences(void **state)
{
	static const struct {
		const char *what;
		struct frame_head heads[3];
		uint32_t total_max;
		uint64_t window;
		int r;
	} rows[] = {
		{"whole", {{5, 33, 1, 3, 5}}, 5, FRAME_COST(5), 1},
		{"two parts", {{3, 33, 1, 1, 5}, {2, 33, 1, 2, 5}}, 5, FRAME_COST(5), 1},
		{"another class between",
		 {{3, 37, 2, 1, 5}, {5, 33, 1, 3, 5}, {2, 37, 2, 2, 5}},
		 5,
		 FRAME_COST(5),
		 1},
		{"one of the net's own between",
		 {{3, 34, 0, 1, 5}, {8, 4, 0, 3, 8}, {2, 34, 0, 2, 5}},
		 8,
		 FRAME_COST(8),
		 1},
		{"too large for now", {{5, 33, 1, 3, 5}}, 4, 1000, MA_ECORRUPT},
		{"not granted", {{5, 33, 1, 3, 5}}, 5, FRAME_COST(5) - 1, MA_ELIMIT},
		{"the second is not granted",
		 {{5, 33, 1, 3, 5}, {5, 33, 1, 3, 5}},
		 5,
		 2 * FRAME_COST(5) - 1,
		 MA_ELIMIT},
		{"the net's own need no grant", {{8, 4, 0, 3, 8}}, 8, 0, 1},
		{"goes on without a start", {{5, 33, 1, 2, 5}}, 5, 1000, MA_ECORRUPT},
		{"starts twice", {{3, 33, 1, 1, 5}, {3, 33, 1, 1, 5}}, 5, 1000, MA_ECORRUPT},
		{"changes its type", {{3, 33, 1, 1, 5}, {2, 34, 1, 2, 5}}, 5, 1000, MA_ECORRUPT},
		{"changes its size", {{3, 33, 1, 1, 5}, {2, 33, 1, 2, 6}}, 6, 1000, MA_ECORRUPT},
		{"changes its mark", {{3, 33, 1, 1, 5}, {2, 33, 1, 6, 5}}, 5, 1000, MA_ECORRUPT},
		{"more than it said", {{3, 33, 1, 1, 5}, {3, 33, 1, 2, 5}}, 5, 1000, MA_ECORRUPT},
		{"ends too early", {{3, 33, 1, 3, 5}}, 5, 1000, MA_ECORRUPT},
		{"does not say that it ends", {{5, 33, 1, 1, 5}}, 5, 1000, MA_ECORRUPT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t count = 0;

		while (count < 3 && rows[i].heads[count].type)
			count++;
		int r = run_heads(rows[i].heads, count, rows[i].total_max, rows[i].window);
		if (r != rows[i].r)
			print_message("%s: %d\n", rows[i].what, r);
		assert_int_equal(r, rows[i].r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors_decode),
		cmocka_unit_test(test_vectors_encode),
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_sequences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
