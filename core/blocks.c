/* SPDX-License-Identifier: Apache-2.0 */
#include "core/blocks.h"

#include <confuse.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/conf.h"

/* What one parse works on. libconfuse's callbacks have no argument of our own, and parses do not
 * nest: the address stands in a thread-local while one runs. */
struct blocks {
	const char *path;
	const struct block_kind *kinds;
	const struct blocks_taker *taker;
	struct block *inner; /* the block that is being read */
	struct block *outer; /* what stands outside of blocks */
	char *error;
	size_t size;
};

static struct blocks **blocks_slot(void)
{
	static _Thread_local struct blocks *current;

	return &current;
}

/* The first error is the cause, later ones are consequences. */
static int fail(struct blocks *blocks, int line, const char *text)
{
	if (!blocks->error[0])
		(void)snprintf(blocks->error, blocks->size, "%s:%d: %s", blocks->path, line, text);
	return -1;
}

__attribute__((format(printf, 2, 0))) static void on_error(cfg_t *cfg, const char *format,
							   va_list args)
{
	struct blocks *blocks = *blocks_slot();
	char text[256];

	(void)vsnprintf(text, sizeof(text), format, args);
	if (blocks)
		(void)fail(blocks, cfg ? cfg->line : 0, text);
}

static const struct block_kind *kind_find(const struct blocks *blocks, const char *name)
{
	for (const struct block_kind *kind = blocks->kinds; kind->name; kind++) {
		if (strcmp(kind->name, name) == 0)
			return kind;
	}
	return NULL;
}

static const char *key_find(const struct block_kind *kind, const char *name)
{
	for (size_t i = 0; kind && kind->keys[i]; i++) {
		if (strcmp(kind->keys[i], name) == 0)
			return kind->keys[i];
	}
	return NULL;
}

/* All words of a value, a line feed between them. NULL: fits. */
static const char *join_words(cfg_opt_t *opt, char ret[BLOCK_TEXT_MAX])
{
	size_t used = 0;

	for (unsigned int i = 0; i < cfg_opt_size(opt); i++) {
		const char *word = cfg_opt_getnstr(opt, i);
		size_t length = word ? strlen(word) : 0;

		if (strchr(word ? word : "", '\n'))
			return "a value may not hold a line feed";
		if (used + length + 2 > BLOCK_TEXT_MAX)
			return "the value is longer than 1022 bytes";
		if (i)
			ret[used++] = '\n';
		memcpy(ret + used, word ? word : "", length);
		used += length;
	}
	ret[used] = '\0';
	return NULL;
}

static bool grows(const struct block_value *value, const char *text)
{
	size_t length = strlen(value->text);

	return strncmp(value->text, text, length) == 0 &&
	       (text[length] == '\0' || text[length] == '\n');
}

/* Runs at each word of a value, and once more at the end of a list. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	struct blocks *blocks = *blocks_slot();
	bool outside = !cfg_title(cfg);
	struct block *block = outside ? blocks->outer : blocks->inner;
	const char *key =
		key_find(kind_find(blocks, outside ? "" : cfg_name(cfg)), cfg_opt_name(opt));
	char text[BLOCK_TEXT_MAX];
	size_t i = 0;

	const char *why = key ? join_words(opt, text) : "unknown key";
	if (!why && !outside && (!cfg_title(cfg)[0] || strlen(cfg_title(cfg)) > BLOCK_TITLE_MAX))
		why = "a block needs a title of 1 to 63 bytes";
	if (why)
		return fail(blocks, cfg->line, why);
	if (!outside)
		memcpy(block->title, cfg_title(cfg), strlen(cfg_title(cfg)) + 1);
	while (i < block->value_count && block->values[i].key != key)
		i++;
	if (i < block->value_count && !grows(&block->values[i], text)) {
		(void)snprintf(text, sizeof(text), "%s is set a second time, first in line %d", key,
			       block->values[i].line);
		return fail(blocks, cfg->line, text);
	}
	if (i == BLOCK_VALUES_MAX)
		return fail(blocks, cfg->line, "too many keys in one block");
	if (i == block->value_count) {
		block->values[i].key = key;
		block->values[i].line = cfg->line;
		block->line = block->value_count++ ? block->line : cfg->line;
	}
	memcpy(block->values[i].text, text, strlen(text) + 1);
	return 0;
}

static int hand_over(struct blocks *blocks, const struct block *block)
{
	char why[512] = "";
	int line = block->line;
	int r = blocks->taker->take(blocks->taker->arg, block, &line, why, sizeof(why));

	if (r < 0)
		(void)fail(blocks, line, why[0] ? why : err_text(r));
	return r;
}

/* Runs at the end of each block. */
static int on_block(cfg_t *cfg, cfg_opt_t *opt)
{
	struct blocks *blocks = *blocks_slot();
	struct block *block = blocks->inner;

	if (block->value_count == 0)
		return fail(blocks, cfg->line, "a block with nothing in it");
	block->kind = kind_find(blocks, cfg_opt_name(opt))->name;
	int r = hand_over(blocks, block);
	block->value_count = 0;
	return r < 0 ? -1 : 0;
}

