/* SPDX-License-Identifier: Apache-2.0
 * The door to librsync: who has an old content (the basis) describes it by a signature; who has the
 * new one makes a delta from signature and content; basis and delta give the new content.
 * Three kinds of job, each fed in pieces as they arrive; output goes to a callback in pieces.
 * The caller owns a job; one thread at a time per job.
 * Invariant: a job's memory depends on the number of blocks (DELTA_BLOCKS_MAX), never on how long
 * the content is or what the other side sends; after an error a job does nothing more.
 */
#ifndef REPLICATION_DELTA_H
#define REPLICATION_DELTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/crypto.h"
#include "core/err.h"

#define DELTA_BLOCKS_MAX    (1 << 18)
#define DELTA_BLOCK_MIN     256
#define DELTA_BLOCK_MAX     (1 << 20)
#define DELTA_BASIS_MAX     ((uint64_t)DELTA_BLOCKS_MAX * DELTA_BLOCK_MAX) /* 256 GiB */
#define DELTA_SIGNATURE_MAX (12 + DELTA_BLOCKS_MAX * 36)

/* Takes `size` bytes, at most 64 KiB. A negative result ends the job and is its error. */
typedef int delta_write_fn(void *arg, const void *data, size_t size);
/* As pread(2), a negative code on errors. */
typedef ssize_t delta_read_fn(void *arg, void *data, size_t size, uint64_t offset);

struct delta_job;

/* Fed with the basis; writes its signature. `basis_size` sets the block length; should the basis
 * turn out longer than that, it is cut off there (-EFBIG). -EFBIG above DELTA_BASIS_MAX. */
MUST_CHECK int delta_signature_begin(uint64_t basis_size, delta_write_fn *write, void *arg,
				     struct delta_job **ret);

/* Fed with the new content; writes the delta. The signature is not needed afterwards.
 * MA_ECORRUPT if it is none or breaks a limit. */
MUST_CHECK int delta_make_begin(const void *signature, size_t size, delta_write_fn *write,
				void *arg, struct delta_job **ret);

/* Fed with the delta; reads the basis and writes the new content. MA_ELIMIT at the first byte
 * beyond `max_size`. A delta that passes may still be for another basis: compare the hash. */
MUST_CHECK int delta_patch_begin(uint64_t max_size, delta_read_fn *read, void *read_arg,
				 delta_write_fn *write, void *arg, struct delta_job **ret);

/* The next piece of the input; `last` with the last one (which may be empty). */
MUST_CHECK int delta_feed(struct delta_job *job, const void *data, size_t size, bool last);

/* Feeds `size` bytes from `read`, or fewer if it has fewer, to the end. */
MUST_CHECK int delta_run(struct delta_job *job, delta_read_fn *read, void *arg, uint64_t size);

/* After the last piece: size and BLAKE2b of the content: of the basis for a signature, of the new
 * content for the two others. */
void delta_result(const struct delta_job *job, uint64_t *ret_size, uint8_t ret_hash[HASH_SIZE]);

/* NULL: nothing. */
void delta_free(struct delta_job *job);

#endif
