/* SPDX-License-Identifier: Apache-2.0
 * The parts of this node in one place, for whoever shows them (status) or acts on them (orders).
 * The main file owns the struct and all parts, and connects their callbacks.
 * Loop thread.
 * Invariant: `net` and `tns` are set exactly while this node belongs to a fleet and listens.
 */
#ifndef STATUS_NODE_H
#define STATUS_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/clock.h"
#include "core/err.h"

struct fleet;
struct health;
struct loop;
struct mounts;
struct net;
struct places;
struct pools;
struct settings;
struct tns;

struct node {
	const struct places *places;
	const struct settings *settings;
	struct loop *loop;
	struct fleet *fleet;
	struct net *net;
	struct tns *tns;
	struct pools *pools;
	struct mounts *mounts;
	struct health *health;
	uint64_t started_ms;    /* of clock_boot_ms() */
	char page_problem[256]; /* why there is no status page; "" if there is one */
	unsigned int jobs;      /* running on worker threads; the loop must not end before them */
	bool stopping;          /* no new jobs */

	/* Given by the main file: the network comes with a fleet and goes with it. */
	int (*net_start)(struct node *node, char *error, size_t size);
	void (*net_stop)(struct node *node);
	void (*job_done)(struct node *node);
};

#endif
