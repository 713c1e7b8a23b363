/*
 * wait.pml: workers that sleep for keys, and what wakes them: src/shm/: operation.c, wait.c, slot.c
 * (reaping), and of get.c and state.c what these need.  (Waiting for space: space.pml.)
 * docs/model/README.md says which part stands for which function, and what is left out.
 *
 * What is checked, at every reachable state:
 *
 *   STUCK      A key is ready (or due), the queue is not paused, a running worker sleeps, and
 *              nothing will wake anyone: no waiter has an end to its sleep.
 *   LATE       The same, but for the next tick, though no death is left to be found: a wake-up was
 *              lost that should not have been.  (Let go: a waiter whose waker died, when it had
 *              taken it out of the list already; keys for which a waiter was signalled that could
 *              not get the lock, until its next call; a key for which one was signalled that is
 *              stopped, until another has checked by itself; and keys that become due while the
 *              leader is stopped.)
 *   UNLED      All is quiet, a key is delayed, and the oldest in the list will not wake when it is
 *              due.
 *   KEPT LEAD  A worker has checked by itself, and the leader is still one that is stopped and
 *              late.
 *   GHOST      All is quiet, and a worker is in the list that neither sleeps nor is cancelled nor
 *              is dead and not yet found.
 *   LOST       A key that was added, and not finished since, is nowhere; or in flight with a slot
 *              that no worker has.
 *   TWICE      Two workers process a key.
 *
 * With -DLIVE also, with weak fairness: in the end every key is done, if a worker runs and the
 * queue is not paused.
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
#define TIMEOUTS 0 /* gets that are cancelled, because they cannot get the lock in time */
#endif
#ifndef STOPS
#define STOPS 0 /* workers that are stopped while they sleep or after they were woken, to be continued or not */
#endif
#ifndef ELDERS
#define ELDERS 0 /* is the oldest signalled now and then, instead of the newest? */
#endif
#ifndef EVICTED
#define EVICTED 0 /* has slot 0 had an owner that does not know yet that it has lost it? */
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
byte line[WORKERS]; /* the list of those that wait, newest first */
byte waiting;       /* how many */
bool waits[WORKERS];
byte plan[WORKERS]; /* slot.wait.wake_ns */

/* Key 0 is due at time 1, key 1 at time 2; the reap interval ends after both, a follower's sleep
 * after that. */
#define TICK    3
#define FAR     4
#define FOREVER 5
#define WOKEN_NOW  0 /* the plan of a leader that was signalled to plan again */

/* ---- The segment, not journaled ---- */

#define SIGNALLED     0
#define ASLEEP   1
#define SPINNING 2
#define CANCELLED 3

byte word[WORKERS];
#if EVICTED
byte generation; /* in the word of slot 0 */
#endif
byte undo; /* the journal: key + 1 of a transaction that is half done, */
byte undo_place, undo_owner; /* and what it was before */

/* ---- The kernel ---- */

byte lock = NOBODY;
bool owner_died;
bool blocked[WORKERS];    /* in FUTEX_WAIT */
byte sleeps_to[WORKERS];  /* its time limit */
byte arrived;             /* what time it is */

/* ---- The world, for the checks ---- */

byte kills = KILLS, eintrs = SIGNALS, timeouts = TIMEOUTS, stops = STOPS;
bool dead[SLOTS], ended[SLOTS];
bool gave_up[SLOTS];      /* its last call was cancelled: workq.cancelled */
byte stopped[WORKERS];    /* 0, or */
#define FOR_A_WHILE 1
#define FOR_EVER    2
bool absorbed;            /* a stopped one was signalled for a key, and none has checked by itself
                             since */
bool elder;               /* the next to be signalled is the oldest; under the lock */
bool owed[KEYS];          /* added, not finished since */
byte worked_by[KEYS] = NOBODY; /* which living worker's code works on it */
hidden byte i, s, k, n;
hidden byte kept_lead;

#define ready (place[0] == READY || place[1] == READY)
#define at(key) (place[key] == DELAYED || (place[key] == HELD && pending[key] == AT))
#define next_due (at(0) -> 1 : (at(1) -> 2 : TICK))
#define due (next_due <= arrived)
#define bit(n) (1 << (n))

/* ---- What must never be ---- */

