/* SPDX-License-Identifier: Apache-2.0
 * The message catalogue (net/messages.def) as an enum and a table, and the bodies of the net's own
 * messages as structs with their codecs.
 * Nothing is owned; decoded text and blobs are copied or borrowed from the body, as noted.
 * Any thread; pure.
 * Invariant: a decoder takes bytes from a stranger; it bounds everything and ignores what a newer
 * version has added at the end.
 */
#ifndef NET_MESSAGE_H
#define NET_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/crypto.h"
#include "core/err.h"
#include "net/net.h"

enum message_type {
#define MESSAGE(number, name, class, unknown, since) MESSAGE_##name = (number),
#include "net/messages.def"
#undef MESSAGE
};

#define MESSAGE_NET_LAST 31 /* numbers up to here are the net's own: no credit, no queue */

/* Wire versions that this build speaks, and the features it offers and asks for. */
#define WIRE_VERSION_MIN     1
#define WIRE_VERSION_MAX     1
#define WIRE_BY_REFERENCE    1u /* records that name bytes, and messages that carry them */
#define WIRE_FEATURES        WIRE_BY_REFERENCE
#define WIRE_FEATURES_NEEDED WIRE_BY_REFERENCE

struct message_info {
	uint16_t type;
	uint8_t class;
	bool skippable;
	uint16_t since;
	const char *name;
};

/* NULL if the number is not in the catalogue. */
const struct message_info *message_info(uint16_t type);

struct hello {
	uint16_t version_min;
	uint16_t version_max;
	uint64_t features;        /* offered; what both offer may be used */
	uint64_t features_needed; /* the other side must offer these */
	uint16_t node;
	int64_t wall_ns;
	uint64_t instance; /* random, made when the process starts */
};

enum goodbye_code {
	GOODBYE_SHUTDOWN = 1,
	GOODBYE_DUPLICATE = 2, /* another link of this pair survives */
	GOODBYE_VERSION = 3,
	GOODBYE_CLOCK = 4,
	GOODBYE_REMOVED = 5,
	GOODBYE_PROTOCOL = 6,
	GOODBYE_WRONG_NODE = 7,
};

#define MESSAGE_TEXT_MAX 127

struct goodbye {
	uint16_t code;
	char text[MESSAGE_TEXT_MAX + 1]; /* printable */
};

struct credit {
	uint32_t bytes[NET_CLASSES];
};

struct join_proof {
	uint16_t version_min;
	uint16_t version_max;
	uint8_t fleet_key[KEY_PUBLIC_SIZE];
	uint8_t signature[SIGNATURE_SIZE];
};

#define TOKEN_ID_SIZE     8
#define TOKEN_SECRET_SIZE 16

struct join_request {
	uint16_t version_min;
	uint16_t version_max;
	uint8_t token_id[TOKEN_ID_SIZE];
	uint8_t token_secret[TOKEN_SECRET_SIZE];
	char name[FLEET_NAME_MAX + 1];
	char address[64]; /* empty, or port alone (":7447"): the member fills in what it sees */
};

/* With code 0 the member's answer; its records follow as blobs. Else text for a person. */
struct join_answer {
	uint16_t code;
	char text[MESSAGE_TEXT_MAX + 1];
	uint16_t number;
	uint8_t fleet_seed[KEY_SEED_SIZE];
	const uint8_t *records; /* borrowed: a sequence of u16 length and record */
	size_t records_size;
};

#define MESSAGE_SMALL_MAX 512 /* enough for each of these but JOIN_ANSWER */

void hello_encode(const struct hello *hello, struct wr *w);
MUST_CHECK int hello_decode(const void *data, size_t size, struct hello *ret);
void goodbye_encode(const struct goodbye *goodbye, struct wr *w);
MUST_CHECK int goodbye_decode(const void *data, size_t size, struct goodbye *ret);
void credit_encode(const struct credit *credit, struct wr *w);
MUST_CHECK int credit_decode(const void *data, size_t size, struct credit *ret);
void join_proof_encode(const struct join_proof *proof, struct wr *w);
MUST_CHECK int join_proof_decode(const void *data, size_t size, struct join_proof *ret);
void join_request_encode(const struct join_request *request, struct wr *w);
MUST_CHECK int join_request_decode(const void *data, size_t size, struct join_request *ret);
void join_answer_encode(const struct join_answer *answer, struct wr *w);
MUST_CHECK int join_answer_decode(const void *data, size_t size, struct join_answer *ret);

/* Pure: what two hellos say about each other. 0 if they go together; else a goodbye_code, and a
 * sentence about `theirs` for a person on our side. */
int hello_judge(const struct hello *ours, const struct hello *theirs, char *text, size_t size);

/* What a goodbye with this code means to who gets it, or says it. */
int goodbye_error(uint16_t code);

#define HELLO_CLOCK_MAX_NS (300ll * 1000000000)

#endif
