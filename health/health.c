/* SPDX-License-Identifier: Apache-2.0 */
#include "health/health.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/io.h"
#include "core/log.h"
#include "health/parts.h"

#define POLL_MS    2000u /* a changed file, pool or name is seen by then */
#define PUBLISH_MS 100u  /* changes of one moment go out together */

/* ---- rules */

static void say_sources(const struct health_rules *rules, const struct health_rules *before)
{
	for (size_t i = 0; i < rules->source_count; i++) {
		const struct health_source *source = &rules->sources[i];
		bool old = before && i < before->source_count &&
			   strcmp(before->sources[i].error, source->error) == 0;

		if (source->error[0] && !old)
			log_warn("health: %s%s", source->error,
				 source->good_used ? "; its last good text stays in force" : "");
	}
}

static int rules_take(struct health *health)
{
	struct health_rules *rules = NULL;
	int r = health_rules_load(health, &rules);

	if (r == 0)
		r = runner_set(health->runner, rules->rules, rules->count,
			       health->config.self(health->config.arg, health->name) * 137u);
	if (r < 0) {
		log_error("health: cannot take the rules into use: %s", err_text(r));
		health_rules_free(rules);
		return r;
	}
	say_sources(rules, health->rules);
	health_rules_free(health->rules);
	health->rules = rules;
	return 0;
}

/* Which pools there are; each keeps its document, a new one loads it. */
static void pools_take(struct health *health)
{
	struct health_pool pools[HEALTH_POOLS_MAX] = {0};
	struct document documents[HEALTH_POOLS_MAX] = {0};
	size_t count = health->config.pools(health->config.arg, pools, HEALTH_POOLS_MAX);

	for (size_t i = 0; i < count; i++) {
		size_t k = 0;

		while (k < health->pool_count && health->pools[k].id != pools[i].id)
			k++;
		if (k < health->pool_count) {
			documents[i] = health->documents[k];
			health->documents[k] = (struct document){0};
			continue;
		}
		int r = document_load(health->config.state_dir, pools[i].id, &documents[i]);
		if (r < 0 && r != -ENOENT)
			log_warn("health: the rules of pool %s cannot be read: %s", pools[i].name,
				 err_text(r));
	}
	for (size_t k = 0; k < health->pool_count; k++)
		document_free(&health->documents[k]);
	memcpy(health->pools, pools, sizeof(pools));
	memcpy(health->documents, documents, sizeof(documents));
	health->pool_count = count;
}

static void look_again(struct health *health)
{
	(void)health->config.self(health->config.arg, health->name);
	pools_take(health);
	uint64_t signature = health_signature(health);
	if (signature != health->signature && rules_take(health) == 0)
		health->signature = health_signature(health);
}

/* ---- telling others */

static bool same_report(const struct report *a, const struct report *b)
{
	if (a->entry_count != b->entry_count || memcmp(a->counts, b->counts, sizeof(a->counts)))
		return false;
	for (size_t i = 0; i < a->entry_count; i++) {
		const struct report_entry *x = &a->entries[i];
		const struct report_entry *y = &b->entries[i];

		/* Texts have figures that change each time: they go with the next change. */
		if (x->code != y->code || strcmp(x->rule, y->rule) != 0 ||
		    strcmp(x->pool, y->pool) != 0 || x->flapping != y->flapping ||
		    memcmp(&x->effect, &y->effect, sizeof(x->effect)) != 0)
			return false;
	}
	return true;
}

/* To one node, or (0) to all. */
static void report_send(struct health *health, uint16_t node)
{
	AUTO_FREE uint8_t *data = malloc(REPORT_BYTES_MAX);

	if (!data)
		return;
	struct wr w = wr_init(data, REPORT_BYTES_MAX);
	report_encode(&health->sent, &w);
	if (w.failed)
		return;
	for (uint16_t to = 1; to < HEALTH_NODES; to++) {
		if (node ? to == node : health->peers[to] != NULL)
			health->config.send(health->config.arg, to, HEALTH_MESSAGE_REPORT, data,
					    wr_used(&w));
	}
}

static void publish(struct health *health)
{
	struct report now;

	if (health_report_make(health, &now) < 0)
		return;
	bool same = same_report(&now, &health->sent) && health->sent.revision;
	now.revision = health->sent.revision + !same;
	report_free(&health->sent);
	health->sent = now;
	health->sent.whole = !same;
	report_send(health, 0);
}

