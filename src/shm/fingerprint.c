/*
 * fingerprint.c: the properties that must be equal in all processes that share a segment, and
 * messages about those that are not.
 *
 * Two C libraries have mutexes of equal size and different layout.  Thread ids of two pid
 * namespaces may be equal, which breaks robust mutexes; clocks of two time namespaces differ.  A
 * segment cannot outlive its boot, but a copy of its file can.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __GLIBC__
#define LIBC_HERE 1u
#else
#define LIBC_HERE 2u
#endif

/* The file is missing or this process may not read it. */
static bool is_hidden(int error) {
  return error == ENOENT || error == ENOTDIR || error == EACCES || error == EPERM;
}

static int namespace_read(const char *path, uint64_t *inode) {
  struct stat st;
  if (stat(path, &st) != 0) return is_hidden(errno) ? 0 : -errno;
  *inode = (uint64_t)st.st_ino;
  return 0;
}

static int boot_id_read(char *text, size_t size) {
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return is_hidden(errno) ? 0 : -errno;
  ssize_t n = read(fd, text, size - 1);
  int rc = n < 0 ? -errno : 0;
  close(fd);
  text[n > 0 ? n : 0] = '\0';
  text[strcspn(text, "\n")] = '\0';
  return rc;
}

int fingerprint_read(struct fingerprint *fingerprint) {
  memset(fingerprint, 0, sizeof *fingerprint);
  fingerprint->libc = LIBC_HERE;
  fingerprint->word_size = sizeof(void *);
  fingerprint->byte_order = 0x01020304;
  fingerprint->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
  fingerprint->mutex_size = sizeof(pthread_mutex_t);
  int rc = namespace_read("/proc/self/ns/pid", &fingerprint->pid_namespace);
  if (rc == 0) rc = namespace_read("/proc/self/ns/time", &fingerprint->time_namespace);
  if (rc == 0) rc = boot_id_read(fingerprint->boot_id, sizeof fingerprint->boot_id);
  return rc;
}

static int say_number(char *buffer, size_t size, const char *field, uint64_t there, uint64_t here) {
  if (there == here) return 0;
  if (size) snprintf(buffer, size, "%s is %" PRIu64 " there and %" PRIu64 " here", field, there, here);
  return 1;
}

static const char *libc_name(uint32_t libc) {
  return libc == 1 ? "glibc" : libc == 2 ? "musl or another" : "unknown";
}

int fingerprint_differs(const struct fingerprint *there, const struct fingerprint *here, char *buffer, size_t size) {
  if (size) buffer[0] = '\0';
  if (there->byte_order != here->byte_order) {
    if (size) snprintf(buffer, size, "the byte order differs");
    return 1;
  }
  if (there->libc != here->libc) {
    if (size)
      snprintf(buffer, size, "the C library is %s there and %s here", libc_name(there->libc), libc_name(here->libc));
    return 1;
  }
  if (say_number(buffer, size, "the word size", there->word_size, here->word_size)) return 1;
  if (say_number(buffer, size, "the page size", there->page_size, here->page_size)) return 1;
  if (say_number(buffer, size, "sizeof(pthread_mutex_t)", there->mutex_size, here->mutex_size)) return 1;
  if (strncmp(there->boot_id, here->boot_id, sizeof there->boot_id) != 0) {
    if (size)
      snprintf(buffer, size, "the boot id is %.*s there and %.*s here", (int)sizeof there->boot_id, there->boot_id,
               (int)sizeof here->boot_id, here->boot_id);
    for (char *c = buffer; size && *c; c++)
      if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e) *c = '?';
    return 1;
  }
  if (say_number(buffer, size, "the pid namespace", there->pid_namespace, here->pid_namespace)) return 1;
  return say_number(buffer, size, "the time namespace", there->time_namespace, here->time_namespace);
}

bool fingerprint_may_read(const struct fingerprint *there, const struct fingerprint *here) {
  struct fingerprint same = *there;
  same.libc = here->libc;
  same.page_size = here->page_size;
  same.pid_namespace = here->pid_namespace;
  return !fingerprint_differs(&same, here, NULL, 0);
}
