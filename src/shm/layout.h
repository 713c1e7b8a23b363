/*
 * layout.h: the contents of the segment, and their offsets.
 *
 * The segment holds indices, never pointers; fields have fixed widths; data that different
 * processes write lies on different 64-byte lines.  The comment above each structure states its
 * writer, the lock, and whether the undo journal covers it ("journaled": journal_save() saves a
 * line before its first change in a transaction).
 *
 * The rule for layout versions: any change to this file's structures, or to the meaning of a field,
 * raises LAYOUT_VERSION.  Older layouts are never read; a segment does not outlive its boot.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_LAYOUT_H
#define WORKQ_SHM_LAYOUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "workq.h"

#define LAYOUT_MAGIC   "WORKQSEG"
#define LAYOUT_VERSION 6u

#define LINE_SIZE    64u
#define REGION_ALIGN 4096u
#define SEGMENT_MAX  (UINT64_C(1) << 38) /* a line's number must fit 32 bits */

#define LOCK_DAMAGED   UINT32_MAX
#define LOCK_MUTEXES   64u  /* one active, the others spare */
#define JOURNAL_LINES  60u  /* the most lines that one transaction may save */
#define BANDS          256u /* priorities */
#define BUCKET_ENTRIES 7u
#define BUCKETS_MIN    64u
#define BUCKET_LOAD    3u /* average keys per bucket before the table grows */
#define HEAP_ARITY     4u
#define HEAP_FIRST     3u /* place of the root, so that siblings share a line */

#define HISTOGRAM_BUCKETS      WORKQ_HISTOGRAM_BUCKETS
#define HISTOGRAM_LINE_BUCKETS 7u
#define HISTOGRAM_LINES        (HISTOGRAM_BUCKETS / HISTOGRAM_LINE_BUCKETS)
#define PRIORITIES_EXPORTED    WORKQ_PRIORITIES_SHOWN

#define LINE_ALIGNED _Alignas(LINE_SIZE)

/* Processes may share a segment only if all of these fields are equal.  Part of the header. */
struct fingerprint {
  uint32_t libc;       /* 1 glibc, 2 another (musl) */
  uint32_t word_size;  /* sizeof(void *) */
  uint32_t byte_order; /* 0x01020304 as written */
  uint32_t page_size;
  uint32_t mutex_size; /* sizeof(pthread_mutex_t) */
  uint32_t reserved;
  uint64_t pid_namespace; /* inode of /proc/self/ns/pid, 0 where there is no /proc */
  uint64_t time_namespace;
  char boot_id[40]; /* text of /proc/sys/kernel/random/boot_id */
};

/* Converts the processor's time-stamp counter to ns: base_ns + (counter - base) * rate / 2^32.  If
 * the rate is 0, the counter must not be used. */
struct tick_scale {
  uint64_t base;
  int64_t base_ns; /* near CLOCK_MONOTONIC */
  int64_t rate;
};

/* Written once, before the segment has a name; never changed.  Covered by a checksum. */
struct header {
  char magic[8];
  uint32_t layout_version;
  uint32_t header_size;
  struct fingerprint fingerprint;
  uint64_t seed; /* of the hash */
  uint64_t total_size;
  uint32_t capacity;
  uint32_t key_max;
  uint32_t handles;
  uint32_t mode;
  int32_t max_retries; /* 0: no limit; WORKQ_NEVER: none */
  int32_t max_crashes; /* as given: never 0 */
  uint32_t give_up;
  uint32_t metrics; /* 1: times are measured */
  int64_t reap_interval_ns;
  int64_t crash_forget_ns; /* crashes are forgotten after it; WORKQ_FOREVER: never */
  struct tick_scale ticks; /* scale of the time stamps */
  uint64_t reserved;       /* must be 0, else the attach is refused: a newer version */
  workq_limiter limiter;   /* normalized */
  uint64_t checksum;       /* XXH3 of all before it */
};

/*
 * Which mutex is active.  Not journaled.  A waiter that finds the holder lost raises epoch; settled
 * is written under the lock of the new epoch once no thread can be inside the old one (lock.c
 * describes the protocol).
 */
struct lock_line {
  LINE_ALIGNED _Atomic uint32_t epoch;
  _Atomic uint32_t settled; /* the epoch; LOCK_DAMAGED: a roll-back was impossible */
};

/* One queue mutex, and its holder's slot (number + 1; 0: no holder).  The holder writes it; not
 * journaled. */
struct lock_mutex {
  LINE_ALIGNED pthread_mutex_t mutex;
  _Atomic uint32_t holder;
};

enum { QUEUE_SHUT_DOWN = 1, QUEUE_PAUSED = 2 };

