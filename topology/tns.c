/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/tns.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "core/clock.h"
#include "core/io.h"
#include "core/log.h"
#include "net/message.h"
#include "net/net.h"
#include "topology/neighbour.h"
#include "topology/tns_parts.h"

#define ASK_MS 1000

uint64_t tns_now_ms(void)
{
	return clock_boot_us() / 1000;
}

/* ---- what the machine asks for */

static void on_beat(void *arg, uint16_t to, const void *text, size_t size)
{
	tns_udp_send(arg, to, text, size);
}

static void on_tell(void *arg, uint16_t to, enum neighbours_news news, const void *data,
		    size_t size)
{
	struct tns *tns = arg;
	const struct net_part part = {.data = data, .size = size};
	uint16_t type = news == NEIGHBOURS_ROW ? MESSAGE_TNS_ROW : MESSAGE_TNS_DOWNTIME;

	/* Where it can't go now, the next difference brings it. */
	if (net_send(tns->config.net, to, NET_CONTROL, type, &part, 1) < 0)
		log_debug("tns: news for node %u not queued", to);
}

static void on_changed(void *arg, uint16_t node, enum tns_state before,
		       const struct topology_place *now)
{
	struct tns *tns = arg;

	log_info("node %u is %s: %s", node, tns_state_word((enum tns_state)now->state),
		 tns_cause_text((enum tns_cause)now->cause));
	if (tns->config.events.changed)
		tns->config.events.changed(tns->config.events.arg, node, before,
					   (enum tns_state)now->state);
}

static void on_incarnation(void *arg, uint32_t incarnation)
{
	const struct tns *tns = arg;

	tns_disk_count(tns->config.dir, incarnation);
}

static void on_downtime(void *arg)
{
	const struct tns *tns = arg;

	/* While they are being read there is nothing to write. */
	if (tns->handles)
		tns_disk_save(tns);
}

static uint64_t on_wall(void *arg)
{
	(void)arg;
	return (uint64_t)(clock_wall_ns() / 1000000000);
}

/* ---- evidence */

void tns_link(struct tns *tns, uint16_t node, bool up)
{
	if (up)
		tns_path_open(tns, node);
	else
		tns_path_lost(tns, node);
	neighbours_link(tns->machine, node, up, clock_boot_us());
}

void tns_refused(struct tns *tns, uint16_t node)
{
	neighbours_refused(tns->machine, node, clock_boot_us());
}

bool tns_message(struct tns *tns, uint16_t node, const struct net_message *message)
{
	enum neighbours_news news =
		message->type == MESSAGE_TNS_ROW ? NEIGHBOURS_ROW : NEIGHBOURS_DOWNTIME;

	if (message->type != MESSAGE_TNS_ROW && message->type != MESSAGE_TNS_DOWNTIME)
		return false;
	int r = neighbours_told(tns->machine, node, news, message->body, message->size,
				clock_boot_us());
	if (r < 0) {
		tns->refused++;
		log_debug("tns: news from node %u refused: %s", node, err_text(r));
	}
	return true;
}

void tns_fleet_changed(struct tns *tns)
{
	size_t count = fleet_members(tns->config.fleet, NULL, 0);
	AUTO_FREE struct member *members = calloc(count + 1, sizeof(*members));
	AUTO_FREE struct neighbours_member *list = calloc(count + 1, sizeof(*list));

	if (!members || !list)
		return;
	size_t now = fleet_members(tns->config.fleet, members, count);
	for (size_t i = 0; i < count && i < now; i++) {
		list[i].node = members[i].number;
		list[i].membership = members[i].state == MEMBER_LEFT      ? TOPOLOGY_LEFT
				     : members[i].state == MEMBER_REMOVED ? TOPOLOGY_REMOVED
									  : TOPOLOGY_ACTIVE;
		memcpy(list[i].key, members[i].key, KEY_PUBLIC_SIZE);
	}
	int r = neighbours_members(tns->machine, list, now < count ? now : count, clock_boot_us());
	if (r < 0)
		log_warn("tns: not all members are looked after: %s", err_text(r));
}

static void ask_drained(struct tns *tns, uint64_t now_ms)
{
	const struct neighbour *own = neighbours_find(tns->machine, tns->self);

	if (now_ms - tns->asked_ms < ASK_MS || !tns->config.events.drained)
		return;
	tns->asked_ms = now_ms;
	bool draining = own && own->ends_ms && own->downtime.kind == DOWNTIME_DRAIN;
	neighbours_drained(tns->machine,
			   draining && tns->config.events.drained(tns->config.events.arg));
}

static void on_timer(uv_timer_t *timer)
{
	struct tns *tns = timer->data;
	uint64_t now_us = clock_boot_us();
	uint64_t now_ms = now_us / 1000;

	for (uint16_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		uint64_t silent = net_silent_ms(tns->config.net, i);

		if (silent < now_ms)
			neighbours_bytes(tns->machine, i, now_ms - silent);
	}
	tns_path_age(tns, now_ms);
	ask_drained(tns, now_ms);
	neighbours_tick(tns->machine, now_us);
}

/* ---- begin and end */

