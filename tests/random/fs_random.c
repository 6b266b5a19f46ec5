/* SPDX-License-Identifier: Apache-2.0
 * Random reads, writes, truncations, holes, mappings, copies and renames against a model in memory.
 *   fs_random OPS SEED DIR                      works in DIR/random, which it makes and removes
 *   fs_random OPS SEED PAUSE COMMAND DIR DIR... pauses after each PAUSE operations: everything is
 *     closed, COMMAND (a shell's) has to end with 0, then all DIRs must hold byte by byte what the
 *     model holds, with equal attributes; the next operations are made in the next DIR.
 * The same OPS and SEED do the same. Exit status 0: nothing wrong. */
#include "tests/random/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRS_MAX 8

struct run {
	struct model m;
	uint64_t ops;
	uint64_t pause; /* 0: never */
	const char *command;
	char dirs[DIRS_MAX][256];
	size_t count;
};

static void make_dirs(struct run *run)
{
	char path[300];

	if (mkdir(run->dirs[0], 0755) != 0)
		wrong(&run->m, "mkdir %s", run->dirs[0]);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/d%d", run->dirs[0], i);
		if (mkdir(path, 0755) != 0)
			wrong(&run->m, "mkdir %s", path);
	}
}

static void remove_dirs(struct run *run)
{
	char path[300];

	run->m.dir = run->dirs[0];
	for (int i = 0; i < NAMES; i++) {
		if (run->m.names[i])
			(void)unlink(path_of(&run->m, i, 0));
	}
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "%s/d%d", run->dirs[0], i);
		if (rmdir(path) != 0)
			wrong(&run->m, "rmdir %s", path);
	}
	if (rmdir(run->dirs[0]) != 0)
		wrong(&run->m, "rmdir %s", run->dirs[0]);
}

/* What must be equal on all nodes beside the content. */
static void compare_attributes(struct run *run, int name, size_t with)
{
	struct stat a, b;

	run->m.dir = run->dirs[0];
	if (lstat(path_of(&run->m, name, 0), &a) != 0)
		wrong(&run->m, "stat n%d", name);
	run->m.dir = run->dirs[with];
	if (lstat(path_of(&run->m, name, 0), &b) != 0)
		wrong(&run->m, "stat n%d", name);
	if (a.st_ino != b.st_ino || a.st_mode != b.st_mode ||
	    a.st_mtim.tv_sec != b.st_mtim.tv_sec || a.st_mtim.tv_nsec != b.st_mtim.tv_nsec)
		wrong(&run->m, "n%d: inode %llu mode %o mtime %lld.%09ld, in %s %llu %o %lld.%09ld",
		      name, (unsigned long long)b.st_ino, b.st_mode, (long long)b.st_mtim.tv_sec,
		      b.st_mtim.tv_nsec, run->dirs[0], (unsigned long long)a.st_ino, a.st_mode,
		      (long long)a.st_mtim.tv_sec, a.st_mtim.tv_nsec);
}

static void pause_all(struct run *run)
{
	struct model *m = &run->m;

	close_all(m);
	note(m, "pause");
	if (system(run->command) != 0)
		wrong(m, "%s", run->command);
	for (size_t d = 0; d < run->count; d++) {
		verify_all(m, run->dirs[d]);
		for (int i = 0; i < NAMES; i++) {
			if (m->names[i])
				compare_attributes(run, i, d);
		}
	}
	m->dir = run->dirs[m->op / run->pause % run->count];
}

static int usage(void)
{
	(void)fprintf(stderr, "usage: fs_random OPS SEED [PAUSE COMMAND] DIR...\n");
	return 2;
}

int main(int argc, char **argv)
{
	static struct run run;
	int first = argc > 4 ? 5 : 3;

	if (argc < 4 || argc > first + DIRS_MAX)
		return usage();
	run.ops = strtoull(argv[1], NULL, 10);
	run.m.rnd = strtoull(argv[2], NULL, 10);
	run.pause = argc > 4 ? strtoull(argv[3], NULL, 10) : 0;
	run.command = argc > 4 ? argv[4] : "true";
	for (int i = first; i < argc; i++)
		(void)snprintf(run.dirs[run.count++], sizeof(run.dirs[0]), "%s/random", argv[i]);
	for (size_t i = 0; i < OPENS; i++)
		run.m.opens[i].fd = -1;
	run.m.dir = run.dirs[0];
	(void)umask(022);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	make_dirs(&run);
	for (run.m.op = 1; run.m.op <= run.ops; run.m.op++) {
		operate(&run.m);
		if (run.pause && run.m.op % run.pause == 0)
			pause_all(&run);
	}
	close_all(&run.m);
	verify_all(&run.m, run.m.dir);
	if (run.pause)
		pause_all(&run);
	remove_dirs(&run);
	(void)printf("%llu operations, seed %s: nothing wrong\n", (unsigned long long)run.ops,
		     argv[2]);
	return 0;
}
