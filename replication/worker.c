/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/commit.h"
#include "replication/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/auto.h"
#include "core/log.h"
#include "core/memory.h"
#include "net/message.h"
#include "replication/checkpoint.h"
#include "replication/fetch.h"
#include "replication/forget.h"
#include "replication/mapped.h"
#include "replication/session.h"

enum event_kind {
	EVENT_MESSAGE,
	EVENT_UP,
	EVENT_DOWN,
	EVENT_EXPECT,
	EVENT_EXPECTED_ALL,
	EVENT_FORGET,
	EVENT_WRITABLE,
};

struct event {
	struct event *next;
	enum event_kind kind;
	uint16_t node;
	struct net_message *message;
};

struct worker {
	struct pool *p;
	pthread_t threads[3];
	size_t thread_count;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t commit_wake, pause_wake, intake_wake, checkpoint_wake;
	bool stop;
	bool changed;
	bool due;  /* a checkpoint */
	bool used; /* memory, since it was last tidied */
	bool owes; /* an acknowledgement that does not wait */
	struct event *first;
	struct event **last;
};

static struct timespec in_us(uint64_t us)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(us / 1000000);
	t.tv_nsec += (long)(us % 1000000) * 1000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

void worker_wake(struct pool *p)
{
	struct worker *w = p->worker;

	if (!w || __atomic_load_n(&w->changed, __ATOMIC_ACQUIRE))
		return;
	AUTO_LOCK(held, &w->lock);
	__atomic_store_n(&w->changed, true, __ATOMIC_RELEASE);
	(void)pthread_cond_signal(&w->commit_wake);
}

/* Waits for a change, at most so long. False: the thread is to end. */
static bool commit_wait(struct worker *w, uint64_t us)
{
	struct timespec until = in_us(us);
	AUTO_LOCK(held, &w->lock);

	while (!w->stop && !w->changed) {
		if (pthread_cond_timedwait(&w->commit_wake, &w->lock, &until) == ETIMEDOUT)
			break;
	}
	return !w->stop;
}

/* Lets a little time pass, in which more records come, without being woken by each; ends at once
 * when the thread is to end. */
static void linger(struct worker *w, uint64_t us)
{
	struct timespec until = in_us(us);
	AUTO_LOCK(held, &w->lock);

	while (!w->stop && pthread_cond_timedwait(&w->pause_wake, &w->lock, &until) != ETIMEDOUT)
		;
}

static void note_problem(struct pool *p, int code, const char *what)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "%s: %s", what, err_text(code));
	if (pool_problem(p, PROBLEM_WRITING, code < 0 ? text : NULL) && code < 0)
		log_error("pool \"%s\": %s", p->name, text);
}

struct flush_clock {
	uint64_t first_ms; /* of the changes that are not flushed; 0: none */
	uint64_t last_ms;
};

static bool flush_due(struct pool *p, struct flush_clock *clock, bool changed, uint64_t now_ms)
{
	if (changed) {
		clock->last_ms = now_ms;
		if (!clock->first_ms)
			clock->first_ms = now_ms;
	}
	if (!clock->first_ms)
		return false;
	return now_ms - clock->last_ms >= FLUSH_IDLE_MS ||
	       now_ms - clock->first_ms >= FLUSH_MAX_MS ||
	       object_dirty_count(p->cache) > FLUSH_DIRTY_MAX;
}

static void wake_checkpoint(struct worker *w)
{
	AUTO_LOCK(held, &w->lock);

	w->due = true;
	(void)pthread_cond_signal(&w->checkpoint_wake);
}

static void note_used(struct worker *w)
{
	AUTO_LOCK(held, &w->lock);

	w->used = true;
}

/* Waits until a checkpoint is due, or memory to be tidied. False: the thread is to end. */
static bool tidy_wait(struct worker *w, bool *ret_due, bool *ret_used)
{
	struct timespec until = in_us(TIDY_MS * 1000);
	AUTO_LOCK(held, &w->lock);

	while (!w->stop && !w->due) {
		if (pthread_cond_timedwait(&w->checkpoint_wake, &w->lock, &until) == ETIMEDOUT)
			break;
	}
	*ret_due = w->due;
	*ret_used = w->used;
	w->due = w->used = false;
	return !w->stop;
}

