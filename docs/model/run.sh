#!/bin/sh
# Checks the models with Spin: that the protocols as they are hold what is asked of them, in every
# reachable state, and that each mutant breaks what it is expected to break.  README.md in this
# directory explains the models.
#
#   run.sh          as a test of `make check`
#   run.sh small    the same, whatever the build
#   run.sh full     larger configurations, too: minutes, 4 GB
#   run.sh show MODEL MACRO...   one configuration, e.g. `run.sh show lock NO_REREAD`, and the steps
#                   to the error
#
# Copyright 2026 The workq authors
# SPDX-License-Identifier: Apache-2.0
set -eu

size=${1:-check}
models=$(cd "$(dirname "$0")" && pwd)

skip() {
  echo "SKIPPED: $1"
  exit 77
}

if [ "$size" = check ]; then
  [ "${WORKQ_TEST_SCALE:-100}" -eq 100 ] || skip "the models do not depend on the build; they are checked at WORKQ_TEST_SCALE=100"
  case ${WORKQ_CC:-gcc} in
  gcc | cc | gcc\ *) ;;
  *) skip "the models do not depend on the build; they are checked in the one with gcc" ;;
  esac
fi
command -v spin >/dev/null || skip "spin is not installed"
# Most of the time goes into compiling Spin's checkers, and clang needs half of gcc's.
for compiler in clang gcc none; do
  ! command -v $compiler >/dev/null || break
done
[ "$compiler" != none ] || skip "neither clang nor gcc, which compile Spin's checkers, is installed"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
failed=0

# What is small is searched sooner than a better checker is compiled.
optimize=-O0
limits='-m100000 -w18'

# build MODEL MACRO...: ./pan for that configuration.  search: how to run it.
build() {
  file=$models/$1.pml
  shift
  macros='' live=0
  for macro in "$@"; do
    macros="$macros -D$macro"
    [ "$macro" != LIVE ] || live=1
  done
  # With a claim (a formula in the model) or without one, liveness is searched for in two ways.
  if [ "$live" -eq 0 ]; then
    options='-DSAFETY' search=''
  elif grep -q '^ltl ' "$file"; then
    options='-DNFAIR=4' search='-a -f'
  else
    options='-DNP -DNFAIR=4' search='-l -f'
  fi
  rm -f pan pan.* ./*.trail
  # shellcheck disable=SC2086
  if ! { spin -a $macros "$file" && $compiler $optimize -w $options -DMEMLIM=12000 -o pan pan.c; } >spin.log 2>&1; then
    cat spin.log
    echo "FAIL: no checker for $file $macros"
    exit 1
  fi
}

# explore: runs the checker.  states, depth, seconds and error (empty for none) say what came out.
explore() {
  # shellcheck disable=SC2086
  ./pan $limits $search >pan.log 2>&1 || true
  states=$(awk '/states, stored/ { print $1; exit }' pan.log)
  depth=$(sed -n 's/.*depth reached \([0-9]*\).*/\1/p' pan.log)
  seconds=$(sed -n 's/.*elapsed time \([0-9.e+-]*\) seconds.*/\1/p' pan.log)
  error=$(sed -n 's/^pan:[0-9]*: \(.*\) (at depth [0-9-]*)$/\1/p' pan.log | head -n 1)
}

is_complete() {
  [ -n "$states" ] && ! grep -Eiq 'truncated|too small|not completed|out of memory|bit state|hash-compact' pan.log
}

row() {
  printf '%-4s %-66s %9s %6s %7s  %s\n' "$1" "$2" "$3" "$4" "$5" "$6"
}

# sound MODEL MACRO...: nothing may be found, and nothing left out.
sound() {
  build "$@"
  explore
  model=$1
  shift
  if is_complete && [ -z "$error" ] && grep -q 'errors: 0$' pan.log; then
    row "$model" "$*" "$states" "$depth" "$seconds" holds
  else
    row "$model" "$*" "$states" "$depth" "$seconds" "FAIL: ${error:-the search is not complete}"
    tail -n 20 pan.log
    failed=1
  fi
}

# mutant WORDS MODEL MACRO...: an error that has these words must be found.
mutant() {
  words=$1
  shift
  build "$@"
  explore
  model=$1
  shift
  case $error in
  *"$words"*) row "$model" "$*" "$states" "$depth" "$seconds" "caught: $error" ;;
  *)
    row "$model" "$*" "$states" "$depth" "$seconds" "FAIL: not caught (${error:-no error})"
    failed=1
    ;;
  esac
}

if [ "$size" = show ]; then
  shift
  model=$1
  build "$@"
  explore
  grep -E '^pan:|errors:|states, stored' pan.log
  # shellcheck disable=SC2086
  [ -z "$error" ] || spin -t -p -g -k "$model.pml.trail" $macros "$models/$model.pml"
  exit 0
fi

row model variant states depth seconds result

# ---- Waiting ----

