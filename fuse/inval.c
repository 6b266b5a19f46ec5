/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/inval.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/log.h"

struct inval {
	struct changes *changes;
	struct inval_sink sink;
	pthread_t thread;
	struct log_limit overflow;
	uint64_t ids[KNOWN_PAGE_IDS];
};

/* An answer is put to use by the program that asked, when it gets to run, and a notice may come
 * before that: then there is no inode yet. Whoever is about to make it holds the directory. */
static void inode_tell(struct inval *inval, uint64_t id, bool attr_only)
{
	const struct inval_sink *sink = &inval->sink;

	if (sink->inode(sink->arg, id, attr_only))
		return;
	uint64_t parent = changes_told_by(inval->changes, id);
	if (!parent)
		return;
	sink->digest(sink->arg, parent);
	(void)sink->inode(sink->arg, id, attr_only);
}

/* The queue was full. Slow, but what the kernel holds is right again afterwards. */
static void everything_tell(struct inval *inval)
{
	size_t at = 0;
	size_t count;

	log_limited(&inval->overflow, LOG_LEVEL_WARN,
		    "mount: more than %u changes of peers wait for the kernel; "
		    "its caches are dropped as a whole",
		    CHANGES_MAX);
	inval->sink.names(inval->sink.arg);
	while (changes_walk(inval->changes, &at, inval->ids, &count)) {
		for (size_t i = 0; i < count; i++)
			inode_tell(inval, inval->ids[i], false);
	}
}

static void change_tell(struct inval *inval, const struct change *change)
{
	const struct inval_sink *sink = &inval->sink;

	switch (change->kind) {
	case CHANGE_ATTR:
	case CHANGE_INODE:
		inode_tell(inval, change->id, change->kind == CHANGE_ATTR);
		break;
	case CHANGE_ENTRY:
		sink->entry(sink->arg, change->id, change->name);
		break;
	case CHANGE_EVERYTHING:
		everything_tell(inval);
		break;
	}
}

/* A notice waits in the kernel for whoever holds a directory, and that may be a call that waits for
 * us. If the process is killed then, this thread cannot end before the call does: so it must not be
 * what holds the other descriptors, by whose closing the kernel ends the calls that were read, and
 * the next daemon gets its lock. */
static void keep_only(int fd)
{
	if (fd <= STDERR_FILENO)
		return;
	if (unshare(CLONE_FILES) != 0 ||
	    (fd > STDERR_FILENO + 1 &&
	     close_range(STDERR_FILENO + 1, (unsigned int)fd - 1, 0) != 0) ||
	    close_range((unsigned int)fd + 1, UINT_MAX, 0) != 0)
		log_warn("fuse: a daemon that is killed may be long in ending: %s",
			 err_text(-errno));
}

static void *inval_run(void *arg)
{
	struct inval *inval = arg;
	struct change *batch;

	keep_only(inval->sink.fd);
	while ((batch = changes_take(inval->changes))) {
		for (const struct change *c = batch; c; c = c->next)
			change_tell(inval, c);
		change_free(batch);
	}
	return NULL;
}

int inval_new(struct changes *changes, const struct inval_sink *sink, struct inval **ret)
{
	struct inval *inval = calloc(1, sizeof(*inval));
	sigset_t all;
	sigset_t old;

	if (!inval)
		return -ENOMEM;
	inval->changes = changes;
	inval->sink = *sink;
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	int code = pthread_create(&inval->thread, NULL, inval_run, inval);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (code) {
		free(inval);
		return -code;
	}
	*ret = inval;
	return 0;
}

void inval_free(struct inval *inval)
{
	if (!inval)
		return;
	changes_stop(inval->changes);
	(void)pthread_join(inval->thread, NULL);
	free(inval);
}
