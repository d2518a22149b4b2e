/*
 * DTLS: the BIO that keeps the boundaries of datagrams, the exchange of cookies before there is any state for a peer, and one
 * step of a connection. Parameters are as in tls-step.c, but
 *
 *     ciphertext in    the pieces of one datagram, or none
 *     room for it      one span; each datagram that goes into it has its length among OUT_LENGTHS
 *     clear text in    the pieces of one datagram, or none
 *     room for it      one span; likewise, CLEAR_LENGTHS
 *
 * A datagram without room is lost, as datagrams are.
 */
#include "tls.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define WORD_OUT_LENGTHS 144
#define WORD_CLEAR_LENGTHS 200
#define MAX_LENGTHS 55
#define MAX_CLEAR 16384
#define COOKIE_BYTES 32

/* Of the address and port of a peer and the address it came to. */
#define MAX_PEER_NAME 64

/* Bytes of all pieces into one; -1: more than there is room for. */
static int gather(const struct spans *spans, uint8_t *out, size_t room) {
  size_t length = 0;
  for (int32_t i = 0; i < spans->count; i++) {
    const struct span *span = &spans->list[i];
    if ((size_t)span->length > room - length) return -1;
    memcpy(out + length, span->at, (size_t)span->length);
    length += (size_t)span->length;
  }
  return (int)length;
}

/* Appends a datagram to room, and its length to a list whose first word counts. */
static bool append(struct spans *room, int32_t *lengths, const uint8_t *bytes, int32_t length) {
  if (lengths[0] == MAX_LENGTHS || room->count == 0 || room->left < length) return false;
  if (bytes != NULL) memcpy(room->list[0].at + room->moved, bytes, (size_t)length);
  lengths[++lengths[0]] = length;
  room->moved += length;
  room->left -= length;
  return true;
}

