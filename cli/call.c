/* SPDX-License-Identifier: Apache-2.0
 * Asking the daemon: one line there, lines back, on its control socket.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/address.h"
#include "core/auto.h"

#define ANSWER_MAX                                                                                 \
	(64u << 20) /* bytes of one line; a status of 1,023 nodes has less than 1 MiB              \
		     */
#define SILENCE_MS 5000

int cli_connect(const struct cli *cli, int *ret_fd)
{
	struct sockaddr_un name;
	AUTO_CLOSE int dir = -1;
	int r = address_unix(cli->places.control, &name, &dir);

	if (r < 0)
		return r;
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int send_line(int fd, const json_t *request)
{
	AUTO_FREE char *line = json_line(request);

	if (!line)
		return -ENOMEM;
	size_t size = strlen(line);
	line[size++] = '\n'; /* in the place of the zero */
	for (size_t at = 0; at < size;) {
		ssize_t n = send(fd, line + at, size - at, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

struct lines {
	int fd;
	char *data;
	size_t used, room;
	bool warned;
};

/* Waits for bytes; after some seconds of silence it says once what it waits for. */
static int lines_fill(const struct cli *cli, struct lines *lines)
{
	struct pollfd poll_fd = {.fd = lines->fd, .events = POLLIN};

	if (lines->used == lines->room) {
		size_t room = lines->room ? lines->room * 2 : 4096;
		char *data = room > ANSWER_MAX ? NULL : realloc(lines->data, room);

		if (!data)
			return room > ANSWER_MAX ? -EMSGSIZE : -ENOMEM;
		lines->data = data;
		lines->room = room;
	}
	int ready = poll(&poll_fd, 1, lines->warned ? -1 : SILENCE_MS);
	if (ready == 0) {
		lines->warned = true;
		if (isatty(STDERR_FILENO))
			(void)fprintf(stderr, "%s: takeconnector is busy, waiting for its answer\n",
				      cli->program);
		return 0;
	}
	ssize_t n = ready < 0 ? -1
			      : recv(lines->fd, lines->data + lines->used,
				     lines->room - lines->used, 0);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	lines->used += (size_t)n;
	return 0;
}

/* The next line as an object. */
static int lines_next(const struct cli *cli, struct lines *lines, json_t **ret)
{
	char why[256];

	for (;;) {
		char *end = lines->used ? memchr(lines->data, '\n', lines->used) : NULL;

		if (end) {
			size_t size = (size_t)(end - lines->data);
			int r = json_object_parse(lines->data, size, ret, why, sizeof(why));

			lines->used -= size + 1;
			memmove(lines->data, end + 1, lines->used);
			return r;
		}
		int r = lines_fill(cli, lines);
		if (r < 0)
			return r;
	}
}

/* On a terminal one line that is written over; nothing elsewhere. */
static void show_progress(const char *text)
{
	if (!isatty(STDERR_FILENO))
		return;
	(void)fputs(text ? "\r\033[K" : "\r\033[K", stderr);
	for (; text && *text; text++)
		(void)fputc((unsigned char)*text < ' ' ? '?' : *text, stderr);
	(void)fflush(stderr);
}

static int read_answer(const struct cli *cli, int fd, json_t **ret)
{
	struct lines lines = {.fd = fd};
	bool progress = false;
	int r;

	for (;;) {
		json_t *value = NULL;

		r = lines_next(cli, &lines, &value);
		if (r < 0)
			break;
		const char *text = json_get_text(value, "progress", NULL);
		if (!text) {
			*ret = value;
			break;
		}
		progress = true;
		show_progress(text);
		json_decref(value);
	}
	if (progress)
		show_progress(NULL);
	free(lines.data);
	return r;
}

static int connect_or_start(const struct cli *cli, bool start, int *ret_fd)
{
	char error[1024];
	int r = cli_connect(cli, ret_fd);

	if (r == 0)
		return CLI_DONE;
	if (r != -ENOENT && r != -ECONNREFUSED)
		return cli_error(cli, "cannot reach takeconnector at %s: %s%s", cli->places.control,
				 err_text(r), r == -EACCES ? "; multiall needs root" : "");
	if (!start)
		return cli_error(cli,
				 "takeconnector does not run (nothing listens on %s). To start it: "
				 "%s%s",
				 cli->places.control, cli->places.root[0] ? "mountall --root " : "",
				 cli->places.root[0] ? cli->places.root
						     : "systemctl start multiall, or mountall");
	r = cli_start_daemon(cli, error, sizeof(error));
	if (r == 0)
		r = cli_connect(cli, ret_fd);
	else
		return cli_error(cli, "%s", error);
	if (r < 0)
		return cli_error(cli, "takeconnector was started, but cannot be reached at %s: %s",
				 cli->places.control, err_text(r));
	return CLI_DONE;
}

int cli_ask(struct cli *cli, bool start, json_t *request, json_t **ret)
{
	AUTO_JSON json_t *asked = request;
	AUTO_JSON json_t *answer = NULL;
	AUTO_CLOSE int fd = -1;

	if (!asked)
		return cli_error(cli, "no memory for the request");
	int result = connect_or_start(cli, start, &fd);
	if (result != CLI_DONE)
		return result;
	int r = send_line(fd, asked);
	if (r == 0)
		r = read_answer(cli, fd, &answer);
	if (r < 0)
		return cli_error(cli,
				 "takeconnector did not answer \"%s\": %s; its log says more "
				 "(journalctl -u multiall, or %s)",
				 json_get_text(asked, "verb", ""), err_text(r), cli->places.log);
	if (json_get_bool(answer, "ok", false)) {
		*ret = json_incref(answer);
		return CLI_DONE;
	}
	if (cli->json)
		cli_print_json(answer);
	(void)cli_error(cli, "%s", json_get_text(answer, "error", "refused, and no reason given"));
	return json_get_int(answer, "exit", CLI_ERROR) == CLI_NO ? CLI_NO : CLI_ERROR;
}

int cli_ask_and_print(struct cli *cli, json_t *request)
{
	AUTO_JSON json_t *answer = NULL;
	int result = cli_ask(cli, true, request, &answer);

	if (result != CLI_DONE)
		return result;
	if (cli->json)
		cli_print_json(answer);
	else
		(void)puts(json_get_text(answer, "text", "done"));
	return CLI_DONE;
}
