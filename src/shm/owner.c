/*
 * owner.c: does the thread that owns a slot live?  See owner.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "owner.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- Locks on bytes ---- */

static struct flock byte_of(short type, uint32_t slot, uint32_t generation) {
  off_t byte = (off_t)slot + (off_t)generation * WORKQ_HANDLES_MAX;
  return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
}

int owner_byte_lock(const workq *q, uint32_t slot, uint32_t generation) {
  struct flock lock = byte_of(F_WRLCK, slot, generation);
  if (!segment_fd_is_own(q)) return -EBADFD;
  if (fcntl(q->file.fd, F_OFD_SETLK, &lock) == 0) return 0;
  return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

void owner_byte_unlock(const workq *q, uint32_t slot, uint32_t generation) {
  struct flock lock = byte_of(F_UNLCK, slot, generation);
  /* Otherwise the close of the descriptor has unlocked it. */
  if (segment_fd_is_own(q)) (void)fcntl(q->file.fd, F_OFD_SETLK, &lock);
}

int owner_byte_held(const workq *q, uint32_t slot, uint32_t generation) {
  struct flock lock = byte_of(F_WRLCK, slot, generation);
  if (!segment_fd_is_own(q) || fcntl(q->file.fd, F_OFD_GETLK, &lock) != 0) return 1;
  return lock.l_type != F_UNLCK;
}

/* ---- What /proc says ---- */

/* Reads the beginning of a file as text.  Returns false if that cannot be done. */
static bool read_text(const char *path, char *text, size_t size) {
  int state, fd;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
  ssize_t n = -1;
  if ((fd = open(path, O_RDONLY | O_CLOEXEC)) >= 0) {
    n = read(fd, text, size - 1);
    close(fd);
  }
  pthread_setcancelstate(state, &state);
  text[n > 0 ? n : 0] = '\0';
  return n > 0;
}

struct thread_stat {
  char state;
  bool exiting; /* it executes no more instructions of its program */
  uint64_t start_ticks;
  uint64_t stack; /* 0 if the reader may not see it */
};

/* Fields of proc_pid_stat(5), counted from 1. */
enum { STAT_STATE = 3, STAT_FLAGS = 9, STAT_START = 22, STAT_STACK = 28 };

#define FLAG_EXITING 4u /* the kernel's PF_EXITING */

static bool read_stat(int32_t pid, int32_t tid, struct thread_stat *stat) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
  if (!read_text(path, text, sizeof text)) return false;
  const char *at = strrchr(text, ')'); /* the command before it may contain anything */
  *stat = (struct thread_stat){0};
  for (int field = STAT_STATE; at && field <= STAT_STACK; field++) {
    if (!(at = strchr(at, ' '))) break;
    at++;
    if (field == STAT_STATE) stat->state = *at;
    if (field == STAT_FLAGS) stat->exiting = strtoull(at, NULL, 10) & FLAG_EXITING;
    if (field == STAT_START) stat->start_ticks = strtoull(at, NULL, 10);
    if (field == STAT_STACK) stat->stack = strtoull(at, NULL, 10);
  }
  return stat->start_ticks != 0;
}

/* Without address space randomization another program may have its stack at the same place. */
static bool stacks_differ_by_program(void) {
  char text[8];
  if (personality(0xffffffffu) & ADDR_NO_RANDOMIZE) return false;
  return read_text("/proc/sys/kernel/randomize_va_space", text, sizeof text) && text[0] != '0';
}

void owner_describe(workq *q) {
  struct slot_owner *owner = &q->slot->owner;
  struct thread_stat stat = {0};
  pid_t pid = getpid(), tid = thread_id();
  int saved = errno;
  bool known = read_stat(pid, tid, &stat);
  atomic_store(&owner->pid, pid);
  atomic_store(&owner->tid, tid);
  atomic_store(&owner->start_ticks, known ? stat.start_ticks : 0);
  atomic_store(&owner->stack, known && stacks_differ_by_program() ? stat.stack : 0);
  atomic_store(&owner->inode, (uint64_t)q->file.inode);
  atomic_store(&owner->generation, q->generation);
  errno = saved;
}

/* ---- The verdict ---- */

enum verdict { DEAD, ALIVE, UNKNOWN };

static enum verdict ask_kernel(int32_t pid, int32_t tid, uint64_t start_ticks, uint64_t stack) {
  struct thread_stat stat;
  if (pid <= 0 || tid <= 0) return UNKNOWN; /* damage */
  if (syscall(SYS_tgkill, pid, tid, 0) != 0 && errno == ESRCH) return DEAD;
  if (!read_stat(pid, tid, &stat)) return UNKNOWN;
  if (stat.exiting || stat.state == 'Z' || stat.state == 'X' || stat.state == 'x') return DEAD;
  if (start_ticks == 0) return UNKNOWN;
  if (stat.start_ticks != start_ticks) return DEAD;
  if (stack == 0 || stat.stack == 0) return UNKNOWN;
  return stat.stack == stack ? ALIVE : DEAD;
}

bool owner_is_dead(const workq *q, uint32_t slot) {
  const struct slot_owner *owner = &q->slots[slot].owner;
  int saved = errno;
  /* A new owner may be overwriting these just now: then the previous one is dead, and the new one
   * will be found alive. */
  uint32_t generation = atomic_load(&owner->generation);
  if (atomic_load(&owner->inode) != (uint64_t)q->file.inode) return true;
  enum verdict verdict = ask_kernel(atomic_load(&owner->pid), atomic_load(&owner->tid),
                                    atomic_load(&owner->start_ticks), atomic_load(&owner->stack));
  if (verdict == UNKNOWN) verdict = owner_byte_held(q, slot, generation) ? ALIVE : DEAD;
  errno = saved;
  return verdict == DEAD;
}
