/* Connections of the TLS engine: made, answered, told about, closed. What moves their bytes is in tls-step.c. */
#include "tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

void tls_connection_drop(void *thing) {
  struct tls_connection *connection = thing;
  /* RFC 5246 7.2.1: a session whose connection was not closed properly may be resumed all the same. */
  if (connection->ssl != NULL && !connection->failed)
    SSL_set_shutdown(connection->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(connection->ssl); /* with its BIO */
  if (connection->context != NULL) tls_context_drop(connection->context);
  if (connection->answer != NULL) tls_context_drop(connection->answer);
  free(connection->peer);
  free(connection);
}

/* Name or address that the peer's certificate must be for. */
static bool expect_peer(const struct tls_context *context, SSL *ssl, const char *hostname, const uint8_t *address,
                        size_t length) {
  X509_VERIFY_PARAM *parameters = SSL_get0_param(ssl);
  if (hostname[0] != '\0' && !context->server && SSL_set_tlsext_host_name(ssl, hostname) != 1) return false;
  if (context->reports) return true; /* who is told compares the names, too */
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (hostname[0] == '\0') return length == 0 || X509_VERIFY_PARAM_set1_ip(parameters, address, length) == 1;
  return X509_VERIFY_PARAM_set1_host(parameters, hostname, 0) == 1;
}

struct tls_connection *tls_connection_new(struct tls_engine *engine, struct tls_context *context, int32_t mtu) {
  struct tls_connection *connection = calloc(1, sizeof *connection);
  if (connection == NULL) return NULL;
  *connection = (struct tls_connection){.engine = engine, .datagram = context->datagram, .mtu = mtu};
  connection->ssl = SSL_new(context->ctx);
  BIO *bio = connection->ssl == NULL   ? NULL
             : connection->datagram ? tls_datagram_bio_new(connection)
                                    : tls_bio_new(connection);
  if (bio == NULL) {
    tls_connection_drop(connection);
    return NULL;
  }
  connection->context = context;
  SSL_set_bio(connection->ssl, bio, bio);
  SSL_set_app_data(connection->ssl, connection);
  if (context->server) SSL_set_accept_state(connection->ssl);
  else SSL_set_connect_state(connection->ssl);
  if (engine->now_s != 0) X509_VERIFY_PARAM_set_time(SSL_get0_param(connection->ssl), tls_now(engine));
  return connection;
}

/* open(context, { hostname, address, peer, mtu }): its number, -1 without memory. The peer's certificate has to be for one of the
 * first two; a client resumes what the same peer gave it before. */
static napi_value connection_open(napi_env env, napi_callback_info info) {
  napi_value arguments[2], result;
  void *data;
  int64_t number, mtu = 1232;
  char hostname[TLS_HOSTNAME_BYTES] = "", peer[TLS_PEER_BYTES] = "";
  uint8_t address[16];
  size_t length;
  if (!get_arguments(env, info, 2, arguments, &data) ||
      !to_integer(env, arguments[0], "context", 0, INT32_MAX, &number) || !to_object(env, arguments[1], "options") ||
      !option_text(env, arguments[1], "hostname", false, hostname, sizeof hostname) ||
      !option_integer(env, arguments[1], "mtu", false, 256, 65535, &mtu) ||
      !option_text(env, arguments[1], "peer", false, peer, sizeof peer) ||
      !option_bytes(env, arguments[1], "address", false, address, sizeof address, &length))
    return NULL;
  struct tls_engine *engine = data;
  struct tls_context *context = handles_get(&engine->contexts, number);
  if (context == NULL) return throw_error(env, ENOENT, "context %lld: there is none", (long long)number);
  if (length != 0 && length != 4 && length != 16) return throw_error(env, EINVAL, "address: neither 4 nor 16 bytes");
  struct tls_connection *connection = tls_connection_new(engine, context, (int32_t)mtu);
  int32_t made = -1;
  if (connection != NULL) {
    context->refs++;
    if (peer[0] != '\0') connection->peer = strdup(peer);
    tls_resume(connection);
    if (expect_peer(context, connection->ssl, hostname, address, length))
      made = handles_add(&engine->connections, connection);
  }
  if (made < 0 && connection != NULL) tls_connection_drop(connection);
  ERR_clear_error();
  return napi_create_int32(env, made, &result) == napi_ok ? result : NULL;
}

/* The connection of a method's first argument; NULL after throwing. */
static struct tls_connection *connection_of(napi_env env, struct tls_engine *engine, napi_value argument,
                                            int64_t *number) {
  if (!to_integer(env, argument, "connection", 0, INT32_MAX, number)) return NULL;
  struct tls_connection *connection = handles_get(&engine->connections, *number);
  if (connection == NULL) throw_error(env, ENOENT, "connection %lld: there is none", (long long)*number);
  return connection;
}

/* answer(connection, context): the certificate that was asked for is that of the context, which chooses among the names of
 * ALPN, too; -1: there is none, and the next step fails. Only the first answer counts. */
static napi_value connection_answer(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *data;
  int64_t number, context_number;
  if (!get_arguments(env, info, 2, arguments, &data)) return NULL;
  struct tls_engine *engine = data;
  struct tls_connection *connection = connection_of(env, engine, arguments[0], &number);
  if (connection == NULL || !to_integer(env, arguments[1], "context", -1, INT32_MAX, &context_number)) return NULL;
  struct tls_context *context = handles_get(&engine->contexts, context_number);
  if (context_number >= 0 && context == NULL)
    return throw_error(env, ENOENT, "context %lld: there is none", (long long)context_number);
  if (connection->answered) return NULL;
  connection->answered = true;
  if (context != NULL) {
    SSL_set_SSL_CTX(connection->ssl, context->ctx);
    connection->answer = context;
    context->refs++;
  }
  ERR_clear_error();
  return NULL;
}

/* close(connection): forgets it. False: there is none. */
static napi_value connection_close(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  void *data;
  int64_t number;
  if (!get_arguments(env, info, 1, &argument, &data) ||
      !to_integer(env, argument, "connection", 0, INT32_MAX, &number))
    return NULL;
  struct tls_engine *engine = data;
  struct tls_connection *connection = handles_remove(&engine->connections, number);
  if (connection != NULL) tls_connection_drop(connection);
  ERR_clear_error();
  return napi_get_boolean(env, connection != NULL, &result) == napi_ok ? result : NULL;
}

/* reason(connection): why it failed, in OpenSSL's words; "" when it has not. */
static napi_value connection_reason(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  void *data;
  int64_t number;
  if (!get_arguments(env, info, 1, &argument, &data)) return NULL;
  const struct tls_connection *connection = connection_of(env, data, argument, &number);
  if (connection == NULL) return NULL;
  return napi_create_string_utf8(env, connection->reason, NAPI_AUTO_LENGTH, &result) == napi_ok ? result : NULL;
}

/* info(connection): { version, cipher, standardCipher, alpn, serverName, certificate, issuers, verifyError, verifyReason };
 * what there is not is absent. */
static napi_value connection_info(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  void *data;
  int64_t number;
  if (!get_arguments(env, info, 1, &argument, &data)) return NULL;
  const struct tls_connection *connection = connection_of(env, data, argument, &number);
  if (connection == NULL) return NULL;
  SSL *ssl = connection->ssl;
  const unsigned char *alpn;
  unsigned int alpn_length;
  char name[TLS_ALPN_MAX];
  const SSL_CIPHER *suite = SSL_get_current_cipher(ssl);
  const char *server_name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_length);
  snprintf(name, sizeof name, "%.*s", (int)alpn_length, (const char *)alpn);
  bool resumed = SSL_session_reused(ssl) == 1;
  bool built = napi_create_object(env, &result) == napi_ok && set_text(env, result, "version", SSL_get_version(ssl)) &&
               set_flag(env, result, "resumed", resumed) &&
               (suite == NULL || (set_text(env, result, "cipher", SSL_CIPHER_get_name(suite)) &&
                                  set_text(env, result, "standardCipher", SSL_CIPHER_standard_name(suite)))) &&
               (alpn_length == 0 || set_text(env, result, "alpn", name)) &&
               (server_name == NULL || set_text(env, result, "serverName", server_name)) &&
               tls_set_peer(env, result, ssl);
  ERR_clear_error();
  return built ? result : NULL;
}

bool tls_connection_methods(napi_env env, napi_value object, struct tls_engine *engine) {
  return add_method(env, object, "open", connection_open, &engine->shared) &&
         add_method(env, object, "answer", connection_answer, &engine->shared) &&
         add_method(env, object, "reason", connection_reason, &engine->shared) &&
         add_method(env, object, "info", connection_info, &engine->shared) &&
         add_method(env, object, "close", connection_close, &engine->shared) &&
         add_method(env, object, "step", tls_step, &engine->shared);
}
