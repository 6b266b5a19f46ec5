/* links: topology/neighbours.c topology/neighbours_news.c topology/hear.c topology/row.c
 *        topology/beat.c topology/downtime.c topology/topology.c topology/words.c core/location.c
 *        core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * One machine, its peers played by hand: what it tells whom, whom it believes, when downtimes end,
 * and when a node that came back may be relied on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "topology/neighbour.h"

#define NODES 4
#define SEC   1000000ull
#define WALL  1800000000ull

struct rig {
	struct neighbours *n; /* node 1 */
	struct keypair keys[NODES + 1];
	uint64_t now, wall;
	uint32_t incarnation;
	unsigned int beats[NODES + 1], rows[NODES + 1], downtimes[NODES + 1];
	uint16_t last_row_of[NODES + 1]; /* the node of the last row that went to it */
};

static void on_beat(void *arg, uint16_t to, const void *text, size_t size)
{
	struct rig *rig = arg;
	struct beat beat;

	assert_int_equal(beat_decode(text, size, &beat), 0);
	rig->beats[to]++;
}

static void on_tell(void *arg, uint16_t to, enum neighbours_news news, const void *data,
		    size_t size)
{
	struct rig *rig = arg;
	struct row row;

	if (news == NEIGHBOURS_DOWNTIME) {
		rig->downtimes[to]++;
		return;
	}
	assert_int_equal(row_decode(data, size, &row), 0);
	rig->rows[to]++;
	rig->last_row_of[to] = row.node;
}

static void on_changed(void *arg, uint16_t node, enum tns_state before,
		       const struct topology_place *now)
{
	(void)arg;
	(void)node;
	assert_int_not_equal(before, now->state);
}

static void on_incarnation(void *arg, uint32_t incarnation)
{
	((struct rig *)arg)->incarnation = incarnation;
}

static void on_downtime(void *arg)
{
	(void)arg;
}

static uint64_t on_wall(void *arg)
{
	return ((struct rig *)arg)->wall;
}

static void rig_members(struct rig *rig, uint8_t membership_of_4)
{
	struct neighbours_member members[NODES] = {0};

	for (uint16_t i = 1; i <= NODES; i++) {
		members[i - 1].node = i;
		memcpy(members[i - 1].key, rig->keys[i].public, KEY_PUBLIC_SIZE);
	}
	members[3].membership = membership_of_4;
	assert_int_equal(neighbours_members(rig->n, members, NODES, rig->now), 0);
}

static void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->now = 100 * SEC;
	rig->wall = WALL;
	for (uint16_t i = 1; i <= NODES; i++) {
		uint8_t seed[KEY_SEED_SIZE] = {(uint8_t)i};

		keypair_from_seed(seed, &rig->keys[i]);
	}
	const struct neighbours_config config = {
		.self = 1,
		.key = &rig->keys[1],
		.incarnation = 3,
		.boot = 77,
		.location = "",
		.io = {rig, on_beat, on_tell, on_changed, on_incarnation, on_downtime, on_wall},
	};
	assert_int_equal(neighbours_new(&config, &rig->n), 0);
	rig_members(rig, TOPOLOGY_ACTIVE);
}

/* Looks for so long; node 2 and 3 are heard if `heard`. */
static void rig_run(struct rig *rig, uint64_t ms, bool heard)
{
	for (uint64_t end = rig->now + ms * 1000; rig->now < end; rig->now += 100000) {
		for (uint16_t i = 2; heard && i <= 3; i++)
			neighbours_bytes(rig->n, i, rig->now / 1000);
		neighbours_tick(rig->n, rig->now);
	}
}

static size_t sealed_row(const struct rig *rig, uint16_t node, uint16_t signer, uint32_t seq,
			 uint8_t ret[ROW_SIZE_MAX])
{
	struct row row = {.node = node, .incarnation = 5, .seq = seq, .boot = node};

	for (uint16_t i = 1; i <= NODES; i++) {
		if (i != node)
			row.edges[row.count++] =
				(struct row_edge){.node = i, .edge = TNS_EDGE_HEARS};
	}
	return row_seal(&row, &rig->keys[signer], ret);
}

/* A beat of node `from` that has this hash, and stamps of `gone_us` ago. */
static void beat(struct rig *rig, uint16_t from, uint64_t hash, uint32_t gone_us)
{
	uint8_t text[BEAT_SIZE_MAX];
	struct beat b = {.incarnation = 5, .hash = hash, .held_us = gone_us ? 0 : UINT32_MAX};

	b.echo_us = (uint32_t)rig->now - gone_us;
	assert_int_equal(neighbours_beat(rig->n, from, text, beat_encode(&b, text), rig->now), 0);
}

