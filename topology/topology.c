/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/topology.h"

#include <assert.h>
#include <string.h>

#include "core/bytes.h"
#include "core/crypto.h"

#define HASHED_PLACE (2 + 1 + 1 + TNS_LOCATION_MAX + 2)

struct making {
	const struct topology_member *members;
	size_t count;
	struct topology *out;
};

/* What `from` says of `to`. Who has no row yet, or has just begun, hears whoever hears it. */
static enum tns_edge edge(const struct making *m, size_t from, size_t to)
{
	const struct topology_member *a = &m->members[from];
	const struct topology_member *b = &m->members[to];

	if (a->membership != TOPOLOGY_ACTIVE || b->membership != TOPOLOGY_ACTIVE)
		return TNS_EDGE_NONE;
	if (a->row)
		return row_edge_to(a->row, b->node);
	return b->row && row_edge_to(b->row, a->node) == TNS_EDGE_HEARS ? TNS_EDGE_HEARS
									: TNS_EDGE_NONE;
}

static bool mutual(const struct making *m, size_t a, size_t b)
{
	return edge(m, a, b) == TNS_EDGE_HEARS && edge(m, b, a) == TNS_EDGE_HEARS;
}

/* From one to the next, over pairs that hear each other. Where news goes both ways rows are fresh;
 * over ways that lead in one direction alone they would be old, and wrong. */
static void find_together(const struct making *m, uint16_t self)
{
	size_t todo[TNS_NODES_MAX];
	size_t waiting = 0;
	size_t at = 0;

	while (at < m->count && m->members[at].node != self)
		at++;
	if (at == m->count || m->members[at].membership != TOPOLOGY_ACTIVE)
		return;
	m->out->places[at].together = true;
	todo[waiting++] = at;
	while (waiting) {
		at = todo[--waiting];
		for (size_t i = 0; i < m->count; i++) {
			if (m->out->places[i].together || !mutual(m, at, i))
				continue;
			m->out->places[i].together = true;
			todo[waiting++] = i;
		}
	}
}

/* What our component says of one that is not in it. */
static void count_edges(const struct making *m, size_t at)
{
	struct topology_place *place = &m->out->places[at];

	for (size_t i = 0; i < m->count; i++) {
		if (i == at || !m->out->places[i].together)
			continue;
		uint8_t *counter = &place->edges[edge(m, i, at)];
		*counter = (uint8_t)(*counter + (*counter < UINT8_MAX));
	}
}

static bool stopping(const struct topology_member *member)
{
	return member->row && member->row->flags & ROW_STOPPING;
}

/* Known to be down without asking how many we are: it said so, or its host answers for it. */
static bool known_down(const struct making *m, size_t at)
{
	const struct topology_place *place = &m->out->places[at];

	return !place->together && !place->edges[TNS_EDGE_HEARS] &&
	       (stopping(&m->members[at]) || place->edges[TNS_EDGE_REFUSED]);
}

/* Whether we are more than half of those that may be somewhere; `ret_lost`: how many are out of
 * reach for long enough to be worth the question. */
static bool majority(const struct making *m, size_t *ret_lost)
{
	size_t together = 0;
	size_t all = 0;

	*ret_lost = 0;
	for (size_t i = 0; i < m->count; i++) {
		const struct topology_place *place = &m->out->places[i];

		if (m->members[i].membership != TOPOLOGY_ACTIVE || known_down(m, i))
			continue;
		all++;
		together += place->together;
		*ret_lost += !place->together && !place->edges[TNS_EDGE_QUIET] &&
			     place->edges[TNS_EDGE_SILENT];
	}
	return 2 * together > all;
}

/* It says that it hears nobody, while one of us hears it. */
static bool deaf(const struct making *m, size_t at)
{
	const struct row *row = m->members[at].row;

	if (!row || !m->out->places[at].edges[TNS_EDGE_HEARS])
		return false;
	bool silent = false;
	for (size_t i = 0; i < row->count; i++) {
		if (row->edges[i].edge == TNS_EDGE_HEARS)
			return false;
		silent = silent || row->edges[i].edge == TNS_EDGE_SILENT;
	}
	return silent;
}

static void set(struct topology_place *place, enum tns_state state, enum tns_cause cause)
{
	place->state = (uint8_t)state;
	place->cause = (uint8_t)cause;
}

