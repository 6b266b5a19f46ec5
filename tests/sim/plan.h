/* SPDX-License-Identifier: Apache-2.0
 * What a run of the simulator does: some settings and a list of steps, made from a seed or read
 * from a script.
 * The caller owns a plan's steps (plan_free()).
 * One thread; pure.
 * Invariant: steps do not depend on each other's results, so that any of them can be left out.
 */
#ifndef TESTS_SIM_PLAN_H
#define TESTS_SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/err.h"

#define PLAN_NODES_MAX 7

enum verb {
	/* calls of applications: node, directory, name, ... */
	VERB_CREATE,
	VERB_MKDIR,
	VERB_SYMLINK,
	VERB_MKNOD,
	VERB_LINK,
	VERB_UNLINK,
	VERB_RMDIR,
	VERB_RENAME,
	VERB_EXCHANGE,
	VERB_WRITE,
	VERB_APPEND,
	VERB_TRUNCATE,
	VERB_FALLOCATE,
	VERB_CHMOD,
	VERB_CHOWN,
	VERB_UTIMENS,
	VERB_SETXATTR,
	VERB_RMXATTR,
	VERB_FSYNC,
	VERB_COUNT, /* counts up in two files of the node's own, one after the other */
	VERB_OPS,
	/* the pool's threads */
	VERB_SEAL = VERB_OPS,
	VERB_FLUSH,
	VERB_TICK,
	VERB_ACK,
	VERB_DELIVER, /* node: to whom; a: from whom; b: which class; c: how many */
	VERB_RUN,     /* all nodes, for so many rounds */
	/* the world */
	VERB_WAIT,    /* c: milliseconds */
	VERB_CONNECT, /* node, a */
	VERB_CUT,     /* node, a; b, c: what is lost on the way */
	VERB_STALL,   /* nothing comes from a to node any more */
	VERB_ALONE,   /* node: all its links are cut */
	VERB_HEAL,    /* all links */
	VERB_KILL,    /* node */
	VERB_POWER,   /* node; c: what is lost */
	VERB_START,   /* node */
	VERB_DISK,    /* node; a: which error; b: of which step from now */
	/* faults that the oracles have to see: for the simulator's own test */
	VERB_PLANT,
	VERBS
};

struct step {
	uint8_t verb;
	uint8_t node;
	uint32_t a, b, c, d;
	uint32_t number; /* of the line; unique contents are made of it */
};

struct plan {
	uint64_t seed; /* 0: from a script */
	uint32_t nodes;
	uint32_t queue_max; /* bytes in a queue of the network before -EAGAIN */
	uint32_t log_max;
	uint32_t inline_max; /* larger writes go by reference; 0: as ever */
	uint32_t skew;       /* how far the clocks are apart */
	uint32_t calm;   /* everything is delivered between two calls: no conflict may come of it */
	uint32_t gently; /* no power cut in it */
	struct step *steps;
	size_t count;
};

/* `hard`: also with power cuts and failing disks. */
void plan_make(uint64_t seed, bool hard, struct plan *ret);
void plan_free(struct plan *plan);
/* One line per step; a line that begins with # is a comment. -EINVAL. */
void plan_write(const struct plan *plan, FILE *out);
MUST_CHECK int plan_read(FILE *in, struct plan *ret);
const char *verb_name(uint8_t verb);

/* A sequence of numbers that looks random and is not. */
uint64_t plan_random(uint64_t *state);

#endif
