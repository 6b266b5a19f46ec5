/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/auto.h"
#include "tests/sim/plan.h"

#define DIRS_MAX 8

/* What stood where something was written. */
struct disk_write {
	struct disk_write *older;
	dev_t dev;
	ino_t ino;
	char path[PATH_MAX];
	off_t offset;
	size_t size;
	uint8_t was[];
};

static struct {
	char root[64];
	struct disk_write *newest;
	struct {
		char dir[64];
		unsigned int countdown;
		int error;
		bool lies;
	} dirs[DIRS_MAX];
	size_t dir_count;
} disk;

static void forget_all(void)
{
	while (disk.newest) {
		struct disk_write *older = disk.newest->older;
		free(disk.newest);
		disk.newest = older;
	}
	disk.dir_count = 0;
}

void disk_begin(const char *dir)
{
	forget_all();
	(void)snprintf(disk.root, sizeof(disk.root), "%s/", dir);
}

void disk_end(void)
{
	forget_all();
	disk.root[0] = '\0';
}

static size_t dir_of(const char *dir)
{
	for (size_t i = 0; i < disk.dir_count; i++) {
		if (strcmp(disk.dirs[i].dir, dir) == 0)
			return i;
	}
	if (disk.dir_count == DIRS_MAX)
		abort();
	memset(&disk.dirs[disk.dir_count], 0, sizeof(disk.dirs[0]));
	(void)snprintf(disk.dirs[disk.dir_count].dir, sizeof(disk.dirs[0].dir), "%s", dir);
	return disk.dir_count++;
}

void disk_fail(const char *dir, unsigned int countdown, int error)
{
	size_t i = dir_of(dir);

	disk.dirs[i].countdown = countdown;
	disk.dirs[i].error = error;
}

void disk_lie(const char *dir)
{
	disk.dirs[dir_of(dir)].lies = true;
}

static bool below(const char *path, const char *dir)
{
	size_t size = strlen(dir);

	return strncmp(path, dir, size) == 0 && path[size] == '/';
}

static bool path_of(int fd, char ret[PATH_MAX])
{
	char link[64];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = disk.root[0] ? readlink(link, ret, PATH_MAX - 1) : -1;
	if (n < 0)
		return false;
	ret[n] = '\0';
	return strncmp(ret, disk.root, strlen(disk.root)) == 0 && strstr(ret, "/journal/");
}

/* The fault asked for, if it is its turn. */
static int fault(const char *path)
{
	for (size_t i = 0; i < disk.dir_count; i++) {
		if (below(path, disk.dirs[i].dir) && disk.dirs[i].countdown &&
		    --disk.dirs[i].countdown == 0)
			return disk.dirs[i].error;
	}
	return 0;
}

static void remember(int fd, const char *path, off_t offset, size_t size)
{
	struct disk_write *w = malloc(sizeof(*w) + size);
	struct stat st;

	if (!w || fstat(fd, &st) < 0)
		abort();
	*w = (struct disk_write){.older = disk.newest,
				 .dev = st.st_dev,
				 .ino = st.st_ino,
				 .offset = offset,
				 .size = size};
	memset(w->was, 0, size);
	ssize_t n = pread(fd, w->was, size, offset);
	if (n < 0)
		abort();
	(void)snprintf(w->path, sizeof(w->path), "%s", path);
	disk.newest = w;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
	char path[PATH_MAX];

	if (path_of(fd, path)) {
		size_t size = 0;
		int error = fault(path);
		if (error) {
			errno = error;
			return -1;
		}
		for (int i = 0; i < count; i++)
			size += parts[i].iov_len;
		remember(fd, path, offset, size);
	}
	return syscall(SYS_pwritev, fd, parts, (long)count, offset, 0L);
}

static void synced(int fd)
{
	struct disk_write **at = &disk.newest;
	char path[PATH_MAX];
	struct stat st;

	if (!path_of(fd, path) || fstat(fd, &st) < 0)
		return;
	for (size_t i = 0; i < disk.dir_count; i++) {
		if (below(path, disk.dirs[i].dir) && disk.dirs[i].lies)
			return;
	}
	while (*at) {
		struct disk_write *w = *at;
		if (w->dev == st.st_dev && w->ino == st.st_ino) {
			*at = w->older;
			free(w);
		} else {
			at = &w->older;
		}
	}
}

int fdatasync(int fd)
{
	synced(fd);
	return 0;
}

int fsync(int fd)
{
	synced(fd);
	return 0;
}

/* Memory is no disk: reserving room would only cost time, and zeroing is punching. */
int fallocate(int fd, int mode, off_t offset, off_t length)
{
	struct stat st;
	char path[PATH_MAX];

	if (!path_of(fd, path))
		return (int)syscall(SYS_fallocate, fd, (long)mode, offset, length);
	int error = fault(path);
	if (error) {
		errno = error;
		return -1;
	}
	if (mode & FALLOC_FL_ZERO_RANGE)
		return (int)syscall(SYS_fallocate, fd,
				    (long)(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE), offset,
				    length);
	if (fstat(fd, &st) < 0)
		return -1;
	return st.st_size >= offset + length ? 0 : ftruncate(fd, offset + length);
}

static void put_back(const struct disk_write *w, size_t from)
{
	AUTO_CLOSE int fd = open(w->path, O_WRONLY | O_CLOEXEC);
	struct stat st;

	/* It has another name meanwhile, or none. */
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != w->ino)
		return;
	if (pwrite(fd, w->was + from, w->size - from, w->offset + (off_t)from) < 0)
		abort();
}

void disk_power_cut(const char *dir, uint64_t seed)
{
	struct disk_write **at = &disk.newest;
	uint64_t random = seed;
	size_t count = 0;

	for (struct disk_write *w = disk.newest; w; w = w->older)
		count += below(w->path, dir);
	size_t lost = (size_t)(plan_random(&random) % (count + 1));
	bool by_chance = plan_random(&random) % 4 == 0;
	size_t seen = 0;
	while (*at) {
		struct disk_write *w = *at;
		if (!below(w->path, dir)) {
			at = &w->older;
			continue;
		}
		/* From the newest on: the last that is lost may be there by half. */
		bool gone = by_chance ? plan_random(&random) % 2 : seen < lost;
		bool torn = !by_chance && seen + 1 == lost;
		seen++;
		if (gone)
			put_back(w, torn ? (size_t)(plan_random(&random) % (w->size + 1)) : 0);
		*at = w->older;
		free(w);
	}
}
