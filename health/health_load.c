/* SPDX-License-Identifier: Apache-2.0
 * Where the rules of this node come from: the baseline, its own files, the documents of its pools.
 * Of each source the last text that was good is kept beside our state, for the day when it is not.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/auto.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/io.h"
#include "core/log.h"
#include "health/parts.h"

void health_rules_free(struct health_rules *rules)
{
	if (!rules)
		return;
	rule_compiled_free(rules->rules, rules->count);
	rule_set_free(&rules->set);
	free(rules);
}

static void on_note(void *arg, const char *text)
{
	struct health_rules *rules = arg;
	size_t used = strlen(rules->notes);

	if (used + strlen(text) + 2 < sizeof(rules->notes))
		(void)snprintf(rules->notes + used, sizeof(rules->notes) - used, "%s%s",
			       used ? "\n" : "", text);
}

/* The last good text of a source has the source's name, as hexadecimal digits of its hash. */
static void good_path(const struct health *health, const char *name, char *ret, size_t size)
{
	uint8_t hash[16];
	char hex[33];

	hash_bytes(name, strlen(name), hash, sizeof(hash));
	hex_encode(hash, sizeof(hash), hex);
	(void)snprintf(ret, size, "%s/%s.good", health->config.state_dir, hex);
}

static void good_save(const struct health *health, const char *name, const char *text, size_t size)
{
	AUTO_FREE uint8_t *old = NULL;
	size_t old_size = 0;
	char path[1024];

	good_path(health, name, path, sizeof(path));
	if (file_read(path, BLOCKS_FILE_MAX, &old, &old_size) == 0 && old_size == size &&
	    memcmp(old, text, size) == 0)
		return;
	int r = dir_make(health->config.state_dir, 0700);
	if (r == 0)
		r = file_replace(path, text, size, 0600);
	if (r < 0)
		log_warn("health: cannot keep a copy of %s: %s", name, err_text(r));
}

static void source_add(const struct health *health, struct health_rules *rules,
		       const struct rule_source *source, const char *text, size_t size)
{
	AUTO_FREE uint8_t *good = NULL;
	size_t good_size = 0;
	char path[1024], unused[512];

	if (rules->source_count == HEALTH_SOURCES_MAX) {
		on_note(rules, "there are more files of rules than are read");
		return;
	}
	struct health_source *to = &rules->sources[rules->source_count++];
	(void)snprintf(to->name, sizeof(to->name), "%s", source->name);
	if (rule_set_add(&rules->set, source, text, size, to->error, sizeof(to->error)) == 0) {
		good_save(health, source->name, text, size);
		return;
	}
	good_path(health, source->name, path, sizeof(path));
	to->good_used = file_read(path, BLOCKS_FILE_MAX, &good, &good_size) == 0 &&
			rule_set_add(&rules->set, source, (const char *)good, good_size, unused,
				     sizeof(unused)) == 0;
}

