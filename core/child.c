/* SPDX-License-Identifier: Apache-2.0 */
#include "core/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A process that left the group can keep the pipe open: its output is not waited for. */
#define DRAIN_MS 200

struct child {
	uv_process_t process;
	uv_pipe_t pipe;
	uv_timer_t timer;
	unsigned int open_handles;
	void (*done)(void *arg, const struct child_end *end);
	void *arg;
	char *output;
	size_t used, room, max;
	struct child_end end;
	bool exited, eof;
	pid_t group;
};

static void on_closed(uv_handle_t *handle)
{
	struct child *child = handle->data;

	if (--child->open_handles)
		return;
	free(child->output);
	free(child);
}

static void handle_open(struct child *child, uv_handle_t *handle)
{
	handle->data = child;
	child->open_handles++;
}

static void child_close(struct child *child)
{
	uv_close((uv_handle_t *)&child->process, on_closed);
	uv_close((uv_handle_t *)&child->pipe, on_closed);
	uv_close((uv_handle_t *)&child->timer, on_closed);
}

static void group_kill(const struct child *child, int number)
{
	/* -ESRCH: all have ended, which is what is wanted. */
	(void)kill(-child->group, number);
}

static void finish(struct child *child)
{
	void (*done)(void *arg, const struct child_end *end) = child->done;

	child->end.output = child->output ? child->output : "";
	child->end.size = child->used;
	child->done = NULL;
	if (done)
		done(child->arg, &child->end);
	child_close(child);
}

static void on_drained(uv_timer_t *timer)
{
	finish(timer->data);
}

static void look(struct child *child)
{
	if (!child->exited)
		return;
	if (child->eof)
		finish(child);
	else
		(void)uv_timer_start(&child->timer, on_drained, DRAIN_MS, 0);
}

static void on_exit_(uv_process_t *process, int64_t status, int number)
{
	struct child *child = process->data;

	group_kill(child, SIGKILL);
	child->end.status = number ? -1 : (int)status;
	child->end.signal = number;
	child->exited = true;
	(void)uv_timer_stop(&child->timer);
	look(child);
}

static void on_kill(uv_timer_t *timer)
{
	group_kill(timer->data, SIGKILL);
}

static void on_timeout(uv_timer_t *timer)
{
	struct child *child = timer->data;

	child->end.timed_out = true;
	group_kill(child, SIGTERM);
	(void)uv_timer_start(timer, on_kill, CHILD_KILL_MS, 0);
}

/* One byte more than may be kept, so that too much is seen. */
static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct child *child = handle->data;

	(void)suggested;
	if (child->used == child->room) {
		size_t room = child->room ? child->room * 2 : 4096;
		room = room > child->max + 1 ? child->max + 1 : room;
		char *output = realloc(child->output, room);
		if (output) {
			child->output = output;
			child->room = room;
		}
	}
	*buf = uv_buf_init(child->output + child->used, (unsigned int)(child->room - child->used));
}

static void on_output(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
	struct child *child = stream->data;

	(void)buf;
	if (size > 0)
		child->used += (size_t)size;
	if (child->used > child->max) {
		child->used = child->max;
		child->end.flooded = true;
		group_kill(child, SIGKILL);
		size = UV_EOF;
	}
	if (size >= 0)
		return;
	(void)uv_read_stop(stream);
	child->eof = true;
	look(child);
}

static int spawn(struct child *child, const struct child_spec *spec)
{
	uv_stdio_container_t stdio[3] = {
		{.flags = UV_IGNORE},
		{.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		 .data.stream = (uv_stream_t *)&child->pipe},
		{.flags = UV_IGNORE},
	};
	uv_process_options_t options = {
		.exit_cb = on_exit_,
		.file = spec->argv[0],
		.args = (char **)spec->argv,
		.env = (char **)spec->env,
		.cwd = "/",
		.flags = UV_PROCESS_DETACHED,
		.stdio_count = 3,
		.stdio = stdio,
	};

	if (spec->drop) {
		options.flags |= UV_PROCESS_SETUID | UV_PROCESS_SETGID;
		options.uid = spec->uid;
		options.gid = spec->gid;
	}
	return uv_spawn(child->timer.loop, &child->process, &options);
}

int child_start(struct loop *loop, const struct child_spec *spec,
		void (*done)(void *arg, const struct child_end *end), void *arg, struct child **ret)
{
	struct child *child = calloc(1, sizeof(*child));

	if (!child)
		return -ENOMEM;
	child->done = done;
	child->arg = arg;
	child->max = spec->output_max;
	/* These two cannot fail, and uv_spawn() makes the process a handle even when it fails. */
	(void)uv_timer_init(loop_uv(loop), &child->timer);
	(void)uv_pipe_init(loop_uv(loop), &child->pipe, 0);
	handle_open(child, (uv_handle_t *)&child->timer);
	handle_open(child, (uv_handle_t *)&child->pipe);
	int r = spawn(child, spec);
	handle_open(child, (uv_handle_t *)&child->process);
	if (r == 0) {
		child->group = child->process.pid;
		r = uv_read_start((uv_stream_t *)&child->pipe, on_room, on_output);
	}
	if (r < 0) {
		if (child->group)
			group_kill(child, SIGKILL);
		child_close(child);
		return r;
	}
	(void)uv_timer_start(&child->timer, on_timeout, spec->timeout_ms, 0);
	*ret = child;
	return 0;
}

void child_kill(struct child *child)
{
	group_kill(child, SIGKILL);
	child_close(child);
}
