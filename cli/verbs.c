/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

static const struct arg_option options_init[] = {
	{"name", "NAME", "what this node is called; default: the host's name", false},
	{"address", "ADDRESS", "where the others reach it; default: found out", false},
	{0},
};
static const struct arg_option options_invite[] = {
	{"ttl", "TIME", "how long the token is valid: 90s, 30m, 1h, 7d; default 1h", false},
	{0},
};
static const struct arg_option options_join[] = {
	{"role", "ROLE", "witness: hold no data, be there to tell a crash from a cut", false},
	{"pool", "NAME", "enter and mount this pool at once", true},
	{"name", "NAME", "what this node is called; default: the host's name", false},
	{"address", "ADDRESS", "where the others reach it; default: found out", false},
	{0},
};
static const struct arg_option options_force[] = {
	{"force", NULL, "also if the others do not have all that was written here", false},
	{0},
};
static const struct arg_option options_cordon[] = {
	{"for", "TIME", "when it ends by itself: 90s, 30m, 2h, 7d; at most 90d", false},
	{"reason", "TEXT", "why, for those who look", false},
	{0},
};
static const struct arg_option options_plan[] = {
	{"for", "TIME", "when it ends by itself: 90s, 30m, 2h, 7d; at most 90d", false},
	{"reason", "TEXT", "why, for those who look", false},
	{"force", NULL, "also if no other node that is alive holds one of its pools", false},
	{0},
};
static const struct arg_option options_drain[] = {
	{"for", "TIME", "when it ends by itself: 90s, 30m, 2h, 7d; at most 90d", false},
	{"reason", "TEXT", "why, for those who look", false},
	{"wait", NULL, "return once it may be stopped", false},
	{"force", NULL, "also if no other node that is alive holds one of its pools", false},
	{0},
};
static const struct arg_option options_create[] = {
	{"adopt", "DIR", "take the tree in DIR into use where it is, without copying it", false},
	{0},
};
static const struct arg_option options_status[] = {
	{"watch", NULL, "show it again every second", false},
	{"check", NULL, "exit 1 unless all is mounted and in sync", false},
	{0},
};
static const struct arg_option options_wait[] = {
	{"timeout", "TIME", "give up after that long: 30, 30s, 5m; default: never", false},
	{0},
};
static const struct arg_option options_conflicts[] = {
	{"pool", "NAME", "only those of this pool", false},
	{0},
};
static const struct arg_option options_restore[] = {
	{"all", NULL, "all that was removed unusually fast", false},
	{"pool", "NAME", "only of this pool", false},
	{0},
};
static const struct arg_option options_resolve[] = {
	{"keep", "SIDE", "newest, both, or the node whose side stays", false},
	{"all", NULL, "all conflicts there are", false},
	{"pool", "NAME", "only those of this pool", false},
	{"dry-run", NULL, "say what would be done, and do nothing", false},
	{0},
};

static const struct arg_option options_lint[] = {
	{"pool", "NAME", "FILE is to be the rules of this pool, not a file of this node", false},
	{0},
};

