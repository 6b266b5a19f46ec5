/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/neighbours.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/location.h"
#include "topology/neighbour.h"

int neighbours_new(const struct neighbours_config *config, struct neighbours **ret)
{
	if (!location_valid(config->location))
		return -EINVAL;
	struct neighbours *n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->config = *config;
	memcpy(n->location, config->location, strlen(config->location));
	n->config.location = n->location;
	n->flags = config->flags;
	*ret = n;
	return 0;
}

void neighbours_free(struct neighbours *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->count; i++)
		free(n->list[i]);
	free(n);
}

struct neighbour *neighbour_get(const struct neighbours *n, uint16_t node)
{
	for (size_t i = 0; i < n->count; i++) {
		if (n->list[i]->member.node == node)
			return n->list[i];
	}
	return NULL;
}

/* An entry of this member: what it was, or a new one. A node that has another key is another. */
static struct neighbour *entry_of(struct neighbours *n, const struct neighbours_member *member,
				  uint64_t now_us)
{
	struct neighbour *nb = neighbour_get(n, member->node);

	if (nb && memcmp(nb->member.key, member->key, KEY_PUBLIC_SIZE) == 0) {
		nb->member = *member;
		return nb;
	}
	nb = calloc(1, sizeof(*nb));
	if (!nb)
		return NULL;
	nb->member = *member;
	hear_begin(&nb->hear, now_us / 1000);
	nb->since_ms = now_us / 1000;
	return nb;
}

static bool listed(struct neighbour *const *list, size_t count, const struct neighbour *nb)
{
	for (size_t i = 0; i < count; i++) {
		if (list[i] == nb)
			return true;
	}
	return false;
}

int neighbours_members(struct neighbours *n, const struct neighbours_member *members, size_t count,
		       uint64_t now_us)
{
	struct neighbour *list[TNS_NODES_MAX];
	size_t kept = count < TNS_NODES_MAX ? count : TNS_NODES_MAX;
	size_t made = 0;

	while (made < kept && (list[made] = entry_of(n, &members[made], now_us)))
		made++;
	if (made < kept) {
		while (made--) {
			if (!listed(n->list, n->count, list[made]))
				free(list[made]);
		}
		return -ENOMEM;
	}
	for (size_t i = 0; i < n->count; i++) {
		if (!listed(list, kept, n->list[i]))
			free(n->list[i]);
	}
	memcpy(n->list, list, sizeof(list[0]) * kept);
	n->count = kept;
	n->dirty = true;
	return count > kept ? MA_ELIMIT : 0;
}

/* ---- evidence */

void neighbours_link(struct neighbours *n, uint16_t node, bool up, uint64_t now_us)
{
	struct neighbour *nb = neighbour_get(n, node);

	if (!nb)
		return;
	hear_link(&nb->hear, up, now_us / 1000);
	if (!up)
		return;
	/* It may have begun anew: what it had of ours is not known, and it has news to get. */
	nb->acked_incarnation = nb->acked_seq = 0;
	nb->echo_at_us = 0;
	nb->beat_due_ms = 0;
	neighbours_tell_everything(n, node);
}

void neighbours_refused(struct neighbours *n, uint16_t node, uint64_t now_us)
{
	struct neighbour *nb = neighbour_get(n, node);

	if (nb)
		hear_refused(&nb->hear, now_us / 1000);
}

void neighbours_bytes(struct neighbours *n, uint16_t node, uint64_t at_ms)
{
	struct neighbour *nb = neighbour_get(n, node);

	if (nb)
		hear_bytes(&nb->hear, at_ms);
}

/* What was on its way while we stood still measures us, not the way. */
static void measure(const struct neighbours *n, struct neighbour *nb, const struct beat *beat,
		    uint64_t now_us)
{
	uint32_t gone_us = (uint32_t)now_us - beat->echo_us;

	if (beat->held_us == UINT32_MAX || beat->held_us > gone_us ||
	    now_us / 1000 - n->self.looked_ms >= HEAR_TICK_MS + HEAR_STALL_MS ||
	    now_us / 1000 - n->self.woke_ms <= gone_us / 1000)
		return;
	hear_rtt(&nb->hear, gone_us - beat->held_us);
}

