/*
 * A system that refuses; see refusals.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "refusals.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct refusals *refusals;
char refusals_temporary[64];

#define SHM "/dev/shm"

static bool armed, armed_in_children;
static int mappings;

void refusals_plan(unsigned nth, unsigned which, enum refusals_mode mode) {
  struct refusals *r = refusals;
  r->nth = nth;
  r->which = which;
  r->mode = mode;
  r->seen = r->refused = 0;
  r->function = NULL;
  r->error = 0;
  memset(r->given, 0, sizeof r->given);
  refusals_temporary[0] = '\0';
}

void refusals_arm(void) {
  armed_in_children = refusals->in_children;
  armed = !armed_in_children;
}

int refusals_disarm(int rc) {
  armed = armed_in_children = false;
  return rc;
}

/* What the call is to say, 0 if it is to be made.  `errors` end with 0. */
static int choose(const char *function, const int *errors) {
  struct refusals *r = refusals;
  if (r->only && strcmp(function, r->only) != 0) return 0;
  unsigned call = ++r->seen;
  if (call == r->nth) {
    for (unsigned i = 0; i < r->which; i++)
      if (errors[i] == 0) return 0;
    r->function = errors[r->which] ? function : NULL;
    return r->error = errors[r->which];
  }
  if (call < r->nth || r->mode == REFUSE_ONCE || !r->function || r->refused >= r->most) return 0;
  if (r->mode == REFUSE_ALL) return errors[0];
  for (; *errors && strcmp(function, r->function) == 0; errors++)
    if (*errors == r->error) return r->error;
  return 0;
}

/* Returns the error, which is in errno, too, or 0. */
static int refused(const char *function, const int *errors) {
  if (!armed) return 0;
  int error = choose(function, errors);
  if (!error) return 0;
  refusals->refused++;
  refusals->given[error] = true;
  return errno = error;
}

/* Whatever the library opens is to be closed on exec, at once: another thread may fork and execute something meanwhile. */
static void open_checked(const char *path, int flags, mode_t mode) {
  bool in_shm = strncmp(path, SHM, strlen(SHM)) == 0, nameless = (flags & O_TMPFILE) == O_TMPFILE;
  if (!armed) return;
  if (!(flags & O_CLOEXEC)) refusals->careless = "no O_CLOEXEC";
  if (flags & O_CREAT && !(flags & O_EXCL)) refusals->careless = "a bare O_CREAT";
  if ((flags & O_CREAT || nameless) && mode != 0600) refusals->careless = "a new file that others can open";
  if (in_shm && !nameless && (flags & (O_NOFOLLOW | O_NONBLOCK)) != (O_NOFOLLOW | O_NONBLOCK))
    refusals->careless = "no O_NOFOLLOW or no O_NONBLOCK";
}

static void flags_checked(int flags, int needed) {
  if (armed && !(flags & needed)) refusals->careless = "a descriptor that is not closed on exec";
}

/* A mutex that is always busy, or always lost, is no shortage of the system's: it is refused once. */
static int refused_once(const char *function, const int *errors) {
  static const int none[] = {0};
  bool over = armed && (refusals->function || refusals->mode != REFUSE_ONCE);
  return refused(function, over ? none : errors);
}

/* WRAP(how, result, function, parameters, arguments, what it returns then, errors of which the most likely is the first) */
#define WRAP(how, type, function, parameters, arguments, value, ...)                                                   \
  type __real_##function parameters;                                                                                   \
  type __wrap_##function parameters;                                                                                   \
  type __wrap_##function parameters {                                                                                  \
    static const int errors[] = {__VA_ARGS__, 0};                                                                      \
    int error = how(#function, errors);                                                                                \
    if (!error) return __real_##function arguments;                                                                    \
    return value;                                                                                                      \
  }

WRAP(refused, int, madvise, (void *at, size_t len, int advice), (at, len, advice), -1, ENOMEM)
WRAP(refused, int, stat, (const char *path, struct stat *st), (path, st), -1, ENOMEM)
WRAP(refused, int, ftruncate, (int fd, off_t size), (fd, size), -1, ENOMEM, EFBIG)
WRAP(refused, int, fchmod, (int fd, mode_t mode), (fd, mode), -1, ENOMEM)
WRAP(refused, int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group), -1, ENOMEM)
WRAP(refused, int, linkat, (int from_dir, const char *from, int to_dir, const char *to, int flags),
     (from_dir, from, to_dir, to, flags), -1, ENOSPC, EEXIST, ENOENT, EACCES, EPERM, EDQUOT, ENOMEM, EROFS)
