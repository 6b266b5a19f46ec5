/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/address.h"
#include "core/auto.h"
#include "core/clock.h"
#include "net/fleet_sync.h"
#include "net/member.h"
#include "net/net.h"
#include "net/token.h"
#include "net/wire.h"

#define JOIN_MS    30000
#define CONNECT_MS 5000 /* for each address that the name stands for */

struct join {
	struct wire *wire;
	int fd;
	uint64_t until_ms;
	uint8_t input[16384]; /* borrowed by the wire */
};

/* Any fleet may stand at the other end for now: its proof comes inside. */
static enum tls_verdict check(void *arg, enum tls_purpose purpose,
			      const uint8_t key[KEY_PUBLIC_SIZE])
{
	(void)arg;
	(void)key;
	return purpose == TLS_JOIN ? TLS_ALLOW : TLS_REFUSE_STRANGER;
}

static int wait_for(int fd, short events, uint64_t until_ms)
{
	for (;;) {
		uint64_t now = clock_boot_ms();
		struct pollfd p = {.fd = fd, .events = events};

		if (now >= until_ms)
			return -ETIMEDOUT;
		int n = poll(&p, 1, (int)(until_ms - now));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int connect_one(const struct addrinfo *to, int *ret_fd)
{
	AUTO_CLOSE int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int error = 0;
	socklen_t size = sizeof(error);

	if (fd < 0)
		return -errno;
	if (connect(fd, to->ai_addr, to->ai_addrlen) < 0 && errno != EINPROGRESS)
		return -errno;
	int r = wait_for(fd, POLLOUT, clock_boot_ms() + CONNECT_MS);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		return -errno;
	if (error)
		return -error;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int connect_to(const char *address, int *ret_fd, char *error, size_t size)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char host[256];
	char service[8];
	uint16_t port;

	int r = address_split(address, ADDRESS_PEER_PORT, host, sizeof(host), &port);
	if (r < 0)
		return err_say(error, size, r,
			       "\"%s\" is not an address; it looks like 10.0.0.1:7447", address);
	(void)snprintf(service, sizeof(service), "%u", port);
	int status = getaddrinfo(host, service, &hints, &found);
	if (status != 0)
		return err_say(error, size, -EHOSTUNREACH, "cannot look up %s: %s", host,
			       gai_strerror(status));
	r = -EHOSTUNREACH;
	for (const struct addrinfo *a = found; a && r < 0; a = a->ai_next)
		r = connect_one(a, ret_fd);
	freeaddrinfo(found);
	if (r < 0)
		return err_say(error, size, r,
			       "cannot connect to %s: %s; does the daemon run there, and does a "
			       "firewall let port %u through?",
			       address, err_text(r), port);
	return 0;
}

static int send_output(struct join *join)
{
	struct tls_buffer out = {0};
	size_t done = 0;
	int r = 0;

	tls_swap_output(join->wire->tls, &out);
	while (r == 0 && done < out.size) {
		ssize_t n = send(join->fd, out.data + done, out.size - done, MSG_NOSIGNAL);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			r = wait_for(join->fd, POLLOUT, join->until_ms);
		else if (errno != EINTR)
			r = -errno;
	}
	free(out.data);
	return r;
}

/* The next message; it must be of this type. The caller frees. */
static int next_message(struct join *join, uint16_t type, struct net_message **ret)
{
	AUTO_FREE struct net_message *message = NULL;
	bool skippable;
	int r = wire_next(join->wire, &message, &skippable);

	for (;;) {
		int sent = send_output(join); /* also after a failure: an alert */

		if (r == 0)
			r = sent;
		if (r != 0)
			break;
		r = wait_for(join->fd, POLLIN, join->until_ms);
		if (r < 0)
			break;
		ssize_t n = recv(join->fd, join->input, sizeof(join->input), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		wire_feed(join->wire, join->input, (size_t)n);
		r = wire_next(join->wire, &message, &skippable);
	}
	if (r < 0)
		return r;
	if (message->type != type)
		return MA_ECORRUPT;
	*ret = take_ptr(message);
	return 0;
}

static int prove(struct join *join, const struct token *token, char *error, size_t size)
{
	AUTO_FREE struct net_message *message = NULL;
	uint8_t binding[FLEET_BINDING_SIZE];
	struct join_proof proof;

	int r = next_message(join, MESSAGE_JOIN_PROOF, &message);
	if (r == 0)
		r = join_proof_decode(message->body, message->size, &proof);
	if (r == 0)
		r = tls_binding(join->wire->tls, binding);
	if (r < 0)
		return err_say(error, size, r, "no fleet answers at that address: %s",
			       tls_reason(join->wire->tls)[0] ? tls_reason(join->wire->tls)
							      : err_text(r));
	if (!fleet_proof_valid(&proof, token->fleet_key, binding))
		return err_say(error, size, MA_EREFUSED,
			       "the node at that address is not of the fleet that the token was "
			       "made in; nothing was sent to it");
	if (proof.version_max < WIRE_VERSION_MIN || proof.version_min > WIRE_VERSION_MAX)
		return err_say(error, size, MA_EVERSION,
			       "the versions of MultiAll are too far apart; upgrade the older one");
	return 0;
}

static int ask(struct join *join, const struct join_request *request, char *error, size_t size)
{
	uint8_t body[MESSAGE_SMALL_MAX];
	struct wr w = wr_init(body, sizeof(body));

	join_request_encode(request, &w);
	assert(!w.failed);
	int r = wire_send(join->wire, MESSAGE_JOIN_REQUEST, body, wr_used(&w));
	if (r == 0)
		r = send_output(join);
	crypto_wipe(body, sizeof(body));
	return r == 0 ? 0 : err_say(error, size, r, "the connection broke: %s", err_text(r));
}

static int take_answer(struct join *join, struct fleet *fleet, const struct token *token,
		       char *error, size_t size)
{
	AUTO_FREE struct net_message *message = NULL;
	struct join_answer answer;

	join->wire->in.total_max = NET_BODY_MAX;
	int r = next_message(join, MESSAGE_JOIN_ANSWER, &message);
	if (r == 0)
		r = join_answer_decode(message->body, message->size, &answer);
	if (r < 0)
		return err_say(
			error, size, r,
			"the answer did not come (%s); the token may be used up: if so, make "
			"a new one and try again",
			err_text(r));
	if (answer.code)
		return err_say(error, size, MA_EREFUSED, "refused: %s", answer.text);
	r = fleet_adopt(fleet, token->fleet_key, &answer, error, size);
	crypto_wipe(&answer.fleet_seed, sizeof(answer.fleet_seed));
	crypto_wipe(message->body, message->size);
	return r;
}

static int talk(struct join *join, struct fleet *fleet, const struct token *token,
		const struct join_request *request, char *error, size_t size)
{
	int r = prove(join, token, error, size);

	if (r == 0)
		r = ask(join, request, error, size);
	return r == 0 ? take_answer(join, fleet, token, error, size) : r;
}

static int request_make(const struct token *token, const char *own_name, const char *own_address,
			struct join_request *ret, char *error, size_t size)
{
	memset(ret, 0, sizeof(*ret));
	ret->version_min = WIRE_VERSION_MIN;
	ret->version_max = WIRE_VERSION_MAX;
	memcpy(ret->token_id, token->id, sizeof(ret->token_id));
	memcpy(ret->token_secret, token->secret, sizeof(ret->token_secret));
	if (!member_name_valid(own_name))
		return err_say(error, size, -EINVAL, "\"%s\" cannot be the name of a node",
			       own_name);
	(void)strcpy(ret->name, own_name);
	if (!own_address || !own_address[0])
		return 0;
	if (!member_address_valid(own_address))
		return err_say(error, size, -EINVAL, "\"%s\" is not an address", own_address);
	(void)strcpy(ret->address, own_address);
	return 0;
}

int net_join_as(struct fleet *fleet, const char *address, const char *token_text,
		const char *own_name, const char *own_address, char *error, size_t size)
{
	struct tls_context *context = NULL;
	struct join_request request;
	struct token token;
	struct join join = {.fd = -1, .until_ms = clock_boot_ms() + JOIN_MS};

	if (fleet_exists(fleet))
		return err_say(error, size, -EEXIST,
			       "this node belongs to a fleet already; leave that first");
	if (token_parse(token_text, &token) < 0)
		return err_say(error, size, -EINVAL,
			       "that is not a whole token; copy the line that invite printed");
	int r = request_make(&token, own_name, own_address, &request, error, size);
	if (r == 0)
		r = connect_to(address, &join.fd, error, size);
	if (r < 0)
		return r;
	r = tls_context_new(fleet_key(fleet), &context);
	if (r == 0) {
		struct tls_config config = {
			.context = context, .purpose = TLS_JOIN, .check = check};

		r = wire_new(&config, &join.wire);
	}
	if (r < 0)
		(void)err_say(error, size, r, "cannot prepare TLS: %s", err_text(r));
	else
		r = talk(&join, fleet, &token, &request, error, size);
	crypto_wipe(&token, sizeof(token));
	crypto_wipe(&request, sizeof(request));
	wire_free(join.wire);
	tls_context_free(context);
	(void)close(join.fd);
	return r;
}

int net_join(struct fleet *fleet, const char *address, const char *token, const char *own_address,
	     char *error, size_t size)
{
	char name[FLEET_NAME_MAX + 1];

	if (gethostname(name, sizeof(name)) < 0 || !memchr(name, 0, sizeof(name)))
		name[sizeof(name) - 1] = '\0';
	return net_join_as(fleet, address, token, member_name_valid(name) ? name : "node",
			   own_address, error, size);
}
