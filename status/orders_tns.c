/* SPDX-License-Identifier: Apache-2.0
 * Orders about who is here: why a node is what it is, and planned downtimes.
 */
#include "status/orders_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/auto.h"
#include "core/log.h"
#include "core/units.h"
#include "net/fleet.h"
#include "status/snapshot.h"
#include "topology/downtime.h"
#include "topology/tns.h"

#define DRAIN_LOOK_MS 100

int orders_member(struct orders *orders, struct control_request *request, struct member *ret)
{
	struct fleet *fleet = orders->node->fleet;
	const char *name = orders_text(request, "node");
	uint64_t number;

	if (!name)
		return -EINVAL;
	int r = fleet_member_by_name(fleet, name, ret);
	if (r < 0 && count_parse(name, FLEET_MEMBERS_MAX, &number) == 0)
		r = fleet_member(fleet, (uint16_t)number, ret);
	if (r < 0)
		control_fail(request, 2,
			     "the fleet has no node \"%s\"; multiall status lists its members by "
			     "name and number",
			     name);
	return r;
}

/* ---- why */

static json_t *observers(struct orders *orders, const struct snapshot *snapshot, uint16_t node)
{
	json_t *list = json_array();

	for (size_t i = 0; i < snapshot->member_count; i++) {
		const struct snapshot_member *member = &snapshot->members[i];
		enum tns_edge edge = tns_edge_of(orders->node->tns, member->record.number, node);

		if (member->record.number == node || member->record.state != MEMBER_ACTIVE)
			continue;
		(void)json_array_append_new(list, json_pack("{s:o, s:s, s:i, s:b}", "node",
							    json_text(member->record.name), "says",
							    tns_edge_text(edge), "code", (int)edge,
							    "counts", member->tns.together));
	}
	return list;
}

static json_t *history(struct orders *orders, uint16_t node)
{
	struct tns_change changes[64];
	size_t count = tns_history(orders->node->tns, changes, 64);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		time_t when = (time_t)changes[i].wall_s;
		struct tm tm;
		char text[32] = "";

		if (changes[i].node != node)
			continue;
		if (localtime_r(&when, &tm))
			(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
		(void)json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s}", "time", text, "before",
					changes[i].before
						? tns_state_word((enum tns_state)changes[i].before)
						: "unknown",
					"state", tns_state_word((enum tns_state)changes[i].now),
					"cause", tns_cause_text((enum tns_cause)changes[i].cause)));
	}
	return list;
}

void order_why(struct orders *orders, struct control_request *request)
{
	struct snapshot *snapshot = NULL;
	struct member member;
	struct tns_view view;

	if (orders_member(orders, request, &member) < 0)
		return;
	if (!orders->node->tns || tns_look(orders->node->tns, member.number, &view) < 0 ||
	    snapshot_take(orders->node, &snapshot) < 0) {
		control_fail(request, 2, "nothing is known of %s", member.name);
		return;
	}
	json_t *answer = json_pack(
		"{s:o, s:s, s:i, s:s, s:f, s:f, s:i, s:o, s:o}", "node", json_text(member.name),
		"state", tns_state_word(view.state), "code", (int)view.cause, "cause",
		tns_cause_text(view.cause), "since_s", view.since_s, "ready_in_s", view.ready_in_s,
		"health", (int)view.health, "observers", observers(orders, snapshot, member.number),
		"history", history(orders, member.number));
	if (answer && view.planned)
		(void)json_object_set_new(
			answer, "downtime",
			json_pack("{s:f, s:o, s:o}", "left_s", view.planned_left_s, "reason",
				  json_text(view.reason), "by",
				  json_text(snapshot_name(snapshot, view.planned_by))));
	snapshot_free(snapshot);
	control_done(request, answer);
}

/* ---- planned downtime */

static bool serves(const struct snapshot_member *member)
{
	return member->record.state == MEMBER_ACTIVE &&
	       (member->tns.state == TNS_ALIVE || member->tns.state == TNS_CORDONED);
}

static bool holds(const struct member *member, uint64_t pool)
{
	for (size_t i = 0; i < member->pool_count && i < FLEET_POOLS_MAX; i++) {
		if (member->pools[i].id == pool)
			return true;
	}
	return false;
}

const char *orders_last_copy(const struct snapshot *snapshot, const struct member *leaving)
{
	for (size_t i = 0; i < leaving->pool_count && i < FLEET_POOLS_MAX; i++) {
		bool other = false;

		for (size_t k = 0; k < snapshot->member_count; k++) {
			const struct snapshot_member *member = &snapshot->members[k];

			other = other ||
				(member->record.number != leaving->number && serves(member) &&
				 holds(&member->record, leaving->pools[i].id));
		}
		if (!other)
			return leaving->pools[i].name;
	}
	return NULL;
}

