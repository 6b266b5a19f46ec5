/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 100000

static const char *const names[VERBS] = {
	[VERB_CREATE] = "create",    [VERB_MKDIR] = "mkdir",       [VERB_SYMLINK] = "symlink",
	[VERB_MKNOD] = "mknod",      [VERB_LINK] = "link",         [VERB_UNLINK] = "unlink",
	[VERB_RMDIR] = "rmdir",      [VERB_RENAME] = "rename",     [VERB_EXCHANGE] = "exchange",
	[VERB_WRITE] = "write",      [VERB_APPEND] = "append",     [VERB_TRUNCATE] = "truncate",
	[VERB_FALLOCATE] = "falloc", [VERB_CHMOD] = "chmod",       [VERB_CHOWN] = "chown",
	[VERB_UTIMENS] = "utimens",  [VERB_SETXATTR] = "setxattr", [VERB_RMXATTR] = "rmxattr",
	[VERB_FSYNC] = "fsync",      [VERB_COUNT] = "count",       [VERB_SEAL] = "seal",
	[VERB_FLUSH] = "flush",      [VERB_TICK] = "tick",         [VERB_ACK] = "ack",
	[VERB_DELIVER] = "deliver",  [VERB_RUN] = "run",           [VERB_WAIT] = "wait",
	[VERB_CONNECT] = "connect",  [VERB_CUT] = "cut",           [VERB_STALL] = "stall",
	[VERB_ALONE] = "alone",      [VERB_HEAL] = "heal",         [VERB_KILL] = "kill",
	[VERB_POWER] = "power",      [VERB_START] = "start",       [VERB_DISK] = "disk",
	[VERB_PLANT] = "plant",
};

const char *verb_name(uint8_t verb)
{
	return verb < VERBS ? names[verb] : "?";
}

/* splitmix64 */
uint64_t plan_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* What a seed decides once for its whole run. */
struct style {
	uint64_t random;
	uint32_t nodes;
	uint32_t names; /* how many different ones */
	uint32_t dirs;
	uint32_t listed; /* percent of names that are chosen from what is there */
	uint32_t calls, delivers, threads, runs, faults; /* shares */
	uint32_t weights[VERB_OPS];
	uint32_t crashes; /* share of the faults; 0: none */
	uint32_t powers;
	uint32_t disks;
};

static uint32_t upto(struct style *y, uint32_t n)
{
	return n ? (uint32_t)(plan_random(&y->random) % n) : 0;
}

static uint32_t between(struct style *y, uint32_t low, uint32_t high)
{
	return low + upto(y, high - low + 1);
}

