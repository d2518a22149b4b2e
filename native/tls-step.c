/*
 * One step of a connection: as many records as fit, in both directions, between spans of the window. Parameters and results
 * are int32 words in the engine's area:
 *
 *     0       what the step is to know: IN_ bits
 *     1 - 4   how many spans: ciphertext in, room for ciphertext, clear text in, room for clear text
 *     5       most clear bytes of a record
 *     6 - 9   results: bytes taken or filled of each
 *     16 -    spans of each, 16 pairs (offset, length)
 *
 * What comes from the wire never throws: it is an OUT_ bit, and the reason a text that can be asked for.
 */
#include "tls.h"

#include <limits.h>
#include <openssl/err.h>
#include <string.h>

#define WORD_COUNTS 1
#define WORD_RECORD 5
#define WORD_SPANS 16

/* Header, nonce, tag and content type of a record; an alert or key update that waits may go before it. */
#define RECORD_OVERHEAD 512
#define RECORD_MAX 16384

static bool read_spans(const struct tls_engine *engine, const int32_t *words, int direction, struct spans *out) {
  int32_t count = words[WORD_COUNTS + direction];
  if (count < 0 || count > TLS_MAX_SPANS) return false;
  const int32_t *pair = words + WORD_SPANS + direction * 2 * TLS_MAX_SPANS;
  *out = (struct spans){.count = count};
  for (int32_t i = 0; i < count; i++, pair += 2) {
    if (pair[1] < 0 || !window_usable(engine->window, pair[0], pair[1])) return false;
    out->list[i] = (struct span){engine->window->base + pair[0], pair[1]};
    out->left += pair[1];
  }
  return true;
}

int32_t *tls_step_words(napi_env env, const struct tls_engine *engine, struct spans *spans) {
  int32_t *words = (int32_t *)(void *)(engine->window->base + engine->area);
  for (int i = 0; i < TLS_DIRECTIONS; i++) {
    if (read_spans(engine, words, i, &spans[i])) continue;
    throw_error(env, EFAULT, "spans outside committed memory");
    return NULL;
  }
  return words;
}

static int failed(struct tls_connection *connection) {
  unsigned long error = ERR_peek_error();
  connection->failed = true;
  long verified = SSL_get_verify_result(connection->ssl);
  if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
      verified != X509_V_OK) {
    snprintf(connection->reason, sizeof connection->reason, "certificate verify failed: %s",
             X509_verify_cert_error_string(verified));
    ERR_clear_error();
    return OUT_FAILED;
  }
  bool truncated =
      ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  tls_take_reason(connection->reason, sizeof connection->reason, "unexpected end");
  return truncated ? OUT_FAILED | OUT_TRUNCATED : OUT_FAILED;
}

/* What an operation that did not succeed means; 0: it waits for ciphertext. */
int tls_outcome(struct tls_connection *connection, int result) {
  switch (SSL_get_error(connection->ssl, result)) {
    case SSL_ERROR_WANT_READ:
      return 0;
    case SSL_ERROR_WANT_WRITE:
      return OUT_BLOCKED;
    case SSL_ERROR_WANT_X509_LOOKUP:
      return OUT_ASKS;
    case SSL_ERROR_ZERO_RETURN:
      connection->peer_ended = true;
      return OUT_PEER_ENDED;
    default:
      return failed(connection);
  }
}

static int write_records(struct tls_connection *connection, struct spans *clear, int32_t most) {
  int32_t there;
  for (uint8_t *at = spans_next(clear, &there); at != NULL; at = spans_next(clear, &there)) {
    int32_t length = connection->unsent;
    if (length == 0) {
      length = there < most ? there : most;
      if (connection->cipher_out->left < length + RECORD_OVERHEAD) return OUT_BLOCKED;
    }
    int written = SSL_write(connection->ssl, at, length);
    if (written <= 0) {
      int result = tls_outcome(connection, written);
      if (result == OUT_BLOCKED) connection->unsent = length;
      return result;
    }
    connection->unsent = 0;
    spans_advance(clear, written);
  }
  return 0;
}

