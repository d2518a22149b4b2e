/* The memory window: an address range reserved once, wrapped once in an ArrayBuffer, filled part by part with committed
 * memory, memfds and packet rings that never move. Also memfds, which other processes can map. */
#include "common.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Huge pages need ranges aligned to their size. */
#define ALIGN_BYTES ((int64_t)2 << 20)

bool window_usable(const struct window *window, int64_t offset, int64_t bytes) {
  if (offset < 0 || bytes < 0 || window->closed) return false;
  for (int i = 0; i < window->range_count; i++) {
    const struct range *range = &window->ranges[i];
    if (offset >= range->start && offset < range->end) return bytes <= range->end - offset;
  }
  return false;
}

int window_add_range(struct window *window, int64_t offset, int64_t bytes) {
  struct range merged = {offset, offset + bytes};
  struct range kept[WINDOW_MAX_RANGES + 1];
  int count = 0;
  bool placed = false;
  for (int i = 0; i < window->range_count; i++) {
    struct range range = window->ranges[i];
    if (range.end >= merged.start && range.start <= merged.end) {
      if (range.start < merged.start) merged.start = range.start;
      if (range.end > merged.end) merged.end = range.end;
      continue;
    }
    if (!placed && range.start > merged.end) {
      kept[count++] = merged;
      placed = true;
    }
    kept[count++] = range;
  }
  if (!placed) kept[count++] = merged;
  if (count > WINDOW_MAX_RANGES) return -ENOSPC;
  memcpy(window->ranges, kept, (size_t)count * sizeof kept[0]);
  window->range_count = count;
  return 0;
}