static int bio_read(BIO *bio, char *out, int length) {
  struct tls_connection *connection = BIO_get_data(bio);
  struct spans *in = connection->cipher_in;
  BIO_clear_retry_flags(bio);
  if (in == NULL || in->left == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  int32_t bytes = 0;
  for (int32_t i = 0; i < in->count && bytes < length; i++) {
    int32_t part = in->list[i].length < length - bytes ? in->list[i].length : length - bytes;
    memcpy(out + bytes, in->list[i].at, (size_t)part);
    bytes += part;
  }
  if (!connection->peeks) in->left = 0;
  return bytes;
}

static int bio_write(BIO *bio, const char *in, int length) {
  struct tls_connection *connection = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (connection->cipher_out != NULL) append(connection->cipher_out, connection->out_lengths, (const uint8_t *)in, length);
  return length;
}

/*
 * The retransmission timer runs on the stack's clock, not on the wall's: OpenSSL tells when it wants one, and JavaScript when its
 * time has come. Up to 3.1 it shows the very time it looks at; it is put off for good then, until tls_datagram_step makes it
 * the past. Later ones show a copy, so there both clocks have to agree.
 */
static void timer_set(struct tls_connection *connection, struct timeval *due) {
  connection->has_timer = due->tv_sec != 0 || due->tv_usec != 0;
#if OPENSSL_VERSION_NUMBER < 0x30200000L
  connection->timer = due;
  if (connection->has_timer) *due = (struct timeval){INT32_MAX, 0};
#endif
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
  struct tls_connection *connection = BIO_get_data(bio);
  switch (command) {
    case BIO_CTRL_FLUSH:
      return 1;
    case BIO_CTRL_DGRAM_SET_PEEK_MODE:
      connection->peeks = number != 0;
      return 1;
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
      timer_set(connection, pointer);
      return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return connection->mtu;
    default:
      return 0;
  }
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void) {
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weft datagrams");
  if (method == NULL) return;
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_ctrl(method, bio_control);
}

BIO *tls_datagram_bio_new(struct tls_connection *connection) {
  pthread_once(&method_once, make_method);
  BIO *bio = method == NULL ? NULL : BIO_new(method);
  if (bio == NULL) return NULL;
  BIO_set_data(bio, connection);
  BIO_set_init(bio, 1);
  SSL_set_options(connection->ssl, SSL_OP_NO_QUERY_MTU);
  SSL_set_mtu(connection->ssl, connection->mtu);
  return bio;
}

/* ---- Cookies (RFC 6347 4.2.1) ---- */

static bool cookie_of(const struct tls_connection *connection, const uint8_t *secret, uint8_t out[COOKIE_BYTES]) {
  unsigned int length = COOKIE_BYTES;
  return connection->peer_name_length > 0 && HMAC(EVP_sha256(), secret, COOKIE_BYTES, connection->peer_name,
                                                  connection->peer_name_length, out, &length) != NULL;
}

static int make_cookie(SSL *ssl, unsigned char *cookie, unsigned int *length) {
  const struct tls_connection *connection = SSL_get_app_data(ssl);
  *length = COOKIE_BYTES;
  return cookie_of(connection, connection->engine->cookie_secrets[0], cookie);
}

static int check_cookie(SSL *ssl, const unsigned char *cookie, unsigned int length) {
  const struct tls_connection *connection = SSL_get_app_data(ssl);
  uint8_t wanted[COOKIE_BYTES];
  bool is_right = false;
  for (int i = 0; i < TLS_COOKIE_SECRETS && length == COOKIE_BYTES; i++)
    if (cookie_of(connection, connection->engine->cookie_secrets[i], wanted))
      is_right |= CRYPTO_memcmp(cookie, wanted, COOKIE_BYTES) == 0;
  return is_right;
}

static bool change_secret(struct tls_engine *engine) {
  uint8_t fresh[COOKIE_BYTES];
  if (RAND_priv_bytes_ex(tls_library(engine), fresh, sizeof fresh, 0) != 1) return false;
  memcpy(engine->cookie_secrets[1], engine->cookie_secrets[0], COOKIE_BYTES);
  memcpy(engine->cookie_secrets[0], fresh, COOKIE_BYTES);
  OPENSSL_cleanse(fresh, sizeof fresh);
  return true;
}

bool tls_datagram_context(struct tls_engine *engine, struct tls_context *context) {
  if (!context->server) return true;
  SSL_CTX_set_cookie_generate_cb(context->ctx, make_cookie);
  SSL_CTX_set_cookie_verify_cb(context->ctx, check_cookie);
  if (engine->has_cookie_secret) return true;
  engine->has_cookie_secret = change_secret(engine) && change_secret(engine);
  return engine->has_cookie_secret;
}

/* changeCookieSecret(): new cookies are made with a new secret; those of the last one are taken, older ones are not. */
static napi_value change_cookie_secret(napi_env env, napi_callback_info info) {
  void *data;
  if (!get_arguments(env, info, 0, NULL, &data)) return NULL;
  if (!change_secret(data)) return throw_error(env, ENOMEM, "no randomness for a secret");
  return NULL;
}

/* ---- Steps ---- */

/* The words and spans of a step; NULL after throwing. */
static int32_t *begin(napi_env env, struct tls_engine *engine, struct tls_connection *connection, struct spans *spans) {
  int32_t *words = tls_step_words(env, engine, spans);
  if (words == NULL) return NULL;
  words[WORD_OUT_LENGTHS] = words[WORD_CLEAR_LENGTHS] = 0;
  connection->cipher_in = &spans[0];
  connection->cipher_out = &spans[1];
  connection->out_lengths = words + WORD_OUT_LENGTHS;
  ERR_clear_error();
  return words;
}

static void end(struct tls_connection *connection) {
  ERR_clear_error();
  connection->cipher_in = connection->cipher_out = NULL;
  connection->out_lengths = NULL;
}

/* listen(context, { name, mtu }): takes a first datagram of a peer of that name (its addresses). A connection's number once the
 * peer has shown that it is there; -1 before: what may have been written goes back to it, and nothing is kept. */
static napi_value datagram_listen(napi_env env, napi_callback_info info) {
  napi_value arguments[2], result;
  void *data;
  int64_t number, mtu = 0;
  uint8_t name[MAX_PEER_NAME];
  size_t name_length;
  struct spans spans[TLS_DIRECTIONS];
  if (!get_arguments(env, info, 2, arguments, &data) ||
      !to_integer(env, arguments[0], "context", 0, INT32_MAX, &number) || !to_object(env, arguments[1], "options") ||
      !option_bytes(env, arguments[1], "name", true, name, sizeof name, &name_length) ||
      !option_integer(env, arguments[1], "mtu", true, 256, 65535, &mtu))
    return NULL;
  struct tls_engine *engine = data;
  struct tls_context *context = handles_get(&engine->contexts, number);
  if (context == NULL) return throw_error(env, ENOENT, "context %lld: there is none", (long long)number);
  if (!context->datagram || !context->server) return throw_error(env, EINVAL, "context: not a server's of datagrams");
  /* One waits for whoever comes: a flood costs no allocation. */
  if (context->spare == NULL) context->spare = tls_connection_new(engine, context, (int32_t)mtu);
  struct tls_connection *connection = context->spare;
  if (connection == NULL) return napi_create_int32(env, -1, &result) == napi_ok ? result : NULL;
  memcpy(connection->peer_name, name, name_length);
  connection->peer_name_length = name_length;
  int32_t *words = begin(env, engine, connection, spans);
  if (words == NULL) return NULL;
  BIO_ADDR *nobody = BIO_ADDR_new();
  int verified = nobody == NULL ? 0 : DTLSv1_listen(connection->ssl, nobody);
  BIO_ADDR_free(nobody);
  end(connection);
  connection->peeks = false;
  words[TLS_WORD_RESULTS + 1] = spans[1].moved;
  int32_t made = verified == 1 ? handles_add(&engine->connections, connection) : -1;
  if (made >= 0) {
    context->spare = NULL;
    context->refs++; /* a spare one is the context's own */
  } else if (verified != 0) {
    context->spare = NULL;
    connection->context = NULL;
    tls_connection_drop(connection);
  }
  return napi_create_int32(env, made, &result) == napi_ok ? result : NULL;
}

static int write_clear(struct tls_connection *connection, struct spans *clear) {
  uint8_t bytes[MAX_CLEAR];
  if (clear->count == 0) return 0;
  int length = gather(clear, bytes, sizeof bytes);
  clear->moved = (int32_t)clear->left;
  if (length <= 0) return OUT_TOO_LONG;
  int written = SSL_write(connection->ssl, bytes, length);
  OPENSSL_cleanse(bytes, (size_t)length);
  return written > 0 ? 0 : tls_outcome(connection, written);
}

static int read_clear(struct tls_connection *connection, struct spans *room, int32_t *lengths) {
  for (int i = 0; i < MAX_LENGTHS && room->count == 1 && room->left >= MAX_CLEAR; i++) {
    int got = SSL_read(connection->ssl, room->list[0].at + room->moved, MAX_CLEAR);
    if (got <= 0) return tls_outcome(connection, got);
    append(room, lengths, NULL, got);
  }
  return 0;
}

static int expire(struct tls_connection *connection) {
#if OPENSSL_VERSION_NUMBER < 0x30200000L
  if (!connection->has_timer || connection->timer == NULL) return 0;
  *connection->timer = (struct timeval){1, 0};
#endif
  return DTLSv1_handle_timeout(connection->ssl) < 0 ? tls_outcome(connection, -1) : 0;
}

static int run(struct tls_connection *connection, const int32_t *words, struct spans *spans) {
  int flags = words[0];
  int result = 0;
  if (connection->failed) return OUT_FAILED;
  if ((flags & IN_TIMEOUT) != 0) result |= expire(connection);
  if (!connection->failed && !connection->done) {
    int shaken = SSL_do_handshake(connection->ssl);
    if (shaken != 1) {
      result |= tls_outcome(connection, shaken);
      if ((result & OUT_PEER_ENDED) == 0) return result;
      snprintf(connection->reason, sizeof connection->reason, "closed during the handshake");
      connection->failed = true;
      return OUT_FAILED;
    }
    connection->done = true;
  }
  if (connection->failed) return OUT_FAILED;
  result |= OUT_OPEN;
  if (!connection->end_sent) {
    result |= write_clear(connection, &spans[2]);
    if ((flags & IN_CLOSE) != 0 && !connection->failed) {
      connection->end_sent = true;
      SSL_shutdown(connection->ssl);
    }
  }
  if (!connection->failed && !connection->peer_ended)
    result |= read_clear(connection, &spans[3], (int32_t *)words + WORD_CLEAR_LENGTHS);
  if (connection->peer_ended) result |= OUT_PEER_ENDED;
  if (connection->end_sent) result |= OUT_END_SENT;
  return result;
}

/* stepDatagram(connection): OUT_ bits. */
static napi_value datagram_step(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  void *data;
  int64_t number;
  struct spans spans[TLS_DIRECTIONS];
  if (!get_arguments(env, info, 1, &argument, &data) ||
      !to_integer(env, argument, "connection", 0, INT32_MAX, &number))
    return NULL;
  struct tls_engine *engine = data;
  struct tls_connection *connection = handles_get(&engine->connections, number);
  if (connection == NULL) return throw_error(env, ENOENT, "connection %lld: there is none", (long long)number);
  if (!connection->datagram) return throw_error(env, EINVAL, "connection: not of datagrams");
  int32_t *words = begin(env, engine, connection, spans);
  if (words == NULL) return NULL;
  int bits = run(connection, words, spans);
  if (connection->has_timer) bits |= OUT_TIMER;
  end(connection);
  for (int i = 0; i < TLS_DIRECTIONS; i++) words[TLS_WORD_RESULTS + i] = spans[i].moved;
  return napi_create_int32(env, bits, &result) == napi_ok ? result : NULL;
}

bool tls_datagram_methods(napi_env env, napi_value object, struct tls_engine *engine) {
  return add_method(env, object, "listen", datagram_listen, &engine->shared) &&
         add_method(env, object, "stepDatagram", datagram_step, &engine->shared) &&
         add_method(env, object, "changeCookieSecret", change_cookie_secret, &engine->shared);
}
