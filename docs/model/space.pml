/*
 * space.pml: adds that wait for space: src/shm/: add.c (add_waiting), and of wait.c, operation.c,
 * state.h and slot.c what they need.  How a waiter sleeps, and is woken without a wake-up being
 * lost, is wait.pml's; here a signal is one step.  docs/model/README.md says what is left out.
 *
 * What is checked, at every reachable state:
 *
 *   LATE       All is quiet, no death is left to be found, there is more space than was granted,
 *              and a waiter sleeps for it.
 *   KEPT       One has checked by itself, and there is space, but it is kept for one that is
 *              stopped and late.
 *   SAME KEY   All is quiet, and a producer waits for space for a key that is in the queue.
 *   GHOST      All is quiet, and one is in a list whose call is over, though it has made another
 *              since.
 *   OVERTAKEN  An add that waits takes space before one that has waited for longer.
 *
 * With -DLIVE, with weak fairness: no producer starves while space comes again and again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

/* ---- Size ---- */

#ifndef PRODUCERS
#define PRODUCERS 3 /* that wait */
#endif
#ifndef CAPACITY
#define CAPACITY 1
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* adds of each */
#endif
#ifndef DONES
#define DONES 2 /* keys that are finished */
#endif
#ifndef PLAIN
#define PLAIN 0 /* adds that do not wait, of one more process */
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef SLOW
#define SLOW 0 /* may one that runs be late? */
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0 /* calls that are cancelled, because they cannot get the lock in time */
#endif
#ifndef SAME
#define SAME 0 /* do two producers add the same key? */
#endif

#define NOBODY PRODUCERS

/* ---- The segment, journaled.  Changed under the lock only: each hold of the lock is one step here. ---- */

#define NOWHERE 0
#define SPACE    1
#define GRANTED 2

byte used = CAPACITY; /* keys in the queue */
typedef list {
  byte slot[PRODUCERS]; /* newest first */
  byte count
}
list lists[3];
#define waiting_for_space  lists[SPACE].count
#define grants lists[GRANTED].count
#define oldest(which) lists[which].slot[lists[which].count - 1]
byte kind[PRODUCERS]; /* slot.wait.kind */
bool attached[PRODUCERS] = true;
bool shared_key; /* the key that two add is in the queue */

#define space (CAPACITY - used)

/* ---- The kernel, and the world ---- */

bool marked[PRODUCERS];  /* the word says CANCELLED */
bool gave_up[PRODUCERS]; /* workq.cancelled */
bool blocked[PRODUCERS];
byte stopped[PRODUCERS]; /* 0, or */
#define FOR_A_WHILE 1
#define FOR_EVER    2
bool late[PRODUCERS];    /* the time has passed at which it meant to wake */
bool dead[PRODUCERS], ended[PRODUCERS];
bool exempt[PRODUCERS];  /* it has lost its place, because it was late: others may have been granted
                            space meanwhile */
bool finished;           /* no more space comes */
bool plain_ended = !PLAIN;
byte kills = KILLS, stops = STOPS, timeouts = TIMEOUTS;
byte since[PRODUCERS], clock; /* when its call first had to wait */
bool hungry; /* producer 0 waits: for liveness */
hidden byte i, s, n, kept, late_now, same_key, has_ghost, overtaken, unsorted;

#define has_shared(p) (SAME && p < 2)

/* ---- What must never be ---- */

#define rests(p) (dead[p] || ended[p] || stopped[p] || blocked[p])
#define corpse(p) (dead[p] && attached[p])
#define waits(p) (blocked[p] && !stopped[p] && kind[p] == SPACE)
#if PRODUCERS > 2
#define quiet (finished && plain_ended && rests(0) && rests(1) && rests(2))
#define corpses (corpse(0) || corpse(1) || corpse(2))
#define someone_waits (waits(0) || waits(1) || waits(2))
#define someone_gave_up (gave_up[0] || gave_up[1] || gave_up[2])
#else
#define quiet (finished && plain_ended && rests(0) && rests(1))
#define corpses (corpse(0) || corpse(1))
#define someone_waits (waits(0) || waits(1))
#define someone_gave_up (gave_up[0] || gave_up[1])
#endif

#define LATE (quiet && !corpses && !someone_gave_up && space > grants && someone_waits)
#define ghost(p) (p < PRODUCERS && ended[p % PRODUCERS] && kind[p % PRODUCERS] != NOWHERE && !gave_up[p % PRODUCERS])
#define GHOST (quiet && (ghost(0) || ghost(1) || ghost(2)))
#define SAME_KEY (SAME && quiet && shared_key && !corpses && !someone_gave_up && stops == STOPS && kills == KILLS && \
                  (waits(0) || waits(1)))