/* A copy of the index and a sync of the file system may take seconds: nobody waits for them. */
static void *checkpoint_thread(void *arg)
{
	struct worker *w = arg;
	bool due, used;

	(void)pthread_setname_np(pthread_self(), "checkpoint");
	while (tidy_wait(w, &due, &used)) {
		/* The journal before it may go, which is the next flush's work. */
		if (due && checkpoint_due(w->p) && checkpoint_make(w->p, false) == 0)
			worker_wake(w->p);
		if (!used)
			continue;
		pool_enter(w->p);
		if (w->p->watch.quiet)
			w->p->watch.quiet(w->p->watch.arg);
		pool_leave(w->p);
		memory_trim();
	}
	return NULL;
}

uint64_t worker_pause(uint64_t before_us, bool more)
{
	if (!more)
		return SEAL_INTERVAL_US;
	return 2 * before_us < SEAL_INTERVAL_MAX_US ? 2 * before_us : SEAL_INTERVAL_MAX_US;
}

static void *commit_thread(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->p;
	struct flush_clock clock = {0};
	(void)pthread_setname_np(pthread_self(), "commit");
	uint64_t pause_us = SEAL_INTERVAL_US;
	bool more = false; /* came during the pause */

	while (commit_wait(w, clock.first_ms ? FLUSH_IDLE_MS * 1000 : 1000000)) {
		bool changed = __atomic_exchange_n(&w->changed, false, __ATOMIC_ACQ_REL);
		if (changed) {
			if (!more)
				linger(w, SEAL_LINGER_US);
			__atomic_store_n(&w->changed, false, __ATOMIC_RELEASE);
			note_problem(p, commit_seal(p), "cannot write the journal");
		}
		if (flush_due(p, &clock, changed, clock_boot_ms())) {
			clock = (struct flush_clock){0};
			note_problem(p, commit_flush(p), "cannot write the index");
			note_used(w);
			if (checkpoint_due(p))
				wake_checkpoint(w);
		}
		if (changed) {
			linger(w, pause_us);
			more = __atomic_load_n(&w->changed, __ATOMIC_ACQUIRE);
			pause_us = worker_pause(pause_us, more);
		}
	}
	return NULL;
}

static struct event *next_event(struct worker *w, uint64_t us, bool *ret_stop)
{
	struct timespec until = in_us(us);
	AUTO_LOCK(held, &w->lock);

	while (!w->stop && !w->first && !w->owes) {
		if (pthread_cond_timedwait(&w->intake_wake, &w->lock, &until) == ETIMEDOUT)
			break;
	}
	*ret_stop = w->stop;
	w->owes = false;
	struct event *e = w->first;
	if (e) {
		w->first = e->next;
		if (!w->first)
			w->last = &w->first;
	}
	return e;
}

static void handle_message(struct pool *p, struct event *e)
{
	struct net_message *m = e->message;
	/* A batch carries the pool's id as its own first field, which its signature covers. */
	size_t skip = m->type == MESSAGE_BATCH ? 0 : 8;

	if (m->size >= 8)
		session_message(p, e->node, m->type, m->body + skip, m->size - skip);
	if (p->io.consumed)
		p->io.consumed(p->io.arg, e->node, m->class, m->size);
	free(m);
}

static void handle(struct pool *p, struct event *e)
{
	switch (e->kind) {
	case EVENT_MESSAGE:
		handle_message(p, e);
		break;
	case EVENT_UP:
		session_up(p, e->node);
		break;
	case EVENT_DOWN:
		session_down(p, e->node);
		break;
	case EVENT_EXPECT:
		session_expect(p, e->node);
		break;
	case EVENT_EXPECTED_ALL:
		forget_begin(p);
		break;
	case EVENT_FORGET:
		session_forget(p, e->node);
		break;
	case EVENT_WRITABLE:
		session_writable(p, e->node);
		fetch_writable(p, e->node);
		break;
	}
	free(e);
}

static void *intake_thread(void *arg)
{
	struct worker *w = arg;
	uint64_t ticked_ms = 0;
	bool stop = false;

	(void)pthread_setname_np(pthread_self(), "intake");
	while (!stop) {
		uint64_t now = clock_boot_ms();
		uint64_t wait = session_owed_in(w->p, now);
		if (wait == 0)
			session_acknowledge(w->p, now);
		struct event *e =
			next_event(w, 1000 * (wait && wait < TICK_MS ? wait : TICK_MS), &stop);
		if (e)
			handle(w->p, e);
		now = clock_boot_ms();
		if (now - ticked_ms >= TICK_MS) {
			ticked_ms = now;
			session_tick(w->p, now);
			mapped_tick(w->p, now);
		}
	}
	return NULL;
}

