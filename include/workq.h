/*
 * workq: a work queue of keys in one POSIX shared-memory segment.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 *
 * CAVEATS, FIRST
 *
 *  - A handle (workq *) belongs to the thread that opened it, like a database connection.  Another
 *    thread opens its own.  A call from another thread is -ESTALE.
 *  - After fork() the child's copy of a handle attaches by itself, at its first call, with a slot
 *    of its own.  Keys that the parent is processing stay the parent's.
 *  - For the queue, a thread that ends without workq_close() has died: the keys that it was
 *    processing go back to the queue as after a crash.
 *  - A segment is shared among processes that trust each other (by default: those of one user).
 *    Damaged contents give -EUCLEAN; but a process that can write the bytes of the C library's
 *    mutexes inside the segment can harm its users: a robust mutex holds pointers into its process,
 *    through which the C library writes and which cannot be checked.  So can a process that
 *    truncates the file: an access to a mapped page that the file no longer has is SIGBUS.
 *  - A user who may read the segment's file must also be allowed to write to it: a reader could
 *    lock bytes of the file, and so keep all others from attaching.  Modes like 0644 are refused
 *    (-EINVAL at create, -EPERM at open).
 *  - The library learns of a death from the kernel: by a robust mutex, by a lock on the segment's
 *    file, and by the thread's id, start time and stack in /proc.  A forked child that neither uses
 *    nor closes its copy of a handle does not hide a death.  A death that the mutex does not show
 *    is found by a check of 16 handles each reap interval, and at once by workq_reap().
 *  - The library opens one descriptor per handle (close-on-exec).  It uses it only while it refers
 *    to the segment's file through the handle's own open file description: if the program has
 *    closed it, a call that needs it is -EBADFD, and another file that has the same number now is
 *    left alone.  The handle stays alive, and a forked child opens the queue again by its name.
 *  - Signal handlers: a handler that interrupts a call on a handle may call nothing on that handle
 *    but workq_strerror(), workq_lock_owner() and workq_get_limiter(): the others are -EDEADLK, and
 *    change nothing.  A call on another handle of the same queue works while the interrupted call
 *    sleeps, and is -EDEADLK where the interrupted call may hold the queue's lock.  A handler must
 *    not leave a call by longjmp(3), nor fork and return in the child.
 *  - Only workq_run(), workq_snapshot() and the functions that write to a FILE are cancellation
 *    points of pthread_cancel(3).  A signal ends the wait of a thread in another call (-EINTR).  A
 *    thread must not be cancelled asynchronously inside a call.
 *  - A process that does not run while it holds the queue's lock keeps all others waiting for it:
 *    it does not inherit their priority.  This happens to a process of low priority on a busy
 *    processor (measured: a caller under SCHED_FIFO waited for 0.2 to 3.9 s for one of nice 19
 *    among some fifty others), to a stopped process, and to one whose control group has used up its
 *    quota, until its next period, which is 100 ms if nothing else was set (measured: one that did
 *    nothing but use the queue, for 10 ms a period, held the lock when its quota ended in 9 of 10
 *    periods; others waited for up to 131 ms).  Where that matters give all users of a queue the
 *    same priority, and no user a quota that it can use up; lock_timeout_ns bounds the wait.
 *  - All processes of a queue must share one C library, boot, pid namespace and time namespace
 *    (-EPROTONOSUPPORT).
 *
 * CONVENTIONS
 *
 *  - int results: >= 0 is success, a negative value is -errno.  workq_strerror() describes it.
 *  - Times are int64_t nanoseconds; durations start from the call.  WORKQ_FOREVER (-1) never ends,
 *    0 does not wait.  Another negative duration is -EINVAL and changes nothing: "deadline - now"
 *    of a deadline that has passed is an error of the caller, not a wait for ever.  (A delay that
 *    is not positive means now, in workq_add_after() and after_ns.)
 *  - Options are structures whose all-zero value is the default; a null pointer stands for such a
 *    structure.  A "reserved" field must be 0, and a field that may be 0 or 1 must be one of these;
 *    else -EINVAL.
 *  - A program that was compiled with an older version of this header runs with a newer library.
 *    Structures may grow at their end, so the library is given the size of the caller's: see
 *    workq_create_sized().  workq_limiter, workq_key, workq_item and workq_histogram keep their
 *    form.  Where a program that was compiled with a newer header sets a field that the library
 *    does not know, the call is -EINVAL.
 *  - A null pointer is -EINVAL unless the function says what it stands for; but q must be a handle.
 *  - A batch (workq_add_batch, workq_get_batch, workq_done_batch) begins with the first element and
 *    goes on until one is refused or no more can be done now.  A result below n means only that the
 *    batch ended early; the other elements are unchanged.  A call with the rest returns the reason,
 *    or does the rest.
 *  - Keys are 1 ... key_max arbitrary bytes; NUL and newline are bytes like others.
 *  - The library starts no threads, prints nothing, never exits and installs no signal handlers
 *    (except workq_run, a supervisor: see there).
 *
 * ERRORS OF EVERY CALL THAT TAKES A HANDLE
 *
 *  -ESTALE     the handle's slot is no longer its own: the call came from another thread, or the
 *              slot was released because its thread was considered dead.  Close the handle and open
 *              another.  A function that takes an item also returns it for a stale item.
 *              workq_len(), which takes no item, shows which of the two it is: its -ESTALE is the
 *              handle's.  (A handle whose slot was released no longer processes any key.)
 *  -EUCLEAN    the segment is damaged; nothing was changed.
 *  -ETIMEDOUT  the queue's lock could not be acquired within lock_timeout_ns (by default a call
 *              waits for it without limit), or within the call's own timeout; workq_lock_owner()
 *              then names the process that holds it.
 *  -EDEADLK    called by a signal handler that interrupted a call on the same handle, or on another
 *              handle of the queue
 *  -EBADFD     the call needs the handle's descriptor, and that is no longer its own (see above);
 *              nothing was done
 *  -EBADF      the handle was opened with WORKQ_RAW, and the call is not one of those that work on
 *              such a handle.
 *
 *  In a forked child the first call attaches, and can give the errors of workq_open().
 *
 * IF THE CALLER DIES
 *
 *  Every call that changes the queue is one transaction (a batch: several, of some keys each).  A
 *  caller killed at any instruction leaves the queue as it was before the call or as it is after
 *  it; the keys that it was processing go back to the queue.
 *
 * SOURCES
 *
 *  Add/Get/Done, AddAfter, AddRateLimited, Forget, NumRequeues, ShutDown, ShutDownWithDrain:
 *  k8s.io/client-go util/workqueue.  Priorities: sigs.k8s.io/controller-runtime
 *  pkg/controller/priorityqueue.  Bury and kick: beanstalkd.  Differences are named at each
 *  function.
 */
#ifndef WORKQ_H
#define WORKQ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WORKQ_VERSION "0.2.0"

/*
 * The version that a program is compiled with, for #if; 1.2.3 is number 1002003.  workq_version()
 * returns the version that it runs with.
 */
