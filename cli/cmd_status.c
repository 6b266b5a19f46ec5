/* SPDX-License-Identifier: Apache-2.0
 * Verbs that look: status and wait.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/show.h"
#include "core/auto.h"
#include "core/units.h"

#define WATCH_MS 1000

static uint64_t get_uint(const json_t *object, const char *key)
{
	int64_t value = json_get_int(object, key, 0);

	return value > 0 ? (uint64_t)value : 0;
}

/* "nothing", "12 operations, 3.4 MiB", and how far catching up is. */
static void say_behind(const json_t *peer, char *ret, size_t size)
{
	uint64_t ops = get_uint(peer, "behind_ops");
	uint64_t bytes = get_uint(peer, "behind_bytes");
	uint64_t total = get_uint(peer, "catchup_total_bytes");
	uint64_t done = get_uint(peer, "catchup_done_bytes");
	double rate = json_get_real(peer, "catchup_bytes_per_s", 0);
	char text[3][UNITS_TEXT_MAX];

	count_text(ops, text[0], sizeof(text[0]));
	size_text(bytes, text[1], sizeof(text[1]));
	if (total) {
		size_text(total, text[2], sizeof(text[2]));
		int n = snprintf(ret, size, "%.0f %% of %s",
				 100.0 * (double)(done < total ? done : total) / (double)total,
				 text[2]);
		if (rate < 1 || n < 0 || (size_t)n >= size)
			return;
		size_text((uint64_t)rate, text[0], sizeof(text[0]));
		duration_text((double)(total > done ? total - done : 0) / rate, text[1],
			      sizeof(text[1]));
		(void)snprintf(ret + n, size - (size_t)n, ", %s/s, %s left", text[0], text[1]);
	} else if (ops || bytes) {
		(void)snprintf(ret, size, "%s operations, %s", text[0], text[1]);
	} else {
		(void)snprintf(ret, size, "nothing");
	}
}

static void add_peer(struct table *table, const json_t *pool, const json_t *peer)
{
	const char *state = json_get_text(peer, "state", "?");
	bool equal = json_get_bool(peer, "in_sync", false);
	bool live = strcmp(state, "live") == 0;
	double age = json_get_real(peer, "last_ack_age_s", -1);
	char text[128];

	table_add(table, SHOW_PLAIN, "%s", json_get_text(pool, "name", "?"));
	table_add(table, SHOW_PLAIN, "%s", json_get_text(peer, "node", "?"));
	table_add(table, live ? SHOW_GOOD : SHOW_WAIT, "%s", state);
	table_add(table, equal ? SHOW_GOOD : SHOW_WAIT, "%s", equal ? "proven" : "not proven");
	say_behind(peer, text, sizeof(text));
	table_add(table, strcmp(text, "nothing") == 0 ? SHOW_PLAIN : SHOW_WAIT, "%s", text);
	if (age < 0)
		(void)snprintf(text, sizeof(text), "never");
	else
		duration_text(age, text, sizeof(text));
	table_add(table, SHOW_PLAIN, "%s%s", text, age < 0 ? "" : " ago");
	table_add(table, SHOW_BAD, "%s", json_get_text(peer, "held_reason", ""));
}

static void print_peers(const struct cli *cli, const json_t *pools)
{
	static const char *const heads[] = {"POOL",   "NODE",     "STATE", "EQUAL",
					    "BEHIND", "LAST ACK", "",      NULL};
	struct table table;
	const json_t *pool;
	const json_t *peer;
	size_t i, k;

	table_init(&table, heads);
	json_array_foreach (pools, i, pool) {
		json_array_foreach (json_object_get(pool, "peers"), k, peer)
			add_peer(&table, pool, peer);
	}
	if (table.used)
		(void)puts("\nWhat the others have of it:");
	table_print(&table, stdout, cli->color, "  ");
	table_free(&table);
}

/* "in sync" alone only where it is proven with every other node that holds the pool. */
static void add_sync(struct table *table, const json_t *pool)
{
	const json_t *peers = json_object_get(pool, "peers");
	const json_t *peer;
	size_t equal = 0;
	size_t i;

	json_array_foreach (peers, i, peer)
		equal += json_get_bool(peer, "in_sync", false);
	if (!json_get_bool(pool, "in_sync", false))
		table_add(table, SHOW_WAIT, "not in sync");
	else if (json_array_size(peers) && equal == 0)
		table_add(table, SHOW_WAIT, "alone");
	else if (equal < json_array_size(peers))
		table_add(table, SHOW_GOOD, "in sync with %zu of %zu", equal,
			  json_array_size(peers));
	else
		table_add(table, SHOW_GOOD, "in sync");
}

