/*
 * Deaths that a forked child hides: the owner of a handle forks a child that never touches its copy, and is then killed, or
 * replaced by another program.  As long as the child lives, the lock on the owner's byte of the file stays, since the child
 * shares the description that holds it; so where the kernel does not tell by the mutexes either, because the owner's memory
 * was released before its exit or another thread than the main one called execve(), something else must tell.
 *
 * The owner dies inside the queue lock or with a key in hand, and is left as a zombie, waited for, or its number is another
 * process's by then.  Others must go on, and have its key and its slot, while the child lives on.
 *
 * orphan [WAY]...
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/plain.h"
#include "support/process.h"
#include "support/release.h"

#include "workq.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A bound for what must come, and no test of how long that takes. */
#define EVENT_NS    INT64_C(300000000000)
#define INTERVAL_NS 10000000
#define MOMENT_NS   1000000
/* Longer than the unit in which the kernel tells when a process began. */
#define TICK_NS 50000000

enum { ROUNDS = 3, SLOT_ROUNDS = 4, TRIES = 1000 };

typedef enum { IN_LOCK, KEY_IN_HAND } where;
typedef enum { RELEASED, REPLACED, KILLED } how; /* what became of the owner */
typedef enum { ZOMBIE, GONE, REUSED } rest;      /* what is left of it */

typedef struct way {
  const char *name;
  where where;
  how how;
  rest rest;
} way;

/* Shared with all children. */
static struct {
  _Atomic pid_t owner; /* the thread that has the handle, once it is where it is to die */
  _Atomic pid_t idle;  /* its child */
  _Atomic bool go;     /* the owner may call execve() */
} * shared;

static char name[64];
static workq *q;
static int leash[2]; /* who reads it ends when this process ends, or lets go */
static unsigned released;

static void moment(void) {
  nanosleep(&(struct timespec){.tv_nsec = MOMENT_NS}, NULL);
}

/* ---- The owner and its child --------------------------------------------------------------------------------- */

static void become_another_program(void) {
  static char *const arguments[] = {"orphan", "--after", NULL};
  while (!atomic_load(&shared->go)) moment();
  execv("/proc/self/exe", arguments);
  _exit(PLAIN_FAIL);
}

/* The program after the execve().  The wish to die with the parent was the thread's, and went with it. */
static int live_on(void) {
  pid_t parent = getppid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent || parent == 1) return PLAIN_FAIL;
  alarm(1800);
  for (;;) pause();
}

/* Never touches its copy of the handle; lives until the leash is let go. */
static void be_idle(void) {
  char byte;
  prctl(PR_SET_PDEATHSIG, 0);
  while (read(leash[0], &byte, 1) < 0 && errno == EINTR) continue;
  _exit(PLAIN_PASS);
}

static const way *owners_way;
static workq *look; /* tells whether the owner has the lock */
static bool armed;

static void die_here(void) {
  atomic_store(&shared->owner, (pid_t)syscall(SYS_gettid));
  if (owners_way->how == REPLACED) become_another_program();
  for (;;) pause();
}

/* The library reads this clock inside the lock and in a transaction, too: for an add with a delay. */
static int64_t clock_to_die_by(void *unused) {
  (void)unused;
  if (armed && workq_lock_owner(look) == getpid()) die_here();
  return plain_now_ns();
}

static void *own(void *way_taken) {
  owners_way = way_taken;
  workq_options options = {.clock = clock_to_die_by}, raw = {.flags = WORKQ_RAW};
  workq *mine;
  workq_item item;
  close(leash[1]);
  plain_ok(workq_open(name, &raw, &look), "workq_open of a raw handle");
  plain_ok(workq_open(name, &options, &mine), "workq_open by the owner");
  if (owners_way->where == KEY_IN_HAND) plain_ok(workq_get(mine, &item, 0), "workq_get by the owner");
  pid_t pid = fork();
  if (pid == 0) be_idle();
  if (pid < 0) plain_fail("fork: %s", strerror(errno));
  atomic_store(&shared->idle, pid);
  armed = owners_way->where == IN_LOCK;
  if (!armed) die_here();
  plain_ok(workq_add_after(mine, "dead", 4, 1), "workq_add_after by the owner");
  plain_fail("the owner did not stop in the lock");
}

