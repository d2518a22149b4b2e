/* Secrets of handshakes in the form that tshark and others read (NSS key log), kept only on request. */
#include "tls.h"

#include <stdlib.h>
#include <string.h>

/* What nobody takes is dropped beyond this. */
#define KEYS_BYTES 65536

void tls_log_line(const SSL *ssl, const char *line) {
  const struct tls_connection *connection = SSL_get_app_data(ssl);
  struct tls_engine *engine = connection->engine;
  size_t length = strlen(line);
  if (engine->keys == NULL || engine->keys_length + length + 1 > KEYS_BYTES) return;
  memcpy(engine->keys + engine->keys_length, line, length);
  engine->keys[engine->keys_length + length] = '\n';
  engine->keys_length += length + 1;
}

void tls_forget_keys(struct tls_engine *engine) {
  if (engine->keys != NULL) OPENSSL_clear_free(engine->keys, KEYS_BYTES);
  engine->keys = NULL;
  engine->keys_length = 0;
}

/* logKeys(on): whether lines are kept from now on. */
static napi_value log_keys(napi_env env, napi_callback_info info) {
  napi_value argument;
  void *data;
  bool on;
  if (!get_arguments(env, info, 1, &argument, &data)) return NULL;
  if (napi_get_value_bool(env, argument, &on) != napi_ok) return throw_error(env, EINVAL, "on: neither true nor false");
  struct tls_engine *engine = data;
  if (!on) tls_forget_keys(engine);
  else if (engine->keys == NULL && (engine->keys = OPENSSL_malloc(KEYS_BYTES)) == NULL)
    return throw_error(env, ENOMEM, "no memory for keys");
  return NULL;
}

/* takeKeys(): the lines since the last call. */
static napi_value take_keys(napi_env env, napi_callback_info info) {
  napi_value result;
  void *data;
  if (!get_arguments(env, info, 0, NULL, &data)) return NULL;
  struct tls_engine *engine = data;
  const char *text = engine->keys == NULL ? "" : engine->keys;
  napi_status status = napi_create_string_latin1(env, text, engine->keys_length, &result);
  engine->keys_length = 0;
  return status == napi_ok ? result : NULL;
}

bool tls_keylog_methods(napi_env env, napi_value object, struct tls_engine *engine) {
  return add_method(env, object, "logKeys", log_keys, &engine->shared) &&
         add_method(env, object, "takeKeys", take_keys, &engine->shared);
}
