/* SPDX-License-Identifier: Apache-2.0
 * From the text of settings to layers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/auto.h"
#include "core/blocks.h"
#include "core/units.h"
#include "health/rule.h"

#define SELECTORS_MAX 32

static const char *const rule_keys[] = {"check", "every",       "timeout",     "warn",    "crit",
					"clear", "enter",       "leave",       "hold",    "fault",
					"code",  "warn-effect", "crit-effect", "enabled", "user",
					"on",    "not",         "priority",    "locked",  NULL};
static const char *const exception_keys[] = {
	"every", "timeout", "warn",  "crit",   "clear",       "enter",       "leave",
	"hold",  "fault",   "code",  "user",   "warn-effect", "crit-effect", "enabled",
	"on",    "not",     "until", "reason", "by",          NULL};
static const char *const outer_keys[] = {"tags", NULL};
static const struct block_kind kinds[] = {
	{"rule", rule_keys}, {"except", exception_keys}, {"", outer_keys}, {0}};

struct reading {
	struct rule_set *set; /* what this text adds */
	const struct rule_source *source;
};

static void layer_free(struct rule_layer *layer)
{
	free(layer->texts);
	free(layer->without);
}

void rule_set_free(struct rule_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		layer_free(&set->layers[i]);
	free(set->layers);
	*set = (struct rule_set){0};
}

static int set_reserve(struct rule_set *set, size_t more)
{
	size_t wanted = set->count + more;

	if (wanted > RULE_LAYERS_MAX)
		return MA_ELIMIT;
	if (wanted <= set->room)
		return 0;
	size_t room = wanted + wanted / 2;
	struct rule_layer *layers = realloc(set->layers, room * sizeof(*layers));
	if (!layers)
		return -ENOMEM;
	set->layers = layers;
	set->room = room;
	return 0;
}

static bool name_is_plain(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length <= RULE_NAME_MAX &&
	       strspn(text, "-_.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") ==
		       length;
}

/* "2027-01-31" (its end) or "2027-01-31 14:30", in UTC. */
static int until_parse(const char *text, int64_t *ret_s)
{
	struct tm when = {.tm_hour = 23, .tm_min = 59, .tm_sec = 59};
	const char *end = strptime(text, "%Y-%m-%d", &when);

	if (end && *end == ' ') {
		when.tm_sec = 0;
		end = strptime(end + 1, "%H:%M", &when);
	}
	time_t time = timegm(&when);
	if (!end || *end || time < 0)
		return -EINVAL;
	*ret_s = time;
	return 0;
}

static int locked_parse(const char *text, uint32_t *ret, char *why, size_t size)
{
	while (*text) {
		size_t length = strcspn(text, "\n");
		size_t i = 0;

		while (i < RULE_FIELDS && (strlen(rule_fields[i].name) != length ||
					   memcmp(rule_fields[i].name, text, length) != 0))
			i++;
		if (i == RULE_FIELDS)
			return err_say(why, size, -EINVAL, "locked: there is no field \"%.*s\"",
				       (int)(length < 40 ? length : 40), text);
		*ret |= 1u << i;
		text += length + (text[length] == '\n');
	}
	return 0;
}

/* One selector into the layer: "all", "pool:web", "tag:ssd", "server:db1". */
static int selector_take(const struct rule_source *source, const char *word,
			 struct rule_layer *layer, char *why, size_t size)
{
	static const struct {
		const char *prefix;
		enum rule_scope scope;
	} prefixes[] = {{"pool:", SCOPE_POOL}, {"tag:", SCOPE_TAG}, {"server:", SCOPE_SERVER}};

	if (strcmp(word, "all") == 0) {
		if (source->origin == RULE_FROM_POOL)
			return err_say(why, size, -EPERM,
				       "a pool's rules are for its own nodes; leave out `on`, or "
				       "write pool:%s",
				       source->pool);
		layer->scope = SCOPE_ALL;
		return 0;
	}
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t length = strlen(prefixes[i].prefix);

		if (strncmp(word, prefixes[i].prefix, length) != 0 || !word[length] ||
		    strlen(word + length) > RULE_NAME_MAX)
			continue;
		layer->scope = prefixes[i].scope;
		if (layer->scope != SCOPE_POOL) {
			memcpy(layer->subject, word + length, strlen(word + length) + 1);
			return 0;
		}
		if (source->origin == RULE_FROM_POOL && strcmp(word + length, source->pool) != 0)
			return err_say(why, size, -EPERM,
				       "the rules of pool %s can't say anything about another pool",
				       source->pool);
		memcpy(layer->pool, word + length, strlen(word + length) + 1);
		return 0;
	}
	return err_say(why, size, -EINVAL,
		       "\"%.70s\" is not all, pool:NAME, tag:NAME or server:NAME", word);
}

