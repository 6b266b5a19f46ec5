/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/pool_settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/units.h"
#include "replication/pool_ops.h"

#define DAY_S 86400

static const char *const words_level[] = {"local", "one", "quorum", "all", NULL};
static const char *const words_else[] = {"degrade", "readonly", "eio", NULL};

const struct pool_setting pool_settings_table[POOL_SETTINGS] = {
	[POOL_SETTING_DURABILITY] = {"durability", "local, one, quorum or all", "local",
				     words_level, false, 0,
				     "Where a change is on disk when fsync returns: here; here and "
				     "on one more node; on "
				     "most nodes of the pool; on all of them."},
	[POOL_SETTING_DURABILITY_WAIT] = {"durability_wait", "a time of at most a day", "10s", NULL,
					  true, DAY_S, "How long fsync waits for that."},
	[POOL_SETTING_DURABILITY_ELSE] =
		{"durability_else", "degrade, readonly or eio", "degrade", words_else, false, 0,
		 "What then, until it can be had again. degrade: fsync promises this node's disk "
		 "only. eio: fsync fails. readonly: fsync fails, and nothing is written."},
	[POOL_SETTING_BRAKE_FILES] =
		{"brake_files", "a number of files", "1000", NULL, false, UINT32_MAX,
		 "If others remove more files than this, and more than brake_share, within "
		 "brake_window, this node keeps them in the trash. 0: never."},
	[POOL_SETTING_BRAKE_SHARE] = {"brake_share", "0 to 100", "20", NULL, false, 100,
				      "... and more per cent of the pool's files than this."},
	[POOL_SETTING_BRAKE_WINDOW] =
		{"brake_window", "a time of at most a day", "10m", NULL, true, DAY_S,
		 "Files younger than this do not count; others stay in the trash that long."},
	[POOL_SETTING_TRASH_KEEP] = {"trash_keep", "a time of at most a year", "7d", NULL, true,
				     366 * DAY_S, "How long."},
};

static void attribute_name(enum pool_setting_key key, char ret[64])
{
	(void)snprintf(ret, 64, RECORD_SETTING_XATTRS "%s", pool_settings_table[key].name);
}

void pool_setting_get(struct pool *p, enum pool_setting_key key, char ret[POOL_SETTING_MAX + 1])
{
	AUTO_REF struct object_ref root = {.cache = p->cache};
	char name[64];
	ssize_t n = object_get(p->cache, POOL_ROOT_ID, &root.o);

	attribute_name(key, name);
	if (n == 0)
		n = p->store->ops->get_xattr(p->store, &root.o->handle, name, ret,
					     POOL_SETTING_MAX);
	if (n >= 0)
		ret[n] = '\0';
	else
		(void)snprintf(ret, POOL_SETTING_MAX + 1, "%s", pool_settings_table[key].value);
}

/* False: not allowed. */
static bool number_of(const struct pool_setting *setting, const char *text, uint64_t *ret)
{
	if (!setting->words && setting->time)
		return duration_parse(text, ret) == 0 && *ret <= setting->max;
	if (!setting->words)
		return count_parse(text, setting->max, ret) == 0;
	for (*ret = 0; setting->words[*ret]; (*ret)++) {
		if (strcmp(setting->words[*ret], text) == 0)
			return true;
	}
	return false;
}

uint64_t pool_setting_number(struct pool *p, enum pool_setting_key key)
{
	const struct pool_setting *setting = &pool_settings_table[key];
	char text[POOL_SETTING_MAX + 1];
	uint64_t number;

	pool_setting_get(p, key, text);
	if (number_of(setting, text, &number))
		return number;
	if (setting->words)
		return number - 1;
	return number_of(setting, setting->value, &number) ? number : 0;
}

int pool_setting_set(struct pool *p, const char *name, const char *value, char *error, size_t size)
{
	enum pool_setting_key key = 0;
	struct record rec = {.data = (const uint8_t *)value, .data_size = strlen(value)};
	uint64_t number;
	char attribute[64];

	while (key < POOL_SETTINGS && strcmp(pool_settings_table[key].name, name) != 0)
		key++;
	if (key == POOL_SETTINGS)
		return err_say(
			error, size, -EINVAL,
			"a pool has no setting \"%s\"; multiall pool settings lists those it has",
			name);
	if (strlen(value) > POOL_SETTING_MAX ||
	    !number_of(&pool_settings_table[key], value, &number))
		return err_say(error, size, -EINVAL, "%s must be %s, not \"%s\"", name,
			       pool_settings_table[key].type, value);
	attribute_name(key, attribute);
	rec.name = attribute;
	rec.name_size = strlen(attribute);
	int r = xattr_change(p, POOL_ROOT_ID, &rec, 0);
	return r < 0 ? err_say(error, size, r, "cannot store %s: %s", name, err_text(r)) : 0;
}