static void weigh(struct style *y)
{
	static const uint8_t base[4][VERB_OPS] = {
		/* everything */
		{10, 6, 2, 2, 4, 6, 3, 8, 2, 12, 4, 4, 3, 3, 2, 3, 4, 2, 1, 3},
		/* contents */
		{6, 1, 0, 0, 1, 2, 0, 2, 0, 20, 8, 6, 4, 1, 0, 2, 1, 1, 1, 3},
		/* names */
		{10, 10, 1, 1, 6, 10, 8, 14, 3, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
		/* attributes */
		{5, 3, 1, 1, 1, 2, 1, 2, 0, 2, 0, 1, 0, 8, 6, 8, 10, 6, 1, 1},
	};
	uint32_t which = upto(y, 6);

	for (size_t i = 0; i < VERB_OPS; i++) {
		y->weights[i] = base[which > 3 ? 0 : which][i];
		/* Some runs do without some calls. */
		if (i > VERB_MKDIR && upto(y, 8) == 0)
			y->weights[i] = 0;
	}
}

/* Of a sequence of its own: so the others stay what they were. A third of the runs has none. */
static uint32_t inline_max_of(uint64_t seed)
{
	uint64_t random = ~seed;
	uint32_t size = (uint32_t)(plan_random(&random) % 100) + 1;

	return plan_random(&random) % 3 ? size : 0;
}

static void style_make(uint64_t seed, struct style *ret, struct plan *plan)
{
	struct style *y = ret;

	*y = (struct style){.random = seed};
	y->nodes = upto(y, 10) < 6 ? 3 : between(y, 2, 5);
	y->names = between(y, 1, 6);
	y->dirs = upto(y, 2) ? between(y, 1, 3) : 7;
	y->listed = upto(y, 3) * 20;
	y->calls = between(y, 20, 60);
	y->delivers = between(y, 5, 50);
	y->threads = between(y, 5, 30);
	y->runs = between(y, 1, 6);
	y->faults = upto(y, 4) == 0 ? 0 : between(y, 1, 10);
	y->crashes = upto(y, 2) ? between(y, 5, 40) : 0;
	y->powers = upto(y, 4) == 0 ? between(y, 5, 40) : 0;
	y->disks = upto(y, 5) == 0 ? between(y, 5, 20) : 0;
	weigh(y);
	plan->nodes = y->nodes;
	plan->queue_max = upto(y, 3) ? 1u << 20 : between(y, 100, 5000);
	plan->log_max = upto(y, 3) ? 8u << 20 : between(y, 100, 3000);
	plan->inline_max = inline_max_of(seed);
	plan->skew = upto(y, 7);
	plan->calm = upto(y, 12) == 0;
	if (plan->calm)
		y->faults = 0;
}

static uint32_t name_code(struct style *y)
{
	if (upto(y, 100) < y->listed)
		return 16 + upto(y, 16);
	return upto(y, 60) == 0 ? 15 : upto(y, y->names);
}

static void make_call(struct style *y, struct step *s)
{
	uint32_t all = 0;

	for (size_t i = 0; i < VERB_OPS; i++)
		all += y->weights[i];
	uint32_t at = upto(y, all);
	s->verb = 0;
	while (at >= y->weights[s->verb])
		at -= y->weights[s->verb++];
	s->a = upto(y, y->dirs);
	s->b = name_code(y);
	s->c = upto(y, 100000);
	s->d = upto(y, 100000);
	if (s->verb == VERB_LINK || s->verb == VERB_RENAME || s->verb == VERB_EXCHANGE) {
		s->c = upto(y, y->dirs);
		s->d = name_code(y);
	}
}

static uint32_t other_node(struct style *y, uint32_t node)
{
	uint32_t k = between(y, 1, y->nodes - 1);

	return k >= node ? k + 1 : k;
}

static void make_fault(struct style *y, struct step *s)
{
	static const uint8_t net[] = {VERB_CUT,   VERB_CUT,  VERB_CONNECT, VERB_CONNECT, VERB_STALL,
				      VERB_ALONE, VERB_HEAL, VERB_HEAL,    VERB_WAIT};
	uint32_t at = upto(y, 100);

	s->a = other_node(y, s->node);
	s->b = upto(y, 2) ? upto(y, 30) : 0;
	s->c = upto(y, 2) ? upto(y, 30) : 0;
	if (at < y->disks) {
		s->verb = VERB_DISK;
	} else if (at < y->disks + y->powers) {
		s->verb = VERB_POWER;
		s->c = upto(y, 1000000);
	} else if (at < y->disks + y->powers + y->crashes) {
		s->verb = VERB_KILL;
		s->c = upto(y, 1000000);
	} else if (y->crashes + y->powers && upto(y, 3) == 0) {
		s->verb = VERB_START;
	} else {
		s->verb = net[upto(y, sizeof(net))];
		if (s->verb == VERB_WAIT)
			s->c = upto(y, 4) ? upto(y, 2000) : upto(y, 70000);
	}
}

static void make_step(struct style *y, struct step *s)
{
	static const uint8_t threads[] = {VERB_SEAL,  VERB_SEAL, VERB_SEAL,
					  VERB_FLUSH, VERB_TICK, VERB_ACK};
	uint32_t at = upto(y, y->calls + y->delivers + y->threads + y->runs + y->faults);

	s->node = (uint8_t)between(y, 1, y->nodes);
	if (at < y->calls) {
		make_call(y, s);
		return;
	}
	s->d = upto(y, 8);
	at -= y->calls;
	if (at < y->delivers) {
		s->verb = VERB_DELIVER;
		s->a = other_node(y, s->node);
		s->b = upto(y, 4);
		s->c = upto(y, 3) ? between(y, 1, 4) : 100;
	} else if (at < y->delivers + y->threads) {
		s->verb = threads[upto(y, sizeof(threads))];
	} else if (at < y->delivers + y->threads + y->runs) {
		s->verb = VERB_RUN;
		s->c = between(y, 1, 4);
	} else {
		make_fault(y, s);
	}
}

void plan_make(uint64_t seed, bool hard, struct plan *ret)
{
	struct style y;

	*ret = (struct plan){.seed = seed};
	style_make(seed, &y, ret);
	if (!hard)
		y.powers = y.disks = 0;
	size_t count = between(&y, 30, upto(&y, 4) ? 150 : 400);
	ret->steps = calloc(count + 1, sizeof(*ret->steps));
	if (!ret->steps)
		abort();
	/* Most begin connected, some with files that all know. */
	if (upto(&y, 8) || ret->calm)
		ret->steps[ret->count++] = (struct step){.verb = VERB_HEAL, .node = 1};
	while (ret->count < count) {
		struct step *s = &ret->steps[ret->count++];
		make_step(&y, s);
		ret->gently |= s->verb == VERB_POWER;
	}
	ret->gently = !ret->gently;
	for (size_t i = 0; i < ret->count; i++)
		ret->steps[i].number = (uint32_t)i + 1;
}

void plan_free(struct plan *plan)
{
	free(plan->steps);
	plan->steps = NULL;
	plan->count = 0;
}

void plan_write(const struct plan *plan, FILE *out)
{
	(void)fprintf(out, "nodes %u\nqueue_max %u\nlog_max %u\ninline_max %u\nskew %u\ncalm %u\n",
		      plan->nodes, plan->queue_max, plan->log_max, plan->inline_max, plan->skew,
		      plan->calm);
	for (size_t i = 0; i < plan->count; i++) {
		const struct step *s = &plan->steps[i];
		(void)fprintf(out, "%s %u %u %u %u %u\n", verb_name(s->verb), s->node, s->a, s->b,
			      s->c, s->d);
	}
}

static int read_line(const char *line, struct plan *plan)
{
	char word[16];
	unsigned int v[5] = {0};

	if (sscanf(line, "%15s %u %u %u %u %u", word, &v[0], &v[1], &v[2], &v[3], &v[4]) < 2)
		return -EINVAL;
	const struct {
		const char *name;
		uint32_t *value;
	} settings[] = {{"nodes", &plan->nodes},     {"queue_max", &plan->queue_max},
			{"log_max", &plan->log_max}, {"inline_max", &plan->inline_max},
			{"skew", &plan->skew},       {"calm", &plan->calm}};
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (strcmp(word, settings[i].name) == 0) {
			*settings[i].value = v[0];
			return 0;
		}
	}
	for (uint8_t verb = 0; verb < VERBS; verb++) {
		if (strcmp(word, names[verb]) != 0)
			continue;
		plan->gently = plan->gently && verb != VERB_POWER;
		plan->steps[plan->count] = (struct step){.verb = verb,
							 .node = (uint8_t)v[0],
							 .a = v[1],
							 .b = v[2],
							 .c = v[3],
							 .d = v[4],
							 .number = (uint32_t)plan->count + 1};
		plan->count++;
		return 0;
	}
	return -EINVAL;
}

int plan_read(FILE *in, struct plan *ret)
{
	char line[256];
	int r = 0;

	*ret = (struct plan){.nodes = 3, .queue_max = 1u << 20, .log_max = 8u << 20, .gently = 1};
	ret->steps = calloc(STEPS_MAX, sizeof(*ret->steps));
	if (!ret->steps)
		abort();
	while (r == 0 && ret->count < STEPS_MAX && fgets(line, sizeof(line), in)) {
		if (line[0] != '#' && line[0] != '\n')
			r = read_line(line, ret);
	}
	if (r == 0 && (ret->nodes < 2 || ret->nodes > PLAN_NODES_MAX))
		r = -EINVAL;
	if (r < 0)
		plan_free(ret);
	return r;
}