static int is_conf(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 5 &&
	       strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static void file_add(const struct health *health, struct health_rules *rules, const char *name)
{
	AUTO_FREE uint8_t *text = NULL;
	size_t size = 0;
	char path[1024];
	const struct rule_source source = {
		.origin = RULE_FROM_NODE, .name = name, .node = health->name};

	(void)snprintf(path, sizeof(path), "%s/%s", health->config.settings_dir, name);
	int r = file_read(path, BLOCKS_FILE_MAX, &text, &size);
	/* A file that is there and can't be read is not an empty one. */
	if (r < 0)
		source_add(health, rules, &source, "\0", 1);
	else
		source_add(health, rules, &source, (const char *)text, size);
	if (r < 0 && rules->source_count)
		(void)err_say(rules->sources[rules->source_count - 1].error,
			      sizeof(rules->sources[0].error), r, "%s cannot be read: %s", name,
			      err_text(r));
}

static void files_add(const struct health *health, struct health_rules *rules)
{
	struct dirent **entries = NULL;
	int count = scandir(health->config.settings_dir, &entries, is_conf, alphasort);

	for (int i = 0; i < count; i++) {
		file_add(health, rules, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

static int rules_compile(const struct health *health, struct health_rules *rules)
{
	struct rule_pool pools[HEALTH_POOLS_MAX];
	const struct rule_notes notes = {on_note, rules};
	const struct rule_node node = {
		.name = health->name,
		.state = health->config.state_dir,
		.pools = pools,
		.pool_count = health->pool_count,
		.now_s = clock_wall_ns() / 1000000000,
	};

	for (size_t i = 0; i < health->pool_count; i++)
		pools[i] = (struct rule_pool){.name = health->pools[i].name,
					      .mount = health->pools[i].mount,
					      .backing = health->pools[i].backing};
	return rule_compile(&rules->set, &node, &notes, &rules->rules, &rules->count);
}

static int base_add(struct health_rules *rules)
{
	static const struct rule_source base = {.origin = RULE_FROM_BASE, .name = "built in"};
	char error[512];

	return rule_set_add(&rules->set, &base, rule_base_text, strlen(rule_base_text), error,
			    sizeof(error));
}

int health_rules_load(const struct health *health, struct health_rules **ret)
{
	struct health_rules *rules = calloc(1, sizeof(*rules));
	char name[RULE_SOURCE_MAX];

	if (!rules)
		return -ENOMEM;
	int r = base_add(rules);
	if (r == 0)
		files_add(health, rules);
	for (size_t i = 0; r == 0 && i < health->pool_count; i++) {
		const struct document *document = &health->documents[i];
		const struct rule_source source = {.origin = RULE_FROM_POOL,
						   .name = name,
						   .pool = health->pools[i].name,
						   .node = health->name};

		(void)snprintf(name, sizeof(name), "pool %s", health->pools[i].name);
		if (document->text)
			source_add(health, rules, &source, document->text, document->size);
	}
	if (r == 0)
		r = rules_compile(health, rules);
	if (r < 0) {
		health_rules_free(rules);
		return r;
	}
	*ret = rules;
	return 0;
}

int health_rules_try(const struct health *health, const char *text, const char *pool,
		     struct health_rules **ret, char *error, size_t size)
{
	struct health_rules *rules = calloc(1, sizeof(*rules));
	char name[RULE_SOURCE_MAX] = "text";
	const struct rule_source source = {.origin = pool[0] ? RULE_FROM_POOL : RULE_FROM_NODE,
					   .name = name,
					   .pool = pool,
					   .node = health->name};

	if (!rules)
		return err_say(error, size, -ENOMEM, "no memory");
	error[0] = '\0';
	int r = base_add(rules);
	if (r == 0)
		r = rule_set_add(&rules->set, &source, text, strlen(text), error, size);
	if (r == 0)
		r = rules_compile(health, rules);
	if (r < 0) {
		health_rules_free(rules);
		return error[0] ? r : err_say(error, size, r, "%s", err_text(r));
	}
	*ret = rules;
	return 0;
}

static void mix(uint64_t *sum, const void *data, size_t size)
{
	uint8_t hash[16];

	hash_bytes(data, size, hash, sizeof(hash));
	for (size_t i = 0; i < 8; i++)
		*sum = *sum * 31 + hash[i];
}

/* An exception ends at its time, not when a file changes. */
static uint64_t exceptions_over(const struct health *health)
{
	int64_t now_s = clock_wall_ns() / 1000000000;
	uint64_t count = 0;

	for (size_t i = 0; health->rules && i < health->rules->set.count; i++) {
		const struct rule_layer *layer = &health->rules->set.layers[i];

		count += layer->exception && layer->until_s <= now_s;
	}
	return count;
}

uint64_t health_signature(const struct health *health)
{
	struct dirent **entries = NULL;
	int count = scandir(health->config.settings_dir, &entries, is_conf, alphasort);
	uint64_t sum = exceptions_over(health);
	char path[1024];
	struct stat st;

	for (int i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", health->config.settings_dir,
			       entries[i]->d_name);
		mix(&sum, entries[i]->d_name, strlen(entries[i]->d_name));
		if (stat(path, &st) == 0) {
			mix(&sum, &st.st_mtim, sizeof(st.st_mtim));
			mix(&sum, &st.st_size, sizeof(st.st_size));
			mix(&sum, &st.st_ino, sizeof(st.st_ino));
		}
		free(entries[i]);
	}
	free(entries);
	mix(&sum, health->name, strlen(health->name));
	for (size_t i = 0; i < health->pool_count; i++) {
		mix(&sum, &health->pools[i], sizeof(health->pools[i]));
		if (health->documents[i].text)
			mix(&sum, health->documents[i].text, health->documents[i].size);
	}
	return sum;
}
