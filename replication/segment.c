/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/segment.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The state of a hash in pieces has no stable size across library versions, so the header hides
 * it by default; it lives on the stack here and is never stored. */
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "core/auto.h"
#include "core/io.h"

#define SEGMENTS_MAX 65536
#define CLEAR_CHUNK  (1u << 20)

static const char magic[8] = "MAJRNL01";

void segment_path(const char *dir, uint64_t index, char *ret, size_t ret_size)
{
	(void)snprintf(ret, ret_size, "%s/%010llx.seg", dir, (unsigned long long)index);
}

static int compare_index(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int segment_list(const char *dir, uint64_t **ret, size_t *ret_count)
{
	DIR *d = opendir(dir);
	AUTO_FREE uint64_t *found = NULL;
	size_t count = 0;
	struct dirent *e;

	if (!d)
		return -errno;
	while ((e = readdir(d)) && count < SEGMENTS_MAX) {
		uint64_t index;
		char name[32];
		if (sscanf(e->d_name, "%10" SCNx64 ".seg", &index) != 1)
			continue;
		/* Exactly as we name them: copies that somebody keeps beside are none. */
		(void)snprintf(name, sizeof(name), "%010llx.seg", (unsigned long long)index);
		if (strcmp(name, e->d_name) != 0)
			continue;
		uint64_t *grown = realloc(found, sizeof(*found) * (count + 1));
		if (!grown) {
			(void)closedir(d);
			return -ENOMEM;
		}
		found = grown;
		found[count++] = index;
	}
	(void)closedir(d);
	if (count)
		qsort(found, count, sizeof(*found), compare_index);
	*ret = take_ptr(found);
	*ret_count = count;
	return 0;
}

bool segment_is_blank(const char *dir, uint64_t index)
{
	char path[4096];
	uint8_t head[JOURNAL_SEGMENT_HEAD];

	segment_path(dir, index, path, sizeof(path));
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : io_pread(fd, head, sizeof(head), 0);
	for (ssize_t i = 0; i < n; i++) {
		if (head[i])
			return false;
	}
	return n >= 0;
}

int segment_write_head(struct segment *s, uint64_t pool, size_t size)
{
	uint8_t head[JOURNAL_SEGMENT_HEAD] = {0};
	struct wr w = wr_init(head, sizeof(head));

	wr_bytes(&w, magic, sizeof(magic));
	wr_u64(&w, 0); /* checksum, below */
	wr_u64(&w, pool);
	wr_u64(&w, s->index);
	wr_u64(&w, size);
	wr_u64(&w, s->salt);
	wr_u64(&w, s->open_from);
	wr_u64(&w, s->open_last);
	vector_write(&w, &s->start);
	assert(!w.failed);
	struct wr sum = wr_init(head + sizeof(magic), 8);
	wr_u64(&sum, XXH3_64bits(head + 16, sizeof(head) - 16));
	return io_pwrite(s->fd, head, sizeof(head), 0);
}

int segment_create(const char *dir, uint64_t pool, uint64_t index, size_t size,
		   const char *recycled, struct segment *ret)
{
	char path[4096];

	segment_path(dir, index, path, sizeof(path));
	bool again = recycled && rename(recycled, path) == 0;
	if (recycled && !again && errno != ENOENT)
		return -errno;
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fallocate(fd, 0, 0, (off_t)size) < 0 &&
	    (errno != EOPNOTSUPP || ftruncate(fd, (off_t)size) < 0)) {
		int code = -errno;
		(void)unlink(path);
		return code;
	}
	struct segment s = {
		.index = index, .fd = fd, .written = again ? size : JOURNAL_SEGMENT_HEAD};
	random_bytes(&s.salt, sizeof(s.salt));
	int r = segment_write_head(&s, pool, size);
	if (r == 0)
		r = dir_sync_parent(path);
	if (r < 0) {
		(void)unlink(path);
		return r;
	}
	(void)take_fd(&fd);
	*ret = s;
	return 0;
}

int segment_open(const char *dir, uint64_t pool, uint64_t index, size_t size, struct segment *ret)
{
	char path[4096];
	uint8_t head[JOURNAL_SEGMENT_HEAD];

	segment_path(dir, index, path, sizeof(path));
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = io_pread(fd, head, sizeof(head), 0);
	if (n < 0)
		return (int)n;
	if ((size_t)n != sizeof(head) || memcmp(head, magic, sizeof(magic)) != 0)
		return MA_ECORRUPT;
	struct rd r = rd_init(head + sizeof(magic), sizeof(head) - sizeof(magic));
	if (rd_u64(&r) != XXH3_64bits(head + 16, sizeof(head) - 16))
		return MA_ECORRUPT;
	if (rd_u64(&r) != pool || rd_u64(&r) != index || rd_u64(&r) != size)
		return MA_ECORRUPT;
	ret->salt = rd_u64(&r);
	ret->open_from = rd_u64(&r);
	ret->open_last = rd_u64(&r);
	vector_read(&r, &ret->start);
	if (r.failed)
		return MA_ECORRUPT;
	ret->index = index;
	ret->written = size; /* all before its end, which segment_clear_from() says */
	ret->fd = take_fd(&fd);
	return 0;
}