static void test_rows(void **state)
{
	uint8_t bytes[ROW_SIZE_MAX];
	struct rig rig;

	(void)state;
	rig_init(&rig);
	neighbours_link(rig.n, 2, true, rig.now);
	neighbours_link(rig.n, 3, true, rig.now);
	rig_run(&rig, 200, true);
	assert_true(rig.rows[2] && rig.rows[3] && rig.beats[4]);
	/* Nobody speaks for another; what is damaged is refused. */
	size_t size = sealed_row(&rig, 4, 3, 1, bytes);
	assert_int_equal(neighbours_told(rig.n, 3, NEIGHBOURS_ROW, bytes, size, rig.now), MA_ESIG);
	/* To who does not hear its node, as far as we know; not back to who brought it. */
	memset(rig.last_row_of, 0, sizeof(rig.last_row_of));
	size = sealed_row(&rig, 4, 4, 1, bytes);
	assert_int_equal(neighbours_told(rig.n, 3, NEIGHBOURS_ROW, bytes, size, rig.now), 0);
	assert_int_equal(rig.last_row_of[2], 4);
	assert_int_equal(rig.last_row_of[3], 0);
	/* The same again is no news. */
	unsigned int told = rig.rows[2];
	assert_int_equal(neighbours_told(rig.n, 3, NEIGHBOURS_ROW, bytes, size, rig.now), 0);
	assert_int_equal(rig.rows[2], told);
	/* Node 2 says that it hears node 4: no need. */
	size = sealed_row(&rig, 2, 2, 1, bytes);
	assert_int_equal(neighbours_told(rig.n, 2, NEIGHBOURS_ROW, bytes, size, rig.now), 0);
	told = rig.rows[2];
	size = sealed_row(&rig, 4, 4, 2, bytes);
	assert_int_equal(neighbours_told(rig.n, 3, NEIGHBOURS_ROW, bytes, size, rig.now), 0);
	assert_int_equal(rig.rows[2], told);
	/* Who is out has no row any more. */
	rig_members(&rig, TOPOLOGY_REMOVED);
	size = sealed_row(&rig, 4, 4, 3, bytes);
	assert_int_equal(neighbours_told(rig.n, 3, NEIGHBOURS_ROW, bytes, size, rig.now), 0);
	assert_int_equal(neighbours_find(rig.n, 4)->row.seq, 2);
	neighbours_free(rig.n);
}

/* Our own row comes back with a higher count: a start whose state was lost goes on above it. And
 * who has lost its own is shown what we have. */
static void test_lost_counts(void **state)
{
	uint8_t bytes[ROW_SIZE_MAX], text[BEAT_SIZE_MAX];
	struct beat old = {.incarnation = 1, .held_us = UINT32_MAX};
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_run(&rig, 200, false);
	size_t size = sealed_row(&rig, 1, 2, 1, bytes);
	assert_int_equal(neighbours_told(rig.n, 2, NEIGHBOURS_ROW, bytes, size, rig.now), MA_ESIG);
	assert_int_equal(rig.incarnation, 0);
	size = sealed_row(&rig, 1, 1, 1, bytes);
	assert_int_equal(neighbours_told(rig.n, 2, NEIGHBOURS_ROW, bytes, size, rig.now), 0);
	assert_int_equal(rig.incarnation, 6);
	rig_run(&rig, 200, false);
	assert_int_equal(neighbours_find(rig.n, 1)->row.incarnation, 6);
	size = sealed_row(&rig, 2, 2, 1, bytes);
	assert_int_equal(neighbours_told(rig.n, 2, NEIGHBOURS_ROW, bytes, size, rig.now), 0);
	rig.last_row_of[2] = 0;
	assert_int_equal(neighbours_beat(rig.n, 2, text, beat_encode(&old, text), rig.now), 0);
	assert_int_equal(rig.last_row_of[2], 2);
	neighbours_free(rig.n);
}

/* Another hash for a second: all we have, and not again at once. */
static void test_differences(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	neighbours_link(rig.n, 2, true, rig.now);
	rig_run(&rig, 500, true);
	unsigned int told = rig.rows[2];
	uint64_t hash = neighbours_topology(rig.n)->hash;
	beat(&rig, 2, hash + 1, 0);
	rig_run(&rig, 900, true);
	assert_int_equal(rig.rows[2], told);
	rig_run(&rig, 300, true);
	assert_true(rig.rows[2] > told);
	told = rig.rows[2];
	rig_run(&rig, 1500, true);
	assert_int_equal(rig.rows[2], told);
	beat(&rig, 2, neighbours_topology(rig.n)->hash, 0);
	rig_run(&rig, 700, true);
	assert_int_equal(rig.rows[2], told);
	neighbours_free(rig.n);
}

