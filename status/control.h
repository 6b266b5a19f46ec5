/* SPDX-License-Identifier: Apache-2.0
 * The control socket: one JSON object per line asks, one or more lines answer.
 * Owns listener, clients and requests; a handler holds a request until it answers it.
 * Loop thread.
 * Invariant: each request gets exactly one final answer, or its client is gone; a client that
 * sends or reads badly costs a bounded amount of memory and delays nobody else.
 */
#ifndef STATUS_CONTROL_H
#define STATUS_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"
#include "core/json.h"
#include "core/loop.h"

#define CONTROL_LINE_MAX    (64u << 10) /* bytes of a request */
#define CONTROL_CLIENTS_MAX 64
#define CONTROL_UNREAD_MAX  (8u << 20) /* bytes of answers that a client has not read */
#define CONTROL_IDLE_S      60         /* a client that asks nothing for so long is let go */

struct control;
struct control_request;

/* Called for each request; it must see to control_done() or control_fail(), now or later. */
typedef void control_handler(void *arg, struct control_request *request);

/* Listens on a unix socket of mode 0600 at `path`, in the place of whatever was there. */
MUST_CHECK int control_new(struct loop *loop, const char *path, control_handler *handler, void *arg,
			   struct control **ret, char *error, size_t size);
/* Closes all; requests still held may be answered later, to nobody. */
void control_free(struct control *control);

/* What was asked. Borrowed until the answer. */
const json_t *control_body(const struct control_request *request);

/* Answers {"ok":true, ...answer}. Takes the answer (NULL: nothing more) and ends the request. */
void control_done(struct control_request *request, json_t *answer);
/* Answers {"ok":false,"exit":exit,"error":text} and ends the request. exit: 1 "no", 2 error. */
void control_fail(struct control_request *request, int exit, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Sends {"progress":text}; false if the client is gone, so that nobody waits for the answer. */
bool control_progress(struct control_request *request, const char *text);

#endif
