/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

uint32_t dial_delay_ms(const struct dial_state *state, uint32_t dice)
{
	uint32_t max = state->recent ? DIAL_RECENT_MAX_MS : DIAL_MAX_MS;
	uint32_t shift = state->attempts ? state->attempts - 1 : 0;
	uint32_t base = shift < 6 ? DIAL_FIRST_MS << shift : DIAL_MAX_MS;

	if (state->held)
		base = max = DIAL_MAX_MS;
	if (base > max)
		base = max;
	/* A quarter up or down: two nodes that fail together do not stay in step. */
	return base - base / 4 + dice % (base / 2 + 1);
}

uint32_t dial_timeout_ms(const struct dial_state *state)
{
	/* A first packet that is lost is sent again after 1 s, then 2 s, 4 s: a new attempt finds a
	 * healed network sooner than an old one. Now and then, time for a slow one. */
	if (state->recent && state->attempts % 8 != 7)
		return 800;
	return 5000;
}
