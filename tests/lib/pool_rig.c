/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/pool_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/clock.h"
#include "core/io.h"
#include "core/log.h"
#include "net/message.h"
#include "replication/forget.h"
#include "replication/pool_open.h"
#include "replication/commit.h"
#include "replication/fetch.h"
#include "replication/pool_file.h"
#include "replication/session.h"
#include "tests/sim/store_dump.h"
#include "tests/sim/store_mem.h"

#define RIG_POOL      77
#define START_WALL_NS INT64_C(1700000000000000000)
#define ROUND_MS      100
#define ROUNDS_MAX    1200

#if defined(__SANITIZE_THREAD__)
/* All locks of a pool at once are more than it can follow. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "detect_deadlocks=0";
}
#endif

static uint64_t rig_ms = 1000;
static int64_t rig_wall_ns = START_WALL_NS;

/* In place of core/clock.c. Each look at the time takes a little of it, so that no two changes
 * carry the same. */
uint64_t clock_boot_ms(void)
{
	return rig_ms;
}

int64_t clock_wall_ns(void)
{
	return rig_wall_ns += 1000;
}

void rig_clock_begin(void)
{
	rig_ms = 1000;
	rig_wall_ns = START_WALL_NS;
}

void rig_set_clock(int64_t by_ms)
{
	rig_wall_ns += by_ms * 1000000;
}

void rig_wait(uint64_t ms)
{
	rig_ms += ms;
	rig_wall_ns += (int64_t)ms * 1000000;
}

/* --- messages --- */

static int io_send(void *arg, uint16_t node, enum net_class class, uint16_t type,
		   const struct net_part *parts, size_t count)
{
	struct rig_node *n = arg;
	struct pool_rig *rig = n->rig;
	size_t size = 0;

	(void)class;
	if (!rig->linked[n->number][node])
		return -ENOTCONN;
	if (class != NET_CONTROL && rig->queue_max &&
	    rig->queued[n->number][node] >= rig->queue_max)
		return -EAGAIN;
	for (size_t i = 0; i < count; i++)
		size += parts[i].size;
	assert_true(size <= NET_BODY_MAX);
	struct rig_message *m = malloc(sizeof(*m) + size);
	assert_non_null(m);
	*m = (struct rig_message){.from = n->number, .to = node, .type = type, .size = size};
	size = 0;
	for (size_t i = 0; i < count; i++) {
		if (parts[i].size)
			memcpy(m->body + size, parts[i].data, parts[i].size);
		size += parts[i].size;
	}
	struct rig_message **at = &rig->first;
	while (*at)
		at = &(*at)->next;
	*at = m;
	rig->queued[n->number][node]++;
	rig->sent[type % 64]++;
	rig->sent_bytes += size;
	return 0;
}

static int io_member_key(void *arg, uint16_t node, uint8_t ret[KEY_PUBLIC_SIZE])
{
	struct rig_node *n = arg;

	if (!node || node > n->rig->count)
		return MA_EUNKNOWN;
	memcpy(ret, n->rig->nodes[node].key.public, KEY_PUBLIC_SIZE);
	return 0;
}

static void lose_messages(struct pool_rig *rig, uint16_t a, uint16_t b)
{
	for (struct rig_message **at = &rig->first; *at;) {
		struct rig_message *m = *at;

		if ((m->from == a && m->to == b) || (m->from == b && m->to == a)) {
			*at = m->next;
			free(m);
		} else {
			at = &m->next;
		}
	}
	rig->queued[a][b] = rig->queued[b][a] = 0;
}

bool rig_deliver(struct pool_rig *rig)
{
	struct rig_message *m = rig->first;

	if (!m)
		return false;
	rig->first = m->next;
	size_t skip = m->type == MESSAGE_BATCH ? 0 : 8;
	session_message(rig->nodes[m->to].p, m->from, m->type, m->body + skip, m->size - skip);
	struct pool *from = rig->nodes[m->from].p;
	if (rig->queued[m->from][m->to]-- == rig->queue_max && from) {
		session_writable(from, m->to);
		fetch_writable(from, m->to);
	}
	free(m);
	return true;
}

