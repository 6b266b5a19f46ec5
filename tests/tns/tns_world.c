/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/tns/tns_world.h"

#include <stdlib.h>
#include <string.h>

#define US      1000u
#define LINK_MS 3000 /* a connection that carries nothing for so long breaks */
#define LOOK_MS 100
#define WALL_S  1800000000u

enum { EVENT_TICK, EVENT_BEAT, EVENT_TELL, EVENT_LINKS };

/* splitmix64 */
static uint64_t roll(struct world *w)
{
	uint64_t z = (w->dice += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t world_dice(struct world *w, uint64_t below)
{
	return roll(w) % below;
}

static bool sooner(const struct world_event *a, const struct world_event *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void push(struct world *w, struct world_event event)
{
	if (w->heap_count == w->heap_room) {
		w->heap_room = w->heap_room ? 2 * w->heap_room : 256;
		w->heap = realloc(w->heap, w->heap_room * sizeof(*w->heap));
		if (!w->heap)
			abort();
	}
	event.order = w->order++;
	size_t at = w->heap_count++;
	while (at && sooner(&event, &w->heap[(at - 1) / 2])) {
		w->heap[at] = w->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	w->heap[at] = event;
}

static struct world_event pop(struct world *w)
{
	struct world_event first = w->heap[0];
	struct world_event last = w->heap[--w->heap_count];
	size_t at = 0;

	for (size_t next; (next = 2 * at + 1) < w->heap_count; at = next) {
		if (next + 1 < w->heap_count && sooner(&w->heap[next + 1], &w->heap[next]))
			next++;
		if (!sooner(&w->heap[next], &last))
			break;
		w->heap[at] = w->heap[next];
	}
	w->heap[at] = last;
	return first;
}

/* ---- what the machine asks for; `arg` is its own slot in the world */

struct slot {
	struct world *w;
	uint16_t k;
};

static void carry(struct slot *slot, uint8_t kind, uint16_t to, uint8_t news, const void *data,
		  size_t size, uint64_t delay)
{
	struct world *w = slot->w;
	struct world_event event = {
		.at = w->now + delay,
		.kind = kind,
		.from = slot->k,
		.to = to,
		.boot = w->node[to].boot,
		.news = news,
		.size = size,
		.data = malloc(size ? size : 1),
	};

	if (!event.data)
		abort();
	memcpy(event.data, data, size);
	push(w, event);
}

static void on_beat(void *arg, uint16_t to, const void *text, size_t size)
{
	struct slot *slot = arg;
	struct world *w = slot->w;

	uint8_t datagram[SEAL_DATAGRAM_MAX];
	uint64_t most = world_dice(w, 50) ? 2000 : 150000;

	/* Without a session there is no key. */
	if (!w->out[slot->k][to].boot)
		return;
	size = seal_close(&w->out[slot->k][to], text, size, datagram);
	if (w->cut[slot->k][to] || world_dice(w, 1000) < w->loss)
		return;
	/* Some are late, some come twice: so they come out of order, too. */
	carry(slot, EVENT_BEAT, to, 0, datagram, size, 200 + world_dice(w, most));
	if (world_dice(w, 50) == 0)
		carry(slot, EVENT_BEAT, to, 0, datagram, size, 200 + world_dice(w, 900000));
}

static void on_tell(void *arg, uint16_t to, enum neighbours_news news, const void *data,
		    size_t size)
{
	struct slot *slot = arg;

	if (slot->w->linked[slot->k][to] && !slot->w->mute)
		carry(slot, EVENT_TELL, to, (uint8_t)news, data, size, 500);
}

static void on_changed(void *arg, uint16_t node, enum tns_state before,
		       const struct topology_place *now)
{
	struct slot *slot = arg;
	struct world *w = slot->w;

	w->changed_at = w->now;
	if (now->state == TNS_DOWN)
		w->node[slot->k].known_down[node] = w->now;
	if (w->changed)
		w->changed(w, slot->k, node, before, now);
}

static void on_incarnation(void *arg, uint32_t incarnation)
{
	struct slot *slot = arg;

	slot->w->node[slot->k].incarnation = incarnation;
}

static void on_downtime(void *arg)
{
	(void)arg;
}

static uint64_t on_wall(void *arg)
{
	const struct slot *slot = arg;

	return (uint64_t)((int64_t)(WALL_S + slot->w->now / 1000000) + slot->w->wall_step);
}

/* ---- nodes */

bool world_runs(const struct world *w, uint16_t k)
{
	return w->node[k].n && !w->node[k].frozen_until;
}

static struct slot *slot_of(struct world *w, uint16_t k)
{
	return (struct slot *)w->slots + k;
}

static void unlink_pair(struct world *w, uint16_t a, uint16_t b)
{
	if (w->linked[a][b] && w->node[a].n)
		neighbours_link(w->node[a].n, b, false, w->now);
	if (w->linked[b][a] && w->node[b].n)
		neighbours_link(w->node[b].n, a, false, w->now);
	w->linked[a][b] = w->linked[b][a] = false;
}

void world_start(struct world *w, uint16_t k)
{
	struct world_node *node = &w->node[k];
	struct neighbours_member members[WORLD_NODES_MAX] = {0};

	if (node->n)
		return;
	/* A new process knows nothing of connections of the old one. */
	for (uint16_t i = 1; i <= w->nodes; i++) {
		if (i != k)
			unlink_pair(w, k, i);
	}
	node->dead_since = 0;
	node->host_gone = node->stopped = false;
	node->boot = roll(w);
	memset(w->out[k], 0, sizeof(w->out[k]));
	node->incarnation = node->forgets ? 1 : node->incarnation + 1;
	node->forgets = false;
	struct neighbours_config config = {
		.self = k,
		.key = &node->key,
		.incarnation = node->incarnation,
		.boot = node->boot,
		.location = node->location,
		.io = {slot_of(w, k), on_beat, on_tell, on_changed, on_incarnation, on_downtime,
		       on_wall},
	};
	if (neighbours_new(&config, &node->n) < 0)
		abort();
	for (uint16_t i = 1; i <= w->nodes; i++) {
		members[i - 1].node = i;
		memcpy(members[i - 1].key, w->node[i].key.public, KEY_PUBLIC_SIZE);
		node->known_down[i] = 0;
	}
	if (neighbours_members(node->n, members, w->nodes, w->now) < 0)
		abort();
	push(w, (struct world_event){.at = w->now + world_dice(w, 100 * US),
				     .kind = EVENT_TICK,
				     .to = k,
				     .boot = node->boot});
}

/* The kernel of its host ends its connections, if the host is there. */
void world_kill(struct world *w, uint16_t k, bool host)
{
	struct world_node *node = &w->node[k];

	if (!node->n)
		return;
	neighbours_free(node->n);
	node->n = NULL;
	node->frozen_until = 0;
	node->dead_since = w->now;
	node->host_gone = host;
	for (uint16_t i = 1; i <= w->nodes; i++) {
		if (i != k && !host && !w->cut[k][i])
			unlink_pair(w, k, i);
	}
}

void world_stop(struct world *w, uint16_t k)
{
	if (!world_runs(w, k))
		return;
	neighbours_stop(w->node[k].n, w->now);
	w->node[k].stopped = true;
	world_kill(w, k, false);
}

void world_freeze(struct world *w, uint16_t k, uint64_t ms)
{
	if (world_runs(w, k))
		w->node[k].frozen_until = w->now + ms * US;
}

void world_cut(struct world *w, uint16_t from, uint16_t to, bool cut)
{
	w->cut[from][to] = cut;
}

const struct topology_place *world_place(const struct world *w, uint16_t at, uint16_t of)
{
	return topology_find(neighbours_topology(w->node[at].n), of);
}

/* ---- connections: they need both ways */

/* A new session has new keys, which both ends know. */
static void agree(struct world *w, uint16_t a, uint16_t b)
{
	struct seal_pair pair = {a, b, w->node[a].boot, w->node[b].boot};
	struct seal_pair other = {b, a, w->node[b].boot, w->node[a].boot};
	uint8_t secret[SEAL_SECRET_SIZE];

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)world_dice(w, 256);
	seal_init(secret, &pair, &w->out[a][b], &w->in[a][b]);
	seal_init(secret, &other, &w->out[b][a], &w->in[b][a]);
}

static void look_pair(struct world *w, uint16_t a, uint16_t b)
{
	const struct world_node *x = &w->node[a];
	const struct world_node *y = &w->node[b];
	bool open = !w->cut[a][b] && !w->cut[b][a];
	bool both = world_runs(w, a) && world_runs(w, b);

	if (open && both)
		w->fine_ms[a][b] = w->now / US;
	if (open && both && !w->linked[a][b]) {
		w->linked[a][b] = w->linked[b][a] = true;
		agree(w, a, b);
		neighbours_link(x->n, b, true, w->now);
		neighbours_link(y->n, a, true, w->now);
	} else if (open && both && !w->mute) {
		neighbours_bytes(x->n, b, w->now / US);
		neighbours_bytes(y->n, a, w->now / US);
	} else if (w->linked[a][b] && w->now / US - w->fine_ms[a][b] >= LINK_MS) {
		unlink_pair(w, a, b);
	}
	if (open && world_runs(w, a) && !y->n && !y->host_gone)
		neighbours_refused(x->n, b, w->now);
	if (open && world_runs(w, b) && !x->n && !x->host_gone)
		neighbours_refused(y->n, a, w->now);
}

static void look_links(struct world *w)
{
	for (uint16_t a = 1; a <= w->nodes; a++) {
		for (uint16_t b = (uint16_t)(a + 1); b <= w->nodes; b++)
			look_pair(w, a, b);
	}
	push(w, (struct world_event){.at = w->now + LOOK_MS * US, .kind = EVENT_LINKS});
}

/* ---- steps */

/* A frozen process gets what came meanwhile when it wakes. */
static bool later(struct world *w, const struct world_event *event)
{
	struct world_node *node = &w->node[event->to];

	if (!node->frozen_until)
		return false;
	if (w->now >= node->frozen_until) {
		node->frozen_until = 0;
		return false;
	}
	struct world_event again = *event;
	again.at = node->frozen_until;
	push(w, again);
	return true;
}

static int receive(struct world *w, const struct world_event *event)
{
	uint8_t text[SEAL_TEXT_MAX];
	int size = seal_open(&w->in[event->to][event->from], event->data, event->size, text);

	if (size < 0) {
		w->refused++;
		return 0;
	}
	return neighbours_beat(w->node[event->to].n, event->from, text, (size_t)size, w->now);
}

static void step(struct world *w, struct world_event *event)
{
	struct world_node *node = &w->node[event->to];
	int r = 0;

	if (event->kind == EVENT_LINKS) {
		look_links(w);
		return;
	}
	if (!node->n || node->boot != event->boot) {
		free(event->data);
		return;
	}
	if (later(w, event))
		return;
	if (event->kind == EVENT_BEAT) {
		r = receive(w, event);
	} else if (event->kind == EVENT_TELL) {
		r = neighbours_told(node->n, event->from, (enum neighbours_news)event->news,
				    event->data, event->size, w->now);
	} else {
		neighbours_tick(node->n, w->now);
		event->at = w->now + HEAR_TICK_MS * US + world_dice(w, (2 + w->late_ms) * US);
		push(w, *event);
	}
	if (r < 0)
		abort(); /* all are honest here */
	free(event->data);
}

void world_run(struct world *w, uint64_t ms)
{
	uint64_t end = w->now + ms * US;

	while (w->heap_count && w->heap[0].at <= end) {
		struct world_event event = pop(w);

		w->now = event.at;
		w->events++;
		step(w, &event);
	}
	w->now = end;
}

void world_init(struct world *w, uint64_t seed, uint16_t nodes)
{
	struct slot *slots = calloc(WORLD_NODES_MAX + 1, sizeof(*slots));

	memset(w, 0, sizeof(*w));
	if (!slots)
		abort();
	w->seed = w->dice = seed;
	w->nodes = nodes;
	w->now = 1000000000;
	w->slots = slots;
	for (uint16_t k = 1; k <= nodes; k++) {
		uint8_t key[KEY_SEED_SIZE];

		slots[k] = (struct slot){.w = w, .k = k};
		for (size_t i = 0; i < sizeof(key); i++)
			key[i] = (uint8_t)roll(w);
		keypair_from_seed(key, &w->node[k].key);
	}
	for (uint16_t k = 1; k <= nodes; k++)
		world_start(w, k);
	look_links(w);
}

void world_done(struct world *w)
{
	for (uint16_t k = 1; k <= w->nodes; k++)
		neighbours_free(w->node[k].n);
	for (size_t i = 0; i < w->heap_count; i++)
		free(w->heap[i].data);
	free(w->heap);
	free(w->slots);
}
