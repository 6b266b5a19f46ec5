/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/ways.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/auto.h"
#include "core/log.h"

#define BUCKETS 1024u
#define LOCKS   64u /* each for its share of the buckets, held while the kernel makes an id */

/* One object that is open. */
struct served {
	struct served *next;
	uint64_t id;
	uint64_t count;
	int backing_id; /* 0: page cache */
	dev_t dev;      /* of the backing file that the id stands for */
	ino_t ino;
};

struct ways {
	struct ways_kernel kernel;
	atomic_bool passing;
	atomic_bool passed; /* ever */
	pthread_mutex_t locks[LOCKS];
	struct served *buckets[BUCKETS];
};

int ways_new(const struct ways_kernel *kernel, struct ways **ret)
{
	struct ways *ways = calloc(1, sizeof(*ways));

	if (!ways)
		return -ENOMEM;
	ways->kernel = *kernel;
	for (size_t i = 0; i < LOCKS; i++) {
		if (pthread_mutex_init(&ways->locks[i], NULL) != 0)
			abort();
	}
	*ret = ways;
	return 0;
}

void ways_free(struct ways *ways)
{
	if (!ways)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (ways->buckets[i]) {
			struct served *next = ways->buckets[i]->next;

			free(ways->buckets[i]);
			ways->buckets[i] = next;
		}
	}
	for (size_t i = 0; i < LOCKS; i++)
		(void)pthread_mutex_destroy(&ways->locks[i]);
	free(ways);
}

void ways_pass(struct ways *ways)
{
	ways->passing = true;
}

bool ways_passing(const struct ways *ways)
{
	return ways->passing;
}

static size_t bucket_of(uint64_t id)
{
	return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 54);
}

static struct served **place_of(struct ways *ways, uint64_t id)
{
	struct served **at = &ways->buckets[bucket_of(id)];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

/* Only who reads alone is passed through from the start: the writes of others are to be journaled,
 * and those through a mapping come here by themselves only in the page-cache way. */
static bool wants_pass(struct ways *ways, int flags)
{
	return ways->passing && (flags & O_ACCMODE) == O_RDONLY;
}

/* ELOOP: the file system below is itself one of layers. */
static bool never(int code)
{
	return code == -ELOOP || code == -EPERM || code == -EOPNOTSUPP || code == -EINVAL;
}

static void pass_start(struct ways *ways, struct served *served, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return;
	int id = ways->kernel.backing_open(ways->kernel.arg, fd);
	if (id > 0) {
		served->backing_id = id;
		served->dev = st.st_dev;
		served->ino = st.st_ino;
		ways->passed = true;
	} else if (never(id) && atomic_exchange(&ways->passing, false)) {
		log_warn("mount: the kernel doesn't pass files of this file system through (%s); "
			 "they are read by way of the daemon",
			 err_text(id));
	}
}

static void way_fill(const struct served *served, bool passing, int fd, int flags, struct way *ret)
{
	struct stat st;

	*ret = (struct way){.backing_id = served->backing_id};
	if (!served->backing_id) {
		ret->keep_pages = served->count > 1;
		/* Who only writes has no use for pages, nor have later readers. In this way the
		 * kernel also spares the question for security.capability. */
		ret->direct = passing && (flags & O_ACCMODE) == O_WRONLY;
		return;
	}
	ret->direct = (flags & O_ACCMODE) != O_RDONLY;
	ret->stores = (flags & O_ACCMODE) == O_RDWR;
	/* Removed by a peer, made anew for another's sake: a different backing file by now, but the
	 * kernel knows one for each object. The daemon reads the right one. */
	if (served->count > 1 && !ret->direct)
		ret->direct =
			fstat(fd, &st) != 0 || st.st_ino != served->ino || st.st_dev != served->dev;
}

int ways_open(struct ways *ways, uint64_t id, int fd, int flags, struct way *ret)
{
	AUTO_LOCK(held, &ways->locks[bucket_of(id) % LOCKS]);
	struct served **at = place_of(ways, id);

	if (!*at) {
		struct served *served = calloc(1, sizeof(*served));
		if (!served)
			return -ENOMEM;
		served->id = id;
		*at = served;
		if (wants_pass(ways, flags))
			pass_start(ways, served, fd);
	}
	(*at)->count++;
	way_fill(*at, ways->passing, fd, flags, ret);
	/* A store to the backing file through a mapping leaves old pages. */
	if (!ways->passed)
		ret->keep_pages = true;
	return 0;
}

void ways_close(struct ways *ways, uint64_t id)
{
	int backing_id = 0;
	{
		AUTO_LOCK(held, &ways->locks[bucket_of(id) % LOCKS]);
		struct served **at = place_of(ways, id);
		struct served *served = *at;

		if (!served || --served->count > 0)
			return;
		backing_id = served->backing_id;
		*at = served->next;
		free(served);
	}
	if (backing_id)
		ways->kernel.backing_close(ways->kernel.arg, backing_id);
}
