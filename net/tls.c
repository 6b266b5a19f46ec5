/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "core/auto.h"
#include "net/fleet.h"

/* One node's certificate is about 350 bytes; a handshake message needs no more than this. */
#define CERTIFICATE_MAX 8192

/* AES-GCM may protect 2^24.5 full records under one key (RFC 8446, 5.5); change keys well before.
 */
#define RECORDS_PER_KEY (1u << 23)

static const unsigned char alpn_link[] = "\x0amultiall/1";
static const unsigned char alpn_join[] = "\x0fmultiall-join/1";

struct tls_context {
	SSL_CTX *ssl;
	BIO_METHOD *bio;  /* reads `input`, writes `output` of a struct tls */
	atomic_uint uses; /* the maker's, and one per struct tls */
};

struct tls {
	SSL *ssl;
	struct tls_config config;
	const uint8_t *input;
	size_t input_left;
	struct tls_buffer output;
	uint32_t records; /* written under the present key, at most */
	enum tls_purpose purpose;
	uint8_t peer_key[KEY_PUBLIC_SIZE];
	char reason[96];
};

static int bio_read(BIO *bio, char *buf, size_t size, size_t *ret_size)
{
	struct tls *tls = BIO_get_data(bio);
	size_t n = size < tls->input_left ? size : tls->input_left;

	BIO_clear_retry_flags(bio);
	if (n == 0) {
		BIO_set_retry_read(bio);
		*ret_size = 0;
		return 0;
	}
	memcpy(buf, tls->input, n);
	tls->input += n;
	tls->input_left -= n;
	*ret_size = n;
	return 1;
}

static int bio_write(BIO *bio, const char *data, size_t size, size_t *ret_size)
{
	struct tls *tls = BIO_get_data(bio);
	struct tls_buffer *out = &tls->output;

	BIO_clear_retry_flags(bio);
	if (out->room - out->size < size) {
		size_t room = out->room ? out->room * 2 : 4096;
		while (room - out->size < size)
			room *= 2;
		uint8_t *grown = realloc(out->data, room);
		if (!grown)
			return 0;
		out->data = grown;
		out->room = room;
	}
	memcpy(out->data + out->size, data, size);
	out->size += size;
	*ret_size = size;
	return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

static BIO_METHOD *bio_method_new(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "multiall");

	if (!method)
		return NULL;
	BIO_meth_set_read_ex(method, bio_read);
	BIO_meth_set_write_ex(method, bio_write);
	BIO_meth_set_ctrl(method, bio_ctrl);
	BIO_meth_set_create(method, bio_create);
	return method;
}

/* Self-signed; carries the key and nothing else that counts. Its times say "always": the fleet's
 * member records decide, not the calendar. */
static X509 *certificate_new(const struct keypair *key, EVP_PKEY *pkey)
{
	X509 *cert = X509_new();
	char id[33];

	if (!cert)
		return NULL;
	node_id_text(key->public, id);
	X509_NAME *name = X509_get_subject_name(cert);
	if (X509_set_version(cert, X509_VERSION_3) == 1 &&
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
	    ASN1_TIME_set_string(X509_getm_notBefore(cert), "19700101000000Z") == 1 &&
	    ASN1_TIME_set_string(X509_getm_notAfter(cert), "99991231235959Z") == 1 &&
	    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)id, -1, -1,
				       0) == 1 &&
	    X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, pkey) == 1 &&
	    X509_sign(cert, pkey, NULL) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

/* Takes the place of chain building: there is no chain, the key itself is known or is not. That
 * the peer has the key's secret half is proven by TLS's CertificateVerify. */
static int check_certificate(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *tls = SSL_get_app_data(ssl);
	EVP_PKEY *pkey = X509_get0_pubkey(X509_STORE_CTX_get0_cert(store));
	size_t size = KEY_PUBLIC_SIZE;

	(void)arg;
	if (!pkey || EVP_PKEY_id(pkey) != EVP_PKEY_ED25519 ||
	    EVP_PKEY_get_raw_public_key(pkey, tls->peer_key, &size) != 1 ||
	    size != KEY_PUBLIC_SIZE) {
		(void)snprintf(tls->reason, sizeof(tls->reason),
			       "certificate without an Ed25519 key");
		X509_STORE_CTX_set_error(store, X509_V_ERR_UNSUPPORTED_SIGNATURE_ALGORITHM);
		return 0;
	}
	enum tls_verdict verdict = tls->config.check(tls->config.arg, tls->purpose, tls->peer_key);
	if (verdict == TLS_ALLOW) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	char id[33];
	node_id_text(tls->peer_key, id);
	(void)snprintf(tls->reason, sizeof(tls->reason), "%s (node id %s)",
		       verdict == TLS_REFUSE_GONE
			       ? "has left or was removed"
			       : "wrong certificate: not the member it should be",
		       id);
	X509_STORE_CTX_set_error(store, verdict == TLS_REFUSE_GONE ? X509_V_ERR_CERT_REVOKED
								   : X509_V_ERR_CERT_UNTRUSTED);
	return 0;
}

