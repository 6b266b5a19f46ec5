/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/net_rig.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/clock.h"
#include "core/log.h"

#define POLL_MS 5 /* for what is not an event: states read on the loop */

static void fail(const char *what, const struct rig *rig)
{
	(void)fprintf(stderr, "rig %s: %s\n", rig->name, what);
	abort();
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

struct rig *rig_new(const char *name)
{
	const char *temp = getenv("TMPDIR");
	struct rig *rig = calloc(1, sizeof(*rig));
	pthread_condattr_t attr;
	char error[256];

	if (!rig)
		abort();
	(void)snprintf(rig->name, sizeof(rig->name), "%s", name);
	(void)snprintf(rig->dir, sizeof(rig->dir), "%s/net-rig-XXXXXX", temp ? temp : "/tmp");
	if (!mkdtemp(rig->dir))
		fail("no directory", rig);
	(void)pthread_mutex_init(&rig->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&rig->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	rig->last = &rig->first;
	if (fleet_open(rig->dir, &rig->fleet, error, sizeof(error)) < 0)
		fail(error, rig);
	return rig;
}

void rig_free(struct rig *rig)
{
	if (rig->running)
		rig_stop(rig);
	while (rig->first) {
		struct rig_got *next = rig->first->next;

		free(rig->first->message);
		free(rig->first);
		rig->first = next;
	}
	fleet_free(rig->fleet);
	(void)nftw(rig->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	(void)pthread_cond_destroy(&rig->changed);
	(void)pthread_mutex_destroy(&rig->lock);
	free(rig);
}

static void on_up(void *arg, uint16_t node)
{
	struct rig *rig = arg;
	AUTO_LOCK(held, &rig->lock);

	rig->ups[node]++;
	(void)pthread_cond_broadcast(&rig->changed);
}

static void on_down(void *arg, uint16_t node)
{
	struct rig *rig = arg;
	AUTO_LOCK(held, &rig->lock);

	rig->downs[node]++;
	(void)pthread_cond_broadcast(&rig->changed);
}

static void on_message(void *arg, uint16_t node, struct net_message *message)
{
	struct rig *rig = arg;
	AUTO_LOCK(held, &rig->lock);

	/* Between up and down only: what the header promises. */
	if (rig->ups[node] != rig->downs[node] + 1)
		fail("a message from a node that is not up", rig);
	rig->messages++;
	rig->of_class[message->class]++;
	rig->bytes += message->size;
	(void)pthread_cond_broadcast(&rig->changed);
	if (!rig->keep) {
		net_consumed(rig->net, node, (enum net_class)message->class, message->size);
		free(message);
		return;
	}
	struct rig_got *got = malloc(sizeof(*got));
	if (!got)
		abort();
	*got = (struct rig_got){.from = node, .message = message};
	*rig->last = got;
	rig->last = &got->next;
}

static void on_writable(void *arg, uint16_t node, enum net_class class)
{
	struct rig *rig = arg;
	AUTO_LOCK(held, &rig->lock);

	(void)node;
	rig->writables[class]++;
	(void)pthread_cond_broadcast(&rig->changed);
}

static void on_fleet_changed(void *arg)
{
	struct rig *rig = arg;
	AUTO_LOCK(held, &rig->lock);

	rig->fleet_changes++;
	(void)pthread_cond_broadcast(&rig->changed);
}

static void *run_loop(void *arg)
{
	struct rig *rig = arg;

	loop_run(rig->loop);
	return NULL;
}

void rig_start(struct rig *rig)
{
	char listen_at[32];
	char error[256];
	struct net_config config = {
		.fleet = rig->fleet,
		.listen = listen_at,
		.handshake_ms = rig->handshake_ms,
		.events = {.arg = rig,
			   .up = on_up,
			   .down = on_down,
			   .message = on_message,
			   .writable = on_writable,
			   .fleet_changed = on_fleet_changed},
	};

	(void)snprintf(listen_at, sizeof(listen_at), "127.0.0.1:%u", rig->port);
	if (loop_new(&rig->loop) < 0)
		fail("no loop", rig);
	config.loop = rig->loop;
	if (net_new(&config, &rig->net, error, sizeof(error)) < 0)
		fail(error, rig);
	rig->port = net_port(rig->net);
	rig->running = true;
	if (pthread_create(&rig->thread, NULL, run_loop, rig) != 0)
		fail("no thread", rig);
}

void rig_stop(struct rig *rig)
{
	loop_stop(rig->loop);
	(void)pthread_join(rig->thread, NULL);
	net_free(rig->net);
	loop_free(rig->loop);
	rig->net = NULL;
	rig->loop = NULL;
	rig->running = false;
	/* The end of the net ends all that was up; it does not say so. */
	memcpy(rig->downs, rig->ups, sizeof(rig->downs));
}

void rig_restart(struct rig *rig)
{
	char error[256];

	rig_stop(rig);
	fleet_free(rig->fleet);
	if (fleet_open(rig->dir, &rig->fleet, error, sizeof(error)) < 0)
		fail(error, rig);
	rig_start(rig);
}

void rig_address(struct rig *rig, char ret[64])
{
	(void)snprintf(ret, 64, "127.0.0.1:%u", rig->port);
}

uint16_t rig_number(struct rig *rig)
{
	struct member self;

	fleet_self(rig->fleet, &self);
	return self.number;
}

void rig_found(struct rig *first)
{
	char address[64];
	char error[256];

	if (!first->running)
		rig_start(first);
	rig_address(first, address);
	if (fleet_init(first->fleet, first->name,
		       first->public_address[0] ? first->public_address : address, error,
		       sizeof(error)) < 0)
		fail(error, first);
	rig_announce(first);
}

void rig_join(struct rig *joining, struct rig *member)
{
	char token[TOKEN_TEXT_SIZE];
	char address[64];
	char own[64];
	char error[256];

	if (!joining->running)
		rig_start(joining);
	rig_address(member, address);
	rig_address(joining, own);
	if (fleet_token_make(member->fleet, 3600, token, sizeof(token)) < 0)
		fail("no token", member);
	if (joining->public_address[0])
		(void)strcpy(own, joining->public_address);
	if (net_join_as(joining->fleet, address, token, joining->name, own, error, sizeof(error)) <
	    0)
		fail(error, joining);
	rig_announce(joining);
}

void rig_all_up(struct rig *const *rigs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < count; k++) {
			if (i != k && !rig_wait_up(rigs[i], rig_number(rigs[k])))
				fail("is not connected to all", rigs[i]);
		}
	}
}

struct call {
	struct rig *rig;
	void (*fn)(struct rig *rig, void *arg);
	void *arg;
	bool done;
};

static void do_call(void *arg)
{
	struct call *call = arg;

	call->fn(call->rig, call->arg);
	AUTO_LOCK(held, &call->rig->lock);
	call->done = true;
	(void)pthread_cond_broadcast(&call->rig->changed);
}

void rig_run(struct rig *rig, void (*fn)(struct rig *rig, void *arg), void *arg)
{
	struct call call = {.rig = rig, .fn = fn, .arg = arg};

	if (loop_post(rig->loop, do_call, &call) < 0)
		abort();
	AUTO_LOCK(held, &rig->lock);
	while (!call.done)
		(void)pthread_cond_wait(&rig->changed, &rig->lock);
}

static void announce(struct rig *rig, void *arg)
{
	(void)arg;
	net_announce(rig->net);
}

void rig_announce(struct rig *rig)
{
	rig_run(rig, announce, NULL);
}

struct status_call {
	uint16_t node;
	struct net_peer_status status;
	struct net_counters counters;
};

static void get_status(struct rig *rig, void *arg)
{
	struct status_call *call = arg;

	net_peer_status(rig->net, call->node, &call->status);
	net_counters(rig->net, &call->counters);
}

void rig_status(struct rig *rig, uint16_t node, struct net_peer_status *ret)
{
	struct status_call call = {.node = node};

	rig_run(rig, get_status, &call);
	*ret = call.status;
}

void rig_counters(struct rig *rig, struct net_counters *ret)
{
	struct status_call call = {.node = 0};

	rig_run(rig, get_status, &call);
	*ret = call.counters;
}

static struct timespec after(unsigned int ms)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

bool rig_wait(struct rig *rig, bool (*test)(struct rig *rig, const void *arg), const void *arg)
{
	uint64_t until = clock_boot_ms() + RIG_WAIT_MS;
	AUTO_LOCK(held, &rig->lock);

	while (!test(rig, arg)) {
		if (clock_boot_ms() > until)
			return false;
		struct timespec next = after(POLL_MS);
		(void)pthread_cond_timedwait(&rig->changed, &rig->lock, &next);
	}
	return true;
}

static bool is_up(struct rig *rig, const void *arg)
{
	uint16_t node = *(const uint16_t *)arg;

	return rig->ups[node] == rig->downs[node] + 1;
}

static bool is_down(struct rig *rig, const void *arg)
{
	return !is_up(rig, arg);
}

bool rig_wait_up(struct rig *rig, uint16_t other)
{
	return rig_wait(rig, is_up, &other);
}

bool rig_wait_down(struct rig *rig, uint16_t other)
{
	return rig_wait(rig, is_down, &other);
}

bool rig_wait_held(struct rig *rig, uint16_t other, const char *text)
{
	uint64_t until = clock_boot_ms() + RIG_WAIT_MS;
	struct net_peer_status status;

	do {
		rig_status(rig, other, &status);
		if (strstr(status.held_reason, text))
			return true;
	} while (clock_boot_ms() < until);
	(void)fprintf(stderr, "rig %s: node %u is held: \"%s\"\n", rig->name, other,
		      status.held_reason);
	return false;
}

void rig_keep(struct rig *rig, bool keep)
{
	AUTO_LOCK(held, &rig->lock);
	rig->keep = keep;
}

static bool has_message(struct rig *rig, const void *arg)
{
	(void)arg;
	return rig->first != NULL;
}

struct net_message *rig_take(struct rig *rig, uint16_t *ret_from)
{
	if (!rig_wait(rig, has_message, NULL))
		return NULL;
	struct rig_got *got;
	{
		AUTO_LOCK(held, &rig->lock);
		got = rig->first;
		rig->first = got->next;
		if (!rig->first)
			rig->last = &rig->first;
	}
	struct net_message *message = got->message;
	uint16_t from = got->from;
	if (ret_from)
		*ret_from = from;
	free(got);
	net_consumed(rig->net, from, (enum net_class)message->class, message->size);
	return message;
}
