/* Unix SOCK_SEQPACKET sockets that carry messages with descriptors (SCM_RIGHTS) and tell who is at the other end
 * (SO_PEERCRED). Nothing blocks; what the other process does wrong is a negative errno and no exception. */
#include "common.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Descriptors of one message. */
#define PASSED_MAX 8
#define BACKLOG 64

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

/* ---- addresses ---- */

struct address {
  struct sockaddr_un un;
  socklen_t length;
  char text[sizeof ((struct sockaddr_un *)0)->sun_path + 1]; /* as given */
};

static bool is_abstract(const struct address *address) { return address->text[0] == '@'; }

/* A path, or "@name" for a name that is in no file system (unix(7), abstract). */
static bool to_address(napi_env env, napi_value value, struct address *out) {
  memset(out, 0, sizeof *out);
  /* sun_path need not end in a zero byte, but programs that list sockets like to see one. */
  if (!to_text(env, value, "path", out->text, sizeof out->un.sun_path)) return false;
  size_t length = strlen(out->text);
  if (length == 0 || (length == 1 && is_abstract(out))) {
    throw_error(env, EINVAL, "path: empty");
    return false;
  }
  out->un.sun_family = AF_UNIX;
  memcpy(out->un.sun_path, out->text, length);
  out->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
  if (is_abstract(out)) out->un.sun_path[0] = '\0';
  else out->length++;
  return true;
}

