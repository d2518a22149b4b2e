/* What is told of a connection's peer: its certificate, those of its issuers, and what verifying them came to. */
#include "tls.h"

#include <openssl/x509_vfy.h>

/* Node's names of the results of verifying, which are OpenSSL's without X509_V_ERR_. */
static const char *verify_code(long result) {
#define CODE(name) \
  case X509_V_ERR_##name: \
    return #name
  switch (result) {
    CODE(UNABLE_TO_GET_ISSUER_CERT);
    CODE(UNABLE_TO_GET_CRL);
    CODE(UNABLE_TO_DECRYPT_CERT_SIGNATURE);
    CODE(UNABLE_TO_DECRYPT_CRL_SIGNATURE);
    CODE(UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY);
    CODE(CERT_SIGNATURE_FAILURE);
    CODE(CRL_SIGNATURE_FAILURE);
    CODE(CERT_NOT_YET_VALID);
    CODE(CERT_HAS_EXPIRED);
    CODE(CRL_NOT_YET_VALID);
    CODE(CRL_HAS_EXPIRED);
    CODE(ERROR_IN_CERT_NOT_BEFORE_FIELD);
    CODE(ERROR_IN_CERT_NOT_AFTER_FIELD);
    CODE(ERROR_IN_CRL_LAST_UPDATE_FIELD);
    CODE(ERROR_IN_CRL_NEXT_UPDATE_FIELD);
    CODE(OUT_OF_MEM);
    CODE(DEPTH_ZERO_SELF_SIGNED_CERT);
    CODE(SELF_SIGNED_CERT_IN_CHAIN);
    CODE(UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    CODE(UNABLE_TO_VERIFY_LEAF_SIGNATURE);
    CODE(CERT_CHAIN_TOO_LONG);
    CODE(CERT_REVOKED);
    CODE(INVALID_CA);
    CODE(PATH_LENGTH_EXCEEDED);
    CODE(INVALID_PURPOSE);
    CODE(CERT_UNTRUSTED);
    CODE(CERT_REJECTED);
    CODE(HOSTNAME_MISMATCH);
    default:
      return "UNSPECIFIED";
  }
#undef CODE
}

static bool set_element(napi_env env, napi_value array, uint32_t index, X509 *certificate) {
  napi_value holder, bytes;
  unsigned char *der = NULL;
  int length = i2d_X509(certificate, &der);
  bool set = length <= 0 || (napi_create_object(env, &holder) == napi_ok &&
                             set_bytes(env, holder, "der", der, (size_t)length) &&
                             napi_get_named_property(env, holder, "der", &bytes) == napi_ok &&
                             napi_set_element(env, array, index, bytes) == napi_ok);
  OPENSSL_free(der);
  return set;
}

/* The chain that was built, which ends in what is trusted if there is a way to that: [0] is the peer's own. */
static bool set_issuers(napi_env env, napi_value object, SSL *ssl) {
  STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
  napi_value array;
  if (sk_X509_num(chain) < 2) return true;
  if (napi_create_array(env, &array) != napi_ok) return false;
  for (int i = 1; i < sk_X509_num(chain); i++)
    if (!set_element(env, array, (uint32_t)(i - 1), sk_X509_value(chain, i))) return false;
  return napi_set_named_property(env, object, "issuers", array) == napi_ok;
}

/* What was stapled to the certificate. */
static bool set_ocsp(napi_env env, napi_value object, SSL *ssl) {
  const unsigned char *response = NULL;
  long length = SSL_get_tlsext_status_ocsp_resp(ssl, &response);
  return SSL_is_server(ssl) || length <= 0 || set_bytes(env, object, "ocsp", response, (size_t)length);
}

bool tls_set_peer(napi_env env, napi_value object, SSL *ssl) {
  X509 *certificate = SSL_get1_peer_certificate(ssl);
  bool asked = SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE;
  /* As Node has it: who shows none has no issuer. */
  long result = certificate != NULL ? SSL_get_verify_result(ssl) : X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT;
  bool set = !asked || result == X509_V_OK ||
             (set_text(env, object, "verifyError", verify_code(result)) &&
              set_text(env, object, "verifyReason", X509_verify_cert_error_string(result)));
  if (set && certificate != NULL) {
    unsigned char *der = NULL;
    int length = i2d_X509(certificate, &der);
    set = length <= 0 || set_bytes(env, object, "certificate", der, (size_t)length);
    OPENSSL_free(der);
    set = set && (!asked || set_issuers(env, object, ssl)) && set_ocsp(env, object, ssl);
  }
  X509_free(certificate);
  return set;
}
