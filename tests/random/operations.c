/* SPDX-License-Identifier: Apache-2.0
 * The operations: each on the file system and in the model, with equal results. */
#include "tests/random/model.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static uint8_t scratch[CONTENT_MAX];

/* An offset below CONTENT_MAX, often at or around the edge of a page. */
static size_t any_offset(struct model *m, size_t below)
{
	size_t at = rnd_below(m, below);

	switch (rnd_below(m, 4)) {
	case 0:
		return at & ~(size_t)4095;
	case 1:
		return at | 4095 && (at | 4095) < below ? at | 4095 : at;
	default:
		return at;
	}
}

static size_t any_size(struct model *m, size_t most)
{
	static const size_t usual[] = {1, 10, 512, 4096, 4097, 20000, 140000};
	size_t size = rnd_below(m, usual[rnd_below(m, 7)]) + 1;

	return size < most ? size : most;
}

static void fill(struct model *m, size_t size)
{
	uint8_t from = (uint8_t)rnd_next(m);

	for (size_t i = 0; i < size; i++)
		scratch[i] = (uint8_t)(from + i + i / 256);
}

static struct opened *any_open(struct model *m)
{
	struct opened *o = &m->opens[rnd_below(m, OPENS)];

	return o->fd < 0 ? NULL : o;
}

static int any_name(struct model *m, bool there)
{
	int name = (int)rnd_below(m, NAMES);

	for (int i = 0; i < NAMES; i++, name = (name + 1) % NAMES) {
		if ((m->names[name] != NULL) == there)
			return name;
	}
	return -1;
}

/* ---- content */

static void op_read(struct model *m)
{
	struct opened *o = any_open(m);

	if (!o)
		return;
	size_t at = any_offset(m, CONTENT_MAX);
	size_t size = any_size(m, CONTENT_MAX - at);
	size_t expected = at >= o->content->size         ? 0
			  : size < o->content->size - at ? size
							 : o->content->size - at;
	note(m, "read %zu at %zu", size, at);
	ssize_t n = pread(o->fd, scratch, size, (off_t)at);
	if (n != (ssize_t)expected)
		wrong(m, "%zd bytes instead of %zu, size %zu", n, expected, o->content->size);
	verify_bytes(m, o->content, scratch, expected, at);
}

static void op_write(struct model *m)
{
	struct opened *o = any_open(m);

	if (!o)
		return;
	size_t at = o->append ? o->content->size : any_offset(m, CONTENT_MAX);
	size_t size = any_size(m, CONTENT_MAX - at);
	if (!size)
		return;
	fill(m, size);
	note(m, "write %zu at %zu%s", size, at, o->append ? ", appending" : "");
	ssize_t n =
		o->append ? write(o->fd, scratch, size) : pwrite(o->fd, scratch, size, (off_t)at);
	if (n != (ssize_t)size)
		wrong(m, "%zd bytes written", n);
	if (at + size > o->content->size)
		content_resize(o->content, at + size);
	memcpy(o->content->bytes + at, scratch, size);
}

static void op_truncate(struct model *m)
{
	struct opened *o = any_open(m);
	int name = any_name(m, true);
	size_t size = any_offset(m, CONTENT_MAX);

	if (rnd_below(m, 3) == 0)
		size /= 64;
	if (o && rnd_below(m, 2)) {
		note(m, "ftruncate to %zu from %zu", size, o->content->size);
		if (ftruncate(o->fd, (off_t)size) != 0)
			wrong(m, "ftruncate");
		content_resize(o->content, size);
	} else if (name >= 0) {
		note(m, "truncate n%d to %zu from %zu", name, size, m->names[name]->size);
		if (truncate(path_of(m, name, 0), (off_t)size) != 0)
			wrong(m, "truncate");
		content_resize(m->names[name], size);
	}
}

static void op_fallocate(struct model *m)
{
	static const int modes[] = {
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, FALLOC_FL_KEEP_SIZE};
	struct opened *o = any_open(m);
	int mode = modes[rnd_below(m, 5)];

	if (!o)
		return;
	size_t at = any_offset(m, CONTENT_MAX);
	size_t size = any_size(m, CONTENT_MAX - at);
	note(m, "fallocate mode %d, %zu at %zu, size %zu", mode, size, at, o->content->size);
	if (fallocate(o->fd, mode, (off_t)at, (off_t)size) != 0)
		wrong(m, "fallocate");
	if (!(mode & FALLOC_FL_KEEP_SIZE) && at + size > o->content->size)
		content_resize(o->content, at + size);
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		memset(o->content->bytes + at, 0, size);
}