static bool offers(const unsigned char *in, unsigned int size, const unsigned char *wanted)
{
	for (unsigned int at = 0; at < size && at + in[at] < size; at += 1u + in[at]) {
		if (in[at] == wanted[0] && memcmp(in + at, wanted, 1u + wanted[0]) == 0)
			return true;
	}
	return false;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
		       const unsigned char *in, unsigned int in_size, void *arg)
{
	struct tls *tls = SSL_get_app_data(ssl);
	const unsigned char *chosen = NULL;

	(void)arg;
	if (offers(in, in_size, alpn_link))
		chosen = alpn_link;
	else if (offers(in, in_size, alpn_join))
		chosen = alpn_join;
	if (!chosen)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	tls->purpose = chosen == alpn_link ? TLS_LINK : TLS_JOIN;
	*out = chosen + 1;
	*out_size = chosen[0];
	return SSL_TLSEXT_ERR_OK;
}

static bool context_setup(SSL_CTX *ctx, const struct keypair *key)
{
	EVP_PKEY *pkey =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->seed, KEY_SEED_SIZE);
	X509 *cert = pkey ? certificate_new(key, pkey) : NULL;
	bool ok = cert && SSL_CTX_use_certificate(ctx, cert) == 1 &&
		  SSL_CTX_use_PrivateKey(ctx, pkey) == 1 &&
		  SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
		  SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
		  SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256:"
						"TLS_AES_256_GCM_SHA384:"
						"TLS_CHACHA20_POLY1305_SHA256") == 1 &&
		  SSL_CTX_set1_groups_list(ctx, "X25519") == 1 &&
		  SSL_CTX_set1_sigalgs_list(ctx, "ed25519") == 1 &&
		  SSL_CTX_set1_client_sigalgs_list(ctx, "ed25519") == 1 &&
		  SSL_CTX_set_num_tickets(ctx, 0) == 1;

	X509_free(cert);
	EVP_PKEY_free(pkey);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_max_cert_list(ctx, CERTIFICATE_MAX);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, check_certificate, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
	return ok;
}

int tls_context_new(const struct keypair *key, struct tls_context **ret)
{
	struct tls_context *context = calloc(1, sizeof(*context));

	if (!context)
		return -ENOMEM;
	atomic_init(&context->uses, 1);
	context->bio = bio_method_new();
	context->ssl = SSL_CTX_new(TLS_method());
	if (!context->bio || !context->ssl || !context_setup(context->ssl, key)) {
		ERR_clear_error();
		tls_context_free(context);
		return -ENOTSUP;
	}
	*ret = context;
	return 0;
}

void tls_context_free(struct tls_context *context)
{
	if (!context || atomic_fetch_sub(&context->uses, 1) > 1)
		return;
	SSL_CTX_free(context->ssl);
	BIO_meth_free(context->bio);
	free(context);
}

static bool setup(struct tls *tls)
{
	const unsigned char *alpn = tls->config.purpose == TLS_LINK ? alpn_link : alpn_join;
	BIO *bio = BIO_new(tls->config.context->bio);

	tls->ssl = SSL_new(tls->config.context->ssl);
	if (!bio || !tls->ssl) {
		BIO_free(bio);
		return false;
	}
	BIO_set_data(bio, tls);
	SSL_set_bio(tls->ssl, bio, bio);
	(void)SSL_set_app_data(tls->ssl, tls);
	if (tls->config.server) {
		SSL_set_accept_state(tls->ssl);
		return true;
	}
	SSL_set_connect_state(tls->ssl);
	tls->purpose = tls->config.purpose;
	return SSL_set_alpn_protos(tls->ssl, alpn, 1u + alpn[0]) == 0;
}

int tls_new(const struct tls_config *config, struct tls **ret)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return -ENOMEM;
	tls->config = *config;
	(void)atomic_fetch_add(&config->context->uses, 1);
	if (!setup(tls)) {
		ERR_clear_error();
		tls_free(tls);
		return -ENOMEM;
	}
	*ret = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	SSL_free(tls->ssl);
	tls_context_free(tls->config.context);
	free(tls->output.data);
	free(tls);
}

