/* SPDX-License-Identifier: Apache-2.0 */
#include "status/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/loop.h"
#include "core/units.h"
#include "fuse/mounts.h"
#include "status/node.h"

static const char *member_word(const struct snapshot_member *member)
{
	if (member->record.state == MEMBER_LEFT)
		return "left";
	if (member->record.state == MEMBER_REMOVED)
		return "removed";
	return member->self || member->link.connected ? "alive" : "down";
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
		members[i].state = member_word(&members[i]);
	}
	snapshot->member_count = count;
	return 0;
}

static void judge_pool(const struct node *node, struct snapshot_pool *pool)
{
	const char *name = pool->status.name;

	mounts_path(node->mounts, name, pool->path, sizeof(pool->path));
	pool->mounted = mounts_alive(node->mounts, name);
	if (!pool->status.open)
		(void)snprintf(pool->problem, sizeof(pool->problem), "%s",
			       pool->status.problem[0] ? pool->status.problem
						       : "not open, and no reason is known");
	else if (!pool->mounted && mounts_problem(node->mounts, name)[0])
		(void)snprintf(pool->problem, sizeof(pool->problem), "%s",
			       mounts_problem(node->mounts, name));
	else if (!pool->mounted)
		(void)snprintf(pool->problem, sizeof(pool->problem),
			       "%s is not mounted; mount it with: mountall", pool->path);
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
	memcpy(snapshot->page_problem, node->page_problem, sizeof(snapshot->page_problem));
	take_self(node, snapshot);
	if (node->net)
		net_counters(node->net, &snapshot->counters);
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

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	free(snapshot->pools);
	free(snapshot->members);
	free(snapshot);
}

const char *snapshot_name(const struct snapshot *snapshot, uint16_t number)
{
	for (size_t i = 0; i < snapshot->member_count; i++) {
		if (snapshot->members[i].record.number == number)
			return snapshot->members[i].record.name;
	}
	return "?";
}

bool snapshot_healthy(const struct snapshot *snapshot, char *why, size_t size)
{
	for (size_t i = 0; i < snapshot->pool_count; i++) {
		const struct snapshot_pool *pool = &snapshot->pools[i];

		if (pool->problem[0]) {
			(void)snprintf(why, size, "pool %s: %s", pool->status.name, pool->problem);
			return false;
		}
	}
	return true;
}

static bool connected(const struct snapshot *snapshot, uint16_t number)
{
	for (size_t i = 0; i < snapshot->member_count; i++) {
		if (snapshot->members[i].record.number == number)
			return snapshot->members[i].link.connected;
	}
	return false;
}

static void say_behind(const struct snapshot *snapshot, const struct pool_status *pool, char *why,
		       size_t size)
{
	char ops[UNITS_TEXT_MAX];

	for (size_t i = 0; i < pool->peer_count; i++) {
		const struct pool_peer_status *peer = &pool->peers[i];

		if (!connected(snapshot, peer->node) || peer->equal)
			continue;
		count_text(peer->behind_ops, ops, sizeof(ops));
		if (peer->behind_ops)
			(void)snprintf(why, size, "%s: %s has yet to receive %s operations (%s)",
				       pool->name, snapshot_name(snapshot, peer->node), ops,
				       peer->state);
		else
			(void)snprintf(why, size, "%s: not proven equal with %s yet (%s)",
				       pool->name, snapshot_name(snapshot, peer->node),
				       peer->state);
		return;
	}
	(void)snprintf(why, size, "%s: not proven equal yet", pool->name);
}

bool snapshot_in_sync(const struct snapshot *snapshot, char *why, size_t size)
{
	for (size_t i = 0; i < snapshot->pool_count; i++) {
		const struct pool_status *pool = &snapshot->pools[i].status;

		if (!pool->open) {
			(void)snprintf(why, size, "%s is not open: %s", pool->name,
				       snapshot->pools[i].problem);
			return false;
		}
		if (!pool->in_sync) {
			say_behind(snapshot, pool, why, size);
			return false;
		}
	}
	return true;
}

/* The other active members, how many of them are connected, and one that is not. */
static size_t count_others(const struct snapshot *snapshot, size_t *ret_connected,
			   const char **ret_missing)
{
	size_t others = 0;

	*ret_connected = 0;
	*ret_missing = NULL;
	for (size_t i = 0; i < snapshot->member_count; i++) {
		const struct snapshot_member *member = &snapshot->members[i];

		if (member->self || member->record.state != MEMBER_ACTIVE)
			continue;
		others++;
		if (member->link.connected)
			++*ret_connected;
		else if (!*ret_missing)
			*ret_missing = member->record.name;
	}
	return others;
}

static bool self_is_out(const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->member_count; i++) {
		if (snapshot->members[i].self)
			return snapshot->members[i].record.state != MEMBER_ACTIVE;
	}
	return false;
}

/* Of a node in good order: how far the proof of equality reaches. */
static void say_reach(const struct snapshot *snapshot, char *ret, size_t size)
{
	const char *missing;
	size_t reached;
	size_t others = count_others(snapshot, &reached, &missing);
	const char *plural = snapshot->pool_count == 1 ? "" : "s";

	if (others == 0)
		(void)snprintf(ret, size,
			       "%s is the only node of its fleet (%zu pool%s); add one with: "
			       "multiall invite",
			       snapshot->node, snapshot->pool_count, plural);
	else if (reached == 0)
		(void)snprintf(ret, size,
			       "%s is cut off: none of the %zu other nodes is connected. Work here "
			       "goes on and is delivered later.",
			       snapshot->node, others);
	else if (reached < others)
		(void)snprintf(ret, size,
			       "In sync with the %zu connected of %zu other nodes; %s%s is not "
			       "connected.",
			       reached, others, missing, others - reached > 1 ? " (and more)" : "");
	else
		(void)snprintf(ret, size, "All in sync: %zu pool%s, %zu nodes.",
			       snapshot->pool_count, plural, others + 1);
}

void snapshot_sentence(const struct snapshot *snapshot, char *ret, size_t size)
{
	char why[768];
	const char *missing;
	size_t reached;

	if (self_is_out(snapshot))
		(void)snprintf(
			ret, size,
			"%s is no longer a member of its fleet: the others refuse it. What it "
			"holds stays; to enter again: multiall leave --force, then join.",
			snapshot->node);
	else if (!snapshot->in_fleet)
		(void)snprintf(
			ret, size,
			"%s belongs to no fleet yet. Found one with: multiall init; enter one "
			"with the line that multiall invite prints on a member.",
			snapshot->node);
	else if (!snapshot_healthy(snapshot, why, sizeof(why)))
		(void)snprintf(ret, size, "Needs attention: %s", why);
	else if (snapshot->pool_count == 0)
		(void)snprintf(ret, size,
			       "%s holds no pool yet (%zu nodes in the fleet). Make one with: "
			       "multiall pool create NAME",
			       snapshot->node, count_others(snapshot, &reached, &missing) + 1);
	else if (!snapshot_in_sync(snapshot, why, sizeof(why)))
		(void)snprintf(ret, size, "Not in sync: %s", why);
	else
		say_reach(snapshot, ret, size);
}
