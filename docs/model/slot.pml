/*
 * slot.pml: how a slot is claimed, entered, left and taken from the dead: src/shm/slot.c and
 * src/shm/owner.c, for one slot that all want.  docs/model/README.md says what is left out.
 *
 * What is checked, at every reachable state:
 *
 *   FORGOTTEN    A new handle clears the slot's number at the mutexes while a living owner of the
 *                slot is inside.
 *   OVERWRITTEN  A new handle notes itself over a living owner.
 *   TWO OWNERS   Two hold the slot.
 *   EVICTED      A living owner is taken for dead.
 *   HIDDEN       An owner is dead, and no process can see it.  (Except while a new handle notes
 *                itself.)
 *
 * SPDX-License-Identifier: Apache-2.0
 */

/* ---- Size ---- */

#ifndef PROCS
#define PROCS 3
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* times that a process attaches */
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef CHILDREN
#define CHILDREN 0 /* how many of the dead leave a child that keeps their byte locked for ever */
#endif
#ifndef FAILURES
#define FAILURES 0 /* attaches that fail: no memory, or damage */
#endif

#define NOBODY PROCS
#define GENERATIONS (2 * PROCS * ROUNDS + 2)

/* ---- The segment ---- */

byte generation; /* odd: attached.  Under the queue lock; read without. */
byte note = NOBODY, note_generation; /* slot.owner */

/* ---- The kernel ---- */

bool locked[GENERATIONS]; /* the bytes of the file, one for each generation */
bool claimed;             /* and one for new handles */

/* ---- The world, for the checks ---- */

byte inside = NOBODY; /* the queue lock */
byte owner = NOBODY;  /* which one has entered the slot and has not left it */
byte noting = NOBODY; /* which one is about to note itself */
bool dead[PROCS + 1];
byte kills = KILLS, children = CHILDREN, failures = FAILURES;
hidden byte hidden_death, taken_for_dead;

#define next_generation(g) (((g) + 1) | 1)
#define attached(g) ((g) & 1)

/* owner_is_dead(): by the identity; where that is not known, by the byte.  If the note is of
 * another generation, a new handle has written over the note of an owner that it had found dead. */
#define says_note (note == NOBODY -> !locked[note_generation] : dead[note])
#ifndef NO_GENERATION_CHECK
#define owner_is_dead (note_generation != generation || says_note)
#else
#define owner_is_dead says_note
#endif

#define HIDDEN (attached(generation) && dead[owner] && noting == NOBODY && inside == NOBODY && !owner_is_dead)

#if KILLS
#define MAY_DIE \
  if \
  :: true \
  :: kills > 0 -> kills--; goto dying \
  fi
#else
#define MAY_DIE skip
#endif

inline give_claim_back() {
  if
  :: has_claim -> claimed = false; has_claim = false
  :: else
  fi
}

proctype Process(byte me) {
  byte g, rounds = ROUNDS;
  bool has_byte, has_claim;

again:
  atomic {
    if
    :: rounds == 0 -> goto end_of_all
    :: else -> rounds--
    fi;
    MAY_DIE;
    /* claim() */
    if
    :: !attached(generation) || owner_is_dead
    :: else -> goto again
    fi
  };
#ifndef NO_CLAIM
  atomic {
    MAY_DIE;
    if
    :: claimed -> goto again
    :: else -> claimed = true; has_claim = true
    fi
  };
#endif
  /* lock_next() */
  atomic { MAY_DIE; g = next_generation(generation) };
  atomic {
    MAY_DIE;
    if
    :: !attached(generation) || owner_is_dead
    :: else -> goto unclaim
    fi
  };
  atomic {
    MAY_DIE;
    if
    :: locked[g] -> goto unclaim
    :: else -> locked[g] = true; has_byte = true
    fi
  };
  /* take_slot() */
  atomic {
    MAY_DIE;
    if
    :: true
    :: failures > 0 -> failures--; goto disown /* commit_slot() */
    fi
  };
  atomic {
    MAY_DIE;
    assert(inside == NOBODY || inside != owner) /* FORGOTTEN */
  };
  atomic {
    MAY_DIE;
    assert(owner == NOBODY || dead[owner]); /* OVERWRITTEN */
    note = me;
    noting = me
  };
  atomic { MAY_DIE; note_generation = g; noting = NOBODY };
  atomic {
    MAY_DIE;
    if
    :: inside == NOBODY -> inside = me
    :: failures > 0 -> failures--; goto disown /* lock_acquire() */
    fi
  };
  atomic {
    MAY_DIE;
    /* enter_slot() */
    if
    :: next_generation(generation) != g -> inside = NOBODY; goto disown
    :: else
    fi;
    assert(owner == NOBODY || dead[owner]); /* TWO OWNERS */
    owner = me;
    generation = g;
    inside = NOBODY
  };
  atomic { MAY_DIE; give_claim_back() };
  /* An operation: it checks for dead owners, but is alive itself. */
  atomic { inside == NOBODY -> inside = me };
  atomic {
    MAY_DIE;
    taken_for_dead = owner_is_dead;
    assert(!taken_for_dead) /* EVICTED */
  };
  atomic {
    /* slot_detach(): the slot is free under the lock, the byte after that. */
    MAY_DIE;
    owner = NOBODY;
    generation++;
    inside = NOBODY
  };
  goto unlock;

disown:
  atomic {
    MAY_DIE;
#ifndef DISOWN_ANY
    if
    :: note_generation == g -> note = NOBODY
    :: else
    fi
#else
    note = NOBODY
#endif
  };
unlock:
  atomic {
    MAY_DIE;
    locked[g] = false;
    has_byte = false
  };
unclaim:
  atomic {
    MAY_DIE;
    give_claim_back();
    goto again
  };

#if KILLS
dying:
  atomic {
    dead[me] = true;
    noting = (noting == me -> NOBODY : noting);
    if
    :: (has_byte || has_claim) && children > 0 -> children--; has_claim = false
    :: has_byte -> locked[g] = false
    :: !has_byte
    fi;
    give_claim_back();
    if
    :: inside == me -> inside = NOBODY
    :: else
    fi;
    has_byte = false; g = 0; rounds = 0
  };
#endif
end_of_all:
  skip
}

/* A process with a slot elsewhere reaps: reap_slot() with the kernel asked. */
active proctype Reaper() {
end:
  do
  :: atomic {
       inside == NOBODY && attached(generation) && owner_is_dead ->
       assert(dead[owner]); /* EVICTED */
       owner = NOBODY;
       generation++
     }
  od
}

active proctype Monitor() {
end:
  if
  :: d_step { HIDDEN -> hidden_death = 1; assert(!hidden_death) }
  fi
}

init {
  atomic {
    dead[NOBODY] = false;
    run Process(0);
    run Process(1);
#if PROCS > 2
    run Process(2);
#endif
  }
}
