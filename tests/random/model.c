/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/random/model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t rnd_next(struct model *m)
{
	uint64_t z = m->rnd += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

size_t rnd_below(struct model *m, size_t below)
{
	return below ? rnd_next(m) % below : 0;
}

void note(struct model *m, const char *format, ...)
{
	char *line = m->log[m->op % LOG_LINES];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(line, sizeof(m->log[0]), format, args);
	va_end(args);
}

void wrong(struct model *m, const char *format, ...)
{
	va_list args;

	for (uint64_t i = m->op < LOG_LINES ? 0 : m->op - LOG_LINES + 1; i <= m->op; i++)
		(void)printf("%10llu %s\n", (unsigned long long)i, m->log[i % LOG_LINES]);
	(void)printf("wrong in %s at operation %llu: ", m->dir, (unsigned long long)m->op);
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	(void)printf(" (%s)\n", strerror(errno));
	exit(1);
}

const char *path_of(struct model *m, int name, int buffer)
{
	(void)snprintf(m->path[buffer], sizeof(m->path[0]), "%s/d%d/n%d", m->dir, name % 2, name);
	return m->path[buffer];
}

struct content *content_new(struct model *m)
{
	for (size_t i = 0; i < OBJECTS; i++) {
		struct content *c = &m->contents[i];
		if (c->bytes)
			continue;
		*c = (struct content){.bytes = calloc(1, CONTENT_MAX)};
		if (!c->bytes)
			wrong(m, "no memory");
		return c;
	}
	wrong(m, "more objects than there are names, descriptors and mappings");
}

void content_free_unused(struct content *c)
{
	if (c->names || c->users)
		return;
	free(c->bytes);
	c->bytes = NULL;
}

void content_resize(struct content *c, size_t size)
{
	if (size < c->size)
		memset(c->bytes + size, 0, c->size - size);
	c->size = size;
}

void close_one(struct model *m, struct opened *o)
{
	if (o->fd < 0)
		return;
	if (close(o->fd) != 0)
		wrong(m, "close");
	o->fd = -1;
	o->content->users--;
	content_free_unused(o->content);
}

void unmap_one(struct model *m, struct mapped *map)
{
	if (!map->at)
		return;
	if (munmap(map->at, CONTENT_MAX) != 0)
		wrong(m, "munmap");
	map->at = NULL;
	map->content->users--;
	content_free_unused(map->content);
}

void close_all(struct model *m)
{
	for (size_t i = 0; i < MAPS; i++)
		unmap_one(m, &m->maps[i]);
	for (size_t i = 0; i < OPENS; i++)
		close_one(m, &m->opens[i]);
}

void verify_bytes(struct model *m, const struct content *c, const uint8_t *bytes, size_t size,
		  size_t offset)
{
	if (memcmp(bytes, c->bytes + offset, size) == 0)
		return;
	size_t at = 0;
	size_t bad = 0;
	while (bytes[at] == c->bytes[offset + at])
		at++;
	for (size_t i = at; i < size; i++)
		bad += bytes[i] != c->bytes[offset + i];
	wrong(m, "byte %zu of a file of %zu is %02x instead of %02x; %zu of the %zu read are wrong",
	      offset + at, c->size, bytes[at], c->bytes[offset + at], bad, size);
}

static void verify_name(struct model *m, int name)
{
	static uint8_t bytes[CONTENT_MAX + 1];
	const struct content *c = m->names[name];
	const char *path = path_of(m, name, 0);
	struct stat st;

	if (lstat(path, &st) != 0)
		wrong(m, "stat %s", path);
	if (st.st_size != (off_t)c->size || st.st_nlink != c->names)
		wrong(m, "%s has size %lld, %lu links instead of %zu, %u", path,
		      (long long)st.st_size, (unsigned long)st.st_nlink, c->size, c->names);
	int fd = open(path, O_RDONLY);
	if (fd < 0)
		wrong(m, "open %s", path);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	if (n != (ssize_t)c->size)
		wrong(m, "%s: read %zd of %zu", path, n, c->size);
	verify_bytes(m, c, bytes, c->size, 0);
	(void)close(fd);
}

/* Each name is there, and nothing else. */
static void verify_listing(struct model *m, int which)
{
	char path[600];
	unsigned int found = 0;
	unsigned int expected = 0;

	(void)snprintf(path, sizeof(path), "%s/d%d", m->dir, which);
	DIR *d = opendir(path);
	if (!d)
		wrong(m, "open %s", path);
	for (const struct dirent *e; (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		int name = atoi(e->d_name + 1);
		if (name < 0 || name >= NAMES || name % 2 != which || !m->names[name])
			wrong(m, "%s/%s is listed", path, e->d_name);
		found++;
	}
	(void)closedir(d);
	for (int i = which; i < NAMES; i += 2)
		expected += m->names[i] != NULL;
	if (found != expected)
		wrong(m, "%s lists %u names instead of %u", path, found, expected);
}

void verify_all(struct model *m, const char *dir)
{
	const char *before = m->dir;

	m->dir = dir;
	for (int i = 0; i < NAMES; i++) {
		if (m->names[i])
			verify_name(m, i);
	}
	verify_listing(m, 0);
	verify_listing(m, 1);
	m->dir = before;
}
