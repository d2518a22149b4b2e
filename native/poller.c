/* Readiness on libuv: one epoll descriptor, watched by the loop, holds every device, a timer and an eventfd. The loop wakes
 * once for all of them, and the engine asks again without a loop turn while it spins. */
#include "common.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

enum { READY_FD = 1, READY_TIMER = 2, READY_WAKE = 4, READY_FAILED = 8 };
#define EVENTS_AT_ONCE 64

struct poller {
  struct shared shared;
  napi_env env;
  napi_ref on_ready;
  napi_async_context context;
  napi_async_cleanup_hook_handle cleanup;
  uv_poll_t poll;
  int epoll_fd, timer_fd, wake_fd;
  bool armed, closing, closed;
  int64_t deadline_ns; /* of the armed timer, CLOCK_MONOTONIC */
};

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void poller_destroy(struct shared *self) { free(self); }

/* Takes what is ready, without waiting: READY_* bits. Descriptors stay level-triggered: what is not read shows up again. */
static int take_ready(struct poller *poller) {
  struct epoll_event events[EVENTS_AT_ONCE];
  uint64_t ignored;
  int bits = 0;
  int count = epoll_wait(poller->epoll_fd, events, EVENTS_AT_ONCE, 0);
  for (int i = 0; i < count; i++) {
    int fd = events[i].data.fd;
    if (fd == poller->timer_fd) {
      if (read(fd, &ignored, sizeof ignored) > 0) bits |= READY_TIMER;
      poller->armed = false;
    } else if (fd == poller->wake_fd) {
      if (read(fd, &ignored, sizeof ignored) > 0) bits |= READY_WAKE;
    } else {
      bits |= READY_FD;
      if ((events[i].events & (EPOLLERR | EPOLLHUP)) == 0) continue;
      bits |= READY_FAILED;
      /* A socket's error (interface down) is cleared by asking for it. What cannot be cleared, a TAP whose device was
       * removed, would wake the loop for ever: it is dropped, and its next burst tells the device. */
      int err;
      socklen_t length = sizeof err;
      if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &length) != 0 || (events[i].events & EPOLLHUP) != 0)
        epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    }
  }
  return bits;
}

/* Runs process.nextTick and promise callbacks that the burst left: once per burst, not once per call into JavaScript. */
static void run_ticks(struct poller *poller, napi_value receiver) {
  napi_callback_scope scope;
  if (napi_open_callback_scope(poller->env, receiver, poller->context, &scope) == napi_ok)
    napi_close_callback_scope(poller->env, scope);
}

static void on_poll(uv_poll_t *handle, int status, int events) {
  struct poller *poller = handle->data;
  napi_env env = poller->env;
  napi_handle_scope scope;
  napi_value callback, receiver, argument, result = NULL;
  (void)status;
  (void)events;
  int bits = take_ready(poller);
  if (bits == 0 || poller->closing || napi_open_handle_scope(env, &scope) != napi_ok) return;
  shared_retain(&poller->shared); /* the callback may close the poller */
  if (napi_get_reference_value(env, poller->on_ready, &callback) == napi_ok &&
      napi_get_undefined(env, &receiver) == napi_ok && napi_create_int32(env, bits, &argument) == napi_ok) {
    napi_status called = napi_call_function(env, receiver, callback, 1, &argument, &result);
    bool run = true;
    if (called == napi_pending_exception) {
      napi_value error;
      if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
    } else if (called == napi_ok) {
      napi_valuetype type;
      if (napi_typeof(env, result, &type) == napi_ok && type == napi_boolean) napi_get_value_bool(env, result, &run);
    }
    if (run) run_ticks(poller, receiver);
  }
  napi_close_handle_scope(env, scope);
  shared_release(&poller->shared);
}

/* ---- closing ---- */

static void on_closed(uv_handle_t *handle) {
  struct poller *poller = handle->data;
  poller->closed = true;
  napi_async_destroy(poller->env, poller->context);
  napi_remove_async_cleanup_hook(poller->cleanup);
  shared_release(&poller->shared); /* libuv's reference */
}

static void close_descriptors(struct poller *poller) {
  fd_forget(poller->wake_fd);
  if (poller->epoll_fd >= 0) close(poller->epoll_fd);
  if (poller->timer_fd >= 0) close(poller->timer_fd);
  if (poller->wake_fd >= 0) close(poller->wake_fd);
}

