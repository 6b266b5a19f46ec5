/* SPDX-License-Identifier: Apache-2.0 */
#include "status/orders_parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/address.h"
#include "core/auto.h"
#include "core/log.h"
#include "core/places.h"
#include "core/settings.h"
#include "net/fleet.h"
#include "net/member.h"
#include "net/net.h"
#include "replication/pools.h"
#include "topology/tns.h"

#define INVITE_TTL_S      3600
#define INVITE_TTL_MAX_S  (30u * 86400)
#define JOIN_POOL_MS      10000 /* for the news of a pool to come from the node that let us in */
#define JOIN_POOL_LOOK_MS 100
#define LEAVE_MS          2000 /* for the news that we leave to go out */
#define LEAVE_LOOK_MS     20

/* The address that others are given: as asked for, else as set, else as bound to; else, of one that
 * joins, as the member sees it (":PORT" asks for that), else as found here. */
static int own_address(const struct node *node, const char *given, bool joins, char *ret,
		       size_t size, char *error, size_t error_size)
{
	const char *listen = node->settings->text[SETTING_LISTEN];
	const char *set = node->settings->text[SETTING_ADVERTISE];
	char host[ADDRESS_TEXT_MAX];
	uint16_t port;
	uint16_t listen_port;

	if (address_split(listen, ADDRESS_PEER_PORT, host, sizeof(host), &listen_port) < 0)
		return err_say(error, error_size, -EINVAL, "listen = %s is not an address", listen);
	if (!given[0] && strcmp(set, "auto") != 0)
		given = set;
	if (given[0]) {
		if (address_split(given, listen_port, host, sizeof(host), &port) < 0)
			return err_say(error, error_size, -EINVAL,
				       "\"%s\" is not an address; write 10.0.0.1, 10.0.0.1:7447 or "
				       "[fd00::1]:7447",
				       given);
		address_join(host, port, ret, size);
		return 0;
	}
	/* Bound to one address: that is where others reach us. */
	if (strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0) {
		address_join(host, listen_port, ret, size);
		return 0;
	}
	if (joins) {
		(void)snprintf(ret, size, ":%u", (unsigned int)listen_port);
		return 0;
	}
	if (address_own(host, sizeof(host)) < 0)
		return err_say(
			error, error_size, -EADDRNOTAVAIL,
			"this node has no network address but loopback. Bring up its network, "
			"or say which address the others shall use: --address ADDRESS");
	address_join(host, listen_port, ret, size);
	return 0;
}

/* The host's name up to its first dot. */
static void host_name(char *ret, size_t size)
{
	if (gethostname(ret, size) < 0)
		(void)snprintf(ret, size, "node");
	ret[size - 1] = '\0';
	ret[strcspn(ret, ".")] = '\0';
}

void order_init(struct orders *orders, struct control_request *request)
{
	struct node *node = orders->node;
	const char *name = orders_text_optional(request, "name");
	const char *given = name ? orders_text_optional(request, "address") : NULL;
	char host[FLEET_NAME_MAX + 1];
	char address[ADDRESS_TEXT_MAX + 16];
	char error[512] = "";

	if (!given)
		return;
	host_name(host, sizeof(host));
	if (!name[0])
		name = host;
	if (fleet_exists(node->fleet) || orders->changing) {
		control_fail(request, 2,
			     "this node belongs to a fleet already (multiall status shows it). To "
			     "found another one, leave it first: multiall leave");
		return;
	}
	if (own_address(node, given, false, address, sizeof(address), error, sizeof(error)) < 0) {
		control_fail(request, 2, "%s", error);
		return;
	}
	int r = fleet_init(node->fleet, name, address, error, sizeof(error));
	if (r == 0)
		r = tns_witness_set(node->places->tns, false);
	if (r < 0) {
		control_fail(request, 2, "cannot found a fleet: %s",
			     error[0] ? error : err_text(r));
		return;
	}
	log_info("fleet founded; this node is %s at %s", name, address);
	if (node->net_start(node, error, sizeof(error)) < 0) {
		control_fail(request, 2, "the fleet is founded, but its network does not run: %s",
			     error);
		return;
	}
	json_t *answer =
		orders_say("%s has founded a fleet and is reached at %s. Next: multiall pool "
			   "create NAME, then multiall invite for each further node.",
			   name, address);
	if (answer) {
		(void)json_object_set_new(answer, "node", json_text(name));
		(void)json_object_set_new(answer, "address", json_text(address));
	}
	control_done(request, answer);
}

