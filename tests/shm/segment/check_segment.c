/*
 * The segment as a file: its birth, its header, and what else may lie under its name.  Each suite is in the file <suite>.c.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#define XXH_INLINE_ALL
#include "check_segment.h"

#include <fcntl.h>
#include <xxhash.h>

int try_open(void) {
  workq *handle = NULL;
  int rc = workq_open(name, &options, &handle);
  if (rc == 0) ck_assert_int_eq(workq_close(handle), 0);
  else ck_assert_ptr_null(handle);
  return rc;
}

int try_open_with(uint32_t flags) {
  options.flags |= flags;
  int rc = try_open();
  options.flags &= ~flags;
  return rc;
}

void create_closed(void) {
  options.capacity = 100;
  options.handles = 4;
  create();
  add("a");
  add_after("b", S);
  ok(workq_close(q));
  q = NULL;
}

void assert_whole(void) {
  q = open_again();
  assert_sound(q);
  ck_assert_int_eq(workq_len(q), 1);
  pass(S);
  assert_ready("a b");
}

static int open_file(void) {
  int fd = open(engine_path(name), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  ck_assert_int_ge(fd, 0);
  return fd;
}

struct header header_read(void) {
  struct header header;
  int fd = open_file();
  ck_assert_int_eq(pread(fd, &header, sizeof header, 0), sizeof header);
  close(fd);
  return header;
}

void header_write(const struct header *header) {
  int fd = open_file();
  ck_assert_int_eq(pwrite(fd, header, sizeof *header, 0), sizeof *header);
  close(fd);
}

void header_write_sealed(const struct header *header) {
  struct header sealed = *header;
  sealed.checksum = XXH3_64bits(&sealed, offsetof(struct header, checksum));
  header_write(&sealed);
}

int main(void) {
  static suite_maker *const suites[] = {birth_suite, file_suite, header_suite, older_suite};
  return fixture_run("check-segment", suites, sizeof suites / sizeof *suites);
}