WRAP(refused, ssize_t, pread, (int fd, void *to, size_t len, off_t at), (fd, to, len, at), -1, EIO, EINTR)
WRAP(refused, ssize_t, pwrite, (int fd, const void *from, size_t len, off_t at), (fd, from, len, at), -1, ENOSPC, EINTR,
     ENOMEM)
WRAP(refused, ssize_t, read, (int fd, void *to, size_t len), (fd, to, len), -1, EIO, EINTR, ENOMEM)
WRAP(refused, ssize_t, getrandom, (void *to, size_t len, unsigned flags), (to, len, flags), -1, ENOSYS, EINTR)
WRAP(refused, int, getrlimit, (int what, struct rlimit *limit), (what, limit), -1, EPERM)
WRAP(refused, int, ppoll, (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask),
     (fds, n, timeout, mask), -1, ENOMEM, EINTR)
WRAP(refused, int, posix_fallocate, (int fd, off_t at, off_t len), (fd, at, len), error, ENOSPC, EINTR, ENOMEM, EDQUOT)
WRAP(refused, int, pthread_mutexattr_init, (pthread_mutexattr_t * attributes), (attributes), error, ENOMEM)
WRAP(refused, int, pthread_mutexattr_setpshared, (pthread_mutexattr_t * attributes, int shared), (attributes, shared),
     error, ENOTSUP)
WRAP(refused, int, pthread_mutexattr_setrobust, (pthread_mutexattr_t * attributes, int robust), (attributes, robust),
     error, ENOTSUP)
WRAP(refused, int, pthread_mutex_init, (pthread_mutex_t * mutex, const pthread_mutexattr_t *attributes),
     (mutex, attributes), error, ENOMEM, EAGAIN)
WRAP(refused_once, int, pthread_mutex_trylock, (pthread_mutex_t * mutex), (mutex), error, EBUSY)
WRAP(refused_once, int, pthread_mutex_clocklock, (pthread_mutex_t * mutex, clockid_t clock, const struct timespec *end),
     (mutex, clock, end), error, ETIMEDOUT, ENOTRECOVERABLE)

int __real_access(const char *path, int how);
int __wrap_access(const char *path, int how);
int __wrap_access(const char *path, int how) {
  static const int errors[] = {ENOENT, EACCES, 0};
  int error = armed && refusals->without_proc ? ENOENT : refused("access", errors);
  return error ? -1 : __real_access(path, how);
}

int __real_shm_unlink(const char *object);
int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st) {
  static const int errors[] = {ENOMEM, 0};
  if (armed && refusals->unlinked) {
    (void)__real_shm_unlink(refusals->unlinked);
    refusals->unlinked = NULL;
  }
  return refused("fstat", errors) ? -1 : __real_fstat(fd, st);
}

/* ---- What is got and given back ---- */

/* From the first look on.  Check may be linked statically, so that its blocks are among them, but it keeps none then. */
static bool tracking;
static void *blocks[4096];
static unsigned blocks_count;

static void *block_got(void *block) {
  if (!block || !tracking) return block;
  if (blocks_count == sizeof blocks / sizeof *blocks) abort(); /* not an assertion: that would allocate */
  return blocks[blocks_count++] = block;
}

static void block_given_back(const void *block) {
  for (unsigned i = blocks_count; i-- > 0;) {
    if (blocks[i] != block) continue;
    blocks[i] = blocks[--blocks_count];
    return;
  }
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) {
  static const int errors[] = {ENOMEM, 0};
  return refused("malloc", errors) ? NULL : block_got(__real_malloc(size));
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size) {
  static const int errors[] = {ENOMEM, 0};
  return refused("calloc", errors) ? NULL : block_got(__real_calloc(n, size));
}

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size) {
  static const int errors[] = {ENOMEM, 0};
  if (refused("realloc", errors)) return NULL;
  block_given_back(block);
  return block_got(__real_realloc(block, size));
}

