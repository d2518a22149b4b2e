/* Shared by every facility of the addon: reference-counted state, the window, the table of open descriptors, argument
 * checks and errors. Everything here is called from the thread that runs JavaScript unless a comment says otherwise. */
#ifndef WEFT_COMMON_H
#define WEFT_COMMON_H

#include <node_api.h>
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* State behind JavaScript functions and buffers: each of them holds one reference, dropped by its finalizer. */
struct shared {
  int refs;
  void (*destroy)(struct shared *self);
};
void shared_retain(struct shared *self);
void shared_release(struct shared *self);
/* Finalizer with the signature of Node-API; data is a struct shared. */
void shared_finalize(napi_env env, void *data, void *hint);

/* Adds method `name` to `object`; the function owns a reference to `self` and gets it as its data pointer. */
bool add_method(napi_env env, napi_value object, const char *name, napi_callback callback, struct shared *self);

/* ---- errors -------------------------------------------------------------------------------------------------- */

/* Why an operation failed: an errno and one line for people. err 0 = no failure. */
struct failure {
  int err;
  char text[256];
};
/* Records the failure and returns -err, so that a caller can `return fail(...)`. Usable on any thread. */
int fail(struct failure *why, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Throws an Error with `code` (errno name) and `errno`; returns NULL, so that a callback can return it. */
napi_value throw_failure(napi_env env, const struct failure *why);
napi_value throw_error(napi_env env, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- arguments ----------------------------------------------------------------------------------------------- */

/* Each returns false after throwing. `what` names the argument in the message. */
bool get_arguments(napi_env env, napi_callback_info info, size_t wanted, napi_value *arguments, void **data);
bool to_integer(napi_env env, napi_value value, const char *what, int64_t min, int64_t max, int64_t *out);
bool to_text(napi_env env, napi_value value, const char *what, char *out, size_t room);
bool to_object(napi_env env, napi_value value, const char *what);
/* Named properties; an absent (undefined) one leaves *out as it is, or throws when `required`. */
bool option_integer(napi_env env, napi_value object, const char *key, bool required, int64_t min, int64_t max,
                    int64_t *out);
bool option_flag(napi_env env, napi_value object, const char *key, bool *out);
bool option_text(napi_env env, napi_value object, const char *key, bool required, char *out, size_t room);
/* A Uint8Array of at most `room` bytes; *length is 0 when absent. */
bool option_bytes(napi_env env, napi_value object, const char *key, bool required, uint8_t *out, size_t room,
                  size_t *length);
/* A list; *present tells whether it was given. */
bool option_list(napi_env env, napi_value object, const char *key, napi_value *out, uint32_t *length);
/* A required interface name: 1 to 15 characters, as the kernel accepts them, no template. */
bool option_interface(napi_env env, napi_value object, const char *key, char out[IFNAMSIZ]);

bool set_integer(napi_env env, napi_value object, const char *key, int64_t value);
bool set_flag(napi_env env, napi_value object, const char *key, bool flag);
bool set_text(napi_env env, napi_value object, const char *key, const char *value);
bool set_bytes(napi_env env, napi_value object, const char *key, const void *bytes, size_t length);

/* ---- descriptors --------------------------------------------------------------------------------------------- */

/* What a descriptor of ours is. The bursts and closeFd only touch descriptors recorded here. Any thread. */
enum fd_kind { FD_NONE = 0, FD_TAP, FD_PACKET, FD_MEMORY, FD_WAKE, FD_LISTENER, FD_SOCKET, FD_WAIT, FD_SIGNAL };
/* Records fd and returns it, or -EMFILE when the number is too large for the table. */
int fd_record(int fd, enum fd_kind kind);
/* The same, and the descriptor is closed when the environment ends, unless it was closed before. */
int fd_own(napi_env env, int fd, enum fd_kind kind);
enum fd_kind fd_kind_of(int fd);
void fd_forget(int fd);
/* A descriptor has one watch at a time, and is not closed under it: false when it has one already. */
bool fd_watch(int fd);
void fd_unwatch(int fd);

/* ---- the event loop ------------------------------------------------------------------------------------------ */

/* A descriptor on the event loop and the JavaScript function that hears of it. First member of what it belongs to. */
struct watch {
  struct shared shared;
  napi_env env;
  napi_ref on_ready;
  napi_async_context context;
  napi_async_cleanup_hook_handle cleanup;
  uv_poll_t poll;
  bool closing;
  /* Bits for onReady from libuv's status and events; 0 = there is nothing to tell. */
  int (*take)(struct watch *watch, int status, int events);
  /* Gives up the descriptors; the loop does not look at them any more. */
  void (*give_up)(struct watch *watch);
};
/* Registers the watch, of one reference, and starts it. Returns 0; or throws, -errno, and nothing is left to undo. */
int watch_open(napi_env env, struct watch *watch, int fd, int events, napi_value on_ready, const char *label);
void watch_close(struct watch *watch);
/* The watch behind a method, with `count` arguments; NULL after throwing when it is closed. */
struct watch *watch_of(napi_env env, napi_callback_info info, size_t count, napi_value *arguments);
/* Adds the methods ref, unref and close. */
bool watch_methods(napi_env env, napi_value object, struct watch *watch);

/* ---- the window ---------------------------------------------------------------------------------------------- */

#define WINDOW_MAX_BYTES ((int64_t)1 << 31)
#define WINDOW_MAX_RANGES 256
#define WINDOW_MAX_RINGS 64
#define MAILBOX_BYTES 65536
#define STAGING_BYTES 131072

struct range {
  int64_t start, end;
};

/* A packet socket whose receive ring is mapped inside the window. */
struct ring {
  int fd;
  int64_t offset, bytes;
};

/* One reserved address range and the ArrayBuffer over it. Offsets are bytes from `base`. */
struct window {
  struct shared shared;
  uint8_t *base;
  int64_t bytes;        /* what JavaScript sees */
  int64_t mapped_bytes; /* whole pages */
  int64_t page_bytes;
  int64_t mailbox; /* offset, -1 before setMailbox */
  bool closed;
  int range_count; /* readable and writable parts, sorted, apart from each other */
  struct range ranges[WINDOW_MAX_RANGES];
  int ring_count;
  struct ring rings[WINDOW_MAX_RINGS];
  uint8_t *staging; /* where a frame goes for which no large slot is left; made at first use */
};

/* Whether [offset, offset + bytes) lies inside committed parts. */
bool window_usable(const struct window *window, int64_t offset, int64_t bytes);
/* Records a part that has become readable and writable; -ENOSPC when there are too many separate parts. */
int window_add_range(struct window *window, int64_t offset, int64_t bytes);
/* Puts zero pages in place of whatever is mapped there: afterwards the range can be read and written, never faults. */
int window_zero(struct window *window, int64_t offset, int64_t bytes);
/* Throws unless the range is page-aligned, inside the window and the window open. */
bool window_check_pages(napi_env env, const struct window *window, int64_t offset, int64_t bytes);

/* ---- network namespaces -------------------------------------------------------------------------------------- */

#define NETNS_NAME_BYTES 256

/* `name` option: a namespace under /run/netns; "" (absent) is the one this process lives in. */
bool option_netns(napi_env env, napi_value object, const char *key, char out[NETNS_NAME_BYTES]);
/* Runs work(argument, why) on a short-lived thread inside the namespace. `created` NULL: it must exist; otherwise it is
 * made when missing and *created tells so (and it is removed again when the work fails). Returns 0 or -errno. */
int netns_run(const char *name, bool *created, int (*work)(void *argument, struct failure *why), void *argument,
              struct failure *why);
/* Opens the namespace; returns a descriptor or -errno. Any thread. */
int netns_open(const char *name, struct failure *why);
int netns_remove(const char *name, struct failure *why);

/* ---- what each facility exports ------------------------------------------------------------------------------ */

bool memory_exports(napi_env env, napi_value exports);
bool netns_exports(napi_env env, napi_value exports);
bool netlink_exports(napi_env env, napi_value exports);
bool tap_exports(napi_env env, napi_value exports);
bool watch_exports(napi_env env, napi_value exports);
bool poller_exports(napi_env env, napi_value exports);
bool wake_pipe_exports(napi_env env, napi_value exports);
bool fd_passing_exports(napi_env env, napi_value exports);
bool add_function(napi_env env, napi_value exports, const char *name, napi_callback callback);

/* Methods of the window object that live in other files. */
napi_value packet_ring_open(napi_env env, napi_callback_info info);
napi_value packet_ring_close(napi_env env, napi_callback_info info);
napi_value burst_receive(napi_env env, napi_callback_info info);
napi_value burst_transmit(napi_env env, napi_callback_info info);
napi_value tls_engine_create(napi_env env, napi_callback_info info);

#endif
