/* links: topology/topology.c topology/row.c core/location.c topology/words.c core/crypto.c
 * core/err.c SPDX-License-Identifier: Apache-2.0 What follows from a matrix: one row per rule. Of
 * five nodes at most, each line of the matrix is a node's row: '1' hears, '2' quiet, '3' silent,
 * '4' refused, '0' no opinion, '-' itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "topology/topology.h"

#define MOST 5

struct rig {
	struct row rows[MOST];
	struct downtime downtimes[MOST];
	struct topology_member members[MOST];
	size_t count;
};

/* A line for each node; "" for one that has no row. */
static void rig_init(struct rig *rig, const char *const *matrix)
{
	memset(rig, 0, sizeof(*rig));
	while (rig->count < MOST && matrix[rig->count])
		rig->count++;
	for (size_t i = 0; i < rig->count; i++) {
		struct row *row = &rig->rows[i];

		row->node = (uint16_t)(i + 1);
		rig->members[i] = (struct topology_member){.node = row->node,
							   .row = matrix[i][0] ? row : NULL};
		for (size_t k = 0; k < strlen(matrix[i]); k++) {
			if (matrix[i][k] == '-')
				continue;
			row->edges[row->count++] = (struct row_edge){
				.node = (uint16_t)(k + 1), .edge = (uint8_t)(matrix[i][k] - '0')};
		}
	}
}

/* "alive down/3": states in order of node, with the cause where it is asked for. */
static void expect(const char *what, const struct rig *rig, uint16_t self, const char *wanted)
{
	struct topology topology;
	char got[256] = "";
	size_t used = 0;

	topology_make(rig->members, rig->count, self, &topology);
	for (size_t i = 0; i < topology.count; i++)
		used += (size_t)snprintf(got + used, sizeof(got) - used, "%s%s/%u", i ? " " : "",
					 tns_state_word((enum tns_state)topology.places[i].state),
					 topology.places[i].cause);
	if (strcmp(got, wanted) != 0)
		fail_msg("%s, as node %u sees it: %s, not %s", what, self, got, wanted);
}

