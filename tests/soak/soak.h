/*
 * What the parts of the soak share: its queues, the accounts that are kept outside of them, and who plays.
 *
 *   account.c  the accountant: lives, keys, and what must hold of them
 *   work.c     what players do with a queue, each call in its account
 *   players.c  the roles
 *   waiters.c  producers that wait for room in a full queue, and whether each of them gets some
 *   readers.c  readers without the lock
 *   crowd.c    a thousand handles in the threads of a few processes, and threads that end without a close
 *   idle.c     forked children that never touch their copy of a handle
 *   stage.c    starting and burying players
 *   killer.c   kills, stops, freezes and blackouts
 *   leaders.c  stops the process that waits for the next delayed key
 *   watch.c    ends the soak when something stands still
 *   finish.c   the warm-up, and the proof at the end
 *   soak.c     options, and the line that says how it went
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SOAK_H
#define SOAK_H

#include "support/plain.h"
#include "support/process.h"
#include "support/random.h"

#include "workq.h"

#include <signal.h>
#include <stdatomic.h>

/* WIDE has room for all keys and never gives one up; NARROW has room for a quarter, and buries.  FULL has room for few,
   and producers that wait for it; CROWDED has a thousand workers, and little work. */
enum { WIDE, NARROW, FULL, CROWDED, QUEUES, COMMON_QUEUES = FULL /* for players without a queue of their own */ };

typedef struct queue_kind {
  uint32_t keys;
  uint32_t first; /* of its accounts */
  uint32_t capacity;
  int32_t max_crashes;
  int32_t max_retries;
  int64_t reap_interval_ns;
} queue_kind;
extern const queue_kind queue_kinds[QUEUES];

enum {
  WIDE_KEYS = 1024,
  NARROW_KEYS = 256,
  FULL_KEYS = 32,
  CROWDED_KEYS = 64,
  KEYS = WIDE_KEYS + NARROW_KEYS + FULL_KEYS + CROWDED_KEYS,
  HANDLES = 64,
  CROWD_PROCESSES = 10,
  CROWD_HANDLES = 1000,
  CROWD_SPARE = 100, /* handles of CROWDED beyond those of the crowd */
  KEY_MAX = 32,
  HANDS = 8, /* keys in one process's hands, and in a batch */
  LIVES = 1 << 17,
  PLAYERS_MAX = 64,
  IDLE_MAX = 8
};

#define MICROSECOND INT64_C(1000)
#define MILLISECOND INT64_C(1000000)
#define SECOND      INT64_C(1000000000)

/* How long a victim lives once it knows.  On a short fuse it hurries from call to call. */
#define SHORT_FUSE_NS (20 * MICROSECOND)
#define LONG_FUSE_NS  (200 * MICROSECOND)

/* Those before PRODUCER work off what is left when the others have ended. */
typedef enum role {
  WORKER,
  FULL_WORKER,
  CROWD,
  PRODUCER,
  WAITER, /* a producer that waits for room */
  FEEDER, /* adds delayed keys for the crowd */
  OPERATOR,
  ATTACHER,
  FOUNDER,
  PARENT,
  POOL,
  BYSTANDER,
  READER,
  ENDER, /* has threads that end without a close */
  ROLES,
  CHILD = ROLES, /* of a PARENT */
  POOL_WORKER,
  IDLE_CHILD, /* of a WORKER or FULL_WORKER */
  THREAD,     /* of a CROWD or an ENDER */
  ALL_ROLES
} role;
extern const char *const role_names[ALL_ROLES];

/* The calls in which a player can die. */
typedef enum call {
  CALL_NONE,
  CALL_ADD,
  CALL_ADD_WAIT,
  CALL_BATCH,
  CALL_GET,
  CALL_FINISH,
  CALL_KEY,   /* remove, kick, forget, num_requeues, state */
  CALL_QUEUE, /* shutdown, resume, pause, unpause, reap */
  CALL_DRAIN,
  CALL_LOOK, /* stats, check, iterate, peek */
  CALL_OPEN, /* create, open, attach of a forked child */
  CALL_CLOSE,
  CALL_POOL, /* get and finish of a pool's worker */
  CALLS
} call;
extern const char *const call_names[CALLS];

