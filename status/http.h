/* SPDX-License-Identifier: Apache-2.0
 * The door to libmicrohttpd: the status page, JSON, metrics and health over HTTP, read only.
 * Owns its daemon, which has no thread: its descriptors are watched by our loop.
 * Loop thread.
 * Invariant: only GET and HEAD, only for a Host that names this machine itself, so that no page
 * of another site can read it through a browser; a slow client holds up nobody.
 */
#ifndef STATUS_HTTP_H
#define STATUS_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

#define HTTP_CLIENTS_MAX 32
#define HTTP_IDLE_S      15
#define HTTP_MEMORY_MAX  (32u << 10) /* bytes for the head of one request */

struct http;
struct node;

/* `listen`: "127.0.0.1:7448". The node is borrowed. */
MUST_CHECK int http_new(struct node *node, const char *listen, struct http **ret, char *error,
			size_t size);
void http_free(struct http *http);

/* Whether it listens on an address that is not loopback. */
bool http_public(const struct http *http);

/* Whether a Host header names this machine: a loopback name or address, or `own` (numeric). */
bool http_host_allowed(const char *host, const char *own);

#endif
