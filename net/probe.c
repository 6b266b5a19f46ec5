/* SPDX-License-Identifier: Apache-2.0 */
#include "net/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/address.h"
#include "core/auto.h"
#include "core/clock.h"

struct probe {
	int fd;
	uint64_t start_ms, end_ms;
	SSL_CTX *context;
	SSL *ssl;
	struct probe_result *result;
};

static int say(struct probe *probe, int r, const char *what)
{
	return err_say(probe->result->why, PROBE_WHY_MAX, r, "%s: %s", what, err_text(r));
}

/* Until the descriptor is ready; -ETIMEDOUT when the time is up. */
static int wait_for(const struct probe *probe, short events)
{
	struct pollfd fd = {.fd = probe->fd, .events = events};

	for (;;) {
		uint64_t now = clock_boot_ms();
		int left = now < probe->end_ms ? (int)(probe->end_ms - now) : 0;
		int r = poll(&fd, 1, left);

		if (r > 0)
			return 0;
		if (r == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int connect_one(struct probe *probe, const struct addrinfo *address)
{
	int error = 0;
	socklen_t size = sizeof(error);

	AUTO_CLOSE int fd =
		socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	probe->fd = fd;
	if (connect(fd, address->ai_addr, address->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			return -errno;
		int r = wait_for(probe, POLLOUT);
		if (r < 0)
			return r;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
			return -errno;
	}
	if (error)
		return -error;
	probe->fd = take_fd(&fd);
	return 0;
}

static int connect_host(struct probe *probe, const char *host, uint16_t port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *all = NULL;
	char service[8];
	int r = -EHOSTUNREACH;

	(void)snprintf(service, sizeof(service), "%u", port);
	int found = getaddrinfo(host, service, &hints, &all);
	if (found)
		return err_say(probe->result->why, PROBE_WHY_MAX, -EHOSTUNREACH, "%.80s: %s", host,
			       gai_strerror(found));
	for (const struct addrinfo *at = all; at && r < 0; at = at->ai_next)
		r = connect_one(probe, at);
	freeaddrinfo(all);
	if (r < 0) {
		probe->fd = -1;
		return say(probe, r, "cannot connect");
	}
	return 0;
}

static void probe_begin(struct probe *probe, uint32_t timeout_ms, struct probe_result *ret)
{
	*ret = (struct probe_result){.certificate_days = (double)NAN};
	*probe = (struct probe){.fd = -1, .result = ret, .start_ms = clock_boot_ms()};
	probe->end_ms = probe->start_ms + timeout_ms;
}

static void probe_end(struct probe *probe)
{
	probe->result->seconds = (double)(clock_boot_ms() - probe->start_ms) / 1000;
	SSL_free(probe->ssl);
	SSL_CTX_free(probe->context);
	ERR_clear_error();
	if (probe->fd >= 0)
		(void)close(probe->fd);
}

int probe_tcp(const char *address, uint32_t timeout_ms, struct probe_result *ret)
{
	char host[ADDRESS_TEXT_MAX];
	struct probe probe;
	uint16_t port;

	probe_begin(&probe, timeout_ms, ret);
	if (address_split(address, 0, host, sizeof(host), &port) < 0 || port == 0)
		return err_say(ret->why, PROBE_WHY_MAX, -EINVAL, "%.80s is not HOST:PORT", address);
	int r = connect_host(&probe, host, port);
	probe_end(&probe);
	return r;
}

int probe_url_parse(const char *url, struct probe_url *ret)
{
	struct probe_url parts = {.tls = strncmp(url, "https://", 8) == 0};
	char authority[ADDRESS_TEXT_MAX];
	char host[ADDRESS_TEXT_MAX];

	if (!parts.tls && strncmp(url, "http://", 7) != 0)
		return -EINVAL;
	url += parts.tls ? 8 : 7;
	size_t length = strcspn(url, "/?#");
	if (length == 0 || length >= sizeof(authority) || memchr(url, '@', length))
		return -EINVAL;
	memcpy(authority, url, length);
	authority[length] = '\0';
	if (address_split(authority, parts.tls ? 443 : 80, host, sizeof(host), &parts.port) < 0)
		return -EINVAL;
	(void)snprintf(parts.host, sizeof(parts.host), "%s", host);
	url += length;
	int n = snprintf(parts.path, sizeof(parts.path), "%s%.*s", url[0] == '/' ? "" : "/",
			 (int)(strcspn(url, "#") & 0xffff), url);
	if (n < 0 || (size_t)n >= sizeof(parts.path))
		return -EINVAL;
	for (const char *at = parts.path; *at; at++) {
		if (*at <= ' ' || *at > '~')
			return -EINVAL; /* it would end the request line */
	}
	*ret = parts;
	return 0;
}

static double days_left(const X509 *certificate)
{
	int days = 0;
	int seconds = 0;

	if (!certificate || !ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)))
		return (double)NAN;
	return days + seconds / 86400.0;
}

/* What a call of OpenSSL on a socket that does not block waits for; 0: it failed for good. */
static short tls_wants(const struct probe *probe, int r)
{
	int error = SSL_get_error(probe->ssl, r);

	return error == SSL_ERROR_WANT_READ ? POLLIN : error == SSL_ERROR_WANT_WRITE ? POLLOUT : 0;
}

static int tls_failed(struct probe *probe)
{
	long verdict = SSL_get_verify_result(probe->ssl);

	return err_say(probe->result->why, PROBE_WHY_MAX, -EPROTO, "TLS: %s",
		       verdict != X509_V_OK ? X509_verify_cert_error_string(verdict)
					    : "the handshake failed");
}

static int tls_begin(struct probe *probe, const struct probe_url *url)
{
	probe->context = SSL_CTX_new(TLS_client_method());
	if (!probe->context || !SSL_CTX_set_default_verify_paths(probe->context))
		return say(probe, -ENOMEM, "TLS");
	SSL_CTX_set_verify(probe->context, SSL_VERIFY_PEER, NULL);
	probe->ssl = SSL_new(probe->context);
	if (!probe->ssl || !SSL_set_fd(probe->ssl, probe->fd))
		return say(probe, -ENOMEM, "TLS");
	X509_VERIFY_PARAM *terms = SSL_get0_param(probe->ssl);
	if (!X509_VERIFY_PARAM_set1_ip_asc(terms, url->host)) {
		ERR_clear_error();
		if (!X509_VERIFY_PARAM_set1_host(terms, url->host, 0) ||
		    !SSL_set_tlsext_host_name(probe->ssl, url->host))
			return say(probe, -ENOMEM, "TLS");
	}
	for (;;) {
		int r = SSL_connect(probe->ssl);
		short events = r == 1 ? 0 : tls_wants(probe, r);

		if (r == 1)
			break;
		if (!events)
			return tls_failed(probe);
		r = wait_for(probe, events);
		if (r < 0)
			return say(probe, r, "TLS");
	}
	probe->result->certificate_days = days_left(SSL_get0_peer_certificate(probe->ssl));
	return 0;
}

/* One step of reading or writing: bytes, 0 at the end, or a code. */
static ssize_t step(struct probe *probe, bool write, void *data, size_t size)
{
	for (;;) {
		short events = write ? POLLOUT : POLLIN;

		if (probe->ssl) {
			int r = write ? SSL_write(probe->ssl, data, (int)size)
				      : SSL_read(probe->ssl, data, (int)size);
			if (r > 0)
				return r;
			events = tls_wants(probe, r);
			if (!events) /* also a peer that ends without saying so */
				return write ? -EPIPE : 0;
		} else {
			ssize_t n = write ? send(probe->fd, data, size, MSG_NOSIGNAL)
					  : recv(probe->fd, data, size, 0);
			if (n >= 0)
				return n;
			if (errno != EAGAIN && errno != EINTR)
				return -errno;
		}
		int r = wait_for(probe, events);
		if (r < 0)
			return r;
	}
}

static int ask(struct probe *probe, const struct probe_url *url)
{
	char request[sizeof(url->path) + sizeof(url->host) + 128];
	bool v6 = strchr(url->host, ':') != NULL;
	int size = snprintf(request, sizeof(request),
			    "GET %s HTTP/1.0\r\nHost: %s%s%s:%u\r\nUser-Agent: multiall\r\n"
			    "Accept: */*\r\nConnection: close\r\n\r\n",
			    url->path, v6 ? "[" : "", url->host, v6 ? "]" : "", url->port);

	for (size_t at = 0; at < (size_t)size;) {
		ssize_t n = step(probe, true, request + at, (size_t)size - at);
		if (n < 0)
			return say(probe, (int)n, "cannot send the request");
		at += (size_t)n;
	}
	return 0;
}

int probe_answer_parse(const char *data, size_t size, size_t *ret_body)
{
	const char *end = memmem(data, size, "\r\n\r\n", 4);
	int status = 0;

	if (size < 12 || memcmp(data, "HTTP/1.", 7) != 0 || data[8] != ' ')
		return 0;
	for (size_t i = 9; i < 12; i++) {
		if (data[i] < '0' || data[i] > '9')
			return 0;
		status = status * 10 + (data[i] - '0');
	}
	if (status < 100)
		return 0;
	*ret_body = end ? (size_t)(end - data) + 4 : size;
	return status;
}

static int hear(struct probe *probe)
{
	AUTO_FREE char *data = malloc(PROBE_BODY_MAX + 1);
	size_t used = 0;
	size_t begin = 0;

	if (!data)
		return -ENOMEM;
	while (used < PROBE_BODY_MAX) {
		ssize_t n = step(probe, false, data + used, PROBE_BODY_MAX - used);

		if (n < 0)
			return say(probe, (int)n, "no answer");
		if (n == 0)
			break;
		used += (size_t)n;
	}
	probe->result->status = probe_answer_parse(data, used, &begin);
	if (!probe->result->status)
		return say(probe, -EPROTO, "the answer is not HTTP");
	data[used] = '\0';
	memmove(data, data + begin, used - begin + 1);
	probe->result->body_size = used - begin;
	probe->result->body = take_ptr(data);
	return 0;
}

int probe_http(const char *url, uint32_t timeout_ms, struct probe_result *ret)
{
	struct probe_url parts;
	struct probe probe;

	probe_begin(&probe, timeout_ms, ret);
	if (probe_url_parse(url, &parts) < 0)
		return err_say(ret->why, PROBE_WHY_MAX, -EINVAL,
			       "%.80s is not http://HOST/PATH or https://HOST/PATH", url);
	int r = connect_host(&probe, parts.host, parts.port);
	if (r == 0 && parts.tls)
		r = tls_begin(&probe, &parts);
	if (r == 0)
		r = ask(&probe, &parts);
	if (r == 0)
		r = hear(&probe);
	probe_end(&probe);
	return r;
}

int probe_certificate(const char *path, double *ret_days, char *why, size_t size)
{
	FILE *file = fopen(path, "re");
	X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
	int r = file ? 0 : -errno;

	if (file)
		(void)fclose(file);
	if (r < 0)
		return err_say(why, size, r, "cannot read %s: %s", path, err_text(r));
	if (!certificate) {
		ERR_clear_error();
		return err_say(why, size, -EINVAL, "%s holds no certificate (PEM)", path);
	}
	*ret_days = days_left(certificate);
	X509_free(certificate);
	return isnan(*ret_days) ? -EINVAL : 0;
}
