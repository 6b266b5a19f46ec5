/* SPDX-License-Identifier: Apache-2.0 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/io.h"
#include "replication/forget.h"
#include "replication/pool_open.h"
#include "replication/checkpoint.h"
#include "replication/pool_file.h"
#include "replication/worker.h"
#include "tests/sim/disk.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/store_mem.h"

#define SEGMENT_BYTES (256u << 10)
#define JOURNAL_BYTES (1u << 20)

void sim_node_enter(const struct sim_node *n)
{
	sim_clock_skew(n->skew_ns);
}

static int member_key(void *arg, uint16_t node, uint8_t ret[KEY_PUBLIC_SIZE])
{
	struct sim_node *n = arg;

	if (node < 1 || node > n->sim->count)
		return MA_EUNKNOWN;
	memcpy(ret, n->sim->nodes[node - 1].key.public, KEY_PUBLIC_SIZE);
	return 0;
}

/* The disk stays when the pool goes. */
static void store_stays(struct store *store)
{
	(void)store;
}

static struct sim_node *node_of(struct store *store)
{
	return (struct sim_node *)(void *)((char *)(uintptr_t)store->ops -
					   offsetof(struct sim_node, store_ops));
}

/* A write that is said to have happened and has not, when the self-test wants that. */
static int write_or_lose(struct store *store, const struct store_handle *object, int fd,
			 const void *data, size_t size, off_t offset)
{
	struct sim_node *n = node_of(store);

	if (n->lose_writes) {
		n->lose_writes--;
		return 0;
	}
	return n->mem_ops->write(store, object, fd, data, size, offset);
}

void sim_node_begin(struct sim *sim, uint16_t number)
{
	struct sim_node *n = &sim->nodes[number - 1];
	uint8_t seed[KEY_SEED_SIZE] = {(uint8_t)number};
	struct pool_file file = {.id = SIM_POOL, .name = "sim"};

	n->sim = sim;
	n->number = number;
	(void)snprintf(n->dir, sizeof(n->dir), "/dev/shm/sim-%d/%u", (int)getpid(), number);
	keypair_from_seed(seed, &n->key);
	if (store_mem_new(&n->store) < 0 || dir_make(n->dir, 0700) < 0 ||
	    pool_file_write(n->dir, &file) < 0)
		abort();
	n->mem_ops = n->store->ops;
	n->store_ops = *n->store->ops;
	n->store_ops.free = store_stays;
	n->store_ops.write = write_or_lose;
	n->store->ops = &n->store_ops;
}

void sim_node_open(struct sim_node *n)
{
	struct pool_file file;
	char error[256] = "";

	if (n->pool)
		return;
	sim_node_enter(n);
	if (pool_file_read(n->dir, &file) < 0)
		abort();
	struct pool_config config = {
		.name = "sim",
		.id = SIM_POOL,
		.dir = n->dir,
		.node = n->number,
		.incarnation = file.incarnation,
		.key = &n->key,
		.io = {.arg = n, .send = sim_net_send, .member_key = member_key},
		.journal_max_bytes = JOURNAL_BYTES,
		.power_cut = n->power_cut,
		.segment_bytes = SEGMENT_BYTES,
		.log_max = n->sim->plan->log_max,
		.inline_max = n->sim->plan->inline_max,
		.store = n->store};
	int r = pool_open_at(&config, &n->pool, error, sizeof(error));
	if (r < 0) {
		n->pool = NULL;
		sim_fail(n->sim, "node %u cannot be opened: %s (%s)", n->number, error,
			 err_text(r));
		return;
	}
	for (uint16_t k = 1; k <= n->sim->count; k++) {
		if (k != n->number)
			session_expect(n->pool, k);
	}
	forget_begin(n->pool);
	n->power_cut = false;
	n->changed = n->unsealed = true; /* as worker_start() */
	oracle_reopened(n);
}

void sim_node_crash(struct sim_node *n, bool power, uint64_t seed)
{
	if (!n->pool)
		return;
	store_mem_fail(n->store, 0, 0);
	disk_fail(n->dir, 0, 0);
	oracle_crashed(n, power ? journal_durable(n->pool->journal) : UINT64_MAX);
	sim_net_crashed(n->sim, n->number, seed);
	pool_free(n->pool);
	n->pool = NULL;
	if (!power)
		return;
	/* As pools.c does when it finds that the machine was booted meanwhile. */
	struct pool_file file;
	if (pool_file_read(n->dir, &file) < 0 || file.incarnation >= INCARNATION_LAST)
		abort();
	file.incarnation++;
	if (pool_file_write(n->dir, &file) < 0)
		abort();
	n->power_cut = true;
	disk_power_cut(n->dir, plan_random(&seed));
	n->store->ops = n->mem_ops;
	store_mem_power_cut(n->store, plan_random(&seed));
	n->store->ops = &n->store_ops;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

void sim_node_end(struct sim_node *n)
{
	pool_free(n->pool);
	n->pool = NULL;
	if (!n->store)
		return;
	n->store->ops = n->mem_ops;
	n->store->ops->free(n->store);
	n->store = NULL;
	(void)nftw(n->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* As the commit thread does: what goes wrong is shown as the pool's problem, and tried again. */
static void problem(struct sim_node *n, int code, const char *what)
{
	(void)pool_problem(n->pool, PROBLEM_WRITING, code < 0 ? what : NULL);
	if (code < 0)
		sim_trace(n->sim, "node %u: %s: %s", n->number, what, err_text(code));
}

void sim_node_seal(struct sim_node *n)
{
	if (!n->pool || !n->unsealed)
		return;
	n->unsealed = false;
	sim_node_enter(n);
	problem(n, commit_seal(n->pool), "cannot write the journal");
}

void sim_node_flush(struct sim_node *n)
{
	if (!n->pool || !n->changed)
		return;
	sim_node_seal(n);
	n->changed = false;
	sim_node_enter(n);
	problem(n, commit_flush(n->pool), "cannot write the index");
	if (checkpoint_due(n->pool) && checkpoint_make(n->pool, false) < 0)
		sim_trace(n->sim, "node %u: no checkpoint", n->number);
}

void sim_node_tick(struct sim_node *n)
{
	if (!n->pool)
		return;
	sim_node_enter(n);
	session_tick(n->pool, clock_boot_ms());
}

void sim_node_acknowledge(struct sim_node *n)
{
	if (!n->pool)
		return;
	sim_node_enter(n);
	session_acknowledge(n->pool, UINT64_MAX);
}