static int new_socket(void) { return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

/* ---- listening ---- */

/* Whether the path is a socket's whose process is gone. */
static bool is_stale(const struct address *address) {
  struct stat status;
  if (lstat(address->text, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  int probe = new_socket();
  bool refused = probe >= 0 && connect(probe, (const struct sockaddr *)&address->un, address->length) != 0 &&
                 errno == ECONNREFUSED;
  if (probe >= 0) close(probe);
  return refused;
}

/* 0 or -errno. */
static int bind_listener(int fd, const struct address *address, mode_t mode) {
  const struct sockaddr *name = (const struct sockaddr *)&address->un;
  struct stat status;
  int off = 0;
  /* A bound file gets the mode of the socket less the umask: never, not even for a moment, more than was asked for. */
  if (fchmod(fd, mode) != 0) return -errno;
  if (bind(fd, name, address->length) != 0) {
    if (errno != EADDRINUSE || is_abstract(address) || !is_stale(address)) return -errno;
    if (unlink(address->text) != 0 || bind(fd, name, address->length) != 0) return -errno;
  }
  /* Nobody passes a listener descriptors: their last close may be ours, and lasts as long as their maker likes
   * (SO_LINGER). An older kernel does not know the option: there receive without a list drops them. */
  setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
  int result = listen(fd, BACKLOG) == 0 ? 0 : -errno;
  if (is_abstract(address)) return result;
  if (result == 0 && (lstat(address->text, &status) != 0 ||
                      ((status.st_mode & 0777) != mode &&
                       fchmodat(AT_FDCWD, address->text, mode, AT_SYMLINK_NOFOLLOW) != 0)))
    result = -errno;
  if (result != 0) unlink(address->text);
  return result;
}

/* listenSeqpacket(path, mode): a listening socket. */
static napi_value listen_at(napi_env env, napi_callback_info info) {
  napi_value arguments[2], result;
  struct address address;
  int64_t mode;
  if (!get_arguments(env, info, 2, arguments, NULL) || !to_address(env, arguments[0], &address) ||
      !to_integer(env, arguments[1], "mode", 0, 0777, &mode))
    return NULL;
  int fd = new_socket();
  int err = fd < 0 ? errno : -bind_listener(fd, &address, (mode_t)mode);
  if (err == 0 && fd_own(env, fd, FD_LISTENER) < 0) {
    if (!is_abstract(&address)) unlink(address.text);
    err = EMFILE;
  }
  if (err != 0) {
    if (fd >= 0) close(fd);
    return throw_error(env, err, "cannot listen at %s: %s", address.text, strerror(err));
  }
  if (napi_create_int32(env, fd, &result) != napi_ok) return NULL;
  return result;
}

/* ---- connections ---- */

/* Records the socket and tells who is at its other end; 0, or -errno and it is closed. */
static int own_socket(napi_env env, int fd, struct ucred *peer) {
  socklen_t length = sizeof *peer;
  int result = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &length) != 0 ? -errno : 0;
  if (result == 0 && fd_own(env, fd, FD_SOCKET) < 0) result = -EMFILE;
  if (result != 0) close(fd);
  return result;
}

/* { fd, uid, gid, pid } */
static napi_value peer_socket(napi_env env, int fd, const struct ucred *peer) {
  napi_value result;
  if (napi_create_object(env, &result) == napi_ok && set_integer(env, result, "fd", fd) &&
      set_integer(env, result, "uid", peer->uid) && set_integer(env, result, "gid", peer->gid) &&
      set_integer(env, result, "pid", peer->pid))
    return result;
  return NULL;
}

/* connectSeqpacket(path): { fd, uid, gid, pid }, of the process that listened. */
static napi_value connect_to(napi_env env, napi_callback_info info) {
  napi_value argument;
  struct address address;
  struct ucred peer;
  if (!get_arguments(env, info, 1, &argument, NULL) || !to_address(env, argument, &address)) return NULL;
  int fd = new_socket();
  int err = fd < 0 ? errno : 0;
  if (err == 0 && connect(fd, (const struct sockaddr *)&address.un, address.length) != 0) {
    err = errno;
    close(fd);
  }
  if (err == 0) err = -own_socket(env, fd, &peer);
  if (err != 0) return throw_error(env, err, "cannot connect to %s: %s", address.text, strerror(err));
  return peer_socket(env, fd, &peer);
}

static napi_value number(napi_env env, int64_t value) {
  napi_value result;
  return napi_create_int64(env, value, &result) == napi_ok ? result : NULL;
}

/* Reads a descriptor of the wanted kind; false after throwing. */
static bool to_fd(napi_env env, napi_value value, enum fd_kind kind, const char *kind_text, int *out) {
  int64_t fd;
  if (!to_integer(env, value, "fd", 0, INT32_MAX, &fd)) return false;
  if (fd_kind_of((int)fd) != kind) {
    throw_error(env, EBADF, "fd %lld: not a %s of this addon", (long long)fd, kind_text);
    return false;
  }
  *out = (int)fd;
  return true;
}

/* acceptSeqpacket(fd): { fd, uid, gid, pid } of who connected, or a negative errno: -EAGAIN when nobody waits. */
static napi_value accept_one(napi_env env, napi_callback_info info) {
  napi_value argument;
  struct ucred peer;
  int fd;
  if (!get_arguments(env, info, 1, &argument, NULL) || !to_fd(env, argument, FD_LISTENER, "listening socket", &fd))
    return NULL;
  int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  int result = accepted < 0 ? -errno : own_socket(env, accepted, &peer);
  return result < 0 ? number(env, result) : peer_socket(env, accepted, &peer);
}

/* ---- messages ---- */

static bool is_passable(enum fd_kind kind) { return kind == FD_MEMORY || kind == FD_WAIT || kind == FD_SIGNAL; }

static bool to_passable(napi_env env, napi_value value, int *out) {
  int64_t fd;
  if (!to_integer(env, value, "fd", 0, INT32_MAX, &fd)) return false;
  if (!is_passable(fd_kind_of((int)fd))) {
    throw_error(env, EBADF, "fd %lld: neither a memfd nor an end of a wake pipe of this addon", (long long)fd);
    return false;
  }
  *out = (int)fd;
  return true;
}

/* The elements of a typed array; false after throwing. No JavaScript may run between this and their use. */
static bool to_elements(napi_env env, napi_value value, const char *what, napi_typedarray_type type, size_t min,
                        void **elements, size_t *length) {
  bool is_view = false;
  napi_typedarray_type got;
  if (napi_is_typedarray(env, value, &is_view) == napi_ok && is_view &&
      napi_get_typedarray_info(env, value, &got, length, elements, NULL, NULL) == napi_ok && got == type &&
      *length >= min)
    return true;
  throw_error(env, EINVAL, "%s: not %s of %zu elements or more", what,
              type == napi_uint8_array ? "a Uint8Array" : "an Int32Array", min);
  return false;
}

union control {
  char space[CMSG_SPACE(PASSED_MAX * sizeof(int))];
  struct cmsghdr aligned;
};

/* sendMessage(fd, bytes, fds?): bytes sent, or a negative errno: -EAGAIN when there is no room now. */
static napi_value send_message(napi_env env, napi_callback_info info) {
  napi_value arguments[3], element;
  int fd, passed[PASSED_MAX];
  bool is_list = false;
  napi_valuetype type;
  uint32_t count = 0;
  struct iovec part = {0};
  union control control = {0};
  if (!get_arguments(env, info, 3, arguments, NULL) || !to_fd(env, arguments[0], FD_SOCKET, "connected socket", &fd) ||
      napi_typeof(env, arguments[2], &type) != napi_ok)
    return NULL;
  if (type != napi_undefined &&
      (napi_is_array(env, arguments[2], &is_list) != napi_ok || !is_list ||
       napi_get_array_length(env, arguments[2], &count) != napi_ok || count > PASSED_MAX))
    return throw_error(env, EINVAL, "fds: not an array of at most %d", PASSED_MAX);
  for (uint32_t i = 0; i < count; i++)
    if (napi_get_element(env, arguments[2], i, &element) != napi_ok || !to_passable(env, element, &passed[i]))
      return NULL;
  if (!to_elements(env, arguments[1], "bytes", napi_uint8_array, 1, &part.iov_base, &part.iov_len)) return NULL;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = control.space;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(rights), passed, count * sizeof(int));
  }
  ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  return number(env, sent < 0 ? -errno : sent);
}

