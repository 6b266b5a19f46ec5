/* SPDX-License-Identifier: Apache-2.0
 * Looking at services from outside: a TCP connection, a page over HTTP or HTTPS, a certificate
 * file. The caller owns the result. Any thread but the loop's: all of it blocks, up to the given
 * time (name look-ups somewhat longer). Invariant: the peer is a stranger; what it sends is
 * bounded, and none of it is obeyed.
 */
#ifndef NET_PROBE_H
#define NET_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define PROBE_BODY_MAX (64u << 10) /* bytes of an answer that are looked at */
#define PROBE_WHY_MAX  160

struct probe_result {
	double seconds;          /* until it was connected, or the answer was there */
	int status;              /* of HTTP */
	double certificate_days; /* NAN: no TLS */
	char why[PROBE_WHY_MAX]; /* what failed */
	char *body;              /* with a zero byte behind it; free() */
	size_t body_size;
};

/* "HOST:PORT". 0: connected. */
MUST_CHECK int probe_tcp(const char *address, uint32_t timeout_ms, struct probe_result *ret);

/* "http://HOST[:PORT]/PATH" or https. 0: a status has come; with https also a certificate that this
 * machine trusts for that host. Redirections are not followed. */
MUST_CHECK int probe_http(const char *url, uint32_t timeout_ms, struct probe_result *ret);

/* Days until the first certificate in the PEM file expires; negative: since then. */
MUST_CHECK int probe_certificate(const char *path, double *ret_days, char *why, size_t size);

/* The parts of a URL; -EINVAL if it is none that probe_http() takes. */
struct probe_url {
	bool tls;
	char host[256], path[1024];
	uint16_t port;
};
MUST_CHECK int probe_url_parse(const char *url, struct probe_url *ret);

/* The status of an answer and where its body begins; 0 if it is no HTTP. */
int probe_answer_parse(const char *data, size_t size, size_t *ret_body);

#endif
