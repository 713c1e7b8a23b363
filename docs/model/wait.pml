/*
 * wait.pml: workers that sleep for keys, and who wakes them: src/enter.c, src/wait.c, src/slot.c (reaping), and of src/queue.c
 * and src/lifecycle.c what these need.  docs/model/README.md says which part stands for which function, and what is left out.
 *
 * What is checked, at every reachable state:
 *
 *   STUCK      A key is ready (or due), the queue is not paused, a living worker sleeps, and nothing will wake anyone: no sleeper
 *              has an end to its sleep.
 *   LATE       The same, but for the next tick, though no death is left to be found: a wake-up was lost that
 *              should not have been.  (Let go: a sleeper whose waker died, when it had taken it out of the line already; and keys
 *              for which a worker was told that then could not get the lock.)
 *   UNLED      All is quiet, a key is delayed, and the oldest in line will not wake when it is due.
 *   GHOST      All is quiet, and somebody stands in line who neither sleeps nor has deserted nor is a corpse to be found.
 *   LOST       A key that was added, and not finished since, is nowhere; or in the hands of a slot that nobody has.
 *   TWO HANDS  A key is in the hands of two workers.
 *
 * With -DLIVE also, with weak fairness: in the end every key is done, if a worker lives and the queue is not paused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

/* ---- Size ---- */

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef OPS
#define OPS 3 /* what the producer does */
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef SIGNALS
#define SIGNALS 0 /* signal handlers that run while a get sleeps (-EINTR) */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0 /* gets that end because the lock is not to be had */
#endif
#ifndef PAUSES
#define PAUSES 0 /* does the producer pause and unpause? */
#endif
#ifndef DELAYS
#define DELAYS 0 /* does it add with a delay? */
#endif

#define KEYS 2
#define P    WORKERS /* the producer's slot */
#define SLOTS (WORKERS + 1)
#define NOBODY SLOTS

/* ---- The segment, journaled.  Changed under the lock only. ---- */

#define NONE    0 /* unknown */
#define READY   1
#define DELAYED 2
#define HELD    3 /* processing */
#define NOWHERE 4 /* inside a transaction */

#define NOW 1
#define AT  2

byte place[KEYS];
byte pending[KEYS]; /* of a held key: 0, NOW (dirty) or AT */
byte owner[KEYS] = NOBODY;
bool paused;
bool attached[SLOTS] = true;
byte line[WORKERS]; /* who waits, newest first */
byte waiting;       /* how many */
bool waits[WORKERS];
byte plan[WORKERS]; /* slot.wait.wake_ns */

/* Key 0 is due at time 1, key 1 at time 2; the reap interval ends after both, a follower's sleep after that. */
#define TICK    3
#define FAR     4
#define FOREVER 5

/* ---- The segment, not journaled ---- */

#define TOLD     0
#define ASLEEP   1
#define SPINNING 2
#define DESERTED 3

byte word[WORKERS];
byte undo; /* the journal: key + 1 of a transaction that is half done, */
byte undo_place, undo_owner; /* and what it was before */

/* ---- The kernel ---- */

byte lock = NOBODY;
bool owner_died;
bool blocked[WORKERS];    /* in FUTEX_WAIT */
byte sleeps_to[WORKERS];  /* its time limit */
byte arrived;             /* what time it is */

/* ---- The world, for the checks ---- */

byte kills = KILLS, eintrs = SIGNALS, timeouts = TIMEOUTS;
bool dead[SLOTS], ended[SLOTS];
bool owed[KEYS];          /* added, not finished since */
byte in_hand[KEYS] = NOBODY; /* which living worker's code works on it */
hidden byte i, s, k;

#define ready (place[0] == READY || place[1] == READY)
#define at(key) (place[key] == DELAYED || (place[key] == HELD && pending[key] == AT))
#define next_due (at(0) -> 1 : (at(1) -> 2 : TICK))
#define due (next_due <= arrived)
#define bit(n) (1 << (n))

/* ---- What must never be ---- */