/* --- nodes --- */

void rig_start(struct pool_rig *rig, uint16_t node)
{
	struct rig_node *n = &rig->nodes[node];
	char error[256] = "";
	struct pool_file file;

	assert_int_equal(pool_file_read(n->dir, &file), 0);
	struct pool_config config = {.name = "rig",
				     .id = RIG_POOL,
				     .dir = n->dir,
				     .node = node,
				     .incarnation = file.incarnation,
				     .key = &n->key,
				     .io = {.arg = n, .send = io_send, .member_key = io_member_key},
				     .journal_max_bytes = 64u << 20,
				     .power_cut = n->power_cut,
				     .store = n->store};

	assert_null(n->p);
	if (pool_open_at(&config, &n->p, error, sizeof(error)) < 0)
		fail_msg("node %u: %s", node, error);
	n->power_cut = false;
	for (uint16_t i = 1; i <= rig->count; i++) {
		if (i != node)
			session_expect(n->p, i);
	}
	forget_begin(n->p);
}

void rig_kill(struct pool_rig *rig, uint16_t node)
{
	struct rig_node *n = &rig->nodes[node];

	for (uint16_t i = 1; i <= rig->count; i++)
		rig_cut(rig, node, i);
	n->p->store = NULL; /* it stays */
	pool_free(n->p);
	n->p = NULL;
}

void rig_power_cut(struct pool_rig *rig, uint16_t node, uint64_t seed)
{
	struct rig_node *n = &rig->nodes[node];
	struct pool_file file;

	rig_kill(rig, node);
	assert_int_equal(pool_file_read(n->dir, &file), 0);
	file.incarnation++;
	assert_int_equal(pool_file_write(n->dir, &file), 0);
	n->power_cut = true;
	store_mem_power_cut(n->store, seed);
}

void rig_stop(struct pool_rig *rig, uint16_t node)
{
	struct pool *p = rig->nodes[node].p;

	assert_int_equal(commit_flush(p), 0);
	assert_int_equal(commit_sync(p, journal_tail(p->journal)), 0);
	rig_kill(rig, node);
}

