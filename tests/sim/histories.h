/* SPDX-License-Identifier: Apache-2.0
 * All short histories, by number: one to four changes of names, each by one of three nodes, who had
 * heard of the others' before it or not; then all hear each other, in each order.
 * The caller owns a plan's steps (plan_free()).
 * One thread; pure.
 * Invariant: a number means one history for ever; those of fewer changes come first.
 */
#ifndef TESTS_SIM_HISTORIES_H
#define TESTS_SIM_HISTORIES_H

#include "tests/sim/plan.h"

#define HISTORIES_MAX 4 /* changes in one */

/* How many there are of up to so many changes. */
uint64_t histories_count(unsigned int changes);
void history_make(uint64_t number, struct plan *ret);

#endif
