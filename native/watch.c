/* A descriptor on libuv's event loop: a JavaScript function is called when it is ready. The poller is one of these over
 * an epoll descriptor; watch() makes one for a socket or pipe of ours. */
#include "common.h"

#include <stdlib.h>
#include <string.h>

/* Bits of onReady and events. */
enum { READABLE = 1, WRITABLE = 2 };

/*
 * The callback runs within a callback scope, at whose end process.nextTick and promise callbacks run: once per burst. Without
 * one they would run after each call that Node's own C++ makes into JavaScript on the way, in the middle of what it does.
 */
static void on_poll(uv_poll_t *handle, int status, int events) {
  struct watch *watch = handle->data;
  napi_env env = watch->env;
  napi_handle_scope scope;
  napi_value callback, receiver, argument;
  int bits = watch->take(watch, status, events);
  if (bits == 0 || watch->closing || napi_open_handle_scope(env, &scope) != napi_ok) return;
  shared_retain(&watch->shared); /* the callback may close the watch */
  napi_callback_scope ticks;
  if (napi_get_reference_value(env, watch->on_ready, &callback) == napi_ok &&
      napi_get_undefined(env, &receiver) == napi_ok && napi_create_int32(env, bits, &argument) == napi_ok &&
      napi_open_callback_scope(env, receiver, watch->context, &ticks) == napi_ok) {
    if (napi_call_function(env, receiver, callback, 1, &argument, NULL) == napi_pending_exception) {
      napi_value error;
      if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
    }
    napi_close_callback_scope(env, ticks);
  }
  napi_close_handle_scope(env, scope);
  shared_release(&watch->shared);
}

/* ---- closing ---- */

static void on_closed(uv_handle_t *handle) {
  struct watch *watch = handle->data;
  napi_async_destroy(watch->env, watch->context);
  napi_remove_async_cleanup_hook(watch->cleanup);
  shared_release(&watch->shared); /* libuv's reference */
}

void watch_close(struct watch *watch) {
  if (watch->closing) return;
  watch->closing = true;
  uv_poll_stop(&watch->poll); /* takes it out of libuv's epoll at once */
  watch->give_up(watch);
  napi_delete_reference(watch->env, watch->on_ready);
  uv_close((uv_handle_t *)&watch->poll, on_closed);
}

/* The environment ends: it waits until the hook is removed, which on_closed does, so a worker exits cleanly. */
static void on_cleanup(napi_async_cleanup_hook_handle handle, void *data) {
  (void)handle;
  watch_close(data);
}

/* ---- opening ---- */

int watch_open(napi_env env, struct watch *watch, int fd, int events, napi_value on_ready, const char *label) {
  napi_valuetype type;
  napi_value name;
  uv_loop_t *loop;
  struct failure why;
  if (napi_typeof(env, on_ready, &type) != napi_ok || type != napi_function) {
    throw_error(env, EINVAL, "onReady: not a function");
    return -EINVAL;
  }
  watch->env = env;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok ||
      napi_create_string_utf8(env, label, NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, NULL, name, &watch->context) != napi_ok) {
    throw_error(env, ENOMEM, "no event loop, or no memory");
    return -ENOMEM;
  }
  int result = uv_poll_init(loop, &watch->poll, fd);
  if (result != 0) {
    napi_async_destroy(env, watch->context);
    fail(&why, -result, "cannot watch fd %d: %s", fd, strerror(-result));
    throw_failure(env, &why);
    return result;
  }
  watch->poll.data = watch;
  napi_create_reference(env, on_ready, 1, &watch->on_ready);
  napi_add_async_cleanup_hook(env, on_cleanup, watch, &watch->cleanup);
  uv_poll_start(&watch->poll, events, on_poll);
  return 0;
}

/* ---- methods ---- */

struct watch *watch_of(napi_env env, napi_callback_info info, size_t count, napi_value *arguments) {
  void *data = NULL;
  if (!get_arguments(env, info, count, arguments, &data)) return NULL;
  struct watch *watch = data;
  if (!watch->closing) return watch;
  throw_error(env, EBADF, "the poller or watch is closed");
  return NULL;
}

