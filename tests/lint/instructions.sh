#!/bin/sh
# Add, get and done do not grow unnoticed: callgrind counts the instructions that each takes, and this fails where one takes over
# 5 % more than tests/lint/instructions.txt says.  Counts are repeatable, times are not.
#
#   tests/lint/instructions.sh            compares
#   tests/lint/instructions.sh --write    writes new counts down, on purpose: `make instructions`
#
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

: "${WORKQ_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}" "${WORKQ_BUILDDIR:=$PWD}"
export LC_ALL=C
program=$WORKQ_BUILDDIR/tests/lint/instructions
known=$WORKQ_SRCDIR/tests/lint/instructions.txt

skip() {
  echo "SKIPPED: $*"
  exit 77
}

makefile=$WORKQ_BUILDDIR/Makefile
flags=$(sed -n 's/^CFLAGS = //p' "$makefile")
optimization=$(printf '%s\n' "$flags" | tr ' ' '\n' | grep '^-O' | tail -n 1) || true
[ "$optimization" = -O2 ] || skip "the build is not one by -O2 but by CFLAGS='$flags'"
! grep -q '^WORKQ_CFLAGS = .*-fsanitize' "$makefile" || skip "the build has sanitizers"
command -v valgrind >/dev/null || skip "valgrind is not installed"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

status=0
"$program" >"$scratch/stretches" || status=$?
[ $status -ne 77 ] || skip "$(sed -n 's/^SKIPPED: //p' "$scratch/stretches")"
build=$(sed -n 's/^build //p' "$scratch/stretches")
[ "${1-}" = --write ] || [ "$(sed -n 's/^build //p' "$known")" = "$build" ] ||
  skip "the counts are those of $(sed -n 's/^build //p' "$known"), and this is $build"

# One file for each return from the stretch, by number.
valgrind --tool=callgrind --callgrind-out-file="$scratch/out" --toggle-collect=instructions_stretch \
  --dump-after=instructions_stretch "$program" >"$scratch/stretches" 2>"$scratch/words" || {
  cat "$scratch/words"
  echo "FAIL: the program does not run under valgrind"
  exit 1
}
sed -i '/^build /d' "$scratch/stretches"

number=0
while read -r name rounds; do
  number=$((number + 1))
  echo "$name $rounds $(sed -n 's/^\(totals\|summary\): //p' "$scratch/out.$number" | head -n 1)"
done <"$scratch/stretches" >"$scratch/sums"

# The difference of the longer and the shorter stretch, for one round.
awk '{
  if ($1 == name) printf "%s %.0f\n", name, ($3 - sum) / ($2 - rounds)
  name = $1; rounds = $2; sum = $3
}' "$scratch/sums" >"$scratch/counts"

if [ "${1-}" = --write ]; then
  {
    sed -n '/^#/p' "$known"
    echo "build $build"
    cat "$scratch/counts"
  } >"$scratch/new"
  cat "$scratch/new" >"$known"
  cat "$known"
  exit 0
fi

sed '/^#/d; /^build /d' "$known" >"$scratch/known"
awk '
  NR == FNR { was[$1] = $2; next }
  !($1 in was) { print "FAIL: " $1 ": " $2 " instructions, and no count in tests/lint/instructions.txt"; failed = 1; next }
  {
    change = ($2 / was[$1] - 1) * 100
    verdict = "ok"
    if (change > 5) { verdict = "FAIL"; failed = 1 }
    printf "%s: %s: %d instructions, %d in tests/lint/instructions.txt (%+.1f %%)\n", verdict, $1, $2, was[$1], change
    if (change < -5) shorter = 1
    delete was[$1]
  }
  END {
    for (name in was) { print "FAIL: " name " stands in tests/lint/instructions.txt, and was not counted"; failed = 1 }
    if (failed) print "Where that is meant: `make instructions` writes the new counts down."
    if (shorter) print "NOTE: something became over 5 % shorter; `make instructions` writes it down, so that it stays so."
    exit failed
  }' "$scratch/known" "$scratch/counts"