#define WORKQ_VERSION_MAJOR 0
#define WORKQ_VERSION_MINOR 2
#define WORKQ_VERSION_PATCH 0
#define WORKQ_VERSION_NUMBER                                                                       \
  (WORKQ_VERSION_MAJOR * 1000000 + WORKQ_VERSION_MINOR * 1000 + WORKQ_VERSION_PATCH)

#if defined(__GNUC__)
#define WORKQ_API __attribute__((visibility("default")))
#else
#define WORKQ_API
#endif

/*
 * A function with a parameter that points to a structure which may grow.  Its definition below
 * passes on the size that the structure has in this header.
 */
#define WORKQ_SIZED static inline

/* A duration that never ends. */
#define WORKQ_FOREVER INT64_C(-1)

/* Limits of every segment. */
#define WORKQ_NAME_MAX          200u                 /* bytes of a queue's name */
#define WORKQ_KEY_MAX           32768u               /* largest key_max, bytes */
#define WORKQ_CAPACITY_MAX      67108864u            /* largest capacity, keys */
#define WORKQ_HANDLES_MAX       4096u                /* largest number of slots */
#define WORKQ_DURATION_MAX      (INT64_MAX / 4)      /* ns, 73 years; longer ones count as this */
#define WORKQ_REAP_INTERVAL_MAX INT64_C(60000000000) /* largest reap_interval_ns, a minute */

/* One thread's attachment to a segment.  Opaque. */
typedef struct workq workq;

/* ---- Options --------------------------------------------------------------------------------- */

/* Which delays a limiter computes; those switched on are combined by their maximum. */
enum {
  WORKQ_LIMIT_EXPONENTIAL = 1, /* exp_initial_ns x exp_factor^failures, at most exp_max_ns */
  WORKQ_LIMIT_FAST_SLOW = 2,   /* fast_ns for the first fast_attempts failures, then slow_ns */
  WORKQ_LIMIT_BUCKET = 4,      /* a token bucket that the whole queue shares */
  WORKQ_LIMIT_NONE = 8         /* no delay at all; excludes the others */
};

/*
 * How long a failed key waits.  All zero is the default: exponential, 5 ms, doubling, at most 1 s.
 * (client-go: ItemExponentialFailureRateLimiter, ItemFastSlowRateLimiter, BucketRateLimiter,
 * MaxOfRateLimiter, WithMaxWaitRateLimiter.)  "failures" is the count before this failure: 0 at the
 * first.
 */
typedef struct workq_limiter {
  uint32_t kinds;         /* WORKQ_LIMIT_*, or 0 for the default */
  uint32_t fast_attempts; /* FAST_SLOW: failures that wait fast_ns */
  int64_t exp_initial_ns; /* EXPONENTIAL: first delay, ns, > 0 */
  int64_t exp_max_ns;     /* EXPONENTIAL: longest delay, ns, >= exp_initial_ns */
  double exp_factor;      /* EXPONENTIAL: growth, >= 1; 0 means 2 */
  int64_t fast_ns;        /* FAST_SLOW: ns, >= 0 */
  int64_t slow_ns;        /* FAST_SLOW: ns, >= 0 */
  double bucket_rate;     /* BUCKET: tokens a second, 1e-6 ... 1e9 */
  uint32_t bucket_burst;  /* BUCKET: tokens that may be saved up, >= 1 */
  uint32_t reserved;      /* 0 */
  int64_t max_wait_ns;    /* no delay is longer than this, ns; 0: no such cap */
  double jitter;          /* adds a random part of up to jitter x delay, 0 ... 10; still capped by
                             max_wait_ns */
} workq_limiter;

/* What workq_limiter_preset() can fill in. */
enum {
  WORKQ_PRESET_DEFAULT = 0,    /* exponential 5 ms ... 1 s, doubling */
  WORKQ_PRESET_CONTROLLER = 1, /* client-go's own: exponential 5 ms ... 1000 s, and a bucket of
                                  10/s, burst 100 */
  WORKQ_PRESET_NONE = 2        /* retry at once */
};

/*
 * Fills *limiter with a preset.  Does not block.
 * Returns 0; -EINVAL for an unknown preset.
 */
WORKQ_API int workq_limiter_preset(workq_limiter *limiter, int preset);

/* What becomes of a key that has had max_retries. */
enum {
  WORKQ_BURY = 0, /* it is set aside until workq_kick() or workq_remove() */
  WORKQ_DROP = 1  /* it is forgotten, unless it was added again meanwhile */
};

/* For workq_options.max_retries: a key is never retried; for max_crashes: crashes never bury it. */
#define WORKQ_NEVER (-1)

/*
 * For workq_options.flags; these concern the handle, not the segment.  A handle spins as little as
 * with WORKQ_NO_SPIN where the thread that opens it may run on one processor only, or where the
 * quotas of its control groups (cpu.max) allow less than two processors' time.
 */
enum {
  WORKQ_ANY_OWNER = 1, /* open a segment that belongs to any user */
  WORKQ_RAW = 2,       /* open for reading only, without a slot and without ever taking the lock:
                          for a damaged or stuck segment.  Only workq_stats, workq_measure,
                          workq_metrics, workq_len, workq_iterate, workq_iterate_order,
                          workq_iterate_state, workq_iterate_workers, workq_snapshot, workq_dump,
                          workq_check, workq_get_limiter, workq_lock_owner and workq_close work on
                          such a handle; what they return may be torn. */
  WORKQ_NO_SPIN = 4    /* sleep at once where there is nothing to do, never spin */
};

/*
 * Options of workq_create, workq_open and workq_open_or_create.  "create" marks what only creation
 * uses.
 */
typedef struct workq_options {
  uint32_t capacity;     /* create: most keys at one time; 0 means 1,048,576.  Memory is allocated
                            as keys are added. */
  uint32_t key_max;      /* create: longest key, bytes; 0 means 256.  Each key takes 64 + key_max
                            bytes, rounded up to 64, whatever its length. */
  uint32_t handles;      /* create: most handles at one time; 0 means 128 */
  uint32_t mode;         /* create: permission bits, whatever the umask; 0 means 0600.  open: group
                            and other write bits beyond these are refused; 0 means 0600.  Both
                            refuse a mode by which group or others may read but not write. */
  workq_limiter limiter; /* create */
  int32_t max_retries;   /* create: retries of a key before workq_retry(), or the death of its
                            worker, gives it up; 0 means no limit, WORKQ_NEVER that it is never
                            retried */
  int32_t max_crashes;   /* create: a key is buried at this crash since it was last completed or
                            forgotten; 0 means 5, WORKQ_NEVER that crashes do not bury it.  At most
                            65,535 crashes are counted. */
  uint32_t give_up;      /* create: WORKQ_BURY or WORKQ_DROP */
  uint32_t flags;        /* handle: WORKQ_ANY_OWNER, WORKQ_RAW, WORKQ_NO_SPIN */
  uint32_t no_metrics;   /* create: 1: measure no times (see workq_measure); operations then read no
                            clock for it */
  uint32_t reserved;     /* 0 */
  int64_t reap_interval_ns; /* create: how often live handles check for dead ones, ns; 1 ms ... a
                               minute; 0: 100 ms.  A waiter whose wake-up was lost with its sender
                               may wait as long */
  int64_t lock_timeout_ns;  /* handle: longest wait for the queue's lock, ns; 0 or WORKQ_FOREVER
                               means no limit */
  int64_t (*clock)(void *); /* handle: reads a monotonic clock, ns; null means CLOCK_MONOTONIC.  For
                               tests. */
  void *clock_arg;          /* handle: given to clock */
  int64_t crash_forget_ns;  /* create: a key's crashes no longer count this long after the last of
                               them, ns, >= 1 s; 0: an hour; WORKQ_FOREVER: they count until it is
                               completed or forgotten */
} workq_options;

