/* SPDX-License-Identifier: Apache-2.0
 * Verbs about conflicts: list, show, diff, resolve. Resolving is ordinary work on the mount, which
 * a person could do with mv and rm, so it is replicated like that.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/show.h"
#include "core/auto.h"
#include "core/units.h"

#define SUFFIX_MAX  16 /* ".tar", ".conf": bytes of an end of a name that stays its end */
#define NAMES_TRIED 1000

static const char *side_text(const json_t *conflict, const char *side, const char *key)
{
	return json_get_text(json_object_get(conflict, side), key, "");
}

static double side_time(const json_t *conflict, const char *side)
{
	return json_get_real(json_object_get(conflict, side), "time", 0);
}

static void time_text(double time, char *ret, size_t size)
{
	time_t seconds = (time_t)time;
	struct tm parts;

	if (!localtime_r(&seconds, &parts) || !strftime(ret, size, "%Y-%m-%d %H:%M:%S", &parts))
		ret[0] = '\0';
}

static int ask(struct cli *cli, const struct args *args, json_t **ret)
{
	const char *pool = args_get(args, "pool");
	json_t *request = json_pack("{s:s}", "verb", "conflicts");

	if (pool && request)
		(void)json_object_set_new(request, "pool", json_text(pool));
	return cli_ask(cli, false, request, ret);
}

/* ---- list */

static void print_list(const struct cli *cli, const json_t *answer)
{
	static const char *const heads[] = {"FILE", "SHOWN BY", "WRITTEN", "KEPT BESIDE IT",
					    "BY",   "WRITTEN",  "",        NULL};
	const json_t *conflicts = json_object_get(answer, "conflicts");
	const json_t *conflict;
	struct table table;
	char when[2][32];
	size_t i;

	if (json_array_size(conflicts) == 0) {
		(void)puts("There are no conflicts.");
		return;
	}
	table_init(&table, heads);
	json_array_foreach (conflicts, i, conflict) {
		const char *loser = strrchr(side_text(conflict, "loser", "path"), '/');

		time_text(side_time(conflict, "shown"), when[0], sizeof(when[0]));
		time_text(side_time(conflict, "loser"), when[1], sizeof(when[1]));
		table_add(&table, SHOW_BOLD, "%s", side_text(conflict, "shown", "path"));
		table_add(&table, SHOW_PLAIN, "%s", side_text(conflict, "shown", "node"));
		table_add(&table, SHOW_PLAIN, "%s", when[0]);
		table_add(&table, SHOW_PLAIN, "%s", loser ? loser + 1 : "?");
		table_add(&table, SHOW_PLAIN, "%s", side_text(conflict, "loser", "node"));
		table_add(&table, SHOW_PLAIN, "%s", when[1]);
		table_add(&table, SHOW_WAIT, "%s",
			  json_get_bool(conflict, "here", true) ? "" : "on its way");
	}
	table_print(&table, stdout, cli->color, "");
	table_free(&table);
	(void)puts(json_get_bool(answer, "more", false)
			   ? "\nThere are more; these are the first."
			   : "\nTo look at one: multiall conflicts diff FILE; to end it: multiall "
			     "conflicts resolve FILE --keep newest|NODE|both");
}

int cmd_conflicts_list(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *answer = NULL;
	int result = ask(cli, args, &answer);

	if (result != CLI_DONE)
		return result;
	if (cli->json)
		cli_print_json(answer);
	else
		print_list(cli, answer);
	return CLI_DONE;
}

/* ---- which ones */

/* The path as the daemon knows it: absolute, nothing in it resolved but its directory. */
static char *full_path(const char *path)
{
	AUTO_FREE char *copy = strdup(path);
	const char *name = strrchr(path, '/');
	char *full = NULL;

	if (!copy)
		return NULL;
	name = name ? name + 1 : path;
	copy[name - path] = '\0';
	AUTO_FREE char *dir = realpath(copy[0] ? copy : ".", NULL);
	if (!dir || asprintf(&full, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name) < 0)
		return NULL;
	return full;
}

/* Those of the file, or the one whose loser is named. `path` NULL: all. Caller's. */
static json_t *conflicts_of(const json_t *answer, const char *path)
{
	AUTO_FREE char *full = path ? full_path(path) : NULL;
	json_t *some = json_array();
	json_t *conflict;
	size_t i;

	json_array_foreach (json_object_get(answer, "conflicts"), i, conflict) {
		if (!path || (full && (strcmp(side_text(conflict, "shown", "path"), full) == 0 ||
				       strcmp(side_text(conflict, "loser", "path"), full) == 0)))
			(void)json_array_append(some, conflict);
	}
	return some;
}

static int no_conflict(const struct cli *cli, const char *path)
{
	(void)cli_error(cli, "%s has no conflict; multiall conflicts lists those there are", path);
	return CLI_NO;
}

/* ---- show, diff */

