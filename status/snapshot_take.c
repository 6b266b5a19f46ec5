/* SPDX-License-Identifier: Apache-2.0
 * Taking the picture; what it means is in snapshot.c, which knows no other part.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/clock.h"
#include "core/memory.h"
#include "fuse/mounts.h"
#include "status/node.h"
#include "status/snapshot.h"

/* TNS says what a member is; where there is none, the record does. */
static void judge_member(const struct node *node, struct snapshot_member *member)
{
	struct tns_view *view = &member->tns;

	if (!node->tns || tns_look(node->tns, member->record.number, view) < 0 ||
	    member->record.state != MEMBER_ACTIVE)
		view->state = member->record.state == MEMBER_LEFT      ? TNS_LEFT
			      : member->record.state == MEMBER_REMOVED ? TNS_REMOVED
			      : member->self                           ? TNS_ALIVE
								       : TNS_SUSPECT;
	member->state = tns_state_word(view->state);
}

static int take_members(const struct node *node, struct snapshot *snapshot)
{
	size_t count = fleet_members(node->fleet, NULL, 0);
	AUTO_FREE struct member *records = calloc(count + 1, sizeof(*records));
	struct snapshot_member *members = calloc(count + 1, sizeof(*members));

	snapshot->members = members;
	if (!records || !members)
		return -ENOMEM;
	size_t now = fleet_members(node->fleet, records, count);
	if (now < count)
		count = now;
	for (size_t i = 0; i < count; i++) {
		members[i].record = records[i];
		members[i].self = records[i].number == snapshot->number;
		if (node->net && !members[i].self)
			net_peer_status(node->net, records[i].number, &members[i].link);
		judge_member(node, &members[i]);
		health_look(node->health, records[i].number, &members[i].baseline);
	}
	snapshot->member_count = count;
	return 0;
}

static void judge_pool(const struct node *node, struct snapshot_pool *pool)
{
	const char *name = pool->status.name;

	mounts_path(node->mounts, name, pool->path, sizeof(pool->path));
	pool->mounted = mounts_alive(node->mounts, name);
	pool->mount_mode = pool->mounted ? mounts_mode(node->mounts, name) : "";
	pool->transport = pool->mounted ? mounts_transport(node->mounts, name) : "";
	if (!pool->status.open)
		(void)snprintf(pool->problem, sizeof(pool->problem), "%s",
			       pool->status.problem[0] ? pool->status.problem
						       : "not open, and no reason is known");
	else if (pool->status.problem[0])
		(void)snprintf(pool->problem, sizeof(pool->problem), "%s", pool->status.problem);
	else if (!pool->mounted && mounts_problem(node->mounts, name)[0])
		(void)snprintf(pool->problem, sizeof(pool->problem), "%s",
			       mounts_problem(node->mounts, name));
	else if (!pool->mounted)
		(void)snprintf(pool->problem, sizeof(pool->problem),
			       "%s is not mounted; mount it with: mountall", pool->path);
}

static bool is_peer(const struct snapshot *snapshot, const struct pool_status *pool,
		    uint16_t number)
{
	for (size_t i = 0; i < snapshot->member_count; i++) {
		const struct member *record = &snapshot->members[i].record;

		if (record->number != number)
			continue;
		for (size_t k = 0; k < record->pool_count && k < FLEET_POOLS_MAX; k++) {
			if (record->pools[k].id == pool->id)
				return record->state == MEMBER_ACTIVE;
		}
		return false;
	}
	return true;
}

/* A member that has left the pool is no peer any more, though the pool may still know of it. */
static void keep_peers(const struct snapshot *snapshot, struct pool_status *pool)
{
	size_t kept = 0;

	for (size_t i = 0; i < pool->peer_count && i < POOL_PEERS_MAX; i++) {
		if (is_peer(snapshot, pool, pool->peers[i].node))
			pool->peers[kept++] = pool->peers[i];
	}
	pool->peer_count = kept;
}

static int take_pools(const struct node *node, struct snapshot *snapshot)
{
	size_t count = pools_status(node->pools, NULL, 0);
	AUTO_FREE struct pool_status *all = calloc(count + 1, sizeof(*all));
	struct snapshot_pool *pools = calloc(count + 1, sizeof(*pools));

	snapshot->pools = pools;
	if (!all || !pools)
		return -ENOMEM;
	size_t now = pools_status(node->pools, all, count);
	if (now < count)
		count = now;
	for (size_t i = 0; i < count; i++) {
		pools[i].status = all[i];
		keep_peers(snapshot, &pools[i].status);
		judge_pool(node, &pools[i]);
	}
	snapshot->pool_count = count;
	return 0;
}

static void take_self(const struct node *node, struct snapshot *snapshot)
{
	struct member self = {0};

	node_id_text(fleet_key(node->fleet)->public, snapshot->id);
	snapshot->in_fleet = fleet_exists(node->fleet);
	if (snapshot->in_fleet)
		fleet_self(node->fleet, &self);
	snapshot->number = self.number;
	_Static_assert(sizeof(self.name) == sizeof(snapshot->node), "same bound");
	memcpy(snapshot->node, self.name, sizeof(self.name));
	if (!snapshot->node[0] && gethostname(snapshot->node, sizeof(snapshot->node) - 1) < 0)
		(void)snprintf(snapshot->node, sizeof(snapshot->node), "this node");
}

int snapshot_take(const struct node *node, struct snapshot **ret)
{
	struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

	if (!snapshot)
		return -ENOMEM;
	snapshot->time_ns = clock_wall_ns();
	snapshot->uptime_ms = clock_boot_ms() - node->started_ms;
	snapshot->memory = memory_resident();
	memcpy(snapshot->page_problem, node->page_problem, sizeof(snapshot->page_problem));
	take_self(node, snapshot);
	if (node->net)
		net_counters(node->net, &snapshot->counters);
	if (node->tns)
		snapshot->topology = tns_hash(node->tns, &snapshot->majority);
	snapshot->health = health_json(node->health, 0);
	int r = take_members(node, snapshot);
	if (r == 0)
		r = take_pools(node, snapshot);
	if (r < 0) {
		snapshot_free(snapshot);
		return r;
	}
	*ret = snapshot;
	return 0;
}
