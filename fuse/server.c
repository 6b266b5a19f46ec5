/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/server.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/clock.h"
#include "core/log.h"
#include "fuse/ops.h"
#include "fuse/ring.h"

/* Room that libfuse keeps for headers in front of a write's data. */
#define REQUEST_HEAD 4096u
#define REQUEST_SIZE (SERVER_REQUEST_MAX + REQUEST_HEAD)
#define STACK_SIZE   (256u << 10)

/* Ends a thread's waiting for requests. Ignored by default, so that a stray one does no harm. */
#define SIGNAL_WAKE  SIGURG
#define WAKE_WAIT_NS 2000000

/* Of users, which the thread is bound by just now. A new thread has what its maker had. */
enum limits { LIMITS_UNKNOWN, LIMITS_NONE, LIMITS_USER };

struct worker {
	struct server *server;
	struct worker *next;
	pthread_t thread;
	int fd;              /* the answers must leave where the request came in */
	void *request;       /* REQUEST_SIZE */
	char *scratch;       /* SERVER_REQUEST_MAX, made when first needed */
	int backing_id;      /* for the next answer; 0: none */
	struct ring *ring;   /* NULL: it reads from the device */
	struct queue *queue; /* of the ring */
	bool writing;        /* it serves a write from the ring, whose data are where answers go */
	atomic_bool reading;
	enum limits limits;
};

/* The kernel's queue of one processor, with the threads that take from it. */
struct queue {
	unsigned int number;
	atomic_uint idle;
	atomic_uint count;
};

struct server {
	struct fuse_session *session;
	int fd;
	pthread_key_t current; /* the calling thread's worker */
	struct kernel kernel;
	atomic_bool gone;
	atomic_bool stopping;
	atomic_uint idle;
	pthread_mutex_t workers_lock;
	struct worker *workers; /* running */
	struct worker *ended;   /* to be joined */
	atomic_uint count;
	_Atomic uint64_t grown_ms; /* when one was too few the last time */
	struct queue *queues;      /* NULL: no io_uring */
	unsigned int queue_count;
	atomic_uint ring_count; /* threads of all queues */
};

static void buffers_free(struct worker *worker)
{
	void *request = take_ptr(worker->request);
	void *scratch = take_ptr(worker->scratch);

	if (request)
		(void)munmap(request, REQUEST_SIZE);
	if (scratch)
		(void)munmap(scratch, SERVER_REQUEST_MAX);
}

static void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	ring_free(worker->ring);
	if (worker->fd >= 0)
		(void)close(worker->fd);
	buffers_free(worker);
	free(worker);
}

