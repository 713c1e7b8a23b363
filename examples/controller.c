/*
 * A controller, as in the example of Kubernetes' work queue, on a directory tree instead of an API server.
 *
 *   controller [OPTION...] TREE OUT
 *
 * For each file TREE/namespace/name it keeps a file OUT/namespace/name with its checksum (a line as xxhsum prints it), and
 * removes that when the file has gone.  Five processes share the work through a queue in shared memory:
 *
 *   this one      the informer: adds the key `namespace/name` for each file that comes, changes or goes, and all of them
 *                 again every 5 s, so that nothing that was missed is missed for long
 *   a supervisor  workq_run(): starts the workers, and others in the place of those that die
 *   3 workers     get a key, read the file *as it is now*, and make the output agree with it
 *
 * A key says only that there may be something to do.  That is why ten changes of a file may be one run, and why a run that
 * was not necessary does no harm.  The queue never hands a key to two workers at a time, so they need no lock of their own.
 * Worker 1 always fails, to show the retries; a key that has failed 6 times is given up with a message.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <workq.h>

#include "common/parse.h"
#include "watch/informer.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define NS_PER_S INT64_C(1000000000)

enum { KEY_MAX = 512, REQUEUES_MAX = 5, FAILING_WORKER = 1, END_SIGNAL = 1 };

struct controller {
  const char *name;
  const char *tree_path, *out_path;
  int tree, out; /* descriptors of both */
  int64_t resync_ns;
  int64_t work_ns; /* what each key takes at least, to make watching easier */
  unsigned workers;
  int keep;
  workq *q;
  int signal_fd;
  uint64_t events[INFORMER_RESYNCED + 1]; /* by kind, INFORMER_* */
};

static struct timespec started;

