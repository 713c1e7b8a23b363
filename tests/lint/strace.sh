#!/bin/sh
# Uncontended operations never enter the kernel: 10,000 cycles of add, get and done, and 10,000 adds while no worker sleeps,
# make no system call.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

program=${WORKQ_BUILDDIR:-.}/tests/lint/strace_cycles
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The leak check of a sanitizer's build cannot work while strace traces.
export ASAN_OPTIONS=detect_leaks=0

command -v strace >/dev/null || {
  echo "SKIPPED: strace is not installed"
  exit 77
}
strace -o "$scratch/probe" true 2>"$scratch/words" || {
  echo "SKIPPED: strace cannot trace here: $(cat "$scratch/words")"
  exit 77
}

failed=0
for stretch in cycles adds; do
  strace -o "$scratch/trace" "$program" "$stretch"
  # Lines between the first and the second getppid(); signals and exits of children ("---", "+++") are no calls.
  awk '/^getppid\(/ { marks++; next } marks == 1 && !/^(---|\+\+\+)/' "$scratch/trace" >"$scratch/between"
  marks=$(grep -c '^getppid(' "$scratch/trace" || true)
  calls=$(wc -l <"$scratch/between")
  if [ "$marks" -ne 2 ]; then
    echo "FAIL: $stretch: $marks marks in the trace instead of 2"
    failed=1
  elif [ "$calls" -ne 0 ]; then
    echo "FAIL: $stretch: $calls system calls in 10,000 rounds; the first are"
    head -n 10 "$scratch/between"
    failed=1
  else
    echo "ok: $stretch: 10,000 rounds without a system call"
  fi
done
exit $failed
