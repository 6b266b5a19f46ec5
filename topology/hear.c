/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/hear.h"

#include <stddef.h>
#include <string.h>

#define RTT_CLASSES  15
#define RTT_FIRST_US 128u /* the upper bound of class 1 */
#define RTT_MAX_US   60000000u

uint64_t hear_look(struct hear_self *self, uint64_t now)
{
	uint64_t due = self->looked_ms + HEAR_TICK_MS;
	bool first = self->looked_ms == 0;
	uint64_t late = first || now < due ? 0 : now - due;

	self->looked_ms = now;
	if (first) {
		self->better_ms = now;
		return 0;
	}
	if (late >= HEAR_STALL_MS) {
		self->better_ms = self->woke_ms = now;
		if (self->health < HEAR_HEALTH_MAX)
			self->health++;
		return late;
	}
	if (self->health && now - self->better_ms >= HEAR_FIT_MS) {
		self->health--;
		self->better_ms = now;
	}
	return 0;
}

void hear_begin(struct hear *hear, uint64_t now)
{
	memset(hear, 0, sizeof(*hear));
	hear->began_ms = now;
}

/* A sign of life after the connection broke shows that the node is there. */
static void heard_at(struct hear *hear, uint64_t at)
{
	if (at > hear->heard_ms)
		hear->heard_ms = at;
	if (at > hear->lost_ms + HEAR_STRAY_MS)
		hear->refused_ms = 0;
}

void hear_beat(struct hear *hear, uint64_t now)
{
	heard_at(hear, now);
	hear->beat_ms = now;
}

void hear_bytes(struct hear *hear, uint64_t at)
{
	heard_at(hear, at);
}

void hear_link(struct hear *hear, bool up, uint64_t now)
{
	hear->linked = up;
	hear->refused_ms = 0;
	hear->lost_ms = up ? 0 : now;
	if (up)
		heard_at(hear, now);
}

void hear_refused(struct hear *hear, uint64_t now)
{
	if (!hear->linked && !hear->refused_ms)
		hear->refused_ms = now;
}

void hear_stall(struct hear *hear, uint64_t stall, uint64_t now)
{
	/* All of them, so that what came before what stays so. */
	uint64_t *const times[] = {&hear->began_ms, &hear->heard_ms, &hear->lost_ms,
				   &hear->refused_ms};

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		if (*times[i])
			*times[i] = *times[i] + stall < now ? *times[i] + stall : now;
	}
}

static uint32_t median(uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t low = a < b ? a : b;
	uint32_t high = a < b ? b : a;

	return c < low ? low : c > high ? high : c;
}

void hear_rtt(struct hear *hear, uint32_t sample_us)
{
	if (sample_us == 0 || sample_us > RTT_MAX_US)
		return;
	uint32_t us = median(sample_us, hear->last_us[0], hear->last_us[1]);
	hear->last_us[1] = hear->last_us[0];
	hear->last_us[0] = sample_us;
	if (us == 0)
		return;
	if (hear->srtt_us == 0) {
		hear->srtt_us = us;
		hear->var_us = us / 2;
		return;
	}
	uint32_t off = us > hear->srtt_us ? us - hear->srtt_us : hear->srtt_us - us;
	hear->var_us = (uint32_t)(((uint64_t)hear->var_us * 3 + off) / 4);
	hear->srtt_us = (uint32_t)(((uint64_t)hear->srtt_us * 7 + us) / 8);
}

uint64_t hear_silence_ms(const struct hear *hear, const struct hear_self *self)
{
	uint64_t far = 8 * ((uint64_t)hear->srtt_us + 4 * (uint64_t)hear->var_us) / 1000;

	if (far < HEAR_SILENT_MS)
		far = HEAR_SILENT_MS;
	return (far < HEAR_FAR_MS ? far : HEAR_FAR_MS) * (1u + self->health);
}

enum tns_edge hear_edge(const struct hear *hear, const struct hear_self *self, uint64_t now)
{
	uint64_t since = hear->heard_ms ? hear->heard_ms : hear->began_ms;
	uint64_t silence = now > since ? now - since : 0;
	uint64_t limit = hear_silence_ms(hear, self);
	bool broke = hear->lost_ms && hear->heard_ms <= hear->lost_ms + HEAR_STRAY_MS;

	if (hear->heard_ms && !broke && silence < limit / 2)
		return TNS_EDGE_HEARS;
	/* Who is not fit to judge accuses nobody. */
	if (self->health)
		return TNS_EDGE_NONE;
	if (hear->refused_ms && silence >= HEAR_REFUSED_MS)
		return TNS_EDGE_REFUSED;
	if (silence >= limit)
		return TNS_EDGE_SILENT;
	return hear->heard_ms ? TNS_EDGE_QUIET : TNS_EDGE_NONE;
}

static uint8_t class_of(uint64_t us)
{
	uint8_t class = 1;

	while (class < RTT_CLASSES && us >= (uint64_t)RTT_FIRST_US << (class - 1))
		class ++;
	return class;
}

uint8_t hear_rtt_class(uint32_t us, uint8_t before)
{
	if (us == 0)
		return before;
	uint8_t class = class_of(us);
	/* A quarter beyond the bound, or it would change back and forth with the load. */
	if (before == 0 || class == before)
		return class;
	if (class > before)
		return class_of((uint64_t)us * 4 / 5) > before ? class : before;
	return class_of((uint64_t)us * 5 / 4) < before ? class : before;
}