/* Returns the owner's process, which stands where it is to die. */
static pid_t start_owner(const way *w) {
  way copy = *w;
  atomic_store(&shared->owner, 0);
  atomic_store(&shared->go, false);
  pid_t pid = process_fork();
  if (pid == 0) {
    pthread_t thread;
    /* The program is replaced by a thread that is not the main one. */
    if (w->how != REPLACED) own(&copy);
    if (pthread_create(&thread, NULL, own, &copy) != 0) plain_fail("pthread_create");
    for (;;) pause();
  }
  while (!atomic_load(&shared->owner)) {
    if (waitpid(pid, NULL, WNOHANG) == pid) plain_fail("%s: the owner ended before", w->name);
    moment();
  }
  return pid;
}

/* Until it has exited, and is still to be waited for. */
static void await_zombie(pid_t pid) {
  siginfo_t info;
  while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0)
    if (errno != EINTR) plain_fail("waitid: %s", strerror(errno));
}

/* Of a grandchild that is not this process's child yet, the parent being there, it says so only when it is gone. */
static bool is_dead(pid_t pid) {
  siginfo_t info = {.si_pid = 0};
  int rc = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG);
  return rc == 0 ? info.si_pid != 0 : kill(pid, 0) != 0;
}

/* A child with the number of one that is gone.  It never touches the queue. */
static pid_t take_number(pid_t number) {
  for (int tries = 0; tries < TRIES; tries++) {
    FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "we");
    if (!last) plain_skip("ns_last_pid cannot be written: %s", strerror(errno));
    fprintf(last, "%d", (int)number - 1);
    if (fclose(last) != 0) plain_skip("ns_last_pid cannot be written: %s", strerror(errno));
    pid_t pid = process_fork();
    if (pid == 0)
      for (;;) pause();
    if (pid == number) return pid;
    process_kill(pid);
  }
  plain_skip("number %d is not given again", (int)number);
}

/* Ends the owner.  Returns what is to be killed in the end. */
static pid_t end_owner(const way *w, pid_t pid) {
  if (w->how == REPLACED) {
    pid_t tid = atomic_load(&shared->owner);
    atomic_store(&shared->go, true);
    while (syscall(SYS_tgkill, pid, tid, 0) == 0) moment();
    return pid;
  }
  if (w->how == RELEASED) released += release_kill(pid);
  else kill(pid, SIGKILL);
  await_zombie(pid);
  if (w->rest == ZOMBIE) return pid;
  process_wait(pid);
  if (w->rest == GONE) return 0;
  nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
  return take_number(pid);
}

/* ---- The others ---------------------------------------------------------------------------------------------- */

static void open_queue(uint32_t handles) {
  workq_options options = {.capacity = 100,
                           .key_max = 16,
                           .handles = handles,
                           .reap_interval_ns = INTERVAL_NS,
                           .lock_timeout_ns = EVENT_NS,
                           .max_crashes = WORKQ_NEVER,
                           .limiter = {.kinds = WORKQ_LIMIT_NONE}};
  plain_ok(workq_create(name, &options, &q), "workq_create");
  if (pipe2(leash, O_CLOEXEC) != 0) plain_fail("pipe2: %s", strerror(errno));
}

/* left: what is left of its parent, 0 for nothing. */
static void end_idle(const way *w, pid_t left) {
  pid_t idle = atomic_load(&shared->idle);
  if (is_dead(idle)) plain_fail("%s: the idle child has ended before", w->name);
  if (left) process_kill(left);
  close(leash[1]);
  close(leash[0]);
  process_wait(idle);
}

static void close_queue(const char *when) {
  plain_check(q, when);
  plain_ok(workq_close(q), "workq_close");
  plain_ok(workq_unlink(name), "workq_unlink");
}