/* Memory that costs nothing until it is used, and is given back whole. */
static void *pages_new(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* A descriptor of its own: the kernel then keeps a list of requests for each thread. */
static int device_clone(const struct server *server, int *ret)
{
	uint32_t from = (uint32_t)server->fd;

	*ret = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	return *ret < 0 || ioctl(*ret, FUSE_DEV_IOC_CLONE, &from) != 0 ? -errno : 0;
}

/* `queue` NULL: reads from the device. */
static int worker_new(struct server *server, struct queue *queue, struct worker **ret)
{
	struct worker *worker = calloc(1, sizeof(*worker));

	if (!worker)
		return -ENOMEM;
	worker->server = server;
	worker->fd = -1;
	worker->queue = queue;
	worker->request = pages_new(REQUEST_SIZE);
	int code = worker->request ? 0 : -ENOMEM;
	if (code == 0 && queue)
		code = ring_new(server->fd, queue->number, SERVER_REQUEST_MAX, worker->request,
				&worker->ring);
	else if (code == 0)
		code = device_clone(server, &worker->fd);
	if (code) {
		worker_free(worker);
		return code;
	}
	*ret = worker;
	return 0;
}

/* What is done for a user is bound by the user's quota, from which root, that is the daemon, is
 * exempt. A capability of the calling thread alone; changed only when it has to be. */
static void limits_set(struct worker *worker, const void *request)
{
	const struct fuse_in_header *head = request;
	struct __user_cap_header_struct self = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	enum limits wanted = head->uid == 0 ? LIMITS_NONE : LIMITS_USER;

	if (worker->limits == wanted || syscall(SYS_capget, &self, caps) != 0)
		return;
	uint32_t *effective = &caps[CAP_TO_INDEX(CAP_SYS_RESOURCE)].effective;
	uint32_t bit = CAP_TO_MASK(CAP_SYS_RESOURCE);

	*effective &= ~bit;
	if (wanted == LIMITS_NONE)
		*effective |= caps[CAP_TO_INDEX(CAP_SYS_RESOURCE)].permitted & bit;
	if (syscall(SYS_capset, &self, caps) == 0)
		worker->limits = wanted;
}

static void request_serve(struct server *server, void *request, size_t size)
{
	struct fuse_buf buf = {.mem = request, .size = size};

	if (kernel_request(&server->kernel, request, size) != 0) {
		log_error("fuse: the kernel sent a request of %zu bytes that is too short", size);
		return;
	}
	fuse_session_process_buf(server->session, &buf);
}

static void *worker_run(void *arg);
static void *ring_run(void *arg);

static void workers_free(struct worker *worker)
{
	while (worker) {
		struct worker *next = worker->next;

		worker_free(worker);
		worker = next;
	}
}

/* The threads that ended by themselves. */
static void ended_join(struct worker *ended)
{
	for (const struct worker *w = ended; w; w = w->next)
		(void)pthread_join(w->thread, NULL);
	workers_free(ended);
}

static void on_wake(int number)
{
	(void)number; /* that it came is enough: read(2) returns EINTR */
}

/* Signals go to the threads that the main file chose for them, but for ours. */
static int thread_start(struct worker *worker)
{
	pthread_attr_t attr;
	sigset_t all;
	sigset_t old;

	if (pthread_attr_init(&attr) != 0)
		return -ENOMEM;
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGNAL_WAKE);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	int code = pthread_create(&worker->thread, &attr, worker->ring ? ring_run : worker_run,
				  worker);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	(void)pthread_attr_destroy(&attr);
	return -code;
}

/* One for each queue must be; beyond, together no more than read from the device. */
static bool may_grow(const struct server *server, const struct queue *queue)
{
	if (!queue)
		return server->count < SERVER_THREADS_MAX;
	return queue->count == 0 || (queue->count < SERVER_RING_MAX &&
				     server->ring_count < server->queue_count + SERVER_THREADS_MAX);
}

static int server_grow(struct server *server, struct queue *queue)
{
	struct worker *worker = NULL;
	struct worker *ended;
	atomic_uint *count = queue ? &queue->count : &server->count;
	int code = worker_new(server, queue, &worker);

	if (code)
		return code;
	{
		AUTO_LOCK(guard, &server->workers_lock);
		ended = take_ptr(server->ended);
		code = -EAGAIN;
		if (!server->stopping && may_grow(server, queue))
			code = thread_start(worker);
		if (code == 0) {
			worker->next = server->workers;
			server->workers = worker;
			++*count;
			server->ring_count += queue != NULL;
			server->grown_ms = clock_boot_ms();
		}
	}
	if (code)
		worker_free(worker);
	ended_join(ended);
	return code;
}

/* To make a thread costs more than to serve a call: what was wanted a moment ago stays a while. */
static bool one_too_many(const struct server *server)
{
	return server->idle >= SERVER_IDLE_MAX &&
	       clock_boot_ms() - server->grown_ms >= SERVER_IDLE_MS;
}

/* True if the thread is one too many and now stands among the ended. */
static bool worker_retire(struct worker *worker, bool always)
{
	struct server *server = worker->server;

	if (!always && !one_too_many(server))
		return false;
	AUTO_LOCK(guard, &server->workers_lock);
	if (server->stopping)
		return true; /* server_stop() joins what stands among the running */
	struct worker **at = &server->workers;
	while (*at != worker)
		at = &(*at)->next;
	*at = worker->next;
	worker->next = server->ended;
	server->ended = worker;
	server->count--;
	return true;
}

