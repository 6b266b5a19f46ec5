/* SPDX-License-Identifier: Apache-2.0 */
#include "core/settings.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/address.h"
#include "core/auto.h"
#include "core/conf.h"
#include "core/io.h"
#include "core/location.h"
#include "core/units.h"

static int check_address(const struct setting *setting, const char *text, char *error, size_t size)
{
	char host[ADDRESS_TEXT_MAX];
	uint16_t port;

	(void)setting;
	if (address_split(text, ADDRESS_PEER_PORT, host, sizeof(host), &port) < 0)
		return err_say(error, size, -EINVAL,
			       "not an address; write 10.0.0.1:7447, [fd00::1]:7447 or a name");
	return 0;
}

/* An address, or one of the words. */
static int check_address_or_word(const struct setting *setting, const char *text, char *error,
				 size_t size)
{
	for (size_t i = 0; setting->words[i]; i++) {
		if (strcmp(text, setting->words[i]) == 0)
			return 0;
	}
	return check_address(setting, text, error, size);
}

static int check_size(const struct setting *setting, const char *text, char *error, size_t size)
{
	uint64_t value;
	char low[UNITS_TEXT_MAX];
	char high[UNITS_TEXT_MAX];

	if (setting->words && strcmp(text, setting->words[0]) == 0)
		return 0;
	int r = size_parse(text, &value);
	if (r == -EINVAL)
		return err_say(error, size, -EINVAL, "not a size; write bytes, or 64K, 64M, 2G");
	if (r < 0 || value < setting->min || value > setting->max) {
		size_text(setting->min, low, sizeof(low));
		size_text(setting->max, high, sizeof(high));
		return err_say(error, size, -ERANGE, "must lie between %s and %s", low, high);
	}
	return 0;
}

static int check_word(const struct setting *setting, const char *text, char *error, size_t size)
{
	for (size_t i = 0; setting->words[i]; i++) {
		if (strcmp(text, setting->words[i]) == 0)
			return 0;
	}
	return err_say(error, size, -EINVAL, "must be %s", setting->type);
}

static int check_location(const struct setting *setting, const char *text, char *error, size_t size)
{
	(void)setting;
	if (!location_valid(text))
		return err_say(error, size, -EINVAL,
			       "not a location; write up to %d parts of letters, digits and ._- "
			       "with / between them",
			       LOCATION_PARTS);
	return 0;
}

static const char *const words_switch[] = {"on", "off", NULL};
static const char *const words_transport[] = {"auto", "uring", "dev", NULL};
static const char *const words_off[] = {"off", NULL};
static const char *const words_auto[] = {"auto", NULL};
static const char *const words_level[] = {"debug", "info", "warning", "error", NULL};

const struct setting settings_table[SETTINGS_KEYS] = {
	[SETTING_LISTEN] = {"listen", "ADDRESS:PORT", "[::]:7447", check_address, 0, 0, NULL,
			    "Where other nodes reach this one. [::] takes IPv4 and IPv6."},
	[SETTING_ADVERTISE] = {"advertise", "ADDRESS[:PORT] or auto", "auto", check_address_or_word,
			       0, 0, words_auto,
			       "The address that the other nodes are given. auto: the one that the "
			       "default route leaves by, else that of the first interface."},
	[SETTING_STATUS_LISTEN] =
		{"status_listen", "ADDRESS:PORT or off", "127.0.0.1:7448", check_address_or_word, 0,
		 0, words_off, "The status page. It asks for no password: keep it on loopback."},
	[SETTING_JOURNAL_MAX] = {"journal_max", "size", "1G", check_size, 16ull << 20, 1ull << 50,
				 NULL,
				 "Largest journal of a pool. A peer that was away for longer than "
				 "it reaches catches up by comparing instead of by reading it."},
	[SETTING_PASSTHROUGH] =
		{"passthrough", "on or off", "on", check_word, 0, 0, words_switch,
		 "Where the kernel can (Linux 6.9), let it read open files from the "
		 "backing directory without asking the daemon."},
	[SETTING_TRANSPORT] = {"transport", "auto, uring or dev", "auto", check_word, 0, 0,
			       words_transport,
			       "How file-system calls reach the daemon. uring: over io_uring "
			       "where the kernel offers it; dev: /dev/fuse; auto: uring."},
	[SETTING_CATCHUP_RATE] =
		{"catchup_rate", "size per second or off", "off", check_size, 64ull << 10,
		 1ull << 40, words_off,
		 "Most bytes per second for catching up. Kept for a later version: "
		 "a limit is logged, not kept."},
	[SETTING_LOCATION] = {"location", "path such as site/room/rack/host", "", check_location, 0,
			      0, NULL,
			      "Where this server stands, from the large to the small. Nodes whose "
			      "first part differs are at different sites."},
	[SETTING_LOG_LEVEL] = {"log_level", "debug, info, warning or error", "info", check_word, 0,
			       0, words_level, "Least important lines that are logged."},
};

/* What one parse works on. libconfuse's callbacks have no argument of our own, and parses do not
 * nest: the address stands in a thread-local while one runs. */
struct parse {
	const char *path;
	struct settings *settings;
	char *error;
	size_t size;
};

static struct parse **parse_slot(void)
{
	static _Thread_local struct parse *current;