static void test_rules(void **state)
{
	static const struct {
		const char *what;
		const char *matrix[MOST + 1];
		uint16_t self;
		const char *wanted;
	} rows[] = {
		{"alone", {"-"}, 1, "alive/1"},
		{"all hear all", {"-11", "1-1", "11-"}, 2, "alive/1 alive/1 alive/1"},
		{"a node without a row yet", {"-11", "1-1", ""}, 1, "alive/1 alive/1 alive/1"},
		{"the same, and it asks", {"-11", "1-1", ""}, 3, "alive/1 alive/1 alive/1"},
		{"one way cut: by way of the third",
		 {"-11", "3-1", "11-"},
		 1,
		 "alive/1 alive/1 alive/1"},
		{"a moment of silence", {"-12", "1-2", "11-"}, 1, "alive/1 alive/1 suspect/2"},
		{"one of two still waits", {"-13", "1-2", "11-"}, 1, "alive/1 alive/1 suspect/2"},
		{"silent for both", {"-13", "1-3", "11-"}, 1, "alive/1 alive/1 down/3"},
		{"one is not fit to judge", {"-13", "1-0", "11-"}, 1, "alive/1 alive/1 suspect/6"},
		{"nobody has an opinion", {"-10", "1-0", "11-"}, 1, "alive/1 alive/1 suspect/0"},
		{"two nodes, silence: nobody can tell", {"-3", "1-"}, 1, "isolated/8 suspect/6"},
		{"two nodes, a moment of silence", {"-2", "1-"}, 1, "alive/1 suspect/2"},
		{"two nodes, refused", {"-4", "1-"}, 1, "alive/1 down/4"},
		{"two of three killed", {"-44", "1-1", "11-"}, 1, "alive/1 down/4 down/4"},
		{"refused here, heard there", {"-14", "1-1", "11-"}, 1, "alive/1 alive/1 alive/1"},
		{"cut off from two", {"-33", "3-1", "31-"}, 1, "isolated/8 suspect/6 suspect/6"},
		{"the two", {"-33", "3-1", "31-"}, 2, "down/3 alive/1 alive/1"},
		{"two and two: none may judge",
		 {"-133", "1-33", "33-1", "331-"},
		 1,
		 "isolated/8 isolated/8 suspect/6 suspect/6"},
		{"three and two",
		 {"-1133", "1-133", "11-33", "333-1", "3331-"},
		 3,
		 "alive/1 alive/1 alive/1 down/3 down/3"},
		{"two and three",
		 {"-1133", "1-133", "11-33", "333-1", "3331-"},
		 4,
		 "suspect/6 suspect/6 suspect/6 isolated/8 isolated/8"},
		{"old rows of the other side say nothing",
		 {"-1133", "1-133", "11-33", "111-1", "1111-"},
		 1,
		 "alive/1 alive/1 alive/1 down/3 down/3"},
		{"one that hears nobody, and is heard",
		 {"-11", "1-1", "33-"},
		 1,
		 "alive/1 alive/1 isolated/7"},
		{"one that has only begun", {"-11", "1-1", "00-"}, 1, "alive/1 alive/1 suspect/2"},
		{"self is no member", {"-1", "1-"}, 9, "suspect/0 suspect/0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rig rig;

		rig_init(&rig, rows[i].matrix);
		expect(rows[i].what, &rig, rows[i].self, rows[i].wanted);
	}
}

static void test_out_and_stopped(void **state)
{
	static const char *const silent[] = {"-33", "1-1", "11-", NULL};
	static const char *const all[] = {"-11", "1-1", "11-", NULL};
	struct rig rig;

	(void)state;
	rig_init(&rig, silent);
	rig.rows[1].flags = ROW_STOPPING;
	expect("one of two stopped in order, the other is silent", &rig, 1,
	       "isolated/8 down/5 suspect/6");
	rig.rows[2].flags = ROW_STOPPING;
	expect("both stopped in order", &rig, 1, "alive/1 down/5 down/5");
	rig.members[1].membership = TOPOLOGY_LEFT;
	rig.members[2].membership = TOPOLOGY_REMOVED;
	expect("both are out", &rig, 1, "alive/1 left/10 removed/10");
	rig_init(&rig, all);
	rig.members[2].membership = TOPOLOGY_REMOVED;
	expect("one that is out, and still speaks", &rig, 1, "alive/1 alive/1 removed/10");
	/* It runs again, and its new row is not here yet. */
	rig_init(&rig, all);
	rig.rows[2].flags = ROW_STOPPING;
	expect("stopped, and back", &rig, 1, "alive/1 alive/1 alive/1");
}

static void test_downtimes(void **state)
{
	static const char *const up[] = {"-11", "1-1", "11-", NULL};
	static const char *const down[] = {"-13", "1-3", "11-", NULL};
	static const struct {
		uint8_t kind;
		bool drained;
		const char *up, *down;
	} rows[] = {
		{DOWNTIME_NONE, false, "alive/1", "down/3"},
		{DOWNTIME_CORDON, false, "cordoned/9", "down/3"},
		{DOWNTIME_DRAIN, false, "draining/9", "down/3"},
		{DOWNTIME_DRAIN, true, "drained/9", "drained/9"},
		{DOWNTIME_MAINTENANCE, false, "maintenance/9", "maintenance/9"},
		{200, false, "alive/1", "down/3"},
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		char wanted[64];
		struct rig rig;

		rig_init(&rig, i % 2 ? down : up);
		rig.downtimes[2].kind = rows[i / 2].kind;
		rig.members[2].downtime = &rig.downtimes[2];
		rig.rows[2].flags = rows[i / 2].drained ? ROW_DRAINED : 0;
		(void)snprintf(wanted, sizeof(wanted), "alive/1 alive/1 %s",
			       i % 2 ? rows[i / 2].down : rows[i / 2].up);
		expect("downtime", &rig, 1, wanted);
	}
}

/* Equal for who is together, another for each thing that counts. */
static void test_hash(void **state)
{
	static const char *const matrix[] = {"-113", "1-13", "11-3", "111-", NULL};
	struct topology a, b;
	struct rig rig;

	(void)state;
	rig_init(&rig, matrix);
	topology_make(rig.members, rig.count, 1, &a);
	for (uint16_t self = 2; self <= 3; self++) {
		topology_make(rig.members, rig.count, self, &b);
		assert_true(a.hash == b.hash);
	}
	/* What each heard when is not a matter of the topology. */
	rig.rows[0].seq++;
	rig.rows[1].edges[0].rtt = 3;
	topology_make(rig.members, rig.count, 1, &b);
	assert_true(a.hash == b.hash);
	(void)strcpy(rig.rows[1].location, "east");
	topology_make(rig.members, rig.count, 1, &b);
	assert_false(a.hash == b.hash);
	rig_init(&rig, matrix);
	rig.rows[0].edges[2].edge = TNS_EDGE_QUIET;
	topology_make(rig.members, rig.count, 1, &b);
	assert_false(a.hash == b.hash);
	assert_null(topology_find(&b, 9));
	assert_int_equal(topology_find(&b, 4)->state, TNS_SUSPECT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_out_and_stopped),
		cmocka_unit_test(test_downtimes),
		cmocka_unit_test(test_hash),
	};

	return crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