/* The payload's checksum, made to depend on kind, size, place and life of the segment. */
static uint64_t frame_seed(const struct segment *s, uint64_t pos, enum journal_kind kind,
			   uint32_t size)
{
	return s->salt ^ pos * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)kind << 56 ^ size;
}

int segment_prepare(struct segment *s, size_t end, size_t segment_size)
{
	if (end <= s->written)
		return 0;
	size_t upto = (end / SEGMENT_AHEAD + 1) * SEGMENT_AHEAD;
	if (upto > segment_size)
		upto = segment_size;
	AUTO_FREE uint8_t *zeros = calloc(1, upto - s->written);
	int r = zeros ? io_pwrite(s->fd, zeros, upto - s->written, (off_t)s->written) : -ENOMEM;
	if (r == 0)
		s->written = upto;
	return r;
}

int segment_put(const struct segment *s, off_t offset, uint64_t pos, enum journal_kind kind,
		const struct iovec *parts, int count)
{
	uint8_t head[JOURNAL_FRAME_HEAD];
	struct iovec all[4] = {{.iov_base = head, .iov_len = sizeof(head)}};
	size_t size = 0;

	assert(count >= 1 && count <= 3);
	for (int i = 0; i < count; i++) {
		all[i + 1] = parts[i];
		size += parts[i].iov_len;
	}
	uint64_t seed = frame_seed(s, pos, kind, (uint32_t)size);
	uint64_t check;
	if (count == 1) {
		check = XXH3_64bits_withSeed(parts[0].iov_base, parts[0].iov_len, seed);
	} else {
		XXH3_state_t state;
		/* Else a seed left on the stack by an earlier call would pass for this state's own.
		 */
		XXH3_INITSTATE(&state);
		(void)XXH3_64bits_reset_withSeed(&state, seed);
		for (int i = 0; i < count; i++)
			(void)XXH3_64bits_update(&state, parts[i].iov_base, parts[i].iov_len);
		check = XXH3_64bits_digest(&state);
	}
	struct wr w = wr_init(head, sizeof(head));
	wr_u32(&w, (uint32_t)size);
	wr_u32(&w, kind);
	wr_u64(&w, check);
	return io_pwritev(s->fd, all, count + 1, offset);
}

static int reader_reserve(struct journal_reader *reader, size_t size)
{
	if (reader->capacity >= size)
		return 0;
	uint8_t *grown = realloc(reader->buffer, size);
	if (!grown)
		return -ENOMEM;
	reader->buffer = grown;
	reader->capacity = size;
	return 0;
}

int segment_get(const struct segment *s, off_t offset, uint64_t pos, size_t segment_size,
		struct journal_reader *reader, struct journal_frame *ret)
{
	const size_t guess = 16384; /* most frames come with their head in one read */
	size_t room = segment_size - (size_t)offset;

	if (room < JOURNAL_FRAME_HEAD)
		return 0;
	int r = reader_reserve(reader, guess);
	if (r < 0)
		return r;
	ssize_t n = io_pread(s->fd, reader->buffer, room < guess ? room : guess, offset);
	if (n < JOURNAL_FRAME_HEAD)
		return n < 0 ? (int)n : 0;
	struct rd rd = rd_init(reader->buffer, JOURNAL_FRAME_HEAD);
	uint32_t size = rd_u32(&rd);
	uint32_t kind = rd_u32(&rd);
	uint64_t check = rd_u64(&rd);
	if (kind < JOURNAL_OWN || kind > JOURNAL_PAD || size > room - JOURNAL_FRAME_HEAD)
		return 0;
	size_t whole = JOURNAL_FRAME_HEAD + size;
	if (whole > (size_t)n) {
		r = reader_reserve(reader, whole);
		if (r < 0)
			return r;
		ssize_t more = io_pread(s->fd, reader->buffer + n, whole - (size_t)n, offset + n);
		if (more < 0)
			return (int)more;
		if ((size_t)more != whole - (size_t)n)
			return 0;
	}
	const uint8_t *payload = reader->buffer + JOURNAL_FRAME_HEAD;
	if (check != XXH3_64bits_withSeed(payload, size, frame_seed(s, pos, kind, size)))
		return 0;
	*ret = (struct journal_frame){
		.kind = kind, .pos = pos, .next = pos + whole, .payload = payload, .size = size};
	return 1;
}

int segment_clear_from(struct segment *s, off_t offset, size_t segment_size)
{
	off_t end = (off_t)segment_size;

	if (offset >= end)
		return 0;
	s->written = (size_t)offset;
	if (fallocate(s->fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, offset, end - offset) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return -errno;
	/* Some file systems can only be told so byte by byte. */
	AUTO_FREE uint8_t *zeros = calloc(1, CLEAR_CHUNK);
	int r = zeros ? 0 : -ENOMEM;
	while (r == 0 && offset < end) {
		size_t size = end - offset > CLEAR_CHUNK ? CLEAR_CHUNK : (size_t)(end - offset);
		r = io_pwrite(s->fd, zeros, size, offset);
		offset += (off_t)size;
	}
	return r;
}