sound wait OPS=3 PAUSES=1 SIGNALS=1
sound wait OPS=2 DELAYS=1 SIGNALS=1
sound wait OPS=2 DELAYS=1 TIMEOUTS=1
sound wait OPS=2 DELAYS=1 KILLS=1
sound wait OPS=2 DELAYS=1 STOPS=1
sound wait OPS=2 PAUSES=1 STOPS=1 ELDERS=1
sound wait OPS=2 PAUSES=1 KILLS=2
sound wait OPS=2 EVICTED=1
sound wait OPS=2 KILLS=1 LIVE
sound wait OPS=1 DELAYS=1 STOPS=1 LIVE

mutant '!(stuck)' wait OPS=2 STOPS=1 NO_TICK
mutant '!(late)' wait OPS=2 SIGNALS=1 NO_PASS_ON
mutant '!(late)' wait OPS=2 KILLS=1 NO_LINE_REPAIR
mutant '!(lost)' wait OPS=2 KILLS=1 NO_UNDO
mutant '!(late)' wait OPS=2 SLEEP_UNCHECKED
mutant '!(late)' wait OPS=2 ARM_LATE
mutant '!(late)' wait OPS=3 PAUSES=1 NO_UNPAUSE_SIGNAL
mutant '!(late)' wait OPS=2 DELAYS=1 NO_LEAD
mutant '!(late)' wait OPS=2 DELAYS=1 NO_LEAD_ON
mutant '!(late)' wait OPS=2 DELAYS=1 SERVES_ANYWAY
mutant '!(late)' wait OPS=2 DELAYS=1 ELDERS=1 NO_REPLACE_LEADER
mutant '!(late)' wait OPS=2 DELAYS=1 KILLS=1 NO_LEADER_WAKE
mutant '!(late)' wait OPS=2 DELAYS=1 KILLS=1 SIGNALLED_IS_AWAKE
mutant '!(has_ghost)' wait OPS=2 TIMEOUTS=1 NO_CANCEL
mutant '!(has_ghost)' wait OPS=2 DELAYS=1 TIMEOUTS=1 PUBLISH_OVER_CANCELLED
mutant '!(late)' wait OPS=2 DELAYS=1 TIMEOUTS=1 OWN_LEAD_KEPT
mutant '!(late)' wait OPS=2 DELAYS=1 TIMEOUTS=1 NO_HANDOVER
mutant '!(late)' wait OPS=2 TIMEOUTS=1 NO_SWALLOWED_PASS_ON
mutant '!(kept_lead)' wait OPS=2 DELAYS=1 STOPS=1 NO_TAKE_OVER
mutant '!(late)' wait OPS=2 DELAYS=1 STOPS=1 TRUSTS_PLACE
mutant '!(late)' wait OPS=2 EVICTED=1 MARK_WITHOUT_GENERATION
mutant '!(lost)' wait OPS=2 DONE_FORGETS_DIRTY
mutant 'worked_by' wait OPS=2 REAP_LIVING
mutant 'acceptance cycle' wait OPS=2 KILLS=1 LIVE NO_REAP

# ---- The lock ----

sound lock KILLS=1 REAPED=1 GIVE_UPS=1
sound lock PROCS=3 LOSSES=2
sound lock PROCS=3 LOSSES=0 KILLS=1
sound lock LIVE STOPS=1 KILLS=1 REAPED=1
sound lock TIMED CHILDREN=1 STRAYS=1 KILLS=1 REAPED=1
sound lock LIVE CHILDREN=1 KILLS=1 REAPED=1
sound lock UNREADABLE KILLS=1 REAPED=1

mutant 'inside==1' lock NO_NOTE
mutant 'inside==1' lock NO_REREAD
mutant 'half_done==0' lock KILLS=1 REAPED=1 NO_SETTLED
mutant 'inside==1' lock NO_MEMBARRIER
mutant 'inside==1' lock NO_WAIT_OUT
mutant 'inside==1' lock PROCS=3 LOSSES=2 INIT_NEXT
mutant 'inside==1' lock PROCS=3 LOSSES=3 MUTEXES=2
mutant 'invalid end state' lock PROCS=3 LOSSES=0 KILLS=1 NO_SLICE
mutant 'non-progress cycle' lock LIVE KILLS=1 REAPED=1 NO_FORGET
mutant 'non-progress cycle' lock LIVE KILLS=1 REAPED=1 NO_ABANDON
mutant 'losses<=' lock TIMED ABANDON_LIVING
mutant 'losses<=' lock TIMED NO_TRYLOCK
mutant 'non-progress cycle' lock LIVE CHILDREN=1 KILLS=1 REAPED=1 BYTE_ONLY
mutant 'inside==1' lock STRAYS=1 BYTE_DECIDES
mutant 'losses<=' lock TIMED DESCRIBE_LATE
mutant 'non-progress cycle' lock LIVE STOPS=1 KILLS=1 REAPED=1 DESCRIBE_FIRST

# ---- Taking a slot ----

sound slot KILLS=2 CHILDREN=2 FAILURES=1 ROUNDS=1

