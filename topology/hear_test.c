/* links: topology/hear.c
 * SPDX-License-Identifier: Apache-2.0
 * From evidence to an opinion: one row per rule; standing still; round trips. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "topology/hear.h"

static void test_edges(void **state)
{
	/* Times before now, in ms; -1: never. */
	static const struct {
		const char *what;
		int began, heard, lost, refused;
		uint8_t health;
		enum tns_edge edge;
	} rows[] = {
		{"just begun", 100, -1, -1, -1, 0, TNS_EDGE_NONE},
		{"never heard for long", 4000, -1, -1, -1, 0, TNS_EDGE_SILENT},
		{"heard", 9000, 100, -1, -1, 0, TNS_EDGE_HEARS},
		{"heard a moment ago", 9000, 1999, -1, -1, 0, TNS_EDGE_HEARS},
		{"silent for half the time", 9000, 2000, -1, -1, 0, TNS_EDGE_QUIET},
		{"silent not quite long enough", 9000, 3999, -1, -1, 0, TNS_EDGE_QUIET},
		{"silent", 9000, 4000, -1, -1, 0, TNS_EDGE_SILENT},
		{"connection broke", 9000, 100, 50, -1, 0, TNS_EDGE_QUIET},
		{"heard since, perhaps under way before", 9000, 10, 200, -1, 0, TNS_EDGE_QUIET},
		{"heard since", 9000, 10, 300, -1, 0, TNS_EDGE_HEARS},
		{"refused at once", 9000, 100, 50, 20, 0, TNS_EDGE_QUIET},
		{"refused, and a beat is overdue", 9000, 750, 600, 500, 0, TNS_EDGE_REFUSED},
		{"refused, but heard", 9000, 100, 600, 500, 0, TNS_EDGE_HEARS},
		{"never heard, refused", 800, -1, -1, 700, 0, TNS_EDGE_REFUSED},
		{"unfit, heard", 9000, 100, -1, -1, 1, TNS_EDGE_HEARS},
		{"unfit, heard less than its patience ago", 9000, 3999, -1, -1, 1, TNS_EDGE_HEARS},
		{"unfit accuses nobody", 9000, 8000, -1, -1, 1, TNS_EDGE_NONE},
		{"unfit accuses nobody, refused or not", 9000, 5000, 600, 500, 1, TNS_EDGE_NONE},
	};
	const uint64_t now = 100000;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hear_self self = {.health = rows[i].health};
		struct hear hear = {.began_ms = now - (uint64_t)rows[i].began};

		if (rows[i].heard >= 0)
			hear.heard_ms = now - (uint64_t)rows[i].heard;
		if (rows[i].lost >= 0)
			hear.lost_ms = now - (uint64_t)rows[i].lost;
		if (rows[i].refused >= 0)
			hear.refused_ms = now - (uint64_t)rows[i].refused;
		if (hear_edge(&hear, &self, now) != rows[i].edge)
			fail_msg("%s: %s", rows[i].what, "another edge");
	}
}

static void test_events(void **state)
{
	struct hear_self self = {0};
	struct hear hear;

	(void)state;
	hear_begin(&hear, 1000);
	hear_link(&hear, true, 1100);
	assert_int_equal(hear_edge(&hear, &self, 1100), TNS_EDGE_HEARS);
	/* A refusal means nothing while the connection is up. */
	hear_refused(&hear, 1200);
	assert_int_equal(hear.refused_ms, 0);
	hear_link(&hear, false, 2000);
	assert_int_equal(hear_edge(&hear, &self, 2000), TNS_EDGE_QUIET);
	hear_refused(&hear, 2100);
	assert_int_equal(hear_edge(&hear, &self, 2100), TNS_EDGE_REFUSED);
	/* A beat that was under way changes nothing; a later one takes all back. */
	hear_beat(&hear, 2150);
	assert_int_equal(hear_edge(&hear, &self, 2150), TNS_EDGE_QUIET);
	assert_int_equal(hear.refused_ms, 2100);
	hear_beat(&hear, 2300);
	assert_int_equal(hear_edge(&hear, &self, 2300), TNS_EDGE_HEARS);
	assert_int_equal(hear.refused_ms, 0);
	/* Bytes of a moment that is past do not turn the clock back. */
	hear_bytes(&hear, 1500);
	assert_int_equal(hear.heard_ms, 2300);
}