void __real_free(void *block);
void __wrap_free(void *block);
void __wrap_free(void *block) {
  block_given_back(block);
  __real_free(block);
}

void *__real_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t len, int protection, int flags, int fd, off_t offset) {
  static const int errors[] = {ENOMEM, ENFILE, EAGAIN, EACCES, 0};
  static const int anonymous_errors[] = {ENOMEM, EAGAIN, 0};
  void *mapped = refused("mmap", flags & MAP_ANONYMOUS ? anonymous_errors : errors)
                     ? MAP_FAILED
                     : __real_mmap(at, len, protection, flags, fd, offset);
  mappings += mapped != MAP_FAILED;
  return mapped;
}

int __real_munmap(void *at, size_t len);
int __wrap_munmap(void *at, size_t len);
int __wrap_munmap(void *at, size_t len) {
  mappings--;
  return __real_munmap(at, len);
}

/* What close() says, it says of the file: the descriptor is gone. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
  static const int errors[] = {EIO, EINTR, 0};
  int error = refused("close", errors), rc = __real_close(fd);
  if (!error) return rc;
  errno = error;
  return -1;
}

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path) {
  static const int errors[] = {EMFILE, ENFILE, ENOMEM, EACCES, 0};
  return refused("opendir", errors) ? NULL : __real_opendir(path);
}

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir) {
  static const int errors[] = {EIO, 0};
  return refused("readdir", errors) ? NULL : __real_readdir(dir);
}

static unsigned count_entries(const char *path) {
  unsigned count = 0;
  DIR *dir = opendir(path);
  ck_assert_ptr_nonnull(dir);
  while (readdir(dir)) count++;
  closedir(dir);
  return count;
}

struct holdings holdings_now(void) {
  tracking = true;
  struct holdings now = {.blocks = blocks_count, .mappings = mappings, .descriptors = count_entries("/proc/self/fd")};
  FILE *maps = fopen("/proc/self/maps", "r");
  ck_assert_ptr_nonnull(maps);
  for (char line[1024]; fgets(line, sizeof line, maps);) now.segments += strstr(line, "/dev/shm/") != NULL;
  fclose(maps);
  return now;
}

/* ---- Calls with variable arguments, and processes ---- */

int __real_open(const char *path, int flags, mode_t mode);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
  static const int errors[] = {EMFILE, ENFILE, ENOMEM, EACCES, EINTR, 0};
  static const int nameless_errors[] = {EMFILE, ENFILE, ENOMEM, EACCES, EINTR, EOPNOTSUPP, EISDIR, ENOSPC, 0};
  va_list rest;
  va_start(rest, flags);
  bool makes = flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY));
  mode_t mode = makes ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  static const int proc_errors[] = {EMFILE, ENFILE, ENOMEM, EINTR, 0}; /* /proc is there, or it is not */
  open_checked(path, flags, mode);
  bool of_system = strncmp(path, "/proc/sys", 9) == 0;
  int error = refused("open", makes ? nameless_errors : of_system ? proc_errors : errors);
  return error ? -1 : __real_open(path, flags, mode);
}

int __real_shm_open(const char *object, int flags, mode_t mode);
int __wrap_shm_open(const char *object, int flags, mode_t mode);
int __wrap_shm_open(const char *object, int flags, mode_t mode) {
  static const int errors[] = {EMFILE, ENFILE, ENOMEM, EACCES, EINTR, 0};
  static const int birth_errors[] = {EMFILE, ENFILE, ENOMEM, EACCES, EINTR, ENOSPC, EEXIST, 0};
  open_checked(SHM, flags | O_CLOEXEC | O_NOFOLLOW | (flags & O_CREAT ? O_NONBLOCK : 0),
               mode); /* which it adds itself */
  int error = refused("shm_open", flags & O_CREAT ? birth_errors : errors);
  if (flags & O_CREAT) snprintf(refusals_temporary, sizeof refusals_temporary, "%s", object);
  return error ? -1 : __real_shm_open(object, flags, mode);
}

/* It is called where something has failed already: the file goes all the same, or it would be this test that leaves it. */
int __wrap_shm_unlink(const char *object);
int __wrap_shm_unlink(const char *object) {
  static const int errors[] = {EACCES, 0};
  bool temporary = strcmp(object, refusals_temporary) == 0;
  int error = temporary ? 0 : refused("shm_unlink", errors);
  return error ? -1 : __real_shm_unlink(object);
}

