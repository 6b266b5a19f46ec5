/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/oracle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "core/auto.h"
#include "replication/fetch.h"
#include "replication/object_state.h"
#include "tests/sim/store_dump.h"
#include "tests/sim/store_mem.h"

#define PAGE 4096

/* One content became another, or nothing, by somebody who saw it. */
struct change {
	uint64_t before, after; /* after 0: removed */
	uint16_t node;
	uint64_t pos;   /* of the node's journal, after the call */
	bool uncertain; /* a power cut may have undone it */
	bool name;      /* only a name of several went */
};

struct history {
	uint16_t slot;
	uint64_t seq;
	uint8_t chain[HASH_SIZE];
};

struct watched {
	struct vector position;
	struct vector acknowledged;
	bool look_again;
	uint64_t counts[PLAN_NODES_MAX];
};

struct oracle {
	struct change *changes;
	size_t change_count;
	struct history *histories;
	size_t history_count;
	struct watched nodes[PLAN_NODES_MAX];
	uint64_t *present;
	size_t present_count;
};

struct oracle *oracle_new(void)
{
	struct oracle *o = calloc(1, sizeof(*o));

	if (!o)
		abort();
	return o;
}

void oracle_free(struct oracle *o)
{
	if (!o)
		return;
	free(o->changes);
	free(o->histories);
	free(o->present);
	free(o);
}

static void *grow(void *array, size_t count, size_t element)
{
	void *grown =
		count & (count - 1) ? array : realloc(array, (count ? 2 * count : 1) * element);

	if (!grown)
		abort();
	return grown;
}

static struct watched *watched_of(const struct sim_node *n)
{
	return &n->sim->oracle->nodes[n->number - 1];
}

/* --- contents */

