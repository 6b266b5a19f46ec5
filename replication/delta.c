/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/delta.h"

#include <assert.h>
#include <errno.h>
#include <librsync.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"

#define OUT_SIZE  65536
#define RUN_SIZE  262144
#define HEAD_SIZE 12 /* of a signature: magic, block length, length of a strong sum */
#define SUM_SIZE  (4 + RS_MAX_STRONG_SUM_LENGTH)

_Static_assert(SUM_SIZE == 36, "DELTA_SIGNATURE_MAX");

enum kind { KIND_SIGNATURE, KIND_MAKE, KIND_PATCH };

struct delta_job {
	struct hasher hasher;
	enum kind kind;
	rs_job_t *rs;
	rs_signature_t *sums; /* make */
	delta_write_fn *write;
	void *write_arg;
	delta_read_fn *read; /* patch */
	void *read_arg;
	int read_error; /* librsync hands on its own codes only */
	uint64_t size;
	uint64_t max_size;
	bool done;  /* the output is complete */
	bool ended; /* the input too */
	int failed;
	uint8_t hash[HASH_SIZE];
	char out[OUT_SIZE];
};

static int code_of(rs_result result)
{
	switch (result) {
	case RS_DONE:
		return 0;
	case RS_MEM_ERROR:
		return -ENOMEM;
	case RS_IO_ERROR:
		return -EIO;
	default:
		return MA_ECORRUPT;
	}
}

static void no_trace(rs_loglevel level, const char *text)
{
	(void)level;
	(void)text;
}

/* The library prints what it finds wrong in a stream; that is the sender's affair, not the log's.
 */
static void quiet(void)
{
	rs_trace_to(no_trace);
	rs_trace_set_level(RS_LOG_EMERG);
}

static struct delta_job *job_new(enum kind kind, delta_write_fn *write, void *arg)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct delta_job *job = aligned_alloc(_Alignof(struct delta_job), sizeof(*job));

	(void)pthread_once(&once, quiet);
	if (!job)
		return NULL;
	memset(job, 0, offsetof(struct delta_job, out));
	job->kind = kind;
	job->write = write;
	job->write_arg = arg;
	job->max_size = UINT64_MAX;
	hasher_init(&job->hasher);
	return job;
}

void delta_free(struct delta_job *job)
{
	if (!job)
		return;
	if (job->rs)
		(void)rs_job_free(job->rs);
	if (job->sums)
		rs_free_sumset(job->sums);
	free(job);
}

static void job_free_(struct delta_job **job)
{
	delta_free(*job);
}

#define AUTO_JOB __attribute__((cleanup(job_free_)))

/* The library's choice, about the square root; longer where there would be too many blocks. */
static int block_size(uint64_t basis_size, size_t *ret)
{
	rs_magic_number magic = RS_RK_BLAKE2_SIG_MAGIC;
	size_t block = 0;
	size_t strong = 0;

	if (basis_size > DELTA_BASIS_MAX)
		return -EFBIG;
	if (rs_sig_args((rs_long_t)basis_size, &magic, &block, &strong) != RS_DONE)
		return -EINVAL;
	size_t least = (size_t)((basis_size + DELTA_BLOCKS_MAX - 1) / DELTA_BLOCKS_MAX);
	if (block < least)
		block = least;
	if (block < DELTA_BLOCK_MIN)
		block = DELTA_BLOCK_MIN;
	assert(block <= DELTA_BLOCK_MAX && strong == RS_MAX_STRONG_SUM_LENGTH);
	*ret = block;
	return 0;
}

int delta_signature_begin(uint64_t basis_size, delta_write_fn *write, void *arg,
			  struct delta_job **ret)
{
	size_t block = 0;
	int r = block_size(basis_size, &block);

