#!/bin/sh
# Builds the fuzz targets with clang and runs each; `make fuzz` calls it in the build directory.
#   FUZZ_RUNS     executions of each target (default 10000000)
#   FUZZ_JOBS     processes at a time (default 1)
#   FUZZ_TARGETS  which ones (default: all)
#   FUZZ_CHECKS   sanitizers (default address,undefined; none: three times as many executions in a second)
#   FUZZ_LEN      longest input in bytes (default 400)
# Inputs that reach something new are kept in fuzz/corpus/TARGET of the build directory, findings in fuzz/findings.
# FUZZ_CPPFLAGS are the build's.
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

src=${WORKQ_SRCDIR:?}
runs=${FUZZ_RUNS:-10000000}
jobs=${FUZZ_JOBS:-1}
targets=${FUZZ_TARGETS:-operations segment spec}
clang=${CLANG:-clang}
common="-std=gnu11 -pthread -g -O1 ${FUZZ_CPPFLAGS:-}"
checks=${FUZZ_CHECKS:-address,undefined}
case $checks in
none) sanitize=-O2 link_with=-fsanitize=fuzzer ;;
*) sanitize="-fsanitize=$checks -fno-sanitize-recover=undefined" link_with=-fsanitize=fuzzer,$checks ;;
esac
# What clang tells of each store is used by stores.c.
watch="-fsanitize-coverage=inline-8bit-counters,pc-table,trace-stores -include $src/tests/fuzz/points.h"

command -v "$clang" > /dev/null || {
  echo "clang is needed for fuzzing"
  exit 1
}
mkdir -p fuzz/library fuzz/engine fuzz/target fuzz/findings

# Headers are few, and change together: whatever is newer than an object makes all anew.
newest=$(find "$src/src" "$src/tests" "$src/include" "$src/utils" -name '*.h' -newer fuzz/made 2> /dev/null | head -n 1)
if [ "$(cat fuzz/made 2> /dev/null)" != "$checks" ] || [ -n "$newest" ]; then rm -f fuzz/library/* fuzz/engine/* fuzz/target/*; fi

# compile WHERE FLAGS FILE...
compile() {
  where=$1
  flags=$2
  shift 2
  for file in "$@"; do
    object=fuzz/$where/$(basename "$file" .c).o
    [ -z "$(find "$object" -newer "$file" 2> /dev/null)" ] || continue
    # shellcheck disable=SC2086 # flags are words
    "$clang" $common $sanitize $flags -c "$file" -o "$object"
  done
}

compile library "$watch" "$src"/src/*.c "$src/utils/common/parse.c"
compile engine "$watch" "$src"/src/shm/*.c
compile target "" "$src/tests/fuzz/"fuzz_*.c "$src/tests/fuzz/"inside_*.c "$src/tests/fuzz/bytes.c" \
  "$src/tests/fuzz/handles.c" "$src/tests/fuzz/stores.c" "$src/tests/support/calls.c" "$src/tests/model/model.c" \
  "$src/tests/model/model_limiter.c" "$src/tests/model/model_work.c"
echo "$checks" > fuzz/made

# link TARGET OBJECT...
link() {
  target=$1
  shift
  # shellcheck disable=SC2086
  (cd fuzz/target && "$clang" -pthread "$link_with" -o "../fuzz_$target" "fuzz_$target.o" "$@" \
    bytes.o handles.o stores.o ../library/*.o ../engine/*.o -lm)
}
link operations inside_compare.o inside_operations.o model.o model_limiter.o model_work.o
link segment calls.o
link spec

failed=0
for target in $targets; do
  corpus=fuzz/corpus/$target
  mkdir -p "$corpus"
  each=$(((runs + jobs - 1) / jobs))
  pids=
  job=0
  while [ $job -lt "$jobs" ]; do
    ASAN_OPTIONS=detect_leaks=0 "./fuzz/fuzz_$target" -runs="$each" -entropic=0 -max_len="${FUZZ_LEN:-400}" -timeout=20 -reload=60 \
      -print_final_stats=1 -artifact_prefix="fuzz/findings/$target-" "$corpus" "$src/tests/fuzz/corpus/$target" \
      > "fuzz/$target-$job.log" 2>&1 &
    pids="$pids $!"
    job=$((job + 1))
  done
  for pid in $pids; do
    wait "$pid" || failed=1
    rm -f "/dev/shm/workq.fuzz-$pid-file" # what one that has found something leaves
  done
  sed -n 's/^stat::number_of_executed_units: *//p' fuzz/"$target"-*.log | {
    total=0
    while read -r count; do total=$((total + count)); done
    echo "fuzz_$target: $total executions"
  }
done
if [ $failed -ne 0 ]; then
  grep -h -m 1 -A 40 'MISMATCH\|ERROR: \|runtime error' fuzz/*.log || true
  echo "FAIL: findings are in $(pwd)/fuzz/findings; FUZZ_LOG=1 fuzz/fuzz_operations FILE tells how it came to one"
fi
exit $failed