/* Ways in which the soak itself misbehaves, to prove that it would notice. */
typedef enum mutant {
  NO_MUTANT,
  LOSE_DIRTY,
  LOSE_ON_REAP,
  TWO_HANDS,
  LEAK,
  LITTER,
  SQUATTER,
  STUCK,
  LOSE_WAITED, /* loses what was added after a wait */
  STARVE,      /* a producer waits for ever */
  WILD_READER, /* a reader dies of a signal */
  LINGER,      /* threads that should end do not */
  RESTLESS,    /* an idle child uses its copy of the handle */
  MUTANTS
} mutant;
extern const char *const mutant_names[MUTANTS];

/* What can be left out, to find what a failure has to do with. */
typedef enum feature { WITH_WAITERS, WITH_READERS, WITH_LEADERS, WITH_IDLE, WITH_ENDERS, WITH_CROWD, FEATURES } feature;
extern const char *const feature_names[FEATURES];

enum { STAGE_PLAY, STAGE_WORK_OFF, STAGE_END };

/* What is known of a key outside of the queue.  Versions are numbers of adds. */
typedef struct key_account {
  _Atomic uint32_t holder;  /* life that has it in hand, 0 for nobody */
  _Atomic uint32_t version; /* raised before each add */
  _Atomic uint32_t added;   /* highest version whose add has returned */
  _Atomic uint32_t seen;    /* version that the last finished run began with */
  _Atomic uint32_t excused; /* adds up to this one may have been cancelled by a remove */
} key_account;

/* One process.  Its number, the life, is never used again; its place here is, LIVES lives later. */
typedef struct life_record {
  _Atomic int32_t pid;
  _Atomic int32_t tid;
  _Atomic uint32_t role;
  _Atomic bool dead; /* its parent has waited for it */
  _Atomic bool
      ended; /* a thread that does nothing any more: musl gives its robust mutexes up before the kernel ends it */
  _Atomic uint32_t inside;   /* the call it is in */
  _Atomic uint32_t calls;    /* that have returned */
  _Atomic uint32_t removing; /* the key, + 1, whose remove is under way */
  _Atomic int64_t fuse_ns;   /* the killer's wish: die so long after now */
  _Atomic uint64_t started;  /* in the kernel's ticks: tells it from a later thread of its tid */
  _Atomic int64_t get_ns;    /* since when it is in a get; 0: it is not */
  _Atomic uint32_t get_from; /* the queue of that */
  _Atomic uint32_t idle;     /* the youngest life that it forked and that idles, 0 for none */
  _Atomic bool for_ever;     /* the add that it is in waits for room without a limit */
  _Atomic uint64_t waited;   /* adds of a WAITER that have returned well */
} __attribute__((aligned(64))) life_record;

typedef struct account {
  key_account keys[KEYS];
  life_record lives[LIVES];
  _Atomic uint32_t last_life;
  _Atomic uint32_t stage;
  _Atomic bool calm; /* little is added, so that workers sleep */
  _Atomic uint64_t runs[QUEUES];
  _Atomic uint64_t committed[QUEUES]; /* after the warm-up */
  _Atomic int64_t next_look_ns;       /* of the bystander */
  _Atomic uint64_t looks;
  _Atomic bool died_in_lock[QUEUES]; /* the bystander has seen it in the queue's numbers */
  _Atomic bool died_holding[QUEUES];
  _Atomic uint64_t audits;
  _Atomic uint64_t drains;
  _Atomic uint64_t kills;       /* of processes that had returned from a call at least */
  _Atomic uint64_t kills_early; /* of others; not among the kills */
  _Atomic uint64_t kills_inside[CALLS];
  _Atomic uint64_t kills_of[ALL_ROLES];
  _Atomic uint64_t kills_holding; /* with keys in hand */
  _Atomic uint64_t waited;        /* adds of all WAITERs that have returned well */
  _Atomic uint64_t given_up;      /* and those that have not */
  _Atomic bool fair;              /* waits for room have no limit, and nobody disturbs FULL */
  _Atomic uint32_t starved;       /* the life that the mutant keeps waiting */
  _Atomic uint32_t most_waiting;  /* producers that waited for room at one time */
  _Atomic uint32_t most_attached; /* handles of CROWDED at one time */
  _Atomic uint64_t reads;         /* calls of the readers */
  _Atomic uint64_t thread_ends;   /* without a close, of threads that had attached */
  _Atomic uint64_t thread_keys;   /* in their hands */
  _Atomic uint64_t due_runs;      /* of delayed keys of CROWDED */
  _Atomic int64_t latest_ns;      /* how late one of these was at most */
  _Atomic int64_t due_ns[CROWDED_KEYS];
  _Atomic uint32_t idle[IDLE_MAX]; /* lives of idle children */
} account;

