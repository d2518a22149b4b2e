/* Contexts: what all connections of a listener, or to servers that are trusted alike, have in common. Only TLS 1.2 and
 * 1.3, without CBC, RSA key exchange, compression and renegotiation. */
#include "tls.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define CIPHER_LIST "ECDHE+AESGCM:ECDHE+CHACHA20"

/* The texts of a profile, at most this long. */
#define PROFILE_TEXT 512

void tls_context_drop(void *thing) {
  struct tls_context *context = thing;
  if (--context->refs > 0) return;
  if (context->spare != NULL) {
    context->spare->context = NULL;
    tls_connection_drop(context->spare);
  }
  SSL_CTX_free(context->ctx);
  tls_resumption_drop(context);
  tls_staple_drop(context->staple);
  free(context);
}

/* The server's choice among the names that the client offers: its own order counts (RFC 7301 3.2). */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *offered,
                       unsigned int length, void *data) {
  const struct tls_context *context = data;
  unsigned char *chosen;
  (void)ssl;
  if (SSL_select_next_proto(&chosen, out_length, context->alpn, context->alpn_length, offered, length) !=
      OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

/* The handshake waits until the certificate was asked for: setContext answers. */
static int ask_for_certificate(SSL *ssl, void *data) {
  (void)data;
  const struct tls_connection *connection = SSL_get_app_data(ssl);
  return connection->answered ? 1 : -1;
}

#define VERIFY_REQUIRE 2
#define VERIFY_REPORT 3

/* What verifying comes to is asked for afterwards. */
static int go_on(int verified, X509_STORE_CTX *store) {
  (void)verified;
  (void)store;
  return 1;
}

/* Names with a length before each. */
static bool is_alpn(const uint8_t *list, size_t length) {
  size_t at = 0;
  while (at < length && list[at] > 0) at += 1u + list[at];
  return at == length;
}

struct profile {
  bool server, datagram, asks, ocsp;
  int64_t pair, store, verify, min_version, max_version, ticket_seconds;
  char ciphers[PROFILE_TEXT], suites[PROFILE_TEXT], groups[PROFILE_TEXT];
};

static bool read_profile(napi_env env, napi_value options, struct profile *profile, struct tls_context *context) {
  size_t alpn_length;
  *profile = (struct profile){.pair = -1, .store = -1, .min_version = TLS1_2_VERSION, .max_version = TLS1_3_VERSION};
  snprintf(profile->ciphers, sizeof profile->ciphers, "%s", CIPHER_LIST);
  if (!to_object(env, options, "options") || !option_flag(env, options, "server", &profile->server) ||
      !option_flag(env, options, "asks", &profile->asks) || !option_flag(env, options, "ocsp", &profile->ocsp) ||
      !option_flag(env, options, "datagram", &profile->datagram) ||
      !option_integer(env, options, "pair", false, -1, INT32_MAX, &profile->pair) ||
      !option_integer(env, options, "store", false, -1, INT32_MAX, &profile->store) ||
      !option_integer(env, options, "verify", false, 0, 3, &profile->verify) ||
      !option_integer(env, options, "minVersion", false, TLS1_2_VERSION, TLS1_3_VERSION, &profile->min_version) ||
      !option_integer(env, options, "maxVersion", false, TLS1_2_VERSION, TLS1_3_VERSION, &profile->max_version) ||
      !option_integer(env, options, "ticketSeconds", false, 0, 604800, &profile->ticket_seconds) ||
      !option_text(env, options, "ciphers", false, profile->ciphers, sizeof profile->ciphers) ||
      !option_text(env, options, "suites", false, profile->suites, sizeof profile->suites) ||
      !option_text(env, options, "groups", false, profile->groups, sizeof profile->groups) ||
      !option_bytes(env, options, "alpn", false, context->alpn, sizeof context->alpn, &alpn_length))
    return false;
  context->alpn_length = (uint32_t)alpn_length;
  context->server = profile->server;
  context->asks = profile->asks;
  context->datagram = profile->datagram;
  context->reports = profile->verify == VERIFY_REPORT;
  if (is_alpn(context->alpn, alpn_length)) return true;
  throw_error(env, EINVAL, "alpn: lengths do not fit");
  return false;
}

/* Returns what is wrong, NULL when nothing is. */
static const char *apply(const struct profile *profile, struct tls_engine *engine, struct tls_context *context) {
  SSL_CTX *ctx = context->ctx;
  const struct tls_pair *pair = handles_get(&engine->pairs, profile->pair);
  X509_STORE *store = handles_get(&engine->stores, profile->store);
  if (profile->pair >= 0 && pair == NULL) return "pair";
  if (profile->store >= 0 && store == NULL) return "store";
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_NO_TICKET);
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 0);
  SSL_CTX_set_max_cert_list(ctx, TLS_PEM_MAX);
  SSL_CTX_set_keylog_callback(ctx, tls_log_line);
  /* DTLS has one version yet: 1.2, which is as TLS 1.2. */
  int least = profile->datagram ? DTLS1_2_VERSION : (int)profile->min_version;
  int most = profile->datagram ? DTLS1_2_VERSION : (int)profile->max_version;
  if (SSL_CTX_set_min_proto_version(ctx, least) != 1 || SSL_CTX_set_max_proto_version(ctx, most) != 1 ||
      profile->min_version > profile->max_version || (profile->datagram && profile->min_version > TLS1_2_VERSION))
    return "version";
  if (profile->datagram && !tls_datagram_context(engine, context)) return "cookie";
  if (SSL_CTX_set_cipher_list(ctx, profile->ciphers) != 1) return "ciphers";
  if (profile->suites[0] != '\0' && SSL_CTX_set_ciphersuites(ctx, profile->suites) != 1) return "suites";
  if (profile->groups[0] != '\0' && SSL_CTX_set1_groups_list(ctx, profile->groups) != 1) return "groups";
  if (pair != NULL && SSL_CTX_use_cert_and_key(ctx, pair->certificate, pair->key, pair->chain, 1) != 1) return "pair";
  if (store != NULL) SSL_CTX_set1_cert_store(ctx, store);
  if (profile->verify > 0)
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (profile->verify == VERIFY_REQUIRE ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                       context->reports ? go_on : NULL);
  if (context->server) {
    if (pair != NULL) tls_staple_use(context, pair->staple);
    /* Session ids are not used, but who verifies must name their realm. */
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"weft", 4);
    if (context->alpn_length > 0) SSL_CTX_set_alpn_select_cb(ctx, select_alpn, context);
    if (profile->asks) SSL_CTX_set_cert_cb(ctx, ask_for_certificate, NULL);
  } else if (profile->ocsp && SSL_CTX_set_tlsext_status_type(ctx, TLSEXT_STATUSTYPE_ocsp) != 1) {
    return "ocsp";
  } else if (context->alpn_length > 0 && SSL_CTX_set_alpn_protos(ctx, context->alpn, context->alpn_length) != 0) {
    return "alpn";
  }
  if (profile->ticket_seconds > 0 && !tls_resumption_start(engine, context, profile->ticket_seconds)) return "tickets";
  return NULL;
}