/* What was on its way while we stood still is no distance. */
static void test_round_trips(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	neighbours_link(rig.n, 2, true, rig.now);
	rig_run(&rig, 500, true);
	for (int i = 0; i < 5; i++)
		beat(&rig, 2, 0, 2000);
	assert_int_equal(neighbours_find(rig.n, 2)->hear.srtt_us, 2000);
	rig.now += 6 * SEC;
	for (int i = 0; i < 5; i++)
		beat(&rig, 2, 0, 6 * SEC);
	rig_run(&rig, 100, true);
	for (int i = 0; i < 5; i++)
		beat(&rig, 2, 0, 5 * SEC);
	assert_int_equal(neighbours_find(rig.n, 2)->hear.srtt_us, 2000);
	neighbours_free(rig.n);
}

static size_t sealed_downtime(const struct rig *rig, uint16_t author, uint16_t signer,
			      uint64_t version, uint8_t ret[DOWNTIME_SIZE_MAX])
{
	struct downtime downtime = {.node = 3,
				    .version = version,
				    .kind = DOWNTIME_MAINTENANCE,
				    .author = author,
				    .set_s = WALL,
				    .for_s = 60,
				    .reason = "disk"};

	return downtime_seal(&downtime, &rig->keys[signer], ret);
}

static void test_downtimes(void **state)
{
	uint8_t bytes[DOWNTIME_SIZE_MAX];
	struct downtime wanted = {.node = 2, .kind = DOWNTIME_DRAIN, .for_s = 60, .reason = "disk"};
	struct rig rig;

	(void)state;
	rig_init(&rig);
	neighbours_link(rig.n, 2, true, rig.now);
	neighbours_link(rig.n, 3, true, rig.now);
	assert_int_equal(neighbours_plan(rig.n, &wanted, rig.now), 0);
	assert_true(rig.downtimes[2] && rig.downtimes[3]);
	size_t size = sealed_downtime(&rig, 2, 3, 1, bytes);
	assert_int_equal(neighbours_told(rig.n, 2, NEIGHBOURS_DOWNTIME, bytes, size, rig.now),
			 MA_ESIG);
	unsigned int told = rig.downtimes[3];
	size = sealed_downtime(&rig, 2, 2, 1, bytes);
	assert_int_equal(neighbours_told(rig.n, 2, NEIGHBOURS_DOWNTIME, bytes, size, rig.now), 0);
	assert_int_equal(rig.downtimes[3], told + 1);
	/* Ours ends when its time is up, whatever the clock of the day does; that of another not
	 * before it could have been ended for us. */
	rig.wall += 86400;
	rig_run(&rig, 59000, true);
	assert_true(neighbours_find(rig.n, 2)->ends_ms);
	rig_run(&rig, 1200, true);
	assert_false(neighbours_find(rig.n, 2)->ends_ms);
	assert_int_equal(neighbours_find(rig.n, 2)->downtime.version, 2);
	assert_true(neighbours_find(rig.n, 3)->ends_ms);
	rig_run(&rig, NEIGHBOURS_CLOCKS_S * 1000, true);
	assert_false(neighbours_find(rig.n, 3)->ends_ms);
	/* Who was taken out has no say. */
	rig_members(&rig, TOPOLOGY_REMOVED);
	size = sealed_downtime(&rig, 4, 4, 9, bytes);
	assert_int_equal(neighbours_told(rig.n, 2, NEIGHBOURS_DOWNTIME, bytes, size, rig.now), 0);
	assert_false(neighbours_find(rig.n, 3)->ends_ms);
	wanted.for_s = 0;
	assert_int_equal(neighbours_plan(rig.n, &wanted, rig.now), -EINVAL);
	wanted.node = 9;
	assert_int_equal(neighbours_plan(rig.n, &wanted, rig.now), MA_EUNKNOWN);
	neighbours_free(rig.n);
}

/* The first return costs 3 s; the second within ten minutes 20, the third 40 ... */
static void test_flapping(void **state)
{
	static const uint64_t wanted_ms[] = {0, 3000, 20000, 40000, 80000};
	struct rig rig;

	(void)state;
	rig_init(&rig);
	neighbours_link(rig.n, 3, true, rig.now);
	for (size_t i = 0; i < 5; i++) {
		neighbours_link(rig.n, 2, true, rig.now);
		rig_run(&rig, 1000, true);
		const struct neighbour *nb = neighbours_find(rig.n, 2);
		uint64_t ready = neighbour_ready_ms(nb);
		if (i == 0)
			assert_int_equal(ready, 0);
		else
			assert_int_equal(ready - nb->up_ms, wanted_ms[i]);
		neighbours_link(rig.n, 2, false, rig.now);
		neighbours_refused(rig.n, 2, rig.now);
		rig_run(&rig, 1000, false);
		assert_int_equal(nb->state, TNS_DOWN);
		assert_true(neighbour_ready_ms(nb) == UINT64_MAX);
	}
	neighbours_free(rig.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),        cmocka_unit_test(test_lost_counts),
		cmocka_unit_test(test_differences), cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_downtimes),   cmocka_unit_test(test_flapping),
	};

	return crypto_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