/* ---- wait.c ---- */

inline take_out(which, p) {
  i = 0;
  do
  :: lists[which].slot[i] != p -> i++
  :: else -> break
  od;
  do
  :: i + 1 < lists[which].count -> lists[which].slot[i] = lists[which].slot[i + 1]; i++
  :: else -> break
  od;
  lists[which].count--;
  lists[which].slot[lists[which].count] = 0;
  i = 0
}

inline wait_leave(p) {
  if
  :: kind[p] != NOWHERE -> take_out(kind[p], p)
  :: else
  fi;
  kind[p] = NOWHERE
}

/* again: at the place that it had by its arrival; else as the newest. */
inline enter_list(which, p, again) {
  if
  :: again ->
     i = lists[which].count;
#ifndef BACK_AS_OLDEST
     do
     :: i > 0 && since[lists[which].slot[i - 1]] < since[p] ->
        lists[which].slot[i] = lists[which].slot[i - 1];
        i--
     :: else -> break
     od;
#endif
     lists[which].slot[i] = p
  :: else ->
     i = lists[which].count;
     do
     :: i > 0 -> lists[which].slot[i] = lists[which].slot[i - 1]; i--
     :: else -> break
     od;
     lists[which].slot[0] = p
  fi;
  lists[which].count++;
  kind[p] = which;
  i = 0
}

/* Those that wait, and have not given up, wait in the order in which they came, even if some were
 * out of the list meanwhile. */
inline is_sorted() {
#ifndef LIVE
  i = 0;
  do
  :: i + 1 < waiting_for_space ->
     unsorted = since[lists[SPACE].slot[i]] != 0 && since[lists[SPACE].slot[i]] < since[lists[SPACE].slot[i + 1]];
     assert(!unsorted);
     i++
  :: else -> break
  od;
  i = 0
#else
  skip
#endif
}

/* wait_signal(WAIT_SPACE): the oldest that is not cancelled. */
inline wait_signal_space(wakes) {
  do
  :: waiting_for_space == 0 -> break
  :: else ->
#ifdef NEWEST_FIRST
     s = lists[SPACE].slot[0];
#else
     s = oldest(SPACE);
#endif
     wait_leave(s);
     if
     :: marked[s]
     :: else ->
#ifndef NO_GRANTS
        enter_list(GRANTED, s, false);
        late[s] = false;
#endif
        wakes = wakes | (1 << s);
        break
     fi
  od;
  s = 0
}

/* state_signal_space() */
inline signal_space(wakes) {
  if
  :: space > grants -> wait_signal_space(wakes)
  :: else
  fi
}

/* wait_signal_key(): the oldest that waits to add the shared key; it keeps its place. */
inline signal_key(wakes) {
#ifndef NO_SIGNAL_KEY
  n = waiting_for_space;
  do
  :: n > 0 && has_shared(lists[SPACE].slot[n - 1]) && !marked[lists[SPACE].slot[n - 1]] ->
     wakes = wakes | (1 << lists[SPACE].slot[n - 1]);
     break
  :: n > 0 && !(has_shared(lists[SPACE].slot[n - 1]) && !marked[lists[SPACE].slot[n - 1]]) -> n--
  :: n == 0 -> break
  od;
  n = 0
#else
  skip
#endif
}

/* wait_prune() of a list: the oldest, if they are cancelled or late. */
inline prune(which, me) {
  do
  :: lists[which].count > 0 && oldest(which) != me && (marked[oldest(which)] || late[oldest(which)]) ->
     s = oldest(which);
     exempt[s] = true;
     wait_leave(s)
  :: else -> break
  od;
  s = 0
}

/* pass_over_stopped() */
inline pass_over_stopped(me, wakes) {
#ifndef NO_PASS_OVER
  if
  :: grants > 0 || waiting_for_space > 0 ->
     prune(GRANTED, me);
     prune(SPACE, me);
#ifndef PRUNE_UNSIGNALLED
     signal_space(wakes)
#endif
  :: else
  fi
#else
  skip
#endif
}

/* op_leave_cancelled() */
inline leave_cancelled(me, wakes) {
  if
  :: gave_up[me] ->
     gave_up[me] = false;
     marked[me] = false;
#ifndef NO_LEAVE_CANCELLED
     wait_leave(me);
     signal_space(wakes)
#endif
  :: else
  fi
}