static void print_side(const json_t *conflict, const char *side, const char *head)
{
	const char *path = side_text(conflict, side, "path");
	char when[32];
	char size[UNITS_TEXT_MAX] = "not here yet";
	struct stat st;

	time_text(side_time(conflict, side), when, sizeof(when));
	if (lstat(path, &st) == 0)
		size_text((uint64_t)st.st_size, size, sizeof(size));
	(void)printf("  %-12s %s\n  %-12s written by %s, %s; %s\n", head, path, "",
		     side_text(conflict, side, "node"), when, size);
}

int cmd_conflicts_show(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *answer = NULL;
	int result = ask(cli, args, &answer);

	if (result != CLI_DONE)
		return result;
	AUTO_JSON json_t *some = conflicts_of(answer, args->words[0]);
	const json_t *conflict;
	size_t i;

	if (json_array_size(some) == 0)
		return no_conflict(cli, args->words[0]);
	if (cli->json) {
		cli_print_json(some);
		return CLI_DONE;
	}
	json_array_foreach (some, i, conflict) {
		(void)puts(strcmp(json_get_text(conflict, "kind", ""), "content") == 0
				   ? "Written on two nodes that did not know of each other:"
				   : "Made under one name on two nodes:");
		print_side(conflict, "shown", "shown");
		print_side(conflict, "loser", "beside it");
	}
	return CLI_DONE;
}

int cmd_conflicts_diff(struct cli *cli, const struct args *args)
{
	AUTO_JSON json_t *answer = NULL;
	int result = ask(cli, args, &answer);

	if (result != CLI_DONE)
		return result;
	AUTO_JSON json_t *some = conflicts_of(answer, args->words[0]);
	if (json_array_size(some) == 0)
		return no_conflict(cli, args->words[0]);
	if (json_array_size(some) > 1)
		return cli_error(cli, "%s stands against %zu others; name one of them: %s ...",
				 args->words[0], json_array_size(some),
				 side_text(json_array_get(some, 0), "loser", "path"));
	const json_t *conflict = json_array_get(some, 0);
	(void)fflush(stdout);
	(void)execlp("diff", "diff", "-u", "--", side_text(conflict, "shown", "path"),
		     side_text(conflict, "loser", "path"), (char *)NULL);
	return cli_error(cli, "cannot run diff: %s", err_text(-errno));
}

/* ---- resolve */

struct resolving {
	struct cli *cli;
	const char *keep;
	bool dry;
	json_t *done; /* what was done, for --json */
	size_t resolved, left;
};

static void say(struct resolving *res, const char *what, const char *path, const char *other)
{
	res->resolved++;
	(void)json_array_append_new(res->done, json_pack("{s:s, s:o, s:o}", "done", what, "path",
							 json_text(path), "to", json_text(other)));
	if (!res->cli->json)
		(void)printf("%s%s %s%s%s\n", res->dry ? "would have " : "", what, path,
			     other[0] ? " to " : "", other);
}

static void fail(struct resolving *res, const char *path, const char *why)
{
	res->left++;
	(void)cli_error(res->cli, "%s: %s; it stays a conflict", path, why);
}

/* NAME-NODE.EXT, -2 and so on: the n-th that may be tried. */
static void name_beside(const char *path, const char *node, unsigned int n, char ret[PATH_MAX])
{
	const char *name = strrchr(path, '/') + 1;
	const char *dot = strrchr(name, '.');
	char more[96];
	size_t length = strlen(name);
	size_t suffix = dot && dot > name && strlen(dot) <= SUFFIX_MAX ? strlen(dot) : 0;
	int added = n ? snprintf(more, sizeof(more), "-%s-%u", node, n + 1)
		      : snprintf(more, sizeof(more), "-%s", node);
	size_t stem = length - suffix;

	if (stem + (size_t)added + suffix > NAME_MAX)
		stem = NAME_MAX - (size_t)added - suffix;
	(void)snprintf(ret, PATH_MAX, "%.*s%.*s%s%.*s", (int)(name - path), path, (int)stem, name,
		       more, (int)suffix, name + length - suffix);
}

static void keep_beside(struct resolving *res, const json_t *conflict)
{
	const char *loser = side_text(conflict, "loser", "path");
	char to[PATH_MAX];
	int r = -1;

	for (unsigned int n = 0; n < NAMES_TRIED; n++) {
		name_beside(side_text(conflict, "shown", "path"),
			    side_text(conflict, "loser", "node"), n, to);
		r = res->dry ? faccessat(AT_FDCWD, to, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : -1
			     : renameat2(AT_FDCWD, loser, AT_FDCWD, to, RENAME_NOREPLACE);
		if (r == 0 || (!res->dry && errno != EEXIST))
			break;
	}
	if (r < 0)
		fail(res, loser, err_text(-errno));
	else
		say(res, "renamed", loser, to);
}

static void drop(struct resolving *res, const char *loser)
{
	if (!res->dry && unlink(loser) < 0)
		fail(res, loser, err_text(-errno));
	else
		say(res, "removed", loser, "");
}

/* A losing content has owner and mode of its file already; the other attributes come here. */
static int copy_attributes(const char *from, const char *to)
{
	char names[65536];
	char value[65536];
	ssize_t size = llistxattr(from, names, sizeof(names));

	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t n = lgetxattr(from, names + at, value, sizeof(value));

		if (n < 0 || lsetxattr(to, names + at, value, (size_t)n, 0) < 0)
			return -errno;
	}
	return size < 0 && errno != ENOTSUP ? -errno : 0;
}

