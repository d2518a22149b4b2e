/*
 * Resumption. As a server: tickets (RFC 5077; RFC 8446 4.6.1) under keys of the context alone, so that one opens nothing that
 * asks for more than it was given for; the newest key makes them, that and the one before it are taken. As a client: the
 * sessions that servers gave, for connections of the same context to the same peer.
 */
#include "tls.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NAME_BYTES 16
#define SECRET_BYTES 32
#define KEYS 2
/* Sessions that a context remembers. */
#define SESSIONS 64
/* No session is offered for longer, whatever the server says. */
#define OFFER_SECONDS 7200

struct ticket_key {
  uint8_t name[NAME_BYTES], cipher[SECRET_BYTES], mac[SECRET_BYTES];
};

struct remembered {
  SSL_SESSION *session; /* NULL: none */
  uint64_t used;
  char peer[TLS_PEER_BYTES];
};

struct tls_resumption {
  OSSL_LIB_CTX *library;
  struct ticket_key keys[KEYS]; /* of a server; the newest first */
  int key_count;
  struct remembered *sessions; /* of a client */
  uint64_t uses;
};

static bool add_key(struct tls_resumption *resumption) {
  struct ticket_key fresh;
  if (RAND_bytes_ex(resumption->library, fresh.name, NAME_BYTES, 0) != 1 ||
      RAND_priv_bytes_ex(resumption->library, fresh.cipher, SECRET_BYTES, 0) != 1 ||
      RAND_priv_bytes_ex(resumption->library, fresh.mac, SECRET_BYTES, 0) != 1)
    return false;
  resumption->keys[1] = resumption->keys[0];
  resumption->keys[0] = fresh;
  if (resumption->key_count < KEYS) resumption->key_count++;
  OPENSSL_cleanse(&fresh, sizeof fresh);
  return true;
}

/* Sets up both contexts for a ticket to be made, or to be read: 0, no key of that name; 2, make a new one, too. */
static int use_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                   int is_new) {
  const struct tls_connection *connection = SSL_get_app_data(ssl);
  struct tls_resumption *resumption = connection->context->resumption;
  int index = 0;
  if (resumption->key_count == 0) return 0;
  if (is_new) {
    memcpy(name, resumption->keys[0].name, NAME_BYTES);
    if (RAND_bytes_ex(resumption->library, iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()), 0) != 1) return -1;
  } else {
    while (index < resumption->key_count && memcmp(name, resumption->keys[index].name, NAME_BYTES) != 0) index++;
    if (index == resumption->key_count) return 0;
  }
  struct ticket_key *key = &resumption->keys[index];
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, SECRET_BYTES),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
      OSSL_PARAM_construct_end(),
  };
  if (EVP_MAC_CTX_set_params(mac, parameters) != 1 ||
      EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, is_new) != 1)
    return -1;
  /* A ticket of TLS 1.3 is used once. */
  return index == 0 && (is_new || SSL_version(ssl) < TLS1_3_VERSION) ? 1 : 2;
}

/* A server gave us a session. Returns whether it is kept. */
static int remember(SSL *ssl, SSL_SESSION *session) {
  const struct tls_connection *connection = SSL_get_app_data(ssl);
  struct tls_resumption *resumption = connection->context->resumption;
  if (connection->peer == NULL || SSL_SESSION_is_resumable(session) != 1) return 0;
  struct remembered *place = resumption->sessions;
  for (int i = 0; i < SESSIONS; i++) {
    struct remembered *each = &resumption->sessions[i];
    if (each->session != NULL && strcmp(each->peer, connection->peer) == 0) {
      place = each;
      break;
    }
    if (place->session != NULL && (each->session == NULL || each->used < place->used)) place = each;
  }
  SSL_SESSION_free(place->session);
  place->session = session;
  place->used = ++resumption->uses;
  snprintf(place->peer, sizeof place->peer, "%s", connection->peer);
  return 1;
}