/* Fields that nearly every operation changes.  Under the queue lock, journaled. */
struct hot_line {
  LINE_ALIGNED uint64_t bitmap[BANDS / 64]; /* bands that are not empty */
  uint32_t ready;
  uint32_t processing;
  uint32_t delayed; /* entries of the heap */
  uint32_t flags;   /* QUEUE_* */
  uint32_t free_head;
  uint32_t fresh; /* items that were ever used: 1 ... fresh */
  uint32_t used;  /* items in use */
  uint32_t buckets;
};

struct list {
  uint32_t head;
  uint32_t tail;
  uint32_t count;
};

/* Lists that few operations touch.  Under the queue lock, journaled. */
struct cold_line {
  LINE_ALIGNED struct list idle; /* oldest first */
  struct list buried;            /* oldest first */
  uint32_t drain_round;          /* every shutdown and resume raises it: ends earlier drains */
  uint32_t delay_round;          /* raised for each heap entry: the order among equal times */
  int64_t bucket_ns;             /* the token bucket: when it will be full again, minus its burst */
  uint32_t items_committed;      /* items, buckets and heap entries that have memory */
  uint32_t buckets_committed;
  uint32_t heap_committed;
  uint32_t arrivals; /* calls that have begun to wait for space or a drain */
};

/* WAIT_GRANTED: the waiter waited for space and was signalled; one free place is reserved for it
 * until it takes the lock. */
enum { WAIT_NONE = 0, WAIT_GET = 1, WAIT_SPACE = 2, WAIT_DRAIN = 3, WAIT_GRANTED = 4, WAIT_KINDS = 5 };

/* The waiters: lists of slots (number + 1), newest at the head.  Under the queue lock,
 * journaled. */
struct wait_line {
  LINE_ALIGNED struct list list[WAIT_KINDS]; /* [WAIT_NONE] stays empty */
  uint32_t signals;                          /* of WAIT_GET, see WAIT_OLDEST_EVERY */
};

/*
 * Counters of each slot, added to the totals when the slot becomes free: frequent ones; rare ones;
 * and those that the stats show only as a part of another number.  A new counter needs a field of
 * that name in workq_stats_data, unless it is hidden, and code that increments it.
 */
#define OWN_COUNTERS(each)    each(adds) each(coalesced) each(gets) each(dones) each(retries)
#define RARE_COUNTERS(each)   each(gave_up) each(after_adds)
#define HIDDEN_COUNTERS(each) each(scheduled) each(requeued)

/* Counters that belong to no slot. */
#define CRASH_COUNTERS(each) each(crashes) each(crash_buried)
#define QUEUE_COUNTERS(each) each(reaped) each(recoveries) each(evictions) each(lock_losses)

#define COUNTER_FIELD(name) uint64_t name;

/* Counters of slots that became free, and those that belong to no slot: two lines.  Under the queue
 * lock, journaled. */
struct totals {
  LINE_ALIGNED struct {
    OWN_COUNTERS(COUNTER_FIELD)
    CRASH_COUNTERS(COUNTER_FIELD)
  };
  LINE_ALIGNED struct {
    QUEUE_COUNTERS(COUNTER_FIELD)
    RARE_COUNTERS(COUNTER_FIELD)
    HIDDEN_COUNTERS(COUNTER_FIELD)
  };
};

/* Seven of a histogram's buckets, and the sum of their observations: so an observation changes one
 * line. */
struct histogram_line {
  LINE_ALIGNED uint64_t sum_ns;
  uint64_t count[HISTOGRAM_LINE_BUCKETS];
};

struct histogram {
  struct histogram_line line[HISTOGRAM_LINES];
};

/* From ready to the get; from the get to the end of the run; from a delayed add until the key is
 * ready. */
enum { MEASURE_QUEUE = 0, MEASURE_WORK, MEASURE_DELAY, MEASURE_KINDS };

/* One per slot, which only the owner changes; and one of the queue, for slots that became free.
 * Under the queue lock, journaled. */
struct measures {
  struct histogram histogram[MEASURE_KINDS];
};

/* The priorities besides 0 that metrics distinguish: the first with which keys became ready.  Under
 * the queue lock, journaled. */
struct exported_line {
  LINE_ALIGNED uint64_t noted[BANDS / 64]; /* a bit for each band: it was noted, or there was no
                                              place left for it */
  uint32_t count;
  int8_t priority[PRIORITIES_EXPORTED];
};

/* Progress of the search for dead owners.  Under the queue lock; not journaled: any value is
 * valid. */
struct reap_line {
  LINE_ALIGNED int64_t last_pass_ns; /* when the last pass began */
  uint32_t next_mutex;               /* the slot at which the next pass starts to try life
                                        mutexes ... */
  uint32_t next_owner;               /* ... and to ask the kernel about owners */
};

struct band {
  struct list keys;
  uint32_t dirty; /* keys in flight that become ready with this priority when done */
};

