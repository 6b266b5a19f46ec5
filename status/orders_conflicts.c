/* SPDX-License-Identifier: Apache-2.0
 * The order that lists conflicts; whoever asks acts on them through the mount.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "net/fleet.h"
#include "replication/conflicts.h"
#include "status/orders_parts.h"

#define LIST_MAX 10000 /* in one answer; CONTROL_UNREAD_MAX bounds what it may be long */

struct listing {
	uv_work_t work;
	struct orders *orders;
	struct control_request *request;
	struct orders_pool *pools;
	size_t count;
	json_t *conflicts;
	const struct orders_pool *now;
	int r;
};

static void listing_free(struct listing *listing)
{
	json_decref(listing->conflicts);
	free(listing->pools);
	free(listing);
}

/* Worker thread: the fleet may be asked from any. "" for who is not known any more. */
static json_t *node_name(struct fleet *fleet, uint16_t number)
{
	struct member member;

	return json_text(fleet_member(fleet, number, &member) == 0 ? member.name : "");
}

static json_t *side_json(struct fleet *fleet, const struct conflict_side *side, json_t *path)
{
	return json_pack("{s:o, s:o, s:i, s:f}", "path", path, "node", node_name(fleet, side->node),
			 "number", (int)side->node, "time", (double)side->time_ns / 1e9);
}

static json_t *path_json(const struct orders_pool *pool, const char *path)
{
	AUTO_FREE char *text = NULL;

	if (asprintf(&text, "%s/%s", pool->mount, path) < 0) {
		text = NULL;
		return NULL;
	}
	return json_text(text);
}

static int list_one(void *arg, const struct conflict *conflict)
{
	struct listing *listing = arg;
	struct fleet *fleet = listing->orders->node->fleet;
	json_t *value;

	if (json_array_size(listing->conflicts) == LIST_MAX)
		return -E2BIG;
	value = json_pack(
		"{s:o, s:s, s:b, s:b, s:o, s:o}", "pool", json_text(listing->now->name), "kind",
		conflict->content ? "content" : "name", "here", conflict->here, "mounted",
		listing->now->mounted, "shown",
		side_json(fleet, &conflict->shown, path_json(listing->now, conflict->path)),
		"loser",
		side_json(fleet, &conflict->lost, path_json(listing->now, conflict->loser)));
	return json_array_append_new(listing->conflicts, value) < 0 ? -ENOMEM : 0;
}

static void list_run(uv_work_t *work)
{
	struct listing *listing = work->data;

	for (size_t i = 0; listing->r == 0 && i < listing->count; i++) {
		listing->now = &listing->pools[i];
		listing->r = conflicts_each(listing->now->pool, list_one, listing);
	}
}

static void on_listed(uv_work_t *work, int status)
{
	struct listing *listing = work->data;
	struct node *node = listing->orders->node;
	int r = status < 0 ? status : listing->r;
	bool more = r == -E2BIG;

	listing->orders->looking--;
	node->jobs--;
	if (r < 0 && !more)
		control_fail(listing->request, 2, "cannot list the conflicts: %s", err_text(r));
	else
		control_done(listing->request, json_pack("{s:O, s:b}", "conflicts",
							 listing->conflicts, "more", more));
	listing_free(listing);
	node->job_done(node);
}

void order_conflicts(struct orders *orders, struct control_request *request)
{
	const char *only = orders_text_optional(request, "pool");
	struct listing *listing = only ? calloc(1, sizeof(*listing)) : NULL;

	if (!only)
		return;
	if (!listing || !(listing->conflicts = json_array())) {
		free(listing);
		control_fail(request, 2, "no memory to list conflicts");
		return;
	}
	listing->orders = orders;
	listing->request = request;
	listing->work.data = listing;
	if (orders_pools(orders, request, only, &listing->pools, &listing->count) < 0) {
		listing_free(listing);
		return;
	}
	if (uv_queue_work(loop_uv(orders->node->loop), &listing->work, list_run, on_listed) < 0)
		control_fail(request, 2, "no thread to list conflicts with");
	else {
		orders->looking++;
		orders->node->jobs++;
		return;
	}
	listing_free(listing);
}
