/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sim.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/auto.h"
#include "tests/sim/disk.h"
#include "tests/sim/oracle.h"
#include "tests/sim/plant.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/store_mem.h"

#define ROUND_MS        100
#define HEAL_ROUNDS_MAX 2000 /* three minutes of simulated time */
#define DELIVER_MAX     20000

void sim_fail(struct sim *sim, const char *format, ...)
{
	va_list args;

	if (sim->failure[0])
		return;
	va_start(args, format);
	(void)vsnprintf(sim->failure, sizeof(sim->failure), format, args);
	va_end(args);
	sim_trace(sim, "FAILED: %s", sim->failure);
}

void sim_trace(struct sim *sim, const char *format, ...)
{
	va_list args;

	if (!sim->verbose || sim->quiet)
		return;
	(void)fprintf(stderr, "  %6llu ms  ", (unsigned long long)sim_clock_now());
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
}

/* Everything under way arrives, and what that brings about, until it is quiet or (a storm, or a
 * stalled link) no end is in sight. */
static void deliver_all(struct sim *sim)
{
	bool more = true;

	for (int i = 0; more && i < DELIVER_MAX && !sim->failure[0]; i++) {
		more = false;
		for (uint16_t to = 1; to <= sim->count; to++) {
			for (uint16_t from = 1; from <= sim->count; from++) {
				more = sim_net_deliver(sim, from, to, 0) || more;
				sim_net_writable(sim, from, to);
			}
		}
	}
	if (more && !sim->failure[0])
		sim_fail(sim, "messages without end");
}

static void run_round(struct sim *sim, uint32_t number)
{
	for (size_t i = 0; i < sim->count; i++) {
		sim_node_seal(&sim->nodes[i]);
		sim_node_tick(&sim->nodes[i]);
	}
	deliver_all(sim);
	for (size_t i = 0; i < sim->count; i++) {
		sim_node_acknowledge(&sim->nodes[i]);
		sim_node_seal(&sim->nodes[i]);
		if (number % 2)
			sim_node_flush(&sim->nodes[i]);
	}
	deliver_all(sim);
	sim_clock_advance(ROUND_MS);
	oracle_step(sim);
}

static void connect_all(struct sim *sim)
{
	for (uint16_t a = 1; a <= sim->count; a++) {
		for (uint16_t b = 1; b <= sim->count; b++) {
			sim_net_stall(sim, a, b, false);
			if (a < b)
				sim_net_connect(sim, a, b);
		}
	}
}

static void fail_disk(struct sim_node *n, uint32_t what, uint32_t countdown)
{
	static const int errors[] = {-EIO, -ENOSPC};

	if (!n->pool)
		return;
	if (what % 4 < 2)
		store_mem_fail(n->store, countdown % 8 + 1, errors[what % 2]);
	else
		disk_fail(n->dir, countdown % 8 + 1, ENOSPC);
}

static void world_step(struct sim *sim, struct sim_node *n, const struct step *s)
{
	switch (s->verb) {
	case VERB_WAIT:
		sim_clock_advance(s->c);
		break;
	case VERB_CONNECT:
		sim_net_connect(sim, n->number, (uint16_t)s->a);
		break;
	case VERB_CUT:
		sim_net_cut(sim, n->number, (uint16_t)s->a, s->b, s->c);
		break;
	case VERB_STALL:
		sim_net_stall(sim, (uint16_t)s->a, n->number, true);
		break;
	case VERB_ALONE:
		for (uint16_t k = 1; k <= sim->count; k++)
			sim_net_cut(sim, n->number, k, s->b, s->c);
		break;
	case VERB_HEAL:
		connect_all(sim);
		break;
	case VERB_KILL:
	case VERB_POWER:
		sim_node_crash(n, s->verb == VERB_POWER, s->c);
		break;
	case VERB_START:
		sim_node_open(n);
		break;
	case VERB_DISK:
		fail_disk(n, s->a, s->b);
		break;
	default:
		plant_fault(sim, n, s->a);
		break;
	}
}

