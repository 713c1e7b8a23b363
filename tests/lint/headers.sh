#!/bin/sh
# The public header stands alone, as C11 and as C++; and the library exports what the header declares and nothing else, each with
# the version that src/libworkq.map gives it.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

: "${WORKQ_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}" "${WORKQ_BUILDDIR:=.}" "${WORKQ_CC:=cc}" "${WORKQ_CXX=}"
header=$WORKQ_SRCDIR/include/workq.h
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

fail() {
  echo "FAIL: $*"
  failed=1
}

# Included twice, and first, and alone: it needs nothing before it and does not mind itself.
printf '#include <workq.h>\n#include <workq.h>\nint workq_header_test(void);\nint workq_header_test(void) { return 0; }\n' \
  >"$scratch/alone.c"
cp "$scratch/alone.c" "$scratch/alone.cc"

# The compilers are words that may carry options.
# shellcheck disable=SC2086
if $WORKQ_CC -std=c11 -pedantic-errors -Wall -Wextra -Wstrict-prototypes -Werror -I"$WORKQ_SRCDIR/include" \
  -c "$scratch/alone.c" -o "$scratch/alone.o"; then
  echo "ok: alone as C11"
else
  fail "workq.h does not compile alone as C11"
fi

if [ -z "$WORKQ_CXX" ]; then
  echo "SKIPPED: no C++ compiler, so the header was not tried as C++"
else
  for standard in c++11 c++17; do
    # shellcheck disable=SC2086
    if $WORKQ_CXX -std=$standard -pedantic-errors -Wall -Wextra -Werror -I"$WORKQ_SRCDIR/include" \
      -c "$scratch/alone.cc" -o "$scratch/alone.o"; then
      echo "ok: alone as $standard"
    else
      fail "workq.h does not compile alone as $standard"
    fi
  done
fi

# Every function is declared as "WORKQ_API ... workq_NAME(".
sed -n 's/^WORKQ_API .*\(workq_[a-z_]*\)(.*/\1/p' "$header" | sort >"$scratch/declared"
[ -s "$scratch/declared" ] || fail "no declaration was found in workq.h"

# compare WHAT-ONE WHAT-OTHER ONE OTHER: two sorted lists have the same lines.
compare() {
  if diff "$scratch/$3" "$scratch/$4" >"$scratch/diff"; then
    echo "ok: $(wc -l <"$scratch/$3") symbols are $1, and $2"
    return
  fi
  sed -n "s/^< /FAIL: $1 but not $2: /p; s/^> /FAIL: $2 but not $1: /p" "$scratch/diff"
  failed=1
}

# "symbol@@NODE" a line, and the symbols alone.
awk '/^[A-Z]/ { node = $1 } /^ *workq_/ { sub(/;.*/, ""); print $1 "@@" node }' "$WORKQ_SRCDIR/src/libworkq.map" | sort \
  >"$scratch/versions"
sed 's/@.*//' "$scratch/versions" | sort >"$scratch/mapped"
compare "declared" "in libworkq.map" declared mapped

library=$WORKQ_BUILDDIR/.libs/libworkq.so
if [ ! -e "$library" ]; then
  echo "SKIPPED: this build has no shared library, so its symbols were not compared"
else
  # A sanitizer's and the linker's own symbols are not ours to hide, and a node of the map is no function.
  nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | grep -Ev '^(__|_init$|_fini$|_end$|_edata$)' | sort \
    >"$scratch/exports" || true
  sed 's/@.*//' "$scratch/exports" | sort >"$scratch/exported"
  compare "declared" "exported" declared exported
  if grep -q @ "$scratch/exports"; then
    compare "in libworkq.map" "exported with its version" versions exports
  else
    echo "SKIPPED: this build's linker took no version script, or nm shows no versions"
  fi
fi
exit $failed
