#!/bin/sh
# The soak can fail: whatever it may be made to lose, to hand out twice or to leave behind, it says so, and cleans up.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

if [ "${WORKQ_TEST_SCALE:-100}" -lt 100 ]; then
  echo "SKIPPED: what the soak can find is the same in every build: only with WORKQ_TEST_SCALE=100"
  exit 77
fi

cd "${WORKQ_BUILDDIR:-.}"
program=tests/soak/soak
output=$(mktemp)
trap 'rm -f "$output"' EXIT
failed=0

# fails_so MUTANT WORDS SECONDS [OPTION...]: it fails with these words.  The crowd is small: a mutant is not to wait for it.
fails_so() {
  mutant=$1 words=$2 seconds=$3
  shift 3
  status=0
  $program --seconds "$seconds" --crowd 50 "$@" --mutant "$mutant" >"$output" 2>&1 || status=$?
  [ "$status" -eq 1 ] && grep -q "^FAIL: .*$words" "$output" && grep -q '^soak: FAILED after .*, seed [0-9]' "$output"
}

# caught MUTANT WORDS SECONDS [OPTION...]: it must fail with these words; on a slow machine it may need more time for that.
caught() {
  mutant=$1 words=$2 seconds=$3
  shift 3
  until fails_so "$mutant" "$words" "$seconds" "$@"; do
    seconds=$((2 * seconds))
    [ "$seconds" -gt 100 ] || continue
    echo "FAIL: not caught: $mutant (exit $status)"
    tail -n 20 "$output"
    failed=1
    return
  done
  echo "caught $mutant: $(sed -n 's/^FAIL: //p' "$output" | head -n 1)"
}

caught lose-dirty 'is lost' 2
caught lose-on-reap 'is lost' 2
caught two-hands 'is in two hands\|was given to life' 2
caught leak 'bytes after the warm-up' 1
caught litter 'records are still in use' 1
caught squatter 'handles are left' 1
caught stuck 'has run for' 10 --stall-seconds 2
caught lose-waited 'soakfull.*is lost' 2
caught starve 'has waited for room' 1
caught wild-reader 'reader [0-9]* died of signal 4' 10
caught linger 'no free slot for another handle' 10
caught restless 'are attached\|handles are left' 5
exit $failed
