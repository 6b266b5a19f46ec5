/* links: tests/sim/[a-z]*.c replication/[a-z]*.c !replication/pools.c !replication/worker.c
 *        net/message.c net/member.c core/[a-z]*.c !core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * Runs plans: SEED=n one, with all its steps; SEEDS=from-to a range; SCRIPT=file a plan that was
 * written down; without these the scripts beside this file and a fixed range. What fails is made
 * shorter as long as it fails, and printed as a script. HARD=1 adds power cuts and failing disks.
 * HISTORIES=from-to runs histories by number, with STRIDE=n each n-th (histories.h).
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/crypto.h"
#include "core/log.h"
#include "tests/sim/histories.h"
#include "tests/sim/sim.h"

#if defined(__SANITIZE_ADDRESS__)
#define SEEDS_FIXED     400
#define HISTORIES_FIXED 50
#elif defined(__SANITIZE_THREAD__)
#define SEEDS_FIXED     200
#define HISTORIES_FIXED 25
#else
#define SEEDS_FIXED     1900
#define HISTORIES_FIXED 300 /* of each length */
#endif
#define SCRIPTS      "tests/sim/scripts"
#define LIMIT_S      60 /* a run that takes so long will never end */
#define SHRINK_S     60
#define FAILURES_MAX 5 /* then it gives up; FAILURES=n: others */

#if defined(__SANITIZE_THREAD__)
/* All locks of a pool at once are more than it can follow. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "detect_deadlocks=0";
}
#endif

/* What a child tells. */
struct told {
	uint64_t seed;
	char failure[512];
};

struct runner {
	struct told *told;
	size_t max;
	bool hard, histories; /* what a number means */
	uint64_t stride;
	size_t passed, failed;
};

static void make(const struct runner *r, uint64_t number, struct plan *ret)
{
	if (r->histories)
		history_make(number, ret);
	else
		plan_make(number, r->hard, ret);
}

static void run_here(struct told *told, const struct plan *plan, bool verbose)
{
	struct sim *sim = calloc(1, sizeof(*sim));

	if (!sim)
		abort();
	sim->verbose = verbose;
	(void)alarm(LIMIT_S);
	sim_run(sim, plan);
	(void)snprintf(told->failure, sizeof(told->failure), "%s", sim->failure);
	sim_free(sim);
	free(sim);
	(void)alarm(0);
}

