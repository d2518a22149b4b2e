/* Named network namespaces, as `ip netns` keeps them: files under /run/netns with a namespace bound on each. Whatever must
 * happen inside one runs on a short-lived thread, so that the thread of JavaScript never leaves its own. */
#include "common.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NETNS_DIRECTORY "/run/netns"
#define PATH_BYTES (sizeof NETNS_DIRECTORY + NETNS_NAME_BYTES)

static void netns_path(char path[PATH_BYTES], const char *name) {
  snprintf(path, PATH_BYTES, "%s/%s", NETNS_DIRECTORY, name);
}

bool option_netns(napi_env env, napi_value object, const char *key, char out[NETNS_NAME_BYTES]) {
  out[0] = 0;
  napi_value value;
  napi_valuetype type;
  if (napi_get_named_property(env, object, key, &value) == napi_ok && napi_typeof(env, value, &type) == napi_ok &&
      type == napi_undefined)
    return true;
  if (!option_text(env, object, key, true, out, NETNS_NAME_BYTES)) return false;
  bool bad = out[0] == 0 || strcmp(out, ".") == 0 || strcmp(out, "..") == 0 || strchr(out, '/') != NULL;
  for (const char *at = out; *at != 0; at++)
    if (*at <= ' ' || *at == 0x7f) bad = true;
  if (bad) throw_error(env, EINVAL, "%s: not a network namespace name: \"%s\"", key, out);
  return !bad;
}

/* Whether a namespace is bound on the file (an empty file is what a half-made or half-removed one leaves). */
static bool is_bound(const char *path) {
  struct statfs status;
  return statfs(path, &status) == 0 && status.f_type == NSFS_MAGIC;
}

int netns_open(const char *name, struct failure *why) {
  char path[PATH_BYTES];
  netns_path(path, name);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return fail(why, ENOENT, "network namespace \"%s\" does not exist", name);
  if (fd < 0) return fail(why, errno, "cannot open network namespace \"%s\": %s", name, strerror(errno));
  if (!is_bound(path)) {
    close(fd);
    return fail(why, EINVAL, "%s is not a network namespace", path);
  }
  return fd;
}

/* Makes /run/netns a shared mount like iproute2 does: what is bound there must show up in, and can be removed from, other
 * mount namespaces. */
static int prepare_directory(struct failure *why) {
  if (mkdir(NETNS_DIRECTORY, 0755) != 0 && errno != EEXIST)
    return fail(why, errno, "cannot make %s: %s", NETNS_DIRECTORY, strerror(errno));
  int lock = open(NETNS_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock < 0) return fail(why, errno, "cannot open %s: %s", NETNS_DIRECTORY, strerror(errno));
  while (flock(lock, LOCK_EX) != 0 && errno == EINTR) continue;
  if (mount("", NETNS_DIRECTORY, "none", MS_SHARED | MS_REC, NULL) != 0) {
    int err = errno;
    if (err == EINVAL && mount(NETNS_DIRECTORY, NETNS_DIRECTORY, "none", MS_BIND | MS_REC, NULL) == 0 &&
        mount("", NETNS_DIRECTORY, "none", MS_SHARED | MS_REC, NULL) == 0)
      return lock;
    close(lock);
    return fail(why, err, "cannot make a network namespace: mount on %s: %s", NETNS_DIRECTORY, strerror(err));
  }
  return lock;
}

static void loopback_up(void) {
  struct ifreq request = {0};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
  ioctl(fd, SIOCSIFFLAGS, &request);
  close(fd);
}

/* On the helper thread, under the directory's lock: leaves this thread in a new namespace bound to the name. */
static int create_here(const char *name, struct failure *why) {
  char path[PATH_BYTES];
  netns_path(path, name);
  int file = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0);
  if (file < 0) return fail(why, errno, "cannot make %s: %s", path, strerror(errno));
  close(file);
  const char *step = "unshare";
  if (unshare(CLONE_NEWNET) == 0) {
    step = "mount";
    if (mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL) == 0) {
      loopback_up();
      return 0;
    }
  }
  int err = errno;
  unlink(path);
  return fail(why, err, "cannot make network namespace \"%s\": %s: %s", name, step, strerror(err));
}

int netns_remove(const char *name, struct failure *why) {
  char path[PATH_BYTES];
  netns_path(path, name);
  if (access(path, F_OK) != 0) return fail(why, ENOENT, "network namespace \"%s\" does not exist", name);
  if (umount2(path, MNT_DETACH) != 0 && errno != EINVAL)
    return fail(why, errno, "cannot remove network namespace \"%s\": %s", name, strerror(errno));
  if (unlink(path) != 0)
    return fail(why, errno, "cannot remove network namespace \"%s\": %s", name, strerror(errno));
  return 0;
}

struct task {
  const char *name;
  bool *created;
  int (*work)(void *argument, struct failure *why);
  void *argument;
  struct failure *why;
  int result;
};