int window_zero(struct window *window, int64_t offset, int64_t bytes) {
  void *place = mmap(window->base + offset, (size_t)bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return place == MAP_FAILED ? -errno : 0;
}

bool window_check_pages(napi_env env, const struct window *window, int64_t offset, int64_t bytes) {
  if (window->closed) {
    throw_error(env, EBADF, "the window is closed");
    return false;
  }
  if (offset % window->page_bytes != 0 || bytes % window->page_bytes != 0) {
    throw_error(env, EINVAL, "offset and bytes must be multiples of the page size, %lld", (long long)window->page_bytes);
    return false;
  }
  if (bytes > window->mapped_bytes - offset) {
    throw_error(env, ERANGE, "offset %lld and bytes %lld reach past the window of %lld bytes", (long long)offset,
                (long long)bytes, (long long)window->bytes);
    return false;
  }
  return true;
}

static void close_rings(struct window *window) {
  for (int i = 0; i < window->ring_count; i++) {
    fd_forget(window->rings[i].fd);
    close(window->rings[i].fd);
  }
  window->ring_count = 0;
}

/* The last function and the ArrayBuffer are gone: nobody can reach the memory any more. */
static void window_destroy(struct shared *self) {
  struct window *window = (struct window *)self;
  munmap(window->base, (size_t)window->mapped_bytes);
  close_rings(window);
  free(window->staging);
  free(window);
}

static void buffer_finalize(napi_env env, void *data, void *hint) {
  (void)data;
  shared_finalize(env, hint, NULL);
}

/* Reads (offset, bytes) from the first two arguments and checks them against the window. */
static bool read_range(napi_env env, const struct window *window, napi_value *arguments, int64_t *offset,
                       int64_t *bytes) {
  if (!to_integer(env, arguments[0], "offset", 0, window->bytes, offset) ||
      !to_integer(env, arguments[1], "bytes", 1, window->bytes, bytes))
    return false;
  if (window->closed) {
    throw_error(env, EBADF, "the window is closed");
    return false;
  }
  if (*bytes > window->bytes - *offset) {
    throw_error(env, ERANGE, "offset %lld and bytes %lld reach past the window of %lld bytes", (long long)*offset,
                (long long)*bytes, (long long)window->bytes);
    return false;
  }
  return true;
}

/* commit(offset, bytes, hugePages?): makes whole pages around the range readable and writable. */
static napi_value window_commit(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  void *data;
  int64_t offset, bytes;
  if (!get_arguments(env, info, 3, arguments, &data)) return NULL;
  struct window *window = data;
  if (!read_range(env, window, arguments, &offset, &bytes)) return NULL;
  bool huge = false;
  napi_get_value_bool(env, arguments[2], &huge); /* anything but a boolean leaves it false */
  int64_t start = offset - offset % window->page_bytes;
  int64_t end = (offset + bytes + window->page_bytes - 1) / window->page_bytes * window->page_bytes;
  if (mprotect(window->base + start, (size_t)(end - start), PROT_READ | PROT_WRITE) != 0) {
    int err = errno;
    return throw_error(env, err, "cannot commit %lld bytes of memory: %s", (long long)bytes, strerror(err));
  }
  /* Advice only: a kernel without transparent huge pages refuses it and nothing is lost. */
  if (huge) madvise(window->base + start, (size_t)(end - start), MADV_HUGEPAGE);
  if (window_add_range(window, start, end - start) != 0)
    return throw_error(env, ENOSPC, "more than %d separate committed ranges", WINDOW_MAX_RANGES);
  return NULL;
}

/* touch(offset, bytes): faults every page in now, so that no packet pays for it. */
static napi_value window_touch(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *data;
  int64_t offset, bytes;
  if (!get_arguments(env, info, 2, arguments, &data)) return NULL;
  struct window *window = data;
  if (!read_range(env, window, arguments, &offset, &bytes)) return NULL;
  if (!window_usable(window, offset, bytes)) return throw_error(env, EFAULT, "the range is not committed");
  int64_t page = window->page_bytes;
  for (int64_t at = offset - offset % page; at < offset + bytes; at += page)
    __atomic_fetch_add(window->base + at, 0, __ATOMIC_RELAXED); /* a write that changes nothing, even in shared memory */
  return NULL;
}

/* mapMemfd(fd, offset, bytes): maps the file's first bytes there, shared. */
static napi_value window_map_memfd(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  void *data;
  int64_t fd, offset, bytes;
  struct stat status;
  if (!get_arguments(env, info, 3, arguments, &data)) return NULL;
  struct window *window = data;
  if (!to_integer(env, arguments[0], "fd", 0, INT32_MAX, &fd) ||
      !read_range(env, window, arguments + 1, &offset, &bytes) || !window_check_pages(env, window, offset, bytes))
    return NULL;
  /* A file that its owner can still shrink would turn a later access into SIGBUS. */
  int seals = fcntl((int)fd, F_GET_SEALS);
  if (seals < 0 || fstat((int)fd, &status) != 0) return throw_error(env, EBADF, "fd %lld: not a memfd", (long long)fd);
  if ((seals & F_SEAL_SHRINK) == 0) return throw_error(env, EPERM, "fd %lld: not sealed against shrinking", (long long)fd);
  if (status.st_size < bytes)
    return throw_error(env, ERANGE, "fd %lld: holds %lld bytes, %lld wanted", (long long)fd,
                       (long long)status.st_size, (long long)bytes);
  if (mmap(window->base + offset, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, (int)fd, 0) ==
      MAP_FAILED) {
    int err = errno;
    return throw_error(env, err, "cannot map fd %lld into the window: %s", (long long)fd, strerror(err));
  }
  if (window_add_range(window, offset, bytes) != 0)
    return throw_error(env, ENOSPC, "more than %d separate committed ranges", WINDOW_MAX_RANGES);
  return NULL;
}

/* release(offset, bytes): gives the memory back; the range reads as zero from then on and stays usable. */
static napi_value window_release(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  void *data;
  int64_t offset, bytes;
  if (!get_arguments(env, info, 2, arguments, &data)) return NULL;
  struct window *window = data;
  if (!read_range(env, window, arguments, &offset, &bytes) || !window_check_pages(env, window, offset, bytes))
    return NULL;
  for (int i = 0; i < window->ring_count; i++)
    if (offset < window->rings[i].offset + window->rings[i].bytes && window->rings[i].offset < offset + bytes)
      return throw_error(env, EBUSY, "the range holds a packet ring; use closePacketRing");
  int result = window_zero(window, offset, bytes);
  if (result == 0) result = window_add_range(window, offset, bytes);
  if (result != 0) return throw_error(env, -result, "cannot release memory: %s", strerror(-result));
  return NULL;
}

/* setMailbox(offset): 64 KiB of the window through which bursts get their parameters and give their results. */
static napi_value window_set_mailbox(napi_env env, napi_callback_info info) {
  napi_value argument;
  void *data;
  int64_t offset;
  if (!get_arguments(env, info, 1, &argument, &data)) return NULL;
  struct window *window = data;
  if (!to_integer(env, argument, "offset", 0, window->bytes, &offset)) return NULL;
  if (offset % 64 != 0) return throw_error(env, EINVAL, "the mailbox must be aligned to 64 bytes");
  if (!window_usable(window, offset, MAILBOX_BYTES))
    return throw_error(env, EFAULT, "the mailbox's %d bytes are not committed", MAILBOX_BYTES);
  window->mailbox = offset;
  return NULL;
}

/* close(): drops all memory and rings. Zero pages take their place, so that views that JavaScript still holds read zero
 * instead of faulting. (Detaching the buffer would slow every typed array of the process down: V8 then checks for
 * detached buffers at each access.) The address range itself goes when the ArrayBuffer is collected. */
static napi_value window_close(napi_env env, napi_callback_info info) {
  void *data;
  if (!get_arguments(env, info, 0, NULL, &data)) return NULL;
  struct window *window = data;
  if (window->closed) return NULL;
  int result = window_zero(window, 0, window->mapped_bytes);
  if (result != 0) return throw_error(env, -result, "cannot close the window: %s", strerror(-result));
  close_rings(window);
  window->closed = true;
  return NULL;
}

/* Reserves bytes of address space, aligned for huge pages; nothing is readable yet. */
static uint8_t *reserve_addresses(int64_t bytes) {
  size_t roomy = (size_t)(bytes + ALIGN_BYTES);
  uint8_t *start = mmap(NULL, roomy, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) return NULL;
  uint8_t *aligned = (uint8_t *)(((uintptr_t)start + (uintptr_t)ALIGN_BYTES - 1) & ~((uintptr_t)ALIGN_BYTES - 1));
  if (aligned > start) munmap(start, (size_t)(aligned - start));
  size_t rest = roomy - (size_t)(aligned - start) - (size_t)bytes;
  if (rest > 0) munmap(aligned + bytes, rest);
  return aligned;
}

/* createWindow(bytes): the window object. */
static napi_value create_window(napi_env env, napi_callback_info info) {
  napi_value argument, object, buffer;
  int64_t bytes;
  if (!get_arguments(env, info, 1, &argument, NULL) ||
      !to_integer(env, argument, "bytes", 1, WINDOW_MAX_BYTES, &bytes))
    return NULL;
  struct window *window = calloc(1, sizeof *window);
  if (window == NULL) return throw_error(env, ENOMEM, "no memory for a window");
  window->shared = (struct shared){1, window_destroy};
  window->page_bytes = sysconf(_SC_PAGESIZE);
  window->bytes = bytes;
  window->mapped_bytes = (bytes + window->page_bytes - 1) / window->page_bytes * window->page_bytes;
  window->mailbox = -1;
  window->base = reserve_addresses(window->mapped_bytes);
  if (window->base == NULL) {
    free(window);
    return throw_error(env, ENOMEM, "cannot reserve %lld bytes of address space", (long long)bytes);
  }
  bool built = napi_create_object(env, &object) == napi_ok;
  shared_retain(&window->shared); /* for the ArrayBuffer */
  if (!built || napi_create_external_arraybuffer(env, window->base, (size_t)bytes, buffer_finalize, &window->shared,
                                                 &buffer) != napi_ok) {
    shared_release(&window->shared);
    built = false;
  }
  built = built && napi_set_named_property(env, object, "buffer", buffer) == napi_ok &&
          add_method(env, object, "commit", window_commit, &window->shared) &&
          add_method(env, object, "touch", window_touch, &window->shared) &&
          add_method(env, object, "mapMemfd", window_map_memfd, &window->shared) &&
          add_method(env, object, "release", window_release, &window->shared) &&
          add_method(env, object, "setMailbox", window_set_mailbox, &window->shared) &&
          add_method(env, object, "openPacketRing", packet_ring_open, &window->shared) &&
          add_method(env, object, "closePacketRing", packet_ring_close, &window->shared) &&
          add_method(env, object, "rxBurst", burst_receive, &window->shared) &&
          add_method(env, object, "txBurst", burst_transmit, &window->shared) &&
          add_method(env, object, "createTlsEngine", tls_engine_create, &window->shared) &&
          add_method(env, object, "close", window_close, &window->shared);
  shared_release(&window->shared); /* the functions and the buffer hold it now */
  if (!built) return throw_error(env, ENOMEM, "cannot build the window object");
  return object;
}

/* createMemfd(name, bytes): a file in memory that other processes can map, sealed against shrinking. */
static napi_value create_memfd(napi_env env, napi_callback_info info) {
  napi_value arguments[2], result;
  char name[240];
  int64_t bytes;
  if (!get_arguments(env, info, 2, arguments, NULL) || !to_text(env, arguments[0], "name", name, sizeof name) ||
      !to_integer(env, arguments[1], "bytes", 1, WINDOW_MAX_BYTES, &bytes))
    return NULL;
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0 || ftruncate(fd, bytes) != 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0) {
    int err = errno;
    if (fd >= 0) close(fd);
    return throw_error(env, err, "cannot make a memfd of %lld bytes: %s", (long long)bytes, strerror(err));
  }
  if (fd_own(env, fd, FD_MEMORY) < 0) {
    close(fd);
    return throw_error(env, EMFILE, "too many open descriptors");
  }
  if (napi_create_int32(env, fd, &result) != napi_ok) return NULL;
  return result;
}

bool memory_exports(napi_env env, napi_value exports) {
  return add_function(env, exports, "createWindow", create_window) &&
         add_function(env, exports, "createMemfd", create_memfd);
}
