/* SPDX-License-Identifier: Apache-2.0
 * A pool is opened, recovered, closed.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/io.h"
#include "core/log.h"
#include "replication/brief.h"
#include "replication/pool_open.h"
#include "replication/commit.h"
#include "replication/catchup.h"
#include "replication/checkpoint.h"
#include "replication/fetch.h"
#include "replication/forget.h"
#include "replication/grave.h"
#include "replication/pool_file.h"
#include "replication/receive.h"
#include "replication/session.h"
#include "replication/trash.h"
#include "replication/mapped.h"
#include "replication/repeat.h"
#include "replication/shadow.h"
#include "replication/unsynced.h"

#define PRIVATE_ID 2 /* of the reserved directory; no stamp is so small */

static int init_locks(struct pool *p)
{
	pthread_rwlockattr_t attr;
	pthread_condattr_t monotonic;
	pthread_mutex_t *const mutexes[] = {&p->position_lock,  &p->seal_lock,    &p->flush_lock,
					    &p->sync_lock,      &p->session_lock, &p->losers_lock,
					    &p->checkpoint_lock};

	for (size_t i = 0; i < sizeof(mutexes) / sizeof(mutexes[0]); i++)
		(void)pthread_mutex_init(mutexes[i], NULL);
	(void)pthread_cond_init(&p->sync_done, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->acked, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	locks_init(&p->locks);
	/* A flush must not wait for ever behind a stream of calls; nobody enters twice. */
	(void)pthread_rwlockattr_init(&attr);
	(void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	(void)pthread_rwlock_init(&p->barrier, &attr);
	(void)pthread_rwlockattr_destroy(&attr);
	return 0;
}

/* The root is there from the beginning on every node, under the same id. */
static int open_root(struct pool *p)
{
	AUTO_REF struct object_ref root = {.cache = p->cache};
	int r = object_get(p->cache, POOL_ROOT_ID, &root.o);

	if (r == MA_EUNKNOWN)
		r = object_add(p->cache, POOL_ROOT_ID, S_IFDIR, &root.o);
	if (r == 0)
		r = p->store->ops->root(p->store, &root.o->handle);
	if (r < 0)
		return r;
	r = p->store->ops->lookup(p->store, &root.o->handle, POOL_RESERVED, NULL, &p->private_dir,
				  NULL);
	struct store_node node = {.id = PRIVATE_ID, .mode = S_IFDIR | 0700};
	if (r == -ENOENT)
		r = p->store->ops->make(p->store, &root.o->handle, POOL_RESERVED, &node,
					&p->private_dir);
	return r;
}

static int open_parts(struct pool *p, const struct pool_config *config, char *error, size_t size)
{
	AUTO_FREE char *journal_dir = path_join(config->dir, "journal");
	struct journal_config journal = {.dir = journal_dir,
					 .pool = p->id,
					 .max_bytes = config->journal_max_bytes,
					 .segment_bytes = config->segment_bytes};
	int r = 0;

	if (!journal_dir)
		return -ENOMEM;
	p->store = config->store;
	if (!p->store)
		r = store_dir_open(config->backing, &p->store, error, size);
	if (r == 0)
		r = journal_open(&journal, &p->journal, error, size);
	if (r == 0)
		r = checkpoint_open_index(p, config->power_cut, error, size);
	if (r == 0)
		r = object_cache_new(p->ix, &p->cache);
	if (r == 0)
		r = shadows_new(&p->shadows);
	if (r == 0)
		r = mappeds_new(&p->mapped);
	if (r == 0)
		r = unsynced_new(&p->unsynced);
	if (r == 0)
		r = fetch_new(p);
	if (r == 0)
		r = brief_packer_new(&p->packer);
	if (r == 0)
		r = forget_new(p);
	return r;
}

static char *copy_or_null(const char *text)
{
	return text ? strdup(text) : NULL;
}

int pool_open_at(const struct pool_config *config, struct pool **ret, char *error, size_t size)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	(void)init_locks(p);
	(void)snprintf(p->name, sizeof(p->name), "%s", config->name);
	p->id = config->id;
	p->dir = strdup(config->dir);
	p->backing = copy_or_null(config->backing);
	p->node = config->node;
	p->key = config->key;
	p->io = config->io;
	p->journal_max = config->journal_max_bytes;
	p->power_cut = config->power_cut;
	p->inline_max = config->inline_max ? config->inline_max : RECORD_INLINE_MAX;
	p->log_max = config->log_max ? config->log_max : SESSION_LOG_MAX;
	p->slot = (uint16_t)(config->node * SLOT_INCARNATIONS + config->incarnation);
	error[0] = '\0';
	int r = p->dir ? open_parts(p, config, error, size) : -ENOMEM;
	if (r == 0) {
		journal_set_slot(p->journal, p->slot);
		r = open_root(p);
	}
	if (r == 0)
		r = grave_begin(p);
	if (r == 0 && config->trash)
		r = trash_begin(p);
	if (r == 0)
		r = commit_recover(p);
	if (r == 0) {
		journal_clock_vouched(p->journal, false);
		r = checkpoint_load(p);
	}
	if (r == 0)
		r = commit_seal(p);
	/* A peer may be given the state at once, which is what the index says. */
	if (r == 0)
		r = commit_flush(p);
	if (r == 0)
		grave_values_flushed(p, SIZE_MAX);
	if (r < 0) {
		if (!error[0])
			(void)snprintf(error, size, "cannot open pool \"%s\" (state in %s): %s",
				       config->name, config->dir, err_text(r));
		pool_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

bool pool_problem(struct pool *p, enum pool_problems which, const char *text)
{
	AUTO_LOCK(held, &p->position_lock);
	bool was = p->problem[which][0] != '\0';

	(void)snprintf(p->problem[which], sizeof(p->problem[which]), "%s", text ? text : "");
	return was != (text != NULL);
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	grave_end(p);
	trash_end(p);
	session_free_all(p);
	receive_free(p);
	catchup_in_free(p);
	object_cache_free(p->cache);
	shadows_free(p->shadows);
	mappeds_free(p->mapped);
	unsynced_free(p->unsynced);
	repeat_free(p);
	fetch_serve_free(p);
	fetch_free(p);
	brief_packer_free(p->packer);
	forget_free(p);
	index_close(p->ix);
	journal_close(p->journal);
	if (p->store)
		p->store->ops->free(p->store);
	free(p->losers.pairs);
	free(p->merges.pairs);
	free(p->disturbed.pairs);
	free(p->circles.pairs);
	free(p->doubts.pairs);
	locks_done(&p->locks);
	(void)pthread_rwlock_destroy(&p->barrier);
	(void)pthread_cond_destroy(&p->sync_done);
	(void)pthread_cond_destroy(&p->acked);
	free(p->dir);
	free(p->backing);
	free(p);
}

int pool_next_incarnation(struct pool *p)
{
	struct pool_file file;
	int r = pool_file_read(p->dir, &file);

	if (r < 0)
		return r;
	/* What is written and not yet in a batch bears the old slot. */
	if (journal_open_records(p->journal))
		return MA_EFORK;
	if (file.incarnation >= INCARNATION_LAST)
		return MA_ELIMIT;
	file.incarnation++;
	r = pool_file_write(p->dir, &file);
	if (r < 0)
		return r;
	AUTO_LOCK(held, &p->position_lock);
	p->slot = (uint16_t)(p->node * SLOT_INCARNATIONS + file.incarnation);
	journal_set_slot(p->journal, p->slot);
	return 0;
}
