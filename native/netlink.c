/* Kernel interfaces by rtnetlink(7), without the `ip` program: addresses, routes, MTU, up; veth pairs; removal. Everything
 * runs on a helper thread inside the interface's namespace (netns_run). */
#include "common.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ADDRESSES 32
#define MAX_ROUTES 64

struct request {
  struct nlmsghdr header;
  union {
    struct ifinfomsg link;
    struct ifaddrmsg address;
    struct rtmsg route;
  } body;
  char attributes[1024];
};

static void begin(struct request *request, int type, int flags, size_t body_bytes) {
  memset(request, 0, sizeof *request);
  request->header.nlmsg_len = NLMSG_LENGTH(body_bytes);
  request->header.nlmsg_type = (uint16_t)type;
  request->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
}

/* Requests are built from checked input of bounded size and always fit; nested ones are closed by end_nested. */
static struct rtattr *put(struct request *request, int type, const void *data, size_t bytes) {
  struct rtattr *attribute = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));
  attribute->rta_type = (uint16_t)type;
  attribute->rta_len = (uint16_t)RTA_LENGTH(bytes);
  if (bytes > 0) memcpy(RTA_DATA(attribute), data, bytes);
  request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
  return attribute;
}

static void end_nested(struct request *request, struct rtattr *outer) {
  outer->rta_len = (uint16_t)((char *)request + request->header.nlmsg_len - (char *)outer);
}

/* Sends one request and waits for its acknowledgement; 0 or -errno. */
static int talk(int fd, struct request *request) {
  char answer[8192];
  if (send(fd, request, request->header.nlmsg_len, 0) < 0) return -errno;
  for (;;) {
    ssize_t got = recv(fd, answer, sizeof answer, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -errno;
    struct nlmsghdr *header = (struct nlmsghdr *)answer;
    if (NLMSG_OK(header, (size_t)got) && header->nlmsg_type == NLMSG_ERROR)
      return ((struct nlmsgerr *)NLMSG_DATA(header))->error;
  }
}

static int open_netlink(struct failure *why) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  return fd >= 0 ? fd : fail(why, errno, "cannot open a netlink socket: %s", strerror(errno));
}

static int link_index(const char *name, struct failure *why) {
  unsigned index = if_nametoindex(name);
  return index > 0 ? (int)index : fail(why, ENODEV, "interface \"%s\" does not exist", name);
}

/* ---- configureInterface ---- */

struct prefix {
  uint8_t bytes[16];
  size_t length; /* 4 or 16 */
  int64_t bits;
};

struct route {
  struct prefix to;
  uint8_t via[16];
  size_t via_length; /* 0 = on link */
};

struct interface_settings {
  char name[IFNAMSIZ];
  uint8_t mac[6];
  size_t mac_length;
  int64_t mtu; /* -1 = as it is */
  bool up, quiet;
  uint32_t address_count, route_count;
  struct prefix addresses[MAX_ADDRESSES];
  struct route routes[MAX_ROUTES];
};

/* No router advertisements, solicitations or duplicate address detection: the peer is one stack, and silence at the start
 * keeps captures small. Best effort: a kernel without IPv6 has none of these files. */
static void quieten(const char *name) {
  static const char *const keys[] = {"accept_ra", "autoconf", "accept_dad", "dad_transmits", "router_solicitations"};
  char path[160];
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/%s", name, keys[i]);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ssize_t ignored = write(fd, "0", 1);
    (void)ignored;
    close(fd);
  }
}

static int add_address(int fd, int index, const struct prefix *prefix) {
  struct request request;
  begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof request.body.address);
  request.body.address.ifa_family = prefix->length == 4 ? AF_INET : AF_INET6;
  request.body.address.ifa_prefixlen = (uint8_t)prefix->bits;
  request.body.address.ifa_index = (uint32_t)index;
  put(&request, IFA_LOCAL, prefix->bytes, prefix->length);
  put(&request, IFA_ADDRESS, prefix->bytes, prefix->length);
  if (prefix->length == 16) {
    uint32_t flags = IFA_F_NODAD;
    put(&request, IFA_FLAGS, &flags, sizeof flags);
  } else if (prefix->bits < 31) {
    uint8_t broadcast[4];
    uint32_t word;
    memcpy(&word, prefix->bytes, 4);
    word |= htonl((uint32_t)(((uint64_t)1 << (32 - prefix->bits)) - 1));
    memcpy(broadcast, &word, 4);
    put(&request, IFA_BROADCAST, broadcast, 4);
  }
  return talk(fd, &request);
}

