/*
 * read.h: reading what others may be changing.
 *
 * A handle that is only for reading (WORKQ_RAW) never takes the lock.  What it reads may be torn, which is what its user
 * asked for; but a compiler that does not know of this may load a field twice, check the one value and use the other.  So
 * what is read on a path that such a handle may take is copied to private memory first, each word by one load that the
 * compiler cannot repeat; and only the copy is looked at.  Under the lock the same costs next to nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_READ_H
#define WORKQ_SHM_READ_H

#include "handle.h"

typedef uint64_t __attribute__((may_alias)) read_word;

/* Copies so many bytes, a multiple of 8, from a place that is aligned to 8. */
static inline void read_lines(void *to, const void *from, size_t size) {
  const read_word *words = from;
  for (size_t i = 0; i < size / sizeof(read_word); i++) {
    uint64_t word = __atomic_load_n(&words[i], __ATOMIC_RELAXED);
    memcpy((unsigned char *)to + i * sizeof word, &word, sizeof word);
  }
}

/* Copies one line. */
static inline void read_line(void *to, const void *from) {
  read_lines(to, from, LINE_SIZE);
}

static inline uint32_t read_u32(const uint32_t *from) {
  return __atomic_load_n(from, __ATOMIC_RELAXED);
}

/* Copies the bytes of a key. */
static inline void read_key(unsigned char *to, const unsigned char *from, size_t len) {
  size_t whole = len - len % sizeof(read_word);
  read_lines(to, from, whole);
  for (size_t i = whole; i < len; i++) to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* Copies the item of that index, but for its key.  Returns where it lies; null, and no copy, where it has no memory. */
static inline struct item *read_item(const workq *q, uint32_t index, struct item *copy) {
  struct item *item = item_at(q, index);
  if (item) read_line(copy, item);
  return item;
}

/* Copies whose a slot is, and nothing else of it. */
static inline void read_who(struct slot *copy, const struct slot *slot) {
  read_line(&copy->who, &slot->who);
}

/* Copies the lines of a slot that are changed under the lock: who, own, and wait with rare. */
static inline void read_slot(struct slot *copy, const struct slot *slot) {
  const size_t first = offsetof(struct slot, who), end = offsetof(struct slot, futex);
  read_lines((unsigned char *)copy + first, (const unsigned char *)slot + first, end - first);
}

_Static_assert(offsetof(struct slot, who) % LINE_SIZE == 0, "read_slot() copies lines");
_Static_assert(sizeof(struct band) % sizeof(read_word) == 0, "read_lines() copies words");
_Static_assert(sizeof(struct heap_entry) % sizeof(read_word) == 0, "read_lines() copies words");

#endif
