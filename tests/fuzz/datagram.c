/* links: topology/seal.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as a datagram from a stranger: refused, and nothing is noted. The first byte says
 * whether head and sizes are made right, so that the tag is looked at, too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "topology/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t head[24] = {'M', 'T', 1, 1, 7, 0, 0, 0,    3,
					 0,   0,   0, 0, 0, 0, 0, 0x11, 0x11};
	const struct seal_pair pair = {7, 3, 0x2222, 0x1111};
	uint8_t secret[SEAL_SECRET_SIZE] = {1}, text[SEAL_TEXT_MAX], bytes[2 * SEAL_DATAGRAM_MAX];
	struct seal_out out;
	struct seal_in in, before;

	if (size == 0 || size > sizeof(bytes))
		return 0;
	memcpy(bytes, data + 1, size - 1);
	if (data[0] & 1 && size > sizeof(head))
		memcpy(bytes, head, sizeof(head));
	seal_init(secret, &pair, &out, &in);
	before = in;
	if (seal_open(&in, bytes, size - 1, text) >= 0 || memcmp(&in, &before, sizeof(in)) != 0)
		abort();
	return 0;
}