static int add_route(int fd, int index, const struct route *route) {
  struct request request;
  begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof request.body.route);
  request.body.route.rtm_family = route->to.length == 4 ? AF_INET : AF_INET6;
  request.body.route.rtm_dst_len = (uint8_t)route->to.bits;
  request.body.route.rtm_table = RT_TABLE_MAIN;
  request.body.route.rtm_protocol = RTPROT_STATIC;
  request.body.route.rtm_scope = route->via_length > 0 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  request.body.route.rtm_type = RTN_UNICAST;
  if (route->to.bits > 0) put(&request, RTA_DST, route->to.bytes, route->to.length);
  if (route->via_length > 0) put(&request, RTA_GATEWAY, route->via, route->via_length);
  put(&request, RTA_OIF, &index, sizeof index);
  return talk(fd, &request);
}

static int configure(void *argument, struct failure *why) {
  struct interface_settings *settings = argument;
  struct request request;
  char text[INET6_ADDRSTRLEN];
  int index = link_index(settings->name, why);
  if (index < 0) return index;
  int fd = open_netlink(why);
  if (fd < 0) return fd;
  int result = 0;
  if (settings->quiet) quieten(settings->name);

  begin(&request, RTM_NEWLINK, 0, sizeof request.body.link);
  request.body.link.ifi_index = index;
  if (settings->mtu >= 0) {
    uint32_t mtu = (uint32_t)settings->mtu;
    put(&request, IFLA_MTU, &mtu, sizeof mtu);
  }
  if (settings->mac_length == 6) put(&request, IFLA_ADDRESS, settings->mac, 6);
  if (settings->up) request.body.link.ifi_flags = request.body.link.ifi_change = IFF_UP;
  int err = talk(fd, &request);
  if (err != 0)
    result = fail(why, -err, "cannot set up interface \"%s\" (mtu %lld): %s", settings->name,
                  (long long)settings->mtu, strerror(-err));

  for (uint32_t i = 0; i < settings->address_count && result == 0; i++) {
    const struct prefix *prefix = &settings->addresses[i];
    err = add_address(fd, index, prefix);
    if (err != 0)
      result = fail(why, -err, "cannot add address %s/%lld to \"%s\": %s",
                    inet_ntop(prefix->length == 4 ? AF_INET : AF_INET6, prefix->bytes, text, sizeof text),
                    (long long)prefix->bits, settings->name, strerror(-err));
  }
  for (uint32_t i = 0; i < settings->route_count && result == 0; i++) {
    const struct prefix *prefix = &settings->routes[i].to;
    err = add_route(fd, index, &settings->routes[i]);
    if (err != 0)
      result = fail(why, -err, "cannot add a route to %s/%lld through \"%s\": %s",
                    inet_ntop(prefix->length == 4 ? AF_INET : AF_INET6, prefix->bytes, text, sizeof text),
                    (long long)prefix->bits, settings->name, strerror(-err));
  }
  close(fd);
  return result;
}

/* { bytes: Uint8Array(4 | 16), prefix: bits } */
static bool read_prefix(napi_env env, napi_value item, struct prefix *out) {
  if (!to_object(env, item, "address") || !option_bytes(env, item, "bytes", true, out->bytes, 16, &out->length))
    return false;
  if (out->length != 4 && out->length != 16) {
    throw_error(env, EINVAL, "bytes: an address has 4 or 16 bytes, not %zu", out->length);
    return false;
  }
  return option_integer(env, item, "prefix", true, 0, (int64_t)out->length * 8, &out->bits);
}