typedef struct soak_options {
  int64_t duration_ns;
  unsigned kills_per_second;
  unsigned workers;
  unsigned producers;
  int64_t stall_ns; /* longest time in which a queue may stand still */
  unsigned crowd;   /* handles of the crowd */
  bool without[FEATURES];
  mutant mutant;
} soak_options;

extern account *shared;
extern soak_options soak;
extern char queue_names[QUEUES][64];
extern char founders_name[64];

/* ---- account.c ---- */

extern _Thread_local uint32_t my_life;

/* Keys of a queue have numbers from 0; the bytes are the number and a tail whose length depends on it. */
typedef struct key_bytes {
  uint32_t number;
  unsigned char tail[KEY_MAX - sizeof(uint32_t)];
} key_bytes;
size_t key_write(key_bytes *bytes, uint32_t number);
unsigned keys_of(unsigned queue);
key_account *key_of(unsigned queue, uint32_t number);
/* May it be removed?  Only then is it excused from running. */
bool key_is_removable(uint32_t number);

/* Before the fork, by the parent, or in a process or thread that has no life yet; then in the process or thread
   itself. */
uint32_t life_new(role r);
void life_begin(uint32_t life);
life_record *life_of(uint32_t life);
/* The process has ended, and its parent knows.  Returns how many keys it had in hand. */
unsigned life_bury(uint32_t life, int status);
/* As that for the threads of a process that has ended. */
void life_bury_threads(uint32_t life);
/* Nobody but idle children is left: buries those of whose end only a parent knew that was killed itself. */
void life_bury_unseen(void);
/* The youngest life of that pid that is not buried, 0 for none. */
uint32_t life_find(pid_t pid);
/* The letter that /proc has for the state of that life's thread, 0 where there is none. */
char life_state(uint32_t life);

/* Around each call of the library, so that it is known in which one a victim died. */
void call_begin(call c);
int call_end(int result);
#define CALL(c, expression) (call_begin(c), call_end(expression))

/* What an add promises begins with its call, and binds from its return. */
uint32_t account_add(unsigned queue, uint32_t number);
void account_added(unsigned queue, uint32_t number, uint32_t version);
void account_remove(unsigned queue, uint32_t number);
void account_removed(unsigned queue, uint32_t number);

typedef struct run {
  workq_item item;
  unsigned queue;
  uint32_t number;
  uint32_t version;
} run;
void account_run(run *r, unsigned queue, const workq_item *item);
/* Before the call that finishes it. */
void account_ran(const run *r);
/* The key is given back unfinished. */
void account_dropped(const run *r);

/* A key that is not in the queue must have run since its last add. */
void account_audit(workq *q, unsigned queue, uint32_t number);
/* Nothing is in the queue or in hand any more. */
void account_verify(void);

/* ---- work.c ---- */

typedef struct player {
  workq *q[QUEUES];
  uint64_t random;
} player;

bool queue_is_used(unsigned queue);

void work_once(player *p, unsigned queue, int64_t timeout_ns);
void produce_once(player *p, unsigned queue);
workq_add_options random_options(uint64_t *random);
workq *open_queue(unsigned queue);
void close_queue(workq *q);
void open_both(player *p);
void close_both(player *p);
/* Looks for the killer's wish.  False when the player shall end, as it sometimes does by itself. */
bool goes_on(player *p, uint32_t last_stage);
void light_fuse(int64_t after_ns);
void nap(int64_t ns);
/* Fails unless the result is good or one of those; returns it. */
int expect(int result, const char *what, int allowed, int allowed_too);

/* ---- players.c ---- */

void play(role r, uint64_t random) __attribute__((noreturn));

/* ---- waiters.c ---- */

void waiter(player *p);
/* Fails if a producer waits for room while many others get some. */
void watch_waiters(void);
/* Until each producer that waits has got something, and a thousand adds have shown that it is no luck. */
bool waiters_all_served(void);
/* How many adds the parts that wait for room have had; returns false where there are none. */
bool waiters_shares(uint64_t *least, uint64_t *most);