const struct verb verbs[] = {
	{"init", "", "found a fleet with this node as its first",
	 "Makes the key of a new fleet and signs this node in as its first member. Done once, on "
	 "one "
	 "node; all others enter by multiall invite and multiall join.",
	 0, 0, options_init, cmd_init},
	{"invite", "", "print the line that lets one more node in",
	 "Makes a token that works once and runs out, and prints the one line to run on the new "
	 "node. "
	 "The token names the fleet's key, so the new node knows whom it speaks to; it lets "
	 "nothing "
	 "but a join through.",
	 0, 0, options_invite, cmd_invite},
	{"join", "ADDRESS TOKEN", "enter the fleet that sent the invitation",
	 "Run the line that multiall invite printed on a member. With --pool the node also enters "
	 "that pool, mounts it and fills it from the others.",
	 2, 2, options_join, cmd_join},
	{"leave", "", "leave the fleet; all files stay",
	 "Leaves all pools, tells the others, and forgets the fleet. The files stay as plain "
	 "files, "
	 "and the answer says where. Refuses while nobody else has all that was written here.",
	 0, 0, options_force, cmd_leave},
	{"remove", "NODE", "take another node out of the fleet, for ever",
	 "For a node that is lost or not trusted any more. Every member refuses its key from then "
	 "on; "
	 "it can come back only as a new node, with a new key. NODE is its name or number.",
	 1, 1, NULL, cmd_remove},
	{"why", "NODE", "why a node is alive, suspect or down, and who says so",
	 "The state of a node, its cause, what each member says of it, a planned downtime, and "
	 "what "
	 "changed lately. Members that are out of reach do not count.",
	 1, 1, NULL, cmd_why},
	{"cordon", "NODE", "give a node no new tasks",
	 "It goes on with what it does. Ends by itself when the time is up, or by multiall resume.",
	 1, 1, options_cordon, cmd_cordon},
	{"drain", "NODE", "let a node give away what it has, so that it may be stopped",
	 "All members know it at once, and after a restart of any of them. The node is drained "
	 "when "
	 "others have all that was written there. Also for a node that is down already. Refused "
	 "where a pool would be left without a live copy.",
	 1, 1, options_drain, cmd_drain},
	{"maintenance", "NODE", "announce that a node is worked on",
	 "Whether it runs or not then, it is nothing to be alarmed about. Ends by itself when the "
	 "time is up, or by multiall resume. Refused where a pool would be left without a live "
	 "copy.",
	 1, 1, options_plan, cmd_maintenance},
	{"resume", "NODE", "end a cordon, drain or maintenance", "The node is in service again.", 1,
	 1, NULL, cmd_resume},
	{"pool create", "NAME", "make a pool and mount it",
	 "A pool is a directory that all its nodes share; it is mounted at /pool/NAME. With "
	 "--adopt an "
	 "existing tree becomes its content, in place.",
	 1, 1, options_create, cmd_pool_create},
	{"pool join", "NAME", "enter a pool that other nodes hold",
	 "Mounts the pool here; it fills from the nodes that hold it, and can be used meanwhile.",
	 1, 1, NULL, cmd_pool_join},
	{"pool leave", "NAME", "leave a pool; its files stay",
	 "Unmounts the pool and ends this node's part in it. The files stay as plain files, and "
	 "the "
	 "answer says where. Refuses while nobody else has all that was written here.",
	 1, 1, options_force, cmd_pool_leave},
	{"pool list", "", "list the pools, here and elsewhere in the fleet",
	 "Those that this node holds, with mount and backing directory, and those that it could "
	 "join.",
	 0, 0, NULL, cmd_pool_list},
	{"pool settings", "NAME", "show the settings of a pool",
	 "What its nodes have agreed on for it, what each setting means, and what it may be.", 1, 1,
	 NULL, cmd_pool_settings},
	{"pool set", "NAME KEY=VALUE...", "change settings of a pool, on all its nodes",
	 "For example multiall pool set web durability=quorum. Where two nodes set one key at the "
	 "same time, the later counts.",
	 2, ARGS_WORDS_MAX, NULL, cmd_pool_set},
	{"status", "", "who is here, what is mounted, what is behind",
	 "One sentence first, then pools, then what each other node has of them, then the nodes. "
	 "\"in "
	 "sync\" stands only where it is proven: equal positions and equal content hash with every "
	 "connected node that holds the pool.",
	 0, 0, options_status, cmd_status},
	{"conflicts list", "", "list what was changed on two nodes at once",
	 "Both sides are there: one under the name, the other beside it under a conflict name that "
	 "says which node wrote it. Changing, renaming or removing the one beside, by whatever "
	 "program, ends the conflict as well.",
	 0, 0, options_conflicts, cmd_conflicts_list},
	{"conflicts show", "FILE", "both sides of one conflict",
	 "Who wrote which side, when (by that node's clock), and how long it is. FILE is either "
	 "side.",
	 1, 1, options_conflicts, cmd_conflicts_show},
	{"conflicts diff", "FILE", "compare both sides with diff -u",
	 "Exit status as that of diff: 0 the same, 1 different. FILE is either side.", 1, 1,
	 options_conflicts, cmd_conflicts_diff},
	{"conflicts resolve", "[FILE...]", "end conflicts: keep one side, or both",
	 "With --keep newest the side written last stays, with --keep NODE that of the node; the "
	 "others are removed. With --keep both the sides that stand beside the file become "
	 "ordinary files, NAME-NODE.EXT. The other nodes follow. Exit 1 if any is left.",
	 0, ARGS_WORDS_MAX, options_resolve, cmd_conflicts_resolve},
	{"conflicts", "", "the same as conflicts list", "See multiall help conflicts list.", 0, 0,
	 options_conflicts, cmd_conflicts_list},
	{"trash list", "", "list what other nodes removed and this one still has",
	 "Each file that another node removed stays for some minutes. If more are removed within "
	 "ten "
	 "minutes than the settings brake_files and brake_share of the pool say, they stay for "
	 "trash_keep, and the status says so: the brake is for mistakes, it holds up no work.",
	 0, 0, options_conflicts, cmd_trash_list},
	{"trash restore", "[PATH...]", "bring back what other nodes removed",
	 "A file, or a directory with all that was in it; with --all, all that the brake keeps. "
	 "The "
	 "files come back as new ones, on all nodes, with content, owner, mode, times and "
	 "attributes; directories are made as root's. What has a new file in its place stays in "
	 "the "
	 "trash: exit 1.",
	 0, ARGS_WORDS_MAX, options_restore, cmd_trash_restore},
	{"trash empty", "", "let go of all that this node keeps",
	 "The space is free then; other nodes keep theirs.", 0, 0, options_conflicts,
	 cmd_trash_empty},
	{"trash", "", "the same as trash list", "See multiall help trash list.", 0, 0,
	 options_conflicts, cmd_trash_list},
	{"wait", "[POSITION]", "return once all pools here are in sync",
	 "Exit 0 once every pool of this node is proven equal with every connected node; 1 if the "
	 "time is up before. With POSITION it returns once what the other node had written is "
	 "here; there, getfattr --only-values -n user.multiall.position FILE prints it.",
	 0, 1, options_wait, cmd_wait},
	{"health explain", "[NODE] RULE", "each field of a rule, and the line that set it",
	 "Which value is in force, from which file and line, in which scope, and whether it is "
	 "locked or an exception. Without NODE: on this one.",
	 1, 2, NULL, cmd_health_explain},
	{"health check", "RULE[@POOL]", "the state of a rule, as a Nagios plugin",
	 "Prints one line with performance data and exits with 0 (ok), 1 (warning), 2 (critical) "
	 "or "
	 "3 (unknown). Of a rule that is there for several pools the worst one.",
	 1, 1, NULL, cmd_health_check},
	{"health codes", "", "list the codes and the checks that are built in",
	 "What SBM-SDCC means, and what may stand behind \"check =\".", 0, 0, NULL,
	 cmd_health_codes},
	{"health lint", "[FILE]", "what is wrong with rules, or worth a look",
	 "Without FILE: of the rules in force. With FILE (- is standard input): of that text, "
	 "which "
	 "is not taken into use. Exit 1 if something is wrong.",
	 0, 1, options_lint, cmd_health_lint},
	{"health set", "POOL FILE", "give a pool its rules, on all its nodes",
	 "FILE (- is standard input) takes the place of the rules that the pool has. A text with "
	 "an "
	 "error is refused. See multiall-health(5).",
	 2, 2, NULL, cmd_health_set},
	{"health rules", "POOL", "print the rules of a pool",
	 "As multiall health set has taken them, on whichever node.", 1, 1, NULL, cmd_health_rules},
	{"health", "[NODE]", "what is checked on a node, and how it is",
	 "The rules of the baseline, each with its code, how long it has been so, and what follows "
	 "from it. Of other nodes: what is not good there. Exit 0 if nothing is degraded, critical "
	 "or unknown, else 1.",
	 0, 1, NULL, cmd_health},
	{"settings", "", "show and check the settings of this node",
	 "Reads /etc/multiall/multiall.conf as the daemon would, names file and line of an error, "
	 "and "
	 "explains every key.",
	 0, 0, NULL, cmd_settings},
};

