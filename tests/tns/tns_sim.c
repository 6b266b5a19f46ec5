/* links: tests/tns/tns_world.c topology/[a-su-z]*.c topology/topology.c core/location.c
 *        core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * TNS in a world of its own: random faults, a million events in all, and at every quiet moment all
 * nodes that reach each other see one topology, the true one.
 *     SEED=7 tns_sim    one run, with what happens in it;  SEEDS=1-1000 tns_sim    a range */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tns/tns_world.h"
#include "topology/neighbour.h"

#define SEEDS_FIXED 25
#define ROUNDS      10
#define QUIET_MS    14000

struct run {
	struct world w;
	bool loud, failed;
	char why[256];
	uint64_t last_fault; /* when the world last changed */
	uint64_t slowest[2]; /* ms until all knew: daemon killed, host gone */
};

static struct run *run_of(struct world *w)
{
	return (struct run *)((char *)w - offsetof(struct run, w));
}

/* What each node sees of each, and which row of it it has. */
static void show(const struct world *w)
{
	for (uint16_t a = 1; a <= w->nodes; a++) {
		(void)printf("  %u%s:", a,
			     world_runs(w, a) ? ""
			     : w->node[a].n   ? " frozen"
					      : " dead");
		for (uint16_t b = 1; w->node[a].n && b <= w->nodes; b++) {
			const struct topology_place *place = world_place(w, a, b);
			const struct neighbour *nb = neighbours_find(w->node[a].n, b);

			(void)printf("  %s,%u/%u(%u-%u)%s%s",
				     tns_state_word((enum tns_state)place->state), place->cause,
				     (unsigned int)row_edge_to(
					     &neighbours_find(w->node[a].n, a)->row, b),
				     nb->row.incarnation, nb->row.seq, w->cut[b][a] ? "!" : "",
				     w->linked[a][b] ? "" : "~");
		}
		(void)printf("\n");
	}
}

static void fail(struct run *run, const char *text, uint16_t at, uint16_t of)
{
	if (run->failed)
		return;
	run->failed = true;
	if (run->loud)
		show(&run->w);
	(void)snprintf(run->why, sizeof(run->why), "seed %" PRIu64 ", %.1f s: %s (node %u of %u)",
		       run->w.seed, (double)run->w.now / 1e6, text, at, of);
}

static bool hears(const struct world *w, uint16_t a, uint16_t b)
{
	return world_runs(w, a) && world_runs(w, b) && !w->cut[b][a];
}

/* Bits of those that k is joined with by pairs that hear each other, in truth. */
static uint32_t truth(const struct world *w, uint16_t k)
{
	uint32_t joined = 1u << k;

	for (uint16_t round = 0; round < w->nodes; round++) {
		for (uint16_t a = 1; a <= w->nodes; a++) {
			for (uint16_t b = 1; b <= w->nodes; b++) {
				if (joined >> a & 1 && hears(w, a, b) && hears(w, b, a))
					joined |= 1u << b;
			}
		}
	}
	return joined;
}

/* Nobody is called down who runs and is within reach of who says so. */
static void on_changed(struct world *w, uint16_t at, uint16_t of, enum tns_state before,
		       const struct topology_place *now)
{
	struct run *run = run_of(w);

	if (run->loud)
		(void)printf("%9.3f  node %u: %u is %s (%s), was %s\n", (double)w->now / 1e6, at,
			     of, tns_state_word((enum tns_state)now->state),
			     tns_cause_text((enum tns_cause)now->cause),
			     before ? tns_state_word(before) : "-");
	if (now->state != TNS_DOWN || !world_runs(w, at) || !world_runs(w, of))
		return;
	/* What it wakes to, or returns to, takes a moment to be seen. */
	if (w->now - run->last_fault < (uint64_t)QUIET_MS * 1000)
		return;
	if (truth(w, at) >> of & 1)
		fail(run, "a node that runs and is within reach is called down", at, of);
}

static void check_view(struct run *run, uint16_t at, uint32_t mine)
{
	struct world *w = &run->w;
	const struct topology *own = neighbours_topology(w->node[at].n);
	bool majority = 2 * __builtin_popcount(mine) > w->nodes;

	for (uint16_t of = 1; of <= w->nodes; of++) {
		const struct topology_place *place = topology_find(own, of);

		if (mine >> of & 1) {
			if (neighbours_topology(w->node[of].n)->hash != own->hash)
				fail(run, "two nodes that reach each other see two topologies", at,
				     of);
			if (place->state == TNS_DOWN || place->state == TNS_SUSPECT)
				fail(run, "a node within reach is not seen", at, of);
			if (majority && place->state == TNS_ISOLATED)
				fail(run, "the majority calls itself isolated", at, of);
		} else if (place->state == TNS_ALIVE) {
			fail(run, "a node out of reach is called alive", at, of);
		} else if (majority && !w->node[of].n && place->state != TNS_DOWN) {
			fail(run, "a dead node is not called down by the majority", at, of);
		}
	}
}

