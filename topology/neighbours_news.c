/* SPDX-License-Identifier: Apache-2.0
 * News of TNS: rows and downtimes, who gets them from whom, and who may say them.
 */
#include <errno.h>
#include <string.h>

#include "topology/neighbour.h"

static void tell(struct neighbours *n, uint16_t to, enum neighbours_news news, const void *data,
		 size_t size)
{
	n->config.io.tell(n->config.io.arg, to, news, data, size);
}

void neighbours_tell_all(struct neighbours *n, uint16_t but, enum neighbours_news news,
			 const void *data, size_t size)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct neighbour *nb = n->list[i];

		if (nb->hear.linked && nb->member.node != but)
			tell(n, nb->member.node, news, data, size);
	}
}

void neighbours_tell_everything(struct neighbours *n, uint16_t to)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct neighbour *nb = n->list[i];

		if (nb->sealed_size && nb->member.node != to)
			tell(n, to, NEIGHBOURS_ROW, nb->sealed, nb->sealed_size);
		if (nb->downtime_size)
			tell(n, to, NEIGHBOURS_DOWNTIME, nb->sealed_downtime, nb->downtime_size);
	}
	/* Its own row, as we know it: a node that has lost its count must begin above that. */
	const struct neighbour *nb = neighbour_get(n, to);
	if (nb && nb->sealed_size)
		tell(n, to, NEIGHBOURS_ROW, nb->sealed, nb->sealed_size);
}

/* A row of ours comes back to us. Who began anew without knowing its count goes on above it. */
static int take_own_row(struct neighbours *n, const struct row *row)
{
	if (row->incarnation < n->config.incarnation ||
	    (row->incarnation == n->config.incarnation && row->boot == n->config.boot))
		return 0;
	n->config.incarnation = row->incarnation + 1;
	n->config.io.incarnation(n->config.io.arg, n->config.incarnation);
	return 0;
}

/* To those who, as far as we know, do not hear its node themselves. */
static void hand_on_row(struct neighbours *n, uint16_t from, const struct neighbour *of)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct neighbour *nb = n->list[i];

		if (!nb->hear.linked || nb->member.node == from || nb == of ||
		    (nb->sealed_size && row_edge_to(&nb->row, of->member.node) == TNS_EDGE_HEARS))
			continue;
		tell(n, nb->member.node, NEIGHBOURS_ROW, of->sealed, of->sealed_size);
	}
}

int neighbours_take_row(struct neighbours *n, uint16_t from, const void *data, size_t size)
{
	struct row row;
	int r = row_decode(data, size, &row);

	if (r < 0)
		return r;
	struct neighbour *nb = neighbour_get(n, row.node);
	/* Of who is out, or not in yet as far as we know: its time comes, or is over. */
	if (!nb || nb->member.membership != TOPOLOGY_ACTIVE)
		return 0;
	if (nb->sealed_size && !row_newer(&row, &nb->row))
		return 0;
	r = row_verify(data, size, nb->member.key);
	if (r < 0)
		return r;
	if (row.node == n->config.self)
		return take_own_row(n, &row);
	nb->row = row;
	memcpy(nb->sealed, data, size);
	nb->sealed_size = size;
	n->dirty = true;
	hand_on_row(n, from, nb);
	return 0;
}

/* ---- downtimes */

static void put_downtime(struct neighbours *n, struct neighbour *nb,
			 const struct downtime *downtime, uint64_t now_ms)
{
	uint64_t left = downtime_left_s(downtime, n->config.io.wall_s(n->config.io.arg));

	/* It holds until somebody says that it is over, so that it is over for all at once. That is
	 * for who set it; clocks differ by so much at most. */
	if (downtime->author != n->config.self)
		left += NEIGHBOURS_CLOCKS_S;
	nb->downtime = *downtime;
	nb->ends_ms = downtime->kind == DOWNTIME_NONE ? 0 : now_ms + left * 1000;
	n->dirty = true;
	n->config.io.downtime(n->config.io.arg);
}

int neighbours_take_downtime(struct neighbours *n, uint16_t from, const void *data, size_t size,
			     uint64_t now_ms)
{
	struct downtime downtime;
	int r = downtime_decode(data, size, &downtime);

	if (r < 0)
		return r;
	struct neighbour *nb = neighbour_get(n, downtime.node);
	const struct neighbour *author = neighbour_get(n, downtime.author);
	if (!nb || !author || author->member.membership == TOPOLOGY_REMOVED)
		return 0;
	if (nb->downtime_size && !downtime_newer(&downtime, &nb->downtime))
		return 0;
	r = downtime_verify(data, size, author->member.key);
	if (r < 0)
		return r;
	memcpy(nb->sealed_downtime, data, size);
	nb->downtime_size = size;
	put_downtime(n, nb, &downtime, now_ms);
	neighbours_tell_all(n, from, NEIGHBOURS_DOWNTIME, data, size);
	return 0;
}

/* Signs it in our name, and tells everybody. */
static void say_downtime(struct neighbours *n, struct neighbour *nb, struct downtime *downtime,
			 uint64_t now_ms)
{
	downtime->version = nb->downtime.version + 1;
	downtime->author = n->config.self;
	downtime->set_s = n->config.io.wall_s(n->config.io.arg);
	nb->downtime_size = downtime_seal(downtime, n->config.key, nb->sealed_downtime);
	put_downtime(n, nb, downtime, now_ms);
	neighbours_tell_all(n, 0, NEIGHBOURS_DOWNTIME, nb->sealed_downtime, nb->downtime_size);
}

int neighbours_plan(struct neighbours *n, const struct downtime *wanted, uint64_t now_us)
{
	struct neighbour *nb = neighbour_get(n, wanted->node);
	struct downtime downtime = *wanted;

	if (!nb || nb->member.membership != TOPOLOGY_ACTIVE)
		return MA_EUNKNOWN;
	if (!downtime_reason_valid(wanted->reason) || wanted->kind > DOWNTIME_MAINTENANCE ||
	    wanted->for_s > DOWNTIME_FOR_MAX_S ||
	    (wanted->kind != DOWNTIME_NONE && wanted->for_s == 0))
		return -EINVAL;
	say_downtime(n, nb, &downtime, now_us / 1000);
	return 0;
}

void neighbours_end_downtimes(struct neighbours *n, uint64_t now_ms)
{
	for (size_t i = 0; i < n->count; i++) {
		struct neighbour *nb = n->list[i];
		struct downtime over = {.node = nb->member.node,
					.kind = DOWNTIME_NONE,
					.reason = "its time is over"};

		if (!nb->ends_ms || now_ms < nb->ends_ms)
			continue;
		say_downtime(n, nb, &over, now_ms);
	}
}