#define rests(w) (dead[w] || ended[w] || (blocked[w] && sleeps_to[w] > arrived))
#define rests_forever(w) (dead[w] || ended[w] || (blocked[w] && sleeps_to[w] == FOREVER))
#define to_be_found(slot) (dead[slot] && attached[slot])
#define work ((ready && !paused) || due)
#if KILLS
#define cheated(w) (blocked[w] && waits[w])
#else
#define cheated(w) blocked[w]
#endif
#define ghost(n) (n < waiting && !(blocked[line[n]] || word[line[n]] == DESERTED || dead[line[n]]))
#define sleeps_until sleeps_to[line[waiting - 1]]
#define unled (waiting > 0 && blocked[line[waiting - 1]] && sleeps_until > next_due && sleeps_until < FOREVER)
#define homeless(key) (owner[key] != NOBODY && !attached[owner[key]])

#if WORKERS > 2
#define quiet ((dead[P] || ended[P]) && rests(0) && rests(1) && rests(2))
#define quiet_forever (quiet && rests_forever(0) && rests_forever(1) && rests_forever(2))
#define someone_sleeps (blocked[0] || blocked[1] || blocked[2])
#define someone_cheated (cheated(0) || cheated(1) || cheated(2))
#define corpse (to_be_found(0) || to_be_found(1) || to_be_found(2) || to_be_found(P))
#define someone_works (!(dead[0] || ended[0]) || !(dead[1] || ended[1]) || !(dead[2] || ended[2]))
#define ghosts (ghost(0) || ghost(1) || ghost(2))
#else
#define quiet ((dead[P] || ended[P]) && rests(0) && rests(1))
#define quiet_forever (quiet && rests_forever(0) && rests_forever(1))
#define someone_sleeps (blocked[0] || blocked[1])
#define someone_cheated (cheated(0) || cheated(1))
#define corpse (to_be_found(0) || to_be_found(1) || to_be_found(P))
#define someone_works (!(dead[0] || ended[0]) || !(dead[1] || ended[1]))
#define ghosts (ghost(0) || ghost(1))
#endif

#define STUCK (quiet_forever && work && someone_sleeps)
#define LATE  (quiet && work && someone_cheated && !corpse && timeouts == TIMEOUTS)
#define UNLED (quiet && unled && !corpse)
#define GHOST (quiet && ghosts)
#define LOST  (lock == NOBODY && !owner_died && undo == 0 && \
               ((owed[0] && place[0] == NONE) || (owed[1] && place[1] == NONE) || \
                place[0] == NOWHERE || place[1] == NOWHERE || homeless(0) || homeless(1)))

/* ---- wait.c ---- */

/* In a transaction: takes place n out of the line. */
inline take_out(n) {
  waits[line[n]] = false;
  plan[line[n]] = 0;
  i = n;
  do
  :: i + 1 < waiting -> line[i] = line[i + 1]; i++
  :: else -> break
  od;
  waiting--;
  line[waiting] = 0;
  i = 0
}

/* wait_leave() */
inline wait_leave(w) {
  if
  :: waits[w] ->
     i = 0;
     do
     :: line[i] != w -> i++
     :: else -> break
     od;
     take_out(i)
  :: else
  fi
}

/* wait_signal(): the newest who has not deserted is told after the commit. */
inline wait_signal(wakes) {
  do
  :: waiting == 0 -> break
  :: else ->
     s = line[0];
     take_out(0);
     if
     :: word[s] == DESERTED
     :: else -> wakes = wakes | bit(s); break
     fi
  od;
  s = 0
}

/* wait_prune() */
inline wait_prune(me) {
  do
  :: waiting > 0 && line[waiting - 1] != me && word[line[waiting - 1]] == DESERTED -> take_out(waiting - 1)
  :: else -> break
  od;
  i = 0
}

#define leads(w) (waiting > 0 && line[waiting - 1] == w)

/* wait_lead() */
inline wait_lead(me, wakes, when) {
  wait_prune(me);
  if
  :: waiting > 0 && plan[line[waiting - 1]] > when ->
     s = line[waiting - 1];
     plan[s] = when;
     if
     :: s != me -> wakes = wakes | bit(s)
     :: else
     fi
  :: else
  fi
}

