/* SPDX-License-Identifier: Apache-2.0
 * How each open file is served: through pages that the kernel fills by asking (the page-cache way),
 * or from the backing file by the kernel itself (passthrough). See docs/decisions/0015-two-ways.md.
 * Owns the kernel's backing ids, one for each file while it is open in passthrough.
 * Any thread.
 * Invariant: a file's way is that of its first open until its last release, as the kernel demands.
 */
#ifndef FUSE_WAYS_H
#define FUSE_WAYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct ways;

struct way {
	int backing_id;  /* 0: the page-cache way */
	bool keep_pages; /* page cache: what the kernel has of the file is right */
	bool direct;     /* reads and writes come here; mappings do, too, but for passthrough */
	bool stores;     /* passthrough: mappings of it may be written, which nobody tells us */
};

/* The two calls of the kernel, or the test's. `backing_open`: an id > 0 or -errno. */
struct ways_kernel {
	void *arg;
	int (*backing_open)(void *arg, int fd);
	void (*backing_close)(void *arg, int id);
};

MUST_CHECK int ways_new(const struct ways_kernel *kernel, struct ways **ret);
/* The ids that are left go with the connection. */
void ways_free(struct ways *ways);

/* From here on, files that are opened for reading are passed through. */
void ways_pass(struct ways *ways);
/* Whether they are. */
bool ways_passing(const struct ways *ways);

/* An open of the object with this descriptor and these flags of open(2). */
MUST_CHECK int ways_open(struct ways *ways, uint64_t id, int fd, int flags, struct way *ret);
/* The release that belongs to it. */
void ways_close(struct ways *ways, uint64_t id);

#endif
