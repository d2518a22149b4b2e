/* TAP devices: opened inside a named namespace with virtio-net headers, several queues and checksum/segmentation offload
 * (Documentation/networking/tuntap.rst; drivers/net/tun.c). */
#include "common.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Linux 6.2; older headers lack them, older kernels answer EINVAL and are asked again without. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

#define MAX_QUEUES 16
/* struct virtio_net_hdr without num_buffers: what the bursts read and write. With 14 bytes of ethernet the IP header lies
 * at byte 24. */
#define VNET_HEADER_BYTES 10

struct tap {
  char name[IFNAMSIZ];
  bool attach, checksum, segmentation;
  int64_t queues;
  int fds[MAX_QUEUES];
  int opened;
  uint8_t mac[6];
  int64_t index;
  unsigned offloads;
};

static int open_queue(struct tap *tap, struct failure *why) {
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) {
    int err = errno;
    if (err == ENOENT || err == ENXIO || err == ENODEV)
      return fail(why, err, "/dev/net/tun does not exist: the kernel has no TUN/TAP driver here");
    if (err == EACCES || err == EPERM) return fail(why, err, "no permission to open /dev/net/tun");
    return fail(why, err, "cannot open /dev/net/tun: %s", strerror(err));
  }
  tap->fds[tap->opened++] = fd;

  struct ifreq request = {0};
  strcpy(request.ifr_name, tap->name);
  bool first = tap->opened == 1;
  int flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
  /* Exclusive: never become one more queue of somebody else's device of that name. */
  if (first && !tap->attach) flags |= IFF_TUN_EXCL;
  request.ifr_flags = (short)flags;
  if (ioctl(fd, TUNSETIFF, &request) != 0) {
    int err = errno;
    if (err == EPERM) return fail(why, err, "no privilege to make TAP device \"%s\" (needs CAP_NET_ADMIN)", tap->name);
    if (err == EBUSY || err == EEXIST) return fail(why, EBUSY, "interface name \"%s\" is in use", tap->name);
    if (err == EINVAL && tap->attach)
      return fail(why, err, "interface \"%s\" is not a TAP device with multi_queue and vnet_hdr", tap->name);
    return fail(why, err, "cannot make TAP device \"%s\": %s", tap->name, strerror(err));
  }
  int header_bytes = VNET_HEADER_BYTES;
  if (ioctl(fd, TUNSETVNETHDRSZ, &header_bytes) != 0)
    return fail(why, errno, "TAP device \"%s\" refuses virtio-net headers: %s", tap->name, strerror(errno));

  unsigned offloads = tap->checksum ? TUN_F_CSUM : 0;
  if (tap->checksum && tap->segmentation) offloads |= TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  unsigned more = tap->checksum && tap->segmentation ? offloads | TUN_F_USO4 | TUN_F_USO6 : offloads;
  if (ioctl(fd, TUNSETOFFLOAD, more) == 0) {
    tap->offloads = more;
  } else if (ioctl(fd, TUNSETOFFLOAD, offloads) == 0) {
    tap->offloads = offloads;
  } else {
    return fail(why, errno, "TAP device \"%s\" refuses offloads: %s", tap->name, strerror(errno));
  }
  return 0;
}

/* Runs inside the namespace. */
static int open_device(void *argument, struct failure *why) {
  struct tap *tap = argument;
  int result = 0;
  for (int64_t i = 0; i < tap->queues && result == 0; i++) result = open_queue(tap, why);
  if (result == 0) {
    struct ifreq request = {0};
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    strcpy(request.ifr_name, tap->name);
    if (control < 0 || ioctl(control, SIOCGIFHWADDR, &request) != 0) {
      result = fail(why, errno, "cannot read the address of \"%s\": %s", tap->name, strerror(errno));
    } else {
      memcpy(tap->mac, request.ifr_hwaddr.sa_data, 6);
      if (ioctl(control, SIOCGIFINDEX, &request) == 0) tap->index = request.ifr_ifindex;
    }
    if (control >= 0) close(control);
  }
  for (int i = 0; i < tap->opened && result == 0; i++) {
    if (fd_record(tap->fds[i], FD_TAP) < 0) result = fail(why, EMFILE, "too many open descriptors");
  }
  if (result != 0) {
    for (int i = 0; i < tap->opened; i++) {
      fd_forget(tap->fds[i]);
      close(tap->fds[i]); /* the device goes with its last queue */
    }
  }
  return result;
}

/* openTap({ name, netns?, queues?, attach?, checksum?, segmentation? }) */
static napi_value open_tap(napi_env env, napi_callback_info info) {
  napi_value options, result, fds, number;
  char netns[NETNS_NAME_BYTES];
  struct tap tap = {.checksum = true, .segmentation = true, .queues = 1};
  bool created = false;
  struct failure why;
  if (!get_arguments(env, info, 1, &options, NULL) || !to_object(env, options, "options") ||
      !option_interface(env, options, "name", tap.name) || !option_netns(env, options, "netns", netns) ||
      !option_integer(env, options, "queues", false, 1, MAX_QUEUES, &tap.queues) ||
      !option_flag(env, options, "attach", &tap.attach) || !option_flag(env, options, "checksum", &tap.checksum) ||
      !option_flag(env, options, "segmentation", &tap.segmentation))
    return NULL;
  if (netns_run(netns, &created, open_device, &tap, &why) != 0) return throw_failure(env, &why);
  bool built = napi_create_object(env, &result) == napi_ok && set_integer(env, result, "fd", tap.fds[0]) &&
               set_integer(env, result, "index", tap.index) && set_bytes(env, result, "mac", tap.mac, sizeof tap.mac) &&
               set_integer(env, result, "offloads", tap.offloads) &&
               set_integer(env, result, "vnetHeaderBytes", VNET_HEADER_BYTES) &&
               napi_create_array(env, &fds) == napi_ok && napi_set_named_property(env, result, "fds", fds) == napi_ok;
  for (int i = 0; i < tap.opened && built; i++)
    built = napi_create_int32(env, tap.fds[i], &number) == napi_ok &&
            napi_set_element(env, fds, (uint32_t)i, number) == napi_ok;
  built = built && napi_get_boolean(env, created, &number) == napi_ok &&
          napi_set_named_property(env, result, "createdNetns", number) == napi_ok;
  return built ? result : NULL;
}

bool tap_exports(napi_env env, napi_value exports) { return add_function(env, exports, "openTap", open_tap); }