static void poller_close(struct poller *poller) {
  if (poller->closing) return;
  poller->closing = true;
  uv_poll_stop(&poller->poll);
  close_descriptors(poller);
  napi_delete_reference(poller->env, poller->on_ready);
  uv_close((uv_handle_t *)&poller->poll, on_closed);
}

/* The environment ends: it waits until the hook is removed, which on_closed does, so a worker exits cleanly. */
static void on_cleanup(napi_async_cleanup_hook_handle handle, void *data) {
  (void)handle;
  poller_close(data);
}

/* ---- methods ---- */

static struct poller *open_poller(napi_env env, napi_callback_info info, napi_value *argument) {
  void *data = NULL;
  size_t count = 2;
  napi_value unused[2];
  if (napi_get_cb_info(env, info, &count, argument != NULL ? argument : unused, NULL, &data) != napi_ok) return NULL;
  struct poller *poller = data;
  if (!poller->closing) return poller;
  throw_error(env, EBADF, "the poller is closed");
  return NULL;
}

/* add(fd, writable = false): watches a descriptor for input, and for room to write when asked; again = change. */
static napi_value add(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  int64_t fd;
  bool writable = false;
  struct poller *poller = open_poller(env, info, arguments);
  if (poller == NULL || !to_integer(env, arguments[0], "fd", 0, INT32_MAX, &fd)) return NULL;
  napi_get_value_bool(env, arguments[1], &writable);
  struct epoll_event event = {.events = EPOLLIN | (writable ? EPOLLOUT : 0), .data.fd = (int)fd};
  if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, (int)fd, &event) != 0 &&
      (errno != EEXIST || epoll_ctl(poller->epoll_fd, EPOLL_CTL_MOD, (int)fd, &event) != 0)) {
    int err = errno;
    return throw_error(env, err, "cannot watch fd %lld: %s", (long long)fd, strerror(err));
  }
  return NULL;
}

/* remove(fd): a descriptor that is not watched (any more) is no error. */
static napi_value remove_fd(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  int64_t fd;
  struct poller *poller = open_poller(env, info, arguments);
  if (poller == NULL || !to_integer(env, arguments[0], "fd", 0, INT32_MAX, &fd)) return NULL;
  if (fd != poller->timer_fd && fd != poller->wake_fd) epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, (int)fd, NULL);
  return NULL;
}

static void set_timer(struct poller *poller, int64_t deadline_ns) {
  struct itimerspec when = {.it_value = {deadline_ns / 1000000000, deadline_ns % 1000000000}};
  timerfd_settime(poller->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* arm(us): a wake-up at the latest in so many microseconds. One that is due no later stands already: nothing to do. */
static napi_value arm(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  double us;
  struct poller *poller = open_poller(env, info, arguments);
  if (poller == NULL) return NULL;
  if (napi_get_value_double(env, arguments[0], &us) != napi_ok || !(us >= 0))
    return throw_error(env, EINVAL, "us: not a number of microseconds");
  if (us > 1e12) us = 1e12;
  int64_t deadline = now_ns() + (int64_t)(us * 1000) + 1;
  if (poller->armed && poller->deadline_ns <= deadline) return NULL;
  set_timer(poller, deadline);
  poller->armed = true;
  poller->deadline_ns = deadline;
  return NULL;
}

static napi_value disarm(napi_env env, napi_callback_info info) {
  struct poller *poller = open_poller(env, info, NULL);
  if (poller == NULL || !poller->armed) return NULL;
  set_timer(poller, 0);
  poller->armed = false;
  return NULL;
}

static napi_value wake(napi_env env, napi_callback_info info) {
  struct poller *poller = open_poller(env, info, NULL);
  if (poller != NULL) eventfd_write(poller->wake_fd, 1);
  return NULL;
}

/* poll(): READY_* bits of what is ready now; takes the timer's and the eventfd's readiness. */
static napi_value poll_now(napi_env env, napi_callback_info info) {
  napi_value result;
  struct poller *poller = open_poller(env, info, NULL);
  if (poller == NULL || napi_create_int32(env, take_ready(poller), &result) != napi_ok) return NULL;
  return result;
}

static napi_value ref(napi_env env, napi_callback_info info) {
  struct poller *poller = open_poller(env, info, NULL);
  if (poller != NULL) uv_ref((uv_handle_t *)&poller->poll);
  return NULL;
}

static napi_value unref(napi_env env, napi_callback_info info) {
  struct poller *poller = open_poller(env, info, NULL);
  if (poller != NULL) uv_unref((uv_handle_t *)&poller->poll);
  return NULL;
}

static napi_value close_method(napi_env env, napi_callback_info info) {
  void *data = NULL;
  if (napi_get_cb_info(env, info, NULL, NULL, NULL, &data) == napi_ok) poller_close(data);
  return NULL;
}

/* 0 or -errno; what was opened before a failure is the caller's to close. */
static int open_descriptors(struct poller *poller) {
  errno = 0;
  poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  poller->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  poller->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  struct epoll_event timer = {.events = EPOLLIN, .data.fd = poller->timer_fd};
  struct epoll_event wake_up = {.events = EPOLLIN, .data.fd = poller->wake_fd};
  if (poller->epoll_fd >= 0 && poller->timer_fd >= 0 && poller->wake_fd >= 0 &&
      epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, poller->timer_fd, &timer) == 0 &&
      epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, poller->wake_fd, &wake_up) == 0 &&
      fd_record(poller->wake_fd, FD_WAKE) >= 0)
    return 0;
  return errno != 0 ? -errno : -EMFILE;
}

