/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/store_mem_in.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "tests/sim/store_mem_ops.h"

enum mem_step_kind { MEM_STEP_ENTRY, MEM_STEP_ATTR, MEM_STEP_XATTR, MEM_STEP_SIZE };

/* How to take back one change. */
struct mem_step {
	struct mem_step *older;
	uint64_t group; /* those of one group are taken back together */
	enum mem_step_kind kind;
	uint64_t ino;
	uint64_t entry_ino; /* 0: there was no such entry */
	struct mem_attr attr;
	off_t size;
	char *name;
	uint8_t *value; /* NULL: there was no such attribute */
	size_t value_size;
	struct mem_page *pages; /* cut off, as the last sync saw them */
};

int mem_change(struct store_mem *m)
{
	m->calls++;
	m->group++;
	if (m->fail_countdown == 0 || --m->fail_countdown > 0)
		return 0;
	return m->fail_error;
}

void mem_next_group(struct store_mem *m)
{
	m->group++;
}

int mem_room(struct store_mem *m, uint64_t more)
{
	return m->capacity && m->used + more > m->capacity ? -ENOSPC : 0;
}

static struct mem_step *log_step(struct store_mem *m, enum mem_step_kind kind,
				 const struct mem_object *o)
{
	struct mem_step *step = mem_alloc(sizeof(*step));

	step->older = m->newest;
	step->group = m->group;
	step->kind = kind;
	step->ino = o->ino;
	m->newest = step;
	return step;
}

void mem_log_entry(struct store_mem *m, struct mem_object *dir, const char *name)
{
	const struct mem_entry *e = mem_entry_find(dir, name);
	struct mem_step *step = log_step(m, MEM_STEP_ENTRY, dir);

	step->name = mem_copy(name, strlen(name) + 1);
	step->entry_ino = e ? e->ino : 0;
}

void mem_log_attr(struct store_mem *m, struct mem_object *o)
{
	log_step(m, MEM_STEP_ATTR, o)->attr = o->attr;
}

void mem_log_xattr(struct store_mem *m, struct mem_object *o, const char *name)
{
	const struct mem_xattr *x = mem_xattr_find(o, name);
	struct mem_step *step = log_step(m, MEM_STEP_XATTR, o);

	step->name = mem_copy(name, strlen(name) + 1);
	step->value = x ? mem_copy(x->value, x->size) : NULL;
	step->value_size = x ? x->size : 0;
}

struct mem_page **mem_log_size(struct store_mem *m, struct mem_object *o)
{
	struct mem_step *step = log_step(m, MEM_STEP_SIZE, o);

	step->size = o->size;
	return &step->pages;
}

static void step_drop(struct store_mem *m)
{
	struct mem_step *step = m->newest;

	m->newest = step->older;
	mem_pages_free(m, &step->pages);
	free(step->name);
	free(step->value);
	free(step);
}

/* Pages that were cut off come back as the last sync saw them. */
static void pages_restore(struct store_mem *m, struct mem_object *o, struct mem_step *step)
{
	for (struct mem_page *kept = step->pages; kept; kept = kept->hh.next) {
		struct mem_page *p = mem_page_find(o->pages, kept->index);
		if (!p)
			p = mem_page_add(&o->pages, kept->index);
		free(p->saved);
		p->saved = kept->saved;
		kept->saved = NULL;
		p->dirty = true;
		mem_page_set(m, p, p->saved ? mem_copy(p->saved, STORE_MEM_PAGE) : NULL);
	}
}

static void step_undo(struct store_mem *m)
{
	struct mem_step *step = m->newest;
	struct mem_object *o = mem_by_ino(m, step->ino);

	switch (step->kind) {
	case MEM_STEP_ENTRY:
		mem_entry_set(m, o, step->name, step->entry_ino);
		break;
	case MEM_STEP_ATTR:
		o->attr = step->attr;
		break;
	case MEM_STEP_XATTR:
		mem_xattr_set(o, step->name, step->value, step->value_size);
		break;
	case MEM_STEP_SIZE:
		o->size = step->size;
		pages_restore(m, o, step);
		break;
	}
	step_drop(m);
}

static void pages_settle(struct store_mem *m, struct mem_object *o)
{
	for (struct mem_page *p = o->pages; p; p = p->hh.next) {
		free(p->saved);
		p->saved = NULL;
		p->dirty = false;
	}
	if (S_ISREG(o->attr.mode))
		mem_pages_trim(m, o);
}

/* Names, attributes and sizes are durable now. */
static void steps_settle(struct store_mem *m)
{
	while (m->newest)
		step_drop(m);
	m->group_at_sync = m->group;
}

void mem_settle(struct store_mem *m)
{
	steps_settle(m);
	for (struct mem_object *o = m->objects; o; o = o->hh.next)
		pages_settle(m, o);
	mem_sweep(m);
}

/* A file system has one journal: what was done to names and sizes before goes to the disk with the
 * file's own; the bytes of other files do not. */
int mem_sync_data(struct store *store, const struct store_handle *object)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	struct mem_object *o = NULL;
	int r = mem_object(m, object, &o);

	if (r < 0)
		return r;
	pages_settle(m, o);
	steps_settle(m);
	mem_sweep(m);
	return 0;
}

int mem_sync(struct store *store)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	int r = mem_change(m);

	if (r == 0)
		mem_settle(m);
	return r;
}

/* splitmix64 */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Each page is lost with a chance that is the same for all of this cut: 0 to 4 quarters. */
static void pages_lose(struct store_mem *m, struct mem_object *o, uint64_t *random,
		       uint64_t quarters)
{
	for (struct mem_page *p = o->pages; p; p = p->hh.next) {
		if (!p->dirty || random_next(random) % 4 >= quarters)
			continue;
		mem_page_set(m, p, p->saved);
		p->saved = NULL;
		p->dirty = false;
	}
}

void store_mem_power_cut(struct store *store, uint64_t seed)
{
	struct store_mem *m = mem_of(store);
	AUTO_LOCK(lock, &m->mutex);
	uint64_t random = seed;
	uint64_t since = m->group - m->group_at_sync;
	uint64_t keep = m->group_at_sync + random_next(&random) % (since + 1);
	uint64_t quarters = random_next(&random) % 5;

	for (size_t i = 0; i < m->fds_size; i++) {
		if (m->fds[i].ino != 0)
			mem_by_ino(m, m->fds[i].ino)->opens--;
		m->fds[i] = (struct mem_fd){0};
	}
	while (m->newest && m->newest->group > keep)
		step_undo(m);
	for (struct mem_object *o = m->objects; o; o = o->hh.next)
		pages_lose(m, o, &random, quarters);
	mem_settle(m);
}
