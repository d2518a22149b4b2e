/* A cable between two network interfaces, with delay, a bottleneck and seeded loss; this kernel's queueing disciplines have none.
 * Compiled by the benchmark that uses it.
 *
 *   cable INTERFACE INTERFACE LOSS DELAY_US RATE_BPS QUEUE_BYTES SEED
 *
 * Each direction by itself: a frame is lost with probability LOSS, else waits in a queue of QUEUE_BYTES that leaves at RATE_BPS and
 * drops what does not fit, and arrives DELAY_US later. Frames never overtake each other. Which frames are lost depends on SEED,
 * the direction and the number of the frame. Prints "ready" when frames pass; at SIGTERM, for each direction, the frames seen,
 * lost, dropped by the queue, refused by the other interface, and longer than a frame on a wire can be. */
#define _GNU_SOURCE /* ppoll, recvmmsg, sendmmsg */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

/* Bytes of a frame at most: MTU 1500 and the Ethernet header. On a real wire each takes 24 more: check sequence, preamble, gap. */
enum { BURST = 64, FRAME_BYTES = 1514, WIRE_BYTES = 24, SLOTS = 16384 };

struct frame {
  int64_t due_ns;
  unsigned bytes;
  unsigned char data[FRAME_BYTES];
};

struct lane {
  int from, to;
  uint64_t random;
  int64_t free_ns; /* when the bottleneck has sent all that it holds */
  unsigned head, tail; /* frames under way: slots head to tail - 1, modulo SLOTS */
  struct frame *line;
  long seen, lost, dropped, refused, giant;
};

static struct lane lanes[2];
static uint64_t lose_below;
static int64_t delay_ns, queue_ns;
static double ns_per_byte;
static volatile sig_atomic_t is_over;

static void fail(const char *what) {
  fprintf(stderr, "cable: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void end(int number) {
  (void)number;
  is_over = 1;
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* splitmix64: any seed serves. */
static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

static int open_end(const char *name) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), on = 1, room = 1 << 24;
  int index = (int)if_nametoindex(name);
  struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index};
  struct packet_mreq all = {.mr_ifindex = index, .mr_type = PACKET_MR_PROMISC};
  if (fd < 0 || index == 0) fail(name);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) < 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) < 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) < 0 ||
      bind(fd, (struct sockaddr *)&at, sizeof at) < 0)
    fail(name);
  return fd;
}

static void accept_frame(struct lane *lane, const unsigned char *data, unsigned bytes, int64_t now) {
  lane->seen++;
  if ((next_random(&lane->random) >> 32) < lose_below) {
    lane->lost++;
    return;
  }
  if (bytes > FRAME_BYTES) {
    lane->giant++;
    return;
  }
  if (lane->free_ns - now > queue_ns || lane->tail - lane->head == SLOTS) {
    lane->dropped++;
    return;
  }
  if (lane->free_ns < now) lane->free_ns = now;
  lane->free_ns += (int64_t)((bytes < 60 ? 60 + WIRE_BYTES : bytes + WIRE_BYTES) * ns_per_byte);
  struct frame *frame = &lane->line[lane->tail++ % SLOTS];
  frame->due_ns = lane->free_ns + delay_ns;
  frame->bytes = bytes;
  memcpy(frame->data, data, bytes);
}

/* Takes what has come; the number of frames. */
static int take(struct lane *lane) {
  static unsigned char data[BURST][2048];
  struct iovec parts[BURST];
  struct mmsghdr burst[BURST];
  for (int i = 0; i < BURST; i++) {
    parts[i] = (struct iovec){data[i], sizeof data[i]};
    burst[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
  }
  int n = recvmmsg(lane->from, burst, BURST, MSG_DONTWAIT | MSG_TRUNC, NULL);
  if (n < 0 && errno != EAGAIN && errno != EINTR) fail("receive");
  int64_t now = now_ns();
  for (int i = 0; i < n; i++) accept_frame(lane, data[i], burst[i].msg_len, now);
  return n < 0 ? 0 : n;
}

static void deliver(struct lane *lane, int64_t now) {
  struct iovec parts[BURST];
  struct mmsghdr burst[BURST];
  for (;;) {
    int n = 0;
    for (; n < BURST && lane->head + (unsigned)n != lane->tail; n++) {
      struct frame *frame = &lane->line[(lane->head + (unsigned)n) % SLOTS];
      if (frame->due_ns > now) break;
      parts[n] = (struct iovec){frame->data, frame->bytes};
      burst[n] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[n], .msg_iovlen = 1}};
    }
    if (n == 0) return;
    int sent = sendmmsg(lane->to, burst, (unsigned)n, MSG_DONTWAIT);
    if (sent <= 0) {
      lane->refused++;
      sent = 1;
    }
    lane->head += (unsigned)sent;
  }
}

static void wait_for_work(void) {
  int64_t due = INT64_MAX;
  for (int i = 0; i < 2; i++)
    if (lanes[i].head != lanes[i].tail) {
      int64_t at = lanes[i].line[lanes[i].head % SLOTS].due_ns;
      if (at < due) due = at;
    }
  int64_t left = due == INT64_MAX ? 100000000 : due - now_ns();
  if (left <= 0) return;
  struct timespec time = {left / 1000000000, left % 1000000000};
  struct pollfd ends[2] = {{lanes[0].from, POLLIN, 0}, {lanes[1].from, POLLIN, 0}};
  ppoll(ends, 2, &time, NULL);
}

int main(int argc, char **argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_TIMERSLACK, 1000);
  if (argc != 8) {
    fprintf(stderr, "cable: usage: cable INTERFACE INTERFACE LOSS DELAY_US RATE_BPS QUEUE_BYTES SEED\n");
    return 2;
  }
  lose_below = (uint64_t)(atof(argv[3]) * 4294967296.0);
  delay_ns = atoll(argv[4]) * 1000;
  ns_per_byte = 8e9 / atof(argv[5]);
  queue_ns = (int64_t)(atof(argv[6]) * ns_per_byte);
  int a = open_end(argv[1]), b = open_end(argv[2]);
  for (int i = 0; i < 2; i++) {
    lanes[i] = (struct lane){.from = i == 0 ? a : b, .to = i == 0 ? b : a, .random = (uint64_t)atoll(argv[7]) * 2 + (uint64_t)i};
    lanes[i].line = calloc(SLOTS, sizeof *lanes[i].line);
    if (lanes[i].line == NULL) fail("memory");
    next_random(&lanes[i].random);
  }
  /* A cable does not wait for a processor. Where this is refused, it does. */
  sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
  signal(SIGTERM, end);
  puts("ready");
  fflush(stdout);
  while (!is_over) {
    int64_t now = now_ns();
    for (int i = 0; i < 2; i++) deliver(&lanes[i], now);
    if (take(&lanes[0]) + take(&lanes[1]) == 0) wait_for_work();
  }
  for (int i = 0; i < 2; i++)
    printf("%ld %ld %ld %ld %ld\n", lanes[i].seen, lanes[i].lost, lanes[i].dropped, lanes[i].refused, lanes[i].giant);
  return 0;
}
