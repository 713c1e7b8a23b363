/*
 * lock.pml: the queue lock: a robust mutex as glibc and the kernel really give it, and the abandonment of one that nobody holds:
 * src/lock.c, whose numbered and lettered steps have the same names here.  docs/model/README.md says what is left out.
 *
 * What is checked, at every reachable state:
 *
 *   TWO INSIDE  Two are past step 5 (or c: rolling back touches the data, too), counted until their last store can be seen.
 *   UNREPAIRED  Somebody is inside, and what a dead one had half done is not rolled back.
 *   WASTED      The lock was abandoned more often than holders died so that the kernel could not say so, or were stopped.  (With
 *               -DTIMED only: that a running holder notes itself within the hundred looks is a matter of time.)
 *
 * With -DLIVE, with weak fairness: nobody tries for ever without anybody getting in.  (It implies TIMED.)
 *
 * A process can be preempted, or stopped and continued, between any two steps: that is what interleaving means.  With STOPS it can
 * also be stopped for good between 1 and 2, when it has the mutex and nobody can know.
 *
 * SPDX-License-Identifier: Apache-2.0
 */

/* ---- Size ---- */

#ifndef PROCS
#define PROCS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* times that a process takes the lock */
#endif
#ifndef KILLS
#define KILLS 0 /* deaths; a new tenant takes the slot */
#endif
#ifndef REAPED
#define REAPED 0 /* how many of them may leave their mutexes held by nobody */
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef LOSSES
#define LOSSES 2 /* epochs; a bound of the search */
#endif
#ifndef GIVE_UPS
#define GIVE_UPS 0 /* calls that end at c because their time is over */
#endif
#if defined(LIVE) && !defined(TIMED)
#define TIMED
#endif

/* So many that none is made anew that was in use in this run; the first epoch is such that spares are made anew from the first
 * repair on. */
#ifndef MUTEXES
#define MUTEXES (2 * (LOSSES + 1))
#endif
#define FIRST   MUTEXES
#define NOBODY  PROCS
#define CORPSE  (PROCS + 1) /* a thread that is no more, and could not say so */
#define mutex_of(epoch) ((epoch) % MUTEXES)

/* ---- The segment ---- */

byte epoch = FIRST, settled = FIRST;
byte holder[MUTEXES]; /* slot + 1 */

/* A mutex's word: who has it, whether somebody sleeps on it, whether its owner died. */
byte owner[MUTEXES] = NOBODY;
bool waiters[MUTEXES], died[MUTEXES];

/* ---- The processors: a store to a holder waits in the buffer, in order, until it is drained. ---- */

#define EMPTY    0
#define OWN      1 /* holder = own slot */
#define OWN_ZERO 2 /* that, and then holder = 0 */
#define ZERO     3 /* holder = 0 */

byte buffer[PROCS];
byte buffer_of[PROCS]; /* the mutex */

/* ---- The kernel ---- */

byte sleeps_on[PROCS] = MUTEXES; /* futex */
bool byte_held[PROCS];           /* the lock on the slot's byte of the file */

/* ---- The world, for the checks ---- */

byte kills = KILLS, reaped = REAPED, stops = STOPS, give_ups = GIVE_UPS;
bool halted[PROCS];
bool in[PROCS]; /* who is inside, */
byte inside;    /* and how many */
byte losses;
byte half_done; /* slot + 1 of whose transaction is in the segment, uncommitted */
hidden byte i;

/* ---- Stores become visible ---- */

/* Somebody's stores of before it left can be seen: only now is it out. */
inline out_is_seen(p) {
  if
  :: in[p] -> in[p] = false; inside--
  :: else
  fi
}

inline drain(p) {
  if
  :: buffer[p] == OWN || buffer[p] == OWN_ZERO -> holder[buffer_of[p]] = p + 1
  :: else
  fi;
  if
  :: buffer[p] == OWN_ZERO || buffer[p] == ZERO -> holder[buffer_of[p]] = 0; out_is_seen(p)
  :: else
  fi;
  buffer[p] = EMPTY;
  buffer_of[p] = 0
}

active proctype Processors() {
end:
  do
  :: d_step { buffer[0] != EMPTY -> drain(0) }
  :: d_step { buffer[1] != EMPTY -> drain(1) }
#if PROCS > 2
  :: d_step { buffer[2] != EMPTY -> drain(2) }
#endif
  od
}

/* ---- The mutex, as glibc and the kernel make it ---- */

