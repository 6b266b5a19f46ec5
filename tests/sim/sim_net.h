/* SPDX-License-Identifier: Apache-2.0
 * The network between the nodes of a simulation: for each ordered pair a queue of what is under
 * way, connections that come and go, each side learning of it in its own time.
 * The world owns it; messages are copied.
 * One thread.
 * Invariant: as net/net.h promises: between up and down, messages of one class arrive in order,
 * once.
 */
#ifndef TESTS_SIM_SIM_NET_H
#define TESTS_SIM_SIM_NET_H

#include "tests/sim/sim.h"

struct sim_net *sim_net_new(struct sim *sim);
void sim_net_free(struct sim_net *net);

/* The io.send of a node; `arg` is the struct sim_node. */
int sim_net_send(void *arg, uint16_t node, enum net_class class, uint16_t type,
		 const struct net_part *parts, size_t count);

void sim_net_connect(struct sim *sim, uint16_t a, uint16_t b);
/* `lose_ab`, `lose_ba`: so many of the messages under way, from the newest on, are lost. */
void sim_net_cut(struct sim *sim, uint16_t a, uint16_t b, uint32_t lose_ab, uint32_t lose_ba);
void sim_net_stall(struct sim *sim, uint16_t from, uint16_t to, bool stall);
/* The node has lost all that it had received. */
void sim_net_crashed(struct sim *sim, uint16_t node, uint64_t seed);

/* The next thing that `to` hears from `from`; `pick` chooses among classes. False: nothing. */
bool sim_net_deliver(struct sim *sim, uint16_t from, uint16_t to, uint32_t pick);
/* Tells senders of room in queues. */
void sim_net_writable(struct sim *sim, uint16_t from, uint16_t to);
/* Nothing is under way between nodes that are up. */
bool sim_net_quiet(const struct sim *sim);
/* For the self-test: the next batch from `from` to `to` is lost. */
void sim_net_lose_batch(struct sim *sim, uint16_t from, uint16_t to);

#endif
