/* OCSP stapling (RFC 6066 8; RFC 8446 4.4.2.1): a response that a certificate was given goes with it to the clients that ask. */
#include "tls.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <stdlib.h>
#include <string.h>

/* OpenSSL's clients of TLS 1.2 take no longer message with one. */
#define OCSP_MAX 16380

/* A certificate and the contexts of servers that have it share it. */
struct tls_staple {
  int refs;
  int length; /* 0: there is none */
  uint8_t *response;
  time_t expires; /* 0: never */
};

struct tls_staple *tls_staple_new(void) {
  struct tls_staple *staple = calloc(1, sizeof *staple);
  if (staple != NULL) staple->refs = 1;
  return staple;
}

void tls_staple_drop(struct tls_staple *staple) {
  if (staple == NULL || --staple->refs > 0) return;
  free(staple->response);
  free(staple);
}

/* The client has asked. What has run out is worth less than nothing. */
static int staple_it(SSL *ssl, void *data) {
  const struct tls_staple *staple = data;
  const struct tls_connection *connection = SSL_get_app_data(ssl);
  if (staple->length == 0 || (staple->expires != 0 && staple->expires < tls_now(connection->engine)))
    return SSL_TLSEXT_ERR_NOACK;
  unsigned char *copy = OPENSSL_memdup(staple->response, (size_t)staple->length);
  if (copy == NULL) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, staple->length);
  return SSL_TLSEXT_ERR_OK;
}

void tls_staple_use(struct tls_context *context, struct tls_staple *staple) {
  staple->refs++;
  context->staple = staple;
  SSL_CTX_set_tlsext_status_cb(context->ctx, staple_it);
  SSL_CTX_set_tlsext_status_arg(context->ctx, staple);
}

/* When a response has run out, 0 for never. False: nobody can tell. */
static bool read_next(const ASN1_GENERALIZEDTIME *next, time_t *expires) {
  struct tm parts;
  *expires = 0;
  if (next == NULL) return true;
  if (ASN1_TIME_to_tm(next, &parts) != 1) return false;
  *expires = timegm(&parts);
  return true;
}

/* What a response is refused for, NULL for nothing. */
static const char *refusal_of(const uint8_t *bytes, size_t length, const X509 *certificate, time_t now,
                              time_t *expires) {
  const uint8_t *at = bytes;
  if (length > OCSP_MAX) return "longer than 16380 bytes";
  OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)length);
  const char *why = NULL;
  OCSP_BASICRESP *basic = NULL;
  if (response == NULL || at != bytes + length) why = "not a response in DER";
  else if (OCSP_response_status(response) != OCSP_RESPONSE_STATUS_SUCCESSFUL) why = "a response without success";
  else if ((basic = OCSP_response_get1_basic(response)) == NULL) why = "not a basic response";
  else {
    why = "of another certificate";
    for (int i = 0; i < OCSP_resp_count(basic); i++) {
      OCSP_SINGLERESP *single = OCSP_resp_get0(basic, i);
      ASN1_INTEGER *serial = NULL;
      ASN1_GENERALIZEDTIME *next = NULL;
      if (OCSP_id_get0_info(NULL, NULL, NULL, &serial, (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single)) != 1 ||
          ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate)) != 0)
        continue;
      OCSP_single_get0_status(single, NULL, NULL, NULL, &next);
      if (!read_next(next, expires)) why = "a next update that is no time";
      else why = *expires != 0 && *expires < now ? "has run out" : NULL;
      break;
    }
  }
  OCSP_BASICRESP_free(basic);
  OCSP_RESPONSE_free(response);
  return why;
}

/* setOcsp(pair, response): what is stapled to a certificate from now on, in DER; empty: nothing. Why it is refused, or
 * undefined: it is not. */
static napi_value set_ocsp(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *data;
  int64_t number;
  uint8_t *bytes, *copy = NULL;
  size_t length;
  time_t expires = 0;
  if (!get_arguments(env, info, 2, arguments, &data) ||
      !to_integer(env, arguments[0], "pair", 0, INT32_MAX, &number) ||
      !to_bytes(env, arguments[1], "response", &bytes, &length))
    return NULL;
  const struct tls_engine *engine = data;
  const struct tls_pair *pair = handles_get(&engine->pairs, number);
  if (pair == NULL) return throw_error(env, ENOENT, "pair %lld: there is none", (long long)number);
  if (length > 0) {
    const char *why = refusal_of(bytes, length, pair->certificate, tls_now(engine), &expires);
    ERR_clear_error();
    if (why != NULL) return tls_refusal(env, "ocsp", why);
    if ((copy = malloc(length)) == NULL) return throw_error(env, ENOMEM, "no memory for a response");
    memcpy(copy, bytes, length);
  }
  free(pair->staple->response);
  pair->staple->response = copy;
  pair->staple->length = (int)length;
  pair->staple->expires = expires;
  return NULL;
}

bool tls_ocsp_methods(napi_env env, napi_value object, struct tls_engine *engine) {
  return add_method(env, object, "setOcsp", set_ocsp, &engine->shared);
}