/* ---- Segments and handles -------------------------------------------------------------------- */

/*
 * Creates the segment /workq.NAME and attaches to it.
 *
 * name     1 ... WORKQ_NAME_MAX bytes, no '/' and no control characters, not "." or "..".
 * options  may be null.  *out is owned by the caller until workq_close(), and is set only on
 *          success.
 *
 * The segment is built without a name and published when it is complete, so that no call opens an
 * incomplete one.  Does not block.
 *
 * Returns 0.
 *  -EEXIST        the name is taken
 *  -EINVAL        name or an option is out of its range
 *  -ENAMETOOLONG  name is longer than WORKQ_NAME_MAX
 *  -ENOSPC        /dev/shm is full
 *  -EFBIG         the process's file size limit (RLIMIT_FSIZE) is below the segment's size
 *  -ENOMEM, -EMFILE, -ENFILE, -EACCES, and other errors of mmap(2), open(2), fcntl(2) and linkat(2)
 *
 * If the caller dies inside, there is no segment of this name, or a complete one.
 */
WORKQ_SIZED int workq_create(const char *name, const workq_options *options, workq **out);

/*
 * Attaches to the segment /workq.NAME.
 *
 * Parameters as for workq_create(); the options marked "create" are ignored.  Everything that is
 * read from the file is checked before it is used.  Blocks while another handle holds the queue's
 * lock.
 *
 * Returns 0.
 *  -ENOENT           no such segment
 *  -EINVAL           name or an option is out of its range
 *  -ENAMETOOLONG     name is longer than WORKQ_NAME_MAX
 *  -EUCLEAN          not a segment (a directory, FIFO, symbolic link, hard link, foreign or cut-off
 *                    file), or damaged
 *  -EPROTONOSUPPORT  made by another version, C library, boot, pid namespace, time namespace or
 *                    kind of machine; workq_describe_mismatch() says which
 *  -EPERM            owned by another user who is not root (and no WORKQ_ANY_OWNER), or writable by
 *                    more than mode permits, or readable by group or others that may not write
 *  -EACCES           its permission bits forbid it
 *  -EUSERS           all slots are taken by living handles
 *  -ENOSPC           /dev/shm is full
 *  -ENOMEM, -EMFILE, -ENFILE, and other errors of mmap(2), open(2) and fcntl(2)
 */
WORKQ_SIZED int workq_open(const char *name, const workq_options *options, workq **out);

/*
 * workq_open(), or workq_create() if there is none yet; of several concurrent callers one creates
 * it, the others open it.
 * Returns 1 if it was created, 0 if it was there; errors as for both, without -ENOENT and -EEXIST,
 * and
 *  -EAGAIN  others created and removed it again and again meanwhile
 */
WORKQ_SIZED int workq_open_or_create(const char *name, const workq_options *options, workq **out);

/*
 * Detaches and frees the handle.  The keys that it is processing go back to the queue as by
 * workq_release().  The segment stays.  q may be null.  After a fork the child's copy must be
 * closed, too, and that does not affect the parent's.  Blocks while another handle holds the
 * queue's lock (at most lock_timeout_ns; then the handle is freed nevertheless, and its slot is
 * reaped like that of a dead thread).
 *
 * Returns 0.
 *  -ESTALE   called from another thread while the handle's own thread lives: nothing was done
 *  -EDEADLK  called by a signal handler, see above: nothing was done
 */
WORKQ_API int workq_close(workq *q);

/*
 * Removes the segment's name.  Handles stay valid until they are closed; the memory is freed when
 * the last one is.  Does not block.
 *
 * Returns 0.
 *  -ENOENT, -EINVAL, -ENAMETOOLONG, -EACCES  as for workq_open()
 *  -EISDIR  a directory has that name
 */
WORKQ_API int workq_unlink(const char *name);

/*
 * Visits the names of all queues of all users, in no particular order, whether they can be opened
 * or not.
 *
 * visit  gets arg and a name, which is valid until it returns; a result other than 0 ends the
 *        visits.  It may call any function, including workq_unlink() of that name.  A queue that is
 *        created or unlinked meanwhile may be visited or not.
 *
 * Returns what visit returned last, 0 if there are no queues.  -EINVAL: visit is null; -EMFILE,
 * -ENFILE, -ENOMEM, -EACCES, -EIO: the list of queues cannot be read.
 */
WORKQ_API int workq_list(int (*visit)(void *arg, const char *name), void *arg);

/*
 * Describes in one line why workq_open(name) returns -EPROTONOSUPPORT: which field differs, its
 * value there and here.  buffer gets at most size bytes, including the terminating NUL.  Does not
 * block.
 * Returns 1 if there is a difference, 0 if there is none (buffer is then empty), errors as for
 * workq_open().
 */
WORKQ_API int workq_describe_mismatch(const char *name, char *buffer, size_t size);

/* ---- Adding ---------------------------------------------------------------------------------- */

/*
 * Asks that key be processed from now on: its pending run becomes "now", with priority 0.
 *
 * An unknown, idle or delayed key becomes ready, at the tail of its priority.  A ready key stays
 * where it is.  A key that is being processed will become ready again when done.  A buried key
 * becomes ready, its counts kept, so that the next failure or crash buries it at once.  Never waits
 * for space (see workq_add_wait); wakes a waiting worker.
 *
 * key, len  the key's bytes; copied.
 *
 * Returns 1 if the key was newly marked (or its delayed run brought forward), 0 if it was so
 * already (coalesced).
 *  -EINVAL     len is 0
 *  -EMSGSIZE   len is more than key_max
 *  -ENOSPC     the queue is full, or /dev/shm is
 *  -ESHUTDOWN  the queue is shut down
 */
WORKQ_API int workq_add(workq *q, const void *key, size_t len);

/*
 * As workq_add(), but not before delay_ns from now; delay_ns <= 0 is workq_add().  A key has one
 * pending run, at the earliest time that was asked for.  (client-go keeps delayed entries apart,
 * and runs such a key twice.)  However many keys are due at the same time, a get takes the one of
 * the highest priority first.  They become ready in blocks of 256, between which other calls get
 * the queue's lock.
 * Returns and errors as workq_add().
 */
WORKQ_API int workq_add_after(workq *q, const void *key, size_t len, int64_t delay_ns);

/*
 * As workq_add_after() with the limiter's delay for this key; counts a failure of the key, also
 * where the add itself is coalesced (then it takes no token of the bucket).  A key that is being
 * processed keeps its priority.
 * Returns and errors as workq_add().
 */
WORKQ_API int workq_add_rate_limited(workq *q, const void *key, size_t len);