struct control {
  struct lock_line lock;
  struct hot_line hot;
  struct cold_line cold;
  struct wait_line wait;
  struct totals totals;
  struct measures measured;
  struct exported_line exported;
  struct reap_line reap;
  LINE_ALIGNED struct band bands[BANDS]; /* under the queue lock, journaled; [0] is priority 127 */
};

enum { SLOT_FREE = 0, SLOT_ATTACHED = 1 };

/* A handle's slot. */
struct slot {
  /* The handle's thread holds it as long as it is attached.  Written by the C library and the
   * kernel; threads other than the owner touch it only under the queue lock.  Not journaled. */
  struct {
    LINE_ALIGNED pthread_mutex_t mutex;
  } life;
  /* The owner.  Under the queue lock, journaled. */
  struct {
    LINE_ALIGNED uint32_t state; /* SLOT_* */
    uint32_t generation;         /* odd while attached, even while free; only rises */
    int32_t pid;
    int32_t tid;
    int64_t since_ns;
    char command[16];
    uint32_t exit_expected; /* 1: its process is being ended; its death is no crash */
  } attachment;
  /* The owner's work.  Under the queue lock, journaled. */
  struct slot_own {
    LINE_ALIGNED struct list processing; /* items, oldest first */
    uint32_t arrival;                    /* number of the call that waits for space or a drain */
    OWN_COUNTERS(COUNTER_FIELD)
    uint64_t started_ns; /* sum of the start times of the keys in flight, modulo 2^64 */
  } own;
  /* Its entry in a list of waiters.  Under the queue lock, journaled. */
  LINE_ALIGNED struct slot_wait {
    uint32_t kind; /* WAIT_* */
    uint32_t next;
    uint32_t prev;
    uint32_t hash;   /* WAIT_SPACE: of the key to be added */
    int64_t wake_ns; /* when its sleep times out; WAIT_GRANTED: end of the reservation */
  } wait;
  /* Rare counters; on the same line.  Under the queue lock, journaled. */
  struct slot_rare {
    uint64_t failed;               /* retries and give-ups; not added to the totals */
    RARE_COUNTERS(COUNTER_FIELD)   /* after_adds: adds with a delay given by the caller */
    HIDDEN_COUNTERS(COUNTER_FIELD) /* adds for later; keys pending now other than by an add */
  } rare;
  /* The futex that the owner sleeps on.  Written by the owner, and by others under the queue lock;
   * not journaled. */
  LINE_ALIGNED struct slot_futex {
    _Atomic uint32_t word; /* generation << 2 | the waiter's state, see wait.c */
  } futex;
  /*
   * On the same line: the identity of the owner's thread, for asking the kernel whether it lives.
   * A new owner writes it once it has locked its byte of the file and before it first takes the
   * queue lock; others read it without a lock.  Not journaled.
   */
  struct slot_owner {
    _Atomic uint32_t generation; /* of the ownership, and so of its byte of the file */
    _Atomic int32_t pid;
    _Atomic int32_t tid;
    _Atomic uint64_t start_ticks; /* when the thread started; 0: unknown */
    _Atomic uint64_t stack;       /* start of the stack, which execve(2) changes; 0: unknown */
    _Atomic uint64_t inode;       /* of the segment's file: a copy of the file has no owners */
  } owner;
  /* Lines in its undo journal.  Written by the owner, and by the thread that rolls back; not
   * journaled. */
  struct {
    LINE_ALIGNED _Atomic uint32_t count;
  } journal;
};

/* Saved lines: number (offset / 64) and old bytes.  Written like slot.journal; one page per
 * slot. */
struct journal {
  uint32_t line[JOURNAL_LINES];
  LINE_ALIGNED unsigned char bytes[JOURNAL_LINES][LINE_SIZE];
};

/* One line of the hash table.  Entries are filled from the front; an index of 0 ends them.  Under
 * the queue lock, journaled. */
struct bucket {
  LINE_ALIGNED uint32_t hash[BUCKET_ENTRIES];
  uint32_t item[BUCKET_ENTRIES];
  uint32_t chain; /* first of the items for which the bucket has no entry left */
  uint32_t reserved;
};

/* Under the queue lock, journaled. */
struct heap_entry {
  int64_t due_ns;
  uint32_t round;
  uint32_t item;
};

/* Where an item is.  NOWHERE: in no list; only inside a transaction. */
enum { PLACE_FREE = 0, PLACE_READY, PLACE_DELAYED, PLACE_PROCESSING, PLACE_BURIED, PLACE_IDLE, PLACE_NOWHERE };

/* The item's pending run.  READY implies NOW, DELAYED implies AT, BURIED and IDLE imply NONE. */
enum { PENDING_NONE = 0, PENDING_NOW, PENDING_AT };