/* FUTEX_WAKE of one sleeper.  Which one does not matter: they differ in nothing but their number. */
inline futex_wake(mutex) {
  if
  :: sleeps_on[0] == mutex -> sleeps_on[0] = MUTEXES
  :: else ->
     if
     :: sleeps_on[1] == mutex -> sleeps_on[1] = MUTEXES
#if PROCS > 2
     :: sleeps_on[1] != mutex && sleeps_on[2] == mutex -> sleeps_on[2] = MUTEXES
#endif
     :: else
     fi
  fi
}

#define can_be_had(mutex) (owner[mutex] == NOBODY)

/* The compare-and-swap that takes it.  Who has slept leaves the mark that others may sleep, too. */
inline take(me, mutex) {
  owner[mutex] = me;
  waiters[mutex] = waiters[mutex] || slept;
  owner_died = died[mutex];
  died[mutex] = false;
  slept = false
}

/* The walk over a dead thread's list.  pending: it died inside an unlock, before the wake-up. */
inline exit_walk(me, pending) {
  i = 0;
  do
  :: i < MUTEXES && owner[i] == me ->
     owner[i] = NOBODY;
     died[i] = true;
     if
     :: waiters[i] -> futex_wake(i)
     :: else
     fi;
     i++
  :: i < MUTEXES && owner[i] != me ->
     if
     :: pending && i == m && can_be_had(i) && !died[i] && !waiters[i] -> futex_wake(i)
     :: else
     fi;
     i++
  :: i >= MUTEXES -> break
  od;
  i = 0
}

inline no_walk(me) {
  i = 0;
  do
  :: i < MUTEXES && owner[i] == me -> owner[i] = CORPSE; i++
  :: i < MUTEXES && owner[i] != me -> i++
  :: i >= MUTEXES -> break
  od;
  i = 0
}

/* ---- A process ---- */

#if KILLS
#define MAY_DIE \
  if \
  :: true \
  :: kills > 0 -> kills--; goto dying \
  fi
#define OR_DIE :: kills > 0 -> kills--; goto dying
#else
#define MAY_DIE skip
#define OR_DIE
#endif

/* holder_is_alive() */
#ifdef ABANDON_LIVING
#define is_alive_at_a(h) false
#else
#define is_alive_at_a(h) is_alive(h)
#endif
#define is_alive(h) ((h) != 0 && (h) != me + 1 && byte_held[(h) - 1])

/* Has the owner been silent for a hundred looks?  A running one has not. */
#if defined(TIMED) && defined(NO_TRYLOCK)
#define silent(mutex) can_be_had(mutex)
#elif defined(TIMED)
#define silent(mutex) (owner[mutex] == CORPSE || (owner[mutex] < PROCS && halted[owner[mutex]]))
#else
#define silent(mutex) true
#endif