static bool may_go(struct orders *orders, struct control_request *request,
		   const struct member *member)
{
	bool force = json_get_bool(control_body(request), "force", false);
	struct snapshot *snapshot = NULL;
	char pool[FLEET_NAME_MAX + 1] = "";

	if (snapshot_take(orders->node, &snapshot) < 0) {
		control_fail(request, 2, "no memory to look");
		return false;
	}
	const char *found = orders_last_copy(snapshot, member);
	if (found)
		(void)snprintf(pool, sizeof(pool), "%s", found);
	snapshot_free(snapshot);
	if (!found)
		return true;
	if (force) {
		log_warn("%s goes without a live copy of pool %s elsewhere, as was asked for",
			 member->name, pool);
		return true;
	}
	control_fail(request, 1,
		     "without %s no node that is alive holds pool %s. Wait until another one does, "
		     "or do it all the same: --force",
		     member->name, pool);
	return false;
}

struct draining {
	uint16_t node;
	char name[FLEET_NAME_MAX + 1];
};

/* A node that does not run has nothing that could be waited for. */
static bool look_drained(struct waiter *waiter, bool last)
{
	const struct draining *draining = waiter->arg;
	struct tns_view view;

	if (!waiter->orders->node->tns ||
	    tns_look(waiter->orders->node->tns, draining->node, &view) < 0) {
		control_fail(waiter->request, 2, "%s is no member any more", draining->name);
		return true;
	}
	if (view.planned != DOWNTIME_DRAIN || view.state == TNS_DOWN || last) {
		control_fail(waiter->request, 1, "%s is not being drained any more: it is %s",
			     draining->name, tns_state_word(view.state));
		return true;
	}
	if (view.state == TNS_DRAINED)
		control_done(waiter->request,
			     orders_say("%s is drained: it may be stopped", draining->name));
	return view.state == TNS_DRAINED;
}

static void wait_drained(struct orders *orders, struct control_request *request,
			 const struct member *member)
{
	struct draining *draining = calloc(1, sizeof(*draining));

	if (!draining) {
		control_fail(request, 2, "no memory to wait");
		return;
	}
	draining->node = member->number;
	memcpy(draining->name, member->name, sizeof(draining->name));
	orders_wait(orders, request, UINT64_MAX, DRAIN_LOOK_MS, look_drained, draining, free);
}

static int kind_of(const char *word)
{
	static const char *const words[] = {[DOWNTIME_NONE] = "resume",
					    [DOWNTIME_CORDON] = "cordon",
					    [DOWNTIME_DRAIN] = "drain",
					    [DOWNTIME_MAINTENANCE] = "maintenance"};

	for (int i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++) {
		if (strcmp(words[i], word) == 0)
			return i;
	}
	return -1;
}

static void answer_planned(struct control_request *request, const struct member *member,
			   const struct downtime *downtime)
{
	char length[UNITS_TEXT_MAX];

	duration_text(downtime->for_s, length, sizeof(length));
	if (downtime->kind == DOWNTIME_NONE)
		control_done(request, orders_say("%s is in service again", member->name));
	else
		control_done(request, orders_say("%s: %s for %s (%s). It ends by itself then, or "
						 "with: multiall resume %s",
						 member->name,
						 json_get_text(control_body(request), "kind", ""),
						 length, downtime->reason, member->name));
}

void order_plan(struct orders *orders, struct control_request *request)
{
	int kind = kind_of(json_get_text(control_body(request), "kind", ""));
	int64_t for_s = json_get_int(control_body(request), "for_s", 0);
	const char *reason = json_get_text(control_body(request), "reason", "");
	struct downtime downtime = {0};
	struct member member;

	if (orders_member(orders, request, &member) < 0)
		return;
	if (kind < 0 || !orders->node->tns) {
		control_fail(request, 2, "such a downtime is not known");
		return;
	}
	if (!downtime_reason_valid(reason) ||
	    (kind != DOWNTIME_NONE && (for_s < 1 || for_s > DOWNTIME_FOR_MAX_S))) {
		control_fail(request, 2,
			     "a downtime has a length of 1 s to 90 d (--for) and a reason of 1 to "
			     "%d bytes (--reason)",
			     DOWNTIME_REASON_MAX);
		return;
	}
	if (kind > DOWNTIME_CORDON && !may_go(orders, request, &member))
		return;
	downtime.node = member.number;
	downtime.kind = (uint8_t)kind;
	downtime.for_s = kind == DOWNTIME_NONE ? 0 : (uint32_t)for_s;
	memcpy(downtime.reason, reason, strlen(reason));
	int r = tns_plan(orders->node->tns, &downtime);
	if (r < 0)
		control_fail(request, 2, "%s: %s", member.name,
			     r == MA_EUNKNOWN ? "it is no member any more" : err_text(r));
	else if (kind == DOWNTIME_DRAIN && json_get_bool(control_body(request), "wait", false))
		wait_drained(orders, request, &member);
	else
		answer_planned(request, &member, &downtime);
}