/* createPoller(onReady): onReady(bits) runs on the loop; unless it returns false, ticks and promise callbacks run after. */
static napi_value create_poller(napi_env env, napi_callback_info info) {
  napi_value callback, object;
  napi_valuetype type;
  uv_loop_t *loop;
  if (!get_arguments(env, info, 1, &callback, NULL)) return NULL;
  if (napi_typeof(env, callback, &type) != napi_ok || type != napi_function)
    return throw_error(env, EINVAL, "onReady: not a function");
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return throw_error(env, ENOTSUP, "no event loop");
  struct poller *poller = calloc(1, sizeof *poller);
  if (poller == NULL) return throw_error(env, ENOMEM, "no memory for a poller");
  poller->shared = (struct shared){1, poller_destroy};
  poller->env = env;
  napi_value label;
  if (napi_create_string_utf8(env, "weft:poller", NAPI_AUTO_LENGTH, &label) != napi_ok ||
      napi_async_init(env, NULL, label, &poller->context) != napi_ok) {
    free(poller);
    return throw_error(env, ENOMEM, "no memory for a poller");
  }
  int result = open_descriptors(poller);
  if (result == 0) result = uv_poll_init(loop, &poller->poll, poller->epoll_fd);
  if (result != 0) {
    close_descriptors(poller);
    napi_async_destroy(env, poller->context);
    free(poller);
    return throw_error(env, -result, "cannot make a poller: %s", strerror(-result));
  }
  poller->poll.data = poller;
  napi_create_reference(env, callback, 1, &poller->on_ready);
  napi_add_async_cleanup_hook(env, on_cleanup, poller, &poller->cleanup);
  uv_poll_start(&poller->poll, UV_READABLE, on_poll);
  struct shared *self = &poller->shared;
  bool built = napi_create_object(env, &object) == napi_ok && add_method(env, object, "add", add, self) &&
               add_method(env, object, "remove", remove_fd, self) && add_method(env, object, "arm", arm, self) &&
               add_method(env, object, "disarm", disarm, self) && add_method(env, object, "wake", wake, self) &&
               add_method(env, object, "poll", poll_now, self) && add_method(env, object, "ref", ref, self) &&
               add_method(env, object, "unref", unref, self) && add_method(env, object, "close", close_method, self) &&
               set_integer(env, object, "wakeFd", poller->wake_fd);
  if (!built) {
    poller_close(poller);
    return throw_error(env, ENOMEM, "cannot build the poller object");
  }
  return object;
}

/* signal(fd): wakes the poller with that wakeFd, from any thread. */
static napi_value signal_fd(napi_env env, napi_callback_info info) {
  napi_value argument;
  int64_t fd;
  if (!get_arguments(env, info, 1, &argument, NULL) || !to_integer(env, argument, "fd", 0, INT32_MAX, &fd)) return NULL;
  if (fd_kind_of((int)fd) != FD_WAKE) return throw_error(env, EBADF, "fd %lld: not a poller's", (long long)fd);
  eventfd_write((int)fd, 1); /* fails only when the counter is full, and then the poller wakes anyway */
  return NULL;
}

bool poller_exports(napi_env env, napi_value exports) {
  return add_function(env, exports, "createPoller", create_poller) && add_function(env, exports, "signal", signal_fd);
}
