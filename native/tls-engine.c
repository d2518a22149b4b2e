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
  shared_release(&engine->window->shared);
  free(engine);
}

/* window.createTlsEngine(offset): parameters and results of steps are in 1024 bytes of the window there. */
napi_value tls_engine_create(napi_env env, napi_callback_info info) {
  napi_value argument, object;
  void *data;
  int64_t offset;
  if (!get_arguments(env, info, 1, &argument, &data)) return NULL;
  struct window *window = data;
  if (!to_integer(env, argument, "offset", 0, window->bytes, &offset)) return NULL;
  if (offset % 64 != 0) return throw_error(env, EINVAL, "the area must be aligned to 64 bytes");
  if (!window_usable(window, offset, AREA_BYTES)) return throw_error(env, EFAULT, "the area is not committed");
  struct tls_engine *engine = calloc(1, sizeof *engine);
  if (engine == NULL) return throw_error(env, ENOMEM, "no memory for a TLS engine");
  engine->shared = (struct shared){1, engine_destroy};
  engine->window = window;
  engine->area = offset;
  shared_retain(&window->shared);
  bool built = napi_create_object(env, &object) == napi_ok && tls_credential_methods(env, object, engine) &&
               tls_context_methods(env, object, engine) && tls_connection_methods(env, object, engine) &&
               tls_keylog_methods(env, object, engine);
  shared_release(&engine->shared); /* the functions hold it now */
  if (!built) return throw_error(env, ENOMEM, "cannot build the TLS engine");
  return object;
}
