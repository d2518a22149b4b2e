/* Registration, and what every facility shares: reference counts, errors, argument checks, the descriptor table. */
#include "common.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

void shared_retain(struct shared *self) { __atomic_add_fetch(&self->refs, 1, __ATOMIC_RELAXED); }

void shared_release(struct shared *self) {
  if (__atomic_sub_fetch(&self->refs, 1, __ATOMIC_ACQ_REL) == 0) self->destroy(self);
}

void shared_finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  shared_release(data);
}

bool add_method(napi_env env, napi_value object, const char *name, napi_callback callback, struct shared *self) {
  napi_value function;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, self, &function) != napi_ok) return false;
  shared_retain(self);
  if (napi_add_finalizer(env, function, self, shared_finalize, NULL, NULL) != napi_ok) {
    shared_release(self);
    return false;
  }
  return napi_set_named_property(env, object, name, function) == napi_ok;
}

bool add_function(napi_env env, napi_value exports, const char *name, napi_callback callback) {
  napi_value function;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, NULL, &function) == napi_ok &&
         napi_set_named_property(env, exports, name, function) == napi_ok;
}

/* ---- errors ---- */

int fail(struct failure *why, int err, const char *format, ...) {
  va_list rest;
  va_start(rest, format);
  vsnprintf(why->text, sizeof why->text, format, rest);
  va_end(rest);
  why->err = err;
  return -err;
}

napi_value throw_failure(napi_env env, const struct failure *why) {
  napi_value error, text, code, number;
  bool pending = false;
  /* A conversion may have thrown already (a getter in an options object): that error is the one to show. */
  if (napi_is_exception_pending(env, &pending) == napi_ok && pending) return NULL;
  if (napi_create_string_utf8(env, why->text, NAPI_AUTO_LENGTH, &text) == napi_ok &&
      napi_create_string_utf8(env, uv_err_name(-why->err), NAPI_AUTO_LENGTH, &code) == napi_ok &&
      napi_create_error(env, code, text, &error) == napi_ok && napi_create_int32(env, why->err, &number) == napi_ok &&
      napi_set_named_property(env, error, "errno", number) == napi_ok)
    napi_throw(env, error);
  return NULL;
}

napi_value throw_error(napi_env env, int err, const char *format, ...) {
  struct failure why;
  va_list rest;
  va_start(rest, format);
  vsnprintf(why.text, sizeof why.text, format, rest);
  va_end(rest);
  why.err = err;
  return throw_failure(env, &why);
}

/* ---- arguments ---- */

bool get_arguments(napi_env env, napi_callback_info info, size_t wanted, napi_value *arguments, void **data) {
  size_t count = wanted;
  /* Absent arguments arrive as undefined; each conversion below refuses that by name. */
  return napi_get_cb_info(env, info, &count, arguments, NULL, data) == napi_ok;
}

bool to_integer(napi_env env, napi_value value, const char *what, int64_t min, int64_t max, int64_t *out) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok || !(number >= (double)min && number <= (double)max) ||
      number != floor(number)) {
    throw_error(env, EINVAL, "%s: not a whole number from %lld to %lld", what, (long long)min, (long long)max);
    return false;
  }
  *out = (int64_t)number;
  return true;
}

bool to_text(napi_env env, napi_value value, const char *what, char *out, size_t room) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) {
    throw_error(env, EINVAL, "%s: not a string", what);
    return false;
  }
  if (length >= room) {
    throw_error(env, ENAMETOOLONG, "%s: longer than %zu bytes", what, room - 1);
    return false;
  }
  napi_get_value_string_utf8(env, value, out, room, &length);
  if (strlen(out) != length) {
    throw_error(env, EINVAL, "%s: contains a zero byte", what);
    return false;
  }
  return true;
}

bool to_object(napi_env env, napi_value value, const char *what) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_object) return true;
  throw_error(env, EINVAL, "%s: not an object", what);
  return false;
}

/* Reads a property; *absent when undefined. False after throwing. */
static bool option(napi_env env, napi_value object, const char *key, bool required, napi_value *value, bool *absent) {
  napi_valuetype type;
  if (napi_get_named_property(env, object, key, value) != napi_ok || napi_typeof(env, *value, &type) != napi_ok) {
    throw_error(env, EINVAL, "%s: cannot be read", key);
    return false;
  }
  *absent = type == napi_undefined;
  if (*absent && required) {
    throw_error(env, EINVAL, "%s: missing", key);
    return false;
  }
  return true;
}

