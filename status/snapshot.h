/* SPDX-License-Identifier: Apache-2.0
 * A picture of this node at one moment, from which JSON, page, metrics and health are written.
 * The caller owns it and frees it by snapshot_free().
 * Made on the loop thread; then constant.
 * Invariant: everything shown anywhere comes from here, so that no two views contradict each other.
 */
#ifndef STATUS_SNAPSHOT_H
#define STATUS_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/json.h"
#include "health/health.h"
#include "net/fleet.h"
#include "net/net.h"
#include "replication/pools.h"
#include "topology/tns.h"

struct node;

struct snapshot_pool {
	struct pool_status status;
	char path[320]; /* mount point */
	bool mounted;
	const char *mount_mode, *transport; /* mounts_mode() ...; static, NULL as "" */
	char problem[512]; /* why it is not open or not mounted; "" if it is both */
};

struct snapshot_member {
	struct member record;
	const char *state; /* a word of the contract; static */
	bool self;
	struct net_peer_status link; /* zeros for ourselves */
	struct health_view baseline;
	struct tns_view tns; /* zeros where nothing is known */
};

struct snapshot {
	char node[FLEET_NAME_MAX + 1];
	char id[33];
	uint16_t number;
	bool in_fleet;
	int64_t time_ns; /* since 1970 */
	uint64_t uptime_ms;
	uint64_t memory; /* bytes of the daemon */
	struct net_counters counters;
	uint64_t topology; /* hash */
	bool majority;
	char page_problem[256];
	json_t *health; /* of this node, health_json(); NULL: not taken */
	size_t pool_count;
	struct snapshot_pool *pools;
	size_t member_count;
	struct snapshot_member *members;
};

MUST_CHECK int snapshot_take(const struct node *node, struct snapshot **ret);
void snapshot_free(struct snapshot *snapshot);

/* The name of a member by its number; "?" if it is unknown. Borrowed. */
const char *snapshot_name(const struct snapshot *snapshot, uint16_t number);

/* One sentence that says the most important thing first. */
void snapshot_sentence(const struct snapshot *snapshot, char *ret, size_t size);

/* Whether this node does what it is there for: all pools open and mounted. Else `why` says it. */
bool snapshot_healthy(const struct snapshot *snapshot, char *why, size_t size);

/* Every pool is open and proven equal with every connected member. Else `why` says it. */
bool snapshot_in_sync(const struct snapshot *snapshot, char *why, size_t size);

/* Whether some other node has confirmed all that was written here; also if nothing was written, or
 * there is no other node that could have it. */
bool snapshot_delivered(const struct pool_status *pool);

#endif
