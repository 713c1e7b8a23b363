/*
 * lock.pml: the queue lock: a robust mutex as glibc and the kernel really give it, and the
 * abandonment of one that no thread holds: src/shm/lock.c, whose numbered and lettered steps have
 * the same names here.  docs/model/README.md says what is left out.
 *
 * What is checked, at every reachable state:
 *
 *   TWO INSIDE  Two are past step 5 (or c: rolling back touches the data, too), counted until their
 *               last store can be seen.
 *   UNREPAIRED  A process is inside, and what a dead one left half done is not rolled back.
 *   WASTED      The lock was abandoned more often than holders died so that the kernel could not
 *               say so, or were stopped.  (With -DTIMED only: that a running holder notes itself
 *               within the hundred probes is a matter of time.)
 *
 * With -DLIVE, with weak fairness: no process tries for ever unless others get in.  (It implies
 * TIMED.)
 *
 * A process can be preempted, or stopped and continued, between any two steps: that is what
 * interleaving means.  With STOPS it can also be stopped for good: between 1 and 2, when it has the
 * mutex and no other can know; and while it attaches.
 *
 * Whether the owner of a slot is alive is shown by the identity that it notes there
 * (src/shm/owner.c), and only with -DUNREADABLE by the lock on its byte of the file.  For the byte
 * may stay locked after a death, by a forked child (CHILDREN), and may be lost by a living owner,
 * by a stray close (STRAYS).
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
#define KILLS 0 /* deaths; a new owner takes the slot, or none */
#endif
#ifndef REAPED
#define REAPED 0 /* how many of them may leave their mutexes held by no thread */
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef CHILDREN
#define CHILDREN 0 /* how many of the dead leave a child that keeps their byte locked for ever */
#endif
#ifndef STRAYS
#define STRAYS 0 /* living owners that lose their byte, because their program closes a descriptor that is not its own */
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
/* The bytes matter only to a process that reads them. */
#if CHILDREN || STRAYS || defined(UNREADABLE)
#define BYTES 1
#else
#define BYTES 0
#endif

/* So many that none is initialized again that was in use in this run; the first epoch is such that
 * spares are initialized again from the first repair on. */
#ifndef MUTEXES
#define MUTEXES (2 * (LOSSES + 1))
#endif
#define FIRST   MUTEXES
#define NOBODY  PROCS
#define CORPSE  (PROCS + 1) /* a thread that has ended, and whose mutexes the kernel could not find */
#define LEAVING (PROCS + 2) /* a thread that is ending: the kernel will find its mutexes */
#define mutex_of(epoch) ((epoch) % MUTEXES)

/* ---- The segment ---- */

byte epoch = FIRST, settled = FIRST;
byte holder[MUTEXES]; /* slot + 1 */

/*
 * What a slot notes of its owner.  A dead one's note stays until the next owner writes over it,
 * which takes several stores: what is half written may read as the one or the other.
 */
#define OF_THE_DEAD 0
#define MIXED_ALIVE 1
#define MIXED_DEAD  2
#define OF_OWNER    3

byte note[PROCS];

/* A mutex's word: its owner, whether a waiter sleeps on it, whether its owner died. */
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
bool wake_pending[MUTEXES];      /* a thread died inside its unlock, before the wake-up */

/* The locks on the file's bytes: each belongs to one generation of a slot. */
bool own_byte[PROCS]; /* the owner's is locked */
bool old_byte[PROCS]; /* that of the owner before is still locked: */
bool closing[PROCS];  /* until the kernel closes the dead one's files; else for ever, by a child */

/* ---- The world, for the checks ---- */

byte kills = KILLS, reaped = REAPED, stops = STOPS, give_ups = GIVE_UPS, children = CHILDREN, strays = STRAYS;
bool halted[PROCS];
bool in[PROCS]; /* which are inside, */
byte inside;    /* and how many */
byte losses;
byte half_done; /* slot + 1 of whose transaction is in the segment, uncommitted */
hidden byte i;

/* ---- Stores become visible ---- */

/* The stores of a process from before it left can be seen: only now is it out. */
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

/* FUTEX_WAKE of one waiter.  Which one does not matter: they differ only in their number. */
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

/* The compare-and-swap that takes it.  One that has slept leaves the mark that others may sleep,
 * too. */
inline take(me, mutex) {
  owner[mutex] = me;
  waiters[mutex] = waiters[mutex] || slept;
  owner_died = died[mutex];
  died[mutex] = false;
  slept = false
}

/* A thread ends: its mutexes will be found, or not.  Another thread of the same slot may come
 * before that. */
inline leave_mutexes(me, how) {
  i = 0;
  do
  :: i < MUTEXES && owner[i] == me -> owner[i] = how; i++
  :: i < MUTEXES && owner[i] != me -> i++
  :: i >= MUTEXES -> break
  od;
  i = 0
}

/* ---- The kernel, after a thread's end ---- */

/* Its walk over the thread's list comes to this mutex. */
inline walk(mutex) {
  owner[mutex] = NOBODY;
  died[mutex] = true;
  if
  :: waiters[mutex] -> futex_wake(mutex)
  :: else
  fi
}

