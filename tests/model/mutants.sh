#!/bin/sh
# The model test can fail: each small fault that the model can be given makes it differ from the queue, and be caught.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

if [ "${WORKQ_TEST_SCALE:-100}" -lt 100 ]; then
  echo "SKIPPED: the model is the same in every build: only with WORKQ_TEST_SCALE=100"
  exit 77
fi

cd "${WORKQ_BUILDDIR:-.}"
program=tests/model/check_model
# Rare events need the whole number of operations, and the same ones in every build.
WORKQ_TEST_SCALE=100
WORKQ_SEED=${WORKQ_SEED:-1}
export WORKQ_TEST_SCALE WORKQ_SEED

output=$(mktemp)
trap 'rm -f "$output"' EXIT
mutants=$($program --mutants | tail -n 1)
[ "$mutants" -gt 0 ]
failed=0
mutant=1
while [ "$mutant" -le "$mutants" ]; do
  status=0
  $program --mutant "$mutant" >"$output" 2>&1 || status=$?
  name=$(sed -n 's/^mutant //p' "$output")
  if [ "$status" -eq 1 ] && grep -q '^MISMATCH: ' "$output"; then
    echo "caught $name, $(sed -n 's/^MISMATCH: [^,]*, \([^:]*\):.*/\1/p' "$output")"
  else
    echo "FAIL: not caught: $name (exit $status)"
    failed=1
  fi
  mutant=$((mutant + 1))
done
exit $failed