/* Whatever was the last event, a second later all agree. */
static void check_all(struct run *run)
{
	while (run->w.now - run->w.changed_at < 1000000)
		world_run(&run->w, 1000);
	for (uint16_t k = 1; k <= run->w.nodes; k++) {
		if (world_runs(&run->w, k))
			check_view(run, k, truth(&run->w, k));
	}
}

/* ---- faults */

static void split(struct world *w, uint32_t group)
{
	for (uint16_t a = 1; a <= w->nodes; a++) {
		for (uint16_t b = 1; b <= w->nodes; b++)
			world_cut(w, a, b, (group >> a & 1) != (group >> b & 1));
	}
}

static void downtime(struct run *run, uint16_t at, uint16_t of)
{
	struct downtime wanted = {
		.node = of, .kind = (uint8_t)world_dice(&run->w, 3), .for_s = 60, .reason = "test"};

	if (world_runs(&run->w, at) && neighbours_plan(run->w.node[at].n, &wanted, run->w.now) < 0)
		fail(run, "a downtime is refused", at, of);
}

static void fault(struct run *run)
{
	struct world *w = &run->w;
	uint16_t a = (uint16_t)(1 + world_dice(w, w->nodes));
	uint16_t b = (uint16_t)(1 + world_dice(w, w->nodes));
	uint64_t what = world_dice(w, 12);

	if (run->loud)
		(void)printf("%9.3f  -- fault %" PRIu64 " %u %u\n", (double)w->now / 1e6, what, a,
			     b);
	switch (what) {
	case 0:
	case 1:
		world_kill(w, a, what);
		break;
	case 2:
		world_stop(w, a);
		break;
	case 3:
	case 4:
		w->node[a].forgets = what == 4;
		world_start(w, a);
		break;
	case 5:
		world_freeze(w, a, 1000 + world_dice(w, 7000));
		break;
	case 6:
		if (a != b)
			world_cut(w, a, b, !w->cut[a][b]);
		break;
	case 7:
		split(w, (uint32_t)world_dice(w, 1u << (w->nodes + 1)));
		break;
	case 8:
	case 9:
		split(w, 0);
		break;
	case 10:
		downtime(run, a, b);
		break;
	default:
		w->wall_step = (int64_t)world_dice(w, 7200) - 3600;
		break;
	}
	run->last_fault = w->now;
}

static void all_well(struct world *w)
{
	split(w, 0);
	w->loss = 0;
	for (uint16_t k = 1; k <= w->nodes; k++)
		world_start(w, k);
}

/* How long until all others know that a node has gone, by a crash of daemon or host. */
static void measure(struct run *run, bool host)
{
	struct world *w = &run->w;
	uint16_t victim = (uint16_t)(1 + world_dice(w, w->nodes));

	if (w->nodes < 3)
		return;
	world_run(w, world_dice(w, 1000));
	uint64_t begin = w->now;
	world_kill(w, victim, host);
	run->last_fault = w->now;
	world_run(w, 8000);
	for (uint16_t k = 1; k <= w->nodes; k++) {
		uint64_t took = (w->node[k].known_down[victim] - begin) / 1000;

		if (k == victim)
			continue;
		if (w->node[k].known_down[victim] <= begin)
			fail(run, "a crash is not noticed", k, victim);
		else if (took > run->slowest[host])
			run->slowest[host] = took;
	}
	world_start(w, victim);
	run->last_fault = w->now;
	world_run(w, QUIET_MS);
}

static uint64_t run_seed(struct run *run, uint64_t seed, bool loud)
{
	memset(run, 0, sizeof(*run));
	world_init(&run->w, seed, (uint16_t)(2 + seed % (WORLD_NODES_MAX - 1)));
	run->loud = loud;
	run->w.changed = on_changed;
	run->last_fault = run->w.now;
	world_run(&run->w, QUIET_MS);
	check_all(run);
	for (unsigned int host = 0; host < 2; host++)
		measure(run, host);
	for (size_t round = 0; round < ROUNDS && !run->failed; round++) {
		size_t faults = 1 + world_dice(&run->w, 4);

		run->w.loss = (unsigned int)world_dice(&run->w, 3) * 150;
		while (faults--) {
			fault(run);
			world_run(&run->w, world_dice(&run->w, 6000));
		}
		/* Frozen ones wake; then nothing more happens until all have had time to see. */
		run->w.loss = 0;
		world_run(&run->w, 8000);
		run->last_fault = run->w.now;
		world_run(&run->w, QUIET_MS);
		check_all(run);
	}
	all_well(&run->w);
	run->last_fault = run->w.now;
	world_run(&run->w, QUIET_MS);
	check_all(run);
	uint64_t events = run->w.events;
	world_done(&run->w);
	return events;
}

