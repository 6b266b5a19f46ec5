/* SPDX-License-Identifier: Apache-2.0 */
#include "status/orders.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/clock.h"
#include "core/version.h"
#include "net/fleet.h"
#include "replication/pools.h"
#include "status/json.h"
#include "status/snapshot.h"
#include "status/orders_parts.h"

#define WAIT_LOOK_MS     20
#define WAIT_PROGRESS_MS 1000
#define WAIT_LIMIT_MAX_S (365u * 86400)

static void on_waiter_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void waiter_end(struct waiter *waiter)
{
	struct waiter **at = &waiter->orders->waiters;

	while (*at && *at != waiter)
		at = &(*at)->next;
	if (*at)
		*at = waiter->next;
	if (waiter->drop)
		waiter->drop(waiter->arg);
	uv_close((uv_handle_t *)&waiter->timer, on_waiter_closed);
}

static void waiter_look(struct waiter *waiter)
{
	bool last = waiter->deadline_ms && clock_boot_ms() >= waiter->deadline_ms;

	if (waiter->look(waiter, last))
		waiter_end(waiter);
}

static void on_waiter(uv_timer_t *timer)
{
	waiter_look(timer->data);
}

void orders_wait(struct orders *orders, struct control_request *request, uint64_t limit_ms,
		 uint64_t every_ms, bool (*look)(struct waiter *waiter, bool last), void *arg,
		 void (*drop)(void *arg))
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	if (!waiter || uv_timer_init(loop_uv(orders->node->loop), &waiter->timer) < 0) {
		free(waiter);
		if (drop)
			drop(arg);
		control_fail(request, 2, "no memory to wait");
		return;
	}
	waiter->timer.data = waiter;
	waiter->orders = orders;
	waiter->request = request;
	waiter->deadline_ms = limit_ms == UINT64_MAX ? 0 : clock_boot_ms() + limit_ms;
	waiter->said_ms = clock_boot_ms();
	waiter->look = look;
	waiter->arg = arg;
	waiter->drop = drop;
	waiter->next = orders->waiters;
	orders->waiters = waiter;
	(void)uv_timer_start(&waiter->timer, on_waiter, every_ms, every_ms);
	waiter_look(waiter);
}

const char *orders_text_optional(struct control_request *request, const char *key)
{
	const json_t *value = json_object_get(control_body(request), key);

	if (!value)
		return "";
	const char *text = json_string_value(value);
	if (!text || strlen(text) != json_string_length(value) || strlen(text) > ORDERS_NAME_MAX) {
		control_fail(request, 2, "\"%s\" must be a text of at most %d bytes", key,
			     ORDERS_NAME_MAX);
		return NULL;
	}
	return text;
}

const char *orders_text(struct control_request *request, const char *key)
{
	const char *text = orders_text_optional(request, key);

	if (text && !text[0]) {
		control_fail(request, 2, "\"%s\" is missing in the request", key);
		return NULL;
	}
	return text;
}

json_t *orders_say(const char *format, ...)
{
	AUTO_FREE char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text ? json_pack("{s:o}", "text", json_text(text)) : NULL;
}

static void order_status(struct orders *orders, struct control_request *request)
{
	struct snapshot *snapshot = NULL;
	json_t *status = NULL;

	if (snapshot_take(orders->node, &snapshot) == 0)
		status = status_json(snapshot);
	snapshot_free(snapshot);
	if (status)
		control_done(request, json_pack("{s:o}", "status", status));
	else
		control_fail(request, 2, "no memory for the status");
}

static void order_version(struct orders *orders, struct control_request *request)
{
	(void)orders;
	control_done(request, json_pack("{s:s}", "version", MULTIALL_VERSION));
}

/* True: answered. */
static bool say_waiting(struct waiter *waiter, const char *why)
{
	uint64_t now = clock_boot_ms();

	if (now - waiter->said_ms < WAIT_PROGRESS_MS)
		return false;
	waiter->said_ms = now;
	if (control_progress(waiter->request, why))
		return false;
	control_fail(waiter->request, 2, "nobody waits any more");
	return true;
}

static bool look_position(struct waiter *waiter, bool last)
{
	const char *position = json_get_text(control_body(waiter->request), "position", "");
	int r = pools_has(waiter->orders->node->pools, position);

	if (r == 1)
		control_done(waiter->request, orders_say("%s is here", position));
	else if (r == MA_EUNKNOWN)
		control_fail(waiter->request, 2, "%s: this node holds no such pool", position);
	else if (r < 0)
		control_fail(waiter->request, 2,
			     "%s is no position; getfattr --only-values -n user.multiall.position "
			     "FILE prints one, for any FILE in a pool",
			     position);
	else if (last)
		control_fail(waiter->request, 1, "%s is not here yet", position);
	else
		return say_waiting(waiter, "not here yet");
	return true;
}