static int enter(struct task *task) {
  char path[PATH_BYTES];
  netns_path(path, task->name);
  if (task->created != NULL) {
    int lock = prepare_directory(task->why);
    if (!is_bound(path)) {
      if (lock < 0) return lock;
      int result = create_here(task->name, task->why);
      close(lock);
      *task->created = result == 0;
      return result;
    }
    if (lock >= 0) close(lock); /* without the right to mount, a namespace that exists can still be used */
  }
  int fd = netns_open(task->name, task->why);
  if (fd < 0) return fd;
  int result = 0;
  if (setns(fd, CLONE_NEWNET) != 0)
    result = fail(task->why, errno, "cannot enter network namespace \"%s\": %s", task->name, strerror(errno));
  close(fd);
  return result;
}

static void *task_main(void *argument) {
  struct task *task = argument;
  task->result = task->name[0] == 0 ? 0 : enter(task);
  if (task->result == 0) task->result = task->work(task->argument, task->why);
  return NULL;
}

int netns_run(const char *name, bool *created, int (*work)(void *argument, struct failure *why), void *argument,
              struct failure *why) {
  struct task task = {name, created, work, argument, why, 0};
  pthread_t thread;
  sigset_t all, before;
  if (created != NULL) *created = false;
  /* The thread inherits the mask: signals stay with the threads that Node made. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int err = pthread_create(&thread, NULL, task_main, &task);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (err != 0) return fail(why, err, "cannot start a thread: %s", strerror(err));
  pthread_join(thread, NULL);
  if (task.result != 0 && created != NULL && *created) {
    struct failure ignored;
    netns_remove(name, &ignored);
    *created = false;
  }
  return task.result;
}

/* ---- exports ---- */

static int nothing(void *argument, struct failure *why) {
  (void)argument;
  (void)why;
  return 0;
}

/* ensureNetns(name): makes the namespace when missing; true when it did. */
static napi_value ensure_netns(napi_env env, napi_callback_info info) {
  napi_value argument, object, result;
  char name[NETNS_NAME_BYTES];
  bool created = false;
  struct failure why;
  if (!get_arguments(env, info, 1, &argument, NULL) || napi_create_object(env, &object) != napi_ok ||
      napi_set_named_property(env, object, "netns", argument) != napi_ok || !option_netns(env, object, "netns", name))
    return NULL;
  if (name[0] == 0) return throw_error(env, EINVAL, "netns: missing");
  if (netns_run(name, &created, nothing, NULL, &why) != 0) return throw_failure(env, &why);
  if (napi_get_boolean(env, created, &result) != napi_ok) return NULL;
  return result;
}

/* deleteNetns(name): unbinds and removes the name; the namespace ends when its last user does. */
static napi_value delete_netns(napi_env env, napi_callback_info info) {
  napi_value argument, object;
  char name[NETNS_NAME_BYTES];
  struct failure why;
  if (!get_arguments(env, info, 1, &argument, NULL) || napi_create_object(env, &object) != napi_ok ||
      napi_set_named_property(env, object, "netns", argument) != napi_ok || !option_netns(env, object, "netns", name))
    return NULL;
  if (name[0] == 0) return throw_error(env, EINVAL, "netns: missing");
  if (netns_remove(name, &why) != 0) return throw_failure(env, &why);
  return NULL;
}

struct sysctl {
  char path[256];
  char value[128];
};

static int write_sysctl(void *argument, struct failure *why) {
  struct sysctl *sysctl = argument;
  int fd = open(sysctl->path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return fail(why, errno, "cannot open %s: %s", sysctl->path, strerror(errno));
  ssize_t wrote = write(fd, sysctl->value, strlen(sysctl->value));
  int err = errno;
  close(fd);
  return wrote >= 0 ? 0 : fail(why, err, "cannot write \"%s\" to %s: %s", sysctl->value, sysctl->path, strerror(err));
}

/* writeSysctl({ netns?, key, value }): key is a path below /proc/sys/net, such as "ipv4/tcp_congestion_control". */
static napi_value write_net_sysctl(napi_env env, napi_callback_info info) {
  napi_value options;
  char name[NETNS_NAME_BYTES], key[200] = "";
  struct sysctl sysctl;
  struct failure why;
  if (!get_arguments(env, info, 1, &options, NULL) || !to_object(env, options, "options") ||
      !option_netns(env, options, "netns", name) || !option_text(env, options, "key", true, key, sizeof key) ||
      !option_text(env, options, "value", true, sysctl.value, sizeof sysctl.value))
    return NULL;
  if (key[0] == 0 || key[0] == '/' || strstr(key, "..") != NULL)
    return throw_error(env, EINVAL, "key: not a path below /proc/sys/net: \"%s\"", key);
  snprintf(sysctl.path, sizeof sysctl.path, "/proc/sys/net/%s", key);
  if (netns_run(name, NULL, write_sysctl, &sysctl, &why) != 0) return throw_failure(env, &why);
  return NULL;
}

bool netns_exports(napi_env env, napi_value exports) {
  return add_function(env, exports, "ensureNetns", ensure_netns) &&
         add_function(env, exports, "deleteNetns", delete_netns) &&
         add_function(env, exports, "writeSysctl", write_net_sysctl);
}
