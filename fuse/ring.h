/* SPDX-License-Identifier: Apache-2.0
 * One thread's end of FUSE over io_uring (Linux 6.14): a place in the queue of a processor, into
 * which the kernel puts one request after the other, and from which it takes the answers.
 * Owns the ring and its memory; the mount's descriptor is borrowed.
 * ring_new() and ring_free() from any thread; all else from the one thread that serves it.
 * Invariant: a request is answered exactly once; what ring_wait() gave out is not touched by the
 * kernel until ring_wait() is called again (data of a write: until ring_answer()).
 */
#ifndef FUSE_RING_H
#define FUSE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "core/err.h"

#define RING_QUEUES_MAX 512u

struct ring;

/* How many queues the kernel will want served: its processors. 0: more than RING_QUEUES_MAX, or
 * this process may not use io_uring. */
unsigned int ring_queues(void);

/* `fd` is the mount's; `payload`: the most bytes of data in a request or an answer; `copy`: room
 * for the head of a request and as much, borrowed. */
MUST_CHECK int ring_new(int fd, unsigned int queue, size_t payload, void *copy, struct ring **ret);
void ring_free(struct ring *ring);

/* Takes the place in the queue. */
MUST_CHECK int ring_start(struct ring *ring);
/* The next request, as read(2) of /dev/fuse gives it. -EINTR: a signal came. Other failures are
 * final. */
MUST_CHECK int ring_wait(struct ring *ring, void **ret, size_t *ret_size);
/* The answer, as writev(2) to /dev/fuse takes it. It has left when this returns. */
MUST_CHECK int ring_answer(struct ring *ring, const struct iovec *parts, int count);
/* Room for the data of the answer, that need not be copied then: but for a write, the payload. */
void *ring_room(struct ring *ring);
/* The request has had its answer. */
bool ring_answered(const struct ring *ring);

/* Not all places can be taken: the kernel goes back to /dev/fuse. */
void ring_refuse(int fd);

#endif
