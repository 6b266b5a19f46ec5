/* SPDX-License-Identifier: Apache-2.0 */
#include "replication/pool_open.h"
#include "replication/pools.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/auto.h"
#include "core/io.h"
#include "core/log.h"
#include "replication/commit.h"
#include "replication/pool_file.h"
#include "replication/pool_ops.h"
#include "replication/pool_settings.h"
#include "replication/session.h"
#include "replication/trash.h"
#include "replication/worker.h"

struct pool_entry {
	struct pool_file file;
	struct pool *pool; /* NULL: not open, see problem */
	char problem[256];
	bool member[FLEET_MEMBERS_MAX + 1];    /* told to the pool as a member */
	bool connected[FLEET_MEMBERS_MAX + 1]; /* told to the pool as up */
};

struct pools {
	char *state_dir;
	struct fleet *fleet;
	struct net *net;
	uint64_t journal_max_bytes;
	struct pool_entry *entries[FLEET_POOLS_MAX];
	size_t count;
	bool up[FLEET_MEMBERS_MAX + 1];
};

static void say(char *error, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void say(char *error, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(error, size, format, args);
	va_end(args);
}

/* --- where pools send --- */

static int io_send(void *arg, uint16_t node, enum net_class class, uint16_t type,
		   const struct net_part *parts, size_t count)
{
	struct pools *pools = arg;

	return pools->net ? net_send(pools->net, node, class, type, parts, count) : -ENOTCONN;
}

static void io_consumed(void *arg, uint16_t node, enum net_class class, size_t size)
{
	struct pools *pools = arg;

	if (pools->net)
		net_consumed(pools->net, node, class, size);
}

static int io_member_key(void *arg, uint16_t node, uint8_t ret[KEY_PUBLIC_SIZE])
{
	struct pools *pools = arg;
	struct member m;

	/* What a member wrote before it left or was removed stays valid. */
	int r = fleet_member(pools->fleet, node, &m);
	if (r == 0)
		memcpy(ret, m.key, KEY_PUBLIC_SIZE);
	return r;
}

int pools_new(const struct pools_config *config, struct pools **ret)
{
	struct pools *pools = calloc(1, sizeof(*pools));

	if (!pools)
		return -ENOMEM;
	pools->state_dir = strdup(config->state_dir);
	if (!pools->state_dir) {
		free(pools);
		return -ENOMEM;
	}
	pools->fleet = config->fleet;
	pools->journal_max_bytes = config->journal_max_bytes;
	*ret = pools;
	return 0;
}

static char *entry_dir(const struct pools *pools, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/pools/%s", pools->state_dir, name) < 0 ? NULL : path;
}

/* A restart within one boot keeps what was written; after a power cut a tail that peers have may be
 * gone here, and what is written next must not look like its continuation. */
static int note_boot(struct pools *pools, struct pool_file *file, bool clean, bool *ret_power_cut)
{
	AUTO_FREE char *dir = entry_dir(pools, file->name);
	AUTO_FREE char *path = dir ? path_join(dir, "running") : NULL;
	AUTO_FREE uint8_t *boot = NULL;
	AUTO_FREE uint8_t *last = NULL;
	size_t size, last_size;

	if (!path)
		return -ENOMEM;
	if (clean)
		return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
	int r = file_read("/proc/sys/kernel/random/boot_id", 64, &boot, &size);
	if (r == -EFBIG || r < 0 || size == 0) {
		free(boot);
		boot = (uint8_t *)strdup("unknown boot");
		size = boot ? strlen((char *)boot) : 0;
	}
	r = file_read(path, 64, &last, &last_size);
	if (r == 0 && (last_size != size || memcmp(last, boot, size) != 0)) {
		if (file->incarnation >= INCARNATION_LAST)
			return MA_ELIMIT;
		file->incarnation++;
		*ret_power_cut = true;
		log_warn("pool \"%s\": the machine went down without a stop; writing goes on as "
			 "incarnation %u",
			 file->name, file->incarnation);
		r = pool_file_write(dir, file);
		if (r < 0)
			return r;
	}
	return file_replace(path, boot, size, 0600);
}

static int entry_open(struct pools *pools, struct pool_entry *e)
{
	AUTO_FREE char *dir = entry_dir(pools, e->file.name);
	struct member self;
	bool power_cut = false;

	fleet_self(pools->fleet, &self);
	if (!dir)
		return -ENOMEM;
	e->problem[0] = '\0';
	int r = pool_store_check(&e->file, e->problem, sizeof(e->problem));
	if (r == 0)
		r = note_boot(pools, &e->file, false, &power_cut);
	struct pool_config config = {
		.name = e->file.name,
		.id = e->file.id,
		.dir = dir,
		.backing = e->file.backing,
		.node = self.number,
		.incarnation = e->file.incarnation,
		.key = fleet_key(pools->fleet),
		.io = {.arg = pools,
		       .send = io_send,
		       .consumed = io_consumed,
		       .member_key = io_member_key},
		.journal_max_bytes = pools->journal_max_bytes,
		.power_cut = power_cut,
		.trash = true,
	};
	if (r == 0)
		r = pool_open_at(&config, &e->pool, e->problem, sizeof(e->problem));
	if (r == 0) {
		r = worker_start(e->pool);
		if (r < 0) {
			pool_free(e->pool);
			e->pool = NULL;
		}
	}
	if (r < 0 && !e->problem[0])
		say(e->problem, sizeof(e->problem), "cannot open pool \"%s\": %s", e->file.name,
		    err_text(r));
	return r;
}

static bool is_member(const struct pool_entry *e, const struct member *m)
{
	for (size_t i = 0; m->state == MEMBER_ACTIVE && i < m->pool_count; i++) {
		if (m->pools[i].id == e->file.id)
			return true;
	}
	return false;
}

/* Tells the pool of one member what changed. */
static void entry_tell(struct pool_entry *e, uint16_t node, bool member, bool connected)
{
	if (member && !e->member[node])
		worker_post_expect(e->pool, node);
	if (connected && !e->connected[node])
		worker_post_up(e->pool, node);
	else if (!connected && e->connected[node])
		worker_post_down(e->pool, node);
	if (!member && e->member[node])
		worker_post_forget(e->pool, node);
	e->member[node] = member;
	e->connected[node] = connected;
}

/* Tells the pool who its members are and which of them are connected. */
static void entry_connect(struct pools *pools, struct pool_entry *e)
{
	size_t max = FLEET_MEMBERS_MAX;
	AUTO_FREE struct member *members = e->pool ? malloc(sizeof(*members) * max) : NULL;
	struct member self;

	if (!members)
		return;
	fleet_self(pools->fleet, &self);
	size_t count = fleet_members(pools->fleet, members, max);
	for (size_t i = 0; i < count && i < max; i++) {
		uint16_t node = members[i].number;
		bool in = node != self.number && is_member(e, &members[i]);
		entry_tell(e, node, in, in && pools->up[node]);
	}
	worker_post_expected_all(e->pool);
}

static int entry_add(struct pools *pools, const struct pool_file *file, struct pool_entry **ret)
{
	if (pools->count == FLEET_POOLS_MAX)
		return MA_ELIMIT;
	struct pool_entry *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->file = *file;
	pools->entries[pools->count++] = e;
	*ret = e;
	return 0;
}

static void entry_remove(struct pools *pools, struct pool_entry *e)
{
	for (size_t i = 0; i < pools->count; i++) {
		if (pools->entries[i] == e)
			pools->entries[i] = pools->entries[--pools->count];
	}
	free(e);
}

static void entry_close(struct pools *pools, struct pool_entry *e)
{
	if (!e->pool)
		return;
	worker_stop(e->pool);
	pool_free(e->pool);
	e->pool = NULL;
	if (note_boot(pools, &e->file, true, NULL) < 0)
		log_warn("pool \"%s\": cannot note the orderly stop", e->file.name);
}

void pools_free(struct pools *pools)
{
	if (!pools)
		return;
	for (size_t i = 0; i < pools->count; i++) {
		entry_close(pools, pools->entries[i]);
		free(pools->entries[i]);
	}
	free(pools->state_dir);
	free(pools);
}

void pools_set_net(struct pools *pools, struct net *net)
{
	pools->net = net;
}

int pools_open_all(struct pools *pools)
{
	AUTO_FREE char *path = path_join(pools->state_dir, "pools");
	int open_count = 0;
	struct dirent *d;

	if (!path)
		return -ENOMEM;
	DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((d = readdir(dir))) {
		AUTO_FREE char *one = entry_dir(pools, d->d_name);
		struct pool_file file;
		struct pool_entry *e;
		if (d->d_name[0] == '.' || !one || pool_file_read(one, &file) < 0)
			continue;
		if (entry_add(pools, &file, &e) < 0)
			break;
		if (entry_open(pools, e) < 0)
			log_error("%s", e->problem);
		else
			open_count++;
		entry_connect(pools, e);
	}
	(void)closedir(dir);
	return open_count;
}

static bool name_valid(const char *name)
{
	size_t length = strlen(name);

	if (!length || length > FLEET_NAME_MAX || name[0] == '.' || name[0] == '-')
		return false;
	for (const char *c = name; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("._-", *c))
			return false;
	}
	return true;
}

