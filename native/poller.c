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

enum { READY_FD = 1, READY_TIMER = 2, READY_WAKE = 4, READY_FAILED = 8 };
#define EVENTS_AT_ONCE 64

struct poller {
  struct watch watch;
  int epoll_fd, timer_fd, wake_fd;
  bool armed;
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

static int take(struct watch *watch, int status, int events) {
  (void)status;
  (void)events;
  return take_ready((struct poller *)watch);
}

static void close_descriptors(struct watch *watch) {
  struct poller *poller = (struct poller *)watch;
  fd_forget(poller->wake_fd);
  if (poller->epoll_fd >= 0) close(poller->epoll_fd);
  if (poller->timer_fd >= 0) close(poller->timer_fd);
  if (poller->wake_fd >= 0) close(poller->wake_fd);
}

/* ---- methods ---- */

static struct poller *open_poller(napi_env env, napi_callback_info info, napi_value *argument) {
  return (struct poller *)watch_of(env, info, argument != NULL ? 2 : 0, argument);
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

/* createPoller(onReady): onReady(bits) runs on the loop, ticks and promise callbacks after it. */
static napi_value create_poller(napi_env env, napi_callback_info info) {
  napi_value callback, object;
  if (!get_arguments(env, info, 1, &callback, NULL)) return NULL;
  struct poller *poller = calloc(1, sizeof *poller);
  if (poller == NULL) return throw_error(env, ENOMEM, "no memory for a poller");
  poller->watch = (struct watch){.shared = {1, poller_destroy}, .take = take, .give_up = close_descriptors};
  int result = open_descriptors(poller);
  if (result != 0) throw_error(env, -result, "cannot make a poller: %s", strerror(-result));
  if (result == 0)
    result = watch_open(env, &poller->watch, poller->epoll_fd, UV_READABLE, callback, "weft:poller");
  if (result != 0) {
    close_descriptors(&poller->watch);
    free(poller);
    return NULL;
  }
  struct shared *self = &poller->watch.shared;
  bool built = napi_create_object(env, &object) == napi_ok && add_method(env, object, "add", add, self) &&
               add_method(env, object, "remove", remove_fd, self) && add_method(env, object, "arm", arm, self) &&
               add_method(env, object, "disarm", disarm, self) && add_method(env, object, "wake", wake, self) &&
               add_method(env, object, "poll", poll_now, self) && watch_methods(env, object, &poller->watch) &&
               set_integer(env, object, "wakeFd", poller->wake_fd);
  if (!built) {
    watch_close(&poller->watch);
    return throw_error(env, ENOMEM, "cannot build the poller object");
  }
  return object;
}

bool poller_exports(napi_env env, napi_value exports) {
  return add_function(env, exports, "createPoller", create_poller);
}