const size_t verbs_count = sizeof(verbs) / sizeof(verbs[0]);

const struct verb *verb_find(const char *const *words, size_t count, size_t *ret_words)
{
	char two[64] = "";

	if (count == 0)
		return NULL;
	if (count > 1)
		(void)snprintf(two, sizeof(two), "%s %s", words[0], words[1]);
	for (size_t i = 0; i < verbs_count; i++) {
		bool both = strcmp(verbs[i].name, two) == 0;

		if (!both && strcmp(verbs[i].name, words[0]) != 0)
			continue;
		*ret_words = both ? 2 : 1;
		return &verbs[i];
	}
	return NULL;
}

static void put_line(FILE *out, const struct verb *verb)
{
	char left[64];

	(void)snprintf(left, sizeof(left), "%s %s", verb->name, verb->synopsis);
	(void)fprintf(out, "  %-22s %s\n", left, verb->line);
}

static void put_options(FILE *out, const struct arg_option *options)
{
	char left[64];

	for (; options && options->name; options++) {
		(void)snprintf(left, sizeof(left), "--%s%s%s", options->name,
			       options->value ? " " : "", options->value ? options->value : "");
		(void)fprintf(out, "  %-22s %s%s\n", left, options->help,
			      options->many ? " (any number)" : "");
	}
}

