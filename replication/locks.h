/* SPDX-License-Identifier: Apache-2.0
 * Locks over objects, striped by id: what an operation touches it locks at once, in one order.
 * The pool owns one set. At most one struct locks_held per thread at a time.
 * Any thread. Never fails.
 * Invariant: stripes are taken in ascending order, so that no two operations wait for each other.
 */
#ifndef REPLICATION_LOCKS_H
#define REPLICATION_LOCKS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOCK_STRIPES 64

struct locks {
	pthread_mutex_t stripes[LOCK_STRIPES];
};

struct locks_held {
	struct locks *locks;
	uint64_t mask; /* bit per stripe */
};

void locks_init(struct locks *locks);
void locks_done(struct locks *locks);
/* Locks up to `count` ids; zero ids are skipped. */
void locks_take(struct locks *locks, const uint64_t *ids, size_t count, struct locks_held *ret);
/* Locks everything: for the rare steps that touch objects found on the way. */
void locks_take_all(struct locks *locks, struct locks_held *ret);
void locks_release(struct locks_held *held);

#define AUTO_LOCKS __attribute__((cleanup(locks_release)))

#endif