void order_invite(struct orders *orders, struct control_request *request)
{
	int64_t ttl_s = json_get_int(control_body(request), "ttl_s", INVITE_TTL_S);
	struct member self;
	char token[TOKEN_TEXT_SIZE];

	if (ttl_s < 1 || ttl_s > INVITE_TTL_MAX_S) {
		control_fail(request, 2, "a token is valid for 1 s to 30 d, not for %lld s",
			     (long long)ttl_s);
		return;
	}
	fleet_self(orders->node->fleet, &self);
	int r = fleet_token_make(orders->node->fleet, (uint32_t)ttl_s, token, sizeof(token));
	if (r == MA_ELIMIT)
		control_fail(request, 2,
			     "%d tokens are open; each ends when it is used or runs out. Wait, or "
			     "use one of them",
			     FLEET_TOKENS_MAX);
	else if (r < 0)
		control_fail(request, 2, "cannot make a token: %s", err_text(r));
	else
		control_done(request, json_pack("{s:s, s:s, s:I}", "address", self.addresses[0],
						"token", token, "ttl_s", (json_int_t)ttl_s));
}

/* ---- join: the exchange on a worker thread, then the pools, on the loop */

struct join {
	uv_work_t work;
	struct orders *orders;
	struct control_request *request;
	char address[ORDERS_NAME_MAX + 1];
	char token[ORDERS_NAME_MAX + 1];
	char own[ADDRESS_TEXT_MAX + 16];
	char name[FLEET_NAME_MAX + 1];
	bool witness;
	int r;
	char error[512];
	size_t pool_count;
	size_t next;
	char pools[FLEET_POOLS_MAX][FLEET_NAME_MAX + 1];
};

static void join_drop(void *arg)
{
	struct join *join = arg;

	crypto_wipe(join->token, sizeof(join->token));
	free(join);
}

static void join_run(uv_work_t *work)
{
	struct join *join = work->data;

	join->r = net_join_as(join->orders->node->fleet, join->address, join->token, join->name,
			      join->own, join->error, sizeof(join->error));
}

/* Enters the pools one after the other. A pool that is not known yet may become so: the node that
 * let us in tells us of it. */
static bool look_join_pools(struct waiter *waiter, bool last)
{
	struct join *join = waiter->arg;
	struct member self;
	char error[1024];

	while (join->next < join->pool_count) {
		int r = orders_pool_enter(waiter->orders, join->pools[join->next], error,
					  sizeof(error));
		if (r == MA_EUNKNOWN && !last)
			return false;
		if (r < 0) {
			control_fail(waiter->request, 2,
				     "this node is a member of the fleet now, but: %s. Try again "
				     "with: multiall pool join %s",
				     error, join->pools[join->next]);
			return true;
		}
		join->next++;
	}
	fleet_self(waiter->orders->node->fleet, &self);
	json_t *answer = orders_say("%s is a member of the fleet now, reached at %s%s", self.name,
				    self.addresses[0],
				    join->pool_count ? "; its pools are mounted and fill"
						     : ". Next: multiall pool join NAME");
	if (answer)
		(void)json_object_set_new(answer, "node", json_text(self.name));
	control_done(waiter->request, answer);
	return true;
}