static void add_pool(struct table *table, const json_t *pool)
{
	bool open = json_get_bool(pool, "open", false);
	bool mounted = json_get_bool(pool, "mounted", false);
	uint64_t conflicts = get_uint(pool, "conflicts");
	char text[UNITS_TEXT_MAX];

	table_add(table, SHOW_BOLD, "%s", json_get_text(pool, "name", "?"));
	if (!open)
		table_add(table, SHOW_BAD, "not open");
	else if (!mounted)
		table_add(table, SHOW_BAD, "not mounted");
	else
		add_sync(table, pool);
	table_add(table, SHOW_PLAIN, "%s", json_get_text(pool, "path", ""));
	count_text(get_uint(pool, "files"), text, sizeof(text));
	table_add(table, SHOW_PLAIN, "%s", text);
	size_text(get_uint(pool, "bytes"), text, sizeof(text));
	table_add(table, SHOW_PLAIN, "%s", text);
	size_text(get_uint(pool, "journal_bytes"), text, sizeof(text));
	table_add(table, SHOW_PLAIN, "%s", text);
	count_text(conflicts, text, sizeof(text));
	table_add(table, conflicts ? SHOW_WAIT : SHOW_PLAIN, "%s", text);
}

static void print_pools(const struct cli *cli, const json_t *pools)
{
	static const char *const heads[] = {"POOL",  "STATE",    "MOUNT",      "#FILES",
					    "#SIZE", "#JOURNAL", "#CONFLICTS", NULL};
	struct table table;
	const json_t *pool;
	size_t i;

	if (json_array_size(pools) == 0)
		return;
	table_init(&table, heads);
	json_array_foreach (pools, i, pool)
		add_pool(&table, pool);
	(void)fputc('\n', stdout);
	table_print(&table, stdout, cli->color, "  ");
	table_free(&table);
	for (i = 0; i < json_array_size(pools); i++) {
		if (get_uint(json_array_get(pools, i), "conflicts") == 0)
			continue;
		(void)puts("\n  What was changed on two nodes at once: multiall conflicts");
		break;
	}
	json_array_foreach (pools, i, pool) {
		const char *problem = json_get_text(pool, "problem", "");

		if (get_uint(pool, "trash"))
			(void)printf("\n  %s: other nodes removed unusually many files; %llu are "
				     "kept here: multiall trash\n",
				     json_get_text(pool, "name", "?"),
				     (unsigned long long)get_uint(pool, "trash"));
		if (!json_get_bool(pool, "durability_kept", true))
			(void)printf("\n  %s: its level of durability, %s, cannot be had now\n",
				     json_get_text(pool, "name", "?"),
				     json_get_text(pool, "durability", "?"));

		if (!problem[0])
			continue;
		(void)fputs("\n  ", stdout);
		show_text(stdout, cli->color, SHOW_BAD, json_get_text(pool, "name", "?"));
		(void)fputs(": ", stdout);
		show_text(stdout, cli->color, SHOW_PLAIN, problem);
		(void)fputc('\n', stdout);
	}
}

static void add_member(struct table *table, const json_t *member)
{
	const char *state = json_get_text(member, "state", "?");
	bool self = json_get_bool(member, "self", false);
	int64_t rtt_us = json_get_int(member, "rtt_us", 0);
	int64_t code = json_get_int(json_object_get(member, "sbm"), "code", 0);
	const json_t *first = json_array_get(json_object_get(member, "addresses"), 0);
	const json_t *downtime = json_object_get(member, "downtime");

	table_add(table, SHOW_BOLD, "%s", json_get_text(member, "node", "?"));
	table_add(table,
		  strcmp(state, "alive") == 0      ? SHOW_GOOD
		  : strcmp(state, "down") == 0     ? SHOW_BAD
		  : strcmp(state, "suspect") == 0  ? SHOW_WAIT
		  : strcmp(state, "isolated") == 0 ? SHOW_WAIT
						   : SHOW_DIM,
		  "%s", state);
	table_add(table, SHOW_PLAIN, "%s", first ? json_string_value(first) : "");
	if (rtt_us)
		table_add(table, SHOW_PLAIN, "%.2f ms", (double)rtt_us / 1000);
	else
		table_add(table, SHOW_DIM, "%s", self ? "-" : "not measured");
	if (code == 0)
		table_add(table, SHOW_GOOD, "ok");
	else
		table_add(table,
			  code / 1000 == 3   ? SHOW_BAD
			  : code / 1000 == 5 ? SHOW_DIM
					     : SHOW_WAIT,
			  "SBM-%04d %s", (int)code,
			  json_get_text(json_object_get(member, "sbm"), "text", ""));
	if (json_is_object(downtime))
		table_add(table, SHOW_DIM, "%s%s", self ? "this node; " : "",
			  json_get_text(downtime, "reason", ""));
	else
		table_add(table, SHOW_DIM, "%s",
			  self ? "this node" : json_get_text(member, "held_reason", ""));
}

