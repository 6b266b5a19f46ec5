/* links: status/json.c status/page.c status/metrics.c status/snapshot.c core/json.c core/units.c
 * core/err.c health/code.c topology/words.c
 * SPDX-License-Identifier: Apache-2.0
 * What is shown, from a picture made by hand: the document of the contract to the letter, escaping
 * in page and metrics, and the sentence for each situation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/version.h"
#include "status/json.h"
#include "status/metrics.h"
#include "status/page.h"
#include "status/snapshot.h"

/* Two nodes, one pool, all well. Tests change what they are about. */
struct picture {
	struct snapshot snapshot;
	struct snapshot_pool pools[2];
	struct snapshot_member members[3];
};

static void text_put(char *to, const char *text)
{
	memcpy(to, text, strlen(text) + 1);
}

static void make(struct picture *p)
{
	memset(p, 0, sizeof(*p));
	p->snapshot = (struct snapshot){.number = 1,
					.in_fleet = true,
					.time_ns = 1500000000,
					.uptime_ms = 2500,
					.memory = 4096,
					.pools = p->pools,
					.pool_count = 1,
					.members = p->members,
					.member_count = 2};
	text_put(p->snapshot.node, "n1");
	text_put(p->snapshot.id, "0123");
	struct pool_status *pool = &p->pools[0].status;
	text_put(pool->name, "web");
	text_put(pool->backing, "/b/web");
	text_put(p->pools[0].path, "/pool/web");
	p->pools[0].mounted = true;
	pool->open = true;
	pool->in_sync = true;
	pool->files = 10;
	pool->bytes = 4096;
	pool->journal_bytes = 8192;
	pool->position = 7;
	pool->peer_count = 1;
	pool->peers[0] = (struct pool_peer_status){
		.node = 2, .state = "live", .last_ack_age_s = 0.5, .equal = true};
	for (size_t i = 0; i < 2; i++) {
		struct member *record = &p->members[i].record;

		record->number = (uint16_t)(i + 1);
		record->state = MEMBER_ACTIVE;
		(void)snprintf(record->name, sizeof(record->name), "n%zu", i + 1);
		(void)snprintf(record->addresses[0], 64, "10.0.0.%zu:7447", i + 1);
		record->pool_count = 1;
		text_put(record->pools[0].name, "web");
		p->members[i].state = "alive";
		p->members[i].tns = (struct tns_view){
			.state = TNS_ALIVE, .cause = TNS_CAUSE_HEARD, .since_s = 3.5};
	}
	p->members[0].self = true;
	p->members[0].baseline = (struct health_view){.text = "ok", .effect = "none"};
	p->members[1].baseline = (struct health_view){
		.code = 3306, .text = "mount is missing: pool.mount", .effect = "withdraw"};
	p->members[1].link = (struct net_peer_status){
		.connected = true, .rtt_us = 250, .sent_bytes = 11, .received_bytes = 12};
}