	return &current;
}

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format,
							   va_list args)
{
	const struct parse *parse = *parse_slot();

	if (!parse || parse->error[0])
		return; /* the first error is the cause, later ones are consequences */
	int used = snprintf(parse->error, parse->size, "%s:%d: ", parse->path, cfg ? cfg->line : 0);
	if (used > 0 && (size_t)used < parse->size)
		(void)vsnprintf(parse->error + used, parse->size - (size_t)used, format, args);
}

/* Runs at each value that the parser has taken. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	struct settings *settings = (*parse_slot())->settings;
	const char *text = cfg_opt_getstr(opt);
	char why[256];
	size_t i = 0;

	while (i < SETTINGS_KEYS && strcmp(settings_table[i].name, cfg_opt_name(opt)) != 0)
		i++;
	if (i == SETTINGS_KEYS || !text)
		return -1;
	if (strlen(text) >= SETTINGS_VALUE_MAX) {
		cfg_error(cfg, "%s: the value is longer than %d bytes", settings_table[i].name,
			  SETTINGS_VALUE_MAX - 1);
		return -1;
	}
	if (settings->line[i]) {
		cfg_error(cfg, "%s is set a second time, first in line %d; take one out",
			  settings_table[i].name, settings->line[i]);
		return -1;
	}
	if (settings_table[i].check(&settings_table[i], text, why, sizeof(why)) < 0) {
		cfg_error(cfg, "%s = %s: %s", settings_table[i].name, text, why);
		return -1;
	}
	(void)snprintf(settings->text[i], sizeof(settings->text[i]), "%s", text);
	settings->line[i] = cfg->line;
	return 0;
}

/* What other parts use, from the texts. They were checked, so this can't fail. */
static void settings_derive(struct settings *settings)
{
	static const enum log_level levels[] = {LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN,
						LOG_LEVEL_ERROR};

	if (size_parse(settings->text[SETTING_JOURNAL_MAX], &settings->journal_max) < 0)
		abort();
	if (size_parse(settings->text[SETTING_CATCHUP_RATE], &settings->catchup_rate) < 0)
		settings->catchup_rate = 0; /* off */
	settings->ring = strcmp(settings->text[SETTING_TRANSPORT], "dev") != 0;
	settings->passthrough = strcmp(settings->text[SETTING_PASSTHROUGH], "on") == 0;
	for (size_t i = 0; words_level[i]; i++) {
		if (strcmp(settings->text[SETTING_LOG_LEVEL], words_level[i]) == 0)
			settings->log_level = levels[i];
	}
}

static int parse_text(struct parse *parse, char *text)
{
	cfg_opt_t options[SETTINGS_KEYS + 1] = {0};

	for (size_t i = 0; i < SETTINGS_KEYS; i++)
		options[i] = (cfg_opt_t)CFG_STR(settings_table[i].name, NULL, CFGF_NODEFAULT);
	options[SETTINGS_KEYS] = (cfg_opt_t)CFG_END();
	cfg_t *cfg = cfg_init(options, CFGF_NONE);
	if (!cfg)
		return -ENOMEM;
	for (size_t i = 0; i < SETTINGS_KEYS; i++)
		(void)cfg_set_validate_func(cfg, settings_table[i].name, on_value);
	(void)cfg_set_error_function(cfg, on_error);
	*parse_slot() = parse;
	int r = cfg_parse_buf(cfg, text);
	*parse_slot() = NULL;
	(void)cfg_free(cfg);
	return r == CFG_SUCCESS ? 0 : -EINVAL;
}

int settings_parse(const char *path, const char *data, size_t data_size, struct settings *ret,
		   char *error, size_t size)
{
	struct settings settings = {0};
	struct parse parse = {.path = path, .settings = &settings, .error = error, .size = size};

	if (data_size > SETTINGS_FILE_MAX)
		return err_say(error, size, -EFBIG, "%s: larger than %u bytes", path,
			       SETTINGS_FILE_MAX);
	if (memchr(data, '\0', data_size))
		return err_say(error, size, -EINVAL, "%s: holds a zero byte, so it is no text",
			       path);
	for (size_t i = 0; i < SETTINGS_KEYS; i++)
		(void)snprintf(settings.text[i], sizeof(settings.text[i]), "%s",
			       settings_table[i].value);
	AUTO_FREE char *text = strndup(data, data_size);
	if (!text)
		return err_say(error, size, -ENOMEM, "%s: no memory to read it", path);
	int line = conf_blank_comments(text, data_size);
	if (line)
		return err_say(error, size, -EINVAL,
			       "%s:%d: the comment that starts here has no end", path, line);
	error[0] = '\0';
	int r = parse_text(&parse, text);
	if (r < 0)
		return error[0] ? r : err_say(error, size, r, "%s: %s", path, err_text(r));
	settings_derive(&settings);
	*ret = settings;
	return 0;
}

int settings_read(const char *path, struct settings *ret, char *error, size_t size)
{
	AUTO_FREE uint8_t *data = NULL;
	size_t data_size = 0;
	int r = file_read(path, SETTINGS_FILE_MAX, &data, &data_size);

	if (r < 0 && r != -ENOENT)
		return err_say(error, size, r, "cannot read the settings %s: %s", path,
			       err_text(r));
	return settings_parse(path, data ? (const char *)data : "", data_size, ret, error, size);
}