/* False: the conflict stays, and it has been said why. */
static bool take(struct resolving *res, const json_t *conflict)
{
	const char *path = side_text(conflict, "shown", "path");
	const char *loser = side_text(conflict, "loser", "path");
	bool content = strcmp(json_get_text(conflict, "kind", ""), "content") == 0;
	int r = 0;

	if (!res->dry && content)
		r = copy_attributes(path, loser);
	if (r == 0 && !res->dry && rename(loser, path) < 0)
		r = -errno;
	if (r < 0)
		fail(res, loser,
		     r == -EISDIR ? "a directory has the name; move one of the two away by hand"
				  : err_text(r));
	else
		say(res, "moved", loser, path);
	return r == 0;
}

/* Of all contents of one file the one to be kept: its conflict, or NULL for the one shown. False:
 * no side is by that node. */
static bool choose(const struct resolving *res, const json_t *group, const json_t **ret)
{
	const json_t *first = json_array_get(group, 0);
	bool newest = strcmp(res->keep, "newest") == 0;
	bool found = newest || strcmp(side_text(first, "shown", "node"), res->keep) == 0;
	double best = found ? side_time(first, "shown") : 0;
	const json_t *conflict;
	size_t i;

	*ret = NULL;
	json_array_foreach (group, i, conflict) {
		if (!newest && strcmp(side_text(conflict, "loser", "node"), res->keep) != 0)
			continue;
		if (found && side_time(conflict, "loser") <= best)
			continue;
		found = true;
		best = side_time(conflict, "loser");
		*ret = conflict;
	}
	return found;
}

/* All conflicts of one file. */
static void resolve_file(struct resolving *res, const json_t *group)
{
	const char *path = side_text(json_array_get(group, 0), "shown", "path");
	bool both = strcmp(res->keep, "both") == 0;
	const json_t *chosen = NULL;
	const json_t *conflict;
	size_t i;

	json_array_foreach (group, i, conflict) {
		if (!json_get_bool(conflict, "mounted", false) ||
		    !json_get_bool(conflict, "here", false)) {
			fail(res, side_text(conflict, "loser", "path"),
			     json_get_bool(conflict, "mounted", false) ? "not all of it is here yet"
								       : "the pool is not mounted");
			return;
		}
	}
	if (!both && !choose(res, group, &chosen)) {
		fail(res, path, "no side of it was written by that node");
		return;
	}
	if (chosen && !take(res, chosen))
		return;
	json_array_foreach (group, i, conflict) {
		if (both)
			keep_beside(res, conflict);
		else if (conflict != chosen)
			drop(res, side_text(conflict, "loser", "path"));
	}
}

/* Takes the conflicts of one file out of `some`. */
static json_t *take_group(json_t *some)
{
	json_t *group = json_array();
	AUTO_FREE char *path = strdup(side_text(json_array_get(some, 0), "shown", "path"));

	for (size_t i = 0; path && i < json_array_size(some);) {
		json_t *conflict = json_array_get(some, i);

		if (strcmp(side_text(conflict, "shown", "path"), path) != 0) {
			i++;
			continue;
		}
		(void)json_array_append(group, conflict);
		(void)json_array_remove(some, i);
	}
	return group;
}

static void resolve_some(struct resolving *res, const json_t *answer, const char *path)
{
	AUTO_JSON json_t *some = conflicts_of(answer, path);

	if (path && json_array_size(some) == 0) {
		(void)no_conflict(res->cli, path);
		res->left++;
	}
	while (json_array_size(some)) {
		AUTO_JSON json_t *group = take_group(some);

		if (json_array_size(group) == 0)
			return;
		resolve_file(res, group);
	}
}

int cmd_conflicts_resolve(struct cli *cli, const struct args *args)
{
	struct resolving res = {
		.cli = cli, .keep = args_get(args, "keep"), .dry = args_has(args, "dry-run")};
	AUTO_JSON json_t *answer = NULL;

	if (!res.keep)
		return cli_error(cli,
				 "--keep is missing: newest, both, or the node whose side stays");
	if (args_has(args, "all") == (args->word_count > 0))
		return cli_error(cli,
				 "name the files, or say --all (and --pool NAME for one pool)");
	int result = ask(cli, args, &answer);
	if (result != CLI_DONE)
		return result;
	AUTO_JSON json_t *done = json_array();
	res.done = done;
	for (size_t i = 0; i < args->word_count; i++)
		resolve_some(&res, answer, args->words[i]);
	if (args->word_count == 0)
		resolve_some(&res, answer, NULL);
	if (cli->json) {
		AUTO_JSON json_t *value =
			json_pack("{s:O, s:I, s:b}", "done", done, "left", (json_int_t)res.left,
				  "more", json_get_bool(answer, "more", false));
		cli_print_json(value);
	} else if (res.resolved + res.left == 0) {
		(void)puts("There are no conflicts.");
	}
	return res.left ? CLI_NO : CLI_DONE;
}
