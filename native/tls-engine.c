/* The TLS engine of a window: its tables, and the object that JavaScript has. */
#include "tls.h"

#include <stdlib.h>

#define AREA_BYTES 1024

static void engine_destroy(struct shared *self) {
  struct tls_engine *engine = (struct tls_engine *)self;
  handles_clear(&engine->connections, tls_connection_drop);
  handles_clear(&engine->contexts, tls_context_drop);
  handles_clear(&engine->pairs, tls_pair_drop);
  handles_clear(&engine->stores, tls_store_drop);
  tls_forget_keys(engine);
  OPENSSL_cleanse(engine->cookie_secrets, sizeof engine->cookie_secrets);
  tls_random_drop(engine->random);
  shared_release(&engine->window->shared);
  free(engine);
}

time_t tls_now(const struct tls_engine *engine) { return engine->now_s == 0 ? time(NULL) : (time_t)engine->now_s; }

/* setTime(seconds): since 1970, of certificates that are made and verified from now on; 0: the system's. */
static napi_value set_time(napi_env env, napi_callback_info info) {
  napi_value argument;
  void *data;
  struct tls_engine *engine;
  if (!get_arguments(env, info, 1, &argument, &data)) return NULL;
  engine = data;
  to_integer(env, argument, "seconds", 0, UINT32_MAX, &engine->now_s);
  return NULL;
}

/* window.createTlsEngine(offset, { seed }): parameters and results of steps are in 1024 bytes of the window there. A seed, 32
 * bytes, determines all that is random: for simulators. */
napi_value tls_engine_create(napi_env env, napi_callback_info info) {
  napi_value arguments[2], object;
  uint8_t seed[TLS_SEED_BYTES];
  size_t seed_length;
  void *data;
  int64_t offset;
  if (!get_arguments(env, info, 2, arguments, &data)) return NULL;
  struct window *window = data;
  if (!to_integer(env, arguments[0], "offset", 0, window->bytes, &offset) ||
      !to_object(env, arguments[1], "options") ||
      !option_bytes(env, arguments[1], "seed", false, seed, sizeof seed, &seed_length))
    return NULL;
  if (seed_length != 0 && seed_length != sizeof seed) return throw_error(env, EINVAL, "seed: not of 32 bytes");
  if (offset % 64 != 0) return throw_error(env, EINVAL, "the area must be aligned to 64 bytes");
  if (!window_usable(window, offset, AREA_BYTES)) return throw_error(env, EFAULT, "the area is not committed");
  struct tls_engine *engine = calloc(1, sizeof *engine);
  if (engine == NULL) return throw_error(env, ENOMEM, "no memory for a TLS engine");
  engine->shared = (struct shared){1, engine_destroy};
  engine->window = window;
  engine->area = offset;
  shared_retain(&window->shared);
  if (seed_length != 0 && (engine->random = tls_random_new(seed)) == NULL) {
    shared_release(&engine->shared);
    return throw_error(env, ENOMEM, "no OpenSSL with randomness of its own");
  }
  bool built = napi_create_object(env, &object) == napi_ok && tls_credential_methods(env, object, engine) &&
               tls_context_methods(env, object, engine) && tls_connection_methods(env, object, engine) &&
               tls_keylog_methods(env, object, engine) && tls_ocsp_methods(env, object, engine) &&
               tls_ticket_methods(env, object, engine) && tls_datagram_methods(env, object, engine) &&
               add_method(env, object, "setTime", set_time, &engine->shared);
  shared_release(&engine->shared); /* the functions hold it now */
  if (!built) return throw_error(env, ENOMEM, "cannot build the TLS engine");
  return object;
}