/* What came, judged by the open file alone: a memfd that cannot shrink, or one end of a pipe. Nothing else is taken. */
static enum fd_kind kind_of_received(int fd) {
  int seals = fcntl(fd, F_GET_SEALS);
  if (seals >= 0) return (seals & F_SEAL_SHRINK) != 0 ? FD_MEMORY : FD_NONE;
  if (fcntl(fd, F_GETPIPE_SZ) < 0) return FD_NONE;
  int access = fcntl(fd, F_GETFL) & O_ACCMODE;
  return access == O_RDONLY ? FD_WAIT : access == O_WRONLY ? FD_SIGNAL : FD_NONE;
}

/* Descriptors of the message; the kernel has put no more of them into the control buffer than fit. */
static int received_fds(struct msghdr *message, int fds[PASSED_MAX]) {
  int count = 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    int here = (int)((part->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    for (int i = 0; i < here && count < PASSED_MAX; i++)
      memcpy(&fds[count++], CMSG_DATA(part) + (size_t)i * sizeof(int), sizeof(int));
  }
  return count;
}

/* Records all of them, or closes all of them and returns false. */
static bool own_received(napi_env env, const int *fds, int count, bool is_good) {
  for (int i = 0; i < count && is_good; i++) {
    enum fd_kind kind = kind_of_received(fds[i]);
    is_good = kind != FD_NONE && fd_own(env, fds[i], kind) >= 0;
  }
  for (int i = 0; i < count && !is_good; i++) {
    fd_forget(fds[i]);
    close(fds[i]);
  }
  return is_good;
}

/* receiveMessage(fd, bytes, fds?): bytes of the message, 0 at the end of the stream, or a negative errno: -EAGAIN when
 * nothing is there, -EBADMSG for a message that is longer than `bytes` or whose descriptors are too many or not what we
 * take. `fds` gets its descriptors, then -1; without it a message with descriptors is bad, and the kernel drops them. */
static napi_value receive_message(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  int fd, passed[PASSED_MAX];
  napi_valuetype type;
  struct iovec part = {0};
  void *list = NULL;
  size_t room;
  union control control;
  if (!get_arguments(env, info, 3, arguments, NULL) || !to_fd(env, arguments[0], FD_SOCKET, "connected socket", &fd) ||
      napi_typeof(env, arguments[2], &type) != napi_ok ||
      (type != napi_undefined && !to_elements(env, arguments[2], "fds", napi_int32_array, PASSED_MAX, &list, &room)) ||
      !to_elements(env, arguments[1], "bytes", napi_uint8_array, 1, &part.iov_base, &part.iov_len))
    return NULL;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (list != NULL) {
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
  }
  ssize_t bytes = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (bytes < 0) return number(env, -errno);
  int count = list != NULL ? received_fds(&message, passed) : 0;
  bool is_good = (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && (bytes > 0 || count == 0);
  if (!own_received(env, passed, count, is_good)) return number(env, -EBADMSG);
  for (int i = 0; i < PASSED_MAX && list != NULL; i++) ((int32_t *)list)[i] = i < count ? passed[i] : -1;
  return number(env, bytes);
}

/* duplicateFd(fd): another number for the same memfd or end of a pipe, or a negative errno. */
static napi_value duplicate_fd(napi_env env, napi_callback_info info) {
  napi_value argument;
  int fd;
  if (!get_arguments(env, info, 1, &argument, NULL) || !to_passable(env, argument, &fd)) return NULL;
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return number(env, -errno);
  int result = fd_own(env, copy, fd_kind_of(fd));
  if (result < 0) close(copy);
  return number(env, result);
}

bool fd_passing_exports(napi_env env, napi_value exports) {
  return add_function(env, exports, "listenSeqpacket", listen_at) &&
         add_function(env, exports, "acceptSeqpacket", accept_one) &&
         add_function(env, exports, "connectSeqpacket", connect_to) &&
         add_function(env, exports, "sendMessage", send_message) &&
         add_function(env, exports, "receiveMessage", receive_message) &&
         add_function(env, exports, "duplicateFd", duplicate_fd);
}