static bool look_in_sync(struct waiter *waiter, bool last)
{
	struct snapshot *snapshot = NULL;
	char why[768] = "no memory to look";
	char sentence[1024];
	bool good = false;

	if (snapshot_take(waiter->orders->node, &snapshot) == 0) {
		good = snapshot_in_sync(snapshot, why, sizeof(why));
		snapshot_sentence(snapshot, sentence, sizeof(sentence));
	}
	snapshot_free(snapshot);
	if (good) {
		control_done(waiter->request,
			     json_pack("{s:b, s:s}", "in_sync", 1, "text", sentence));
		return true;
	}
	if (last) {
		control_fail(waiter->request, 1, "not in sync: %s", why);
		return true;
	}
	return say_waiting(waiter, why);
}

/* On the loop, by looking again: what it waits for changes there, and nobody is held up. */
static void order_wait(struct orders *orders, struct control_request *request)
{
	int64_t limit_s = json_get_int(control_body(request), "timeout_s", -1);
	const char *position = orders_text_optional(request, "position");

	if (!position)
		return;

	if (limit_s > WAIT_LIMIT_MAX_S)
		limit_s = -1;
	orders_wait(orders, request, limit_s < 0 ? UINT64_MAX : (uint64_t)limit_s * 1000,
		    WAIT_LOOK_MS, position[0] ? look_position : look_in_sync, NULL, NULL);
}

static const struct {
	const char *name;
	void (*run)(struct orders *orders, struct control_request *request);
	bool needs_fleet;
} table[] = {
	{"status", order_status, false},
	{"version", order_version, false},
	{"wait", order_wait, false},
	{"conflicts", order_conflicts, false},
	{"init", order_init, false},
	{"join", order_join, false},
	{"invite", order_invite, true},
	{"leave", order_leave, true},
	{"remove", order_remove, true},
	{"why", order_why, true},
	{"plan", order_plan, true},
	{"pool-create", order_pool_create, true},
	{"pool-join", order_pool_join, true},
	{"pool-leave", order_pool_leave, true},
	{"pool-set", order_pool_set, true},
	{"pool-settings", order_pool_settings, true},
	{"trash", order_trash, false},
	{"trash-restore", order_trash_restore, false},
	{"trash-empty", order_trash_empty, false},
	{"mount", order_mount, false},
	{"health", order_health, false},
	{"health-explain", order_health_explain, false},
	{"health-check", order_health_check, false},
	{"health-codes", order_health_codes, false},
	{"health-lint", order_health_lint, false},
	{"health-set", order_health_set, true},
	{"health-rules", order_health_rules, true},
};

void orders_handle(void *arg, struct control_request *request)
{
	struct orders *orders = arg;
	const char *name = orders_text(request, "verb");
	size_t i = 0;

	if (!name)
		return;
	while (i < sizeof(table) / sizeof(table[0]) && strcmp(table[i].name, name) != 0)
		i++;
	if (i == sizeof(table) / sizeof(table[0]))
		control_fail(request, 2,
			     "takeconnector " MULTIALL_VERSION
			     " does not know the verb \"%s\"; is the command line newer "
			     "than the daemon that runs? Then restart the daemon.",
			     name);
	else if (orders->node->stopping)
		control_fail(request, 2, "takeconnector is ending; try again when it has started");
	else if (table[i].needs_fleet && !fleet_exists(orders->node->fleet))
		control_fail(request, 2,
			     "this node belongs to no fleet yet. Found one with: multiall init; or "
			     "enter one with the line that multiall invite prints on a member");
	else
		table[i].run(orders, request);
}

int orders_new(struct node *node, struct orders **ret)
{
	struct orders *orders = calloc(1, sizeof(*orders));

	if (!orders)
		return -ENOMEM;
	orders->node = node;
	*ret = orders;
	return 0;
}

void orders_free(struct orders *orders)
{
	if (!orders)
		return;
	while (orders->waiters) {
		struct waiter *waiter = orders->waiters;

		control_fail(waiter->request, 2, "takeconnector is ending");
		waiter_end(waiter);
	}
	free(orders);
}
