/*
 * read.h: reading data that other processes may be changing.
 *
 * A handle that is only for reading (WORKQ_RAW) never takes the lock.  Its reads may be torn, which
 * its user accepted; but the compiler may load a field twice, check one value and use the other.
 * So code on a path that such a handle may take first copies the data to private memory, each word
 * by one load that the compiler cannot repeat, and then uses only the copy.  Under the lock this
 * costs next to nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef WORKQ_SHM_READ_H
#define WORKQ_SHM_READ_H

#include "handle.h"

typedef uint64_t __attribute__((may_alias)) read_word;

/* Copies size bytes, a multiple of 8, from an address that is aligned to 8. */
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

/* Copies the item of that index, without its key.  Returns its address; null, and no copy, if it
 * has no memory. */
static inline struct item *read_item(const workq *q, uint32_t index, struct item *copy) {
  struct item *item = item_at(q, index);
  if (item) read_line(copy, item);
  return item;
}

/* Copies only the owner of a slot. */
static inline void read_attachment(struct slot *copy, const struct slot *slot) {
  read_line(&copy->attachment, &slot->attachment);
}

/* Copies the lines of a slot that change under the lock: attachment, own, and wait with rare. */
static inline void read_slot(struct slot *copy, const struct slot *slot) {
  const size_t first = offsetof(struct slot, attachment), end = offsetof(struct slot, futex);
  read_lines((unsigned char *)copy + first, (const unsigned char *)slot + first, end - first);
}

_Static_assert(offsetof(struct slot, attachment) % LINE_SIZE == 0, "read_slot() copies lines");
_Static_assert(sizeof(struct band) % sizeof(read_word) == 0, "read_lines() copies words");
_Static_assert(sizeof(struct heap_entry) % sizeof(read_word) == 0, "read_lines() copies words");

#endif