int neighbours_beat(struct neighbours *n, uint16_t from, const void *text, size_t size,
		    uint64_t now_us)
{
	struct neighbour *nb = neighbour_get(n, from);
	struct beat beat;

	if (!nb || nb->member.membership != TOPOLOGY_ACTIVE)
		return MA_EUNKNOWN;
	int r = beat_decode(text, size, &beat);
	if (r < 0)
		return r;
	hear_beat(&nb->hear, now_us / 1000);
	nb->acked_incarnation = beat.have_incarnation;
	nb->acked_seq = beat.have_seq;
	nb->echo_us = beat.sent_us;
	nb->echo_at_us = now_us;
	measure(n, nb, &beat, now_us);
	/* It began anew and has lost its count: others would not believe its rows. */
	if (beat.incarnation < nb->row.incarnation)
		n->config.io.tell(n->config.io.arg, from, NEIGHBOURS_ROW, nb->sealed,
				  nb->sealed_size);
	if (beat.hash == n->topology.hash)
		nb->differs_ms = 0;
	else if (!nb->differs_ms)
		nb->differs_ms = now_us / 1000;
	return beat.row ? neighbours_take_row(n, from, beat.row, beat.row_size) : 0;
}

int neighbours_told(struct neighbours *n, uint16_t from, enum neighbours_news news,
		    const void *data, size_t size, uint64_t now_us)
{
	if (news == NEIGHBOURS_ROW)
		return neighbours_take_row(n, from, data, size);
	return neighbours_take_downtime(n, from, data, size, now_us / 1000);
}

/* ---- our own row, and beats */

/* What we would say now; true if that is something else than what we said last. */
static bool own_row(struct neighbours *n, struct neighbour *own, uint64_t now_ms, struct row *ret)
{
	*ret = own->row;
	ret->node = n->config.self;
	ret->incarnation = n->config.incarnation;
	ret->boot = n->config.boot;
	ret->flags = n->flags;
	ret->health = n->self.health;
	memcpy(ret->location, n->location, sizeof(ret->location));
	ret->count = 0;
	for (size_t i = 0; i < n->count; i++) {
		const struct neighbour *nb = n->list[i];

		if (nb == own || nb->member.membership != TOPOLOGY_ACTIVE)
			continue;
		uint8_t before = row_rtt_to(&own->row, nb->member.node);
		ret->edges[ret->count++] = (struct row_edge){
			.node = nb->member.node,
			.edge = (uint8_t)hear_edge(&nb->hear, &n->self, now_ms),
			.rtt = hear_rtt_class(nb->hear.srtt_us, before),
		};
	}
	return own->sealed_size == 0 || ret->incarnation != own->row.incarnation ||
	       ret->flags != own->row.flags || ret->health != own->row.health ||
	       ret->count != own->row.count ||
	       memcmp(ret->edges, own->row.edges, sizeof(ret->edges[0]) * ret->count) != 0;
}

static void send_beat(struct neighbours *n, const struct neighbour *own, struct neighbour *nb,
		      uint64_t now_us)
{
	uint8_t text[BEAT_SIZE_MAX];
	uint64_t held = nb->echo_at_us ? now_us - nb->echo_at_us : UINT32_MAX;
	bool has_it =
		nb->acked_incarnation == own->row.incarnation && nb->acked_seq == own->row.seq;
	struct beat beat = {
		.incarnation = own->row.incarnation,
		.seq = own->row.seq,
		.have_incarnation = nb->row.incarnation,
		.have_seq = nb->row.seq,
		.hash = n->topology.hash,
		.sent_us = (uint32_t)now_us,
		.echo_us = nb->echo_us,
		.held_us = held < UINT32_MAX ? (uint32_t)held : UINT32_MAX,
		.row = has_it ? NULL : own->sealed,
		.row_size = own->sealed_size,
	};

	nb->beat_due_ms = now_us / 1000 + HEAR_BEAT_MS;
	n->config.io.beat(n->config.io.arg, nb->member.node, text, beat_encode(&beat, text));
}

/* Says anew what has changed, at once and to all; else to each what is due. */
static void speak(struct neighbours *n, struct neighbour *own, uint64_t now_us)
{
	struct row row;
	bool changed = own_row(n, own, now_us / 1000, &row);

	if (changed) {
		row.seq = own->row.seq + 1;
		own->row = row;
		own->sealed_size = row_seal(&row, n->config.key, own->sealed);
		n->dirty = true;
		neighbours_tell_all(n, 0, NEIGHBOURS_ROW, own->sealed, own->sealed_size);
	}
	for (size_t i = 0; i < n->count; i++) {
		struct neighbour *nb = n->list[i];

		if (nb == own || nb->member.membership != TOPOLOGY_ACTIVE)
			continue;
		if (changed || now_us / 1000 >= nb->beat_due_ms)
			send_beat(n, own, nb, now_us);
	}
}

/* ---- states */