bool option_integer(napi_env env, napi_value object, const char *key, bool required, int64_t min, int64_t max,
                    int64_t *out) {
  napi_value value;
  bool absent;
  if (!option(env, object, key, required, &value, &absent)) return false;
  return absent || to_integer(env, value, key, min, max, out);
}

bool option_flag(napi_env env, napi_value object, const char *key, bool *out) {
  napi_value value;
  bool absent;
  if (!option(env, object, key, false, &value, &absent)) return false;
  if (absent || napi_get_value_bool(env, value, out) == napi_ok) return true;
  throw_error(env, EINVAL, "%s: neither true nor false", key);
  return false;
}

bool option_text(napi_env env, napi_value object, const char *key, bool required, char *out, size_t room) {
  napi_value value;
  bool absent;
  if (!option(env, object, key, required, &value, &absent)) return false;
  return absent || to_text(env, value, key, out, room);
}

bool option_bytes(napi_env env, napi_value object, const char *key, bool required, uint8_t *out, size_t room,
                  size_t *length) {
  napi_value value;
  bool absent, is_view = false;
  void *bytes;
  napi_typedarray_type type;
  *length = 0;
  if (!option(env, object, key, required, &value, &absent)) return false;
  if (absent) return true;
  if (napi_is_typedarray(env, value, &is_view) != napi_ok || !is_view ||
      napi_get_typedarray_info(env, value, &type, length, &bytes, NULL, NULL) != napi_ok || type != napi_uint8_array ||
      *length == 0 || *length > room) {
    throw_error(env, EINVAL, "%s: not a Uint8Array of 1 to %zu bytes", key, room);
    return false;
  }
  memcpy(out, bytes, *length);
  return true;
}

bool option_list(napi_env env, napi_value object, const char *key, napi_value *out, uint32_t *length) {
  bool absent, is_list = false;
  *length = 0;
  if (!option(env, object, key, false, out, &absent)) return false;
  if (absent) return true;
  if (napi_is_array(env, *out, &is_list) == napi_ok && is_list && napi_get_array_length(env, *out, length) == napi_ok)
    return true;
  throw_error(env, EINVAL, "%s: not an array", key);
  return false;
}

bool option_interface(napi_env env, napi_value object, const char *key, char out[IFNAMSIZ]) {
  napi_value value;
  bool absent;
  char name[256];
  if (!option(env, object, key, true, &value, &absent) || !to_text(env, value, key, name, sizeof name)) return false;
  size_t length = strlen(name);
  if (length >= IFNAMSIZ) {
    throw_error(env, ENAMETOOLONG, "%s: interface name longer than %d characters: \"%s\"", key, IFNAMSIZ - 1, name);
    return false;
  }
  bool bad = length == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
  for (size_t i = 0; i < length; i++)
    if (name[i] <= ' ' || name[i] == 0x7f || strchr("/:%", name[i]) != NULL) bad = true;
  if (bad) {
    throw_error(env, EINVAL, "%s: not an interface name: \"%s\"", key, name);
    return false;
  }
  memcpy(out, name, length + 1);
  return true;
}

bool set_integer(napi_env env, napi_value object, const char *key, int64_t number) {
  napi_value value;
  return napi_create_int64(env, number, &value) == napi_ok &&
         napi_set_named_property(env, object, key, value) == napi_ok;
}

bool set_flag(napi_env env, napi_value object, const char *key, bool flag) {
  napi_value value;
  return napi_get_boolean(env, flag, &value) == napi_ok && napi_set_named_property(env, object, key, value) == napi_ok;
}

bool set_text(napi_env env, napi_value object, const char *key, const char *text) {
  napi_value value;
  return napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok &&
         napi_set_named_property(env, object, key, value) == napi_ok;
}

