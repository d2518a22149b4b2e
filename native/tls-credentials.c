/* Certificates with their keys, and stores of trusted certificates, from PEM. What is wrong with a text is an answer, not
 * an exception: it may come from anywhere. */
#include "tls.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

void tls_take_reason(char *out, size_t room, const char *otherwise) {
  unsigned long error = ERR_get_error();
  const char *text = error == 0 ? NULL : ERR_reason_error_string(error);
  snprintf(out, room, "%s", text == NULL ? otherwise : text);
  ERR_clear_error();
}

napi_value tls_refusal(napi_env env, const char *what, const char *otherwise) {
  char reason[200], text[256];
  napi_value result;
  tls_take_reason(reason, sizeof reason, otherwise);
  snprintf(text, sizeof text, "%s: %s", what, reason);
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result) != napi_ok) return NULL;
  return result;
}

void tls_pair_drop(void *thing) {
  struct tls_pair *pair = thing;
  X509_free(pair->certificate);
  sk_X509_pop_free(pair->chain, X509_free);
  EVP_PKEY_free(pair->key);
  tls_staple_drop(pair->staple);
  free(pair);
}

void tls_store_drop(void *store) { X509_STORE_free(store); }

/* No terminal is asked for a passphrase. */
static int no_passphrase(char *out, int room, int writes, void *data) {
  (void)out;
  (void)room;
  (void)writes;
  (void)data;
  return -1;
}

bool to_bytes(napi_env env, napi_value value, const char *what, uint8_t **bytes, size_t *length) {
  bool is_view = false;
  void *at;
  napi_typedarray_type type;
  if (napi_is_typedarray(env, value, &is_view) == napi_ok && is_view &&
      napi_get_typedarray_info(env, value, &type, length, &at, NULL, NULL) == napi_ok && type == napi_uint8_array) {
    *bytes = *length == 0 ? (uint8_t *)"" : at; /* OpenSSL takes no NULL */
    return true;
  }
  throw_error(env, EINVAL, "%s: not a Uint8Array", what);
  return false;
}

static napi_value number_of(napi_env env, struct handles *handles, void *thing, void (*drop)(void *)) {
  napi_value result;
  int32_t number = handles_add(handles, thing);
  if (number < 0) {
    drop(thing);
    return throw_error(env, ENOMEM, "no memory");
  }
  return napi_create_int32(env, number, &result) == napi_ok ? result : NULL;
}

/* addPair(certificate, key): its number, or why not. The certificate's chain follows it. */
static napi_value add_pair(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *data;
  uint8_t *texts[2];
  size_t lengths[2];
  if (!get_arguments(env, info, 2, arguments, &data) ||
      !to_bytes(env, arguments[0], "certificate", &texts[0], &lengths[0]) ||
      !to_bytes(env, arguments[1], "key", &texts[1], &lengths[1]))
    return NULL;
  struct tls_engine *engine = data;
  ERR_clear_error();
  if (lengths[0] > TLS_PEM_MAX) return tls_refusal(env, "certificate", "longer than 65536 bytes");
  if (lengths[1] > TLS_PEM_MAX) return tls_refusal(env, "key", "longer than 65536 bytes");
  struct tls_pair *pair = calloc(1, sizeof *pair);
  BIO *certificate = BIO_new_mem_buf(texts[0], (int)lengths[0]);
  BIO *key = BIO_new_mem_buf(texts[1], (int)lengths[1]);
  napi_value refusal = NULL;
  if (pair == NULL || certificate == NULL || key == NULL || (pair->chain = sk_X509_new_null()) == NULL ||
      (pair->staple = tls_staple_new()) == NULL) {
    throw_error(env, ENOMEM, "no memory for a certificate");
  } else if ((pair->certificate = PEM_read_bio_X509_AUX(certificate, NULL, no_passphrase, NULL)) == NULL) {
    refusal = tls_refusal(env, "certificate", "not PEM");
  } else if ((pair->key = PEM_read_bio_PrivateKey_ex(key, NULL, no_passphrase, NULL, tls_library(engine), NULL)) == NULL) {
    refusal = tls_refusal(env, "key", "not PEM");
  } else if (X509_check_private_key(pair->certificate, pair->key) != 1) {
    refusal = tls_refusal(env, "key", "not that of the certificate");
  } else {
    X509 *next;
    while ((next = PEM_read_bio_X509(certificate, NULL, no_passphrase, NULL)) != NULL)
      if (sk_X509_push(pair->chain, next) == 0) X509_free(next);
    /* The end of the text is no error. Anything else is: half a chain would make every client refuse us. */
    unsigned long error = ERR_peek_last_error();
    if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE)
      refusal = tls_refusal(env, "certificate chain", "not PEM");
    else {
      ERR_clear_error();
      BIO_free(certificate);
      BIO_free(key);
      return number_of(env, &engine->pairs, pair, tls_pair_drop);
    }
  }
  BIO_free(certificate);
  BIO_free(key);
  if (pair != NULL) tls_pair_drop(pair);
  return refusal;
}