static void note_change(struct neighbours *n, struct neighbour *nb,
			const struct topology_place *place, uint64_t now_ms)
{
	enum tns_state before = (enum tns_state)nb->state;

	if (place->together && !nb->up_ms) {
		nb->up_ms = now_ms;
		nb->flaps = nb->down_ms && now_ms - nb->down_ms < NEIGHBOURS_FLAP_MS ? nb->flaps + 1
										     : 0;
	} else if (place->state == TNS_DOWN && nb->up_ms) {
		nb->up_ms = 0;
		nb->down_ms = now_ms;
	}
	if (nb->state == place->state && nb->cause == place->cause)
		return;
	if (nb->state != place->state)
		nb->since_ms = now_ms;
	nb->state = place->state;
	nb->cause = place->cause;
	if (before == (enum tns_state)place->state)
		return;
	n->events[n->event_count++ % NEIGHBOURS_EVENTS] = (struct tns_change){
		.wall_s = n->config.io.wall_s(n->config.io.arg),
		.node = nb->member.node,
		.before = (uint8_t)before,
		.now = place->state,
		.cause = place->cause,
	};
	n->config.io.changed(n->config.io.arg, nb->member.node, before, place);
}

uint64_t neighbour_ready_ms(const struct neighbour *nb)
{
	uint64_t hold = NEIGHBOURS_STEADY_MS;

	if (!nb->up_ms)
		return UINT64_MAX;
	if (!nb->down_ms)
		return 0;
	if (nb->flaps > 1)
		hold = nb->flaps < 8 ? (uint64_t)NEIGHBOURS_HOLD_MS << nb->flaps
				     : NEIGHBOURS_HOLD_MAX_MS;
	return nb->up_ms + (hold < NEIGHBOURS_HOLD_MAX_MS ? hold : NEIGHBOURS_HOLD_MAX_MS);
}

static void judge(struct neighbours *n, uint64_t now_ms)
{
	struct topology_member members[TNS_NODES_MAX];

	for (size_t i = 0; i < n->count; i++) {
		const struct neighbour *nb = n->list[i];

		members[i] = (struct topology_member){
			.node = nb->member.node,
			.membership = nb->member.membership,
			.row = nb->sealed_size ? &nb->row : NULL,
			.downtime = nb->ends_ms ? &nb->downtime : NULL,
		};
	}
	topology_make(members, n->count, n->config.self, &n->topology);
	n->dirty = false;
	for (size_t i = 0; i < n->count; i++)
		note_change(n, n->list[i], &n->topology.places[i], now_ms);
}

/* Who sees another topology for a while gets all that we have, and so do we from it. */
static void settle_differences(struct neighbours *n, uint64_t now_ms)
{
	for (size_t i = 0; i < n->count; i++) {
		struct neighbour *nb = n->list[i];

		if (!nb->hear.linked || !nb->differs_ms ||
		    now_ms - nb->differs_ms < NEIGHBOURS_DIFFER_MS ||
		    (nb->told_ms && now_ms - nb->told_ms < NEIGHBOURS_TELL_MS))
			continue;
		nb->told_ms = now_ms;
		neighbours_tell_everything(n, nb->member.node);
	}
}

void neighbours_tick(struct neighbours *n, uint64_t now_us)
{
	struct neighbour *own = neighbour_get(n, n->config.self);
	uint64_t now_ms = now_us / 1000;

	if (!own)
		return;
	uint64_t stall = hear_look(&n->self, now_ms);
	for (size_t i = 0; stall && i < n->count; i++)
		hear_stall(&n->list[i]->hear, stall, now_ms);
	neighbours_end_downtimes(n, now_ms);
	speak(n, own, now_us);
	if (n->dirty)
		judge(n, now_ms);
	settle_differences(n, now_ms);
}

/* ---- what this node says of itself */

void neighbours_stop(struct neighbours *n, uint64_t now_us)
{
	n->flags |= ROW_STOPPING;
	neighbours_tick(n, now_us);
}

void neighbours_drained(struct neighbours *n, bool drained)
{
	uint8_t flags = (uint8_t)(drained ? n->flags | ROW_DRAINED : n->flags & ~ROW_DRAINED);

	n->flags = flags;
}

/* ---- looking */

const struct topology *neighbours_topology(const struct neighbours *n)
{
	return &n->topology;
}

const struct neighbour *neighbours_find(const struct neighbours *n, uint16_t node)
{
	return neighbour_get(n, node);
}

uint8_t neighbours_health(const struct neighbours *n)
{
	return n->self.health;
}

size_t neighbours_history(const struct neighbours *n, struct tns_change *ret, size_t max)
{
	size_t count = n->event_count < NEIGHBOURS_EVENTS ? n->event_count : NEIGHBOURS_EVENTS;

	if (count > max)
		count = max;
	for (size_t i = 0; i < count; i++)
		ret[i] = n->events[(n->event_count - 1 - i) % NEIGHBOURS_EVENTS];
	return count;
}
