/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/histories.h"

#include <stdlib.h>

enum { NODES = 3, OPERATIONS = 12, ORDERS = 8, HEARD = 4 };

/* What all nodes have: the directories /a and /b, the file /c.txt. */
static const struct step before[] = {
	{.verb = VERB_HEAL, .node = 1},          {.verb = VERB_MKDIR, .node = 1, .b = 0},
	{.verb = VERB_MKDIR, .node = 1, .b = 1}, {.verb = VERB_CREATE, .node = 1, .b = 2, .c = 1},
	{.verb = VERB_RUN, .node = 1, .c = 2},
};

/* Directory and name, as sim_ops.c numbers them; for two places both. */
static const struct step operations[OPERATIONS] = {
	{.verb = VERB_CREATE, .a = 0, .b = 3, .c = 1},           /* /d */
	{.verb = VERB_CREATE, .a = 2, .b = 0, .c = 1},           /* /b/a */
	{.verb = VERB_MKDIR, .a = 0, .b = 3},                    /* /d */
	{.verb = VERB_UNLINK, .a = 0, .b = 2},                   /* /c.txt */
	{.verb = VERB_RMDIR, .a = 0, .b = 1},                    /* /b */
	{.verb = VERB_LINK, .a = 0, .b = 2, .c = 0, .d = 3},     /* /c.txt /d */
	{.verb = VERB_RENAME, .a = 0, .b = 2, .c = 0, .d = 3},   /* /c.txt /d */
	{.verb = VERB_RENAME, .a = 0, .b = 2, .c = 1, .d = 0},   /* /c.txt /a/a */
	{.verb = VERB_RENAME, .a = 0, .b = 0, .c = 2, .d = 0},   /* /a /b/a */
	{.verb = VERB_RENAME, .a = 0, .b = 1, .c = 1, .d = 1},   /* /b /a/b */
	{.verb = VERB_RENAME, .a = 0, .b = 0, .c = 0, .d = 3},   /* /a /d */
	{.verb = VERB_EXCHANGE, .a = 0, .b = 0, .c = 0, .d = 1}, /* /a /b */
};

/* The first change is on node 1, who has nothing to hear before it. */
static uint64_t count_of(unsigned int changes)
{
	uint64_t count = OPERATIONS * ORDERS;

	for (unsigned int i = 1; i < changes; i++)
		count *= NODES * OPERATIONS * HEARD;
	return count;
}

uint64_t histories_count(unsigned int changes)
{
	uint64_t count = 0;

	for (unsigned int i = 1; i <= changes; i++)
		count += count_of(i);
	return count;
}

static unsigned int digit(uint64_t *number, unsigned int base)
{
	unsigned int d = (unsigned int)(*number % base);

	*number /= base;
	return d;
}

static void add(struct plan *plan, struct step step)
{
	step.number = (uint32_t)plan->count + 1;
	plan->steps[plan->count++] = step;
}

static void hear(struct plan *plan, unsigned int node, unsigned int from)
{
	add(plan, (struct step){.verb = VERB_DELIVER, .node = (uint8_t)node, .a = from, .c = 100});
}

/* The other two, in this order or the other. */
static unsigned int other(unsigned int node, unsigned int which)
{
	return (node + which) % NODES + 1;
}

void history_make(uint64_t number, struct plan *ret)
{
	unsigned int changes = 1;

	*ret = (struct plan){
		.nodes = NODES, .queue_max = 1u << 20, .log_max = 8u << 20, .gently = 1};
	ret->seed = number;
	ret->steps = calloc(64, sizeof(*ret->steps));
	if (!ret->steps)
		abort();
	while (changes < HISTORIES_MAX && number >= count_of(changes))
		number -= count_of(changes++);
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		add(ret, before[i]);
	unsigned int orders = digit(&number, ORDERS);
	for (unsigned int i = 0; i < changes; i++) {
		struct step step = operations[digit(&number, OPERATIONS)];
		unsigned int node = i ? digit(&number, NODES) + 1 : 1;
		unsigned int heard = i ? digit(&number, HEARD) : 0;
		for (unsigned int k = 0; k < 2; k++) {
			if (heard >> k & 1)
				hear(ret, node, other(node, k));
		}
		step.node = (uint8_t)node;
		add(ret, step);
		add(ret, (struct step){.verb = VERB_SEAL, .node = (uint8_t)node, .d = 1});
	}
	for (unsigned int node = 1; node <= NODES; node++) {
		unsigned int first = orders >> (node - 1) & 1;
		hear(ret, node, other(node, first));
		hear(ret, node, other(node, !first));
	}
}
