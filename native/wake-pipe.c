/* Wake-ups between processes. A pipe and not an eventfd: both holders of an eventfd share one open file, so the other
 * process could clear its O_NONBLOCK, fill its counter and have our write block for ever. The ends of a pipe are two
 * files, and a process passes on only the end that it does not use. A wake-up costs the same. */
#include "common.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Of the pipe: one page, which one read empties. */
#define PIPE_BYTES 4096
/* What signal writes: eventfds want eight bytes. */
static const uint64_t ONE = 1;

/* createWakePipe(): { waitFd, signalFd } */
static napi_value create_wake_pipe(napi_env env, napi_callback_info info) {
  napi_value result;
  int ends[2];
  (void)info;
  if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) {
    int err = errno;
    return throw_error(env, err, "cannot make a pipe: %s", strerror(err));
  }
  fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* memory only: a larger pipe does as well */
  if (fd_own(env, ends[0], FD_WAIT) < 0 || fd_own(env, ends[1], FD_SIGNAL) < 0) {
    fd_forget(ends[0]);
    close(ends[0]);
    close(ends[1]);
    return throw_error(env, EMFILE, "too many open descriptors");
  }
  if (napi_create_object(env, &result) == napi_ok && set_integer(env, result, "waitFd", ends[0]) &&
      set_integer(env, result, "signalFd", ends[1]))
    return result;
  return NULL;
}

/* signal(fd): wakes who sleeps at the other end of a wake pipe, or the poller with that wakeFd. Any thread. */
static napi_value signal_fd(napi_env env, napi_callback_info info) {
  napi_value argument;
  int64_t fd;
  if (!get_arguments(env, info, 1, &argument, NULL) || !to_integer(env, argument, "fd", 0, INT32_MAX, &fd)) return NULL;
  enum fd_kind kind = fd_kind_of((int)fd);
  if (kind != FD_WAKE && kind != FD_SIGNAL)
    return throw_error(env, EBADF, "fd %lld: neither a poller's nor the writing end of a wake pipe", (long long)fd);
  /* A full one wakes the sleeper anyway, and at a pipe that nobody holds any more nobody sleeps. Node ignores SIGPIPE. */
  ssize_t ignored = write((int)fd, &ONE, sizeof ONE);
  (void)ignored;
  return NULL;
}

/* drain(fd): wake-ups taken, 0 when there was none, -EPIPE when nobody holds the writing end any more. */
static napi_value drain(napi_env env, napi_callback_info info) {
  napi_value argument, result;
  int64_t fd;
  char taken[PIPE_BYTES];
  if (!get_arguments(env, info, 1, &argument, NULL) || !to_integer(env, argument, "fd", 0, INT32_MAX, &fd)) return NULL;
  if (fd_kind_of((int)fd) != FD_WAIT)
    return throw_error(env, EBADF, "fd %lld: not the reading end of a wake pipe", (long long)fd);
  ssize_t bytes = read((int)fd, taken, sizeof taken);
  int64_t count = bytes > 0 ? (bytes + (ssize_t)sizeof ONE - 1) / (ssize_t)sizeof ONE : bytes == 0 ? -EPIPE : -errno;
  if (count == -EAGAIN) count = 0;
  if (napi_create_int64(env, count, &result) != napi_ok) return NULL;
  return result;
}

bool wake_pipe_exports(napi_env env, napi_value exports) {
  return add_function(env, exports, "createWakePipe", create_wake_pipe) &&
         add_function(env, exports, "signal", signal_fd) && add_function(env, exports, "drain", drain);
}