/* What an add does with a pending run, for workq_add_options.when. */
enum {
  WORKQ_EARLIEST = 0, /* the earlier of the two times counts, and the higher priority */
  WORKQ_KEEP = 2 /* the add changes nothing of a key that is pending, delayed, buried or failing
                         (it has a failure or crash count): for a caller that lists all again */
};

typedef struct workq_add_options {
  int32_t priority;      /* -128 ... 127, higher first.  A pending key takes the highest one asked
                            for, and moves to the tail of that priority; it is never lowered. */
  uint32_t rate_limited; /* 1: count a failure and wait for the limiter's delay; with after_ns, too,
                            the earlier of the two counts */
  int64_t after_ns;      /* not before this, ns from now; <= 0: now (or the limiter's delay) */
  int64_t wait_ns;       /* how long to wait for space where the queue is full, ns; 0: not at all,
                            WORKQ_FOREVER: for ever; other negative values: -EINVAL */
  uint32_t when;         /* WORKQ_EARLIEST or WORKQ_KEEP */
  uint32_t reserved;     /* 0 */
} workq_add_options;

/*
 * The general form of add.  Returns as workq_add().  Errors as for workq_add(), and
 *  -EINVAL     priority, rate_limited, wait_ns or when is out of its range, or reserved is not 0
 *  -ETIMEDOUT  no space within wait_ns (with wait_ns 0: -ENOSPC)
 *  -EINTR      a signal handler ran while it waited for space
 */
WORKQ_SIZED int workq_add_opts(workq *q, const void *key, size_t len,
                               const workq_add_options *options);

/*
 * workq_add() that waits for space: at most timeout_ns.
 *
 * Space goes to the waiter that has waited for longest, and no other call that waits overtakes it;
 * an add that does not wait may.  A waiter that does not take its space within a reap interval
 * (because it is stopped, for example) loses it to the next.  The call also ends, with 0, when
 * another call adds its key meanwhile.
 * Returns as workq_add().  Errors as for workq_add_opts().  If /dev/shm is full, rather than the
 * queue, that is -ENOSPC at once.
 */
WORKQ_API int workq_add_wait(workq *q, const void *key, size_t len, int64_t timeout_ns);

typedef struct workq_key {
  const void *data;
  size_t len;
} workq_key;

/*
 * Adds n keys in order, as by workq_add_opts(options) without waiting for space.  The lock is taken
 * once for many keys.
 *
 * Returns how many of the keys, from the first, were taken (n: all); where it is fewer, the next
 * one was not, and a call with the rest returns the reason.  If marked is not null, *marked is how
 * many of them were newly marked.
 *  -EINVAL     the first key is refused: it is null or empty.  Or options or n (0, or more than
 *              INT_MAX) is out of its range
 *  -EMSGSIZE   the first key is refused: it is too long
 *  -ENOSPC     no more can be added now.  (A key that is in the queue already needs no space and
 *              could be added.)
 *  -ESHUTDOWN, -ETIMEDOUT, and the other errors of every call: no more can be added now
 * If the caller dies inside, some of the keys, from the first, are added.
 */
WORKQ_SIZED int workq_add_batch(workq *q, const workq_key *keys, size_t n,
                                const workq_add_options *options, size_t *marked);

/* ---- Getting and finishing ------------------------------------------------------------------- */

/* A key that the caller is processing. */
typedef struct workq_item {
  const void *key;   /* points into the segment: read only, valid until the item is finished or the
                        handle is closed */
  size_t key_len;    /* bytes */
  uint64_t ticket;   /* identifies this get; an item with another ticket is -ESTALE */
  int32_t priority;  /* of this run */
  uint32_t failures; /* counted so far (workq_num_requeues) */
  uint32_t crashes;  /* workers that died while they processed this key, since it was last completed
                        or forgotten */
  uint32_t reserved;
} workq_item;

/*
 * Takes the next key: the head of the highest priority that has one.  It is the caller's until it
 * is done, completed, retried or released, however long that takes; no other call gets it
 * meanwhile.
 *
 * item        filled on success; a plain value that may be copied.
 * timeout_ns  how long to wait for a key: WORKQ_FOREVER, 0 (check once), or ns.
 *
 * Blocks; before it sleeps it may spin briefly.  Also checks for dead workers if the last check is
 * older than the reap interval, and puts their keys back.
 *
 * Of several waiting calls, the one that began last gets the next key, because its caches are warm;
 * but every sixteenth wake-up goes to the one that has waited for longest, so that none waits for
 * ever while keys come.  No other order is promised.  A worker that was woken for a key and is
 * stopped before it takes it delays that key for a reap interval at most.
 *
 * Returns 0.
 *  -ETIMEDOUT  nothing within the timeout
 *  -ESHUTDOWN  shut down, and nothing is ready any more
 *  -EINTR      a signal handler ran while it slept
 *  -EINVAL     timeout_ns is negative and not WORKQ_FOREVER
 *
 * If the caller dies while it processes the key, the key goes back through the limiter, as after
 * workq_retry(); see workq_options.max_crashes.
 */
WORKQ_API int workq_get(workq *q, workq_item *item, int64_t timeout_ns);

/*
 * Takes up to n keys: waits as workq_get() for the first, and does not wait for more.
 * Returns how many items were filled, 1 ... n: these are the caller's.  Fewer than n: there were no
 * more then, or no more could be taken; the next call returns the reason.  No key is ever refused.
 * Errors as for workq_get(), and then none was taken; -EINVAL if n is 0 or more than INT_MAX.
 * If the caller dies inside, the keys taken go back like its others.
 */
WORKQ_API int workq_get_batch(workq *q, workq_item *items, size_t n, int64_t timeout_ns);

/*
 * The caller no longer processes the key.  If it was added meanwhile it becomes ready again, at the
 * tail; if it is delayed it stays so; else it is gone, or idle while it has a failure count.
 * (client-go: Done.)
 *
 * item  from workq_get() on this handle; afterwards its key pointer is no longer valid.  Does not
 *       wait (except for the queue's lock).
 *
 * Returns 1 if the key became ready again, else 0.
 *  -ESTALE  the item is not (or no longer) this handle's: done already, or put back; nothing is
 *           changed
 */
WORKQ_API int workq_done(workq *q, const workq_item *item);

/*
 * workq_done() by key, for callers that keep no items.
 * Returns as workq_done().
 *  -ENOENT    no handle is processing this key
 *  -ESTALE    another handle is processing it
 *  -EINVAL, -EMSGSIZE  as for workq_add()
 */
WORKQ_API int workq_done_key(workq *q, const void *key, size_t len);

/*
 * workq_done() for n items, in order, under one lock for many.
 *
 * Returns how many, from the first, are done (n: all).  Where it is fewer, the others are
 * unchanged: items[result] is stale, or it could not be done now.  A call with the rest returns the
 * reason, or does the rest:
 *  -ESTALE  the first item is refused, because it is not (or no longer) this handle's: skip it and
 *           go on with the next
 *  -EINVAL  n is 0 or more than INT_MAX
 *  -ETIMEDOUT, and the other errors of every call: no more can be done now, and the items stay the
 *   caller's
 *
 * So a caller that finishes all that can be finished goes on from items + result, skips one item at
 * -ESTALE, and ends at any other error.
 * If the caller dies inside, some of the items, from the first, are done; the others go back as
 * after a death in workq_get().
 */
