/* SPDX-License-Identifier: Apache-2.0 */
#include "status/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/version.h"
#include "status/snapshot.h"

static void put_family(FILE *out, const char *name, const char *type, const char *help)
{
	(void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* The value of a label: backslash, quote and line feed are escaped. */
static void put_label(FILE *out, const char *name, const char *value)
{
	(void)fprintf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			(void)fputs("\\n", out);
		else if (*value == '\\' || *value == '"')
			(void)fprintf(out, "\\%c", *value);
		else
			(void)fputc(*value, out);
	}
	(void)fputc('"', out);
}

struct pool_family {
	const char *name, *type, *help;
	double (*value)(const struct snapshot_pool *pool);
};

static double pool_open(const struct snapshot_pool *pool)
{
	return pool->status.open;
}

static double pool_mounted(const struct snapshot_pool *pool)
{
	return pool->mounted;
}

static double pool_in_sync(const struct snapshot_pool *pool)
{
	return pool->status.open && pool->status.in_sync;
}

static double pool_files(const struct snapshot_pool *pool)
{
	return (double)pool->status.files;
}

static double pool_bytes(const struct snapshot_pool *pool)
{
	return (double)pool->status.bytes;
}

static double pool_journal(const struct snapshot_pool *pool)
{
	return (double)pool->status.journal_bytes;
}

static double pool_conflicts(const struct snapshot_pool *pool)
{
	return (double)pool->status.conflicts;
}

static double pool_position(const struct snapshot_pool *pool)
{
	return (double)pool->status.position;
}

static const struct pool_family pool_families[] = {
	{"multiall_pool_open", "gauge", "Whether the pool is open (1) or not (0).", pool_open},
	{"multiall_pool_mounted", "gauge", "Whether the pool is mounted.", pool_mounted},
	{"multiall_pool_in_sync", "gauge",
	 "Whether the pool is proven equal with every connected member.", pool_in_sync},
	{"multiall_pool_files", "gauge", "Objects in the pool.", pool_files},
	{"multiall_pool_size_bytes", "gauge", "Space used in the backing directory.", pool_bytes},
	{"multiall_pool_journal_bytes", "gauge", "Space used by the journal.", pool_journal},
	{"multiall_pool_conflicts", "gauge", "Conflicts that nobody has resolved yet.",
	 pool_conflicts},
	{"multiall_pool_operations_total", "counter", "Operations written here, ever.",
	 pool_position},
};

static void put_pools(FILE *out, const struct snapshot *snapshot)
{
	for (size_t f = 0; f < sizeof(pool_families) / sizeof(pool_families[0]); f++) {
		const struct pool_family *family = &pool_families[f];

		put_family(out, family->name, family->type, family->help);
		for (size_t i = 0; i < snapshot->pool_count; i++) {
			(void)fprintf(out, "%s{", family->name);
			put_label(out, "pool", snapshot->pools[i].status.name);
			(void)fprintf(out, "} %.17g\n", family->value(&snapshot->pools[i]));
		}
	}
}

struct peer_family {
	const char *name, *type, *help;
	double (*value)(const struct pool_peer_status *peer); /* NAN: not known */
};

static double peer_ops(const struct pool_peer_status *peer)
{
	return (double)peer->behind_ops;
}

static double peer_bytes(const struct pool_peer_status *peer)
{
	return (double)peer->behind_bytes;
}

static double peer_ack(const struct pool_peer_status *peer)
{
	return peer->last_ack_age_s < 0 ? (double)NAN : peer->last_ack_age_s;
}

static double peer_equal(const struct pool_peer_status *peer)
{
	return peer->equal;
}

static const struct peer_family peer_families[] = {
	{"multiall_peer_behind_operations", "gauge", "Operations that the peer has yet to confirm.",
	 peer_ops},
	{"multiall_peer_behind_bytes", "gauge", "Bytes that the peer has yet to confirm.",
	 peer_bytes},
	{"multiall_peer_last_ack_age_seconds", "gauge", "Time since the peer last confirmed.",
	 peer_ack},
	{"multiall_peer_equal", "gauge", "Whether the peer was equal at the last comparison.",
	 peer_equal},
};

static void put_peers(FILE *out, const struct snapshot *snapshot)
{
	for (size_t f = 0; f < sizeof(peer_families) / sizeof(peer_families[0]); f++) {
		const struct peer_family *family = &peer_families[f];

		put_family(out, family->name, family->type, family->help);
		for (size_t i = 0; i < snapshot->pool_count; i++) {
			const struct pool_status *pool = &snapshot->pools[i].status;

			for (size_t k = 0; k < pool->peer_count && k < POOL_PEERS_MAX; k++) {
				double value = family->value(&pool->peers[k]);

				if (isnan(value))
					continue;
				(void)fprintf(out, "%s{", family->name);
				put_label(out, "pool", pool->name);
				(void)fputc(',', out);
				put_label(out, "peer",
					  snapshot_name(snapshot, pool->peers[k].node));
				(void)fprintf(out, "} %.17g\n", value);
			}
		}
	}
}

struct member_family {
	const char *name, *type, *help;
	double (*value)(const struct snapshot_member *member);
};

static double member_connected(const struct snapshot_member *member)
{
	return member->link.connected;
}

static double member_rtt(const struct snapshot_member *member)
{
	return member->link.rtt_us ? member->link.rtt_us / 1e6 : (double)NAN;
}

static double member_state(const struct snapshot_member *member)
{
	return member->tns.state;
}

static double member_sent(const struct snapshot_member *member)
{
	return (double)member->link.sent_bytes;
}

static double member_received(const struct snapshot_member *member)
{
	return (double)member->link.received_bytes;
}

static const struct member_family member_families[] = {
	{"multiall_member_connected", "gauge", "Whether the member is connected to this node.",
	 member_connected},
	{"multiall_member_state", "gauge",
	 "1 alive, 2 suspect, 3 down, 5 cordoned, 6 draining, 7 drained, 8 maintenance, 9 "
	 "isolated.",
	 member_state},
	{"multiall_member_round_trip_seconds", "gauge", "Time to the member and back.", member_rtt},
	{"multiall_member_sent_bytes_total", "counter", "Bytes sent to the member.", member_sent},
	{"multiall_member_received_bytes_total", "counter", "Bytes received from the member.",
	 member_received},
};

static void put_members(FILE *out, const struct snapshot *snapshot)
{
	for (size_t f = 0; f < sizeof(member_families) / sizeof(member_families[0]); f++) {
		const struct member_family *family = &member_families[f];

		put_family(out, family->name, family->type, family->help);
		for (size_t i = 0; i < snapshot->member_count; i++) {
			const struct snapshot_member *member = &snapshot->members[i];
			double value = family->value(member);

			if (member->self || member->record.state != MEMBER_ACTIVE || isnan(value))
				continue;
			(void)fprintf(out, "%s{", family->name);
			put_label(out, "member", member->record.name);
			(void)fprintf(out, "} %.17g\n", value);
		}
	}
}

static void put_node(FILE *out, const struct snapshot *snapshot)
{
	const struct net_counters *counters = &snapshot->counters;
	const struct {
		const char *reason;
		uint64_t count;
	} refused[] = {
		{"certificate", counters->refused_certificate},
		{"frame", counters->refused_frame},
		{"token", counters->refused_token},
		{"handshake_timeout", counters->handshake_timeouts},
		{"handshake", counters->refused_handshake},
		{"busy", counters->refused_busy},
	};
	char why[768];

	put_family(out, "multiall_build_info", "gauge", "Always 1; version and node as labels.");
	(void)fputs("multiall_build_info{version=\"" MULTIALL_VERSION "\",", out);
	put_label(out, "node", snapshot->node);
	(void)fputs("} 1\n", out);
	put_family(out, "multiall_healthy", "gauge", "Whether all pools are open and mounted.");
	(void)fprintf(out, "multiall_healthy %d\n", snapshot_healthy(snapshot, why, sizeof(why)));
	put_family(out, "multiall_uptime_seconds", "gauge", "Time since the daemon started.");
	(void)fprintf(out, "multiall_uptime_seconds %.3f\n", (double)snapshot->uptime_ms / 1000);
	put_family(out, "process_resident_memory_bytes", "gauge", "Memory of the daemon.");
	(void)fprintf(out, "process_resident_memory_bytes %llu\n",
		      (unsigned long long)snapshot->memory);
	put_family(out, "multiall_connections_accepted_total", "counter",
		   "Connections that passed the handshake.");
	(void)fprintf(out, "multiall_connections_accepted_total %llu\n",
		      (unsigned long long)counters->accepted);
	put_family(out, "multiall_connections_refused_total", "counter",
		   "Connections that were refused, by reason.");
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		(void)fprintf(out, "multiall_connections_refused_total{reason=\"%s\"} %llu\n",
			      refused[i].reason, (unsigned long long)refused[i].count);
}

static void put_baselines(FILE *out, const struct snapshot *snapshot)
{
	put_family(out, "multiall_member_baseline_code", "gauge",
		   "Worst SBM code of the member (SDCC; 0 good, 4001 not known).");
	for (size_t i = 0; i < snapshot->member_count; i++) {
		const struct snapshot_member *member = &snapshot->members[i];

		if (member->record.state != MEMBER_ACTIVE)
			continue;
		(void)fputs("multiall_member_baseline_code{", out);
		put_label(out, "member", member->record.name);
		(void)fprintf(out, "} %u\n", member->baseline.code);
	}
}

static void put_rules(FILE *out, const struct snapshot *snapshot)
{
	const json_t *rule;
	size_t i;

	put_family(out, "multiall_rule_code", "gauge", "SBM code of each rule of this node.");
	json_array_foreach (json_object_get(snapshot->health, "rules"), i, rule) {
		(void)fputs("multiall_rule_code{", out);
		put_label(out, "rule", json_get_text(rule, "rule", ""));
		(void)fputc(',', out);
		put_label(out, "pool", json_get_text(rule, "pool", ""));
		(void)fprintf(out, "} %d\n", (int)json_get_int(rule, "code", 0));
	}
}

char *metrics_text(const struct snapshot *snapshot, size_t *ret_size)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	put_node(out, snapshot);
	put_pools(out, snapshot);
	put_peers(out, snapshot);
	put_members(out, snapshot);
	put_baselines(out, snapshot);
	put_rules(out, snapshot);
	bool failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	*ret_size = size;
	return text;
}