void worker_wake_intake(struct pool *p)
{
	struct worker *w = p->worker;

	if (!w)
		return;
	AUTO_LOCK(held, &w->lock);
	w->owes = true;
	(void)pthread_cond_signal(&w->intake_wake);
}

static void post(struct pool *p, enum event_kind kind, uint16_t node, struct net_message *message)
{
	struct worker *w = p->worker;
	struct event *e = malloc(sizeof(*e));

	if (!e) {
		/* Without its events a session would hang: better to start anew. */
		log_error("out of memory for an event of pool \"%s\"", p->name);
		abort();
	}
	*e = (struct event){.kind = kind, .node = node, .message = message};
	AUTO_LOCK(held, &w->lock);
	*w->last = e;
	w->last = &e->next;
	(void)pthread_cond_signal(&w->intake_wake);
}

void worker_post_message(struct pool *p, uint16_t node, struct net_message *message)
{
	post(p, EVENT_MESSAGE, node, message);
}

void worker_post_up(struct pool *p, uint16_t node)
{
	post(p, EVENT_UP, node, NULL);
}

void worker_post_down(struct pool *p, uint16_t node)
{
	post(p, EVENT_DOWN, node, NULL);
}

void worker_post_expect(struct pool *p, uint16_t node)
{
	post(p, EVENT_EXPECT, node, NULL);
}

void worker_post_expected_all(struct pool *p)
{
	post(p, EVENT_EXPECTED_ALL, 0, NULL);
}

void worker_post_forget(struct pool *p, uint16_t node)
{
	post(p, EVENT_FORGET, node, NULL);
}

void worker_post_writable(struct pool *p, uint16_t node)
{
	post(p, EVENT_WRITABLE, node, NULL);
}

/* Ends the threads, then what they shared. */
static void end(struct worker *w)
{
	{
		AUTO_LOCK(held, &w->lock);
		w->stop = true;
		(void)pthread_cond_broadcast(&w->commit_wake);
		(void)pthread_cond_broadcast(&w->pause_wake);
		(void)pthread_cond_broadcast(&w->intake_wake);
		(void)pthread_cond_broadcast(&w->checkpoint_wake);
	}
	for (size_t i = 0; i < w->thread_count; i++)
		(void)pthread_join(w->threads[i], NULL);
	while (w->first) {
		struct event *next = w->first->next;
		free(w->first->message);
		free(w->first);
		w->first = next;
	}
	(void)pthread_cond_destroy(&w->commit_wake);
	(void)pthread_cond_destroy(&w->pause_wake);
	(void)pthread_cond_destroy(&w->intake_wake);
	(void)pthread_cond_destroy(&w->checkpoint_wake);
	(void)pthread_mutex_destroy(&w->lock);
	w->p->worker = NULL;
	free(w);
}

int worker_start(struct pool *p)
{
	static void *(*const runs[])(void *) = {commit_thread, intake_thread, checkpoint_thread};
	struct worker *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;
	int r = 0;

	if (!w)
		return -ENOMEM;
	w->p = p;
	w->last = &w->first;
	w->changed = true; /* flush and tell what recovery brought */
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->commit_wake, &attr);
	(void)pthread_cond_init(&w->pause_wake, &attr);
	(void)pthread_cond_init(&w->intake_wake, &attr);
	(void)pthread_cond_init(&w->checkpoint_wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	p->worker = w;
	while (r == 0 && w->thread_count < sizeof(runs) / sizeof(runs[0])) {
		r = pthread_create(&w->threads[w->thread_count], NULL, runs[w->thread_count], w);
		w->thread_count += r == 0;
	}
	if (r != 0)
		end(w);
	return -r;
}

void worker_stop(struct pool *p)
{
	if (!p->worker)
		return;
	end(p->worker);
	int r = commit_flush(p);
	if (r == 0)
		r = commit_sync(p, journal_tail(p->journal));
	if (r < 0)
		log_error("pool \"%s\": closing: %s", p->name, err_text(r));
}
