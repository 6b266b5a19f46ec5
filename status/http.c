/* SPDX-License-Identifier: Apache-2.0 */
#include "status/http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/address.h"
#include "core/auto.h"
#include "core/log.h"
#include "core/clock.h"
#include "core/loop.h"
#include "status/json.h"
#include "status/metrics.h"
#include "status/node.h"
#include "status/page.h"
#include "status/snapshot.h"

/* A picture is used again for so long: many clients can't make the loop take pictures only. */
#define FRESH_MS 100

struct http {
	struct node *node;
	struct MHD_Daemon *daemon;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned int open_handles;
	struct snapshot *snapshot;
	uint64_t taken_ms;
	struct log_limit limit;
	char own[ADDRESS_TEXT_MAX];
};

struct reply {
	unsigned int status;
	const char *type;
	char *text; /* owned */
	size_t size;
};

bool http_host_allowed(const char *host, const char *own)
{
	char name[ADDRESS_TEXT_MAX];
	uint16_t port;

	/* Without a Host it is no browser, and rebinding a name needs a browser (RFC 9112 wants the
	 * header of every HTTP/1.1 client; microhttpd refuses those without it). */
	if (!host)
		return true;
	if (address_split(host, 80, name, sizeof(name), &port) < 0)
		return false;
	return address_loopback(name) || strcmp(name, own) == 0;
}

bool http_public(const struct http *http)
{
	return !address_loopback(http->own);
}

static const struct snapshot *picture(struct http *http)
{
	struct snapshot *fresh = NULL;
	uint64_t now = clock_boot_ms();

	if (http->snapshot && now - http->taken_ms < FRESH_MS)
		return http->snapshot;
	if (snapshot_take(http->node, &fresh) < 0)
		return NULL;
	snapshot_free(http->snapshot);
	http->snapshot = fresh;
	http->taken_ms = now;
	return fresh;
}

static void reply_page(const struct snapshot *snapshot, struct reply *ret)
{
	ret->type = "text/html; charset=utf-8";
	ret->text = page_html(snapshot, &ret->size);
}

static void reply_style(const struct snapshot *snapshot, struct reply *ret)
{
	(void)snapshot;
	ret->type = "text/css; charset=utf-8";
	ret->text = strdup(page_style);
	ret->size = strlen(page_style);
}

static void reply_json(const struct snapshot *snapshot, struct reply *ret)
{
	AUTO_JSON json_t *value = status_json(snapshot);

	ret->type = "application/json";
	ret->text = value ? json_pretty(value) : NULL;
	ret->size = ret->text ? strlen(ret->text) : 0;
}

static void reply_metrics(const struct snapshot *snapshot, struct reply *ret)
{
	ret->type = "text/plain; version=0.0.4; charset=utf-8";
	ret->text = metrics_text(snapshot, &ret->size);
}

static void reply_health(const struct snapshot *snapshot, struct reply *ret)
{
	char why[768] = "ok";

	ret->status = snapshot_healthy(snapshot, why, sizeof(why)) ? MHD_HTTP_OK
								   : MHD_HTTP_SERVICE_UNAVAILABLE;
	ret->type = "text/plain; charset=utf-8";
	int size = asprintf(&ret->text, "%s\n", why);
	if (size < 0)
		ret->text = NULL;
	ret->size = size < 0 ? 0 : (size_t)size;
}

static const struct {
	const char *path;
	void (*make)(const struct snapshot *snapshot, struct reply *ret);
} pages[] = {
	{"/", reply_page},           {"/style.css", reply_style}, {"/api/v1/status", reply_json},
	{"/metrics", reply_metrics}, {"/healthz", reply_health},
};

static void reply_words(struct reply *reply, unsigned int status, const char *text)
{
	reply->status = status;
	reply->type = "text/plain; charset=utf-8";
	free(reply->text);
	reply->text = strdup(text);
	reply->size = reply->text ? strlen(text) : 0;
}

static void reply_make(struct http *http, const char *url, const char *method, const char *host,
		       struct reply *reply)
{
	size_t i = 0;

	while (i < sizeof(pages) / sizeof(pages[0]) && strcmp(pages[i].path, url) != 0)
		i++;
	if (!http_host_allowed(host, http->own)) {
		reply_words(reply, MHD_HTTP_MISDIRECTED_REQUEST,
			    "This page answers only to localhost, 127.0.0.1, [::1] and the address "
			    "it listens on.\n");
	} else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		reply_words(reply, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and HEAD.\n");
	} else if (i == sizeof(pages) / sizeof(pages[0])) {
		reply_words(reply, MHD_HTTP_NOT_FOUND,
			    "There is /, /api/v1/status, /metrics and /healthz.\n");
	} else {
		const struct snapshot *snapshot = picture(http);

		reply->status = MHD_HTTP_OK;
		if (snapshot)
			pages[i].make(snapshot, reply);
		if (!reply->text)
			reply_words(reply, MHD_HTTP_INTERNAL_SERVER_ERROR, "No memory.\n");
	}
}

static enum MHD_Result reply_send(struct MHD_Connection *connection, struct reply *reply)
{
	static const char *const headers[][2] = {
		{"Cache-Control", "no-store"},
		{"Content-Security-Policy",
		 "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
		 "frame-ancestors 'none'"},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "DENY"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
	};
	struct MHD_Response *response;

