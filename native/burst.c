/* Bursts of frames between a TAP or packet socket and the window: one crossing per burst, no arguments, parameters and
 * results in the mailbox (words of 32 bits, host order). Layout, in words; the reader of the mailbox is native-window.ts:
 *
 *   receive, in:  0 fd, 1 most frames (<= 256), 2 small slots, 3 bytes of a small slot, 4 large slots, 5 bytes of a large one
 *                 16.. offsets of the small slots (<= 256), 272.. offsets of the large slots (<= 64)
 *   receive, out: 1024 + 8 * i: offset, length, 1 when in a large slot, vnet flags, gso type, gso size, checksum start,
 *                 checksum offset.  10 frames skipped (empty, or larger than the slots left), 11 errno of a failed read
 *   transmit, in: 0 fd, 1 packets (<= 256)
 *                 4096 + 16 * i: vnet flags, gso type, gso size, header length, checksum start, checksum offset,
 *                 then five pairs (offset, length), length 0 = unused
 *   transmit, out: 8 packets skipped because the kernel refused them, 9 errno of the last refusal
 *
 * Slots are used in the order given: a frame that fits takes the next small slot, any other the next large one. The burst
 * ends when either kind is used up. Only where none of a kind was given does the other stand in: small frames go into large
 * slots; frames for which no large slot was given and that no small one holds are skipped, so that a pool short of large
 * slots does not block the small frames behind. */
#include "common.h"

#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  BURST_FRAMES = 256,
  LARGE_SLOTS = 64,
  RX_SMALL = 16,
  RX_LARGE = 272,
  RX_SKIPPED = 10,
  RX_ERRNO = 11,
  RX_OUT = 1024,
  RX_WORDS = 8,
  TX_SKIPPED = 8,
  TX_ERRNO = 9,
  TX_IN = 4096,
  TX_WORDS = 16,
  TX_SPANS = 5,
};

struct vnet_header {
  uint8_t flags, gso_type;
  uint16_t hdr_len, gso_size, csum_start, csum_offset;
};
_Static_assert(sizeof(struct vnet_header) == sizeof(struct virtio_net_hdr), "virtio_net_hdr is 10 bytes");

/* Returns the number of frames, or -errno when nothing was read because of it. */
static int32_t receive(struct window *window) {
  if (window->closed || window->mailbox < 0) return -EBADF;
  int32_t *words = (int32_t *)(window->base + window->mailbox);
  int32_t fd = words[0], most = words[1], small_count = words[2], small_bytes = words[3];
  int32_t large_count = words[4], large_bytes = words[5];
  enum fd_kind kind = fd_kind_of(fd);
  if (kind != FD_TAP && kind != FD_PACKET) return -EBADF;
  if (most < 0 || most > BURST_FRAMES || small_count < 0 || small_count > BURST_FRAMES || large_count < 0 ||
      large_count > LARGE_SLOTS || (small_count > 0 && small_bytes <= 0) || (large_count > 0 && large_bytes <= 0))
    return -EINVAL;
  if (window->staging == NULL) {
    window->staging = malloc(STAGING_BYTES);
    if (window->staging == NULL) return -ENOMEM;
  }
  words[RX_SKIPPED] = 0;
  words[RX_ERRNO] = 0;

  struct vnet_header header;
  uint8_t overflow;
  struct iovec parts[3] = {{&header, sizeof header}, {0}, {&overflow, 1}};
  int32_t frames = 0, small = 0, large = 0, reads = 0;
  int32_t *out = words + RX_OUT;
  bool staged = large_count == 0;
  if (staged && small_count == 0) return 0;
  while (frames < most && reads < BURST_FRAMES && (small < small_count || small_count == 0) &&
         (large < large_count || staged)) {
    /* The slots that this frame may take, checked before it is read: an offset that JavaScript got wrong must not reach
     * memory, and must not cost a frame. */
    int32_t small_at = small_count > 0 ? words[RX_SMALL + small] : 0;
    int32_t large_at = staged ? 0 : words[RX_LARGE + large];
    if ((small_count > 0 && !window_usable(window, small_at, small_bytes)) ||
        (!staged && !window_usable(window, large_at, large_bytes))) {
      words[RX_ERRNO] = EFAULT;
      return frames > 0 ? frames : -EFAULT;
    }
    uint8_t *place = staged ? window->staging : window->base + large_at;
    int32_t room = staged ? STAGING_BYTES : large_bytes;
    parts[1].iov_base = place;
    parts[1].iov_len = (size_t)room;
    ssize_t got = readv(fd, parts, 3);
    if (got < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      words[RX_ERRNO] = errno;
      return frames > 0 ? frames : -errno;
    }
    reads++;
    int64_t length = got - (int64_t)sizeof header;
    int32_t offset;
    bool is_large = false;
    if (length <= 0 || length > room) {
      words[RX_SKIPPED]++;
      continue;
    }
    if (length <= small_bytes && small < small_count) {
      offset = small_at;
      small++;
      memcpy(window->base + offset, place, (size_t)length);
    } else if (staged) {
      words[RX_SKIPPED]++;
      continue;
    } else {
      offset = large_at;
      large++;
      is_large = true;
    }
    out[0] = offset;
    out[1] = (int32_t)length;
    out[2] = is_large;
    out[3] = header.flags;
    out[4] = header.gso_type;
    out[5] = header.gso_size;
    out[6] = header.csum_start;
    out[7] = header.csum_offset;
    out += RX_WORDS;
    frames++;
  }
  return frames;
}