static bool read_is_final(struct server *server, int code)
{
	/* ENOENT: the caller was interrupted before its request could be read. */
	if (code == -EINTR || code == -EAGAIN || code == -ENOENT)
		return false;
	if (code != -ENODEV && code != -ECONNABORTED)
		log_error("fuse: can't read from /dev/fuse: %s", err_text(code));
	server->gone = true;
	return true;
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	struct server *server = worker->server;

	(void)pthread_setname_np(pthread_self(), "fuse");
	(void)pthread_setspecific(server->current, worker);
	for (;;) {
		server->idle++;
		worker->reading = true;
		ssize_t n = read(worker->fd, worker->request, REQUEST_SIZE);
		int code = n < 0 ? -errno : 0;
		worker->reading = false;
		bool last = atomic_fetch_sub(&server->idle, 1) == 1;

		if (server->stopping || (code && read_is_final(server, code))) {
			(void)worker_retire(worker, true);
			return NULL;
		}
		if (code && worker_retire(worker, false))
			break; /* server_shrink() */
		if (code)
			continue;
		/* A call may take long (fsync): someone must be left to take the next one. */
		if (last && may_grow(server, NULL))
			(void)server_grow(server, NULL);
		if ((size_t)n >= sizeof(struct fuse_in_header))
			limits_set(worker, worker->request);
		request_serve(server, worker->request, (size_t)n);
		if (server->stopping || worker_retire(worker, false))
			break;
	}
	/* Who joins it, and frees the rest, comes when another thread is needed. */
	buffers_free(worker);
	return NULL;
}

/* A request that got no answer would keep its place for ever. */
static void ring_serve(struct worker *worker, void *request, size_t size)
{
	const struct fuse_in_header *in = request;
	struct fuse_out_header out = {.len = sizeof(out), .error = -EIO, .unique = in->unique};
	const struct iovec part = {.iov_base = &out, .iov_len = sizeof(out)};

	worker->writing = in->opcode == FUSE_WRITE;
	limits_set(worker, request);
	request_serve(worker->server, request, size);
	if (!ring_answered(worker->ring) && ring_answer(worker->ring, &part, 1) < 0)
		log_debug("fuse: a request over io_uring could not be answered");
}

/* Where the callers of this queue run: handing over to another processor costs more than the wait
 * for this one. */
static void thread_pin(const struct queue *queue)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(queue->number, &set);
	(void)sched_setaffinity(0, sizeof(set), &set); /* it may not be ours to run on */
}

static void *ring_run(void *arg)
{
	struct worker *worker = arg;
	struct server *server = worker->server;
	struct queue *queue = worker->queue;
	int code = ring_start(worker->ring);

	(void)pthread_setname_np(pthread_self(), "fuse-ring");
	thread_pin(queue);
	(void)pthread_setspecific(server->current, worker);
	while (code == 0 && !server->stopping) {
		void *request;
		size_t size;

		queue->idle++;
		worker->reading = true;
		code = ring_wait(worker->ring, &request, &size);
		worker->reading = false;
		bool last = atomic_fetch_sub(&queue->idle, 1) == 1;
		if (code == -EINTR) {
			code = 0;
			continue;
		}
		if (code)
			break;
		if (last && may_grow(server, queue))
			(void)server_grow(server, queue);
		ring_serve(worker, request, size);
	}
	if (code && code != -ENOTCONN && code != -ECONNABORTED && code != -ECANCELED)
		log_error("fuse: can't serve requests over io_uring: %s", err_text(code));
	return NULL; /* joined by server_stop() */
}

/* Without a thread at each queue the kernel waits for the missing ones. */
static void rings_start(struct server *server)
{
	int code = 0;

	server->queues = calloc(server->queue_count, sizeof(*server->queues));
	if (!server->queues)
		code = -ENOMEM;
	for (unsigned int i = 0; code == 0 && i < server->queue_count; i++) {
		server->queues[i].number = i;
		code = server_grow(server, &server->queues[i]);
	}
	if (code == 0)
		return;
	log_warn("fuse: can't serve requests over io_uring (%s); /dev/fuse carries them",
		 err_text(code));
	server->kernel.ring = false;
	ring_refuse(server->fd);
}

/* libfuse answers through this. Notices take kernel_notice_x() instead. */
static ssize_t reply_write(int fd, struct iovec *parts, int count, void *userdata)
{
	struct server *server = mount_server(userdata);
	struct worker *worker = pthread_getspecific(server->current);

	kernel_reply(&server->kernel, parts, count);
	if (worker && worker->backing_id)
		kernel_reply_pass(parts, count, worker->backing_id);
	if (worker)
		worker->backing_id = 0;
	if (worker && worker->ring) {
		int code = ring_answer(worker->ring, parts, count);
		ssize_t size = 0;
		for (int i = 0; i < count; i++)
			size += (ssize_t)parts[i].iov_len;
		errno = -code;
		return code < 0 ? -1 : size;
	}
	return writev(worker ? worker->fd : fd, parts, count);
}