static void print_members(const struct cli *cli, const json_t *members)
{
	static const char *const heads[] = {"NODE",     "STATE", "ADDRESS", "#ROUND TRIP",
					    "BASELINE", "",      NULL};
	struct table table;
	const json_t *member;
	size_t i;

	if (json_array_size(members) == 0)
		return;
	table_init(&table, heads);
	json_array_foreach (members, i, member)
		add_member(&table, member);
	(void)fputc('\n', stdout);
	table_print(&table, stdout, cli->color, "  ");
	table_free(&table);
}

static void print_status(const struct cli *cli, const json_t *status)
{
	bool healthy = json_get_bool(status, "healthy", false);
	bool in_sync = json_get_bool(status, "in_sync", false);
	const char *page = json_get_text(status, "page_problem", "");

	show_text(stdout, cli->color,
		  !healthy  ? SHOW_BAD
		  : in_sync ? SHOW_GOOD
			    : SHOW_WAIT,
		  json_get_text(status, "summary", ""));
	(void)fputc('\n', stdout);
	print_pools(cli, json_object_get(status, "pools"));
	print_peers(cli, json_object_get(status, "pools"));
	print_members(cli, json_object_get(status, "members"));
	if (page[0]) {
		(void)fputc('\n', stdout);
		show_text(stdout, cli->color, SHOW_WAIT, page);
		(void)fputc('\n', stdout);
	}
	(void)fflush(stdout);
}

static int status_once(struct cli *cli, bool clear, bool *ret_good)
{
	AUTO_JSON json_t *answer = NULL;
	int result = cli_ask(cli, false, json_pack("{s:s}", "verb", "status"), &answer);

	if (result != CLI_DONE)
		return result;
	const json_t *status = json_object_get(answer, "status");
	if (clear && !cli->json)
		(void)fputs("\033[H\033[2J", stdout);
	if (cli->json)
		cli_print_json(status);
	else
		print_status(cli, status);
	*ret_good =
		json_get_bool(status, "healthy", false) && json_get_bool(status, "in_sync", false);
	return CLI_DONE;
}

int cmd_status(struct cli *cli, const struct args *args)
{
	bool watch = args_has(args, "watch");
	bool clear = watch && isatty(STDOUT_FILENO);
	bool good = false;
	int result;

	for (;;) {
		result = status_once(cli, clear, &good);
		if (!watch || result != CLI_DONE || ferror(stdout))
			break;
		(void)poll(NULL, 0, WATCH_MS);
		if (!clear && !cli->json)
			(void)fputc('\n', stdout);
	}
	if (result == CLI_DONE && args_has(args, "check") && !good)
		return CLI_NO;
	return result;
}

int cmd_wait(struct cli *cli, const struct args *args)
{
	const char *text = args_get(args, "timeout");
	AUTO_JSON json_t *request = json_pack("{s:s}", "verb", "wait");
	AUTO_JSON json_t *answer = NULL;
	uint64_t limit_s = 0;

	if (text && (duration_parse(text, &limit_s) < 0 || limit_s > INT32_MAX))
		return cli_error(cli, "--timeout %s: not a duration; write 30, 30s or 5m", text);
	if (text &&
	    json_object_set_new(request, "timeout_s", json_integer((json_int_t)limit_s)) < 0)
		return cli_error(cli, "no memory");
	if (args->word_count &&
	    json_object_set_new(request, "position", json_text(args->words[0])) < 0)
		return cli_error(cli, "no memory");
	int result = cli_ask(cli, false, json_incref(request), &answer);
	if (result != CLI_DONE)
		return result;
	if (cli->json)
		cli_print_json(answer);
	else
		(void)puts(json_get_text(answer, "text", "in sync"));
	return CLI_DONE;
}
