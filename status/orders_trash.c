/* SPDX-License-Identifier: Apache-2.0
 * Orders about what peers removed and this node keeps for a while.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/log.h"
#include "replication/trash.h"
#include "status/orders_parts.h"

#define LIST_MAX 10000 /* in one answer; CONTROL_UNREAD_MAX bounds what it may be long */

struct trash_job {
	uv_work_t work;
	struct orders *orders;
	struct control_request *request;
	int (*run)(struct trash_job *job, const struct orders_pool *pool);
	char path[4096]; /* what to restore, absolute; "": all that the brake kept */
	struct orders_pool *pools;
	size_t count;
	const struct orders_pool *now;
	json_t *list;
	uint64_t done, failed;
	int r;
};

static void job_free(struct trash_job *job)
{
	json_decref(job->list);
	free(job->pools);
	free(job);
}

/* --- on the worker thread --- */

static json_t *full_path(const struct orders_pool *pool, const char *path)
{
	AUTO_FREE char *text = NULL;

	if (asprintf(&text, "%s/%s", pool->mount, path) < 0) {
		text = NULL;
		return NULL;
	}
	return json_text(text);
}

static int list_one(void *arg, const struct trash_entry *entry)
{
	struct trash_job *job = arg;

	if (json_array_size(job->list) == LIST_MAX)
		return -E2BIG;
	json_t *value = json_pack("{s:s, s:o, s:f, s:I, s:b}", "pool", job->now->name, "path",
				  full_path(job->now, entry->path), "removed",
				  (double)entry->removed_ns / 1e9, "bytes",
				  (json_int_t)entry->bytes, "brake", entry->braked);
	return json_array_append_new(job->list, value) < 0 ? -ENOMEM : 0;
}

static int run_list(struct trash_job *job, const struct orders_pool *pool)
{
	job->now = pool;
	return trash_each(pool->pool, list_one, job);
}

static void restored(void *arg, const char *path, int code)
{
	struct trash_job *job = arg;

	job->done += code == 0;
	job->failed += code < 0;
	if (json_array_size(job->list) < LIST_MAX)
		(void)json_array_append_new(
			job->list,
			json_pack("{s:o, s:s}", "path", full_path(job->now, path), "error",
				  code == 0         ? ""
				  : code == -EEXIST ? "there is something of that name again"
						    : err_text(code)));
}

static int run_restore(struct trash_job *job, const struct orders_pool *pool)
{
	size_t length = strlen(pool->mount);
	const char *below = NULL;

	if (job->path[0]) {
		if (strncmp(job->path, pool->mount, length) != 0 ||
		    (job->path[length] && job->path[length] != '/'))
			return 0;
		below = job->path + length + (job->path[length] == '/');
	}
	job->now = pool;
	return trash_restore(pool->pool, below, restored, job);
}

static int run_empty(struct trash_job *job, const struct orders_pool *pool)
{
	(void)job;
	return trash_empty(pool->pool);
}

static void run(uv_work_t *work)
{
	struct trash_job *job = work->data;

	for (size_t i = 0; job->r == 0 && i < job->count; i++)
		job->r = job->run(job, &job->pools[i]);
}

/* --- on the loop --- */

static void on_done(uv_work_t *work, int status)
{
	struct trash_job *job = work->data;
	struct node *node = job->orders->node;
	int r = status < 0 ? status : job->r;
	bool more = r == -E2BIG || job->done + job->failed > LIST_MAX;

	job->orders->looking--;
	node->jobs--;
	if (r < 0 && r != -E2BIG)
		control_fail(job->request, 2, "the trash: %s", err_text(r));
	else if (job->run == run_list)
		control_done(job->request,
			     json_pack("{s:O, s:b}", "trash", job->list, "more", more));
	else if (job->run == run_restore)
		control_done(job->request,
			     json_pack("{s:O, s:b, s:I, s:I}", "files", job->list, "more", more,
				       "restored", (json_int_t)job->done, "left",
				       (json_int_t)job->failed));
	else
		control_done(job->request, orders_say("the trash is empty"));
	job_free(job);
	node->job_done(node);
}

static void start(struct orders *orders, struct control_request *request,
		  int (*run_one)(struct trash_job *job, const struct orders_pool *pool),
		  const char *path)
{
	const char *only = orders_text_optional(request, "pool");
	struct trash_job *job = only ? calloc(1, sizeof(*job)) : NULL;

	if (!only)
		return;
	if (!job || !(job->list = json_array())) {
		free(job);
		control_fail(request, 2, "no memory");
		return;
	}
	job->orders = orders;
	job->request = request;
	job->run = run_one;
	job->work.data = job;
	(void)snprintf(job->path, sizeof(job->path), "%s", path);
	if (orders_pools(orders, request, only, &job->pools, &job->count) < 0) {
		job_free(job);
		return;
	}
	if (uv_queue_work(loop_uv(orders->node->loop), &job->work, run, on_done) < 0) {
		job_free(job);
		control_fail(request, 2, "no thread to look with");
		return;
	}
	orders->looking++;
	orders->node->jobs++;
}

void order_trash(struct orders *orders, struct control_request *request)
{
	start(orders, request, run_list, "");
}

void order_trash_restore(struct orders *orders, struct control_request *request)
{
	const char *path = json_get_text(control_body(request), "path", "");

	if (strlen(path) >= sizeof(((struct trash_job *)NULL)->path))
		control_fail(request, 2, "the path is too long");
	else
		start(orders, request, run_restore, path);
}

void order_trash_empty(struct orders *orders, struct control_request *request)
{
	start(orders, request, run_empty, "");
}