static void op_copy(struct model *m)
{
	struct opened *from = any_open(m);
	struct opened *to = any_open(m);

	if (!from || !to || to->append)
		return;
	size_t in = any_offset(m, CONTENT_MAX);
	size_t out = any_offset(m, CONTENT_MAX);
	size_t size = any_size(m, CONTENT_MAX - (in > out ? in : out));
	if (from->content == to->content && (in > out ? in - out : out - in) < size)
		return; /* not over itself */
	off_t in_at = (off_t)in;
	off_t out_at = (off_t)out;
	size_t there = in < from->content->size ? from->content->size - in : 0;
	note(m, "copy %zu from %zu to %zu, sizes %zu, %zu", size, in, out, from->content->size,
	     to->content->size);
	ssize_t n = copy_file_range(from->fd, &in_at, to->fd, &out_at, size, 0);
	if (n < 0 || (n == 0) != (there == 0) || (size_t)n > size || (size_t)n > there)
		wrong(m, "%zd bytes copied, %zu there", n, there);
	if (n == 0)
		return;
	memcpy(scratch, from->content->bytes + in, (size_t)n);
	if (out + (size_t)n > to->content->size)
		content_resize(to->content, out + (size_t)n);
	memcpy(to->content->bytes + out, scratch, (size_t)n);
}

/* What is said to be a hole must read as zeros, and a file ends with a hole. */
static void op_seek(struct model *m)
{
	struct opened *o = any_open(m);

	if (!o || !o->content->size)
		return;
	size_t at = rnd_below(m, o->content->size);
	note(m, "seek data from %zu of %zu", at, o->content->size);
	off_t data = lseek(o->fd, (off_t)at, SEEK_DATA);
	if (data < 0 && errno != ENXIO)
		wrong(m, "SEEK_DATA");
	size_t end = data < 0 ? o->content->size : (size_t)data;
	for (size_t i = at; i < end; i++) {
		if (o->content->bytes[i])
			wrong(m, "byte %zu is in a hole up to %zu", i, end);
	}
	off_t hole = lseek(o->fd, (off_t)at, SEEK_HOLE);
	if (hole < (off_t)at || hole > (off_t)o->content->size)
		wrong(m, "SEEK_HOLE gives %lld", (long long)hole);
}

/* ---- mappings */

static void op_map(struct model *m)
{
	struct mapped *map = &m->maps[rnd_below(m, MAPS)];
	struct opened *o = any_open(m);

	if (map->at) {
		note(m, "munmap");
		unmap_one(m, map);
		return;
	}
	if (!o)
		return;
	note(m, "mmap");
	void *at = mmap(NULL, CONTENT_MAX, PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, 0);
	if (at == MAP_FAILED)
		wrong(m, "mmap");
	*map = (struct mapped){.at = at, .content = o->content};
	o->content->users++;
}

/* Stores go to what there is of the file, by this process or by a child. */
static void op_map_write(struct model *m)
{
	struct mapped *map = &m->maps[rnd_below(m, MAPS)];

	if (!map->at || !map->content->size)
		return;
	size_t at = any_offset(m, map->content->size);
	size_t size = any_size(m, map->content->size - at);
	bool child = rnd_below(m, 40) == 0;
	fill(m, size);
	note(m, "store %zu at %zu, size %zu%s", size, at, map->content->size,
	     child ? ", by a child" : "");
	pid_t pid = child ? fork() : 0;
	if (pid < 0)
		wrong(m, "fork");
	if (pid == 0)
		memcpy(map->at + at, scratch, size);
	if (child && pid == 0)
		_exit(0);
	if (child && waitpid(pid, NULL, 0) != pid)
		wrong(m, "wait");
	memcpy(map->content->bytes + at, scratch, size);
}

static void op_map_read(struct model *m)
{
	struct mapped *map = &m->maps[rnd_below(m, MAPS)];

	if (!map->at || !map->content->size)
		return;
	size_t at = any_offset(m, map->content->size);
	size_t size = any_size(m, map->content->size - at);
	note(m, "load %zu at %zu, size %zu", size, at, map->content->size);
	verify_bytes(m, map->content, map->at + at, size, at);
}

static void op_sync(struct model *m)
{
	struct mapped *map = &m->maps[rnd_below(m, MAPS)];
	struct opened *o = any_open(m);

	note(m, "sync");
	if (map->at && msync(map->at, CONTENT_MAX, rnd_below(m, 2) ? MS_SYNC : MS_ASYNC) != 0)
		wrong(m, "msync");
	if (o && (rnd_below(m, 2) ? fsync(o->fd) : fdatasync(o->fd)) != 0)
		wrong(m, "fsync");
}