static void thread_step(struct sim *sim, struct sim_node *n, const struct step *s)
{
	switch (s->verb) {
	case VERB_SEAL:
		sim_node_seal(n);
		break;
	case VERB_FLUSH:
		sim_node_flush(n);
		break;
	case VERB_TICK:
		sim_node_tick(n);
		break;
	case VERB_ACK:
		sim_node_acknowledge(n);
		break;
	case VERB_DELIVER:
		for (uint32_t i = 0; i < s->c; i++) {
			if (!sim_net_deliver(sim, (uint16_t)s->a, n->number, s->b + i))
				break;
		}
		sim_net_writable(sim, (uint16_t)s->a, n->number);
		sim_net_writable(sim, n->number, (uint16_t)s->a);
		break;
	default:
		for (uint32_t i = 0; i < s->c; i++)
			run_round(sim, i);
		break;
	}
}

static void run_step(struct sim *sim, const struct step *s)
{
	struct sim_node *n = &sim->nodes[(s->node - 1u) % sim->count];

	sim_trace(sim, "%4u: %s %u %u %u %u %u", s->number, verb_name(s->verb), s->node, s->a, s->b,
		  s->c, s->d);
	if (s->verb < VERB_OPS) {
		sim_op(n, s);
		if (sim->plan->calm)
			for (uint32_t i = 0; i < 4; i++)
				run_round(sim, i);
	} else if (s->verb < VERB_WAIT) {
		thread_step(sim, n, s);
	} else {
		world_step(sim, n, s);
	}
	sim_clock_advance(s->d % 8);
	oracle_step(sim);
}

/* Faults end, who is down comes back, all hear each other: now everything has to come right. */
static void heal(struct sim *sim)
{
	char why[256] = "";

	sim->healing = true;
	for (size_t i = 0; i < sim->count; i++) {
		store_mem_fail(sim->nodes[i].store, 0, 0);
		disk_fail(sim->nodes[i].dir, 0, 0);
		sim_node_open(&sim->nodes[i]);
		if (!sim->failure[0] && !sim->plan->gently)
			sim_look(&sim->nodes[i]);
	}
	connect_all(sim);
	for (uint32_t i = 0; i < HEAL_ROUNDS_MAX && !sim->failure[0]; i++) {
		sim->quiet = i > 60; /* by then it only repeats itself */
		run_round(sim, i);
		if (i > 2 && sim_net_quiet(sim) && oracle_in_sync(sim, why, sizeof(why)))
			return;
	}
	sim_fail(sim, "not in sync: %s", why);
}

void sim_run(struct sim *sim, const struct plan *plan)
{
	char root[SIM_DIR_SIZE];

	sim->plan = plan;
	sim->count = plan->nodes;
	sim_clock_reset();
	(void)snprintf(root, sizeof(root), "/dev/shm/sim-%d", (int)getpid());
	disk_begin(root);
	sim->net = sim_net_new(sim);
	sim->oracle = oracle_new();
	for (uint16_t i = 1; i <= sim->count; i++) {
		sim_node_begin(sim, i);
		sim->nodes[i - 1].skew_ns = (int64_t)plan->skew * i * 100000000;
		sim_node_open(&sim->nodes[i - 1]);
	}
	for (sim->step = 0; sim->step < plan->count && !sim->failure[0]; sim->step++)
		run_step(sim, &plan->steps[sim->step]);
	if (!sim->failure[0])
		heal(sim);
	if (!sim->failure[0])
		oracle_end(sim);
	if (sim->failure[0] && sim->verbose)
		oracle_explain(sim);
}

void sim_free(struct sim *sim)
{
	char root[SIM_DIR_SIZE];

	for (size_t i = 0; i < sim->count; i++)
		sim_node_end(&sim->nodes[i]);
	sim_net_free(sim->net);
	oracle_free(sim->oracle);
	free(sim->detail);
	disk_end();
	(void)snprintf(root, sizeof(root), "/dev/shm/sim-%d", (int)getpid());
	(void)rmdir(root);
}