static void scope_default(const struct rule_source *source, struct rule_layer *layer)
{
	if (source->origin == RULE_FROM_BASE) {
		layer->scope = SCOPE_BASE;
	} else if (source->origin == RULE_FROM_POOL) {
		layer->scope = SCOPE_POOL;
	} else {
		layer->scope = SCOPE_SERVER;
		(void)snprintf(layer->subject, sizeof(layer->subject), "%s", source->node);
	}
}

/* The fields of the block; the layer gets a copy of all texts. */
static int fields_take(const struct block *block, struct rule_layer *layer, int *ret_line,
		       char *why, size_t size)
{
	size_t total = 1;
	size_t used = 0;

	for (size_t i = 0; i < block->value_count; i++)
		total += strlen(block->values[i].text) + 1;
	layer->texts = malloc(total);
	if (!layer->texts)
		return -ENOMEM;
	for (size_t f = 0; f < RULE_FIELDS; f++) {
		const struct block_value *from = block_get(block, rule_fields[f].name);
		char reason[256];

		if (!from)
			continue;
		int r = rule_fields[f].parse(from->text, &layer->values[f], reason, sizeof(reason));
		*ret_line = from->line;
		if (r < 0)
			return err_say(why, size, r, "%s: %s", rule_fields[f].name, reason);
		size_t length = strlen(from->text) + 1;
		layer->values[f].text = memcpy(layer->texts + used, from->text, length);
		layer->values[f].line = from->line;
		used += length;
	}
	return 0;
}

static int exception_take(const struct block *block, struct rule_layer *layer, int *ret_line,
			  char *why, size_t size)
{
	const struct block_value *until = block_get(block, "until");
	const struct block_value *reason = block_get(block, "reason");
	const struct block_value *by = block_get(block, "by");

	layer->exception = true;
	if (!until || !reason || !by || !reason->text[0] || !by->text[0])
		return err_say(why, size, -EINVAL,
			       "an exception needs until, reason and by: when it ends, why it is, "
			       "and who wanted it");
	*ret_line = until->line;
	if (until_parse(until->text, &layer->until_s) < 0)
		return err_say(why, size, -EINVAL,
			       "until: write 2027-01-31 or \"2027-01-31 14:30\" (UTC)");
	if (strlen(reason->text) >= sizeof(layer->reason) || strlen(by->text) >= sizeof(layer->by))
		return err_say(why, size, MA_ELIMIT, "reason has up to %zu bytes, by up to %zu",
			       sizeof(layer->reason) - 1, sizeof(layer->by) - 1);
	memcpy(layer->reason, reason->text, strlen(reason->text) + 1);
	memcpy(layer->by, by->text, strlen(by->text) + 1);
	return 0;
}

/* Whom a pool may not speak for: it runs nothing as somebody else. */
static int pool_may(const struct rule_source *source, const struct rule_layer *layer, int *ret_line,
		    char *why, size_t size)
{
	if (source->origin != RULE_FROM_POOL || !layer->values[RULE_USER].text)
		return 0;
	*ret_line = layer->values[RULE_USER].line;
	return err_say(why, size, -EPERM,
		       "user can be set only by a node's own file, not by a pool");
}

static int layer_read(const struct rule_source *source, const struct block *block,
		      struct rule_layer *layer, int *ret_line, char *why, size_t size)
{
	const struct block_value *priority = block_get(block, "priority");
	const struct block_value *locked = block_get(block, "locked");
	const struct block_value *without = block_get(block, "not");
	uint64_t number = 0;

