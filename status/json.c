/* SPDX-License-Identifier: Apache-2.0 */
#include "status/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/version.h"
#include "status/snapshot.h"

static json_t *uint_value(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *real_or_null(double value, bool known)
{
	return known ? json_real(value) : json_null();
}

/* Sets a member; false when memory is short. Takes the value. */
static bool set(json_t *object, const char *key, json_t *value)
{
	return json_object_set_new(object, key, value) == 0;
}

static json_t *peer_json(const struct snapshot *snapshot, const struct pool_peer_status *peer)
{
	json_t *o = json_object();
	bool moving = peer->catchup_total_bytes > 0;
	bool ok = set(o, "node", json_text(snapshot_name(snapshot, peer->node)));

	ok = ok && set(o, "number", json_integer(peer->node));
	ok = ok && set(o, "state", json_text(peer->state));
	ok = ok && set(o, "behind_ops", uint_value(peer->behind_ops));
	ok = ok && set(o, "behind_bytes", uint_value(peer->behind_bytes));
	ok = ok && set(o, "last_ack_age_s",
		       real_or_null(peer->last_ack_age_s, peer->last_ack_age_s >= 0));
	ok = ok && set(o, "held_reason", json_text(peer->held_reason));
	ok = ok && set(o, "in_sync", json_boolean(peer->equal));
	ok = ok && set(o, "catchup_done_bytes",
		       moving ? uint_value(peer->catchup_done_bytes) : json_null());
	ok = ok && set(o, "catchup_total_bytes",
		       moving ? uint_value(peer->catchup_total_bytes) : json_null());
	ok = ok && set(o, "catchup_bytes_per_s", real_or_null(peer->catchup_rate, moving));
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}

static json_t *pool_json(const struct snapshot *snapshot, const struct snapshot_pool *pool)
{
	const struct pool_status *status = &pool->status;
	json_t *o = json_object();
	json_t *peers = json_array();
	bool ok = true;

	for (size_t i = 0; i < status->peer_count && i < POOL_PEERS_MAX; i++)
		ok = ok &&
		     json_array_append_new(peers, peer_json(snapshot, &status->peers[i])) == 0;
	ok = ok && set(o, "name", json_text(status->name));
	ok = ok && set(o, "path", json_text(pool->path));
	ok = ok && set(o, "backing", json_text(status->backing));
	ok = ok && set(o, "open", json_boolean(status->open));
	ok = ok && set(o, "mounted", json_boolean(pool->mounted));
	ok = ok && set(o, "mount_mode", json_text(pool->mount_mode ? pool->mount_mode : ""));
	ok = ok && set(o, "transport", json_text(pool->transport ? pool->transport : ""));
	ok = ok && set(o, "problem", json_text(pool->problem));
	ok = ok && set(o, "in_sync", json_boolean(status->open && status->in_sync));
	ok = ok && set(o, "files", uint_value(status->files));
	ok = ok && set(o, "bytes", uint_value(status->bytes));
	ok = ok && set(o, "journal_bytes", uint_value(status->journal_bytes));
	ok = ok && set(o, "conflicts", uint_value(status->conflicts));
	ok = ok && set(o, "trash", uint_value(status->trash));
	ok = ok &&
	     set(o, "durability", json_text(status->durability ? status->durability : "local"));
	ok = ok && set(o, "durability_kept", json_boolean(!status->degraded));
	ok = ok && set(o, "position", uint_value(status->position));
	ok = set(o, "peers", peers) && ok;
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}

static json_t *downtime_json(const struct tns_view *view)
{
	return view->planned ? json_pack("{s:f, s:o}", "left_s", view->planned_left_s, "reason",
					 json_text(view->reason))
			     : json_null();
}

static json_t *topology_json(const struct snapshot *snapshot)
{
	char hash[17];

	(void)snprintf(hash, sizeof(hash), "%016" PRIx64, snapshot->topology);
	return json_pack("{s:s, s:b}", "hash", hash, "majority", (int)snapshot->majority);
}

static json_t *member_json(const struct snapshot_member *member)
{
	const struct member *record = &member->record;
	const struct net_peer_status *link = &member->link;
	json_t *o = json_object();
	json_t *addresses = json_array();
	json_t *pools = json_array();
	bool ok = true;

	for (size_t i = 0; i < FLEET_ADDRESSES_MAX; i++) {
		if (record->addresses[i][0])
			ok = ok &&
			     json_array_append_new(addresses, json_text(record->addresses[i])) == 0;
	}
	for (size_t i = 0; i < record->pool_count && i < FLEET_POOLS_MAX; i++)
		ok = ok && json_array_append_new(pools, json_text(record->pools[i].name)) == 0;
	ok = ok && set(o, "node", json_text(record->name));
	ok = ok && set(o, "number", json_integer(record->number));
	ok = ok && set(o, "self", json_boolean(member->self));
	ok = ok && set(o, "zone", json_text(member->tns.location));
	ok = ok && set(o, "state", json_text(member->state));
	ok = ok && set(o, "cause", json_text(tns_cause_text(member->tns.cause)));
	ok = ok && set(o, "since_s", json_real(member->tns.since_s));
	ok = ok && set(o, "ready_in_s",
		       real_or_null(member->tns.ready_in_s, member->tns.ready_in_s >= 0));
	ok = ok && set(o, "witness", json_boolean(member->tns.witness));
	ok = ok && set(o, "downtime", downtime_json(&member->tns));
	ok = ok &&
	     set(o, "sbm",
		 json_pack("{s:i, s:o, s:s}", "code", member->baseline.code, "text",
			   json_text(member->baseline.text), "effect", member->baseline.effect));
	uint32_t rtt_us = member->tns.rtt_us ? member->tns.rtt_us : link->rtt_us;
	ok = ok && set(o, "rtt_us", rtt_us ? json_integer(rtt_us) : json_null());
	ok = ok && set(o, "connected", json_boolean(link->connected));
	ok = ok && set(o, "held_reason", json_text(link->held_reason));
	ok = ok && set(o, "attempts", json_integer(link->attempts));
	ok = ok && set(o, "sent_bytes", uint_value(link->sent_bytes));
	ok = ok && set(o, "received_bytes", uint_value(link->received_bytes));
	ok = set(o, "addresses", addresses) && ok;
	ok = set(o, "pools", pools) && ok;
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}

static json_t *refused_json(const struct net_counters *counters)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "certificate",
			 (json_int_t)counters->refused_certificate, "frame",
			 (json_int_t)counters->refused_frame, "token",
			 (json_int_t)counters->refused_token, "handshake_timeout",
			 (json_int_t)counters->handshake_timeouts, "handshake",
			 (json_int_t)counters->refused_handshake, "busy",
			 (json_int_t)counters->refused_busy);
}

