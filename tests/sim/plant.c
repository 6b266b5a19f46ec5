/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/plant.h"

#include <fcntl.h>
#include <stdlib.h>

#include "tests/sim/disk.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim_net.h"

static void must(int code)
{
	if (code < 0)
		abort();
}

static void find(struct sim_node *n, const char *name, struct store_handle *ret)
{
	struct store_handle root;

	must(n->store->ops->root(n->store, &root));
	must(n->store->ops->lookup(n->store, &root, name, NULL, ret, NULL));
}

static void in_tree(struct sim_node *n, enum plant which)
{
	const struct store_ops *ops = n->store->ops;
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 77}};
	struct store_node node = {.id = 99, .mode = S_IFREG | 0600};
	struct store_handle h, root, left;
	int fd;

	must(ops->root(n->store, &root));
	find(n, which == PLANT_LEFT_OVER ? POOL_RESERVED : "a", &h);
	if (which == PLANT_FLIP)
		must(n->mem_ops->write(n->store, &h, -1, "!", 1, 0));
	else if (which == PLANT_LOSE)
		must(ops->unlink(n->store, &root, "a", false));
	else if (which == PLANT_CONFLICT)
		must(ops->rename(n->store, &root, "a", &root, "a.conflict-1-1", 0));
	else if (which == PLANT_LEFT_OVER)
		must(ops->make(n->store, &h, "left", &node, &left));
	else if (which == PLANT_DESCRIPTOR)
		must(ops->open(n->store, &h, O_RDONLY, &fd));
	else
		must(ops->set_times(n->store, &h, -1, times));
	/* The directory looks the same on all. */
	times[1] = (struct timespec){.tv_sec = 5};
	if (which == PLANT_LOSE || which == PLANT_CONFLICT)
		must(ops->set_times(n->store, &root, -1, times));
}

/* Also what the next flush works it out from. */
static void plant_hash(struct pool *p)
{
	uint8_t summary[OBJECT_SUMMARY_SIZE];

	object_summary(p->cache, summary);
	summary[0] ^= 1;
	object_summary_set(p->cache, summary);
	p->flushed_hash[0] ^= 1;
}

static void in_pool(struct sim_node *n, enum plant which)
{
	struct pool *p = n->pool;

	if (which == PLANT_BACK)
		p->position.vector.entries[0].seq--;
	else if (which == PLANT_HISTORY)
		p->position.chains[0][0] ^= 1;
	else
		plant_hash(p);
	oracle_look_again(n);
}

void plant_fault(struct sim *sim, struct sim_node *n, uint32_t which)
{
	switch ((enum plant)which) {
	case PLANT_LOSE:
	case PLANT_CONFLICT:
		for (size_t i = 0; i < sim->count; i++)
			in_tree(&sim->nodes[i], which);
		break;
	case PLANT_WRITE:
		n->lose_writes = 1;
		break;
	case PLANT_BATCH:
		sim_net_lose_batch(sim, n->number, 1);
		break;
	case PLANT_LIE:
		disk_lie(n->dir);
		break;
	case PLANT_BACK:
	case PLANT_HISTORY:
	case PLANT_HASH:
		in_pool(n, which);
		break;
	default:
		in_tree(n, which);
		break;
	}
}
