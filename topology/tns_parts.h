/* SPDX-License-Identifier: Apache-2.0
 * Inside of the tns: the machine, the datagrams of each peer, what lies on disk. Private to tns*.c.
 * The tns owns all of it; handles free it when the last of them is closed.
 * Loop thread.
 * Invariant: a path has keys only from a session with that peer, and loses them in time.
 */
#ifndef TOPOLOGY_TNS_PARTS_H
#define TOPOLOGY_TNS_PARTS_H

#include "core/loop.h"
#include "net/fleet.h"
#include "topology/neighbours.h"
#include "topology/seal.h"

#define PATH_BEFORE_MS 30000         /* the keys of the session before are taken for so long */
#define PATH_LOST_MS   (600u * 1000) /* those of a session whose connection is lost */

struct path {
	struct sockaddr_storage to;
	struct seal_out out;
	struct seal_in in;
	struct seal_in before;
	uint64_t before_until_ms; /* 0: there are none */
	uint64_t lost_ms;         /* 0: the connection is up */
};

struct tns {
	struct tns_config config;
	struct neighbours *machine;
	uint16_t self;
	uv_timer_t timer;
	uv_udp_t udp;
	bool has_udp, v6, ended;
	unsigned int handles;
	uint64_t asked_ms; /* whether we are drained */
	uint64_t sent_bytes, received_bytes, refused;
	struct path *paths[FLEET_MEMBERS_MAX + 1];
	uint8_t buffer[SEAL_DATAGRAM_MAX + 1];
};

uint64_t tns_now_ms(void);

/* tns_udp.c */
MUST_CHECK int tns_udp_open(struct tns *tns, char *error, size_t size);
/* Keys of the session that has just begun; without them there are no beats for this peer. */
void tns_path_open(struct tns *tns, uint16_t node);
void tns_path_lost(struct tns *tns, uint16_t node);
/* Forgets keys whose time is over. */
void tns_path_age(struct tns *tns, uint64_t now_ms);
void tns_path_free_all(struct tns *tns);
void tns_udp_send(struct tns *tns, uint16_t to, const void *text, size_t size);

/* tns_disk.c */
/* The number of this start; 1 if nothing is known. */
uint32_t tns_disk_begin(const char *dir);
void tns_disk_count(const char *dir, uint32_t incarnation);
void tns_disk_save(const struct tns *tns);
/* Gives the machine what was saved. */
void tns_disk_load(struct tns *tns);

#endif