/* Returns how many packets, from the first on, are done with: sent, or refused by the kernel and counted. */
static int32_t transmit(struct window *window) {
  if (window->closed || window->mailbox < 0) return -EBADF;
  int32_t *words = (int32_t *)(window->base + window->mailbox);
  int32_t fd = words[0], count = words[1];
  enum fd_kind kind = fd_kind_of(fd);
  if (kind != FD_TAP && kind != FD_PACKET) return -EBADF;
  if (count < 0 || count > BURST_FRAMES) return -EINVAL;
  words[TX_SKIPPED] = 0;
  words[TX_ERRNO] = 0;
  const int32_t *packet = words + TX_IN;
  int32_t done = 0;
  while (done < count) {
    struct vnet_header header = {(uint8_t)packet[0],  (uint8_t)packet[1],  (uint16_t)packet[3],
                                 (uint16_t)packet[2], (uint16_t)packet[4], (uint16_t)packet[5]};
    struct iovec parts[1 + TX_SPANS] = {{&header, sizeof header}};
    int used = 1;
    int err = 0;
    for (int i = 0; i < TX_SPANS; i++) {
      int32_t offset = packet[6 + 2 * i], length = packet[7 + 2 * i];
      if (length == 0) continue;
      if (!window_usable(window, offset, length)) err = EFAULT;
      parts[used].iov_base = window->base + offset;
      parts[used++].iov_len = (size_t)length;
    }
    if (used == 1) err = EINVAL;
    if (err == 0 && writev(fd, parts, used) < 0) err = errno;
    if (err == EINTR) continue;
    if (err == EAGAIN || err == ENOBUFS) {
      words[TX_ERRNO] = err;
      break;
    }
    if (err != 0) {
      words[TX_SKIPPED]++;
      words[TX_ERRNO] = err;
    }
    done++;
    packet += TX_WORDS;
  }
  return done;
}

/* A method's data pointer is the window: `this` plays no part, so nothing has to be unwrapped per burst. */
static struct window *window_of(napi_env env, napi_callback_info info) {
  void *data = NULL;
  napi_get_cb_info(env, info, NULL, NULL, NULL, &data);
  return data;
}

napi_value burst_receive(napi_env env, napi_callback_info info) {
  napi_value result;
  return napi_create_int32(env, receive(window_of(env, info)), &result) == napi_ok ? result : NULL;
}

napi_value burst_transmit(napi_env env, napi_callback_info info) {
  napi_value result;
  return napi_create_int32(env, transmit(window_of(env, info)), &result) == napi_ok ? result : NULL;
}
