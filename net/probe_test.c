/* links: net/probe.c core/address.c core/units.c core/clock.c core/err.c
 * SPDX-License-Identifier: Apache-2.0
 * Probes against servers of our own: one that answers, one that says nothing, none at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/probe.h"

struct server {
	int fd;
	uint16_t port;
	const char *answer; /* NULL: takes the connection and says nothing */
	SSL_CTX *tls;
	pthread_t thread;
};

static void *serve(void *arg)
{
	struct server *server = arg;
	char request[2048];
	int fd = accept(server->fd, NULL, NULL);
	SSL *ssl = server->tls ? SSL_new(server->tls) : NULL;

	if (fd < 0)
		return NULL;
	if (ssl) {
		(void)SSL_set_fd(ssl, fd);
		if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0)
			(void)SSL_write(ssl, server->answer, (int)strlen(server->answer));
		SSL_free(ssl);
	} else if (recv(fd, request, sizeof(request), 0) > 0 && server->answer) {
		(void)send(fd, server->answer, strlen(server->answer), MSG_NOSIGNAL);
	} else if (!server->answer) {
		while (recv(fd, request, sizeof(request), 0) > 0) /* until the other side goes */
			;
	}
	(void)close(fd);
	return NULL;
}

static void server_start(struct server *server, const char *answer, SSL_CTX *tls)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(address);

	server->answer = answer;
	server->tls = tls;
	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(listen(server->fd, 4), 0);
	assert_int_equal(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
	server->port = ntohs(address.sin_port);
	assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_end(struct server *server)
{
	(void)shutdown(server->fd, SHUT_RDWR);
	(void)pthread_join(server->thread, NULL);
	(void)close(server->fd);
}

static void test_urls(void **state)
{
	static const struct {
		const char *url;
		int r;
		bool tls;
		const char *host, *path;
		uint16_t port;
	} rows[] = {
		{"http://a", 0, false, "a", "/", 80},
		{"https://a.b/c?d#e", 0, true, "a.b", "/c?d", 443},
		{"http://[::1]:81/x", 0, false, "::1", "/x", 81},
		{"http://a?x", 0, false, "a", "/?x", 80},
		{"ftp://a", -EINVAL, false, "", "", 0},
		{"http://", -EINVAL, false, "", "", 0},
		{"http://u:p@a/", -EINVAL, false, "", "", 0},
		{"http://a/ HTTP/1.0\r\nX: y", -EINVAL, false, "", "", 0},
		{"http://a:99999/", -EINVAL, false, "", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct probe_url url;
		int r = probe_url_parse(rows[i].url, &url);

		if ((r < 0) != (rows[i].r < 0))
			fail_msg("%s: %d", rows[i].url, r);
		if (r < 0)
			continue;
		assert_int_equal(url.tls, rows[i].tls);
		assert_string_equal(url.host, rows[i].host);
		assert_string_equal(url.path, rows[i].path);
		assert_int_equal(url.port, rows[i].port);
	}
}

static void test_answers(void **state)
{
	static const struct {
		const char *data;
		int status;
		size_t body;
	} rows[] = {
		{"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", 200, 25},
		{"HTTP/1.0 404\r\n", 404, 14},
		{"HTTP/1.1 099 x\r\n\r\n", 0, 0},
		{"HTTP/2 200\r\n\r\n", 0, 0},
		{"SSH-2.0-OpenSSH_9.2\r\n", 0, 0},
		{"HTTP/1.1 2x0 OK\r\n\r\n", 0, 0},
		{"", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t body = 0;

		assert_int_equal(probe_answer_parse(rows[i].data, strlen(rows[i].data), &body),
				 rows[i].status);
		assert_int_equal(body, rows[i].body);
	}
}

static void test_http(void **state)
{
	struct probe_result result;
	struct server server;
	char url[64];

	(void)state;
	server_start(&server, "HTTP/1.0 503 Busy\r\n\r\nplease wait", NULL);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
	assert_int_equal(probe_http(url, 60000, &result), 0);
	assert_int_equal(result.status, 503);
	assert_string_equal(result.body, "please wait");
	assert_true(isnan(result.certificate_days));
	free(result.body);
	server_end(&server);
	server_start(&server, "220 mail\r\n", NULL);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
	assert_int_equal(probe_http(url, 60000, &result), -EPROTO);
	assert_null(result.body);
	server_end(&server);
	server_start(&server, NULL, NULL);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/", server.port);
	assert_int_equal(probe_http(url, 50, &result), -ETIMEDOUT);
	server_end(&server);
}

static void test_tcp(void **state)
{
	struct probe_result result;
	struct server server;
	char address[64];

	(void)state;
	server_start(&server, "x", NULL);
	(void)snprintf(address, sizeof(address), "127.0.0.1:%u", server.port);
	assert_int_equal(probe_tcp(address, 60000, &result), 0);
	server_end(&server);
	assert_int_equal(probe_tcp(address, 60000, &result), -ECONNREFUSED);
	assert_string_equal(result.why, "cannot connect: Connection refused");
	assert_int_equal(probe_tcp("127.0.0.1", 60000, &result), -EINVAL);
}

/* A certificate for 127.0.0.1 by nobody that this machine trusts, valid for `days`. */
static X509 *certificate_make(EVP_PKEY *key, long days)
{
	X509 *certificate = X509_new();
	X509_NAME *name = X509_get_subject_name(certificate);

	(void)X509_set_version(certificate, 2);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(certificate), -86400);
	(void)X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86400 + 3600);
	(void)X509_set_pubkey(certificate, key);
	(void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					 (const unsigned char *)"127.0.0.1", -1, -1, 0);
	(void)X509_set_issuer_name(certificate, name);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	return certificate;
}

static void test_certificates(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = certificate_make(key, 10);
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	char path[] = "/tmp/probe_test.XXXXXX";
	struct probe_result result;
	struct server server;
	char url[64], why[256];
	double days = 0;

	(void)state;
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");
	assert_int_equal(PEM_write_X509(file, certificate), 1);
	(void)fclose(file);
	assert_int_equal(probe_certificate(path, &days, why, sizeof(why)), 0);
	assert_true(days > 9.9 && days < 10.1);
	assert_int_equal(truncate(path, 10), 0);
	assert_int_equal(probe_certificate(path, &days, why, sizeof(why)), -EINVAL);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(probe_certificate(path, &days, why, sizeof(why)), -ENOENT);
	/* Nobody vouches for it: that is a failure, and it says so. */
	assert_int_equal(SSL_CTX_use_certificate(tls, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(tls, key), 1);
	server_start(&server, "HTTP/1.0 200 OK\r\n\r\n", tls);
	(void)snprintf(url, sizeof(url), "https://127.0.0.1:%u/", server.port);
	assert_int_equal(probe_http(url, 60000, &result), -EPROTO);
	assert_non_null(strstr(result.why, "self-signed"));
	server_end(&server);
	SSL_CTX_free(tls);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),         cmocka_unit_test(test_answers),
		cmocka_unit_test(test_http),         cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_certificates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
