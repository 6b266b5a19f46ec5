/* SPDX-License-Identifier: Apache-2.0
 * Files of our own state: whole reads and writes, atomic replacement, directories.
 * Callers own descriptors and returned memory (free()).
 * Any thread; calls block. Errors are -errno.
 * Invariant: file_replace() leaves the old or the new content, never a mixture.
 */
#ifndef CORE_IO_H
#define CORE_IO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/err.h"

/* Reads `size` bytes at `offset`, retrying short reads. Returns how many; fewer only at the end. */
MUST_CHECK ssize_t io_pread(int fd, void *buf, size_t size, off_t offset);

/* Writes all of it at `offset`, retrying short writes. */
MUST_CHECK int io_pwrite(int fd, const void *buf, size_t size, off_t offset);

/* Writes `count` (at most 8) buffers at `offset` as one stretch, retrying short writes. */
MUST_CHECK int io_pwritev(int fd, const struct iovec *parts, int count, off_t offset);

/* Reads a file of at most `max` bytes into new memory, with a zero byte behind it. */
MUST_CHECK int file_read(const char *path, size_t max, uint8_t **ret_data, size_t *ret_size);

/* Writes a new file beside `path`, syncs it, renames it over `path`, syncs the directory. */
MUST_CHECK int file_replace(const char *path, const void *data, size_t size, mode_t mode);

/* Makes a directory and its parents; existing ones are left as they are. */
MUST_CHECK int dir_make(const char *path, mode_t mode);

/* fsync of the directory that holds `path`. */
MUST_CHECK int dir_sync_parent(const char *path);

/* "a/b" into new memory; NULL when memory is short. */
char *path_join(const char *a, const char *b);

#endif
