/* SPDX-License-Identifier: Apache-2.0
 * When to try again to reach a member, and for how long to wait for an answer.
 * Nothing is owned.
 * Any thread; pure, clock and dice come in.
 * Invariant: never less than DIAL_FIRST_MS / 2 after a failure, never more than 12.5 s.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <stdbool.h>
#include <stdint.h>

#define DIAL_FIRST_MS      200u
#define DIAL_MAX_MS        10000u
#define DIAL_RECENT_MAX_MS 700u           /* with its jitter, and the time the attempt takes: 1 s */
#define DIAL_RECENT_MS     (3600 * 1000u) /* connected within the last hour: it will be back */

struct dial_state {
	uint32_t attempts; /* failed ones since the last success */
	bool recent;       /* was connected within DIAL_RECENT_MS */
	bool held;         /* it answered, and one of us refused: nothing changes soon */
};

/* Milliseconds from the end of a failed attempt to the next; `dice` is any random number. */
uint32_t dial_delay_ms(const struct dial_state *state, uint32_t dice);

/* How long an attempt may take to connect. */
uint32_t dial_timeout_ms(const struct dial_state *state);

#endif