static ssize_t request_read_unused(int fd, void *buf, size_t size, void *userdata)
{
	(void)userdata;
	return read(fd, buf, size);
}

int server_new(int fd, bool pass, bool ring, struct server **ret)
{
	struct server *server = calloc(1, sizeof(*server));
	const struct sigaction wake = {.sa_handler = on_wake}; /* no SA_RESTART */

	if (!server)
		return -ENOMEM;
	(void)sigaction(SIGNAL_WAKE, &wake, NULL);
	server->fd = fd;
	server->kernel.want_pass = pass;
	server->queue_count = ring ? ring_queues() : 0;
	server->kernel.want_ring = server->queue_count > 0;
	int code = -pthread_key_create(&server->current, NULL);
	if (code) {
		free(server);
		return code;
	}
	if (pthread_mutex_init(&server->workers_lock, NULL) != 0)
		abort();
	*ret = server;
	return 0;
}

int server_attach(struct server *server, struct fuse_session *session)
{
	static const struct fuse_custom_io io = {
		.writev = reply_write,
		.read = request_read_unused,
	};
	int code = fuse_session_custom_io(session, &io, server->fd);

	if (code == 0)
		server->session = session;
	return code > 0 ? -code : code;
}

int server_start(struct server *server)
{
	void *request = pages_new(REQUEST_SIZE);
	ssize_t n;

	if (!request)
		return -ENOMEM;
	do {
		n = read(server->fd, request, REQUEST_SIZE);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT));
	if (n > 0)
		request_serve(server, request, (size_t)n);
	int code = n < 0 ? -errno : 0;
	(void)munmap(request, REQUEST_SIZE);
	if (code == 0 && fuse_session_exited(server->session))
		code = -EPROTO; /* libfuse refused the kernel's offer */
	for (int i = 0; code == 0 && i < 2; i++)
		code = server_grow(server, NULL);
	if (code == 0 && server->kernel.ring)
		rings_start(server);
	return code;
}

void server_shrink(struct server *server)
{
	unsigned int idle = server->idle;
	unsigned int surplus = idle > SERVER_IDLE_MAX ? idle - SERVER_IDLE_MAX : 0;
	AUTO_LOCK(guard, &server->workers_lock);

	/* Who misses it, being just about to wait, gets the next one. */
	for (struct worker *w = server->workers; w && surplus; w = w->next) {
		if (w->ring || !w->reading)
			continue;
		(void)pthread_kill(w->thread, SIGNAL_WAKE);
		surplus--;
	}
}

/* The signal may come just before the thread waits: it is repeated. */
static void worker_end(struct worker *worker)
{
	struct timespec until;
	int code;

	do {
		if (worker->reading)
			(void)pthread_kill(worker->thread, SIGNAL_WAKE);
		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += WAKE_WAIT_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		code = pthread_timedjoin_np(worker->thread, NULL, &until);
	} while (code == ETIMEDOUT);
}

void server_stop(struct server *server)
{
	struct worker *running;
	struct worker *ended;
	{
		AUTO_LOCK(guard, &server->workers_lock);
		server->stopping = true;
		running = take_ptr(server->workers);
		ended = take_ptr(server->ended);
	}
	for (struct worker *w = running; w; w = w->next)
		worker_end(w);
	workers_free(running);
	ended_join(ended);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	(void)pthread_mutex_destroy(&server->workers_lock);
	(void)pthread_key_delete(server->current);
	free(server->queues);
	free(server);
}

bool server_gone(struct server *server)
{
	return server->gone;
}

const struct kernel *server_kernel(struct server *server)
{
	return &server->kernel;
}

bool server_rings(const struct server *server)
{
	return server->kernel.ring && server->queues;
}

void server_pass(struct server *server, int backing_id)
{
	struct worker *worker = pthread_getspecific(server->current);

	if (worker)
		worker->backing_id = backing_id;
}

char *server_scratch(struct server *server)
{
	struct worker *worker = pthread_getspecific(server->current);

	if (!worker)
		return NULL;
	if (worker->ring && !worker->writing)
		return ring_room(worker->ring);
	if (!worker->scratch)
		worker->scratch = pages_new(SERVER_REQUEST_MAX);
	return worker->scratch;
}