static void note_status(struct told *told, int status)
{
	if (told->failure[0] || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		(void)snprintf(told->failure, sizeof(told->failure), "without end");
	else
		(void)snprintf(told->failure, sizeof(told->failure), "the process ends (%s)",
			       WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "status");
}

/* Each in a process of its own, so that an assertion is one failure among others. */
static bool fails(struct runner *r, const struct plan *plan, bool verbose)
{
	int status = 0;

	r->told->failure[0] = '\0';
	pid_t pid = fork();
	if (pid == 0) {
		if (!verbose && !freopen("/dev/null", "w", stderr))
			abort();
		run_here(r->told, plan, verbose);
		exit(r->told->failure[0] != '\0');
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	note_status(r->told, status);
	return r->told->failure[0] != '\0';
}

/* The same kind of failure: numbers and names may differ. */
static bool same_failure(const char *a, const char *b)
{
	size_t i = 0;

	while (a[i] && a[i] == b[i] && i < 12)
		i++;
	return i == 12 || a[i] == b[i];
}

/* Leaves out as much as can be left out. */
static void shrink(struct runner *r, struct plan *plan, const char *failure)
{
	time_t end = time(NULL) + SHRINK_S;
	size_t chunk = plan->count / 2;

	while (chunk > 0 && time(NULL) < end) {
		bool any = false;
		for (size_t at = 0; at < plan->count && time(NULL) < end;) {
			size_t size = plan->count - at < chunk ? plan->count - at : chunk;
			struct plan less = *plan;
			less.count = plan->count - size;
			less.steps = calloc(less.count + 1, sizeof(*less.steps));
			if (!less.steps)
				abort();
			memcpy(less.steps, plan->steps, at * sizeof(*less.steps));
			memcpy(less.steps + at, plan->steps + at + size,
			       (less.count - at) * sizeof(*less.steps));
			if (fails(r, &less, false) && same_failure(r->told->failure, failure)) {
				free(plan->steps);
				*plan = less;
				any = true;
			} else {
				free(less.steps);
				at += size;
			}
		}
		if (!any || chunk > plan->count)
			chunk /= 2;
	}
}

static void report(struct runner *r, struct plan *plan, const char *name)
{
	char failure[512];

	(void)snprintf(failure, sizeof(failure), "%s", r->told->failure);
	(void)printf("FAILED %s: %s\n", name, failure);
	(void)fflush(stdout);
	if (!getenv("NO_SHRINK")) {
		shrink(r, plan, failure);
		(void)printf("--- a shorter script that fails:\n");
		plan_write(plan, stdout);
		(void)printf("--- what it does:\n");
		(void)fflush(stdout);
		(void)fails(r, plan, true);
		(void)printf("--- %s\n", r->told->failure);
	}
	(void)fflush(stdout);
	r->failed++;
}

static void run_range(struct runner *r, uint64_t from, uint64_t to)
{
	while (from <= to && r->failed < r->max) {
		int status = 0;
		r->told->failure[0] = '\0';
		r->told->seed = from;
		pid_t pid = fork();
		if (pid == 0) {
			for (; r->told->seed <= to && !r->told->failure[0];
			     r->told->seed += r->stride) {
				struct plan plan;
				make(r, r->told->seed, &plan);
				run_here(r->told, &plan, false);
				plan_free(&plan);
				if (r->told->failure[0])
					exit(1);
			}
			exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			abort();
		note_status(r->told, status);
		uint64_t at = r->told->seed;
		r->passed += (at - from + r->stride - 1) / r->stride;
		if (r->told->failure[0]) {
			char name[64];
			struct plan plan;
			(void)snprintf(name, sizeof(name), "%s=%llu",
				       r->histories ? "HISTORIES" : "SEED",
				       (unsigned long long)(at <= to ? at : to));
			make(r, at, &plan);
			report(r, &plan, name);
			plan_free(&plan);
		}
		from = at + r->stride;
	}
}

static void run_histories(struct runner *r, uint64_t from, uint64_t to, uint64_t stride)
{
	r->histories = true;
	r->stride = stride ? stride : 1;
	run_range(r, from, to);
	r->histories = false;
	r->stride = 1;
}

static void run_script(struct runner *r, const char *path)
{
	struct plan plan;
	FILE *in = fopen(path, "re");

	if (!in || plan_read(in, &plan) < 0) {
		(void)printf("cannot read %s\n", path);
		r->failed++;
	} else if (fails(r, &plan, getenv("SCRIPT") != NULL)) {
		report(r, &plan, path);
		plan_free(&plan);
	} else {
		r->passed++;
		plan_free(&plan);
	}
	if (in)
		(void)fclose(in);
}

static void run_scripts(struct runner *r)
{
	struct dirent **names;
	int count = scandir(SCRIPTS, &names, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		char path[512];
		(void)snprintf(path, sizeof(path), "%s/%s", SCRIPTS, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			run_script(r, path);
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}

static void run_seed(struct runner *r, uint64_t seed)
{
	struct plan plan;

	plan_make(seed, r->hard, &plan);
	if (getenv("PLAN"))
		plan_write(&plan, stdout);
	else if (fails(r, &plan, true))
		report(r, &plan, "it");
	else
		r->passed++;
	plan_free(&plan);
}

int main(void)
{
	struct runner r = {.max = FAILURES_MAX, .hard = getenv("HARD") != NULL, .stride = 1};
	const char *seed = getenv("SEED");
	const char *range = getenv("SEEDS");
	const char *script = getenv("SCRIPT");
	const char *histories = getenv("HISTORIES");
	unsigned long long from, to;

	if (getenv("FAILURES"))
		r.max = strtoul(getenv("FAILURES"), NULL, 10);

	r.told = mmap(NULL, sizeof(*r.told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (r.told == MAP_FAILED || crypto_init() < 0)
		abort();
	if ((!seed || !*seed) && (!script || !*script))
		log_set_level(LOG_LEVEL_ERROR + 1);
	if (seed && *seed)
		run_seed(&r, strtoull(seed, NULL, 10));
	else if (script && *script)
		run_script(&r, script);
	else if (range && sscanf(range, "%llu-%llu", &from, &to) == 2)
		run_range(&r, from, to);
	else if (histories && sscanf(histories, "%llu-%llu", &from, &to) == 2)
		run_histories(&r, from, to,
			      getenv("STRIDE") ? strtoull(getenv("STRIDE"), NULL, 10) : 1);
	else {
		run_scripts(&r);
		run_range(&r, 1, SEEDS_FIXED);
		for (unsigned int k = 1; k <= HISTORIES_MAX; k++)
			run_histories(&r, histories_count(k - 1), histories_count(k) - 1,
				      histories_count(k) / HISTORIES_FIXED | 1);
	}
	(void)printf("[  PASSED  ] %zu test(s).\n", r.passed);
	if (r.failed)
		(void)printf("[  FAILED  ] seeds and scripts: %zu test(s), listed above.\n",
			     r.failed);
	return r.failed != 0;
}