/* ---- readers.c ---- */

void reader(player *p);

/* ---- crowd.c ---- */

void crowd(player *p);
void feeder(player *p);
void ender(player *p);
/* A delayed key of CROWDED has come. */
void crowd_came(uint32_t number);
/* What is on its way is no measure of lateness. */
void crowd_forget_due(void);
/* How many threads this machine lets it have, and descriptors for their handles. */
unsigned crowd_possible(unsigned wanted);

/* ---- idle.c ---- */

/* Forks an idle child now and then. */
void idle_fork(player *p);
/* Ends some of those whose parent is dead, all of them if so wished. */
void idle_end(uint64_t *random, bool all);
/* One of them has ended. */
void idle_buried(uint32_t life);
/* Has it a child that idles? */
bool idle_child_of(uint32_t life);

/* ---- stage.c ---- */

/* A place on the stage, which is always taken by somebody. */
typedef struct part {
  role role;
  pid_t pid;
  uint32_t life;
  bool dying;
  int64_t stopped_until_ns; /* 0: runs */
  bool was_stopped;         /* at any time since watch_waiters() has looked at it */
  int64_t looked_ns;        /* when that was */
  int64_t fuse_until_ns;    /* when it is killed if it has not lit its fuse; 0: it has none */
  uint32_t calls;           /* when last looked at */
  int64_t calls_ns;         /* when that changed last */
  bool leads;               /* it was stopped as the leader of CROWDED */
  uint64_t due_runs;        /* when it was stopped */
  uint64_t waited;          /* a WAITER's adds, those of its dead predecessors with them */
  uint64_t waited_all;      /* adds of all when it was last seen to get on */
  uint32_t waited_calls;    /* its calls then */
} part;
extern part parts[PLAYERS_MAX];
extern unsigned parts_count;

void stage_fill(uint64_t random);
void stage_start(unsigned i);
void stage_add_worker(void);
/* Buries who has ended; those with a part are started again if that is wanted.  Returns false when nobody is left. */
bool stage_collect(bool restart);
/* Are only idle children left, or not even these? */
bool stage_only_idle(void);
bool stage_is_empty(void);
void stage_kill(unsigned i);
void stage_stop(part *p);
void stage_continue(unsigned i);
/* Kills and buries everybody, orphaned grandchildren, too; idle children only if that is wanted. */
void stage_clear(bool idle_too);
/* As that, but asks nobody how it ended. */
void stage_abandon(void);
/* Is a part of that role still played? */
bool stage_has(role r);

/* ---- killer.c ---- */

typedef struct killer_report {
  uint64_t direct;  /* kills by kill(2); the others by a timer of the victim */
  uint64_t holders; /* of these, killed with the lock in hand on purpose */
  uint64_t reaped_memory;
  uint64_t stops;
  uint64_t freezes;
  uint64_t blackouts;
  uint64_t idle_spared;       /* blackouts that idle children lived through */
  uint64_t idle_left;         /* kills that left an idle child */
  uint64_t idle_reaped;       /* of these, killed with the lock in hand, the memory going first */
  uint64_t idle_ended;        /* idle children that were ended */
  uint64_t leaders;           /* stopped */
  uint64_t led_on;            /* of CROWDED's, those during whose stop a delayed key came */
  int64_t longest_ns[QUEUES]; /* time without a run */
} killer_report;
extern killer_report report;

/* Returns false if a signal ended it early. */
bool killer_run(uint64_t random);

/* ---- leaders.c ---- */

void stop_leader(int64_t now_ns, workq *const raw[QUEUES], uint64_t *random);
/* May a leader that was stopped go on? */
bool leader_is_free(const part *p, int64_t now_ns);

/* ---- watch.c ---- */

/* Says what the queues look like, without their lock. */
void dump_queues(void);
void watch(int64_t now_ns);
/* The watch's own time. */
int64_t watch_now_ns(void);

/* ---- finish.c ---- */

void warm_up(void);

/* Which bytes of its file have memory, on standard error: for where it has grown. */
void print_memory(unsigned queue);
void finish(workq_stats_data sum[QUEUES]);

#endif
