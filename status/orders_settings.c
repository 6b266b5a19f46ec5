/* SPDX-License-Identifier: Apache-2.0
 * Orders about the settings of a pool.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replication/pool_settings.h"
#include "replication/pools.h"
#include "status/orders_parts.h"

struct setting_job {
	uv_work_t work;
	struct orders *orders;
	struct control_request *request;
	struct pool *pool;
	char error[512];
	int r;
};

/* The pool that the request names; answers it if there is none. */
static struct pool *asked_pool(struct orders *orders, struct control_request *request)
{
	const char *name = orders_text(request, "name");
	struct pool *pool = name ? pools_find(orders->node->pools, name) : NULL;

	if (name && !pool)
		control_fail(
			request, 2,
			"this node holds no open pool \"%s\"; multiall pool list shows those it "
			"holds",
			name);
	return pool;
}

static json_t *settings_json(struct pool *pool)
{
	json_t *list = json_array();
	char value[POOL_SETTING_MAX + 1];

	for (size_t i = 0; i < POOL_SETTINGS; i++) {
		const struct pool_setting *setting = &pool_settings_table[i];

		pool_setting_get(pool, (enum pool_setting_key)i, value);
		(void)json_array_append_new(
			list, json_pack("{s:s, s:o, s:s, s:s, s:s}", "name", setting->name, "value",
					json_text(value), "default", setting->value, "type",
					setting->type, "help", setting->help));
	}
	return list;
}

void order_pool_settings(struct orders *orders, struct control_request *request)
{
	struct pool *pool = asked_pool(orders, request);

	if (pool)
		control_done(request, json_pack("{s:o}", "settings", settings_json(pool)));
}

/* Worker thread: a change of the pool may wait for its disk. */
static void set_run(uv_work_t *work)
{
	struct setting_job *job = work->data;
	json_t *values = json_object_get(control_body(job->request), "settings");
	const char *key;
	json_t *value;

	json_object_foreach(values, key, value)
	{
		if (job->r == 0)
			job->r = pool_setting_set(job->pool, key, json_string_value(value),
						  job->error, sizeof(job->error));
	}
}

static void on_set(uv_work_t *work, int status)
{
	struct setting_job *job = work->data;
	struct node *node = job->orders->node;

	job->orders->looking--;
	node->jobs--;
	if (status < 0 || job->r < 0)
		control_fail(job->request, 2, "%s",
			     job->error[0] ? job->error : err_text(status < 0 ? status : job->r));
	else
		control_done(job->request, json_pack("{s:s, s:o}", "text", "set, for all nodes",
						     "settings", settings_json(job->pool)));
	free(job);
	node->job_done(node);
}

void order_pool_set(struct orders *orders, struct control_request *request)
{
	struct pool *pool = asked_pool(orders, request);
	json_t *values = json_object_get(control_body(request), "settings");
	struct setting_job *job;
	const char *key;
	json_t *value;

	if (!pool)
		return;
	bool good = json_object_size(values) > 0;
	json_object_foreach(values, key, value) good =
		good && json_is_string(value) &&
		strlen(json_string_value(value)) <= ORDERS_NAME_MAX;
	if (!good) {
		control_fail(request, 2, "no settings in the request: KEY=VALUE");
		return;
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		control_fail(request, 2, "no memory");
		return;
	}
	*job = (struct setting_job){.orders = orders, .request = request, .pool = pool};
	job->work.data = job;
	if (uv_queue_work(loop_uv(orders->node->loop), &job->work, set_run, on_set) < 0) {
		free(job);
		control_fail(request, 2, "no thread to set anything with");
		return;
	}
	orders->looking++;
	orders->node->jobs++;
}
