/* SPDX-License-Identifier: Apache-2.0
 * A few pools in one test: nodes 1, 2, ... of one pool, each over a store in memory, their messages
 * in a queue, a clock that only the rig moves. Nothing happens but by a call to the rig.
 * The rig owns pools, stores and state directories.
 * Test thread; whatever goes wrong fails the test.
 * Invariant: the same calls give the same messages, stamps and trees.
 */
#ifndef TESTS_LIB_POOL_RIG_H
#define TESTS_LIB_POOL_RIG_H

#include "replication/engine.h"

#define RIG_NODES_MAX 4

struct rig_node {
	struct pool_rig *rig;
	struct pool *p; /* NULL: it is down */
	struct store *store;
	uint16_t number;
	struct keypair key;
	char *dir;
	bool power_cut; /* since it was open */
};

struct rig_message {
	struct rig_message *next;
	uint16_t from, to, type;
	size_t size;
	uint8_t body[];
};

struct pool_rig {
	char dir[128];
	size_t count;
	struct rig_node nodes[RIG_NODES_MAX + 1]; /* by number; 0 is not used */
	bool linked[RIG_NODES_MAX + 1][RIG_NODES_MAX + 1];
	struct rig_message *first;
	size_t queued[RIG_NODES_MAX + 1][RIG_NODES_MAX + 1];
	size_t queue_max;    /* messages to one node before -EAGAIN; 0: no limit */
	uint64_t sent[64];   /* messages that went out, by type */
	uint64_t sent_bytes; /* of all of them */
};

void pool_rig_init(struct pool_rig *rig, size_t count);
void pool_rig_done(struct pool_rig *rig);
/* Moves the clock; puts it back to its beginning, so that the same calls get the same stamps. */
void rig_wait(uint64_t ms);
/* Somebody sets the clock. */
void rig_set_clock(int64_t by_ms);
void rig_clock_begin(void);

/* A cable between two, or all. Cutting one loses what is under way. */
void rig_link(struct pool_rig *rig, uint16_t a, uint16_t b);
void rig_link_all(struct pool_rig *rig);
void rig_cut(struct pool_rig *rig, uint16_t a, uint16_t b);
void rig_cut_all(struct pool_rig *rig);

/* Ends a node as kill -9 does; the store and what the journal holds stay. */
void rig_kill(struct pool_rig *rig, uint16_t node);
/* The power fails for the node: of its tree is lost what was not synced, as `seed` has it; its
 * state directory is as after a kill. */
void rig_power_cut(struct pool_rig *rig, uint16_t node, uint64_t seed);
/* Ends it in order. */
void rig_stop(struct pool_rig *rig, uint16_t node);
void rig_start(struct pool_rig *rig, uint16_t node);

/* One message to its end. False: there was none. */
bool rig_deliver(struct pool_rig *rig);
/* Lets everybody do what is to be done, until there is nothing more, for at most two minutes of
 * the rig's clock. */
void rig_run(struct pool_rig *rig);
/* The same, then all nodes that are up must say "in sync", have equal trees, and be sound. */
void rig_settle(struct pool_rig *rig);
/* From now on the journal of this node reaches back to nothing: peers get the state. */
void rig_forget_log(struct pool_rig *rig, uint16_t node);

/* Objects, index and tree of a node say the same: each name in the tree is a link, each link is in
 * the tree, under the name that it is to be shown as. */
void rig_check(struct pool_rig *rig, uint16_t node);
/* The same for a pool of whoever. */
void rig_check_pool(struct pool *p);
/* store_dump() of a node; the caller frees it. */
char *rig_dump(struct pool_rig *rig, uint16_t node);

/* --- calls of an application; paths like "/d/f" --- */
uint64_t rig_id(struct pool_rig *rig, uint16_t node, const char *path); /* 0: there is none */
bool rig_there(struct pool_rig *rig, uint16_t node, const char *path);
void rig_mkdir(struct pool_rig *rig, uint16_t node, const char *path);
void rig_symlink(struct pool_rig *rig, uint16_t node, const char *path, const char *target);
/* Makes the file if it is not there; replaces what it holds. */
void rig_put(struct pool_rig *rig, uint16_t node, const char *path, const char *text);
void rig_put_bytes(struct pool_rig *rig, uint16_t node, const char *path, const void *data,
		   size_t size);
void rig_append_text(struct pool_rig *rig, uint16_t node, const char *path, const char *text);
void rig_expect(struct pool_rig *rig, uint16_t node, const char *path, const char *text);
/* These give what the pool answers. */
int rig_unlink(struct pool_rig *rig, uint16_t node, const char *path);
int rig_rmdir(struct pool_rig *rig, uint16_t node, const char *path);
int rig_rename(struct pool_rig *rig, uint16_t node, const char *path, const char *to,
	       unsigned int flags);
int rig_hard_link(struct pool_rig *rig, uint16_t node, const char *path, const char *to);
int rig_chmod(struct pool_rig *rig, uint16_t node, const char *path, mode_t mode);
int rig_set_xattr(struct pool_rig *rig, uint16_t node, const char *path, const char *name,
		  const char *value);
int rig_remove_xattr(struct pool_rig *rig, uint16_t node, const char *path, const char *name);
/* How many entries of the directory have this in their name. */
size_t rig_count(struct pool_rig *rig, uint16_t node, const char *dir, const char *part);
/* The one entry of the directory that has this in its name, as a path; the caller frees it. */
char *rig_find(struct pool_rig *rig, uint16_t node, const char *dir, const char *part);

#endif