static void expect_ok(const way *w, int result, const char *what) {
  if (result < 0)
    plain_fail("%s: %s while the idle child of a dead owner lives: %s", w->name, what, workq_strerror(result));
}

static void expect_key(const way *w, const char *key, int64_t timeout_ns) {
  workq_item item;
  expect_ok(w, workq_get(q, &item, timeout_ns), "workq_get");
  if (item.key_len != strlen(key) || memcmp(item.key, key, item.key_len) != 0)
    plain_fail("%s: not the key \"%s\" that was expected", w->name, key);
  expect_ok(w, workq_complete(q, &item), "workq_complete");
}

static void attach_and_detach(const way *w) {
  workq *other;
  workq_options options = {.lock_timeout_ns = EVENT_NS};
  expect_ok(w, workq_open(name, &options, &other), "workq_open");
  expect_ok(w, workq_add(other, "other", 5), "workq_add by a new handle");
  expect_ok(w, workq_close(other), "workq_close of a new handle");
}

/* by_itself: nobody asks for a look at the dead. */
static void play(const way *w, bool by_itself) {
  open_queue(8);
  plain_ok(workq_add(q, "key", 3), "workq_add");
  pid_t pid = start_owner(w);
  pid_t left = end_owner(w, pid);
  if (w->where == IN_LOCK) {
    expect_ok(w, workq_add(q, "more", 4), "workq_add");
    expect_key(w, "key", 0);
    expect_key(w, "more", 0);
    workq_stats_data stats;
    expect_ok(w, workq_stats(q, &stats), "workq_stats");
    if (stats.keys != 0) plain_fail("%s: the add in which the owner died was not rolled back", w->name);
  } else {
    if (!by_itself && workq_reap(q) != 1) plain_fail("%s: workq_reap() does not find the dead owner", w->name);
    expect_key(w, "key", by_itself ? EVENT_NS : 0);
  }
  attach_and_detach(w);
  expect_key(w, "other", 0);
  end_idle(w, left);
  close_queue(w->name);
}

/* ---- The slot ------------------------------------------------------------------------------------------------ */

/* One owner after the other dies, and the idle children of all live on: the next one always finds room. */
static void play_slot(const way *w) {
  pid_t idle[SLOT_ROUNDS];
  open_queue(2);
  for (int i = 0; i < SLOT_ROUNDS; i++) {
    plain_ok(workq_add(q, "key", 3), "workq_add");
    pid_t pid = start_owner(w);
    idle[i] = atomic_load(&shared->idle);
    pid_t left = end_owner(w, pid);
    attach_and_detach(w);
    expect_key(w, "key", 0);
    expect_key(w, "other", 0);
    if (left) process_kill(left);
  }
  for (int i = 0; i < SLOT_ROUNDS; i++)
    if (is_dead(idle[i])) plain_fail("%s: an idle child has ended before", w->name);
  close(leash[1]);
  close(leash[0]);
  for (int i = 0; i < SLOT_ROUNDS; i++) process_wait(idle[i]);
  close_queue(w->name);
}

/* ---- Namespaces ---------------------------------------------------------------------------------------------- */

/* The first process of a pid namespace: its end ends all others there. */
static void be_first(bool own_proc, void (*play_there)(const way *w), const way *w) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (own_proc && mount("proc", "/proc", "proc", 0, NULL) != 0) plain_skip("/proc cannot be mounted");
  play_there(w);
  fflush(NULL);
  _exit(PLAIN_PASS);
}

/* Returns false where that is not permitted. */
static bool in_namespace(bool own_proc, void (*play_there)(const way *w), const way *w) {
  pid_t outside = process_fork();
  if (outside == 0) {
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
      _exit(PLAIN_SKIP);
    pid_t first = fork();
    if (first == 0) be_first(own_proc, play_there, w);
    int status = first < 0 ? -1 : process_wait(first);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : PLAIN_FAIL);
  }
  int status = process_wait(outside);
  if (WIFEXITED(status) && WEXITSTATUS(status) == PLAIN_SKIP) return false;
  if (status != 0) plain_fail("%s: failed in its namespace", w->name);
  return true;
}