static void test_document_to_the_letter(void **state)
{
	static const char golden[] =
		"{\"node\":\"n1\",\"number\":1,\"id\":\"0123\",\"version\":\"" MULTIALL_VERSION
		"\","
		"\"in_fleet\":true,\"summary\":\"All in sync: 1 pool, 2 nodes.\",\"in_sync\":true,"
		"\"healthy\":true,\"time\":1.5,\"uptime_s\":2.5,\"memory_bytes\":4096,\"page_"
		"problem\":\"\","
		"\"topology\":{\"hash\":\"0000000000000000\",\"majority\":false},\"refused\":{"
		"\"certificate\":0,\"frame\":0,\"token\":0,\"handshake_timeout\":0,"
		"\"handshake\":0,\"busy\":0},"
		"\"pools\":[{\"name\":\"web\",\"path\":\"/pool/web\",\"backing\":\"/b/web\","
		"\"open\":true,\"mounted\":true,\"mount_mode\":\"\",\"transport\":\"\",\"problem\":"
		"\"\",\"in_sync\":"
		"true,"
		"\"files\":10,"
		"\"bytes\":4096,\"journal_bytes\":8192,\"conflicts\":0,\"trash\":0,\"durability\":"
		"\"local\","
		"\"durability_kept\":true,\"position\":7,"
		"\"peers\":[{\"node\":\"n2\",\"number\":2,\"state\":\"live\",\"behind_ops\":0,"
		"\"behind_bytes\":0,\"last_ack_age_s\":0.5,\"held_reason\":\"\",\"in_sync\":true,"
		"\"catchup_done_bytes\":null,\"catchup_total_bytes\":null,"
		"\"catchup_bytes_per_s\":null}]}],"
		"\"members\":[{\"node\":\"n1\",\"number\":1,\"self\":true,\"zone\":\"\","
		"\"state\":\"alive\",\"cause\":\"it hears and is "
		"heard\",\"since_s\":3.5,\"ready_in_s\":0.0,\"witness\":false,\"downtime\":null,"
		"\"sbm\":{\"code\":0,\"text\":\"ok\",\"effect\":\"none\"},"
		"\"rtt_us\":null,"
		"\"connected\":false,\"held_reason\":\"\",\"attempts\":0,\"sent_bytes\":0,"
		"\"received_bytes\":0,\"addresses\":[\"10.0.0.1:7447\"],\"pools\":[\"web\"]},"
		"{\"node\":\"n2\",\"number\":2,\"self\":false,\"zone\":\"\",\"state\":\"alive\","
		"\"cause\":\"it hears and is "
		"heard\",\"since_s\":3.5,\"ready_in_s\":0.0,\"witness\":false,\"downtime\":null,"
		"\"sbm\":{\"code\":3306,\"text\":\"mount is missing: pool.mount\","
		"\"effect\":\"withdraw\"},\"rtt_us\":250,\"connected\":true,"
		"\"held_reason\":\"\",\"attempts\":0,\"sent_bytes\":11,\"received_bytes\":12,"
		"\"addresses\":[\"10.0.0.2:7447\"],\"pools\":[\"web\"]}]}";
	struct picture p;

	(void)state;
	make(&p);
	AUTO_JSON json_t *value = status_json(&p.snapshot);
	AUTO_FREE char *text = json_line(value);
	assert_string_equal(text, golden);
}

/* What is not good stands on the page and in the metrics, escaped, and nothing else does. */
static void test_baseline(void **state)
{
	struct picture p;
	size_t size;

	(void)state;
	make(&p);
	AUTO_JSON json_t *health = json_pack(
		"{s:[{s:s, s:s, s:i, s:s, s:s, s:s, s:i}, {s:s, s:s, s:i}]}", "rules", "rule",
		"app.x", "pool", "web", "code", 3504, "severity", "critical", "text", "<b>&",
		"effect", "withdraw", "since_s", 61, "rule", "cpu.load", "pool", "", "code", 0);
	p.snapshot.health = health;
	AUTO_FREE char *page = page_html(&p.snapshot, &size);
	assert_non_null(strstr(page, "<td class=\"bad\">SBM-3504</td>"));
	assert_non_null(strstr(page, "&lt;b&gt;&amp;"));
	assert_non_null(strstr(page, "SBM-3306 mount is missing: pool.mount"));
	assert_null(strstr(page, "cpu.load"));
	AUTO_FREE char *metrics = metrics_text(&p.snapshot, &size);
	assert_non_null(strstr(metrics, "multiall_rule_code{rule=\"app.x\",pool=\"web\"} 3504\n"));
	assert_non_null(strstr(metrics, "multiall_rule_code{rule=\"cpu.load\",pool=\"\"} 0\n"));
	assert_non_null(strstr(metrics, "multiall_member_baseline_code{member=\"n2\"} 3306\n"));
	(void)json_array_clear(json_object_get(health, "rules"));
	AUTO_FREE char *quiet = page_html(&p.snapshot, &size);
	assert_non_null(strstr(quiet, "All 0 rules are good."));
}

/* Bytes of any kind in names and reasons still make a document. */
static void test_document_of_any_bytes(void **state)
{
	struct picture p;

	(void)state;
	make(&p);
	text_put(p.pools[0].problem, "bad \xff byte");
	text_put(p.pools[0].status.peers[0].held_reason, "\xc3");
	AUTO_JSON json_t *value = status_json(&p.snapshot);
	assert_non_null(value);
	const json_t *pool = json_array_get(json_object_get(value, "pools"), 0);
	assert_string_equal(json_get_text(pool, "problem", ""), "bad \xef\xbf\xbd byte");
}

