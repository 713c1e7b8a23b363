#!/bin/sh
# Programs that were compiled with an older or a newer version of workq.h run with this library, though structures have grown
# since: tests/lint/abi/program.c, with headers that tests/lint/abi/versions.awk makes of this one.
#
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

: "${WORKQ_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}" "${WORKQ_BUILDDIR:=$PWD}" "${WORKQ_CC:=cc}"
export LC_ALL=C
library=$WORKQ_BUILDDIR/.libs
[ -e "$library/libworkq.so" ] || {
  echo "SKIP: this build has no shared library"
  exit 77
}
! grep -q '^WORKQ_CFLAGS = .*-fsanitize' "$WORKQ_BUILDDIR/Makefile" || {
  echo "SKIP: the build has sanitizers"
  exit 77
}
scratch=$(mktemp -d)
name=abi-versions-$$
trap 'rm -rf "$scratch" "/dev/shm/workq.$name"' EXIT
failed=0

for version in older same newer; do
  mkdir "$scratch/$version"
  awk -v version=$version -f "$WORKQ_SRCDIR/tests/lint/abi/versions.awk" "$WORKQ_SRCDIR/include/workq.h" >"$scratch/$version/workq.h"
  define=
  [ $version != newer ] || define=-DNEWER
  # The compiler is a word that may have options.
  # shellcheck disable=SC2086
  $WORKQ_CC -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror $define -I"$scratch/$version" "$WORKQ_SRCDIR/tests/lint/abi/program.c" \
    -L"$library" -lworkq -o "$scratch/$version/program"
  if LD_LIBRARY_PATH=$library "$scratch/$version/program" "$name"; then
    echo "ok: a program compiled with the $version version's header"
  else
    echo "FAIL: a program compiled with the $version version's header"
    failed=1
  fi
done
# The three are three: else nothing was shown.
for version in older newer; do
  if cmp -s "$scratch/same/workq.h" "$scratch/$version/workq.h"; then
    echo "FAIL: the $version header is the same"
    failed=1
  fi
done
exit $failed
