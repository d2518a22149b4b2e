/* Shared by the files of the TLS engine: its tables, and what is behind the numbers by which JavaScript names things. The
 * OpenSSL is the one inside the Node program, which exports its symbols: nothing is linked. */
#ifndef WEFT_TLS_H
#define WEFT_TLS_H

#include "common.h"

#include <openssl/ssl.h>
#include <sys/time.h>
#include <time.h>

/* Longest PEM text that is read, and longest chain that a peer may send. */
#define TLS_PEM_MAX 65536
#define TLS_HOSTNAME_BYTES 256
#define TLS_ALPN_MAX 256
#define TLS_SEED_BYTES 32
#define TLS_PEER_BYTES 320
#define TLS_COOKIE_SECRETS 2

/* Ciphertext in, room for ciphertext, clear text in, room for clear text. */
#define TLS_DIRECTIONS 4
#define TLS_WORD_RESULTS 6

/* What a step is to know. */
#define IN_END 1     /* no ciphertext follows what there is: the transport's stream has ended */
#define IN_CLOSE 2   /* no clear text follows what there is: close_notify after it */
#define IN_TIMEOUT 4 /* of datagrams: the time to retransmit has come */

/* What it tells. */
#define OUT_OPEN 1        /* the handshake is complete */
#define OUT_FAILED 2      /* for good: reason says why; an alert was written if there is one to write */
#define OUT_PEER_ENDED 4  /* the peer's close_notify: no clear text will come any more */
#define OUT_END_SENT 8    /* our close_notify was written */
#define OUT_PENDING 16    /* clear text waits for room */
#define OUT_BLOCKED 32    /* ciphertext waits for room */
#define OUT_ASKS 64       /* the certificate is asked for: answer it */
#define OUT_TRUNCATED 128 /* with OUT_FAILED: the transport's stream ended without close_notify */
#define OUT_RESUMED 256   /* with OUT_OPEN, when the handshake has just become complete: it was a resumption */
#define OUT_TIMER 512     /* of datagrams: there is something to retransmit if nothing comes */
#define OUT_TOO_LONG 1024 /* of datagrams: the clear text was too long for one, or empty, and is lost */

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
  struct tls_staple *staple;
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
  bool datagram; /* DTLS */
  struct tls_connection *spare; /* of such a server: for the next peer; not counted among refs */
  struct tls_staple *staple; /* of the certificate; NULL: it has none */
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
  /* Of DTLS only. */
  bool datagram, peeks, has_timer;
  int32_t mtu;
  int32_t *out_lengths;   /* valid within a step only */
  struct timeval *timer;  /* OpenSSL's own, as far as it shows it */
  uint8_t peer_name[64];  /* its addresses */
  size_t peer_name_length;
};

struct tls_engine {
  struct shared shared;
  struct window *window;
  int64_t area;
  struct handles pairs, stores, contexts, connections;
  int64_t now_s; /* seconds since 1970; 0: the system's */
  struct tls_random *random; /* NULL: the system's */
  bool has_cookie_secret;
  uint8_t cookie_secrets[TLS_COOKIE_SECRETS][32]; /* the newest first */
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
BIO *tls_datagram_bio_new(struct tls_connection *connection);
/* Without a number and a name to expect; its context does not count it yet. NULL without memory. */
struct tls_connection *tls_connection_new(struct tls_engine *engine, struct tls_context *context, int32_t mtu);
/* A server of datagrams asks for cookies. False without randomness. */
bool tls_datagram_context(struct tls_engine *engine, struct tls_context *context);
/* The area's words, and its spans; NULL after throwing. */
int32_t *tls_step_words(napi_env env, const struct tls_engine *engine, struct spans *spans);
/* What an operation that did not succeed means, as OUT_ bits; 0: it waits for ciphertext. */
int tls_outcome(struct tls_connection *connection, int result);
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

/* A Uint8Array; false after throwing. */
bool to_bytes(napi_env env, napi_value value, const char *what, uint8_t **bytes, size_t *length);
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

/* The OCSP response of a certificate, without one at first. NULL without memory. */
struct tls_staple *tls_staple_new(void);
void tls_staple_drop(struct tls_staple *staple);
/* The clients of a server's context that ask get it. */
void tls_staple_use(struct tls_context *context, struct tls_staple *staple);

/* Methods of the engine, by file. */
bool tls_credential_methods(napi_env env, napi_value object, struct tls_engine *engine);
bool tls_context_methods(napi_env env, napi_value object, struct tls_engine *engine);
bool tls_connection_methods(napi_env env, napi_value object, struct tls_engine *engine);
bool tls_ticket_methods(napi_env env, napi_value object, struct tls_engine *engine);
bool tls_datagram_methods(napi_env env, napi_value object, struct tls_engine *engine);
bool tls_ocsp_methods(napi_env env, napi_value object, struct tls_engine *engine);
bool tls_keylog_methods(napi_env env, napi_value object, struct tls_engine *engine);
napi_value tls_step(napi_env env, napi_callback_info info);

#endif
