/* links: topology/beat.c topology/row.c core/location.c core/crypto.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Any bytes as a beat and as a row: refused, or within all bounds; a row that is taken and written
 * again is the same row. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "topology/beat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

static void row_check(const uint8_t *data, size_t size)
{
	uint8_t again[ROW_SIZE_MAX];
	struct keypair key = {0};
	struct row row, same;

	if (row_decode(data, size, &row) < 0)
		return;
	check(row.count <= TNS_NODES_MAX && row.node >= 1 && row.node <= 1023);
	check(location_valid(row.location));
	for (size_t i = 0; i < row.count; i++) {
		check(row.edges[i].edge < TNS_EDGES && row.edges[i].rtt < 16);
		check(row_edge_to(&row, row.edges[i].node) == (enum tns_edge)row.edges[i].edge);
		check(i == 0 || row.edges[i].node > row.edges[i - 1].node);
	}
	size = row_seal(&row, &key, again);
	check(row_decode(again, size, &same) == 0 && memcmp(&row, &same, sizeof(row)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct beat beat;

	row_check(data, size);
	if (beat_decode(data, size, &beat) < 0)
		return 0;
	check(beat.row_size <= ROW_SIZE_MAX);
	if (beat.row) {
		check(beat.row >= data && beat.row + beat.row_size <= data + size);
		row_check(beat.row, beat.row_size);
	}
	return 0;
}