/* wait_rouse() */
inline wait_rouse(me, wakes) {
  wait_prune(me);
  if
  :: waiting > 0 && line[waiting - 1] != me -> wakes = wakes | bit(line[waiting - 1])
  :: else
  fi
}

/* wait_enter() */
inline wait_enter(me, when) {
  plan[me] = when;
  if
  :: waits[me]
  :: else ->
     i = waiting;
     do
     :: i > 0 -> line[i] = line[i - 1]; i--
     :: else -> break
     od;
     line[0] = me;
     waits[me] = true;
     waiting++
  fi
}

/* One of wait_publish(): the lowest of wakes is told; asleep gathers who must be woken. */
inline publish_one(wakes, asleep) {
  s = 0;
  do
  :: (wakes & bit(s)) == 0 -> s++
  :: else -> break
  od;
  wakes = wakes & ~bit(s);
  if
  :: word[s] == ASLEEP -> asleep = asleep | bit(s)
#ifndef TOLD_IS_AWAKE
  :: word[s] == TOLD -> asleep = asleep | bit(s)
#endif
  :: else
  fi;
#ifndef PUBLISH_OVER_DESERTED
  if
  :: word[s] == DESERTED
  :: else -> word[s] = TOLD
  fi
#else
  word[s] = TOLD
#endif
}

/* One of wait_wake(). */
inline wake_one(asleep) {
  s = 0;
  do
  :: (asleep & bit(s)) == 0 -> s++
  :: else -> break
  od;
  asleep = asleep & ~bit(s);
  blocked[s] = false
}

/* ---- enter.c ---- */

/* The signal_ready() of enter.c and the last lines of slot.c's pass_on(). */
inline signal_ready(wakes) {
  if
  :: ready && !paused -> wait_signal(wakes)
  :: else
  fi
}

/* lifecycle_enter_ready() */
inline enter_ready(key, wakes, serves_itself) {
  place[key] = READY;
  pending[key] = 0;
  if
  :: paused
  :: !paused && serves_itself -> serves_itself = false
  :: else -> wait_signal(wakes)
  fi
}

inline roll_back() {
#ifndef NO_UNDO
  if
  :: undo > 0 ->
     place[undo - 1] = undo_place;
     owner[undo - 1] = undo_owner
  :: else
  fi;
#endif
  undo = 0;
  undo_place = 0;
  undo_owner = 0
}

/*
 * A process may be killed here, between two steps that others can see or that its death would divide.  Inside the lock these
 * are the ends of transactions: one that is half done is rolled back.
 */
#if KILLS
#define MAY_DIE \
  if            \
  :: true       \
  :: kills > 0 -> kills--; goto dying \
  fi
#else
#define MAY_DIE skip
#endif

/* queue_enter_for(), the lock being free: a death inside it is repaired first, and passed on. */
inline queue_enter(me, getting) {
  d_step {
    lock = me;
    if
    :: owner_died -> roll_back(); repaired = true
    :: else
    fi;
    owner_died = false
  };
  MAY_DIE;
  if
  :: repaired ->
     d_step { repaired = false; signal_ready(wakes) };
     MAY_DIE
  :: else
  fi;
#if DELAYS
  serves = getting;
  do
  :: due ->
     d_step { /* promote_first(), as a transaction of its own */
       k = next_due - 1;
       if
       :: place[k] == DELAYED -> enter_ready(k, wakes, serves)
       :: else -> pending[k] = NOW
       fi;
       k = 0
     };
     MAY_DIE
  :: else -> break
  od;
  serves = false
#endif
}

/* queue_leave(): the stores to the words and each system call are steps of their own. */
#define QUEUE_LEAVE(next) \
  atomic { \
    do \
    :: wakes != 0 -> d_step { publish_one(wakes, asleep) }; MAY_DIE \
    :: else -> break \
    od; \
    lock = NOBODY; \
    if \
    :: asleep == 0 -> goto next \
    :: else \
    fi \
  }; \
  do \
  :: atomic { \
       MAY_DIE; \
       d_step { wake_one(asleep) }; \
       if \
       :: asleep == 0 -> goto next \
       :: else \
       fi \
     } \
  od