static void play_reused(const way *w) {
  play(w, true);
}

/* /proc shows another namespace's processes by these numbers: the living must not be taken for dead by what it says. */
static void play_foreign_proc(const way *w) {
  open_queue(8);
  plain_ok(workq_add(q, "key", 3), "workq_add");
  pid_t pid = start_owner(w);
  for (int i = 0; i < ROUNDS; i++) {
    nanosleep(&(struct timespec){.tv_nsec = TICK_NS}, NULL);
    if (workq_reap(q) != 0) plain_fail("%s: a living owner was taken for dead", w->name);
  }
  workq_item item;
  int rc = workq_get(q, &item, 0);
  if (rc != -ETIMEDOUT) plain_fail("%s: a living owner's key was given to another", w->name);
  process_kill(pid);
  expect_ok(w, workq_reap(q), "workq_reap");
  expect_key(w, "key", EVENT_NS);
  end_idle(w, 0);
  close_queue(w->name);
}

/* ---- All ------------------------------------------------------------------------------------------------------ */

static const way ways[] = {
    {"released-lock-zombie", IN_LOCK, RELEASED, ZOMBIE},
    {"released-lock-gone", IN_LOCK, RELEASED, GONE},
    {"released-key-zombie", KEY_IN_HAND, RELEASED, ZOMBIE},
    {"released-key-gone", KEY_IN_HAND, RELEASED, GONE},
    {"replaced-lock", IN_LOCK, REPLACED, GONE},
    {"replaced-key", KEY_IN_HAND, REPLACED, GONE},
    {"killed-lock-zombie", IN_LOCK, KILLED, ZOMBIE},
    {"killed-key-gone", KEY_IN_HAND, KILLED, GONE},
};
static const way slot_ways[] = {{"slot-killed", KEY_IN_HAND, KILLED, GONE},
                                {"slot-released", KEY_IN_HAND, RELEASED, ZOMBIE},
                                {"slot-replaced", KEY_IN_HAND, REPLACED, GONE}};
static const way reused_ways[] = {{"reused-lock", IN_LOCK, RELEASED, REUSED},
                                  {"reused-key", KEY_IN_HAND, RELEASED, REUSED}};
static const way foreign_way = {"foreign-proc", KEY_IN_HAND, KILLED, GONE};

static bool wanted(const way *w, char **names) {
  if (!*names) return true;
  for (; *names; names++)
    if (strcmp(*names, w->name) == 0) return true;
  return false;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "--after") == 0) return live_on();
  plain_begin(&argc, argv);
  char **names = argv + 1;
  unsigned in_namespaces = 0;
  shared = process_share(sizeof *shared);
  plain_own(name, sizeof name, "orphan");
  plain_watchdog(1800, name);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) plain_fail("prctl: %s", strerror(errno));
  for (size_t i = 0; i < COUNT(ways); i++)
    for (unsigned n = 0; n < ROUNDS && wanted(&ways[i], names); n++) play(&ways[i], n % 2 == 0);
  for (size_t i = 0; i < COUNT(slot_ways); i++)
    if (wanted(&slot_ways[i], names)) play_slot(&slot_ways[i]);
  for (size_t i = 0; i < COUNT(reused_ways); i++)
    if (wanted(&reused_ways[i], names)) in_namespaces += in_namespace(true, play_reused, &reused_ways[i]);
  if (wanted(&foreign_way, names)) in_namespaces += in_namespace(false, play_foreign_proc, &foreign_way);
  printf("the memory of %u owners was released before their exit; %u ways in a pid namespace of their own\n", released,
         in_namespaces);
  if (!*names && released == 0) plain_skip("this kernel releases the memory of none of those who were killed");
  return PLAIN_PASS;
}