static const SSL_METHOD *method_of(const struct tls_context *context) {
  if (context->datagram) return context->server ? DTLS_server_method() : DTLS_client_method();
  return context->server ? TLS_server_method() : TLS_client_method();
}

/*
 * addContext(options): its number, or why not. options: { server, pair, store, verify: 0 none | 1 if the peer has one |
 * 2 required | 3 only reported, ticketSeconds: 0 no resumption, minVersion, maxVersion, ciphers, suites, groups, alpn,
 * asks, datagram, ocsp: a client asks for the response that is stapled to the certificate }
 */
static napi_value add_context(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  void *data;
  struct profile profile;
  if (!get_arguments(env, info, 1, &argument, &data)) return NULL;
  struct tls_engine *engine = data;
  struct tls_context *context = calloc(1, sizeof *context);
  if (context == NULL) return throw_error(env, ENOMEM, "no memory for a context");
  context->refs = 1;
  ERR_clear_error();
  if (!read_profile(env, argument, &profile, context)) {
    tls_context_drop(context);
    return NULL;
  }
  context->ctx = SSL_CTX_new_ex(tls_library(engine), NULL, method_of(context));
  const char *wrong = context->ctx == NULL ? "context" : apply(&profile, engine, context);
  int32_t number = wrong == NULL ? handles_add(&engine->contexts, context) : -1;
  if (number >= 0) {
    ERR_clear_error();
    return napi_create_int32(env, number, &result) == napi_ok ? result : NULL;
  }
  tls_context_drop(context);
  return tls_refusal(env, wrong == NULL ? "context" : wrong, "not usable");
}

/* setStore(context, store): another store, for handshakes that have not verified yet. False: there is none of that number. */
static napi_value set_store(napi_env env, napi_callback_info info) {
  napi_value arguments[2], result;
  void *data;
  int64_t context_number, store_number;
  if (!get_arguments(env, info, 2, arguments, &data) ||
      !to_integer(env, arguments[0], "context", 0, INT32_MAX, &context_number) ||
      !to_integer(env, arguments[1], "store", 0, INT32_MAX, &store_number))
    return NULL;
  struct tls_engine *engine = data;
  struct tls_context *context = handles_get(&engine->contexts, context_number);
  X509_STORE *store = handles_get(&engine->stores, store_number);
  bool is_there = context != NULL && store != NULL;
  if (is_there) {
    SSL_CTX_set1_cert_store(context->ctx, store);
    /* Who was let in by the old one is looked at again. */
    tls_resumption_forget(context);
  }
  return napi_get_boolean(env, is_there, &result) == napi_ok ? result : NULL;
}

/* removeContext(number): connections keep it. False: there is none. */
static napi_value remove_context(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  void *data;
  int64_t number;
  if (!get_arguments(env, info, 1, &argument, &data) ||
      !to_integer(env, argument, "number", 0, INT32_MAX, &number))
    return NULL;
  struct tls_engine *engine = data;
  struct tls_context *context = handles_remove(&engine->contexts, number);
  if (context != NULL) tls_context_drop(context);
  return napi_get_boolean(env, context != NULL, &result) == napi_ok ? result : NULL;
}

bool tls_context_methods(napi_env env, napi_value object, struct tls_engine *engine) {
  return add_method(env, object, "addContext", add_context, &engine->shared) &&
         add_method(env, object, "removeContext", remove_context, &engine->shared) &&
         add_method(env, object, "setStore", set_store, &engine->shared);
}