/* Certificates and revocation lists of a text go into the store. Returns how many; -1: the text is broken. */
static int fill_store(X509_STORE *store, const uint8_t *text, size_t length, bool *has_crl) {
  BIO *bio = BIO_new_mem_buf(text, (int)length);
  STACK_OF(X509_INFO) *all = bio == NULL ? NULL : PEM_X509_INFO_read_bio(bio, NULL, no_passphrase, NULL);
  int count = all == NULL ? -1 : 0;
  for (int i = 0; count >= 0 && i < sk_X509_INFO_num(all); i++) {
    const X509_INFO *each = sk_X509_INFO_value(all, i);
    if ((each->x509 != NULL && X509_STORE_add_cert(store, each->x509) != 1) ||
        (each->crl != NULL && X509_STORE_add_crl(store, each->crl) != 1))
      count = -1;
    else if (each->x509 != NULL)
      count++;
    else if (each->crl != NULL) {
      count++;
      *has_crl = true;
    }
  }
  sk_X509_INFO_pop_free(all, X509_INFO_free);
  BIO_free(bio);
  return count;
}

/* addStore(certificates, crl): the number of a store of trusted certificates, or why not. An empty crl: none is looked at. */
static napi_value add_store(napi_env env, napi_callback_info info) {
  static const char *const names[2] = {"certificates", "crl"};
  napi_value arguments[2];
  void *data;
  uint8_t *texts[2];
  size_t lengths[2];
  if (!get_arguments(env, info, 2, arguments, &data)) return NULL;
  for (int i = 0; i < 2; i++)
    if (!to_bytes(env, arguments[i], names[i], &texts[i], &lengths[i])) return NULL;
  struct tls_engine *engine = data;
  ERR_clear_error();
  X509_STORE *store = X509_STORE_new();
  if (store == NULL) return throw_error(env, ENOMEM, "no memory for a store");
  for (int i = 0; i < 2; i++) {
    bool has_crl = false;
    if (i == 1 && lengths[i] == 0) break;
    /* Bundles of roots are long: 16 MiB is a bound against nonsense only. */
    const char *otherwise = lengths[i] > (16u << 20) ? "longer than 16 MiB" : "nothing in it";
    int count = lengths[i] > (16u << 20) ? -1 : fill_store(store, texts[i], lengths[i], &has_crl);
    if (count <= 0 || (i == 1 && !has_crl)) {
      X509_STORE_free(store);
      return tls_refusal(env, names[i], otherwise);
    }
    if (has_crl) X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  }
  ERR_clear_error();
  return number_of(env, &engine->stores, store, tls_store_drop);
}

/* removePair(number), removeStore(number): contexts that use it keep it. False: there is none. */
static napi_value drop_from(napi_env env, napi_callback_info info, bool is_pair) {
  napi_value argument, result;
  void *data;
  int64_t number;
  if (!get_arguments(env, info, 1, &argument, &data) ||
      !to_integer(env, argument, "number", 0, INT32_MAX, &number))
    return NULL;
  struct tls_engine *engine = data;
  void *thing = handles_remove(is_pair ? &engine->pairs : &engine->stores, number);
  if (thing != NULL) (is_pair ? tls_pair_drop : tls_store_drop)(thing);
  return napi_get_boolean(env, thing != NULL, &result) == napi_ok ? result : NULL;
}