void tls_resumed(const struct tls_connection *connection) {
  const struct tls_resumption *resumption = connection->context->resumption;
  if (resumption == NULL || resumption->sessions == NULL || SSL_version(connection->ssl) >= TLS1_3_VERSION) return;
  SSL_SESSION *session = SSL_get1_session(connection->ssl);
  if (session != NULL && !remember(connection->ssl, session)) SSL_SESSION_free(session);
}

void tls_resume(struct tls_connection *connection) {
  struct tls_resumption *resumption = connection->context->resumption;
  if (resumption == NULL || resumption->sessions == NULL || connection->peer == NULL) return;
  for (int i = 0; i < SESSIONS; i++) {
    struct remembered *each = &resumption->sessions[i];
    if (each->session == NULL || strcmp(each->peer, connection->peer) != 0) continue;
    bool is_old = time(NULL) - SSL_SESSION_get_time(each->session) > OFFER_SECONDS;
    if (!is_old) SSL_set_session(connection->ssl, each->session);
    each->used = ++resumption->uses;
    /* RFC 8446 C.4: offered once, or who listens could tell that it is the same client. */
    if (!is_old && SSL_SESSION_get_protocol_version(each->session) < TLS1_3_VERSION) return;
    SSL_SESSION_free(each->session);
    each->session = NULL;
    return;
  }
}

bool tls_resumption_start(const struct tls_engine *engine, struct tls_context *context, int64_t seconds) {
  struct tls_resumption *resumption = calloc(1, sizeof *resumption);
  if (resumption == NULL) return false;
  context->resumption = resumption;
  resumption->library = tls_library(engine);
  SSL_CTX_clear_options(context->ctx, SSL_OP_NO_TICKET);
  if (!context->server) {
    if ((resumption->sessions = calloc(SESSIONS, sizeof *resumption->sessions)) == NULL) return false;
    SSL_CTX_set_session_cache_mode(context->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ctx, remember);
    return true;
  }
  SSL_CTX_set_num_tickets(context->ctx, 1);
  /* A key is used for so long and taken for as long again: what is newer than that is good. */
  SSL_CTX_set_timeout(context->ctx, (long)seconds);
  return add_key(resumption) && SSL_CTX_set_tlsext_ticket_key_evp_cb(context->ctx, use_key) == 1;
}

void tls_resumption_forget(struct tls_context *context) {
  struct tls_resumption *resumption = context->resumption;
  if (resumption == NULL) return;
  for (int i = 0; i < SESSIONS && resumption->sessions != NULL; i++) {
    SSL_SESSION_free(resumption->sessions[i].session);
    resumption->sessions[i].session = NULL;
  }
  /* Twice: none of the old ones is left. */
  for (int i = 0; i < KEYS && context->server; i++)
    if (!add_key(resumption)) resumption->key_count = 0;
}

void tls_resumption_drop(struct tls_context *context) {
  struct tls_resumption *resumption = context->resumption;
  if (resumption == NULL) return;
  for (int i = 0; i < SESSIONS && resumption->sessions != NULL; i++) SSL_SESSION_free(resumption->sessions[i].session);
  free(resumption->sessions);
  OPENSSL_cleanse(resumption->keys, sizeof resumption->keys);
  free(resumption);
}

/* changeTicketKeys(): new tickets are made with new keys, those of the last ones are taken, older ones are not. */
static napi_value change_ticket_keys(napi_env env, napi_callback_info info) {
  void *data;
  if (!get_arguments(env, info, 0, NULL, &data)) return NULL;
  struct tls_engine *engine = data;
  for (int32_t i = 0; i < engine->contexts.used; i++) {
    struct tls_context *context = handles_get(&engine->contexts, i);
    if (context == NULL || context->resumption == NULL || !context->server) continue;
    if (!add_key(context->resumption)) return throw_error(env, ENOMEM, "no randomness for a key");
  }
  return NULL;
}

bool tls_ticket_methods(napi_env env, napi_value object, struct tls_engine *engine) {
  return add_method(env, object, "changeTicketKeys", change_ticket_keys, &engine->shared);
}