bool set_bytes(napi_env env, napi_value object, const char *key, const void *bytes, size_t length) {
  napi_value buffer, view;
  void *copy;
  if (napi_create_arraybuffer(env, length, &copy, &buffer) != napi_ok) return false;
  memcpy(copy, bytes, length);
  return napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, &view) == napi_ok &&
         napi_set_named_property(env, object, key, view) == napi_ok;
}

/* ---- descriptors ---- */

/* By descriptor number, for the whole process (workers share it): a number closed twice is recognised, and a burst can
 * never reach a descriptor that belongs to somebody else. */
#define FD_TABLE_SIZE 65536
static uint8_t fd_kinds[FD_TABLE_SIZE];
static uint8_t fd_watched[FD_TABLE_SIZE];
static napi_env fd_owners[FD_TABLE_SIZE]; /* whose end closes it; NULL: nobody's */

int fd_record(int fd, enum fd_kind kind) {
  if (fd >= FD_TABLE_SIZE) return -EMFILE;
  __atomic_store_n(&fd_kinds[fd], (uint8_t)kind, __ATOMIC_RELEASE);
  return fd;
}

int fd_own(napi_env env, int fd, enum fd_kind kind) {
  if (fd >= FD_TABLE_SIZE) return -EMFILE;
  __atomic_store_n(&fd_owners[fd], env, __ATOMIC_RELEASE);
  return fd_record(fd, kind);
}

/* The environment ends. Hooks run last made first, so the watches of its descriptors are gone already. */
static void close_owned(void *data) {
  napi_env env = data;
  for (int fd = 0; fd < FD_TABLE_SIZE; fd++) {
    if (__atomic_load_n(&fd_owners[fd], __ATOMIC_ACQUIRE) != env) continue;
    fd_forget(fd);
    close(fd);
  }
}

enum fd_kind fd_kind_of(int fd) {
  if (fd < 0 || fd >= FD_TABLE_SIZE) return FD_NONE;
  return (enum fd_kind)__atomic_load_n(&fd_kinds[fd], __ATOMIC_ACQUIRE);
}

void fd_forget(int fd) {
  if (fd < 0 || fd >= FD_TABLE_SIZE) return;
  __atomic_store_n(&fd_kinds[fd], FD_NONE, __ATOMIC_RELEASE);
  __atomic_store_n(&fd_owners[fd], NULL, __ATOMIC_RELEASE);
}

bool fd_watch(int fd) { return __atomic_exchange_n(&fd_watched[fd], 1, __ATOMIC_ACQ_REL) == 0; }

void fd_unwatch(int fd) { __atomic_store_n(&fd_watched[fd], 0, __ATOMIC_RELEASE); }

static napi_value close_fd(napi_env env, napi_callback_info info) {
  napi_value argument;
  int64_t fd;
  if (!get_arguments(env, info, 1, &argument, NULL) || !to_integer(env, argument, "fd", 0, INT32_MAX, &fd)) return NULL;
  enum fd_kind kind = fd_kind_of((int)fd);
  if (kind == FD_NONE) return throw_error(env, EBADF, "fd %lld: not an open descriptor of this addon", (long long)fd);
  /* The mapping inside the window would keep the socket alive, still receiving. */
  if (kind == FD_PACKET) return throw_error(env, EBUSY, "fd %lld: has a ring; use closePacketRing", (long long)fd);
  /* Somebody else may hold the same open file: the loop would hear of it for ever under a number that is gone. */
  if (__atomic_load_n(&fd_watched[fd], __ATOMIC_ACQUIRE) != 0)
    return throw_error(env, EBUSY, "fd %lld: is watched; close the watch first", (long long)fd);
  fd_forget((int)fd);
  close((int)fd);
  return NULL;
}

static napi_value initialize(napi_env env, napi_value exports) {
  if (napi_add_env_cleanup_hook(env, close_owned, env) == napi_ok && memory_exports(env, exports) && netns_exports(env, exports) && netlink_exports(env, exports) &&
      tap_exports(env, exports) && watch_exports(env, exports) && poller_exports(env, exports) &&
      wake_pipe_exports(env, exports) && fd_passing_exports(env, exports) &&
      add_function(env, exports, "closeFd", close_fd))
    return exports;
  throw_error(env, ENOMEM, "the addon could not register its functions");
  return NULL;
}

NAPI_MODULE(weft, initialize)