static void test_in_sync_only_when_proven(void **state)
{
	struct picture p;
	char why[768];

	(void)state;
	make(&p);
	assert_true(snapshot_in_sync(&p.snapshot, why, sizeof(why)));
	p.pools[0].status.in_sync = false;
	p.pools[0].status.peers[0].equal = false;
	assert_false(snapshot_in_sync(&p.snapshot, why, sizeof(why)));
	assert_string_equal(why, "web: not proven equal with n2 yet (live)");
	p.pools[0].status.peers[0].behind_ops = 1234;
	assert_false(snapshot_in_sync(&p.snapshot, why, sizeof(why)));
	assert_string_equal(why, "web: n2 has yet to receive 1,234 operations (live)");
	/* One that is connected and not proven equal, whatever the pool says of itself. */
	make(&p);
	p.pools[0].status.peers[0].equal = false;
	assert_false(snapshot_in_sync(&p.snapshot, why, sizeof(why)));
	/* One that is away does not count. */
	make(&p);
	p.pools[0].status.peer_count = 2;
	p.pools[0].status.peers[1] = (struct pool_peer_status){.node = 3};
	assert_true(snapshot_in_sync(&p.snapshot, why, sizeof(why)));
	/* Nobody there to prove it with. */
	make(&p);
	p.members[1].link.connected = false;
	assert_false(snapshot_in_sync(&p.snapshot, why, sizeof(why)));
	assert_string_equal(why, "web: no other node that holds it is connected");
	/* A pool that is not open proves nothing, whatever it last said. */
	make(&p);
	p.pools[0].status.open = false;
	text_put(p.pools[0].problem, "the store is foreign");
	assert_false(snapshot_in_sync(&p.snapshot, why, sizeof(why)));
	assert_string_equal(why, "web is not open: the store is foreign");
	AUTO_JSON json_t *value = status_json(&p.snapshot);
	assert_false(
		json_get_bool(json_array_get(json_object_get(value, "pools"), 0), "in_sync", true));
}

static void test_sentences(void **state)
{
	struct picture p;
	char text[1024];

	(void)state;
	make(&p);
	p.members[1].link = (struct net_peer_status){.attempts = 3, .held_reason = "no route"};
	snapshot_sentence(&p.snapshot, text, sizeof(text));
	assert_string_equal(text,
			    "n1 is cut off: no other node (of 1) is connected. Work here goes "
			    "on and is delivered later.");
	p.members[1].link = (struct net_peer_status){0};
	snapshot_sentence(&p.snapshot, text, sizeof(text));
	assert_string_equal(text, "n1 is connecting to the other nodes (1).");
	make(&p);
	p.snapshot.member_count = 3;
	p.members[2] = p.members[1];
	text_put(p.members[2].record.name, "n3");
	p.members[2].link = (struct net_peer_status){.attempts = 1};
	snapshot_sentence(&p.snapshot, text, sizeof(text));
	assert_string_equal(text, "In sync with 1 of 2 other nodes; n3 is not connected.");
	p.members[2].record.state = MEMBER_REMOVED;
	snapshot_sentence(&p.snapshot, text, sizeof(text));
	assert_string_equal(text, "All in sync: 1 pool, 2 nodes.");
	p.members[0].record.state = MEMBER_REMOVED;
	snapshot_sentence(&p.snapshot, text, sizeof(text));
	assert_non_null(strstr(text, "n1 is no longer a member of its fleet"));
	make(&p);
	p.pools[0].mounted = false;
	text_put(p.pools[0].problem, "/pool/web is not mounted; mount it with: mountall");
	snapshot_sentence(&p.snapshot, text, sizeof(text));
	assert_string_equal(text, "Needs attention: pool web: /pool/web is not mounted; mount it "
				  "with: mountall");
	make(&p);
	p.snapshot.pool_count = 0;
	snapshot_sentence(&p.snapshot, text, sizeof(text));
	assert_non_null(strstr(text, "n1 holds no pool yet (nodes in the fleet: 2)"));
	p.snapshot.in_fleet = false;
	p.snapshot.member_count = 0;
	snapshot_sentence(&p.snapshot, text, sizeof(text));
	assert_non_null(strstr(text, "n1 belongs to no fleet yet"));
}

