/* links: topology/downtime.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as a downtime: refused, or within its bounds and the same when written again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "topology/downtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[DOWNTIME_SIZE_MAX];
	struct downtime downtime, same;
	struct keypair key = {0};

	if (downtime_decode(data, size, &downtime) < 0)
		return 0;
	size = downtime_seal(&downtime, &key, again);
	if (!downtime_reason_valid(downtime.reason) || downtime.for_s > DOWNTIME_FOR_MAX_S ||
	    downtime_decode(again, size, &same) < 0 || memcmp(&downtime, &same, sizeof(same)) != 0)
		abort();
	return 0;
}