void verbs_help(FILE *out)
{
	(void)fputs("multiall - servers that share their directories\n"
		    "\n"
		    "usage: multiall VERB [ARGUMENTS] [OPTIONS]\n"
		    "\n",
		    out);
	for (size_t i = 0; i < verbs_count; i++)
		put_line(out, &verbs[i]);
	(void)fputs("  help [VERB]            explain a verb\n"
		    "  version                print the version\n"
		    "\n",
		    out);
	put_options(out, cli_common);
	(void)fputs(
		"\n"
		"First steps: multiall init; multiall pool create web; multiall invite; then run\n"
		"the line it prints, with --pool web behind it, on the second node.\n"
		"Exit status: 0 done, 1 the answer is no, 2 error. More: man multiall\n",
		out);
}

bool verbs_help_group(FILE *out, const char *word)
{
	size_t length = strlen(word);
	bool any = false;

	for (size_t i = 0; i < verbs_count; i++) {
		if (strncmp(verbs[i].name, word, length) != 0 || verbs[i].name[length] != ' ')
			continue;
		if (!any)
			(void)fprintf(out, "multiall %s is one of:\n\n", word);
		any = true;
		put_line(out, &verbs[i]);
	}
	return any;
}

/* The text in lines of at most 80 characters. */
static void put_wrapped(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t length = strcspn(text, " ");

		if (column && column + 1 + length > 80) {
			(void)fputc('\n', out);
			column = 0;
		}
		if (column++)
			(void)fputc(' ', out);
		(void)fwrite(text, 1, length, out);
		column += length;
		text += length + (text[length] == ' ');
	}
	(void)fputc('\n', out);
}

void verb_help(FILE *out, const struct verb *verb)
{
	(void)fprintf(out, "usage: multiall %s%s%s [OPTIONS]\n\n", verb->name,
		      verb->synopsis[0] ? " " : "", verb->synopsis);
	put_wrapped(out, verb->about);
	(void)fputc('\n', out);
	put_options(out, verb->options);
	put_options(out, cli_common);
}

int verb_run(struct cli *cli, const struct verb *verb, struct args *args)
{
	if (args->word_count < verb->words_min || args->word_count > verb->words_max) {
		const char *what =
			args->word_count < verb->words_min ? "not enough words" : "too many words";

		(void)cli_error(cli, "%s; usage: multiall %s%s%s", what, verb->name,
				verb->synopsis[0] ? " " : "", verb->synopsis);
		return CLI_ERROR;
	}
	return verb->run(cli, args);
}
