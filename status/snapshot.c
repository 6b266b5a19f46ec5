/* SPDX-License-Identifier: Apache-2.0 */
#include "status/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/units.h"

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	json_decref(snapshot->health);
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

/* How many peers of the pool are connected, and how many of them are proven equal. */
static size_t count_connected(const struct snapshot *snapshot, const struct pool_status *pool,
			      size_t *ret_equal)
{
	size_t count = 0;

	*ret_equal = 0;
	for (size_t i = 0; i < pool->peer_count && i < POOL_PEERS_MAX; i++) {
		if (!connected(snapshot, pool->peers[i].node))
			continue;
		count++;
		*ret_equal += pool->peers[i].equal;
	}
	return count;
}

bool snapshot_in_sync(const struct snapshot *snapshot, char *why, size_t size)
{
	for (size_t i = 0; i < snapshot->pool_count; i++) {
		const struct pool_status *pool = &snapshot->pools[i].status;
		size_t equal;
		size_t count = count_connected(snapshot, pool, &equal);

		if (!pool->open) {
			(void)snprintf(why, size, "%s is not open: %s", pool->name,
				       snapshot->pools[i].problem);
			return false;
		}
		if (pool->peer_count && count == 0) {
			(void)snprintf(why, size, "%s: no other node that holds it is connected",
				       pool->name);
			return false;
		}
		if (!pool->in_sync || equal < count) {
			say_behind(snapshot, pool, why, size);
			return false;
		}
	}
	return true;
}

bool snapshot_delivered(const struct pool_status *pool)
{
	if (!pool->open || pool->position == 0 || pool->peer_count == 0)
		return true;
	for (size_t i = 0; i < pool->peer_count && i < POOL_PEERS_MAX; i++) {
		if (pool->peers[i].behind_ops == 0 && pool->peers[i].last_ack_age_s >= 0)
			return true;
	}
	return false;
}

struct others {
	size_t all;       /* active members beside this node */
	size_t connected; /* of them */
	size_t trying;    /* not connected, but nothing has failed yet */
	const char *missing;
};

static struct others count_others(const struct snapshot *snapshot)
{
	struct others others = {0};

	for (size_t i = 0; i < snapshot->member_count; i++) {
		const struct snapshot_member *member = &snapshot->members[i];
		const struct net_peer_status *link = &member->link;

		if (member->self || member->record.state != MEMBER_ACTIVE)
			continue;
		others.all++;
		if (link->connected) {
			others.connected++;
			continue;
		}
		others.trying += link->attempts == 0 && !link->held_reason[0];
		if (!others.missing)
			others.missing = member->record.name;
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

/* The other nodes, of which at least one is not connected. */
static void say_missing(const struct snapshot *snapshot, const struct others *others, char *ret,
			size_t size)
{
	size_t missing = others->all - others->connected;

	if (others->connected)
		(void)snprintf(ret, size,
			       "In sync with %zu of %zu other nodes; %s%s not connected.",
			       others->connected, others->all, others->missing,
			       missing > 1 ? " and more are" : " is");
	else if (others->trying == others->all)
		(void)snprintf(ret, size, "%s is connecting to the other nodes (%zu).",
			       snapshot->node, others->all);
	else
		(void)snprintf(
			ret, size,
			"%s is cut off: no other node (of %zu) is connected. Work here goes on "
			"and is delivered later.",
			snapshot->node, others->all);
}

void snapshot_sentence(const struct snapshot *snapshot, char *ret, size_t size)
{
	struct others others = count_others(snapshot);
	const char *plural = snapshot->pool_count == 1 ? "" : "s";
	char why[768];

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
	else if (others.all && others.connected == 0)
		say_missing(snapshot, &others, ret, size);
	else if (snapshot->pool_count == 0)
		(void)snprintf(ret, size,
			       "%s holds no pool yet (nodes in the fleet: %zu). Make one with: "
			       "multiall pool create NAME",
			       snapshot->node, others.all + 1);
	else if (!snapshot_in_sync(snapshot, why, sizeof(why)))
		(void)snprintf(ret, size, "Not in sync: %s", why);
	else if (others.all == 0)
		(void)snprintf(ret, size,
			       "%s is the only node of its fleet (%zu pool%s); add one with: "
			       "multiall invite",
			       snapshot->node, snapshot->pool_count, plural);
	else if (others.connected < others.all)
		say_missing(snapshot, &others, ret, size);
	else
		(void)snprintf(ret, size, "All in sync: %zu pool%s, %zu nodes.",
			       snapshot->pool_count, plural, others.all + 1);
}