WORKQ_API int workq_done_batch(workq *q, const workq_item *items, size_t n);

/*
 * The key's work succeeded: workq_forget() and workq_done() in one step.  Returns and errors as
 * workq_done().
 */
WORKQ_API int workq_complete(workq *q, const workq_item *item);

/*
 * workq_complete() of the key in *item, then workq_get() of another one into *item: a worker's loop
 * that takes the lock once per key instead of twice.  Two transactions: the first does not depend
 * on whether there is another key.
 *
 * item        from workq_get() on this handle; filled again.  Where no other key came, item->key
 *             shows what happened: null (and all of *item zero) if the key was completed, unchanged
 *             if it could not be completed
 * timeout_ns  for the other key, as for workq_get()
 *
 * Blocks as workq_get(), after the key was completed.
 *
 * Returns 0: *item is the other key, now the caller's; it may be the same key again, if that was
 * added meanwhile.
 *  -ESTALE     the item is not (or no longer) this handle's; nothing is changed, and nothing was
 *              taken
 *  -EINVAL     timeout_ns is negative and not WORKQ_FOREVER: the key was not completed
 *  -ETIMEDOUT, -ESHUTDOWN, -EINTR  as for workq_get(): the key was completed (or, where item->key
 *              is unchanged, the lock could not be acquired in time)
 *
 * If the caller dies inside, its key is completed or goes back as after a death in workq_get(), and
 * so does the other.
 */
WORKQ_API int workq_next(workq *q, workq_item *item, int64_t timeout_ns);

/*
 * The key's work failed: workq_add_rate_limited() and workq_done() in one step, keeping its
 * priority.  A key that has had max_retries is given up instead: buried, or dropped (see
 * workq_options.give_up).  After shutdown, too, the key stays in the segment, delayed.  Where
 * /dev/shm is too full to keep the delay, the key becomes ready at once.
 *
 * A key that was added during its last run is not given up: that add leads to another run, with
 * its counts kept.  A key that was removed during the run is neither retried nor given up.
 *
 * Returns 1 if it will run again, 0 if it was given up or removed.
 *  -ESTALE  as for workq_done()
 */
WORKQ_API int workq_retry(workq *q, const workq_item *item);

/*
 * Gives the key up at once, whatever its count: as the last workq_retry() does.
 * Returns 0; 1 if it was added during its run, and so runs again instead (if it would have been
 * buried, with its counts kept).
 *  -ESTALE  as for workq_done()
 */
WORKQ_API int workq_give_up(workq *q, const workq_item *item);

/*
 * Puts the key back untried: ready, at the tail of its priority, no failure counted; not if it was
 * removed during the run (workq_remove).
 * Returns 0.
 *  -ESTALE  as for workq_done()
 */
WORKQ_API int workq_release(workq *q, const workq_item *item);

/* ---- Keys by name ---------------------------------------------------------------------------- */

/*
 * Zeroes the key's failure and crash counts.  Does not replace done.  (client-go: Forget.)
 * Returns 1 if there was a count, else 0.  -EINVAL, -EMSGSIZE as for workq_add().
 */
WORKQ_API int workq_forget(workq *q, const void *key, size_t len);

/*
 * Returns the key's failure count (at most INT_MAX), 0 for an unknown key.  -EINVAL, -EMSGSIZE as
 * for workq_add().
 */
WORKQ_API int workq_num_requeues(workq *q, const void *key, size_t len);

/*
 * Cancels what is pending for the key, and its failure count.  A buried key goes, too.  A key that
 * is being processed stays with its worker, and will not run again, however this run ends (retry,
 * release, close and death, too), unless it is added again.
 * Returns 1 if there was something to cancel, else 0.  -EINVAL, -EMSGSIZE as for workq_add().
 */
WORKQ_API int workq_remove(workq *q, const void *key, size_t len);

/*
 * Makes a buried key ready again, at the tail of its priority, with its counts at zero.  Works
 * after shutdown, too.  key null and len 0: every buried key, oldest first (the lock is released
 * now and then; keys buried meanwhile may be kicked as well).
 * Returns how many keys were kicked.  -EINVAL, -EMSGSIZE as for workq_add(), and -EINVAL for a null
 * key whose len is not 0: an empty variable of the caller's must not become "every key".
 */
WORKQ_API int workq_kick(workq *q, const void *key, size_t len);

/* What a key is. */
enum {
  WORKQ_STATE_READY = 1,
  WORKQ_STATE_PROCESSING = 2, /* nothing pending, or a delayed run pending: see due_in_ns */
  WORKQ_STATE_DIRTY = 3,      /* processing, and pending now */
  WORKQ_STATE_DELAYED = 4,
  WORKQ_STATE_BURIED = 5,
  WORKQ_STATE_IDLE = 6
};

typedef struct workq_info {
  const void *key;  /* a copy in the handle's memory; valid until the next call on this handle */
  size_t key_len;   /* bytes */
  int32_t state;    /* WORKQ_STATE_* */
  int32_t priority; /* of the pending run; of the current run where none is pending */
  uint32_t failures;
  uint32_t crashes;
  int32_t pid; /* of the worker that processes it, else 0 */
  int32_t tid;
  int64_t due_in_ns;  /* time until a delayed run is due, ns, >= 0; -1 where none is delayed */
  int64_t waiting_ns; /* for how long it has been ready, dirty, delayed, buried or idle, ns, >= 0;
                         -1 while it is processed with nothing pending, or where times are not
                         measured */
  int64_t running_ns; /* for how long its worker has been processing it, ns, >= 0; -1 where none is,
                         or not measured */
  uint32_t removed;   /* 1: it was removed during the run in progress, see workq_remove() */
  uint32_t reserved;  /* 0 */
} workq_info;

/*
 * Returns the key's state, WORKQ_STATE_*; *info is filled if it is not null.
 *  -ENOENT  the key is unknown: nothing pending, not processed, no count
 *  -EINVAL, -EMSGSIZE  as for workq_add()
 */
WORKQ_SIZED int workq_state(workq *q, const void *key, size_t len, workq_info *info);

/*
 * The name of a WORKQ_STATE_*: "ready", "processing", "dirty", "delayed", "buried", "idle";
 * "unknown" for others.
 */
WORKQ_API const char *workq_state_name(int state);

/* ---- The queue as a whole -------------------------------------------------------------------- */

/* Returns how many keys are ready (at most INT_MAX). */
WORKQ_API int workq_len(workq *q);