/* configureInterface({ netns?, name, mac?, mtu?, addresses?, routes?, up?, quiet? }) */
static napi_value configure_interface(napi_env env, napi_callback_info info) {
  napi_value options, list, item;
  char netns[NETNS_NAME_BYTES];
  struct interface_settings settings = {.mtu = -1, .up = true, .quiet = true};
  struct failure why;
  if (!get_arguments(env, info, 1, &options, NULL) || !to_object(env, options, "options") ||
      !option_interface(env, options, "name", settings.name) || !option_netns(env, options, "netns", netns) ||
      !option_bytes(env, options, "mac", false, settings.mac, 6, &settings.mac_length) ||
      !option_integer(env, options, "mtu", false, 68, 65535, &settings.mtu) ||
      !option_flag(env, options, "up", &settings.up) || !option_flag(env, options, "quiet", &settings.quiet) ||
      !option_list(env, options, "addresses", &list, &settings.address_count))
    return NULL;
  if (settings.mac_length != 0 && settings.mac_length != 6) return throw_error(env, EINVAL, "mac: not 6 bytes");
  if (settings.address_count > MAX_ADDRESSES) return throw_error(env, E2BIG, "addresses: more than %d", MAX_ADDRESSES);
  for (uint32_t i = 0; i < settings.address_count; i++)
    if (napi_get_element(env, list, i, &item) != napi_ok || !read_prefix(env, item, &settings.addresses[i])) return NULL;
  if (!option_list(env, options, "routes", &list, &settings.route_count)) return NULL;
  if (settings.route_count > MAX_ROUTES) return throw_error(env, E2BIG, "routes: more than %d", MAX_ROUTES);
  for (uint32_t i = 0; i < settings.route_count; i++) {
    struct route *route = &settings.routes[i];
    if (napi_get_element(env, list, i, &item) != napi_ok || !read_prefix(env, item, &route->to) ||
        !option_bytes(env, item, "via", false, route->via, 16, &route->via_length))
      return NULL;
    if (route->via_length != 0 && route->via_length != route->to.length)
      return throw_error(env, EINVAL, "via: not of the route's address family");
  }
  if (netns_run(netns, NULL, configure, &settings, &why) != 0) return throw_failure(env, &why);
  return NULL;
}

/* ---- interfaceInfo, deleteLink, createVethPair ---- */

struct interface_state {
  char name[IFNAMSIZ];
  int index, mtu;
  short flags;
  uint8_t mac[6];
};

static int read_state(void *argument, struct failure *why) {
  struct interface_state *state = argument;
  state->index = link_index(state->name, why);
  if (state->index < 0) return state->index;
  struct ifreq request = {0};
  strcpy(request.ifr_name, state->name);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && ioctl(fd, SIOCGIFMTU, &request) == 0) {
    state->mtu = request.ifr_mtu;
    if (ioctl(fd, SIOCGIFFLAGS, &request) == 0) {
      state->flags = request.ifr_flags;
      if (ioctl(fd, SIOCGIFHWADDR, &request) == 0) {
        memcpy(state->mac, request.ifr_hwaddr.sa_data, 6);
        close(fd);
        return 0;
      }
    }
  }
  int err = errno;
  if (fd >= 0) close(fd);
  return fail(why, err, "cannot read interface \"%s\": %s", state->name, strerror(err));
}

/* interfaceInfo({ netns?, name }) */
static napi_value interface_info(napi_env env, napi_callback_info info) {
  napi_value options, result, up;
  char netns[NETNS_NAME_BYTES];
  struct interface_state state = {0};
  struct failure why;
  if (!get_arguments(env, info, 1, &options, NULL) || !to_object(env, options, "options") ||
      !option_interface(env, options, "name", state.name) || !option_netns(env, options, "netns", netns))
    return NULL;
  if (netns_run(netns, NULL, read_state, &state, &why) != 0) return throw_failure(env, &why);
  bool built = napi_create_object(env, &result) == napi_ok && set_integer(env, result, "index", state.index) &&
               set_integer(env, result, "mtu", state.mtu) && set_bytes(env, result, "mac", state.mac, 6) &&
               napi_get_boolean(env, (state.flags & IFF_UP) != 0, &up) == napi_ok &&
               napi_set_named_property(env, result, "up", up) == napi_ok;
  return built ? result : NULL;
}

