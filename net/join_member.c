/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/auto.h"
#include "net/net_state.h"

/* A join, from the member's side:
 *
 *     new node                         member
 *     TLS, with a key nobody knows
 *                                <---  JOIN_PROOF: signature by the fleet's key over this TLS
 * session (pinned by the token) JOIN_REQUEST: token, name  --->  (spends the token, signs a record,
 * tells the others)
 *                                <---  JOIN_ANSWER: number, fleet's key, all records
 */

void join_shaken(struct net *net, struct link *link)
{
	uint8_t body[MESSAGE_SMALL_MAX];
	struct wr w = wr_init(body, sizeof(body));
	uint8_t binding[FLEET_BINDING_SIZE];
	struct join_proof proof;

	int r = tls_binding(link->wire->tls, binding);
	if (r == 0)
		r = fleet_prove(net->fleet, binding, &proof);
	if (r < 0) {
		link_end(link, r, "no fleet to join");
		return;
	}
	join_proof_encode(&proof, &w);
	assert(!w.failed);
	link_say(link, MESSAGE_JOIN_PROOF, body, wr_used(&w));
}

/* The address that others will reach the new node by: what it asks for, with the host that we see
 * it under where it names none, or "any". */
static void choose_address(const struct link *link, const char *asked, char *ret, size_t size)
{
	char host[ADDRESS_TEXT_MAX];
	uint16_t port = ADDRESS_PEER_PORT;

	host[0] = '\0';
	if (asked[0] == ':') {
		char whole[ADDRESS_TEXT_MAX + 8];

		(void)snprintf(whole, sizeof(whole), "0.0.0.0%s", asked);
		if (address_split(whole, ADDRESS_PEER_PORT, host, sizeof(host), &port) < 0)
			port = ADDRESS_PEER_PORT;
	} else if (asked[0]) {
		if (address_split(asked, ADDRESS_PEER_PORT, host, sizeof(host), &port) < 0)
			host[0] = '\0';
	}
	if (!host[0] || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
		(void)snprintf(host, sizeof(host), "%s", link->host);
	address_join(host, port, ret, size);
}

static int admit(struct net *net, const struct link *link, const struct join_request *request,
		 struct join_answer *ret, uint8_t **ret_records)
{
	char address[ADDRESS_TEXT_MAX];
	uint8_t key[KEY_PUBLIC_SIZE];

	memset(ret, 0, sizeof(*ret));
	if (request->version_max < WIRE_VERSION_MIN || request->version_min > WIRE_VERSION_MAX) {
		ret->code = 1;
		(void)snprintf(ret->text, sizeof(ret->text),
			       "the versions of MultiAll are too far apart; upgrade the older one");
		return MA_EVERSION;
	}
	tls_peer_key(link->wire->tls, key);
	choose_address(link, request->address, address, sizeof(address));
	return fleet_admit(net->fleet, key, request, address, ret, ret_records);
}

void join_message(struct net *net, struct link *link, const struct net_message *message)
{
	AUTO_FREE uint8_t *records = NULL;
	struct join_request request;
	struct join_answer answer;

	if (message->type != MESSAGE_JOIN_REQUEST ||
	    join_request_decode(message->body, message->size, &request) < 0) {
		link_end(link, MA_ECORRUPT, "not a join");
		return;
	}
	int r = admit(net, link, &request, &answer, &records);
	crypto_wipe(&request.token_secret, sizeof(request.token_secret));
	if (r == 0) {
		net_fleet_check(net); /* the others know it before it knocks at their doors */
	} else {
		net->counters.refused_token += r == -ENOKEY || r == -EKEYEXPIRED;
		log_limited(&net->limit_token, LOG_LEVEL_WARN, "net: join from %s refused: %s",
			    link->address, answer.text);
	}
	size_t room = MESSAGE_SMALL_MAX + answer.records_size;
	AUTO_FREE uint8_t *body = malloc(room);
	if (!body) {
		link_end(link, -ENOMEM, "out of memory");
		return;
	}
	struct wr w = wr_init(body, room);
	join_answer_encode(&answer, &w);
	assert(!w.failed);
	link_say(link, MESSAGE_JOIN_ANSWER, body, wr_used(&w));
	crypto_wipe(&answer.fleet_seed, sizeof(answer.fleet_seed));
	crypto_wipe(body, room);
	link_end(link, r < 0 ? r : -ESHUTDOWN, r < 0 ? answer.text : "joined");
}