/* queue_leave_line(), in a transaction. */
inline leave_line(me, wakes) {
  if
  :: waits[me] && leads(me) ->
     wait_leave(me);
#ifndef NO_LEAD_ON
     wait_lead(me, wakes, next_due)
#endif
  :: waits[me] && !leads(me) -> wait_leave(me)
  :: else
  fi
}

/* ---- slot.c ---- */

#ifdef REAP_LIVING
#define is_dead(slot) (dead[slot] || in_hand[0] == slot)
#else
#define is_dead(slot) dead[slot]
#endif

/* slot_reap(): v goes over the slots; each key goes back as a transaction, and so does the slot. */
inline reap(me) {
  v = 0;
  do
  :: v < SLOTS && v != me && attached[v] && is_dead(v) ->
     do
     :: owner[0] == v -> d_step { put_back(me, 0) }; MAY_DIE
     :: owner[1] == v -> d_step { put_back(me, 1) }; MAY_DIE
     :: else -> break
     od;
     skip;
     d_step { /* vacate() */
#ifndef NO_LINE_REPAIR
       if
       :: v < WORKERS -> wait_leave(v)
       :: else
       fi;
#endif
       attached[v] = false;
       found = true
     };
     MAY_DIE
  :: v < SLOTS && !(v != me && attached[v] && is_dead(v)) -> v++
  :: v >= SLOTS -> break
  od;
  v = 0;
  if
  :: found ->
     d_step { /* pass_on() */
       found = false;
#ifndef NO_ROUSE
       wait_rouse(me, wakes);
#else
       wait_lead(me, wakes, next_due);
#endif
       signal_ready(wakes)
     };
     MAY_DIE
  :: else
  fi
}

/* lifecycle_crash(): the limiter delays it where there are delays. */
inline put_back(me, key) {
  owner[key] = NOBODY;
  if
  :: DELAYS && pending[key] != NOW ->
     place[key] = DELAYED;
     pending[key] = 0;
     wait_lead(me, wakes, key + 1)
  :: else -> enter_ready(key, wakes, serves)
  fi
}

/* ---- What happens to a process ---- */

/* The kernel ends it: the robust mutexes say so, what it knew is gone. */
inline die(me) {
  dead[me] = true;
  if
  :: lock == me -> lock = NOBODY; owner_died = true
  :: else
  fi;
  if
  :: me < WORKERS -> blocked[me] = false; sleeps_to[me] = 0
  :: else
  fi;
  if
  :: in_hand[0] == me -> in_hand[0] = NOBODY
  :: else
  fi;
  if
  :: in_hand[1] == me -> in_hand[1] = NOBODY
  :: else
  fi
}

/* A tick may come at any moment.  For liveness, nothing else being quick enough is left to happen when it comes. */
#ifdef LIVE
#define tick_comes(w) (quiet && (sleeps_to[w] == TICK || sleeps_to[w] == FAR))
#else
#define tick_comes(w) (sleeps_to[w] == TICK || sleeps_to[w] == FAR)
#endif

#define INTERRUPTED 1
#define TIMED_OUT   2

/* ---- A worker: get, work, done, for ever: get_some() and workq_done() ---- */

