/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/kernel.h"

#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/ioctl.h>

/* Linux 6.16: every name known to the kernel is looked up again. Newer than Debian 12's headers. */
#define NOTICE_INC_EPOCH       8
#define NOTICE_INC_EPOCH_MINOR 44

/* Linux 6.9: files that the kernel reads by itself. Newer than these headers, too. */
#define INIT_PASSTHROUGH (UINT64_C(1) << 37)
#define OPEN_PASSTHROUGH (1u << 7)
/* Linux 6.14. */
#define INIT_OVER_IO_URING (UINT64_C(1) << 41)
/* The backing file must not lie in a file system of layers; one may lie over the mount. */
#define STACK_DEPTH 1

struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};
#define DEV_BACKING_OPEN  _IOW(FUSE_DEV_IOC_MAGIC, 1, struct backing_map)
#define DEV_BACKING_CLOSE _IOW(FUSE_DEV_IOC_MAGIC, 2, uint32_t)

/* setxattr without FUSE_SETXATTR_EXT: size and flags only. */
#define SHORT_SETXATTR 8

static void init_seen(struct kernel *kernel, const struct fuse_in_header *head,
		      const struct fuse_init_in *init)
{
	kernel->init_unique = head->unique;
	kernel->minor = init->minor;
	kernel->offered = init->flags;
	if (init->flags & FUSE_INIT_EXT)
		kernel->offered |= (uint64_t)init->flags2 << 32;
}

/* libfuse 3.14 knows only the short form of the request: gives it that, with the flag moved. */
static void setxattr_shorten(uint8_t *body, size_t size)
{
	struct fuse_setxattr_in in;

	memcpy(&in, body, sizeof(in));
	if (in.setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID)
		in.flags |= KERNEL_KILL_PRIV;
	memmove(body + SHORT_SETXATTR, body + sizeof(in), size - sizeof(in));
	memcpy(body, &in, SHORT_SETXATTR);
}

static size_t body_size_min(const struct kernel *kernel, uint32_t opcode)
{
	switch (opcode) {
	case FUSE_INIT:
		/* Before 7.36 the request ended before flags2. */
		return offsetof(struct fuse_init_in, flags2);
	case FUSE_WRITE:
		return sizeof(struct fuse_write_in);
	case FUSE_OPEN:
		return sizeof(struct fuse_open_in);
	case FUSE_CREATE:
		return sizeof(struct fuse_create_in);
	case FUSE_TMPFILE:
		return sizeof(struct fuse_create_in) + sizeof(KERNEL_NAMELESS);
	case FUSE_SETXATTR:
		return kernel->long_setxattr ? sizeof(struct fuse_setxattr_in) : SHORT_SETXATTR;
	default:
		return 0;
	}
}

int kernel_request(struct kernel *kernel, void *data, size_t size)
{
	struct fuse_in_header *head = data;

	if (size < sizeof(*head))
		return -EPROTO;
	void *body = head + 1;
	size_t body_size = size - sizeof(*head);

	if (body_size < body_size_min(kernel, head->opcode))
		return -EPROTO;
	if (head->opcode == FUSE_TMPFILE) {
		memcpy((uint8_t *)body + sizeof(struct fuse_create_in), KERNEL_NAMELESS,
		       sizeof(KERNEL_NAMELESS));
		head->opcode = FUSE_CREATE;
	}
	if (head->opcode == FUSE_WRITE) {
		struct fuse_write_in *in = body;

		if (in->write_flags & FUSE_WRITE_KILL_SUIDGID)
			in->flags |= KERNEL_KILL_PRIV;
	} else if (head->opcode == FUSE_OPEN) {
		struct fuse_open_in *in = body;

		if (in->open_flags & FUSE_OPEN_KILL_SUIDGID)
			in->flags |= KERNEL_KILL_PRIV;
	} else if (head->opcode == FUSE_CREATE) {
		struct fuse_create_in *in = body;

		if (in->open_flags & FUSE_OPEN_KILL_SUIDGID)
			in->flags |= KERNEL_KILL_PRIV;
	} else if (head->opcode == FUSE_SETXATTR && kernel->long_setxattr) {
		setxattr_shorten(body, body_size);
	} else if (head->opcode == FUSE_INIT) {
		init_seen(kernel, head, body);
	}
	return 0;
}

