/* SPDX-License-Identifier: Apache-2.0 */
#include "fuse/mounts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "fuse/mount.h"

struct entry {
	struct entry *next;
	struct mount *mount; /* NULL: not mounted */
	char problem[512];
	char name[];
};

struct mounts {
	struct entry *first;
	bool passthrough, ring;
	char dir[];
};

int mounts_new(const char *dir, bool passthrough, bool ring, struct mounts **ret)
{
	struct mounts *mounts = calloc(1, sizeof(*mounts) + strlen(dir) + 1);

	if (!mounts)
		return -ENOMEM;
	mounts->passthrough = passthrough;
	mounts->ring = ring;
	memcpy(mounts->dir, dir, strlen(dir) + 1);
	*ret = mounts;
	return 0;
}

void mounts_free(struct mounts *mounts)
{
	if (!mounts)
		return;
	while (mounts->first) {
		struct entry *entry = mounts->first;

		mounts->first = entry->next;
		if (entry->mount)
			mount_stop(entry->mount);
		free(entry);
	}
	free(mounts);
}

static struct entry *find(struct mounts *mounts, const char *name)
{
	struct entry *entry = mounts->first;

	while (entry && strcmp(entry->name, name) != 0)
		entry = entry->next;
	return entry;
}

static struct entry *find_or_add(struct mounts *mounts, const char *name)
{
	struct entry *entry = find(mounts, name);

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry) + strlen(name) + 1);
	if (!entry)
		return NULL;
	memcpy(entry->name, name, strlen(name) + 1);
	entry->next = mounts->first;
	mounts->first = entry;
	return entry;
}

int mounts_start(struct mounts *mounts, const char *name, struct pool *pool, char *error,
		 size_t size)
{
	struct entry *entry = find_or_add(mounts, name);
	char path[PATH_MAX];

	if (!entry)
		return err_say(error, size, -ENOMEM, "cannot mount %s: %s", name,
			       err_text(-ENOMEM));
	if (entry->mount && mount_alive(entry->mount))
		return 0;
	if (entry->mount)
		mount_stop(take_ptr(entry->mount));
	mounts_path(mounts, name, path, sizeof(path));
	struct mount_config config = {.pool = pool,
				      .name = name,
				      .path = path,
				      .passthrough = mounts->passthrough,
				      .ring = mounts->ring};
	int r = mount_start(&config, &entry->mount, entry->problem, sizeof(entry->problem));
	if (r < 0) {
		entry->mount = NULL;
		return err_say(error, size, r, "%s", entry->problem);
	}
	entry->problem[0] = '\0';
	return 0;
}

void mounts_stop(struct mounts *mounts, const char *name)
{
	struct entry **at = &mounts->first;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	struct entry *entry = *at;
	if (!entry)
		return;
	*at = entry->next;
	if (entry->mount)
		mount_stop(entry->mount);
	free(entry);
}

bool mounts_alive(struct mounts *mounts, const char *name)
{
	struct entry *entry = find(mounts, name);

	return entry && entry->mount && mount_alive(entry->mount);
}

const char *mounts_mode(struct mounts *mounts, const char *name)
{
	struct entry *entry = find(mounts, name);

	return entry && entry->mount ? mount_mode(entry->mount) : "";
}

const char *mounts_transport(struct mounts *mounts, const char *name)
{
	struct entry *entry = find(mounts, name);

	return entry && entry->mount ? mount_transport(entry->mount) : "";
}

const char *mounts_problem(struct mounts *mounts, const char *name)
{
	struct entry *entry = find(mounts, name);

	return entry ? entry->problem : "";
}

void mounts_path(struct mounts *mounts, const char *name, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s/%s", mounts->dir, name);
}
