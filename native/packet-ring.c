/* AF_PACKET sockets with a TPACKET_V2 receive ring mapped inside the window (Documentation/networking/packet_mmap.rst).
 * JavaScript reads frames in the ring with no system call; it sends with the transmit burst on the same descriptor. */
#include "common.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

/* Room that the kernel leaves at the start of each frame, beyond its own headers, so that tp_mac becomes 258: a packet
 * slot can begin at byte 64, behind the kernel's headers, and the frame 194 bytes further on as in any other slot, with
 * the IP header after 14 bytes of ethernet on a multiple of 4. */
#define RESERVE_BYTES 182
#define FRAME_OFFSET 258

struct ring_request {
  char name[IFNAMSIZ];
  struct window *window;
  int64_t offset, bytes, block_bytes, frame_bytes;
  bool promiscuous;
  int fd, index, mtu;
  uint8_t mac[6];
  struct tpacket_req layout;
};

static int set_option(int fd, int option, int value) {
  return setsockopt(fd, SOL_PACKET, option, &value, sizeof value);
}

/* Everything between socket() and the end; the caller closes the socket on failure. */
static int prepare(struct ring_request *ring, struct failure *why) {
  int fd = ring->fd;
  struct ifreq request = {0};
  strcpy(request.ifr_name, ring->name);
  if (ioctl(fd, SIOCGIFINDEX, &request) != 0)
    return fail(why, ENODEV, "interface \"%s\" does not exist", ring->name);
  ring->index = request.ifr_ifindex;
  if (ioctl(fd, SIOCGIFMTU, &request) == 0) ring->mtu = request.ifr_mtu;
  if (ioctl(fd, SIOCGIFHWADDR, &request) == 0) memcpy(ring->mac, request.ifr_hwaddr.sa_data, 6);

  if (set_option(fd, PACKET_VERSION, TPACKET_V2) != 0 || set_option(fd, PACKET_VNET_HDR, 1) != 0 ||
      set_option(fd, PACKET_RESERVE, RESERVE_BYTES) != 0)
    return fail(why, errno, "packet socket on \"%s\": %s", ring->name, strerror(errno));
  set_option(fd, PACKET_IGNORE_OUTGOING, 1); /* Linux 4.20; older ones show our own frames, which sll_pkttype tells */
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring->layout, sizeof ring->layout) != 0)
    return fail(why, errno, "packet ring of %lld bytes on \"%s\": %s", (long long)ring->bytes, ring->name,
                strerror(errno));
  if (ring->promiscuous) {
    struct packet_mreq membership = {.mr_ifindex = ring->index, .mr_type = PACKET_MR_PROMISC};
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof membership) != 0)
      return fail(why, errno, "promiscuous mode on \"%s\": %s", ring->name, strerror(errno));
  }
  if (mmap(ring->window->base + ring->offset, (size_t)ring->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
           0) == MAP_FAILED)
    return fail(why, errno, "cannot map the packet ring into the window: %s", strerror(errno));
  /* Bound last: frames of this interface only, and none before the ring is there. */
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ring->index};
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    int err = errno;
    window_zero(ring->window, ring->offset, ring->bytes);
    return fail(why, err, "cannot bind to \"%s\": %s", ring->name, strerror(err));
  }
  return 0;
}

/* Runs inside the namespace. JavaScript's thread waits meanwhile, so the window is ours. */
static int open_socket(void *argument, struct failure *why) {
  struct ring_request *ring = argument;
  ring->fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (ring->fd < 0 && errno == EPERM)
    return fail(why, EPERM, "no privilege to open a packet socket on \"%s\" (needs CAP_NET_RAW)", ring->name);
  if (ring->fd < 0) return fail(why, errno, "cannot open a packet socket on \"%s\": %s", ring->name, strerror(errno));
  int result = prepare(ring, why);
  if (result != 0) {
    close(ring->fd);
    return result;
  }
  if (fd_record(ring->fd, FD_PACKET) < 0) {
    close(ring->fd);
    window_zero(ring->window, ring->offset, ring->bytes);
    return fail(why, EMFILE, "too many open descriptors");
  }
  return 0;
}