static void on_joined(uv_work_t *work, int status)
{
	struct join *join = work->data;
	struct orders *orders = join->orders;
	struct node *node = orders->node;
	struct control_request *request = join->request;

	orders->changing = false;
	node->jobs--;
	int r = status < 0 ? status : join->r;
	if (r == 0)
		r = tns_witness_set(node->places->tns, join->witness);
	if (r == 0)
		r = node->net_start(node, join->error, sizeof(join->error));
	if (r < 0) {
		log_warn("join at %s: %s", join->address, join->error);
		control_fail(request, 2, "cannot join at %s: %s", join->address,
			     join->error[0] ? join->error : err_text(r));
		join_drop(join);
	} else {
		log_info("joined the fleet at %s", join->address);
		orders_wait(orders, request, JOIN_POOL_MS, JOIN_POOL_LOOK_MS, look_join_pools, join,
			    join_drop);
	}
	node->job_done(node);
}

/* Copies the names of the pools out of the request. */
static int join_pools(struct join *join, const json_t *names)
{
	size_t i;
	json_t *value;

	if (json_array_size(names) > FLEET_POOLS_MAX)
		return -E2BIG;
	json_array_foreach (names, i, value) {
		const char *name = json_string_value(value);

		if (!name || !member_name_valid(name))
			return -EINVAL;
		(void)snprintf(join->pools[join->pool_count++], sizeof(join->pools[0]), "%s", name);
	}
	return 0;
}

void order_join(struct orders *orders, struct control_request *request)
{
	struct node *node = orders->node;
	const char *address = orders_text(request, "address");
	const char *token = address ? orders_text(request, "token") : NULL;
	const char *given = token ? orders_text_optional(request, "own_address") : NULL;
	const char *name = given ? orders_text_optional(request, "name") : NULL;
	const char *role = name ? orders_text_optional(request, "role") : NULL;
	char error[512];

	if (!role)
		return;
	if (fleet_exists(node->fleet) || orders->changing) {
		control_fail(
			request, 2,
			"this node belongs to a fleet already (multiall status shows it), or is "
			"just joining one. To enter another, leave first: multiall leave");
		return;
	}
	struct join *join = calloc(1, sizeof(*join));
	if (!join) {
		control_fail(request, 2, "no memory to join");
		return;
	}
	(void)snprintf(join->address, sizeof(join->address), "%s", address);
	host_name(join->name, sizeof(join->name));
	if (name[0])
		(void)snprintf(join->name, sizeof(join->name), "%s", name);
	(void)snprintf(join->token, sizeof(join->token), "%s", token);
	join->witness = strcmp(role, "witness") == 0;
	join->orders = orders;
	join->request = request;
	join->work.data = join;
	if (join_pools(join, json_object_get(control_body(request), "pools")) < 0)
		control_fail(request, 2, "a name of a pool is not valid, or there are more than %d",
			     FLEET_POOLS_MAX);
	else if (role[0] && (!join->witness || join->pool_count))
		control_fail(request, 2,
			     "the only role that there is, is witness; a witness holds no pool");
	else if (!member_name_valid(join->name) || strlen(name) > FLEET_NAME_MAX)
		control_fail(request, 2, "\"%s\" cannot be the name of a node", name);
	else if (own_address(node, given, true, join->own, sizeof(join->own), error,
			     sizeof(error)) < 0)
		control_fail(request, 2, "%s", error);
	else if (uv_queue_work(loop_uv(node->loop), &join->work, join_run, on_joined) < 0)
		control_fail(request, 2, "no thread to join with");
	else {
		orders->changing = true;
		node->jobs++;
		return;
	}
	join_drop(join);
}

/* ---- leave */

struct leaving {
	char text[900]; /* where the files are */
	size_t used;
};