json_t *status_json(const struct snapshot *snapshot)
{
	json_t *o = json_object();
	json_t *pools = json_array();
	json_t *members = json_array();
	char sentence[1024];
	char why[768];
	bool ok = true;

	snapshot_sentence(snapshot, sentence, sizeof(sentence));
	for (size_t i = 0; i < snapshot->pool_count; i++)
		ok = ok &&
		     json_array_append_new(pools, pool_json(snapshot, &snapshot->pools[i])) == 0;
	for (size_t i = 0; i < snapshot->member_count; i++)
		ok = ok && json_array_append_new(members, member_json(&snapshot->members[i])) == 0;
	ok = ok && set(o, "node", json_text(snapshot->node));
	ok = ok && set(o, "number", json_integer(snapshot->number));
	ok = ok && set(o, "id", json_text(snapshot->id));
	ok = ok && set(o, "version", json_text(MULTIALL_VERSION));
	ok = ok && set(o, "in_fleet", json_boolean(snapshot->in_fleet));
	ok = ok && set(o, "summary", json_text(sentence));
	ok = ok && set(o, "in_sync", json_boolean(snapshot_in_sync(snapshot, why, sizeof(why))));
	ok = ok && set(o, "healthy", json_boolean(snapshot_healthy(snapshot, why, sizeof(why))));
	ok = ok && set(o, "time", json_real((double)snapshot->time_ns / 1e9));
	ok = ok && set(o, "uptime_s", json_real((double)snapshot->uptime_ms / 1e3));
	ok = ok && set(o, "memory_bytes", json_integer((json_int_t)snapshot->memory));
	ok = ok && set(o, "page_problem", json_text(snapshot->page_problem));
	ok = ok && set(o, "topology", topology_json(snapshot));
	ok = ok && set(o, "refused", refused_json(&snapshot->counters));
	ok = set(o, "pools", pools) && ok;
	ok = set(o, "members", members) && ok;
	if (ok)
		return o;
	json_decref(o);
	return NULL;
}