/* A run may take long; for liveness, it ends before a tick comes. */
#ifdef LIVE
#define is_busy(w) false
#else
#define is_busy(w) (worked_by[0] == w || worked_by[1] == w)
#endif
#define rests(w) (dead[w] || ended[w] || stopped[w] || is_busy(w) || (blocked[w] && sleeps_to[w] > arrived))
#define rests_forever(w) (dead[w] || ended[w] || stopped[w] || is_busy(w) || (blocked[w] && sleeps_to[w] == FOREVER))
#define to_be_found(slot) (dead[slot] && attached[slot])
#define runs(w) (!dead[w] && !ended[w] && !stopped[w])
#define work ((ready && !paused) || due)
#if KILLS
#define cheated(w) (blocked[w] && !stopped[w] && waits[w])
#else
#define cheated(w) (blocked[w] && !stopped[w])
#endif
#define oldest line[waiting - 1]
#define is_marked(w) (gave_up[w] && word[w] == CANCELLED)
#define ghost(n) (n < waiting && !(blocked[line[n]] || is_marked(line[n]) || dead[line[n]] || stopped[line[n]]))
#define sleeps_until sleeps_to[oldest]
#define unled (waiting > 0 && next_due < TICK && !stopped[oldest] && \
               ((blocked[oldest] && sleeps_until > next_due && sleeps_until < FOREVER) || \
                (!blocked[oldest] && !dead[oldest] && !gave_up[oldest])))
#define leader_stopped (waiting > 0 && stopped[oldest])
#define homeless(key) (owner[key] != NOBODY && !attached[owner[key]])

#if WORKERS > 2
#define quiet ((dead[P] || ended[P]) && rests(0) && rests(1) && rests(2))
#define quiet_forever (quiet && rests_forever(0) && rests_forever(1) && rests_forever(2))
#define someone_sleeps ((blocked[0] && runs(0)) || (blocked[1] && runs(1)) || (blocked[2] && runs(2)))
#define someone_cheated (cheated(0) || cheated(1) || cheated(2))
#define someone_gave_up (gave_up[0] || gave_up[1] || gave_up[2])
#define corpse (to_be_found(0) || to_be_found(1) || to_be_found(2) || to_be_found(P))
#define someone_works (runs(0) || runs(1) || runs(2))
#define ghosts (ghost(0) || ghost(1) || ghost(2))
#else
#define quiet ((dead[P] || ended[P]) && rests(0) && rests(1))
#define quiet_forever (quiet && rests_forever(0) && rests_forever(1))
#define someone_sleeps ((blocked[0] && runs(0)) || (blocked[1] && runs(1)))
#define someone_cheated (cheated(0) || cheated(1))
#define someone_gave_up (gave_up[0] || gave_up[1])
#define corpse (to_be_found(0) || to_be_found(1) || to_be_found(P))
#define someone_works (runs(0) || runs(1))
#define ghosts (ghost(0) || ghost(1))
#endif

#define STUCK (quiet_forever && work && someone_sleeps)
#define LATE  (quiet && someone_cheated && !corpse && !someone_gave_up && \
               ((ready && !paused && !absorbed) || (due && !leader_stopped)))
#define UNLED (quiet && unled && !corpse)
#define GHOST (quiet && ghosts)
#define LOST  (lock == NOBODY && !owner_died && undo == 0 && \
               ((owed[0] && place[0] == NONE) || (owed[1] && place[1] == NONE) || \
                place[0] == NOWHERE || place[1] == NOWHERE || homeless(0) || homeless(1)))

/* ---- wait.c ---- */