proctype Process(byte me) {
  byte e, m, h, j, rounds = ROUNDS;
  bool owner_died, slept, lost, unlocking, wake;

attach:
  /* slot_attach(): the byte, then lock_forget_predecessor() */
  byte_held[me] = true;
  atomic {
    MAY_DIE;
#ifndef NO_FORGET
    d_step {
      i = 0;
      do
      :: i < MUTEXES && holder[i] == me + 1 -> holder[i] = 0; i++
      :: i < MUTEXES && holder[i] != me + 1 -> i++
      :: i >= MUTEXES -> break
      od;
      i = 0
    }
#endif
  };

step_1:
  atomic {
    if
    :: rounds == 0 -> goto out
    :: else
    fi;
    MAY_DIE;
    e = epoch;
    m = mutex_of(e)
  };
lock:
  /* pthread_mutex_clocklock() */
  atomic {
    MAY_DIE;
    if
    :: can_be_had(m) -> take(me, m); goto step_2
    :: else -> waiters[m] = true; sleeps_on[me] = m; slept = true
    fi
  };
asleep:
  atomic {
    if
    :: sleeps_on[me] == MUTEXES -> goto lock
#ifndef NO_SLICE
    :: sleeps_on[me] != MUTEXES -> sleeps_on[me] = MUTEXES; slept = false
#endif
    OR_DIE
    fi
  };
step_a:
  atomic {
    MAY_DIE;
#ifndef NO_TRYLOCK
    if
    :: can_be_had(m) -> take(me, m); goto step_2
    :: else
    fi
#endif
  };
  atomic { MAY_DIE; h = holder[m] };
  atomic {
    MAY_DIE;
    if
    :: is_alive_at_a(h) || epoch != e -> h = 0; goto step_1
    :: else
    fi
  };
  /* step b */
  atomic {
    MAY_DIE;
    if
#ifndef NO_ABANDON
    :: (h != 0 || silent(m)) && epoch == e && epoch < FIRST + LOSSES ->
       epoch++;
       losses++;
#ifdef TIMED
       assert(losses <= (KILLS - kills) + (STOPS - stops)) /* WASTED */
#endif
#endif
#ifdef LIVE
    :: else
#else
    :: true
#endif
    fi;
    h = 0;
    goto step_1
  };

step_2:
  atomic {
    if
    :: true
#if STOPS
    :: stops > 0 -> stops--; halted[me] = true; goto end_stopped
#endif
    OR_DIE
    fi;
#ifndef NO_NOTE
    buffer[me] = OWN;
    buffer_of[me] = m
#endif
  };
step_3:
  atomic {
    MAY_DIE;
#ifndef NO_REREAD
    if
    :: epoch != e -> goto leave
    :: else
    fi
#endif
  };
step_4:
  atomic {
    MAY_DIE;
#ifndef NO_SETTLED
    lost = (settled != e);
#endif
    if
    :: lost -> j = 0
    :: !lost && owner_died -> goto step_d
    :: else -> goto step_5
    fi
  };
step_c:
  /* heavy_fence() */
#ifndef NO_MEMBARRIER
  do
  :: j < PROCS -> atomic { MAY_DIE; d_step { drain(j); j++ } }
  :: else -> break
  od;
#endif
  j = 0;
#ifndef NO_WAIT_OUT
  do
  :: j < MUTEXES && j != m ->
     atomic { MAY_DIE; h = holder[j] };
     atomic {
       if
       :: is_alive(h) -> skip
       :: is_alive(h) && give_ups > 0 -> give_ups--; h = 0; j = 0; lost = false; goto leave
       :: !is_alive(h) ->
          if
          :: h != 0 && holder[j] == h -> holder[j] = 0
          :: else
          fi;
          j++
       OR_DIE
       fi;
       h = 0
     }
  :: j == m -> j++
  :: j >= MUTEXES -> break
  od;
  j = 0;
#endif
step_d:
  atomic { /* from here on it touches the data */
    MAY_DIE;
    in[me] = true;
    inside++;
    assert(inside == 1) /* TWO INSIDE */
  };
  atomic { MAY_DIE; half_done = 0 };
step_e:
  if
  :: lost ->
     atomic { /* mutex_init() of a spare */
       MAY_DIE;
#ifndef INIT_NEXT
       h = mutex_of(e + MUTEXES / 2);
#else
       h = mutex_of(e + 1);
#endif
       owner[h] = NOBODY;
       waiters[h] = false;
       died[h] = false;
       h = 0
     };
     atomic { MAY_DIE; settled = e }
  :: else
  fi;
  lost = false;
  goto progress_inside;

step_5:
  atomic {
    MAY_DIE;
    in[me] = true;
    inside++;
    assert(inside == 1) /* TWO INSIDE */
  };
progress_inside:
  atomic {
    MAY_DIE;
    assert(half_done == 0); /* UNREPAIRED */
    half_done = me + 1
  };
  atomic { MAY_DIE; half_done = 0; rounds-- };

leave:
  /* lock_release(): the note, */
  atomic {
    MAY_DIE;
    owner_died = false; /* consistent */
    if
    :: buffer[me] == OWN -> buffer[me] = OWN_ZERO
    :: else -> buffer[me] = ZERO; buffer_of[me] = m
    fi
  };
  /* and pthread_mutex_unlock(), whose exchange is a fence. */
  atomic {
    MAY_DIE;
    d_step {
      drain(me);
      if
      :: owner[m] == me -> wake = waiters[m]; owner[m] = NOBODY; waiters[m] = false
      :: else
      fi
    };
    if
    :: wake -> unlocking = true
    :: else -> goto step_1
    fi
  };
  atomic {
    MAY_DIE;
    d_step { wake = false; unlocking = false; futex_wake(m) };
    goto step_1
  };

#if STOPS
end_stopped:
  false;
#endif

#if KILLS
dying:
  /* What it has stored will be seen; the kernel walks its list, or cannot; */
  atomic {
    if
    :: d_step {
         drain(me);
         out_is_seen(me);
         sleeps_on[me] = MUTEXES;
         exit_walk(me, unlocking)
       }
    :: d_step {
         reaped > 0 -> reaped--;
         drain(me);
         out_is_seen(me);
         sleeps_on[me] = MUTEXES;
         no_walk(me)
       }
    fi;
    e = 0; m = 0; h = 0; j = 0;
    owner_died = false; slept = false; lost = false; unlocking = false; wake = false
  };
  /* it closes its files; and somebody else takes the slot. */
  byte_held[me] = false;
  goto attach;
#endif

out:
  atomic { e = 0; m = 0; slept = false }
}

init {
  atomic {
    run Process(0);
    run Process(1);
#if PROCS > 2
    run Process(2);
#endif
  }
}