typedef struct workq_stats_data {
  char name[256];      /* the queue's name */
  uint32_t capacity;   /* keys */
  uint32_t key_max;    /* bytes */
  uint32_t handles;    /* slots */
  uint32_t attached;   /* slots in use */
  uint32_t ready;      /* keys */
  uint32_t processing; /* keys, including dirty ones */
  uint32_t delayed;    /* keys with a delayed run, including those being processed */
  uint32_t buried;     /* keys */
  uint32_t idle;       /* keys */
  uint32_t keys;       /* all keys: these states together */
  uint32_t waiting;    /* workers that wait in get */
  uint32_t shut_down;  /* 1 after workq_shutdown() */
  uint32_t paused;     /* 1 after workq_pause() */
  uint32_t dirty;      /* keys of those being processed that will be ready when done */
  int32_t max_retries; /* as set at create; 0 for no limit, WORKQ_NEVER for no retries */
  int32_t max_crashes; /* as set at create; WORKQ_NEVER for no limit */
  uint32_t give_up;    /* WORKQ_BURY or WORKQ_DROP */
  uint32_t mode;       /* permission bits of the file */
  int64_t reap_interval_ns;
  int64_t next_due_in_ns; /* until the earliest delayed run, ns, >= 0; -1 where there is none */
  uint64_t incarnation;   /* differs from that of any queue that had the name before */
  uint64_t size;          /* bytes of address space */
  uint64_t committed;     /* bytes of memory allocated so far */
  uint64_t adds;          /* counted since the segment was created: keys newly marked by any add */
  uint64_t coalesced;     /* adds that found the key marked already */
  uint64_t gets;          /* keys handed out */
  uint64_t dones;         /* keys finished, in any way */
  uint64_t retries;       /* rate-limited adds, including retries */
  uint64_t gave_up;       /* keys given up: after max_retries, or by workq_give_up() */
  uint64_t crashes;       /* keys put back because their worker died */
  uint64_t crash_buried;  /* of these, buried after max_crashes */
  uint64_t reaped;        /* handles found dead */
  uint64_t recoveries;    /* transactions rolled back after a death inside the lock */
  uint64_t evictions;     /* idle keys forgotten because their space was needed */
  uint64_t lock_losses;   /* queue locks abandoned because no thread held them */
  uint64_t after_adds;    /* adds with a delay that the caller gave (workq_add_after), including
                             coalesced ones */
  uint64_t queued; /* times that a key became pending now, for any reason: what client-go counts as
                      adds */
  int64_t unfinished_ns; /* sum of the times for which keys have been processed so far, ns; 0 where
                            not measured */
  int64_t longest_ns;    /* the longest of these, ns */
  uint32_t metrics;      /* 1 where times are measured: see workq_options.no_metrics */
  uint32_t reserved;
  int64_t crash_forget_ns; /* as set at create; WORKQ_FOREVER: never */
  uint64_t spare[7];       /* 0; becomes what is counted in versions to come, so that workq_measures
                            keeps its form */
} workq_stats_data;

/* Fills *stats with the state at one instant.  Returns 0. */
WORKQ_SIZED int workq_stats(workq *q, workq_stats_data *stats);

/*
 * Buckets of a histogram: times up to 10, 20, 50, 100 ns and so on up to 1000 s, and longer ones in
 * the last.
 */
#define WORKQ_HISTOGRAM_BUCKETS 35u

typedef struct workq_histogram {
  uint64_t count;                            /* times counted: the sum of the buckets */
  uint64_t sum_ns;                           /* sum of the times, ns */
  uint64_t buckets[WORKQ_HISTOGRAM_BUCKETS]; /* each: times above the bound of the one before, up to
                                                its own */
} workq_histogram;

/* The longest time that a bucket counts, ns; INT64_MAX for the last, and for a number beyond. */
WORKQ_API int64_t workq_histogram_bound_ns(unsigned bucket);

/*
 * Estimates a quantile of the counted times.  Returns the time that this share (0 ... 1; 0.5 is the
 * median) of them did not exceed, ns, to the precision of the buckets; -1 if none was counted,
 * 1000 s if it is in the last bucket.  Two readings of one histogram, subtracted bucket by bucket,
 * are a histogram of the time between them.
 */
WORKQ_API int64_t workq_histogram_quantile_ns(const workq_histogram *histogram, double share);

/* Most priorities that metrics show separately. */
#define WORKQ_PRIORITIES_SHOWN 25u

typedef struct workq_measures {
  workq_stats_data stats;
  workq_histogram queue_time; /* from becoming ready (or dirty: from that add) to the get.  As many
                                 as gets. */
  workq_histogram work_time;  /* from the get to the end of the run, unless that is a death or a
                                 close.  As many as dones. */
  workq_histogram delay_time; /* from the add to the time when the key was due, or when an add made
                                 it ready before */
  uint32_t depth[256];        /* ready and dirty keys by priority: [priority + 128] */
  uint32_t shown;             /* how many elements of shown_priority are set */
  int8_t shown_priority[WORKQ_PRIORITIES_SHOWN]; /* those that metrics show: 0, and the first ones
                                                    that keys had */
} workq_measures;

/*
 * Fills *measures with the state at one instant: what a live view or a monitor needs.  The
 * histograms count since the segment was created, for all handles, including dead ones; they stay
 * empty if the queue was created with no_metrics.  The waiting time of a delayed key begins when it
 * is due, no matter when a call makes it ready.  (client-go: metrics.go.)  Times are read from the
 * processor's time-stamp counter where that is reliable, else from CLOCK_MONOTONIC.
 * Returns 0.
 */
WORKQ_SIZED int workq_measure(workq *q, workq_measures *measures);

/*
 * Writes the queue's metrics to out in the text format of Prometheus (version 0.0.4).  The metrics
 * workqueue_* have the names, labels and meanings of Kubernetes' own (client-go,
 * controller-runtime); their labels name and controller are both the queue's name, in which \xNN
 * stands for a byte that is not part of UTF-8 text (and \x5c for a backslash that would else look
 * like such a byte).  Metrics that only this library has are named workq_*.
 * Returns 0.  -EIO if out has an error.
 */
WORKQ_API int workq_metrics(workq *q, FILE *out);

/* workq_metrics() for count queues that workq_measure() has filled.  Accesses no queue. */
WORKQ_SIZED int workq_metrics_print(const workq_measures *queues, size_t count, FILE *out);

/* Fills *limiter with the queue's limiter, as in force (kinds is never 0).  Returns 0. */
WORKQ_API int workq_get_limiter(workq *q, workq_limiter *limiter);

/*
 * Reads the key that the next get would hand out, without taking it.
 * Returns 1 and fills *info, if that is not null; 0 if nothing is ready (or the queue is paused).
 */
WORKQ_SIZED int workq_peek(workq *q, workq_info *info);

/*
 * Calls visit for every key, in no particular order.  The lock is held for short periods only and
 * never while visit runs; keys that come, go or change meanwhile may be seen or not; a key that
 * stays is seen at least once.  visit returns 0 to go on, anything else to stop.  It must not call
 * into q.
 * Returns what visit returned last, 0 if there were no keys; -ENOMEM if there is no memory for
 * copies.
 */
WORKQ_API int workq_iterate(workq *q, int (*visit)(void *arg, const workq_info *info), void *arg);

/*
 * Copies the queue's state at one instant into private memory.  *out is a handle as by WORKQ_RAW,
 * with the same functions, that reads the copy: nothing in it changes, and times are those of that
 * instant.  q may be a WORKQ_RAW handle, for a damaged or stuck segment; then the copy may be torn.
 * *out is owned by the caller until workq_close(), and set only on success.  Holds the lock while
 * it copies (some 0.2 ms per MiB of workq_stats_data.committed).
 *
 * Returns 0.
 *  -ENOSPC, -ENOMEM  there is no memory for the copy
 *  -EFBIG            the process's file size limit (RLIMIT_FSIZE) is below the segment's size
 *  -EMFILE, -ENFILE, and other errors of mmap(2) and memfd_create(2)
 */
