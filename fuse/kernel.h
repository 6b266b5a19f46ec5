/* SPDX-License-Identifier: Apache-2.0
 * What libfuse 3.14 leaves out of the kernel's protocol: flags of requests, bits of INIT, notices.
 * Owns nothing; works on buffers and descriptors of the server.
 * kernel_request() and kernel_reply() from the thread that has the request; notices from any
 * thread. Invariant: libfuse sees only what it understands; the kernel sees only what it offered.
 */
#ifndef FUSE_KERNEL_H
#define FUSE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "core/err.h"

/* In fuse_file_info.flags of write, open and create, and in the flags of setxattr: the caller has
 * no right to keep setuid and setgid. A bit that open(2) does not use. */
#define KERNEL_KILL_PRIV (1 << 30)

/* The name with which O_TMPFILE, which libfuse 3.14 does not know, comes to it as CREATE. */
#define KERNEL_NAMELESS "/"

struct kernel {
	bool want_ring;       /* io_uring is to carry the requests, if the kernel can */
	bool want_pass;       /* files are to be passed through, if the kernel can */
	uint64_t init_unique; /* the INIT request under way; 0: none */
	uint64_t offered;     /* INIT flags of the kernel */
	uint32_t minor;       /* protocol of the kernel */
	bool long_setxattr;
	bool pass; /* this and the next: it was agreed on */
	bool ring;
};

/* Before libfuse gets it: moves what it ignores to where it looks. -EPROTO if too short. */
MUST_CHECK int kernel_request(struct kernel *kernel, void *data, size_t size);

/* Before the kernel gets it: completes the answer to INIT. */
void kernel_reply(struct kernel *kernel, const struct iovec *parts, int count);

/* Completes the answer to OPEN or CREATE: the file is passed through under this id. */
void kernel_reply_pass(const struct iovec *parts, int count, int backing_id);
/* Makes and ends such an id; `fd` is the mount's, `file` of a regular file. An id > 0 or -errno. */
int kernel_backing_open(int fd, int file);
void kernel_backing_close(int fd, int backing_id);

/* The kernel can forget all names at once (Linux 6.16). */
bool kernel_has_epoch(const struct kernel *kernel);

/* Notices to the kernel; -ENOENT if it knows no such thing. They can wait for requests under way:
 * never from a thread that serves requests, but for `attr_only`, which waits for nothing. */
int kernel_notice_inode(int fd, uint64_t id, bool attr_only);
/* Pages from `offset` on. What programs have stored to them is written before it returns, by
 * requests that other threads have to serve. */
int kernel_notice_pages(int fd, uint64_t id, int64_t offset);
int kernel_notice_entry(int fd, uint64_t parent, const char *name);
int kernel_notice_epoch(int fd);

#endif