static void test_delivered(void **state)
{
	struct picture p;
	struct pool_status *pool = &p.pools[0].status;

	(void)state;
	make(&p);
	assert_true(snapshot_delivered(pool));
	pool->peers[0].behind_ops = 1;
	assert_false(snapshot_delivered(pool));
	/* One that has it all is enough. */
	pool->peer_count = 2;
	pool->peers[1] = (struct pool_peer_status){.node = 3, .last_ack_age_s = 1};
	assert_true(snapshot_delivered(pool));
	/* One that never confirmed anything is not, nothing outstanding or not. */
	pool->peers[1].last_ack_age_s = -1;
	assert_false(snapshot_delivered(pool));
	pool->position = 0;
	assert_true(snapshot_delivered(pool));
	pool->position = 7;
	pool->peer_count = 0;
	assert_true(snapshot_delivered(pool));
}

static void test_health(void **state)
{
	struct picture p;
	char why[768];

	(void)state;
	make(&p);
	assert_true(snapshot_healthy(&p.snapshot, why, sizeof(why)));
	text_put(p.pools[0].problem, "it is not mounted");
	assert_false(snapshot_healthy(&p.snapshot, why, sizeof(why)));
	assert_string_equal(why, "pool web: it is not mounted");
}

/* No text from outside may become markup, wherever it is shown. */
static void test_page_escapes(void **state)
{
	static const char evil[] = "<script>alert('x')</script>\"&";
	struct picture p;
	size_t size = 0;

	(void)state;
	make(&p);
	text_put(p.snapshot.node, evil);
	text_put(p.members[1].record.name, evil);
	text_put(p.members[1].record.addresses[0], evil);
	text_put(p.members[1].link.held_reason, evil);
	text_put(p.pools[0].status.name, evil);
	text_put(p.pools[0].path, evil);
	text_put(p.pools[0].problem, evil);
	text_put(p.pools[0].status.peers[0].held_reason, evil);
	AUTO_FREE char *page = page_html(&p.snapshot, &size);
	assert_int_equal(strlen(page), size);
	assert_null(strstr(page, "<script"));
	assert_null(strstr(page, "alert('"));
	assert_non_null(strstr(page, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"));
}

static void test_page_shows_catching_up(void **state)
{
	struct picture p;
	size_t size = 0;

	(void)state;
	make(&p);
	p.pools[0].status.peers[0].catchup_done_bytes = 1 << 20;
	p.pools[0].status.peers[0].catchup_total_bytes = 3 << 20;
	p.pools[0].status.peers[0].catchup_rate = 1 << 20;
	AUTO_FREE char *page = page_html(&p.snapshot, &size);
	assert_non_null(strstr(page, "1.0 MiB of 3.0 MiB, 1.0 MiB/s, 2.0 s left"));
}

/* Each sample has its family announced, in one block, and label values are escaped. */
static void test_metrics(void **state)
{
	struct picture p;
	size_t size = 0;
	char family[128] = "";

	(void)state;
	make(&p);
	text_put(p.pools[0].status.name, "a\"b\\c\nd");
	p.pools[0].status.peers[0].last_ack_age_s = -1;
	AUTO_FREE char *text = metrics_text(&p.snapshot, &size);
	assert_int_equal(strlen(text), size);
	assert_non_null(strstr(text, "multiall_pool_in_sync{pool=\"a\\\"b\\\\c\\nd\"} 1\n"));
	assert_non_null(strstr(text, "multiall_member_round_trip_seconds{member=\"n2\"} 0.00025"));
	assert_null(strstr(text, "multiall_peer_last_ack_age_seconds{"));
	for (char *rest = text, *line; (line = strsep(&rest, "\n")) && *line;) {
		size_t length = strcspn(line, " {");

		if (strncmp(line, "# HELP ", 7) == 0) {
			length = strcspn(line + 7, " ");
			assert_true(length < sizeof(family));
			memcpy(family, line + 7, length);
			family[length] = '\0';
		} else if (line[0] != '#') {
			assert_int_equal(length, strlen(family));
			assert_memory_equal(line, family, length);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document_to_the_letter),
		cmocka_unit_test(test_document_of_any_bytes),
		cmocka_unit_test(test_baseline),
		cmocka_unit_test(test_in_sync_only_when_proven),
		cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_delivered),
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_page_escapes),
		cmocka_unit_test(test_page_shows_catching_up),
		cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
