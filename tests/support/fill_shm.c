/*
 * A full /dev/shm; see fill_shm.h.
 *
 * Copyright 2026 The workq authors
 * SPDX-License-Identifier: Apache-2.0
 */
#include "fill_shm.h"

#include <check.h>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PAGE 4096

unsigned long fill_shm_free(void) {
  struct statvfs fs;
  ck_assert_int_eq(statvfs("/dev/shm", &fs), 0);
  return fs.f_bfree * fs.f_frsize / PAGE;
}

static int filler = -1;

void fill_shm_but(unsigned long pages) {
  if (filler < 0) filler = open("/dev/shm/filler", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ck_assert_int_ge(filler, 0);
  ck_assert_int_eq(ftruncate(filler, 0), 0);
  unsigned long now = fill_shm_free();
  if (now > pages) ck_assert_int_eq(posix_fallocate(filler, 0, (off_t)(now - pages) * PAGE), 0);
  ck_assert_uint_eq(fill_shm_free(), pages);
}

void fill_shm_empty(void) {
  ck_assert_int_eq(ftruncate(filler, 0), 0);
}
