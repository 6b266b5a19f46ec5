/* SPDX-License-Identifier: Apache-2.0
 * The event loop (libuv) and the way onto it from other threads.
 * One loop per process, owned by the main file; closures posted to it are run in order.
 * Only loop_post() and loop_stop() may be called from other threads.
 * Invariant: a posted closure runs exactly once, or never if the loop has ended.
 */
#ifndef CORE_LOOP_H
#define CORE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/err.h"

struct loop;

MUST_CHECK int loop_new(struct loop **ret);
void loop_free(struct loop *loop);

/* Runs until loop_stop(). Returns when nothing is left to do or the loop was stopped. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Any thread: run fn(arg) on the loop's thread soon. -ENOMEM if it can't be queued. */
MUST_CHECK int loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

/* The uv loop, for handles of the folders above. Loop thread. */
uv_loop_t *loop_uv(struct loop *loop);

#endif