static napi_value remove_pair(napi_env env, napi_callback_info info) { return drop_from(env, info, true); }

static napi_value remove_store(napi_env env, napi_callback_info info) { return drop_from(env, info, false); }

static bool add_extension(X509 *certificate, int kind, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
  bool added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

/* A self-signed certificate for `name`, valid from an hour ago for a year. */
static X509 *self_signed(const struct tls_engine *engine, EVP_PKEY *key, const char *name, const char *alternative) {
  X509 *certificate = X509_new_ex(tls_library(engine), NULL);
  time_t now = tls_now(engine);
  uint64_t serial = 0;
  if (certificate == NULL || RAND_bytes_ex(tls_library(engine), (unsigned char *)&serial, sizeof serial, 0) != 1) goto failed;
  X509_NAME *subject = X509_get_subject_name(certificate);
  if (X509_set_version(certificate, 2) != 1 ||
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1) != 1 ||
      X509_time_adj(X509_getm_notBefore(certificate), -3600, &now) == NULL ||
      X509_time_adj(X509_getm_notAfter(certificate), 365L * 86400, &now) == NULL ||
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) != 1 ||
      X509_set_issuer_name(certificate, subject) != 1 || X509_set_pubkey(certificate, key) != 1 ||
      !add_extension(certificate, NID_subject_alt_name, alternative) ||
      !add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") ||
      X509_sign(certificate, key, EVP_sha256()) == 0)
    goto failed;
  return certificate;
failed:
  X509_free(certificate);
  return NULL;
}

static bool set_pem(napi_env env, napi_value object, const char *key, BIO *bio) {
  char *text;
  long length = BIO_get_mem_data(bio, &text);
  return length > 0 && set_bytes(env, object, key, text, (size_t)length);
}

/* makePair(name): { certificate, key } as PEM: a fresh key, for tests and for who has no certificate yet. */
static napi_value make_pair(napi_env env, napi_callback_info info) {
  napi_value argument, result = NULL;
  char name[65], alternative[80];
  void *data;
  if (!get_arguments(env, info, 1, &argument, &data) || !to_text(env, argument, "name", name, sizeof name)) return NULL;
  for (const char *at = name; *at != '\0'; at++)
    if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", *at) == NULL)
      return throw_error(env, EINVAL, "name: not a host name: \"%s\"", name);
  snprintf(alternative, sizeof alternative, "DNS:%s", name);
  ERR_clear_error();
  EVP_PKEY *key = EVP_PKEY_Q_keygen(tls_library(data), NULL, "EC", "P-256");
  X509 *certificate = key == NULL ? NULL : self_signed(data, key, name, alternative);
  BIO *texts[2] = {BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem())};
  bool made = certificate != NULL && texts[0] != NULL && texts[1] != NULL &&
              PEM_write_bio_X509(texts[0], certificate) == 1 &&
              PEM_write_bio_PKCS8PrivateKey(texts[1], key, NULL, NULL, 0, NULL, NULL) == 1 &&
              napi_create_object(env, &result) == napi_ok && set_pem(env, result, "certificate", texts[0]) &&
              set_pem(env, result, "key", texts[1]);
  BIO_free(texts[0]);
  BIO_free(texts[1]);
  X509_free(certificate);
  EVP_PKEY_free(key);
  ERR_clear_error();
  return made ? result : throw_error(env, EINVAL, "name: no certificate can be made for \"%s\"", name);
}

bool tls_credential_methods(napi_env env, napi_value object, struct tls_engine *engine) {
  return add_method(env, object, "addPair", add_pair, &engine->shared) &&
         add_method(env, object, "removePair", remove_pair, &engine->shared) &&
         add_method(env, object, "addStore", add_store, &engine->shared) &&
         add_method(env, object, "removeStore", remove_store, &engine->shared) &&
         add_method(env, object, "makePair", make_pair, &engine->shared);
}
