/* links: tests/sim/[a-z]*.c !tests/sim/pool_sim.c replication/[a-z]*.c !replication/pools.c
 *        !replication/worker.c net/message.c net/member.c core/[a-z]*.c !core/clock.c
 * SPDX-License-Identifier: Apache-2.0
 * Each fault that is planted is seen by the oracle that is there for it; without it the same run
 * passes. And the same plan gives the same run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/auto.h"
#include "core/crypto.h"
#include "core/log.h"
#include "tests/sim/plant.h"
#include "tests/sim/store_dump.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define BEGIN        "nodes 3\nheal 1 0 0 0 0\ncreate 1 0 0 31 0\ncount 2 0 0 0 0\nrun 1 0 0 6 0\n"

#if defined(__SANITIZE_THREAD__)
/* All locks of a pool at once are more than it can follow. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "detect_deadlocks=0";
}
#endif

static const struct {
	const char *what;
	enum plant plant;
	const char *before, *after;
	const char *seen;
} rows[] = {
	{"a byte flipped", PLANT_FLIP, BEGIN, "", "nodes 1 and 2 differ"},
	{"a time", PLANT_TIME, BEGIN, "", "nodes 1 and 2 differ"},
	{"a file lost everywhere", PLANT_LOSE, BEGIN, "", "lost: a content"},
	{"a conflict of nobody", PLANT_CONFLICT, "calm 1\n" BEGIN, "", "a conflict, and nobody"},
	{"left over", PLANT_LEFT_OVER, BEGIN, "", "leaves /.multiall/left"},
	{"a descriptor", PLANT_DESCRIPTOR, BEGIN, "", "descriptors open"},
	{"a write", PLANT_WRITE, BEGIN, "count 2 0 0 0 0\n", "shows count"},
	{"a batch", PLANT_BATCH, BEGIN, "create 2 0 1 31 0\n", "not in sync"},
	{"a disk that lies", PLANT_LIE, BEGIN,
	 "create 2 0 1 31 0\nrun 1 0 0 6 0\npower 2 0 0 3 0\n",
	 "has lost what it had acknowledged"},
	{"a position", PLANT_BACK, BEGIN, "", "went back"},
	{"a history", PLANT_HISTORY, BEGIN, "", "another history"},
	{"a state hash", PLANT_HASH, BEGIN, "", "not in sync"},
};

static void run_text(const char *text, char failure[512], char **ret_dump)
{
	FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	struct sim *sim = calloc(1, sizeof(*sim));
	struct plan plan;

	assert_true(in && sim);
	assert_int_equal(plan_read(in, &plan), 0);
	(void)fclose(in);
	sim_run(sim, &plan);
	(void)snprintf(failure, 512, "%s", sim->failure);
	if (ret_dump)
		assert_int_equal(store_dump(sim->nodes[0].store, STORE_DUMP_ALL, ret_dump), 0);
	sim_free(sim);
	free(sim);
	plan_free(&plan);
}

static void test_plants(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char text[1024], failure[512];

		(void)snprintf(text, sizeof(text), "%s%s", rows[i].before, rows[i].after);
		run_text(text, failure, NULL);
		if (failure[0])
			fail_msg("without \"%s\": %s", rows[i].what, failure);
		(void)snprintf(text, sizeof(text), "%splant 2 %u 0 0 0\n%s", rows[i].before,
			       (unsigned int)rows[i].plant, rows[i].after);
		run_text(text, failure, NULL);
		if (!strstr(failure, rows[i].seen))
			fail_msg("\"%s\" gives \"%s\"", rows[i].what, failure);
	}
}

static void run_seed(uint64_t seed, char **ret_dump)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	struct plan plan;

	assert_non_null(sim);
	plan_make(seed, false, &plan);
	sim_run(sim, &plan);
	assert_int_equal(store_dump(sim->nodes[0].store, STORE_DUMP_ALL, ret_dump), 0);
	sim_free(sim);
	free(sim);
	plan_free(&plan);
}

static void test_same_run(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed < 6; seed++) {
		AUTO_FREE char *first = NULL;
		AUTO_FREE char *second = NULL;

		run_seed(seed, &first);
		run_seed(seed, &second);
		assert_string_equal(first, second);
	}
}

/* What is written down is what is read. */
static void test_script(void **state)
{
	AUTO_FREE char *text = NULL;
	size_t size;
	struct plan made, got;

	(void)state;
	plan_make(7, true, &made);
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	plan_write(&made, out);
	(void)fclose(out);
	FILE *in = fmemopen(text, size, "r");
	assert_int_equal(plan_read(in, &got), 0);
	(void)fclose(in);
	assert_int_equal(got.count, made.count);
	assert_int_equal(got.nodes, made.nodes);
	assert_memory_equal(got.steps, made.steps, made.count * sizeof(*made.steps));
	plan_free(&made);
	plan_free(&got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plants),
		cmocka_unit_test(test_same_run),
		cmocka_unit_test(test_script),
	};

	log_set_level(LOG_LEVEL_ERROR + 1);
	if (crypto_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
