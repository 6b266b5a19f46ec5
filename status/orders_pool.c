/* SPDX-License-Identifier: Apache-2.0 */
#include "status/orders_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/log.h"
#include "core/places.h"
#include "fuse/mounts.h"
#include "net/fleet.h"
#include "net/member.h"
#include "net/net.h"
#include "replication/pools.h"
#include "status/snapshot.h"
#include "topology/tns.h"

/* The name becomes a directory below /pool and below the state. */
static const char *pool_name(struct orders *orders, struct control_request *request)
{
	const char *name = orders_text(request, "name");

	if (name && tns_witness(orders->node->places->tns)) {
		control_fail(request, 2,
			     "this node is a witness, it holds no pool; to make it another, leave "
			     "the fleet and join again");
		return NULL;
	}
	if (name && !member_name_valid(name)) {
		control_fail(
			request, 2,
			"\"%s\" cannot be the name of a pool: 1 to %d bytes without spaces and "
			"slashes, and no dot or dash in front",
			name, FLEET_NAME_MAX);
		return NULL;
	}
	return name;
}

static void announce(struct node *node)
{
	if (node->net)
		net_announce(node->net);
}

/* Says that the pool is here now, mounted or, honestly, not. */
static void answer_entered(struct orders *orders, struct control_request *request, const char *name,
			   struct pool *pool, const char *done)
{
	struct node *node = orders->node;
	char path[320];
	char error[512];

	announce(node);
	mounts_path(node->mounts, name, path, sizeof(path));
	if (mounts_start(node->mounts, name, pool, error, sizeof(error)) < 0) {
		control_fail(request, 2,
			     "pool %s is %s, but could not be mounted: %s. Once that is mended: "
			     "mountall",
			     name, done, error);
		return;
	}
	json_t *answer = orders_say("pool %s is %s and mounted at %s", name, done, path);
	if (answer)
		(void)json_object_set_new(answer, "path", json_text(path));
	control_done(request, answer);
}

void order_pool_create(struct orders *orders, struct control_request *request)
{
	const char *name = pool_name(orders, request);
	const char *adopt = name ? json_get_text(control_body(request), "adopt", "") : NULL;
	struct pool *pool = NULL;
	char error[512] = "";

	if (!adopt)
		return;
	if (adopt[0] && adopt[0] != '/') {
		control_fail(request, 2, "--adopt takes an absolute path, not \"%s\"", adopt);
		return;
	}
	int r = pools_create(orders->node->pools, name, adopt[0] ? adopt : NULL, &pool, error,
			     sizeof(error));
	if (r < 0) {
		control_fail(request, 2, "cannot create pool %s: %s", name,
			     error[0] ? error : err_text(r));
		return;
	}
	log_info("pool %s: created%s%s", name, adopt[0] ? ", adopting " : "", adopt);
	answer_entered(orders, request, name, pool, adopt[0] ? "adopted" : "created");
}

int orders_pool_enter(struct orders *orders, const char *name, char *error, size_t size)
{
	struct node *node = orders->node;
	struct pool *pool = NULL;
	char why[512] = "";
	int r = pools_join(node->pools, name, &pool, why, sizeof(why));

	if (r < 0)
		return err_say(error, size, r, "cannot join pool %s: %s", name,
			       why[0] ? why : err_text(r));
	log_info("pool %s: joined", name);
	announce(node);
	r = mounts_start(node->mounts, name, pool, why, sizeof(why));
	if (r < 0)
		return err_say(error, size, r,
			       "pool %s is joined, but could not be mounted: %s. Once that is "
			       "mended: mountall",
			       name, why);
	return 0;
}

void order_pool_join(struct orders *orders, struct control_request *request)
{
	const char *name = pool_name(orders, request);
	char error[1024];
	char path[320];

	if (!name)
		return;
	if (orders_pool_enter(orders, name, error, sizeof(error)) < 0) {
		control_fail(request, 2, "%s", error);
		return;
	}
	mounts_path(orders->node->mounts, name, path, sizeof(path));
	json_t *answer = orders_say("pool %s is joined and mounted at %s; it fills now: multiall "
				    "status shows how far it is",
				    name, path);
	if (answer)
		(void)json_object_set_new(answer, "path", json_text(path));
	control_done(request, answer);
}

bool orders_delivered(struct orders *orders, const char *name, char *why, size_t size)
{
	struct snapshot *snapshot = NULL;
	bool good = true;

	if (snapshot_take(orders->node, &snapshot) < 0) {
		(void)snprintf(why, size, "no memory to look");
		return false;
	}
	for (size_t i = 0; good && i < snapshot->pool_count; i++) {
		const struct pool_status *pool = &snapshot->pools[i].status;

		if ((name && strcmp(name, pool->name) != 0) || snapshot_delivered(pool))
			continue;
		good = false;
		(void)snprintf(
			why, size,
			"pool %s: no other node has all that was written here yet. Wait for "
			"it with: multiall wait; or leave all the same with --force (the files "
			"stay in %s, but the others will not get the last changes)",
			pool->name, pool->backing);
	}
	snapshot_free(snapshot);
	return good;
}

