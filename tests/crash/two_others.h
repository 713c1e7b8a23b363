/*
 * The others: processes that make one call of the library when told to, and say when it began and ended; the victim: a child
 * that is run through one operation instruction by instruction; and an account of whose hands each key is in.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TWO_OTHERS_H
#define TWO_OTHERS_H

#include "shm/handle.h"
#include "two_trace.h"

enum { OTHERS_MAX = 8, KEYS_MAX = 64 };

typedef enum {
  CALL_LEN,    /* workq_len(): into the lock and out */
  CALL_ADD,    /* the key */
  CALL_GET,    /* a key, whichever, and completes it */
  CALL_ATTACH, /* opens and closes another handle */
  CALL_END
} call_kind;

struct other {
  _Atomic uint32_t orders; /* calls asked for so far */
  _Atomic uint32_t begun;
  _Atomic uint32_t ended;
  call_kind kind;
  uint32_t key;
  int result;
  int64_t ended_ns;
  pid_t pid;
};

/* Hands a key may be in, apart from those of other number i: i + 1. */
enum { HAND_NONE = 0, HAND_PARENT = 100, HAND_VICTIM = 101 };

/* Shared by all processes of a test. */
struct stage {
  struct other others[OTHERS_MAX];
  struct {
    _Atomic uint32_t hand;
    _Atomic uint32_t runs;
  } keys[KEYS_MAX];
  _Atomic bool victim_dead; /* what is in its hands may be taken */
  /* The victim's course. */
  _Atomic pid_t ready; /* its thread, once it has done what comes before the operation */
  _Atomic bool go;
  _Atomic int at; /* 0: before the operation, 1: inside, 2: after it */
  uint32_t slot;  /* its slot's number */
  /* Of a second thread of the victim's process. */
  _Atomic int told;
  _Atomic pid_t keeper;
  uint32_t keeper_slot;
  int result;
  char name[64];
  unsigned count;
};

extern struct stage *stage;

/* Makes the stage, a queue for it and count others who have it open.  The queue is the parent's own; returns its handle. */
workq *stage_open(const char *prefix, unsigned count, int64_t reap_interval_ns);
/* Ends the others; the queue must be sound and empty; closes and removes it. */
void stage_close(workq *q);

/* Tells other number i to make a call; returns without waiting for anything. */
void other_call(unsigned i, call_kind kind, uint32_t key);
/* Waits until it sleeps in its call; returns false if the call has ended instead. */
bool other_await_sleep(unsigned i);
bool other_has_ended(unsigned i);
/* Waits for the end of the call until end_ns; returns whether it came. */
bool other_await_end(unsigned i, int64_t end_ns);
/* A pause of a tenth of a millisecond, for who waits for something that makes no event. */
void moment(void);
/*
 * How much longer than that the longest such pause since the last call of this function was.  So long others, too, may have had
 * to wait for a processor, several times, before they could do what they were woken for.
 */
int64_t machine_late_ns(void);
/*
 * Waits until all others have ended their calls; fails if that lasts longer than 2 s after that moment, apart from what the machine
 * was late.  Raises *longest_ns to how long it was.
 */
void others_go_on(const char *what, int64_t since_ns, int64_t *longest_ns);
/* Makes a call that cannot last: fails if it does.  Returns its result. */
int other_do(unsigned i, call_kind kind, uint32_t key);

/* Keys: add and get with account; fails where one is in two hands. */
int key_add(workq *q, uint32_t key);
void key_take(const workq_item *item, uint32_t hand);
void key_put_down(const workq_item *item, uint32_t hand);
/* Gets, runs and completes all that is ready; afterwards the queue is empty and sound and only the others are attached. */
void keys_drain(workq *q, const char *when);

/* What the victim does: prepare() first, in peace, then act().  *hand is for items. */
typedef struct {
  const char *name;
  void (*prepare)(workq *q);
  int (*act)(workq *q);
  bool adds; /* can be done where nothing is ready and somebody waits */
} victim_operation;

/* Before the fork that is to bring the victim: clears the stage of the last one. */
void victim_prepare(void);
/* Called by a thread that is to be the victim: opens a handle with flags, prepares, waits to be stepped, acts.  Never returns. */
void victim_play(const victim_operation *operation, uint32_t flags) __attribute__((noreturn));
/* Waits for the victim's thread of that child, stops it and steps it to where the operation begins.  Returns the thread. */
pid_t victim_begin(void);
/* A child whose main thread is the victim. */
pid_t victim_start(const victim_operation *operation, uint32_t flags);
/* Steps the victim as often as that.  Returns how many steps it took until the operation's end, sleep or its death. */
unsigned victim_steps(pid_t tid, unsigned steps);
/* Steps it until it has the lock, for which it may have to wait, and then inside more; false if it never has it. */
bool victim_into_lock(const workq *q, pid_t tid, unsigned inside);
/* Runs a victim through the operation; returns the number of its steps at which it has the lock. */
unsigned victim_count(const workq *q, const victim_operation *operation);
/* Kills the victim. */
void victim_kill(pid_t pid);

#endif