void tls_feed(struct tls *tls, const void *data, size_t size)
{
	assert(tls->input_left == 0);
	tls->input = data;
	tls->input_left = size;
}

/* What openssl says, in words about this fleet; alerts are what the other side told us. */
static int explain(struct tls *tls)
{
	unsigned long e = ERR_peek_error();
	const char *text = NULL;
	int code = MA_ECORRUPT;

	if (tls->reason[0])
		return MA_EREFUSED; /* our own check has spoken */
	switch (ERR_GET_LIB(e) == ERR_LIB_SSL ? ERR_GET_REASON(e) : 0) {
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
		text = "it says that this node has left or was removed";
		code = MA_EREFUSED;
		break;
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
		text = "it does not know this node (yet)";
		code = MA_EUNKNOWN;
		break;
	case SSL_R_NO_APPLICATION_PROTOCOL:
	case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
		text = "no common protocol";
		break;
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		text = "no certificate";
		code = MA_EREFUSED;
		break;
	default:
		break;
	}
	if (!text)
		text = e ? ERR_reason_error_string(e) : "connection ended";
	(void)snprintf(tls->reason, sizeof(tls->reason), "TLS: %s", text ? text : "error");
	return code;
}

/* After a call that gave `result`: 0 if more input is needed, else a code. */
static int outcome(struct tls *tls, int result)
{
	int error = SSL_get_error(tls->ssl, result);
	int code = 0;

	if (error == SSL_ERROR_ZERO_RETURN)
		code = -EPIPE;
	else if (error != SSL_ERROR_WANT_READ)
		code = explain(tls);
	ERR_clear_error();
	return code;
}

static bool alpn_agreed(struct tls *tls)
{
	const unsigned char *wanted = tls->purpose == TLS_LINK ? alpn_link : alpn_join;
	const unsigned char *got;
	unsigned int size;

	SSL_get0_alpn_selected(tls->ssl, &got, &size);
	return size == wanted[0] && memcmp(got, wanted + 1, size) == 0;
}

int tls_handshake(struct tls *tls)
{
	ERR_clear_error();
	int n = SSL_do_handshake(tls->ssl);
	if (n != 1)
		return outcome(tls, n);
	/* openssl goes on without ALPN if one side does not speak of it. */
	if (!alpn_agreed(tls)) {
		(void)snprintf(tls->reason, sizeof(tls->reason), "TLS: no common protocol");
		return MA_ECORRUPT;
	}
	return 1;
}

ssize_t tls_read(struct tls *tls, void *buf, size_t size)
{
	size_t got = 0;

	ERR_clear_error();
	int n = SSL_read_ex(tls->ssl, buf, size, &got);
	return n == 1 ? (ssize_t)got : outcome(tls, n);
}

int tls_write(struct tls *tls, const void *data, size_t size)
{
	size_t done = 0;

	tls->records += (uint32_t)(size / TLS_RECORD_MAX + 1);
	if (tls->records >= RECORDS_PER_KEY) {
		tls->records = 0;
		(void)SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
	}
	ERR_clear_error();
	int n = SSL_write_ex(tls->ssl, data, size, &done);
	if (n == 1 && done == size)
		return 0;
	/* The output grows, so only a lack of memory or a broken state ends here. */
	int code = outcome(tls, n);
	return code < 0 ? code : MA_ECORRUPT;
}

void tls_swap_output(struct tls *tls, struct tls_buffer *buffer)
{
	struct tls_buffer full = tls->output;

	tls->output = *buffer;
	tls->output.size = 0;
	*buffer = full;
}

size_t tls_output_size(const struct tls *tls)
{
	return tls->output.size;
}

enum tls_purpose tls_purpose(const struct tls *tls)
{
	return tls->purpose;
}

void tls_peer_key(const struct tls *tls, uint8_t ret[KEY_PUBLIC_SIZE])
{
	memcpy(ret, tls->peer_key, KEY_PUBLIC_SIZE);
}

static int export(struct tls *tls, const char *label, uint8_t *ret, size_t size)
{
	if (SSL_export_keying_material(tls->ssl, ret, size, label, strlen(label), NULL, 0, 0) == 1)
		return 0;
	ERR_clear_error();
	return MA_EREFUSED;
}

int tls_binding(struct tls *tls, uint8_t ret[32])
{
	return export(tls, "EXPORTER-multiall-join", ret, 32);
}

int tls_secret(struct tls *tls, uint8_t ret[64])
{
	return export(tls, "EXPORTER-multiall-tns", ret, 64);
}

const char *tls_reason(const struct tls *tls)
{
	return tls->reason;
}