/* ---- the bars: what must not happen at all */

static const struct bar {
	const char *name;
	uint16_t nodes;
	unsigned int loss, late_ms, minutes;
	unsigned int freeze_ms; /* node 1, every half minute */
} bars[] = {
	{"20 % of the datagrams lost, an hour, 3 nodes", 3, 200, 0, 60, 0},
	{"20 % of the datagrams lost, an hour, 5 nodes", 5, 200, 0, 60, 0},
	{"20 % of the datagrams lost, an hour, 10 nodes", 10, 200, 0, 60, 0},
	{"35 % lost, 10 minutes, 3 nodes", 3, 350, 0, 10, 0},
	{"35 % lost, 10 minutes, 5 nodes", 5, 350, 0, 10, 0},
	{"35 % lost, 10 minutes, 10 nodes", 10, 350, 0, 10, 0},
	{"all looks late by up to 2 s, 10 minutes", 5, 0, 2000, 10, 0},
	{"one node freezes for 3 s, again and again", 5, 0, 0, 10, 3000},
	{"one node freezes for 6 s, again and again", 5, 0, 0, 10, 6000},
};

/* Only a node that is frozen for longer than the silence that counts may be called down, and not by
 * itself; nobody else ever. */
static void on_bar(struct world *w, uint16_t at, uint16_t of, enum tns_state before,
		   const struct topology_place *now)
{
	const struct bar *bar = w->arg;

	(void)before;
	if (now->state == TNS_DOWN && (of != 1 || bar->freeze_ms < HEAR_SILENT_MS))
		fail(run_of(w), "a node that runs is called down", at, of);
	if (now->state == TNS_ISOLATED)
		fail(run_of(w), "a node that is not cut off is called isolated", at, of);
}

static uint64_t run_bar(struct run *run, const struct bar *bar)
{
	memset(run, 0, sizeof(*run));
	world_init(&run->w, 1, bar->nodes);
	world_run(&run->w, QUIET_MS);
	run->w.arg = (void *)(uintptr_t)bar;
	run->w.changed = on_bar;
	run->w.loss = bar->loss;
	run->w.late_ms = bar->late_ms;
	/* Beats alone: the connections would hide what is lost. */
	run->w.mute = bar->loss != 0;
	for (unsigned int i = 0; i < 2 * bar->minutes; i++) {
		if (bar->freeze_ms)
			world_freeze(&run->w, 1, bar->freeze_ms);
		world_run(&run->w, 30000);
	}
	uint64_t events = run->w.events;
	world_done(&run->w);
	return events;
}

struct tally {
	size_t passed, failed;
	uint64_t events, slowest[2];
};

static void count(struct tally *tally, const struct run *run, uint64_t events, const char *name)
{
	tally->events += events;
	tally->passed += !run->failed;
	tally->failed += run->failed;
	if (run->failed)
		(void)printf("  %s%s%s\n", name, name[0] ? ": " : "", run->why);
	for (size_t i = 0; i < 2; i++) {
		if (run->slowest[i] > tally->slowest[i])
			tally->slowest[i] = run->slowest[i];
	}
}

int main(void)
{
	const char *seed = getenv("SEED");
	const char *range = getenv("SEEDS");
	unsigned long long from = 1;
	unsigned long long to = SEEDS_FIXED;
	struct tally tally = {0};
	static struct run run;

	if (crypto_init() < 0)
		abort();
	if (seed && *seed)
		from = to = strtoull(seed, NULL, 10);
	else if (range && *range && sscanf(range, "%llu-%llu", &from, &to) != 2)
		return 2;
	for (size_t i = 0; !(seed && *seed) && i < sizeof(bars) / sizeof(bars[0]); i++)
		count(&tally, &run, run_bar(&run, &bars[i]), bars[i].name);
	for (unsigned long long s = from; s <= to; s++)
		count(&tally, &run, run_seed(&run, s, seed && *seed), "");
	(void)printf("%" PRIu64 " events; slowest: daemon killed %" PRIu64 " ms, host gone %" PRIu64
		     " ms\n",
		     tally.events, tally.slowest[0], tally.slowest[1]);
	(void)printf("[  PASSED  ] %zu test(s).\n", tally.passed);
	if (tally.failed)
		(void)printf("[  FAILED  ] bars and seeds: %zu test(s), listed above.\n",
			     tally.failed);
	return tally.failed != 0;
}