void kernel_reply(struct kernel *kernel, const struct iovec *parts, int count)
{
	const struct fuse_out_header *head = parts[0].iov_base;

	if (!kernel->init_unique || head->unique != kernel->init_unique)
		return;
	kernel->init_unique = 0;
	if (head->error || count < 2 || parts[1].iov_len < sizeof(struct fuse_init_out))
		return;
	struct fuse_init_out *out = parts[1].iov_base;

	/* Without killpriv the kernel asks for security.capability before each write; parallel
	 * calls in a directory are wanted by libfuse, too, but 3.14 forgets to say so. */
	out->flags |= (uint32_t)kernel->offered &
		      (FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | FUSE_PARALLEL_DIROPS);
	kernel->long_setxattr = out->flags & FUSE_SETXATTR_EXT;
	kernel->pass = kernel->want_pass && (kernel->offered & INIT_PASSTHROUGH);
	if (kernel->pass) {
		out->flags |= FUSE_INIT_EXT;
		out->flags2 |= (uint32_t)(INIT_PASSTHROUGH >> 32);
		out->unused[0] = STACK_DEPTH; /* max_stack_depth */
	}
	kernel->ring = kernel->want_ring && (kernel->offered & INIT_OVER_IO_URING);
	if (kernel->ring) {
		out->flags |= FUSE_INIT_EXT;
		out->flags2 |= (uint32_t)(INIT_OVER_IO_URING >> 32);
	}
}

void kernel_reply_pass(const struct iovec *parts, int count, int backing_id)
{
	const struct fuse_out_header *head = parts[0].iov_base;
	struct fuse_open_out out;

	if (head->error || count < 2 || parts[1].iov_len < sizeof(out))
		return;
	/* The end of both answers. */
	uint8_t *at = (uint8_t *)parts[1].iov_base + parts[1].iov_len - sizeof(out);

	memcpy(&out, at, sizeof(out));
	out.open_flags |= OPEN_PASSTHROUGH;
	out.padding = (uint32_t)backing_id;
	memcpy(at, &out, sizeof(out));
}

int kernel_backing_open(int fd, int file)
{
	struct backing_map map = {.fd = file};
	int id = ioctl(fd, DEV_BACKING_OPEN, &map);

	return id < 0 ? -errno : id;
}

void kernel_backing_close(int fd, int backing_id)
{
	uint32_t id = (uint32_t)backing_id;

	(void)ioctl(fd, DEV_BACKING_CLOSE, &id);
}

bool kernel_has_epoch(const struct kernel *kernel)
{
	return kernel->minor >= NOTICE_INC_EPOCH_MINOR;
}

static int notice(int fd, int code, struct iovec *parts, int count)
{
	struct fuse_out_header head = {.error = code, .len = sizeof(head)};

	parts[0] = (struct iovec){.iov_base = &head, .iov_len = sizeof(head)};
	for (int i = 1; i < count; i++)
		head.len += (uint32_t)parts[i].iov_len;
	return writev(fd, parts, count) < 0 ? -errno : 0;
}

int kernel_notice_inode(int fd, uint64_t id, bool attr_only)
{
	return kernel_notice_pages(fd, id, attr_only ? -1 : 0);
}

int kernel_notice_pages(int fd, uint64_t id, int64_t offset)
{
	struct fuse_notify_inval_inode_out out = {.ino = id, .off = offset};
	struct iovec parts[2] = {[1] = {.iov_base = &out, .iov_len = sizeof(out)}};

	return notice(fd, FUSE_NOTIFY_INVAL_INODE, parts, 2);
}

/* Not FUSE_EXPIRE_ONLY: an expired name is looked up without its directory being held, and the
 * answer could put it back in force behind the next notice. */
int kernel_notice_entry(int fd, uint64_t parent, const char *name)
{
	struct fuse_notify_inval_entry_out out = {
		.parent = parent,
		.namelen = (uint32_t)strlen(name),
	};
	struct iovec parts[3] = {
		[1] = {.iov_base = &out, .iov_len = sizeof(out)},
		[2] = {.iov_base = (void *)(uintptr_t)name, .iov_len = out.namelen + 1},
	};

	return notice(fd, FUSE_NOTIFY_INVAL_ENTRY, parts, 3);
}

int kernel_notice_epoch(int fd)
{
	struct iovec parts[1];

	return notice(fd, NOTICE_INC_EPOCH, parts, 1);
}