static napi_value ref(napi_env env, napi_callback_info info) {
  struct watch *watch = watch_of(env, info, 0, NULL);
  if (watch != NULL) uv_ref((uv_handle_t *)&watch->poll);
  return NULL;
}

static napi_value unref(napi_env env, napi_callback_info info) {
  struct watch *watch = watch_of(env, info, 0, NULL);
  if (watch != NULL) uv_unref((uv_handle_t *)&watch->poll);
  return NULL;
}

static napi_value close_method(napi_env env, napi_callback_info info) {
  void *data = NULL;
  if (get_arguments(env, info, 0, NULL, &data)) watch_close(data);
  return NULL;
}

bool watch_methods(napi_env env, napi_value object, struct watch *watch) {
  return add_method(env, object, "ref", ref, &watch->shared) && add_method(env, object, "unref", unref, &watch->shared) &&
         add_method(env, object, "close", close_method, &watch->shared);
}

/* ---- a watch of one descriptor ---- */

struct fd_watch {
  struct watch watch;
  int fd;
  int events; /* of libuv */
};

static void fd_watch_destroy(struct shared *self) { free(self); }

static void fd_watch_give_up(struct watch *watch) { fd_unwatch(((struct fd_watch *)watch)->fd); }

static int fd_watch_take(struct watch *watch, int status, int events) {
  if (status < 0) {
    /* libuv has stopped at an error of the socket, which a read tells and clears: go on, and have it read. */
    uv_poll_start(&watch->poll, ((struct fd_watch *)watch)->events, on_poll);
    return READABLE;
  }
  return ((events & UV_READABLE) != 0 ? READABLE : 0) | ((events & UV_WRITABLE) != 0 ? WRITABLE : 0);
}

/* events(bits): what onReady hears of, READABLE 1 and WRITABLE 2; 0 = nothing for now. */
static napi_value set_events(napi_env env, napi_callback_info info) {
  napi_value argument;
  int64_t bits;
  struct fd_watch *watch = (struct fd_watch *)watch_of(env, info, 1, &argument);
  if (watch == NULL || !to_integer(env, argument, "events", 0, READABLE | WRITABLE, &bits)) return NULL;
  watch->events = ((bits & READABLE) != 0 ? UV_READABLE : 0) | ((bits & WRITABLE) != 0 ? UV_WRITABLE : 0);
  uv_poll_start(&watch->watch.poll, watch->events, on_poll);
  return NULL;
}

/* watch(fd, onReady): onReady(bits) runs on the loop when a socket or pipe of ours is readable. */
static napi_value watch_fd(napi_env env, napi_callback_info info) {
  napi_value arguments[2], object;
  int64_t fd;
  if (!get_arguments(env, info, 2, arguments, NULL) || !to_integer(env, arguments[0], "fd", 0, INT32_MAX, &fd))
    return NULL;
  enum fd_kind kind = fd_kind_of((int)fd);
  if (kind != FD_LISTENER && kind != FD_SOCKET && kind != FD_WAIT)
    return throw_error(env, EBADF, "fd %lld: not a socket or the reading end of a pipe of this addon", (long long)fd);
  struct fd_watch *watch = calloc(1, sizeof *watch);
  if (watch == NULL) return throw_error(env, ENOMEM, "no memory for a watch");
  watch->watch = (struct watch){.shared = {1, fd_watch_destroy}, .take = fd_watch_take, .give_up = fd_watch_give_up};
  watch->fd = (int)fd;
  watch->events = UV_READABLE;
  if (!fd_watch((int)fd)) {
    free(watch);
    return throw_error(env, EBUSY, "fd %lld: is watched already", (long long)fd);
  }
  if (watch_open(env, &watch->watch, (int)fd, UV_READABLE, arguments[1], "weft:watch") != 0) {
    fd_unwatch((int)fd);
    free(watch);
    return NULL;
  }
  if (napi_create_object(env, &object) == napi_ok &&
      add_method(env, object, "events", set_events, &watch->watch.shared) &&
      watch_methods(env, object, &watch->watch))
    return object;
  watch_close(&watch->watch);
  return throw_error(env, ENOMEM, "cannot build the watch object");
}

bool watch_exports(napi_env env, napi_value exports) { return add_function(env, exports, "watch", watch_fd); }