/* openPacketRing({ netns?, name, offset, bytes, blockBytes?, frameBytes?, promiscuous? }) */
napi_value packet_ring_open(napi_env env, napi_callback_info info) {
  napi_value options, result;
  void *data;
  char netns[NETNS_NAME_BYTES];
  struct failure why;
  /* 14 frames of 72 KiB in a block: a frame holds a superframe of 64 KiB with its headers, all frames of the ring lie at
   * the same distance, and a block nearly fills the power of two that the kernel allocates for it. */
  struct ring_request ring = {.block_bytes = 1032192, .frame_bytes = 73728, .promiscuous = true};
  if (!get_arguments(env, info, 1, &options, &data) || !to_object(env, options, "options")) return NULL;
  struct window *window = ring.window = data;
  if (!option_interface(env, options, "name", ring.name) || !option_netns(env, options, "netns", netns) ||
      !option_integer(env, options, "offset", true, 0, window->bytes, &ring.offset) ||
      !option_integer(env, options, "bytes", true, 1, window->bytes, &ring.bytes) ||
      !option_integer(env, options, "blockBytes", false, window->page_bytes, 1 << 22, &ring.block_bytes) ||
      !option_integer(env, options, "frameBytes", false, 512, 1 << 20, &ring.frame_bytes) ||
      !option_flag(env, options, "promiscuous", &ring.promiscuous) ||
      !window_check_pages(env, window, ring.offset, ring.bytes))
    return NULL;
  if (ring.frame_bytes % TPACKET_ALIGNMENT != 0 || ring.frame_bytes > ring.block_bytes)
    return throw_error(env, EINVAL, "frameBytes: not a multiple of %d within a block", TPACKET_ALIGNMENT);
  if (ring.block_bytes % window->page_bytes != 0 || ring.bytes % ring.block_bytes != 0)
    return throw_error(env, EINVAL, "bytes: not a multiple of blockBytes, or that not one of the page size");
  if (window->ring_count == WINDOW_MAX_RINGS) return throw_error(env, ENOSPC, "more than %d rings", WINDOW_MAX_RINGS);
  for (int i = 0; i < window->ring_count; i++)
    if (ring.offset < window->rings[i].offset + window->rings[i].bytes &&
        window->rings[i].offset < ring.offset + ring.bytes)
      return throw_error(env, EBUSY, "the range overlaps another packet ring");
  if (window_add_range(window, ring.offset, ring.bytes) != 0)
    return throw_error(env, ENOSPC, "more than %d separate committed ranges", WINDOW_MAX_RANGES);
  int64_t frames_per_block = ring.block_bytes / ring.frame_bytes;
  ring.layout = (struct tpacket_req){
      .tp_block_size = (unsigned)ring.block_bytes,
      .tp_block_nr = (unsigned)(ring.bytes / ring.block_bytes),
      .tp_frame_size = (unsigned)ring.frame_bytes,
      .tp_frame_nr = (unsigned)(ring.bytes / ring.block_bytes * frames_per_block),
  };
  /* The range counts as usable from here on, so it must not fault even when the socket is refused. */
  int zeroed = window_zero(window, ring.offset, ring.bytes);
  if (zeroed != 0) return throw_error(env, -zeroed, "cannot map memory: %s", strerror(-zeroed));
  if (netns_run(netns, NULL, open_socket, &ring, &why) != 0) return throw_failure(env, &why);
  window->rings[window->ring_count++] = (struct ring){ring.fd, ring.offset, ring.bytes};
  bool built = napi_create_object(env, &result) == napi_ok && set_integer(env, result, "fd", ring.fd) &&
               set_integer(env, result, "index", ring.index) && set_integer(env, result, "mtu", ring.mtu) &&
               set_bytes(env, result, "mac", ring.mac, sizeof ring.mac) &&
               set_integer(env, result, "offset", ring.offset) &&
               set_integer(env, result, "frames", ring.layout.tp_frame_nr) &&
               set_integer(env, result, "frameBytes", ring.frame_bytes) &&
               set_integer(env, result, "framesPerBlock", frames_per_block) &&
               set_integer(env, result, "blockBytes", ring.block_bytes) &&
               set_integer(env, result, "macOffset", FRAME_OFFSET);
  return built ? result : NULL;
}

/* closePacketRing(fd): unmaps the ring (zero pages stay) and closes the socket. */
napi_value packet_ring_close(napi_env env, napi_callback_info info) {
  napi_value argument;
  void *data;
  int64_t fd;
  if (!get_arguments(env, info, 1, &argument, &data) || !to_integer(env, argument, "fd", 0, INT32_MAX, &fd)) return NULL;
  struct window *window = data;
  for (int i = 0; i < window->ring_count; i++) {
    struct ring ring = window->rings[i];
    if (ring.fd != fd) continue;
    int result = window_zero(window, ring.offset, ring.bytes);
    if (result != 0) return throw_error(env, -result, "cannot unmap the packet ring: %s", strerror(-result));
    window->rings[i] = window->rings[--window->ring_count];
    fd_forget(ring.fd);
    close(ring.fd);
    return NULL;
  }
  return throw_error(env, EBADF, "fd %lld: no packet ring of this window", (long long)fd);
}
