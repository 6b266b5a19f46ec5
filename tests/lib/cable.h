/* SPDX-License-Identifier: Apache-2.0
 * A cable between a caller and a listener on loopback that can be pulled: then nothing passes, and
 * nobody is told.
 * The cable owns its sockets and its thread.
 * Test thread; cable_pull() and cable_plug() may be called at any time.
 * Invariant: while it is pulled no byte passes and no connection is seen to end.
 */
#ifndef TESTS_LIB_CABLE_H
#define TESTS_LIB_CABLE_H

#include <stdint.h>

struct cable;

/* Listens on a port of its own; connections go on to `port`, which may be set later. */
struct cable *cable_new(void);
void cable_free(struct cable *cable);
uint16_t cable_port(const struct cable *cable);
void cable_to(struct cable *cable, uint16_t port);
void cable_pull(struct cable *cable);
void cable_plug(struct cable *cable);

#endif
