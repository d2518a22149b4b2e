/* The kernel's end of a benchmark: a plain blocking TCP (or unix socket) program. Compiled by the benchmark that uses it.
 *
 *   peer sink PORT                 takes connections one after the other and reads what comes
 *   peer source PORT               takes connections one after the other and sends until the other end closes
 *   peer pong PORT                 takes connections one after the other and sends each byte back
 *   peer send ADDRESS PORT MS      sends for MS milliseconds after a warm-up; prints bytes per second
 *   peer receive ADDRESS PORT MS   receives for MS milliseconds after a warm-up; prints bytes per second
 *   peer ping ADDRESS PORT COUNT   sends a byte and waits for it, COUNT times; prints the median in nanoseconds
 *
 * With `unix` for ADDRESS, and everywhere a PORT that begins with a slash, a unix stream socket of that path instead of TCP.
 * Reads and writes are of 128 KiB. Servers print "ready" when they listen. It dies with its parent, and no read or write waits
 * longer than five seconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 128 * 1024, WARM_UP_MS = 300 };
static char chunk[CHUNK];

static void fail(const char *what) {
  fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* bbr, a common default, paces by timers and is several times slower on small virtual machines. */
static void set_options(int fd) {
  int on = 1;
  struct timeval five = {5, 0};
  setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &five, sizeof five);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &five, sizeof five);
}

/* Where a server is: a socket of its family, and its address. Returns the address's size. */
static socklen_t place(const char *address, const char *port, int *fd, struct sockaddr_storage *at) {
  memset(at, 0, sizeof *at);
  if (port[0] == '/') {
    struct sockaddr_un *un = (struct sockaddr_un *)at;
    un->sun_family = AF_UNIX;
    if (snprintf(un->sun_path, sizeof un->sun_path, "%s", port) >= (int)sizeof un->sun_path) fail(port);
    *fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return sizeof *un;
  }
  struct sockaddr_in *in = (struct sockaddr_in *)at;
  in->sin_family = AF_INET;
  in->sin_port = htons((uint16_t)atoi(port));
  if (inet_pton(AF_INET, address, &in->sin_addr) != 1) fail(address);
  *fd = socket(AF_INET, SOCK_STREAM, 0);
  return sizeof *in;
}

static int listen_on(const char *port) {
  int fd, on = 1;
  struct sockaddr_storage at;
  socklen_t size = place("0.0.0.0", port, &fd, &at);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  set_options(fd);
  if (bind(fd, (struct sockaddr *)&at, size) < 0 || listen(fd, 16) < 0) fail("listen");
  puts("ready");
  fflush(stdout);
  return fd;
}

static int connect_to(const char *address, const char *port) {
  int fd;
  struct sockaddr_storage to;
  socklen_t size = place(address, port, &fd, &to);
  set_options(fd);
  if (connect(fd, (struct sockaddr *)&to, size) < 0) fail("connect");
  return fd;
}

static int exchange(const char *mode, int fd) {
  if (strcmp(mode, "source") == 0) return send(fd, chunk, CHUNK, MSG_NOSIGNAL) > 0;
  ssize_t n = recv(fd, chunk, CHUNK, 0);
  if (n <= 0) return 0;
  return strcmp(mode, "sink") == 0 || send(fd, chunk, (size_t)n, MSG_NOSIGNAL) == n;
}

static void serve(const char *mode, const char *port) {
  int listener = listen_on(port);
  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (fd < 0) fail("accept");
    set_options(fd);
    while (exchange(mode, fd)) continue;
    close(fd);
  }
}

static void stream(int fd, int sends, int64_t ms) {
  int64_t begin = now_ns() + WARM_UP_MS * 1000000LL, end = begin + ms * 1000000LL, now, bytes = 0, first = 0;
  while ((now = now_ns()) < end) {
    ssize_t n = sends ? send(fd, chunk, CHUNK, MSG_NOSIGNAL) : recv(fd, chunk, CHUNK, 0);
    if (n <= 0) fail(sends ? "send" : "receive");
    if (now < begin) continue;
    if (first == 0) first = now;
    bytes += n;
  }
  printf("%.0f\n", (double)bytes * 1e9 / (double)(now_ns() - first));
}

static int compare(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static void ping(int fd, int count) {
  int64_t *times = calloc((size_t)count, sizeof *times);
  if (times == NULL || count < 1) fail("count");
  for (int i = 0; i < count; i++) {
    int64_t begin = now_ns();
    if (send(fd, chunk, 1, MSG_NOSIGNAL) != 1 || recv(fd, chunk, 1, 0) != 1) fail("ping");
    times[i] = now_ns() - begin;
  }
  qsort(times, (size_t)count, sizeof *times, compare);
  printf("%lld\n", (long long)times[count / 2]);
}

int main(int argc, char **argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  if (argc == 3) serve(argv[1], argv[2]);
  if (argc != 5) {
    fprintf(stderr, "peer: usage: peer sink|source|pong PORT, peer send|receive|ping ADDRESS PORT MS|COUNT\n");
    return 2;
  }
  int fd = connect_to(argv[2], argv[3]);
  if (strcmp(argv[1], "ping") == 0) ping(fd, atoi(argv[4]));
  else stream(fd, strcmp(argv[1], "send") == 0, atoll(argv[4]));
  return 0;
}