/* In a transaction: takes a place out of the list. */
inline take_out(place_in_line) {
  i = place_in_line;
  waits[line[i]] = false;
  plan[line[i]] = 0;
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

/* replace_leader() */
inline replace_leader(wakes) {
#ifndef NO_REPLACE_LEADER
  if
  :: waiting > 0 -> plan[oldest] = WOKEN_NOW; wakes = wakes | bit(oldest)
  :: else
  fi
#else
  skip
#endif
}

/* wait_signal(): the newest (or oldest) that is not cancelled is signalled after the commit. */
inline wait_signal(wakes) {
  do
  :: waiting == 0 -> break
  :: else ->
     n = (elder -> waiting - 1 : 0);
     elder = false;
     s = line[n];
     if
     :: n == waiting - 1 -> take_out(n); replace_leader(wakes)
     :: else -> take_out(n)
     fi;
     if
     :: word[s] == CANCELLED
     :: else ->
        wakes = wakes | bit(s);
        absorbed = absorbed || stopped[s];
        break
     fi
  od;
  n = 0;
  s = 0
}

/* A waiter is late if it should have woken before that time: then its sleep is over, too, though it
 * may not have noticed.  One that was woken as the leader should have woken at once; how long ago
 * that was may be any time. */
#define is_late(w, time) (plan[w] == WOKEN_NOW || plan[w] < time)

/* wait_prune(): the late are meant, too, if before is not 0: those of before that time, plus
 * one. */
inline wait_prune(me, before) {
  do
  :: waiting > 0 && oldest != me && (word[oldest] == CANCELLED || (before > 0 && is_late(oldest, before - 1))) ->
     if
     :: word[oldest] != CANCELLED && sleeps_to[oldest] < before - 1 -> sleeps_to[oldest] = 0
     :: else
     fi;
     take_out(waiting - 1)
  :: else -> break
  od;
  i = 0
}

#define leads(w) (waiting > 0 && oldest == w)

/* wait_advance_leader() */
inline wait_advance_leader(me, wakes, when) {
  wait_prune(me, 0);
  if
  :: waiting > 0 && plan[oldest] > when ->
     s = oldest;
     plan[s] = when;
     if
     :: s != me -> wakes = wakes | bit(s)
     :: else
     fi
  :: else
  fi
}

/* wait_wake_leader() */
inline wait_wake_leader(me, wakes) {
  wait_prune(me, 0);
  if
  :: waiting > 0 && oldest != me -> wakes = wakes | bit(oldest)
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

/* One round of wait_publish(): the lowest of wakes is signalled; asleep gathers those to be
 * woken. */
inline publish_one(wakes, asleep) {
  s = 0;
  do
  :: (wakes & bit(s)) == 0 -> s++
  :: else -> break
  od;
  wakes = wakes & ~bit(s);
  if
  :: word[s] == ASLEEP -> asleep = asleep | bit(s)
#ifndef SIGNALLED_IS_AWAKE
  :: word[s] == SIGNALLED -> asleep = asleep | bit(s)
#endif
  :: else
  fi;
#ifndef PUBLISH_OVER_CANCELLED
  if
  :: word[s] == CANCELLED
  :: else -> word[s] = SIGNALLED
  fi
#else
  word[s] = SIGNALLED
#endif
}

/* One round of wait_wake(). */
inline wake_one(asleep) {
  s = 0;
  do
  :: (asleep & bit(s)) == 0 -> s++
  :: else -> break
  od;
  asleep = asleep & ~bit(s);
  blocked[s] = false
}

/* ---- operation.c ---- */

/* The signal_next() of operation.c and the last lines of slot.c's signal_after_vacating(). */
inline signal_ready(wakes) {
  if
  :: ready && !paused -> wait_signal(wakes)
  :: else
  fi
}

/* state_enter_ready() */
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
 * A process may be killed here, between two steps that others can see or that its death would
 * divide.  Inside the lock these are the ends of transactions: one that is half done is rolled
 * back.
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

/* Every 16th is the oldest: here any, but not two in one hold of the lock. */
inline choose_elder() {
  if
  :: true
#if ELDERS
  :: elder = true
#endif
  fi
}

/* op_lock(), the lock being free: a death inside it is repaired first, and passed on. */
inline op_begin(me, getting) {
  d_step {
    lock = me;
    if
    :: owner_died -> roll_back(); repaired = true
    :: else
    fi;
    owner_died = false
  };
  MAY_DIE;
  choose_elder();
  if
  :: repaired ->
     d_step { repaired = false; signal_ready(wakes) };
     MAY_DIE
  :: else
  fi;
#if TIMEOUTS
  if
  :: gave_up[me] ->
     d_step { leave_cancelled(me, wakes) };
     MAY_DIE
  :: else
  fi;
#endif
#if DELAYS
#ifdef SERVES_ANYWAY
  serves = getting;
#else
  serves = getting && !ready;
#endif
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

/* op_unlock(): the stores to the words and each system call are steps of their own. */
#define QUEUE_LEAVE(next) \
  atomic { \
    do \
    :: wakes != 0 -> d_step { publish_one(wakes, asleep) }; MAY_DIE \
    :: else -> break \
    od; \
    lock = NOBODY; \
    elder = false; \
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

/* op_leave_cancelled(), as a transaction: what its last call left behind. */
inline leave_cancelled(me, wakes) {
  gave_up[me] = false;
#ifdef NO_SWALLOWED_PASS_ON
  if
  :: waits[me] -> leave_line(me, wakes); signal_ready(wakes)
  :: else
  fi
#else
#if defined(NO_HANDOVER)
  wait_leave(me);
#elif !defined(OWN_LEAD_KEPT)
  leave_line(me, wakes);
#endif
  signal_ready(wakes)
#endif
}

/* op_leave_list(), in a transaction. */
inline leave_line(me, wakes) {
  if
  :: waits[me] && leads(me) ->
     wait_leave(me);
#ifndef NO_LEAD_ON
     wait_advance_leader(me, wakes, next_due)
#endif
  :: waits[me] && !leads(me) -> wait_leave(me)
  :: else
  fi
}

/* ---- state.c ---- */

/* state_add() with DUE_NOW */
inline mark_now(key, wakes) {
  owed[key] = true;
  if
  :: place[key] == NONE || place[key] == DELAYED -> enter_ready(key, wakes, serves)
  :: place[key] == HELD -> pending[key] = NOW
  :: else
  fi
}

/* state_add() with the key's time */
inline mark_at(me, key, wakes) {
  owed[key] = true;
  if
  :: place[key] == NONE ->
     place[key] = DELAYED;
#ifndef NO_LEAD
     wait_advance_leader(me, wakes, key + 1)
#endif
  :: place[key] == HELD && pending[key] == 0 ->
     pending[key] = AT;
#ifndef NO_LEAD
     wait_advance_leader(me, wakes, key + 1)
#endif
  :: else
  fi
}

/* ---- slot.c ---- */

#ifdef REAP_LIVING
#define is_dead(slot) (dead[slot] || worked_by[0] == slot)
#else
#define is_dead(slot) dead[slot]
#endif

/* reap_slot(): v goes over the slots; each key goes back as a transaction, and so does the slot,
 * but perhaps in a later hold. */
inline reap(me) {
  v = 0;
  do
  :: v < SLOTS && v != me && attached[v] && is_dead(v) ->
     do
     :: owner[0] == v -> d_step { put_back(me, 0); found = true }; MAY_DIE
     :: owner[1] == v -> d_step { put_back(me, 1); found = true }; MAY_DIE
     :: else -> break
     od;
     skip;
#ifndef LIVE
     if
     :: true
     :: found -> break /* unfinished */
     fi;
#endif
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
     d_step { /* signal_after_vacating() */
       found = false;
       wait_advance_leader(me, wakes, next_due);
#ifndef NO_LEADER_WAKE
       wait_wake_leader(me, wakes);
#endif
       signal_ready(wakes)
     };
     MAY_DIE
  :: else
  fi
}

/* state_crash(): the limiter delays it where there are delays. */
inline put_back(me, key) {
  owner[key] = NOBODY;
  if
  :: DELAYS && pending[key] != NOW ->
     place[key] = DELAYED;
     pending[key] = 0;
     wait_advance_leader(me, wakes, key + 1)
  :: else -> enter_ready(key, wakes, serves)
  fi
}

/* ---- What happens to a process ---- */

/* The kernel ends it: the robust mutexes say so, what it knew is gone. */
inline die(me) {
  dead[me] = true;
  gave_up[me] = false;
  if
  :: lock == me -> lock = NOBODY; owner_died = true; elder = false
  :: else
  fi;
  if
  :: me < WORKERS -> blocked[me] = false; sleeps_to[me] = 0; stopped[me] = 0
  :: else
  fi;
  if
  :: worked_by[0] == me -> worked_by[0] = NOBODY
  :: else
  fi;
  if
  :: worked_by[1] == me -> worked_by[1] = NOBODY
  :: else
  fi
}

/* A tick may come at any time.  For liveness, nothing else being quick enough is left to happen
 * when it comes. */
#ifdef LIVE
#define tick_comes(w) (quiet && (sleeps_to[w] == TICK || sleeps_to[w] == FAR))
#else
#define tick_comes(w) (sleeps_to[w] == TICK || sleeps_to[w] == FAR)
#endif

#define INTERRUPTED 1
#define TIMED_OUT   2

/* One that was not signalled has checked: if there was a key, it takes it. */
inline has_looked(me) {
  if
  :: woken_by == TIMED_OUT && waits[me] -> absorbed = false
  :: else
  fi
}

/* One that should have woken before that time is late.  A tick may have been due at any time. */
inline choose_late(me) {
#if STOPS && !defined(LIVE)
  if
  :: before = arrived + 1
  :: before = FAR + 1
  :: before = FOREVER + 1
  fi
#elif STOPS
  before = (was_far -> FAR + 1 : arrived + 1)
#else
  before = arrived + 1
#endif
}

#define STOP \
  stops--; \
  absorbed = absorbed || !waits[me]; \
  if \
  :: stopped[me] = FOR_A_WHILE \
  :: stopped[me] = FOR_EVER \
  fi

#if STOPS
#define MAY_STOP \
  if \
  :: true \
  :: stops > 0 -> STOP \
  fi
#else
#define MAY_STOP skip
#endif

/* ---- A worker: get, work, done, for ever: get_waiting() and workq_done() ---- */

proctype Worker(byte me) {
  byte wakes, asleep, v, mine, woken_by, before;
  bool repaired, found, serves, waited, was_far;

#if EVICTED
  if
  :: me == 0 -> atomic { lock == NOBODY -> generation = 1; word[0] = SIGNALLED } /* enter_slot() */
  :: else
  fi;
#endif
get:
  atomic {
    if
    :: lock == NOBODY
    :: waited && lock != NOBODY && timeouts > 0 -> timeouts--; goto cancel
#if KILLS
    :: kills > 0 -> kills--; goto dying
#endif
    fi;
    op_begin(me, true);
    if
    :: woken_by == INTERRUPTED -> goto stop_waiting
    :: else
    fi;
    choose_late(me);
    /* op_take_lead() */
#ifndef NO_TAKE_OVER
    if
    :: woken_by == TIMED_OUT && !leads(me) ->
       d_step { wait_prune(me, before); wait_advance_leader(me, wakes, next_due) };
       MAY_DIE
    :: else
    fi;
#endif
    /* reap_for_get(): if the last pass is old enough. */
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

    d_step { /* op_sleep() */
      has_looked(me);
#ifndef NO_TAKE_OVER
      wait_prune(me, before);
#else
      wait_prune(me, 0);
#endif
      if
      :: waiting > 0 && !leads(me) -> sleeps_to[me] = FAR
      :: else -> sleeps_to[me] = next_due
      fi;
#ifdef TRUSTS_PLACE
      if
      :: woken_by == TIMED_OUT
      :: else -> wait_enter(me, sleeps_to[me])
      fi;
#else
      wait_enter(me, sleeps_to[me]);
#endif
      wait_advance_leader(me, wakes, next_due);
      kept_lead = woken_by == TIMED_OUT && leader_stopped && plan[oldest] < arrived;
      assert(!kept_lead);
#ifdef NO_TICK
      if
      :: sleeps_to[me] >= TICK -> sleeps_to[me] = FOREVER
      :: else
      fi;
#endif
      woken_by = 0;
      before = 0;
      was_far = false
    };
    MAY_DIE;
#ifndef ARM_LATE
    word[me] = SPINNING /* wait_arm() */
#endif
  };
  QUEUE_LEAVE(spin);

  /* wait_sleep(): spins until signalled, or for a while; */
spin:
#ifdef ARM_LATE
  word[me] = SPINNING;
#endif
  atomic {
    MAY_DIE;
    if
    :: word[me] == SPINNING -> word[me] = ASLEEP
    :: word[me] == SIGNALLED -> goto woken
    fi
  };
futex_wait:
  /* then sleeps, if it was not signalled meanwhile. */
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
    :: !stopped[me] && !blocked[me] && word[me] == ASLEEP -> goto futex_wait
    :: !stopped[me] && !blocked[me] && word[me] != ASLEEP
    :: !stopped[me] && blocked[me] && (sleeps_to[me] <= arrived || tick_comes(me)) ->
       was_far = (sleeps_to[me] == FAR);
       woken_by = TIMED_OUT
    :: !stopped[me] && blocked[me] && eintrs > 0 -> eintrs--; woken_by = INTERRUPTED
#if STOPS
    :: !stopped[me] && blocked[me] && stops > 0 -> STOP; goto end_asleep
#endif
#if KILLS
    :: (blocked[me] || stopped[me]) && kills > 0 -> kills--; goto dying
#endif
    fi;
woken:
    blocked[me] = false;
    sleeps_to[me] = 0;
    waited = true;
    MAY_STOP;
    goto end_awake
  };
end_awake:
  atomic {
    if
    :: !stopped[me] -> goto get
#if KILLS
    :: stopped[me] && kills > 0 -> kills--; goto dying
#endif
    fi
  };

stop_waiting:
  /* op_stop_waiting() with -EINTR */
  atomic {
    skip;
    d_step {
      leave_line(me, wakes);
#ifndef NO_PASS_ON
      signal_ready(wakes);
#endif
      woken_by = 0;
      before = 0;
      was_far = false
    };
    MAY_DIE
  };
  QUEUE_LEAVE(another_or_none);

cancel:
  /* op_cancel_waiting(): the caller may well do something else from now on. */
  atomic {
    woken_by = 0;
    was_far = false;
    gave_up[me] = true;
#ifndef NO_CANCEL
    word[me] = CANCELLED;
#endif
#if TIMEOUTS
    if
    :: goto another_or_none
    :: goto elsewhere
#if DELAYS
    :: goto add
#endif
    fi
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

#if TIMEOUTS
elsewhere:
  /* A call that waits for something else, in another list: wait_enter() leaves the one before, if
   * it is still there. */
  atomic {
    if
    :: lock == NOBODY
#if KILLS
    :: kills > 0 -> kills--; goto dying
#endif
    fi;
    waited = false;
    op_begin(me, false);
    d_step { wait_leave(me); word[me] = SIGNALLED };
    MAY_DIE
  };
  QUEUE_LEAVE(away);
away:
  atomic { ended[me] = true; goto out };

#if DELAYS
add:
  /* workq_add_after() */
  atomic {
    if
    :: lock == NOBODY
#if KILLS
    :: kills > 0 -> kills--; goto dying
#endif
    fi;
    waited = false;
    op_begin(me, false);
    if
    :: d_step { mark_at(me, 0, wakes) }
    :: d_step { mark_at(me, 1, wakes) }
    fi;
    MAY_DIE
  };
  QUEUE_LEAVE(another_or_none);
#endif
#endif

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
      has_looked(me);
      absorbed = absorbed && ready;
      leave_line(me, wakes);
      woken_by = 0;
      before = 0;
      was_far = false;
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
    assert(worked_by[mine] == NOBODY); /* TWICE */
    worked_by[mine] = me
  };
  atomic {
    if
    :: lock == NOBODY
#if KILLS
    :: kills > 0 -> kills--; goto dying
#endif
    fi;
    worked_by[mine] = NOBODY;
    op_begin(me, false);
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
    wakes = 0; asleep = 0; v = 0; mine = 0; woken_by = 0; before = 0;
    repaired = false; found = false; serves = false; waited = false; was_far = false
  }
}

/* ---- The producer ---- */

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
    op_begin(P, false);
    if
    :: d_step { mark_now(0, wakes) }
    :: d_step { mark_now(1, wakes) }
#if DELAYS
    :: d_step { mark_at(P, 0, wakes) }
    :: d_step { mark_at(P, 1, wakes) }
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

/* ---- Time, and the observer ---- */

#if DELAYS
proctype Clock() {
end:
  do
  :: d_step { arrived < 2 && (at(0) || at(1)) -> arrived++ }
  :: d_step { arrived > 0 && !at(0) && !at(1) -> arrived = 0 }
  od
}
#endif

#if STOPS
proctype Continuer() {
end:
  do
  :: d_step { stopped[0] == FOR_A_WHILE -> stopped[0] = 0 }
  :: d_step { stopped[1] == FOR_A_WHILE -> stopped[1] = 0 }
#if WORKERS > 2
  :: d_step { stopped[2] == FOR_A_WHILE -> stopped[2] = 0 }
#endif
  od
}
#endif

#if EVICTED
/* A thread that has had slot 0, and has lost it: its call ends in wait_cancel(). */
proctype Evicted() {
  byte seen, seen_generation;
  atomic { seen = word[0]; seen_generation = generation };
#ifdef MARK_WITHOUT_GENERATION
  word[0] = CANCELLED
#elif defined(MARK_CHECKED_BEFORE)
  if
  :: seen_generation == 0 -> word[0] = CANCELLED
  :: else
  fi
#else
  if
  :: atomic { seen_generation == 0 && word[0] == seen && generation == seen_generation -> word[0] = CANCELLED }
  :: else /* the word has changed, so that it is another's */
  fi
#endif
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
#if STOPS
    run Continuer();
#endif
#if EVICTED
    run Evicted();
#endif
  }
}
