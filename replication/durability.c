/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/durability.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/auto.h"
#include "core/log.h"
#include "net/message.h"
#include "replication/commit.h"
#include "replication/pool_settings.h"
#include "replication/session.h"

enum otherwise { ELSE_DEGRADE, ELSE_READONLY, ELSE_EIO };

struct promise {
	enum durability_level level;
	enum otherwise otherwise;
	uint64_t wait_s;
};

size_t durability_copies(enum durability_level level, size_t members)
{
	switch (level) {
	case DURABILITY_LOCAL:
		return 1;
	case DURABILITY_ONE:
		return members < 2 ? members : 2;
	case DURABILITY_QUORUM:
		return members / 2 + 1;
	default:
		return members;
	}
}

const char *durability_word(size_t copies, size_t members)
{
	if (copies == 0)
		return "none";
	if (copies >= members)
		return "all";
	if (copies >= durability_copies(DURABILITY_QUORUM, members))
		return "quorum";
	return copies > 1 ? "one" : "local";
}

/* Nodes that have our own changes up to `seq`. session_lock held. */
static size_t copies_of(const struct pool *p, uint64_t seq)
{
	size_t copies = 1;

	for (size_t i = 0; i < p->session_count; i++)
		copies += p->sessions[i]->durable >= seq;
	return copies;
}

/* The number of our last change, which is in a batch then. */
static int last_own(struct pool *p, uint64_t *ret)
{
	int r = commit_seal(p);
	AUTO_LOCK(held, &p->position_lock);

	*ret = vector_get(&p->position.vector, p->slot);
	return r;
}

/* Peers acknowledge a while after what came; somebody waits for it now. session_lock held. */
static void ask(struct pool *p, uint64_t seq)
{
	for (size_t i = 0; i < p->session_count; i++) {
		struct session *s = p->sessions[i];

		if (s->state != SESSION_LIVE || s->durable >= seq || s->asked >= seq)
			continue;
		/* If the queue is full, the acknowledgement comes in its own time. */
		if (session_send(p, s, NET_LIVE, MESSAGE_ACK_WANTED, NULL, 0) == 0)
			s->asked = seq;
	}
}

/* session_lock held. */
static void degrade(struct pool *p, const struct promise *promise, uint64_t seq)
{
	static const char *const meanwhile[] = {"fsync promises this node only",
						"fsync fails and nothing is written",
						"fsync fails"};

	if (!p->degraded)
		log_warn(
			"pool \"%s\": its level of durability, %s, cannot be had: %zu of %zu nodes "
			"have what was written here. Until then %s; multiall status shows who is "
			"away",
			p->name, pool_settings_table[POOL_SETTING_DURABILITY].words[promise->level],
			copies_of(p, seq), p->session_count + 1, meanwhile[promise->otherwise]);
	if (!p->degraded)
		p->missed = seq;
	p->degraded = true;
	__atomic_store_n(&p->refusing, promise->otherwise == ELSE_READONLY, __ATOMIC_RELEASE);
}

static void restore(struct pool *p)
{
	if (p->degraded)
		log_info("pool \"%s\": its level of durability is kept again", p->name);
	p->degraded = false;
	__atomic_store_n(&p->refusing, false, __ATOMIC_RELEASE);
}

/* session_lock held. True: enough nodes have it. */
static bool wait_for(struct pool *p, uint64_t seq, const struct promise *promise)
{
	size_t needed = durability_copies(promise->level, p->session_count + 1);
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	/* Who has waited in vain once does so again only when there is somebody to wait for. */
	if (!p->degraded)
		until.tv_sec += (time_t)promise->wait_s;
	ask(p, seq);
	while (copies_of(p, seq) < needed) {
		if (pthread_cond_timedwait(&p->acked, &p->session_lock, &until) == ETIMEDOUT)
			return copies_of(p, seq) >= needed;
	}
	return true;
}

