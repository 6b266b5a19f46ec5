/* SPDX-License-Identifier: Apache-2.0
 * What the files of the orders share: the state behind them and the functions in the table.
 * Owned by orders.c.
 * Loop thread.
 * Invariant: a waiter is in the list exactly as long as its timer is open.
 */
#ifndef STATUS_ORDERS_PARTS_H
#define STATUS_ORDERS_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/json.h"
#include "core/loop.h"
#include "net/fleet.h"
#include "status/control.h"
#include "status/node.h"

struct member;
struct snapshot;

#define ORDERS_NAME_MAX 128 /* bytes of a name, address or token in a request */

/* A request that is looked at again every so often until it can be answered. */
struct waiter {
	uv_timer_t timer;
	struct waiter *next;
	struct orders *orders;
	struct control_request *request;
	uint64_t deadline_ms; /* 0: none */
	uint64_t said_ms;     /* last progress */
	/* True: answered. `last`: the time is up, so it must answer now. */
	bool (*look)(struct waiter *waiter, bool last);
	void (*drop)(void *arg); /* frees arg; may be NULL */
	void *arg;
};

struct orders {
	struct node *node;
	struct waiter *waiters;
	bool changing;        /* a join or leave is under way: no other one, no init */
	unsigned int looking; /* jobs that read pools: none is left meanwhile */
};

/* Looks once at once, then every `every_ms` until `look` says that it has answered. Takes `arg`. */
void orders_wait(struct orders *orders, struct control_request *request, uint64_t limit_ms,
		 uint64_t every_ms, bool (*look)(struct waiter *waiter, bool last), void *arg,
		 void (*drop)(void *arg));

/* A text of the request; answers the request and returns NULL if it is missing or too long. */
const char *orders_text(struct control_request *request, const char *key);
/* The same, but "" if it is missing. NULL only if it is there and bad. */
const char *orders_text_optional(struct control_request *request, const char *key);

/* {"text": ...} for people; further members may be added. */
json_t *orders_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* orders_fleet.c */
void order_init(struct orders *orders, struct control_request *request);
void order_invite(struct orders *orders, struct control_request *request);
void order_join(struct orders *orders, struct control_request *request);
void order_leave(struct orders *orders, struct control_request *request);
void order_remove(struct orders *orders, struct control_request *request);

/* orders_conflicts.c */
void order_conflicts(struct orders *orders, struct control_request *request);

/* orders_trash.c */
void order_trash(struct orders *orders, struct control_request *request);
void order_trash_restore(struct orders *orders, struct control_request *request);
void order_trash_empty(struct orders *orders, struct control_request *request);

/* orders_settings.c */
void order_pool_set(struct orders *orders, struct control_request *request);
void order_pool_settings(struct orders *orders, struct control_request *request);

/* orders_health.c */
void order_health(struct orders *orders, struct control_request *request);
void order_health_explain(struct orders *orders, struct control_request *request);
void order_health_check(struct orders *orders, struct control_request *request);
void order_health_codes(struct orders *orders, struct control_request *request);
void order_health_lint(struct orders *orders, struct control_request *request);
void order_health_set(struct orders *orders, struct control_request *request);
void order_health_rules(struct orders *orders, struct control_request *request);

/* orders_tns.c */
void order_why(struct orders *orders, struct control_request *request);
void order_plan(struct orders *orders, struct control_request *request);
/* The member that the request names; answers it if there is none. */
MUST_CHECK int orders_member(struct orders *orders, struct control_request *request,
			     struct member *ret);
/* Pure: a pool that no node but this one holds and serves; NULL if there is none. */
const char *orders_last_copy(const struct snapshot *snapshot, const struct member *leaving);

/* orders_pool.c */
void order_pool_create(struct orders *orders, struct control_request *request);
void order_pool_join(struct orders *orders, struct control_request *request);
void order_pool_leave(struct orders *orders, struct control_request *request);
void order_mount(struct orders *orders, struct control_request *request);
/* An open pool, for a job: none leaves while orders->looking. */
struct orders_pool {
	char name[FLEET_NAME_MAX + 1];
	struct pool *pool;
	bool mounted;
	char mount[320];
};
/* The pool of that name, or ("") all. The caller frees the list. Answers the request if it fails.
 */
MUST_CHECK int orders_pools(struct orders *orders, struct control_request *request,
			    const char *only, struct orders_pool **ret, size_t *ret_count);
/* Joins and mounts one pool. */
MUST_CHECK int orders_pool_enter(struct orders *orders, const char *name, char *error, size_t size);
/* Unmounts and leaves one pool; `error` says what stands in the way. */
MUST_CHECK int orders_pool_quit(struct orders *orders, const char *name, char *ret_path,
				size_t path_size, char *error, size_t size);
/* Whether some other node holds all that was written here, for one pool or (NULL) for all. */
bool orders_delivered(struct orders *orders, const char *name, char *why, size_t size);

#endif