/* All pools of this node, one after the other; their paths are noted. */
static int leave_pools(struct orders *orders, struct leaving *leaving, char *error, size_t size)
{
	size_t count = pools_status(orders->node->pools, NULL, 0);
	AUTO_FREE struct pool_status *pools = calloc(count + 1, sizeof(*pools));

	if (!pools)
		return err_say(error, size, -ENOMEM, "no memory");
	if (pools_status(orders->node->pools, pools, count) < count)
		return err_say(error, size, -EAGAIN, "the pools are changing; try again");
	for (size_t i = 0; i < count; i++) {
		char path[512] = "";
		int r = orders_pool_quit(orders, pools[i].name, path, sizeof(path), error, size);

		if (r < 0)
			return r;
		int n = snprintf(leaving->text + leaving->used,
				 sizeof(leaving->text) - leaving->used, "%s %s in %s",
				 leaving->used ? "," : " Its files stay:", pools[i].name, path);
		if (n > 0 && (size_t)n < sizeof(leaving->text) - leaving->used)
			leaving->used += (size_t)n;
	}
	return 0;
}

/* Once the others refuse us (they have heard that we left) or the time is up. */
static bool look_left(struct waiter *waiter, bool last)
{
	struct node *node = waiter->orders->node;
	const struct leaving *leaving = waiter->arg;
	size_t count = fleet_members(node->fleet, NULL, 0);
	AUTO_FREE struct member *members = calloc(count + 1, sizeof(*members));
	size_t linked = 0;

	if (members && node->net && !last) {
		size_t now = fleet_members(node->fleet, members, count);
		for (size_t i = 0; i < (now < count ? now : count); i++) {
			struct net_peer_status link = {0};

			net_peer_status(node->net, members[i].number, &link);
			linked += link.connected;
		}
		if (linked)
			return false;
	}
	waiter->orders->changing = false;
	node->net_stop(node);
	int r = fleet_forget(node->fleet);
	if (r < 0)
		control_fail(waiter->request, 2,
			     "the fleet knows that this node left, but its state could not be "
			     "removed: %s",
			     err_text(r));
	else
		control_done(waiter->request,
			     orders_say("this node has left its fleet.%s", leaving->text));
	log_info("left the fleet");
	return true;
}

void order_leave(struct orders *orders, struct control_request *request)
{
	struct node *node = orders->node;
	bool force = json_get_bool(control_body(request), "force", false);
	struct leaving *leaving = calloc(1, sizeof(*leaving));
	struct member self;
	char error[1024] = "no memory";

	if (!leaving || orders->changing ||
	    (!force && !orders_delivered(orders, NULL, error, sizeof(error))) ||
	    leave_pools(orders, leaving, error, sizeof(error)) < 0) {
		free(leaving);
		control_fail(request, 2, "%s",
			     orders->changing ? "a join or leave is under way; try again" : error);
		return;
	}
	fleet_self(node->fleet, &self);
	int r = self.state == MEMBER_ACTIVE ? fleet_remove(node->fleet, self.number, MEMBER_LEFT)
					    : 0;
	if (r < 0) {
		free(leaving);
		control_fail(request, 2, "the pools are left, but not the fleet: %s", err_text(r));
		return;
	}
	if (node->net)
		net_announce(node->net);
	orders->changing = true;
	orders_wait(orders, request, LEAVE_MS, LEAVE_LOOK_MS, look_left, leaving, free);
}

void order_remove(struct orders *orders, struct control_request *request)
{
	struct fleet *fleet = orders->node->fleet;
	struct member member;
	struct member self;

	if (orders_member(orders, request, &member) < 0)
		return;
	fleet_self(fleet, &self);
	if (member.number == self.number) {
		control_fail(request, 2, "%s is this node; to take it out: multiall leave",
			     member.name);
		return;
	}
	if (member.state != MEMBER_ACTIVE) {
		control_done(request, orders_say("%s is no member any more", member.name));
		return;
	}
	int r = fleet_remove(fleet, member.number, MEMBER_REMOVED);
	if (r < 0) {
		control_fail(request, 2, "cannot remove %s: %s", member.name, err_text(r));
		return;
	}
	log_info("removed node %s (%u)", member.name, (unsigned int)member.number);
	if (orders->node->net)
		net_announce(orders->node->net);
	pools_fleet_changed(orders->node->pools);
	control_done(request, orders_say("%s is removed: every member refuses it from now on, for "
					 "ever. What it holds on its own disk stays there.",
					 member.name));
}