WORKQ_API int workq_snapshot(workq *q, workq **out);

/*
 * As workq_iterate(), on a snapshot (or another WORKQ_RAW handle), and in order: ready keys as gets
 * would hand them out; keys that are processed; delayed ones by their time; buried and idle ones,
 * oldest first.  In a damaged segment it visits each key that can still be read, once: last those
 * that are in no list.
 *  -EINVAL  q is not such a handle
 */
WORKQ_API int workq_iterate_order(workq *q, int (*visit)(void *arg, const workq_info *info),
                                  void *arg);

/*
 * As workq_iterate_order(), for the keys in one state (WORKQ_STATE_PROCESSING: dirty ones with
 * them), which it reaches without reading the others: for a view that stops after the first few.
 * Of the delayed keys only the first one visited is sure to be the earliest.  If the queue changes
 * meanwhile it may visit fewer keys than there are.
 *  -EINVAL  q is not such a handle, or state is WORKQ_STATE_DIRTY or unknown
 */
WORKQ_API int workq_iterate_state(workq *q, int state,
                                  int (*visit)(void *arg, const workq_info *info), void *arg);

/*
 * Brings a key back into a saved state: info as workq_iterate_order() gives it; pid and tid are
 * ignored.
 *
 * An unknown key becomes ready, delayed (for due_in_ns from now), buried or idle, at the tail of
 * the keys there, with its priority and counts.  One that was being processed becomes ready, since
 * no worker processes it now, unless it was removed during that run and not added again.  If the key is known, its pending run is added as by
 * workq_add_opts(), and each count keeps the larger value.  So restoring twice does no harm.
 *
 * Returns 1 if the key was newly marked or set aside, 0 if it was so already.
 *  -EINVAL     the state, priority, due_in_ns, removed or length is out of its range, or reserved
 *              is not 0
 *  -EMSGSIZE, -ENOSPC, -ESHUTDOWN  as for workq_add()
 */
WORKQ_SIZED int workq_restore(workq *q, const workq_info *info);

typedef struct workq_worker {
  uint32_t slot; /* number of the slot */
  int32_t pid;
  int32_t tid;
  uint32_t waiting;    /* 1 while it waits in get, 2 for space in add_wait, 3 in shutdown_drain */
  uint32_t processing; /* keys that it is processing */
  uint32_t self;       /* 1 for the handle that asks */
  char command[16];    /* the process's name when it attached */
  int64_t age_ns;      /* since it attached */
  uint64_t adds, coalesced, gets, dones, retries; /* as in workq_stats_data, this handle's */
  uint64_t failed;                                /* of the dones, those by workq_retry() and
                                                     workq_give_up() */
  uint64_t gave_up;                               /* of these, keys given up */
  int64_t running_ns; /* for how long it has been processing the oldest of its keys, ns; -1 where it
                         has none, or not measured */
} workq_worker;

/* As workq_iterate(), for the attached handles, by slot number. */
WORKQ_API int workq_iterate_workers(workq *q, int (*visit)(void *arg, const workq_worker *worker),
                                    void *arg);

/*
 * Shuts the queue down: adds are refused from now on, gets hand out what is ready and then return
 * -ESHUTDOWN; all waiters are woken.  Delayed keys stay, and do not become ready until
 * workq_resume().  May be called again; then it ends the waits of workq_shutdown_drain().
 * (client-go: ShutDown.)
 * Returns 0.
 */
WORKQ_API int workq_shutdown(workq *q);

/*
 * workq_shutdown(), and waits until nothing is ready and nothing is being processed, at most
 * timeout_ns.  (client-go: ShutDownWithDrain.)
 * Returns 0.
 *  -ETIMEDOUT  not drained within the timeout; the queue stays shut down
 *  -EINVAL     timeout_ns is negative and not WORKQ_FOREVER; the queue was not shut down
 *  -ECANCELED  workq_shutdown() or workq_resume() was called meanwhile
 *  -EINTR      a signal handler ran while it slept
 * If the caller dies inside, the queue is shut down or not yet.
 */
WORKQ_API int workq_shutdown_drain(workq *q, int64_t timeout_ns);

/* Returns 1 after shutdown, else 0. */
WORKQ_API int workq_shutting_down(workq *q);

/* Opens the queue again after shutdown.  Returns 1 if it was shut down, else 0. */
WORKQ_API int workq_resume(workq *q);

/* From now on gets wait; adds go on.  Returns 1 if the queue was not paused before, else 0. */
WORKQ_API int workq_pause(workq *q);

/* Ends a pause and wakes the workers.  Returns 1 if it was paused, else 0. */
WORKQ_API int workq_unpause(workq *q);

/*
 * Checks now for handles whose thread has died; their keys go back to the queue.  For a supervisor
 * that has seen SIGCHLD.  (Otherwise live handles do it by themselves, once every reap interval.)
 * Returns how many were found.
 */
WORKQ_API int workq_reap(workq *q);

/*
 * Announces that the caller is about to end a process, pid: when its handles die, their keys go
 * back as by workq_release(), and neither a failure nor a crash is counted.  For a supervisor,
 * before it kills one of its workers.  It holds for the handles that the process has now, as long
 * as they are attached.  Does not block, except for the queue's lock.
 * Returns how many handles the process has, 0 for none; -EINVAL if pid is not positive.
 */
WORKQ_API int workq_expect_exit(workq *q, int pid);

/*
 * For use right after a call that gave -ETIMEDOUT: the pid of the process that held the queue's
 * lock while it waited for that lock; 0 if it did not, or if the holder is not known.  On a
 * WORKQ_RAW handle: of the process that holds it now, 0 for none; that shows why workq_open() gave
 * -ETIMEDOUT.  Does not block, takes no lock.
 */
WORKQ_API int workq_lock_owner(const workq *q);

/* ---- A pool of workers ----------------------------------------------------------------------- */

/* What a handler returns: how its key is finished. */
enum {
  WORKQ_OK = 0,        /* workq_complete() */
  WORKQ_RETRY = 1,     /* workq_retry(); any value that is not another of these means this */
  WORKQ_GIVE_UP = 100, /* workq_give_up() */
  WORKQ_RELEASE = 101  /* workq_release() */
};

/*
 * Processes one key in a worker process.  q is the worker's own handle, item its key, worker its
 * number from 0.  The handler must not finish the item itself.
 */
typedef int (*workq_handler)(workq *q, const workq_item *item, unsigned worker, void *arg);

/* What happens in a pool, for workq_pool.event. */
enum {
  WORKQ_EVENT_STARTED = 1, /* worker started, first time or again; pid */
  WORKQ_EVENT_CRASHED =
      2, /* worker died; pid, and status as waitpid(2) has it; it is started again unless the pool
            ends */
  WORKQ_EVENT_ENDED = 3 /* worker ended as it was asked to, by the pool or by a SIGTERM from
                           elsewhere; pid, status */
};

