/* SPDX-License-Identifier: Apache-2.0
 * Real nets over loopback in one process, for tests: each node with a loop and a thread of its own,
 * a state directory below TMPDIR, and a record of its events that a test can wait on.
 * The rig owns everything; rig_free() ends it.
 * Test thread; waits end with the event, or fail the test after RIG_WAIT_MS.
 * Invariant: a wait never sleeps for a fixed time.
 */
#ifndef TESTS_LIB_NET_RIG_H
#define TESTS_LIB_NET_RIG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/fleet.h"
#include "net/net.h"

#define RIG_WAIT_MS 30000

struct rig_got {
	struct rig_got *next;
	uint16_t from;
	struct net_message *message;
};

struct rig {
	char name[32];
	char dir[128];
	struct fleet *fleet;
	struct loop *loop;
	struct net *net;
	uint16_t port;
	pthread_t thread;
	bool running;
	uint32_t handshake_ms;   /* for net_config; set before rig_start() */
	char public_address[64]; /* in its member record, instead of where it listens */
	pthread_mutex_t lock;    /* guards the rest */
	bool keep;
	pthread_cond_t changed;
	unsigned int ups[FLEET_MEMBERS_MAX + 1];
	unsigned int downs[FLEET_MEMBERS_MAX + 1];
	unsigned int fleet_changes;
	unsigned int writables[NET_CLASSES];
	uint64_t messages;
	uint64_t of_class[NET_CLASSES]; /* the same, of each */
	uint64_t bytes;
	struct rig_got *first;
	struct rig_got **last;
};

/* A node without a fleet, its net not running. */
struct rig *rig_new(const char *name);
void rig_free(struct rig *rig);

/* The net runs, on the port it had before, if it had one. */
void rig_start(struct rig *rig);
void rig_stop(struct rig *rig);

/* Founds a fleet at `first`; the others join it, one after the other; all nets run and are up. */
void rig_found(struct rig *first);
void rig_join(struct rig *joining, struct rig *member);
void rig_all_up(struct rig *const *rigs, size_t count);

uint16_t rig_number(struct rig *rig);
/* "127.0.0.1:PORT", where it listens. */
void rig_address(struct rig *rig, char ret[64]);

/* Ends the net and opens the fleet's files again, as a new process would. */
void rig_restart(struct rig *rig);

/* Runs on the node's loop and waits for it. */
void rig_run(struct rig *rig, void (*fn)(struct rig *rig, void *arg), void *arg);
void rig_announce(struct rig *rig);
void rig_status(struct rig *rig, uint16_t node, struct net_peer_status *ret);
void rig_counters(struct rig *rig, struct net_counters *ret);

/* True once `test` is; it runs with the lock held, after each event and every few milliseconds. */
bool rig_wait(struct rig *rig, bool (*test)(struct rig *rig, const void *arg), const void *arg);
/* `other` is up (ups > downs) at `rig`, or not. */
bool rig_wait_up(struct rig *rig, uint16_t other);
bool rig_wait_down(struct rig *rig, uint16_t other);
/* Until net_peer_status() has this text in its held_reason. */
bool rig_wait_held(struct rig *rig, uint16_t other, const char *text);

/* Messages wait for rig_take(), or are consumed at once. */
void rig_keep(struct rig *rig, bool keep);
/* The next message that was kept, consumed; the caller frees it. NULL: none came in time. */
struct net_message *rig_take(struct rig *rig, uint16_t *ret_from);

#endif