int __real_fcntl(int fd, int command, void *argument);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...) {
  static const int errors[] = {ENOLCK, 0}, lock_errors[] = {ENOLCK, EAGAIN, 0};
  va_list rest;
  va_start(rest, command);
  void *argument = va_arg(rest, void *); /* the library gives a pointer to a lock, and nothing else */
  va_end(rest);
  /* That others hold every byte is no shortage, but the queue's being full of handles. */
  bool once = armed && refusals->mode == REFUSE_ONCE;
  int error = refused("fcntl", once && command == F_OFD_SETLK ? lock_errors : errors);
  return error ? -1 : __real_fcntl(fd, command, argument);
}

static int syscall_refused(long number, long operation) {
  static const int sleep_errors[] = {EINTR, 0}, wait_errors[] = {EAGAIN, EINTR, 0}, wake_errors[] = {EFAULT, 0};
  static const int none[] = {0}, affinity_errors[] = {EPERM, ENOSYS, EINVAL, 0};
  static const int membarrier_errors[] = {ENOSYS, EPERM, 0}, rename_errors[] = {ENOSPC, EEXIST, EROFS, EACCES, 0};
  switch (number) {
  case SYS_futex:
    return refused("futex", operation == FUTEX_WAIT ? wait_errors : wake_errors);
  case SYS_clock_nanosleep:
    return refused("clock_nanosleep", sleep_errors);
  case SYS_membarrier:
    return refused("membarrier", membarrier_errors);
  case SYS_renameat2:
    return refused("renameat2", rename_errors);
  case SYS_sched_getaffinity:
    return refused("sched_getaffinity", affinity_errors);
  case SYS_rt_sigprocmask: /* only asks whether a page can be reached */
  case SYS_gettid:
  case SYS_get_robust_list:
  case SYS_tgkill:
    return refused("another system call", none);
  default:
    fprintf(stderr, "system call %ld is new to this test\n", number);
    abort(); /* not an assertion, which would call what is refused */
  }
}

long __real_syscall(long number, long a, long b, long c, long d, long e, long f);
long __wrap_syscall(long number, ...);
/* Like syscall(2) it takes six arguments, also where fewer were given. */
__attribute__((no_sanitize_address)) long __wrap_syscall(long number, ...) {
  long arguments[6];
  va_list rest;
  va_start(rest, number);
  for (int i = 0; i < 6; i++) arguments[i] = va_arg(rest, long);
  va_end(rest);
  int error = syscall_refused(number, arguments[1]);
  if (!error)
    return __real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
  errno = error;
  return -1;
}

int __real_memfd_create(const char *label, unsigned flags);
int __wrap_memfd_create(const char *label, unsigned flags);
int __wrap_memfd_create(const char *label, unsigned flags) {
  static const int errors[] = {EMFILE, ENFILE, ENOMEM, 0};
  flags_checked((int)flags, MFD_CLOEXEC);
  return refused("memfd_create", errors) ? -1 : __real_memfd_create(label, flags);
}

int __real_pipe2(int ends[2], int flags);
int __wrap_pipe2(int ends[2], int flags);
int __wrap_pipe2(int ends[2], int flags) {
  static const int errors[] = {EMFILE, ENFILE, 0};
  flags_checked(flags, O_CLOEXEC);
  return refused("pipe2", errors) ? -1 : __real_pipe2(ends, flags);
}

int __real_signalfd(int fd, const sigset_t *mask, int flags);
int __wrap_signalfd(int fd, const sigset_t *mask, int flags);
int __wrap_signalfd(int fd, const sigset_t *mask, int flags) {
  static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENODEV, 0};
  flags_checked(flags, SFD_CLOEXEC);
  return refused("signalfd", errors) ? -1 : __real_signalfd(fd, mask, flags);
}

pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t __wrap_fork(void) {
  static const int errors[] = {EAGAIN, ENOMEM, 0};
  int error = refused("fork", errors);
  if (error) {
    errno = error;
    return -1;
  }
  pid_t pid = __real_fork();
  if (pid == 0) armed = armed_in_children;
  return pid;
}