proctype Worker(byte me) {
  byte wakes, asleep, v, mine, woken_by;
  bool repaired, found, serves, waited;

get:
  atomic {
    if
    :: lock == NOBODY
    :: waited && lock != NOBODY && timeouts > 0 -> timeouts--; goto desert
#if KILLS
    :: kills > 0 -> kills--; goto dying
#endif
    fi;
    queue_enter(me, true);
    if
    :: woken_by == INTERRUPTED -> goto stop_waiting
    :: else
    fi;
    /* reap_for_get(): if the last look is old enough. */
    if
    :: waited || (place[0] == HELD && owner[0] != me) || (place[1] == HELD && owner[1] != me) ->
       serves = !ready;
#ifndef NO_REAP
       reap(me);
#endif
       serves = false
#ifndef LIVE
    :: true
#else
    :: else
#endif
    fi;
    waited = false;
    if
    :: ready && !paused -> goto take
    :: else
    fi;

    d_step { /* queue_sleep() */
      wait_prune(me);
      if
      :: waiting > 0 && !leads(me) -> sleeps_to[me] = FAR
      :: else -> sleeps_to[me] = next_due
      fi;
      wait_enter(me, sleeps_to[me]);
#ifdef NO_TICK
      if
      :: sleeps_to[me] >= TICK -> sleeps_to[me] = FOREVER
      :: else
      fi
#endif
    };
    MAY_DIE;
#ifndef ARM_LATE
    word[me] = SPINNING /* wait_arm() */
#endif
  };
  QUEUE_LEAVE(spin);

  /* wait_sleep(): spins until told, or for a while; */
spin:
#ifdef ARM_LATE
  word[me] = SPINNING;
#endif
  atomic {
    MAY_DIE;
    if
    :: word[me] == SPINNING -> word[me] = ASLEEP
    :: word[me] == TOLD -> goto woken
    fi
  };
futex_wait:
  /* then sleeps, if nobody has told it meanwhile. */
  atomic {
    MAY_DIE;
    if
#ifndef SLEEP_UNCHECKED
    :: word[me] != ASLEEP -> goto woken
#endif
    :: else -> blocked[me] = true
    fi
  };
end_asleep:
  atomic {
    if
    :: !blocked[me] && word[me] == ASLEEP -> goto futex_wait
    :: !blocked[me] && word[me] != ASLEEP
    :: blocked[me] && (sleeps_to[me] <= arrived || tick_comes(me))
    :: blocked[me] && eintrs > 0 -> eintrs--; woken_by = INTERRUPTED
#if KILLS
    :: blocked[me] && kills > 0 -> kills--; goto dying
#endif
    fi;
woken:
    blocked[me] = false;
    sleeps_to[me] = 0;
    waited = true;
    goto get
  };

stop_waiting:
  /* queue_stop_waiting() with -EINTR */
  atomic {
    skip;
    d_step {
      leave_line(me, wakes);
#ifndef NO_PASS_ON
      signal_ready(wakes);
#endif
      woken_by = 0
    };
    MAY_DIE
  };
  QUEUE_LEAVE(another_or_none);

desert:
  /* get_some() after lock_acquire() said -ETIMEDOUT; the caller may well do something else from now on. */
  atomic {
    woken_by = 0;
#ifndef NO_DESERT
    word[me] = DESERTED
#endif
  };
another_or_none:
  atomic {
    waited = false;
    if
    :: goto get
    :: ended[me] = true; goto out
    fi
  };

take:
  atomic {
    skip;
    d_step { /* take_ready(), in two halves */
      if
      :: place[0] == READY -> mine = 0
      :: else -> mine = 1
      fi;
      undo = mine + 1;
      undo_place = READY;
      undo_owner = NOBODY;
      place[mine] = NOWHERE
    };
    MAY_DIE;
    d_step {
      place[mine] = HELD;
      pending[mine] = 0;
      owner[mine] = me;
      leave_line(me, wakes);
      undo = 0;
      undo_place = 0;
      undo_owner = 0
    };
    MAY_DIE
  };
  QUEUE_LEAVE(working);
working:
  atomic {
    MAY_DIE;
    assert(in_hand[mine] == NOBODY); /* TWO HANDS */
    in_hand[mine] = me
  };
  atomic {
    if
    :: lock == NOBODY
#if KILLS
    :: kills > 0 -> kills--; goto dying
#endif
    fi;
    in_hand[mine] = NOBODY;
    queue_enter(me, false);
    d_step { /* workq_done(), in two halves */
      undo = mine + 1;
      undo_place = HELD;
      undo_owner = me;
      place[mine] = NOWHERE;
      owner[mine] = NOBODY
    };
    MAY_DIE;
    d_step {
      if
#ifndef DONE_FORGETS_DIRTY
      :: pending[mine] == NOW -> enter_ready(mine, wakes, serves)
#endif
      :: pending[mine] == AT -> place[mine] = DELAYED; pending[mine] = 0
      :: else ->
         owed[mine] = (pending[mine] == NOW);
         pending[mine] = 0;
         place[mine] = NONE
      fi;
      undo = 0;
      undo_place = 0;
      undo_owner = 0;
      mine = 0
    };
    MAY_DIE
  };
  QUEUE_LEAVE(get);

dying:
  atomic { skip; d_step { die(me) } };
out:
  atomic {
    wakes = 0; asleep = 0; v = 0; mine = 0; woken_by = 0;
    repaired = false; found = false; serves = false; waited = false
  }
}