/*
 * An item: all that the queue stores about a key.  The key's bytes follow, and are written while
 * the item is free.  Under the queue lock, journaled.  Each get raises ticket, which survives
 * freeing, so that an old ticket never matches a new key.
 */
struct item {
  LINE_ALIGNED uint32_t next; /* in its band, slot, the idle or buried list, or the free list */
  uint32_t prev;              /* undefined while the item is the head of its list */
  uint32_t chain;             /* next in its bucket's chain */
  uint32_t heap_place;        /* 0: not in the heap */
  uint32_t hash;
  uint16_t key_len;
  uint8_t place;   /* PLACE_* */
  uint8_t pending; /* PENDING_* */
  uint32_t failures;
  uint32_t ticket;
  uint16_t owner;      /* slot + 1 while processing, else 0 */
  int8_t priority;     /* of the pending run; of the last one where none is pending */
  int8_t run_priority; /* of the run that is being processed */
  uint16_t crashes;    /* up to CRASHES_MAX; they count until the queue forgets the last */
  uint8_t removed;     /* 1: the key was removed during the run that is being processed */
  uint8_t reserved;
  uint32_t crash_time;    /* of the last crash, see crash_time() */
  uint32_t prefetch_hint; /* index of an item further on; not journaled: any value is valid */
  int64_t since_ns;       /* stamp: when it became pending now, delayed, buried or idle */
  int64_t run_ns;         /* stamp: when it was last handed out */
};

#define CRASHES_MAX UINT16_MAX

#define CRASH_TIME_UNIT_NS (INT64_C(1) << 27) /* 0.13 s */

/* A time as items note that of their last crash: in units, modulo 18 years. */
static inline uint32_t crash_time(int64_t ns) {
  return (uint32_t)((uint64_t)ns / (uint64_t)CRASH_TIME_UNIT_NS);
}

static inline unsigned char *item_key(struct item *item) {
  return (unsigned char *)(item + 1);
}

/* Offsets and sizes in bytes; computed from capacity, key_max and handles, kept in private
 * memory. */
struct geometry {
  uint32_t capacity;
  uint32_t items_max; /* capacity + 1: a new key needs one while an idle item is evicted for it */
  uint32_t key_max;
  uint32_t handles;
  uint32_t buckets_max;
  uint32_t item_size;
  uint32_t heap_max; /* entries, including those before HEAP_FIRST */
  uint64_t control_off;
  uint64_t mutexes_off;
  uint64_t slots_off;
  uint64_t journals_off;
  uint64_t measures_off;
  uint64_t table_off;
  uint64_t heap_off;
  uint64_t items_off;
  uint64_t total_size;
};

_Static_assert(sizeof(pthread_mutex_t) + sizeof(uint32_t) <= LINE_SIZE, "a mutex and its holder share a line");
_Static_assert(sizeof(struct header) <= REGION_ALIGN, "the header is one page");
_Static_assert(sizeof(struct lock_mutex) == LINE_SIZE, "line");
_Static_assert(sizeof(struct hot_line) == LINE_SIZE, "line");
_Static_assert(sizeof(struct cold_line) == LINE_SIZE, "line");
_Static_assert(sizeof(struct wait_line) == LINE_SIZE, "line");
_Static_assert(sizeof(struct slot_futex) + sizeof(struct slot_owner) <= LINE_SIZE, "they share a line");
_Static_assert(sizeof(struct totals) == 2 * LINE_SIZE, "lines");
_Static_assert(sizeof(struct slot) == 6 * LINE_SIZE, "lines");
_Static_assert(sizeof(struct slot_own) == LINE_SIZE, "line");
_Static_assert(sizeof(struct slot_wait) + sizeof(struct slot_rare) == LINE_SIZE, "they share a line");
_Static_assert(sizeof(struct histogram_line) == LINE_SIZE, "line");
_Static_assert(HISTOGRAM_LINES *HISTOGRAM_LINE_BUCKETS == HISTOGRAM_BUCKETS, "no bucket is left over");
_Static_assert(sizeof(struct exported_line) == LINE_SIZE, "line");
_Static_assert(sizeof(struct journal) == REGION_ALIGN, "a page");
_Static_assert(sizeof(struct bucket) == LINE_SIZE, "line");
_Static_assert(sizeof(struct heap_entry) * HEAP_ARITY == LINE_SIZE, "brothers share a line");
_Static_assert(sizeof(struct item) == LINE_SIZE, "line");
_Static_assert(HEAP_FIRST == HEAP_ARITY - 1, "the children of every entry start a line");
_Static_assert(WORKQ_KEY_MAX <= UINT16_MAX, "key_len");
_Static_assert(WORKQ_HANDLES_MAX < UINT16_MAX, "owner");

#endif
