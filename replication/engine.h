/* SPDX-License-Identifier: Apache-2.0
 * The inside of a pool, shared by the files of replication/ only; the outside is pool.h, pools.h.
 * The pool owns everything here. Lock order: barrier, object locks, then (one at a time, never
 * nested) cache, journal, position, session, queue locks inside their own files.
 * Each function says which of them its caller holds.
 * Invariant: objects change only while the barrier is held shared, so that a flush, which holds
 * it alone, sees a state that belongs to one journal position.
 */
#ifndef REPLICATION_ENGINE_H
#define REPLICATION_ENGINE_H

#include <pthread.h>

#include "core/clock.h"
#include "net/net.h"
#include "replication/journal.h"
#include "replication/locks.h"
#include "replication/object_state.h"
#include "replication/pool.h"
#include "replication/pools.h"

/* Where the pool reaches the world; the simulator has its own. */
struct pool_io {
	void *arg;
	/* As net_send(). */
	int (*send)(void *arg, uint16_t node, enum net_class class, uint16_t type,
		    const struct net_part *parts, size_t count);
	/* As net_consumed(); may be NULL. */
	void (*consumed)(void *arg, uint16_t node, enum net_class class, size_t size);
	/* The key of a member; MA_EUNKNOWN, MA_EREFUSED. */
	int (*member_key)(void *arg, uint16_t node, uint8_t ret[KEY_PUBLIC_SIZE]);
};

/* What each slot has brought so far: vector and chain. */
struct position {
	struct vector vector;
	uint8_t chains[VECTOR_MAX][HASH_SIZE]; /* beside vector.entries */
};

struct session;
struct pending;
struct graves;
struct trash;
struct catchup_in;
struct brief_packer;

struct pair_list {
	struct {
		uint64_t a, b;
	} * pairs;
	size_t count;
};

enum pool_problems { PROBLEM_WRITING, PROBLEM_PEER, PROBLEM_ROOM, POOL_PROBLEMS };

struct pool {
	char name[FLEET_NAME_MAX + 1];
	uint64_t id;
	char *dir, *backing; /* of its state; of the files */
	uint16_t node;
	const struct keypair *key; /* borrowed: the fleet's */
	struct pool_io io;
	struct pool_watch watch;

	struct store *store;
	struct store_handle private_dir; /* POOL_RESERVED in the backing directory */
	struct journal *journal;
	struct index *ix;
	struct object_cache *cache;
	struct locks locks;
	pthread_rwlock_t barrier;

	pthread_mutex_t position_lock; /* guards the next ones up to slot */
	struct position position;
	struct vector begun;          /* with what is being applied: own records rest on it */
	struct vector log_floor;      /* the journal lacks batches below: they came as state */
	bool flushed_whole;           /* nothing was open at the last flush */
	struct vector flushed_vector; /* state hash and vector of the last flush belong together */
	uint8_t flushed_hash[STATE_HASH_SIZE];
	uint64_t flushed_pos;
	uint16_t slot;
	uint64_t journal_max, log_max, inline_max; /* bytes; see pool_open.h */

	pthread_mutex_t seal_lock;  /* one batch is being closed */
	pthread_mutex_t flush_lock; /* one flush is under way */
	pthread_mutex_t sync_lock;  /* guards the next ones */
	pthread_cond_t sync_done;
	bool syncing;
	struct unsynced *unsynced; /* a lock of its own */
	uint64_t apart_bytes;      /* so written since a checkpoint was tried; atomic */

	pthread_mutex_t checkpoint_lock; /* one is being made; for the next two, atomic: */
	uint64_t checkpoint_pos, checkpoint_tried; /* where the journal is kept from; last try */
	pthread_mutex_t session_lock;              /* guards sessions and all in them */
	struct session *sessions[POOL_PEERS_MAX];
	size_t session_count;
	struct brief_packer *packer; /* see brief.h */
	pthread_cond_t acked; /* somebody acknowledged; with the next four see durability.h */
	uint8_t level;
	bool degraded, refusing;
	uint64_t missed; /* our change that first had too few copies */

	pthread_mutex_t losers_lock; /* guards the next four; see losers.h */
	struct pair_list doubts, losers, merges, disturbed, circles;

	struct worker *worker;         /* threads and queue; NULL in the simulator */
	struct trash *trash;           /* removed by peers; NULL: nothing is kept */
	struct forgetting *forgetting; /* removed objects; a lock of its own */
	struct graves *graves;         /* removed by peers a moment ago; a lock of its own */
	struct pending *pending;       /* batches that wait; worker thread */
	struct catchup_in *in;         /* a catch-up by state that is coming in; worker thread */
	bool power_cut;                /* ... before this recovery */
	struct renewed *renewed;       /* see renew.h */
	struct repeat *repeat;  /* recovery: what the journal says of bytes that it only names */
	bool recovering;        /* the journal is repeated: the tree may be ahead of the objects */
	uint64_t recovered_dir; /* where losers were last looked for then */
	bool in_refused, merging; /* somebody else offered meanwhile; it is merged: no position */
	struct serving *serving;  /* contents that peers fetch from here; worker thread */
	struct fetches *fetches;  /* contents that are missing; has a lock of its own */
	int64_t room_left;        /* bytes until the disk is looked at again; atomic */
	struct shadows *shadows;
	struct mappeds *mapped;
	uint16_t stuck_slot;              /* whose batch cannot be applied; worker thread */
	char problem[POOL_PROBLEMS][160]; /* empty: none; position_lock */
};

/* Why the pool does not take changes of applications, of peers, contents of peers. `text` NULL: it
 * does again. True if that is news. Any thread, position_lock not held. */
bool pool_problem(struct pool *p, enum pool_problems which, const char *text);

static inline void pool_enter(struct pool *p)
{
	(void)pthread_rwlock_rdlock(&p->barrier);
}

static inline void pool_leave(struct pool *p)
{
	(void)pthread_rwlock_unlock(&p->barrier);
}

/* apply.c: journal, then apply: the one path of local changes. Barrier and locks held. */
struct apply;
MUST_CHECK int pool_submit(struct pool *p, struct record *rec, struct apply *ctx);

/* Something waits for its batch, or for a flush. Any lock may be held. */
void worker_wake(struct pool *p);
/* Own changes go under the next slot of this node from now on; stored. MA_ELIMIT: none is left. */
MUST_CHECK int pool_next_incarnation(struct pool *p);

#endif
