/* SPDX-License-Identifier: Apache-2.0
 * The threads of a pool: one closes batches and flushes, one takes in what peers send, one makes
 * checkpoints.
 * Owns the threads and the queue between network and pool.
 * worker_post_*(): any thread. worker_start/stop: the loop thread.
 * Invariant: messages of one node are handled in the order they came.
 */
#ifndef REPLICATION_WORKER_H
#define REPLICATION_WORKER_H

#include "replication/engine.h"

#define SEAL_LINGER_US   150  /* a call's further records come into the same batch */
#define SEAL_INTERVAL_US 1000 /* batches per second are bounded: each costs a signature, ... */
/* ... two checks of it, and a wake-up of each thread on its way: in a stream this long. */
#define SEAL_INTERVAL_MAX_US 4000
#define FLUSH_IDLE_MS        20 /* after the last change */
#define FLUSH_MAX_MS         1000
#define FLUSH_DIRTY_MAX      8192
#define TICK_MS              100
#define TIDY_MS              10000 /* memory that changes left free goes back to the system */

MUST_CHECK int worker_start(struct pool *p);
/* Ends the threads after sealing, syncing and flushing. */
void worker_stop(struct pool *p);

/* The message is owned by the worker from here on; `consumed` is called when it was handled. */
void worker_post_message(struct pool *p, uint16_t node, struct net_message *message);
void worker_post_up(struct pool *p, uint16_t node);
void worker_post_down(struct pool *p, uint16_t node);
void worker_post_expect(struct pool *p, uint16_t node);
void worker_post_expected_all(struct pool *p);
void worker_post_forget(struct pool *p, uint16_t node);
void worker_post_writable(struct pool *p, uint16_t node);
/* An acknowledgement has become due. */
void worker_wake_intake(struct pool *p);

/* Pure: how long to wait behind a batch, after the wait before; `more` had come during that. */
uint64_t worker_pause(uint64_t before_us, bool more);

#endif