	if (!name_is_plain(block->title))
		return err_say(why, size, -EINVAL,
			       "the name of a rule has letters, digits, dots, dashes");
	memcpy(layer->name, block->title, strlen(block->title) + 1);
	(void)snprintf(layer->source, sizeof(layer->source), "%s", source->name);
	layer->line = block->line;
	layer->from_pool = source->origin == RULE_FROM_POOL;
	if (layer->from_pool)
		(void)snprintf(layer->pool, sizeof(layer->pool), "%s", source->pool);
	if (priority && count_parse(priority->text, 1000, &number) < 0) {
		*ret_line = priority->line;
		return err_say(why, size, -EINVAL, "priority: a number from 0 to 1000");
	}
	layer->priority = (uint32_t)number;
	if (without && !(layer->without = strdup(without->text)))
		return -ENOMEM;
	int r = fields_take(block, layer, ret_line, why, size);
	if (r == 0 && locked) {
		*ret_line = locked->line;
		r = locked_parse(locked->text, &layer->locked, why, size);
	}
	if (r == 0)
		r = pool_may(source, layer, ret_line, why, size);
	if (r == 0 && strcmp(block->kind, "except") == 0)
		r = exception_take(block, layer, ret_line, why, size);
	return r;
}

/* The same layer for one more selector: it owns texts of its own. */
static int layer_copy(const struct rule_layer *from, const struct block *block,
		      struct rule_layer *ret)
{
	char unused[8];
	int line;

	*ret = *from;
	ret->texts = NULL;
	ret->without = from->without ? strdup(from->without) : NULL;
	if (from->without && !ret->without)
		return -ENOMEM;
	return fields_take(block, ret, &line, unused, sizeof(unused));
}

static int layers_add(struct reading *reading, const struct block *block,
		      const struct rule_layer *layer, int *ret_line, char *why, size_t size)
{
	const struct block_value *on = block_get(block, "on");
	const char *word = on ? on->text : "";
	int r = set_reserve(reading->set, SELECTORS_MAX);

	for (size_t i = 0; r == 0 && (i == 0 || *word); i++) {
		struct rule_layer *to = &reading->set->layers[reading->set->count];
		char selector[RULE_NAME_MAX + 16];
		size_t length = strcspn(word, "\n");

		if (on)
			*ret_line = on->line;
		if (i == SELECTORS_MAX)
			return err_say(why, size, MA_ELIMIT, "on: more than %d", SELECTORS_MAX);
		r = layer_copy(layer, block, to);
		reading->set->count++; /* freed with the set, whole or not */
		if (r < 0)
			return r;
		if (!on) {
			scope_default(reading->source, to);
			return 0;
		}
		(void)snprintf(selector, sizeof(selector), "%.*s", (int)(length & 0x7fff), word);
		r = selector_take(reading->source, selector, to, why, size);
		word += length + (word[length] == '\n');
	}
	return r;
}

static int block_take(void *arg, const struct block *block, int *ret_line, char *why, size_t size)
{
	struct reading *reading = arg;
	struct rule_layer layer = {0};
	int line = 0;

	if (!block->kind[0]) {
		const struct block_value *tags = block_get(block, "tags");

		if (reading->source->origin != RULE_FROM_NODE)
			return err_say(why, size, -EPERM, "tags stand in a node's own file");
		if (strlen(tags->text) >= sizeof(reading->set->tags))
			return err_say(why, size, MA_ELIMIT, "tags: longer than %zu bytes",
				       sizeof(reading->set->tags) - 1);
		memcpy(reading->set->tags, tags->text, strlen(tags->text) + 1);
		return 0;
	}
	int r = layer_read(reading->source, block, &layer, &line, why, size);
	if (r == 0)
		r = layers_add(reading, block, &layer, &line, why, size);
	if (line)
		*ret_line = line;
	layer_free(&layer);
	return r;
}

int rule_set_add(struct rule_set *set, const struct rule_source *source, const char *data,
		 size_t data_size, char *error, size_t size)
{
	struct rule_set fresh = {0};
	struct reading reading = {.set = &fresh, .source = source};
	const struct blocks_taker taker = {block_take, &reading};
	int r = blocks_parse(source->name, data, data_size, kinds, &taker, error, size);

	if (r == 0)
		r = set_reserve(set, fresh.count);
	if (r == 0 && strlen(set->tags) + strlen(fresh.tags) + 2 > sizeof(set->tags))
		r = MA_ELIMIT;
	if (r < 0) {
		rule_set_free(&fresh);
		return error[0] ? r : err_say(error, size, r, "%s: %s", source->name, err_text(r));
	}
	if (fresh.tags[0]) {
		size_t used = strlen(set->tags);

		(void)snprintf(set->tags + used, sizeof(set->tags) - used, "%s%s", used ? "\n" : "",
			       fresh.tags);
	}
	if (fresh.count)
		memcpy(set->layers + set->count, fresh.layers, fresh.count * sizeof(*fresh.layers));
	set->count += fresh.count;
	free(fresh.layers);
	return 0;
}
