/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"
#include "tests/sim/sim.h"

#define START_MS   1000000
#define START_WALL INT64_C(1700000000000000000)

static struct {
	uint64_t ms;
	uint64_t asked; /* a little time passes with each look at the wall clock */
	int64_t skew_ns;
} now;

void sim_clock_reset(void)
{
	now.ms = 0;
	now.asked = 0;
	now.skew_ns = 0;
}

void sim_clock_advance(uint64_t ms)
{
	now.ms += ms;
}

uint64_t sim_clock_now(void)
{
	return now.ms;
}

void sim_clock_skew(int64_t ns)
{
	now.skew_ns = ns;
}

uint64_t clock_boot_ms(void)
{
	return START_MS + now.ms;
}

int64_t clock_wall_ns(void)
{
	return START_WALL + (int64_t)now.ms * 1000000 + (int64_t)(++now.asked % 1000000) +
	       now.skew_ns;
}
