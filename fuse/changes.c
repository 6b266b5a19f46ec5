/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/changes.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"

#define MOMENTS 16384u /* two things that share one only cause a superfluous notice */
#define BUCKETS 16384u
#define TOLD    16384u /* recent answers, by hash of the id */

struct changes {
	_Atomic uint64_t now;              /* counts the changes */
	_Atomic uint64_t moments[MOMENTS]; /* of the last change, by hash */
	atomic_bool inexact;
	pthread_mutex_t queue_lock; /* all below, and writing the above */
	pthread_cond_t filled;
	struct known known;
	struct {
		uint64_t id;
		uint64_t parent;
	} told[TOLD];
	struct change *first;
	struct change **last;
	struct change *table[BUCKETS]; /* the queued ones by hash */
	size_t count;
	bool everything;
	bool stopped;
};

static uint64_t mix(uint64_t x)
{
	/* The finaliser of splitmix64. */
	x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
	x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
	return x ^ (x >> 31);
}

static uint64_t hash_of(uint64_t id, const char *name)
{
	uint64_t h = mix(id + 0x9E3779B97F4A7C15u);

	/* FNV-1a over the name; an object's own hash is that of its id with no name. */
	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001B3u;
	return mix(h);
}

int changes_new(struct changes **ret)
{
	struct changes *changes = calloc(1, sizeof(*changes));

	if (!changes)
		return -ENOMEM;
	changes->last = &changes->first;
	known_init(&changes->known);
	if (pthread_mutex_init(&changes->queue_lock, NULL) != 0 ||
	    pthread_cond_init(&changes->filled, NULL) != 0)
		abort();
	*ret = changes;
	return 0;
}

void change_free(struct change *batch)
{
	while (batch) {
		struct change *next = batch->next;

		free(batch);
		batch = next;
	}
}

void changes_free(struct changes *changes)
{
	if (!changes)
		return;
	change_free(changes->first);
	known_done(&changes->known);
	(void)pthread_cond_destroy(&changes->filled);
	(void)pthread_mutex_destroy(&changes->queue_lock);
	free(changes);
}

static void queue_clear(struct changes *changes)
{
	for (const struct change *c = changes->first; c; c = c->next)
		changes->table[c->hash % BUCKETS] = NULL;
	changes->first = NULL;
	changes->last = &changes->first;
	changes->count = 0;
}

/* What is queued is too much to name: from here to the next batch, one change says it all. */
static void queue_overflow(struct changes *changes)
{
	struct change *dropped = changes->first;

	queue_clear(changes);
	change_free(dropped);
	changes->everything = true;
}

static struct change *queue_find(struct changes *changes, uint64_t hash, uint64_t id,
				 const char *name)
{
	struct change *c = changes->table[hash % BUCKETS];

	while (c && (c->hash != hash || c->id != id || strcmp(c->name, name) != 0))
		c = c->chain;
	return c;
}

static void queue_add(struct changes *changes, enum change_kind kind, uint64_t id, const char *name)
{
	uint64_t hash = hash_of(id, name);

	(void)pthread_cond_signal(&changes->filled);
	if (changes->everything || changes->stopped)
		return;
	struct change *c = queue_find(changes, hash, id, name);

	if (c && c->kind == CHANGE_ATTR)
		c->kind = kind;
	if (c)
		return;
	size_t name_size = strlen(name) + 1;

	if (changes->count < CHANGES_MAX)
		c = malloc(sizeof(*c) + name_size);
	if (!c) {
		queue_overflow(changes);
		return;
	}
	*c = (struct change){.hash = hash, .id = id, .kind = kind};
	memcpy(c->name, name, name_size);
	c->chain = changes->table[hash % BUCKETS];
	changes->table[hash % BUCKETS] = c;
	*changes->last = c;
	changes->last = &c->next;
	changes->count++;
}

static void moment_set(struct changes *changes, uint64_t id, const char *name, uint64_t moment)
{
	changes->moments[hash_of(id, name) % MOMENTS] = moment;
}

