/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/io.h"
#include "core/log.h"
#include "replication/commit.h"
#include "replication/index.h"

#define CHECKPOINT_NAME "checkpoint.db"
#define DAMAGED_NAME    "index.damaged"
#define FILLED_NAME     "filled"
#define RETRY_BYTES     (1u << 20) /* journaled, after one that failed */

static int sync_file(const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int rename_synced(const char *from, const char *to)
{
	int r = sync_file(from);

	if (r == 0 && rename(from, to) < 0)
		r = -errno;
	return r == 0 ? dir_sync_parent(to) : r;
}

/* Position before which recovery from this index needs no journal. */
static int kept_from(const char *path, uint64_t *ret)
{
	AUTO_FREE uint8_t *data = NULL;
	char error[256];
	struct index *ix;
	size_t size;
	int r = index_open(path, &ix, error, sizeof(error));

	if (r < 0)
		return r;
	r = index_value_get(ix, "position", &data, &size);
	index_close(ix);
	if (r < 0)
		return r;
	struct rd rd = rd_init(data, size);
	uint64_t pos = rd_u64(&rd);
	uint64_t open_from = rd_u64(&rd);
	*ret = pos < open_from ? pos : open_from;
	return rd.failed ? MA_ECORRUPT : 0;
}

/* MA_EUNKNOWN: there is none, and the index is as it was. */
static int restore(const char *dir)
{
	AUTO_FREE char *from = path_join(dir, CHECKPOINT_NAME);
	AUTO_FREE char *to = path_join(dir, "index.db");
	AUTO_FREE char *staged = path_join(dir, "index.db.new");
	AUTO_FREE char *wal = path_join(dir, "index.db-wal");
	AUTO_FREE char *shm = path_join(dir, "index.db-shm");
	uint64_t pos;

	if (!from || !to || !staged || !wal || !shm)
		return -ENOMEM;
	if (access(from, F_OK) < 0)
		return MA_EUNKNOWN;
	int r = kept_from(from, &pos);
	if (r == 0)
		r = index_copy(from, staged);
	/* The log of the old index must not be taken for the new one's. */
	if (r == 0 &&
	    ((unlink(wal) < 0 && errno != ENOENT) || (unlink(shm) < 0 && errno != ENOENT)))
		r = -errno;
	return r == 0 ? rename_synced(staged, to) : r;
}

/* The damaged index stays beside, for whoever wants to know why. */
static int set_aside(const char *dir, const char *suffix)
{
	static const char *const parts[] = {"index.db", "index.db-wal", "index.db-shm"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		AUTO_FREE char *from = path_join(dir, parts[i]);
		char *to = NULL;
		if (!from || asprintf(&to, "%s%s", from, suffix) < 0)
			return -ENOMEM;
		int r = rename(from, to) < 0 && errno != ENOENT ? -errno : 0;
		free(to);
		if (r < 0)
			return r;
	}
	return 0;
}

/* All that was ever changed here stands in the journal. */
static bool reaches_back(struct pool *p)
{
	AUTO_FREE char *filled = path_join(p->dir, FILLED_NAME);

	return filled && access(filled, F_OK) < 0 && journal_whole(p->journal);
}

int checkpoint_filled(struct pool *p)
{
	AUTO_FREE char *filled = path_join(p->dir, FILLED_NAME);

	if (!filled)
		return -ENOMEM;
	return access(filled, F_OK) == 0 ? 0 : file_replace(filled, "", 0, 0600);
}

/* The index as of the checkpoint, or as of the beginning. MA_EUNKNOWN: neither is possible. */
static int go_back(struct pool *p)
{
	int r = restore(p->dir);

	if (r != MA_EUNKNOWN)
		return r;
	return reaches_back(p) ? set_aside(p->dir, ".old") : MA_EUNKNOWN;
}

static int without_index(struct pool *p, const char *path, const char *why, char *error,
			 size_t size)
{
	int r = set_aside(p->dir, ".damaged");
	if (r == 0)
		r = go_back(p);
	if (r == MA_EUNKNOWN) {
		(void)snprintf(error, size,
			       "the index %s, without a copy, and the journal does not reach back: "
			       "`multiall pool leave %s` keeps the files, `multiall pool join %s` "
			       "then fills anew",
			       why, p->name, p->name);
		return MA_ECORRUPT;
	}
	if (r == 0)
		log_warn(
			"pool \"%s\": the index %s; it is made again from its copy and the journal",
			p->name, why);
	return r == 0 ? index_open(path, &p->ix, error, size) : r;
}

int checkpoint_open_index(struct pool *p, bool power_cut, char *error, size_t size)
{
	AUTO_FREE char *path = path_join(p->dir, "index.db");
	AUTO_FREE char *marker = path_join(p->dir, DAMAGED_NAME);

	if (!path || !marker)
		return -ENOMEM;
	bool damaged = access(marker, F_OK) == 0;
	bool lost =
		access(path, F_OK) < 0 && (!journal_whole(p->journal) ||
					   journal_tail(p->journal) != journal_first(p->journal));
	int r = 0;
	if (!damaged && !lost && power_cut)
		r = go_back(p);
	if (r == MA_EUNKNOWN)
		r = 0; /* what there is must do */
	if (r == 0 && !damaged && !lost)
		r = index_open(path, &p->ix, error, size);
	if (damaged || lost || r == MA_ECORRUPT)
		r = without_index(p, path, lost ? "is lost" : "is damaged", error, size);
	if (r == 0 && damaged && unlink(marker) < 0)
		r = -errno;
	return r;
}

void checkpoint_index_damaged(struct pool *p)
{
	AUTO_FREE char *marker = path_join(p->dir, DAMAGED_NAME);
	int r = marker ? file_replace(marker, "", 0, 0600) : -ENOMEM;

	log_error(
		"pool \"%s\": the index is damaged; `systemctl restart multiall` makes it again%s",
		p->name, r < 0 ? ", once there is room to note it" : "");
}

int checkpoint_load(struct pool *p)
{
	AUTO_FREE char *path = path_join(p->dir, CHECKPOINT_NAME);

	if (!path)
		return -ENOMEM;
	p->checkpoint_pos = reaches_back(p) ? journal_first(p->journal) : UINT64_MAX;
	p->checkpoint_tried = journal_first(p->journal);
	if (access(path, F_OK) < 0)
		return 0;
	int r = kept_from(path, &p->checkpoint_pos);
	if (r == 0)
		p->checkpoint_tried = p->checkpoint_pos;
	if (r < 0) {
		p->checkpoint_pos = UINT64_MAX;
		log_warn("pool \"%s\": the copy of the index cannot be used and is made anew: %s",
			 p->name, err_text(r));
		r = unlink(path) < 0 ? -errno : 0;
	}
	return r;
}

static void give_up(struct pool *p, const char *path)
{
	if (unlink(path) == 0)
		log_warn("pool \"%s\": the old copy of the index is given up; the next one is "
			 "tried soon",
			 p->name);
	__atomic_store_n(&p->checkpoint_pos, UINT64_MAX, __ATOMIC_RELEASE);
}

static uint64_t index_bytes(const char *dir)
{
	AUTO_FREE char *path = path_join(dir, "index.db");
	struct stat st;

	return path && stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

bool checkpoint_due(struct pool *p)
{
	uint64_t since = __atomic_load_n(&p->checkpoint_tried, __ATOMIC_ACQUIRE);
	uint64_t share = p->journal_max / CHECKPOINT_SHARE;
	uint64_t size = index_bytes(p->dir);
	uint64_t apart = __atomic_load_n(&p->apart_bytes, __ATOMIC_RELAXED) / CHECKPOINT_APART;

	return journal_tail(p->journal) - since + apart > (size > share ? size : share);
}

static int copy_index(struct pool *p, const char *staged, const char *path, uint64_t *ret_pos)
{
	AUTO_FREE char *from = path_join(p->dir, "index.db");
	int r = from ? index_copy(from, staged) : -ENOMEM;

	/* What it knows as sealed must be so after a power cut: see renew.h. */
	if (r == 0)
		r = commit_sync(p, journal_tail(p->journal));

	if (r == 0)
		r = kept_from(staged, ret_pos);
	/* What the copy names was made before the flush that it shows. */
	if (r == 0)
		r = p->store->ops->sync(p->store);
	return r == 0 ? rename_synced(staged, path) : r;
}

int checkpoint_make(struct pool *p, bool needed)
{
	AUTO_LOCK(held, &p->checkpoint_lock);
	AUTO_FREE char *path = path_join(p->dir, CHECKPOINT_NAME);
	AUTO_FREE char *staged = path_join(p->dir, CHECKPOINT_NAME ".new");
	uint64_t tail = journal_tail(p->journal);
	uint64_t pos = 0;

	if (!path || !staged)
		return -ENOMEM;
	__atomic_store_n(&p->apart_bytes, 0, __ATOMIC_RELAXED);
	int r = copy_index(p, staged, path, &pos);
	if (r == 0) {
		__atomic_store_n(&p->checkpoint_pos, pos, __ATOMIC_RELEASE);
		__atomic_store_n(&p->checkpoint_tried, tail, __ATOMIC_RELEASE);
		return 0;
	}
	log_warn("pool \"%s\": cannot copy the index to %s: %s", p->name, path, err_text(r));
	(void)unlink(staged);
	if (needed || journal_bytes(p->journal) > p->journal_max)
		give_up(p, path);
	uint64_t share = p->journal_max / CHECKPOINT_SHARE;
	uint64_t again = tail + RETRY_BYTES;
	__atomic_store_n(&p->checkpoint_tried, again > share ? again - share : 0, __ATOMIC_RELEASE);
	return r;
}
