/* SPDX-License-Identifier: Apache-2.0 */
#include "status/control.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/address.h"
#include "core/auto.h"
#include "core/clock.h"
#include "core/log.h"

#define SWEEP_MS 5000

struct client {
	uv_pipe_t pipe;
	struct client *next;
	struct control *control;         /* NULL once that is freed */
	struct control_request *request; /* being worked on; no other is read meanwhile */
	uint64_t since_ms;               /* of the last request or answer */
	bool closing;
	bool ended;   /* no more requests from it; goes once it is answered */
	bool looking; /* client_continue() runs: an answer must not start it again */
	size_t used;
	char line[CONTROL_LINE_MAX];
};

struct control_request {
	struct client *client; /* NULL once it is gone */
	json_t *body;
};

struct control {
	uv_pipe_t listener;
	uv_timer_t sweep; /* runs only while there are clients */
	unsigned int open_handles;
	struct loop *loop;
	struct client *clients;
	size_t client_count;
	control_handler *handler;
	void *arg;
	char path[];
};

struct answer {
	uv_write_t write;
	char *text;
};

/* Beside the path, then renamed over it: so that it exists only once it listens. */
static int listener_open(const char *path, int *ret_fd)
{
	struct sockaddr_un name;
	AUTO_FREE char *beside = NULL;
	AUTO_CLOSE int dir = -1;

	if (asprintf(&beside, "%s.new", path) < 0) {
		beside = NULL;
		return -ENOMEM;
	}
	int r = address_unix(beside, &name, &dir);
	if (r < 0)
		return r;
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	(void)unlink(beside);
	/* The mode of an unbound socket becomes that of its file: no moment with a wider one. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 ||
	    listen(fd, CONTROL_CLIENTS_MAX) < 0)
		return -errno;
	if (rename(beside, path) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

static void on_client_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void client_close(struct client *client)
{
	struct control *control = client->control;

	if (client->closing)
		return;
	client->closing = true;
	if (client->request)
		client->request->client = NULL;
	client->request = NULL;
	for (struct client **at = control ? &control->clients : NULL; at && *at;
	     at = &(*at)->next) {
		if (*at != client)
			continue;
		*at = client->next;
		control->client_count--;
		break;
	}
	if (control && !control->clients)
		(void)uv_timer_stop(&control->sweep);
	uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static void on_written(uv_write_t *write, int status)
{
	struct answer *answer = write->data;
	struct client *client = write->handle->data;

	free(answer->text);
	free(answer);
	if (status < 0 || (client->ended && !client->request &&
			   uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe) == 0))
		client_close(client);
}

/* Takes the value. */
static void client_send(struct client *client, json_t *value)
{
	char *text = value ? json_line(value) : NULL;
	struct answer *answer = calloc(1, sizeof(*answer));

	json_decref(value);
	if (!text || !answer || client->closing) {
		free(text);
		free(answer);
		client_close(client);
		return;
	}
	uv_stream_t *stream = (uv_stream_t *)&client->pipe;
	size_t length = strlen(text);
	text[length] = '\n'; /* in the place of the zero, which is not needed any more */
	answer->text = text;
	answer->write.data = answer;
	uv_buf_t part = uv_buf_init(text, (unsigned int)length + 1);
	if (uv_stream_get_write_queue_size(stream) > CONTROL_UNREAD_MAX ||
	    uv_write(&answer->write, stream, &part, 1, on_written) < 0) {
		free(text);
		free(answer);
		client_close(client);
	}
}

static json_t *failure(int exit_code, const char *text)
{
	json_t *value = json_object();

	if (json_object_set_new(value, "ok", json_false()) < 0 ||
	    json_object_set_new(value, "exit", json_integer(exit_code)) < 0 ||
	    json_object_set_new(value, "error", json_text(text)) < 0) {
		json_decref(value);
		return NULL;
	}
	return value;
}

/* Hands one line to the handler. */
static void client_ask(struct client *client, const char *line, size_t size)
{
	struct control *control = client->control;
	struct control_request *request = calloc(1, sizeof(*request));
	char why[256] = "no memory";
	char text[512];

	client->since_ms = clock_boot_ms();
	if (!request || json_object_parse(line, size, &request->body, why, sizeof(why)) < 0) {
		free(request);
		(void)snprintf(text, sizeof(text),
			       "the request is %s; write one JSON object on one line", why);
		client_send(client, failure(2, text));
		return;
	}
	request->client = client;
	client->request = request;
	control->handler(control->arg, request);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void on_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct client *client = handle->data;

	(void)suggested;
	*ret = uv_buf_init(client->line + client->used,
			   (unsigned int)(sizeof(client->line) - client->used));
}

/* Takes the first line out of the buffer. NULL if there is none; the caller frees. */
static char *client_line(struct client *client, size_t *ret_size)
{
	char *end = memchr(client->line, '\n', client->used);

	if (!end)
		return NULL;
	size_t size = (size_t)(end - client->line);
	char *line = malloc(size + 1);
	if (!line) {
		client_close(client);
		return NULL;
	}
	memcpy(line, client->line, size);
	client->used -= size + 1;
	memmove(client->line, end + 1, client->used);
	*ret_size = size;
	return line;
}

/* Asks line after line until one is being worked on; then reads on, if there can be more. */
static void client_continue(struct client *client)
{
	uv_stream_t *stream = (uv_stream_t *)&client->pipe;
	size_t size;

	if (client->looking)
		return;
	client->looking = true;
	while (!client->closing && !client->request) {
		AUTO_FREE char *line = client_line(client, &size);
		if (!line)
			break;
		if (size > 0)
			client_ask(client, line, size);
	}
	client->looking = false;
	if (client->closing)
		return;
	if (client->request || client->ended) {
		(void)uv_read_stop(stream);
	} else if (client->used == sizeof(client->line)) {
		(void)uv_read_stop(stream);
		client->ended = true; /* what follows can't be understood */
		client_send(client, failure(2, "the request is longer than 64 KiB"));
	} else {
		int r = uv_read_start(stream, on_buffer, on_read);
		if (r < 0 && r != UV_EALREADY)
			client_close(client);
	}
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct client *client = stream->data;

	(void)buffer;
	if (size == 0)
		return;
	if (size < 0) {
		(void)uv_read_stop(stream);
		client->ended = true;
		if (size != UV_EOF || uv_stream_get_write_queue_size(stream) == 0)
			client_close(client);
		return;
	}
	client->used += (size_t)size;
	client_continue(client);
}

/* Clients that ask nothing must not use up the places of those who do. */
static void on_sweep(uv_timer_t *timer)
{
	struct control *control = timer->data;
	uint64_t now = clock_boot_ms();
	struct client *next;

	for (struct client *client = control->clients; client; client = next) {
		next = client->next;
		if (!client->request && now - client->since_ms > CONTROL_IDLE_S * 1000ull)
			client_close(client);
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct control *control = listener->data;
	struct client *client = status < 0 ? NULL : calloc(1, sizeof(*client));

	if (!client)
		return;
	if (uv_pipe_init(loop_uv(control->loop), &client->pipe, 0) < 0) {
		free(client);
		return;
	}
	client->pipe.data = client;
	client->control = control;
	client->since_ms = clock_boot_ms();
	client->next = control->clients;
	control->clients = client;
	control->client_count++;
	if (uv_accept(listener, (uv_stream_t *)&client->pipe) < 0) {
		client_close(client);
		return;
	}
	if (control->client_count > CONTROL_CLIENTS_MAX) {
		client->ended = true;
		client_send(client, failure(2, "too many clients at once; try again"));
		return;
	}
	if (!uv_is_active((uv_handle_t *)&control->sweep))
		(void)uv_timer_start(&control->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	client_continue(client);
}

static void on_control_closed(uv_handle_t *handle)
{
	struct control *control = handle->data;

	if (--control->open_handles == 0)
		free(control);
}

int control_new(struct loop *loop, const char *path, control_handler *handler, void *arg,
		struct control **ret, char *error, size_t size)
{
	struct control *control = calloc(1, sizeof(*control) + strlen(path) + 1);
	int fd = -1;

	if (!control)
		return err_say(error, size, -ENOMEM, "no memory for the control socket");
	int r = listener_open(path, &fd);
	if (r < 0) {
		free(control);
		return err_say(error, size, r, "cannot listen on the control socket %s: %s", path,
			       err_text(r));
	}
	control->loop = loop;
	control->handler = handler;
	control->arg = arg;
	memcpy(control->path, path, strlen(path) + 1);
	control->open_handles = 2;
	(void)uv_timer_init(loop_uv(loop), &control->sweep);
	(void)uv_pipe_init(loop_uv(loop), &control->listener, 0);
	control->sweep.data = control;
	control->listener.data = control;
	r = uv_pipe_open(&control->listener, fd);
	if (r < 0)
		(void)close(fd);
	else
		r = uv_listen((uv_stream_t *)&control->listener, CONTROL_CLIENTS_MAX,
			      on_connection);
	if (r < 0) {
		control_free(control);
		return err_say(error, size, r, "cannot listen on the control socket %s: %s", path,
			       err_text(r));
	}
	*ret = control;
	return 0;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	(void)unlink(control->path);
	while (control->clients)
		client_close(control->clients);
	uv_close((uv_handle_t *)&control->sweep, on_control_closed);
	uv_close((uv_handle_t *)&control->listener, on_control_closed);
}

const json_t *control_body(const struct control_request *request)
{
	return request->body;
}

/* Takes request and value. */
static void finish(struct control_request *request, json_t *value)
{
	struct client *client = request->client;

	assert(!client || client->request == request);
	json_decref(request->body);
	free(request);
	if (!client) {
		json_decref(value);
		return;
	}
	client->request = NULL;
	client->since_ms = clock_boot_ms();
	client_send(client, value);
	client_continue(client);
}

void control_done(struct control_request *request, json_t *answer)
{
	json_t *value = json_object();

	if (json_object_set_new(value, "ok", json_true()) < 0 ||
	    (answer && json_object_update(value, answer) < 0)) {
		json_decref(value);
		value = NULL;
	}
	json_decref(answer);
	finish(request, value);
}

void control_fail(struct control_request *request, int exit_code, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	finish(request, failure(exit_code, text));
}

bool control_progress(struct control_request *request, const char *text)
{
	if (request->client)
		client_send(request->client, json_pack("{s:o}", "progress", json_text(text)));
	return request->client != NULL;
}
