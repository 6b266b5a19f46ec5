/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sim_net.h"

#include <errno.h>
#include <stdlib.h>

#include "core/auto.h"
#include "net/message.h"
#include "replication/fetch.h"
#include "tests/sim/oracle.h"

enum item_kind { ITEM_MESSAGE, ITEM_UP, ITEM_DOWN };

struct item {
	struct item *next;
	enum item_kind kind;
	enum net_class class;
	uint16_t type;
	size_t size;
	uint8_t body[];
};

struct link {
	bool up;      /* the sender may send */
	bool stalled; /* nothing arrives */
	bool lose_batch;
	struct item *first;
	size_t bytes[NET_CLASSES];
	bool wanted[NET_CLASSES]; /* -EAGAIN was said */
	bool writable;            /* the sender is to be told */
};

struct sim_net {
	struct link links[PLAN_NODES_MAX + 1][PLAN_NODES_MAX + 1]; /* from, to */
};

struct sim_net *sim_net_new(struct sim *sim)
{
	struct sim_net *net = calloc(1, sizeof(*net));

	(void)sim;
	if (!net)
		abort();
	return net;
}

static void queue_drop(struct link *l)
{
	while (l->first) {
		struct item *next = l->first->next;
		free(l->first);
		l->first = next;
	}
	memset(l->bytes, 0, sizeof(l->bytes));
}

void sim_net_free(struct sim_net *net)
{
	if (!net)
		return;
	for (size_t i = 0; i <= PLAN_NODES_MAX; i++) {
		for (size_t k = 0; k <= PLAN_NODES_MAX; k++)
			queue_drop(&net->links[i][k]);
	}
	free(net);
}

static struct item *item_add(struct link *l, enum item_kind kind, size_t size)
{
	struct item *item = calloc(1, sizeof(*item) + size);
	struct item **at = &l->first;

	if (!item)
		abort();
	item->kind = kind;
	item->size = size;
	while (*at)
		at = &(*at)->next;
	*at = item;
	return item;
}

/* What the node has promised to have on its disk. */
static void note_ack(struct sim_node *n, const struct item *item)
{
	struct rd r = rd_init(item->body + 8, item->size - 8);
	struct vector have;

	vector_read(&r, &have);
	if (!r.failed)
		oracle_acknowledged(n, &have);
}

int sim_net_send(void *arg, uint16_t node, enum net_class class, uint16_t type,
		 const struct net_part *parts, size_t count)
{
	struct sim_node *n = arg;
	struct link *l = &n->sim->net->links[n->number][node];
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += parts[i].size;
	if (!l->up)
		return -ENOTCONN;
	if (size > NET_BODY_MAX) {
		sim_fail(n->sim, "node %u sends a message of %zu bytes", n->number, size);
		return -EMSGSIZE;
	}
	if (l->bytes[class] && l->bytes[class] + size > n->sim->plan->queue_max &&
	    class != NET_CONTROL) {
		l->wanted[class] = true;
		return -EAGAIN;
	}
	if ((type == MESSAGE_BATCH || type == MESSAGE_BATCH_BRIEF) && l->lose_batch) {
		l->lose_batch = false;
		return 0;
	}
	struct item *item = item_add(l, ITEM_MESSAGE, size);
	uint8_t *at = item->body;
	for (size_t i = 0; i < count; i++) {
		if (parts[i].size)
			memcpy(at, parts[i].data, parts[i].size);
		at += parts[i].size;
	}
	item->class = class;
	item->type = type;
	l->bytes[class] += size;
	if (type == MESSAGE_ACK)
		note_ack(n, item);
	return 0;
}

void sim_net_connect(struct sim *sim, uint16_t a, uint16_t b)
{
	struct link *ab = &sim->net->links[a][b];
	struct link *ba = &sim->net->links[b][a];

	if (a == b || ab->up || !sim->nodes[a - 1].pool || !sim->nodes[b - 1].pool)
		return;
	ab->up = ba->up = true;
	ab->stalled = ba->stalled = false;
	(void)item_add(ab, ITEM_UP, 0);
	(void)item_add(ba, ITEM_UP, 0);
}

/* The newest messages of this connection are lost. */
static void lose(struct link *l, uint32_t count)
{
	struct item **after = &l->first; /* behind the last mark */
	uint32_t messages = 0;

	for (struct item **at = &l->first; *at; at = &(*at)->next) {
		if ((*at)->kind != ITEM_MESSAGE) {
			after = &(*at)->next;
			messages = 0;
		} else {
			messages++;
		}
	}
	uint32_t kept = count >= messages ? 0 : messages - count;
	while (*after && kept--)
		after = &(*after)->next;
	while (*after) {
		struct item *gone = *after;
		*after = gone->next;
		l->bytes[gone->class] -= gone->size;
		free(gone);
	}
}

void sim_net_cut(struct sim *sim, uint16_t a, uint16_t b, uint32_t lose_ab, uint32_t lose_ba)
{
	struct link *links[2] = {&sim->net->links[a][b], &sim->net->links[b][a]};
	uint32_t counts[2] = {lose_ab, lose_ba};

	if (a == b || !links[0]->up)
		return;
	for (int i = 0; i < 2; i++) {
		struct link *l = links[i];
		lose(l, counts[i]);
		l->up = l->writable = l->stalled = false;
		memset(l->wanted, 0, sizeof(l->wanted));
		(void)item_add(l, ITEM_DOWN, 0);
	}
}

