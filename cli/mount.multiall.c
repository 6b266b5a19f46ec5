/* SPDX-License-Identifier: Apache-2.0
 * mount.multiall: what mount(8) runs for `mount -t multiall NAME DIR` and for a line in fstab.
 * The daemon does the mounting; this asks it to. Exit status as mount(8) has it.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/auto.h"
#include "core/io.h"
#include "core/version.h"

enum mount_exit { MOUNT_DONE = 0, MOUNT_USAGE = 1, MOUNT_SYSTEM = 2, MOUNT_FAILED = 32 };

struct request {
	const char *name;
	const char *dir;
	const char *root;
	char *refused; /* the first option that we can't do */
	bool sloppy;
	bool fake;
};

static const char usage[] =
	"usage: mount.multiall NAME DIR [-sfnv] [-o OPTIONS]\n"
	"NAME is a pool that this node holds, DIR its place /pool/NAME. Run by mount(8).\n";

/* Options that mount(8) or systemd deal with, or that are what we do anyway. */
static bool option_known(const char *option)
{
	static const char *const known[] = {
		"rw",    "defaults", "auto",    "noauto", "user", "nouser",   "users",
		"owner", "group",    "_netdev", "nofail", "exec", "suid",     "dev",
		"async", "relatime", "noatime", "silent", "loud", "diratime", "nodiratime"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i], option) == 0)
			return true;
	}
	return strncmp(option, "x-", 2) == 0 || strncmp(option, "comment=", 8) == 0;
}

static void take_options(struct request *request, char *list)
{
	char *rest = list;
	char *option;

	while ((option = strsep(&rest, ","))) {
		if (strncmp(option, "root=", 5) == 0)
			request->root = option + 5;
		else if (option[0] && !option_known(option) && !request->refused)
			request->refused = option;
	}
}

static bool take_arguments(int argc, char **argv, struct request *request)
{
	int option;

	/* -t gives the type with its subtype, -N a mount name space: mount(8) has done both. */
	while ((option = getopt(argc, argv, "sfnvo:t:N:")) != -1) {
		if (option == 's')
			request->sloppy = true;
		else if (option == 'f')
			request->fake = true;
		else if (option == 'o')
			take_options(request, optarg);
		else if (option == '?')
			return false;
	}
	if (argc - optind != 2)
		return false;
	request->name = argv[optind];
	request->dir = argv[optind + 1];
	/* The source as /proc/mounts shows it. */
	if (strncmp(request->name, "multiall:", 9) == 0)
		request->name += 9;
	return true;
}

/* The daemon mounts a pool at one place only. */
static bool place_is_ours(const struct cli *cli, const struct request *request)
{
	AUTO_FREE char *ours = path_join(cli->places.pools, request->name);
	char *real_dir = realpath(request->dir, NULL);
	char *real_ours = ours ? realpath(ours, NULL) : NULL;
	bool same = ours && (strcmp(ours, request->dir) == 0 ||
			     (real_dir && real_ours && strcmp(real_dir, real_ours) == 0));

	if (!same)
		(void)cli_error(cli,
				"pool %s is mounted at %s and nowhere else, not at %s. To have it "
				"there too: mount --bind %s %s",
				request->name, ours ? ours : "?", request->dir, ours ? ours : "?",
				request->dir);
	free(real_dir);
	free(real_ours);
	return same;
}

static int mount_pool(struct cli *cli, const struct request *request)
{
	AUTO_JSON json_t *answer = NULL;

	if (!place_is_ours(cli, request))
		return MOUNT_USAGE;
	if (request->fake)
		return MOUNT_DONE;
	int result =
		cli_ask(cli, true,
			json_pack("{s:s, s:o}", "verb", "mount", "name", json_text(request->name)),
			&answer);
	return result == CLI_DONE ? MOUNT_DONE : MOUNT_FAILED;
}

int main(int argc, char **argv)
{
	struct request request = {0};
	struct cli cli = {.program = "mount.multiall"};

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("mount.multiall " MULTIALL_VERSION);
		return MOUNT_DONE;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(usage, stdout);
		return MOUNT_DONE;
	}
	if (!take_arguments(argc, argv, &request)) {
		(void)fputs(usage, stderr);
		return MOUNT_USAGE;
	}
	if (request.refused && !request.sloppy) {
		(void)cli_error(&cli, "pools do not know the mount option \"%s\"", request.refused);
		return MOUNT_USAGE;
	}
	if (places_init(request.root, &cli.places) < 0) {
		(void)cli_error(&cli, "no memory");
		return MOUNT_SYSTEM;
	}
	int result = mount_pool(&cli, &request);
	cli_done(&cli);
	return result;
}