/* What it is, downtimes aside. */
static void judge(const struct making *m, size_t at, bool cut_off)
{
	struct topology_place *place = &m->out->places[at];
	uint8_t silent = place->edges[TNS_EDGE_SILENT];

	if (m->members[at].membership != TOPOLOGY_ACTIVE)
		set(place, m->members[at].membership == TOPOLOGY_LEFT ? TNS_LEFT : TNS_REMOVED,
		    TNS_CAUSE_FLEET);
	else if (place->together && cut_off)
		set(place, TNS_ISOLATED, TNS_CAUSE_MINORITY);
	else if (place->together)
		set(place, TNS_ALIVE, TNS_CAUSE_HEARD);
	else if (place->edges[TNS_EDGE_HEARS])
		set(place, deaf(m, at) ? TNS_ISOLATED : TNS_SUSPECT,
		    deaf(m, at) ? TNS_CAUSE_DEAF : TNS_CAUSE_QUIET);
	else if (stopping(&m->members[at]))
		set(place, TNS_DOWN, TNS_CAUSE_STOPPED);
	else if (place->edges[TNS_EDGE_REFUSED])
		set(place, TNS_DOWN, TNS_CAUSE_REFUSED);
	else if (place->edges[TNS_EDGE_QUIET])
		set(place, TNS_SUSPECT, TNS_CAUSE_QUIET);
	else if (!silent)
		set(place, TNS_SUSPECT, TNS_CAUSE_NONE);
	else if (m->out->majority && silent >= 2)
		set(place, TNS_DOWN, TNS_CAUSE_SILENT);
	else
		set(place, TNS_SUSPECT, TNS_CAUSE_UNDECIDED);
}

/* A downtime changes what we call a node that is there, and takes the alarm out of one that is not.
 */
static void plan(const struct topology_member *member, struct topology_place *place)
{
	static const uint8_t states[] = {[DOWNTIME_CORDON] = TNS_CORDONED,
					 [DOWNTIME_DRAIN] = TNS_DRAINING,
					 [DOWNTIME_MAINTENANCE] = TNS_MAINTENANCE};
	const struct downtime *downtime = member->downtime;
	bool drained = member->row && member->row->flags & ROW_DRAINED;

	if (!downtime || downtime->kind == DOWNTIME_NONE || downtime->kind >= sizeof(states) ||
	    member->membership != TOPOLOGY_ACTIVE)
		return;
	if (downtime->kind == DOWNTIME_MAINTENANCE)
		set(place, TNS_MAINTENANCE, TNS_CAUSE_PLANNED);
	else if (downtime->kind == DOWNTIME_DRAIN && drained &&
		 (place->state == TNS_ALIVE || place->state == TNS_DOWN))
		set(place, TNS_DRAINED, TNS_CAUSE_PLANNED);
	else if (place->state == TNS_ALIVE)
		set(place, (enum tns_state)states[downtime->kind], TNS_CAUSE_PLANNED);
}

static uint64_t hash(const struct making *m)
{
	uint8_t bytes[HASHED_PLACE];
	uint8_t out[HASH_SIZE];
	struct hasher hasher;

	hasher_init(&hasher);
	for (size_t i = 0; i < m->count; i++) {
		const struct row *row = m->members[i].row;
		const char *location = row ? row->location : "";
		struct wr w = wr_init(bytes, sizeof(bytes));

		wr_u16(&w, m->members[i].node);
		wr_u8(&w, m->out->places[i].state);
		wr_u8(&w, m->out->places[i].cause);
		wr_blob16(&w, location, strlen(location));
		assert(!w.failed);
		hasher_add(&hasher, bytes, wr_used(&w));
	}
	hasher_done(&hasher, out);
	struct rd r = rd_init(out, sizeof(out));
	return rd_u64(&r);
}

void topology_make(const struct topology_member *members, size_t count, uint16_t self,
		   struct topology *ret)
{
	struct making m = {.members = members, .count = count, .out = ret};
	size_t lost;

	assert(count <= TNS_NODES_MAX);
	memset(ret, 0, sizeof(*ret));
	ret->count = count;
	for (size_t i = 0; i < count; i++)
		ret->places[i].node = members[i].node;
	find_together(&m, self);
	for (size_t i = 0; i < count; i++)
		count_edges(&m, i);
	ret->majority = majority(&m, &lost);
	for (size_t i = 0; i < count; i++) {
		judge(&m, i, !ret->majority && lost);
		plan(&members[i], &ret->places[i]);
	}
	ret->hash = hash(&m);
}

const struct topology_place *topology_find(const struct topology *topology, uint16_t node)
{
	for (size_t i = 0; i < topology->count; i++) {
		if (topology->places[i].node == node)
			return &topology->places[i];
	}
	return NULL;
}