typedef struct workq_pool {
  unsigned workers;           /* number of processes; 0 means 1 */
  unsigned until_empty;       /* 1: end when nothing is ready, delayed or being processed */
  int64_t restart_initial_ns; /* wait before a crashed worker is started again, ns; 0 means 10 ms;
                                 doubles with each crash in a row */
  int64_t restart_max_ns;     /* ... up to this; 0 means 5 s */
  int (*worker_start)(workq *q, unsigned worker, void *arg); /* in each new worker first; not 0 ends
                                                                it as a crash */
  void (*event)(void *arg, int what, unsigned worker, int pid, int status); /* in the supervisor;
                                                                               may be null */
  void *arg;                                                                /* given to all three */
} workq_pool;

/*
 * Forks workers that get keys and call handler, and supervises them until the queue is shut down
 * and drained, the pool is asked to stop, or (until_empty) nothing is left.  A worker that dies is
 * reaped at once and started again.
 *
 * Signals: SIGINT, SIGTERM and SIGCHLD are blocked in the calling thread and read from a signalfd
 * until it returns, when the mask is as before.  The first SIGINT or SIGTERM lets each worker
 * finish its key and end; a second kills them (their keys go back to the queue, as after a crash).
 * Workers get SIGTERM if the calling thread dies.  Call it where SIGINT and SIGTERM are blocked in
 * all other threads of the process, or there are none.
 *
 * q     the supervisor's handle.
 * pool  may be null.
 *
 * Flushes stdout and stderr before each fork.  Workers ignore SIGINT.  While it runs SIGCHLD has
 * its default action, and one for another child of the caller is discarded.
 *
 * Returns 0 when the work is over, 1 if it was stopped by one signal, 2 if by two.
 *  -EAGAIN, -ENOMEM, -EMFILE  fork(2) or signalfd(2) failed before a worker ran; none is left
 *  -EINVAL           handler is null, or a field of pool is out of its range
 *  -EUSERS           there are not enough slots for the workers
 *  -ENOSPC           /dev/shm is too full for a worker to attach
 *  -EUCLEAN, -EPROTONOSUPPORT  a worker found this when it attached; no worker is left
 */
WORKQ_SIZED int workq_run(workq *q, const workq_pool *pool, workq_handler handler);

/* ---- Inspecting a queue ---------------------------------------------------------------------- */

/*
 * Writes the queue, its workers and its keys to out as lines of text for people.  Keys are shown as
 * text with backslash escapes (\n, \\, \xNN) for what is not printable ASCII.  The lock is held as
 * by workq_iterate().
 * Returns 0.  -EIO if out has an error, -ENOMEM if there is no memory for copies.
 */
WORKQ_API int workq_dump(workq *q, FILE *out);

/*
 * Checks every invariant of the segment: each list, the table, the heap and the counts, each key in
 * exactly the place that its state requires.  problem, if not null, is called with one line for
 * each fault (at most 100).  Holds the lock throughout (some 0.1 us per key).
 * Returns how many faults there are, 0 for a sound segment; -ENOMEM if there is no memory for its
 * marks.
 */
WORKQ_API int workq_check(workq *q, void (*problem)(void *arg, const char *line), void *arg);

/*
 * Returns what a negative result (or its positive errno) means in this library, one clause without
 * a full stop; never null.
 */
WORKQ_API const char *workq_strerror(int error);

/* The library's version, like "0.2.0". */
WORKQ_API const char *workq_version(void);

/* ---- Sizes of structures --------------------------------------------------------------------- */

/*
 * What the library has in place of the functions that are given a structure which may grow.  Each
 * does what the function of that name without _sized does; C and C++ programs call the latter.
 * These are for callers that cannot include this header, such as a binding for another language.
 *
 * size  bytes of the structure (of each, for queues) as the caller knows it.  Fields that the
 *       caller does not know count as 0; of the fields that the library fills in, the caller gets
 *       those that it knows, and 0 in those that the library does not know.
 *
 * Returns and errors as without _sized.
 *  -EINVAL  size is 0 where a structure is given, or a field is not 0 that this version of the
 *           library does not know
 */
WORKQ_API int workq_create_sized(const char *name, const workq_options *options, size_t size,
                                 workq **out);
WORKQ_API int workq_open_sized(const char *name, const workq_options *options, size_t size,
                               workq **out);
WORKQ_API int workq_open_or_create_sized(const char *name, const workq_options *options,
                                         size_t size, workq **out);
WORKQ_API int workq_add_opts_sized(workq *q, const void *key, size_t len,
                                   const workq_add_options *options, size_t size);
WORKQ_API int workq_add_batch_sized(workq *q, const workq_key *keys, size_t n,
                                    const workq_add_options *options, size_t size, size_t *marked);
WORKQ_API int workq_state_sized(workq *q, const void *key, size_t len, workq_info *info,
                                size_t size);
WORKQ_API int workq_peek_sized(workq *q, workq_info *info, size_t size);
WORKQ_API int workq_restore_sized(workq *q, const workq_info *info, size_t size);
WORKQ_API int workq_stats_sized(workq *q, workq_stats_data *stats, size_t size);
WORKQ_API int workq_measure_sized(workq *q, workq_measures *measures, size_t size);
WORKQ_API int workq_metrics_print_sized(const workq_measures *queues, size_t size, size_t count,
                                        FILE *out);
WORKQ_API int workq_run_sized(workq *q, const workq_pool *pool, size_t size, workq_handler handler);

static inline int workq_create(const char *name, const workq_options *options, workq **out) {
  return workq_create_sized(name, options, sizeof *options, out);
}
static inline int workq_open(const char *name, const workq_options *options, workq **out) {
  return workq_open_sized(name, options, sizeof *options, out);
}
static inline int workq_open_or_create(const char *name, const workq_options *options,
                                       workq **out) {
  return workq_open_or_create_sized(name, options, sizeof *options, out);
}
static inline int workq_add_opts(workq *q, const void *key, size_t len,
                                 const workq_add_options *options) {
  return workq_add_opts_sized(q, key, len, options, sizeof *options);
}
static inline int workq_add_batch(workq *q, const workq_key *keys, size_t n,
                                  const workq_add_options *options, size_t *marked) {
  return workq_add_batch_sized(q, keys, n, options, sizeof *options, marked);
}
static inline int workq_state(workq *q, const void *key, size_t len, workq_info *info) {
  return workq_state_sized(q, key, len, info, sizeof *info);
}
static inline int workq_peek(workq *q, workq_info *info) {
  return workq_peek_sized(q, info, sizeof *info);
}
static inline int workq_restore(workq *q, const workq_info *info) {
  return workq_restore_sized(q, info, sizeof *info);
}
static inline int workq_stats(workq *q, workq_stats_data *stats) {
  return workq_stats_sized(q, stats, sizeof *stats);
}
static inline int workq_measure(workq *q, workq_measures *measures) {
  return workq_measure_sized(q, measures, sizeof *measures);
}
static inline int workq_metrics_print(const workq_measures *queues, size_t count, FILE *out) {
  return workq_metrics_print_sized(queues, sizeof *queues, count, out);
}
static inline int workq_run(workq *q, const workq_pool *pool, workq_handler handler) {
  return workq_run_sized(q, pool, sizeof *pool, handler);
}

#ifdef __cplusplus
}
#endif

#endif
