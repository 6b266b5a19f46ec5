/* links: net/message.c net/member.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as the body of each of the net's own messages, and as a member record: refused, or
 * understood in such a way that writing it again and reading that gives the same. The first byte
 * says which. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/member.h"
#include "net/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decodes, and if that works encodes and decodes again; both must be equal, byte by byte. */
#define ROUND_TRIP(type, data, size)                                                               \
	do {                                                                                       \
		struct type first, second;                                                         \
		uint8_t bytes[MESSAGE_SMALL_MAX];                                                  \
		struct wr w = wr_init(bytes, sizeof(bytes));                                       \
		memset(&first, 0, sizeof(first));                                                  \
		memset(&second, 0, sizeof(second));                                                \
		if (type##_decode(data, size, &first) < 0)                                         \
			break;                                                                     \
		type##_encode(&first, &w);                                                         \
		if (w.failed || type##_decode(bytes, wr_used(&w), &second) < 0)                    \
			abort();                                                                   \
		if (memcmp(&first, &second, sizeof(first)) != 0)                                   \
			abort();                                                                   \
	} while (0)

static void join_answer_check(const uint8_t *data, size_t size)
{
	struct join_answer answer;

	if (join_answer_decode(data, size, &answer) < 0 || answer.code)
		return;
	if (answer.records_size > size || (answer.records_size && !answer.records))
		abort();
	if (strnlen(answer.text, sizeof(answer.text)) == sizeof(answer.text))
		abort();
}

static void member_check(const uint8_t *data, size_t size)
{
	struct keypair key = {{0}, {0}, {0}};
	uint8_t record[MEMBER_RECORD_MAX];
	struct member first, second;

	if (member_decode(data, size, &first) < 0)
		return;
	if (!member_name_valid(first.name) || first.pool_count > FLEET_POOLS_MAX)
		abort();
	/* An address that is missing in the middle moves up, so compare from the second on. */
	for (int i = 0; i < 2; i++) {
		int sealed = member_seal(&first, &key, record);

		if (sealed < 0 || member_decode(record, (size_t)sealed, &second) < 0)
			abort();
		if (i && memcmp(&first, &second, sizeof(first)) != 0)
			abort();
		first = second;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	const uint8_t *body = data + 1;
	switch (data[0] % 7) {
	case 0:
		ROUND_TRIP(hello, body, size - 1);
		break;
	case 1:
		ROUND_TRIP(goodbye, body, size - 1);
		break;
	case 2:
		ROUND_TRIP(credit, body, size - 1);
		break;
	case 3:
		ROUND_TRIP(join_proof, body, size - 1);
		break;
	case 4:
		ROUND_TRIP(join_request, body, size - 1);
		break;
	case 5:
		join_answer_check(body, size - 1);
		break;
	default:
		member_check(body, size - 1);
		break;
	}
	return 0;
}