void changes_inode(struct changes *changes, uint64_t id, bool attr_only)
{
	AUTO_LOCK(guard, &changes->queue_lock);

	moment_set(changes, id, "", changes->now + 1);
	changes->now++;
	if (known_has(&changes->known, id))
		queue_add(changes, attr_only ? CHANGE_ATTR : CHANGE_INODE, id, "");
}

void changes_entry(struct changes *changes, uint64_t parent, const char *name)
{
	AUTO_LOCK(guard, &changes->queue_lock);

	/* The directory's times and its cached listing are older than the change, too. */
	moment_set(changes, parent, "", changes->now + 1);
	moment_set(changes, parent, name, changes->now + 1);
	changes->now++;
	if (!known_has(&changes->known, parent))
		return;
	queue_add(changes, CHANGE_ENTRY, parent, name);
	queue_add(changes, CHANGE_INODE, parent, "");
}

void changes_known(struct changes *changes, uint64_t parent, uint64_t id)
{
	size_t at = hash_of(id, "") % TOLD;
	AUTO_LOCK(guard, &changes->queue_lock);

	known_add(&changes->known, id);
	changes->inexact = changes->known.all;
	changes->told[at].id = id;
	changes->told[at].parent = parent;
}

bool changes_knows(struct changes *changes, uint64_t id)
{
	AUTO_LOCK(guard, &changes->queue_lock);

	return known_has(&changes->known, id);
}

uint64_t changes_told_by(struct changes *changes, uint64_t id)
{
	size_t at = hash_of(id, "") % TOLD;
	AUTO_LOCK(guard, &changes->queue_lock);

	return changes->told[at].id == id ? changes->told[at].parent : 0;
}

uint64_t changes_now(struct changes *changes)
{
	return changes->now;
}

static bool changed_since(struct changes *changes, uint64_t since, uint64_t id, const char *name)
{
	/* Nearly always nothing at all has changed meanwhile. */
	return changes->now != since && changes->moments[hash_of(id, name) % MOMENTS] > since;
}

void changes_settle_inode(struct changes *changes, uint64_t since, uint64_t id)
{
	if (changed_since(changes, since, id, ""))
		changes_again(changes, id);
}

void changes_settle_entry(struct changes *changes, uint64_t since, uint64_t parent,
			  const char *name)
{
	if (!changed_since(changes, since, parent, name))
		return;
	AUTO_LOCK(guard, &changes->queue_lock);

	queue_add(changes, CHANGE_ENTRY, parent, name);
}

void changes_again(struct changes *changes, uint64_t id)
{
	AUTO_LOCK(guard, &changes->queue_lock);

	queue_add(changes, CHANGE_INODE, id, "");
}

static struct change *change_everything(void)
{
	struct change *c = calloc(1, sizeof(*c) + 1);

	if (c)
		c->kind = CHANGE_EVERYTHING;
	return c;
}

struct change *changes_take(struct changes *changes)
{
	AUTO_LOCK(guard, &changes->queue_lock);

	while (!changes->stopped) {
		struct change *batch = changes->first;

		if (changes->everything)
			batch = change_everything();
		if (batch) {
			queue_clear(changes);
			changes->everything = false;
			return batch;
		}
		(void)pthread_cond_wait(&changes->filled, &changes->queue_lock);
	}
	return NULL;
}

void changes_stop(struct changes *changes)
{
	AUTO_LOCK(guard, &changes->queue_lock);

	changes->stopped = true;
	(void)pthread_cond_signal(&changes->filled);
}

bool changes_walk(struct changes *changes, size_t *at, uint64_t ret[KNOWN_PAGE_IDS],
		  size_t *ret_count)
{
	AUTO_LOCK(guard, &changes->queue_lock);

	return known_walk(&changes->known, at, ret, ret_count);
}

bool changes_exact(struct changes *changes)
{
	return !changes->inexact;
}