static void on_publish(uv_timer_t *timer)
{
	publish(timer->data);
	(void)uv_timer_start(timer, on_publish, REPORT_EVERY_MS, 0);
}

static void publish_soon(struct health *health)
{
	if (uv_timer_get_due_in(&health->publish) > PUBLISH_MS)
		(void)uv_timer_start(&health->publish, on_publish, PUBLISH_MS, 0);
}

static void on_changed(void *arg, const struct watch *watch)
{
	struct health *health = arg;
	uint16_t code = runner_code(watch, clock_boot_ms(), clock_wall_ns() / 1000000000);

	if (code)
		log_info("health: SBM-%04u %s%s%s: %s", code, watch->rule->name,
			 watch->rule->pool[0] ? " of pool " : "", watch->rule->pool,
			 runner_text(watch, clock_boot_ms()));
	else
		log_info("health: %s%s%s is good", watch->rule->name,
			 watch->rule->pool[0] ? " of pool " : "", watch->rule->pool);
	publish_soon(health);
}

static void on_pool(void *arg, const char *name, struct check_pool *ret)
{
	const struct health *health = arg;

	health->config.pool(health->config.arg, name, ret);
}

static void on_poll(uv_timer_t *timer)
{
	look_again(timer->data);
}

/* ---- hearing from others */

static void report_take(struct health *health, uint16_t node, const uint8_t *data, size_t size)
{
	struct health_peer *peer = health->peers[node];
	struct report report;

	if (!peer)
		return;
	if (report_decode(data, size, &report) < 0) {
		log_warn("health: node %u sent a report that can't be read", node);
		return;
	}
	if (report.whole) {
		report_free(&peer->report);
		peer->report = report;
		peer->received_ms = clock_boot_ms();
		return;
	}
	/* A beat: the entries are those that we have, if it is about them. */
	if (peer->received_ms && report.revision == peer->report.revision)
		peer->received_ms = clock_boot_ms();
	report_free(&report);
}

static void document_send(struct health *health, const struct document *document, uint16_t node)
{
	AUTO_FREE uint8_t *data = malloc(DOCUMENT_BYTES_MAX);
	size_t size = data && document->text ? document_encode(document, data) : 0;

	for (uint16_t to = 1; size && to < HEALTH_NODES; to++) {
		if ((node ? to == node : health->peers[to] != NULL) &&
		    health->config.in_pool(health->config.arg, to, document->pool))
			health->config.send(health->config.arg, to, HEALTH_MESSAGE_RULES, data,
					    size);
	}
}

static size_t pool_find(const struct health *health, uint64_t id, const char *name)
{
	size_t i = 0;

	while (i < health->pool_count &&
	       (name ? strcmp(health->pools[i].name, name) != 0 : health->pools[i].id != id))
		i++;
	return i;
}

/* Keeps the document (taken), has it used, and passes it on. */
static int document_take(struct health *health, size_t pool, struct document *document)
{
	int r = document_save(health->config.state_dir, document);

	if (r < 0) {
		log_error("health: cannot store the rules of pool %s: %s", health->pools[pool].name,
			  err_text(r));
		document_free(document);
		return r;
	}
	document_free(&health->documents[pool]);
	health->documents[pool] = *document;
	document_send(health, document, 0);
	look_again(health);
	publish_soon(health);
	return 0;
}

static void rules_hear(struct health *health, uint16_t node, const uint8_t *data, size_t size)
{
	struct document document;
	int r = document_decode(data, size, &document);

	if (r < 0) {
		log_warn("health: node %u sent rules that can't be read: %s", node, err_text(r));
		return;
	}
	size_t pool = pool_find(health, document.pool, NULL);
	if (pool == health->pool_count ||
	    !health->config.in_pool(health->config.arg, node, document.pool) ||
	    (health->documents[pool].text &&
	     !document_newer(&document, &health->documents[pool]))) {
		document_free(&document);
		return;
	}
	log_info("health: new rules of pool %s, from node %u", health->pools[pool].name, node);
	if (document_take(health, pool, &document) < 0)
		log_debug("health: the old rules stay in force");
}

