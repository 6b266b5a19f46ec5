/* SPDX-License-Identifier: Apache-2.0
 * The kernel's interface is used directly: one ring with one command under way needs no library.
 */
#include "fuse/ring.h"

#include <errno.h>
#include <linux/fuse.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/auto.h"

/* Newer than Debian 12's headers. */
#define CMD_REGISTER         1u
#define CMD_COMMIT_AND_FETCH 2u

struct place_state {
	uint64_t flags;
	uint64_t commit_id;
	uint32_t payload_size;
	uint32_t padding;
	uint64_t reserved;
};

struct place_head {
	char in_out[128]; /* the head of the request, then of the answer */
	char op_in[128];
	struct place_state state;
};

struct cmd_req {
	uint64_t flags;
	uint64_t commit_id;
	uint16_t queue;
	uint8_t padding[6];
};

/* A command of 128 bytes, with what it carries at its end. */
struct entry {
	struct io_uring_sqe sqe;
	char more[64];
};
#define CMD_AT 48u

struct ring {
	int fd;   /* of the ring */
	int fuse; /* the mount's */
	uint16_t queue;
	uint64_t commit_id;
	bool answered;
	size_t payload_size;
	uint8_t *payload; /* with room for heads in front */
	uint8_t *copy;
	struct place_head head;
	struct iovec buffers[2];
	/* Shared with the kernel. */
	void *rings;
	size_t rings_size;
	struct entry *entries;
	size_t entries_size;
	struct io_uring_params params;
};

#define HEADS 4096u /* in front of the payload, so that a request lies in one piece */

_Static_assert(sizeof(struct entry) == 128, "IORING_SETUP_SQE128");
_Static_assert(sizeof(struct place_head) == 288, "as the kernel has it");
_Static_assert(sizeof(struct fuse_in_header) + 128 <= HEADS, "room for heads");

static int setup(unsigned int count, struct io_uring_params *params)
{
	long fd = syscall(SYS_io_uring_setup, count, params);

	return fd < 0 ? -errno : (int)fd;
}

static int enter(const struct ring *ring, unsigned int submit, unsigned int wait)
{
	long n = syscall(SYS_io_uring_enter, ring->fd, submit, wait,
			 wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);

	return n < 0 ? -errno : (int)n;
}

/* "0-3,8-11" are eight. */
static unsigned int cpus_of(const char *list)
{
	unsigned int count = 0;

	while (*list >= '0' && *list <= '9') {
		char *end;
		unsigned long first = strtoul(list, &end, 10);
		unsigned long last = *end == '-' ? strtoul(end + 1, &end, 10) : first;

		if (last < first || last - first >= RING_QUEUES_MAX)
			return 0;
		count += (unsigned int)(last - first) + 1;
		list = *end == ',' ? end + 1 : end;
	}
	return count > RING_QUEUES_MAX ? 0 : count;
}

unsigned int ring_queues(void)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER |
						  IORING_SETUP_DEFER_TASKRUN};
	AUTO_CLOSE int fd = setup(1, &params);
	FILE *f = fd < 0 ? NULL : fopen("/sys/devices/system/cpu/possible", "re");
	char list[256] = "";

	if (!f)
		return 0;
	if (!fgets(list, sizeof(list), f))
		list[0] = '\0';
	(void)fclose(f);
	return cpus_of(list);
}

static int map_rings(struct ring *ring)
{
	const struct io_uring_params *p = &ring->params;
	size_t submit = p->sq_off.array + p->sq_entries * sizeof(uint32_t);
	size_t complete = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);

	if (!(p->features & IORING_FEAT_SINGLE_MMAP))
		return -ENOSYS;
	ring->rings_size = submit > complete ? submit : complete;
	ring->entries_size = p->sq_entries * sizeof(struct entry);
	void *rings = mmap(NULL, ring->rings_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			   IORING_OFF_SQ_RING);
	if (rings == MAP_FAILED)
		return -errno;
	ring->rings = rings;
	void *entries = mmap(NULL, ring->entries_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			     IORING_OFF_SQES);
	if (entries == MAP_FAILED)
		return -errno;
	ring->entries = entries;
	return 0;
}

int ring_new(int fd, unsigned int queue, size_t payload, void *copy, struct ring **ret)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int r = 0;

	if (!ring)
		return -ENOMEM;
	ring->fuse = fd;
	ring->queue = (uint16_t)queue;
	ring->copy = copy;
	ring->payload_size = payload;
	/* Disabled: the thread that serves it is to be its only one. */
	ring->params.flags = IORING_SETUP_SQE128 | IORING_SETUP_SINGLE_ISSUER |
			     IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED;
	ring->fd = setup(2, &ring->params);
	if (ring->fd < 0)
		r = ring->fd;
	if (r == 0)
		r = map_rings(ring);
	if (r == 0) {
		void *p = mmap(NULL, HEADS + payload, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			r = -errno;
		else
			ring->payload = (uint8_t *)p + HEADS;
	}
	if (r < 0) {
		ring_free(ring);
		return r;
	}
	*ret = ring;
	return 0;
}

void ring_free(struct ring *ring)
{
	if (!ring)
		return;
	if (ring->entries)
		(void)munmap(ring->entries, ring->entries_size);
	if (ring->rings)
		(void)munmap(ring->rings, ring->rings_size);
	if (ring->fd >= 0)
		(void)close(ring->fd);
	if (ring->payload)
		(void)munmap(ring->payload - HEADS, HEADS + ring->payload_size);
	free(ring);
}

