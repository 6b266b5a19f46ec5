/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/locks.h"

#include <stdlib.h>

void locks_init(struct locks *locks)
{
	for (size_t i = 0; i < LOCK_STRIPES; i++)
		(void)pthread_mutex_init(&locks->stripes[i], NULL);
}

void locks_done(struct locks *locks)
{
	for (size_t i = 0; i < LOCK_STRIPES; i++)
		(void)pthread_mutex_destroy(&locks->stripes[i]);
}

static void take_mask(struct locks *locks, uint64_t mask, struct locks_held *ret)
{
	for (size_t i = 0; i < LOCK_STRIPES; i++) {
		if ((mask >> i & 1) && pthread_mutex_lock(&locks->stripes[i]) != 0)
			abort();
	}
	*ret = (struct locks_held){.locks = locks, .mask = mask};
}

void locks_take(struct locks *locks, const uint64_t *ids, size_t count, struct locks_held *ret)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < count; i++) {
		/* Ids of one burst differ in the low bits; the multiplication spreads the rest. */
		if (ids[i])
			mask |= UINT64_C(1) << (ids[i] * UINT64_C(0x9E3779B97F4A7C15) >> 58);
	}
	take_mask(locks, mask, ret);
}

void locks_take_all(struct locks *locks, struct locks_held *ret)
{
	take_mask(locks, UINT64_MAX, ret);
}

void locks_release(struct locks_held *held)
{
	for (size_t i = LOCK_STRIPES; i-- > 0;) {
		if (held->mask >> i & 1)
			(void)pthread_mutex_unlock(&held->locks->stripes[i]);
	}
	held->mask = 0;
}