/* Length and bytes; holes and zeros are the same. 0 for what holds no bytes. */
static uint64_t content_hash(struct store *store, const struct store_handle *h)
{
	uint8_t page[PAGE];
	struct stat st;
	off_t start, end = 0;
	uint64_t found = 0;
	XXH3_state_t *state;

	if (store->ops->stat(store, h, -1, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	state = XXH3_createState();
	if (!state)
		abort();
	(void)XXH3_64bits_reset(state);
	while (store->ops->next_data(store, h, -1, (end + PAGE - 1) / PAGE * PAGE, &start, &end) ==
	       0) {
		for (off_t at = start - start % PAGE; at < end; at += PAGE) {
			uint64_t index = (uint64_t)at;
			memset(page, 0, sizeof(page));
			ssize_t n = store->ops->read(store, h, -1, page, sizeof(page), at);
			if (n <= 0 || (page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0))
				continue;
			found++;
			(void)XXH3_64bits_update(state, &index, sizeof(index));
			(void)XXH3_64bits_update(state, page, sizeof(page));
		}
	}
	(void)XXH3_64bits_update(state, &st.st_size, sizeof(st.st_size));
	uint64_t hash = XXH3_64bits_digest(state);
	(void)XXH3_freeState(state);
	return found ? hash : 0;
}

uint64_t oracle_content(struct sim_node *n, uint64_t id)
{
	AUTO_REF struct object_ref o = {.cache = n->pool->cache};

	if (object_get_raw(n->pool->cache, id, &o.o) < 0)
		return 0;
	return content_hash(n->store, &o.o->handle);
}

static void add_change(struct sim_node *n, uint64_t before, uint64_t after)
{
	struct oracle *o = n->sim->oracle;

	o->changes = grow(o->changes, o->change_count, sizeof(*o->changes));
	o->changes[o->change_count++] = (struct change){.before = before,
							.after = after,
							.node = n->number,
							.pos = journal_tail(n->pool->journal)};
}

void oracle_changed(struct sim_node *n, uint64_t before, uint64_t after)
{
	if (before != after)
		add_change(n, before, after);
}

void oracle_removed(struct sim_node *n, uint64_t content, bool last)
{
	struct oracle *o = n->sim->oracle;

	if (!content)
		return;
	add_change(n, content, 0);
	o->changes[o->change_count - 1].name = !last;
}

void oracle_crashed(struct sim_node *n, uint64_t durable)
{
	struct oracle *o = n->sim->oracle;

	for (size_t i = 0; i < o->change_count; i++) {
		struct change *c = &o->changes[i];
		if (c->node == n->number && c->pos > durable)
			c->uncertain = true;
	}
}

static int compare_hashes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool is_present(const struct oracle *o, uint64_t content)
{
	return !content || (o->present_count && bsearch(&content, o->present, o->present_count,
							sizeof(content), compare_hashes));
}

struct walk {
	struct sim_node *n;
	const struct store_handle *dir;
	bool top;
};

static void walk_dir(struct sim_node *n, const struct store_handle *dir, bool top);

static int walk_entry(void *arg, const char *name, uint64_t id, mode_t type)
{
	struct walk *w = arg;
	struct oracle *o = w->n->sim->oracle;
	struct store *store = w->n->store;
	struct store_handle h;
	struct stat st;

	(void)id;
	(void)type;
	if ((w->top && strcmp(name, POOL_RESERVED) == 0) ||
	    store->ops->lookup(store, w->dir, name, NULL, &h, &st) < 0)
		return 0;
	if (S_ISDIR(st.st_mode))
		walk_dir(w->n, &h, false);
	if (S_ISREG(st.st_mode)) {
		o->present = grow(o->present, o->present_count, sizeof(*o->present));
		o->present[o->present_count++] = content_hash(store, &h);
	}
	return 0;
}

static void walk_dir(struct sim_node *n, const struct store_handle *dir, bool top)
{
	struct walk w = {.n = n, .dir = dir, .top = top};

	if (n->store->ops->entries(n->store, dir, walk_entry, &w) < 0)
		abort();
}

/* The content is there, was removed by somebody who saw it, or became one of which that is true. */
static bool is_accounted(struct oracle *o, uint64_t content, bool *seen)
{
	size_t names = 0;

	if (is_present(o, content))
		return true;
	for (size_t i = 0; i < o->change_count; i++) {
		if (o->changes[i].before != content || seen[i])
			continue;
		seen[i] = true;
		/* Two who removed one name each, of two: the content went by both. */
		if (o->changes[i].name && ++names < 2)
			continue;
		if (!o->changes[i].after || is_accounted(o, o->changes[i].after, seen))
			return true;
	}
	return false;
}

static void check_conservation(struct sim *sim)
{
	struct oracle *o = sim->oracle;
	struct store_handle root;
	struct sim_node *n = &sim->nodes[0];

	o->present_count = 0;
	free(o->present);
	o->present = NULL;
	if (n->store->ops->root(n->store, &root) < 0)
		abort();
	walk_dir(n, &root, true);
	if (o->present_count)
		qsort(o->present, o->present_count, sizeof(*o->present), compare_hashes);
	for (size_t i = 0; i < o->change_count; i++) {
		AUTO_FREE bool *seen = calloc(o->change_count + 1, sizeof(bool));
		const struct change *c = &o->changes[i];
		if (!seen)
			abort();
		if (!c->uncertain && c->after && !is_accounted(o, c->after, seen))
			sim_fail(sim, "lost: a content (%016llx) that node %u wrote",
				 (unsigned long long)c->after, c->node);
	}
}

/* --- positions */

void oracle_acknowledged(struct sim_node *n, const struct vector *have)
{
	if (vector_merge(&watched_of(n)->acknowledged, have) < 0)
		abort();
}

static uint64_t count_of(struct sim_node *n, uint16_t whose, int which);

void oracle_reopened(struct sim_node *n)
{
	struct watched *w = watched_of(n);

	position_get(n->pool, &w->position);
	for (uint16_t k = 1; k <= n->sim->count; k++)
		w->counts[k - 1] = 0;
	if (!vector_contains(&w->position, &w->acknowledged))
		sim_fail(n->sim, "node %u has lost what it had acknowledged", n->number);
}

void oracle_look_again(struct sim_node *n)
{
	watched_of(n)->look_again = true;
}

static void check_history(struct sim_node *n, uint16_t slot, uint64_t seq)
{
	struct oracle *o = n->sim->oracle;
	uint8_t chain[HASH_SIZE];

	position_chain(n->pool, slot, chain);
	for (size_t i = o->history_count; i-- > 0;) {
		if (o->histories[i].slot != slot || o->histories[i].seq != seq)
			continue;
		if (memcmp(o->histories[i].chain, chain, HASH_SIZE) != 0)
			sim_fail(n->sim, "node %u has another history of slot %u", n->number, slot);
		return;
	}
	o->histories = grow(o->histories, o->history_count, sizeof(*o->histories));
	struct history *h = &o->histories[o->history_count++];
	*h = (struct history){.slot = slot, .seq = seq};
	memcpy(h->chain, chain, HASH_SIZE);
}

static void check_position(struct sim_node *n)
{
	struct watched *w = watched_of(n);
	struct vector now;

	position_get(n->pool, &now);
	if (!vector_contains(&now, &w->position))
		sim_fail(n->sim, "the position of node %u went back", n->number);
	for (size_t i = 0; i < now.count; i++) {
		uint16_t slot = now.entries[i].slot;
		if (w->look_again || now.entries[i].seq != vector_get(&w->position, slot))
			check_history(n, slot, now.entries[i].seq);
	}
	w->look_again = false;
	vector_copy(&w->position, &now);
}

/* --- counters */

static uint64_t count_of(struct sim_node *n, uint16_t whose, int which)
{
	struct store_handle root, h;
	char name[32];
	uint64_t value = 0;

	(void)snprintf(name, sizeof(name), "count-%u-%d", whose, which);
	if (n->store->ops->root(n->store, &root) < 0 ||
	    n->store->ops->lookup(n->store, &root, name, NULL, &h, NULL) < 0)
		return 0;
	ssize_t got = n->store->ops->read(n->store, &h, -1, &value, sizeof(value), 0);
	return got == sizeof(value) ? value : 0;
}

/* What a node wrote becomes visible in its order: the second counter is never ahead. */
static void check_counts(struct sim_node *n)
{
	struct watched *w = watched_of(n);

	if (fetch_count(n->pool))
		return;
	for (uint16_t k = 1; k <= n->sim->count; k++) {
		uint64_t first = count_of(n, k, 0);
		uint64_t second = count_of(n, k, 1);
		if (second > first || first > second + 1)
			sim_fail(n->sim, "node %u shows counts %llu, %llu of node %u", n->number,
				 (unsigned long long)first, (unsigned long long)second, k);
		if (first < w->counts[k - 1])
			sim_fail(n->sim, "node %u shows count %llu of node %u, and was at %llu",
				 n->number, (unsigned long long)first, k,
				 (unsigned long long)w->counts[k - 1]);
		w->counts[k - 1] = first;
	}
}

void oracle_step(struct sim *sim)
{
	for (size_t i = 0; i < sim->count; i++) {
		struct sim_node *n = &sim->nodes[i];
		if (!n->pool)
			continue;
		check_position(n);
		if (sim->plan->gently)
			check_counts(n);
	}
}

/* --- the end */

bool oracle_in_sync(struct sim *sim, char *why, size_t size)
{
	AUTO_FREE struct pool_status *status = calloc(1, sizeof(*status));
	bool all = true;

	if (!status)
		abort();
	for (size_t i = 0; i < sim->count && all; i++) {
		struct sim_node *n = &sim->nodes[i];
		sim_node_enter(n);
		memset(status, 0, sizeof(*status));
		session_status(n->pool, status);
		if (status->in_sync)
			continue;
		all = false;
		int at = snprintf(
			why, size, "node %u (whole %d, missing %zu, open %d, problem \"%s\")",
			n->number, n->pool->flushed_whole, fetch_count(n->pool),
			journal_open_records(n->pool->journal), n->pool->problem[PROBLEM_WRITING]);
		for (size_t k = 0; k < status->peer_count && at > 0 && (size_t)at < size; k++) {
			const struct pool_peer_status *ps = &status->peers[k];
			at += snprintf(why + at, size - (size_t)at, "; node %u %s%s %s", ps->node,
				       ps->state, ps->equal ? " equal" : "", ps->held_reason);
		}
	}
	return all;
}

/* The tree without our own directory. */
static char *dump(struct sim_node *n);

static void explain_object(const struct object *o, FILE *out)
{
	(void)fprintf(out,
		      "%016llx %o%s%s alias %llx content %llx owner %llx times %llx removed %llx",
		      (unsigned long long)o->id, o->type, o->dead ? " dead" : "",
		      o->obsolete ? " obsolete" : "", (unsigned long long)o->alias_of,
		      (unsigned long long)o->content, (unsigned long long)o->owner,
		      (unsigned long long)o->times, (unsigned long long)o->removed);
	for (size_t i = 0; i < o->link_count; i++) {
		const struct dentry *l = &o->links[i];
		(void)fprintf(out, " [%llx: %llx/%.20s at %llx seen %llx%s%s%s]",
			      (unsigned long long)l->lid, (unsigned long long)l->parent, l->name,
			      (unsigned long long)l->stamp, (unsigned long long)l->seen,
			      l->removed ? " removed" : "", l->dead ? " dead" : "",
			      l->conflict ? " lost" : "");
	}
	for (size_t i = 0; i < o->leaf_count; i++)
		(void)fprintf(out, " leaf %llx%s", (unsigned long long)o->leaves[i].stamp,
			      o->leaves[i].have ? "" : " missing");
	for (size_t i = 0; i < o->xattr_count; i++)
		(void)fprintf(out, " %s %llx", o->xattrs[i].name,
			      (unsigned long long)o->xattrs[i].stamp);
	(void)fputc('\n', out);
}

/* What the node's index says. */
static char *explain(struct sim_node *n)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	uint64_t after = 0, id;

	if (!out)
		abort();
	while (index_ids(n->pool->ix, after, &id, 1) == 1) {
		AUTO_REF struct object_ref o = {.cache = n->pool->cache};
		after = id;
		if (object_get_raw(n->pool->cache, id, &o.o) == 0)
			explain_object(o.o, out);
	}
	(void)fclose(out);
	return text;
}

void oracle_explain(struct sim *sim)
{
	for (size_t i = 1; i < sim->count; i++) {
		AUTO_FREE char *a = dump(&sim->nodes[0]);
		AUTO_FREE char *b = dump(&sim->nodes[i]);
		(void)fprintf(stderr, "trees of nodes 1 and %zu:\n", i + 1);
		store_dump_diff(a, b);
		if (!sim->nodes[0].pool || !sim->nodes[i].pool)
			continue;
		AUTO_FREE char *x = explain(&sim->nodes[0]);
		AUTO_FREE char *y = explain(&sim->nodes[i]);
		(void)fprintf(stderr, "objects of nodes 1 and %zu:\n", i + 1);
		store_dump_diff(x, y);
	}
}

/* As long as nobody changed anything at the top, its time is that of the disk's making. */
static void forget_top_time(struct sim_node *n, char *text)
{
	AUTO_REF struct object_ref root = {.cache = n->pool ? n->pool->cache : NULL};
	char *end = strchr(text, '\n');
	char *at = strchr(text, '@');

	if (n->pool && at && end && at < end &&
	    object_get(n->pool->cache, POOL_ROOT_ID, &root.o) == 0 && !root.o->times)
		memmove(at, end, strlen(end) + 1);
}

static char *dump(struct sim_node *n)
{
	char *text;

	if (store_dump(n->store, STORE_DUMP_ALL, &text) < 0)
		abort();
	char *to = text;
	for (char *line = text; *line;) {
		size_t size = strcspn(line, "\n") + 1;
		if (strncmp(line, "/" POOL_RESERVED, strlen("/" POOL_RESERVED)) != 0) {
			memmove(to, line, size);
			to += size;
		}
		line += size;
	}
	*to = '\0';
	forget_top_time(n, text);
	return text;
}

static void check_left_over(struct sim_node *n)
{
	AUTO_FREE char *text = NULL;

	if (store_mem_open_count(n->store))
		sim_fail(n->sim, "node %u keeps %zu descriptors open", n->number,
			 store_mem_open_count(n->store));
	if (store_dump(n->store, 0, &text) < 0)
		abort();
	const char *left = strstr(text, "\n/" POOL_RESERVED "/");
	if (left)
		sim_fail(n->sim, "node %u leaves %.*s", n->number, (int)strcspn(left + 1, "\n"),
			 left + 1);
}

static void check_convergence(struct sim *sim)
{
	AUTO_FREE char *first = dump(&sim->nodes[0]);

	for (size_t i = 1; i < sim->count; i++) {
		AUTO_FREE char *other = dump(&sim->nodes[i]);
		if (strcmp(first, other) == 0)
			continue;
		sim_fail(sim, "nodes 1 and %zu differ", i + 1);
	}
	if (sim->plan->calm && strstr(first, ".conflict-"))
		sim_fail(sim, "a conflict, and nobody wrote at the same time");
}

void oracle_end(struct sim *sim)
{
	check_convergence(sim);
	check_conservation(sim);
	for (size_t i = 0; i < sim->count; i++)
		check_left_over(&sim->nodes[i]);
}