static _Atomic uint32_t *shared(const struct ring *ring, uint32_t offset)
{
	return (_Atomic uint32_t *)((uint8_t *)ring->rings + offset);
}

/* Puts the one command into the ring. */
static int submit(struct ring *ring, uint32_t op)
{
	const struct io_sqring_offsets *off = &ring->params.sq_off;
	uint32_t mask = atomic_load_explicit(shared(ring, off->ring_mask), memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(shared(ring, off->tail), memory_order_relaxed);
	struct entry *entry = &ring->entries[tail & mask];
	struct cmd_req req = {.commit_id = ring->commit_id, .queue = ring->queue};

	memset(entry, 0, sizeof(*entry));
	entry->sqe.opcode = IORING_OP_URING_CMD;
	entry->sqe.fd = ring->fuse;
	entry->sqe.off = op; /* cmd_op */
	if (op == CMD_REGISTER) {
		entry->sqe.addr = (uintptr_t)ring->buffers;
		entry->sqe.len = 2;
	}
	memcpy((char *)entry + CMD_AT, &req, sizeof(req));
	atomic_store_explicit(shared(ring, off->array + (tail & mask) * 4), tail & mask,
			      memory_order_relaxed);
	atomic_store_explicit(shared(ring, off->tail), tail + 1, memory_order_release);
	int n;
	do {
		n = enter(ring, 1, 0);
	} while (n == -EINTR);
	return n < 0 ? n : 0;
}

int ring_start(struct ring *ring)
{
	if (syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
		return -errno;
	ring->answered = true;
	ring->buffers[0] = (struct iovec){.iov_base = &ring->head, .iov_len = sizeof(ring->head)};
	ring->buffers[1] = (struct iovec){.iov_base = ring->payload, .iov_len = ring->payload_size};
	return submit(ring, CMD_REGISTER);
}

/* One completion, if there is one: a request, or why there will be none. */
static bool completed(struct ring *ring, int *ret_code)
{
	const struct io_cqring_offsets *off = &ring->params.cq_off;
	uint32_t mask = atomic_load_explicit(shared(ring, off->ring_mask), memory_order_relaxed);
	uint32_t head = atomic_load_explicit(shared(ring, off->head), memory_order_relaxed);

	if (head == atomic_load_explicit(shared(ring, off->tail), memory_order_acquire))
		return false;
	const struct io_uring_cqe *cqe =
		(const struct io_uring_cqe *)((uint8_t *)ring->rings + off->cqes) + (head & mask);
	*ret_code = cqe->res;
	atomic_store_explicit(shared(ring, off->head), head + 1, memory_order_release);
	return true;
}

/* Head, arguments and data in one piece. What programs of the kernel's side may still overwrite
 * after the answer is copied away, but for the data of a write, which nobody looks at then. */
static int assemble(struct ring *ring, void **ret, size_t *ret_size)
{
	struct fuse_in_header in;
	size_t data = ring->head.state.payload_size;

	memcpy(&in, ring->head.in_out, sizeof(in));
	if (data > ring->payload_size || in.len < sizeof(in) + data ||
	    in.len - sizeof(in) - data > sizeof(ring->head.op_in))
		return -EPROTO;
	size_t args = in.len - sizeof(in) - data;
	uint8_t *to = in.opcode == FUSE_WRITE ? ring->payload - args - sizeof(in) : ring->copy;

	memcpy(to, &in, sizeof(in));
	memcpy(to + sizeof(in), ring->head.op_in, args);
	if (to == ring->copy)
		memcpy(to + sizeof(in) + args, ring->payload, data);
	ring->commit_id = ring->head.state.commit_id;
	ring->answered = false;
	*ret = to;
	*ret_size = in.len;
	return 0;
}

int ring_wait(struct ring *ring, void **ret, size_t *ret_size)
{
	int code = 0;

	while (!completed(ring, &code)) {
		int n = enter(ring, 0, 1);
		if (n < 0)
			return n;
	}
	return code < 0 ? code : assemble(ring, ret, ret_size);
}

int ring_answer(struct ring *ring, const struct iovec *parts, int count)
{
	size_t size = 0;

	if (ring->answered || count < 1 || parts[0].iov_len != sizeof(struct fuse_out_header))
		return -EINVAL;
	for (int i = 1; i < count; i++) {
		if (parts[i].iov_len > ring->payload_size - size)
			return -E2BIG;
		/* Nothing of the request is needed any more, wherever the answer lies. */
		if (parts[i].iov_base != ring->payload + size)
			memmove(ring->payload + size, parts[i].iov_base, parts[i].iov_len);
		size += parts[i].iov_len;
	}
	memcpy(ring->head.in_out, parts[0].iov_base, sizeof(struct fuse_out_header));
	ring->head.state.payload_size = (uint32_t)size;
	ring->answered = true;
	return submit(ring, CMD_COMMIT_AND_FETCH);
}

void *ring_room(struct ring *ring)
{
	return ring->payload;
}

bool ring_answered(const struct ring *ring)
{
	return ring->answered;
}

void ring_refuse(int fd)
{
	struct ring *ring = NULL;

	/* A place in a queue that can't be. */
	if (ring_new(fd, UINT16_MAX, FUSE_MIN_READ_BUFFER, NULL, &ring) == 0)
		(void)!ring_start(ring);
	ring_free(ring);
}