static void free_if_closed(struct tns *tns)
{
	if (tns->handles)
		return;
	neighbours_free(tns->machine);
	tns_path_free_all(tns);
	free((char *)tns->config.dir);
	free(tns);
}

static void on_closed(uv_handle_t *handle)
{
	struct tns *tns = handle->data;

	tns->handles--;
	free_if_closed(tns);
}

void tns_free(struct tns *tns)
{
	if (!tns)
		return;
	tns->ended = true;
	uv_close((uv_handle_t *)&tns->timer, on_closed);
	if (tns->has_udp)
		uv_close((uv_handle_t *)&tns->udp, on_closed);
}

void tns_stop(struct tns *tns)
{
	neighbours_stop(tns->machine, clock_boot_us());
}

static int machine_new(struct tns *tns)
{
	struct member self;

	fleet_self(tns->config.fleet, &self);
	tns->self = self.number;
	const struct neighbours_config config = {
		.self = self.number,
		.key = fleet_key(tns->config.fleet),
		.incarnation = tns_disk_begin(tns->config.dir),
		.boot = net_instance(tns->config.net),
		.location = tns->config.location,
		.flags = tns_witness(tns->config.dir) ? ROW_WITNESS : 0,
		.io = {tns, on_beat, on_tell, on_changed, on_incarnation, on_downtime, on_wall},
	};
	return neighbours_new(&config, &tns->machine);
}

int tns_new(const struct tns_config *config, struct tns **ret, char *error, size_t size)
{
	AUTO_FREE struct tns *tns = calloc(1, sizeof(*tns));
	AUTO_FREE char *dir = strdup(config->dir);

	if (!tns || !dir)
		return err_say(error, size, -ENOMEM, "no memory");
	int r = dir_make(dir, 0700);
	if (r < 0)
		return err_say(error, size, r, "cannot make %s: %s", dir, err_text(r));
	tns->config = *config;
	tns->config.dir = dir;
	r = machine_new(tns);
	if (r < 0)
		return err_say(error, size, r, "\"%s\" is not a location", config->location);
	tns_fleet_changed(tns);
	tns_disk_load(tns);
	(void)uv_timer_init(loop_uv(config->loop), &tns->timer);
	tns->timer.data = tns;
	tns->handles = 1;
	(void)uv_timer_start(&tns->timer, on_timer, 0, HEAR_TICK_MS);
	if (tns_udp_open(tns, error, size) < 0)
		log_warn("tns: %s; who is here is known by the connections alone", error);
	tns->config.location = NULL;
	(void)take_ptr(dir);
	*ret = take_ptr(tns);
	return 0;
}

int tns_plan(struct tns *tns, const struct downtime *downtime)
{
	return neighbours_plan(tns->machine, downtime, clock_boot_us());
}

/* ---- looking */

int tns_look(struct tns *tns, uint16_t node, struct tns_view *ret)
{
	const struct neighbour *nb = neighbours_find(tns->machine, node);
	const struct topology_place *place = topology_find(neighbours_topology(tns->machine), node);
	uint64_t now_ms = tns_now_ms();

	memset(ret, 0, sizeof(*ret));
	if (!nb)
		return MA_EUNKNOWN;
	uint64_t ready = neighbour_ready_ms(nb);
	ret->node = node;
	/* Before the first look nothing is known. */
	ret->state = nb->state ? (enum tns_state)nb->state : TNS_SUSPECT;
	ret->cause = (enum tns_cause)nb->cause;
	ret->together = place && place->together;
	ret->witness = nb->row.flags & ROW_WITNESS;
	ret->health = nb->row.health;
	ret->rtt_us = nb->hear.srtt_us;
	ret->since_s = (double)(now_ms - nb->since_ms) / 1000;
	ret->ready_in_s = ready == UINT64_MAX ? -1
			  : ready > now_ms    ? (double)(ready - now_ms) / 1000
					      : 0;
	memcpy(ret->location, nb->row.location, sizeof(ret->location));
	if (!nb->ends_ms)
		return 0;
	ret->planned = nb->downtime.kind;
	ret->planned_by = nb->downtime.author;
	uint64_t spare = nb->downtime.author == tns->self ? 0 : NEIGHBOURS_CLOCKS_S * 1000u;
	ret->planned_left_s =
		nb->ends_ms > now_ms + spare ? (double)(nb->ends_ms - now_ms - spare) / 1000 : 0;
	_Static_assert(sizeof(ret->reason) == sizeof(nb->downtime.reason), "same bound");
	memcpy(ret->reason, nb->downtime.reason, sizeof(ret->reason));
	return 0;
}

uint64_t tns_hash(struct tns *tns, bool *ret_majority)
{
	const struct topology *topology = neighbours_topology(tns->machine);

	*ret_majority = topology->majority;
	return topology->hash;
}

size_t tns_history(struct tns *tns, struct tns_change *ret, size_t max)
{
	return neighbours_history(tns->machine, ret, max);
}

enum tns_edge tns_edge_of(struct tns *tns, uint16_t from, uint16_t to)
{
	const struct neighbour *nb = neighbours_find(tns->machine, from);

	return nb && nb->sealed_size ? row_edge_to(&nb->row, to) : TNS_EDGE_NONE;
}