/* slot_reap_if_due() */
inline reap(me, wakes) {
  n = 0;
  do
  :: n < PRODUCERS && n != me && corpse(n) ->
     wait_leave(n);
     attached[n] = false;
     signal_space(wakes);
     n++
  :: n < PRODUCERS && !(n != me && corpse(n)) -> n++
  :: else -> break
  od;
  n = 0
}

/* ---- A producer: workq_add_wait(), again and again ---- */

#if KILLS
#define MAY_DIE \
  if \
  :: true \
  :: kills > 0 -> kills--; goto dying \
  fi
#else
#define MAY_DIE skip
#endif

/* After the unlock: the signalled are woken, if nothing kills the waker before. */
inline wake(wakes) {
  d_step {
    i = 0;
    do
    :: i < PRODUCERS && (wakes & (1 << i)) -> blocked[i] = false; i++
    :: i < PRODUCERS && !(wakes & (1 << i)) -> i++
    :: i >= PRODUCERS -> break
    od;
    i = 0;
    wakes = 0
  }
}

/* Does p wait, and for longer, and would it find its space taken?  Of two that are granted space,
 * each may come first. */
#define number(p) ((p) % PRODUCERS)
#define before(p) (since[p] != 0 && (since[me] == 0 || since[p] < since[me]))
#define has_place(p) (!dead[p] && !gave_up[p] && !exempt[p] && \
                      !(kind[p] == GRANTED && (kind[me] == GRANTED || space > others)))
#define older(p) (p < PRODUCERS && p != me && before(number(p)) && has_place(number(p)))

#define is_next (kind[me] == GRANTED || waiting_for_space == 0 || oldest(SPACE) == me)
#define others (grants - (kind[me] == GRANTED))
#ifdef NO_TURNS
#define may_add true
#else
#define may_add ((is_next && (others == 0 || space > others || kind[me] == GRANTED)) || (has_shared(me) && shared_key))
#endif

/* A tick may come at any time; for liveness, never: signals must do. */
#ifdef LIVE
#define tick_comes false
#else
#define tick_comes true
#endif

proctype Producer(byte me) {
  byte wakes, rounds = ROUNDS;
  bool signalled, waited, ticked, over;

call:
  atomic {
    if
    :: rounds == 0 -> ended[me] = true; goto out
    :: else
    fi;
#ifndef LIVE
    rounds--;
#endif
    signalled = false;
    waited = false;
    exempt[me] = false;
    hungry = hungry || me == 0
  };
attempt:
  atomic {
    MAY_DIE;
    if
    :: true
    :: waited && timeouts > 0 ->
       /* op_cancel_waiting() */
       timeouts--;
       gave_up[me] = true;
       since[me] = 0;
       marked[me] = true;
       ticked = false;
       goto cancelled
    fi;
    d_step {
      if
      :: waited && kind[me] != SPACE -> signalled = true
      :: else
      fi;
      leave_cancelled(me, wakes)
    };
#ifndef LIVE
    if
    :: true
    :: d_step { corpses -> reap(me, wakes) }
    fi;
#endif
    d_step { pass_over_stopped(me, wakes) };
    if
    :: may_add && has_shared(me) && shared_key ->
       d_step { /* coalesced; stop_adding() */
#ifndef SIGNALS_ITSELF
         wait_leave(me);
#endif
         signal_key(wakes)
       };
       over = true
    :: may_add && !(has_shared(me) && shared_key) && used < CAPACITY ->
       d_step {
         overtaken = !exempt[me] && (older(0) || older(1) || older(2));
         assert(!overtaken);
         used++;
         if
         :: has_shared(me) ->
            shared_key = true;
            signal_key(wakes);
#ifndef SIGNALS_ITSELF
            wait_leave(me);
            signal_key(wakes)
#endif
         :: else
         fi;
         hungry = hungry && me != 0
       };
       over = true
    :: else
    fi;
    if
    :: over ->
       d_step { /* op_stop_waiting() */
         wait_leave(me);
#ifndef NO_PASS_ON
         signal_space(wakes);
#endif
         since[me] = 0;
         waited = false;
         ticked = false
       }
    :: else ->
       d_step { /* op_sleep() */
#ifndef LIVE
         if
         :: since[me] == 0 -> clock++; since[me] = clock
         :: else
         fi;
#endif
         if
         :: kind[me] == SPACE
         :: else ->
            wait_leave(me);
#ifdef BACK_AS_NEWEST
            enter_list(SPACE, me, false);
#else
            enter_list(SPACE, me, signalled);
#endif
            is_sorted()
         fi;
         kept = ticked && grants > 0 && late[oldest(GRANTED)];
         assert(!kept);
         late[me] = false;
         waited = true;
         ticked = false;
         /* A thread that signals it from now on will find that it does not sleep. */
         blocked[me] = !(wakes & (1 << me));
         wakes = wakes & ~(1 << me)
       }
    fi;
    MAY_DIE;
    if
    :: wakes == 0 -> goto asleep_or_over
    :: else
    fi
  };
  atomic { MAY_DIE; wake(wakes); goto asleep_or_over };
asleep_or_over:
  atomic {
    if
    :: over -> over = false; goto call
    :: else
    fi
  };
end_asleep:
  atomic {
    if
    :: !stopped[me] && !blocked[me]
    :: !stopped[me] && blocked[me] && tick_comes -> ticked = true
#if STOPS
    :: !stopped[me] && stops > 0 ->
       stops--;
       if
       :: stopped[me] = FOR_A_WHILE
       :: stopped[me] = FOR_EVER
       fi;
       goto end_asleep
#endif
#if KILLS
    :: kills > 0 -> kills--; goto dying
#endif
    fi;
    blocked[me] = false;
    goto attempt
  };
cancelled:
  atomic {
    if
    :: goto call
    :: goto other
    :: ended[me] = true; goto out
    fi
  };
other:
  /* Another call, which does not wait. */
  atomic {
    MAY_DIE;
    d_step { leave_cancelled(me, wakes) };
    ended[me] = true
  };
  atomic { wake(wakes); goto out };

#if KILLS
dying:
  atomic {
    dead[me] = true;
    since[me] = 0;
    gave_up[me] = false;
    blocked[me] = false;
    stopped[me] = 0
  };
#endif
out:
  atomic { wakes = 0; rounds = 0; signalled = false; waited = false; ticked = false; over = false }
}