/* ---- names */

static void op_open(struct model *m)
{
	struct opened *o = &m->opens[rnd_below(m, OPENS)];
	int name = any_name(m, true);

	if (o->fd >= 0) {
		note(m, "close");
		close_one(m, o);
		return;
	}
	if (name < 0)
		return;
	bool append = rnd_below(m, 6) == 0;
	bool cut = rnd_below(m, 12) == 0;
	note(m, "open n%d%s%s", name, append ? ", appending" : "", cut ? ", truncating" : "");
	int fd = open(path_of(m, name, 0), O_RDWR | (append ? O_APPEND : 0) | (cut ? O_TRUNC : 0));
	if (fd < 0)
		wrong(m, "open");
	*o = (struct opened){.fd = fd, .append = append, .content = m->names[name]};
	o->content->users++;
	if (cut)
		content_resize(o->content, 0);
}

static void op_create(struct model *m)
{
	struct opened *o = &m->opens[rnd_below(m, OPENS)];
	int name = any_name(m, false);

	if (o->fd >= 0 || name < 0)
		return;
	note(m, "create n%d", name);
	int fd = open(path_of(m, name, 0), O_RDWR | O_CREAT | O_EXCL, 0644);
	if (fd < 0)
		wrong(m, "create");
	*o = (struct opened){.fd = fd, .content = content_new(m)};
	o->content->users++;
	o->content->names++;
	m->names[name] = o->content;
}

static void drop_name(struct model *m, int name)
{
	m->names[name]->names--;
	content_free_unused(m->names[name]);
	m->names[name] = NULL;
}

static void op_unlink(struct model *m)
{
	int name = any_name(m, true);

	if (name < 0)
		return;
	note(m, "unlink n%d", name);
	if (unlink(path_of(m, name, 0)) != 0)
		wrong(m, "unlink");
	drop_name(m, name);
}

static void op_link(struct model *m)
{
	int from = any_name(m, true);
	int to = any_name(m, false);

	if (from < 0 || to < 0)
		return;
	note(m, "link n%d to n%d", from, to);
	if (link(path_of(m, from, 0), path_of(m, to, 1)) != 0)
		wrong(m, "link");
	m->names[to] = m->names[from];
	m->names[to]->names++;
}

static void op_rename(struct model *m)
{
	int from = any_name(m, true);
	int to = (int)rnd_below(m, NAMES);

	if (from < 0)
		return;
	unsigned int flags = m->names[to] && rnd_below(m, 2) ? RENAME_EXCHANGE : 0;
	note(m, "rename n%d to n%d, flags %u", from, to, flags);
	if (renameat2(AT_FDCWD, path_of(m, from, 0), AT_FDCWD, path_of(m, to, 1), flags) != 0)
		wrong(m, "rename");
	struct content *moved = m->names[from];
	if (moved == m->names[to])
		return;
	if (flags) {
		m->names[from] = m->names[to];
		m->names[to] = moved;
		return;
	}
	if (m->names[to])
		drop_name(m, to);
	m->names[to] = moved;
	m->names[from] = NULL;
}

static void op_stat(struct model *m)
{
	struct opened *o = any_open(m);
	struct stat st;

	if (!o)
		return;
	note(m, "fstat");
	if (fstat(o->fd, &st) != 0 || st.st_size != (off_t)o->content->size ||
	    st.st_nlink != o->content->names)
		wrong(m, "size %lld, %lu links instead of %zu, %u", (long long)st.st_size,
		      (unsigned long)st.st_nlink, o->content->size, o->content->names);
}

static void op_verify(struct model *m)
{
	if (rnd_below(m, 8))
		return;
	note(m, "verify all");
	verify_all(m, m->dir);
}

void operate(struct model *m)
{
	static const struct {
		unsigned int weight;
		void (*fn)(struct model *m);
	} all[] = {
		{20, op_read}, {20, op_write}, {6, op_truncate},  {8, op_fallocate}, {4, op_copy},
		{3, op_seek},  {4, op_map},    {8, op_map_write}, {6, op_map_read},  {2, op_sync},
		{8, op_open},  {5, op_create}, {3, op_unlink},    {2, op_link},      {4, op_rename},
		{3, op_stat},  {1, op_verify},
	};
	size_t sum = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		sum += all[i].weight;
	size_t chosen = rnd_below(m, sum);
	note(m, "nothing");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (chosen < all[i].weight) {
			all[i].fn(m);
			return;
		}
		chosen -= all[i].weight;
	}
}