/* Looks that come in time, late, and after a freeze. */
static void test_standing_still(void **state)
{
	struct hear_self self = {0};
	struct hear hear = {.began_ms = 500, .heard_ms = 900, .lost_ms = 950};

	(void)state;
	assert_int_equal(hear_look(&self, 1000), 0);
	assert_int_equal(hear_look(&self, 1100), 0);
	assert_int_equal(hear_look(&self, 1449), 0);
	assert_int_equal(self.health, 0);
	uint64_t stall = hear_look(&self, 7549);
	assert_int_equal(stall, 6000);
	assert_int_equal(self.health, 1);
	/* What came before what stays so, and no silence has grown. */
	hear_stall(&hear, stall, 7549);
	assert_int_equal(hear.heard_ms, 6900);
	assert_int_equal(hear.lost_ms, 6950);
	hear.heard_ms = 7500;
	hear_stall(&hear, 6000, 7549);
	assert_int_equal(hear.heard_ms, 7549);
	/* It recovers by looks in time, not by looks. */
	for (uint64_t now = 7649; now < 8549; now += 100)
		assert_int_equal(hear_look(&self, now), 0);
	assert_int_equal(self.health, 1);
	assert_int_equal(hear_look(&self, 8549), 0);
	assert_int_equal(self.health, 0);
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(hear_look(&self, 10000 + i * 1000) > 0, 1);
	assert_int_equal(self.health, HEAR_HEALTH_MAX);
}

static void test_round_trips(void **state)
{
	struct hear_self self = {0};
	struct hear hear = {0};

	(void)state;
	assert_int_equal(hear_silence_ms(&hear, &self), HEAR_SILENT_MS);
	for (int i = 0; i < 50; i++)
		hear_rtt(&hear, 1000);
	assert_int_equal(hear.srtt_us, 1000);
	/* One that was held up somewhere is no distance; what is no time at all neither. */
	hear_rtt(&hear, 5000000);
	hear_rtt(&hear, 1000);
	hear_rtt(&hear, 0);
	hear_rtt(&hear, UINT32_MAX);
	assert_int_equal(hear.srtt_us, 1000);
	assert_int_equal(hear_silence_ms(&hear, &self), HEAR_SILENT_MS);
	for (int i = 0; i < 100; i++)
		hear_rtt(&hear, 800000);
	assert_in_range(hear_silence_ms(&hear, &self), 6300, 6500);
	self.health = 2;
	assert_in_range(hear_silence_ms(&hear, &self), 3 * 6300, 3 * 6500);
	for (int i = 0; i < 100; i++)
		hear_rtt(&hear, 30000000);
	self.health = 0;
	assert_int_equal(hear_silence_ms(&hear, &self), HEAR_FAR_MS);
}

static void test_classes(void **state)
{
	static const struct {
		uint32_t us;
		uint8_t before, class;
	} rows[] = {
		{0, 0, 0},        {0, 7, 7},        {1, 0, 1},    {127, 0, 1},  {128, 0, 2},
		{1000, 0, 4},     {1023, 0, 4},     {1024, 0, 5}, {1100, 4, 4}, {1279, 4, 4},
		{1280, 4, 5},     {1000, 5, 5},     {820, 5, 5},  {819, 5, 4},  {60000000, 0, 15},
		{2097152, 0, 15}, {1048575, 0, 14},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (hear_rtt_class(rows[i].us, rows[i].before) != rows[i].class)
			fail_msg("%u us after class %u is class %u", rows[i].us, rows[i].before,
				 hear_rtt_class(rows[i].us, rows[i].before));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),          cmocka_unit_test(test_events),
		cmocka_unit_test(test_standing_still), cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