/* And to the one that it was about to unlock, or had unlocked just now. */
inline wake_for_unlock(mutex) {
  wake_pending[mutex] = false;
  if
  :: can_be_had(mutex) && !died[mutex] && !waiters[mutex] -> futex_wake(mutex)
  :: else
  fi
}

#if KILLS
#define KERNEL_AT(n) \
  :: d_step { n < MUTEXES && owner[n % MUTEXES] == LEAVING -> walk(n % MUTEXES) } \
  :: d_step { n < MUTEXES && wake_pending[n % MUTEXES] -> wake_for_unlock(n % MUTEXES) }
#define FILES_OF(p) :: d_step { closing[p] -> closing[p] = false; old_byte[p] = false }

active proctype Kernel() {
end:
  do
  KERNEL_AT(0)
  KERNEL_AT(1)
  KERNEL_AT(2)
  KERNEL_AT(3)
  KERNEL_AT(4)
  KERNEL_AT(5)
  KERNEL_AT(6)
  KERNEL_AT(7)
#if BYTES
  FILES_OF(0)
  FILES_OF(1)
#if PROCS > 2
  FILES_OF(2)
#endif
#endif
  od
}
#endif

#if STRAYS
#define STRAY_CLOSE(p) :: d_step { strays > 0 && own_byte[p] -> strays--; own_byte[p] = false }

active proctype Strays() {
end:
  do
  STRAY_CLOSE(0)
  STRAY_CLOSE(1)
#if PROCS > 2
  STRAY_CLOSE(2)
#endif
  od
}
#endif

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

#if STOPS
#define MAY_STOP \
  if \
  :: true \
  :: stops > 0 -> stops--; halted[me] = true; goto end_stopped \
  fi
#else
#define MAY_STOP skip
#endif

/* owner_is_dead(), or rather its opposite. */
#define says_identity(p) (note[p] == OF_OWNER || note[p] == MIXED_ALIVE)
#define says_byte(p)     (note[p] == OF_OWNER -> own_byte[p] : old_byte[p])
#if defined(UNREADABLE) || defined(BYTE_ONLY)
#define owner_is_alive(p) says_byte(p)
#elif defined(BYTE_DECIDES)
#define owner_is_alive(p) (says_identity(p) && says_byte(p))
#else
#define owner_is_alive(p) says_identity(p)
#endif

/* holder_is_alive() */
#ifdef ABANDON_LIVING
#define is_alive_at_a(h) false
#else
#define is_alive_at_a(h) is_alive(h)
#endif
#define is_alive(h) ((h) != 0 && (h) != me + 1 && owner_is_alive((h) - 1))

/* Has the owner been silent for a hundred probes?  A running one has not. */
#if defined(TIMED) && defined(NO_TRYLOCK)
#define silent(mutex) can_be_had(mutex)
#elif defined(TIMED)
#define silent(mutex) (owner[mutex] >= CORPSE || (owner[mutex] < PROCS && halted[owner[mutex]]))
#else
#define silent(mutex) true
#endif

/* owner_describe(): several stores.  The generation, which says whose byte counts, is the last. */
inline describe(me) {
  atomic { MAY_DIE; MAY_STOP; note[me] = MIXED_ALIVE };
  atomic { MAY_DIE; MAY_STOP; note[me] = MIXED_DEAD };
  atomic { MAY_DIE; MAY_STOP; note[me] = OF_OWNER }
}

proctype Process(byte me) {
  byte e, m, h, j, rounds = ROUNDS;
  bool owner_died, slept, lost, unlocking, wake;

attach:
  /* slot_attach(): the byte, then lock_forget_predecessor(), then owner_describe() */
#if BYTES
  own_byte[me] = true;
#endif
#ifdef DESCRIBE_FIRST
  describe(me);
#endif
  atomic {
    MAY_DIE;
    MAY_STOP;
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
#if !defined(DESCRIBE_FIRST) && !defined(DESCRIBE_LATE)
  describe(me);
#endif

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
#ifdef DESCRIBE_LATE
    /* With its number at the mutex in mind, not before it has the lock. */
    buffer[me] = OWN;
    buffer_of[me] = m
  };
  describe(me);
  atomic {
    MAY_DIE;
#endif
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
  /*
   * The thread runs no more, which its identity tells at once; what it has stored will be seen.
   * The kernel walks its list and closes its files when it comes to that, or never.
   */
  atomic {
    if
    :: d_step {
         leave_mutexes(me, LEAVING);
         if
         :: unlocking -> wake_pending[m] = true
         :: else
         fi
       }
    :: d_step { reaped > 0 -> reaped--; leave_mutexes(me, CORPSE) }
    fi;
#if BYTES
    if
    :: d_step { closing[me] = own_byte[me]; old_byte[me] = own_byte[me] }
    :: d_step { children > 0 && own_byte[me] -> children--; closing[me] = false; old_byte[me] = true }
    fi;
    own_byte[me] = false;
#endif
    d_step {
      note[me] = OF_THE_DEAD;
      drain(me);
      out_is_seen(me);
      sleeps_on[me] = MUTEXES;
      e = 0; m = 0; h = 0; j = 0;
      owner_died = false; slept = false; lost = false; unlocking = false; wake = false
    }
  };
  if
  :: goto attach
  :: goto out
  fi;
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
