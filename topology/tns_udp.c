/* SPDX-License-Identifier: Apache-2.0
 * The datagrams of TNS: socket, and keys and address of each peer.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/address.h"
#include "core/auto.h"
#include "core/clock.h"
#include "net/net.h"
#include "topology/tns_parts.h"

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct tns *tns = handle->data;

	(void)suggested;
	*ret = uv_buf_init((char *)tns->buffer, sizeof(tns->buffer));
}

/* By the keys of this session, else by those of the one before, which the other end may still use.
 */
static int open_datagram(struct path *path, const uint8_t *data, size_t size,
			 uint8_t text[SEAL_TEXT_MAX])
{
	int r = seal_open(&path->in, data, size, text);

	if (r == MA_ESIG && path->before_until_ms)
		r = seal_open(&path->before, data, size, text);
	return r;
}

/* What does not verify costs a look and a counter: no line in the log, no answer. */
static void on_datagram(uv_udp_t *udp, ssize_t got, const uv_buf_t *buf,
			const struct sockaddr *from, unsigned int flags)
{
	struct tns *tns = udp->data;
	uint8_t text[SEAL_TEXT_MAX];
	const uint8_t *data = (const uint8_t *)buf->base;

	if (got <= 0 || !from)
		return;
	uint16_t sender = flags & UV_UDP_PARTIAL ? 0 : seal_sender(data, (size_t)got, tns->self);
	struct path *path = tns->paths[sender];
	int size = sender && path ? open_datagram(path, data, (size_t)got, text) : MA_ECORRUPT;
	if (size >= 0)
		size = neighbours_beat(tns->machine, sender, text, (size_t)size, clock_boot_us());
	if (size < 0)
		tns->refused++;
	else
		tns->received_bytes += (uint64_t)got;
}

int tns_udp_open(struct tns *tns, char *error, size_t size)
{
	struct sockaddr_storage at;

	net_address(tns->config.net, &at);
	int r = uv_udp_init(loop_uv(tns->config.loop), &tns->udp);
	if (r < 0)
		return err_say(error, size, r, "cannot make a socket: %s", err_text(r));
	tns->udp.data = tns;
	tns->handles++;
	tns->has_udp = true;
	tns->v6 = at.ss_family == AF_INET6;
	r = at.ss_family == AF_UNSPEC ? -EADDRNOTAVAIL
				      : uv_udp_bind(&tns->udp, (struct sockaddr *)&at, 0);
	if (r == 0)
		r = uv_udp_recv_start(&tns->udp, on_alloc, on_datagram);
	return r < 0 ? err_say(error, size, r, "cannot take datagrams: %s", err_text(r)) : 0;
}

/* A socket of IPv6 reaches IPv4 under these addresses. */
static void map_address(struct sockaddr_storage *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	memcpy(&v4, address, sizeof(v4));
	v6.sin6_port = v4.sin_port;
	v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
	memcpy(v6.sin6_addr.s6_addr + 12, &v4.sin_addr, sizeof(v4.sin_addr));
	memcpy(address, &v6, sizeof(v6));
}

/* Where it is, by the connection; at the port that its record names. */
static int find_address(struct tns *tns, uint16_t node, const char *host,
			struct sockaddr_storage *ret)
{
	AUTO_FREE struct member *member = malloc(sizeof(*member));
	char name[ADDRESS_TEXT_MAX];
	uint16_t port = ADDRESS_PEER_PORT;
	socklen_t length;

	if (!member)
		return -ENOMEM;
	int r = fleet_member(tns->config.fleet, node, member);
	if (r < 0)
		return r;
	if (member->addresses[0][0] &&
	    address_split(member->addresses[0], ADDRESS_PEER_PORT, name, sizeof(name), &port) < 0)
		port = ADDRESS_PEER_PORT;
	r = address_socket(host, port, ret, &length);
	if (r == 0 && tns->v6 && ret->ss_family == AF_INET)
		map_address(ret);
	return r;
}

void tns_path_open(struct tns *tns, uint16_t node)
{
	struct net_session session;
	struct path *path = tns->paths[node];
	uint64_t now_ms = tns_now_ms();
	struct path fresh = {0};

	if (net_session(tns->config.net, node, &session) < 0)
		return;
	const struct seal_pair pair = {tns->self, node, session.own_instance,
				       session.peer_instance};
	seal_init(session.secret, &pair, &fresh.out, &fresh.in);
	crypto_wipe(&session, sizeof(session.secret));
	if (find_address(tns, node, session.host, &fresh.to) < 0)
		return;
	if (path) {
		fresh.before = path->in;
		fresh.before_until_ms = now_ms + PATH_BEFORE_MS;
	} else {
		path = tns->paths[node] = calloc(1, sizeof(*path));
	}
	if (path)
		*path = fresh;
	crypto_wipe(&fresh, sizeof(fresh));
}

void tns_path_lost(struct tns *tns, uint16_t node)
{
	if (tns->paths[node])
		tns->paths[node]->lost_ms = tns_now_ms();
}

static void path_free(struct tns *tns, uint16_t node)
{
	crypto_wipe(tns->paths[node], sizeof(*tns->paths[node]));
	free(tns->paths[node]);
	tns->paths[node] = NULL;
}

void tns_path_age(struct tns *tns, uint64_t now_ms)
{
	for (uint16_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		struct path *path = tns->paths[i];

		if (!path)
			continue;
		if (path->before_until_ms && now_ms >= path->before_until_ms) {
			crypto_wipe(&path->before, sizeof(path->before));
			path->before_until_ms = 0;
		}
		if (path->lost_ms && now_ms - path->lost_ms >= PATH_LOST_MS)
			path_free(tns, i);
	}
}

void tns_path_free_all(struct tns *tns)
{
	for (uint16_t i = 1; i <= FLEET_MEMBERS_MAX; i++) {
		if (tns->paths[i])
			path_free(tns, i);
	}
}

/* What the socket does not take at once is lost, as on the way. */
void tns_udp_send(struct tns *tns, uint16_t to, const void *text, size_t size)
{
	uint8_t datagram[SEAL_DATAGRAM_MAX];
	struct path *path = tns->paths[to];

	if (!path || !tns->has_udp || tns->ended)
		return;
	size_t length = seal_close(&path->out, text, size, datagram);
	uv_buf_t buf = uv_buf_init((char *)datagram, (unsigned int)length);
	int r = uv_udp_try_send(&tns->udp, &buf, 1, (struct sockaddr *)&path->to);
	if (r > 0)
		tns->sent_bytes += (uint64_t)r;
}