static int read_records(struct tls_connection *connection, struct spans *clear) {
  int32_t room;
  for (uint8_t *at = spans_next(clear, &room); at != NULL; at = spans_next(clear, &room)) {
    int got = SSL_read(connection->ssl, at, room);
    if (got <= 0) return tls_outcome(connection, got);
    spans_advance(clear, got);
  }
  return SSL_pending(connection->ssl) > 0 ? OUT_PENDING : 0;
}

static int send_end(struct tls_connection *connection) {
  int result = SSL_shutdown(connection->ssl);
  if (result < 0) return tls_outcome(connection, result);
  connection->end_sent = true;
  return OUT_END_SENT;
}

/* The unsent length must be found in one piece again. */
static bool is_retry_possible(const struct tls_connection *connection, struct spans *clear) {
  int32_t there = 0;
  return connection->unsent == 0 || (spans_next(clear, &there) != NULL && there >= connection->unsent);
}

static int run(struct tls_connection *connection, const int32_t *words, struct spans *spans) {
  int flags = words[0];
  int32_t most = words[WORD_RECORD];
  if (most < 1 || most > RECORD_MAX) most = RECORD_MAX;
  if (connection->failed) return OUT_FAILED;
  if (!connection->done) {
    int result = SSL_do_handshake(connection->ssl);
    if (result != 1) {
      int wrong = tls_outcome(connection, result);
      /* Nothing may be read before the handshake: close_notify in its middle is a failure, too. */
      if (wrong != OUT_PEER_ENDED) return wrong;
      snprintf(connection->reason, sizeof connection->reason, "closed during the handshake");
      connection->failed = true;
      return OUT_FAILED;
    }
    connection->done = true;
    if (SSL_session_reused(connection->ssl) != 1) return OUT_OPEN;
    tls_resumed(connection);
    return OUT_OPEN | OUT_RESUMED;
  }
  int result = OUT_OPEN;
  if (!connection->end_sent && is_retry_possible(connection, &spans[2])) {
    result |= write_records(connection, &spans[2], most);
    if ((flags & IN_CLOSE) != 0 && spans[2].left == 0 && (result & (OUT_FAILED | OUT_BLOCKED)) == 0)
      result |= send_end(connection);
  }
  if (!connection->failed && !connection->peer_ended) result |= read_records(connection, &spans[3]);
  if (connection->peer_ended) result |= OUT_PEER_ENDED;
  if (connection->end_sent) result |= OUT_END_SENT;
  return result;
}

/* step(connection): OUT_ bits. */
napi_value tls_step(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  void *data;
  int64_t number;
  struct spans spans[TLS_DIRECTIONS];
  size_t count = 1;
  if (napi_get_cb_info(env, info, &count, &argument, NULL, &data) != napi_ok ||
      !to_integer(env, argument, "connection", 0, INT32_MAX, &number))
    return NULL;
  struct tls_engine *engine = data;
  struct tls_connection *connection = handles_get(&engine->connections, number);
  if (connection == NULL) return throw_error(env, ENOENT, "connection %lld: there is none", (long long)number);
  if (connection->datagram) return throw_error(env, EINVAL, "connection: of datagrams");
  int32_t *words = tls_step_words(env, engine, spans);
  if (words == NULL) return NULL;
  connection->cipher_in = &spans[0];
  connection->cipher_out = &spans[1];
  connection->at_end = (words[0] & IN_END) != 0;
  ERR_clear_error();
  int bits = run(connection, words, spans);
  ERR_clear_error();
  connection->cipher_in = connection->cipher_out = NULL;
  for (int i = 0; i < TLS_DIRECTIONS; i++) words[TLS_WORD_RESULTS + i] = spans[i].moved;
  return napi_create_int32(env, bits, &result) == napi_ok ? result : NULL;
}