/* One line with the time since the start, written at once, so that the lines of several processes stay whole. */
static void report(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void report(const char *format, ...) {
  char line[2 * KEY_MAX + 256];
  struct timespec now;
  va_list arguments;
  clock_gettime(CLOCK_MONOTONIC, &now);
  double seconds = (double)(now.tv_sec - started.tv_sec) + (double)(now.tv_nsec - started.tv_nsec) / 1e9;
  int at = snprintf(line, sizeof line, "%7.3f  ", seconds);
  va_start(arguments, format);
  vsnprintf(line + at, sizeof line - (size_t)at - 1, format, arguments);
  va_end(arguments);
  size_t len = strlen(line);
  line[len] = '\n';
  if (write(STDOUT_FILENO, line, len + 1) < 0) return; /* no reader; the work goes on */
}

/* ---- The workers' side: make one output file agree with its input file ----------------------------------------- */

/* A key is a name inside of the tree, added by any process. */
static int is_good_key(const char *key, size_t len) {
  char bounded[KEY_MAX + 3];
  if (memchr(key, '\0', len)) return 0;
  snprintf(bounded, sizeof bounded, "/%.*s/", (int)len, key);
  return !strstr(bounded, "//") && !strstr(bounded, "/./") && !strstr(bounded, "/../");
}

static void pretend_to_work(int64_t ns) {
  struct timespec left = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
  while (nanosleep(&left, &left) < 0 && errno == EINTR) continue;
}

/* The checksum of a file.  Returns 0, or an errno. */
static int checksum(int fd, uint64_t *sum) {
  static char buffer[65536];
  XXH64_state_t state;
  ssize_t n;
  XXH64_reset(&state, 0);
  while ((n = read(fd, buffer, sizeof buffer)) > 0) XXH64_update(&state, buffer, (size_t)n);
  *sum = XXH64_digest(&state);
  return n < 0 ? errno : 0;
}

/*
 * Opens the file of a key.  Returns 0 with *fd -1 where there is none (any more), or an errno.  Not blocking, because
 * there could be a FIFO of this name.
 */
static int open_input(const struct controller *controller, const char *key, int *fd) {
  struct stat status;
  *fd = openat(controller->tree, key, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (*fd < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : errno;
  if (fstat(*fd, &status) == 0 && S_ISREG(status.st_mode)) return 0;
  int error = S_ISDIR(status.st_mode) ? 0 : EINVAL; /* a directory has taken the file's place */
  close(*fd);
  *fd = -1;
  return error;
}

static void make_parents(int directory, const char *key) {
  char path[KEY_MAX + 1];
  for (const char *slash = strchr(key, '/'); slash; slash = strchr(slash + 1, '/')) {
    snprintf(path, sizeof path, "%.*s", (int)(slash - key), key);
    mkdirat(directory, path, 0777); /* what fails here fails again when the file is made */
  }
}

/* As a whole or not at all, also if the worker is killed: written aside, then renamed. */
static int write_output(int directory, const char *key, uint64_t sum) {
  char aside[KEY_MAX + 8], line[KEY_MAX + 32];
  const char *slash = strrchr(key, '/'), *base = slash ? slash + 1 : key;
  snprintf(aside, sizeof aside, "%.*s.%s.tmp", (int)(base - key), key, base);
  int len = snprintf(line, sizeof line, "%016llx  %s\n", (unsigned long long)sum, key);
  make_parents(directory, key);
  int fd = openat(directory, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) return errno;
  errno = EIO;
  int error = write(fd, line, (size_t)len) == len ? 0 : errno;
  close(fd);
  if (error == 0 && renameat(directory, aside, directory, key) < 0) error = errno;
  return error;
}

static int remove_output(int directory, const char *key) {
  char path[KEY_MAX + 1];
  if (unlinkat(directory, key, 0) < 0 && errno != ENOENT && errno != ENOTDIR && errno != EISDIR) return errno;
  snprintf(path, sizeof path, "%s", key);
  for (char *slash; (slash = strrchr(path, '/'));) {
    *slash = '\0';
    if (unlinkat(directory, path, AT_REMOVEDIR) < 0) break; /* other files are there yet */
  }
  return 0;
}

/* Returns 0 with what was done in words, or an errno. */
static int reconcile(const struct controller *controller, const char *key, unsigned worker, char done[64]) {
  int fd;
  uint64_t sum = 0;
  int error = open_input(controller, key, &fd);
  if (error == 0 && fd >= 0) error = checksum(fd, &sum);
  pretend_to_work(controller->work_ns);
  if (error == 0 && worker == FAILING_WORKER) error = ECANCELED;
  if (error == 0) error = fd >= 0 ? write_output(controller->out, key, sum) : remove_output(controller->out, key);
  if (fd >= 0) snprintf(done, 64, "checksum %016llx written", (unsigned long long)sum);
  else snprintf(done, 64, "has gone, checksum removed");
  if (fd >= 0) close(fd);
  return error;
}

/* The handler of workq_run(): as processNextItem() and handleErr() of the example in client-go. */
static int handle_key(workq *q, const workq_item *item, unsigned worker, void *arg) {
  (void)q;
  char key[KEY_MAX + 1], done[64];
  snprintf(key, sizeof key, "%.*s", (int)item->key_len, (const char *)item->key);
  int error = EINVAL;
  if (is_good_key(item->key, item->key_len)) error = reconcile(arg, key, worker, done);
  if (error == 0) {
    report("worker %u: %s: %s", worker, key, done);
    return WORKQ_OK;
  }
  const char *reason = worker == FAILING_WORKER && error == ECANCELED ? "this worker always fails" : strerror(error);
  if (item->failures < REQUEUES_MAX) {
    report("worker %u: %s: %s; requeued, %u of %d", worker, key, reason, item->failures + 1, (int)REQUEUES_MAX);
    return WORKQ_RETRY;
  }
  report("worker %u: %s: %s; GIVEN UP after %u requeues", worker, key, reason, item->failures);
  return WORKQ_GIVE_UP;
}

/* ---- The supervisor -------------------------------------------------------------------------------------------- */

static void on_event(void *arg, int what, unsigned worker, int pid, int status) {
  (void)arg;
  if (what == WORKQ_EVENT_STARTED) {
    report("supervisor: worker %u started, pid %d", worker, pid);
  } else if (what == WORKQ_EVENT_ENDED) {
    report("supervisor: worker %u ended", worker);
  } else if (WIFSIGNALED(status)) {
    report("supervisor: worker %u, pid %d, died of signal %d (%s); its key goes back", worker, pid, WTERMSIG(status),
           strsignal(WTERMSIG(status)));
  } else {
    report("supervisor: worker %u, pid %d, ended with status %d; its key goes back", worker, pid, WEXITSTATUS(status));
  }
}

/* In a process group of its own, so that Ctrl-C reaches only the informer, which then knows what to do in which order. */
static pid_t start_pool(struct controller *controller) {
  pid_t parent = getpid(), pid = fork();
  if (pid != 0) return pid;
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);
  workq_pool pool = {.workers = controller->workers, .event = on_event, .arg = controller};
  int result = workq_run(controller->q, &pool, handle_key);
  if (result < 0) report("supervisor: %s", workq_strerror(result));
  workq_close(controller->q);
  _exit(result < 0 ? 1 : 0);
}

/* ---- The informer's side --------------------------------------------------------------------------------------- */

static int is_told_to_end(const struct controller *controller) {
  struct pollfd wait_for = {.fd = controller->signal_fd, .events = POLLIN};
  return poll(&wait_for, 1, 0) > 0;
}

static int on_change(void *arg, const struct informer_change *change) {
  struct controller *controller = arg;
  int result;
  do { /* a full queue is waited for: the file system's changes are kept by the kernel meanwhile */
    result = workq_add_wait(controller->q, change->key, change->len, NS_PER_S / 5);
    if (result == -ETIMEDOUT && is_told_to_end(controller)) return END_SIGNAL;
  } while (result == -ETIMEDOUT || result == -EINTR);
  controller->events[change->kind]++;
  if (change->kind != INFORMER_RESYNCED) report("informer: %s %s", informer_kind_name(change->kind), change->key);
  if (result != -EMSGSIZE) return result < 0 ? result : 0;
  if (change->kind == INFORMER_LISTED || change->kind == INFORMER_ADDED)
    report("informer: %s is left out: its name is longer than %d bytes", change->key, (int)KEY_MAX);
  return 0;
}

static void on_trouble(void *arg, const char *path, int error) {
  (void)arg;
  report("informer: %s: %s", path, strerror(error));
}

/* Adds keys until a signal comes.  Returns 0, or a negative errno. */
static int inform(struct controller *controller) {
  struct informer_options options = {.changed = on_change, .trouble = on_trouble, .arg = controller};
  struct informer *informer;
  int result = informer_open(controller->tree_path, &options, &informer);
  if (result < 0) return result;
  result = informer_run(informer, controller->resync_ns, controller->signal_fd);
  informer_close(informer);
  struct signalfd_siginfo first; /* taken, so that drain() sees only those that come after it */
  while (read(controller->signal_fd, &first, sizeof first) < 0 && errno == EINTR) continue;
  return result < 0 ? result : 0;
}

/*
 * No more keys; the workers go on with those that are ready, and end.  Keys that wait for a retry are left: the next
 * start lists all files anyway.  A signal more: they end after the key that they process.  Yet another: at once.
 */
static int drain(struct controller *controller, pid_t pool) {
  int status;
  workq_shutdown(controller->q);
  while (waitpid(pool, &status, WNOHANG) == 0) {
    struct signalfd_siginfo info;
    struct pollfd wait_for = {.fd = controller->signal_fd, .events = POLLIN};
    if (poll(&wait_for, 1, -1) > 0 && read(controller->signal_fd, &info, sizeof info) == (ssize_t)sizeof info &&
        info.ssi_signo != SIGCHLD)
      kill(pool, SIGTERM);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void summarize(const struct controller *controller) {
  const uint64_t *events = controller->events;
  workq_stats_data stats;
  if (workq_stats(controller->q, &stats) < 0) return;
  printf("\nsummary of queue %s\n", stats.name);
  printf("  file events   %llu list, %llu add, %llu update, %llu delete, %llu resync\n",
         (unsigned long long)events[INFORMER_LISTED], (unsigned long long)events[INFORMER_ADDED],
         (unsigned long long)events[INFORMER_UPDATED], (unsigned long long)events[INFORMER_REMOVED],
         (unsigned long long)events[INFORMER_RESYNCED]);
  printf("  adds          %llu keys newly queued\n", (unsigned long long)stats.adds);
  printf("  coalesced     %llu found their key queued already\n", (unsigned long long)stats.coalesced);
  printf("  runs          %llu\n", (unsigned long long)stats.gets);
  printf("  retries       %llu\n", (unsigned long long)stats.retries);
  printf("  given up      %llu\n", (unsigned long long)stats.gave_up);
  printf("  crashes       %llu keys put back because their worker died\n", (unsigned long long)stats.crashes);
  printf("  left          %u ready, %u processing, %u delayed, %u buried\n", stats.ready, stats.processing,
         stats.delayed, stats.buried);
}

/* ---- Start and end --------------------------------------------------------------------------------------------- */

static int block_signals(void) {
  struct sigaction action = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP}; /* a stopped supervisor is not dead */
  sigaction(SIGCHLD, &action, NULL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int complain(const char *what, const char *why) {
  fprintf(stderr, "controller: %s: %s\n", what, why);
  return 1;
}

static int open_all(struct controller *controller) {
  workq_options options = {.key_max = KEY_MAX, .give_up = WORKQ_DROP};
  controller->tree = open(controller->tree_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (controller->tree < 0) return complain(controller->tree_path, strerror(errno));
  mkdir(controller->out_path, 0777);
  controller->out = open(controller->out_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (controller->out < 0) return complain(controller->out_path, strerror(errno));
  controller->signal_fd = block_signals();
  if (controller->signal_fd < 0) return complain("signalfd", strerror(errno));
  int result = workq_open_or_create(controller->name, &options, &controller->q);
  if (result >= 0) result = workq_resume(controller->q); /* one that was kept is shut down */
  return result < 0 ? complain(controller->name, workq_strerror(result)) : 0;
}

static int usage(void) {
  fputs("usage: controller [OPTION...] TREE OUT\n"
        "Keeps in OUT a checksum of each file in TREE, until SIGINT (Ctrl-C) or SIGTERM.\n"
        "  --name NAME    of the queue (controller-PID); use it with: workq dump NAME\n"
        "  --workers N    number of worker processes (3); number 1 always fails\n"
        "  --resync DUR   how often all files are looked at again (5s)\n"
        "  --work DUR     what each key takes at least, to have time to watch (0)\n"
        "  --keep         leave the queue in /dev/shm at the end\n",
        stderr);
  return 2;
}

static int read_options(int argc, char **argv, struct controller *controller) {
  static const struct option options[] = {
      {"name", required_argument, NULL, 'n'},   {"workers", required_argument, NULL, 'w'},
      {"resync", required_argument, NULL, 'r'}, {"work", required_argument, NULL, 't'},
      {"keep", no_argument, NULL, 'k'},         {NULL, 0, NULL, 0}};
  int64_t workers = controller->workers;
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    int good = 1;
    switch (option) {
    case 'n':
      controller->name = optarg;
      break;
    case 'w':
      good = parse_integer(optarg, 1, 100, &workers);
      break;
    case 'r':
      good = parse_duration(optarg, &controller->resync_ns);
      break;
    case 't':
      good = parse_duration(optarg, &controller->work_ns);
      break;
    case 'k':
      controller->keep = 1;
      break;
    default:
      good = 0;
      break;
    }
    if (!good) return usage();
  }
  if (argc - optind != 2) return usage();
  controller->workers = (unsigned)workers;
  controller->tree_path = argv[optind];
  controller->out_path = argv[optind + 1];
  return 0;
}

int main(int argc, char **argv) {
  char name[32];
  snprintf(name, sizeof name, "controller-%d", (int)getpid());
  struct controller controller = {.name = name, .workers = 3, .resync_ns = 5 * NS_PER_S};
  clock_gettime(CLOCK_MONOTONIC, &started);

  int status = read_options(argc, argv, &controller);
  if (status == 0) status = open_all(&controller);
  if (status != 0) return status;

  report("controller: queue %s; Ctrl-C ends it", controller.name);
  pid_t pool = start_pool(&controller);
  int result = pool < 0 ? -errno : inform(&controller);
  if (result < 0) status = complain("informer", workq_strerror(result));
  report("controller: draining");
  if (pool > 0 && drain(&controller, pool) != 0) status = 1;

  summarize(&controller);
  workq_close(controller.q);
  if (!controller.keep) workq_unlink(controller.name);
  return status;
}
