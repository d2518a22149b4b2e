/* The BIO between OpenSSL and the ciphertext of a step: pieces of two fifos, named by the step's spans. */
#include "tls.h"

#include <pthread.h>
#include <string.h>

uint8_t *spans_next(struct spans *spans, int32_t *length) {
  while (spans->current < spans->count) {
    const struct span *span = &spans->list[spans->current];
    if (spans->offset < span->length) {
      *length = span->length - spans->offset;
      return span->at + spans->offset;
    }
    spans->current++;
    spans->offset = 0;
  }
  return NULL;
}

void spans_advance(struct spans *spans, int32_t bytes) {
  spans->offset += bytes;
  spans->moved += bytes;
  spans->left -= bytes;
}

static int bio_read(BIO *bio, char *out, int length) {
  struct tls_connection *connection = BIO_get_data(bio);
  struct spans *from = connection->cipher_in;
  int done = 0;
  int32_t there;
  BIO_clear_retry_flags(bio);
  while (done < length && from != NULL) {
    uint8_t *at = spans_next(from, &there);
    if (at == NULL) break;
    int32_t part = there < length - done ? there : length - done;
    memcpy(out + done, at, (size_t)part);
    spans_advance(from, part);
    done += part;
  }
  if (done > 0) return done;
  if (connection->at_end) return 0;
  BIO_set_retry_read(bio);
  return -1;
}

static int bio_write(BIO *bio, const char *in, int length) {
  struct tls_connection *connection = BIO_get_data(bio);
  struct spans *to = connection->cipher_out;
  int done = 0;
  int32_t there;
  BIO_clear_retry_flags(bio);
  while (done < length && to != NULL) {
    uint8_t *at = spans_next(to, &there);
    if (at == NULL) break;
    int32_t part = there < length - done ? there : length - done;
    memcpy(at, in + done, (size_t)part);
    spans_advance(to, part);
    done += part;
  }
  if (done > 0) return done;
  BIO_set_retry_write(bio);
  return -1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
  struct tls_connection *connection = BIO_get_data(bio);
  (void)number;
  (void)pointer;
  if (command == BIO_CTRL_EOF) return connection->at_end;
  return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void) {
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "weft fifos");
  if (method == NULL) return;
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_ctrl(method, bio_control);
}

BIO *tls_bio_new(struct tls_connection *connection) {
  pthread_once(&method_once, make_method);
  BIO *bio = method == NULL ? NULL : BIO_new(method);
  if (bio == NULL) return NULL;
  BIO_set_data(bio, connection);
  BIO_set_init(bio, 1);
  return bio;
}
