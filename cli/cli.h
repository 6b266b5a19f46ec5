/* SPDX-License-Identifier: Apache-2.0
 * What all programs of the command line share: where the node is, how to print, and the verbs.
 * main owns the struct cli.
 * One thread.
 * Invariant: a verb returns one of the three exit codes and has said why if it is not 0.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/args.h"
#include "core/json.h"
#include "core/places.h"

enum cli_exit { CLI_DONE = 0, CLI_NO = 1, CLI_ERROR = 2 };

struct cli {
	const char *program;
	struct places places;
	bool json;  /* print the answer as JSON */
	bool color; /* standard output is a terminal that shows colours */
};

struct verb {
	const char *name;     /* "pool create" */
	const char *synopsis; /* what follows the name */
	const char *line;     /* what it does, in one line */
	const char *about;    /* the same for people who meet it for the first time */
	size_t words_min, words_max;
	const struct arg_option *options;
	int (*run)(struct cli *cli, const struct args *args);
};

/* --root, --json, --help, --version: allowed with each verb. */
extern const struct arg_option cli_common[];

/* Reads --root, --json; finds out about colours. */
MUST_CHECK int cli_init(struct cli *cli, const char *program, const struct args *args);
void cli_done(struct cli *cli);

/* "multiall: TEXT" on standard error; returns CLI_ERROR. */
int cli_error(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sends the request (taken) and waits for the answer. With `start`, a daemon that does not run is
 * started first. Says why if the result is not CLI_DONE; the answer is NULL then. */
int cli_ask(struct cli *cli, bool start, json_t *request, json_t **ret);
/* The same; then prints the answer's text or, with --json, the answer. */
int cli_ask_and_print(struct cli *cli, json_t *request);
/* Prints a document: indented on a terminal, else on one line. */
void cli_print_json(const json_t *value);

/* A connection to the daemon's control socket; -ENOENT or -ECONNREFUSED: none runs. */
MUST_CHECK int cli_connect(const struct cli *cli, int *ret_fd);
/* Starts a daemon and waits until it listens. */
MUST_CHECK int cli_start_daemon(const struct cli *cli, char *error, size_t size);

/* cmd_node.c */
int cmd_init(struct cli *cli, const struct args *args);
int cmd_invite(struct cli *cli, const struct args *args);
int cmd_join(struct cli *cli, const struct args *args);
int cmd_leave(struct cli *cli, const struct args *args);
int cmd_remove(struct cli *cli, const struct args *args);
/* cmd_tns.c */
int cmd_why(struct cli *cli, const struct args *args);
int cmd_cordon(struct cli *cli, const struct args *args);
int cmd_drain(struct cli *cli, const struct args *args);
int cmd_maintenance(struct cli *cli, const struct args *args);
int cmd_resume(struct cli *cli, const struct args *args);
/* cmd_pool.c */
int cmd_pool_create(struct cli *cli, const struct args *args);
int cmd_pool_join(struct cli *cli, const struct args *args);
int cmd_pool_leave(struct cli *cli, const struct args *args);
int cmd_pool_list(struct cli *cli, const struct args *args);
int cmd_pool_set(struct cli *cli, const struct args *args);
int cmd_pool_settings(struct cli *cli, const struct args *args);
/* cmd_status.c */
int cmd_status(struct cli *cli, const struct args *args);
int cmd_wait(struct cli *cli, const struct args *args);
/* cmd_conflicts.c */
int cmd_conflicts_list(struct cli *cli, const struct args *args);
int cmd_conflicts_show(struct cli *cli, const struct args *args);
int cmd_conflicts_diff(struct cli *cli, const struct args *args);
int cmd_conflicts_resolve(struct cli *cli, const struct args *args);
/* cmd_trash.c */
int cmd_trash_list(struct cli *cli, const struct args *args);
int cmd_trash_restore(struct cli *cli, const struct args *args);
int cmd_trash_empty(struct cli *cli, const struct args *args);
/* cmd_health.c */
int cmd_health(struct cli *cli, const struct args *args);
int cmd_health_explain(struct cli *cli, const struct args *args);
int cmd_health_check(struct cli *cli, const struct args *args);
int cmd_health_codes(struct cli *cli, const struct args *args);
int cmd_health_lint(struct cli *cli, const struct args *args);
int cmd_health_set(struct cli *cli, const struct args *args);
int cmd_health_rules(struct cli *cli, const struct args *args);
/* cmd_settings.c */
int cmd_settings(struct cli *cli, const struct args *args);

#endif