void health_message(struct health *health, uint16_t node, enum health_message type,
		    const uint8_t *data, size_t size)
{
	if (node == 0 || node >= HEALTH_NODES)
		return;
	if (type == HEALTH_MESSAGE_REPORT)
		report_take(health, node, data, size);
	else if (type == HEALTH_MESSAGE_RULES)
		rules_hear(health, node, data, size);
	else if (type == HEALTH_MESSAGE_ASK)
		health_question_hear(health, node, data, size);
	else
		health_answer_hear(health, node, data, size);
}

void health_node_up(struct health *health, uint16_t node)
{
	if (node == 0 || node >= HEALTH_NODES)
		return;
	if (!health->peers[node])
		health->peers[node] = calloc(1, sizeof(*health->peers[node]));
	if (!health->peers[node])
		return;
	bool whole = health->sent.whole;
	health->sent.whole = true;
	report_send(health, node);
	health->sent.whole = whole;
	for (size_t i = 0; i < health->pool_count; i++)
		document_send(health, &health->documents[i], node);
}

/* What it said last stays until it is stale. */
void health_node_down(struct health *health, uint16_t node)
{
	(void)health;
	(void)node;
}

/* ---- rules of a pool, by hand */

int health_rules_set(struct health *health, const char *pool, const char *text, char *error,
		     size_t size)
{
	struct health_rules *tried = NULL;
	size_t i = pool_find(health, 0, pool);

	if (i == health->pool_count)
		return err_say(error, size, MA_EUNKNOWN, "this node holds no pool \"%s\"", pool);
	int r = health_rules_try(health, text, pool, &tried, error, size);
	health_rules_free(tried);
	if (r < 0)
		return r;
	struct document document = {
		.pool = health->pools[i].id,
		.version = health->documents[i].version + 1,
		.author = health->config.self(health->config.arg, health->name),
		.time_s = clock_wall_ns() / 1000000000,
		.text = strdup(text),
		.size = strlen(text),
	};
	if (!document.text)
		return err_say(error, size, -ENOMEM, "no memory");
	r = document_take(health, i, &document);
	return r < 0 ? err_say(error, size, r, "cannot store the rules: %s", err_text(r)) : 0;
}

const char *health_rules_get(const struct health *health, const char *pool)
{
	size_t i = pool_find(health, 0, pool);

	return i < health->pool_count ? health->documents[i].text : NULL;
}

/* ---- start and end */

int health_new(const struct health_config *config, struct health **ret)
{
	struct health *health = calloc(1, sizeof(*health));

	if (!health)
		return -ENOMEM;
	health->config = *config;
	(void)snprintf(health->settings_dir, sizeof(health->settings_dir), "%s",
		       config->settings_dir);
	(void)snprintf(health->state_dir, sizeof(health->state_dir), "%s", config->state_dir);
	health->config.settings_dir = health->settings_dir;
	health->config.state_dir = health->state_dir;
	const struct runner_config runner = {
		.loop = config->loop, .arg = health, .pool = on_pool, .changed = on_changed};
	int r = runner_new(&runner, &health->runner);
	if (r == 0)
		r = dir_make(health->state_dir, 0700);
	if (r < 0) {
		runner_free(health->runner);
		free(health);
		return r;
	}
	(void)uv_timer_init(loop_uv(config->loop), &health->poll);
	(void)uv_timer_init(loop_uv(config->loop), &health->publish);
	health->poll.data = health->publish.data = health;
	look_again(health);
	if (!health->rules) {
		health_free(health);
		return -ENOMEM;
	}
	publish(health);
	(void)uv_timer_start(&health->poll, on_poll, POLL_MS, POLL_MS);
	(void)uv_timer_start(&health->publish, on_publish, REPORT_EVERY_MS, 0);
	*ret = health;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct health *health = handle->data;

	if (--health->open_handles == 0)
		free(health);
}

void health_free(struct health *health)
{
	if (!health)
		return;
	runner_free(health->runner);
	health_rules_free(health->rules);
	for (size_t i = 0; i < HEALTH_NODES; i++) {
		if (health->peers[i])
			report_free(&health->peers[i]->report);
		free(health->peers[i]);
	}
	for (size_t i = 0; i < health->pool_count; i++)
		document_free(&health->documents[i]);
	report_free(&health->sent);
	for (size_t i = 0; i < HEALTH_ASKED_MAX; i++)
		json_decref(health->asked[i].answer);
	health->open_handles = 2;
	uv_close((uv_handle_t *)&health->poll, on_closed);
	uv_close((uv_handle_t *)&health->publish, on_closed);
}