/* ---- What makes space, and takes it without waiting ---- */

proctype Consumer() {
  byte wakes, dones = DONES;

call:
  atomic {
    if
#ifndef LIVE
    :: finished = true; goto out
#endif
    :: dones > 0 && used > 0
    fi;
#ifndef LIVE
    dones--;
#endif
    d_step {
      used--;
      if
      :: used < 1 -> shared_key = false
      :: else
      fi;
#ifndef NO_SIGNAL
      signal_space(wakes)
#endif
    };
    if
    :: wakes == 0 -> goto call
    :: else
    fi
  };
  atomic { wake(wakes); goto call };
out:
  atomic { wakes = 0; dones = 0 }
}

#if PLAIN
proctype Plain() {
  byte wakes, adds = PLAIN;
end:
  do
  :: d_step { adds > 0 && used < CAPACITY -> adds--; used++ }
#if SAME
  :: atomic {
       d_step { adds > 0 && used < CAPACITY && !shared_key -> adds--; used++; shared_key = true; signal_key(wakes) };
       if
       :: wakes != 0
       :: else -> goto end
       fi
     };
     wake(wakes)
#endif
  :: atomic { plain_ended = true; break }
  od
}
#endif

/* ---- Time ---- */

#if STOPS || KILLS || SLOW
#define LATE_AT(p) :: d_step { kind[p] != NOWHERE && !late[p] && (stopped[p] || dead[p] || SLOW) -> late[p] = true }
#define CONTINUE(p) :: d_step { stopped[p] == FOR_A_WHILE -> stopped[p] = 0 }
active proctype Time() {
end:
  do
  LATE_AT(0)
  LATE_AT(1)
  CONTINUE(0)
  CONTINUE(1)
#if PRODUCERS > 2
  LATE_AT(2)
  CONTINUE(2)
#endif
  od
}
#endif

#ifdef LIVE
ltl fed { []<> !hungry }
#else
active proctype Monitor() {
end:
  if
  :: d_step { LATE -> late_now = 1; assert(!late_now) }
  :: d_step { GHOST -> has_ghost = 1; assert(!has_ghost) }
  :: d_step { SAME_KEY -> same_key = 1; assert(!same_key) }
  fi
}
#endif

init {
  atomic {
    run Producer(0);
    run Producer(1);
#if PRODUCERS > 2
    run Producer(2);
#endif
    run Consumer();
#if PLAIN
    run Plain();
#endif
  }
}