static struct pool_entry *entry_find_name(struct pools *pools, const char *name)
{
	for (size_t i = 0; i < pools->count; i++) {
		if (strcmp(pools->entries[i]->file.name, name) == 0)
			return pools->entries[i];
	}
	return NULL;
}

static int check_name(struct pools *pools, const char *name, char *error, size_t size)
{
	if (!fleet_exists(pools->fleet)) {
		say(error, size,
		    "this node belongs to no fleet yet; run \"multiall init\" or "
		    "\"multiall join\" first");
		return MA_EUSAGE;
	}
	if (!name_valid(name)) {
		say(error, size,
		    "\"%s\" cannot be a pool's name: up to %d letters, digits, '.', '_', '-'", name,
		    FLEET_NAME_MAX);
		return MA_EUSAGE;
	}
	if (entry_find_name(pools, name)) {
		say(error, size, "this node has a pool \"%s\" already", name);
		return -EEXIST;
	}
	return 0;
}

#define TREES_MAX 1000

/* An empty backing directory below the state directory: "tree", or, where an earlier membership
 * left its files, "tree.2" and so on. */
static int make_tree(struct pool_file *file, const char *dir)
{
	for (int i = 1; i <= TREES_MAX; i++) {
		int length = i == 1 ? snprintf(file->backing, sizeof(file->backing), "%s/tree", dir)
				    : snprintf(file->backing, sizeof(file->backing), "%s/tree.%d",
					       dir, i);
		if (length >= (int)sizeof(file->backing))
			return -ENAMETOOLONG;
		if (mkdir(file->backing, 0755) == 0 || rmdir(file->backing) == 0) {
			int r = dir_make(file->backing, 0755);
			return r;
		}
		if (errno != ENOTEMPTY && errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* State directory, backing directory, their marks. */
static int prepare(struct pools *pools, struct pool_file *file, const char *adopt, char *error,
		   size_t size)
{
	AUTO_FREE char *dir = entry_dir(pools, file->name);

	if (!dir)
		return -ENOMEM;
	int r = dir_make(dir, 0700);
	if (r == 0 && adopt &&
	    snprintf(file->backing, sizeof(file->backing), "%s", adopt) >=
		    (int)sizeof(file->backing))
		r = -ENAMETOOLONG;
	if (r == 0 && !adopt)
		r = make_tree(file, dir);
	if (r == 0)
		r = pool_file_renew(dir, file);
	random_bytes(file->store, sizeof(file->store));
	if (r == 0)
		r = pool_store_mark(file);
	if (r == 0)
		r = pool_file_write(dir, file);
	if (r < 0 && !error[0])
		say(error, size, "cannot prepare %s and %s: %s", dir, file->backing, err_text(r));
	return r;
}

static void forget(struct pools *pools, const struct pool_file *file)
{
	AUTO_FREE char *dir = entry_dir(pools, file->name);

	if (dir && pool_file_forget(dir) < 0)
		log_warn("cannot remove the state of pool \"%s\" in %s", file->name, dir);
	pool_store_unmark(file);
}

static int begin(struct pools *pools, struct pool_file *file, bool creates, const char *adopt,
		 struct pool **ret, char *error, size_t size)
{
	struct pool_entry *e;
	int r = prepare(pools, file, adopt, error, size);

	if (r == 0)
		r = entry_add(pools, file, &e);
	if (r < 0)
		return r;
	r = entry_open(pools, e);
	if (r < 0)
		say(error, size, "%s", e->problem);
	/* Also for an empty one: owner and times of the top directory are the pool's from now on.
	 */
	if (r == 0 && creates) {
		r = adopt_tree(e->pool);
		if (r < 0)
			say(error, size, "cannot take %s into use: %s", file->backing, err_text(r));
	}
	if (r == 0)
		r = fleet_pool_add(pools->fleet, file->id, file->name);
	if (r < 0) {
		if (!error[0])
			say(error, size, "cannot note the pool in the fleet: %s", err_text(r));
		entry_close(pools, e);
		forget(pools, file);
		entry_remove(pools, e);
		return r;
	}
	*ret = e->pool;
	if (pools->net)
		net_announce(pools->net);
	entry_connect(pools, e);
	return 0;
}

int pools_create(struct pools *pools, const char *name, const char *adopt, struct pool **ret,
		 char *error, size_t size)
{
	struct pool_file file = {0};
	uint64_t id;

	error[0] = '\0';
	int r = check_name(pools, name, error, size);
	if (r < 0)
		return r;
	if (fleet_pool_find(pools->fleet, name, &id) == 0) {
		say(error, size,
		    "the fleet has a pool \"%s\"; to take part in it: multiall pool join %s", name,
		    name);
		return -EEXIST;
	}
	if (adopt && access(adopt, R_OK | W_OK | X_OK) < 0) {
		r = -errno;
		say(error, size, "cannot use the directory %s: %s", adopt, err_text(r));
		return r;
	}
	if (adopt && pool_store_marked(adopt)) {
		say(error, size,
		    "the directory %s belongs to a pool already (it has %s/store); leave "
		    "that pool first: multiall pool leave NAME",
		    adopt, POOL_RESERVED);
		return -EEXIST;
	}
	random_bytes(&file.id, sizeof(file.id));
	(void)snprintf(file.name, sizeof(file.name), "%s", name);
	return begin(pools, &file, true, adopt, ret, error, size);
}

int pools_join(struct pools *pools, const char *name, struct pool **ret, char *error, size_t size)
{
	struct pool_file file = {0};

	error[0] = '\0';
	int r = check_name(pools, name, error, size);
	if (r < 0)
		return r;
	r = fleet_pool_find(pools->fleet, name, &file.id);
	if (r < 0) {
		say(error, size,
		    "no member of the fleet holds a pool \"%s\" (see: multiall pool list)", name);
		return r;
	}
	(void)snprintf(file.name, sizeof(file.name), "%s", name);
	return begin(pools, &file, false, NULL, ret, error, size);
}

int pools_leave(struct pools *pools, const char *name, char *ret_path, size_t path_size,
		char *error, size_t size)
{
	struct pool_entry *e = entry_find_name(pools, name);

	if (!e) {
		say(error, size, "this node has no pool \"%s\"", name);
		return MA_EUNKNOWN;
	}
	struct pool_file file = e->file;
	int r = fleet_pool_remove(pools->fleet, file.id);
	if (r < 0 && r != MA_EUNKNOWN) {
		say(error, size, "cannot note in the fleet that this node leaves \"%s\": %s", name,
		    err_text(r));
		return r;
	}
	if (pools->net)
		net_announce(pools->net);
	entry_close(pools, e);
	forget(pools, &file);
	entry_remove(pools, e);
	(void)snprintf(ret_path, path_size, "%s", file.backing);
	return 0;
}

struct pool *pools_find(struct pools *pools, const char *name)
{
	struct pool_entry *e = entry_find_name(pools, name);

	return e ? e->pool : NULL;
}

void pools_each(struct pools *pools, void (*fn)(void *arg, const char *name, struct pool *pool),
		void *arg)
{
	for (size_t i = 0; i < pools->count; i++) {
		if (pools->entries[i]->pool)
			fn(arg, pools->entries[i]->file.name, pools->entries[i]->pool);
	}
}

void pools_node_up(struct pools *pools, uint16_t node)
{
	if (node > FLEET_MEMBERS_MAX)
		return;
	pools->up[node] = true;
	for (size_t i = 0; i < pools->count; i++)
		entry_connect(pools, pools->entries[i]);
}

void pools_node_down(struct pools *pools, uint16_t node)
{
	if (node > FLEET_MEMBERS_MAX)
		return;
	pools->up[node] = false;
	for (size_t i = 0; i < pools->count; i++)
		entry_connect(pools, pools->entries[i]);
}

void pools_fleet_changed(struct pools *pools)
{
	for (size_t i = 0; i < pools->count; i++)
		entry_connect(pools, pools->entries[i]);
}

void pools_writable(struct pools *pools, uint16_t node, enum net_class class)
{
	(void)class;
	for (size_t i = 0; i < pools->count; i++) {
		struct pool_entry *e = pools->entries[i];
		if (e->pool && node <= FLEET_MEMBERS_MAX && e->connected[node])
			worker_post_writable(e->pool, node);
	}
}

void pools_message(struct pools *pools, uint16_t node, struct net_message *message)
{
	struct rd r = rd_init(message->body, message->size);
	uint64_t id = rd_u64(&r);

	/* Every message about a pool begins with its id; a peer gets only pools that it belongs to.
	 */
	for (size_t i = 0; i < pools->count && !r.failed; i++) {
		struct pool_entry *e = pools->entries[i];
		if (e->file.id == id && e->pool && node <= FLEET_MEMBERS_MAX &&
		    e->connected[node]) {
			worker_post_message(e->pool, node, message);
			return;
		}
	}
	io_consumed(pools, node, message->class, message->size);
	free(message);
}

int pools_has(struct pools *pools, const char *position)
{
	char name[FLEET_NAME_MAX + 1];
	const char *at = strchr(position, '@');
	size_t length = at ? (size_t)(at - position) : 0;
	struct vector mine;
	unsigned int slot;
	uint64_t seq;
	char more;

	if (!length || length >= sizeof(name) ||
	    sscanf(at, "@%5u:%12" SCNx64 "%c", &slot, &seq, &more) != 2 || slot > UINT16_MAX)
		return -EINVAL;
	memcpy(name, position, length);
	name[length] = '\0';
	struct pool *pool = pools_find(pools, name);
	if (!pool)
		return MA_EUNKNOWN;
	position_get(pool, &mine);
	return vector_get(&mine, (uint16_t)slot) >= seq;
}

size_t pools_status(struct pools *pools, struct pool_status *ret, size_t max)
{
	for (size_t i = 0; i < pools->count && i < max; i++) {
		struct pool_entry *e = pools->entries[i];
		struct pool_status *s = &ret[i];
		memset(s, 0, sizeof(*s));
		(void)snprintf(s->name, sizeof(s->name), "%s", e->file.name);
		(void)snprintf(s->backing, sizeof(s->backing), "%s", e->file.backing);
		(void)snprintf(s->problem, sizeof(s->problem), "%s", e->problem);
		s->id = e->file.id;
		s->open = e->pool != NULL;
		if (!e->pool)
			continue;
		object_counts(e->pool->cache, &s->files, &s->conflicts, &s->bytes);
		s->journal_bytes = journal_bytes(e->pool->journal);
		session_status(e->pool, s);
		s->trash = trash_braked(e->pool);
		s->durability =
			pool_settings_table[POOL_SETTING_DURABILITY]
				.words[pool_setting_number(e->pool, POOL_SETTING_DURABILITY)];
	}
	return pools->count;
}