void pool_rig_init(struct pool_rig *rig, size_t count)
{
	const char *tmp = getenv("TMPDIR");

	memset(rig, 0, sizeof(*rig));
	assert_int_equal(crypto_init(), 0);
	log_set_level(getenv("RIG_LOG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR);
	rig->count = count;
	(void)snprintf(rig->dir, sizeof(rig->dir), "%s/pool-rig-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(rig->dir));
	for (uint16_t i = 1; i <= count; i++) {
		struct rig_node *n = &rig->nodes[i];
		uint8_t seed[KEY_SEED_SIZE] = {(uint8_t)i};
		struct pool_file file = {.id = RIG_POOL, .name = "rig"};

		n->rig = rig;
		n->number = i;
		keypair_from_seed(seed, &n->key);
		assert_true(asprintf(&n->dir, "%s/%u", rig->dir, i) > 0);
		assert_int_equal(dir_make(n->dir, 0700), 0);
		assert_int_equal(store_mem_new(&n->store), 0);
		assert_int_equal(pool_file_write(n->dir, &file), 0);
		rig_start(rig, i);
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void pool_rig_done(struct pool_rig *rig)
{
	for (uint16_t i = 1; i <= rig->count; i++) {
		if (rig->nodes[i].p)
			rig_kill(rig, i);
		rig->nodes[i].store->ops->free(rig->nodes[i].store);
		free(rig->nodes[i].dir);
	}
	(void)nftw(rig->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void rig_link(struct pool_rig *rig, uint16_t a, uint16_t b)
{
	if (a == b || rig->linked[a][b] || !rig->nodes[a].p || !rig->nodes[b].p)
		return;
	rig->linked[a][b] = rig->linked[b][a] = true;
	session_up(rig->nodes[a].p, b);
	session_up(rig->nodes[b].p, a);
}

void rig_link_all(struct pool_rig *rig)
{
	for (uint16_t a = 1; a <= rig->count; a++) {
		for (uint16_t b = 1; b < a; b++)
			rig_link(rig, a, b);
	}
}

void rig_cut(struct pool_rig *rig, uint16_t a, uint16_t b)
{
	if (!rig->linked[a][b])
		return;
	rig->linked[a][b] = rig->linked[b][a] = false;
	lose_messages(rig, a, b);
	session_down(rig->nodes[a].p, b);
	session_down(rig->nodes[b].p, a);
}

void rig_cut_all(struct pool_rig *rig)
{
	for (uint16_t a = 1; a <= rig->count; a++) {
		for (uint16_t b = 1; b < a; b++)
			rig_cut(rig, a, b);
	}
}

void rig_forget_log(struct pool_rig *rig, uint16_t node)
{
	struct pool *p = rig->nodes[node].p;

	assert_int_equal(commit_seal(p), 0);
	assert_int_equal(commit_flush(p), 0);
	vector_copy(&p->log_floor, &p->position.vector);
}

/* --- time passes --- */

static void round_of(struct pool *p)
{
	assert_int_equal(commit_seal(p), 0);
	if (object_dirty_count(p->cache) || p->flushed_pos != journal_tail(p->journal) ||
	    !p->flushed_whole)
		assert_int_equal(commit_flush(p), 0);
}

static bool quiet(struct pool_rig *rig)
{
	AUTO_FREE struct pool_status *status = malloc(sizeof(*status));

	assert_non_null(status);
	for (uint16_t i = 1; i <= rig->count; i++) {
		if (!rig->nodes[i].p)
			continue;
		memset(status, 0, sizeof(*status));
		session_status(rig->nodes[i].p, status);
		/* It speaks of the peers that it hears; those without a cable don't count. */
		if (!status->in_sync)
			return false;
	}
	return !rig->first;
}

void rig_run(struct pool_rig *rig)
{
	for (int i = 0, calm = 0; i < ROUNDS_MAX && calm < 15; i++) {
		for (uint16_t n = 1; n <= rig->count; n++) {
			if (rig->nodes[n].p)
				round_of(rig->nodes[n].p);
		}
		while (rig_deliver(rig))
			;
		rig_wait(ROUND_MS);
		for (uint16_t n = 1; n <= rig->count; n++) {
			if (!rig->nodes[n].p)
				continue;
			session_acknowledge(rig->nodes[n].p, UINT64_MAX);
			session_tick(rig->nodes[n].p, clock_boot_ms());
		}
		calm = quiet(rig) ? calm + 1 : 0;
	}
}

char *rig_dump(struct pool_rig *rig, uint16_t node)
{
	/* What each node has of its own: the directory, and its trash. Anything else in it differs.
	 */
	static const char *const own[] = {"/" POOL_RESERVED " ", "/" POOL_RESERVED "/trash"};
	char *text;

	assert_int_equal(store_dump(rig->nodes[node].store, STORE_DUMP_ALL, &text), 0);
	for (size_t i = 0; i < 2; i++) {
		for (char *line; (line = strstr(text, own[i]));) {
			char *next = strchrnul(line, '\n');
			next += *next == '\n';
			memmove(line, next, strlen(next) + 1);
		}
	}
	return text;
}

void rig_settle(struct pool_rig *rig)
{
	AUTO_FREE char *first = NULL;

	rig_run(rig);
	for (uint16_t i = 1; i <= rig->count; i++) {
		if (!rig->nodes[i].p)
			continue;
		rig_check(rig, i);
		if (!first) {
			first = rig_dump(rig, i);
			continue;
		}
		AUTO_FREE char *text = rig_dump(rig, i);
		if (strcmp(first, text) != 0) {
			store_dump_diff(first, text);
			fail_msg("node %u has another tree", i);
		}
	}
	while (rig_deliver(rig))
		;
	if (!quiet(rig))
		fail_msg("equal trees, but not in sync");
}

/* --- the tree and what the pool knows of it --- */

struct check {
	struct pool *p;
	uint64_t parent;
	const struct store_handle *dir;
	const char *path;
	size_t names;
};

static int check_entry(void *arg, const char *name, uint64_t id, mode_t type)
{
	struct check *c = arg;
	struct pool *p = c->p;
	AUTO_REF struct object_ref o = {.cache = p->cache};
	AUTO_FREE char *path = NULL;
	struct store_handle handle;
	struct stat st;

	if (c->parent == POOL_ROOT_ID && strcmp(name, POOL_RESERVED) == 0)
		return 0;
	assert_true(asprintf(&path, "%s/%s", c->path, name) > 0);
	if (!id || object_get_raw(p->cache, id, &o.o) < 0)
		fail_msg("node %u: %s is of no object that is known", c->p->node, path);
	if ((o.o->type & S_IFMT) != (type & S_IFMT) || o.o->dead || o.o->alias_of)
		fail_msg("node %u: %s is of an object that should not be there", c->p->node, path);
	if (!object_link_at(p->cache, o.o, c->parent, name, strlen(name)))
		fail_msg("node %u: %s is no name of its object", c->p->node, path);
	assert_int_equal(p->store->ops->lookup(p->store, c->dir, name, NULL, &handle, &st), 0);
	c->names++;
	if (!S_ISDIR(type))
		return 0;
	struct check below = {.p = c->p, .parent = id, .dir = &handle, .path = path};
	int r = p->store->ops->entries(p->store, &handle, check_entry, &below);
	c->names += below.names;
	return r;
}

/* Says which link is not in the tree. */
static void check_link(struct pool *p, const struct object *o, const struct dentry *l)
{
	AUTO_REF struct object_ref dir = {.cache = p->cache};
	char shown[256];
	uint64_t id = 0;

	if (l->dead)
		return;
	dentry_shown(l, shown);
	if (object_get(p->cache, l->parent, &dir.o) == 0)
		(void)p->store->ops->lookup(p->store, &dir.o->handle, shown, &id, NULL, NULL);
	if (id != o->id)
		print_message("object %016llx, branch of %llx, is not there as %s\n",
			      (unsigned long long)o->id, (unsigned long long)o->branch_of, shown);
}

static size_t live_links(struct pool *p)
{
	uint64_t ids[64], after = 0;
	size_t links = 0;
	int count;

	while ((count = index_ids(p->ix, after, ids, 64)) > 0) {
		for (int i = 0; i < count; i++) {
			AUTO_REF struct object_ref o = {.cache = p->cache};

			assert_int_equal(object_get_raw(p->cache, ids[i], &o.o), 0);
			if (o.o->dead || o.o->alias_of)
				continue;
			for (size_t l = 0; l < o.o->link_count; l++) {
				links += !o.o->links[l].dead;
				check_link(p, o.o, &o.o->links[l]);
			}
		}
		after = ids[count - 1];
	}
	assert_int_equal(count, 0);
	return links;
}

void rig_check_pool(struct pool *p)
{
	struct store_handle root;

	assert_int_equal(commit_flush(p), 0);
	assert_int_equal(p->store->ops->root(p->store, &root), 0);
	struct check c = {.p = p, .parent = POOL_ROOT_ID, .dir = &root, .path = ""};
	assert_int_equal(p->store->ops->entries(p->store, &root, check_entry, &c), 0);
	size_t links = live_links(p);
	if (c.names != links)
		fail_msg("node %u: %zu names in the tree, %zu links", p->node, c.names, links);
}

void rig_check(struct pool_rig *rig, uint16_t node)
{
	rig_check_pool(rig->nodes[node].p);
	assert_int_equal(store_mem_open_count(rig->nodes[node].store), 0);
}