int durability_sync(struct pool *p)
{
	struct promise promise = {
		.level = (enum durability_level)pool_setting_number(p, POOL_SETTING_DURABILITY)};
	uint64_t seq = 0;
	int r = 0;

	if (promise.level != DURABILITY_LOCAL) {
		promise.otherwise =
			(enum otherwise)pool_setting_number(p, POOL_SETTING_DURABILITY_ELSE);
		promise.wait_s = pool_setting_number(p, POOL_SETTING_DURABILITY_WAIT);
		r = last_own(p, &seq);
		AUTO_LOCK(held, &p->session_lock);
		ask(p, seq);
	}
	/* Here and there at the same time. */
	if (r == 0)
		r = commit_sync(p, journal_tail(p->journal));
	if (r < 0)
		return r;
	AUTO_LOCK(held, &p->session_lock);
	if (p->level != promise.level)
		restore(p);
	p->level = (uint8_t)promise.level;
	if (promise.level == DURABILITY_LOCAL || wait_for(p, seq, &promise)) {
		restore(p);
		return 0;
	}
	degrade(p, &promise, seq);
	return promise.otherwise == ELSE_DEGRADE ? 0 : -EIO;
}

int durability_open(const struct pool *p)
{
	return __atomic_load_n(&p->refusing, __ATOMIC_ACQUIRE) ? -EROFS : 0;
}

/* All that the object is, as stamps. Memory is the caller's. */
static int stamps_of(struct pool *p, uint64_t id, stamp_t **ret, size_t *ret_count)
{
	AUTO_REF struct object_ref ref = {.cache = p->cache};
	AUTO_LOCKS struct locks_held held;
	size_t n = 0;
	int r = object_get(p->cache, id, &ref.o);

	locks_take(&p->locks, &id, r == 0 ? 1 : 0, &held);
	if (r < 0)
		return r == MA_EUNKNOWN ? -ENOENT : r;
	const struct object *o = ref.o;
	stamp_t *stamps = malloc((3 + o->link_count + o->xattr_count) * sizeof(*stamps));
	if (!stamps)
		return -ENOMEM;
	stamps[n++] = o->content;
	stamps[n++] = o->owner;
	stamps[n++] = o->times;
	for (size_t i = 0; i < o->link_count; i++)
		stamps[n++] = o->links[i].stamp;
	for (size_t i = 0; i < o->xattr_count; i++)
		stamps[n++] = o->xattrs[i].stamp;
	*ret = stamps;
	*ret_count = n;
	return 0;
}

int durability_text(struct pool *p, uint64_t id, char ret[POOL_ANSWER_MAX])
{
	size_t copies = journal_durable(p->journal) >= journal_tail(p->journal);
	AUTO_FREE stamp_t *stamps = NULL;
	size_t count = 0;
	int r = stamps_of(p, id, &stamps, &count);

	if (r < 0)
		return r;
	AUTO_LOCK(held, &p->session_lock);
	size_t members = p->session_count + 1;
	for (size_t i = 0; i < p->session_count; i++) {
		const struct session *s = p->sessions[i];
		bool all = s->durable;

		for (size_t k = 0; all && k < count; k++)
			all = vector_covers(&s->have, stamps[k]);
		copies += all;
	}
	(void)snprintf(ret, POOL_ANSWER_MAX, "%s %zu/%zu", durability_word(copies, members), copies,
		       members);
	return 0;
}

int durability_position(struct pool *p, char ret[POOL_ANSWER_MAX])
{
	uint64_t seq;
	int r = last_own(p, &seq);

	(void)snprintf(ret, POOL_ANSWER_MAX, "%s@%u:%" PRIx64, p->name, (unsigned int)p->slot, seq);
	return r;
}

void durability_acked(struct pool *p)
{
	size_t needed = durability_copies((enum durability_level)p->level, p->session_count + 1);

	(void)pthread_cond_broadcast(&p->acked);
	/* Not the last change: while much is written, nobody ever has that. */
	if (p->degraded && copies_of(p, p->missed) >= needed)
		restore(p);
}