/* ---- The producer ---- */

/* lifecycle_mark() with DUE_NOW */
inline mark_now(key, wakes) {
  owed[key] = true;
  if
  :: place[key] == NONE || place[key] == DELAYED -> enter_ready(key, wakes, serves)
  :: place[key] == HELD -> pending[key] = NOW
  :: else
  fi
}

/* lifecycle_mark() with the key's time */
inline mark_at(key, wakes) {
  owed[key] = true;
  if
  :: place[key] == NONE ->
     place[key] = DELAYED;
#ifndef NO_LEAD
     wait_lead(P, wakes, key + 1)
#endif
  :: place[key] == HELD && pending[key] == 0 ->
     pending[key] = AT;
#ifndef NO_LEAD
     wait_lead(P, wakes, key + 1)
#endif
  :: else
  fi
}

proctype Producer() {
  byte wakes, asleep, ops = OPS, todo;
  bool repaired, serves;

next:
  atomic {
    if
    :: ops > 0 && lock == NOBODY -> ops--
    :: ops == 0 -> ended[P] = true; goto out
#if KILLS
    :: kills > 0 -> kills--; goto dying
#endif
    fi;
    queue_enter(P, false);
    if
    :: d_step { mark_now(0, wakes) }
    :: d_step { mark_now(1, wakes) }
#if DELAYS
    :: d_step { mark_at(0, wakes) }
    :: d_step { mark_at(1, wakes) }
#endif
#if PAUSES
    :: paused = true
    :: paused -> /* workq_unpause() */
       d_step { todo = (place[0] == READY) + (place[1] == READY); paused = false };
       MAY_DIE;
#ifndef NO_UNPAUSE_SIGNAL
       do
       :: todo > 0 -> d_step { todo--; wait_signal(wakes) }; MAY_DIE
       :: else -> break
       od;
#endif
       todo = 0
#endif
    fi;
    MAY_DIE
  };
  QUEUE_LEAVE(next);

dying:
  atomic { skip; d_step { die(P) } };
out:
  atomic { wakes = 0; asleep = 0; ops = 0; todo = 0; repaired = false; serves = false }
}

/* ---- Time, and who looks on ---- */

#if DELAYS
proctype Clock() {
end:
  do
  :: d_step { arrived < 2 && (at(0) || at(1)) -> arrived++ }
  :: d_step { arrived > 0 && !at(0) && !at(1) -> arrived = 0 }
  od
}
#endif

#ifdef LIVE
ltl all_done { <>[] ((place[0] == NONE && place[1] == NONE) || paused || !someone_works) }
#else
/* The variables only lend their names to the messages. */
hidden byte stuck, late, is_unled, has_ghost, lost;

active proctype Monitor() {
end:
  if
  :: d_step { STUCK -> stuck = 1; assert(!stuck) }
  :: d_step { LATE -> late = 1; assert(!late) }
  :: d_step { UNLED -> is_unled = 1; assert(!is_unled) }
  :: d_step { GHOST -> has_ghost = 1; assert(!has_ghost) }
  :: d_step { LOST -> lost = 1; assert(!lost) }
  fi
}
#endif

init {
  atomic {
    run Worker(0);
    run Worker(1);
#if WORKERS > 2
    run Worker(2);
#endif
    run Producer();
#if DELAYS
    run Clock();
#endif
  }
}
