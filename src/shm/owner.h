/*
 * owner.h: does the thread that owns a slot live?  What the kernel knows about it, besides its
 * robust mutex.
 *
 * A robust mutex is not enough: it stays busy where the kernel could not walk the dead thread's
 * list (its memory was taken before its exit, or another thread called execve).  So an owner also
 * locks a byte of the segment's file, through an open file description that no mapping keeps; and
 * it writes its thread id, its start time and its stack into the slot.
 *
 * The byte alone is not enough either: a forked child keeps the description until it uses or closes
 * its copy of the handle, and the description of a thread that ended without closing its handle
 * stays open as long as its process.  So a byte belongs to one generation of a slot: a description
 * that holds it for too long never blocks the slot's next owner.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_OWNER_H
#define WORKQ_SHM_OWNER_H

#include "segment.h"

/* The generation that the next owner of a slot will have: the next odd number. */
static inline uint32_t owner_next_generation(uint32_t generation) {
  return (generation + 1) | 1;
}

/* Locks the byte for a generation of a slot through this handle's description.  Returns 0; -EBUSY,
 * -EBADFD or another -errno. */
int owner_byte_lock(const workq *q, uint32_t slot, uint32_t generation);
void owner_byte_unlock(const workq *q, uint32_t slot, uint32_t generation);

/* Does another description hold that byte?  Returns 1 or 0; 1 if that cannot be determined. */
int owner_byte_held(const workq *q, uint32_t slot, uint32_t generation);

/* Writes the calling thread's identity into this handle's slot, for which it has locked the byte of
 * q->generation. */
void owner_describe(workq *q);

/*
 * Has the thread ended that the slot names as its owner?  Takes no lock; costs some microseconds.
 *
 * True if there is no such thread, one that is exiting or a zombie, or one that started at another
 * time or executes another program.  False if it certainly is the same.  If neither can be
 * determined (no /proc, or it shows too little of another user's processes), a thread is dead if no
 * description holds its byte.
 */
bool owner_is_dead(const workq *q, uint32_t slot);

#endif
