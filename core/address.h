/* SPDX-License-Identifier: Apache-2.0
 * Addresses as text: "HOST:PORT", "[V6]:PORT", and the address that others reach this node by.
 * The caller owns all buffers.
 * Any thread; address_own() asks the kernel and sends nothing.
 * Invariant: a text that address_split() takes has a host without brackets and a port of 1..65535.
 */
#ifndef CORE_ADDRESS_H
#define CORE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/err.h"

#define ADDRESS_TEXT_MAX  64
#define ADDRESS_PEER_PORT 7447 /* between nodes */
#define ADDRESS_PAGE_PORT 7448 /* status page */

/* "10.0.0.1:7447", "10.0.0.1", "[::1]:7447", "::1", "db1.example:7447". Without a port:
 * `port_default`. */
MUST_CHECK int address_split(const char *text, uint16_t port_default, char *ret_host, size_t size,
			     uint16_t *ret_port);

/* The other way round; brackets around IPv6. */
void address_join(const char *host, uint16_t port, char *ret, size_t size);

/* Numeric host and port as a socket address; -EINVAL for a name. */
MUST_CHECK int address_socket(const char *host, uint16_t port, struct sockaddr_storage *ret,
			      socklen_t *ret_size);

/* A unix socket's address. Where the path is longer than the kernel takes, it leads through an open
 * directory: keep `ret_dir` (else -1) open until bind or connect is done, then close it. */
MUST_CHECK int address_unix(const char *path, struct sockaddr_un *ret, int *ret_dir);

/* True for 127.0.0.0/8, ::1 and "localhost". */
bool address_loopback(const char *host);

/* The address that the default route leaves by, else that of the first interface that is up,
 * else -EADDRNOTAVAIL. */
MUST_CHECK int address_own(char *ret, size_t size);

#endif
