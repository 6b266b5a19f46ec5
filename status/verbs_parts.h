/* SPDX-License-Identifier: Apache-2.0
 * What the files of the verbs share: the state behind them and the functions in the table.
 * Owned by verbs.c.
 * Loop thread.
 * Invariant: a waiter is in the list exactly as long as its timer is open.
 */
#ifndef STATUS_VERBS_PARTS_H
#define STATUS_VERBS_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "core/json.h"
#include "status/control.h"
#include "status/node.h"

#define VERBS_NAME_MAX 128 /* bytes of a name, address or token in a request */

/* A request that is looked at again every so often until it can be answered. */
struct waiter {
	uv_timer_t timer;
	struct waiter *next;
	struct verbs *verbs;
	struct control_request *request;
	uint64_t deadline_ms; /* 0: none */
	uint64_t said_ms;     /* last progress */
	/* True: answered. `last`: the time is up, so it must answer now. */
	bool (*look)(struct waiter *waiter, bool last);
	void (*drop)(void *arg); /* frees arg; may be NULL */
	void *arg;
};

struct verbs {
	struct node *node;
	struct waiter *waiters;
	bool changing; /* a join or leave is under way: no other one, no init */
};

/* Looks once at once, then every `every_ms` until `look` says that it has answered. Takes `arg`. */
void verbs_wait(struct verbs *verbs, struct control_request *request, uint64_t limit_ms,
		uint64_t every_ms, bool (*look)(struct waiter *waiter, bool last), void *arg,
		void (*drop)(void *arg));

/* A text of the request; answers the request and returns NULL if it is missing or too long. */
const char *verbs_text(struct control_request *request, const char *key);
/* The same, but "" if it is missing. NULL only if it is there and bad. */
const char *verbs_text_optional(struct control_request *request, const char *key);

/* {"text": ...} for people; further members may be added. */
json_t *verbs_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* verbs_fleet.c */
void verb_init(struct verbs *verbs, struct control_request *request);
void verb_invite(struct verbs *verbs, struct control_request *request);
void verb_join(struct verbs *verbs, struct control_request *request);
void verb_leave(struct verbs *verbs, struct control_request *request);
void verb_remove(struct verbs *verbs, struct control_request *request);

/* verbs_pool.c */
void verb_pool_create(struct verbs *verbs, struct control_request *request);
void verb_pool_join(struct verbs *verbs, struct control_request *request);
void verb_pool_leave(struct verbs *verbs, struct control_request *request);
void verb_mount(struct verbs *verbs, struct control_request *request);
/* Joins and mounts one pool. */
MUST_CHECK int verbs_pool_enter(struct verbs *verbs, const char *name, char *error, size_t size);
/* Unmounts and leaves one pool; `error` says what stands in the way. */
MUST_CHECK int verbs_pool_quit(struct verbs *verbs, const char *name, char *ret_path,
			       size_t path_size, char *error, size_t size);
/* Whether some other node holds all that was written here, for one pool or (NULL) for all. */
bool verbs_delivered(struct verbs *verbs, const char *name, char *why, size_t size);

#endif
