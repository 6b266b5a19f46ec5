/* SPDX-License-Identifier: Apache-2.0
 * The threads that read requests from the kernel, have them served, and write the answers.
 * Owns the threads and their copies of the device's descriptor; the session is borrowed.
 * server_new(), server_stop() and server_free() from the thread that mounts.
 * Invariant: a request is read, served and answered by one thread, on one descriptor.
 */
#ifndef FUSE_SERVER_H
#define FUSE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "fuse/kernel.h"

struct fuse_session;
struct server;

#define SERVER_REQUEST_MAX (1u << 20) /* bytes of data in one read or write */
#define SERVER_THREADS_MAX 64u
#define SERVER_RING_MAX    16u   /* threads of each processor that take requests from io_uring */
#define SERVER_IDLE_MAX    4u    /* threads that stay when there is nothing to do, ... */
#define SERVER_IDLE_MS     1000u /* ... this long after one more was needed */

/* `fd` is /dev/fuse as given to mount(2); it stays the caller's until server_attach(). `pass`,
 * `ring`: ask for passthrough, for io_uring beside /dev/fuse. */
MUST_CHECK int server_new(int fd, bool pass, bool ring, struct server **ret);

/* The session answers through the server from here on, and closes `fd` in the end. */
MUST_CHECK int server_attach(struct server *server, struct fuse_session *session);

/* Serves INIT in the calling thread, then starts the others. */
MUST_CHECK int server_start(struct server *server);

/* Ends the threads; each finishes the request that it has. Calls may be left unanswered: close the
 * session next. */
void server_stop(struct server *server);
void server_free(struct server *server);

/* Threads that a busy moment needed end, and what they held is free. Does not block; any thread. */
void server_shrink(struct server *server);

/* The kernel has ended the connection: unmounted or aborted. */
bool server_gone(struct server *server);

/* What the kernel offered. After server_start(). */
const struct kernel *server_kernel(struct server *server);

/* Requests come over io_uring. */
bool server_rings(const struct server *server);

/* The answer that the calling thread gives next is of a file passed through under this id. */
void server_pass(struct server *server, int backing_id);

/* A buffer of SERVER_REQUEST_MAX bytes for the calling thread's request; NULL: no memory. */
char *server_scratch(struct server *server);

#endif
