/* SPDX-License-Identifier: Apache-2.0
 * What of TNS outlives the process: how often it has started, and the downtimes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/auto.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/io.h"
#include "core/log.h"
#include "topology/neighbour.h"
#include "topology/tns_parts.h"

#define DOWNTIMES_MAX (TNS_NODES_MAX * (2 + DOWNTIME_SIZE_MAX))

static void save(const char *dir, const char *name, const void *data, size_t size)
{
	AUTO_FREE char *path = path_join(dir, name);
	int r = path ? file_replace(path, data, size, 0600) : -ENOMEM;

	if (r < 0)
		log_warn("tns: cannot write %s/%s: %s", dir, name, err_text(r));
}

void tns_disk_count(const char *dir, uint32_t incarnation)
{
	uint8_t bytes[4];
	struct wr w = wr_init(bytes, sizeof(bytes));

	wr_u32(&w, incarnation);
	save(dir, "incarnation", bytes, sizeof(bytes));
}

uint32_t tns_disk_begin(const char *dir)
{
	AUTO_FREE char *path = path_join(dir, "incarnation");
	AUTO_FREE uint8_t *data = NULL;
	size_t size = 0;
	uint32_t incarnation = 0;

	/* A count that is lost is no harm: the others know it, and tell. */
	if (path && file_read(path, 4, &data, &size) == 0 && size == 4) {
		struct rd r = rd_init(data, size);

		incarnation = rd_u32(&r);
	}
	tns_disk_count(dir, ++incarnation);
	return incarnation;
}

bool tns_witness(const char *dir)
{
	AUTO_FREE char *path = path_join(dir, "witness");

	return path && access(path, F_OK) == 0;
}

int tns_witness_set(const char *dir, bool witness)
{
	AUTO_FREE char *path = path_join(dir, "witness");
	int r = path ? dir_make(dir, 0700) : -ENOMEM;

	if (r == 0 && witness)
		return file_replace(path, "", 0, 0600);
	if (r == 0 && unlink(path) < 0 && errno != ENOENT)
		r = -errno;
	return r;
}

void tns_disk_save(const struct tns *tns)
{
	AUTO_FREE uint8_t *data = malloc(DOWNTIMES_MAX);

	if (!data)
		return;
	struct wr w = wr_init(data, DOWNTIMES_MAX);
	for (uint16_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		const struct neighbour *nb = neighbours_find(tns->machine, i);

		if (nb && nb->downtime_size)
			wr_blob16(&w, nb->sealed_downtime, nb->downtime_size);
	}
	save(tns->config.dir, "downtimes", data, wr_used(&w));
}

void tns_disk_load(struct tns *tns)
{
	AUTO_FREE char *path = path_join(tns->config.dir, "downtimes");
	AUTO_FREE uint8_t *data = NULL;
	size_t size = 0;

	if (!path || file_read(path, DOWNTIMES_MAX, &data, &size) < 0)
		return;
	struct rd r = rd_init(data, size);
	while (rd_left(&r)) {
		size_t one;
		const uint8_t *bytes = rd_blob16(&r, DOWNTIME_SIZE_MAX, &one);

		/* Each is signed: what was damaged is left out. */
		if (bytes && neighbours_told(tns->machine, tns->self, NEIGHBOURS_DOWNTIME, bytes,
					     one, clock_boot_us()) < 0)
			log_warn("tns: a downtime in %s is damaged and left out", path);
	}
}