int orders_pool_quit(struct orders *orders, const char *name, char *ret_path, size_t path_size,
		     char *error, size_t size)
{
	struct node *node = orders->node;
	bool mounted = mounts_alive(node->mounts, name);
	char why[512] = "";

	if (orders->looking)
		return err_say(
			error, size, -EBUSY,
			"cannot leave pool %s while its conflicts are listed; try again in a "
			"moment",
			name);
	mounts_stop(node->mounts, name);
	int r = pools_leave(node->pools, name, ret_path, path_size, why, sizeof(why));
	if (r < 0) {
		struct pool *pool = pools_find(node->pools, name);
		char mount_error[512];

		/* As it was before. */
		if (mounted && pool &&
		    mounts_start(node->mounts, name, pool, mount_error, sizeof(mount_error)) < 0)
			log_warn("%s", mount_error);
		return err_say(error, size, r, "cannot leave pool %s: %s", name,
			       why[0] ? why : err_text(r));
	}
	log_info("pool %s: left; its files stay in %s", name, ret_path);
	announce(node);
	return 0;
}

void order_pool_leave(struct orders *orders, struct control_request *request)
{
	const char *name = pool_name(orders, request);
	bool force = json_get_bool(control_body(request), "force", false);
	char path[512] = "";
	char error[1024];

	if (!name)
		return;
	if ((!force && !orders_delivered(orders, name, error, sizeof(error))) ||
	    orders_pool_quit(orders, name, path, sizeof(path), error, sizeof(error)) < 0) {
		control_fail(request, 2, "%s", error);
		return;
	}
	json_t *answer = orders_say("pool %s is left; its files stay in %s", name, path);
	if (answer)
		(void)json_object_set_new(answer, "path", json_text(path));
	control_done(request, answer);
}

struct choice {
	struct mounts *mounts;
	const char *only;
	struct orders_pool *pools;
	size_t count;
	bool failed;
};

static void choose_one(void *arg, const char *name, struct pool *pool)
{
	struct choice *choice = arg;

	if (choice->failed || (choice->only[0] && strcmp(choice->only, name) != 0))
		return;
	struct orders_pool *grown =
		realloc(choice->pools, (choice->count + 1) * sizeof(*choice->pools));
	choice->failed = !grown;
	if (!grown)
		return;
	choice->pools = grown;
	struct orders_pool *chosen = &choice->pools[choice->count++];
	*chosen = (struct orders_pool){.pool = pool, .mounted = mounts_alive(choice->mounts, name)};
	(void)snprintf(chosen->name, sizeof(chosen->name), "%s", name);
	mounts_path(choice->mounts, name, chosen->mount, sizeof(chosen->mount));
}

int orders_pools(struct orders *orders, struct control_request *request, const char *only,
		 struct orders_pool **ret, size_t *ret_count)
{
	struct choice choice = {.mounts = orders->node->mounts, .only = only};

	pools_each(orders->node->pools, choose_one, &choice);
	if (!choice.failed && (choice.count || !only[0])) {
		*ret = choice.pools;
		*ret_count = choice.count;
		return 0;
	}
	free(choice.pools);
	control_fail(request, 2,
		     choice.failed
			     ? "no memory for \"%s\""
			     : "this node holds no open pool \"%s\"; multiall pool list shows "
			       "those it holds",
		     only);
	return -ENOENT;
}

struct mounting {
	struct mounts *mounts;
	const char *only; /* "": all */
	size_t seen;
};

static void mount_one(void *arg, const char *name, struct pool *pool)
{
	struct mounting *mounting = arg;
	char error[512];

	if (mounting->only[0] && strcmp(mounting->only, name) != 0)
		return;
	mounting->seen++;
	if (mounts_start(mounting->mounts, name, pool, error, sizeof(error)) < 0)
		log_error("%s", error);
}

/* What is mounted now and, one line each, what is not. */
static json_t *mount_report(struct orders *orders, const char *only, char *ret_failed, size_t size)
{
	struct snapshot *snapshot = NULL;
	json_t *mounted = json_array();
	size_t used = 0;

	ret_failed[0] = '\0';
	if (snapshot_take(orders->node, &snapshot) < 0) {
		(void)snprintf(ret_failed, size, "no memory to look");
		return mounted;
	}
	for (size_t i = 0; i < snapshot->pool_count; i++) {
		const struct snapshot_pool *pool = &snapshot->pools[i];

		if (only[0] && strcmp(only, pool->status.name) != 0)
			continue;
		if (!pool->problem[0]) {
			(void)json_array_append_new(mounted, json_text(pool->path));
			continue;
		}
		int n = snprintf(ret_failed + used, size - used, "%spool %s: %s", used ? "\n" : "",
				 pool->status.name, pool->problem);
		used += n > 0 && (size_t)n < size - used ? (size_t)n : 0;
	}
	snapshot_free(snapshot);
	return mounted;
}

void order_mount(struct orders *orders, struct control_request *request)
{
	const char *only = orders_text_optional(request, "name");
	struct mounting mounting = {.mounts = orders->node->mounts, .only = only};
	char failed[900];

	if (!only)
		return;
	pools_each(orders->node->pools, mount_one, &mounting);
	json_t *mounted = mount_report(orders, only, failed, sizeof(failed));
	if (failed[0] || (only[0] && json_array_size(mounted) == 0)) {
		json_decref(mounted);
		if (failed[0])
			control_fail(request, 1, "%s", failed);
		else
			control_fail(request, 2,
				     "this node holds no pool \"%s\"; multiall pool list shows "
				     "those it holds, multiall pool join enters one",
				     only);
		return;
	}
	json_t *answer = orders_say("%zu mounted", json_array_size(mounted));
	if (!answer || json_object_set(answer, "mounted", mounted) < 0)
		log_error("no memory for an answer");
	json_decref(mounted);
	control_done(request, answer);
}
