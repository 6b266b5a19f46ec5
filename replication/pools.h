/* SPDX-License-Identifier: Apache-2.0
 * The pools of this node: opening at start, create, adopt, join, leave, and what status shows.
 * Owns the pools, their state directories below STATE/pools/NAME and their worker threads.
 * Loop thread, but pools_message() hands work to the pool's own thread and returns.
 * Invariant: a pool is open here exactly if its directory has a pool file and its store is ours.
 */
#ifndef REPLICATION_POOLS_H
#define REPLICATION_POOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "net/fleet.h"
#include "net/net.h"

struct pool;
struct pools;

struct pools_config {
	const char *state_dir;      /* "/var/lib/multiall" below the root */
	struct fleet *fleet;        /* borrowed */
	uint64_t journal_max_bytes; /* per pool; what is beyond is caught up by index */
};

MUST_CHECK int pools_new(const struct pools_config *config, struct pools **ret);
/* Commits, flushes, closes all. The mounts must be gone. */
void pools_free(struct pools *pools);

/* After pools_new() and net_new(): where the pools send. NULL: not connected. */
void pools_set_net(struct pools *pools, struct net *net);

/* Opens every pool found in the state directory; those that can't be opened stay closed with the
 * reason in their status. Returns how many are open. */
MUST_CHECK int pools_open_all(struct pools *pools);

/* A new, empty pool; or with `adopt` (absolute path) the tree that stands there, in place.
 * `error` says what to do about a failure. */
MUST_CHECK int pools_create(struct pools *pools, const char *name, const char *adopt,
			    struct pool **ret, char *error, size_t size);
/* Becomes a member of a pool that another node holds; it fills from there. */
MUST_CHECK int pools_join(struct pools *pools, const char *name, struct pool **ret, char *error,
			  size_t size);
/* Ends membership; the backing directory stays as plain files, its path is given back. */
MUST_CHECK int pools_leave(struct pools *pools, const char *name, char *ret_path, size_t path_size,
			   char *error, size_t size);

/* NULL if there is none of that name open. */
struct pool *pools_find(struct pools *pools, const char *name);
/* Whether this node has the change that such a text names, "web@64:1a2b3c" (durability.h).
 * 1: yes, 0: not yet, -EINVAL: no position, MA_EUNKNOWN: no such pool here. */
MUST_CHECK int pools_has(struct pools *pools, const char *position);
/* Calls fn for each open pool. */
void pools_each(struct pools *pools, void (*fn)(void *arg, const char *name, struct pool *pool),
		void *arg);

/* Network events, wired by the main file. */
void pools_node_up(struct pools *pools, uint16_t node);
void pools_node_down(struct pools *pools, uint16_t node);
void pools_writable(struct pools *pools, uint16_t node, enum net_class class);
/* Takes ownership of the message. */
void pools_message(struct pools *pools, uint16_t node, struct net_message *message);
void pools_fleet_changed(struct pools *pools);

#define POOL_PEERS_MAX 64

struct pool_peer_status {
	uint16_t node;
	char state[16];      /* "live", "catch-up", "filling", "held", "offline" */
	uint64_t behind_ops; /* records of ours or relayed that it has not acknowledged */
	uint64_t behind_bytes;
	double last_ack_age_s; /* -1: never */
	char held_reason[128];
	uint64_t catchup_done_bytes; /* both 0 unless catching up */
	uint64_t catchup_total_bytes;
	double catchup_rate; /* bytes per second */
	bool equal;          /* same positions and same state hash at the last comparison */
};

struct pool_status {
	char name[FLEET_NAME_MAX + 1];
	uint64_t id;
	char backing[256];
	bool open;
	char problem[256]; /* why it is not open; empty if it is */
	bool in_sync;
	uint64_t files;
	uint64_t bytes; /* used in the backing directory */
	uint64_t journal_bytes;
	uint64_t conflicts;
	uint64_t trash;         /* files that the brake keeps */
	uint64_t position;      /* our own last sequence number */
	const char *durability; /* the level that is set; static */
	bool degraded;          /* which cannot be kept now */
	size_t peer_count;
	struct pool_peer_status peers[POOL_PEERS_MAX];
};

/* Fills up to `max`; returns how many pools there are, open or not. */
size_t pools_status(struct pools *pools, struct pool_status *ret, size_t max);

#endif