#define OPTIONS_MAX (BLOCK_VALUES_MAX + 1)

static void fill_keys(const struct block_kind *kind, cfg_opt_t *options)
{
	size_t i = 0;

	for (; i < BLOCK_VALUES_MAX && kind->keys[i]; i++) {
		options[i] = (cfg_opt_t)CFG_STR_LIST(kind->keys[i], NULL, CFGF_NODEFAULT);
		options[i].validcb = on_value;
	}
	options[i] = (cfg_opt_t)CFG_END();
}

static int parse_text(struct blocks *blocks, const char *text)
{
	cfg_opt_t inner[BLOCKS_KINDS_MAX][OPTIONS_MAX];
	cfg_opt_t options[BLOCKS_KINDS_MAX + OPTIONS_MAX] = {0};
	size_t count = 0;

	for (size_t i = 0; i < BLOCKS_KINDS_MAX && blocks->kinds[i].name; i++) {
		const struct block_kind *kind = &blocks->kinds[i];

		if (!kind->name[0]) {
			fill_keys(kind, options + count);
			break;
		}
		fill_keys(kind, inner[i]);
		options[count] = (cfg_opt_t)CFG_SEC(kind->name, inner[i], CFGF_MULTI | CFGF_TITLE);
		options[count++].validcb = on_block;
		options[count] = (cfg_opt_t)CFG_END();
	}
	cfg_t *cfg = cfg_init(options, CFGF_NONE);
	if (!cfg)
		return -ENOMEM;
	(void)cfg_set_error_function(cfg, on_error);
	*blocks_slot() = blocks;
	int r = cfg_parse_buf(cfg, text);
	*blocks_slot() = NULL;
	(void)cfg_free(cfg);
	return r == CFG_SUCCESS ? 0 : -EINVAL;
}

int blocks_parse(const char *path, const char *data, size_t data_size,
		 const struct block_kind *kinds, const struct blocks_taker *taker, char *error,
		 size_t size)
{
	AUTO_FREE struct block *both = calloc(2, sizeof(*both));
	AUTO_FREE char *text = data_size > BLOCKS_FILE_MAX ? NULL : strndup(data, data_size);
	struct blocks blocks = {
		.path = path, .kinds = kinds, .taker = taker, .error = error, .size = size};

	if (data_size > BLOCKS_FILE_MAX)
		return err_say(error, size, -EFBIG, "%s: larger than %u bytes", path,
			       BLOCKS_FILE_MAX);
	if (memchr(data, '\0', data_size))
		return err_say(error, size, -EINVAL, "%s: holds a zero byte, so it is no text",
			       path);
	if (!both || !text)
		return err_say(error, size, -ENOMEM, "%s: no memory to read it", path);
	blocks.inner = &both[0];
	blocks.outer = &both[1];
	blocks.outer->kind = "";
	int line = conf_blank_comments(text, data_size);
	if (line)
		return err_say(error, size, -EINVAL,
			       "%s:%d: the comment that starts here has no end", path, line);
	error[0] = '\0';
	int r = parse_text(&blocks, text);
	if (r == 0 && error[0])
		r = -EINVAL;
	if (r == 0 && blocks.outer->value_count && hand_over(&blocks, blocks.outer) < 0)
		r = -EINVAL;
	if (r < 0 && !error[0])
		return err_say(error, size, r, "%s: %s", path, err_text(r));
	return r;
}

const struct block_value *block_get(const struct block *block, const char *key)
{
	for (size_t i = 0; i < block->value_count; i++) {
		if (strcmp(block->values[i].key, key) == 0)
			return &block->values[i];
	}
	return NULL;
}