	if (!reply->text)
		return MHD_NO;
	response = MHD_create_response_from_buffer(reply->size, reply->text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(reply->text);
		return MHD_NO;
	}
	enum MHD_Result r = MHD_add_response_header(response, "Content-Type", reply->type);
	for (size_t i = 0; r == MHD_YES && i < sizeof(headers) / sizeof(headers[0]); i++)
		r = MHD_add_response_header(response, headers[i][0], headers[i][1]);
	if (r == MHD_YES && reply->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		r = MHD_add_response_header(response, "Allow", "GET, HEAD");
	if (r == MHD_YES)
		r = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return r;
}

static bool plain_read(struct MHD_Connection *connection, const char *method)
{
	static const char *const body[] = {MHD_HTTP_HEADER_CONTENT_LENGTH,
					   MHD_HTTP_HEADER_TRANSFER_ENCODING};

	for (size_t i = 0; i < sizeof(body) / sizeof(body[0]); i++) {
		if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND, body[i]))
			return false;
	}
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* Called when the head has come and again at the end of the request. An answer at the first call
 * ends the connection after it: right for whoever wants to send a body, which nobody here reads. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	struct http *http = arg;
	struct reply reply = {0};

	(void)version;
	(void)upload;
	(void)upload_size;
	if (!*state && plain_read(connection, method)) {
		*state = http; /* anything but NULL: the head was seen */
		return MHD_YES;
	}
	reply_make(http, url, method,
		   MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST),
		   &reply);
	return reply_send(connection, &reply);
}

static void on_closed(uv_handle_t *handle)
{
	struct http *http = handle->data;

	if (--http->open_handles > 0)
		return;
	if (http->daemon)
		MHD_stop_daemon(http->daemon);
	snapshot_free(http->snapshot);
	free(http);
}

/* Lets microhttpd do what can be done now, and comes again when it says so. */
static void http_step(struct http *http);

static void on_timer(uv_timer_t *timer)
{
	http_step(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	http_step(poll->data);
}

static void http_step(struct http *http)
{
	MHD_UNSIGNED_LONG_LONG wait_ms = 0;

	if (MHD_run(http->daemon) != MHD_YES)
		log_limited(&http->limit, LOG_LEVEL_WARN, "status page: the server stumbled");
	if (MHD_get_timeout(http->daemon, &wait_ms) == MHD_YES)
		(void)uv_timer_start(&http->timer, on_timer, wait_ms, 0);
	else
		(void)uv_timer_stop(&http->timer);
}

__attribute__((format(printf, 2, 0))) static void on_log(void *arg, const char *format,
							 va_list args)
{
	struct http *http = arg;
	char text[256];
	int size = vsnprintf(text, sizeof(text), format, args);

	if (size > 0)
		text[strcspn(text, "\n")] = '\0';
	log_limited(&http->limit, LOG_LEVEL_DEBUG, "status page: %s", size > 0 ? text : "");
}

static int listener_open(const struct sockaddr_storage *address, socklen_t length, int *ret_fd)
{
	int on = 1;
	AUTO_CLOSE int fd =
		socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)address, length) < 0 ||
	    listen(fd, HTTP_CLIENTS_MAX) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

static int server_start(struct http *http, const struct sockaddr_storage *address, socklen_t length)
{
	AUTO_CLOSE int fd = -1;
	unsigned int flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG;
	int r = listener_open(address, length, &fd);

	if (r < 0)
		return r;
	if (address->ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	http->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, http,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)HTTP_CLIENTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned int)HTTP_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)HTTP_MEMORY_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	if (!http->daemon)
		return -EIO;
	(void)take_fd(&fd); /* the server closes it */
	return 0;
}

static int server_watch(struct http *http)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	if (!info)
		return -EIO;
	int r = uv_poll_init(loop_uv(http->node->loop), &http->poll, info->epoll_fd);
	if (r < 0)
		return r;
	http->poll.data = http;
	http->open_handles++;
	(void)uv_timer_init(loop_uv(http->node->loop), &http->timer);
	http->timer.data = http;
	http->open_handles++;
	return uv_poll_start(&http->poll, UV_READABLE, on_poll);
}

int http_new(struct node *node, const char *listen, struct http **ret, char *error, size_t size)
{
	struct sockaddr_storage address;
	socklen_t length;
	uint16_t port;
	struct http *http = calloc(1, sizeof(*http));

	if (!http)
		return err_say(error, size, -ENOMEM, "no memory for the status page");
	http->node = node;
	int r = address_split(listen, ADDRESS_PAGE_PORT, http->own, sizeof(http->own), &port);
	if (r == 0)
		r = address_socket(strcmp(http->own, "localhost") == 0 ? "127.0.0.1" : http->own,
				   port, &address, &length);
	if (r < 0) {
		free(http);
		return err_say(error, size, r,
			       "status_listen = %s: not a numeric address like 127.0.0.1:7448",
			       listen);
	}
	r = server_start(http, &address, length);
	if (r == 0)
		r = server_watch(http);
	if (r < 0) {
		http_free(http);
		return err_say(error, size, r,
			       "no status page: cannot listen on %s: %s; choose another address "
			       "with status_listen",
			       listen, err_text(r));
	}
	*ret = http;
	return 0;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	if (http->open_handles == 0) {
		if (http->daemon)
			MHD_stop_daemon(http->daemon);
		free(http);
		return;
	}
	/* The server goes once nothing watches its descriptor any more. */
	uv_close((uv_handle_t *)&http->poll, on_closed);
	uv_close((uv_handle_t *)&http->timer, on_closed);
}