	if (r < 0)
		return r;
	AUTO_JOB struct delta_job *job = job_new(KIND_SIGNATURE, write, arg);
	if (!job)
		return -ENOMEM;
	job->max_size = basis_size;
	job->rs = rs_sig_begin(block, RS_MAX_STRONG_SUM_LENGTH, RS_RK_BLAKE2_SIG_MAGIC);
	if (!job->rs)
		return -ENOMEM;
	*ret = take_ptr(job);
	return 0;
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* The library would allocate whatever block length it finds there. */
static bool signature_valid_head(const uint8_t *data, size_t size)
{
	if (size < HEAD_SIZE || size > DELTA_SIGNATURE_MAX || (size - HEAD_SIZE) % SUM_SIZE != 0)
		return false;
	uint32_t block = be32(data + 4);
	return be32(data) == RS_RK_BLAKE2_SIG_MAGIC && block >= DELTA_BLOCK_MIN &&
	       block <= DELTA_BLOCK_MAX && be32(data + 8) == RS_MAX_STRONG_SUM_LENGTH;
}

static int load_signature(const void *signature, size_t size, rs_signature_t **ret)
{
	rs_buffers_t buffers = {
		.next_in = (char *)(uintptr_t)signature, .avail_in = size, .eof_in = 1};
	rs_job_t *load = rs_loadsig_begin(ret);

	if (!load)
		return -ENOMEM;
	rs_result result = rs_job_iter(load, &buffers);
	(void)rs_job_free(load);
	if (result == RS_BLOCKED || (result == RS_DONE && !*ret))
		return MA_ECORRUPT;
	if (result == RS_DONE)
		result = rs_build_hash_table(*ret);
	return code_of(result);
}

int delta_make_begin(const void *signature, size_t size, delta_write_fn *write, void *arg,
		     struct delta_job **ret)
{
	if (!signature_valid_head(signature, size))
		return MA_ECORRUPT;
	AUTO_JOB struct delta_job *job = job_new(KIND_MAKE, write, arg);
	if (!job)
		return -ENOMEM;
	int r = load_signature(signature, size, &job->sums);
	if (r < 0)
		return r;
	job->rs = rs_delta_begin(job->sums);
	if (!job->rs)
		return -ENOMEM;
	*ret = take_ptr(job);
	return 0;
}

/* A copy command may name any place: what the basis does not have ends the job. */
static rs_result basis_read(void *arg, rs_long_t at, size_t *len, void **buf)
{
	struct delta_job *job = arg;

	if (at < 0)
		return RS_CORRUPT;
	ssize_t n = job->read(job->read_arg, *buf, *len, (uint64_t)at);
	if (n < 0) {
		job->read_error = (int)n;
		return RS_IO_ERROR;
	}
	if (n == 0)
		return RS_INPUT_ENDED;
	assert((size_t)n <= *len);
	*len = (size_t)n;
	return RS_DONE;
}

int delta_patch_begin(uint64_t max_size, delta_read_fn *read, void *read_arg, delta_write_fn *write,
		      void *arg, struct delta_job **ret)
{
	AUTO_JOB struct delta_job *job = job_new(KIND_PATCH, write, arg);

	if (!job)
		return -ENOMEM;
	job->max_size = max_size;
	job->read = read;
	job->read_arg = read_arg;
	job->rs = rs_patch_begin(basis_read, job);
	if (!job->rs)
		return -ENOMEM;
	*ret = take_ptr(job);
	return 0;
}

/* Content passes: the input of two kinds, the output of the third. */
static int count_content(struct delta_job *job, const void *data, size_t size)
{
	if (size > job->max_size - job->size)
		return job->kind == KIND_PATCH ? MA_ELIMIT : -EFBIG;
	job->size += size;
	if (size)
		hasher_add(&job->hasher, data, size);
	return 0;
}

static int emit(struct delta_job *job, size_t size)
{
	int r = 0;

	if (size == 0)
		return 0;
	if (job->kind == KIND_PATCH)
		r = count_content(job, job->out, size);
	return r < 0 ? r : job->write(job->write_arg, job->out, size);
}

static int pump(struct delta_job *job, const void *data, size_t size, bool last)
{
	rs_buffers_t buffers = {
		.next_in = (char *)(uintptr_t)data, .avail_in = size, .eof_in = last};

	for (;;) {
		size_t before = buffers.avail_in;
		buffers.next_out = job->out;
		buffers.avail_out = OUT_SIZE;
		rs_result result = rs_job_iter(job->rs, &buffers);
		size_t made = OUT_SIZE - buffers.avail_out;
		if (result != RS_DONE && result != RS_BLOCKED)
			return job->read_error < 0 ? job->read_error : code_of(result);
		int r = emit(job, made);
		if (r < 0)
			return r;
		if (result == RS_DONE) {
			job->done = true;
			return buffers.avail_in > 0 ? MA_ECORRUPT : 0;
		}
		if (made == 0 && buffers.avail_in == before)
			return last || before > 0 ? MA_ECORRUPT : 0; /* waits for more */
	}
}

int delta_feed(struct delta_job *job, const void *data, size_t size, bool last)
{
	int r = job->failed;

	assert(!job->ended);
	if (r == 0 && job->kind != KIND_PATCH)
		r = count_content(job, data, size);
	if (r == 0 && job->done && size > 0)
		r = MA_ECORRUPT; /* something behind the end of a delta */
	if (r == 0 && !job->done)
		r = pump(job, data, size, last);
	if (r == 0 && last) {
		hasher_done(&job->hasher, job->hash);
		job->ended = true;
	}
	if (r < 0)
		job->failed = r;
	return r;
}

int delta_run(struct delta_job *job, delta_read_fn *read, void *arg, uint64_t size)
{
	AUTO_FREE uint8_t *buf = malloc(RUN_SIZE);
	uint64_t done = 0;
	bool last = false;

	if (!buf)
		return -ENOMEM;
	while (!last) {
		size_t part = size - done < RUN_SIZE ? (size_t)(size - done) : RUN_SIZE;
		ssize_t n = part ? read(arg, buf, part, done) : 0;
		if (n < 0)
			return (int)n;
		done += (uint64_t)n;
		last = n == 0 || done == size;
		int r = delta_feed(job, buf, (size_t)n, last);
		if (r < 0)
			return r;
	}
	return 0;
}

void delta_result(const struct delta_job *job, uint64_t *ret_size, uint8_t ret_hash[HASH_SIZE])
{
	assert(job->ended);
	*ret_size = job->size;
	memcpy(ret_hash, job->hash, HASH_SIZE);
}
