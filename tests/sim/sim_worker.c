/* SPDX-License-Identifier: Apache-2.0
 * In place of replication/worker.c: no threads; what they would be woken for is noted.
 */
#include "replication/worker.h"

#include <stdlib.h>

#include "tests/sim/sim.h"

void worker_wake(struct pool *p)
{
	struct sim_node *n = p->io.arg;

	n->changed = n->unsealed = true;
}

/* The pools of the simulator are opened without these. */
int worker_start(struct pool *p)
{
	(void)p;
	abort();
}

void worker_stop(struct pool *p)
{
	(void)p;
}

void worker_post_message(struct pool *p, uint16_t node, struct net_message *message)
{
	(void)p;
	(void)node;
	(void)message;
	abort();
}

void worker_post_up(struct pool *p, uint16_t node)
{
	(void)p;
	(void)node;
	abort();
}

void worker_post_down(struct pool *p, uint16_t node)
{
	worker_post_up(p, node);
}

void worker_post_expect(struct pool *p, uint16_t node)
{
	worker_post_up(p, node);
}

void worker_post_forget(struct pool *p, uint16_t node)
{
	worker_post_up(p, node);
}

void worker_post_writable(struct pool *p, uint16_t node)
{
	worker_post_up(p, node);
}

void worker_wake_intake(struct pool *p)
{
	(void)p; /* every round acknowledges */
}
