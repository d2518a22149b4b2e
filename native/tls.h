/* Shared by the files of the TLS engine: its tables, and what is behind the numbers by which JavaScript names things. The
 * OpenSSL is the one inside the Node program, which exports its symbols: nothing is linked. */
#ifndef WEFT_TLS_H
#define WEFT_TLS_H

#include "common.h"

#include <openssl/ssl.h>
#include <time.h>

/* Longest PEM text that is read, and longest chain that a peer may send. */
#define TLS_PEM_MAX 65536
#define TLS_HOSTNAME_BYTES 256
#define TLS_ALPN_MAX 256
#define TLS_SEED_BYTES 32
#define TLS_PEER_BYTES 320

/* Things by number; a freed number is given out again. */
struct handles {
  void **at;
  int32_t *free;
  int32_t used, free_count, capacity;
};
/* Returns the number, or -1 without memory. */
int32_t handles_add(struct handles *handles, void *thing);
/* NULL when there is none of that number. */
void *handles_get(const struct handles *handles, int64_t number);
void *handles_remove(struct handles *handles, int64_t number);
void handles_clear(struct handles *handles, void (*drop)(void *thing));

/* A certificate with the others of its chain, and its key. */
struct tls_pair {
  X509 *certificate;
  STACK_OF(X509) *chain;
  EVP_PKEY *key;
};

/* One piece of the window. */
struct span {
  uint8_t *at;
  int32_t length;
};

/* Pieces of the window that are used up from the front. */
#define TLS_MAX_SPANS 16
struct spans {
  struct span list[TLS_MAX_SPANS];
  int32_t count, current, offset;
  int32_t moved; /* bytes used up */
  int64_t left;  /* bytes to go */
};

struct tls_context {
  int refs; /* the table's and each connection's */
  SSL_CTX *ctx;
  bool server;
  bool reports; /* the handshake goes on whatever the peer's certificate is */
  bool asks; /* the certificate is asked for, by server name */
  uint8_t alpn[TLS_ALPN_MAX];
  uint32_t alpn_length;
  struct tls_resumption *resumption; /* NULL: none */
};
void tls_context_drop(void *context);

struct tls_connection {
  struct tls_engine *engine; /* whose table it is in */
  SSL *ssl;
  struct tls_context *context, *answer; /* the second has the certificate that was asked for */
  /* Valid within a step only. */
  struct spans *cipher_in, *cipher_out;
  bool at_end; /* nothing follows what is in cipher_in */
  bool failed, done, end_sent, peer_ended;
  bool answered; /* the certificate was asked for and is set */
  int32_t unsent; /* length of the write that OpenSSL has to be given again */
  char *peer; /* of a client: whose sessions may be resumed; NULL: nobody's */
  char reason[256];
};

struct tls_engine {
  struct shared shared;
  struct window *window;
  int64_t area;
  struct handles pairs, stores, contexts, connections;
  int64_t now_s; /* seconds since 1970; 0: the system's */
  struct tls_random *random; /* NULL: the system's */
  char *keys; /* NULL: not kept */
  size_t keys_length;
};

/* What gives an engine all its randomness from a seed. NULL when OpenSSL refuses or without memory. */
struct tls_random *tls_random_new(const uint8_t seed[TLS_SEED_BYTES]);
void tls_random_drop(struct tls_random *random);
time_t tls_now(const struct tls_engine *engine);
/* The OpenSSL of an engine; NULL is the process's. */
OSSL_LIB_CTX *tls_library(const struct tls_engine *engine);

/* The BIO of a connection: reads from its cipher_in, writes to its cipher_out. NULL without memory. */
BIO *tls_bio_new(struct tls_connection *connection);
/* The next contiguous bytes, NULL when all are used up. */
uint8_t *spans_next(struct spans *spans, int32_t *length);
void spans_advance(struct spans *spans, int32_t bytes);

/* Writes the first error of OpenSSL's queue, or `otherwise`, and empties the queue. */
void tls_take_reason(char *out, size_t room, const char *otherwise);
/* The same as a JavaScript string: how a control call says why it refuses. */
napi_value tls_refusal(napi_env env, const char *what, const char *otherwise);

/* Sets certificate, issuers, verifyError and verifyReason, as far as there are any. */
bool tls_set_peer(napi_env env, napi_value object, SSL *ssl);

/* The callback of every context. */
void tls_log_line(const SSL *ssl, const char *line);
void tls_forget_keys(struct tls_engine *engine);

void tls_pair_drop(void *pair);
void tls_store_drop(void *store);
void tls_connection_drop(void *connection);

/* Resumption of a context's sessions; tickets are good for so many seconds at least. False without memory or randomness. */
bool tls_resumption_start(const struct tls_engine *engine, struct tls_context *context, int64_t seconds);
/* What was given or got so far is not resumed any more. */
void tls_resumption_forget(struct tls_context *context);
void tls_resumption_drop(struct tls_context *context);
/* A connection was resumed: of TLS 1.2 nobody else says that it came with another ticket. */
void tls_resumed(const struct tls_connection *connection);
/* A new connection offers the session that its peer gave last. */
void tls_resume(struct tls_connection *connection);

/* Methods of the engine, by file. */
bool tls_credential_methods(napi_env env, napi_value object, struct tls_engine *engine);
bool tls_context_methods(napi_env env, napi_value object, struct tls_engine *engine);
bool tls_connection_methods(napi_env env, napi_value object, struct tls_engine *engine);
bool tls_ticket_methods(napi_env env, napi_value object, struct tls_engine *engine);
bool tls_keylog_methods(napi_env env, napi_value object, struct tls_engine *engine);
napi_value tls_step(napi_env env, napi_callback_info info);

#endif