static int remove_link(void *argument, struct failure *why) {
  const char *name = argument;
  struct request request;
  int index = link_index(name, why);
  if (index < 0) return index;
  int fd = open_netlink(why);
  if (fd < 0) return fd;
  begin(&request, RTM_DELLINK, 0, sizeof request.body.link);
  request.body.link.ifi_index = index;
  int err = talk(fd, &request);
  close(fd);
  return err == 0 ? 0 : fail(why, -err, "cannot remove interface \"%s\": %s", name, strerror(-err));
}

/* deleteLink({ netns?, name }) */
static napi_value delete_link(napi_env env, napi_callback_info info) {
  napi_value options;
  char netns[NETNS_NAME_BYTES], name[IFNAMSIZ];
  struct failure why;
  if (!get_arguments(env, info, 1, &options, NULL) || !to_object(env, options, "options") ||
      !option_interface(env, options, "name", name) || !option_netns(env, options, "netns", netns))
    return NULL;
  if (netns_run(netns, NULL, remove_link, name, &why) != 0) return throw_failure(env, &why);
  return NULL;
}

struct veth {
  char name[IFNAMSIZ], peer[IFNAMSIZ], peer_netns[NETNS_NAME_BYTES];
};

static int make_veth(void *argument, struct failure *why) {
  struct veth *veth = argument;
  struct request request;
  struct ifinfomsg peer = {0};
  int peer_netns = -1;
  if (veth->peer_netns[0] != 0 && (peer_netns = netns_open(veth->peer_netns, why)) < 0) return peer_netns;
  int fd = open_netlink(why);
  if (fd < 0) {
    if (peer_netns >= 0) close(peer_netns);
    return fd;
  }
  begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof request.body.link);
  put(&request, IFLA_IFNAME, veth->name, strlen(veth->name) + 1);
  struct rtattr *kind = put(&request, IFLA_LINKINFO, NULL, 0);
  put(&request, IFLA_INFO_KIND, "veth", 4);
  struct rtattr *details = put(&request, IFLA_INFO_DATA, NULL, 0);
  struct rtattr *other = put(&request, VETH_INFO_PEER, &peer, sizeof peer);
  put(&request, IFLA_IFNAME, veth->peer, strlen(veth->peer) + 1);
  if (peer_netns >= 0) put(&request, IFLA_NET_NS_FD, &peer_netns, sizeof peer_netns);
  end_nested(&request, other);
  end_nested(&request, details);
  end_nested(&request, kind);
  int err = talk(fd, &request);
  close(fd);
  if (peer_netns >= 0) close(peer_netns);
  if (err == -EEXIST) return fail(why, EBUSY, "interface name \"%s\" or \"%s\" is in use", veth->name, veth->peer);
  return err == 0 ? 0 : fail(why, -err, "cannot make veth pair \"%s\": %s", veth->name, strerror(-err));
}

/* createVethPair({ netns?, name, peerNetns?, peerName }) */
static napi_value create_veth_pair(napi_env env, napi_callback_info info) {
  napi_value options;
  char netns[NETNS_NAME_BYTES];
  struct veth veth;
  struct failure why;
  if (!get_arguments(env, info, 1, &options, NULL) || !to_object(env, options, "options") ||
      !option_interface(env, options, "name", veth.name) || !option_interface(env, options, "peerName", veth.peer) ||
      !option_netns(env, options, "netns", netns) || !option_netns(env, options, "peerNetns", veth.peer_netns))
    return NULL;
  if (netns_run(netns, NULL, make_veth, &veth, &why) != 0) return throw_failure(env, &why);
  return NULL;
}

bool netlink_exports(napi_env env, napi_value exports) {
  return add_function(env, exports, "configureInterface", configure_interface) &&
         add_function(env, exports, "interfaceInfo", interface_info) &&
         add_function(env, exports, "deleteLink", delete_link) &&
         add_function(env, exports, "createVethPair", create_veth_pair);
}