mutant '!(taken_for_dead)' slot NO_CLAIM
mutant '!(hidden_death)' slot KILLS=1 CHILDREN=1 FAILURES=1 DISOWN_ANY
mutant '!(hidden_death)' slot KILLS=1 NO_GENERATION_CHECK

# ---- Waiting for space ----

sound space STOPS=1
sound space KILLS=1
sound space TIMEOUTS=1
sound space CAPACITY=2 SAME=1 PLAIN=1
sound space CAPACITY=2 PLAIN=2
sound space LIVE

mutant '!(late_now)' space NO_SIGNAL
mutant '!(late_now)' space CAPACITY=2 SAME=1 NO_PASS_ON
mutant '!(late_now)' space STOPS=1 PRUNE_UNSIGNALLED
mutant '!(kept)' space STOPS=1 NO_PASS_OVER
mutant '!(has_ghost)' space TIMEOUTS=1 NO_LEAVE_CANCELLED
mutant '!(same_key)' space SAME=1 NO_SIGNAL_KEY
mutant '!(same_key)' space CAPACITY=2 SAME=1 PLAIN=1 SIGNALS_ITSELF
mutant '!(overtaken)' space NEWEST_FIRST
mutant '!(overtaken)' space NO_TURNS
mutant '!(unsorted)' space PLAIN=1 BACK_AS_NEWEST
mutant '!(unsorted)' space STOPS=2 BACK_AS_OLDEST
mutant 'acceptance cycle' space LIVE NEWEST_FIRST

# ---- Larger ----

if [ "$size" = full ]; then
  mutant '!(stuck)' wait OPS=2 KILLS=1 NO_TICK
  mutant '!(late)' wait OPS=2 EVICTED=1 MARK_CHECKED_BEFORE
  mutant 'inside==1' lock STRAYS=1 BYTE_ONLY
  mutant 'losses<=' lock TIMED STRAYS=1 BYTE_DECIDES
  mutant '!(overtaken)' space NO_GRANTS
  mutant 'acceptance cycle' space LIVE NO_TURNS

  optimize=-O1
  limits='-m1000000 -w22'
  sound wait OPS=3 DELAYS=1 PAUSES=1 SIGNALS=1 TIMEOUTS=1
  sound wait OPS=3 DELAYS=1 KILLS=1
  sound wait OPS=2 DELAYS=1 KILLS=2
  sound wait OPS=3 PAUSES=1 KILLS=2 SIGNALS=1
  sound wait OPS=2 KILLS=2 LIVE
  sound wait OPS=1 DELAYS=1 KILLS=1 LIVE
  sound wait WORKERS=3 OPS=2 KILLS=1
  sound wait WORKERS=3 OPS=2 PAUSES=1 SIGNALS=1
  sound wait WORKERS=3 OPS=2 DELAYS=1 ELDERS=1
  sound wait WORKERS=3 OPS=2 STOPS=1
  sound wait OPS=2 DELAYS=1 STOPS=1 ELDERS=1
  sound wait OPS=2 DELAYS=1 STOPS=2
  sound wait OPS=2 DELAYS=1 STOPS=1 KILLS=1
  sound wait OPS=2 DELAYS=1 STOPS=1 LIVE
  sound wait OPS=2 DELAYS=1 TIMEOUTS=2
  sound wait OPS=2 DELAYS=1 TIMEOUTS=1 KILLS=1
  sound lock ROUNDS=2 KILLS=1 REAPED=1
  sound lock TIMED STOPS=1 KILLS=1 REAPED=1
  sound lock KILLS=2 REAPED=1
  sound lock KILLS=2 REAPED=1 GIVE_UPS=1
  sound lock KILLS=3 REAPED=2 LOSSES=3
  sound lock PROCS=3 KILLS=1 REAPED=1 LOSSES=1
  sound lock PROCS=3 LOSSES=3
  sound lock PROCS=3 STOPS=1 KILLS=1 REAPED=1 LOSSES=1 TIMED
  sound lock PROCS=3 LOSSES=1 KILLS=1 LIVE
  sound lock CHILDREN=1 STRAYS=1 KILLS=1 REAPED=1
  sound lock LIVE CHILDREN=1 STRAYS=1 STOPS=1 KILLS=1 REAPED=1
  sound lock UNREADABLE KILLS=2 REAPED=1
  sound lock UNREADABLE LIVE KILLS=1 REAPED=1
  sound slot
  sound slot KILLS=2 CHILDREN=2 FAILURES=1
  sound space PRODUCERS=2 ROUNDS=2 STOPS=1 PLAIN=1
  sound space ROUNDS=2 STOPS=1
  sound space STOPS=1 PLAIN=1
  sound space TIMEOUTS=1 KILLS=1
  sound space PRODUCERS=2 ROUNDS=3 KILLS=1 STOPS=1 PLAIN=1
  sound space PRODUCERS=2 SLOW=1 PLAIN=1
fi

[ "$failed" -eq 0 ] || exit 1
echo "ok: the models hold, and every mutant is caught"