void sim_net_stall(struct sim *sim, uint16_t from, uint16_t to, bool stall)
{
	sim->net->links[from][to].stalled = stall;
}

void sim_net_crashed(struct sim *sim, uint16_t node, uint64_t seed)
{
	for (uint16_t k = 1; k <= sim->count; k++) {
		if (k == node)
			continue;
		sim_net_cut(sim, node, k, (uint32_t)(plan_random(&seed) % 20), UINT32_MAX);
		queue_drop(&sim->net->links[k][node]);
	}
}

/* Takes the first of a class before the next mark out of the queue, or the mark. */
static struct item *take(struct link *l, uint32_t pick)
{
	struct item **found[NET_CLASSES] = {0};
	uint32_t count = 0;

	if (!l->first)
		return NULL;
	struct item **at = &l->first;
	if ((*at)->kind == ITEM_MESSAGE) {
		for (struct item **i = &l->first; *i && (*i)->kind == ITEM_MESSAGE;
		     i = &(*i)->next) {
			if (!found[(*i)->class])
				found[(*i)->class] = i;
		}
		for (size_t c = 0; c < NET_CLASSES; c++)
			count += found[c] != NULL;
		pick %= count;
		for (size_t c = 0; c < NET_CLASSES; c++) {
			if (found[c] && pick-- == 0)
				at = found[c];
		}
	}
	struct item *item = *at;
	*at = item->next;
	return item;
}

/* What the records of a batch say. */
static void trace_batch(struct sim *sim, const struct item *item)
{
	static const char *const kinds[] = {"",       "void",  "make",  "link",   "unlink",
					    "rename", "write", "trunc", "falloc", "owner",
					    "times",  "xattr", "alias", "resolve"};
	AUTO_FREE struct batch *batch = malloc(sizeof(*batch));
	struct batch_walk walk;
	struct record r;

	if (!sim->verbose || !batch || batch_read(item->body, item->size, batch) < 0)
		return;
	batch_walk_init(&walk, batch);
	while (batch_walk_next(&walk, &r) == 1)
		sim_trace(sim,
			  "      %llx %s %llx%s%s of %llx/%.*s to %llx/%.*s link %llx over %llx, "
			  "%llx, base %llx, seen %llx",
			  (unsigned long long)r.stamp, kinds[r.kind], (unsigned long long)r.id,
			  r.flags & REC_F_LAST ? " last" : "",
			  r.flags & REC_F_EXCHANGE ? " exchange" : "", (unsigned long long)r.parent,
			  (int)r.old_name_size, r.old_name ? r.old_name : "",
			  (unsigned long long)r.new_parent, (int)r.name_size, r.name ? r.name : "",
			  (unsigned long long)r.link.lid, (unsigned long long)r.other.id,
			  (unsigned long long)r.other.lid, (unsigned long long)r.base,
			  (unsigned long long)r.link.seen_content);
}

static void handle(struct sim_node *to, uint16_t from, const struct item *item)
{
	struct pool *p = to->pool;

	sim_node_enter(to);
	if (item->kind == ITEM_UP) {
		sim_trace(to->sim, "node %u: node %u is up", to->number, from);
		session_up(p, from);
	} else if (item->kind == ITEM_DOWN) {
		sim_trace(to->sim, "node %u: node %u is down", to->number, from);
		session_down(p, from);
	} else {
		const struct message_info *info = message_info(item->type);
		size_t skip = item->type == MESSAGE_BATCH ? 0 : 8;
		if (item->type != MESSAGE_ACK && item->type != MESSAGE_PEERS)
			sim_trace(to->sim, "node %u <- node %u: %s, %zu bytes", to->number, from,
				  info ? info->name : "?", item->size);
		if (item->type == MESSAGE_BATCH)
			trace_batch(to->sim, item);
		if (item->type == MESSAGE_POOL_HELD)
			sim_trace(to->sim, "      %.*s", (int)item->size - 10, item->body + 10);
		session_message(p, from, item->type, item->body + skip, item->size - skip);
	}
}

bool sim_net_deliver(struct sim *sim, uint16_t from, uint16_t to, uint32_t pick)
{
	struct link *l = &sim->net->links[from][to];

	if (from == to || l->stalled || !sim->nodes[to - 1].pool)
		return false;
	struct item *item = take(l, pick);
	if (!item)
		return false;
	if (item->kind == ITEM_MESSAGE) {
		l->bytes[item->class] -= item->size;
		if (l->wanted[item->class] && l->up) {
			l->wanted[item->class] = false;
			l->writable = true;
		}
	}
	handle(&sim->nodes[to - 1], from, item);
	free(item);
	return true;
}

void sim_net_writable(struct sim *sim, uint16_t from, uint16_t to)
{
	struct link *l = &sim->net->links[from][to];
	struct sim_node *n = &sim->nodes[from - 1];

	if (!l->writable || !n->pool)
		return;
	l->writable = false;
	sim_node_enter(n);
	session_writable(n->pool, to);
	fetch_writable(n->pool, to);
}

bool sim_net_quiet(const struct sim *sim)
{
	for (uint16_t a = 1; a <= sim->count; a++) {
		for (uint16_t b = 1; b <= sim->count; b++) {
			const struct link *l = &sim->net->links[a][b];
			if (l->first || l->writable)
				return false;
		}
	}
	return true;
}

void sim_net_lose_batch(struct sim *sim, uint16_t from, uint16_t to)
{
	sim->net->links[from][to].lose_batch = true;
}
